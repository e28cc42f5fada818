// Bytes of a target or a log that are not what was written: what a backup does about them, and what the
// others lose.

#include <filesystem>
#include <fstream>

#include "fixture.hpp"
#include "support/catch.hpp"

namespace restante::test {
namespace {

class Warnings final : public Observer {
 public:
  void log(Level level, std::string_view message) override {
    if (level == Level::warning) (all += message) += "\n";
  }
  [[nodiscard]] bool name(std::string_view text) const { return all.find(text) != std::string::npos; }
  std::string all;
};

SessionInfo back_up(Fixture& f, Session::Kind kind, Warnings& warnings, std::chrono::seconds keep = {}) {
  Session::Options options = f.session_options(kind);
  options.observer = &warnings;
  options.keep_segments_for = keep;
  return f.back_up(options);
}

std::vector<std::string> keys_below(Storage& storage, std::string_view prefix) {
  std::vector<std::string> keys;
  REQUIRE_OK(storage.list(prefix, [&](const ObjectInfo& object) -> Status {
    keys.push_back(object.key);
    return {};
  }));
  return keys;
}

void flip(Storage& storage, const std::string& key, std::size_t at) {
  Result<Bytes> bytes = storage.get(key);
  REQUIRE_OK(bytes);
  (*bytes)[at % bytes->size()] ^= 0x10;
  REQUIRE_OK(storage.put(key, *bytes));
}

TargetVerification verify(Fixture& f, const std::string& label = {}) {
  Result<TargetVerification> verified =
      f.target->verify({.label = label, .read_data = true, .cancel = {}, .progress = {}});
  REQUIRE_OK(verified);
  return *std::move(verified);
}

void require_whole(Fixture& f) {
  for (const TargetDamage& damage : verify(f).damages) FAIL(damage.key << ": " << damage.what);
}

// As another process would: nothing of it is remembered.
void open_target_again(Fixture& f) {
  f.target.reset();
  const auto options = target_options(f.scratch, "state", f.clock);
  Result<BackupTarget> opened = BackupTarget::open(f.memory->share(), options);
  REQUIRE_OK(opened);
  f.target.emplace(*std::move(opened));
}

// Flips a bit of the file of the log that has `text`.
void damage_log(Fixture& f, std::string_view text) {
  for (const auto& entry : std::filesystem::directory_iterator(f.scratch.file("redo"))) {
    if (!entry.is_regular_file()) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const std::size_t at = bytes.find(text);
    if (at == std::string::npos) continue;
    file.clear();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(bytes[at] ^ 1));
    return;
  }
  FAIL("no segment has " << text);
}

std::string restored(Fixture& f, const RestoreStop& stop = {}) {
  f.host.mailboxes.erase("alice");
  RestoreRequest request = Fixture::request_for("alice");
  request.stop = stop;
  const RestoreReport report = f.restore(request);
  REQUIRE_OK(report.status);
  return f.texts("alice");
}

// Into an empty store, without the log. What is restored is what was backed up: false where that is refused.
bool restores_exactly(Fixture& f, const std::string& account, const std::string& expected) {
  MemoryHost store;
  Result<RestorePlan> plan =
      RestorePlan::make({*f.target}, nullptr, Fixture::request_for(account), {&store, &store});
  if (!plan.ok()) return false;
  const Result<RestoreReport> report = plan->execute();
  if (!report.ok() || !report->status.ok()) return false;
  REQUIRE(texts_in(store, account) == expected);
  return true;
}

}  // namespace

TEST_CASE("a pack that was cut off is stored again by the next full") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "one");
  f.deliver("alice", "two");
  f.back_up(Session::Kind::full);
  const std::vector<std::string> packs = keys_below(*f.memory, "content/packs/");
  REQUIRE_FALSE(packs.empty());
  for (const std::string& pack : packs)
    REQUIRE_OK(f.memory->put(pack, ByteView(*f.memory->get(pack)).first(100)));
  const bool again = GENERATE(true, false);
  if (again) open_target_again(f);

  Warnings warnings;
  const SessionInfo info = back_up(f, Session::Kind::full, warnings);
  REQUIRE(info.status == SessionStatus::completed);
  REQUIRE(info.bytes_stored > 0);
  for (const std::string& pack : packs) REQUIRE(warnings.name(pack));
  REQUIRE(restored(f) == "one two");
  // Nothing is lost that a session needs.
  for (const TargetDamage& damage : verify(f).damages) REQUIRE(damage.key.starts_with("content/packs/"));
  // It is told once; from then on nobody relies on it.
  Warnings later;
  REQUIRE(back_up(f, Session::Kind::full, later).bytes_stored == 0);
  REQUIRE(later.all.empty());
}

