#pragma once
// What the tests of the redo log share.

#include <restante/redo_log.hpp>

#include <sys/types.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "os/file.hpp"
#include "os/io.hpp"
#include "redo/log_access.hpp"
#include "support/catch.hpp"
#include "support/faulty_io.hpp"

namespace restante::test {

/// A clock that stands still until it is told to go.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t seconds = 1'780'000'000) : now_us_(seconds * 1'000'000) {}
  [[nodiscard]] Time now() const override { return Time{now_us_.load()}; }
  void advance_seconds(std::int64_t seconds) { now_us_ += seconds * 1'000'000; }
  void advance_us(std::int64_t us) { now_us_ += us; }

 private:
  std::atomic<std::int64_t> now_us_;
};

[[nodiscard]] inline RedoLog::Options options_with(const Clock& clock,
                                                   std::uint64_t segment_bytes = 64u << 10) {
  RedoLog::Options options;
  options.create = true;
  options.segment_bytes = segment_bytes;
  options.piece_bytes = 4u << 10;
  options.clock = &clock;
  return options;
}

/// An operation that is told from others by `id`.
[[nodiscard]] inline Operation host_op(std::string id, std::size_t size = 0) {
  return HostOp{"test", std::move(id), "kind", "id", std::string(size, 'x')};
}
[[nodiscard]] inline std::string id_of(const LoggedTransaction& transaction) {
  if (transaction.operations.empty()) return {};
  const auto* op = std::get_if<HostOp>(&transaction.operations.front());
  return op == nullptr ? std::string() : op->name;
}
[[nodiscard]] inline Result<Lsn> append(RedoLog& log, std::string_view account, std::string id,
                                        std::size_t size = 0, Sync sync = Sync::durable) {
  const std::vector<Operation> operations{host_op(std::move(id), size)};
  RedoLog::BeginOptions options;
  options.sync = sync;
  options.ignore_unrecovered = true;
  return log.append(account, operations, options);
}
[[nodiscard]] inline Result<Transaction> begin(RedoLog& log, std::string_view account, std::string id) {
  const std::vector<Operation> operations{host_op(std::move(id))};
  return log.begin(account, operations);
}

/// Everything a cursor hands out; damage is counted and stepped over.
struct ReadBack {
  std::vector<LoggedTransaction> transactions;
  std::vector<std::string> ids;
  std::vector<std::string> damages;
  Status failure;
};
template <class Cursor>
[[nodiscard]] ReadBack read_back(Cursor& cursor) {
  ReadBack back;
  for (;;) {
    LoggedTransaction transaction;
    const Result<bool> more = cursor.next(transaction);
    if (!more.ok()) {
      const Code code = more.status().code();
      if (code != Code::damaged && code != Code::not_found) {
        back.failure = more.status();
        return back;
      }
      back.damages.push_back(more.status().message());
      continue;
    }
    if (!*more) return back;
    back.ids.push_back(id_of(transaction));
    back.transactions.push_back(std::move(transaction));
  }
}
[[nodiscard]] inline ReadBack read_all_of(const RedoLog& log, const ReadRange& range = {}) {
  const Result<std::unique_ptr<TransactionCursor>> cursor = log.read(range);
  REQUIRE_OK(cursor);
  return read_back(**cursor);
}

/// Bytes of a file, and a file of bytes.
[[nodiscard]] inline Bytes slurp(const std::string& path) {
  Result<Bytes> bytes = os::read_file(os::real_io(), -100, path, 1u << 30);
  REQUIRE_OK(bytes);
  return std::move(*bytes);
}
inline void spill(const std::string& path, ByteView bytes) {
  REQUIRE_OK(os::publish_file(os::real_io(), -100, path, bytes, 0600));
}
/// Another directory with the same files, and without control file: as after a restart of the machine.
inline void copy_log(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::create_directories(to);
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    if (entry.path().filename() == "redo.control") continue;
    std::filesystem::copy_file(entry.path(), std::filesystem::path(to) / entry.path().filename());
  }
}

}  // namespace restante::test
