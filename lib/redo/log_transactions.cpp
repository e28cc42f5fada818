// Transactions (R6): begin, commit, abort, append; what is unfinished; touch (R9).

#include <algorithm>

#include "base/text.hpp"
#include "redo/assigned.hpp"
#include "redo/log.hpp"

namespace restante {
inline namespace v0 {

/// What begin and append prepare without a lock.
struct RedoLog::Impl::Intent {
  redo::RecordKind kind{};
  std::string account_id;
  std::uint32_t count = 0;
  Bytes operations;
  std::vector<ContentRef> contents;
  std::uint64_t reserve = 0;
  bool is_rewind = false;

  /// The record has at most so many: head, ids, places and operations.
  [[nodiscard]] std::uint64_t most_bytes() const {
    return operations.size() + 72 * contents.size() + account_id.size() + 1024;
  }
};

namespace {

Status check_account(std::string_view account_id) {
  if (!account_id.empty() && account_id.size() <= redo::kMaxIdBytes) return {};
  return Status(Code::invalid_argument, "the account id must be 1 to 1024 bytes long");
}

Status check_origin(const Origin& origin) {
  for (const std::string* part : {&origin.client, &origin.session, &origin.address}) {
    if (part->size() > redo::kMaxOriginPartBytes) {
      return Status(Code::invalid_argument, "each part of an origin must be 255 bytes at most");
    }
  }
  return {};
}

void collect_contents(const Operation& operation, std::vector<ContentRef>& contents) {
  if (const auto* put = std::get_if<MessagePut>(&operation)) {
    for (const Message& message : put->messages) {
      if (message.content) contents.push_back(*message.content);
    }
  } else if (const auto* item_put = std::get_if<ItemPut>(&operation)) {
    if (item_put->item.content) contents.push_back(*item_put->item.content);
  }
}

Status needs_recovery(std::string_view account_id) {
  return Status(
      Code::needs_recovery,
      base::cat("account ", base::escape(account_id), " has unfinished transactions whose owner is gone"),
      "call recover(), perform what it returns again, and end it");
}

}  // namespace

Result<RedoLog::Impl::Intent> RedoLog::Impl::make_intent(std::string_view account_id,
                                                         std::span<const Operation> operations,
                                                         const BeginOptions& options, bool is_begin) {
  if (Status checked = check_account(account_id); !checked.ok()) return checked;
  if (Status checked = check_origin(options.origin); !checked.ok()) return checked;
  if (operations.empty()) return Status(Code::invalid_argument, "a transaction needs an operation");
  Intent intent;
  intent.kind = is_begin ? redo::RecordKind::begin : redo::RecordKind::append;
  intent.account_id = account_id;
  intent.count = static_cast<std::uint32_t>(operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (Status valid = validate(operations[i]); !valid.ok())
      return valid.with_context(base::cat("operation ", i));
    encode(operations[i], intent.operations);
    collect_contents(operations[i], intent.contents);
  }
  std::sort(intent.contents.begin(), intent.contents.end());
  intent.contents.erase(std::unique(intent.contents.begin(), intent.contents.end()), intent.contents.end());
  intent.is_rewind = std::holds_alternative<Rewind>(operations.front());
  if (is_begin) intent.reserve = redo::end_record_room(operations) + redo::padded_size(account_id.size());
  // The end record must be encodable too.
  if (intent.most_bytes() > redo::kMaxRecordBytes || intent.reserve > redo::kMaxRecordBytes) {
    return Status(Code::invalid_argument, "the transaction is larger than a record can be (1 GiB)",
                  "split it into several transactions");
  }
  return intent;
}

// With `write_mutex_` and room made.
Result<RedoLog::Impl::Placed> RedoLog::Impl::write_intent(const Intent& intent, const Origin& origin) {
  const std::vector<redo::ContentPlace> places = places_of(intent.contents);
  const auto reserve = static_cast<std::uint32_t>(intent.reserve);
  Frame frame;
  frame.head.kind = intent.kind;
  frame.account_id = intent.account_id;
  frame.lowest_sequence = segments_.back().header->sequence;
  for (const redo::ContentPlace& place : places) {
    frame.lowest_sequence = std::min(frame.lowest_sequence, place.first_sequence);
  }
  redo::begin_frame(frame.bytes, intent.account_id, origin);
  redo::encode_operations(frame.bytes, reserve, places, intent.count, intent.operations);
  redo::close_frame(frame.bytes, frame.head, intent.account_id, origin);
  Result<Placed> placed = write(frame);
  if (!placed.ok()) return placed;
  mark_referenced(intent.contents);
  if (intent.kind == redo::RecordKind::begin) {
    reserved_ += intent.reserve;
    const redo::OpenTransaction open{intent.account_id, placed->lsn,      placed->sequence,    placed->offset,
                                     reserve,           intent.is_rewind, frame.head.wall_time};
    open_.emplace(placed->lsn, Open{open, true});
  }
  return placed;
}

// Writes the record; content that fell too far behind since it was put is put again first.
Result<RedoLog::Impl::Placed> RedoLog::Impl::log_intent(const Intent& intent, const BeginOptions& options) {
  for (;;) {
    std::vector<ContentRef> stale;
    {
      const std::lock_guard lock(write_mutex_);
      if (Status usable = check_usable(); !usable.ok()) return usable;
      const bool is_in_doubt = in_doubt_.contains(intent.account_id);
      if (is_in_doubt && !options.ignore_unrecovered) return needs_recovery(intent.account_id);
      if (Status room = make_room(intent.most_bytes(), intent.reserve); !room.ok()) return room;
      stale = stale_of(intent.contents);
      if (stale.empty()) return write_intent(intent, options.origin);
    }
    for (const ContentRef& content : stale) {
      Result<std::unique_ptr<ContentReader>> reader = open_content(content);
      if (!reader.ok()) return reader.status().with_context("content that was put long ago");
      const Result<ContentRef> again = put_content(intent.account_id, **reader);
      if (!again.ok()) return again.status();
    }
  }
}

Result<Transaction> RedoLog::Impl::begin(std::string_view account_id, std::span<const Operation> operations,
                                         const BeginOptions& options) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  const Result<Intent> intent = make_intent(account_id, operations, options, true);
  if (!intent.ok()) return intent.status();
  const Result<Placed> placed = log_intent(*intent, options);
  if (!placed.ok()) return placed.status();
  auto transaction = std::make_unique<Transaction::Impl>();
  transaction->log = shared_from_this();
  transaction->account_id = account_id;
  transaction->begin_lsn = placed->lsn;
  transaction->begin_sequence = placed->sequence;
  transaction->begin_offset = placed->offset;
  transaction->operations.assign(operations.begin(), operations.end());
  transaction->origin = options.origin;
  // From here on its destruction leaves the transaction in doubt, which is what a failure is.
  Transaction result(std::move(transaction));
  if (options.sync == Sync::durable) {
    if (Status durable = wait_durable(placed->lsn); !durable.ok()) return durable;
  }
  (void)seal_pending();  // the transaction has begun; whoever rolls or opens next reports what is wrong
  return result;
}

Result<Lsn> RedoLog::Impl::append(std::string_view account_id, std::span<const Operation> operations,
                                  const BeginOptions& options) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  const Result<Intent> intent = make_intent(account_id, operations, options, false);
  if (!intent.ok()) return intent.status();
  const Result<Placed> placed = log_intent(*intent, options);
  if (!placed.ok()) return placed.status();
  if (options.sync == Sync::durable) {
    if (Status durable = wait_durable(placed->lsn); !durable.ok()) return durable;
  }
  (void)seal_pending();
  return placed->lsn;
}

