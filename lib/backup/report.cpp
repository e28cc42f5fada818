#include <restante/schedule.hpp>

#include "base/text.hpp"

namespace restante {
inline namespace v0 {

Report Report::of(const SessionInfo& session, const TimeZone& zone) {
  std::size_t completed = 0;
  std::string failures;
  for (const SessionAccount& account : session.accounts) {
    if (account.status == AccountStatus::completed) {
      ++completed;
      continue;
    }
    failures += base::cat(
        "  ", base::escape(account.address), ": ",
        account.error.empty() ? std::string(name_of(account.status)) : base::escape(account.error), "\n");
  }
  const bool success = session.status == SessionStatus::completed;
  Report report;
  report.subject =
      base::cat("restante: ", name_of(session.type), " backup of ", base::escape(session.server_name), " ",
                success                                    ? "succeeded"
                : session.status == SessionStatus::partial ? "succeeded in part"
                                                           : "failed",
                " (", session.label, ")");
  report.body = base::cat("Label:                   ", session.label, "\n",
                          "Status:                  ", name_of(session.status), "\n",
                          "Started:                 ", zone.format(session.began), "\n",
                          "Ended:                   ", zone.format(session.ended), "\n",
                          "Accounts backed up:      ", completed, " of ", session.accounts.size(), "\n");
  report.body += "Redo log sequence range: ";
  report.body += session.first_sequence == 0
                     ? "none\n"
                     : base::cat(session.first_sequence, "-", session.last_sequence, "\n");
  if (!session.error.empty()) report.body += base::cat("\nError: ", base::escape(session.error), "\n");
  if (!failures.empty()) report.body += base::cat("\nNot backed up:\n", failures);
  return report;
}

}  // namespace v0
}  // namespace restante
