// The state in the targets against the live mailbox, both at one position of the log.

#include <restante/store_comparison.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "backup/account_backup.hpp"
#include "base/text.hpp"
#include "history/account_state.hpp"

namespace restante {
inline namespace v0 {
namespace {

constexpr std::size_t kMaxDifferences = 20;

// Learns what every content really is, and keeps nothing.
class ContentHasher final : public content::ContentWriter {
 public:
  [[nodiscard]] Result<ContentRef> put(ContentReader& reader, const ContentRef*) override {
    return content_ref_of(reader);
  }
  [[nodiscard]] Result<bool> has(const ContentRef&) override { return false; }
  [[nodiscard]] Status flush() override { return {}; }
  [[nodiscard]] content::WriteStats stats() const override { return {}; }
};

// A source that is not told what was learned of it.
class UntaughtSource final : public MailSource {
 public:
  explicit UntaughtSource(MailSource& source) : source_(source) {}
  [[nodiscard]] FieldSet fields() const override { return source_.fields(); }
  [[nodiscard]] Status list_accounts(const AccountFunction& each) override {
    return source_.list_accounts(each);
  }
  [[nodiscard]] Result<SnapshotInfo> snapshot(std::string_view account_id, OpSink& out) override {
    return source_.snapshot(account_id, out);
  }
  [[nodiscard]] Result<SnapshotInfo> snapshot_state(std::string_view account_id, MailboxState& out) override {
    return source_.snapshot_state(account_id, out);
  }
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(std::string_view account_id,
                                                                    const ContentPlace& place) override {
    return source_.open_content(account_id, place);
  }
  [[nodiscard]] Status barrier(std::string_view account_id) override { return source_.barrier(account_id); }
  [[nodiscard]] bool can_suspend() const override { return source_.can_suspend(); }
  [[nodiscard]] Status suspend(std::string_view account_id) override { return source_.suspend(account_id); }
  [[nodiscard]] Status resume(std::string_view account_id) override { return source_.resume(account_id); }

 private:
  MailSource& source_;
};

class DigestSink final : public OpSink {
 public:
  DigestSink(const DigestKey& key, FieldSet fields) : digester_(key, fields) {}
  [[nodiscard]] Status put(Operation operation) override { return digester_.add(operation); }
  [[nodiscard]] StateDigest digest() const { return digester_.account_digest(); }

 private:
  StateDigester digester_;
};

// What differs, in words.
class DifferenceWords final : public OpSink {
 public:
  DifferenceWords(const std::vector<Operation>& expected, AccountComparison& out) : out_(out) {
    for (const Operation& operation : expected) {
      note_folder(operation);
      if (const auto* put = std::get_if<MessagePut>(&operation))
        for (const Message& message : put->messages) known_.emplace(message.folder_id, message.id);
    }
  }

  [[nodiscard]] Status put(Operation operation) override {
    note_folder(operation);
    if (const auto* messages = std::get_if<MessagePut>(&operation)) {
      for (const Message& message : messages->messages)
        say(base::cat(name_of(message.folder_id), ": message ", base::escape(message.id), " (UID ",
                      message.uid,
                      known_.contains({message.folder_id, message.id}) ? ") is another in the store"
                                                                       : ") is in the store only"));
    } else if (const auto* gone = std::get_if<MessageExpunge>(&operation)) {
      say_each(gone->folder_id, gone->messages, "is in the target only");
    } else if (const auto* flags = std::get_if<FlagsUpdate>(&operation)) {
      say_each(flags->folder_id, flags->messages, "has other flags");
    } else if (const auto* folder = std::get_if<FolderPut>(&operation)) {
      say(base::cat("folder ", name_of(folder->folder.id), " differs"));
    } else if (const auto* deleted = std::get_if<FolderDelete>(&operation)) {
      say(base::cat("folder ", name_of(deleted->folder_id), " is in the target only"));
    } else if (const auto* item = std::get_if<ItemPut>(&operation)) {
      say(base::cat(base::escape(item->item.kind), " ", base::escape(item->item.id), " differs"));
    } else if (const auto* lost = std::get_if<ItemDelete>(&operation)) {
      say(base::cat(base::escape(lost->kind), " ", base::escape(lost->id), " is in the target only"));
    } else {
      say("the account's own record or host operations differ");
    }
    return {};
  }

 private:
  void note_folder(const Operation& operation) {
    if (const auto* put = std::get_if<FolderPut>(&operation)) folders_[put->folder.id] = put->folder.name;
  }
  [[nodiscard]] std::string name_of(const std::string& folder_id) const {
    const auto folder = folders_.find(folder_id);
    return base::escape(folder == folders_.end() ? folder_id : folder->second);
  }
  void say_each(const std::string& folder_id, const MessageSet& messages, std::string_view what) {
    for (const std::string& id : messages.message_ids)
      say(base::cat(name_of(folder_id), ": message ", base::escape(id), " ", what));
    for (const std::uint32_t uid : messages.uids)
      say(base::cat(name_of(folder_id), ": message with UID ", uid, " ", what));
  }
  void say(std::string what) {
    if (out_.differences.size() < kMaxDifferences)
      out_.differences.push_back(std::move(what));
    else
      ++out_.more;
  }

  AccountComparison& out_;
  std::map<std::string, std::string> folders_;
  std::set<std::pair<std::string, std::string>> known_;
};

class Comparer {
 public:
  Comparer(const std::vector<BackupTarget>& targets, RedoLog* log, MailSource& source,
           const CompareOptions& options)
      : targets_(targets), log_(log), source_(source), options_(options) {}

  [[nodiscard]] Result<std::vector<AccountComparison>> run() {
    if (Status s = find_accounts(); !s.ok()) return s;
    std::vector<AccountComparison> all;
    progress_.accounts_total = accounts_.size();
    for (const auto& [id, account] : accounts_) {
      progress_.account_id = id;
      AccountComparison comparison;
      comparison.account_id = id;
      comparison.address = account.address;
      comparison.failure = compare(account, comparison);
      if (comparison.failure.code() == Code::cancelled) return comparison.failure;
      all.push_back(std::move(comparison));
      ++progress_.accounts_done;
    }
    return all;
  }

 private:
  [[nodiscard]] Status find_accounts() {
    const auto add = [&](const Account& account) {
      const auto& wanted = options_.accounts;
      if (wanted.empty() || std::find(wanted.begin(), wanted.end(), account.id) != wanted.end())
        accounts_.insert_or_assign(account.id, account);
    };
    for (const BackupTarget& target : targets_) {
      const Result<std::vector<TargetAccount>> known = target.accounts();
      if (!known.ok()) return known.status();
      for (const TargetAccount& entry : *known) {
        Account account;
        account.id = entry.id;
        account.address = entry.address;
        add(account);
      }
    }
    return source_.list_accounts([&](const Account& account) {
      add(account);
      in_store_.insert(account.id);
      return Status();
    });
  }

  [[nodiscard]] Status tick(std::uint64_t messages, std::uint64_t bytes) {
    progress_.messages_done += messages;
    progress_.bytes_done += bytes;
    if (options_.progress) options_.progress(progress_);
    return options_.cancel.cancelled() ? Status(Code::cancelled, "the comparison was cancelled") : Status();
  }

  [[nodiscard]] Status compare(const Account& account, AccountComparison& out) {
    if (Status s = tick(0, 0); !s.ok()) return s;
    std::optional<backup::AccountSnapshot> live;
    if (in_store_.contains(account.id)) {
      backup::AccountFailure failure;
      const backup::AccountContext context{
          source_, log_, hasher_, options_.settle_deadline,
          [this](std::uint64_t messages, std::uint64_t bytes) { return tick(messages, bytes); }};
      live = backup::read_account(context, account, failure);
      if (!live) return failure.status;
    } else if (log_) {
      // The end of one that is gone must be in the log too.
      if (Status s = source_.barrier(account.id); !s.ok()) return s;
    }
    // Made when the mailbox was read, so that it reaches as far.
    const Result<history::History> history = history::History::make(targets_, log_, log_ == nullptr);
    if (!history.ok()) return history.status();
    history::ResolvedStop stop;
    stop.full_only = log_ == nullptr;
    stop.until = live && log_ ? live->consistent_at : history->empty() ? UINT64_MAX : history->end();
    const Result<history::Full> full = history::choose_full(targets_, *history, stop, account.id, {});
    if (!full.ok()) return full.status();
    const Result<history::AccountState> state = history::replay(*history, *full, stop, false);
    if (!state.ok()) return state.status();
    out.position = log_ ? state->position : 0;
    out.transactions = state->transactions;
    out.fields = full->account->fields & source_.fields();
    return judge(*state, live, out);
  }

  [[nodiscard]] Status judge(const history::AccountState& state,
                             const std::optional<backup::AccountSnapshot>& live,
                             AccountComparison& out) const {
    if (!live || state.deleted) {
      out.equal = !live && state.deleted;
      if (!out.equal)
        out.differences.push_back(live ? "the account is in the store, and deleted in the target"
                                       : "the account is in the target only");
      return {};
    }
    out.messages = live->state.messages().size();
    const DigestKey& key = state.full.target->digest_key();
    DigestSink theirs(key, out.fields);
    if (Status s = history::write_state(state, theirs); !s.ok()) return s;
    DigestSink ours(key, out.fields);
    if (Status s = live->state.write(ours); !s.ok()) return s;
    out.equal = theirs.digest() == ours.digest();
    return out.equal ? Status() : tell_apart(state, *live, theirs.digest(), ours.digest(), out);
  }

  // Counters that are only behind are no difference: nobody has been given what they would name.
  [[nodiscard]] static Status tell_apart(const history::AccountState& state,
                                         const backup::AccountSnapshot& live, const StateDigest& theirs,
                                         const StateDigest& ours, AccountComparison& out) {
    OpVector expected;
    if (Status s = history::write_state(state, expected); !s.ok()) return s;
    OpVector found;
    if (Status s = live.state.write(found); !s.ok()) return s;
    DifferenceWords words(expected.operations, out);
    DifferenceOptions options;
    options.fields = out.fields;
    const Result<DifferenceSummary> summary =
        difference(*stream_of(expected.operations), *stream_of(found.operations), words, options);
    if (!summary.ok()) return summary.status();
    if (!summary->none()) return {};
    StateDigest without_counters = ours;
    constexpr auto kCounters = static_cast<std::size_t>(DigestClass::counters);
    without_counters.classes[kCounters] = theirs.classes[kCounters];
    out.equal = without_counters == theirs;
    if (!out.equal) out.differences.push_back("the state digests differ");
    return {};
  }

  const std::vector<BackupTarget>& targets_;
  RedoLog* log_;
  UntaughtSource source_;
  const CompareOptions& options_;
  ContentHasher hasher_;
  std::map<std::string, Account> accounts_;
  std::set<std::string> in_store_;
  Progress progress_;
};

}  // namespace

Result<std::vector<AccountComparison>> compare_with_store(const std::vector<BackupTarget>& targets,
                                                          RedoLog* log, MailSource& source,
                                                          const CompareOptions& options) {
  if (targets.empty()) return Status(Code::invalid_argument, "there is no target to compare with");
  return Comparer(targets, log, source, options).run();
}

}  // namespace v0
}  // namespace restante
