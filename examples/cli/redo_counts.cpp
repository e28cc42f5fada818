#include "redo_counts.hpp"

#include <algorithm>

namespace cli {
namespace {

constexpr std::int64_t kHourUs = 3600ll * 1'000'000;
constexpr std::int64_t kDayUs = 24 * kHourUs;

void count(Count& count, const restante::RecordInfo& record, bool is_transaction) {
  ++count.records;
  count.transactions += is_transaction ? 1 : 0;
  count.bytes += record.bytes;
}

}  // namespace

void RedoCounts::add(const restante::RecordInfo& record) {
  // A transaction takes effect at its end.
  const bool is_transaction = record.kind == "commit" || record.kind == "append";
  if (all_.records == 0) {
    first_lsn_ = record.lsn;
    first_time_ = record.commit_time;
  }
  last_lsn_ = record.lsn;
  last_time_ = record.commit_time;
  count(all_, record, is_transaction);
  count(kinds_[std::string(record.kind)], record, is_transaction);
  if (!record.account_id.empty()) count(accounts_[record.account_id], record, is_transaction);
  const std::int64_t age = newest_.us - record.commit_time.us;
  if (age < kDayUs) count(last_day_, record, is_transaction);
  if (age < kHourUs) count(last_hour_, record, is_transaction);
  if (record.kind == "content") content_bytes_ += record.bytes;
  if (record.kind == "abort") ++aborted_;
  for (const restante::Operation& operation : record.operations)
    ++operations_[std::string(restante::name_of(operation))];
}

std::vector<std::pair<std::string, Count>> RedoCounts::top_accounts(std::size_t most) const {
  std::vector<std::pair<std::string, Count>> out(accounts_.begin(), accounts_.end());
  const auto busier = [](const auto& a, const auto& b) {
    return std::pair(a.second.transactions, a.second.bytes) >
           std::pair(b.second.transactions, b.second.bytes);
  };
  std::stable_sort(out.begin(), out.end(), busier);
  out.resize(std::min(most, out.size()));
  return out;
}

std::array<RedoCounts::Rate, 3> RedoCounts::rates() const {
  const auto span = [&](std::int64_t most) {
    const std::int64_t us = std::min(newest_.us - first_time_.us, most);
    return std::max(0.0, static_cast<double>(us) / 1e6);
  };
  const double whole = static_cast<double>(last_time_.us - first_time_.us) / 1e6;
  return {Rate{"all", all_, whole}, Rate{"last day", last_day_, span(kDayUs)},
          Rate{"last hour", last_hour_, span(kHourUs)}};
}

}  // namespace cli
