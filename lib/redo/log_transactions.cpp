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

Status RedoLog::Impl::too_many_open() const {
  return Status(Code::busy,
                base::cat(redo::kMaxOpen, " transactions of the redo log in ", base::escape(path_),
                          " are open, which is the limit"),
                "end them, or recover() those that nobody has in hand");
}

RedoLog::Impl::Frame RedoLog::Impl::frame_of(const Intent& intent, const Origin& origin,
                                             const std::vector<redo::ContentPlace>& places) {
  Frame frame;
  frame.head.kind = intent.kind;
  frame.account_id = intent.account_id;
  for (const redo::ContentPlace& content : places) {
    const bool is_lower = frame.lowest_sequence == 0 || content.first_sequence < frame.lowest_sequence;
    if (is_lower) frame.lowest_sequence = content.first_sequence;
  }
  frame.reserve = static_cast<std::uint32_t>(intent.reserve);
  frame.is_rewind = intent.is_rewind;
  frame.bytes.reserve(static_cast<std::size_t>(intent.most_bytes()));
  redo::begin_frame(frame.bytes, intent.account_id, origin);
  redo::encode_operations(frame.bytes, frame.reserve, places, intent.count, intent.operations);
  redo::close_frame(frame.bytes, frame.head, intent.account_id, origin);
  return frame;
}

// With the lock and room made. `ready` is the record if it names no content, whose place only the lock fixes.
Result<RedoLog::Impl::Placed> RedoLog::Impl::write_intent(const Intent& intent, const Origin& origin,
                                                          std::optional<std::uint32_t> place,
                                                          std::optional<Frame>& ready) {
  if (!ready) ready = frame_of(intent, origin, places_of(intent.contents));
  ready->begins = place;
  Result<Placed> placed = write(*ready);
  if (placed.ok()) mark_referenced(intent.contents);
  return placed;
}

// Writes the record; content that fell too far behind since it was put is put again first.
Result<RedoLog::Impl::Placed> RedoLog::Impl::log_intent(const Intent& intent, const BeginOptions& options,
                                                        std::uint32_t* place) {
  std::optional<Frame> ready;
  if (intent.contents.empty()) ready = frame_of(intent, options.origin, {});
  for (int round = 1;; ++round) {
    std::vector<ContentRef> stale;
    {
      const Result<Hold> held = hold();
      if (!held.ok()) return held.status();
      if (!options.ignore_unrecovered && open_->is_in_doubt(intent.account_id, state_.end))
        return needs_recovery(intent.account_id);
      if (Status room = make_room(intent.most_bytes(), intent.reserve); !room.ok()) return room;
      stale = stale_of(intent.contents);
      if (stale.empty()) {
        std::optional<std::uint32_t> free;
        if (place != nullptr) {
          free = open_->find_free();
          if (!free) return too_many_open();
          *place = *free;
        }
        return write_intent(intent, options.origin, free, ready);
      }
    }
    // What does not stay near while the rest is put again never will.
    std::uint64_t stale_bytes = 0;
    for (const ContentRef& content : stale) stale_bytes += content.size;
    const bool is_too_much = stale.size() > 1 && stale_bytes > redo::kContentReach * options_.segment_bytes;
    if (round > 2 || is_too_much) {
      return Status(Code::invalid_argument,
                    "the transaction names more content than the newest segments hold",
                    "split it into several transactions, each behind the content that it names");
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
  std::uint32_t place = 0;
  const Result<Placed> placed = log_intent(*intent, options, &place);
  if (!placed.ok()) return placed.status();
  auto transaction = std::make_unique<Transaction::Impl>();
  transaction->place = place;
  transaction->log = shared_from_this();
  transaction->account_id = account_id;
  transaction->begin_lsn = placed->lsn;
  transaction->begin_sequence = placed->sequence;
  transaction->begin_offset = placed->offset;
  transaction->operations.assign(operations.begin(), operations.end());
  transaction->origin = options.origin;
  // From here on its destruction leaves the transaction in doubt, which is what a failure is.
  Transaction result(std::move(transaction));
  if (Status durable = acknowledge(placed->lsn, options.sync); !durable.ok()) return durable;
  seal_rolled();
  return result;
}

Result<Lsn> RedoLog::Impl::append(std::string_view account_id, std::span<const Operation> operations,
                                  const BeginOptions& options) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  const Result<Intent> intent = make_intent(account_id, operations, options, false);
  if (!intent.ok()) return intent.status();
  const Result<Placed> placed = log_intent(*intent, options, nullptr);
  if (!placed.ok()) return placed.status();
  if (Status durable = acknowledge(placed->lsn, options.sync); !durable.ok()) return durable;
  seal_rolled();
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
    const Result<Hold> held = hold();
    if (!held.ok()) return held.status();
    const std::optional<redo::OpenTable::Entry> open = open_->load(transaction.place, state_.end);
    if (!open || open->transaction.begin_lsn != transaction.begin_lsn)
      return Status(Code::internal, "the transaction is not open");
    frame.ends = transaction.place;
    frame.reserve = open->transaction.reserved_bytes;
    // Its reservation is what it writes into; only ids of unusual length in great number need more.
    const bool fits = frame.bytes.size() + redo::kEndRecordRoom / 2 <= frame.reserve;
    if (!fits) {
      if (Status room = make_room(frame.bytes.size(), 0); !room.ok()) return room;
    }
    const Result<Placed> placed = write(frame);
    if (!placed.ok()) return placed.status();
    lsn = placed->lsn;
    transaction.ended = true;
  }
  control_->page().ended.signal();
  if (Status durable = acknowledge(lsn, sync); !durable.ok()) return durable;
  seal_rolled();
  return lsn;
}

