#include "catalog/environment.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "base/text.hpp"
#include "catalog/data_file.hpp"
#include "catalog/records.hpp"
#include "os/errors.hpp"
#include "os/file.hpp"
#include "os/lock.hpp"

namespace restante::catalog {
namespace {

constexpr const char* kOpenLock = "open.lock";
// Its presence makes the next opening begin anew.
constexpr const char* kDamageMark = "damaged";
// Each reading thread of each process has one while it looks something up.
constexpr unsigned kMaxReaders = 1022;

struct TableSpec {
  const char* name;
  unsigned flags;
};
constexpr std::array<TableSpec, kTables> kSpecs = {{
    {"meta", 0},
    {"packs", 0},
    {"numbers", 0},
    {"frames", 0},
    {"parts", MDB_DUPSORT},
}};

MDB_val value_of(ByteView bytes) {
  return {bytes.size(), const_cast<std::uint8_t*>(bytes.data())};  // LMDB does not write through it
}
ByteView bytes_of(const MDB_val& value) {
  return {static_cast<const std::uint8_t*>(value.mv_data), value.mv_size};
}

Code code_of_lmdb(int error) {
  switch (error) {
    case MDB_NOTFOUND: return Code::not_found;
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_VALSIZE:
    case MDB_CURSOR_FULL:
    case MDB_PANIC: return Code::damaged;
    case MDB_READERS_FULL: return Code::busy;
    default: return error > 0 ? os::code_of_errno(error) : Code::io;
  }
}

Status lmdb_status(int error) {
  if (error == MDB_SUCCESS) return {};
  return Status(code_of_lmdb(error), base::cat("the catalog: ", mdb_strerror(error)));
}

// The one process that opens, empties or removes the files at this moment.
class OpenLock {
 public:
  static Result<OpenLock> acquire(os::Io& io, int dirfd) {
    constexpr int kAttempts = 600;
    constexpr std::chrono::milliseconds kPause(50);  // half a minute in all; opening takes milliseconds
    Result<os::Fd> fd = io.open_at(dirfd, kOpenLock, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (!fd.ok()) return fd.status();
    for (int attempt = 0;; ++attempt) {
      Result<os::FileLock> lock = os::FileLock::acquire(fd->get(), 0);
      if (lock.ok()) return OpenLock(std::move(*fd), std::move(*lock));
      if (lock.status().code() != Code::busy || attempt == kAttempts) return lock.status();
      std::this_thread::sleep_for(kPause);
    }
  }

 private:
  OpenLock(os::Fd fd, os::FileLock lock) : fd_(std::move(fd)), lock_(std::move(lock)) {}
  os::Fd fd_;
  os::FileLock lock_;  // goes before the descriptor
};

// Whoever has the files open keeps working on what no longer has a name; he loses nothing but the effort.
Status remove_files(os::Io& io, int dirfd) {
  for (const char* name : {kDataFile, kLockFile, kDamageMark}) {
    const Status removed = io.unlink_at(dirfd, name);
    if (!removed.ok() && removed.code() != Code::not_found) return removed;
  }
  return {};
}

// LMDB locks and maps its files as only a local file system lets it.
Status check_place(int dirfd, const std::string& path) {
  constexpr std::array<std::uint32_t, 4> kRemote = {0x6969, 0xFF534D42, 0xFE534D42,
                                                    0x01021997};  // NFS, SMB, 9P
  struct statfs place;
  if (::fstatfs(dirfd, &place) != 0) return os::errno_status(errno, "look at", path);
  const auto type = static_cast<std::uint32_t>(place.f_type);
  if (std::find(kRemote.begin(), kRemote.end(), type) == kRemote.end()) return {};
  return Status(Code::unsupported, base::cat(base::escape(path), " is on a network file system"),
                "keep the state directory on a local disk");
}

bool is_marked_damaged(os::Io& io, int dirfd) { return io.stat_at(dirfd, kDamageMark).ok(); }

}  // namespace

Result<std::optional<ByteView>> Transaction::get(Table table, ByteView key) {
  MDB_val wanted = value_of(key);
  MDB_val found{};
  const int error = mdb_get(handle_, of(table), &wanted, &found);
  if (error == MDB_NOTFOUND) return std::optional<ByteView>();
  if (error != MDB_SUCCESS) return lmdb_status(error);
  return std::optional<ByteView>(bytes_of(found));
}

Status Transaction::put(Table table, ByteView key, ByteView value) {
  MDB_val stored_key = value_of(key);
  MDB_val stored = value_of(value);
  return changed(mdb_put(handle_, of(table), &stored_key, &stored, 0));
}

Status Transaction::remove(Table table, ByteView key, std::optional<ByteView> value) {
  MDB_val wanted = value_of(key);
  MDB_val one = value_of(value.value_or(ByteView()));
  const int error = mdb_del(handle_, of(table), &wanted, value ? &one : nullptr);
  return error == MDB_NOTFOUND ? Status() : changed(error);
}

Status Transaction::open(const char* name, unsigned flags, MDB_dbi& table) {
  return changed(mdb_dbi_open(handle_, name, flags | MDB_CREATE, &table));
}

Status Transaction::changed(int error) {
  map_full_ = map_full_ || error == MDB_MAP_FULL;
  return lmdb_status(error);
}

Status Transaction::scan(Table table, ByteView from, const Each& each) {
  MDB_cursor* cursor = nullptr;
  if (const int error = mdb_cursor_open(handle_, of(table), &cursor); error != 0) return lmdb_status(error);
  const std::unique_ptr<MDB_cursor, void (*)(MDB_cursor*)> guard(cursor, mdb_cursor_close);
  MDB_val key = value_of(from);
  MDB_val value{};
  int error = mdb_cursor_get(cursor, &key, &value, from.empty() ? MDB_FIRST : MDB_SET_RANGE);
  while (error == MDB_SUCCESS && each(bytes_of(key), bytes_of(value))) {
    error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  return error == MDB_NOTFOUND ? Status() : lmdb_status(error);
}

Result<std::uint64_t> Transaction::entries(Table table) {
  MDB_stat stat;
  if (const int error = mdb_stat(handle_, of(table), &stat); error != 0) return lmdb_status(error);
  return std::uint64_t{stat.ms_entries};
}

Status Transaction::empty(Table table) { return changed(mdb_drop(handle_, of(table), 0)); }

// With the logs, the only state of the process: directories whose environment is open.
struct Environment::Registry {
  struct Entry {
    Environment* environment = nullptr;
    std::size_t handles = 0;
  };
  std::mutex mutex;
  std::map<Key, Entry> open;
};

Environment::Registry& Environment::registry() {
  static auto* const registry = new Registry;  // never destroyed: handles may outlive main()
  return *registry;
}

Result<std::shared_ptr<Environment>> Environment::acquire(const Options& options) {
  os::Io& io = os::real_io();
  Result<os::Fd> directory = os::make_dirs(io, AT_FDCWD, options.directory, 0700);
  if (!directory.ok()) return directory.status();
  const Result<os::FileInfo> info = io.fstat(directory->get());
  if (!info.ok()) return info.status();
  const Key key{info->dev, info->ino};

  Registry& all = registry();
  const std::scoped_lock lock(all.mutex);
  Registry::Entry& entry = all.open[key];
  if (entry.environment == nullptr) {
    Result<std::unique_ptr<Environment>> opened = open(options, std::move(*directory));
    if (!opened.ok()) {
      all.open.erase(key);
      return opened.status();
    }
    entry.environment = opened->release();
  } else if (entry.environment->target_id_ != options.target_id) {
    return Status(Code::busy,
                  base::cat("the catalog ", base::escape(options.directory),
                            " is open for another target in this process"),
                  "give every target a catalog directory of its own");
  }
  ++entry.handles;
  // Closed under the mutex: nobody opens the files again while they are still being closed.
  return std::shared_ptr<Environment>(entry.environment, [key](Environment* environment) {
    Registry& registered = registry();
    const std::scoped_lock release_lock(registered.mutex);
    if (--registered.open[key].handles > 0) return;
    registered.open.erase(key);
    delete environment;
  });
}

Result<std::unique_ptr<Environment>> Environment::open(const Options& options, os::Fd directory) {
  os::Io& io = os::real_io();
  const int dirfd = directory.get();
  if (Status placed = check_place(dirfd, options.directory); !placed.ok()) return placed;
  const Result<OpenLock> open_lock = OpenLock::acquire(io, dirfd);
  if (!open_lock.ok()) return open_lock.status();

  std::unique_ptr<Environment> environment(new Environment);
  environment->target_id_ = options.target_id;
  environment->path_ = options.directory;
  environment->directory_ = std::move(directory);
  environment->owner_ = ::getpid();
  Status opened = is_marked_damaged(io, dirfd) ? Status(Code::damaged, "marked") : check_data_file(io, dirfd);
  if (opened.ok()) opened = environment->open_files(options);
  if (opened.code() == Code::damaged) {
    environment->close();
    if (Status removed = remove_files(io, dirfd); !removed.ok()) return removed;
    opened = environment->open_files(options);
  }
  if (!opened.ok()) return opened.with_context(base::escape(options.directory));
  return environment;
}

Status Environment::open_files(const Options& options) {
  if (const int error = mdb_env_create(&env_); error != 0) return lmdb_status(error);
  int error = mdb_env_set_mapsize(env_, options.map_bytes);
  if (error == 0) error = mdb_env_set_maxdbs(env_, kTables);
  if (error == 0) error = mdb_env_set_maxreaders(env_, kMaxReaders);
  if (Status allocated = allocate_lock_file(); !allocated.ok()) return allocated;
  // Look-ups are random: reading ahead would evict what other programs need.
  if (error == 0) error = mdb_env_open(env_, options.directory.c_str(), MDB_NOTLS | MDB_NORDAHEAD, 0600);
  int dead = 0;
  if (error == 0) error = mdb_reader_check(env_, &dead);
  if (error != 0) return lmdb_status(error);
  if (Status opened = open_tables(); !opened.ok()) return opened;
  return stamp();
}

// LMDB writes to it through a map, where a disk without room would end the process. Nobody in this process
// has it open yet, so that closing it drops nobody's locks.
Status Environment::allocate_lock_file() const {
  constexpr std::uint64_t kBytes = 64ull * (kMaxReaders + 8);  // a cache line each reader, and a head
  os::Io& io = os::real_io();
  const Result<os::Fd> file = io.open_at(directory_.get(), kLockFile, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!file.ok()) return file.status();
  Status allocated = io.allocate(file->get(), 0, kBytes);
  return allocated.code() == Code::unsupported ? Status() : allocated;
}

Status Environment::open_tables() {
  return repeat(0, [&](Transaction& transaction) {
    Status opened;
    for (std::size_t i = 0; i < kTables && opened.ok(); ++i) {
      opened = transaction.open(kSpecs[i].name, kSpecs[i].flags, tables_[i]);
    }
    return opened;
  });
}

Status Environment::stamp() {
  return repeat(0, [&](Transaction& transaction) {
    const Status own = check_stamp(transaction);
    if (own.code() != Code::busy) return own;
    for (std::size_t table = 0; table < kTables; ++table) {
      if (Status emptied = transaction.empty(static_cast<Table>(table)); !emptied.ok()) return emptied;
    }
    return transaction.put(Table::meta, as_bytes("stamp"), encode_stamp(target_id_));
  });
}

// Another process may have taken the directory for another target. Its packs are none of ours: what it says
// is stored is not stored here.
Status Environment::check_stamp(Transaction& transaction) const {
  const auto stamp = transaction.get(Table::meta, as_bytes("stamp"));
  if (!stamp.ok()) return stamp.status();
  const Bytes mine = encode_stamp(target_id_);
  if (*stamp && std::equal((*stamp)->begin(), (*stamp)->end(), mine.begin(), mine.end())) return {};
  return Status(Code::busy, base::cat("the catalog ", base::escape(path_), " was taken for another target"),
                "give every target a catalog directory of its own");
}

Status Environment::check_process() const {
  if (owner_ == ::getpid()) return {};
  return Status(
      Code::busy,
      base::cat("the catalog ", base::escape(path_), " was opened by process ", owner_, " before a fork"),
      "open the target again in this process");
}

Status Environment::read(const Body& body) {
  return repeat(MDB_RDONLY, [&](Transaction& transaction) {
    if (Status own = check_stamp(transaction); !own.ok()) return own;
    return body(transaction);
  });
}

Status Environment::write(const Body& body) {
  return repeat(0, [&](Transaction& transaction) {
    if (Status own = check_stamp(transaction); !own.ok()) return own;
    return body(transaction);
  });
}

// Answers LMDB's error where the map must change before another attempt, else 0 and the outcome in `answer`.
int Environment::run(unsigned flags, const Body& body, Status& answer) {
  const std::shared_lock lock(map_mutex_);
  MDB_txn* handle = nullptr;
  int error = mdb_txn_begin(env_, nullptr, flags, &handle);
  if (error == MDB_MAP_RESIZED) return error;
  if (error == MDB_READERS_FULL) {
    int dead = 0;
    (void)mdb_reader_check(env_, &dead);
    error = mdb_txn_begin(env_, nullptr, flags, &handle);
  }
  answer = lmdb_status(error);
  if (error != 0) return 0;
  Transaction transaction(handle, tables_);
  answer = body(transaction);
  if (!answer.ok() || (flags & MDB_RDONLY) != 0) {
    mdb_txn_abort(handle);
    return transaction.is_map_full() ? MDB_MAP_FULL : 0;
  }
  error = mdb_txn_commit(handle);
  answer = commit_status(error);
  return error == MDB_MAP_FULL ? error : 0;
}

// Of a disk that filled up while it wrote LMDB says that it was an i/o error.
Status Environment::commit_status(int error) const {
  if (error <= 0) return lmdb_status(error);  // none of the system's
  constexpr std::uint64_t kNearlyNothing = 1 << 20;
  struct statvfs disk;
  const bool is_full = error == EIO && ::fstatvfs(directory_.get(), &disk) == 0 &&
                       disk.f_bavail * disk.f_frsize < kNearlyNothing;
  return os::errno_status(is_full ? ENOSPC : error, "write the catalog", path_);
}

Status Environment::repeat(unsigned flags, const Body& body) {
  if (Status own = check_process(); !own.ok()) return own;
  constexpr int kAttempts = 64;  // the map doubles each time, and addresses have 64 bits
  Status answer;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const int error = run(flags, body, answer);
    if (answer.code() == Code::damaged) mark_damaged();
    if (error == 0) return answer;
    if (Status grown = make_room(error); !grown.ok()) return grown;
  }
  return answer;
}

Status Environment::make_room(int error) {
  const std::unique_lock lock(map_mutex_);
  if (error == MDB_MAP_RESIZED)
    return lmdb_status(mdb_env_set_mapsize(env_, 0));  // to what another one chose
  MDB_envinfo info;
  if (const int failed = mdb_env_info(env_, &info); failed != 0) return lmdb_status(failed);
  return lmdb_status(mdb_env_set_mapsize(env_, info.me_mapsize * 2));
}

// Whoever opens it next begins anew. This process goes on with what it has; it must not pull the files away
// from under its own transactions.
void Environment::mark_damaged() {
  const auto fd = os::real_io().open_at(directory_.get(), kDamageMark, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
  (void)fd;  // at worst it is found again
}

void Environment::close() {
  if (env_ != nullptr) mdb_env_close(env_);
  env_ = nullptr;
}

Environment::~Environment() {
  // After a fork the slots of the readers and the locks are the parent's; the child lets everything lie.
  if (owner_ == ::getpid()) close();
}

}  // namespace restante::catalog
