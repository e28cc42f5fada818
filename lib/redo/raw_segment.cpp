#include "redo/raw_segment.hpp"

#include <algorithm>

#include "base/crc32c.hpp"
#include "base/text.hpp"
#include "os/file.hpp"
#include "redo/content_pieces.hpp"

namespace restante::redo {
namespace {

bool wants(const RecordFilter& filter, const RecordHead& head, std::string_view account_id) {
  if (head.lsn <= filter.after || head.lsn > filter.until) return false;
  if ((filter.kinds & kind_bit(head.kind)) == 0) return false;
  return filter.account_id.empty() || filter.account_id == account_id;
}

bool touches(const RecordFilter& filter, const Gap& gap, Lsn segment_last) {
  const Lsn last = gap.next_lsn == 0 ? segment_last : gap.next_lsn - 1;
  return last > filter.after && gap.from_lsn <= filter.until;
}

/// Goes through the records one by one.
class ScanStream final : public RecordStream {
 public:
  ScanStream(std::shared_ptr<const RawSegment> segment, RecordScan scan, RecordFilter filter)
      : segment_(std::move(segment)), scan_(std::move(scan)), filter_(std::move(filter)) {}

  Result<bool> next(Record& record) override {
    for (;;) {
      if (scan_.expected_lsn() > filter_.until) return false;
      const Result<ScanStep> step = scan_.next(record);
      if (!step.ok()) return step.status();
      if (*step == ScanStep::end) return false;
      if (*step == ScanStep::record) {
        if (wants(filter_, record.head, record.account_id())) return true;
      } else if (touches(filter_, scan_.gap(), segment_->last_lsn())) {
        damage_ = damage_of(segment_->header().sequence, scan_.gap());
        return damage_status(damage_);
      }
    }
  }
  const LogDamage& damage() const noexcept override { return damage_; }

 private:
  std::shared_ptr<const RawSegment> segment_;
  RecordScan scan_;
  RecordFilter filter_;
  LogDamage damage_;
};

/// Reads the records that an account's list names, and reports the gaps that were known when it was made.
class ListStream final : public RecordStream {
 public:
  ListStream(std::shared_ptr<const RawSegment> segment, std::shared_ptr<const os::Fd> fd,
             std::vector<IndexEntry> entries, std::vector<Gap> gaps, bool content_bytes)
      : segment_(std::move(segment)),
        fd_(std::move(fd)),
        entries_(std::move(entries)),
        gaps_(std::move(gaps)),
        content_bytes_(content_bytes) {}

  Result<bool> next(Record& record) override {
    const bool gap_first =
        gap_ < gaps_.size() && (entry_ == entries_.size() || gaps_[gap_].from_lsn <= entries_[entry_].lsn);
    if (gap_first) {
      damage_ = damage_of(segment_->header().sequence, gaps_[gap_++]);
      return damage_status(damage_);
    }
    if (entry_ == entries_.size()) return false;
    const IndexEntry entry = entries_[entry_++];
    Result<Record> read = segment_->read_at(entry.offset, entry.lsn, content_bytes_);
    if (read.ok()) {
      record = std::move(*read);
      return true;
    }
    if (read.status().code() == Code::damaged) {
      damage_ = {segment_->header().sequence, entry.offset, entry.lsn, entry.lsn + 1,
                 "the record is not intact"};
      return damage_status(damage_);
    }
    return read.status();
  }
  const LogDamage& damage() const noexcept override { return damage_; }

