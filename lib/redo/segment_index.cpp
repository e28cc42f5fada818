#include "redo/segment_index.hpp"

#include <algorithm>

#include "base/crc32c.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"

namespace restante::redo {
namespace {

using base::ByteReader;
using base::ByteWriter;

constexpr std::size_t kFooterDigestOffset = 96;
constexpr std::size_t kSectionEntryBytes = 24;
constexpr std::size_t kAccountFixedBytes = 2 + 8 + 4 + 4 + 4 + 4 + 8 * 4;
/// A page ends with the account that makes it so long.
constexpr std::size_t kAccountPageBytes = 4u << 10;
constexpr std::size_t kAccountPageFixedBytes = 2 + 8 + 4 + 4;
constexpr std::size_t kContentBytes = 72;
constexpr std::size_t kSparseBytes = 24;
constexpr std::size_t kGapBytes = 32;
constexpr std::size_t kHeldBytes = 32;

Status damaged_index(std::string_view what) {
  return Status(Code::damaged, base::cat("the segment's index: ", what));
}

Bytes encode_list(const std::vector<IndexEntry>& entries) {
  Bytes out;
  ByteWriter writer(out);
  std::uint64_t offset = 0;
  Lsn lsn = 0;
  for (const IndexEntry& entry : entries) {
    writer.varint((entry.offset - offset) / kAlignment);
    writer.varint(entry.lsn - lsn);
    writer.u8(static_cast<std::uint8_t>(entry.kind));
    offset = entry.offset;
    lsn = entry.lsn;
  }
  return out;
}

void put_account(ByteWriter& writer, const AccountEntry& entry) {
  writer.u16(static_cast<std::uint16_t>(entry.account_id.size()));
  writer.raw(as_bytes(entry.account_id));
  writer.u64(entry.list_offset);
  writer.u32(entry.list_length);
  writer.u32(entry.list_crc);
  writer.u32(entry.record_count);
  writer.u32(entry.kinds);
  writer.u64(entry.first_lsn);
  writer.u64(entry.last_lsn);
  writer.i64(entry.first_time.us);
  writer.i64(entry.last_time.us);
}

AccountEntry get_account(ByteReader& reader) {
  AccountEntry entry;
  const std::size_t length = reader.u16();
  entry.account_id = as_text(reader.raw(length));
  entry.list_offset = reader.u64();
  entry.list_length = reader.u32();
  entry.list_crc = reader.u32();
  entry.record_count = reader.u32();
  entry.kinds = reader.u32();
  entry.first_lsn = reader.u64();
  entry.last_lsn = reader.u64();
  entry.first_time.us = reader.i64();
  entry.last_time.us = reader.i64();
  return entry;
}

void put_page(ByteWriter& writer, const AccountPage& page) {
  writer.u16(static_cast<std::uint16_t>(page.first_account_id.size()));
  writer.raw(as_bytes(page.first_account_id));
  writer.u64(page.offset);
  writer.u32(page.length);
  writer.u32(page.crc);
}

AccountPage get_page(ByteReader& reader) {
  AccountPage page;
  const std::size_t length = reader.u16();
  page.first_account_id = as_text(reader.raw(length));
  page.offset = reader.u64();
  page.length = reader.u32();
  page.crc = reader.u32();
  return page;
}

/// The sections of accounts and of their pages, accounts in order of their ids.
class AccountTable {
 public:
  explicit AccountTable(std::size_t count) { ByteWriter(accounts_).u32(static_cast<std::uint32_t>(count)); }
  void add(const AccountEntry& entry) {
    if (!page_) page_ = AccountPage{entry.account_id, accounts_.size(), 0, 0};
    ByteWriter writer(accounts_);
    put_account(writer, entry);
    if (accounts_.size() - page_->offset >= kAccountPageBytes) end_page();
  }
  const Bytes& accounts() const { return accounts_; }
  /// Ends the last page.
  Bytes pages() {
    end_page();
    Bytes out;
    ByteWriter writer(out);
    writer.u32(static_cast<std::uint32_t>(pages_.size()));
    for (const AccountPage& page : pages_) put_page(writer, page);
    return out;
  }