Result<Lsn> RedoLog::Impl::end_transaction(Transaction::Impl& transaction, bool commit,
                                           std::span<const Assigned> assigned, Sync sync) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  if (transaction.ended) return Status(Code::invalid_argument, "the transaction has ended already");
  if (Status checked = redo::check_assigned(transaction.operations, assigned); !checked.ok()) return checked;
  Frame frame;
  frame.head.kind = commit ? redo::RecordKind::commit : redo::RecordKind::abort;
  frame.head.transaction = transaction.begin_lsn;
  frame.account_id = transaction.account_id;
  frame.lowest_sequence = transaction.begin_sequence;
  redo::EndBody body{
      transaction.begin_sequence, transaction.begin_offset, {assigned.begin(), assigned.end()}};
  redo::begin_frame(frame.bytes, transaction.account_id, {});
  redo::encode_end(frame.bytes, body, commit);
  redo::close_frame(frame.bytes, frame.head, transaction.account_id, {});
  Lsn lsn = 0;
  {
    const std::lock_guard lock(write_mutex_);
    const auto open = open_.find(transaction.begin_lsn);
    if (open == open_.end()) return Status(Code::internal, "the transaction is not open");
    const std::uint64_t reserve = open->second.transaction.reserved_bytes;
    // Its reservation is what it writes into; only ids of unusual length in great number need more.
    const bool fits = frame.bytes.size() + redo::kEndRecordRoom / 2 <= reserve;
    if (!fits) {
      if (Status room = make_room(frame.bytes.size(), 0); !room.ok()) return room;
    }
    const Result<Placed> placed = write(frame);
    if (!placed.ok()) return placed.status();
    lsn = placed->lsn;
    reserved_ -= reserve;
    open_.erase(open);
    transaction.ended = true;
  }
  ended_.notify_all();
  if (sync == Sync::durable) {
    if (Status durable = wait_durable(lsn); !durable.ok()) return durable;
  }
  (void)seal_pending();
  return lsn;
}

