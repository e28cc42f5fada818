#include "target/target_file.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "crypto/crypto.hpp"

namespace restante::target {
namespace {

constexpr unsigned kTargetFileVersion = 1;
constexpr std::string_view kFormat = "restante target";
constexpr const char* kCheck = "sha256";

// Of the other members as they are dumped, so that a changed digit of the key does not pass.
std::string check_of(nlohmann::ordered_json json) {
  json.erase(kCheck);
  return crypto::sha256(as_bytes(json.dump())).to_string();
}

}  // namespace

Bytes encode_target_file(const TargetFile& file) {
  nlohmann::ordered_json json = {
      {"format", kFormat},
      {"version", kTargetFileVersion},
      {"required_features", nlohmann::json::array()},
      {"id", file.id.to_string()},
      {"created", file.created.to_string()},
      {"created_us", file.created.us},
      {"key", file.authority.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(file.authority)},
      {"digest_key", file.authority.empty() ? nlohmann::ordered_json(to_hex(file.digest_key.bytes))
                                            : nlohmann::ordered_json()},
      {"compression_level", file.compression_level},
  };
  json[kCheck] = check_of(json);
  const std::string text = json.dump(2) + "\n";
  return Bytes(text.begin(), text.end());
}

Result<TargetFile> decode_target_file(ByteView bytes, std::string_view where) {
  const auto damaged = [&](std::string_view what) {
    return Status(Code::damaged, base::cat(where, ": ", what));
  };
  const nlohmann::ordered_json json =
      nlohmann::ordered_json::parse(bytes.begin(), bytes.end(), nullptr, false);
  if (!json.is_object() || json.value("format", nlohmann::ordered_json()) != kFormat)
    return damaged("not the description of a restante target");
  const auto number = [&](const char* name) -> std::optional<std::int64_t> {
    const auto field = json.find(name);
    if (field == json.end() || !field->is_number_integer()) return std::nullopt;
    return field->get<std::int64_t>();
  };
  const auto text = [&](const char* name) {
    const auto field = json.find(name);
    return field != json.end() && field->is_string() ? field->get<std::string>() : std::string();
  };
  const std::optional<std::int64_t> version = number("version");
  if (!version) return damaged("no format version");
  const auto features = json.find("required_features");
  if (features == json.end() || !features->is_array()) return damaged("no list of required features");
  if (*version > kTargetFileVersion || !features->empty())
    return Status(Code::unsupported, base::cat(where, ": made by a newer version (format ", *version, ")"),
                  "use the version of restante that wrote it, or a newer one");
  if (text(kCheck) != check_of(json)) return damaged("its bytes are not what was written (SHA-256 differs)");
  const Result<Id128> id = Id128::parse(text("id"));
  const Result<Bytes> key = from_hex(text("digest_key"));
  const std::optional<std::int64_t> created = number("created_us");
  const std::optional<std::int64_t> level = number("compression_level");
  TargetFile file;
  if (!id.ok() || id->is_none()) return damaged("no target id");
  file.authority = text("key");
  const bool has_key = key.ok() && key->size() == file.digest_key.bytes.size();
  if (file.authority.empty() != has_key) return damaged("neither digest key nor authority, or both");
  if (!created || !level || *level < 1 || *level > 19) return damaged("a field is missing or out of range");
  file.id = *id;
  file.created = Time{*created};
  if (has_key) std::copy(key->begin(), key->end(), file.digest_key.bytes.begin());
  file.compression_level = static_cast<int>(*level);
  return file;
}

}  // namespace restante::target