TEST_CASE("a damaged archived segment that the log still has is archived again") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "one");
  Warnings warnings;
  const std::chrono::hours keep(1);
  back_up(f, Session::Kind::full, warnings, keep);
  f.deliver("alice", "two");
  back_up(f, Session::Kind::incremental, warnings, keep);
  REQUIRE(warnings.all.empty());
  const std::vector<std::string> segments = keys_below(*f.memory, "redologs/");
  REQUIRE(segments.size() >= 2);
  const Bytes first = *f.memory->get(segments[0]);
  const auto kind = GENERATE(Session::Kind::full, Session::Kind::incremental);
  const auto require_mended = [&] {
    const Result<Bytes> now = f.memory->get(segments[0]);
    REQUIRE_OK(now);
    REQUIRE(now->size() == first.size());
    if (!runs_encrypted()) REQUIRE(*now == first);  // else it is sealed anew
    require_whole(f);
  };
  // Header, frames, index and footer, and an object that ends before it begins.
  for (const std::size_t at : {std::size_t{3}, first.size() / 2, first.size() - 2}) {
    flip(*f.memory, segments[0], at);
    const SessionInfo info = back_up(f, kind, warnings, keep);
    REQUIRE(info.status == SessionStatus::completed);
    REQUIRE(warnings.name(segments[0]));
    require_mended();
    warnings.all.clear();
  }
  REQUIRE_OK(f.memory->put(segments[0], {}));
  REQUIRE(back_up(f, kind, warnings, keep).status == SessionStatus::completed);
  require_mended();
  require_whole(f);
  REQUIRE(restored(f) == "one two");
}

TEST_CASE("R5: a damaged archived segment is not replaced by one of another history") {
  Fixture f;
  f.create_account("alice");
  f.back_up(Session::Kind::full);
  f.log.reset();
  std::filesystem::copy(f.scratch.file("redo"), f.scratch.file("clone"),
                        std::filesystem::copy_options::recursive);
  f.open_log("redo", {});
  f.deliver("alice", "here");
  f.back_up(Session::Kind::incremental);
  f.log.reset();
  f.clock.jump(5'000'000);
  f.open_log("clone", {});
  f.deliver("alice", "there");
  const std::string newest = keys_below(*f.memory, "redologs/").back();
  flip(*f.memory, newest, f.memory->info(newest)->size / 3);
  const Bytes before = *f.memory->get(newest);
  Result<Session> session = Session::begin(*f.target, f.session_options(Session::Kind::full));
  REQUIRE_OK(session);
  REQUIRE_CODE(session->run(), diverged);
  REQUIRE(*f.memory->get(newest) == before);
}

TEST_CASE("a damaged archived segment that the log has no more is told of, and fulls behind it are whole") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "one");
  Warnings warnings;
  back_up(f, Session::Kind::full, warnings);
  f.deliver("alice", "two");
  const Time two = f.clock.now();
  const SessionInfo second = back_up(f, Session::Kind::incremental, warnings);
  const std::string damaged = keys_below(*f.memory, "redologs/").at(second.first_sequence - 1);
  f.deliver("alice", "three");
  const SessionInfo between = back_up(f, Session::Kind::incremental, warnings);
  f.deliver("alice", "3b");
  back_up(f, Session::Kind::incremental, warnings);
  REQUIRE(warnings.all.empty());
  REQUIRE(f.log->segments()->front().sequence > second.last_sequence);
  flip(*f.memory, damaged, 3);
  open_target_again(f);

  const auto kind = GENERATE(Session::Kind::full, Session::Kind::incremental);
  f.deliver("alice", "four");
  const SessionInfo info = back_up(f, kind, warnings);
  REQUIRE(info.status == SessionStatus::completed);
  REQUIRE(warnings.name(damaged));
  // An incremental cannot rest on a full from which nothing leads on.
  REQUIRE(info.find("alice") != nullptr);
  REQUIRE(info.find("alice")->full);
  warnings.all.clear();
  f.deliver("alice", "five");
  const SessionInfo next = back_up(f, Session::Kind::incremental, warnings);
  REQUIRE(next.status == SessionStatus::completed);
  REQUIRE_FALSE(next.find("alice")->full);
  REQUIRE(restored(f) == "3b five four one three two");

  // What needs it says so, and verify goes on naming it.
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.label = between.label;
  const Result<RestorePlan> plan = f.plan(request);
  REQUIRE_CODE(plan, damaged);
  REQUIRE(plan.status().message().find("missing") != std::string::npos);
  request.stop = {};
  request.stop.time = two;
  REQUIRE_FALSE(f.plan(request).ok());
  const TargetVerification verified = verify(f);
  REQUIRE(std::any_of(verified.damages.begin(), verified.damages.end(),
                      [&](const TargetDamage& damage) { return damage.key == damaged; }));
}