 private:
  std::shared_ptr<const RawSegment> segment_;
  std::shared_ptr<const os::Fd> fd_;  // keeps the file open between two records
  std::vector<IndexEntry> entries_;
  std::vector<Gap> gaps_;
  bool content_bytes_;
  std::size_t entry_ = 0;
  std::size_t gap_ = 0;
  LogDamage damage_;
};

Status no_record(const SegmentHeader& header, Lsn lsn) {
  return Status(Code::not_found, base::cat("segment ", header.sequence, " has no record with LSN ", lsn));
}

// Copy 1 follows copy 0, whose length is not known if it cannot be read.
Result<SegmentHeader> find_second_copy(FileWindow& window, std::uint64_t file_size, const Status& why) {
  const std::uint64_t limit = std::min(file_size, kMaxHeaderBytes);
  for (std::uint64_t offset = kHeaderBlock; offset < limit; offset += kHeaderBlock) {
    const Result<ByteView> start = window.at(offset, kHeaderFixedBytes);
    if (!start.ok()) return start.status();
    if (start->size() < kHeaderFixedBytes) break;
    if (!std::equal(kSegmentMagic.begin(), kSegmentMagic.end(), start->begin())) continue;
    const Result<ByteView> whole = window.at(offset, static_cast<std::size_t>(offset));
    if (!whole.ok()) return whole.status();
    Result<SegmentHeader> header = decode_header_copy(*whole, 1);
    if (header.ok() && header->copy_length == offset) return header;
  }
  return why;
}

}  // namespace

LogDamage damage_of(std::uint64_t sequence, const Gap& gap) {
  return {sequence, gap.offset, gap.from_lsn, gap.next_lsn,
          base::cat(gap.next_offset - gap.offset, " bytes that are no intact record")};
}

Status damage_status(const LogDamage& damage) {
  std::string what = base::cat("segment ", damage.sequence, " cannot be read at offset ", damage.offset, ": ",
                               damage.what, "; LSN ", damage.from_lsn);
  if (damage.next_lsn > damage.from_lsn + 1) what += base::cat(" to ", damage.next_lsn - 1);
  if (damage.next_lsn == 0) what += " and what follows in this segment";
  return Status(Code::damaged, what + " is lost");
}

const SegmentView* find_segment(const SegmentViews& all, const Id128& incarnation,
                                std::uint64_t sequence) noexcept {
  for (const std::shared_ptr<const SegmentView>& view : all) {
    if (view->header().sequence == sequence && view->header().incarnation == incarnation) return view.get();
  }
  return nullptr;
}

void SparseTable::add(const SparseEntry& entry) {
  const std::lock_guard lock(mutex_);
  entries_.push_back(entry);
}

std::optional<SparseEntry> SparseTable::before(Lsn lsn) const {
  const std::lock_guard lock(mutex_);
  const auto behind = std::upper_bound(entries_.begin(), entries_.end(), lsn,
                                       [](Lsn value, const SparseEntry& entry) { return value < entry.lsn; });
  if (behind == entries_.begin()) return std::nullopt;
  return *std::prev(behind);
}

SegmentInfo RawSegment::info() const {
  SegmentInfo info;
  info.incarnation = header_->incarnation;
  info.sequence = header_->sequence;
  info.first_lsn = header_->first_lsn;
  info.last_lsn = extent_.last_lsn >= header_->first_lsn ? extent_.last_lsn : 0;
  info.first_time = extent_.first_time;
  info.last_time = extent_.last_time;
  info.bytes = extent_.footer ? extent_.file_bytes : extent_.end;
  info.sealed = extent_.footer.has_value();
  return info;
}

Result<std::unique_ptr<RecordStream>> RawSegment::records(const RecordFilter& filter) const {
  if (extent_.last_lsn < header_->first_lsn || filter.after >= extent_.last_lsn ||
      filter.until < header_->first_lsn) {
    return std::unique_ptr<RecordStream>(
        std::make_unique<ListStream>(nullptr, nullptr, std::vector<IndexEntry>(), std::vector<Gap>(), false));
  }
  if (!filter.account_id.empty() && extent_.footer) {
    Result<std::unique_ptr<RecordStream>> stream = look_up(filter);
    // An index that cannot be read costs time only: the records say the same.
    if (stream.ok() || stream.status().code() != Code::damaged) return stream;
  }
  return scan(filter);
}

Result<std::unique_ptr<RecordStream>> RawSegment::scan(const RecordFilter& filter) const {
  Result<std::shared_ptr<const os::Fd>> fd = file_->open();
  if (!fd.ok()) return fd.status();
  RecordScan::Bounds bounds;
  bounds.begin = header_->place(header_->records_begin());
  bounds.first_lsn = header_->first_lsn;
  bounds.end = extent_.end;
  bounds.last_lsn = extent_.last_lsn;
  bounds.content_bytes = filter.content_bytes;
  if (filter.after >= header_->first_lsn) {
    if (const std::optional<SparseEntry> start = sparse_before(filter.after + 1)) {
      bounds.begin.offset = start->offset;
      bounds.first_lsn = start->lsn;
    }
  }
  return std::unique_ptr<RecordStream>(std::make_unique<ScanStream>(
      shared_from_this(), RecordScan(file_->io(), std::move(*fd), bounds), filter));
}

Result<std::unique_ptr<RecordStream>> RawSegment::look_up(const RecordFilter& filter) const {
  Result<std::shared_ptr<const os::Fd>> fd = file_->open();
  if (!fd.ok()) return fd.status();
  std::vector<Gap> gaps;
  if (extent_.footer->gap_count > 0) {
    const Result<Bytes> bytes = section(SectionType::gaps);
    if (!bytes.ok()) return bytes.status();
    Result<std::vector<Gap>> all = decode_gaps(*bytes);
    if (!all.ok()) return all.status();
    for (const Gap& gap : *all) {
      if (touches(filter, gap, extent_.last_lsn)) gaps.push_back(gap);
    }
  }
  const Result<std::optional<AccountEntry>> account = find_account(filter.account_id);
  if (!account.ok()) return account.status();
  std::vector<IndexEntry> wanted;
  const bool has_some = account->has_value() && ((*account)->kinds & filter.kinds) != 0 &&
                        (*account)->last_lsn > filter.after && (*account)->first_lsn <= filter.until;
  if (has_some) {
    const Result<Bytes> list = part(SectionType::lists, (*account)->list_offset, (*account)->list_length);
    if (!list.ok()) return list.status();
    const Result<std::vector<IndexEntry>> entries = decode_list(*list, **account);
    if (!entries.ok()) return entries.status();
    for (const IndexEntry& entry : *entries) {
      const bool in_range = entry.lsn > filter.after && entry.lsn <= filter.until;
      if (in_range && (kind_bit(entry.kind) & filter.kinds) != 0) wanted.push_back(entry);
    }
  }
  return std::unique_ptr<RecordStream>(std::make_unique<ListStream>(
      shared_from_this(), std::move(*fd), std::move(wanted), std::move(gaps), filter.content_bytes));
}

Result<Record> RawSegment::read_at(std::uint64_t offset, Lsn lsn, bool content_bytes) const {
  Result<std::shared_ptr<const os::Fd>> fd = file_->open();
  if (!fd.ok()) return fd.status();
  const Status not_intact(Code::damaged, base::cat("the record with LSN ", lsn, " at offset ", offset,
                                                   " of segment ", header_->sequence, " is not intact"));
  if (offset < header_->records_begin() || offset >= extent_.end) return not_intact;
  FileWindow window(file_->io(), std::move(*fd), extent_.end, kPointReadAhead);
  const Result<ByteView> head_bytes = window.at(offset, kHeadBytes);
  if (!head_bytes.ok()) return head_bytes.status();
  const std::optional<RecordHead> head = decode_head(*head_bytes, header_->place(offset));
  if (!head || head->lsn != lsn || head->padded_length() > extent_.end - offset) return not_intact;

  std::uint64_t wanted = head->padded_length();
  const bool without_bytes = !content_bytes && head->kind == RecordKind::content;
  if (without_bytes) {
    wanted = std::min<std::uint64_t>(
        wanted, kHeadBytes + head->account_length + head->origin_length + kContentFixedBytes);
  }
  const Result<ByteView> bytes = window.at(offset, static_cast<std::size_t>(wanted));
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() < wanted || (!without_bytes && !body_is_intact(*head, *bytes))) return not_intact;
  return Record{*head, header_->sequence, offset, Bytes(bytes->begin(), bytes->end())};
}

