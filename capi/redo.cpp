#include "redo_reading.hpp"

struct restante_transaction {
  explicit restante_transaction(restante::Transaction&& begun)
      : transaction(std::move(begun)), account(transaction.account_id()) {
    ops.operations = &transaction.operations();
  }
  restante::Transaction transaction;
  std::string account;
  bool ended = false;
  /// Lends the operations to readers.
  restante_ops ops;
};

struct restante_recovery {
  std::vector<std::unique_ptr<restante_transaction>> transactions;
  std::size_t taken = 0;
};

namespace restante::capi {
namespace {

Continuation continuation_of(const restante_continuation& given) {
  Continuation out;
  out.parent = {id_of(given.parent.log), id_of(given.parent.incarnation), given.parent.lsn};
  out.parent_sequence = given.parent_sequence;
  return out;
}

Status options_from_c(const restante_redo_options* given, RedoLog::Options& out) {
  restante_redo_options options;
  if (Status wrong = read_struct(given, "restante_redo_options", options); !wrong.ok()) return wrong;
  if (options.create > 1) return invalid("restante_redo_options: create is neither 0 nor 1");
  out.create = options.create == 1;
  if (options.holder != nullptr) out.holder = options.holder;
  out.server = id_of(options.server);
  if (options.continues != nullptr) out.continues = continuation_of(*options.continues);
  if (options.segment_bytes != 0) out.segment_bytes = options.segment_bytes;
  if (options.piece_bytes != 0) out.piece_bytes = options.piece_bytes;
  if (options.deadline_ms != 0) out.deadline = std::chrono::milliseconds(options.deadline_ms);
  if (options.sync_interval_ms != 0) out.sync_interval = std::chrono::milliseconds(options.sync_interval_ms);
  out.segment_age = std::chrono::seconds(options.segment_age_seconds);
  return {};
}

Status sync_from_c(std::uint32_t number, Sync otherwise, Sync& out) {
  switch (number) {
    case RESTANTE_SYNC_DEFAULT: out = otherwise; return {};
    case RESTANTE_SYNC_DURABLE: out = Sync::durable; return {};
    case RESTANTE_SYNC_LAZY: out = Sync::lazy; return {};
    case RESTANTE_SYNC_INTERVAL: out = Sync::interval; return {};
    default: return invalid("sync is none of RESTANTE_SYNC_DEFAULT, _DURABLE, _LAZY and _INTERVAL");
  }
}

Status options_from_c(const restante_begin_options* given, RedoLog::BeginOptions& out) {
  restante_begin_options options;
  if (Status wrong = read_struct(given, "restante_begin_options", options); !wrong.ok()) return wrong;
  if (options.ignore_unrecovered > 1) {
    return invalid("restante_begin_options: ignore_unrecovered is neither 0 nor 1");
  }
  if (options.reserved != 0) return invalid("restante_begin_options: reserved is not 0");
  out.ignore_unrecovered = options.ignore_unrecovered == 1;
  out.origin.client = text_or_empty(options.origin_client);
  out.origin.session = text_or_empty(options.origin_session);
  out.origin.address = text_or_empty(options.origin_address);
  return sync_from_c(options.sync, Sync::durable, out.sync);
}

/// What begin and append have in common.
struct Change {
  RedoLog* log = nullptr;
  std::string_view account_id;
  RedoLog::BeginOptions options;
};

Status change_from_c(restante_redo* redo, const restante_view& account_id, const restante_ops* ops,
                     const restante_begin_options* options, Change& out) {
  if (Status wrong = open_log(redo, out.log); !wrong.ok()) return wrong;
  if (Status null = require(ops, "ops"); !null.ok()) return null;
  if (Status wrong = read_view(account_id, "account_id", out.account_id); !wrong.ok()) return wrong;
  return options_from_c(options, out.options);
}

Status assigned_from_c(const restante_assigned* first, std::size_t count, std::vector<Assigned>& out) {
  if (Status wrong = check_array(first, count, "assigned"); !wrong.ok()) return wrong;
  for (std::size_t i = 0; i < count; ++i) {
    restante_assigned given;
    if (Status wrong = read_element(first, i, "restante_assigned", given); !wrong.ok()) return wrong;
    if (given.refused > 1) return invalid("restante_assigned: refused is neither 0 nor 1");
    Assigned assigned;
    assigned.operation = given.operation;
    assigned.element = given.element;
    assigned.refused = given.refused == 1;
    assigned.uidvalidity = given.uidvalidity;
    assigned.uid = given.uid;
    assigned.modseq = given.modseq;
    if (Status wrong = read_view(given.id, "restante_assigned.id", assigned.id); !wrong.ok()) return wrong;
    out.push_back(std::move(assigned));
  }
  return {};
}

Status require_open(const restante_transaction* transaction) {
  if (Status null = require(transaction, "transaction"); !null.ok()) return null;
  return transaction->ended ? invalid("the transaction has ended") : Status();
}

Status put_content(restante_redo* redo, const restante_view& account_id, ContentReader& content,
                   restante_content* out_content) {
  RedoLog* log = nullptr;
  if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
  if (Status null = require(out_content, "out_content"); !null.ok()) return null;
  std::string_view account;
  if (Status wrong = read_view(account_id, "account_id", account); !wrong.ok()) return wrong;
  const Result<ContentRef> put = log->put_content(account, content);
  if (put.ok()) *out_content = content_to_c(*put);
  return put.status();
}

}  // namespace

Status open_log(restante_redo* redo, RedoLog*& out) {
  if (Status null = require(redo, "redo"); !null.ok()) return null;
  if (!redo->log) return invalid("the redo log is closed");
  out = &*redo->log;
  return {};
}

CallbackReader::~CallbackReader() {
  if (release_ != nullptr) release_(user_data_);
}

Result<std::size_t> CallbackReader::read(MutableByteView buffer) {
  if (!failure_.ok()) return failure_;
  if (at_end_ || buffer.empty()) return std::size_t{0};
  std::size_t count = 0;
  restante_error* error = nullptr;
  const std::int32_t code = read_(user_data_, buffer.data(), buffer.size(), &count, &error);
  failure_ = status_of_callback("read callback", code, error);
  if (failure_.ok() && count > buffer.size()) {
    failure_ = Status(Code::internal, "the host's read callback says that it read " + std::to_string(count) +
                                          " bytes into a buffer of " + std::to_string(buffer.size()));
  }
  if (!failure_.ok()) return failure_;
  at_end_ = count == 0;
  return count;
}

}  // namespace restante::capi

