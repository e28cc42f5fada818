#pragma once
// Lines of base64 <-> the bytes that they stand for, exactly. Pure.
//
// Mail carries attachments as lines of base64 (RFC 2045 §6.8). Kept decoded they are a quarter smaller, they
// compress, and one file is the same file whoever encoded it. What is lost in decoding is the shape of the
// lines: how long they are, what ends them, and whether the last one is ended. With it, every run of lines
// that is *canonical* comes back byte for byte:
//
// - every line but the last has `width` characters, all of them of the alphabet of RFC 4648 §4;
// - the last has 1 to `width` / 4 groups of four, and padding in the last group only, with zero bits under
// it;
// - each line is ended alike, by LF or by CR LF; the last one may not be ended at all.
//
// Anything else is no such run, and is kept as it is.

#include <restante/bytes.hpp>

#include <cstddef>
#include <cstdint>

namespace restante::content {

/// How long lines may be. Shorter ones are no attachments and would make the encoder slow; longer ones mail
/// may not have (RFC 5321 §4.5.3.1.6).
inline constexpr std::uint32_t kMinBase64Width = 16;
inline constexpr std::uint32_t kMaxBase64Width = 996;

/// With the decoded bytes, which are never none, it gives exactly the original ones.
struct Base64Shape {
  std::uint32_t width = 0;       // characters in a full line, without what ends it; a multiple of 4
  bool crlf = false;             // a line is ended by CR LF, not LF
  bool last_line_ended = false;  // the last one too
  bool operator==(const Base64Shape&) const = default;
};

/// Whether there are lines of this shape: the width is a multiple of 4 within the limits. What comes from
/// outside is asked this before anything is encoded.
[[nodiscard]] bool is_sound(const Base64Shape& shape) noexcept;

/// How many bytes of lines `decoded` bytes make. The shape must be sound.
[[nodiscard]] std::uint64_t encoded_length(std::uint64_t decoded, const Base64Shape& shape) noexcept;

/// Encodes in steps, for readers:
///
///     Base64LineEncoder encoder(shape);
///     while (… more …) encoder.encode(decoded, out);   // any cut of the decoded bytes
///     encoder.finish(shape.last_line_ended, out);
///
/// Both append to `out` what follows for certain from what was given so far: after `encode` up to two bytes
/// wait for the rest of their group. The shape must be sound. One thread at a time.
class Base64LineEncoder {
 public:
  explicit Base64LineEncoder(const Base64Shape& shape) noexcept : shape_(shape) {}

  void encode(ByteView decoded, Bytes& out);
  /// The last group and the last line's end. Without any bytes before there is nothing to end.
  void finish(bool last_line_ended, Bytes& out);

 private:
  void end_full_line(Bytes& out);
  void put_groups(ByteView decoded, Bytes& out);

  Base64Shape shape_;
  std::uint32_t column_ = 0;  // characters in the open line; a full one is open until more follows
  std::uint8_t waiting_[3] = {};
  std::size_t waiting_count_ = 0;
};

/// Appends all lines at once.
void encode_base64_lines(ByteView decoded, const Base64Shape& shape, Bytes& out);

/// Decodes characters of one line, whose number is a multiple of 4, into `out`, which has room for three
/// bytes for every four and `kBase64Slack` more that may be overwritten. False, with anything in `out`, if
/// one of them is not of the alphabet; padding is not.
[[nodiscard]] bool decode_base64(ByteView characters, std::uint8_t* out) noexcept;
/// As `decode_base64`, without the processor's help. For tests.
[[nodiscard]] bool decode_base64_portable(ByteView characters, std::uint8_t* out) noexcept;
inline constexpr std::size_t kBase64Slack = 16;

/// As `decode_base64` for a line that may have padding at its end. The number of bytes; 0 if it is not
/// canonical.
[[nodiscard]] std::size_t decode_last_base64(ByteView characters, std::uint8_t* out) noexcept;

}  // namespace restante::content
