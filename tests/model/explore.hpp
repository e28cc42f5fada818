#pragma once
// Looks at every state that a model can get into.

#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol.hpp"

namespace restante::test::model {

struct Explored {
  std::size_t states = 0;
  /// Empty if nothing is wrong; otherwise what is, and the way there.
  std::string wrong;
  std::vector<State> way;
};

/// Breadth first, so that the way to what is wrong is a shortest one. Besides the invariants: from every
/// state somebody can go on until all have ended, so nobody waits for what does not come.
class Explorer {
 public:
  explicit Explorer(const Protocol& protocol) : protocol_(protocol) {}

  [[nodiscard]] Explored run() {
    add(protocol_.first(), 0);
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (std::string wrong = protocol_.what_is_wrong(states_[i]); !wrong.empty()) return found(i, wrong);
      for (const State& next : protocol_.next(State(states_[i]))) {
        const std::size_t to = add(next, i);
        came_from_[to].push_back(static_cast<std::uint32_t>(i));
      }
    }
    return check_that_all_end();
  }

 private:
  struct Hash {
    std::size_t operator()(const State& state) const {
      return std::hash<std::string_view>()({reinterpret_cast<const char*>(&state), sizeof state});
    }
  };

  std::size_t add(const State& state, std::size_t parent) {
    const auto [entry, is_new] = known_.try_emplace(state, static_cast<std::uint32_t>(states_.size()));
    if (is_new) {
      states_.push_back(state);
      parents_.push_back(static_cast<std::uint32_t>(parent));
      came_from_.emplace_back();
    }
    return entry->second;
  }

  Explored found(std::size_t at, const std::string& wrong) const {
    Explored explored{states_.size(), wrong, {}};
    for (std::size_t i = at;; i = parents_[i]) {
      explored.way.insert(explored.way.begin(), states_[i]);
      if (i == 0) return explored;
    }
  }

  Explored check_that_all_end() const {
    std::vector<bool> ends(states_.size());
    std::vector<std::uint32_t> left;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (!protocol_.is_over(states_[i])) continue;
      ends[i] = true;
      left.push_back(static_cast<std::uint32_t>(i));
    }
    while (!left.empty()) {
      const std::uint32_t at = left.back();
      left.pop_back();
      for (const std::uint32_t before : came_from_[at]) {
        if (ends[before]) continue;
        ends[before] = true;
        left.push_back(before);
      }
    }
    for (std::size_t i = 0; i < states_.size(); ++i)
      if (!ends[i]) return found(i, "somebody waits for ever");
    return {states_.size(), {}, {}};
  }

  const Protocol& protocol_;
  std::unordered_map<State, std::uint32_t, Hash> known_;
  std::vector<State> states_;
  std::vector<std::uint32_t> parents_;
  std::vector<std::vector<std::uint32_t>> came_from_;
};

}  // namespace restante::test::model
