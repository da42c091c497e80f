// Multiplies random layers by the window kernel in AVX-VNNI's encoding, and column by column, and compares the sums. A
// processor without that encoding stops at each vpdpbusd of it; a handler then does what the instruction would, as the
// manual defines it, and goes on behind it. Prints how many sums were compared and at how many instructions it stopped.
#include <cpuid.h>
#include <signal.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "kernels/aligned.hpp"
#include "kernels/kernel.hpp"

using namespace eie::kernels;

namespace {

std::size_t upper_halves;  // of the vector registers: where they lie in the state that a signal saves
volatile long stops = 0;

struct Registers {
  std::uint8_t* state;
  std::uint8_t byte(unsigned number, unsigned k) const { return *at(number, k); }
  std::uint8_t* at(unsigned number, unsigned k) const {
    return state + (k < 16 ? 160 : upper_halves) + 16 * number + k % 16;
  }
};

// VEX.256.66.0F38.W0 50 /r between registers: c4, then ~R ~X ~B and the map, then W, ~vvvv, L and pp.
void stopped(int, siginfo_t*, void* context) {
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  const auto* code = reinterpret_cast<const std::uint8_t*>(machine.gregs[REG_RIP]);
  if (code[0] != 0xc4 || (code[1] & 31) != 2 || (code[2] & 0x87) != 5 || code[3] != 0x50 || code[4] >> 6 != 3) abort();
  const Registers registers{reinterpret_cast<std::uint8_t*>(machine.fpregs)};
  if (!(registers.state[512] & 4)) abort();  // no upper halves were saved
  const unsigned sum = (code[4] >> 3 & 7) | (~code[1] >> 7 & 1) << 3, b = (code[4] & 7) | (~code[1] >> 5 & 1) << 3;
  const unsigned a = ~code[2] >> 3 & 15;
  for (unsigned lane = 0; lane < 32; lane += 4) {
    std::int32_t total;
    std::memcpy(&total, registers.at(sum, lane), 4);
    for (unsigned k = lane; k < lane + 4; ++k)
      total += registers.byte(a, k) * static_cast<std::int8_t>(registers.byte(b, k));
    std::memcpy(registers.at(sum, lane), &total, 4);
  }
  machine.gregs[REG_RIP] += 5;
  stops = stops + 1;
}

}  // namespace

int main() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 2;
  unsigned size, offset = 0, c, d;
  __get_cpuid_count(13, 2, &size, &offset, &c, &d);
  upper_halves = offset;
  struct sigaction action = {};
  action.sa_sigaction = stopped;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &action, nullptr);

  std::mt19937 draw(1);
  long compared = 0;
  for (const auto& [outputs, inputs] : {std::pair<std::size_t, std::size_t>{1, 1}, {65, 40}, {130, 300}, {20, 1000}})
    for (double density : {0.0, 0.1, 1.0})
      for (std::uint8_t zero : {0, 127}) {
        std::bernoulli_distribution kept(density);
        std::vector<std::int64_t> starts{0};
        std::vector<std::uint32_t> columns;
        std::vector<std::uint8_t> codes;
        for (std::size_t row = 0; row < outputs; ++row) {
          for (std::uint32_t column = 0; column < inputs; ++column)
            if (kept(draw)) {
              columns.push_back(column);
              codes.push_back(static_cast<std::uint8_t>(1 + draw() % 15));
            }
          starts.push_back(static_cast<std::int64_t>(columns.size()));
        }
        Codebook codebook;
        for (int code = 0; code < 16; ++code) {
          codebook.integers.push_back(static_cast<std::int16_t>(code == 0 ? 0 : code == 1 ? -127 : code * 17 - 128));
          codebook.values.push_back(codebook.integers.back());
        }
        const Rows rows{outputs, inputs, starts.data(), columns.data(), codes.data(), 4};
        Aligned<std::uint8_t> x(inputs + padding);
        std::memset(x.data(), 0, inputs + padding);
        std::vector<std::uint32_t> active;
        for (std::uint32_t column = 0; column < inputs; ++column) {
          x.data()[column] = draw() % 3 ? static_cast<std::uint8_t>(draw() % 255) : zero;
          if (x.data()[column] != zero) active.push_back(column);
        }
        const Input<Int8> input{x.data(), zero, active.data(), active.size()};
        std::vector<std::int32_t> found(outputs, 1), expected(outputs, 2);
        std::int32_t *to_found = found.data(), *to_expected = expected.data();
        const auto window = make_window_avxvnni(rows, codebook);
        const auto readable = make_columns<Int8>(rows, codebook, 1);
        window->multiply(&input, 1, 0, window->parts(), &to_found);
        readable->multiply(&input, 1, 0, readable->parts(), &to_expected);
        if (found != expected) return 1;
        compared += static_cast<long>(outputs);
      }
  std::printf("%ld %ld\n", compared, static_cast<long>(stops));
}
