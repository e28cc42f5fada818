// R6: transactions, their ends, their recovery.

#include "redo_test.hpp"

namespace restante::test {
namespace {

using Ids = std::vector<std::string>;

TEST_CASE("R6: operations take effect at the commit record, in commit order") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  CHECK(log->end() == 1);  // the incarnation record
  Result<Transaction> first = begin(*log, "alice", "first");
  Result<Transaction> second = begin(*log, "bob", "second");
  Result<Transaction> third = begin(*log, "alice", "third");
  REQUIRE_OK(first);
  REQUIRE_OK(second);
  REQUIRE_OK(third);
  REQUIRE_OK(append(*log, "carol", "appended"));
  REQUIRE_OK(second->commit());
  REQUIRE_OK(third->abort());
  REQUIRE_OK(first->commit({}, Sync::durable));

  const ReadBack back = read_all_of(*log);
  CHECK(back.ids == Ids{"appended", "second", "first"});
  REQUIRE(back.transactions.size() == 3);
  CHECK(back.transactions[2].account_id == "alice");
  CHECK(back.transactions[2].begin_lsn == first->begin_lsn());
  CHECK(back.transactions[2].commit_lsn == log->end());
  CHECK(back.transactions[0].begin_lsn == back.transactions[0].commit_lsn);
  CHECK(back.transactions[0].sequence == 1);
  CHECK(log->durable_end() == log->end());
}

TEST_CASE("R6: what the server assigned is filled in and what it refused is left out") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  MessagePut put;
  for (const char* id : {"m1", "m2", "m3"}) {
    Message message;
    message.id = id;
    message.folder_id = "inbox";
    message.uidvalidity = 7;
    put.messages.push_back(message);
  }
  RedoLog::BeginOptions options;
  options.origin = {"imap", "session 4", "192.0.2.1"};
  const std::vector<Operation> operations{put};
  Result<Transaction> transaction = log->begin("alice", operations, options);
  REQUIRE_OK(transaction);
  std::vector<Assigned> assigned(3);
  assigned[0].uid = 41;
  assigned[0].modseq = 1000;
  assigned[1].element = 1;
  assigned[1].refused = true;
  assigned[2].element = 2;
  assigned[2].uid = 43;
  assigned[2].id = "renamed";
  REQUIRE_OK(transaction->commit(assigned, Sync::durable));
  REQUIRE_CODE(transaction->commit(), invalid_argument);

  const ReadBack back = read_all_of(*log);
  REQUIRE(back.transactions.size() == 1);
  CHECK(back.transactions[0].origin == options.origin);
  const auto& read = std::get<MessagePut>(back.transactions[0].operations.at(0));
  REQUIRE(read.messages.size() == 2);
  CHECK(read.messages[0].uid == 41);
  CHECK(read.messages[0].modseq == 1000);
  CHECK(read.messages[1].id == "renamed");
  CHECK(read.messages[1].uid == 43);
}

TEST_CASE("R6: a wrong assignment is refused and the transaction stays open") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  Result<Transaction> transaction = begin(*log, "alice", "t");
  REQUIRE_OK(transaction);
  std::vector<Assigned> assigned(1);
  assigned[0].operation = 1;
  REQUIRE_CODE(transaction->commit(assigned), invalid_argument);
  assigned[0] = {};
  assigned[0].uid = 4;
  REQUIRE_CODE(transaction->commit(assigned), invalid_argument);
  REQUIRE(log->unfinished().size() == 1);
  REQUIRE_OK(transaction->commit());
  CHECK(log->unfinished().empty());
}

