#pragma once
// A Maildir with a log and a scanner, and a server that changes it.

#include <restante/redo_log.hpp>
#include <restante/scanner.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "maildir_fixture.hpp"

namespace restante::test {

inline RedoLog open_log(const ScratchDir& scratch, const std::string& name = "redo",
                        std::uint64_t segment_bytes = 100u << 20) {
  RedoLog::Options options;
  options.create = true;
  options.segment_bytes = segment_bytes;
  Result<RedoLog> log = RedoLog::open(scratch.file(name), options);
  REQUIRE_OK(log);
  return *log;
}

// A Maildir with a log and a scanner, and what a target would have: the state of the full, and the log.
struct Watched {
  explicit Watched(const ScratchDir& dir) : scratch(dir), box(dir.path() / "mail/alice"), log(open_log(dir)) {
    make_maildir(box);
    write_file(box / "dovecot-uidlist", "3 V1 N1 G" + std::string(32, 'a') + "\n");
  }

  void open(Scanner::Options options = {}) {
    scanner.reset();
    store = std::make_unique<TestStore>(scratch.path() / "mail");
    options.state_directory = scratch.file("state");
    auto opened = Scanner::open(*store->store, log, options);
    REQUIRE_OK(opened);
    scanner = std::move(*opened);
  }

  ScanReport scan() {
    Result<ScanReport> report = scanner->scan(kAlice);
    REQUIRE_OK(report);
    return std::move(*report);
  }

  // The first scan, and the full that a session makes of it.
  void adopt() {
    open();
    CHECK(scan().adopted);
    full = state_of(*scanner, kAlice);
    full_lsn = log.end();
  }

  std::vector<Operation> logged(Lsn after) const {
    ReadRange range;
    range.after = after;
    range.until = log.end();
    range.account_id = kAlice;
    auto cursor = log.read(range);
    REQUIRE_OK(cursor);
    std::vector<Operation> operations;
    LoggedTransaction transaction;
    for (;;) {
      const Result<bool> more = (*cursor)->next(transaction);
      REQUIRE_OK(more);
      if (!*more) return operations;
      for (Operation& operation : transaction.operations) operations.push_back(std::move(operation));
    }
  }

  // What a restore to the end of the log would find.
  MailboxState replayed() const {
    MailboxState state = full;
    for (const Operation& operation : logged(full_lsn)) REQUIRE_OK(state.apply(operation));
    return state;
  }

  // The replay is what the store holds, ids of folders and content apart, which the store does not tell.
  void require_replay_is_store() {
    const MailboxState replay = replayed();
    const MailboxState live = state_of(*store->store, kAlice);
    CHECK(describe(replay) == describe(live));
    // Every content that the log brought is the file's.
    for (const auto& [key, message] : replay.messages()) {
      if (!message.content) continue;
      CHECK(content_ref_of(content_of(*scanner, kAlice, place_of(message))) == *message.content);
    }
    for (const auto& [key, item] : replay.items()) {
      if (!item.content) continue;
      CHECK(content_ref_of(content_of(*scanner, kAlice, place_of(item))) == *item.content);
    }
  }

  static std::map<std::string, std::string> describe(const MailboxState& state) {
    std::map<std::string, std::string> out;
    for (const auto& [id, folder] : state.folders()) {
      std::string line =
          std::to_string(folder.uidvalidity) + " " +
          (folder.attributes.contains("nonexistent") ? "" : std::to_string(folder.uidnext.value_or(0)));
      for (const auto& [name, value] : folder.attributes) line += " " + name + "=" + value;
      out["folder " + state.path_of(id)] = line;
    }
    for (const auto& [key, message] : state.messages()) {
      std::string line = std::to_string(message.uid) + " " + std::to_string(message.flags) + " " +
                         message.internal_date->to_string();
      for (const std::string& keyword : message.keywords) line += " " + keyword;
      for (const auto& [name, value] : message.attributes) line += " " + name + "=" + value;
      out["message " + state.path_of(key.first) + " " + key.second] = line;
    }
    for (const auto& [key, item] : state.items()) {
      std::string line = item.folder_id.empty() ? "" : state.path_of(item.folder_id);
      for (const auto& [name, value] : item.attributes) line += " " + name + "=" + value;
      out[key.first + " " + key.second] = line;
    }
    return out;
  }

  const ScratchDir& scratch;
  fs::path box;
  RedoLog log;
  std::unique_ptr<TestStore> store;
  std::unique_ptr<Scanner> scanner;
  MailboxState full;
  Lsn full_lsn = 0;
};

/// Does at random what servers do to a mailbox.
class RandomServer {
 public:
  explicit RandomServer(fs::path root) : root_(std::move(root)) {}