 private:
  void end_page() {
    if (!page_) return;
    const ByteView bytes = ByteView(accounts_).subspan(static_cast<std::size_t>(page_->offset));
    page_->length = static_cast<std::uint32_t>(bytes.size());
    page_->crc = base::crc32c(bytes);
    pages_.push_back(std::move(*page_));
    page_.reset();
  }

  Bytes accounts_;
  std::vector<AccountPage> pages_;
  std::optional<AccountPage> page_;
};

void put_content(ByteWriter& writer, const ContentPlace& place) {
  writer.raw(place.content.digest);
  writer.u64(place.content.size);
  writer.u64(place.first_sequence);
  writer.u64(place.last_sequence);
  writer.u64(place.last_lsn);
  writer.u64(place.last_offset);
}

// Places sections behind a table of fixed size.
class Sections {
 public:
  Sections(std::uint64_t base_offset, std::size_t count) : base_(base_offset) {
    table_bytes_ = 8 + count * kSectionEntryBytes;
    out_.resize(table_bytes_, 0);
  }
  void add(SectionType type, const Bytes& bytes) {
    out_.resize(static_cast<std::size_t>(padded_size(out_.size())), 0);
    sections_.push_back({type, base::crc32c(bytes), base_ + out_.size(), bytes.size()});
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }
  Bytes finish() {
    out_.resize(static_cast<std::size_t>(padded_size(out_.size())), 0);
    Bytes entries;
    ByteWriter writer(entries);
    for (const Section& section : sections_) {
      writer.u32(static_cast<std::uint32_t>(section.type));
      writer.u32(section.crc);
      writer.u64(section.offset);
      writer.u64(section.length);
    }
    Bytes table;
    ByteWriter head(table);
    head.u32(static_cast<std::uint32_t>(sections_.size()));
    head.u32(base::crc32c(entries));
    head.raw(entries);
    std::copy(table.begin(), table.end(), out_.begin());
    return std::move(out_);
  }

 private:
  std::uint64_t base_;
  std::size_t table_bytes_;
  Bytes out_;
  std::vector<Section> sections_;
};

template <class T, class Get>
Result<std::vector<T>> decode_fixed(ByteView bytes, std::size_t each, Get get) {
  if (bytes.size() % each != 0) return damaged_index("a section has a broken length");
  ByteReader reader(bytes);
  std::vector<T> values;
  values.reserve(bytes.size() / each);
  while (reader.remaining() > 0) values.push_back(get(reader));
  return values;
}

template <class T, class Get>
Result<std::vector<T>> decode_counted(ByteView bytes, std::size_t least_each, Get get) {
  ByteReader reader(bytes);
  const std::uint32_t count = reader.u32();
  if (!reader.ok() || count > reader.remaining() / least_each)
    return damaged_index("its accounts are cut short");
  std::vector<T> values;
  values.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) values.push_back(get(reader));
  if (!reader.ok()) return damaged_index("its accounts are cut short");
  return values;
}

}  // namespace

void IndexBuilder::add(const RecordHead& head, std::uint64_t offset, std::string_view account_id,
                       const std::optional<ContentPlace>& content, std::uint64_t lowest_sequence) {
  if (record_count_ == 0) first_time_ = head.commit_time;
  if (record_count_ % kSparseStep == 0) sparse_.push_back({head.lsn, offset, head.commit_time});
  ++record_count_;
  last_time_ = head.commit_time;
  last_crc_ = head.head_crc;
  lowest_sequence_ = std::min(lowest_sequence_, lowest_sequence);
  if (content) contents_.push_back(*content);
  follow_clock(head);
  if (account_id.empty()) return;

  auto found = accounts_.find(account_id);
  if (found == accounts_.end()) found = accounts_.emplace(account_id, AccountRecords{}).first;
  AccountRecords& account = found->second;
  if (account.entries.empty()) account.first_time = head.commit_time;
  account.last_time = head.commit_time;
  account.kinds |= kind_bit(head.kind);
  account.entries.push_back({offset, head.lsn, head.kind});
}

