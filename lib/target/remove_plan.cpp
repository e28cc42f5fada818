#include "target/remove_plan.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "base/text.hpp"
#include "target/label.hpp"

namespace restante::target {
namespace {

using Options = BackupTarget::RemoveOptions;

// Sessions of a host without a log have no positions: there their order stands for it.
struct Point {
  Id128 server;
  Id128 incarnation;
  Lsn lsn = 0;
  auto operator<=>(const Point&) const = default;
};

struct Full {
  std::size_t session = 0;
  Id128 incarnation;
  Lsn consistent_at = 0;
};

// Incarnations from one back to its oldest known ancestor, and up to where each counts.
using Line = std::map<Id128, Lsn>;

struct Reason {
  std::string text;
  std::size_t more_accounts = 0;
};

std::pair<std::string, std::string> order_of(const std::string& label) {
  return {std::string(time_part(label)), label};
}

class RemovalPlanner {
 public:
  RemovalPlanner(const RemovalInput& input, const Options& options) : input_(input), options_(options) {}

  [[nodiscard]] Result<RemovalPlan> run() {
    if (Status s = check(); !s.ok()) return s;
    choose_asked();
    find_fulls();
    const bool literally = options_.force && !options_.label.empty();
    if (!literally) keep_last_fulls();
    if (!options_.force) keep_bases();
    settle_sessions();
    settle_segments();
    return std::move(plan_);
  }

 private:
  using AccountKey = std::pair<Id128, std::string>;  // server and id

  // --- The seed's set ---

  [[nodiscard]] Status check() const {
    if (options_.label.empty() == !options_.before)
      return Status(Code::invalid_argument, "give either a label or an instant before which sessions go");
    if (options_.label.empty()) return {};
    const auto is_it = [&](const std::string& label) { return label == options_.label; };
    const bool known = std::any_of(input_.sessions.begin(), input_.sessions.end(),
                                   [&](const SessionInfo* session) { return is_it(session->label); }) ||
                       std::any_of(input_.unreadable.begin(), input_.unreadable.end(), is_it);
    if (known) return {};
    return Status(Code::not_found, base::cat("no published session ", base::escape(options_.label)),
                  "'restante query' shows the sessions; what an interrupted one left is removed with "
                  "'restante abort'");
  }

  [[nodiscard]] bool is_asked(const std::string& label) const {
    if (!options_.label.empty()) return order_of(label) <= order_of(options_.label);
    const auto parsed = parse_label(label);
    return parsed && parsed->began < *options_.before;
  }

  void choose_asked() {
    for (const SessionInfo* session : input_.sessions) asked_.push_back(is_asked(session->label));
  }

  // --- What is needed of it ---

  // The place of the session among positions of its server.
  [[nodiscard]] Point point_of(std::size_t i) const {
    const SessionInfo& session = *input_.sessions[i];
    if (session.position.incarnation.is_none()) return {session.server, {}, i + 1};
    return {session.server, session.position.incarnation, session.position.lsn};
  }

  void find_fulls() {
    for (std::size_t i = 0; i < input_.sessions.size(); ++i) {
      const SessionInfo& session = *input_.sessions[i];
      const Point place = point_of(i);
      for (const SessionAccount& account : session.accounts) {
        if (!account.full || account.status != AccountStatus::completed) continue;
        const Lsn lsn = place.incarnation.is_none() ? place.lsn : account.consistent_at;
        fulls_[{session.server, account.id}].push_back({i, place.incarnation, lsn});
        addresses_[account.id] = account.address;
      }
    }
  }

  void keep(std::size_t session, const std::string& account_id, const std::string& why) {
    if (!asked_[session]) return;
    const auto [known, is_new] = reasons_.try_emplace(session);
    if (!accounts_kept_.emplace(session, account_id).second) return;
    if (!is_new) {
      ++known->second.more_accounts;
      return;
    }
    const std::string& address = addresses_[account_id];
    known->second.text = base::cat(why, " ", base::escape(address.empty() ? account_id : address));
  }

  void keep_last_fulls() {
    for (const auto& [account, fulls] : fulls_) keep(fulls.back().session, account.second, kLast);
  }

  // Every instant from the first that is kept on has its base: the instants at which a new base could be
  // needed are that first one, those of the sessions that stay, and the present.
  void keep_bases() {
    std::set<Point> points;
    std::map<Id128, Point> newest;
    for (std::size_t i = 0; i < input_.sessions.size(); ++i) {
      const Point point = point_of(i);
      if (!asked_[i]) points.insert(point);
      newest[point.server] = {point.server, point.incarnation, UINT64_MAX};
    }
    for (const auto& [server, point] : newest) points.insert(point);
    for (const SessionInfo* session : input_.running)
      points.insert({session->server, session->position.incarnation, UINT64_MAX});
    if (options_.before) add_points_at(*options_.before, points);
    for (const Point& point : points) keep_bases_of(point);
  }

