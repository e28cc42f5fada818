#pragma once
/// \file
/// Which attachments a mail has, and which of them are the same content as another mail's.

#include <cstdint>
#include <string>
#include <vector>

#include "tables.hpp"
#include "text.hpp"

namespace store {

/// One attachment of one mail.
struct Use {
  std::uint64_t content = 0;        ///< the same number is the same bytes
  std::uint64_t encoded_bytes = 0;  ///< in lines of 76, about
  std::uint32_t copy = 0;           ///< how many uses of the content come before, in the order of chance
};

/// Mails share contents within blocks (Profile::block_mails), so that a range of mails can be made without
/// all others. How often a content is used goes with k^-2.5. Within a block the sizes of all uses are spread
/// evenly over the table, and a content of k uses takes the mean of k neighbours: its bytes are then what k
/// single ones would have been. What more than 20 mails have is not among the largest third, because a
/// single such content would decide how large the store is.
class Attachments {
 public:
  Attachments(std::uint64_t seed, const Profile& profile) : seed_(seed), profile_(&profile) {}

  /// Of one mail, in order; valid until the next call. Going through mails in order is fast.
  std::vector<Use> of(std::uint64_t mail);

 private:
  struct Slot {
    std::uint64_t order, mail;
    Use use;
  };

  struct Run {
    std::uint64_t order, content;
    std::size_t uses;
  };

  std::uint64_t count(std::uint64_t mail) const;
  std::vector<Run> runs(std::uint64_t block, std::size_t all_uses) const;
  void plan(std::uint64_t block);
  std::uint64_t size_of_run(std::uint64_t content, std::size_t first, std::size_t uses,
                            std::size_t all) const;

  std::uint64_t seed_;
  const Profile* profile_;
  std::uint64_t block_ = ~std::uint64_t{0};
  std::vector<Slot> slots_;  // of the block, by mail
};

/// What all uses of a content have in common.
struct Content {
  std::string type;       ///< "image/png"
  std::string extension;  ///< "png"
  std::string name;       ///< without extension
  std::size_t width = 76;
  std::size_t second_width = 76;  ///< of every second copy

  static Content traits(std::uint64_t seed, std::uint64_t number);
  /// png, pdf, jpeg, gzip and others are random behind a true head, text and patches are text.
  static std::string bytes(std::uint64_t seed, const Use& use, const Text& text);
};

}  // namespace store
