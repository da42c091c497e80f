// Products of two activations: matrices of both kinds, and attention over the tokens before.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "kernels/clones.hpp"
#include "kernels/functions.hpp"
#include "kernels/plan.hpp"

namespace eie::kernels {
namespace {

constexpr std::size_t most_numbers = std::size_t{1} << 24;

constexpr std::size_t lanes = 16;
using Lanes = float __attribute__((vector_size(4 * lanes)));

[[gnu::always_inline]] inline Lanes load(const float* x) {
  Lanes loaded;
  std::memcpy(&loaded, x, sizeof loaded);
  return loaded;
}
[[gnu::always_inline]] inline void store(const Lanes& lanes, float* y) { std::memcpy(y, &lanes, sizeof lanes); }

// `rows` rows times `vectors` vectors of columns, the sums in registers.
template <std::size_t rows, std::size_t vectors>
[[gnu::always_inline]] inline void multiply_tile(const float* a, const float* b, std::size_t inner, std::size_t columns,
                                                 float* y) {
  Lanes sums[rows][vectors] = {};
  for (std::size_t i = 0; i < inner; ++i)
    for (std::size_t v = 0; v < vectors; ++v) {
      const Lanes values = load(b + i * columns + v * lanes);
      for (std::size_t r = 0; r < rows; ++r) sums[r][v] += values * a[r * inner + i];
    }
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t v = 0; v < vectors; ++v) store(sums[r][v], y + r * columns + v * lanes);
}

template <std::size_t rows>
[[gnu::always_inline]] inline void multiply_rows(const float* a, const float* b, std::size_t inner, std::size_t columns,
                                                 float* y) {
  std::size_t c = 0;
  for (; c + 2 * lanes <= columns; c += 2 * lanes) multiply_tile<rows, 2>(a, b + c, inner, columns, y + c);
  for (; c + lanes <= columns; c += lanes) multiply_tile<rows, 1>(a, b + c, inner, columns, y + c);
  if (c == columns) return;
  for (std::size_t r = 0; r < rows; ++r) {
    float* const row = y + r * columns;
    std::fill(row + c, row + columns, 0.0f);
    for (std::size_t i = 0; i < inner; ++i)
      for (std::size_t k = c; k < columns; ++k) row[k] += b[i * columns + k] * a[r * inner + i];
  }
}

// y = a b, (rows, inner) times (inner, columns).
EIE_CLONES void multiply(const float* a, const float* b, std::size_t rows, std::size_t inner, std::size_t columns,
                         float* y) {
  constexpr std::size_t together = 4;
  std::size_t r = 0;
  for (; r + together <= rows; r += together)
    multiply_rows<together>(a + r * inner, b, inner, columns, y + r * columns);
  for (; r < rows; ++r) multiply_rows<1>(a + r * inner, b, inner, columns, y + r * columns);
}

class Matmul final : public Step {
 public:
  Matmul(std::size_t count, std::size_t rows, std::size_t inner, std::size_t columns)
      : count_(count), rows_(rows), inner_(inner), columns_(columns) {
    for (std::size_t side : {count, rows, inner, columns})
      if (side == 0 || side > most_numbers) throw std::invalid_argument("matrices must have sides of 1 to 16777216");
    for (std::size_t size : {count * rows, count * inner})  // each below 2^48
      if (size > most_numbers) throw std::invalid_argument("matrices must have 1 to 16777216 numbers in all");
    if (inputs() > most_numbers || outputs() > most_numbers)
      throw std::invalid_argument("matrices must have 1 to 16777216 numbers in all");
  }
  std::size_t inputs() const override { return count_ * inner_ * (rows_ + columns_); }
  std::size_t outputs() const override { return count_ * rows_ * columns_; }
  bool run(const float* x, std::size_t count, float* y, std::byte*, std::uint64_t*, Pool&) const override {
    for (std::size_t k = 0; k < count; ++k, x += inputs()) {
      const float* const second = x + count_ * rows_ * inner_;
      for (std::size_t m = 0; m < count_; ++m, y += rows_ * columns_)
        multiply(x + m * rows_ * inner_, second + m * inner_ * columns_, rows_, inner_, columns_, y);
    }
    return true;
  }

