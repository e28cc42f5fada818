#include "redo/seal.hpp"

#include <unistd.h>

#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "os/file.hpp"

namespace restante::redo {
namespace {

constexpr std::size_t kHashStep = 1u << 20;

}  // namespace

Result<Digest> sealed_digest(FileWindow& window, std::uint64_t end, ByteView index,
                             const SegmentFooter& footer) {
  crypto::Sha256 sha256;
  for (std::uint64_t offset = 0; offset < end;) {
    const Result<ByteView> bytes = window.at(offset, kHashStep);
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) {
      return Status(Code::damaged, base::cat("segment ", footer.sequence, " is shorter than its records"));
    }
    sha256.update(*bytes);
    offset += bytes->size();
  }
  sha256.update(index);
  sha256.update(footer_prefix(footer));
  return sha256.finish();
}

Result<Seal> seal_segment(os::Io& io, int fd, const SegmentHeader& header, std::uint64_t end, Lsn last_lsn,
                          const IndexBuilder& builder) {
  Seal seal;
  const Bytes index = builder.encode(end, header.first_lsn, last_lsn, seal.footer);
  // The window wants an owner of the descriptor; the caller stays it.
  const auto borrowed = std::shared_ptr<const os::Fd>(new os::Fd(fd), [](const os::Fd* held) {
    (void)const_cast<os::Fd*>(held)->release();
    delete held;
  });
  FileWindow window(io, borrowed, end, kHashStep);
  const Result<Digest> digest = sealed_digest(window, end, index, seal.footer);
  if (!digest.ok()) return digest.status();
  seal.footer.sha256 = *digest;
  Result<std::vector<Section>> sections = decode_sections(index);
  if (!sections.ok()) return sections.status();
  seal.sections = std::move(*sections);

  const Bytes footer = encode_footer(seal.footer);
  const std::uint64_t footer_at = end + index.size();
  if (Status written = os::write_all_at(io, fd, index, end); !written.ok()) return written;
  // The footer vouches for the index, so a crash must not leave it alone.
  if (Status synced = io.fdatasync(fd); !synced.ok()) return synced;
  if (Status written = os::write_all_at(io, fd, footer, footer_at); !written.ok()) return written;
  if (Status cut = io.truncate(fd, footer_at + footer.size()); !cut.ok()) return cut;
  if (Status synced = io.fsync(fd); !synced.ok()) return synced;
  return seal;
}

Result<IndexBuilder> build_index(const SegmentFile& file, const SegmentHeader& header, std::uint64_t end,
                                 Lsn last_lsn) {
  Result<std::shared_ptr<const os::Fd>> fd = file.open();
  if (!fd.ok()) return fd.status();
  RecordScan::Bounds bounds;
  bounds.begin = header.place(header.records_begin());
  bounds.first_lsn = header.first_lsn;
  bounds.end = end;
  bounds.last_lsn = last_lsn;
  RecordScan scan(file.io(), std::move(*fd), bounds);
  IndexBuilder builder(header.sequence);
  Record record;
  for (;;) {
    const Result<ScanStep> step = scan.next(record);
    if (!step.ok()) return step.status();
    if (*step == ScanStep::end) return builder;
    if (*step == ScanStep::gap) {
      builder.add_gap(scan.gap());
    } else if (Status added = builder.add(record); !added.ok()) {
      // The bytes are what was written; only their meaning is not known. It is found by LSN and account.
      builder.add(record.head, record.offset, record.account_id(), std::nullopt, header.sequence);
    }
  }
}

}  // namespace restante::redo
