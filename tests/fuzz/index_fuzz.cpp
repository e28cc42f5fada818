// The index of a sealed segment and its footer. The first byte says which part the rest is; checksums are put
// right where they stand in front of what is to be decoded.

#include "base/crc32c.hpp"
#include "fuzz.hpp"
#include "redo/segment_index.hpp"

using namespace restante;

namespace {

constexpr std::size_t kFooterCrcAt = 128;
constexpr std::size_t kTableAt = 8;
constexpr std::size_t kTableEntry = 24;

void footer(Bytes bytes) {
  if (bytes.size() == redo::kFooterBytes)
    fuzz::put_u32(bytes, kFooterCrcAt, base::crc32c(ByteView(bytes).first(kFooterCrcAt)));
  const Result<redo::SegmentFooter> decoded = redo::decode_footer(bytes);
  if (!decoded.ok()) return;
  const Bytes again = redo::encode_footer(*decoded);
  MUST(again.size() == redo::kFooterBytes);
  MUST(std::equal(again.begin(), again.begin() + kFooterCrcAt, bytes.begin()));
}

void sections(Bytes bytes) {
  const std::size_t count = bytes.empty() ? 0 : bytes[0];
  if (bytes.size() >= kTableAt && count * kTableEntry <= bytes.size() - kTableAt)
    fuzz::put_u32(bytes, 4, base::crc32c(ByteView(bytes).subspan(kTableAt, count * kTableEntry)));
  const Result<std::vector<redo::Section>> decoded = redo::decode_sections(bytes);
  if (decoded.ok()) MUST(decoded->size() * kTableEntry + kTableAt <= bytes.size());
}

void accounts(ByteView bytes) {
  const Result<std::vector<redo::AccountEntry>> decoded = redo::decode_accounts(bytes);
  if (!decoded.ok()) return;
  std::size_t needed = 4;
  for (const redo::AccountEntry& entry : *decoded) needed += 2 + entry.account_id.size() + 56;
  MUST(needed <= bytes.size());
}

/// As the pages, and as one of them.
void pages(ByteView bytes) {
  const Result<std::vector<redo::AccountPage>> decoded = redo::decode_account_pages(bytes);
  if (decoded.ok()) {
    (void)redo::page_with(*decoded, "alice");
    std::size_t needed = 4;
    for (const redo::AccountPage& page : *decoded) needed += 2 + page.first_account_id.size() + 16;
    MUST(needed <= bytes.size());
  }
  redo::AccountPage page;
  page.crc = base::crc32c(bytes);
  const Result<std::optional<redo::AccountEntry>> found = redo::find_in_page(bytes, page, "alice");
  if (found.ok() && *found) MUST((*found)->account_id == "alice");
}

void list(ByteView bytes) {
  if (bytes.size() < 4) return;
  redo::AccountEntry account;
  account.record_count = bytes[0];
  account.list_length = static_cast<std::uint32_t>(bytes.size() - 1);
  const ByteView encoded = bytes.subspan(1);
  account.list_crc = base::crc32c(encoded);
  account.kinds = redo::kAllKinds;
  account.last_lsn = UINT64_MAX;
  const Result<std::vector<redo::IndexEntry>> decoded = redo::decode_list(encoded, account);
  if (decoded.ok()) MUST(decoded->size() == account.record_count);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView bytes(data + 1, size - 1);
  switch (data[0]) {
    case 0: footer(Bytes(bytes.begin(), bytes.end())); break;
    case 1: accounts(bytes); break;
    case 2: list(bytes); break;
    case 3: (void)redo::decode_contents(bytes); break;
    case 4: (void)redo::decode_sparse(bytes); break;
    case 5: (void)redo::decode_gaps(bytes); break;
    case 6: (void)redo::decode_held(bytes); break;
    case 8: pages(bytes); break;
    default: sections(Bytes(bytes.begin(), bytes.end())); break;
  }
  return 0;
}
