// session.xml and status.xml. The last line, which holds the SHA-256 of the rest, is put right for half of
// the inputs, or nothing would get behind it. What is read is written again and must read the same.

#include "crypto/crypto.hpp"
#include "fuzz.hpp"
#include "target/session_file.hpp"

using namespace restante;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)target::decode_session(ByteView(data, size), "session.xml");
  const Result<target::SessionRecord> record =
      target::decode_session(fuzz::sealed_xml(ByteView(data, size)), "session.xml");
  if (!record.ok()) return 0;
  const Bytes first = *target::encode_session(*record);
  const Result<target::SessionRecord> again = target::decode_session(first, "session.xml");
  MUST(again.ok() && *target::encode_session(*again) == first);
  MUST(again->info.accounts.size() == record->info.accounts.size());
  for (std::size_t i = 0; i < again->info.accounts.size(); ++i) {
    MUST(again->info.accounts[i].id == record->info.accounts[i].id);
    MUST(again->info.accounts[i].error == record->info.accounts[i].error);
  }
  return 0;
}
