// The JSON of an archive, and the lines of an mbox. What is decoded, encodes to what decodes the same.

#include "archive/mbox.hpp"
#include "archive/records.hpp"
#include "fuzz.hpp"

using namespace restante;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text(ByteView(data, size));
  (void)archive::decode_description(text);
  (void)archive::is_from_line(text);
  (void)archive::date_of_from_line(text);
  Bytes quoted;
  archive::MboxQuoting quoting(archive::MboxQuoting::Direction::quote);
  quoting.add(ByteView(data, size), quoted);
  quoting.end(quoted);
  Bytes plain;
  archive::MboxQuoting unquoting(archive::MboxQuoting::Direction::unquote);
  unquoting.add(quoted, plain);
  unquoting.end(plain);
  MUST(plain.size() >= size && std::equal(data, data + size, plain.begin()));
  const Result<archive::Line> line = archive::decode_line(text);
  if (!line.ok() || line->kind != archive::Line::Kind::element) return 0;
  const std::string first = archive::encode_element(line->element, line->place);
  const Result<archive::Line> again = archive::decode_line(first);
  MUST(again.ok() && again->element == line->element);
  MUST(archive::encode_element(again->element, again->place) == first);
  return 0;
}
