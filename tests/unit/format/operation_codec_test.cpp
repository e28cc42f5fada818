#include <restante/operation.hpp>

#include <fstream>
#include <iterator>

#include "support/catch.hpp"
#include "unit/model/histories.hpp"

using namespace restante;
using namespace restante::test;

namespace {

Bytes hex(std::string_view text) {
  std::string digits;
  for (const char c : text)
    if (c != ' ') digits += c;
  const Result<Bytes> bytes = from_hex(digits);
  REQUIRE_OK(bytes);
  return *bytes;
}

// Decodes one operation that is all there is.
Result<Operation> decode_whole(const Bytes& bytes) {
  ByteView rest = bytes;
  Result<Operation> operation = decode(rest);
  if (operation.ok()) REQUIRE(rest.empty());
  return operation;
}

UnknownFields unknown_fields() {
  return {{.tag = 200, .required = false, .bytes = ""},
          {.tag = 200, .required = true, .bytes = std::string("\0x", 2)},
          {.tag = 0xffffffff, .required = false, .bytes = "y"}};
}

Message full_message() {
  Message message{.id = "m1", .folder_id = "inbox", .uidvalidity = 7, .uid = 42};
  message.email_id = "e1";
  message.thread_id = "t1";
  message.content = content_of(1);
  message.internal_date = Time{1184255991123000};
  message.save_date = Time{-1};
  message.modseq = 0;
  message.flags = kFlagSeen | kFlagDraft;
  message.keywords = {"$Forwarded", "work"};
  message.tags = {"blue"};
  message.viewer_flags = {{"user2", kFlagSeen}, {"user3", kFlagFlagged}};
  message.attributes = {{"mode", "0600"}, {"owner", ""}};
  message.unknown = unknown_fields();
  return message;
}

Folder full_folder() {
  Folder folder{.id = "inbox", .parent_id = "root", .name = "INBOX", .uidvalidity = 7, .uidnext = 43};
  folder.highest_modseq = 1ull << 63;
  folder.special_use = "\\Inbox";
  folder.role = "inbox";
  folder.mountpoint = Mountpoint{"user2", "17"};
  folder.attributes = {{"a", "b"}};
  folder.unknown = unknown_fields();
  return folder;
}

Item full_item() {
  Item item{.kind = "contact", .id = "c1", .folder_id = "contacts", .parent = "c0", .uid = 300};
  item.modseq = 5;
  item.revision = 0;
  item.flags = 9;
  item.tags = {"blue", "green"};
  item.content = content_of(2);
  item.attributes = {{"name", "\xff"}};
  item.unknown = unknown_fields();
  return item;
}

MessageSet full_set() { return {.uids = {42, 43, 0xffffffff, 1}, .message_ids = {"m1", "m0"}}; }

FlagsUpdate full_update() {
  FlagsUpdate update{.folder_id = "inbox", .uidvalidity = 7, .messages = full_set()};
  update.mode = FlagsUpdate::Mode::remove;
  update.flags = kFlagDeleted;
  update.keywords = {"work"};
  update.tags = {"blue"};
  update.modseq = 13;
  update.viewer_account = "user2";
  update.unknown = unknown_fields();
  return update;
}

Rewind full_rewind() {
  Rewind rewind;
  for (std::uint8_t i = 0; i < 16; ++i) rewind.log.bytes[i] = i;
  rewind.incarnation.bytes[15] = 1;
  rewind.lsn = 4711;
  rewind.label = "full-20070712.155951.123";
  rewind.unknown = unknown_fields();
  return rewind;
}

// Every kind with all of its fields and with as few as it can have.
std::vector<Operation> samples() {
  return {
      AccountPut{{.id = "a"}},
      AccountPut{{.id = "account1",
                  .address = "user1@example.com",
                  .name = "User One",
                  .attributes = {{"cos", "default"}},
                  .unknown = unknown_fields()}},
      AccountDelete{.account_id = "account1"},
      AccountDelete{.account_id = "account1", .unknown = unknown_fields()},
      FolderPut{{.id = "f"}},
      FolderPut{full_folder()},
      FolderDelete{.folder_id = "inbox"},
      FolderDelete{.folder_id = "inbox", .unknown = unknown_fields()},
      MessagePut{},
      MessagePut{{{.id = "m", .folder_id = "f"}}},
      MessagePut{.messages = {full_message(), {.id = "m2", .folder_id = "inbox", .uid = 43}, full_message()},
                 .unknown = unknown_fields()},
      MessageExpunge{.folder_id = "f"},
      MessageExpunge{.folder_id = "inbox",
                     .uidvalidity = 7,
                     .messages = full_set(),
                     .modseq = 0,
                     .unknown = unknown_fields()},
      FlagsUpdate{.folder_id = "f"},
      full_update(),
      ItemPut{{.kind = "k", .id = "i"}},
      ItemPut{full_item()},
      ItemDelete{.kind = "contact", .id = "c1"},
      ItemDelete{.kind = "contact", .id = "c1", .unknown = unknown_fields()},
      HostOp{.host = "h", .name = "n"},
      HostOp{.host = "example",
             .name = "reindex",
             .item_kind = "contact",
             .item_id = "c1",
             .data = std::string("\0\x01", 2),
             .unknown = unknown_fields()},
      Rewind{},
      full_rewind(),
      UnknownOperation{12, false, ""},
      UnknownOperation{0xffffffff, true, std::string("\0\xff", 2)},
  };
}

std::string golden_path(std::string_view name) {
  return std::string(RESTANTE_SOURCE_DIR "/tests/golden/operations/") + std::string(name);
}

Bytes read_golden(std::string_view name) {
  std::ifstream file(golden_path(name), std::ios::binary);
  REQUIRE(file.good());
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

TEST_CASE("operations encode to the bytes of the documented examples") {
  MessagePut put;
  put.messages.push_back({.id = "m1", .folder_id = "inbox", .uidvalidity = 7, .uid = 300});
  put.messages[0].internal_date = Time{1184255991123000};
  put.messages[0].flags = kFlagSeen | kFlagFlagged;
  put.messages[0].keywords = {"$Forwarded", "work"};
  const Bytes expected =
      hex("0b 33"                                        // MessagePut, required; 51 bytes
          "03 31"                                        // a message, 49 bytes
          "03 02 6d31"                                   // id "m1"
          "05 05 696e626f78"                             // folder id "inbox"
          "07 01 07"                                     // UIDVALIDITY 7
          "09 02 ac02"                                   // UID 300
          "11 08 f0b0e4dae2c49a04"                       // internal date
          "17 01 05"                                     // \Seen \Flagged
          "19 10 0a 24466f72776172646564 04 776f726b");  // keywords
  CHECK(to_hex(encode(put)) == to_hex(expected));
  Result<Operation> operation = decode_whole(expected);
  REQUIRE_OK(operation);
  CHECK(*operation == Operation(put));
  const MessageExpunge gone{.folder_id = "inbox", .uidvalidity = 7, .messages = {{42, 43, 7}, {}}};
  CHECK(encode(gone) == hex("0d 0f 03 05 69 6e 62 6f 78 05 01 07 07 03 54 02 47"));
}

TEST_CASE("encode and decode give back the same operation and the same bytes") {
  for (const Operation& operation : samples()) {
    INFO(describe(operation));
    const Bytes bytes = encode(operation);
    Result<Operation> decoded = decode_whole(bytes);
    REQUIRE_OK(decoded);
    CHECK(*decoded == operation);
    CHECK(encode(*decoded) == bytes);
  }
}

TEST_CASE("operations follow each other without anything between") {
  Bytes bytes;
  for (const Operation& operation : samples()) encode(operation, bytes);
  ByteView rest = bytes;
  for (const Operation& operation : samples()) {
    Result<Operation> decoded = decode(rest);
    REQUIRE_OK(decoded);
    CHECK(*decoded == operation);
  }
  CHECK(rest.empty());
}

TEST_CASE("the golden file of operations is what this version writes and reads") {
  Bytes bytes;
  for (const Operation& operation : samples()) encode(operation, bytes);
  if (std::getenv("RESTANTE_UPDATE_GOLDEN") != nullptr)
    std::ofstream(golden_path("version-1.bin"), std::ios::binary) << as_text(bytes);
  const Bytes golden = read_golden("version-1.bin");
  CHECK(to_hex(golden) == to_hex(bytes));
  ByteView rest = golden;
  for (const Operation& operation : samples()) {
    Result<Operation> decoded = decode(rest);
    REQUIRE_OK(decoded);
    CHECK(*decoded == operation);
  }
  CHECK(rest.empty());
}

TEST_CASE("the golden file of damaged operations is refused, each for its reason") {
  struct Damage {
    const char* reason;
    const char* bytes;
  };
  const Damage damages[] = {
      {"operation does not fit", ""},
      {"operation does not fit", "09"},
      {"operation does not fit", "09 05 03 01 66"},
      {"operation does not fit", "89 00 03 03 01 66"},  // kind as a varint that is not the shortest
      {"operation of kind 0", "01 00"},
      {"operation of kind 4 is not marked as required", "08 03 03 01 66"},
      {"operation of kind 4294967296", "81 80 80 80 20 00"},
      {"FolderDelete: no field 1", "09 00"},
      {"FolderDelete: field 1 is empty but present", "09 02 03 00"},
      {"FolderDelete: field 1 is not marked as required", "09 03 02 01 66"},
      {"FolderDelete: the field behind 0 does not fit", "09 03 03 02 66"},
      {"FolderDelete: the field behind 1 does not fit", "09 04 03 01 66 05"},
      {"FolderDelete: field 1 is out of order or there twice", "09 06 03 01 66 03 01 66"},
      {"FolderDelete: field 2 is out of order", "09 07 03 01 66 06 00 04 00"},
      {"FolderDelete: field 0 cannot be", "09 05 03 01 66 01 00"},
      {"FolderPut: field 4 is 0 but present", "07 06 03 01 66 09 01 00"},
      {"FolderPut: field 4 has a value that does not fit", "07 07 03 01 66 09 02 87 00"},
      {"FolderPut: field 4 has a value that does not fit", "07 07 03 01 66 09 02 07 07"},
      {"FolderPut: field 5 is out of range", "07 0a 03 01 66 0b 05 80 80 80 80 10"},
      {"FolderPut: field 2 is out of order", "07 09 03 01 66 07 01 66 05 01 66"},
      {"FolderPut: field 9 has a value that does not fit", "07 08 03 01 66 13 03 01 61 05"},
      {"FolderPut: field 10 has a value that does not fit", "07 0d 03 01 66 15 08 01 62 01 78 01 61 01 78"},
      {"MessagePut: record 1: no field 2", "0b 05 03 03 03 01 6d"},
      {"MessagePut: record 1: the field behind 0 does not fit", "0b 03 03 01 03"},
      {"MessageExpunge: field 3 has a value that does not fit", "0d 06 03 01 66 07 01 01"},
      {"FlagsUpdate: field 5 has value 3", "0f 06 03 01 66 0b 01 03"},
      {"Rewind: field 1 is 0 but present", "17 12 03 10 00000000000000000000000000000000"},
  };
  Bytes all;
  for (const Damage& damage : damages) {
    const Bytes bytes = hex(damage.bytes);
    INFO(damage.bytes);
    ByteView rest = bytes;
    const Result<Operation> operation = decode(rest);
    REQUIRE_CODE(operation, damaged);
    CHECK(operation.status().message() == damage.reason);
    CHECK(rest.size() == bytes.size());
    // In the file each stands behind its length, 4 bytes little endian.
    for (int shift = 0; shift < 32; shift += 8)
      all.push_back(static_cast<std::uint8_t>(bytes.size() >> shift));
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  if (std::getenv("RESTANTE_UPDATE_GOLDEN") != nullptr)
    std::ofstream(golden_path("damaged.bin"), std::ios::binary) << as_text(all);
  CHECK(to_hex(read_golden("damaged.bin")) == to_hex(all));
}

TEST_CASE("R17: an unknown operation and unknown fields are kept byte for byte") {
  // FolderDelete "f" with the optional field 1000 (one byte) and the required field 1000 (empty).
  const Bytes with_fields = hex("09 0a 03 01 66 d00f 01 78 d10f 00");
  CHECK(encode(FolderDelete{.folder_id = "f",
                            .unknown = {{.tag = 1000, .required = false, .bytes = "x"},
                                        {.tag = 1000, .required = true, .bytes = ""}}}) == with_fields);
  REQUIRE_OK(decode_whole(with_fields));
  CHECK(encode(*decode_whole(with_fields)) == with_fields);
  const Bytes unknown = hex("d00f 03 00ff01");
  Result<Operation> operation = decode_whole(unknown);
  REQUIRE_OK(operation);
  CHECK(*operation == Operation(UnknownOperation{1000, false, std::string("\0\xff\x01", 3)}));
  CHECK(encode(*operation) == unknown);
}

TEST_CASE("R17: a required field of an operation stops it, an optional one does not") {
  MailboxState state;
  REQUIRE_OK(state.apply(FolderPut{{.id = "f"}}));
  REQUIRE_CODE(state.apply(*decode_whole(hex("09 06 03 01 66 d10f 00"))), unsupported);
  CHECK(state.folders().size() == 1);
  REQUIRE_OK(state.apply(*decode_whole(hex("09 06 03 01 66 d00f 00"))));
  CHECK(state.folders().empty());
}

namespace {

// Whatever the bytes: no crash, and what decodes has one encoding.
void require_safe(ByteView bytes) {
  ByteView rest = bytes;
  const Result<Operation> operation = decode(rest);
  if (!operation.ok()) {
    REQUIRE(operation.status().code() == Code::damaged);
    REQUIRE(rest.data() == bytes.data());
    return;
  }
  const Bytes again = encode(*operation);
  const bool same = std::equal(again.begin(), again.end(), bytes.begin(), bytes.end() - rest.size());
  if (!same) FAIL("decoded but not canonical: " << to_hex(bytes));
  (void)validate(*operation);
  (void)describe(*operation);
  (void)MailboxState().apply(*operation);
}

}  // namespace

TEST_CASE("decode: any damage of any byte, any truncation") {
  for (const Operation& operation : samples()) {
    const Bytes bytes = encode(operation);
    INFO(describe(operation));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      // A copy of its own, so that reading behind it is seen by the address sanitizer.
      const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
      ByteView rest = cut;
      REQUIRE_CODE(decode(rest), damaged);
    }
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (unsigned change = 0; change < 16; ++change) {
        Bytes changed = bytes;
        // Each bit, then values that mean something to a varint.
        static constexpr std::uint8_t kValues[] = {0x00, 0x01, 0x02, 0x03, 0x7f, 0x80, 0x81, 0xff};
        if (change < 8)
          changed[at] = static_cast<std::uint8_t>(changed[at] ^ 1u << change);
        else
          changed[at] = kValues[change - 8];
        require_safe(changed);
      }
    }
  }
}

TEST_CASE("decode: random damage") {
  Random random("decode");
  const std::vector<Operation> operations = samples();
  for (int round = 0; round < (long_tests() ? 1000000 : 5000); ++round) {
    Bytes bytes = encode(random.pick(operations));
    for (std::uint64_t n = 1 + random.below(4); n > 0 && !bytes.empty(); --n) {
      const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(random.below(bytes.size()));
      if (random.one_in(3))
        bytes.erase(at);
      else if (random.one_in(2))
        bytes.insert(at, static_cast<std::uint8_t>(random.u64()));
      else
        *at = static_cast<std::uint8_t>(random.below(8));
    }
    INFO("seed " << test_seed() << ", round " << round);
    require_safe(bytes);
    require_safe(random.bytes(random.below(40)));
  }
}

TEST_CASE("decode: memory stays in proportion to the input") {
  // Lengths that promise more than there is allocate nothing.
  REQUIRE_CODE(decode_whole(hex("0b ffffffffffffffff7f 03")), damaged);
  REQUIRE_CODE(decode_whole(hex("0b 0b 03 ffffffffffffffff7f 03")), damaged);
  // The densest that can be: messages of 8 bytes, lists of empty texts.
  Bytes body;
  const Bytes message = hex("03 06 03 01 6d 05 01 66");
  for (int i = 0; i < 100000; ++i) {
    body.insert(body.end(), message.begin(), message.end());
  }
  Bytes bytes = hex("0b 80ea30");
  REQUIRE(body.size() == 800000);
  bytes.insert(bytes.end(), body.begin(), body.end());
  Result<Operation> operation = decode_whole(bytes);
  REQUIRE_OK(operation);
  CHECK(std::get<MessagePut>(*operation).messages.size() == 100000);
}

TEST_CASE("codec: every operation of random histories survives") {
  Random random("codec");
  for (int round = 0; round < 200; ++round) {
    HistoryMaker maker(random);
    for (int i = 0; i < 40; ++i) maker.step();
    INFO("seed " << test_seed() << ", round " << round);
    for (const Operation& operation : maker.log()) {
      INFO(describe(operation));
      REQUIRE_OK(validate(operation));
      const Bytes bytes = encode(operation);
      Result<Operation> decoded = decode_whole(bytes);
      REQUIRE_OK(decoded);
      REQUIRE(*decoded == operation);
    }
    for (const Operation& element : snapshot_of(maker.state())) REQUIRE_OK(validate(element));
  }
}