// The owner is gone without ending it: the next `recover` hands it out.
void RedoLog::Impl::let_go(Lsn begin_lsn) noexcept {
  const std::lock_guard lock(write_mutex_);
  const auto open = open_.find(begin_lsn);
  if (open == open_.end() || !open->second.owned) return;
  open->second.owned = false;
  ++in_doubt_[open->second.transaction.account_id];
}

Status RedoLog::Impl::touch(std::string_view account_id) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  if (Status checked = check_account(account_id); !checked.ok()) return checked;
  Lsn lsn = 0;
  {
    const std::lock_guard lock(write_mutex_);
    const std::string account(account_id);
    auto noted = touched_.find(account);
    if (noted == touched_.end()) {
      Frame frame;
      frame.head.kind = redo::RecordKind::touch;
      frame.account_id = account_id;
      redo::begin_frame(frame.bytes, account_id, {});
      redo::close_frame(frame.bytes, frame.head, account_id, {});
      if (Status room = make_room(frame.bytes.size(), 0); !room.ok()) return room;
      const Result<Placed> placed = write(frame);
      if (!placed.ok()) return placed.status();
      noted = touched_.emplace(account, placed->lsn).first;
    }
    lsn = noted->second;
  }
  if (Status durable = wait_durable(lsn); !durable.ok()) return durable;
  (void)seal_pending();
  return {};
}

std::vector<RedoLog::Unfinished> RedoLog::Impl::unfinished() const {
  std::vector<Unfinished> all;
  const std::lock_guard lock(write_mutex_);
  for (const auto& [lsn, open] : open_) {
    const redo::OpenTransaction& transaction = open.transaction;
    all.push_back({transaction.account_id, lsn, transaction.begin_time, transaction.is_rewind, !open.owned});
  }
  return all;
}

