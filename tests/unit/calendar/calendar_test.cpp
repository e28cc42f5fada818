#include "support/catch.hpp"

#include <restante/time.hpp>

#include <fcntl.h>

#include <cstdlib>
#include <filesystem>

#include "calendar/machine_zone.hpp"
#include "os/file.hpp"

using namespace restante;

namespace {

// What the text means in the zone, printed in UTC, or the name of the failure.
std::string parsed(std::string_view text, const TimeZone& zone = {}) {
  const Result<Time> time = parse_time(text, zone);
  return time.ok() ? time->to_string() : std::string(name_of(time.status().code()));
}

TimeZone berlin() {
  Result<TimeZone> zone = TimeZone::named("Europe/Berlin");
  REQUIRE_OK(zone);
  return *zone;
}

}  // namespace

TEST_CASE("parse_time: every form") {
  CHECK(parsed("2026/07/12 15:59:51") == "2026-07-12T15:59:51.000000Z");
  CHECK(parsed("2026/07/12 15:59:51.123") == "2026-07-12T15:59:51.123000Z");
  CHECK(parsed("2026/07/12-15:59:51") == "2026-07-12T15:59:51.000000Z");
  CHECK(parsed("2026/07/12-15:59:51-123") == "2026-07-12T15:59:51.123000Z");
  CHECK(parsed("20260712.155951") == "2026-07-12T15:59:51.000000Z");
  CHECK(parsed("20260712.155951.123") == "2026-07-12T15:59:51.123000Z");
  CHECK(parsed("20260712155951") == "2026-07-12T15:59:51.000000Z");
  CHECK(parsed("20260712155951123") == "2026-07-12T15:59:51.123000Z");
  CHECK(parsed("2026-07-12T15:59:51") == "2026-07-12T15:59:51.000000Z");
  CHECK(parsed("2026-07-12T15:59:51.123456") == "2026-07-12T15:59:51.123456Z");
}

TEST_CASE("parse_time: fractions of a second keep their place") {
  CHECK(parsed("2026-07-12T00:00:00.000001Z") == "2026-07-12T00:00:00.000001Z");
  CHECK(parsed("2026-07-12T00:00:00.999999Z") == "2026-07-12T00:00:00.999999Z");
  CHECK(parsed("2026-07-12T00:00:00.5Z") == "2026-07-12T00:00:00.500000Z");
  CHECK(parsed("2026-07-12T00:00:00.0123Z") == "2026-07-12T00:00:00.012300Z");
  CHECK(parsed("2026-07-12T00:00:00.1234567Z") == "invalid_argument");
  CHECK(parsed("2026-07-12T00:00:00.Z") == "invalid_argument");
  CHECK(parsed("2026/07/12 15:59:51.12") == "invalid_argument");
  CHECK(parsed("2026/07/12 15:59:51.1234") == "invalid_argument");
}

