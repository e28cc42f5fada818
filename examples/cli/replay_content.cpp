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

}  // namespace

Result<std::unique_ptr<ContentReader>> ReplayContent::open(const ContentRef& content) {
  auto logged = log_.open_content(content);
  if (logged.ok() || logged.status().code() != Code::not_found) return logged;
  if (!plan_) {
    restante::RestoreRequest request;
    request.accounts = {account_};
    request.skip_deleted_accounts = true;
    plan_.emplace(restante::RestorePlan::make(targets_, &log_, request, {}));
  }
  return plan_->ok() ? (*plan_)->content().open(content) : std::move(logged);
}

Status ReplayContent::check(const ContentRef& content) {
  const auto reader = open(content);
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

}  // namespace cli
