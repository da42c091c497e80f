// A convolution: the image quantised and padded, its taps multiplied, and the sums of all places made outputs.
#include <cmath>
#include <stdexcept>

#include "kernels/activations.hpp"
#include "kernels/plan.hpp"
#include "kernels/taps.hpp"

namespace eie::kernels {
namespace {

constexpr std::size_t line = 64;
std::size_t lines(std::size_t bytes) { return (bytes + line - 1) / line * line; }

constexpr std::size_t spare = 64;  // numbers after the image: no instruction set has a longer vector

// Work of less than this is not shared out to threads: as many taps times places as take some 20 us.
constexpr std::size_t least_shared = 100000;

template <class A>
class Convolution final : public Step {
 public:
  Convolution(const Sliding& sliding, const Filters& filters, LayerSettings settings, std::size_t most)
      : sliding_(sliding), image_(sliding, spare, most), settings_(std::move(settings)), rows_(filters.outputs) {
    const TapRowsOf<A> taps = tap_rows(filters);
    taps_ = make_taps<A>(taps, name_);
    stride_ = (image_.places() + taps_->vector() - 1) / taps_->vector() * taps_->vector();
    work_ = taps.weights.size() * image_.places();
    if (stride_ > most / rows_)
      throw std::invalid_argument("its sums would be " + std::to_string(rows_) + " x " + std::to_string(stride_) +
                                  " numbers, more than the limit of " + std::to_string(most));
    // Rows in parts of about the same taps.
    constexpr std::size_t parts = 64;
    for (std::size_t r = 0; r < rows_; ++r)
      if (parts_.size() * (taps.weights.size() + rows_) <= (taps.starts[r] + r) * parts) parts_.push_back(r);
    parts_.push_back(rows_);
  }

  const char* name() const { return name_; }
  std::size_t bytes() const { return taps_->bytes(); }
  std::size_t inputs() const override { return sliding_.inputs(); }
  std::size_t outputs() const override { return rows_ * sliding_.places(); }
  std::size_t layers() const override { return 1; }
  bool checks() const override { return true; }

  std::size_t scratch(std::size_t) const override {
    return image_bytes() + lines(inputs() * sizeof(typename A::Activation)) + lines(inputs() * sizeof(std::int16_t)) +
           rows_ * stride_ * sizeof(TapSum<A>);
  }

  bool run(const float* x, std::size_t count, float* y, std::byte* scratch, std::uint64_t* overflows,
           Pool& pool) const override {
    for (std::size_t i = 0; i < count; ++i, x += inputs(), y += outputs()) {
      const Range range = range_of(x, inputs());
      if (!range.finite()) return false;
      run(x, range, y, scratch, overflows[0], pool);
    }
    return true;
  }

 private:
  std::size_t image_bytes() const {
    constexpr std::size_t most = std::is_same_v<A, Int8> ? sizeof(std::int16_t) : sizeof(typename A::Activation);
    return lines(image_.size() * most);
  }

  TapRowsOf<A> tap_rows(const Filters& filters) {
    TapRowsOf<A> rows;
    const std::size_t kernel = sliding_.down.kernel * sliding_.across.kernel;
    unit_ = filters.unit;
    std::vector<std::uint32_t> pixel;  // offsets within a channel
    for (std::size_t y = 0; y < sliding_.down.kernel; ++y)
      for (std::size_t x = 0; x < sliding_.across.kernel; ++x)
        pixel.push_back(static_cast<std::uint32_t>(image_.offset(0, y, x)));
    const std::size_t channel_stride = sliding_.channels > 1 ? image_.offset(1, 0, 0) - image_.offset(0, 0, 0) : 0;
    const std::size_t in_group = sliding_.channels / filters.groups, out_group = filters.outputs / filters.groups;
    for (std::size_t r = 0; r < filters.outputs; ++r) {
      std::int32_t sum = 0;
      for (std::int64_t k = filters.starts[r]; k < filters.starts[r + 1]; ++k) {
        const std::size_t channel = r / out_group * in_group + filters.columns[k] / kernel;
        rows.offsets.push_back(
            static_cast<std::uint32_t>(channel * channel_stride + pixel[filters.columns[k] % kernel]));
        if constexpr (std::is_same_v<A, Float32>)
          rows.weights.push_back(filters.reals[k]);
        else
          rows.weights.push_back(filters.integers[k]);
        if constexpr (std::is_same_v<A, Int8>) sum += filters.integers[k];
      }
      rows.starts.push_back(rows.weights.size());
      weight_sums_.push_back(sum);
    }
    return rows;
  }

