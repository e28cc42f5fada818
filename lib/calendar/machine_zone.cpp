#include "calendar/machine_zone.hpp"

#include <fcntl.h>

#include <optional>
#include <string_view>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "os/file.hpp"

namespace restante::calendar {
namespace {

// "../usr/share/zoneinfo/Europe/Berlin" -> "Europe/Berlin"
std::optional<std::string> zone_of_link(std::string_view target) {
  constexpr std::string_view kFolder = "zoneinfo/";
  const std::size_t at = target.rfind(kFolder);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view name = target.substr(at + kFolder.size());
  // The same zones stand there a second time, without leap seconds, as everywhere else in restante.
  if (constexpr std::string_view kPosix = "posix/"; name.starts_with(kPosix))
    name.remove_prefix(kPosix.size());
  if (name.empty()) return std::nullopt;
  return std::string(name);
}

std::string first_line(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  const std::size_t end = line.find_last_not_of(" \t\r");
  return std::string(line.substr(0, end == std::string_view::npos ? 0 : end + 1));
}

}  // namespace

Result<std::string> machine_zone_name(os::Io& io, const std::string& etc) {
  const std::string localtime = base::cat(etc, "/localtime");
  const Result<os::FileInfo> info = io.stat_at(AT_FDCWD, localtime);
  const bool absent = !info.ok() && info.status().code() == Code::not_found;
  if (!info.ok() && !absent) return info.status();

  if (info.ok() && info->type == os::FileType::symlink) {
    const Result<std::string> target = io.readlink_at(AT_FDCWD, localtime);
    if (!target.ok()) return target.status();
    if (std::optional<std::string> name = zone_of_link(*target)) return *std::move(name);
  }
  const Result<Bytes> timezone =
      os::read_file(io, AT_FDCWD, base::cat(etc, "/timezone"), base::kMaxZoneFileBytes);
  if (timezone.ok()) {
    if (std::string name = first_line(as_text(*timezone)); !name.empty()) return name;
  } else if (timezone.status().code() != Code::not_found) {
    return timezone.status();
  }
  if (absent) return std::string("UTC");
  return Status(Code::unsupported,
                base::cat("cannot tell the zone of this machine: ", base::escape(localtime),
                          " is not a link into the zone database"),
                base::cat("name the zone in the configuration, or in ", base::escape(etc), "/timezone"));
}

}  // namespace restante::calendar
