// The header of a segment. The checksum is put right first, or nothing would get behind it.

#include <algorithm>

#include "fuzz.hpp"
#include "redo/segment_header.hpp"

using namespace restante;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)redo::decode_header_copy(ByteView(data, size), 0);
  // Headers are long and say little: zeros behind them are added here.
  Bytes bytes(data, data + size);
  bytes.resize(std::max<std::size_t>(bytes.size(), 4096), 0);
  fuzz::mend_header(bytes);
  for (std::uint32_t copy = 0; copy < 2; ++copy) {
    Result<redo::SegmentHeader> header = redo::decode_header_copy(bytes, copy);
    if (!header.ok()) continue;
    MUST(header->copy_length <= bytes.size());
    const Bytes first = redo::encode_header(*header);
    MUST(first.size() == header->records_begin());
    Result<redo::SegmentHeader> again = redo::decode_header_copy(first, 0);
    MUST(again.ok());
    MUST(again->open == header->open);
    MUST(redo::decode_header_copy(ByteView(first).subspan(header->copy_length), 1).ok());
    MUST(redo::encode_header(*again) == first);
  }
  return 0;
}
