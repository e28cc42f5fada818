#pragma once
// Which zone this machine keeps.

#include <restante/status.hpp>

#include <string>

#include "os/io.hpp"

namespace restante::calendar {

/// The name of the zone that `etc`/localtime links to, else the one in `etc`/timezone, "UTC" when neither
/// file exists. `unsupported` when localtime is a copy that does not tell its name.
[[nodiscard]] Result<std::string> machine_zone_name(os::Io& io, const std::string& etc);

}  // namespace restante::calendar
