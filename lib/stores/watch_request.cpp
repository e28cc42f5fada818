#include "stores/watch_request.hpp"

#include <fcntl.h>

#include <array>
#include <thread>

#include "base/text.hpp"
#include "base/wire.hpp"
#include "os/errors.hpp"
#include "os/file.hpp"
#include "os/lock.hpp"
#include "os/random.hpp"

namespace restante::stores {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kRequestDir = "watch";
constexpr const char* kWatcherLock = "lock";
constexpr std::string_view kAsk = "ask-";
constexpr std::string_view kAnswer = "answer-";
constexpr std::uint64_t kMaxAnswerBytes = std::uint64_t{1} << 30;
// Whoever asks has the lock for a moment to see whether somebody watches.
constexpr int kLockAttempts = 50;
constexpr milliseconds kAttemptInterval{10};
constexpr milliseconds kLook{1};
constexpr int kLooksAtLock = 64;

bool is_somebody_watching(int dirfd) {
  return os::take_file(dirfd, kWatcherLock, "a question").status().code() == Code::busy;
}

Result<std::set<std::string>> decode_answer(ByteView bytes) {
  base::ByteReader in(bytes);
  std::set<std::string> accounts;
  for (std::uint64_t n = in.varint(); n > 0 && in.ok(); --n) accounts.emplace(in.text());
  if (!in.ok() || in.remaining() > 0) return Status(Code::damaged, "the watcher's answer cannot be read");
  return accounts;
}

// Removes both files, whatever happens.
class Question {
 public:
  Question(os::Io& io, int dirfd, const std::string& name)
      : io_(io), dirfd_(dirfd), ask_(base::cat(kAsk, name)), answer_(base::cat(kAnswer, name)) {}
  ~Question() {
    static_cast<void>(io_.unlink_at(dirfd_, ask_));
    static_cast<void>(io_.unlink_at(dirfd_, answer_));
  }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  [[nodiscard]] Status ask() const {
    return io_.open_at(dirfd_, ask_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600).status();
  }
  [[nodiscard]] Result<Bytes> answer() const { return os::read_file(io_, dirfd_, answer_, kMaxAnswerBytes); }

 private:
  os::Io& io_;
  int dirfd_;
  std::string ask_;
  std::string answer_;
};

}  // namespace

Result<WatchRequests> WatchRequests::open(os::Io& io, int state_dirfd) {
  Result<os::Fd> dir = os::make_dirs(io, state_dirfd, kRequestDir, 0700);
  if (!dir.ok()) return dir.status();
  Result<os::Fd> lock = os::take_file(dir->get(), kWatcherLock, "restante watch");
  for (int i = 1; i < kLockAttempts && lock.status().code() == Code::busy; ++i) {
    std::this_thread::sleep_for(kAttemptInterval);
    lock = os::take_file(dir->get(), kWatcherLock, "restante watch");
  }
  if (!lock.ok()) return lock.status();
  const Result<std::vector<os::DirEntry>> entries = io.list(dir->get());
  if (!entries.ok()) return entries.status();
  for (const os::DirEntry& entry : *entries) {
    if (entry.name != kWatcherLock) static_cast<void>(io.unlink_at(dir->get(), entry.name));
  }
  return WatchRequests(io, *std::move(dir), *std::move(lock));
}

std::string_view WatchRequests::question_of(std::string_view file_name) {
  return file_name.starts_with(kAsk) ? file_name.substr(kAsk.size()) : std::string_view();
}

// Lost in a crash it is asked for again: it is not synced.
Status WatchRequests::answer(const std::string& question, const std::set<std::string>& accounts) const {
  if (!io_->stat_at(dir_.get(), base::cat(kAsk, question)).ok()) return {};
  Bytes bytes;
  base::ByteWriter writer(bytes);
  writer.varint(accounts.size());
  for (const std::string& account : accounts) writer.text(account);
  const Result<std::string> temporary = os::temporary_name();
  if (!temporary.ok()) return temporary.status();
  const Result<os::Fd> file =
      io_->open_at(dir_.get(), *temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!file.ok()) return file.status();
  Status written = os::write_all_at(*io_, file->get(), bytes, 0);
  if (written.ok())
    written = io_->rename_at(dir_.get(), *temporary, dir_.get(), base::cat(kAnswer, question));
  if (!written.ok()) static_cast<void>(io_->unlink_at(dir_.get(), *temporary));
  return written;
}

Result<std::set<std::string>> ask_watcher(os::Io& io, int state_dirfd, milliseconds deadline) {
  const Result<os::Fd> dir = os::open_dir_at(io, state_dirfd, std::string(kRequestDir));
  if (!dir.ok() && os::is_absent(dir.status())) return std::set<std::string>();
  if (!dir.ok()) return dir.status();
  if (!is_somebody_watching(dir->get())) return std::set<std::string>();
  std::array<std::uint8_t, 16> id{};
  if (Status s = os::random_bytes(id); !s.ok()) return s;
  const Question question(io, dir->get(), to_hex(id));
  if (Status s = question.ask(); !s.ok()) return s;
  const auto until = std::chrono::steady_clock::now() + deadline;
  for (int look = 1; std::chrono::steady_clock::now() < until; ++look) {
    const Result<Bytes> bytes = question.answer();
    if (bytes.ok()) return decode_answer(*bytes);
    if (bytes.status().code() != Code::not_found) return bytes.status();
    if (look % kLooksAtLock == 0 && !is_somebody_watching(dir->get())) break;
    std::this_thread::sleep_for(kLook);
  }
  return std::set<std::string>();
}

}  // namespace restante::stores
