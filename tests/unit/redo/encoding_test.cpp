// The format as bytes: docs/format/redo.md.

#include "base/crc32c.hpp"
#include "redo/control_file.hpp"
#include "redo/raw_segment.hpp"
#include "redo/segment_index.hpp"
#include "redo_test.hpp"

namespace restante::test {
namespace {

redo::Place place_of(std::uint64_t offset = 8192) {
  redo::Place place;
  place.log.bytes.fill(0x11);
  place.incarnation.bytes.fill(0x22);
  place.sequence = 3;
  place.offset = offset;
  return place;
}

Bytes sample_record(const redo::Place& place, redo::RecordHead* head_out = nullptr) {
  redo::RecordHead head;
  head.kind = redo::RecordKind::commit;
  head.lsn = 12;
  head.durable_lsn = 11;
  head.wall_time.us = 1'000;
  head.commit_time.us = 2'000;
  head.transaction = 10;
  const Origin origin{"imap", "", "192.0.2.1"};
  Bytes frame;
  redo::begin_frame(frame, "alice", origin);
  redo::encode_end(frame, {2, 8192, {{.operation = 0, .element = 1, .uid = 7, .id = "x"}}}, true);
  redo::close_frame(frame, head, "alice", origin);
  redo::finish_frame(frame, head, place);
  if (head_out != nullptr) *head_out = head;
  return frame;
}

TEST_CASE("R8: a record is intact in its place only, and only if every bit is right") {
  const redo::Place place = place_of();
  const Bytes bytes = sample_record(place);
  CHECK(bytes.size() % 8 == 0);
  const Result<redo::Record> record = redo::decode_record(bytes, place);
  REQUIRE_OK(record);
  CHECK(record->account_id() == "alice");
  CHECK(record->origin()->address == "192.0.2.1");
  CHECK(record->head.transaction == 10);
  const Result<redo::EndBody> end = redo::decode_end(*record);
  REQUIRE_OK(end);
  CHECK(end->begin_sequence == 2);
  CHECK(end->assigned.at(0).id == "x");

  redo::Place elsewhere = place;
  elsewhere.offset += 8;
  CHECK_FALSE(redo::decode_record(bytes, elsewhere).ok());
  elsewhere = place;
  elsewhere.sequence += 1;
  CHECK_FALSE(redo::decode_record(bytes, elsewhere).ok());
  elsewhere = place;
  elsewhere.incarnation.bytes[0] ^= 1;
  CHECK_FALSE(redo::decode_record(bytes, elsewhere).ok());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    CHECK_FALSE(redo::decode_record(flipped, place).ok());
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(redo::decode_record(ByteView(bytes).first(size), place).ok());
  }
}

TEST_CASE("R8: the layout of a record is what the document says") {
  const redo::Place place = place_of();
  const Bytes bytes = sample_record(place);
  const auto u32_at = [&](std::size_t at) {
    return std::uint32_t{bytes[at]} | std::uint32_t{bytes[at + 1]} << 8 | std::uint32_t{bytes[at + 2]} << 16 |
           std::uint32_t{bytes[at + 3]} << 24;
  };
  CHECK(u32_at(0) == 64 + 5 + 3 + 4 + 9 + 24 + 29);
  Bytes covered(place.log.bytes.begin(), place.log.bytes.end());
  covered.insert(covered.end(), place.incarnation.bytes.begin(), place.incarnation.bytes.end());
  for (const std::uint64_t value : {place.sequence, place.offset}) {
    for (int i = 0; i < 8; ++i) covered.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  covered.insert(covered.end(), bytes.begin(), bytes.begin() + 4);
  covered.insert(covered.end(), bytes.begin() + 8, bytes.begin() + 64);
  CHECK(u32_at(4) == base::crc32c(covered));
  CHECK(u32_at(8) == base::crc32c(ByteView(bytes).subspan(64)));
  CHECK(bytes[12] == 2);
  CHECK(bytes[14] == 5);
  CHECK(bytes[16] == 12);
  CHECK(bytes[24] == 11);
  CHECK(bytes[48] == 10);
  CHECK(bytes[56] == 16);
  CHECK(as_text(ByteView(bytes).subspan(64, 10)) == "alice\x04imap");
}

TEST_CASE("R8: bodies of any bytes are refused or understood, never a crash") {
  Random random("bodies");
  for (int i = 0; i < 20'000; ++i) {
    redo::Record record;
    record.head.kind = static_cast<redo::RecordKind>(1 + random.below(9));
    record.bytes = Bytes(redo::kHeadBytes, 0);
    const Bytes body = random.bytes(random.below(200));
    record.bytes.insert(record.bytes.end(), body.begin(), body.end());
    // Small counts get further.
    for (std::size_t at = 64; at + 4 <= record.bytes.size() && at < 84; at += 4) {
      if (random.one_in(2)) std::fill_n(record.bytes.begin() + static_cast<std::ptrdiff_t>(at) + 1, 3, 0);
    }
    record.head.length = static_cast<std::uint32_t>(record.bytes.size());
    (void)redo::decode_operations(record);
    (void)redo::decode_references(record);
    (void)redo::decode_end(record);
    const Result<redo::PieceBody> piece = redo::decode_piece(record);
    if (piece.ok()) (void)redo::piece_data(record, *piece);
    (void)redo::decode_mark(record);
    (void)redo::decode_clock_step(record);
    (void)redo::decode_incarnation(record);
  }
}

TEST_CASE("R5: a header comes back whole, from either copy") {
  redo::SegmentHeader header;
  header.log.bytes.fill(1);
  header.incarnation.bytes.fill(2);
  header.server.bytes.fill(3);
  header.parent.parent.log = header.log;
  header.parent.parent.incarnation.bytes.fill(4);
  header.parent.parent.lsn = 100;
  header.parent.parent_sequence = 7;
  header.sequence = 9;
  header.first_lsn = 200;
  header.previous_end = 12'345;
  header.previous_last_crc = 0xdeadbeef;
  header.opened_sequence = 8;
  header.created_wall.us = 5;
  header.created_commit.us = 6;
  for (int i = 0; i < 100; ++i) {
    header.open.push_back({std::string(100, static_cast<char>('a' + i % 26)), static_cast<Lsn>(i + 1), 8,
                           8192, 1024, i % 2 == 0, Time{i}});
  }
  const Bytes bytes = redo::encode_header(header);
  CHECK(header.copy_length == 16'384);
  CHECK(bytes.size() == 2 * header.copy_length);
  for (std::uint32_t copy = 0; copy < 2; ++copy) {
    const Result<redo::SegmentHeader> decoded =
        redo::decode_header_copy(ByteView(bytes).subspan(copy * header.copy_length), copy);
    REQUIRE_OK(decoded);
    CHECK(decoded->open == header.open);
    CHECK(decoded->sequence == 9);
    CHECK(decoded->previous_last_crc == 0xdeadbeef);
    CHECK(decoded->parent.parent == header.parent.parent);
    CHECK(decoded->copy_length == header.copy_length);
  }
  CHECK_FALSE(redo::decode_header_copy(bytes, 1).ok());
  Bytes broken = bytes;
  broken[300] ^= 1;
  REQUIRE_CODE(redo::decode_header_copy(broken, 0), damaged);
  const ScratchDir dir;
  spill(dir.file("redo-0000000009.log"), broken);
  const redo::SegmentFile file(os::real_io(), nullptr, dir.file("redo-0000000009.log"));
  bool first_is_bad = false;
  const Result<redo::SegmentHeader> found = redo::read_header(file, &first_is_bad);
  REQUIRE_OK(found);
  CHECK(first_is_bad);
  CHECK(found->open == header.open);
}

TEST_CASE("R5: names of segments are one for one number") {
  CHECK(redo::segment_name(7) == "redo-0000000007.log");
  CHECK(redo::segment_name(12'345'678'901) == "redo-12345678901.log");
  CHECK(redo::sequence_of_name("redo-0000000007.log") == 7);
  CHECK(redo::sequence_of_name("redo-12345678901.log") == 12'345'678'901);
  for (const char* name :
       {"redo-7.log", "redo-0000000000.log", "redo-00000000007.log", "redo-000000000x.log",
        "redo-0000000007.log.bak", "Redo-0000000007.log", "redo-99999999999999999999999.log"}) {
    CHECK_FALSE(redo::sequence_of_name(name).has_value());
  }
}

TEST_CASE("R10: an index of any bytes is refused or understood, never a crash") {
  redo::IndexBuilder builder(3);
  redo::RecordHead head;
  for (Lsn lsn = 1; lsn <= 200; ++lsn) {
    head.kind = redo::RecordKind::append;
    head.lsn = lsn;
    builder.add(head, 8192 + 128 * lsn, "account" + std::to_string(lsn % 7), std::nullopt, 3);
  }
  builder.add_gap({1, 2, 3, 4});
  redo::SegmentFooter footer;
  const Bytes index = builder.encode(0, 1, 200, footer);
  CHECK(redo::decode_footer(redo::encode_footer(footer))->record_count == 200);
  const Result<std::vector<redo::Section>> sections = redo::decode_sections(index);
  REQUIRE_OK(sections);
  REQUIRE(sections->size() == 7);
  Random random("index");
  for (int i = 0; i < 5'000; ++i) {
    Bytes bytes = index;
    for (std::uint64_t flips = random.below(4); flips > 0; --flips) {
      bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.u64());
    }
    const ByteView view = ByteView(bytes).first(random.below(bytes.size() + 1));
    (void)redo::decode_sections(view);
    (void)redo::decode_accounts(view);
    (void)redo::decode_account_pages(view);
    redo::AccountPage page;
    page.crc = base::crc32c(view);
    (void)redo::find_in_page(view, page, "account1");
    (void)redo::decode_contents(view);
    (void)redo::decode_sparse(view);
    (void)redo::decode_gaps(view);
    (void)redo::decode_held(view);
    redo::AccountEntry account;
    account.list_crc = base::crc32c(view);
    (void)redo::decode_list(view, account);
    (void)redo::decode_footer(view);
    (void)redo::decode_identity(view);
  }
}

TEST_CASE("R8: an account is found by its page of the index, and every other is not") {
  redo::IndexBuilder builder(1);
  Random random("pages");
  const int accounts = 1 + static_cast<int>(random.below(500));
  const auto id_of = [](int i) { return "user" + std::to_string(i) + "@example.com"; };
  for (int i = 0; i < accounts; ++i) {
    redo::RecordHead head;
    head.kind = redo::RecordKind::append;
    head.lsn = static_cast<Lsn>(i) + 1;
    builder.add(head, 8192 + 128 * head.lsn, id_of(i), std::nullopt, 1);
  }
  redo::SegmentFooter footer;
  const Bytes index = builder.encode(0, 1, static_cast<Lsn>(accounts), footer);
  const Result<std::vector<redo::Section>> sections = redo::decode_sections(index);
  REQUIRE_OK(sections);
  const auto bytes_of = [&](redo::SectionType type) {
    for (const redo::Section& section : *sections)
      if (section.type == type) return ByteView(index).subspan(section.offset, section.length);
    return ByteView();
  };
  const ByteView table = bytes_of(redo::SectionType::accounts);
  const auto pages = redo::decode_account_pages(bytes_of(redo::SectionType::account_pages));
  REQUIRE_OK(pages);
  std::size_t covered = 4;
  for (const redo::AccountPage& page : *pages) {
    CHECK(page.offset == covered);
    CHECK((page.length >= 4096 || &page == &pages->back()));
    CHECK(page.length < 4096 + 100);
    covered += page.length;
  }
  CHECK(covered == table.size());
  const auto find = [&](const std::string& id) -> std::optional<redo::AccountEntry> {
    const redo::AccountPage* const page = redo::page_with(*pages, id);
    if (page == nullptr) return std::nullopt;
    const auto entry = redo::find_in_page(table.subspan(page->offset, page->length), *page, id);
    REQUIRE_OK(entry);
    return *entry;
  };
  for (int i = 0; i < accounts; ++i) {
    const auto found = find(id_of(i));
    REQUIRE(found);
    CHECK(found->first_lsn == static_cast<Lsn>(i) + 1);
  }
  for (const char* const id : {"", "a", "user", "user1", "user1@example.comm", "zzz"}) CHECK_FALSE(find(id));
  redo::AccountPage page = pages->front();
  page.crc ^= 1;
  CHECK(redo::find_in_page(table.subspan(page.offset, page.length), page, "x").status().code() ==
        Code::damaged);
}

TEST_CASE("R7: the identity of shared memory comes back, and any other is none") {
  Id128 boot;
  boot.bytes.fill(9);
  const Bytes bytes = redo::encode_identity(redo::identity_of_this_build(boot));
  const std::optional<redo::ControlIdentity> decoded = redo::decode_identity(bytes);
  REQUIRE(decoded.has_value());
  CHECK(decoded->boot_id == boot);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes flipped = bytes;
    flipped[i] ^= 2;
    CHECK_FALSE(redo::decode_identity(flipped).has_value());
  }
  CHECK_FALSE(redo::decode_identity(ByteView(bytes).first(bytes.size() - 1)).has_value());
}

TEST_CASE("R17: unknown records are skipped unless they are required") {
  const ScratchDir dir;
  const ManualClock clock;
  const std::string path = dir.file("redo") + "/redo-0000000001.log";
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
    REQUIRE_OK(log);
    REQUIRE_OK(append(*log, "alice", "1"));
    REQUIRE_OK(log->touch("alice"));
    REQUIRE_OK(append(*log, "alice", "2"));
  }
  // The touch becomes a record of a kind to come.
  const auto change = [&](std::uint8_t kind, std::uint8_t flags) {
    Bytes bytes = slurp(path);
    const auto view = redo::open_raw_segment(os::real_io(), path);
    REQUIRE_OK(view);
    const Result<redo::Record> record = (*view)->record(3, 0);
    REQUIRE_OK(record);
    redo::RecordHead head = record->head;
    head.kind = static_cast<redo::RecordKind>(kind);
    head.flags = flags;
    Bytes frame = record->bytes;
    redo::finish_frame(frame, head, (*view)->header().place(record->offset));
    std::copy(frame.begin(), frame.end(), bytes.begin() + static_cast<std::ptrdiff_t>(record->offset));
    spill(path, bytes);
  };
  SECTION("optional") {
    change(77, 0);
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
    REQUIRE_OK(log);
    CHECK(read_all_of(*log).ids == std::vector<std::string>{"1", "2"});
    REQUIRE_OK(log->roll());
    CHECK(read_all_of(*log, {.after = 0, .until = UINT64_MAX, .account_id = "alice"}).ids.size() == 2);
    CHECK(log->verify()->damages.empty());
  }
  SECTION("required") {
    change(12, redo::kFlagRequired);
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
    REQUIRE_OK(log);
    const ReadBack back = read_all_of(*log);
    CHECK(back.ids == std::vector<std::string>{"1"});
    REQUIRE_CODE(back.failure, unsupported);
    REQUIRE_CODE(read_all_of(*log, {.after = 0, .until = UINT64_MAX, .account_id = "alice"}).failure,
                 unsupported);
    CHECK(read_all_of(*log, {.after = 0, .until = UINT64_MAX, .account_id = "bob"}).failure.ok());
  }
}

}  // namespace
}  // namespace restante::test
