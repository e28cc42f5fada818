#include "stores/maildir_subscriptions.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "stores/maildir_attributes.hpp"
#include "stores/mutf7.hpp"

namespace restante::stores {
namespace {

constexpr std::string_view kHeader2 = "V\t2\n\n";
constexpr std::string_view kForbidden("\n\r\t\0", 4);

// "Work\tReports" or "Work.Reports" -> "Work/Reports", decoded if every level can be.
Item item_of_line(std::string_view line, char separator) {
  Item item;
  item.kind = kSubscriptionKind;
  item.id = line;
  std::replace(item.id.begin(), item.id.end(), separator, '/');
  if (const std::optional<std::string> decoded = from_mutf7(item.id)) {
    item.id = *decoded;
  } else {
    item.attributes[attribute::kRawName] = "1";
  }
  return item;
}

std::string line_of_item(const Item& item, char separator) {
  const bool raw = item.attributes.contains(attribute::kRawName) || !is_utf8(item.id);
  std::string line = raw ? item.id : to_mutf7(item.id);
  std::replace(line.begin(), line.end(), '/', separator);
  return line;
}

// Every item behind the one that its attribute names, depth first; what is left over, and loops, in the
// order of ids at the end.
class Order {
 public:
  explicit Order(const std::vector<Item>& items) {
    for (const Item& item : items) {
      const std::string& after = attribute_of(item.attributes, attribute::kAfter);
      followers_[after].insert({item.id, &item});
      all_.insert({item.id, &item});
    }
  }

  std::vector<const Item*> run() {
    take_followers("");
    for (const auto& [id, item] : all_) {
      if (!taken_.contains(id)) {
        take(id, item);
        take_followers(id);
      }
    }
    return std::move(out_);
  }

 private:
  void take(const std::string& id, const Item* item) {
    taken_.insert(id);
    out_.push_back(item);
  }

  // Without recursion: a file of a hundred thousand names is a chain as long.
  void take_followers(const std::string& first) {
    std::vector<std::string> waiting = {first};
    while (!waiting.empty()) {
      const auto followers = followers_.find(waiting.back());
      waiting.pop_back();
      if (followers == followers_.end()) continue;
      for (const auto& [id, item] : followers->second) {
        if (taken_.contains(id)) continue;
        take(id, item);
        waiting.push_back(id);
      }
    }
  }

  std::map<std::string, std::map<std::string, const Item*>> followers_;
  std::map<std::string, const Item*> all_;
  std::set<std::string> taken_;
  std::vector<const Item*> out_;
};

}  // namespace

std::vector<Item> read_subscriptions(std::string_view text) {
  const bool second = text.starts_with("V\t2\n");
  if (second) text.remove_prefix(text.find('\n') + 1);
  std::vector<Item> items;
  std::set<std::string> seen;
  std::string after;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    Item item = item_of_line(text.substr(0, end), second ? '\t' : '.');
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!can_be_subscription(item) || !seen.insert(item.id).second) continue;
    item.attributes[attribute::kFormat] = second ? "2" : "1";
    if (!after.empty()) item.attributes[attribute::kAfter] = after;
    after = item.id;
    items.push_back(std::move(item));
  }
  return items;
}

std::optional<std::vector<Item>> parse_subscriptions(std::string_view text) {
  std::vector<Item> items = read_subscriptions(text);
  if (items.empty() || encode_subscriptions(items) != text) return std::nullopt;
  return items;
}

std::string encode_subscriptions(const std::vector<Item>& items) {
  // What says nothing about the version comes from elsewhere, and follows the rest.
  const bool first = std::any_of(items.begin(), items.end(), [](const Item& item) {
    return attribute_of(item.attributes, attribute::kFormat) == "1";
  });
  std::string out(first ? std::string_view() : kHeader2);
  for (const Item* item : Order(items).run()) {
    if (!can_be_subscription(*item)) continue;
    out += line_of_item(*item, first ? '.' : '\t');
    out.push_back('\n');
  }
  return out;
}

bool can_be_subscription(const Item& item) {
  return item.kind == kSubscriptionKind && !item.id.empty() && item.id.size() <= 1024 &&
         item.id.find_first_of(kForbidden) == std::string::npos;
}

}  // namespace restante::stores
