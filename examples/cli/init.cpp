// restante init: makes what the other commands need, and nothing twice.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <filesystem>
#include <optional>
#include <system_error>

#include "command.hpp"
#include "setup.hpp"
#include "text.hpp"

namespace cli {
namespace {

namespace fs = std::filesystem;
using restante::BackupTarget;
using restante::Code;
using restante::Continuation;
using restante::Id128;
using restante::RedoLog;
using restante::Status;

void make_directory(const std::string& path) {
  std::error_code error;
  // Mail lies below: nobody else's business.
  if (fs::create_directories(path, error)) fs::permissions(path, fs::perms::owner_all, error);
  if (!error) return;
  fail(Status(error == std::errc::permission_denied ? Code::permission : Code::io,
              fmt::format("cannot make the directory {}: {}", printable(path), error.message())));
}

/// The target at `path`; nothing if one can be made there.
std::optional<BackupTarget> existing_target(const Program& program, const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return std::nullopt;
  if (fs::is_directory(status) && fs::is_empty(path, error) && !error) return std::nullopt;
  if (!fs::is_directory(status))
    fail(Status(Code::already_exists, fmt::format("{} is not a directory", printable(path)),
                "a target is a directory of its own"));
  BackupTarget::Options options;
  options.state_directory = program.config.state;
  options.keys = keys_for(program, path);
  auto target = BackupTarget::open(require(restante::open_local_storage(path)), options);
  if (target.ok()) return std::move(target).value();
  if (target.status().code() == Code::not_found)
    fail(Status(Code::already_exists, fmt::format("{} is not empty and no backup target", printable(path)),
                "name an empty or a new directory in [target]"));
  fail(target.status());
}

std::optional<RedoLog> existing_log(const Program& program) {
  RedoLog::Options options;
  options.holder = "restante init";
  auto log = RedoLog::open(program.config.redo.path, options);
  if (log.ok()) return std::move(log).value();
  if (log.status().code() == Code::not_found) return std::nullopt;
  fail(log.status());
}

/// The id of the server of this name in the sessions of the targets, none if it has none.
Id128 known_server(const Program& program, const std::vector<BackupTarget>& targets) {
  Id128 known;
  for (const BackupTarget& target : targets) {
    for (const restante::SessionInfo& session : require(target.sessions())) {
      if (session.server_name != program.config.server || session.server == known) continue;
      if (!known.is_none())
        fail(
            Status(Code::ambiguous,
                   fmt::format("two servers named '{}' have sessions: {} and {}",
                               printable(session.server_name), known.to_string(), session.server.to_string()),
                   "give this server another name in the configuration"));
      known = session.server;
    }
  }
  return known;
}

/// The newest position of the server's logs in any target (R5).
std::optional<Continuation> newest_position(const std::vector<BackupTarget>& targets, const Id128& server) {
  std::optional<Continuation> newest;
  for (const BackupTarget& target : targets) {
    const std::optional<Continuation> here = require(target.newest_position(server));
    if (here && (!newest || here->parent.lsn > newest->parent.lsn)) newest = here;
  }
  return newest;
}

class Init final : public Command {
 public:
  Manual manual() const override {
    return {"init", "makes state directory, redo log and backup target", "",
            "Makes what the configuration names and is not there yet. What is there is left as it is, so it "
            "may be "
            "called again at any time.\n"
            "A new redo log continues the archived one when a target has sessions of this server, known by "
            "the name "
            "'server' of the configuration: that is how a machine begins that replaces a lost one. Then "
            "'restante "
            "restore -a all' brings the mail back.",
            "restante init"};
  }
  void declare(CLI::App&) override {}
  Exit run(Program& program) override;

