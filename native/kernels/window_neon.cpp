// The sliding window with NEON: 32 activations, two slots of 10 bits per row and step.
//
// NEON looks up bytes (`tbl`), and out of two registers as fast as out of one. So numbers of 2 or 4 bytes lie in as many
// planes, each with one byte of 32 of them; they are looked up plane by plane and put together by interleaving. A step
// is the first slots of all rows, then their second ones (neon_slots.hpp).
#include "kernels/neon_slots.hpp"
#include "kernels/window.hpp"

namespace eie::kernels {
namespace {

// Floats' planes take twice the registers, so there are half as many sums.
template <class A>
struct Layout {
  static constexpr Geometry geometry{32, 2, std::is_same_v<A, Float32> ? 32 : 64,
                                     std::is_same_v<A, Float32> ? 0.7 : 0.35};
  static constexpr std::size_t row_vectors = geometry.rows / NeonSlots::vector_slots;
  static constexpr std::size_t blocks = geometry.rows * geometry.slots / NeonSlots::slots;
  static constexpr std::size_t step_bytes = blocks * NeonSlots::bytes;

  static void put(std::uint8_t* step, std::size_t lane, int slot, std::uint32_t offset, std::uint32_t code) {
    NeonSlots::put(step, slot * geometry.rows + lane, offset, code);
  }
};

// Sixteen numbers by byte.
uint8x16x2_t by_byte(const std::int16_t* x) { return vld2q_u8(reinterpret_cast<const std::uint8_t*>(x)); }
uint8x16x4_t by_byte(const float* x) { return vld4q_u8(reinterpret_cast<const std::uint8_t*>(x)); }

// Sixteen numbers in a row, from their bytes.
template <class Number>
struct Sixteen;

template <>
struct Sixteen<std::int16_t> {
  int16x8_t eight[2];
  explicit Sixteen(const uint8x16_t (&byte)[2])
      : eight{vreinterpretq_s16_u8(vzip1q_u8(byte[0], byte[1])), vreinterpretq_s16_u8(vzip2q_u8(byte[0], byte[1]))} {}
};

template <>
struct Sixteen<float> {
  float32x4_t four[4];
  explicit Sixteen(const uint8x16_t (&byte)[4]) {
    const auto fours = [](uint8x16_t low, uint8x16_t high, float32x4_t* to) {
      const uint16x8_t a = vreinterpretq_u16_u8(low), b = vreinterpretq_u16_u8(high);
      to[0] = vreinterpretq_f32_u16(vzip1q_u16(a, b));
      to[1] = vreinterpretq_f32_u16(vzip2q_u16(a, b));
    };
    fours(vzip1q_u8(byte[0], byte[1]), vzip1q_u8(byte[2], byte[3]), four);
    fours(vzip2q_u8(byte[0], byte[1]), vzip2q_u8(byte[2], byte[3]), four + 2);
  }
};

// The codebook's 16 numbers, or the window's 32.
template <class Number>
struct Book {
  decltype(by_byte(static_cast<const Number*>(nullptr))) plane;

  explicit Book(const Number* numbers) : plane(by_byte(numbers)) {}

  [[gnu::always_inline]] Sixteen<Number> operator()(uint8x16_t index) const {
    uint8x16_t byte[sizeof(Number)];
#pragma GCC unroll 4
    for (std::size_t k = 0; k < sizeof(Number); ++k) byte[k] = vqtbl1q_u8(plane.val[k], index);
    return Sixteen<Number>(byte);
  }
};

template <class Number>
struct Table {
  uint8x16x2_t plane[sizeof(Number)];

  explicit Table(const Number* numbers) {
    const auto low = by_byte(numbers), high = by_byte(numbers + 16);
#pragma GCC unroll 4
    for (std::size_t k = 0; k < sizeof(Number); ++k) plane[k] = {low.val[k], high.val[k]};
  }

