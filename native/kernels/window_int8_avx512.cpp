// The sliding window for Int8 with AVX-512 (VBMI, VNNI): four slots per row and step, 64 activations in a register.
#include <immintrin.h>

#include <bit>
#include <utility>

#include "kernels/avx512.hpp"
#include "kernels/byte_slots.hpp"
#include "kernels/window.hpp"

namespace eie::kernels {
namespace {

[[gnu::always_inline]] inline __m512i look_up(__m512i low, __m512i index, __m512i high) {
  asm("vpermi2b %2, %1, %0" : "+v"(index) : "v"(low), "v"(high));  // gcc 12 copies the index before the intrinsic
  return index;
}

struct Narrow : NarrowSlots {
  static constexpr Geometry geometry{64, 4, 128, 0.06};
  static constexpr std::size_t window_vectors = 1;

  [[gnu::always_inline]] static __m512i activations(const __m512i (&window)[1], __m512i slots) {
    return _mm512_permutexvar_epi8(slots, window[0]);
  }
};

// 256 columns and 12 bits a slot, for layers with few weights in 64 columns. Blocks are of two groups: first their codes,
// 4 bits each; then for each group its offsets, a byte each.
template <std::size_t rows>
struct Wide {
  static constexpr Geometry geometry{256, 4, rows, 0.072};
  static constexpr std::size_t groups_of_block = 2, window_vectors = 4;

  static void put(std::uint8_t* block, std::size_t group, std::size_t place, std::uint32_t offset, std::uint32_t code) {
    block[place] = static_cast<std::uint8_t>(block[place] | code << 4 * group);
    block[64 + 64 * group + place] = static_cast<std::uint8_t>(offset);
  }
  [[gnu::always_inline]] static __m512i code(__m512i codes, __m512i, std::size_t group) {
    return _mm512_srli_epi16(codes, static_cast<unsigned>(4 * group));
  }
  // A permute reaches 128 columns; which half of the window is meant, the offset's last bit says.
  [[gnu::always_inline]] static __m512i activations(const __m512i (&window)[4], __m512i slots) {
    const __mmask64 upper = _mm512_movepi8_mask(slots);
    return _mm512_mask_blend_epi8(upper, look_up(window[0], slots, window[1]), look_up(window[2], slots, window[3]));
  }
};

// The tile's groups from `first_group` on, for `batch` inputs, whose sums fit the registers. A slot is decoded once for
// all inputs. Sums go to lanes[input], which is the tile's first lane.
template <class L, bool prefetch, std::size_t batch, std::size_t groups, std::size_t first_group>
void multiply_steps(const std::uint8_t* slots, const std::uint32_t* first, std::size_t steps, const Input<Int8>* x,
                    const std::int8_t* weights, std::int32_t (*lanes)[L::geometry.rows]) {
  static_assert(first_group % L::groups_of_block == 0 && groups % L::groups_of_block == 0);
  const __m512i book = book_of(weights);
  __m512i sum[batch][groups];
#pragma GCC unroll 32
  for (std::size_t k = 0; k < batch * groups; ++k) sum[k / groups][k % groups] = _mm512_setzero_si512();
  slots += first_group / L::groups_of_block * L::block_bytes;
  for (std::size_t step = 0; step < steps; ++step, slots += L::step_bytes) {
    __m512i window[batch][L::window_vectors];
#pragma GCC unroll 16
    for (std::size_t k = 0; k < batch * L::window_vectors; ++k)
      window[k / L::window_vectors][k % L::window_vectors] =
          _mm512_loadu_si512(x[k / L::window_vectors].values + first[step] + 64 * (k % L::window_vectors));
#pragma GCC unroll 16
    for (std::size_t k = 0; k < groups; k += L::groups_of_block) {
      const std::uint8_t* block = slots + k / L::groups_of_block * L::block_bytes;
      if constexpr (prefetch) prefetch_block<L>(block);
      const __m512i codes = load_in_order(block);
#pragma GCC unroll 4
      for (std::size_t group = 0; group < L::groups_of_block; ++group) {
        const __m512i slot = load_in_order(block + 64 + 64 * group);
        const __m512i weight = _mm512_permutexvar_epi8(L::code(codes, slot, group), book);
#pragma GCC unroll 4
        for (std::size_t i = 0; i < batch; ++i)
          sum[i][k + group] = dot_fours(sum[i][k + group], L::activations(window[i], slot), weight);
      }
    }
  }
#pragma GCC unroll 32
  for (std::size_t k = 0; k < batch * groups; ++k)
    _mm512_store_si512(lanes[k / groups] + (first_group + k % groups) * group_rows, sum[k / groups][k % groups]);
}

template <class L>
class WindowInt8Avx512 final : public WindowKernel<Int8, L> {
  using WindowKernel<Int8, L>::WindowKernel;

  void multiply(const Input<Int8>* x, std::size_t batch, std::size_t first, std::size_t end,
                std::int32_t* const* sums) const override {
    for (std::size_t part = first; part < end; ++part) {
      this->window_.prefetch(part);
      in_fours(batch, [&](auto inputs, std::size_t i) {
        const Tile& tile = this->window_.tiles[part];
        prefetch_ ? multiply_tile<true, inputs>(tile, x + i, sums + i)
                  : multiply_tile<false, inputs>(tile, x + i, sums + i);
      });
    }
  }

  // As many groups at once as there are registers for their sums; then the tile is gone through again for others.
  template <bool prefetch, std::size_t batch>
  void multiply_tile(const Tile& tile, const Input<Int8>* x, std::int32_t* const* sums) const {
    alignas(64) std::int32_t lanes[batch][L::geometry.rows];
    constexpr std::size_t registers = std::bit_floor(24 - batch * L::window_vectors);
    constexpr std::size_t groups = std::min(L::groups, registers / batch);
    [&]<std::size_t... pass>(std::index_sequence<pass...>) {
      (multiply_steps<L, prefetch, batch, groups, pass * groups>(this->window_.slots.data() + tile.slots,
                                                                 this->window_.first.data() + tile.first_step,
                                                                 tile.steps, x, this->weights_.data(), lanes),
       ...);
    }(std::make_index_sequence<L::groups / groups>());
    for (std::size_t i = 0; i < batch; ++i) this->finish(tile, x[i], lanes[i], sums[i]);
  }

  bool prefetch_ = needs_prefetch();
};

}  // namespace

template <>
KernelPtr<Int8> make_window_avx512<Int8>(const Rows& rows, const Codebook& codebook) {
  return std::make_unique<WindowInt8Avx512<ByteLayout<Narrow>>>(rows, codebook);
}

KernelPtr<Int8> make_wide_window_avx512(const Rows& rows, const Codebook& codebook) {
  if (rows.outputs < 4096) return std::make_unique<WindowInt8Avx512<ByteLayout<Wide<128>>>>(rows, codebook);
  return std::make_unique<WindowInt8Avx512<ByteLayout<Wide<256>>>>(rows, codebook);
}

}  // namespace eie::kernels
