#pragma once
/// \file
/// Makes a store, any range of it, or a day of its life.

#include <cstdint>
#include <string>

#include "figures.hpp"
#include "placement.hpp"

namespace store {

/// Everything that decides the bytes of a store. The same options give the same files on every machine.
struct Options {
  std::string profile = "list";
  std::uint64_t seed = 1;
  std::size_t users = 200;
  std::uint64_t mails = 0;     ///< distinct ones; or
  std::uint64_t messages = 0;  ///< files in the end
  std::string corpus;          ///< a directory of real mails; empty for invented text and no odd mails
  std::uint64_t untidy_in = 1000;
  bool hard_links = false;  ///< 30 % of the further copies are links to the first one
};

/// Millionths of the messages that a day makes, removes, changes and moves.
struct Day {
  std::uint64_t number = 1;
  std::uint64_t made = 10'000, deleted = 3'000, flagged = 30'000, moved = 2'000;
};

class Store {
 public:
  /// Throws std::runtime_error for options that make no sense.
  explicit Store(const Options& options);

  const Placement& placement() const { return placement_; }
  const Profile& profile() const { return *profile_; }

  /// Mails `from` to `to` - 1 into `directory`, or nowhere if it is empty: then they are only counted.
  Figures make(const std::string& directory, std::uint64_t from, std::uint64_t to, std::size_t threads) const;

  struct Changes {
    std::uint64_t made = 0, deleted = 0, flagged = 0, moved = 0;
  };
  /// What happens to a message is decided by its name alone, so that days can be repeated on copies of a
  /// store.
  Changes live(const std::string& directory, const Day& day) const;

 private:
  class Writer;

  Options options_;
  const Profile* profile_;
  std::vector<Corpus> corpus_;  // none or one
  Text text_;
  Placement placement_;
};

}  // namespace store
