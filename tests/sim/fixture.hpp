#pragma once
// A small server with a log and a target, for tests that tell one story each.

#include <restante/restore_plan.hpp>
#include <restante/session.hpp>

#include <optional>
#include <string>

#include "memory_host.hpp"
#include "simulated_server.hpp"
#include "support/catch.hpp"
#include "target_options.hpp"

namespace restante::test {

/// The messages of an account, one behind the other.
inline std::string texts_in(const MemoryHost& host, const std::string& account) {
  std::string all;
  const auto mailbox = host.mailboxes.find(account);
  if (mailbox == host.mailboxes.end()) return "no account";
  for (const auto& [key, message] : mailbox->second.messages())
    all += (all.empty() ? "" : " ") + std::string(as_text(host.contents.at(message.content->digest)));
  return all;
}

class Fixture {
 public:
  Fixture() {
    open_log("redo", {});
    auto storage = make_memory_storage();
    memory = storage->share();
    const auto options = target_options<BackupTarget::CreateOptions>(scratch, "state", clock);
    Result<BackupTarget> made = BackupTarget::create(std::move(storage), options);
    REQUIRE_OK(made);
    target.emplace(*std::move(made));
  }

  void open_log(const std::string& name, std::optional<Continuation> continues) {
    RedoLog::Options options;
    options.create = true;
    options.segment_bytes = 64 << 10;
    options.clock = &clock;
    options.continues = continues;
    options.server = server_id;
    Result<RedoLog> opened = RedoLog::open(scratch.file(name), options);
    REQUIRE_OK(opened);
    log.emplace(*std::move(opened));
    server_id = log->server();
  }

  // --- What the server does -------------------------------------------------------------------------

  void append(const std::string& account, std::vector<Operation> operations) {
    for (const Operation& operation : operations) REQUIRE_OK(host.mailboxes[account].apply(operation));
    RedoLog::BeginOptions options;
    options.ignore_unrecovered = true;
    REQUIRE_OK(log->append(account, operations, options));
  }
  void create_account(const std::string& account) {
    Account record;
    record.id = account;
    record.address = account + "@example.com";
    Folder inbox;
    inbox.id = "inbox";
    inbox.name = "INBOX";
    inbox.uidvalidity = 7;
    inbox.uidnext = 1;
    append(account, {AccountPut{record}, FolderPut{inbox}});
  }
  Message deliver(const std::string& account, const std::string& text) {
    const Folder& inbox = host.mailboxes.at(account).folders().at("inbox");
    Message message;
    message.id = "m-" + text;
    message.folder_id = "inbox";
    message.uidvalidity = inbox.uidvalidity;
    message.uid = inbox.uidnext.value_or(1);
    message.internal_date = clock.now();
    message.content = host.keep(Bytes(text.begin(), text.end()));
    const auto reader = read_from_memory(as_bytes(text));
    REQUIRE_OK(log->put_content(account, *reader));
    append(account, {MessagePut{{message}}});
    return message;
  }
  void expunge(const std::string& account, const Message& message) {
    append(account, {MessageExpunge{"inbox", message.uidvalidity, {{message.uid}, {}}, {}}});
  }
  [[nodiscard]] std::string texts(const std::string& account) const { return texts_in(host, account); }

  // --- What the administrator does ------------------------------------------------------------------

  [[nodiscard]] Session::Options session_options(Session::Kind kind) {
    Session::Options options;
    options.kind = kind;
    options.source = &host;
    options.log = &*log;
    options.server_name = "server1.example.com";
    options.keep_segments_for = std::chrono::seconds(0);
    return options;
  }
  SessionInfo back_up(const Session::Options& options) {
    Result<Session> session = Session::begin(*target, options);
    REQUIRE_OK(session);
    Result<SessionInfo> info = session->run();
    REQUIRE_OK(info);
    return *info;
  }
  SessionInfo back_up(Session::Kind kind) { return back_up(session_options(kind)); }

  [[nodiscard]] RestoreInto into() { return {&host, &host}; }
  [[nodiscard]] Result<RestorePlan> plan(const RestoreRequest& request) {
    return RestorePlan::make({*target}, &*log, request, into());
  }
  RestoreReport restore(const RestoreRequest& request) {
    Result<RestorePlan> made = plan(request);
    REQUIRE_OK(made);
    Result<RestoreReport> report = made->execute();
    REQUIRE_OK(report);
    return *report;
  }
  [[nodiscard]] static RestoreRequest request_for(const std::string& account) {
    RestoreRequest request;
    request.accounts = {account};
    return request;
  }

  ScratchDir scratch;
  SteppingClock clock;
  MemoryHost host;
  Id128 server_id;
  std::optional<RedoLog> log;
  std::unique_ptr<MemoryStorage> memory;
  std::optional<BackupTarget> target;
};

}  // namespace restante::test
