#include "crypto/curve.hpp"

#include <openssl/evp.h>

#include <memory>
#include <new>

#include "crypto/crypto.hpp"
#include "crypto/kdf.hpp"
#include "crypto/openssl.hpp"

namespace restante::crypto {
namespace {

constexpr const char* kX25519 = "X25519";
constexpr const char* kEd25519 = "ED25519";
constexpr std::string_view kBoxInfo = "restante box 1";

struct FreePkey {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
using Pkey = std::unique_ptr<EVP_PKEY, FreePkey>;

template <class T>
std::unique_ptr<T, FreePkey> made(T* pointer) {
  if (pointer == nullptr) throw std::bad_alloc();
  return std::unique_ptr<T, FreePkey>(pointer);
}

// Every 32 bytes are a private key of both kinds, and a public one of X25519.
Pkey private_pkey(const char* type, const Key256& key) {
  return made(EVP_PKEY_new_raw_private_key_ex(library_context(), type, nullptr, key.view().data(), 32));
}
Pkey public_pkey(const char* type, const PublicKey& key) {
  return made(EVP_PKEY_new_raw_public_key_ex(library_context(), type, nullptr, key.data(), key.size()));
}

PublicKey public_key_of(const char* type, const Key256& key) {
  const Pkey pkey = private_pkey(type, key);
  PublicKey out;
  std::size_t size = out.size();
  require(EVP_PKEY_get_raw_public_key(pkey.get(), out.data(), &size));
  return out;
}

Key256 box_key(const Key256& shared, const PublicKey& ephemeral, const PublicKey& recipient) {
  Bytes info(kBoxInfo.begin(), kBoxInfo.end());
  info.insert(info.end(), ephemeral.begin(), ephemeral.end());
  info.insert(info.end(), recipient.begin(), recipient.end());
  return derive_key(shared.view(), info);
}

}  // namespace

Result<Key256> random_key() {
  Key256 key;
  if (const Status status = random_bytes(key.fill()); !status.ok()) return status;
  return key;
}

PublicKey x25519_public_key(const Key256& private_key) { return public_key_of(kX25519, private_key); }

std::optional<Key256> x25519_agree(const Key256& private_key, const PublicKey& peer) {
  const Pkey mine = private_pkey(kX25519, private_key);
  const Pkey theirs = public_pkey(kX25519, peer);
  const auto context = made(EVP_PKEY_CTX_new_from_pkey(library_context(), mine.get(), nullptr));
  require(EVP_PKEY_derive_init(context.get()));
  require(EVP_PKEY_derive_set_peer(context.get(), theirs.get()));
  Key256 shared;
  std::size_t size = shared.fill().size();
  // Fails for a result of zeros only.
  if (EVP_PKEY_derive(context.get(), shared.fill().data(), &size) != 1) return std::nullopt;
  return shared;
}

PublicKey ed25519_public_key(const Key256& seed) { return public_key_of(kEd25519, seed); }

Signature ed25519_sign(const Key256& seed, ByteView message) {
  const Pkey key = private_pkey(kEd25519, seed);
  const auto context = made(EVP_MD_CTX_new());
  require(
      EVP_DigestSignInit_ex(context.get(), nullptr, nullptr, library_context(), nullptr, key.get(), nullptr));
  Signature signature;
  std::size_t size = signature.size();
  require(EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()));
  return signature;
}

bool ed25519_verify(const PublicKey& key, ByteView message, const Signature& signature) {
  const Pkey pkey = public_pkey(kEd25519, key);
  const auto context = made(EVP_MD_CTX_new());
  require(EVP_DigestVerifyInit_ex(context.get(), nullptr, nullptr, library_context(), nullptr, pkey.get(),
                                  nullptr));
  return EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

Status seal_box_with(const Key256& ephemeral, const PublicKey& recipient, ByteView context, ByteView plain,
                     Bytes& out) {
  const std::optional<Key256> shared = x25519_agree(ephemeral, recipient);
  if (!shared) return Status(Code::invalid_argument, "nothing can be sealed to this public key");
  const PublicKey public_key = x25519_public_key(ephemeral);
  out.insert(out.end(), public_key.begin(), public_key.end());
  aead_seal(box_key(*shared, public_key, recipient), {}, context, plain, out);
  return {};
}

Status seal_box(const PublicKey& recipient, ByteView context, ByteView plain, Bytes& out) {
  const Result<Key256> ephemeral = random_key();
  if (!ephemeral.ok()) return ephemeral.status();
  return seal_box_with(*ephemeral, recipient, context, plain, out);
}

Result<std::optional<SecretBytes>> open_box(const PublicKey& recipient, const Agree& agree, ByteView context,
                                            ByteView box) {
  std::optional<SecretBytes> opened;
  if (box.size() < kBoxOverheadBytes) return opened;
  PublicKey ephemeral;
  std::copy_n(box.begin(), ephemeral.size(), ephemeral.begin());
  const Result<Key256> shared = agree(ephemeral);
  if (!shared.ok()) return shared.status();
  Bytes plain;
  if (aead_open(box_key(*shared, ephemeral, recipient), {}, context, box.subspan(ephemeral.size()), plain))
    opened.emplace(std::move(plain));
  return opened;
}

std::optional<SecretBytes> open_box(const Key256& private_key, ByteView context, ByteView box) {
  const Agree agree = [&](const PublicKey& peer) -> Result<Key256> {
    // A shared secret of zeros opens nothing that anybody sealed, and is known to all.
    const std::optional<Key256> shared = x25519_agree(private_key, peer);
    if (!shared) return Status(Code::damaged, "a sealed box names no usable public key");
    return *shared;
  };
  Result<std::optional<SecretBytes>> opened = open_box(x25519_public_key(private_key), agree, context, box);
  if (!opened.ok()) return std::nullopt;
  return std::move(*opened);
}

}  // namespace restante::crypto
