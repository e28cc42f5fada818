#include "content/base64_lines.hpp"

#include <algorithm>
#include <array>

#if defined(__x86_64__)
#include <tmmintrin.h>
#endif

namespace restante::content {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static_assert(kAlphabet.size() == 64);

// The bits of each character in its place of a group's 24; above them one that says that it is no character.
constexpr std::uint32_t kNoCharacter = 1u << 31;
using DecodeTables = std::array<std::array<std::uint32_t, 256>, 4>;
constexpr DecodeTables make_decode_tables() {
  DecodeTables tables{};
  for (std::uint32_t place = 0; place < 4; ++place) {
    for (std::uint32_t& entry : tables[place]) entry = kNoCharacter;
    for (std::uint32_t value = 0; value < 64; ++value) {
      tables[place][static_cast<std::uint8_t>(kAlphabet[value])] = value << (18 - 6 * place);
    }
  }
  return tables;
}
constexpr DecodeTables kDecode = make_decode_tables();

// Two characters for every 12 bits: a group is two look-ups.
using EncodeTable = std::array<std::array<std::uint8_t, 2>, 4096>;
constexpr EncodeTable make_encode_table() {
  EncodeTable table{};
  for (std::size_t bits = 0; bits < table.size(); ++bits) {
    table[bits] = {static_cast<std::uint8_t>(kAlphabet[bits >> 6]),
                   static_cast<std::uint8_t>(kAlphabet[bits & 63])};
  }
  return table;
}
constexpr EncodeTable kEncode = make_encode_table();

std::uint32_t decode_group(const std::uint8_t* group) noexcept {
  return kDecode[0][group[0]] | kDecode[1][group[1]] | kDecode[2][group[2]] | kDecode[3][group[3]];
}

#if defined(__x86_64__)
// 16 characters at a time. What is left over is for the portable one.
__attribute__((target("ssse3"))) bool decode_ssse3(ByteView characters, std::uint8_t* out) noexcept {
  // All ones where the character is from `first` to `last`; those above 127 are negative and nowhere.
  const auto within = [](__m128i c, char first, char last) __attribute__((target("ssse3"))) {
    return _mm_and_si128(_mm_cmpgt_epi8(c, _mm_set1_epi8(static_cast<char>(first - 1))),
                         _mm_cmpgt_epi8(_mm_set1_epi8(static_cast<char>(last + 1)), c));
  };
  const __m128i in_order = _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  __m128i right = _mm_set1_epi8(-1);
  const std::uint8_t* next = characters.data();
  std::size_t left = characters.size();
  for (; left >= 16; left -= 16, next += 16, out += 12) {
    const __m128i c = _mm_loadu_si128(reinterpret_cast<const __m128i*>(next));
    const __m128i upper = within(c, 'A', 'Z');
    const __m128i lower = within(c, 'a', 'z');
    const __m128i digit = within(c, '0', '9');
    const __m128i plus = _mm_cmpeq_epi8(c, _mm_set1_epi8('+'));
    const __m128i slash = _mm_cmpeq_epi8(c, _mm_set1_epi8('/'));
    const __m128i letter = _mm_or_si128(upper, lower);
    const __m128i other = _mm_or_si128(digit, _mm_or_si128(plus, slash));
    right = _mm_and_si128(right, _mm_or_si128(letter, other));
    // From the character to its value: 'A' is 0, 'a' is 26, '0' is 52, '+' is 62, '/' is 63.
    __m128i step = _mm_and_si128(upper, _mm_set1_epi8(-'A'));
    step = _mm_or_si128(step, _mm_and_si128(lower, _mm_set1_epi8(26 - 'a')));
    step = _mm_or_si128(step, _mm_and_si128(digit, _mm_set1_epi8(52 - '0')));
    step = _mm_or_si128(step, _mm_and_si128(plus, _mm_set1_epi8(62 - '+')));
    step = _mm_or_si128(step, _mm_and_si128(slash, _mm_set1_epi8(63 - '/')));
    const __m128i values = _mm_add_epi8(c, step);
    // Two values are 12 bits, two of those 24, whose three bytes stand in reverse.
    const __m128i pairs = _mm_maddubs_epi16(values, _mm_set1_epi16(0x0140));
    const __m128i groups = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00011000));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_shuffle_epi8(groups, in_order));
  }
  const bool rest = decode_base64_portable(ByteView(next, left), out);
  return rest && _mm_movemask_epi8(right) == 0xffff;
}
#endif

std::size_t ending_of(const Base64Shape& shape) noexcept { return shape.crlf ? 2 : 1; }

void end_line(const Base64Shape& shape, Bytes& out) {
  if (shape.crlf) out.push_back('\r');
  out.push_back('\n');
}

}  // namespace

bool is_sound(const Base64Shape& shape) noexcept {
  return shape.width % 4 == 0 && shape.width >= kMinBase64Width && shape.width <= kMaxBase64Width;
}

std::uint64_t encoded_length(std::uint64_t decoded, const Base64Shape& shape) noexcept {
  if (decoded == 0) return 0;
  const std::uint64_t characters = (decoded + 2) / 3 * 4;
  const std::uint64_t lines = (characters + shape.width - 1) / shape.width;
  return characters + (lines - (shape.last_line_ended ? 0 : 1)) * ending_of(shape);
}

