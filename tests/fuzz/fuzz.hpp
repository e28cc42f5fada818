#pragma once
// What the fuzzers share. Each is a file with one function, `LLVMFuzzerTestOneInput`, that gives bytes to one
// decoder and ends the process where something does not hold; run.sh links it with libFuzzer, and the
// ordinary tests link it with replay.cpp and give it its corpus.

#include <restante/bytes.hpp>
#include <restante/redo_log.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/crc32c.hpp"
#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "redo/record.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

/// Ends the process, in every build.
#define MUST(condition)                                                             \
  do {                                                                              \
    if (condition) break;                                                           \
    std::fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition); \
    std::abort();                                                                   \
  } while (false)

namespace restante::fuzz {

/// Where records lie that the fuzzers make, and that make_corpus.cpp has made.
inline redo::Place place_of(std::uint64_t offset) {
  redo::Place place;
  place.log.bytes.fill(0x4c);
  place.incarnation.bytes.fill(0x49);
  place.sequence = 3;
  place.offset = offset;
  return place;
}

inline void put_u32(Bytes& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

/// Puts the checksum of a segment's header right.
inline void mend_header(Bytes& bytes) {
  constexpr std::size_t kLengthAt = 12;
  constexpr std::size_t kCrcAt = 20;
  if (bytes.size() < kCrcAt + 4) return;
  std::uint32_t length = 0;
  for (std::size_t i = 4; i-- > 0;) length = length << 8 | bytes[kLengthAt + i];
  if (length < kCrcAt + 4 || length > bytes.size()) return;
  put_u32(bytes, kCrcAt, 0);
  put_u32(bytes, kCrcAt, base::crc32c(ByteView(bytes).first(length)));
}

/// With the last line that makes it whole for a reader of the target's XML files.
inline Bytes sealed_xml(ByteView document) {
  Bytes bytes(document.begin(), document.end());
  const std::string seal = base::cat("<!--sha256 ", crypto::sha256(document).to_string(), "-->\n");
  bytes.insert(bytes.end(), seal.begin(), seal.end());
  return bytes;
}

}  // namespace restante::fuzz
