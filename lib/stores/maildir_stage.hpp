#pragma once
// New files of a restore before they are visible: whole, owned and dated, in the account's tmp/.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include <restante/content.hpp>
#include <restante/status.hpp>

#include "os/io.hpp"
#include "stores/maildir_attributes.hpp"
#include "stores/maildir_names.hpp"

namespace restante::stores {

/// Sets what differs. Without the right to give a file away it stays as it is, and `denied` tells.
[[nodiscard]] Status set_ownership(os::Io& io, int fd, const Ownership& wanted, bool& denied);

/// `write` may be called from several threads at once.
class Stage {
 public:
  Stage(os::Io& io, int account_fd, BaseNames& names) : io_(io), account_fd_(account_fd), names_(names) {}
  ~Stage() { discard(); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  struct File {
    /// In tmp/; a base name that nobody else has.
    std::string name;
    std::uint64_t size = 0;
  };
  /// What went wrong, and whether it is the content's fault (nothing is left behind then) or the store's.
  struct Failure {
    Status status;
    bool content = false;
  };
  /// Copies the content. `mtime_ns` is set if it is not null.
  [[nodiscard]] Failure write(ContentReader& content, std::uint64_t size, const Ownership& ownership,
                              const std::int64_t* mtime_ns, File& out);
  /// The directory that the files lie in.
  [[nodiscard]] Result<os::Fd> open_directory(const Ownership& of_account);
  /// Gives a file that was written another owner or mode.
  [[nodiscard]] Status own(const std::string& name, const Ownership& ownership);
  void remove(const std::string& name);
  /// Makes durable what was written since the last time.
  [[nodiscard]] Status sync();
  /// The file is somebody else's now.
  void release(const std::string& name);
  /// Removes what was not released.
  void discard();
  /// Owners that could not be set, for want of rights.
  [[nodiscard]] bool denied() const { return denied_; }

 private:
  Status open_tmp(const Ownership& of_account);
  Status fill(int fd, ContentReader& content, std::uint64_t size, bool& content_failed);

  os::Io& io_;
  int account_fd_;
  BaseNames& names_;
  std::mutex mutex_;  // of what follows; what was opened stays open
  os::Fd tmp_;
  std::unordered_set<std::string> files_;
  std::vector<std::string> unsynced_;
  std::atomic<bool> denied_ = false;
};

}  // namespace restante::stores
