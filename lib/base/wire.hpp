#pragma once
// Bytes <-> values, for every format of the library. Pure; no I/O.
//
// Integers are little endian. A varint is unsigned LEB128 in its shortest form, so that a value has one
// encoding and equal values have equal digests.

#include <restante/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace restante::base {

/// The longest varint of 64 bits.
inline constexpr std::size_t kMaxVarintBytes = 10;

/// Bytes that `ByteWriter::varint(value)` appends.
[[nodiscard]] std::size_t varint_size(std::uint64_t value) noexcept;

/// Appends to a buffer that outlives it.
class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) noexcept : out_(out) {}

  void u8(std::uint8_t value) { out_.push_back(value); }
  void u16(std::uint16_t value) { little_endian(value, 2); }
  void u32(std::uint32_t value) { little_endian(value, 4); }
  void u64(std::uint64_t value) { little_endian(value, 8); }
  void i64(std::int64_t value) { little_endian(static_cast<std::uint64_t>(value), 8); }
  void varint(std::uint64_t value);
  /// The length as a varint, then the bytes.
  void bytes(ByteView value);
  void text(std::string_view value) { bytes(as_bytes(value)); }
  /// The bytes alone.
  void raw(ByteView value);
  void raw(const Digest& value) { raw(ByteView(value.bytes)); }
  void raw(const Id128& value) { raw(ByteView(value.bytes)); }

 private:
  void little_endian(std::uint64_t value, std::size_t size);

  Bytes& out_;
};

/// Reads from memory that outlives it and what its reads return.
/// The first read that does not fit, or a varint that is not in its shortest form, makes it fail for good:
/// this and all later reads answer 0 or empty. So a decoder reads everything and asks `ok()` once; it must
/// not size an allocation by a count before it compared that with `remaining()`.
class ByteReader {
 public:
  explicit ByteReader(ByteView in) noexcept : in_(in) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  /// Bytes not read yet; 0 after a failure.
  [[nodiscard]] std::size_t remaining() const noexcept { return in_.size(); }
  /// For a decoder that found a value it cannot accept.
  void fail() noexcept;

  [[nodiscard]] std::uint8_t u8() noexcept { return static_cast<std::uint8_t>(little_endian(1)); }
  [[nodiscard]] std::uint16_t u16() noexcept { return static_cast<std::uint16_t>(little_endian(2)); }
  [[nodiscard]] std::uint32_t u32() noexcept { return static_cast<std::uint32_t>(little_endian(4)); }
  [[nodiscard]] std::uint64_t u64() noexcept { return little_endian(8); }
  [[nodiscard]] std::int64_t i64() noexcept { return static_cast<std::int64_t>(little_endian(8)); }
  [[nodiscard]] std::uint64_t varint() noexcept;
  /// A length as a varint, then as many bytes.
  [[nodiscard]] ByteView bytes() noexcept;
  [[nodiscard]] std::string_view text() noexcept { return as_text(bytes()); }
  [[nodiscard]] ByteView raw(std::size_t size) noexcept;
  [[nodiscard]] Digest digest() noexcept;
  [[nodiscard]] Id128 id() noexcept;

 private:
  [[nodiscard]] std::uint64_t little_endian(std::size_t size) noexcept;

  ByteView in_;
  bool ok_ = true;
};

}  // namespace restante::base
