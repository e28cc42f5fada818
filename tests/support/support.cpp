#include "support/support.hpp"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace restante::test {
namespace {

std::string& skip_reason() {
  static std::string reason;
  return reason;
}

bool is_set(const char* variable) {
  const char* const value = std::getenv(variable);
  return value != nullptr && std::string_view(value) == "1";
}

std::uint64_t choose_seed() {
  if (const char* const given = std::getenv("RESTANTE_TEST_SEED")) return std::strtoull(given, nullptr, 0);
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

ScratchDir::ScratchDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "restante-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no scratch directory: " + pattern);
  path_ = pattern;
}

ScratchDir::~ScratchDir() {
  if (is_set("RESTANTE_KEEP_SCRATCH")) {
    std::fprintf(stderr, "kept %s\n", path_.c_str());
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

MemoryDir::MemoryDir() {
  std::string pattern = "/dev/shm/restante-test-XXXXXX";
  path_ = ::mkdtemp(pattern.data()) != nullptr ? std::filesystem::path(pattern) : fallback_.path();
}

MemoryDir::~MemoryDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::uint64_t test_seed() {
  static const std::uint64_t seed = choose_seed();
  return seed;
}

Random::Random(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: the same on every machine, unlike std::hash
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  engine_.seed(test_seed() ^ hash);
}

Bytes Random::bytes(std::size_t size) {
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(engine_());
  return bytes;
}

std::string Random::text(std::size_t size) {
  std::string text(size, 'a');
  for (char& c : text) c = static_cast<char>('a' + below(26));
  return text;
}

std::optional<std::filesystem::path> corpus_dir() {
  const char* const given = std::getenv("RESTANTE_CORPUS");
  if (given != nullptr && std::filesystem::is_directory(given)) return given;
  if (is_set("RESTANTE_REQUIRE_CORPUS")) {
    throw std::runtime_error("RESTANTE_REQUIRE_CORPUS is set and RESTANTE_CORPUS is not a folder");
  }
  return std::nullopt;
}

bool long_tests() { return is_set("RESTANTE_TEST_LONG"); }

void mark_skipped(std::string_view reason) { skip_reason() = reason.empty() ? "no reason" : reason; }

std::string take_skip_reason() { return std::exchange(skip_reason(), std::string()); }

}  // namespace restante::test
