#include <fcntl.h>

#include <algorithm>

#include "archive/mbox.hpp"
#include "archive/names.hpp"
#include "archive/records.hpp"
#include "archive/writer.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "os/file.hpp"
#include "stores/maildir_keywords.hpp"

namespace restante {
namespace archive {
namespace {

// A letter for each of the first keywords of a folder, as Dovecot keeps them.
stores::KeywordMap keywords_of(const std::vector<const Message*>& messages) {
  stores::KeywordMap keywords;
  for (const Message* message : messages)
    for (const std::string& keyword : message->keywords) static_cast<void>(keywords.add(keyword));
  return keywords;
}

std::string letters_of(const Message& message, const stores::KeywordMap& keywords) {
  std::string letters;
  for (const std::string& keyword : message.keywords)
    if (const std::optional<char> letter = keywords.letter_of(keyword)) letters.push_back(*letter);
  std::sort(letters.begin(), letters.end());
  return letters;
}

std::int64_t seconds_of(const std::optional<Time>& time) {
  if (!time) return 0;
  const std::int64_t seconds = time->us / 1'000'000;
  return time->us % 1'000'000 < 0 ? seconds - 1 : seconds;
}

// As a client lists them; behind that an order that does not depend on anything else.
bool comes_before(const Message* a, const Message* b) {
  return std::tie(a->uid, a->internal_date, a->id) < std::tie(b->uid, b->internal_date, b->id);
}

// Keeps what is below one folder, and the folders above it.
class FolderChoice {
 public:
  FolderChoice(const MailboxState& state, const ExportRequest& request) {
    const std::vector<std::string> wanted = levels_of_path(request.folder);
    for (const auto& [id, folder] : state.folders()) {
      const std::vector<std::string> levels = comparable(levels_of(state.folders(), id));
      const bool is_prefix =
          levels.size() >= wanted.size() && std::equal(wanted.begin(), wanted.end(), levels.begin());
      if (!is_prefix || (!request.subfolders && levels.size() > wanted.size())) continue;
      with_mail_.insert(id);
      for (auto at = state.folders().find(id); at != state.folders().end() && all_.insert(at->first).second;)
        at = state.folders().find(at->second.parent_id);
    }
  }

  [[nodiscard]] bool empty() const { return with_mail_.empty(); }
  [[nodiscard]] bool keeps(const Operation& element) const {
    if (std::holds_alternative<AccountPut>(element)) return true;
    if (const auto* folder = std::get_if<FolderPut>(&element)) return all_.contains(folder->folder.id);
    if (const auto* message = std::get_if<MessagePut>(&element))
      return with_mail_.contains(message->messages.front().folder_id);
    if (const auto* item = std::get_if<ItemPut>(&element)) return with_mail_.contains(item->item.folder_id);
    return false;
  }

 private:
  std::set<std::string> with_mail_;
  std::set<std::string> all_;
};

class Export {
 public:
  Export(const RestorePlan& plan, const std::vector<BackupTarget>& targets, const ExportRequest& request,
         ArchiveWriter& writer, const CancelToken& cancel, const ProgressFunction& progress)
      : plan_(plan),
        targets_(targets),
        request_(request),
        writer_(writer),
        cancel_(cancel),
        progress_(progress) {
    buffer_.resize(base::kReadStepBytes);
  }

  [[nodiscard]] Result<ExportReport> run() {
    std::vector<const AccountPlan*> present;
    UniqueNames directories;
    Description description;
    description.layout = request_.layout;
    for (const AccountPlan& account : plan_.accounts()) {
      if (!account.failure.ok()) return account.failure.with_context(name_of(account));
      if (account.deleted_at_stop) {
        report_.absent.push_back(name_of(account));
        continue;
      }
      present.push_back(&account);
      now_.messages_total += account.messages;
      description.mailboxes.push_back(
          {account.account_id, account.address, directories.take(safe_name(name_of(account)))});
    }
    now_.accounts_total = present.size();
    if (Status s = writer_.file(std::string(kDescriptionName), as_bytes(encode_description(description)), 0);
        !s.ok())
      return s;
    for (std::size_t i = 0; i < present.size(); ++i) {
      if (Status s = account(*present[i], description.mailboxes[i].directory); !s.ok())
        return s.with_context(base::escape(name_of(*present[i])));
      ++now_.accounts_done;
    }
    if (!request_.folder.empty() && !any_folder_)
      return Status(Code::not_found,
                    base::cat("there is no folder ", base::escape(request_.folder),
                              present.size() == 1 ? "" : " in any of the accounts"),
                    "folders are named by their path, with \"/\" between names");
    if (Status s = writer_.close(); !s.ok()) return s;
    report_.archive_bytes = writer_.bytes_out();
    return std::move(report_);
  }