using namespace restante;
using namespace restante::capi;

// --- Content ------------------------------------------------------------------------------------------

std::int32_t restante_reader_read(restante_reader* reader, void* buffer, std::size_t size,
                                  std::size_t* out_read, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(reader, "reader"); !null.ok()) return null;
    if (Status null = require(buffer, "buffer"); !null.ok()) return null;
    if (Status null = require(out_read, "out_read"); !null.ok()) return null;
    if (size == 0) return invalid("a buffer of 0 bytes cannot tell the end from a full buffer");
    const Result<std::size_t> count = reader->reader->read({static_cast<std::uint8_t*>(buffer), size});
    if (count.ok()) *out_read = *count;
    return count.status();
  });
}

void restante_reader_free(restante_reader* reader) { delete reader; }

// --- Opening and closing ------------------------------------------------------------------------------

std::int32_t restante_redo_open(const char* directory, const restante_redo_options* options,
                                restante_redo** out_redo, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(directory, "directory"); !null.ok()) return null;
    if (Status null = require(out_redo, "out_redo"); !null.ok()) return null;
    RedoLog::Options open_options;
    if (Status wrong = options_from_c(options, open_options); !wrong.ok()) return wrong;
    auto handle = std::make_unique<restante_redo>();
    Result<RedoLog> log = RedoLog::open(directory, open_options);
    if (!log.ok()) return log.status();
    handle->log.emplace(*std::move(log));
    *out_redo = handle.release();
    return {};
  });
}

