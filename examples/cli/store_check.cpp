#include "store_check.hpp"

#include <fmt/format.h>

#include <set>

#include "progress.hpp"
#include "setup.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::AccountComparison;
using restante::CompareOptions;

Json json_of_comparison(const AccountComparison& account) {
  Json differences = Json::array();
  for (const std::string& difference : account.differences) differences.push_back(json_text(difference));
  return {{"account_id", json_text(account.account_id)},
          {"address", json_text(account.address)},
          {"equal", account.equal},
          {"position", account.position},
          {"transactions", account.transactions},
          {"messages", account.messages},
          {"differences", std::move(differences)},
          {"more", account.more},
          {"failure", json_of(account.failure)}};
}

const std::string& name_of_compared(const AccountComparison& account) {
  return account.address.empty() ? account.account_id : account.address;
}

std::string text_of_comparison(const AccountComparison& account) {
  const std::string name = printable(name_of_compared(account));
  if (!account.failure.ok())
    return fmt::format("{}: not compared: {}\n", name, printable(account.failure.message()));
  if (account.equal)
    return fmt::format("{}: equal at LSN {}: {}, {} behind the full\n", name, account.position,
                       counted(account.messages, "message"), counted(account.transactions, "transaction"));
  std::string out = fmt::format("{}: differs at LSN {}\n", name, account.position);
  for (const std::string& difference : account.differences)
    out += fmt::format("  {}\n", printable(difference));
  if (account.more > 0) out += fmt::format("  and {} more\n", number(account.more));
  return out;
}

// Those that were named, by address or id, as ids.
std::vector<std::string> ids_of(const std::vector<std::string>& names,
                                const std::vector<restante::BackupTarget>& targets,
                                restante::MailSource& source) {
  std::set<std::string> ids;
  std::set<std::string> unknown(names.begin(), names.end());
  const auto look = [&](const std::string& id, const std::string& address) {
    for (const std::string& name : names) {
      if (name != id && name != address) continue;
      ids.insert(id);
      unknown.erase(name);
    }
  };
  for (const restante::BackupTarget& target : targets)
    for (const restante::TargetAccount& account : require(target.accounts()))
      look(account.id, account.address);
  require(source.list_accounts([&](const restante::Account& account) {
    look(account.id, account.address);
    return restante::Status();
  }));
  if (!unknown.empty())
    fail(restante::Status(restante::Code::not_found,
                          fmt::format("no such account: {}", list_of({unknown.begin(), unknown.end()})),
                          "'restante query -v' shows the accounts of each session"));
  return {ids.begin(), ids.end()};
}

}  // namespace

std::vector<std::string> check_against_store(Program& program,
                                             const std::vector<restante::BackupTarget>& targets,
                                             const std::vector<std::string>& accounts) {
  const auto store = open_store(program);
  restante::RedoLog log = open_log(program, "restante verify");
  const auto source = open_scanner(program, "restante verify", *store, log, targets);
  CompareOptions options;
  if (!accounts.empty()) options.accounts = ids_of(accounts, targets, *source);
  const std::vector<AccountComparison> all = require(run_shown(
      program.console, [&](const restante::CancelToken& cancel, const restante::ProgressFunction& progress) {
        options.cancel = cancel;
        options.progress = progress;
        return restante::compare_with_store(targets, &log, *source, options);
      }));
  program.answer["against_store"] = Json::array();
  std::vector<std::string> unequal;
  for (const AccountComparison& account : all) {
    program.answer["against_store"].push_back(json_of_comparison(account));
    program.console.text(text_of_comparison(account));
    if (!account.equal) unequal.push_back(name_of_compared(account));
  }
  return unequal;
}

}  // namespace cli
