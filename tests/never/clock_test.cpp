// R14: a clock that jumps back and forth, over scans, sessions and restores by time.

#include <atomic>

#include "prepared.hpp"

namespace restante::test {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

/// Goes on by a millisecond at each look, and jumps when told.
class JumpingClock final : public Clock {
 public:
  [[nodiscard]] Time now() const override { return Time{us_ += 1000}; }
  void jump(std::int64_t us) { us_ += us; }

 private:
  mutable std::atomic<std::int64_t> us_{1'780'000'000 * kSecond};
};

/// What the store held when the clock said so.
struct Moment {
  Time time;
  Lsn lsn = 0;
  States state;
};

class Story {
 public:
  explicit Story(Random& random) : random_(random), site_(dir_.path()) {
    fill(site_);
    Server::Options options;
    options.create = true;
    options.clock = &clock_;
    auto opened = Server::open(site_, options);
    REQUIRE_OK(opened);
    server_ = *std::move(opened);
    session(Session::Kind::full);
  }

  void step() {
    clock_.jump(static_cast<std::int64_t>(5 + random_.below(60)) * kSecond);  // time passes
    if (random_.one_in(4)) jump();
    deliver(site_, "alice", 1'000 + static_cast<int>(moments_.size()));
    if (random_.one_in(3)) deliver(site_, "bob", 1'000 + static_cast<int>(moments_.size()));
    if (random_.one_in(3))
      session(random_.one_in(3) ? Session::Kind::full : Session::Kind::incremental);
    else
      scan();
  }

  // Every moment that the clock passed once is restored exactly; one that it passed again is refused, with
  // what it may mean.
  void check_times() {
    clock_.jump(1'000'000 * kSecond);  // nothing lies in the future
    std::uint64_t refused = 0;
    for (const Moment& moment : moments_) {
      if (is_near_a_jump(moment.time)) continue;
      RestoreStop stop;
      stop.time = moment.time;
      const Result<States> found = server_->at(stop);
      INFO(moment.time.to_string() << ", LSN " << moment.lsn);
      if (was_passed_again(moment.time)) {
        ++refused;
        REQUIRE_CODE(found, ambiguous);
        CHECK(found.status().message().find("LSN") != std::string::npos);
        CHECK(found.status().hint().find("--to-lsn") != std::string::npos);
      } else {
        REQUIRE_OK(found);
        CHECK(difference(moment.state, *found) == "");
      }
      // By position it is there in any case.
      RestoreStop by_lsn;
      by_lsn.lsn = moment.lsn;
      const Result<States> exact = server_->at(by_lsn);
      REQUIRE_OK(exact);
      CHECK(difference(moment.state, *exact) == "");
    }
    refused_ += refused;
  }

  // Labels are unique, and in the order of the sessions.
  void check_labels() {
    const Result<std::vector<SessionInfo>> published = server_->published();
    REQUIRE_OK(published);
    std::vector<std::string> found;
    for (const SessionInfo& info : *published) found.push_back(info.label);
    CHECK(found == labels_);
    CHECK(std::set<std::string>(found.begin(), found.end()).size() == labels_.size());
    for (const auto& [label, state] : sessions_) {
      RestoreStop stop;
      stop.label = label;
      const Result<States> at = server_->at(stop);
      REQUIRE_OK(at);
      INFO(label);
      CHECK(difference(state, *at) == "");
    }
    CHECK(server_->damages() == "");
  }

  // A restore is a change like others, whatever the clock says.
  void check_restore() {
    const std::string label = labels_[random_.below(labels_.size())];
    RestoreRequest request;
    request.stop.label = label;
    const Result<RestoreReport> report = server_->restore(request);
    REQUIRE_OK(report);
    REQUIRE_OK(report->status);
    CHECK(difference(sessions_.at(label), Prepared::of_store(*server_)) == "");
    session(Session::Kind::incremental);
  }

  [[nodiscard]] std::uint64_t refused() const { return refused_; }
  [[nodiscard]] std::size_t moments() const { return moments_.size(); }

 private:
  void jump() {
    const auto size = static_cast<std::int64_t>(2 + random_.below(random_.one_in(2) ? 100 : 400'000));
    const bool back = random_.one_in(2);
    // What the clock said when something was last logged.
    if (back) newest_ = std::max(newest_, moments_.empty() ? Time{} : moments_.back().time);
    clock_.jump((back ? -size : size) * kSecond);
    jumps_.push_back(clock_.now());
    if (back && clock_.now() < newest_) again_.push_back({clock_.now(), newest_});
    jumps_.push_back(newest_);
  }

  void scan() {
    REQUIRE_OK(server_->scan());
    remember();
  }

  void session(Session::Kind kind) {
    const Result<SessionInfo> info = server_->back_up(kind);
    REQUIRE_OK(info);
    REQUIRE(info->status == SessionStatus::completed);
    labels_.push_back(info->label);
    remember();
    sessions_[info->label] = moments_.back().state;
  }

  void remember() {
    const Lsn lsn = server_->redo->end();
    moments_.push_back({clock_.now(), lsn, Prepared::of_store(*server_)});
    newest_ = std::max(newest_, moments_.back().time);
  }

  [[nodiscard]] bool was_passed_again(Time time) const {
    for (const auto& [low, high] : again_)
      if (time >= low && time < high) return true;
    return false;
  }
  [[nodiscard]] bool is_near_a_jump(Time time) const {
    for (const Time& jump : jumps_)
      if (std::abs(time.us - jump.us) < 2 * kSecond) return true;
    return false;
  }

  Random& random_;
  MemoryDir dir_;
  Site site_;
  JumpingClock clock_;
  std::unique_ptr<Server> server_;
  std::vector<Moment> moments_;
  std::vector<std::string> labels_;
  std::map<std::string, States> sessions_;
  Time newest_{};
  std::vector<Time> jumps_;
  std::vector<std::pair<Time, Time>> again_;
  std::uint64_t refused_ = 0;
};

TEST_CASE(
    "R14: a clock that jumps back and forth: labels in order, times that mean two places refused, nothing "
    "lost") {
  Random random("clock");
  std::uint64_t refused = 0;
  std::uint64_t moments = 0;
  for (int round = 0; round < (long_tests() ? 200 : 6); ++round) {
    INFO("round " << round);
    Story story(random);
    for (int step = 0; step < 25; ++step) story.step();
    story.check_labels();
    story.check_times();
    story.check_restore();
    story.check_labels();
    refused += story.refused();
    moments += story.moments();
  }
  // Both kinds were there.
  CHECK(refused > 0);
  CHECK(refused < moments);
}

}  // namespace
}  // namespace restante::test
