// The recurrence with 16-bit leads, 32 PEs to a vector; compiled once per instruction set, with that file's flags.
// Vector extensions of GCC and clang: the compiler splits a 64-byte vector where the registers are shorter.
//
// Per broadcast and 32 PEs: one load that widens bytes, one subtraction, one addition, one maximum. The chain from one
// broadcast to the next is two instructions long (add, max); the maximum across lanes is needed Q - 1 broadcasts later,
// so its latency is hidden.

#include <cstring>

#if defined(__SSE4_1__)
#include <immintrin.h>
#endif

#include "timing/recurrence.hpp"

namespace eie::timing {
namespace {

constexpr std::size_t kLanes = 32;
typedef std::int16_t Leads __attribute__((vector_size(2 * kLanes)));
typedef std::uint8_t Bytes __attribute__((vector_size(kLanes)));

template <class Vector>
inline Vector larger(Vector a, Vector b) {
  return a > b ? a : b;
}

inline std::int16_t largest_lane(Leads leads) {
  typedef std::int16_t Half __attribute__((vector_size(32)));
  typedef std::int16_t Quarter __attribute__((vector_size(16)));
  Half halves[2];
  std::memcpy(halves, &leads, sizeof leads);
  const Half half = larger(halves[0], halves[1]);
  Quarter quarters[2];
  std::memcpy(quarters, &half, sizeof half);
  Quarter q = larger(quarters[0], quarters[1]);
#if defined(__SSE4_1__)
  // The one horizontal instruction finds a least value: leads are positive, so take 32767 - x.
  const Quarter inverted = 32767 - q;
  return static_cast<std::int16_t>(32767 - _mm_extract_epi16(_mm_minpos_epu16(reinterpret_cast<__m128i>(inverted)), 0));
#else
  q = larger(q, __builtin_shuffle(q, Quarter{4, 5, 6, 7, 0, 1, 2, 3}));
  q = larger(q, __builtin_shuffle(q, Quarter{2, 3, 0, 1, 6, 7, 4, 5}));
  q = larger(q, __builtin_shuffle(q, Quarter{1, 0, 3, 2, 5, 4, 7, 6}));
  return q[0];
#endif
}

template <std::size_t Blocks>
void advance(State<std::int16_t>& state, const Scan& scan, const std::uint8_t* durations, std::size_t end) {
  Leads lead[Blocks], duration[Blocks];
  const auto load = [&](std::size_t k) {
    const std::uint8_t* column = durations + std::size_t{scan.columns[k]} * (Blocks * kLanes);
    for (std::size_t b = 0; b < Blocks; ++b) {
      Bytes bytes;
      std::memcpy(&bytes, column + b * kLanes, sizeof bytes);
      duration[b] = __builtin_convertvector(bytes, Leads);
    }
  };
  std::memcpy(lead, state.lead, sizeof lead);
  if (state.next > 0)
    load(state.next - 1);
  else
    std::memset(duration, 0, sizeof duration);

  std::int64_t w = state.broadcast_cycle;
  std::int64_t* latest = state.latest;
  for (std::size_t k = state.next; k < end; ++k) {
    const std::int64_t earliest = w + scan.gaps[k];
    const std::int64_t now = earliest > latest[k] ? earliest : latest[k];
    // A step beyond the largest lead leaves none: limited, it fits a lane.
    const std::int64_t step = now - w < 32767 ? now - w : 32767;
    const Leads steps = Leads{} + static_cast<std::int16_t>(step);
    Leads most = Leads{} + std::int16_t{2};
    for (std::size_t b = 0; b < Blocks; ++b) {
      lead[b] = larger(lead[b] + (duration[b] - steps), Leads{} + std::int16_t{2});
      most = larger(most, lead[b]);
    }
    latest[k + scan.queue_depth - 1] = now + largest_lane(most);
    w = now;
    load(k);
  }
  state.broadcast_cycle = w;
  state.next = end;
  std::memcpy(state.lead, lead, sizeof lead);
}

AdvanceFast fast(std::size_t lanes) {
  switch (lanes / kLanes) {
    case 1: return advance<1>;
    case 2: return advance<2>;
    case 4: return advance<4>;
    case 8: return advance<8>;
    case 16: return advance<16>;
    default: return advance<32>;
  }
}

}  // namespace
}  // namespace eie::timing
