// The sliding window for Int8 in vectors of 256 bits: 16 activations as bytes, two slots of 8 bits per row and step.
// Compiled once for each way to add up products of bytes: AVX2's own, and the dot product in both of its encodings.
//
// A slot is a 4-bit offset below a 4-bit code. A 32-bit lane holds the slots of two rows.
//
// `Products` has: static constexpr double slot_cost; what is taken off every activation, static constexpr std::int32_t
// subtracted; static __m256i window(__m256i activations), which does that;
// static void add(__m256i (&sums)[2], __m256i activations, __m256i weights), which adds the products of the first and
// of the second rows of eight lanes to one of two vectors each, as it likes; and static void part(__m256i (&sums)[2]),
// which makes these the first and the second rows' sums.
#include <immintrin.h>

#include "kernels/window.hpp"

namespace eie::kernels {
namespace {

template <class Products>
struct Layout {
  static constexpr Geometry geometry{16, 2, 64, Products::slot_cost};
  static constexpr std::size_t group_rows = 16, group_bytes = 32, groups = geometry.rows / group_rows;
  static constexpr std::size_t step_bytes = groups * group_bytes;

  // The rows of a lane are 8 apart: the first ones are rows 0-7 of the group, the second ones 8-15.
  static void put(std::uint8_t* step, std::size_t lane, int slot, std::uint32_t offset, std::uint32_t code) {
    const std::size_t row = lane % group_rows, place = row % 8 * 4 + row / 8 * 2 + slot;
    step[lane / group_rows * group_bytes + place] = static_cast<std::uint8_t>(offset | code << 4);
  }
};

constexpr std::size_t prefetch_bytes = 3072;

__m256i table(const void* bytes) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(bytes)));
}

template <class Products>
void multiply_steps(const std::uint8_t* slots, const std::uint32_t* first, std::size_t steps, const std::uint32_t*,
                    const std::uint8_t* x, const std::int8_t* weights, std::int32_t* lanes) {
  using Slots = Layout<Products>;
  const __m256i book = table(weights), nibble = _mm256_set1_epi8(15);
  __m256i sums[Slots::groups][2];
  for (auto& pair : sums) pair[0] = pair[1] = _mm256_setzero_si256();
  for (std::size_t step = 0; step < steps; ++step, slots += Slots::step_bytes) {
    const __m256i window = Products::window(table(x + first[step]));
    _mm_prefetch(reinterpret_cast<const char*>(slots + prefetch_bytes), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(slots + prefetch_bytes + 64), _MM_HINT_T0);
#pragma GCC unroll 4
    for (std::size_t g = 0; g < Slots::groups; ++g) {
      const __m256i slot = _mm256_load_si256(reinterpret_cast<const __m256i*>(slots + g * Slots::group_bytes));
      const __m256i code = _mm256_and_si256(_mm256_srli_epi16(slot, 4), nibble);
      const __m256i weight = _mm256_shuffle_epi8(book, code);
      const __m256i activation = _mm256_shuffle_epi8(window, _mm256_and_si256(slot, nibble));
      Products::add(sums[g], activation, weight);
    }
  }
  for (auto& pair : sums) {
    Products::part(pair);
    for (const __m256i& sum : pair) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sum);
      lanes += 8;
    }
  }
}

template <class Products>
KernelPtr<Int8> make_window(const Rows& rows, const Codebook& codebook) {
  return std::make_unique<WindowOneByOne<Int8, Layout<Products>, multiply_steps<Products>, Products::subtracted>>(
      rows, codebook);
}

}  // namespace
}  // namespace eie::kernels
