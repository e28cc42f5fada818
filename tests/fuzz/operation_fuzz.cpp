// Operations (docs/format/operations.md): there is one encoding, so what decodes encodes to the same bytes.

#include <restante/operation.hpp>

#include <algorithm>

#include "fuzz.hpp"

using namespace restante;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView all(data, size);
  for (ByteView left = all; !left.empty();) {
    const ByteView before = left;
    const Result<Operation> operation = decode(left);
    if (!operation.ok()) {
      MUST(left.data() == before.data() && left.size() == before.size());
      return 0;
    }
    MUST(left.size() < before.size());
    Bytes again;
    encode(*operation, again);
    MUST(std::ranges::equal(again, before.first(before.size() - left.size())));
    (void)validate(*operation);
  }
  return 0;
}
