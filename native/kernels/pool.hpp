// A few threads that run one job together, and a barrier for the steps within it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

namespace eie::kernels {

// `threads - 1` workers besides the caller; with one thread none is ever started.
class Pool {
 public:
  explicit Pool(std::size_t threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  std::size_t threads() const { return workers_.size() + 1; }

  // Calls job(thread) for thread 0 (the caller) to threads() - 1 at once and returns true when all are done. Returns false,
  // having called nothing, where another caller has the pool or this process is a fork, in which the workers do not exist.
  template <class Job>
  bool try_run(Job&& job) {
    if (workers_.empty()) {
      job(std::size_t{0});
      return true;
    }
    return try_run_all([](void* context, std::size_t thread) { (*static_cast<Job*>(context))(thread); }, &job);
  }

  // Returns when all threads of the running job have called it.
  void barrier();

 private:
  using Call = void (*)(void* context, std::size_t thread);

  bool try_run_all(Call call, void* context);
  void work(std::size_t thread);

  std::mutex in_use_;
  std::mutex sleep_;
  std::condition_variable wake_;
  std::atomic<std::size_t> job_{0};
  std::atomic<bool> stop_{false};
  Call call_ = nullptr;
  void* context_ = nullptr;
  std::atomic<std::size_t> arrived_{0};
  std::atomic<std::size_t> phase_{0};
  long process_ = 0;
  std::vector<std::thread> workers_;
};

}  // namespace eie::kernels
