#include "plan_text.hpp"

#include <fmt/format.h>

#include "names.hpp"
#include "table.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::AccountPlan;
using restante::DifferenceCounts;
using restante::DifferenceSummary;
using restante::FolderDifference;
using restante::RestoreStep;

/// "sequence 2", "sequences 2-4".
std::string sequences_of(std::uint64_t first, std::uint64_t last) {
  return first == last ? fmt::format("sequence {}", first) : fmt::format("sequences {}-{}", first, last);
}

/// "full-…; archived redo log sequences 2-4; live redo log sequence 5".
std::string steps_of(const AccountPlan& plan) {
  std::string out;
  for (std::size_t i = 0; i < plan.steps.size();) {
    const RestoreStep& step = plan.steps[i];
    std::size_t next = i + 1;
    while (next < plan.steps.size() && step.what != RestoreStep::What::full &&
           plan.steps[next].what == step.what && plan.steps[next].incarnation == step.incarnation)
      ++next;
    if (!out.empty()) out += "; ";
    if (step.what == RestoreStep::What::full) {
      out += printable(step.label);
    } else {
      out += fmt::format("{} redo log {}",
                         step.what == RestoreStep::What::archived_segment ? "archived" : "live",
                         sequences_of(step.sequence, plan.steps[next - 1].sequence));
    }
    i = next;
  }
  return out;
}

std::string position_of(const AccountPlan& plan, const restante::TimeZone& zone) {
  std::string out = fmt::format("LSN {}", plan.position.lsn);
  if (plan.effective_time) out += fmt::format(", {}", zone.format(*plan.effective_time));
  out += fmt::format("; {} replayed", counted(plan.transactions_replayed, "transaction"));
  if (plan.rolled_forward > 0) out += fmt::format(", {} of them completed", number(plan.rolled_forward));
  return out;
}

std::string title_of(const AccountPlan& plan) {
  std::string out = printable(plan.address.empty() ? plan.account_id : plan.address);
  if (plan.into_id != plan.account_id) out += fmt::format(" into {}", printable(plan.into_address));
  if (plan.creates_account) out += " (a new account)";
  return out + "\n";
}

std::string folder_name(const FolderDifference& folder) {
  std::string out = printable(folder.path);
  if (!folder.old_path.empty()) out += fmt::format(" (now {})", printable(folder.old_path));
  return out;
}

std::string folder_state(const FolderDifference& folder) {
  return folder.created              ? "comes"
         : folder.deleted            ? "goes"
         : folder.properties_changed ? "changes"
         : folder.counters_changed   ? "counters"
                                     : "";
}

/// An empty cell reads better than a column of zeros.
std::string count_cell(std::uint64_t count) { return count == 0 ? "-" : number(count); }

std::string warnings_of(const AccountPlan& plan) {
  std::string out;
  for (const std::string& warning : plan.warnings) out += plan_field("warning", printable(warning));
  return out;
}

}  // namespace

std::string plan_field(std::string_view name, const std::string& value) {
  return fmt::format("  {:<10}{}\n", name, value);
}

std::string changes_of(const DifferenceSummary& difference, std::uint64_t bytes_to_write) {
  if (difference.none()) return "nothing: the mailbox is in that state";
  const std::string folders = counted(difference.folders.size(), "folder");
  std::string out = difference.messages.none()
                        ? fmt::format("no message; properties or counters of {}", folders)
                        : fmt::format("messages: {}, in {}", summary_of(difference.messages), folders);
  if (!difference.items.none()) out += fmt::format("; other items: {}", summary_of(difference.items));
  if (difference.account_changed) out += "; the account's own record";
  return out + fmt::format("; {} to write", byte_size(bytes_to_write));
}

std::string summary_of(const DifferenceCounts& counts) {
  std::string out;
  const auto add = [&](std::uint64_t count, std::string_view what) {
    if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", number(count), what);
  };
  add(counts.added, "added");
  add(counts.removed, "removed");
  add(counts.flags_changed, "with other flags");
  add(counts.changed, "changed");
  return out.empty() ? "no change" : out;
}

std::string folder_table(const DifferenceSummary& difference, std::size_t columns, std::size_t indent) {
  Table table({{"FOLDER"},
               {"ADDED", Table::Align::right},
               {"REMOVED", Table::Align::right},
               {"FLAGS", Table::Align::right},
               {"CHANGED", Table::Align::right},
               {"SAME", Table::Align::right},
               {"FOLDER ITSELF"}});
  for (const FolderDifference& folder : difference.folders) {
    const DifferenceCounts& counts = folder.messages;
    table.add({folder_name(folder), count_cell(counts.added), count_cell(counts.removed),
               count_cell(counts.flags_changed), count_cell(counts.changed), count_cell(counts.unchanged),
               folder_state(folder)});
  }
  return table.empty() ? std::string() : table.text(columns, indent);
}

std::string text_of(const AccountPlan& plan, const restante::TimeZone& zone, std::size_t columns) {
  std::string out = title_of(plan);
  if (!plan.failure.ok()) {
    out += plan_field("cannot", printable(plan.failure.message()));
    if (!plan.failure.hint().empty()) out += plan_field("hint", printable(plan.failure.hint()));
    return out;
  }
  if (plan.deleted_at_stop)
    return out + plan_field("state", "the account did not exist then") + warnings_of(plan);
  out += plan_field("from", steps_of(plan));
  out += plan_field("state at", position_of(plan, zone));
  out += plan_field("holds", fmt::format("{}, {}", counted(plan.messages, "message"), byte_size(plan.bytes)));
  out += plan_field("identity", plan.identity_reason.empty() ? std::string(name_of(plan.identity))
                                                             : fmt::format("{}: {}", name_of(plan.identity),
                                                                           printable(plan.identity_reason)));
  if (plan.continuity == restante::Continuity::reset)
    out += plan_field("", "clients must fetch the mailbox anew");
  out += plan_field("changes", changes_of(plan.difference, plan.bytes_to_write));
  out += folder_table(plan.difference, columns, 12);
  if (plan.difference.host_operations_left > 0)
    out += plan_field("warning", fmt::format("{} of the server cannot be taken back",
                                             counted(plan.difference.host_operations_left, "operation")));
  return out + warnings_of(plan);
}

std::string text_of(const restante::AccountReport& report, const std::string& address) {
  std::string out = fmt::format("{}: ", printable(address));
  const bool changed = report.created + report.changed + report.removed + report.kept > 0;
  if (!report.status.ok()) {
    out += printable(report.status.message());
    out += changed ? "; " : "\n";
  }
  if (report.status.ok() || changed)
    out += fmt::format("{} created, {} changed, {} removed, {} kept\n", counted(report.created, "object"),
                       number(report.changed), number(report.removed), number(report.kept));
  for (const std::string& refused : report.refused) out += fmt::format("  refused: {}\n", printable(refused));
  if (report.logged_at > 1)
    out += fmt::format("  to undo it: restante restore -a {} --to-lsn {}\n", shell_word(address),
                       report.logged_at - 1);
  return out;
}

}  // namespace cli
