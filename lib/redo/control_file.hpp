#pragma once
// Having a log open together (R7): who is there, and the memory they share.
//
// Every attached process holds a POSIX lock on a byte of its own for as long as it lives. Whoever comes while
// nobody is there makes the memory anew and recovers the log before anybody else is let in.

#include <restante/redo_log.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/fd.hpp"
#include "os/io.hpp"
#include "os/lock.hpp"
#include "os/shared_memory.hpp"
#include "redo/control_page.hpp"
#include "redo/segment_header.hpp"

namespace restante::redo {

inline constexpr std::string_view kControlName = "redo.control";
/// Held while a process comes or goes.
inline constexpr std::uint64_t kAttachByte = 1u << 30;
inline constexpr std::uint64_t kFirstSlotByte = kAttachByte + 1;

/// The machine's boot, all zero if it does not say.
[[nodiscard]] Id128 current_boot_id(os::Io& io);

/// What is at the beginning of a control file that can be believed.
[[nodiscard]] std::optional<ControlIdentity> decode_identity(ByteView bytes);
[[nodiscard]] Bytes encode_identity(ControlIdentity identity);
[[nodiscard]] ControlIdentity identity_of_this_build(const Id128& boot_id);

/// Bytes of a segment that are to be written into its file at `offset`.
struct StagedBytes {
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;
  Bytes bytes;
};

/// A log that was closed in order, as the last process left it.
struct ClosedLog {
  WriterState writer;
  WrittenState written;
  std::uint64_t mark_offset = 0;
  std::vector<OpenTransaction> open;
  std::vector<ContentSlot> contents;
};

class ControlFile {
 public:
  struct Who {
    std::string holder;
    std::chrono::steady_clock::time_point deadline;
  };
  /// Attaches. `busy` names who is in the way; `poisoned` if the log failed and those who have it open have
  /// not closed it yet; `unsupported` if they are of another kind.
  [[nodiscard]] static Result<std::unique_ptr<ControlFile>> attach(os::Io& io, int directory,
                                                                   const std::string& path, const Who& who);
  ~ControlFile();

  /// Nobody else is attached, and the memory is empty but for the locks: recover, then `let_others_in`.
  [[nodiscard]] bool is_first() const noexcept { return is_first_; }
  void let_others_in() noexcept;
  /// What a failed sync of this boot left to the first opener.
  [[nodiscard]] const std::optional<Watermark>& poison_before() const noexcept { return poison_before_; }
  void forget_poison() noexcept;
  /// What those who died since the last opening had published and not yet written into their segment. It is
  /// to be checked: the files may have been replaced since.
  [[nodiscard]] const std::optional<StagedBytes>& left_staged() const noexcept { return left_; }
  /// What the last one left who closed the log on this boot; to be checked, too.
  [[nodiscard]] const std::optional<ClosedLog>& closed_log() const noexcept { return closed_; }
  /// By the last one, behind the mark: what the page says stays true until somebody attaches.
  void note_close(std::uint64_t mark_offset) noexcept { page().close_mark.store(mark_offset); }

  [[nodiscard]] ControlPage& page() noexcept { return *static_cast<ControlPage*>(mapping_.data()); }
  [[nodiscard]] const ControlPage& page() const noexcept {
    return *static_cast<const ControlPage*>(mapping_.data());
  }

  /// Whether nobody but this process came and did not go in order.
  [[nodiscard]] bool nobody_died() const noexcept { return page().attached_count.load() == 1; }
  /// Before it goes: true if nobody else is attached, and nobody can come until this is destroyed.
  [[nodiscard]] bool close_door() noexcept;

  // --- Who is who -----------------------------------------------------------------------------------
  [[nodiscard]] std::uint32_t slot() const noexcept { return slot_; }
  [[nodiscard]] std::uint32_t generation() const noexcept { return generation_; }
  /// Whether the process that took the slot then lives.
  [[nodiscard]] bool is_alive(std::uint32_t slot, std::uint32_t generation) const;
  /// "process 12 (imap server)".
  [[nodiscard]] std::string name_of(std::uint32_t slot) const;
  /// The lowest segment that an attached process uses.
  [[nodiscard]] std::uint64_t lowest_kept() const;

  // --- Failure --------------------------------------------------------------------------------------
  [[nodiscard]] bool is_poisoned() const noexcept { return !poison_before_ && page().poisoned.load() != 0; }
  /// False if somebody has done so before.
  bool poison(const Watermark& watermark) noexcept;

 private:
  ControlFile(os::Io& io, os::Fd fd, std::string path)
      : io_(io), fd_(std::move(fd)), path_(std::move(path)) {}
  [[nodiscard]] Status enter(const Who& who);
  [[nodiscard]] Result<bool> somebody_is_attached() const;
  [[nodiscard]] Status make_page();
  [[nodiscard]] Status join_page();
  [[nodiscard]] Status take_slot(const Who& who);
  [[nodiscard]] std::string who_is_there() const;

  os::Io& io_;
  os::Fd fd_;  // before the locks: they are released while the file is open
  std::string path_;
  os::SharedMapping mapping_;
  os::FileLock door_;
  os::FileLock here_;
  std::uint32_t slot_ = 0;
  std::uint32_t generation_ = 0;
  bool is_first_ = false;
  // The memory is not shared, and the door stays shut.
  bool is_alone_ = false;
  std::optional<Watermark> poison_before_;
  std::optional<StagedBytes> left_;
  std::optional<ClosedLog> closed_;
};

}  // namespace restante::redo
