#include "support/catch.hpp"

using namespace restante;

TEST_CASE("Id128: random ids differ") {
  Result<Id128> a = Id128::random();
  REQUIRE_OK(a);
  CHECK(*a != *Id128::random());
}