  [[gnu::always_inline]] Sixteen<Number> operator()(uint8x16_t index) const {
    uint8x16_t byte[sizeof(Number)];
#pragma GCC unroll 4
    for (std::size_t k = 0; k < sizeof(Number); ++k) byte[k] = vqtbl2q_u8(plane[k], index);
    return Sixteen<Number>(byte);
  }
};

// What each arithmetic does with sixteen products: they are one each for four fours of rows. After a run of
// steps the sums' upper bits are carried on (arithmetic.hpp).
template <class A>
struct Lanes;

struct IntegerLanes {
  using Sum = int32x4_t;
  static Sum zero() { return vdupq_n_s32(0); }
  [[gnu::always_inline]] static void carry(Sum& sum, std::int32_t* upper) {
    vst1q_s32(upper, vsraq_n_s32(vld1q_s32(upper), sum, carried_bits));
    sum = vandq_s32(sum, vdupq_n_s32(carried_mask));
  }
  static void hand_over(Sum sum, const std::int32_t* upper, std::int64_t* lanes) {
    const int32x4_t high = vld1q_s32(upper);
    vst1q_s64(lanes, vaddw_s32(vshll_n_s32(vget_low_s32(high), carried_bits), vget_low_s32(sum)));
    vst1q_s64(lanes + 2, vaddw_high_s32(vshll_high_n_s32(high, carried_bits), sum));
  }
};

template <>
struct Lanes<Int16> : IntegerLanes {
  [[gnu::always_inline]] static void add(const Sixteen<std::int16_t>& x, const Sixteen<std::int16_t>& w, Sum* sum) {
#pragma GCC unroll 2
    for (std::size_t k = 0; k < 2; ++k) {
      sum[2 * k] = vmlal_s16(sum[2 * k], vget_low_s16(x.eight[k]), vget_low_s16(w.eight[k]));
      sum[2 * k + 1] = vmlal_high_s16(sum[2 * k + 1], x.eight[k], w.eight[k]);
    }
  }
};

template <>
struct Lanes<Chip> : IntegerLanes {
  [[gnu::always_inline]] static void add(const Sixteen<std::int16_t>& x, const Sixteen<std::int16_t>& w, Sum* sum) {
#pragma GCC unroll 2
    for (std::size_t k = 0; k < 2; ++k) {
      const int16x8_t products = vqrdmulhq_s16(x.eight[k], w.eight[k]);  // (x * w + 2^14) >> 15
      sum[2 * k] = vaddw_s16(sum[2 * k], vget_low_s16(products));
      sum[2 * k + 1] = vaddw_high_s16(sum[2 * k + 1], products);
    }
  }
};

template <>
struct Lanes<Float32> {
  using Sum = float32x4_t;
  static Sum zero() { return vdupq_n_f32(0); }
  [[gnu::always_inline]] static void add(const Sixteen<float>& x, const Sixteen<float>& w, Sum* sum) {
#pragma GCC unroll 4
    for (std::size_t k = 0; k < 4; ++k) sum[k] = vfmaq_f32(sum[k], x.four[k], w.four[k]);
  }
  static void carry(Sum&, std::int32_t*) {}
  static void hand_over(Sum sum, const std::int32_t*, float* lanes) { vst1q_f32(lanes, sum); }
};

template <class A>
void multiply_steps(const std::uint8_t* slots, const std::uint32_t* first, std::size_t steps, const std::uint32_t* run,
                    const typename A::Activation* x, const typename A::Weight* weights, typename A::Sum* lanes) {
  using L = Lanes<A>;
  constexpr std::size_t sums = Layout<A>::geometry.rows / 4;
  const Book book(weights);
  typename L::Sum sum[sums];
#pragma GCC unroll 16
  for (std::size_t k = 0; k < sums; ++k) sum[k] = L::zero();
  std::int32_t upper[4 * sums] = {};
  for (std::size_t step = 0; step < steps;) {
    for (const std::size_t end = *run++; step < end; ++step) {
      const Table window(x + first[step]);
#pragma GCC unroll 2
      for (std::size_t block = 0; block < Layout<A>::blocks; ++block, slots += NeonSlots::bytes) {
        const uint8x16_t upper = vld1q_u8(slots + NeonSlots::upper_halves);
#pragma GCC unroll 4
        for (std::size_t v = 0; v < NeonSlots::vectors; ++v) {
          const std::size_t rows = (block * NeonSlots::vectors + v) % Layout<A>::row_vectors;
          const uint8x16_t slot = vld1q_u8(slots + v * NeonSlots::vector_slots);
          L::add(window(NeonSlots::offsets(slot)), book(NeonSlots::codes(upper, slot, v)), sum + 4 * rows);
        }
      }
    }
#pragma GCC unroll 16
    for (std::size_t k = 0; k < sums; ++k) L::carry(sum[k], upper + 4 * k);
  }
#pragma GCC unroll 16
  for (std::size_t k = 0; k < sums; ++k) L::hand_over(sum[k], upper + 4 * k, lanes + 4 * k);
}

}  // namespace

template <class A>
KernelPtr<A> make_window_neon(const Rows& rows, const Codebook& codebook) {
  return std::make_unique<WindowOneByOne<A, Layout<A>, multiply_steps<A>>>(rows, codebook);
}

template KernelPtr<Float32> make_window_neon(const Rows&, const Codebook&);
template KernelPtr<Int16> make_window_neon(const Rows&, const Codebook&);
template KernelPtr<Chip> make_window_neon(const Rows&, const Codebook&);

}  // namespace eie::kernels
