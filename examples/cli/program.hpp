#pragma once
// What every command is given: where it writes, what it was told, and the zone of its times.

#include <restante/time.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "answer.hpp"
#include "config.hpp"
#include "console.hpp"

namespace cli {

struct Program {
  Console& console;
  Answer& answer;
  Config config;
  restante::TimeZone zone;
};

/// An option's time in `zone`; a `Failure` of usage that says "Invalid timestamp" otherwise.
[[nodiscard]] restante::Time time_of(const restante::TimeZone& zone, const char* option,
                                     const std::string& text);
/// The same; nothing for an option that was not given.
[[nodiscard]] std::optional<restante::Time> optional_time_of(const restante::TimeZone& zone,
                                                             const char* option, const std::string& text);
/// An account as the store names it: lower case.
[[nodiscard]] std::string account_of(std::string word);
/// What -a named: nothing for all, else the names. A `Failure` of usage where "all" stands among others.
[[nodiscard]] std::vector<std::string> accounts_of(const std::vector<std::string>& words);
/// Bytes, 1 at least: a whole number, with K, M or G behind it in KiB, MiB or GiB.
[[nodiscard]] std::uint64_t byte_count_of(const char* option, const std::string& text);
/// A whole number of an option, nothing if it was not given.
[[nodiscard]] std::optional<std::uint64_t> optional_number_of(const char* option, const std::string& text);

}  // namespace cli