Result<Record> RawSegment::record(Lsn lsn, std::uint64_t offset) const {
  if (lsn < header_->first_lsn || lsn > extent_.last_lsn) return no_record(*header_, lsn);
  if (offset != 0) {
    Result<Record> record = read_at(offset, lsn, true);
    if (record.ok() || record.status().code() != Code::damaged) return record;
  }
  RecordFilter filter;
  filter.after = lsn - 1;
  filter.until = lsn;
  Result<std::unique_ptr<RecordStream>> stream = scan(filter);
  if (!stream.ok()) return stream.status();
  Record record;
  const Result<bool> found = (*stream)->next(record);
  if (!found.ok()) return found.status();
  if (!*found) return no_record(*header_, lsn);
  return record;
}

std::optional<SparseEntry> RawSegment::sparse_before(Lsn lsn) const {
  if (extent_.sparse) return extent_.sparse->before(lsn);
  if (!extent_.footer) return std::nullopt;
  const Result<Bytes> bytes = section(SectionType::sparse);
  if (!bytes.ok()) return std::nullopt;
  const Result<std::vector<SparseEntry>> entries = decode_sparse(*bytes);
  if (!entries.ok()) return std::nullopt;
  const auto behind = std::upper_bound(entries->begin(), entries->end(), lsn,
                                       [](Lsn value, const SparseEntry& entry) { return value < entry.lsn; });
  if (behind == entries->begin()) return std::nullopt;
  return *std::prev(behind);
}

