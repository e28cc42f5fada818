#include "backup/account_backup.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"

namespace restante::backup {
namespace {

// A snapshot that overlapped an aborted transaction is read again; a host that aborts all the time must not
// keep the session for ever.
constexpr int kMaxAttempts = 10;

// Tells a source that cannot be read from a target that cannot be written.
class SourceReader final : public ContentReader {
 public:
  using Pace = std::function<Status(std::size_t)>;
  SourceReader(std::unique_ptr<ContentReader> reader, const Pace& pace)
      : reader_(std::move(reader)), pace_(pace) {}
  [[nodiscard]] Result<std::size_t> read(MutableByteView buffer) override {
    Result<std::size_t> size = reader_->read(buffer);
    failed_ = failed_ || !size.ok();
    if (pace_ && size.ok() && *size > 0) {
      if (Status s = pace_(*size); !s.ok()) return s;
    }
    return size;
  }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  std::unique_ptr<ContentReader> reader_;
  const Pace& pace_;
  bool failed_ = false;
};

// Puts a mailbox back into active mode whatever happens (seed: "Returns that account's mailbox to active
// mode").
class Suspension {
 public:
  Suspension(MailSource& source, std::string_view account_id) : source_(source), account_id_(account_id) {}
  ~Suspension() {
    if (active_) static_cast<void>(source_.resume(account_id_));
  }
  Suspension(const Suspension&) = delete;
  Suspension& operator=(const Suspension&) = delete;
  [[nodiscard]] Status begin() {
    Status s = source_.suspend(account_id_);
    active_ = s.ok();
    return s;
  }
  [[nodiscard]] Status end() {
    active_ = false;
    return source_.resume(account_id_);
  }

 private:
  MailSource& source_;
  std::string account_id_;
  bool active_ = false;
};

class AccountReader {
 public:
  AccountReader(const AccountContext& context, const Account& account, AccountFailure& failure)
      : context_(context), account_(account), failure_(failure) {}

  [[nodiscard]] std::optional<AccountSnapshot> run() {
    for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
      again_.clear();
      std::optional<AccountSnapshot> snapshot = context_.log ? read_with_log() : read_without_log();
      if (snapshot || again_.empty()) return snapshot;
    }
    return fail(Status(Code::busy, base::cat("not consistent after ", kMaxAttempts, " attempts: ", again_)));
  }

 private:
  std::nullopt_t fail(Status status, bool of_target = false) {
    failure_ = {std::move(status), of_target};
    return std::nullopt;
  }
  std::nullopt_t try_again(std::string why) {
    again_ = std::move(why);
    return std::nullopt;
  }

  [[nodiscard]] std::optional<AccountSnapshot> read_without_log() {
    AccountSnapshot snapshot;
    Suspension suspension(context_.source, account_.id);
    if (context_.source.can_suspend()) {
      if (Status s = suspension.begin(); !s.ok()) return fail(s);
    }
    Result<SnapshotInfo> info = read_listing(snapshot.state);
    if (!info.ok()) return fail(info.status());
    std::set<std::string> missing;
    if (!store_contents(snapshot.state, missing)) return std::nullopt;
    if (!missing.empty()) return fail(missing_status(missing));
    if (context_.source.can_suspend()) {
      if (Status s = suspension.end(); !s.ok()) return fail(s);
    }
    return snapshot;
  }

  // The order of these steps is what R1 rests on.
  [[nodiscard]] std::optional<AccountSnapshot> read_with_log() {
    RedoLog& log = *context_.log;
    AccountSnapshot snapshot;
    // A transaction that is open at S was either seen by oldest_open, or began behind `before`.
    const Lsn before = log.end();
    const std::optional<Lsn> open = log.oldest_open(account_.id);
    snapshot.snapshot_at = log.end();
    snapshot.redo_start = std::min(open.value_or(before + 1), before + 1);

    Result<SnapshotInfo> info = read_listing(snapshot.state);
    if (!info.ok()) return fail(info.status());
    const bool exact = info->as_of.has_value();
    if (exact) snapshot.snapshot_at = *info->as_of;
    std::set<std::string> missing;
    if (!store_contents(snapshot.state, missing)) return std::nullopt;
    if (exact && missing.empty()) {
      snapshot.consistent_at = snapshot.snapshot_at;
      return snapshot;
    }

    if (Status s = context_.source.barrier(account_.id); !s.ok()) return fail(s);
    if (Status s = log.wait_for_open(account_.id, context_.settle_deadline); !s.ok())
      return fail(s.with_context("transactions of the account do not end"));
    snapshot.consistent_at = std::max(log.end(), snapshot.snapshot_at);
    if (!exact) {
      const Result<bool> aborted = log.aborted_since(account_.id, snapshot.snapshot_at);
      if (!aborted.ok()) return fail(aborted.status());
      if (*aborted) return try_again("a transaction was aborted while the account was read");
    }
    bool changed = false;
    if (!replay(snapshot, changed)) return std::nullopt;
    if (!changed && missing.empty()) return snapshot;
    return check(snapshot);
  }

  [[nodiscard]] Result<SnapshotInfo> read_listing(MailboxState& state) {
    Result<SnapshotInfo> info = context_.source.snapshot_state(account_.id, state);
    if (!info.ok() || state.account()) return info;
    // A source may leave out what it told when it listed its accounts.
    if (Status s = state.apply(AccountPut{account_}); !s.ok()) return s;
    return info;
  }

