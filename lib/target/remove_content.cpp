#include "target/remove_content.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "redo/log_access.hpp"
#include "target/named_content.hpp"
#include "target/segment_archive.hpp"

namespace restante::target {
namespace {

Status add_references_of(const redo::SegmentView& view, const crypto::ObjectSealer& sealer,
                         content::DigestSet& references) {
  return each_named_content(view, [&](std::string_view, const NamedContent& named) {
    references.add(sealer.content_id(named.content.digest));
    return Status();
  });
}

// Whoever may not open its records reads the list that its writer made of them.
Status add_references_of_archived(const redo::SegmentView& view, const crypto::ObjectSealer& sealer,
                                  content::DigestSet& references) {
  if (!sealer.can_open(crypto::Audience::metadata)) {
    const Result<std::vector<Digest>> ids = archived_content_ids(view, sealer);
    if (!ids.ok()) return ids.status();
    for (const Digest& id : *ids) references.add(id);
    return {};
  }
  if (Status s = add_references_of(view, sealer, references); !s.ok()) return s;
  const Result<std::vector<ContentRef>> contents = archived_contents(view);
  if (!contents.ok()) return contents.status();
  for (const ContentRef& content : *contents) references.add(sealer.content_id(content.digest));
  return {};
}

// Every content that anything names. To be called after the sessions that run were listed: one that ended
// since is published. `damaged` and the like if something cannot be read.
Status collect_references(BackupTarget::Impl& target, const RedoLog* log, content::DigestSet& references) {
  // A log first: what it loses meanwhile is archived.
  if (log) {
    const std::shared_ptr<redo::SegmentPin> pin = redo::pin_segments(*log, 0);
    const Result<redo::SegmentViews> live = redo::views(*log);
    if (!live.ok()) return live.status();
    for (const auto& view : *live)
      if (Status s = add_references_of(*view, *target.sealer, references); !s.ok()) return s;
  }
  std::vector<UnreadableSession> unreadable;
  const Result<std::vector<RecordPointer>> sessions = published_sessions(target, &unreadable);
  if (!sessions.ok()) return sessions.status();
  if (!unreadable.empty()) return unreadable.front().why;
  for (const RecordPointer& session : *sessions) {
    const Result<std::vector<Digest>> ids = read_content_ids(target, *session);
    if (!ids.ok()) return ids.status();
    for (const Digest& id : *ids) references.add(id);
  }
  const Result<redo::SegmentViews> archived = archived_views(target);
  if (!archived.ok()) return archived.status();
  for (const auto& view : *archived)
    if (Status s = add_references_of_archived(*view, *target.sealer, references); !s.ok()) return s;
  references.settle();
  return {};
}

// The lists that every session which may yet be published knows.
std::vector<Id128> known_to_all(const std::vector<Id128>& lists, const std::vector<RecordPointer>& live) {
  std::vector<Id128> known;
  for (const Id128& list : lists) {
    const bool is_known = std::all_of(live.begin(), live.end(), [&](const RecordPointer& session) {
      return std::find(session->known_lists.begin(), session->known_lists.end(), list) !=
             session->known_lists.end();
    });
    if (is_known) known.push_back(list);
  }
  return known;
}

class ContentRemoval {
 public:
  ContentRemoval(BackupTarget::Impl& target, const RedoLog* log, BackupTarget::Removal& removal)
      : target_(target), log_(log), removal_(removal) {}

  // Ends what earlier calls began, marks, and goes on with that at once if nobody has to learn of it first.
  [[nodiscard]] Status run() {
    if (Status s = sweep(); !s.ok()) return s;
    const Result<std::vector<RecordPointer>> live = live_sessions(target_);
    if (!live.ok()) return live.status();
    // What a session has written and not published yet would be listed, and written again by others.
    if (!live->empty()) {
      wait_for(live->front());
      return {};
    }
    removal_.pending.clear();
    content::DigestSet references;
    if (Status s = collect_references(target_, log_, references); !s.ok()) return s;
    const Result<content::Collection> marked = target_.content->mark(references);
    if (!marked.ok()) return marked.status();
    return marked->list ? sweep() : Status();
  }

 private:
  // In this order: lists, then the sessions that must know them, then references.
  [[nodiscard]] Status sweep() {
    const Result<std::vector<Id128>> lists = target_.content->lists();
    if (!lists.ok() || lists->empty()) return lists.status();
    const Result<std::vector<RecordPointer>> live = live_sessions(target_);
    if (!live.ok()) return live.status();
    const std::vector<Id128> ready = known_to_all(*lists, *live);
    if (ready.size() < lists->size()) wait_for(live->front());
    if (ready.empty()) return {};
    content::DigestSet references;
    if (Status s = collect_references(target_, log_, references); !s.ok()) return s;
    const Result<content::Collection> swept = target_.content->sweep(references, ready);
    if (!swept.ok()) return swept.status();
    removal_.packs += swept->packs;
    removal_.bytes += swept->bytes;
    return {};
  }

  void wait_for(const RecordPointer& session) {
    removal_.pending =
        base::cat("session ", session->info.label, " is running (", base::escape(session->info.owner), ")");
  }

  BackupTarget::Impl& target_;
  const RedoLog* log_;
  BackupTarget::Removal& removal_;
};

}  // namespace

Status remove_content(BackupTarget::Impl& target, const RedoLog* log, BackupTarget::Removal& removal) {
  const Status status = ContentRemoval(target, log, removal).run();
  const bool cannot_tell = status.code() == Code::damaged || status.code() == Code::unsupported ||
                           status.code() == Code::not_found;
  if (!cannot_tell) return status;
  removal.pending = base::cat("what is needed cannot be told: ", status.message());
  return {};
}

}  // namespace restante::target
