// dovecot-uidlist, whatever stands in it: no uid and no file twice, the next uid above all, and what was
// understood is understood again when it was written.

#include <algorithm>
#include <set>

#include "fuzz.hpp"
#include "stores/maildir_uidlist.hpp"

using namespace restante;
using namespace restante::stores;

namespace {

void check(const Uidlist& list) {
  MUST(list.uidvalidity != 0);
  std::set<std::uint32_t> uids;
  std::set<std::string_view> bases;
  for (const UidlistRecord& record : list.records) {
    MUST(record.uid != 0 && uids.insert(record.uid).second);
    MUST(!record.base.empty() && bases.insert(record.base).second);
    MUST(record.uid < list.uidnext || list.uidnext == UINT32_MAX);
  }
}

bool equal(const Uidlist& a, const Uidlist& b) {
  return a.uidvalidity == b.uidvalidity && a.uidnext == b.uidnext && a.guid == b.guid && a.extra == b.extra &&
         std::ranges::equal(a.records, b.records, [](const UidlistRecord& x, const UidlistRecord& y) {
           return x.uid == y.uid && x.extra == y.extra && x.base == y.base;
         });
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::size_t warnings = 0;
  const auto warn = [&](std::string_view text) {
    MUST(!text.empty());
    ++warnings;
  };
  std::optional<Uidlist> list = parse_uidlist(ByteView(data, size), warn);
  if (!list) {
    MUST(warnings > 0);
    return 0;
  }
  check(*list);
  std::ranges::sort(list->records, {}, &UidlistRecord::uid);
  const std::string text = encode_uidlist(*list);
  // A carriage return at the end of the header would be taken for one of every line.
  if (text[text.find('\n') - 1] == '\r') return 0;
  warnings = 0;
  const std::optional<Uidlist> again = parse_uidlist(as_bytes(text), warn);
  MUST(again && warnings == 0 && equal(*list, *again));
  return 0;
}
