// Reads everything there is (R8): headers, chain, records, contents, indexes.

#include <algorithm>

#include "base/crc32c.hpp"
#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "os/file.hpp"
#include "redo/log.hpp"
#include "redo/seal.hpp"

namespace restante {
inline namespace v0 {
namespace {

using redo::RawSegment;

/// Contents as their pieces come by.
class ContentCheck {
 public:
  /// What is wrong with the content that this piece ends, or nothing.
  std::string add(const redo::Record& record, const redo::PieceBody& piece) {
    if (piece.stream == record.head.lsn) streams_[piece.stream] = {};
    const auto stream = streams_.find(piece.stream);
    if (stream == streams_.end()) return {};  // began in a segment that is not there any more, or in damage
    const ByteView data = redo::piece_data(record, piece);
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

 private:
  struct Running {
    crypto::Sha256 sha256;
    std::uint64_t size = 0;
  };
  std::map<Lsn, Running> streams_;
};

class Verifier {
 public:
  Verifier(os::Io& io, LogVerification& result) : io_(io), result_(result) {}

  Status check(const RawSegment& segment, const RawSegment* before) {
    const redo::SegmentHeader& header = segment.header();
    ++result_.segments;
    if (Status headers = check_headers(segment); !headers.ok()) return headers;
    if (before != nullptr) check_chain(*before, segment);
    redo::IndexBuilder index(header.sequence);
    if (Status records = check_records(segment, index); !records.ok()) return records;
    last_crc_ = index.last_crc();
    result_.bytes += segment.info().bytes;
    return segment.extent().footer ? check_index(segment, index) : Status();
  }

 private:
  void report(const RawSegment& segment, std::uint64_t offset, Lsn from, Lsn next, std::string what) {
    result_.damages.push_back({segment.header().sequence, offset, from, next, std::move(what)});
  }

  Status check_headers(const RawSegment& segment) {
    const redo::SegmentHeader& header = segment.header();
    Result<std::shared_ptr<const os::Fd>> fd = segment.file().open();
    if (!fd.ok()) return fd.status();
    Bytes copy(static_cast<std::size_t>(header.copy_length));
    for (std::uint32_t number = 0; number < 2; ++number) {
      const std::uint64_t offset = number * header.copy_length;
      if (Status read = os::read_exactly_at(io_, (*fd)->get(), copy, offset); !read.ok()) return read;
      const Result<redo::SegmentHeader> decoded = redo::decode_header_copy(copy, number);
      if (!decoded.ok()) {
        report(segment, offset, 0, header.first_lsn,
               base::cat("copy ", number, " of the header: ", decoded.status().message()));
      }
    }
    return {};
  }

  void check_chain(const RawSegment& before, const RawSegment& segment) {
    const redo::SegmentHeader& header = segment.header();
    if (header.incarnation != before.header().incarnation) return;
    if (header.sequence != before.header().sequence + 1) {
      report(
          before, before.extent().end, before.last_lsn() + 1, header.first_lsn,
          base::cat("segments ", before.header().sequence + 1, " to ", header.sequence - 1, " are missing"));
      return;
    }
    const bool fits = header.previous_end == before.extent().end &&
                      header.first_lsn == before.last_lsn() + 1 &&
                      (had_gaps_ || header.previous_last_crc == last_crc_);
    if (!fits)
      report(segment, 0, 0, header.first_lsn, "the segment before is not the one that this one continues");
  }

  Status check_records(const RawSegment& segment, redo::IndexBuilder& index) {
    had_gaps_ = false;
    Result<std::unique_ptr<redo::RecordStream>> stream = segment.records({});
    if (!stream.ok()) return stream.status();
    redo::Record record;
    for (;;) {
      const Result<bool> more = (*stream)->next(record);
      if (!more.ok() && more.status().code() == Code::damaged) {
        had_gaps_ = true;
        result_.damages.push_back((*stream)->damage());
        continue;
      }
      if (!more.ok()) return more.status();
      if (!*more) return {};
      ++result_.records;
      check_record(segment, record, index);
    }
  }

  void check_record(const RawSegment& segment, const redo::Record& record, redo::IndexBuilder& index) {
    std::string wrong;
    if (Status added = index.add(record); !added.ok()) {
      wrong = added.message();
      index.add(record.head, record.offset, record.account_id(), std::nullopt, record.sequence);
    } else if (record.head.kind == redo::RecordKind::content) {
      const Result<redo::PieceBody> piece = redo::decode_piece(record);
      wrong = contents_.add(record, *piece);
    } else if (record.head.kind == redo::RecordKind::begin || record.head.kind == redo::RecordKind::append) {
      const Result<redo::OperationsBody> body = redo::decode_operations(record);
      if (!body.ok()) wrong = body.status().message();
    }
    const bool ends =
        record.head.kind == redo::RecordKind::commit || record.head.kind == redo::RecordKind::append;
    if (ends) ++result_.transactions;
    if (!wrong.empty())
      report(segment, record.offset, record.head.lsn, record.head.lsn + 1, std::move(wrong));
  }

  Status check_index(const RawSegment& segment, const redo::IndexBuilder& built) {
    const redo::SegmentExtent& extent = segment.extent();
    const redo::SegmentFooter& footer = *extent.footer;
    Result<std::shared_ptr<const os::Fd>> fd = segment.file().open();
    if (!fd.ok()) return fd.status();
    Bytes index(static_cast<std::size_t>(footer.index_length));
    if (Status read = os::read_exactly_at(io_, (*fd)->get(), index, extent.end); !read.ok()) return read;
    redo::FileWindow window(io_, *fd, extent.end, 1u << 20);
    const Result<Digest> digest = redo::sealed_digest(window, extent.end, index, footer);
    if (!digest.ok()) return digest.status();
    if (had_gaps_) return {};  // what is wrong with the file is known better
    redo::SegmentFooter expected;
    const Bytes rebuilt = built.encode(extent.end, segment.header().first_lsn, extent.last_lsn, expected);
    if (rebuilt != index) {
      report(segment, extent.end, 0, 0, "the index does not say what the records say");
    } else if (*digest != footer.sha256 && !reported(segment)) {
      report(segment, 0, 0, 0, "the SHA-256 of the segment is wrong");
    }
    return {};
  }

  bool reported(const RawSegment& segment) const {
    return std::any_of(result_.damages.begin(), result_.damages.end(),
                       [&](const LogDamage& d) { return d.sequence == segment.header().sequence; });
  }

  os::Io& io_;
  LogVerification& result_;
  ContentCheck contents_;
  bool had_gaps_ = false;
  std::uint32_t last_crc_ = 0;
};

}  // namespace

Result<LogVerification> RedoLog::Impl::verify() {
  if (Status process = check_process(); !process.ok()) return process;
  LogVerification result;
  Verifier verifier(io_, result);
  std::shared_ptr<const RawSegment> before;
  const Result<redo::SegmentViews> all = views();
  if (!all.ok()) return all.status();
  for (const std::shared_ptr<const redo::SegmentView>& view : *all) {
    const auto segment = std::dynamic_pointer_cast<const RawSegment>(view);
    const Status checked = verifier.check(*segment, before.get());
    // Removed while this reads, because all consumers are past it.
    if (!checked.ok() && checked.code() != Code::not_found) return checked;
    before = segment;
  }
  return result;
}

}  // namespace v0
}  // namespace restante
