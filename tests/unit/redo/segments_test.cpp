// R8, R10: segments that are read by their files, without opening a log; times and kinds of what is read.

#include <restante/redo_segments.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "redo/raw_segment.hpp"
#include "redo_test.hpp"

namespace restante::test {
namespace {

using Ids = std::vector<std::string>;
using Paths = std::vector<std::string>;

std::string segment_of(const std::string& directory, std::uint64_t sequence) {
  return directory + "/" + redo::segment_name(sequence);
}

/// A log of some segments, one second from record to record, left as by a kill.
struct Segments {
  MemoryDir dir;
  ManualClock clock;
  std::string path = dir.file("crashed");
  Ids ids;
  ContentRef content;
  Bytes content_bytes = Bytes(9'000, 0x5a);
  std::vector<SegmentInfo> infos;

  explicit Segments(std::uint64_t count, int records = 3) {
    Result<RedoLog> log = RedoLog::open(dir.file("log"), options_with(clock));
    REQUIRE_OK(log);
    for (std::uint64_t sequence = 1; sequence <= count; ++sequence) {
      if (sequence == 2) put_content(*log);
      for (int i = 0; i < records; ++i) add(*log, sequence, i);
      if (sequence < count) REQUIRE_OK(log->roll());
    }
    infos = *log->segments();
    copy_log(dir.file("log"), path);
  }
  [[nodiscard]] std::string file(std::uint64_t sequence) const { return segment_of(path, sequence); }
  [[nodiscard]] Ids ids_of(std::uint64_t sequence) const {
    Ids out;
    for (const std::string& id : ids)
      if (id.starts_with(std::to_string(sequence) + ".")) out.push_back(id);
    return out;
  }

 private:
  void add(RedoLog& log, std::uint64_t sequence, int i) {
    clock.advance_seconds(1);
    const std::string id = std::to_string(sequence) + "." + std::to_string(i);
    if (i % 3 == 1) {
      Result<Transaction> transaction = begin(log, "bob", id);
      REQUIRE_OK(transaction);
      REQUIRE_OK(transaction->commit({}, Sync::durable));
    } else {
      REQUIRE_OK(append(log, "alice", id, 40));
    }
    ids.push_back(id);
  }
  void put_content(RedoLog& log) {
    clock.advance_seconds(1);
    const auto reader = read_from_memory(ByteView(content_bytes));
    Result<ContentRef> put = log.put_content("alice", *reader);
    REQUIRE_OK(put);
    content = *put;
  }
};

std::map<std::string, Bytes> files_in(const std::string& directory) {
  std::map<std::string, Bytes> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    files[entry.path().string()] = slurp(entry.path().string());
  return files;
}

ReadBack read_files(const RedoSegments& segments, const ReadRange& range = {}) {
  const Result<std::unique_ptr<TransactionCursor>> cursor = segments.read(range);
  REQUIRE_OK(cursor);
  ReadBack back = read_back(**cursor);
  REQUIRE_OK(back.failure);
  return back;
}

struct Records {
  std::vector<Lsn> lsns;
  std::vector<std::string> kinds;
  std::vector<Status> failures;
};
Records records_in(RedoLog::RecordCursor& cursor) {
  Records out;
  for (RecordInfo record;;) {
    const Result<bool> more = cursor.next(record);
    if (!more.ok()) {
      out.failures.push_back(more.status());
      REQUIRE(out.failures.size() < 100);
      continue;
    }
    if (!*more) return out;
    out.lsns.push_back(record.lsn);
    out.kinds.emplace_back(record.kind);
  }
}
template <class Source>
Records records_of(const Source& source, const ReadRange& range = {}) {
  const auto cursor = source.records(range);
  REQUIRE_OK(cursor);
  return records_in(**cursor);
}

RedoSegments open_files(const Paths& paths) {
  Result<RedoSegments> segments = RedoSegments::open(paths);
  REQUIRE_OK(segments);
  return std::move(*segments);
}

std::vector<RecordInfo> infos_in(const std::string& path) {
  const auto cursor = open_files({path}).records({});
  REQUIRE_OK(cursor);
  std::vector<RecordInfo> records;
  for (RecordInfo record; *(*cursor)->next(record);) records.push_back(record);
  return records;
}
std::uint64_t end_of(const RecordInfo& record) { return record.offset + record.bytes; }

/// The one file that was left out.
RedoSegments::LeftOut only_left_out(const RedoSegments& segments) {
  REQUIRE(segments.left_out().size() == 1);
  return segments.left_out().front();
}

TEST_CASE("R10: segments are read by their files as the log reads them, and nothing is written") {
  const Segments sample(3);
  const std::map<std::string, Bytes> before = files_in(sample.path);
  const Result<RedoSegments> directory = RedoSegments::open_directory(sample.path);
  REQUIRE_OK(directory);
  for (const RedoSegments& segments :
       {*directory, open_files({sample.file(3), sample.file(1), sample.file(2)})}) {
    CHECK(segments.left_out().empty());
    CHECK(read_files(segments).ids == sample.ids);
    CHECK(read_files(segments).damages.empty());
    const ReadBack alice = read_files(segments, {.after = 0, .until = UINT64_MAX, .account_id = "alice"});
    CHECK(alice.ids == Ids{"1.0", "1.2", "2.0", "2.2", "3.0", "3.2"});
    const Result<std::unique_ptr<ContentReader>> content = segments.open_content(sample.content);
    REQUIRE_OK(content);
    CHECK(*read_all(**content) == sample.content_bytes);

    const std::vector<SegmentInfo> infos = segments.segments();
    REQUIRE(infos.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(infos[i].sequence == sample.infos[i].sequence);
      CHECK(infos[i].first_lsn == sample.infos[i].first_lsn);
      CHECK(infos[i].last_lsn == sample.infos[i].last_lsn);
      CHECK(infos[i].first_time == sample.infos[i].first_time);
      CHECK(infos[i].last_time == sample.infos[i].last_time);
      CHECK(infos[i].sealed == (i < 2));
    }
    const Result<LogVerification> verified = segments.verify();
    REQUIRE_OK(verified);
    CHECK(verified->damages.empty());
    CHECK(verified->transactions == sample.ids.size());
    REQUIRE(verified->by_segment.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      const SegmentVerification& segment = verified->by_segment[i];
      CHECK_FALSE(segment.is_damaged);
      CHECK(segment.readable == std::vector<LsnRange>{{infos[i].first_lsn, infos[i].last_lsn}});
      CHECK(segment.torn_bytes == 0);
      CHECK(segment.file.ends_with(redo::segment_name(i + 1)));
    }
  }
  CHECK(files_in(sample.path) == before);
  Result<RedoLog> log = RedoLog::open(sample.path, options_with(sample.clock));
  REQUIRE_OK(log);
  CHECK(log->id() == directory->id());
  CHECK(log->incarnation() == directory->incarnation());
  CHECK(log->server() == directory->server());
  CHECK(records_of(*directory).lsns.size() == sample.infos.back().last_lsn);
}

TEST_CASE("R10: any subset of segments is read, and what is missing between them is named") {
  const Segments sample(5);
  for (unsigned chosen = 1; chosen < 32; ++chosen) {
    Paths paths;
    Ids expected;
    std::size_t holes = 0;
    std::uint64_t last = 0;
    for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) {
      if ((chosen >> (sequence - 1) & 1u) == 0) continue;
      if (last != 0 && sequence != last + 1) ++holes;
      last = sequence;
      paths.push_back(sample.file(sequence));
      for (const std::string& id : sample.ids_of(sequence)) expected.push_back(id);
    }
    INFO("segments " << chosen);
    const RedoSegments segments = open_files(paths);
    REQUIRE(segments.left_out().empty());
    const ReadBack back = read_files(segments);
    REQUIRE(back.ids == expected);
    REQUIRE(back.damages.size() == holes);
    const Records records = records_of(segments);
    REQUIRE(records.failures.size() == holes);
    for (const Status& failure : records.failures) REQUIRE(failure.code() == Code::not_found);
    const Result<LogVerification> verified = segments.verify();
    REQUIRE_OK(verified);
    REQUIRE(verified->damages.size() == holes);
    REQUIRE(verified->segments == paths.size());
    for (const LogDamage& damage : verified->damages) {
      REQUIRE(damage.file.empty());
      REQUIRE(damage.from_lsn == sample.infos[damage.sequence - 1].first_lsn);
    }
  }
  const RedoSegments ends = open_files({sample.file(1), sample.file(5)});
  CHECK(ends.verify()->damages[0].what == "segments 2 to 4 are missing");
  CHECK(records_of(ends).failures[0].message().starts_with("segments 2 to 4 are missing: LSN "));
  // Whoever asks for neither side of the hole is not told of it.
  CHECK(records_of(ends, {.after = 0, .until = 2}).failures.empty());
  CHECK(records_of(ends, {.after = sample.infos[4].first_lsn}).failures.empty());
}

TEST_CASE("R10: a transaction whose begin is in a segment that is not there is named, and the rest read") {
  const MemoryDir dir;
  const ManualClock clock;
  const std::string path = dir.file("copy");
  {
    Result<RedoLog> log = RedoLog::open(dir.file("log"), options_with(clock));
    REQUIRE_OK(log);
    Result<Transaction> across = begin(*log, "alice", "across");
    REQUIRE_OK(across);
    REQUIRE_OK(log->roll());
    REQUIRE_OK(across->commit({}, Sync::durable));
    REQUIRE_OK(append(*log, "alice", "behind"));
    copy_log(dir.file("log"), path);
  }
  const RedoSegments second = open_files({segment_of(path, 2)});
  const Result<std::unique_ptr<TransactionCursor>> cursor = second.read({});
  REQUIRE_OK(cursor);
  LoggedTransaction transaction;
  REQUIRE_CODE((*cursor)->next(transaction), not_found);
  const Result<bool> more = (*cursor)->next(transaction);
  REQUIRE_OK(more);
  REQUIRE(*more);
  CHECK(id_of(transaction) == "behind");
  CHECK(read_files(open_files({segment_of(path, 1), segment_of(path, 2)})).ids == Ids{"across", "behind"});
}

TEST_CASE("R10: content whose pieces are not all there is not found") {
  const Segments sample(3);
  REQUIRE_CODE(open_files({sample.file(1), sample.file(3)}).open_content(sample.content), not_found);
  REQUIRE_OK(open_files({sample.file(2)}).open_content(sample.content).status());
}

TEST_CASE("R8: a file that is none of the segments is left out with the reason, and the others are read") {
  Segments sample(3);
  const std::string other = sample.dir.file("other.log");
  Paths paths{sample.file(1), sample.file(2), sample.file(3)};
  Ids expected = sample.ids;
  Code code = Code::damaged;
  std::uint64_t sequence = 0;
  std::size_t holes = 0;
  const auto without_second = [&] {
    expected = sample.ids_of(1);
    for (const std::string& id : sample.ids_of(3)) expected.push_back(id);
    sequence = 2;
    holes = 1;
  };
  SECTION("no file") {
    paths.push_back(other);
    code = Code::not_found;
  }
  SECTION("a directory") {
    std::filesystem::create_directory(other);
    paths.push_back(other);
  }
  SECTION("an empty file") {
    spill(other, {});
    paths.push_back(other);
  }
  SECTION("something else") {
    spill(other, Bytes(20'000, 0x41));
    paths.push_back(other);
  }
  SECTION("the same segment twice") {
    std::filesystem::copy_file(sample.file(2), other);
    paths.push_back(other);
    code = Code::diverged;
    sequence = 2;
  }
  SECTION("a segment of another log") {
    const Segments foreign(1);
    std::filesystem::copy_file(foreign.file(1), other);
    paths.insert(paths.begin(), other);
    code = Code::diverged;
    sequence = 1;
  }
  SECTION("a segment under another's name") {
    const std::string misnamed = sample.dir.file("redo-0000000009.log");
    std::filesystem::copy_file(sample.file(2), misnamed);
    paths.push_back(misnamed);
    code = Code::diverged;
    sequence = 2;
  }
  SECTION("both copies of the header") {
    Bytes bytes = slurp(sample.file(2));
    bytes[130] ^= 1;
    bytes[4096 + 130] ^= 1;
    spill(sample.file(2), bytes);
    without_second();
  }
  SECTION("cut short in the header") {
    spill(sample.file(2), ByteView(slurp(sample.file(2))).first(3'000));
    without_second();
  }
  const RedoSegments segments = open_files(paths);
  const RedoSegments::LeftOut left = only_left_out(segments);
  INFO(left.why.to_string());
  CHECK(name_of(left.why.code()) == name_of(code));
  CHECK(left.sequence == sequence);
  CHECK_FALSE(left.why.message().empty());
  const ReadBack back = read_files(segments);
  CHECK(back.ids == expected);
  REQUIRE(back.damages.size() == 1 + holes);
  CHECK(back.damages[0].find(left.path) != std::string::npos);
  const Records records = records_of(segments);
  REQUIRE(records.failures.size() == 1 + holes);
  CHECK(records.failures[0].code() == Code::damaged);

  const Result<LogVerification> verified = segments.verify();
  REQUIRE_OK(verified);
  REQUIRE(verified->damages.size() == 1 + holes);
  CHECK(verified->segments == paths.size());
  REQUIRE(verified->by_segment.size() == paths.size());
  const auto found = std::find_if(verified->by_segment.begin(), verified->by_segment.end(),
                                  [&](const SegmentVerification& segment) { return segment.is_damaged; });
  REQUIRE(found != verified->by_segment.end());
  CHECK(found->file == left.path);
  CHECK(found->info.sequence == sequence);
  CHECK(found->readable.empty());
  CHECK(std::count_if(verified->damages.begin(), verified->damages.end(),
                      [&](const LogDamage& damage) { return damage.file == left.path; }) == 1);
}

TEST_CASE("R5: a segment is left out if the one behind it continues another") {
  const Segments sample(2);
  // The same log went on twice.
  for (const char* fork : {"a", "b"}) {
    copy_log(sample.path, sample.dir.file(fork));
    Result<RedoLog> log = RedoLog::open(sample.dir.file(fork), options_with(sample.clock));
    REQUIRE_OK(log);
    REQUIRE(log->sequence() == 3);
    REQUIRE_OK(append(*log, "alice", fork, fork[0] == 'a' ? 10 : 100));
    REQUIRE_OK(log->roll());
    REQUIRE_OK(append(*log, "alice", std::string(fork) + " later"));
  }
  const std::string a = sample.dir.file("a");
  const std::string third = segment_of(a, 3);
  const RedoSegments mixed =
      open_files({segment_of(a, 1), segment_of(a, 2), third, segment_of(sample.dir.file("b"), 4)});
  const RedoSegments::LeftOut left = only_left_out(mixed);
  CHECK(left.why.code() == Code::diverged);
  CHECK(left.path == third);
  Ids expected = sample.ids;
  expected.push_back("b later");
  CHECK(read_files(mixed).ids == expected);
  const RedoSegments whole = open_files({segment_of(a, 1), segment_of(a, 2), third, segment_of(a, 4)});
  CHECK(whole.left_out().empty());
  CHECK(whole.verify()->damages.empty());
}

TEST_CASE("R8: files that are all left out are a list of reasons; no file at all is a wrong call") {
  const MemoryDir dir;
  spill(dir.file("a"), Bytes(10, 1));
  const RedoSegments segments = open_files({dir.file("a"), dir.file("b")});
  CHECK(segments.segments().empty());
  CHECK(segments.left_out().size() == 2);
  CHECK(segments.id().is_none());
  CHECK(read_files(segments).damages.size() == 2);
  CHECK(segments.verify()->damages.size() == 2);
  REQUIRE_CODE(RedoSegments::open({}), invalid_argument);
  REQUIRE_CODE(RedoSegments::open_directory(dir.file("none")), not_found);
  std::filesystem::create_directory(dir.file("empty"));
  REQUIRE_CODE(RedoSegments::open_directory(dir.file("empty")), not_found);
}

TEST_CASE("R8: the newest segment is read up to its torn tail, which verify names") {
  const Segments sample(2, 5);
  const std::string newest = sample.file(2);
  const SegmentInfo& info = sample.infos.back();
  const RecordInfo record = infos_in(newest).back();
  const Lsn last = record.lsn;
  const std::uint64_t offset = record.offset;
  const std::uint64_t end = end_of(record);
  REQUIRE(last == info.last_lsn);
  Bytes bytes = slurp(newest);
  SECTION("torn") {
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(offset) + 70,
              bytes.begin() + static_cast<std::ptrdiff_t>(end), 0);
  }
  SECTION("cut") { bytes.resize(offset + 70); }
  spill(newest, bytes);
  for (const Paths& paths : {Paths{sample.file(1), newest}, Paths{newest}}) {
    const RedoSegments segments = open_files(paths);
    CHECK(read_files(segments).damages.empty());
    CHECK(segments.segments().back().last_lsn == last - 1);
    const Result<LogVerification> verified = segments.verify();
    REQUIRE_OK(verified);
    CHECK(verified->damages.empty());
    CHECK(verified->by_segment.back().torn_bytes > 0);
    CHECK(verified->by_segment.back().torn_bytes <= 70);
    CHECK(verified->by_segment.back().readable.back().last == last - 1);
  }
}

TEST_CASE("R8: a sealed segment that is cut short at any place is read as far as it goes, by its file") {
  const Segments sample(3, 4);
  const std::string cut = sample.file(2);
  const Bytes whole = slurp(cut);
  const std::vector<RecordInfo> records = infos_in(cut);
  const Lsn last = records.back().lsn;
  for (std::uint64_t size = 4'096; size < whole.size(); size += 53) {
    spill(cut, ByteView(whole).first(size));
    INFO("cut at " << size);
    const RedoSegments segments = open_files({sample.file(1), cut, sample.file(3)});
    REQUIRE(segments.left_out().empty());
    const Result<LogVerification> verified = segments.verify();
    REQUIRE_OK(verified);
    Lsn kept = records.front().lsn - 1;
    for (const RecordInfo& record : records)
      if (record.offset + record.bytes <= size) kept = record.lsn;
    const std::vector<LsnRange> readable = kept < records.front().lsn
                                               ? std::vector<LsnRange>()
                                               : std::vector<LsnRange>{{records.front().lsn, kept}};
    REQUIRE(verified->by_segment[1].readable == readable);
    REQUIRE_FALSE(verified->by_segment[0].is_damaged);
    REQUIRE_FALSE(verified->by_segment[2].is_damaged);
    if (kept < last) {
      const bool is_named =
          std::any_of(verified->damages.begin(), verified->damages.end(), [&](const LogDamage& damage) {
            return damage.file == cut && damage.from_lsn == kept + 1 && damage.next_lsn == 0;
          });
      REQUIRE(is_named);
    }
  }
}

/// One byte of a file changed while this lives.
class Flip {
 public:
  Flip(const std::string& path, std::uint64_t at, std::uint8_t mask)
      : at_(static_cast<off_t>(at)), mask_(mask) {
    fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(fd_ >= 0);
    turn();
  }
  ~Flip() {
    turn();
    ::close(fd_);
  }
  Flip(const Flip&) = delete;
  Flip& operator=(const Flip&) = delete;

 private:
  void turn() const {
    std::uint8_t byte = 0;
    if (::pread(fd_, &byte, 1, at_) != 1) std::abort();
    byte ^= mask_;
    if (::pwrite(fd_, &byte, 1, at_) != 1) std::abort();
  }
  int fd_ = -1;
  off_t at_;
  std::uint8_t mask_;
};

/// Cuts what is only allocated, so that thousands of runs read less.
void cut_behind(const std::string& path, std::uint64_t end) { std::filesystem::resize_file(path, end); }

std::vector<LsnRange> all_but(Lsn first, Lsn last, Lsn lost) {
  std::vector<LsnRange> out;
  if (lost > first) out.push_back({first, lost - 1});
  if (lost < last) out.push_back({lost + 1, last});
  return out;
}

TEST_CASE("R8: every flipped byte of a sealed segment is found and located by its file, the rest is read") {
  const Segments sample(2, 3);
  const std::string path = sample.file(1);
  const std::uint64_t size = std::filesystem::file_size(path);
  cut_behind(sample.file(2), end_of(infos_in(sample.file(2)).back()));
  const std::vector<RecordInfo> records = infos_in(path);
  REQUIRE(records.size() > 3);
  const Lsn first = records.front().lsn;
  const Lsn last = records.back().lsn;
  const std::uint64_t begin = records.front().offset;
  const std::uint64_t end = end_of(records.back());
  Random random("flips by file");
  for (std::uint64_t at = 0; at < size; ++at) {
    const Flip flip(path, at, static_cast<std::uint8_t>(1u << random.below(8)));
    INFO("byte " << at << " of " << size);
    const RedoSegments segments = open_files({path, sample.file(2)});
    REQUIRE(segments.left_out().empty());
    const Result<LogVerification> verified = segments.verify();
    REQUIRE_OK(verified);
    REQUIRE(verified->damages.size() == 1);
    const LogDamage& damage = verified->damages.front();
    REQUIRE(damage.file == path);
    REQUIRE(damage.sequence == 1);
    REQUIRE_FALSE(verified->by_segment[1].is_damaged);
    REQUIRE(verified->by_segment[0].is_damaged);
    const std::vector<LsnRange>& readable = verified->by_segment[0].readable;
    if (at >= begin && at < end) {
      const auto record = std::find_if(records.begin(), records.end(), [&](const RecordInfo& one) {
        return at >= one.offset && at < one.offset + one.bytes;
      });
      REQUIRE(damage.offset == record->offset);
      REQUIRE(damage.from_lsn == record->lsn);
      REQUIRE(damage.next_lsn == (record->lsn == last ? 0 : record->lsn + 1));
      REQUIRE(readable == all_but(first, last, record->lsn));
    } else {
      REQUIRE(damage.from_lsn == 0);
      const std::uint64_t footer = size - redo::kFooterBytes;
      REQUIRE(damage.offset == (at < 4'096 ? 0 : at < begin ? 4'096 : at < footer ? end : footer));
      REQUIRE(readable == std::vector<LsnRange>{{first, last}});
    }
  }
}

TEST_CASE("R8: every flipped byte of a newest segment is found and located by its file, the rest is read") {
  const Segments sample(1, 3);
  const std::string path = sample.file(1);
  const std::vector<RecordInfo> records = infos_in(path);
  const Lsn first = records.front().lsn;
  const Lsn last = records.back().lsn;
  const std::uint64_t end = end_of(records.back());
  cut_behind(path, end + 64);
  Random random("newest flips by file");
  // Headers are those of a sealed one: of these, some.
  for (std::uint64_t at = 0; at < end; at += at < 8'192 ? 64 : 1) {
    const Flip flip(path, at, static_cast<std::uint8_t>(1u << random.below(8)));
    INFO("byte " << at << " of " << end);
    const RedoSegments segments = open_files({path});
    REQUIRE(segments.left_out().empty());
    const Result<LogVerification> verified = segments.verify();
    REQUIRE_OK(verified);
    const SegmentVerification& segment = verified->by_segment[0];
    if (at < 8'192) {
      REQUIRE(verified->damages.size() == 1);
      REQUIRE(verified->damages[0].offset == (at < 4'096 ? 0 : 4'096));
      REQUIRE(segment.readable == std::vector<LsnRange>{{first, last}});
      continue;
    }
    const auto record = std::find_if(records.begin(), records.end(),
                                     [&](const RecordInfo& one) { return at < one.offset + one.bytes; });
    REQUIRE(segment.readable == all_but(first, last, record->lsn));
    if (record->lsn == last) {  // nothing vouches for it
      REQUIRE(verified->damages.empty());
      REQUIRE(segment.torn_bytes > 0);
    } else {
      REQUIRE(verified->damages.size() == 1);
      REQUIRE(verified->damages[0].offset == record->offset);
      REQUIRE(verified->damages[0].from_lsn == record->lsn);
    }
  }
}

TEST_CASE("R8: a file that fails to be read is a damage, not the end of the check") {
  const Segments sample(3);
  FaultyIo io;
  const Result<RedoSegments> opened =
      redo::open_segments(io, {sample.file(1), sample.file(2), sample.file(3)});
  REQUIRE_OK(opened);
  REQUIRE(opened->left_out().empty());
  io.fail(0, Fault::none, [](Call call) { return call == Call::read; });
  REQUIRE_OK(opened->verify());
  const std::uint64_t reads = io.seen();
  REQUIRE(reads > 10);
  for (std::uint64_t n = 1; n <= reads; ++n) {
    INFO("read " << n << " of " << reads);
    io.fail(n, Fault::io_error, [](Call call) { return call == Call::read; });
    const Result<LogVerification> verified = opened->verify();
    REQUIRE_OK(verified);
    REQUIRE(io.fired());
    REQUIRE(verified->by_segment.size() == 3);
    // Reading a list or a place of an index may fail without a loss: the records say the same.
    REQUIRE(verified->damages.size() <= 1);
    const auto damaged = std::count_if(verified->by_segment.begin(), verified->by_segment.end(),
                                       [](const SegmentVerification& segment) { return segment.is_damaged; });
    REQUIRE(static_cast<std::size_t>(damaged) == verified->damages.size());
    if (!verified->damages.empty()) {
      REQUIRE(verified->damages[0].what.find("injected") != std::string::npos);
      REQUIRE_FALSE(verified->damages[0].file.empty());
    }
  }
  // A file that goes meanwhile is one too.
  std::filesystem::remove(sample.file(2));
  io.heal();
  const Result<LogVerification> verified = opened->verify();
  REQUIRE_OK(verified);
  CHECK(verified->by_segment[1].is_damaged);
  CHECK(verified->by_segment[1].readable.empty());
}

TEST_CASE("verify tells how far it is, and ends when it is cancelled") {
  MemoryDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("log"), options_with(clock, 1u << 20));
  REQUIRE_OK(log);
  for (int i = 0; i < 60; ++i) REQUIRE_OK(append(*log, "alice", std::to_string(i), 60'000, Sync::lazy));
  REQUIRE_OK(log->sync());
  const Result<RedoSegments> segments = RedoSegments::open_directory(dir.file("log"));
  REQUIRE_OK(segments);
  std::vector<std::uint64_t> told;
  RedoLog::VerifyOptions options;
  options.progress = [&](const Progress& progress) { told.push_back(progress.bytes_done); };
  REQUIRE_OK(log->verify(options));
  CHECK(told.size() >= 3);
  CHECK(std::is_sorted(told.begin(), told.end()));
  options.progress = [&](const Progress&) { options.cancel.cancel(); };
  REQUIRE_CODE(log->verify(options), cancelled);
  REQUIRE_CODE(segments->verify(options), cancelled);
}

TEST_CASE("R14: a range of commit times is read, and segments without such a time are not") {
  MemoryDir dir;
  ManualClock clock;
  FaultyIo io;
  redo::OpenHooks hooks;
  hooks.io = &io;
  Result<RedoLog> log = redo::open_log(dir.file("log"), options_with(clock, 1u << 20), hooks);
  REQUIRE_OK(log);
  std::vector<std::pair<Time, std::string>> logged;
  for (int segment = 0; segment < 4; ++segment) {
    for (int i = 0; i < 5; ++i) {
      clock.advance_seconds(1);
      const std::string id = std::to_string(segment) + "." + std::to_string(i);
      REQUIRE_OK(append(*log, i % 2 == 0 ? "alice" : "bob", id, 20'000));
      logged.emplace_back(clock.now(), id);
    }
    if (segment < 3) REQUIRE_OK(log->roll());
  }
  const Result<RedoSegments> files = RedoSegments::open_directory(dir.file("log"));
  REQUIRE_OK(files);
  const auto expected = [&](const ReadRange& range) {
    Ids ids;
    for (std::size_t i = 0; i < logged.size(); ++i) {
      const auto& [time, id] = logged[i];
      if (range.from && time < *range.from) continue;
      if (range.to && time > *range.to) continue;
      if (!range.account_id.empty() && (range.account_id == "alice") != (i % 5 % 2 == 0)) continue;
      ids.push_back(id);
    }
    return ids;
  };
  for (std::size_t first = 0; first < logged.size(); ++first) {
    for (std::size_t last = first; last < logged.size(); ++last) {
      for (const char* account : {"", "alice"}) {
        ReadRange range;
        range.account_id = account;
        if (first != 0) range.from = logged[first].first;
        if (last + 1 != logged.size()) range.to = logged[last].first;
        INFO("from " << first << " to " << last << " of " << account);
        REQUIRE(read_all_of(*log, range).ids == expected(range));
        REQUIRE(read_files(*files, range).ids == expected(range));
        range.kinds = {"append"};
        REQUIRE(records_of(*log, range).lsns.size() == expected(range).size());
        REQUIRE(records_of(*files, range).lsns.size() == expected(range).size());
      }
    }
  }
  // The bytes of one segment are about those of all of its records; each segment has one.
  const std::uint64_t before = io.bytes_read;
  ReadRange range;
  range.from = logged[6].first;
  range.to = logged[8].first;
  CHECK(read_all_of(*log, range).ids == Ids{"1.1", "1.2", "1.3"});
  CHECK(io.bytes_read - before < 2u * 5 * 21'000);
  range = {};
  range.from = Time{clock.now().us + 1};
  CHECK(read_all_of(*log, range).ids.empty());
  CHECK(records_of(*log, range).lsns.empty());
  range = {};
  range.to = Time{logged[0].first.us - 1};
  CHECK(read_all_of(*log, range).ids.empty());
}

TEST_CASE("R14: what is damaged or missing is told to whoever reads its time, and to nobody else") {
  const Segments sample(3, 4);
  Bytes bytes = slurp(sample.file(2));
  const auto cursor = open_files({sample.file(2)}).records({.kinds = {"append"}});
  REQUIRE_OK(cursor);
  RecordInfo victim;
  REQUIRE(*(*cursor)->next(victim));
  bytes[victim.offset + 70] ^= 1;
  spill(sample.file(2), bytes);
  const auto range_of = [](const SegmentInfo& info) {
    ReadRange range;
    range.from = info.first_time;
    range.to = info.last_time;
    return range;
  };
  const RedoSegments damaged = open_files({sample.file(1), sample.file(2), sample.file(3)});
  const RedoSegments holed = open_files({sample.file(1), sample.file(3)});
  // What is lost could have the time of the last that is there.
  ReadRange first = range_of(sample.infos[0]);
  first.to->us -= 1;
  for (const RedoSegments& segments : {damaged, holed}) {
    CHECK(read_files(segments, first).ids == Ids{"1.0", "1.1", "1.2"});
    CHECK(read_files(segments, first).damages.empty());
    CHECK(records_of(segments, first).failures.empty());
    CHECK(read_files(segments, range_of(sample.infos[1])).damages.size() == 1);
    CHECK(records_of(segments, range_of(sample.infos[1])).failures.size() == 1);
    CHECK(read_files(segments, range_of(sample.infos[2])).ids == sample.ids_of(3));
    CHECK(read_files(segments, range_of(sample.infos[2])).damages.empty());
    CHECK(records_of(segments, range_of(sample.infos[2])).failures.empty());
  }
}

TEST_CASE("R14: records are read by their kind") {
  const Segments sample(3, 4);
  const Result<RedoSegments> files = RedoSegments::open_directory(sample.path);
  REQUIRE_OK(files);
  const Records all = records_of(*files);
  for (const Ids& kinds : {Ids{"begin"}, Ids{"commit", "content"}, Ids{"append", "mark", "clock-step"}}) {
    for (const char* account : {"", "alice"}) {
      ReadRange range;
      range.account_id = account;
      const Records of_account = records_of(*files, range);
      range.kinds = kinds;
      const Records found = records_of(*files, range);
      std::vector<Lsn> expected;
      for (std::size_t i = 0; i < of_account.lsns.size(); ++i)
        if (std::find(kinds.begin(), kinds.end(), of_account.kinds[i]) != kinds.end())
          expected.push_back(of_account.lsns[i]);
      CHECK(found.lsns == expected);
    }
  }
  CHECK(all.lsns.size() > sample.ids.size());
  ReadRange wrong;
  wrong.kinds = {"begin", "unknown"};
  REQUIRE_CODE(files->records(wrong), invalid_argument);
  wrong.kinds = {"begin"};
  REQUIRE_CODE(files->read(wrong), invalid_argument);
  Result<RedoLog> log = RedoLog::open(sample.path, options_with(sample.clock));
  REQUIRE_OK(log);
  REQUIRE_CODE(log->read(wrong), invalid_argument);
  wrong.kinds = {""};
  REQUIRE_CODE(log->records(wrong), invalid_argument);
}

}  // namespace
}  // namespace restante::test
