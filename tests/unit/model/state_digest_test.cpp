#include <restante/state_digest.hpp>

#include "support/catch.hpp"
#include "unit/model/histories.hpp"

using namespace restante;
using namespace restante::test;

namespace {

DigestKey key() {
  DigestKey key;
  for (std::size_t i = 0; i < key.bytes.size(); ++i) key.bytes[i] = static_cast<std::uint8_t>(i);
  return key;
}

StateDigest digest(const std::vector<Operation>& snapshot, FieldSet fields = FieldSet::all()) {
  Result<StateDigest> digest = digest_of(*stream_of(snapshot), key(), fields);
  REQUIRE_OK(digest);
  return *digest;
}

// The classes in which two snapshots differ.
std::vector<std::string> differing(const std::vector<Operation>& a, const std::vector<Operation>& b,
                                   FieldSet fields = FieldSet::all()) {
  const StateDigest left = digest(a, fields);
  const StateDigest right = digest(b, fields);
  std::vector<std::string> names;
  for (std::size_t c = 0; c < kDigestClasses; ++c)
    if (left.classes[c] != right.classes[c]) names.emplace_back(name_of(static_cast<DigestClass>(c)));
  return names;
}

using Names = std::vector<std::string>;

Message example_message() {
  Message message{.id = "m1", .folder_id = "inbox", .uidvalidity = 7, .uid = 42};
  message.email_id = "e1";
  message.content = content_of(1);
  message.internal_date = Time{1184255991123000};
  message.modseq = 12;
  message.flags = kFlagSeen;
  message.keywords = {"$Forwarded", "work"};
  message.viewer_flags = {{"other", kFlagSeen}};
  return message;
}

Folder example_folder() {
  Folder folder{.id = "inbox", .name = "INBOX", .uidvalidity = 7, .uidnext = 43};
  folder.highest_modseq = 12;
  return folder;
}

// The example of docs/format/state-digest.md.
std::vector<Operation> example() {
  Account account{.id = "account1", .address = "user1@example.com"};
  Item item{.kind = "subscription", .id = "INBOX", .attributes = {{"state", "on"}}};
  return {AccountPut{account},
          FolderPut{example_folder()},
          MessagePut{{example_message()}},
          ItemPut{item},
          HostOp{.host = "example", .name = "reindex", .data = "all"},
          UnknownOperation{1000, false, "x"}};
}

}  // namespace

TEST_CASE("R15: the state digest of the documented example") {
  const auto text = [](FieldSet fields) {
    std::string text;
    const StateDigest sums = digest(example(), fields);
    for (std::size_t c = 0; c < kDigestClasses; ++c)
      text += std::string(name_of(static_cast<DigestClass>(c))) + " " + sums.classes[c].to_string() + "\n";
    return text;
  };
  CHECK(text(FieldSet::all()) ==
        "structure ed007f36122e3fd981bf0b30be9e672cda8b26370393c164f7c6c5c5a03433bc\n"
        "content 009ebcfdc00da12882714f2d2bafd6e393c65ce0e03042aac737d490c5e4e187\n"
        "flags eaa9d778050d793bd4561b67ea867a38cc5b7782c9f47f7742fa01ae3a64e8e3\n"
        "counters 1bd0098fe82f3c980b25c9fee44ce0c7a59b3027b57d920c5e54ca52655cd499\n"
        "items 5c2183bf66bd00b89adffc354b56a20d3a62a8d2cabcd636c0041a57cc18d788\n");
  CHECK(text({Field::uid, Field::internal_date, Field::keywords}) ==
        "structure 77a91f13b2fa8235476982742bf354bcff4dc4093a232be6fd4fefd4c8f227ec\n"
        "content b420bc2ae9011266b2525142092347e5a4f63799b2a6400f3c57fcdf82b08a71\n"
        "flags 6497f25fb24c5dfbe18b0677f06a5f845b8f89e219f344e7f475d3a9f9244c67\n"
        "counters 0000000000000000000000000000000000000000000000000000000000000000\n"
        "items 0000000000000000000000000000000000000000000000000000000000000000\n");
}

TEST_CASE("R15: each class tells of its fields only") {
  const auto changed = [](auto change) {
    Message message = example_message();
    change(message);
    return differing({FolderPut{example_folder()}, MessagePut{{example_message()}}},
                     {FolderPut{example_folder()}, MessagePut{{message}}});
  };
  CHECK(changed([](Message& m) { m.flags = 0; }) == Names{"flags"});
  CHECK(changed([](Message& m) { m.keywords = {"work"}; }) == Names{"flags"});
  CHECK(changed([](Message& m) { m.tags = {"t"}; }) == Names{"flags"});
  CHECK(changed([](Message& m) { m.viewer_flags.clear(); }) == Names{"flags"});
  CHECK(changed([](Message& m) { m.modseq = 13; }) == Names{"counters"});
  CHECK(changed([](Message& m) { m.modseq.reset(); }) == Names{"counters"});
  CHECK(changed([](Message& m) { m.content = content_of(2); }) == Names{"content"});
  CHECK(changed([](Message& m) { m.internal_date.reset(); }) == Names{"content"});
  CHECK(changed([](Message& m) { m.save_date = Time{0}; }) == Names{"content"});
  CHECK(changed([](Message& m) { m.thread_id = "t"; }) == Names{"content"});
  CHECK(changed([](Message& m) { m.uid = 43; }) == Names{"content", "flags", "counters"});
  CHECK(changed([](Message& m) { m.id = "m2"; }) == Names{"content", "flags", "counters"});
  Folder counted = example_folder();
  counted.uidnext = 99;
  CHECK(differing({FolderPut{example_folder()}}, {FolderPut{counted}}) == Names{"counters"});
  Folder renamed = example_folder();
  renamed.name = "other";
  CHECK(differing({FolderPut{example_folder()}}, {FolderPut{renamed}}) == Names{"structure"});
}

