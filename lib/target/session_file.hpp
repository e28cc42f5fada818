#pragma once
// session.xml, status.xml of a running session (the same, with its process and progress) and accounts.xml.
// Specified in docs/format/target.md.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <restante/backup_target.hpp>

#include "os/process.hpp"
#include "target/snapshot_file.hpp"
#include "target/xml_text.hpp"

namespace restante::target {

// What session.xml says: the public part, and where things lie.
struct SessionRecord {
  SessionInfo info;
  // By account id; accounts with `full`.
  std::map<std::string, SnapshotPlace> snapshots;
  std::optional<SnapshotPlace> server_data;
  // Number of ids in content.ids, and its digest.
  std::uint64_t contents = 0;
  Digest contents_digest;
  // While it runs: who runs it. `info.ended` is the time of the heartbeat then.
  std::optional<os::ProcessIdentity> process;
  // While it runs: the lists of unreferenced packs on which it does not rely (content.md, "Removing").
  std::vector<Id128> known_lists;
};

// What an account is called in a session.xml whose texts cannot be opened: a keyed digest of its id, which
// everybody with a key can compute and compare.
[[nodiscard]] std::string closed_name(const crypto::ObjectSealer& sealer, std::string_view account_id);

// `io` if its texts are to be sealed and there is no random source.
[[nodiscard]] Result<Bytes> encode_session(const SessionRecord& record, const XmlPlace& place = {});
// `damaged`, or `unsupported` for a newer format. Whoever may not open its texts gets empty ones, and for the
// ids of accounts their closed names.
[[nodiscard]] Result<SessionRecord> decode_session(ByteView file, std::string_view where,
                                                   const XmlPlace& place = {});

[[nodiscard]] Result<Bytes> encode_accounts(const std::vector<TargetAccount>& accounts,
                                            const XmlPlace& place = {});
[[nodiscard]] Result<std::vector<TargetAccount>> decode_accounts(ByteView file, std::string_view where,
                                                                 const XmlPlace& place = {});

}  // namespace restante::target
