#include "target/archived_view.hpp"

#include <algorithm>

#include "base/crc32c.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"
#include "content/content_store.hpp"
#include "target/segment_archive.hpp"

namespace restante::target {
namespace {

using redo::Record;
using redo::RecordFilter;
using redo::SegmentHeader;

Status damaged(std::string_view key, std::string_view what) {
  return Status(Code::damaged, base::cat(key, ": ", what));
}

class ArchivedRecords final : public redo::RecordStream {
 public:
  ArchivedRecords(std::shared_ptr<const ArchivedView> view, RecordFilter filter)
      : view_(std::move(view)), filter_(std::move(filter)) {
    const std::vector<ArchiveFrame>& frames = view_->index().frames;
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
    const ArchiveFrame& frame = view_->index().frames[number];
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
    if (size_ < kArchivePrefixBytes + kArchiveFooterBytes)
      return damaged(key_, "too short for an archived segment");
    const Result<Bytes> prefix = storage_->get_range(key_, 0, kArchivePrefixBytes);
    if (!prefix.ok()) return prefix.status();
    base::ByteReader prefix_in(*prefix);
    if (as_text(prefix_in.raw(8)) != kArchiveMagic) return damaged(key_, "not an archived segment");
    const std::uint32_t length = prefix_in.u32();
    if (length < kArchivePrefixBytes + 40 || length > size_ - kArchiveFooterBytes)
      return damaged(key_, "impossible header length");
    const std::uint64_t envelope = site_.sealer.encrypts() ? crypto::kEnvelopeBytes : 0;
    frames_at_ = length + envelope;
    if (frames_at_ > size_ - kArchiveFooterBytes) return damaged(key_, "impossible header length");
    Result<Bytes> bytes = storage_->get_range(key_, 0, frames_at_);
    if (!bytes.ok()) return bytes.status();
    header_bytes_ = *std::move(bytes);
    envelope_.assign(header_bytes_.begin() + length, header_bytes_.end());
    header_bytes_.resize(length);
    return decode_header();
  }

  [[nodiscard]] Status decode_header() {
    base::ByteReader in(ByteView(header_bytes_).subspan(kArchivePrefixBytes));
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
    const Result<Bytes> footer = storage_->get_range(key_, size_ - kArchiveFooterBytes, kArchiveFooterBytes);
    if (!footer.ok()) return footer.status();
    base::ByteReader in(*footer);
    const std::uint64_t index_at = in.u64();
    index_raw_ = in.u32();
    const std::uint32_t index_checksum = in.u32();
    const std::uint32_t footer_checksum = in.u32();
    if (as_text(in.raw(8)) != kArchiveEndMagic ||
        footer_checksum != base::crc32c(ByteView(*footer).first(16), base::crc32c(head())))
      return damaged(key_, "checksum of the footer is wrong");
    if (index_at < frames_at_ || index_at > size_ - kArchiveFooterBytes)
      return damaged(key_, "the index is outside of the object");
    Result<Bytes> end = storage_->get_range(key_, index_at, size_ - kArchiveFooterBytes - index_at);
    if (!end.ok()) return end.status();
    end_ = *std::move(end);
    index_bytes_ = end_.size();
    if (site_.sealer.encrypts())
      if (Status s = read_vouch(); !s.ok()) return s;
    if (index_checksum != archive_checksum(head(), UINT64_MAX, ByteView(end_).first(index_bytes_)))
      return damaged(key_, "checksum of the index is wrong");
    return {};
  }

