#include <restante/mailbox_state.hpp>

#include "support/catch.hpp"
#include "unit/model/histories.hpp"

using namespace restante;
using namespace restante::test;

namespace {

Operation folder(std::string id) { return FolderPut{{.id = id, .name = id, .uidvalidity = 1}}; }
Operation message(std::string folder_id, std::string id, std::uint32_t uidvalidity = 1) {
  return MessagePut{{{.id = std::move(id), .folder_id = std::move(folder_id), .uidvalidity = uidvalidity}}};
}
Operation item(std::string kind, std::string id) { return ItemPut{{.kind = kind, .id = id}}; }

Status fold_status(const std::vector<Operation>& snapshot, const std::vector<Operation>& change = {}) {
  OpVector out;
  return fold(*stream_of(snapshot), change, out);
}

// Fails after a number of elements.
class FailingStream final : public OpStream {
 public:
  FailingStream(const std::vector<Operation>& operations, std::size_t left)
      : stream_(stream_of(operations)), left_(left) {}
  Result<bool> next(Operation& operation) override {
    if (left_-- == 0) return Status(Code::io, "the disk went");
    return stream_->next(operation);
  }

 private:
  std::unique_ptr<OpStream> stream_;
  std::size_t left_;
};

class FullSink final : public OpSink {
 public:
  explicit FullSink(std::size_t left) : left_(left) {}
  Status put(Operation) override {
    if (left_ == 0) return Status(Code::no_space, "full");
    --left_;
    return {};
  }

 private:
  std::size_t left_;
};

}  // namespace

TEST_CASE("fold: an unsorted snapshot is damaged") {
  const Operation account = AccountPut{{.id = "account"}};
  REQUIRE_OK(fold_status({account, folder("f"), folder("g"), message("f", "a"), message("f", "b"),
                          message("g", "a"), item("k", "1"), item("l", "0"), HostOp{.host = "h", .name = "2"},
                          HostOp{.host = "h", .name = "1"}, UnknownOperation{1000, false, ""}}));
  const std::vector<std::vector<Operation>> unsorted = {
      {account, account},
      {folder("f"), account},
      {folder("g"), folder("f")},
      {folder("f"), folder("f")},
      {folder("f"), message("f", "a"), folder("g")},
      {folder("f"), message("f", "b"), message("f", "a")},
      {folder("f"), message("f", "a"), message("f", "a")},
      {folder("f"), folder("g"), message("g", "a"), message("f", "b")},
      {message("g", "a"), message("f", "b")},  // in order even where they are void
      {folder("f"), item("k", "1"), message("f", "a")},
      {item("k", "1"), item("k", "0")},
      {item("k", "1"), item("k", "1")},
      {HostOp{.host = "h", .name = "1"}, item("k", "1")},
      {UnknownOperation{1000, false, ""}, HostOp{.host = "h", .name = "1"}},
      {folder("f"), MessagePut{}},
      {folder("f"), MessagePut{{{.id = "a", .folder_id = "f", .uidvalidity = 1},
                                {.id = "b", .folder_id = "f", .uidvalidity = 1}}}},
      {FolderDelete{"f"}},
      {Rewind{}}};
  for (const auto& snapshot : unsorted) {
    INFO(listing(snapshot));
    REQUIRE_CODE(fold_status(snapshot), damaged);
  }
}

TEST_CASE("R17: fold refuses what is unknown and required, in the snapshot and in the change") {
  const UnknownFields required = {{.tag = 100, .required = true, .bytes = "x"}};
  const std::vector<Operation> fine = {folder("f")};
  const std::vector<Operation> refused = {FolderPut{{.id = "f", .uidvalidity = 1, .unknown = required}}};
  REQUIRE_CODE(fold_status(refused), unsupported);
  REQUIRE_CODE(fold_status(fine, refused), unsupported);
  REQUIRE_CODE(fold_status(fine, {UnknownOperation{1000, true, ""}}), unsupported);
}

