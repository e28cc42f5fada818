#include <restante/mailbox_state.hpp>

#include "support/catch.hpp"
#include "unit/model/histories.hpp"

using namespace restante;
using namespace restante::test;

namespace {

struct Answer {
  DifferenceSummary summary;
  std::vector<Operation> operations;
};

Answer difference_of(const std::vector<Operation>& from, const std::vector<Operation>& to,
                     FieldSet fields = FieldSet::all()) {
  OpVector out;
  Result<DifferenceSummary> summary = difference(*stream_of(from), *stream_of(to), out, {fields});
  REQUIRE_OK(summary);
  return {*summary, std::move(out.operations)};
}

MailboxState applied(MailboxState state, const std::vector<Operation>& operations) {
  for (const Operation& operation : operations) REQUIRE_OK(state.apply(operation));
  return state;
}

Operation folder(std::string id, std::uint32_t uidvalidity = 1, std::string parent = "") {
  return FolderPut{{.id = id, .parent_id = std::move(parent), .name = id, .uidvalidity = uidvalidity}};
}

Message message(std::string id, std::uint32_t uid, std::uint64_t content = 0) {
  return {
      .id = std::move(id), .folder_id = "f", .uidvalidity = 1, .uid = uid, .content = content_of(content)};
}

Operation put(Message message) { return MessagePut{{std::move(message)}}; }

const FieldSet kNoIds = FieldSet::all().without({Field::message_id});

// Where a counter is compared, it is the greater one of both sides; nothing more can be had.
void require_counters(const MailboxState& from, const MailboxState& to, const MailboxState& result,
                      FieldSet fields) {
  for (const auto& [id, folder] : result.folders()) {
    const Folder& wanted = to.folders().at(id);
    const auto before = from.folders().find(id);
    const bool same = before != from.folders().end() && before->second.uidvalidity == folder.uidvalidity;
    if (fields.has(Field::uidnext) && fields.has(Field::uid) && wanted.uidnext)
      REQUIRE(folder.uidnext == (same ? std::max(before->second.uidnext, wanted.uidnext) : wanted.uidnext));
    if (fields.has(Field::modseq) && wanted.highest_modseq)
      REQUIRE(folder.highest_modseq == (same ? std::max(before->second.highest_modseq, wanted.highest_modseq)
                                             : wanted.highest_modseq));
    if (same) REQUIRE(folder.uidnext >= before->second.uidnext);
    if (same) REQUIRE(folder.highest_modseq >= before->second.highest_modseq);
  }
}

// HostOps that cannot be taken back may be left over.
MailboxState without_host_operations(const MailboxState& state) {
  MailboxState result;
  for (const Operation& element : snapshot_of(state)) {
    if (std::holds_alternative<HostOp>(element) || std::holds_alternative<UnknownOperation>(element))
      continue;
    REQUIRE_OK(result.apply(element));
  }
  return result;
}

template <class T>
bool is_subsequence(const std::vector<T>& part, const std::vector<T>& whole) {
  auto place = whole.begin();
  for (const T& value : part) {
    place = std::find(place, whole.end(), value);
    if (place == whole.end()) return false;
    ++place;
  }
  return true;
}

void require_round_trip(const MailboxState& from, const MailboxState& to, FieldSet fields) {
  const Answer answer = difference_of(snapshot_of(from), snapshot_of(to), fields);
  INFO("fields: " << fields.to_string() << "\nfrom:\n"
                  << listing(snapshot_of(from)) << "to:\n"
                  << listing(snapshot_of(to)) << "operations:\n"
                  << listing(answer.operations));
  const MailboxState result = applied(from, answer.operations);
  const Masker masker(fields, false);
  REQUIRE(masker.mask(without_host_operations(result)) == masker.mask(without_host_operations(to)));
  require_counters(from, to, result, fields);
  if (fields.has(Field::items)) {
    REQUIRE(is_subsequence(to.host_ops(), result.host_ops()));
    REQUIRE(is_subsequence(to.unknown_operations(), result.unknown_operations()));
    REQUIRE(result.host_ops().size() + result.unknown_operations().size() ==
            to.host_ops().size() + to.unknown_operations().size() + answer.summary.host_operations_left);
  } else {
    REQUIRE(answer.summary.host_operations == 0);
  }
  if (answer.summary.host_operations_left == 0) REQUIRE(answer.summary.none() == answer.operations.empty());
  // Nothing is left to do.
  const Answer again = difference_of(snapshot_of(result), snapshot_of(to), fields);
  INFO("and again:\n" << listing(again.operations));
  REQUIRE(again.operations.empty());
}

// Counted in another way, for states with stable ids.
DifferenceCounts count(const MailboxState& from, const MailboxState& to) {
  DifferenceCounts counts;
  for (const auto& [key, message] : to.messages()) {
    const auto found = from.messages().find(key);
    if (found == from.messages().end()) {
      ++counts.added;
      continue;
    }
    Message flags = found->second;
    flags.flags = message.flags;
    flags.keywords = message.keywords;
    flags.tags = message.tags;
    Message flags_and_modseq = flags;
    if (message.modseq) flags_and_modseq.modseq = message.modseq;
    if (found->second == message)
      ++counts.unchanged;
    else if (flags != found->second && flags_and_modseq == message)
      ++counts.flags_changed;
    else
      ++counts.changed;
  }
  for (const auto& [key, message] : from.messages()) counts.removed += !to.messages().contains(key);
  return counts;
}

}  // namespace

