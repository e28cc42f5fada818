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

namespace restante::test {

/// A scratch directory in memory where there is room for one: for tests of thousands of small logs, whose
/// syncs would take minutes on a busy disk. What is durable is not their question.
class MemoryDir {
 public:
  MemoryDir() {
    std::string pattern = "/dev/shm/restante-test-XXXXXX";
    path_ = ::mkdtemp(pattern.data()) != nullptr ? pattern : fallback_.path().string();
  }
  ~MemoryDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  MemoryDir(const MemoryDir&) = delete;
  MemoryDir& operator=(const MemoryDir&) = delete;
  [[nodiscard]] std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  ScratchDir fallback_;
  std::string path_;
};

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

/// What an `Io` call can be made to do.
enum class Fault { none, io_error, no_space, short_write, unsupported };
enum class Call { open, close, read, write, sync, truncate, allocate, rename, unlink, list, stat, other };

/// The real system with one fault in it. Counts calls. Callable from any thread.
class FaultyIo final : public os::Io {
 public:
  /// The `n`-th call (from 1) of those that `applies` accepts gets `fault`; 0 for none.
  void fail(std::uint64_t n, Fault fault, std::function<bool(Call)> applies = {}) {
    const std::lock_guard lock(mutex_);
    n_ = n;
    fault_ = fault;
    applies_ = std::move(applies);
    seen_ = 0;
    fired_ = false;
  }
  /// Every such call from now on fails.
  void fail_always(Fault fault, std::function<bool(Call)> applies) {
    fail(0, fault, std::move(applies));
    always_ = true;
  }
  void heal() {
    fail(0, Fault::none);
    always_ = false;
  }
  [[nodiscard]] bool fired() const { return fired_; }
  [[nodiscard]] std::uint64_t seen() const { return seen_; }
  [[nodiscard]] std::uint64_t count(Call call) const {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(call);
    return found == counts_.end() ? 0 : found->second;
  }
  std::atomic<std::uint64_t> bytes_read{0};
  /// Called before each sync, to make it slow.
  std::function<void()> before_sync;
  /// Called before the next read, once.
  std::function<void()> before_read;

  Result<os::Fd> open_at(int dirfd, const std::string& name, int flags, mode_t mode) override {
    if (Status s = gate(Call::open); !s.ok()) return s;
    return real_.open_at(dirfd, name, flags, mode);
  }
  Status close(os::Fd fd) override {
    if (Status s = gate(Call::close); !s.ok()) return s;
    return real_.close(std::move(fd));
  }
  Result<std::size_t> pread(int fd, MutableByteView buffer, std::uint64_t offset) override {
    if (const std::function<void()> action = std::exchange(before_read, nullptr)) action();
    if (Status s = gate(Call::read); !s.ok()) return s;
    Result<std::size_t> got = real_.pread(fd, buffer, offset);
    if (got.ok()) bytes_read += *got;
    return got;
  }
  Result<std::size_t> pwrite(int fd, ByteView bytes, std::uint64_t offset) override {
    bool half = false;
    if (Status s = gate(Call::write, &half); !s.ok()) return s;
    if (!half) return real_.pwrite(fd, bytes, offset);
    // Half of it gets there, then the disk fails.
    (void)real_.pwrite(fd, bytes.first(bytes.size() / 2), offset);
    return Status(Code::io, "injected: the write failed in the middle");
  }
  Status fsync(int fd) override {
    if (before_sync) before_sync();
    if (Status s = gate(Call::sync); !s.ok()) return s;
    return real_.fsync(fd);
  }
  Status fdatasync(int fd) override {
    if (before_sync) before_sync();
    if (Status s = gate(Call::sync); !s.ok()) return s;
    return real_.fdatasync(fd);
  }
  Status sync_fs(int fd) override { return real_.sync_fs(fd); }
  Status truncate(int fd, std::uint64_t size) override {
    if (Status s = gate(Call::truncate); !s.ok()) return s;
    return real_.truncate(fd, size);
  }
  Status allocate(int fd, std::uint64_t offset, std::uint64_t length) override {
    if (Status s = gate(Call::allocate); !s.ok()) return s;
    return real_.allocate(fd, offset, length);
  }
  Status rename_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    if (Status s = gate(Call::rename); !s.ok()) return s;
    return real_.rename_at(from_dirfd, from, to_dirfd, to);
  }
  Status rename_no_replace_at(int from_dirfd, const std::string& from, int to_dirfd,
                              const std::string& to) override {
    if (Status s = gate(Call::rename); !s.ok()) return s;
    return real_.rename_no_replace_at(from_dirfd, from, to_dirfd, to);
  }
  Status unlink_at(int dirfd, const std::string& name) override {
    if (Status s = gate(Call::unlink); !s.ok()) return s;
    return real_.unlink_at(dirfd, name);
  }
  Status rmdir_at(int dirfd, const std::string& name) override { return real_.rmdir_at(dirfd, name); }
  Status mkdir_at(int dirfd, const std::string& name, mode_t mode) override {
    if (Status s = gate(Call::other); !s.ok()) return s;
    return real_.mkdir_at(dirfd, name, mode);
  }
  Status link_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    return real_.link_at(from_dirfd, from, to_dirfd, to);
  }
  Result<os::FileInfo> stat_at(int dirfd, const std::string& name) override {
    if (Status s = gate(Call::stat); !s.ok()) return s;
    return real_.stat_at(dirfd, name);
  }
  Result<os::FileInfo> fstat(int fd) override {
    if (Status s = gate(Call::stat); !s.ok()) return s;
    return real_.fstat(fd);
  }
  Result<std::vector<os::DirEntry>> list(int dirfd) override {
    if (Status s = gate(Call::list); !s.ok()) return s;
    return real_.list(dirfd);
  }
  Result<std::string> readlink_at(int dirfd, const std::string& name) override {
    return real_.readlink_at(dirfd, name);
  }
  Status set_times(int fd, std::int64_t mtime_ns) override { return real_.set_times(fd, mtime_ns); }
  Status chmod(int fd, mode_t mode) override {
    if (Status s = gate(Call::other); !s.ok()) return s;
    return real_.chmod(fd, mode);
  }
  Status chown(int fd, uid_t uid, gid_t gid) override { return real_.chown(fd, uid, gid); }

 private:
  Status gate(Call call, bool* half = nullptr) {
    const std::lock_guard lock(mutex_);
    ++counts_[call];
    if (applies_ && !applies_(call)) return {};
    ++seen_;
    if (!always_ && (n_ == 0 || seen_ != n_)) return {};
    if (fault_ == Fault::short_write && half == nullptr) return {};
    fired_ = true;
    if (fault_ == Fault::none) return {};
    if (fault_ == Fault::short_write) {
      *half = true;
      return {};
    }
    if (fault_ == Fault::no_space) return Status(Code::no_space, "injected: no space left");
    if (fault_ == Fault::unsupported) return Status(Code::unsupported, "injected: not supported");
    return Status(Code::io, "injected: input/output error");
  }

  os::Io& real_ = os::real_io();
  mutable std::mutex mutex_;
  std::map<Call, std::uint64_t> counts_;
  std::uint64_t n_ = 0;
  std::atomic<std::uint64_t> seen_{0};
  Fault fault_ = Fault::none;
  std::function<bool(Call)> applies_;
  std::atomic<bool> fired_{false};
  std::atomic<bool> always_{false};
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