 private:
  std::size_t count_, rows_, inner_, columns_;
};

// The products of a query with `tokens` keys, which are `stride` apart.
EIE_CLONES void score(const float* query, const float* keys, std::size_t tokens, std::size_t stride, std::size_t width,
                      float scale, float* scores) {
  for (std::size_t t = 0; t < tokens; ++t, keys += stride) {
    Lanes sums = {};
    std::size_t k = 0;
    for (; k + lanes <= width; k += lanes) sums += load(query + k) * load(keys + k);
    float total = 0;
    for (; k < width; ++k) total += query[k] * keys[k];
    for (std::size_t j = 0; j < lanes; ++j) total += sums[j];
    scores[t] = total * scale;
  }
}

// The sum of `tokens` values, each times its weight.
EIE_CLONES void mix(const float* weights, const float* values, std::size_t tokens, std::size_t stride,
                    std::size_t width, float* y) {
  std::size_t k = 0;
  for (; k + lanes <= width; k += lanes) {
    Lanes sums = {};
    for (std::size_t t = 0; t < tokens; ++t) sums += load(values + t * stride + k) * weights[t];
    store(sums, y + k);
  }
  for (; k < width; ++k) {
    float sum = 0;
    for (std::size_t t = 0; t < tokens; ++t) sum += values[t * stride + k] * weights[t];
    y[k] = sum;
  }
}

class Attention final : public Step {
 public:
  Attention(std::size_t rows, std::size_t heads, std::size_t width, std::size_t capacity, float scale)
      : rows_(rows), heads_(heads), width_(width), capacity_(capacity), scale_(scale) {
    for (std::size_t side : {rows, heads, width, capacity})
      if (side == 0 || side > most_numbers) throw std::invalid_argument("attention must have sides of 1 to 16777216");
    if (rows > capacity) throw std::invalid_argument("attention must have room for its own tokens");
    if (heads * width > most_numbers || cache() > most_numbers || inputs() > most_numbers)
      throw std::invalid_argument("attention must have 1 to 16777216 numbers in all");
    if (!std::isfinite(scale)) throw std::invalid_argument("attention must have a finite scale");
  }
  std::size_t inputs() const override { return 3 * outputs(); }
  std::size_t outputs() const override { return rows_ * heads_ * width_; }
  std::size_t scratch(std::size_t) const override { return 2 * sizeof(float) * capacity_; }
  std::size_t cache() const override { return 1 + 2 * capacity_ * heads_ * width_; }

  bool run(const float* x, std::size_t count, float* y, std::byte* scratch, std::uint64_t*, Pool&) const override {
    for (std::size_t i = 0; i < count; ++i, x += inputs(), y += outputs())
      attend(x, x + outputs(), x + 2 * outputs(), 0, y, scratch);
    return true;
  }

  bool resume(const float* x, std::size_t count, float* y, std::byte* scratch, float* cache,
              std::size_t stride) const override {
    for (std::size_t i = 0; i < count; ++i) {
      const float before = cache[i * stride];
      if (!(before >= 0 && before <= static_cast<float>(capacity_ - rows_)) || before != std::rint(before))
        return false;
    }
    for (std::size_t i = 0; i < count; ++i, x += inputs(), y += outputs(), cache += stride) {
      const auto before = static_cast<std::size_t>(*cache);
      float* const keys = cache + 1;
      float* const values = keys + capacity_ * heads_ * width_;
      std::copy_n(x + outputs(), outputs(), keys + before * heads_ * width_);
      std::copy_n(x + 2 * outputs(), outputs(), values + before * heads_ * width_);
      attend(x, keys, values, before, y, scratch);
      *cache = static_cast<float>(before + rows_);
    }
    return true;
  }

 private:
  // Keys and values of the `before` tokens before these, and of these.
  void attend(const float* queries, const float* keys, const float* values, std::size_t before, float* y,
              std::byte* scratch) const {
    auto* const scores = reinterpret_cast<float*>(scratch);
    float* const weights = scores + capacity_;
    const std::size_t stride = heads_ * width_;
    for (std::size_t row = 0; row < rows_; ++row)
      for (std::size_t head = 0; head < heads_; ++head) {
        const std::size_t place = row * stride + head * width_, tokens = before + row + 1;
        score(queries + place, keys + head * width_, tokens, stride, width_, scale_, scores);
        softmax(scores, tokens, false, weights);
        mix(weights, values + head * width_, tokens, stride, width_, y + place);
      }
  }

  std::size_t rows_, heads_, width_, capacity_;
  float scale_;
};

}  // namespace

StepPtr make_matmul(std::size_t count, std::size_t rows, std::size_t inner, std::size_t columns) {
  return std::make_unique<Matmul>(count, rows, inner, columns);
}

StepPtr make_attention(std::size_t rows, std::size_t heads, std::size_t width, std::size_t capacity, float scale) {
  return std::make_unique<Attention>(rows, heads, width, capacity, scale);
}

}  // namespace eie::kernels
