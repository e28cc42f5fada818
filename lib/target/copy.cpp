// Copying sessions from one target to another (R13): everything is read, checked, and written as the other
// target writes it. The order of the steps is that of a session (docs/format/target.md).

#include <algorithm>
#include <chrono>
#include <set>

#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "target/label.hpp"
#include "target/named_content.hpp"
#include "target/running_copy.hpp"
#include "target/segment_archive.hpp"
#include "target/target_impl.hpp"

namespace restante::target {
namespace {

using Copy = BackupTarget::Copy;
using CopyOptions = BackupTarget::CopyOptions;

constexpr std::size_t kMaxNamedLosses = 20;

// It cannot be read where it is: no failure of the copy.
bool is_loss(const Status& status) {
  return status.code() == Code::damaged || status.code() == Code::not_found ||
         status.code() == Code::unsupported;
}

std::string words_for(const NamedContent& named) {
  if (!named.message) return base::cat(base::escape(named.item->kind), " ", base::escape(named.item->id));
  return base::cat("message ", base::escape(named.message->id), " (UID ", named.message->uid, ") in folder ",
                   base::escape(named.message->folder_id));
}

// What is lost with one object.
struct Losses {
  std::uint64_t count = 0;
  std::vector<std::string> named;
  void add(std::string what) {
    ++count;
    if (named.size() < kMaxNamedLosses) named.push_back(std::move(what));
  }
};

bool is_full_of(const SessionAccount& account) {
  return account.full && account.status == AccountStatus::completed;
}

// State digests are keyed by the target, and so take no part.
bool is_same_account(const SessionAccount& a, const SessionAccount& b) {
  return a.id == b.id && a.status == b.status && a.full == b.full && a.deleted == b.deleted &&
         a.consistent_at == b.consistent_at && a.messages == b.messages && a.bytes == b.bytes;
}

bool is_same_session(const SessionInfo& a, const SessionInfo& b) {
  return a.server == b.server && a.type == b.type && a.began == b.began && a.ended == b.ended &&
         a.position == b.position &&
         std::equal(a.accounts.begin(), a.accounts.end(), b.accounts.begin(), b.accounts.end(),
                    is_same_account);
}

class SessionCopier {
 public:
  SessionCopier(BackupTarget::Impl& from, BackupTarget::Impl& into, const CopyOptions& options)
      : from_(from), into_(into), options_(options) {}

  [[nodiscard]] Result<Copy> run(const std::vector<RecordPointer>& sessions, const std::string& account_id) {
    account_id_ = account_id;
    if (Status s = into_.content->check_ends().status(); !s.ok()) return s;
    if (Status s = find_missing(sessions); !s.ok()) return s;
    std::vector<std::shared_ptr<const redo::SegmentView>> segments;
    if (Status s = choose_segments(sessions, segments); !s.ok()) return s;
    for (const RecordPointer& session : missing_)
      for (const SessionAccount& account : session->info.accounts)
        if (is_full_of(account) && is_wanted(account)) ++progress_.accounts_total;

    // Seen by others until all is done: what is put meanwhile is not taken for needless.
    RunningCopy guard(into_, guard_record(sessions));
    if (Status s = guard.begin_at_free_label(); !s.ok()) return s;
    guard_ = &guard;
    Result<std::unique_ptr<content::ContentWriter>> writer = into_.content->writer();
    if (!writer.ok()) return writer.status();
    writer_ = *std::move(writer);
    for (const auto& segment : segments)
      if (Status s = copy_segment(*segment); !s.ok()) return s;
    for (const RecordPointer& session : missing_)
      if (Status s = copy_session(*session); !s.ok())
        return s.with_context(base::cat("session ", session->info.label));
    static_cast<void>(write_accounts(into_));  // derived: the next session mends it
    return std::move(copy_);
  }

 private:
  [[nodiscard]] bool is_wanted(const SessionAccount& account) const {
    return account_id_.empty() || account.id == account_id_;
  }

  // --- Choosing ---

