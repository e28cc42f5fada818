#include "store.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "draw.hpp"
#include "maildir.hpp"

namespace store {
namespace {

namespace fs = std::filesystem;

const Profile& known_profile(const std::string& name) {
  const Profile* profile = Profile::find(name);
  if (!profile) throw std::runtime_error("no profile " + name);
  return *profile;
}

std::vector<Corpus> opened(const std::string& directory) {
  if (directory.empty()) return {};
  return {Corpus::open(directory)};
}

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = text.size();
  for (const char c : text) hash = mix(hash ^ static_cast<unsigned char>(c));
  return hash;
}

/// The messages of a mailbox's folder, in the order of their names.
std::vector<fs::path> messages_in(const std::string& folder) {
  std::vector<fs::path> out;
  for (const char* part : {"/cur", "/new"})
    if (fs::is_directory(folder + part))
      for (const auto& entry : fs::directory_iterator(folder + part)) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

fs::path with_other_flags(const fs::path& path, Draws& draws) {
  const std::string name = path.filename().string();
  const std::size_t colon = name.find(":2,");
  std::string flags = colon == name.npos ? "" : name.substr(colon + 3);
  const char flag = "SSSFRT"[draws.below(6)];
  if (const std::size_t at = flags.find(flag); at != flags.npos)
    flags.erase(at, 1);
  else
    flags.insert(std::find_if(flags.begin(), flags.end(), [&](char c) { return c > flag; }), flag);
  return path.parent_path().parent_path() / "cur" / (name.substr(0, colon) + ":2," + flags);
}

}  // namespace

/// Makes mails one after the other, on one thread.
class Store::Writer {
 public:
  Writer(const Store& store, const std::string& directory)
      : store_(store),
        maildirs_(directory),
        writes_(!directory.empty()),
        maker_(store.options_.seed, *store.profile_, store.text_, store.options_.untidy_in) {}

  void make(std::uint64_t number) { make(number, store_.placement_.of(number)); }

  void make(std::uint64_t number, const std::vector<Delivery>& deliveries) {
    const Mail mail = maker_.make(number);
    const std::string head =
        maker_.copy_header(mail, number, 0, Placement::user_name(deliveries.front().user));
    figures_.count_mail(mail, head.size() + mail.transport.size() + mail.message.size());
    first_.clear();
    std::uint64_t files = 0;
    for (std::size_t i = 0; i < deliveries.size(); i++)
      if (deliveries[i].kind == Delivery::Kind::kOdd)
        deliver_odd(number, deliveries[i], i);
      else
        files += deliver(mail, number, deliveries[i], i);
    figures_.count_parts(mail, files);
  }

  Figures take_figures() { return std::move(figures_); }

 private:
  /// How many files have the mail's parts in them now.
  std::uint64_t deliver(const Mail& mail, std::uint64_t number, const Delivery& delivery,
                        std::size_t ordinal) {
    if (is_link(number, delivery)) {
      const std::string path = path_of(number, delivery, ordinal, file_.size());
      if (writes_) Maildirs::link(first_, path);
      figures_.count_message(file_);
      return 1;
    }
    file_.clear();
    if (delivery.kind == Delivery::Kind::kCopy) {
      file_ += maker_.copy_header(mail, number, delivery.number, Placement::user_name(delivery.user));
      file_ += mail.transport;
    }
    file_ += mail.message;
    first_ = put(number, delivery, ordinal);
    return 1;
  }

  void deliver_odd(std::uint64_t number, const Delivery& delivery, std::size_t ordinal) {
    file_ = store_.corpus_.front().mail(delivery.number);
    put(number, delivery, ordinal);
  }

