#include "placement.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <stdexcept>

#include "draw.hpp"

namespace store {
namespace {

constexpr std::uint64_t kOfRankOne = 1'000'000'000;
constexpr std::size_t kSentFolder = 1;

// Names of all kinds: nested, with blanks, in other alphabets (modified UTF-7).
constexpr std::string_view kFolders[] = {
    "",           "Sent",           "Trash",
    "Work",       "Archive",        "Work.Projects",
    "Drafts",     "Lists",          "Junk",
    "Family",     "Archive.2020",   "Entw&APw-rfe",
    "Lists.dev",  "Travel Plans",   "Work.Projects.A",
    "Bills",      "&ZeVnLIqe-",     "Archive.2020.Q4",
    "Lists.user", "Notes &- Ideas",
};

std::uint64_t copies_of(std::uint64_t seed, std::uint64_t mail) {
  struct Class {
    std::uint64_t from, to, least, most;
  };
  static constexpr Class kClasses[] = {{0, 780'000, 1, 1},
                                       {780'000, 880'000, 2, 2},
                                       {880'000, 960'000, 3, 5},
                                       {960'000, 990'000, 6, 20},
                                       {990'000, 1'000'000, 21, 200}};
  const std::uint64_t at = even_draw(seed, Stream::kCopies, mail);
  const Class& c =
      *std::find_if(std::begin(kClasses), std::end(kClasses), [&](const Class& one) { return at < one.to; });
  return c.least + (at - c.from) * (c.most - c.least + 1) / (c.to - c.from);
}

}  // namespace

std::string Placement::user_name(std::size_t user) {
  const std::string digits = std::to_string(user + 1);
  return "user" + std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
}

std::string Placement::folder_name(std::size_t folder) {
  if (folder >= std::size(kFolders)) return "Folder" + std::to_string(folder);
  return std::string(kFolders[folder]);
}

Placement::Placement(const Options& options) : options_(options), messages_(options.users) {
  std::uint64_t sum = 0;
  for (std::size_t rank = 1; rank <= options.users; rank++) ranks_.push_back(sum += kOfRankOne / rank);
  if (options.deliveries != 0 && options.deliveries <= options.odd_mails)
    throw std::runtime_error("fewer messages than the corpus has");
  mails_ = options.mails;
  std::uint64_t chosen_so_far = 0;
  const std::uint64_t wanted = options.deliveries == 0 ? 0 : options.deliveries - options.odd_mails;
  for (std::uint64_t mail = 0; options.deliveries == 0 ? mail < mails_ : chosen_so_far < wanted; mail++) {
    std::vector<Delivery> all = chosen(mail);
    if (wanted != 0 && chosen_so_far + all.size() >= wanted) {
      all.resize(last_mail_deliveries_ = wanted - chosen_so_far);
      mails_ = mail + 1;
    }
    chosen_so_far += all.size();
    for (const Delivery& delivery : all) messages_[delivery.user]++;
  }
  if (mails_ == 0) return;
  for (std::size_t odd = 0; odd < options.odd_mails; odd++) {
    Draws draws(options.seed, Stream::kOdd, odd);
    messages_[draw_user(draws)]++;
  }
}

std::size_t Placement::folders_of(std::size_t user) const {
  return 3 + (messages_[user] == 0 ? 0 : std::bit_width(messages_[user]) - 1);
}

std::size_t Placement::draw_user(Draws& draws) const {
  // The sums go beyond 2^32 for many users; a draw is scaled in two steps.
  const std::uint64_t sum = ranks_.back();
  const std::uint64_t at = draws.below((sum >> 16) + 1) << 16 | draws.below(1u << 16);
  const auto found = std::upper_bound(ranks_.begin(), ranks_.end(), std::min(at, sum - 1));
  return static_cast<std::size_t>(found - ranks_.begin());
}

/// Without folders and without the odd mails of the corpus that come once.
std::vector<Delivery> Placement::chosen(std::uint64_t mail) const {
  Draws draws(options_.seed, Stream::kPlacement, mail);
  const std::size_t copies = std::min<std::uint64_t>(copies_of(options_.seed, mail), options_.users);
  std::vector<Delivery> out;
  const auto add = [&](std::size_t user) {
    for (const Delivery& delivery : out)
      if (delivery.user == user) return;
    out.push_back({Delivery::Kind::kCopy, user, 0, out.size()});
  };
  for (std::size_t tries = 0; out.size() < copies && tries < 4 * copies; tries++) add(draw_user(draws));
  for (std::size_t user = 0; out.size() < copies; user++) add(user);
  if (Draws(options_.seed, Stream::kSent, mail).chance(200'000))
    out.push_back({Delivery::Kind::kSent, draw_user(draws), kSentFolder, 0});
  Draws odd(options_.seed, Stream::kOdd, ~mail);
  if (options_.odd_mails > 0 && odd.chance(500)) {
    const std::uint64_t number = odd.below(options_.odd_mails);
    out.push_back({Delivery::Kind::kOdd, draw_user(odd), 0, number});
  }
  return out;
}

std::size_t Placement::draw_folder(std::size_t user, Draws& draws) const {
  const std::size_t folders = folders_of(user);
  if (draws.chance(500'000)) return 0;
  const std::size_t folder = 1 + draws.below(1 + draws.below(folders - 1));
  return folder == kSentFolder ? 0 : folder;
}

std::vector<Delivery> Placement::of(std::uint64_t mail) const {
  std::vector<Delivery> out = chosen(mail);
  if (mail + 1 == mails_) out.resize(std::min<std::size_t>(out.size(), last_mail_deliveries_));
  if (mail < mails_)
    for (std::size_t odd = mail; odd < options_.odd_mails; odd += mails_) {
      Draws draws(options_.seed, Stream::kOdd, odd);
      out.push_back({Delivery::Kind::kOdd, draw_user(draws), 0, odd});
    }
  Draws draws(options_.seed, Stream::kPlacement, ~mail);
  for (Delivery& delivery : out)
    if (delivery.kind != Delivery::Kind::kSent) delivery.folder = draw_folder(delivery.user, draws);
  return out;
}

}  // namespace store
