#pragma once
// The names and values of the attributes that a Maildir's accounts, folders, messages and items carry.
// Listed for people in docs/guides/maildir.md. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <restante/model.hpp>

#include "os/io.hpp"

namespace restante::stores {

namespace attribute {
// Of everything that is a file or directory, where they are not the default (`Ownership`).
inline constexpr const char* kMode = "mode";
inline constexpr const char* kUid = "uid";
inline constexpr const char* kGid = "gid";
// Of folders.
inline constexpr const char* kGuid = "guid";
inline constexpr const char* kUidlistHeader = "uidlist";
inline constexpr const char* kKeywords = "keywords";
inline constexpr const char* kNonexistent = "nonexistent";
inline constexpr const char* kRawName = "raw_name";
inline constexpr const char* kMissing = "missing";
// Of messages.
inline constexpr const char* kFileName = "name";
inline constexpr const char* kDirectory = "dir";
inline constexpr const char* kLetters = "letters";
inline constexpr const char* kUidlistRecord = "uidlist";
// Of items.
inline constexpr const char* kMtime = "mtime";
inline constexpr const char* kSize = "size";
inline constexpr const char* kSymlink = "symlink";
inline constexpr const char* kType = "type";
inline constexpr const char* kFormat = "format";
inline constexpr const char* kAfter = "after";
}  // namespace attribute

/// Attributes of messages that only say how this store keeps them (`SinkTraits`).
[[nodiscard]] inline std::vector<std::string> own_attributes() {
  return {attribute::kFileName, attribute::kUidlistRecord, attribute::kDirectory};
}

/// Who owns the files of a mailbox and what others may do with them. The default for everything in a
/// mailbox follows from the account's directory (R9).
struct Ownership {
  std::uint32_t mode = 0700;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;

  [[nodiscard]] static Ownership of(const os::FileInfo& info) { return {info.mode, info.uid, info.gid}; }
  /// The same without the right to execute, for a file.
  [[nodiscard]] Ownership of_file() const { return {mode & 0666u, uid, gid}; }
  bool operator==(const Ownership&) const = default;
};

/// Notes in `attributes`, names behind `prefix`, what of `found` is not as `standard`.
void put_ownership(const Ownership& found, const Ownership& standard, Attributes& attributes,
                   const std::string& prefix = {});
/// `standard` with what `attributes` say.
[[nodiscard]] Ownership take_ownership(const Attributes& attributes, Ownership standard,
                                       const std::string& prefix = {});

/// Seconds and nine decimals: "1700000000.000000000".
[[nodiscard]] std::string time_text(std::int64_t ns);
[[nodiscard]] std::optional<std::int64_t> parse_time_text(std::string_view text);

/// An instant of the model from a file time; rounds down, for dates before 1970 too.
[[nodiscard]] Time time_of_ns(std::int64_t ns);

/// Empty where there is none.
[[nodiscard]] const std::string& attribute_of(const Attributes& attributes, const std::string& name);

}  // namespace restante::stores
