// What the kernels for AVX2 share.
#pragma once

#include <immintrin.h>

#include "kernels/arithmetic.hpp"

namespace eie::kernels {

// Carries the upper bits of eight sums on (arithmetic.hpp).
[[gnu::always_inline]] inline void carry(__m256i& sum, __m256i& upper) {
  upper = _mm256_add_epi32(upper, _mm256_srai_epi32(sum, carried_bits));
  sum = _mm256_and_si256(sum, _mm256_set1_epi32(carried_mask));
}

}  // namespace eie::kernels
