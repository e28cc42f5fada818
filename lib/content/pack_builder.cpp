#include "content/pack_builder.hpp"

namespace restante::content {

PackBuilder::PackBuilder(const Id128& id, PackSeal seal)
    : id_(id), seal_(std::move(seal)), bytes_(encode_header(seal_.header())) {
  index_.envelope.assign(seal_.envelope().begin(), seal_.envelope().end());
  bytes_.insert(bytes_.end(), index_.envelope.begin(), index_.envelope.end());
}

Result<std::unique_ptr<PackBuilder>> PackBuilder::make(const PackIdentity& identity,
                                                       const crypto::ObjectSealer& sealer) {
  Result<PackSeal> seal = PackSeal::make(sealer, identity);
  if (!seal.ok()) return seal.status();
  return std::unique_ptr<PackBuilder>(new PackBuilder(identity.pack, std::move(*seal)));
}

Status PackBuilder::append(const ClosedFrame& frame) {
  const auto number = static_cast<std::uint32_t>(index_.frames.size());
  const auto offset = static_cast<std::uint32_t>(bytes_.size());
  Block block;
  block.kind = BlockKind::frame;
  block.number = number;
  block.raw = frame.raw;
  block.compressed = frame.compressed;
  block.stored = frame.stored;
  const Result<PackSeal::Stored> stored = seal_.append(bytes_, block);
  if (!stored.ok()) return stored.status();
  index_.frames.push_back({offset, stored->size, frame.raw, stored->crc});
  for (Part part : frame.parts) {
    part.frame = number;
    index_.parts.push_back(part);
  }
  return {};
}

std::size_t PackBuilder::size_bound() const {
  constexpr std::size_t kIndexBytesAPart = 64;  // a frame of its own at worst
  constexpr std::size_t kIndexSeal =
      2 * crypto::kEnvelopeBytes + crypto::kSealBytes + crypto::kSignatureBytes;
  return bytes_.size() + part_count() * kIndexBytesAPart + 2 * kBlockHeaderBytes + kIndexSeal +
         kPackFooterBytes;
}

Result<PackBuilder::Finished> PackBuilder::finish(Compressor& compressor) {
  Footer footer;
  footer.header = seal_.header();
  footer.index_offset = static_cast<std::uint32_t>(bytes_.size());
  footer.frames = static_cast<std::uint32_t>(index_.frames.size());
  footer.parts = static_cast<std::uint32_t>(index_.parts.size());
  const Bytes raw = encode_index(index_);
  const Bytes smaller = compressor.compress(raw);
  Block block;
  block.kind = BlockKind::index;
  block.number = footer.frames;
  block.raw = static_cast<std::uint32_t>(raw.size());
  block.compressed = smaller.size() < raw.size();
  block.stored = block.compressed ? ByteView(smaller) : ByteView(raw);
  const Result<PackSeal::Stored> stored = seal_.append(bytes_, block);
  if (!stored.ok()) return stored.status();
  footer.index_length = static_cast<std::uint32_t>(bytes_.size()) - footer.index_offset;
  footer.pack_length = bytes_.size() + kPackFooterBytes;
  const Bytes encoded = encode_footer(footer);
  bytes_.insert(bytes_.end(), encoded.begin(), encoded.end());
  return Finished{std::move(bytes_), std::move(index_)};
}

}  // namespace restante::content
