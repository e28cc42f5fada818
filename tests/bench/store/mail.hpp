#pragma once
/// \file
/// One distinct mail: what all its deliveries have in common, and what each has of its own.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "attachments.hpp"
#include "tables.hpp"
#include "text.hpp"

namespace store {

/// A leaf of a mail's MIME tree.
struct Part {
  std::size_t begin = 0, end = 0;  ///< of its body, in Mail::message
  bool attachment = false;
  bool base64 = false;
  std::string decoded;  ///< if base64
};

struct Mail {
  /// The header lines that servers on the way put in front, those of the single copies left out.
  std::string transport;
  /// From the sender's first header line to the end of the body. It is what lies in the sender's Sent folder.
  std::string message;
  std::size_t own_header_bytes = 0;  ///< of `message`, to the empty line, which is included
  std::vector<Part> parts;
  bool multipart = false;
  std::uint32_t received_lines = 0;  ///< of each copy
};

/// Makes mails by number. Not for several threads at once.
class MailMaker {
 public:
  /// One in `untidy_in` base64 parts is not as it should be. `text` must outlive the maker.
  MailMaker(std::uint64_t seed, const Profile& profile, const Text& text, std::uint64_t untidy_in)
      : seed_(seed), profile_(profile), text_(text), untidy_in_(untidy_in), attachments_(seed, profile) {}

  Mail make(std::uint64_t number);
  /// What stands above Mail::transport in one copy, for one recipient: another text for each, of about the
  /// same length.
  std::string copy_header(const Mail& mail, std::uint64_t number, std::uint64_t copy,
                          std::string_view recipient) const;

 private:
  std::uint64_t seed_;
  const Profile& profile_;
  const Text& text_;
  std::uint64_t untidy_in_;
  Attachments attachments_;
};

/// Seconds since 1970 at which mail `number` came: one a minute from September 2020 on; those of day d of a
/// store's life (`d << 40` and more) from 2030 on.
std::int64_t time_of_mail(std::uint64_t number);
/// "Tue, 15 Sep 2020 12:00:00 +0000".
std::string date_text(std::int64_t time);

}  // namespace store
