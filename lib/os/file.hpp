#pragma once
// What the library does with files, in terms of `Io`.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include "os/io.hpp"

namespace restante::os {

/// Files under construction begin with this. What a crash leaves behind has such a name and may be removed
/// by whoever owns the directory.
inline constexpr std::string_view kTemporaryPrefix = ".restante-tmp-";
/// `kTemporaryPrefix` and 16 random hexadecimal digits.
[[nodiscard]] Result<std::string> temporary_name();

/// Fills `buffer`; `damaged` when the file ends before.
[[nodiscard]] Status read_exactly_at(Io& io, int fd, MutableByteView buffer, std::uint64_t offset);
/// Writes all of `bytes`, in as many calls as it takes; `io` when a call makes no progress.
[[nodiscard]] Status write_all_at(Io& io, int fd, ByteView bytes, std::uint64_t offset);

/// Writes the bytes from `begin` to `end` once more: the next sync is about them again, and fails if they
/// cannot be written, even if somebody was told of that before. `damaged` when the file ends before.
[[nodiscard]] Status write_again(Io& io, int fd, std::uint64_t begin, std::uint64_t end);

/// The whole file. `no_space` past `limit` bytes, `invalid_argument` for what is not a regular file; a link
/// as the last part is not followed, and a fifo in its place does not block.
[[nodiscard]] Result<Bytes> read_file(Io& io, int dirfd, const std::string& name, std::uint64_t limit);

enum class Replace { yes, no };
/// Makes `name` hold `bytes`: a temporary file in the same directory, write, fsync, close, rename, fsync of
/// the directory. After success the file is durable; after a failure or a crash the name holds what it held
/// before, or the new bytes whole. With `Replace::no` a taken name is `already_exists`.
/// `mode` is exact, the umask does not apply.
[[nodiscard]] Status publish_file(Io& io, int dirfd, const std::string& name, ByteView bytes, mode_t mode,
                                  Replace replace = Replace::yes);

/// A directory that the operator named: links are followed.
[[nodiscard]] Result<Fd> open_dir(Io& io, const std::string& path);
/// A directory whose name came from elsewhere: a link as the last part is `io`.
[[nodiscard]] Result<Fd> open_dir_at(Io& io, int dirfd, const std::string& name);
/// Opens the directory `path` below `dirfd` and makes what is missing of it. Every directory that it made is
/// durable, because its parent was synced.
[[nodiscard]] Result<Fd> make_dirs(Io& io, int dirfd, std::string_view path, mode_t mode);
/// Removes `name` with everything below it; links are removed, never followed. `not_found` when the name is
/// absent; what others remove meanwhile is no error. Not atomic: a failure leaves the rest.
[[nodiscard]] Status remove_tree_at(Io& io, int dirfd, const std::string& name);

/// Zeros into the first `bytes` of a file.
[[nodiscard]] Status write_zeros(Io& io, int fd, std::uint64_t bytes);
/// Blocks for the first `bytes` of a file. Where the file system cannot allocate, zeros are written: later
/// writes then find their blocks there. For files without content.
[[nodiscard]] Status allocate_whole(Io& io, int fd, std::uint64_t bytes);

}  // namespace restante::os
