#include <restante/session.hpp>

#include <atomic>

#include "handles.hpp"

namespace restante::capi {
namespace {

/// Hands what an operator should know to a callback.
class CallbackObserver final : public Observer {
 public:
  CallbackObserver(restante_log_function log, void* user_data) noexcept : log_(log), user_data_(user_data) {}

  void log(Level level, std::string_view message) override {
    const std::string terminated(message);
    log_(user_data_, number_of(level), terminated.c_str());
  }

 private:
  static std::uint32_t number_of(Level level) noexcept {
    switch (level) {
      case Level::debug: return RESTANTE_LOG_DEBUG;
      case Level::info: return RESTANTE_LOG_INFO;
      case Level::warning: return RESTANTE_LOG_WARNING;
      case Level::error: return RESTANTE_LOG_ERROR;
    }
    return RESTANTE_LOG_ERROR;
  }

  restante_log_function log_;
  void* user_data_;
};

restante_progress to_c(const Progress& progress) {
  restante_progress out{};
  out.struct_size = sizeof out;
  out.account_id = view_of(progress.account_id);
  out.accounts_done = progress.accounts_done;
  out.accounts_total = progress.accounts_total;
  out.messages_done = progress.messages_done;
  out.messages_total = progress.messages_total;
  out.bytes_done = progress.bytes_done;
  out.bytes_new = progress.bytes_new;
  out.began = progress.began.us;
  out.now = progress.now.us;
  return out;
}

Status kind_from_c(std::uint32_t number, Session::Kind& out) {
  switch (number) {
    case 0:
    case RESTANTE_SESSION_FULL: out = Session::Kind::full; return {};
    case RESTANTE_SESSION_INCREMENTAL: out = Session::Kind::incremental; return {};
    case RESTANTE_SESSION_AUTO_GROUPED: out = Session::Kind::auto_grouped; return {};
    case RESTANTE_SESSION_SYNTHETIC: out = Session::Kind::synthetic; return {};
    default: return invalid("restante_session_options: kind is no RESTANTE_SESSION_ number");
  }
}

Status accounts_from_c(const restante_view* accounts, std::size_t count, std::vector<std::string>& out) {
  if (Status wrong = check_array(accounts, count, "accounts"); !wrong.ok()) return wrong;
  for (std::size_t i = 0; i < count; ++i) {
    std::string account;
    if (Status wrong = read_view(accounts[i], "accounts", account); !wrong.ok()) return wrong;
    out.push_back(std::move(account));
  }
  return {};
}

/// The members that are plain values.
Status values_from_c(const restante_session_options& given, Session::Options& out) {
  if (given.reserved != 0) return invalid("restante_session_options: reserved is not 0");
  if (Status wrong = kind_from_c(given.kind, out.kind); !wrong.ok()) return wrong;
  out.server_name = text_or_empty(given.server_name);
  out.owner = text_or_empty(given.owner);
  // Above a year all deadlines are alike, and nothing overflows.
  constexpr std::uint64_t kYearMs = 366ull * 86'400'000;
  if (given.settle_deadline_ms != 0) {
    out.settle_deadline = std::chrono::milliseconds(std::min(given.settle_deadline_ms, kYearMs));
  }
  if (given.keep_segments_seconds < -1) {
    return invalid("restante_session_options: keep_segments_seconds is below -1");
  }
  if (given.keep_segments_seconds != 0) {
    out.keep_segments_for = std::chrono::seconds(std::max<std::int64_t>(given.keep_segments_seconds, 0));
  }
  if (given.groups != 0) out.groups = given.groups;
  if (given.group_interval_seconds > INT32_MAX) {
    return invalid("restante_session_options: group_interval_seconds is above 68 years");
  }
  if (given.group_interval_seconds != 0) {
    out.group_interval = std::chrono::seconds(given.group_interval_seconds);
  }
  return accounts_from_c(given.accounts, given.account_count, out.accounts);
}

}  // namespace
}  // namespace restante::capi

struct restante_session {
  restante_session(restante::BackupTarget target_, std::shared_ptr<restante::MailSource> source_) noexcept
      : target(std::move(target_)), source(std::move(source_)) {}

  // What the session refers to; it goes first.
  restante::BackupTarget target;
  std::shared_ptr<restante::MailSource> source;
  std::optional<restante::RedoLog> log;
  std::optional<restante::capi::CallbackObserver> observer;
  std::optional<restante::Session> session;
  std::atomic<bool> was_run = false;
};

namespace restante::capi {
namespace {

/// Points the options to what `session` keeps alive.
void lend(restante_session& session, const restante_session_options& given, Session::Options& options) {
  options.source = session.source.get();
  if (session.log) options.log = &*session.log;
  if (given.progress != nullptr) {
    options.progress = [tell = given.progress, user_data = given.progress_user_data](const Progress& now) {
      const restante_progress progress = to_c(now);
      tell(user_data, &progress);
    };
  }
  if (given.log != nullptr) {
    session.observer.emplace(given.log, given.log_user_data);
    options.observer = &*session.observer;
  }
}

Status begin_session(const restante_target* target, const restante_session_options* given,
                     restante_session** out_session) {
  if (Status null = require(target, "target"); !null.ok()) return null;
  if (Status null = require(given, "options"); !null.ok()) return null;
  if (Status null = require(out_session, "out_session"); !null.ok()) return null;
  restante_session_options options;
  if (Status wrong = read_struct(given, "restante_session_options", options); !wrong.ok()) return wrong;
  if (Status null = require(options.source, "restante_session_options.source"); !null.ok()) return null;
  Session::Options session_options;
  if (Status wrong = values_from_c(options, session_options); !wrong.ok()) return wrong;

  auto handle = std::make_unique<restante_session>(target->target, options.source->source);
  if (options.redo != nullptr) {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(options.redo, log); !wrong.ok()) return wrong;
    handle->log.emplace(*log);
  }
  lend(*handle, options, session_options);
  Result<Session> session = Session::begin(handle->target, session_options);
  if (!session.ok()) return session.status();
  handle->session.emplace(*std::move(session));
  *out_session = handle.release();
  return {};
}

}  // namespace
}  // namespace restante::capi

using namespace restante;
using namespace restante::capi;

std::int32_t restante_session_begin(restante_target* target, const restante_session_options* options,
                                    restante_session** out_session, restante_error** out_error) {
  return guarded(out_error, [&] { return begin_session(target, options, out_session); });
}

const char* restante_session_label(const restante_session* session) {
  return session == nullptr ? "" : session->session->label().c_str();
}

std::int32_t restante_session_run(restante_session* session, restante_session_list** out_result,
                                  restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(session, "session"); !null.ok()) return null;
    if (Status null = require(out_result, "out_result"); !null.ok()) return null;
    if (session->was_run.exchange(true)) return invalid("the session has been run already");
    auto list = std::make_unique<restante_session_list>();
    list->sessions.reserve(1);
    Result<SessionInfo> result = session->session->run();
    if (!result.ok()) return result.status();
    list->sessions.push_back(*std::move(result));
    *out_result = list.release();
    return {};
  });
}

std::int32_t restante_session_progress(const restante_session* session, restante_progress* out_progress,
                                       restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(session, "session"); !null.ok()) return null;
    const Progress progress = session->session->progress();
    restante_progress filled = to_c(progress);
    filled.account_id = {};
    return fill_struct(out_progress, "restante_progress", filled);
  });
}

void restante_session_abort(restante_session* session) {
  if (session != nullptr) session->session->abort();
}

void restante_session_free(restante_session* session) { delete session; }
