// Taking sessions, archived segments and content away (R12). The order of every step is in
// docs/format/target.md, "Removing".

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "os/process.hpp"
#include "target/label.hpp"
#include "target/remove_content.hpp"
#include "target/remove_plan.hpp"
#include "target/segment_archive.hpp"
#include "target/target_impl.hpp"

namespace restante::target {
namespace {

constexpr std::string_view kRemovingFile = "removing";

std::string removing_key(std::string_view label) {
  return running_prefix(label) + std::string(kRemovingFile);
}

Result<std::vector<std::string>> keys_below(Storage& storage, std::string_view prefix) {
  std::vector<std::string> keys;
  const Status listed = storage.list(prefix, [&](const ObjectInfo& object) -> Status {
    keys.push_back(object.key);
    return {};
  });
  if (!listed.ok()) return listed;
  return keys;
}

// What is left of a session that has no session.xml any more.
Status remove_rest(Storage& storage, const std::string& label) {
  const Result<std::vector<std::string>> keys = keys_below(storage, session_prefix(label));
  if (!keys.ok()) return keys.status();
  for (const std::string& key : *keys)
    if (Status s = storage.remove(key); !s.ok()) return s;
  if (Status s = storage.sync(); !s.ok()) return s;
  return storage.remove(removing_key(label));
}

// A session is published if and only if its session.xml is there: it goes first, and nothing else before it
// is gone for good. The note says that what lies there then is no session in the making.
Status remove_session(BackupTarget::Impl& target, const std::string& label) {
  Storage& storage = *target.storage;
  if (Status s = storage.put(removing_key(label), {}); !s.ok()) return s;
  if (Status s = storage.sync(); !s.ok()) return s;
  if (Status s = storage.remove(session_prefix(label) + std::string(kSessionFile)); !s.ok()) return s;
  {
    const std::scoped_lock lock(target.mutex);
    target.published.erase(label);
  }
  if (Status s = storage.sync(); !s.ok()) return s;
  return remove_rest(storage, label);
}

// What a removal that broke off has left.
Status end_earlier_removals(BackupTarget::Impl& target) {
  Storage& storage = *target.storage;
  const Result<std::vector<std::string>> keys = keys_below(storage, "sessions_tmp/");
  if (!keys.ok()) return keys.status();
  for (const std::string& key : *keys) {
    const std::string label = key.substr(0, key.rfind('/')).substr(std::string_view("sessions_tmp/").size());
    if (!parse_label(label) || key != removing_key(label)) continue;
    const Status published = storage.info(session_prefix(label) + std::string(kSessionFile)).status();
    if (!published.ok() && published.code() != Code::not_found) return published;
    // One that is still published is decided about anew.
    if (Status s = published.ok() ? storage.remove(key) : remove_rest(storage, label); !s.ok()) return s;
  }
  return {};
}

std::vector<ArchivedRange> ranges_of(const redo::SegmentViews& views) {
  std::vector<ArchivedRange> ranges;
  for (const auto& view : views) {
    const redo::SegmentHeader& header = view->header();
    ArchivedRange range;
    range.key = segment_key(header);
    range.server = header.server;
    range.incarnation = header.incarnation;
    range.parent = header.parent.parent;
    range.sequence = header.sequence;
    range.first_lsn = header.first_lsn;
    range.last_lsn = view->last_lsn();
    range.last_time = view->info().last_time;
    for (const redo::OpenTransaction& open : header.open)
      range.lowest_open =
          range.lowest_open == 0 ? open.begin_lsn : std::min(range.lowest_open, open.begin_lsn);
    ranges.push_back(std::move(range));
  }
  return ranges;
}

// The lists that a decision is made from. Those that run are listed first: one that ends meanwhile is in
// both.
struct Inventory {
  std::vector<RecordPointer> running;
  std::vector<UnreadableSession> unreadable;
  std::vector<RecordPointer> sessions;
  redo::SegmentViews segments;
  std::vector<TargetDamage> damages;
};

Result<Inventory> take_stock(BackupTarget::Impl& target) {
  Inventory stock;
  Result<std::vector<RecordPointer>> running = live_sessions(target);
  if (!running.ok()) return running.status();
  stock.running = *std::move(running);
  Result<std::vector<RecordPointer>> sessions = published_sessions(target, &stock.unreadable);
  if (!sessions.ok()) return sessions.status();
  stock.sessions = *std::move(sessions);
  Result<redo::SegmentViews> segments = archived_views(target, &stock.damages);
  if (!segments.ok()) return segments.status();
  stock.segments = *std::move(segments);
  return stock;
}

// By what lists show: whether a segment there can be read does not matter here.
Result<OtherTarget> look_at(BackupTarget::Impl& target, std::vector<RecordPointer>& sessions) {
  OtherTarget other;
  std::vector<UnreadableSession> unreadable;
  Result<std::vector<RecordPointer>> all = published_sessions(target, &unreadable);
  if (!all.ok()) return all.status();
  sessions = *std::move(all);
  other.is_unreadable = !unreadable.empty();
  for (const RecordPointer& session : sessions) other.sessions.push_back(&session->info);
  Result<std::vector<std::string>> segments = keys_below(*target.storage, "redologs/");
  if (!segments.ok()) return segments.status();
  other.segments.insert(segments->begin(), segments->end());
  return other;
}

Result<RemovalPlan> plan_from(const Inventory& stock, const BackupTarget::RemoveOptions& options) {
  RemovalInput input;
  for (const RecordPointer& session : stock.sessions) input.sessions.push_back(&session->info);
  for (const UnreadableSession& session : stock.unreadable) input.unreadable.push_back(session.label);
  for (const RecordPointer& session : stock.running) input.running.push_back(&session->info);
  input.segments = ranges_of(stock.segments);
  std::vector<std::vector<RecordPointer>> elsewhere(options.others.size());  // what `input` points to
  for (std::size_t i = 0; i < options.others.size(); ++i) {
    Result<OtherTarget> other = look_at(TargetAccess::impl(options.others[i]), elsewhere[i]);
    if (!other.ok()) return other.status().with_context(options.others[i].describe());
    input.others.push_back(*std::move(other));
  }
  return plan_removal(input, options);
}

Status remove_segments(BackupTarget::Impl& target, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    if (Status s = target.storage->remove(key); !s.ok()) return s;
    const std::scoped_lock lock(target.mutex);
    target.archived.erase(key);
  }
  return keys.empty() ? Status() : target.storage->sync();
}

}  // namespace

