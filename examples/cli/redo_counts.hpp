#pragma once
// What the records of a stretch of the redo log add up to.

#include <restante/redo_log.hpp>

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

struct Count {
  std::uint64_t records = 0;
  std::uint64_t transactions = 0;
  std::uint64_t bytes = 0;
};

/// Counts records one by one; its memory grows with accounts, not with records.
class RedoCounts {
 public:
  /// Rates of the last hour and the last day are those before `newest`.
  explicit RedoCounts(restante::Time newest) : newest_(newest) {}
  void add(const restante::RecordInfo& record);

  [[nodiscard]] const Count& all() const noexcept { return all_; }
  /// Of content pieces, and of everything else.
  [[nodiscard]] std::uint64_t content_bytes() const noexcept { return content_bytes_; }
  [[nodiscard]] std::uint64_t aborted() const noexcept { return aborted_; }
  [[nodiscard]] restante::Lsn first_lsn() const noexcept { return first_lsn_; }
  [[nodiscard]] restante::Lsn last_lsn() const noexcept { return last_lsn_; }
  [[nodiscard]] restante::Time first_time() const noexcept { return first_time_; }
  [[nodiscard]] restante::Time last_time() const noexcept { return last_time_; }
  [[nodiscard]] const std::map<std::string, Count>& kinds() const noexcept { return kinds_; }
  /// Operations begun or appended, by name.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& operations() const noexcept {
    return operations_;
  }
  [[nodiscard]] std::size_t accounts() const noexcept { return accounts_.size(); }
  /// Those with the most transactions, then bytes.
  [[nodiscard]] std::vector<std::pair<std::string, Count>> top_accounts(std::size_t most) const;

  /// Transactions and bytes of some time.
  struct Rate {
    std::string_view name;
    Count count;
    /// 0 where there is no time to divide by.
    double seconds = 0;
    [[nodiscard]] double per_second(std::uint64_t value) const {
      return seconds > 0 ? static_cast<double>(value) / seconds : 0;
    }
  };
  /// "all", "last day", "last hour".
  [[nodiscard]] std::array<Rate, 3> rates() const;

 private:
  restante::Time newest_;
  Count all_;
  Count last_day_;
  Count last_hour_;
  std::uint64_t content_bytes_ = 0;
  std::uint64_t aborted_ = 0;
  restante::Lsn first_lsn_ = 0;
  restante::Lsn last_lsn_ = 0;
  restante::Time first_time_;
  restante::Time last_time_;
  std::map<std::string, Count> kinds_;
  std::map<std::string, std::uint64_t> operations_;
  std::map<std::string, Count> accounts_;
};

}  // namespace cli
