#pragma once
// Memory that is wiped when it goes. Copies are wiped too, each when it goes itself.
//
// What the compiler keeps in registers and what the kernel swaps out is not reached: a process that an
// attacker can read has lost its keys.

#include <restante/bytes.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace restante::crypto {

/// Overwrites in a way that the compiler does not leave out.
void wipe(MutableByteView bytes) noexcept;

template <std::size_t Size>
class Secret {
 public:
  /// Zeros.
  Secret() noexcept = default;
  Secret(const Secret&) noexcept = default;
  Secret& operator=(const Secret&) noexcept = default;
  ~Secret() { wipe(bytes_); }

  /// From exactly `Size` bytes.
  [[nodiscard]] static Secret from(std::span<const std::uint8_t, Size> bytes) noexcept {
    Secret secret;
    std::copy(bytes.begin(), bytes.end(), secret.bytes_.begin());
    return secret;
  }

  [[nodiscard]] std::span<const std::uint8_t, Size> view() const noexcept { return bytes_; }
  [[nodiscard]] std::span<std::uint8_t, Size> fill() noexcept { return bytes_; }

 private:
  std::array<std::uint8_t, Size> bytes_{};
};

/// A symmetric key, an X25519 private key, an Ed25519 seed, or what such are derived from.
using Key256 = Secret<32>;

/// Bytes of any length. Moves only, so that nobody copies it by mistake.
class SecretBytes {
 public:
  SecretBytes() noexcept = default;
  /// Takes the memory over.
  explicit SecretBytes(Bytes&& bytes) noexcept : bytes_(std::move(bytes)) {}
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    wipe(bytes_);
    bytes_ = std::move(other.bytes_);
    other.bytes_.clear();
    return *this;
  }
  ~SecretBytes() { wipe(bytes_); }

  [[nodiscard]] ByteView view() const noexcept { return bytes_; }

 private:
  Bytes bytes_;
};

}  // namespace restante::crypto