Result<Bytes> RawSegment::section(SectionType type) const {
  const Section* const found = find_section(type);
  if (found == nullptr) {
    return Status(extent_.footer ? Code::damaged : Code::not_found,
                  base::cat("segment ", header_->sequence, " has no such part in its index"));
  }
  Result<Bytes> bytes = part(type, 0, found->length);
  if (bytes.ok() && base::crc32c(*bytes) != found->crc) {
    return Status(Code::damaged, base::cat("the index of segment ", header_->sequence, " is not intact"));
  }
  return bytes;
}

const Section* RawSegment::find_section(SectionType type) const noexcept {
  const auto found = std::find_if(extent_.sections.begin(), extent_.sections.end(),
                                  [&](const Section& section) { return section.type == type; });
  return found == extent_.sections.end() ? nullptr : &*found;
}

Result<Bytes> RawSegment::part(SectionType type, std::uint64_t offset, std::uint64_t length) const {
  const Status not_sound(Code::damaged,
                         base::cat("the index of segment ", header_->sequence, " is not sound"));
  const Section* const section = find_section(type);
  if (section == nullptr || !extent_.footer) return not_sound;
  const std::uint64_t index_end = extent_.end + extent_.footer->index_length;
  const bool is_inside = section->offset >= extent_.end && section->offset <= index_end &&
                         section->length <= index_end - section->offset;
  if (!is_inside || offset > section->length || length > section->length - offset) return not_sound;
  Result<std::shared_ptr<const os::Fd>> fd = file_->open();
  if (!fd.ok()) return fd.status();
  Bytes bytes(static_cast<std::size_t>(length));
  const Status read = os::read_exactly_at(file_->io(), (*fd)->get(), bytes, section->offset + offset);
  if (!read.ok()) return read;
  return bytes;
}

Result<std::optional<AccountEntry>> RawSegment::find_account(std::string_view account_id) const {
  const Result<Bytes> directory = section(SectionType::account_pages);
  if (!directory.ok()) return directory.status();
  const Result<std::vector<AccountPage>> pages = decode_account_pages(*directory);
  if (!pages.ok()) return pages.status();
  const AccountPage* const page = page_with(*pages, account_id);
  if (page == nullptr) return std::optional<AccountEntry>();
  const Result<Bytes> entries = part(SectionType::accounts, page->offset, page->length);
  if (!entries.ok()) return entries.status();
  return find_in_page(*entries, *page, account_id);
}

