// Taps with AVX2: eight floats or sixteen words are a vector. Words are taken two taps at a time: interleaved, their
// products are added in pairs. Bytes are as words: what is left of a pair's speed with four of them is too little.
#include <immintrin.h>

#include "kernels/avx2.hpp"
#include "kernels/tap_tiles.hpp"

namespace eie::kernels {
namespace {

struct RealLanes {
  using Number = float;
  static constexpr Pixels pixels = Pixels::reals;
  static constexpr std::size_t vector = 8, group = 1, most = 12;

  template <std::size_t vectors>
  static void tile(const float* image, const TapRuns<group>& taps, float* sums) {
    __m256 totals[vectors];
    for (std::size_t v = 0; v < vectors; ++v) totals[v] = _mm256_setzero_ps();
    for (const TapGroup<group>& tap : taps) {
      const __m256 weight = _mm256_set1_ps(std::bit_cast<float>(tap.weights));
      const float* numbers = image + tap.offsets[0];
      for (std::size_t v = 0; v < vectors; ++v)
        totals[v] = _mm256_fmadd_ps(weight, _mm256_loadu_ps(numbers + vector * v), totals[v]);
    }
    for (std::size_t v = 0; v < vectors; ++v) _mm256_storeu_ps(sums + vector * v, totals[v]);
  }
};

void put(__m256i totals, __m256i, std::int32_t* sums) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums), totals); }
// A double holds the whole of a sum, so this rounds once.
void put(__m256i totals, __m256i upper, float* sums) {
  const auto half = [](__m128i lower, __m128i high) {
    const __m256d carried = _mm256_mul_pd(_mm256_cvtepi32_pd(high), _mm256_set1_pd(1 << carried_bits));
    return _mm256_cvtpd_ps(_mm256_add_pd(carried, _mm256_cvtepi32_pd(lower)));
  };
  _mm_storeu_ps(sums, half(_mm256_castsi256_si128(totals), _mm256_castsi256_si128(upper)));
  _mm_storeu_ps(sums + 4, half(_mm256_extracti128_si256(totals, 1), _mm256_extracti128_si256(upper, 1)));
}

template <class A>
struct WordLanes {
  using Number = std::int16_t;
  static constexpr Pixels pixels = Pixels::words;
  static constexpr std::size_t vector = 16, group = 2, most = 4;

  template <std::size_t vectors>
  static void tile(const std::int16_t* image, TapRuns<group> runs, TapSum<A>* sums) {
    __m256i low[vectors], high[vectors], upper_low[vectors], upper_high[vectors];
    for (std::size_t v = 0; v < vectors; ++v) low[v] = high[v] = upper_low[v] = upper_high[v] = _mm256_setzero_si256();
    for (;;) {
      for (const TapGroup<group>& taps : runs) add<vectors>(image, taps, low, high);
      if (!runs.advance()) break;
      if constexpr (std::is_same_v<A, Int16>)
        for (std::size_t v = 0; v < vectors; ++v) {
          carry(low[v], upper_low[v]);
          carry(high[v], upper_high[v]);
        }
    }
    // Interleaving left the halves of each in turns.
    const auto front = [](__m256i a, __m256i b) { return _mm256_permute2x128_si256(a, b, 0x20); };
    const auto back = [](__m256i a, __m256i b) { return _mm256_permute2x128_si256(a, b, 0x31); };
    for (std::size_t v = 0; v < vectors; ++v) {
      put(front(low[v], high[v]), front(upper_low[v], upper_high[v]), sums + vector * v);
      put(back(low[v], high[v]), back(upper_low[v], upper_high[v]), sums + vector * v + 8);
    }
  }

 private:
  template <std::size_t vectors>
  [[gnu::always_inline]] static inline void add(const std::int16_t* image, const TapGroup<group>& taps, __m256i* low,
                                                __m256i* high) {
    const __m256i weights = _mm256_set1_epi32(static_cast<int>(taps.weights));
    for (std::size_t v = 0; v < vectors; ++v) {
      __m256i first = load(image + taps.offsets[0] + vector * v);
      __m256i second = load(image + taps.offsets[1] + vector * v);
      if constexpr (std::is_same_v<A, Chip>) {  // each product is rounded, so they are only added in pairs
        const __m256i one = _mm256_set1_epi16(1);
        first = _mm256_mulhrs_epi16(first, _mm256_set1_epi16(static_cast<short>(taps.weights & 0xffff)));
        second = _mm256_mulhrs_epi16(second, _mm256_set1_epi16(static_cast<short>(taps.weights >> 16)));
        low[v] = _mm256_add_epi32(low[v], _mm256_madd_epi16(_mm256_unpacklo_epi16(first, second), one));
        high[v] = _mm256_add_epi32(high[v], _mm256_madd_epi16(_mm256_unpackhi_epi16(first, second), one));
      } else {
        low[v] = _mm256_add_epi32(low[v], _mm256_madd_epi16(_mm256_unpacklo_epi16(first, second), weights));
        high[v] = _mm256_add_epi32(high[v], _mm256_madd_epi16(_mm256_unpackhi_epi16(first, second), weights));
      }
    }
  }

  static __m256i load(const std::int16_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
};

template <class A>
using Lanes = std::conditional_t<std::is_same_v<A, Float32>, RealLanes, WordLanes<A>>;

}  // namespace

template <class A>
TapsPtr<A> make_taps_avx2(const TapRowsOf<A>& rows) {
  return std::make_unique<TapTiles<A, Lanes<A>>>(rows);
}

template TapsPtr<Float32> make_taps_avx2(const TapRowsOf<Float32>&);
template TapsPtr<Int16> make_taps_avx2(const TapRowsOf<Int16>&);
template TapsPtr<Int8> make_taps_avx2(const TapRowsOf<Int8>&);
template TapsPtr<Chip> make_taps_avx2(const TapRowsOf<Chip>&);

}  // namespace eie::kernels
