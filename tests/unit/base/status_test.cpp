#include <restante/status.hpp>

#include <memory>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"

using namespace restante;

TEST_CASE("Status: success") {
  const Status status;
  CHECK(status.ok());
  CHECK(status.code() == Code::ok);
  CHECK(status.message().empty());
  CHECK(status.hint().empty());
  CHECK(status.to_string() == "ok");
  CHECK(status.with_context("backup").ok());
}

TEST_CASE("Status: a failure says what and what to do") {
  const Status status(Code::busy, "the log is open", "close it");
  CHECK_FALSE(status.ok());
  CHECK(status.code() == Code::busy);
  CHECK(status.to_string() == "the log is open\nhint: close it");
  CHECK(Status(Code::io, "no").to_string() == "no");

  const Status wrapped = status.with_context("alice").with_context("backup");
  CHECK(wrapped.code() == Code::busy);
  CHECK(wrapped.message() == "backup: alice: the log is open");
  CHECK(wrapped.hint() == "close it");
  CHECK(status.message() == "the log is open");

  const Status copy = status;  // NOLINT: a copy is what is tested
  CHECK(copy.to_string() == status.to_string());
}

TEST_CASE("Code: names and numbers are pinned") {
  const std::vector<std::pair<int, std::string_view>> pinned = {
      {0, "ok"},
      {1, "invalid_argument"},
      {2, "not_found"},
      {3, "already_exists"},
      {4, "busy"},
      {5, "needs_recovery"},
      {6, "ambiguous"},
      {7, "no_space"},
      {8, "permission"},
      {9, "io"},
      {10, "damaged"},
      {11, "diverged"},
      {12, "unsupported"},
      {13, "not_durable"},
      {14, "poisoned"},
      {15, "timed_out"},
      {16, "cancelled"},
      {17, "partial"},
      {18, "restore_unfinished"},
      {19, "internal"},
      {20, "no_memory"},
  };
  std::set<std::string_view> names;
  for (const auto& [number, name] : pinned) {
    CHECK(name_of(static_cast<Code>(number)) == name);
    names.insert(name);
  }
  CHECK(names.size() == pinned.size());
  // A new code needs its line above.
  CHECK(name_of(static_cast<Code>(pinned.size())) == "unknown");
}

TEST_CASE("Code: advice") {
  CHECK(advice_for(Code::ok) == Advice::none);
  CHECK(advice_for(Code::busy) == Advice::retry_call);
  CHECK(advice_for(Code::poisoned) == Advice::retry_session);
  CHECK(advice_for(Code::invalid_argument) == Advice::fix_argument);
  CHECK(advice_for(Code::damaged) == Advice::call_person);
  CHECK(advice_for(static_cast<Code>(999)) == Advice::call_person);
}

TEST_CASE("Result: value or failure") {
  Result<std::string> value = std::string("mail");
  CHECK(value.ok());
  CHECK(value.status().ok());
  CHECK(*value == "mail");
  CHECK(value->size() == 4);

  const Result<std::string> failure = Status(Code::not_found, "no such account");
  CHECK_FALSE(failure.ok());
  CHECK(failure.status().code() == Code::not_found);
}

TEST_CASE("Result: what a call answers lives as long as a loop over it") {
  const auto list = [] {
    return Result<std::vector<std::string>>(std::vector<std::string>(3, std::string(100, 'x')));
  };
  static_assert(std::is_same_v<decltype(*list()), std::vector<std::string>>);
  std::size_t bytes = 0;
  for (const std::string& one : *list()) bytes += one.size();
  CHECK(bytes == 300);
}

TEST_CASE("Result: holds what can only be moved") {
  Result<std::unique_ptr<int>> made = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = *std::move(made);
  CHECK(*taken == 7);
}
