#pragma once
// How the tests open targets. With RESTANTE_TEST_ENCRYPTED=1 each test runs on targets with keys: whatever
// holds for a target must hold for an encrypted one.

#include <restante/backup_target.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "support/catch.hpp"

namespace restante::test {

inline bool runs_encrypted() { return std::getenv("RESTANTE_TEST_ENCRYPTED") != nullptr; }

/// The keys of all targets of a test: one file, made when it is asked for.
inline KeyOptions keys_of(const ScratchDir& scratch) {
  KeyOptions keys;
  if (!runs_encrypted()) return keys;
  keys.key_file = scratch.file("target.key");
  if (!std::filesystem::exists(keys.key_file)) REQUIRE_OK(create_key_file(keys.key_file));
  return keys;
}

/// `state` is a name in the scratch directory.
template <class Options = BackupTarget::Options>
[[nodiscard]] Options target_options(const ScratchDir& scratch, const std::string& state,
                                     const Clock& clock) {
  Options options;
  options.state_directory = scratch.file(state);
  options.clock = &clock;
  options.keys = keys_of(scratch);
  return options;
}

}  // namespace restante::test
