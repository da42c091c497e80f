// The sliding window with AVX-512 (VBMI, VNNI): 64 activations in two registers, two slots of 10 bits per row and step.
//
// A lane of 32 bits is a row. Slots lie in blocks of 128 rows, four pairs of groups A and B of 16 rows, and 320 bytes:
// one vector of the B groups' codes, 4 bits for each pair; then a vector for each pair, with in every 16 bits (one slot
// of A and one of B)
//     bits 0-5 A's offset, 6-9 A's code, 10-15 B's offset
// So an offset is ready as it is for the permute, which ignores the bits above its own, and every other field is one
// shift away.
#include <immintrin.h>

#include <utility>

#include "kernels/avx512.hpp"
#include "kernels/window.hpp"

namespace eie::kernels {
namespace {

struct Layout {
  static constexpr std::size_t blocks = 2;  // of 128 rows: 16 accumulators
  static constexpr std::size_t block_bytes = 320, step_bytes = blocks * block_bytes;
  static constexpr Geometry geometry{64, 2, 128 * blocks, 0.1};

  static void put(std::uint8_t* step, std::size_t lane, int slot, std::uint32_t offset, std::uint32_t code) {
    std::uint8_t* block = step + lane / 128 * block_bytes;
    const std::size_t group = lane % 128 / 16, pair = group / 2, place = lane % 16 * 2 + slot;
    if (group % 2 == 0) {
      merge(block, 32 + pair * 32 + place, offset | code << 6);
    } else {
      merge(block, 32 + pair * 32 + place, offset << 10);
      merge(block, place, code << 4 * pair);
    }
  }

 private:
  static void merge(std::uint8_t* block, std::size_t word, std::uint32_t bits) {
    std::uint16_t value;
    std::memcpy(&value, block + 2 * word, 2);
    value = static_cast<std::uint16_t>(value | bits);
    std::memcpy(block + 2 * word, &value, 2);
  }
};

// As assembly because gcc 12 copies the index before the intrinsic.
[[gnu::always_inline]] inline __m512i look_up(__m512i low, __m512i index, __m512i high) {
  asm("vpermi2w %2, %1, %0" : "+v"(index) : "v"(low), "v"(high));
  return index;
}

// What each arithmetic does with a vector of slots. `Table` is a window of activations. After a run of steps the sums'
// upper bits are carried on (arithmetic.hpp).
template <class A>
struct Lanes;

struct IntegerLanes {
  using Vector = __m512i;
  struct Table {
    __m512i low, high;
  };
  static Table load(const std::int16_t* x) { return {_mm512_loadu_si512(x), _mm512_loadu_si512(x + 32)}; }
  static __m512i zero() { return _mm512_setzero_si512(); }
  static __m512i book(const std::int16_t* weights) {
    return _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights)));
  }
  [[gnu::always_inline]] static void carry(__m512i& sum, std::int32_t* to) {
    __m512i upper = _mm512_load_si512(to);
    kernels::carry(sum, upper);
    _mm512_store_si512(to, upper);
  }
  static void hand_over(__m512i sum, const std::int32_t* upper, std::int64_t* lanes) {
    store_whole(sum, _mm512_load_si512(upper), lanes);
  }
};

template <>
struct Lanes<Int16> : IntegerLanes {
  [[gnu::always_inline]] static __m512i add(__m512i sum, const Table& t, __m512i offset, __m512i code, __m512i book) {
    return dot_pairs(sum, look_up(t.low, offset, t.high), _mm512_permutexvar_epi16(code, book));
  }
};

template <>
struct Lanes<Chip> : IntegerLanes {
  [[gnu::always_inline]] static __m512i add(__m512i sum, const Table& t, __m512i offset, __m512i code, __m512i book) {
    const __m512i products = _mm512_mulhrs_epi16(look_up(t.low, offset, t.high), _mm512_permutexvar_epi16(code, book));
    return dot_pairs(sum, products, _mm512_set1_epi16(1));
  }
};

// Two registers hold 32 floats, so the schedule for floats has windows of 32 columns (FloatLayout). Slots are the same.
template <>
struct Lanes<Float32> {
  using Vector = __m512;
  struct Table {
    __m512 low, high;
  };
  static Table load(const float* x) { return {_mm512_loadu_ps(x), _mm512_loadu_ps(x + 16)}; }
  static __m512 zero() { return _mm512_setzero_ps(); }
  static __m512 book(const float* weights) { return _mm512_loadu_ps(weights); }
  [[gnu::always_inline]] static __m512 add(__m512 sum, const Table& t, __m512i offset, __m512i code, __m512 book) {
    sum = _mm512_fmadd_ps(_mm512_permutex2var_ps(t.low, offset, t.high), _mm512_permutexvar_ps(code, book), sum);
    offset = _mm512_srli_epi32(offset, 16);
    code = _mm512_srli_epi32(code, 16);
    return _mm512_fmadd_ps(_mm512_permutex2var_ps(t.low, offset, t.high), _mm512_permutexvar_ps(code, book), sum);
  }
  static void carry(__m512&, std::int32_t*) {}
  static void hand_over(__m512 sum, const std::int32_t*, float* lanes) { _mm512_store_ps(lanes, sum); }
};

struct FloatLayout : Layout {
  static constexpr Geometry geometry{32, Layout::geometry.slots, Layout::geometry.rows, 0.18};
};

template <class A>
using LayoutOf = std::conditional_t<std::is_same_v<A, Float32>, FloatLayout, Layout>;

// Far enough ahead that DRAM answers in time, and near enough that the line is still in the L1 cache.
constexpr std::size_t prefetch_bytes = 6144;