 private:
  [[nodiscard]] static const std::string& name_of(const AccountPlan& account) {
    return account.address.empty() ? account.account_id : account.address;
  }

  [[nodiscard]] Status account(const AccountPlan& planned, const std::string& directory) {
    now_.account_id = planned.account_id;
    if (Status s = tick(); !s.ok()) return s;
    exported_ = {};
    exported_.account_id = planned.account_id;
    exported_.address = planned.address;
    exported_.directory = directory;
    exported_.position = planned.position;
    exported_.effective_time = planned.effective_time;
    exported_.warnings = planned.warnings;
    time_ = seconds_of(planned.effective_time);
    elements_.clear();
    places_.clear();
    if (Status s = load(planned); !s.ok()) return s;
    if (Status s = writer_.directory(directory, time_); !s.ok()) return s;
    if (Status s = mail(); !s.ok()) return s;
    if (Status s = items(); !s.ok()) return s;
    if (Status s = lines(planned); !s.ok()) return s;
    report_.accounts.push_back(std::move(exported_));
    return {};
  }

  // The state at the stop, as far as it is wanted.
  [[nodiscard]] Status load(const AccountPlan& planned) {
    Result<std::unique_ptr<OpStream>> stream = plan_.state(planned.account_id);
    if (!stream.ok()) return stream.status();
    for (Operation element;;) {
      const Result<bool> more = (*stream)->next(element);
      if (!more.ok()) return more.status();
      if (!*more) break;
      elements_.push_back(std::move(element));
    }
    if (!request_.folder.empty()) {
      MailboxState folders;
      for (const Operation& element : elements_)
        if (std::holds_alternative<FolderPut>(element))
          if (Status s = folders.apply(element); !s.ok()) return s;
      const FolderChoice choice(folders, request_);
      any_folder_ = any_folder_ || !choice.empty();
      if (choice.empty()) exported_.warnings.push_back(base::cat("it has no folder ", request_.folder));
      std::erase_if(elements_, [&](const Operation& element) { return !choice.keeps(element); });
    }
    places_.resize(elements_.size());
    return {};
  }

  // Every folder with its messages, folders in the order of their places.
  [[nodiscard]] Status mail() {
    std::map<std::string, Folder> folders;
    std::map<std::string, std::vector<const Message*>> messages;
    index_.clear();
    for (std::size_t i = 0; i < elements_.size(); ++i) {
      if (const auto* folder = std::get_if<FolderPut>(&elements_[i]))
        folders.emplace(folder->folder.id, folder->folder);
      if (const auto* put = std::get_if<MessagePut>(&elements_[i])) {
        messages[put->messages.front().folder_id].push_back(&put->messages.front());
        index_.emplace(&put->messages.front(), i);
      }
    }
    const bool is_maildir = request_.layout == ArchiveLayout::maildir;
    // What clients expect at the top, also where the account has no INBOX.
    if (is_maildir)
      if (Status s = maildir_directories(path_of(std::string(kMaildir))); !s.ok()) return s;
    std::map<std::string, std::string> by_place;
    for (auto& [id, place] : is_maildir ? maildir_places(folders) : mbox_places(folders))
      by_place.emplace(place, id);
    for (const auto& [place, id] : by_place) {
      std::vector<const Message*>& in_folder = messages[id];
      std::sort(in_folder.begin(), in_folder.end(), comes_before);
      Status s = is_maildir ? maildir(path_of(place), place != kMaildir, in_folder)
                            : mbox(path_of(place), in_folder);
      if (!s.ok()) return s;
      ++exported_.folders;
    }
    return {};
  }

