#pragma once
// dovecot-keywords: which letter of a file name stands for which keyword. Pure.
//
//     0 $Forwarded
//     1 Junk
//
// Number n is the letter 'a' + n; there are 26 and no more (R9).

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <restante/bytes.hpp>

namespace restante::stores {

/// Of a dovecot-keywords file; 26 names need far less.
inline constexpr std::uint64_t kMaxKeywordsBytes = 64u << 10;

class KeywordMap {
 public:
  static constexpr std::size_t kLetters = 26;

  /// Lines that cannot be understood are passed over.
  [[nodiscard]] static KeywordMap parse(std::string_view text);
  [[nodiscard]] std::string encode() const;

  /// Empty for a letter without a name.
  [[nodiscard]] const std::string& name_of(char letter) const { return names_[index_of(letter)]; }
  [[nodiscard]] std::optional<char> letter_of(std::string_view name) const;
  /// The letter of `name`, a new one if it has none; nothing if all are taken or it cannot be written.
  [[nodiscard]] std::optional<char> add(std::string_view name);
  [[nodiscard]] bool empty() const;

 private:
  static std::size_t index_of(char letter) { return static_cast<std::size_t>(letter - 'a'); }
  std::array<std::string, kLetters> names_;
};

}  // namespace restante::stores
