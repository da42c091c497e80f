// The sliding window with AVX2: 16 activations as bytes in two registers, two slots of 8 bits per row and step.
//
// AVX2 can look up bytes only (pshufb), and 16 of them: so a window has 16 columns, a slot is a 4-bit offset below a
// 4-bit code, and 16-bit numbers are looked up as their low and high bytes and interleaved. A step is four groups of 16
// rows, 32 bytes each; slots lie in them such that after interleaving each 32-bit lane is a row.
#include <immintrin.h>

#include "kernels/avx2.hpp"
#include "kernels/window.hpp"

namespace eie::kernels {
namespace {

struct Layout {
  static constexpr Geometry geometry{16, 2, 64, 0.2};
  static constexpr std::size_t group_rows = 16, group_bytes = 32, groups = geometry.rows / group_rows;
  static constexpr std::size_t step_bytes = groups * group_bytes;

  // Byte of a row's first slot within its group. Interleaving takes bytes 0-7 of each half for rows 0-7 and 8-15 for
  // the rest.
  static constexpr std::size_t place(std::size_t row) { return row % 4 * 2 + row / 4 % 2 * 16 + row / 8 * 8; }

  static void put(std::uint8_t* step, std::size_t lane, int slot, std::uint32_t offset, std::uint32_t code) {
    std::uint8_t* group = step + lane / group_rows * group_bytes;
    group[place(lane % group_rows) + slot] = static_cast<std::uint8_t>(offset | code << 4);
  }
};

constexpr std::size_t prefetch_bytes = 3072;

// Sixteen 16-bit numbers as their low and high bytes, in both halves of a register.
struct ByteTable {
  __m256i low, high;

  explicit ByteTable(const std::int16_t* values) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values + 8));
    const __m128i byte = _mm_set1_epi16(255);
    low = _mm256_broadcastsi128_si256(_mm_packus_epi16(_mm_and_si128(a, byte), _mm_and_si128(b, byte)));
    high = _mm256_broadcastsi128_si256(_mm_packus_epi16(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8)));
  }
};

template <class A>
__m256i dot_pairs(__m256i x, __m256i w) {
  if constexpr (std::is_same_v<A, Int16>) return _mm256_madd_epi16(x, w);
  return _mm256_madd_epi16(_mm256_mulhrs_epi16(x, w), _mm256_set1_epi16(1));
}

void hand_over(__m256i sum, __m256i upper, std::int64_t* lanes) {
  const auto half = [](__m128i lower, __m128i high, std::int64_t* at) {
    const __m256i carried = _mm256_slli_epi64(_mm256_cvtepi32_epi64(high), carried_bits);
    _mm256_store_si256(reinterpret_cast<__m256i*>(at), _mm256_add_epi64(carried, _mm256_cvtepi32_epi64(lower)));
  };
  half(_mm256_castsi256_si128(sum), _mm256_castsi256_si128(upper), lanes);
  half(_mm256_extracti128_si256(sum, 1), _mm256_extracti128_si256(upper, 1), lanes + 4);
}

