#include "restore/contents.hpp"

#include "base/limits.hpp"
#include "base/text.hpp"
#include "target/target_impl.hpp"

namespace restante::restore {

Result<std::unique_ptr<ContentReader>> Contents::open(const ContentRef& content) {
  Status failure(Code::not_found,
                 base::cat("content ", content.digest.to_string(), " is in none of the targets"));
  for (const BackupTarget& target : targets_) {
    Result<std::unique_ptr<ContentReader>> reader = TargetAccess::impl(target).content->open(content);
    if (reader.ok()) return reader;
    if (reader.status().code() != Code::not_found) failure = reader.status();
  }
  if (log_) {
    Result<std::unique_ptr<ContentReader>> reader = log_->open_content(content);
    if (reader.ok()) return reader;
  }
  return failure;
}

Result<Contents::Place> Contents::place_of(const ContentRef& content) const {
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    const Result<std::optional<content::ReadPlace>> place =
        TargetAccess::impl(targets_[i]).content->place_of(content);
    if (!place.ok()) return place.status();
    if (*place) return Place(i, **place);
  }
  return Place(targets_.size(), {});
}

void Contents::expect_much() const {
  for (const BackupTarget& target : targets_)
    TargetAccess::impl(target).content->keep_frames(base::kRestoreFrameBytes / targets_.size());
}

Result<bool> Contents::has(const ContentRef& content) {
  for (const BackupTarget& target : targets_) {
    Result<bool> has = TargetAccess::impl(target).content->has(content);
    if (!has.ok() || *has) return has;
  }
  return log_ && log_->open_content(content).ok();
}

Status Contents::check(const ContentRef& content) {
  Result<std::unique_ptr<ContentReader>> reader = open(content);
  if (!reader.ok()) return reader.status();
  Bytes buffer(base::kReadStepBytes);
  std::uint64_t size = 0;
  for (;;) {
    const Result<std::size_t> got = (*reader)->read(buffer);
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    size += *got;
  }
  if (size == content.size) return {};
  return Status(Code::damaged, base::cat("content ", content.digest.to_string(), " has ", size,
                                         " bytes, not ", content.size));
}

}  // namespace restante::restore
