#pragma once
// The message files of one folder, and which of them are which, while a server renames them.
//
// A rename during readdir can hide a name or show it twice. The modification time of a directory tells
// whether anything happened in it: a listing between two equal times is exact, and what it lacks is gone.
// In a folder that never rests, several listings are united: a base name counts as gone only when it
// was absent from the last ones (R9).

#include <string>
#include <vector>

#include <restante/status.hpp>

#include "os/io.hpp"

namespace restante::stores {

struct FoundFile {
  /// The base name; of several files with one base name all but the first have "/2", "/3" … behind it.
  std::string id;
  std::string name;
  bool in_new = false;
  /// Of the file, unless only names were asked for.
  os::FileInfo info;
};

/// Whether the name can be a message: not hidden, not a lock, not an index.
[[nodiscard]] bool is_message_name(std::string_view name);

enum class Look { names, files };

/// Messages in cur/ and new/ of the folder, by id. Directories that are missing are empty. What is no
/// regular file is left out.
[[nodiscard]] Result<std::vector<FoundFile>> list_messages(os::Io& io, int folder_fd, Look look);

/// Lists a directory until two looks at its times say that nothing happened meanwhile, at most a few times;
/// the names of the last time.
[[nodiscard]] Result<std::vector<os::DirEntry>> list_at_rest(os::Io& io, int dirfd);

}  // namespace restante::stores
