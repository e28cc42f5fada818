#pragma once
// The ObjectSealer of an encrypted target. docs/format/keys.md ("Sealed objects", "Signatures").

#include <memory>

#include "crypto/sealer.hpp"
#include "keys/ledger.hpp"
#include "keys/secrets.hpp"

namespace restante::keys {

/// What a holder knows and may do. `secrets.id` and `secrets.shared` are there.
struct RingState {
  Ledger ledger;
  std::uint32_t holder = 0;
  Secrets secrets;
  HolderKeys own;
};

[[nodiscard]] std::shared_ptr<const crypto::ObjectSealer> make_ring_sealer(
    std::shared_ptr<const RingState> state);

/// First 16 bytes of the key's SHA-256.
[[nodiscard]] Id128 key_id_of(const crypto::PublicKey& key);

}  // namespace restante::keys
