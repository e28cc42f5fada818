#include "target/segment_archive.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <set>

#include "base/crc32c.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"
#include "crypto/crypto.hpp"
#include "target/named_content.hpp"

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
constexpr std::uint64_t kIndexBlock = UINT64_MAX;
constexpr std::size_t kStatementBytes = 8 + 32 + 8;
constexpr std::size_t kVouchBytes = kStatementBytes + crypto::kSignatureBytes;

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

// `head` without its own checksum at its end: with it, all headers would give the same.
std::uint32_t place_checksum(ByteView head, std::uint64_t ordinal, ByteView stored) {
  Bytes place;
  base::ByteWriter writer(place);
  writer.u64(ordinal);
  return base::crc32c(stored, base::crc32c(place, base::crc32c(head)));
}

// In a target with keys: what its writer says of a segment so that everybody can check it.
struct Vouch {
  Lsn last_lsn = 0;
  Digest records;               // the id of their digest
  std::uint64_t ids_bytes = 0;  // of the sealed ids of contents, which stand before it
  std::uint64_t ids_at = 0;
  crypto::SignatureOf signature;
};

Bytes statement_of(const Vouch& vouch) {
  Bytes bytes;
  base::ByteWriter out(bytes);
  out.u64(vouch.last_lsn);
  out.raw(vouch.records);
  out.u64(vouch.ids_bytes);
  return bytes;
}