  bool is_link(std::uint64_t number, const Delivery& delivery) const {
    return store_.options_.hard_links && delivery.kind == Delivery::Kind::kCopy && delivery.number > 0 &&
           Draws(store_.options_.seed, Stream::kHardLink, number << 8 ^ delivery.number).chance(300'000);
  }

  std::string path_of(std::uint64_t number, const Delivery& delivery, std::size_t ordinal,
                      std::size_t bytes) const {
    return maildirs_.path_of(store_.options_.seed, number, delivery, ordinal, bytes);
  }

  std::string put(std::uint64_t number, const Delivery& delivery, std::size_t ordinal) {
    figures_.count_message(file_);
    std::string path = path_of(number, delivery, ordinal, file_.size());
    if (writes_) Maildirs::write(path, file_, time_of_mail(number));
    return path;
  }

  const Store& store_;
  Maildirs maildirs_;
  bool writes_;
  MailMaker maker_;
  Figures figures_;
  std::string file_;   // the newest
  std::string first_;  // path of the newest copy that is no link
};

Store::Store(const Options& options)
    : options_(options),
      profile_(&known_profile(options.profile)),
      corpus_(opened(options.corpus)),
      text_(corpus_.empty() ? Text::invented() : Text::of_corpus(corpus_.front())),
      placement_({options.seed, options.users, options.mails, options.messages,
                  corpus_.empty() ? 0 : corpus_.front().count()}) {}

Figures Store::make(const std::string& directory, std::uint64_t from, std::uint64_t to,
                    std::size_t threads) const {
  if (!directory.empty()) Maildirs(directory).make_folders(placement_);
  constexpr std::uint64_t kStep = 64;
  std::atomic<std::uint64_t> next{from};
  std::mutex mutex;
  Figures all;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      Writer writer(*this, directory);
      for (std::uint64_t at; (at = next.fetch_add(kStep)) < to;)
        for (std::uint64_t number = at; number < std::min(at + kStep, to); number++) writer.make(number);
      const std::lock_guard lock(mutex);
      all.add(writer.take_figures());
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
      next = to;
    }
  };
  std::vector<std::thread> workers;
  for (std::size_t i = 1; i < threads; i++) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  if (failure) std::rethrow_exception(failure);
  return all;
}

Store::Changes Store::live(const std::string& directory, const Day& day) const {
  const Maildirs maildirs(directory);
  Changes changes;
  std::uint64_t messages = 0;
  std::vector<std::pair<fs::path, fs::path>> renames;
  std::vector<fs::path> removals;
  for (std::size_t user = 0; user < placement_.users(); user++)
    for (std::size_t folder = 0; folder < placement_.folders_of(user); folder++)
      for (const fs::path& path : messages_in(maildirs.folder(user, folder))) {
        messages++;
        Draws draws(options_.seed ^ mix(day.number), Stream::kChurn,
                    hash_of(path.filename().string()) ^ mix(user));
        const std::uint64_t at = draws.below(1'000'000);
        if (at < day.deleted) {
          removals.push_back(path);
        } else if (at < day.deleted + day.flagged) {
          renames.emplace_back(path, with_other_flags(path, draws));
          changes.flagged++;
        } else if (at < day.deleted + day.flagged + day.moved) {
          const std::size_t other =
              (folder + 1 + draws.below(placement_.folders_of(user) - 1)) % placement_.folders_of(user);
          renames.emplace_back(path,
                               maildirs.folder(user, other) + "/cur/" +
                                   (path.parent_path().filename() == "new" ? path.filename().string() + ":2,S"
                                                                           : path.filename().string()));
          changes.moved++;
        }
      }
  for (const fs::path& path : removals) fs::remove(path);
  changes.deleted = removals.size();
  for (const auto& [from, to] : renames) fs::rename(from, to);

  Writer writer(*this, directory);
  const std::uint64_t wanted = messages * day.made / 1'000'000;
  for (std::uint64_t number = day.number << 40; changes.made < wanted; number++) {
    std::vector<Delivery> deliveries = placement_.of(number);
    if (deliveries.size() > wanted - changes.made) deliveries.resize(wanted - changes.made);
    writer.make(number, deliveries);
    changes.made += deliveries.size();
  }
  return changes;
}

}  // namespace store
