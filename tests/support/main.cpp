// The one main of all unit test programs. Prints a RESULT line per test case when RESTANTE_RESULTS is set.

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_session.hpp>
#include <catch2/reporters/catch_reporter_event_listener.hpp>
#include <catch2/reporters/catch_reporter_registrars.hpp>
#define RESTANTE_CATCH 3
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#define RESTANTE_CATCH 2
#endif

#include <cstdio>
#include <cstdlib>
#include <string>

#include "support/support.hpp"

namespace {

#if RESTANTE_CATCH == 3
using ListenerBase = Catch::EventListenerBase;
const std::string& name_of_case(const Catch::TestCaseStats& stats) { return stats.testInfo->name; }
#else
using ListenerBase = Catch::TestEventListenerBase;
const std::string& name_of_case(const Catch::TestCaseStats& stats) { return stats.testInfo.name; }
#endif

struct ResultLines : ListenerBase {
  using ListenerBase::ListenerBase;

  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    const std::string skip_reason = restante::test::take_skip_reason();
    const bool failed = stats.totals.testCases.failed > 0;
    if (failed) {
      std::fprintf(stderr, "to repeat: RESTANTE_TEST_SEED=%llu\n",
                   static_cast<unsigned long long>(restante::test::test_seed()));
    }
    if (std::getenv("RESTANTE_RESULTS") == nullptr) {
      if (!skip_reason.empty())
        std::printf("skipped: %s: %s\n", name_of_case(stats).c_str(), skip_reason.c_str());
      return;
    }
    // A line of its own, whatever the reporter has left unfinished.
    std::fflush(stdout);
    if (failed) {
      std::printf("\nRESULT failed %s\n", name_of_case(stats).c_str());
    } else if (!skip_reason.empty()) {
      std::printf("\nRESULT skipped %s: %s\n", name_of_case(stats).c_str(), skip_reason.c_str());
    } else {
      std::printf("\nRESULT passed %s\n", name_of_case(stats).c_str());
    }
    std::fflush(stdout);
  }
};

CATCH_REGISTER_LISTENER(ResultLines)

}  // namespace

int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
