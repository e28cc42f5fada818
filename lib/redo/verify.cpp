#include "redo/verify.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "os/file.hpp"
#include "redo/raw_segment.hpp"
#include "redo/seal.hpp"
#include "redo/segment_reading.hpp"

namespace restante::redo {
namespace {

constexpr std::uint64_t kProgressStep = 1u << 20;
constexpr std::size_t kTailStep = 1u << 20;

/// Contents as their pieces come by.
class ContentCheck {
 public:
  /// What is wrong with the content that this piece ends, or nothing.
  std::string add(const Record& record, const PieceBody& piece) {
    if (piece.stream == record.head.lsn) streams_[piece.stream] = {};
    const auto stream = streams_.find(piece.stream);
    if (stream == streams_.end()) return {};  // began in a segment that is not there, or in damage
    const ByteView data = piece_data(record, piece);
    if (stream->second.size != piece.content_offset) {
      streams_.erase(stream);
      return "a piece of content is missing before this one";
    }
    stream->second.sha256.update(data);
    stream->second.size += data.size();
    if (!piece.last) return {};
    const ContentRef found{stream->second.sha256.finish(), stream->second.size};
    streams_.erase(stream);
    return found == piece.content ? std::string() : "the content is not what its digest says";
  }
  /// Segments are missing: so are pieces.
  void forget() { streams_.clear(); }

 private:
  struct Running {
    crypto::Sha256 sha256;
    std::uint64_t size = 0;
  };
  std::map<Lsn, Running> streams_;
};

// The last byte that is not zero at `from` or behind it, plus one; `from` if there is none.
Result<std::uint64_t> end_of_bytes(const SegmentFile& file, std::uint64_t from, std::uint64_t size) {
  Result<std::shared_ptr<const os::Fd>> fd = file.open();
  if (!fd.ok()) return fd.status();
  FileWindow window(file.io(), std::move(*fd), size, kTailStep);
  std::uint64_t end = from;
  for (std::uint64_t offset = from; offset < size;) {
    const Result<ByteView> bytes = window.at(offset, kTailStep);
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) break;
    const auto last = std::find_if(bytes->rbegin(), bytes->rend(), [](std::uint8_t b) { return b != 0; });
    if (last != bytes->rend()) end = offset + static_cast<std::uint64_t>(bytes->rend() - last);
    offset += bytes->size();
  }
  return end;
}

class Verifier {
 public:
  Verifier(const RedoLog::VerifyOptions& options, VerifyAs as) : options_(options), as_(as) {}

  Status check(const RawSegment& segment, const RawSegment* before) {
    if (options_.cancel.cancelled()) return cancelled();
    const Counts before_it = counts();
    begin(segment);
    const Status checked = check_all(segment, before);
    if (options_.cancel.cancelled()) return cancelled();
    if (as_ == VerifyAs::log && checked.code() == Code::not_found) {
      roll_back(before_it);
      return {};
    }
    if (!checked.ok()) {
      had_gaps_ = true;
      const Lsn lost = next_lsn_ <= segment.last_lsn() ? next_lsn_ : 0;
      report(segment, 0, lost, 0, checked.message());
    }
    return {};
  }
  [[nodiscard]] LogVerification take() { return std::move(result_); }

 private:
  struct Counts {
    std::uint64_t segments, records, transactions, bytes;
    std::size_t damages, by_segment;
  };
  [[nodiscard]] Counts counts() const {
    return {result_.segments, result_.records,        result_.transactions,
            result_.bytes,    result_.damages.size(), result_.by_segment.size()};
  }
  void roll_back(const Counts& to) {
    result_.segments = to.segments;
    result_.records = to.records;
    result_.transactions = to.transactions;
    result_.bytes = to.bytes;
    result_.damages.resize(to.damages);
    result_.by_segment.resize(to.by_segment);
  }

  static Status cancelled() { return Status(Code::cancelled, "the check of the redo log was cancelled"); }

  void begin(const RawSegment& segment) {
    ++result_.segments;
    bytes_before_ = result_.bytes;
    result_.bytes += segment.info().bytes;
    result_.by_segment.push_back({segment.info(), segment.file().name(), false, {}, 0});
    next_lsn_ = segment.header().first_lsn;
  }

  Status check_all(const RawSegment& segment, const RawSegment* before) {
    const SegmentHeader& header = segment.header();
    if (Status headers = check_headers(segment); !headers.ok()) return headers;
    if (before != nullptr) check_chain(*before, segment);
    IndexBuilder index(header.sequence);
    if (Status records = check_records(segment, index); !records.ok()) return records;
    last_crc_ = index.last_crc();
    if (segment.extent().footer) return check_index(segment, index);
    return as_ == VerifyAs::files ? check_end(segment) : Status();
  }

