// A few threads that help with one job at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

namespace eie::kernels {

// Up to `threads - 1` helpers besides the caller; with one thread none is ever started.
class Pool {
 public:
  explicit Pool(std::size_t threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  std::size_t threads() const { return workers_.size() + 1; }

  // Calls job(0) here, and job(t) in every helper t that comes in time; returns when none is in it any more. A helper
  // whose core is busy, whom another caller has, or who stayed behind in a fork's parent, does not come, so the job
  // must be one that any of them can finish alone. A helper that comes late may call the job a second time.
  template <class Job>
  void run(Job&& job) {
    if (workers_.empty())
      job(std::size_t{0});
    else
      run_with_helpers([](void* context, std::size_t thread) { (*static_cast<Job*>(context))(thread); }, &job);
  }

 private:
  using Call = void (*)(void* context, std::size_t thread);

  void run_with_helpers(Call call, void* context);
  void work(std::size_t thread);

  std::mutex in_use_;
  std::mutex sleep_;
  std::condition_variable wake_;
  std::atomic<std::size_t> jobs_{0};    // given out so far
  std::atomic<bool> open_{false};       // helpers may enter the job
  std::atomic<std::size_t> inside_{0};  // helpers that are about to look whether they may, or have
  std::atomic<bool> stop_{false};
  Call call_ = nullptr;
  void* context_ = nullptr;
  long process_ = 0;
  std::vector<std::thread> workers_;
};

// Waits a little; `turns` counts how often. After some tens of microseconds the core is given away.
void wait_a_turn(int& turns);

}  // namespace eie::kernels