Result<std::vector<RecordPointer>> live_sessions(BackupTarget::Impl& target) {
  Result<std::vector<RecordPointer>> all = unpublished_sessions(target);
  if (!all.ok()) return all.status();
  std::vector<RecordPointer> live;
  for (RecordPointer& session : *all) {
    // Only of a process that is certainly gone: an old heartbeat says little when clocks differ.
    if (session->process && os::is_alive(*session->process) == std::optional(false)) continue;
    if (!session->process) {
      const Status there =
          target.storage->info(running_prefix(session->info.label) + std::string(kStatusFile)).status();
      if (there.code() == Code::not_found) continue;
      if (!there.ok()) return there;
    }
    live.push_back(std::move(session));
  }
  return live;
}

}  // namespace restante::target

namespace restante {
inline namespace v0 {

Result<BackupTarget::Removal> BackupTarget::remove(const RemoveOptions& options) {
  // What is needed is told by names, records and recipes; nothing goes before all of them can be read.
  const crypto::ObjectSealer& sealer = *impl_->sealer;
  if (!sealer.can_sign(crypto::ObjectKind::marks) || !sealer.can_open(crypto::Audience::content))
    return Status(Code::permission, "the key that is here may not remove from the target",
                  "use one that may remove and read");
  if (!options.dry_run) {
    if (Status s = target::end_earlier_removals(*impl_); !s.ok()) return s;
  }
  const Result<target::Inventory> stock = target::take_stock(*impl_);
  if (!stock.ok()) return stock.status();
  Result<target::RemovalPlan> plan = target::plan_from(*stock, options);
  if (!plan.ok()) return plan.status();
  Removal removal;
  removal.segments = plan->segments.size();
  removal.removed = plan->sessions;
  removal.kept = std::move(plan->kept);
  if (options.dry_run) return removal;
  for (const std::string& label : plan->sessions)
    if (Status s = target::remove_session(*impl_, label); !s.ok())
      return s.with_context(base::cat("cannot remove session ", label));
  if (Status s = target::remove_segments(*impl_, plan->segments); !s.ok()) return s;
  if (Status s = target::write_accounts(*impl_); !s.ok()) return s;
  if (Status s = target::remove_content(*impl_, options.log, removal); !s.ok()) return s;
  return removal;
}

}  // namespace v0
}  // namespace restante
