#pragma once
/// \file
/// The numbers that decide everything in a store: draw k of stream s of mail i is a hash of (seed, s, i, k).
/// A mail can thus be made alone, on any machine, in any order. Integers only.

#include <cstdint>
#include <string_view>

namespace store {

constexpr std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// What a draw is for. The numbers are part of the output: never renumber.
enum class Stream : std::uint64_t {
  kHeaderSize = 1,
  kHeader = 2,
  kHasHtml = 3,
  kBodySize = 4,
  kBody = 5,
  kHasAttachment = 6,
  kSlotOrder = 7,
  kRuns = 8,
  kContentSize = 9,
  kContent = 10,
  kContentTraits = 11,
  kUse = 12,
  kCopies = 13,
  kPlacement = 14,
  kCopyHeader = 15,
  kFlags = 16,
  kSent = 17,
  kOdd = 18,
  kText = 19,
  kWord = 20,
  kHardLink = 21,
  kChurn = 22,
};

/// Draws k = 0, 1, 2, ... of one stream of one mail (or of whatever else is numbered).
class Draws {
 public:
  Draws(std::uint64_t seed, Stream stream, std::uint64_t index)
      : state_(
            mix(mix(mix(seed + kGolden) + static_cast<std::uint64_t>(stream) * kGolden) + index * kGolden)) {}

  std::uint64_t next() { return mix(state_ += kGolden); }
  /// From 0 to `bound` - 1; `bound` is at most 2^32.
  std::uint64_t below(std::uint64_t bound) { return ((next() >> 32) * bound) >> 32; }
  std::uint64_t between(std::uint64_t least, std::uint64_t most) { return least + below(most - least + 1); }
  bool chance(std::uint64_t millionths) { return below(1'000'000) < millionths; }
  template <std::size_t N>
  std::string_view one_of(const std::string_view (&choices)[N]) {
    return choices[below(N)];
  }

 private:
  static constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;

  std::uint64_t state_;
};

/// A probability of mail `index`, in millionths, which each 4,096 mails in a row have in equal parts: the
/// few large mails that hold most of the bytes are then as many as they should be, not as chance has it.
inline std::uint32_t even_draw(std::uint64_t seed, Stream stream, std::uint64_t index) {
  constexpr std::uint64_t kBits = 12, kMask = (1u << kBits) - 1;
  Draws keys(seed ^ 0x5bf03635, stream, index >> kBits);
  std::uint64_t place = index & kMask;
  for (int round = 0; round < 4; round++) {  // each step is a bijection of the 4,096 places
    const std::uint64_t key = keys.next();
    place = (place * (key | 1) + (key >> 32)) & kMask;
    place ^= place >> (kBits / 2);
  }
  const std::uint64_t within = Draws(seed, stream, index).below(1u << 20);
  return static_cast<std::uint32_t>((((place << 20) | within) * 1'000'000) >> (kBits + 20));
}

}  // namespace store