TEST_CASE("difference: what has changed is told by the smallest operation") {
  const Message kept = message("kept", 1);
  Message read = message("read", 2);
  const Message moved = message("moved", 3);
  const Message gone = message("gone", 4);
  const std::vector<Operation> from = {folder("f"), put(gone), put(kept), put(moved), put(read)};
  Message now_read = read;
  now_read.flags = kFlagSeen;
  now_read.modseq = 9;
  Message renumbered = moved;
  renumbered.uid = 8;
  const Message fresh = message("new", 9);
  const std::vector<Operation> to = {folder("f"), put(kept), put(renumbered), put(fresh), put(now_read)};
  const Answer answer = difference_of(from, to);
  const FlagsUpdate update{
      .folder_id = "f", .uidvalidity = 1, .messages = {{}, {"read"}}, .flags = kFlagSeen, .modseq = 9};
  const MessageExpunge expunge{.folder_id = "f", .uidvalidity = 1, .messages = {{}, {"gone"}}};
  CHECK(answer.operations == std::vector<Operation>{put(renumbered), put(fresh), expunge, update});
  const DifferenceCounts counts{.added = 1, .removed = 1, .flags_changed = 1, .changed = 1, .unchanged = 1};
  CHECK(answer.summary.messages == counts);
  REQUIRE(answer.summary.folders.size() == 1);
  CHECK(answer.summary.folders[0].path == "f");
  CHECK(answer.summary.folders[0].messages == counts);
  CHECK_FALSE(answer.summary.none());
  CHECK(difference_of(to, to).summary.none());
}

TEST_CASE("difference: parents come before their children, folders go last, children first") {
  const std::vector<Operation> tree = {folder("a", 1, "b"), folder("b", 1, "c"), folder("c"),
                                       folder("f", 1, "a"), put(message("m", 1))};
  const Answer created = difference_of({}, tree);
  CHECK(created.operations == std::vector<Operation>{folder("c"), folder("b", 1, "c"), folder("a", 1, "b"),
                                                     folder("f", 1, "a"), put(message("m", 1))});
  REQUIRE(created.summary.folders.size() == 4);
  CHECK(created.summary.folders[3].path == "c/b/a/f");
  CHECK(created.summary.folders[3].created);
  CHECK(created.summary.folders[3].messages.added == 1);
  const Answer deleted = difference_of(tree, {});
  CHECK(deleted.operations ==
        std::vector<Operation>{FolderDelete{"f"}, FolderDelete{"a"}, FolderDelete{"b"}, FolderDelete{"c"}});
  CHECK(deleted.summary.folders[3].path == "c/b/a/f");
  CHECK(deleted.summary.folders[3].deleted);
  CHECK(deleted.summary.messages.removed == 1);
}

TEST_CASE("difference: a renamed folder is named by both paths") {
  Folder renamed{.id = "f", .name = "work", .uidvalidity = 1};
  const Answer answer =
      difference_of({folder("f"), put(message("m", 1))}, {FolderPut{renamed}, put(message("m", 1))});
  CHECK(answer.operations == std::vector<Operation>{FolderPut{renamed}});
  REQUIRE(answer.summary.folders.size() == 1);
  CHECK(answer.summary.folders[0].path == "work");
  CHECK(answer.summary.folders[0].old_path == "f");
  CHECK(answer.summary.folders[0].properties_changed);
  CHECK_FALSE(answer.summary.folders[0].counters_changed);
  CHECK(answer.summary.messages.unchanged == 1);
}

