#pragma once
// Opens what the configuration names. Every function throws a `Failure` that says what to do next.

#include <restante/backup_target.hpp>
#include <restante/maildir.hpp>
#include <restante/redo_log.hpp>
#include <restante/scanner.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "program.hpp"
#include "stoppable_storage.hpp"

namespace cli {

/// Some more than there are processors, because each account waits for disks now and then; each takes memory.
[[nodiscard]] unsigned accounts_at_a_time();

/// `program` must outlive the store: its warnings go there.
[[nodiscard]] std::unique_ptr<restante::MaildirStore> open_store(Program& program);

/// `purpose` is shown to others that find the log in use: "restante backup".
[[nodiscard]] restante::RedoLog open_log(const Program& program, const char* purpose);

/// With an interruption, signals can end what reads the target; it must outlive the target then.
/// The first line of a file, which must not be empty.
[[nodiscard]] std::string passphrase_in(const std::string& path);
/// What the configuration has for the target at `path`; no key for one that it does not list.
[[nodiscard]] restante::KeyOptions keys_for(const Program& program, const std::string& path);
[[nodiscard]] restante::BackupTarget open_target(const Program& program, const std::string& path,
                                                 const Interruption* interruption = nullptr);
/// All of the configuration, or the one at `path` if it is not empty.
[[nodiscard]] std::vector<restante::BackupTarget> open_targets(const Program& program,
                                                               const std::string& path = {},
                                                               const Interruption* interruption = nullptr);

enum class Baseline {
  /// An account whose known state is lost, and cannot be computed from the targets, fails.
  required,
  /// It is taken as it is: a full of it follows.
  replaced_by_full,
};
/// The store as a source that logs what changed first. `store` and `program` must outlive it.
[[nodiscard]] std::unique_ptr<restante::Scanner> open_scanner(Program& program, const char* purpose,
                                                              restante::MaildirStore& store,
                                                              const restante::RedoLog& log,
                                                              std::vector<restante::BackupTarget> targets,
                                                              Baseline baseline = Baseline::required);

/// Whether every target could be asked, and has no session of the account.
[[nodiscard]] bool is_in_no_target(const std::vector<restante::BackupTarget>& targets,
                                   std::string_view account);

/// Whether a restore or an import into one of these accounts began and has not ended.
[[nodiscard]] bool is_restore_unfinished(const restante::RedoLog& log,
                                         const std::vector<std::string>& account_ids);

/// Fails if the store has no account although some were known: then it is more likely not mounted than that
/// all have gone. `hint` says what else can be done.
void refuse_lost_store(
    Program& program, restante::Scanner& scanner, const std::vector<restante::BackupTarget>& targets,
    const char* hint = "mount it, or say --allow-empty if all accounts were really removed");

/// The failure with this hint in place of its own.
[[nodiscard]] restante::Status with_hint(const restante::Status& status, const std::string& hint);
/// The failure with what this program offers against it.
[[nodiscard]] restante::Status with_program_hint(const restante::Status& status);

}  // namespace cli
