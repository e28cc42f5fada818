// R7: the protocol of the lock and of acknowledgement, in every interleaving of a few processes.

#include <iostream>
#include <map>

#include "explore.hpp"
#include "support/catch.hpp"

namespace restante::test {
namespace {

using model::Broken;
using model::Explored;
using model::Explorer;
using model::Op;
using model::Protocol;
using model::Scenario;

std::map<std::string, Scenario> scenarios() {
  const std::vector<Op> append{Op::append};
  const std::vector<Op> twice{Op::append, Op::append};
  const std::vector<Op> large{Op::append_large};
  const std::vector<Op> transaction{Op::begin, Op::commit};
  const std::vector<Op> roll{Op::roll};
  std::map<std::string, Scenario> all;
  all["three wait"] = {{append, append, append}, 0, 0, 0, 0};
  all["two wait, again and again"] = {{twice, {Op::append, Op::append, Op::append}}, 0, 0, 0, 0};
  all["two, one dies"] = {{twice, append}, 1, 0, 0, 0};
  all["two, two die"] = {{append, append}, 2, 0, 0, 0};
  all["a large record, two die"] = {{large, append}, 2, 0, 0, 0};
  all["a sync fails"] = {{twice, append}, 0, 1, 0, 0};
  all["a sync fails and one dies"] = {{append, append}, 1, 1, 0, 0};
  all["a sync fails and one of three dies"] = {{append, append, roll}, 1, 1, 0, 0};
  all["a write fails"] = {{append, large}, 0, 0, 1, 0};
  all["a transaction, one dies"] = {{transaction, append}, 1, 0, 0, 0};
  all["a transaction, two die"] = {{transaction, append}, 2, 0, 0, 0};
  all["a transaction and a roll, one dies"] = {{transaction, roll}, 1, 0, 0, 0};
  all["a roll, two die"] = {{roll, append, append}, 2, 0, 0, 0};
  all["two rolls, one dies"] = {{{Op::append, Op::roll}, {Op::roll, Op::append}}, 1, 0, 0, 0};
  all["more than the staging area holds"] = {
      {{Op::begin, Op::commit, Op::begin, Op::commit}, append}, 1, 0, 0, 0};
  all["one is frozen"] = {{twice, append}, 0, 0, 0, 1};
  all["one is frozen, one has a large record"] = {{large, twice}, 0, 0, 0, 1};
  all["one is frozen, one rolls"] = {{append, {Op::roll, Op::append}}, 0, 0, 0, 1};
  all["a transaction, one is frozen"] = {{transaction, append}, 0, 0, 0, 1};
  all["one is frozen and one dies"] = {{append, append}, 1, 0, 0, 1};
  all["two are frozen"] = {{append, append}, 0, 0, 0, 2};
  if (!long_tests()) return all;
  // Millions of states each.
  all["three, one dies"] = {{append, append, append}, 1, 0, 0, 0};
  all["a write fails, three"] = {{append, large, append}, 0, 0, 1, 0};
  return all;
}

std::string way_of(const Explored& explored) {
  std::string text = explored.wrong + "\n";
  for (const model::State& state : explored.way) text += "  " + Protocol::describe(state) + "\n";
  return text;
}

TEST_CASE(
    "R7: in every interleaving of two or three processes nothing acknowledged is lost and nobody waits for "
    "ever") {
  for (const auto& [name, scenario] : scenarios()) {
    const Protocol protocol(scenario, Broken::nothing);
    const Explored explored = Explorer(protocol).run();
    INFO(name << ": " << way_of(explored));
    CHECK(explored.wrong.empty());
    if (std::getenv("RESTANTE_MODEL_STATES") != nullptr)
      std::cout << name << ": " << explored.states << std::endl;
  }
}

struct Mutation {
  Broken broken;
  const char* scenario;
};

TEST_CASE("R7: the model finds every step of the protocol that is left out or out of order") {
  const Mutation mutations[] = {
      {Broken::no_repair_of_table, "a transaction, one dies"},
      {Broken::no_removal_of_name, "a roll, two die"},
      {Broken::no_repair_of_stage, "a large record, two die"},
      {Broken::no_sync_of_directory, "two rolls, one dies"},
      {Broken::no_write_again, "a sync fails and one dies"},
      {Broken::no_poison, "a sync fails"},
      {Broken::no_look_at_poison, "a sync fails"},
      {Broken::roll_without_sync, "a roll, two die"},
      {Broken::durable_before_sync, "three wait"},
      {Broken::durable_is_end_after_sync, "three wait"},
      {Broken::published_before_staged, "two, one dies"},
      {Broken::written_before_write, "two, one dies"},
      {Broken::no_word_of_next_leader, "three wait"},
      {Broken::next_leader_is_served, "three wait"},
      {Broken::one_is_woken_whoever_was_served, "three wait"},
      {Broken::signal_before_durable, "three wait"},
      {Broken::seen_after_durable, "three wait"},
      {Broken::sleeps_by_wrong_round, "three wait"},
      {Broken::stage_stays_inconsistent, "two, one dies"},
      {Broken::believes_first_watermark, "a write fails"},
      {Broken::gives_up_with_write_lock, "one is frozen, one has a large record"},
      {Broken::gives_up_with_sync_lock, "one is frozen, one has a large record"},
  };
  const std::map<std::string, Scenario> all = scenarios();
  for (const Mutation& mutation : mutations) {
    const Protocol protocol(all.at(mutation.scenario), mutation.broken);
    const Explored explored = Explorer(protocol).run();
    INFO("mutation " << static_cast<int>(mutation.broken) << " in " << mutation.scenario);
    CHECK(explored.wrong != "");
    if (std::getenv("RESTANTE_MODEL_STATES") != nullptr)
      std::cout << static_cast<int>(mutation.broken) << ": " << explored.wrong << std::endl;
  }
}

}  // namespace
}  // namespace restante::test
