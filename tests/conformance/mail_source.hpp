#pragma once
/// \file
/// Proves that a store keeps what `MailSource` promises.
///
///     struct MyPlace : restante::conformance::MailSourcePlace { … };
///     for (const auto& check : restante::conformance::check_mail_source([] {
///            return std::make_unique<MyPlace>();
///          }))
///       if (!check.failure.empty()) std::printf("%s: %s\n", check.name.c_str(), check.failure.c_str());
///
/// It needs the public headers and the C++ library, no test framework.

#include <restante/mail_source.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace restante::conformance {

/// A store with at least one account that holds messages and that nobody changes meanwhile. It goes with
/// this object.
class MailSourcePlace {
 public:
  virtual ~MailSourcePlace() = default;
  [[nodiscard]] virtual MailSource& source() = 0;
};

struct MailCheck {
  std::string name;
  /// What was wrong; empty if nothing was.
  std::string failure;
};

/// Runs every check, each in a place of its own.
[[nodiscard]] std::vector<MailCheck> check_mail_source(
    const std::function<std::unique_ptr<MailSourcePlace>()>& make_place);

}  // namespace restante::conformance
