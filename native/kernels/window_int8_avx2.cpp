// The sliding window for Int8 with AVX2: 16 activations as bytes, two slots of 8 bits per row and step.
//
// A slot is a 4-bit offset below a 4-bit code. Products of bytes are summed in pairs of 16 bits (vpmaddubsw), which
// would saturate at 254 x 127 x 2. So the activations are taken as signed bytes, x - 127, and the weights' signs moved
// to them: 127 x 127 x 2 fits. What 127 x the row's weights takes away is added at the end.
#include <immintrin.h>

#include "kernels/window.hpp"

namespace eie::kernels {
namespace {

struct Layout {
  static constexpr Geometry geometry{16, 2, 64, 0.15};
  static constexpr std::size_t group_rows = 16, group_bytes = 32, groups = geometry.rows / group_rows;
  static constexpr std::size_t step_bytes = groups * group_bytes;

  // A 32-bit lane holds the slots of two rows, 8 apart: the even pairs' sums are rows 0-7, the odd ones' 8-15.
  static void put(std::uint8_t* step, std::size_t lane, int slot, std::uint32_t offset, std::uint32_t code) {
    const std::size_t row = lane % group_rows, place = row % 8 * 4 + row / 8 * 2 + slot;
    step[lane / group_rows * group_bytes + place] = static_cast<std::uint8_t>(offset | code << 4);
  }
};

constexpr std::size_t prefetch_bytes = 3072;

__m256i table(const void* bytes) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(bytes)));
}

void multiply_steps(const std::uint8_t* slots, const std::uint32_t* first, std::size_t steps, const std::uint32_t*,
                    const std::uint8_t* x, const std::int8_t* weights, std::int32_t* lanes) {
  const __m256i book = table(weights), nibble = _mm256_set1_epi8(15), even = _mm256_set1_epi32(1);
  const __m256i signed_zero = _mm256_set1_epi8(Int8::signed_zero);
  __m256i sum[2 * Layout::groups];
  for (__m256i& s : sum) s = _mm256_setzero_si256();
  for (std::size_t step = 0; step < steps; ++step, slots += Layout::step_bytes) {
    const __m256i window = _mm256_sub_epi8(table(x + first[step]), signed_zero);
    _mm_prefetch(reinterpret_cast<const char*>(slots + prefetch_bytes), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(slots + prefetch_bytes + 64), _MM_HINT_T0);
#pragma GCC unroll 4
    for (std::size_t g = 0; g < Layout::groups; ++g) {
      const __m256i slot = _mm256_load_si256(reinterpret_cast<const __m256i*>(slots + g * Layout::group_bytes));
      const __m256i code = _mm256_and_si256(_mm256_srli_epi16(slot, 4), nibble);
      const __m256i weight = _mm256_shuffle_epi8(book, code);
      const __m256i activation = _mm256_shuffle_epi8(window, _mm256_and_si256(slot, nibble));
      const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weight), _mm256_sign_epi8(activation, weight));
      sum[2 * g] = _mm256_add_epi32(sum[2 * g], _mm256_madd_epi16(pairs, even));
      sum[2 * g + 1] = _mm256_add_epi32(sum[2 * g + 1], _mm256_srai_epi32(pairs, 16));
    }
  }
  for (std::size_t k = 0; k < 2 * Layout::groups; ++k)
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes + 8 * k), sum[k]);
}

}  // namespace

template <>
KernelPtr<Int8> make_window_avx2<Int8>(const Rows& rows, const Codebook& codebook) {
  return std::make_unique<WindowOneByOne<Int8, Layout, multiply_steps, Int8::signed_zero>>(rows, codebook);
}

}  // namespace eie::kernels