  [[nodiscard]] Status find_missing(const std::vector<RecordPointer>& sessions) {
    const Result<std::vector<RecordPointer>> there = published_sessions(into_);
    if (!there.ok()) return there.status();
    for (const RecordPointer& session : sessions) {
      if (!account_id_.empty()) {
        if (const RecordPointer* same = find_same_full(*there, *session))
          copy_.present.push_back((*same)->info.label);
        else
          missing_.push_back(session);
        continue;
      }
      const auto known = std::find_if(there->begin(), there->end(), [&](const RecordPointer& other) {
        return other->info.label == session->info.label;
      });
      if (known == there->end()) {
        if (Status s = check_label_is_free(session->info.label); !s.ok()) return s;
        missing_.push_back(session);
      } else if (is_same_session((*known)->info, session->info)) {
        copy_.present.push_back(session->info.label);
      } else {
        return another_session(session->info.label);
      }
    }
    return {};
  }

  [[nodiscard]] const RecordPointer* find_same_full(const std::vector<RecordPointer>& there,
                                                    const SessionRecord& session) const {
    const SessionAccount& wanted = *session.info.find(account_id_);
    for (const RecordPointer& other : there) {
      const SessionAccount* account = other->info.find(account_id_);
      const bool same_place = other->info.server == session.info.server &&
                              other->info.position.incarnation == session.info.position.incarnation;
      // Without a log there are no positions to compare.
      const bool same_time =
          !session.info.position.incarnation.is_none() || other->info.ended == session.info.ended;
      if (account && is_same_account(*account, wanted) && same_place && same_time) return &other;
    }
    return nullptr;
  }

  [[nodiscard]] Status another_session(const std::string& label) const {
    return Status(
        Code::already_exists,
        base::cat("there is another session ", label, " in ", into_.storage->describe()),
        "it may be one account of it that was copied alone: delete it there first, or copy the other "
        "accounts one by one");
  }

  // One whose session.xml cannot be read is no session that is listed.
  [[nodiscard]] Status check_label_is_free(const std::string& label) const {
    const Status there = into_.storage->info(session_prefix(label) + std::string(kSessionFile)).status();
    if (there.code() == Code::not_found) return {};
    return there.ok() ? another_session(label) : there;
  }

  // The LSN from which the states of the sessions need the log, by server, and up to where.
  struct Needed {
    Lsn from = UINT64_MAX;
    Lsn until = 0;
  };

  [[nodiscard]] Status choose_segments(const std::vector<RecordPointer>& sessions,
                                       std::vector<std::shared_ptr<const redo::SegmentView>>& chosen) {
    std::vector<TargetDamage> unreadable;
    const Result<redo::SegmentViews> views = archived_views(from_, &unreadable);
    if (!views.ok()) return views.status();
    std::map<Id128, Needed> needed;
    for (const RecordPointer& session : sessions) {
      Needed& entry = needed[session->info.server];
      entry.until = account_id_.empty() ? std::max(entry.until, session->info.position.lsn) : UINT64_MAX;
      for (const SessionAccount& account : session->info.accounts)
        if (is_full_of(account) && is_wanted(account))
          entry.from = std::min({entry.from, account.redo_start, account.consistent_at + 1});
    }
    for (const auto& view : *views) {
      const redo::SegmentHeader& header = view->header();
      const auto entry = needed.find(header.server);
      if (entry == needed.end()) continue;
      const bool is_added = account_id_.empty() &&
                            std::any_of(sessions.begin(), sessions.end(), [&](const RecordPointer& session) {
                              return session->info.first_sequence <= header.sequence &&
                                     header.sequence <= session->info.last_sequence;
                            });
      if (is_added || (view->last_lsn() >= entry->second.from && header.first_lsn <= entry->second.until))
        chosen.push_back(view);
    }
    // Nobody knows what a segment holds that cannot be opened, so it is named whatever it is.
    for (TargetDamage& damage : unreadable) {
      damage.costs.push_back("it is not copied");
      copy_.damages.push_back(std::move(damage));
    }
    return {};
  }

  // --- What others see ---

  [[nodiscard]] SessionRecord guard_record(const std::vector<RecordPointer>& sessions) const {
    SessionRecord record;
    record.info.type = SessionType::incremental;
    for (const RecordPointer& session : sessions) {
      record.info.server = session->info.server;
      record.info.server_name = session->info.server_name;
      record.info.position = session->info.position;
      for (const SessionAccount& account : session->info.accounts)
        if (is_full_of(account) && is_wanted(account)) {
          record.info.accounts.push_back(account);
          record.snapshots[account.id];
        }
    }
    std::stable_sort(record.info.accounts.begin(), record.info.accounts.end(),
                     [](const auto& a, const auto& b) {
                       return std::pair(a.id, a.redo_start) < std::pair(b.id, b.redo_start);
                     });
    const auto last = std::unique(record.info.accounts.begin(), record.info.accounts.end(),
                                  [](const auto& a, const auto& b) { return a.id == b.id; });
    record.info.accounts.erase(last, record.info.accounts.end());
    return record;
  }

