// Real mail, byte for byte, through a full backup, a disaster and a restore.

#include <restante/restante.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>

#include "support/catch.hpp"

namespace restante::test {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(out.good());
}

// Everything below a directory: path -> bytes, mode and modification time of files; mode of directories.
struct Entry {
  std::string bytes;
  mode_t mode = 0;
  std::int64_t mtime_us = 0;
  bool operator==(const Entry&) const = default;
};
using Tree = std::map<std::string, Entry>;

Tree tree_of(const fs::path& root) {
  Tree tree;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
    struct stat info {};
    REQUIRE(::lstat(entry.path().c_str(), &info) == 0);
    Entry& found = tree[fs::relative(entry.path(), root).string()];
    found.mode = info.st_mode;
    if (!S_ISREG(info.st_mode)) continue;
    found.bytes = read_file(entry.path());
    found.mtime_us = std::int64_t{info.st_mtim.tv_sec} * 1'000'000 + info.st_mtim.tv_nsec / 1000;
  }
  return tree;
}

// The first few differences, so that a failure of thousands can be read.
std::string differences(const Tree& before, const Tree& after) {
  std::string text;
  int count = 0;
  for (const auto& [path, entry] : before) {
    const auto found = after.find(path);
    if (found != after.end() && found->second == entry) continue;
    if (++count > 8) return text + "…\n";
    if (found == after.end()) {
      text += "gone: " + path + "\n";
      continue;
    }
    text += "changed (" + std::string(found->second.bytes != entry.bytes ? "bytes " : "") +
            (found->second.mode != entry.mode ? "mode " : "") +
            (found->second.mtime_us != entry.mtime_us ? "time" : "") + "): " + path + "\n";
  }
  for (const auto& [path, entry] : after)
    if (!before.contains(path) && ++count <= 8) text += "new: " + path + "\n";
  return text;
}

void make_maildir(const fs::path& path) {
  for (const char* part : {"cur", "new", "tmp"}) fs::create_directories(path / part);
}

// One account for each folder of the corpus' messages.
std::size_t lay_out_messages(const fs::path& corpus, const fs::path& mail) {
  std::size_t count = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(corpus / "messages")) {
    if (!entry.is_regular_file()) continue;
    const std::string user = fs::relative(entry.path(), corpus / "messages").begin()->string();
    if (!fs::exists(mail / user)) make_maildir(mail / user);
    const std::string name =
        std::to_string(1'500'000'000 + count) + ".M" + std::to_string(count) + "P1.corpus:2,";
    fs::copy_file(entry.path(), mail / user / "cur" /
                                    (name + (count % 3 == 0   ? "S"
                                             : count % 7 == 0 ? "FRS"
                                                              : "")));
    ++count;
  }
  return count;
}

// Messages of a mailbox file: what stands between its "From " lines, whatever that is.
std::vector<std::string> messages_of(const std::string& mbox) {
  std::vector<std::string> messages;
  std::size_t begin = 0;
  while (begin < mbox.size()) {
    std::size_t end = mbox.find("\nFrom ", begin);
    end = end == std::string::npos ? mbox.size() : end + 1;
    messages.push_back(mbox.substr(begin, end - begin));
    begin = end;
  }
  return messages;
}

std::size_t lay_out_mboxes(const fs::path& corpus, const fs::path& mail) {
  std::size_t count = 0;
  make_maildir(mail / "mbox");
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(corpus / "mbox")) {
    if (!entry.is_regular_file()) continue;
    for (const std::string& message : messages_of(read_file(entry.path())))
      write_file(mail / "mbox/new" / ("160000" + std::to_string(count++) + ".M1P1.mbox"), message);
  }
  return count;
}

// The corpus' Maildirs as they are, odd names and nested folders included.
void lay_out_maildirs(const fs::path& corpus, const fs::path& mail) {
  for (const fs::directory_entry& entry : fs::directory_iterator(corpus / "maildir")) {
    const fs::path to = mail / entry.path().filename();
    fs::copy(entry.path(), to, fs::copy_options::recursive);
    for (const fs::directory_entry& copied : fs::recursive_directory_iterator(to))
      if (copied.is_directory()) fs::permissions(copied.path(), fs::perms::owner_all);
    make_maildir(to);
    // The corpus does not store empty directories, which every folder has.
    for (const fs::directory_entry& folder : fs::directory_iterator(to))
      if (folder.path().filename().string().starts_with('.') && folder.is_directory())
        make_maildir(folder.path());
  }
}