TEST_CASE("R15: absent is another value than zero") {
  Folder zero = example_folder();
  zero.uidnext = 0;
  Folder absent = example_folder();
  absent.uidnext.reset();
  CHECK(differing({FolderPut{zero}}, {FolderPut{absent}}) == Names{"counters"});
}

TEST_CASE("R15: a digest depends on its key and sums do not depend on order") {
  std::vector<Operation> backwards = example();
  std::reverse(backwards.begin(), backwards.end());
  CHECK(differing(example(), backwards).empty());
  DigestKey other = key();
  other.bytes[0] = 99;
  const Result<StateDigest> digest_other = digest_of(*stream_of(example()), other);
  REQUIRE_OK(digest_other);
  CHECK(digest(example()) != *digest_other);
}

TEST_CASE("R15: equal messages count as often as they are there") {
  const FieldSet no_ids = FieldSet::all().without({Field::message_id, Field::uid});
  Message copy = example_message();
  copy.id = "m2";
  copy.uid = 43;
  const Operation first = MessagePut{{example_message()}};
  const Operation second = MessagePut{{copy}};
  CHECK(differing({first}, {second}, no_ids).empty());
  CHECK(differing({first}, {first, second}, no_ids) == Names{"content", "flags", "counters"});
}

TEST_CASE("R15: sums are modulo 2^256, little endian") {
  DigestSum one;
  one.bytes[0] = 1;
  DigestSum greatest;
  greatest.bytes.fill(0xff);
  DigestSum sum = greatest;
  CHECK((sum += one) == DigestSum());
  CHECK((sum -= one) == greatest);
  DigestSum carried;
  carried.bytes[0] = 0xff;
  carried += one;
  CHECK(carried.bytes[0] == 0);
  CHECK(carried.bytes[1] == 1);
  CHECK((carried -= one).bytes[0] == 0xff);
}

TEST_CASE("R15: only elements of a snapshot can be summed") {
  StateDigester digester(key());
  REQUIRE_CODE(digester.add(FolderDelete{"f"}), invalid_argument);
  REQUIRE_CODE(digester.add(MessagePut{}), invalid_argument);
  REQUIRE_CODE(digester.remove(Rewind{}), invalid_argument);
  CHECK(digester.account_digest() == StateDigest());
  CHECK(digester.folder_digests().empty());
}

TEST_CASE("R15: a digest kept up to date equals one from scratch") {
  Random random("digest");
  for (int round = 0; round < 60; ++round) {
    const History history = make_history(random, 40);
    const FieldSet fields = random_fields(random);
    StateDigester kept(key(), fields);
    std::vector<Operation> before;
    for (const MailboxState& state : history.states) {
      const std::vector<Operation> now = snapshot_of(state);
      for (const Operation& element : now)
        if (std::find(before.begin(), before.end(), element) == before.end()) REQUIRE_OK(kept.add(element));
      for (const Operation& element : before)
        if (std::find(now.begin(), now.end(), element) == now.end()) REQUIRE_OK(kept.remove(element));
      before = now;
      if (!random.one_in(4)) continue;
      StateDigester fresh(key(), fields);
      for (const Operation& element : now) REQUIRE_OK(fresh.add(element));
      INFO("seed " << test_seed() << ", round " << round << ", fields " << fields.to_string());
      REQUIRE(kept.account_digest() == digest(now, fields));
      REQUIRE(kept.folder_digests() == fresh.folder_digests());
    }
  }
}

TEST_CASE("R15: digests are equal if and only if the states are, in the compared fields") {
  Random random("digest equality");
  int equal = 0;
  for (int round = 0; round < 150; ++round) {
    const History history = make_history(random, 20);
    for (int pair = 0; pair < 8; ++pair) {
      const std::size_t position = random.below(history.states.size());
      const MailboxState& a = history.states[position];
      const MailboxState& b = history.states[std::min(position + random.below(3), history.states.size() - 1)];
      const FieldSet fields = random_fields(random);
      const Masker masker(fields, true);
      const bool same = masker.mask(a) == masker.mask(b);
      equal += same;
      INFO("seed " << test_seed() << ", round " << round << ", fields " << fields.to_string() << "\n"
                   << listing(snapshot_of(a)) << "\n"
                   << listing(snapshot_of(b)));
      REQUIRE((digest(snapshot_of(a), fields) == digest(snapshot_of(b), fields)) == same);
    }
  }
  CHECK(equal > 100);
}
