#pragma once
// An `os::Io` that passes everything on and fails where a test says so.
//
//     FaultyIo io;
//     for (std::uint64_t n = 1;; ++n) {              // the n-th call fails, for every n
//       io.fail(n, Fault::no_space);
//       Status status = thing_under_test(io);
//       if (!io.fired()) break;                      // n is past the last call
//       REQUIRE_CODE(status, no_space);
//     }
//
// Callable from any thread.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/gated_io.hpp"

namespace restante::test {

/// How a call fails. A write that ends with `io_error` has written half of its bytes, as a disk does; one
/// that ends with `no_space` has written none.
enum class Fault { none, io_error, no_space, unsupported };

class FaultyIo final : public GatedIo {
 public:
  using GatedIo::GatedIo;
  using Applies = std::function<bool(Call)>;

  /// From here on calls are counted, and the `n`-th (from 1) of those that `applies` accepts gets `fault`.
  void fail(std::uint64_t n, Fault fault, Applies applies = {}) {
    const std::lock_guard lock(mutex_);
    n_ = n, fault_ = fault, applies_ = std::move(applies), always_ = false;
    seen_ = 0, fired_ = false;
    made_.clear(), failed_path_.clear();
  }
  /// Every such call from now on fails.
  void fail_always(Fault fault, Applies applies) {
    fail(0, fault, std::move(applies));
    always_ = true;
  }
  /// No call fails any more.
  void heal() { fail(0, Fault::none); }
  /// No read or write moves more than this at once.
  void limit_transfers(std::size_t bytes) { most_bytes_ = bytes; }
  /// Called before each sync, to make it slow.
  std::function<void()> before_sync;
  /// Called before the next read, once.
  std::function<void()> before_read;

  /// Whether a call failed since the last `fail`, and the file that it was about.
  [[nodiscard]] bool fired() const { return fired_; }
  [[nodiscard]] std::string failed_path() const {
    const std::lock_guard lock(mutex_);
    return failed_path_;
  }
  /// How many calls could have failed since the last `fail`, and which methods were called since, in order.
  [[nodiscard]] std::uint64_t seen() const { return seen_; }
  [[nodiscard]] std::vector<std::string> made() const {
    const std::lock_guard lock(mutex_);
    return {made_.begin(), made_.end()};
  }
  /// All calls of a kind, ever.
  [[nodiscard]] std::uint64_t count(Call call) const {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(call);
    return found == counts_.end() ? 0 : found->second;
  }
  std::atomic<std::uint64_t> bytes_read{0};

  Result<std::size_t> pread(int fd, MutableByteView buffer, std::uint64_t offset) override {
    if (const std::function<void()> action = std::exchange(before_read, nullptr)) action();
    Result<std::size_t> got = GatedIo::pread(fd, cut(buffer), offset);
    if (got.ok()) bytes_read += *got;
    return got;
  }
  Result<std::size_t> pwrite(int fd, ByteView bytes, std::uint64_t offset) override {
    Result<std::size_t> written = GatedIo::pwrite(fd, cut(bytes), offset);
    if (!written.ok() && written.status().code() == Code::io)
      (void)below().pwrite(fd, cut(bytes).first(cut(bytes).size() / 2), offset);
    return written;
  }

 private:
  Status before(const CallSite& site) override {
    if (site.call == Call::sync && before_sync) before_sync();
    const std::lock_guard lock(mutex_);
    ++counts_[site.call];
    made_.emplace_back(site.method);
    if (applies_ && !applies_(site.call)) return {};
    ++seen_;
    if (!always_ && (n_ == 0 || seen_ != n_)) return {};
    fired_ = true;
    failed_path_ = site.path();
    return failure(site);
  }

  [[nodiscard]] Status failure(const CallSite& site) const {
    const std::string what = std::string("cannot ") + site.method + ' ' + failed_path_ + ": injected: ";
    switch (fault_) {
      case Fault::none: return {};
      case Fault::no_space: return Status(Code::no_space, what + "no space left");
      case Fault::unsupported: return Status(Code::unsupported, what + "not supported");
      case Fault::io_error: break;
    }
    return Status(Code::io, what + "input/output error");
  }

  template <class View>
  View cut(View view) const {
    return view.first(std::min(view.size(), most_bytes_));
  }

  mutable std::mutex mutex_;
  std::map<Call, std::uint64_t> counts_;
  std::vector<std::string_view> made_;
  std::uint64_t n_ = 0;
  std::atomic<std::uint64_t> seen_{0};
  Fault fault_ = Fault::none;
  Applies applies_;
  std::string failed_path_;
  std::size_t most_bytes_ = std::numeric_limits<std::size_t>::max();
  std::atomic<bool> fired_{false};
  std::atomic<bool> always_{false};
};

}  // namespace restante::test
