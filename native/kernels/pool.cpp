#include "kernels/pool.hpp"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "fork.hpp"

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

// The threads of one process, and what they wait on.
class Pool::Crew {
 public:
  explicit Crew(std::size_t threads) {
    workers_.reserve(threads - 1);
    try {
      for (std::size_t thread = 1; thread < threads; ++thread) workers_.emplace_back([this, thread] { work(thread); });
    } catch (const std::system_error&) {  // no more threads are to be had: those that there are will do
    }
  }

  ~Crew() {
    {
      std::lock_guard lock(sleep_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  bool of_this_process() const { return forks_ == forks(); }

  void run(Call call, void* context, std::size_t threads) {
    const std::unique_lock in_use(in_use_, std::try_to_lock);
    if (!in_use) {
      call(context, 0);
      return;
    }
    call_ = call;
    context_ = context;
    used_ = threads;
    open_ = true;
    {
      std::lock_guard lock(sleep_);
      ++jobs_;
    }
    wake_.notify_all();
    call(context, 0);
    // Either a helper sees that the job is closed, or we see that the helper is inside: both are sequentially
    // consistent.
    open_ = false;
    for (int turns = 0; inside_ != 0;) wait_a_turn(turns);
  }

 private:
  void work(std::size_t thread) {
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
      if (open_ && thread < used_) call_(context_, thread);
      --inside_;
    }
  }

  const unsigned forks_ = forks();
  std::mutex in_use_;
  std::mutex sleep_;
  std::condition_variable wake_;
  std::atomic<std::size_t> jobs_{0};    // given out so far
  std::atomic<bool> open_{false};       // helpers may enter the job
  std::atomic<std::size_t> inside_{0};  // helpers that are about to look whether they may, or have
  std::atomic<bool> stop_{false};
  std::atomic<std::size_t> used_{0};    // threads that may enter the job
  Call call_ = nullptr;
  void* context_ = nullptr;
  std::vector<std::thread> workers_;
};

Pool::Pool(std::size_t threads) : threads_(threads) {
  if (threads > 1) crew_ = new Crew(threads);
}

Pool::~Pool() {
  Crew* crew = crew_;
  // A parent's crew is left as it is: its threads cannot be joined, its condition variable waits for them for ever.
  if (crew != nullptr && crew->of_this_process()) delete crew;
}

// This process's crew. Callers in a new child may each make one; all but one of these go again.
Pool::Crew* Pool::crew() {
  Crew* found = crew_;
  if (found->of_this_process()) return found;
  auto own = std::make_unique<Crew>(threads_);
  return crew_.compare_exchange_strong(found, own.get()) ? own.release() : found;
}

void Pool::run_with_helpers(Call call, void* context) { crew()->run(call, context, used_); }

}  // namespace eie::kernels
