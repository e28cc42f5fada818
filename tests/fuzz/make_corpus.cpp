// Makes the seeds of the corpus from the golden log and from our own encoders: `make_corpus GOLDEN CORPUS`.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "os/file.hpp"
#include "redo/body.hpp"
#include "redo/consumers.hpp"
#include "redo/control_file.hpp"
#include "redo/log_access.hpp"
#include "redo/raw_segment.hpp"

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

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  Corpus corpus(argv[2]);
  std::vector<redo::Record> records;
  for (const char* name : {"redo-0000000001.log", "redo-0000000002.log"}) {
    const auto view = redo::open_raw_segment(os::real_io(), std::string(argv[1]) + "/" + name);
    MUST(view.ok());
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
