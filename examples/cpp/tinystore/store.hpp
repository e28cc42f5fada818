#pragma once
// The store: a directory of message files, a SQLite database that says what they mean, and the redo log.
//
//     DIR/content/   message files, named by their digest
//     DIR/mail.db    accounts, folders, messages, and the position in the log
//     DIR/redo/      the redo log
//     DIR/lock       held while the store changes
//
// Every change goes the same way (see README.md for why):
//
//     log.put_content                    a delivery's bytes
//     log.begin          <- durable      from here on the change survives anything
//     lock                               the order of changes
//       SQLite transaction               the change, and the position in the log
//       log.commit       <- lazy         with the UIDs that were assigned
//     unlock
//     answer
//
// Any number of processes may use a store at once; an object is used by one thread.

#include <restante/redo_log.hpp>

#include <string>
#include <vector>

#include "files.hpp"
#include "mailboxes.hpp"
#include "position.hpp"

namespace tinystore {

/// Keeps the segments of the log that a replay would need.
inline constexpr const char* kConsumer = "tinystore";

/// What opening a store made good. The newest transactions are replayed each time, to be sure of them.
struct Recovered {
  std::uint64_t replayed = 0;
  std::uint64_t finished = 0;
};

class Store {
 public:
  /// Opens the store, or makes it, and makes good what a crash left.
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(const std::string& directory);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  [[nodiscard]] const Recovered& recovered() const { return recovered_; }

  Status create(const std::string& account);
  /// Into the INBOX of every account, of which there is at least one. The answer is the new message's id.
  Result<std::string> deliver(const std::vector<std::string>& accounts, const std::string& bytes);
  Status flag(const std::string& account, const std::string& folder, const std::string& id,
              restante::FlagsUpdate::Mode mode, std::uint32_t flags);
  Status move(const std::string& account, const std::string& folder, const std::string& id,
              const std::string& to);
  Status expunge(const std::string& account, const std::string& folder, const std::string& id);
  Result<std::vector<restante::Message>> list(const std::string& account);
  Result<std::string> show(const std::string& account, const std::string& folder, const std::string& id);
  /// To be called every minute or so by one process: keeps log and files from growing for ever.
  Status tidy();

 private:
  Store(restante::RedoLog log, Database db, const std::string& directory);

  // What a change consists of.
  Result<restante::Transaction> begin(std::string_view account,
                                      std::span<const restante::Operation> operations, restante::Sync sync);
  Status begin_delivery(const std::vector<std::string>& accounts, restante::Message& message,
                        std::vector<restante::Transaction>& begun);
  Status change(std::string_view account, std::span<const restante::Operation> operations);
  Result<Decision> perform(restante::Transaction& transaction);
  Status make_files(std::span<const restante::Operation> operations);

  // With the lock: what others left.
  Status prepare();
  Status check_consumer();
  Status settle();
  Status replay();
  Result<std::vector<restante::Transaction>> claim(const std::vector<Applied>& applied);
  Status finish_applied(std::vector<restante::Transaction>& left, const std::vector<Applied>& applied);

  [[nodiscard]] Result<restante::Message> find(const std::string& account, const std::string& folder,
                                               const std::string& id) const;

  restante::RedoLog log_;
  Database db_;
  Files files_;
  Mailboxes mailboxes_;
  Position position_;
  int lock_ = -1;
  bool is_replayed_ = false;
  Recovered recovered_;
};

}  // namespace tinystore
