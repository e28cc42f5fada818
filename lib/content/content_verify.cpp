#include "content/content_verify.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "base/wire.hpp"
#include "content/pack_index.hpp"
#include "content/stored_reader.hpp"
#include "crypto/crypto.hpp"

namespace restante::content {
namespace {

constexpr std::size_t kHeaderAndEnvelope = kPackHeaderBytes + crypto::kEnvelopeBytes;

// Something of the storage that says nothing about the pack: the caller should try again.
bool is_failure_of_storage(const Status& status) {
  return !status.ok() && status.code() != Code::damaged && status.code() != Code::unsupported &&
         status.code() != Code::not_found;
}

class Verifier {
 public:
  Verifier(PartStore& store, const ReadExtent& extent) : store_(store), extent_(extent) {}

  Result<ContentVerification> run() {
    store_.forget_frames();
    const Result<std::vector<StoredPack>> packs = list_packs(store_.storage());
    if (!packs.ok()) return packs.status();
    choose(*packs);
    for (const StoredPack& pack : *packs) {
      if (Status checked = check_pack(pack); !checked.ok()) return checked;
    }
    if (Status checked = find_lost_parts(); !checked.ok()) return checked;
    if (Status checked = check_recipes(); !checked.ok()) return checked;
    if (Status marked = mark_packs(*packs); !marked.ok()) return marked;
    for (auto& [id, damage] : damages_) {
      damage.lost.assign(lost_[id].begin(), lost_[id].end());
      result_.damages.push_back(std::move(damage));
    }
    return std::move(result_);
  }

 private:
  void report(const Id128& pack, const std::string& what) {
    PackDamage& damage = damages_[pack];
    damage.pack_key = pack_key(pack);
    if (!damage.what.empty()) damage.what += "; ";
    damage.what += what;
  }

  // So many of them that a draw by `seed` puts first.
  void choose(const std::vector<StoredPack>& packs) {
    std::vector<std::pair<Digest, Id128>> drawn;
    for (const StoredPack& pack : packs) {
      Bytes lot;
      base::ByteWriter writer(lot);
      writer.u64(extent_.seed);
      writer.raw(pack.id);
      drawn.emplace_back(crypto::sha256(lot), pack.id);
    }
    std::sort(drawn.begin(), drawn.end());
    const std::size_t count = (drawn.size() * std::min(extent_.percent, 100u) + 99) / 100;
    for (std::size_t i = 0; i < count; ++i) chosen_.insert(drawn[i].second);
    result_.packs_read = count;
  }

  [[nodiscard]] bool reads(const Id128& pack) const { return chosen_.contains(pack); }

  Status check_pack(const StoredPack& pack) {
    ++result_.packs;
    result_.bytes += pack.size;
    Result<Index> index = read_index(store_.storage(), store_.site(), pack);
    if (is_failure_of_storage(index.status())) return index.status();
    if (index.status().code() == Code::not_found) return {};  // removed meanwhile
    if (!index.ok()) {
      report(pack.id, index.status().message());
      without_index_.insert(pack.id);
      index = salvage_index(store_.storage(), store_.site(), pack);
      if (is_failure_of_storage(index.status())) return index.status();
      if (!index.ok()) return {};
      report(pack.id, base::cat("its frames tell of ", index->parts.size(), " parts"));
    }
    result_.contents += index->parts.size();
    return reads(pack.id) ? check_frames(pack, *index) : check_beginning(pack);
  }

  Status check_beginning(const StoredPack& pack) {
    const Result<Bytes> header = store_.storage().get_range(pack_key(pack.id), 0, kHeaderAndEnvelope);
    if (is_failure_of_storage(header.status())) return header.status();
    check_header(pack, header.ok() ? *header : Bytes());
    return {};
  }

  void check_header(const StoredPack& pack, ByteView header) {
    const Status sound = check_pack_header(store_.site(), pack.id, header);
    if (!sound.ok()) report(pack.id, sound.message());
  }

