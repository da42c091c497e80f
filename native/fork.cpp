#include "fork.hpp"

#include <pthread.h>

#include <atomic>

namespace eie {
namespace {

std::mutex lock;
std::atomic<unsigned> count{0};

// Not removed again: libc forgets it when the module is unloaded.
[[maybe_unused]] const int registered = pthread_atfork([] { lock.lock(); }, [] { lock.unlock(); },
                                                       [] {
                                                         ++count;
                                                         lock.unlock();
                                                       });

}  // namespace

unsigned forks() { return count.load(std::memory_order_relaxed); }

std::mutex& process_lock() { return lock; }

}  // namespace eie
