// The codebook as each arithmetic has it.
#include <array>
#include <stdexcept>
#include <string>
#include <type_traits>

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
    if (code < codebook.integers.size()) codebook.integers[code] = 0;
  }
  return codebook;
}

template <class A>
std::vector<typename A::Weight> weights_of(const Codebook& codebook, std::size_t size, double& unit) {
  unit = codebook.unit;
  std::vector<typename A::Weight> weights;
  if constexpr (std::is_same_v<A, Float32>)
    weights = codebook.values;
  else
    for (std::int16_t value : codebook.integers) weights.push_back(static_cast<typename A::Weight>(value));
  weights.resize(size, 0);
  return weights;
}

template std::vector<float> weights_of<Float32>(const Codebook&, std::size_t, double&);
template std::vector<std::int16_t> weights_of<Int16>(const Codebook&, std::size_t, double&);
template std::vector<std::int8_t> weights_of<Int8>(const Codebook&, std::size_t, double&);
template std::vector<std::int16_t> weights_of<Chip>(const Codebook&, std::size_t, double&);

}  // namespace eie::kernels
