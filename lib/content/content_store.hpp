#pragma once
// The content store of one target: every distinct message or item content once, in packs.
//
// Writing: a ContentWriter cuts content along its MIME structure (content_cutter.hpp), collects the parts
// that are new into frames and frames into packs, puts whole packs through Storage and enters them into the
// catalog only after Storage::sync made them durable (flush()). Reading: the catalog says (pack, frame,
// offset). A message costs the frame of its recipe and mostly one more, and neighbours share both. A writer
// or reader of any content holds a few chunks. Specified in docs/format/content.md.
//
// Memory: a writer holds a pack, and for every thread that puts at a time a pack on its way and some 16 MiB;
// a store 16 MiB of frames. A crash leaves whole packs that no catalog knows; the next opening finds them.

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <restante/content.hpp>
#include <restante/storage.hpp>

#include "content/digest_set.hpp"

namespace restante::crypto {
class ObjectSealer;
}

namespace restante::content {

struct StoreOptions {
  Id128 target_id;
  // Directory of the catalog (LMDB), on a local file system; made if absent. One environment per process.
  std::string catalog_dir;
  int zstd_level = 3;
  std::uint64_t pack_bytes = 32u << 20;
  std::uint64_t frame_bytes = 256u << 10;
  // Seals the packs and makes the ids of a target with keys; null for one without.
  std::shared_ptr<const crypto::ObjectSealer> sealer;
};

struct PackDamage {
  std::string pack_key;
  std::string what;
  std::vector<Digest> lost;  // contents that cannot be read because of it
};

struct PackWarning {
  std::string pack_key;
  std::string what;
};

// What a catalog knows after it was made again.
struct CatalogCounts {
  std::uint64_t packs = 0;
  std::uint64_t parts = 0;
  std::vector<PackWarning> unreadable;  // packs, of which it knows nothing or what their frames tell
};

// What `verify` reads besides the structure.
struct ReadExtent {
  unsigned percent = 0;    // of the packs, every byte; rounded up
  std::uint64_t seed = 0;  // chooses them
};

struct ContentVerification {
  std::uint64_t packs = 0;
  std::uint64_t packs_read = 0;
  std::uint64_t contents = 0;  // what can be opened by an id, chunks of large contents too
  std::uint64_t bytes = 0;     // stored
  std::vector<PackDamage> damages;
};

// What a call of `mark` or `sweep` did.
struct Collection {
  std::optional<Id128> list;   // that it published
  std::uint64_t packs = 0;     // that it removed
  std::uint64_t bytes = 0;     // of those
  std::uint64_t repacked = 0;  // packs of which little was used, written anew
};

// What a writer began with; see `check_lease`.
struct Lease {
  std::vector<Id128> lists;  // of unreferenced packs, that it knows
  std::vector<Id128> packs;
};

struct WriteStats {
  std::uint64_t contents_seen = 0;
  std::uint64_t contents_new = 0;
  std::uint64_t bytes_seen = 0;
  std::uint64_t bytes_new = 0;     // before compression
  std::uint64_t bytes_stored = 0;  // after
};

// Every method may be called from any threads at once; as many work at a time as put. After a failed write or
// sync every method but `stats` answers `poisoned`, and what was not flushed is to be put again with a new
// writer. May outlive its store.
class ContentWriter {
 public:
  virtual ~ContentWriter() = default;
  // Reads `reader` to its end, stores what is new and returns the content's id and size. If `expected` is
  // given and differs, the answer is `damaged`. (Parts of large content may have been stored then, or when
  // the reader fails: nothing names them, and they go with the next removal.)
  [[nodiscard]] virtual Result<ContentRef> put(ContentReader& reader, const ContentRef* expected) = 0;
  // True when the content is durable or written and not yet flushed, so that it need not be put: not for
  // what was found damaged or was put by others and never synced.
  [[nodiscard]] virtual Result<bool> has(const ContentRef& content) = 0;
  // Waits for what is being put, finishes open packs, syncs the storage, enters them into the catalog. What
  // was put before is durable and readable by others afterwards. May be called often; a destroyed writer
  // loses what was not flushed.
  [[nodiscard]] virtual Status flush() = 0;
  [[nodiscard]] virtual WriteStats stats() const = 0;
};

// Where a content begins to be read. Contents that are read in this order find neighbours in the same frame.
struct ReadPlace {
  Id128 pack;
  std::uint32_t frame = 0;
  std::uint32_t offset = 0;
  auto operator<=>(const ReadPlace&) const = default;
};

class ContentStore : public ContentOpener {
 public:
  // Opens the store of a target; rebuilds the catalog if it is missing, damaged, of another target or knows
  // packs that are gone, and reads the indexes of packs that other machines wrote. A pack that cannot be read
  // is left out, `verify` names it. `busy` if the process has the catalog open for another target.
  [[nodiscard]] static Result<std::unique_ptr<ContentStore>> open(std::shared_ptr<Storage> storage,
                                                                  const StoreOptions& options);

