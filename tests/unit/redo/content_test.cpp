// Content in the log: once, in pieces, near what refers to it (R10).

#include "redo/raw_segment.hpp"
#include "redo_test.hpp"

namespace restante::test {
namespace {

ContentRef put(RedoLog& log, std::string_view account, const Bytes& bytes) {
  const auto reader = read_from_memory(ByteView(bytes));
  const Result<ContentRef> content = log.put_content(account, *reader);
  REQUIRE_OK(content);
  CHECK(*content == content_ref_of(bytes));
  return *content;
}

Bytes get(const RedoLog& log, const ContentRef& content) {
  const auto reader = log.open_content(content);
  REQUIRE_OK(reader);
  Result<Bytes> bytes = read_all(**reader);
  REQUIRE_OK(bytes);
  return std::move(*bytes);
}

Operation message_with(const ContentRef& content, std::string id = "m") {
  MessagePut put;
  put.messages.resize(1);
  put.messages[0].id = std::move(id);
  put.messages[0].folder_id = "inbox";
  put.messages[0].content = content;
  return put;
}

std::vector<RecordInfo> dump(const RedoLog& log) {
  const auto cursor = log.records({});
  REQUIRE_OK(cursor);
  std::vector<RecordInfo> all;
  for (RecordInfo info; *(*cursor)->next(info);) all.push_back(info);
  return all;
}

TEST_CASE("R10: what open transactions reserve does not drive content and the record that names it apart") {
  const MemoryDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock, 512u << 10);
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  MessagePut many;
  many.messages.resize(60);
  for (std::size_t i = 0; i < many.messages.size(); ++i) {
    many.messages[i].id = "m" + std::to_string(i);
    many.messages[i].folder_id = "inbox";
  }
  const std::vector<Operation> large{many};
  std::vector<Transaction> open;
  for (int i = 0; i < 20; ++i) {  // each reserves more than 64 KiB
    Result<Transaction> transaction = log->begin("alice", large);
    REQUIRE_OK(transaction);
    open.push_back(*std::move(transaction));
  }
  const std::uint64_t before = log->sequence();
  std::vector<Operation> operations;
  for (int i = 0; i < 40; ++i) {
    const std::string text = "content " + std::to_string(i);
    operations.push_back(message_with(put(*log, "bob", Bytes(text.begin(), text.end())), text));
  }
  REQUIRE_OK(log->append("bob", operations));
  CHECK(log->sequence() <= before + 2);
  for (Transaction& transaction : open) REQUIRE_OK(transaction.abort());
}

TEST_CASE("R10: content of every size comes back, across pieces, rolls and openings") {
  const MemoryDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock, 512u << 10);
  Random random("contents");
  std::vector<Bytes> contents;
  for (const std::size_t size : {0, 1, 4095, 4096, 4097, 8192, 20'000, 300'000})
    contents.push_back(random.bytes(size));
  contents.push_back(random.bytes(5u << 20));  // more than is held in memory, through ten segments
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
    REQUIRE_OK(log);
    for (const Bytes& bytes : contents) {
      const ContentRef content = put(*log, "alice", bytes);
      const std::vector<Operation> operations{message_with(content)};
      REQUIRE_OK(log->append("alice", operations));
      CHECK(get(*log, content) == bytes);
    }
    CHECK(log->sequence() > 10);
  }
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  for (const Bytes& bytes : contents) CHECK(get(*log, content_ref_of(bytes)) == bytes);
  CHECK(log->verify()->damages.empty());
  REQUIRE_CODE(log->open_content(content_ref_of(as_bytes("unknown"))), not_found);
  REQUIRE_CODE(log->open_content({content_ref_of(contents[2]).digest, 7}), not_found);
}

TEST_CASE("R10: content that a recent segment has is not written again") {
  const MemoryDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  const Bytes mail = Random("mail").bytes(9000);
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
    REQUIRE_OK(log);
    put(*log, "alice", mail);
    const Lsn end = log->end();
    put(*log, "bob", mail);
    CHECK(log->end() == end);
    REQUIRE_OK(log->roll());
    REQUIRE_OK(log->roll());
    put(*log, "bob", mail);
    CHECK(log->end() == end);
  }
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  const Lsn end = log->end();
  put(*log, "carol", mail);
  CHECK(log->end() == end);
  REQUIRE_OK(log->roll());
  put(*log, "carol", mail);
  CHECK(log->end() == end + 3);  // three pieces: two segments back is as far as it goes
}

TEST_CASE("R10: content put long before it is named comes along") {
  const MemoryDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  const Bytes mail = Random("slow").bytes(5000);
  const ContentRef content = put(*log, "alice", mail);
  for (int i = 0; i < 5; ++i) REQUIRE_OK(log->roll());
  const std::vector<Operation> operations{message_with(content)};
  REQUIRE_OK(log->append("alice", operations));
  const auto views = redo::views(*log);
  REQUIRE_OK(views);
  const auto place = views->back()->find_content(content);
  REQUIRE_OK(place);
  REQUIRE(place->has_value());
  CHECK((*place)->first_sequence == 6);
  CHECK(get(*log, content) == mail);
}