  Status check_frames(const StoredPack& pack, const Index& index) {
    const Result<Bytes> bytes = store_.storage().get(pack_key(pack.id), base::kMaxPackBytes);
    if (is_failure_of_storage(bytes.status())) return bytes.status();
    if (!bytes.ok()) return {};
    check_header(pack, ByteView(*bytes).first(std::min(bytes->size(), kHeaderAndEnvelope)));
    const Result<std::shared_ptr<FrameOpener>> opener = open_frames(store_.storage(), store_.site(), pack.id);
    if (is_failure_of_storage(opener.status())) return opener.status();
    if (!opener.ok()) {
      report(pack.id, opener.status().message());
      for (const Part& part : index.parts) suspects_[part.id].insert(pack.id);
      return {};
    }
    std::vector<std::vector<Part>> parts(index.frames.size());
    for (const Part& part : index.parts) parts[part.frame].push_back(part);
    for (std::uint32_t i = 0; i < index.frames.size(); ++i) {
      if (parts[i].empty()) continue;  // a gap in what was salvaged
      const Status sound = check_frame(pack, **opener, i, index.frames[i], parts[i], *bytes);
      if (sound.ok()) continue;
      report(pack.id, base::cat("frame ", i, ": ", sound.message()));
      for (const Part& part : parts[i]) suspects_[part.id].insert(pack.id);
    }
    return {};
  }

  Status check_frame(const StoredPack& pack, FrameOpener& opener, std::uint32_t number, const Frame& frame,
                     const std::vector<Part>& parts, ByteView bytes) const {
    const auto damaged = [](std::string_view what) { return Status(Code::damaged, std::string(what)); };
    if (frame.offset > bytes.size()) return damaged("it is beyond the end");
    const Result<Block> block =
        decode_block({store_.options().target_id, pack.id}, frame.offset, bytes.subspan(frame.offset));
    if (!block.ok()) return block.status();
    if (block->kind != BlockKind::frame || block->number != number || block->crc != frame.crc ||
        block->stored.size() != frame.stored || block->raw != frame.raw) {
      return damaged("it is another than the index says");
    }
    const Result<Bytes> raw = opener.open(*block, frame.offset);
    if (!raw.ok()) return raw.status();
    const Result<FrameTable> table = decode_frame_table(*raw);
    if (!table.ok()) return table.status();
    return check_parts(*table, parts, *raw) ? Status() : damaged("its parts are others than the index says");
  }

  bool check_parts(const FrameTable& table, const std::vector<Part>& parts, ByteView raw) const {
    if (table.parts.size() != parts.size()) return false;
    std::uint32_t offset = table.data_offset;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const Part& part = parts[i];
      const FramePart& told = table.parts[i];
      if (part.kind != told.kind || part.length != told.length || part.offset != offset) return false;
      const Digest id =
          told.kind == kBytesPart ? store_.id_of(crypto::sha256(raw.subspan(offset, told.length))) : told.id;
      if (part.id != id) return false;
      offset += told.length;
    }
    return true;
  }

  // Which of the parts in damaged places have no sound place. A pack without index may hold more than its
  // frames tell; the catalog knows if it was read before.
  Status find_lost_parts() {
    if (!without_index_.empty()) {
      const Status listed = store_.catalog().each_part([&](const Location& place) {
        if (without_index_.contains(place.pack)) suspects_[place.part.id].insert(place.pack);
        return Status();
      });
      if (!listed.ok()) return listed;
    }
    for (const auto& [part, packs] : suspects_) {
      const Result<LoadedPart> loaded = store_.load(part);
      if (loaded.ok()) continue;
      if (is_failure_of_storage(loaded.status())) return loaded.status();
      for (const Id128& pack : packs) lost_[pack].insert(part);
    }
    return {};
  }

  Status check_recipes() {
    return store_.catalog().each_part([&](const Location& place) {
      return place.part.kind == kRecipePart ? check_recipe(place) : Status();
    });
  }

