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
  /// Writes an element of the list `field` at once, for lists that may not fit in memory. One such list a
  /// document.
  void stream(const char* field, const Json& element);
  /// Writes the rest. Nothing without `--json`.
  void finish(Exit exit, const restante::Status& status);

 private:
  void open_list(const char* field);
  Console& console_;
  std::string command_;
  Json body_ = Json::object();
  bool streaming_ = false;
};

}  // namespace cli
