#include "target/xml_text.hpp"

#include "base/text.hpp"
#include "crypto/crypto.hpp"

namespace restante::target {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kSealBegin = "<!--sha256 ";
constexpr std::string_view kSealEnd = "-->\n";
constexpr const char* kEnvelope = "envelope";
constexpr const char* kEncoding = "encoding";
constexpr std::string_view kSealed = "sealed";
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

TextWriter::TextWriter(const XmlPlace& place, pugi::xml_node root) {
  if (!place.sealer.encrypts()) return;
  Result<std::unique_ptr<crypto::BlockSealer>> blocks = place.sealer.begin(place.object, place.audience);
  failure_ = blocks.status();
  if (!blocks.ok()) return;
  blocks_ = *std::move(blocks);
  root.append_attribute(kEnvelope).set_value(to_base64(blocks_->envelope()).c_str());
}

void TextWriter::put(pugi::xml_node parent, const char* name, std::string_view text) {
  if (!failure_.ok()) return;
  pugi::xml_node node = parent.append_child(name);
  if (blocks_) {
    seal_pending(crypto::Last::no);
    pending_ = {node, std::string(text)};
  } else if (is_plain(text)) {
    node.text().set(std::string(text).c_str());
  } else {
    node.append_attribute(kEncoding) = "base64";
    node.text().set(to_base64(as_bytes(text)).c_str());
  }
}

void TextWriter::seal_pending(crypto::Last last) {
  if (!pending_) return;
  Bytes sealed;
  const Status status = blocks_->seal(number_++, last, {}, as_bytes(pending_->text), sealed);
  if (!status.ok() && failure_.ok()) failure_ = status;
  pending_->node.append_attribute(kEncoding).set_value(std::string(kSealed).c_str());
  pending_->node.text().set(to_base64(sealed).c_str());
  pending_.reset();
}

Status TextWriter::end() {
  seal_pending(crypto::Last::yes);
  return failure_;
}

Result<TextReader> TextReader::open(const XmlPlace& place, const pugi::xml_node& root) {
  TextReader reader;
  const pugi::xml_attribute envelope = root.attribute(kEnvelope);
  reader.is_sealed_ = place.sealer.encrypts();
  if (!envelope.empty() != reader.is_sealed_)
    return Status(Code::damaged,
                  base::cat(place.object.key, reader.is_sealed_ ? ": not sealed, in a target with keys"
                                                                : ": sealed, in a target without keys"));
  if (!reader.is_sealed_ || !place.sealer.can_open(place.audience)) return reader;
  const std::optional<Bytes> bytes = from_base64(envelope.value());
  if (!bytes) return Status(Code::damaged, base::cat(place.object.key, ": its envelope is not base64"));
  Result<std::unique_ptr<crypto::BlockOpener>> opener =
      place.sealer.open(place.object, place.audience, *bytes);
  if (!opener.ok()) return opener.status();
  reader.opener_ = *std::move(opener);
  struct Numbering final : pugi::xml_tree_walker {
    explicit Numbering(std::map<pugi::xml_node, std::uint64_t>& all) : numbers(all) {}
    bool for_each(pugi::xml_node& node) override {
      if (node.attribute(kEncoding).value() == kSealed) numbers.emplace(node, numbers.size());
      return true;
    }
    std::map<pugi::xml_node, std::uint64_t>& numbers;
  };
  Numbering numbering(reader.numbers_);
  pugi::xml_node from = root;
  from.traverse(numbering);
  return reader;
}

Result<std::string> TextReader::get(const pugi::xml_node& parent, const char* name) const {
  const pugi::xml_node node = parent.child(name);
  if (!node || is_closed()) return std::string();
  const std::string_view encoding = node.attribute(kEncoding).value();
  if (is_sealed_ != (encoding == kSealed))
    return Status(Code::damaged, base::cat("<", name, "> is ", is_sealed_ ? "not " : "", "sealed"));
  if (is_sealed_) return unseal(node, name);
  const std::string text = node.text().get();
  if (encoding.empty()) return text;
  if (encoding != "base64")
    return Status(Code::unsupported,
                  base::cat("<", name, "> has the unknown encoding ", base::escape(encoding)));
  const std::optional<Bytes> bytes = from_base64(text);
  if (!bytes) return Status(Code::damaged, base::cat("<", name, "> is not base64"));
  return std::string(as_text(*bytes));
}

Result<std::string> TextReader::unseal(const pugi::xml_node& node, const char* name) const {
  const std::optional<Bytes> sealed = from_base64(node.text().get());
  if (!sealed) return Status(Code::damaged, base::cat("<", name, "> is not base64"));
  const std::uint64_t number = numbers_.at(node);
  const crypto::Last last = number + 1 == numbers_.size() ? crypto::Last::yes : crypto::Last::no;
  Bytes text;
  if (Status s = opener_->open(number, last, {}, *sealed, text); !s.ok()) return s;
  return std::string(as_text(text));
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
