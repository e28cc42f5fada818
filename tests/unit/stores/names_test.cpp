#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "stores/maildir_account.hpp"
#include "stores/maildir_keywords.hpp"
#include "stores/maildir_names.hpp"
#include "stores/maildir_pattern.hpp"
#include "stores/maildir_subscriptions.hpp"
#include "stores/maildir_uidlist.hpp"
#include "stores/mutf7.hpp"
#include "support/catch.hpp"

using namespace restante;
using namespace restante::stores;

TEST_CASE("mutf7: the examples of RFC 3501 and pairs beyond the first plane", "[stores]") {
  CHECK(to_mutf7("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e") ==
        "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
  CHECK(to_mutf7("A & B") == "A &- B");
  CHECK(to_mutf7("\xf0\x9f\x98\x80") == "&2D3eAA-");
  CHECK(from_mutf7("&2D3eAA-") == "\xf0\x9f\x98\x80");
  CHECK(from_mutf7("Entw&APw-rfe") == "Entw\xc3\xbcrfe");
}

TEST_CASE("mutf7: what does not come back exactly is no modified UTF-7", "[stores]") {
  for (const char* text :
       {"&", "&AP", "&AEE-", "a&APw-&APw-b", "\xc3\xbc", "&2D0-", "&3gA-", "&AP!-", "&APx-"}) {
    INFO(text);
    CHECK_FALSE(from_mutf7(text).has_value());
  }
}

TEST_CASE("mutf7: every name comes back", "[stores]") {
  test::Random random("mutf7");
  for (int i = 0; i < 2000; ++i) {
    std::string name;
    for (std::uint64_t n = random.between(1, 12); n > 0; --n) {
      static constexpr const char* kPieces[] = {
          "a", "&", "-", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x93\xa7", "\x7f", "\n", ","};
      name += kPieces[random.below(std::size(kPieces))];
    }
    CHECK(from_mutf7(to_mutf7(name)) == name);
  }
}

TEST_CASE("maildir names: flags, keywords and other letters", "[stores]") {
  const MessageFileName name = parse_message_file_name("123.host:2,PRSTab");
  CHECK(name.base == "123.host");
  CHECK(name.flags == (kFlagAnswered | kFlagSeen | kFlagDeleted));
  CHECK(name.keyword_letters == "ab");
  CHECK(name.other_letters == "P");
  CHECK(message_file_name(name, false) == "123.host:2,PRSTab");
  CHECK(parse_message_file_name("x!2,FS").separator == '!');
  CHECK(parse_message_file_name("x;2,").base == "x");
  CHECK(parse_message_file_name("x!2,F:2,S").base == "x!2,F");
  CHECK(parse_message_file_name(":2,S").base == ":2,S");
  CHECK(parse_message_file_name("x:1,foo").flags == 0);
  CHECK(parse_message_file_name("x:1,foo").base == "x");
  CHECK(message_file_name(parse_message_file_name("plain"), true) == "plain");
  CHECK(message_file_name(parse_message_file_name("plain"), false) == "plain:2,");
}

TEST_CASE("maildir names: folders", "[stores]") {
  REQUIRE(parse_folder_dir(".A&APw-.B").size() == 2);
  CHECK(parse_folder_dir(".A&APw-.B")[0].name == "A\xc3\xbc");
  CHECK(parse_folder_dir(".A\xc3\xbc")[0].raw);
  for (const char* dir : {"", ".", "..", "A", "..A", ".A..B", ".A."}) {
    INFO(dir);
    CHECK(parse_folder_dir(dir).empty());
  }
  for (const std::string name : {"a.b", "a/b", ""}) CHECK_FALSE(folder_dir_part({name, false}));
}

TEST_CASE("maildir uidlist: version 3 comes back, lies are put right", "[stores]") {
  std::string warnings;
  const WarningFunction warn = [&](std::string_view text) { warnings += std::string(text) + "\n"; };
  const std::string text = "3 V1178286390 N1 Gc7b4d38ad2ff6e5a6b130000ba8acf8f\n7 :a\n9 Gx W10 :b,S=5:2,S\n";
  const std::optional<Uidlist> list = parse_uidlist(as_bytes(text), warn);
  REQUIRE(list);
  CHECK(warnings.empty());
  CHECK(list->uidvalidity == 1178286390);
  CHECK(list->uidnext == 10);
  CHECK(list->guid == "c7b4d38ad2ff6e5a6b130000ba8acf8f");
  REQUIRE(list->records.size() == 2);
  CHECK(list->records[1].extra == "Gx W10");
  CHECK(list->records[1].base == "b,S=5");
  CHECK(encode_uidlist(*list) ==
        "3 V1178286390 N10 Gc7b4d38ad2ff6e5a6b130000ba8acf8f\n7 :a\n9 Gx W10 :b,S=5\n");
}

TEST_CASE("maildir uidlist: version 1, CRLF, duplicates, disorder, truncation", "[stores]") {
  std::string warnings;
  const WarningFunction warn = [&](std::string_view text) { warnings += std::string(text) + "\n"; };
  const auto parse = [&](std::string_view text) { return parse_uidlist(as_bytes(text), warn); };
  const std::optional<Uidlist> first = parse("1 55 8\n3 a\n7 b c\n");
  REQUIRE(first);
  CHECK(first->uidvalidity == 55);
  REQUIRE(first->records.size() == 2);
  CHECK(first->records[1].base == "b c");

  const std::optional<Uidlist> crlf = parse("3 V5 N3\r\n1 :a\r\n2 :b\r\n");
  REQUIRE(crlf);
  CHECK(crlf->records[0].base == "a");
  CHECK(warnings.empty());

  const std::optional<Uidlist> odd = parse("3 V5 N3 Zfoo\n4 :a\n2 :b\n2 :c\n9 :a\nx :d\n10\n0 :e\n11 :trunc");
  REQUIRE(odd);
  CHECK(odd->extra == "Zfoo");
  CHECK(odd->uidnext == 12);
  REQUIRE(odd->records.size() == 3);
  CHECK(odd->records[0].base == "b");
  CHECK(odd->records[1].uid == 9);
  CHECK(odd->records[2].base == "trunc");
  CHECK(warnings.find("ascending") != std::string::npos);
  CHECK(warnings.find("repeats a uid") != std::string::npos);
  CHECK(warnings.find("listed twice") != std::string::npos);

  for (const char* broken :
       {"", "2 V5 N3\n", "garbage", "3 N5\n", "3 V0 N1\n", "1 x 5\n", "3 V4294967296\n"}) {
    INFO(broken);
    CHECK_FALSE(parse(broken).has_value());
  }
  CHECK(parse("3 V5 N4294967295\n4294967295 :a\n")->uidnext == UINT32_MAX);
}

TEST_CASE("maildir uidlist: any bytes are safe", "[stores]") {
  test::Random random("uidlist");
  for (int i = 0; i < 5000; ++i) {
    std::string text = random.one_in(2) ? "3 V5 N3\n" : "";
    for (std::uint64_t n = random.below(60); n > 0; --n) text += "0123456789 :GVN\n\r\0a"[random.below(19)];
    (void)parse_uidlist(as_bytes(text), [](std::string_view) {});
  }
}

TEST_CASE("maildir keywords: letters and names", "[stores]") {
  KeywordMap map = KeywordMap::parse("0 $Forwarded\n3 Junk\n26 TooMany\nx y\n4 Junk\n");
  CHECK(map.name_of('a') == "$Forwarded");
  CHECK(map.name_of('e').empty());
  CHECK(map.letter_of("Junk") == 'd');
  CHECK(map.add("New") == 'b');
  CHECK(map.encode() == "0 $Forwarded\n1 New\n3 Junk\n");
  CHECK_FALSE(map.add("two words"));
  for (int i = 0; i < 23; ++i) CHECK(map.add("k" + std::to_string(i)));
  CHECK_FALSE(map.add("one more"));
}

TEST_CASE("maildir subscriptions: both versions come back byte for byte", "[stores]") {
  for (const std::string text : {"V\t2\n\nINBOX\nWork\tReports\nArch&APw-v\n", "INBOX\nWork.Reports\nA\n",
                                 "V\t2\n\nz\ny\nx\n", "raw\xff\xfe\nx\n"}) {
    INFO(text);
    const std::optional<std::vector<Item>> items = parse_subscriptions(text);
    REQUIRE(items);
    CHECK(encode_subscriptions(*items) == text);
    std::vector<Item> shuffled = *items;
    std::reverse(shuffled.begin(), shuffled.end());
    CHECK(encode_subscriptions(shuffled) == text);
  }
  CHECK((*parse_subscriptions("V\t2\n\nWork\tReports\n"))[0].id == "Work/Reports");
  for (const std::string text : {"", "V\t2\n\n", "a\na\n", "a", "\n", "a\n\nb\n", "V\t2\na\n", "a/b\n"}) {
    INFO(text);
    CHECK_FALSE(parse_subscriptions(text).has_value());
  }
}

TEST_CASE("maildir subscriptions: a torn order is made whole", "[stores]") {
  std::vector<Item> items = *parse_subscriptions("V\t2\n\na\nb\nc\nd\n");
  items.erase(items.begin() + 1);
  CHECK(encode_subscriptions(items) == "V\t2\n\na\nc\nd\n");
  items[1].attributes["after"] = "d";  // c behind d, d behind c
  CHECK(encode_subscriptions(items) == "V\t2\n\na\nc\nd\n");
}

TEST_CASE("maildir pattern: addresses and paths", "[stores]") {
  const Result<AccountPattern> pattern = AccountPattern::parse("/srv/mail/%d/%n/Maildir", "");
  REQUIRE_OK(pattern);
  CHECK(pattern->root() == "/srv/mail");
  CHECK(pattern->depth() == 3);
  const Result<std::vector<std::string>> path = pattern->path_of("Alice@Example.com");
  REQUIRE_OK(path);
  CHECK(*path == std::vector<std::string>{"example.com", "alice", "Maildir"});
  AddressParts parts;
  CHECK(pattern->match(0, "example.com", parts));
  CHECK(pattern->match(1, "alice", parts));
  CHECK_FALSE(pattern->match(2, "maildir", parts));
  CHECK(pattern->match(2, "Maildir", parts));
  CHECK(pattern->address_of(parts) == "alice@example.com");

  const Result<AccountPattern> one = AccountPattern::parse("mail/%n@%d.box", "");
  REQUIRE_OK(one);
  AddressParts split;
  CHECK(one->match(0, "a@b@example.com.box", split));
  CHECK(one->address_of(split) == "a@b@example.com");
  const Result<AccountPattern> twice = AccountPattern::parse("/m/%d/%u", "");
  REQUIRE_OK(twice);
  AddressParts clash;
  CHECK(twice->match(0, "a.com", clash));
  CHECK(twice->match(1, "x@b.com", clash));
  CHECK_FALSE(twice->address_of(clash));
}

TEST_CASE("maildir pattern: no address climbs out", "[stores]") {
  const Result<AccountPattern> pattern = AccountPattern::parse("/srv/mail", "example.com");
  REQUIRE_OK(pattern);
  CHECK(pattern->path_of("a@example.com").ok());
  for (const std::string address : {"../x@example.com", "..@example.com", "a/b@example.com", "@example.com",
                                    "", ".hidden@example.com", "a@other.com"}) {
    INFO(address);
    REQUIRE_CODE(pattern->path_of(address), invalid_argument);
  }
  REQUIRE_CODE(pattern->path_of(std::string("a\0b@example.com", 15)), invalid_argument);
  for (const char* bad : {"", "/m/%x", "/m/%d", "/m/%", "/m/%n/../x"}) {
    INFO(bad);
    REQUIRE_CODE(AccountPattern::parse(bad, ""), invalid_argument);
  }
}

TEST_CASE("directories of accounts that many make at a time belong to whom the one above belongs to",
          "[stores]") {
  if (::geteuid() != 0) RESTANTE_SKIP("needs root");
  const test::ScratchDir scratch;
  const std::string root = scratch.file("mail");
  REQUIRE(std::filesystem::create_directory(root));
  REQUIRE(::chown(root.c_str(), 4001, 4002) == 0);
  const Result<AccountPattern> pattern = AccountPattern::parse(root + "/%d/%n/Maildir", "");
  REQUIRE_OK(pattern);
  const AccountFinder finder(os::real_io(), *pattern, {});
  for (int round = 0; round < 40; ++round) {
    const std::string domain = "d" + std::to_string(round) + ".example";
    std::vector<std::thread> threads;
    std::atomic<int> failed = 0;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&, i] {
        // Two for each account.
        const std::string id = "user" + std::to_string(i / 2) + "@" + domain;
        if (!finder.open_place(id, true).ok()) ++failed;
      });
    for (std::thread& thread : threads) thread.join();
    REQUIRE(failed == 0);
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root + "/" + domain)) {
      struct stat info {};
      REQUIRE(::stat(entry.path().c_str(), &info) == 0);
      INFO(entry.path());
      REQUIRE(info.st_uid == 4001);
      REQUIRE(info.st_gid == 4002);
      ++count;
    }
    REQUIRE(count == 8);  // no temporary one either
  }
}
