#pragma once
/// \file
/// Proof that two mailboxes are equal without comparing them element by element (R15).
///
/// A state digest is a sum modulo 2^256 of keyed hashes, one an element, in five classes. It can be kept up
/// to date in time proportional to a change, and sums of parts add up, so any order and any split of the
/// work give the same value. Equal digests mean equal states up to what the key keeps secret; different
/// fields are told apart by class. The order of HostOps takes no part. Specified in
/// docs/format/state-digest.md.
///
///     StateDigester digester(key, source_fields & target_fields);
///     digester.add(operation_of_a_snapshot);    // for every operation, in any order
///     StateDigest digest = digester.account_digest();

#include <array>
#include <map>
#include <memory>
#include <string>

#include <restante/mailbox_state.hpp>

namespace restante {
inline namespace v0 {

enum class DigestClass { structure, content, flags, counters, items };
inline constexpr std::size_t kDigestClasses = 5;
[[nodiscard]] std::string_view name_of(DigestClass digest_class) noexcept;

/// A 256-bit sum. Addition and subtraction are modulo 2^256, little endian.
struct DigestSum {
  std::array<std::uint8_t, 32> bytes{};
  bool operator==(const DigestSum&) const = default;
  DigestSum& operator+=(const DigestSum& other) noexcept;
  DigestSum& operator-=(const DigestSum& other) noexcept;
  [[nodiscard]] std::string to_string() const { return to_hex(bytes); }
};

struct StateDigest {
  std::array<DigestSum, kDigestClasses> classes{};
  bool operator==(const StateDigest&) const = default;
  StateDigest& operator+=(const StateDigest& other) noexcept;
  [[nodiscard]] const DigestSum& of(DigestClass c) const { return classes[static_cast<std::size_t>(c)]; }
};

/// 32 bytes; a target without key uses the digest key in its target.json.
struct DigestKey {
  std::array<std::uint8_t, 32> bytes{};
};

/// Sums elements as they come and go. One thread at a time.
class StateDigester {
 public:
  StateDigester(const DigestKey& key, FieldSet fields = FieldSet::all());
  ~StateDigester();
  StateDigester(StateDigester&&) noexcept;
  StateDigester& operator=(StateDigester&&) noexcept;

  /// An element of a snapshot: AccountPut, FolderPut, MessagePut, ItemPut, HostOp or an unknown operation.
  /// Any other operation is `invalid_argument`.
  Status add(const Operation& element);
  /// The reverse of adding the same element.
  Status remove(const Operation& element);

  [[nodiscard]] StateDigest account_digest() const;
  /// Sums by folder id; account-wide elements are under "".
  [[nodiscard]] const std::map<std::string, StateDigest>& folder_digests() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Of a whole snapshot.
[[nodiscard]] Result<StateDigest> digest_of(OpStream& snapshot, const DigestKey& key,
                                            FieldSet fields = FieldSet::all());

}  // namespace v0
}  // namespace restante
