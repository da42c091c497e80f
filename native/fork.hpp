// What a forked child finds: a copy of the memory with one thread, and every lock as some other thread left it.
#pragma once

#include <mutex>

namespace eie {

// How many forks lie between the process that loaded this module and the present one. What was made under another count
// than the present one may have locks that are never released and threads that do not exist.
unsigned forks();

// Guards what all threads of the process share. Every fork waits for it, so that a child finds it free, and what it
// guards whole.
std::mutex& process_lock();

}  // namespace eie
