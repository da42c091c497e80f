#include "kernels/pool.hpp"

#include <unistd.h>

#include <chrono>

namespace eie::kernels {
namespace {

// A worker that has just run a job looks for the next one for this long before it sleeps: waking a sleeper takes tens of
// microseconds, as long as a small layer.
constexpr std::chrono::microseconds patience{50};

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

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

bool Pool::try_run_all(Call call, void* context) {
  if (process_ != getpid()) return false;
  std::unique_lock in_use(in_use_, std::try_to_lock);
  if (!in_use) return false;
  call_ = call;
  context_ = context;
  {
    std::lock_guard lock(sleep_);
    job_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  call(context, 0);
  barrier();
  return true;
}

void Pool::barrier() {
  if (workers_.empty()) return;
  const std::size_t phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads()) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    return;
  }
  // Threads come within microseconds of each other, unless one has lost its core: then give ours away.
  for (int turns = 0; phase_.load(std::memory_order_acquire) == phase; ++turns)
    turns < 2000 ? relax() : std::this_thread::yield();
}

void Pool::work(std::size_t thread) {
  std::size_t seen = 0;
  for (;;) {
    const auto give_up = std::chrono::steady_clock::now() + patience;
    while (job_.load(std::memory_order_acquire) == seen && std::chrono::steady_clock::now() < give_up) relax();
    if (job_.load(std::memory_order_acquire) == seen) {
      std::unique_lock lock(sleep_);
      wake_.wait(lock, [&] { return stop_ || job_.load(std::memory_order_acquire) != seen; });
      if (stop_) return;
    }
    ++seen;
    call_(context_, thread);
    barrier();
  }
}

}  // namespace eie::kernels
