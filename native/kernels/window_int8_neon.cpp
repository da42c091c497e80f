// The sliding window for Int8 with NEON and its dot product: 64 activations in four registers, four slots of 10 bits per
// row and step.
//
// A lane of 32 bits is a row, a byte a slot (neon_slots.hpp): `tbl` over four registers looks up 16 activations, over
// one 16 weights, and `sdot` adds four products a row. It takes signed bytes, so activations are taken as x - 127, and
// what 127 times the row's weights takes away is added at the end.
#include "kernels/neon_slots.hpp"
#include "kernels/window.hpp"

namespace eie::kernels {
namespace {

struct Layout {
  static constexpr Geometry geometry{64, 4, 64, 0.16};
  static constexpr std::size_t blocks = geometry.rows * geometry.slots / NeonSlots::slots;
  static constexpr std::size_t step_bytes = blocks * NeonSlots::bytes;

  static void put(std::uint8_t* step, std::size_t lane, int slot, std::uint32_t offset, std::uint32_t code) {
    NeonSlots::put(step, lane * geometry.slots + slot, offset, code);
  }
};

void multiply_steps(const std::uint8_t* slots, const std::uint32_t* first, std::size_t steps, const std::uint32_t*,
                    const std::uint8_t* x, const std::int8_t* weights, std::int32_t* lanes) {
  constexpr std::size_t sums = Layout::geometry.rows / 4;
  const int8x16_t book = vld1q_s8(weights);
  int32x4_t sum[sums];
#pragma GCC unroll 16
  for (std::size_t k = 0; k < sums; ++k) sum[k] = vdupq_n_s32(0);
  for (std::size_t step = 0; step < steps; ++step) {
    int8x16x4_t window;
#pragma GCC unroll 4
    for (std::size_t k = 0; k < 4; ++k)
      window.val[k] = vreinterpretq_s8_u8(vsubq_u8(vld1q_u8(x + first[step] + 16 * k), vdupq_n_u8(Int8::signed_zero)));
#pragma GCC unroll 4
    for (std::size_t block = 0; block < Layout::blocks; ++block, slots += NeonSlots::bytes) {
      const uint8x16_t upper = vld1q_u8(slots + NeonSlots::upper_halves);
      uint8x16_t slot[NeonSlots::vectors];
      int8x16_t weight[NeonSlots::vectors], activation[NeonSlots::vectors];
#pragma GCC unroll 4
      for (std::size_t v = 0; v < NeonSlots::vectors; ++v) slot[v] = vld1q_u8(slots + v * NeonSlots::vector_slots);
#pragma GCC unroll 4
      for (std::size_t v = 0; v < NeonSlots::vectors; ++v)
        weight[v] = vqtbl1q_s8(book, NeonSlots::codes(upper, slot[v], v));
#pragma GCC unroll 4
      for (std::size_t v = 0; v < NeonSlots::vectors; ++v)
        activation[v] = vqtbl4q_s8(window, NeonSlots::offsets(slot[v]));
#pragma GCC unroll 4
      for (std::size_t v = 0; v < NeonSlots::vectors; ++v) {
        int32x4_t& to = sum[block * NeonSlots::vectors + v];
        to = vdotq_s32(to, activation[v], weight[v]);
      }
    }
  }
#pragma GCC unroll 16
  for (std::size_t k = 0; k < sums; ++k) vst1q_s32(lanes + 4 * k, sum[k]);
}

}  // namespace

template <>
KernelPtr<Int8> make_window_neon<Int8>(const Rows& rows, const Codebook& codebook) {
  return std::make_unique<WindowOneByOne<Int8, Layout, multiply_steps, Int8::signed_zero>>(rows, codebook);
}

}  // namespace eie::kernels
