#include <algorithm>

#include "maildir_fixture.hpp"

using namespace restante;
using namespace restante::test;

namespace {

// Copied, because the corpus is not ours and a backup must not need to write.
void require_round_trip(const fs::path& box) {
  ScratchDir scratch;
  fs::create_directories(scratch.path() / "one");
  fs::copy(box, scratch.path() / "one/alice", fs::copy_options::recursive);
  TestStore from(scratch.path() / "one");
  Backup backup = back_up(*from.store, kAlice);
  TestStore to(scratch.path() / "two");
  const auto outcomes = perform(*to.store, kAlice, {Identity::exact, Continuity::reset, true},
                                backup.operations, backup.contents);
  for (const std::string& reason : refusals(outcomes)) FAIL_CHECK(reason);
  require_same_tree(scratch.path() / "one/alice", scratch.path() / "two/alice");
}

}  // namespace

TEST_CASE("corpus: every Maildir comes back byte for byte", "[stores]") {
  const std::optional<fs::path> corpus = corpus_dir();
  if (!corpus) RESTANTE_SKIP("no corpus");
  std::vector<fs::path> boxes;
  for (const auto& entry : fs::recursive_directory_iterator(*corpus / "maildir")) {
    if (!entry.is_directory()) continue;
    const bool nested = std::any_of(boxes.begin(), boxes.end(), [&](const fs::path& box) {
      return entry.path().string().starts_with(box.string() + "/");
    });
    if (!nested && (fs::exists(entry.path() / "cur") || fs::exists(entry.path() / "new"))) {
      boxes.push_back(entry.path());
    }
  }
  REQUIRE(boxes.size() >= 4);
  for (const fs::path& box : boxes) {
    INFO(box);
    require_round_trip(box);
  }
}

TEST_CASE("corpus: every message comes back byte for byte", "[stores]") {
  const std::optional<fs::path> corpus = corpus_dir();
  if (!corpus) RESTANTE_SKIP("no corpus");
  ScratchDir scratch;
  const fs::path box = scratch.path() / "alice";
  make_maildir(box);
  std::uint64_t number = 0;
  std::map<std::string, std::string> lists;
  std::vector<fs::path> messages;
  for (const auto& entry : fs::recursive_directory_iterator(*corpus / "messages")) {
    if (entry.is_regular_file()) messages.push_back(entry.path());
  }
  std::sort(messages.begin(), messages.end());
  REQUIRE(messages.size() > 6000);
  for (const fs::path& message : messages) {
    const std::string origin = fs::relative(message, *corpus / "messages").begin()->string();
    const std::string dir = "." + origin;
    if (!fs::exists(box / dir)) make_maildir(box / dir);
    static constexpr const char* kFlags[] = {"", "S", "RS", "FS", "FRST"};
    const std::string base = std::to_string(++number) + ".host";
    const fs::path to = box / dir / "cur" / (base + ":2," + kFlags[number % 5]);
    write_file(to, read_text(message), kSomeTimeUs + static_cast<std::int64_t>(number));
    lists[dir] += std::to_string(number) + " :" + base + "\n";
  }
  for (const auto& [dir, list] : lists) write_file(box / dir / "dovecot-uidlist", "3 V5 N99999\n" + list);
  require_round_trip(box);
}
