#include <algorithm>

#include "archive/mailboxes.hpp"
#include "archive/mbox.hpp"
#include "archive/names.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "stores/maildir_keywords.hpp"
#include "stores/maildir_names.hpp"

namespace restante::archive {
namespace {

// What a Maildir or an mbox can say at all.
constexpr FieldSet kForeignFields{Field::internal_date, Field::keywords};

struct SplitName {
  std::string directory;
  std::string_view file;
};

SplitName split(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  if (slash == std::string_view::npos) return {"", name};
  return {std::string(name.substr(0, slash)), name.substr(slash + 1)};
}

// A mailbox in the making: folders by the names of their levels.
class MailboxMaking {
 public:
  explicit MailboxMaking(std::string kind) {
    found_.summary.kind = std::move(kind);
    found_.fields = kForeignFields;
  }

  // The id of the folder, made with those above it.
  [[nodiscard]] Result<std::string> folder(const std::vector<std::string>& levels) {
    const auto there = folders_.find(levels);
    if (there != folders_.end()) return there->second;
    Folder folder;
    folder.name = levels.back();
    folder.id = "imported";
    for (const std::string& level : levels) folder.id += base::cat('/', level);
    // Long paths of folders are told apart by a number.
    if (folder.id.size() > base::kMaxIdBytes) folder.id = base::cat("imported ", folders_.size());
    if (levels.size() > 1) {
      const Result<std::string> parent = this->folder({levels.begin(), levels.end() - 1});
      if (!parent.ok()) return parent;
      folder.parent_id = *parent;
    }
    const std::string id = folder.id;
    const FolderPut put{std::move(folder)};
    if (Status s = validate(put); !s.ok()) return s;
    if (Status s = found_.state.apply(put); !s.ok()) return s;
    folders_.emplace(levels, id);
    return id;
  }

  [[nodiscard]] Status message(Message message) {
    // Two files of one name in cur and new, or a name that no id can have.
    if (message.id.empty() || message.id.size() > base::kMaxIdBytes ||
        found_.state.messages().contains({message.folder_id, message.id}))
      message.id = base::cat("imported ", found_.summary.messages);
    ++found_.summary.messages;
    found_.summary.bytes += message.content->size;
    return found_.state.apply(MessagePut{{std::move(message)}, {}});
  }

  [[nodiscard]] FoundMailbox finish(std::string name) {
    found_.summary.name = std::move(name);
    found_.summary.folders = folders_.size();
    return std::move(found_);
  }

 private:
  FoundMailbox found_;
  std::map<std::vector<std::string>, std::string> folders_;
};

class ForeignReading {
 public:
  explicit ForeignReading(const Interpretation& job) : job_(job) {}

  [[nodiscard]] Result<std::vector<FoundMailbox>> run() {
    find_maildirs();
    for (const Entry& entry : job_.entries.files)
      if (Status s = take(entry); !s.ok()) return s;
    for (const Entry* entry : mbox_entries_)
      if (Status s = mbox(*entry); !s.ok()) return s;
    std::vector<FoundMailbox> found;
    for (auto& [root, maildir] : maildirs_) found.push_back(maildir.finish(root.empty() ? "." : root));
    if (mboxes_) {
      const bool taken = maildirs_.contains("");
      found.push_back(mboxes_->finish(taken ? "mbox" : "."));
    }
    if (!found.empty()) return found;
    return Status(Code::invalid_argument, "there is no mail in the archive: neither Maildirs nor mboxes");
  }

 private:
  // Directories with a cur or new in them.
  void find_maildirs() {
    const auto note = [&](const std::string& name) {
      const SplitName parts = split(name);
      if (parts.file == "cur" || parts.file == "new") directories_.insert(parts.directory);
    };
    for (const std::string& directory : job_.entries.directories) note(directory);
    for (const Entry& entry : job_.entries.files) note(split(entry.name).directory);
  }

