#include "stores/maildir_files.hpp"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <restante/time.hpp>

#include "base/text.hpp"
#include "os/file.hpp"
#include "stores/maildir_names.hpp"

namespace restante::stores {
namespace {

// A folder that changes during each of so many listings is taken as their union.
constexpr int kMaxListings = 12;
// A base name that so many listings in a row lack is gone.
constexpr int kListingsToBeGone = 6;
// Looks at a message that is renamed between every listing and the look at it.
constexpr int kMaxChases = 1000;
// The kernel stamps files with a clock that ticks each 10 ms at the slowest: a change that follows another
// within a tick leaves no trace in the time.
constexpr std::int64_t kTickNs = 20'000'000;

struct Stamp {
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  bool operator==(const Stamp&) const = default;
};

Result<Stamp> stamp_of(os::Io& io, const os::Fd& dir) {
  if (!dir.is_open()) return Stamp{};
  const Result<os::FileInfo> info = io.fstat(dir.get());
  if (!info.ok()) return info.status();
  return Stamp{info->mtime_ns, info->ctime_ns};
}

// What changes from now on gets another stamp. By the time of change, which nobody can set; true only of a
// stamp that was just read.
bool is_old(const Stamp& stamp) { return stamp.ctime_ns + kTickNs < system_clock().now().us * 1000; }

Result<os::Fd> open_if_there(os::Io& io, int folder_fd, const std::string& name) {
  Result<os::Fd> dir = os::open_dir_at(io, folder_fd, name);
  if (dir.ok() || dir.status().code() == Code::not_found) return dir.ok() ? std::move(dir) : os::Fd();
  // A link or a file of that name holds no messages; the items tell of it.
  const Result<os::FileInfo> info = io.stat_at(folder_fd, name);
  if (info.ok() && info->type != os::FileType::directory) return os::Fd();
  return dir;
}

// (in new/, name)
using Place = std::pair<bool, std::string>;

class Lister {
 public:
  Lister(os::Io& io, Look look) : io_(io), look_(look) {}

  Result<std::vector<FoundFile>> run(int folder_fd) {
    Result<os::Fd> new_dir = open_if_there(io_, folder_fd, "new");
    if (!new_dir.ok()) return new_dir.status();
    Result<os::Fd> cur_dir = open_if_there(io_, folder_fd, "cur");
    if (!cur_dir.ok()) return cur_dir.status();
    new_ = std::move(*new_dir);
    cur_ = std::move(*cur_dir);
    for (number_ = 1; number_ <= kMaxListings; ++number_) {
      const Result<bool> exact = list_once();
      if (!exact.ok()) return exact.status();
      if (*exact) return settle(number_);
    }
    number_ = kMaxListings;
    return settle(number_ - kListingsToBeGone + 1);
  }

 private:
  struct Sighting {
    int number = 0;  // of the last listing that had it
    // Absent while every look came after the next rename.
    std::optional<os::FileInfo> info;
  };

  struct Stamps {
    std::pair<Stamp, Stamp> of_both;
    bool old = false;
  };

  // True if nothing was changed meanwhile and every file could be looked at.
  Result<bool> list_once() {
    const Result<Stamps> before = stamps();
    if (!before.ok()) return before.status();
    // new/ first: a message moves from there to cur/, never back, so that one of the two has it.
    bool all_seen = true;
    for (const bool in_new : {true, false}) {
      const Result<bool> seen = list_directory(in_new);
      if (!seen.ok()) return seen.status();
      all_seen = all_seen && *seen;
    }
    if (!all_seen) return false;
    const Result<Stamps> after = stamps();
    if (!after.ok()) return after.status();
    return before->old && before->of_both == after->of_both;
  }

  Result<Stamps> stamps() {
    const Result<Stamp> of_new = stamp_of(io_, new_);
    if (!of_new.ok()) return of_new.status();
    const Result<Stamp> of_cur = stamp_of(io_, cur_);
    if (!of_cur.ok()) return of_cur.status();
    return Stamps{{*of_new, *of_cur}, is_old(*of_new) && is_old(*of_cur)};
  }

  Result<bool> list_directory(bool in_new) {
    const os::Fd& dir = in_new ? new_ : cur_;
    if (!dir.is_open()) return true;
    const Result<std::vector<os::DirEntry>> entries = io_.list(dir.get());
    if (!entries.ok()) return entries.status();
    bool all_seen = true;
    for (const os::DirEntry& entry : *entries) {
      if (entry.type != os::FileType::regular || !is_message_name(entry.name)) continue;
      const Result<bool> seen = look_at(dir.get(), Place(in_new, entry.name));
      if (!seen.ok()) return seen.status();
      all_seen = all_seen && *seen;
    }
    return all_seen;
  }

  // False if the name has gone since it was listed.
  Result<bool> look_at(int dirfd, Place place) {
    Sighting& sighting = sightings_[place];
    if (look_ == Look::names && !sighting.info) sighting.info.emplace();
    if (!sighting.info) {
      const Result<os::FileInfo> info = io_.stat_at(dirfd, place.second);
      if (info.ok() && info->type != os::FileType::regular) {
        sightings_.erase(place);
        return true;
      }
      if (info.ok())
        sighting.info = *info;
      else if (info.status().code() != Code::not_found)
        return info.status();
    }
    sighting.number = number_;
    return sighting.info.has_value();
  }

