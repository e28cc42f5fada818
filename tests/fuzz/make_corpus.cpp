// Makes the seeds of the corpus from the golden files and from our own encoders: `make_corpus GOLDEN CORPUS`.

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "archive_pieces.hpp"
#include "content/base64_lines.hpp"
#include "fuzz.hpp"
#include "keys/secrets.hpp"
#include "os/file.hpp"
#include "redo/body.hpp"
#include "redo/consumers.hpp"
#include "redo/control_file.hpp"
#include "redo/log_access.hpp"
#include "redo/raw_segment.hpp"
#include "target/segment_archive.hpp"
#include "target/session_file.hpp"

using namespace restante;
namespace fs = std::filesystem;

namespace {

class Corpus {
 public:
  explicit Corpus(fs::path top) : top_(std::move(top)) {}
  void add(const std::string& fuzzer, const std::string& name, ByteView bytes) {
    fs::create_directories(top_ / fuzzer);
    std::ofstream out(top_ / fuzzer / name, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  fs::path top_;
};

Bytes tagged(std::uint8_t tag, ByteView bytes) {
  Bytes all;
  all.reserve(bytes.size() + 1);
  all.push_back(tag);
  all.insert(all.end(), bytes.begin(), bytes.end());
  return all;
}

void add_record(Corpus& corpus, const std::string& name, const redo::Record& record) {
  const redo::RecordHead& head = record.head;
  Bytes bytes{
      static_cast<std::uint8_t>(head.kind),           head.flags,
      static_cast<std::uint8_t>(head.account_length), static_cast<std::uint8_t>(head.account_length >> 8),
      static_cast<std::uint8_t>(head.origin_length),  static_cast<std::uint8_t>(head.origin_length >> 8)};
  bytes.insert(bytes.end(), record.bytes.begin() + redo::kHeadBytes, record.bytes.begin() + head.length);
  if (bytes.size() > 2048) return;
  corpus.add("record", name, bytes);
  const Result<redo::OperationsBody> body = redo::decode_operations(record);
  if (!body.ok()) return;
  Bytes operations;
  for (const Operation& operation : body->operations) encode(operation, operations);
  corpus.add("operation", name, operations);
}

/// The same records behind each other where the fuzzer looks for them.
void add_scan(Corpus& corpus, const std::vector<redo::Record>& records) {
  Bytes all;
  Lsn lsn = 100;
  for (redo::Record record : records) {
    if (record.bytes.size() > 1024) continue;
    record.head.lsn = lsn++;
    record.head.durable_lsn = record.head.lsn - 2;
    redo::finish_frame(record.bytes, record.head, fuzz::place_of(all.size()));
    all.insert(all.end(), record.bytes.begin(), record.bytes.end());
  }
  corpus.add("scan", "whole", all);
  Bytes torn(all.begin(), all.end() - 40);
  corpus.add("scan", "torn", torn);
  Bytes damaged = all;
  damaged[damaged.size() / 2] ^= 1;
  corpus.add("scan", "damaged", damaged);
  std::fill(damaged.begin(), damaged.begin() + 300, 0);
  corpus.add("scan", "zeros", damaged);
}

void add_index(Corpus& corpus, const std::vector<redo::Record>& records) {
  redo::IndexBuilder builder(fuzz::place_of(0).sequence);
  for (const redo::Record& record : records) (void)builder.add(record);
  builder.add_gap({800, 880, 7, 8});
  redo::SegmentFooter footer;
  const Bytes index = builder.encode(8192, 1, 40, footer);
  corpus.add("index", "footer", tagged(0, redo::encode_footer(footer)));
  corpus.add("index", "sections", tagged(7, ByteView(index).first(200)));
  const std::uint8_t tags[] = {0, 1, 2, 3, 4, 5, 6, 8};
  const Result<std::vector<redo::Section>> sections = redo::decode_sections(index);
  MUST(sections.ok());
  for (const redo::Section& section : *sections) {
    const auto type = static_cast<std::uint32_t>(section.type);
    const ByteView bytes = ByteView(index).subspan(section.offset - 8192, section.length);
    if (section.type == redo::SectionType::lists) continue;
    corpus.add("index", "section-" + std::to_string(type), tagged(tags[type], bytes));
    if (section.type != redo::SectionType::accounts) continue;
    const redo::AccountEntry account = redo::decode_accounts(bytes)->front();
    for (const redo::Section& lists : *sections) {
      if (lists.type != redo::SectionType::lists) continue;
      const ByteView list =
          ByteView(index).subspan(lists.offset - 8192 + account.list_offset, account.list_length);
      Bytes counted{static_cast<std::uint8_t>(account.record_count)};
      counted.insert(counted.end(), list.begin(), list.end());
      corpus.add("index", "list", tagged(2, counted));
    }
  }
}

void add_header(Corpus& corpus, const std::string& name, redo::SegmentHeader header) {
  const Bytes bytes = redo::encode_header(header);
  std::size_t size = header.copy_length;
  while (size > 0 && bytes[size - 1] == 0) --size;
  corpus.add("header", name, ByteView(bytes).first(size));
}

/// Takes content and keeps none.
class NoContent final : public content::ContentWriter {
 public:
  Result<ContentRef> put(ContentReader& reader, const ContentRef*) override {
    Result<Bytes> bytes = read_all(reader);
    if (!bytes.ok()) return bytes.status();
    return content_ref_of(*bytes);
  }
  Result<bool> has(const ContentRef&) override { return false; }
  Status flush() override { return {}; }
  [[nodiscard]] content::WriteStats stats() const override { return {}; }
};

/// The frames with the shorter of their records, so that a fuzzer's input holds them.
std::vector<Bytes> short_frames(const std::vector<Bytes>& frames) {
  constexpr std::size_t kMaxRecord = 400;
  constexpr std::size_t kMaxFrame = 1000;
  std::vector<Bytes> out(2);
  for (const Bytes& frame : frames) {
    base::ByteReader in(frame);
    while (in.remaining() > 0) {
      const std::uint64_t offset = in.varint();
      const ByteView record = in.bytes();
      MUST(in.ok());
      Bytes& to = out[out[0].size() < kMaxFrame ? 0 : 1];
      if (record.size() > kMaxRecord || to.size() > kMaxFrame) continue;
      base::ByteWriter fields(to);
      fields.varint(offset);
      fields.bytes(record);
    }
  }
  return out;
}

void add_archive(Corpus& corpus, const redo::SegmentViews& views) {
  const Id128 target = fuzz::place_of(0).log;
  for (const auto& view : views) {
    const std::shared_ptr<Storage> storage = make_memory_storage();
    NoContent contents;
    MUST(target::archive_segment(*view, views, {*storage, contents, {target}, 1}).ok());
    const Result<Bytes> object = storage->get(target::segment_key(view->header()));
    MUST(object.ok());
    fuzz::ArchivePieces pieces = fuzz::ArchivePieces::split(*object);
    MUST(pieces.join(target) == *object);
    const std::string name = std::to_string(view->header().sequence);
    pieces.frames = short_frames(pieces.frames);
    corpus.add("archive", "pieces-" + name, tagged(0, pieces.encode()));
    corpus.add("archive", "object-" + name, tagged(1, pieces.join(target)));
  }
}

void add_snapshot(Corpus& corpus, const std::string& golden, const std::vector<redo::Record>& records) {
  Bytes operations;
  for (const redo::Record& record : records) {
    const Result<redo::OperationsBody> body = redo::decode_operations(record);
    if (!body.ok() || operations.size() > 1024) continue;
    for (const Operation& operation : body->operations) encode(operation, operations);
  }
  for (const std::uint8_t how : {1, 3, 9, 17, 19}) {
    corpus.add("snapshot", "framed-" + std::to_string(how), tagged(how, operations));
  }
  Bytes parts;
  base::ByteWriter out(parts);
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{70}, UINT64_MAX, std::uint64_t{2}}) {
    out.u64(number);
  }
  out.raw(operations);
  corpus.add("snapshot", "parts", tagged(5, parts));
  const Result<Bytes> object =
      os::read_file(os::real_io(), AT_FDCWD, golden + "/../target/snapshot.snap", 1 << 20);
  MUST(object.ok());
  corpus.add("snapshot", "object", tagged(0, *object));
}

/// XML without its last line, which the fuzzers add.
ByteView unsealed(const Bytes& file) {
  const std::size_t end = as_text(file).rfind("<!--sha256");
  MUST(end != std::string_view::npos);
  return ByteView(file).first(end);
}

void add_xml(Corpus& corpus, const std::string& golden) {
  const Result<Bytes> file =
      os::read_file(os::real_io(), AT_FDCWD, golden + "/../target/session.xml", 1 << 20);
  MUST(file.ok());
  corpus.add("session", "sealed", *file);
  corpus.add("session", "golden", unsealed(*file));
  Result<target::SessionRecord> record = target::decode_session(*file, "session.xml");
  MUST(record.ok());
  record->info.status = SessionStatus::running;
  record->info.owner = "root";
  record->info.error = "it <failed> & \x01";
  record->process = os::ProcessIdentity{"host", "boot", 1, 2, 3};
  record->server_data = record->snapshots.begin()->second;
  corpus.add("session", "running", unsealed(*target::encode_session(*record)));
  const std::vector<TargetAccount> accounts = {
      {"alice", "alice@example.com", record->info.label, 7},
      {std::string("odd\x01\xff\0id ", 10), " <&\"]]>\xef\xbf\xbe ", "", UINT64_MAX}};
  corpus.add("accounts", "two", unsealed(*target::encode_accounts(accounts)));
  corpus.add("accounts", "none", unsealed(*target::encode_accounts({})));
  for (const char* text :
       {"<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><accounts format=\"1\">&b;</accounts>",
        "<accounts format=\"2\"/>",
        "<accounts format=\"1\"><account full-label=\"&#0;\" "
        "consistent-at=\"1\"><id encoding=\"base64\">=AAA</id></account></accounts>"}) {
    corpus.add("accounts", "text-" + std::to_string(std::string_view(text).size()), as_bytes(text));
  }
}

void add_maildir(Corpus& corpus) {
  const std::pair<const char*, std::string> lists[] = {
      {"version-3",
       "3 V1178286390 N25022 Gc7b4d38ad2ff6e5a6b130000ba8acf8f X\n25006 :1.host,S=1355\n25017 W2481 "
       "Gab :2.host\n"},
      {"version-1", "1 77 9\n3 w1\n5  w2\n"},
      {"lies", "3 V1 N2\n5 :a\n5 :b\n3 :c\n4294967295 :d\n4294967296 :e\n0 :f\n9 :a\n10 ::x\nx\n11 \n"},
      {"crlf", "3 V1 N2\r\n1 :a\r\n"},
      {"no-uidvalidity", "3 V0 N1\n1 :a\n"},
      {"zeros", std::string("3 V1\0N2\n1 :a\0b\n", 15)}};
  for (const auto& [name, text] : lists) corpus.add("uidlist", name, as_bytes(text));
  const std::pair<std::uint8_t, std::string> others[] = {
      {0, "0 Junk\n1 $Forwarded\n25 last\n26 none\n1 again\n2 Junk\nx\n"},
      {1, "V\t2\n\nWork\nWork\tReports\nnot there\nEntw&APw-rfe\n"},
      {1, "Work\nWork.Reports\nWork\n\n&bad\n"},
      {2, ".Work.Entw&APw-rfe"},
      {2, ".a..b"},
      {2, ".\xff&\x01/"},
      {3, "1.host,S=20:2,FRSTPab"},
      {3, "1.host!2,S"},
      {3, ":2,S"},
      {4, "alice@example.com"},
      {4, "../x@..@example.com"},
      {5, "Entw&APw-rfe &- &2D3eAA-"},
      {5, "\xf0\x9f\x98\x80 & \xc3\xbc"}};
  for (std::size_t i = 0; i < std::size(others); ++i) {
    corpus.add("maildir", std::to_string(i), tagged(others[i].first, as_bytes(others[i].second)));
  }
}

std::string base64_of(std::size_t size, const content::Base64Shape& shape) {
  Bytes file(size);
  for (std::size_t i = 0; i < size; ++i) file[i] = static_cast<std::uint8_t>(i * i >> 3);
  Bytes lines;
  content::encode_base64_lines(file, shape, lines);
  return std::string(as_text(lines));
}

std::string with_crlf(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? std::string("\r\n") : std::string(1, c);
  return out;
}

void add_mime(Corpus& corpus) {
  const std::string trace =
      "Return-Path: <a@example.com>\nDelivered-To: b@example.com\nReceived: from c\n\tby d with LMTP id 1\n";
  const std::string body(600, 'x');
  const std::string parts =
      "Subject: s\nContent-Type: multipart/mixed;\n boundary=\"b\"\n\npreamble\n--b\nContent-Type: "
      "multipart/alternative; boundary=c\n\n--c\n\n" +
      body + "\n--c--\n\n--b\nContent-Transfer-Encoding: base64\n\n" + base64_of(900, {76, false, true}) +
      "--b--\nepilogue\n";
  const std::pair<const char*, std::string> messages[] = {
      {"plain", "From a\n" + trace + "Subject: s\n\nbody\n"},
      {"parts", trace + parts},
      {"parts-crlf", with_crlf(trace + parts)},
      {"attached", "Content-Type: multipart/digest; boundary=d\n\n--d\n\n" + trace + parts + "--d--\n"},
      {"bare", base64_of(900, {64, true, false})},
      {"irregular",
       "\n" + base64_of(900, {60, false, true}) + "\n" + base64_of(900, {72, false, false}) + " "},
      {"long", "X: y\n" + std::string(2050, 'A') + "\n\n" + std::string(2050, 'B') + "\n"}};
  for (const auto& [name, message] : messages) {
    Bytes bytes = tagged(0, as_bytes(message));
    corpus.add("mime_splitter", name, tagged(6, bytes));
  }
}

void add_keys(Corpus& corpus, const std::string& folder) {
  const auto add = [&](std::uint8_t tag, const std::string& name, std::size_t without) {
    const Result<Bytes> bytes = os::read_file(os::real_io(), AT_FDCWD, folder + "/" + name, 1 << 20);
    MUST(bytes.ok());
    std::string file = name + "-" + std::to_string(tag);
    std::replace(file.begin(), file.end(), '/', '-');
    corpus.add("keys", file, tagged(tag, ByteView(*bytes).first(bytes->size() - without)));
  };
  for (int number = 1; number <= 6; ++number) {
    const std::string name = "keys/0000000" + std::to_string(number) + ".key";
    add(0, name, 0);
    // The fuzzer signs.
    add(1, name, 64);
  }
  add(3, "server.key", 0);
  add(5, "chains/00000002/0000000001.link", 0);
  keys::Secrets secrets;
  secrets.id.emplace();
  secrets.authority.emplace();
  secrets.audiences[0][1] = {};
  secrets.audiences[2][7] = {};
  corpus.add("keys", "secrets", tagged(2, keys::encode_secrets(secrets).view()));
  corpus.add("keys", "public", tagged(4, as_bytes(keys::encode_public_keys({}))));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  Corpus corpus(argv[2]);
  std::vector<redo::Record> records;
  redo::SegmentViews views;
  for (const char* name : {"redo-0000000001.log", "redo-0000000002.log"}) {
    const auto view = redo::open_raw_segment(os::real_io(), std::string(argv[1]) + "/" + name);
    MUST(view.ok());
    views.push_back(*view);
    redo::SegmentHeader header = (*view)->header();
    add_header(corpus, name, header);
    header.open.push_back({"alice", 4, 1, 14696, 400, true, Time{5}});
    header.open.push_back({"bob", 6, 1, 15000, 256, false, Time{6}});
    add_header(corpus, std::string(name) + "-open", header);
    const auto stream = (*view)->records({});
    MUST(stream.ok());
    redo::Record record;
    while (true) {
      const Result<bool> more = (*stream)->next(record);
      MUST(more.ok());
      if (!*more) break;
      records.push_back(record);
      add_record(corpus, std::to_string(record.head.lsn), record);
    }
  }
  add_scan(corpus, records);
  add_index(corpus, records);
  add_archive(corpus, views);
  add_snapshot(corpus, argv[1], records);
  add_xml(corpus, argv[1]);
  add_maildir(corpus);
  add_mime(corpus);
  add_keys(corpus, std::string(argv[1]) + "/../keys");
  redo::ConsumerList list;
  list.log.bytes.fill(1);
  list.consumers = {{.name = "shipper", .position = 7},
                    {.name = "target",
                     .position = 9,
                     .max_bytes = 1u << 20,
                     .max_age = std::chrono::hours(1),
                     .lost = true}};
  corpus.add("control", "consumers", redo::encode_consumers(list));
  corpus.add("control", "consumers-none", redo::encode_consumers({}));
  corpus.add("control", "identity", redo::encode_identity(redo::identity_of_this_build({})));
  return 0;
}
