#include "kernels/activations.hpp"

#include <bit>
#include <cmath>

// The loops over whole vectors are compiled for several instruction sets; the loader takes the best that the processor
// has.
#if defined(__x86_64__) && defined(__linux__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define EIE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EIE_CLONES
#endif

namespace eie::kernels {
namespace {

EIE_CLONES void scale_outputs(const float* sums, float scale, const float* bias, std::size_t count, float* y) {
  if (bias)
    for (std::size_t r = 0; r < count; ++r) y[r] = sums[r] * scale + bias[r];
  else
    for (std::size_t r = 0; r < count; ++r) y[r] = sums[r] * scale;
}

EIE_CLONES void rectify(float* y, std::size_t count) {
  for (std::size_t r = 0; r < count; ++r) y[r] = y[r] > 0 ? y[r] : 0;
}

EIE_CLONES void round_scaled(const float* reals, std::size_t count, float lift, float scale, std::int16_t* values) {
  constexpr float shift = 0x1.8p23f;  // adding it rounds to an integer, which then is the low bits
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<std::int16_t>(std::bit_cast<std::int32_t>(reals[i] * lift * scale + shift) & 0xffff);
}

// As the bits of floats, which are in the order of their magnitudes: compilers make vector code of the largest integer,
// not of the largest float.
EIE_CLONES std::int32_t largest_bits(const float* reals, std::size_t count) {
  std::int32_t largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t magnitude = std::bit_cast<std::int32_t>(reals[i]) & 0x7fffffff;
    largest = largest > magnitude ? largest : magnitude;
  }
  return largest;
}

EIE_CLONES void round_saturated(const float* reals, std::size_t count, double scale, double limit,
                                std::int16_t* values) {
  constexpr double shift = 0x1.8p52;  // adding it rounds to an integer, half to even
  for (std::size_t i = 0; i < count; ++i) {
    double scaled = reals[i] * scale;
    scaled = scaled < -limit ? -limit : scaled;
    scaled = scaled > limit - 1 ? limit - 1 : scaled;
    values[i] = static_cast<std::int16_t>(static_cast<std::int32_t>(scaled + shift - shift));
  }
}

}  // namespace

void to_fixed(const float* reals, std::size_t count, int fraction, int bits, std::int16_t* values) {
  round_saturated(reals, count, std::ldexp(1.0, fraction), std::ldexp(1.0, bits - 1), values);
}

void real_outputs(const LayerSettings& layer, double unit, const float* sums, std::size_t count, float* y) {
  scale_outputs(sums, static_cast<float>(unit), layer.bias.empty() ? nullptr : layer.bias.data(), count, y);
  if (layer.relu) rectify(y, count);
}

float largest_magnitude(const float* reals, std::size_t count) {
  return std::bit_cast<float>(largest_bits(reals, count));
}

double quantise(const float* reals, std::size_t count, std::int16_t* values) {
  const float largest = largest_magnitude(reals, count);
  if (largest == 0) {
    std::fill(values, values + count, std::int16_t{0});
    return 1;
  }
  // Next to nothing, such as denormal numbers, is lifted first: its scale would not be a float.
  const float lift = largest < 1e-30f ? 0x1p96f : 1.0f;
  round_scaled(reals, count, lift, Int16::largest_activation / (largest * lift), values);
  return static_cast<double>(largest) / Int16::largest_activation;
}

}  // namespace eie::kernels
