// What the kernels for AVX-512 share.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace eie::kernels {

// As assembly because gcc 12 copies the accumulator before the intrinsic.
[[gnu::always_inline]] inline __m512i dot_fours(__m512i sum, __m512i activations, __m512i weights) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(activations), "v"(weights));
  return sum;
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
