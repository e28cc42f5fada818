#include <string>

#include "archive/mbox.hpp"
#include "archive/spool.hpp"
#include "support/catch.hpp"

using namespace restante;
using namespace restante::archive;
using namespace restante::test;

namespace {

// In pieces of `step` bytes, as content comes.
std::string pass(const std::string& text, MboxQuoting::Direction direction, std::size_t step) {
  MboxQuoting quoting(direction);
  Bytes out;
  for (std::size_t at = 0; at < text.size(); at += step)
    quoting.add(as_bytes(std::string_view(text).substr(at, step)), out);
  quoting.end(out);
  return std::string(as_text(out));
}

std::string quote(const std::string& text, std::size_t step = 7) {
  return pass(text, MboxQuoting::Direction::quote, step);
}

const std::string kTexts[] = {
    "",
    "\n",
    "\r\n",
    "no end",
    "From the first line\n",
    ">From\n>From \n>>From x\n> From\nFro",
    "a\n\nFrom b\r\n>>>>From c\r\n\r\n",
    "F\nFr\nFro\nFrom\nFrom ",
    ">",
    ">>>",
    "x\n>",
    "a\rFrom b\r\n",
    std::string("nul \0 and\nFrom \0\n", 17),
    "\xff\xfe From\nFrom \xff",
};

}  // namespace

TEST_CASE("mbox: every message comes back from its quoted form, in pieces of any size", "[archive]") {
  for (const std::string& text : kTexts) {
    const std::string quoted = quote(text);
    for (const std::size_t step : {1, 2, 3, 5, 64}) {
      CHECK(quote(text, step) == quoted);
      CHECK(pass(quoted, MboxQuoting::Direction::unquote, step).substr(0, text.size()) == text);
    }
  }
  Random random("mbox");
  for (int i = 0; i < 500; ++i) {
    std::string text;
    for (std::uint64_t n = random.below(30); n > 0; --n) {
      const char* const pieces[] = {"From ", ">", "\n", "\r\n", "F", "From", " ", "x"};
      text += pieces[random.below(8)];
    }
    const std::string quoted = quote(text, 1 + random.below(9));
    CHECK(pass(quoted, MboxQuoting::Direction::unquote, 1 + random.below(9)).substr(0, text.size()) == text);
  }
}

TEST_CASE("mbox: no line of a quoted message begins a message, and an empty line ends it", "[archive]") {
  for (const std::string& text : kTexts) {
    const std::string quoted = "\n" + quote(text);
    CHECK(quoted.find("\nFrom ") == std::string::npos);
    CHECK(quoted.ends_with("\n"));
    CHECK((text.empty() || quoted.ends_with("\n\n") || quoted.ends_with("\r\n\n")));
  }
  CHECK(quote("From a\n") == ">From a\n\n");
  CHECK(quote(">From a") == ">>From a\n\n");
  CHECK(quote("") == "\n");
}

TEST_CASE("mbox: the line before a message tells its date in UTC", "[archive]") {
  const std::optional<Time> date = Time::from_seconds(1'794'694'400);
  CHECK(from_line(date) == "From MAILER-DAEMON Sat Nov 14 22:13:20 2026\n");
  CHECK(from_line(Time::from_seconds(0)) == "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n");
  CHECK(from_line(std::nullopt) == from_line(Time{}));
  CHECK(from_line(Time{-5}) == from_line(Time{}));
  CHECK(from_line(Time{INT64_MAX}) == from_line(Time{}));
  CHECK(date_of_from_line("From MAILER-DAEMON Sat Nov 14 22:13:20 2026") == date);
  CHECK(date_of_from_line("From a@b  Sat Nov 14 22:13 2026\r") == Time::from_seconds(1'794'694'380));
}

TEST_CASE("mbox: a line is taken for the beginning of a message only with a time and a year", "[archive]") {
  CHECK(is_from_line("From a@b Sat Nov 14 22:13:20 2026"));
  CHECK(is_from_line("From - Sat Nov 14 22:13:20 2026 +0100"));
  CHECK_FALSE(is_from_line("From here on it is fine."));
  CHECK_FALSE(is_from_line("From 2026 on"));
  CHECK_FALSE(is_from_line(">From a@b Sat Nov 14 22:13:20 2026"));
  CHECK_FALSE(is_from_line("From"));
  CHECK_FALSE(is_from_line(""));
  CHECK_FALSE(date_of_from_line("From x 99 Foo 99:99:99 9999"));
  CHECK_FALSE(date_of_from_line("From x Feb 30 10:00:00 2026"));
}