  // The last position of each line of the log that lies before `time` for certain.
  void add_points_at(Time time, std::set<Point>& points) const {
    std::map<Id128, Point> found;
    std::set<Id128> goes_on;
    for (const ArchivedRange& segment : input_.segments) {
      if (segment.last_lsn < segment.first_lsn) continue;
      Point& point =
          found.try_emplace(segment.incarnation, Point{segment.server, segment.incarnation, 0}).first->second;
      if (segment.last_time < time)
        point.lsn = std::max(point.lsn, segment.last_lsn);
      else if (goes_on.insert(segment.incarnation).second)
        point.lsn = std::max(point.lsn, segment.first_lsn - 1);
      else
        continue;
    }
    for (const auto& [incarnation, point] : found)
      if (goes_on.contains(incarnation)) points.insert(point);
    // Without a log: the newest session that had ended by then.
    std::map<Id128, Point> ended;
    for (std::size_t i = 0; i < input_.sessions.size(); ++i)
      if (point_of(i).incarnation.is_none() && input_.sessions[i]->ended <= time)
        ended[input_.sessions[i]->server] = point_of(i);
    for (const auto& [server, point] : ended) points.insert(point);
  }

  [[nodiscard]] Line line_of(const Point& point) const {
    Line line{{point.incarnation, point.lsn}};
    Lsn limit = point.lsn;
    Id128 incarnation = point.incarnation;
    for (;;) {
      const auto view =
          std::find_if(input_.segments.begin(), input_.segments.end(),
                       [&](const ArchivedRange& segment) { return segment.incarnation == incarnation; });
      if (view == input_.segments.end() || view->parent.incarnation.is_none()) return line;
      incarnation = view->parent.incarnation;
      limit = std::min(limit, view->parent.lsn);
      if (!line.emplace(incarnation, limit).second) return line;
    }
  }

  void keep_bases_of(const Point& point) {
    const Line line = line_of(point);
    for (auto account = fulls_.lower_bound({point.server, {}});
         account != fulls_.end() && account->first.first == point.server; ++account) {
      const Full* base = nullptr;
      for (const Full& full : account->second) {
        const auto limit = line.find(full.incarnation);
        if (limit == line.end() || full.consistent_at > limit->second) continue;
        if (!base || full.consistent_at >= base->consistent_at) base = &full;
      }
      if (base) keep(base->session, account->first.second, kBase);
    }
  }

  // --- The answer ---

  void settle_sessions() {
    for (std::size_t i = 0; i < input_.sessions.size(); ++i) {
      if (!asked_[i]) continue;
      const std::string& label = input_.sessions[i]->label;
      const auto reason = reasons_.find(i);
      if (reason == reasons_.end()) {
        plan_.sessions.push_back(label);
        continue;
      }
      asked_[i] = false;
      const std::size_t more = reason->second.more_accounts;
      plan_.kept.emplace_back(
          label, more == 0 ? reason->second.text
                           : base::cat(reason->second.text, " and ", more, more == 1 ? " other" : " others"));
    }
    const bool literally = options_.force && !options_.label.empty();
    for (const std::string& label : input_.unreadable) {
      if (is_asked(label) && literally)
        plan_.sessions.push_back(label);
      else if (is_asked(label))
        plan_.kept.emplace_back(label, "it cannot be read, so nobody knows what needs it");
      unreadable_stays_ = unreadable_stays_ || !is_asked(label) || !literally;
    }
    const auto by_order = [](const std::string& a, const std::string& b) {
      return order_of(a) < order_of(b);
    };
    std::sort(plan_.sessions.begin(), plan_.sessions.end(), by_order);
    std::sort(plan_.kept.begin(), plan_.kept.end(),
              [&](const auto& a, const auto& b) { return by_order(a.first, b.first); });
  }

