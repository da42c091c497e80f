// Taps with AVX2: eight floats or sixteen words are a vector. Words are taken two taps at a time: interleaved, their
// products are added in pairs. Bytes are as words: what is left of a pair's speed with four of them is too little.
#include <immintrin.h>

#include "kernels/tap_tiles.hpp"

namespace eie::kernels {
namespace {

struct RealLanes {
  using Number = float;
  static constexpr Pixels pixels = Pixels::reals;
  static constexpr std::size_t vector = 8, group = 1, most = 12;

  template <std::size_t vectors>
  static void tile(const float* image, const TapGroup<group>* groups, const TapGroup<group>* end, float* sums, bool) {
    __m256 totals[vectors];
    for (std::size_t v = 0; v < vectors; ++v) totals[v] = _mm256_setzero_ps();
    for (; groups != end; ++groups) {
      const __m256 weight = _mm256_set1_ps(std::bit_cast<float>(groups->weights));
      const float* numbers = image + groups->offsets[0];
      for (std::size_t v = 0; v < vectors; ++v)
        totals[v] = _mm256_fmadd_ps(weight, _mm256_loadu_ps(numbers + vector * v), totals[v]);
    }
    for (std::size_t v = 0; v < vectors; ++v) _mm256_storeu_ps(sums + vector * v, totals[v]);
  }
};

void put(__m256i totals, bool, std::int32_t* sums) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums), totals); }
void put(__m256i totals, bool add, float* sums) {
  const __m256 before = add ? _mm256_loadu_ps(sums) : _mm256_setzero_ps();
  _mm256_storeu_ps(sums, _mm256_add_ps(before, _mm256_cvtepi32_ps(totals)));
}

template <class A>
struct WordLanes {
  using Number = std::int16_t;
  static constexpr Pixels pixels = Pixels::words;
  static constexpr std::size_t vector = 16, group = 2, most = 4;

  template <std::size_t vectors>
  static void tile(const std::int16_t* image, const TapGroup<group>* groups, const TapGroup<group>* end,
                   TapSum<A>* sums, bool add) {
    __m256i low[vectors], high[vectors];
    for (std::size_t v = 0; v < vectors; ++v) low[v] = high[v] = _mm256_setzero_si256();
    for (; groups != end; ++groups) {
      const __m256i weights = _mm256_set1_epi32(static_cast<int>(groups->weights));
      for (std::size_t v = 0; v < vectors; ++v) {
        __m256i first = load(image + groups->offsets[0] + vector * v);
        __m256i second = load(image + groups->offsets[1] + vector * v);
        if constexpr (std::is_same_v<A, Chip>) {  // each product is rounded, so they are only added in pairs
          const __m256i one = _mm256_set1_epi16(1);
          first = _mm256_mulhrs_epi16(first, _mm256_set1_epi16(static_cast<short>(groups->weights & 0xffff)));
          second = _mm256_mulhrs_epi16(second, _mm256_set1_epi16(static_cast<short>(groups->weights >> 16)));
          low[v] = _mm256_add_epi32(low[v], _mm256_madd_epi16(_mm256_unpacklo_epi16(first, second), one));
          high[v] = _mm256_add_epi32(high[v], _mm256_madd_epi16(_mm256_unpackhi_epi16(first, second), one));
        } else {
          low[v] = _mm256_add_epi32(low[v], _mm256_madd_epi16(_mm256_unpacklo_epi16(first, second), weights));
          high[v] = _mm256_add_epi32(high[v], _mm256_madd_epi16(_mm256_unpackhi_epi16(first, second), weights));
        }
      }
    }
    for (std::size_t v = 0; v < vectors; ++v) {  // interleaving left the halves of each in turns
      put(_mm256_permute2x128_si256(low[v], high[v], 0x20), add, sums + vector * v);
      put(_mm256_permute2x128_si256(low[v], high[v], 0x31), add, sums + vector * v + 8);
    }
  }

 private:
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
