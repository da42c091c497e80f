// Columns as bitmasks with AVX-512 (VBMI, VBMI2, VNNI): some active columns and 64 rows at a time.
//
// vpexpandb spreads a column's codes over the rows that have one, vpermb turns codes into weights, by bytes.
//
// Int8: the weights of four columns are interleaved so that each 32-bit lane has a row's four: vpdpbusd adds their
// products with the four activations to sums in the L1 cache. Activations are magnitudes; a negative one's column gets
// the weights' negatives.
//
// Int16: a weight's two bytes are interleaved, then the words of two columns, and vpdpwssd adds their products. After 16
// columns, whose sums stay in registers, the sums' upper bits are carried on (arithmetic.hpp).
#include <immintrin.h>

#include "kernels/avx512.hpp"
#include "kernels/bitmask.hpp"

namespace eie::kernels {
namespace {

// The codes of a group's rows, 0 where there is none; `weights` then are the next group's. A permute takes 4 bits of a
// byte, so tables of 16 are there four times over.
[[gnu::always_inline]] inline __m512i take_codes(const std::uint8_t*& weights, std::uint64_t mask) {
  const __m512i pairs = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights)));
  weights += (std::popcount(mask) + 1) / 2;
  // In each 16 bits a low code, left alone, and a high one, shifted up to the upper byte.
  const __m512i codes = _mm512_or_si512(pairs, _mm512_slli_epi16(pairs, 4));
  return _mm512_maskz_expand_epi8(mask, _mm512_and_si512(codes, _mm512_set1_epi8(15)));
}

// A byte of the weights of a group's rows.
[[gnu::always_inline]] inline __m512i take_bytes(const std::uint8_t*& weights, std::uint64_t mask) {
  const __m512i bytes = _mm512_loadu_si512(weights);
  weights += std::popcount(mask);
  return _mm512_maskz_expand_epi8(mask, bytes);
}

// Into the L2 cache: the L1 cache waits for too few lines at a time (Zen 4: 10 GB/s from memory, into the L2 cache 17).
template <class Part>
void prefetch(const Part& part, std::size_t column) {
  for (const std::uint8_t* at = part.column(column); at < part.column(column + 1); at += 64)
    _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
}

// A column of Int8 on its way down: its masks, the weights not yet taken, and the weight of each code with the
// activation's sign. Unpacked weights have no codes: `sign` is all ones where they are to be negated.
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
  if constexpr (packed) return _mm512_permutexvar_epi8(take_codes(column.weights, mask), column.book);
  const __m512i spread = take_bytes(column.weights, mask);
  return _mm512_mask_sub_epi8(spread, column.sign, _mm512_setzero_si512(), spread);
}

class BitmaskInt8 final : public BitmaskKernel<Int8> {
  using BitmaskKernel::BitmaskKernel;

  void multiply_part(const Columns::Part& part, const Input<Int8>& x, std::int32_t* sums) const override {
    columns_.packed() ? multiply_part<true>(part, x, sums) : multiply_part<false>(part, x, sums);
  }

  template <bool packed>
  void multiply_part(const Columns::Part& part, const Input<Int8>& x, std::int32_t* sums) const {
    constexpr std::size_t columns_at_once = 4;
    alignas(64) std::int32_t lanes[Columns::most_rows];
    std::fill(lanes, lanes + part.groups * Columns::group_rows, 0);
    const __m512i book = book_of(weights_.data());
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
        const __m512i weights[] = {take<packed>(column[0], group), take<packed>(column[1], group),
                                   take<packed>(column[2], group), take<packed>(column[3], group)};
        __m512i fours[4];
        interleave(weights, fours);
        for (std::size_t q = 0; q < 4; ++q) {
          std::int32_t* at = lanes + group * Columns::group_rows + 16 * q;
          _mm512_store_si512(at, dot_fours(_mm512_load_si512(at), activations, fours[q]));
        }
      }
    }
    std::copy(lanes, lanes + part.rows, sums);
  }
};

class BitmaskInt16 final : public BitmaskKernel<Int16> {
 public:
  BitmaskInt16(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted)
      : BitmaskKernel(rows, codebook, parts_wanted) {
    for (std::size_t code = 0; code < 16; ++code)
      for (std::size_t byte = 0; byte < 2; ++byte)
        books_[byte][code] = static_cast<std::uint8_t>(weights_[code] >> 8 * byte & 255);
  }

 private:
  static constexpr std::size_t columns_at_once = products_of_run, pairs_at_once = columns_at_once / 2;

  // Two columns on their way down.
  struct Pair {
    const std::uint8_t* masks[2];
    const std::uint8_t* weights[2];
    std::int32_t activations;
  };
  // The weights of a group's rows, interleaved by bytes: the words of 8 rows in every 16, then those of the 8 after them.
  struct Words {
    __m512i low, high;
  };