  [[nodiscard]] Status tick() {
    if (options_.cancel.cancelled()) return Status(Code::cancelled, "the copy was cancelled");
    progress_.now = into_.clock->now();
    if (options_.progress) options_.progress(progress_);
    if (Status s = guard_->tick(progress_); !s.ok()) return s;
    return running_ ? running_->tick(progress_) : Status();
  }

  // --- Content ---

  // What became of a content: a failure is one of a storage.
  [[nodiscard]] Result<bool> copy_content(const ContentRef& content) {
    ++copy_.contents;
    if (Status s = tick(); !s.ok()) return s;
    const Result<bool> known = writer_->has(content);
    if (!known.ok() || *known) return known;
    Result<std::unique_ptr<ContentReader>> reader = from_.content->open(content);
    const Status stored = reader.ok() ? writer_->put(**reader, &content).status() : Status(reader.status());
    if (is_loss(stored)) return false;
    if (!stored.ok()) return stored;
    ++copy_.contents_new;
    copy_.bytes_new += content.size;
    progress_.bytes_done += content.size;
    return true;
  }

  // --- Segments ---

  [[nodiscard]] Status copy_segment(const redo::SegmentView& view) {
    const std::string key = segment_key(view.header());
    ArchiveInto into = archive_into(into_, *writer_);
    const Result<bool> present = is_present(view, key, into);
    if (!present.ok()) return present.status();
    if (*present) {
      ++copy_.segments_present;
      return {};
    }
    Status failure;
    Losses losses;
    into.unreadable = [&](std::string_view account_id, const ContentRef& content, const Status&) {
      const Result<bool> copied = copy_content(content);
      if (!copied.ok()) return failure = copied.status();
      if (!*copied)
        losses.add(
            base::cat("content ", content.digest.to_string(), " of account ", base::escape(account_id)));
      return Status();
    };
    Status copied = copy_named(view, failure);
    if (copied.ok()) copied = archive_segment(view, {}, into);
    if (!failure.ok()) return failure;
    if (losses.count > 0)
      copy_.damages.push_back({key, base::cat(losses.count, " contents of its messages cannot be read"),
                               std::move(losses.named)});
    if (is_loss(copied)) {
      copy_.damages.push_back({key, copied.message(), {"it is not copied"}});
      return {};
    }
    if (!copied.ok()) return copied;
    // One after the other, so that a power cut leaves no hole.
    if (Status s = into_.storage->sync(); !s.ok()) return s;
    ++copy_.segments;
    const std::scoped_lock lock(into_.mutex);
    into_.archived.erase(key);
    return {};
  }

  [[nodiscard]] Result<bool> is_present(const redo::SegmentView& view, const std::string& key,
                                        ArchiveInto& into) const {
    const Status there = into_.storage->info(key).status();
    if (there.code() == Code::not_found) return false;
    if (!there.ok()) return there;
    const auto archived = open_archived_segment(into_.storage, key, archive_site(into_));
    Status same = archived.ok() ? accounts_in(**archived).status() : archived.status();
    if (same.ok()) same = check_same_segment(view, **archived, key);
    into.replace = same.code() == Code::damaged;
    if (into.replace) return false;
    return same.ok() ? Result<bool>(true) : Result<bool>(same);
  }

  // What records refer to is elsewhere in the target, if it is not with them.
  [[nodiscard]] Status copy_named(const redo::SegmentView& view, Status& failure) {
    return each_named_content(view, [&](std::string_view, const NamedContent& named) -> Status {
      const Result<bool> has = from_.content->has(named.content);
      if (!has.ok()) return failure = has.status();
      if (!*has) return {};  // if it came with this segment, that is found when the segment is written
      return failure = copy_content(named.content).status();
    });
  }

  // --- Sessions ---

