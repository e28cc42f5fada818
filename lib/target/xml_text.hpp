#pragma once
// Text in the XML files of a target. What XML forbids or would not keep byte for byte is base64, with an
// attribute that says so (R11).

#include <optional>
#include <string>
#include <string_view>

#include <restante/bytes.hpp>
#include <restante/status.hpp>

namespace pugi {
class xml_node;
class xml_document;
}  // namespace pugi

namespace restante::target {

[[nodiscard]] std::string to_base64(ByteView bytes);
[[nodiscard]] std::optional<Bytes> from_base64(std::string_view text);

// A child element of `parent` with `text`.
void put_text(pugi::xml_node parent, const char* name, std::string_view text);
// The text of the child `name`; empty if there is none.
[[nodiscard]] Result<std::string> get_text(const pugi::xml_node& parent, const char* name);

// The document with a last line that holds the SHA-256 of all before it.
[[nodiscard]] Bytes seal_xml(const pugi::xml_document& document);
// Checks that line and parses; `where` is for messages. No entity, DTD or outside reference is followed.
[[nodiscard]] Status open_xml(ByteView file, std::string_view where, pugi::xml_document& document);

}  // namespace restante::target
