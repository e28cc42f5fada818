#include <algorithm>
#include <pugixml.hpp>

#include "examples.hpp"
#include "support/catch.hpp"
#include "target/label.hpp"
#include "target/xml_text.hpp"

namespace restante::test {

TEST_CASE("a label is type and GMT time, and reads back") {
  const Time began{1'184'255'991'123'456};
  REQUIRE(target::make_label(SessionType::full, began) == "full-20070712.155951.123");
  REQUIRE(target::make_label(SessionType::incremental, Time{0}) == "incr-19700101.000000.000");
  const auto parsed = target::parse_label("full-20070712.155951.123");
  REQUIRE(parsed);
  REQUIRE(parsed->began == Time{1'184'255'991'123'000});
  for (const char* wrong :
       {"", "full-", "full-20070712.155951.12", "full-20070712.155951.1234", "ful-20070712.155951.123",
        "full-20070732.155951.123", "full-20070712.255951.123", "full-20070712-155951.123",
        "full-2007071x.155951.123", "../full-20070712.155951.123"})
    REQUIRE_FALSE(target::parse_label(wrong));
}

TEST_CASE("text of XML files comes back byte for byte") {
  Random random("xml text");
  std::vector<std::string> texts{"",
                                 " ",
                                 "plain",
                                 " edge",
                                 "edge ",
                                 "<&>\"'",
                                 "]]>",
                                 "\r\n",
                                 "\t",
                                 std::string("\0", 1),
                                 "\xff\xfe",
                                 "gr\xc3\xbc\xc3\x9f",
                                 "\xef\xbf\xbe",
                                 "\xe2\x80\xa8"};
  for (int i = 0; i < 300; ++i) {
    const Bytes bytes = random.bytes(random.below(40));
    texts.emplace_back(as_text(bytes));
  }
  for (const std::string& text : texts) {
    pugi::xml_document document;
    pugi::xml_node root = document.append_child("r");
    target::TextWriter texts({}, root);
    texts.put(root, "t", text);
    REQUIRE_OK(texts.end());
    const Bytes file = target::seal_xml(document);
    pugi::xml_document read;
    REQUIRE_OK(target::open_xml(file, "file", read));
    const Result<target::TextReader> reader = target::TextReader::open({}, read.child("r"));
    REQUIRE_OK(reader);
    const Result<std::string> back = reader->get(read.child("r"), "t");
    REQUIRE_OK(back);
    REQUIRE(*back == text);
  }
}

TEST_CASE("base64 as RFC 4648 says, and nothing else") {
  const std::vector<std::pair<std::string, std::string>> vectors{
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [text, encoded] : vectors) {
    REQUIRE(target::to_base64(as_bytes(text)) == encoded);
    const auto back = target::from_base64(encoded);
    REQUIRE(back);
    REQUIRE(as_text(*back) == text);
  }
  for (const char* wrong : {"Z", "Zg=", "Zg==Zg==", "Z===", "Zm9*", "=Zg="})
    REQUIRE_FALSE(target::from_base64(wrong));
}

TEST_CASE("session.xml keeps everything, and every flipped byte is noticed") {
  const target::SessionRecord record = example_session();
  const Bytes file = *target::encode_session(record);
  const Result<target::SessionRecord> back = target::decode_session(file, "session.xml");
  REQUIRE_OK(back);
  REQUIRE(*target::encode_session(*back) == file);
  REQUIRE(back->info.accounts[1].id == record.info.accounts[1].id);
  REQUIRE(back->info.accounts[1].error == record.info.accounts[1].error);
  REQUIRE(back->snapshots.at("alice").parts.size() == 2);
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes damaged = file;
    damaged[i] ^= 0x20;
    INFO("byte " << i);
    REQUIRE_CODE(target::decode_session(damaged, "session.xml"), damaged);
  }
  for (std::size_t size = 0; size < file.size(); size += 7)
    REQUIRE_CODE(target::decode_session(ByteView(file).first(size), "session.xml"), damaged);
}

TEST_CASE("a session.xml or target.json of a newer version is refused, not guessed at") {
  pugi::xml_document document;
  document.append_child("session").append_attribute("format") = 2;
  const Result<target::SessionRecord> newer =
      target::decode_session(target::seal_xml(document), "session.xml");
  REQUIRE_CODE(newer, unsupported);
  REQUIRE_FALSE(newer.status().hint().empty());

  const Bytes file = target::encode_target_file(example_target());
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text(as_text(file));
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    return target::decode_target_file(as_bytes(text), "target.json");
  };
  REQUIRE_CODE(with("\"version\": 1", "\"version\": 2"), unsupported);
  REQUIRE_CODE(with("\"required_features\": []", "\"required_features\": [\"x\"]"), unsupported);
}

TEST_CASE("target.json keeps everything, and a changed digit is noticed") {
  const target::TargetFile example = example_target();
  const Bytes file = target::encode_target_file(example);
  const Result<target::TargetFile> back = target::decode_target_file(file, "target.json");
  REQUIRE_OK(back);
  REQUIRE(back->id == example.id);
  REQUIRE(back->digest_key.bytes == example.digest_key.bytes);
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes changed = file;
    changed[i] = changed[i] == '1' ? '2' : '1';
    if (changed[i] == file[i]) continue;
    INFO("byte " << i << " of " << as_text(file));
    const Result<target::TargetFile> read = target::decode_target_file(changed, "target.json");
    // White space between tokens is not part of what is checked.
    if (file[i] == ' ' || file[i] == '\n') continue;
    REQUIRE_FALSE(read.ok());
  }
  for (std::size_t size = 0; size + 1 < file.size(); ++size)
    REQUIRE_FALSE(target::decode_target_file(ByteView(file).first(size), "target.json").ok());
}

TEST_CASE("accounts.xml keeps ids and addresses as they are") {
  const std::vector<TargetAccount> accounts{{"alice", "alice@example.com", "full-20070712.155951.123", 4100},
                                            {std::string("\x01", 1), "", "incr-20070713.155951.123", 0}};
  const Result<std::vector<TargetAccount>> back =
      target::decode_accounts(*target::encode_accounts(accounts), "accounts.xml");
  REQUIRE_OK(back);
  REQUIRE(back->size() == 2);
  REQUIRE((*back)[1].id == accounts[1].id);
  REQUIRE((*back)[0].full_label == accounts[0].full_label);
  REQUIRE((*back)[0].consistent_at == 4100);
}

}  // namespace restante::test
