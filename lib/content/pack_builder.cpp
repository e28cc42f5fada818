#include "content/pack_builder.hpp"

namespace restante::content {

PackBuilder::PackBuilder(const PackIdentity& identity, Compressor& compressor, std::size_t frame_bytes)
    : identity_(identity),
      compressor_(compressor),
      frame_bytes_(frame_bytes),
      bytes_(encode_header(identity)) {}

void PackBuilder::add(std::uint8_t kind, const Digest& id, ByteView bytes) {
  if (!open_parts_.empty() && open_data_.size() + bytes.size() > frame_bytes_) close_frame();
  open_data_.insert(open_data_.end(), bytes.begin(), bytes.end());
  open_parts_.push_back({kind, id, static_cast<std::uint32_t>(bytes.size())});
}

std::size_t PackBuilder::size_bound() const {
  constexpr std::size_t kIndexBytesAPart = 64;
  constexpr std::size_t kTableBytesAPart = 48;
  return bytes_.size() + open_data_.size() + open_parts_.size() * kTableBytesAPart +
         part_count() * kIndexBytesAPart + 3 * kBlockHeaderBytes + kPackFooterBytes;
}

void PackBuilder::close_frame() {
  if (open_parts_.empty()) return;
  Bytes raw = encode_frame_table(open_parts_);
  const auto number = static_cast<std::uint32_t>(index_.frames.size());
  auto offset = static_cast<std::uint32_t>(raw.size());
  for (const FramePart& part : open_parts_) {
    index_.parts.push_back({part.id, part.kind, number, offset, part.length});
    offset += part.length;
  }
  raw.insert(raw.end(), open_data_.begin(), open_data_.end());
  append_block(BlockKind::frame, number, raw);
  open_data_.clear();
  open_parts_.clear();
}

void PackBuilder::append_block(BlockKind kind, std::uint32_t number, ByteView raw) {
  const Bytes compressed = compressor_.compress(raw);
  Block block;
  block.kind = kind;
  block.number = number;
  block.raw = static_cast<std::uint32_t>(raw.size());
  block.compressed = compressed.size() < raw.size();  // images and archives stay as they are
  block.stored = block.compressed ? ByteView(compressed) : raw;
  const Bytes encoded = encode_block(identity_, bytes_.size(), block);
  if (kind == BlockKind::frame) {
    const Result<Block> written = decode_block(identity_, bytes_.size(), encoded);
    index_.frames.push_back({static_cast<std::uint32_t>(bytes_.size()),
                             static_cast<std::uint32_t>(block.stored.size()), block.raw, written->crc});
  }
  bytes_.insert(bytes_.end(), encoded.begin(), encoded.end());
}

PackBuilder::Mark PackBuilder::mark() {
  close_frame();
  return {bytes_.size(), index_.frames.size(), index_.parts.size()};
}

std::vector<Digest> PackBuilder::roll_back(const Mark& mark) {
  close_frame();
  std::vector<Digest> taken;
  for (std::size_t i = mark.parts; i < index_.parts.size(); ++i) taken.push_back(index_.parts[i].id);
  bytes_.resize(mark.bytes);
  index_.frames.resize(mark.frames);
  index_.parts.resize(mark.parts);
  return taken;
}

PackBuilder::Finished PackBuilder::finish() {
  close_frame();
  Footer footer;
  footer.identity = identity_;
  footer.index_offset = static_cast<std::uint32_t>(bytes_.size());
  footer.frames = static_cast<std::uint32_t>(index_.frames.size());
  footer.parts = static_cast<std::uint32_t>(index_.parts.size());
  append_block(BlockKind::index, footer.frames, encode_index(index_));
  footer.index_length = static_cast<std::uint32_t>(bytes_.size()) - footer.index_offset;
  footer.pack_length = bytes_.size() + kPackFooterBytes;
  const Bytes encoded = encode_footer(footer);
  bytes_.insert(bytes_.end(), encoded.begin(), encoded.end());
  return {std::move(bytes_), std::move(index_)};
}

}  // namespace restante::content
