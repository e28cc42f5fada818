// R11: what is true of targets with keys only. That they do all that others do is shown by running every test
// of this folder on them (sim-encrypted).

#include <set>

#include "crypto/crypto.hpp"
#include "fixture.hpp"
#include "keys/chain.hpp"
#include "keys/key_access.hpp"
#include "target/target_impl.hpp"

namespace restante::test {
namespace {

/// A server, its target, and holders of its keys by name.
class KeyedServer : public Fixture {
 public:
  KeyedServer() {
    target.reset();
    auto fresh = make_memory_storage();
    memory = fresh->share();
    BackupTarget::CreateOptions options;
    options.state_directory = scratch.file("owner-state");
    options.clock = &clock;
    options.keys = key_of("owner");
    Result<BackupTarget> made = BackupTarget::create(std::move(fresh), options);
    REQUIRE_OK(made);
    target.emplace(*std::move(made));
  }

  [[nodiscard]] KeyOptions key_of(const std::string& name) const {
    KeyOptions keys;
    keys.key_file = scratch.file(name + ".key");
    if (!std::filesystem::exists(keys.key_file)) REQUIRE_OK(create_key_file(keys.key_file));
    return keys;
  }
  std::uint32_t add(const std::string& name, KeyRight rights, const Id128& server = {}) {
    NewHolder holder;
    holder.label = name;
    holder.rights = rights;
    holder.server = server;
    holder.key_file = key_of(name).key_file;
    const Result<std::uint32_t> number = target->keys()->add(holder);
    REQUIRE_OK(number);
    return *number;
  }
  [[nodiscard]] Result<BackupTarget> open_as(const std::string& name,
                                             std::unique_ptr<Storage> storage) const {
    BackupTarget::Options options;
    options.state_directory = scratch.file(name + "-state");
    options.clock = &clock;
    options.keys = key_of(name);
    return BackupTarget::open(std::move(storage), options);
  }
  [[nodiscard]] BackupTarget as(const std::string& name) const {
    Result<BackupTarget> opened = open_as(name, memory->share());
    REQUIRE_OK(opened);
    return *std::move(opened);
  }
  Result<SessionInfo> back_up_as(const std::string& name, Session::Kind kind) {
    BackupTarget handle = as(name);
    Result<Session> session = Session::begin(handle, session_options(kind));
    if (!session.ok()) return session.status();
    return session->run();
  }

  void mail() {
    for (const std::string who : {"alice-the-first", "bob-the-second"}) {
      if (!host.mailboxes.contains(who)) create_account(who);
      deliver(who, "Subject: confidential\n\nthe text of " + who + " number " + std::to_string(++delivered_));
    }
  }
  [[nodiscard]] std::vector<std::string> keys_below(const std::string& prefix) const {
    std::vector<std::string> keys;
    REQUIRE_OK(memory->list(prefix, [&](const ObjectInfo& object) {
      keys.push_back(object.key);
      return Status();
    }));
    return keys;
  }
  void require_restores(const BackupTarget& from) {
    for (const auto& [account, mailbox] : host.mailboxes) {
      Result<RestorePlan> plan = RestorePlan::make({from}, nullptr, request_for(account), {});
      REQUIRE_OK(plan);
      REQUIRE_OK(plan->accounts().front().failure);
      auto stream = plan->state(account);
      REQUIRE_OK(stream);
      MailboxState state;
      Operation operation;
      for (;;) {
        const Result<bool> more = (*stream)->next(operation);
        REQUIRE_OK(more);
        if (!*more) break;
        REQUIRE_OK(state.apply(operation));
      }
      REQUIRE(state.messages().size() == mailbox.messages().size());
    }
  }