TEST_CASE(
    "R6: with_assigned: folders that were given another id take the rest of the transaction with them") {
  FolderPut folder;
  folder.folder.id = "draft-folder";
  folder.folder.name = "New";
  MessagePut put;
  put.messages.resize(1);
  put.messages[0].id = "m";
  put.messages[0].folder_id = "draft-folder";
  FolderPut child;
  child.folder.id = "child";
  child.folder.parent_id = "draft-folder";
  std::vector<Assigned> assigned(1);
  assigned[0].id = "4711";
  assigned[0].uidvalidity = 99;
  const Result<std::vector<Operation>> done =
      with_assigned({put, folder, child},
                    std::vector<Assigned>{{.operation = 1, .element = 0, .uidvalidity = 99, .id = "4711"}});
  REQUIRE_OK(done);
  CHECK(std::get<MessagePut>((*done)[0]).messages[0].folder_id == "4711");
  CHECK(std::get<MessagePut>((*done)[0]).messages[0].uidvalidity == 99);
  CHECK(std::get<FolderPut>((*done)[1]).folder.id == "4711");
  CHECK(std::get<FolderPut>((*done)[2]).folder.parent_id == "4711");
}

TEST_CASE("R6: with_assigned: members of a set are refused by number, UIDs first") {
  MessageExpunge expunge;
  expunge.folder_id = "inbox";
  expunge.messages.uids = {1, 2, 3};
  expunge.messages.message_ids = {"a", "b"};
  std::vector<Assigned> assigned(2);
  assigned[0].element = 1;
  assigned[0].refused = true;
  assigned[1].element = 3;
  assigned[1].refused = true;
  assigned[1].modseq = 8;
  const Result<std::vector<Operation>> done = with_assigned({expunge}, assigned);
  REQUIRE_OK(done);
  const auto& left = std::get<MessageExpunge>(done->at(0));
  CHECK(left.messages.uids == std::vector<std::uint32_t>{1, 3});
  CHECK(left.messages.message_ids == std::vector<std::string>{"b"});
  CHECK(left.modseq == 8);
  std::vector<Assigned> all(5);
  for (std::uint32_t i = 0; i < 5; ++i) all[i] = {.operation = 0, .element = i, .refused = true};
  const Result<std::vector<Operation>> nothing = with_assigned({expunge}, all);
  REQUIRE_OK(nothing);
  CHECK(nothing->empty());
}

TEST_CASE("R6: unfinished transactions of a gone owner are recovered in begin order and end once") {
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  Lsn lost = 0;
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
    REQUIRE_OK(log);
    Result<Transaction> done = begin(*log, "alice", "done");
    Result<Transaction> dropped = begin(*log, "alice", "dropped");
    Result<Transaction> other = begin(*log, "bob", "other");
    REQUIRE_OK(done);
    REQUIRE_OK(dropped);
    REQUIRE_OK(other);
    lost = dropped->begin_lsn();
    REQUIRE_OK(done->commit());
  }
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  REQUIRE(log->unfinished().size() == 2);
  CHECK(log->unfinished()[0].claimable);
  CHECK(log->oldest_open("alice") == lost);
  REQUIRE_CODE(begin(*log, "alice", "too early"), needs_recovery);
  REQUIRE_OK(begin(*log, "carol", "not concerned").status().ok() ? Status() : Status(Code::internal, "no"));

  Result<std::vector<Transaction>> claimed = log->recover("alice");
  REQUIRE_OK(claimed);
  REQUIRE(claimed->size() == 1);
  CHECK(claimed->at(0).begin_lsn() == lost);
  CHECK(std::get<HostOp>(claimed->at(0).operations().at(0)).name == "dropped");
  // In hand now: not handed out twice, and the account may go on.
  CHECK(log->recover("alice")->empty());
  REQUIRE_OK(append(*log, "alice", "goes on"));
  REQUIRE_OK(claimed->at(0).commit({}, Sync::durable));

  // A claimant that goes frees the claim.
  { REQUIRE(log->recover()->size() == 2); }
  Result<std::vector<Transaction>> again = log->recover();
  REQUIRE_OK(again);
  REQUIRE(again->size() == 2);
  for (Transaction& transaction : *again) REQUIRE_OK(transaction.abort());
  CHECK(log->unfinished().empty());
  CHECK(read_all_of(*log).ids == Ids{"done", "goes on", "dropped"});
}

