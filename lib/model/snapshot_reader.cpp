#include "model/snapshot_reader.hpp"

#include "base/text.hpp"
#include "model/records.hpp"

namespace restante::model {
namespace {

using Part = SnapshotReader::Part;
using Key = std::pair<std::string, std::string>;

struct Place {
  Part part = Part::none;  // none: no element of a snapshot
  Key key;
};

struct PlaceFinder {
  Place operator()(const AccountPut&) const { return {Part::account, {}}; }
  Place operator()(const FolderPut& put) const { return {Part::folder, {put.folder.id, ""}}; }
  Place operator()(const MessagePut& put) const {
    if (put.messages.size() != 1) return {};
    return {Part::message, {put.messages.front().folder_id, put.messages.front().id}};
  }
  Place operator()(const ItemPut& put) const { return {Part::item, {put.item.kind, put.item.id}}; }
  Place operator()(const HostOp&) const { return {Part::host_op, {}}; }
  Place operator()(const UnknownOperation&) const { return {Part::unknown, {}}; }
  template <class Other>
  Place operator()(const Other&) const {
    return {};
  }
};

bool has_order(Part part) { return part == Part::host_op || part == Part::unknown; }

}  // namespace

Status SnapshotReader::damaged(std::string_view what) const {
  return Status(Code::damaged,
                base::cat(name_, ": element ", position_, " (", name_of(operation_), ") ", what));
}

Status SnapshotReader::advance() {
  while (true) {
    Result<bool> more = stream_.next(operation_);
    if (!more.ok()) return more.status();
    if (!*more) {
      part_ = Part::end;
      key_ = {};
      return {};
    }
    ++position_;
    if (Status status = accept(); !status.ok()) return status;
    if (!is_void()) return {};
  }
}

// Checks the order and takes the place of the element.
Status SnapshotReader::accept() {
  if (Status status = check_supported(operation_); !status.ok()) return status.with_context(name_);
  Place place = std::visit(PlaceFinder{}, operation_);
  if (place.part == Part::none) return damaged("is no element of a snapshot");
  if (place.part < part_) return damaged("is out of order");
  if (place.part == part_ && !has_order(part_) && place.key <= key_)
    return damaged(place.key == key_ ? "is there twice" : "is out of order");
  part_ = place.part;
  key_ = std::move(place.key);
  if (part_ == Part::folder) uidvalidities_.emplace(folder().id, folder().uidvalidity);
  return {};
}

// A snapshot that was read while changes went on holds messages whose folder went or changed meanwhile.
bool SnapshotReader::is_void() {
  if (part_ == Part::item) normalise(item());
  if (part_ != Part::message) return false;
  std::get<MessagePut>(operation_).unknown.clear();
  normalise(message());
  const auto folder = uidvalidities_.find(message().folder_id);
  return folder == uidvalidities_.end() || folder->second != message().uidvalidity;
}

}  // namespace restante::model
