#include "storage/key.hpp"

#include <restante/storage.hpp>

#include <algorithm>

#include "base/text.hpp"

namespace restante {
namespace storage {
namespace {

bool is_key_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

Status refuse(std::string_view what, std::string_view text, std::string_view why) {
  return Status(Code::invalid_argument, base::cat(what, " \"", base::escape(text), "\" ", why));
}

}  // namespace

bool is_component(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kMaxComponentBytes && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), is_key_character);
}

Status check_prefix(std::string_view prefix) {
  if (prefix.empty()) return {};
  if (!prefix.ends_with('/')) return refuse("prefix", prefix, "does not end in a slash");
  return check_key(prefix.substr(0, prefix.size() - 1));
}

Status check_publication_prefix(std::string_view prefix) {
  if (prefix.empty()) return Status(Code::invalid_argument, "a publication needs a prefix of its own");
  return check_prefix(prefix);
}

}  // namespace storage

inline namespace v0 {

Status check_key(std::string_view key) {
  using namespace storage;
  if (key.empty()) return Status(Code::invalid_argument, "an empty key names no object");
  if (key.size() > kMaxKeyBytes) {
    return Status(Code::invalid_argument,
                  base::cat("a key of ", key.size(), " bytes is above the limit of ", kMaxKeyBytes));
  }
  for (std::string_view rest = key;;) {
    const std::size_t slash = rest.find('/');
    if (!is_component(rest.substr(0, slash))) {
      return refuse("key", key,
                    "is not made of components of 1 to 255 letters, digits, \".\", \"_\" and \"-\"");
    }
    if (slash == std::string_view::npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace v0
}  // namespace restante
