// How fast the redo log is beside what else makes records durable: a raw file, RocksDB, SQLite. All in one
// run, interleaved, medians of the rounds; ratios are what counts, because machines and their moods differ.
//
//     tests/bench/redo/run.sh [--rounds N] [--seconds S] [--scan-mib N] [--only TITLE] DIRECTORY

#include <fcntl.h>
#include <malloc.h>
#include <rocksdb/db.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <restante/redo_log.hpp>

namespace {

using namespace restante;
using Clock_ = std::chrono::steady_clock;
namespace fs = std::filesystem;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "bench: %s\n", what.c_str());
  std::exit(1);
}

double seconds_since(Clock_::time_point begin) {
  return std::chrono::duration<double>(Clock_::now() - begin).count();
}

/// Something that makes records durable, or not yet.
class Engine {
 public:
  virtual ~Engine() = default;
  /// One record, by one of the writers.
  virtual void write(int writer, const std::string& record, bool durable) = 0;
};

void fill_with_zeros(int fd, std::uint64_t bytes) {
  const std::string zeros(1u << 20, 0);
  for (std::uint64_t at = 0; at < bytes; at += zeros.size())
    if (::pwrite(fd, zeros.data(), zeros.size(), static_cast<off_t>(at)) < 0) die("pwrite");
  if (::fsync(fd) != 0) die("fsync");
}

