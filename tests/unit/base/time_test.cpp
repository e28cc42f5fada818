#include <restante/time.hpp>

#include <chrono>

#include "base/civil.hpp"
#include "support/catch.hpp"

using namespace restante;

TEST_CASE("Time: RFC 3339 with six decimals") {
  CHECK(Time{0}.to_string() == "1970-01-01T00:00:00.000000Z");
  CHECK(Time{-1}.to_string() == "1969-12-31T23:59:59.999999Z");
  CHECK(Time{1184255991123000}.to_string() == "2007-07-12T15:59:51.123000Z");  // the seed's label
  CHECK(Time::from_seconds(951782400).to_string() == "2000-02-29T00:00:00.000000Z");
  CHECK(Time::from_seconds(4107542400).to_string() == "2100-03-01T00:00:00.000000Z");
  CHECK(Time::from_seconds(-62135596800).to_string() == "0001-01-01T00:00:00.000000Z");
  CHECK(Time::from_seconds(253402300799).to_string() == "9999-12-31T23:59:59.000000Z");
  CHECK(Time{INT64_MAX}.to_string() == "294247-01-10T04:00:54.775807Z");
  CHECK(Time{INT64_MIN}.to_string() == "-290308-12-21T19:59:05.224192Z");
}

TEST_CASE("civil: every day of 400 years, both ways") {
  // A period of the calendar, walked day by day beside the conversion.
  base::Civil expected{1900, 1, 1, 0, 0, 0, 0};
  for (int day = 0; day < 146097; ++day) {
    const Time time{base::time_of(expected).us};
    REQUIRE(base::is_valid(expected));
    REQUIRE(base::civil_of(time) == expected);
    REQUIRE(base::civil_of(Time{time.us + 86'399'999'999}).day == expected.day);
    REQUIRE(time.us == (day - 25567) * INT64_C(86'400'000'000));
    base::Civil next = expected;
    ++next.day;
    if (!base::is_valid(next)) next.day = 1, ++next.month;
    if (!base::is_valid(next)) next.month = 1, ++next.year;
    expected = next;
  }
  CHECK(expected == base::Civil{2300, 1, 1, 0, 0, 0, 0});
}

TEST_CASE("civil: instants survive the round trip") {
  test::Random random("civil");
  for (int i = 0; i < 2000; ++i) {
    // Years 1 to 9999.
    const auto us = static_cast<std::int64_t>(random.below(315'537'897'600'000'000)) - 62'135'596'800'000'000;
    REQUIRE(base::time_of(base::civil_of(Time{us})) == Time{us});
  }
}

TEST_CASE("civil: what is no date or time of day") {
  CHECK(base::is_valid({2024, 2, 29, 23, 59, 59, 999'999}));
  for (const base::Civil& wrong :
       {base::Civil{2026, 2, 29}, base::Civil{1900, 2, 29}, base::Civil{2026, 0, 1}, base::Civil{2026, 13, 1},
        base::Civil{2026, 1, 0}, base::Civil{2026, 4, 31}, base::Civil{2026, 1, 1, 24},
        base::Civil{2026, 1, 1, -1}, base::Civil{2026, 1, 1, 0, 60}, base::Civil{2026, 1, 1, 0, 0, 60},
        base::Civil{2026, 1, 1, 0, 0, 0, 1'000'000}}) {
    INFO(base::date_text(wrong) << ' ' << base::time_of_day_text(wrong));
    CHECK_FALSE(base::is_valid(wrong));
  }
}

TEST_CASE("system_clock: now is now") {
  const auto now = [] {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  const std::int64_t before = now();
  const Time time = system_clock().now();
  const std::int64_t after = now();
  // A second of slack: the machine's clock may be set while this runs.
  CHECK(time.us >= before - 1'000'000);
  CHECK(time.us <= after + 1'000'000);
}