  void run(const float* x, const Range& range, float* y, std::byte* scratch, std::uint64_t& overflows,
           Pool& pool) const {
    std::byte* const image = scratch;
    std::byte* const quantised = image + image_bytes();
    std::byte* const widened = quantised + lines(inputs() * sizeof(typename A::Activation));
    auto* const sums = reinterpret_cast<TapSum<A>*>(widened + lines(inputs() * sizeof(std::int16_t)));
    typename A::Activation zero = 0;
    const float unit = prepare(x, range, image, quantised, widened, zero);
    // As few as can be: what a tile reads of the image stays in the cache for all of a turn's rows.
    const std::size_t parts = parts_.size() - 1;
    const bool shared = pool.threads() > 1 && work_ >= least_shared;
    const std::size_t turns = shared ? std::min(parts, 4 * pool.threads()) : 1;
    std::atomic<std::size_t> taken{0};
    std::atomic<std::uint64_t> overflowed{0};
    const auto work = [&](std::size_t) {
      for (std::size_t turn; (turn = taken++) < turns;) {
        const std::size_t first = parts_[turn * parts / turns], end = parts_[(turn + 1) * parts / turns];
        taps_->multiply(image, image_.places(), first, end, sums, stride_);
        for (std::size_t r = first; r < end; ++r) overflowed += write(sums + r * stride_, r, unit, zero, y);
      }
    };
    if (shared)
      pool.run([&](std::size_t thread) { work(thread); });
    else
      work(0);
    overflows += overflowed;
  }

  // Fills the padded image; returns the unit of the sums.
  float prepare(const float* x, const Range& range, std::byte* image, std::byte* quantised, std::byte* widened,
                typename A::Activation& zero) const {
    const std::size_t count = inputs();
    if constexpr (std::is_same_v<A, Float32>) {
      image_.fill(x, 0.0f, reinterpret_cast<float*>(image));
      return 1;
    } else {
      auto* values = reinterpret_cast<typename A::Activation*>(quantised);
      double unit = unit_;
      if constexpr (std::is_same_v<A, Chip>)
        to_fixed(x, count, settings_.activation_fraction, settings_.value_bits, values);
      else if constexpr (std::is_same_v<A, Int8>)
        unit *= quantise(x, count, range, values, zero);
      else
        unit *= quantise(x, count, range, values);
      if (std::is_same_v<A, Int8> && taps_->pixels() == Pixels::words) {
        auto* words = reinterpret_cast<std::int16_t*>(widened);
        for (std::size_t k = 0; k < count; ++k) words[k] = static_cast<std::int16_t>(values[k] - zero);
        zero = 0;
        image_.fill(words, std::int16_t{0}, reinterpret_cast<std::int16_t*>(image));
      } else {
        image_.fill(values, zero, reinterpret_cast<typename A::Activation*>(image));
      }
      return static_cast<float>(unit);
    }
  }

  // Writes the outputs of channel `r`; returns how many sums overflowed.
  std::uint64_t write(const TapSum<A>* sums, std::size_t r, float unit, typename A::Activation zero, float* y) const {
    const Grid grid{sliding_.down.places(), sliding_.across.places(), image_.pitch(), stride_};
    float* to = y + r * grid.rows * grid.width;
    if constexpr (std::is_same_v<A, Chip>) return chip_rows(settings_, r, sums, grid, to);
    const TapSum<A> less = static_cast<TapSum<A>>(zero * weight_sums_[r]);
    real_rows(sums, less, unit, settings_.bias.empty() ? 0 : settings_.bias[r], settings_.relu, grid, to);
    return 0;
  }