Status IndexBuilder::add(const Record& record) {
  std::optional<ContentPlace> content;
  std::uint64_t lowest = sequence_;
  switch (record.head.kind) {
    case RecordKind::content: {
      const Result<PieceBody> piece = decode_piece(record);
      if (!piece.ok()) return piece.status();
      lowest = piece->first_sequence;
      if (piece->last) {
        content =
            ContentPlace{piece->content, piece->first_sequence, sequence_, record.head.lsn, record.offset};
      }
      break;
    }
    case RecordKind::begin:
    case RecordKind::append: {
      const Result<OperationsBody> body = decode_references(record);
      if (!body.ok()) return body.status();
      for (const ContentPlace& place : body->contents) lowest = std::min(lowest, place.first_sequence);
      break;
    }
    case RecordKind::commit:
    case RecordKind::abort: {
      const Result<EndBody> body = decode_end(record);
      if (!body.ok()) return body.status();
      lowest = body->begin_sequence;
      break;
    }
    default: break;
  }
  add(record.head, record.offset, record.account_id(), content, lowest);
  return {};
}

void IndexBuilder::follow_clock(const RecordHead& head) {
  if (head.wall_time >= head.commit_time) {
    if (run_ && run_counts_) held_.push_back(*run_);
    run_.reset();
    run_counts_ = false;
    return;
  }
  if (!run_) run_ = HeldStretch{head.lsn, head.lsn, head.wall_time, head.commit_time};
  run_->last_lsn = head.lsn;
  run_->low = std::min(run_->low, head.wall_time);
  run_->high = std::max(run_->high, head.commit_time);
  run_counts_ = run_counts_ || head.commit_time.us - head.wall_time.us > kClockStepUs;
}

std::vector<HeldStretch> IndexBuilder::held() const {
  std::vector<HeldStretch> held = held_;
  if (run_ && run_counts_) held.push_back(*run_);
  return held;
}

Bytes IndexBuilder::encode(std::uint64_t records_end, Lsn first_lsn, Lsn last_lsn,
                           SegmentFooter& footer) const {
  std::vector<std::string_view> names;
  names.reserve(accounts_.size());
  for (const auto& [id, records] : accounts_) names.push_back(id);
  std::sort(names.begin(), names.end());

  AccountTable table(names.size());
  Bytes lists;
  for (const std::string_view name : names) {
    const AccountRecords& records = accounts_.at(std::string(name));
    const Bytes list = encode_list(records.entries);
    table.add({std::string(name), lists.size(), static_cast<std::uint32_t>(list.size()), base::crc32c(list),
               static_cast<std::uint32_t>(records.entries.size()), records.kinds, records.entries.front().lsn,
               records.entries.back().lsn, records.first_time, records.last_time});
    lists.insert(lists.end(), list.begin(), list.end());
  }

  std::vector<ContentPlace> sorted = contents_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const ContentPlace& a, const ContentPlace& b) {
    return a.content.digest < b.content.digest;
  });
  Bytes contents;
  ByteWriter content_writer(contents);
  for (const ContentPlace& place : sorted) put_content(content_writer, place);

  Bytes sparse;
  ByteWriter sparse_writer(sparse);
  for (const SparseEntry& entry : sparse_) {
    sparse_writer.u64(entry.lsn);
    sparse_writer.u64(entry.offset);
    sparse_writer.i64(entry.commit_time.us);
  }
  Bytes gaps;
  ByteWriter gap_writer(gaps);
  for (const Gap& gap : gaps_) {
    for (const std::uint64_t value : {gap.offset, gap.next_offset, gap.from_lsn, gap.next_lsn})
      gap_writer.u64(value);
  }
  Bytes held_bytes;
  ByteWriter held_writer(held_bytes);
  for (const HeldStretch& stretch : held()) {
    held_writer.u64(stretch.first_lsn);
    held_writer.u64(stretch.last_lsn);
    held_writer.i64(stretch.low.us);
    held_writer.i64(stretch.high.us);
  }

  Sections sections(records_end, 7);
  sections.add(SectionType::accounts, table.accounts());
  sections.add(SectionType::lists, lists);
  sections.add(SectionType::contents, contents);
  sections.add(SectionType::sparse, sparse);
  sections.add(SectionType::gaps, gaps);
  sections.add(SectionType::held, held_bytes);
  sections.add(SectionType::account_pages, table.pages());
  Bytes index = sections.finish();

  footer = {};
  footer.records_end = records_end;
  footer.index_length = index.size();
  footer.sequence = sequence_;
  footer.first_lsn = first_lsn;
  footer.last_lsn = last_lsn;
  footer.first_time = first_time_;
  footer.last_time = last_time_;
  footer.record_count = record_count_;
  footer.lowest_sequence = lowest_sequence_;
  footer.gap_count = static_cast<std::uint32_t>(gaps_.size());
  footer.last_crc = last_crc_;
  return index;
}

