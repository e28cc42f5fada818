#include "content/base64_lines.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace {

using namespace restante;
using namespace restante::content;
using restante::test::Random;

constexpr std::string_view kCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// As slow and plain as it can be, to compare with: bit by bit.
std::string plain_lines(ByteView decoded, const Base64Shape& shape) {
  std::string characters;
  for (std::size_t bit = 0; bit < decoded.size() * 8; bit += 6) {
    std::size_t value = 0;
    for (std::size_t i = bit; i < bit + 6; ++i) {
      const bool set = i / 8 < decoded.size() && (decoded[i / 8] >> (7 - i % 8) & 1) != 0;
      value = value * 2 + (set ? 1 : 0);
    }
    characters.push_back(kCharacters[value]);
  }
  while (characters.size() % 4 != 0) characters.push_back('=');
  const std::string ending = shape.crlf ? "\r\n" : "\n";
  std::string lines;
  for (std::size_t i = 0; i < characters.size(); i += shape.width) {
    if (i > 0) lines += ending;
    lines += characters.substr(i, shape.width);
  }
  if (shape.last_line_ended) lines += ending;
  return lines;
}

Bytes decoded_last(std::string_view line) {
  Bytes out(line.size() + kBase64Slack);
  out.resize(decode_last_base64(as_bytes(line), out.data()));
  return out;
}

std::vector<Base64Shape> shapes() {
  std::vector<Base64Shape> all;
  for (const std::uint32_t width : {16u, 60u, 72u, 76u, 996u}) {
    for (const bool crlf : {false, true}) {
      for (const bool ended : {false, true}) all.push_back({width, crlf, ended});
    }
  }
  return all;
}

}  // namespace

TEST_CASE("base64 lines: bytes and a shape give exactly the lines, however the bytes are cut", "[content]") {
  Random random("base64 shapes");
  for (const Base64Shape& shape : shapes()) {
    REQUIRE(is_sound(shape));
    for (std::size_t size = 1; size < 400; size += 1 + random.below(3)) {
      const Bytes decoded = random.bytes(size);
      const std::string expected = plain_lines(decoded, shape);
      Bytes lines{'x'};
      encode_base64_lines(decoded, shape, lines);
      INFO("width " << shape.width << ", " << size << " bytes");
      REQUIRE(as_text(lines) == "x" + expected);
      REQUIRE(encoded_length(size, shape) == expected.size());
      Bytes stepwise;
      Base64LineEncoder encoder(shape);
      for (std::size_t at = 0; at < size;) {
        const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(size - at, random.below(80)));
        encoder.encode(ByteView(decoded).subspan(at, step), stepwise);
        at += step;
      }
      encoder.finish(shape.last_line_ended, stepwise);
      REQUIRE(as_text(stepwise) == expected);
    }
  }
}

TEST_CASE("base64 lines: no bytes are no lines", "[content]") {
  for (const Base64Shape& shape : shapes()) {
    Bytes lines;
    encode_base64_lines({}, shape, lines);
    REQUIRE(lines.empty());
    REQUIRE(encoded_length(0, shape) == 0);
  }
}

TEST_CASE("base64 lines: shapes that no lines have are not sound", "[content]") {
  for (const std::uint32_t width : {0u, 4u, 12u, 15u, 75u, 77u, 998u, 1000u, 0xfffffffcu}) {
    INFO(width);
    REQUIRE_FALSE(is_sound({width, false, true}));
  }
}

TEST_CASE("base64 lines: only characters of the alphabet decode, wherever they stand", "[content]") {
  Random random("base64 characters");
  for (const std::size_t size :
       {std::size_t{4}, std::size_t{16}, std::size_t{60}, std::size_t{76}, std::size_t{996}}) {
    const Bytes decoded = random.bytes(size / 4 * 3);
    std::string line = plain_lines(decoded, {static_cast<std::uint32_t>(size), false, false});
    Bytes out(size + kBase64Slack);
    REQUIRE(decode_base64(as_bytes(line), out.data()));
    REQUIRE(std::equal(decoded.begin(), decoded.end(), out.begin()));
    for (std::size_t at = 0; at<size; at += size> 100 ? 37 : 1) {
      const char before = line[at];
      for (int byte = 0; byte < 256; ++byte) {
        line[at] = static_cast<char>(byte);
        const bool expected =
            byte != 0 && kCharacters.find(static_cast<char>(byte)) != std::string_view::npos;
        Bytes portable(out.size());
        if (decode_base64(as_bytes(line), out.data()) != expected ||
            decode_base64_portable(as_bytes(line), portable.data()) != expected) {
          FAIL("byte " << byte << " at " << at << " of " << size);
        }
        if (expected &&
            !std::equal(portable.begin(), portable.begin() + static_cast<std::ptrdiff_t>(size / 4 * 3),
                        out.begin())) {
          FAIL("byte " << byte << " at " << at << " of " << size << " decodes to two things");
        }
      }
      line[at] = before;
    }
  }
}

TEST_CASE("base64 lines: a decoder writes no further than it says", "[content]") {
  Random random("base64 slack");
  for (std::uint32_t size = 4; size <= 400; size += 4) {
    const std::string line = plain_lines(random.bytes(size / 4 * 3), {size, false, false});
    Bytes out(size / 4 * 3 + kBase64Slack + 64, 0xaa);
    REQUIRE(decode_base64(as_bytes(line), out.data()));
    REQUIRE(std::all_of(out.end() - 64, out.end(), [](std::uint8_t byte) { return byte == 0xaa; }));
  }
}

TEST_CASE("base64 lines: padding is canonical or no padding", "[content]") {
  const auto bytes = [](std::string_view text) {
    return Bytes(as_bytes(text).begin(), as_bytes(text).end());
  };
  CHECK(decoded_last("TWFu") == bytes("Man"));
  CHECK(decoded_last("TWE=") == bytes("Ma"));
  CHECK(decoded_last("TQ==") == bytes("M"));
  CHECK(decoded_last("TWFuTWE=") == bytes("ManMa"));
  for (const char* line : {"", "T", "TW", "TWF", "TWFuT", "TR==", "TWF=", "TQ=A", "TQ=", "T===", "====",
                           "=AAA", "TQ==TQ==", "TWE=TWFu", "TW-u", "TWF\n", "TWFu\n"}) {
    INFO(line);
    CHECK(decoded_last(line).empty());
  }
}
