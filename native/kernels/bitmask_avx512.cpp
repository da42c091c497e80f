// Columns as bitmasks with AVX-512 (VBMI, VBMI2, VNNI): four active columns and 64 rows at a time.
//
// vpexpandb spreads a column's codes over the rows that have one, vpermb turns codes into weights, and the weights of
// four columns are interleaved so that each 32-bit lane has a row's four: vpdpbusd adds their products with the four
// activations to sums in the L1 cache. Activations are magnitudes; a negative one's column gets the weights' negatives.
#include <immintrin.h>

#include "kernels/avx512.hpp"
#include "kernels/bitmask.hpp"

namespace eie::kernels {
namespace {

constexpr std::size_t columns_at_once = 4;

// A column on its way down: its masks, the weights not yet taken, and the weight of each code with the activation's
// sign. Unpacked weights have no codes: `sign` is all ones where they are to be negated.
struct Column {
  const std::uint8_t* masks;
  const std::uint8_t* weights;
  __m512i book;
  __mmask64 sign;
};

template <bool packed>
[[gnu::always_inline]] inline __m512i take(Column& column, std::size_t group) {
  std::uint64_t mask;
  std::memcpy(&mask, column.masks + 8 * group, 8);
  const std::size_t count = std::popcount(mask);
  if constexpr (packed) {
    const __m512i pairs = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(column.weights)));
    column.weights += (count + 1) / 2;
    // In each 16 bits a low code, left alone, and a high one, shifted up to the upper byte. The permute takes 4 bits:
    // the book is there four times over.
    const __m512i codes = _mm512_or_si512(pairs, _mm512_slli_epi16(pairs, 4));
    const __m512i spread = _mm512_maskz_expand_epi8(mask, _mm512_and_si512(codes, _mm512_set1_epi8(15)));
    return _mm512_permutexvar_epi8(spread, column.book);
  } else {
    const __m512i spread = _mm512_maskz_expand_epi8(mask, _mm512_loadu_si512(column.weights));
    column.weights += count;
    return _mm512_mask_sub_epi8(spread, column.sign, _mm512_setzero_si512(), spread);
  }
}

void prefetch(const Bitmask::Part& part, std::size_t column) {
  for (const std::uint8_t* at = part.column(column); at < part.column(column + 1); at += 64)
    _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0);
}

class BitmaskAvx512 final : public BitmaskKernel {
  using BitmaskKernel::BitmaskKernel;

  void multiply_part(const Bitmask::Part& part, const Input<Int8>& x, std::int32_t* sums) const override {
    columns_.packed() ? multiply_part<true>(part, x, sums) : multiply_part<false>(part, x, sums);
  }

  template <bool packed>
  void multiply_part(const Bitmask::Part& part, const Input<Int8>& x, std::int32_t* sums) const {
    alignas(64) std::int32_t lanes[Bitmask::most_rows];
    std::fill(lanes, lanes + part.groups * Bitmask::group_rows, 0);
    const __m512i book = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(weights_.data())));
    const __m512i negative = _mm512_sub_epi8(_mm512_setzero_si512(), book);
    for (std::size_t k = 0; k < x.active_count; k += columns_at_once) {
      Column column[columns_at_once];
      std::uint32_t magnitudes = 0;
      for (std::size_t j = 0; j < columns_at_once; ++j) {
        const std::size_t c = x.active[std::min(k + j, x.active_count - 1)];
        const int a = k + j < x.active_count ? x.values[c] - x.zero : 0;
        column[j] = {part.column(c), part.column(c) + 8 * part.groups, a < 0 ? negative : book,
                     a < 0 ? ~__mmask64{0} : 0};
        magnitudes |= static_cast<std::uint32_t>(a < 0 ? -a : a) << 8 * j;
        if (k + j + columns_at_once < x.active_count) prefetch(part, x.active[k + j + columns_at_once]);
      }
      const __m512i activations = _mm512_set1_epi32(static_cast<int>(magnitudes));
      for (std::size_t group = 0; group < part.groups; ++group) {
        const __m512i w0 = take<packed>(column[0], group), w1 = take<packed>(column[1], group);
        const __m512i w2 = take<packed>(column[2], group), w3 = take<packed>(column[3], group);
        const __m512i low01 = _mm512_unpacklo_epi8(w0, w1), high01 = _mm512_unpackhi_epi8(w0, w1);
        const __m512i low23 = _mm512_unpacklo_epi8(w2, w3), high23 = _mm512_unpackhi_epi8(w2, w3);
        const __m512i fours[] = {_mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23),
                                 _mm512_unpacklo_epi16(high01, high23), _mm512_unpackhi_epi16(high01, high23)};
        for (std::size_t q = 0; q < 4; ++q) {
          std::int32_t* at = lanes + group * Bitmask::group_rows + 16 * q;
          _mm512_store_si512(at, dot_fours(_mm512_load_si512(at), activations, fours[q]));
        }
      }
    }
    std::copy(lanes, lanes + part.rows, sums);
  }
};

}  // namespace

KernelPtr<Int8> make_bitmask_avx512(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted) {
  return std::make_unique<BitmaskAvx512>(rows, codebook, parts_wanted);
}

}  // namespace eie::kernels