Bytes footer_prefix(const SegmentFooter& footer) {
  Bytes out;
  ByteWriter writer(out);
  writer.raw(ByteView(kFooterMagic));
  writer.u32(kFormatVersion);
  writer.u32(static_cast<std::uint32_t>(kFooterBytes));
  writer.u64(footer.records_end);
  writer.u64(footer.index_length);
  writer.u64(footer.sequence);
  writer.u64(footer.first_lsn);
  writer.u64(footer.last_lsn);
  writer.i64(footer.first_time.us);
  writer.i64(footer.last_time.us);
  writer.u64(footer.record_count);
  writer.u64(footer.lowest_sequence);
  writer.u32(footer.gap_count);
  writer.u32(footer.last_crc);
  return out;
}

Bytes encode_footer(const SegmentFooter& footer) {
  Bytes out = footer_prefix(footer);
  ByteWriter writer(out);
  writer.raw(footer.sha256);
  writer.u32(base::crc32c(out));
  writer.u32(0);
  return out;
}

Result<SegmentFooter> decode_footer(ByteView bytes) {
  if (bytes.size() != kFooterBytes || !std::equal(kFooterMagic.begin(), kFooterMagic.end(), bytes.begin())) {
    return damaged_index("there is no footer");
  }
  const std::size_t covered = kFooterDigestOffset + 32;
  ByteReader reader(bytes.subspan(kFooterMagic.size()));
  const std::uint32_t version = reader.u32();
  const std::uint32_t length = reader.u32();
  SegmentFooter footer;
  footer.records_end = reader.u64();
  footer.index_length = reader.u64();
  footer.sequence = reader.u64();
  footer.first_lsn = reader.u64();
  footer.last_lsn = reader.u64();
  footer.first_time.us = reader.i64();
  footer.last_time.us = reader.i64();
  footer.record_count = reader.u64();
  footer.lowest_sequence = reader.u64();
  footer.gap_count = reader.u32();
  footer.last_crc = reader.u32();
  footer.sha256 = reader.digest();
  if (reader.u32() != base::crc32c(bytes.first(covered))) return damaged_index("the footer is not intact");
  if (version != kFormatVersion || length != kFooterBytes)
    return damaged_index("the footer is of another version");
  return footer;
}

Result<std::vector<Section>> decode_sections(ByteView bytes) {
  ByteReader reader(bytes);
  const std::uint32_t count = reader.u32();
  const std::uint32_t crc = reader.u32();
  const std::uint64_t table = std::uint64_t{count} * kSectionEntryBytes;
  if (!reader.ok() || table > reader.remaining()) return damaged_index("its table is cut short");
  if (base::crc32c(bytes.subspan(8, static_cast<std::size_t>(table))) != crc) {
    return damaged_index("its table is not intact");
  }
  std::vector<Section> sections;
  for (std::uint32_t i = 0; i < count; ++i) {
    Section section;
    section.type = static_cast<SectionType>(reader.u32());
    section.crc = reader.u32();
    section.offset = reader.u64();
    section.length = reader.u64();
    sections.push_back(section);
  }
  return sections;
}

