#include "archive/names.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "stores/maildir_names.hpp"
#include "stores/mutf7.hpp"

namespace restante::archive {
namespace {

// With all of them in one directory name of a Maildir++, well below the 255 bytes of file systems.
constexpr std::size_t kMaxNamePartBytes = 100;
constexpr std::size_t kMaxFolderDirBytes = 200;
constexpr std::string_view kInbox = "INBOX";

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_inbox(const std::vector<std::string>& levels) {
  return levels.size() == 1 && stores::is_inbox_name(levels.front());
}

// Folders from the top, those beside each other by name, so that names are given in an order that does not
// depend on ids.
std::vector<std::pair<std::vector<std::string>, std::string>> sorted_folders(
    const std::map<std::string, Folder>& folders) {
  std::vector<std::pair<std::vector<std::string>, std::string>> sorted;
  for (const auto& [id, folder] : folders) sorted.emplace_back(comparable(levels_of(folders, id)), id);
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

// One level of a Maildir++ directory name: modified UTF-7, without dots and what no file name can hold.
std::string maildir_part(const std::string& level) {
  std::string part = is_utf8(level) ? stores::to_mutf7(level) : level;
  for (char& c : part)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f || c == '/' || c == '.')
      c = '_';
  return part.empty() ? "_" : part;
}

std::string mbox_part(const std::string& level) {
  std::string part = maildir_part(level);
  part.resize(std::min(part.size(), kMaxNamePartBytes));
  return part;
}

}  // namespace

std::vector<std::string> levels_of(const std::map<std::string, Folder>& folders, std::string_view folder_id) {
  std::vector<std::string> levels;
  auto folder = folders.find(std::string(folder_id));
  while (folder != folders.end() && levels.size() < folders.size()) {
    levels.push_back(folder->second.name);
    folder = folders.find(folder->second.parent_id);
  }
  std::reverse(levels.begin(), levels.end());
  return levels;
}

std::vector<std::string> levels_of_path(std::string_view path) {
  std::vector<std::string> levels;
  for (;;) {
    const std::size_t slash = path.find('/');
    levels.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return comparable(std::move(levels));
    path.remove_prefix(slash + 1);
  }
}

std::vector<std::string> comparable(std::vector<std::string> levels) {
  if (!levels.empty() && stores::is_inbox_name(levels.front())) levels.front() = kInbox;
  return levels;
}

std::string safe_name(std::string_view text) {
  std::string name;
  for (const char c : text.substr(0, kMaxNamePartBytes)) {
    const bool fits = is_letter_or_digit(c) ||
                      std::string_view("@-_+=,&").find(c) != std::string_view::npos ||
                      (c == '.' && !name.empty());
    name.push_back(fits ? c : '_');
  }
  return name.empty() ? "_" : name;
}

std::string UniqueNames::take(const std::string& name) {
  std::string taken = name;
  for (std::uint64_t n = 2; !taken_.insert(taken).second; ++n) taken = base::cat(name, '~', n);
  return taken;
}

std::map<std::string, std::string> maildir_places(const std::map<std::string, Folder>& folders) {
  std::map<std::string, std::string> names;
  UniqueNames unique;
  bool has_inbox = false;
  for (const auto& [levels, id] : sorted_folders(folders)) {
    if (is_inbox(levels) && !has_inbox) {
      has_inbox = true;
      names.emplace(id, kMaildir);
      continue;
    }
    std::string dir;
    for (const std::string& level : levels) dir += "." + maildir_part(level);
    dir.resize(std::min(dir.size(), kMaxFolderDirBytes));
    names.emplace(id, unique.take(base::cat(kMaildir, '/', dir)));
  }
  return names;
}

std::map<std::string, std::string> mbox_places(const std::map<std::string, Folder>& folders) {
  std::map<std::string, std::string> names;
  UniqueNames unique;
  for (const auto& [levels, id] : sorted_folders(folders)) {
    std::string path;
    for (const std::string& level : levels) path += (path.empty() ? "" : "/") + mbox_part(level);
    names.emplace(id, unique.take(path) + ".mbox");
  }
  return names;
}

std::string maildir_file_name(const Message& message, std::uint64_t number,
                              std::string_view keyword_letters) {
  const std::int64_t us = message.internal_date ? std::max<std::int64_t>(0, message.internal_date->us) : 0;
  stores::MessageFileName name;
  name.base = base::cat(us / 1'000'000, ".M", us % 1'000'000, "N", number,
                        ".restante,S=", message.content ? message.content->size : 0);
  name.separator = ':';
  name.flags = message.flags;
  name.keyword_letters = keyword_letters;
  return stores::message_file_name(name, false);
}

}  // namespace restante::archive
