#include <restante/operation.hpp>

#include <restante/mailbox_state.hpp>

#include "support/catch.hpp"

using namespace restante;

TEST_CASE("an operation is described in one line for people") {
  MessagePut put;
  put.messages.push_back({.id = "m1", .folder_id = "inbox", .uidvalidity = 7, .uid = 42});
  CHECK(describe(put) == "MessagePut inbox: 1 message, uid 42");
  put.messages.push_back({.id = "m2", .folder_id = "other", .uidvalidity = 7});
  CHECK(describe(put) == "MessagePut several folders: 2 messages, uid 42");
  CHECK(describe(MessagePut{}) == "MessagePut no messages");
  MessageExpunge gone{.folder_id = "in\nbox", .uidvalidity = 7};
  for (std::uint32_t uid = 1; uid <= 20; ++uid) gone.messages.uids.push_back(uid);
  CHECK(describe(gone) == "MessageExpunge in\\x0abox: 20 messages, uids 1 2 3 4 5 6 7 8 ...");
  FlagsUpdate update{.folder_id = "inbox", .uidvalidity = 7, .messages = {{}, {"m1"}}};
  update.mode = FlagsUpdate::Mode::add;
  update.flags = kFlagSeen | kFlagDeleted | 64;
  update.keywords = {"work"};
  CHECK(describe(update) == "FlagsUpdate inbox: 1 message, id m1, + \\Seen \\Deleted +64 work");
  CHECK(describe(UnknownOperation{1000, true, "xy"}) == "unknown operation of kind 1000 (required), 2 bytes");
  CHECK(describe(FolderDelete{std::string(500, 'x')}).size() < 120);
}

TEST_CASE("every operation has its name") {
  CHECK(name_of(Operation(AccountPut{})) == "AccountPut");
  CHECK(name_of(Operation(AccountDelete{})) == "AccountDelete");
  CHECK(name_of(Operation(FolderPut{})) == "FolderPut");
  CHECK(name_of(Operation(FolderDelete{})) == "FolderDelete");
  CHECK(name_of(Operation(MessagePut{})) == "MessagePut");
  CHECK(name_of(Operation(MessageExpunge{})) == "MessageExpunge");
  CHECK(name_of(Operation(FlagsUpdate{})) == "FlagsUpdate");
  CHECK(name_of(Operation(ItemPut{})) == "ItemPut");
  CHECK(name_of(Operation(ItemDelete{})) == "ItemDelete");
  CHECK(name_of(Operation(HostOp{})) == "HostOp");
  CHECK(name_of(Operation(Rewind{})) == "Rewind");
  CHECK(name_of(Operation(UnknownOperation{})) == "unknown");
}

TEST_CASE("a set of fields is named") {
  CHECK(FieldSet().to_string() == "nothing");
  CHECK(FieldSet({Field::modseq, Field::uid}).to_string() == "uid, modseq");
  CHECK(FieldSet::all().to_string() ==
        "uid, uidnext, modseq, email_id, thread_id, internal_date, save_date, keywords, tags, viewer_flags, "
        "attributes, special_use, items, message_id");
}
