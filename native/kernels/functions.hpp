// Functions of one number that compilers make vector code of, and what runs over a row of numbers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace eie::kernels {

// e^x within two units of the last place; what is below the least normal number is next to nothing.
[[gnu::always_inline]] inline float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  constexpr float rounding = 0x1.8p23f;
  const float shifted = x * 1.44269504f + rounding, n = shifted - rounding;
  const float r = x - n * 0.693359375f + n * 2.12194440e-4f;  // ln 2 in two parts
  float p = 1.9875691500e-4f;
  for (float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    p = p * r + c;
  const float mantissa = p * r * r + r + 1;
  const std::int32_t exponent = std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(rounding);
  return mantissa * std::bit_cast<float>((exponent + 127) << 23);
}

[[gnu::always_inline]] inline float sigmoid(float x) { return x < -87.0f ? 0 : 1 / (1 + exponential(-x)); }

[[gnu::always_inline]] inline float hyperbolic_tangent(float x) {
  const float z = x * x;
  float p = -5.70498872745e-3f;
  for (float c : {2.06390887954e-2f, -5.37397155531e-2f, 1.33314422036e-1f, -3.33332819422e-1f}) p = p * z + c;
  const float near = p * z * x + x, magnitude = x < 0 ? -x : x;
  const float far = 1 - 2 / (exponential(2 * magnitude) + 1);
  return magnitude < 0.625f ? near : x < 0 ? -far : far;
}

// erf(x) within two units of the last place.
[[gnu::always_inline]] inline float error_function(float x) {
  const float z = x * x, magnitude = x < 0 ? -x : x, t = magnitude < 4 ? magnitude : 4;
  float p = -5.96761703e-4f, q = -1.72853470e-5f;
  for (float c : {4.99119423e-3f, -2.67681349e-2f, 1.12819925e-1f, -3.76125336e-1f, 1.28379166e-1f}) p = p * z + c;
  for (float c : {3.83197126e-4f, -3.88396438e-3f, 2.42546219e-2f, -1.06777877e-1f, -6.34846687e-1f, -1.28717512e-1f})
    q = q * t + c;
  const float near = p * x + x, far = 1 - exponential(q * t - t);
  return magnitude < 0.927734375f ? near : x < 0 ? -far : far;
}

// Numbers below 0 become 0.
void rectify(const float* x, std::size_t count, float* y);

// e^x over the sum of all e^x, or with `logarithm` its logarithm.
void softmax(const float* x, std::size_t count, bool logarithm, float* y);

// The sum in partial sums, and the largest, of one number or more.
float sum_of(const float* x, std::size_t count);
float largest_of(const float* x, std::size_t count);

}  // namespace eie::kernels
