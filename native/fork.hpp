// Safety after fork: a child has a copy of the memory, only one thread, and locks that other threads may have held.
#pragma once

#include <mutex>

namespace eie {

// The number of forks between the process that loaded this module and the present one. An object made under another
// count may hold locks that are never released, and refer to threads that do not exist.
unsigned forks();

// Guards the state shared by all threads of the process. Every fork waits for it, so in the child the lock is free and
// the state consistent.
std::mutex& process_lock();

}  // namespace eie
