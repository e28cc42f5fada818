#pragma once
// Maildirs made by hand, and what tests compare.

#include <restante/mailbox_state.hpp>
#include <restante/maildir.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <sstream>

#include "os/io.hpp"
#include "stores/maildir.hpp"
#include "support/catch.hpp"

namespace restante::test {

namespace fs = std::filesystem;

inline void write_file(const fs::path& path, std::string_view bytes, std::int64_t mtime_us = 0) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  REQUIRE(fs::exists(path));
  ::chmod(path.c_str(), 0600);
  if (mtime_us == 0) return;
  const timespec times[2] = {{0, UTIME_OMIT}, {mtime_us / 1'000'000, mtime_us % 1'000'000 * 1000}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

inline std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// A directory with the three parts of a Maildir, all with mode 0700.
inline void make_maildir(const fs::path& path) {
  for (const char* part : {"cur", "new", "tmp"}) fs::create_directories(path / part);
  for (const fs::path& dir : {path, path / "cur", path / "new", path / "tmp"}) ::chmod(dir.c_str(), 0700);
}

/// A store at `root`/<name>, accounts <name>@example.com, which collects its warnings.
struct TestStore {
  explicit TestStore(const fs::path& root, os::Io& io = os::real_io()) {
    fs::create_directories(root);
    MaildirStore::Options options;
    options.path = root.string();
    options.domain = "example.com";
    options.on_warning = [this](std::string_view, std::string_view text) {
      const std::lock_guard lock(mutex);
      warnings += std::string(text) + "\n";
    };
    Result<std::unique_ptr<MaildirStore>> opened = MaildirInternals::open(options, io);
    REQUIRE_OK(opened);
    store = std::move(*opened);
  }
  MaildirStore* operator->() const { return store.get(); }

  std::unique_ptr<MaildirStore> store;
  std::mutex mutex;
  std::string warnings;
};

inline MailboxState state_of(MailSource& source, const std::string& account) {
  OpVector operations;
  REQUIRE_OK(source.snapshot(account, operations));
  MailboxState state;
  for (const Operation& operation : operations.operations) REQUIRE_OK(state.apply(operation));
  return state;
}

inline Bytes content_of(MailSource& source, const std::string& account, const ContentPlace& place) {
  Result<std::unique_ptr<ContentReader>> reader = source.open_content(account, place);
  REQUIRE_OK(reader);
  Result<Bytes> bytes = read_all(**reader);
  REQUIRE_OK(bytes);
  return std::move(*bytes);
}

inline ContentPlace place_of(const Message& message) {
  ContentPlace place;
  place.folder_id = message.folder_id;
  place.message_id = message.id;
  place.uid = message.uid;
  return place;
}

inline ContentPlace place_of(const Item& item) {
  ContentPlace place;
  place.item_kind = item.kind;
  place.item_id = item.id;
  return place;
}

/// Content in memory by its id, as a target would have it.
class ContentBox final : public ContentOpener {
 public:
  ContentRef add(Bytes bytes) {
    const ContentRef ref = content_ref_of(bytes);
    contents_[ref.digest] = std::move(bytes);
    return ref;
  }
  ContentRef add(std::string_view text) { return add(Bytes(as_bytes(text).begin(), as_bytes(text).end())); }
  Result<std::unique_ptr<ContentReader>> open(const ContentRef& content) override {
    const auto found = contents_.find(content.digest);
    if (found == contents_.end()) return Status(Code::not_found, "no such content");
    return read_from_memory(ByteView(found->second));
  }

 private:
  std::map<Digest, Bytes> contents_;
};

/// A backup in memory: the operations with the content that they name.
struct Backup {
  std::vector<Operation> operations;
  ContentBox contents;
};

inline Backup back_up(MailSource& source, const std::string& account) {
  Backup backup;
  OpVector listed;
  REQUIRE_OK(source.snapshot(account, listed));
  for (Operation& operation : listed.operations) {
    if (auto* put = std::get_if<MessagePut>(&operation)) {
      for (Message& message : put->messages) {
        message.content = backup.contents.add(content_of(source, account, place_of(message)));
      }
    } else if (auto* item = std::get_if<ItemPut>(&operation)) {
      Result<std::unique_ptr<ContentReader>> reader = source.open_content(account, place_of(item->item));
      if (reader.ok()) {
        Result<Bytes> bytes = read_all(**reader);
        REQUIRE_OK(bytes);
        item->item.content = backup.contents.add(std::move(*bytes));
      } else {
        REQUIRE_CODE(reader, unsupported);
      }
    }
    REQUIRE_OK(validate(operation));
    backup.operations.push_back(std::move(operation));
  }
  return backup;
}

inline std::vector<ElementOutcome> perform(MailSink& sink, const std::string& account, const SinkBegin& begin,
                                           const std::vector<Operation>& operations,
                                           ContentOpener& contents) {
  Result<std::unique_ptr<SinkTransaction>> transaction = sink.begin(account, begin);
  REQUIRE_OK(transaction);
  std::vector<ElementOutcome> outcomes;
  for (const Operation& operation : operations) {
    REQUIRE_OK((*transaction)->apply(operation, contents, outcomes));
  }
  REQUIRE_OK((*transaction)->commit());
  return outcomes;
}

inline std::vector<std::string> refusals(const std::vector<ElementOutcome>& outcomes) {
  std::vector<std::string> reasons;
  for (const ElementOutcome& outcome : outcomes) {
    if (outcome.outcome == Outcome::refused) reasons.push_back(outcome.reason);
  }
  return reasons;
}

/// One line a file: type, mode, owner, time to the microsecond, bytes. Indexes, locks, and what lies in the
/// tmp/ of a folder are left out. Of files that the restore makes anew, time and bytes are not compared.
inline std::map<std::string, std::string> tree_of(const fs::path& root) {
  std::map<std::string, std::string> tree;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
    const std::string path = fs::relative(it->path(), root).string();
    const std::string name = it->path().filename().string();
    if (name.starts_with("dovecot.index") || name.starts_with("dovecot.list.index") ||
        name.ends_with(".lock")) {
      continue;
    }
    const bool tmp_of_folder = name == "tmp" && fs::is_directory(it->path().parent_path() / "cur") &&
                               (it.depth() == 0 || (it.depth() == 1 && path.front() == '.'));
    if (tmp_of_folder) {
      it.disable_recursion_pending();
      continue;
    }
    struct stat st;
    REQUIRE(::lstat(it->path().c_str(), &st) == 0);
    std::ostringstream line;
    line << std::oct << (st.st_mode & 07777) << std::dec << ' ' << st.st_uid << ' ' << st.st_gid;
    if (S_ISLNK(st.st_mode)) {
      line << " -> " << fs::read_symlink(it->path()).string();
    } else if (S_ISREG(st.st_mode)) {
      const bool made_anew =
          name == "dovecot-uidlist" || name == "dovecot-keywords" || name == "subscriptions";
      if (!made_anew) line << ' ' << st.st_mtim.tv_sec << '.' << st.st_mtim.tv_nsec / 1000;
      if (name != "dovecot-uidlist")
        line << ' ' << content_ref_of(as_bytes(read_text(it->path()))).digest.to_string();
    } else {
      line << " dir";
    }
    tree[path] = line.str();
  }
  return tree;
}

inline void require_same_tree(const fs::path& a, const fs::path& b) {
  const std::map<std::string, std::string> left = tree_of(a);
  const std::map<std::string, std::string> right = tree_of(b);
  std::string differences;
  for (const auto& [path, line] : left) {
    const auto other = right.find(path);
    if (other == right.end())
      differences += "only before: " + path + "\n";
    else if (other->second != line)
      differences += path + ": " + line + " != " + other->second + "\n";
  }
  for (const auto& [path, line] : right) {
    if (!left.contains(path)) differences += "only after: " + path + "\n";
  }
  INFO(differences);
  REQUIRE(differences.empty());
}

/// Paths of all files below.
inline std::set<std::string> files_of(const fs::path& root) {
  std::set<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_regular_file()) files.insert(fs::relative(entry.path(), root).string());
  }
  return files;
}

inline const Folder* folder_named(const MailboxState& state, std::string_view path) {
  for (const auto& [id, folder] : state.folders()) {
    if (state.path_of(id) == path) return &folder;
  }
  return nullptr;
}

inline const Message* message_named(const MailboxState& state, std::string_view folder_path,
                                    std::string_view id) {
  const Folder* folder = folder_named(state, folder_path);
  if (folder == nullptr) return nullptr;
  const auto found = state.messages().find({folder->id, std::string(id)});
  return found == state.messages().end() ? nullptr : &found->second;
}

inline constexpr std::int64_t kSomeTimeUs = 1'500'000'000'123'456;
inline const std::string kAlice = "alice@example.com";

}  // namespace restante::test
