#include "fixture.hpp"

namespace restante::test {
namespace {

std::string example(const RestorePlan& plan) {
  std::string text;
  for (const std::string& warning : plan.accounts().front().warnings) text += warning + "\n";
  return text;
}

}  // namespace

TEST_CASE("a restore to T of one account leaves the others, who go on receiving mail, untouched") {
  Fixture f;
  for (const char* name : {"alice", "bob", "carol"}) f.create_account(name);
  f.deliver("alice", "a1");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "a2");
  const Time good = f.clock.now();
  f.deliver("alice", "a3");
  f.deliver("bob", "b1");
  RestoreRequest request = Fixture::request_for("alice@example.com");
  request.stop.time = good;
  Result<RestorePlan> plan = f.plan(request);
  REQUIRE_OK(plan);
  REQUIRE(plan->accounts().size() == 1);
  REQUIRE(plan->accounts()[0].difference.messages.removed == 1);
  f.deliver("bob", "b2");
  f.deliver("carol", "c1");
  const Result<RestoreReport> report = plan->execute();
  REQUIRE_OK(report);
  REQUIRE(f.texts("alice") == "a1 a2");
  REQUIRE(report->accounts[0].kept == 2);
  REQUIRE(f.texts("bob") == "b1 b2");
  REQUIRE(f.texts("carol") == "c1");
}

TEST_CASE("a plan stops at the earliest of the stops that are given") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "1");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "2");
  const SessionInfo first = f.back_up(Session::Kind::incremental);
  f.deliver("alice", "3");
  const Time third = f.clock.now();
  f.deliver("alice", "4");
  const SessionInfo second = f.back_up(Session::Kind::incremental);
  f.deliver("alice", "5");
  const auto messages_at = [&](const RestoreStop& stop) {
    RestoreRequest request = Fixture::request_for("alice");
    request.stop = stop;
    const Result<RestorePlan> plan = f.plan(request);
    REQUIRE_OK(plan);
    REQUIRE_OK(plan->accounts()[0].failure);
    return plan->accounts()[0].messages;
  };
  RestoreStop stop;
  REQUIRE(messages_at(stop) == 5);
  stop.backup_only = true;
  REQUIRE(messages_at(stop) == 4);
  stop.time = third;
  REQUIRE(messages_at(stop) == 3);
  stop.label = first.label;
  REQUIRE(messages_at(stop) == 2);
  stop = {};
  stop.label = second.label;
  REQUIRE(messages_at(stop) == 4);
  stop.sequence = first.last_sequence;
  REQUIRE(messages_at(stop) == 2);
  stop = {};
  stop.full_only = true;
  REQUIRE(messages_at(stop) == 1);
}

TEST_CASE("R13: a plan takes the full of one target and the redo log of another") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "1");
  const SessionInfo in_first = f.back_up(Session::Kind::full);
  const auto options = target_options<BackupTarget::CreateOptions>(f.scratch, "second-state", f.clock);
  Result<BackupTarget> second = BackupTarget::create(make_memory_storage(), options);
  REQUIRE_OK(second);
  f.deliver("alice", "2");
  Result<Session> session = Session::begin(*second, f.session_options(Session::Kind::full));
  REQUIRE_OK(session);
  const Result<SessionInfo> in_second = session->run();
  REQUIRE_OK(in_second);
  f.deliver("alice", "3");
  f.back_up(Session::Kind::incremental);  // into the first
  f.host.mailboxes.erase("alice");
  f.log.reset();  // the server and its log are gone

  RestoreRequest request = Fixture::request_for("alice");
  Result<RestorePlan> both = RestorePlan::make({*f.target, *second}, nullptr, request, f.into());
  REQUIRE_OK(both);
  REQUIRE(both->accounts()[0].steps.front().label == in_second->label);
  const Result<RestorePlan> first = RestorePlan::make({*f.target}, nullptr, request, f.into());
  REQUIRE_OK(first);
  REQUIRE(first->accounts()[0].steps.front().label == in_first.label);
  REQUIRE(first->accounts()[0].messages == 3);
  const Result<RestorePlan> alone = RestorePlan::make({*second}, nullptr, request, f.into());
  REQUIRE_OK(alone);
  REQUIRE(alone->accounts()[0].messages == 2);
  const Result<RestoreReport> report = both->execute();
  REQUIRE_OK(report);
  REQUIRE_OK(report->accounts[0].status);
  REQUIRE(f.texts("alice") == "1 2 3");
}

