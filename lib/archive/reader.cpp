#include "archive/reader.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <cerrno>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace restante::archive {
namespace {

struct ReadEnd {
  void operator()(struct archive* handle) const noexcept { archive_read_free(handle); }
};

// libarchive hands out names in the characters of the thread's locale and nothing of those that it lacks.
// This thread has one that lacks none, for as long as it reads.
class Utf8Thread {
 public:
  Utf8Thread() : utf8_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (utf8_) before_ = ::uselocale(utf8_);
  }
  ~Utf8Thread() {
    if (!utf8_) return;
    ::uselocale(before_);
    ::freelocale(utf8_);
  }
  Utf8Thread(const Utf8Thread&) = delete;
  Utf8Thread& operator=(const Utf8Thread&) = delete;

 private:
  locale_t utf8_;
  locale_t before_ = nullptr;
};

class EntryReading {
 public:
  explicit EntryReading(const ReadJob& job) : job_(job), buffer_(base::kReadStepBytes) {}

  [[nodiscard]] Result<Entries> run() {
    if (Status s = open(); !s.ok()) return s;
    for (;;) {
      struct archive_entry* entry = nullptr;
      const int answer = archive_read_next_header(handle_.get(), &entry);
      if (answer == ARCHIVE_EOF) break;
      // A warning is about a name or a property that this system cannot hold, and nothing is unpacked.
      if (answer != ARCHIVE_OK && answer != ARCHIVE_WARN) return failure();
      if (++count_ > base::kMaxArchiveEntries)
        return Status(Code::no_space,
                      base::cat("the archive has more than ", base::kMaxArchiveEntries, " entries"));
      if (Status s = take(entry); !s.ok()) return s;
    }
    if (count_ == 0) return Status(Code::invalid_argument, "the archive is empty");
    return std::move(entries_);
  }

 private:
  static la_ssize_t give(struct archive* handle, void* self, const void** bytes) {
    auto& reading = *static_cast<EntryReading*>(self);
    reading.in_.resize(base::kReadStepBytes);
    const Result<std::size_t> size = reading.job_.input.read(reading.in_);
    if (!size.ok()) {
      reading.input_status_ = size.status();
      archive_set_error(handle, EIO, "the input failed");
      return -1;
    }
    reading.bytes_in_ += *size;
    reading.at_ += *size;
    *bytes = reading.in_.data();
    return static_cast<la_ssize_t>(*size);
  }

  static la_int64_t go(struct archive* /*handle*/, void* self, la_int64_t offset, int whence) {
    auto& reading = *static_cast<EntryReading*>(self);
    const std::uint64_t size = *reading.job_.input.size();
    const std::uint64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? reading.at_ : size;
    const auto place = static_cast<la_int64_t>(base) + offset;
    if (place < 0) return ARCHIVE_FATAL;
    reading.at_ = static_cast<std::uint64_t>(place);
    reading.job_.input.seek(reading.at_);
    return place;
  }

  [[nodiscard]] Status open() {
    handle_.reset(archive_read_new());
    struct archive* handle = handle_.get();
    if (!handle) throw std::bad_alloc();
    // What libarchive was built without it would do with another program: such a filter is left out.
    for (const auto support : {archive_read_support_filter_gzip, archive_read_support_filter_bzip2,
                               archive_read_support_filter_xz, archive_read_support_filter_zstd}) {
      if (support(handle) != ARCHIVE_OK)
        return Status(Code::unsupported, "the libarchive of this system lacks gzip, bzip2, xz or zstd");
    }
    archive_read_support_format_tar(handle);
    if (job_.input.size()) {
      archive_read_support_format_zip_seekable(handle);
      archive_read_set_seek_callback(handle, go);
    } else {
      archive_read_support_format_zip_streamable(handle);
    }
    archive_read_set_callback_data(handle, this);
    archive_read_set_read_callback(handle, give);
    return archive_read_open1(handle) == ARCHIVE_OK ? Status() : failure();
  }

  [[nodiscard]] Status failure() const {
    if (!input_status_.ok()) return input_status_;
    const char* why = archive_error_string(handle_.get());
    return Status(Code::damaged,
                  base::cat("the archive cannot be read: ", why ? base::escape(why) : "no reason given"),
                  "it is damaged or cut off, or neither tar nor zip");
  }

  // Whatever the locale: what is no UTF-8 comes as it is.
  [[nodiscard]] static std::string text(const char* utf8, const char* raw) {
    return utf8 ? utf8 : raw ? raw : "";
  }

  [[nodiscard]] Status take(struct archive_entry* entry) {
    if (job_.cancel.cancelled()) return Status(Code::cancelled, "the import was cancelled");
    const std::string given = text(archive_entry_pathname_utf8(entry), archive_entry_pathname(entry));
    const std::optional<std::string> name = entry_name(given);
    if (!name) {
      job_.notes.add(base::cat("passed over, because its name leads elsewhere or is none: ",
                               base::escape(std::string_view(given).substr(0, base::kMaxEntryNameBytes))));
      return {};
    }
    const std::string link = text(archive_entry_hardlink_utf8(entry), archive_entry_hardlink(entry));
    if (!link.empty()) return take_link(*name, link);
    switch (archive_entry_filetype(entry)) {
      case AE_IFDIR: entries_.directories.push_back(*name); return {};
      // A zip made without the file types of Unix.
      case 0:
      case AE_IFREG: break;
      default:
        job_.notes.add(
            base::cat("passed over, because it is neither file nor directory: ", base::escape(*name)));
        return {};
    }
    return take_file(entry, *name);
  }

