#pragma once
/// \file
/// Mailboxes as ordinary archives: tar, tar.zst or zip, with Maildirs or mboxes inside that every mail
/// program reads, and a few lines of JSON beside them, with which restante brings them back exactly.
///
///     ExportRequest request;
///     request.accounts = {"alice@example.com"};
///     request.stop.time = parse_time("2026/07/12 15:30:00", zone).value();
///     ExportReport report = *export_archive({target}, &log, request, "/srv/alice.tar.zst");
///
///     auto archive = ImportArchive::read("/srv/alice.tar.zst", {.scratch_directory = "/var/tmp"});
///     auto plan = ImportPlan::make(*archive, &log, {}, {.source = &scanner, .sink = &store});
///     show(plan->mailboxes());                     // what comes, what is there already, what is left
///     RestoreReport done = *plan->execute();
///
/// The bytes of every message come back as they were, in both layouts. What an archive holds besides mail
/// (flags, keywords, UIDs, dates, items such as Sieve scripts) is specified in docs/format/archive.md; an
/// archive of the same state is the same bytes. Export needs backup targets, import a live store; neither
/// needs the other, and archives that somebody else made of Maildirs or mboxes can be imported too.
///
/// **Threads.** One thread at a time for one call or object. **Memory.** Contents are streamed; the state of
/// one account (export) or of the archive (import) without contents is held.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <restante/restore_plan.hpp>
#include <restante/runtime.hpp>
#include <restante/state_digest.hpp>

