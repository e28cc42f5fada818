// restante query: the sessions of the targets, also those that run.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>

#include "command.hpp"
#include "progress.hpp"
#include "setup.hpp"
#include "table.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::BackupTarget;
using restante::SessionAccount;
using restante::SessionInfo;
using restante::SessionQuery;
using restante::SessionStatus;
using restante::SessionType;

/// A session and where it is.
struct Found {
  std::string target;
  SessionInfo session;
};

bool has_ended(const SessionInfo& session) {
  return session.status != SessionStatus::running && session.status != SessionStatus::interrupted;
}

/// "1-4", "-" for none.
std::string sequence_range(const SessionInfo& session) {
  if (session.last_sequence == 0) return "-";
  return session.first_sequence == session.last_sequence
             ? std::to_string(session.first_sequence)
             : fmt::format("{}-{}", session.first_sequence, session.last_sequence);
}

std::string account_line(const SessionAccount& account) {
  std::string out = fmt::format("  {}: {}", printable(account.address.empty() ? account.id : account.address),
                                restante::name_of(account.status));
  if (account.full)
    out += fmt::format(", full with {}, {}", counted(account.messages, "message"), byte_size(account.bytes));
  if (account.deleted) out += ", account deleted";
  if (!account.error.empty()) out += ": " + printable(account.error);
  return out + "\n";
}

std::string field(std::string_view name, std::string_view value) {
  return fmt::format("{:<25}{}\n", fmt::format("{}:", name), value);
}

std::string block_of(const Found& found, const restante::TimeZone& zone, bool several_targets) {
  const SessionInfo& session = found.session;
  std::string out =
      field("Label", printable(session.label)) + field("Type", restante::name_of(session.type)) +
      field("Status", restante::name_of(session.status)) + field("Started", zone.format(session.began)) +
      field("Ended", has_ended(session) ? zone.format(session.ended) : "-") +
      field("Redo log sequence range", sequence_range(session));
  if (several_targets) out += field("Target", printable(found.target));
  out += field("Server", printable(session.server_name));
  if (!session.owner.empty() && !has_ended(session)) out += field("Run by", printable(session.owner));
  if (session.progress) out += field("Progress", progress_line(*session.progress, 200));
  if (!session.error.empty()) out += field("Error", printable(session.error));
  out += field("Number of accounts", number(session.accounts.size()));
  for (const SessionAccount& account : session.accounts) out += account_line(account);
  return out;
}

Table table_of(const std::vector<Found>& sessions, const restante::TimeZone& zone, bool several_targets) {
  std::vector<Table::Column> columns{{"LABEL"},
                                     {"STATUS"},
                                     {"STARTED"},
                                     {"TOOK", Table::Align::right},
                                     {"ACCOUNTS", Table::Align::right},
                                     {"REDO LOG", Table::Align::right}};
  if (several_targets) columns.push_back({"TARGET"});
  Table table(std::move(columns));
  for (const Found& found : sessions) {
    const SessionInfo& session = found.session;
    std::vector<std::string> row{
        printable(session.label),        std::string(restante::name_of(session.status)),
        zone.format(session.began),      has_ended(session) ? duration(session.began, session.ended) : "-",
        number(session.accounts.size()), sequence_range(session)};
    if (several_targets) row.push_back(printable(found.target));
    table.add(std::move(row));
  }
  return table;
}

class Query final : public Command {
 public:
  Manual manual() const override {
    return {"query", "lists backup sessions, newest first",
            "[--label LABEL] [--type full|incremental] [--from TIME]\n[--to TIME] [-a ACCOUNT] [--target "
            "PATH] [-v]",
            "Lists the sessions of the target, newest first, running and interrupted ones too. The times are "
            "when a "
            "session began; labels are in GMT, so that they sort.\n"
            "An interrupted session is one whose process is gone: nothing of it can be restored, and "
            "'restante abort "
            "--label LABEL' takes its leftovers away.",
            "restante query\n"
            "restante query --label full-20070712.155951.123 -v\n"
            "restante query -a user1@example.com --type full --from '2026/07/05 12:01:15'"};
  }

