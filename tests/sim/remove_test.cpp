// R12: sessions, segments and content are removed; what is left restores, whatever fails meanwhile.

#include <cstdlib>

#include "fixture.hpp"
#include "target/target_impl.hpp"

namespace restante::test {
namespace {

std::uint64_t bytes_below(Storage& storage, std::string_view prefix) {
  std::uint64_t bytes = 0;
  REQUIRE_OK(storage.list(prefix, [&](const ObjectInfo& object) -> Status {
    bytes += object.size;
    return {};
  }));
  return bytes;
}

struct Weeks : Fixture {
  Weeks() : random_("weeks") {
    create_account("alice");
    create_account("bob");
  }
  // Mail of alice that lives for a week, and some of bob that stays.
  void week() {
    for (const Message& message : passing_) expunge("alice", message);
    passing_.clear();
    for (int i = 0; i < 6; ++i) passing_.push_back(deliver("alice", random_.text(900)));
    (void)deliver("bob", random_.text(1000));
  }
  SessionInfo full() { return back_up(Session::Kind::full); }
  SessionInfo incremental() { return back_up(Session::Kind::incremental); }

  [[nodiscard]] Result<BackupTarget::Removal> try_remove(const std::string& label, bool force = false) {
    BackupTarget::RemoveOptions options;
    options.label = label;
    options.force = force;
    options.log = &*log;
    return target->remove(options);
  }
  BackupTarget::Removal remove(const std::string& label, bool force = false) {
    Result<BackupTarget::Removal> removal = try_remove(label, force);
    REQUIRE_OK(removal);
    return *std::move(removal);
  }
  [[nodiscard]] std::vector<std::string> labels() {
    const Result<std::vector<SessionInfo>> sessions = target->sessions();
    REQUIRE_OK(sessions);
    std::vector<std::string> labels;
    for (auto session = sessions->rbegin(); session != sessions->rend(); ++session)
      labels.push_back(session->label);
    return labels;
  }
  void require_whole() {
    const Result<TargetVerification> verified =
        target->verify({.label = {}, .read_data = true, .cancel = {}, .progress = {}});
    REQUIRE_OK(verified);
    for (const TargetDamage& damage : verified->damages) FAIL(damage.key << ": " << damage.what);
  }
  // Another handle with a catalog of its own, as another machine would have.
  [[nodiscard]] BackupTarget other_handle(const std::string& state) {
    const auto options = target_options(scratch, state, clock);
    Result<BackupTarget> handle = BackupTarget::open(memory->share(), options);
    REQUIRE_OK(handle);
    return *std::move(handle);
  }

