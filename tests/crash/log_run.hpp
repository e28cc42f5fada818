#pragma once
// A redo log on a simulated disk that is used at random, through crashes, kills and failing syncs.

#include <restante/redo_log.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "log_history.hpp"
#include "redo/log_access.hpp"
#include "support/simulated_disk.hpp"

namespace restante::test {

class LogRun {
 public:
  /// What may happen besides calls that succeed and machines that stop.
  struct Dangers {
    bool kills = true;
    bool failing_syncs = true;
    bool full_disks = true;
  };

  explicit LogRun(std::uint64_t seed) : LogRun(seed, Dangers{}) {}
  LogRun(std::uint64_t seed, const Dangers& dangers);

  /// Goes on through so many crashes. Returns what is wrong, nothing if all is well.
  [[nodiscard]] std::string play(int crashes);
  /// The same calls for every `n`: stops the machine at the n-th change and recovers. `is_over` is set when
  /// the run ends before that.
  [[nodiscard]] std::string play_until(std::uint64_t n, const SimulatedDisk::Crash& crash, int steps,
                                       bool& is_over);
  /// Appends, housekeeping and rolls, with the machine stopping at the n-th change of these.
  [[nodiscard]] std::string play_rolls(std::uint64_t n, const SimulatedDisk::Crash& crash, bool& is_over);
  /// The same with consumers that read all, and the removal of what they have read.
  [[nodiscard]] std::string play_removals(std::uint64_t n, const SimulatedDisk::Crash& crash, bool& is_over);
  /// What happened, for whoever has to find out why.
  [[nodiscard]] const std::string& story() const { return story_; }

 private:
  class ManualClock final : public Clock {
   public:
    [[nodiscard]] Time now() const override { return Time{now_us}; }
    std::int64_t now_us = 1'780'000'000'000'000;
  };
  struct Held {
    Transaction transaction;
    LogHistory::Event begun;
  };

  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  [[nodiscard]] bool one_in(std::uint64_t n) { return below(n) == 0; }
  template <class... Parts>
  void tell(const Parts&... parts);
  void wrong(const std::string& what);

  [[nodiscard]] bool open();
  void close();
  void restart();
  void live(int steps);
  void step();
  /// Whether a call that failed with `status` leaves in doubt what it wrote.
  [[nodiscard]] bool failed(const Status& status, std::initializer_list<Code> allowed);

  [[nodiscard]] LogHistory::Event new_event(LogHistory::Event::Kind kind);
  [[nodiscard]] std::vector<Operation> operations_of(const LogHistory::Event& event);
  [[nodiscard]] RedoLog::BeginOptions options(Sync sync) const;
  void append();
  void append(LogHistory::Event& event, const RedoLog::BeginOptions& options);
  void append_content();
  void begin();
  void end_one();
  void let_go();
  void recover();
  void touch();
  void consume();
  void consume_all();
  void move_consumer(const std::string& name, Lsn position);
  void remove_consumed();
  void housekeeping();
  void roll();
  void maintain();
  using Script = std::vector<void (LogRun::*)()>;
  [[nodiscard]] std::string play_script(const Script& script, std::uint64_t n,
                                        const SimulatedDisk::Crash& crash, bool& is_over);
  void follow(const Script& script);
  void trouble();
  void fill(bool is_full);
  void note_durable();

  std::mt19937_64 engine_;
  const Dangers dangers_;
  ManualClock clock_;
  SimulatedDisk disk_;
  LogHistory history_;
  std::optional<RedoLog> log_;
  std::vector<Held> held_;
  std::optional<Bytes> last_content_;
  int number_ = 0;
  std::uint64_t failures_before_ = 0;  // failed syncs when the log was opened
  bool is_full_ = false;
  bool dies_with_sync_ = false;  // kills come with the next failing sync
  bool failed_ = false;          // the log is poisoned
  std::string wrong_;
  std::string story_;
};

}  // namespace restante::test
