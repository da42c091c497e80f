// Taps with AVX-512 (BW, VNNI): sixteen floats, 32 words or 64 bytes are a vector. Words are taken two taps at a time,
// bytes four: interleaved, so that one instruction adds up their products for each place.
#include <immintrin.h>

#include "kernels/avx512.hpp"
#include "kernels/tap_tiles.hpp"

namespace eie::kernels {
namespace {

struct RealLanes {
  using Number = float;
  static constexpr Pixels pixels = Pixels::reals;
  static constexpr std::size_t vector = 16, group = 1, most = 8;

  template <std::size_t vectors>
  static void tile(const float* image, const TapRuns<group>& taps, float* sums) {
    __m512 totals[vectors];
    for (std::size_t v = 0; v < vectors; ++v) totals[v] = _mm512_setzero_ps();
    for (const TapGroup<group>& tap : taps) {
      const __m512 weight = _mm512_set1_ps(std::bit_cast<float>(tap.weights));
      const float* numbers = image + tap.offsets[0];
      for (std::size_t v = 0; v < vectors; ++v)
        totals[v] = _mm512_fmadd_ps(weight, _mm512_loadu_ps(numbers + vector * v), totals[v]);
    }
    for (std::size_t v = 0; v < vectors; ++v) _mm512_storeu_ps(sums + vector * v, totals[v]);
  }
};

void put(__m512i totals, __m512i, std::int32_t* sums) { _mm512_storeu_si512(sums, totals); }
// A double holds the whole of a sum, so this rounds once.
void put(__m512i totals, __m512i upper, float* sums) {
  const auto half = [](__m256i lower, __m256i high) {
    const __m512d carried = _mm512_mul_pd(_mm512_cvtepi32_pd(high), _mm512_set1_pd(1 << carried_bits));
    return _mm512_cvtpd_ps(_mm512_add_pd(carried, _mm512_cvtepi32_pd(lower)));
  };
  _mm256_storeu_ps(sums, half(_mm512_castsi512_si256(totals), _mm512_castsi512_si256(upper)));
  _mm256_storeu_ps(sums + 8, half(_mm512_extracti64x4_epi64(totals, 1), _mm512_extracti64x4_epi64(upper, 1)));
}

template <class A>
struct WordLanes {
  using Number = std::int16_t;
  static constexpr Pixels pixels = Pixels::words;
  static constexpr std::size_t vector = 32, group = 2, most = 2;

  template <std::size_t vectors>
  static void tile(const std::int16_t* image, TapRuns<group> runs, TapSum<A>* sums) {
    __m512i low[vectors], high[vectors], upper_low[vectors], upper_high[vectors];
    for (std::size_t v = 0; v < vectors; ++v) low[v] = high[v] = upper_low[v] = upper_high[v] = _mm512_setzero_si512();
    for (;;) {
      for (const TapGroup<group>& taps : runs) add<vectors>(image, taps, low, high);
      if (!runs.advance()) break;
      if constexpr (std::is_same_v<A, Int16>)
        for (std::size_t v = 0; v < vectors; ++v) {
          carry(low[v], upper_low[v]);
          carry(high[v], upper_high[v]);
        }
    }
    // Interleaving left quarters of 4 places in turns: L0 H0 L1 H1, L2 H2 L3 H3.
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                  last = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const auto front = [&](__m512i a, __m512i b) { return _mm512_permutex2var_epi64(a, first, b); };
    const auto back = [&](__m512i a, __m512i b) { return _mm512_permutex2var_epi64(a, last, b); };
    for (std::size_t v = 0; v < vectors; ++v) {
      put(front(low[v], high[v]), front(upper_low[v], upper_high[v]), sums + vector * v);
      put(back(low[v], high[v]), back(upper_low[v], upper_high[v]), sums + vector * v + 16);
    }
  }

