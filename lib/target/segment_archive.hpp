#pragma once
// Redo log segments in their archived form: the same records, LSNs, times and index, compressed, with the
// content moved into the content store (R10). Specified in docs/format/target.md, "Archived segments".

#include <functional>
#include <memory>
#include <string>

#include <restante/storage.hpp>

#include "content/content_store.hpp"
#include "crypto/sealer.hpp"
#include "redo/segment_view.hpp"

namespace restante::target {

// "redologs/<log>.<incarnation>/redo-<seq>.log"
[[nodiscard]] std::string segment_key(const Id128& log, const Id128& incarnation, std::uint64_t sequence);
[[nodiscard]] std::string segment_key(const redo::SegmentHeader& header);

// Whose archived segments are, and who seals and signs them.
struct ArchiveSite {
  Id128 target;
  const crypto::ObjectSealer& sealer = crypto::plain_sealer();
};

struct ArchiveInto {
  Storage& storage;
  content::ContentWriter& content;
  ArchiveSite site;
  int compression_level;
  // Called for content that the log names and cannot give (`why`: damaged or not_found). Success: the segment
  // is archived all the same, and the callee has stored the content or told somebody of the loss. Without it
  // the segment is not archived.
  std::function<Status(std::string_view account_id, const ContentRef& content, const Status& why)>
      unreadable{};
  // There is one that cannot be read: it is replaced, unless what is left of it shows other records.
  bool replace = false;
};

// Stores the complete segment `view`; content whose last piece is in it goes into the content store first
// and is flushed before the segment is put, so that no archived segment names content that is not there.
// Success too if it is archived already; `diverged` if another one is (R5).
[[nodiscard]] Status archive_segment(const redo::SegmentView& view, const redo::SegmentViews& all,
                                     const ArchiveInto& into);

// Opens an archived segment. `damaged`, also if nobody who may has signed it; `unsupported`, `not_found`.
// Whoever may not open its records gets a view of its header and its end, and `permission` for the rest.
[[nodiscard]] Result<std::shared_ptr<const redo::SegmentView>> open_archived_segment(
    std::shared_ptr<Storage> storage, std::string key, const ArchiveSite& site);

// Whether an archived segment is the same as one of the log, by its ends and its last record:
// `diverged` if it is not (R5).
[[nodiscard]] Status check_same_segment(const redo::SegmentView& of_log, const redo::SegmentView& archived,
                                        std::string_view key);
// The same by all records, of one whose records may not be opened.
[[nodiscard]] Status check_same_records(const redo::SegmentView& of_log, const redo::SegmentView& archived,
                                        const crypto::ObjectSealer& sealer, std::string_view key);

// Accounts that records of the segment name. Reads every record, content apart: `damaged` if one cannot be.
[[nodiscard]] Result<std::vector<std::string>> accounts_in(const redo::SegmentView& view);

// Every content that the segment holds (its last pieces), for verification and references.
[[nodiscard]] Result<std::vector<ContentRef>> archived_contents(const redo::SegmentView& view);

// In a target with keys: the ids of all contents that the segment holds or names, for whoever may open
// references and not records.
[[nodiscard]] Result<std::vector<Digest>> archived_content_ids(const redo::SegmentView& view,
                                                               const crypto::ObjectSealer& sealer);

}  // namespace restante::target
