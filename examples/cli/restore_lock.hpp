#pragma once
// Keeps restores and backups apart (R18), and says which process of this machine restores, so that
// `restante abort --restore` can stop it.

#include <optional>
#include <string>

namespace cli {

/// Held by this process from making it to its end. Kept by the system, so a killed process leaves nothing.
class RestoreLock {
 public:
  /// Throws a `Failure` that names the process that restores already.
  explicit RestoreLock(const std::string& state_directory);
  ~RestoreLock();
  RestoreLock(const RestoreLock&) = delete;
  RestoreLock& operator=(const RestoreLock&) = delete;

  /// The process that holds it now, nothing if none does.
  [[nodiscard]] static std::optional<int> holder(const std::string& state_directory);

 private:
  int fd_ = -1;
};

/// The mailboxes, for backups, any number at a time, or for one that changes them. Kept as long as a process
/// lives that has it.
class MailboxesLock {
 public:
  enum class Use { backup, restore };
  /// Throws a `Failure` that says who has them.
  MailboxesLock(const std::string& state_directory, Use use);
  ~MailboxesLock();
  MailboxesLock(const MailboxesLock&) = delete;
  MailboxesLock& operator=(const MailboxesLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace cli