  void declare(CLI::App& app) override {
    app.add_option("--label", label_, "Only this session.")->type_name("LABEL");
    app.add_option("--type", type_, "Only full or only incremental sessions.")->type_name("TYPE");
    app.add_option("--from", from_, "Only sessions that began at this time or later.")->type_name("TIME");
    app.add_option("--to", to_, "Only sessions that began at this time or earlier.")->type_name("TIME");
    app.add_option("-a,--account", account_, "Only sessions that have this account, by address or id.")
        ->type_name("ACCOUNT");
    app.add_option("--target", target_, "Ask this target instead of those of the configuration.")
        ->type_name("PATH");
    app.add_flag("-v,--verbose", verbose_, "All of a session, with its accounts and their status.");
  }

  void check(const restante::TimeZone& zone) override;
  Exit run(Program& program) override;

 private:
  std::vector<Found> find(const std::vector<BackupTarget>& targets) const;
  /// Fails if no session of the targets has the account.
  void check_account(const std::vector<BackupTarget>& targets) const;

  std::string label_;
  std::string type_;
  std::string from_;
  std::string to_;
  std::string account_;
  std::string target_;
  bool verbose_ = false;
  SessionQuery query_;
};

void Query::check(const restante::TimeZone& zone) {
  query_.label = label_;
  query_.account = account_of(account_);
  query_.from = optional_time_of(zone, "--from", from_);
  query_.to = optional_time_of(zone, "--to", to_);
  if (type_ == "full") {
    query_.type = SessionType::full;
  } else if (type_ == "incremental") {
    query_.type = SessionType::incremental;
  } else if (!type_.empty()) {
    fail_usage(fmt::format("--type: '{}' is unknown", printable(type_)), "types are full and incremental");
  }
}

void Query::check_account(const std::vector<BackupTarget>& targets) const {
  SessionQuery any;
  any.account = query_.account;
  for (const BackupTarget& target : targets)
    if (!require(target.sessions(any)).empty()) return;
  (void)require(targets.front().find_account(query_.account));
}

std::vector<Found> Query::find(const std::vector<BackupTarget>& targets) const {
  std::vector<Found> found;
  for (const BackupTarget& target : targets)
    for (SessionInfo& session : require(target.sessions(query_)))
      found.push_back({target.describe(), std::move(session)});
  std::stable_sort(found.begin(), found.end(),
                   [](const Found& a, const Found& b) { return a.session.began > b.session.began; });
  // A label or an account that nobody has is a mistake, other filters may well find nothing. The target knows
  // what is near.
  if (found.empty() && !label_.empty()) (void)require(targets.front().session(label_));
  if (found.empty() && !account_.empty()) check_account(targets);
  return found;
}

Exit Query::run(Program& program) {
  const std::vector<BackupTarget> targets = open_targets(program, target_);
  const std::vector<Found> sessions = find(targets);
  program.answer["sessions"] = Json::array();
  for (const Found& found : sessions) {
    Json session = json_of(found.session);
    session["target"] = json_text(found.target);
    program.answer["sessions"].push_back(std::move(session));
  }

  Console& console = program.console;
  if (sessions.empty()) {
    const bool filtered = !(type_ + from_ + to_ + account_).empty();
    std::string where;
    for (const BackupTarget& target : targets)
      where += (where.empty() ? "" : ", ") + printable(target.describe());
    console.line(fmt::format("No backup session {} {}.", filtered ? "matches in" : "is in", where));
  } else if (verbose_) {
    for (const Found& found : sessions)
      console.text((&found == &sessions.front() ? "" : "\n") +
                   block_of(found, program.zone, targets.size() > 1));
  } else {
    console.text(table_of(sessions, program.zone, targets.size() > 1).text(console.columns()));
  }
  return kDone;
}

}  // namespace

std::unique_ptr<Command> make_query() { return std::make_unique<Query>(); }

}  // namespace cli
