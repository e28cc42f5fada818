#include "stores/maildir_pattern.hpp"

#include "base/text.hpp"
#include "stores/maildir_names.hpp"

namespace restante::stores {
namespace {

std::optional<std::string>& part_of(AddressParts& parts, char variable) {
  return variable == 'u' ? parts.user : variable == 'n' ? parts.name : parts.domain;
}

// What a variable may stand for: something that cannot climb, hide or split a path.
bool is_value(std::string_view value) {
  return !value.empty() && value.front() != '.' && value.find('/') == std::string_view::npos &&
         value.find('\0') == std::string_view::npos;
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

Result<AccountPattern> AccountPattern::parse(std::string_view path, std::string_view domain) {
  std::string full(path);
  while (full.size() > 1 && full.ends_with('/')) full.pop_back();
  if (full.empty()) return Status(Code::invalid_argument, "the path of the maildirs is empty");
  if (full.find('%') == std::string::npos) full += "/%n";

  AccountPattern pattern;
  pattern.domain_ = lower_case(domain);
  const std::size_t variable = full.find('%');
  const std::size_t slash = full.rfind('/', variable);
  pattern.root_ = slash == std::string::npos ? "." : slash == 0 ? "/" : full.substr(0, slash);
  std::string_view rest = full;
  rest.remove_prefix(slash == std::string::npos ? 0 : slash + 1);
  bool tells_name = false;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    Result<Component> component = parse_component(rest.substr(0, end));
    if (!component.ok()) return component.status().with_context(base::cat("path ", base::escape(full)));
    for (const Piece& piece : *component) tells_name |= piece.variable == 'u' || piece.variable == 'n';
    if (!component->empty()) pattern.components_.push_back(std::move(*component));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (tells_name) return pattern;
  return Status(Code::invalid_argument,
                base::cat("path ", base::escape(full), " does not tell one account from another"),
                "use %u (address) or %n (local part)");
}

Result<AccountPattern::Component> AccountPattern::parse_component(std::string_view text) {
  Component component;
  if (text == "." || text == "..") {
    return Status(Code::invalid_argument, base::cat("'", text, "' stands behind a variable"));
  }
  while (!text.empty()) {
    if (text.front() != '%') {
      const std::size_t end = std::min(text.find('%'), text.size());
      component.push_back({0, std::string(text.substr(0, end))});
      text.remove_prefix(end);
      continue;
    }
    const char variable = text.size() > 1 ? text[1] : '\0';
    if (variable != 'u' && variable != 'n' && variable != 'd') {
      return Status(Code::invalid_argument,
                    base::cat("unknown variable '", base::escape(text.substr(0, 2)), "'"),
                    "use %u (address), %n (local part) or %d (domain)");
    }
    component.push_back({variable, {}});
    text.remove_prefix(2);
  }
  return component;
}

bool AccountPattern::match_pieces(const Component& component, std::size_t index, std::string_view name,
                                  AddressParts& parts) {
  if (index == component.size()) return name.empty();
  const Piece& piece = component[index];
  if (piece.variable == 0) {
    return name.starts_with(piece.literal) &&
           match_pieces(component, index + 1, name.substr(piece.literal.size()), parts);
  }
  // The longest first, so that "%n@%d" splits at the last "@".
  for (std::size_t size = name.size(); size > 0; --size) {
    if (!is_value(name.substr(0, size))) continue;
    AddressParts attempt = parts;
    std::optional<std::string>& part = part_of(attempt, piece.variable);
    const std::string value = lower_case(name.substr(0, size));
    if (part && *part != value) continue;
    part = value;
    if (!match_pieces(component, index + 1, name.substr(size), attempt)) continue;
    parts = std::move(attempt);
    return true;
  }
  return false;
}

bool AccountPattern::match(std::size_t depth, std::string_view name, AddressParts& parts) const {
  AddressParts attempt = parts;
  if (!match_pieces(components_[depth], 0, name, attempt)) return false;
  parts = std::move(attempt);
  return true;
}

std::optional<std::string> AccountPattern::address_of(const AddressParts& parts) const {
  std::string address;
  if (parts.user) {
    address = *parts.user;
    if (address.find('@') == std::string::npos && !domain_.empty()) address += "@" + domain_;
  } else {
    const std::string& domain = parts.domain ? *parts.domain : domain_;
    address = domain.empty() ? parts.name.value_or("") : base::cat(parts.name.value_or(""), '@', domain);
  }
  // What stands in the path twice must agree: "/%d/%u" says the domain two times.
  const std::size_t at = address.rfind('@');
  const std::string name = address.substr(0, at);
  const std::string domain = at == std::string::npos ? "" : address.substr(at + 1);
  if ((parts.name && *parts.name != name) || (parts.domain && *parts.domain != domain)) return std::nullopt;
  return address;
}

Result<std::vector<std::string>> AccountPattern::path_of(std::string_view address) const {
  const auto refuse = [&](std::string_view why) {
    return Status(Code::invalid_argument,
                  base::cat("account ", base::escape(address.substr(0, 100)), ": ", why));
  };
  const std::string lower = lower_case(address);
  const std::size_t at = lower.rfind('@');
  const std::string name = lower.substr(0, at);
  const std::string domain = at == std::string::npos ? "" : lower.substr(at + 1);
  std::vector<std::string> path;
  bool tells_domain = false;
  for (const Component& component : components_) {
    std::string text;
    for (const Piece& piece : component) {
      if (piece.variable == 0) {
        text += piece.literal;
        continue;
      }
      const std::string& value = piece.variable == 'u' ? lower : piece.variable == 'n' ? name : domain;
      if (!is_value(value)) return refuse("it cannot be part of a path");
      tells_domain |= piece.variable != 'n';
      text += value;
    }
    constexpr std::size_t kMaxNameBytes = 255;
    if (text.size() > kMaxNameBytes)
      return refuse(base::cat("its directory would have a name of ", text.size(), " bytes, ", kMaxNameBytes,
                              " are possible"));
    if (!is_file_name(text)) return refuse("it cannot be part of a path");
    path.push_back(std::move(text));
  }
  if (!tells_domain && domain != domain_) return refuse(base::cat("the store's domain is '", domain_, "'"));
  return path;
}

}  // namespace restante::stores
