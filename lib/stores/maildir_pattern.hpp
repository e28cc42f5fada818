#pragma once
// Where the mailboxes are: "/srv/mail/%d/%n/Maildir". Pure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <restante/status.hpp>

namespace restante::stores {

/// An account's address in parts, as far as a path has told them.
struct AddressParts {
  std::optional<std::string> user;    // %u
  std::optional<std::string> name;    // %n
  std::optional<std::string> domain;  // %d
};

class AccountPattern {
 public:
  /// `path` without a variable gets "/%n". `domain` is used where the pattern tells none.
  /// `invalid_argument` for an unknown variable or a pattern that does not tell one account from another.
  [[nodiscard]] static Result<AccountPattern> parse(std::string_view path, std::string_view domain);

  /// The directory above the first component with a variable.
  [[nodiscard]] const std::string& root() const noexcept { return root_; }
  /// How many components follow it.
  [[nodiscard]] std::size_t depth() const noexcept { return components_.size(); }

  /// Whether `name` can be the component at `depth`, given what those above told; adds what it tells.
  [[nodiscard]] bool match(std::size_t depth, std::string_view name, AddressParts& parts) const;
  /// The address of a path that was matched whole, lower case; nothing if the parts contradict each other.
  [[nodiscard]] std::optional<std::string> address_of(const AddressParts& parts) const;
  /// The components of the path of `address`; `invalid_argument` if no path of this pattern can hold it.
  [[nodiscard]] Result<std::vector<std::string>> path_of(std::string_view address) const;

 private:
  struct Piece {
    char variable = 0;  // 0: literal
    std::string literal;
  };
  using Component = std::vector<Piece>;

  static Result<Component> parse_component(std::string_view text);
  static bool match_pieces(const Component& component, std::size_t index, std::string_view name,
                           AddressParts& parts);

  std::string root_;
  std::string domain_;
  std::vector<Component> components_;
};

[[nodiscard]] std::string lower_case(std::string_view text);

}  // namespace restante::stores