TEST_CASE("R10: a record names where its content lies, and keeps that segment") {
  const MemoryDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  const ContentRef content = put(*log, "alice", Random("pinned").bytes(5000));
  REQUIRE_OK(log->roll());
  const std::vector<Operation> operations{message_with(content),
                                          message_with(content_ref_of(as_bytes("elsewhere")))};
  REQUIRE_OK(log->append("alice", operations));
  REQUIRE_OK(log->roll());
  const auto views = redo::views(*log);
  REQUIRE_OK(views);
  redo::RecordFilter filter;
  filter.kinds = redo::kind_bit(redo::RecordKind::append);
  const auto stream = views->at(1)->records(filter);
  REQUIRE_OK(stream);
  redo::Record record;
  REQUIRE(*(*stream)->next(record));
  const Result<redo::OperationsBody> body = redo::decode_operations(record);
  REQUIRE_OK(body);
  REQUIRE(body->contents.size() == 1);
  CHECK(body->contents[0].content == content);
  CHECK(body->contents[0].first_sequence == 1);
  CHECK(body->contents[0].last_sequence == 1);
  const auto last_piece = views->at(0)->record(body->contents[0].last_lsn, body->contents[0].last_offset);
  REQUIRE_OK(last_piece);
  CHECK(redo::decode_piece(*last_piece)->last);
  // Segment 2 is kept, so segment 1 is.
  REQUIRE_OK(log->set_consumer("target", views->at(0)->last_lsn()));
  CHECK(*log->remove_consumed(std::chrono::seconds(0)) == 0);
  REQUIRE_OK(log->set_consumer("target", log->end()));
  CHECK(*log->remove_consumed(std::chrono::seconds(0)) == 2);
}

TEST_CASE("R10: a content whose reader fails leaves nothing that anybody sees") {
  struct Failing final : ContentReader {
    int calls = 0;
    Result<std::size_t> read(MutableByteView buffer) override {
      if (++calls > 2000) return Status(Code::io, "the network is gone");
      return std::min<std::size_t>(buffer.size(), 4096);
    }
  };
  const MemoryDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock, 2u << 20));
  REQUIRE_OK(log);
  Failing failing;
  REQUIRE_CODE(log->put_content("alice", failing), io);
  REQUIRE_OK(append(*log, "alice", "after"));
  CHECK(read_all_of(*log).ids == std::vector<std::string>{"after"});
  CHECK(log->verify()->damages.empty());
  for (const RecordInfo& info : dump(*log)) {
    if (info.content) CHECK(info.content->digest.is_zero());
  }
}

TEST_CASE("R10: damaged content is told, before its last byte") {
  const MemoryDir dir;
  const ManualClock clock;
  const Bytes mail = Random("damaged").bytes(10'000);
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
    REQUIRE_OK(log);
    put(*log, "alice", mail);
  }
  const std::string path = dir.file("redo") + "/redo-0000000001.log";
  Bytes bytes = slurp(path);
  const auto found = std::search(bytes.begin(), bytes.end(), mail.begin() + 5000, mail.begin() + 5032);
  REQUIRE(found != bytes.end());
  *found ^= 1;
  spill(path, bytes);
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  const auto reader = log->open_content(content_ref_of(mail));
  REQUIRE_OK(reader);
  REQUIRE_CODE(read_all(**reader), damaged);
  const auto verification = log->verify();
  REQUIRE_OK(verification);
  CHECK(verification->damages.size() >= 1);
}

TEST_CASE("R10: a stub of a content piece keeps everything but the bytes") {
  const MemoryDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  const ContentRef content = put(*log, "alice", Random("stub").bytes(3000));
  REQUIRE_OK(log->roll());
  const auto views = redo::views(*log);
  REQUIRE_OK(views);
  const redo::SegmentView& view = *views->front();
  const auto stream = view.records({});
  REQUIRE_OK(stream);
  std::size_t stubs = 0;
  for (redo::Record record; *(*stream)->next(record);) {
    const redo::Place place = view.header().place(record.offset);
    REQUIRE_OK(redo::decode_record(record.bytes, place));
    const Result<redo::Record> stub = redo::stub_of(record, place);
    REQUIRE_OK(stub);
    const Result<redo::Record> decoded = redo::decode_record(stub->bytes, place);
    REQUIRE_OK(decoded);
    CHECK(decoded->head.lsn == record.head.lsn);
    CHECK(decoded->head.commit_time == record.head.commit_time);
    CHECK(decoded->account_id() == record.account_id());
    if (record.head.kind != redo::RecordKind::content) {
      CHECK(stub->bytes == record.bytes);
      continue;
    }
    ++stubs;
    CHECK((decoded->head.flags & redo::kFlagStub) != 0);
    const Result<redo::PieceBody> piece = redo::decode_piece(*decoded);
    REQUIRE_OK(piece);
    CHECK(piece->content == content);
    CHECK(redo::piece_data(*decoded, *piece).empty());
    CHECK(decoded->bytes.size() < 200);
  }
  CHECK(stubs == 1);
}

TEST_CASE(
    "R10: a transaction that names more content than the newest segments hold is refused, not tried for "
    "ever") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock, 64u << 10));
  REQUIRE_OK(log);
  MessagePut put;
  for (int i = 0; i < 40; ++i) {
    const std::string text = std::to_string(i) + std::string(10'000, 'x');
    const auto reader = read_from_memory(as_bytes(text));
    const Result<ContentRef> content = log->put_content("alice", *reader);
    REQUIRE_OK(content);
    Message message;
    message.id = std::to_string(i);
    message.folder_id = "inbox";
    message.content = *content;
    put.messages.push_back(message);
  }
  const Lsn before = log->end();
  const std::vector<Operation> operations{put};
  const Result<Lsn> refused = log->append("alice", operations);
  REQUIRE_CODE(refused, invalid_argument);
  CHECK_FALSE(refused.status().hint().empty());
  CHECK(log->end() == before);
  // A part of it is put again and named.
  put.messages.resize(5);
  REQUIRE_OK(log->append("alice", std::vector<Operation>{put}));
  REQUIRE_OK(log->open_content(*put.messages.front().content));
}

}  // namespace
}  // namespace restante::test
