// The redo log in a session: what is archived of it, what it has lost, and from which fulls it goes on.

#include <algorithm>

#include "backup/server_source.hpp"
#include "backup/session_impl.hpp"
#include "base/text.hpp"
#include "redo/log_access.hpp"
#include "target/segment_archive.hpp"

namespace restante {
inline namespace v0 {

// Before anything is read, so that the log keeps all that this session will refer to.
Status Session::Impl::register_consumer() {
  const std::string name = consumer_name();
  const Result<std::vector<Consumer>> consumers = options.log->consumers();
  if (!consumers.ok()) return consumers.status();
  for (const Consumer& consumer : *consumers)
    if (consumer.name == name) return {};
  return options.log->set_consumer(name, 0);
}

Status Session::Impl::archive() {
  if (Status s = options.log->roll(); !s.ok()) return s;
  const Result<redo::SegmentViews> views = redo::views(*options.log);
  if (!views.ok()) return views.status();
  if (Status s = check_gap(*views); !s.ok()) return s;
  const std::shared_ptr<redo::SegmentPin> pin = redo::pin_segments(*options.log, 0);
  for (const auto& view : *views) {
    if (!view->is_complete()) continue;
    record.info.position.lsn = view->last_lsn();
    if (abort.cancelled()) continue;  // the next session archives them
    if (Status s = archive_one(*view, *views); !s.ok()) return s;
  }
  return {};
}

// Damage of one segment, here or there, is told and does not end the session: a full behind it is whole.
Status Session::Impl::archive_one(const redo::SegmentView& view, const redo::SegmentViews& all) {
  const redo::SegmentHeader& header = view.header();
  const std::string key = target::segment_key(header);
  if (archived_keys.contains(key) || unreadable_keys.contains(key)) return {};
  target::ArchiveInto into = target::archive_into(target, *content);
  into.unreadable = [this](std::string_view account_id, const ContentRef& wanted, const Status& why) {
    return store_lost_content(account_id, wanted, why);
  };
  Status there;
  if (target.storage->info(key).ok()) {
    there = check_archived(view, key);
    if (there.ok()) archived_keys.insert(key);
    if (there.code() != Code::damaged) return there;
    into.replace = true;
  }
  const Result<std::vector<std::string>> touched = target::accounts_in(view);
  if (touched.status().code() == Code::damaged) {
    unreadable_keys.insert(key);
    readable_until = std::min(readable_until, header.first_lsn - 1);
    warn(touched.status(), base::cat("segment ", header.sequence,
                                     " of the redo log is not archived and stays where it is, "
                                     "'redo verify' names what is lost"));
    return {};
  }
  if (!touched.ok()) return touched.status();
  if (Status s = target::archive_segment(view, all, into); !s.ok()) return s;
  archived_keys.insert(key);
  if (into.replace) {
    warn(there, "the damaged segment is archived again");
    const std::scoped_lock lock(target.mutex);
    target.archived.erase(key);
    return {};
  }
  if (record.info.first_sequence == 0) record.info.first_sequence = header.sequence;
  record.info.last_sequence = header.sequence;
  for (const std::string& id : *touched) {
    if (record.info.find(id) || !options.accounts.empty() || id == kServerAccount) continue;
    SessionAccount entry;
    entry.id = id;
    entry.address = id;
    if (options.source) {  // in the log and no more in the store
      entry.status = AccountStatus::completed;
      entry.deleted = true;
    } else {
      entry.status = AccountStatus::error;
      entry.error = "the target has no full of it, and there is no store to read it from";
    }
    record.info.accounts.push_back(std::move(entry));
  }
  touched_accounts.insert(touched->begin(), touched->end());
  return {};
}

// `damaged` if the archived form cannot be read throughout, `diverged` if it is another segment (R5).
Status Session::Impl::check_archived(const redo::SegmentView& view, const std::string& key) const {
  const auto archived = target::open_archived_segment(target.storage, key, target::archive_site(target));
  if (!archived.ok()) return archived.status();
  if (!target.sealer->can_open(crypto::Audience::metadata))
    return target::check_same_records(view, **archived, *target.sealer, key);
  if (Status s = target::accounts_in(**archived).status(); !s.ok()) return s;
  return target::check_same_segment(view, **archived, key);
}

// Content that is damaged in the log is mostly still where it was delivered to.
Status Session::Impl::store_lost_content(std::string_view account_id, const ContentRef& wanted,
                                         const Status& why) {
  if (options.source && read_for_content.emplace(account_id).second) {
    backup::ServerSource server(*options.source);
    MailSource& source = account_id == kServerAccount ? server : *options.source;
    const backup::AccountContext context = context_of(source, options.log, false);
    Account account;
    account.id = account_id;
    backup::AccountFailure failure;
    const bool read = backup::read_account(context, account, failure).has_value();
    if (!read && (failure.of_target || failure.status.code() == Code::cancelled)) return failure.status;
  }
  const Result<bool> has = content->has(wanted);
  if (!has.ok()) return has.status();
  warn(why, base::cat("content of account ", base::escape(account_id), " is damaged in the redo log",
                      *has ? " and was read from the store instead"
                           : " and not in the store; states that need it cannot be restored"));
  return {};
}

// Segments that are neither here nor archived leave a hole that no later full can hide. Only an incremental
// stops for it: the others make fulls, now or in a while.
Status Session::Impl::check_gap(const redo::SegmentViews& views) const {
  if (views.empty() || options.kind == Kind::full) return {};
  const Status gap = find_gap(views);
  if (gap.code() != Code::damaged || options.kind == Kind::incremental) return gap;
  warn(gap.message());
  return {};
}

Status Session::Impl::find_gap(const redo::SegmentViews& views) const {
  const redo::SegmentHeader& oldest = views.front()->header();
  // By name: whether it can be read does not matter here.
  const std::string some_key = target::segment_key(oldest);
  const std::size_t directory = some_key.rfind('/') + 1;
  std::uint64_t newest = 0;
  const Status listed =
      target.storage->list(some_key.substr(0, directory), [&](const ObjectInfo& object) -> Status {
        newest = std::max(newest, redo::sequence_of_name(object.key.substr(directory)).value_or(0));
        return {};
      });
  if (!listed.ok()) return listed;
  if (newest == 0 || oldest.sequence <= newest + 1) return {};
  // A segment without records, which a crash leaves, may have gone before anybody archived it.
  const std::string newest_key = target::segment_key(oldest.log, oldest.incarnation, newest);
  const auto last = target::open_archived_segment(target.storage, newest_key, target::archive_site(target));
  if (last.ok() && (*last)->last_lsn() + 1 >= oldest.first_lsn) return {};
  return Status(Code::damaged,
                base::cat("segments ", newest + 1, " to ", oldest.sequence - 1,
                          " of the redo log are neither in the log's directory nor in the target"),
                "run a full session; states between the last session and it cannot be restored");
}

// Incarnations of the log from the present one back to its oldest known ancestor, and up to where each
// counts.
Session::Impl::Line Session::Impl::line_of_log(const redo::SegmentViews& archived) const {
  Line line{{options.log->incarnation(), UINT64_MAX}};
  Lsn limit = UINT64_MAX;
  Continuation parent = options.log->continues().value_or(Continuation{});
  while (!parent.parent.incarnation.is_none()) {
    const Id128 incarnation = parent.parent.incarnation;
    limit = std::min(limit, parent.parent.lsn);
    if (!line.emplace(incarnation, limit).second) break;
    parent = {};
    for (const auto& view : archived)
      if (view->header().incarnation == incarnation) parent = view->header().parent;
  }
  return line;
}

// The LSN from which the log can be read to its end without a hole, from the target and its directory.
Result<Lsn> Session::Impl::beginning_of_log(const redo::SegmentViews& archived, const Line& line) const {
  std::vector<std::pair<Lsn, Lsn>> stretches;
  const auto add = [&](const redo::SegmentView& view) {
    const auto limit = line.find(view.header().incarnation);
    if (limit == line.end() || view.header().first_lsn > limit->second) return;
    stretches.emplace_back(view.header().first_lsn, std::min(view.last_lsn(), limit->second));
  };
  for (const auto& view : archived) add(*view);
  const Result<redo::SegmentViews> live = redo::views(*options.log);
  if (!live.ok()) return live.status();
  Lsn beginning = options.log->end() + 1;
  for (const auto& view : *live) {
    if (!view->is_complete()) beginning = std::min(beginning, view->header().first_lsn);
    if (view->is_complete() && !unreadable_keys.contains(target::segment_key(view->header()))) add(*view);
  }
  std::sort(stretches.rbegin(), stretches.rend());
  for (const auto& [first, last] : stretches)
    if (first < beginning && last + 1 >= beginning) beginning = first;
  return beginning;
}

// What sessions call the accounts of the store for a server that may not read names: to the ids.
std::map<std::string, std::string> Session::Impl::closed_names() const {
  std::map<std::string, std::string> names;
  if (target.sealer->can_open(crypto::Audience::metadata)) return names;
  for (const Account& account : accounts) names[target::closed_name(*target.sealer, account.id)] = account.id;
  return names;
}

// A full counts only if this log goes on from it; one of a log that was lost and not continued does not, nor
// one before a segment that nobody can read any more.
Status Session::Impl::find_fulls() {
  std::vector<target::UnreadableSession> unreadable;
  const Result<std::vector<target::RecordPointer>> sessions = target::published_sessions(target, &unreadable);
  if (!sessions.ok()) return sessions.status();
  for (const target::UnreadableSession& session : unreadable)
    warn(session.why, base::cat("session ", session.label, " cannot be read and is passed over"));
  Line line;
  Lsn beginning = 0;
  if (options.log) {
    std::vector<TargetDamage> damages;
    const Result<redo::SegmentViews> archived = target::archived_views(target, &damages);
    if (!archived.ok()) return archived.status();
    for (const TargetDamage& damage : damages)
      warn(base::cat(damage.what, "; the redo log cannot replace it, so it is left as it is"));
    line = line_of_log(*archived);
    const Result<Lsn> found = beginning_of_log(*archived, line);
    if (!found.ok()) return found.status();
    beginning = *found;
  }
  const std::map<std::string, std::string> closed = closed_names();
  for (const target::RecordPointer& session : *sessions) {
    const auto limit = line.find(session->info.position.incarnation);
    if (options.log && limit == line.end()) continue;
    for (const SessionAccount& account : session->info.accounts) {
      if (!account.full || account.status != AccountStatus::completed) continue;
      const auto open_name = closed.find(account.id);
      const std::string& id = open_name == closed.end() ? account.id : open_name->second;
      known_accounts.insert(id);
      if (!options.log || (account.consistent_at + 1 >= beginning && account.consistent_at <= limit->second))
        with_full[id] = session->info.began;
    }
  }
  if (options.kind != Kind::full && with_full.size() < known_accounts.size())
    warn(base::cat("the redo log has a hole before LSN ", beginning,
                   "; accounts without a full behind it get one now"));
  return {};
}

}  // namespace v0
}  // namespace restante
