// An archived segment: as it is, or made of the pieces in the input (archive_pieces.hpp). The first byte says
// which. Reading ends, gives records of this segment alone, and by account no others.

#include "archive_pieces.hpp"
#include "redo/segment_index.hpp"
#include "target/segment_archive.hpp"

using namespace restante;

namespace {

constexpr const char* kKey = "redologs/x/redo-0000000003.log";
const Id128 kTarget = fuzz::place_of(0).log;

std::size_t read_records(const redo::SegmentView& view, const redo::RecordFilter& filter, std::size_t limit) {
  Result<std::unique_ptr<redo::RecordStream>> stream = view.records(filter);
  MUST(stream.ok());
  redo::Record record;
  std::size_t count = 0;
  for (std::size_t steps = 0;; ++steps) {
    MUST(steps <= limit);
    const Result<bool> more = (*stream)->next(record);
    if (!more.ok()) {
      MUST(!(*stream)->damage().what.empty());
      continue;
    }
    if (!*more) return count;
    ++count;
    MUST(redo::decode_record(record.bytes, view.header().place(record.offset)).ok());
    MUST(filter.account_id.empty() || record.account_id() == filter.account_id);
    MUST(record.head.lsn > filter.after && record.head.lsn <= filter.until);
  }
}

void read(const redo::SegmentView& view, std::size_t size) {
  // A frame may be listed more than once for an account, and holds less than a record a byte.
  const std::size_t limit = 2 * size * (size + 1);
  redo::RecordFilter filter;
  const std::size_t all = read_records(view, filter, limit);
  filter.account_id = "alice";
  filter.after = 2;
  filter.until = 7;
  (void)read_records(view, filter, limit);
  (void)view.info();
  (void)view.held_stretches();
  const Result<redo::Record> last = view.record(view.last_lsn(), 0);
  if (last.ok()) MUST(last->head.lsn == view.last_lsn());
  const Result<std::vector<std::string>> accounts = target::accounts_in(view);
  if (accounts.ok()) MUST(accounts->size() <= all);
  const Result<std::vector<ContentRef>> contents = target::archived_contents(view);
  MUST(contents.ok());
  for (const ContentRef& content : *contents) {
    const auto place = view.find_content(content);
    MUST(place.ok() && place->has_value() && (*place)->content == content);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  const Bytes object = (data[0] & 1) == 0 ? fuzz::ArchivePieces::decode(input).join(kTarget)
                                          : Bytes(input.begin(), input.end());
  const std::shared_ptr<Storage> storage = make_memory_storage();
  MUST(storage->put(kKey, object).ok());
  const Result<std::shared_ptr<const redo::SegmentView>> view =
      target::open_archived_segment(storage, kKey, {kTarget});
  if (view.ok()) read(**view, size);
  return 0;
}