TEST_CASE("wrong requests get one clear line with a hint, and nothing is changed") {
  Fixture f;
  f.create_account("alice");
  const Time before_everything = f.clock.now();
  RestoreRequest request;
  REQUIRE_CODE(f.plan(request), not_found);  // an empty target
  f.deliver("alice", "1");
  const SessionInfo full = f.back_up(Session::Kind::full);
  f.deliver("alice", "2");
  const auto expect = [&](const RestoreRequest& wrong, Code code, const std::string& says) {
    const Result<RestorePlan> plan = f.plan(wrong);
    REQUIRE_FALSE(plan.ok());
    INFO(plan.status().to_string());
    REQUIRE(plan.status().code() == code);
    REQUIRE(plan.status().message().find('\n') == std::string::npos);
    REQUIRE_FALSE(plan.status().hint().empty());
    REQUIRE(plan.status().to_string().find(says) != std::string::npos);
  };
  expect(Fixture::request_for("nobody"), Code::not_found, "nobody");
  request = Fixture::request_for("alice");
  request.stop.time = before_everything;
  expect(request, Code::not_found, full.label);
  request.stop.time = Time{f.clock.now().us + 3'600'000'000};
  expect(request, Code::invalid_argument, "future");
  request.stop = {};
  request.stop.label = "incr-20230101.000000.000";
  expect(request, Code::not_found, full.label);
  request.stop = {};
  request.stop.sequence = 999;
  expect(request, Code::not_found, "999");
  request.stop = {};
  request.stop.lsn = 99999;
  expect(request, Code::not_found, "99999");
  request = Fixture::request_for("alice");
  request.identity = Identity::exact;
  expect(request, Code::invalid_argument, "exact");
  request = Fixture::request_for("alice");
  request.label = "full-20230101.000000.000";
  expect(request, Code::not_found, "full-20230101.000000.000");
  REQUIRE(f.texts("alice") == "1 2");
}

TEST_CASE(
    "R3: into a new account with a prefix, UIDs come under a new UIDVALIDITY and the old account stays") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "1");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "2");
  RestoreRequest request = Fixture::request_for("alice");
  request.prefix = "restored-";
  request.stop.full_only = true;
  Result<RestorePlan> plan = f.plan(request);
  REQUIRE_OK(plan);
  const AccountPlan& account = plan->accounts()[0];
  REQUIRE(account.into_address == "restored-alice@example.com");
  REQUIRE(account.creates_account);
  REQUIRE(account.identity == Identity::renew);
  REQUIRE_OK(plan->execute());
  REQUIRE(f.texts("alice") == "1 2");
  REQUIRE(f.texts(account.into_id) == "1");
  const MailboxState& made = f.host.mailboxes.at(account.into_id);
  REQUIRE(made.account()->address == "restored-alice@example.com");
  REQUIRE(made.folders().at("inbox").uidvalidity > 7);
  REQUIRE(made.messages().begin()->second.uid == 1);
  REQUIRE_CODE(f.plan(request), already_exists);
}

TEST_CASE("R3: how a store keeps a message that is there is no difference, and is left alone") {
  Fixture f;
  f.host.own_attributes = {"directory"};
  f.create_account("alice");
  Message message = f.deliver("alice", "1");
  message.attributes["directory"] = "new";
  message.attributes["color"] = "red";
  f.append("alice", {MessagePut{{message}}});
  f.back_up(Session::Kind::full);
  message.attributes.erase("directory");
  f.append("alice", {MessagePut{{message}}});
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.full_only = true;
  const Result<RestorePlan> plan = f.plan(request);
  REQUIRE_OK(plan);
  REQUIRE(plan->accounts()[0].difference.none());
  message.attributes.erase("color");
  f.append("alice", {MessagePut{{message}}});
  const Result<RestorePlan> other = f.plan(request);
  REQUIRE_OK(other);
  REQUIRE(other->accounts()[0].difference.messages.changed == 1);
  REQUIRE_OK(f.restore(request).accounts[0].status);
  const Message& back = f.host.mailboxes.at("alice").messages().begin()->second;
  REQUIRE(back.attributes.contains("color"));
  REQUIRE_FALSE(back.attributes.contains("directory"));
}

TEST_CASE("R3: a renewed UIDVALIDITY is above that of folders that came and went behind the stop") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "1");
  f.back_up(Session::Kind::full);
  Folder gone;
  gone.id = "gone";
  gone.name = "Gone";
  gone.uidvalidity = 4'000'000'000;
  f.append("alice", {FolderPut{gone}});
  f.append("alice", {FolderDelete{gone.id}});
  RestoreRequest request = Fixture::request_for("alice");
  request.identity = Identity::renew;
  request.stop.full_only = true;
  f.restore(request);
  REQUIRE(f.host.mailboxes.at("alice").folders().at("inbox").uidvalidity > gone.uidvalidity);
}

