#include <restante/operation.hpp>

#include "support/catch.hpp"

using namespace restante;

namespace {

const std::string kLongId(1025, 'x');
const std::string kLongWord(256, 'x');

void require_refused(const Operation& operation, std::string_view reason) {
  const Status status = validate(operation);
  INFO(status.to_string());
  REQUIRE_CODE(status, invalid_argument);
  CHECK(status.message() == reason);
}

MessagePut one(Message message) { return {{std::move(message)}}; }
Message plain() { return {.id = "m", .folder_id = "f"}; }

template <class Change>
Operation message_with(Change change) {
  Message message = plain();
  change(message);
  return one(message);
}

}  // namespace

TEST_CASE("validate passes the least that an operation can be") {
  REQUIRE_OK(validate(AccountPut{{.id = "a"}}));
  REQUIRE_OK(validate(AccountPut{{.id = std::string(kServerAccount)}}));
  REQUIRE_OK(validate(AccountDelete{"a"}));
  REQUIRE_OK(validate(FolderPut{{.id = "f"}}));
  REQUIRE_OK(validate(FolderDelete{"f"}));
  REQUIRE_OK(validate(MessagePut{}));
  REQUIRE_OK(validate(one(plain())));
  REQUIRE_OK(validate(MessageExpunge{.folder_id = "f"}));
  REQUIRE_OK(validate(FlagsUpdate{.folder_id = "f"}));
  REQUIRE_OK(validate(ItemPut{{.kind = "k", .id = "i"}}));
  REQUIRE_OK(validate(ItemDelete{"k", "i"}));
  REQUIRE_OK(validate(HostOp{.host = "h", .name = "n"}));
  REQUIRE_OK(validate(UnknownOperation{12, true, ""}));
  Rewind rewind;
  rewind.log.bytes[0] = rewind.incarnation.bytes[0] = 1;
  REQUIRE_OK(validate(rewind));
}

TEST_CASE("validate: ids are there and not too long") {
  REQUIRE_OK(validate(AccountDelete{std::string(1024, '\xff')}));
  require_refused(AccountPut{}, "AccountPut: id is empty");
  require_refused(AccountPut{{.id = kLongId}}, "AccountPut: id is longer than 1024 bytes");
  require_refused(AccountDelete{}, "AccountDelete: account id is empty");
  require_refused(FolderPut{}, "FolderPut: id is empty");
  require_refused(FolderPut{{.id = "f", .parent_id = kLongId}},
                  "FolderPut: parent id is longer than 1024 bytes");
  require_refused(FolderPut{{.id = "f", .parent_id = "f"}}, "FolderPut: folder is its own parent");
  require_refused(FolderPut{{.id = "f", .mountpoint = Mountpoint{}}}, "FolderPut: mountpoint owner is empty");
  require_refused(FolderDelete{}, "FolderDelete: folder id is empty");
  require_refused(one({.folder_id = "f"}), "MessagePut: message id is empty");
  require_refused(one({.id = "m"}), "MessagePut: folder id is empty");
  require_refused(message_with([](Message& m) { m.email_id = kLongId; }),
                  "MessagePut: email id is longer than 1024 bytes");
  require_refused(MessageExpunge{}, "MessageExpunge: folder id is empty");
  require_refused(MessageExpunge{.folder_id = "f", .messages = {{0}, {}}}, "MessageExpunge: uids hold 0");
  require_refused(MessageExpunge{.folder_id = "f", .messages = {{}, {""}}},
                  "MessageExpunge: message id is empty");
  require_refused(FlagsUpdate{}, "FlagsUpdate: folder id is empty");
  require_refused(ItemPut{{.id = "i"}}, "ItemPut: kind is empty");
  require_refused(ItemPut{{.kind = kLongWord, .id = "i"}}, "ItemPut: kind is longer than 255 bytes");
  require_refused(ItemPut{{.kind = "k"}}, "ItemPut: id is empty");
  require_refused(ItemDelete{"k", ""}, "ItemDelete: id is empty");
  require_refused(HostOp{.name = "n"}, "HostOp: host is empty");
  require_refused(HostOp{.host = "h"}, "HostOp: name is empty");
  require_refused(HostOp{.host = "h", .name = "n", .item_kind = "k"}, "HostOp: item id is empty");
  require_refused(HostOp{.host = "h", .name = "n", .item_id = "i"}, "HostOp: item kind is empty");
  require_refused(Rewind{}, "Rewind: log is missing");
}

TEST_CASE("validate: flags are known, lists are sorted") {
  require_refused(message_with([](Message& m) { m.flags = 32; }), "MessagePut: flags hold an unknown bit");
  require_refused(message_with([](Message& m) {
                    m.keywords = {"b", "a"};
                  }),
                  "MessagePut: keywords are not sorted or not distinct");
  require_refused(message_with([](Message& m) {
                    m.keywords = {"a", "a"};
                  }),
                  "MessagePut: keywords are not sorted or not distinct");
  require_refused(message_with([](Message& m) { m.tags = {""}; }), "MessagePut: tags hold an empty one");
  require_refused(message_with([](Message& m) {
                    m.viewer_flags = {{"v", 0}};
                  }),
                  "MessagePut: viewer has no flags");
  require_refused(message_with([](Message& m) {
                    m.viewer_flags = {{"", 1}};
                  }),
                  "MessagePut: viewer is empty");
  require_refused(message_with([](Message& m) {
                    m.attributes = {{"", "v"}};
                  }),
                  "MessagePut: attribute name is empty");
  require_refused(FlagsUpdate{.folder_id = "f", .flags = 1u << 31}, "FlagsUpdate: flags hold an unknown bit");
  require_refused(FlagsUpdate{.folder_id = "f", .mode = static_cast<FlagsUpdate::Mode>(3)},
                  "FlagsUpdate: mode is unknown");
  FlagsUpdate viewer{.folder_id = "f", .keywords = {"k"}};
  viewer.viewer_account = "v";
  require_refused(viewer, "FlagsUpdate: viewer has keywords or tags");
  require_refused(ItemPut{{.kind = "k", .id = "i", .tags = {"b", "a"}}},
                  "ItemPut: tags are not sorted or not distinct");
}

TEST_CASE("R17: validate refuses unknown things that are known") {
  require_refused(UnknownOperation{5, false, ""}, "unknown: kind 5 is a known one");
  const auto account = [](UnknownFields unknown) { return AccountPut{{.id = "a", .unknown = unknown}}; };
  REQUIRE_OK(validate(account({{.tag = 5}, {.tag = 5}, {.tag = 6, .required = true}})));
  require_refused(account({{.tag = 4}}), "AccountPut: unknown field 4 is a known one");
  require_refused(account({{.tag = 6}, {.tag = 5}}),
                  "AccountPut: unknown fields are not in the order of their numbers");
  require_refused(message_with([](Message& m) { m.unknown = {{.tag = 15}}; }),
                  "MessagePut: unknown field 15 is a known one");
  require_refused(MessagePut{.messages = {}, .unknown = {{.tag = 1}}},
                  "MessagePut: unknown field 1 is a known one");
}
