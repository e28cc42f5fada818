#include "redo/control_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <thread>

#include "base/crc32c.hpp"
#include "base/text.hpp"
#include "os/file.hpp"
#include "redo/open_table.hpp"

namespace restante::redo {
namespace {

constexpr std::array<std::uint8_t, 8> kControlMagic = {0x89, 'r', 'e', 'd', 'c', '\r', '\n', 0x1a};
constexpr std::uint32_t kControlLayout = 4;
constexpr std::uint32_t kLibraryVersion = 0 << 16 | 1 << 8 | 0;
// What processes that share memory must agree about: byte order, width of a pointer, size of a lock.
constexpr std::uint32_t kControlAbi = (std::endian::native == std::endian::little ? 1u : 2u) << 24 |
                                      sizeof(void*) * 8 << 16 | sizeof(pthread_mutex_t);
constexpr std::chrono::milliseconds kDoorStep{2};

std::uint32_t crc_of(ControlIdentity identity) {
  identity.crc = 0;
  return base::crc32c(ByteView(reinterpret_cast<const std::uint8_t*>(&identity), sizeof identity));
}

// A sync that was under way when the failure was noted may have succeeded since, and acknowledged more.
Watermark known_durable(const ControlPage& page) {
  const DurableState durable = page.durable.load();
  if (durable.lsn <= page.watermark.lsn) return page.watermark;
  return {durable.sequence, durable.offset, durable.lsn};
}

// Nothing if what the page says of it cannot be.
std::optional<StagedBytes> staged_in(const ControlPage& page) {
  const WriterState writer = page.writer.load();
  const WrittenState written = page.written.load();
  if (written.sequence != writer.sequence || written.offset >= writer.position) return std::nullopt;
  if (writer.position - written.offset > kStagedBytes) return std::nullopt;
  StagedBytes staged{written.sequence, written.offset, {}};
  for (std::uint64_t offset = written.offset; offset < writer.position; ++offset)
    staged.bytes.push_back(page.staged[offset % kStagedBytes]);
  return staged;
}

// Nothing if it was not closed in order, or if the page does not say all of it.
std::optional<ClosedLog> closed_in(ControlFile& control) {
  const ControlPage& page = control.page();
  ClosedLog closed{page.writer.load(), page.written.load(), page.close_mark.load(), {}, {}};
  if (closed.mark_offset == 0 || closed.writer.last_is_close_mark == 0) return std::nullopt;
  const OpenTable table(control);
  for (std::uint32_t index = 0; index < std::min(table.size(), kMaxOpen); ++index) {
    std::optional<OpenTable::Entry> entry = table.load(index, closed.writer.end);
    if (!entry) continue;
    if (!entry->is_account_known) return std::nullopt;
    closed.open.push_back(std::move(entry->transaction));
  }
  closed.contents.assign(std::begin(page.contents), std::end(page.contents));
  return closed;
}

}  // namespace

ControlIdentity identity_of_this_build(const Id128& boot_id) {
  ControlIdentity identity{};
  identity.magic = kControlMagic;
  identity.layout = kControlLayout;
  identity.boot_id = boot_id;
  identity.abi = kControlAbi;
  identity.library_version = kLibraryVersion;
  identity.bytes = kControlBytes;
  return identity;
}

Bytes encode_identity(ControlIdentity identity) {
  identity.crc = crc_of(identity);
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&identity);
  return Bytes(bytes, bytes + sizeof identity);
}

std::optional<ControlIdentity> decode_identity(ByteView bytes) {
  if (bytes.size() < sizeof(ControlIdentity)) return std::nullopt;
  ControlIdentity identity{};
  std::memcpy(&identity, bytes.data(), sizeof identity);
  const ControlIdentity mine = identity_of_this_build(identity.boot_id);
  const bool is_mine = identity.magic == mine.magic && identity.layout == mine.layout &&
                       identity.abi == mine.abi && identity.bytes == mine.bytes;
  if (!is_mine || identity.crc != crc_of(identity)) return std::nullopt;
  return identity;
}

Id128 current_boot_id(os::Io& io) {
  const Result<Bytes> bytes = os::read_file(io, AT_FDCWD, "/proc/sys/kernel/random/boot_id", 256);
  if (!bytes.ok()) return {};
  std::string digits(as_text(*bytes));
  std::erase_if(digits, [](char c) { return c == '-' || c == '\n'; });
  const Result<Id128> id = Id128::parse(digits);
  return id.ok() ? *id : Id128{};
}