TEST_CASE("R3: renew names the messages that go, and no others") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "1");
  f.back_up(Session::Kind::full);
  const auto kept = f.host.mailboxes.at("alice").messages().begin()->first;
  f.deliver("alice", "2");
  RestoreRequest request = Fixture::request_for("alice");
  request.identity = Identity::renew;
  request.stop.full_only = true;
  const Result<RestorePlan> plan = f.plan(request);
  REQUIRE_OK(plan);
  REQUIRE(plan->accounts()[0].difference.messages.removed == 1);
  const Result<std::vector<Operation>> operations = plan->operations("alice");
  REQUIRE_OK(operations);
  std::vector<std::string> gone;
  for (const Operation& operation : *operations) {
    if (const auto* expunge = std::get_if<MessageExpunge>(&operation))
      gone.insert(gone.end(), expunge->messages.message_ids.begin(), expunge->messages.message_ids.end());
  }
  REQUIRE(gone.size() == 1);
  REQUIRE(gone.front() != kept.second);
  f.restore(request);
  REQUIRE(f.texts("alice") == "1");
}

TEST_CASE("R3: an emptied account gets everything as recorded at the newest position") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "1");
  f.deliver("alice", "2");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "3");
  const MailboxState before = f.host.mailboxes.at("alice");
  f.host.mailboxes.erase("alice");  // a disaster that nobody logged
  const Result<RestorePlan> plan = f.plan(Fixture::request_for("alice"));
  REQUIRE_OK(plan);
  REQUIRE(plan->accounts()[0].identity == Identity::exact);
  REQUIRE(f.restore(Fixture::request_for("alice")).accounts[0].status.ok());
  REQUIRE(f.host.mailboxes.at("alice") == before);

  // At an older position clients may have seen more, so UIDVALIDITY is a new one.
  f.host.mailboxes.erase("alice");
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.full_only = true;
  const Result<RestorePlan> older = f.plan(request);
  REQUIRE_OK(older);
  REQUIRE(older->accounts()[0].identity == Identity::renew);
}

TEST_CASE("a deleted account comes back as it was when it is named, and is left out otherwise") {
  Fixture f;
  f.create_account("alice");
  f.create_account("bob");
  f.deliver("alice", "1");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "2");
  f.append("alice", {AccountDelete{"alice"}});
  f.host.mailboxes.erase("alice");
  f.back_up(Session::Kind::incremental);
  const Result<RestorePlan> all = f.plan({});
  REQUIRE_OK(all);
  REQUIRE(all->accounts()[0].deleted_at_stop);
  REQUIRE_FALSE(all->accounts()[1].deleted_at_stop);
  const Result<RestorePlan> named = f.plan(Fixture::request_for("alice"));
  REQUIRE_OK(named);
  REQUIRE_FALSE(named->accounts()[0].deleted_at_stop);
  REQUIRE(example(*named).find("deleted") != std::string::npos);
  REQUIRE(f.restore(Fixture::request_for("alice")).accounts[0].status.ok());
  REQUIRE(f.texts("alice") == "1 2");
}

TEST_CASE("R4: a restore goes behind an earlier one, twice in a row, and a wrong one is undone") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "1");
  f.back_up(Session::Kind::full);
  const Lsn one = f.log->end();
  f.deliver("alice", "2");
  const Lsn two = f.log->end();
  f.deliver("alice", "3");
  const Lsn three = f.log->end();
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.lsn = one;
  const RestoreReport first = f.restore(request);
  REQUIRE(f.texts("alice") == "1");
  f.deliver("alice", "4");
  request.stop.lsn = two;
  f.restore(request);
  REQUIRE(f.texts("alice") == "1 2");
  // The state between the two restores, and the one before the first.
  request.stop.lsn = first.accounts[0].logged_at + 2;
  f.restore(request);
  REQUIRE(f.texts("alice") == "1 4");
  request.stop.lsn = three;
  f.restore(request);
  REQUIRE(f.texts("alice") == "1 2 3");
  // No full is needed after it: a new incremental chain goes on, also when the logs are in the target only.
  f.deliver("alice", "5");
  f.back_up(Session::Kind::incremental);
  f.expunge("alice", f.host.mailboxes.at("alice").messages().begin()->second);
  request.stop = {};
  request.stop.backup_only = true;
  f.restore(request);
  REQUIRE(f.texts("alice") == "1 2 3 5");
}

