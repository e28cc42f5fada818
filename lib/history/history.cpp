#include "history/history.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "redo/log_access.hpp"
#include "target/segment_archive.hpp"
#include "target/target_impl.hpp"

namespace restante::history {
namespace {

using redo::SegmentView;

// A segment of which only the records up to `limit` count: the log went on from there elsewhere.
class LimitedView final : public SegmentView {
 public:
  LimitedView(std::shared_ptr<const SegmentView> view, Lsn limit) : view_(std::move(view)), limit_(limit) {}

  [[nodiscard]] const redo::SegmentHeader& header() const noexcept override { return view_->header(); }
  [[nodiscard]] Lsn last_lsn() const noexcept override { return std::min(view_->last_lsn(), limit_); }
  [[nodiscard]] bool is_complete() const noexcept override { return true; }
  [[nodiscard]] SegmentInfo info() const override {
    SegmentInfo info = view_->info();
    info.last_lsn = last_lsn();
    return info;
  }
  [[nodiscard]] Result<std::unique_ptr<redo::RecordStream>> records(
      const redo::RecordFilter& filter) const override {
    redo::RecordFilter limited = filter;
    limited.until = std::min(filter.until, limit_);
    return view_->records(limited);
  }
  [[nodiscard]] Result<redo::Record> record(Lsn lsn, std::uint64_t offset) const override {
    return view_->record(lsn, offset);
  }
  [[nodiscard]] Result<std::optional<redo::ContentPlace>> find_content(
      const ContentRef& content) const override {
    return view_->find_content(content);
  }
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(
      const ContentRef& content, const redo::SegmentViews& all) const override {
    return view_->open_content(content, all);
  }
  [[nodiscard]] Result<std::vector<redo::HeldStretch>> held_stretches() const override {
    return view_->held_stretches();
  }

