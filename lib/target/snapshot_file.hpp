#pragma once
// Snapshots of accounts inside a session: sorted operations in compressed frames, many accounts to an
// object. Specified in docs/format/target.md, "Snapshots".

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <restante/operation.hpp>
#include <restante/storage.hpp>

#include "crypto/sealer.hpp"

namespace restante::target {

// A run of bytes of an object; `object` is relative to the session.
struct ObjectPart {
  std::string object;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// Where one snapshot lies: its section is the parts behind each other. What a session says of it holds it to
// its bytes.
struct SnapshotPlace {
  std::vector<ObjectPart> parts{};
  std::uint64_t operations = 0;
  Digest digest{};  // SHA-256 of the encoded operations
};

// Whose the snapshots of a session are, and who seals them. `prefix` is where the session is when it is
// published, and ends in "/".
struct SnapshotSite {
  Id128 target;
  std::string prefix;
  const crypto::ObjectSealer& sealer = crypto::plain_sealer();
};

// The objects that the writers of one session fill, each its own.
class SnapshotObjects {
 public:
  explicit SnapshotObjects(Publication& publication) : publication_(publication) {}
  // "snapshots/0001.snap" and so on. From any thread, as is `put`.
  [[nodiscard]] std::string next_name();
  [[nodiscard]] Status put(std::string_view name, ByteView bytes);

 private:
  std::mutex mutex_;
  Publication& publication_;
  unsigned named_ = 0;
};

// Writes snapshots of a session, one after the other. One thread at a time; several writers share `objects`,
// which outlives them.
class SnapshotWriter {
 public:
  SnapshotWriter(SnapshotObjects& objects, SnapshotSite site, int compression_level);
  ~SnapshotWriter();

  // One account's section: begin, put, end. A section that failed is dropped by beginning the next.
  [[nodiscard]] Status begin(std::string_view account_id);
  [[nodiscard]] Status put(const Operation& operation);
  [[nodiscard]] Result<SnapshotPlace> end();
  // Puts what is still in memory. Call once, at the end.
  [[nodiscard]] Status finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Streams a snapshot back. Every frame is checked before it is decoded, the whole at the end; `damaged` names
// the object.
[[nodiscard]] Result<std::unique_ptr<OpStream>> read_snapshot(std::shared_ptr<Storage> storage,
                                                              const SnapshotSite& site, SnapshotPlace place,
                                                              std::string account_id);

}  // namespace restante::target
