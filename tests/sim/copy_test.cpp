// R13: sessions and accounts are copied to other targets and restore from there; what is derived is made
// again; a part of the packs is read.

#include <cstdlib>
#include <set>

#include "fixture.hpp"
#include "target/target_impl.hpp"

namespace restante::test {
namespace {

using Copy = BackupTarget::Copy;

// A second target beside the one of the fixture.
struct TwoTargets : Fixture {
  TwoTargets() : random("copies") {
    create_account("alice");
    create_account("bob");
    other = make_other("other-state");
  }
  [[nodiscard]] BackupTarget make_other(const std::string& state) {
    auto storage = make_memory_storage();
    other_memory = storage->share();
    const auto options = target_options<BackupTarget::CreateOptions>(scratch, state, clock);
    Result<BackupTarget> made = BackupTarget::create(std::move(storage), options);
    REQUIRE_OK(made);
    return *std::move(made);
  }
  [[nodiscard]] BackupTarget open(std::unique_ptr<Storage> storage, const std::string& state) {
    const auto options = target_options(scratch, state, clock);
    Result<BackupTarget> handle = BackupTarget::open(std::move(storage), options);
    REQUIRE_OK(handle);
    return *std::move(handle);
  }
  // accounts.xml is what it was; sealed anew, it says the same.
  void require_accounts(const Bytes& before) {
    if (!runs_encrypted()) REQUIRE(*memory->get("accounts.xml") == before);
    const Result<BackupTarget::Rebuilding> again = target->rebuild();
    REQUIRE_OK(again);
    REQUIRE_FALSE(again->accounts_changed);
  }
  void mail() {
    for (int i = 0; i < 4; ++i) (void)deliver("alice", random.text(700));
    (void)deliver("bob", random.text(900));
  }
  [[nodiscard]] Result<Copy> try_copy_label(const std::string& label) {
    BackupTarget::CopyOptions options;
    options.label = label;
    return target->copy_to(*other, options);
  }
  [[nodiscard]] Result<Copy> try_copy_account(const std::string& account) {
    BackupTarget::CopyOptions options;
    options.account = account;
    return target->copy_to(*other, options);
  }
  static Copy whole(Result<Copy> copy) {
    REQUIRE_OK(copy);
    for (const TargetDamage& damage : copy->damages) FAIL(damage.key << ": " << damage.what);
    return *std::move(copy);
  }
  // Restores from these targets alone, without the server's log.
  std::string restored(const std::vector<BackupTarget>& targets, const std::string& account,
                       const std::string& to_label, const std::string& prefix) {
    RestoreRequest request = request_for(account);
    request.stop.label = to_label;
    request.prefix = prefix;
    Result<RestorePlan> plan = RestorePlan::make(targets, nullptr, request, into());
    REQUIRE_OK(plan);
    REQUIRE(plan->accounts().size() == 1);
    REQUIRE_OK(plan->accounts()[0].failure);
    const std::string id = plan->accounts()[0].into_id;
    const Result<RestoreReport> report = plan->execute();
    REQUIRE_OK(report);
    REQUIRE_OK(report->status);
    return texts(report->accounts.at(0).into_id);
  }
  static void require_whole(const BackupTarget& checked) {
    const Result<TargetVerification> verified =
        checked.verify({.label = {}, .read_data = true, .cancel = {}, .progress = {}});
    REQUIRE_OK(verified);
    for (const TargetDamage& damage : verified->damages) FAIL(damage.key << ": " << damage.what);
  }
  static std::vector<std::string> keys_below(Storage& storage, std::string_view prefix) {
    std::vector<std::string> keys;
    REQUIRE_OK(storage.list(prefix, [&](const ObjectInfo& object) -> Status {
      keys.push_back(object.key);
      return {};
    }));
    return keys;
  }
  static void flip(Storage& storage, const std::string& key, std::size_t at) {
    Result<Bytes> bytes = storage.get(key);
    REQUIRE_OK(bytes);
    (*bytes)[at % bytes->size()] ^= 0x10;
    REQUIRE_OK(storage.put(key, *bytes));
  }
  Random random;
  std::optional<BackupTarget> other;
  std::unique_ptr<MemoryStorage> other_memory;
};

}  // namespace

// --- copy
// ---------------------------------------------------------------------------------------------------

TEST_CASE("R13: a copied session restores from the copy alone, and is copied once") {
  TwoTargets f;
  f.mail();
  const SessionInfo session = f.back_up(Session::Kind::full);
  const std::string alice = f.texts("alice");
  const std::string bob = f.texts("bob");
  f.mail();

  const Copy first = f.whole(f.try_copy_label(session.label));
  REQUIRE(first.published == std::vector<std::string>{session.label});
  REQUIRE(first.contents_new == 6);  // and the server's own
  REQUIRE(first.segments > 0);
  f.require_whole(*f.other);
  REQUIRE(f.keys_below(*f.other_memory, "sessions_tmp/").empty());
  REQUIRE(f.restored({*f.other}, "alice", session.label, "one-") == alice);
  REQUIRE(f.restored({*f.other}, "bob", session.label, "two-") == bob);
  const Result<std::vector<TargetAccount>> accounts = f.other->accounts();
  REQUIRE_OK(accounts);
  REQUIRE(accounts->size() == 2);
  // Its digests are its own: the targets' keys differ.
  const Result<SessionInfo> there = f.other->session(session.label);
  REQUIRE_OK(there);
  REQUIRE(there->ended == session.ended);
  REQUIRE_FALSE(there->find("alice")->digest == session.find("alice")->digest);

  const Copy again = f.whole(f.try_copy_label(session.label));
  REQUIRE(again.published.empty());
  REQUIRE(again.present == std::vector<std::string>{session.label});
  REQUIRE(again.segments == 0);
  REQUIRE(again.contents_new == 0);
}

TEST_CASE("R13: fulls in one target and the log in another restore together") {
  TwoTargets f;
  f.mail();
  const SessionInfo full = f.back_up(Session::Kind::full);
  f.mail();
  const SessionInfo later = f.back_up(Session::Kind::incremental);
  const std::string wanted = f.texts("alice");
  f.mail();
  // The session alone: it holds the log and no full.
  const Copy copy = f.whole(f.try_copy_label(later.label));
  REQUIRE(copy.segments > 0);
  const Result<std::vector<TargetAccount>> accounts = f.other->accounts();
  REQUIRE_OK(accounts);
  REQUIRE(accounts->empty());
  f.require_whole(*f.other);
  for (const std::string& key : f.keys_below(*f.other_memory, "redologs/")) REQUIRE_OK(f.memory->remove(key));
  f.target.emplace(f.open(f.memory->share(), "state"));
  REQUIRE(f.restored({*f.target, *f.other}, "alice", later.label, "both-") == wanted);
}

TEST_CASE("R13: a copied account restores at every session since its oldest full") {
  TwoTargets f;
  std::vector<std::pair<std::string, std::string>> states;
  for (const Session::Kind kind :
       {Session::Kind::full, Session::Kind::incremental, Session::Kind::full, Session::Kind::incremental}) {
    f.mail();
    const SessionInfo session = f.back_up(kind);
    states.emplace_back(std::to_string(session.position.lsn), f.texts("alice"));
  }
  const Copy copy = f.whole(f.try_copy_account("alice@example.com"));
  REQUIRE(copy.published.size() == 2);
  f.require_whole(*f.other);
  for (const auto& [lsn, texts] : states) {
    RestoreRequest request = Fixture::request_for("alice");
    request.stop.lsn = std::stoull(lsn);
    request.prefix = "at-" + lsn + "-";
    Result<RestorePlan> plan = RestorePlan::make({*f.other}, nullptr, request, f.into());
    REQUIRE_OK(plan);
    const Result<RestoreReport> report = plan->execute();
    REQUIRE_OK(report);
    REQUIRE_OK(report->status);
    REQUIRE(f.texts(report->accounts.at(0).into_id) == texts);
  }
  // Of bob it has no full; a second account gets sessions of its own beside.
  const Result<std::vector<TargetAccount>> accounts = f.other->accounts();
  REQUIRE_OK(accounts);
  REQUIRE(accounts->size() == 1);
  const Copy second = f.whole(f.try_copy_account("bob"));
  REQUIRE(second.published.size() == 2);
  REQUIRE(second.segments == 0);
  REQUIRE(f.other->sessions()->size() == 4);
  REQUIRE(f.whole(f.try_copy_account("alice")).present.size() == 2);
  REQUIRE(f.whole(f.try_copy_account("bob")).published.empty());
  f.require_whole(*f.other);
  // The whole session bears a label that alice's copy has.
  REQUIRE_CODE(f.try_copy_label(copy.published.front()), already_exists);
}

TEST_CASE("a copy that makes no sense is refused and changes nothing") {
  TwoTargets f;
  f.mail();
  const SessionInfo session = f.back_up(Session::Kind::full);
  const std::size_t objects = f.keys_below(*f.other_memory, "").size();
  REQUIRE_CODE(f.try_copy_label("full-20010101.000000.000"), not_found);
  REQUIRE_CODE(f.try_copy_account("carol"), not_found);
  REQUIRE_CODE(f.try_copy_label(""), invalid_argument);
  BackupTarget::CopyOptions both;
  both.label = session.label;
  both.account = "alice";
  REQUIRE_CODE(f.target->copy_to(*f.other, both), invalid_argument);
  both.account.clear();
  REQUIRE_CODE(f.target->copy_to(*f.target, both), invalid_argument);
  both.cancel.cancel();
  REQUIRE_CODE(f.target->copy_to(*f.other, both), cancelled);
  REQUIRE(f.keys_below(*f.other_memory, "").size() == objects);
}

TEST_CASE("what a copy cannot read is named, and no session is published that needs it") {
  TwoTargets f;
  f.mail();
  const SessionInfo session = f.back_up(Session::Kind::full);
  const std::vector<std::string> packs = f.keys_below(*f.memory, "content/");
  REQUIRE_FALSE(packs.empty());
  for (const std::string& pack : packs)
    if (pack.ends_with(".pack")) f.flip(*f.memory, pack, 200);
  f.target.emplace(f.open(f.memory->share(), "state"));
  const Result<Copy> copy = f.try_copy_label(session.label);
  REQUIRE_OK(copy);
  REQUIRE(copy->published.empty());
  REQUIRE_FALSE(copy->damages.empty());
  bool names_message = false;
  for (const TargetDamage& damage : copy->damages)
    for (const std::string& cost : damage.costs)
      names_message = names_message || cost.find("(UID 1) in folder inbox") != std::string::npos;
  REQUIRE(names_message);
  REQUIRE(f.other->sessions()->empty());
  REQUIRE(f.keys_below(*f.other_memory, "sessions_tmp/").empty());
}

TEST_CASE(
    "R13: every storage call of a copy fails in turn: nothing is half published, and the next ends it") {
  const std::uint64_t step = std::getenv("RESTANTE_TEST_LONG") ? 1 : 4;
  TwoTargets f;
  f.mail();
  (void)f.back_up(Session::Kind::full);
  f.mail();
  (void)f.back_up(Session::Kind::incremental);
  const std::string wanted = f.texts("alice");
  std::uint64_t failures = 0;
  for (std::uint64_t n = 0;; n += step) {
    REQUIRE(n < 600);
    const std::string state = "into-" + std::to_string(n);
    (void)f.make_other(state);
    const bool is_power_cut = (n / step) % 2 == 0;
    auto handle = f.other_memory->share();
    MemoryStorage* const failing = handle.get();
    f.other.emplace(f.open(std::move(handle), state));
    failing->fail_after(n, Status(Code::io, "cut"), is_power_cut);
    const Result<Copy> cut = f.try_copy_account("alice");
    INFO("call " << n << ": " << cut.status().to_string());
    f.other.reset();
    if (is_power_cut) f.other_memory->crash(test_seed() + n);
    f.other.emplace(f.open(f.other_memory->share(), (n / step) % 4 < 2 ? state : state + "-anew"));
    f.require_whole(*f.other);
    // Its process is this one, which lives: others would take it for one at work.
    for (const std::string& key : f.keys_below(*f.other_memory, "sessions_tmp/"))
      REQUIRE_OK(f.other_memory->remove(key));
    (void)f.whole(f.try_copy_account("alice"));
    f.require_whole(*f.other);
    REQUIRE(f.other->accounts()->size() == 1);
    RestoreRequest request = Fixture::request_for("alice");
    Result<RestorePlan> plan = RestorePlan::make({*f.other}, nullptr, request, f.into());
    REQUIRE_OK(plan);
    REQUIRE(plan->accounts().at(0).messages == 8);
    failures += cut.ok() ? 0 : 1;
    if (cut.ok() && n > 20) break;
  }
  REQUIRE(failures > 5);
}

TEST_CASE("R18: a copy is a session to the target that it writes to") {
  TwoTargets f;
  f.mail();
  const SessionInfo session = f.back_up(Session::Kind::full);
  std::optional<Result<Session>> backup;
  bool asked = false;
  BackupTarget::CopyOptions options;
  options.label = session.label;
  options.progress = [&](const Progress&) {
    if (std::exchange(asked, true)) return;
    const Result<std::vector<SessionInfo>> running = f.other->sessions();
    REQUIRE_OK(running);
    REQUIRE(running->size() == 1);
    REQUIRE(running->front().status == SessionStatus::running);
    backup.emplace(Session::begin(*f.other, f.session_options(Session::Kind::full)));
    REQUIRE_OK(f.other->request_abort(running->front().label));
  };
  REQUIRE_CODE(f.target->copy_to(*f.other, options), cancelled);
  REQUIRE(asked);
  REQUIRE_CODE(*backup, busy);
  REQUIRE(f.keys_below(*f.other_memory, "sessions_tmp/").empty());
  options.progress = nullptr;
  REQUIRE(f.whole(f.target->copy_to(*f.other, options)).published.size() == 1);
  f.require_whole(*f.other);
}

TEST_CASE("R13: a segment that a full in another target needs stays") {
  TwoTargets f;
  f.mail();
  const SessionInfo first = f.back_up(Session::Kind::full);
  f.mail();
  const SessionInfo middle = f.back_up(Session::Kind::incremental);
  const std::string at_middle = f.texts("alice");
  // The full lies elsewhere, the log behind it only here.
  (void)f.whole(f.try_copy_label(first.label));
  f.mail();
  const SessionInfo second = f.back_up(Session::Kind::full);
  f.mail();
  (void)f.back_up(Session::Kind::incremental);

  BackupTarget::RemoveOptions options;
  options.label = middle.label;
  options.dry_run = true;
  const Result<BackupTarget::Removal> alone = f.target->remove(options);
  REQUIRE_OK(alone);
  REQUIRE(alone->segments > 0);
  options.dry_run = false;
  options.log = &*f.log;
  options.others = {*f.other};
  const Result<BackupTarget::Removal> removal = f.target->remove(options);
  REQUIRE_OK(removal);
  REQUIRE(removal->removed == std::vector<std::string>{first.label, middle.label});
  REQUIRE(removal->segments < alone->segments);
  f.require_whole(*f.target);
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.lsn = middle.position.lsn;
  request.prefix = "kept-";
  Result<RestorePlan> plan = RestorePlan::make({*f.target, *f.other}, nullptr, request, f.into());
  REQUIRE_OK(plan);
  const Result<RestoreReport> report = plan->execute();
  REQUIRE_OK(report);
  REQUIRE(f.texts(report->accounts.at(0).into_id) == at_middle);

  // Once the other has the log itself, nothing of it is needed here.
  BackupTarget::CopyOptions all;
  all.label = second.label;
  REQUIRE_OK(f.target->copy_to(*f.other, all));
  std::set<std::string> there;
  for (const std::string& key : f.keys_below(*f.other_memory, "redologs/")) there.insert(key);
  options.label = second.label;
  options.dry_run = true;
  const Result<BackupTarget::Removal> later = f.target->remove(options);
  REQUIRE_OK(later);
}

// --- rebuild
// ------------------------------------------------------------------------------------------------

TEST_CASE("rebuild makes catalog and accounts.xml what they were, whatever became of them") {
  TwoTargets f;
  f.mail();
  (void)f.back_up(Session::Kind::full);
  f.mail();
  const SessionInfo newest = f.back_up(Session::Kind::full);
  const Bytes accounts = *f.memory->get("accounts.xml");
  const auto require_as_before = [&](bool changed) {
    const Result<BackupTarget::Rebuilding> done = f.target->rebuild();
    REQUIRE_OK(done);
    REQUIRE(done->damages.empty());
    REQUIRE(done->accounts_changed == changed);
    REQUIRE(done->sessions == 2);
    REQUIRE(done->accounts == 2);
    REQUIRE(done->packs > 0);
    REQUIRE(done->parts >= 10);
    f.require_accounts(accounts);
    f.require_whole(*f.target);
  };
  require_as_before(false);
  SECTION("accounts.xml is gone") {
    REQUIRE_OK(f.memory->remove("accounts.xml"));
    require_as_before(true);
  }
  SECTION("accounts.xml is damaged") {
    f.flip(*f.memory, "accounts.xml", 100);
    require_as_before(true);
  }
  SECTION("accounts.xml is older than the sessions") {
    REQUIRE_OK(f.memory->put("accounts.xml", as_bytes("<accounts/>")));
    require_as_before(true);
  }
  SECTION("the catalog is another machine's first one") {
    f.target.emplace(f.open(f.memory->share(), "anew"));
    require_as_before(false);
  }
  SECTION("a pack cannot be read") {
    const std::vector<std::string> packs = f.keys_below(*f.memory, "content/packs/");
    REQUIRE_FALSE(packs.empty());
    Bytes bytes = *f.memory->get(packs.front());
    bytes.resize(bytes.size() / 2);
    REQUIRE_OK(f.memory->put(packs.front(), bytes));
    const Result<BackupTarget::Rebuilding> done = f.target->rebuild();
    REQUIRE_OK(done);
    REQUIRE(done->damages.size() == 1);
    REQUIRE(done->damages.front().key == packs.front());
  }
  SECTION("a session cannot be read") {
    f.flip(*f.memory, "sessions/" + newest.label + "/session.xml", 300);
    const Result<BackupTarget::Rebuilding> done = f.target->rebuild();
    REQUIRE_OK(done);
    REQUIRE(done->sessions == 1);
    REQUIRE(done->accounts_changed);
    REQUIRE(done->damages.size() == 1);
  }
  SECTION("a session runs meanwhile") {
    bool rebuilt = false;
    f.host.interleave = [&](std::string_view) {
      if (std::exchange(rebuilt, true)) return;
      REQUIRE_OK(f.target->rebuild());
    };
    const SessionInfo third = f.back_up(Session::Kind::full);
    f.host.interleave = nullptr;
    REQUIRE(rebuilt);
    REQUIRE(third.status == SessionStatus::completed);
    const Result<BackupTarget::Rebuilding> done = f.target->rebuild();
    REQUIRE_OK(done);
    REQUIRE_FALSE(done->accounts_changed);
    REQUIRE(done->sessions == 3);
    f.require_whole(*f.target);
  }
}

TEST_CASE("rebuild that is cut off at any call is ended by the next") {
  TwoTargets f;
  f.mail();
  (void)f.back_up(Session::Kind::full);
  const Bytes accounts = *f.memory->get("accounts.xml");
  for (std::uint64_t n = 0;; ++n) {
    REQUIRE(n < 200);
    REQUIRE_OK(f.memory->put("accounts.xml", as_bytes("stale")));
    REQUIRE_OK(f.memory->sync());
    auto handle = f.memory->share();
    MemoryStorage* const failing = handle.get();
    f.target.reset();
    f.target.emplace(f.open(std::move(handle), "state"));
    failing->fail_after(n, Status(Code::io, "cut"), true);
    const bool done = f.target->rebuild().ok();
    f.target.reset();
    f.target.emplace(f.open(f.memory->share(), "state"));
    f.require_whole(*f.target);
    REQUIRE_OK(f.target->rebuild());
    f.require_accounts(accounts);
    f.require_whole(*f.target);
    if (done) break;
  }
}

// --- a share of the packs
// -----------------------------------------------------------------------------------

TEST_CASE("verify reads so many of the packs, others each time, and the same again when it is told") {
  TwoTargets f;
  for (int i = 0; i < 9; ++i) {
    f.mail();
    (void)f.back_up(Session::Kind::full);
  }
  const std::vector<std::string> packs = f.keys_below(*f.memory, "content/packs/");
  REQUIRE(packs.size() >= 9);
  // In the frames, which structure does not show.
  const std::size_t in_a_frame = runs_encrypted() ? 212 : 108;
  for (const std::string& pack : packs) f.flip(*f.memory, pack, in_a_frame);
  const auto damaged = [&](unsigned percent, std::optional<std::uint64_t> seed) {
    BackupTarget::VerifyOptions options;
    options.read_data = true;
    options.read_percent = percent;
    options.read_seed = seed;
    Result<TargetVerification> verified = f.open(f.memory->share(), "reader").verify(options);
    REQUIRE_OK(verified);
    REQUIRE(verified->packs == packs.size());
    std::set<std::string> keys;
    for (const TargetDamage& damage : verified->damages)
      if (damage.what.find("frame 0") != std::string::npos) keys.insert(damage.key);
    REQUIRE(keys.size() == verified->packs_read);
    return std::pair(keys, verified->read_seed);
  };
  const auto [some, seed] = damaged(30, {});
  REQUIRE(some.size() == (packs.size() * 30 + 99) / 100);
  REQUIRE(damaged(30, seed).first == some);
  REQUIRE(damaged(100, {}).first.size() == packs.size());
  // With more, the same and others.
  const std::set<std::string> more = damaged(60, seed).first;
  REQUIRE(std::includes(more.begin(), more.end(), some.begin(), some.end()));
  std::set<std::string> seen;
  for (int i = 0; i < 200 && seen.size() < packs.size(); ++i) {
    const std::set<std::string> drawn = damaged(20, {}).first;
    seen.insert(drawn.begin(), drawn.end());
  }
  REQUIRE(seen.size() == packs.size());
  BackupTarget::VerifyOptions wrong;
  wrong.read_percent = 0;
  REQUIRE_CODE(f.target->verify(wrong), invalid_argument);
  wrong.read_percent = 101;
  REQUIRE_CODE(f.target->verify(wrong), invalid_argument);
}

}  // namespace restante::test
