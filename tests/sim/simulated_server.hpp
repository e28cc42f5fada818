#pragma once
// A mail server that does random things to its mailboxes, feeds a redo log as hosts do, and remembers what
// really happened: the oracle of the property tests.

#include <restante/redo_log.hpp>
#include <restante/restore_plan.hpp>

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "memory_host.hpp"
#include "support/support.hpp"

namespace restante::test {

// Advances by a step at each look; jumps when told.
class SteppingClock final : public Clock {
 public:
  [[nodiscard]] Time now() const override { return Time{us_ += 1000}; }
  void jump(std::int64_t us) { us_ += us; }

 private:
  mutable std::int64_t us_ = 1'700'000'000'000'000;
};

class SimulatedServer {
 public:
  SimulatedServer(Random& random, RedoLog& log, const SteppingClock& clock);

  // One random thing: a change of some account, or a part of one.
  void step();
  // One random thing to this account, or to any other.
  void step_beside(std::string_view account_id);
  // Ends all transactions of the account, or of all if empty.
  void settle(std::string_view account_id = {});
  // The state that the log's transactions up to `lsn` make, by what this server did.
  [[nodiscard]] MailboxState state_at(std::string_view account_id, Lsn lsn) const;
  // What a restore logged: taken into the oracle as the log tells it.
  void adopt_from_log(std::string_view account_id, Lsn after);

  [[nodiscard]] const std::vector<std::string>& account_ids() const { return account_ids_; }

  MemoryHost host;
  struct Event {
    std::string account_id;
    Lsn lsn = 0;
    Time time;
    std::vector<Operation> operations;
  };
  std::vector<Event> history;
  std::uint64_t aborted = 0;

 private:
  enum class Stage { begun, applied };
  struct Open {
    std::string account_id;
    Transaction transaction;
    Stage stage = Stage::begun;
    std::vector<Operation> performed;
    std::vector<Assigned> assigned;
    MailboxState before;
  };

  void create_accounts();
  [[nodiscard]] std::uint32_t new_uidvalidity();
  [[nodiscard]] std::vector<Operation> invent(const std::string& account_id);
  [[nodiscard]] std::vector<Operation> invent_folder_change(const MailboxState& state);
  [[nodiscard]] std::vector<Operation> invent_message_change(const MailboxState& state);
  [[nodiscard]] std::vector<Operation> invent_item_change(const MailboxState& state);
  [[nodiscard]] std::vector<Operation> change_uidvalidity(const MailboxState& state);
  [[nodiscard]] Message new_message(const Folder& folder);
  void deliver_to_many();
  void change(const std::string& account_id, std::vector<Operation> operations);
  void append_after_the_fact(const std::string& account_id, std::vector<Operation> operations);
  void begin(const std::string& account_id, std::vector<Operation> operations);
  void go_on(std::size_t index);
  void perform(Open& open);
  void end(std::size_t index, bool commit);
  [[nodiscard]] bool is_locked(const std::string& account_id) const;
  [[nodiscard]] std::optional<std::size_t> first_open(std::string_view account_id) const;
  void remember(const std::string& account_id, Lsn lsn, std::vector<Operation> operations);

  Random& random_;
  RedoLog& log_;
  const SteppingClock& clock_;
  std::vector<std::string> account_ids_;
  std::deque<Open> open_;
  std::uint64_t next_id_ = 1;
  std::uint32_t newest_uidvalidity_ = 100;
};

}  // namespace restante::test
