#pragma once
// What a redo log owes: every call that was answered, and what may be found after a crash because of it.
//
// The history is a list of records that change something, in the order of their LSNs. A crash may cut it
// behind the last LSN that was acknowledged; it may not take anything out, turn anything round or say
// anything twice. One call can have been under way: what it would have written may be found at the end.

#include <restante/redo_log.hpp>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace restante::test {

class LogHistory {
 public:
  struct Event {
    enum Kind { append, begin, commit, abort, touch } kind = append;
    std::string account{};
    std::string id{};
    /// Of the record; 0 while it is not known.
    Lsn lsn = 0;
    /// What commit and abort end.
    Lsn begin_lsn = 0;
    std::optional<ContentRef> content{};
  };

  void done(const Event& event) { events_.push_back(event); }
  /// The call failed in a way that does not tell what was written.
  void in_doubt(const Event& event) { doubtful_ = event; }
  void durable(Lsn lsn) { durable_ = std::max(durable_, lsn); }
  /// The log was closed in order, so everything that was written is durable.
  void closed(Lsn end);
  /// It is not known how far closing got.
  void closing(Lsn end) { closing_ = end; }

  void content(const ContentRef& ref, Bytes bytes) { contents_[ref.digest] = std::move(bytes); }
  void consumer(const std::string& name, Lsn position) { consumers_[name] = {position, position}; }
  void consumer_in_doubt(const std::string& name, Lsn position) { consumers_[name].at_most = position; }

  /// Open transactions: their begin events by LSN.
  [[nodiscard]] std::map<Lsn, Event> open() const;
  [[nodiscard]] std::optional<Lsn> lowest_consumer() const;

  /// Compares with a log that was just opened, which decides how the history goes on. Returns what is wrong,
  /// nothing if all is well.
  [[nodiscard]] std::string check_opened(RedoLog& log);
  /// Compares with a log that is open.
  [[nodiscard]] std::string check(const RedoLog& log) const;

 private:
  struct Position {
    Lsn at_least = 0;
    Lsn at_most = 0;
  };
  [[nodiscard]] static Lsn first_kept(const RedoLog& log);
  /// Whether whoever reads the log from its beginning must find it.
  [[nodiscard]] bool is_readable(const Event& event, const RedoLog& log) const;
  [[nodiscard]] std::string settle(const RedoLog& log);
  [[nodiscard]] std::string check_transactions(const RedoLog& log) const;
  [[nodiscard]] std::string check_accounts(const RedoLog& log) const;
  [[nodiscard]] std::string check_unfinished(const RedoLog& log) const;
  [[nodiscard]] std::string check_records(const RedoLog& log) const;
  [[nodiscard]] std::string check_contents(const RedoLog& log) const;
  [[nodiscard]] std::string check_consumers(const RedoLog& log);
  [[nodiscard]] std::string check_reconcile(const RedoLog& log);
  [[nodiscard]] static std::string check_segments(const RedoLog& log);

  std::vector<Event> events_;
  std::optional<Event> doubtful_;
  Lsn durable_ = 0;
  /// The first LSN behind the last close in order.
  Lsn opened_ = 1;
  std::optional<Lsn> closing_;
  /// Nothing was done since it was closed in order.
  bool is_closed_ = false;
  std::map<Digest, Bytes> contents_;
  std::map<std::string, Position> consumers_;
};

}  // namespace restante::test
