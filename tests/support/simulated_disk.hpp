#pragma once
// An `os::Io` that is a disk in memory, with a cache in front of it that a crash empties.
//
//     SimulatedDisk disk(seed);
//     disk.crash_at(7);                       // the eighth change from here on is the last one begun
//     work_with(disk);                        // from then on every call fails
//     disk.restart_machine();                 // what was not synced is there, or not, or torn
//     work_with(disk);
//
// What is on the disk: the bytes and the size of a file since its last fsync or fdatasync, the names of a
// directory since its last fsync, and nothing else; that a file was synced says nothing about its name. Of
// every change since then a crash keeps all, nothing, or something in between, sector by sector: of the
// writes to a sector the first few, the last of these torn anywhere. A size that is kept without its bytes
// shows zeros. A renamed file is there under its old name, its new one, or both, never under none.
//
// A file that processes map is real memory (memfd), because it has to be; nobody syncs it, and after a crash
// it may hold anything that it held before. Descriptors are real ones, so that `os::Fd` can close them.
// Used by one thread at a time.

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "os/io.hpp"

namespace restante::test {

class SimulatedDisk final : public os::Io {
 public:
  /// The same seed and the same calls: the same losses. `mapped` is the name of files that are real memory.
  explicit SimulatedDisk(std::uint64_t seed, std::string mapped = {});
  ~SimulatedDisk() override;
  SimulatedDisk(const SimulatedDisk&) = delete;
  SimulatedDisk& operator=(const SimulatedDisk&) = delete;

  // --- Crashes --------------------------------------------------------------------------------------

  /// What a crash leaves of the changes that no sync has covered.
  enum class Survival {
    nothing,
    everything,
    /// Each may be there or not.
    each,
    /// Those before some moment, as in a journal.
    earlier,
  };
  struct Crash {
    Survival bytes = Survival::each;
    /// Sizes and names.
    Survival metadata = Survival::each;
  };

  /// From here on changes and syncs are counted from 0, and with the n-th the machine stops: it may have been
  /// begun, and every later call fails.
  void crash_at(std::uint64_t n);
  /// The machine stops now.
  void stop();
  [[nodiscard]] bool is_down() const noexcept { return is_down_; }
  /// Changes and syncs since the last `crash_at`, or since the beginning.
  [[nodiscard]] std::uint64_t changes() const noexcept { return changes_; }

  /// After power came back: the cache is gone, this is another boot. No descriptor is used any more.
  void restart_machine(const Crash& crash);
  void restart_machine() { restart_machine(random_crash()); }
  [[nodiscard]] Crash random_crash();
  /// After all processes were killed and the machine went on: what was written is there, synced or not.
  void restart_processes();

  // --- Failures -------------------------------------------------------------------------------------

  /// The n-th sync from now on (from 0) of a file fails. Some of what it should have written is on the disk;
  /// the rest counts as written from then on, and is read from the cache until a crash.
  /// With `stops`, nobody lives to hear of it.
  void fail_sync(std::uint64_t n, bool stops = false) {
    syncs_until_failure_ = n;
    stops_with_failure_ = stops;
  }
  [[nodiscard]] std::uint64_t failed_syncs() const noexcept { return failed_syncs_; }
  /// No room for new files and for more bytes in old ones.
  void fill(bool is_full) { is_full_ = is_full; }

  // --- Looking --------------------------------------------------------------------------------------

  /// Names and bytes of a directory's files, as processes see them.
  [[nodiscard]] std::map<std::string, Bytes> files(const std::string& path) const;
  /// The files of a directory with number and size, for messages.
  [[nodiscard]] std::string describe(const std::string& path) const;
  /// Whether a crash may lose something that is in the cache.
  [[nodiscard]] bool has_unsynced() const;

