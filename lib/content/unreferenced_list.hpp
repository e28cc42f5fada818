#pragma once
// Lists of packs that nothing refers to (docs/format/content.md, "Removing").

#include <restante/storage.hpp>

#include <string>
#include <vector>

namespace restante::content {

struct UnreferencedList {
  Id128 id;
  /// Ascending, each once.
  std::vector<Id128> packs;
};

inline constexpr std::string_view kListPrefix = "content/unreferenced/";
/// "content/unreferenced/….list"
[[nodiscard]] std::string list_key(const Id128& list);

[[nodiscard]] Bytes encode_list(const Id128& target, const UnreferencedList& list);
/// `damaged`, also for a list of another target or another id; `unsupported` for a newer version.
[[nodiscard]] Result<UnreferencedList> decode_list(const Id128& target, const Id128& id, ByteView bytes);

/// The ids of all that are there, ascending.
[[nodiscard]] Result<std::vector<Id128>> find_lists(Storage& storage);
/// As `decode_list`; `not_found` if it is gone.
[[nodiscard]] Result<UnreferencedList> read_list(Storage& storage, const Id128& target, const Id128& id);

}  // namespace restante::content
