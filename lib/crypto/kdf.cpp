#include "crypto/kdf.hpp"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <memory>
#include <new>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "crypto/openssl.hpp"

namespace restante::crypto {
namespace {

struct FreeKdf {
  void operator()(EVP_KDF* kdf) const noexcept { EVP_KDF_free(kdf); }
  void operator()(EVP_KDF_CTX* context) const noexcept { EVP_KDF_CTX_free(context); }
};

std::unique_ptr<EVP_KDF_CTX, FreeKdf> begin_kdf(const char* name) {
  const std::unique_ptr<EVP_KDF, FreeKdf> kdf(EVP_KDF_fetch(library_context(), name, nullptr));
  if (!kdf) throw std::bad_alloc();
  std::unique_ptr<EVP_KDF_CTX, FreeKdf> context(EVP_KDF_CTX_new(kdf.get()));
  if (!context) throw std::bad_alloc();
  return context;
}

// OpenSSL takes parameters by pointers that are not const, and reads them only. It takes no null pointer for
// an empty string.
OSSL_PARAM octets(const char* name, ByteView bytes) {
  static constexpr std::uint8_t kNothing = 0;
  const std::uint8_t* const data = bytes.empty() ? &kNothing : bytes.data();
  return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(data), bytes.size());
}

}  // namespace

void hkdf_sha256(ByteView key, ByteView salt, ByteView info, MutableByteView out) {
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      octets(OSSL_KDF_PARAM_KEY, key),
      octets(OSSL_KDF_PARAM_SALT, salt),
      octets(OSSL_KDF_PARAM_INFO, info),
      OSSL_PARAM_construct_end(),
  };
  require(EVP_KDF_derive(begin_kdf("HKDF").get(), out.data(), out.size(), params));
}

Key256 derive_key(ByteView key, ByteView info) {
  Key256 derived;
  hkdf_sha256(key, {}, info, derived.fill());
  return derived;
}

Status check_scrypt_work(const ScryptWork& work) {
  if (work.log2_n < base::kMinScryptLog2N || work.r == 0 || work.p == 0)
    return Status(
        Code::invalid_argument,
        base::cat("scrypt with N=2^", work.log2_n, ", r=", work.r, ", p=", work.p, " protects no passphrase"),
        base::cat("N is at least 2^", base::kMinScryptLog2N));
  const std::uint64_t memory = work.log2_n > 40 ? UINT64_MAX : (std::uint64_t{128} * work.r) << work.log2_n;
  if (memory > base::kMaxScryptBytes || work.p > base::kMaxScryptP)
    return Status(Code::unsupported, base::cat("scrypt with N=2^", work.log2_n, ", r=", work.r,
                                               ", p=", work.p, " asks for more than is given"));
  return {};
}

Result<Key256> scrypt(ByteView passphrase, ByteView salt, const ScryptWork& work) {
  if (const Status status = check_scrypt_work(work); !status.ok()) return status;
  std::uint64_t n = std::uint64_t{1} << work.log2_n;
  std::uint32_t r = work.r;
  std::uint32_t p = work.p;
  // OpenSSL counts its small blocks too.
  std::uint64_t memory = base::kMaxScryptBytes + (1u << 20);
  OSSL_PARAM params[] = {
      octets(OSSL_KDF_PARAM_PASSWORD, passphrase),
      octets(OSSL_KDF_PARAM_SALT, salt),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
      OSSL_PARAM_construct_end(),
  };
  Key256 key;
  require(EVP_KDF_derive(begin_kdf("SCRYPT").get(), key.fill().data(), key.fill().size(), params));
  return key;
}

}  // namespace restante::crypto
