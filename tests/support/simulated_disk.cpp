#include "support/simulated_disk.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

namespace restante::test {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::string_view kBootIdPath = "/proc/sys/kernel/random/boot_id";

// Names of files are told apart in all disks of a process.
std::uint64_t next_number() {
  static std::uint64_t number = 0;
  return ++number;
}

Status failure(Code code, const std::string& what) { return Status(code, "simulated disk: " + what); }

Bytes read_memory(int fd) {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  Bytes bytes(static_cast<std::size_t>(std::max<off_t>(size, 0)));
  const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), 0);
  bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return bytes;
}

}  // namespace

/// Something done to a file or a directory since its last sync.
struct SimulatedDisk::Change {
  enum Kind { write, resize, name } kind = write;
  std::uint64_t stamp = 0;
  /// Of a write, and the size in `offset` of a resize.
  std::uint64_t offset = 0;
  Bytes bytes{};
  /// Of a directory: the name and what it stands for now (null: nothing), and the name that it had before.
  std::string to{};
  std::string from{};
  NodePtr node{};
  /// Of a name that was moved to another directory: that directory, and the stamp of the same change there.
  std::weak_ptr<Node> moved_to{};
  std::uint64_t moved_stamp = 0;
};

struct SimulatedDisk::Node {
  std::uint64_t number = 0;
  os::FileType type = os::FileType::regular;
  std::uint32_t mode = 0600;
  std::int64_t mtime_ns = 0;

  // As processes see it.
  Bytes bytes;
  Names names;
  // As it was at its last sync, and what happened since.
  Bytes synced_bytes;
  Names synced_names;
  std::vector<Change> changes;

  /// A file that is mapped, and what was in it when the machine stopped.
  os::Fd memory;
  std::optional<Bytes> memory_at_stop;
};

struct SimulatedDisk::Place {
  NodePtr directory;
  std::string name;
  NodePtr node;  // null if there is nothing of that name
};

/// The part of a write that lies in one sector.
struct SimulatedDisk::Piece {
  std::uint64_t sector = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

std::vector<SimulatedDisk::Piece> SimulatedDisk::pieces_of(const Change& change) {
  std::vector<Piece> pieces;
  if (change.kind != Change::write) return pieces;
  const std::uint64_t end = change.offset + change.bytes.size();
  for (std::uint64_t at = change.offset; at < end; at = pieces.back().end)
    pieces.push_back({at / kSector, at, std::min(end, (at / kSector + 1) * kSector)});
  return pieces;
}

void SimulatedDisk::copy_piece(const Change& write, const Piece& piece, Bytes& bytes) {
  if (bytes.size() < piece.end) bytes.resize(static_cast<std::size_t>(piece.end));
  const auto from = write.bytes.begin() + static_cast<std::ptrdiff_t>(piece.begin - write.offset);
  std::copy_n(from, piece.end - piece.begin, bytes.begin() + static_cast<std::ptrdiff_t>(piece.begin));
}

SimulatedDisk::SimulatedDisk(std::uint64_t seed, std::string mapped)
    : engine_(seed), mapped_(std::move(mapped)), anchor_(::eventfd(0, EFD_CLOEXEC)) {
  root_ = make_node(os::FileType::directory);
  boot_id_ = make_node(os::FileType::regular);
  new_boot();
}

SimulatedDisk::~SimulatedDisk() = default;

void SimulatedDisk::new_boot() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) id += '-';
    id += kDigits[static_cast<std::size_t>(below(16))];
  }
  id += '\n';
  boot_id_->bytes.assign(id.begin(), id.end());
}

SimulatedDisk::NodePtr SimulatedDisk::make_node(os::FileType type) {
  auto node = std::make_shared<Node>();
  node->number = next_number();
  node->type = type;
  return node;
}

// --- Crashes -----------------------------------------------------------------------------------------

void SimulatedDisk::crash_at(std::uint64_t n) {
  changes_ = 0;
  crash_at_ = n;
}