TEST_CASE("parse_time: what Time prints is read back") {
  test::Random random("parse_time round trip");
  for (int i = 0; i < 200; ++i) {
    const Time time{static_cast<std::int64_t>(random.below(4'000'000'000'000'000))};
    const Result<Time> again = parse_time(time.to_string(), berlin());
    REQUIRE_OK(again);
    REQUIRE(*again == time);
  }
}

TEST_CASE("parse_time: strict") {
  for (const char* const text : {"",
                                 "Z",
                                 "now",
                                 "2026",
                                 "2026/07/12",
                                 "2026/07/12 15:59",
                                 "2026/07/12 15:59:51 ",
                                 " 2026/07/12 15:59:51",
                                 "2026/07/12 15:59:51x",
                                 "2026/07/12 15:59:51z",
                                 "2026/07/12 15:59:51ZZ",
                                 "2026/07/12T15:59:51",
                                 "2026-07-12 15:59:51",
                                 "2026/7/12 15:59:51",
                                 "2026/07/12  15:59:51",
                                 "2026/07/12 +5:59:51",
                                 "2026/07/12 15:59:-1",
                                 "2026/07-12 15:59:51",
                                 "20260712 155951",
                                 "2026071215595",
                                 "202607121559511",
                                 "2026071215595112",
                                 "20260712155951.123",
                                 "20260712.155951123",
                                 "2026/07/12-15:59:51.123",
                                 "2026/07/12 15:59:51-123",
                                 "2026-07-12T15:59:51+02:00",
                                 "02026/07/12 15:59:51"}) {
    INFO(text);
    CHECK(parsed(text) == "invalid_argument");
  }
  CHECK(parsed(std::string_view("2026/07/12 15:59:51\0", 20)) == "invalid_argument");
}

TEST_CASE("parse_time: dates and times of day that do not exist") {
  for (const char* const text :
       {"2026/02/29 00:00:00", "2026/02/30 00:00:00", "2100/02/29 00:00:00", "2026/04/31 00:00:00",
        "2026/00/01 00:00:00", "2026/13/01 00:00:00", "2026/01/00 00:00:00", "2026/01/32 00:00:00",
        "2026/01/01 24:00:00", "2026/01/01 23:60:00", "2026/12/31 23:59:60"}) {
    INFO(text);
    CHECK(parsed(text) == "invalid_argument");
  }
  CHECK(parsed("2024/02/29 00:00:00") == "2024-02-29T00:00:00.000000Z");
  CHECK(parsed("2000/02/29 23:59:59.999") == "2000-02-29T23:59:59.999000Z");
}

TEST_CASE("parse_time: the zone applies unless Z stands behind") {
  CHECK(parsed("2026/07/12 15:59:51", berlin()) == "2026-07-12T13:59:51.000000Z");
  CHECK(parsed("2026/01/12 15:59:51", berlin()) == "2026-01-12T14:59:51.000000Z");
  CHECK(parsed("2026/07/12 15:59:51Z", berlin()) == "2026-07-12T15:59:51.000000Z");
  CHECK(parsed("20260712.155951.123Z", berlin()) == "2026-07-12T15:59:51.123000Z");
  CHECK(parsed("20260712155951123Z", berlin()) == "2026-07-12T15:59:51.123000Z");
}

TEST_CASE("parse_time: a time that a clock change skipped") {
  CHECK(parsed("2026/03/29 01:59:59.999", berlin()) == "2026-03-29T00:59:59.999000Z");
  CHECK(parsed("2026/03/29 03:00:00", berlin()) == "2026-03-29T01:00:00.000000Z");
  const Result<Time> skipped = parse_time("2026/03/29 02:30:00", berlin());
  REQUIRE_CODE(skipped, invalid_argument);
  CHECK(skipped.status().message() ==
        "'2026/03/29 02:30:00' did not happen in Europe/Berlin: a clock change skipped it");
  CHECK(parsed("2026/03/29 02:00:00", berlin()) == "invalid_argument");
  CHECK(parsed("2026/03/29 02:59:59.999", berlin()) == "invalid_argument");
}

TEST_CASE("parse_time: a time that a clock change repeated offers both instants") {
  CHECK(parsed("2026/10/25 01:59:59.999", berlin()) == "2026-10-24T23:59:59.999000Z");
  CHECK(parsed("2026/10/25 03:00:00", berlin()) == "2026-10-25T02:00:00.000000Z");
  const Result<Time> twice = parse_time("2026/10/25 02:30:00.250", berlin());
  REQUIRE_CODE(twice, ambiguous);
  CHECK(twice.status().message() ==
        "'2026/10/25 02:30:00.250' happened twice in Europe/Berlin: 2026-10-25T00:30:00.250000Z and "
        "2026-10-25T01:30:00.250000Z");
  CHECK(parsed("2026/10/25 02:00:00", berlin()) == "ambiguous");
  CHECK(parsed("2026/10/25 02:30:00Z", berlin()) == "2026-10-25T02:30:00.000000Z");
}

TEST_CASE("parse_time: the hint lists the forms, and the message escapes what it quotes") {
  const Status failed = parse_time("yester\nday", {}).status();
  CHECK(failed.message() == "'yester\\x0aday' is not a time");
  CHECK(failed.hint().find("YYYYMMDD.hhmmss[.SSS]") != std::string::npos);
}

TEST_CASE("TimeZone: instants of a local time") {
  CHECK(berlin().instants_of(2026, 3, 29, 2, 30, 0, 0).empty());
  CHECK(berlin().instants_of(2026, 2, 30, 0, 0, 0, 0).empty());
  CHECK(berlin().instants_of(2026, 7, 12, 24, 0, 0, 0).empty());
  const std::vector<Time> twice = berlin().instants_of(2026, 10, 25, 2, 0, 0, 7);
  REQUIRE(twice.size() == 2);
  CHECK(twice[0].to_string() == "2026-10-25T00:00:00.000007Z");
  CHECK(twice[1].to_string() == "2026-10-25T01:00:00.000007Z");
  CHECK(TimeZone().instants_of(2026, 3, 29, 2, 30, 0, 0).size() == 1);
}

TEST_CASE("TimeZone: format") {
  const Time time = *parse_time("2026-07-12T15:59:51.123999Z", {});
  CHECK(berlin().format(time) == "2026-07-12 17:59:51.123 CEST");
  CHECK(TimeZone().format(time) == "2026-07-12 15:59:51.123 UTC");
  CHECK(berlin().format(*parse_time("2026-01-01T00:00:00Z", {})) == "2026-01-01 01:00:00.000 CET");
  CHECK(TimeZone::named("Asia/Kolkata")->format(Time{-1}) == "1970-01-01 05:29:59.999 IST");
  // The ends of the range have a text too.
  CHECK_FALSE(berlin().format(Time{INT64_MAX}).empty());
  CHECK_FALSE(berlin().format(Time{INT64_MIN}).empty());
}

TEST_CASE("TimeZone: rules reach beyond the present") {
  CHECK(berlin().format(*parse_time("2036-07-01T00:00:00Z", {})) == "2036-07-01 02:00:00.000 CEST");
}

TEST_CASE("TimeZone: names") {
  CHECK(TimeZone().name() == "UTC");
  CHECK(berlin().name() == "Europe/Berlin");
  REQUIRE_OK(TimeZone::named("UTC"));
  REQUIRE_OK(TimeZone::named("Etc/UTC"));
  for (const char* const name : {"", "Europe", "Europe/Atlantis", "europe/berlin", "../Europe/Berlin",
                                 "/etc/localtime", "Europe/Berlin "}) {
    INFO(name);
    REQUIRE_CODE(TimeZone::named(name), not_found);
  }
}

TEST_CASE("TimeZone: of_machine does not read TZ") {
  const Result<TimeZone> before = TimeZone::of_machine();
  REQUIRE_OK(before);
  REQUIRE(::setenv("TZ", before->name() == "Asia/Tokyo" ? "Asia/Kolkata" : "Asia/Tokyo", 1) == 0);
  const Result<TimeZone> after = TimeZone::of_machine();
  ::unsetenv("TZ");
  REQUIRE_OK(after);
  CHECK(after->name() == before->name());
}

TEST_CASE("machine zone: where the name comes from") {
  test::ScratchDir etc;
  const auto name = [&] { return calendar::machine_zone_name(os::real_io(), etc.path().string()); };
  const auto write = [&](const char* file, std::string_view text) {
    REQUIRE_OK(os::publish_file(os::real_io(), AT_FDCWD, etc.file(file), as_bytes(text), 0644));
  };

  SECTION("neither file: UTC") { CHECK(*name() == "UTC"); }
  SECTION("a link, relative or absolute") {
    std::filesystem::create_symlink("../usr/share/zoneinfo/America/Argentina/Ushuaia", etc.file("localtime"));
    CHECK(*name() == "America/Argentina/Ushuaia");
  }
  SECTION("the link wins over the file, and may dangle") {
    std::filesystem::create_symlink("/usr/share/zoneinfo/posix/Europe/Berlin", etc.file("localtime"));
    write("timezone", "Asia/Tokyo\n");
    CHECK(*name() == "Europe/Berlin");
  }
  SECTION("a copy, with the file beside it") {
    write("localtime", "TZif2");
    write("timezone", "Asia/Tokyo \n");
    CHECK(*name() == "Asia/Tokyo");
  }
  SECTION("a copy that does not tell") {
    write("localtime", "TZif2");
    REQUIRE_CODE(name(), unsupported);
    write("timezone", "\n");
    REQUIRE_CODE(name(), unsupported);
  }
  SECTION("the file alone") {
    write("timezone", "Asia/Tokyo");
    CHECK(*name() == "Asia/Tokyo");
  }
}