template <class A>
void multiply_steps(const std::uint8_t* slots, const std::uint32_t* first, std::size_t steps, const std::uint32_t* run,
                    const std::int16_t* x, const std::int16_t* weights, typename A::Sum* lanes) {
  const ByteTable book(weights);
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256i sum[2 * Layout::groups], upper[2 * Layout::groups];
  for (std::size_t k = 0; k < 2 * Layout::groups; ++k) sum[k] = upper[k] = _mm256_setzero_si256();
  for (std::size_t step = 0; step < steps;) {
    for (const std::size_t end = *run++; step < end; ++step, slots += Layout::step_bytes) {
      const ByteTable window(x + first[step]);
      _mm_prefetch(reinterpret_cast<const char*>(slots + prefetch_bytes), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(slots + prefetch_bytes + 64), _MM_HINT_T0);
#pragma GCC unroll 4
      for (std::size_t g = 0; g < Layout::groups; ++g) {
        const __m256i slot = _mm256_load_si256(reinterpret_cast<const __m256i*>(slots + g * Layout::group_bytes));
        const __m256i offset = _mm256_and_si256(slot, nibble);
        const __m256i code = _mm256_and_si256(_mm256_srli_epi16(slot, 4), nibble);
        const __m256i x_low = _mm256_shuffle_epi8(window.low, offset);
        const __m256i x_high = _mm256_shuffle_epi8(window.high, offset);
        const __m256i w_low = _mm256_shuffle_epi8(book.low, code);
        const __m256i w_high = _mm256_shuffle_epi8(book.high, code);
        const __m256i x0 = _mm256_unpacklo_epi8(x_low, x_high), w0 = _mm256_unpacklo_epi8(w_low, w_high);
        const __m256i x1 = _mm256_unpackhi_epi8(x_low, x_high), w1 = _mm256_unpackhi_epi8(w_low, w_high);
        sum[2 * g] = _mm256_add_epi32(sum[2 * g], dot_pairs<A>(x0, w0));
        sum[2 * g + 1] = _mm256_add_epi32(sum[2 * g + 1], dot_pairs<A>(x1, w1));
      }
    }
    for (std::size_t k = 0; k < 2 * Layout::groups; ++k) carry(sum[k], upper[k]);
  }
  for (std::size_t k = 0; k < 2 * Layout::groups; ++k) hand_over(sum[k], upper[k], lanes + 8 * k);
}

// Sixteen floats in two registers; the lookup takes the low three bits from each and the fourth to choose between them.
struct FloatTable {
  __m256 low, high;

  explicit FloatTable(const float* values) : low(_mm256_loadu_ps(values)), high(_mm256_loadu_ps(values + 8)) {}

  __m256 operator()(__m256i index) const {
    const __m256 fourth_bit = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, index), _mm256_permutevar8x32_ps(high, index), fourth_bit);
  }
};

// One group at a time: a row's two slots are summed apart, four registers of them a group, and two tables take four
// more.
void multiply_float_steps(const std::uint8_t* slots, const std::uint32_t* first, std::size_t steps,
                          const std::uint32_t*, const float* x, const float* weights, float* lanes) {
  const FloatTable book(weights);
  for (std::size_t g = 0; g < Layout::groups; ++g) {
    __m256 sum[4];
    for (__m256& s : sum) s = _mm256_setzero_ps();
    for (std::size_t step = 0; step < steps; ++step) {
      const FloatTable window(x + first[step]);
      const std::uint8_t* at = slots + step * Layout::step_bytes + g * Layout::group_bytes;
#pragma GCC unroll 4
      for (std::size_t k = 0; k < 4; ++k) {
        const __m256i slot = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at + 8 * k)));
        sum[k] = _mm256_fmadd_ps(window(slot), book(_mm256_srli_epi32(slot, 4)), sum[k]);
      }
    }
    alignas(32) float by_slot[32];
    for (std::size_t k = 0; k < 4; ++k) _mm256_store_ps(by_slot + 8 * k, sum[k]);
    for (std::size_t row = 0; row < Layout::group_rows; ++row)
      lanes[g * Layout::group_rows + row] += by_slot[Layout::place(row)] + by_slot[Layout::place(row) + 1];
  }
}

}  // namespace

template <>
KernelPtr<Float32> make_window_avx2(const Rows& rows, const Codebook& codebook) {
  return std::make_unique<WindowOneByOne<Float32, Layout, multiply_float_steps>>(rows, codebook);
}

template <class A>
KernelPtr<A> make_window_avx2(const Rows& rows, const Codebook& codebook) {
  return std::make_unique<WindowOneByOne<A, Layout, multiply_steps<A>>>(rows, codebook);
}

template KernelPtr<Int16> make_window_avx2(const Rows&, const Codebook&);
template KernelPtr<Chip> make_window_avx2(const Rows&, const Codebook&);

}  // namespace eie::kernels