TEST_CASE("R5: the end of the archived log is known in spite of a damaged segment before it") {
  Fixture f;
  f.create_account("alice");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "one");
  f.back_up(Session::Kind::incremental);
  const std::optional<Continuation> newest = *f.target->newest_position(f.server_id);
  REQUIRE(newest);
  const std::vector<std::string> segments = keys_below(*f.memory, "redologs/");
  flip(*f.memory, segments.front(), 3);
  open_target_again(f);
  const Result<std::optional<Continuation>> still = f.target->newest_position(f.server_id);
  REQUIRE_OK(still);
  REQUIRE(still->value().parent.lsn == newest->parent.lsn);
  REQUIRE(still->value().parent_sequence == newest->parent_sequence);
  flip(*f.memory, segments.back(), 3);
  open_target_again(f);
  REQUIRE_CODE(f.target->newest_position(f.server_id), damaged);
}

TEST_CASE("a session that cannot be read keeps nobody from the others") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "one");
  const SessionInfo first = f.back_up(Session::Kind::full);
  f.deliver("alice", "two");
  const SessionInfo second = f.back_up(Session::Kind::full);
  f.deliver("alice", "three");
  const std::string key = "sessions/" + second.label + "/session.xml";
  const bool empty = GENERATE(true, false);
  if (empty) {
    REQUIRE_OK(f.memory->put(key, {}));
  } else {
    flip(*f.memory, key, 100);
  }
  open_target_again(f);

  // Listing: it is there, and says why it is of no use.
  const Result<std::vector<SessionInfo>> sessions = f.target->sessions();
  REQUIRE_OK(sessions);
  REQUIRE(sessions->size() == 2);
  REQUIRE((*sessions)[0].label == second.label);
  REQUIRE((*sessions)[0].status == SessionStatus::failed);
  REQUIRE((*sessions)[0].type == SessionType::full);
  REQUIRE((*sessions)[0].began.us / 1000 == second.began.us / 1000);
  REQUIRE((*sessions)[0].error.find(key) != std::string::npos);
  REQUIRE((*sessions)[1].status == SessionStatus::completed);
  REQUIRE(f.target->accounts()->front().full_label == first.label);
  const Result<TargetAccount> nobody = f.target->find_account("nobody");
  REQUIRE_CODE(nobody, not_found);
  REQUIRE(nobody.status().hint().find(second.label) != std::string::npos);

  // Itself.
  const Result<SessionInfo> itself = f.target->session(second.label);
  REQUIRE_CODE(itself, damaged);
  REQUIRE(itself.status().message().find(key) != std::string::npos);
  REQUIRE_FALSE(itself.status().hint().empty());
  REQUIRE_OK(f.target->session(first.label));
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.label = second.label;
  REQUIRE_CODE(f.plan(request), damaged);
  request.stop = {};
  request.label = second.label;
  REQUIRE_CODE(f.plan(request), damaged);

  // Verification, of all and of another one.
  REQUIRE(verify(f, first.label).damages.empty());
  const TargetVerification verified = verify(f);
  REQUIRE(verified.damages.size() == 1);
  REQUIRE(verified.damages[0].key == key);

  // Restore from the others, which says so.
  request.label.clear();
  const Result<RestorePlan> plan = f.plan(request);
  REQUIRE_OK(plan);
  REQUIRE_OK(plan->accounts()[0].failure);
  REQUIRE(plan->accounts()[0].messages == 3);
  REQUIRE(plan->accounts()[0].warnings.size() == 1);
  REQUIRE(plan->accounts()[0].warnings[0].find(second.label) != std::string::npos);
  REQUIRE(restored(f) == "one three two");

  // Backup.
  for (const auto kind : {Session::Kind::incremental, Session::Kind::full}) {
    Warnings warnings;
    const SessionInfo info = back_up(f, kind, warnings);
    REQUIRE(info.status == SessionStatus::completed);
    REQUIRE(info.label.substr(5) > second.label.substr(5));
    REQUIRE(warnings.name(second.label));
  }
}

TEST_CASE("content that is damaged in the log is read from the store") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "one");
  f.back_up(Session::Kind::full);
  const auto when = GENERATE(0, 1, 2);
  const Message message = f.deliver("alice", "a text that nothing else has");
  f.deliver("alice", "two");
  if (when == 1) f.log.reset();
  if (when == 2) REQUIRE_OK(f.log->roll());
  damage_log(f, "a text that nothing else has");
  if (when == 1) f.open_log("redo", {});

  Warnings warnings;
  const auto kind = GENERATE(Session::Kind::full, Session::Kind::incremental);
  const SessionInfo info = back_up(f, kind, warnings);
  REQUIRE(info.status == SessionStatus::completed);
  REQUIRE(warnings.name("read from the store instead"));
  require_whole(f);
  REQUIRE(restored(f) == "a text that nothing else has one two");
}

