#pragma once
// dovecot-uidlist, versions 1 and 3. Pure.
//
//     3 V1178286390 N25022 Gc7b4d38ad2ff6e5a6b130000ba8acf8f
//     25006 :1276528487.M364837P9451.host,S=1355,W=1394
//     25017 W2481 :1276533073.M242911P3632.host,S=10942
//
// The file is lazy: N may be too low, listed files may be gone, present ones may be missing.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <restante/bytes.hpp>

namespace restante::stores {

inline constexpr const char* kUidlistName = "dovecot-uidlist";

struct UidlistRecord {
  std::uint32_t uid = 0;
  /// Extension fields as they are, separated by spaces, for example "Gabc W2481".
  std::string extra;
  std::string base;
};

struct Uidlist {
  /// 0: the file did not say.
  std::uint32_t uidvalidity = 0;
  /// max(N, last UID + 1).
  std::uint32_t uidnext = 1;
  std::string guid;
  /// Header fields other than V, N and G, as they are.
  std::string extra;
  /// UIDs and base names are each there once.
  std::vector<UidlistRecord> records;
};

using WarningFunction = std::function<void(std::string_view)>;

/// Tolerant: what cannot be understood is left out with a warning. Nothing if not even the header can be
/// understood; the folder then has no UIDs.
[[nodiscard]] std::optional<Uidlist> parse_uidlist(ByteView bytes, const WarningFunction& warn);

/// Version 3. Records must be sorted by UID.
[[nodiscard]] std::string encode_uidlist(const Uidlist& uidlist);

/// Whether `fields` can stand in a record or header: words of a capital letter and printable bytes.
[[nodiscard]] bool are_uidlist_fields(std::string_view fields);

}  // namespace restante::stores
