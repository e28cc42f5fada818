#include <restante/schedule.hpp>

#include <array>
#include <chrono>
#include <optional>

#include "base/text.hpp"

namespace restante {
inline namespace v0 {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

// One of the five fields: its range, and names that stand for numbers from `low` on.
struct Field5 {
  const char* name;
  unsigned low;
  unsigned high;
  const std::string_view* names = nullptr;
  std::size_t name_count = 0;
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::optional<unsigned> number_or_name(std::string_view text, const Field5& field) {
  for (std::size_t i = 0; i < field.name_count; ++i)
    if (lower(text) == field.names[i]) return field.low + static_cast<unsigned>(i);
  const std::optional<std::uint64_t> number = base::parse_decimal(text);
  if (!number || *number < field.low || *number > field.high) return std::nullopt;
  return static_cast<unsigned>(*number);
}

// "5", "1-6", "*", each with "/step" behind a range.
std::optional<std::uint64_t> bits_of_part(std::string_view part, const Field5& field) {
  unsigned step = 1;
  const std::size_t slash = part.find('/');
  if (slash != std::string_view::npos) {
    const std::optional<std::uint64_t> given = base::parse_decimal(part.substr(slash + 1));
    if (!given || *given == 0 || *given > field.high) return std::nullopt;
    step = static_cast<unsigned>(*given);
    part = part.substr(0, slash);
  }
  std::optional<unsigned> low = field.low;
  std::optional<unsigned> high = field.high;
  if (part != "*") {
    const std::size_t dash = part.find('-');
    low = number_or_name(part.substr(0, dash), field);
    high = dash == std::string_view::npos ? low : number_or_name(part.substr(dash + 1), field);
    if (slash != std::string_view::npos && dash == std::string_view::npos) return std::nullopt;
  }
  if (!low || !high || *low > *high) return std::nullopt;
  std::uint64_t bits = 0;
  for (unsigned value = *low; value <= *high; value += step) bits |= std::uint64_t{1} << value;
  return bits;
}

Result<std::uint64_t> bits_of(std::string_view text, const Field5& field) {
  std::uint64_t bits = 0;
  for (;;) {
    const std::size_t comma = text.find(',');
    const std::optional<std::uint64_t> part = bits_of_part(text.substr(0, comma), field);
    if (!part)
      return Status(Code::invalid_argument,
                    base::cat("cron field ", field.name, " is ", base::escape(text.empty() ? "empty" : text)),
                    base::cat("it is *, a number or a range from ", field.low, " to ", field.high,
                              ", or several with commas"));
    bits |= *part;
    if (comma == std::string_view::npos) return bits;
    text.remove_prefix(comma + 1);
  }
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

}  // namespace

Result<CronLine> CronLine::parse(std::string_view text) {
  const std::vector<std::string_view> words = words_of(text);
  if (words.size() != 5)
    return Status(Code::invalid_argument,
                  base::cat("a cron line has five fields, not ", words.size(), ": ", base::escape(text)),
                  "minute, hour, day of month, month, day of week, for example \"0 1 * * 6\"");
  const std::array<Field5, 5> fields = {Field5{"minute", 0, 59}, Field5{"hour", 0, 23},
                                        Field5{"day of month", 1, 31},
                                        Field5{"month", 1, 12, kMonths.data(), kMonths.size()},
                                        Field5{"day of week", 0, 7, kWeekdays.data(), kWeekdays.size()}};
  std::array<std::uint64_t, 5> bits{};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const Result<std::uint64_t> field = bits_of(words[i], fields[i]);
    if (!field.ok()) return field.status();
    bits[i] = *field;
  }
  CronLine line;
  line.minutes_ = bits[0];
  line.hours_ = static_cast<std::uint32_t>(bits[1]);
  line.days_ = static_cast<std::uint32_t>(bits[2]);
  line.months_ = static_cast<std::uint32_t>(bits[3]);
  // 0 and 7 are Sunday.
  line.weekdays_ = static_cast<std::uint32_t>((bits[4] | (bits[4] >> 7 & 1)) & 0x7F);
  line.any_day_ = words[2].starts_with('*');
  line.any_weekday_ = words[4].starts_with('*');
  for (std::string_view word : words) line.text_ += (line.text_.empty() ? "" : " ") + std::string(word);
  return line;
}

Result<Time> CronLine::next(Time after, const TimeZone& zone) const {
  using namespace std::chrono;
  // Local dates from the day before, because the zone may be behind UTC; leap days repeat within eight years.
  const sys_days first = floor<days>(sys_time<microseconds>{microseconds{after.us}}) - days{1};
  constexpr int kDays = 9 * 366;
  for (int d = 0; d < kDays; ++d) {
    const year_month_day date{first + days{d}};
    const auto day = static_cast<unsigned>(date.day());
    const bool day_fits = (days_ >> day & 1) != 0;
    const bool weekday_fits = (weekdays_ >> weekday{sys_days{date}}.c_encoding() & 1) != 0;
    // As cron does: if both are restricted, either is enough.
    const bool fits = any_day_ || any_weekday_ ? day_fits && weekday_fits : day_fits || weekday_fits;
    if (!fits || (months_ >> static_cast<unsigned>(date.month()) & 1) == 0) continue;
    for (int minute = 0; minute < 24 * 60; ++minute) {
      if ((hours_ >> (minute / 60) & 1) == 0 || (minutes_ >> (minute % 60) & 1) == 0) continue;
      // A repeated hour runs once; a skipped one as soon as the clock has moved on.
      std::vector<Time> instants;
      for (int later = minute; instants.empty() && later < minute + 240; ++later) {
        const year_month_day at{sys_days{date} + days{later / 1440}};
        instants = zone.instants_of(
            static_cast<int>(at.year()), static_cast<int>(static_cast<unsigned>(at.month())),
            static_cast<int>(static_cast<unsigned>(at.day())), later % 1440 / 60, later % 60, 0, 0);
      }
      if (!instants.empty() && instants.front() > after) return instants.front();
    }
  }
  return Status(Code::invalid_argument, base::cat("no day fits the cron line ", text_));
}

Result<Retention> Retention::parse(std::string_view text) {
  Retention retention;
  const std::optional<std::uint64_t> count =
      text.empty() ? std::nullopt : base::parse_decimal(text.substr(0, text.size() - 1));
  if (count && *count > 0 && *count < 10'000) {
    const auto value = static_cast<unsigned>(*count);
    switch (text.back()) {
      case 'd': retention.days = value; return retention;
      case 'm': retention.months = value; return retention;
      case 'y': retention.years = value; return retention;
      default: break;
    }
  }
  return Status(Code::invalid_argument, base::cat("no retention period: ", base::escape(text)),
                "give a number of days, months or years, as 7d, 1m or 1y");
}

Time Retention::before(Time now) const {
  using namespace std::chrono;
  const sys_time<microseconds> instant{microseconds{now.us}};
  const sys_days today = floor<std::chrono::days>(instant);
  year_month_day date{today};
  date -= std::chrono::years{static_cast<int>(years)};
  date -= std::chrono::months{static_cast<int>(months)};
  if (!date.ok()) date = date.year() / date.month() / last;
  const auto moved = sys_days{date} - std::chrono::days{static_cast<int>(days)};
  return Time{now.us - duration_cast<microseconds>(today - moved).count()};
}

std::string Retention::to_string() const {
  if (years > 0) return base::cat(years, "y");
  if (months > 0) return base::cat(months, "m");
  return base::cat(days, "d");
}

namespace {

// Splits as a shell would: words, and what stands between double quotes.
Result<std::vector<std::string>> shell_words(std::string_view text) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(" \t\n", at)) != std::string_view::npos) {
    if (text[at] != '"') {
      const std::size_t end = std::min(text.find_first_of(" \t\n", at), text.size());
      words.emplace_back(text.substr(at, end - at));
      at = end;
      continue;
    }
    const std::size_t end = text.find('"', at + 1);
    if (end == std::string_view::npos)
      return Status(Code::invalid_argument, "a quote is not closed in the schedule", "write f \"0 1 * * 6\"");
    words.emplace_back(text.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return words;
}

}  // namespace

Schedule Schedule::standard() {
  return *Schedule::parse("f \"0 1 * * 6\" i \"0 1 * * 0-5\" d 1m \"0 0 * * *\"");
}

Result<Schedule> Schedule::parse(std::string_view text) {
  const Result<std::vector<std::string>> words = shell_words(text);
  if (!words.ok()) return words.status();
  Schedule schedule;
  for (std::size_t i = 0; i < words->size();) {
    const std::string& kind = (*words)[i++];
    if (kind != "f" && kind != "i" && kind != "d")
      return Status(Code::invalid_argument, base::cat("a schedule has no part ", base::escape(kind)),
                    "parts are f, i and d with a cron line each, for example f \"0 1 * * 6\"");
    Retention keep;
    keep.months = 1;
    if (kind == "d" && i < words->size() && (*words)[i].find(' ') == std::string::npos) {
      const Result<Retention> given = Retention::parse((*words)[i++]);
      if (!given.ok()) return given.status();
      keep = *given;
    }
    if (i == words->size())
      return Status(Code::invalid_argument, base::cat("part ", kind, " of the schedule has no cron line"),
                    "for example f \"0 1 * * 6\"");
    Result<CronLine> line = CronLine::parse((*words)[i++]);
    if (!line.ok()) return line.status();
    if (kind == "f")
      schedule.full.push_back(*std::move(line));
    else if (kind == "i")
      schedule.incremental.push_back(*std::move(line));
    else
      schedule.deletion.push_back({keep, *std::move(line)});
  }
  return schedule;
}

std::string Schedule::to_string() const {
  std::string text;
  const auto add = [&](std::string_view kind, const CronLine& line) {
    text += base::cat(text.empty() ? "" : " ", kind, " \"", line.text(), "\"");
  };
  for (const CronLine& line : full) add("f", line);
  for (const CronLine& line : incremental) add("i", line);
  for (const Deletion& part : deletion) add("d " + part.keep.to_string(), part.when);
  return text;
}

}  // namespace v0
}  // namespace restante
