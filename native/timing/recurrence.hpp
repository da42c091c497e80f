// The recurrence of docs/hardware.md, T3 and T4, for one scan:
//
//     w(k)   = max( w(k-1) + gap(k),  max over i of L(k-Q+1, i) )        broadcast k
//     L(k,i) = max( w(k) + 2,  L(k-1,i) + max(1, n(k-1,i)) )             PE i's pointer stage takes it up
//
// What is kept per PE is the lead X(k,i) = L(k,i) - w(k), so that
//
//     X(k,i) = max( 2,  X(k-1,i) + d(k-1,i) - (w(k) - w(k-1)) )          d = max(1, n)
//
// stays small: X <= (Q-1) max d + 2, since L(k-Q+1,i) <= w(k). That is what lets 64 PEs fit two registers of 16-bit lanes.
// With P stages on the way to the queues and back (T6), w(k) is the cycle in which broadcast k is P stages on, the first
// gap is P longer, and a free slot is known credit_delay = 2 P cycles later.
#pragma once

#include <cstddef>
#include <cstdint>

namespace eie::timing {

struct Scan {
  const std::uint32_t* columns;  // of each broadcast
  const std::uint32_t* gaps;
  std::size_t broadcasts;
  std::size_t lanes;  // per column in the durations; those past the last PE hold 1, and never are the latest
  int queue_depth;
  int credit_delay;  // cycles from a slot that is free to a broadcast that may use it
};

// Progress through a scan, between two calls of advance(). Bare pointers: these headers are compiled with several
// instruction sets, and an inline function of a library's class, compiled with one, could be linked into all.
template <class Lead>
struct State {
  std::size_t next;  // the next broadcast
  std::int64_t broadcast_cycle;  // w of the one before
  Lead* lead;  // X of it, per lane
  std::int64_t* latest;  // [k + Q - 1] = max over i of L(k, i); the first Q - 1 are 0
};

// Advances `state` to broadcast `end`.
template <class Lead, class Duration>
using Advance = void (*)(State<Lead>& state, const Scan& scan, const Duration* durations, std::size_t end);

// 16-bit leads, durations in one byte; needs Q * max d + 2 <= 32767 and lanes a power of two from 32.
using AdvanceFast = Advance<std::int16_t, std::uint8_t>;
AdvanceFast fast_portable(std::size_t lanes);
AdvanceFast fast_avx2(std::size_t lanes);
AdvanceFast fast_avx512(std::size_t lanes);

// Any size.
void advance_general(State<std::int64_t>& state, const Scan& scan, const std::uint32_t* durations, std::size_t end);

}  // namespace eie::timing
