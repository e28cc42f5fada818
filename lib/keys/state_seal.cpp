#include "keys/state_seal.hpp"

#include "base/text.hpp"
#include "base/wire.hpp"
#include "crypto/aead.hpp"
#include "crypto/curve.hpp"
#include "crypto/kdf.hpp"

namespace restante::keys {
namespace {

constexpr std::string_view kStateMagic = "RSTSTAT1";
constexpr std::size_t kStateHeadBytes = kStateMagic.size() + 32;

crypto::Key256 state_file_key(const crypto::Key256& state_key, const Id128& target, std::string_view name,
                              ByteView salt) {
  Bytes info;
  base::ByteWriter out(info);
  out.raw(as_bytes("restante state 1"));
  out.raw(target);
  out.text(name);
  crypto::Key256 key;
  crypto::hkdf_sha256(state_key.view(), salt, info, key.fill());
  return key;
}

}  // namespace

Result<Bytes> seal_state(const crypto::Key256& state_key, const Id128& target, std::string_view name,
                         ByteView plain) {
  const Result<crypto::Key256> salt = crypto::random_key();
  if (!salt.ok()) return salt.status();
  Bytes sealed;
  sealed.reserve(kStateHeadBytes);
  base::ByteWriter out(sealed);
  out.raw(as_bytes(kStateMagic));
  out.raw(salt->view());
  const Bytes head = sealed;
  crypto::aead_seal(state_file_key(state_key, target, name, salt->view()), {}, head, plain, sealed);
  return sealed;
}

Result<Bytes> open_state(const crypto::Key256& state_key, const Id128& target, std::string_view name,
                         ByteView sealed) {
  Bytes plain;
  const bool whole = sealed.size() >= kStateHeadBytes;
  const ByteView head = sealed.first(whole ? kStateHeadBytes : 0);
  if (!whole || !crypto::aead_open(state_file_key(state_key, target, name, head.subspan(kStateMagic.size())),
                                   {}, head, sealed.subspan(kStateHeadBytes), plain))
    return Status(Code::damaged, base::cat(name, ": not what this key sealed for this target"));
  return plain;
}

}  // namespace restante::keys