  [[nodiscard]] Status read_vouch() {
    if (end_.size() < kArchiveVouchBytes) return damaged(key_, "nobody vouches for it");
    base::ByteReader in(ByteView(end_).last(kArchiveVouchBytes));
    vouch_.last_lsn = in.u64();
    vouch_.records = in.digest();
    vouch_.ids_bytes = in.u64();
    const Result<crypto::SignatureOf> signature = crypto::decode_signature(in.raw(crypto::kSignatureBytes));
    if (!signature.ok()) return signature.status();
    vouch_.signature = *signature;
    const std::uint64_t before = end_.size() - kArchiveVouchBytes;
    if (vouch_.ids_bytes > before) return damaged(key_, "the list of contents is outside of the object");
    index_bytes_ = static_cast<std::size_t>(before - vouch_.ids_bytes);
    vouch_.ids_at = size_ - kArchiveFooterBytes - kArchiveVouchBytes - vouch_.ids_bytes;
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
    if (Status s = blocks.open(kArchiveIndexBlock, crypto::Last::yes, {}, sealed, stored); !s.ok()) return s;
    const Result<Bytes> raw = content::decompress(stored, index_raw_);
    if (!raw.ok()) return raw.status().with_context(key_);
    std::optional<ArchiveIndex> index = decode_archive_index(*raw);
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
  ArchiveVouch vouch_;
};

}  // namespace

ArchivedView::ArchivedView(std::shared_ptr<Storage> storage, std::string key, Bytes header_bytes,
                           SegmentHeader header, ArchiveIndex index,
                           std::unique_ptr<crypto::BlockOpener> opener, const ArchiveVouch& vouch)
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
  if (!opener_) index_.info.last_lsn = vouch_.last_lsn;
}

Lsn ArchivedView::last_lsn() const noexcept {
  if (!opener_) return vouch_.last_lsn;
  return index_.frames.empty() ? header_.first_lsn - 1 : index_.frames.back().last_lsn;
}

Result<std::optional<redo::ContentPlace>> ArchivedView::find_content(const ContentRef& content) const {
  for (const redo::ContentPlace& place : index_.contents)
    if (place.content == content) return std::optional(place);
  return std::optional<redo::ContentPlace>();
}

Result<std::unique_ptr<ContentReader>> ArchivedView::open_content(const ContentRef& content,
                                                                  const redo::SegmentViews&) const {
  return Status(Code::not_found, base::cat("content ", content.digest.to_string(), " was moved from segment ",
                                           header_.sequence, " to the target"));
}

Status ArchivedView::check_open() const {
  if (opener_) return {};
  return Status(Code::permission, base::cat(key_, ": the key that is here does not open its records"),
                "use a key with the right to read");
}

Result<std::vector<Digest>> ArchivedView::read_ids(const crypto::ObjectSealer& sealer) const {
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

Result<std::vector<Record>> ArchivedView::read_frame(std::size_t number) const {
  const ArchiveFrame& frame = index_.frames[number];
  const Result<Bytes> stored = storage_->get_range(key_, frame.offset, frame.stored_length);
  if (!stored.ok()) return stored.status();
  base::ByteReader in(*stored);
  const std::uint32_t checksum = in.u32();
  const ByteView body = in.raw(in.remaining());
  if (checksum != archive_checksum(ByteView(header_bytes_).first(header_bytes_.size() - 4), number, body))
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

Result<std::vector<Record>> ArchivedView::decode_records(ByteView raw) const {
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

Result<std::unique_ptr<redo::RecordStream>> ArchivedView::records(const RecordFilter& filter) const {
  if (Status s = check_open(); !s.ok()) return s;
  return std::unique_ptr<redo::RecordStream>(new ArchivedRecords(shared_from_this(), filter));
}

Result<Record> ArchivedView::record(Lsn lsn, std::uint64_t) const {
  if (Status s = check_open(); !s.ok()) return s;
  const auto frame = std::find_if(index_.frames.begin(), index_.frames.end(), [&](const ArchiveFrame& f) {
    return f.first_lsn <= lsn && lsn <= f.last_lsn;
  });
  if (frame != index_.frames.end()) {
    Result<std::vector<Record>> records = read_frame(static_cast<std::size_t>(frame - index_.frames.begin()));
    if (!records.ok()) return records.status();
    for (Record& record : *records)
      if (record.head.lsn == lsn) return std::move(record);
  }
  return Status(Code::not_found, base::cat("LSN ", lsn, " is not in ", key_));
}

Result<std::shared_ptr<const redo::SegmentView>> open_archived_segment(std::shared_ptr<Storage> storage,
                                                                       std::string key,
                                                                       const ArchiveSite& site) {
  return ArchiveOpening(std::move(storage), std::move(key), site).open();
}

}  // namespace restante::target
