#pragma once
// Snapshots of accounts inside a session: sorted operations in compressed frames, many accounts to an
// object. Specified in docs/format/target.md, "Snapshots".

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <restante/operation.hpp>
#include <restante/storage.hpp>

namespace restante::target {

// A run of bytes of an object; `object` is relative to the session.
struct ObjectPart {
  std::string object;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// Where one snapshot lies: its section is the parts behind each other.
struct SnapshotPlace {
  std::vector<ObjectPart> parts;
  std::uint64_t operations = 0;
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
  SnapshotWriter(SnapshotObjects& objects, const Id128& target, int compression_level);
  ~SnapshotWriter();

  // One account's section: begin, put, end. A section that failed is dropped by beginning the next.
  void begin(std::string_view account_id);
  [[nodiscard]] Status put(const Operation& operation);
  [[nodiscard]] Result<SnapshotPlace> end();
  // Puts what is still in memory. Call once, at the end.
  [[nodiscard]] Status finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Streams a snapshot back. `session_prefix` ends in "/". Every frame is checked before it is decoded, the
// whole at the end; `damaged` names the object.
[[nodiscard]] Result<std::unique_ptr<OpStream>> read_snapshot(std::shared_ptr<Storage> storage,
                                                              std::string session_prefix, SnapshotPlace place,
                                                              const Id128& target, std::string account_id);

}  // namespace restante::target
