// Mending a target: what is named and cannot be relied upon is written again.

#include <restante/repair.hpp>

#include <map>
#include <set>

#include "base/text.hpp"
#include "redo/log_access.hpp"
#include "target/named_content.hpp"
#include "target/remove_content.hpp"
#include "target/running_copy.hpp"
#include "target/segment_archive.hpp"
#include "target/target_impl.hpp"

namespace restante {
inline namespace v0 {
namespace {

using target::NamedContent;

// It cannot be had from there: no failure of the repair.
bool is_not_to_be_had(const Status& status) {
  return status.code() == Code::damaged || status.code() == Code::not_found ||
         status.code() == Code::unsupported;
}

// Paths of the folders of one snapshot, which come before their messages.
class FolderPaths {
 public:
  void note(const Operation& operation) {
    if (const auto* put = std::get_if<FolderPut>(&operation)) folders_[put->folder.id] = put->folder;
  }
  [[nodiscard]] std::string of(const std::string& folder_id) const {
    std::string path;
    std::string id = folder_id;
    for (std::size_t depth = 0; !id.empty() && depth <= folders_.size(); ++depth) {
      const auto folder = folders_.find(id);
      if (folder == folders_.end()) return path.empty() ? id : base::cat(id, "/", path);
      path = path.empty() ? folder->second.name : base::cat(folder->second.name, "/", path);
      id = folder->second.parent_id;
    }
    return path;
  }

 private:
  std::map<std::string, Folder> folders_;
};

class Repairer {
 public:
  Repairer(BackupTarget& target, const RepairOptions& options)
      : target_(TargetAccess::impl(target)), options_(options) {}

  [[nodiscard]] Result<Repair> run() {
    {
      const std::scoped_lock lock(target_.mutex);
      target_.published.clear();
      target_.archived.clear();
    }
    // Marks what is damaged, so that nothing relies on it.
    Result<content::ContentVerification> verified = target_.content->verify(true);
    if (!verified.ok()) return verified.status();
    if (Status s = mend(); !s.ok()) return s;
    if (!options_.dry_run) {
      if (Status s = remove_packs(verified->damages); !s.ok()) return s;
    }
    return std::move(repair_);
  }

 private:
  // What became of a content that could not be relied upon.
  struct Outcome {
    enum class What { moved, repaired, lost } what = What::lost;
    std::string from;
  };

  [[nodiscard]] Status mend() {
    target::SessionRecord shown;
    shown.info.type = SessionType::incremental;
    target::RunningCopy guard(target_, std::move(shown));
    if (!options_.dry_run) {
      if (Status s = guard.begin_at_free_label(); !s.ok()) return s;
      guard_ = &guard;
    }
    Result<std::unique_ptr<content::ContentWriter>> writer = target_.content->writer();
    if (!writer.ok()) return writer.status();
    writer_ = *std::move(writer);
    Status mended = mend_log();
    if (mended.ok()) mended = mend_sessions();
    if (mended.ok()) mended = mend_segments();
    if (mended.ok()) mended = writer_->flush();
    writer_.reset();
    guard_ = nullptr;
    return mended;
  }

  [[nodiscard]] Status tick() {
    if (options_.cancel.cancelled()) return Status(Code::cancelled, "the repair was cancelled");
    if (options_.progress) options_.progress(progress_);
    return guard_ ? guard_->tick(progress_) : Status();
  }

  // --- What names content ---

  // A log refers to content that a restore brought back; whatever else it names it has itself.
  [[nodiscard]] Status mend_log() {
    if (!options_.log) return {};
    const std::shared_ptr<redo::SegmentPin> pin = redo::pin_segments(*options_.log, 0);
    const Result<redo::SegmentViews> views = redo::views(*options_.log);
    if (!views.ok()) return views.status();
    for (const auto& view : *views) {
      const Status s = target::each_named_content(
          *view, [&](std::string_view account_id, const NamedContent& named) -> Status {
            const Result<bool> has = target_.content->has(named.content);
            if (!has.ok() || !*has) return has.status();
            return mend_content(account_id, named).status();
          });
      if (!s.ok()) return s;
    }
    return {};
  }

  [[nodiscard]] Status mend_sessions() {
    std::vector<target::UnreadableSession> unreadable;
    const Result<std::vector<target::RecordPointer>> sessions =
        target::published_sessions(target_, &unreadable);
    if (!sessions.ok()) return sessions.status();
    for (const target::UnreadableSession& session : unreadable)
      repair_.damages.push_back({target::session_prefix(session.label) + std::string(target::kSessionFile),
                                 session.why.message(),
                                 {"the whole session"}});
    for (const target::RecordPointer& session : *sessions) {
      if (const Result<std::vector<Digest>> ids = target::read_content_ids(target_, *session); !ids.ok())
        repair_.damages.push_back(
            {target::session_prefix(session->info.label) + std::string(target::kContentIdsFile),
             ids.status().message(),
             {}});
      for (const SessionAccount& account : session->info.accounts) {
        if (!account.full) continue;
        const auto place = session->snapshots.find(account.id);
        if (place == session->snapshots.end()) continue;
        if (Status s = mend_snapshot(*session, place->second, account.id, account.address); !s.ok()) return s;
      }
      if (!session->server_data) continue;
      const std::string id(kServerAccount);
      if (Status s = mend_snapshot(*session, *session->server_data, id, "server data"); !s.ok()) return s;
    }
    return {};
  }

  [[nodiscard]] Status mend_snapshot(const target::SessionRecord& session, const target::SnapshotPlace& place,
                                     const std::string& account_id, const std::string& address) {
    progress_.account_id = account_id;
    Status failure;  // of the repair; any other is one of the snapshot
    const Status read = read_snapshot(session, place, account_id, address, failure);
    if (!failure.ok()) return failure;
    if (read.ok() || !is_not_to_be_had(read)) return read;
    repair_.damages.push_back(
        {target::session_prefix(session.info.label),
         read.message(),
         {base::cat("account ", base::escape(address), " in session ", session.info.label)}});
    return {};
  }

  [[nodiscard]] Status read_snapshot(const target::SessionRecord& session, const target::SnapshotPlace& place,
                                     const std::string& account_id, const std::string& address,
                                     Status& failure) {
    Result<std::unique_ptr<OpStream>> stream = target::read_snapshot(
        target_.storage, target::snapshot_site(target_, session.info.label), place, account_id);
    if (!stream.ok()) return stream.status();
    FolderPaths paths;
    Operation operation;
    for (;;) {
      const Result<bool> more = (*stream)->next(operation);
      if (!more.ok()) return more.status();
      if (!*more) return {};
      paths.note(operation);
      failure = target::each_named_content(operation, [&](const NamedContent& named) -> Status {
        const Result<const Outcome*> outcome = mend_content(account_id, named);
        if (!outcome.ok()) return outcome.status();
        list(*outcome, named, account_id, address, session.info.label, &paths);
        return {};
      });
      if (!failure.ok()) return failure;
    }
  }

  void list(const Outcome* outcome, const NamedContent& named, std::string_view account_id,
            std::string_view address, const std::string& place, const FolderPaths* paths) {
    if (!outcome || outcome->what == Outcome::What::moved) return;
    LostContent entry;
    entry.account_id = account_id;
    entry.address = address;
    entry.place = place;
    entry.repaired_from = outcome->from;
    const std::string& folder = named.message ? named.message->folder_id : named.item->folder_id;
    entry.folder = paths ? paths->of(folder) : folder;
    if (named.message) {
      entry.uid = named.message->uid;
      entry.message_id = named.message->id;
    } else {
      entry.item_kind = named.item->kind;
      entry.item_id = named.item->id;
    }
    (outcome->what == Outcome::What::lost ? repair_.lost : repair_.repaired).push_back(std::move(entry));
  }

  // --- Segments ---

  [[nodiscard]] Status mend_segments() {
    std::vector<TargetDamage> unreadable;
    Result<redo::SegmentViews> views = target::archived_views(target_, &unreadable);
    if (!views.ok()) return views.status();
    for (const auto& view : *views) {
      const Status whole = target::accounts_in(*view).status();
      if (!whole.ok() && !is_not_to_be_had(whole)) return whole;
      if (!whole.ok()) unreadable.push_back({target::segment_key(view->header()), whole.message(), {}});
      if (!whole.ok()) continue;
      if (Status s = mend_segment(*view); !s.ok()) return s;
    }
    for (TargetDamage& damage : unreadable) {
      const Result<bool> replaced = replace_segment(damage.key);
      if (!replaced.ok()) return replaced.status();
      if (!*replaced) repair_.damages.push_back(std::move(damage));
    }
    return {};
  }

  [[nodiscard]] Status mend_segment(const redo::SegmentView& view) {
    const std::string key = target::segment_key(view.header());
    std::set<Digest> came_with_it;
    const Result<std::vector<ContentRef>> contents = target::archived_contents(view);
    if (!contents.ok()) return contents.status();
    for (const ContentRef& content : *contents) came_with_it.insert(content.digest);
    return target::each_named_content(
        view, [&](std::string_view account_id, const NamedContent& named) -> Status {
          if (!came_with_it.contains(named.content.digest)) {
            const Result<bool> has = target_.content->has(named.content);
            if (!has.ok() || !*has) return has.status();
          }
          const Result<const Outcome*> outcome = mend_content(account_id, named);
          if (!outcome.ok()) return outcome.status();
          list(*outcome, named, account_id, account_id, key, nullptr);
          return {};
        });
  }

  // From the first target that has the segment whole.
  [[nodiscard]] Result<bool> replace_segment(const std::string& key) {
    for (const BackupTarget& from : options_.from) {
      BackupTarget::Impl& other = TargetAccess::impl(from);
      const auto view = target::open_archived_segment(other.storage, key, target::archive_site(other));
      if (!view.ok() && !is_not_to_be_had(view.status())) return view.status();
      if (!view.ok() || !target::accounts_in(**view).ok()) continue;
      ++repair_.segments;
      if (options_.dry_run) return true;
      target::ArchiveInto into = target::archive_into(target_, *writer_);
      into.replace = true;
      into.unreadable = [&](std::string_view, const ContentRef& content, const Status&) {
        return take_from(other, content).status();
      };
      if (Status s = target::archive_segment(**view, {}, into); !s.ok()) return s;
      if (Status s = target_.storage->sync(); !s.ok()) return s;
      const std::scoped_lock lock(target_.mutex);
      target_.archived.erase(key);
      return true;
    }
    return false;
  }

  // --- Content ---

  // Null if it can be relied upon.
  [[nodiscard]] Result<const Outcome*> mend_content(std::string_view account_id, const NamedContent& named) {
    if (Status s = tick(); !s.ok()) return s;
    const auto known = outcomes_.find(named.content.digest);
    if (known != outcomes_.end()) return &known->second;
    const Result<bool> has = writer_->has(named.content);
    if (!has.ok()) return has.status();
    if (*has) return static_cast<const Outcome*>(nullptr);
    Result<Outcome> outcome = find_content(account_id, named);
    if (!outcome.ok()) return outcome.status();
    progress_.bytes_done += named.content.size;
    return &outcomes_.emplace(named.content.digest, *std::move(outcome)).first->second;
  }

  [[nodiscard]] Result<Outcome> find_content(std::string_view account_id, const NamedContent& named) {
    Result<bool> taken = take_from(target_, named.content);
    if (!taken.ok()) return taken.status();
    if (*taken) {
      ++repair_.moved;
      return Outcome{Outcome::What::moved, {}};
    }
    taken = take_from_store(account_id, named);
    if (!taken.ok()) return taken.status();
    if (*taken) {
      ++repair_.from_store;
      return Outcome{Outcome::What::repaired, "store"};
    }
    for (const BackupTarget& from : options_.from) {
      taken = take_from(TargetAccess::impl(from), named.content);
      if (!taken.ok()) return taken.status();
      if (!*taken) continue;
      ++repair_.from_targets;
      return Outcome{Outcome::What::repaired, from.describe()};
    }
    return Outcome{};
  }

  [[nodiscard]] Result<bool> take_from(BackupTarget::Impl& from, const ContentRef& content) {
    return take(from.content->open(content), content);
  }

  // Only what is, byte for byte, what was lost.
  [[nodiscard]] Result<bool> take(Result<std::unique_ptr<ContentReader>> reader, const ContentRef& content) {
    Status taken = reader.status();
    if (reader.ok() && !options_.dry_run) taken = writer_->put(**reader, &content).status();
    if (reader.ok() && options_.dry_run) taken = check(**reader, content);
    if (taken.ok()) return true;
    return is_not_to_be_had(taken) ? Result<bool>(false) : Result<bool>(taken);
  }

  [[nodiscard]] static Status check(ContentReader& reader, const ContentRef& content) {
    const Result<ContentRef> found = content_ref_of(reader);
    if (!found.ok()) return found.status();
    return *found == content ? Status() : Status(Code::damaged, "it is another content");
  }

  // Where the record says, or wherever else the account has a message with this content now.
  [[nodiscard]] Result<bool> take_from_store(std::string_view account_id, const NamedContent& named) {
    if (!options_.source) return false;
    ContentPlace place;
    if (named.message) {
      place = {named.message->folder_id, named.message->id, named.message->uid, {}, {}, named.content};
    } else {
      place = {{}, {}, 0, named.item->kind, named.item->id, named.content};
    }
    const Result<bool> taken = take(options_.source->open_content(account_id, place), named.content);
    if (!taken.ok() || *taken) return taken;
    const auto& live = live_places(account_id);
    const auto elsewhere = live.find(named.content.digest);
    if (elsewhere == live.end()) return false;
    return take(options_.source->open_content(account_id, elsewhere->second), named.content);
  }

  // A store that cannot be read has nothing to give.
  const std::map<Digest, ContentPlace>& live_places(std::string_view account_id) {
    if (live_account_ == account_id) return live_;
    live_account_ = account_id;
    live_.clear();
    MailboxState state;
    if (account_id == kServerAccount || !options_.source->snapshot_state(account_id, state).ok())
      return live_;
    for (const auto& [key, message] : state.messages())
      if (message.content)
        live_[message.content->digest] = {message.folder_id, message.id, message.uid, {}, {},
                                          message.content};
    return live_;
  }

  // --- Packs ---

  // Everything that is named lies elsewhere by now, unless it is lost.
  [[nodiscard]] Status remove_packs(const std::vector<content::PackDamage>& damages) {
    if (damages.empty()) return {};
    const Result<std::vector<target::RecordPointer>> live = target::live_sessions(target_);
    if (!live.ok()) return live.status();
    if (!live->empty())
      repair_.pending = base::cat("session ", live->front()->info.label, " is running");
    else if (!repair_.lost.empty())
      repair_.pending = "content is lost that may be in them";
    else if (!repair_.damages.empty())
      repair_.pending = base::cat("what is needed cannot be told: ", repair_.damages.front().what);
    if (!repair_.pending.empty()) return {};
    for (const content::PackDamage& damage : damages) {
      const Result<ObjectInfo> info = target_.storage->info(damage.pack_key);
      if (info.status().code() == Code::not_found) continue;
      if (!info.ok()) return info.status();
      if (Status s = target_.storage->remove(damage.pack_key); !s.ok()) return s;
      ++repair_.packs;
      repair_.bytes += info->size;
    }
    if (Status s = target_.storage->sync(); !s.ok()) return s;
    return target_.content->refresh();
  }

  BackupTarget::Impl& target_;
  const RepairOptions& options_;
  target::RunningCopy* guard_ = nullptr;
  std::unique_ptr<content::ContentWriter> writer_;
  std::map<Digest, Outcome> outcomes_;
  std::optional<std::string> live_account_;
  std::map<Digest, ContentPlace> live_;
  Progress progress_;
  Repair repair_;
};

}  // namespace

Result<Repair> repair(BackupTarget& target, const RepairOptions& options) {
  for (const BackupTarget& from : options.from)
    if (from.id() == target.id())
      return Status(Code::invalid_argument, base::cat(target.describe(), " cannot be repaired from itself"));
  return Repairer(target, options).run();
}

}  // namespace v0
}  // namespace restante
