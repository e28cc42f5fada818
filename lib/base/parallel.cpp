#include "base/parallel.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>

namespace restante::base {
namespace {

// Kept alive by helpers too: an executor may run one of them long after all is done.
class SharedWork {
 public:
  SharedWork(std::size_t count, const std::function<Status(std::size_t)>& work)
      : count_(count), work_(&work) {}

  void help() {
    std::unique_lock lock(mutex_);
    ++helpers_;
    while (next_ < count_ && !over_) {
      const std::size_t mine = next_++;
      lock.unlock();
      Status status;
      std::exception_ptr thrown;
      try {
        status = (*work_)(mine);
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      if (thrown && !thrown_) thrown_ = thrown;
      if (!status.ok() && (failure_.ok() || mine < failed_at_)) {
        failure_ = status;
        failed_at_ = mine;
      }
      over_ = over_ || thrown_ || !failure_.ok();
    }
    if (--helpers_ == 0) left_.notify_all();
  }

  // After the caller has helped: waits for those who still do.
  Status end() {
    std::unique_lock lock(mutex_);
    over_ = true;
    left_.wait(lock, [&] { return helpers_ == 0; });
    if (thrown_) std::rethrow_exception(thrown_);
    return failure_;
  }

 private:
  const std::size_t count_;
  const std::function<Status(std::size_t)>* const work_;  // gone when `end` has returned
  std::mutex mutex_;
  std::condition_variable left_;
  std::size_t next_ = 0;
  std::size_t helpers_ = 0;
  bool over_ = false;
  Status failure_;
  std::size_t failed_at_ = 0;
  std::exception_ptr thrown_;
};

}  // namespace

Status run_in_parallel(Executor* executor, unsigned parallel, std::size_t count,
                       const std::function<Status(std::size_t)>& work) {
  const auto shared = std::make_shared<SharedWork>(count, work);
  const std::size_t helpers = executor == nullptr ? 0 : std::min<std::size_t>(parallel, count);
  for (std::size_t i = 1; i < helpers; ++i) executor->execute([shared] { shared->help(); });
  shared->help();
  return shared->end();
}

}  // namespace restante::base
