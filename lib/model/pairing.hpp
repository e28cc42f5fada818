#pragma once
// Which messages are the same where message ids do not say it (a Maildir's base names, two servers).

#include <restante/model.hpp>

#include <optional>
#include <utility>
#include <vector>

namespace restante::model {

/// A message of either side or of both; empty is "this side has none".
using MessagePair = std::pair<std::optional<Message>, std::optional<Message>>;

/// Pairs messages of one folder one to one: same content and, if compared, same internal date. Among several
/// candidates those with the same UID (if compared), then those with the same flags, keywords and tags find
/// each other first; the rest is paired in the order of UID and id. The result depends on the two sets alone,
/// not on their order. A message without content stays alone.
[[nodiscard]] std::vector<MessagePair> pair_messages(std::vector<Message> from, std::vector<Message> to,
                                                     FieldSet fields);

}  // namespace restante::model