 private:
  int delivered_ = 0;
};

[[nodiscard]] bool holds(ByteView bytes, std::string_view text) {
  return as_text(bytes).find(text) != std::string_view::npos;
}

}  // namespace

TEST_CASE("R11: a target with keys says neither names, nor addresses, nor texts, nor their digests") {
  KeyedServer f;
  f.mail();
  static_cast<void>(f.back_up(Session::Kind::full));
  f.mail();
  static_cast<void>(f.back_up(Session::Kind::incremental));
  std::set<std::string> digests;
  for (const auto& [digest, bytes] : f.host.contents) digests.insert(std::string(as_text(digest.bytes)));
  REQUIRE(digests.size() == 4);
  std::size_t objects = 0;
  for (const std::string& key : f.keys_below("")) {
    INFO(key);
    ++objects;
    const Bytes bytes = *f.memory->get(key);
    for (const std::string_view secret : {"alice-the-first", "bob-the-second", "@example.com", "INBOX",
                                          "inbox", "confidential", "the text", "server1.example.com"}) {
      INFO(secret);
      REQUIRE_FALSE(holds(bytes, secret));
      REQUIRE_FALSE(holds(as_bytes(key), secret));
    }
    for (const std::string& digest : digests) {
      REQUIRE_FALSE(holds(bytes, digest));
      REQUIRE_FALSE(holds(bytes, to_hex(as_bytes(digest))));
    }
  }
  REQUIRE(objects > 10);
  // What is readable without a key, as docs/threat-model.md says.
  for (const std::string& key : f.keys_below("sessions/"))
    if (key.ends_with("/session.xml")) REQUIRE(holds(*f.memory->get(key), "status=\"completed\""));
  f.require_restores(*f.target);
}

TEST_CASE("R11: a target with keys opens with a key of its own and with no other") {
  KeyedServer f;
  BackupTarget::Options options;
  options.state_directory = f.scratch.file("nobody");
  options.clock = &f.clock;
  const Result<BackupTarget> without = BackupTarget::open(f.memory->share(), options);
  REQUIRE_CODE(without, permission);
  REQUIRE_FALSE(without.status().hint().empty());
  REQUIRE_CODE(f.open_as("stranger", f.memory->share()), invalid_argument);
  const std::uint32_t leaver = f.add("leaver", KeyRight::read);
  REQUIRE_OK(f.open_as("leaver", f.memory->share()));
  REQUIRE_OK(f.target->keys()->remove(leaver));
  REQUIRE_CODE(f.open_as("leaver", f.memory->share()), permission);
  // A target without keys in its place is refused too.
  auto plain = make_memory_storage();
  const auto shared = plain->share();
  REQUIRE_OK(BackupTarget::create(std::move(plain), [&] {
    BackupTarget::CreateOptions made;
    made.state_directory = f.scratch.file("plain");
    made.clock = &f.clock;
    return made;
  }()));
  REQUIRE_CODE(f.open_as("owner", shared->share()), invalid_argument);
}

TEST_CASE("R11: a write-only server backs up, goes on from its fulls, and reads nothing of it") {
  KeyedServer f;
  f.add("server", KeyRight::write, f.server_id);
  f.mail();
  const Result<SessionInfo> full = f.back_up_as("server", Session::Kind::full);
  REQUIRE_OK(full);
  REQUIRE(full->status == SessionStatus::completed);
  f.mail();
  // From another process, which has nothing but the key: no account is read again.
  const Result<SessionInfo> incremental = f.back_up_as("server", Session::Kind::incremental);
  REQUIRE_OK(incremental);
  REQUIRE(incremental->status == SessionStatus::completed);
  for (const SessionAccount& account : incremental->accounts) REQUIRE_FALSE(account.full);
  REQUIRE_OK(f.back_up_as("server", Session::Kind::full));

  const BackupTarget server = f.as("server");
  const Result<std::vector<SessionInfo>> sessions = server.sessions();
  REQUIRE_OK(sessions);
  REQUIRE(sessions->size() == 3);
  for (const SessionInfo& session : *sessions) {
    REQUIRE(session.status == SessionStatus::completed);
    REQUIRE(session.server_name.empty());
    for (const SessionAccount& account : session.accounts)
      REQUIRE_FALSE(holds(as_bytes(account.id), "alice"));
  }
  const Result<RestorePlan> plan =
      RestorePlan::make({server}, &*f.log, Fixture::request_for("alice-the-first"), {});
  REQUIRE_FALSE(plan.ok());
  REQUIRE_CODE(Session::begin(*f.target, f.session_options(Session::Kind::full)).status(), ok);
  REQUIRE_CODE(f.back_up_as("server", Session::Kind::synthetic), permission);
  BackupTarget::RemoveOptions remove;
  remove.label = full->label;
  BackupTarget handle = f.as("server");
  remove.force = true;
  REQUIRE_CODE(handle.remove(remove), permission);
  REQUIRE(handle.sessions()->size() == 3);

  // And its readers find all of it.
  const BackupTarget owner = f.as("owner");
  const Result<TargetVerification> verified = owner.verify({.read_data = true});
  REQUIRE_OK(verified);
  REQUIRE(verified->damages.empty());
  f.require_restores(owner);
}

TEST_CASE("R11: a reader reads and cannot write") {
  KeyedServer f;
  f.add("reader", KeyRight::read);
  f.mail();
  static_cast<void>(f.back_up(Session::Kind::full));
  f.require_restores(f.as("reader"));
  REQUIRE_CODE(f.back_up_as("reader", Session::Kind::full), permission);
  REQUIRE(f.keys_below("sessions_tmp/").empty());
}

TEST_CASE("R11: with keys added and rotated everything stays readable, and nothing is written again") {
  KeyedServer f;
  f.mail();
  static_cast<void>(f.back_up(Session::Kind::full));
  std::map<std::string, Bytes> before;
  for (const std::string& key : f.keys_below("")) before[key] = *f.memory->get(key);
  const std::uint32_t leaver = f.add("leaver", KeyRight::read);
  REQUIRE_OK(f.target->keys()->rotate());
  for (const auto& [key, bytes] : before) {
    INFO(key);
    REQUIRE(*f.memory->get(key) == bytes);
  }
  f.mail();
  static_cast<void>(f.back_up(Session::Kind::incremental));
  f.add("late", KeyRight::read);
  f.require_restores(f.as("late"));
  f.require_restores(f.as("leaver"));
  const BackupTarget left = f.as("leaver");
  REQUIRE_OK(f.target->keys()->remove(leaver));
  f.mail();
  const SessionInfo after = f.back_up(Session::Kind::full);
  // With the keys that it had before, it does not open what was sealed since.
  const Result<TargetVerification> seen = left.verify({});
  REQUIRE_OK(seen);
  REQUIRE_FALSE(seen->damages.empty());
  f.require_restores(f.as("late"));
}

TEST_CASE("R11: sessions of a removed server count up to the last trusted one") {
  KeyedServer f;
  const std::uint32_t server = f.add("server", KeyRight::write, f.server_id);
  f.mail();
  const Result<SessionInfo> good = f.back_up_as("server", Session::Kind::full);
  REQUIRE_OK(good);
  const Result<ChainHead> trusted = f.target->chain_head(server, good->label);
  REQUIRE_OK(trusted);
  f.mail();
  const Result<SessionInfo> bad = f.back_up_as("server", Session::Kind::full);
  REQUIRE_OK(bad);
  REQUIRE_OK(f.target->keys()->remove(server, *trusted));
  const BackupTarget owner = f.as("owner");
  REQUIRE_OK(owner.session(good->label));
  REQUIRE_CODE(owner.session(bad->label), damaged);
}

TEST_CASE("R11: a session in another server's name, or in nobody's, is refused") {
  KeyedServer f;
  Id128 another;
  another.bytes.fill(9);
  f.add("another", KeyRight::write, another);
  f.mail();
  REQUIRE_CODE(f.back_up_as("another", Session::Kind::full), permission);
  // And if its program is made to, nobody believes it.
  const BackupTarget forger = f.as("another");
  target::SessionRecord record;
  record.info.label = "full-20200101.000000.000";
  record.info.server = f.server_id;
  record.info.status = SessionStatus::completed;
  auto publication = f.memory->publication("sessions/" + record.info.label + "/", "sessions_tmp/x/");
  REQUIRE_OK(publication);
  REQUIRE_OK(target::publish_session(TargetAccess::impl(forger), record, **publication));
  REQUIRE_CODE(f.as("owner").session(record.info.label), damaged);
  static_cast<void>(f.back_up(Session::Kind::full));
  const SessionInfo second = f.back_up(Session::Kind::full);
  // The link goes, as whoever holds the storage can make it.
  const std::vector<std::string> links = f.keys_below("chains/00000001/");
  REQUIRE(links.size() >= 2);
  REQUIRE_OK(f.memory->remove(links.back()));
  std::filesystem::remove_all(f.scratch.file("owner-state"));
  const BackupTarget owner = f.as("owner");
  REQUIRE_CODE(owner.session(second.label), damaged);
}

TEST_CASE("R11: a target that was rolled back is noticed by the machine that saw it") {
  KeyedServer f;
  f.mail();
  static_cast<void>(f.back_up(Session::Kind::full));
  const auto old = make_memory_storage();
  for (const std::string& key : f.keys_below("")) REQUIRE_OK(old->put(key, *f.memory->get(key)));
  f.mail();
  static_cast<void>(f.back_up(Session::Kind::incremental));
  REQUIRE_OK(f.target->sessions());
  f.target.reset();
  REQUIRE_OK(f.open_as("owner", f.memory->share()));
  REQUIRE_CODE(f.open_as("owner", old->share()), diverged);
  // A machine that never saw it cannot know.
  std::filesystem::remove_all(f.scratch.file("owner-state"));
  REQUIRE_OK(f.open_as("owner", old->share()));
}

TEST_CASE("R11: objects that change places, or come from another target, are refused") {
  KeyedServer f;
  KeyedServer other;
  for (KeyedServer* server : {&f, &other}) {
    server->mail();
    static_cast<void>(server->back_up(Session::Kind::full));
    server->mail();
    static_cast<void>(server->back_up(Session::Kind::full));
  }
  f.target.reset();
  const auto has_problem = [&] {
    const Result<BackupTarget> opened = f.open_as("owner", f.memory->share());
    if (!opened.ok()) return true;
    const Result<TargetVerification> verified = opened->verify({.read_data = true});
    return !verified.ok() || !verified->damages.empty();
  };
  REQUIRE_FALSE(has_problem());
  for (const std::string prefix : {"sessions/", "redologs/", "content/packs/", "chains/"}) {
    const std::vector<std::string> mine = f.keys_below(prefix);
    const std::vector<std::string> theirs = other.keys_below(prefix);
    for (const std::string& key : mine) {
      const std::string name = key.substr(key.rfind('/') + 1);
      const Bytes whole = *f.memory->get(key);
      const auto refuses = [&](const Bytes& instead) {
        if (instead == whole) return;
        REQUIRE_OK(f.memory->put(key, instead));
        INFO(key);
        REQUIRE(has_problem());
      };
      for (const std::string& from : mine)
        if (from != key && (from.ends_with(name) || prefix != "sessions/")) refuses(*f.memory->get(from));
      if (!theirs.empty()) refuses(*other.memory->get(theirs.front()));
      REQUIRE_OK(f.memory->put(key, whole));
    }
  }
  REQUIRE_FALSE(has_problem());
}

TEST_CASE("R11: a copy is sealed with the keys of where it goes") {
  KeyedServer f;
  f.mail();
  const SessionInfo session = f.back_up(Session::Kind::full);
  KeyedServer elsewhere;
  auto plain_storage = make_memory_storage();
  BackupTarget::CreateOptions options;
  options.state_directory = f.scratch.file("plain-state");
  options.clock = &f.clock;
  Result<BackupTarget> plain = BackupTarget::create(std::move(plain_storage), options);
  REQUIRE_OK(plain);
  BackupTarget::CopyOptions copy;
  copy.label = session.label;
  REQUIRE_OK(f.target->copy_to(*elsewhere.target, copy));
  f.require_restores(*elsewhere.target);
  REQUIRE_OK(elsewhere.target->copy_to(*plain, copy));
  f.require_restores(*plain);
  for (const BackupTarget* target : {&*elsewhere.target, &*plain})
    REQUIRE(target->verify({.read_data = true})->damages.empty());
}

}  // namespace restante::test
