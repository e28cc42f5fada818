#pragma once
/// \file
/// What a mail store implements to be restored into.
///
/// A restore hands a store operations, within one transaction an account. The store performs them like an
/// administrator would want it to (R16): it sends no mail, runs no filter, ignores quota, does not feed the
/// redo log, syncs in batches, and answers for each object what became of it.
///
/// **Threads.** One transaction is used by one thread at a time, `stage` apart, which several may call at
/// once; transactions on different accounts may run at once. **Failures.** `apply` fails only when the whole
/// account cannot go on; a single object that the store cannot hold is `refused` with a reason. After
/// `abort`, or without `commit`, the store is as before if `SinkTraits::atomic`, else as far as the
/// operations went; the caller knows, and says so.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <restante/content.hpp>
#include <restante/operation.hpp>

namespace restante {
inline namespace v0 {

/// What a restore does with UIDs (R3; RFC 9051 §2.3.1.1).
enum class Identity {
  /// Everything as recorded. Only into an empty account.
  exact,
  /// UIDVALIDITY stays, messages that are there keep their UIDs, returning ones get new UIDs.
  keep,
  /// Recorded UIDs under a new and greater UIDVALIDITY.
  renew,
};

/// What clients of the account will see.
enum class Continuity {
  /// The mailbox goes on: cached UIDs stay true.
  continued,
  /// Caches are void: indexes are to be rebuilt, other sessions to be ended.
  reset,
};

struct SinkTraits {
  FieldSet fields{};
  /// `abort` undoes everything.
  bool atomic = false;
  /// Nobody sees what a transaction did before `commit`: until then `abort` takes everything back. And
  /// content may be handed over before the operations that need it (`SinkTransaction::stage`). A restore into
  /// such a store reads content once; else it reads everything beforehand too, to know that it can be read.
  bool stages = false;
  /// Which identities the store can give; a plan asks for no other.
  bool can_exact = true;
  bool can_keep = true;
  bool can_renew = true;
  /// Attributes of messages that say how this store keeps them: on a message that is there they stay as they
  /// are, and a plan does not count them as a difference.
  std::vector<std::string> own_attributes{};
};

struct SinkBegin {
  Identity identity = Identity::keep;
  Continuity continuity = Continuity::continued;
  /// The account does not exist in the store and is to be made; the first operation is its AccountPut.
  bool create_account = false;
  /// Mail may arrive while the transaction runs, and stays: every message that shall go is named by a
  /// MessageExpunge before, and a folder that a FolderDelete finds others in is not removed but refused, or
  /// stays with a warning if they came later.
  bool keep_unnamed = false;
};

enum class Outcome { created, changed, removed, kept, refused };

/// What became of one element of an operation.
struct ElementOutcome {
  /// Index into MessagePut::messages; 0 for other operations.
  std::uint32_t element = 0;
  Outcome outcome = Outcome::kept;
  /// What the store assigned, where it differs from the operation; 0 and empty otherwise.
  std::uint32_t uidvalidity = 0;
  std::uint32_t uid = 0;
  std::uint64_t modseq = 0;
  std::string id{};
  /// Why it was refused.
  std::string reason{};
};

class SinkTransaction {
 public:
  virtual ~SinkTransaction() = default;
  /// Performs one operation and appends an outcome for each element to `outcomes`. Content that the
  /// operation names is opened through `content`; a store may know that it has the content already.
  [[nodiscard]] virtual Status apply(const Operation& operation, ContentOpener& content,
                                     std::vector<ElementOutcome>& outcomes) = 0;
  /// Only if `SinkTraits::stages`: takes the content of a message or an item of an operation that is still to
  /// come and puts it aside, where nobody sees it. `apply` finds it by the folder and the id; what it does
  /// not need goes with the end of the transaction. `content` is at its beginning. A failure, be it of the
  /// content or of the store, ends the restore of the account: nothing has been changed.
  [[nodiscard]] virtual Status stage(const Message& /*message*/, ContentReader& /*content*/) {
    return Status(Code::unsupported, "this store puts no content aside");
  }
  [[nodiscard]] virtual Status stage(const Item& /*item*/, ContentReader& /*content*/) {
    return Status(Code::unsupported, "this store puts no content aside");
  }
  /// Durable when it returns.
  [[nodiscard]] virtual Status commit() = 0;
  virtual void abort() = 0;
};

class MailSink {
 public:
  virtual ~MailSink() = default;
  [[nodiscard]] virtual SinkTraits traits() const = 0;
  /// The id of the account with this address, `not_found` if there is none.
  [[nodiscard]] virtual Result<std::string> find_account(std::string_view address) = 0;
  /// The id that an account made under `address` will have; `unsupported` if the store cannot make accounts.
  [[nodiscard]] virtual Result<std::string> new_account_id(std::string_view address) = 0;
  /// `busy` if the account cannot be changed now, `not_found` if it does not exist and is not to be made.
  [[nodiscard]] virtual Result<std::unique_ptr<SinkTransaction>> begin(std::string_view account_id,
                                                                       const SinkBegin& begin) = 0;
};

}  // namespace v0
}  // namespace restante
