#include "content/unreferenced_list.hpp"

#include <algorithm>

#include "base/crc32c.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"

namespace restante::content {
namespace {

constexpr std::string_view kListMagic = "RSTUNREF";
constexpr std::string_view kListSuffix = ".list";
constexpr std::uint16_t kListVersion = 1;
constexpr std::size_t kListHeaderBytes = 64;
constexpr std::size_t kListChecksumBytes = 4;

}  // namespace

std::string list_key(const Id128& list) { return base::cat(kListPrefix, list.to_string(), kListSuffix); }

Bytes encode_list(const Id128& target, const UnreferencedList& list) {
  Bytes bytes;
  base::ByteWriter writer(bytes);
  writer.raw(as_bytes(kListMagic));
  writer.u16(kListVersion);
  writer.u16(0);  // required features
  writer.u32(static_cast<std::uint32_t>(list.packs.size()));
  writer.raw(target);
  writer.raw(Id128{});  // no key
  writer.raw(list.id);
  for (const Id128& pack : list.packs) writer.raw(pack);
  writer.u32(base::crc32c(bytes));
  return bytes;
}

Result<UnreferencedList> decode_list(const Id128& target, const Id128& id, ByteView bytes) {
  const auto damaged = [&](std::string_view what) {
    return Status(Code::damaged, base::cat(list_key(id), ": ", what));
  };
  if (bytes.size() < kListHeaderBytes + kListChecksumBytes) return damaged("too short for a list of packs");
  const ByteView covered = bytes.first(bytes.size() - kListChecksumBytes);
  if (base::ByteReader(bytes.last(kListChecksumBytes)).u32() != base::crc32c(covered))
    return damaged("its checksum is wrong");
  base::ByteReader reader(covered);
  if (as_text(reader.raw(kListMagic.size())) != kListMagic) return damaged("not a list of packs");
  const std::uint16_t version = reader.u16();
  const std::uint16_t features = reader.u16();
  const std::uint32_t count = reader.u32();
  const Id128 of_target = reader.id();
  const Id128 key = reader.id();
  if (version > kListVersion || features != 0 || !key.is_none())
    return Status(Code::unsupported, base::cat(list_key(id), ": of a newer version than this one knows"));
  if (of_target != target || reader.id() != id)
    return damaged("belongs to another target, or is another list");
  if (reader.remaining() != std::uint64_t{count} * sizeof(Id128::bytes)) return damaged("has another length");
  UnreferencedList list{id, std::vector<Id128>(count)};
  for (Id128& pack : list.packs) pack = reader.id();
  const bool ascends =
      std::adjacent_find(list.packs.begin(), list.packs.end(),
                         [](const Id128& a, const Id128& b) { return !(a < b); }) == list.packs.end();
  if (!ascends) return damaged("its packs are not in order");
  return list;
}

Result<std::vector<Id128>> find_lists(Storage& storage) {
  std::vector<Id128> lists;
  const Status listed = storage.list(kListPrefix, [&](const ObjectInfo& object) -> Status {
    std::string_view name = std::string_view(object.key).substr(kListPrefix.size());
    if (!name.ends_with(kListSuffix)) return {};
    name.remove_suffix(kListSuffix.size());
    const Result<Id128> id = Id128::parse(name);
    if (id.ok() && list_key(*id) == object.key) lists.push_back(*id);
    return {};
  });
  if (!listed.ok()) return listed;
  std::sort(lists.begin(), lists.end());
  return lists;
}

Result<UnreferencedList> read_list(Storage& storage, const Id128& target, const Id128& id) {
  const Result<Bytes> bytes = storage.get(list_key(id), base::kMaxPackListBytes);
  if (bytes.status().code() == Code::no_space)
    return Status(Code::damaged, base::cat(list_key(id), ": longer than any list may be"));
  if (!bytes.ok()) return bytes.status();
  return decode_list(target, id, *bytes);
}

}  // namespace restante::content
