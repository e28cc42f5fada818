#include "content/chunker.hpp"

#include <algorithm>
#include <array>

namespace restante::content {
namespace {

// A number for each byte, from steps of a counter that are stirred (multiplied by odd constants and folded)
// until every bit depends on every other. Changing it makes new chunks of everything large.
constexpr std::array<std::uint64_t, 256> make_gear() {
  std::array<std::uint64_t, 256> gear{};
  std::uint64_t counter = 0;
  for (std::uint64_t& entry : gear) {
    counter += 0x9e3779b97f4a7c15;  // 2^64 divided by the golden ratio
    std::uint64_t bits = counter;
    for (int round = 0; round < 3; ++round) {
      bits ^= bits >> 32;
      bits *= 0xd1342543de82ef95;
    }
    entry = bits ^ bits >> 32;
  }
  return gear;
}
constexpr std::array<std::uint64_t, 256> kGear = make_gear();

// Each byte is shifted out after 64 more: where the hash begins to count, it is filled by then.
constexpr std::size_t kGearWindow = 64;
// The highest bits depend on the most bytes. Behind the least length one place in 2^20 has the pattern.
constexpr int kPatternShift = 64 - 20;
static_assert(kMinChunkBytes + (1u << (64 - kPatternShift)) == kTargetChunkBytes);

}  // namespace

std::size_t Chunker::next_cut(ByteView bytes) noexcept {
  constexpr std::size_t kHashFrom = kMinChunkBytes - kGearWindow;
  const std::size_t begin = open_bytes_;
  const std::size_t end = begin + std::min(bytes.size(), kMaxChunkBytes - begin);
  // Positions count from the beginning of the chunk.
  const auto byte_at = [&](std::size_t position) { return bytes[position - begin]; };
  std::size_t position = std::max(begin, std::min(end, kHashFrom));
  for (; position < std::min(end, kMinChunkBytes - 1); ++position) {
    hash_ = (hash_ << 1) + kGear[byte_at(position)];
  }
  for (; position < end; ++position) {
    hash_ = (hash_ << 1) + kGear[byte_at(position)];
    if (hash_ >> kPatternShift == 0) {
      ++position;
      open_bytes_ = 0;
      hash_ = 0;
      return position - begin;
    }
  }
  open_bytes_ = position;
  if (open_bytes_ < kMaxChunkBytes) return 0;
  open_bytes_ = 0;
  hash_ = 0;
  return position - begin;
}

}  // namespace restante::content