// What the log says of a transaction that nobody has in hand.
Result<std::unique_ptr<Transaction::Impl>> RedoLog::Impl::reread(const redo::OpenTransaction& found,
                                                                 const redo::SegmentViews& all) const {
  const std::string context = base::cat("the unfinished transaction ", found.begin_lsn, " of account ",
                                        base::escape(found.account_id));
  const redo::SegmentView* segment = redo::find_segment(all, identity_.incarnation, found.sequence);
  if (segment == nullptr) {
    return Status(Code::damaged,
                  base::cat(context, " began in segment ", found.sequence, ", which is missing"));
  }
  const Result<redo::Record> record = segment->record(found.begin_lsn, found.offset);
  if (!record.ok()) return record.status().with_context(context);
  Result<redo::OperationsBody> body = redo::decode_operations(*record);
  if (!body.ok()) return body.status().with_context(context);
  Result<Origin> origin = record->origin();
  if (!origin.ok()) return origin.status().with_context(context);
  auto transaction = std::make_unique<Transaction::Impl>();
  transaction->account_id = found.account_id;
  transaction->begin_lsn = found.begin_lsn;
  transaction->begin_sequence = found.sequence;
  transaction->begin_offset = found.offset;
  transaction->operations = std::move(body->operations);
  transaction->origin = std::move(*origin);
  return transaction;
}

Result<std::vector<Transaction>> RedoLog::Impl::recover(std::string_view account_id) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  // A lazy begin of this process may have been let go before it was synced.
  if (Status synced = sync(); !synced.ok()) return synced;
  const redo::SegmentViews all = views();
  std::vector<std::unique_ptr<Transaction::Impl>> claimed;
  const std::lock_guard lock(write_mutex_);
  for (const auto& [lsn, open] : open_) {
    if (open.owned || (!account_id.empty() && open.transaction.account_id != account_id)) continue;
    Result<std::unique_ptr<Transaction::Impl>> transaction = reread(open.transaction, all);
    if (!transaction.ok()) return transaction.status();
    claimed.push_back(std::move(*transaction));
  }
  // All could be read: now they are claimed.
  std::vector<Transaction> result;
  for (std::unique_ptr<Transaction::Impl>& transaction : claimed) {
    open_.at(transaction->begin_lsn).owned = true;
    const auto in_doubt = in_doubt_.find(transaction->account_id);
    if (--in_doubt->second == 0) in_doubt_.erase(in_doubt);
    transaction->log = shared_from_this();
    result.push_back(Transaction(std::move(transaction)));
  }
  return result;
}

std::optional<Lsn> RedoLog::Impl::oldest_open(std::string_view account_id) const {
  const std::lock_guard lock(write_mutex_);
  for (const auto& [lsn, open] : open_) {
    if (open.transaction.account_id == account_id) return lsn;
  }
  return std::nullopt;
}

Status RedoLog::Impl::wait_for_open(std::string_view account_id, std::chrono::milliseconds deadline) {
  if (Status process = check_process(); !process.ok()) return process;
  const auto until = std::chrono::steady_clock::now() + deadline;
  std::unique_lock lock(write_mutex_);
  std::vector<Lsn> waited;
  for (const auto& [lsn, open] : open_) {
    if (open.transaction.account_id == account_id) waited.push_back(lsn);
  }
  for (const Lsn lsn : waited) {
    while (open_.contains(lsn)) {
      if (ended_.wait_until(lock, until) != std::cv_status::timeout || !open_.contains(lsn)) continue;
      return Status(Code::timed_out, base::cat("the transaction ", lsn, " of account ",
                                               base::escape(account_id), " has not ended"));
    }
  }
  return {};
}

Result<bool> RedoLog::Impl::aborted_since(std::string_view account_id, Lsn after) {
  if (Status synced = sync(); !synced.ok()) return synced;
  redo::RecordFilter filter;
  filter.after = after;
  filter.account_id = account_id;
  filter.kinds = redo::kind_bit(redo::RecordKind::abort);
  filter.content_bytes = false;
  for (const std::shared_ptr<const redo::SegmentView>& view : views()) {
    Result<std::unique_ptr<redo::RecordStream>> stream = view->records(filter);
    if (!stream.ok()) return stream.status();
    redo::Record record;
    const Result<bool> found = (*stream)->next(record);
    if (!found.ok()) return found.status();
    if (*found) return true;
  }
  return false;
}

}  // namespace v0
}  // namespace restante
