// The files beside the segments: the list of consumers, and what says whether a control file can be believed.

#include "base/crc32c.hpp"
#include "fuzz.hpp"
#include "redo/consumers.hpp"
#include "redo/control_file.hpp"

using namespace restante;

namespace {

void check(ByteView bytes) {
  const Result<redo::ConsumerList> list = redo::decode_consumers(bytes);
  if (!list.ok()) return;
  const Bytes encoded = redo::encode_consumers(*list);
  const Result<redo::ConsumerList> again = redo::decode_consumers(encoded);
  MUST(again.ok() && again->consumers.size() == list->consumers.size());
  MUST(redo::encode_consumers(*again) == encoded);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, data + size);
  check(bytes);
  if (size >= 4) {
    fuzz::put_u32(bytes, size - 4, base::crc32c(ByteView(bytes).first(size - 4)));
    check(bytes);
  }
  const std::optional<redo::ControlIdentity> identity = redo::decode_identity(ByteView(data, size));
  if (!identity) return 0;
  const Bytes again = redo::encode_identity(*identity);
  MUST(again.size() <= size && std::equal(again.begin(), again.end(), data));
  return 0;
}
