// R15: the newest state in the target is compared with the live mailbox.

#include <restante/store_comparison.hpp>

#include "fixture.hpp"

namespace restante::test {
namespace {

struct Compared : Fixture {
  Compared() {
    create_account("alice");
    create_account("bob");
    for (const char* text : {"one", "two", "three"}) (void)deliver("alice", text);
    (void)deliver("bob", "lunch");
    (void)back_up(Session::Kind::full);
  }
  AccountComparison compare(const std::string& account, RedoLog* with) {
    CompareOptions options;
    options.accounts = {account};
    Result<std::vector<AccountComparison>> all = compare_with_store({*target}, with, host, options);
    REQUIRE_OK(all);
    REQUIRE(all->size() == 1);
    return all->front();
  }
  AccountComparison alice() {
    AccountComparison found = compare("alice", &*log);
    REQUIRE_OK(found.failure);
    return found;
  }
  // Behind the log's back.
  void change(const Operation& operation) { REQUIRE_OK(host.mailboxes["alice"].apply(operation)); }
  [[nodiscard]] Message message(const std::string& id) const {
    return host.mailboxes.at("alice").messages().at({"inbox", id});
  }
};

void require_only(const AccountComparison& found, const std::string& what) {
  REQUIRE_FALSE(found.equal);
  REQUIRE(found.more == 0);
  REQUIRE(found.differences == std::vector<std::string>{what});
}

}  // namespace

TEST_CASE("R15: what is in target and log equals the live mailbox, and the log's tail counts") {
  Compared f;
  REQUIRE(f.alice().equal);
  REQUIRE(f.alice().transactions == 0);
  REQUIRE(f.alice().messages == 3);
  (void)f.deliver("alice", "four");
  f.expunge("alice", f.message("m-one"));
  const AccountComparison found = f.alice();
  REQUIRE(found.equal);
  REQUIRE(found.transactions == 2);
  REQUIRE(found.position == f.log->end());
  REQUIRE(found.differences.empty());
  const Result<std::vector<AccountComparison>> all = compare_with_store({*f.target}, &*f.log, f.host, {});
  REQUIRE_OK(all);
  REQUIRE(all->size() == 2);
  REQUIRE(all->at(1).equal);
  REQUIRE_CODE(compare_with_store({}, &*f.log, f.host, {}), invalid_argument);
}

TEST_CASE("R15: a flag, a content, a missing and a foreign message that nobody logged are told") {
  Compared f;
  Message changed = f.message("m-two");
  SECTION("a flag") {
    changed.flags ^= kFlagSeen;
    f.change(MessagePut{{changed}});
    require_only(f.alice(), "INBOX: message m-two has other flags");
  }
  SECTION("a content under the same id, which the listing does not show") {
    f.host.contents[changed.content->digest] = Bytes{'x', 'y', 'z'};
    require_only(f.alice(), "INBOX: message m-two (UID 2) is another in the store");
    // The target's own copy is as it was.
    REQUIRE(f.compare("bob", &*f.log).equal);
  }
  SECTION("a message is missing") {
    f.change(MessageExpunge{"inbox", changed.uidvalidity, {{changed.uid}, {}}, {}});
    const AccountComparison found = f.alice();
    REQUIRE_FALSE(found.equal);
    REQUIRE(found.differences.size() == 1);
    REQUIRE(found.differences.front().ends_with("is in the target only"));
  }
  SECTION("a message is in the store only") {
    changed.id = "m-new";
    changed.uid = 9;
    f.change(MessagePut{{changed}});
    const AccountComparison found = f.alice();
    REQUIRE_FALSE(found.equal);
    // The folder's UIDNEXT is another too.
    REQUIRE(found.differences.size() == 2);
    REQUIRE(found.differences.front() == "folder INBOX differs");
    REQUIRE(found.differences.back() == "INBOX: message m-new (UID 9) is in the store only");
  }
  SECTION("the account is gone from the store") {
    f.host.mailboxes.erase("alice");
    require_only(f.alice(), "the account is in the target only");
  }
  SECTION("many") {
    for (int i = 0; i < 50; ++i) {
      changed.id = "m-" + std::to_string(i);
      changed.uid = 100 + static_cast<std::uint32_t>(i);
      f.change(MessagePut{{changed}});
    }
    const AccountComparison found = f.alice();
    REQUIRE(found.differences.size() == 20);
    REQUIRE(found.more >= 30);
  }
}

TEST_CASE("R15: mail that comes and goes while an account is compared is no difference") {
  Compared f;
  int changes = 0;
  f.host.interleave = [&](std::string_view account) {
    if (account != "alice" || changes >= 40) return;
    ++changes;
    const Message message = f.deliver("alice", "while-" + std::to_string(changes));
    if (changes % 3 == 0) f.expunge("alice", message);
  };
  const AccountComparison found = f.alice();
  f.host.interleave = nullptr;
  REQUIRE(changes > 3);
  for (const std::string& difference : found.differences) FAIL(difference);
  REQUIRE(found.equal);
  // And what nobody logged is seen all the same.
  Message changed = f.message("m-two");
  changed.flags ^= kFlagFlagged;
  f.change(MessagePut{{changed}});
  f.host.interleave = [&](std::string_view account) {
    if (account == "alice" && changes < 60) (void)f.deliver("alice", "later-" + std::to_string(++changes));
  };
  const AccountComparison second = f.alice();
  f.host.interleave = nullptr;
  require_only(second, "INBOX: message m-two has other flags");
}

TEST_CASE("R15: an account without a full, and a host without a log") {
  Compared f;
  f.create_account("carol");
  REQUIRE_CODE(f.compare("carol", &*f.log).failure, not_found);
  REQUIRE(f.compare("alice", nullptr).equal);
  (void)f.deliver("alice", "four");
  const AccountComparison found = f.compare("alice", nullptr);
  REQUIRE_FALSE(found.equal);
  CompareOptions options;
  options.cancel.cancel();
  REQUIRE_CODE(compare_with_store({*f.target}, &*f.log, f.host, options), cancelled);
}

}  // namespace restante::test
