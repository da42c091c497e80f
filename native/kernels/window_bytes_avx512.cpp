// The sliding window for Int16 with AVX-512 (VBMI, VNNI) byte by byte, for processors that permute words slowly.
//
// An activation less its least value has 15 bits, a high byte of 8 and a low one of 7; a weight a signed byte above and
// a low one of 7 bits. So 64 activations are two registers of bytes and the codebook two more, and a product is
//     (128 ah + al) (128 wh + wl) = 2^14 ah wh + 2^7 (ah wl + al wh) + al wl
// which is four `vpdpbusd` into three sums. No processor on which this is the quicker one has run it: see native/kernels/README.md.
#include <immintrin.h>

#include "kernels/avx512.hpp"
#include "kernels/byte_slots.hpp"
#include "kernels/window.hpp"

namespace eie::kernels {
namespace {

constexpr int low_bits = 7, low_mask = (1 << low_bits) - 1;
constexpr std::int16_t least_activation = -(1 << 14);
static_assert(least_activation <= -Int16::largest_activation && Int16::largest_weight >> low_bits < 128);

struct Layout : NarrowSlots {
  static constexpr Geometry geometry{64, 4, 64, 0.13};
  // So many fit the middle sum, whose products are the largest.
  static constexpr std::int64_t products_of_run = 0x7fffffff / (255 * low_mask + low_mask * 64);

  // Packing puts four columns of eight of each register side by side: in a column's number, its bit 5 comes before 4.
  static void put(std::uint8_t* block, std::size_t group, std::size_t place, std::uint32_t offset, std::uint32_t code) {
    NarrowSlots::put(block, group, place, (offset & 7) | (offset >> 5 & 1) << 3 | (offset >> 3 & 3) << 4, code);
  }
};
using Slots = ByteLayout<Layout>;

// 64 numbers as bytes.
struct Bytes {
  __m512i high, low;
};

[[gnu::always_inline]] inline Bytes load_window(const std::int16_t* x) {
  const __m512i least = _mm512_set1_epi16(least_activation), mask = _mm512_set1_epi16(low_mask);
  const __m512i a = _mm512_sub_epi16(_mm512_loadu_si512(x), least);
  const __m512i b = _mm512_sub_epi16(_mm512_loadu_si512(x + 32), least);
  return {_mm512_packus_epi16(_mm512_srli_epi16(a, low_bits), _mm512_srli_epi16(b, low_bits)),
          _mm512_packus_epi16(_mm512_and_si512(a, mask), _mm512_and_si512(b, mask))};
}

Bytes book_of(const std::int16_t* weights) {
  alignas(16) std::int8_t high[16], low[16];
  for (int code = 0; code < 16; ++code) {
    high[code] = static_cast<std::int8_t>(weights[code] >> low_bits);
    low[code] = static_cast<std::int8_t>(weights[code] & low_mask);
  }
  return {_mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(high))),
          _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(low)))};
}

// Adds eight sums of a run to what their lanes have.
inline void add_whole(__m256i high, __m256i middle, __m256i low, std::int64_t* lanes) {
  const __m512i upper = _mm512_slli_epi64(_mm512_cvtepi32_epi64(high), low_bits);
  const __m512i both = _mm512_slli_epi64(_mm512_add_epi64(upper, _mm512_cvtepi32_epi64(middle)), low_bits);
  const __m512i sum = _mm512_add_epi64(both, _mm512_cvtepi32_epi64(low));
  _mm512_store_si512(lanes, _mm512_add_epi64(_mm512_load_si512(lanes), sum));
}

void multiply_steps(const std::uint8_t* slots, const std::uint32_t* first, std::size_t steps, const std::uint32_t* run,
                    const std::int16_t* x, const std::int16_t* weights, std::int64_t* lanes) {
  const Bytes book = book_of(weights);
  for (std::size_t step = 0; step < steps;) {
    __m512i high[Slots::groups], middle[Slots::groups], low[Slots::groups];
#pragma GCC unroll 8
    for (std::size_t k = 0; k < Slots::groups; ++k) high[k] = middle[k] = low[k] = _mm512_setzero_si512();
    for (const std::size_t end = *run++; step < end; ++step, slots += Slots::step_bytes) {
      const Bytes window = load_window(x + first[step]);
      prefetch_block<Slots>(slots);
      const __m512i codes = load_in_order(slots);
#pragma GCC unroll 8
      for (std::size_t k = 0; k < Slots::groups; ++k) {
        const __m512i slot = load_in_order(slots + 64 + 64 * k), code = Slots::code(codes, slot, k);
        const __m512i activation = _mm512_permutexvar_epi8(slot, window.high);
        const __m512i below = _mm512_permutexvar_epi8(slot, window.low);
        const __m512i weight = _mm512_permutexvar_epi8(code, book.high);
        const __m512i weight_below = _mm512_permutexvar_epi8(code, book.low);
        high[k] = dot_fours(high[k], activation, weight);
        middle[k] = dot_fours(middle[k], activation, weight_below);
        low[k] = dot_fours(low[k], below, weight_below);
        middle[k] = dot_fours(middle[k], below, weight);
      }
    }
#pragma GCC unroll 8
    for (std::size_t k = 0; k < Slots::groups; ++k) {
      add_whole(_mm512_castsi512_si256(high[k]), _mm512_castsi512_si256(middle[k]), _mm512_castsi512_si256(low[k]),
                lanes + k * group_rows);
      add_whole(_mm512_extracti64x4_epi64(high[k], 1), _mm512_extracti64x4_epi64(middle[k], 1),
                _mm512_extracti64x4_epi64(low[k], 1), lanes + k * group_rows + 8);
    }
  }
}

}  // namespace

KernelPtr<Int16> make_window_bytes_avx512(const Rows& rows, const Codebook& codebook) {
  return std::make_unique<WindowOneByOne<Int16, Slots, multiply_steps, least_activation>>(rows, codebook);
}

}  // namespace eie::kernels
