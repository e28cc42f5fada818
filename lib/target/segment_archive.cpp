#include "target/segment_archive.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/crc32c.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"
#include "crypto/crypto.hpp"

namespace restante::target {
namespace {

using redo::Record;
using redo::RecordFilter;
using redo::SegmentHeader;

constexpr std::string_view kArchiveMagic = "RSTARCH1";
constexpr std::string_view kEndMagic = "RSTAREND";
constexpr std::uint16_t kArchiveVersion = 1;
constexpr std::size_t kPrefixBytes = 12;  // magic, header length
constexpr std::size_t kFooterBytes = 28;

struct Frame {
  std::uint64_t offset = 0;
  std::uint32_t stored_length = 0;
  std::uint32_t raw_length = 0;
  Lsn first_lsn = 0;
  Lsn last_lsn = 0;
};

struct ArchiveIndex {
  SegmentInfo info;
  std::uint64_t records = 0;
  // Of all frames' raw bytes: tells two histories apart.
  Digest records_digest;
  std::vector<Frame> frames;
  std::map<std::string, std::vector<std::uint32_t>> accounts;  // -> frames, ascending
  std::vector<redo::ContentPlace> contents;
  std::vector<redo::HeldStretch> held;
};

std::uint32_t place_checksum(ByteView header, std::uint64_t ordinal, ByteView stored) {
  Bytes place;
  base::ByteWriter writer(place);
  writer.u64(ordinal);
  return base::crc32c(stored, base::crc32c(place, base::crc32c(header)));
}

void encode_info(base::ByteWriter& out, const SegmentInfo& info) {
  out.varint(info.last_lsn);
  out.i64(info.first_time.us);
  out.i64(info.last_time.us);
  out.varint(info.bytes);
}

Bytes encode_index(const ArchiveIndex& index) {
  Bytes bytes;
  base::ByteWriter out(bytes);
  encode_info(out, index.info);
  out.varint(index.records);
  out.raw(index.records_digest);
  out.varint(index.frames.size());
  for (const Frame& frame : index.frames) {
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

// True when `count` elements of at least `size` bytes each can still follow.
bool fits(const base::ByteReader& in, std::uint64_t count, std::size_t size) {
  return count <= in.remaining() / size;
}

void decode_frames(base::ByteReader& in, ArchiveIndex& index) {
  const std::uint64_t count = in.varint();
  if (!fits(in, count, 5)) return in.fail();
  for (std::uint64_t i = 0; i < count; ++i) {
    Frame frame;
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

std::optional<ArchiveIndex> decode_index(ByteView bytes) {
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

// Collects one segment in memory; a segment's records without content are a small part of it.
class ArchiveBuilder {
 public:
  ArchiveBuilder(const Id128& target, SegmentHeader header, int level) : level_(level) {
    const Bytes copies = redo::encode_header(header);
    Bytes rest;
    base::ByteWriter fields(rest);
    fields.u16(kArchiveVersion);
    fields.u16(0);        // required features
    fields.raw(Id128{});  // key id: none
    fields.raw(target);
    fields.bytes(ByteView(copies).first(header.copy_length));
    base::ByteWriter out(object_);
    out.raw(as_bytes(kArchiveMagic));
    out.u32(static_cast<std::uint32_t>(kPrefixBytes + rest.size() + 4));
    out.raw(rest);
    out.u32(base::crc32c(object_));
    header_ = object_;
  }

  void add(const Record& record) {
    if (raw_.empty()) frame_.first_lsn = record.head.lsn;
    frame_.last_lsn = record.head.lsn;
    base::ByteWriter out(raw_);
    out.varint(record.offset);
    out.bytes(record.bytes);
    ++index_.records;
    const std::string account(record.account_id());
    std::vector<std::uint32_t>& frames = index_.accounts[account];
    const auto number = static_cast<std::uint32_t>(index_.frames.size());
    if (frames.empty() || frames.back() != number) frames.push_back(number);
    if (raw_.size() >= base::kSnapshotFrameBytes) end_frame();
  }
  void add_content(const redo::ContentPlace& place) { index_.contents.push_back(place); }

  [[nodiscard]] Bytes finish(const SegmentInfo& info, std::vector<redo::HeldStretch> held) {
    end_frame();
    index_.info = info;
    index_.held = std::move(held);
    index_.records_digest = digest_.finish();
    const Bytes raw = encode_index(index_);
    const Bytes stored = content::compress(raw, level_);
    const std::uint64_t offset = object_.size();
    base::ByteWriter out(object_);
    out.raw(stored);
    Bytes footer;
    base::ByteWriter fields(footer);
    fields.u64(offset);
    fields.u32(static_cast<std::uint32_t>(raw.size()));
    fields.u32(place_checksum(header_, UINT64_MAX, stored));
    out.raw(footer);
    out.u32(base::crc32c(footer, base::crc32c(header_)));
    out.raw(as_bytes(kEndMagic));
    return std::move(object_);
  }
  [[nodiscard]] const Digest& records_digest() const { return index_.records_digest; }

 private:
  void end_frame() {
    if (raw_.empty()) return;
    digest_.update(raw_);
    const Bytes stored = content::compress(raw_, level_);
    frame_.offset = object_.size();
    frame_.raw_length = static_cast<std::uint32_t>(raw_.size());
    frame_.stored_length = static_cast<std::uint32_t>(stored.size() + 4);
    base::ByteWriter out(object_);
    out.u32(place_checksum(header_, index_.frames.size(), stored));
    out.raw(stored);
    index_.frames.push_back(frame_);
    raw_.clear();
  }

  int level_;
  Bytes object_;
  Bytes header_;
  Bytes raw_;
  Frame frame_;
  ArchiveIndex index_;
  crypto::Sha256 digest_;
};

// An archived segment; its frames are read when they are needed.
class ArchivedView final : public redo::SegmentView, public std::enable_shared_from_this<ArchivedView> {
 public:
  ArchivedView(std::shared_ptr<Storage> storage, std::string key, Bytes header_bytes, SegmentHeader header,
               ArchiveIndex index)
      : storage_(std::move(storage)),
        key_(std::move(key)),
        header_bytes_(std::move(header_bytes)),
        header_(std::move(header)),
        index_(std::move(index)) {
    index_.info.incarnation = header_.incarnation;
    index_.info.sequence = header_.sequence;
    index_.info.first_lsn = header_.first_lsn;
    index_.info.sealed = true;
  }

  [[nodiscard]] const SegmentHeader& header() const noexcept override { return header_; }
  [[nodiscard]] Lsn last_lsn() const noexcept override {
    return index_.frames.empty() ? header_.first_lsn - 1 : index_.frames.back().last_lsn;
  }
  [[nodiscard]] bool is_complete() const noexcept override { return true; }
  [[nodiscard]] SegmentInfo info() const override { return index_.info; }
  [[nodiscard]] Result<std::unique_ptr<redo::RecordStream>> records(
      const RecordFilter& filter) const override;
  [[nodiscard]] Result<Record> record(Lsn lsn, std::uint64_t offset) const override;
  [[nodiscard]] Result<std::optional<redo::ContentPlace>> find_content(
      const ContentRef& content) const override {
    for (const redo::ContentPlace& place : index_.contents)
      if (place.content == content) return std::optional(place);
    return std::optional<redo::ContentPlace>();
  }
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(
      const ContentRef& content, const redo::SegmentViews&) const override {
    return Status(Code::not_found, base::cat("content ", content.digest.to_string(),
                                             " was moved from segment ", header_.sequence, " to the target"));
  }
  [[nodiscard]] Result<std::vector<redo::HeldStretch>> held_stretches() const override { return index_.held; }

  [[nodiscard]] const ArchiveIndex& index() const noexcept { return index_; }

  // The records of one frame.
  [[nodiscard]] Result<std::vector<Record>> read_frame(std::size_t number) const {
    const Frame& frame = index_.frames[number];
    const Result<Bytes> stored = storage_->get_range(key_, frame.offset, frame.stored_length);
    if (!stored.ok()) return stored.status();
    base::ByteReader in(*stored);
    const std::uint32_t checksum = in.u32();
    const ByteView body = in.raw(in.remaining());
    if (checksum != place_checksum(header_bytes_, number, body))
      return Status(Code::damaged, base::cat(key_, ": checksum of frame ", number, " is wrong"));
    const Result<Bytes> raw = content::decompress(body, frame.raw_length);
    if (!raw.ok()) return raw.status().with_context(key_);
    return decode_records(*raw);
  }

 private:
  [[nodiscard]] Result<std::vector<Record>> decode_records(ByteView raw) const {
    std::vector<Record> records;
    base::ByteReader in(raw);
    while (in.ok() && in.remaining() > 0) {
      const std::uint64_t offset = in.varint();
      const ByteView bytes = in.bytes();
      if (!in.ok()) break;
      Result<Record> record = redo::decode_record(bytes, header_.place(offset));
      if (!record.ok()) return record.status().with_context(key_);
      record->sequence = header_.sequence;
      record->offset = offset;
      records.push_back(*std::move(record));
    }
    if (!in.ok()) return Status(Code::damaged, base::cat(key_, ": a frame is cut off"));
    return records;
  }

  std::shared_ptr<Storage> storage_;
  std::string key_;
  Bytes header_bytes_;
  SegmentHeader header_;
  ArchiveIndex index_;
};

class ArchivedRecords final : public redo::RecordStream {
 public:
  ArchivedRecords(std::shared_ptr<const ArchivedView> view, RecordFilter filter)
      : view_(std::move(view)), filter_(std::move(filter)) {
    const std::vector<Frame>& frames = view_->index().frames;
    const auto in_range = [&](std::uint32_t frame) {
      return frames[frame].last_lsn > filter_.after && frames[frame].first_lsn <= filter_.until;
    };
    if (filter_.account_id.empty()) {
      for (std::uint32_t frame = 0; frame < frames.size(); ++frame)
        if (in_range(frame)) frames_.push_back(frame);
    } else if (const auto account = view_->index().accounts.find(filter_.account_id);
               account != view_->index().accounts.end()) {
      std::copy_if(account->second.begin(), account->second.end(), std::back_inserter(frames_), in_range);
    }
  }

  [[nodiscard]] Result<bool> next(Record& record) override {
    for (;;) {
      while (at_ < records_.size()) {
        Record& candidate = records_[at_++];
        if (!matches(candidate)) continue;
        record = std::move(candidate);
        return true;
      }
      if (frame_ == frames_.size()) return false;
      if (Status s = load(frames_[frame_++]); !s.ok()) return s;
    }
  }
  [[nodiscard]] const LogDamage& damage() const noexcept override { return damage_; }

 private:
  [[nodiscard]] bool matches(const Record& record) const {
    const Lsn lsn = record.head.lsn;
    return lsn > filter_.after && lsn <= filter_.until &&
           (redo::kind_bit(record.head.kind) & filter_.kinds) != 0 &&
           (filter_.account_id.empty() || record.account_id() == filter_.account_id);
  }
  [[nodiscard]] Status load(std::uint32_t number) {
    at_ = 0;
    records_.clear();
    Result<std::vector<Record>> records = view_->read_frame(number);
    if (records.ok()) {
      records_ = *std::move(records);
      return {};
    }
    const Frame& frame = view_->index().frames[number];
    damage_ = {view_->header().sequence, frame.offset, frame.first_lsn, frame.last_lsn + 1,
               records.status().message()};
    return records.status();
  }

  std::shared_ptr<const ArchivedView> view_;
  RecordFilter filter_;
  std::vector<std::uint32_t> frames_;
  std::size_t frame_ = 0;
  std::vector<Record> records_;
  std::size_t at_ = 0;
  LogDamage damage_;
};

Result<std::unique_ptr<redo::RecordStream>> ArchivedView::records(const RecordFilter& filter) const {
  return std::unique_ptr<redo::RecordStream>(new ArchivedRecords(shared_from_this(), filter));
}

Result<Record> ArchivedView::record(Lsn lsn, std::uint64_t) const {
  const auto frame = std::find_if(index_.frames.begin(), index_.frames.end(),
                                  [&](const Frame& f) { return f.first_lsn <= lsn && lsn <= f.last_lsn; });
  if (frame != index_.frames.end()) {
    Result<std::vector<Record>> records = read_frame(static_cast<std::size_t>(frame - index_.frames.begin()));
    if (!records.ok()) return records.status();
    for (Record& record : *records)
      if (record.head.lsn == lsn) return std::move(record);
  }
  return Status(Code::not_found, base::cat("LSN ", lsn, " is not in ", key_));
}

// Stores content that ends in this segment.
Status store_content(const redo::SegmentView& view, const redo::SegmentViews& all, const ContentRef& content,
                     std::string_view account_id, const ArchiveInto& into) {
  const Result<bool> known = into.content.has(content);
  if (!known.ok() || *known) return known.status();
  Result<std::unique_ptr<ContentReader>> reader = view.open_content(content, all);
  const Status stored = reader.ok() ? into.content.put(**reader, &content).status() : reader.status();
  const bool of_the_log = stored.code() == Code::damaged || stored.code() == Code::not_found;
  return of_the_log && into.unreadable ? into.unreadable(account_id, content, stored) : stored;
}

// Copies records, content apart, and stores content that ends in this segment.
Status copy_records(const redo::SegmentView& view, const redo::SegmentViews& all, const ArchiveInto& into,
                    ArchiveBuilder& builder) {
  RecordFilter filter;
  filter.content_bytes = false;
  Result<std::unique_ptr<redo::RecordStream>> stream = view.records(filter);
  if (!stream.ok()) return stream.status();
  Record record;
  for (;;) {
    const Result<bool> more = (*stream)->next(record);
    if (!more.ok()) return more.status();
    if (!*more) return {};
    if (record.head.kind != redo::RecordKind::content) {
      builder.add(record);
      continue;
    }
    const Result<redo::PieceBody> piece = redo::decode_piece(record);
    if (!piece.ok()) return piece.status();
    if (piece->last) {
      if (Status s = store_content(view, all, piece->content, record.account_id(), into); !s.ok()) return s;
      builder.add_content({piece->content, 0, 0, record.head.lsn, 0});
    }
    const Result<Record> stub = redo::stub_of(record, view.header().place(record.offset));
    if (!stub.ok()) return stub.status();
    builder.add(*stub);
  }
}

Status damaged(std::string_view key, std::string_view what) {
  return Status(Code::damaged, base::cat(key, ": ", what));
}

Status diverged(std::string_view key) {
  return Status(Code::diverged,
                base::cat("log diverged: ", key, " is archived with other records than the log has"),
                "the log was probably restored or cloned from a copy; let it continue as a new incarnation");
}

}  // namespace

std::string segment_key(const Id128& log, const Id128& incarnation, std::uint64_t sequence) {
  return base::cat("redologs/", log.to_string(), ".", incarnation.to_string(), "/",
                   redo::segment_name(sequence));
}

std::string segment_key(const SegmentHeader& header) {
  return segment_key(header.log, header.incarnation, header.sequence);
}

Status archive_segment(const redo::SegmentView& view, const redo::SegmentViews& all,
                       const ArchiveInto& into) {
  const SegmentHeader& header = view.header();
  const std::string key = segment_key(header);
  ArchiveBuilder builder(into.target, header, into.compression_level);
  if (Status s = copy_records(view, all, into, builder); !s.ok()) return s;
  Result<std::vector<redo::HeldStretch>> held = view.held_stretches();
  if (!held.ok()) return held.status();
  const Bytes object = builder.finish(view.info(), *std::move(held));
  if (Status s = into.content.flush(); !s.ok()) return s;
  if (!into.replace) {
    const Status put = into.storage.put_if_absent(key, object);
    if (put.code() != Code::already_exists) return put;
  }
  const Result<std::shared_ptr<const redo::SegmentView>> there =
      open_archived_segment(std::shared_ptr<Storage>(&into.storage, [](Storage*) {}), key, into.target);
  if (!there.ok()) return into.replace ? into.storage.put(key, object) : there.status();
  const auto& archived = static_cast<const ArchivedView&>(**there);
  if (archived.index().records_digest != builder.records_digest()) return diverged(key);
  return into.replace ? into.storage.put(key, object) : Status();
}

Result<std::shared_ptr<const redo::SegmentView>> open_archived_segment(std::shared_ptr<Storage> storage,
                                                                       std::string key, const Id128& target) {
  const Result<ObjectInfo> object = storage->info(key);
  if (!object.ok()) return object.status();
  if (object->size < kPrefixBytes + kFooterBytes) return damaged(key, "too short for an archived segment");
  const Result<Bytes> prefix = storage->get_range(key, 0, kPrefixBytes);
  if (!prefix.ok()) return prefix.status();
  base::ByteReader prefix_in(*prefix);
  if (as_text(prefix_in.raw(8)) != kArchiveMagic) return damaged(key, "not an archived segment");
  const std::uint32_t header_length = prefix_in.u32();
  if (header_length < kPrefixBytes + 40 || header_length > object->size - kFooterBytes)
    return damaged(key, "impossible header length");

  Result<Bytes> header_bytes = storage->get_range(key, 0, header_length);
  if (!header_bytes.ok()) return header_bytes.status();
  base::ByteReader in(ByteView(*header_bytes).subspan(kPrefixBytes));
  const std::uint16_t version = in.u16();
  const std::uint16_t features = in.u16();
  const ByteView covered = ByteView(*header_bytes).first(header_length - 4);
  base::ByteReader checksum_in(ByteView(*header_bytes).subspan(header_length - 4));
  if (checksum_in.u32() != base::crc32c(covered)) return damaged(key, "checksum of the header is wrong");
  if (version > kArchiveVersion || features != 0)
    return Status(Code::unsupported,
                  base::cat(key, ": format ", version, " is newer than this version knows"));
  (void)in.id();
  if (in.id() != target) return damaged(key, "belongs to another target");
  const Result<SegmentHeader> header = redo::decode_header_copy(in.bytes(), 0);
  if (!header.ok()) return header.status().with_context(key);

  const Result<Bytes> footer = storage->get_range(key, object->size - kFooterBytes, kFooterBytes);
  if (!footer.ok()) return footer.status();
  base::ByteReader footer_in(*footer);
  const std::uint64_t index_offset = footer_in.u64();
  const std::uint32_t index_raw = footer_in.u32();
  const std::uint32_t index_checksum = footer_in.u32();
  const std::uint32_t footer_checksum = footer_in.u32();
  if (as_text(footer_in.raw(8)) != kEndMagic ||
      footer_checksum != base::crc32c(ByteView(*footer).first(16), base::crc32c(*header_bytes)))
    return damaged(key, "checksum of the footer is wrong");
  if (index_offset < header_length || index_offset > object->size - kFooterBytes)
    return damaged(key, "the index is outside of the object");
  const Result<Bytes> stored =
      storage->get_range(key, index_offset, object->size - kFooterBytes - index_offset);
  if (!stored.ok()) return stored.status();
  if (index_checksum != place_checksum(*header_bytes, UINT64_MAX, *stored))
    return damaged(key, "checksum of the index is wrong");
  const Result<Bytes> raw = content::decompress(*stored, index_raw);
  if (!raw.ok()) return raw.status().with_context(key);
  std::optional<ArchiveIndex> index = decode_index(*raw);
  if (!index) return damaged(key, "the index cannot be read");
  return std::shared_ptr<const redo::SegmentView>(std::make_shared<ArchivedView>(
      std::move(storage), std::move(key), *std::move(header_bytes), *header, *std::move(index)));
}

Status check_same_segment(const redo::SegmentView& of_log, const redo::SegmentView& archived,
                          std::string_view key) {
  if (of_log.last_lsn() != archived.last_lsn() || of_log.header().first_lsn != archived.header().first_lsn)
    return diverged(key);
  if (of_log.last_lsn() < of_log.header().first_lsn) return {};
  const Result<Record> ours = of_log.record(of_log.last_lsn(), 0);
  if (!ours.ok()) return ours.status();
  const Result<Record> theirs = archived.record(of_log.last_lsn(), 0);
  if (!theirs.ok()) return theirs.status();
  // Checksums would not do: a content piece is archived as a stub.
  const auto key_of = [](const Record& record) {
    return std::tuple(record.head.kind, record.head.wall_time, record.head.commit_time,
                      record.head.transaction, std::string(record.account_id()), record.offset);
  };
  return key_of(*ours) == key_of(*theirs) ? Status() : diverged(key);
}

Result<std::vector<std::string>> accounts_in(const redo::SegmentView& view) {
  RecordFilter filter;
  filter.content_bytes = false;
  Result<std::unique_ptr<redo::RecordStream>> stream = view.records(filter);
  if (!stream.ok()) return stream.status();
  std::set<std::string> accounts;
  Record record;
  for (;;) {
    const Result<bool> more = (*stream)->next(record);
    if (!more.ok()) return more.status();
    if (!*more) return std::vector<std::string>(accounts.begin(), accounts.end());
    if (!record.account_id().empty()) accounts.emplace(record.account_id());
  }
}

Result<std::vector<ContentRef>> archived_contents(const redo::SegmentView& view) {
  std::vector<ContentRef> contents;
  for (const redo::ContentPlace& place : static_cast<const ArchivedView&>(view).index().contents)
    contents.push_back(place.content);
  return contents;
}

}  // namespace restante::target