  // tar writes the second name of a file as a link to the first.
  [[nodiscard]] Status take_link(const std::string& name, const std::string& link) {
    const std::optional<std::string> target = entry_name(link);
    const Entry* first = target ? entries_.find(*target) : nullptr;
    if (!first) {
      job_.notes.add(base::cat("passed over, because it is a link to what is not in the archive before it: ",
                               base::escape(name)));
      return {};
    }
    Entry second = *first;
    second.name = name;
    put(std::move(second));
    return {};
  }

  [[nodiscard]] Status take_file(struct archive_entry* entry, const std::string& name) {
    Entry file;
    file.name = name;
    file.piece.offset = job_.spool.size();
    if (archive_entry_mtime_is_set(entry) != 0) file.time = time_of(entry);
    for (;;) {
      const la_ssize_t size = archive_read_data(handle_.get(), buffer_.data(), buffer_.size());
      if (size == 0) break;
      if (size < 0) return failure().with_context(base::escape(name));
      if (Status s = append(static_cast<std::size_t>(size)); !s.ok()) return s;
    }
    file.piece.length = job_.spool.size() - file.piece.offset;
    if (archive_entry_size_is_set(entry) != 0 &&
        file.piece.length != static_cast<std::uint64_t>(archive_entry_size(entry)))
      return Status(Code::damaged, base::cat(base::escape(name), " has ", file.piece.length, " bytes, not ",
                                             archive_entry_size(entry)));
    put(std::move(file));
    return {};
  }

  [[nodiscard]] Status append(std::size_t size) {
    if (job_.cancel.cancelled()) return Status(Code::cancelled, "the import was cancelled");
    const std::uint64_t out = job_.spool.size() + size;
    if (out > base::kFreeArchiveBytes && out / base::kMaxArchiveExpansion > bytes_in_)
      return Status(Code::no_space, base::cat("the archive decompresses to more than ",
                                              base::kMaxArchiveExpansion, " times its size: it is no mail"));
    if (Status s = job_.spool.append(ByteView(buffer_).first(size)); !s.ok()) return s;
    if (job_.progress) {
      Progress now;
      now.bytes_done = job_.spool.size();
      now.messages_done = entries_.files.size();
      job_.progress(now);
    }
    return {};
  }

  // A time beyond what microseconds can say is none.
  [[nodiscard]] static std::optional<Time> time_of(struct archive_entry* entry) {
    constexpr std::int64_t kMaxSeconds = INT64_MAX / 1'000'000 - 1;
    const std::int64_t seconds = archive_entry_mtime(entry);
    if (seconds > kMaxSeconds || seconds < -kMaxSeconds) return std::nullopt;
    return Time{seconds * 1'000'000 + archive_entry_mtime_nsec(entry) / 1000};
  }

  // The later one counts, as when an archive is unpacked.
  void put(Entry entry) {
    const auto [place, is_new] = entries_.by_name.try_emplace(entry.name, entries_.files.size());
    if (is_new) {
      entries_.files.push_back(std::move(entry));
      return;
    }
    if (entries_.twice.size() < base::kMaxArchiveNotes) entries_.twice.push_back(entry.name);
    entries_.files[place->second] = std::move(entry);
  }

  const ReadJob& job_;
  Bytes buffer_;
  Bytes in_;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t at_ = 0;
  Status input_status_;
  // Behind what its callbacks use.
  std::unique_ptr<struct archive, ReadEnd> handle_;
  std::uint64_t count_ = 0;
  Entries entries_;
};

}  // namespace

void Notes::add(std::string note) {
  if (notes_.size() < base::kMaxArchiveNotes)
    notes_.push_back(std::move(note));
  else
    ++more_;
}

std::vector<std::string> Notes::take() {
  if (more_ > 0) notes_.push_back(base::cat("and ", more_, " more"));
  more_ = 0;
  return std::move(notes_);
}

std::optional<std::string> entry_name(std::string_view name) {
  if (name.size() > base::kMaxEntryNameBytes) return std::nullopt;
  std::string out;
  while (!name.empty()) {
    const std::string_view part = name.substr(0, name.find('/'));
    name.remove_prefix(std::min(part.size() + 1, name.size()));
    if (part == "..") return std::nullopt;
    if (part.empty() || part == ".") continue;
    if (!out.empty()) out.push_back('/');
    out.append(part);
  }
  if (out.empty()) return std::nullopt;
  return out;
}

Result<Entries> read_entries(const ReadJob& job) {
  const Utf8Thread utf8;
  return EntryReading(job).run();
}

}  // namespace restante::archive