TEST_CASE("R4: a restore that breaks half way is in doubt: no backup uses it; it is resumed or rolled back") {
  const bool resume = GENERATE(true, false);
  Fixture f;
  f.host.atomic_sink = false;
  f.create_account("alice");
  f.deliver("alice", "1");
  f.back_up(Session::Kind::full);
  const Lsn good = f.log->end();
  f.deliver("alice", "2");
  Folder extra;
  extra.id = "extra";
  extra.name = "Extra";
  extra.uidvalidity = 9;
  f.append("alice", {FolderPut{extra}});
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.lsn = good;
  f.host.fail_sink_at = 1;
  {
    Result<RestorePlan> plan = f.plan(request);
    REQUIRE_OK(plan);
    const Result<RestoreReport> broken = plan->execute();
    const Status failure = broken.ok() ? broken->accounts[0].status : broken.status();
    REQUIRE(failure.message().find("half way") != std::string::npos);
    REQUIRE_FALSE(failure.hint().empty());
  }
  f.host.fail_sink_at = UINT64_MAX;
  f.host.interleave = nullptr;
  // Another process finds it after the crash.
  f.log.reset();
  f.open_log("redo", {});
  const std::vector<RedoLog::Unfinished> open = f.log->unfinished();
  REQUIRE(open.size() == 1);
  REQUIRE(open[0].is_rewind);
  const SessionInfo refused = f.back_up(Session::Kind::full);
  REQUIRE(refused.find("alice")->status == AccountStatus::error);
  REQUIRE(refused.find("alice")->error.find("restore") != std::string::npos);

  // What the broken restore did is not in the log; a store like this is scanned, here it is told.
  const auto reconcile = [&](const std::string& account) {
    OpVector known;
    OpVector live;
    OpVector change;
    MailboxState state;
    const auto cursor = f.log->read({.after = 0, .until = UINT64_MAX, .account_id = account});
    REQUIRE_OK(cursor);
    LoggedTransaction transaction;
    while (*(*cursor)->next(transaction))
      for (const Operation& operation : transaction.operations) REQUIRE_OK(state.apply(operation));
    REQUIRE_OK(state.write(known));
    REQUIRE_OK(f.host.mailboxes.at(account).write(live));
    REQUIRE_OK(difference(*stream_of(known.operations), *stream_of(live.operations), change));
    if (change.operations.empty()) return;
    RedoLog::BeginOptions options;
    options.ignore_unrecovered = true;
    REQUIRE_OK(f.log->append(account, change.operations, options));
  };
  if (resume) {
    REQUIRE(f.restore(request).accounts[0].status.ok());
    reconcile("alice");
    REQUIRE(f.texts("alice") == "1");
    REQUIRE(f.host.mailboxes.at("alice").folders().size() == 1);
  } else {
    const Result<RestoreReport> back = roll_back_unfinished({*f.target}, *f.log, "alice", f.into());
    REQUIRE_OK(back);
    REQUIRE_OK(back->accounts[0].status);
    reconcile("alice");
    REQUIRE(f.texts("alice") == "1 2");
    REQUIRE(f.host.mailboxes.at("alice").folders().contains("extra"));
  }
  REQUIRE(f.log->unfinished().empty());
  REQUIRE_CODE(roll_back_unfinished({*f.target}, *f.log, "alice", f.into()), not_found);
  REQUIRE(f.back_up(Session::Kind::full).status == SessionStatus::completed);
}

TEST_CASE("R4: a store that can undo is as before after a failure, and nothing is in doubt") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "1");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "2");
  const MailboxState before = f.host.mailboxes.at("alice");
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.full_only = true;
  f.host.fail_sink_at = 0;
  Result<RestorePlan> plan = f.plan(request);
  REQUIRE_OK(plan);
  REQUIRE_CODE(plan->execute(), io);
  f.host.fail_sink_at = UINT64_MAX;
  REQUIRE(f.host.mailboxes.at("alice") == before);
  REQUIRE(f.log->unfinished().empty());
}

