#include "target/named_content.hpp"

#include <variant>

namespace restante::target {
namespace {

constexpr redo::KindSet kKindsWithOperations =
    redo::kind_bit(redo::RecordKind::begin) | redo::kind_bit(redo::RecordKind::append);

}  // namespace

Status each_named_content(const Operation& operation, const NamedContentFunction& each) {
  if (const auto* put = std::get_if<MessagePut>(&operation)) {
    for (const Message& message : put->messages)
      if (message.content)
        if (Status s = each({*message.content, &message, nullptr}); !s.ok()) return s;
  } else if (const auto* item = std::get_if<ItemPut>(&operation)) {
    if (item->item.content) return each({*item->item.content, nullptr, &item->item});
  }
  return {};
}

Status each_named_content(const redo::SegmentView& view, const LoggedContentFunction& each) {
  redo::RecordFilter filter;
  filter.content_bytes = false;
  filter.kinds = kKindsWithOperations;
  const Result<std::unique_ptr<redo::RecordStream>> stream = view.records(filter);
  if (!stream.ok()) return stream.status();
  redo::Record record;
  for (;;) {
    const Result<bool> more = (*stream)->next(record);
    if (!more.ok()) return more.status();
    if (!*more) return {};
    const Result<redo::OperationsBody> body = redo::decode_operations(record);
    if (!body.ok()) return body.status();
    for (const Operation& operation : body->operations) {
      const Status s = each_named_content(
          operation, [&](const NamedContent& named) { return each(record.account_id(), named); });
      if (!s.ok()) return s;
    }
  }
}

}  // namespace restante::target
