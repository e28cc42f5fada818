#include "names.hpp"

namespace cli {

std::string_view name_of(restante::Identity identity) {
  switch (identity) {
    case restante::Identity::exact: return "exact";
    case restante::Identity::keep: return "keep";
    case restante::Identity::renew: return "renew";
  }
  return "?";
}

std::string_view name_of(restante::Continuity continuity) {
  return continuity == restante::Continuity::continued ? "continued" : "reset";
}

std::string_view name_of(restante::RestoreStep::What what) {
  switch (what) {
    case restante::RestoreStep::What::full: return "full";
    case restante::RestoreStep::What::archived_segment: return "archived_segment";
    case restante::RestoreStep::What::live_segment: return "live_segment";
  }
  return "?";
}

}  // namespace cli
