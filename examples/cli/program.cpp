#include "program.hpp"

#include <fmt/format.h>

#include <charconv>

#include "failure.hpp"
#include "text.hpp"

namespace cli {

restante::Time time_of(const restante::TimeZone& zone, const char* option, const std::string& text) {
  const restante::Result<restante::Time> time = restante::parse_time(text, zone);
  if (time.ok()) return *time;
  fail_usage(fmt::format("{}: Invalid timestamp: {}", option, time.status().message()), time.status().hint());
}

std::optional<restante::Time> optional_time_of(const restante::TimeZone& zone, const char* option,
                                               const std::string& text) {
  if (text.empty()) return std::nullopt;
  return time_of(zone, option, text);
}

std::string account_of(std::string word) {
  for (char& c : word)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return word;
}

std::vector<std::string> accounts_of(const std::vector<std::string>& words) {
  if (words == std::vector<std::string>{"all"}) return {};
  std::vector<std::string> names;
  for (const std::string& word : words) {
    if (word == "all") fail_usage("-a: 'all' stands alone", "say -a all, or name the accounts without it");
    names.push_back(account_of(word));
  }
  return names;
}

std::uint64_t byte_count_of(const char* option, const std::string& text) {
  constexpr std::string_view kUnits = "KMG";
  const char* end = text.data() + text.size();
  std::uint64_t value = 0;
  const std::from_chars_result result = std::from_chars(text.data(), end, value);
  const std::string_view unit(result.ptr, end);
  const std::size_t power = unit.size() == 1 ? kUnits.find(unit.front()) + 1 : 0;
  const bool is_known = unit.empty() || (unit.size() == 1 && power > 0);
  if (result.ec != std::errc() || !is_known || value == 0 || value > (UINT64_MAX >> (10 * power)))
    fail_usage(fmt::format("{}: '{}' is not a number of bytes", option, printable(text)),
               "'20M' is 20 MiB; K and G go too");
  return value << (10 * power);
}

std::optional<std::uint64_t> optional_number_of(const char* option, const std::string& text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end)
    fail_usage(fmt::format("{}: '{}' is not a number", option, printable(text)),
               "numbers are whole, as 'restante redo dump' shows them");
  return value;
}

}  // namespace cli
