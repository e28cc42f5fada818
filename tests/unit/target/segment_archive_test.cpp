#include "target/segment_archive.hpp"

#include "examples.hpp"
#include "redo/committed_reader.hpp"
#include "redo/log_access.hpp"
#include "support/catch.hpp"

namespace restante::test {
namespace {

// A log with two accounts in several segments, and a target's storage to archive them to.
class Archive {
 public:
  Archive() {
    RedoLog::Options options;
    options.create = true;
    options.piece_bytes = 4 << 10;
    Result<RedoLog> opened = RedoLog::open(scratch.file("redo"), options);
    REQUIRE_OK(opened);
    log.emplace(*std::move(opened));
    content::StoreOptions store_options;
    store_options.target_id = example_id(16);
    store_options.catalog_dir = scratch.file("catalog");
    Result<std::unique_ptr<content::ContentStore>> store =
        content::ContentStore::open(storage, store_options);
    REQUIRE_OK(store);
    contents = *std::move(store);
    for (int i = 0; i < 40; ++i) {
      change(i % 3 == 0 ? "alice" : "bob", i);
      if (i % 15 == 14) REQUIRE_OK(log->roll());
    }
    REQUIRE_OK(log->roll());
  }

  void change(const std::string& account, int i) {
    Message message;
    message.id = "m" + std::to_string(i);
    message.folder_id = "inbox";
    const Bytes bytes = random.bytes(i % 5 == 0 ? 20'000 : 100);
    const auto reader = read_from_memory(bytes);
    Result<ContentRef> content = log->put_content(account, *reader);
    REQUIRE_OK(content);
    message.content = *content;
    Result<Transaction> transaction = log->begin(account, std::vector<Operation>{MessagePut{{message}}});
    REQUIRE_OK(transaction);
    const std::vector<Assigned> assigned{{0, 0, false, 0, static_cast<std::uint32_t>(i + 1), 0, {}}};
    REQUIRE_OK(transaction->commit(assigned, Sync::durable));
  }

  redo::SegmentViews raw() const {
    Result<redo::SegmentViews> views = redo::views(*log);
    REQUIRE_OK(views);
    std::erase_if(*views, [](const auto& view) { return !view->is_complete(); });
    return *std::move(views);
  }

  redo::SegmentViews archive() {
    const redo::SegmentViews views = raw();
    Result<std::unique_ptr<content::ContentWriter>> writer = contents->writer();
    REQUIRE_OK(writer);
    redo::SegmentViews archived;
    for (const auto& view : views) {
      REQUIRE_OK(target::archive_segment(*view, views, {*storage, **writer, {example_id(16)}, 3}));
      const redo::SegmentHeader& header = view->header();
      auto opened = target::open_archived_segment(
          storage, target::segment_key(header.log, header.incarnation, header.sequence), {example_id(16)});
      REQUIRE_OK(opened);
      archived.push_back(*std::move(opened));
    }
    return archived;
  }

  ScratchDir scratch;
  Random random{"segment archive"};
  std::optional<RedoLog> log;
  std::shared_ptr<Storage> storage = make_memory_storage();
  std::unique_ptr<content::ContentStore> contents;
};

std::vector<LoggedTransaction> transactions_of(const redo::SegmentViews& views, const ReadRange& range) {
  redo::CommittedReader reader(views, range);
  std::vector<LoggedTransaction> all;
  LoggedTransaction transaction;
  for (;;) {
    const Result<bool> more = reader.next(transaction);
    REQUIRE_OK(more);
    if (!*more) return all;
    all.push_back(transaction);
  }
}

void require_same(const std::vector<LoggedTransaction>& a, const std::vector<LoggedTransaction>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].account_id == b[i].account_id);
    REQUIRE(a[i].begin_lsn == b[i].begin_lsn);
    REQUIRE(a[i].commit_lsn == b[i].commit_lsn);
    REQUIRE(a[i].commit_time == b[i].commit_time);
    REQUIRE(a[i].operations == b[i].operations);
  }
}

}  // namespace