  [[nodiscard]] std::string path_of(std::string_view place) const {
    return base::cat(exported_.directory, '/', place);
  }

  [[nodiscard]] Status maildir_directories(const std::string& path) {
    for (const char* part : {"", "/cur", "/new", "/tmp"})
      if (Status s = writer_.directory(path + part, time_); !s.ok()) return s;
    return {};
  }

  [[nodiscard]] Status maildir(const std::string& path, bool is_below,
                               const std::vector<const Message*>& messages) {
    if (is_below) {
      if (Status s = maildir_directories(path); !s.ok()) return s;
      if (Status s = writer_.file(path + "/maildirfolder", {}, time_); !s.ok()) return s;
    }
    const stores::KeywordMap keywords = keywords_of(messages);
    if (!keywords.empty())
      if (Status s = writer_.file(path + "/dovecot-keywords", as_bytes(keywords.encode()), time_); !s.ok())
        return s;
    std::uint64_t number = 0;
    for (const Message* message : messages) {
      ++number;
      if (!message->content) return no_content(*message);
      Place& place = places_[index_.at(message)];
      place.entry =
          base::cat(path, "/cur/", maildir_file_name(*message, number, letters_of(*message, keywords)));
      place.length = message->content->size;
      if (Status s = file(place.entry, *message->content, seconds_of(message->internal_date)); !s.ok())
        return s.with_context(describe(elements_[index_.at(message)]));
      if (Status s = note_message(*message); !s.ok()) return s;
    }
    return {};
  }

  // Twice: a tar tells the size of a file before its bytes.
  [[nodiscard]] Status mbox(const std::string& path, const std::vector<const Message*>& messages) {
    std::uint64_t size = 0;
    for (const Message* message : messages) {
      if (!message->content) return no_content(*message);
      if (Status s = tick(); !s.ok()) return s;
      Place& place = places_[index_.at(message)];
      place.entry = path;
      place.offset = size + from_line(message->internal_date).size();
      place.length = 0;
      if (Status s = quoted(*message->content,
                            [&](ByteView bytes) {
                              place.length += bytes.size();
                              return Status();
                            });
          !s.ok())
        return s.with_context(describe(elements_[index_.at(message)]));
      size = *place.offset + place.length;
    }
    const std::int64_t time = messages.empty() ? time_ : seconds_of(messages.back()->internal_date);
    if (Status s = writer_.begin_file(path, size, time); !s.ok()) return s;
    for (const Message* message : messages) {
      if (Status s = writer_.write(as_bytes(from_line(message->internal_date))); !s.ok()) return s;
      if (Status s = quoted(*message->content, [&](ByteView bytes) { return writer_.write(bytes); }); !s.ok())
        return s.with_context(describe(elements_[index_.at(message)]));
      if (Status s = note_message(*message); !s.ok()) return s;
    }
    return writer_.end_file();
  }

  [[nodiscard]] Status items() {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < elements_.size(); ++i) {
      const auto* put = std::get_if<ItemPut>(&elements_[i]);
      if (!put) continue;
      ++exported_.items;
      if (!put->item.content) continue;
      const std::size_t slash = put->item.id.rfind('/') + 1;
      places_[i].entry = path_of(base::cat("items/", base::padded(++number, 6), "-",
                                           safe_name(std::string_view(put->item.id).substr(slash))));
      places_[i].length = put->item.content->size;
      exported_.bytes += put->item.content->size;
      if (Status s = file(places_[i].entry, *put->item.content, time_); !s.ok())
        return s.with_context(describe(elements_[i]));
    }
    return {};
  }