void Base64LineEncoder::end_full_line(Bytes& out) {
  if (column_ != shape_.width) return;
  end_line(shape_, out);
  column_ = 0;
}

// Whole groups, whose number may be any.
void Base64LineEncoder::put_groups(ByteView decoded, Bytes& out) {
  while (!decoded.empty()) {
    end_full_line(out);
    const std::size_t groups = std::min<std::size_t>((shape_.width - column_) / 4, decoded.size() / 3);
    const std::size_t begin = out.size();
    out.resize(begin + groups * 4);
    std::uint8_t* to = out.data() + begin;
    const std::uint8_t* from = decoded.data();
    for (std::size_t i = 0; i < groups; ++i, from += 3, to += 4) {
      const std::array<std::uint8_t, 2>& high = kEncode[std::size_t{from[0]} << 4 | from[1] >> 4];
      const std::array<std::uint8_t, 2>& low = kEncode[std::size_t{from[1] & 15u} << 8 | from[2]];
      to[0] = high[0];
      to[1] = high[1];
      to[2] = low[0];
      to[3] = low[1];
    }
    column_ += static_cast<std::uint32_t>(groups * 4);
    decoded = decoded.subspan(groups * 3);
  }
}

void Base64LineEncoder::encode(ByteView decoded, Bytes& out) {
  if (waiting_count_ > 0) {
    const std::size_t missing = std::min(3 - waiting_count_, decoded.size());
    std::copy_n(decoded.begin(), missing, waiting_ + waiting_count_);
    waiting_count_ += missing;
    decoded = decoded.subspan(missing);
    if (waiting_count_ < 3) return;
    put_groups(waiting_, out);
    waiting_count_ = 0;
  }
  const std::size_t whole = decoded.size() / 3 * 3;
  put_groups(decoded.first(whole), out);
  waiting_count_ = decoded.size() - whole;
  std::copy(decoded.begin() + static_cast<std::ptrdiff_t>(whole), decoded.end(), waiting_);
}

void Base64LineEncoder::finish(bool last_line_ended, Bytes& out) {
  if (waiting_count_ > 0) {
    std::fill(waiting_ + waiting_count_, waiting_ + 3, std::uint8_t{0});
    put_groups(waiting_, out);
    for (std::size_t i = waiting_count_; i < 3; ++i) out[out.size() - 3 + i] = '=';
    waiting_count_ = 0;
  }
  if (column_ > 0 && last_line_ended) end_line(shape_, out);
  column_ = 0;
}

void encode_base64_lines(ByteView decoded, const Base64Shape& shape, Bytes& out) {
  out.reserve(out.size() + encoded_length(decoded.size(), shape));
  Base64LineEncoder encoder(shape);
  encoder.encode(decoded, out);
  encoder.finish(shape.last_line_ended, out);
}

bool decode_base64_portable(ByteView characters, std::uint8_t* out) noexcept {
  std::uint32_t wrong = 0;
  const std::uint8_t* const end = characters.data() + characters.size();
  for (const std::uint8_t* group = characters.data(); group != end; group += 4, out += 3) {
    const std::uint32_t bits = decode_group(group);
    wrong |= bits;
    out[0] = static_cast<std::uint8_t>(bits >> 16);
    out[1] = static_cast<std::uint8_t>(bits >> 8);
    out[2] = static_cast<std::uint8_t>(bits);
  }
  return (wrong & kNoCharacter) == 0;
}

bool decode_base64(ByteView characters, std::uint8_t* out) noexcept {
#if defined(__x86_64__)
  static const bool has_ssse3 = __builtin_cpu_supports("ssse3") != 0;
  if (has_ssse3) return decode_ssse3(characters, out);
#endif
  return decode_base64_portable(characters, out);
}

std::size_t decode_last_base64(ByteView characters, std::uint8_t* out) noexcept {
  if (characters.empty() || characters.size() % 4 != 0) return 0;
  const std::size_t before = characters.size() - 4;
  const std::uint8_t* const last = characters.data() + before;
  const std::size_t padding = last[3] != '=' ? 0 : last[2] != '=' ? 1 : 2;
  if (!decode_base64(characters.first(before), out)) return 0;
  const std::uint8_t group[4] = {last[0], last[1], padding > 1 ? std::uint8_t{'A'} : last[2],
                                 padding > 0 ? std::uint8_t{'A'} : last[3]};
  const std::uint32_t bits = decode_group(group);
  const std::uint32_t unused = padding == 0 ? 0 : padding == 1 ? 0xff : 0xffff;
  if ((bits & (kNoCharacter | unused)) != 0) return 0;
  const std::size_t at = before / 4 * 3;
  out[at] = static_cast<std::uint8_t>(bits >> 16);
  out[at + 1] = static_cast<std::uint8_t>(bits >> 8);
  out[at + 2] = static_cast<std::uint8_t>(bits);
  return at + 3 - padding;
}

}  // namespace restante::content