  // Applies what was logged while the account was read; the session holds the result, so that a full is
  // complete alone.
  [[nodiscard]] bool replay(AccountSnapshot& snapshot, bool& changed) {
    if (Status s = context_.log->sync(); !s.ok()) return fail(s), false;
    ReadRange range;
    range.after = snapshot.snapshot_at;
    range.until = snapshot.consistent_at;
    range.account_id = account_.id;
    Result<std::unique_ptr<TransactionCursor>> cursor = context_.log->read(range);
    if (!cursor.ok()) return fail(cursor.status()), false;
    LoggedTransaction transaction;
    for (;;) {
      const Result<bool> more = (*cursor)->next(transaction);
      if (!more.ok()) return fail(more.status()), false;
      if (!*more) return true;
      changed = true;
      snapshot.redo_start = std::min(snapshot.redo_start, transaction.begin_lsn);
      for (const Operation& operation : transaction.operations)
        if (Status s = snapshot.state.apply(operation); !s.ok()) return fail(s), false;
    }
  }

  // Content that could not be opened is no error if and only if its message is gone at `consistent_at`.
  [[nodiscard]] std::optional<AccountSnapshot> check(AccountSnapshot& snapshot) {
    counted_ = true;
    std::set<std::string> missing;
    if (!store_contents(snapshot.state, missing)) return std::nullopt;
    if (missing.empty()) return std::move(snapshot);
    // What was expunged behind `consistent_at` has no content any more, but a later state does without it.
    if (context_.log->end() > snapshot.consistent_at) return try_again(missing_status(missing).message());
    return fail(missing_status(missing));
  }

  [[nodiscard]] static Status missing_status(const std::set<std::string>& missing) {
    return Status(Code::not_found,
                  base::cat("the content of ", missing.size(),
                            " of its objects is not there, for "
                            "example of ",
                            *missing.begin()),
                  "files may have been removed behind the server's back; scan the account and try again");
  }

  // Stores what the state names and fills in the ids of content that the snapshot did not know.
  [[nodiscard]] bool store_contents(MailboxState& state, std::set<std::string>& missing) {
    std::vector<Message> learned;
    for (const auto& [key, message] : state.messages()) {
      ContentPlace place{message.folder_id, message.id, message.uid, {}, {}, message.content};
      std::optional<ContentRef> stored;
      if (!store_content(place, stored)) return false;
      if (!stored) {
        missing.insert(base::cat("message ", base::escape(message.id)));
      } else if (stored != message.content) {
        learned.push_back(message);
        learned.back().content = stored;
      }
    }
    std::vector<Item> learned_items;
    for (const auto& [key, item] : state.items()) {
      ContentPlace place{{}, {}, 0, item.kind, item.id, item.content};
      std::optional<ContentRef> stored;
      bool has_content = true;
      if (!store_content(place, stored, &has_content)) return false;
      if (!has_content) continue;
      if (!stored) {
        missing.insert(base::cat(base::escape(item.kind), " ", base::escape(item.id)));
      } else if (stored != item.content) {
        learned_items.push_back(item);
        learned_items.back().content = stored;
      }
    }
    if (!learned.empty()) static_cast<void>(context_.source.note_contents(account_.id, learned));
    for (Message& message : learned)
      if (Status s = state.apply(MessagePut{{std::move(message)}}); !s.ok()) return fail(s), false;
    for (Item& item : learned_items)
      if (Status s = state.apply(ItemPut{std::move(item)}); !s.ok()) return fail(s), false;
    return true;
  }

  // False after a failure; `stored` stays empty if the content is nowhere any more.
  [[nodiscard]] bool store_content(const ContentPlace& place, std::optional<ContentRef>& stored,
                                   bool* has_content = nullptr) {
    if (place.content) {
      const Result<bool> known = context_.content.has(*place.content);
      if (!known.ok()) return fail(known.status(), true), false;
      if (*known) {
        stored = place.content;
        return tick(place, 0);
      }
    }
    Result<std::unique_ptr<ContentReader>> reader = context_.source.open_content(account_.id, place);
    if (reader.status().code() == Code::unsupported && has_content && !place.content) {
      *has_content = false;
      return tick(place, 0);
    }
    if (reader.status().code() == Code::not_found && context_.log && place.content)
      reader = context_.log->open_content(*place.content);
    if (reader.status().code() == Code::not_found) return true;
    if (!reader.ok()) return fail(reader.status().with_context(describe(place))), false;
    return put(place, *std::move(reader), stored);
  }

  [[nodiscard]] bool put(const ContentPlace& place, std::unique_ptr<ContentReader> from,
                         std::optional<ContentRef>& stored) {
    SourceReader reader(std::move(from), context_.pace);
    const Result<ContentRef> content =
        context_.content.put(reader, place.content ? &*place.content : nullptr);
    if (!content.ok()) {
      const bool of_source = reader.failed() || content.status().code() == Code::damaged;
      return fail(content.status().with_context(describe(place)), !of_source), false;
    }
    stored = *content;
    return tick(place, content->size);
  }

  [[nodiscard]] bool tick(const ContentPlace& place, std::uint64_t bytes) {
    const std::uint64_t messages = place.item_kind.empty() && !counted_ ? 1 : 0;
    if (Status s = context_.tick(messages, bytes); !s.ok()) return fail(s), false;
    return true;
  }

  [[nodiscard]] static std::string describe(const ContentPlace& place) {
    if (place.item_kind.empty()) return base::cat("message ", base::escape(place.message_id));
    return base::cat(base::escape(place.item_kind), " ", base::escape(place.item_id));
  }

  const AccountContext& context_;
  const Account& account_;
  AccountFailure& failure_;
  // Why the account is to be read once more; empty if it is not.
  std::string again_;
  // Messages were counted as progress in an earlier pass.
  bool counted_ = false;
};

}  // namespace

std::optional<AccountSnapshot> read_account(const AccountContext& context, const Account& account,
                                            AccountFailure& failure) {
  return AccountReader(context, account, failure).run();
}

}  // namespace restante::backup
