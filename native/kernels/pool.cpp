#include "kernels/pool.hpp"

#include <unistd.h>

#include <chrono>

namespace eie::kernels {
namespace {

// A helper that has just done a job looks for the next one for this long before it sleeps: waking a sleeper takes tens
// of microseconds, as long as a small layer.
constexpr std::chrono::microseconds patience{50};

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

void wait_a_turn(int& turns) {
  if (++turns < 2000)
    relax();
  else
    std::this_thread::yield();
}

Pool::Pool(std::size_t threads) : process_(getpid()) {
  for (std::size_t thread = 1; thread < threads; ++thread) workers_.emplace_back([this, thread] { work(thread); });
}

Pool::~Pool() {
  if (process_ != getpid()) {  // a fork: there is nobody to join
    for (std::thread& worker : workers_) worker.detach();
    return;
  }
  {
    std::lock_guard lock(sleep_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::run_with_helpers(Call call, void* context) {
  std::unique_lock<std::mutex> in_use;
  if (process_ == getpid()) in_use = std::unique_lock(in_use_, std::try_to_lock);
  if (!in_use) {
    call(context, 0);
    return;
  }
  call_ = call;
  context_ = context;
  open_ = true;
  {
    std::lock_guard lock(sleep_);
    ++jobs_;
  }
  wake_.notify_all();
  call(context, 0);
  // Either a helper sees that the job is closed, or we see that the helper is inside: both are sequentially consistent.
  open_ = false;
  for (int turns = 0; inside_ != 0;) wait_a_turn(turns);
}

void Pool::work(std::size_t thread) {
  for (std::size_t seen = 0;;) {
    const auto give_up = std::chrono::steady_clock::now() + patience;
    while (jobs_ == seen && !stop_ && std::chrono::steady_clock::now() < give_up) relax();
    if (jobs_ == seen) {
      std::unique_lock lock(sleep_);
      wake_.wait(lock, [&] { return stop_ || jobs_ != seen; });
    }
    if (stop_) return;
    seen = jobs_;
    ++inside_;
    if (open_) call_(context_, thread);
    --inside_;
  }
}

}  // namespace eie::kernels
