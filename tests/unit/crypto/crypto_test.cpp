#include "support/catch.hpp"

#include <restante/content.hpp>

using namespace restante;

TEST_CASE("content_ref_of: SHA-256") {
  CHECK(content_ref_of(as_bytes("abc")).digest.to_string() ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