  // Also twice, for the same reason.
  [[nodiscard]] Status lines(const AccountPlan& planned) {
    StateDigester digester(kArchiveDigestKey);
    for (const Operation& element : elements_)
      if (Status s = digester.add(element); !s.ok()) return s;
    exported_.digest = digester.account_digest();
    MailboxHead head{fields_of(planned), planned.position, planned.effective_time};
    const MailboxEnd end{exported_.folders, exported_.messages, exported_.items, exported_.digest};
    const auto each_line = [&](const std::function<Status(const std::string&)>& take) {
      if (Status s = take(encode_head(head)); !s.ok()) return s;
      for (std::size_t i = 0; i < elements_.size(); ++i)
        if (Status s = take(encode_element(elements_[i], places_[i])); !s.ok()) return s;
      return take(encode_end(end));
    };
    std::uint64_t size = 0;
    static_cast<void>(each_line([&](const std::string& line) {
      size += line.size();
      return Status();
    }));
    if (Status s = writer_.begin_file(path_of(kMailboxName), size, time_); !s.ok()) return s;
    if (Status s = each_line([&](const std::string& line) { return writer_.write(as_bytes(line)); }); !s.ok())
      return s;
    return writer_.end_file();
  }

  // What the source of the full kept.
  [[nodiscard]] FieldSet fields_of(const AccountPlan& planned) const {
    for (const BackupTarget& target : targets_) {
      if (planned.steps.empty()) break;
      const Result<SessionInfo> session = target.session(planned.steps.front().label);
      if (!session.ok()) continue;
      if (const SessionAccount* account = session->find(planned.account_id)) return account->fields;
    }
    return {};
  }

  [[nodiscard]] static Status no_content(const Message& message) {
    return Status(Code::damaged,
                  base::cat("message ", base::escape(message.id), " is in the backup without its content"));
  }

  [[nodiscard]] Status file(const std::string& name, const ContentRef& content, std::int64_t time) {
    if (Status s = writer_.begin_file(name, content.size, time); !s.ok()) return s;
    if (Status s = copy(content, [&](ByteView bytes) { return writer_.write(bytes); }); !s.ok()) return s;
    return writer_.end_file();
  }

  // As it stands in an mbox behind its "From " line.
  template <class Take>
  [[nodiscard]] Status quoted(const ContentRef& content, const Take& take) {
    MboxQuoting quoting(MboxQuoting::Direction::quote);
    Bytes out;
    const auto add = [&](ByteView bytes) {
      out.clear();
      quoting.add(bytes, out);
      return take(ByteView(out));
    };
    if (Status s = copy(content, add); !s.ok()) return s;
    out.clear();
    quoting.end(out);
    return take(ByteView(out));
  }

  // All bytes of a content, which are those that its digest names.
  template <class Take>
  [[nodiscard]] Status copy(const ContentRef& content, const Take& take) {
    const Result<std::unique_ptr<ContentReader>> reader = plan_.content().open(content);
    if (!reader.ok()) return reader.status();
    crypto::Sha256 digest;
    std::uint64_t size = 0;
    for (;;) {
      const Result<std::size_t> got = (*reader)->read(buffer_);
      if (!got.ok()) return got.status();
      if (*got == 0) break;
      const ByteView bytes = ByteView(buffer_).first(*got);
      digest.update(bytes);
      size += *got;
      if (Status s = take(bytes); !s.ok()) return s;
    }
    if (size == content.size && digest.finish() == content.digest) return {};
    return Status(Code::damaged,
                  base::cat("content ", content.digest.to_string(), " is not what its digest says"));
  }

  [[nodiscard]] Status note_message(const Message& message) {
    ++exported_.messages;
    exported_.bytes += message.content->size;
    ++now_.messages_done;
    now_.bytes_done += message.content->size;
    return tick();
  }

  [[nodiscard]] Status tick() {
    if (cancel_.cancelled()) return Status(Code::cancelled, "the export was cancelled");
    if (progress_) progress_(now_);
    return {};
  }

