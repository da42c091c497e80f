// The codebook as each arithmetic has it.
#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/kernel.hpp"

namespace eie::kernels {

Codebook used_by(const Rows& rows, Codebook codebook) {
  std::array<bool, 256> used{};
  for (std::size_t k = 0; k < rows.weights(); ++k) used[rows.codes[k]] = true;
  for (std::size_t code = 0; code < used.size(); ++code) {
    if (used[code] && (code == 0 || code >= codebook.values.size()))
      throw std::invalid_argument("code " + std::to_string(code) + " is not one of the codebook's, 1 to " +
                                  std::to_string(codebook.values.size() - 1));
    if (used[code]) continue;
    if (code < codebook.values.size()) codebook.values[code] = 0;
    if (code < codebook.chip.size()) codebook.chip[code] = 0;
    if (code < codebook.int8.size()) codebook.int8[code] = 0;
  }
  return codebook;
}

std::vector<std::int16_t> integer_weights(const std::vector<float>& codebook, int largest, double& unit) {
  double magnitude = 0;
  for (float value : codebook) magnitude = std::max(magnitude, std::fabs(static_cast<double>(value)));
  unit = magnitude > 0 ? magnitude / largest : 1;
  std::vector<std::int16_t> integers(codebook.size());
  for (std::size_t i = 0; i < codebook.size(); ++i)
    integers[i] = static_cast<std::int16_t>(std::lrint(codebook[i] / unit));
  return integers;
}

template <>
std::vector<float> weights_of<Float32>(const Codebook& codebook, std::size_t size, int, double& unit) {
  unit = 1;
  std::vector<float> weights = codebook.values;
  weights.resize(size, 0.0f);
  return weights;
}

template <>
std::vector<std::int16_t> weights_of<Int16>(const Codebook& codebook, std::size_t size, int largest, double& unit) {
  std::vector<std::int16_t> weights = integer_weights(codebook.values, largest, unit);
  weights.resize(size, 0);
  return weights;
}

template <>
std::vector<std::int8_t> weights_of<Int8>(const Codebook& codebook, std::size_t size, int, double& unit) {
  unit = codebook.int8_unit;
  std::vector<std::int8_t> weights = codebook.int8;
  weights.resize(size, 0);
  return weights;
}

template <>
std::vector<std::int16_t> weights_of<Chip>(const Codebook& codebook, std::size_t size, int, double& unit) {
  unit = 1;
  std::vector<std::int16_t> weights = codebook.chip;
  weights.resize(size, 0);
  return weights;
}

}  // namespace eie::kernels
