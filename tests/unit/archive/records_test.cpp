#include "archive/records.hpp"

#include <algorithm>

#include "support/catch.hpp"

using namespace restante;
using namespace restante::archive;
using namespace restante::test;

namespace {

const std::string kOddTexts[] = {"plain",    "\"quotes\" \\ \n \t", std::string("nul\0nul", 7),
                                 "\xff\xfe", "Entw\xc3\xbcrfe",     "{\"hex\":\"00\"}"};

Message odd_message(const std::string& text) {
  Message message;
  message.id = text;
  message.folder_id = text;
  message.uidvalidity = UINT32_MAX;
  message.uid = 42;
  message.email_id = text;
  message.thread_id = text;
  message.content = ContentRef{content_ref_of(as_bytes(text))};
  message.internal_date = Time{INT64_MIN};
  message.save_date = Time{INT64_MAX};
  message.modseq = UINT64_MAX;
  message.flags = kAllSystemFlags;
  message.keywords = {"!first", text};
  std::sort(message.keywords.begin(), message.keywords.end());
  message.tags = {text};
  message.viewer_flags = {{text, kFlagSeen}};
  message.attributes = {{"mode", "0600"}, {text, text}};
  message.unknown = {{1000, false, text}};
  return message;
}

std::vector<Operation> elements_with(const std::string& text) {
  std::vector<Operation> elements;
  Account account{text, text, text, {{text, text}}, {{900, false, text}}};
  elements.emplace_back(AccountPut{account});
  Folder folder;
  folder.id = text;
  folder.parent_id = "above " + text;
  folder.name = text;
  folder.uidvalidity = 7;
  folder.uidnext = 0;
  folder.highest_modseq = 0;
  folder.special_use = "\\Sent";
  folder.role = text;
  folder.mountpoint = Mountpoint{text, text};
  folder.attributes = {{text, ""}};
  elements.emplace_back(FolderPut{folder});
  elements.emplace_back(MessagePut{{odd_message(text)}, {}});
  Item item;
  item.kind = text;
  item.id = text;
  item.folder_id = text;
  item.parent = text;
  item.uid = 3;
  item.modseq = 0;
  item.revision = 9;
  item.flags = 77;
  item.tags = {text};
  item.content = content_ref_of(as_bytes(text));
  item.attributes = {{"mtime", text}};
  elements.emplace_back(ItemPut{item});
  elements.emplace_back(HostOp{text, text, text, text, text, {}});
  elements.emplace_back(UnknownOperation{5000, false, text});
  return elements;
}

}  // namespace

TEST_CASE("archive records: every field of every element comes back, whatever bytes are in it", "[archive]") {
  for (const std::string& text : kOddTexts) {
    for (const Operation& element : elements_with(text)) {
      CAPTURE(text, describe(element));
      REQUIRE_OK(validate(element));
      const Place place{"a/b", 0, 12};
      const std::string line = encode_element(element, place);
      CHECK(line.find('\n') == line.size() - 1);
      const Result<Line> decoded = decode_line(line);
      REQUIRE_OK(decoded);
      CHECK(decoded->kind == Line::Kind::element);
      CHECK(decoded->element == element);
      CHECK(decoded->place.entry == place.entry);
      CHECK(decoded->place.offset == place.offset);
      CHECK(decoded->place.length == place.length);
      CHECK(encode_element(decoded->element, decoded->place) == line);
    }
  }
}

TEST_CASE("archive records: head, end and description come back", "[archive]") {
  MailboxHead head;
  head.fields = {Field::uid, Field::keywords};
  head.position.log.bytes.fill(3);
  head.position.lsn = 77;
  head.effective_time = Time{-1};
  const Result<Line> line = decode_line(encode_head(head));
  REQUIRE_OK(line);
  CHECK(line->kind == Line::Kind::head);
  CHECK(line->head.fields == head.fields);
  CHECK(line->head.position.log == head.position.log);
  CHECK(line->head.position.lsn == 77);
  CHECK(line->head.effective_time == head.effective_time);

  MailboxEnd end{1, 2, 3, {}};
  end.digest.classes[2].bytes.fill(9);
  const Result<Line> last = decode_line(encode_end(end));
  REQUIRE_OK(last);
  CHECK(last->kind == Line::Kind::end);
  CHECK(last->end.messages == 2);
  CHECK(last->end.digest == end.digest);

  const Description description{ArchiveLayout::mbox, {{"id\xff", "a@example.com", "a@example.com"}}};
  const Result<Description> decoded = decode_description(encode_description(description));
  REQUIRE_OK(decoded);
  CHECK(decoded->layout == ArchiveLayout::mbox);
  REQUIRE(decoded->mailboxes.size() == 1);
  CHECK(decoded->mailboxes[0].id == "id\xff");
}

TEST_CASE("archive records: lines that lie about their kind or values are named", "[archive]") {
  const auto code_of = [](std::string_view line) { return decode_line(line).status().code(); };
  CHECK(code_of("") == Code::damaged);
  CHECK(code_of("[]") == Code::damaged);
  CHECK(code_of("{}") == Code::damaged);
  CHECK(code_of("{\"kind\":7}") == Code::damaged);
  CHECK(code_of("{\"kind\":\"parcel\"}") == Code::unsupported);
  CHECK(code_of("{\"kind\":\"message\"}") == Code::damaged);
  CHECK(code_of("{\"kind\":\"message\",\"id\":\"a\",\"folder\":\"b\",\"uid\":-1}") == Code::damaged);
  CHECK(code_of("{\"kind\":\"message\",\"id\":\"a\",\"folder\":\"b\",\"uid\":4294967296}") == Code::damaged);
  CHECK(code_of("{\"kind\":\"message\",\"id\":\"a\",\"folder\":\"b\",\"uid\":1.5}") == Code::damaged);
  CHECK(code_of("{\"kind\":\"message\",\"id\":\"a\",\"folder\":\"b\",\"flags\":[\"\\\\Odd\"]}") ==
        Code::damaged);
  CHECK(code_of("{\"kind\":\"message\",\"id\":\"a\",\"folder\":\"b\",\"sha256\":\"12\"}") == Code::damaged);
  CHECK(code_of("{\"kind\":\"message\",\"id\":{\"hex\":\"0\"},\"folder\":\"b\"}") == Code::damaged);
  CHECK(code_of("{\"kind\":\"folder\",\"id\":\"a\",\"attributes\":{}}") == Code::damaged);
  CHECK(code_of("{\"kind\":\"end\"}") == Code::damaged);
  CHECK(code_of("{\"kind\":\"mailbox\"}") == Code::damaged);
  CHECK(code_of(std::string(100'000, '[')) == Code::damaged);
  CHECK(code_of("{\"kind\":\"message\",\"id\":\"a\",\"folder\":\"b\",\"later\":[1]}") == Code::ok);
  CHECK(decode_description("{}").status().code() == Code::damaged);
  CHECK(decode_description("{\"format\":\"restante archive\",\"version\":2,\"required_features\":[]}")
            .status()
            .code() == Code::unsupported);
  CHECK(decode_description("{\"format\":\"restante archive\",\"version\":1,\"required_features\":[\"x\"]}")
            .status()
            .code() == Code::unsupported);
}