  void report(const RawSegment& segment, std::uint64_t offset, Lsn from, Lsn next, std::string what) {
    report({segment.header().sequence, offset, from, next, std::move(what), {}});
  }
  void report(LogDamage damage) {
    damage.file = result_.by_segment.back().file;
    result_.by_segment.back().is_damaged = true;
    result_.damages.push_back(std::move(damage));
  }

  Status check_headers(const RawSegment& segment) {
    const SegmentHeader& header = segment.header();
    Result<std::shared_ptr<const os::Fd>> fd = segment.file().open();
    if (!fd.ok()) return fd.status();
    Bytes copy(static_cast<std::size_t>(header.copy_length));
    for (std::uint32_t number = 0; number < 2; ++number) {
      const std::uint64_t offset = number * header.copy_length;
      Status intact = os::read_exactly_at(segment.file().io(), (*fd)->get(), copy, offset);
      if (!intact.ok() && intact.code() != Code::damaged) return intact;
      if (intact.ok()) intact = decode_header_copy(copy, number).status();
      if (!intact.ok())
        report(segment, offset, 0, header.first_lsn,
               base::cat("copy ", number, " of the header: ", intact.message()));
    }
    return {};
  }

  void check_chain(const RawSegment& before, const RawSegment& segment) {
    const SegmentHeader& header = segment.header();
    if (header.incarnation != before.header().incarnation) return;
    const std::uint64_t first_missing = before.header().sequence + 1;
    if (header.sequence != first_missing) {
      contents_.forget();
      const Lsn lost = before.last_lsn() + 1 < header.first_lsn ? before.last_lsn() + 1 : 0;
      result_.damages.push_back(
          {first_missing, 0, lost, header.first_lsn, missing_text(first_missing, header.sequence - 1), {}});
      return;
    }
    const bool fits = header.previous_end == before.extent().end &&
                      header.first_lsn == before.last_lsn() + 1 &&
                      (had_gaps_ || header.previous_last_crc == last_crc_);
    if (!fits)
      report(segment, 0, 0, header.first_lsn, "the segment before is not the one that this one continues");
  }

  Status check_records(const RawSegment& segment, IndexBuilder& index) {
    had_gaps_ = false;
    Result<std::unique_ptr<RecordStream>> stream = segment.records({});
    if (!stream.ok()) return stream.status();
    Record record;
    for (;;) {
      const Result<bool> more = (*stream)->next(record);
      if (!more.ok() && more.status().code() == Code::damaged) {
        had_gaps_ = true;
        report((*stream)->damage());
        continue;
      }
      if (!more.ok()) return more.status();
      if (!*more) break;
      ++result_.records;
      check_record(segment, record, index);
      next_lsn_ = record.head.lsn + 1;
      tell(record.offset);
      if (options_.cancel.cancelled()) return cancelled();
    }
    next_lsn_ = segment.last_lsn() + 1;
    return {};
  }

  void check_record(const RawSegment& segment, const Record& record, IndexBuilder& index) {
    std::string wrong;
    if (Status added = index.add(record); !added.ok()) {
      wrong = added.message();
      index.add(record.head, record.offset, record.account_id(), std::nullopt, record.sequence);
    } else if (record.head.kind == RecordKind::content) {
      const Result<PieceBody> piece = decode_piece(record);
      wrong = contents_.add(record, *piece);
    } else if (record.head.kind == RecordKind::begin || record.head.kind == RecordKind::append) {
      const Result<OperationsBody> body = decode_operations(record);
      if (!body.ok()) wrong = body.status().message();
    }
    const bool ends = record.head.kind == RecordKind::commit || record.head.kind == RecordKind::append;
    if (ends) ++result_.transactions;
    if (wrong.empty()) {
      add_readable(record.head.lsn);
    } else {
      report(segment, record.offset, record.head.lsn, record.head.lsn + 1, std::move(wrong));
    }
  }

  void add_readable(Lsn lsn) {
    std::vector<LsnRange>& readable = result_.by_segment.back().readable;
    if (!readable.empty() && readable.back().last + 1 == lsn) {
      readable.back().last = lsn;
    } else {
      readable.push_back({lsn, lsn});
    }
  }

  void tell(std::uint64_t offset) {
    const std::uint64_t done = bytes_before_ + offset;
    if (!options_.progress || done < told_ + kProgressStep) return;
    told_ = done;
    Progress progress;
    progress.bytes_done = done;
    options_.progress(progress);
  }