 private:
  Random random_;
  std::vector<Message> passing_;
};

TEST_CASE("R12: what is removed gives its room back, and every instant that is kept restores") {
  Weeks f;
  f.week();
  const SessionInfo first = f.full();
  f.week();
  const SessionInfo middle = f.incremental();
  f.week();
  const SessionInfo second = f.full();
  const std::string at_second = f.texts("alice");
  f.week();
  const SessionInfo last = f.incremental();
  const std::string at_last = f.texts("alice");
  f.week();
  const std::uint64_t content_before = bytes_below(*f.memory, "content/");
  const std::uint64_t logs_before = bytes_below(*f.memory, "redologs/");

  BackupTarget::RemoveOptions dry;
  dry.label = middle.label;
  dry.dry_run = true;
  const std::uint64_t before = bytes_below(*f.memory, "");
  const Result<BackupTarget::Removal> said = f.target->remove(dry);
  REQUIRE_OK(said);
  REQUIRE(bytes_below(*f.memory, "") == before);

  const BackupTarget::Removal removal = f.remove(middle.label);
  REQUIRE(removal.removed == std::vector<std::string>{first.label, middle.label});
  REQUIRE(removal.kept.empty());
  REQUIRE(removal.pending.empty());
  REQUIRE(removal.segments > 0);
  REQUIRE(removal.packs > 0);
  REQUIRE(said->removed == removal.removed);
  REQUIRE(said->kept == removal.kept);
  REQUIRE(said->segments == removal.segments);
  REQUIRE(f.labels() == std::vector<std::string>{second.label, last.label});
  REQUIRE(bytes_below(*f.memory, "content/") < content_before * 3 / 4);
  REQUIRE(bytes_below(*f.memory, "redologs/") < logs_before);
  REQUIRE(bytes_below(*f.memory, "sessions_tmp/") == 0);
  f.require_whole();

  for (const auto& [label, texts] : {std::pair(second.label, at_second), std::pair(last.label, at_last)}) {
    RestoreRequest request = Fixture::request_for("alice");
    request.stop.label = label;
    REQUIRE(f.restore(request).status.ok());
    REQUIRE(f.texts("alice") == texts);
  }
  // What is no longer covered says so.
  RestoreRequest lost = Fixture::request_for("alice");
  lost.stop.lsn = first.position.lsn;
  const Result<RestorePlan> plan = f.plan(lost);
  REQUIRE((!plan.ok() || !plan->accounts().at(0).failure.ok()));
  // The next sessions go on.
  REQUIRE(f.incremental().status == SessionStatus::completed);
  REQUIRE(f.full().status == SessionStatus::completed);
  f.require_whole();
}

TEST_CASE("R12: what a restore brought back is kept by the log that names it") {
  Weeks f;
  f.week();
  const SessionInfo first = f.full();
  const std::string wanted = f.texts("alice");
  f.week();
  const SessionInfo second = f.full();
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.label = first.label;
  REQUIRE(f.restore(request).status.ok());
  REQUIRE(f.texts("alice") == wanted);
  // The log says by reference what came back, and nothing has archived that yet.
  f.remove(first.label, true);
  REQUIRE(f.labels() == std::vector<std::string>{second.label});
  f.require_whole();
  const Result<RestorePlan> plan = f.plan(Fixture::request_for("alice"));
  REQUIRE_OK(plan);
  // Archived, it is still no content that came with the segment.
  f.incremental();
  REQUIRE(f.remove(second.label).kept.size() == 1);
  request = Fixture::request_for("alice");
  request.stop.lsn = f.log->end();
  request.prefix = "again-";
  REQUIRE(f.restore(request).status.ok());
}

TEST_CASE(
    "R12: every storage call of a removal fails in turn: sessions are whole or gone, and the next ends it") {
  const std::uint64_t step = std::getenv("RESTANTE_TEST_LONG") ? 1 : 5;
  for (std::uint64_t n = 0;; n += step) {
    Weeks f;
    f.week();
    const SessionInfo first = f.full();
    f.week();
    const SessionInfo second = f.full();
    REQUIRE_OK(f.memory->sync());
    const bool is_power_cut = n % 2 == 0;
    f.target.reset();
    auto handle = f.memory->share();
    MemoryStorage* const failing = handle.get();
    const auto options = target_options(f.scratch, "state", f.clock);
    Result<BackupTarget> target = BackupTarget::open(std::move(handle), options);
    REQUIRE_OK(target);
    f.target.emplace(*std::move(target));
    failing->fail_after(n, Status(Code::io, "cut"), is_power_cut);
    const Result<BackupTarget::Removal> removal = f.try_remove(first.label);
    INFO("call " << n << ": " << removal.status().to_string());
    f.target.reset();
    if (is_power_cut) f.memory->crash(test_seed() + n);
    f.target.emplace(f.other_handle(n % 4 < 2 ? "state" : "anew"));
    const Result<std::vector<SessionInfo>> sessions = f.target->sessions(
        {.label = {}, .type = {}, .from = {}, .to = {}, .account = {}, .unpublished = false});
    REQUIRE_OK(sessions);
    REQUIRE(sessions->front().label == second.label);
    REQUIRE(sessions->front().status == SessionStatus::completed);
    f.require_whole();
    if (sessions->size() == 2) {
      f.remove(first.label);
    } else {
      const BackupTarget::Removal rest = f.remove(second.label);
      REQUIRE(rest.kept.size() == 1);
      REQUIRE(rest.pending.empty());
    }
    REQUIRE(f.labels() == std::vector<std::string>{second.label});
    REQUIRE(bytes_below(*f.memory, "sessions/" + first.label + "/") == 0);
    REQUIRE(bytes_below(*f.memory, "content/unreferenced/") == 0);
    REQUIRE(bytes_below(*f.memory, "content/") < 100'000);
    f.require_whole();
    if (removal.ok() && n > 20) break;
    REQUIRE(n < 500);
  }
}

TEST_CASE("R18: sessions are removed while a session runs, and content waits for its end") {
  Weeks f;
  f.week();
  const SessionInfo first = f.full();
  f.week();
  const SessionInfo second = f.full();
  f.week();
  std::optional<BackupTarget::Removal> removal;
  f.host.interleave = [&](std::string_view) {
    if (!removal) removal = f.remove(first.label);
  };
  const SessionInfo third = f.full();
  f.host.interleave = nullptr;
  REQUIRE(third.status == SessionStatus::completed);
  REQUIRE(removal);
  REQUIRE(removal->removed == std::vector<std::string>{first.label});
  REQUIRE(removal->packs == 0);
  REQUIRE(removal->pending.find("is running") != std::string::npos);
  f.require_whole();
  const BackupTarget::Removal rest = f.remove(second.label);
  REQUIRE(rest.pending.empty());
  REQUIRE(rest.packs > 0);
  f.require_whole();
}

TEST_CASE("R12: a list waits for sessions that began before it, and not for those that know it") {
  Weeks f;
  f.week();
  const SessionInfo first = f.full();
  f.week();
  const SessionInfo second = f.full();
  content::ContentStore& content = *TargetAccess::impl(*f.target).content;
  const auto list_everything_dead = [&] {
    content::DigestSet references;  // as if nothing were needed: what is must be spared by the sweep
    const auto marked = content.mark(references);
    REQUIRE_OK(marked);
    REQUIRE(marked->list);
  };
  BackupTarget::RemoveOptions options;
  options.label = first.label;
  BackupTarget other = f.other_handle("other");

  // One that began before: it relies on what it found, and finds it.
  std::optional<Result<BackupTarget::Removal>> removal;
  f.host.interleave = [&](std::string_view) {
    if (removal) return;
    list_everything_dead();
    removal = other.remove(options);
  };
  REQUIRE(f.full().status == SessionStatus::completed);
  REQUIRE(removal);
  REQUIRE_OK(*removal);
  REQUIRE((*removal)->packs == 0);
  REQUIRE(content.lists()->size() == 1);
  f.require_whole();

  // One that begins behind it writes again what it needs, and holds nobody up.
  f.host.interleave = nullptr;
  removal.reset();
  options.label = second.label;
  f.host.interleave = [&](std::string_view) {
    if (!removal) removal = other.remove(options);
  };
  REQUIRE(f.full().status == SessionStatus::completed);
  f.host.interleave = nullptr;
  REQUIRE_OK(*removal);
  REQUIRE((*removal)->packs > 0);
  REQUIRE(content.lists()->empty());
  f.require_whole();
}

}  // namespace
}  // namespace restante::test
