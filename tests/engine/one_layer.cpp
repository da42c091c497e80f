// Runs one layer, given on standard input as emulated.py writes it, and writes its outputs to standard output.
#include <cstdio>
#include <cstdlib>

#include "kernels/network.hpp"

using namespace eie::kernels;

namespace {

template <class T>
std::vector<T> read() {
  std::uint64_t count = 0;
  if (std::fread(&count, sizeof count, 1, stdin) != 1) std::exit(3);
  std::vector<T> values(count);
  if (std::fread(values.data(), sizeof(T), count, stdin) != count) std::exit(3);
  return values;
}

std::string read_text() {
  const std::vector<char> text = read<char>();
  return {text.begin(), text.end()};
}

}  // namespace

int main() {
  const std::string numerics = read_text(), kernel = read_text();
  const std::vector<std::int64_t> numbers = read<std::int64_t>(), starts = read<std::int64_t>();
  const std::vector<std::uint32_t> columns = read<std::uint32_t>();
  const std::vector<std::uint8_t> codes = read<std::uint8_t>();
  Codebook codebook{read<float>(), read<std::int16_t>(), read<double>()[0]};
  LayerSettings settings;
  settings.bias = read<float>();
  settings.chip_bias = read<std::int64_t>();
  const std::vector<float> x = read<float>();
  const std::size_t inputs = numbers[0], threads = numbers[7], count = x.size() / inputs;
  settings.relu = numbers[2];
  settings.activation_fraction = static_cast<int>(numbers[3]);
  settings.output_fraction = static_cast<int>(numbers[4]);
  settings.value_bits = static_cast<int>(numbers[5]);
  settings.accumulator_bits = static_cast<int>(numbers[6]);
  const auto network = make_network(numerics, threads);
  network->add({starts.size() - 1, inputs, starts.data(), columns.data(), codes.data(), static_cast<int>(numbers[1])},
               codebook, settings, kernel, {});
  std::vector<float> y(count * network->outputs());
  std::uint64_t overflows = 0;
  network->run(x.data(), count, y.data(), &overflows);
  std::fwrite(y.data(), sizeof y[0], y.size(), stdout);
}
