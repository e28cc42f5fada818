#pragma once
// The messages' bytes: a file each, named by the digest, so that copies and recipients share it.

#include <restante/redo_log.hpp>

#include <functional>
#include <string>

namespace tinystore {

class Files {
 public:
  explicit Files(std::string directory) : directory_(std::move(directory)) {}

  /// Makes the directory.
  restante::Status prepare();
  /// Sees to it that the file is there, whole and on the disk; it is made from the redo log if it is not.
  restante::Status ensure(const restante::ContentRef& content, const restante::RedoLog& log);
  [[nodiscard]] bool has(const restante::ContentRef& content) const;
  [[nodiscard]] restante::Result<std::string> read(const restante::ContentRef& content) const;
  /// Removes the files that `is_needed` does not want, and what killed processes left half written.
  restante::Status sweep(const std::function<bool(const std::string& digest)>& is_needed);

 private:
  [[nodiscard]] std::string path_of(const restante::ContentRef& content) const;
  restante::Status make(const std::string& path, restante::ContentReader& content);
  restante::Status sync_directory() const;

  std::string directory_;
};

}  // namespace tinystore
