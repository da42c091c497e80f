// Slots of 10 bits as NEON reads them: blocks of 64 slots and 80 bytes, four vectors of a byte per slot with
//     bits 0-5 the offset, 6-7 the lower half of the code
// and one vector of the codes' upper halves, 2 bits for each of the four vectors.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace eie::kernels {

struct NeonSlots {
  static constexpr std::size_t vector_slots = 16, vectors = 4, slots = vectors * vector_slots;
  static constexpr std::size_t upper_halves = slots, bytes = slots + vector_slots;

  static void put(std::uint8_t* step, std::size_t slot, std::uint32_t offset, std::uint32_t code) {
    std::uint8_t* block = step + slot / slots * bytes;
    const std::size_t vector = slot % slots / vector_slots, place = slot % vector_slots;
    block[vector * vector_slots + place] = static_cast<std::uint8_t>(offset | (code & 3) << 6);
    std::uint8_t& upper = block[upper_halves + place];
    upper = static_cast<std::uint8_t>(upper | code >> 2 << 2 * vector);
  }

  static uint8x16_t offsets(uint8x16_t slot) { return vandq_u8(slot, vdupq_n_u8(63)); }

  // The codes of a block's vector, of which `slot` is the bytes. `upper` is that of the block.
  [[gnu::always_inline]] static inline uint8x16_t codes(uint8x16_t upper, uint8x16_t slot, std::size_t vector) {
    const uint8x16_t shifted = vector == 0   ? vshlq_n_u8(upper, 2)
                               : vector == 1 ? upper
                               : vector == 2 ? vshrq_n_u8(upper, 2)
                                             : vshrq_n_u8(upper, 4);
    // The lower half goes below the upper one in a single shift and insert.
    return vsriq_n_u8(vandq_u8(shifted, vdupq_n_u8(0x0c)), slot, 6);
  }
};

}  // namespace eie::kernels
