// Opening: attach, look at what is there, find the end, leave a segment to write to. Closing.

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"
#include "os/file.hpp"
#include "redo/find_end.hpp"
#include "redo/log.hpp"
#include "redo/recovery.hpp"
#include "redo/seal.hpp"

namespace restante {
inline namespace v0 {
namespace {

constexpr std::uint64_t kMinSegmentBytes = 64u << 10;
constexpr std::uint64_t kMaxSegmentBytes = 16ull << 30;
constexpr std::chrono::milliseconds kMinSyncInterval{1};
constexpr std::chrono::milliseconds kMaxSyncInterval{std::chrono::hours(1)};
constexpr std::uint32_t kMinPieceBytes = 4u << 10;
constexpr std::uint32_t kMaxPieceBytes = 4u << 20;

std::int64_t boot_time_us() {
  struct timespec now {};
  (void)::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
}

Status check_options(const RedoLog::Options& options) {
  const auto refuse = [](std::string_view what) { return Status(Code::invalid_argument, std::string(what)); };
  if (options.segment_bytes < kMinSegmentBytes || options.segment_bytes > kMaxSegmentBytes) {
    return refuse("segment_bytes of a redo log must be 64 KiB to 16 GiB");
  }
  if (options.segment_age.count() < 0) return refuse("segment_age of a redo log is negative");
  if (options.sync_interval < kMinSyncInterval || options.sync_interval > kMaxSyncInterval)
    return refuse("sync_interval of a redo log must be 1 ms to 1 h");
  if (options.piece_bytes < kMinPieceBytes || options.piece_bytes > kMaxPieceBytes) {
    return refuse("piece_bytes of a redo log must be 4 KiB to 4 MiB");
  }
  if (options.holder.size() > redo::kMaxHolderBytes)
    return refuse("holder of a redo log must be 64 bytes at most");
  if (options.clock == nullptr) return refuse("a redo log needs a clock");
  if (options.deadline.count() <= 0) return refuse("deadline of a redo log must be positive");
  if (!options.continues) return {};
  const LogPosition& parent = options.continues->parent;
  if (parent.log.is_none() || parent.incarnation.is_none() || options.continues->parent_sequence == 0) {
    return refuse("the position that a redo log continues must name its log, incarnation and sequence");
  }
  return {};
}

Result<os::Fd> open_directory(os::Io& io, const std::string& path, bool create) {
  Result<os::Fd> fd = os::open_dir(io, path);
  if (fd.ok() || fd.status().code() != Code::not_found) return fd;
  if (!create) {
    return Status(Code::not_found,
                  base::cat("there is no redo log in ", base::escape(path), ": no such directory"),
                  "open it with `create` to make one");
  }
  return os::make_dirs(io, AT_FDCWD, path, 0700);
}

// The directory may have been made by a process that was killed before its name was on the disk. Where others
// may not look at what it lies in, whoever made it had to see to that.
Status sync_parent(os::Io& io, const std::string& path) {
  const Result<os::Fd> parent = os::open_dir(io, path + "/..");
  if (parent.status().code() == Code::permission) return {};
  return parent.ok() ? io.fsync(parent->get()) : parent.status();
}

// A copy of the file may have lost the blocks that were allocated behind the records.
bool has_blocks(os::Io& io, const os::Fd& fd, std::uint64_t from, std::uint64_t to) {
  const Status allocated = io.allocate(fd.get(), from, to - from);
  return allocated.ok() || allocated.code() == Code::unsupported;
}

// Only in the process that opened it: what a forked child inherited is left alone, locks and threads that it
// does not have included.
void close_log(RedoLog::Impl* log) noexcept {
  if (!log->check_process().ok()) return;
  log->close();
  const redo::DirectoryId id = log->directory_id_;
  delete log;
  redo::forget(id);
}

}  // namespace

RedoLog::Impl::Impl(os::Io& io, std::string path, Directory directory, redo::DirectoryId id,
                    const Options& options, const redo::OpenHooks& hooks)
    : io_(io),
      path_(std::move(path)),
      directory_(std::move(directory)),
      directory_id_(id),
      options_(options),
      hooks_(hooks),
      pid_(::getpid()) {}

Result<RedoLog> RedoLog::Impl::open(const std::string& path, const Options& options,
                                    const redo::OpenHooks& given_hooks) {
  if (Status checked = check_options(options); !checked.ok()) return checked;
  redo::OpenHooks hooks = given_hooks;
  os::Io& io = hooks.io != nullptr ? *hooks.io : os::real_io();
  if (!hooks.monotonic_us && options.clock == &system_clock()) hooks.monotonic_us = boot_time_us;

  Result<os::Fd> fd = open_directory(io, path, options.create);
  if (!fd.ok()) return fd.status();
  const auto directory = std::make_shared<const os::Fd>(std::move(*fd));
  const Result<os::FileInfo> info = io.fstat(directory->get());
  if (!info.ok()) return info.status();
  const redo::DirectoryId id{info->dev, info->ino};
  const auto make = [&]() -> Result<redo::SharedLog> {
    auto log = std::make_unique<Impl>(io, path, directory, id, options, hooks);
    if (Status attached = log->attach(); !attached.ok()) return attached;
    return redo::SharedLog(log.release(), close_log);
  };
  Result<redo::SharedLog> log = redo::find_or_open(id, options.deadline, make);
  if (!log.ok()) return log.status();
  if (Status usable = (*log)->check_usable(); !usable.ok()) return usable;
  return RedoLog(std::move(*log));
}

Status RedoLog::Impl::attach() {
  redo::ControlFile::Who who;
  who.holder = options_.holder;
  who.deadline = std::chrono::steady_clock::now() + options_.deadline;
  Result<std::unique_ptr<redo::ControlFile>> control =
      redo::ControlFile::attach(io_, directory_->get(), path_, who);
  if (!control.ok()) return control.status();
  control_ = std::move(*control);
  open_.emplace(*control_);
  if (!control_->is_first()) return join();
  if (Status recovered = recover_files(); !recovered.ok()) return recovered;
  control_->let_others_in();
  return {};
}

Status RedoLog::Impl::join() {
  Result<redo::FoundSegment> found = Status(Code::not_found, "");
  for (;;) {
    state_ = control_->page().writer.load();
    found = redo::find_segment_file(io_, directory_, state_.sequence);
    if (found.ok()) break;
    // Rolled and removed since.
    const bool is_old = control_->page().writer.load().sequence != state_.sequence;
    if (found.status().code() != Code::not_found || !is_old) return found.status();
  }
  const redo::SegmentHeader& header = *found->header;
  if (options_.continues && header.parent.parent != options_.continues->parent) return not_continued();
  identity_.log = header.log;
  identity_.incarnation = header.incarnation;
  identity_.server = header.server;
  identity_.parent = header.parent;
  segments_.push_back({found->file, found->header, nullptr, 0, false});
  consumers_version_ = state_.consumers_version - 1;
  return reload_consumers().code() == Code::damaged ? Status() : consumers_status_;
}

Status RedoLog::Impl::recover_files() {
  Result<redo::FoundLog> found = redo::find_log(io_, directory_, path_);
  if (!found.ok()) return found.status();
  Result<redo::ConsumerList> consumers = redo::load_consumers(io_, directory_->get());
  consumers_status_ = consumers.status();
  if (consumers.ok()) consumers_ = std::move(*consumers);

  if (found->segments.empty()) {
    if (Status made = make_log(*found); !made.ok()) return made;
  } else if (Status adopted = adopt_log(*found); !adopted.ok()) {
    return adopted;
  }
  consumers_.log = identity_.log;
  consumers_.incarnation = identity_.incarnation;
  has_older_ = true;
  return write_incarnation();
}

// The first segment of an incarnation.
Status RedoLog::Impl::make_log(const redo::FoundLog& found) {
  if (!options_.create) {
    return Status(Code::not_found, base::cat("there is no redo log in ", base::escape(path_)),
                  "open it with `create` to make one");
  }
  if (!found.foreign.empty()) {
    return Status(Code::invalid_argument,
                  base::cat("no redo log can be made in ", base::escape(path_),
                            ": it holds other files, such as ", base::escape(found.foreign)),
                  "choose an empty directory");
  }
  const bool had_segments = !consumers_.log.is_none() && !options_.continues;
  if (had_segments) {
    return Status(Code::damaged,
                  base::cat("the segments of the redo log in ", base::escape(path_),
                            " are gone; its consumers are ", "still listed in ", redo::kConsumersName),
                  "put the segments back, or move the directory away and go on with `continues`");
  }
  const auto id_or_random = [](const std::optional<Id128>& id) {
    return id ? Result<Id128>(*id) : Id128::random();
  };
  const Result<Id128> log_id =
      options_.continues ? Result<Id128>(options_.continues->parent.log) : id_or_random(hooks_.log_id);
  if (!log_id.ok()) return log_id.status();
  const Result<Id128> incarnation = id_or_random(hooks_.incarnation);
  if (!incarnation.ok()) return incarnation.status();
  const Result<Id128> server = options_.server.is_none() ? Id128::random() : Result<Id128>(options_.server);
  if (!server.ok()) return server.status();

  identity_.log = *log_id;
  identity_.incarnation = *incarnation;
  identity_.server = *server;
  if (options_.continues) identity_.parent = *options_.continues;
  redo::SegmentHeader header = identity_;
  header.sequence = identity_.parent.parent_sequence + 1;
  header.first_lsn = identity_.parent.parent.lsn + 1;
  header.opened_sequence = header.sequence;
  header.created_wall = options_.clock->now();
  header.created_commit = header.created_wall;
  consumers_ = {};
  if (Status named = sync_parent(io_, path_); !named.ok()) return named;
  bool in_doubt = false;
  Result<Made> made = create_segment(header, redo::kTailRoom, false, &in_doubt);
  if (!made.ok()) return made.status().with_context("cannot make the redo log");
  if (Status staged = begin_stage(header.sequence, made->position, made->filled, made->fd); !staged.ok())
    return staged;
  add_current(header);
  redo::WriterState state;
  state.sequence = state.lowest_sequence = header.sequence;
  state.opened_sequence = state.first_sequence = header.sequence;
  state.end = identity_.parent.parent.lsn;
  state.position = made->position;
  state.capacity = made->capacity;
  begin_with(state);
  return {};
}

// A segment that was just made.
void RedoLog::Impl::add_current(const redo::SegmentHeader& header) {
  segments_.push_back(
      {std::make_shared<const redo::SegmentFile>(io_, directory_, redo::segment_name(header.sequence)),
       std::make_shared<const redo::SegmentHeader>(header), nullptr, header.sequence, false});
}

// What is on the disk when others come.
void RedoLog::Impl::begin_with(const redo::WriterState& state) {
  publish(state);
  control_->page().durable.store({state.end, state.sequence, state.position, state.last_commit_us});
}

Status RedoLog::Impl::not_continued() const {
  return Status(
      Code::already_exists,
      base::cat("the redo log in ", base::escape(path_), " exists and does not continue that position"),
      "move its directory away first");
}

// Goes on with what is there.
Status RedoLog::Impl::adopt_log(redo::FoundLog& found) {
  const redo::SegmentHeader& newest = *found.segments.back().header;
  if (options_.continues && newest.parent.parent != options_.continues->parent) return not_continued();
  identity_.log = newest.log;
  identity_.incarnation = newest.incarnation;
  identity_.server = newest.server;
  identity_.parent = newest.parent;
  for (std::size_t i = 0; i + 1 < found.segments.size(); ++i) {
    Result<Segment> segment = adopt_complete(found.segments[i], *found.segments[i + 1].header);
    if (!segment.ok()) return segment.status();
    segments_.push_back(std::move(*segment));
  }
  return adopt_newest(found.segments.back());
}

// An older segment: sealed, or its end is fixed by the header behind it.
Result<RedoLog::Impl::Segment> RedoLog::Impl::adopt_complete(const redo::FoundSegment& found,
                                                             const redo::SegmentHeader& next) {
  Segment segment{found.file, found.header, nullptr, found.header->sequence, false};
  const bool adjoins = next.sequence == found.header->sequence + 1;
  const bool agrees = found.seal && (!adjoins || (found.seal->footer.records_end == next.previous_end &&
                                                  found.seal->footer.last_lsn + 1 == next.first_lsn));
  if (agrees) {
    segment.view = redo::sealed_segment(found.file, found.header, *found.seal);
    segment.lowest_sequence = found.seal->footer.lowest_sequence;
    return segment;
  }
  if (!adjoins) {
    // The one that would fix its end is missing. What can be read is read; `verify` names the hole.
    const Result<redo::FoundEnd> end = redo::find_end(*found.file, *found.header, found.file_bytes);
    if (!end.ok()) return end.status();
    redo::SegmentExtent extent;
    extent.end = end->end;
    extent.last_lsn = end->last_lsn;
    extent.is_complete = true;
    segment.view = std::make_shared<const redo::RawSegment>(found.file, found.header, extent);
    return segment;
  }
  Result<redo::IndexBuilder> index =
      redo::build_index(*found.file, *found.header, next.previous_end, next.first_lsn - 1);
  if (!index.ok()) return index.status();
  segment.lowest_sequence = index->lowest_sequence();
  const Result<redo::Seal> seal = seal_file(segment, next.previous_end, next.first_lsn - 1, *index);
  if (seal.ok()) {
    segment.view = redo::sealed_segment(found.file, found.header, *seal);
    return segment;
  }
  // A file that is shorter than its records is left as it is: damage is kept.
  const bool is_short = seal.status().code() == Code::damaged;
  if (seal.status().code() != Code::no_space && !is_short) return seal.status();
  redo::SegmentExtent extent;
  extent.end = next.previous_end;
  extent.last_lsn = next.first_lsn - 1;
  extent.is_complete = true;
  extent.first_time = index->first_time();
  extent.last_time = index->last_time();
  segment.view = std::make_shared<const redo::RawSegment>(found.file, found.header, extent);
  segment.to_seal = !is_short;
  if (segment.to_seal) has_to_seal_ = true;
  return segment;
}

Result<redo::FoundEnd> RedoLog::Impl::end_of_newest(const redo::FoundSegment& found, int fd) {
  const redo::SegmentHeader& header = *found.header;
  const std::optional<redo::Watermark>& poison = control_->poison_before();
  const bool is_poisoned = poison && poison->sequence == header.sequence &&
                           poison->offset >= header.records_begin() && poison->lsn + 1 >= header.first_lsn;
  // Above the watermark the cache may hold what the disk does not (R7).
  if (is_poisoned) return redo::FoundEnd{poison->offset, poison->lsn, false, poison->offset};
  // What a killed writer left in the cache is made durable before anything is built on it. Whoever was told
  // that the disk does not take it may be dead, and nobody is told twice: so it is written once more.
  Result<redo::FoundEnd> end = redo::find_end(*found.file, header, found.file_bytes);
  if (!end.ok()) return end;
  if (Status again = os::write_again(io_, fd, end->synced_end, end->end); !again.ok()) return again;
  if (Status synced = io_.fdatasync(fd); !synced.ok()) return synced;
  return end;
}

// Whether the page still says what the newest segment has: then it need not be read.
bool RedoLog::Impl::is_as_closed(const redo::FoundSegment& found) const {
  const std::optional<redo::ClosedLog>& closed = control_->closed_log();
  if (!closed || found.header->sequence != closed->writer.sequence) return false;
  const redo::WriterState& writer = closed->writer;
  if (found.file_bytes != writer.capacity) return false;
  if (writer.position + writer.reserved + redo::kTailRoom > writer.capacity) return false;
  redo::SegmentExtent extent;
  extent.end = writer.capacity;
  extent.last_lsn = writer.end + 1;
  const redo::RawSegment segment(found.file, found.header, extent);
  // A file that somebody put in its place may go on.
  if (segment.read_at(writer.position, writer.end + 1, false).status().code() != Code::damaged) return false;
  const Result<redo::Record> mark = segment.read_at(closed->mark_offset, writer.end, false);
  return mark.ok() && mark->head.kind == redo::RecordKind::mark && mark->head.head_crc == writer.last_crc &&
         closed->mark_offset + mark->head.padded_length() == writer.position;
}

Status RedoLog::Impl::adopt_closed(const redo::FoundSegment& found, std::shared_ptr<const os::Fd> fd) {
  const redo::ClosedLog& closed = *control_->closed_log();
  redo::WriterState state = closed.writer;
  const bool is_filled = closed.written.sequence == state.sequence && closed.written.filled <= state.capacity;
  const std::uint64_t filled = is_filled ? std::max(closed.written.filled, state.position) : state.position;
  if (Status staged = begin_stage(state.sequence, state.position, filled, std::move(fd)); !staged.ok())
    return staged;
  segments_.push_back({found.file, found.header, nullptr, state.lowest_sequence, false});
  state.first_sequence = segments_.front().header->sequence;
  state.opened_sequence = state.sequence;
  // The clock of this process is another one.
  state.has_monotonic = 0;
  begin_with(state);
  std::copy(closed.contents.begin(), closed.contents.end(), std::begin(control_->page().contents));
  std::map<Lsn, redo::OpenTransaction> open;
  for (const redo::OpenTransaction& transaction : closed.open) open[transaction.begin_lsn] = transaction;
  return adopt_open(open);
}

// The segment that was being written.
Status RedoLog::Impl::adopt_newest(const redo::FoundSegment& found) {
  const redo::SegmentHeader& header = *found.header;
  if (found.seal) {
    return Status(
        Code::damaged,
        base::cat("segment ", header.sequence, " of the redo log in ", base::escape(path_),
                  " is complete, and the one behind it is missing"),
        "put the missing segment back; if it is lost, move the directory away and go on with `continues`");
  }
  Result<os::Fd> opened_file = io_.open_at(directory_->get(), found.file->name(), O_RDWR | O_NOFOLLOW, 0);
  if (!opened_file.ok()) return opened_file.status();
  const auto fd = std::make_shared<const os::Fd>(std::move(*opened_file));
  if (is_as_closed(found)) return adopt_closed(found, fd);
  if (Status written = write_left(header, fd->get()); !written.ok()) return written;
  const Result<redo::FoundEnd> search = end_of_newest(found, fd->get());
  if (!search.ok()) return search.status();
  const redo::FoundEnd& end = *search;
  Result<redo::Replayed> replayed = redo::replay_segment(*found.file, header, end.end, end.last_lsn);
  if (!replayed.ok()) return replayed.status();

  if (Status staged = begin_stage(header.sequence, end.end, end.end, fd); !staged.ok()) return staged;
  const redo::IndexBuilder& index = replayed->index;
  for (const redo::SparseEntry& entry : index.sparse()) sparse_->add(entry);
  segments_.push_back({found.file, found.header, nullptr, header.sequence, false});
  redo::WriterState state;
  state.sequence = header.sequence;
  state.first_sequence = segments_.front().header->sequence;
  state.lowest_sequence = index.lowest_sequence();
  state.position = end.end;
  state.capacity = found.file_bytes;
  state.end = end.last_lsn;
  state.records = index.record_count();
  state.last_crc = index.last_crc();
  state.first_time_us = index.first_time().us;
  state.last_commit_us = std::max(header.created_commit, index.last_time()).us;
  state.last_wall_us = replayed->last_wall.value_or(header.created_wall).us;
  state.has_wall = 1;
  state.last_is_mark = state.last_is_close_mark = end.is_clean ? 1 : 0;
  for (const auto& [lsn, transaction] : replayed->open) state.reserved += transaction.reserved_bytes;
  // Only a segment that was closed in order is written on: nothing is ever appended behind a tail (R8).
  const bool has_room = state.position + state.reserved + redo::kTailRoom <= state.capacity;
  const bool goes_on = end.is_clean && has_room && has_blocks(io_, *fd, end.end, state.capacity);
  const bool closed_here = end.is_clean || replayed->has_close_mark;
  state.opened_sequence = closed_here ? header.sequence : header.opened_sequence;
  begin_with(state);
  if (Status opened = adopt_open(replayed->open); !opened.ok()) return opened;
  if (Status recalled = adopt_recent(index.contents()); !recalled.ok()) return recalled;
  if (!end.is_clean) collect_reconcile(*replayed);
  if (!goes_on) {
    if (Status rolled = roll_now(0, true); !rolled.ok()) return rolled;
  }
  control_->forget_poison();
  if (goes_on) return {};
  const Status sealed = seal_pending();
  return sealed.code() == Code::no_space ? Status() : sealed;
}

Status RedoLog::Impl::adopt_open(const std::map<Lsn, redo::OpenTransaction>& open) {
  for (const auto& [lsn, transaction] : open) {
    const std::optional<std::uint32_t> place = open_->find_free();
    if (!place) return too_many_open();
    open_->begins(*place, transaction, false);
    open_->settle();
  }
  return {};
}

// What may be referred to: contents of the current segment and of those just before it.
Status RedoLog::Impl::adopt_recent(const std::vector<redo::ContentPlace>& newest) {
  for (const Segment& segment : segments_) {
    if (segment.view == nullptr ||
        segment.header->sequence + redo::kContentReach < segments_.back().header->sequence) {
      continue;
    }
    const Result<std::vector<redo::ContentPlace>> contents = segment.view->contents();
    if (!contents.ok() && contents.status().code() == Code::damaged) continue;
    if (!contents.ok()) return contents.status();
    for (const redo::ContentPlace& place : *contents) remember(place);
  }
  for (const redo::ContentPlace& place : newest) remember(place);
  return {};
}

// After an unclean end: who was touched or appended to since the log was opened (R9).
void RedoLog::Impl::collect_reconcile(const redo::Replayed& replayed) {
  std::set<std::string> accounts(replayed.touched.begin(), replayed.touched.end());
  if (!replayed.has_close_mark) {
    const redo::KindSet kinds =
        redo::kind_bit(redo::RecordKind::touch) | redo::kind_bit(redo::RecordKind::append);
    for (const Segment& segment : segments_) {
      if (segment.view == nullptr || segment.header->sequence < segments_.back().header->opened_sequence)
        continue;
      const Result<std::vector<std::string>> names = segment.view->accounts(kinds);
      if (names.ok()) accounts.insert(names->begin(), names->end());
    }
  }
  reconcile_.assign(accounts.begin(), accounts.end());
}

// The first record of an incarnation (R5); also where a crash kept it from being written.
Status RedoLog::Impl::write_incarnation() {
  const Result<Hold> held = hold();
  if (!held.ok()) return held.status();
  if (state_.end != identity_.parent.parent.lsn) return {};
  Frame frame;
  frame.head.kind = redo::RecordKind::incarnation;
  redo::begin_frame(frame.bytes, {}, {});
  redo::encode_incarnation(frame.bytes, {identity_.server, identity_.parent});
  redo::close_frame(frame.bytes, frame.head, {}, {});
  const Result<Placed> placed = write(frame);
  if (!placed.ok()) return placed.status();
  return sync_now();
}

void RedoLog::Impl::close() noexcept {
  (void)seal_pending();
  const bool is_last = control_->close_door();
  if (is_poisoned()) return;
  if (!is_last) {
    if (last_written_ > control_->page().durable.load().lsn) (void)sync_now();
    return;
  }
  const Result<Hold> held = hold();
  if (!held.ok()) return;
  // A spare is of use to nobody now.
  (void)io_.unlink_at(directory_->get(), std::string(redo::kSpareName));
  if (state_.last_is_close_mark != 0) {
    // Nothing was written.
    if (control_->closed_log()) control_->note_close(control_->closed_log()->mark_offset);
    return;
  }
  // The mark vouches for all before it (R8), so that must be on the disk first. It also says that nothing is
  // in doubt, which is not so after somebody died (R9).
  if (!sync_now().ok() || !control_->nobody_died()) return;
  const Result<Placed> mark = write_mark(redo::MarkReason::close);
  if (mark.ok() && sync_now().ok()) control_->note_close(mark->offset);
}

}  // namespace v0

namespace redo {

Result<RedoLog> open_log(const std::string& directory, const RedoLog::Options& options,
                         const OpenHooks& hooks) {
  return RedoLog::Impl::open(directory, options, hooks);
}

}  // namespace redo
}  // namespace restante
