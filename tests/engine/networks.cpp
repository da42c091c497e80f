// Runs networks of random layers through every kernel and numerics, in buffers with nothing to spare, for the sanitizers
// to watch. Prints, for each kernel with exact numerics, a digest of all outputs, which is the same for every kernel and
// processor; how many networks ran; and how many calls at the same time as others gave other bits.
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <stdexcept>
#include <thread>

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

  Rows rows(int code_bits) const { return {outputs, inputs, starts.data(), columns.data(), codes.data(), code_bits}; }
};

// Runs a random network of two layers on some batches; returns false where the kernel cannot be had.
bool run(std::mt19937& draw, const Codebook& codebook, const std::string& kernel, const char* numerics,
         const std::size_t* size, double density, std::size_t threads, int code_bits, std::uint64_t& digest) {
  const auto network = make_network(numerics, threads);
  const RandomLayer first(draw, size[1], size[0], density), second(draw, size[2], size[1], density);
  LayerSettings settings;
  settings.relu = true;
  settings.bias.assign(size[1], 0.5f);
  settings.chip_bias.assign(size[1], 100);
  settings.activation_fraction = settings.output_fraction = 8;
  try {
    network->add(first.rows(code_bits), codebook, settings, kernel, {});
  } catch (const std::invalid_argument&) {
    return false;  // not on this processor, not for these numerics or codes
  }
  settings.bias.clear();
  settings.chip_bias.clear();
  network->add(second.rows(code_bits), codebook, settings, density < 1 ? kernel : "", {});
  for (std::size_t count : {1, 2, 3, 17}) {
    std::vector<float> x(count * size[0]), y(count * size[2]);
    for (float& value : x) value = draw() % 3 ? 0.0f : static_cast<float>(draw() % 200) / 16 - 6;
    std::vector<std::uint64_t> overflows(2);
    network->run(x.data(), count, y.data(), overflows.data());
    for (float value : y) digest = (digest ^ std::bit_cast<std::uint32_t>(value)) * 0x100000001b3;  // FNV-1a
  }
  return true;
}

// A codebook of 2^code_bits values, of which the layers use 15.
Codebook codebook_of(int code_bits) {
  Codebook codebook;
  for (int code = 0; code < 1 << code_bits; ++code) {
    const int value = code == 0 || code > 15 ? 0 : code - 8;
    codebook.values.push_back(static_cast<float>(value) / 8);
    codebook.chip.push_back(static_cast<std::int16_t>(4000 * value));
    codebook.int8.push_back(static_cast<std::int8_t>(16 * value));
  }
  return codebook;
}

// Eight threads call one network of `threads` threads `runs` times each; returns how many calls gave other bits than
// the first one.
int disturbed(const char* numerics, std::size_t threads, int runs) {
  std::mt19937 draw(2);
  const RandomLayer first(draw, 96, 64, 0.3), second(draw, 40, 96, 0.3);
  const Codebook codebook = codebook_of(4);
  LayerSettings settings;
  settings.relu = true;
  settings.activation_fraction = settings.output_fraction = 8;
  const auto network = make_network(numerics, threads);
  network->add(first.rows(4), codebook, settings, "", {});
  network->add(second.rows(4), codebook, settings, "", {});
  std::vector<float> x(3 * 64), expected(3 * 40);
  for (float& value : x) value = draw() % 3 ? 0.0f : static_cast<float>(draw() % 200) / 16 - 6;
  std::vector<std::uint64_t> overflows(2);
  network->run(x.data(), 3, expected.data(), overflows.data());
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller)
    callers.emplace_back([&] {
      std::vector<float> y(expected.size());
      std::vector<std::uint64_t> own(2);
      for (int run = 0; run < runs; ++run) {
        network->run(x.data(), 3, y.data(), own.data());
        wrong += std::memcmp(y.data(), expected.data(), y.size() * sizeof y[0]) != 0;
      }
    });
  for (std::thread& caller : callers) caller.join();
  return wrong;
}

}  // namespace

// Arguments: how often each of eight callers runs a network at the same time as the others; 0 unless given.
int main(int count, char** arguments) {
  const std::size_t sizes[][3] = {{1, 1, 1}, {64, 128, 3}, {63, 257, 130}, {500, 300, 65}, {1500, 70, 20}};
  int ran = 0;
  for (const std::string& kernel : kernel_names<Int8>())
    for (const std::string numerics : {"int16", "int8", "chip", "float32"})
      for (int code_bits : {4, 8}) {
        std::mt19937 draw(1);
        const Codebook codebook = codebook_of(code_bits);
        std::uint64_t digest = 0xcbf29ce484222325;
        bool all = true;
        for (const auto& size : sizes)
          for (double density : {0.0, 0.05, 0.4, 1.0})
            for (std::size_t threads : {1, 2}) {
              all = all && run(draw, codebook, kernel, numerics.c_str(), size, density, threads, code_bits, digest);
              ran += all;
            }
        if (all && (numerics == "int8" || numerics == "chip"))
          std::printf("%s %s %d %016llx\n", kernel.c_str(), numerics.c_str(), code_bits,
                      static_cast<unsigned long long>(digest));
      }
  std::printf("%d networks ran\n", ran);
  int wrong = 0;
  for (const char* numerics : {"int16", "int8", "chip", "float32"})
    for (std::size_t threads : {1, 2, 4}) wrong += disturbed(numerics, threads, count > 1 ? std::atoi(arguments[1]) : 0);
  std::printf("%d calls were disturbed\n", wrong);
  return ran == 0 || wrong > 0;
}