 private:
  template <std::size_t vectors>
  [[gnu::always_inline]] static inline void add(const std::int16_t* image, const TapGroup<group>& taps, __m512i* low,
                                                __m512i* high) {
    const __m512i weights = _mm512_set1_epi32(static_cast<int>(taps.weights));
    for (std::size_t v = 0; v < vectors; ++v) {
      __m512i first = _mm512_loadu_si512(image + taps.offsets[0] + vector * v);
      __m512i second = _mm512_loadu_si512(image + taps.offsets[1] + vector * v);
      __m512i factors = weights;
      if constexpr (std::is_same_v<A, Chip>) {  // each product is rounded, so they are only added in pairs
        first = _mm512_mulhrs_epi16(first, _mm512_set1_epi16(static_cast<short>(taps.weights & 0xffff)));
        second = _mm512_mulhrs_epi16(second, _mm512_set1_epi16(static_cast<short>(taps.weights >> 16)));
        factors = _mm512_set1_epi16(1);
      }
      low[v] = dot_pairs(low[v], _mm512_unpacklo_epi16(first, second), factors);
      high[v] = dot_pairs(high[v], _mm512_unpackhi_epi16(first, second), factors);
    }
  }
};

struct ByteLanes {
  using Number = std::uint8_t;
  static constexpr Pixels pixels = Pixels::bytes;
  static constexpr std::size_t vector = 64, group = 4, most = 1;

  template <std::size_t vectors>
  static void tile(const std::uint8_t* image, const TapRuns<group>& groups, std::int32_t* sums) {
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (const TapGroup<group>& taps : groups) {
      const __m512i weights = _mm512_set1_epi32(static_cast<int>(taps.weights));
      const auto load = [&](std::size_t tap) { return _mm512_loadu_si512(image + taps.offsets[tap]); };
      const __m512i first = load(0), second = load(1), third = load(2), fourth = load(3);
      const __m512i low = _mm512_unpacklo_epi8(first, second), high = _mm512_unpackhi_epi8(first, second);
      const __m512i low2 = _mm512_unpacklo_epi8(third, fourth), high2 = _mm512_unpackhi_epi8(third, fourth);
      a = dot_fours(a, _mm512_unpacklo_epi16(low, low2), weights);
      b = dot_fours(b, _mm512_unpackhi_epi16(low, low2), weights);
      c = dot_fours(c, _mm512_unpacklo_epi16(high, high2), weights);
      d = dot_fours(d, _mm512_unpackhi_epi16(high, high2), weights);
    }
    // Quarters of 4 places: a has the 1st, 5th, 9th and 13th, b the 2nd, and so on.
    const __m512i ab = _mm512_shuffle_i32x4(a, b, 0x44), ab2 = _mm512_shuffle_i32x4(a, b, 0xee);
    const __m512i cd = _mm512_shuffle_i32x4(c, d, 0x44), cd2 = _mm512_shuffle_i32x4(c, d, 0xee);
    _mm512_storeu_si512(sums, _mm512_shuffle_i32x4(ab, cd, 0x88));
    _mm512_storeu_si512(sums + 16, _mm512_shuffle_i32x4(ab, cd, 0xdd));
    _mm512_storeu_si512(sums + 32, _mm512_shuffle_i32x4(ab2, cd2, 0x88));
    _mm512_storeu_si512(sums + 48, _mm512_shuffle_i32x4(ab2, cd2, 0xdd));
  }
};

template <class A>
using Lanes = std::conditional_t<std::is_same_v<A, Float32>, RealLanes,
                                 std::conditional_t<std::is_same_v<A, Int8>, ByteLanes, WordLanes<A>>>;

}  // namespace

template <class A>
TapsPtr<A> make_taps_avx512(const TapRowsOf<A>& rows) {
  return std::make_unique<TapTiles<A, Lanes<A>>>(rows);
}

template TapsPtr<Float32> make_taps_avx512(const TapRowsOf<Float32>&);
template TapsPtr<Int16> make_taps_avx512(const TapRowsOf<Int16>&);
template TapsPtr<Int8> make_taps_avx512(const TapRowsOf<Int8>&);
template TapsPtr<Chip> make_taps_avx512(const TapRowsOf<Chip>&);

}  // namespace eie::kernels
