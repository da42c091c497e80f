// The sliding window for Int8 with AVX2 and the dot product of four unsigned bytes with four signed ones, vpdpbusd.
// AVX-VNNI and AVX-512 (VL, VNNI) encode it differently: the compiler's flags say which encoding is meant.
//
// As assembly because gcc 12 copies the sums before the intrinsic, and then keeps half of them in memory.
#include "kernels/window_int8_256.inl"

namespace eie::kernels {
namespace {

[[gnu::always_inline]] inline void dot_fours(__m256i& sum, __m256i activations, __m256i weights) {
#if defined(__AVXVNNI__)
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(activations), "x"(weights));
#else
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(activations), "v"(weights));
#endif
}

// The four products of a lane are those of two rows. Adding up all of them, and once more the first row's alone, takes
// one instruction less than parting the weights.
struct FoursOfBytes {
  static constexpr double slot_cost = 0.08;
  static constexpr std::int32_t subtracted = 0;

  static __m256i window(__m256i activations) { return activations; }
  static void add(__m256i (&sums)[2], __m256i activations, __m256i weights) {
    dot_fours(sums[0], activations, _mm256_and_si256(weights, _mm256_set1_epi32(0xffff)));
    dot_fours(sums[1], activations, weights);
  }
  static void part(__m256i (&sums)[2]) { sums[1] = _mm256_sub_epi32(sums[1], sums[0]); }
};

}  // namespace
}  // namespace eie::kernels
