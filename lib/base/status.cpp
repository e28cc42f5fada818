#include <restante/status.hpp>

#include "base/text.hpp"

namespace restante {
inline namespace v0 {
namespace {

const std::string kEmpty;

}  // namespace

std::string_view name_of(Code code) noexcept {
  switch (code) {
    case Code::ok: return "ok";
    case Code::invalid_argument: return "invalid_argument";
    case Code::not_found: return "not_found";
    case Code::already_exists: return "already_exists";
    case Code::busy: return "busy";
    case Code::needs_recovery: return "needs_recovery";
    case Code::ambiguous: return "ambiguous";
    case Code::no_space: return "no_space";
    case Code::permission: return "permission";
    case Code::io: return "io";
    case Code::damaged: return "damaged";
    case Code::diverged: return "diverged";
    case Code::unsupported: return "unsupported";
    case Code::not_durable: return "not_durable";
    case Code::poisoned: return "poisoned";
    case Code::timed_out: return "timed_out";
    case Code::cancelled: return "cancelled";
    case Code::partial: return "partial";
    case Code::restore_unfinished: return "restore_unfinished";
    case Code::internal: return "internal";
    case Code::no_memory: return "no_memory";
  }
  return "unknown";
}

Advice advice_for(Code code) noexcept {
  switch (code) {
    case Code::ok:
    case Code::cancelled: return Advice::none;
    case Code::busy:
    case Code::needs_recovery:
    case Code::not_durable:
    case Code::timed_out:
    case Code::no_memory: return Advice::retry_call;
    case Code::io:
    case Code::poisoned:
    case Code::partial: return Advice::retry_session;
    case Code::invalid_argument:
    case Code::not_found:
    case Code::already_exists:
    case Code::ambiguous: return Advice::fix_argument;
    case Code::no_space:
    case Code::permission:
    case Code::damaged:
    case Code::diverged:
    case Code::unsupported:
    case Code::restore_unfinished:
    case Code::internal: return Advice::call_person;
  }
  return Advice::call_person;
}

Status::Status(Code code, std::string message, std::string hint) {
  if (code == Code::ok) {
    std::fputs("a Status with a message was made from Code::ok\n", stderr);
    std::abort();
  }
  failure_ = std::make_shared<const Failure>(Failure{code, std::move(message), std::move(hint)});
}

const std::string& Status::message() const noexcept { return failure_ ? failure_->message : kEmpty; }

const std::string& Status::hint() const noexcept { return failure_ ? failure_->hint : kEmpty; }

std::string Status::to_string() const {
  if (ok()) return "ok";
  return hint().empty() ? message() : base::cat(message(), "\nhint: ", hint());
}

Status Status::with_context(std::string_view prefix) const {
  if (ok()) return *this;
  return Status(code(), base::cat(prefix, ": ", message()), hint());
}

}  // namespace v0
}  // namespace restante