void SimulatedDisk::stop() {
  if (is_down_) return;
  is_down_ = true;
  // What processes do to their memory while they end is of no concern to anybody.
  for_each(root_, [](Node& node) {
    if (node.memory.is_open()) node.memory_at_stop = read_memory(node.memory.get());
  });
}

Status SimulatedDisk::down() { return failure(Code::io, "the machine has stopped"); }

// Every change goes through here. With the last one the machine stops; whether that one was begun is left to
// chance, and `make` is told that it is the last.
template <class Make>
auto SimulatedDisk::change(Make make) -> decltype(make(false)) {
  if (is_down_) return down();
  const bool is_last = changes_++ == crash_at_;
  if (!is_last) return make(false);
  if (below(2) == 0) (void)make(true);
  stop();
  return down();
}

SimulatedDisk::Crash SimulatedDisk::random_crash() {
  constexpr std::array<Survival, 6> kAll = {Survival::nothing, Survival::everything, Survival::each,
                                            Survival::each,    Survival::earlier,    Survival::earlier};
  Crash crash;
  crash.bytes = kAll[static_cast<std::size_t>(below(kAll.size()))];
  crash.metadata = kAll[static_cast<std::size_t>(below(kAll.size()))];
  return crash;
}

bool SimulatedDisk::survives(Survival survival, std::uint64_t stamp, std::uint64_t moment) {
  switch (survival) {
    case Survival::nothing: return false;
    case Survival::everything: return true;
    case Survival::each: return below(2) == 0;
    case Survival::earlier: return stamp < moment;
  }
  return false;
}

void SimulatedDisk::for_each(const NodePtr& node, const std::function<void(Node&)>& visit) {
  std::set<Node*> seen;
  std::vector<NodePtr> left{node};
  while (!left.empty()) {
    const NodePtr next = std::move(left.back());
    left.pop_back();
    if (!seen.insert(next.get()).second) continue;
    visit(*next);
    for (const auto& [name, child] : next->names) left.push_back(child);
  }
}

void SimulatedDisk::restart_machine(const Crash& crash) {
  stop();
  // The oldest change that is not synced, whatever it is about: moments before it are all the same.
  std::uint64_t first = next_stamp_;
  for_each(root_, [&](Node& node) {
    if (!node.changes.empty()) first = std::min(first, node.changes.front().stamp);
  });
  const std::uint64_t moment = first + below(next_stamp_ - first + 1);
  kept_.clear();
  // From above: what a lost name stood for is lost with it.
  for_each(root_, [&](Node& node) {
    if (node.type == os::FileType::directory) {
      restart_directory(node, crash, moment);
    } else if (node.memory.is_open()) {
      restart_memory(node);
    } else {
      restart_file(node, crash, moment);
    }
  });
  descriptors_.clear();
  new_boot();
  is_down_ = false;
  crash_at(std::numeric_limits<std::uint64_t>::max());
  syncs_until_failure_.reset();
}

void SimulatedDisk::restart_processes() {
  stop();
  for_each(root_, [](Node& node) {
    if (!node.memory_at_stop) return;
    (void)::ftruncate(node.memory.get(), static_cast<off_t>(node.memory_at_stop->size()));
    (void)::pwrite(node.memory.get(), node.memory_at_stop->data(), node.memory_at_stop->size(), 0);
    node.memory_at_stop.reset();
  });
  descriptors_.clear();
  is_down_ = false;
  crash_at(std::numeric_limits<std::uint64_t>::max());
  syncs_until_failure_.reset();
}