// What is signed: all but frames, which open with nothing else than the envelope.
Digest signed_digest(ByteView header, ByteView envelope, ByteView index_to_statement) {
  crypto::Sha256 digest;
  for (ByteView part : {header, envelope, index_to_statement}) digest.update(part);
  return digest.finish();
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

void append_raw(const Record& record, Bytes& raw) {
  base::ByteWriter out(raw);
  out.varint(record.offset);
  out.bytes(record.bytes);
}

// Collects one segment in memory; a segment's records without content are a small part of it.
class ArchiveBuilder {
 public:
  [[nodiscard]] static Result<ArchiveBuilder> begin(const ArchiveSite& site, SegmentHeader header,
                                                    int level) {
    ArchiveBuilder builder(site, header, level);
    Result<std::unique_ptr<crypto::BlockSealer>> blocks =
        site.sealer.begin({crypto::ObjectKind::segment, builder.key_}, crypto::Audience::metadata);
    if (!blocks.ok()) return blocks.status();
    builder.blocks_ = *std::move(blocks);
    base::ByteWriter(builder.object_).raw(builder.blocks_->envelope());
    return builder;
  }

  [[nodiscard]] Status add(const Record& record) {
    if (raw_.empty()) frame_.first_lsn = record.head.lsn;
    frame_.last_lsn = record.head.lsn;
    append_raw(record, raw_);
    ++index_.records;
    const std::string account(record.account_id());
    std::vector<std::uint32_t>& frames = index_.accounts[account];
    const auto number = static_cast<std::uint32_t>(index_.frames.size());
    if (frames.empty() || frames.back() != number) frames.push_back(number);
    return raw_.size() >= base::kSnapshotFrameBytes ? end_frame() : Status();
  }
  void add_content(const redo::ContentPlace& place) { index_.contents.push_back(place); }

  // `ids` are those of the contents that it holds or names, in a target with keys.
  [[nodiscard]] Result<Bytes> finish(const SegmentInfo& info, std::vector<redo::HeldStretch> held,
                                     const std::set<Digest>& ids) {
    if (Status s = end_frame(); !s.ok()) return s;
    index_.info = info;
    index_.held = std::move(held);
    index_.records_digest = digest_.finish();
    const Bytes raw = encode_index(index_);
    Bytes stored;
    const Status sealed =
        blocks_->seal(kIndexBlock, crypto::Last::yes, {}, content::compress(raw, level_), stored);
    if (!sealed.ok()) return sealed;
    const std::uint64_t offset = object_.size();
    base::ByteWriter out(object_);
    out.raw(stored);
    if (site_.sealer.encrypts()) {
      if (Status s = append_vouch(stored, ids); !s.ok()) return s;
    }
    Bytes footer;
    base::ByteWriter fields(footer);
    fields.u64(offset);
    fields.u32(static_cast<std::uint32_t>(raw.size()));
    fields.u32(place_checksum(head(), UINT64_MAX, stored));
    out.raw(footer);
    out.u32(base::crc32c(footer, base::crc32c(head())));
    out.raw(as_bytes(kEndMagic));
    return std::move(object_);
  }
  [[nodiscard]] const Digest& records_digest() const { return index_.records_digest; }

 private:
  ArchiveBuilder(const ArchiveSite& site, SegmentHeader& header, int level)
      : site_(site), key_(segment_key(header)), first_lsn_(header.first_lsn), level_(level) {
    const Bytes copies = redo::encode_header(header);
    Bytes rest;
    base::ByteWriter fields(rest);
    fields.u16(kArchiveVersion);
    fields.u16(0);  // required features
    fields.raw(site.sealer.encrypts() ? site.sealer.key_id(crypto::Audience::metadata) : Id128{});
    fields.raw(site.target);
    fields.bytes(ByteView(copies).first(header.copy_length));
    base::ByteWriter out(object_);
    out.raw(as_bytes(kArchiveMagic));
    out.u32(static_cast<std::uint32_t>(kPrefixBytes + rest.size() + 4));
    out.raw(rest);
    out.u32(base::crc32c(object_));
    header_ = object_;
  }

  [[nodiscard]] ByteView head() const { return ByteView(header_).first(header_.size() - 4); }

  [[nodiscard]] Status end_frame() {
    if (raw_.empty()) return {};
    digest_.update(raw_);
    Bytes stored;
    const Status sealed =
        blocks_->seal(index_.frames.size(), crypto::Last::no, {}, content::compress(raw_, level_), stored);
    if (!sealed.ok()) return sealed;
    frame_.offset = object_.size();
    frame_.raw_length = static_cast<std::uint32_t>(raw_.size());
    frame_.stored_length = static_cast<std::uint32_t>(stored.size() + 4);
    base::ByteWriter out(object_);
    out.u32(place_checksum(head(), index_.frames.size(), stored));
    out.raw(stored);
    index_.frames.push_back(frame_);
    raw_.clear();
    return {};
  }

  [[nodiscard]] Status append_vouch(ByteView index, const std::set<Digest>& ids) {
    Bytes plain;
    base::ByteWriter list(plain);
    for (const Digest& id : ids) list.raw(id);
    const Result<Bytes> sealed =
        site_.sealer.seal_whole({crypto::ObjectKind::references, key_}, crypto::Audience::references, plain);
    if (!sealed.ok()) return sealed.status();
    Vouch vouch;
    vouch.last_lsn = index_.frames.empty() ? first_lsn_ - 1 : index_.frames.back().last_lsn;
    vouch.records = site_.sealer.content_id(index_.records_digest);
    vouch.ids_bytes = sealed->size();
    const std::size_t index_at = object_.size() - index.size();
    base::ByteWriter out(object_);
    out.raw(*sealed);
    out.raw(statement_of(vouch));
    const Digest digest = signed_digest(header_, blocks_->envelope(), ByteView(object_).subspan(index_at));
    const Result<crypto::SignatureOf> signature =
        site_.sealer.sign({crypto::ObjectKind::segment, key_}, digest);
    if (!signature.ok()) return signature.status();
    out.raw(crypto::encode_signature(*signature));
    return {};
  }

  ArchiveSite site_;
  std::string key_;
  Lsn first_lsn_;
  int level_;
  std::unique_ptr<crypto::BlockSealer> blocks_;
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
  // Without `opener` its records are closed, and all that is known is in the header and `vouch`.
  ArchivedView(std::shared_ptr<Storage> storage, std::string key, Bytes header_bytes, SegmentHeader header,
               ArchiveIndex index, std::unique_ptr<crypto::BlockOpener> opener, const Vouch& vouch)
      : storage_(std::move(storage)),
        key_(std::move(key)),
        header_bytes_(std::move(header_bytes)),
        header_(std::move(header)),
        index_(std::move(index)),
        opener_(std::move(opener)),
        vouch_(vouch) {
    index_.info.incarnation = header_.incarnation;
    index_.info.sequence = header_.sequence;
    index_.info.first_lsn = header_.first_lsn;
    index_.info.sealed = true;
  }

  [[nodiscard]] const SegmentHeader& header() const noexcept override { return header_; }
  [[nodiscard]] Lsn last_lsn() const noexcept override {
    if (!opener_) return vouch_.last_lsn;
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
  [[nodiscard]] const std::string& key() const noexcept { return key_; }
  [[nodiscard]] const Vouch& vouch() const noexcept { return vouch_; }
  [[nodiscard]] Status check_open() const {
    if (opener_) return {};
    return Status(Code::permission, base::cat(key_, ": the key that is here does not open its records"),
                  "use a key with the right to read");
  }

  [[nodiscard]] Result<std::vector<Digest>> read_ids(const crypto::ObjectSealer& sealer) const {
    const Result<Bytes> stored = storage_->get_range(key_, vouch_.ids_at, vouch_.ids_bytes);
    if (!stored.ok()) return stored.status();
    const Result<Bytes> plain =
        sealer.open_whole({crypto::ObjectKind::references, key_}, crypto::Audience::references, *stored);
    if (!plain.ok()) return plain.status();
    std::vector<Digest> ids(plain->size() / sizeof(Digest));
    base::ByteReader in(*plain);
    for (Digest& id : ids) id = in.digest();
    return ids;
  }

  // The records of one frame.
  [[nodiscard]] Result<std::vector<Record>> read_frame(std::size_t number) const {
    const Frame& frame = index_.frames[number];
    const Result<Bytes> stored = storage_->get_range(key_, frame.offset, frame.stored_length);
    if (!stored.ok()) return stored.status();
    base::ByteReader in(*stored);
    const std::uint32_t checksum = in.u32();
    const ByteView body = in.raw(in.remaining());
    if (checksum != place_checksum(ByteView(header_bytes_).first(header_bytes_.size() - 4), number, body))
      return Status(Code::damaged, base::cat(key_, ": checksum of frame ", number, " is wrong"));
    Bytes opened;
    {
      const std::scoped_lock lock(mutex_);
      if (Status s = opener_->open(number, crypto::Last::no, {}, body, opened); !s.ok()) return s;
    }
    const Result<Bytes> raw = content::decompress(opened, frame.raw_length);
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
  mutable std::mutex mutex_;  // of `opener_`
  std::unique_ptr<crypto::BlockOpener> opener_;
  Vouch vouch_;
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
  if (Status s = check_open(); !s.ok()) return s;
  return std::unique_ptr<redo::RecordStream>(new ArchivedRecords(shared_from_this(), filter));
}

Result<Record> ArchivedView::record(Lsn lsn, std::uint64_t) const {
  if (Status s = check_open(); !s.ok()) return s;
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

using EachRecord = std::function<Status(const Record&, const std::optional<redo::PieceBody>&)>;

// Every record as it is archived: pieces of content as stubs.
Status each_archived_record(const redo::SegmentView& view, const EachRecord& each) {
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
      if (Status s = each(record, std::nullopt); !s.ok()) return s;
      continue;
    }
    const Result<redo::PieceBody> piece = redo::decode_piece(record);
    if (!piece.ok()) return piece.status();
    const Result<Record> stub = redo::stub_of(record, view.header().place(record.offset));
    if (!stub.ok()) return stub.status();
    if (Status s = each(*stub, *piece); !s.ok()) return s;
  }
}

// Copies records, content apart, and stores content that ends in this segment.
Status copy_records(const redo::SegmentView& view, const redo::SegmentViews& all, const ArchiveInto& into,
                    ArchiveBuilder& builder) {
  return each_archived_record(
      view, [&](const Record& record, const std::optional<redo::PieceBody>& piece) -> Status {
        if (piece && piece->last) {
          if (Status s = store_content(view, all, piece->content, record.account_id(), into); !s.ok())
            return s;
          builder.add_content({piece->content, 0, 0, record.head.lsn, 0});
        }
        return builder.add(record);
      });
}

// The ids of all contents that the segment holds or names.
Result<std::set<Digest>> ids_of(const redo::SegmentView& view, const crypto::ObjectSealer& sealer) {
  std::set<Digest> ids;
  const auto add = [&](const ContentRef& content) { ids.insert(sealer.content_id(content.digest)); };
  Status read =
      each_archived_record(view, [&](const Record&, const std::optional<redo::PieceBody>& piece) -> Status {
        if (piece && piece->last) add(piece->content);
        return {};
      });
  if (read.ok())
    read = each_named_content(view, [&](std::string_view, const NamedContent& named) -> Status {
      add(named.content);
      return {};
    });
  if (!read.ok()) return read;
  return ids;
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
  Result<ArchiveBuilder> builder = ArchiveBuilder::begin(into.site, header, into.compression_level);
  if (!builder.ok()) return builder.status();
  if (Status s = copy_records(view, all, into, *builder); !s.ok()) return s;
  Result<std::vector<redo::HeldStretch>> held = view.held_stretches();
  if (!held.ok()) return held.status();
  std::set<Digest> ids;
  if (into.site.sealer.encrypts()) {
    Result<std::set<Digest>> found = ids_of(view, into.site.sealer);
    if (!found.ok()) return found.status();
    ids = *std::move(found);
  }
  const Result<Bytes> object = builder->finish(view.info(), *std::move(held), ids);
  if (!object.ok()) return object.status();
  if (Status s = into.content.flush(); !s.ok()) return s;
  if (!into.replace) {
    const Status put = into.storage.put_if_absent(key, *object);
    if (put.code() != Code::already_exists) return put;
  }
  const Result<std::shared_ptr<const redo::SegmentView>> there =
      open_archived_segment(std::shared_ptr<Storage>(&into.storage, [](Storage*) {}), key, into.site);
  if (!there.ok()) return into.replace ? into.storage.put(key, *object) : there.status();
  const auto& archived = static_cast<const ArchivedView&>(**there);
  if (archived.vouch().records != into.site.sealer.content_id(builder->records_digest()))
    return diverged(key);
  return into.replace ? into.storage.put(key, *object) : Status();
}

namespace {

// Reads the parts of an archived segment that are behind its frames.
class ArchiveOpening {
 public:
  ArchiveOpening(std::shared_ptr<Storage> storage, std::string key, const ArchiveSite& site)
      : storage_(std::move(storage)), key_(std::move(key)), site_(site) {}

  [[nodiscard]] Result<std::shared_ptr<const redo::SegmentView>> open() {
    if (Status s = read_header(); !s.ok()) return s;
    if (Status s = read_end(); !s.ok()) return s;
    const crypto::ObjectPlace place{crypto::ObjectKind::segment, key_};
    if (site_.sealer.encrypts())
      if (Status s = check_signature(place); !s.ok()) return s;
    std::unique_ptr<crypto::BlockOpener> blocks;
    ArchiveIndex index;
    if (site_.sealer.can_open(crypto::Audience::metadata)) {
      Result<std::unique_ptr<crypto::BlockOpener>> opener =
          site_.sealer.open(place, crypto::Audience::metadata, envelope_);
      if (!opener.ok()) return opener.status();
      blocks = *std::move(opener);
      Result<ArchiveIndex> opened = open_index(*blocks);
      if (!opened.ok()) return opened.status();
      index = *std::move(opened);
    }
    return std::shared_ptr<const redo::SegmentView>(
        std::make_shared<ArchivedView>(std::move(storage_), std::move(key_), std::move(header_bytes_),
                                       std::move(header_), std::move(index), std::move(blocks), vouch_));
  }

 private:
  [[nodiscard]] Status read_header() {
    const Result<ObjectInfo> object = storage_->info(key_);
    if (!object.ok()) return object.status();
    size_ = object->size;
    if (size_ < kPrefixBytes + kFooterBytes) return damaged(key_, "too short for an archived segment");
    const Result<Bytes> prefix = storage_->get_range(key_, 0, kPrefixBytes);
    if (!prefix.ok()) return prefix.status();
    base::ByteReader prefix_in(*prefix);
    if (as_text(prefix_in.raw(8)) != kArchiveMagic) return damaged(key_, "not an archived segment");
    const std::uint32_t length = prefix_in.u32();
    if (length < kPrefixBytes + 40 || length > size_ - kFooterBytes)
      return damaged(key_, "impossible header length");
    const std::uint64_t envelope = site_.sealer.encrypts() ? crypto::kEnvelopeBytes : 0;
    frames_at_ = length + envelope;
    if (frames_at_ > size_ - kFooterBytes) return damaged(key_, "impossible header length");
    Result<Bytes> bytes = storage_->get_range(key_, 0, frames_at_);
    if (!bytes.ok()) return bytes.status();
    header_bytes_ = *std::move(bytes);
    envelope_.assign(header_bytes_.begin() + length, header_bytes_.end());
    header_bytes_.resize(length);
    return decode_header();
  }

  [[nodiscard]] Status decode_header() {
    base::ByteReader in(ByteView(header_bytes_).subspan(kPrefixBytes));
    const std::uint16_t version = in.u16();
    const std::uint16_t features = in.u16();
    base::ByteReader checksum_in(ByteView(header_bytes_).last(4));
    if (checksum_in.u32() != base::crc32c(head())) return damaged(key_, "checksum of the header is wrong");
    if (version > kArchiveVersion || features != 0)
      return Status(Code::unsupported,
                    base::cat(key_, ": format ", version, " is newer than this version knows"));
    if (in.id().is_none() == site_.sealer.encrypts())
      return damaged(key_, site_.sealer.encrypts() ? "not sealed, in a target with keys"
                                                   : "sealed, in a target without keys");
    if (in.id() != site_.target) return damaged(key_, "belongs to another target");
    Result<SegmentHeader> header = redo::decode_header_copy(in.bytes(), 0);
    if (!header.ok()) return header.status().with_context(key_);
    header_ = *std::move(header);
    return {};
  }

  // From the index to the end.
  [[nodiscard]] Status read_end() {
    const Result<Bytes> footer = storage_->get_range(key_, size_ - kFooterBytes, kFooterBytes);
    if (!footer.ok()) return footer.status();
    base::ByteReader in(*footer);
    const std::uint64_t index_at = in.u64();
    index_raw_ = in.u32();
    const std::uint32_t index_checksum = in.u32();
    const std::uint32_t footer_checksum = in.u32();
    if (as_text(in.raw(8)) != kEndMagic ||
        footer_checksum != base::crc32c(ByteView(*footer).first(16), base::crc32c(head())))
      return damaged(key_, "checksum of the footer is wrong");
    if (index_at < frames_at_ || index_at > size_ - kFooterBytes)
      return damaged(key_, "the index is outside of the object");
    Result<Bytes> end = storage_->get_range(key_, index_at, size_ - kFooterBytes - index_at);
    if (!end.ok()) return end.status();
    end_ = *std::move(end);
    index_bytes_ = end_.size();
    if (site_.sealer.encrypts())
      if (Status s = read_vouch(); !s.ok()) return s;
    if (index_checksum != place_checksum(head(), UINT64_MAX, ByteView(end_).first(index_bytes_)))
      return damaged(key_, "checksum of the index is wrong");
    return {};
  }

  [[nodiscard]] Status read_vouch() {
    if (end_.size() < kVouchBytes) return damaged(key_, "nobody vouches for it");
    base::ByteReader in(ByteView(end_).last(kVouchBytes));
    vouch_.last_lsn = in.u64();
    vouch_.records = in.digest();
    vouch_.ids_bytes = in.u64();
    const Result<crypto::SignatureOf> signature = crypto::decode_signature(in.raw(crypto::kSignatureBytes));
    if (!signature.ok()) return signature.status();
    vouch_.signature = *signature;
    const std::uint64_t before = end_.size() - kVouchBytes;
    if (vouch_.ids_bytes > before) return damaged(key_, "the list of contents is outside of the object");
    index_bytes_ = static_cast<std::size_t>(before - vouch_.ids_bytes);
    vouch_.ids_at = size_ - kFooterBytes - kVouchBytes - vouch_.ids_bytes;
    return {};
  }

  [[nodiscard]] Status check_signature(const crypto::ObjectPlace& place) const {
    const Digest digest =
        signed_digest(header_bytes_, envelope_, ByteView(end_).first(end_.size() - crypto::kSignatureBytes));
    const Result<crypto::Signer> signer = site_.sealer.verify(place, digest, vouch_.signature);
    if (!signer.ok()) return signer.status();
    if (!signer->server.is_none() && signer->server != header_.server)
      return damaged(key_,
                     base::cat("signed by '", base::escape(signer->label), "', which is another server"));
    return {};
  }

  [[nodiscard]] Result<ArchiveIndex> open_index(crypto::BlockOpener& blocks) {
    Bytes stored;
    const ByteView sealed = ByteView(end_).first(index_bytes_);
    if (Status s = blocks.open(kIndexBlock, crypto::Last::yes, {}, sealed, stored); !s.ok()) return s;
    const Result<Bytes> raw = content::decompress(stored, index_raw_);
    if (!raw.ok()) return raw.status().with_context(key_);
    std::optional<ArchiveIndex> index = decode_index(*raw);
    if (!index) return damaged(key_, "the index cannot be read");
    if (!site_.sealer.encrypts()) {
      vouch_.records = index->records_digest;
      return *std::move(index);
    }
    if (site_.sealer.content_id(index->records_digest) != vouch_.records)
      return damaged(key_, "its index is not the one that was vouched for");
    return *std::move(index);
  }

  // Without its checksum.
  [[nodiscard]] ByteView head() const { return ByteView(header_bytes_).first(header_bytes_.size() - 4); }

  std::shared_ptr<Storage> storage_;
  std::string key_;
  const ArchiveSite& site_;
  std::uint64_t size_ = 0;
  std::uint64_t frames_at_ = 0;
  Bytes header_bytes_;
  Bytes envelope_;
  SegmentHeader header_;
  Bytes end_;
  std::size_t index_bytes_ = 0;
  std::uint32_t index_raw_ = 0;
  Vouch vouch_;
};

}  // namespace

Result<std::shared_ptr<const redo::SegmentView>> open_archived_segment(std::shared_ptr<Storage> storage,
                                                                       std::string key,
                                                                       const ArchiveSite& site) {
  return ArchiveOpening(std::move(storage), std::move(key), site).open();
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

Status check_same_records(const redo::SegmentView& of_log, const redo::SegmentView& archived,
                          const crypto::ObjectSealer& sealer, std::string_view key) {
  crypto::Sha256 digest;
  const Status read = each_archived_record(
      of_log, [&](const Record& record, const std::optional<redo::PieceBody>&) -> Status {
        Bytes raw;
        append_raw(record, raw);
        digest.update(raw);
        return {};
      });
  if (!read.ok()) return read;
  const Vouch& vouch = static_cast<const ArchivedView&>(archived).vouch();
  return vouch.records == sealer.content_id(digest.finish()) ? Status() : diverged(key);
}

Result<std::vector<ContentRef>> archived_contents(const redo::SegmentView& view) {
  const auto& archived = static_cast<const ArchivedView&>(view);
  if (Status s = archived.check_open(); !s.ok()) return s;
  std::vector<ContentRef> contents;
  for (const redo::ContentPlace& place : archived.index().contents) contents.push_back(place.content);
  return contents;
}

Result<std::vector<Digest>> archived_content_ids(const redo::SegmentView& view,
                                                 const crypto::ObjectSealer& sealer) {
  return static_cast<const ArchivedView&>(view).read_ids(sealer);
}

}  // namespace restante::target
