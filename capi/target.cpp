#include "handles.hpp"

struct restante_account_list {
  std::vector<restante::TargetAccount> accounts;
};

namespace restante::capi {
namespace {

std::uint32_t c_type(SessionType type) {
  return type == SessionType::full ? RESTANTE_SESSION_FULL : RESTANTE_SESSION_INCREMENTAL;
}

std::uint32_t c_status(SessionStatus status) {
  switch (status) {
    case SessionStatus::running: return RESTANTE_STATUS_RUNNING;
    case SessionStatus::completed: return RESTANTE_STATUS_COMPLETED;
    case SessionStatus::partial: return RESTANTE_STATUS_PARTIAL;
    case SessionStatus::failed: return RESTANTE_STATUS_FAILED;
    case SessionStatus::interrupted: return RESTANTE_STATUS_INTERRUPTED;
  }
  return 0;
}

std::uint32_t c_status(AccountStatus status) {
  switch (status) {
    case AccountStatus::not_started: return RESTANTE_ACCOUNT_NOT_STARTED;
    case AccountStatus::in_progress: return RESTANTE_ACCOUNT_IN_PROGRESS;
    case AccountStatus::completed: return RESTANTE_ACCOUNT_COMPLETED;
    case AccountStatus::error: return RESTANTE_ACCOUNT_ERROR;
  }
  return 0;
}

restante_session_info to_c(const SessionInfo& session) {
  restante_session_info out{};
  out.type = c_type(session.type);
  out.status = c_status(session.status);
  out.label = session.label.c_str();
  out.server_name = session.server_name.c_str();
  out.owner = session.owner.c_str();
  out.error = session.error.c_str();
  out.server = c_id(session.server);
  out.position = c_position(session.position);
  out.began = session.began.us;
  out.ended = session.ended.us;
  out.first_sequence = session.first_sequence;
  out.last_sequence = session.last_sequence;
  out.bytes_read = session.bytes_read;
  out.bytes_stored = session.bytes_stored;
  out.account_count = session.accounts.size();
  return out;
}

restante_session_account to_c(const SessionAccount& account) {
  restante_session_account out{};
  out.status = c_status(account.status);
  out.full = account.full ? 1 : 0;
  out.deleted = account.deleted ? 1 : 0;
  out.id = view_of(account.id);
  out.address = view_of(account.address);
  out.error = account.error.c_str();
  out.snapshot_at = account.snapshot_at;
  out.redo_start = account.redo_start;
  out.consistent_at = account.consistent_at;
  out.messages = account.messages;
  out.bytes = account.bytes;
  out.fields = account.fields.bits();
  return out;
}

restante_target_account to_c(const TargetAccount& account) {
  restante_target_account out{};
  out.id = view_of(account.id);
  out.address = view_of(account.address);
  out.full_label = account.full_label.c_str();
  out.consistent_at = account.consistent_at;
  return out;
}

Status options_from_c(const restante_target_options* given, BackupTarget::CreateOptions& out) {
  restante_target_options options;
  if (Status wrong = read_struct(given, "restante_target_options", options); !wrong.ok()) return wrong;
  if (options.compression_level != 0) out.compression_level = options.compression_level;
  if (options.state_directory != nullptr) out.state_directory = options.state_directory;
  out.keys.key_file = text_or_empty(options.key_file);
  out.keys.passphrase = text_or_empty(options.passphrase);
  out.keys.authority = text_or_empty(options.authority);
  return {};
}

Status query_from_c(const restante_session_query* given, SessionQuery& out) {
  restante_session_query query;
  if (Status wrong = read_struct(given, "restante_session_query", query); !wrong.ok()) return wrong;
  if (query.published_only > 1) return invalid("restante_session_query: published_only is neither 0 nor 1");
  if (query.reserved != 0) return invalid("restante_session_query: reserved is not 0");
  if (query.type > RESTANTE_SESSION_INCREMENTAL) {
    return invalid("restante_session_query: type is neither full nor incremental");
  }
  if (query.type == RESTANTE_SESSION_FULL) out.type = SessionType::full;
  if (query.type == RESTANTE_SESSION_INCREMENTAL) out.type = SessionType::incremental;
  out.label = text_or_empty(query.label);
  if (query.from != 0) out.from = Time{query.from};
  if (query.to != 0) out.to = Time{query.to};
  out.unpublished = query.published_only == 0;
  return read_view(query.account, "restante_session_query.account", out.account);
}

/// Opens the storage of a directory and what `make` makes of it.
template <class Make>
std::int32_t make_target(const char* directory, const restante_target_options* options, bool create,
                         restante_target** out_target, restante_error** out_error, Make&& make) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(directory, "directory"); !null.ok()) return null;
    if (Status null = require(out_target, "out_target"); !null.ok()) return null;
    BackupTarget::CreateOptions create_options;
    if (Status wrong = options_from_c(options, create_options); !wrong.ok()) return wrong;
    LocalStorageOptions storage_options;
    storage_options.create = create;
    Result<std::unique_ptr<Storage>> storage = open_local_storage(directory, storage_options);
    if (!storage.ok()) return storage.status();
    Result<BackupTarget> target = make(*std::move(storage), create_options);
    if (!target.ok()) return target.status();
    *out_target = new restante_target{*std::move(target)};
    return {};
  });
}