TEST_CASE(
    "R10: archived segments hold the same records, positions and times, and their content is in the store") {
  Archive a;
  const redo::SegmentViews raw = a.raw();
  const redo::SegmentViews archived = a.archive();
  REQUIRE(raw.size() >= 3);
  ReadRange range;
  require_same(transactions_of(raw, range), transactions_of(archived, range));
  range.account_id = "alice";
  require_same(transactions_of(raw, range), transactions_of(archived, range));
  range.after = 20;
  range.until = 60;
  require_same(transactions_of(raw, range), transactions_of(archived, range));
  std::size_t contents = 0;
  for (const LoggedTransaction& transaction : transactions_of(archived, {})) {
    const auto& message = std::get<MessagePut>(transaction.operations[0]).messages[0];
    Result<std::unique_ptr<ContentReader>> reader = a.contents->open(*message.content);
    REQUIRE_OK(reader);
    const Result<Bytes> bytes = read_all(**reader);
    REQUIRE_OK(bytes);
    REQUIRE(content_ref_of(*bytes) == *message.content);
    ++contents;
  }
  REQUIRE(contents == 40);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    REQUIRE(archived[i]->last_lsn() == raw[i]->last_lsn());
    REQUIRE(archived[i]->info().first_time == raw[i]->info().first_time);
    REQUIRE(archived[i]->info().last_time == raw[i]->info().last_time);
    REQUIRE_OK(target::check_same_segment(*raw[i], *archived[i], "key"));
    // Content is not in the archive twice.
    REQUIRE(a.storage
                ->info(target::segment_key(raw[i]->header().log, raw[i]->header().incarnation,
                                           raw[i]->header().sequence))
                ->size < raw[i]->info().bytes / 2);
  }
}

TEST_CASE("R5: archiving a segment again changes nothing, another one of the same name is refused") {
  Archive a;
  const redo::SegmentViews first = a.archive();
  const redo::SegmentViews again = a.archive();
  REQUIRE(first.size() == again.size());
  REQUIRE_CODE(target::check_same_segment(*a.raw()[0], *first[1], "key"), diverged);
}

TEST_CASE("a damaged archived segment is replaced where that is asked for, one with other records never") {
  Archive a;
  a.archive();
  const redo::SegmentViews raw = a.raw();
  const std::string key = target::segment_key(raw[0]->header());
  const std::string other_key = target::segment_key(raw[1]->header());
  const Bytes sound = *a.storage->get(key);
  const Bytes other = *a.storage->get(other_key);
  Result<std::unique_ptr<content::ContentWriter>> writer = a.contents->writer();
  REQUIRE_OK(writer);
  target::ArchiveInto into{*a.storage, **writer, {example_id(16)}, 3};
  Bytes damaged = sound;
  damaged[4] ^= 1;
  REQUIRE_OK(a.storage->put(key, damaged));
  REQUIRE_CODE(target::archive_segment(*raw[0], raw, into), damaged);
  into.replace = true;
  for (const std::size_t at : {std::size_t{4}, std::size_t{200}, sound.size() / 2, sound.size() - 1}) {
    damaged = sound;
    damaged[at] ^= 1;
    REQUIRE_OK(a.storage->put(key, damaged));
    REQUIRE_OK(target::archive_segment(*raw[0], raw, into));
    REQUIRE(*a.storage->get(key) == sound);
  }
  // Readable, and of another history.
  REQUIRE_OK(a.storage->put(key, other));
  REQUIRE_CODE(target::archive_segment(*raw[0], raw, into), diverged);
  REQUIRE(*a.storage->get(key) == other);
}

