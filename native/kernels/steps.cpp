// The steps of a plan that multiply with no compressed weights, and recurrent cells around their product.
#include <limits>
#include <stdexcept>

#include "kernels/clones.hpp"
#include "kernels/functions.hpp"
#include "kernels/plan.hpp"

namespace eie::kernels {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

EIE_CLONES void add(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] += x[k];
}
EIE_CLONES void multiply(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] *= x[k];
}
EIE_CLONES void scale(const float* x, float by, float shift, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = x[k] * by + shift;
}
EIE_CLONES void scale_each(const float* x, const float* by, const float* shift, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = x[k] * by[k] + shift[k];
}
EIE_CLONES void add_scaled(const float* x, float by, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] += x[k] * by;
}

class Combination final : public Step {
 public:
  Combination(std::size_t size, std::size_t terms, bool sum) : size_(size), terms_(terms), sum_(sum) {
    if (size == 0 || terms == 0 || size > (std::size_t{1} << 24) || terms > (std::size_t{1} << 24))
      throw std::invalid_argument("a sum must have terms of 1 or more numbers");
  }
  std::size_t inputs() const override { return size_ * terms_; }
  std::size_t outputs() const override { return size_; }
  bool run(const float* x, std::size_t count, float* y, std::byte*, std::uint64_t*, Pool&) const override {
    for (std::size_t i = 0; i < count; ++i, y += size_) {
      std::copy_n(x, size_, y);
      x += size_;
      for (std::size_t term = 1; term < terms_; ++term, x += size_) (sum_ ? add : multiply)(x, size_, y);
    }
    return true;
  }

 private:
  std::size_t size_, terms_;
  bool sum_;
};

class Gather final : public Step {
 public:
  Gather(std::size_t size, std::vector<std::int32_t> index) : size_(size), index_(std::move(index)) {
    for (std::int32_t place : index_)
      if (place < -1 || place >= static_cast<std::int64_t>(size))
        throw std::invalid_argument("place " + std::to_string(place) + " is not one of " + std::to_string(size));
    if (size == 0 || index_.empty()) throw std::invalid_argument("an index must have places");
    blocks_ = blocks_of(index_);
    if (blocks_.size() * 8 > index_.size()) blocks_ = {};
  }
  std::size_t inputs() const override { return size_; }
  std::size_t outputs() const override { return index_.size(); }
  bool run(const float* x, std::size_t count, float* y, std::byte*, std::uint64_t*, Pool&) const override {
    for (std::size_t i = 0; i < count; ++i, x += size_)
      if (blocks_.empty())
        for (std::int32_t place : index_) *y++ = place < 0 ? 0 : x[place];
      else
        for (const Block& block : blocks_) y = copy(block, x, y);
    return true;
  }

 private:
  // Lines of `length` places, `step` apart, the first of each line one further than that of the line before. Places
  // below 0 are zeros.
  struct Block {
    std::int32_t first, step;
    std::size_t length, lines;
  };

  // What heads of attention and channels are put in order with: copies of pieces, and transposes.
  static std::vector<Block> blocks_of(const std::vector<std::int32_t>& index) {
    std::vector<Block> blocks;
    for (std::size_t at = 0; at < index.size();) {
      Block block{index[at], at + 1 < index.size() ? index[at + 1] - index[at] : 1, 1, 1};
      const auto goes_on = [&](std::size_t k) {
        return k < index.size() && index[k] - index[k - 1] == block.step && (index[k] < 0) == (block.first < 0);
      };
      while (goes_on(at + block.length)) ++block.length;
      at += block.length;
      if (!blocks.empty() && block.step != 1 && block.first >= 0) {
        Block& before = blocks.back();
        if (before.step == block.step && before.length == block.length && before.first >= 0 &&
            before.first + static_cast<std::int64_t>(before.lines) == block.first) {
          ++before.lines;
          continue;
        }
      }
      blocks.push_back(block);
    }
    return blocks;
  }