Status session_at(const restante_session_list* sessions, std::size_t index, const SessionInfo*& out) {
  if (Status null = require(sessions, "sessions"); !null.ok()) return null;
  if (index >= sessions->sessions.size()) {
    return invalid("there is no session " + std::to_string(index) + " in the list");
  }
  out = &sessions->sessions[index];
  return {};
}

}  // namespace
}  // namespace restante::capi

using namespace restante;
using namespace restante::capi;

std::int32_t restante_target_create(const char* directory, const restante_target_options* options,
                                    restante_target** out_target, restante_error** out_error) {
  return make_target(directory, options, true, out_target, out_error,
                     [](std::unique_ptr<Storage> storage, const BackupTarget::CreateOptions& create) {
                       return BackupTarget::create(std::move(storage), create);
                     });
}

std::int32_t restante_target_open(const char* directory, const restante_target_options* options,
                                  restante_target** out_target, restante_error** out_error) {
  return make_target(directory, options, false, out_target, out_error,
                     [](std::unique_ptr<Storage> storage, const BackupTarget::Options& open) {
                       return BackupTarget::open(std::move(storage), open);
                     });
}

void restante_target_free(restante_target* target) { delete target; }

restante_id restante_target_id(const restante_target* target) {
  return target == nullptr ? restante_id{} : c_id(target->target.id());
}

const char* restante_session_type_name(std::uint32_t type) {
  switch (type) {
    case RESTANTE_SESSION_FULL: return "full";
    case RESTANTE_SESSION_INCREMENTAL: return "incremental";
    case RESTANTE_SESSION_AUTO_GROUPED: return "auto-grouped";
    case RESTANTE_SESSION_SYNTHETIC: return "synthetic";
    default: return "unknown";
  }
}

const char* restante_session_status_name(std::uint32_t status) {
  // The names are literals, so their data ends in a NUL.
  switch (status) {
    case RESTANTE_STATUS_RUNNING: return name_of(SessionStatus::running).data();
    case RESTANTE_STATUS_COMPLETED: return name_of(SessionStatus::completed).data();
    case RESTANTE_STATUS_PARTIAL: return name_of(SessionStatus::partial).data();
    case RESTANTE_STATUS_FAILED: return name_of(SessionStatus::failed).data();
    case RESTANTE_STATUS_INTERRUPTED: return name_of(SessionStatus::interrupted).data();
    default: return "unknown";
  }
}

const char* restante_account_status_name(std::uint32_t status) {
  switch (status) {
    case RESTANTE_ACCOUNT_NOT_STARTED: return name_of(AccountStatus::not_started).data();
    case RESTANTE_ACCOUNT_IN_PROGRESS: return name_of(AccountStatus::in_progress).data();
    case RESTANTE_ACCOUNT_COMPLETED: return name_of(AccountStatus::completed).data();
    case RESTANTE_ACCOUNT_ERROR: return name_of(AccountStatus::error).data();
    default: return "unknown";
  }
}

// --- What is in a target ------------------------------------------------------------------------------

