#include "archive/mbox.hpp"

#include <algorithm>
#include <array>

#include "base/civil.hpp"
#include "base/text.hpp"

namespace restante::archive {
namespace {

constexpr std::string_view kFrom = "From ";
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The words of a line.
template <class Function>
void each_word(std::string_view line, Function function) {
  while (!line.empty()) {
    const std::size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    if (end > 0) function(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
}

// "22:13" or "22:13:20" into `civil`.
bool read_time_of_day(std::string_view word, base::Civil& civil) {
  if (word.size() != 5 && word.size() != 8) return false;
  for (std::size_t i = 0; i < word.size(); ++i)
    if (i % 3 == 2 ? word[i] != ':' : !is_digit(word[i])) return false;
  const auto two = [&](std::size_t at) { return (word[at] - '0') * 10 + (word[at + 1] - '0'); };
  civil.hour = two(0);
  civil.minute = two(3);
  civil.second = word.size() == 8 ? two(6) : 0;
  return true;
}

}  // namespace

std::string from_line(const std::optional<Time>& date) {
  // The format holds four digits of a year.
  constexpr std::int64_t kYear10000Us = 253'402'300'800'000'000;
  Time time = date.value_or(Time{});
  if (time.us < 0 || time.us >= kYear10000Us) time = Time{};
  const base::Civil civil = base::civil_of(time);
  const auto day = static_cast<std::size_t>(time.us / 86'400'000'000 % 7);
  const std::string day_of_month = base::cat(civil.day < 10 ? " " : "", civil.day);
  return base::cat("From MAILER-DAEMON ", kDays[day], " ", kMonths[static_cast<std::size_t>(civil.month - 1)],
                   " ", day_of_month, " ", base::time_of_day_text(civil), " ",
                   base::padded(static_cast<std::uint64_t>(civil.year), 4), "\n");
}

bool is_from_line(std::string_view line) {
  if (!line.starts_with(kFrom)) return false;
  bool time = false;
  bool year = false;
  base::Civil civil;
  each_word(line, [&](std::string_view word) {
    time = time || read_time_of_day(word, civil);
    year = year || (word.size() == 4 && is_digit(word[0]) && is_digit(word[1]) && is_digit(word[2]) &&
                    is_digit(word[3]));
  });
  return time && year;
}

std::optional<Time> date_of_from_line(std::string_view line) {
  base::Civil civil;
  civil.month = 0;
  civil.day = 0;
  civil.year = -1;
  bool time = false;
  each_word(line, [&](std::string_view word) {
    for (std::size_t i = 0; i < kMonths.size(); ++i)
      if (word == kMonths[i]) civil.month = static_cast<int>(i + 1);
    const std::optional<std::uint64_t> number = base::parse_decimal(word);
    if (number && word.size() <= 2 && civil.month != 0 && civil.day == 0)
      civil.day = static_cast<int>(*number);
    if (number && word.size() == 4) civil.year = static_cast<std::int64_t>(*number);
    time = read_time_of_day(word, civil) || time;
  });
  if (!time || civil.year < 0 || civil.month == 0 || !base::is_valid(civil)) return std::nullopt;
  return base::time_of(civil);
}

void MboxQuoting::add(ByteView piece, Bytes& out) {
  for (const std::uint8_t byte : piece) {
    ends_with_line_feed_ = byte == '\n';
    if (in_line_start_) {
      if (matched_ == 0 && byte == '>') {
        add_mark(out);
        continue;
      }
      if (byte == static_cast<std::uint8_t>(kFrom[matched_])) {
        if (++matched_ == kFrom.size()) decide(out);
        continue;
      }
      flush(out);
    }
    out.push_back(byte);
    in_line_start_ = byte == '\n';
  }
}

// All marks of a line are alike: only the one that unquoting may take away has to wait.
void MboxQuoting::add_mark(Bytes& out) {
  if (direction_ == Direction::unquote && !holds_mark_) {
    holds_mark_ = true;
  } else {
    out.push_back('>');
  }
}

// The line begins with '>'s and "From ".
void MboxQuoting::decide(Bytes& out) {
  if (direction_ == Direction::quote) out.push_back('>');
  holds_mark_ = false;
  flush(out);
}

void MboxQuoting::flush(Bytes& out) {
  if (holds_mark_) out.push_back('>');
  out.insert(out.end(), kFrom.begin(), kFrom.begin() + static_cast<std::ptrdiff_t>(matched_));
  holds_mark_ = false;
  matched_ = 0;
  in_line_start_ = false;
}

void MboxQuoting::end(Bytes& out) {
  flush(out);
  if (direction_ == Direction::unquote) return;
  if (!ends_with_line_feed_) out.push_back('\n');
  out.push_back('\n');
}

}  // namespace restante::archive