void SimulatedDisk::restart_directory(Node& directory, const Crash& crash, std::uint64_t moment) {
  Names names = directory.synced_names;
  for (const Change& change : directory.changes) {
    if (!change.moved_to.expired()) {
      // It never has no name at all.
      const bool loses_old_name = crash.metadata != Survival::each || below(4) != 0;
      if (has_arrived(change, crash, moment) && loses_old_name) names.erase(change.to);
      continue;
    }
    if (!is_kept(change.stamp, crash, moment)) continue;
    if (change.node != nullptr) {
      names[change.to] = change.node;
    } else {
      names.erase(change.to);
    }
    const bool loses_old_name = crash.metadata != Survival::each || below(4) != 0;
    if (!change.from.empty() && loses_old_name) names.erase(change.from);
  }
  directory.names = directory.synced_names = std::move(names);
  directory.changes.clear();
}

// One answer for both directories of a rename.
bool SimulatedDisk::is_kept(std::uint64_t stamp, const Crash& crash, std::uint64_t moment) {
  const auto found = kept_.find(stamp);
  if (found != kept_.end()) return found->second;
  return kept_[stamp] = survives(crash.metadata, stamp, moment);
}

bool SimulatedDisk::has_arrived(const Change& removal, const Crash& crash, std::uint64_t moment) {
  const NodePtr there = removal.moved_to.lock();
  if (there == nullptr) return true;
  for (const Change& change : there->changes)
    if (change.stamp == removal.moved_stamp) return is_kept(change.stamp, crash, moment);
  // Synced already, or restarted already and then remembered.
  const auto found = kept_.find(removal.moved_stamp);
  return found == kept_.end() || found->second;
}

// Of the changes of one kind to one thing, so many from the first on are there.
std::uint64_t SimulatedDisk::kept_of(const std::vector<std::uint64_t>& stamps, Survival survival,
                                     std::uint64_t moment) {
  switch (survival) {
    case Survival::nothing: return 0;
    case Survival::everything: return stamps.size();
    case Survival::each: return below(stamps.size() + 1);
    case Survival::earlier: break;
  }
  return static_cast<std::uint64_t>(
      std::count_if(stamps.begin(), stamps.end(), [&](std::uint64_t stamp) { return stamp < moment; }));
}

void SimulatedDisk::restart_file(Node& file, const Crash& crash, std::uint64_t moment) {
  std::map<std::uint64_t, std::vector<std::uint64_t>> writes;
  std::vector<std::uint64_t> sizes;
  for (const Change& change : file.changes) {
    if (change.kind == Change::resize) sizes.push_back(change.stamp);
    for (const Piece& piece : pieces_of(change)) writes[piece.sector].push_back(change.stamp);
  }
  struct Fate {
    std::uint64_t kept = 0;
    bool is_next_torn = false;
  };
  std::map<std::uint64_t, Fate> fates;
  const bool may_tear = crash.bytes == Survival::each || crash.bytes == Survival::earlier;
  for (const auto& [sector, stamps] : writes)
    fates[sector] = {kept_of(stamps, crash.bytes, moment), may_tear && below(4) == 0};
  std::uint64_t sizes_left = kept_of(sizes, crash.metadata, moment);

  Bytes bytes = file.synced_bytes;
  std::uint64_t size = bytes.size();
  for (const Change& change : file.changes) {
    if (change.kind == Change::resize && sizes_left > 0) {
      --sizes_left;
      size = change.offset;
      if (bytes.size() > size) std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(size), bytes.end(), 0);
    }
    for (Piece piece : pieces_of(change)) {
      Fate& fate = fates[piece.sector];
      if (fate.kept > 0) {
        --fate.kept;
      } else if (std::exchange(fate.is_next_torn, false)) {
        (below(2) == 0 ? piece.end : piece.begin) = piece.begin + below(piece.end - piece.begin + 1);
      } else {
        continue;
      }
      copy_piece(change, piece, bytes);
    }
  }
  bytes.resize(static_cast<std::size_t>(size));
  file.bytes = file.synced_bytes = std::move(bytes);
  file.changes.clear();
}