  // Some lines at a time: their places lie next to each other.
  static float* copy(const Block& block, const float* x, float* y) {
    constexpr std::size_t lines_at_once = 16;
    if (block.first < 0) return std::fill_n(y, block.length * block.lines, 0.0f);
    x += block.first;
    if (block.step == 1) return std::copy_n(x, block.length, y);
    for (std::size_t line = 0; line < block.lines; line += lines_at_once) {
      const std::size_t lines = std::min(lines_at_once, block.lines - line);
      for (std::size_t k = 0; k < block.length; ++k) {
        const float* from = x + line + static_cast<std::ptrdiff_t>(k) * block.step;
        for (std::size_t l = 0; l < lines; ++l) y[(line + l) * block.length + k] = from[l];
      }
    }
    return y + block.length * block.lines;
  }

  std::size_t size_;
  std::vector<std::int32_t> index_;
  std::vector<Block> blocks_;  // none where they would be too many to be quicker than place by place
};

class Rowwise final : public Step {
 public:
  Rowwise(StepPtr product, std::size_t rows) : product_(std::move(product)), rows_(rows) {
    if (rows == 0 || rows > (std::size_t{1} << 24)) throw std::invalid_argument("there must be a row or more");
  }
  std::size_t inputs() const override { return rows_ * product_->inputs(); }
  std::size_t outputs() const override { return rows_ * product_->outputs(); }
  std::size_t layers() const override { return product_->layers(); }
  bool checks() const override { return product_->checks(); }
  bool run(const float* x, std::size_t count, float* y, std::byte* scratch, std::uint64_t* overflows,
           Pool& pool) const override {
    return product_->run(x, rows_ * count, y, scratch, overflows, pool);
  }

 private:
  StepPtr product_;
  std::size_t rows_;
};

class Affine final : public Step {
 public:
  Affine(std::size_t rows, std::size_t pixels, std::vector<float> by, std::vector<float> shift)
      : rows_(rows), pixels_(pixels), by_(std::move(by)), shift_(std::move(shift)) {
    constexpr std::size_t most = std::size_t{1} << 24;
    if (rows == 0 || rows > most || pixels == 0 || pixels > most || by_.empty() || by_.size() != shift_.size())
      throw std::invalid_argument("scales and shifts must be one for each channel");
  }
  std::size_t inputs() const override { return rows_ * pixels_ * by_.size(); }
  std::size_t outputs() const override { return inputs(); }
  bool run(const float* x, std::size_t count, float* y, std::byte*, std::uint64_t*, Pool&) const override {
    for (std::size_t i = 0; i < count * rows_; ++i) {
      if (pixels_ == 1) {
        scale_each(x, by_.data(), shift_.data(), by_.size(), y);
        x += by_.size();
        y += by_.size();
        continue;
      }
      for (std::size_t c = 0; c < by_.size(); ++c, x += pixels_, y += pixels_) scale(x, by_[c], shift_[c], pixels_, y);
    }
    return true;
  }

 private:
  std::size_t rows_, pixels_;
  std::vector<float> by_, shift_;
};

struct Largest {
  static constexpr float nothing = -infinity;
  static float of(float a, float b) { return a > b ? a : b; }
};
struct Sum {
  static constexpr float nothing = 0;
  static float of(float a, float b) { return a + b; }
};

template <class Join>
[[gnu::always_inline]] inline void join_to(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = Join::of(y[k], x[k]);
}
template <class Join>
[[gnu::always_inline]] inline void join_windows(const float* x, std::size_t kernel, std::size_t stride,
                                                std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = x[k * stride];
  for (std::size_t offset = 1; offset < kernel; ++offset)
    for (std::size_t k = 0; k < count; ++k) y[k] = Join::of(y[k], x[k * stride + offset]);
}