  // The Maildir that a directory of mail belongs to: ".Work" to what it lies in, a plain directory to the
  // topmost Maildir above it, or to itself.
  struct Membership {
    std::string root;
    std::vector<std::string> levels;
  };
  [[nodiscard]] Membership membership_of(const std::string& directory) const {
    const SplitName parts = split(directory);
    std::vector<std::string> below;
    std::string root = directory;
    if (const auto levels = stores::parse_folder_dir(parts.file); !levels.empty()) {
      root = parts.directory;
      for (const stores::FolderLevel& level : levels) below.push_back(level.name);
      return {root, comparable(std::move(below))};
    }
    for (std::size_t slash = directory.find('/');; slash = directory.find('/', slash + 1)) {
      const std::string above = slash == std::string::npos ? directory : directory.substr(0, slash);
      const bool is_top = directories_.contains("") && directory != "";
      if (!is_top && !directories_.contains(above)) continue;
      root = is_top ? "" : above;
      break;
    }
    if (root == directory) return {root, {"INBOX"}};
    std::string_view rest = std::string_view(directory).substr(root.empty() ? 0 : root.size() + 1);
    return {root, levels_of_path(rest)};
  }

  [[nodiscard]] Status take(const Entry& entry) {
    const SplitName file = split(entry.name);
    const SplitName place = split(file.directory);
    if (!file.directory.empty() && (place.file == "cur" || place.file == "new")) {
      if (file.file.starts_with('.')) return {};
      return maildir_message(entry, place.directory, file.file);
    }
    // What lies beside the mail of a Maildir is no mail.
    if (!directories_.contains(file.directory) && place.file != "tmp") {
      const Result<bool> is = is_mbox(entry);
      if (!is.ok()) return is.status();
      if (*is) {
        note_mbox(entry);
        return {};
      }
    }
    if (file.file != "dovecot-keywords" && file.file != "maildirfolder")
      job_.notes.add(base::cat("passed over, because it is no mail: ", base::escape(entry.name)));
    return {};
  }

  [[nodiscard]] Status maildir_message(const Entry& entry, const std::string& directory,
                                       std::string_view name) {
    const Membership membership = membership_of(directory);
    MailboxMaking& mailbox = maildirs_.try_emplace(membership.root, "Maildir").first->second;
    const Result<std::string> folder = mailbox.folder(membership.levels);
    if (!folder.ok()) return odd(entry, folder.status());
    const Result<ContentRef> content = job_.contents.add(entry.piece, false);
    if (!content.ok()) return content.status();
    const stores::MessageFileName parsed = stores::parse_message_file_name(name);
    Message message;
    message.id = parsed.base;
    message.folder_id = *folder;
    message.content = *content;
    message.internal_date = entry.time;
    message.flags = parsed.flags;
    const Result<const stores::KeywordMap*> keywords = keywords_of(directory);
    if (!keywords.ok()) return keywords.status();
    for (const char letter : parsed.keyword_letters)
      if (const std::string& keyword = (*keywords)->name_of(letter); !keyword.empty())
        message.keywords.push_back(keyword);
    return mailbox.message(std::move(message));
  }

  [[nodiscard]] Result<const stores::KeywordMap*> keywords_of(const std::string& directory) {
    const auto [known, is_new] = keywords_.try_emplace(directory);
    if (!is_new) return &known->second;
    const Entry* entry =
        job_.entries.find(directory.empty() ? "dovecot-keywords" : directory + "/dovecot-keywords");
    if (!entry || entry->piece.length > stores::kMaxKeywordsBytes) return &known->second;
    Bytes bytes(static_cast<std::size_t>(entry->piece.length));
    if (Status s = job_.spool.read(entry->piece.offset, bytes); !s.ok()) return s;
    known->second = stores::KeywordMap::parse(as_text(bytes));
    return &known->second;
  }

  // Its first line is a "From " line, or it is empty and named as one.
  [[nodiscard]] Result<bool> is_mbox(const Entry& entry) const {
    if (entry.piece.length == 0) return entry.name.ends_with(".mbox");
    SpoolLines lines(job_.spool, entry.piece);
    const Result<bool> first = lines.next(base::kMaxFromLineBytes);
    if (!first.ok()) return first;
    return *first && is_from_line(lines.line());
  }

