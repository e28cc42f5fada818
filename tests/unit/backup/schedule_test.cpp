#include <restante/schedule.hpp>

#include "support/catch.hpp"

namespace restante::test {
namespace {

Time utc(std::string_view text) {
  const Result<Time> time = parse_time(text, TimeZone());
  REQUIRE_OK(time);
  return *time;
}

std::string next(std::string_view line, std::string_view after, const TimeZone& zone = TimeZone()) {
  const Result<CronLine> parsed = CronLine::parse(line);
  REQUIRE_OK(parsed);
  const Result<Time> time = parsed->next(utc(after), zone);
  REQUIRE_OK(time);
  return time->to_string().substr(0, 16);
}

}  // namespace

TEST_CASE("a cron line names instants as cron does") {
  REQUIRE(next("0 1 * * 6", "2026/07/12 00:00:00") == "2026-07-18T01:00");  // a Sunday; Saturday follows
  REQUIRE(next("0 1 * * 0", "2026/07/12 00:59:59") == "2026-07-12T01:00");
  REQUIRE(next("0 1 * * 7", "2026/07/12 01:00:00") == "2026-07-19T01:00");
  REQUIRE(next("*/15 * * * *", "2026/07/12 10:15:00") == "2026-07-12T10:30");
  REQUIRE(next("0 0 29 feb *", "2026/01/01 00:00:00") == "2028-02-29T00:00");
  REQUIRE(next("30 4 1,15 * 5", "2026/07/02 00:00:00") == "2026-07-03T04:30");  // a Friday, or the 15th
  REQUIRE(next("0 12 * * mon-FRI", "2026/07/11 00:00:00") == "2026-07-13T12:00");
  REQUIRE_CODE(CronLine::parse("0 0 31 2 *")->next(Time{0}, TimeZone()), invalid_argument);
}

TEST_CASE("a cron line in a zone: a skipped hour runs at its end, a repeated one once") {
  const Result<TimeZone> berlin = TimeZone::named("Europe/Berlin");
  REQUIRE_OK(berlin);
  REQUIRE(next("0 1 * * *", "2026/07/12 00:00:00", *berlin) == "2026-07-12T23:00");
  REQUIRE(next("30 2 29 3 *", "2026/03/28 12:00:00", *berlin) == "2026-03-29T01:00");
  REQUIRE(next("30 2 25 10 *", "2026/10/24 12:00:00", *berlin) == "2026-10-25T00:30");
  REQUIRE(next("30 2 * * *", "2026/10/25 00:30:00", *berlin) == "2026-10-26T01:30");
}

TEST_CASE("a cron line that is none is refused with the field's name") {
  for (const char* wrong :
       {"", "0 1 * *", "0 1 * * 6 x", "60 1 * * 6", "0 24 * * 6", "0 1 0 * 6", "0 1 * 13 6", "0 1 * * 8",
        "a 1 * * *", "5-1 * * * *", "*/0 * * * *", "1,,2 * * * *", "1/2 * * * *"}) {
    INFO(wrong);
    const Result<CronLine> line = CronLine::parse(wrong);
    REQUIRE_CODE(line, invalid_argument);
    REQUIRE_FALSE(line.status().hint().empty());
  }
  REQUIRE(CronLine::parse("0 1 * 13 6").status().message().find("month") != std::string::npos);
}

TEST_CASE("retention in the seed's words") {
  REQUIRE(Retention::parse("7d")->before(utc("2026/07/12 10:00:00")) == utc("2026/07/05 10:00:00"));
  REQUIRE(Retention::parse("1m")->before(utc("2026/03/31 10:00:00")) == utc("2026/02/28 10:00:00"));
  REQUIRE(Retention::parse("1y")->before(utc("2028/02/29 10:00:00")) == utc("2027/02/28 10:00:00"));
  REQUIRE(Retention::parse("12m")->to_string() == "12m");
  for (const char* wrong : {"", "d", "7", "0d", "-1d", "7w", "7 d", "99999d"})
    REQUIRE_CODE(Retention::parse(wrong), invalid_argument);
}

TEST_CASE("a schedule is read and written in the seed's form") {
  const std::string text = "f \"0 1 * * 7\" i \"0 1 * * 1-6\" d 7d \"0 0 * * *\"";
  const Result<Schedule> schedule = Schedule::parse(text);
  REQUIRE_OK(schedule);
  REQUIRE(schedule->to_string() == text);
  REQUIRE(schedule->deletion[0].keep.days == 7);
  REQUIRE(Schedule::standard().to_string() == "f \"0 1 * * 6\" i \"0 1 * * 0-5\" d 1m \"0 0 * * *\"");
  REQUIRE(Schedule::parse("d \"0 0 * * *\"")->deletion[0].keep.months == 1);
  for (const char* wrong : {"x \"0 1 * * 7\"", "f", "f \"0 1 * *\"", "f \"0 1 * * 7", "d 7w \"0 0 * * *\""})
    REQUIRE_CODE(Schedule::parse(wrong), invalid_argument);
}

TEST_CASE("a report says what the seed's does") {
  SessionInfo info;
  info.label = "full-20070712.155951.123";
  info.server_name = "server1.example.com";
  info.status = SessionStatus::partial;
  info.first_sequence = 3;
  info.last_sequence = 5;
  SessionAccount alice;
  alice.address = "alice@example.com";
  alice.status = AccountStatus::completed;
  SessionAccount bob;
  bob.address = "bob@example.com";
  bob.status = AccountStatus::error;
  bob.error = "the disk\nbroke";
  info.accounts = {alice, bob};
  const Report report = Report::of(info, TimeZone());
  REQUIRE(report.subject ==
          "restante: full backup of server1.example.com succeeded in part (full-20070712.155951.123)");
  REQUIRE(report.body.find("1 of 2") != std::string::npos);
  REQUIRE(report.body.find("3-5") != std::string::npos);
  REQUIRE(report.body.find("bob@example.com: the disk\\x0abroke") != std::string::npos);
}

}  // namespace restante::test
