#pragma once
/// \file
/// Where a backup target keeps its objects.
///
/// `Storage` is what the weakest useful place can do: put an object whole, read ranges, list, delete. There
/// is no rename and no append, so an object store can implement it. Keys are relative paths of 1 to 1024
/// bytes: components of 1 to 255 bytes of [A-Za-z0-9._-] separated by "/", none of them "." or "..". No key
/// may be a directory of another ("a" and "a/b"): the shipped drivers refuse it with `invalid_argument`.
///
/// **Visibility and durability.** After `put` returns, every reader sees the whole object; before, none of
/// it. What was put is on stable storage once a `sync` that was called afterwards has returned. A driver
/// whose place is always durable does nothing in `sync`; one that cannot sync fails it with `unsupported`.
/// After a `sync` that failed, the local driver's handle is `poisoned` for everything but reading (R7).
///
/// **Threads.** Every method may be called from any thread at any time. Two writers of one key: one wins
/// whole; with `put_if_absent` the other learns it. Several processes may use one place at once.
///
/// **What a crash leaves.** Whole objects, and on the local driver temporary files, which `list` does not
/// show and which the next opening takes away once their writer is dead.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <restante/bytes.hpp>
#include <restante/status.hpp>
#include <restante/time.hpp>

namespace restante {
inline namespace v0 {

struct ObjectInfo {
  std::string key{};
  std::uint64_t size = 0;
};

/// A set of objects that become visible together, under `final_prefix`. Used by one thread at a time.
/// Destroying it unpublished leaves what was put where `Storage::publication` says.
class Publication {
 public:
  virtual ~Publication() = default;
  /// `name` is a key below the prefix. May be repeated until it is published.
  [[nodiscard]] virtual Status put(std::string_view name, ByteView bytes) = 0;
  [[nodiscard]] virtual Result<Bytes> get(std::string_view name) = 0;
  /// Makes everything durable, then visible, and `last_name` with `last_bytes` visible last: a reader that
  /// sees it sees all. Durable when it returns. `already_exists` if `last_name` is there already. After a
  /// failure the publication is either not visible or, if the failure came after that step, complete.
  [[nodiscard]] virtual Status publish(std::string_view last_name, ByteView last_bytes) = 0;
  /// Takes everything away.
  [[nodiscard]] virtual Status discard() = 0;
};

class Storage {
 public:
  virtual ~Storage() = default;

  /// For messages: "/var/backup/restante".
  [[nodiscard]] virtual std::string describe() const = 0;

  /// Replaces the object.
  [[nodiscard]] virtual Status put(std::string_view key, ByteView bytes) = 0;
  /// `already_exists` if there is one, and nothing changes.
  [[nodiscard]] virtual Status put_if_absent(std::string_view key, ByteView bytes) = 0;
  /// Exactly `length` bytes from `offset`; `not_found` without the object, `damaged` if it is shorter.
  [[nodiscard]] virtual Result<Bytes> get_range(std::string_view key, std::uint64_t offset,
                                                std::uint64_t length) = 0;
  /// The whole object; `no_space` if it is longer than `limit`.
  [[nodiscard]] virtual Result<Bytes> get(std::string_view key, std::uint64_t limit = 1ull << 30) = 0;
  [[nodiscard]] virtual Result<ObjectInfo> info(std::string_view key) = 0;
  /// Calls `each` for every object whose key begins with `prefix` (empty, or ending in "/"), sorted by key,
  /// until it fails.
  [[nodiscard]] virtual Status list(std::string_view prefix,
                                    const std::function<Status(const ObjectInfo&)>& each) = 0;
  /// Success too if there is none.
  [[nodiscard]] virtual Status remove(std::string_view key) = 0;
  [[nodiscard]] virtual Status sync() = 0;

  /// Objects published together. `final_prefix` and `staging_prefix` end in "/". A driver that can rename
  /// builds under `staging_prefix` and moves all of it; this default puts in place under `final_prefix`,
  /// invisible to those who look for the last object first. `already_exists` if there is an object under
  /// `final_prefix`, or under `staging_prefix` where that is used: published, under way or left by a crash.
  /// What a crash left is removed with `list` and `remove`. Neither prefix may be below the other.
  [[nodiscard]] virtual Result<std::unique_ptr<Publication>> publication(std::string_view final_prefix,
                                                                         std::string_view staging_prefix);
};

/// `invalid_argument` unless `key` follows the rules above.
[[nodiscard]] Status check_key(std::string_view key);

struct LocalStorageOptions {
  /// Make the directory if it does not exist.
  bool create = false;
};

/// A local directory. Objects are files of mode 0600 below it, put by temporary name, rename and, at `sync`,
/// one sync of the file system. Names from outside never leave the directory; links are not followed.
[[nodiscard]] Result<std::unique_ptr<Storage>> open_local_storage(const std::string& directory,
                                                                  const LocalStorageOptions& options = {});

/// Objects in memory, as strict as an object store: no rename, no append. For tests, with failures on demand.
class MemoryStorage : public Storage {
 public:
  /// Makes the call after `calls` further ones fail with `failure`, once, or from then on if `sticky`.
  virtual void fail_after(std::uint64_t calls, Status failure, bool sticky) = 0;
  /// Loses, like a power cut, what was put and not yet synced. Which of it survives is drawn from `seed`.
  virtual void crash(std::uint64_t seed) = 0;
  /// Calls served so far.
  [[nodiscard]] virtual std::uint64_t calls() const = 0;
  /// A second handle on the same objects, as another process would have.
  [[nodiscard]] virtual std::unique_ptr<MemoryStorage> share() = 0;
};
[[nodiscard]] std::unique_ptr<MemoryStorage> make_memory_storage();

}  // namespace v0
}  // namespace restante
