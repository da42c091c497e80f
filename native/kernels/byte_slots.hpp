// Slots of four a row and step, as AVX-512's byte permutes take them.
//
// A lane of 32 bits is a row, a byte of it a slot. A step's slots lie in blocks of some groups of 16 rows: a vector of
// codes, or parts of them, for all groups, then a vector for each group. They lie, and are read, in the order of their
// addresses, without which the processor does not see in time what it will have to fetch from memory.
#pragma once

#include <immintrin.h>

#include "kernels/schedule.hpp"

namespace eie::kernels {

constexpr std::size_t group_rows = 16;

// The permutes ignore the bits of a byte above those of their index, so an offset is ready as it is.

// 64 columns and 10 bits a slot. Blocks are of four groups: first the codes' lower halves, 2 bits for each group; then
// for each group, in every byte,
//     bits 0-5 the offset, 6-7 the upper half of the code
struct NarrowSlots {
  static constexpr std::size_t groups_of_block = 4;

  static void put(std::uint8_t* block, std::size_t group, std::size_t place, std::uint32_t offset, std::uint32_t code) {
    block[place] = static_cast<std::uint8_t>(block[place] | (code & 3) << 2 * group);
    block[64 + 64 * group + place] = static_cast<std::uint8_t>(offset | code >> 2 << 6);
  }
  // A code is ready when its halves stand next to each other.
  [[gnu::always_inline]] static __m512i code(__m512i codes, __m512i slots, std::size_t group) {
    return _mm512_ternarylogic_epi32(_mm512_set1_epi8(0x0c), _mm512_srli_epi16(slots, 4),
                                     _mm512_srli_epi16(codes, static_cast<unsigned>(2 * group)), 0xca);
  }
};

// What `Window` asks of a layout.
template <class L>
struct ByteLayout : L {
  static constexpr std::size_t groups = L::geometry.rows / group_rows;
  static constexpr std::size_t block_bytes = 64 * (1 + L::groups_of_block);
  static constexpr std::size_t step_bytes = groups / L::groups_of_block * block_bytes;

  static void put(std::uint8_t* step, std::size_t lane, int slot, std::uint32_t offset, std::uint32_t code) {
    const std::size_t group = lane / group_rows, place = lane % group_rows * 4 + static_cast<std::size_t>(slot);
    L::put(step + group / L::groups_of_block * block_bytes, group % L::groups_of_block, place, offset, code);
  }
};

// Far enough ahead that DRAM answers in time, and near enough that the line is still in the L1 cache.
constexpr std::size_t slot_prefetch_bytes = 4096;

template <class L>
[[gnu::always_inline]] inline void prefetch_block(const std::uint8_t* block) {
#pragma GCC unroll 8
  for (std::size_t at = 0; at < L::block_bytes; at += 64)
    _mm_prefetch(reinterpret_cast<const char*>(block + at + slot_prefetch_bytes), _MM_HINT_T0);
}

}  // namespace eie::kernels
