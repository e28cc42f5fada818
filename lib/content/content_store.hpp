#pragma once
// The content store of one target: every distinct message or item content once, in packs.
//
// Writing: a ContentWriter collects parts into frames and frames into packs, puts whole packs through
// Storage and enters them into the catalog only after Storage::sync made them durable (flush()).
// Reading: the catalog says (pack, frame, offset); one content costs one frame, and neighbours share it.
// A content above base::kContentChunkBytes is stored as chunks plus a recipe part that lists them, so that a
// writer or reader of any content holds one chunk. Specified in docs/format/content.md.
//
// Memory: a writer holds a pack and a few chunks (48 MiB with the default), a store 16 MiB of frames.
// A crash leaves whole packs that no catalog knows; the next opening finds them.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include <restante/content.hpp>
#include <restante/storage.hpp>

namespace restante::content {

struct StoreOptions {
  Id128 target_id;
  // Directory of the catalog (LMDB), on a local file system; made if absent. One environment per process.
  std::string catalog_dir;
  int zstd_level = 3;
  std::uint64_t pack_bytes = 32u << 20;
  std::uint64_t frame_bytes = 256u << 10;
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

struct ContentVerification {
  std::uint64_t packs = 0;
  std::uint64_t contents = 0;  // what can be opened by an id, chunks of large contents too
  std::uint64_t bytes = 0;     // stored
  std::vector<PackDamage> damages;
};

struct WriteStats {
  std::uint64_t contents_seen = 0;
  std::uint64_t contents_new = 0;
  std::uint64_t bytes_seen = 0;
  std::uint64_t bytes_new = 0;     // before compression
  std::uint64_t bytes_stored = 0;  // after
};

// Used by one thread at a time. After a failed write or sync every method but `stats` answers `poisoned`, and
// what was not flushed is to be put again with a new writer. May outlive its store.
class ContentWriter {
 public:
  virtual ~ContentWriter() = default;
  // Reads `reader` to its end, stores what is new and returns the content's id and size. If `expected` is
  // given and differs, the answer is `damaged` and the content is not kept; nor when the reader fails. (What
  // of a large one went into packs that were put already remains as chunks that nothing names.)
  [[nodiscard]] virtual Result<ContentRef> put(ContentReader& reader, const ContentRef* expected) = 0;
  // True when the content is durable or written and not yet flushed, so that it need not be put: not for
  // what was found damaged or was put by others and never synced.
  [[nodiscard]] virtual Result<bool> has(const ContentRef& content) = 0;
  // Finishes open packs, syncs the storage, enters them into the catalog. What was put before is durable
  // and readable by others afterwards. May be called often; a destroyed writer loses what was not flushed.
  [[nodiscard]] virtual Status flush() = 0;
  [[nodiscard]] virtual WriteStats stats() const = 0;
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
  // True when the content, each chunk included, is where it can be read.
  [[nodiscard]] virtual Result<bool> has(const ContentRef& content) = 0;
  // One writer at a time per thread; several writers may work side by side.
  [[nodiscard]] virtual Result<std::unique_ptr<ContentWriter>> writer() = 0;
  // Reads the indexes of packs that appeared since opening (another process's).
  [[nodiscard]] virtual Status refresh() = 0;
  // As `refresh`, and looks at the end of every pack that writers rely upon, one small read each: one that was
  // cut off, or whose footer is not its own, is not relied upon from now on (as if `verify` had found it
  // damaged) and is in the answer. For whoever is about to write; the frames are left to `verify`.
  [[nodiscard]] virtual Result<std::vector<PackWarning>> check_ends() = 0;
  // Reads every pack's index again and drops what the catalog knew besides. Readers and writers may go on.
  [[nodiscard]] virtual Status rebuild() = 0;
  // Structure of every pack; with `read_data` every frame and every content digest as well. Writers store
  // again what is in a pack that was found damaged, until it is found whole: the next full backup mends what
  // it can.
  [[nodiscard]] virtual Result<ContentVerification> verify(bool read_data) = 0;
};

// zstd for other objects of a target (snapshots, archived segments), one frame that states its size.
// decompress() answers `no_space` above `limit` before it allocates anything, `damaged` for everything else.
[[nodiscard]] Bytes compress(ByteView bytes, int level);
[[nodiscard]] Result<Bytes> decompress(ByteView bytes, std::uint64_t limit);

}  // namespace restante::content
