#include "crypto/secret.hpp"

#include "crypto/openssl.hpp"

namespace restante::crypto {

void wipe(MutableByteView bytes) noexcept { OPENSSL_cleanse(bytes.data(), bytes.size()); }

}  // namespace restante::crypto
