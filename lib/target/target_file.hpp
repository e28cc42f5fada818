#pragma once
// target.json. Specified in docs/format/target.md.

#include <string_view>

#include <restante/backup_target.hpp>

namespace restante::target {

struct TargetFile {
  Id128 id;
  Time created;
  DigestKey digest_key;
  int compression_level = 3;
};

[[nodiscard]] Bytes encode_target_file(const TargetFile& file);
// `damaged`, or `unsupported` for a newer format or an unknown required feature.
[[nodiscard]] Result<TargetFile> decode_target_file(ByteView bytes, std::string_view where);

}  // namespace restante::target