  // --- Io -------------------------------------------------------------------------------------------
  Result<os::Fd> open_at(int dirfd, const std::string& name, int flags, mode_t mode) override;
  Status close(os::Fd fd) override;
  Result<std::size_t> pread(int fd, MutableByteView buffer, std::uint64_t offset) override;
  Result<std::size_t> pwrite(int fd, ByteView bytes, std::uint64_t offset) override;
  Status fsync(int fd) override;
  Status fdatasync(int fd) override;
  Status sync_fs(int fd) override;
  Status truncate(int fd, std::uint64_t size) override;
  Status allocate(int fd, std::uint64_t offset, std::uint64_t length) override;
  Status rename_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override;
  Status rename_no_replace_at(int from_dirfd, const std::string& from, int to_dirfd,
                              const std::string& to) override;
  Status unlink_at(int dirfd, const std::string& name) override;
  Status rmdir_at(int dirfd, const std::string& name) override;
  Status mkdir_at(int dirfd, const std::string& name, mode_t mode) override;
  Status link_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override;
  Result<os::FileInfo> stat_at(int dirfd, const std::string& name) override;
  Result<os::FileInfo> fstat(int fd) override;
  Result<std::vector<os::DirEntry>> list(int dirfd) override;
  Result<std::string> readlink_at(int dirfd, const std::string& name) override;
  Status set_times(int fd, std::int64_t mtime_ns) override;
  Status chmod(int fd, mode_t mode) override;
  Status chown(int fd, uid_t uid, gid_t gid) override;

 private:
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  using Names = std::map<std::string, NodePtr>;
  struct Change;
  struct Place;
  struct Piece;

  template <class Make>
  auto change(Make make) -> decltype(make(false));
  [[nodiscard]] static Status down();
  [[nodiscard]] NodePtr node_of(int fd) const;
  [[nodiscard]] Result<Place> find(int dirfd, const std::string& name) const;
  [[nodiscard]] Result<os::Fd> descriptor_of(const NodePtr& node);
  [[nodiscard]] NodePtr make_node(os::FileType type);
  [[nodiscard]] Status sync_node(Node& node);
  [[nodiscard]] static std::vector<Piece> pieces_of(const Change& change);
  static void copy_piece(const Change& write, const Piece& piece, Bytes& bytes);
  [[nodiscard]] Status rename(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to,
                              bool may_replace);
  void set_name(Node& directory, const std::string& name, const NodePtr& node, std::string from = {});
  void resize(Node& node, std::uint64_t size);
  void restart_directory(Node& directory, const Crash& crash, std::uint64_t moment);
  [[nodiscard]] bool is_kept(std::uint64_t stamp, const Crash& crash, std::uint64_t moment);
  [[nodiscard]] bool has_arrived(const Change& removal, const Crash& crash, std::uint64_t moment);
  void restart_file(Node& file, const Crash& crash, std::uint64_t moment);
  void restart_memory(Node& file);
  void new_boot();
  static void for_each(const NodePtr& node, const std::function<void(Node&)>& visit);
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  [[nodiscard]] bool survives(Survival survival, std::uint64_t stamp, std::uint64_t moment);
  [[nodiscard]] std::uint64_t kept_of(const std::vector<std::uint64_t>& stamps, Survival survival,
                                      std::uint64_t moment);

  std::mt19937_64 engine_;
  const std::string mapped_;
  os::Fd anchor_;  // what descriptors of this disk are copies of
  NodePtr root_;
  NodePtr boot_id_;
  std::map<int, NodePtr> descriptors_;
  std::uint64_t next_stamp_ = 0;
  // What the present restart decided about names, by stamp.
  std::map<std::uint64_t, bool> kept_;
  std::uint64_t changes_ = 0;
  std::uint64_t crash_at_ = std::numeric_limits<std::uint64_t>::max();
  std::optional<std::uint64_t> syncs_until_failure_;
  std::uint64_t failed_syncs_ = 0;
  bool stops_with_failure_ = false;
  bool is_down_ = false;
  bool is_full_ = false;
};

}  // namespace restante::test
