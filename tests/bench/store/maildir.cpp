#include "maildir.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#include "draw.hpp"
#include "mail.hpp"

namespace store {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::generic_category().message(errno));
}

class File {
 public:
  explicit File(const std::string& path)
      : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {
    if (fd_ < 0) fail("cannot create " + path);
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0) fail("cannot write " + path_);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  void set_time(std::int64_t seconds) const {
    const struct timespec times[] = {{static_cast<time_t>(seconds), 0}, {static_cast<time_t>(seconds), 0}};
    if (::futimens(fd_, times) != 0) fail("cannot set the time of " + path_);
  }

 private:
  std::string path_;
  int fd_;
};

constexpr std::int64_t kFoldersMadeAt = 1'599'000'000;

/// A fifth of the mail is not seen, a tenth not even listed.
std::string flags_of(Draws& draws) {
  std::string flags;
  if (draws.chance(50'000)) flags += 'F';
  if (draws.chance(20'000)) flags += 'P';
  if (draws.chance(200'000)) flags += 'R';
  if (draws.chance(890'000)) flags += 'S';
  if (draws.chance(10'000)) flags += 'T';
  return flags;
}

}  // namespace

std::string Maildirs::folder(std::size_t user, std::size_t folder) const {
  const std::string box = directory_ + "/" + Placement::user_name(user);
  return folder == 0 ? box : box + "/." + Placement::folder_name(folder);
}

void Maildirs::make_folders(const Placement& placement) const {
  std::filesystem::create_directories(directory_);
  for (std::size_t user = 0; user < placement.users(); user++) {
    std::string subscriptions;
    for (std::size_t number = 0; number < placement.folders_of(user); number++) {
      const std::string path = folder(user, number);
      for (const char* part : {"", "/cur", "/new", "/tmp"}) std::filesystem::create_directory(path + part);
      if (number == 0) continue;
      write(path + "/maildirfolder", {}, kFoldersMadeAt);
      subscriptions += Placement::folder_name(number) + "\n";
    }
    write(folder(user, 0) + "/subscriptions", subscriptions, kFoldersMadeAt);
  }
}

std::string Maildirs::path_of(std::uint64_t seed, std::uint64_t number, const Delivery& delivery,
                              std::uint64_t ordinal, std::size_t bytes) const {
  Draws draws(seed, Stream::kFlags, number << 16 ^ ordinal);
  const bool is_new = delivery.kind != Delivery::Kind::kSent && draws.chance(100'000);
  std::string name = std::to_string(time_of_mail(number)) + ".M" + std::to_string(number % 1'000'000) + "P" +
                     std::to_string(1000 + ordinal) + ".mx1,S=" + std::to_string(bytes);
  if (!is_new) name += ":2," + (delivery.kind == Delivery::Kind::kSent ? std::string("S") : flags_of(draws));
  return folder(delivery.user, delivery.folder) + (is_new ? "/new/" : "/cur/") + name;
}

void Maildirs::write(const std::string& path, std::string_view bytes, std::int64_t time) {
  const File file(path);
  file.write(bytes);
  file.set_time(time);
}

void Maildirs::link(const std::string& from, const std::string& to) {
  ::unlink(to.c_str());
  if (::link(from.c_str(), to.c_str()) != 0) fail("cannot link " + to);
}

}  // namespace store