Result<std::vector<ContentPlace>> RawSegment::contents() const {
  if (extent_.footer) {
    const Result<Bytes> bytes = section(SectionType::contents);
    if (bytes.ok()) return decode_contents(*bytes);
    if (bytes.status().code() != Code::damaged) return bytes.status();
  }
  RecordFilter filter;
  filter.kinds = kind_bit(RecordKind::content);
  filter.content_bytes = false;
  Result<std::unique_ptr<RecordStream>> stream = scan(filter);
  if (!stream.ok()) return stream.status();
  std::vector<ContentPlace> places;
  Record record;
  for (;;) {
    const Result<bool> more = (*stream)->next(record);
    if (!more.ok() && more.status().code() == Code::damaged) continue;
    if (!more.ok()) return more.status();
    if (!*more) return places;
    const Result<PieceBody> piece = decode_piece(record);
    if (!piece.ok() || !piece->last) continue;
    places.push_back(
        {piece->content, piece->first_sequence, header_->sequence, record.head.lsn, record.offset});
  }
}

Result<std::optional<ContentPlace>> RawSegment::find_content(const ContentRef& content) const {
  const Result<std::vector<ContentPlace>> places = contents();
  if (!places.ok()) return places.status();
  for (const ContentPlace& place : *places) {
    if (place.content == content) return std::optional<ContentPlace>(place);
  }
  return std::optional<ContentPlace>();
}

Result<std::unique_ptr<ContentReader>> RawSegment::open_content(const ContentRef& content,
                                                                const SegmentViews& all) const {
  const Result<std::optional<ContentPlace>> place = find_content(content);
  if (!place.ok()) return place.status();
  if (!place->has_value()) {
    return Status(Code::not_found, base::cat("segment ", header_->sequence, " does not have content ",
                                             content.digest.to_string()));
  }
  return read_pieces(shared_from_this(), **place, all);
}

