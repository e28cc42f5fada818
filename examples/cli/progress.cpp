#include "progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>

#include "signals.hpp"
#include "text.hpp"

namespace cli {
namespace {

constexpr std::size_t kBarColumns = 20;
constexpr auto kRedraw = std::chrono::milliseconds(100);

std::string bar(double share) {
  const auto filled = static_cast<std::size_t>(share * kBarColumns);
  return fmt::format("[{}{}] {:3}%", std::string(filled, '#'), std::string(kBarColumns - filled, '-'),
                     static_cast<int>(share * 100));
}

}  // namespace

std::string progress_line(const restante::Progress& progress, std::size_t columns) {
  std::vector<std::string> parts;
  if (const std::optional<double> share = restante::share_done(progress)) parts.push_back(bar(*share));
  if (progress.accounts_total > 0)
    parts.push_back(
        fmt::format("{}/{} accounts", number(progress.accounts_done), number(progress.accounts_total)));
  if (progress.messages_done > 0) parts.push_back(counted(progress.messages_done, "message"));
  if (progress.bytes_done > 0) parts.push_back(byte_size(progress.bytes_done));
  if (const std::uint64_t rate = restante::rate_of(progress)) parts.push_back(byte_size(rate) + "/s");
  if (const std::optional<std::chrono::seconds> left = restante::time_left(progress))
    parts.push_back(duration(progress.now, {progress.now.us + left->count() * 1'000'000}) + " left");
  if (!progress.account_id.empty()) parts.push_back(printable(progress.account_id));

  std::string out;
  for (const std::string& part : parts) {
    const std::string next = out.empty() ? part : out + "  " + part;
    // The last column stays free: some terminals wrap when it is written.
    if (columns_of(next) >= columns) break;
    out = next;
  }
  return out;
}

void run_long(Console& console, const LongWork& work) {
  bool stopping = false;
  const auto look_for_stop = [&] {
    if (!stop_requested() || stopping) return;
    stopping = true;
    work.stop();
  };
  look_for_stop();
  std::future<void> done = std::async(std::launch::async, work.work);
  while (done.wait_for(kRedraw) != std::future_status::ready) {
    look_for_stop();
    const std::size_t columns = console.progress_columns();
    if (columns == 0) continue;
    const std::string line = progress_line(work.progress(), columns);
    console.progress(stopping ? shortened("stopping  " + line, columns - 1) : line);
  }
  console.progress("");
  done.get();
}

}  // namespace cli
