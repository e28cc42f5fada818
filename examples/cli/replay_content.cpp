#include "replay_content.hpp"

#include <fmt/format.h>

namespace cli {
namespace {

using restante::Code;
using restante::ContentReader;
using restante::ContentRef;
using restante::Result;
using restante::Status;

constexpr std::size_t kPieceBytes = 64u << 10;

/// Whether all of it can be read.
Status read_through(const Result<std::unique_ptr<ContentReader>>& reader, const ContentRef& content) {
  if (!reader.ok()) return reader.status();
  restante::Bytes buffer(kPieceBytes);
  std::uint64_t size = 0;
  for (;;) {
    const Result<std::size_t> got = (*reader)->read(buffer);
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    size += *got;
  }
  if (size == content.size) return {};
  return Status(Code::damaged, fmt::format("content {} has {} bytes, not {}", content.digest.to_string(),
                                           size, content.size));
}

}  // namespace

Result<std::unique_ptr<ContentReader>> ReplayContent::open(const ContentRef& content) {
  return in_targets_.contains(content.digest) ? open_in_targets(content) : log_.open_content(content);
}

Result<std::unique_ptr<ContentReader>> ReplayContent::open_in_targets(const ContentRef& content) {
  if (!plan_) {
    restante::RestoreRequest request;
    request.accounts = {account_};
    request.skip_deleted_accounts = true;
    plan_.emplace(restante::RestorePlan::make(targets_, &log_, request, {}));
  }
  if (!plan_->ok()) return plan_->status();
  return (*plan_)->content().open(content);
}

Status ReplayContent::check(const ContentRef& content) {
  const Status logged = read_through(log_.open_content(content), content);
  if (logged.ok()) return {};
  if (!read_through(open_in_targets(content), content).ok()) return logged;
  in_targets_.insert(content.digest);
  return {};
}

}  // namespace cli