// Rows of one channel: those of a window are joined first, then their columns. `row` has room for a padded row.
template <class Join>
[[gnu::always_inline]] inline void pool(const float* x, const Side& down, const Side& across, float* row, float* y) {
  const std::size_t rows = down.places(), columns = across.places();
  for (std::size_t place = 0; place < rows; ++place, y += columns) {
    std::fill(row, row + across.size + 2 * across.padding, Join::nothing);
    const std::size_t from = place * down.stride, end = std::min(from + down.kernel, down.size + down.padding);
    for (std::size_t k = std::max(from, down.padding); k < end; ++k)
      join_to<Join>(x + (k - down.padding) * across.size, across.size, row + across.padding);
    if (across.stride == 1)
      join_windows<Join>(row, across.kernel, 1, columns, y);
    else if (across.stride == 2)
      join_windows<Join>(row, across.kernel, 2, columns, y);
    else
      join_windows<Join>(row, across.kernel, across.stride, columns, y);
  }
}
EIE_CLONES void pool_largest(const float* x, const Side& down, const Side& across, float* row, float* y) {
  pool<Largest>(x, down, across, row, y);
}
EIE_CLONES void pool_sum(const float* x, const Side& down, const Side& across, float* row, float* y) {
  pool<Sum>(x, down, across, row, y);
}

class Pooling final : public Step {
 public:
  Pooling(const Sliding& sliding, bool largest) : sliding_(sliding), largest_(largest) {
    sliding.check();
    if (sliding.down.dilation != 1 || sliding.across.dilation != 1)
      throw std::invalid_argument("a pooling has no dilation");
  }
  std::size_t inputs() const override { return sliding_.inputs(); }
  std::size_t outputs() const override { return sliding_.channels * sliding_.places(); }
  std::size_t scratch(std::size_t) const override {
    return sizeof(float) * (sliding_.across.size + 2 * sliding_.across.padding);
  }
  bool run(const float* x, std::size_t count, float* y, std::byte* scratch, std::uint64_t*, Pool&) const override {
    auto* const row = reinterpret_cast<float*>(scratch);
    const std::size_t pixels = sliding_.down.size * sliding_.across.size, places = sliding_.places();
    for (std::size_t c = 0; c < count * sliding_.channels; ++c)
      (largest_ ? pool_largest : pool_sum)(x + c * pixels, sliding_.down, sliding_.across, row, y + c * places);
    const float window = static_cast<float>(sliding_.down.kernel * sliding_.across.kernel);
    if (!largest_) scale(y, 1 / window, 0, count * outputs(), y);
    return true;
  }

 private:
  Sliding sliding_;
  bool largest_;
};

class Dense final : public Step {
 public:
  Dense(const float* weights, std::size_t inputs, std::vector<float> bias, bool relu)
      : inputs_(inputs), columns_(inputs * bias.size()), bias_(std::move(bias)), relu_(relu) {
    if (inputs == 0 || bias_.empty()) throw std::invalid_argument("a layer must have inputs and outputs");
    for (std::size_t r = 0; r < bias_.size(); ++r)
      for (std::size_t c = 0; c < inputs; ++c) columns_.data()[c * bias_.size() + r] = weights[r * inputs + c];
  }
  std::size_t inputs() const override { return inputs_; }
  std::size_t outputs() const override { return bias_.size(); }
  bool run(const float* x, std::size_t count, float* y, std::byte*, std::uint64_t*, Pool&) const override {
    for (std::size_t i = 0; i < count; ++i, x += inputs_, y += outputs()) {
      std::copy(bias_.begin(), bias_.end(), y);
      for (std::size_t c = 0; c < inputs_; ++c)
        if (x[c] != 0) add_scaled(columns_.data() + c * outputs(), x[c], outputs(), y);
      if (relu_) rectify(y, outputs(), y);
    }
    return true;
  }

 private:
  std::size_t inputs_;
  Aligned<float> columns_;  // (inputs, outputs)
  std::vector<float> bias_;
  bool relu_;
};

