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

// 16-bit integers and unrounded products; the scale of the activations is chosen per call, that of the weights at load.
struct Int16 {
  using Weight = std::int16_t;
  using Activation = std::int16_t;
  using Sum = float;
  // 14 bits and a sign. Two bits are left to the sums: see Window's choice of the weights' scale.
  static constexpr int largest_activation = 16383;
  static Sum product(Weight w, Activation a) { return static_cast<float>(std::int32_t{w} * a); }
};

// 8-bit integers. An activation is a byte, `zero` more than its integer: `zero` is 0 where no activation of the call is
// negative, and `signed_zero` where one is (see quantise). Sums are exact: whoever makes the weights sees to it that
// they fit (src/eie/engine/int8.py).
struct Int8 {
  using Weight = std::int8_t;
  using Activation = std::uint8_t;
  using Sum = std::int32_t;
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

}  // namespace eie::kernels