Result<std::vector<AccountEntry>> decode_accounts(ByteView bytes) {
  return decode_counted<AccountEntry>(bytes, kAccountFixedBytes, get_account);
}

Result<std::vector<AccountPage>> decode_account_pages(ByteView bytes) {
  return decode_counted<AccountPage>(bytes, kAccountPageFixedBytes, get_page);
}

const AccountPage* page_with(const std::vector<AccountPage>& pages, std::string_view account_id) noexcept {
  const auto behind = std::upper_bound(
      pages.begin(), pages.end(), account_id,
      [](std::string_view id, const AccountPage& page) { return id < page.first_account_id; });
  return behind == pages.begin() ? nullptr : &*std::prev(behind);
}

Result<std::optional<AccountEntry>> find_in_page(ByteView bytes, const AccountPage& page,
                                                 std::string_view account_id) {
  if (base::crc32c(bytes) != page.crc) return damaged_index("a page of its accounts is not intact");
  ByteReader reader(bytes);
  while (reader.remaining() > 0) {
    AccountEntry entry = get_account(reader);
    if (!reader.ok()) return damaged_index("a page of its accounts is cut short");
    if (entry.account_id == account_id) return std::optional(std::move(entry));
  }
  return std::optional<AccountEntry>();
}

Result<std::vector<IndexEntry>> decode_list(ByteView bytes, const AccountEntry& account) {
  if (base::crc32c(bytes) != account.list_crc) return damaged_index("an account's list is not intact");
  ByteReader reader(bytes);
  std::vector<IndexEntry> entries;
  IndexEntry entry;
  while (reader.ok() && reader.remaining() > 0) {
    entry.offset += reader.varint() * kAlignment;
    entry.lsn += reader.varint();
    entry.kind = static_cast<RecordKind>(reader.u8());
    entries.push_back(entry);
  }
  if (!reader.ok() || entries.size() != account.record_count)
    return damaged_index("an account's list is not as long as its table says");
  return entries;
}

Result<std::vector<ContentPlace>> decode_contents(ByteView bytes) {
  return decode_fixed<ContentPlace>(bytes, kContentBytes, [](ByteReader& reader) {
    ContentPlace place;
    place.content.digest = reader.digest();
    place.content.size = reader.u64();
    place.first_sequence = reader.u64();
    place.last_sequence = reader.u64();
    place.last_lsn = reader.u64();
    place.last_offset = reader.u64();
    return place;
  });
}

Result<std::vector<SparseEntry>> decode_sparse(ByteView bytes) {
  return decode_fixed<SparseEntry>(bytes, kSparseBytes, [](ByteReader& reader) {
    SparseEntry entry;
    entry.lsn = reader.u64();
    entry.offset = reader.u64();
    entry.commit_time.us = reader.i64();
    return entry;
  });
}

Result<std::vector<Gap>> decode_gaps(ByteView bytes) {
  return decode_fixed<Gap>(bytes, kGapBytes, [](ByteReader& reader) {
    Gap gap;
    gap.offset = reader.u64();
    gap.next_offset = reader.u64();
    gap.from_lsn = reader.u64();
    gap.next_lsn = reader.u64();
    return gap;
  });
}

Result<std::vector<HeldStretch>> decode_held(ByteView bytes) {
  return decode_fixed<HeldStretch>(bytes, kHeldBytes, [](ByteReader& reader) {
    HeldStretch stretch;
    stretch.first_lsn = reader.u64();
    stretch.last_lsn = reader.u64();
    stretch.low.us = reader.i64();
    stretch.high.us = reader.i64();
    return stretch;
  });
}

}  // namespace restante::redo