TEST_CASE("R6: at the end of a log whose server is gone, begun transactions are rolled forward or dropped") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "1");
  f.back_up(Session::Kind::full);
  const std::string text = "2";
  const auto reader = read_from_memory(as_bytes(text));
  Message message;
  message.id = "m-2";
  message.folder_id = "inbox";
  message.uidvalidity = 7;
  message.uid = 2;
  message.content = *f.log->put_content("alice", *reader);
  {
    REQUIRE_OK(f.log->begin("alice", std::vector<Operation>{MessagePut{{message}}}));
  }  // the server dies here
  f.log.reset();
  f.open_log("redo", {});
  RestoreRequest request = Fixture::request_for("alice");
  const Result<RestorePlan> forward = f.plan(request);
  REQUIRE_OK(forward);
  REQUIRE(forward->accounts()[0].rolled_forward == 1);
  REQUIRE(forward->accounts()[0].messages == 2);
  REQUIRE(example(*forward).find("rolled forward") != std::string::npos);
  request.in_doubt = InDoubt::drop;
  REQUIRE(f.plan(request)->accounts()[0].messages == 1);
  request.in_doubt = InDoubt::forward;
  request.stop.lsn = f.log->end();
  REQUIRE(f.plan(request)->accounts()[0].messages == 1);
}

TEST_CASE("R14: a time within a stretch that the clock held is refused with what can be chosen") {
  Fixture f;
  f.create_account("alice");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "before");
  f.clock.jump(-3'600'000'000);
  const Time twice = f.clock.now();
  f.deliver("alice", "held");
  f.clock.jump(7'200'000'000);
  f.deliver("alice", "after");
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.time = Time{twice.us + 100'000};
  const Result<RestorePlan> plan = f.plan(request);
  REQUIRE_CODE(plan, ambiguous);
  REQUIRE(plan.status().to_string().find("--to-lsn") != std::string::npos);
}

TEST_CASE("R16: nothing is touched when content that is needed cannot be read") {
  Fixture f;
  f.create_account("alice");
  const Message message = f.deliver("alice", "precious content that will be damaged");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "later");
  f.expunge("alice", message);
  std::vector<std::string> packs;
  REQUIRE_OK(f.memory->list("content/", [&](const ObjectInfo& object) -> Status {
    packs.push_back(object.key);
    return {};
  }));
  f.back_up(Session::Kind::incremental);  // the log's own copy goes
  const MailboxState before = f.host.mailboxes.at("alice");
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.full_only = true;
  Result<RestorePlan> plan = f.plan(request);
  REQUIRE_OK(plan);
  for (const std::string& pack : packs) {
    Result<Bytes> bytes = f.memory->get(pack);
    REQUIRE_OK(bytes);
    (*bytes)[bytes->size() / 3] ^= 0x40;
    REQUIRE_OK(f.memory->put(pack, *bytes));
  }
  const Result<RestoreReport> report = plan->execute();
  REQUIRE_FALSE(report.ok());
  REQUIRE(f.host.mailboxes.at("alice") == before);
  REQUIRE(f.log->unfinished().empty());
}

TEST_CASE("a plan that the live account has left behind is not executed") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "1");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "2");
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.full_only = true;
  Result<RestorePlan> plan = f.plan(request);
  REQUIRE_OK(plan);
  f.deliver("alice", "3");
  REQUIRE_CODE(plan->execute(), busy);
  REQUIRE(f.texts("alice") == "1 2 3");
}

TEST_CASE("a missing segment is named with how far a restore can go") {
  Fixture f;
  f.create_account("alice");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "1");
  const SessionInfo gone = f.back_up(Session::Kind::incremental);
  f.deliver("alice", "2");
  f.back_up(Session::Kind::incremental);
  std::vector<std::string> segments;
  REQUIRE_OK(f.memory->list("redologs/", [&](const ObjectInfo& object) -> Status {
    segments.push_back(object.key);
    return {};
  }));
  for (const std::string& key : segments)
    if (key.find(std::to_string(gone.first_sequence) + ".log") != std::string::npos)
      REQUIRE_OK(f.memory->remove(key));
  const auto options = target_options(f.scratch, "state", f.clock);
  const Result<BackupTarget> opened = BackupTarget::open(f.memory->share(), options);
  REQUIRE_OK(opened);
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.backup_only = true;
  const Result<RestorePlan> plan = RestorePlan::make({*opened}, &*f.log, request, f.into());
  REQUIRE_CODE(plan, damaged);
  REQUIRE(plan.status().message().find("segment " + std::to_string(gone.first_sequence)) !=
          std::string::npos);
  REQUIRE(plan.status().hint().find("--to-lsn") != std::string::npos);
  const Result<TargetVerification> verified = opened->verify({});
  REQUIRE_OK(verified);
  REQUIRE(verified->damages.size() == 1);
}

}  // namespace restante::test