std::int32_t restante_redo_close(restante_redo* redo, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    Status synced = log->sync();
    redo->log.reset();
    return synced;
  });
}

void restante_redo_free(restante_redo* redo) { delete redo; }

restante_id restante_redo_server(const restante_redo* redo) {
  return redo != nullptr && redo->log ? c_id(redo->log->server()) : restante_id{};
}

restante_continuation restante_redo_continues(const restante_redo* redo) {
  if (redo == nullptr || !redo->log) return {};
  return c_continuation(redo->log->continues().value_or(Continuation{}));
}

restante_position restante_redo_end(const restante_redo* redo) {
  if (redo == nullptr || !redo->log) return {};
  return {c_id(redo->log->id()), c_id(redo->log->incarnation()), redo->log->end()};
}

std::uint64_t restante_redo_durable_end(const restante_redo* redo) {
  return redo != nullptr && redo->log ? redo->log->durable_end() : 0;
}

std::uint64_t restante_redo_sequence(const restante_redo* redo) {
  return redo != nullptr && redo->log ? redo->log->sequence() : 0;
}

// --- Writing ------------------------------------------------------------------------------------------

std::int32_t restante_redo_put_content(restante_redo* redo, restante_view account_id, const void* data,
                                       std::size_t size, restante_content* out_content,
                                       restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status wrong = check_array(data, size, "data"); !wrong.ok()) return wrong;
    const auto reader = read_from_memory(ByteView(static_cast<const std::uint8_t*>(data), size));
    return put_content(redo, account_id, *reader, out_content);
  });
}

std::int32_t restante_redo_put_content_from(restante_redo* redo, restante_view account_id,
                                            restante_read_function read, void* user_data,
                                            restante_content* out_content, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (read == nullptr) return invalid("read is NULL");
    CallbackReader reader(read, user_data, nullptr);
    return put_content(redo, account_id, reader, out_content);
  });
}

std::int32_t restante_redo_open_content(restante_redo* redo, const restante_content* content,
                                        restante_reader** out_reader, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    return open_content_of(*log, content, out_reader);
  });
}

std::int32_t restante_redo_begin(restante_redo* redo, restante_view account_id, const restante_ops* ops,
                                 const restante_begin_options* options,
                                 restante_transaction** out_transaction, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(out_transaction, "out_transaction"); !null.ok()) return null;
    Change change;
    if (Status wrong = change_from_c(redo, account_id, ops, options, change); !wrong.ok()) return wrong;
    Result<Transaction> begun = change.log->begin(change.account_id, *ops->operations, change.options);
    if (!begun.ok()) return begun.status();
    *out_transaction = new restante_transaction(*std::move(begun));
    return {};
  });
}

std::int32_t restante_redo_append(restante_redo* redo, restante_view account_id, const restante_ops* ops,
                                  const restante_begin_options* options, std::uint64_t* out_lsn,
                                  restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    Change change;
    if (Status wrong = change_from_c(redo, account_id, ops, options, change); !wrong.ok()) return wrong;
    const Result<Lsn> lsn = change.log->append(change.account_id, *ops->operations, change.options);
    if (lsn.ok() && out_lsn != nullptr) *out_lsn = *lsn;
    return lsn.status();
  });
}

std::int32_t restante_redo_touch(restante_redo* redo, restante_view account_id, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    std::string_view account;
    if (Status wrong = read_view(account_id, "account_id", account); !wrong.ok()) return wrong;
    return log->touch(account);
  });
}

std::int32_t restante_redo_reconcile(restante_redo* redo, restante_account_id_function each, void* user_data,
                                     restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    return tell_each(log->accounts_to_reconcile(), each, user_data, "account callback", view_of);
  });
}

std::int32_t restante_redo_sync(restante_redo* redo, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    Status wrong = open_log(redo, log);
    return wrong.ok() ? log->sync() : wrong;
  });
}

std::int32_t restante_redo_roll(restante_redo* redo, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    Status wrong = open_log(redo, log);
    return wrong.ok() ? log->roll() : wrong;
  });
}

