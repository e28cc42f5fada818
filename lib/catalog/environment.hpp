#pragma once
// One open LMDB environment and its transactions. Only catalog.cpp includes this.

#include <lmdb.h>
#include <sys/types.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>

#include "catalog/catalog.hpp"
#include "os/io.hpp"

namespace restante::catalog {

enum class Table { meta, packs, numbers, frames, parts };
inline constexpr std::size_t kTables = 5;

/// A transaction. Its methods answer bytes that live as long as it does, or until the next change.
class Transaction {
 public:
  Transaction(MDB_txn* handle, const std::array<MDB_dbi, kTables>& tables)
      : handle_(handle), tables_(tables) {}

  /// Makes the table if there is none. For the one who opens the environment.
  [[nodiscard]] Status open(const char* name, unsigned flags, MDB_dbi& table);
  /// Nothing if there is no such key.
  [[nodiscard]] Result<std::optional<ByteView>> get(Table table, ByteView key);
  [[nodiscard]] Status put(Table table, ByteView key, ByteView value);
  /// Success too if it is not there. With a value only that one of several.
  [[nodiscard]] Status remove(Table table, ByteView key, std::optional<ByteView> value = {});
  /// Calls `each` from the first entry at or behind (key, value) on, until it answers false.
  using Each = std::function<bool(ByteView key, ByteView value)>;
  [[nodiscard]] Status scan(Table table, ByteView key, const Each& each);
  [[nodiscard]] Result<std::uint64_t> entries(Table table);
  [[nodiscard]] Status empty(Table table);
  /// Whether a change failed for want of room in the map, which is no failure of the disk.
  [[nodiscard]] bool is_map_full() const { return map_full_; }

 private:
  [[nodiscard]] Status changed(int error);
  [[nodiscard]] MDB_dbi of(Table table) const { return tables_[static_cast<std::size_t>(table)]; }

  MDB_txn* const handle_;
  const std::array<MDB_dbi, kTables>& tables_;
  bool map_full_ = false;
};

class Environment {
 public:
  /// The environment of the directory if the process has it open, else a new one. LMDB's locks belong to the
  /// process and break when a file is opened twice, hence the registry.
  [[nodiscard]] static Result<std::shared_ptr<Environment>> acquire(const Options& options);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  using Body = std::function<Status(Transaction&)>;
  /// Runs `body` on one consistent state.
  [[nodiscard]] Status read(const Body& body);
  /// Runs `body` and commits, durable when it returns; nothing has changed when it fails. `body` may run
  /// again, when the map had to grow.
  [[nodiscard]] Status write(const Body& body);

  [[nodiscard]] const Id128& target_id() const { return target_id_; }

 private:
  struct Key {
    std::uint64_t dev = 0;
    std::uint64_t ino = 0;
    auto operator<=>(const Key&) const = default;
  };
  struct Registry;
  static Registry& registry();

  Environment() = default;
  [[nodiscard]] static Result<std::unique_ptr<Environment>> open(const Options& options, os::Fd directory);
  [[nodiscard]] Status open_files(const Options& options);
  [[nodiscard]] Status allocate_lock_file() const;
  [[nodiscard]] Status open_tables();
  [[nodiscard]] Status stamp();
  [[nodiscard]] Status check_stamp(Transaction& transaction) const;
  [[nodiscard]] Status check_process() const;
  [[nodiscard]] Status commit_status(int error) const;
  [[nodiscard]] int run(unsigned flags, const Body& body, Status& answer);
  [[nodiscard]] Status repeat(unsigned flags, const Body& body);
  [[nodiscard]] Status make_room(int error);
  void mark_damaged();
  void close();

  MDB_env* env_ = nullptr;
  std::array<MDB_dbi, kTables> tables_{};
  Id128 target_id_;
  std::string path_;
  os::Fd directory_;
  pid_t owner_ = 0;
  // Shared by transactions; alone when the map changes its size, which no transaction may see.
  std::shared_mutex map_mutex_;
};

}  // namespace restante::catalog
