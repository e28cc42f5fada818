#include "os/process.hpp"

#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <string_view>

#include "base/text.hpp"
#include "os/io.hpp"

#include <fcntl.h>

namespace restante::os {
namespace {

// Files of /proc have no size to trust, so this does not use read_file.
std::string read_proc(const std::string& path) {
  const Result<Fd> fd = real_io().open_at(AT_FDCWD, path, O_RDONLY, 0);
  if (!fd.ok()) return {};
  Bytes buffer(4096);
  const Result<std::size_t> size = real_io().pread(fd->get(), buffer, 0);
  if (!size.ok()) return {};
  std::string text(as_text(ByteView(buffer).first(*size)));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// Field 22 of /proc/<pid>/stat. The program's name, field 2, may hold anything; it ends at the last ")".
std::uint64_t start_ticks_of(std::uint64_t pid) {
  const std::string stat = read_proc(base::cat("/proc/", pid, "/stat"));
  std::size_t at = stat.rfind(')');
  if (at == std::string::npos) return 0;
  for (int field = 2; field < 22; ++field) {
    at = stat.find(' ', at + 1);
    if (at == std::string::npos) return 0;
  }
  const std::string_view rest = std::string_view(stat).substr(at + 1);
  return base::parse_decimal(rest.substr(0, rest.find(' '))).value_or(0);
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

}  // namespace restante::os
