#include "content/frame_builder.hpp"

namespace restante::content {

void FrameBuilder::add(std::uint8_t kind, const Digest& id, ByteView bytes) {
  data_.insert(data_.end(), bytes.begin(), bytes.end());
  parts_.push_back({kind, id, static_cast<std::uint32_t>(bytes.size())});
}

ClosedFrame FrameBuilder::close(Compressor& compressor) {
  ClosedFrame frame;
  Bytes raw = encode_frame_table(parts_);
  auto offset = static_cast<std::uint32_t>(raw.size());
  for (const FramePart& part : parts_) {
    frame.parts.push_back({part.id, part.kind, 0, offset, part.length});
    offset += part.length;
  }
  raw.insert(raw.end(), data_.begin(), data_.end());
  frame.raw = static_cast<std::uint32_t>(raw.size());
  Bytes smaller = compressor.compress(raw);
  frame.compressed = smaller.size() < raw.size();  // images and archives stay as they are
  frame.stored = frame.compressed ? std::move(smaller) : std::move(raw);
  data_.clear();
  parts_.clear();
  return frame;
}

}  // namespace restante::content
