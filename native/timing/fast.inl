// The recurrence with 16-bit leads in vectors as long as the registers, written in the vector extensions of GCC and
// clang and compiled once per instruction set. Longer vectors would be kept in memory, which is eight times slower.
//
// Per broadcast and vector: one load that widens bytes, one subtraction, one addition, one maximum. The chain from one
// broadcast to the next is two instructions long (add, max); the maximum across lanes is needed Q - 1 broadcasts later,
// so its latency is hidden.

#include <cstring>

#if defined(__SSE4_1__)
#include <immintrin.h>
#endif

#include "timing/recurrence.hpp"

namespace eie::timing {
namespace {

#if defined(__AVX512BW__)
constexpr std::size_t kLanes = 32;
#elif defined(__AVX2__)
constexpr std::size_t kLanes = 16;
#else
constexpr std::size_t kLanes = 8;
#endif
typedef std::int16_t Leads __attribute__((vector_size(2 * kLanes)));

inline Leads widen(const std::uint8_t* bytes) {
#if defined(__AVX512BW__)  // gcc 12 makes five instructions of the conversion below; it is one
  return reinterpret_cast<Leads>(_mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes))));
#else
  typedef std::uint8_t Bytes __attribute__((vector_size(kLanes)));
  Bytes vector;
  std::memcpy(&vector, bytes, sizeof vector);
  return __builtin_convertvector(vector, Leads);
#endif
}

template <class Vector>
inline Vector larger(Vector a, Vector b) {
  return a > b ? a : b;
}

typedef std::int16_t Eight __attribute__((vector_size(16)));
typedef std::int16_t Sixteen __attribute__((vector_size(32)));
typedef std::int16_t ThirtyTwo __attribute__((vector_size(64)));

inline std::int16_t largest_lane(Eight leads) {
#if defined(__SSE4_1__)
  // The one horizontal instruction finds a least value: leads are positive, so take 32767 - x.
  const __m128i least = _mm_minpos_epu16(reinterpret_cast<__m128i>(32767 - leads));
  return static_cast<std::int16_t>(32767 - _mm_extract_epi16(least, 0));
#else
  std::int16_t largest = leads[0];
  for (int lane = 1; lane < 8; ++lane) largest = leads[lane] > largest ? leads[lane] : largest;
  return largest;
#endif
}

// The larger of a vector's two halves, lane by lane.
template <class Half, class Vector>
inline Half fold(const Vector& vector) {
  Half halves[2];
  std::memcpy(halves, &vector, sizeof vector);
  return larger(halves[0], halves[1]);
}

[[maybe_unused]] inline std::int16_t largest_lane(Sixteen leads) { return largest_lane(fold<Eight>(leads)); }
[[maybe_unused]] inline std::int16_t largest_lane(ThirtyTwo leads) { return largest_lane(fold<Sixteen>(leads)); }

template <std::size_t Blocks>
void advance(State<std::int16_t>& state, const Scan& scan, const std::uint8_t* durations, std::size_t end) {
  Leads lead[Blocks], duration[Blocks];
  const auto load = [&](std::size_t k) {
    const std::uint8_t* column = durations + std::size_t{scan.columns[k]} * (Blocks * kLanes);
    for (std::size_t b = 0; b < Blocks; ++b) duration[b] = widen(column + b * kLanes);
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
    latest[k + scan.queue_depth - 1] = now + largest_lane(most) + scan.credit_delay;
    w = now;
    load(k);
  }
  state.broadcast_cycle = w;
  state.next = end;
  std::memcpy(state.lead, lead, sizeof lead);
}

AdvanceFast fast(std::size_t lanes) {
  switch (lanes) {
    case 32: return advance<32 / kLanes>;
    case 64: return advance<64 / kLanes>;
    case 128: return advance<128 / kLanes>;
    case 256: return advance<256 / kLanes>;
    case 512: return advance<512 / kLanes>;
    default: return advance<1024 / kLanes>;
  }
}

}  // namespace
}  // namespace eie::timing