  // Callable from any thread. Readers check the content's digest and answer `damaged` on a mismatch.
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open(const ContentRef& content) override = 0;
  // Nothing if it is not stored.
  [[nodiscard]] virtual Result<std::optional<ReadPlace>> place_of(const ContentRef& content) = 0;
  // How much memory decompressed frames may take from now on, for whoever reads much (kFrameCacheBytes).
  virtual void keep_frames(std::size_t bytes) = 0;
  // True when the content, each chunk included, is where it can be read.
  [[nodiscard]] virtual Result<bool> has(const ContentRef& content) = 0;
  // Several may work side by side; what two of them put at a time may be stored twice.
  [[nodiscard]] virtual Result<std::unique_ptr<ContentWriter>> writer() = 0;
  // Reads the indexes of packs that appeared since opening (another process's), and the lists of unreferenced
  // packs: writers rely on none of these.
  [[nodiscard]] virtual Status refresh() = 0;
  // As `refresh`, and looks at the end of every pack that writers rely upon, one small read each: one that
  // was cut off, or whose footer is not its own, is not relied upon from now on (as if `verify` had found it
  // damaged) and is in the answer. For whoever is about to write; the frames are left to `verify`.
  [[nodiscard]] virtual Result<std::vector<PackWarning>> check_ends() = 0;
  // Reads every pack's index again and drops what the catalog knew besides. Readers and writers may go on.
  [[nodiscard]] virtual Result<CatalogCounts> rebuild() = 0;

  // --- Removing (R12); docs/format/content.md says why it is done in this order ---

  // The ids of the lists that the storage has now.
  [[nodiscard]] virtual Result<std::vector<Id128>> lists() = 0;
  // Publishes a list of packs that nothing reaches from `references`, ids of contents, rewriting packs of
  // which little is used. `damaged`, `unsupported`, `not_found`: something that may be needed cannot be read,
  // so that nobody knows what else is; nothing was listed.
  [[nodiscard]] virtual Result<Collection> mark(DigestSet& references) = 0;
  // Removes the packs of these lists that nothing reaches from `references`. Every writer that may yet be
  // referred to must know the lists, and `references` must have been collected after that was found.
  [[nodiscard]] virtual Result<Collection> sweep(DigestSet& references, const std::vector<Id128>& lists) = 0;

  // Refreshes, and says what a writer that is made now knows. To be taken after the writer's session became
  // visible to others.
  [[nodiscard]] virtual Result<Lease> lease() = 0;
  // For whoever is about to publish: whether all of `contents`, by their SHA-256, is there. Nothing is read
  // if no pack has gone and no list has come since the lease was taken. `not_durable` names what is gone.
  [[nodiscard]] virtual Status check_lease(const Lease& lease, const std::set<Digest>& contents) = 0;

  // Structure of every pack; of those that `extent` chooses every frame, and the digest of every content that
  // begins in them. Writers store again what is in a pack that was found damaged, until it is found whole:
  // the next full backup mends what it can.
  [[nodiscard]] virtual Result<ContentVerification> verify(const ReadExtent& extent) = 0;
  [[nodiscard]] Result<ContentVerification> verify(bool read_data) {
    return verify(ReadExtent{read_data ? 100u : 0u, 0});
  }
};

// zstd for other objects of a target (snapshots, archived segments), one frame that states its size.
// decompress() answers `no_space` above `limit` before it allocates anything, `damaged` for everything else.
[[nodiscard]] Bytes compress(ByteView bytes, int level);
[[nodiscard]] Result<Bytes> decompress(ByteView bytes, std::uint64_t limit);

}  // namespace restante::content
