#pragma once
// What the watcher and tests of the Maildir store need beyond its public face.

#include <restante/maildir.hpp>

#include "os/io.hpp"
#include "stores/maildir_account.hpp"

namespace restante {
inline namespace v0 {

struct MaildirInternals {
  /// As `MaildirStore::open`, with every file call through `io`, which must outlive the store.
  [[nodiscard]] static Result<std::unique_ptr<MaildirStore>> open(const MaildirStore::Options& options,
                                                                  os::Io& io);
  [[nodiscard]] static os::Io& io(MaildirStore& store);
  [[nodiscard]] static const stores::AccountFinder& accounts(MaildirStore& store);
  [[nodiscard]] static const stores::AccountWarning& warning(MaildirStore& store);
  /// Nothing of the account is kept open.
  static void close_account(MaildirStore& store, const std::string& account_id);
};

}  // namespace v0
}  // namespace restante
