// The verilated chip behind its bus, driven through pipes by device/buses.py: reads requests, clocks, answers.
//
// A request is one byte, an address or count of four, data of four, and for S the transfers; all little-endian.
//   W address data    write a register            answers 1 byte, the response
//   R address         read a register             answers 1 byte, the response, and 4 of data
//   S count           send a stream's transfers   answers 1 byte, 0 when all have been taken
//   G count           get what the chip sends     answers 1 byte, 0 when all has come, and the transfers
//   I limit           wait for the interrupt      answers 1 byte, whether it is raised, after `limit` cycles at most
//   N                 tell the clock cycles since the start                      answers 8 bytes
// A chip that does not answer within kLongestScan cycles ends the program with code 3.
#include <verilated.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include "Veie_axi.h"
#include "harness_parameters.h"  // kDataBits, kLongestScan

namespace {

constexpr int stream_bytes() {
  int bits = 64;
  while (bits < kDataBits) bits *= 2;
  return bits / 8;
}
constexpr int kStreamBytes = stream_bytes();

class Bench {
 public:
  Bench() {
    chip_.aresetn = 0;
    chip_.scan_enable = 0;
    chip_.s_axil_awvalid = chip_.s_axil_wvalid = chip_.s_axil_arvalid = chip_.s_axis_tvalid = 0;
    chip_.s_axil_bready = chip_.s_axil_rready = chip_.m_axis_tready = 1;
    chip_.s_axil_wstrb = 0xf;
    cycle();
    chip_.aresetn = 1;
  }

  // Requests until there are no more; false where one makes no sense.
  bool serve() {
    std::uint8_t request[9];
    while (std::fread(request, 1, sizeof request, stdin) == sizeof request) {
      std::uint32_t address, data;
      std::memcpy(&address, request + 1, 4);
      std::memcpy(&data, request + 5, 4);
      switch (request[0]) {
        case 'W': answer(write(address, data)); break;
        case 'R': {
          answer(read(address));
          const std::uint32_t value = chip_.s_axil_rdata;
          std::fwrite(&value, 4, 1, stdout);
          break;
        }
        case 'S':
          if (!send(address)) return false;
          answer(0);
          break;
        case 'G':
          wait([&] { return sent_.size() >= address; });
          answer(0);
          for (; address > 0; --address) {
            std::fwrite(sent_.front().data(), kStreamBytes, 1, stdout);
            sent_.pop_front();
          }
          break;
        case 'I':
          for (; address > 0 && !chip_.irq; --address) cycle();
          answer(chip_.irq);
          break;
        case 'N': std::fwrite(&cycles_, 8, 1, stdout); break;
        default: return false;
      }
      std::fflush(stdout);
    }
    return true;
  }

 private:
  void answer(std::uint8_t byte) { std::fputc(byte, stdout); }

  // One clock cycle. The chip's outputs are those before its edge until the next one's inputs are there.
  void cycle() {
    edge();
    chip_.clk_low();
  }

  template <class Done>
  void wait(Done done) {
    for (long left = kLongestScan; !done(); --left) {
      if (left == 0) std::exit(3);
      cycle();
    }
  }

  struct Chip : Veie_axi {
    void clk_low() {
      aclk = 0;
      eval();
    }
  };

  void edge() {
    chip_.clk_low();
    if (chip_.m_axis_tvalid && chip_.m_axis_tready) keep_transfer();
    chip_.aclk = 1;
    chip_.eval();
    ++cycles_;
  }

  void keep_transfer() {
    sent_.emplace_back();
    std::memcpy(sent_.back().data(), &chip_.m_axis_tdata, kStreamBytes);
  }

  std::uint8_t write(std::uint32_t address, std::uint32_t data) {
    chip_.s_axil_awaddr = address & 0xfff;
    chip_.s_axil_wdata = data;
    chip_.s_axil_awvalid = chip_.s_axil_wvalid = 1;
    chip_.clk_low();
    wait([&] { return chip_.s_axil_awready && chip_.s_axil_wready; });
    cycle();
    chip_.s_axil_awvalid = chip_.s_axil_wvalid = 0;
    chip_.clk_low();
    wait([&] { return chip_.s_axil_bvalid; });
    return chip_.s_axil_bresp;
  }

  std::uint8_t read(std::uint32_t address) {
    chip_.s_axil_araddr = address & 0xfff;
    chip_.s_axil_arvalid = 1;
    chip_.clk_low();
    wait([&] { return chip_.s_axil_arready; });
    cycle();
    chip_.s_axil_arvalid = 0;
    chip_.clk_low();
    wait([&] { return chip_.s_axil_rvalid; });
    return chip_.s_axil_rresp;
  }

  bool send(std::uint32_t count) {
    std::vector<std::uint8_t> transfer(kStreamBytes);
    for (; count > 0; --count) {
      if (std::fread(transfer.data(), 1, kStreamBytes, stdin) != kStreamBytes) return false;
      std::memcpy(&chip_.s_axis_tdata, transfer.data(), kStreamBytes);
      chip_.s_axis_tvalid = 1;
      chip_.clk_low();
      wait([&] { return chip_.s_axis_tready; });
      cycle();
    }
    chip_.s_axis_tvalid = 0;
    chip_.clk_low();
    return true;
  }

  Chip chip_;
  std::deque<std::array<std::uint8_t, kStreamBytes>> sent_;
  std::uint64_t cycles_ = 0;
};

}  // namespace

int main() { return Bench().serve() ? 0 : 2; }
