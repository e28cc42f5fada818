#pragma once
// Reads an archive to its end into a spool. Entries are named and told apart, and never unpacked.

#include <restante/archive.hpp>

#include <string>
#include <unordered_map>
#include <vector>

#include "archive/spool.hpp"

namespace restante::archive {

// Lines for people, the first `kMaxArchiveNotes` of them.
class Notes {
 public:
  void add(std::string note);
  // With how many more there were.
  [[nodiscard]] std::vector<std::string> take();

 private:
  std::vector<std::string> notes_;
  std::uint64_t more_ = 0;
};

struct Entry {
  // Without "./" and "/" before and "/" behind; no part of it is "." or "..".
  std::string name;
  Piece piece;
  std::optional<Time> time;
};

struct Entries {
  // Regular files, in the order of the archive.
  std::vector<Entry> files;
  std::unordered_map<std::string, std::size_t> by_name;
  std::vector<std::string> directories;
  // Names that came twice.
  std::vector<std::string> twice;

  [[nodiscard]] const Entry* find(const std::string& name) const {
    const auto found = by_name.find(name);
    return found == by_name.end() ? nullptr : &files[found->second];
  }
};

// Where the archive comes from.
class ArchiveInput {
 public:
  virtual ~ArchiveInput() = default;
  [[nodiscard]] virtual Result<std::size_t> read(MutableByteView buffer) = 0;
  // The size of what can be read from any place, as a zip wants it; nothing for a pipe.
  [[nodiscard]] virtual std::optional<std::uint64_t> size() const { return std::nullopt; }
  // Where to go on; only with a size.
  virtual void seek(std::uint64_t offset) { (void)offset; }
};

struct ReadJob {
  ArchiveInput& input;
  Spool& spool;
  Notes& notes;
  const CancelToken& cancel;
  const ProgressFunction& progress;
};
// Any input is safe. `damaged` for what is no archive or ends too early, `no_space` for a bomb.
[[nodiscard]] Result<Entries> read_entries(const ReadJob& job);

// The name as `Entry` has it; nothing for one that leads elsewhere or is no path.
[[nodiscard]] std::optional<std::string> entry_name(std::string_view name);

}  // namespace restante::archive
