#pragma once
// For the files of this folder only: OpenSSL's library context and what answers failures.

#include <openssl/crypto.h>

namespace restante::crypto {

/// What OpenSSL answers here can fail for want of memory only: the algorithm was fetched before.
void require(int answer);

/// One library context for the process. Never freed, because threads of the host may still hash while the
/// process ends.
[[nodiscard]] OSSL_LIB_CTX* library_context();

}  // namespace restante::crypto
