#pragma once
// Text in the XML files of a target. In a target without keys, what XML forbids or would not keep byte for
// byte is base64, with an attribute that says so; in one with keys every text is sealed (R11,
// docs/format/keys.md).

#include <cstdint>
#include <map>
#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include "crypto/sealer.hpp"

namespace restante::target {

[[nodiscard]] std::string to_base64(ByteView bytes);
[[nodiscard]] std::optional<Bytes> from_base64(std::string_view text);

// What an XML file is, where it lies, and who seals its texts for whom.
struct XmlPlace {
  crypto::ObjectPlace object{};
  crypto::Audience audience = crypto::Audience::metadata;
  const crypto::ObjectSealer& sealer = crypto::plain_sealer();
};

// Puts the texts of one document, in its order.
class TextWriter {
 public:
  TextWriter(const XmlPlace& place, pugi::xml_node root);
  // A child element of `parent` with `text`.
  void put(pugi::xml_node parent, const char* name, std::string_view text);
  // Once, behind the last text. What failed before is told here.
  [[nodiscard]] Status end();

 private:
  void seal_pending(crypto::Last last);

  std::unique_ptr<crypto::BlockSealer> blocks_;  // none without keys
  Status failure_;
  // A text waits until it is known whether another follows.
  struct Pending {
    pugi::xml_node node;
    std::string text;
  };
  std::optional<Pending> pending_;
  std::uint64_t number_ = 0;
};

class TextReader {
 public:
  // `root` must outlive it. `damaged` if the texts are not sealed as the place asks for. Whoever may not open
  // them reads empty texts.
  [[nodiscard]] static Result<TextReader> open(const XmlPlace& place, const pugi::xml_node& root);
  // The text of the child `name`; empty if there is none.
  [[nodiscard]] Result<std::string> get(const pugi::xml_node& parent, const char* name) const;
  [[nodiscard]] bool is_closed() const noexcept { return is_sealed_ && !opener_; }

 private:
  [[nodiscard]] Result<std::string> unseal(const pugi::xml_node& node, const char* name) const;

  bool is_sealed_ = false;
  std::unique_ptr<crypto::BlockOpener> opener_;
  std::map<pugi::xml_node, std::uint64_t> numbers_;  // of sealed texts, in the order of the document
};

// The document with a last line that holds the SHA-256 of all before it.
[[nodiscard]] Bytes seal_xml(const pugi::xml_document& document);
// Checks that line and parses; `where` is for messages. No entity, DTD or outside reference is followed.
[[nodiscard]] Status open_xml(ByteView file, std::string_view where, pugi::xml_document& document);

}  // namespace restante::target
