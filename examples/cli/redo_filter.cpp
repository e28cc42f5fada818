#include "redo_filter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <variant>

#include "failure.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::Operation;
using restante::RecordInfo;

constexpr std::array<const char*, 9> kKinds{"begin", "commit", "abort",      "append",     "content",
                                            "touch", "mark",   "clock-step", "incarnation"};

/// "message-put" of "MessagePut".
std::string option_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool capital = c >= 'A' && c <= 'Z';
    if (capital && !out.empty()) out += '-';
    out += capital ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

template <std::size_t... Index>
std::vector<std::string> operation_names(std::index_sequence<Index...>) {
  return {option_name(restante::name_of(Operation(std::in_place_index<Index>)))...};
}

const std::vector<std::string>& operation_names() {
  static const std::vector<std::string> names =
      operation_names(std::make_index_sequence<std::variant_size_v<Operation>>());
  return names;
}

}  // namespace

void RecordFilter::set(const std::vector<std::string>& names) {
  for (const std::string& given : names) {
    const std::string name = option_name(given);
    const std::vector<std::string>& operations = operation_names();
    if (std::find(kKinds.begin(), kKinds.end(), name) != kKinds.end()) {
      kinds_.insert(name);
    } else if (std::find(operations.begin(), operations.end(), name) != operations.end()) {
      operations_.insert(name);
    } else {
      std::vector<std::string> known = operations;
      known.insert(known.end(), kKinds.begin(), kKinds.end());
      fail_usage(fmt::format("--operation: '{}' is unknown", printable(given)),
                 "names are " + list_of(known, known.size()));
    }
  }
}

std::vector<std::string> RecordFilter::kinds() const {
  std::set<std::string> kinds = kinds_;
  // An operation is in the one or the other, and a transaction has its end.
  if (!operations_.empty()) kinds.insert({"begin", "append", "commit", "abort"});
  return {kinds.begin(), kinds.end()};
}

bool RecordFilter::takes_operation(const RecordInfo& record) const {
  return std::any_of(record.operations.begin(), record.operations.end(), [&](const Operation& operation) {
    return operations_.contains(option_name(restante::name_of(operation)));
  });
}

bool RecordFilter::takes(const RecordInfo& record) {
  if (kinds_.empty() && operations_.empty()) return true;
  const bool ends_taken =
      record.kind != "begin" && record.kind != "content" && open_.erase(record.transaction) > 0;
  const bool has_operation = takes_operation(record);
  if (has_operation && record.kind == "begin") open_.insert(record.lsn);
  return has_operation || ends_taken || kinds_.contains(std::string(record.kind));
}

}  // namespace cli