  void multiply_part(const Columns::Part& part, const Input<Int16>& x, std::int64_t* sums) const override {
    columns_.packed() ? multiply_part<true>(part, x, sums) : multiply_part<false>(part, x, sums);
  }

  template <bool packed>
  [[gnu::always_inline]] static inline Words take(Pair& pair, std::size_t column, std::size_t group, __m512i lower_book,
                                                  __m512i upper_book) {
    std::uint64_t mask;
    std::memcpy(&mask, pair.masks[column] + 8 * group, 8);
    __m512i lower, upper;
    if constexpr (packed) {
      const __m512i codes = take_codes(pair.weights[column], mask);
      lower = _mm512_permutexvar_epi8(codes, lower_book);
      upper = _mm512_permutexvar_epi8(codes, upper_book);
    } else {
      lower = take_bytes(pair.weights[column], mask);
      upper = take_bytes(pair.weights[column], mask);
    }
    return {_mm512_unpacklo_epi8(lower, upper), _mm512_unpackhi_epi8(lower, upper)};
  }

  template <bool packed>
  void multiply_part(const Columns::Part& part, const Input<Int16>& x, std::int64_t* sums) const {
    std::fill(sums, sums + part.rows, 0);
    for (std::size_t first = 0; first < x.active_count; first += most_products)
      add_columns<packed>(part, x, first, std::min(first + most_products, x.active_count), sums);
  }

  template <bool packed>
  void add_columns(const Columns::Part& part, const Input<Int16>& x, std::size_t from, std::size_t end,
                   std::int64_t* sums) const {
    alignas(64) std::int32_t lower[Columns::most_rows], upper[Columns::most_rows];
    std::fill(lower, lower + part.groups * Columns::group_rows, 0);
    std::fill(upper, upper + part.groups * Columns::group_rows, 0);
    const __m512i lower_book = book_of(books_[0]), upper_book = book_of(books_[1]);
    for (std::size_t k = from; k < end; k += columns_at_once) {
      Pair columns[pairs_at_once];
      const std::size_t pairs = std::min(pairs_at_once, (end - k + 1) / 2);
      for (std::size_t j = 0; j < 2 * pairs; ++j) {
        const std::size_t c = x.active[std::min(k + j, end - 1)];
        const int a = k + j < end ? x.values[c] : 0;
        Pair& pair = columns[j / 2];
        pair.masks[j % 2] = part.column(c);
        pair.weights[j % 2] = part.column(c) + 8 * part.groups;
        pair.activations = j % 2 ? (pair.activations & 0xffff) | a << 16 : a;
        if (k + j + columns_at_once < end) prefetch(part, x.active[k + j + columns_at_once]);
      }
      for (std::size_t group = 0; group < part.groups; ++group) {
        std::int32_t* const at = lower + group * Columns::group_rows;
        __m512i sum[4];
        for (std::size_t q = 0; q < 4; ++q) sum[q] = _mm512_load_si512(at + 16 * q);
        for (Pair* pair = columns; pair != columns + pairs; ++pair) {
          const Words first = take<packed>(*pair, 0, group, lower_book, upper_book);
          const Words second = take<packed>(*pair, 1, group, lower_book, upper_book);
          const __m512i activations = _mm512_set1_epi32(pair->activations);
          sum[0] = dot_pairs(sum[0], activations, _mm512_unpacklo_epi16(first.low, second.low));
          sum[1] = dot_pairs(sum[1], activations, _mm512_unpackhi_epi16(first.low, second.low));
          sum[2] = dot_pairs(sum[2], activations, _mm512_unpacklo_epi16(first.high, second.high));
          sum[3] = dot_pairs(sum[3], activations, _mm512_unpackhi_epi16(first.high, second.high));
        }
        for (std::size_t q = 0; q < 4; ++q) {
          std::int32_t* const above = upper + group * Columns::group_rows + 16 * q;
          __m512i carried = _mm512_load_si512(above);
          carry(sum[q], carried);
          _mm512_store_si512(above, carried);
          _mm512_store_si512(at + 16 * q, sum[q]);
        }
      }
    }
    for (std::size_t row = 0; row < part.rows; ++row)
      sums[row] += (std::int64_t{upper[row]} << carried_bits) + lower[row];
  }

  alignas(16) std::uint8_t books_[2][16];  // the weights' lower and upper bytes, by code
};

}  // namespace

template <>
KernelPtr<Int8> make_bitmask_avx512<Int8>(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted) {
  return std::make_unique<BitmaskInt8>(rows, codebook, parts_wanted);
}

template <>
KernelPtr<Int16> make_bitmask_avx512<Int16>(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted) {
  return std::make_unique<BitmaskInt16>(rows, codebook, parts_wanted);
}

}  // namespace eie::kernels
