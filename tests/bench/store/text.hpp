#pragma once
/// \file
/// Text for bodies: cut from a directory of real mails where there is one, else of invented words that
/// compress about as well.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "draw.hpp"

namespace store {

/// A directory of real mails, one a file. They also are the odd ones that a store gets as they are.
class Corpus {
 public:
  /// Every file below, in the order of the paths' bytes. Throws std::runtime_error.
  static Corpus open(const std::string& directory);

  std::size_t count() const { return paths_.size(); }
  std::string mail(std::size_t index) const;

 private:
  std::vector<std::string> paths_;
};

/// Lines of printable ASCII, each ended by LF and at most 900 bytes long.
class Text {
 public:
  static Text of_corpus(const Corpus& corpus);
  static Text invented();

  /// 200 to 2,000 bytes from the beginning of a line on.
  std::string_view piece(Draws& draws) const;

 private:
  std::string lines_;
};

std::string invented_word(std::uint64_t number);

/// The whole file. Throws std::runtime_error.
std::string read_file(const std::string& path);

}  // namespace store
