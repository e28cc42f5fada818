#include "redo/record_scan.hpp"

#include <algorithm>
#include <cstring>

namespace restante::redo {

RecordScan::RecordScan(os::Io& io, std::shared_ptr<const os::Fd> fd, const Bounds& bounds)
    : window_(io, std::move(fd), bounds.end, kScanReadAhead),
      bounds_(bounds),
      offset_(bounds.begin.offset),
      expected_(bounds.first_lsn) {}

Result<ScanStep> RecordScan::next(Record& record) {
  if (ended_) return ScanStep::end;
  if (offset_ >= bounds_.end) {
    ended_ = true;
    if (!bounds_.end_is_known || expected_ > bounds_.last_lsn) return ScanStep::end;
    gap_ = {offset_, bounds_.end, expected_, 0};
    return ScanStep::gap;
  }
  const Result<Fit> fit = try_at(offset_, record);
  if (!fit.ok()) return fit.status();
  const bool is_next = *fit != Fit::no && record.head.lsn == expected_;
  if (is_next && *fit == Fit::whole) {
    offset_ += record.head.padded_length();
    ++expected_;
    return ScanStep::record;
  }
  // An intact head says how long the record is: whatever its broken body holds is stepped over.
  return resume_from(is_next ? offset_ + record.head.padded_length() : offset_ + kAlignment);
}

Result<RecordScan::Fit> RecordScan::try_at(std::uint64_t offset, Record& record) {
  const Result<ByteView> head_bytes = window_.at(offset, kHeadBytes);
  if (!head_bytes.ok()) return head_bytes.status();
  Place place = bounds_.begin;
  place.offset = offset;
  const std::optional<RecordHead> head = decode_head(*head_bytes, place);
  if (!head || head->padded_length() > bounds_.end - offset) return Fit::no;

  std::uint64_t wanted = head->padded_length();
  const bool without_bytes = !bounds_.content_bytes && head->kind == RecordKind::content;
  if (without_bytes) {
    wanted = std::min<std::uint64_t>(
        wanted, kHeadBytes + head->account_length + head->origin_length + kContentFixedBytes);
  }
  const Result<ByteView> bytes = window_.at(offset, static_cast<std::size_t>(wanted));
  if (!bytes.ok()) return bytes.status();
  record.head = *head;
  record.sequence = bounds_.begin.sequence;
  record.offset = offset;
  if (bytes->size() < wanted || (!without_bytes && !body_is_intact(*head, *bytes))) return Fit::head_only;
  record.bytes.assign(bytes->begin(), bytes->end());
  return Fit::whole;
}

// A record found by searching counts only if nothing about it is odd: a message may hold anything.
bool RecordScan::is_plausible(const RecordHead& head, std::uint64_t offset) const noexcept {
  const std::uint64_t room = (offset - gap_.offset) / kHeadBytes + 1;
  return head.lsn >= gap_.from_lsn && head.lsn - gap_.from_lsn <= room;
}

Result<ScanStep> RecordScan::resume_from(std::uint64_t offset) {
  gap_ = {offset_, bounds_.end, expected_, 0};
  const Result<bool> found = find_from(offset);
  if (!found.ok()) return found.status();
  if (*found) {
    gap_.next_offset = candidate_.offset;
    gap_.next_lsn = candidate_.head.lsn;
    offset_ = candidate_.offset;
    expected_ = candidate_.head.lsn;
    return ScanStep::gap;
  }
  ended_ = true;
  if (!bounds_.end_is_known) return ScanStep::end;
  offset_ = bounds_.end;
  return ScanStep::gap;
}

Result<bool> RecordScan::find_from(std::uint64_t offset) {
  while (offset < bounds_.end) {
    const Result<ByteView> bytes = window_.at(offset, kScanReadAhead);
    if (!bytes.ok()) return bytes.status();
    if (bytes->size() < kHeadBytes) return false;
    // The window is read again by try_at, so candidates are collected from it first.
    std::uint64_t candidate = 0;
    std::size_t i = 0;
    for (; i + kHeadBytes <= bytes->size(); i += kAlignment) {
      std::uint32_t length;
      std::memcpy(&length, bytes->data() + i, sizeof length);
      if (length == 0) continue;
      Place place = bounds_.begin;
      place.offset = offset + i;
      const std::optional<RecordHead> head = decode_head(bytes->subspan(i, kHeadBytes), place);
      if (head && is_plausible(*head, place.offset)) {
        candidate = place.offset;
        break;
      }
    }
    if (candidate == 0) {
      offset += i;
      continue;
    }
    const Result<Fit> fit = try_at(candidate, candidate_);
    if (!fit.ok()) return fit.status();
    if (*fit == Fit::whole) return true;
    offset = candidate + kAlignment;
  }
  return false;
}

}  // namespace restante::redo
