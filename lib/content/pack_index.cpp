#include "content/pack_index.hpp"

#include <algorithm>
#include <cstring>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "crypto/crypto.hpp"

namespace restante::content {
namespace {

Status check_identity(const PackHeader& found, const Site& site, const Id128& pack) {
  if (found.identity.target != site.target) return damaged("the pack belongs to another target");
  if (found.identity.pack != pack) return damaged("the pack has the name of another");
  if (found.key.is_none() == site.sealer.encrypts())
    return damaged(found.key.is_none() ? "the pack is not encrypted, as all of this target are"
                                       : "the pack is encrypted, in a target without keys");
  return {};
}

Status check_size(const StoredPack& pack) {
  if (pack.size < kPackHeaderBytes + kPackFooterBytes) return damaged("the pack is cut off");
  if (pack.size > base::kMaxPackBytes) return damaged("the pack is larger than any may be");
  return {};
}

// The footer, if it is the one of this pack at its length.
Result<Footer> check_footer(ByteView bytes, const Site& site, const StoredPack& pack) {
  Result<Footer> footer = decode_footer(bytes);
  if (!footer.ok()) return footer;
  if (Status own = check_identity(footer->header, site, pack.id); !own.ok()) return own;
  if (footer->pack_length != pack.size) return damaged("the pack has another length than its footer says");
  return footer;
}

// Adds the parts of a frame as its own table tells them.
Status salvage_frame(const Site& site, FrameOpener& opener, const Block& block, std::uint64_t offset,
                     Index& index) {
  const Result<Bytes> raw = opener.open(block, offset);
  if (!raw.ok()) return raw.status();
  const Result<FrameTable> table = decode_frame_table(*raw);
  if (!table.ok()) return table.status();
  std::uint32_t at = table->data_offset;
  for (const FramePart& part : table->parts) {
    const Digest id = part.kind == kBytesPart
                          ? site.sealer.content_id(crypto::sha256(ByteView(*raw).subspan(at, part.length)))
                          : part.id;
    index.parts.push_back({id, part.kind, block.number, at, part.length});
    at += part.length;
  }
  return {};
}

// What follows the header of a sealed pack.
ByteView envelope_at(const Site& site, ByteView pack) {
  if (!site.sealer.encrypts()) return {};
  const ByteView behind = pack.subspan(std::min(pack.size(), kPackHeaderBytes));
  return behind.first(std::min(behind.size(), crypto::kEnvelopeBytes));
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

Status check_pack_end(Storage& storage, const Site& site, const StoredPack& pack) {
  if (Status sized = check_size(pack); !sized.ok()) return sized;
  const Result<Bytes> footer =
      storage.get_range(pack_key(pack.id), pack.size - kPackFooterBytes, kPackFooterBytes);
  return footer.ok() ? check_footer(*footer, site, pack).status() : footer.status();
}

Result<Index> read_index(Storage& storage, const Site& site, const StoredPack& pack) {
  if (Status sized = check_size(pack); !sized.ok()) return sized;
  const std::string key = pack_key(pack.id);
  const std::uint64_t tail_bytes = std::min<std::uint64_t>(pack.size, base::kPackTailBytes);
  const std::uint64_t tail_offset = pack.size - tail_bytes;
  const Result<Bytes> tail = storage.get_range(key, tail_offset, tail_bytes);
  if (!tail.ok()) return tail.status();
  const Result<Footer> footer = check_footer(ByteView(*tail).last(kPackFooterBytes), site, pack);
  if (!footer.ok()) return footer.status();
  const PackIdentity identity{site.target, pack.id};

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
  const Result<Bytes> raw = open_index(site.sealer, identity, *block, footer->index_offset);
  if (!raw.ok()) return raw.status();
  return decode_index(*raw, *footer);
}

Result<Index> salvage_index(Storage& storage, const Site& site, const StoredPack& pack) {
  const Result<Bytes> whole = storage.get(pack_key(pack.id), base::kMaxPackBytes);
  if (!whole.ok()) return whole.status();
  const PackIdentity identity{site.target, pack.id};
  const ByteView bytes(*whole);
  const Result<std::shared_ptr<FrameOpener>> opener =
      FrameOpener::make(site.sealer, identity, envelope_at(site, bytes));
  if (!opener.ok()) return opener.status();
  Index index;
  for (std::size_t at = next_frame(bytes, 0); at < bytes.size();) {
    const Result<Block> block = decode_block(identity, at, bytes.subspan(at));
    const bool sound =
        block.ok() && block->number >= index.frames.size() && block->number < base::kMaxPackParts;
    if (!sound || !salvage_frame(site, **opener, *block, at, index).ok()) {
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

Result<std::shared_ptr<FrameOpener>> open_frames(Storage& storage, const Site& site, const Id128& pack) {
  const PackIdentity identity{site.target, pack};
  if (!site.sealer.encrypts()) return FrameOpener::make(site.sealer, identity, {});
  const std::string key = pack_key(pack);
  const Result<Bytes> beginning = storage.get_range(key, 0, kPackHeaderBytes + crypto::kEnvelopeBytes);
  if (!beginning.ok()) return beginning.status();
  Result<std::shared_ptr<FrameOpener>> opener =
      FrameOpener::make(site.sealer, identity, envelope_at(site, *beginning));
  if (opener.status().code() != Code::damaged) return opener;
  const Result<ObjectInfo> info = storage.info(key);
  if (!info.ok()) return info.status();
  const Result<Index> index = read_index(storage, site, {pack, info->size});
  return index.ok() ? FrameOpener::make(site.sealer, identity, index->envelope) : opener;
}

Status check_pack_header(const Site& site, const Id128& pack, ByteView bytes) {
  const Result<PackHeader> found = decode_header(bytes.first(std::min(bytes.size(), kPackHeaderBytes)));
  if (!found.ok()) return found.status();
  if (Status own = check_identity(*found, site, pack); !own.ok()) return own;
  if (!site.sealer.can_open(crypto::Audience::content)) return {};
  return FrameOpener::make(site.sealer, found->identity, envelope_at(site, bytes)).status();
}

}  // namespace restante::content
