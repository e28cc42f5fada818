#pragma once
// errno -> Status, in one place.

#include <restante/status.hpp>

#include <string>
#include <string_view>

namespace restante::os {

/// What a caller should make of `error`: ENOENT is not_found, EEXIST already_exists, EACCES, EPERM and EROFS
/// permission, ENOSPC, EDQUOT and EFBIG no_space, ENOTSUP and ENOSYS unsupported, EAGAIN, EBUSY and ETXTBSY
/// busy, ENAMETOOLONG invalid_argument, everything else io.
[[nodiscard]] Code code_of_errno(int error) noexcept;

/// "cannot <verb> <path>: <text of error>"; the path is escaped.
[[nodiscard]] Status errno_status(int error, std::string_view verb, std::string_view path);

/// Whether a call failed because what it was asked for is not there.
[[nodiscard]] inline bool is_absent(const Status& status) { return status.code() == Code::not_found; }

/// The path of an open file as the system knows it now, for messages only; "descriptor 7" if it does not.
[[nodiscard]] std::string path_of(int fd);
/// The path of `name` below `dirfd`, for messages only.
[[nodiscard]] std::string path_of(int dirfd, std::string_view name);

}  // namespace restante::os
