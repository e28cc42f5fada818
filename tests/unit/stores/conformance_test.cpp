#include "conformance/mail_sink.hpp"
#include "conformance/mail_source.hpp"
#include "odd_maildir.hpp"

using namespace restante;
using namespace restante::test;

namespace {

class SourcePlace final : public conformance::MailSourcePlace {
 public:
  SourcePlace() {
    make_odd_maildir(scratch_.path() / "alice");
    make_maildir(scratch_.path() / "bob");
    store_ = std::make_unique<TestStore>(scratch_.path());
  }
  MailSource& source() override { return *store_->store; }

 private:
  ScratchDir scratch_;
  std::unique_ptr<TestStore> store_;
};

class SinkPlace final : public conformance::MailSinkPlace {
 public:
  MailSource& source() override { return *store_.store; }
  MailSink& sink() override { return *store_.store; }
  std::string address() override { return "New.User@example.com"; }

 private:
  ScratchDir scratch_;
  TestStore store_{scratch_.path()};
};

void require_all(const std::vector<conformance::MailCheck>& checks) {
  for (const conformance::MailCheck& check : checks) {
    INFO(check.name);
    CHECK(check.failure == "");
  }
}

}  // namespace

TEST_CASE("conformance: the Maildir is a MailSource", "[stores]") {
  require_all(conformance::check_mail_source([] { return std::make_unique<SourcePlace>(); }));
}

TEST_CASE("conformance: the Maildir is a MailSink", "[stores]") {
  require_all(conformance::check_mail_sink([] { return std::make_unique<SinkPlace>(); }));
}
