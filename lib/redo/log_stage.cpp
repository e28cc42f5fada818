// The staging area: records that were published and are not in the segment's file yet lie in memory that the
// processes share. Many records become one write, by whoever syncs or finds no room; a killed process takes
// none of them with it.

#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "base/text.hpp"
#include "os/file.hpp"
#include "redo/log.hpp"

namespace restante {
inline namespace v0 {
namespace {

/// So much behind the records gets zeros at a time where a segment has none: the first write into a block
/// that was only allocated makes the file system note that at the next sync.
constexpr std::uint64_t kFillBytes = 128u << 10;

}  // namespace

RedoLog::Impl::StageHold::~StageHold() {
  if (log_ == nullptr) return;
  redo::ControlPage& page = log_->control_->page();
  page.stage_holder.store(redo::kNoOwner, std::memory_order_relaxed);
  page.stage_lock.unlock();
}

Result<RedoLog::Impl::StageHold> RedoLog::Impl::hold_stage() {
  redo::ControlPage& page = control_->page();
  const os::RobustMutex::Taken taken =
      page.stage_lock.lock_until(std::chrono::steady_clock::now() + options_.deadline);
  if (taken == os::RobustMutex::Taken::no) {
    return Status(Code::busy,
                  base::cat("the redo log in ", base::escape(path_), " is being written by ",
                            control_->name_of(page.stage_holder.load()), ", which does not go on"),
                  "let that process go on, or end it");
  }
  // What was half written is written again: only the word behind it counts.
  if (taken == os::RobustMutex::Taken::from_the_dead) page.stage_lock.repaired();
  page.stage_holder.store(control_->slot(), std::memory_order_relaxed);
  return StageHold(*this);
}

Result<RedoLog::Impl::Current> RedoLog::Impl::write_out() {
  const Result<StageHold> held = hold_stage();
  if (!held.ok()) return held.status();
  for (;;) {
    const redo::WriterState state = control_->page().writer.load();
    Result<std::shared_ptr<const os::Fd>> fd = segment_fd(state.sequence);
    // Rolled and removed since.
    const bool is_old = control_->page().writer.load().sequence != state.sequence;
    if (!fd.ok() && fd.status().code() == Code::not_found && is_old) continue;
    if (!fd.ok()) return poison(fd.status());
    if (Status written = write_staged(state, (*fd)->get(), {}); !written.ok()) return poison(written);
    return Current{state, std::move(*fd)};
  }
}

Status RedoLog::Impl::write_staged(const redo::WriterState& state, int fd, ByteView record) {
  redo::ControlPage& page = control_->page();
  redo::WrittenState written = page.written.load();
  // A roll has written all, and has not published its segment yet.
  if (written.sequence != state.sequence) return {};
  while (written.offset < state.position) {
    const std::uint64_t at = written.offset % redo::kStagedBytes;
    const std::uint64_t size = std::min(state.position - written.offset, redo::kStagedBytes - at);
    const ByteView bytes(page.staged + at, static_cast<std::size_t>(size));
    if (Status done = os::write_all_at(io_, fd, bytes, written.offset); !done.ok()) return done;
    written.offset += size;
  }
  if (Status done = os::write_all_at(io_, fd, record, state.position); !done.ok()) return done;
  written.offset = std::max(written.offset, state.position + record.size());
  if (Status filled = fill_behind(state, fd, record.size(), written); !filled.ok()) return filled;
  page.written.store(written);
  return {};
}

Status RedoLog::Impl::fill_behind(const redo::WriterState& state, int fd, std::uint64_t record_bytes,
                                  redo::WrittenState& written) {
  if (written.offset <= written.filled) return {};
  written.filled = written.offset;
  // Large records fill blocks by themselves.
  if (record_bytes > kFillBytes / 4 || written.offset >= state.capacity) return {};
  zeros_.resize(kFillBytes);
  const std::uint64_t size = std::min(kFillBytes, state.capacity - written.offset);
  const ByteView zeros = ByteView(zeros_).first(static_cast<std::size_t>(size));
  if (Status done = os::write_all_at(io_, fd, zeros, written.offset); !done.ok()) return done;
  written.filled += size;
  return {};
}

Result<std::shared_ptr<const os::Fd>> RedoLog::Impl::segment_fd(std::uint64_t sequence) {
  if (segment_fd_ == nullptr || segment_fd_sequence_ != sequence) {
    Result<os::Fd> fd = io_.open_at(directory_->get(), redo::segment_name(sequence), O_RDWR | O_NOFOLLOW, 0);
    if (!fd.ok()) return fd.status();
    segment_fd_ = std::make_shared<const os::Fd>(std::move(*fd));
    segment_fd_sequence_ = sequence;
  }
  return segment_fd_;
}

Status RedoLog::Impl::put(ByteView record) {
  if (record.size() > redo::kMostStagedRecord) return write_through(record);
  redo::ControlPage& page = control_->page();
  if (state_.position + record.size() - page.written.load().offset > redo::kStagedBytes) {
    const Result<Current> written = write_out();
    if (!written.ok()) return written.status();
  }
  const std::size_t at = state_.position % redo::kStagedBytes;
  const std::size_t first = std::min<std::size_t>(record.size(), redo::kStagedBytes - at);
  std::memcpy(page.staged + at, record.data(), first);
  std::memcpy(page.staged, record.data() + first, record.size() - first);
  return {};
}

Status RedoLog::Impl::write_through(ByteView record) {
  const Result<StageHold> held = hold_stage();
  if (!held.ok()) return held.status();
  const Result<std::shared_ptr<const os::Fd>> fd = segment_fd(state_.sequence);
  if (!fd.ok()) return poison(fd.status());
  const Status written = write_staged(state_, (*fd)->get(), record);
  return written.ok() ? written : poison(written);
}

Status RedoLog::Impl::begin_stage(std::uint64_t sequence, std::uint64_t position, std::uint64_t filled,
                                  std::shared_ptr<const os::Fd> fd) {
  const Result<StageHold> held = hold_stage();
  if (!held.ok()) return held.status();
  segment_fd_ = std::move(fd);
  segment_fd_sequence_ = sequence;
  control_->page().written.store({sequence, position, filled});
  return {};
}

Status RedoLog::Impl::mend_stage(const redo::WriterState& state) {
  const Result<StageHold> held = hold_stage();
  if (!held.ok()) return held.status();
  redo::WrittenState written = control_->page().written.load();
  // The segment or the record that he was about to publish.
  const bool is_ahead = written.sequence != state.sequence || written.offset > state.position;
  if (is_ahead) control_->page().written.store({state.sequence, state.position, state.position});
  return {};
}

// The records that are whole: whoever replaced the files meanwhile finds that they do not fit.
Status RedoLog::Impl::write_left(const redo::SegmentHeader& header, int fd) {
  const std::optional<redo::StagedBytes>& left = control_->left_staged();
  if (!left || left->sequence != header.sequence) return {};
  std::uint64_t whole = 0;
  while (whole < left->bytes.size()) {
    const redo::Place place = header.place(left->offset + whole);
    const ByteView rest = ByteView(left->bytes).subspan(static_cast<std::size_t>(whole));
    const std::optional<redo::RecordHead> head = redo::decode_head(rest, place);
    if (!head || head->padded_length() > rest.size()) break;
    if (!redo::body_is_intact(*head, rest.first(static_cast<std::size_t>(head->padded_length())))) break;
    whole += head->padded_length();
  }
  return os::write_all_at(io_, fd, ByteView(left->bytes).first(static_cast<std::size_t>(whole)),
                          left->offset);
}

}  // namespace v0
}  // namespace restante