TEST_CASE("content that the log cannot give ends the archiving, or whoever is asked lets it pass") {
  // The segment as it is, but one of its contents is gone.
  class Without final : public redo::SegmentView {
   public:
    Without(std::shared_ptr<const redo::SegmentView> view, Status why)
        : view_(std::move(view)), why_(std::move(why)) {}
    const redo::SegmentHeader& header() const noexcept override { return view_->header(); }
    Lsn last_lsn() const noexcept override { return view_->last_lsn(); }
    bool is_complete() const noexcept override { return view_->is_complete(); }
    SegmentInfo info() const override { return view_->info(); }
    Result<std::unique_ptr<redo::RecordStream>> records(const redo::RecordFilter& filter) const override {
      return view_->records(filter);
    }
    Result<redo::Record> record(Lsn lsn, std::uint64_t offset) const override {
      return view_->record(lsn, offset);
    }
    Result<std::optional<redo::ContentPlace>> find_content(const ContentRef& content) const override {
      return view_->find_content(content);
    }
    Result<std::unique_ptr<ContentReader>> open_content(const ContentRef& content,
                                                        const redo::SegmentViews& all) const override {
      if (opened++ == 2) return why_;
      return view_->open_content(content, all);
    }
    Result<std::vector<redo::HeldStretch>> held_stretches() const override { return view_->held_stretches(); }
    mutable int opened = 0;

   private:
    std::shared_ptr<const redo::SegmentView> view_;
    Status why_;
  };
  Archive a;
  const redo::SegmentViews raw = a.raw();
  const std::string key = target::segment_key(raw[0]->header());
  const auto archive = [&](const Status& why, Status answer, int& asked) {
    Result<std::unique_ptr<content::ContentWriter>> writer = a.contents->writer();
    REQUIRE_OK(writer);
    target::ArchiveInto into{*a.storage, **writer, {example_id(16)}, 3};
    into.unreadable = [&](std::string_view account_id, const ContentRef&, const Status& reason) {
      REQUIRE((account_id == "alice" || account_id == "bob"));
      REQUIRE(reason.code() == why.code());
      ++asked;
      return answer;
    };
    return target::archive_segment(Without(raw[0], why), raw, into);
  };
  int asked = 0;
  const Status lost(Code::damaged, "not intact");
  REQUIRE_CODE(archive(Status(Code::io, "the disk is slow today"), Status(), asked), io);
  REQUIRE(asked == 0);
  REQUIRE_CODE(archive(lost, Status(Code::cancelled, "enough"), asked), cancelled);
  REQUIRE(asked == 1);
  REQUIRE_FALSE(a.storage->info(key).ok());
  REQUIRE_OK(archive(lost, Status(), asked));
  REQUIRE(asked == 2);
  const auto archived = target::open_archived_segment(a.storage, key, {example_id(16)});
  REQUIRE_OK(archived);
  REQUIRE(target::archived_contents(**archived)->size() == 15);
}

TEST_CASE("every flipped byte of an archived segment is noticed") {
  Archive a;
  const redo::SegmentViews archived = a.archive();
  const redo::SegmentHeader& header = archived[0]->header();
  const std::string key = target::segment_key(header.log, header.incarnation, header.sequence);
  const Result<Bytes> object = a.storage->get(key);
  REQUIRE_OK(object);
  const auto read_whole = [&]() -> Status {
    auto view = target::open_archived_segment(a.storage, key, {example_id(16)});
    if (!view.ok()) return view.status();
    auto stream = (*view)->records({});
    if (!stream.ok()) return stream.status();
    redo::Record record;
    for (;;) {
      const Result<bool> more = (*stream)->next(record);
      if (!more.ok()) return more.status();
      if (!*more) return {};
    }
  };
  REQUIRE_OK(read_whole());
  for (std::size_t i = 0; i < object->size(); ++i) {
    Bytes damaged = *object;
    damaged[i] ^= 0x10;
    REQUIRE_OK(a.storage->put(key, damaged));
    INFO("byte " << i << " of " << object->size());
    REQUIRE_FALSE(read_whole().ok());
  }
  for (std::size_t size = 0; size < object->size(); size += 13) {
    REQUIRE_OK(a.storage->put(key, ByteView(*object).first(size)));
    REQUIRE_FALSE(read_whole().ok());
  }
  REQUIRE_OK(a.storage->put(key, *object));
  REQUIRE_CODE(target::open_archived_segment(a.storage, key, {example_id(17)}), damaged);
}

}  // namespace restante::test
