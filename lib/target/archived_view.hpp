#pragma once
// An archived segment that is read: a view as the log's own segments have.

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <restante/storage.hpp>

#include "target/archive_format.hpp"

namespace restante::target {

// An archived segment; its frames are read when they are needed.
class ArchivedView final : public redo::SegmentView, public std::enable_shared_from_this<ArchivedView> {
 public:
  // Without `opener` its records are closed, and all that is known is in the header and `vouch`.
  ArchivedView(std::shared_ptr<Storage> storage, std::string key, Bytes header_bytes,
               redo::SegmentHeader header, ArchiveIndex index, std::unique_ptr<crypto::BlockOpener> opener,
               const ArchiveVouch& vouch);

  [[nodiscard]] const redo::SegmentHeader& header() const noexcept override { return header_; }
  [[nodiscard]] Lsn last_lsn() const noexcept override;
  [[nodiscard]] bool is_complete() const noexcept override { return true; }
  [[nodiscard]] SegmentInfo info() const override { return index_.info; }
  [[nodiscard]] Result<std::unique_ptr<redo::RecordStream>> records(
      const redo::RecordFilter& filter) const override;
  [[nodiscard]] Result<redo::Record> record(Lsn lsn, std::uint64_t offset) const override;
  [[nodiscard]] Result<std::optional<redo::ContentPlace>> find_content(
      const ContentRef& content) const override;
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(
      const ContentRef& content, const redo::SegmentViews& all) const override;
  [[nodiscard]] Result<std::vector<redo::HeldStretch>> held_stretches() const override { return index_.held; }

  [[nodiscard]] const ArchiveIndex& index() const noexcept { return index_; }
  [[nodiscard]] const ArchiveVouch& vouch() const noexcept { return vouch_; }
  // `permission` if its records are closed.
  [[nodiscard]] Status check_open() const;
  // The ids of the contents that it holds or names; `permission` for whoever may not open references.
  [[nodiscard]] Result<std::vector<Digest>> read_ids(const crypto::ObjectSealer& sealer) const;
  // The records of one frame.
  [[nodiscard]] Result<std::vector<redo::Record>> read_frame(std::size_t number) const;

 private:
  [[nodiscard]] Result<std::vector<redo::Record>> decode_records(ByteView raw) const;

  std::shared_ptr<Storage> storage_;
  std::string key_;
  Bytes header_bytes_;
  redo::SegmentHeader header_;
  ArchiveIndex index_;
  mutable std::mutex mutex_;  // of `opener_`
  std::unique_ptr<crypto::BlockOpener> opener_;
  ArchiveVouch vouch_;
};

}  // namespace restante::target
