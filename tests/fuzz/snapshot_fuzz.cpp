// A snapshot of a session (docs/format/target.md). The first byte of the input says how it stands in the
// object: as it is, behind a header and cut into frames whose checksums are made here, or with parts that lie
// anywhere. What is read to its end is written again and must read the same.

#include <algorithm>

#include "base/crc32c.hpp"
#include "base/wire.hpp"
#include "content/content_store.hpp"
#include "crypto/crypto.hpp"
#include "fuzz.hpp"
#include "target/snapshot_file.hpp"

using namespace restante;

namespace {

constexpr std::uint8_t kFramed = 1;      // frames are made of the input
constexpr std::uint8_t kTwoParts = 2;    // the section lies in two parts
constexpr std::uint8_t kAnyParts = 4;    // where the first 32 bytes of the input say
constexpr std::uint8_t kWrongEnd = 8;    // the end frame is not of these frames
constexpr std::uint8_t kTwoFrames = 16;  // the input is cut in the middle
constexpr std::size_t kEndFrameBytes = 12 + 40;
constexpr const char* kAccount = "alice";
const std::string kPrefix = "sessions/full-20070712.155951.123/";

struct Section {
  std::shared_ptr<Storage> storage = make_memory_storage();
  target::SnapshotPlace place;
};

target::SnapshotSite site() { return {fuzz::place_of(0).log, kPrefix}; }

Section write(const std::vector<Operation>& operations) {
  Section section;
  auto publication = section.storage->publication(kPrefix, "sessions_tmp/x/");
  MUST(publication.ok());
  target::SnapshotObjects objects(**publication);
  target::SnapshotWriter writer(objects, site(), 1);
  MUST(writer.begin(kAccount).ok());
  for (const Operation& operation : operations) MUST(writer.put(operation).ok());
  Result<target::SnapshotPlace> place = writer.end();
  MUST(place.ok() && writer.finish().ok() && (*publication)->publish("session.xml", {}).ok());
  section.place = *std::move(place);
  return section;
}

Result<std::vector<Operation>> read(const Section& section) {
  Result<std::unique_ptr<OpStream>> stream =
      target::read_snapshot(section.storage, site(), section.place, kAccount);
  if (!stream.ok()) return stream.status();
  std::vector<Operation> operations;
  Operation operation;
  for (;;) {
    const Result<bool> more = (*stream)->next(operation);
    if (!more.ok()) return more.status();
    if (!*more) return operations;
    operations.push_back(operation);
  }
}

/// The header of a section: what stands before the end frame of an empty one.
const Bytes& header() {
  static const Bytes bytes = [] {
    const Section empty = write({});
    const target::ObjectPart& part = empty.place.parts.front();
    Result<Bytes> object = empty.storage->get(kPrefix + part.object);
    MUST(object.ok() && object->size() > kEndFrameBytes);
    object->resize(object->size() - kEndFrameBytes);
    return *std::move(object);
  }();
  return bytes;
}

class Frames {
 public:
  void add(std::uint32_t raw_length, ByteView stored) {
    Bytes place;
    base::ByteWriter fields(place);
    fields.u64(count_++);
    fields.u32(raw_length);
    fields.u32(static_cast<std::uint32_t>(stored.size()));
    base::ByteWriter out(bytes_);
    out.raw(ByteView(place).subspan(8));
    out.u32(base::crc32c(stored,
                         base::crc32c(place, base::crc32c(ByteView(header()).first(header().size() - 4)))));
    out.raw(stored);
  }
  [[nodiscard]] Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_ = header();
  std::uint64_t count_ = 0;
};

std::uint64_t count_operations(ByteView bytes) {
  std::uint64_t count = 0;
  while (!bytes.empty() && decode(bytes).ok()) ++count;
  return count;
}

Bytes framed(std::uint8_t how, ByteView input) {
  Frames frames;
  const std::size_t cut = (how & kTwoFrames) != 0 ? input.size() / 2 : input.size();
  for (const ByteView raw : {input.first(cut), input.subspan(cut)}) {
    if (!raw.empty()) frames.add(static_cast<std::uint32_t>(raw.size()), content::compress(raw, 1));
  }
  Bytes end;
  base::ByteWriter fields(end);
  fields.u64(count_operations(input) + ((how & kWrongEnd) != 0 ? 1 : 0));
  fields.raw(crypto::sha256(input));
  frames.add(0, end);
  return frames.take();
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kPartsBytes = 32;
  if (size == 0) return 0;
  const std::uint8_t how = data[0];
  ByteView input(data + 1, size - 1);
  const bool any_parts = (how & kAnyParts) != 0 && input.size() >= kPartsBytes;
  base::ByteReader parts(input.first(any_parts ? kPartsBytes : 0));
  input = input.subspan(any_parts ? kPartsBytes : 0);
  const Bytes bytes = (how & kFramed) != 0 ? framed(how, input) : Bytes(input.begin(), input.end());

  Section section;
  const std::size_t cut = (how & kTwoParts) != 0 ? bytes.size() / 3 : bytes.size();
  MUST(section.storage->put(kPrefix + "snapshots/0001.snap", ByteView(bytes).first(cut)).ok());
  MUST(section.storage->put(kPrefix + "snapshots/0002.snap", ByteView(bytes).subspan(cut)).ok());
  section.place.parts = {{"snapshots/0001.snap", 0, cut}, {"snapshots/0002.snap", 0, bytes.size() - cut}};
  section.place.digest = crypto::sha256(input);
  if (any_parts) {
    for (target::ObjectPart& part : section.place.parts) part.offset = parts.u64(), part.length = parts.u64();
  }
  const Result<std::vector<Operation>> operations = read(section);
  if (!operations.ok()) return 0;
  const Result<std::vector<Operation>> again = read(write(*operations));
  MUST(again.ok() && *again == *operations);
  return 0;
}
