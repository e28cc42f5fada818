#pragma once
// Which records of the redo log are asked for by the name of what they hold.

#include <restante/redo_log.hpp>

#include <set>
#include <string>
#include <vector>

namespace cli {

class RecordFilter {
 public:
  /// Names of operations ("message-put" or "MessagePut") and of kinds of records ("begin", "content"); none
  /// for all. Throws a `Failure` of usage for a name that nothing has.
  void set(const std::vector<std::string>& names);
  /// Whether the record is of a kind, or holds an operation, that was named, or ends a transaction whose
  /// begin was taken. Records are asked for in their order.
  [[nodiscard]] bool takes(const restante::RecordInfo& record);
  /// The kinds that it can take at all; none for all.
  [[nodiscard]] std::vector<std::string> kinds() const;

 private:
  [[nodiscard]] bool takes_operation(const restante::RecordInfo& record) const;

  std::set<std::string> kinds_;
  std::set<std::string> operations_;
  /// Begins that were taken and have not ended: their number is bounded by the log.
  std::set<restante::Lsn> open_;
};

}  // namespace cli
