#pragma once
// Adds the mail of an archive to an account as it is.

#include <restante/mail_source.hpp>
#include <restante/mailbox_state.hpp>

#include <string>
#include <vector>

namespace restante::archive {

struct MergeJob {
  const MailboxState& archived;
  const MailboxState& live;
  // Below this folder; empty: where it was.
  const std::string& below;
  const std::string& account_id;
  // Reads messages that the live state tells no digest of.
  MailSource* source;
};

struct MergeReport {
  std::uint64_t present = 0;
  std::uint64_t items_left = 0;
  std::vector<std::string> warnings;
};

// `wanted` is the live state, and gets what comes. Folders are found by their paths, messages by folder,
// bytes and date.
[[nodiscard]] Result<MergeReport> merge(const MergeJob& job, MailboxState& wanted);

}  // namespace restante::archive
