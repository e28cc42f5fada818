#pragma once
// File and directory names of a Maildir++, taken apart and put together. Pure, but for `BaseNames`.
//
// A message file is `<base>:2,<letters>`. Some systems write '!' or ';' for ':', which file systems of
// theirs forbid. In new/ a file has no suffix.

#include <restante/model.hpp>

#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace restante::stores {

struct MessageFileName {
  /// What stays when flags change; the message's id (never empty: a name that begins with ':' is its own).
  std::string base;
  /// ':', '!' or ';'; 0 where there is no suffix or one that says nothing about flags.
  char separator = 0;
  /// `SystemFlag` bits.
  std::uint32_t flags = 0;
  /// Letters a–z, sorted, each once.
  std::string keyword_letters;
  /// Every other letter, for example P (passed), sorted, each once.
  std::string other_letters;
};

[[nodiscard]] MessageFileName parse_message_file_name(std::string_view name);
/// The name that a server would give: in cur/ always with ":2,", in new/ only if there are letters.
[[nodiscard]] std::string message_file_name(const MessageFileName& name, bool in_new);
/// `base` as the key of dovecot-uidlist: up to the first ':'.
[[nodiscard]] std::string_view uidlist_key(std::string_view file_name);

/// Whether a file of this name can lie in a directory: not empty, no '/', no zero byte, not "." or "..",
/// at most 255 bytes.
[[nodiscard]] bool is_file_name(std::string_view name);
/// Whether `base` can be the base name of a message: a file name without ':' that leaves room for flags and
/// does not begin with '.', which servers overlook.
[[nodiscard]] bool is_base_name(std::string_view base);

/// One level of a folder's path.
struct FolderLevel {
  std::string name;
  /// The name is the bytes of the directory name, because they are not modified UTF-7.
  bool raw = false;
};

/// The levels of ".A.B"; empty if that is no folder's name.
[[nodiscard]] std::vector<FolderLevel> parse_folder_dir(std::string_view dir);
/// The reverse of one level; nothing if Maildir++ cannot hold the name (a '.', a '/', nothing at all …).
[[nodiscard]] std::optional<std::string> folder_dir_part(const FolderLevel& level);
[[nodiscard]] bool is_inbox_name(std::string_view name);

/// Files beside the messages that no backup holds: indexes, locks, and what this library has under
/// construction.
[[nodiscard]] bool is_passed_over(std::string_view name);
/// Indexes of a server, which have to go when identities change.
[[nodiscard]] bool is_index(std::string_view name);
/// Held in the fields of folders and messages: dovecot-uidlist and dovecot-keywords.
[[nodiscard]] bool is_modelled(std::string_view name);

/// Makes base names that nobody else makes, as Dovecot does: <sec>.M<usec>P<pid>Q<n>.<host>,S=<size>.
class BaseNames {
 public:
  BaseNames();
  [[nodiscard]] std::string next(std::uint64_t size);

 private:
  std::string host_;
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace restante::stores
