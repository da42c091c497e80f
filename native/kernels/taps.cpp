// Taps in portable C++, and the choice of an instruction set.
#include "kernels/taps.hpp"

#include "cpu.hpp"
#include "kernels/tap_tiles.hpp"

namespace eie::kernels {
namespace {

// Vectors of so few numbers that compilers keep them in registers.
template <class A>
struct Lanes {
  using Number = TapWeight<A>;
  using Sum = TapSum<A>;
  static constexpr Pixels pixels = std::is_same_v<A, Float32> ? Pixels::reals : Pixels::words;
  static constexpr std::size_t vector = 8, group = std::is_same_v<A, Float32> ? 1 : 2, most = 2;
  using Total = std::conditional_t<std::is_same_v<A, Float32>, float, std::int32_t>;

  template <std::size_t vectors>
  static void tile(const Number* image, TapRuns<group> runs, Sum* sums) {
    constexpr std::size_t places = vectors * vector;
    Total totals[places] = {};
    std::int64_t carried[places] = {};
    do {
      for (const TapGroup<group>& taps : runs)
        for (std::size_t tap = 0; tap < group; ++tap) {
          const Number weight = weight_of(taps, tap);
          const Number* numbers = image + taps.offsets[tap];
          for (std::size_t p = 0; p < places; ++p) totals[p] += product(weight, numbers[p]);
        }
      if constexpr (std::is_same_v<A, Int16>)
        for (std::size_t p = 0; p < places; ++p) carried[p] += std::exchange(totals[p], 0);
    } while (runs.advance());
    for (std::size_t p = 0; p < places; ++p)
      sums[p] = static_cast<Sum>(std::is_same_v<A, Int16> ? carried[p] : totals[p]);
  }

 private:
  static Total product(Number weight, Number number) {
    if constexpr (std::is_same_v<A, Chip>)
      return static_cast<Total>(A::product(weight, number));
    else
      return static_cast<Total>(weight) * number;
  }

  static Number weight_of(const TapGroup<group>& group, std::size_t tap) {
    if constexpr (std::is_same_v<A, Float32>)
      return std::bit_cast<float>(group.weights);
    else
      return static_cast<std::int16_t>(group.weights >> 16 * tap & 0xffff);
  }
};

}  // namespace

template <class A>
TapsPtr<A> make_taps_portable(const TapRowsOf<A>& rows) {
  return std::make_unique<TapTiles<A, Lanes<A>>>(rows);
}

template <class A>
TapsPtr<A> make_taps(const TapRowsOf<A>& rows, const char*& name) {
#if defined(__x86_64__)
  const InstructionSet has = best_instruction_set();
  name = "taps-avx512";
  if (has == InstructionSet::avx512) return make_taps_avx512<A>(rows);
  name = "taps-avx2";
  if (has >= InstructionSet::avx2) return make_taps_avx2<A>(rows);
#endif
  name = "taps";
  return make_taps_portable<A>(rows);
}

template TapsPtr<Float32> make_taps(const TapRowsOf<Float32>&, const char*&);
template TapsPtr<Int16> make_taps(const TapRowsOf<Int16>&, const char*&);
template TapsPtr<Int8> make_taps(const TapRowsOf<Int8>&, const char*&);
template TapsPtr<Chip> make_taps(const TapRowsOf<Chip>&, const char*&);

}  // namespace eie::kernels
