#pragma once
// The one document that `--json` prints.

#include <restante/status.hpp>

#include <string>

#include "console.hpp"
#include "failure.hpp"
#include "json.hpp"

namespace cli {

/// "done", "failed", "usage", "partial".
[[nodiscard]] std::string_view name_of(Exit exit);

class Answer {
 public:
  Answer(Console& console, std::string command) : console_(console), command_(std::move(command)) {}

  /// Sets a field of the document.
  Json& operator[](const char* field) { return body_[field]; }
  /// Begins the list `field`, whose elements are written at once because they may not fit in memory. One such
  /// list a document.
  void begin_list(const char* field);
  void add(const Json& element);
  /// Writes the rest. Nothing without `--json`.
  void finish(Exit exit, const restante::Status& status);

 private:
  Console& console_;
  std::string command_;
  Json body_ = Json::object();
  bool in_list_ = false;
  bool list_is_empty_ = true;
};

}  // namespace cli