/// Where each record of each writer goes is known beforehand, and the blocks are there.
class Raw final : public Engine {
 public:
  Raw(const std::string& directory, std::size_t record_bytes) : step_((record_bytes + 4095) / 4096 * 4096) {
    fd_ = ::open((directory + "/raw").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    constexpr std::uint64_t kBytes = 64u << 20;
    fill_with_zeros(fd_, kBytes);
    places_ = kBytes / step_;
  }
  ~Raw() override { ::close(fd_); }
  void write(int, const std::string& record, bool durable) override {
    const std::uint64_t place = next_++ % places_;
    if (::pwrite(fd_, record.data(), record.size(), static_cast<off_t>(place * step_)) < 0)
      die("raw: pwrite");
    if (durable && ::fdatasync(fd_) != 0) die("raw: fdatasync");
  }

 private:
  int fd_ = -1;
  std::uint64_t step_;
  std::uint64_t places_ = 0;
  std::atomic<std::uint64_t> next_{0};
};

/// As little as grouping can cost within one process: whoever finds nobody at the disk writes and syncs what
/// all have left in memory. No order, no checksums, nothing that could be read again.
class BareGroup final : public Engine {
 public:
  explicit BareGroup(const std::string& directory) {
    fd_ = ::open((directory + "/group").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    fill_with_zeros(fd_, kBytes);
  }
  ~BareGroup() override { ::close(fd_); }
  void write(int, const std::string& record, bool) override {
    std::unique_lock lock(mutex_);
    waiting_.append(record);
    const std::uint64_t mine = batch_;
    while (done_ < mine) {
      if (is_leading_) {
        wake_.wait(lock);
        continue;
      }
      is_leading_ = true;
      lock.unlock();
      std::this_thread::yield();  // those whom the last round woke are about to come
      lock.lock();
      writing_.swap(waiting_);
      const std::uint64_t batch = batch_++;
      lock.unlock();
      if (at_ + writing_.size() > kBytes) at_ = 0;
      if (::pwrite(fd_, writing_.data(), writing_.size(), static_cast<off_t>(at_)) < 0) die("group: pwrite");
      if (::fdatasync(fd_) != 0) die("group: fdatasync");
      at_ += writing_.size();
      writing_.clear();
      lock.lock();
      done_ = batch;
      is_leading_ = false;
      wake_.notify_all();
    }
  }

 private:
  static constexpr std::uint64_t kBytes = 256u << 20;
  int fd_ = -1;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string waiting_;
  std::string writing_;
  std::uint64_t batch_ = 1;
  std::uint64_t done_ = 0;
  std::uint64_t at_ = 0;
  bool is_leading_ = false;
};

class Rocks final : public Engine {
 public:
  explicit Rocks(const std::string& directory) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    rocksdb::DB* db = nullptr;
    if (!rocksdb::DB::Open(options, directory + "/rocks", &db).ok()) die("rocksdb: open");
    db_.reset(db);
  }
  void write(int writer, const std::string& record, bool durable) override {
    rocksdb::WriteOptions options;
    options.sync = durable;
    const std::string key = std::to_string(writer) + "." + std::to_string(next_++);
    if (!db_->Put(options, key, record).ok()) die("rocksdb: put");
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::atomic<std::uint64_t> next_{0};
};

class Sqlite final : public Engine {
 public:
  Sqlite(const std::string& directory, int writers) {
    for (int w = 0; w < writers; ++w) {
      sqlite3* db = nullptr;
      if (sqlite3_open((directory + "/sqlite").c_str(), &db) != SQLITE_OK) die("sqlite: open");
      sqlite3_busy_timeout(db, 60'000);
      run(db, "PRAGMA journal_mode=WAL");
      run(db, "PRAGMA synchronous=FULL");
      run(db, "CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, record BLOB)");
      dbs_.push_back(db);
      sqlite3_stmt* insert = nullptr;
      if (sqlite3_prepare_v2(db, "INSERT INTO log (record) VALUES (?)", -1, &insert, nullptr) != SQLITE_OK)
        die("sqlite: prepare");
      inserts_.push_back(insert);
    }
  }
  ~Sqlite() override {
    for (sqlite3_stmt* insert : inserts_) sqlite3_finalize(insert);
    for (sqlite3* db : dbs_) sqlite3_close(db);
  }
  void write(int writer, const std::string& record, bool) override {
    sqlite3_stmt* const insert = inserts_[static_cast<std::size_t>(writer)];
    sqlite3_bind_blob(insert, 1, record.data(), static_cast<int>(record.size()), SQLITE_STATIC);
    while (sqlite3_step(insert) != SQLITE_DONE) sqlite3_reset(insert);
    sqlite3_reset(insert);
  }

 private:
  static void run(sqlite3* db, const char* sql) {
    for (int i = 0; i < 1000; ++i)
      if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return;
    die(std::string("sqlite: ") + sql + ": " + sqlite3_errmsg(db));
  }
  std::vector<sqlite3*> dbs_;
  std::vector<sqlite3_stmt*> inserts_;
};

RedoLog open_redo(const std::string& directory, std::uint64_t segment_bytes = 100u << 20) {
  RedoLog::Options options;
  options.create = true;
  options.segment_bytes = segment_bytes;
  Result<RedoLog> log = RedoLog::open(directory + "/redo", options);
  if (!log.ok()) die(log.status().to_string());
  return *log;
}

/// What a host's housekeeping does every minute, more often because the rates here are higher.
class Housekeeping {
 public:
  explicit Housekeeping(const RedoLog& log) : log_(log) {
    // The first segment was made in a hurry; the next is ready.
    if (!log_.maintain().ok() || !log_.roll().ok() || !log_.maintain().ok()) die("maintain");
    thread_ = std::thread([this] {
      while (!stop_) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        (void)log_.maintain();
      }
    });
  }
  ~Housekeeping() {
    stop_ = true;
    thread_.join();
  }

 private:
  RedoLog log_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

class Restante final : public Engine {
 public:
  /// One process of those that share a log does the housekeeping.
  explicit Restante(const std::string& directory, bool keeps_house = true) : log_(open_redo(directory)) {
    if (keeps_house) housekeeping_ = std::make_unique<Housekeeping>(log_);
  }
  void write(int writer, const std::string& record, bool durable) override {
    const Operation operations[] = {HostOp{"bench", "record", "", "", record}};
    RedoLog::BeginOptions options;
    options.sync = durable ? Sync::durable : Sync::lazy;
    const Result<Lsn> lsn = log_.append("account" + std::to_string(writer), operations, options);
    if (!lsn.ok()) die(lsn.status().to_string());
  }

