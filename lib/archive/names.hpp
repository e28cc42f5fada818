#pragma once
// What things are called in an archive: names that every system can unpack, from whatever a store calls them.
// Pure. All names are ASCII: what else an archive could hold depends on the locale of who reads it.

#include <restante/model.hpp>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace restante::archive {

// Names of a folder and those above it, from the top. A loop or a missing parent ends it.
[[nodiscard]] std::vector<std::string> levels_of(const std::map<std::string, Folder>& folders,
                                                 std::string_view folder_id);
// "Work/Reports" as people write it; INBOX in any capitals.
[[nodiscard]] std::vector<std::string> levels_of_path(std::string_view path);
// Whether the two are one folder: equal, but for the capitals of a top INBOX.
[[nodiscard]] std::vector<std::string> comparable(std::vector<std::string> levels);

// `text` with '_' for everything but letters, digits and "@-_+=,&" and dots inside; at most 100 bytes, never
// empty.
[[nodiscard]] std::string safe_name(std::string_view text);

// Gives each thing a name of its own: a second one of a name gets "~2" behind it.
class UniqueNames {
 public:
  [[nodiscard]] std::string take(const std::string& name);

 private:
  std::set<std::string> taken_;
};

inline constexpr std::string_view kMaildir = "Maildir";

// Where the folders of one account lie, by id: for a Maildir the directory below the account's, "Maildir" or
// "Maildir/.Work.Reports"; for mboxes the file, "INBOX.mbox" or "Work/Reports.mbox". Dots within names become
// '_', so that no two of these meet.
[[nodiscard]] std::map<std::string, std::string> maildir_places(const std::map<std::string, Folder>& folders);
[[nodiscard]] std::map<std::string, std::string> mbox_places(const std::map<std::string, Folder>& folders);

// The name of a message's file in a Maildir: with its date, a number that no other one of the folder has, its
// size and its flags.
[[nodiscard]] std::string maildir_file_name(const Message& message, std::uint64_t number,
                                            std::string_view keyword_letters);

}  // namespace restante::archive
