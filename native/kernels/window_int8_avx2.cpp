// The sliding window for Int8 with AVX2.
#include "kernels/window_int8_256.inl"

namespace eie::kernels {
namespace {

// Products of bytes are summed in pairs of 16 bits (vpmaddubsw), which would saturate at 254 x 127 x 2. So the
// activations are taken as signed bytes, x - 127, and the weights' signs moved to them: 127 x 127 x 2 fits. What
// 127 x the row's weights takes away is added at the end.
struct PairsOfBytes {
  static constexpr double slot_cost = 0.15;
  static constexpr std::int32_t subtracted = Int8::signed_zero;

  static __m256i window(__m256i activations) {
    return _mm256_sub_epi8(activations, _mm256_set1_epi8(Int8::signed_zero));
  }
  static void add(__m256i (&sums)[2], __m256i activations, __m256i weights) {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(activations, weights));
    sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(pairs, _mm256_set1_epi32(1)));
    sums[1] = _mm256_add_epi32(sums[1], _mm256_srai_epi32(pairs, 16));
  }
  static void part(__m256i (&)[2]) {}
};

}  // namespace

template <>
KernelPtr<Int8> make_window_avx2<Int8>(const Rows& rows, const Codebook& codebook) {
  return make_window<PairsOfBytes>(rows, codebook);
}

}  // namespace eie::kernels
