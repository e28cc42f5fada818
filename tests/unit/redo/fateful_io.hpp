#pragma once
// A process that does something to itself at a call of the system, and what must be true behind that.

#include <atomic>
#include <functional>
#include <set>
#include <string>

#include "os/io.hpp"
#include "redo_test.hpp"

namespace restante::test {

/// The real system; at one call the process does something to itself.
class FatefulIo final : public os::Io {
 public:
  /// Before the `n`-th call (from 1) that may change something; `after` does it behind the call instead.
  FatefulIo(std::uint64_t n, bool after, std::function<void()> fate)
      : n_(n), after_(after), fate_(std::move(fate)) {}
  [[nodiscard]] std::uint64_t calls() const { return calls_; }

  Result<os::Fd> open_at(int dirfd, const std::string& name, int flags, mode_t mode) override {
    return meet([&] { return real_.open_at(dirfd, name, flags, mode); });
  }
  Status close(os::Fd fd) override {
    return meet([&] { return real_.close(std::move(fd)); });
  }
  Result<std::size_t> pread(int fd, MutableByteView buffer, std::uint64_t offset) override {
    return real_.pread(fd, buffer, offset);
  }
  Result<std::size_t> pwrite(int fd, ByteView bytes, std::uint64_t offset) override {
    return meet([&] { return real_.pwrite(fd, bytes, offset); });
  }
  Status fsync(int fd) override {
    return meet([&] { return real_.fsync(fd); });
  }
  Status fdatasync(int fd) override {
    return meet([&] { return real_.fdatasync(fd); });
  }
  Status sync_fs(int fd) override { return real_.sync_fs(fd); }
  Status truncate(int fd, std::uint64_t size) override {
    return meet([&] { return real_.truncate(fd, size); });
  }
  Status allocate(int fd, std::uint64_t offset, std::uint64_t length) override {
    return meet([&] { return real_.allocate(fd, offset, length); });
  }
  Status rename_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    return meet([&] { return real_.rename_at(from_dirfd, from, to_dirfd, to); });
  }
  Status rename_no_replace_at(int from_dirfd, const std::string& from, int to_dirfd,
                              const std::string& to) override {
    return meet([&] { return real_.rename_no_replace_at(from_dirfd, from, to_dirfd, to); });
  }
  Status unlink_at(int dirfd, const std::string& name) override {
    return meet([&] { return real_.unlink_at(dirfd, name); });
  }
  Status rmdir_at(int dirfd, const std::string& name) override { return real_.rmdir_at(dirfd, name); }
  Status mkdir_at(int dirfd, const std::string& name, mode_t mode) override {
    return real_.mkdir_at(dirfd, name, mode);
  }
  Status link_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    return real_.link_at(from_dirfd, from, to_dirfd, to);
  }
  Result<os::FileInfo> stat_at(int dirfd, const std::string& name) override {
    return real_.stat_at(dirfd, name);
  }
  Result<os::FileInfo> fstat(int fd) override { return real_.fstat(fd); }
  Result<std::vector<os::DirEntry>> list(int dirfd) override { return real_.list(dirfd); }
  Result<std::string> readlink_at(int dirfd, const std::string& name) override {
    return real_.readlink_at(dirfd, name);
  }
  Status set_times(int fd, std::int64_t mtime_ns) override { return real_.set_times(fd, mtime_ns); }
  Status chmod(int fd, mode_t mode) override { return real_.chmod(fd, mode); }
  Status chown(int fd, uid_t uid, gid_t gid) override { return real_.chown(fd, uid, gid); }

 private:
  template <class Call>
  auto meet(Call call) -> decltype(call()) {
    const bool now = ++calls_ == n_;
    if (now && !after_) fate_();
    auto answer = call();
    if (now && after_) fate_();
    return answer;
  }

  os::Io& real_ = os::real_io();
  std::atomic<std::uint64_t> calls_{0};
  std::uint64_t n_;
  bool after_;
  std::function<void()> fate_;
};

inline std::set<std::string> lines_of(std::string text) {
  std::set<std::string> lines;
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    lines.insert(text.substr(at, end - at));
  return lines;
}

inline void check_whole(RedoLog& log, const std::set<std::string>& acknowledged) {
  const ReadBack back = read_all_of(log);
  REQUIRE(back.damages.empty());
  REQUIRE_OK(back.failure);
  const std::set<std::string> found(back.ids.begin(), back.ids.end());
  REQUIRE(found.size() == back.ids.size());
  for (const std::string& id : acknowledged) REQUIRE(found.contains(id));
  const Result<LogVerification> verified = log.verify();
  REQUIRE_OK(verified);
  REQUIRE(verified->damages.empty());
}

}  // namespace restante::test