// A server in a scratch directory, opened anew for each step as a command would.
class Setting {
 public:
  Setting() {
    fs::create_directories(mail());
    BackupTarget::CreateOptions options;
    options.state_directory = scratch_.file("state");
    Result<std::unique_ptr<Storage>> storage = open_local_storage(scratch_.file("target"), {.create = true});
    REQUIRE_OK(storage);
    Result<BackupTarget> target = BackupTarget::create(*std::move(storage), options);
    REQUIRE_OK(target);
    target_.emplace(*std::move(target));
    Result<RedoLog> log = RedoLog::open(scratch_.file("redo"), {.create = true});
    REQUIRE_OK(log);
    log_.emplace(*std::move(log));
    MaildirStore::Options store_options;
    store_options.path = mail().string();
    store_options.domain = "example.com";
    Result<std::unique_ptr<MaildirStore>> store = MaildirStore::open(store_options);
    REQUIRE_OK(store);
    store_ = *std::move(store);
    Scanner::Options scan_options;
    scan_options.state_directory = scratch_.file("scan");
    Result<std::unique_ptr<Scanner>> scanner = Scanner::open(*store_, *log_, scan_options);
    REQUIRE_OK(scanner);
    scanner_ = *std::move(scanner);
  }

  [[nodiscard]] fs::path mail() const { return scratch_.path() / "mail"; }

  SessionInfo back_up(Session::Kind kind) {
    Session::Options options;
    options.kind = kind;
    options.source = scanner_.get();
    options.log = &*log_;
    Result<Session> session = Session::begin(*target_, options);
    REQUIRE_OK(session);
    Result<SessionInfo> info = session->run();
    REQUIRE_OK(info);
    for (const SessionAccount& account : info->accounts) {
      INFO(account.id << ": " << account.error);
      REQUIRE(account.status == AccountStatus::completed);
    }
    return *info;
  }

  void restore(const RestoreRequest& request) {
    Result<RestorePlan> plan = RestorePlan::make({*target_}, &*log_, request, {scanner_.get(), store_.get()});
    REQUIRE_OK(plan);
    for (const AccountPlan& account : plan->accounts()) {
      INFO(account.account_id);
      REQUIRE_OK(account.failure);
    }
    const Result<RestoreReport> report = plan->execute();
    REQUIRE_OK(report);
    REQUIRE_OK(report->status);
    for (const AccountReport& account : report->accounts) {
      INFO(account.account_id << (account.refused.empty() ? "" : ": " + account.refused.front()));
      REQUIRE(account.refused.empty());
    }
  }

  [[nodiscard]] BackupTarget& target() { return *target_; }
  [[nodiscard]] Scanner& scanner() { return *scanner_; }
  [[nodiscard]] RedoLog& log() { return *log_; }

 private:
  ScratchDir scratch_;
  std::optional<BackupTarget> target_;
  std::optional<RedoLog> log_;
  std::unique_ptr<MaildirStore> store_;
  std::unique_ptr<Scanner> scanner_;
};

void empty(const fs::path& directory) {
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) fs::remove_all(entry.path());
}

void round_trip(Setting& setting, std::size_t messages) {
  const Tree before = tree_of(setting.mail());
  const SessionInfo info = setting.back_up(Session::Kind::full);
  std::size_t backed_up = 0;
  for (const SessionAccount& account : info.accounts) backed_up += account.messages;
  REQUIRE(backed_up >= messages);
  empty(setting.mail());
  setting.restore({});
  const Tree after = tree_of(setting.mail());
  const std::string difference = differences(before, after);
  if (!difference.empty()) FAIL(difference);
  REQUIRE(before == after);
  const Result<TargetVerification> verified =
      setting.target().verify({.label = {}, .read_data = true, .cancel = {}, .progress = {}});
  REQUIRE_OK(verified);
  REQUIRE(verified->damages.empty());
}

}  // namespace

TEST_CASE("all messages of the corpus come back byte for byte", "[corpus]") {
  const std::optional<fs::path> corpus = corpus_dir();
  if (!corpus) RESTANTE_SKIP("no corpus");
  Setting setting;
  const std::size_t count = lay_out_messages(*corpus, setting.mail());
  REQUIRE(count == 6807);
  round_trip(setting, count);
}

TEST_CASE("all messages of the corpus' mbox files come back byte for byte", "[corpus]") {
  const std::optional<fs::path> corpus = corpus_dir();
  if (!corpus) RESTANTE_SKIP("no corpus");
  Setting setting;
  const std::size_t count = lay_out_mboxes(*corpus, setting.mail());
  REQUIRE(count > 3000);
  round_trip(setting, count);
}

