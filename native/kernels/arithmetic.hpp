// The four arithmetics of the engine: what a weight, an activation and a sum are, and what one product is.
//
// Every kernel is a template over one of these, so each design is written once. `Sum` is what a kernel hands on per
// row.
#pragma once

#include <cstdint>

namespace eie::kernels {

// The layer's own float32 codebook and float32 activations.
struct Float32 {
  using Weight = float;
  using Activation = float;
  using Sum = float;
  static Sum product(Weight w, Activation a) { return w * a; }
};

// 16-bit integers and unrounded products, summed exactly. The scale of the activations is chosen per call, that of the
// weights at load (src/eie/engine/int16.py).
struct Int16 {
  using Weight = std::int16_t;
  using Activation = std::int16_t;
  using Sum = std::int64_t;
  static constexpr int largest_activation = 16383, largest_weight = 8191;
  static Sum product(Weight w, Activation a) { return std::int32_t{w} * a; }
};

// 8-bit integers. An activation is a byte, `zero` more than its integer: `zero` is 0 where no activation of the call is
// negative, and `signed_zero` where one is (see quantise). Sums are exact: whoever makes the weights sees to it that
// they fit (src/eie/engine/int8.py).
struct Int8 {
  using Weight = std::int8_t;
  using Activation = std::uint8_t;
  using Sum = std::int32_t;
  static constexpr int largest_weight = 127;
  static constexpr int largest_activation = 254;  // 255 levels around `signed_zero`, so that x - 127 fits a signed byte
  static constexpr Activation signed_zero = 127;
  static Sum product(Weight w, int a) { return w * a; }
};

// The chip's: each product rounded to 16 bits, sums exact here and wrapped where they are read out (docs/hardware.md,
// A4 and A5). Fewer value bits B are had by shifting the weights up 16 - B bits: the product then is that of B bits, to
// the bit.
struct Chip {
  using Weight = std::int16_t;
  using Activation = std::int16_t;
  using Sum = std::int64_t;
  static Sum product(Weight w, Activation a) { return (std::int32_t{w} * a + (1 << 14)) >> 15; }
};

// Sums of 32 bits that stay exact: before they could overflow, all but the lower 16 bits of them are carried to their upper
// halves, another 32 bits. So nothing is rounded, and a sum is the same in whatever order its products come. What is
// summed from one carry to the next is a run.
constexpr int carried_bits = 16, carried_mask = (1 << carried_bits) - 1;
// |weights| of a run add up to this at most.
template <class A>
constexpr std::int64_t most_in_run = 0x7fffffff - carried_mask;  // a product of Chip is no more than its weight
template <>
inline constexpr std::int64_t most_in_run<Int16> = (0x7fffffff - carried_mask) / Int16::largest_activation;
// So many products of Int16 are a run whatever they are.
constexpr std::size_t products_of_run = 16;
static_assert(products_of_run * Int16::largest_weight <= most_in_run<Int16>);
// For the upper half of a sum of Int16 to fit 32 bits, too, it may have as many products.
constexpr std::size_t most_products =
    (std::size_t{0x7fffffff} << carried_bits) / (std::size_t{Int16::largest_weight} * Int16::largest_activation);

}  // namespace eie::kernels
