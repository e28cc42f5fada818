#include "base/wire.hpp"

#include <algorithm>
#include <array>

namespace restante::base {

std::size_t varint_size(std::uint64_t value) noexcept {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

void ByteWriter::varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<std::uint8_t>(value | 0x80));
  out_.push_back(static_cast<std::uint8_t>(value));
}

void ByteWriter::bytes(ByteView value) {
  varint(value.size());
  raw(value);
}

// Not in the header: inlined into callers that know the buffer's size, g++ 12 sees an overflow in the
// growth of the vector where there is none.
void ByteWriter::raw(ByteView value) { out_.insert(out_.end(), value.begin(), value.end()); }

void ByteWriter::little_endian(std::uint64_t value, std::size_t size) {
  std::array<std::uint8_t, 8> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
  raw(ByteView(bytes).first(size));
}

void ByteReader::fail() noexcept {
  ok_ = false;
  in_ = {};
}

std::uint64_t ByteReader::little_endian(std::size_t size) noexcept {
  const ByteView read = raw(size);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < read.size(); ++i) value |= std::uint64_t{read[i]} << (8 * i);
  return value;
}

std::uint64_t ByteReader::varint() noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kMaxVarintBytes && i < in_.size(); ++i) {
    const std::uint8_t byte = in_[i];
    const bool last = (byte & 0x80) == 0;
    const bool overflows = i == kMaxVarintBytes - 1 && byte > 1;  // only bit 63 is left
    const bool not_shortest = i > 0 && byte == 0;
    if (overflows || not_shortest) break;
    value |= std::uint64_t{byte & 0x7fu} << (7 * i);
    if (last) {
      in_ = in_.subspan(i + 1);
      return value;
    }
  }
  fail();
  return 0;
}

ByteView ByteReader::bytes() noexcept {
  const std::uint64_t size = varint();
  if (size > in_.size()) {
    fail();
    return {};
  }
  return raw(static_cast<std::size_t>(size));
}

ByteView ByteReader::raw(std::size_t size) noexcept {
  if (size > in_.size()) {
    fail();
    return {};
  }
  const ByteView read = in_.first(size);
  in_ = in_.subspan(size);
  return read;
}

Digest ByteReader::digest() noexcept {
  Digest digest;
  const ByteView read = raw(digest.bytes.size());
  std::copy(read.begin(), read.end(), digest.bytes.begin());
  return digest;
}

Id128 ByteReader::id() noexcept {
  Id128 id;
  const ByteView read = raw(id.bytes.size());
  std::copy(read.begin(), read.end(), id.bytes.begin());
  return id;
}

}  // namespace restante::base
