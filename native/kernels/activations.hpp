// Activations between layers: from the caller's floats, or from the sums of the layer before, to what a kernel reads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/network.hpp"

namespace eie::kernels {

inline std::int64_t wrap(std::int64_t value, int bits) {
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  return ((value + half) & ((half << 1) - 1)) - half;
}

inline std::int64_t saturate(std::int64_t value, int bits) {
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  return std::clamp(value, -half, half - 1);
}

// `count` reals in Q(fraction) of `bits` bits, half to even, saturated (docs/hardware.md, A2).
void to_fixed(const float* reals, std::size_t count, int fraction, int bits, std::int16_t* values);

// A layer's sums, in units of `unit`, as real numbers, bias and ReLU applied.
template <class Sum>
void real_outputs(const LayerSettings& layer, double unit, const Sum* sums, std::size_t count, float* y);

// What quantising needs to know of some numbers. The largest magnitude is infinity or NaN if any of them is.
struct Range {
  float largest = 0;
  bool negative = false;  // some number is

  bool finite() const { return largest <= std::numeric_limits<float>::max(); }
};
Range range_of(const float* reals, std::size_t count);

// Rounds `count` reals to 14 bits and a sign, the largest magnitude being the largest integer; returns the unit.
double quantise(const float* reals, std::size_t count, const Range& range, std::int16_t* values);

// Rounds `count` reals to integers of up to 254 where none is negative, of up to +-127 otherwise, the largest magnitude
// being the largest; `values` get them plus `zero`. Returns the unit.
double quantise(const float* reals, std::size_t count, const Range& range, std::uint8_t* values, std::uint8_t& zero);

// How many of `count` activations are not `zero`.
std::size_t count_active(const std::uint8_t* values, std::size_t count, std::uint8_t zero);
std::size_t count_active(const std::int16_t* values, std::size_t count, std::int16_t zero);

// Writes which of `count` activations are not `zero` to `columns`, which has room for `count`; returns how many are.
// The first is column `first`.
template <class Activation>
std::size_t list_active(const Activation* values, std::size_t count, Activation zero, std::uint32_t* columns,
                        std::size_t first = 0) {
  std::size_t found = 0;
  for (std::size_t c = 0; c < count; ++c) {
    columns[found] = static_cast<std::uint32_t>(first + c);
    found += values[c] != zero;
  }
  return found;
}
std::size_t list_active(const std::uint8_t* values, std::size_t count, std::uint8_t zero, std::uint32_t* columns);
std::size_t list_active(const std::int16_t* values, std::size_t count, std::int16_t zero, std::uint32_t* columns);

// Sums of an image: `rows` rows of `width` numbers, `pitch` apart, in `room` numbers.
struct Grid {
  std::size_t rows, width, pitch, room;
};

// The real values of (sum - less) * unit + bias, and ReLU; y: (rows, width).
template <class Sum>
void real_rows(const Sum* sums, Sum less, float unit, float bias, bool relu, const Grid& grid, float* y);

// The chip's outputs for row `row` of a layer, one for each of the sums, as real numbers; y: (rows, width). Returns how
// many sums did not fit the accumulator.
std::uint64_t chip_rows(const LayerSettings& layer, std::size_t row, const std::int32_t* sums, const Grid& grid,
                        float* y);

// One output of the chip, in the outputs' format, from a sum with its bias; `overflows` counts sums that do not fit the
// accumulator.
inline std::int64_t chip_value(const LayerSettings& layer, std::int64_t sum, std::uint64_t& overflows) {
  const std::int64_t wrapped = wrap(sum, layer.accumulator_bits);
  overflows += wrapped != sum;
  const std::int64_t y = saturate(wrapped, layer.value_bits);
  return layer.relu ? std::max<std::int64_t>(y, 0) : y;
}

// The same of a row of a layer.
inline std::int64_t chip_output(const LayerSettings& layer, const std::int64_t* sums, std::size_t row,
                                std::uint64_t& overflows) {
  return chip_value(layer, sums[row] + (layer.chip_bias.empty() ? 0 : layer.chip_bias[row]), overflows);
}

}  // namespace eie::kernels