  // A rename keeps the file: what was found under another name of the message is true of this one.
  Result<os::FileInfo> info_of(const Place& place, const Sighting& sighting) {
    if (sighting.info) return *sighting.info;
    const std::string base = parse_message_file_name(place.second).base;
    for (const auto& [other, seen] : sightings_) {
      if (seen.info && parse_message_file_name(other.second).base == base) return *seen.info;
    }
    for (int chase = 0; chase < kMaxChases; ++chase) {
      bool listed = false;
      for (const os::Fd* dir : {&new_, &cur_}) {
        if (!dir->is_open()) continue;
        const Result<std::vector<os::DirEntry>> entries = io_.list(dir->get());
        if (!entries.ok()) return entries.status();
        for (const os::DirEntry& entry : *entries) {
          if (!is_message_name(entry.name) || parse_message_file_name(entry.name).base != base) continue;
          listed = true;
          const Result<os::FileInfo> info = io_.stat_at(dir->get(), entry.name);
          if (info.ok() || info.status().code() != Code::not_found) return info;
        }
      }
      if (!listed) return Status(Code::not_found, base::cat("message ", base, " has gone"));
    }
    return Status(Code::busy, base::cat("message ", base, " is renamed too often to be looked at"),
                  "try again");
  }

  // What listing `oldest` or a later one had, each message once.
  Result<std::vector<FoundFile>> settle(int oldest) {
    std::map<std::string, std::vector<FoundFile>> by_base;
    std::map<std::string, int> newest;
    for (const auto& [place, sighting] : sightings_) {
      if (sighting.number < oldest) continue;
      FoundFile file{parse_message_file_name(place.second).base, place.second, place.first, {}};
      int& last = newest[file.id];
      // Of names seen at different times only the latest can be true.
      if (sighting.number < last) continue;
      const Result<os::FileInfo> info = info_of(place, sighting);
      if (!info.ok() && info.status().code() == Code::not_found) continue;
      if (!info.ok()) return info.status();
      file.info = *info;
      std::vector<FoundFile>& files = by_base[file.id];
      if (sighting.number > last) files.clear();
      last = sighting.number;
      files.push_back(std::move(file));
    }
    std::vector<FoundFile> out;
    for (auto& [base, files] : by_base) {
      if (files.size() > 1 && oldest != number_) drop_old_names(files);
      // cur/ before new/, then by name: the same files get the same ids.
      std::sort(files.begin(), files.end(), [](const FoundFile& a, const FoundFile& b) {
        return std::pair(a.in_new, a.name) < std::pair(b.in_new, b.name);
      });
      for (std::size_t i = 0; i < files.size(); ++i) {
        if (i > 0) files[i].id += "/" + std::to_string(i + 1);
        out.push_back(std::move(files[i]));
      }
    }
    std::sort(out.begin(), out.end(), [](const FoundFile& a, const FoundFile& b) { return a.id < b.id; });
    return out;
  }

  // One listing showed a message under its old and its new name: the old one is not there any more. Two
  // names of one file that has no second link are one message as well.
  void drop_old_names(std::vector<FoundFile>& files) {
    std::vector<FoundFile> there;
    for (FoundFile& file : files) {
      const Result<os::FileInfo> info = io_.stat_at((file.in_new ? new_ : cur_).get(), file.name);
      if (!info.ok()) continue;
      const bool doubled = std::any_of(there.begin(), there.end(), [&](const FoundFile& other) {
        return other.info.ino == info->ino && other.info.dev == info->dev && info->nlink == 1;
      });
      file.info = *info;
      if (!doubled) there.push_back(std::move(file));
    }
    if (there.empty()) {
      // Renamed again: the message is there, under a name that the next look finds.
      files.resize(1);
    } else {
      files = std::move(there);
    }
  }

  os::Io& io_;
  const Look look_;
  os::Fd new_;
  os::Fd cur_;
  int number_ = 0;
  std::map<Place, Sighting> sightings_;
};

}  // namespace

bool is_message_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && !is_passed_over(name) && !is_modelled(name);
}

Result<std::vector<FoundFile>> list_messages(os::Io& io, int folder_fd, Look look) {
  return Lister(io, look).run(folder_fd);
}

Result<std::vector<os::DirEntry>> list_at_rest(os::Io& io, int dirfd) {
  for (int number = 1;; ++number) {
    const Result<os::FileInfo> before = io.fstat(dirfd);
    if (!before.ok()) return before.status();
    const bool was_old = is_old({before->mtime_ns, before->ctime_ns});
    Result<std::vector<os::DirEntry>> entries = io.list(dirfd);
    if (!entries.ok()) return entries.status();
    const Result<os::FileInfo> after = io.fstat(dirfd);
    if (!after.ok()) return after.status();
    const bool rested = was_old && before->mtime_ns == after->mtime_ns && before->ctime_ns == after->ctime_ns;
    if (!rested && number < kMaxListings) continue;
    std::sort(entries->begin(), entries->end(),
              [](const os::DirEntry& a, const os::DirEntry& b) { return a.name < b.name; });
    return entries;
  }
}

}  // namespace restante::stores