TEST_CASE("R6: a transaction that was dropped in the same process is in doubt until recovered") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  { REQUIRE_OK(begin(*log, "alice", "dropped")); }
  const std::vector<Operation> operations{host_op("next")};
  REQUIRE_CODE(log->begin("alice", operations), needs_recovery);
  REQUIRE_CODE(log->append("alice", operations), needs_recovery);
  RedoLog::BeginOptions ignore;
  ignore.ignore_unrecovered = true;
  REQUIRE_OK(log->append("alice", operations, ignore));
  Result<std::vector<Transaction>> claimed = log->recover();
  REQUIRE_OK(claimed);
  REQUIRE(claimed->size() == 1);
  // Moving over a transaction in hand lets go of it.
  Result<Transaction> other = begin(*log, "bob", "bob");
  REQUIRE_OK(other);
  claimed->at(0) = std::move(*other);
  CHECK(log->recover("alice")->size() == 1);
}

TEST_CASE("R10: a transaction spans rolls and openings, its begin is found from its commit") {
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
    REQUIRE_OK(log);
    REQUIRE_OK(begin(*log, "alice", "long"));
    for (int i = 0; i < 3; ++i) REQUIRE_OK(log->roll());
    CHECK(log->sequence() == 4);
  }
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
    REQUIRE_OK(log);
    REQUIRE_OK(log->roll());
    Result<std::vector<Transaction>> claimed = log->recover();
    REQUIRE_OK(claimed);
    REQUIRE(claimed->size() == 1);
    REQUIRE_OK(log->roll());
    REQUIRE_OK(claimed->at(0).commit({}, Sync::durable));
    REQUIRE_OK(log->roll());
  }
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  const ReadBack back = read_all_of(*log);
  CHECK(back.ids == Ids{"long"});
  CHECK(back.transactions[0].sequence == 6);
  CHECK(read_all_of(*log, {.after = 0, .until = UINT64_MAX, .account_id = "alice"}).ids == Ids{"long"});
  CHECK(log->unfinished().empty());
}

TEST_CASE("R1: what an account waits for") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  CHECK_FALSE(log->oldest_open("alice").has_value());
  Result<Transaction> first = begin(*log, "alice", "1");
  Result<Transaction> second = begin(*log, "alice", "2");
  REQUIRE_OK(first);
  REQUIRE_OK(second);
  CHECK(log->oldest_open("alice") == first->begin_lsn());
  const Status late = log->wait_for_open("alice", std::chrono::milliseconds(20));
  REQUIRE_CODE(late, timed_out);
  CHECK(late.message().find(std::to_string(first->begin_lsn())) != std::string::npos);
  REQUIRE_OK(log->wait_for_open("bob", std::chrono::milliseconds(1)));
  const Lsn before_abort = log->end();
  CHECK_FALSE(*log->aborted_since("alice", 0));
  REQUIRE_OK(first->abort());
  CHECK(*log->aborted_since("alice", before_abort));
  CHECK_FALSE(*log->aborted_since("alice", log->end()));
  CHECK_FALSE(*log->aborted_since("bob", 0));
  REQUIRE_OK(log->roll());
  CHECK(*log->aborted_since("alice", before_abort));
  REQUIRE_OK(second->commit());
  REQUIRE_OK(log->wait_for_open("alice", std::chrono::milliseconds(1)));
}

TEST_CASE("R6: arguments that cannot be right") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  const std::vector<Operation> operations{host_op("x")};
  REQUIRE_CODE(log->append("", operations), invalid_argument);
  REQUIRE_CODE(log->append(std::string(1025, 'a'), operations), invalid_argument);
  REQUIRE_CODE(log->append("alice", {}), invalid_argument);
  RedoLog::BeginOptions options;
  options.origin.client = std::string(256, 'c');
  REQUIRE_CODE(log->append("alice", operations, options), invalid_argument);
  options.origin.client.resize(255);
  REQUIRE_OK(log->append(std::string(1024, 'a'), operations, options));
  CHECK(read_all_of(*log).transactions.at(0).origin == options.origin);
  RedoLog::Options wrong = options_with(clock);
  wrong.segment_bytes = 1000;
  REQUIRE_CODE(RedoLog::open(dir.file("other"), wrong), invalid_argument);
  REQUIRE_CODE(RedoLog::open(dir.file("none"), RedoLog::Options()), not_found);
}

}  // namespace
}  // namespace restante::test
