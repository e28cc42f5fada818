// Content in pieces, once (R10).

#include <algorithm>

#include "base/crc32c.hpp"
#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "redo/content_pieces.hpp"
#include "redo/log.hpp"
#include "redo/segment_reading.hpp"

namespace restante {
inline namespace v0 {
namespace {

/// So much of a content is held in memory, so that what a recent segment has is not written again. What is
/// larger is written while it is read.
constexpr std::uint64_t kHeldContentBytes = 4u << 20;
/// Most messages are small, and memory that nothing is read into costs its zeros all the same.
constexpr std::size_t kFirstReadBytes = 16u << 10;

// Fills the buffer or reads to the end.
Result<std::size_t> read_full(ContentReader& content, MutableByteView buffer) {
  std::size_t filled = 0;
  while (filled < buffer.size()) {
    const Result<std::size_t> got = content.read(buffer.subspan(filled));
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    filled += *got;
  }
  return filled;
}

// As much as there is, `most` at most.
Result<Bytes> read_piece(ContentReader& content, std::size_t most) {
  Bytes piece;
  for (std::size_t room = std::min(most, kFirstReadBytes);; room = std::min(most, 4 * room)) {
    const std::size_t filled = piece.size();
    piece.resize(room);
    const Result<std::size_t> size = read_full(content, MutableByteView(piece).subspan(filled));
    if (!size.ok()) return size.status();
    piece.resize(filled + *size);
    if (piece.size() < room || room == most) return piece;
  }
}

std::uint32_t crc_of(const redo::ContentSlot& slot) {
  return base::crc32c(
      ByteView(reinterpret_cast<const std::uint8_t*>(&slot), offsetof(redo::ContentSlot, crc)));
}

// Digests are spread evenly.
std::size_t slot_of(const ContentRef& content) {
  return std::hash<Digest>()(content.digest) % redo::kSharedContents;
}

}  // namespace

/// A content while it is written. Its first segment is kept until it is complete.
struct RedoLog::Impl::Stream {
  explicit Stream(Impl& owner, std::string_view account) : log(owner), account_id(account) {}
  ~Stream() {
    if (pinned == 0) return;
    const std::lock_guard lock(log.write_mutex_);
    // What this process keeps from others is counted anew with the next segment.
    log.streams_.erase(log.streams_.find(pinned));
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Impl& log;
  std::string account_id;
  std::uint64_t offset = 0;
  Lsn first_lsn = 0;
  std::uint64_t first_sequence = 0;
  Placed previous;
  std::uint64_t pinned = 0;
};

Result<ContentRef> RedoLog::Impl::put_content(std::string_view account_id, ContentReader& content) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  if (account_id.empty() || account_id.size() > redo::kMaxIdBytes) {
    return Status(Code::invalid_argument, "the account id must be 1 to 1024 bytes long");
  }
  // A piece must fit a fresh segment beside its header.
  const std::size_t piece_bytes =
      static_cast<std::size_t>(std::min<std::uint64_t>(options_.piece_bytes, options_.segment_bytes / 4));
  crypto::Sha256 sha256;
  ContentRef whole;
  std::deque<Bytes> held;
  std::uint64_t held_bytes = 0;
  Stream stream(*this, account_id);
  for (bool at_end = false; !at_end;) {
    Result<Bytes> read = read_piece(content, piece_bytes);
    if (!read.ok()) return read.status();
    Bytes piece = std::move(*read);
    at_end = piece.size() < piece_bytes;
    sha256.update(piece);
    whole.size += piece.size();
    held_bytes += piece.size();
    if (!piece.empty() || whole.size == 0) held.push_back(std::move(piece));
    // The last piece stays until the digest is known.
    while (!at_end && held_bytes > kHeldContentBytes && held.size() > 1) {
      if (Status written = write_piece(stream, held.front(), nullptr); !written.ok()) return written;
      held_bytes -= held.front().size();
      held.pop_front();
    }
  }
  whole.digest = sha256.finish();
  {
    const Result<Hold> held = hold();
    if (!held.ok()) return held.status();
    if (const std::optional<redo::ContentPlace> known = find_near(whole)) {
      hand_out(*known);
      return whole;
    }
  }
  for (; !held.empty(); held.pop_front()) {
    const bool last = held.size() == 1;
    if (Status written = write_piece(stream, held.front(), last ? &whole : nullptr); !written.ok())
      return written;
  }
  seal_rolled();
  return whole;
}

Status RedoLog::Impl::write_piece(Stream& stream, ByteView data, const ContentRef* whole) {
  redo::PieceBody body;
  const bool is_first = stream.first_lsn == 0;
  body.stream = stream.first_lsn;
  body.first_sequence = stream.first_sequence;
  body.content_offset = stream.offset;
  if (!is_first) {
    body.previous_sequence = stream.previous.sequence;
    body.previous_offset = stream.previous.offset;
    body.previous_lsn = stream.previous.lsn;
  }
  body.data_length = static_cast<std::uint32_t>(data.size());
  body.last = whole != nullptr;
  if (whole != nullptr) body.content = *whole;

  Frame frame;
  frame.head.kind = redo::RecordKind::content;
  frame.account_id = stream.account_id;
  frame.lowest_sequence = stream.first_sequence;
  frame.bytes.reserve(redo::kHeadBytes + stream.account_id.size() + redo::kContentFixedBytes + data.size() +
                      8);
  redo::begin_frame(frame.bytes, stream.account_id, {});
  redo::encode_piece(frame.bytes, body);
  frame.bytes.insert(frame.bytes.end(), data.begin(), data.end());
  redo::close_frame(frame.bytes, frame.head, stream.account_id, {});
  if (whole != nullptr) frame.content = redo::ContentPlace{*whole, stream.first_sequence, 0, 0, 0};

  const Result<Hold> held = hold();
  if (!held.ok()) return held.status();
  if (Status room = make_room(frame.bytes.size(), 0); !room.ok()) return room;
  const Result<Placed> placed = write(frame);
  if (!placed.ok()) return placed.status();
  stream.previous = *placed;
  stream.offset += data.size();
  if (is_first) {
    stream.first_lsn = placed->lsn;
    stream.first_sequence = stream.pinned = placed->sequence;
    streams_.insert(stream.pinned);
    keep_from(stream.pinned);
  }
  if (frame.content) {
    remember(*frame.content);
    hand_out(*frame.content);
  }
  return {};
}

bool RedoLog::Impl::is_near(const redo::ContentPlace& place) const {
  return place.last_sequence + redo::kContentReach >= state_.sequence;
}

std::uint64_t RedoLog::Impl::first_handed_out() const {
  std::uint64_t first = UINT64_MAX;
  for (const auto& [digest, place] : handed_out_) {
    if (place.last_sequence + redo::kHandedOutReach >= state_.sequence)
      first = std::min(first, place.first_sequence);
  }
  return first;
}

// With the lock: here, and where other processes find it.
void RedoLog::Impl::remember(const redo::ContentPlace& place) {
  const auto [entry, is_new] = recent_.insert_or_assign(place.content.digest, place);
  if (is_new) recent_order_.push_back(place.content.digest);
  if (recent_order_.size() > redo::kMaxRecent) {
    recent_.erase(recent_order_.front());
    recent_order_.pop_front();
  }
  redo::ContentSlot slot{};
  slot.digest = place.content.digest;
  slot.size = place.content.size;
  slot.first_sequence = place.first_sequence;
  slot.last_sequence = place.last_sequence;
  slot.last_lsn = place.last_lsn;
  slot.last_offset = place.last_offset;
  slot.crc = crc_of(slot);
  control_->page().contents[slot_of(place.content)] = slot;
}

std::optional<redo::ContentPlace> RedoLog::Impl::find_near(const ContentRef& content) const {
  std::optional<redo::ContentPlace> found;
  const auto known = recent_.find(content.digest);
  const auto handed_out = handed_out_.find(content.digest);
  if (known != recent_.end()) {
    found = known->second;
  } else if (handed_out != handed_out_.end()) {
    found = handed_out->second;
  } else {
    const redo::ContentSlot slot = control_->page().contents[slot_of(content)];
    if (slot.digest != content.digest || slot.crc != crc_of(slot)) return std::nullopt;
    found = redo::ContentPlace{
        {slot.digest, slot.size}, slot.first_sequence, slot.last_sequence, slot.last_lsn, slot.last_offset};
  }
  const bool is_kept = found->first_sequence >= state_.first_sequence;
  if (found->content != content || !is_near(*found) || !is_kept) return std::nullopt;
  return found;
}

void RedoLog::Impl::hand_out(const redo::ContentPlace& place) {
  const bool is_new = handed_out_.insert_or_assign(place.content.digest, place).second;
  keep_from(place.first_sequence);
  if (!is_new) return;
  handed_out_order_.push_back(place.content.digest);
  // Those that were named meanwhile are in the order still.
  if (handed_out_order_.size() > 2 * handed_out_.size() + 64)
    std::erase_if(handed_out_order_, [this](const Digest& digest) { return !handed_out_.contains(digest); });
  if (handed_out_.size() <= redo::kMaxHandedOut) return;
  while (handed_out_.erase(handed_out_order_.front()) == 0) handed_out_order_.pop_front();
}

// A record names them: that keeps their segments from now on.
void RedoLog::Impl::mark_referenced(const std::vector<ContentRef>& contents) {
  for (const ContentRef& content : contents) handed_out_.erase(content.digest);
}

std::vector<redo::ContentPlace> RedoLog::Impl::places_of(const std::vector<ContentRef>& contents) const {
  std::vector<redo::ContentPlace> places;
  for (const ContentRef& content : contents) {
    if (const std::optional<redo::ContentPlace> found = find_near(content)) places.push_back(*found);
  }
  return places;
}

std::vector<ContentRef> RedoLog::Impl::stale_of(const std::vector<ContentRef>& contents) const {
  std::vector<ContentRef> stale;
  for (const ContentRef& content : contents) {
    if (find_near(content)) continue;
    const auto found = handed_out_.find(content.digest);
    if (found != handed_out_.end() && found->second.content == content) stale.push_back(content);
  }
  return stale;
}

Result<std::unique_ptr<ContentReader>> RedoLog::Impl::open_content(const ContentRef& content) {
  if (Status process = check_process(); !process.ok()) return process;
  if (!is_poisoned()) {
    if (Status synced = sync(); !synced.ok()) return synced;
  }
  const Result<redo::SegmentViews> found = views();
  if (!found.ok()) return found.status();
  const redo::SegmentViews& all = *found;
  std::optional<redo::ContentPlace> known;
  {
    const std::lock_guard lock(write_mutex_);
    const auto recent = recent_.find(content.digest);
    if (recent != recent_.end() && recent->second.content == content) known = recent->second;
  }
  if (known) {
    const auto* view = redo::find_segment(all, identity_.incarnation, known->last_sequence);
    if (const auto* raw = dynamic_cast<const redo::RawSegment*>(view)) {
      return redo::read_pieces(raw->shared_from_this(), *known, all);
    }
  }
  Result<std::unique_ptr<ContentReader>> reader = redo::find_and_open(content, all);
  if (reader.ok() || reader.status().code() != Code::not_found) return reader;
  return reader.status().with_context(base::escape(path_));
}

}  // namespace v0
}  // namespace restante
