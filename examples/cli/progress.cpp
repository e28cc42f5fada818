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

/// 0 to 1, negative while it is not known. Messages are a finer measure than accounts.
double share_done(const restante::Progress& progress) {
  if (progress.messages_total > 0)
    return static_cast<double>(progress.messages_done) / static_cast<double>(progress.messages_total);
  if (progress.accounts_total > 0)
    return static_cast<double>(progress.accounts_done) / static_cast<double>(progress.accounts_total);
  return -1;
}

std::string bar(double share) {
  const double clamped = std::clamp(share, 0.0, 1.0);
  const auto filled = static_cast<std::size_t>(clamped * kBarColumns);
  return fmt::format("[{}{}] {:3}%", std::string(filled, '#'), std::string(kBarColumns - filled, '-'),
                     static_cast<int>(clamped * 100));
}

}  // namespace

std::string progress_line(const restante::Progress& progress, std::size_t columns) {
  std::vector<std::string> parts;
  const double share = share_done(progress);
  if (share >= 0) parts.push_back(bar(share));
  if (progress.accounts_total > 0)
    parts.push_back(
        fmt::format("{}/{} accounts", number(progress.accounts_done), number(progress.accounts_total)));
  if (progress.messages_done > 0) parts.push_back(counted(progress.messages_done, "message"));
  if (progress.bytes_done > 0) parts.push_back(byte_size(progress.bytes_done));
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
