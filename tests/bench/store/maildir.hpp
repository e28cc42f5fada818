#pragma once
/// \file
/// A directory of Maildir++ mailboxes, one a user.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "placement.hpp"

namespace store {

class Maildirs {
 public:
  /// `directory` gets user00001/, user00002/, ...
  explicit Maildirs(std::string directory) : directory_(std::move(directory)) {}

  /// Every folder of every user, and which ones they are subscribed to. What is there already stays.
  void make_folders(const Placement& placement) const;
  std::string folder(std::size_t user, std::size_t folder) const;

  /// The place of a delivery of mail `number`, which decides the time, the name and the flags.
  std::string path_of(std::uint64_t seed, std::uint64_t number, const Delivery& delivery,
                      std::uint64_t ordinal, std::size_t bytes) const;
  /// Throws std::runtime_error; a file that is there is replaced.
  static void write(const std::string& path, std::string_view bytes, std::int64_t time);
  static void link(const std::string& from, const std::string& to);

 private:
  std::string directory_;
};

}  // namespace store
