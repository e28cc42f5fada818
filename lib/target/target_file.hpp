#pragma once
// target.json. Specified in docs/format/target.md.

#include <string>
#include <string_view>

#include <restante/backup_target.hpp>

namespace restante::target {

struct TargetFile {
  Id128 id;
  Time created;
  // Of a target with keys: their authority, 64 hexadecimal digits. Such a target's key of state digests is
  // not in this file.
  std::string authority;
  DigestKey digest_key;
  int compression_level = 3;
};

[[nodiscard]] Bytes encode_target_file(const TargetFile& file);
// `damaged`, or `unsupported` for a newer format or an unknown required feature.
[[nodiscard]] Result<TargetFile> decode_target_file(ByteView bytes, std::string_view where);

}  // namespace restante::target
