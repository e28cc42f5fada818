#include "stores/maildir_keywords.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace restante::stores {
namespace {

// What can stand on a line of its own; IMAP keywords are atoms (RFC 9051 §9) and always can.
bool can_be_written(std::string_view name) {
  return !name.empty() && name.find_first_of(std::string_view("\n\r\0 ", 4)) == std::string_view::npos;
}

}  // namespace

KeywordMap KeywordMap::parse(std::string_view text) {
  KeywordMap map;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    const std::optional<std::uint64_t> index = base::parse_decimal(line.substr(0, space));
    const std::string_view name = line.substr(space + 1);
    if (!index || *index >= kLetters || !can_be_written(name)) continue;
    // One letter a name: the first, so that letters and names stay one to one.
    if (!map.letter_of(name)) map.names_[*index] = name;
  }
  return map;
}

std::string KeywordMap::encode() const {
  std::string out;
  for (std::size_t i = 0; i < kLetters; ++i) {
    if (!names_[i].empty()) out += base::cat(i, ' ', names_[i], '\n');
  }
  return out;
}

std::optional<char> KeywordMap::letter_of(std::string_view name) const {
  if (name.empty()) return std::nullopt;
  const auto* found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) return std::nullopt;
  return static_cast<char>('a' + (found - names_.begin()));
}

std::optional<char> KeywordMap::add(std::string_view name) {
  if (const std::optional<char> letter = letter_of(name)) return letter;
  if (!can_be_written(name)) return std::nullopt;
  auto* const free = std::find(names_.begin(), names_.end(), std::string_view());
  if (free == names_.end()) return std::nullopt;
  *free = name;
  return static_cast<char>('a' + (free - names_.begin()));
}

bool KeywordMap::empty() const {
  return std::all_of(names_.begin(), names_.end(), [](const std::string& name) { return name.empty(); });
}

}  // namespace restante::stores