  // From this LSN on a server's segments are needed.
  [[nodiscard]] std::map<Id128, Lsn> needed_from() const {
    std::map<Id128, Lsn> needed;
    const auto lower = [&](const Id128& server, Lsn lsn) {
      const auto [entry, is_new] = needed.try_emplace(server, lsn);
      if (!is_new) entry->second = std::min(entry->second, lsn);
    };
    std::vector<const SessionInfo*> staying = input_.running;
    for (std::size_t i = 0; i < input_.sessions.size(); ++i)
      if (!asked_[i]) staying.push_back(input_.sessions[i]);
    for (const SessionInfo* session : staying)
      for (const SessionAccount& account : session->accounts)
        if (account.full && account.status == AccountStatus::completed)
          lower(session->server, std::min(account.redo_start, account.consistent_at + 1));
    // The archive of a server of which no full is left is of no use here; another target may have the fulls.
    const bool literally = options_.force && !options_.label.empty();
    for (const ArchivedRange& segment : input_.segments)
      if (!needed.contains(segment.server)) needed[segment.server] = literally ? UINT64_MAX : 0;
    for (const ArchivedRange& segment : input_.segments) {
      const bool is_named = std::any_of(staying.begin(), staying.end(), [&](const SessionInfo* session) {
        return session->server == segment.server && session->first_sequence <= segment.sequence &&
               segment.sequence <= session->last_sequence;
      });
      if (is_named) lower(segment.server, segment.first_lsn);
    }
    return needed;
  }

  // A full in another target needs the log from its redo_start on (R13). From the first segment of that which
  // the other has not itself, all stay, so that no hole comes into this archive.
  void keep_for(const OtherTarget& other, std::map<Id128, Lsn>& needed) const {
    std::map<Id128, Lsn> there;
    for (const SessionInfo* session : other.sessions)
      for (const SessionAccount& account : session->accounts) {
        if (!account.full || account.status != AccountStatus::completed) continue;
        const Lsn from = std::min(account.redo_start, account.consistent_at + 1);
        const auto [entry, is_new] = there.try_emplace(session->server, from);
        if (!is_new) entry->second = std::min(entry->second, from);
      }
    for (const ArchivedRange& segment : input_.segments) {
      const auto from = there.find(segment.server);
      if (from == there.end() || segment.last_lsn < from->second || other.segments.contains(segment.key))
        continue;
      Lsn& lsn = needed[segment.server];
      lsn = std::min(lsn, segment.first_lsn);
    }
  }

  void settle_segments() {
    if (unreadable_stays_) return;  // nobody knows what it needs
    std::map<Id128, Lsn> needed = needed_from();
    for (const OtherTarget& other : input_.others) {
      if (other.is_unreadable) return;
      keep_for(other, needed);
    }
    // The end of each line stays: a log that lost its newest segments goes on from there (R5). A full that is
    // being made may need the log from the oldest transaction that is open then: one that was open when that
    // last segment began, or a later one.
    std::map<Id128, const ArchivedRange*> last;
    for (const ArchivedRange& segment : input_.segments) {
      const ArchivedRange*& end = last[segment.incarnation];
      if (!end || segment.sequence > end->sequence) end = &segment;
    }
    for (const ArchivedRange& segment : input_.segments) last.erase(segment.parent.incarnation);
    for (const auto& [incarnation, segment] : last) {
      Lsn& lsn = needed[segment->server];
      lsn = std::min(lsn, segment->first_lsn);
      if (segment->lowest_open != 0) lsn = std::min(lsn, segment->lowest_open);
    }
    std::vector<const ArchivedRange*> going;
    for (const ArchivedRange& segment : input_.segments)
      if (segment.last_lsn < needed[segment.server] && segment.first_lsn < needed[segment.server])
        going.push_back(&segment);
    std::sort(going.begin(), going.end(), [](const ArchivedRange* a, const ArchivedRange* b) {
      return std::tuple(a->server, a->first_lsn, a->sequence) <
             std::tuple(b->server, b->first_lsn, b->sequence);
    });
    for (const ArchivedRange* segment : going) plan_.segments.push_back(segment->key);
  }

  static constexpr const char* kLast = "it has the last full of";
  static constexpr const char* kBase = "states that are kept begin with its full of";

  const RemovalInput& input_;
  const Options& options_;
  RemovalPlan plan_;
  // By session: whether it is in the seed's set; in the end, whether it goes.
  std::vector<bool> asked_;
  // In the order of sessions.
  std::map<AccountKey, std::vector<Full>> fulls_;
  std::map<std::string, std::string> addresses_;
  std::map<std::size_t, Reason> reasons_;
  std::set<std::pair<std::size_t, std::string>> accounts_kept_;
  bool unreadable_stays_ = false;
};

}  // namespace

Result<RemovalPlan> plan_removal(const RemovalInput& input, const Options& options) {
  return RemovalPlanner(input, options).run();
}

}  // namespace restante::target
