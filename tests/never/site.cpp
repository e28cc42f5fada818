#include "site.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "redo/log_access.hpp"
#include "storage/local_storage.hpp"
#include "stores/maildir.hpp"

namespace restante::test {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSomeTime = 1'500'000'000;
constexpr const char* kAccounts[] = {"alice", "bob"};

void set_time(const fs::path& path, std::int64_t seconds, std::int64_t ns = 0) {
  const timespec times[2] = {{0, UTIME_OMIT}, {seconds, ns}};
  if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
    throw std::runtime_error("cannot set the time of " + path.string());
}

void write(const fs::path& path, std::string_view bytes, std::int64_t time = kSomeTime) {
  std::ofstream(path, std::ios::binary) << bytes;
  ::chmod(path.c_str(), 0600);
  set_time(path, time);
}

void make_folder(const fs::path& path) {
  for (const char* part : {"cur", "new", "tmp"}) fs::create_directories(path / part);
  for (const fs::path& dir : {path, path / "cur", path / "new", path / "tmp"}) ::chmod(dir.c_str(), 0700);
}

std::string text_of(const std::string& account, int n, std::size_t bytes) {
  std::string text = "From: sender@example.net\r\nTo: " + account + "@example.com\r\nSubject: message " +
                     std::to_string(n) + "\r\n\r\n";
  // Not to be compressed to nothing.
  std::mt19937 engine(static_cast<unsigned>(n) * 2 + (account == "bob" ? 1 : 0));
  while (text.size() < bytes) text += static_cast<char>('a' + engine() % 26);
  return text;
}

std::string base_of(int n) {
  return std::to_string(1'500'000'000 + n) + ".M" + std::to_string(n) + "P1.host";
}

void put(const fs::path& folder, const std::string& account, int n, const std::string& flags,
         std::size_t bytes) {
  write(folder / "cur" / (base_of(n) + ":2," + flags), text_of(account, n, bytes), kSomeTime + n);
}

// The first file of the folder's cur/ with this number, if it is still there.
std::optional<fs::path> find(const fs::path& folder, int n) {
  for (const char* part : {"cur", "new"})
    for (const auto& entry : fs::directory_iterator(folder / part))
      if (entry.path().filename().string().starts_with(base_of(n))) return entry.path();
  return std::nullopt;
}

template <class Contents>
Described describe_with(const MailboxState& state, Contents digest_of) {
  Described out;
  for (const auto& [id, folder] : state.folders()) {
    std::ostringstream line;
    line << folder.uidvalidity;
    for (const auto& [name, value] : folder.attributes)
      if (name != "missing") line << ' ' << name << '=' << value;  // that a part is missing no client sees
    out["folder " + state.path_of(id)] = line.str();
  }
  for (const auto& [key, message] : state.messages()) {
    std::ostringstream line;
    line << message.flags << ' ' << (message.internal_date ? message.internal_date->to_string() : "");
    for (const std::string& keyword : message.keywords) line << ' ' << keyword;
    line << ' ' << digest_of(message);
    // By content, because a message that returns has another name; several may be the same.
    const std::string name = "message " + state.path_of(message.folder_id) + " " + line.str();
    out[name] += "x";
  }
  for (const auto& [key, item] : state.items()) {
    // An empty directory that is no folder shows nowhere.
    if (item.attributes.contains("type")) continue;
    std::ostringstream line;
    line << (item.folder_id.empty() ? "" : state.path_of(item.folder_id));
    for (const auto& [name, value] : item.attributes) line << ' ' << name << '=' << value;
    out[key.first + " " + key.second] = line.str();
  }
  return out;
}

Result<MailboxState> read(OpStream& stream) {
  MailboxState state;
  for (Operation operation;;) {
    const Result<bool> more = stream.next(operation);
    if (!more.ok()) return more.status();
    if (!*more) return state;
    if (Status s = state.apply(operation); !s.ok()) return s;
  }
}

}  // namespace

// --- The server ---------------------------------------------------------------------------------------

Result<std::unique_ptr<Server>> Server::open(const Site& site, const Options& options) {
  std::unique_ptr<Server> server(new Server());
  if (Status s = server->open_store(site, options); !s.ok()) return s;
  if (Status s = server->open_redo(site, options); !s.ok()) return s;
  if (Status s = server->open_target(site, options); !s.ok()) return s;
  if (Status s = server->open_scanner(site); !s.ok()) return s;
  return server;
}

Status Server::open_store(const Site& site, const Options& options) {
  MaildirStore::Options store_options;
  store_options.path = site.mail.string();
  store_options.domain = "example.com";
  store_options.on_warning = [this](std::string_view, std::string_view text) {
    ears_.log(Observer::Level::warning, text);
  };
  auto opened = MaildirInternals::open(store_options, *options.gates.store);
  if (opened.ok()) store = *std::move(opened);
  return opened.status();
}

Status Server::open_redo(const Site& site, const Options& options) {
  RedoLog::Options log_options;
  log_options.create = options.create;
  log_options.segment_bytes = options.segment_bytes;
  log_options.piece_bytes = 4 << 10;
  log_options.clock = options.clock;
  redo::OpenHooks hooks;
  hooks.io = options.gates.redo;
  Result<RedoLog> opened = redo::open_log(site.redo.string(), log_options, hooks);
  if (opened.ok()) redo.emplace(*std::move(opened));
  return opened.status();
}

Status Server::open_target(const Site& site, const Options& options) {
  storage::LocalDriverOptions driver;
  driver.create = options.create;
  driver.sync_method = options.sync_method;
  auto storage = storage::open_local_driver(*options.gates.target, site.target.string(), driver);
  if (!storage.ok()) return storage.status();
  BackupTarget::CreateOptions target_options;
  target_options.state_directory = site.state.string();
  target_options.clock = options.clock;
  Result<BackupTarget> opened = options.create ? BackupTarget::create(*std::move(storage), target_options)
                                               : BackupTarget::open(*std::move(storage), target_options);
  if (opened.ok()) target.emplace(*std::move(opened));
  return opened.status();
}

Status Server::open_scanner(const Site& site) {
  Scanner::Options options;
  options.state_directory = (site.state / "scan").string();
  options.baseline = [this](std::string_view account) { return baseline(account); };
  auto opened = Scanner::open(*store, *redo, options);
  if (opened.ok()) scanner = *std::move(opened);
  return opened.status();
}

Result<std::vector<Operation>> Server::baseline(std::string_view account) {
  const Result<TargetAccount> known = target->find_account(account);
  if (!known.ok()) return known.status();
  RestoreRequest request;
  request.accounts = {std::string(account)};
  request.skip_deleted_accounts = true;
  request.in_doubt = InDoubt::drop;
  const Result<RestorePlan> made = RestorePlan::make({*target}, &*redo, request, {});
  if (!made.ok()) return made.status();
  for (const AccountPlan& step : made->accounts())
    if (!step.failure.ok()) return step.failure;
  Result<std::unique_ptr<OpStream>> stream = made->state(account);
  if (!stream.ok()) return stream.status();
  std::vector<Operation> operations;
  for (Operation operation;;) {
    const Result<bool> more = (*stream)->next(operation);
    if (!more.ok()) return more.status();
    if (!*more) return operations;
    operations.push_back(std::move(operation));
  }
}

// --- What it does -------------------------------------------------------------------------------------

Result<SessionInfo> Server::back_up(Session::Kind kind, std::vector<std::string> accounts,
                                    std::chrono::seconds keep_segments_for) {
  Session::Options options;
  options.accounts = std::move(accounts);
  options.kind = kind;
  options.source = scanner.get();
  options.log = &*redo;
  options.server_name = "server1.example.com";
  options.keep_segments_for = keep_segments_for;
  options.observer = &ears_;
  Result<Session> session = Session::begin(*target, options);
  if (!session.ok()) return session.status();
  return session->run();
}

Status Server::scan() {
  const Result<std::vector<std::string>> accounts = scanner->accounts();
  if (!accounts.ok()) return accounts.status();
  Status first;
  for (const std::string& account : *accounts) {
    const Result<ScanReport> report = scanner->scan(account);
    if (first.ok()) first = report.status();
  }
  return first;
}

Result<RestorePlan> Server::plan(const RestoreRequest& request) {
  return RestorePlan::make({*target}, &*redo, request, {});
}

Result<RestoreReport> Server::restore(const RestoreRequest& request) {
  const std::unique_ptr<MailSink> sink = scanner->sink_for(*store);
  Result<RestorePlan> plan =
      RestorePlan::make({*target}, &*redo, request, RestoreInto{scanner.get(), sink.get()});
  if (!plan.ok()) return plan.status();
  for (const AccountPlan& account : plan->accounts())
    if (!account.failure.ok()) return account.failure;
  return plan->execute();
}

Status Server::roll_back(const std::string& account) {
  const std::unique_ptr<MailSink> sink = scanner->sink_for(*store);
  const Result<RestoreReport> report =
      roll_back_unfinished({*target}, *redo, account, RestoreInto{scanner.get(), sink.get()});
  return report.ok() ? report->status : report.status();
}

Status Server::roll_back_all() {
  for (const RedoLog::Unfinished& unfinished : redo->unfinished()) {
    if (!unfinished.is_rewind) continue;
    if (Status s = roll_back(unfinished.account_id); !s.ok()) return s;
  }
  return {};
}

// --- What can be seen ---------------------------------------------------------------------------------

Result<std::map<std::string, Described>> Server::live() {
  std::map<std::string, Described> all;
  for (const char* name : kAccounts) {
    const std::string account = std::string(name) + "@example.com";
    OpVector listed;
    const Result<SnapshotInfo> info = store->snapshot(account, listed);
    if (info.status().code() == Code::not_found) continue;
    if (!info.ok()) return info.status();
    MailboxState state;
    for (const Operation& operation : listed.operations)
      if (Status s = state.apply(operation); !s.ok()) return s;
    Status failure;
    all[account] = describe_with(state, [&](const Message& message) -> std::string {
      ContentPlace place;
      place.folder_id = message.folder_id;
      place.message_id = message.id;
      place.uid = message.uid;
      Result<std::unique_ptr<ContentReader>> reader = store->open_content(account, place);
      const Result<Bytes> bytes = reader.ok() ? read_all(**reader) : Result<Bytes>(reader.status());
      if (bytes.ok()) return content_ref_of(*bytes).digest.to_string();
      failure = bytes.status();
      return {};
    });
    if (!failure.ok()) return failure;
  }
  return all;
}

Result<std::map<std::string, Described>> Server::at(const RestoreStop& stop) {
  RestoreRequest request;
  request.stop = stop;
  request.in_doubt = InDoubt::drop;
  const Result<RestorePlan> made = plan(request);
  if (!made.ok()) return made.status();
  std::map<std::string, Described> all;
  for (const AccountPlan& account : made->accounts()) {
    if (!account.failure.ok()) return account.failure.with_context(account.account_id);
    Result<std::unique_ptr<OpStream>> stream = made->state(account.account_id);
    if (!stream.ok()) return stream.status();
    Result<MailboxState> state = read(**stream);
    if (!state.ok()) return state.status();
    if (!state->account()) continue;
    Status failure;
    all[account.account_id] = describe_with(*state, [&](const Message& message) -> std::string {
      const auto reader = made->content().open(*message.content);
      const Result<Bytes> bytes = reader.ok() ? read_all(**reader) : Result<Bytes>(reader.status());
      if (bytes.ok()) return content_ref_of(*bytes).digest.to_string();
      failure = bytes.status().with_context(message.id);
      return {};
    });
    if (!failure.ok()) return failure;
  }
  return all;
}

Result<std::vector<SessionInfo>> Server::published() {
  SessionQuery query;
  query.unpublished = false;
  Result<std::vector<SessionInfo>> sessions = target->sessions(query);
  if (sessions.ok()) std::reverse(sessions->begin(), sessions->end());
  return sessions;
}

std::string Server::damages() {
  std::string all;
  BackupTarget::VerifyOptions options;
  options.read_data = true;
  const Result<TargetVerification> target_verified = target->verify(options);
  if (!target_verified.ok()) return target_verified.status().to_string();
  for (const TargetDamage& damage : target_verified->damages) {
    all += damage.key + ": " + damage.what;
    for (const std::string& cost : damage.costs) all += "; costs " + cost;
    all += "\n";
  }
  const Result<LogVerification> log_verified = redo->verify();
  if (!log_verified.ok()) return all + log_verified.status().to_string();
  for (const LogDamage& damage : log_verified->damages) all += damage.what + "\n";
  return all;
}

// --- The store ----------------------------------------------------------------------------------------

void fill(const Site& site) {
  for (const char* account : kAccounts) {
    const fs::path box = site.mail / account;
    make_folder(box);
    make_folder(box / ".Work");
    write(box / ".Work/maildirfolder", "");
    write(box / "dovecot-uidlist", "3 V1500000000 N4 G0123456789abcdef0123456789abcdef\n1 :" + base_of(1) +
                                       "\n2 :" + base_of(2) + "\n3 :" + base_of(3) + "\n");
    write(box / "dovecot-keywords", "0 $Important\n");
    write(box / "subscriptions", "Work\n");
    for (int n = 1; n <= 3; ++n) put(box, account, n, n == 2 ? "Sa" : "S", n == 3 ? 20'000 : 300);
    for (int n = 4; n <= 5; ++n) put(box / ".Work", account, n, "FS", 500);
  }
}

void deliver(const Site& site, const std::string& account, int n, std::size_t bytes) {
  const fs::path box = site.mail / account;
  const fs::path temporary = box / "tmp" / base_of(n);
  write(temporary, text_of(account, n, bytes), kSomeTime + n);
  fs::rename(temporary, box / "new" / base_of(n));
}

void change(const Site& site, int round) {
  for (const char* account : kAccounts) {
    const fs::path box = site.mail / account;
    const int first = 100 * (round + 1);
    for (int n = first; n < first + 3; ++n) deliver(site, account, n, n % 3 == 0 ? 9'000 : 400);
    if (const auto flagged = find(box, round == 0 ? 1 : first - 100))
      fs::rename(*flagged, box / "cur" / (base_of(round == 0 ? 1 : first - 100) + ":2,FRS"));
    if (const auto gone = find(box, round == 0 ? 3 : first - 99)) fs::remove(*gone);
    if (const auto moved = find(box / ".Work", 4))
      fs::rename(*moved, box / "cur" / moved->filename());
    else if (const auto back = find(box, 4))
      fs::rename(*back, box / ".Work/cur" / back->filename());
    const fs::path folder = box / (".Round" + std::to_string(round));
    make_folder(folder);
    write(folder / "maildirfolder", "");
  }
}

void destroy(const Site& site) {
  for (const char* account : kAccounts) {
    const fs::path box = site.mail / account;
    for (const int n : {1, 2, 100, 101})
      if (const auto gone = find(box, n)) fs::remove(*gone);
    if (const auto flagged = find(box, 102)) fs::rename(*flagged, box / "cur" / (base_of(102) + ":2,T"));
    fs::remove_all(box / ".Work");
    write(box / "subscriptions", "Other\n");
    deliver(site, account, 9'000);
  }
}

void copy_tree(const fs::path& from, const fs::path& to) {
  struct stat st;
  if (::lstat(from.c_str(), &st) != 0) throw std::runtime_error("cannot look at " + from.string());
  if (fs::is_directory(from)) {
    fs::create_directories(to);
    for (const auto& entry : fs::directory_iterator(from))
      copy_tree(entry.path(), to / entry.path().filename());
  } else {
    fs::copy_file(from, to);
  }
  ::chmod(to.c_str(), st.st_mode & 07777);
  set_time(to, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

std::string difference(const std::map<std::string, Described>& expected,
                       const std::map<std::string, Described>& found) {
  std::string out;
  const auto compare = [&](const auto& one, const auto& other, const char* where) {
    for (const auto& [account, mailbox] : one) {
      const auto there = other.find(account);
      if (there == other.end()) {
        out += where + account + "\n";
        continue;
      }
      for (const auto& [name, line] : mailbox) {
        const auto same = there->second.find(name);
        if (same == there->second.end() || same->second != line)
          out += where + account + ": " + name + " = " + line + "\n";
      }
    }
  };
  compare(expected, found, "expected: ");
  compare(found, expected, "found:    ");
  return out;
}

}  // namespace restante::test
