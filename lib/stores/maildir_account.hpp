#pragma once
// Finds the directories of accounts. Everything below the fixed part of the pattern is opened relative to a
// descriptor, and links are not followed (R9).

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <restante/model.hpp>
#include <restante/status.hpp>

#include "os/io.hpp"
#include "stores/maildir_attributes.hpp"
#include "stores/maildir_pattern.hpp"

namespace restante::stores {

using AccountWarning = std::function<void(std::string_view account_id, std::string_view warning)>;

struct AccountDir {
  std::string id;
  os::Fd parent;
  std::string name;
  os::Fd fd;
  os::FileInfo info;
};

class AccountFinder {
 public:
  AccountFinder(os::Io& io, AccountPattern pattern, AccountWarning warn)
      : io_(io), pattern_(std::move(pattern)), warn_(std::move(warn)) {}

  /// `not_found` if the fixed part of the path is not there.
  [[nodiscard]] Status check_root() const;
  /// A directory that no account's address leads to, and why: it may hold mail that nothing else would tell
  /// of. It is listed as an account of its own, whose id `open` answers with the reason.
  struct Stray {
    std::string id;
    Status why;
  };
  /// The directories of all mailboxes, by address: the components of their paths.
  using Mailboxes = std::vector<std::pair<std::string, std::vector<std::string>>>;
  struct Found {
    Mailboxes mailboxes;
    std::vector<Stray> strays;
  };
  [[nodiscard]] Result<Found> find_all() const { return find_all(nullptr); }
  /// `visit` is given every directory on the way, the mailboxes not included: a mailbox may appear in it.
  using VisitFunction = std::function<Status(int dirfd)>;
  [[nodiscard]] Result<Found> find_all(const VisitFunction& visit) const;
  [[nodiscard]] Result<AccountDir> open(std::string_view account_id) const;
  /// Opens the directory by the pattern whether or not it holds a mailbox yet; makes it, and its parents,
  /// with mode 0700 if `create`.
  [[nodiscard]] Result<AccountDir> open_place(std::string_view account_id, bool create) const;
  /// `invalid_argument` if no path can hold the address.
  [[nodiscard]] Status check_address(std::string_view address) const;
  /// Whether the directory has cur/, new/ or tmp/, or cannot be looked into.
  [[nodiscard]] bool is_mailbox(int dirfd) const;

 private:
  Status find_below(int dirfd, std::size_t depth, const AddressParts& parts, std::vector<std::string>& path,
                    const VisitFunction& visit, Found& found) const;
  void add_mailbox(const AddressParts& parts, const std::vector<std::string>& path, Found& found) const;
  void keep_one_of_each(Found& found) const;
  Status why_stray(std::string_view id) const;
  Result<os::Fd> make_directory(int parent_fd, const std::string& name) const;
  Status own_as_parent(int parent_fd, const std::string& name) const;
  Result<AccountDir> open_path(std::string_view id, const std::vector<std::string>& path, bool create) const;

  os::Io& io_;
  AccountPattern pattern_;
  AccountWarning warn_;
};

}  // namespace restante::stores
