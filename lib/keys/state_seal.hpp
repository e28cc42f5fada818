#pragma once
// What a machine keeps for itself in its state directory, sealed with the state key of its holder
// (KeyAccess::state_key). A write-only server has its state cache so: it cannot read it from the target.
// docs/format/keys.md ("Sealed state").

#include <string_view>

#include <restante/status.hpp>

#include "crypto/secret.hpp"

namespace restante::keys {

/// `io` if there is no random source. A new key each time, so that a file may be sealed again and again.
[[nodiscard]] Result<Bytes> seal_state(const crypto::Key256& state_key, const Id128& target,
                                       std::string_view name, ByteView plain);
/// `damaged` unless it was sealed with this key, for this target, under this name.
[[nodiscard]] Result<Bytes> open_state(const crypto::Key256& state_key, const Id128& target,
                                       std::string_view name, ByteView sealed);

}  // namespace restante::keys
