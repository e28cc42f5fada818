#include <restante/model.hpp>

#include <array>

#include "base/text.hpp"

namespace restante {
inline namespace v0 {

std::string FieldSet::to_string() const {
  static constexpr std::array<std::string_view, 14> kNames = {
      "uid",      "uidnext", "modseq",       "email_id",   "thread_id",   "internal_date", "save_date",
      "keywords", "tags",    "viewer_flags", "attributes", "special_use", "items",         "message_id",
  };
  std::string text;
  for (std::size_t bit = 0; bit < kNames.size(); ++bit) {
    if ((bits_ >> bit & 1) == 0) continue;
    if (!text.empty()) text += ", ";
    text += kNames[bit];
  }
  return text.empty() ? "nothing" : text;
}

bool is_utf8(std::string_view bytes) noexcept { return base::is_utf8(bytes); }

}  // namespace v0
}  // namespace restante