std::int32_t restante_target_sessions(const restante_target* target, const restante_session_query* query,
                                      restante_session_list** out_sessions, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(target, "target"); !null.ok()) return null;
    if (Status null = require(out_sessions, "out_sessions"); !null.ok()) return null;
    SessionQuery wanted;
    if (Status wrong = query_from_c(query, wanted); !wrong.ok()) return wrong;
    Result<std::vector<SessionInfo>> sessions = target->target.sessions(wanted);
    if (!sessions.ok()) return sessions.status();
    *out_sessions = new restante_session_list{*std::move(sessions)};
    return {};
  });
}

std::int32_t restante_target_session(const restante_target* target, const char* label,
                                     restante_session_list** out_sessions, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(target, "target"); !null.ok()) return null;
    if (Status null = require(label, "label"); !null.ok()) return null;
    if (Status null = require(out_sessions, "out_sessions"); !null.ok()) return null;
    Result<SessionInfo> session = target->target.session(label);
    if (!session.ok()) return session.status();
    auto list = std::make_unique<restante_session_list>();
    list->sessions.push_back(*std::move(session));
    *out_sessions = list.release();
    return {};
  });
}

std::int32_t restante_target_accounts(const restante_target* target, restante_account_list** out_accounts,
                                      restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(target, "target"); !null.ok()) return null;
    if (Status null = require(out_accounts, "out_accounts"); !null.ok()) return null;
    Result<std::vector<TargetAccount>> accounts = target->target.accounts();
    if (!accounts.ok()) return accounts.status();
    *out_accounts = new restante_account_list{*std::move(accounts)};
    return {};
  });
}

std::int32_t restante_target_request_abort(const restante_target* target, const char* label,
                                           restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(target, "target"); !null.ok()) return null;
    if (Status null = require(label, "label"); !null.ok()) return null;
    return target->target.request_abort(label);
  });
}

std::int32_t restante_target_discard_interrupted(const restante_target* target, const char* label,
                                                 restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(target, "target"); !null.ok()) return null;
    if (Status null = require(label, "label"); !null.ok()) return null;
    return target->target.discard_interrupted(label);
  });
}

std::int32_t restante_target_newest_position(const restante_target* target, const restante_id* server,
                                             restante_continuation* out_position,
                                             restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(target, "target"); !null.ok()) return null;
    if (Status null = require(server, "server"); !null.ok()) return null;
    if (Status null = require(out_position, "out_position"); !null.ok()) return null;
    const Result<std::optional<Continuation>> newest = target->target.newest_position(id_of(*server));
    if (!newest.ok()) return newest.status();
    if (!newest->has_value()) {
      return Status(Code::not_found, "the target has no redo log of server " + id_of(*server).to_string());
    }
    *out_position = c_continuation(**newest);
    return {};
  });
}

// --- Lists --------------------------------------------------------------------------------------------

std::size_t restante_session_list_count(const restante_session_list* sessions) {
  return sessions == nullptr ? 0 : sessions->sessions.size();
}

std::int32_t restante_session_list_get(const restante_session_list* sessions, std::size_t index,
                                       restante_session_info* out_info, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    const SessionInfo* session = nullptr;
    if (Status wrong = session_at(sessions, index, session); !wrong.ok()) return wrong;
    return fill_struct(out_info, "restante_session_info", to_c(*session));
  });
}

std::int32_t restante_session_list_get_account(const restante_session_list* sessions, std::size_t index,
                                               std::size_t account_index,
                                               restante_session_account* out_account,
                                               restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    const SessionInfo* session = nullptr;
    if (Status wrong = session_at(sessions, index, session); !wrong.ok()) return wrong;
    if (account_index >= session->accounts.size()) {
      return invalid("session " + session->label + " has no account " + std::to_string(account_index));
    }
    return fill_struct(out_account, "restante_session_account", to_c(session->accounts[account_index]));
  });
}

void restante_session_list_free(restante_session_list* sessions) { delete sessions; }

std::size_t restante_account_list_count(const restante_account_list* accounts) {
  return accounts == nullptr ? 0 : accounts->accounts.size();
}

std::int32_t restante_account_list_get(const restante_account_list* accounts, std::size_t index,
                                       restante_target_account* out_account, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(accounts, "accounts"); !null.ok()) return null;
    if (index >= accounts->accounts.size()) {
      return invalid("there is no account " + std::to_string(index) + " in the list");
    }
    return fill_struct(out_account, "restante_target_account", to_c(accounts->accounts[index]));
  });
}

void restante_account_list_free(restante_account_list* accounts) { delete accounts; }
