// A target with damaged packs is mended from what is left of them, from the store and from another target.

#include <restante/repair.hpp>

#include <algorithm>
#include <set>

#include "fixture.hpp"

namespace restante::test {
namespace {

struct Damaged : Fixture {
  Damaged() : random("repairs") {
    create_account("alice");
    create_account("bob");
  }
  void mail() {
    for (int i = 0; i < 4; ++i) (void)deliver("alice", random.text(700));
    (void)deliver("bob", random.text(900));
  }
  [[nodiscard]] std::vector<std::string> packs() {
    std::vector<std::string> keys;
    REQUIRE_OK(memory->list("content/packs/", [&](const ObjectInfo& object) -> Status {
      keys.push_back(object.key);
      return {};
    }));
    return keys;
  }
  // In the middle of the frames, or so that not even the index is left.
  void damage(const std::string& key, bool cut) {
    Bytes bytes = *memory->get(key);
    if (cut)
      bytes.resize(100);
    else
      bytes[200] ^= 0x10;
    REQUIRE_OK(memory->put(key, bytes));
  }
  void open_again() {
    target.reset();
    const auto options = target_options(scratch, "state", clock);
    Result<BackupTarget> opened = BackupTarget::open(memory->share(), options);
    REQUIRE_OK(opened);
    target.emplace(*std::move(opened));
  }
  [[nodiscard]] std::vector<TargetDamage> damages() {
    const Result<TargetVerification> verified =
        target->verify({.label = {}, .read_data = true, .cancel = {}, .progress = {}});
    REQUIRE_OK(verified);
    return verified->damages;
  }
  [[nodiscard]] Repair mend(const RepairOptions& options) {
    Result<Repair> done = repair(*target, options);
    REQUIRE_OK(done);
    return *std::move(done);
  }
  [[nodiscard]] RepairOptions from_store() {
    RepairOptions options;
    options.source = &host;
    options.log = &*log;
    return options;
  }
  void require_restores(const std::string& account, const std::string& label, const std::string& wanted) {
    RestoreRequest request = request_for(account);
    request.label = label;
    request.prefix = "again-";
    Result<RestorePlan> made = RestorePlan::make({*target}, nullptr, request, into());
    REQUIRE_OK(made);
    const Result<RestoreReport> report = made->execute();
    REQUIRE_OK(report);
    REQUIRE_OK(report->status);
    REQUIRE(texts(report->accounts.at(0).into_id) == wanted);
  }
  Random random;
};

}  // namespace

TEST_CASE("a target that is whole needs no repair, and nothing in it changes") {
  Damaged f;
  f.mail();
  (void)f.back_up(Session::Kind::full);
  const std::vector<std::string> before = f.packs();
  const Repair done = f.mend(f.from_store());
  REQUIRE(done.moved + done.from_store + done.from_targets + done.segments + done.packs == 0);
  REQUIRE(done.lost.empty());
  REQUIRE(done.repaired.empty());
  REQUIRE(done.damages.empty());
  REQUIRE(done.pending.empty());
  REQUIRE(f.packs() == before);
}

TEST_CASE("damaged packs are mended from the store: the target is whole, restores, and collects again") {
  for (const bool cut : {false, true}) {
    INFO((cut ? "cut off" : "one bit"));
    Damaged f;
    f.mail();
    const SessionInfo session = f.back_up(Session::Kind::full);
    const std::string alice = f.texts("alice");
    for (const std::string& key : f.packs()) f.damage(key, cut);
    f.open_again();
    REQUIRE_FALSE(f.damages().empty());

    RepairOptions dry = f.from_store();
    dry.dry_run = true;
    const std::vector<std::string> before = f.packs();
    const Repair said = f.mend(dry);
    REQUIRE(f.packs() == before);
    REQUIRE_FALSE(f.damages().empty());

    const Repair done = f.mend(f.from_store());
    REQUIRE(done.lost.empty());
    REQUIRE(done.damages.empty());
    REQUIRE(done.pending.empty());
    REQUIRE(done.from_store > 0);
    REQUIRE(said.from_store == done.from_store);
    REQUIRE(said.repaired.size() == done.repaired.size());
    REQUIRE(done.packs == before.size());
    REQUIRE(f.damages().empty());
    f.require_restores("alice", session.label, alice);

    // Collecting goes on.
    f.mail();
    const SessionInfo second = f.back_up(Session::Kind::full);
    BackupTarget::RemoveOptions options;
    options.label = session.label;
    options.log = &*f.log;
    const Result<BackupTarget::Removal> removal = f.target->remove(options);
    REQUIRE_OK(removal);
    REQUIRE(removal->pending.empty());
    REQUIRE(f.damages().empty());
    REQUIRE(second.status == SessionStatus::completed);
  }
}

TEST_CASE("what nobody has is listed by account, session, folder, UID and message id") {
  Damaged f;
  f.mail();
  const SessionInfo session = f.back_up(Session::Kind::full);
  const std::vector<std::string> first_packs = f.packs();
  // The store has all but one of them still.
  const auto& messages = f.host.mailboxes.at("alice").messages();
  const Message gone = messages.begin()->second;
  f.host.contents.erase(gone.content->digest);
  for (const std::string& key : first_packs) f.damage(key, true);
  f.open_again();
  const Repair done = f.mend(f.from_store());
  REQUIRE_FALSE(done.lost.empty());
  std::set<std::string> places;
  for (const LostContent& lost : done.lost) {
    REQUIRE(lost.account_id == "alice");
    REQUIRE(lost.uid == gone.uid);
    REQUIRE(lost.message_id == gone.id);
    REQUIRE(lost.repaired_from.empty());
    places.insert(lost.place);
    if (lost.place != session.label) continue;
    REQUIRE(lost.address == "alice@example.com");
    REQUIRE(lost.folder == "INBOX");
  }
  // In the session, and in the archived segment that brought it.
  REQUIRE(places.size() == 2);
  REQUIRE(places.contains(session.label));
  REQUIRE_FALSE(done.pending.empty());
  REQUIRE(done.packs == 0);
  for (const LostContent& repaired : done.repaired) REQUIRE(repaired.repaired_from == "store");
  // bob restores whatever became of alice.
  f.require_restores("bob", session.label, f.texts("bob"));
}

TEST_CASE("damaged packs and segments are mended from another target") {
  Damaged f;
  f.mail();
  const SessionInfo first = f.back_up(Session::Kind::full);
  f.mail();
  const SessionInfo later = f.back_up(Session::Kind::full);
  const std::string alice = f.texts("alice");
  const auto options = target_options<BackupTarget::CreateOptions>(f.scratch, "other", f.clock);
  Result<BackupTarget> other = BackupTarget::create(make_memory_storage(), options);
  REQUIRE_OK(other);
  BackupTarget::CopyOptions copy;
  copy.label = first.label;
  REQUIRE_OK(f.target->copy_to(*other, copy));
  copy.label = later.label;
  REQUIRE_OK(f.target->copy_to(*other, copy));
  for (const std::string& key : f.packs()) f.damage(key, true);
  std::string segment;
  REQUIRE_OK(f.memory->list("redologs/", [&](const ObjectInfo& object) -> Status {
    segment = object.key;
    return {};
  }));
  Bytes bytes = *f.memory->get(segment);
  bytes[bytes.size() / 2] ^= 0x10;
  REQUIRE_OK(f.memory->put(segment, bytes));
  f.open_again();

  RepairOptions wrong;
  wrong.from = {*f.target};
  REQUIRE_CODE(repair(*f.target, wrong), invalid_argument);
  RepairOptions from;
  from.from = {*other};
  const Repair done = f.mend(from);
  for (const LostContent& lost : done.lost) FAIL(lost.place << " " << lost.message_id);
  for (const TargetDamage& damage : done.damages) FAIL(damage.key << ": " << damage.what);
  REQUIRE(done.from_targets == 11);  // and the server's own
  REQUIRE(done.segments == 1);
  REQUIRE(done.pending.empty());
  REQUIRE(f.damages().empty());
  f.require_restores("alice", later.label, alice);
}

TEST_CASE("repair leaves damaged packs to sessions that run, and a later one takes them") {
  Damaged f;
  f.mail();
  (void)f.back_up(Session::Kind::full);
  for (const std::string& key : f.packs()) f.damage(key, false);
  f.open_again();
  std::optional<Repair> meanwhile;
  f.host.interleave = [&](std::string_view) {
    if (!meanwhile) meanwhile = f.mend(f.from_store());
  };
  (void)f.back_up(Session::Kind::full);
  f.host.interleave = nullptr;
  REQUIRE(meanwhile);
  REQUIRE(meanwhile->pending.find("is running") != std::string::npos);
  REQUIRE(meanwhile->packs == 0);
  const Repair rest = f.mend(f.from_store());
  REQUIRE(rest.pending.empty());
  REQUIRE(rest.packs > 0);
  REQUIRE(f.damages().empty());
}

}  // namespace restante::test
