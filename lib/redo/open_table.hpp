#pragma once
// The transactions that were begun and have not ended, of all processes that have the log open.
//
// Changed under the lock that orders the log; read by anybody at any time. A transaction is in the table
// before its begin record is published and until its end record is, so that who reads the log's end first
// and the table then misses none.

#include <restante/redo_log.hpp>

#include <optional>
#include <string_view>

#include "redo/control_file.hpp"
#include "redo/segment_header.hpp"

namespace restante::redo {

class OpenTable {
 public:
  explicit OpenTable(ControlFile& control) : control_(control), page_(control.page()) {}

  struct Entry {
    std::uint32_t index = 0;
    /// Without its account id if that is too long for the table.
    OpenTransaction transaction;
    bool is_account_known = false;
    std::uint64_t account_hash = 0;
    std::uint32_t owner = kNoOwner;
    std::uint32_t owner_generation = 0;
  };

  /// The first that is not in use; nothing if all are.
  [[nodiscard]] std::optional<std::uint32_t> find_free() const;
  [[nodiscard]] std::uint32_t size() const noexcept { return page_.open_high.load(); }
  /// What lies at `index`, if it is in use and begun at or before `end`.
  [[nodiscard]] std::optional<Entry> load(std::uint32_t index, Lsn end) const;
  [[nodiscard]] bool is_open(std::uint32_t index, Lsn begin_lsn) const;

  /// With the lock, before its record is published; `record` is published next. Owned by this process, or
  /// by nobody.
  void begins(std::uint32_t index, const OpenTransaction& transaction, bool owned);
  /// With the lock, before the end record `record` is published.
  void will_end(std::uint32_t index, Lsn record);
  /// With the lock, when the record is published: what was intended is done.
  void settle() noexcept;
  /// With the lock, after somebody died in it: does or undoes what was intended.
  void repair(Lsn end) noexcept;

  /// With the lock: this process has it in hand.
  void claim(std::uint32_t index) noexcept;
  /// Nobody has it in hand any more.
  void let_go(std::uint32_t index, Lsn begin_lsn) noexcept;
  /// Somebody who lives has it in hand.
  [[nodiscard]] bool is_owned(const Entry& entry) const;
  /// With the lock: whether the account has transactions that nobody has in hand.
  [[nodiscard]] bool is_in_doubt(std::string_view account_id, Lsn end) const;

 private:
  void free(std::uint32_t index) noexcept { page_.open_accounts[index].store(0, std::memory_order_release); }

  ControlFile& control_;
  ControlPage& page_;
};

/// Never 0.
[[nodiscard]] std::uint64_t account_hash(std::string_view account_id) noexcept;

}  // namespace restante::redo
