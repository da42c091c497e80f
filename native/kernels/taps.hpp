// Convolutions without windows: each weight times a vector of pixels, read where they lie in the padded image.
//
// A tap is one weight of one output channel: how far from an output's place in the image its input lies, and the weight.
// A tile is some vectors of consecutive places. Its sums stay in registers while the taps of a channel go by. Which
// weights are there is known since loading, so there is nothing to skip at run time, and no window is ever copied out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "kernels/arithmetic.hpp"

namespace eie::kernels {

// The weights of all output channels, one after the other.
template <class Weight>
struct TapRows {
  std::vector<std::size_t> starts{0};  // (rows + 1)
  std::vector<std::uint32_t> offsets;  // (taps), in numbers from an output's place
  std::vector<Weight> weights;  // (taps)

  std::size_t rows() const { return starts.size() - 1; }
};

// A sum as it is handed on: a float for Float32, and for Int16, whose exact sum it rounds; integers for Int8 and Chip.
template <class A>
using TapSum = std::conditional_t<std::is_same_v<A, Float32> || std::is_same_v<A, Int16>, float, std::int32_t>;
template <class A>
using TapWeight = std::conditional_t<std::is_same_v<A, Float32>, float, std::int16_t>;

// What a number of the image is. Int8 has `words` or `bytes`: as bytes a number is `zero` more than it stands for, and
// so is each product's second factor.
enum class Pixels { reals, words, bytes };

// Immutable once built, so any number of threads may use one at a time.
template <class A>
class Taps {
 public:
  virtual ~Taps() = default;

  virtual Pixels pixels() const = 0;
  // Places that are computed together; an image must have as many numbers more than its last place needs.
  virtual std::size_t vector() const = 0;
  virtual std::size_t bytes() const = 0;
  // For each row r of [first, end) and each place p < `places`: sums[r * stride + p] = sum over the row's taps of
  // weight * image[offset + p]. `stride` is a multiple of vector(), and no less than `places`.
  virtual void multiply(const void* image, std::size_t places, std::size_t first, std::size_t end, TapSum<A>* sums,
                        std::size_t stride) const = 0;
};

template <class A>
using TapsPtr = std::unique_ptr<Taps<A>>;
template <class A>
using TapRowsOf = TapRows<TapWeight<A>>;

// A row of Chip may have as many taps: each product is up to 2^15.
constexpr std::size_t most_chip_taps = std::size_t{1} << 15;

template <class A>
TapsPtr<A> make_taps_portable(const TapRowsOf<A>& rows);
template <class A>
TapsPtr<A> make_taps_avx2(const TapRowsOf<A>& rows);
template <class A>
TapsPtr<A> make_taps_avx512(const TapRowsOf<A>& rows);

// The one for the best instruction set there is; its name in `name`.
template <class A>
TapsPtr<A> make_taps(const TapRowsOf<A>& rows, const char*& name);

}  // namespace eie::kernels