  // A recipe is lost with any of its parts. A damaged part is reported with the pack that holds it. That one
  // is missing is no damage of any pack: a removal takes parts of content that nothing names, and a power cut
  // may take them before anything names the recipe. Whoever names it reports that it is not there.
  Status check_recipe(const Location& place) {
    const Digest& id = place.part.id;
    const Result<Recipe> recipe = store_.load_recipe(id);
    if (is_failure_of_storage(recipe.status())) return recipe.status();
    if (!recipe.ok()) {
      lost_[place.pack].insert(id);
      if (!damages_.contains(place.pack)) report(place.pack, recipe.status().message());
      return {};
    }
    bool whole = true;
    for (const Segment& segment : recipe->segments) {
      if (!segment.names_part()) continue;
      for (auto& [pack, lost] : lost_) {
        if (!lost.contains(segment.part)) continue;
        whole = false;
        lost.insert(id);
      }
      const Result<bool> there = store_.has_part(segment.part, PartStore::Need::readable);
      if (!there.ok()) return there.status();
      if (*there) continue;
      lost_[place.pack].insert(id);
      whole = false;
    }
    return whole && reads(place.pack) ? check_content(place, recipe->size) : Status();
  }

  Status check_content(const Location& place, std::uint64_t size) {
    const auto reader = content_reader(place.part.id, size);
    Bytes buffer(base::kReadStepBytes);
    for (;;) {
      const Result<std::size_t> got = reader->read(buffer);
      if (got.ok() && *got > 0) continue;
      if (got.ok()) return {};
      if (is_failure_of_storage(got.status())) return got.status();
      report(place.pack, got.status().message());
      lost_[place.pack].insert(place.part.id);
      return {};
    }
  }

  std::unique_ptr<ContentReader> content_reader(const Digest& id, std::uint64_t size) {
    // The reader goes before the store does; the pointer that it wants owns nothing.
    return read_stored(std::shared_ptr<PartStore>(std::shared_ptr<void>(), &store_), {id, size});
  }

  Status mark_packs(const std::vector<StoredPack>& packs) {
    std::vector<Id128> damaged;
    for (const auto& [id, damage] : damages_) damaged.push_back(id);
    if (Status marked = store_.catalog().mark(damaged, catalog::Trust::damaged); !marked.ok()) return marked;
    if (chosen_.empty()) return {};
    const Result<std::vector<catalog::KnownPack>> known = store_.catalog().packs();
    if (!known.ok()) return known.status();
    for (const catalog::KnownPack& pack : *known) {
      if (pack.trust != catalog::Trust::damaged || damages_.contains(pack.id) || !reads(pack.id)) continue;
      if (Status trusted = trust_again(packs, pack.id); !trusted.ok()) return trusted;
    }
    return {};
  }

  // Somebody mended it. The index is read again: what the catalog has may come from what was left then. It is
  // relied upon once the next refresh has synced.
  Status trust_again(const std::vector<StoredPack>& packs, const Id128& id) {
    const auto found =
        std::find_if(packs.begin(), packs.end(), [&](const StoredPack& p) { return p.id == id; });
    if (found == packs.end()) return {};
    Result<Index> index = read_index(store_.storage(), store_.site(), *found);
    if (!index.ok()) return is_failure_of_storage(index.status()) ? index.status() : Status();
    const catalog::Pack pack{id, catalog::Trust::unsynced, std::move(index->frames), std::move(index->parts)};
    return store_.catalog().replace({&pack, 1});
  }

  PartStore& store_;
  const ReadExtent extent_;
  std::set<Id128> chosen_;
  ContentVerification result_;
  std::map<Id128, PackDamage> damages_;
  std::map<Id128, std::set<Digest>> lost_;
  std::map<Digest, std::set<Id128>> suspects_;
  std::set<Id128> without_index_;
};

}  // namespace

Result<ContentVerification> verify_packs(PartStore& store, const ReadExtent& extent) {
  return Verifier(store, extent).run();
}

}  // namespace restante::content
