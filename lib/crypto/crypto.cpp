#include "crypto/crypto.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include <restante/content.hpp>

#include "base/limits.hpp"
#include "crypto/openssl.hpp"

namespace restante {
namespace crypto {

void require(int answer) {
  if (answer != 1) throw std::bad_alloc();
}

OSSL_LIB_CTX* library_context() {
  static OSSL_LIB_CTX* const context = [] {
    OSSL_LIB_CTX* const made = OSSL_LIB_CTX_new();
    if (made == nullptr) throw std::bad_alloc();
    return made;
  }();
  return context;
}

namespace {

constexpr std::size_t kBlockBytes = 64;

// Fetched once: fetching costs more than hashing a short message.
const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const algorithm = [] {
    const EVP_MD* const fetched = EVP_MD_fetch(library_context(), "SHA256", nullptr);
    if (fetched == nullptr) throw std::bad_alloc();
    return fetched;
  }();
  return algorithm;
}

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

class Context {
 public:
  Context() : context_(EVP_MD_CTX_new()) {
    if (!context_) throw std::bad_alloc();
  }
  Context(const Context& other) : Context() { require(EVP_MD_CTX_copy_ex(get(), other.get())); }
  Context& operator=(const Context& other) {
    if (this != &other) require(EVP_MD_CTX_copy_ex(get(), other.get()));
    return *this;
  }

  void begin() { require(EVP_DigestInit_ex2(get(), sha256_algorithm(), nullptr)); }
  void update(ByteView bytes) { require(EVP_DigestUpdate(get(), bytes.data(), bytes.size())); }
  Digest finish() {
    Digest digest;
    require(EVP_DigestFinal_ex(get(), digest.bytes.data(), nullptr));
    return digest;
  }

 private:
  EVP_MD_CTX* get() const noexcept { return context_.get(); }

  std::unique_ptr<EVP_MD_CTX, FreeContext> context_;
};

}  // namespace

struct Sha256::State {
  Context context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { state_->context.begin(); }
Sha256::Sha256(const Sha256& other) : state_(std::make_unique<State>(*other.state_)) {}
Sha256& Sha256::operator=(const Sha256& other) {
  if (this != &other) state_ = std::make_unique<State>(*other.state_);
  return *this;
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(ByteView bytes) { state_->context.update(bytes); }

Digest Sha256::finish() {
  const Digest digest = state_->context.finish();
  state_->context.begin();
  return digest;
}

Digest sha256(ByteView bytes) {
  Digest digest;
  require(EVP_Digest(bytes.data(), bytes.size(), digest.bytes.data(), nullptr, sha256_algorithm(), nullptr));
  return digest;
}

struct HmacSha256Key::State {
  Context inner;  // has taken key xor ipad
  Context outer;  // has taken key xor opad
};

HmacSha256Key::HmacSha256Key(ByteView key) {
  std::array<std::uint8_t, kBlockBytes> block{};
  if (key.size() > kBlockBytes) {
    const Digest shortened = sha256(key);
    std::copy(shortened.bytes.begin(), shortened.bytes.end(), block.begin());
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  auto state = std::make_shared<State>();
  for (std::uint8_t& byte : block) byte ^= 0x36;
  state->inner.begin();
  state->inner.update(block);
  for (std::uint8_t& byte : block) byte ^= 0x36 ^ 0x5c;
  state->outer.begin();
  state->outer.update(block);
  OPENSSL_cleanse(block.data(), block.size());
  state_ = std::move(state);
}

HmacSha256Key::HmacSha256Key(const HmacSha256Key&) = default;
HmacSha256Key& HmacSha256Key::operator=(const HmacSha256Key&) = default;
HmacSha256Key::~HmacSha256Key() = default;

Digest HmacSha256Key::mac(ByteView bytes) const {
  Context context = state_->inner;
  context.update(bytes);
  const Digest inner = context.finish();
  context = state_->outer;
  context.update(inner.bytes);
  return context.finish();
}

struct HmacSha256Key::Mac::State {
  std::shared_ptr<const HmacSha256Key::State> key;
  Context context;
};

HmacSha256Key::Mac::Mac(const HmacSha256Key& key)
    : state_(std::make_unique<State>(State{key.state_, key.state_->inner})) {}
HmacSha256Key::Mac::Mac(Mac&&) noexcept = default;
HmacSha256Key::Mac& HmacSha256Key::Mac::operator=(Mac&&) noexcept = default;
HmacSha256Key::Mac::~Mac() = default;

void HmacSha256Key::Mac::update(ByteView bytes) { state_->context.update(bytes); }

Digest HmacSha256Key::Mac::finish() {
  const Digest inner = state_->context.finish();
  state_->context = state_->key->outer;
  state_->context.update(inner.bytes);
  return state_->context.finish();
}

Status random_bytes(MutableByteView out) {
  constexpr unsigned kStrengthBits = 256;
  if (RAND_priv_bytes_ex(library_context(), out.data(), out.size(), kStrengthBits) == 1) return {};
  return Status(Code::io, "cannot read random bytes: the source has failed");
}

bool equal_in_constant_time(ByteView a, ByteView b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace crypto

inline namespace v0 {

ContentRef content_ref_of(ByteView bytes) { return {crypto::sha256(bytes), bytes.size()}; }

Result<ContentRef> content_ref_of(ContentReader& reader) {
  Bytes buffer(base::kReadStepBytes);
  crypto::Sha256 digest;
  ContentRef content;
  for (;;) {
    const Result<std::size_t> got = reader.read(buffer);
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    digest.update(ByteView(buffer).first(*got));
    content.size += *got;
  }
  content.digest = digest.finish();
  return content;
}

}  // namespace v0
}  // namespace restante
