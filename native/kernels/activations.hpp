// Activations between layers: from the caller's floats, or from the sums of the layer before, to what a kernel reads.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

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

// Half to even, saturated: the contract's rounding of inputs.
inline void to_fixed(const float* reals, std::size_t count, int fraction, int bits, std::int16_t* values) {
  const double scale = std::ldexp(1.0, fraction), limit = std::ldexp(1.0, bits - 1);
  constexpr double shift = 0x1.8p52;  // adding it rounds to an integer, half to even
  for (std::size_t i = 0; i < count; ++i) {
    const double scaled = std::clamp(reals[i] * scale, -limit, limit - 1);
    values[i] = static_cast<std::int16_t>(scaled + shift - shift);
  }
}

// A layer's sums as real numbers, bias and ReLU applied.
template <class A>
void real_outputs(const LayerSettings& layer, double unit, const typename A::Sum* sums, std::size_t count, float* y) {
  const float scale = static_cast<float>(unit);
  if (layer.bias.empty())
    for (std::size_t r = 0; r < count; ++r) y[r] = sums[r] * scale;
  else
    for (std::size_t r = 0; r < count; ++r) y[r] = sums[r] * scale + layer.bias[r];
  if (layer.relu)
    for (std::size_t r = 0; r < count; ++r) y[r] = y[r] > 0 ? y[r] : 0;
}

// One output of the chip, in the outputs' format; `overflows` counts sums that do not fit the accumulator.
inline std::int64_t chip_output(const LayerSettings& layer, const std::int64_t* sums, std::size_t row,
                                std::uint64_t& overflows) {
  std::int64_t sum = sums[row];
  if (!layer.chip_bias.empty()) sum += layer.chip_bias[row];
  const std::int64_t wrapped = wrap(sum, layer.accumulator_bits);
  overflows += wrapped != sum;
  const std::int64_t y = saturate(wrapped, layer.value_bits);
  return layer.relu ? std::max<std::int64_t>(y, 0) : y;
}

// The largest magnitude; infinity or NaN if any value is. As the bits of floats, which are in the order of their magnitudes:
// compilers make vector code of the largest integer, not of the largest float.
inline float largest_magnitude(const float* reals, std::size_t count) {
  std::int32_t largest = 0;
  for (std::size_t i = 0; i < count; ++i)
    largest = std::max(largest, std::bit_cast<std::int32_t>(reals[i]) & 0x7fffffff);
  return std::bit_cast<float>(largest);
}

// Rounds `count` reals to 14 bits and a sign, the largest magnitude being the largest integer; returns the unit.
inline double quantise(const float* reals, std::size_t count, std::int16_t* values) {
  const float largest = largest_magnitude(reals, count);
  if (largest == 0) {
    std::fill(values, values + count, std::int16_t{0});
    return 1;
  }
  // Next to nothing, such as denormal numbers, is lifted first: its scale would not be a float.
  const float lift = largest < 1e-30f ? 0x1p96f : 1.0f, scale = Int16::largest_activation / (largest * lift);
  constexpr float shift = 0x1.8p23f;  // adding it rounds to an integer, which then is the low bits
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<std::int16_t>(std::bit_cast<std::int32_t>(reals[i] * lift * scale + shift) & 0xffff);
  return static_cast<double>(largest) / Int16::largest_activation;
}

}  // namespace eie::kernels