 private:
  std::shared_ptr<const SegmentView> view_;
  Lsn limit_;
};

std::pair<Id128, std::uint64_t> key_of(const SegmentView& view) {
  return {view.header().incarnation, view.header().sequence};
}

// Incarnations that no other continues.
std::set<Id128> newest_incarnations(const redo::SegmentViews& all) {
  std::set<Id128> leaves;
  for (const auto& view : all) leaves.insert(view->header().incarnation);
  for (const auto& view : all) leaves.erase(view->header().parent.parent.incarnation);
  return leaves;
}

std::string list_of(std::uint64_t first, std::uint64_t last) {
  return first == last ? base::cat("segment ", first) : base::cat("segments ", first, " to ", last);
}

}  // namespace

Result<History> History::make(const std::vector<BackupTarget>& targets, RedoLog* log, bool backup_only) {
  History history;
  redo::SegmentViews all;
  std::set<std::pair<Id128, std::uint64_t>> seen;
  std::set<std::string> live_keys;
  if (log) {
    if (Status s = log->sync(); !s.ok()) return s;
    Result<redo::SegmentViews> live = redo::views(*log);
    if (!live.ok()) return live.status();
    for (auto& view : *live) {
      if (backup_only) continue;
      seen.insert(key_of(*view));
      live_keys.insert(target::segment_key(view->header()));
      history.live_[key_of(*view)] = true;
      all.push_back(std::move(view));
    }
  }
  for (const BackupTarget& target : targets) {
    std::vector<TargetDamage> damages;
    const Result<redo::SegmentViews> archived = target::archived_views(TargetAccess::impl(target), &damages);
    if (!archived.ok()) return archived.status();
    for (const TargetDamage& damage : damages)
      if (!live_keys.contains(damage.key)) history.unreadable_.push_back(damage.what);
    for (const auto& view : *archived) {
      if (log && view->header().server != log->server()) continue;
      if (seen.insert(key_of(*view)).second) all.push_back(view);
    }
  }
  const std::optional<Id128> newest = log ? std::optional(log->incarnation()) : std::nullopt;
  if (Status s = history.choose_line(all, newest); !s.ok()) return s;
  return history;
}

Status History::choose_line(const redo::SegmentViews& all, const std::optional<Id128>& newest) {
  if (all.empty()) return {};
  Id128 incarnation;
  const std::set<Id128> leaves = newest_incarnations(all);
  if (newest && std::any_of(all.begin(), all.end(),
                            [&](const auto& view) { return view->header().incarnation == *newest; })) {
    incarnation = *newest;
  } else if (leaves.size() == 1) {
    incarnation = *leaves.begin();
  } else {
    std::string candidates;
    for (const Id128& leaf : leaves) candidates += (candidates.empty() ? "" : ", ") + leaf.to_string();
    return Status(Code::ambiguous,
                  base::cat("there are ", leaves.size(), " redo logs that go on side by side: ", candidates),
                  "restore with the redo log of the server, or from a target that holds one of them");
  }
  Lsn limit = UINT64_MAX;
  redo::SegmentViews line;
  while (!incarnation.is_none() && !limits_.contains(incarnation)) {
    limits_[incarnation] = limit;
    Continuation parent;
    for (const auto& view : all) {
      const redo::SegmentHeader& header = view->header();
      if (header.incarnation != incarnation) continue;
      parent = header.parent;
      if (header.first_lsn > limit) continue;
      if (view->last_lsn() > limit)
        line.push_back(std::make_shared<LimitedView>(view, limit));
      else
        line.push_back(view);
    }
    incarnation = parent.parent.incarnation;
    limit = std::min(limit, parent.parent.lsn);
  }
  std::sort(line.begin(), line.end(), [](const auto& a, const auto& b) {
    return std::pair(a->header().first_lsn, a->header().sequence) <
           std::pair(b->header().first_lsn, b->header().sequence);
  });
  views_ = std::move(line);
  return {};
}

bool History::is_live(const SegmentView& view) const { return live_.contains(key_of(view)); }

Lsn History::end() const noexcept {
  Lsn end = 0;
  for (const auto& view : views_) end = std::max(end, view->last_lsn());
  return end;
}

Id128 History::log() const noexcept { return views_.empty() ? Id128{} : views_.back()->header().log; }

Id128 History::incarnation_of(Lsn lsn) const noexcept {
  for (const auto& view : views_)
    if (view->header().first_lsn <= lsn && lsn <= view->last_lsn()) return view->header().incarnation;
  return views_.empty() ? Id128{} : views_.back()->header().incarnation;
}

bool History::contains(const LogPosition& position) const {
  const auto limit = limits_.find(position.incarnation);
  return limit != limits_.end() && position.lsn <= limit->second;
}

Status History::check_complete(Lsn after, Lsn until) const {
  Lsn reached = after;
  const SegmentView* before = nullptr;
  for (const auto& view : views_) {
    if (reached >= until) return {};
    if (view->last_lsn() > reached && view->header().first_lsn > reached + 1) {
      const std::uint64_t first = before ? before->header().sequence + 1 : 1;
      const std::uint64_t last = view->header().sequence - 1;
      return Status(Code::damaged,
                    base::cat("redo log ", first <= last ? list_of(first, last) : std::string("records"),
                              " missing: LSN ", reached + 1, " to ", view->header().first_lsn - 1),
                    base::cat(unreadable_.empty() ? "" : unreadable_.front() + "; ",
                              "put the missing files back, or restore with --to-lsn ", reached, " at most"));
    }
    reached = std::max(reached, view->last_lsn());
    before = view.get();
  }
  if (reached >= until) return {};
  return Status(
      Code::damaged, base::cat("the redo log ends at LSN ", reached, ", before LSN ", until),
      unreadable_.empty() ? base::cat("restore with --to-lsn ", reached, " at most") : unreadable_.front());
}

Result<Lsn> History::lsn_at(Time time) const {
  for (const auto& view : views_) {
    const Result<std::vector<redo::HeldStretch>> held = view->held_stretches();
    if (!held.ok()) return held.status();
    for (const redo::HeldStretch& stretch : *held) {
      if (time < stretch.low || time >= stretch.high) continue;
      return Status(
          Code::ambiguous,
          base::cat("the clock went back: ", time.to_string(), " names a place before LSN ",
                    stretch.first_lsn, " and one in LSN ", stretch.first_lsn, " to ", stretch.last_lsn,
                    ", written while the clock read ", stretch.low.to_string(), " to ",
                    stretch.high.to_string()),
          base::cat("choose with --to-lsn ", stretch.first_lsn - 1, " up to --to-lsn ", stretch.last_lsn));
    }
  }
  Lsn found = views_.empty() ? 0 : views_.front()->header().first_lsn - 1;
  for (auto view = views_.rbegin(); view != views_.rend(); ++view) {
    const SegmentInfo info = (*view)->info();
    if (info.last_lsn < info.first_lsn || info.first_time > time) continue;
    redo::RecordFilter filter;
    filter.content_bytes = false;
    const Result<std::unique_ptr<redo::RecordStream>> stream = (*view)->records(filter);
    if (!stream.ok()) return stream.status();
    redo::Record record;
    for (;;) {
      const Result<bool> more = (*stream)->next(record);
      if (!more.ok()) return more.status();
      if (!*more || record.head.commit_time > time) break;
      found = record.head.lsn;
    }
    // At the edge of a hole nobody knows what was committed by then: the hole counts as such, and whoever
    // needs it is told that it is missing.
    if (found != info.last_lsn) return found;
    for (auto later = view.base(); later != views_.end(); ++later) {
      if ((*later)->header().first_lsn > found + 1) return (*later)->header().first_lsn - 1;
      if ((*later)->last_lsn() > found) break;  // nothing is missing
    }
    return found;
  }
  return found;
}

Result<std::optional<Time>> History::time_of(Lsn lsn) const {
  for (const auto& view : views_) {
    if (lsn < view->header().first_lsn || lsn > view->last_lsn()) continue;
    const Result<redo::Record> record = view->record(lsn, 0);
    if (!record.ok()) return record.status();
    return std::optional(record->head.commit_time);
  }
  return std::optional<Time>();
}

Result<Lsn> History::end_of_sequence(std::uint64_t sequence) const {
  std::vector<const SegmentView*> found;
  for (const auto& view : views_)
    if (view->header().sequence == sequence) found.push_back(view.get());
  if (found.size() == 1) return found.front()->last_lsn();
  if (found.empty()) {
    const std::string there = views_.empty()
                                  ? "there are no segments at all"
                                  : base::cat("there are segments ", views_.front()->header().sequence,
                                              " to ", views_.back()->header().sequence);
    return Status(Code::not_found, base::cat("there is no redo log sequence ", sequence), there);
  }
  return Status(
      Code::ambiguous, base::cat("redo log sequence ", sequence, " is in more than one incarnation"),
      base::cat("choose with --to-lsn ", found[0]->last_lsn(), " or --to-lsn ", found[1]->last_lsn()));
}

}  // namespace restante::history
