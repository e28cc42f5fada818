// What a redo log says, for a comparison with the store that fed it.
//
//     log-state DIRECTORY
//
// prints, out of the log alone, `put ACCOUNT FOLDER UID ID LSN` for every message put in the order of
// commits, `open ACCOUNT LSN` for every transaction that has not ended, and at the end the mailboxes that the
// log makes: `is ACCOUNT FOLDER UID FLAGS SIZE DIGEST ID`, FLAGS as a number.

#include <restante/mailbox_state.hpp>
#include <restante/redo_log.hpp>

#include <cstdio>
#include <map>

namespace {

using namespace restante;

using States = std::map<std::string, MailboxState>;

int fail(const Status& status) {
  std::fprintf(stderr, "log-state: %s\n", status.to_string().c_str());
  return 1;
}

void print_puts(const LoggedTransaction& transaction) {
  for (const Operation& operation : transaction.operations) {
    const auto* put = std::get_if<MessagePut>(&operation);
    if (put == nullptr) continue;
    for (const Message& message : put->messages) {
      std::printf("put %s %s %u %s %llu\n", transaction.account_id.c_str(), message.folder_id.c_str(),
                  message.uid, message.id.c_str(), static_cast<unsigned long long>(transaction.commit_lsn));
    }
  }
}

Status read_all(const RedoLog& log, States& states) {
  const auto cursor = log.read({.after = 0, .until = log.end(), .account_id = {}});
  if (!cursor.ok()) return cursor.status();
  LoggedTransaction transaction;
  for (;;) {
    const Result<bool> more = (*cursor)->next(transaction);
    if (!more.ok()) return more.status();
    if (!*more) return {};
    print_puts(transaction);
    for (const Operation& operation : transaction.operations) {
      if (Status applied = states[transaction.account_id].apply(operation); !applied.ok()) return applied;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const Result<RedoLog> log = RedoLog::open(argv[1], {});
  if (!log.ok()) return fail(log.status());
  States states;
  if (Status read = read_all(*log, states); !read.ok()) return fail(read);
  for (const RedoLog::Unfinished& open : log->unfinished()) {
    std::printf("open %s %llu\n", open.account_id.c_str(), static_cast<unsigned long long>(open.begin_lsn));
  }
  for (const auto& [account, state] : states) {
    for (const auto& [key, message] : state.messages()) {
      const ContentRef content = message.content.value_or(ContentRef{});
      std::printf("is %s %s %u %u %llu %s %s\n", account.c_str(), message.folder_id.c_str(), message.uid,
                  message.flags, static_cast<unsigned long long>(content.size),
                  content.digest.to_string().c_str(), message.id.c_str());
    }
  }
  return 0;
}