// Nobody has synced it: it is as it was, or in part, or empty.
void SimulatedDisk::restart_memory(Node& file) {
  Bytes bytes = file.memory_at_stop ? std::move(*file.memory_at_stop) : Bytes();
  file.memory_at_stop.reset();
  switch (below(4)) {
    case 0: bytes.clear(); break;
    case 1: bytes.resize(static_cast<std::size_t>(below(bytes.size() + 1))); break;
    case 2: std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2), bytes.end(), 0); break;
    default: break;
  }
  // What still maps the old memory goes on with that.
  file.memory.reset(::memfd_create("simulated", MFD_CLOEXEC));
  (void)::ftruncate(file.memory.get(), static_cast<off_t>(bytes.size()));
  (void)::pwrite(file.memory.get(), bytes.data(), bytes.size(), 0);
}

// --- Looking -----------------------------------------------------------------------------------------

std::map<std::string, Bytes> SimulatedDisk::files(const std::string& path) const {
  std::map<std::string, Bytes> all;
  const Result<Place> place = find(AT_FDCWD, path);
  if (!place.ok() || place->node == nullptr) return all;
  for (const auto& [name, node] : place->node->names) {
    if (node->type == os::FileType::regular && !node->memory.is_open()) all[name] = node->bytes;
  }
  return all;
}

std::string SimulatedDisk::describe(const std::string& path) const {
  std::string text;
  const Result<Place> place = find(AT_FDCWD, path);
  if (!place.ok() || place->node == nullptr) return text;
  for (const auto& [name, node] : place->node->names)
    text += " " + name + "#" + std::to_string(node->number) + "(" + std::to_string(node->bytes.size()) + ")";
  return text;
}

bool SimulatedDisk::has_unsynced() const {
  bool found = false;
  for_each(root_, [&](Node& node) { found = found || !node.changes.empty(); });
  return found;
}

// --- Io ----------------------------------------------------------------------------------------------

SimulatedDisk::NodePtr SimulatedDisk::node_of(int fd) const {
  const auto found = descriptors_.find(fd);
  return found == descriptors_.end() ? nullptr : found->second;
}

Result<SimulatedDisk::Place> SimulatedDisk::find(int dirfd, const std::string& name) const {
  Place place;
  place.node = name.starts_with('/') || dirfd == AT_FDCWD ? root_ : node_of(dirfd);
  if (place.node == nullptr) return failure(Code::io, "this is no directory of it");
  std::string_view left = name;
  std::vector<NodePtr> above;
  while (!left.empty()) {
    const std::size_t slash = left.find('/');
    const std::string part(left.substr(0, slash));
    left.remove_prefix(slash == std::string_view::npos ? left.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == ".." && !above.empty()) {
      place.node = std::exchange(above.back(), nullptr);
      above.pop_back();
      continue;
    }
    if (place.node == nullptr || place.node->type != os::FileType::directory)
      return failure(Code::not_found, "no " + name);
    above.push_back(place.node);
    place.directory = place.node;
    place.name = part;
    const auto found = place.directory->names.find(part);
    place.node = found == place.directory->names.end() ? nullptr : found->second;
  }
  return place;
}

