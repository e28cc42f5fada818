#include "target/xml_text.hpp"

#include <pugixml.hpp>

#include "base/text.hpp"
#include "crypto/crypto.hpp"

namespace restante::target {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kSealBegin = "<!--sha256 ";
constexpr std::string_view kSealEnd = "-->\n";
constexpr std::size_t kSealBytes = kSealBegin.size() + 64 + kSealEnd.size();

// Text that comes back from an XML parser exactly as it went in.
bool is_plain(std::string_view text) {
  if (text.empty()) return true;
  const bool blank_edge = text.front() == ' ' || text.back() == ' ';
  return !blank_edge && base::is_utf8(text) && base::escape(text) == text;
}

class StringWriter final : public pugi::xml_writer {
 public:
  void write(const void* data, std::size_t size) override {
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    out.insert(out.end(), bytes, bytes + size);
  }
  Bytes out;
};

}  // namespace

std::string to_base64(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = static_cast<std::uint32_t>(bytes[i]) << 16;
    if (n > 1) group |= static_cast<std::uint32_t>(bytes[i + 1]) << 8;
    if (n > 2) group |= bytes[i + 2];
    for (std::size_t k = 0; k < 4; ++k) out.push_back(k <= n ? kAlphabet[group >> (18 - 6 * k) & 63] : '=');
  }
  return out;
}

std::optional<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  Bytes out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const std::size_t pad = !last ? 0 : text[i + 2] == '=' ? 2 : text[i + 3] == '=' ? 1 : 0;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const std::size_t value = k < 4 - pad ? kAlphabet.find(text[i + k]) : text[i + k] == '=' ? 0 : 64;
      if (value > 63) return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t>(value);
    }
    for (std::size_t k = 0; k < 3 - pad; ++k) out.push_back(static_cast<std::uint8_t>(group >> (16 - 8 * k)));
  }
  return out;
}

void put_text(pugi::xml_node parent, const char* name, std::string_view text) {
  pugi::xml_node node = parent.append_child(name);
  if (is_plain(text)) {
    node.text().set(std::string(text).c_str());
    return;
  }
  node.append_attribute("encoding") = "base64";
  node.text().set(to_base64(as_bytes(text)).c_str());
}

Result<std::string> get_text(const pugi::xml_node& parent, const char* name) {
  const pugi::xml_node node = parent.child(name);
  const std::string text = node.text().get();
  const std::string_view encoding = node.attribute("encoding").value();
  if (encoding.empty()) return text;
  if (encoding != "base64")
    return Status(Code::unsupported,
                  base::cat("<", name, "> has the unknown encoding ", base::escape(encoding)));
  const std::optional<Bytes> bytes = from_base64(text);
  if (!bytes) return Status(Code::damaged, base::cat("<", name, "> is not base64"));
  return std::string(as_text(*bytes));
}

Bytes seal_xml(const pugi::xml_document& document) {
  StringWriter writer;
  document.save(writer, " ", pugi::format_indent, pugi::encoding_utf8);
  const std::string seal = base::cat(kSealBegin, crypto::sha256(writer.out).to_string(), kSealEnd);
  writer.out.insert(writer.out.end(), seal.begin(), seal.end());
  return std::move(writer.out);
}

Status open_xml(ByteView file, std::string_view where, pugi::xml_document& document) {
  const std::string_view text = as_text(file);
  if (text.size() < kSealBytes || !text.substr(text.size() - kSealBytes).starts_with(kSealBegin))
    return Status(Code::damaged, base::cat(where, ": cut off, its last line is missing"));
  const ByteView body = file.first(file.size() - kSealBytes);
  const std::string_view stated = text.substr(body.size() + kSealBegin.size(), 64);
  if (crypto::sha256(body).to_string() != stated || !text.ends_with(kSealEnd))
    return Status(Code::damaged, base::cat(where, ": its bytes are not what was written (SHA-256 differs)"));
  const pugi::xml_parse_result parsed =
      document.load_buffer(body.data(), body.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!parsed) return Status(Code::damaged, base::cat(where, ": ", parsed.description()));
  return {};
}

}  // namespace restante::target
