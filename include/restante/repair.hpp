#pragma once
/// \file
/// Mending a target whose objects were damaged, and saying what cannot be mended.
///
///     RepairOptions options;
///     options.from = {second_target};
///     options.source = &store;
///     for (const LostContent& lost : repair(target, options)->lost) show(lost.address, lost.folder,
///     lost.uid);
///
/// **Threads.** Any; the target may be in use. **What a crash leaves** is content that was written again and
/// damaged packs that are still there; the next call ends the work.

#include <string>
#include <utility>
#include <vector>

#include <restante/backup_target.hpp>
#include <restante/mail_source.hpp>

namespace restante {
inline namespace v0 {

struct RepairOptions {
  /// Other targets that may have what is lost here.
  std::vector<BackupTarget> from{};
  /// The live store, which may have it still. Must outlive the call; may be null.
  MailSource* source = nullptr;
  /// The log of the server, whose records may refer to content of this target (R4). Must outlive the call;
  /// may be null, but then a restore that no session has archived yet may lose what it refers to.
  const RedoLog* log = nullptr;
  /// Writes nothing and answers the same, but for `pending` and the packs that would go.
  bool dry_run = false;
  CancelToken cancel{};
  ProgressFunction progress{};
};

/// A message or an item whose content a damaged pack has cost, in one session or archived segment.
struct LostContent {
  std::string account_id{};
  std::string address{};
  /// Label of the session, or key of the archived segment.
  std::string place{};
  /// Path of the folder; in a segment its id. Empty for an item without one.
  std::string folder{};
  /// Of a message; 0 if it has none.
  std::uint32_t uid = 0;
  std::string message_id{};
  /// Of an item.
  std::string item_kind{};
  std::string item_id{};
  /// What had the content: "store", or a target; empty: nobody has it.
  std::string repaired_from{};
};

struct Repair {
  /// Contents that sessions and segments name and that lay in damaged packs: readable there and written
  /// again, taken from the store, taken from another target.
  std::uint64_t moved = 0;
  std::uint64_t from_store = 0;
  std::uint64_t from_targets = 0;
  /// Archived segments that another target had whole.
  std::uint64_t segments = 0;
  /// Damaged packs that were removed, since nothing needs them any more, and their bytes.
  std::uint64_t packs = 0;
  std::uint64_t bytes = 0;
  std::vector<LostContent> repaired{};
  /// In the order of sessions, then of segments.
  std::vector<LostContent> lost{};
  /// What is damaged besides content and cannot be mended here: descriptions of sessions, snapshots,
  /// segments.
  std::vector<TargetDamage> damages{};
  /// Why damaged packs are still there; empty: none is.
  std::string pending{};
};

/// Reads the whole target, and writes again every content that a session or an archived segment names and
/// that is not where it can be relied upon: from the damaged packs as far as they can be read, from `source`,
/// from `from`. What comes from elsewhere is taken only if it is, byte for byte, what was lost. Then packs
/// that were damaged go, unless something that may need them cannot be read or is lost, or a session runs.
///
/// Snapshots and session.xml are not mended; what their damage costs is in `damages`.
[[nodiscard]] Result<Repair> repair(BackupTarget& target, const RepairOptions& options);

}  // namespace v0
}  // namespace restante