Result<std::unique_ptr<ControlFile>> ControlFile::attach(os::Io& io, int directory, const std::string& path,
                                                         const Who& who) {
  Result<os::Fd> fd = io.open_at(directory, std::string(kControlName), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!fd.ok()) return fd.status();
  std::unique_ptr<ControlFile> control(new ControlFile(io, std::move(*fd), base::escape(path)));
  if (Status entered = control->enter(who); !entered.ok()) return entered;
  return control;
}

ControlFile::~ControlFile() {
  if (here_.is_held()) page().attached_count.fetch_sub(1);
}

Status ControlFile::enter(const Who& who) {
  for (;;) {
    Result<os::FileLock> door = os::FileLock::acquire(fd_.get(), kAttachByte);
    if (door.ok()) {
      door_ = std::move(*door);
      break;
    }
    if (door.status().code() != Code::busy) return door.status();
    if (std::chrono::steady_clock::now() + kDoorStep > who.deadline) {
      const Result<pid_t> pid = os::FileLock::holder_pid(fd_.get(), kAttachByte);
      const std::string by =
          pid.ok() && *pid > 0 ? base::cat("process ", *pid) : std::string("another process");
      return Status(Code::busy, base::cat("the redo log in ", path_, " is being opened by ", by),
                    "wait for that process, or end it");
    }
    std::this_thread::sleep_for(kDoorStep);
  }
  const Result<bool> joined = somebody_is_attached();
  if (!joined.ok()) return joined.status();
  if (Status mapped = *joined ? join_page() : make_page(); !mapped.ok()) return mapped;
  is_first_ = !*joined;
  if (Status taken = take_slot(who); !taken.ok()) return taken;
  if (!is_first_) door_.release();
  return {};
}

Result<bool> ControlFile::somebody_is_attached() const {
  const Result<pid_t> pid = os::FileLock::holder_pid_in(fd_.get(), kFirstSlotByte, kMaxAttached);
  if (!pid.ok()) return pid.status();
  return *pid != 0;
}

std::string ControlFile::who_is_there() const {
  const Result<pid_t> pid = os::FileLock::holder_pid_in(fd_.get(), kFirstSlotByte, kMaxAttached);
  return pid.ok() && *pid > 0 ? base::cat("process ", *pid) : std::string("another process");
}

// Nobody is there: whatever the file holds is of the past, but for what a failed sync left (R7) and what was
// published and is not in the segment yet.
Status ControlFile::make_page() {
  const Result<os::FileInfo> info = io_.fstat(fd_.get());
  if (!info.ok()) return info.status();
  Bytes before(sizeof(ControlIdentity));
  if (!os::read_exactly_at(io_, fd_.get(), before, 0).ok()) before.clear();
  const std::optional<ControlIdentity> old = decode_identity(before);
  Status allocated = io_.allocate(fd_.get(), 0, kControlBytes);
  if (allocated.code() == Code::unsupported && info->size < kControlBytes)
    allocated = os::allocate_whole(io_, fd_.get(), kControlBytes);
  // A full disk must not keep anybody from ending what is open.
  is_alone_ = allocated.code() == Code::no_space;
  if (!allocated.ok() && allocated.code() != Code::unsupported && !is_alone_) return allocated;
  Result<os::SharedMapping> mapping = Status(Code::unsupported, "");
  if (!is_alone_) mapping = os::SharedMapping::of_file(fd_.get(), kControlBytes);
  is_alone_ = mapping.status().code() == Code::unsupported;
  if (is_alone_) mapping = os::SharedMapping::anonymous(kControlBytes);
  if (!mapping.ok()) return mapping.status();
  mapping_ = std::move(*mapping);

  // After a restart of the machine the cache is gone and the disk itself says what is there. Where the
  // machine does not say which boot this is, it counts as the same.
  const Id128 boot_id = current_boot_id(io_);
  ControlPage& page = this->page();
  const bool is_same_boot = old && info->size == kControlBytes && old->boot_id == boot_id;
  if (is_same_boot && page.poisoned.load() != 0) poison_before_ = page.watermark = known_durable(page);
  if (is_same_boot && !poison_before_ && page.ready.load() != 0) left_ = staged_in(page);
  if (is_same_boot && !poison_before_ && page.ready.load() != 0) closed_ = closed_in(*this);
  page.ready.store(0);
  auto* const bytes = static_cast<std::uint8_t*>(mapping_.data());
  const std::size_t kept = poison_before_ ? offsetof(ControlPage, write_lock) : 0;
  std::memset(bytes + kept, 0, kControlBytes - kept);
  const Bytes identity = encode_identity(identity_of_this_build(boot_id));
  std::memcpy(bytes, identity.data(), identity.size());
  for (std::atomic<std::uint32_t>* holder :
       {&page.write_holder, &page.sync_holder, &page.stage_holder, &page.seal_holder})
    holder->store(kNoOwner);
  for (os::RobustMutex* lock :
       {&page.write_lock, &page.sync_lock, &page.stage_lock, &page.seal_lock, &page.spare_lock})
    if (Status made = lock->initialize(); !made.ok()) return made;
  return {};
}

