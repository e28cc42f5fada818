#include "redo/content_pieces.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "crypto/crypto.hpp"

namespace restante::redo {
namespace {

struct PiecePlace {
  std::shared_ptr<const RawSegment> segment;
  std::uint64_t offset = 0;
  Lsn lsn = 0;
};

Status broken(const ContentRef& content, std::string_view why) {
  return Status(Code::damaged, base::cat("content ", content.digest.to_string(), " in the redo log: ", why));
}

class PieceReader final : public ContentReader {
 public:
  PieceReader(ContentRef content, std::vector<PiecePlace> pieces)
      : content_(content), pieces_(std::move(pieces)) {}

  Result<std::size_t> read(MutableByteView buffer) override {
    if (!failure_.ok()) return failure_;
    while (left_.empty() && next_ < pieces_.size()) {
      if (failure_ = load(); !failure_.ok()) return failure_;
    }
    const std::size_t size = std::min(buffer.size(), left_.size());
    std::copy_n(left_.begin(), size, buffer.begin());
    left_ = left_.subspan(size);
    return size;
  }

 private:
  Status load() {
    const PiecePlace& place = pieces_[next_++];
    Result<Record> record = place.segment->read_at(place.offset, place.lsn, true);
    if (!record.ok()) return record.status();
    const Result<PieceBody> piece = decode_piece(*record);
    if (!piece.ok()) return piece.status();
    record_ = std::move(*record);
    left_ = piece_data(record_, *piece);
    if (piece->content_offset != size_) return broken(content_, "its pieces do not fit");
    sha256_.update(left_);
    size_ += left_.size();
    if (next_ < pieces_.size()) return {};
    if (size_ != content_.size || sha256_.finish() != content_.digest) {
      return broken(content_, "the bytes are not what was written");
    }
    return {};
  }

  ContentRef content_;
  std::vector<PiecePlace> pieces_;
  std::size_t next_ = 0;
  Record record_;
  ByteView left_;
  std::uint64_t size_ = 0;
  crypto::Sha256 sha256_;
  Status failure_;
};

std::shared_ptr<const RawSegment> raw_segment(const SegmentViews& all, const Id128& incarnation,
                                              std::uint64_t sequence) {
  for (const std::shared_ptr<const SegmentView>& view : all) {
    if (view->header().sequence != sequence || view->header().incarnation != incarnation) continue;
    return std::dynamic_pointer_cast<const RawSegment>(view);
  }
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<ContentReader>> read_pieces(std::shared_ptr<const RawSegment> last,
                                                   const ContentPlace& place, const SegmentViews& all) {
  std::vector<PiecePlace> pieces;
  PiecePlace at{std::move(last), place.last_offset, place.last_lsn};
  for (;;) {
    const Result<Record> record = at.segment->read_at(at.offset, at.lsn, false);
    if (!record.ok())
      return record.status().with_context(base::cat("content ", place.content.digest.to_string()));
    const Result<PieceBody> piece = decode_piece(*record);
    if (!piece.ok()) return piece.status();
    pieces.push_back(at);
    if (piece->stream == at.lsn) break;
    // The chain leads strictly backwards, so that it ends whatever the bytes say.
    if (piece->previous_lsn >= at.lsn) return broken(place.content, "its pieces do not form a chain");
    const SegmentHeader& header = at.segment->header();
    if (piece->previous_sequence != header.sequence) {
      at.segment = raw_segment(all, header.incarnation, piece->previous_sequence);
      if (!at.segment) {
        return Status(Code::not_found,
                      base::cat("content ", place.content.digest.to_string(), " begins in segment ",
                                piece->previous_sequence, ", which is not there any more"));
      }
    }
    at.offset = piece->previous_offset;
    at.lsn = piece->previous_lsn;
  }
  std::reverse(pieces.begin(), pieces.end());
  return std::unique_ptr<ContentReader>(std::make_unique<PieceReader>(place.content, std::move(pieces)));
}

}  // namespace restante::redo