 private:
  RedoLog log_;
  std::unique_ptr<Housekeeping> housekeeping_;
};

std::unique_ptr<Engine> make(const std::string& name, const std::string& directory, std::size_t bytes,
                             int writers) {
  if (name == "raw") return std::make_unique<Raw>(directory, bytes);
  if (name == "group") return std::make_unique<BareGroup>(directory);
  if (name == "rocksdb") return std::make_unique<Rocks>(directory);
  if (name == "sqlite") return std::make_unique<Sqlite>(directory, writers);
  return std::make_unique<Restante>(directory);
}

struct Settings {
  int rounds = 5;
  double seconds = 1.0;
  std::uint64_t scan_mib = 2048;
  std::string only;
  std::string directory;

  [[nodiscard]] bool wants(const char* title) const { return std::strstr(title, only.c_str()) != nullptr; }
};

/// Records a second.
double rate(Engine& engine, int writers, std::size_t bytes, bool durable, double seconds) {
  const std::string record(bytes, 'r');
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> count{0};
  std::vector<std::thread> threads;
  const auto begin = Clock_::now();
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      std::uint64_t mine = 0;
      while (!stop) engine.write(w, record, durable), ++mine;
      count += mine;
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(count) / seconds_since(begin);
}

/// The same by processes, each with its own handle.
double rate_of_processes(const std::string& directory, int processes, int threads, std::size_t bytes,
                         double seconds) {
  { const RedoLog made = open_redo(directory); }
  // No thread of this process may be alive at a fork: the first child keeps house.
  std::vector<pid_t> children;
  int said[2];
  int begin[2];
  if (::pipe(said) != 0 || ::pipe(begin) != 0) die("pipe");
  const auto say = [&](double value) {
    if (::write(said[1], &value, sizeof value) != sizeof value) ::_exit(1);
  };
  const auto hear_all = [&] {
    double sum = 0;
    for (int p = 0; p < processes; ++p) {
      double one = 0;
      if (::read(said[0], &one, sizeof one) != sizeof one) die("a child failed");
      sum += one;
    }
    return sum;
  };
  for (int p = 0; p < processes; ++p) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(begin[1]);
      Restante engine(directory, p == 0);
      say(0);
      // All begin when the parent closes its end: whoever keeps house has prepared segments by then.
      char none;
      if (::read(begin[0], &none, 1) != 0) ::_exit(1);
      say(rate(engine, threads, bytes, true, seconds));
      ::_exit(0);
    }
    children.push_back(child);
  }
  hear_all();
  ::close(begin[1]);
  const double sum = hear_all();
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  for (const int end : {said[0], said[1], begin[0]}) ::close(end);
  return sum;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string fresh(const Settings& settings) {
  const std::string directory = settings.directory + "/run";
  fs::remove_all(directory);
  fs::create_directories(directory);
  return directory;
}

void compare(const Settings& settings, const char* title, const std::vector<std::string>& engines,
             std::size_t bytes, int writers, bool durable) {
  if (!settings.wants(title)) return;
  std::map<std::string, std::vector<double>> rates;
  for (int round = 0; round < settings.rounds; ++round) {
    for (const std::string& name : engines) {
      const std::string directory = fresh(settings);
      const std::unique_ptr<Engine> engine = make(name, directory, bytes, writers);
      rates[name].push_back(rate(*engine, writers, bytes, durable, settings.seconds));
    }
  }
  const double mine = median(rates["restante"]);
  std::printf("%-34s restante %10.0f/s", title, mine);
  for (const std::string& name : engines)
    if (name != "restante") std::printf("   %5.2f x %s", mine / median(rates[name]), name.c_str());
  std::printf("\n");
  std::fflush(stdout);
}

void compare_processes(const Settings& settings, std::size_t bytes) {
  constexpr const char* kTitle = "256 B durable, 8 processes x 8";
  if (!settings.wants(kTitle)) return;
  std::vector<double> processes;
  std::vector<double> threads;
  for (int round = 0; round < settings.rounds; ++round) {
    processes.push_back(rate_of_processes(fresh(settings), 8, 8, bytes, settings.seconds));
    const std::string directory = fresh(settings);
    Restante engine(directory);
    threads.push_back(rate(engine, 64, bytes, true, settings.seconds));
  }
  std::printf("%-34s restante %10.0f/s   %5.2f x 64 threads\n", kTitle, median(processes),
              median(processes) / median(threads));
  std::fflush(stdout);
}

/// A log of several accounts, read whole and by one account.
void read_back(const Settings& settings) {
  constexpr const char* kTitle = "scan with checksums, warm";
  if (!settings.wants(kTitle)) return;
  const std::string directory = fresh(settings);
  RedoLog log = open_redo(directory);
  constexpr int kAccounts = 10'000;
  constexpr std::size_t kBytes = 4000;
  const std::uint64_t records = (settings.scan_mib << 20) / kBytes;
  const std::string record(kBytes, 'r');
  RedoLog::BeginOptions options;
  options.sync = Sync::lazy;
  for (std::uint64_t i = 0; i < records; ++i) {
    const Operation operations[] = {HostOp{"bench", "record", "", "", record}};
    if (!log.append("account" + std::to_string(i * 7919 % kAccounts), operations, options).ok())
      die("append");
  }
  if (!log.roll().ok()) die("roll");
  const auto read = [&](const std::string& account) {
    const auto begin = Clock_::now();
    auto cursor = log.read({.after = 0, .until = UINT64_MAX, .account_id = account});
    if (!cursor.ok()) die(cursor.status().to_string());
    LoggedTransaction transaction;
    std::uint64_t found = 0;
    while (*(*cursor)->next(transaction)) ++found;
    if (found == 0) die("nothing read");
    return seconds_since(begin);
  };
  std::vector<double> all;
  std::vector<double> one;
  for (int round = 0; round < settings.rounds; ++round) {
    all.push_back(read(""));
    one.push_back(read("account" + std::to_string(round * 31)));
  }
  std::printf("%-34s %.2f GB/s   one account of %d: %.0f x faster\n", kTitle,
              static_cast<double>(records * kBytes) / median(all) / 1e9, kAccounts,
              median(all) / median(one));
}

/// How long a commit takes at most while segments are rolled.
void roll_latency(const Settings& settings, bool keeps_house) {
  const char* const title = keeps_house ? "rolls, 16 x 16 KiB durable" : "rolls without housekeeping";
  if (!settings.wants(title)) return;
  const RedoLog log = open_redo(fresh(settings), 16u << 20);
  std::optional<Housekeeping> housekeeping;
  if (keeps_house) housekeeping.emplace(log);
  const std::uint64_t first = log.sequence();
  constexpr int kWriters = 16;
  std::vector<std::vector<double>> latencies(kWriters);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w, mine = log]() mutable {
      const Operation operations[] = {HostOp{"bench", "record", "", "", std::string(16384, 'r')}};
      while (!stop) {
        const auto begin = Clock_::now();
        if (!mine.append("account" + std::to_string(w), operations).ok()) die("append");
        latencies[static_cast<std::size_t>(w)].push_back(seconds_since(begin) * 1000);
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(3 * settings.seconds));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  std::vector<double> all;
  for (const std::vector<double>& some : latencies) all.insert(all.end(), some.begin(), some.end());
  std::sort(all.begin(), all.end());
  std::printf("%-34s %llu rolls, commit median %.2f ms, 99 %% %.2f ms, worst %.2f ms\n", title,
              static_cast<unsigned long long>(log.sequence() - first), all[all.size() / 2],
              all[all.size() * 99 / 100], all.back());
  std::fflush(stdout);
}

/// What an open handle holds beside mappings, with a full segment behind it.
void memory(const Settings& settings) {
  constexpr const char* kTitle = "memory of a handle";
  if (!settings.wants(kTitle)) return;
  const std::string directory = fresh(settings);
  const std::size_t before = ::mallinfo2().uordblks;
  RedoLog log = open_redo(directory);
  const std::size_t opened = ::mallinfo2().uordblks;
  RedoLog::BeginOptions options;
  options.sync = Sync::lazy;
  const Operation operations[] = {HostOp{"bench", "record", "", "", std::string(256, 'r')}};
  while (log.segments()->back().bytes < (90u << 20))
    for (int i = 0; i < 10'000; ++i)
      if (!log.append("account" + std::to_string(i), operations, options).ok()) die("append");
  const std::size_t written = ::mallinfo2().uordblks;
  std::printf("%-34s %zu KiB opened, %zu KiB behind 90 MiB of 256 B\n", kTitle, (opened - before) / 1024,
              (written - before) / 1024);
  std::fflush(stdout);
}

/// What a delivery agent does in its life, with somebody who has the log open or without.
void short_lives(const Settings& settings, bool is_held) {
  const char* const title = is_held ? "process beside another" : "process alone with the log";
  if (!settings.wants(title)) return;
  const std::string directory = fresh(settings);
  std::optional<RedoLog> held = open_redo(directory);
  RedoLog::BeginOptions options;
  options.sync = Sync::lazy;
  const Operation operations[] = {HostOp{"bench", "record", "", "", std::string(256, 'r')}};
  for (int i = 0; i < 100'000; ++i)
    if (!held->append("account", operations, options).ok()) die("append");
  if (!is_held) held.reset();
  std::vector<double> joined;
  for (int i = 0; i < 20 * settings.rounds; ++i) {
    const auto begin = Clock_::now();
    const pid_t child = ::fork();
    if (child == 0) {
      {
        Restante engine(directory, false);
        engine.write(0, "one", true);
      }
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    joined.push_back(seconds_since(begin) * 1000);
  }
  std::printf("%-34s open, append, close: %.2f ms\n", title, median(joined));
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool has_value = i + 1 < argc;
    if (word == "--rounds" && has_value)
      settings.rounds = std::atoi(argv[++i]);
    else if (word == "--seconds" && has_value)
      settings.seconds = std::atof(argv[++i]);
    else if (word == "--scan-mib" && has_value)
      settings.scan_mib = std::strtoull(argv[++i], nullptr, 10);
    else if (word == "--only" && has_value)
      settings.only = argv[++i];
    else
      settings.directory = word;
  }
  if (settings.directory.empty() || settings.rounds < 1) die("usage: bench [options] DIRECTORY");
  std::printf("medians of %d rounds of %.1f s, %u processors\n\n", settings.rounds, settings.seconds,
              std::thread::hardware_concurrency());
  const std::vector<std::string> all = {"raw", "group", "rocksdb", "sqlite", "restante"};
  const std::vector<std::string> grouping = {"raw", "group", "rocksdb", "restante"};
  compare(settings, "256 B durable, 1 writer", all, 256, 1, true);
  compare(settings, "256 B durable, 16 writers", all, 256, 16, true);
  compare(settings, "256 B durable, 64 writers", grouping, 256, 64, true);
  compare(settings, "16 KiB durable, 1 writer", all, 16384, 1, true);
  compare(settings, "16 KiB durable, 16 writers", all, 16384, 16, true);
  compare(settings, "16 KiB durable, 64 writers", grouping, 16384, 64, true);
  compare(settings, "256 B not synced, 4 writers", {"rocksdb", "restante"}, 256, 4, false);
  compare_processes(settings, 256);
  roll_latency(settings, true);
  roll_latency(settings, false);
  memory(settings);
  short_lives(settings, true);
  short_lives(settings, false);
  read_back(settings);
  fs::remove_all(settings.directory + "/run");
  return 0;
}
