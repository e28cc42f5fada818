#pragma once
// The door to a KeyRing for the layers that write and read a target.

#include <memory>

#include <restante/keys.hpp>

#include "crypto/sealer.hpp"
#include "keys/ledger.hpp"

namespace restante {
inline namespace v0 {

struct KeyAccess {
  /// With the keys of this moment; a session keeps the one that it began with. It may outlive the ring.
  [[nodiscard]] static std::shared_ptr<const crypto::ObjectSealer> sealer(const KeyRing& ring);
  /// With the keys of each moment in which it is asked.
  [[nodiscard]] static std::shared_ptr<const crypto::ObjectSealer> live_sealer(const KeyRing& ring);
  /// The key of state digests.
  [[nodiscard]] static crypto::Key256 digest_key(const KeyRing& ring);
  /// For what this machine keeps for itself, a write-only server its state cache: known to this holder alone.
  [[nodiscard]] static crypto::Key256 state_key(const KeyRing& ring);
  [[nodiscard]] static keys::Ledger ledger(const KeyRing& ring);
};

}  // namespace v0
}  // namespace restante