  [[nodiscard]] Status copy_session(const SessionRecord& session) {
    SessionRecord record = session;
    record.snapshots.clear();
    record.server_data.reset();
    if (!account_id_.empty()) {
      std::erase_if(record.info.accounts, [&](const SessionAccount& account) { return !is_wanted(account); });
      record.info.first_sequence = record.info.last_sequence = 0;
      record.info.status = SessionStatus::completed;
      record.info.error.clear();
    }
    SessionRecord shown = record;
    for (const SessionAccount& account : record.info.accounts) shown.snapshots[account.id];
    RunningCopy running(into_, std::move(shown));
    const Status begun = account_id_.empty() ? running.begin() : running.begin_at_free_label();
    if (!begun.ok()) return begun;
    running_ = &running;
    record.info.label = running.label();
    record.info.began = running.began();
    const Status written = write_session(session, record, running);
    running_ = nullptr;
    return written;
  }

  [[nodiscard]] Status write_session(const SessionRecord& session, SessionRecord& record,
                                     RunningCopy& running) {
    const std::string& label = record.info.label;
    Result<std::unique_ptr<Publication>> publication =
        into_.storage->publication(session_prefix(label), staging_prefix(label));
    if (!publication.ok()) return publication.status();
    bool is_whole = true;
    Status written = fill(session, record, **publication, running, is_whole);
    if (written.ok() && is_whole) {
      written = publish_session(into_, record, **publication);
      if (written.ok()) {
        copy_.published.push_back(label);
        return {};
      }
    }
    const Status discarded = (*publication)->discard();
    return written.ok() ? discarded : written;
  }

  // `is_whole` is false if something that the session needs cannot be read; then all of that is named.
  [[nodiscard]] Status fill(const SessionRecord& session, SessionRecord& record, Publication& publication,
                            RunningCopy& running, bool& is_whole) {
    SnapshotObjects objects(publication);
    SnapshotWriter snapshots(objects, snapshot_site(into_, record.info.label), into_.compression_level);
    std::set<Digest> contents;
    for (SessionAccount& account : record.info.accounts) {
      if (!is_full_of(account)) continue;
      const auto place = session.snapshots.find(account.id);
      if (place == session.snapshots.end()) return Status(Code::damaged, "session.xml names no snapshot");
      const Result<bool> copied =
          copy_snapshot(session, place->second, account, snapshots, contents, record.snapshots[account.id]);
      if (!copied.ok()) return copied.status();
      is_whole = is_whole && *copied;
      ++progress_.accounts_done;
    }
    if (session.server_data && account_id_.empty()) {
      SessionAccount server;
      server.id = server.address = std::string(kServerAccount);
      record.server_data.emplace();
      const Result<bool> copied =
          copy_snapshot(session, *session.server_data, server, snapshots, contents, *record.server_data);
      if (!copied.ok()) return copied.status();
      is_whole = is_whole && *copied;
    }
    if (!is_whole) return {};
    if (Status s = writer_->flush(); !s.ok()) return s;
    if (Status s = into_.content->check_lease(running.lease(), contents); !s.ok()) return s;
    if (Status s = snapshots.finish(); !s.ok()) return s;
    return put_content_ids(into_, contents, publication, record);
  }

  [[nodiscard]] Result<bool> copy_snapshot(const SessionRecord& session, const SnapshotPlace& place,
                                           SessionAccount& account, SnapshotWriter& out,
                                           std::set<Digest>& contents, SnapshotPlace& written) {
    progress_.account_id = account.id;
    Losses losses;
    Status failure;  // of the copy; any other is one of the snapshot
    const Status read = read_account(session, place, account, out, contents, losses, failure);
    if (!failure.ok()) return failure;
    const std::string key = session_prefix(session.info.label);
    const std::string who = base::cat("account ", base::escape(account.address));
    if (losses.count > 0)
      copy_.damages.push_back({base::cat(key, " ", who), base::cat(losses.count, " contents cannot be read"),
                               std::move(losses.named)});
    if (!read.ok() && !is_loss(read)) return read;
    if (!read.ok())
      copy_.damages.push_back({key, read.message(), {base::cat(who, " in session ", session.info.label)}});
    if (!read.ok() || losses.count > 0) return false;
    Result<SnapshotPlace> end = out.end();
    if (!end.ok()) return end.status();
    written = *std::move(end);
    return true;
  }

