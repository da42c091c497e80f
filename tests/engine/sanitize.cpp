// Runs networks of random layers through every kernel and numerics, in buffers with nothing to spare, for the
// sanitizers to watch. Prints how many ran; says nothing about results, which the Python tests compare with the
// reference.
#include <cstdio>
#include <random>
#include <stdexcept>

#include "kernels/choose.hpp"
#include "kernels/network.hpp"

using namespace eie::kernels;

namespace {

struct RandomLayer {
  std::vector<std::int64_t> starts{0};
  std::vector<std::uint32_t> columns;
  std::vector<std::uint8_t> codes;
  std::size_t outputs, inputs;

  RandomLayer(std::mt19937& draw, std::size_t outputs, std::size_t inputs, double density)
      : outputs(outputs), inputs(inputs) {
    std::bernoulli_distribution kept(density);
    for (std::size_t row = 0; row < outputs; ++row) {
      for (std::uint32_t column = 0; column < inputs; ++column)
        if (kept(draw)) {
          columns.push_back(column);
          codes.push_back(1 + draw() % 15);
        }
      starts.push_back(static_cast<std::int64_t>(columns.size()));
    }
  }

  Rows rows() const { return {outputs, inputs, starts.data(), columns.data(), codes.data(), 4}; }
};

}  // namespace

int main() {
  std::mt19937 draw(1);
  Codebook codebook;
  for (int code = 0; code < 16; ++code) {
    codebook.values.push_back(static_cast<float>(code - 8 * (code > 0)) / 8);
    codebook.chip.push_back(static_cast<std::int16_t>(code == 0 ? 0 : 4000 * (code - 8)));
    codebook.int8.push_back(static_cast<std::int8_t>(code == 0 ? 0 : 16 * (code - 8)));
  }
  const std::size_t sizes[][3] = {{1, 1, 1}, {64, 128, 3}, {63, 257, 130}, {500, 300, 65}, {1500, 70, 20}};
  int ran = 0;
  for (const std::string& kernel : kernel_names<Int8>())
    for (const char* numerics : {"int16", "int8", "chip", "float32"})
      for (const auto& size : sizes)
        for (double density : {0.0, 0.05, 0.4, 1.0})
          for (std::size_t threads : {1, 2}) {
            const auto network = make_network(numerics, threads);
            const RandomLayer first(draw, size[1], size[0], density), second(draw, size[2], size[1], density);
            LayerSettings settings;
            settings.relu = true;
            settings.bias.assign(size[1], 0.5f);
            settings.chip_bias.assign(size[1], 100);
            settings.activation_fraction = settings.output_fraction = 8;
            try {
              network->add(first.rows(), codebook, settings, kernel, {});
            } catch (const std::invalid_argument&) {
              continue;  // not on this processor
            }
            settings.bias.clear();
            settings.chip_bias.clear();
            network->add(second.rows(), codebook, settings, ran % 2 ? kernel : "", {});
            for (std::size_t count : {1, 2, 3, 17}) {
              std::vector<float> x(count * size[0]), y(count * size[2]);
              for (float& value : x) value = draw() % 3 ? 0.0f : static_cast<float>(draw() % 200) / 16 - 6;
              std::vector<std::uint64_t> overflows(2);
              network->run(x.data(), count, y.data(), overflows.data());
            }
            ++ran;
          }
  std::printf("%d networks ran\n", ran);
  return ran == 0;
}
