#pragma once
// The seal on the blocks of one pack, in a target with keys (docs/format/content.md, "Sealed packs"). In a
// target without keys blocks are stored as they are.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include <memory>
#include <mutex>

#include "content/pack_format.hpp"
#include "crypto/sealer.hpp"

namespace restante::content {

/// Seals the frames of a pack while it is written, and seals and signs its index at the end. One thread at a
/// time.
class PackSeal {
 public:
  /// `sealer` outlives it.
  [[nodiscard]] static Result<PackSeal> make(const crypto::ObjectSealer& sealer,
                                             const PackIdentity& identity);

  [[nodiscard]] PackHeader header() const;
  /// Of the frames; empty without keys.
  [[nodiscard]] ByteView envelope() const { return frames_->envelope(); }

  /// Appends a block to the bytes of the pack. `block.stored` is what is to be sealed. Answers its checksum
  /// and how much is stored.
  struct Stored {
    std::uint32_t crc = 0;
    std::uint32_t size = 0;
  };
  [[nodiscard]] Result<Stored> append(Bytes& pack, const Block& block);

 private:
  PackSeal(const crypto::ObjectSealer& sealer, const PackIdentity& identity,
           std::unique_ptr<crypto::BlockSealer> frames)
      : sealer_(&sealer), identity_(identity), frames_(std::move(frames)) {}

  const crypto::ObjectSealer* sealer_;
  PackIdentity identity_;
  std::unique_ptr<crypto::BlockSealer> frames_;
};

/// Opens the frames of one pack. Thread-safe.
class FrameOpener {
 public:
  /// `permission` without the keys, `damaged` if the envelope is not that of this pack.
  [[nodiscard]] static Result<std::shared_ptr<FrameOpener>> make(const crypto::ObjectSealer& sealer,
                                                                 const PackIdentity& identity,
                                                                 ByteView envelope);

  /// What is in a frame that stands at `offset`.
  [[nodiscard]] Result<Bytes> open(const Block& block, std::uint64_t offset);

 private:
  FrameOpener(const PackIdentity& identity, std::unique_ptr<crypto::BlockOpener> opener)
      : identity_(identity), opener_(std::move(opener)) {}

  const PackIdentity identity_;
  std::mutex mutex_;
  const std::unique_ptr<crypto::BlockOpener> opener_;
};

/// What is in the index block that stands at `offset`. `damaged` also if nobody who may write has signed it.
[[nodiscard]] Result<Bytes> open_index(const crypto::ObjectSealer& sealer, const PackIdentity& identity,
                                       const Block& block, std::uint64_t offset);

}  // namespace restante::content
