// accounts.xml, and the text of the XML files: what base64 keeps comes back as it was.

#include "fuzz.hpp"
#include "target/session_file.hpp"
#include "target/xml_text.hpp"

using namespace restante;

namespace {

/// Any bytes as an account's id and address.
void any_bytes(std::string_view bytes) {
  const std::size_t half = bytes.size() / 2;
  const std::vector<TargetAccount> accounts = {
      {std::string(bytes.substr(0, half)), std::string(bytes.substr(half)), "full-1", 7}};
  const Result<std::vector<TargetAccount>> read =
      target::decode_accounts(*target::encode_accounts(accounts), "accounts.xml");
  MUST(read.ok() && read->size() == 1);
  MUST(read->front().id == accounts[0].id && read->front().address == accounts[0].address);
  MUST(target::from_base64(target::to_base64(as_bytes(bytes))).value() ==
       Bytes(as_bytes(bytes).begin(), as_bytes(bytes).end()));
  if (const std::optional<Bytes> decoded = target::from_base64(bytes)) {
    MUST(decoded->size() <= bytes.size());
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  any_bytes(as_text(bytes));
  (void)target::decode_accounts(bytes, "accounts.xml");
  const Result<std::vector<TargetAccount>> accounts =
      target::decode_accounts(fuzz::sealed_xml(bytes), "accounts.xml");
  if (!accounts.ok()) return 0;
  const Bytes first = *target::encode_accounts(*accounts);
  const Result<std::vector<TargetAccount>> again = target::decode_accounts(first, "accounts.xml");
  MUST(again.ok() && again->size() == accounts->size());
  for (std::size_t i = 0; i < again->size(); ++i) {
    MUST((*again)[i].id == (*accounts)[i].id && (*again)[i].address == (*accounts)[i].address);
  }
  MUST(*target::encode_accounts(*again) == first);
  return 0;
}
