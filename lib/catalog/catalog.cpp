#include "catalog/catalog.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "catalog/environment.hpp"
#include "catalog/records.hpp"

namespace restante::catalog {
namespace {

// One transaction collects at most this many entries: what it holds in memory stays small, and nobody waits
// long behind it.
constexpr std::size_t kBatch = 4096;

const ByteView kNext = as_bytes("next");
const ByteView kDangling = as_bytes("dangling");

Status unreadable(const char* table) {
  return Status(Code::damaged, base::cat("the catalog's table of ", table, " holds what cannot be read"),
                "open it again; it is made anew from the packs");
}

Result<std::uint64_t> counter(Transaction& transaction, ByteView name) {
  const auto value = transaction.get(Table::meta, name);
  if (!value.ok()) return value.status();
  if (!*value) return std::uint64_t{0};
  const auto number = decode_u64(**value);
  if (!number) return unreadable("counters");
  return *number;
}

Result<std::optional<std::uint64_t>> number_of(Transaction& transaction, const Id128& pack) {
  const auto value = transaction.get(Table::numbers, pack.bytes);
  if (!value.ok()) return value.status();
  if (!*value) return std::optional<std::uint64_t>();
  const auto number = decode_u64(**value);
  if (!number) return unreadable("pack numbers");
  return number;
}

Result<std::optional<KnownPack>> pack_at(Transaction& transaction, std::uint64_t number) {
  const auto value = transaction.get(Table::packs, encode_pack_key(number));
  if (!value.ok()) return value.status();
  if (!*value) return std::optional<KnownPack>();
  const auto pack = decode_pack(**value);
  if (!pack) return unreadable("packs");
  return pack;
}

Status forget_one(Transaction& transaction, const Id128& pack) {
  const auto number = number_of(transaction, pack);
  if (!number.ok()) return number.status();
  if (!*number) return {};
  const auto known = pack_at(transaction, **number);
  if (!known.ok()) return known.status();
  const Result<std::uint64_t> dangling = counter(transaction, kDangling);
  if (!dangling.ok()) return dangling.status();

  const Bytes prefix = encode_pack_key(**number);
  std::vector<Bytes> frames;
  Status done = transaction.scan(Table::frames, prefix, [&](ByteView key, ByteView) {
    if (!std::equal(prefix.begin(), prefix.end(), key.begin(),
                    key.begin() + std::min<std::ptrdiff_t>(8, std::ssize(key))))
      return false;
    frames.emplace_back(key.begin(), key.end());
    return true;
  });
  for (const Bytes& frame : frames) {
    if (done.ok()) done = transaction.remove(Table::frames, frame);
  }
  if (done.ok()) done = transaction.remove(Table::packs, prefix);
  if (done.ok()) done = transaction.remove(Table::numbers, pack.bytes);
  const std::uint64_t parts = *known ? (*known)->parts : 0;
  if (done.ok()) done = transaction.put(Table::meta, kDangling, encode_u64(*dangling + parts));
  return done;
}

Status add_one(Transaction& transaction, const Pack& pack) {
  const Result<std::uint64_t> next = counter(transaction, kNext);
  if (!next.ok()) return next.status();
  const std::uint64_t number = *next;
  Status done = transaction.put(Table::meta, kNext, encode_u64(number + 1));
  if (done.ok()) done = transaction.put(Table::numbers, pack.id.bytes, encode_u64(number));
  const KnownPack known{pack.id, pack.trust, static_cast<std::uint32_t>(pack.parts.size())};
  if (done.ok()) done = transaction.put(Table::packs, encode_pack_key(number), encode_pack(known));
  for (std::uint32_t i = 0; i < pack.frames.size() && done.ok(); ++i) {
    done = transaction.put(Table::frames, encode_frame_key(number, i), encode_frame(pack.frames[i]));
  }
  // In the order of their keys, so that neighbours share the pages that are written.
  std::vector<const Part*> sorted;
  for (const Part& part : pack.parts) sorted.push_back(&part);
  std::sort(sorted.begin(), sorted.end(), [](const Part* a, const Part* b) { return a->id < b->id; });
  for (const Part* part : sorted) {
    if (!done.ok()) break;
    const PartPlace place{number, part->frame, part->offset, part->length, part->kind};
    done = transaction.put(Table::parts, part->id.bytes, encode_place(place));
  }
  return done;
}

// Nothing for an entry of a forgotten pack.
Result<std::optional<Location>> location_of(Transaction& transaction, const Digest& id, ByteView value) {
  const auto place = decode_place(value);
  if (!place) return unreadable("parts");
  const auto pack = pack_at(transaction, place->pack);
  if (!pack.ok()) return pack.status();
  if (!*pack) return std::optional<Location>();
  const auto frame_value = transaction.get(Table::frames, encode_frame_key(place->pack, place->frame));
  if (!frame_value.ok()) return frame_value.status();
  const auto frame = *frame_value ? decode_frame(**frame_value) : std::nullopt;
  if (!frame) return unreadable("frames");
  const Part part{id, place->kind, place->frame, place->offset, place->length};
  return std::optional<Location>(Location{(*pack)->id, (*pack)->trust, part, *frame});
}

bool is_key(ByteView key, const Digest& id) {
  return std::equal(key.begin(), key.end(), id.bytes.begin(), id.bytes.end());
}

// One entry of `parts`, copied out of its transaction.
struct PartEntry {
  Digest id;
  Bytes value;
};

// Up to kBatch entries behind `last`, in order.
Status read_batch(Transaction& transaction, const std::optional<PartEntry>& last,
                  std::vector<PartEntry>& batch) {
  bool sound = true;
  const ByteView from = last ? ByteView(last->id.bytes) : ByteView();
  const Status scanned = transaction.scan(Table::parts, from, [&](ByteView key, ByteView value) {
    PartEntry entry;
    sound = key.size() == entry.id.bytes.size();
    if (!sound) return false;
    std::copy(key.begin(), key.end(), entry.id.bytes.begin());
    entry.value.assign(value.begin(), value.end());
    if (last && entry.id == last->id && entry.value <= last->value) return true;
    batch.push_back(std::move(entry));
    return batch.size() < kBatch;
  });
  return sound ? scanned : unreadable("parts");
}

}  // namespace

Catalog::Catalog(std::shared_ptr<Environment> environment) : environment_(std::move(environment)) {}
Catalog::~Catalog() = default;

Result<std::unique_ptr<Catalog>> Catalog::open(const Options& options) {
  Result<std::shared_ptr<Environment>> environment = Environment::acquire(options);
  if (!environment.ok()) return environment.status();
  return std::unique_ptr<Catalog>(new Catalog(std::move(*environment)));
}

Result<std::vector<Location>> Catalog::find(const Digest& id) const {
  std::vector<Location> found;
  Status status = environment_->read([&](Transaction& transaction) {
    found.clear();
    std::vector<Bytes> values;
    Status scanned = transaction.scan(Table::parts, id.bytes, [&](ByteView key, ByteView value) {
      if (!is_key(key, id)) return false;
      values.emplace_back(value.begin(), value.end());
      return true;
    });
    if (!scanned.ok()) return scanned;
    for (const Bytes& value : values) {
      Result<std::optional<Location>> location = location_of(transaction, id, value);
      if (!location.ok()) return location.status();
      if (*location) found.push_back(**location);
    }
    return Status();
  });
  if (!status.ok()) return status;
  std::stable_partition(found.begin(), found.end(),
                        [](const Location& place) { return place.trust == Trust::durable; });
  return found;
}

Status Catalog::add(std::span<const Pack> packs) {
  for (const Pack& pack : packs) {
    Status added = environment_->write([&](Transaction& transaction) {
      const auto known = number_of(transaction, pack.id);
      if (!known.ok()) return known.status();
      return *known ? Status() : add_one(transaction, pack);
    });
    if (!added.ok()) return added;
  }
  return {};
}

Status Catalog::replace(std::span<const Pack> packs) {
  for (const Pack& pack : packs) {
    Status replaced = environment_->write([&](Transaction& transaction) {
      Status forgotten = forget_one(transaction, pack.id);
      return forgotten.ok() ? add_one(transaction, pack) : forgotten;
    });
    if (!replaced.ok()) return replaced;
  }
  return {};
}

Status Catalog::forget(std::span<const Id128> packs) {
  for (const Id128& pack : packs) {
    Status forgotten =
        environment_->write([&](Transaction& transaction) { return forget_one(transaction, pack); });
    if (!forgotten.ok()) return forgotten;
  }
  return {};
}

Status Catalog::mark(std::span<const Id128> packs, Trust trust) {
  return environment_->write([&](Transaction& transaction) {
    for (const Id128& id : packs) {
      const auto number = number_of(transaction, id);
      if (!number.ok()) return number.status();
      if (!*number) continue;
      auto pack = pack_at(transaction, **number);
      if (!pack.ok()) return pack.status();
      if (!*pack) continue;
      (*pack)->trust = trust;
      Status put = transaction.put(Table::packs, encode_pack_key(**number), encode_pack(**pack));
      if (!put.ok()) return put;
    }
    return Status();
  });
}

Result<std::vector<KnownPack>> Catalog::packs() const {
  std::vector<KnownPack> packs;
  bool sound = true;
  const Status status = environment_->read([&](Transaction& transaction) {
    packs.clear();
    Status scanned = transaction.scan(Table::packs, {}, [&](ByteView, ByteView value) {
      const auto pack = decode_pack(value);
      sound = pack.has_value();
      if (sound) packs.push_back(*pack);
      return sound;
    });
    return sound ? scanned : unreadable("packs");
  });
  if (!status.ok()) return status;
  std::sort(packs.begin(), packs.end(), [](const KnownPack& a, const KnownPack& b) { return a.id < b.id; });
  return packs;
}

Status Catalog::each_part(const std::function<Status(const Location&)>& each) const {
  std::optional<PartEntry> last;
  for (;;) {
    std::vector<PartEntry> batch;
    std::vector<Location> locations;
    const Status read = environment_->read([&](Transaction& transaction) {
      batch.clear();
      locations.clear();
      if (Status scanned = read_batch(transaction, last, batch); !scanned.ok()) return scanned;
      for (const PartEntry& entry : batch) {
        Result<std::optional<Location>> location = location_of(transaction, entry.id, entry.value);
        if (!location.ok()) return location.status();
        if (*location) locations.push_back(**location);
      }
      return Status();
    });
    if (!read.ok()) return read;
    for (const Location& location : locations) {
      if (Status answer = each(location); !answer.ok()) return answer;
    }
    if (batch.size() < kBatch) return {};
    last = std::move(batch.back());
  }
}

Status Catalog::sweep(Sweep sweep) {
  std::uint64_t dangling = 0;
  std::uint64_t entries = 0;
  const Status counted = environment_->read([&](Transaction& transaction) {
    const Result<std::uint64_t> all = transaction.entries(Table::parts);
    const Result<std::uint64_t> left = counter(transaction, kDangling);
    if (!all.ok()) return all.status();
    if (!left.ok()) return left.status();
    entries = *all;
    dangling = *left;
    return Status();
  });
  if (!counted.ok()) return counted;
  if (sweep == Sweep::when_worthwhile && dangling <= entries / 4) return {};

  std::optional<PartEntry> last;
  for (bool more = true; more;) {
    std::vector<PartEntry> batch;
    const Status swept = environment_->write([&](Transaction& transaction) {
      batch.clear();
      if (Status read = read_batch(transaction, last, batch); !read.ok()) return read;
      for (const PartEntry& entry : batch) {
        const auto place = decode_place(entry.value);
        if (!place) return unreadable("parts");
        const auto pack = pack_at(transaction, place->pack);
        if (!pack.ok()) return pack.status();
        if (*pack) continue;
        if (Status removed = transaction.remove(Table::parts, entry.id.bytes, entry.value); !removed.ok()) {
          return removed;
        }
      }
      return Status();
    });
    if (!swept.ok()) return swept;
    more = batch.size() == kBatch;
    if (more) last = std::move(batch.back());
  }
  return environment_->write(
      [&](Transaction& transaction) { return transaction.put(Table::meta, kDangling, encode_u64(0)); });
}

}  // namespace restante::catalog
