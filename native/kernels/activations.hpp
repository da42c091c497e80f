// Activations between layers: from the caller's floats, or from the sums of the layer before, to what a kernel reads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/network.hpp"

namespace eie::kernels {

// One activation vector. `values` is aligned and followed by `padding` zeros; `unit` is the real value of the integer 1.
template <class A>
struct Activations {
  typename A::Activation* values;
  double unit;
};

inline std::int64_t wrap(std::int64_t value, int bits) {
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  return ((value + half) & ((half << 1) - 1)) - half;
}

inline std::int64_t saturate(std::int64_t value, int bits) {
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  return std::clamp(value, -half, half - 1);
}

// Half to even, saturated: the contract's rounding of inputs.
inline std::int64_t to_fixed(double value, int fraction, int bits) {
  const double limit = std::ldexp(1.0, bits - 1);
  return static_cast<std::int64_t>(std::clamp(std::nearbyint(std::ldexp(value, fraction)), -limit, limit - 1));
}

// Sum of row `row` of a layer as a real number, bias and ReLU applied.
template <class A>
float real_output(const LayerSettings& layer, double unit, const typename A::Sum* sums, std::size_t row) {
  float y = static_cast<float>(sums[row] * unit);
  if (!layer.bias.empty()) y += layer.bias[row];
  return layer.relu ? std::max(y, 0.0f) : y;
}

// The same on the chip: in the outputs' format; `overflows` counts sums that do not fit the accumulator.
inline std::int64_t chip_output(const LayerSettings& layer, const std::int64_t* sums, std::size_t row,
                                std::uint64_t& overflows) {
  std::int64_t sum = sums[row];
  if (!layer.chip_bias.empty()) sum += layer.chip_bias[row];
  const std::int64_t wrapped = wrap(sum, layer.accumulator_bits);
  overflows += wrapped != sum;
  const std::int64_t y = saturate(wrapped, layer.value_bits);
  return layer.relu ? std::max<std::int64_t>(y, 0) : y;
}

inline bool all_finite(const float* x, std::size_t count) {
  // A product with 0 is NaN for NaN and infinity alone, and NaN survives every sum.
  float zero = 0;
  for (std::size_t i = 0; i < count; ++i) zero += x[i] * 0.0f;
  return zero == 0;
}

// Rounds `count` reals to 14 bits and a sign, the largest magnitude being the largest integer; returns the unit.
inline double quantise(const float* reals, std::size_t count, std::int16_t* values) {
  float largest = 0;
  for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(reals[i]));
  const double unit = largest > 0 ? static_cast<double>(largest) / Int16::largest_activation : 1;
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<std::int16_t>(std::nearbyint(reals[i] / unit));
  return unit;
}

}  // namespace eie::kernels
