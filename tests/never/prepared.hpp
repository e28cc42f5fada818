#pragma once
// A small server with a past, and what must be true of it after something went wrong.

#include <map>
#include <set>
#include <string>

#include "site.hpp"
#include "support/catch.hpp"

namespace restante::test {

using States = std::map<std::string, Described>;

/// A server with a full and an incremental session, and changes since; copied for each trial.
class Prepared {
 public:
  Prepared() : site(dir.path()) {
    fill(site);
    Server::Options options;
    options.create = true;
    auto server = Server::open(site, options);
    REQUIRE_OK(server);
    for (int round = 0; round < 2; ++round) {
      const Result<SessionInfo> session =
          (*server)->back_up(round == 0 ? Session::Kind::full : Session::Kind::incremental);
      REQUIRE_OK(session);
      REQUIRE(session->status == SessionStatus::completed);
      sessions[session->label] = of_store(**server);
      newest = session->label;
      change(site, round);
    }
  }

  static States of_store(Server& server) {
    Result<States> live = server.live();
    REQUIRE_OK(live);
    return *std::move(live);
  }

  MemoryDir dir;
  Site site;
  std::map<std::string, States> sessions;
  std::string newest;
};

/// Every session that is published restores to what the store held, and nothing is damaged.
inline void check_published(Server& server, const Prepared& base, const States& when_tried) {
  CHECK(server.damages() == "");
  const Result<std::vector<SessionInfo>> published = server.published();
  REQUIRE_OK(published);
  REQUIRE(published->size() >= base.sessions.size());
  for (const SessionInfo& session : *published) {
    const auto known = base.sessions.find(session.label);
    RestoreStop stop;
    stop.label = session.label;
    Result<States> found = server.at(stop);
    REQUIRE_OK(found);
    States expected = known == base.sessions.end() ? when_tried : known->second;
    // What a partial session says of an account that failed is that it failed.
    for (const SessionAccount& account : session.accounts) {
      if (account.status == AccountStatus::completed) continue;
      CHECK(account.error != "");
      expected.erase(account.id), found->erase(account.id);
    }
    INFO(session.label << " " << restante::name_of(session.status));
    CHECK(difference(expected, *found) == "");
  }
}

/// The next run needs no help, and then target and log know all that the store holds.
inline void check_goes_on(Server& server, Session::Kind kind) {
  const Result<SessionInfo> session = server.back_up(kind);
  REQUIRE_OK(session);
  for (const SessionAccount& account : session->accounts) CHECK(account.error == "");
  REQUIRE(session->status == SessionStatus::completed);
  RestoreStop stop;
  stop.label = session->label;
  const Result<States> found = server.at(stop);
  REQUIRE_OK(found);
  CHECK(difference(Prepared::of_store(server), *found) == "");
  CHECK(server.damages() == "");
}

}  // namespace restante::test
