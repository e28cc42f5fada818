#pragma once
// A process that does something to itself at a call of the system, and what must be true behind that.

#include <atomic>
#include <functional>
#include <set>
#include <string>

#include "redo_test.hpp"
#include "support/gated_io.hpp"

namespace restante::test {

/// The real system; at one call the process does something to itself.
class FatefulIo final : public GatedIo {
 public:
  /// Before the `n`-th call (from 1) that may change something; `after` does it behind the call instead.
  FatefulIo(std::uint64_t n, bool after, std::function<void()> fate)
      : n_(n), after_(after), fate_(std::move(fate)) {}
  [[nodiscard]] std::uint64_t calls() const { return calls_; }

 private:
  [[nodiscard]] static bool may_change(Call call) {
    return call != Call::read && call != Call::list && call != Call::stat && call != Call::attribute;
  }
  Status before(const CallSite& site) override {
    if (!may_change(site.call) || ++calls_ != n_) return {};
    if (!after_) fate_();
    chosen_ = &site;
    return {};
  }
  void after(const CallSite& site) override {
    const CallSite* expected = &site;
    if (chosen_.compare_exchange_strong(expected, nullptr) && after_) fate_();
  }

  std::atomic<std::uint64_t> calls_{0};
  std::uint64_t n_;
  bool after_;
  std::atomic<const CallSite*> chosen_{nullptr};
  std::function<void()> fate_;
};

inline std::set<std::string> lines_of(std::string text) {
  std::set<std::string> lines;
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    lines.insert(text.substr(at, end - at));
  return lines;
}

inline void check_whole(RedoLog& log, const std::set<std::string>& acknowledged) {
  const ReadBack back = read_all_of(log);
  REQUIRE(back.damages.empty());
  REQUIRE_OK(back.failure);
  const std::set<std::string> found(back.ids.begin(), back.ids.end());
  REQUIRE(found.size() == back.ids.size());
  for (const std::string& id : acknowledged) REQUIRE(found.contains(id));
  const Result<LogVerification> verified = log.verify();
  REQUIRE_OK(verified);
  REQUIRE(verified->damages.empty());
}

}  // namespace restante::test
