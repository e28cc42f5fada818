#pragma once
// What tests of all layers share. Knows the public headers only, so that every layer's tests can use it.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace restante::test {

[[nodiscard]] inline Status status_of(const Status& status) { return status; }
template <class T>
[[nodiscard]] Status status_of(const Result<T>& result) {
  return result.status();
}

/// A new directory below $TMPDIR (else /tmp) that goes with this object, contents and all;
/// RESTANTE_KEEP_SCRATCH=1 leaves it and prints its name.
class ScratchDir {
 public:
  ScratchDir();
  ~ScratchDir();
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// A scratch directory in memory where there is room for one: for tests of thousands of small places, whose
/// syncs would take minutes on a busy disk. What is durable is not their question.
class MemoryDir {
 public:
  MemoryDir();
  ~MemoryDir();
  MemoryDir(const MemoryDir&) = delete;
  MemoryDir& operator=(const MemoryDir&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

 private:
  ScratchDir fallback_;
  std::filesystem::path path_;
};

/// The seed of this run: RESTANTE_TEST_SEED, or a new one. It is printed when a test fails.
[[nodiscard]] std::uint64_t test_seed();

/// Random values that follow from the seed of the run and the name given here alone, not from the order of
/// the tests.
class Random {
 public:
  explicit Random(std::string_view name);

  [[nodiscard]] std::uint64_t u64() { return engine_(); }
  /// In [0, bound); `bound` > 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  [[nodiscard]] std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return low + below(high - low + 1);
  }
  /// True in one of `n` cases.
  [[nodiscard]] bool one_in(std::uint64_t n) { return below(n) == 0; }
  [[nodiscard]] Bytes bytes(std::size_t size);
  [[nodiscard]] std::string text(std::size_t size);  // a-z
  template <class Container>
  [[nodiscard]] auto& pick(Container& container) {
    return container[static_cast<std::size_t>(below(container.size()))];
  }
  [[nodiscard]] std::mt19937_64& engine() noexcept { return engine_; }

 private:
  std::mt19937_64 engine_;
};

/// The corpus of real mail (RESTANTE_CORPUS), nothing where there is none: the test skips itself. Throws, and
/// so fails the test, when RESTANTE_REQUIRE_CORPUS=1 says that there has to be one.
[[nodiscard]] std::optional<std::filesystem::path> corpus_dir();

/// Whether the long variants were asked for (tests/run.sh --long).
[[nodiscard]] bool long_tests();

/// For RESTANTE_SKIP.
void mark_skipped(std::string_view reason);
/// For the listener: the reason if the current test case was marked, and forgets it.
[[nodiscard]] std::string take_skip_reason();

}  // namespace restante::test
