#pragma once
// The content store of one target: every distinct message or item content once, in packs.
//
// Writing: a ContentWriter collects parts into frames and frames into packs, puts whole packs through
// Storage and enters them into the catalog only after Storage::sync made them durable (flush()).
// Reading: the catalog says (pack, frame, offset); one content costs one frame.
// A content above base::kContentChunkBytes is stored as chunks plus a recipe part that lists them.

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

struct ContentVerification {
  std::uint64_t packs = 0;
  std::uint64_t contents = 0;
  std::uint64_t bytes = 0;  // stored
  std::vector<PackDamage> damages;
};

struct WriteStats {
  std::uint64_t contents_seen = 0;
  std::uint64_t contents_new = 0;
  std::uint64_t bytes_seen = 0;
  std::uint64_t bytes_new = 0;     // before compression
  std::uint64_t bytes_stored = 0;  // after
};

class ContentWriter {
 public:
  virtual ~ContentWriter() = default;
  // Reads `reader` to its end, stores what is new and returns the content's id and size. If `expected` is
  // given and differs, nothing is kept and the answer is `damaged`.
  [[nodiscard]] virtual Result<ContentRef> put(ContentReader& reader, const ContentRef* expected) = 0;
  // True when the content is stored or written and not yet flushed.
  [[nodiscard]] virtual Result<bool> has(const ContentRef& content) = 0;
  // Finishes open packs, syncs the storage, enters them into the catalog. What was put before is durable
  // and readable by others afterwards. May be called often; a destroyed writer loses what was not flushed.
  [[nodiscard]] virtual Status flush() = 0;
  [[nodiscard]] virtual WriteStats stats() const = 0;
};

class ContentStore : public ContentOpener {
 public:
  // Opens the store of a target; rebuilds the catalog if it is missing, damaged, of another target or knows
  // packs that are gone, and reads the indexes of packs that other machines wrote.
  [[nodiscard]] static Result<std::unique_ptr<ContentStore>> open(std::shared_ptr<Storage> storage,
                                                                  const StoreOptions& options);

  // Callable from any thread. Readers check the content's digest and answer `damaged` on a mismatch.
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open(const ContentRef& content) override = 0;
  [[nodiscard]] virtual Result<bool> has(const ContentRef& content) = 0;
  // One writer at a time per thread; several writers may work side by side.
  [[nodiscard]] virtual Result<std::unique_ptr<ContentWriter>> writer() = 0;
  // Reads the indexes of packs that appeared since opening (another process's).
  [[nodiscard]] virtual Status refresh() = 0;
  // Throws the catalog away and reads every pack's index again.
  [[nodiscard]] virtual Status rebuild() = 0;
  // Structure of every pack; with `read_data` every frame and every content digest as well.
  [[nodiscard]] virtual Result<ContentVerification> verify(bool read_data) = 0;
};

// zstd for other objects of a target (snapshots, archived segments); bombs are bounded by `limit`.
[[nodiscard]] Bytes compress(ByteView bytes, int level);
[[nodiscard]] Result<Bytes> decompress(ByteView bytes, std::uint64_t limit);

}  // namespace restante::content
