#include "target/segment_archive.hpp"

#include <algorithm>
#include <functional>
#include <set>

#include "base/crc32c.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"
#include "crypto/crypto.hpp"
#include "target/archived_view.hpp"
#include "target/named_content.hpp"

namespace restante::target {
namespace {

using redo::Record;
using redo::RecordFilter;
using redo::SegmentHeader;

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
    const Bytes raw = encode_archive_index(index_);
    Bytes stored;
    const Status sealed =
        blocks_->seal(kArchiveIndexBlock, crypto::Last::yes, {}, content::compress(raw, level_), stored);
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
    fields.u32(archive_checksum(head(), UINT64_MAX, stored));
    out.raw(footer);
    out.u32(base::crc32c(footer, base::crc32c(head())));
    out.raw(as_bytes(kArchiveEndMagic));
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
    out.u32(static_cast<std::uint32_t>(kArchivePrefixBytes + rest.size() + 4));
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
    out.u32(archive_checksum(head(), index_.frames.size(), stored));
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
    ArchiveVouch vouch;
    vouch.last_lsn = index_.frames.empty() ? first_lsn_ - 1 : index_.frames.back().last_lsn;
    vouch.records = site_.sealer.content_id(index_.records_digest);
    vouch.ids_bytes = sealed->size();
    const std::size_t index_at = object_.size() - index.size();
    base::ByteWriter out(object_);
    out.raw(*sealed);
    out.raw(encode_statement(vouch));
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
  ArchiveFrame frame_;
  ArchiveIndex index_;
  crypto::Sha256 digest_;
};

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
  const ArchiveVouch& vouch = static_cast<const ArchivedView&>(archived).vouch();
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
