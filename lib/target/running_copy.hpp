#pragma once
// A copy as others see it in the target that it writes to: a session that runs (R12, R18).

#include <chrono>
#include <string>

#include "target/target_impl.hpp"

namespace restante::target {

// One thread at a time.
class RunningCopy {
 public:
  // `record` says what will be there: it is protected from removal.
  RunningCopy(BackupTarget::Impl& target, SessionRecord record);
  // Takes the status away.
  ~RunningCopy();
  RunningCopy(const RunningCopy&) = delete;
  RunningCopy& operator=(const RunningCopy&) = delete;

  // Under the label of the record; what a crash left there goes first. `busy` if somebody is at work there.
  [[nodiscard]] Status begin();
  // Under the first label at or behind the one of the record, or behind now if it has none, that is not
  // taken.
  [[nodiscard]] Status begin_at_free_label();

  [[nodiscard]] const std::string& label() const { return record_.info.label; }
  [[nodiscard]] Time began() const { return record_.info.began; }
  [[nodiscard]] const content::Lease& lease() const { return lease_; }
  // Now and then says how far it is, and looks whether somebody wants it to end: `cancelled`.
  [[nodiscard]] Status tick(const Progress& progress);

 private:
  [[nodiscard]] Status clear_leftovers() const;
  [[nodiscard]] Status clear_cut_publication() const;
  [[nodiscard]] Status take_label();
  [[nodiscard]] Status take_lease();
  [[nodiscard]] std::string status_key() const;
  [[nodiscard]] std::string abort_key() const;
  [[nodiscard]] Result<Bytes> encode();
  [[nodiscard]] Status put_status();

  BackupTarget::Impl& target_;
  SessionRecord record_;
  content::Lease lease_;
  bool is_visible_ = false;
  std::chrono::steady_clock::time_point last_tick_{};
};

}  // namespace restante::target