TEST_CASE("the corpus' Maildirs come back as they are, names, files and times", "[corpus]") {
  const std::optional<fs::path> corpus = corpus_dir();
  if (!corpus) RESTANTE_SKIP("no corpus");
  Setting setting;
  lay_out_maildirs(*corpus, setting.mail());
  round_trip(setting, 0);
}

TEST_CASE("a restore of one message leaves those alone that are there, also if no scan ever read them") {
  Setting setting;
  const fs::path alice = setting.mail() / "alice";
  make_maildir(alice);
  for (const char* name : {"1.M1P1.h:2,S", "2.M1P1.h:2,", "3.M1P1.h:2,F"})
    write_file(alice / "cur" / name, std::string("Subject: ") + name + "\n\nbody\n");
  setting.back_up(Session::Kind::full);
  fs::remove(alice / "cur/2.M1P1.h:2,");
  RestoreRequest request;
  request.stop.full_only = true;
  const Result<RestorePlan> plan =
      RestorePlan::make({setting.target()}, &setting.log(), request, {&setting.scanner(), nullptr});
  REQUIRE_OK(plan);
  const DifferenceSummary& difference = plan->accounts().front().difference;
  REQUIRE(difference.messages.added == 1);
  REQUIRE(difference.messages.unchanged == 2);
  REQUIRE(difference.messages.changed == 0);
  const Result<std::vector<Operation>> operations = plan->operations("alice@example.com");
  REQUIRE_OK(operations);
  REQUIRE(operations->size() == 1);
  setting.restore(request);
  REQUIRE(fs::exists(alice / "cur/1.M1P1.h:2,S"));
}

TEST_CASE(
    "a Maildir story: delivery, flags, moves and deletion between sessions, and back to a chosen second") {
  Setting setting;
  const fs::path alice = setting.mail() / "alice";
  const fs::path bob = setting.mail() / "bob";
  for (const fs::path& user : {alice, bob}) make_maildir(user);
  make_maildir(alice / ".Projects");
  write_file(alice / "cur/1.M1P1.h:2,S", "Subject: one\n\n1\n");
  write_file(alice / ".Projects/cur/2.M1P1.h:2,", "Subject: two\n\n2\n");
  write_file(bob / "new/3.M1P1.h", "Subject: three\n\n3\n");
  setting.back_up(Session::Kind::full);

  write_file(alice / "new/4.M1P1.h", "Subject: four\n\n4\n");
  fs::rename(alice / ".Projects/cur/2.M1P1.h:2,", alice / ".Projects/cur/2.M1P1.h:2,FS");
  fs::rename(alice / "cur/1.M1P1.h:2,S", alice / ".Projects/cur/1.M1P1.h:2,S");
  write_file(alice / "subscriptions", "V\t2\n\nProjects\n");
  setting.back_up(Session::Kind::incremental);
  const Tree good = tree_of(alice);
  const Lsn good_lsn = setting.log().end();

  fs::remove_all(alice / ".Projects");
  fs::remove(alice / "new/4.M1P1.h");
  write_file(bob / "new/5.M1P1.h", "Subject: five\n\n5\n");
  REQUIRE_OK(setting.scanner().scan("alice@example.com"));
  REQUIRE_OK(setting.scanner().scan("bob@example.com"));
  const Tree bob_before = tree_of(bob);

  RestoreRequest request;
  request.accounts = {"alice@example.com"};
  request.stop.lsn = good_lsn;
  setting.restore(request);
  REQUIRE(tree_of(bob) == bob_before);
  // Returning messages have new base names (R3); folders, flags and bytes are those of the chosen second.
  const auto shape_of = [](const Tree& tree) {
    std::multimap<std::string, std::string> shape;
    for (const auto& [path, entry] : tree) {
      if (!S_ISREG(entry.mode)) continue;
      const std::size_t flags = path.find(":2,");
      const fs::path folder = fs::path(path).parent_path();
      const bool message = folder.filename() == "cur" || folder.filename() == "new";
      shape.emplace(
          message ? folder.parent_path().string() + (flags == std::string::npos ? "" : path.substr(flags))
                  : path,
          entry.bytes);
    }
    return shape;
  };
  REQUIRE(shape_of(tree_of(alice)) == shape_of(good));
  // The store and the log agree: a scan finds nothing to log.
  const Result<ScanReport> scanned = setting.scanner().scan("alice@example.com");
  REQUIRE_OK(scanned);
  REQUIRE(scanned->difference.none());
}

}  // namespace restante::test
