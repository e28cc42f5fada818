#include "stores/maildir_names.hpp"

#include <restante/time.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "stores/mutf7.hpp"

namespace restante::stores {
namespace {

constexpr std::size_t kMaxNameBytes = 255;
// ":2," and every letter there is.
constexpr std::size_t kSuffixRoom = 3 + 26 + 26;

struct FlagLetter {
  char letter;
  std::uint32_t flag;
};
constexpr std::array<FlagLetter, 5> kFlagLetters = {
    {{'D', kFlagDraft}, {'F', kFlagFlagged}, {'R', kFlagAnswered}, {'S', kFlagSeen}, {'T', kFlagDeleted}}};

void sort_letters(std::string& letters) {
  std::sort(letters.begin(), letters.end());
  letters.erase(std::unique(letters.begin(), letters.end()), letters.end());
}

void take_letters(std::string_view letters, MessageFileName& out) {
  for (const char c : letters) {
    if (c == ',') break;
    const auto* known = std::find_if(kFlagLetters.begin(), kFlagLetters.end(),
                                     [&](const FlagLetter& flag) { return flag.letter == c; });
    if (known != kFlagLetters.end()) {
      out.flags |= known->flag;
    } else if (c >= 'a' && c <= 'z') {
      out.keyword_letters.push_back(c);
    } else {
      out.other_letters.push_back(c);
    }
  }
  sort_letters(out.keyword_letters);
  sort_letters(out.other_letters);
}

bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

// Where "!2," or ";2," and letters end the name; npos if they do not.
std::size_t foreign_suffix(std::string_view name) {
  std::size_t end = name.size();
  while (end > 0 && is_letter(name[end - 1])) --end;
  if (end < 4 || name[end - 1] != ',' || name[end - 2] != '2') return std::string_view::npos;
  const char separator = name[end - 3];
  return separator == '!' || separator == ';' ? end - 3 : std::string_view::npos;
}

}  // namespace

MessageFileName parse_message_file_name(std::string_view name) {
  MessageFileName out;
  std::size_t split = name.find(':');
  if (split == std::string_view::npos) split = foreign_suffix(name);
  if (split == 0 || split == std::string_view::npos) {
    out.base = name;
    return out;
  }
  out.base = name.substr(0, split);
  if (name.substr(split + 1, 2) != "2,") return out;
  out.separator = name[split];
  take_letters(name.substr(split + 3), out);
  return out;
}

std::string message_file_name(const MessageFileName& name, bool in_new) {
  std::string letters = base::cat(name.keyword_letters, name.other_letters);
  for (const FlagLetter& flag : kFlagLetters) {
    if ((name.flags & flag.flag) != 0) letters.push_back(flag.letter);
  }
  sort_letters(letters);
  if (in_new && letters.empty()) return name.base;
  return base::cat(name.base, name.separator == 0 ? ':' : name.separator, "2,", letters);
}

std::string_view uidlist_key(std::string_view file_name) {
  const std::size_t split = file_name.find(':');
  return split == 0 ? file_name : file_name.substr(0, split);
}

bool is_file_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

bool is_base_name(std::string_view base) {
  return is_file_name(base) && base.size() + kSuffixRoom <= kMaxNameBytes && base.front() != '.' &&
         base.find_first_of(":\n\r") == std::string_view::npos;
}

std::vector<FolderLevel> parse_folder_dir(std::string_view dir) {
  std::vector<FolderLevel> levels;
  if (dir.size() < 2 || dir.front() != '.') return levels;
  dir.remove_prefix(1);
  for (;;) {
    const std::size_t dot = dir.find('.');
    const std::string_view part = dir.substr(0, dot);
    if (part.empty()) return {};
    FolderLevel level;
    const std::optional<std::string> decoded = from_mutf7(part);
    level.name = decoded ? *decoded : std::string(part);
    level.raw = !decoded;
    levels.push_back(std::move(level));
    if (dot == std::string_view::npos) return levels;
    dir.remove_prefix(dot + 1);
  }
}

std::optional<std::string> folder_dir_part(const FolderLevel& level) {
  if (level.name.find('\0') != std::string::npos) return std::nullopt;
  std::string part = level.raw || !is_utf8(level.name) ? level.name : to_mutf7(level.name);
  if (!is_file_name(part) || part.find('.') != std::string::npos) return std::nullopt;
  return part;
}

bool is_inbox_name(std::string_view name) {
  constexpr std::string_view kInbox = "INBOX";
  return std::equal(name.begin(), name.end(), kInbox.begin(), kInbox.end(),
                    [](char a, char b) { return a == b || (a >= 'a' && a <= 'z' && a - 32 == b); });
}

bool is_index(std::string_view name) {
  return name.starts_with("dovecot.index") || name.starts_with("dovecot.list.index") ||
         name.starts_with("dovecot.map.index");
}

bool is_passed_over(std::string_view name) {
  return is_index(name) || name.ends_with(".lock") || name == "dovecot-uidlist.tmp" ||
         name.starts_with(".restante-tmp-");
}

bool is_modelled(std::string_view name) { return name == "dovecot-uidlist" || name == "dovecot-keywords"; }

BaseNames::BaseNames() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  for (const char c : std::string_view(host.data())) {
    // As Maildir's author asks: '/' and ':' would be taken for something else.
    if (c == '/') {
      host_ += "\\057";
    } else if (c == ':') {
      host_ += "\\072";
    } else {
      host_.push_back(c);
    }
  }
  if (host_.empty()) host_ = "localhost";
  // Room for the rest of the name.
  host_.resize(std::min<std::size_t>(host_.size(), 100));
}

std::string BaseNames::next(std::uint64_t size) {
  const Time now = system_clock().now();
  return base::cat(now.us / 1'000'000, ".M", now.us % 1'000'000, 'P', ::getpid(), 'Q', ++count_, '.', host_,
                   ",S=", size);
}

}  // namespace restante::stores
