#include "base/crc32c.hpp"
#include "support/catch.hpp"

using namespace restante;

TEST_CASE("crc32c: known vectors") { CHECK(base::crc32c(as_bytes("123456789")) == 0xe3069283); }
