// Every position's weight, there or not, with AVX-512 (VBMI, VNNI): for layers with so many weights that saying where
// they are would take more bytes than the zeros between them.
//
// A lane of 32 bits is a row, its bytes four columns next to each other, whose activations go to all lanes. A position
// is a code in 4 bits, or, where codes are wider, the 8-bit weight itself. Rows lie in tiles of up to 256; a tile has,
// for each four columns, the weights of its pairs of 16 rows one after the other: a vector with the first 16 rows' codes
// in the lower halves of its bytes, or one vector of weights for either.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/aligned.hpp"
#include "kernels/avx512.hpp"
#include "kernels/window.hpp"

namespace eie::kernels {
namespace {

constexpr std::size_t columns_at_once = 4, pair_rows = 32, most_pairs = 8;

struct DenseTile {
  std::size_t first_row, rows, pairs, at;  // `at`: where its weights begin
};

// `pairs` pairs of rows, whose weights begin at `at`, for `batch` inputs; sums go to lanes[input].
template <bool packed, std::size_t batch, std::size_t pairs>
void multiply_pairs(const std::uint8_t* at, std::size_t step_bytes, std::size_t steps, const Input<Int8>* x,
                    const std::int8_t* weights, std::int32_t (*lanes)[most_pairs * pair_rows]) {
  const __m512i book = book_of(weights);
  __m512i sum[batch][2 * pairs];
#pragma GCC unroll 32
  for (std::size_t k = 0; k < batch * 2 * pairs; ++k) sum[k / (2 * pairs)][k % (2 * pairs)] = _mm512_setzero_si512();
  for (std::size_t step = 0; step < steps; ++step, at += step_bytes) {
    __m512i activations[batch];
#pragma GCC unroll 4
    for (std::size_t i = 0; i < batch; ++i) {
      std::int32_t four;
      std::memcpy(&four, x[i].values + columns_at_once * step, sizeof four);
      activations[i] = _mm512_set1_epi32(four);
    }
#pragma GCC unroll 8
    for (std::size_t k = 0; k < pairs; ++k) {
      __m512i first, second;
      if constexpr (packed) {  // the permute takes 4 bits: the book is there four times over
        const __m512i codes = load_in_order(at + 64 * k);
        first = _mm512_permutexvar_epi8(codes, book);
        second = _mm512_permutexvar_epi8(_mm512_srli_epi16(codes, 4), book);
      } else {
        first = load_in_order(at + 128 * k);
        second = load_in_order(at + 128 * k + 64);
      }
#pragma GCC unroll 4
      for (std::size_t i = 0; i < batch; ++i) {
        sum[i][2 * k] = dot_fours(sum[i][2 * k], activations[i], first);
        sum[i][2 * k + 1] = dot_fours(sum[i][2 * k + 1], activations[i], second);
      }
    }
  }
#pragma GCC unroll 32
  for (std::size_t k = 0; k < batch * 2 * pairs; ++k)
    _mm512_storeu_si512(lanes[k / (2 * pairs)] + k % (2 * pairs) * 16, sum[k / (2 * pairs)][k % (2 * pairs)]);
}

template <bool packed>
class DenseAvx512 final : public Kernel<Int8> {
 public:
  DenseAvx512(const Rows& rows, const Codebook& codebook)
      : steps_((rows.inputs + columns_at_once - 1) / columns_at_once), weight_sums_(rows.outputs, 0) {
    weights_ = weights_of<Int8>(codebook, 256, weight_unit_);
    std::size_t bytes = 0;
    for (std::size_t first = 0; first < rows.outputs; first += most_pairs * pair_rows) {
      const std::size_t count = std::min(most_pairs * pair_rows, rows.outputs - first);
      tiles_.push_back({first, count, (count + pair_rows - 1) / pair_rows, bytes});
      bytes += this->bytes(tiles_.size() - 1);
    }
    data_ = Aligned<std::uint8_t>(bytes);
    for (const DenseTile& tile : tiles_)
      for (std::size_t row = 0; row < tile.rows; ++row)
        for (std::int64_t k = rows.starts[tile.first_row + row]; k < rows.starts[tile.first_row + row + 1]; ++k) {
          weight_sums_[tile.first_row + row] += weights_[rows.codes[k]];
          put(tile, row, rows.columns[k], rows.codes[k]);
        }
  }

  std::size_t parts() const override { return tiles_.size(); }
  std::size_t bytes(std::size_t part) const override { return steps_ * step_bytes(tiles_[part]); }

  void multiply(const Input<Int8>* x, std::size_t batch, std::size_t first, std::size_t end,
                std::int32_t* const* sums) const override {
    for (std::size_t part = first; part < end; ++part)
      in_fours(batch, [&](auto inputs, std::size_t i) { multiply_tile<inputs>(tiles_[part], x + i, sums + i); });
  }

 private:
  static constexpr std::size_t pair_bytes = packed ? 64 : 128;

  static std::size_t step_bytes(const DenseTile& tile) { return tile.pairs * pair_bytes; }

  void put(const DenseTile& tile, std::size_t row, std::uint32_t column, std::uint8_t code) {
    const bool second = row % pair_rows >= 16;
    std::uint8_t* pair =
        data_.data() + tile.at + column / columns_at_once * step_bytes(tile) + row / pair_rows * pair_bytes;
    const std::size_t place = row % 16 * columns_at_once + column % columns_at_once;
    if constexpr (packed)
      pair[place] = static_cast<std::uint8_t>(pair[place] | code << (second ? 4 : 0));
    else
      pair[place + (second ? 64 : 0)] = static_cast<std::uint8_t>(weights_[code]);
  }

  // As many pairs of rows at once as there are registers for their sums.
  template <std::size_t batch>
  void multiply_tile(const DenseTile& tile, const Input<Int8>* x, std::int32_t* const* sums) const {
    constexpr std::size_t most = most_pairs / batch;
    using Call = void (*)(const std::uint8_t*, std::size_t, std::size_t, const Input<Int8>*, const std::int8_t*,
                          std::int32_t (*)[most_pairs * pair_rows]);
    static constexpr auto calls = []<std::size_t... k>(std::index_sequence<k...>) {
      return std::array<Call, most>{multiply_pairs<packed, batch, k + 1>...};
    }(std::make_index_sequence<most>());
    for (std::size_t pair = 0; pair < tile.pairs; pair += most) {
      alignas(64) std::int32_t lanes[batch][most_pairs * pair_rows];
      const std::size_t pairs = std::min(most, tile.pairs - pair);
      calls[pairs - 1](data_.data() + tile.at + pair * pair_bytes, step_bytes(tile), steps_, x, weights_.data(), lanes);
      const std::size_t first = tile.first_row + pair * pair_rows;
      const std::size_t end = std::min(first + pairs * pair_rows, tile.first_row + tile.rows);
      for (std::size_t i = 0; i < batch; ++i)
        for (std::size_t row = first; row < end; ++row)  // activations are counted from x.zero
          sums[i][row] = lanes[i][row - first] - x[i].zero * weight_sums_[row];
    }
  }

  std::size_t steps_;
  std::vector<std::int8_t> weights_;  // by code
  std::vector<std::int32_t> weight_sums_;  // by row
  std::vector<DenseTile> tiles_;
  Aligned<std::uint8_t> data_;
};

}  // namespace

KernelPtr<Int8> make_dense_avx512(const Rows& rows, const Codebook& codebook) {
  if (rows.code_bits <= 4) return std::make_unique<DenseAvx512<true>>(rows, codebook);
  return std::make_unique<DenseAvx512<false>>(rows, codebook);
}

}  // namespace eie::kernels
