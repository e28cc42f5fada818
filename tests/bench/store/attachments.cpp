#include "attachments.hpp"

#include <algorithm>

#include "draw.hpp"
#include "encoding.hpp"

namespace store {
namespace {

constexpr std::uint64_t kMostUses = 1000, kManyUses = 20;

/// Sums of k^-2.5 for k = 1, 2, ...
const std::vector<std::uint64_t>& use_weights() {
  static const std::vector<std::uint64_t> sums = [] {
    std::vector<std::uint64_t> out;
    std::uint64_t sum = 0;
    for (std::uint64_t k = 1; k <= kMostUses; k++)
      out.push_back(sum += integer_root((std::uint64_t{1} << 62) / (k * k * k * k * k)));
    return out;
  }();
  return sums;
}

std::size_t draw_uses(Draws& draws) {
  const std::vector<std::uint64_t>& sums = use_weights();
  const std::uint64_t at = draws.below(sums.back());
  return static_cast<std::size_t>(std::upper_bound(sums.begin(), sums.end(), at) - sums.begin()) + 1;
}

struct Kind {
  std::uint32_t until_millionths;
  std::string_view type, extension, head;
};

using namespace std::string_view_literals;

constexpr Kind kKinds[] = {
    {540'000, "image/png", "png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\4\0\0\0\3\0\x08\6\0\0\0"sv},
    {760'000, "application/pdf", "pdf",
     "%PDF-1.5\n%\xd0\xd4\xc5\xd8\n3 0 obj\n<< /Filter /FlateDecode >>\nstream\n"sv},
    {890'000, "image/jpeg", "jpg", "\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\1\0H\0H\0\0\xff\xdb\0C\0"sv},
    {910'000, "application/gzip", "gz", "\x1f\x8b\x08\0\0\0\0\0\0\3"sv},
    {930'000, "application/octet-stream", "bin",
     "\x7f"
     "ELF\2\1\1\0\0\0\0\0\0\0\0\0"sv},
    {965'000, "text/x-patch", "patch", ""sv},
    {1'000'000, "text/plain", "txt", ""sv},
};

const Kind& kind_of(std::uint64_t seed, std::uint64_t content) {
  const std::uint64_t at = Draws(seed, Stream::kContentTraits, content).below(1'000'000);
  return *std::find_if(std::begin(kKinds), std::end(kKinds),
                       [&](const Kind& kind) { return at < kind.until_millionths; });
}

std::size_t draw_width(Draws& draws) {
  const std::uint64_t at = draws.below(1'000'000);
  return at < 917'000 ? 76 : at < 997'000 ? 72 : at < 998'500 ? 60 : 80;
}

void append_random(std::string& out, std::size_t bytes, Draws& draws) {
  out.reserve(out.size() + bytes + 8);
  const std::size_t end = out.size() + bytes;
  while (out.size() < end) {
    const std::uint64_t word = draws.next();
    char eight[8];
    for (int i = 0; i < 8; i++) eight[i] = static_cast<char>(word >> (8 * i));
    out.append(eight, 8);
  }
  out.resize(end);
}

}  // namespace

std::uint64_t Attachments::count(std::uint64_t mail) const {
  const std::uint64_t share = profile_->attachment_millionths;
  const std::uint64_t at = even_draw(seed_, Stream::kHasAttachment, mail);
  if (at >= share) return 0;
  const std::uint64_t thousandths = at * 1000 / share;
  return thousandths < 652   ? 1
         : thousandths < 839 ? 2
         : thousandths < 913 ? 3
         : thousandths < 955 ? 4
         : thousandths < 975 ? 5
                             : 7;
}

std::uint64_t Attachments::size_of_run(std::uint64_t content, std::size_t first, std::size_t uses,
                                       std::size_t all) const {
  const std::uint64_t within = Draws(seed_, Stream::kContentSize, content).below(1'000'000);
  std::uint64_t sum = 0;
  for (std::size_t i = first; i < first + uses; i++)
    sum += Tables::get().attachment.at((i * 1'000'000 + within) / all);
  return std::min(sum / uses * profile_->attachment_factor, profile_->attachment_cap_bytes);
}

/// The contents of a block, the smallest first.
std::vector<Attachments::Run> Attachments::runs(std::uint64_t block, std::size_t all_uses) const {
  Draws draws(seed_, Stream::kRuns, block);
  std::vector<Run> out;
  for (std::size_t sum = 0; sum < all_uses; sum += out.back().uses) {
    const std::size_t uses = std::min(draw_uses(draws), all_uses - sum);
    out.push_back({draws.below(uses > kManyUses ? 600'000 : 1'000'000), (block << 20) + out.size(), uses});
  }
  std::sort(out.begin(), out.end(), [](const Run& a, const Run& b) {
    return std::pair(a.order, a.content) < std::pair(b.order, b.content);
  });
  return out;
}

void Attachments::plan(std::uint64_t block) {
  block_ = block;
  slots_.clear();
  const std::uint64_t begin = block * profile_->block_mails;
  for (std::uint64_t mail = begin; mail < begin + profile_->block_mails; mail++) {
    Draws order(seed_, Stream::kSlotOrder, mail);
    for (std::uint64_t left = count(mail); left > 0; left--) slots_.push_back({order.next(), mail, {}});
  }
  std::sort(slots_.begin(), slots_.end(), [](const Slot& a, const Slot& b) {
    return std::pair(a.order, a.mail) < std::pair(b.order, b.mail);
  });
  std::size_t first = 0;
  for (const Run& run : runs(block, slots_.size())) {
    const std::uint64_t bytes = size_of_run(run.content, first, run.uses, slots_.size());
    for (std::size_t i = 0; i < run.uses; i++)
      slots_[first + i].use = {run.content, bytes, static_cast<std::uint32_t>(i)};
    first += run.uses;
  }
  std::sort(slots_.begin(), slots_.end(), [](const Slot& a, const Slot& b) {
    return std::pair(a.mail, a.order) < std::pair(b.mail, b.order);
  });
}

std::vector<Use> Attachments::of(std::uint64_t mail) {
  if (mail / profile_->block_mails != block_) plan(mail / profile_->block_mails);
  auto slot = std::lower_bound(slots_.begin(), slots_.end(), mail,
                               [](const Slot& a, std::uint64_t number) { return a.mail < number; });
  std::vector<Use> out;
  for (; slot != slots_.end() && slot->mail == mail; slot++) out.push_back(slot->use);
  return out;
}

Content Content::traits(std::uint64_t seed, std::uint64_t number) {
  const Kind& kind = kind_of(seed, number);
  Draws draws(seed, Stream::kContent, number);
  Content content;
  content.type = kind.type;
  content.extension = kind.extension;
  content.name = invented_word(draws.below(20'000)) + "-" + std::to_string(draws.below(10'000));
  content.width = content.second_width = draw_width(draws);
  if (draws.chance(420'000)) content.second_width = content.width == 76 ? 72 : 76;
  return content;
}

std::string Content::bytes(std::uint64_t seed, const Use& use, const Text& text) {
  const std::size_t size = decoded_size(use.encoded_bytes);
  const Kind& kind = kind_of(seed, use.content);
  Draws draws(seed, Stream::kContent, ~use.content);
  std::string out(kind.head);
  if (kind.head.empty())
    while (out.size() < size) (out += text.piece(draws)) += '\n';
  else if (out.size() < size)
    append_random(out, size - out.size(), draws);
  out.resize(size);
  return out;
}

}  // namespace store
