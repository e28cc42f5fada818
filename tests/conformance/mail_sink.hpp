#pragma once
/// \file
/// Proves that a store keeps what `MailSink` promises. The store has to be a `MailSource` too: what a restore
/// did is judged by what the store then tells.
///
///     struct MyPlace : restante::conformance::MailSinkPlace { … };
///     for (const auto& check : restante::conformance::check_mail_sink([] {
///            return std::make_unique<MyPlace>();
///          }))
///       if (!check.failure.empty()) std::printf("%s: %s\n", check.name.c_str(), check.failure.c_str());
///
/// It needs the public headers and the C++ library, no test framework.

#include <restante/mail_sink.hpp>

#include "conformance/mail_source.hpp"

namespace restante::conformance {

/// A store without accounts, in which the account of `address` can be made. It goes with this object.
class MailSinkPlace {
 public:
  virtual ~MailSinkPlace() = default;
  [[nodiscard]] virtual MailSource& source() = 0;
  [[nodiscard]] virtual MailSink& sink() = 0;
  [[nodiscard]] virtual std::string address() = 0;
};

/// Runs every check, each in a place of its own. Checks of an identity that the store cannot give are left
/// out.
[[nodiscard]] std::vector<MailCheck> check_mail_sink(
    const std::function<std::unique_ptr<MailSinkPlace>()>& make_place);

}  // namespace restante::conformance