namespace restante {
inline namespace v0 {

enum class ArchiveFormat { tar_zst, tar, zip };

/// How mail lies in an archive.
enum class ArchiveLayout {
  /// Maildir++: a file a message, flags in its name, keywords in dovecot-keywords, the date as file time.
  maildir,
  /// A file a folder in the variant "mboxrd": lines that begin with any number of '>' and "From " get one
  /// more '>'. Flags are in the JSON only, because a message's bytes stay as they are.
  mbox,
};

struct ExportRequest {
  /// Ids or addresses; all in the targets that existed at the stop if empty.
  std::vector<std::string> accounts{};
  RestoreStop stop{};
  /// From this session's full instead of the newest one that fits.
  std::string label{};
  /// Only this folder of each account, as its path with "/" between names; all if empty. The folders above it
  /// are told of, without their mail, and of the items only its own.
  std::string folder{};
  /// With `folder`: those below it too.
  bool subfolders = true;
  ArchiveFormat format = ArchiveFormat::tar_zst;
  ArchiveLayout layout = ArchiveLayout::maildir;
  /// Of zstd, 1 to 19.
  int compression_level = 3;
};

struct ExportedAccount {
  std::string account_id{};
  std::string address{};
  /// The directory that it has in the archive.
  std::string directory{};
  /// The state is that of this log position.
  LogPosition position{};
  std::optional<Time> effective_time{};
  std::uint64_t folders = 0;
  std::uint64_t messages = 0;
  std::uint64_t items = 0;
  /// Of messages and items.
  std::uint64_t bytes = 0;
  /// Of all that was exported, with a key of 32 zero bytes.
  StateDigest digest{};
  std::vector<std::string> warnings{};
};

struct ExportReport {
  std::vector<ExportedAccount> accounts{};
  /// Asked for, and not there at the stop.
  std::vector<std::string> absent{};
  /// Of the archive.
  std::uint64_t archive_bytes = 0;
};

/// Takes an archive as it comes. A failure ends the export, and is its answer.
using ArchiveOutput = std::function<Status(ByteView bytes)>;

/// Writes the archive to `out`. Fails as a whole: for an account that cannot be computed, content that is
/// missing or not what its digest says (`damaged`, named), an unknown account or folder (`not_found`),
/// `cancelled`. What `out` got is then no archive: it lacks its end, and an import refuses it.
/// `log` may be null (what the targets hold only).
[[nodiscard]] Result<ExportReport> export_archive(std::vector<BackupTarget> targets, RedoLog* log,
                                                  const ExportRequest& request, const ArchiveOutput& out,
                                                  const CancelToken& cancel = {},
                                                  const ProgressFunction& progress = {});

/// The same into a file: under a temporary name beside it, synced, then renamed into place. After a failure
/// nothing is left; after a crash at most ".restante-tmp-…". `already_exists` if `path` is there and
/// `replace` is false; `no_space` on a full disk.
[[nodiscard]] Result<ExportReport> export_archive(std::vector<BackupTarget> targets, RedoLog* log,
                                                  const ExportRequest& request, const std::string& path,
                                                  bool replace = false, const CancelToken& cancel = {},
                                                  const ProgressFunction& progress = {});

/// One mailbox of an archive.
struct ArchivedMailbox {
  /// Of an archive by restante: the account's address, else its id. Of another: the directory that the
  /// Maildir lies in, "." for the top and for all mboxes together.
  std::string name{};
  /// Empty if the archive tells none.
  std::string address{};
  /// What it was taken for: "restante", "Maildir", "mbox".
  std::string kind{};
  std::uint64_t folders = 0;
  std::uint64_t messages = 0;
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
};

/// An archive that has been read to its end and checked. Its contents lie in a scratch file without a name,
/// which goes with this object.
class ImportArchive {
 public:
  struct Options {
    /// Where there is room for everything in the archive, decompressed.
    std::string scratch_directory{};
    /// `no_space` for what decompresses to more.
    std::uint64_t max_bytes = UINT64_MAX;
  };

  /// Reads tar (any of its variants) and zip, the tar also compressed by zstd, gzip, bzip2 or xz. Nothing is
  /// unpacked under its own name. In an archive by restante everything is checked against its JSON: an
  /// account that is cut off, an entry that is missing, and bytes with another digest are `damaged`. In
  /// others, what is no mail, links, and names that lead elsewhere are passed over and told in `notes`.
  /// `invalid_argument` if there is no mail in it.
  [[nodiscard]] static Result<ImportArchive> read(const std::string& path, const Options& options,
                                                  const CancelToken& cancel = {},
                                                  const ProgressFunction& progress = {});
  /// The same from a stream, for example a pipe.
  [[nodiscard]] static Result<ImportArchive> read(ContentReader& stream, const Options& options,
                                                  const CancelToken& cancel = {},
                                                  const ProgressFunction& progress = {});

  ImportArchive(ImportArchive&&) noexcept;
  ImportArchive& operator=(ImportArchive&&) noexcept;
  ~ImportArchive();

  [[nodiscard]] const std::vector<ArchivedMailbox>& mailboxes() const noexcept;
  /// What was passed over, and why; one line each, the first hundred and how many more.
  [[nodiscard]] const std::vector<std::string>& notes() const noexcept;
  /// `not_found` for a name that `mailboxes` does not give.
  [[nodiscard]] Result<MailboxState> state(std::string_view name) const;
  /// Lives as long as this object.
  [[nodiscard]] ContentOpener& content() const noexcept;

 private:
  friend class ImportPlan;
  struct Reading;
  struct Impl;
  explicit ImportArchive(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

struct ImportRequest {
  /// Names or addresses of mailboxes of the archive; all if empty.
  std::vector<std::string> mailboxes{};
  /// Into the account with this address; only for one mailbox, and needed if the archive tells no address.
  std::string into{};
  /// Below this folder, as a path with "/" between names: "Imported" makes "Imported/INBOX" and so on.
  /// Folders are then copies: they lose special uses and attributes, and items stay behind.
  std::string folder{};
  /// keep: mail is added to what is there, with new UIDs. exact, renew: only into an empty account, with the
  /// UIDs of the archive. Empty: what R3 gives, keep for archives without UIDs.
  std::optional<Identity> identity{};
  bool continue_on_error = false;
  Origin origin{.client = "restante import"};
};

/// What will happen to one account. `difference` is that of the live store, as in a restore.
struct ImportedMailbox {
  AccountPlan plan{};
  /// Messages whose folder has the same bytes with the same date (to the second) already; they stay as they
  /// are, and no copy is made.
  std::uint64_t present = 0;
  /// Items that the account has otherwise already: they stay.
  std::uint64_t items_left = 0;
};

/// An import, first as a value that tells everything it will do, then done.
///
/// An import adds and never removes: folders are found by their paths, messages by folder, bytes and date, so
/// the same import again does nothing. It is one logged transaction an account, with its contents in the log,
/// so that later sessions have them; a restore to the position before it takes it back.
///
/// **What a crash leaves** during `execute` is an account in doubt, as after a crashed restore: the same
/// import again finishes it, `roll_back_unfinished` takes it back.
class ImportPlan {
 public:
  /// Changes nothing. Fails for what concerns all: a mailbox that the archive has not (`not_found`), no
  /// address to import into (`invalid_argument`). What concerns one account is in its `plan.failure`.
  /// `archive` must outlive the plan. `log` may be null for a store without one.
  [[nodiscard]] static Result<ImportPlan> make(ImportArchive& archive, RedoLog* log,
                                               const ImportRequest& request, const RestoreInto& into);

  ImportPlan(ImportPlan&&) noexcept;
  ImportPlan& operator=(ImportPlan&&) noexcept;
  ~ImportPlan();

  [[nodiscard]] const std::vector<ImportedMailbox>& mailboxes() const noexcept;

  /// Does it. The live account is read again: mail that came or went meanwhile changes what is done, and the
  /// report tells; an account that has appeared or vanished is `busy`.
  [[nodiscard]] Result<RestoreReport> execute(const CancelToken& cancel = {},
                                              const ProgressFunction& progress = {});

 private:
  struct Impl;
  explicit ImportPlan(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace v0
}  // namespace restante
