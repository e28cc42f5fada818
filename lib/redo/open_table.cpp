#include "redo/open_table.hpp"

#include <algorithm>
#include <cstring>

namespace restante::redo {

// FNV-1a: the same in every process.
std::uint64_t account_hash(std::string_view account_id) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : account_id) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3u;
  return hash == 0 ? 1 : hash;
}

std::optional<std::uint32_t> OpenTable::find_free() const {
  const std::uint32_t high = page_.open_high.load(std::memory_order_relaxed);
  for (std::uint32_t index = 0; index < high; ++index)
    if (page_.open_accounts[index].load(std::memory_order_relaxed) == 0) return index;
  if (high == kMaxOpen) return std::nullopt;
  return high;
}

std::optional<OpenTable::Entry> OpenTable::load(std::uint32_t index, Lsn end) const {
  const std::uint64_t hash = page_.open_accounts[index].load(std::memory_order_acquire);
  if (hash == 0) return std::nullopt;
  const OpenSlot& slot = page_.open[index];
  Entry entry;
  entry.index = index;
  entry.account_hash = hash;
  entry.owner = slot.owner.load();
  entry.owner_generation = slot.owner_generation.load();
  OpenTransaction& transaction = entry.transaction;
  transaction.begin_lsn = slot.begin_lsn;
  transaction.sequence = slot.sequence;
  transaction.offset = slot.offset;
  transaction.begin_time = Time{slot.begin_us};
  transaction.reserved_bytes = slot.reserved;
  transaction.is_rewind = slot.is_rewind != 0;
  entry.is_account_known = slot.account_bytes <= kInlineAccountBytes;
  if (entry.is_account_known) transaction.account_id.assign(slot.account, slot.account_bytes);
  std::atomic_thread_fence(std::memory_order_acquire);
  // Another one may have taken the place meanwhile: the one that was there has ended.
  const bool is_same = page_.open_accounts[index].load(std::memory_order_relaxed) == hash;
  if (!is_same || transaction.begin_lsn > end) return std::nullopt;
  return entry;
}

bool OpenTable::is_open(std::uint32_t index, Lsn begin_lsn) const {
  return page_.open_accounts[index].load(std::memory_order_acquire) != 0 &&
         page_.open[index].begin_lsn == begin_lsn;
}

void OpenTable::begins(std::uint32_t index, const OpenTransaction& transaction, bool owned) {
  OpenSlot& slot = page_.open[index];
  slot.owner.store(owned ? control_.slot() : kNoOwner);
  slot.owner_generation.store(owned ? control_.generation() : 0);
  slot.begin_lsn = transaction.begin_lsn;
  slot.sequence = transaction.sequence;
  slot.offset = transaction.offset;
  slot.begin_us = transaction.begin_time.us;
  slot.reserved = transaction.reserved_bytes;
  slot.is_rewind = transaction.is_rewind ? 1 : 0;
  slot.account_bytes = static_cast<std::uint16_t>(transaction.account_id.size());
  std::memcpy(slot.account, transaction.account_id.data(),
              std::min(transaction.account_id.size(), kInlineAccountBytes));
  Intent& intent = page_.intent;
  intent.index = index;
  intent.lsn = transaction.begin_lsn;
  intent.kind.store(Intent::begins, std::memory_order_release);
  if (index >= page_.open_high.load(std::memory_order_relaxed)) page_.open_high.store(index + 1);
  page_.open_accounts[index].store(account_hash(transaction.account_id), std::memory_order_release);
}

void OpenTable::will_end(std::uint32_t index, Lsn record) {
  Intent& intent = page_.intent;
  intent.index = index;
  intent.lsn = record;
  intent.kind.store(Intent::ends, std::memory_order_release);
}

void OpenTable::settle() noexcept {
  Intent& intent = page_.intent;
  if (intent.kind.load(std::memory_order_relaxed) == Intent::ends) free(intent.index);
  intent.kind.store(Intent::none, std::memory_order_release);
}

void OpenTable::repair(Lsn end) noexcept {
  Intent& intent = page_.intent;
  const bool is_published = intent.lsn <= end;
  const std::uint32_t kind = intent.kind.load(std::memory_order_acquire);
  const bool goes = (kind == Intent::begins && !is_published) || (kind == Intent::ends && is_published);
  if (goes) free(intent.index);
  intent.kind.store(Intent::none, std::memory_order_release);
}

void OpenTable::claim(std::uint32_t index) noexcept {
  page_.open[index].owner.store(kNoOwner);
  page_.open[index].owner_generation.store(control_.generation());
  page_.open[index].owner.store(control_.slot());
}

void OpenTable::let_go(std::uint32_t index, Lsn begin_lsn) noexcept {
  if (is_open(index, begin_lsn)) page_.open[index].owner.store(kNoOwner);
}

bool OpenTable::is_owned(const Entry& entry) const {
  return entry.owner != kNoOwner && control_.is_alive(entry.owner, entry.owner_generation);
}

bool OpenTable::is_in_doubt(std::string_view account_id, Lsn end) const {
  const std::uint32_t high = size();
  const std::uint64_t hash = account_hash(account_id);
  for (std::uint32_t index = 0; index < high; ++index) {
    if (page_.open_accounts[index].load(std::memory_order_relaxed) != hash) continue;
    const std::optional<Entry> entry = load(index, end);
    if (!entry || is_owned(*entry)) continue;
    if (!entry->is_account_known || entry->transaction.account_id == account_id) return true;
  }
  return false;
}

}  // namespace restante::redo
