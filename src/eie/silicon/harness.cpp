// Runs a host program on the verilated chip and writes down every computing cycle; driven by cosimulation.py.
//
//   chip PROGRAM TRACE SUMS [CYCLES]
//
// With CYCLES the chip's assertions are left out, and it stops after so many cycles: to see where a fault leads.
//
// PROGRAM: words of one byte operation, one byte space, two bytes PE, four bytes address, kDataBytes bytes data.
//   operation 0 host write, 1 start one step and clock until it is complete, 2 read a word (its low 4 bytes to SUMS),
//   3 run steps of the table and clock until the chip is not busy
// TRACE: per cycle of a step or run, the record of record.py; it ends with a record whose `complete` is 1.
#include <verilated.h>

#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "Veie.h"
#include "harness_parameters.h"  // kDataBits, kLongestScan, EIE_RECORD

namespace {

constexpr int kDataBytes = (kDataBits + 31) / 32 * 4;

// Ports of up to 64 bits are integers, longer ones arrays of 32-bit words.
template <class Port>
std::uint64_t bits(const Port& port, int first, int count) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i) {
    const int at = first + i;
    std::uint64_t bit;
    if constexpr (std::is_integral_v<Port>)
      bit = static_cast<std::uint64_t>(port) >> at & 1;
    else
      bit = port[at / 32] >> (at % 32) & 1;
    value |= bit << i;
  }
  return value;
}

// A port must have no bit set beyond its width: what is written there is compared as it is.
template <class Port>
void set_bytes(Port& port, const std::uint8_t* bytes) {
  if constexpr (std::is_integral_v<Port>) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes, kDataBytes < 8 ? kDataBytes : 8);
    port = static_cast<Port>(kDataBits < 64 ? value & ((std::uint64_t{1} << kDataBits % 64) - 1) : value);
  } else {
    for (int word = 0; word * 4 < kDataBytes; ++word) std::memcpy(&port[word], bytes + 4 * word, 4);
    if (kDataBits % 32) port[kDataBits / 32] &= (std::uint32_t{1} << kDataBits % 32) - 1;
  }
}

class Bench {
 public:
  Bench(std::FILE* program, std::FILE* trace, std::FILE* sums, long cycles_left)
      : program_(program), trace_(trace), sums_(sums), cycles_left_(cycles_left) {
    chip_.reset = 1;
    chip_.scan_enable = 0;
    chip_.host_write = 0;
    chip_.host_read = 0;
    clock();
    chip_.reset = 0;
  }

  void run() {
    std::uint8_t word[8 + kDataBytes];
    while (std::fread(word, 1, sizeof word, program_) == sizeof word) {
      std::uint16_t pe;
      std::uint32_t address;
      std::memcpy(&pe, word + 2, 2);
      std::memcpy(&address, word + 4, 4);
      chip_.host_write = word[0] != 2;
      chip_.host_read = word[0] == 2;
      chip_.host_space = word[1];
      chip_.host_pe = static_cast<std::decay_t<decltype(chip_.host_pe)>>(pe);
      chip_.host_address = static_cast<std::decay_t<decltype(chip_.host_address)>>(address);
      set_bytes(chip_.host_data, word + 8);
      if (word[0] == 2) {
        for (int step = 0; step < 3; ++step) clock();
        const auto sum = static_cast<std::uint32_t>(bits(chip_.host_read_data, 0, 32));
        std::fwrite(&sum, sizeof sum, 1, sums_);
        continue;
      }
      clock();
      chip_.host_write = 0;
      if (word[0] == 1 || word[0] == 3) compute();
      if (cycles_left_ <= 0) return;
    }
  }

 private:
  void clock() {
    chip_.clk = 0;
    chip_.eval();
    chip_.clk = 1;
    chip_.eval();
  }

  void compute() {
    for (long cycle = 0; cycle < kLongestScan; ++cycle) {
      chip_.clk = 0;
      chip_.eval();
      if (--cycles_left_ <= 0) return;
      record();
      const bool finished = chip_.finished;
      chip_.clk = 1;
      chip_.eval();
      if (finished) return;
    }
    std::fprintf(stderr, "the chip is not finished after %ld cycles\n", kLongestScan);
    std::exit(3);
  }

  void put(std::uint64_t value, int bytes) { std::fwrite(&value, 1, bytes, trace_); }

  void record() {
#define EIE_PUT(port, places, width, bytes) \
  for (int place = 0; place < (places); ++place) put(bits(chip_.port, place*(width), width), bytes);
    EIE_RECORD(EIE_PUT)
#undef EIE_PUT
  }

  Veie chip_;
  std::FILE* program_;
  std::FILE* trace_;
  std::FILE* sums_;
  long cycles_left_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) return 2;
  if (argc == 5) Verilated::assertOn(false);
  std::FILE* program = std::fopen(argv[1], "rb");
  std::FILE* trace = std::fopen(argv[2], "wb");
  std::FILE* sums = std::fopen(argv[3], "wb");
  if (!program || !trace || !sums) return 2;
  Bench(program, trace, sums, argc == 5 ? std::atol(argv[4]) : LONG_MAX).run();
  return std::fclose(trace) == 0 && std::fclose(sums) == 0 ? 0 : 2;
}
