// What a restore does to subscriptions and to files beside the messages.

#include <algorithm>

#include "base/text.hpp"
#include "os/file.hpp"
#include "stores/maildir_content.hpp"
#include "stores/maildir_sink.hpp"
#include "stores/maildir_subscriptions.hpp"

namespace restante::stores {
namespace {

// What a server counts and notes by itself; old values would be wrong in a mailbox that went on (R17).
bool is_derived(std::string_view path) {
  return path == "maildirsize" || path.starts_with("dovecot-uidvalidity") ||
         path.starts_with("dovecot.mailbox.log");
}

// Whether a link at `path` in a mailbox leads to a place inside it.
bool stays_inside(std::string_view path, std::string_view target) {
  if (target.empty() || target.front() == '/' || target.find('\0') != std::string_view::npos) return false;
  auto depth = std::count(path.begin(), path.end(), '/');
  while (!target.empty()) {
    const std::size_t slash = target.find('/');
    const std::string_view part = target.substr(0, slash);
    if (part == "..") {
      if (--depth < 0) return false;
    } else if (!part.empty() && part != ".") {
      ++depth;
    }
    target.remove_prefix(slash == std::string_view::npos ? target.size() : slash + 1);
  }
  return true;
}

}  // namespace

Status MaildirTransaction::put_item(const Item& item, ContentOpener& content, ElementOutcome& outcome) {
  if (item.kind == kFileKind) return put_file(item, content, outcome);
  if (item.kind != kSubscriptionKind) {
    refuse(outcome, base::cat("a maildir holds no items of kind '", base::escape(item.kind), "'"));
    return {};
  }
  if (!can_be_subscription(item)) {
    refuse(outcome, "a maildir cannot hold a subscription of this name");
    return {};
  }
  load_subscriptions();
  auto found = std::find_if(model_.subscriptions->begin(), model_.subscriptions->end(),
                            [&](const Item& other) { return other.id == item.id; });
  if (found == model_.subscriptions->end()) {
    outcome.outcome = Outcome::created;
    model_.subscriptions->push_back(item);
  } else if (found->attributes != item.attributes) {
    outcome.outcome = Outcome::changed;
    found->attributes = item.attributes;
  } else {
    return {};
  }
  model_.subscriptions_touched = true;
  return {};
}

void MaildirTransaction::load_subscriptions() {
  if (model_.subscriptions) return;
  constexpr std::uint64_t kMaxBytes = 16u << 20;
  const Result<Bytes> bytes = os::read_file(io_, account_.fd.get(), "subscriptions", kMaxBytes);
  model_.subscriptions.emplace();
  if (bytes.ok()) model_.subscriptions = read_subscriptions(as_text(*bytes));
}

std::string MaildirTransaction::why_file_refused(const Item& item) const {
  std::string_view path = item.id;
  std::string name;
  std::size_t levels = 0;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    name = path.substr(0, slash);
    if (!is_file_name(name) || path.ends_with('/')) return "it is no path below a mailbox";
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    ++levels;
  }
  if (levels == 0) return "it is no path below a mailbox";
  if (is_passed_over(name)) return "indexes and locks are not restored";
  if (is_modelled(name) && levels <= 2) return "this file is made from folders and messages";
  const std::string top = item.id.substr(0, item.id.find('/'));
  const bool in_tmp =
      (levels > 1 && top == "tmp") || item.id == "tmp" || item.id == "cur" || item.id == "new";
  if (in_tmp) return "this place belongs to the server";
  const std::string& target = attribute_of(item.attributes, attribute::kSymlink);
  if (item.attributes.contains(attribute::kSymlink) && !stays_inside(item.id, target)) {
    return base::cat("it is a link that leads out of the mailbox, to ", base::escape(target));
  }
  return {};
}

Status MaildirTransaction::put_file(const Item& item, ContentOpener& content, ElementOutcome& outcome) {
  if (std::string why = why_file_refused(item); !why.empty()) {
    refuse(outcome, std::move(why));
    return {};
  }
  if (is_derived(item.id) && model_.identity != Identity::exact) {
    outcome.reason = "the server counts it by itself";
    return {};
  }
  ItemEntry entry;
  entry.record = item;
  const bool was_there = open_file_below(io_, account_.fd.get(), item.id, 0).ok();
  if (MailboxReader::has_content(item)) {
    if (!item.content) {
      refuse(outcome, "its content is not known");
      return {};
    }
    const std::optional<std::int64_t> mtime_ns = mtime_of(item);
    if (Status put = put_content({{}, item.id}, *item.content, item.attributes,
                                 mtime_ns ? &*mtime_ns : nullptr, content, entry.staged, outcome);
        !put.ok() || outcome.outcome == Outcome::refused) {
      return put;
    }
  }
  const auto earlier = model_.items.find(item.id);
  if (earlier != model_.items.end() && !earlier->second.staged.empty()) stage_.remove(earlier->second.staged);
  model_.items[item.id] = std::move(entry);
  model_.removed_items.erase(item.id);
  outcome.outcome = was_there ? Outcome::changed : Outcome::created;
  return {};
}

Status MaildirTransaction::delete_item(const ItemDelete& operation, ElementOutcome& outcome) {
  if (operation.kind == kSubscriptionKind) {
    load_subscriptions();
    const std::size_t gone =
        std::erase_if(*model_.subscriptions, [&](const Item& item) { return item.id == operation.id; });
    if (gone == 0) return {};
    model_.subscriptions_touched = true;
    outcome.outcome = Outcome::removed;
    return {};
  }
  if (operation.kind != kFileKind) return {};
  Item item;
  item.kind = operation.kind;
  item.id = operation.id;
  if (!why_file_refused(item).empty() || is_derived(operation.id)) return {};
  const auto staged = model_.items.find(operation.id);
  if (staged != model_.items.end()) {
    if (!staged->second.staged.empty()) stage_.remove(staged->second.staged);
    model_.items.erase(staged);
  }
  model_.removed_items.insert(operation.id);
  outcome.outcome = Outcome::removed;
  return {};
}

}  // namespace restante::stores
