#pragma once
// Catch2 of either version 2 (Debian 12) or 3.

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/catch_tostring.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_all.hpp>
#define RESTANTE_CATCH 3
#else
#include <catch2/catch.hpp>
#define RESTANTE_CATCH 2
#endif

#include "support/support.hpp"

/// Requires that a Status or Result is a success and shows its message if not.
#define REQUIRE_OK(expression)                                                          \
  do {                                                                                  \
    const ::restante::Status restante_status = ::restante::test::status_of(expression); \
    INFO(#expression ": " << restante_status.to_string());                              \
    REQUIRE(restante_status.ok());                                                      \
  } while (false)

/// Requires that a Status or Result failed with `expected`, a name of `restante::Code`.
#define REQUIRE_CODE(expression, expected)                                                                   \
  do {                                                                                                       \
    const ::restante::Status restante_status = ::restante::test::status_of(expression);                      \
    INFO(#expression ": " << restante_status.to_string());                                                   \
    REQUIRE(::restante::name_of(restante_status.code()) == ::restante::name_of(::restante::Code::expected)); \
  } while (false)

/// Leaves the test case as "skipped". Only in the body of a test case, where `return` leaves it.
#define RESTANTE_SKIP(reason)               \
  do {                                      \
    ::restante::test::mark_skipped(reason); \
    SUCCEED("skipped: " << (reason));       \
    return;                                 \
  } while (false)