 private:
  /// `verb` is "made" or "found", and the field of the document.
  void note(Program& program, const char* verb, const char* what, const std::string& path,
            const std::string& more = {});
  void make_targets(Program& program, std::vector<BackupTarget>& targets,
                    const std::vector<std::string>& missing);
  void make_key_file(Program& program, const std::string& target);
  RedoLog make_log(Program& program, const std::vector<BackupTarget>& targets, const Id128& server);
};

void Init::note(Program& program, const char* verb, const char* what, const std::string& path,
                const std::string& more) {
  program.console.line(fmt::format("{:<6} {:<14}  {}{}", verb, what, printable(path), more));
  program.answer[verb].push_back(Json{{"what", what}, {"path", json_text(path)}});
}

void Init::make_targets(Program& program, std::vector<BackupTarget>& targets,
                        const std::vector<std::string>& missing) {
  for (const std::string& path : missing) {
    make_key_file(program, path);
    make_directory(path);
    BackupTarget::CreateOptions options;
    options.state_directory = program.config.state;
    options.keys = keys_for(program, path);
    targets.push_back(require(BackupTarget::create(require(restante::open_local_storage(path)), options)));
    note(program, "made", "target", path, options.keys.is_none() ? "" : ", encrypted");
  }
}

/// The key file of a target that is about to be made, if it is not there.
void Init::make_key_file(Program& program, const std::string& target) {
  const std::string path = keys_for(program, target).key_file;
  if (path.empty() || fs::exists(path)) return;
  make_directory(fs::path(path).parent_path().string());
  require(restante::create_key_file(path).status());
  note(program, "made", "key file", path, ": keep a copy elsewhere, without it nobody can read the target");
}

RedoLog Init::make_log(Program& program, const std::vector<BackupTarget>& targets, const Id128& server) {
  RedoLog::Options options;
  options.create = true;
  options.holder = "restante init";
  options.server = server.is_none() ? require(Id128::random()) : server;
  options.continues = newest_position(targets, options.server);
  make_directory(fs::path(program.config.redo.path).parent_path().string());
  RedoLog log = require(RedoLog::open(program.config.redo.path, options));
  std::string more;
  if (options.continues) {
    more = fmt::format(", continues the archived log behind sequence {}, LSN {}",
                       options.continues->parent_sequence, options.continues->parent.lsn);
    program.answer["continues"] = json_of(options.continues->parent);
  }
  note(program, "made", "redo log", program.config.redo.path, more);
  return log;
}

Exit Init::run(Program& program) {
  program.answer["server"] = json_text(program.config.server);
  program.answer["server_id"] = nullptr;
  program.answer["continues"] = nullptr;
  program.answer["made"] = Json::array();
  program.answer["found"] = Json::array();

  // First everything is looked at, so that nothing is made when something is in the way.
  const auto store = open_store(program);
  const bool has_state = fs::exists(program.config.state);
  std::optional<RedoLog> log = existing_log(program);
  std::vector<BackupTarget> targets;
  std::vector<std::string> missing;
  std::vector<std::string> present;
  for (const auto& [path, key_file, passphrase_file, authority] : program.config.targets) {
    std::optional<BackupTarget> target = existing_target(program, path);
    (target ? present : missing).push_back(path);
    if (target) targets.push_back(*std::move(target));
  }
  const Id128 server = known_server(program, targets);
  if (log && !server.is_none() && server != log->server())
    fail(Status(Code::diverged,
                fmt::format("another server is named '{}' in the target: {}, this one is {}",
                            printable(program.config.server), server.to_string(), log->server().to_string()),
                "give this server another name in the configuration"));

  note(program, "found", "store", program.config.store.path);
  if (has_state) {
    note(program, "found", "state", program.config.state);
  } else {
    make_directory(program.config.state);
    note(program, "made", "state", program.config.state);
  }
  for (const std::string& path : present) note(program, "found", "target", path);
  make_targets(program, targets, missing);
  if (log) {
    note(program, "found", "redo log", program.config.redo.path);
  } else {
    log = make_log(program, targets, server);
  }
  program.answer["server_id"] = log->server().to_string();
  program.console.line(program.answer["made"].empty() ? "Nothing was to be done." : "Ready.");
  return kDone;
}

}  // namespace

std::unique_ptr<Command> make_init() { return std::make_unique<Init>(); }

}  // namespace cli
