// R8: torn tail and damage. R5: incarnations.

#include "base/crc32c.hpp"
#include "redo/raw_segment.hpp"
#include "redo_test.hpp"

namespace restante::test {
namespace {

using Ids = std::vector<std::string>;

/// A log with some of everything, its newest segment left as by a kill.
struct Sample {
  MemoryDir dir;
  ManualClock clock;
  std::string crashed = dir.file("crashed");

  explicit Sample(int rolls = 0, int records = 6) {
    Result<RedoLog> log = RedoLog::open(dir.file("log"), options_with(clock));
    REQUIRE_OK(log);
    for (int roll = 0; roll <= rolls; ++roll) {
      for (int i = 0; i < records; ++i) {
        clock.advance_seconds(1);
        const std::string id = std::to_string(roll) + "." + std::to_string(i);
        if (i % 3 == 1) {
          Result<Transaction> transaction = begin(*log, i % 2 == 0 ? "alice" : "bob", id);
          REQUIRE_OK(transaction);
          REQUIRE_OK(transaction->commit({}, Sync::durable));
        } else {
          REQUIRE_OK(append(*log, i % 2 == 0 ? "alice" : "bob", id, 40));
        }
        ids.push_back(id);
      }
      if (roll < rolls) REQUIRE_OK(log->roll());
    }
    end = log->end();
    copy_log(dir.file("log"), crashed);
  }
  [[nodiscard]] std::string newest() const {
    std::string last;
    for (const auto& entry : std::filesystem::directory_iterator(crashed))
      last = std::max(last, entry.path().string());
    return last;
  }
  Ids ids;
  Lsn end = 0;
};

std::vector<redo::Record> records_of(const std::string& path) {
  const auto view = redo::open_raw_segment(os::real_io(), path);
  REQUIRE_OK(view);
  const auto stream = (*view)->records({});
  REQUIRE_OK(stream);
  std::vector<redo::Record> records;
  redo::Record record;
  for (;;) {
    const Result<bool> more = (*stream)->next(record);
    if (more.ok() && !*more) return records;
    if (more.ok()) records.push_back(record);
  }
}

TEST_CASE("R8: what a killed writer left is all there, and recovering twice changes nothing") {
  Sample sample;
  const RedoLog::Options options = options_with(sample.clock);
  {
    Result<RedoLog> log = RedoLog::open(sample.crashed, options);
    REQUIRE_OK(log);
    CHECK(log->sequence() == 2);  // never appended to the segment that was not closed
    CHECK(read_all_of(*log).ids == sample.ids);
    CHECK(log->end() == sample.end);
  }
  std::map<std::string, Bytes> before;
  for (const auto& entry : std::filesystem::directory_iterator(sample.crashed)) {
    before[entry.path().string()] = slurp(entry.path().string());
  }
  for (int i = 0; i < 2; ++i) {
    Result<RedoLog> log = RedoLog::open(sample.crashed, options);
    REQUIRE_OK(log);
    CHECK(log->sequence() == 2);
    CHECK(read_all_of(*log).ids == sample.ids);
  }
  for (const auto& [path, bytes] : before) {
    if (path.ends_with("redo.control")) continue;
    CHECK(slurp(path) == bytes);
  }
}

TEST_CASE("R8: a tail torn at any byte loses the torn record and nothing before it") {
  Sample sample;
  const std::string path = sample.newest();
  const Bytes whole = slurp(path);
  const std::vector<redo::Record> records = records_of(path);
  REQUIRE(records.size() > 5);
  const redo::Record& last = records.back();
  const redo::Record& second_last = records[records.size() - 2];
  const std::uint64_t end = last.offset + last.head.padded_length();
  const std::string copy = sample.dir.file("torn");
  for (std::uint64_t cut = second_last.offset; cut <= end; cut += cut + 8 < last.offset ? 5 : 1) {
    for (const bool zeros_behind : {true, false}) {
      if (!zeros_behind && cut % 8 != 0) continue;
      std::filesystem::remove_all(copy);
      std::filesystem::create_directories(copy);
      Bytes torn(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
      if (zeros_behind) torn.resize(whole.size(), 0);
      spill(copy + "/redo-0000000001.log", torn);
      Result<RedoLog> log = RedoLog::open(copy, options_with(sample.clock));
      REQUIRE_OK(log);
      // The padding behind a record is a part of it, but zeros are what padding is.
      Lsn expected = 0;
      for (const redo::Record& record : records) {
        const std::uint64_t needed =
            zeros_behind ? record.offset + record.head.length : record.offset + record.head.padded_length();
        bool is_there = needed <= cut;
        // Zeros at the end of a record may be zeros anyway.
        if (!is_there && zeros_behind) {
          is_there = std::all_of(whole.begin() + static_cast<std::ptrdiff_t>(cut),
                                 whole.begin() + static_cast<std::ptrdiff_t>(needed),
                                 [](std::uint8_t byte) { return byte == 0; });
        }
        if (is_there) expected = record.head.lsn;
      }
      INFO("cut at " << cut);
      REQUIRE(log->end() == expected);
      const ReadBack back = read_all_of(*log);
      REQUIRE(back.damages.empty());
      REQUIRE_OK(append(*log, "carol", "after"));
      REQUIRE(read_all_of(*log).ids.back() == "after");
      REQUIRE(log->verify()->damages.empty());
    }
  }
}

TEST_CASE("R8: what lies beyond a torn tail never comes back") {
  // Records whose sync never came, with the first of them lost: the later ones are intact and void.
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  const std::string crashed = dir.file("crashed");
  {
    Result<RedoLog> log = RedoLog::open(dir.file("log"), options);
    REQUIRE_OK(log);
    REQUIRE_OK(append(*log, "alice", "durable"));
    // Large ones are in the file, if not on the disk.
    for (const char* id : {"lost", "void 1", "void 2"})
      REQUIRE_OK(append(*log, "alice", id, 5000, Sync::lazy));
    copy_log(dir.file("log"), crashed);
  }
  const std::string path = crashed + "/redo-0000000001.log";
  const std::vector<redo::Record> records = records_of(path);
  REQUIRE(records.size() == 5);
  Bytes bytes = slurp(path);
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(records[2].offset), records[2].head.padded_length(),
              0);
  spill(path, bytes);
  for (int i = 0; i < 3; ++i) {
    Result<RedoLog> log = RedoLog::open(crashed, options);
    REQUIRE_OK(log);
    Ids expected{"durable"};
    for (int j = 0; j < i; ++j) expected.push_back("again");
    const ReadBack back = read_all_of(*log);
    CHECK(back.ids == expected);
    CHECK(back.damages.empty());
    REQUIRE_OK(append(*log, "alice", "again"));
    CHECK(log->verify()->damages.empty());
  }
}

TEST_CASE("R8: a record that a later one proves durable is damage, and reading goes on behind it") {
  Sample sample;
  const std::string path = sample.newest();
  const std::vector<redo::Record> records = records_of(path);
  const redo::Record& victim = records[3];
  Bytes bytes = slurp(path);
  SECTION("its body") { bytes[victim.offset + 70] ^= 1; }
  SECTION("its head") { bytes[victim.offset + 17] ^= 1; }
  SECTION("all of it") {
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(victim.offset), victim.head.padded_length(),
                0xab);
  }
  spill(path, bytes);
  Result<RedoLog> log = RedoLog::open(sample.crashed, options_with(sample.clock));
  REQUIRE_OK(log);
  CHECK(log->end() == sample.end);
  const ReadBack back = read_all_of(*log);
  CHECK(back.damages.size() >= 1);
  CHECK(back.ids.size() + 1 == sample.ids.size());
  const Result<LogVerification> verification = log->verify();
  REQUIRE_OK(verification);
  REQUIRE(verification->damages.size() == 1);
  CHECK(verification->damages[0].sequence == 1);
  CHECK(verification->damages[0].offset == victim.offset);
  CHECK(verification->damages[0].from_lsn == victim.head.lsn);
  CHECK(verification->damages[0].next_lsn == victim.head.lsn + 1);
  // An account's reader is told too: nobody knows whose record it was.
  CHECK(read_all_of(*log, {.after = 0, .until = UINT64_MAX, .account_id = "nobody"}).damages.size() == 1);
}

TEST_CASE("R8: every flipped byte of the newest segment is found or harmless, the rest is read") {
  Sample sample(0, 4);
  const std::string path = sample.newest();
  const Bytes whole = slurp(path);
  const std::vector<redo::Record> records = records_of(path);
  const std::uint64_t last_offset = records.back().offset;
  const std::uint64_t end = last_offset + records.back().head.padded_length();
  const std::string copy = sample.dir.file("flipped.log");
  Random random("flips");
  for (std::uint64_t at = 0; at < end + 64; at += at < 8192 && at > 256 && at != 4096 ? 61 : 1) {
    Bytes bytes = whole;
    bytes[at] ^= static_cast<std::uint8_t>(1u << random.below(8));
    spill(copy, bytes);
    INFO("byte " << at);
    const auto view = redo::open_raw_segment(os::real_io(), copy);
    REQUIRE_OK(view);  // of two headers one is always there
    const auto stream = (*view)->records({});
    REQUIRE_OK(stream);
    std::size_t read = 0;
    std::size_t damaged = 0;
    for (redo::Record record;;) {
      const Result<bool> more = (*stream)->next(record);
      if (more.ok() && !*more) break;
      if (more.ok()) {
        REQUIRE(record.bytes == records[record.head.lsn - 1].bytes);
        ++read;
      } else {
        REQUIRE_CODE(more, damaged);
        ++damaged;
      }
    }
    if (at < 8192 || at >= end) {
      REQUIRE(read == records.size());
      REQUIRE(damaged == 0);
    } else if (at >= last_offset) {
      REQUIRE(read == records.size() - 1);  // nothing vouches for the newest record: a torn tail
    } else {
      REQUIRE(read == records.size() - 1);
      REQUIRE(damaged == 1);
    }
  }
}

TEST_CASE("R8: every flipped byte of a sealed segment is found by verify, the rest is read") {
  Sample sample(1, 3);
  const std::string name = "/redo-0000000001.log";
  const Bytes whole = slurp(sample.crashed + name);
  const std::vector<redo::Record> records = records_of(sample.crashed + name);
  const std::uint64_t end = records.back().offset + records.back().head.padded_length();
  const std::string copy = sample.dir.file("copy");
  Random random("sealed flips");
  for (std::uint64_t at = 0; at < whole.size(); at += at < 8192 && at > 256 && at != 4096 ? 1021 : 7) {
    copy_log(sample.crashed, copy);
    Bytes bytes = whole;
    bytes[at] ^= static_cast<std::uint8_t>(1u << random.below(8));
    spill(copy + name, bytes);
    INFO("byte " << at << " of " << whole.size());
    Result<RedoLog> log = RedoLog::open(copy, options_with(sample.clock));
    REQUIRE_OK(log);
    const Result<LogVerification> verification = log->verify();
    REQUIRE_OK(verification);
    const ReadBack back = read_all_of(*log);
    if (at >= 8192 && at < end) {
      REQUIRE(back.damages.size() >= 1);
      REQUIRE(back.ids.size() + 1 >= sample.ids.size());
    } else {
      REQUIRE(back.ids == sample.ids);
      const ReadBack alice = read_all_of(*log, {.after = 0, .until = UINT64_MAX, .account_id = "alice"});
      REQUIRE(alice.damages.empty());
      REQUIRE(alice.ids.size() == 4);
    }
    // A footer that is not intact was written again by the opener.
    if (at < whole.size() - redo::kFooterBytes) REQUIRE(verification->damages.size() >= 1);
  }
}

TEST_CASE("R8: a sealed segment that is cut short at any place is read as far as it goes") {
  Sample sample(1, 4);
  const std::string name = "/redo-0000000001.log";
  const Bytes whole = slurp(sample.crashed + name);
  const std::vector<redo::Record> records = records_of(sample.crashed + name);
  const std::string copy = sample.dir.file("cut");
  for (std::uint64_t size = 8192; size < whole.size(); size += 29) {
    copy_log(sample.crashed, copy);
    spill(copy + name, ByteView(whole).first(size));
    Result<RedoLog> log = RedoLog::open(copy, options_with(sample.clock));
    INFO("cut at " << size);
    REQUIRE_OK(log);
    std::size_t kept = 0;
    for (const redo::Record& record : records)
      kept += record.offset + record.head.padded_length() <= size ? 1 : 0;
    const ReadBack back = read_all_of(*log);
    REQUIRE(back.damages.empty() == (kept == records.size()));
    REQUIRE(log->verify()->damages.empty() == (kept == records.size()));
    for (std::size_t i = 0; i < 4; ++i) REQUIRE(back.ids[back.ids.size() - 4 + i] == sample.ids[4 + i]);
  }
}

TEST_CASE("R10: an unsealed older segment is sealed by the next opener") {
  Sample sample(1, 4);
  const std::string path = sample.crashed + "/redo-0000000001.log";
  const Bytes sealed = slurp(path);
  const std::vector<redo::Record> records = records_of(path);
  const std::uint64_t end = records.back().offset + records.back().head.padded_length();
  Bytes unsealed(sealed.begin(), sealed.begin() + static_cast<std::ptrdiff_t>(end));
  SECTION("never begun") { unsealed.resize(65536, 0); }
  SECTION("in the middle") {
    unsealed.insert(unsealed.end(), sealed.begin() + static_cast<std::ptrdiff_t>(end),
                    sealed.begin() + static_cast<std::ptrdiff_t>(end) + 40);
    unsealed.resize(65536, 0);
  }
  SECTION("with void bytes behind") { unsealed.resize(65536, 0xcd); }
  spill(path, unsealed);
  {
    Result<RedoLog> log = RedoLog::open(sample.crashed, options_with(sample.clock));
    REQUIRE_OK(log);
    CHECK(log->segments()->at(0).sealed);
    CHECK(read_all_of(*log).ids == sample.ids);
    CHECK(log->verify()->damages.empty());
  }
  CHECK(slurp(path) == sealed);
}

TEST_CASE("R8: the mark that a closing log writes vouches for its last records") {
  const ScratchDir dir;
  const ManualClock clock;
  {
    Result<RedoLog> log = RedoLog::open(dir.file("log"), options_with(clock));
    REQUIRE_OK(log);
    REQUIRE_OK(append(*log, "alice", "last"));
  }
  const std::string path = dir.file("log") + "/redo-0000000001.log";
  const std::vector<redo::Record> records = records_of(path);
  REQUIRE(records.back().head.kind == redo::RecordKind::mark);
  Bytes bytes = slurp(path);
  bytes[records[records.size() - 2].offset + 80] ^= 4;
  spill(path, bytes);
  Result<RedoLog> log = RedoLog::open(dir.file("log"), options_with(clock));
  REQUIRE_OK(log);
  CHECK(read_all_of(*log).damages.size() == 1);
}

TEST_CASE("R8: an idle log writes a mark, once") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("log"), options_with(clock));
  REQUIRE_OK(log);
  const Lsn last = *append(*log, "alice", "last");
  REQUIRE_OK(log->maintain());
  REQUIRE_OK(log->maintain());
  CHECK(log->end() == last + 1);
  CHECK(log->durable_end() == last + 1);
  REQUIRE_OK(log->roll());  // into the spare
  REQUIRE_OK(append(*log, "alice", "more"));
  CHECK(read_all_of(*log).ids == Ids{"last", "more"});
}