Status RedoLog::Impl::touch(std::string_view account_id) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  if (Status checked = check_account(account_id); !checked.ok()) return checked;
  Lsn lsn = 0;
  {
    const Result<Hold> held = hold();
    if (!held.ok()) return held.status();
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
  seal_rolled();
  return {};
}

std::string RedoLog::Impl::account_in_log(const redo::OpenTransaction& transaction) const {
  const auto file =
      std::make_shared<const redo::SegmentFile>(io_, directory_, redo::segment_name(transaction.sequence));
  redo::SegmentHeader header = identity_;
  header.sequence = transaction.sequence;
  redo::SegmentExtent extent;
  extent.end = UINT64_MAX;
  extent.last_lsn = UINT64_MAX;
  const auto view = std::make_shared<const redo::RawSegment>(
      file, std::make_shared<const redo::SegmentHeader>(header), extent);
  const Result<redo::Record> record = view->read_at(transaction.offset, transaction.begin_lsn, false);
  return record.ok() ? std::string(record->account_id()) : std::string();
}

std::vector<redo::OpenTable::Entry> RedoLog::Impl::open_transactions(std::string_view account_id,
                                                                     Lsn end) const {
  std::vector<redo::OpenTable::Entry> all;
  const std::uint64_t hash = redo::account_hash(account_id);
  for (std::uint32_t place = 0; place < open_->size(); ++place) {
    std::optional<redo::OpenTable::Entry> entry = open_->load(place, end);
    if (!entry || (!account_id.empty() && entry->account_hash != hash)) continue;
    if (!entry->is_account_known) entry->transaction.account_id = account_in_log(entry->transaction);
    if (!account_id.empty() && entry->transaction.account_id != account_id) continue;
    all.push_back(std::move(*entry));
  }
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.transaction.begin_lsn < b.transaction.begin_lsn; });
  return all;
}

std::vector<RedoLog::Unfinished> RedoLog::Impl::unfinished() const {
  std::vector<Unfinished> all;
  for (const redo::OpenTable::Entry& entry : open_transactions({}, control_->page().writer.load().end)) {
    const redo::OpenTransaction& transaction = entry.transaction;
    all.push_back({transaction.account_id, transaction.begin_lsn, transaction.begin_time,
                   transaction.is_rewind, !open_->is_owned(entry)});
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
  const Result<redo::SegmentViews> all = views();
  if (!all.ok()) return all.status();
  std::vector<std::unique_ptr<Transaction::Impl>> claimed;
  const Result<Hold> held = hold();
  if (!held.ok()) return held.status();
  for (const redo::OpenTable::Entry& open : open_transactions(account_id, state_.end)) {
    // One that was begun and left since is not in what is read here: the next call has it.
    if (open_->is_owned(open) || open.transaction.begin_lsn > all->back()->last_lsn()) continue;
    Result<std::unique_ptr<Transaction::Impl>> transaction = reread(open.transaction, *all);
    if (!transaction.ok()) return transaction.status();
    (*transaction)->place = open.index;
    claimed.push_back(std::move(*transaction));
  }
  // All could be read: now they are claimed.
  std::vector<Transaction> result;
  for (std::unique_ptr<Transaction::Impl>& transaction : claimed) {
    open_->claim(transaction->place);
    transaction->log = shared_from_this();
    result.push_back(Transaction(std::move(transaction)));
  }
  return result;
}

std::optional<Lsn> RedoLog::Impl::oldest_open(std::string_view account_id) const {
  const std::vector<redo::OpenTable::Entry> open =
      open_transactions(account_id, control_->page().writer.load().end);
  if (open.empty()) return std::nullopt;
  return open.front().transaction.begin_lsn;
}

Status RedoLog::Impl::wait_for_open(std::string_view account_id, std::chrono::milliseconds deadline) {
  if (Status process = check_process(); !process.ok()) return process;
  redo::ControlPage& page = control_->page();
  const auto until = std::chrono::steady_clock::now() + deadline;
  for (const redo::OpenTable::Entry& entry : open_transactions(account_id, page.writer.load().end)) {
    for (;;) {
      const std::uint32_t seen = page.ended.now();
      if (!open_->is_open(entry.index, entry.transaction.begin_lsn)) break;
      const auto left = until - std::chrono::steady_clock::now();
      if (left <= left.zero())
        return Status(Code::timed_out, base::cat("the transaction ", entry.transaction.begin_lsn,
                                                 " of account ", base::escape(account_id), " has not ended"));
      page.ended.wait(seen, std::min<std::chrono::nanoseconds>(left, std::chrono::seconds(1)));
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
  const Result<redo::SegmentViews> all = views();
  if (!all.ok()) return all.status();
  for (const std::shared_ptr<const redo::SegmentView>& view : *all) {
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
