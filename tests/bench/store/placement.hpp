#pragma once
/// \file
/// Who gets which mail, and into which folder.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace store {

struct Delivery {
  enum class Kind { kCopy, kSent, kOdd };
  Kind kind = Kind::kCopy;
  std::size_t user = 0;
  std::size_t folder = 0;    ///< 0 is INBOX
  std::uint64_t number = 0;  ///< of the copy, or of the odd mail in the corpus
};

/// Recipients of a mail are drawn by 1/rank over the users; 78 % of the mails have one. One mail in five
/// also lies in a sender's Sent folder. Each mail of the corpus is delivered once, and again one with each
/// 2,000th mail. A user has 3 + log2(messages) folders.
class Placement {
 public:
  struct Options {
    std::uint64_t seed = 1;
    std::size_t users = 1;
    std::uint64_t mails = 0;       ///< distinct ones; or
    std::uint64_t deliveries = 0;  ///< as many mails as make so many, if not 0
    std::size_t odd_mails = 0;     ///< how many the corpus has
  };

  /// Goes through all mails once, because folders depend on how many messages a user has in the end. Throws
  /// std::runtime_error if there are fewer deliveries than odd mails.
  explicit Placement(const Options& options);

  std::uint64_t mails() const { return mails_; }
  std::size_t users() const { return messages_.size(); }
  std::size_t folders_of(std::size_t user) const;

  std::vector<Delivery> of(std::uint64_t mail) const;

  /// "user00001" for 0.
  static std::string user_name(std::size_t user);
  /// As a Maildir++ writes it, without the dot in front: "Work.Projects".
  static std::string folder_name(std::size_t folder);

 private:
  std::size_t draw_user(class Draws& draws) const;
  std::vector<Delivery> chosen(std::uint64_t mail) const;
  std::size_t draw_folder(std::size_t user, class Draws& draws) const;

  Options options_;
  std::uint64_t mails_ = 0;
  std::uint64_t last_mail_deliveries_ = ~std::uint64_t{0};
  std::vector<std::uint64_t> ranks_;  // sums of 1/rank
  std::vector<std::uint64_t> messages_;
};

}  // namespace store