class Recurrent final : public Step {
 public:
  Recurrent(StepPtr product, const Cell& cell)
      : product_(std::move(product)), cell_(cell), hidden_(product_->outputs() / 4) {
    const std::size_t width = product_->inputs(), most = std::size_t{1} << 24, features = cell.features;
    if (cell.steps == 0 || cell.steps > most || features == 0 || features > most || hidden_ == 0 ||
        product_->outputs() % 4 || width < features + hidden_ || width > features + hidden_ + 1 ||
        (cell.gives_memory && !cell.lstm))
      throw std::invalid_argument("the sizes of a recurrent cell and its product do not fit each other");
  }
  std::size_t inputs() const override { return sequence() + (cell_.takes_state ? hidden_ * (cell_.lstm ? 2 : 1) : 0); }
  std::size_t outputs() const override { return states() + (cell_.gives_memory ? hidden_ : 0); }
  std::size_t layers() const override { return product_->layers(); }
  std::size_t scratch(std::size_t count) const override {
    return sizeof(float) * count * (product_->inputs() + product_->outputs() + hidden_);
  }

  bool run(const float* x, std::size_t count, float* y, std::byte* scratch, std::uint64_t* overflows,
           Pool& pool) const override {
    const std::size_t width = product_->inputs(), gates = product_->outputs(), features = cell_.features;
    auto* const vectors = reinterpret_cast<float*>(scratch);  // (count, width): the step's input, the state, 1
    float* const sums = vectors + count * width;              // (count, gates)
    float* const memory = sums + count * gates;               // (count, hidden)
    std::fill(vectors, memory + count * hidden_, 0.0f);
    for (std::size_t i = 0; i < count && cell_.takes_state; ++i) {
      const float* const before = x + i * inputs() + sequence();
      std::copy_n(before, hidden_, vectors + i * width + features);
      if (cell_.lstm) std::copy_n(before + hidden_, hidden_, memory + i * hidden_);
    }
    for (std::size_t step = 0; step < cell_.steps; ++step) {
      for (std::size_t i = 0; i < count; ++i) {
        float* const vector = vectors + i * width;
        std::copy_n(x + i * inputs() + step * features, features, vector);
        if (width > features + hidden_) vector[width - 1] = 1;
      }
      if (!product_->run(vectors, count, sums, nullptr, overflows, pool)) return false;
      for (std::size_t i = 0; i < count; ++i) {
        float* const state = vectors + i * width + features;
        if (cell_.lstm)
          lstm(sums + i * gates, hidden_, memory + i * hidden_, state);
        else
          gru(sums + i * gates, hidden_, state);
        if (!cell_.last_only)
          std::copy_n(state, hidden_, y + i * outputs() + step * hidden_);
        else if (step + 1 == cell_.steps)
          std::copy_n(state, hidden_, y + i * outputs());
      }
    }
    for (std::size_t i = 0; i < count && cell_.gives_memory; ++i)
      std::copy_n(memory + i * hidden_, hidden_, y + i * outputs() + states());
    return true;
  }

 private:
  std::size_t sequence() const { return cell_.steps * cell_.features; }
  std::size_t states() const { return hidden_ * (cell_.last_only ? 1 : cell_.steps); }

  StepPtr product_;  // which needs no scratch of its own
  Cell cell_;
  std::size_t hidden_;
};

}  // namespace

StepPtr make_pooling(const Sliding& sliding, bool largest) { return std::make_unique<Pooling>(sliding, largest); }

StepPtr make_affine(std::size_t rows, std::size_t pixels, std::vector<float> scale, std::vector<float> shift) {
  return std::make_unique<Affine>(rows, pixels, std::move(scale), std::move(shift));
}

StepPtr make_combination(std::size_t size, std::size_t terms, bool sum) {
  return std::make_unique<Combination>(size, terms, sum);
}

StepPtr make_gather(std::size_t size, std::vector<std::int32_t> index) {
  return std::make_unique<Gather>(size, std::move(index));
}

StepPtr make_rows(StepPtr product, std::size_t rows) { return std::make_unique<Rowwise>(std::move(product), rows); }

StepPtr make_dense(const float* weights, std::size_t inputs, std::vector<float> bias, bool relu) {
  return std::make_unique<Dense>(weights, inputs, std::move(bias), relu);
}

StepPtr make_recurrent(StepPtr product, const Cell& cell) {
  return std::make_unique<Recurrent>(std::move(product), cell);
}

}  // namespace eie::kernels
