#pragma once
// A model of how processes that share a redo log lock it, write to it and acknowledge, small enough that
// every interleaving of a few processes can be looked at.
//
// A record is a number: who writes it in which step of his script. Bytes, offsets and the file's end do not
// occur; positions are LSNs. A step of the model is what one word of shared memory, one lock or one call of
// the system makes visible to others; the comment at each names the function of lib/redo that takes it.
// Between any two steps another process may go on, a process may die (`deaths`), a sync or a write may fail,
// and the machine may stop: what must hold then is an invariant of every state (`what_is_wrong`).

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace restante::test::model {

inline constexpr int kMostProcesses = 3;
inline constexpr int kMostRecords = 6;
inline constexpr int kMostSegments = 4;
/// Records that wait in memory before somebody has to write them.
inline constexpr int kStaged = 2;

/// What a process does, one after the other.
enum class Op : std::uint8_t { done, append, append_large, begin, commit, roll };

struct Scenario {
  std::vector<std::vector<Op>> scripts;
  int deaths = 0;
  int sync_failures = 0;
  int write_failures = 0;
  /// SIGSTOP: a process takes no step until it goes on.
  int freezes = 0;
};

/// What is left out or done in the wrong order, to see that the invariants notice.
enum class Broken : std::uint8_t {
  nothing,
  no_repair_of_table,
  no_removal_of_name,
  no_repair_of_stage,
  no_sync_of_directory,
  no_write_again,
  no_poison,
  no_look_at_poison,
  roll_without_sync,
  durable_before_sync,
  durable_is_end_after_sync,
  published_before_staged,
  written_before_write,
  no_word_of_next_leader,
  next_leader_is_served,
  one_is_woken_whoever_was_served,
  signal_before_durable,
  seen_after_durable,
  sleeps_by_wrong_round,
  stage_stays_inconsistent,
  believes_first_watermark,
  gives_up_with_write_lock,
  gives_up_with_sync_lock,
};

/// One state. Only bytes, so that states are compared and hashed as they lie.
struct State {
  enum Intent : std::uint8_t { none, begins, ends };
  enum OnFile : std::uint8_t { absent, dirty, lost, disk };
  enum Name : std::uint8_t { unnamed, cached, named };
  // Locks: 0 free, otherwise the holder + 1.
  static constexpr std::uint8_t kInconsistent = 0x10;
  static constexpr std::uint8_t kDead = 0x1f;
  static constexpr std::uint8_t kLostForAll = 0x20;

  struct Process {
    std::uint8_t at = 0;  // a Step
    std::uint8_t op = 0;
    std::uint8_t lsn = 0;
    std::uint8_t then = 0;  // where to go on behind a sync
    std::uint8_t target_end = 0;
    std::uint8_t target_sequence = 0;
    std::uint8_t covered = 0;  // records that the running sync is about
    std::uint8_t after_death = 0;
    std::uint8_t failed = 0;
    std::uint8_t seen[2] = {0, 0};
    std::uint8_t serving = 0;
    std::uint8_t round = 0;
    std::uint8_t round_end = 0;
    std::uint8_t open_lsn = 0;  // the transaction that it began
    std::uint8_t frozen = 0;

    bool operator==(const Process&) const = default;
  };

  // ControlPage.
  std::uint8_t end = 0, sequence = 1;                  // writer
  std::uint8_t durable_end = 0, durable_sequence = 1;  // durable
  std::uint8_t written_end = 0, written_sequence = 1;  // written
  std::uint8_t poisoned = 0, watermark = 0;
  std::uint8_t write_lock = 0, sync_lock = 0, stage_lock = 0;
  std::uint8_t intent = none, intent_lsn = 0;
  std::uint8_t slot_used = 0, slot_lsn = 0;  // the table of open transactions has one place
  std::uint8_t round = 0, round_end = 0;
  std::uint8_t rounds[2] = {0, 0}, waiters[2] = {0, 0};
  std::uint8_t staged[kMostRecords] = {};

  // The files: what lies where record n belongs.
  std::uint8_t value[kMostRecords] = {};  // what was published there
  std::uint8_t in_segment[kMostRecords] = {};
  std::uint8_t file[kMostRecords] = {};
  std::uint8_t on_file[kMostRecords] = {};
  std::uint8_t name[kMostSegments] = {};
  std::uint8_t fixes_end[kMostSegments] = {};  // of the segment before
  std::uint8_t acknowledged = 0;               // the highest

  // Not of the log: what may still go wrong.
  std::uint8_t deaths = 0, sync_failures = 0, write_failures = 0, freezes = 0;
  Process processes[kMostProcesses];

  bool operator==(const State&) const = default;
};

class Protocol {
 public:
  Protocol(const Scenario& scenario, Broken broken) : scenario_(scenario), broken_(broken) {}

  [[nodiscard]] State first() const;
  /// Everything that can happen next. `timeouts` are waits that end for nothing.
  [[nodiscard]] std::vector<State> next(const State& state) const;
  /// Empty if every invariant holds.
  [[nodiscard]] std::string what_is_wrong(const State& state) const;
  /// Whether everybody has ended or died.
  [[nodiscard]] bool is_over(const State& state) const;
  [[nodiscard]] static std::string describe(const State& state);

 private:
  using Process = State::Process;
  [[nodiscard]] bool is(Broken broken) const { return broken_ == broken; }
  [[nodiscard]] Op op_of(const Process& process, int number) const;
  [[nodiscard]] Op op_of_value(std::uint8_t value) const;
  void step(State state, int number, std::vector<State>& out) const;
  void step_hold(State& state, Process& process, int number, bool& stays) const;
  void step_write(State& state, Process& process, int number, bool& stays, std::vector<State>& out) const;
  void step_wait(State& state, Process& process, int number, bool& stays) const;
  void step_sync(State& state, Process& process, int number, bool& stays, std::vector<State>& out) const;
  void step_roll(State& state, Process& process, int number, bool& stays) const;
  void step_wake(State& state, Process& process, bool& stays, std::vector<State>& out) const;
  void freeze(const State& state, int number, std::vector<State>& out) const;
  /// The deadline of who waits for a lock that a frozen process has.
  void give_up(const State& state, int number, std::vector<State>& out) const;
  void die(State state, int number, std::vector<State>& out) const;
  void end_op(Process& process, bool ok) const;
  void write_staged(State& state) const;
  void acknowledge(State& state, std::uint8_t lsn) const;
  [[nodiscard]] std::string wrong_on_disk(const State& state) const;
  [[nodiscard]] std::string wrong_in_table(const State& state) const;
  [[nodiscard]] std::string wrong_when_all_are_killed(const State& state) const;

  const Scenario& scenario_;
  const Broken broken_;
};

}  // namespace restante::test::model
