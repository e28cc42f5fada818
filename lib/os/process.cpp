#include "os/process.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "os/file.hpp"

namespace restante::os {
namespace {

/// A page on every machine that has smaller ones; the kernel rounds up.
constexpr std::size_t kMarkBytes = 4096;

std::string read_proc(const std::string& path) {
  const Result<Bytes> bytes = read_file(real_io(), AT_FDCWD, path, base::kMaxProcFileBytes);
  if (!bytes.ok()) return {};
  std::string text(as_text(*bytes));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// The fields of /proc/<pid>/stat from the third, the state, on. The second, the program's name, may hold
// anything; it ends at the last ")".
std::vector<std::string_view> fields_after_name(std::string_view stat) {
  std::vector<std::string_view> fields;
  const std::size_t end = stat.rfind(") ");
  if (end == std::string_view::npos) return fields;
  stat.remove_prefix(end + 2);
  while (!stat.empty()) {
    const std::size_t size = std::min(stat.find(' '), stat.size());
    fields.push_back(stat.substr(0, size));
    stat.remove_prefix(std::min(size + 1, stat.size()));
  }
  return fields;
}

// When the process started; 0 for one that does not run, or has died and waits for its parent to notice.
std::uint64_t start_ticks_of(std::uint64_t pid) {
  constexpr std::size_t kState = 0;
  constexpr std::size_t kStartTime = 22 - 3;
  const std::string stat = read_proc(base::cat("/proc/", pid, "/stat"));
  const std::vector<std::string_view> fields = fields_after_name(stat);
  if (fields.size() <= kStartTime || fields[kState] == "Z" || fields[kState] == "X") return 0;
  return base::parse_decimal(fields[kStartTime]).value_or(0);
}

std::uint64_t pid_namespace() {
  struct stat info {};
  return ::stat("/proc/self/ns/pid", &info) == 0 ? static_cast<std::uint64_t>(info.st_ino) : 0;
}

}  // namespace

ProcessIdentity this_process() {
  struct utsname name {};
  ProcessIdentity process;
  if (::uname(&name) == 0) process.host = name.nodename;
  process.boot_id = read_proc("/proc/sys/kernel/random/boot_id");
  process.pid_namespace = pid_namespace();
  process.pid = static_cast<std::uint64_t>(::getpid());
  process.start_ticks = start_ticks_of(process.pid);
  return process;
}

std::optional<bool> is_alive(const ProcessIdentity& process) {
  const ProcessIdentity here = this_process();
  if (process.host != here.host || process.boot_id.empty()) return std::nullopt;
  if (process.boot_id != here.boot_id) return false;
  if (process.pid_namespace != here.pid_namespace) return std::nullopt;
  return start_ticks_of(process.pid) == process.start_ticks && process.start_ticks != 0;
}

ForkMark::ForkMark() noexcept : pid_(::getpid()) {
  void* const page = ::mmap(nullptr, kMarkBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  if (::madvise(page, kMarkBytes, MADV_WIPEONFORK) != 0) {
    (void)::munmap(page, kMarkBytes);
    return;
  }
  page_ = new (page) std::atomic<std::uint32_t>(1);
}

ForkMark::~ForkMark() {
  if (page_ != nullptr) (void)::munmap(page_, kMarkBytes);
}

bool ForkMark::is_pid_mine() const noexcept { return ::getpid() == pid_; }

}  // namespace restante::os