// --- Transactions -------------------------------------------------------------------------------------

std::int32_t restante_ops_with_assigned(const restante_ops* ops, const restante_assigned* assigned,
                                        std::size_t assigned_count, restante_ops** out_ops,
                                        restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(ops, "ops"); !null.ok()) return null;
    if (Status null = require(out_ops, "out_ops"); !null.ok()) return null;
    std::vector<Assigned> list;
    if (Status wrong = assigned_from_c(assigned, assigned_count, list); !wrong.ok()) return wrong;
    auto handle = std::make_unique<restante_ops>();
    Result<std::vector<Operation>> done = with_assigned(*ops->operations, list);
    if (!done.ok()) return done.status();
    handle->own = *std::move(done);
    *out_ops = handle.release();
    return {};
  });
}

restante_view restante_transaction_account(const restante_transaction* transaction) {
  return transaction == nullptr ? restante_view{} : view_of(transaction->account);
}

std::uint64_t restante_transaction_begin_lsn(const restante_transaction* transaction) {
  return transaction == nullptr ? 0 : transaction->transaction.begin_lsn();
}

const restante_ops* restante_transaction_ops(const restante_transaction* transaction) {
  return transaction == nullptr ? nullptr : &transaction->ops;
}

std::int32_t restante_transaction_commit(restante_transaction* transaction, const restante_assigned* assigned,
                                         std::size_t assigned_count, std::uint32_t sync,
                                         std::uint64_t* out_lsn, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status wrong = require_open(transaction); !wrong.ok()) return wrong;
    std::vector<Assigned> list;
    if (Status wrong = assigned_from_c(assigned, assigned_count, list); !wrong.ok()) return wrong;
    Sync when = Sync::lazy;
    if (Status wrong = sync_from_c(sync, Sync::lazy, when); !wrong.ok()) return wrong;
    const Result<Lsn> lsn = transaction->transaction.commit(list, when);
    if (!lsn.ok()) return lsn.status();
    transaction->ended = true;
    if (out_lsn != nullptr) *out_lsn = *lsn;
    return {};
  });
}

std::int32_t restante_transaction_abort(restante_transaction* transaction, std::uint32_t sync,
                                        restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status wrong = require_open(transaction); !wrong.ok()) return wrong;
    Sync when = Sync::lazy;
    if (Status wrong = sync_from_c(sync, Sync::lazy, when); !wrong.ok()) return wrong;
    Status aborted = transaction->transaction.abort(when);
    transaction->ended = aborted.ok();
    return aborted;
  });
}

void restante_transaction_free(restante_transaction* transaction) { delete transaction; }

std::int32_t restante_redo_recover(restante_redo* redo, restante_view account_id,
                                   restante_recovery** out_recovery, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(out_recovery, "out_recovery"); !null.ok()) return null;
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    std::string_view account;
    if (Status wrong = read_view(account_id, "account_id", account); !wrong.ok()) return wrong;
    Result<std::vector<Transaction>> claimed = log->recover(account);
    if (!claimed.ok()) return claimed.status();
    auto recovery = std::make_unique<restante_recovery>();
    for (Transaction& one : *claimed) {
      recovery->transactions.push_back(std::make_unique<restante_transaction>(std::move(one)));
    }
    *out_recovery = recovery.release();
    return {};
  });
}

std::size_t restante_recovery_count(const restante_recovery* recovery) {
  return recovery == nullptr ? 0 : recovery->transactions.size() - recovery->taken;
}

std::int32_t restante_recovery_next(restante_recovery* recovery, restante_transaction** out_transaction,
                                    restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(recovery, "recovery"); !null.ok()) return null;
    if (Status null = require(out_transaction, "out_transaction"); !null.ok()) return null;
    const bool none_left = recovery->taken == recovery->transactions.size();
    *out_transaction = none_left ? nullptr : recovery->transactions[recovery->taken++].release();
    return {};
  });
}

void restante_recovery_free(restante_recovery* recovery) { delete recovery; }
