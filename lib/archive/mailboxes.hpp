#pragma once
// From the entries of an archive to mailboxes.

#include <restante/archive.hpp>

#include <string>
#include <vector>

#include "archive/reader.hpp"
#include "archive/records.hpp"

namespace restante::archive {

struct FoundMailbox {
  ArchivedMailbox summary;
  MailboxState state;
  // Which fields of it mean something.
  FieldSet fields;
  // It has UIDs of its own.
  bool has_uids = false;
};

struct Interpretation {
  const Spool& spool;
  const Entries& entries;
  SpoolContents& contents;
  Notes& notes;
};

// An archive that has `kDescriptionName`. Everything is checked (docs/format/archive.md, "Reading").
[[nodiscard]] Result<std::vector<FoundMailbox>> read_own_mailboxes(const Interpretation& job);

// Maildirs and mboxes of any origin.
[[nodiscard]] Result<std::vector<FoundMailbox>> read_foreign_mailboxes(const Interpretation& job);

}  // namespace restante::archive