TEST_CASE("R8: a newest segment that is sealed says that one is missing") {
  Sample sample(1);
  std::filesystem::remove(sample.newest());
  const Result<RedoLog> log = RedoLog::open(sample.crashed, options_with(sample.clock));
  REQUIRE_CODE(log, damaged);
  CHECK(log.status().hint().find("continues") != std::string::npos);
}

TEST_CASE("R8: a segment that is missing in between is named") {
  Sample sample(2, 3);
  std::filesystem::remove(sample.crashed + "/redo-0000000002.log");
  Result<RedoLog> log = RedoLog::open(sample.crashed, options_with(sample.clock));
  REQUIRE_OK(log);
  const ReadBack back = read_all_of(*log);
  REQUIRE(back.damages.size() == 1);
  CHECK(back.damages[0].find("segment 2 is missing") != std::string::npos);
  CHECK(back.ids.size() == 6);
  REQUIRE(log->verify()->damages.size() == 1);
}

TEST_CASE("R5: files that are not the log's are told apart, with a hint") {
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  const std::string path = dir.file("redo");
  const auto refused = [&](Code code) {
    const Result<RedoLog> log = RedoLog::open(path, options);
    INFO(log.status().to_string());
    REQUIRE_FALSE(log.ok());
    CHECK(name_of(log.status().code()) == name_of(code));
    CHECK_FALSE(log.status().message().empty());
  };
  SECTION("a directory of something else") {
    std::filesystem::create_directories(path);
    spill(path + "/mail.txt", as_bytes("hello"));
    refused(Code::invalid_argument);
    CHECK_FALSE(std::filesystem::exists(path + "/redo-0000000001.log"));
  }
  SECTION("an empty segment") {
    std::filesystem::create_directories(path);
    spill(path + "/redo-0000000001.log", {});
    refused(Code::damaged);
  }
  SECTION("a file that is no segment") {
    std::filesystem::create_directories(path);
    spill(path + "/redo-0000000001.log", Bytes(20'000, 0x41));
    refused(Code::damaged);
  }
  SECTION("left-overs of a crash while the log was made") {
    std::filesystem::create_directories(path);
    spill(path + "/.restante-tmp-0123456789abcdef", Bytes(10, 1));
    std::filesystem::create_directories(path + "/lost+found");
    REQUIRE_OK(RedoLog::open(path, options).status());
    CHECK_FALSE(std::filesystem::exists(path + "/.restante-tmp-0123456789abcdef"));
  }
  SECTION("segments that are there") {
    REQUIRE_OK(RedoLog::open(path, options).status());
    const std::string segment = path + "/redo-0000000001.log";
    SECTION("of a newer version") {
      Bytes bytes = slurp(segment);
      redo::SegmentHeader header = *redo::decode_header_copy(bytes, 0);
      Bytes encoded = redo::encode_header(header);
      for (const std::size_t copy : {std::size_t{0}, std::size_t{4096}}) {
        encoded[copy + 8] = 2;
        // The checksum of the changed copy.
        Bytes view(encoded.begin() + static_cast<std::ptrdiff_t>(copy),
                   encoded.begin() + static_cast<std::ptrdiff_t>(copy) + 4096);
        std::fill_n(view.begin() + 20, 4, 0);
        const std::uint32_t crc = base::crc32c(view);
        for (std::size_t i = 0; i < 4; ++i)
          encoded[copy + 20 + i] = static_cast<std::uint8_t>(crc >> (8 * i));
      }
      std::copy(encoded.begin(), encoded.end(), bytes.begin());
      spill(segment, bytes);
      refused(Code::unsupported);
    }
    SECTION("of two logs") {
      REQUIRE_OK(RedoLog::open(dir.file("other"), options).status());
      std::filesystem::copy_file(dir.file("other") + "/redo-0000000001.log", path + "/redo-0000000002.log");
      refused(Code::diverged);  // it says that it is segment 1
      Result<RedoLog> other = RedoLog::open(dir.file("other"), options);
      REQUIRE_OK(other);
      REQUIRE_OK(other->roll());
      std::filesystem::remove(path + "/redo-0000000002.log");
      std::filesystem::copy_file(dir.file("other") + "/redo-0000000002.log", path + "/redo-0000000002.log");
      refused(Code::diverged);
    }
    SECTION("all gone but the consumers") {
      REQUIRE_OK(RedoLog::open(path, options)->set_consumer("target", 1));
      std::filesystem::remove(segment);
      refused(Code::damaged);
    }
  }
}

TEST_CASE("R5: a log that continues another goes on above its highest position") {
  const ScratchDir dir;
  const ManualClock clock;
  RedoLog::Options options = options_with(clock);
  Continuation continuation;
  Id128 server;
  {
    Result<RedoLog> log = RedoLog::open(dir.file("old"), options);
    REQUIRE_OK(log);
    CHECK_FALSE(log->continues().has_value());
    REQUIRE_OK(append(*log, "alice", "1"));
    REQUIRE_OK(log->roll());
    REQUIRE_OK(append(*log, "alice", "2"));
    continuation.parent = {log->id(), log->incarnation(), log->durable_end()};
    continuation.parent_sequence = log->sequence();
    server = log->server();
  }
  options.server = server;
  options.continues = continuation;
  for (int i = 0; i < 2; ++i) {
    Result<RedoLog> log = RedoLog::open(dir.file("new"), options);
    REQUIRE_OK(log);
    CHECK(log->server() == server);
    CHECK(log->id() == continuation.parent.log);
    CHECK(log->incarnation() != continuation.parent.incarnation);
    REQUIRE(log->continues().has_value());
    CHECK(log->continues()->parent == continuation.parent);
    CHECK(log->continues()->parent_sequence == 2);
    CHECK(log->sequence() == 3);
    if (i == 0) {
      CHECK(log->end() == continuation.parent.lsn + 1);
      REQUIRE_OK(append(*log, "alice", "3"));
    }
    CHECK(read_all_of(*log).ids == Ids{"3"});
    const auto cursor = log->records({});
    REQUIRE_OK(cursor);
    RecordInfo first;
    REQUIRE(*(*cursor)->next(first));
    CHECK(first.kind == "incarnation");
    CHECK(first.lsn == continuation.parent.lsn + 1);
  }
  options.continues->parent.lsn += 1;
  REQUIRE_CODE(RedoLog::open(dir.file("new"), options), already_exists);
}

TEST_CASE("R9: accounts to reconcile after an unclean end") {
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  const std::string crashed = dir.file("crashed");
  {
    Result<RedoLog> log = RedoLog::open(dir.file("log"), options);
    REQUIRE_OK(log);
    REQUIRE_OK(log->touch("before"));
  }
  {
    Result<RedoLog> log = RedoLog::open(dir.file("log"), options);
    REQUIRE_OK(log);
    CHECK(log->accounts_to_reconcile().empty());
    const Lsn end = log->end();
    REQUIRE_OK(log->touch("alice"));
    REQUIRE_OK(log->touch("alice"));
    CHECK(log->end() == end + 1);
    REQUIRE_OK(log->roll());
    REQUIRE_OK(log->touch("alice"));
    CHECK(log->end() == end + 2);
    REQUIRE_OK(append(*log, "bob", "1"));
    REQUIRE_OK(begin(*log, "carol", "not appended"));
    copy_log(dir.file("log"), crashed);
  }
  const Ids expected{"alice", "before", "bob"};  // "before" shares the segment in which the log was opened
  {
    Result<RedoLog> log = RedoLog::open(crashed, options);
    REQUIRE_OK(log);
    CHECK(log->accounts_to_reconcile() == expected);
    copy_log(crashed, dir.file("twice"));
  }
  // A second crash before anybody reconciled forgets nothing; a clean close does.
  CHECK(RedoLog::open(dir.file("twice"), options)->accounts_to_reconcile() == expected);
  CHECK(RedoLog::open(crashed, options)->accounts_to_reconcile().empty());
}

}  // namespace
}  // namespace restante::test
