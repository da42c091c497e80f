// A network of layers, ready to run: quantise, multiply, bias, ReLU, layer after layer, without leaving native code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/kernel.hpp"

namespace eie::kernels {

// What a layer does besides M x V. What follows `bias` is Chip's alone.
struct LayerSettings {
  bool relu = false;
  std::vector<float> bias;              // (outputs) or empty
  std::vector<std::int64_t> chip_bias;  // (outputs) or empty: in the outputs' format
  int activation_fraction = 0, output_fraction = 0, value_bits = 16, accumulator_bits = 24;
};

// What a layer's kernels are chosen for: from which to which share of its inputs will be active (0 to 1), and how many
// bytes its weights may take in all their layouts.
struct Limits {
  double least_active = 0, most_active = 1;
  std::size_t most_bytes = ~std::size_t{0};
};

// How a layer was laid out, and what the choice was made from.
struct LayerReport {
  std::string kernel, few_kernel;  // the second for inputs of less than `few_below` active columns, or empty
  std::size_t bytes = 0, few_bytes = 0;
  std::size_t few_below = 0;
  std::vector<std::pair<std::string, double>> measured;  // microseconds by kernel; empty if none was timed
};

class Network {
 public:
  virtual ~Network() = default;

  // Adds a layer behind the others. `kernel` names one (see kernel_names), or is empty for the fastest.
  virtual LayerReport add(const Rows& rows, const Codebook& codebook, LayerSettings settings, const std::string& kernel,
                          const Limits& limits) = 0;
  // x: (count, inputs of the first layer), y: (count, outputs of the last), row by row.
  // overflows[l] grows by the outputs of layer l that the accumulator could not hold; only Chip needs any.
  // Returns false, y being unspecified, where some x is not finite.
  virtual bool run(const float* x, std::size_t count, float* y, std::uint64_t* overflows) = 0;
  virtual std::size_t inputs() const = 0;
  virtual std::size_t outputs() const = 0;
  virtual std::size_t layers() const = 0;
  virtual bool counts_overflows() const = 0;
  // From now on at most so many threads share a call.
  virtual void use_threads(std::size_t threads) = 0;
};

// numerics: "int16", "int8", "chip" or "float32". Throws std::invalid_argument for another.
std::unique_ptr<Network> make_network(const std::string& numerics, std::size_t threads);

}  // namespace eie::kernels
