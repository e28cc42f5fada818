#pragma once
// What BackupTarget holds, for the layers that write sessions and read them back.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <restante/backup_target.hpp>

#include "content/content_store.hpp"
#include "redo/segment_view.hpp"
#include "target/segment_archive.hpp"
#include "target/session_file.hpp"
#include "target/vouchers.hpp"

namespace restante {
inline namespace v0 {

struct BackupTarget::Impl {
  std::shared_ptr<Storage> storage;
  const Clock* clock = nullptr;
  Id128 id;
  DigestKey digest_key;
  int compression_level = 3;
  // `plain_sealer` without keys.
  std::shared_ptr<const crypto::ObjectSealer> sealer;
  std::optional<KeyRing> keys;
  std::unique_ptr<target::SessionVouchers> vouchers;  // with keys
  std::unique_ptr<content::ContentStore> content;

  // Published sessions never change, so each is read once.
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const target::SessionRecord>> published;
  // So do archived segments.
  std::map<std::string, std::shared_ptr<const redo::SegmentView>> archived;
};

// The door for backup, restore and verification.
struct TargetAccess {
  [[nodiscard]] static BackupTarget::Impl& impl(const BackupTarget& target) { return *target.impl_; }
  [[nodiscard]] static BackupTarget make(std::shared_ptr<BackupTarget::Impl> impl) {
    return BackupTarget(std::move(impl));
  }
};

}  // namespace v0

namespace target {

// "sessions/<label>/" and what lies beside.
[[nodiscard]] std::string session_prefix(std::string_view label);
[[nodiscard]] std::string running_prefix(std::string_view label);
[[nodiscard]] std::string staging_prefix(std::string_view label);
inline constexpr std::string_view kSessionFile = "session.xml";
inline constexpr std::string_view kContentIdsFile = "content.ids";
inline constexpr std::string_view kStatusFile = "status.xml";
inline constexpr std::string_view kAbortFile = "abort";
inline constexpr std::string_view kAccountsKey = "accounts.xml";
inline constexpr std::string_view kTargetKey = "target.json";

// Of the session with this label: session.xml when it is published, status.xml, and its snapshots. The places
// name `key`, which must outlive them.
[[nodiscard]] XmlPlace session_place(const BackupTarget::Impl& target, std::string_view key);
[[nodiscard]] XmlPlace status_place(const BackupTarget::Impl& target, std::string_view key);
[[nodiscard]] SnapshotSite snapshot_site(const BackupTarget::Impl& target, std::string_view label);
[[nodiscard]] ArchiveSite archive_site(const BackupTarget::Impl& target);
[[nodiscard]] ArchiveInto archive_into(BackupTarget::Impl& target, content::ContentWriter& content);

using RecordPointer = std::shared_ptr<const SessionRecord>;

// By the time in the label.
[[nodiscard]] bool older(const RecordPointer& a, const RecordPointer& b);
// A published session whose session.xml is damaged or of a newer format.
struct UnreadableSession {
  std::string label;
  Status why;
};
// Published sessions, oldest first. One that cannot be read must not keep anybody from the others: it is left
// out and named in `unreadable`.
[[nodiscard]] Result<std::vector<RecordPointer>> published_sessions(
    BackupTarget::Impl& target, std::vector<UnreadableSession>* unreadable = nullptr);
// Running and interrupted ones, oldest first; told apart by whether their process lives.
[[nodiscard]] Result<std::vector<RecordPointer>> unpublished_sessions(BackupTarget::Impl& target);
// "; session full-… cannot be read" for hints; empty if there is none.
[[nodiscard]] std::string note_of(const std::vector<UnreadableSession>& unreadable);
// One of them; `not_found`, `damaged`, `unsupported`.
[[nodiscard]] Result<RecordPointer> published_session(BackupTarget::Impl& target, std::string_view label);

// accounts.xml made from the published sessions, put if it differs (R13).
[[nodiscard]] Status write_accounts(BackupTarget::Impl& target);
// The same; whether it differed.
[[nodiscard]] Result<bool> rewrite_accounts(BackupTarget::Impl& target);

// Views of all archived segments, in order of incarnation and sequence. Segments that cannot be opened are
// left out and named in `damages` if it is given, else the call fails.
[[nodiscard]] Result<redo::SegmentViews> archived_views(BackupTarget::Impl& target,
                                                        std::vector<TargetDamage>* damages = nullptr);

// Puts content.ids of the session with this label, and notes in `record` what it is. `contents` are SHA-256.
[[nodiscard]] Status put_content_ids(const BackupTarget::Impl& target, const std::set<Digest>& contents,
                                     Publication& publication, SessionRecord& record);
// Publishes the session: in a target with keys, behind a link of its server's chain (docs/format/keys.md).
[[nodiscard]] Status publish_session(BackupTarget::Impl& target, const SessionRecord& record,
                                     Publication& publication);
[[nodiscard]] Result<std::vector<Digest>> read_content_ids(BackupTarget::Impl& target,
                                                           const SessionRecord& record);

}  // namespace target
}  // namespace restante
