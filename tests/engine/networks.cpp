// Runs networks of random layers through every kernel and numerics, in buffers with nothing to spare, for the sanitizers
// to watch; and random plans of convolutions and other steps. Prints, for each kernel with exact numerics, a digest of all outputs, which is the same for every kernel and
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
#include "kernels/plan.hpp"

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

// What a code more adds to an integer weight.
int step_of(const std::string& numerics) { return numerics == "chip" ? 4000 : numerics == "int16" ? 1023 : 16; }

// A codebook of 2^code_bits values, of which the layers use 15.
Codebook codebook_of(int code_bits, const std::string& numerics) {
  Codebook codebook;
  for (int code = 0; code < 1 << code_bits; ++code) {
    const int value = code == 0 || code > 15 ? 0 : code - 8;
    codebook.values.push_back(static_cast<float>(value) / 8);
    codebook.integers.push_back(static_cast<std::int16_t>(step_of(numerics) * value));
  }
  return codebook;
}

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

// Runs a plan of a random convolution, what else an image goes through, and a linear layer; returns the kernel's name.
std::string run_plan(std::mt19937& draw, const char* numerics, std::size_t threads, std::uint64_t& digest) {
  const auto from = [&](std::size_t least, std::size_t most) { return least + draw() % (most - least + 1); };
  const auto side = [&](std::size_t most) {
    Side found{from(1, most), from(1, 5), from(1, 3), from(0, 3), from(1, 2)};
    found.size = std::max(found.size, found.dilation * (found.kernel - 1) + 1);
    return found;
  };
  const std::size_t groups = from(1, 2), channels = groups * from(1, 3), filters = groups * from(1, 4);
  const Sliding sliding{channels, side(12), side(40)};
  const RandomLayer weights(draw, filters, channels / groups * sliding.down.kernel * sliding.across.kernel,
                            draw() % 3 ? 0.4 : 1.0);
  std::vector<float> reals;
  std::vector<std::int16_t> integers;
  for (std::uint8_t code : weights.codes) {
    reals.push_back(static_cast<float>(code) / 8 - 1);
    integers.push_back(static_cast<std::int16_t>((code - 8) * step_of(numerics)));
  }
  LayerSettings settings;
  settings.relu = true;
  settings.bias.assign(filters, 0.5f);
  settings.chip_bias.assign(filters, 100);
  settings.activation_fraction = settings.output_fraction = 8;
  Plan plan({sliding.inputs()}, threads);
  std::string kernel;
  std::size_t bytes = 0;
  const Filters given{filters,         groups, weights.starts.data(), weights.columns.data(), reals.data(),
                      integers.data(), 0.125};
  std::size_t value =
      plan.add(make_convolution(numerics, sliding, given, std::move(settings), 1 << 20, kernel, bytes), {0});
  const std::size_t pixels = sliding.places();
  value =
      plan.add(make_affine(1, pixels, std::vector<float>(filters, 0.5f), std::vector<float>(filters, 1.0f)), {value});
  const Sliding pooled{filters, {sliding.down.places(), 1, 2}, {sliding.across.places(), 1, 3}};
  const std::size_t first = plan.add(make_pooling(pooled, true), {value});
  const std::size_t second = plan.add(make_pooling(pooled, false), {value});
  const std::size_t size = filters * pooled.places();
  value = plan.add(make_function("relu", 2 * size, 1), {first, second});
  std::vector<std::int32_t> order(2 * size);  // transposed; here and there a zero, or a place by itself
  for (std::size_t k = 0; k < order.size(); ++k)
    order[k] = static_cast<std::int32_t>(k % (2 * filters) * pooled.places() + k / (2 * filters));
  if (draw() % 2) order[draw() % order.size()] = static_cast<std::int32_t>(draw() % 3) - 1;
  value = plan.add(make_gather(2 * size, std::move(order)), {value});
  std::vector<float> matrix(3 * 2 * size, 0.25f);
  const std::size_t last = plan.add(make_dense(matrix.data(), 2 * size, {1, 2, 3}, true), {value});
  plan.finish({value, last}, 1 << 24);
  for (std::size_t count : {1, 3}) {
    std::vector<float> x(count * sliding.inputs()), y(count * 2 * size), z(count * 3);
    for (float& number : x) number = draw() % 3 ? 0.0f : static_cast<float>(draw() % 200) / 16 - 6;
    std::vector<std::uint64_t> overflows(plan.layers());
    if (plan.run({x.data()}, count, {y.data(), z.data()}, overflows.data()) != Plan::done) std::abort();
    for (float number : y) digest = (digest ^ std::bit_cast<std::uint32_t>(number)) * 0x100000001b3;
  }
  return kernel;
}