  Status check_index(const RawSegment& segment, const IndexBuilder& built) {
    const SegmentExtent& extent = segment.extent();
    const SegmentFooter& footer = *extent.footer;
    os::Io& io = segment.file().io();
    Result<std::shared_ptr<const os::Fd>> fd = segment.file().open();
    if (!fd.ok()) return fd.status();
    Bytes index(static_cast<std::size_t>(footer.index_length));
    if (Status read = os::read_exactly_at(io, (*fd)->get(), index, extent.end); !read.ok()) return read;
    Bytes last(kFooterBytes);
    const std::uint64_t footer_at = extent.end + footer.index_length;
    if (Status read = os::read_exactly_at(io, (*fd)->get(), last, footer_at); !read.ok()) return read;
    FileWindow window(io, *fd, extent.end, 1u << 20);
    const Result<Digest> digest = sealed_digest(window, extent.end, index, footer);
    if (!digest.ok()) return digest.status();
    if (last != encode_footer(footer))
      report(segment, footer_at, 0, 0, "the footer is not as it was written");
    if (had_gaps_) return {};  // what is wrong with the file is known better
    SegmentFooter expected;
    const Bytes rebuilt = built.encode(extent.end, segment.header().first_lsn, extent.last_lsn, expected);
    if (rebuilt != index) {
      report(segment, extent.end, 0, 0, "the index does not say what the records say");
    } else if (*digest != footer.sha256 && !result_.by_segment.back().is_damaged) {
      report(segment, 0, 0, 0, "the SHA-256 of the segment is wrong");
    }
    return {};
  }

  // What lies behind the records of a segment that is not sealed.
  Status check_end(const RawSegment& segment) {
    const SegmentFile& file = segment.file();
    Result<std::shared_ptr<const os::Fd>> fd = file.open();
    if (!fd.ok()) return fd.status();
    const Result<os::FileInfo> info = file.io().fstat((*fd)->get());
    if (!info.ok()) return info.status();
    const std::uint64_t end = segment.extent().end;
    const Result<bool> was_sealed = ends_in_index(file, end, info->size);
    if (!was_sealed.ok()) return was_sealed.status();
    if (*was_sealed) {
      report(segment, info->size - kFooterBytes, 0, 0, "the footer is not intact");
      return {};
    }
    if (segment.is_complete()) return {};  // the header of the next says that what follows is void
    const Result<std::uint64_t> bytes_end = end_of_bytes(file, end, info->size);
    if (!bytes_end.ok()) return bytes_end.status();
    result_.by_segment.back().torn_bytes = *bytes_end - end;
    return {};
  }

  // Sealing cuts the file behind the footer at its very end.
  static Result<bool> ends_in_index(const SegmentFile& file, std::uint64_t end, std::uint64_t size) {
    if (size < end + kFooterBytes) return false;
    Result<std::shared_ptr<const os::Fd>> fd = file.open();
    if (!fd.ok()) return fd.status();
    FileWindow window(file.io(), std::move(*fd), size - kFooterBytes, kPointReadAhead);
    const Result<ByteView> table = window.at(end, kMaxSectionTableBytes);
    if (!table.ok()) return table.status();
    const Result<std::vector<Section>> sections = decode_sections(*table);
    if (!sections.ok() || sections->empty()) return false;
    std::uint64_t index_end = end;
    for (const Section& section : *sections)
      index_end = std::max(index_end, padded_size(section.offset + section.length));
    return index_end == size - kFooterBytes;
  }

  const RedoLog::VerifyOptions& options_;
  VerifyAs as_;
  LogVerification result_;
  ContentCheck contents_;
  bool had_gaps_ = false;
  std::uint32_t last_crc_ = 0;
  /// Behind the last record of this segment that was read.
  Lsn next_lsn_ = 0;
  std::uint64_t bytes_before_ = 0;
  std::uint64_t told_ = 0;
};

}  // namespace

Result<LogVerification> verify_segments(const SegmentViews& segments, const RedoLog::VerifyOptions& options,
                                        VerifyAs as) {
  Verifier verifier(options, as);
  std::shared_ptr<const RawSegment> before;
  for (const std::shared_ptr<const SegmentView>& view : segments) {
    const auto segment = std::dynamic_pointer_cast<const RawSegment>(view);
    if (Status checked = verifier.check(*segment, before.get()); !checked.ok()) return checked;
    before = segment;
  }
  return verifier.take();
}

}  // namespace restante::redo