Status ControlFile::join_page() {
  Bytes bytes(sizeof(ControlIdentity));
  if (!os::read_exactly_at(io_, fd_.get(), bytes, 0).ok()) bytes.clear();
  if (!decode_identity(bytes)) {
    return Status(Code::unsupported,
                  base::cat("the redo log in ", path_, " is open in ", who_is_there(),
                            ", which cannot share it with this version of restante"),
                  "use one version of restante for all processes of a server");
  }
  Result<os::SharedMapping> mapping = os::SharedMapping::of_file(fd_.get(), kControlBytes);
  if (!mapping.ok()) return mapping.status();
  mapping_ = std::move(*mapping);
  if (page().poisoned.load() != 0) {
    return Status(Code::poisoned,
                  base::cat("the redo log in ", path_, " failed, and ", who_is_there(), " still has it open"),
                  "end the processes that have it open, then open it again");
  }
  if (page().ready.load() == 0) {
    return Status(Code::busy, base::cat("the redo log in ", path_, " is open in ", who_is_there(),
                                        ", which does not share it"));
  }
  return {};
}

Status ControlFile::take_slot(const Who& who) {
  for (std::uint32_t slot = 0; slot < kMaxAttached; ++slot) {
    Result<os::FileLock> lock = os::FileLock::acquire(fd_.get(), kFirstSlotByte + slot);
    if (!lock.ok() && lock.status().code() == Code::busy) continue;
    if (!lock.ok()) return lock.status();
    here_ = std::move(*lock);
    slot_ = slot;
    AttachSlot& mine = page().attached[slot];
    generation_ = mine.generation.fetch_add(1) + 1;
    page().attached_count.fetch_add(1);
    mine.pid = static_cast<std::uint32_t>(::getpid());
    mine.keep_from.store(UINT64_MAX);
    mine.holder_bytes = static_cast<std::uint32_t>(std::min(who.holder.size(), kMaxHolderBytes));
    std::memcpy(mine.holder, who.holder.data(), mine.holder_bytes);
    return {};
  }
  return Status(Code::busy, base::cat(kMaxAttached, " processes have the redo log in ", path_,
                                      " open, which is the limit"));
}

void ControlFile::let_others_in() noexcept {
  page().ready.store(1);
  is_first_ = false;
  if (!is_alone_) door_.release();
}

bool ControlFile::close_door() noexcept {
  if (!door_.is_held()) {
    Result<os::FileLock> door = os::FileLock::acquire(fd_.get(), kAttachByte);
    // Somebody comes or goes at this moment, and is the last one then.
    if (!door.ok()) return false;
    door_ = std::move(*door);
  }
  const Result<bool> others = somebody_is_attached();
  return others.ok() && !*others;
}

bool ControlFile::is_alive(std::uint32_t slot, std::uint32_t generation) const {
  if (slot >= kMaxAttached || page().attached[slot].generation.load() != generation) return false;
  if (slot == slot_) return generation == generation_;
  const Result<pid_t> pid = os::FileLock::holder_pid(fd_.get(), kFirstSlotByte + slot);
  return !pid.ok() || *pid != 0;
}

std::string ControlFile::name_of(std::uint32_t slot) const {
  if (slot >= kMaxAttached) return "another process";
  const AttachSlot& who = page().attached[slot];
  const std::string_view holder(who.holder, std::min<std::size_t>(who.holder_bytes, kMaxHolderBytes));
  return base::cat("process ", who.pid, holder.empty() ? "" : " (", base::escape(holder),
                   holder.empty() ? "" : ")");
}

std::uint64_t ControlFile::lowest_kept() const {
  std::uint64_t lowest = UINT64_MAX;
  for (std::uint32_t slot = 0; slot < kMaxAttached; ++slot) {
    const AttachSlot& who = page().attached[slot];
    const std::uint64_t keeps = who.keep_from.load();
    if (who.generation.load() == 0 || keeps >= lowest) continue;
    if (is_alive(slot, who.generation.load())) lowest = keeps;
  }
  return lowest;
}

bool ControlFile::poison(const Watermark& watermark) noexcept {
  // What an earlier failure said still holds while its recovery fails too.
  if (poison_before_ || is_poisoned()) return false;
  page().watermark = watermark;
  page().poisoned.store(1);
  for (os::SharedEvent& round : page().rounds) round.signal();
  page().synced.signal();
  return true;
}

void ControlFile::forget_poison() noexcept {
  poison_before_.reset();
  page().poisoned.store(0);
}

}  // namespace restante::redo
