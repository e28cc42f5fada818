#pragma once
// Collects frames into the bytes of one pack. No I/O.

#include <restante/bytes.hpp>

#include <memory>

#include "content/frame_builder.hpp"
#include "content/pack_format.hpp"
#include "content/pack_seal.hpp"

namespace restante::content {

class PackBuilder {
 public:
  /// `sealer` outlives it.
  [[nodiscard]] static Result<std::unique_ptr<PackBuilder>> make(const PackIdentity& identity,
                                                                 const crypto::ObjectSealer& sealer);

  [[nodiscard]] Status append(const ClosedFrame& frame);

  [[nodiscard]] const Id128& id() const { return id_; }
  [[nodiscard]] bool empty() const { return index_.frames.empty(); }
  [[nodiscard]] std::size_t part_count() const { return index_.parts.size(); }
  /// At most this long is the pack if it ends now.
  [[nodiscard]] std::size_t size_bound() const;

  struct Finished {
    Bytes bytes;
    Index index;
  };
  /// Ends it; nothing may be appended afterwards.
  [[nodiscard]] Result<Finished> finish(Compressor& compressor);

 private:
  PackBuilder(const Id128& id, PackSeal seal);

  const Id128 id_;
  PackSeal seal_;
  Bytes bytes_;
  Index index_;
};

}  // namespace restante::content
