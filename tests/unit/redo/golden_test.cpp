// Segments of format version 1 as they were first written: read exactly, and written the same
// (docs/format/redo.md). To make them anew for a new version: RESTANTE_WRITE_GOLDEN=1, with the old ones
// kept.

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "redo_test.hpp"

namespace restante::test {
namespace {

const std::string kGolden = RESTANTE_GOLDEN_DIR "/redo";

Id128 id_of_byte(std::uint8_t byte) {
  Id128 id;
  id.bytes.fill(byte);
  return id;
}

/// One log with a record of every kind; the same bytes every time.
void write_log(const std::string& path) {
  ManualClock clock(1'184'255'991);
  RedoLog::Options options = options_with(clock);
  options.server = id_of_byte(0x53);
  redo::OpenHooks hooks;
  hooks.log_id = id_of_byte(0x4c);
  hooks.incarnation = id_of_byte(0x49);
  Result<RedoLog> log = redo::open_log(path, options, hooks);
  REQUIRE_OK(log);
  clock.advance_us(123'456);
  const std::string mail = "From: a@example.com\r\nSubject: golden\r\n\r\n" + std::string(6000, 'g') + "\r\n";
  const auto reader = read_from_memory(as_bytes(mail));
  const Result<ContentRef> content = log->put_content("alice", *reader);
  REQUIRE_OK(content);
  MessagePut put;
  put.messages.resize(2);
  put.messages[0].id = "m1";
  put.messages[0].folder_id = "inbox";
  put.messages[0].uidvalidity = 7;
  put.messages[0].content = *content;
  put.messages[1].id = "m2";
  put.messages[1].folder_id = "inbox";
  put.messages[1].uidvalidity = 7;
  const std::vector<Operation> operations{put};
  RedoLog::BeginOptions begin_options;
  begin_options.origin = {"lmtp", "s-1", "192.0.2.7"};
  Result<Transaction> transaction = log->begin("alice", operations, begin_options);
  REQUIRE_OK(transaction);
  clock.advance_seconds(2);
  const std::vector<Assigned> assigned{{.operation = 0, .element = 0, .uid = 41, .modseq = 1000},
                                       {.operation = 0, .element = 1, .refused = true}};
  REQUIRE_OK(transaction->commit(assigned, Sync::durable));
  REQUIRE_OK(log->touch("bob"));
  const std::vector<Operation> appended{HostOp{"host", "name", "kind", "id", "data"}};
  REQUIRE_OK(log->append("bob", appended));
  Result<Transaction> aborted = log->begin("bob", appended);
  REQUIRE_OK(aborted);
  REQUIRE_OK(aborted->abort(Sync::durable));
  clock.advance_seconds(-5);
  REQUIRE_OK(log->append("alice", appended));
  Result<Transaction> open = log->begin("carol", appended);
  REQUIRE_OK(open);
  REQUIRE_OK(log->roll());
  clock.advance_seconds(60);
  REQUIRE_OK(open->commit({}, Sync::durable));
  REQUIRE_OK(log->maintain());
  REQUIRE_OK(log->begin("dave", appended).status());
}

std::string list_of(const RedoLog& log) {
  std::ostringstream out;
  const auto cursor = log.records({});
  REQUIRE_OK(cursor);
  for (RecordInfo info;;) {
    const Result<bool> more = (*cursor)->next(info);
    if (!more.ok()) {
      out << "damaged: " << more.status().message() << "\n";
      continue;
    }
    if (!*more) break;
    out << info.sequence << " " << info.offset << " " << info.bytes << " " << info.lsn << " " << info.kind
        << " " << info.durable_lsn << " " << info.wall_time.to_string() << " " << info.commit_time.to_string()
        << " " << info.transaction << " '" << info.account_id << "' '" << info.origin.client << "'";
    if (info.content) out << " content " << info.content->digest.to_string() << " " << info.content->size;
    for (const Operation& operation : info.operations) out << " " << to_hex(encode(operation));
    for (const Assigned& a : info.assigned) {
      out << " assigned " << a.operation << "." << a.element << " " << a.refused << " " << a.uid << " "
          << a.modseq;
    }
    out << "\n";
  }
  for (const LoggedTransaction& t : read_all_of(log).transactions) {
    out << "transaction " << t.begin_lsn << " " << t.commit_lsn << " '" << t.account_id << "'";
    for (const Operation& operation : t.operations) out << " " << to_hex(encode(operation));
    out << "\n";
  }
  return out.str();
}

std::string text_of(const std::string& path) {
  const Bytes bytes = slurp(path);
  return std::string(as_text(bytes));
}

/// Without the zeros that are allocated behind the records of the newest segment.
Bytes trimmed(Bytes bytes) {
  while (!bytes.empty() && bytes.back() == 0) bytes.pop_back();
  bytes.resize((bytes.size() + 7) / 8 * 8, 0);
  return bytes;
}

constexpr const char* kNames[] = {"redo-0000000001.log", "redo-0000000002.log"};

void write_golden() {
  const ScratchDir dir;
  std::filesystem::create_directories(kGolden);
  write_log(dir.file("redo"));
  for (const char* name : kNames) spill(kGolden + "/" + name, trimmed(slurp(dir.file("redo") + "/" + name)));
  copy_log(kGolden, dir.file("read"));
  ManualClock clock(1'300'000'000);
  Result<RedoLog> log = RedoLog::open(dir.file("read"), options_with(clock));
  REQUIRE_OK(log);
  const std::string list = list_of(*log);
  spill(kGolden + "/records.txt", as_bytes(list));
}

TEST_CASE("golden: segments of version 1 are read exactly") {
  if (std::getenv("RESTANTE_WRITE_GOLDEN") != nullptr) write_golden();
  const ScratchDir dir;
  std::filesystem::create_directories(dir.file("redo"));
  for (const char* name : kNames)
    std::filesystem::copy_file(kGolden + "/" + name, dir.file("redo") + "/" + name);
  ManualClock clock(1'300'000'000);
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  CHECK(list_of(*log) == text_of(kGolden + "/records.txt"));
  CHECK(log->verify()->damages.empty());
  REQUIRE(log->unfinished().size() == 1);
  CHECK(log->unfinished()[0].account_id == "dave");
  CHECK(log->server() == id_of_byte(0x53));
  const std::string mail = "From: a@example.com\r\nSubject: golden\r\n\r\n" + std::string(6000, 'g') + "\r\n";
  const auto reader = log->open_content(content_ref_of(as_bytes(mail)));
  REQUIRE_OK(reader);
  CHECK(as_text(*read_all(**reader)) == mail);
}

TEST_CASE("golden: the same history is written as the same bytes") {
  const ScratchDir dir;
  write_log(dir.file("redo"));
  for (const char* name : kNames) {
    INFO(name);
    const Bytes golden = slurp(kGolden + "/" + name);
    const Bytes written = slurp(dir.file("redo") + "/" + name);
    REQUIRE(written.size() >= golden.size());
    CHECK(std::equal(golden.begin(), golden.end(), written.begin()));
    CHECK(std::all_of(written.begin() + static_cast<std::ptrdiff_t>(golden.size()), written.end(),
                      [](std::uint8_t byte) { return byte == 0; }));
  }
}

}  // namespace
}  // namespace restante::test