  [[nodiscard]] Status read_account(const SessionRecord& session, const SnapshotPlace& place,
                                    SessionAccount& account, SnapshotWriter& out, std::set<Digest>& contents,
                                    Losses& losses, Status& failure) {
    Result<std::unique_ptr<OpStream>> stream =
        read_snapshot(from_.storage, snapshot_site(from_, session.info.label), place, account.id);
    if (!stream.ok()) return stream.status();
    const bool has_digest = account.id != kServerAccount;
    StateDigester theirs(from_.digest_key, account.fields);
    StateDigester ours(into_.digest_key, account.fields);
    if (failure = out.begin(account.id); !failure.ok()) return failure;
    Operation operation;
    for (;;) {
      const Result<bool> more = (*stream)->next(operation);
      if (!more.ok()) return more.status();
      if (!*more) break;
      if (has_digest) {
        if (Status s = theirs.add(operation); !s.ok()) return s;
        if (Status s = ours.add(operation); !s.ok()) return s;
      }
      failure = copy_contents(operation, contents, losses);
      if (failure.ok()) failure = out.put(operation);
      if (!failure.ok()) return failure;
    }
    if (!has_digest) return {};
    if (theirs.account_digest() != account.digest)
      return Status(Code::damaged, "the state digest differs from the one of the backup");
    account.digest = ours.account_digest();
    return {};
  }

  [[nodiscard]] Status copy_contents(const Operation& operation, std::set<Digest>& contents, Losses& losses) {
    if (const auto* put = std::get_if<MessagePut>(&operation))
      progress_.messages_done += put->messages.size();
    return each_named_content(operation, [&](const NamedContent& named) -> Status {
      if (!contents.insert(named.content.digest).second && losses.count == 0) return {};
      const Result<bool> copied = copy_content(named.content);
      if (!copied.ok()) return copied.status();
      if (!*copied) losses.add(words_for(named));
      return {};
    });
  }

  BackupTarget::Impl& from_;
  BackupTarget::Impl& into_;
  const CopyOptions& options_;
  std::string account_id_;
  std::vector<RecordPointer> missing_;
  std::unique_ptr<content::ContentWriter> writer_;
  // Of the copy as a whole, and of the session that is being written.
  RunningCopy* guard_ = nullptr;
  RunningCopy* running_ = nullptr;
  Progress progress_;
  Copy copy_;
};

Result<std::vector<RecordPointer>> sessions_to_copy(const BackupTarget& from, const CopyOptions& options,
                                                    std::string& account_id,
                                                    std::vector<TargetDamage>& damages) {
  BackupTarget::Impl& impl = TargetAccess::impl(from);
  if (!options.label.empty()) {
    const Result<RecordPointer> session = published_session(impl, options.label);
    if (session.ok()) return std::vector<RecordPointer>{*session};
    if (session.status().code() != Code::not_found) return session.status();
    const Result<SessionInfo> info = from.session(options.label);
    if (!info.ok()) return info.status();
    return Status(Code::not_found,
                  base::cat("session ", options.label, " is not published, it is ", name_of(info->status)));
  }
  const Result<TargetAccount> account = from.find_account(options.account);
  if (!account.ok()) return account.status();
  account_id = account->id;
  std::vector<UnreadableSession> unreadable;
  Result<std::vector<RecordPointer>> all = published_sessions(impl, &unreadable);
  if (!all.ok()) return all.status();
  std::erase_if(*all, [&](const RecordPointer& session) {
    const SessionAccount* entry = session->info.find(account_id);
    return !entry || !is_full_of(*entry);
  });
  for (const UnreadableSession& session : unreadable)
    damages.push_back({session_prefix(session.label) + std::string(kSessionFile),
                       session.why.message(),
                       {"a full of the account, if the session has one"}});
  return all;
}

}  // namespace
}  // namespace restante::target

namespace restante {
inline namespace v0 {

Result<BackupTarget::Copy> BackupTarget::copy_to(BackupTarget& other, const CopyOptions& options) const {
  if (options.label.empty() == options.account.empty())
    return Status(Code::invalid_argument, "give either a label or an account to copy");
  if (other.id() == id())
    return Status(Code::invalid_argument,
                  base::cat(describe(), " and ", other.describe(), " are one target"));
  std::string account_id;
  std::vector<TargetDamage> damages;
  const Result<std::vector<target::RecordPointer>> sessions =
      target::sessions_to_copy(*this, options, account_id, damages);
  if (!sessions.ok()) return sessions.status();
  Result<Copy> copy = target::SessionCopier(*impl_, *other.impl_, options).run(*sessions, account_id);
  if (copy.ok()) copy->damages.insert(copy->damages.begin(), damages.begin(), damages.end());
  return copy;
}

}  // namespace v0
}  // namespace restante
