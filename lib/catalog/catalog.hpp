#pragma once
// Where every part of a target's content is: an index of packs in a local directory.
//
// It holds nothing that the packs do not say themselves, so it can be deleted and made again at any time.
// What makes it worth trusting in between is that a pack never changes under its id:
//   - an entry is written after the pack is durable, or is marked as unsynced: it promises nothing that a
//   power
//     cut can take away;
//   - every change is one LMDB transaction with plain syncs: LMDB writes the changed pages beside the old
//     ones, syncs, and then switches by writing one of two root pages of less than a sector. After an unclean
//     end the last switch that reached the disk counts, whole. MDB_NOSYNC, MDB_NOMETASYNC and MDB_WRITEMAP,
//     which would give that up, are not used;
//   - a root page that promises more than the file holds (a file system that lost its tail, a bad copy) is
//     found before LMDB maps the file, and the catalog is made again;
//   - a catalog of another target, or written by another version, is emptied; every transaction checks that
//     the catalog is still its own;
//   - what LMDB or the decoders here find wrong later marks the directory: the next opening makes it again.
// Damage that none of these sees can misplace content, not falsify it: whoever reads a part compares its
// digest.
//
// Ids are whole: 32 bytes a key. Half of that would save a third of the file and would do against chance, but
// mail comes from strangers: two texts that agree in 128 bits of SHA-256 cost 2^64 work, and then one of two
// messages would not be stored. An entry takes about 50 bytes plus LMDB's spare room, see
// docs/format/content.md.
//
// Threads: every method may be called from any thread at any time. Processes: several may have one catalog
// open; within a process all handles share one environment. A forked child gets `busy`.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace restante::catalog {

/// A frame in its pack.
struct Frame {
  std::uint32_t offset = 0;  // of its header
  std::uint32_t stored = 0;  // bytes behind the header
  std::uint32_t raw = 0;     // bytes decompressed
  std::uint32_t crc = 0;
  bool operator==(const Frame&) const = default;
};

/// A part in its pack.
struct Part {
  Digest id;
  std::uint8_t kind = 0;
  std::uint32_t frame = 0;
  std::uint32_t offset = 0;  // in the decompressed frame
  std::uint32_t length = 0;
  bool operator==(const Part&) const = default;
};

/// Whether a writer may leave out what a pack holds already.
enum class Trust : std::uint8_t {
  /// Seen, but no sync after it: a power cut may take it away.
  unsynced = 0,
  durable = 1,
  /// Something in it was found damaged.
  damaged = 2,
};

/// What a pack says about itself.
struct Pack {
  Id128 id;
  Trust trust = Trust::durable;
  std::vector<Frame> frames;
  std::vector<Part> parts;
};

/// What the catalog says about a pack.
struct KnownPack {
  Id128 id;
  Trust trust = Trust::durable;
  std::uint32_t parts = 0;
};

/// One place of a part.
struct Location {
  Id128 pack;
  Trust trust = Trust::durable;
  Part part;
  Frame frame;
};

struct Options {
  /// Made if absent, on a local file system.
  std::string directory;
  Id128 target_id;
  /// Address space to begin with; it grows when it is full.
  std::uint64_t map_bytes = 256u << 20;
};

class Environment;

class Catalog {
 public:
  /// `busy` when the process has the directory open for another target, or another process keeps opening it.
  [[nodiscard]] static Result<std::unique_ptr<Catalog>> open(const Options& options);
  ~Catalog();
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  /// Every place of a part in known packs, durable ones first; empty if there is none.
  [[nodiscard]] Result<std::vector<Location>> find(const Digest& id) const;

  /// Enters packs, one transaction each. Packs that are known stay as they are.
  [[nodiscard]] Status add(std::span<const Pack> packs);
  /// The same, but what was known of the packs is replaced.
  [[nodiscard]] Status replace(std::span<const Pack> packs);
  /// Takes packs away; parts that are in other packs too stay findable there.
  [[nodiscard]] Status forget(std::span<const Id128> packs);
  /// Changes the trust in packs; those that are not known are left out.
  [[nodiscard]] Status mark(std::span<const Id128> packs, Trust trust);

  /// In the order of their ids.
  [[nodiscard]] Result<std::vector<KnownPack>> packs() const;
  /// Calls `each` for every place of every part until it fails, in the order of the ids. No transaction is
  /// open meanwhile: what changes while it runs may be seen or not.
  [[nodiscard]] Status each_part(const std::function<Status(const Location&)>& each) const;

  /// Removes what forgotten packs left behind if that is more than a quarter, or always.
  enum class Sweep { when_worthwhile, always };
  [[nodiscard]] Status sweep(Sweep sweep);

 private:
  explicit Catalog(std::shared_ptr<Environment> environment);
  std::shared_ptr<Environment> environment_;
};

}  // namespace restante::catalog
