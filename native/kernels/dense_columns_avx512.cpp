// Every position's weight, column by column, with AVX-512 (VBMI, VNNI): for layers with so many weights, and so few active
// inputs, that reading whole columns of active inputs costs less than finding out which of their rows have a weight.
//
// A vector of 64 bytes has a column's weights of some rows: codes of 128 rows, the first 64 in the lower halves of the
// bytes, or, where codes are wider than 4 bits, the 8-bit weights of 64 rows. Vectors of four active columns are interleaved
// by bytes, so that each 32-bit lane has a row's four; then vpermb turns codes into weights and vpdpbusd adds their
// products. Sums of 256 rows stay in registers while 32 columns go by.
//
// vpdpbusd multiplies unsigned with signed bytes. Where an activation is negative, the weights are made unsigned by adding
// 128, which is taken off again as 128 times the sum of the activations, the same for every row.
#include <algorithm>
#include <cstring>

#include "kernels/avx512.hpp"
#include "kernels/bitmask.hpp"

namespace eie::kernels {
namespace {

constexpr std::size_t most_rows = 4096;  // in a part: their sums take half of an L1 cache
constexpr std::size_t columns_at_once = 4, fours_at_once = 8, vectors_at_once = 2, vector_bytes = 64;
constexpr int weight_offset = 128;

// Asks for the bytes of active columns from memory, one line after the other, into the L2 cache: columns are far apart, and
// the L1 cache waits for too few lines at a time. (Zen 4: 17 GB/s; into L1 10 GB/s, or without asking.)
class Ahead {
 public:
  Ahead(const std::uint8_t* data, std::size_t column_bytes, const std::uint32_t* active, std::size_t count)
      : data_(data), column_bytes_(column_bytes), next_(active), end_(active + count) {
    next_column();
  }

  void ask_line() {
    if (!at_) return;
    _mm_prefetch(reinterpret_cast<const char*>(at_), _MM_HINT_T1);
    at_ += vector_bytes;
    if (at_ == column_end_) next_column();
  }

 private:
  void next_column() {
    at_ = next_ == end_ ? nullptr : data_ + column_bytes_ * *next_++;
    if (at_) column_end_ = at_ + column_bytes_;
  }

