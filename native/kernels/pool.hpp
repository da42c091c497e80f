// A few threads that help with one job at a time.
#pragma once

#include <atomic>
#include <cstddef>

namespace eie::kernels {

// Up to `threads - 1` helpers besides the caller; with one thread none is ever started. A forked child, in which a
// parent's threads do not exist, starts its own at its first job.
class Pool {
 public:
  explicit Pool(std::size_t threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  std::size_t threads() const { return threads_; }
  // From now on at most so many threads take part in a job, the caller among them.
  void use(std::size_t threads) { used_ = threads; }

  // Calls job(0) here, and job(t) in every helper t that comes in time; returns when none is in it any more. A helper
  // whose core is busy, whom another caller has, or whom the system did not grant, does not come, so the job must be
  // one that any of them can finish alone. A helper that comes late may call the job a second time.
  template <class Job>
  void run(Job&& job) {
    if (threads_ == 1 || used_ <= 1)
      job(std::size_t{0});
    else
      run_with_helpers([](void* context, std::size_t thread) { (*static_cast<Job*>(context))(thread); }, &job);
  }

 private:
  using Call = void (*)(void* context, std::size_t thread);
  class Crew;

  void run_with_helpers(Call call, void* context);
  Crew* crew();

  std::size_t threads_;
  std::atomic<std::size_t> used_{~std::size_t{0}};
  std::atomic<Crew*> crew_{nullptr};
};

// Waits a little; `turns` counts how often. After some tens of microseconds the core is given away.
void wait_a_turn(int& turns);

}  // namespace eie::kernels
