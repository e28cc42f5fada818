#include "archive/import_archive.hpp"

#include <fcntl.h>

#include "base/text.hpp"

namespace restante {
namespace {

class FileInput final : public archive::ArchiveInput {
 public:
  FileInput(os::Fd fd, std::uint64_t size) : fd_(std::move(fd)), size_(size) {}
  [[nodiscard]] Result<std::size_t> read(MutableByteView buffer) override {
    const Result<std::size_t> got = os::real_io().pread(fd_.get(), buffer, at_);
    if (got.ok()) at_ += *got;
    return got;
  }
  [[nodiscard]] std::optional<std::uint64_t> size() const override { return size_; }
  void seek(std::uint64_t offset) override { at_ = offset; }

 private:
  os::Fd fd_;
  std::uint64_t size_;
  std::uint64_t at_ = 0;
};

class StreamInput final : public archive::ArchiveInput {
 public:
  explicit StreamInput(ContentReader& stream) : stream_(stream) {}
  [[nodiscard]] Result<std::size_t> read(MutableByteView buffer) override { return stream_.read(buffer); }

 private:
  ContentReader& stream_;
};

}  // namespace

inline namespace v0 {

ImportArchive::ImportArchive(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
ImportArchive::ImportArchive(ImportArchive&&) noexcept = default;
ImportArchive& ImportArchive::operator=(ImportArchive&&) noexcept = default;
ImportArchive::~ImportArchive() = default;

struct ImportArchive::Reading {
  [[nodiscard]] static Result<ImportArchive> read(archive::ArchiveInput& input, const Options& options,
                                                  const CancelToken& cancel,
                                                  const ProgressFunction& progress) {
    Result<archive::Spool> spool =
        archive::Spool::open(os::real_io(), options.scratch_directory, options.max_bytes);
    if (!spool.ok()) return spool.status();
    auto impl = std::make_unique<Impl>(*std::move(spool));
    archive::Notes notes;
    const Result<archive::Entries> entries =
        archive::read_entries({input, impl->spool, notes, cancel, progress});
    if (!entries.ok()) return entries.status();
    const archive::Interpretation job{impl->spool, *entries, impl->contents, notes};
    const bool is_own = entries->find(std::string(archive::kDescriptionName)) != nullptr;
    Result<std::vector<archive::FoundMailbox>> found =
        is_own ? archive::read_own_mailboxes(job) : archive::read_foreign_mailboxes(job);
    if (!found.ok()) return found.status();
    for (const std::string& name : entries->twice)
      notes.add(base::cat("there twice, of which the later counts: ", base::escape(name)));
    impl->found = *std::move(found);
    for (const archive::FoundMailbox& mailbox : impl->found) impl->summaries.push_back(mailbox.summary);
    impl->notes = notes.take();
    return ImportArchive(std::move(impl));
  }
};

Result<ImportArchive> ImportArchive::read(const std::string& path, const Options& options,
                                          const CancelToken& cancel, const ProgressFunction& progress) {
  os::Io& io = os::real_io();
  Result<os::Fd> fd = io.open_at(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);
  if (!fd.ok()) return fd.status();
  const Result<os::FileInfo> info = io.fstat(fd->get());
  if (!info.ok()) return info.status();
  if (info->type != os::FileType::regular)
    return Status(Code::invalid_argument, base::cat(base::escape(path), " is no file"));
  FileInput input(std::move(*fd), info->size);
  return Reading::read(input, options, cancel, progress);
}

Result<ImportArchive> ImportArchive::read(ContentReader& stream, const Options& options,
                                          const CancelToken& cancel, const ProgressFunction& progress) {
  StreamInput input(stream);
  return Reading::read(input, options, cancel, progress);
}

const std::vector<ArchivedMailbox>& ImportArchive::mailboxes() const noexcept { return impl_->summaries; }
const std::vector<std::string>& ImportArchive::notes() const noexcept { return impl_->notes; }

Result<MailboxState> ImportArchive::state(std::string_view name) const {
  for (const archive::FoundMailbox& mailbox : impl_->found)
    if (mailbox.summary.name == name) return mailbox.state;
  return Status(Code::not_found, base::cat("the archive has no mailbox ", base::escape(name)));
}

ContentOpener& ImportArchive::content() const noexcept { return impl_->contents; }

}  // namespace v0
}  // namespace restante