  void step() {
    Box& box = random_.pick(folders_);
    const std::vector<fs::path> files = files_in(box);
    switch (random_.below(13)) {
      case 0:
      case 1:
      case 2: {
        const std::string name = std::to_string(++names_) + ".host";
        write_file(dir_of(box) / "new" / name, random_.text(random_.below(40)),
                   kSomeTimeUs + static_cast<std::int64_t>(random_.below(1000)));
        break;
      }
      case 3:
      case 4:
        if (!files.empty()) {
          const fs::path file = files[random_.below(files.size())];
          static constexpr const char* kFlags[] = {"", "S", "FS", "RS", "ST", "Sa", "Sab", "PS"};
          fs::rename(file, dir_of(box) / "cur" / (base_of(file) + ":2," + kFlags[random_.below(8)]));
        }
        break;
      case 5:
        if (!files.empty()) fs::remove(files[random_.below(files.size())]);
        break;
      case 6:
        if (!files.empty()) {
          const fs::path file = files[random_.below(files.size())];
          const fs::path to = dir_of(random_.pick(folders_)) / "cur" / (base_of(file) + ":2,S");
          if (!fs::exists(to)) fs::rename(file, to);
        }
        break;
      case 7:
        if (folders_.size() < 8) {
          Box made;
          made.dir = "." + random_.text(1);
          if (random_.one_in(2)) made.dir += "." + random_.text(1);
          if (!fs::exists(root_ / made.dir)) {
            make_maildir(root_ / made.dir);
            folders_.push_back(made);
          }
        }
        break;
      case 8:
        if (!box.dir.empty()) {
          fs::remove_all(root_ / box.dir);
          const std::string dir = box.dir;
          std::erase_if(folders_, [&](const Box& one) { return one.dir == dir; });
        }
        break;
      case 9:
        if (!box.dir.empty()) {
          const std::string dir = "." + random_.text(1);
          if (!fs::exists(root_ / dir)) {
            fs::rename(root_ / box.dir, root_ / dir);
            box.dir = dir;
          }
        }
        break;
      case 10: {
        // A server looks at the folder: every message has a UID then.
        if (box.uidvalidity == 0) {
          box.uidvalidity = ++last_uidvalidity_;
          box.guid = to_hex(random_.bytes(16));
        }
        std::string list;
        for (const fs::path& file : files) {
          std::uint32_t& uid = box.uids[base_of(file)];
          if (uid == 0) uid = box.next++;
        }
        std::map<std::uint32_t, std::string> sorted;
        for (const auto& [base, uid] : box.uids) sorted[uid] = base;
        for (const auto& [uid, base] : sorted) list += std::to_string(uid) + " :" + base + "\n";
        write_file(dir_of(box) / "dovecot-uidlist", "3 V" + std::to_string(box.uidvalidity) + " N" +
                                                        std::to_string(box.next) + " G" + box.guid + "\n" +
                                                        list);
        break;
      }
      case 11:
        write_file(dir_of(box) / "dovecot-keywords", random_.one_in(2) ? "0 Junk\n1 Later\n" : "0 Junk\n");
        break;
      case 12: {
        std::string text = "V\t2\n\n";
        for (const Box& one : folders_) {
          if (random_.one_in(2)) text += one.dir.empty() ? "INBOX\n" : one.dir.substr(1) + "\n";
        }
        write_file(root_ / "subscriptions", text);
        // A change that leaves size and time as they were is not seen.
        write_file(root_ / ("file" + std::to_string(random_.below(3))), random_.text(5),
                   kSomeTimeUs + static_cast<std::int64_t>(++names_));
        break;
      }
      default: break;
    }
  }

 private:
  struct Box {
    std::string dir;
    std::uint32_t uidvalidity = 0;
    std::uint32_t next = 1;
    std::string guid;
    std::map<std::string, std::uint32_t> uids;
  };

  [[nodiscard]] fs::path dir_of(const Box& box) const { return box.dir.empty() ? root_ : root_ / box.dir; }
  [[nodiscard]] std::vector<fs::path> files_in(const Box& box) const {
    std::vector<fs::path> files;
    for (const char* part : {"cur", "new"}) {
      for (const auto& entry : fs::directory_iterator(dir_of(box) / part)) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  static std::string base_of(const fs::path& path) {
    const std::string name = path.filename().string();
    return name.substr(0, name.find(':'));
  }

  Random random_{"server"};
  const fs::path root_;
  std::vector<Box> folders_ = {{"", 1, 1, std::string(32, 'a'), {}}};
  std::uint32_t last_uidvalidity_ = 1;
  std::uint64_t names_ = 0;
};

}  // namespace restante::test