Result<os::Fd> SimulatedDisk::descriptor_of(const NodePtr& node) {
  const int below_it = node->memory.is_open() ? node->memory.get() : anchor_.get();
  const int fd = ::fcntl(below_it, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return failure(Code::io, "no descriptor is left");
  descriptors_[fd] = node;
  return os::Fd(fd);
}

Result<os::Fd> SimulatedDisk::open_at(int dirfd, const std::string& name, int flags, mode_t mode) {
  if (is_down_) return down();
  if (name == kBootIdPath) return descriptor_of(boot_id_);
  const Result<Place> place = find(dirfd, name);
  if (!place.ok()) return place.status();
  const bool is_directory = place->node != nullptr && place->node->type == os::FileType::directory;
  if (place->node != nullptr && (flags & O_EXCL) != 0) return failure(Code::already_exists, name + " exists");
  if ((flags & O_DIRECTORY) != 0 && place->node != nullptr && !is_directory)
    return failure(Code::io, name + " is no directory");
  if (place->node != nullptr) return descriptor_of(place->node);
  if ((flags & O_CREAT) == 0) return failure(Code::not_found, "no " + name);
  return change([&](bool) -> Result<os::Fd> {
    if (is_full_) return failure(Code::no_space, "full");
    const NodePtr node = make_node(os::FileType::regular);
    node->mode = mode;
    if (!mapped_.empty() && place->name == mapped_)
      node->memory.reset(::memfd_create("simulated", MFD_CLOEXEC));
    set_name(*place->directory, place->name, node);
    return descriptor_of(node);
  });
}

Status SimulatedDisk::close(os::Fd fd) { return is_down_ ? (fd.reset(), down()) : (fd.reset(), Status()); }

Result<std::size_t> SimulatedDisk::pread(int fd, MutableByteView buffer, std::uint64_t offset) {
  if (is_down_) return down();
  const NodePtr node = node_of(fd);
  if (node == nullptr) return failure(Code::io, "this is no file of it");
  if (node->memory.is_open()) return os::real_io().pread(fd, buffer, offset);
  if (offset >= node->bytes.size()) return std::size_t{0};
  const std::size_t size = std::min<std::size_t>(buffer.size(), node->bytes.size() - offset);
  std::copy_n(node->bytes.begin() + static_cast<std::ptrdiff_t>(offset), size, buffer.begin());
  return size;
}

void SimulatedDisk::resize(Node& node, std::uint64_t size) {
  if (node.bytes.size() == size) return;
  node.bytes.resize(static_cast<std::size_t>(size));
  Change change;
  change.kind = Change::resize;
  change.stamp = next_stamp_++;
  change.offset = size;
  node.changes.push_back(std::move(change));
}

Result<std::size_t> SimulatedDisk::pwrite(int fd, ByteView bytes, std::uint64_t offset) {
  return change([&](bool is_last) -> Result<std::size_t> {
    const NodePtr node = node_of(fd);
    if (node == nullptr) return failure(Code::io, "this is no file of it");
    if (node->memory.is_open()) return os::real_io().pwrite(fd, bytes, offset);
    // A process that is killed in the middle has written the beginning.
    if (is_last) bytes = bytes.first(static_cast<std::size_t>(below(bytes.size() + 1)));
    const std::uint64_t end = offset + bytes.size();
    if (is_full_ && end > node->bytes.size()) return failure(Code::no_space, "full");
    if (end > node->bytes.size()) resize(*node, end);
    std::copy(bytes.begin(), bytes.end(), node->bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    Change change;
    change.stamp = next_stamp_++;
    change.offset = offset;
    change.bytes.assign(bytes.begin(), bytes.end());
    node->changes.push_back(std::move(change));
    return bytes.size();
  });
}

Status SimulatedDisk::sync_node(Node& node) {
  if (node.memory.is_open()) return {};
  if (node.type == os::FileType::directory) {
    node.synced_names = node.names;
    const std::vector<Change> changes = std::exchange(node.changes, {});
    // What has left is durable where it went to.
    for (const Change& change : changes)
      if (const NodePtr there = change.moved_to.lock()) (void)sync_node(*there);
    return {};
  }
  const bool fails = syncs_until_failure_ == std::uint64_t{0};
  if (fails) {
    ++failed_syncs_;
    syncs_until_failure_.reset();
  } else if (syncs_until_failure_) {
    --*syncs_until_failure_;
  }
  for (const Change& change : node.changes) {
    if (change.kind == Change::resize) node.synced_bytes.resize(static_cast<std::size_t>(change.offset));
    for (const Piece& piece : pieces_of(change)) {
      // The system forgets what it could not write: it is in the cache and nowhere else.
      if (!fails || below(2) == 0) copy_piece(change, piece, node.synced_bytes);
    }
  }
  node.changes.clear();
  if (fails && stops_with_failure_) stop();
  return fails ? failure(Code::io, "the sync failed") : Status();
}

Status SimulatedDisk::fsync(int fd) {
  return change([&](bool) -> Status {
    const NodePtr node = node_of(fd);
    return node == nullptr ? failure(Code::io, "this is no file of it") : sync_node(*node);
  });
}

Status SimulatedDisk::fdatasync(int fd) { return fsync(fd); }

Status SimulatedDisk::sync_fs(int) {
  return change([&](bool) {
    Status all;
    for_each(root_, [&](Node& node) {
      if (Status synced = sync_node(node); !synced.ok()) all = synced;
    });
    return all;
  });
}

Status SimulatedDisk::truncate(int fd, std::uint64_t size) {
  return change([&](bool) -> Status {
    const NodePtr node = node_of(fd);
    if (node == nullptr) return failure(Code::io, "this is no file of it");
    if (node->memory.is_open()) return os::real_io().truncate(fd, size);
    if (is_full_ && size > node->bytes.size()) return failure(Code::no_space, "full");
    resize(*node, size);
    return {};
  });
}

Status SimulatedDisk::allocate(int fd, std::uint64_t offset, std::uint64_t length) {
  return change([&](bool) -> Status {
    const NodePtr node = node_of(fd);
    if (node == nullptr) return failure(Code::io, "this is no file of it");
    if (node->memory.is_open()) return os::real_io().allocate(fd, offset, length);
    const std::uint64_t end = offset + length;
    if (is_full_ && end > node->bytes.size()) return failure(Code::no_space, "full");
    if (end > node->bytes.size()) resize(*node, end);
    return {};
  });
}

void SimulatedDisk::set_name(Node& directory, const std::string& name, const NodePtr& node,
                             std::string from) {
  if (node != nullptr) {
    directory.names[name] = node;
  } else {
    directory.names.erase(name);
  }
  if (!from.empty()) directory.names.erase(from);
  Change change;
  change.kind = Change::name;
  change.stamp = next_stamp_++;
  change.to = name;
  change.from = std::move(from);
  change.node = node;
  directory.changes.push_back(std::move(change));
}

Status SimulatedDisk::rename(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to,
                             bool may_replace) {
  return change([&](bool) -> Status {
    const Result<Place> old_place = find(from_dirfd, from);
    if (!old_place.ok()) return old_place.status();
    const Result<Place> new_place = find(to_dirfd, to);
    if (!new_place.ok()) return new_place.status();
    if (old_place->node == nullptr) return failure(Code::not_found, "no " + from);
    if (new_place->node != nullptr && !may_replace) return failure(Code::already_exists, to + " exists");
    if (new_place->node != nullptr) {
      const bool is_directory = old_place->node->type == os::FileType::directory;
      const bool on_directory = new_place->node->type == os::FileType::directory;
      if (is_directory != on_directory || !new_place->node->names.empty())
        return failure(Code::io, to + " is in the way");
    }
    if (old_place->directory == new_place->directory) {
      set_name(*new_place->directory, new_place->name, old_place->node, old_place->name);
      return {};
    }
    set_name(*new_place->directory, new_place->name, old_place->node);
    set_name(*old_place->directory, old_place->name, nullptr);
    Change& removal = old_place->directory->changes.back();
    removal.moved_to = new_place->directory;
    removal.moved_stamp = new_place->directory->changes.back().stamp;
    return {};
  });
}

Status SimulatedDisk::rename_at(int from_dirfd, const std::string& from, int to_dirfd,
                                const std::string& to) {
  return rename(from_dirfd, from, to_dirfd, to, true);
}

Status SimulatedDisk::rename_no_replace_at(int from_dirfd, const std::string& from, int to_dirfd,
                                           const std::string& to) {
  return rename(from_dirfd, from, to_dirfd, to, false);
}

Status SimulatedDisk::unlink_at(int dirfd, const std::string& name) {
  return change([&](bool) -> Status {
    const Result<Place> place = find(dirfd, name);
    if (!place.ok()) return place.status();
    if (place->node == nullptr) return failure(Code::not_found, "no " + name);
    if (!place->node->names.empty()) return failure(Code::io, name + " is not empty");
    set_name(*place->directory, place->name, nullptr);
    return {};
  });
}

Status SimulatedDisk::rmdir_at(int dirfd, const std::string& name) { return unlink_at(dirfd, name); }

Status SimulatedDisk::mkdir_at(int dirfd, const std::string& name, mode_t mode) {
  return change([&](bool) -> Status {
    const Result<Place> place = find(dirfd, name);
    if (!place.ok()) return place.status();
    if (place->node != nullptr) return failure(Code::already_exists, name + " exists");
    const NodePtr node = make_node(os::FileType::directory);
    node->mode = mode;
    set_name(*place->directory, place->name, node);
    return {};
  });
}

Status SimulatedDisk::link_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) {
  return change([&](bool) -> Status {
    const Result<Place> old_place = find(from_dirfd, from);
    if (!old_place.ok()) return old_place.status();
    const Result<Place> new_place = find(to_dirfd, to);
    if (!new_place.ok()) return new_place.status();
    if (old_place->node == nullptr) return failure(Code::not_found, "no " + from);
    if (new_place->node != nullptr) return failure(Code::already_exists, to + " exists");
    set_name(*new_place->directory, new_place->name, old_place->node);
    return {};
  });
}

Result<os::FileInfo> SimulatedDisk::stat_at(int dirfd, const std::string& name) {
  if (is_down_) return down();
  const Result<Place> place = find(dirfd, name);
  if (!place.ok()) return place.status();
  if (place->node == nullptr) return failure(Code::not_found, "no " + name);
  const Result<os::Fd> fd = descriptor_of(place->node);
  if (!fd.ok()) return fd.status();
  return fstat(fd->get());
}

Result<os::FileInfo> SimulatedDisk::fstat(int fd) {
  if (is_down_) return down();
  const NodePtr node = node_of(fd);
  if (node == nullptr) return failure(Code::io, "this is no file of it");
  os::FileInfo info;
  info.type = node->type;
  info.size = node->bytes.size();
  if (node->memory.is_open()) info.size = static_cast<std::uint64_t>(::lseek(fd, 0, SEEK_END));
  info.mode = node->mode;
  info.uid = ::getuid();
  info.gid = ::getgid();
  info.mtime_ns = node->mtime_ns;
  info.dev = UINT64_MAX;
  info.ino = node->number;
  for_each(root_, [&](Node& directory) {
    for (const auto& [name, named] : directory.names) info.nlink += named == node ? 1 : 0;
  });
  return info;
}

Result<std::vector<os::DirEntry>> SimulatedDisk::list(int dirfd) {
  if (is_down_) return down();
  const NodePtr node = node_of(dirfd);
  if (node == nullptr) return failure(Code::io, "this is no directory of it");
  std::vector<os::DirEntry> entries;
  for (const auto& [name, child] : node->names) entries.push_back({name, child->type});
  std::shuffle(entries.begin(), entries.end(), engine_);
  return entries;
}

Result<std::string> SimulatedDisk::readlink_at(int, const std::string&) {
  return failure(Code::unsupported, "has no symbolic links");
}

Status SimulatedDisk::set_times(int fd, std::int64_t mtime_ns) {
  if (is_down_) return down();
  const NodePtr node = node_of(fd);
  if (node != nullptr) node->mtime_ns = mtime_ns;
  return {};
}

Status SimulatedDisk::chmod(int fd, mode_t mode) {
  if (is_down_) return down();
  const NodePtr node = node_of(fd);
  if (node != nullptr) node->mode = mode;
  return {};
}

Status SimulatedDisk::chown(int, uid_t, gid_t) { return is_down_ ? down() : Status(); }

}  // namespace restante::test
