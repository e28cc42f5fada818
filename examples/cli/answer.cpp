#include "answer.hpp"

#include <fmt/format.h>

namespace cli {

std::string_view name_of(Exit exit) {
  switch (exit) {
    case kDone: return "done";
    case kFailed: return "failed";
    case kUsage: return "usage";
    case kPartial: return "partial";
  }
  return "failed";
}

void Answer::begin_list(const char* field) {
  if (!console_.json()) return;
  console_.raw(fmt::format("{{\"command\":{},\"{}\":[", Json(command_).dump(), field));
  in_list_ = true;
}

void Answer::add(const Json& element) {
  if (!in_list_) return;
  console_.raw((list_is_empty_ ? "\n" : ",\n") + element.dump());
  list_is_empty_ = false;
}

void Answer::finish(Exit exit, const restante::Status& status) {
  if (!console_.json()) return;
  Json document{{"command", command_}, {"status", name_of(exit)}, {"error", json_of(status)}};
  document["warnings"] = console_.warnings();
  for (auto& [field, value] : body_.items()) document[field] = value;
  if (in_list_) {
    // The list stands open in front: what is left follows it.
    document.erase("command");
    console_.raw("\n]," + document.dump().substr(1) + "\n");
  } else {
    console_.raw(document.dump(2) + "\n");
  }
}

}  // namespace cli
