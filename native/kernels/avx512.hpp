// What the kernels for AVX-512 share.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/arithmetic.hpp"

namespace eie::kernels {

// As assembly because gcc 12 copies the accumulator before the intrinsic.
[[gnu::always_inline]] inline __m512i dot_fours(__m512i sum, __m512i activations, __m512i weights) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(activations), "v"(weights));
  return sum;
}

// The same of pairs of words.
[[gnu::always_inline]] inline __m512i dot_pairs(__m512i sum, __m512i x, __m512i y) {
  asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
  return sum;
}

// Four vectors' bytes next to each other: a lane of 32 bits has one byte of each. Vector q of `lanes` has the lanes of
// bytes 4 q to 4 q + 3 in every 16.
[[gnu::always_inline]] inline void interleave(const __m512i (&bytes)[4], __m512i (&lanes)[4]) {
  const __m512i low01 = _mm512_unpacklo_epi8(bytes[0], bytes[1]), high01 = _mm512_unpackhi_epi8(bytes[0], bytes[1]);
  const __m512i low23 = _mm512_unpacklo_epi8(bytes[2], bytes[3]), high23 = _mm512_unpackhi_epi8(bytes[2], bytes[3]);
  lanes[0] = _mm512_unpacklo_epi16(low01, low23);
  lanes[1] = _mm512_unpackhi_epi16(low01, low23);
  lanes[2] = _mm512_unpacklo_epi16(high01, high23);
  lanes[3] = _mm512_unpackhi_epi16(high01, high23);
}

// A book of 16 bytes four times over: a permute takes 4 bits of a byte, whatever lies above them.
inline __m512i book_of(const void* bytes) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(static_cast<const __m128i*>(bytes)));
}

// Carries the upper bits of 16 sums on (arithmetic.hpp).
[[gnu::always_inline]] inline void carry(__m512i& sum, __m512i& upper) {
  upper = _mm512_add_epi32(upper, _mm512_srai_epi32(sum, carried_bits));
  sum = _mm512_and_si512(sum, _mm512_set1_epi32(carried_mask));
}
// Eight sums whole.
inline __m512i whole(__m256i sum, __m256i upper) {
  return _mm512_add_epi64(_mm512_slli_epi64(_mm512_cvtepi32_epi64(upper), carried_bits), _mm512_cvtepi32_epi64(sum));
}
// Writes 16 of them.
inline void store_whole(__m512i sum, __m512i upper, std::int64_t* to) {
  _mm512_storeu_si512(to, whole(_mm512_castsi512_si256(sum), _mm512_castsi512_si256(upper)));
  _mm512_storeu_si512(to + 8, whole(_mm512_extracti64x4_epi64(sum, 1), _mm512_extracti64x4_epi64(upper, 1)));
}

// A vector that is loaded here and not, as compilers like, further up or down: read in the order of their addresses,
// slots are seen by the processor as a stream that it can fetch ahead from memory.
[[gnu::always_inline]] inline __m512i load_in_order(const std::uint8_t* at) {
  __m512i vector = _mm512_load_si512(at);
  asm volatile("" : "+v"(vector));
  return vector;
}

// Zen 4 does that well, and prefetches only get in its way. Others have not been measured without.
inline bool needs_prefetch() { return !__builtin_cpu_is("amd"); }

}  // namespace eie::kernels
