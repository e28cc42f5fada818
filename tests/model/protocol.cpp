#include "protocol.hpp"

#include <algorithm>
#include <sstream>

namespace restante::test::model {
namespace {

enum Step : std::uint8_t {
  // Impl::hold, Impl::mend
  hold,
  mend_table,
  mend_stage,
  mend_name,
  mend_directory,
  mend_done,
  check_usable,
  // Impl::put, Impl::write_one
  put,
  full_lock,
  full_write,
  full_word,
  stage,
  through_lock,
  through_write,
  through_word,
  table_slot,
  table_intent,
  table_use,
  publish,
  settle_free,
  settle_intent,
  release,
  // Impl::wait_durable
  see,
  look_at_durable,
  look_at_poison,
  try_to_lead,
  look_at_round,
  announce,
  sleep,
  asleep,
  leave,
  // Impl::lead_sync
  new_round,
  sync_stage_lock,
  sync_write,
  sync_word,
  again,
  sync_begin,
  sync_end,
  check_poison,
  store_durable,
  poison_watermark,
  poison_word,
  sync_unlock,
  wake_next,
  wake_next_call,
  wake_served,
  wake_served_call,
  // Impl::roll_now
  roll_lock,
  roll_poison,
  roll_make,
  roll_directory,
  roll_stage,
  roll_publish,
  roll_try,
  roll_durable,
  // No step of the code.
  over,
  dead,
};

// os::RobustMutex
bool can_take(std::uint8_t lock) { return lock == 0 || lock == State::kDead; }
bool take(std::uint8_t& lock, int number) {
  const bool from_the_dead = lock == State::kDead;
  lock = static_cast<std::uint8_t>(number + 1) | (from_the_dead ? State::kInconsistent : 0);
  return from_the_dead;
}
void repaired(std::uint8_t& lock) { lock &= static_cast<std::uint8_t>(~State::kInconsistent); }
void unlock(std::uint8_t& lock) {
  lock = (lock & State::kInconsistent) != 0 ? State::kLostForAll : std::uint8_t{0};
}
bool is_held_by(std::uint8_t lock, int number) { return (lock & 0x0f) == number + 1 && lock < State::kDead; }

std::uint8_t value_of(int number, const State::Process& process) {
  return static_cast<std::uint8_t>(number * 8 + process.op + 1);
}

}  // namespace

State Protocol::first() const {
  State state;
  state.name[1] = State::named;
  state.deaths = static_cast<std::uint8_t>(scenario_.deaths);
  state.sync_failures = static_cast<std::uint8_t>(scenario_.sync_failures);
  state.write_failures = static_cast<std::uint8_t>(scenario_.write_failures);
  state.freezes = static_cast<std::uint8_t>(scenario_.freezes);
  for (std::size_t i = 0; i < kMostProcesses; ++i)
    state.processes[i].at = i < scenario_.scripts.size() ? hold : over;
  return state;
}

Op Protocol::op_of(const Process& process, int number) const {
  const std::vector<Op>& script = scenario_.scripts[static_cast<std::size_t>(number)];
  return process.op < script.size() ? script[process.op] : Op::done;
}

Op Protocol::op_of_value(std::uint8_t value) const {
  return scenario_
      .scripts[static_cast<std::size_t>((value - 1) / 8)][static_cast<std::size_t>((value - 1) % 8)];
}

bool Protocol::is_over(const State& state) const {
  return std::all_of(std::begin(state.processes), std::end(state.processes),
                     [](const Process& process) { return process.at == over || process.at == dead; });
}

std::vector<State> Protocol::next(const State& state) const {
  std::vector<State> out;
  for (int number = 0; number < kMostProcesses; ++number) {
    const std::uint8_t at = state.processes[number].at;
    if (at == over || at == dead) continue;
    freeze(state, number, out);
    if (state.processes[number].frozen != 0) {
      if (state.deaths > 0) die(state, number, out);
      continue;
    }
    step(state, number, out);
    give_up(state, number, out);
    if (state.deaths > 0) die(state, number, out);
  }
  return out;
}

// SIGSTOP at any step, and SIGCONT at any time.
void Protocol::freeze(const State& state, int number, std::vector<State>& out) const {
  const bool is_frozen = state.processes[number].frozen != 0;
  if (!is_frozen && state.freezes == 0) return;
  State next = state;
  if (!is_frozen) --next.freezes;
  next.processes[number].frozen = is_frozen ? 0 : 1;
  out.push_back(next);
}

// Whoever gives up is told so, and closes the log: what he holds goes in the order in which the code lets go
// of it.
void Protocol::give_up(const State& state, int number, std::vector<State>& out) const {
  const auto has_frozen = [&](std::uint8_t lock) {
    for (int i = 0; i < kMostProcesses; ++i)
      if (is_held_by(lock, i) && state.processes[i].frozen != 0) return true;
    return false;
  };
  State next = state;
  Process& process = next.processes[number];
  switch (process.at) {
    case hold:  // Impl::hold: busy
      if (!has_frozen(state.write_lock) || op_of(process, number) == Op::done) return;
      end_op(process, false);
      break;
    case full_lock:
    case through_lock:  // Impl::hold_stage: busy; Hold::~Hold
      if (!has_frozen(state.stage_lock)) return;
      if (!is(Broken::gives_up_with_write_lock)) unlock(next.write_lock);
      end_op(process, false);
      break;
    case sync_stage_lock:  // lead_sync: timed_out and not poisoned; the lock goes, the others are woken
      if (!has_frozen(state.stage_lock)) return;
      process.failed = 1;
      process.target_end = process.round_end;
      process.at = is(Broken::gives_up_with_sync_lock) ? wake_next : sync_unlock;
      break;
    case roll_lock:  // sync_now: timed_out
      if (!has_frozen(state.sync_lock)) return;
      process.failed = 1;
      process.at = release;
      break;
    case announce:
    case asleep:  // wait_durable: timed_out
      if (!has_frozen(state.sync_lock)) return;
      if (process.at == asleep) --next.waiters[process.serving];
      end_op(process, false);
      break;
    default: return;
  }
  out.push_back(next);
}

// SIGKILL: its locks go to the next one, who is told; whatever it was counted for stays counted.
void Protocol::die(State state, int number, std::vector<State>& out) const {
  --state.deaths;
  for (std::uint8_t* lock : {&state.write_lock, &state.sync_lock, &state.stage_lock})
    if (is_held_by(*lock, number)) *lock = State::kDead;
  Process gone;
  gone.at = dead;
  gone.open_lsn = state.processes[number].open_lsn;
  state.processes[number] = gone;
  out.push_back(state);
}

void Protocol::end_op(Process& process, bool ok) const {
  process.lsn = process.then = process.target_end = process.target_sequence = 0;
  process.covered = process.after_death = process.failed = process.serving = process.round =
      process.round_end = 0;
  process.seen[0] = process.seen[1] = 0;
  ++process.op;
  process.at = hold;
  // Whoever is told of a failure closes the log.
  if (!ok) process.at = over;
}

void Protocol::acknowledge(State& state, std::uint8_t lsn) const {
  state.acknowledged = std::max(state.acknowledged, lsn);
}

void Protocol::step(State state, int number, std::vector<State>& out) const {
  Process& process = state.processes[number];
  if (process.at == hold && op_of(process, number) == Op::done) {
    process.at = over;
    out.push_back(state);
    return;
  }
  bool stays = false;
  if (process.at <= check_usable) {
    step_hold(state, process, number, stays);
  } else if (process.at <= release) {
    step_write(state, process, number, stays, out);
  } else if (process.at <= leave) {
    step_wait(state, process, number, stays);
  } else if (process.at <= sync_unlock) {
    step_sync(state, process, number, stays, out);
  } else if (process.at <= wake_served_call) {
    step_wake(state, process, stays, out);
  } else {
    step_roll(state, process, number, stays);
  }
  if (!stays) out.push_back(state);
}

void Protocol::step_hold(State& state, Process& process, int number, bool& stays) const {
  switch (process.at) {
    case hold:  // RobustMutex::lock_until
      stays = !can_take(state.write_lock);
      if (stays) return;
      process.at = take(state.write_lock, number) ? mend_table : check_usable;
      return;
    case mend_table: {  // OpenTable::repair
      const bool is_published = state.intent_lsn <= state.end;
      const bool goes =
          (state.intent == State::begins && !is_published) || (state.intent == State::ends && is_published);
      if (goes && !is(Broken::no_repair_of_table)) state.slot_used = 0;
      state.intent = State::none;
      process.at = mend_stage;
      return;
    }
    case mend_stage:  // Impl::mend_stage: one word, under the lock of the staging area
      stays = !can_take(state.stage_lock);
      if (stays) return;
      state.stage_lock = 0;
      if (!is(Broken::no_repair_of_stage) &&
          (state.written_sequence != state.sequence || state.written_end > state.end)) {
        state.written_sequence = state.sequence;
        state.written_end = state.end;
      }
      process.at = mend_name;
      return;
    case mend_name:  // Impl::mend: unlink_at
      if (!is(Broken::no_removal_of_name) && state.name[state.sequence + 1] == State::named) {
        // Until the directory is synced a crash may bring it back; nothing is written before.
        state.name[state.sequence + 1] = State::cached;
      } else if (!is(Broken::no_removal_of_name)) {
        state.name[state.sequence + 1] = State::unnamed;
      }
      process.at = mend_directory;
      return;
    case mend_directory:  // Impl::mend: fsync
      if (!is(Broken::no_removal_of_name)) state.name[state.sequence + 1] = State::unnamed;
      process.at = mend_done;
      return;
    case mend_done:  // Impl::hold: repaired
      repaired(state.write_lock);
      process.at = check_usable;
      return;
    default:  // Impl::hold: check_usable
      if (state.poisoned != 0) {
        unlock(state.write_lock);
        end_op(process, false);
        return;
      }
      process.at = op_of(process, number) == Op::roll ? roll_lock : put;
      return;
  }
}

// Impl::write_staged: what was published and is not in the file. A new segment has none before it is
// published.
void Protocol::write_staged(State& state) const {
  if (state.written_sequence != state.sequence) return;
  for (std::uint8_t lsn = state.written_end + 1; lsn <= state.end; ++lsn) {
    state.file[lsn] = state.staged[lsn];
    state.on_file[lsn] = State::dirty;
  }
}

void Protocol::step_write(State& state, Process& process, int number, bool& stays,
                          std::vector<State>& out) const {
  const Op op = op_of(process, number);
  const auto lsn = static_cast<std::uint8_t>(state.end + 1);
  const auto fail_to_write = [&] {
    if (state.write_failures == 0) return;
    State failing = state;
    --failing.write_failures;
    // The lock of the staging area goes before the failure is told (write_out, write_through).
    failing.stage_lock = 0;
    failing.processes[number].failed = 1;
    failing.processes[number].then = release;
    failing.processes[number].at = poison_watermark;
    out.push_back(failing);
  };
  switch (process.at) {
    case put:  // Impl::put
      process.lsn = lsn;
      process.at = op == Op::append_large                        ? through_lock
                   : state.end + 1 - state.written_end > kStaged ? full_lock
                                                                 : stage;
      // Another segment than the staging area is about cannot be: a roll has both at once, or mend has.
      return;
    case full_lock:     // Impl::write_out: hold_stage
    case through_lock:  // Impl::write_through: hold_stage
      stays = !can_take(state.stage_lock);
      if (stays) return;
      if (take(state.stage_lock, number) && !is(Broken::stage_stays_inconsistent)) repaired(state.stage_lock);
      process.at = process.at == full_lock ? full_write : through_write;
      return;
    case full_write:
      fail_to_write();
      write_staged(state);
      process.at = full_word;
      return;
    case full_word:  // write_staged: page.written.store
      state.written_end = state.end;
      unlock(state.stage_lock);
      process.at = stage;
      return;
    case stage:  // Impl::put: memcpy
      if (!is(Broken::published_before_staged)) state.staged[lsn] = value_of(number, process);
      process.at = table_slot;
      return;
    case through_write:  // write_staged with the record
      fail_to_write();
      write_staged(state);
      state.file[lsn] = value_of(number, process);
      state.on_file[lsn] = State::dirty;
      process.at = through_word;
      return;
    case through_word:
      state.written_end = lsn;
      unlock(state.stage_lock);
      process.at = table_slot;
      return;
    case table_slot:  // OpenTable::begins, will_end: the fields
      if (op == Op::begin && state.slot_used != 0) {
        unlock(state.write_lock);  // find_free has no place: busy
        return end_op(process, true);
      }
      if (op == Op::begin) state.slot_lsn = lsn;
      if (op == Op::begin || op == Op::commit) state.intent_lsn = lsn;
      process.at = op == Op::begin || op == Op::commit ? table_intent : publish;
      return;
    case table_intent:
      state.intent = op == Op::begin ? State::begins : State::ends;
      process.at = op == Op::begin ? table_use : publish;
      return;
    case table_use:
      state.slot_used = 1;
      process.at = publish;
      return;
    case publish:  // Impl::publish
      state.end = lsn;
      state.value[lsn] = value_of(number, process);
      state.in_segment[lsn] = state.sequence;
      if (op == Op::begin) process.open_lsn = lsn;
      process.at = op == Op::begin || op == Op::commit ? settle_free : release;
      return;
    case settle_free:  // OpenTable::settle
      if (is(Broken::published_before_staged)) state.staged[state.end] = state.value[state.end];
      if (state.intent == State::ends) state.slot_used = 0;
      process.at = settle_intent;
      return;
    case settle_intent:
      state.intent = State::none;
      process.at = release;
      return;
    default:  // Hold::~Hold
      if (is(Broken::published_before_staged) && process.failed == 0)
        state.staged[state.end] = state.value[state.end];
      unlock(state.write_lock);
      if (process.failed != 0) return end_op(process, false);
      if (op == Op::commit) return end_op(process, true);  // lazy
      process.at = see;
      return;
  }
}

void Protocol::step_wait(State& state, Process& process, int number, bool& stays) const {
  const auto see_rounds = [&] {
    process.seen[0] = state.rounds[0];
    process.seen[1] = state.rounds[1];
  };
  switch (process.at) {
    case see:  // SharedEvent::now, of both rounds
      see_rounds();
      process.at = look_at_durable;
      return;
    case look_at_durable:
      if (state.durable_end >= process.lsn) {
        acknowledge(state, process.lsn);
        end_op(process, true);
        return;
      }
      process.at = look_at_poison;
      return;
    case look_at_poison:
      if (state.poisoned != 0 && !is(Broken::no_look_at_poison)) return end_op(process, false);
      process.at = try_to_lead;
      return;
    case try_to_lead:  // RobustMutex::try_lock
      if (can_take(state.sync_lock)) {
        process.after_death = take(state.sync_lock, number) ? 1 : 0;
        process.then = see;
        process.at = new_round;
      } else {
        process.at = look_at_round;
      }
      return;
    case look_at_round: {
      const bool is_served = process.lsn <= state.round_end;
      process.serving = static_cast<std::uint8_t>((state.round + (is_served ? 0 : 1)) % 2);
      if (is(Broken::sleeps_by_wrong_round)) process.serving = state.round % 2;
      process.at = announce;
      return;
    }
    case announce:  // SharedEvent::wait
      ++state.waiters[process.serving];
      if (is(Broken::seen_after_durable)) see_rounds();
      process.at = sleep;
      return;
    case sleep:  // FUTEX_WAIT: looks and sleeps at once
      process.at = state.rounds[process.serving] == process.seen[process.serving] ? asleep : leave;
      return;
    case asleep:
      // Timeouts are for those whom the dead would have woken, and not to be relied upon otherwise.
      stays = scenario_.deaths == 0;
      process.at = leave;
      return;
    default:
      --state.waiters[process.serving];
      process.serving = process.seen[0] = process.seen[1] = 0;
      process.at = see;
      return;
  }
}

void Protocol::step_sync(State& state, Process& process, int number, bool& stays,
                         std::vector<State>& out) const {
  switch (process.at) {
    case new_round:  // lead_sync: page.round.store
      process.round = static_cast<std::uint8_t>(state.round + 1);
      state.round = process.round;
      state.round_end = process.round_end = state.end;
      process.at = sync_stage_lock;
      return;
    case sync_stage_lock:  // write_out: hold_stage
      stays = !can_take(state.stage_lock);
      if (stays) return;
      if (take(state.stage_lock, number) && !is(Broken::stage_stays_inconsistent)) repaired(state.stage_lock);
      process.at = sync_write;
      return;
    case sync_write:  // write_out: the state, and the bytes up to it
      if (state.write_failures > 0) {
        State failing = state;
        --failing.write_failures;
        failing.stage_lock = 0;
        failing.processes[number].failed = 1;
        failing.processes[number].at = poison_watermark;
        out.push_back(failing);
      }
      process.target_end = state.end;
      process.target_sequence = state.sequence;
      if (is(Broken::written_before_write) && state.written_sequence == state.sequence)
        state.written_end = state.end;
      write_staged(state);
      process.at = sync_word;
      return;
    case sync_word:  // write_staged: page.written.store
      if (state.written_sequence == process.target_sequence)
        state.written_end = std::max(state.written_end, process.target_end);
      unlock(state.stage_lock);
      process.at = process.after_death != 0 && !is(Broken::no_write_again) ? again : sync_begin;
      if (is(Broken::durable_before_sync)) process.at = check_poison;
      return;
    case again:  // write_again
      for (std::uint8_t lsn = state.durable_end + 1; lsn <= process.target_end; ++lsn)
        if (state.in_segment[lsn] == process.target_sequence) state.on_file[lsn] = State::dirty;
      process.at = sync_begin;
      return;
    case sync_begin:  // fdatasync takes what is dirty when it is called …
      process.covered = 0;
      for (int lsn = 1; lsn < kMostRecords; ++lsn) {
        const bool is_here = lsn > state.end || state.in_segment[lsn] == process.target_sequence;
        if (is_here && state.on_file[lsn] == State::dirty)
          process.covered |= static_cast<std::uint8_t>(1 << lsn);
      }
      process.at = sync_end;
      return;
    case sync_end: {  // … and returns; a failure is told to this one and to nobody else
      State failing = state;
      for (int lsn = 1; lsn < kMostRecords; ++lsn) {
        if ((process.covered >> lsn & 1) == 0 || state.on_file[lsn] != State::dirty) continue;
        state.on_file[lsn] = State::disk;
        failing.on_file[lsn] = State::lost;
      }
      process.covered = failing.processes[number].covered = 0;
      process.at = is(Broken::durable_before_sync) ? sync_unlock : check_poison;
      if (is(Broken::durable_is_end_after_sync)) process.target_end = state.end;
      if (failing.sync_failures == 0) return;
      --failing.sync_failures;
      failing.processes[number].failed = 1;
      failing.processes[number].at = is(Broken::no_poison) ? sync_unlock : poison_watermark;
      out.push_back(failing);
      return;
    }
    case check_poison: {  // lead_sync: is_poisoned, and the segment of the durable state
      const bool may = (state.poisoned == 0 || is(Broken::no_look_at_poison)) &&
                       state.durable_sequence <= process.target_sequence;
      process.at = may ? store_durable : is(Broken::durable_before_sync) ? sync_begin : sync_unlock;
      if (may && is(Broken::signal_before_durable)) process.at = wake_next;
      return;
    }
    case store_durable:
      state.durable_end = process.target_end;
      state.durable_sequence = process.target_sequence;
      process.at = is(Broken::durable_before_sync) ? sync_begin : sync_unlock;
      return;
    case poison_watermark:  // Impl::poison, ControlFile::poison
      if (state.poisoned == 0) state.watermark = state.durable_end;
      process.at = poison_word;
      return;
    case poison_word:  // … and whoever waits is woken
      state.poisoned = 1;
      for (std::uint8_t& round : state.rounds) ++round;
      for (Process& other : state.processes)
        if (other.at == asleep) other.at = leave;
      process.at = process.then == release ? release : sync_unlock;
      return;
    default:  // lead_sync: the lock goes
      if (process.after_death != 0) repaired(state.sync_lock);
      unlock(state.sync_lock);
      process.at = wake_next;
      if (is(Broken::signal_before_durable)) {
        if (process.then == see && process.failed != 0) return end_op(process, false);
        process.at = process.then;
      }
      return;
  }
}

// The waking of those who wait: SharedEvent::signal, signal_one. Everything that the rest of the model knows
// of it is that these steps come behind the sync, and that `sleep` looks at a count that they change.
void Protocol::step_wake(State& state, Process& process, bool& stays, std::vector<State>& out) const {
  const std::uint8_t served = process.round % 2;
  const std::uint8_t next = (process.round + 1) % 2;
  const auto go_on = [&] {
    if (is(Broken::signal_before_durable)) return process.at = store_durable;
    process.at = process.then;
    if (process.failed != 0 && process.then == see) end_op(process, false);
    process.round = process.round_end = process.target_end = process.target_sequence = process.after_death =
        0;
    return process.at;
  };
  switch (process.at) {
    case wake_next:  // rounds[next]: the count …
      if (is(Broken::no_word_of_next_leader)) {
        process.at = wake_served;
        return;
      }
      ++state.rounds[is(Broken::next_leader_is_served) ? served : next];
      process.at = wake_next_call;
      return;
    case wake_next_call: {  // … and FUTEX_WAKE, of one, or of all if nobody knows whom the dead served
      process.at = wake_served;
      if (state.waiters[next] == 0) return;
      // Who wrote between the beginning of the round and the write waits for the next one and was served by
      // this: he would return, and lead nothing.
      const bool serves_some =
          process.target_end > process.round_end && !is(Broken::one_is_woken_whoever_was_served);
      const State before = state;
      bool woke = false;
      for (int i = 0; i < kMostProcesses; ++i) {
        if (before.processes[i].at != asleep || before.processes[i].serving != next) continue;
        if (process.after_death != 0 || serves_some) {
          state.processes[i].at = leave;
          continue;
        }
        State one = before;
        one.processes[i].at = leave;
        one.processes[&process - state.processes].at = wake_served;
        out.push_back(one);
        woke = true;
      }
      stays = woke;
      return;
    }
    case wake_served:
      ++state.rounds[served];
      process.at = wake_served_call;
      return;
    default:
      if (state.waiters[served] != 0) {
        for (Process& other : state.processes)
          if (other.at == asleep && other.serving == served) other.at = leave;
      }
      go_on();
      return;
  }
}

void Protocol::step_roll(State& state, Process& process, int number, bool& stays) const {
  const auto new_sequence = static_cast<std::uint8_t>(state.sequence + 1);
  switch (process.at) {
    case roll_lock:  // sync_now: lock_until
      if (is(Broken::roll_without_sync)) {
        process.at = roll_make;
        return;
      }
      stays = !can_take(state.sync_lock);
      if (stays) return;
      process.after_death = take(state.sync_lock, number) ? 1 : 0;
      if (state.poisoned != 0) {
        if (process.after_death != 0) repaired(state.sync_lock);
        unlock(state.sync_lock);
        process.failed = 1;
        process.at = release;
        return;
      }
      process.then = roll_poison;
      process.at = new_round;
      return;
    case roll_poison:  // sync_now: is_poisoned
      if (process.failed == 0) process.failed = state.poisoned;
      process.at = process.failed != 0 ? release : roll_make;
      return;
    case roll_make:  // create_segment: the header, synced, then rename_no_replace_at
      process.at = roll_directory;
      if (state.name[new_sequence] != State::unnamed) {
        process.failed = 2;  // already_exists: what is on the disk is in doubt
        process.at = release;
        return;
      }
      state.name[new_sequence] = State::cached;
      state.fixes_end[new_sequence] = state.end;
      return;
    case roll_directory:  // create_segment: fsync of the directory
      if (!is(Broken::no_sync_of_directory)) state.name[new_sequence] = State::named;
      process.at = roll_stage;
      return;
    case roll_stage:  // begin_stage
      stays = !can_take(state.stage_lock);
      if (stays) return;
      state.stage_lock = 0;
      state.written_sequence = new_sequence;
      state.written_end = state.end;
      process.at = roll_publish;
      return;
    case roll_publish:
      state.sequence = new_sequence;
      process.at = roll_try;
      return;
    case roll_try:  // roll_now: try_lock
      process.then = release;
      process.lsn = state.end;
      if (!can_take(state.sync_lock)) {
        process.at = release;
        return;
      }
      process.after_death = take(state.sync_lock, number) ? 1 : 0;
      process.at = process.after_death != 0 ? new_round : roll_durable;
      return;
    default:
      state.durable_end = state.end;
      state.durable_sequence = state.sequence;
      unlock(state.sync_lock);
      process.at = release;
      return;
  }
}

// --- What must hold ------------------------------------------------------------------------------------

std::string Protocol::what_is_wrong(const State& state) const {
  for (const std::uint8_t lock : {state.write_lock, state.sync_lock, state.stage_lock})
    if (lock == State::kLostForAll) return "a lock is lost for everybody";
  int leaders = 0;
  for (const Process& process : state.processes) {
    if (process.at >= sync_begin && process.at <= store_durable) ++leaders;
    if (process.failed == 2) return "two segments of one number";
  }
  if (leaders > 1) return "two lead a sync";
  if (std::string wrong = wrong_on_disk(state); !wrong.empty()) return wrong;
  if (std::string wrong = wrong_in_table(state); !wrong.empty()) return wrong;
  return wrong_when_all_are_killed(state);
}

// The machine stops now: nothing is there but what was synced, and perhaps what was not.
std::string Protocol::wrong_on_disk(const State& state) const {
  for (std::uint8_t lsn = 1; lsn <= std::max(state.acknowledged, state.durable_end); ++lsn) {
    const bool is_acknowledged = lsn <= state.acknowledged;
    const bool is_there = state.on_file[lsn] == State::disk && state.file[lsn] == state.value[lsn] &&
                          state.name[state.in_segment[lsn]] == State::named;
    if (!is_there) {
      return is_acknowledged ? "a record was acknowledged and is not on the disk"
                             : "a record counts as durable and is not on the disk";
    }
    for (int sequence = state.in_segment[lsn] + 1; sequence < kMostSegments; ++sequence) {
      if (state.name[sequence] != State::unnamed && state.fixes_end[sequence] < lsn)
        return "a segment that may be found fixes an end below what is durable";
    }
  }
  return {};
}

// Whenever nobody is at it, the table says what the records say.
std::string Protocol::wrong_in_table(const State& state) const {
  if (state.write_lock != 0) return {};
  bool is_open = false;
  std::uint8_t begun = 0;
  for (std::uint8_t lsn = 1; lsn <= state.end; ++lsn) {
    const Op op = op_of_value(state.value[lsn]);
    if (op == Op::begin) begun = lsn;
    if (op == Op::begin) is_open = true;
    if (op == Op::commit) is_open = false;
  }
  if (is_open != (state.slot_used != 0)) return "the table does not say what is open";
  if (is_open && state.slot_lsn != begun) return "the table has another transaction";
  return {};
}

// Every process is killed now and the machine goes on: the next opener finds what is in the files and in the
// memory; after a failure it finds what was known to be durable and believes nothing else.
std::string Protocol::wrong_when_all_are_killed(const State& state) const {
  if (state.poisoned != 0) {
    // ControlFile::make_page
    const std::uint8_t believed =
        is(Broken::believes_first_watermark) ? state.watermark : std::max(state.watermark, state.durable_end);
    return state.acknowledged > believed ? "a record was acknowledged behind where the failure was noted"
                                         : "";
  }
  for (std::uint8_t lsn = 1; lsn <= state.end; ++lsn) {
    if (state.file[lsn] == state.value[lsn]) continue;
    const bool is_staged = state.written_sequence == state.sequence && lsn > state.written_end &&
                           state.in_segment[lsn] == state.sequence && state.staged[lsn] == state.value[lsn];
    if (!is_staged) return "a record was published and is neither in the file nor in the memory";
  }
  return {};
}

std::string Protocol::describe(const State& state) {
  std::ostringstream out;
  const auto n = [](std::uint8_t value) { return static_cast<int>(value); };
  out << "end " << n(state.end) << " in " << n(state.sequence) << ", durable " << n(state.durable_end)
      << " in " << n(state.durable_sequence) << ", written " << n(state.written_end) << " in "
      << n(state.written_sequence) << ", acknowledged " << n(state.acknowledged) << ", round "
      << n(state.round) << " to " << n(state.round_end) << (state.poisoned != 0 ? ", poisoned" : "")
      << ", locks " << n(state.write_lock) << " " << n(state.sync_lock) << " " << n(state.stage_lock)
      << ", at";
  for (const Process& process : state.processes) out << " " << n(process.op) << ":" << n(process.at);
  return out.str();
}

}  // namespace restante::test::model