TEST_CASE("R2: difference puts all messages again where UIDVALIDITY changes") {
  Message again = message("a", 1);
  again.uidvalidity = 2;
  const Answer answer = difference_of({folder("f", 1), put(message("a", 1)), put(message("b", 2))},
                                      {folder("f", 2), put(again)});
  CHECK(answer.operations == std::vector<Operation>{folder("f", 2), put(again)});
  CHECK(answer.summary.messages == DifferenceCounts{.removed = 1, .changed = 1});
}

TEST_CASE("R2: counters that would have to fall are no difference") {
  const auto with_uidnext = [](std::uint32_t uidnext) {
    return std::vector<Operation>{FolderPut{{.id = "f", .name = "f", .uidvalidity = 1, .uidnext = uidnext}}};
  };
  CHECK(difference_of(with_uidnext(9), with_uidnext(5)).summary.none());
  const Answer grown = difference_of(with_uidnext(5), with_uidnext(9));
  CHECK(grown.operations == with_uidnext(9));
  REQUIRE(grown.summary.folders.size() == 1);
  CHECK(grown.summary.folders[0].counters_changed);
  CHECK_FALSE(grown.summary.folders[0].properties_changed);
}

TEST_CASE("R15: fields that are not compared stay as they are") {
  Message from = message("a", 1);
  from.email_id = "kept";
  from.keywords = {"kept"};
  from.modseq = 5;
  Message to = message("a", 7, 3);
  to.keywords = {"other"};
  const FieldSet fields =
      FieldSet::all().without({Field::uid, Field::email_id, Field::keywords, Field::modseq, Field::items});
  const Answer answer = difference_of({folder("f", 1), put(from), ItemPut{{.kind = "k", .id = "1"}}},
                                      {folder("f", 7),
                                       [&] {
                                         to.uidvalidity = 7;
                                         return put(to);
                                       }()},
                                      fields);
  Message expected = from;
  expected.content = to.content;
  CHECK(answer.operations == std::vector<Operation>{put(expected)});
  CHECK(answer.summary.items.none());
  SECTION("a message that is new gets no UID of the other side's numbering") {
    Message fresh = message("b", 1);
    fresh.uidvalidity = 7;
    const Answer added = difference_of({folder("f", 1), put(from)},
                                       {folder("f", 7), put([&] {
                                          Message same = from;
                                          same.uidvalidity = 7;
                                          return same;
                                        }()),
                                        put(fresh)},
                                       fields);
    fresh.uid = 0;
    fresh.uidvalidity = 1;
    CHECK(added.operations == std::vector<Operation>{put(fresh)});
  }
}

TEST_CASE("difference: content that was not read yet is no change") {
  Message unread = message("a", 1);
  unread.content.reset();
  CHECK(difference_of({folder("f"), put(message("a", 1))}, {folder("f"), put(unread)}).summary.none());
  CHECK(difference_of({folder("f"), put(unread)}, {folder("f"), put(message("a", 1))}).summary.none());
  // What changes otherwise is put with the content that is known.
  Message changed = message("a", 1);
  changed.attributes["x"] = "y";
  const Answer known = difference_of({folder("f"), put(unread)}, {folder("f"), put(changed)});
  CHECK(known.operations == std::vector<Operation>{put(changed)});
}

