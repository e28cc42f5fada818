// Key objects, what grants hold, key files, public keys as text, and links of chains. The first byte says
// which. Signatures are put right for those that would not be looked into otherwise. What is read is written
// again and must be the same bytes.

#include <algorithm>

#include "base/wire.hpp"
#include "fuzz.hpp"
#include "keys/chain.hpp"
#include "keys/secrets.hpp"

using namespace restante;

namespace {

constexpr std::size_t kAuthorityAt = 8 + 4 + 16 + 4 + 32 + 8;
constexpr std::size_t kTargetAt = 12;

void entry(ByteView bytes) {
  const Result<keys::KeyEntry> read = keys::decode_entry(bytes, "keys/1");
  if (!read.ok()) return;
  // It has the true authority's signature, or ours.
  const Bytes written = keys::encode_entry(*read, crypto::Key256());
  MUST(written.size() == bytes.size());
  MUST(std::equal(written.begin(), written.end() - 64, bytes.begin()));
  keys::Ledger ledger(read->target);
  if (!ledger.add(bytes, "keys/1").ok()) return;
  MUST(ledger.head().number == 1 && ledger.epochs().size() == 1 && !ledger.holders().empty());
  // Not twice.
  MUST(!ledger.add(bytes, "keys/1").ok() && ledger.head().number == 1);
}

void entry_signed(ByteView bytes) {
  static const crypto::Key256 seed;
  static const crypto::PublicKey authority = crypto::ed25519_public_key(seed);
  if (bytes.size() < kAuthorityAt + authority.size()) return;
  Bytes body(bytes.begin(), bytes.end());
  std::copy(authority.begin(), authority.end(), body.begin() + kAuthorityAt);
  Bytes statement;
  base::ByteWriter out(statement);
  out.raw(as_bytes("restante keys 1"));
  out.raw(ByteView(body));
  const crypto::Signature signature = crypto::ed25519_sign(seed, statement);
  body.insert(body.end(), signature.begin(), signature.end());
  const Result<keys::KeyEntry> read = keys::decode_entry(body, "keys/1");
  if (read.ok()) MUST(keys::encode_entry(*read, seed) == body);
  entry(body);
}

void secrets(ByteView bytes) {
  keys::Secrets read;
  if (!keys::decode_secrets(bytes, read)) return;
  const crypto::SecretBytes written = keys::encode_secrets(read);
  MUST(std::equal(written.view().begin(), written.view().end(), bytes.begin(), bytes.end()));
}

void key_file(ByteView bytes) {
  const Result<crypto::Key256> read = keys::decode_key_file(bytes, "server.key");
  if (read.ok()) MUST(keys::encode_key_file(*read) == as_text(bytes));
}

void public_keys(ByteView bytes) {
  const Result<keys::PublicKeys> read = keys::decode_public_keys(as_text(bytes));
  if (read.ok()) MUST(keys::encode_public_keys(*read) == as_text(bytes));
}

// In a target without keys, where every signature is good and the holder is 0.
void link(ByteView bytes) {
  constexpr std::size_t kHolderAt = kTargetAt + 16;
  if (bytes.size() < kHolderAt + 12) return;
  Bytes mended(bytes.begin(), bytes.end());
  std::fill_n(mended.begin() + kHolderAt, 4, std::uint8_t{0});
  base::ByteReader in(ByteView(mended).subspan(kHolderAt + 4));
  const std::string key = keys::link_key(0, in.u64());
  const Result<keys::ChainLink> read = keys::decode_link(mended, crypto::plain_sealer(), key);
  if (!read.ok()) return;
  const Bytes written = *keys::encode_link(*read, crypto::plain_sealer());
  MUST(written.size() == mended.size());
  MUST(std::equal(written.begin(), written.end() - crypto::kSignatureBytes, mended.begin()));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView bytes(data + 1, size - 1);
  switch (data[0] % 6) {
    case 0: entry(bytes); break;
    case 1: entry_signed(bytes); break;
    case 2: secrets(bytes); break;
    case 3: key_file(bytes); break;
    case 4: public_keys(bytes); break;
    default: link(bytes); break;
  }
  return 0;
}