  const std::uint8_t* data_;
  std::size_t column_bytes_;
  const std::uint32_t *next_, *end_;
  const std::uint8_t *at_ = nullptr, *column_end_ = nullptr;
};

// Four columns and their activations.
struct Four {
  const std::uint8_t* column[columns_at_once];
  std::int32_t activations;
};

template <bool is_signed>
[[gnu::always_inline]] inline __m512i add(__m512i sum, __m512i activations, __m512i weights) {
  return is_signed ? dot_fours(sum, weights, activations) : dot_fours(sum, activations, weights);
}

// Adds the products of `count` fours and the rows of `vectors` vectors, the first of which is `at` bytes into a column.
template <bool packed, bool is_signed, std::size_t vectors>
void add_fours(const Four* fours, std::size_t count, std::size_t at, __m512i book, Ahead& ahead, std::int32_t* lanes) {
  constexpr std::size_t vector_sums = packed ? 8 : 4;
  __m512i sum[vectors * vector_sums];
#pragma GCC unroll 16
  for (std::size_t k = 0; k < vectors * vector_sums; ++k) sum[k] = _mm512_load_si512(lanes + 16 * k);
  for (const Four* four = fours; four != fours + count; ++four) {
    const __m512i activations = _mm512_set1_epi32(four->activations);
#pragma GCC unroll 2
    for (std::size_t v = 0; v < vectors; ++v) {
      __m512i codes[columns_at_once], rows[4];
#pragma GCC unroll 4
      for (std::size_t j = 0; j < columns_at_once; ++j) {
        codes[j] = _mm512_load_si512(four->column[j] + at + vector_bytes * v);
        if constexpr (!packed && is_signed) codes[j] = _mm512_xor_si512(codes[j], book);
      }
      interleave(codes, rows);
#pragma GCC unroll 4
      for (std::size_t q = 0; q < 4; ++q) {
        ahead.ask_line();  // here and there: all at once they take 10 % longer
        __m512i& first = sum[v * vector_sums + q];
        if constexpr (packed) {  // the permute takes 4 bits: the book is there four times over
          __m512i& second = sum[v * vector_sums + 4 + q];
          first = add<is_signed>(first, activations, _mm512_permutexvar_epi8(rows[q], book));
          second = add<is_signed>(second, activations, _mm512_permutexvar_epi8(_mm512_srli_epi16(rows[q], 4), book));
        } else {
          first = add<is_signed>(first, activations, rows[q]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (std::size_t k = 0; k < vectors * vector_sums; ++k) _mm512_store_si512(lanes + 16 * k, sum[k]);
}

struct Part {
  std::size_t first_row, rows, vectors;  // vectors: of a column
  Aligned<std::uint8_t> data;

  std::size_t column_bytes() const { return vector_bytes * vectors; }
};

template <bool packed>
class DenseColumnsAvx512 final : public Kernel<Int8> {
 public:
  DenseColumnsAvx512(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted)
      : weights_(weights_of<Int8>(codebook, 256, weight_unit_)) {
    const std::size_t wanted = (rows.outputs + parts_wanted - 1) / parts_wanted;
    const std::size_t size = std::min(most_rows, (wanted + vector_rows - 1) / vector_rows * vector_rows);
    for (std::size_t first = 0; first < rows.outputs; first += size)
      parts_.push_back(part_of(rows, first, std::min(first + size, rows.outputs)));
  }

  bool skips() const override { return true; }
  std::size_t parts() const override { return parts_.size(); }
  std::size_t bytes(std::size_t part) const override { return parts_[part].data.size(); }

  void multiply(const Input<Int8>* x, std::size_t batch, std::size_t first, std::size_t end,
                std::int32_t* const* sums) const override {
    for (std::size_t p = first; p < end; ++p)
      for (std::size_t i = 0; i < batch; ++i) {
        std::int32_t* const to = sums[i] + parts_[p].first_row;
        x[i].zero ? multiply_part<true>(parts_[p], x[i], to) : multiply_part<false>(parts_[p], x[i], to);
      }
  }

 private:
  static constexpr std::size_t vector_rows = packed ? 128 : 64;

  Part part_of(const Rows& rows, std::size_t first, std::size_t end) const {
    Part part{first, end - first, (end - first + vector_rows - 1) / vector_rows, {}};
    part.data = Aligned<std::uint8_t>(rows.inputs * part.column_bytes());
    for (std::size_t row = first; row < end; ++row) {
      const std::size_t vector = (row - first) / vector_rows, lane = (row - first) % vector_rows;
      const std::size_t at = vector_bytes * vector + Bitmask<std::int8_t>::bit_of_row(lane % 64);
      for (std::int64_t k = rows.starts[row]; k < rows.starts[row + 1]; ++k) {
        std::uint8_t& byte = part.data.data()[rows.columns[k] * part.column_bytes() + at];
        if constexpr (packed)
          byte = static_cast<std::uint8_t>(byte | rows.codes[k] << (lane < 64 ? 0 : 4));
        else
          byte = static_cast<std::uint8_t>(weights_[rows.codes[k]]);
      }
    }
    return part;
  }

  template <bool is_signed>
  void multiply_part(const Part& part, const Input<Int8>& x, std::int32_t* sums) const {
    alignas(64) std::int32_t lanes[most_rows];
    std::uint32_t activations = 0;  // their sum; as the sums of products, it is right but for multiples of 2^32
    for (std::size_t k = 0; is_signed && k < x.active_count; ++k) activations += x.values[x.active[k]] - x.zero;
    std::fill(lanes, lanes + part.vectors * vector_rows, static_cast<std::int32_t>(-weight_offset * activations));

    __m512i book = _mm512_set1_epi8(is_signed ? static_cast<char>(weight_offset) : 0);
    if constexpr (packed) book = _mm512_xor_si512(book, book_of(weights_.data()));
    Ahead ahead(part.data.data(), part.column_bytes(), x.active, x.active_count);
    constexpr std::size_t columns = fours_at_once * columns_at_once;
    for (std::size_t k = 0; k < columns * part.vectors; ++k) ahead.ask_line();
    for (std::size_t first = 0; first < x.active_count; first += columns) {
      Four fours[fours_at_once];
      const std::size_t count = (std::min(columns, x.active_count - first) + columns_at_once - 1) / columns_at_once;
      for (std::size_t k = 0; k < count; ++k) fours[k] = four_of(part, x, first + columns_at_once * k);
      std::size_t vector = 0;
      const auto add_vectors = [&]<std::size_t vectors>() {
        for (; vector + vectors <= part.vectors; vector += vectors)
          add_fours<packed, is_signed, vectors>(fours, count, vector_bytes * vector, book, ahead,
                                                lanes + vector * vector_rows);
      };
      add_vectors.template operator()<vectors_at_once>();
      add_vectors.template operator()<1>();
    }
    std::copy(lanes, lanes + part.rows, sums);
  }

  // The four active columns from number `first` on; beyond the last one it again, with an activation of 0.
  static Four four_of(const Part& part, const Input<Int8>& x, std::size_t first) {
    Four four;
    std::uint8_t activations[columns_at_once];
    for (std::size_t j = 0; j < columns_at_once; ++j) {
      const std::size_t c = x.active[std::min(first + j, x.active_count - 1)];
      four.column[j] = part.data.data() + c * part.column_bytes();
      activations[j] = static_cast<std::uint8_t>(first + j < x.active_count ? x.values[c] - x.zero : 0);
    }
    std::memcpy(&four.activations, activations, sizeof four.activations);
    return four;
  }

  std::vector<std::int8_t> weights_;  // by code
  std::vector<Part> parts_;
};

}  // namespace

KernelPtr<Int8> make_dense_columns_avx512(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted) {
  if (rows.code_bits <= 4) return std::make_unique<DenseColumnsAvx512<true>>(rows, codebook, parts_wanted);
  return std::make_unique<DenseColumnsAvx512<false>>(rows, codebook, parts_wanted);
}

}  // namespace eie::kernels
