#include <restante/mailbox_state.hpp>

#include "support/catch.hpp"
#include "unit/model/histories.hpp"

using namespace restante;
using namespace restante::test;

namespace {

Operation folder(std::string id, std::uint32_t uidvalidity, std::optional<std::uint32_t> uidnext = {},
                 std::optional<std::uint64_t> modseq = {}) {
  Folder folder{.id = id, .name = id, .uidvalidity = uidvalidity, .uidnext = uidnext};
  folder.highest_modseq = modseq;
  return FolderPut{folder};
}

Message message(std::string id, std::uint32_t uid, std::string folder_id = "f",
                std::uint32_t uidvalidity = 1) {
  return {.id = std::move(id), .folder_id = std::move(folder_id), .uidvalidity = uidvalidity, .uid = uid};
}

Operation put(Message message) { return MessagePut{{std::move(message)}}; }

FlagsUpdate flags(MessageSet set, FlagsUpdate::Mode mode, std::uint32_t bits) {
  return {.folder_id = "f", .uidvalidity = 1, .messages = std::move(set), .mode = mode, .flags = bits};
}

Operation expunge(MessageSet set, std::uint32_t uidvalidity = 1, std::optional<std::uint64_t> modseq = {}) {
  return MessageExpunge{
      .folder_id = "f", .uidvalidity = uidvalidity, .messages = std::move(set), .modseq = modseq};
}

MailboxState replay(const std::vector<Operation>& operations) {
  MailboxState state;
  for (const Operation& operation : operations) REQUIRE_OK(state.apply(operation));
  return state;
}

std::vector<std::string> ids_of(const MailboxState& state) {
  std::vector<std::string> ids;
  for (const auto& [key, message] : state.messages()) ids.push_back(key.second);
  return ids;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("R2: two folders may share a path, and their ids tell them apart") {
  MailboxState state = replay({folder("old", 1), folder("new", 2)});
  Folder twin{.id = "new", .name = "old", .uidvalidity = 2};
  REQUIRE_OK(state.apply(FolderPut{twin}));
  CHECK(state.path_of("old") == "old");
  CHECK(state.path_of("new") == "old");
  REQUIRE_OK(state.apply(FolderDelete{"old"}));
  CHECK(state.folders().size() == 1);
  CHECK(state.folders().contains("new"));
}

TEST_CASE("R2: a message operation of another UIDVALIDITY, or of an absent folder, is void") {
  const MailboxState before = replay({folder("f", 1, 5, 5), put(message("a", 1))});
  for (const Operation& operation : std::vector<Operation>{
           put(message("b", 9, "f", 2)), put(message("b", 9, "absent", 1)), expunge({{1}, {"a"}}, 2, 99),
           FlagsUpdate{
               .folder_id = "f", .uidvalidity = 2, .messages = {{1}, {"a"}}, .flags = 1, .modseq = 99},
           FlagsUpdate{.folder_id = "absent", .uidvalidity = 1, .messages = {{1}, {"a"}}, .flags = 1}}) {
    INFO(describe(operation));
    MailboxState state = before;
    REQUIRE_OK(state.apply(operation));
    CHECK(state == before);
  }
}

TEST_CASE("R2: sets address messages by UID, by id or by both") {
  const std::vector<Operation> base = {folder("f", 1), put(message("a", 1)), put(message("b", 2)),
                                       put(message("c", 3)), put(message("d", 0))};
  const auto after = [&](MessageSet set) {
    MailboxState state = replay(base);
    REQUIRE_OK(state.apply(expunge(std::move(set))));
    return ids_of(state);
  };
  CHECK(after({{1, 3}, {}}) == Ids{"b", "d"});
  CHECK(after({{}, {"b", "d"}}) == Ids{"a", "c"});
  CHECK(after({{1}, {"b"}}) == Ids{"c", "d"});
  CHECK(after({{1}, {"a"}}) == Ids{"b", "c", "d"});
  CHECK(after({{9, 0}, {"x"}}) == Ids{"a", "b", "c", "d"});
}

TEST_CASE("R2: a FolderPut that changes UIDVALIDITY drops the folder's messages") {
  MailboxState state = replay({folder("f", 1, 50, 50), folder("g", 1), put(message("a", 1)),
                               put(message("b", 1, "g")), folder("f", 2, 3, 4)});
  CHECK(ids_of(state) == Ids{"b"});
  CHECK(state.find_uid("f", 1) == nullptr);
  CHECK(state.folders().at("f").uidnext == 3u);
  CHECK(state.folders().at("f").highest_modseq == 4u);
  SECTION("the host puts them again without content of its own") {
    REQUIRE_OK(state.apply(put(message("a", 1, "f", 2))));
    CHECK(ids_of(state) == Ids{"a", "b"});
  }
  SECTION("the first UIDVALIDITY a server assigns counts as another one") {
    MailboxState unassigned = replay({folder("f", 0), put(message("a", 0, "f", 0)), folder("f", 7)});
    CHECK(unassigned.messages().empty());
  }
}

TEST_CASE("R2: FolderDelete removes the folder's messages and the items that name it, children stay") {
  Folder child{.id = "child", .parent_id = "f", .name = "child", .uidvalidity = 1};
  const std::vector<Operation> rest = {folder("fa", 1), put(message("a", 1, "fa")), FolderPut{child},
                                       ItemPut{{.kind = "note", .id = "2", .folder_id = "child"}}};
  std::vector<Operation> all = rest;
  all.push_back(folder("f", 1));
  all.push_back(put(message("a", 1)));
  all.push_back(put(message("b", 0)));
  all.push_back(ItemPut{{.kind = "note", .id = "1", .folder_id = "f"}});
  all.push_back(FolderDelete{"f"});
  MailboxState state = replay(all);
  CHECK(state == replay(rest));
  CHECK(state.path_of("child") == "?/child");
  SECTION("items go even where the folder itself is absent already") {
    REQUIRE_OK(state.apply(ItemPut{{.kind = "note", .id = "1", .folder_id = "f"}}));
    REQUIRE_OK(state.apply(FolderDelete{"f"}));
    CHECK(state == replay(rest));
  }
}

TEST_CASE("R2: operations on absent things succeed and do nothing") {
  const MailboxState before =
      replay({AccountPut{{.id = "account"}}, folder("f", 1, 9), put(message("a", 1))});
  for (const Operation& operation : std::vector<Operation>{
           FolderDelete{"absent"}, ItemDelete{"note", "1"}, expunge({{5}, {"x"}}),
           flags({{5}, {"x"}}, FlagsUpdate::Mode::add, kFlagSeen), Rewind{}, MessagePut{}}) {
    INFO(describe(operation));
    MailboxState state = before;
    REQUIRE_OK(state.apply(operation));
    CHECK(state == before);
  }
}

TEST_CASE("R2: puts replace the whole record") {
  Message first = message("a", 1);
  first.keywords = {"k"};
  first.attributes = {{"x", "y"}};
  first.viewer_flags = {{"v", 1}};
  Item item{.kind = "note", .id = "1", .tags = {"t"}, .attributes = {{"x", "y"}}};
  Folder record{.id = "f", .name = "old", .uidvalidity = 1, .role = "dumpster", .attributes = {{"x", "y"}}};
  MailboxState state = replay({AccountPut{{.id = "account", .name = "old"}}, FolderPut{record}, put(first),
                               ItemPut{item}, AccountPut{{.id = "account"}}, folder("f", 1),
                               put(message("a", 2)), ItemPut{{.kind = "note", .id = "1"}}});
  CHECK(state == replay({AccountPut{{.id = "account"}}, folder("f", 1), put(message("a", 2)),
                         ItemPut{{.kind = "note", .id = "1"}}}));
  CHECK(state.find_uid("f", 1) == nullptr);
  REQUIRE(state.find_uid("f", 2) != nullptr);
  CHECK(state.find_uid("f", 2)->id == "a");
}

TEST_CASE("R2: UIDNEXT and HIGHESTMODSEQ only grow within one UIDVALIDITY") {
  MailboxState state = replay({folder("f", 1, 10, 100)});
  const auto counters = [&] {
    const Folder& f = state.folders().at("f");
    return std::pair(f.uidnext, f.highest_modseq);
  };
  using Counters = decltype(counters());
  REQUIRE_OK(state.apply(folder("f", 1, 4, 40)));
  CHECK(counters() == Counters(10, 100));
  REQUIRE_OK(state.apply(folder("f", 1)));
  CHECK(counters() == Counters(10, 100));
  REQUIRE_OK(state.apply(folder("f", 1, 12, 120)));
  CHECK(counters() == Counters(12, 120));
  SECTION("MessagePut raises them") {
    Message high = message("a", 20);
    high.modseq = 200;
    REQUIRE_OK(state.apply(put(high)));
    CHECK(counters() == Counters(21, 200));
    REQUIRE_OK(state.apply(put(message("b", 3))));
    CHECK(counters() == Counters(21, 200));
  }
  SECTION("MessageExpunge raises them, whether the message is there or not") {
    REQUIRE_OK(state.apply(expunge({{30}, {}}, 1, 300)));
    CHECK(counters() == Counters(31, 300));
  }
  SECTION("FlagsUpdate raises them, whether the message is there or not") {
    FlagsUpdate update = flags({{40}, {}}, FlagsUpdate::Mode::add, 0);
    update.modseq = 400;
    REQUIRE_OK(state.apply(update));
    CHECK(counters() == Counters(41, 400));
  }
  SECTION("another UIDVALIDITY begins anew") {
    REQUIRE_OK(state.apply(folder("f", 2, 1, 1)));
    CHECK(counters() == Counters(1, 1));
  }
  SECTION("the greatest UID has no next one") {
    REQUIRE_OK(state.apply(put(message("a", 0xffffffff))));
    CHECK(counters().first == 0xffffffff);
  }
}

TEST_CASE("R2: counters that are not kept are not invented") {
  Message high = message("a", 20);
  high.modseq = 200;
  const MailboxState state = replay({folder("f", 1), put(high), expunge({{30}, {}}, 1, 300)});
  CHECK_FALSE(state.folders().at("f").uidnext);
  CHECK_FALSE(state.folders().at("f").highest_modseq);
}

TEST_CASE("R2: a message put at a UID that another one has takes its place") {
  MailboxState state = replay({folder("f", 1), put(message("a", 1)), put(message("b", 1))});
  CHECK(ids_of(state) == Ids{"b"});
  CHECK(state.find_uid("f", 1)->id == "b");
  SECTION("two may exchange their UIDs in one operation") {
    REQUIRE_OK(state.apply(MessagePut{{message("b", 2), message("c", 1)}}));
    REQUIRE_OK(state.apply(MessagePut{{message("b", 1), message("c", 2)}}));
    CHECK(ids_of(state) == Ids{"b", "c"});
    CHECK(state.find_uid("f", 1)->id == "b");
    CHECK(state.find_uid("f", 2)->id == "c");
  }
  SECTION("UID 0 is none and displaces nobody") {
    REQUIRE_OK(state.apply(MessagePut{{message("c", 0), message("d", 0)}}));
    CHECK(ids_of(state) == Ids{"b", "c", "d"});
    CHECK(state.find_uid("f", 0) == nullptr);
  }
}

TEST_CASE("R2: FlagsUpdate replaces, adds or removes flags, keywords and tags") {
  Message start = message("a", 1);
  start.flags = kFlagSeen | kFlagDraft;
  start.keywords = {"k1", "k2"};
  start.tags = {"t1"};
  start.modseq = 5;
  const auto after = [&](FlagsUpdate update) {
    MailboxState state = replay({folder("f", 1), put(start)});
    REQUIRE_OK(state.apply(update));
    return state.messages().at({"f", "a"});
  };
  FlagsUpdate update = flags({{1}, {}}, FlagsUpdate::Mode::replace, kFlagFlagged);
  update.keywords = {"k2", "k3"};
  update.tags = {"t2"};
  update.modseq = 9;
  Message expected = start;
  expected.modseq = 9;

  expected.flags = kFlagFlagged;
  expected.keywords = {"k2", "k3"};
  expected.tags = {"t2"};
  CHECK(after(update) == expected);

  update.mode = FlagsUpdate::Mode::add;
  expected.flags = kFlagSeen | kFlagDraft | kFlagFlagged;
  expected.keywords = {"k1", "k2", "k3"};
  expected.tags = {"t1", "t2"};
  CHECK(after(update) == expected);

  update.mode = FlagsUpdate::Mode::remove;
  update.flags = kFlagSeen | kFlagFlagged;
  update.modseq.reset();
  expected.flags = kFlagDraft;
  expected.keywords = {"k1"};
  expected.tags = {"t1"};
  expected.modseq = 5;
  CHECK(after(update) == expected);
}

TEST_CASE("R2: FlagsUpdate of a viewer leaves the owner's flags alone") {
  Message start = message("a", 1);
  start.flags = kFlagDraft;
  start.keywords = {"k"};
  FlagsUpdate update = flags({{1}, {}}, FlagsUpdate::Mode::add, kFlagSeen);
  update.viewer_account = "viewer";
  update.modseq = 9;
  MailboxState state = replay({folder("f", 1), put(start), update});
  Message expected = start;
  expected.viewer_flags = {{"viewer", kFlagSeen}};
  expected.modseq = 9;
  CHECK(state.messages().at({"f", "a"}) == expected);
  SECTION("a viewer without flags is forgotten") {
    update.mode = FlagsUpdate::Mode::remove;
    REQUIRE_OK(state.apply(update));
    expected.viewer_flags.clear();
    CHECK(state.messages().at({"f", "a"}) == expected);
  }
}

TEST_CASE("R2: renaming a parent is one operation") {
  Folder child{.id = "child", .parent_id = "f", .name = "reports", .uidvalidity = 1};
  MailboxState state = replay({folder("f", 1), FolderPut{child}, put(message("a", 1, "child"))});
  CHECK(state.path_of("child") == "f/reports");
  Folder renamed{.id = "f", .name = "work", .uidvalidity = 1};
  REQUIRE_OK(state.apply(FolderPut{renamed}));
  CHECK(state.path_of("child") == "work/reports");
  CHECK(ids_of(state) == Ids{"a"});
  SECTION("a loop ends the path") {
    renamed.parent_id = "child";
    REQUIRE_OK(state.apply(FolderPut{renamed}));
    CHECK(state.path_of("child") == "?/work/reports");
    CHECK(state.path_of("f") == "?/reports/work");
  }
  CHECK(state.path_of("absent") == "?/");
}

TEST_CASE("R2: AccountDelete removes all that the account owns") {
  const MailboxState state = replay({AccountPut{{.id = "account"}}, folder("f", 1), put(message("a", 1)),
                                     ItemPut{{.kind = "note", .id = "1"}}, HostOp{.host = "h", .name = "n"},
                                     UnknownOperation{1000, false, "x"}, AccountDelete{"account"}});
  CHECK(state == MailboxState());
}

TEST_CASE("R2: equal mailboxes are equal values however they came about") {
  Message tidy = message("a", 2);
  tidy.keywords = {"k1", "k2"};
  Message untidy = message("a", 2);
  untidy.keywords = {"k2", "k1", "k2"};
  untidy.viewer_flags = {{"v", 0}};
  const MailboxState direct = replay({folder("f", 1), put(tidy)});
  const MailboxState roundabout =
      replay({folder("f", 1), put(message("b", 2)), put(message("a", 1)), put(message("a", 3)), put(untidy),
              put(message("c", 3)), expunge({{3}, {}})});
  CHECK(direct == roundabout);
}

TEST_CASE("R17: HostOps are kept in order, and an equal one counts once") {
  const HostOp first{.host = "h", .name = "1"};
  const HostOp second{.host = "h", .name = "2"};
  CHECK(replay({first, second}).host_ops() == std::vector<HostOp>{first, second});
  CHECK(replay({first, second, first}).host_ops() == std::vector<HostOp>{second, first});
}

TEST_CASE("R17: an ItemPut or ItemDelete supersedes the HostOps that name the item") {
  const HostOp other{.host = "h", .name = "n", .item_kind = "note", .item_id = "2"};
  const HostOp keyless{.host = "h", .name = "n"};
  const HostOp named{.host = "h", .name = "n", .item_kind = "note", .item_id = "1"};
  MailboxState state = replay({named, other, keyless});
  SECTION("put") { REQUIRE_OK(state.apply(ItemPut{{.kind = "note", .id = "1"}})); }
  SECTION("delete") { REQUIRE_OK(state.apply(ItemDelete{"note", "1"})); }
  CHECK(state.host_ops() == std::vector<HostOp>{other, keyless});
  REQUIRE_OK(state.apply(named));
  CHECK(state.host_ops() == std::vector<HostOp>{other, keyless, named});
}

TEST_CASE("R17: unknown and optional is kept byte for byte") {
  Message record = message("a", 1);
  record.unknown = {{.tag = 100, .required = false, .bytes = std::string("\0\xff", 2)}};
  const UnknownOperation operation{1000, false, std::string("\0x", 2)};
  const MailboxState state = replay({folder("f", 1), put(record), operation});
  CHECK(state.messages().at({"f", "a"}).unknown == record.unknown);
  CHECK(state.unknown_operations() == std::vector<UnknownOperation>{operation});
  CHECK(replay(snapshot_of(state)) == state);
}

TEST_CASE("R17: unknown and required is refused, and nothing has changed") {
  const UnknownFields required = {{.tag = 100, .required = true, .bytes = "x"}};
  Message record = message("b", 2);
  record.unknown = required;
  std::vector<Operation> refused = {UnknownOperation{1000, true, "x"},
                                    AccountPut{{.id = "account", .unknown = required}},
                                    AccountDelete{.account_id = "account", .unknown = required},
                                    FolderPut{{.id = "f", .uidvalidity = 2, .unknown = required}},
                                    FolderDelete{.folder_id = "f", .unknown = required},
                                    MessagePut{{message("c", 3), record}},
                                    MessagePut{.messages = {message("c", 3)}, .unknown = required},
                                    ItemPut{{.kind = "note", .id = "1", .unknown = required}},
                                    ItemDelete{.kind = "note", .id = "0", .unknown = required}};
  refused.push_back(HostOp{.host = "h", .name = "n", .unknown = required});
  refused.push_back(Rewind{.unknown = required});
  MessageExpunge gone{.folder_id = "f", .uidvalidity = 1, .messages = {{1}, {}}, .unknown = required};
  refused.push_back(gone);
  FlagsUpdate update = flags({{1}, {}}, FlagsUpdate::Mode::add, 1);
  update.unknown = required;
  refused.push_back(update);
  const MailboxState before = replay({AccountPut{{.id = "account"}}, folder("f", 1), put(message("a", 1)),
                                      ItemPut{{.kind = "note", .id = "0"}}});
  for (const Operation& operation : refused) {
    INFO(describe(operation));
    MailboxState state = before;
    REQUIRE_CODE(state.apply(operation), unsupported);
    CHECK(state == before);
  }
}

TEST_CASE("a written snapshot is sorted and recreates the state") {
  Random random("snapshot");
  for (int round = 0; round < 300; ++round) {
    INFO("seed " << test_seed() << ", round " << round);
    HistoryMaker maker(random);
    for (int i = 0; i < 40; ++i) maker.step();
    const std::vector<Operation> snapshot = snapshot_of(maker.state());
    MailboxState again;
    for (const Operation& element : snapshot) {
      REQUIRE_OK(again.apply(element));
      REQUIRE_OK(again.apply(element));  // each operation is idempotent
    }
    REQUIRE(again == maker.state());
  }
}

namespace {

// A mailbox read element by element, each at a moment of its own in [begin, end], while the server went on.
MailboxState read_while_running(const History& history, std::size_t begin, std::size_t end, Random& random,
                                std::vector<Operation>& elements) {
  const auto moment = [&]() -> const MailboxState& { return history.states[random.between(begin, end)]; };
  std::set<std::string> folders;
  std::set<MessageKey> messages;
  std::set<ItemKey> items;
  for (std::size_t i = begin; i <= end; ++i) {
    for (const auto& [id, folder] : history.states[i].folders()) folders.insert(id);
    for (const auto& [key, message] : history.states[i].messages()) messages.insert(key);
    for (const auto& [key, item] : history.states[i].items()) items.insert(key);
  }
  if (const auto& account = moment().account()) elements.push_back(AccountPut{*account});
  for (const std::string& id : folders) {
    const auto& there = moment().folders();
    if (const auto found = there.find(id); found != there.end()) elements.push_back(FolderPut{found->second});
  }
  for (const MessageKey& key : messages) {
    const auto& there = moment().messages();
    if (const auto found = there.find(key); found != there.end())
      elements.push_back(MessagePut{{found->second}});
  }
  for (const ItemKey& key : items) {
    const auto& there = moment().items();
    if (const auto found = there.find(key); found != there.end()) elements.push_back(ItemPut{found->second});
  }
  for (const HostOp& operation : moment().host_ops()) elements.push_back(operation);
  for (const UnknownOperation& operation : moment().unknown_operations()) elements.push_back(operation);
  return replay(elements);
}

}  // namespace

TEST_CASE("R2: for every history and every interleaved snapshot, the replay equals the oracle") {
  Random random("convergence");
  const int rounds = long_tests() ? 20000 : 500;
  for (int round = 0; round < rounds; ++round) {
    const History history = make_history(random, 10 + random.below(40));
    for (int reading = 0; reading < 3; ++reading) {
      const std::size_t begin = random.below(history.states.size());
      const std::size_t end = random.between(begin, history.states.size() - 1);
      std::vector<Operation> elements;
      MailboxState state = read_while_running(history, begin, end, random, elements);
      INFO("seed " << test_seed() << ", round " << round << ", read from " << begin << " to " << end);
      for (std::size_t i = begin; i < history.log.size(); ++i) {
        if (i == end) REQUIRE(state == history.states[end]);
        REQUIRE_OK(state.apply(history.log[i]));
      }
      REQUIRE(state == history.states.back());
      // The same by folding, as a full without the server does it.
      OpVector folded;
      const std::vector<Operation> change(history.log.begin() + static_cast<std::ptrdiff_t>(begin),
                                          history.log.begin() + static_cast<std::ptrdiff_t>(end));
      REQUIRE_OK(fold(*stream_of(elements), change, folded));
      REQUIRE(folded.operations == snapshot_of(history.states[end]));
    }
  }
}

TEST_CASE("R2: a history replayed over a later state of itself ends in the same state") {
  Random random("again");
  for (int round = 0; round < 300; ++round) {
    const History history = make_history(random, 10 + random.below(40));
    const std::size_t begin = random.below(history.states.size());
    MailboxState state = history.states.back();
    for (std::size_t i = begin; i < history.log.size(); ++i) REQUIRE_OK(state.apply(history.log[i]));
    INFO("seed " << test_seed() << ", round " << round << ", again from " << begin);
    REQUIRE(state == history.states.back());
  }
}
