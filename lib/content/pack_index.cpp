#include "content/pack_index.hpp"

#include <algorithm>
#include <cstring>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "crypto/crypto.hpp"

namespace restante::content {
namespace {

Status check_identity(const PackIdentity& found, const PackIdentity& expected) {
  if (found.target != expected.target) return damaged("the pack belongs to another target");
  if (found.pack != expected.pack) return damaged("the pack has the name of another");
  return {};
}

Status check_size(const StoredPack& pack) {
  if (pack.size < kPackHeaderBytes + kPackFooterBytes) return damaged("the pack is cut off");
  if (pack.size > base::kMaxPackBytes) return damaged("the pack is larger than any may be");
  return {};
}

// The footer, if it is the one of this pack at its length.
Result<Footer> check_footer(ByteView bytes, const Id128& target, const StoredPack& pack) {
  Result<Footer> footer = decode_footer(bytes);
  if (!footer.ok()) return footer;
  if (Status own = check_identity(footer->identity, {target, pack.id}); !own.ok()) return own;
  if (footer->pack_length != pack.size) return damaged("the pack has another length than its footer says");
  return footer;
}

// Adds the parts of a frame as its own table tells them.
Status salvage_frame(const Block& block, Index& index) {
  const Result<Bytes> raw = open_block(block, base::kMaxContentFrameBytes);
  if (!raw.ok()) return raw.status();
  const Result<FrameTable> table = decode_frame_table(*raw);
  if (!table.ok()) return table.status();
  std::uint32_t offset = table->data_offset;
  for (const FramePart& part : table->parts) {
    const Digest id =
        part.kind == kBytesPart ? crypto::sha256(ByteView(*raw).subspan(offset, part.length)) : part.id;
    index.parts.push_back({id, part.kind, block.number, offset, part.length});
    offset += part.length;
  }
  return {};
}

std::size_t next_frame(ByteView pack, std::size_t from) {
  const std::string_view text = as_text(pack);
  const std::size_t found = text.find(kFrameMagic, from);
  return found == std::string_view::npos ? pack.size() : found;
}

}  // namespace

Result<std::vector<StoredPack>> list_packs(Storage& storage) {
  std::vector<StoredPack> packs;
  const Status listed = storage.list(kPackPrefix, [&](const ObjectInfo& object) {
    const Result<Id128> id = pack_of_key(object.key);
    if (id.ok()) packs.push_back({*id, object.size});
    return Status();
  });
  if (!listed.ok()) return listed;
  std::sort(packs.begin(), packs.end(), [](const StoredPack& a, const StoredPack& b) { return a.id < b.id; });
  return packs;
}

Status check_pack_end(Storage& storage, const Id128& target, const StoredPack& pack) {
  if (Status sized = check_size(pack); !sized.ok()) return sized;
  const Result<Bytes> footer =
      storage.get_range(pack_key(pack.id), pack.size - kPackFooterBytes, kPackFooterBytes);
  return footer.ok() ? check_footer(*footer, target, pack).status() : footer.status();
}

Result<Index> read_index(Storage& storage, const Id128& target, const StoredPack& pack) {
  if (Status sized = check_size(pack); !sized.ok()) return sized;
  const std::string key = pack_key(pack.id);
  const std::uint64_t tail_bytes = std::min<std::uint64_t>(pack.size, base::kPackTailBytes);
  const std::uint64_t tail_offset = pack.size - tail_bytes;
  const Result<Bytes> tail = storage.get_range(key, tail_offset, tail_bytes);
  if (!tail.ok()) return tail.status();
  const Result<Footer> footer = check_footer(ByteView(*tail).last(kPackFooterBytes), target, pack);
  if (!footer.ok()) return footer.status();
  const PackIdentity identity{target, pack.id};

  Bytes own_block;
  ByteView block_bytes;
  if (footer->index_offset >= tail_offset) {
    block_bytes = ByteView(*tail).subspan(footer->index_offset - tail_offset, footer->index_length);
  } else {
    Result<Bytes> block = storage.get_range(key, footer->index_offset, footer->index_length);
    if (!block.ok()) return block.status();
    own_block = std::move(*block);
    block_bytes = own_block;
  }
  const Result<Block> block = decode_block(identity, footer->index_offset, block_bytes);
  if (!block.ok()) return block.status();
  if (block->kind != BlockKind::index) return damaged("there is a frame where the index should be");
  const Result<Bytes> raw = open_block(*block, base::kMaxPackIndexBytes);
  if (!raw.ok()) return raw.status();
  return decode_index(*raw, *footer);
}

Result<Index> salvage_index(Storage& storage, const Id128& target, const StoredPack& pack) {
  const Result<Bytes> whole = storage.get(pack_key(pack.id), base::kMaxPackBytes);
  if (!whole.ok()) return whole.status();
  const PackIdentity identity{target, pack.id};
  const ByteView bytes(*whole);
  Index index;
  for (std::size_t at = next_frame(bytes, 0); at < bytes.size();) {
    const Result<Block> block = decode_block(identity, at, bytes.subspan(at));
    const bool sound =
        block.ok() && block->number >= index.frames.size() && block->number < base::kMaxPackParts;
    if (!sound || !salvage_frame(*block, index).ok()) {
      at = next_frame(bytes, at + 1);
      continue;
    }
    index.frames.resize(block->number);  // frames that are lost leave entries that no part refers to
    index.frames.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(block->stored.size()),
                            block->raw, block->crc});
    at = next_frame(bytes, at + kBlockHeaderBytes + block->stored.size());
  }
  if (index.parts.empty()) return damaged("no frame of the pack is sound");
  if (index.parts.size() > base::kMaxPackParts) return damaged("the pack holds more parts than any may");
  return index;
}

Status check_pack_header(const PackIdentity& identity, ByteView header) {
  const Result<PackIdentity> found = decode_header(header);
  return found.ok() ? check_identity(*found, identity) : found.status();
}

}  // namespace restante::content