TEST_CASE("fold: failures of the stream and of the sink are passed on") {
  const std::vector<Operation> snapshot = {folder("f"), message("f", "a"), message("f", "c"), item("k", "1"),
                                           HostOp{.host = "h", .name = "1"}};
  const std::vector<Operation> change = {message("f", "b"), item("k", "2")};
  const std::size_t results = 7;
  for (std::size_t n = 0; n <= snapshot.size(); ++n) {
    FailingStream stream(snapshot, n);
    OpVector out;
    INFO("after " << n << " elements");
    REQUIRE_CODE(fold(stream, change, out), io);
  }
  for (std::size_t n = 0; n < results; ++n) {
    FullSink sink(n);
    INFO("after " << n << " elements");
    REQUIRE_CODE(fold(*stream_of(snapshot), change, sink), no_space);
  }
  FullSink sink(results);
  REQUIRE_OK(fold(*stream_of(snapshot), change, sink));
}

TEST_CASE("fold: an operation that names a UID reaches a message that only the snapshot knows") {
  Message known{.id = "known", .folder_id = "f", .uidvalidity = 1, .uid = 7};
  const std::vector<Operation> snapshot = {folder("f"), MessagePut{{known}}};
  OpVector out;
  SECTION("flags") {
    REQUIRE_OK(fold(*stream_of(snapshot),
                    std::vector<Operation>{FlagsUpdate{
                        .folder_id = "f", .uidvalidity = 1, .messages = {{7}, {}}, .flags = kFlagSeen}},
                    out));
    known.flags = kFlagSeen;
    CHECK(out.operations == std::vector<Operation>{folder("f"), MessagePut{{known}}});
  }
  SECTION("in the order of the change, however it is addressed") {
    FlagsUpdate by_uid{.folder_id = "f", .uidvalidity = 1, .messages = {{7}, {}}, .flags = kFlagSeen};
    FlagsUpdate by_id{.folder_id = "f", .uidvalidity = 1, .messages = {{}, {"known"}}, .flags = kFlagDraft};
    REQUIRE_OK(fold(*stream_of(snapshot), std::vector<Operation>{by_uid, by_id}, out));
    REQUIRE_OK(fold(*stream_of(snapshot), std::vector<Operation>{by_id, by_uid}, out));
    REQUIRE(out.operations.size() == 4);
    CHECK(std::get<MessagePut>(out.operations[1]).messages[0].flags == kFlagDraft);
    CHECK(std::get<MessagePut>(out.operations[3]).messages[0].flags == kFlagSeen);
  }
  SECTION("another message at its UID") {
    const Message other{.id = "other", .folder_id = "f", .uidvalidity = 1, .uid = 7};
    REQUIRE_OK(fold(*stream_of(snapshot), std::vector<Operation>{MessagePut{{other}}}, out));
    CHECK(out.operations == std::vector<Operation>{folder("f"), MessagePut{{other}}});
  }
  SECTION("not under another UIDVALIDITY") {
    Message other{.id = "other", .folder_id = "f", .uidvalidity = 2, .uid = 7};
    REQUIRE_OK(fold(*stream_of(snapshot), std::vector<Operation>{MessagePut{{other}}}, out));
    CHECK(out.operations == snapshot);
  }
}

TEST_CASE("fold is the same as apply, for every split of every history") {
  Random random("fold");
  const int rounds = long_tests() ? 20000 : 500;
  for (int round = 0; round < rounds; ++round) {
    const History history = make_history(random, 10 + random.below(50));
    std::size_t position = random.below(history.states.size());
    std::vector<Operation> snapshot = snapshot_of(history.states[position]);
    while (position + 1 < history.states.size()) {
      const std::size_t next = random.between(position + 1, history.states.size() - 1);
      const std::vector<Operation> change(history.log.begin() + static_cast<std::ptrdiff_t>(position),
                                          history.log.begin() + static_cast<std::ptrdiff_t>(next));
      OpVector out;
      INFO("seed " << test_seed() << ", round " << round << ", from " << position << " to " << next);
      REQUIRE_OK(fold(*stream_of(snapshot), change, out));
      REQUIRE(out.operations == snapshot_of(history.states[next]));
      snapshot = std::move(out.operations);
      position = next;
    }
  }
}
