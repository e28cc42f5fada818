#pragma once
/// \file
/// How every fallible call of restante answers: `Status` and `Result<T>`.
///
///     restante::Result<restante::RedoLog> log = restante::RedoLog::open(path, {});
///     if (!log.ok()) {
///       std::fprintf(stderr, "%s\n", log.status().to_string().c_str());
///       return 1;
///     }
///     use(*log);
///
/// No exception crosses a public boundary, `std::bad_alloc` apart. A `Status` is a plain value; copying
/// and reading one from any thread is safe as for any `const` value.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace restante {
inline namespace v0 {

/// What went wrong. The numbers are pinned: the C ABI returns them negated, tools print their names.
enum class Code : int {
  ok = 0,
  /// The caller's argument, option or configuration is wrong. Nothing was changed.
  invalid_argument = 1,
  /// The named account, label, file, segment … does not exist.
  not_found = 2,
  /// It is there already and must not be replaced.
  already_exists = 3,
  /// Somebody else holds it; the message names the holder. Retry the call later.
  busy = 4,
  /// The account has transactions whose owner died: call `RedoLog::recover()` first (R6).
  needs_recovery = 5,
  /// The request has more than one answer; the message offers the candidates (R5, R14).
  ambiguous = 6,
  /// No room on the device or below a configured limit.
  no_space = 7,
  /// The operating system or the peer forbids it.
  permission = 8,
  /// Reading or writing failed for another reason.
  io = 9,
  /// Bytes are not what was written: checksum, digest or structure is wrong.
  damaged = 10,
  /// Two histories share a name, for example another segment with the same sequence (R5).
  diverged = 11,
  /// A newer format, an unknown required field, or something this build or host cannot do.
  unsupported = 12,
  /// The call was not made durable: it failed, or was cut off by recovery (R7).
  not_durable = 13,
  /// An earlier write or sync failed; only closing is left (R7).
  poisoned = 14,
  /// A deadline passed.
  timed_out = 15,
  /// `CancelToken` or `abort` ended it.
  cancelled = 16,
  /// Some objects were done and others were not; the report names them.
  partial = 17,
  /// A restore of this account began and did not end; resume it or roll it back (R4).
  restore_unfinished = 18,
  /// A defect of restante itself. Please report it.
  internal = 19,
  /// The process has no memory left. C++ callers get `std::bad_alloc` instead; hosts behind the C ABI have
  /// no exceptions.
  no_memory = 20,
};

/// What a caller should do about a failure.
enum class Advice { none, retry_call, retry_session, fix_argument, call_person };

/// The pinned name of `code`, for example "not_found".
[[nodiscard]] std::string_view name_of(Code code) noexcept;
[[nodiscard]] Advice advice_for(Code code) noexcept;

/// Success, or a code with one line that says what failed and where, and a hint what to do next.
/// Messages are lower case and carry no trailing full stop or newline; bytes from outside that are not
/// printable are escaped as `\xHH`.
class [[nodiscard]] Status {
 public:
  /// Success.
  Status() noexcept = default;
  /// A failure; `code` must not be `Code::ok`.
  Status(Code code, std::string message, std::string hint = {});

  [[nodiscard]] bool ok() const noexcept { return failure_ == nullptr; }
  [[nodiscard]] Code code() const noexcept { return failure_ ? failure_->code : Code::ok; }
  [[nodiscard]] const std::string& message() const noexcept;
  [[nodiscard]] const std::string& hint() const noexcept;
  /// "message" or "message\nhint: hint"; "ok" for success.
  [[nodiscard]] std::string to_string() const;
  /// The same failure with "prefix: " before its message; success stays success.
  [[nodiscard]] Status with_context(std::string_view prefix) const;

 private:
  struct Failure {
    Code code;
    std::string message{};
    std::string hint{};
  };
  std::shared_ptr<const Failure> failure_;
};

/// A value or the failure that kept it from being made.
/// Reading the value of a failure is a programmer's error and ends the process, in release builds too.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status failure) : status_(std::move(failure)) {
    if (status_.ok()) misuse("a Result was made from a success without a value");
  }

  [[nodiscard]] bool ok() const noexcept { return value_.has_value(); }
  [[nodiscard]] const Status& status() const noexcept { return status_; }
  [[nodiscard]] T& value() & {
    require();
    return *value_;
  }
  [[nodiscard]] const T& value() const& {
    require();
    return *value_;
  }
  /// By value, so that a loop over what a call answers keeps it: `for (const Item& item : *list()) …`.
  [[nodiscard]] T value() && {
    require();
    return std::move(*value_);
  }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }

 private:
  [[noreturn]] static void misuse(const char* what) {
    std::fputs(what, stderr);
    std::abort();
  }
  void require() const {
    if (!value_) misuse("the value of a failed Result was read");
  }
  Status status_;
  std::optional<T> value_;
};

}  // namespace v0
}  // namespace restante