constexpr std::size_t pairs_of_block = 4, pairs_of_tile = pairs_of_block * Layout::blocks;

// The tile's pairs of groups from `first_pair` on, for `batch` inputs: as many as fill 16 accumulators. A slot is decoded
// once for all inputs. Sums go to lanes[input], which is the tile's first lane.
template <class A, bool prefetch, std::size_t batch, std::size_t first_pair>
void multiply_steps(const std::uint8_t* slots, const std::uint32_t* first, std::size_t steps, const std::uint32_t* run,
                    const Input<A>* x, const typename A::Weight* weights,
                    typename A::Sum (*lanes)[Layout::geometry.rows]) {
  using L = Lanes<A>;
  constexpr std::size_t pairs = pairs_of_tile / batch, groups = 2 * pairs;
  const typename L::Vector book = L::book(weights);
  typename L::Vector sum[batch][groups];
#pragma GCC unroll 32
  for (std::size_t k = 0; k < batch * groups; ++k) sum[k / groups][k % groups] = L::zero();
  alignas(64) std::int32_t carried[batch * groups * 16] = {};
  std::int32_t* upper = carried;
  asm("" : "+r"(upper) : : "memory");  // gcc 12 would take the array apart, and spill and copy the parts
  for (std::size_t step = 0; step < steps;) {
    for (const std::size_t end = *run++; step < end; ++step) {
      typename L::Table table[batch];
#pragma GCC unroll 4
      for (std::size_t i = 0; i < batch; ++i) table[i] = L::load(x[i].values + first[step]);
      __m512i codes;
#pragma GCC unroll 8
      for (std::size_t k = 0; k < pairs; ++k) {
        const std::size_t pair = (first_pair + k) % pairs_of_block;
        const std::uint8_t* block = slots + (first_pair + k) / pairs_of_block * Layout::block_bytes;
        const std::uint8_t* at = block + 64 + 64 * pair;
        if constexpr (prefetch) {
          if (k == 0 || pair == 0) _mm_prefetch(reinterpret_cast<const char*>(block + prefetch_bytes), _MM_HINT_T0);
          _mm_prefetch(reinterpret_cast<const char*>(at + prefetch_bytes), _MM_HINT_T0);
        }
        if (k == 0 || pair == 0) codes = load_in_order(block);
        const __m512i slot = load_in_order(at);
        const __m512i code_a = _mm512_srli_epi16(slot, 6), offset_b = _mm512_srli_epi16(slot, 10);
        const __m512i code_b = _mm512_srli_epi16(codes, 4 * pair);
#pragma GCC unroll 4
        for (std::size_t i = 0; i < batch; ++i) {
          sum[i][2 * k] = L::add(sum[i][2 * k], table[i], slot, code_a, book);
          sum[i][2 * k + 1] = L::add(sum[i][2 * k + 1], table[i], offset_b, code_b, book);
        }
      }
      slots += Layout::step_bytes;
    }
#pragma GCC unroll 32
    for (std::size_t k = 0; k < batch * groups; ++k) L::carry(sum[k / groups][k % groups], upper + 16 * k);
  }
#pragma GCC unroll 32
  for (std::size_t k = 0; k < batch * groups; ++k)
    L::hand_over(sum[k / groups][k % groups], upper + 16 * k, lanes[k / groups] + (2 * first_pair + k % groups) * 16);
}

template <class A>
class WindowAvx512 final : public WindowKernel<A, LayoutOf<A>> {
  using WindowKernel<A, LayoutOf<A>>::WindowKernel;
  using Sum = typename A::Sum;

  void multiply(const Input<A>* x, std::size_t batch, std::size_t first, std::size_t end,
                Sum* const* sums) const override {
    for (std::size_t part = first; part < end; ++part) {
      this->window_.prefetch(part);
      in_fours(batch, [&](auto inputs, std::size_t i) {
        const Tile& tile = this->window_.tiles[part];
        prefetch_ ? multiply_tile<true, inputs>(tile, x + i, sums + i)
                  : multiply_tile<false, inputs>(tile, x + i, sums + i);
      });
    }
  }

  // Inputs share the 16 accumulators, so the tile is gone through as often as there are inputs, a part of its rows each
  // time; from the second time on it is in the cache.
  template <bool prefetch, std::size_t batch>
  void multiply_tile(const Tile& tile, const Input<A>* x, Sum* const* sums) const {
    alignas(64) Sum lanes[batch][Layout::geometry.rows];
    const auto& window = this->window_;
    [&]<std::size_t... pass>(std::index_sequence<pass...>) {
      (multiply_steps<A, prefetch, batch, pass * pairs_of_tile / batch>(
           window.slots.data() + tile.slots, window.first.data() + tile.first_step, tile.steps,
           window.runs.data() + tile.first_run, x, this->weights_.data(), lanes),
       ...);
    }(std::make_index_sequence<batch>());
    for (std::size_t i = 0; i < batch; ++i) this->finish(tile, x[i], lanes[i], sums[i]);
  }

  bool prefetch_ = needs_prefetch();
};

}  // namespace

template <class A>
KernelPtr<A> make_window_avx512(const Rows& rows, const Codebook& codebook) {
  return std::make_unique<WindowAvx512<A>>(rows, codebook);
}

template KernelPtr<Float32> make_window_avx512(const Rows&, const Codebook&);
template KernelPtr<Int16> make_window_avx512(const Rows&, const Codebook&);
template KernelPtr<Chip> make_window_avx512(const Rows&, const Codebook&);

}  // namespace eie::kernels
