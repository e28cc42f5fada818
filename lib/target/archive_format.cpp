#include "target/archive_format.hpp"

#include "base/crc32c.hpp"
#include "base/wire.hpp"
#include "crypto/crypto.hpp"

namespace restante::target {
namespace {

void encode_info(base::ByteWriter& out, const SegmentInfo& info) {
  out.varint(info.last_lsn);
  out.i64(info.first_time.us);
  out.i64(info.last_time.us);
  out.varint(info.bytes);
}

// True when `count` elements of at least `size` bytes each can still follow.
bool fits(const base::ByteReader& in, std::uint64_t count, std::size_t size) {
  return count <= in.remaining() / size;
}

void decode_frames(base::ByteReader& in, ArchiveIndex& index) {
  const std::uint64_t count = in.varint();
  if (!fits(in, count, 5)) return in.fail();
  for (std::uint64_t i = 0; i < count; ++i) {
    ArchiveFrame frame;
    frame.offset = in.varint();
    frame.stored_length = static_cast<std::uint32_t>(in.varint());
    frame.raw_length = static_cast<std::uint32_t>(in.varint());
    frame.first_lsn = in.varint();
    frame.last_lsn = in.varint();
    index.frames.push_back(frame);
  }
}

void decode_accounts(base::ByteReader& in, ArchiveIndex& index) {
  const std::uint64_t count = in.varint();
  if (!fits(in, count, 2)) return in.fail();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    std::vector<std::uint32_t>& frames = index.accounts[std::string(in.text())];
    const std::uint64_t n = in.varint();
    if (!fits(in, n, 1)) return in.fail();
    std::uint64_t frame = 0;
    for (std::uint64_t k = 0; k < n; ++k) {
      frame += in.varint();
      if (frame >= index.frames.size()) return in.fail();
      frames.push_back(static_cast<std::uint32_t>(frame));
    }
  }
}

void decode_contents(base::ByteReader& in, ArchiveIndex& index) {
  const std::uint64_t count = in.varint();
  if (!fits(in, count, 34)) return in.fail();
  for (std::uint64_t i = 0; i < count; ++i) {
    redo::ContentPlace place;
    place.content.digest = in.digest();
    place.content.size = in.varint();
    place.last_lsn = in.varint();
    index.contents.push_back(place);
  }
}

void decode_held(base::ByteReader& in, ArchiveIndex& index) {
  const std::uint64_t count = in.varint();
  if (!fits(in, count, 18)) return in.fail();
  for (std::uint64_t i = 0; i < count; ++i) {
    redo::HeldStretch held;
    held.first_lsn = in.varint();
    held.last_lsn = in.varint();
    held.low.us = in.i64();
    held.high.us = in.i64();
    index.held.push_back(held);
  }
}

}  // namespace

Bytes encode_archive_index(const ArchiveIndex& index) {
  Bytes bytes;
  base::ByteWriter out(bytes);
  encode_info(out, index.info);
  out.varint(index.records);
  out.raw(index.records_digest);
  out.varint(index.frames.size());
  for (const ArchiveFrame& frame : index.frames) {
    out.varint(frame.offset);
    out.varint(frame.stored_length);
    out.varint(frame.raw_length);
    out.varint(frame.first_lsn);
    out.varint(frame.last_lsn);
  }
  out.varint(index.accounts.size());
  for (const auto& [account, frames] : index.accounts) {
    out.text(account);
    out.varint(frames.size());
    std::uint32_t before = 0;
    for (std::uint32_t frame : frames) {
      out.varint(frame - before);
      before = frame;
    }
  }
  out.varint(index.contents.size());
  for (const redo::ContentPlace& place : index.contents) {
    out.raw(place.content.digest);
    out.varint(place.content.size);
    out.varint(place.last_lsn);
  }
  out.varint(index.held.size());
  for (const redo::HeldStretch& held : index.held) {
    out.varint(held.first_lsn);
    out.varint(held.last_lsn);
    out.i64(held.low.us);
    out.i64(held.high.us);
  }
  return bytes;
}

std::optional<ArchiveIndex> decode_archive_index(ByteView bytes) {
  base::ByteReader in(bytes);
  ArchiveIndex index;
  index.info.last_lsn = in.varint();
  index.info.first_time.us = in.i64();
  index.info.last_time.us = in.i64();
  index.info.bytes = in.varint();
  index.records = in.varint();
  index.records_digest = in.digest();
  decode_frames(in, index);
  decode_accounts(in, index);
  decode_contents(in, index);
  decode_held(in, index);
  if (!in.ok()) return std::nullopt;
  return index;
}

std::uint32_t archive_checksum(ByteView head, std::uint64_t number, ByteView stored) {
  Bytes place;
  base::ByteWriter writer(place);
  writer.u64(number);
  return base::crc32c(stored, base::crc32c(place, base::crc32c(head)));
}

Bytes encode_statement(const ArchiveVouch& vouch) {
  Bytes bytes;
  base::ByteWriter out(bytes);
  out.u64(vouch.last_lsn);
  out.raw(vouch.records);
  out.u64(vouch.ids_bytes);
  return bytes;
}

Digest signed_digest(ByteView header, ByteView envelope, ByteView index_to_statement) {
  crypto::Sha256 digest;
  for (ByteView part : {header, envelope, index_to_statement}) digest.update(part);
  return digest.finish();
}

}  // namespace restante::target