  // The directory that all mboxes lie in is no folder.
  void note_mbox(const Entry& entry) {
    const std::string directory = split(entry.name).directory + "/";
    if (mbox_entries_.empty()) mbox_root_ = directory;
    const auto differs =
        std::mismatch(mbox_root_.begin(), mbox_root_.end(), directory.begin(), directory.end()).first;
    mbox_root_.erase(differs, mbox_root_.end());
    mbox_root_.erase(mbox_root_.rfind('/') + 1);
    mbox_entries_.push_back(&entry);
  }

  [[nodiscard]] Status mbox(const Entry& entry) {
    if (!mboxes_) mboxes_.emplace("mbox");
    const Result<std::string> folder = mboxes_->folder(levels_of_mbox(entry.name));
    if (!folder.ok()) return odd(entry, folder.status());
    if (entry.piece.length == 0) return {};
    SpoolLines lines(job_.spool, entry.piece);
    if (const Result<bool> first = lines.next(base::kMaxFromLineBytes); !first.ok()) return first.status();
    std::uint64_t begin = lines.end();
    std::optional<Time> date = date_of_from_line(lines.line());
    bool was_empty_line = false;
    for (;;) {
      const Result<bool> more = lines.next(base::kMaxFromLineBytes);
      if (!more.ok()) return more.status();
      const bool is_next = *more && was_empty_line && is_from_line(lines.line());
      if (!*more || is_next) {
        if (Status s = mbox_message(entry, {begin, lines.offset() - begin}, date, *folder); !s.ok()) return s;
        if (!*more) return {};
        begin = lines.end();
        date = date_of_from_line(lines.line());
      }
      was_empty_line = lines.line().empty() || lines.line() == "\r";
    }
  }

  // `part` of the entry, with the empty line that ends it.
  [[nodiscard]] Status mbox_message(const Entry& entry, Piece part, const std::optional<Time>& date,
                                    const std::string& folder) {
    Bytes tail(static_cast<std::size_t>(std::min<std::uint64_t>(part.length, 3)));
    if (Status s = job_.spool.read(entry.piece.offset + part.offset + part.length - tail.size(), tail);
        !s.ok())
      return s;
    const std::string_view end = as_text(tail);
    if (end == "\n" || end.ends_with("\n\n")) part.length -= 1;
    if (end.ends_with("\n\r\n")) part.length -= 2;
    const Result<ContentRef> content =
        job_.contents.add({entry.piece.offset + part.offset, part.length}, true);
    if (!content.ok()) return content.status();
    Message message;
    message.folder_id = folder;
    message.content = *content;
    message.internal_date = date;
    return mboxes_->message(std::move(message));
  }

  // "mail/Work/Reports.mbox" where all lie in "mail": "Work", "Reports".
  [[nodiscard]] std::vector<std::string> levels_of_mbox(std::string_view name) const {
    name.remove_prefix(mbox_root_ == "/" ? 0 : mbox_root_.size());
    for (const std::string_view suffix : {".mbox", ".mbx"})
      if (name.size() > suffix.size() && name.ends_with(suffix)) name.remove_suffix(suffix.size());
    return levels_of_path(name);
  }

  // One name that makes no folder costs that folder's mail and is told, not the whole import.
  [[nodiscard]] Status odd(const Entry& entry, const Status& why) {
    job_.notes.add(base::cat("passed over: ", base::escape(entry.name), ": ", why.message()));
    return {};
  }

  const Interpretation& job_;
  std::set<std::string> directories_;
  std::map<std::string, MailboxMaking> maildirs_;
  std::map<std::string, stores::KeywordMap> keywords_;
  std::vector<const Entry*> mbox_entries_;
  // With its slash.
  std::string mbox_root_;
  std::optional<MailboxMaking> mboxes_;
};

}  // namespace

Result<std::vector<FoundMailbox>> read_foreign_mailboxes(const Interpretation& job) {
  return ForeignReading(job).run();
}

}  // namespace restante::archive
