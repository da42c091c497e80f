// The sliding window for Int8 with AVX-512 (VBMI, VNNI): 64 activations in one register, four slots of 10 bits per row
// and step.
//
// A lane of 32 bits is a row, a byte a slot. Slots lie in blocks of 64 rows and 320 bytes: four vectors, one for each
// group of 16 rows, with in every byte
//     bits 0-5 the offset, 6-7 the upper half of the code
// and one vector of the codes' lower halves, 2 bits for each of the four groups. The permutes ignore bits above the
// sixth, so an offset is ready as it is, and a code is ready when its halves stand next to each other.
#include <immintrin.h>

#include <utility>

#include "kernels/window.hpp"

namespace eie::kernels {
namespace {

struct Layout {
  static constexpr std::size_t blocks = 2;  // of 64 rows: a step's window is loaded once for 8 accumulators
  static constexpr std::size_t groups_of_block = 4, lower_halves = 256, block_bytes = 320;
  static constexpr std::size_t groups = blocks * groups_of_block, step_bytes = blocks * block_bytes;
  static constexpr Geometry geometry{64, 4, 64 * blocks, 0.12};

  static void put(std::uint8_t* step, std::size_t lane, int slot, std::uint32_t offset, std::uint32_t code) {
    std::uint8_t* block = step + lane / 64 * block_bytes;
    const std::size_t group = lane % 64 / 16, place = lane % 16 * 4 + slot;
    block[group * 64 + place] = static_cast<std::uint8_t>(offset | code >> 2 << 6);
    block[lower_halves + place] = static_cast<std::uint8_t>(block[lower_halves + place] | (code & 3) << 2 * group);
  }
};

// As assembly because gcc 12 copies the accumulator before the intrinsic.
[[gnu::always_inline]] inline __m512i dot_fours(__m512i sum, __m512i activations, __m512i weights) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(activations), "v"(weights));
  return sum;
}

// Far enough ahead that DRAM answers in time, and near enough that the line is still in the L1 cache.
constexpr std::size_t prefetch_bytes = 4096;

// The tile's groups from `first_group` on, for `batch` inputs: as many as fill 8 accumulators, 16 for more inputs than
// one. A slot is decoded once for all inputs. Sums go to lanes[input], which is the tile's first lane.
template <std::size_t batch, std::size_t groups, std::size_t first_group>
void multiply_steps(const std::uint8_t* slots, const std::uint32_t* first, std::size_t steps, const Input<Int8>* x,
                    const std::int8_t* weights, std::int32_t (*lanes)[Layout::geometry.rows]) {
  const __m512i book = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(weights)));
  const __m512i upper = _mm512_set1_epi8(0x0c);
  __m512i sum[batch][groups];
#pragma GCC unroll 32
  for (std::size_t k = 0; k < batch * groups; ++k) sum[k / groups][k % groups] = _mm512_setzero_si512();
  for (std::size_t step = 0; step < steps; ++step, slots += Layout::step_bytes) {
    __m512i window[batch];
#pragma GCC unroll 4
    for (std::size_t i = 0; i < batch; ++i) window[i] = _mm512_loadu_si512(x[i].values + first[step]);
#pragma GCC unroll 8
    for (std::size_t k = 0; k < groups; ++k) {
      const std::size_t group = (first_group + k) % Layout::groups_of_block;
      const std::uint8_t* block = slots + (first_group + k) / Layout::groups_of_block * Layout::block_bytes;
      const std::uint8_t* at = block + 64 * group;
      _mm_prefetch(reinterpret_cast<const char*>(at + prefetch_bytes), _MM_HINT_T0);
      if (group == 0)
        _mm_prefetch(reinterpret_cast<const char*>(block + Layout::lower_halves + prefetch_bytes), _MM_HINT_T0);
      const __m512i slot = _mm512_load_si512(at), lower = _mm512_load_si512(block + Layout::lower_halves);
      const __m512i code = _mm512_ternarylogic_epi32(upper, _mm512_srli_epi16(slot, 4),
                                                     _mm512_srli_epi16(lower, 2 * group), 0xca);  // upper ? b : c
      const __m512i weight = _mm512_permutexvar_epi8(code, book);
#pragma GCC unroll 4
      for (std::size_t i = 0; i < batch; ++i)
        sum[i][k] = dot_fours(sum[i][k], _mm512_permutexvar_epi8(slot, window[i]), weight);
    }
  }
#pragma GCC unroll 32
  for (std::size_t k = 0; k < batch * groups; ++k)
    _mm512_store_si512(lanes[k / groups] + (first_group + k % groups) * 16, sum[k / groups][k % groups]);
}

class WindowInt8Avx512 final : public WindowKernel<Int8, Layout> {
  using WindowKernel::WindowKernel;

  void multiply(const Input<Int8>* x, std::size_t batch, std::size_t first, std::size_t end,
                std::int32_t* const* sums) const override {
    for (std::size_t part = first; part < end; ++part) {
      window_.prefetch(part);
      in_fours(batch, [&](auto inputs, std::size_t i) { multiply_tile<inputs>(window_.tiles[part], x + i, sums + i); });
    }
  }

  // Four inputs share 16 accumulators, so the tile is gone through twice for them, half of its rows each time.
  template <std::size_t batch>
  void multiply_tile(const Tile& tile, const Input<Int8>* x, std::int32_t* const* sums) const {
    alignas(64) std::int32_t lanes[batch][Layout::geometry.rows];
    constexpr std::size_t passes = batch == 4 ? 2 : 1, groups = Layout::groups / passes;
    [&]<std::size_t... pass>(std::index_sequence<pass...>) {
      (multiply_steps<batch, groups, pass * groups>(window_.slots.data() + tile.slots,
                                                    window_.first.data() + tile.first_step, tile.steps, x,
                                                    weights_.data(), lanes),
       ...);
    }(std::make_index_sequence<passes>());
    for (std::size_t i = 0; i < batch; ++i) finish(tile, x[i], lanes[i], sums[i]);
  }
};

}  // namespace

template <>
KernelPtr<Int8> make_window_avx512<Int8>(const Rows& rows, const Codebook& codebook) {
  return std::make_unique<WindowInt8Avx512>(rows, codebook);
}

}  // namespace eie::kernels
