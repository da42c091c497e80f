#include "kernels/activations.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/clones.hpp"

namespace eie::kernels {
namespace {

EIE_CLONES void scale_outputs(const float* sums, float scale, const float* bias, std::size_t count, float* y) {
  if (bias)
    for (std::size_t r = 0; r < count; ++r) y[r] = sums[r] * scale + bias[r];
  else
    for (std::size_t r = 0; r < count; ++r) y[r] = sums[r] * scale;
}

EIE_CLONES void convert(const std::int32_t* sums, std::size_t count, float* y) {
  for (std::size_t r = 0; r < count; ++r) y[r] = static_cast<float>(sums[r]);
}

EIE_CLONES void convert(const std::int64_t* sums, std::size_t count, float* y) {
  for (std::size_t r = 0; r < count; ++r) y[r] = static_cast<float>(sums[r]);
}

EIE_CLONES void rectify(float* y, std::size_t count) {
  for (std::size_t r = 0; r < count; ++r) y[r] = y[r] > 0 ? y[r] : 0;
}

// Blocks of an image's rows are written, up to a block more than a row has where that is within the image and its room:
// the row that follows overwrites it.
constexpr std::size_t block = 16;

std::size_t numbers_written(const Grid& grid, std::size_t row) {
  const std::size_t blocks = (grid.width + block - 1) / block * block;
  const bool fits = row * grid.width + blocks <= grid.rows * grid.width && row * grid.pitch + blocks <= grid.room;
  return fits ? blocks : grid.width;
}

template <class Sum>
[[gnu::always_inline]] inline void scale_row(const Sum* sums, Sum less, float unit, float bias, float least,
                                             std::size_t count, float* y) {
  const auto one = [&](std::size_t k) {
    const float value = static_cast<float>(sums[k] - less) * unit + bias;
    y[k] = value < least ? least : value;  // what is not a number stays so
  };
  std::size_t k = 0;
  for (; k + block <= count; k += block)
    for (std::size_t j = 0; j < block; ++j) one(k + j);
  for (; k < count; ++k) one(k);
}

EIE_CLONES void scale_rows(const float* sums, float less, float unit, float bias, float least, const Grid& grid,
                           float* y) {
  for (std::size_t row = 0; row < grid.rows; ++row)
    scale_row(sums + row * grid.pitch, less, unit, bias, least, numbers_written(grid, row), y + row * grid.width);
}

EIE_CLONES void scale_rows(const std::int32_t* sums, std::int32_t less, float unit, float bias, float least,
                           const Grid& grid, float* y) {
  for (std::size_t row = 0; row < grid.rows; ++row)
    scale_row(sums + row * grid.pitch, less, unit, bias, least, numbers_written(grid, row), y + row * grid.width);
}

EIE_CLONES std::uint64_t round_rows(const LayerSettings& layer, std::int64_t bias, const std::int32_t* sums,
                                    double unit, const Grid& grid, float* y) {
  std::uint64_t overflows = 0;
  for (std::size_t row = 0; row < grid.rows; ++row)
    for (std::size_t k = 0; k < grid.width; ++k) {
      const auto value = static_cast<std::int32_t>(chip_value(layer, sums[row * grid.pitch + k] + bias, overflows));
      y[row * grid.width + k] = static_cast<float>(value * unit);
    }
  return overflows;
}

// Adding this to a float rounds it to an integer, half to even, which then is the low bits.
constexpr float rounding = 0x1.8p23f;

EIE_CLONES void round_scaled(const float* reals, std::size_t count, float lift, float scale, std::int16_t* values) {
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<std::int16_t>(std::bit_cast<std::int32_t>(reals[i] * lift * scale + rounding) & 0xffff);
}

EIE_CLONES void round_scaled(const float* reals, std::size_t count, float lift, float scale, std::uint8_t zero,
                             std::uint8_t* values) {
  for (std::size_t i = 0; i < count; ++i)
    values[i] =
        static_cast<std::uint8_t>((std::bit_cast<std::int32_t>(reals[i] * lift * scale + rounding) + zero) & 255);
}

// The sum of a block of whole vectors is one that a byte can hold.
template <class T>
[[gnu::always_inline]] inline std::size_t count_unequal(const T* values, std::size_t count, T from) {
  constexpr std::size_t block = 192;
  std::size_t found = 0, c = 0;
  for (; c + block <= count; c += block) {
    std::make_unsigned_t<T> some = 0;
    for (std::size_t k = 0; k < block; ++k) some += values[c + k] != from;
    found += some;
  }
  for (; c < count; ++c) found += values[c] != from;
  return found;
}

EIE_CLONES std::size_t count_different(const std::uint8_t* values, std::size_t count, std::uint8_t from) {
  return count_unequal(values, count, from);
}

EIE_CLONES std::size_t count_different(const std::int16_t* values, std::size_t count, std::int16_t from) {
  return count_unequal(values, count, from);
}

// Activations that are zero come in longer runs than 8 bytes where few are active.
template <class T>
std::size_t list_by_eight_bytes(const T* values, std::size_t count, T zero, std::uint32_t* columns) {
  constexpr std::size_t block = 8 / sizeof(T);
  T zeros[block];
  std::fill_n(zeros, block, zero);
  std::size_t found = 0, c = 0;
  for (; c + block <= count; c += block)
    if (std::memcmp(values + c, zeros, 8) != 0) found += list_active<T>(values + c, block, zero, columns + found, c);
  return found + list_active<T>(values + c, count - c, zero, columns + found, c);
}

// As the bits of floats, which are in the order of their magnitudes: compilers make vector code of the largest integer,
// not of the largest float.
EIE_CLONES void largest_bits(const float* reals, std::size_t count, std::int32_t& largest, std::int32_t& negative) {
  std::int32_t most = 0, below = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t magnitude = std::bit_cast<std::int32_t>(reals[i]) & 0x7fffffff;
    most = most > magnitude ? most : magnitude;
    below |= reals[i] < 0;
  }
  largest = most;
  negative = below;
}

EIE_CLONES void round_saturated(const float* reals, std::size_t count, double scale, double limit,
                                std::int16_t* values) {
  constexpr double shift = 0x1.8p52;  // adding it rounds to an integer, half to even
  for (std::size_t i = 0; i < count; ++i) {
    double scaled = reals[i] * scale;
    scaled = scaled < -limit ? -limit : scaled;
    scaled = scaled > limit - 1 ? limit - 1 : scaled;
    values[i] = static_cast<std::int16_t>(static_cast<std::int32_t>(scaled + shift - shift));
  }
}

// How reals become integers of up to `most`: times `lift`, times `factor`, rounded. `unit` is what 1 then stands for.
struct Scale {
  float lift = 1, factor = 0;
  double unit = 1;