Result<std::vector<std::string>> RawSegment::accounts(KindSet kinds) const {
  std::vector<std::string> names;
  if (extent_.footer) {
    const Result<Bytes> bytes = section(SectionType::accounts);
    const Result<std::vector<AccountEntry>> entries =
        bytes.ok() ? decode_accounts(*bytes) : Result<std::vector<AccountEntry>>(bytes.status());
    if (entries.ok()) {
      for (const AccountEntry& entry : *entries) {
        if ((entry.kinds & kinds) != 0) names.push_back(entry.account_id);
      }
      return names;
    }
    if (entries.status().code() != Code::damaged) return entries.status();
  }
  RecordFilter filter;
  filter.kinds = kinds;
  filter.content_bytes = false;
  Result<std::unique_ptr<RecordStream>> stream = scan(filter);
  if (!stream.ok()) return stream.status();
  Record record;
  for (;;) {
    const Result<bool> more = (*stream)->next(record);
    if (!more.ok() && more.status().code() == Code::damaged) continue;
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (!record.account_id().empty()) names.emplace_back(record.account_id());
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Result<std::vector<HeldStretch>> RawSegment::held_stretches() const {
  if (extent_.footer) {
    const Result<Bytes> bytes = section(SectionType::held);
    if (bytes.ok()) return decode_held(*bytes);
    if (bytes.status().code() != Code::damaged) return bytes.status();
  }
  RecordFilter filter;
  filter.content_bytes = false;
  if (extent_.last_lsn < header_->first_lsn) return std::vector<HeldStretch>();
  Result<std::unique_ptr<RecordStream>> stream = scan(filter);
  if (!stream.ok()) return stream.status();
  IndexBuilder builder(header_->sequence);
  Record record;
  for (;;) {
    const Result<bool> more = (*stream)->next(record);
    if (!more.ok() && more.status().code() == Code::damaged) continue;
    if (!more.ok()) return more.status();
    if (!*more) return builder.held();
    builder.add(record.head, record.offset, {}, std::nullopt, header_->sequence);
  }
}

Result<SegmentHeader> read_header(const SegmentFile& file, bool* first_copy_is_bad) {
  if (first_copy_is_bad != nullptr) *first_copy_is_bad = false;
  Result<std::shared_ptr<const os::Fd>> fd = file.open();
  if (!fd.ok()) return fd.status();
  const Result<os::FileInfo> info = file.io().fstat((*fd)->get());
  if (!info.ok()) return info.status();
  const std::string context = base::cat("segment file ", base::escape(file.name()));
  if (info->type != os::FileType::regular) {
    return Status(Code::damaged, base::cat(context, " is not a regular file"));
  }
  if (info->size == 0) {
    return Status(Code::damaged, base::cat(context, " is empty"),
                  "restore it from a copy, or remove it if the log never had it");
  }
  FileWindow window(file.io(), std::move(*fd), info->size, kHeaderBlock);
  const Result<ByteView> start = window.at(0, kHeaderBlock);
  if (!start.ok()) return start.status();
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 4 && start->size() >= 16; ++i)
    length |= std::uint64_t{(*start)[12 + i]} << (8 * i);
  length = std::clamp<std::uint64_t>(length, kHeaderBlock, kMaxHeaderBytes);
  const Result<ByteView> copy = window.at(0, static_cast<std::size_t>(length));
  if (!copy.ok()) return copy.status();
  Result<SegmentHeader> header = decode_header_copy(*copy, 0);
  if (header.ok()) return header;
  if (header.status().code() == Code::damaged) {
    if (first_copy_is_bad != nullptr) *first_copy_is_bad = true;
    header = find_second_copy(window, info->size, header.status());
    if (header.ok()) return header;
  }
  return header.status().with_context(context);
}

Result<std::optional<Seal>> read_seal(const SegmentFile& file, const SegmentHeader& header) {
  Result<std::shared_ptr<const os::Fd>> fd = file.open();
  if (!fd.ok()) return fd.status();
  Result<os::FileInfo> info = file.io().fstat((*fd)->get());
  if (!info.ok()) return info.status();
  Bytes bytes(kFooterBytes);
  for (;;) {
    if (info->size < header.records_begin() + kFooterBytes) return std::optional<Seal>();
    const Status read = os::read_exactly_at(file.io(), (*fd)->get(), bytes, info->size - kFooterBytes);
    if (read.ok()) break;
    // Another process that seals it cuts it to its end.
    Result<os::FileInfo> now = file.io().fstat((*fd)->get());
    if (!now.ok() || now->size >= info->size) return read;
    info = std::move(now);
  }
  const Result<SegmentFooter> footer = decode_footer(bytes);
  if (!footer.ok()) return std::optional<Seal>();
  const bool fits = footer->sequence == header.sequence && footer->first_lsn == header.first_lsn &&
                    footer->records_end >= header.records_begin() && footer->records_end < info->size &&
                    footer->index_length == info->size - kFooterBytes - footer->records_end;
  if (!fits) return std::optional<Seal>();
  Seal seal{*footer, {}};
  Bytes table(static_cast<std::size_t>(std::min<std::uint64_t>(footer->index_length, kMaxSectionTableBytes)));
  if (Status read = os::read_exactly_at(file.io(), (*fd)->get(), table, footer->records_end); !read.ok())
    return read;
  // Without a table the footer still says where the records end; `section` then says that it is damaged.
  Result<std::vector<Section>> sections = decode_sections(table);
  if (sections.ok()) seal.sections = std::move(*sections);
  return std::optional<Seal>(std::move(seal));
}

std::shared_ptr<const RawSegment> sealed_segment(std::shared_ptr<const SegmentFile> file,
                                                 std::shared_ptr<const SegmentHeader> header,
                                                 const Seal& seal) {
  SegmentExtent extent;
  extent.end = seal.footer.records_end;
  extent.last_lsn = seal.footer.last_lsn;
  extent.is_complete = true;
  extent.first_time = seal.footer.first_time;
  extent.last_time = seal.footer.last_time;
  extent.file_bytes = seal.footer.records_end + seal.footer.index_length + kFooterBytes;
  extent.footer = seal.footer;
  extent.sections = seal.sections;
  return std::make_shared<const RawSegment>(std::move(file), std::move(header), std::move(extent));
}

}  // namespace restante::redo
