#pragma once
/// \file
/// Sizes and shares as they were measured on 82,360 mails of public lists, and the two profiles.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace store {

std::uint64_t integer_root(std::uint64_t x);

/// Bytes by probability, linear between its points. Between two measured points stand three more, each the
/// geometric mean of its neighbours: sizes spread over orders of magnitude, and straight lines between
/// measured points alone would make the mean attachment 10 % too large.
class Quantiles {
 public:
  /// Bytes at 0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9 and 100 %.
  explicit Quantiles(const std::vector<std::uint64_t>& measured);
  std::uint64_t at(std::uint64_t millionths) const;

 private:
  struct Point {
    std::uint64_t millionths, bytes;
  };
  std::vector<Point> points_;
};

struct Tables {
  /// Header block; body of a mail with text alone; of one with text and HTML; attachment, encoded.
  Quantiles header, text, html, attachment;
  static const Tables& get();
};

struct Profile {
  std::string name;
  std::uint32_t html_millionths, attachment_millionths;
  std::uint64_t attachment_factor, attachment_cap_bytes;
  /// Attachment contents are shared among so many mails in a row.
  std::uint64_t block_mails;
  /// What distinct mails must measure up to: bytes, and shares in thousandths. Each figure is known to half
  /// a unit of its last digit.
  struct Figure {
    std::string_view name;
    std::uint64_t value, half_unit;
  };
  std::vector<Figure> figures;

  /// Null if there is none of that name.
  static const Profile* find(std::string_view name);
};

}  // namespace store