TEST_CASE("content that is damaged in the log and nowhere else ends no backup, and states with it fail") {
  Fixture f;
  f.create_account("alice");
  f.back_up(Session::Kind::full);
  const Message message = f.deliver("alice", "a text that nothing else has");
  const Time there = f.clock.now();
  f.expunge("alice", message);
  f.host.contents.erase(message.content->digest);
  f.deliver("alice", "two");
  damage_log(f, "a text that nothing else has");
  Warnings warnings;
  const auto kind = GENERATE(Session::Kind::full, Session::Kind::incremental);
  REQUIRE(back_up(f, kind, warnings).status == SessionStatus::completed);
  REQUIRE(warnings.name("cannot be restored"));
  REQUIRE(verify(f).damages.size() == 1);
  REQUIRE(restored(f) == "two");
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.time = there;
  const Result<RestorePlan> plan = f.plan(request);
  REQUIRE_CODE(plan, damaged);
}

TEST_CASE("a segment of the log with damaged records is told of, and fulls behind it are whole") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "one");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "two");
  const std::string id = "m-two";
  const bool rolled = GENERATE(true, false);
  if (rolled) REQUIRE_OK(f.log->roll());
  damage_log(f, id);
  f.deliver("alice", "three");
  Warnings warnings;
  const auto kind = GENERATE(Session::Kind::full, Session::Kind::incremental);
  const SessionInfo info = back_up(f, kind, warnings);
  REQUIRE(info.status == SessionStatus::completed);
  REQUIRE(warnings.name("redo verify"));
  REQUIRE(info.find("alice")->full);
  REQUIRE(restored(f) == "one three two");
  warnings.all.clear();
  f.deliver("alice", "four");
  const SessionInfo next = back_up(f, Session::Kind::incremental, warnings);
  REQUIRE(next.status == SessionStatus::completed);
  REQUIRE_FALSE(next.find("alice")->full);
  REQUIRE(restored(f) == "four one three two");
  // It is not in the target, so the log keeps it.
  const LogVerification logged = *f.log->verify();
  REQUIRE(logged.damages.size() == 1);
}

// R11, for targets with keys; the rest of them rely on the same checksums.
TEST_CASE("every flipped byte of every object of a target is named, and restores are right or refused",
          "[long]") {
  Fixture f;
  std::map<std::string, std::string> expected;
  for (const Session::Kind kind : {Session::Kind::full, Session::Kind::incremental}) {
    for (const std::string account : {"alice", "bob"}) {
      if (kind == Session::Kind::full) f.create_account(account);
      f.deliver(account, account + std::to_string(static_cast<int>(kind)));
      expected[account] = f.texts(account);
    }
    static_cast<void>(f.back_up(kind));
  }

  std::size_t restored_exactly = 0;
  const auto problem = [&]() -> std::string {
    f.target.reset();
    const auto options = target_options(f.scratch, "state", f.clock);
    Result<BackupTarget> opened = BackupTarget::open(f.memory->share(), options);
    if (!opened.ok()) return opened.status().message();
    f.target.emplace(*std::move(opened));
    for (const auto& [account, texts] : expected) {
      if (restores_exactly(f, account, texts)) ++restored_exactly;
    }
    const Result<TargetVerification> verified = f.target->verify({.read_data = true});
    if (!verified.ok()) return verified.status().message();
    std::string all;
    for (const TargetDamage& damage : verified->damages) all += damage.key + ": " + damage.what + "\n";
    return all;
  };
  REQUIRE(problem().empty());
  REQUIRE(restored_exactly == expected.size());
  Random random("flips");
  for (const std::string& key : keys_below(*f.memory, "")) {
    if (key == "accounts.xml") continue;  // derived, and nobody relies on it
    const Bytes whole = *f.memory->get(key);
    // All are tried by the long variant, a sample otherwise.
    const std::size_t step = long_tests() ? 1 : std::max<std::size_t>(1, whole.size() / 12);
    for (std::size_t at = long_tests() ? 0 : random.below(step); at < whole.size(); at += step) {
      Bytes damaged = whole;
      damaged[at] ^= 0x04;
      REQUIRE_OK(f.memory->put(key, damaged));
      INFO(key << " byte " << at << " of " << whole.size());
      const std::string said = problem();
      // White space of the one file that has it outside of its checksum.
      if (key == "target.json" && (whole[at] == ' ' || whole[at] == '\n')) continue;
      INFO(said);
      const std::string name = key.substr(key.rfind('/') + 1);
      const bool is_named = said.find(key) != std::string::npos || said.find(name) != std::string::npos;
      REQUIRE_FALSE(said.empty());
      REQUIRE(is_named);
    }
    REQUIRE_OK(f.memory->put(key, whole));
  }
  REQUIRE(problem().empty());
  // Damage to one account's objects did not keep the other from being restored.
  REQUIRE(restored_exactly > 2 * expected.size());
}

}  // namespace restante::test
