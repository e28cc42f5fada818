// The public class: each call goes to the log that is open.

#include <restante/redo_log.hpp>

#include "redo/log.hpp"

namespace restante {
inline namespace v0 {

Result<RedoLog> RedoLog::open(const std::string& directory, const Options& options) {
  return Impl::open(directory, options, {});
}

Id128 RedoLog::server() const noexcept { return impl_->identity_.server; }
Id128 RedoLog::id() const noexcept { return impl_->identity_.log; }
Id128 RedoLog::incarnation() const noexcept { return impl_->identity_.incarnation; }
std::optional<Continuation> RedoLog::continues() const {
  const Continuation& parent = impl_->identity_.parent;
  if (parent.parent.incarnation.is_none()) return std::nullopt;
  return parent;
}
Lsn RedoLog::end() const noexcept { return impl_->control_->page().writer.load().end; }
Lsn RedoLog::durable_end() const noexcept { return impl_->control_->page().durable.load().lsn; }
std::uint64_t RedoLog::sequence() const noexcept { return impl_->control_->page().writer.load().sequence; }
Result<std::vector<SegmentInfo>> RedoLog::segments() const { return impl_->segment_infos(); }

Result<ContentRef> RedoLog::put_content(std::string_view account_id, ContentReader& content) {
  return impl_->put_content(account_id, content);
}
Result<Transaction> RedoLog::begin(std::string_view account_id, std::span<const Operation> operations,
                                   const BeginOptions& options) {
  return impl_->begin(account_id, operations, options);
}
Result<Lsn> RedoLog::append(std::string_view account_id, std::span<const Operation> operations,
                            const BeginOptions& options) {
  return impl_->append(account_id, operations, options);
}
Status RedoLog::touch(std::string_view account_id) { return impl_->touch(account_id); }
std::vector<std::string> RedoLog::accounts_to_reconcile() const { return impl_->reconcile_; }
Status RedoLog::sync() { return impl_->sync(); }
Status RedoLog::roll() { return impl_->roll(); }
Status RedoLog::maintain() { return impl_->maintain(); }

std::vector<RedoLog::Unfinished> RedoLog::unfinished() const { return impl_->unfinished(); }
Result<std::vector<Transaction>> RedoLog::recover(std::string_view account_id) {
  return impl_->recover(account_id);
}
std::optional<Lsn> RedoLog::oldest_open(std::string_view account_id) const {
  return impl_->oldest_open(account_id);
}
Status RedoLog::wait_for_open(std::string_view account_id, std::chrono::milliseconds deadline) const {
  return impl_->wait_for_open(account_id, deadline);
}
Result<bool> RedoLog::aborted_since(std::string_view account_id, Lsn after) const {
  return impl_->aborted_since(account_id, after);
}

Result<std::unique_ptr<TransactionCursor>> RedoLog::read(const ReadRange& range) const {
  return impl_->read(range);
}
Result<std::unique_ptr<RedoLog::RecordCursor>> RedoLog::records(const ReadRange& range) const {
  return impl_->records(range);
}
Result<std::unique_ptr<ContentReader>> RedoLog::open_content(const ContentRef& content) const {
  return impl_->open_content(content);
}
Result<Lsn> RedoLog::lsn_at(Time time) const { return impl_->lsn_at(time); }
Result<LogVerification> RedoLog::verify(const VerifyOptions& options) const { return impl_->verify(options); }

Status RedoLog::set_consumer(std::string_view name, Lsn position) {
  return impl_->set_consumer(name, position);
}
Status RedoLog::limit_consumer(std::string_view name, std::uint64_t max_bytes, std::chrono::seconds max_age) {
  return impl_->limit_consumer(name, max_bytes, max_age);
}
Status RedoLog::remove_consumer(std::string_view name) { return impl_->remove_consumer(name); }
Result<std::vector<Consumer>> RedoLog::consumers() const { return impl_->consumers(); }
Result<std::uint64_t> RedoLog::remove_consumed(std::chrono::seconds min_age) {
  return impl_->remove_consumed(min_age);
}

// --- Transaction ---------------------------------------------------------------------------------------

Transaction::Transaction(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&& other) noexcept {
  // What this one had in hand is let go, as by its destruction.
  if (this != &other) {
    Transaction old(std::move(impl_));
    impl_ = std::move(other.impl_);
  }
  return *this;
}
Transaction::~Transaction() {
  if (impl_ == nullptr || impl_->ended || !impl_->log->check_process().ok()) return;
  impl_->log->open_->let_go(impl_->place, impl_->begin_lsn);
}

const std::string& Transaction::account_id() const noexcept { return impl_->account_id; }
Lsn Transaction::begin_lsn() const noexcept { return impl_->begin_lsn; }
const std::vector<Operation>& Transaction::operations() const noexcept { return impl_->operations; }
const Origin& Transaction::origin() const noexcept { return impl_->origin; }

Result<Lsn> Transaction::commit(std::span<const Assigned> assigned, Sync sync) {
  return impl_->log->end_transaction(*impl_, true, assigned, sync);
}
Status Transaction::abort(Sync sync) { return impl_->log->end_transaction(*impl_, false, {}, sync).status(); }

}  // namespace v0
}  // namespace restante
