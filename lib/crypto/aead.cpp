#include "crypto/aead.hpp"

#include <openssl/evp.h>

#include <memory>
#include <new>

#include "crypto/openssl.hpp"

namespace restante::crypto {
namespace {

// EVP counts in int.
constexpr std::size_t kCipherStep = 1u << 30;

const EVP_CIPHER* aes_256_gcm() {
  static const EVP_CIPHER* const cipher = [] {
    const EVP_CIPHER* const fetched = EVP_CIPHER_fetch(library_context(), "AES-256-GCM", nullptr);
    if (fetched == nullptr) throw std::bad_alloc();
    return fetched;
  }();
  return cipher;
}

// Wipes what it keeps of the key when it goes.
struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

Cipher begin_cipher(const Key256& key, const AeadNonce& nonce, bool sealing) {
  Cipher cipher(EVP_CIPHER_CTX_new());
  if (!cipher) throw std::bad_alloc();
  require(EVP_CipherInit_ex2(cipher.get(), aes_256_gcm(), key.view().data(), nonce.data(), sealing ? 1 : 0,
                             nullptr));
  return cipher;
}

// Through the cipher; without `out`, as context.
void update(EVP_CIPHER_CTX* cipher, ByteView bytes, std::uint8_t* out) {
  while (!bytes.empty()) {
    const ByteView step = bytes.first(std::min(bytes.size(), kCipherStep));
    int size = 0;
    require(EVP_CipherUpdate(cipher, out, &size, step.data(), static_cast<int>(step.size())));
    if (out != nullptr) out += size;
    bytes = bytes.subspan(step.size());
  }
}

}  // namespace

void aead_seal(const Key256& key, const AeadNonce& nonce, ByteView context, ByteView plain, Bytes& out) {
  const std::size_t begin = out.size();
  out.resize(begin + plain.size() + kAeadTagBytes);
  std::uint8_t* const tag = out.data() + begin + plain.size();
  const Cipher cipher = begin_cipher(key, nonce, true);
  update(cipher.get(), context, nullptr);
  update(cipher.get(), plain, out.data() + begin);
  int size = 0;
  require(EVP_CipherFinal_ex(cipher.get(), tag, &size));
  require(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagBytes, tag));
}

bool aead_open(const Key256& key, const AeadNonce& nonce, ByteView context, ByteView sealed, Bytes& out) {
  if (sealed.size() < kAeadTagBytes) return false;
  const std::size_t begin = out.size();
  const ByteView ciphertext = sealed.first(sealed.size() - kAeadTagBytes);
  std::array<std::uint8_t, kAeadTagBytes> tag;
  std::copy(sealed.end() - kAeadTagBytes, sealed.end(), tag.begin());
  // One byte more, so that there is an address to give for an empty text.
  out.resize(begin + ciphertext.size() + 1);
  const Cipher cipher = begin_cipher(key, nonce, false);
  update(cipher.get(), context, nullptr);
  update(cipher.get(), ciphertext, out.data() + begin);
  require(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagBytes, tag.data()));
  int size = 0;
  const bool authentic = EVP_CipherFinal_ex(cipher.get(), out.data() + begin + ciphertext.size(), &size) == 1;
  // What was not authenticated reaches nobody.
  if (!authentic) wipe(MutableByteView(out).subspan(begin));
  out.resize(authentic ? begin + ciphertext.size() : begin);
  return authentic;
}

}  // namespace restante::crypto