  Scale(float largest, int most) {
    if (largest == 0) return;
    // Next to nothing, such as denormal numbers, is lifted first: its scale would not be a float.
    if (largest < 1e-30f) lift = 0x1p96f;
    factor = static_cast<float>(most) / (largest * lift);
    unit = static_cast<double>(largest) / most;
  }
};

}  // namespace

void to_fixed(const float* reals, std::size_t count, int fraction, int bits, std::int16_t* values) {
  round_saturated(reals, count, std::ldexp(1.0, fraction), std::ldexp(1.0, bits - 1), values);
}

template <class Sum>
void real_outputs(const LayerSettings& layer, double unit, const Sum* sums, std::size_t count, float* y) {
  const float* reals = y;
  if constexpr (std::is_same_v<Sum, float>)
    reals = sums;
  else
    convert(sums, count, y);
  scale_outputs(reals, static_cast<float>(unit), layer.bias.empty() ? nullptr : layer.bias.data(), count, y);
  if (layer.relu) rectify(y, count);
}

template void real_outputs(const LayerSettings&, double, const float*, std::size_t, float*);
template void real_outputs(const LayerSettings&, double, const std::int32_t*, std::size_t, float*);
template void real_outputs(const LayerSettings&, double, const std::int64_t*, std::size_t, float*);

template <class Sum>
void real_rows(const Sum* sums, Sum less, float unit, float bias, bool relu, const Grid& grid, float* y) {
  scale_rows(sums, less, unit, bias, relu ? 0.0f : -std::numeric_limits<float>::infinity(), grid, y);
}

template void real_rows(const float*, float, float, float, bool, const Grid&, float*);
template void real_rows(const std::int32_t*, std::int32_t, float, float, bool, const Grid&, float*);

std::uint64_t chip_rows(const LayerSettings& layer, std::size_t row, const std::int32_t* sums, const Grid& grid,
                        float* y) {
  return round_rows(layer, layer.chip_bias.empty() ? 0 : layer.chip_bias[row], sums,
                    std::ldexp(1.0, -layer.output_fraction), grid, y);
}

Range range_of(const float* reals, std::size_t count) {
  std::int32_t largest, negative;
  largest_bits(reals, count, largest, negative);
  return {std::bit_cast<float>(largest), negative != 0};
}

std::size_t count_active(const std::uint8_t* values, std::size_t count, std::uint8_t zero) {
  return count_different(values, count, zero);
}

std::size_t count_active(const std::int16_t* values, std::size_t count, std::int16_t zero) {
  return count_different(values, count, zero);
}

std::size_t list_active(const std::uint8_t* values, std::size_t count, std::uint8_t zero, std::uint32_t* columns) {
  return list_by_eight_bytes(values, count, zero, columns);
}

std::size_t list_active(const std::int16_t* values, std::size_t count, std::int16_t zero, std::uint32_t* columns) {
  return list_by_eight_bytes(values, count, zero, columns);
}

double quantise(const float* reals, std::size_t count, const Range& range, std::int16_t* values) {
  const Scale scale(range.largest, Int16::largest_activation);
  round_scaled(reals, count, scale.lift, scale.factor, values);
  return scale.unit;
}

double quantise(const float* reals, std::size_t count, const Range& range, std::uint8_t* values, std::uint8_t& zero) {
  zero = range.negative ? Int8::signed_zero : 0;
  const Scale scale(range.largest, Int8::largest_activation - zero);
  round_scaled(reals, count, scale.lift, scale.factor, zero, values);
  return scale.unit;
}

}  // namespace eie::kernels
