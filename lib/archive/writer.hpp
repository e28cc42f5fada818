#pragma once
// Writes an archive, entry by entry. The same entries give the same bytes.

#include <restante/archive.hpp>

#include <memory>
#include <string>

namespace restante::archive {

class ArchiveWriter {
 public:
  // `out` must outlive the writer. `unsupported` if the system's libarchive lacks the compression.
  [[nodiscard]] static Result<std::unique_ptr<ArchiveWriter>> open(ArchiveFormat format,
                                                                   int compression_level,
                                                                   const ArchiveOutput& out);
  ~ArchiveWriter();
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;

  // Times are seconds since 1970.
  [[nodiscard]] Status directory(const std::string& name, std::int64_t time);
  [[nodiscard]] Status begin_file(const std::string& name, std::uint64_t size, std::int64_t time);
  [[nodiscard]] Status write(ByteView bytes);
  // `damaged` unless exactly the announced bytes were written.
  [[nodiscard]] Status end_file();
  [[nodiscard]] Status file(const std::string& name, ByteView bytes, std::int64_t time);
  // The archive's end; nothing may follow.
  [[nodiscard]] Status close();
  // So far.
  [[nodiscard]] std::uint64_t bytes_out() const noexcept;

 private:
  struct Impl;
  explicit ArchiveWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace restante::archive