// Runs sequences through cells around dense and compressed products; their functions are not the same everywhere.
void run_cells(std::mt19937& draw) {
  const std::size_t features = 3, hidden = 7, steps = 4;
  for (bool lstm : {false, true}) {
    const auto network = make_network("int8", 1);
    network->add(RandomLayer(draw, 4 * hidden, features + hidden + 1, 0.5).rows(4), codebook_of(4, "int8"), {}, "", {});
    const std::vector<float> matrix(4 * hidden * (2 * hidden), 0.125f);
    Plan plan({steps * features, (lstm ? 2 : 1) * hidden, hidden}, 1);
    Cell cell{lstm, steps, features};
    cell.takes_state = true;
    cell.gives_memory = lstm;
    std::size_t value = plan.add(make_recurrent(make_layers(*network), cell), {0, 1});
    cell = {lstm, steps, hidden};
    cell.last_only = cell.takes_state = true;  // an LSTM's state are the memory before it and the plan's last input
    StepPtr dense = make_dense(matrix.data(), 2 * hidden, std::vector<float>(4 * hidden, 0.5f), false);
    value = plan.add(make_recurrent(std::move(dense), cell), {value, 2});
    for (const char* name : {"sigmoid", "tanh", "softmax", "log_softmax"})
      value = plan.add(make_function(name, hidden, 1), {value});
    plan.finish({value}, 1 << 20);
    std::vector<float> x(3 * steps * features), state(3 * (lstm ? 2 : 1) * hidden, 0.5f), more(3 * hidden),
        y(3 * hidden);
    for (float& number : x) number = static_cast<float>(draw() % 200) / 16 - 6;
    std::vector<std::uint64_t> overflows(plan.layers());
    if (plan.run({x.data(), state.data(), more.data()}, 3, {y.data()}, overflows.data()) != Plan::done) std::abort();
  }
}

// Eight threads call one network of `threads` threads `runs` times each; returns how many calls gave other bits than
// the first one.
int disturbed(const char* numerics, std::size_t threads, int runs) {
  std::mt19937 draw(2);
  const RandomLayer first(draw, 96, 64, 0.3), second(draw, 40, 96, 0.3);
  const Codebook codebook = codebook_of(4, numerics);
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
  for (const std::string& kernel : kernel_names())
    for (const std::string numerics : {"int16", "int8", "chip", "float32"})
      for (int code_bits : {4, 8}) {
        std::mt19937 draw(1);
        const Codebook codebook = codebook_of(code_bits, numerics);
        std::uint64_t digest = 0xcbf29ce484222325;
        bool all = true;
        for (const auto& size : sizes)
          for (double density : {0.0, 0.05, 0.4, 1.0})
            for (std::size_t threads : {1, 2}) {
              all = all && run(draw, codebook, kernel, numerics.c_str(), size, density, threads, code_bits, digest);
              ran += all;
            }
        if (all && numerics != "float32")
          std::printf("%s %s %d %016llx\n", kernel.c_str(), numerics.c_str(), code_bits,
                      static_cast<unsigned long long>(digest));
      }
  for (const char* numerics : {"int16", "int8", "chip", "float32"})
    for (const char* set : {"portable", "avx2", "vnni", "avx512"}) {
      setenv("EIE_INSTRUCTION_SET", set, 1);
      std::mt19937 draw(3);
      std::uint64_t digest = 0xcbf29ce484222325;
      std::string kernel;
      for (int plan = 0; plan < 60; ++plan, ++ran) kernel = run_plan(draw, numerics, 1 + plan % 2, digest);
      if (numerics[0] != 'f')
        std::printf("%s %s 0 %016llx\n", kernel.c_str(), numerics, static_cast<unsigned long long>(digest));
    }
  unsetenv("EIE_INSTRUCTION_SET");
  std::mt19937 draw(4);
  run_cells(draw);
  std::printf("%d networks ran\n", ran);
  int wrong = 0;
  for (const char* numerics : {"int16", "int8", "chip", "float32"})
    for (std::size_t threads : {1, 2, 4})
      wrong += disturbed(numerics, threads, count > 1 ? std::atoi(arguments[1]) : 0);
  std::printf("%d calls were disturbed\n", wrong);
  return ran == 0 || wrong > 0;
}