TEST_CASE("R15: messages without stable ids are paired by content and date, one to one") {
  const auto dated = [](std::string id, std::uint32_t uid, std::uint64_t content, std::int64_t date) {
    Message m = message(std::move(id), uid, content);
    m.internal_date = Time{date};
    return m;
  };
  SECTION("the same message under another id is unchanged") {
    const Answer answer = difference_of({folder("f"), put(dated("a", 1, 5, 9))},
                                        {folder("f"), put(dated("z", 1, 5, 9))}, kNoIds);
    CHECK(answer.summary.none());
    CHECK(answer.summary.messages.unchanged == 1);
  }
  SECTION("other flags are set at the id that is there") {
    Message read = dated("z", 1, 5, 9);
    read.flags = kFlagSeen;
    const Answer answer =
        difference_of({folder("f"), put(dated("a", 1, 5, 9))}, {folder("f"), put(read)}, kNoIds);
    const FlagsUpdate update{.folder_id = "f", .uidvalidity = 1, .messages = {{}, {"a"}}, .flags = kFlagSeen};
    CHECK(answer.operations == std::vector<Operation>{update});
  }
  SECTION("another date is another message, unless dates are not compared") {
    const std::vector<Operation> from = {folder("f"), put(dated("a", 1, 5, 9))};
    const std::vector<Operation> to = {folder("f"), put(dated("z", 1, 5, 8))};
    CHECK(difference_of(from, to, kNoIds).summary.messages == DifferenceCounts{.added = 1, .removed = 1});
    CHECK(difference_of(from, to, kNoIds.without({Field::internal_date})).summary.none());
  }
  SECTION(
      "copies are paired with the one of the same UID, then with the same flags; the rest goes or comes") {
    Message read = dated("b", 2, 5, 9);
    read.flags = kFlagSeen;
    Message read_too = dated("x", 3, 5, 9);
    read_too.flags = kFlagSeen;
    const std::vector<Operation> from = {folder("f"), put(dated("a", 1, 5, 9)), put(read)};
    const std::vector<Operation> to = {folder("f"), put(read_too), put(dated("y", 1, 5, 9)),
                                       put(dated("z", 4, 5, 9))};
    const Answer answer = difference_of(from, to, kNoIds.without({Field::uid}));
    CHECK(answer.summary.messages == DifferenceCounts{.added = 1, .unchanged = 2});
  }
  SECTION("a message without content is paired with none") {
    Message empty = message("a", 1);
    empty.content.reset();
    Message other = empty;
    other.id = "b";
    const Answer answer = difference_of({folder("f"), put(empty)}, {folder("f"), put(other)}, kNoIds);
    CHECK(answer.summary.messages == DifferenceCounts{.added = 1, .removed = 1});
  }
  SECTION("ids are looked at first") {
    const Answer answer = difference_of({folder("f"), put(dated("a", 1, 5, 9)), put(dated("b", 2, 5, 9))},
                                        {folder("f"), put(dated("b", 2, 5, 9))}, kNoIds);
    const MessageExpunge expunge{.folder_id = "f", .uidvalidity = 1, .messages = {{}, {"a"}}};
    CHECK(answer.operations == std::vector<Operation>{expunge});
  }
}

TEST_CASE("difference: expunges and equal flag updates go together, in batches") {
  std::vector<Operation> from = {folder("f")};
  std::vector<Operation> read = {folder("f")};
  for (int i = 0; i < 2500; ++i) {
    Message m = message(std::to_string(10000 + i), static_cast<std::uint32_t>(1 + i));
    from.push_back(put(m));
    m.flags = kFlagSeen;
    read.push_back(put(m));
  }
  const Answer gone = difference_of(from, {folder("f")});
  REQUIRE(gone.operations.size() == 3);
  CHECK(std::get<MessageExpunge>(gone.operations[0]).messages.message_ids.size() == 1000);
  CHECK(std::get<MessageExpunge>(gone.operations[2]).messages.message_ids.size() == 500);
  const Answer flags = difference_of(from, read);
  REQUIRE(flags.operations.size() == 3);
  CHECK(std::get<FlagsUpdate>(flags.operations[0]).messages.message_ids.size() == 1000);
  CHECK(std::get<FlagsUpdate>(flags.operations[2]).messages.message_ids.size() == 500);
}

TEST_CASE("difference: items that name a folder which goes are put again behind it") {
  const Item stays{.kind = "note", .id = "1", .folder_id = "f"};
  const Item goes{.kind = "note", .id = "2", .folder_id = "f"};
  const Answer answer = difference_of({folder("f"), ItemPut{stays}, ItemPut{goes}}, {ItemPut{stays}});
  CHECK(answer.operations == std::vector<Operation>{FolderDelete{"f"}, ItemPut{stays}});
  CHECK(answer.summary.items == DifferenceCounts{.removed = 1, .unchanged = 1});
}

