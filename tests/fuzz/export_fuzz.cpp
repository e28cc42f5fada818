// An archive of any make, from its container to the mailboxes in it. What is found can be read: every message
// has the bytes that its digest names.

#include <restante/archive.hpp>

#include "archive/mailboxes.hpp"
#include "fuzz.hpp"

using namespace restante;

namespace {

class BytesInput final : public archive::ArchiveInput {
 public:
  BytesInput(ByteView bytes, bool can_seek) : bytes_(bytes), can_seek_(can_seek) {}
  [[nodiscard]] Result<std::size_t> read(MutableByteView buffer) override {
    const std::size_t begin = std::min(at_, bytes_.size());
    const std::size_t size = std::min(buffer.size(), bytes_.size() - begin);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(begin), size, buffer.begin());
    at_ = begin + size;
    return size;
  }
  [[nodiscard]] std::optional<std::uint64_t> size() const override {
    return can_seek_ ? std::optional<std::uint64_t>(bytes_.size()) : std::nullopt;
  }
  void seek(std::uint64_t offset) override { at_ = static_cast<std::size_t>(offset); }

 private:
  ByteView bytes_;
  bool can_seek_;
  std::size_t at_ = 0;
};

void read(ByteView bytes, bool can_seek) {
  constexpr std::uint64_t kLimit = 4u << 20;
  Result<archive::Spool> spool = archive::Spool::open(os::real_io(), "/tmp", kLimit);
  MUST(spool.ok());
  archive::SpoolContents contents(*spool);
  archive::Notes notes;
  BytesInput input(bytes, can_seek);
  const CancelToken cancel;
  const ProgressFunction progress;
  const Result<archive::Entries> entries = archive::read_entries({input, *spool, notes, cancel, progress});
  if (!entries.ok()) return;
  const archive::Interpretation job{*spool, *entries, contents, notes};
  const auto found = entries->find(std::string(archive::kDescriptionName))
                         ? archive::read_own_mailboxes(job)
                         : archive::read_foreign_mailboxes(job);
  if (!found.ok()) return;
  for (const archive::FoundMailbox& mailbox : *found) {
    for (const auto& [key, message] : mailbox.state.messages()) {
      MUST(message.content && mailbox.state.folders().contains(message.folder_id));
      Result<std::unique_ptr<ContentReader>> reader = contents.open(*message.content);
      MUST(reader.ok());
      const Result<Bytes> read = read_all(**reader);
      MUST(read.ok() && content_ref_of(*read) == *message.content);
    }
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read(ByteView(data, size), false);
  read(ByteView(data, size), true);
  return 0;
}
