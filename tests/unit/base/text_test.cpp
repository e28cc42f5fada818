#include "base/text.hpp"

#include <cstdint>
#include <limits>

#include "support/catch.hpp"

using namespace restante;

TEST_CASE("cat: strings, characters, numbers") {
  const std::string text = "b";
  CHECK(base::cat() == "");
  CHECK(base::cat("a", text, std::string_view("c"), 'd', 5, -6, 7u, true) == "abcd5-67true");
  CHECK(base::cat(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  CHECK(base::cat(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  CHECK(base::cat(static_cast<std::uint8_t>(200)) == "200");
  CHECK(base::cat(std::string_view("a\0b", 3)).size() == 3);
}

TEST_CASE("is_utf8") {
  for (const char* const good : {"", "mail", "Grüße", "日本語", "😀", "\xf4\x8f\xbf\xbf", "\xee\x80\x80"}) {
    INFO(good);
    CHECK(base::is_utf8(good));
  }
  for (const char* const bad :
       {"\x80", "\xbf", "\xc3", "\xc3(", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xe2\x82", "\xe2(\xa1",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\xaf", "\xf0\x9f\x98", "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80", "\xfe", "\xff", "caf\xe9"}) {
    INFO(base::escape(bad));
    CHECK_FALSE(base::is_utf8(bad));
  }
  CHECK(base::is_utf8(std::string_view("\0", 1)));
}

TEST_CASE("escape: a name from outside cannot disturb a message") {
  CHECK(base::escape("Posteingang/Grüße 日本 😀") == "Posteingang/Grüße 日本 😀");
  CHECK(base::escape("a\nb\tc\r") == "a\\x0ab\\x09c\\x0d");
  CHECK(base::escape(std::string_view("\0\x1b[2J\x7f", 6)) == "\\x00\\x1b[2J\\x7f");
  CHECK(base::escape("caf\xe9 \xff") == "caf\\xe9 \\xff");
  CHECK(base::escape("\xc2\x85") == "\\xc2\\x85");             // next line, a C1 control
  CHECK(base::escape("\xe2\x80\xa8x") == "\\xe2\\x80\\xa8x");  // line separator
  CHECK(base::escape("a\xe2\x80\xae"
                     "b") ==
        "a\\xe2\\x80\\xae"
        "b");                                       // right-to-left override
  CHECK(base::escape("\xe2\x82") == "\\xe2\\x82");  // cut short
  CHECK(base::escape("").empty());
}

TEST_CASE("escape: always printable UTF-8") {
  test::Random random("escape");
  for (int i = 0; i < 500; ++i) {
    const Bytes bytes = random.bytes(static_cast<std::size_t>(random.below(40)));
    const std::string escaped = base::escape(as_text(bytes));
    REQUIRE(base::is_utf8(escaped));
    for (const char c : escaped) {
      const auto byte = static_cast<unsigned char>(c);
      const bool visible = byte >= 0x20 && byte != 0x7f;
      REQUIRE(visible);
    }
    REQUIRE(base::escape(escaped) == escaped);
  }
}

TEST_CASE("parse_decimal: digits and nothing else") {
  CHECK(base::parse_decimal("0") == 0u);
  CHECK(base::parse_decimal("0042") == 42u);
  CHECK(base::parse_decimal("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  for (const char* const wrong : {"", " 1", "1 ", "+1", "-1", "0x1", "1.0", "18446744073709551616", "a"}) {
    INFO(wrong);
    CHECK_FALSE(base::parse_decimal(wrong).has_value());
  }
}

TEST_CASE("padded") {
  CHECK(base::padded(7, 3) == "007");
  CHECK(base::padded(1234, 3) == "1234");
  CHECK(base::padded(0, 0) == "0");
}
