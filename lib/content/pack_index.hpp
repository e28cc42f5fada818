#pragma once
// Learns from a pack in the storage what it holds.

#include <restante/storage.hpp>

#include "content/pack_format.hpp"
#include "content/pack_seal.hpp"

namespace restante::content {

/// Whose packs they are.
struct Site {
  Id128 target;
  const crypto::ObjectSealer& sealer;
};

struct StoredPack {
  Id128 id;
  std::uint64_t size = 0;
};

/// Every pack of the storage, in the order of their ids. Objects with other keys are left out.
[[nodiscard]] Result<std::vector<StoredPack>> list_packs(Storage& storage);

/// The index, from the pack's end. `damaged` if it cannot be trusted, `unsupported`, `not_found`,
/// `permission` without keys.
[[nodiscard]] Result<Index> read_index(Storage& storage, const Site& site, const StoredPack& pack);

/// What the footer alone tells: whether the pack is its own and has the length that it was written with.
[[nodiscard]] Status check_pack_end(Storage& storage, const Site& site, const StoredPack& pack);

/// What the frames say, for a pack without a sound index: reads all of it and takes every frame whose
/// checksum holds, wherever it stands. Frames that are damaged leave a gap. `damaged` if there is none.
[[nodiscard]] Result<Index> salvage_index(Storage& storage, const Site& site, const StoredPack& pack);

/// Opens the frames of a pack by the envelope in its header or, if that is damaged, in its index.
[[nodiscard]] Result<std::shared_ptr<FrameOpener>> open_frames(Storage& storage, const Site& site,
                                                               const Id128& pack);

/// What is wrong with the header at the beginning, which is read only to verify.
[[nodiscard]] Status check_pack_header(const Site& site, const Id128& pack, ByteView header);

}  // namespace restante::content