  Sliding sliding_;
  PaddedImage image_;
  LayerSettings settings_;
  std::size_t rows_, stride_, work_;
  double unit_ = 1;
  std::vector<std::int32_t> weight_sums_;
  std::vector<std::size_t> parts_;
  TapsPtr<A> taps_;
  const char* name_;
};

// Python has checked what a user gives, but memory is not left to Python.
void check(const std::string& numerics, const Sliding& sliding, const Filters& filters, const LayerSettings& settings) {
  const bool integers = numerics == "int8" || numerics == "int16" || numerics == "chip";
  if (!integers && numerics != "float32")  // which of the weights are there depends on it
    throw std::invalid_argument("numerics must be int16, int8, chip or float32, not " + numerics);
  sliding.check();
  const std::size_t columns =
      filters.groups ? sliding.channels / filters.groups * sliding.down.kernel * sliding.across.kernel : 0;
  const auto one_each = [&](std::size_t values) { return values == 0 || values == filters.outputs; };
  if (columns == 0 || filters.outputs == 0 || sliding.channels % filters.groups || filters.outputs % filters.groups ||
      !one_each(settings.bias.size()) || !one_each(settings.chip_bias.size()) || settings.value_bits < 2 ||
      settings.value_bits > 16 || settings.accumulator_bits < 2 || settings.accumulator_bits > 32)
    throw std::invalid_argument("the convolution's channels, groups, biases and widths do not fit each other");
  const int largest = numerics == "int8" ? Int8::largest_weight : numerics == "int16" ? Int16::largest_weight : 32767;
  const std::size_t most_taps = numerics == "chip" ? most_chip_taps : numerics == "int16" ? most_products : ~0ul;
  for (std::size_t r = 0; r < filters.outputs; ++r) {
    std::int64_t sum = 0;
    for (std::int64_t k = filters.starts[r]; k < filters.starts[r + 1]; ++k) {
      if (filters.columns[k] >= columns)
        throw std::invalid_argument("column " + std::to_string(filters.columns[k]) + " of row " + std::to_string(r) +
                                    " is not below " + std::to_string(columns));
      if (integers ? std::abs(filters.integers[k]) > largest : !std::isfinite(filters.reals[k]))
        throw std::invalid_argument("weight " + std::to_string(k) + " is none that " + numerics + " can have");
      sum += integers ? std::abs(filters.integers[k]) : 0;
    }
    if (numerics == "int8" && sum > 2147483647 / Int8::largest_activation)
      throw std::invalid_argument("the sums of row " + std::to_string(r) + " may not fit 32 bits");
    if (static_cast<std::size_t>(filters.starts[r + 1] - filters.starts[r]) > most_taps)
      throw std::invalid_argument("row " + std::to_string(r) + " has more than " + std::to_string(most_taps) +
                                  " weights");
  }
}

template <class A>
StepPtr make(const Sliding& sliding, const Filters& filters, LayerSettings settings, std::size_t most,
             std::string& kernel, std::size_t& bytes) {
  auto step = std::make_unique<Convolution<A>>(sliding, filters, std::move(settings), most);
  kernel = step->name();
  bytes = step->bytes();
  return step;
}

}  // namespace

StepPtr make_convolution(const std::string& numerics, const Sliding& sliding, const Filters& filters,
                         LayerSettings settings, std::size_t most, std::string& kernel, std::size_t& bytes) {
  check(numerics, sliding, filters, settings);
  if (numerics == "int16") return make<Int16>(sliding, filters, std::move(settings), most, kernel, bytes);
  if (numerics == "int8") return make<Int8>(sliding, filters, std::move(settings), most, kernel, bytes);
  if (numerics == "chip") return make<Chip>(sliding, filters, std::move(settings), most, kernel, bytes);
  return make<Float32>(sliding, filters, std::move(settings), most, kernel, bytes);
}

}  // namespace eie::kernels
