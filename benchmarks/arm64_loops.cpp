// The loops that arm64.py sets beside the window's: its stragglers, and dense products of eight rows at a time.
#include <arm_neon.h>

#include "kernels/window.hpp"

using namespace eie::kernels;

struct AnyLayout {
  static constexpr Geometry geometry{64, 4, 64, 1};
  static constexpr std::size_t step_bytes = 64;
  static void put(std::uint8_t*, std::size_t, int, std::uint32_t, std::uint32_t) {}
};

void stragglers(const Window<AnyLayout>& window, const Tile& tile, const std::uint8_t* x, const std::int8_t* weights,
                std::int32_t* lanes) {
  window.add_stragglers<Int8>(tile, x, weights, lanes, Int8::signed_zero);
}

constexpr std::size_t rows = 8;

// One vector of activations, eight of weights.
void dense_int8(const std::int8_t* weights, std::size_t stride, const std::int8_t* x, std::size_t columns,
                std::int32_t* sums) {
  int32x4_t sum[rows] = {};
  for (std::size_t c = 0; c < columns; c += 16) {
    const int8x16_t activations = vld1q_s8(x + c);
    int8x16_t weight[rows];
#pragma GCC unroll 8
    for (std::size_t r = 0; r < rows; ++r) weight[r] = vld1q_s8(weights + r * stride + c);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < rows; ++r) sum[r] = vdotq_s32(sum[r], weight[r], activations);
  }
  for (std::size_t r = 0; r < rows; ++r) sums[r] = vaddvq_s32(sum[r]);
}

void dense_float32(const float* weights, std::size_t stride, const float* x, std::size_t columns, float* sums) {
  float32x4_t sum[rows] = {};
  for (std::size_t c = 0; c < columns; c += 4) {
    const float32x4_t activations = vld1q_f32(x + c);
    float32x4_t weight[rows];
#pragma GCC unroll 8
    for (std::size_t r = 0; r < rows; ++r) weight[r] = vld1q_f32(weights + r * stride + c);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < rows; ++r) sum[r] = vfmaq_f32(sum[r], weight[r], activations);
  }
  for (std::size_t r = 0; r < rows; ++r) sums[r] = vaddvq_f32(sum[r]);
}