TEST_CASE("R17: difference takes back a HostOp by writing its item again, and performs those that lack") {
  const Item item{.kind = "note", .id = "1"};
  const HostOp on_item{.host = "h", .name = "n", .item_kind = "note", .item_id = "1"};
  const HostOp on_none{.host = "h", .name = "n", .item_kind = "note", .item_id = "2"};
  const HostOp keyless{.host = "h", .name = "n"};
  SECTION("with its item") {
    const Answer answer = difference_of({ItemPut{item}, on_item}, {ItemPut{item}});
    CHECK(answer.operations == std::vector<Operation>{ItemPut{item}});
    CHECK(answer.summary.items == DifferenceCounts{.changed = 1});
  }
  SECTION("without an item") {
    const Answer answer = difference_of({on_none}, {});
    CHECK(answer.operations == std::vector<Operation>{ItemDelete{"note", "2"}});
    CHECK(answer.summary.host_operations == 1);
  }
  SECTION("one that names no item is left and told") {
    const Answer answer = difference_of({keyless}, {});
    CHECK(answer.operations.empty());
    CHECK(answer.summary.host_operations_left == 1);
    CHECK_FALSE(answer.summary.none());
  }
  SECTION("an item that is written has its HostOps performed again") {
    Item other = item;
    other.flags = 1;
    const Answer answer =
        difference_of({ItemPut{item}, on_item, keyless}, {ItemPut{other}, on_item, keyless});
    CHECK(answer.operations == std::vector<Operation>{ItemPut{other}, on_item, keyless});
  }
}

TEST_CASE("difference: an account that only `from` has is replaced by all of `to`") {
  const std::vector<Operation> from = {AccountPut{{.id = "account"}}, folder("f"), put(message("a", 1)),
                                       HostOp{.host = "h", .name = "n"}};
  const Answer gone = difference_of(from, {});
  CHECK(gone.operations.front() == Operation(AccountDelete{"account"}));
  CHECK(applied(applied({}, from), gone.operations) == MailboxState());
  const std::vector<Operation> to = {folder("f"), put(message("a", 1))};
  const Answer replaced = difference_of(from, to);
  CHECK(snapshot_of(applied(applied({}, from), replaced.operations)) == to);
  CHECK(replaced.summary.account_changed);
}

TEST_CASE("difference: an unsorted input is damaged, what is unknown and required is unsupported") {
  OpVector out;
  const std::vector<Operation> unsorted = {folder("g"), folder("f")};
  const std::vector<Operation> unknown = {UnknownOperation{1000, true, ""}};
  const std::vector<Operation> fine = {folder("f")};
  REQUIRE_CODE(difference(*stream_of(unsorted), *stream_of(fine), out), damaged);
  REQUIRE_CODE(difference(*stream_of(fine), *stream_of(unsorted), out), damaged);
  REQUIRE_CODE(difference(*stream_of(unknown), *stream_of(fine), out), unsupported);
  REQUIRE_CODE(difference(*stream_of(fine), *stream_of(unknown), out), unsupported);
}

TEST_CASE("R15: applying the difference gives the other state in all compared fields") {
  Random random("difference");
  const int rounds = long_tests() ? 20000 : 250;
  for (int round = 0; round < rounds; ++round) {
    const History history = make_history(random, 10 + random.below(40));
    const History other = make_history(random, 10 + random.below(40));
    for (int pair = 0; pair < 3; ++pair) {
      const MailboxState& from = random.pick(history.states);
      const MailboxState& to = random.pick(pair == 2 ? other.states : history.states);
      INFO("seed " << test_seed() << ", round " << round << ", pair " << pair);
      require_round_trip(from, to, random_fields(random));
      const Answer answer = difference_of(snapshot_of(from), snapshot_of(to));
      REQUIRE(answer.summary.messages == count(from, to));
      REQUIRE(difference_of(snapshot_of(from), snapshot_of(from), random_fields(random)).summary.none());
    }
  }
}

TEST_CASE("R15: pairing depends on the messages alone") {
  Random random("pairing");
  for (int round = 0; round < 150; ++round) {
    const History history = make_history(random, 30);
    const MailboxState& from = random.pick(history.states);
    const MailboxState& to = random.pick(history.states);
    // The same messages under fresh ids, in another order.
    MailboxState renamed;
    for (Operation element : snapshot_of(to)) {
      if (auto* const put = std::get_if<MessagePut>(&element)) {
        put->messages[0].id = "r" + std::string(put->messages[0].id.rbegin(), put->messages[0].id.rend());
        if (random.one_in(2)) put->messages[0].id = "q" + put->messages[0].id;
      }
      REQUIRE_OK(renamed.apply(element));
    }
    INFO("seed " << test_seed() << ", round " << round);
    REQUIRE(difference_of(snapshot_of(to), snapshot_of(renamed), kNoIds).summary.none());
    require_round_trip(from, renamed, kNoIds & random_fields(random));
  }
}
