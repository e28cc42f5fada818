#pragma once
// Words for values of the library that have no name of their own there.

#include <restante/mail_sink.hpp>
#include <restante/restore_plan.hpp>

#include <string_view>

namespace cli {

[[nodiscard]] std::string_view name_of(restante::Identity identity);
[[nodiscard]] std::string_view name_of(restante::Continuity continuity);
[[nodiscard]] std::string_view name_of(restante::RestoreStep::What what);

}  // namespace cli
