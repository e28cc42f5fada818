// The other names and small files of a Maildir. The first byte of the input says which: dovecot-keywords,
// subscriptions, a folder's directory, a message's file, an account's address.

#include <algorithm>

#include "fuzz.hpp"
#include "stores/maildir_keywords.hpp"
#include "stores/maildir_names.hpp"
#include "stores/maildir_pattern.hpp"
#include "stores/maildir_subscriptions.hpp"
#include "stores/mutf7.hpp"

using namespace restante;
using namespace restante::stores;

namespace {

void keywords(std::string_view text) {
  const KeywordMap map = KeywordMap::parse(text);
  const KeywordMap again = KeywordMap::parse(map.encode());
  MUST(again.encode() == map.encode());
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    const std::string& name = map.name_of(letter);
    MUST(again.name_of(letter) == name);
    MUST(name.empty() || map.letter_of(name) == letter);
  }
}

void subscriptions(std::string_view text) {
  if (const std::optional<std::vector<Item>> items = parse_subscriptions(text)) {
    MUST(encode_subscriptions(*items) == text);
  }
  const std::vector<Item> items = read_subscriptions(text);
  for (const Item& item : items) MUST(can_be_subscription(item));
  const std::string once = encode_subscriptions(items);
  MUST(encode_subscriptions(read_subscriptions(once)) == once);
}

void folder(std::string_view dir) {
  const std::vector<FolderLevel> levels = parse_folder_dir(dir);
  if (levels.empty()) return;
  std::string again;
  for (const FolderLevel& level : levels) {
    const std::optional<std::string> part = folder_dir_part(level);
    if (!part) return;  // a directory has no such name: '/', a zero byte, too long
    again += "." + *part;
  }
  MUST(again == dir);
}

void message(std::string_view file) {
  const MessageFileName name = parse_message_file_name(file);
  if (!file.empty()) MUST(!name.base.empty() && !uidlist_key(file).empty());
  if (!is_base_name(name.base)) return;
  for (const bool in_new : {false, true}) {
    const MessageFileName again = parse_message_file_name(message_file_name(name, in_new));
    // In new/ a name without letters has no suffix, and its end may look like a foreign one.
    if (in_new && again.base != name.base) continue;
    MUST(again.base == name.base && again.flags == name.flags);
    MUST(again.keyword_letters == name.keyword_letters && again.other_letters == name.other_letters);
  }
}

void address(std::string_view text) {
  static const AccountPattern patterns[] = {
      *AccountPattern::parse("/srv/mail/%d/%n/Maildir", ""), *AccountPattern::parse("/srv/%n@%d.box", ""),
      *AccountPattern::parse("/srv/mail", "example.com"), *AccountPattern::parse("/m/%d/%u", "")};
  for (const AccountPattern& pattern : patterns) {
    const Result<std::vector<std::string>> path = pattern.path_of(text);
    if (!path.ok()) continue;
    MUST(path->size() == pattern.depth());
    for (const std::string& name : *path) MUST(is_file_name(name));
    AddressParts parts;
    AddressParts other;
    for (std::size_t i = 0; i < path->size(); ++i) (void)pattern.match(i, (*path)[i], parts);
    (void)pattern.address_of(parts);
    (void)pattern.match(0, text, other);
  }
}

void utf7(std::string_view text) {
  if (const std::optional<std::string> name = from_mutf7(text)) MUST(to_mutf7(*name) == text);
  if (is_utf8(text)) MUST(from_mutf7(to_mutf7(text)) == text);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = as_text(ByteView(data + 1, size - 1));
  switch (data[0] % 6) {
    case 0: keywords(text); break;
    case 1: subscriptions(text); break;
    case 2: folder(text); break;
    case 3: message(text); break;
    case 4: address(text); break;
    default: utf7(text); break;
  }
  return 0;
}
