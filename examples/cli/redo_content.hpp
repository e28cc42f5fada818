#pragma once
// The contents that operations name, as `redo dump` shows them.

#include <restante/redo_log.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"
#include "redo_source.hpp"

namespace cli {

struct NamedContent {
  /// "message INBOX/17.M1P1.host", "file .dovecot.sieve", "content".
  std::string what;
  restante::ContentRef content;
};
[[nodiscard]] std::vector<NamedContent> contents_of(const restante::Operation& operation);

/// Hands out the content line by line, printable, or says why it cannot be read. Long lines come in parts.
void show_content(const RedoSource& source, const restante::ContentRef& content,
                  const std::function<void(std::string_view line)>& show);

/// `what`, `digest`, `size`, and with the bytes `base64`, `null` if they cannot be read, with `failure`.
[[nodiscard]] Json json_of(const RedoSource& source, const NamedContent& named, bool bytes);

}  // namespace cli