  const RestorePlan& plan_;
  const std::vector<BackupTarget>& targets_;
  const ExportRequest& request_;
  ArchiveWriter& writer_;
  const CancelToken& cancel_;
  const ProgressFunction& progress_;
  ExportReport report_;
  Progress now_;
  bool any_folder_ = false;
  // Of the account at hand: its snapshot, and where each element's bytes went.
  ExportedAccount exported_;
  std::int64_t time_ = 0;
  std::vector<Operation> elements_;
  std::vector<Place> places_;
  std::unordered_map<const Message*, std::size_t> index_;
  Bytes buffer_;
};

// A file that is there whole, or not at all.
class OutputFile {
 public:
  OutputFile(os::Io& io, const std::string& path) : io_(io) {
    const std::size_t slash = path.rfind('/');
    directory_ = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    name_ = slash == std::string::npos ? path : path.substr(slash + 1);
  }
  ~OutputFile() {
    if (!published_ && file_.is_open()) static_cast<void>(io_.unlink_at(dir_.get(), temporary_));
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  [[nodiscard]] Status open(bool replace) {
    if (name_.empty() || name_ == "." || name_ == "..")
      return Status(Code::invalid_argument, "the archive needs a file name");
    Result<os::Fd> dir = os::open_dir(io_, directory_);
    if (!dir.ok()) return dir.status();
    dir_ = std::move(*dir);
    replace_ = replace;
    const Result<os::FileInfo> there = io_.stat_at(dir_.get(), name_);
    if (there.ok() && (!replace || there->type != os::FileType::regular)) return taken();
    const Result<std::string> temporary = os::temporary_name();
    if (!temporary.ok()) return temporary.status();
    temporary_ = *temporary;
    Result<os::Fd> file = io_.open_at(dir_.get(), temporary_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (!file.ok()) return file.status();
    file_ = std::move(*file);
    return {};
  }

  [[nodiscard]] Status write(ByteView bytes) {
    Status s = os::write_all_at(io_, file_.get(), bytes, size_);
    size_ += bytes.size();
    return s;
  }

  [[nodiscard]] Status publish() {
    if (Status s = io_.fsync(file_.get()); !s.ok()) return s;
    const Status renamed = replace_ ? io_.rename_at(dir_.get(), temporary_, dir_.get(), name_)
                                    : io_.rename_no_replace_at(dir_.get(), temporary_, dir_.get(), name_);
    if (renamed.code() == Code::already_exists) return taken();
    if (!renamed.ok()) return renamed;
    published_ = true;
    return io_.fsync(dir_.get());
  }

 private:
  [[nodiscard]] Status taken() const {
    return Status(Code::already_exists, base::cat("there is ", base::escape(name_), " already"),
                  "choose another name, or remove it first");
  }

  os::Io& io_;
  std::string directory_;
  std::string name_;
  std::string temporary_;
  os::Fd dir_;
  os::Fd file_;
  std::uint64_t size_ = 0;
  bool replace_ = false;
  bool published_ = false;
};

}  // namespace
}  // namespace archive

inline namespace v0 {

Result<ExportReport> export_archive(std::vector<BackupTarget> targets, RedoLog* log,
                                    const ExportRequest& request, const ArchiveOutput& out,
                                    const CancelToken& cancel, const ProgressFunction& progress) {
  RestoreRequest wanted;
  wanted.accounts = request.accounts;
  wanted.stop = request.stop;
  wanted.label = request.label;
  wanted.skip_deleted_accounts = request.accounts.empty();
  Result<RestorePlan> plan = RestorePlan::make(targets, log, wanted, {});
  if (!plan.ok()) return plan.status();
  Result<std::unique_ptr<archive::ArchiveWriter>> writer =
      archive::ArchiveWriter::open(request.format, request.compression_level, out);
  if (!writer.ok()) return writer.status();
  return archive::Export(*plan, targets, request, **writer, cancel, progress).run();
}

Result<ExportReport> export_archive(std::vector<BackupTarget> targets, RedoLog* log,
                                    const ExportRequest& request, const std::string& path, bool replace,
                                    const CancelToken& cancel, const ProgressFunction& progress) {
  archive::OutputFile file(os::real_io(), path);
  if (Status s = file.open(replace); !s.ok()) return s;
  Result<ExportReport> report = export_archive(
      std::move(targets), log, request, [&](ByteView bytes) { return file.write(bytes); }, cancel, progress);
  if (!report.ok()) return report;
  if (Status s = file.publish(); !s.ok()) return s;
  return report;
}

}  // namespace v0
}  // namespace restante
