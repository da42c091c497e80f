// A matrix's codes as the smallest stream of bits, and back: relative indices over the whole matrix, Huffman-coded.
//
// The flat stream is Deep Compression's: the matrix row by row as one vector, each entry a code and the number of zeros
// since the entry before; a gap too long for its bits is bridged by fillers (code 0, the largest index), as in
// the chip's columns (docs/hardware.md, E4). Huffman codes are canonical: shorter ones first, equal lengths in the order
// of their symbols, most significant bit first; so the lengths alone describe them.

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <nanobind/stl/string.h>

#include "arrays.hpp"
#include "rooms.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace eie {
namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr int kLongestCode = 24;  // bits; code_lengths keeps within it
constexpr int kTableBits = 12;    // decoded at one look; longer codes are rare

nb::tuple flat_encode(Vector<std::int64_t> starts, Vector<std::uint32_t> columns, Vector<std::uint8_t> codes,
                      std::int64_t inputs, int index_bits) {
  Bytes out_codes, gaps;
  {
    nb::gil_scoped_release release;
    const std::int64_t largest = (std::int64_t{1} << index_bits) - 1;
    out_codes.reserve(codes.size());
    gaps.reserve(codes.size());
    std::int64_t next = 0;  // the place after the entry before
    for (std::size_t row = 0; row + 1 < starts.size(); ++row)
      for (std::int64_t k = starts.data()[row]; k < starts.data()[row + 1]; ++k) {
        const std::int64_t place = static_cast<std::int64_t>(row) * inputs + columns.data()[k];
        std::int64_t zeros = place - next;
        for (; zeros > largest; zeros -= largest + 1) {
          out_codes.push_back(0);
          gaps.push_back(static_cast<std::uint8_t>(largest));
        }
        out_codes.push_back(codes.data()[k]);
        gaps.push_back(static_cast<std::uint8_t>(zeros));
        next = place + 1;
      }
  }
  const std::size_t entries = gaps.size();
  return nb::make_tuple(to_numpy(std::move(out_codes), {entries}), to_numpy(std::move(gaps), {entries}));
}

nb::tuple flat_decode(Vector<std::uint8_t> codes, Vector<std::uint8_t> gaps, std::int64_t outputs,
                      std::int64_t inputs) {
  if (codes.size() != gaps.size())
    throw std::invalid_argument("there are " + std::to_string(codes.size()) + " codes and " +
                                std::to_string(gaps.size()) + " relative indices, expected as many of both");
  std::vector<std::int64_t> starts(outputs + 1, 0);
  std::vector<std::uint32_t> columns;
  Bytes kept;
  std::string problem;
  {
    nb::gil_scoped_release release;
    columns.reserve(codes.size());
    kept.reserve(codes.size());
    std::int64_t row = 0, column = -1;
    for (std::size_t e = 0; e < codes.size(); ++e) {
      column += gaps.data()[e] + 1;
      while (column >= inputs) {
        column -= inputs;
        starts[++row < outputs ? row : outputs] = static_cast<std::int64_t>(columns.size());
        if (row >= outputs) {
          problem = "entry " + std::to_string(e) + " lies past the last of the matrix's " + std::to_string(outputs) +
                    " rows";
          break;
        }
      }
      if (!problem.empty()) break;
      if (codes.data()[e] == 0) continue;
      columns.push_back(static_cast<std::uint32_t>(column));
      kept.push_back(codes.data()[e]);
    }
    while (row < outputs) starts[++row] = static_cast<std::int64_t>(columns.size());
  }
  if (!problem.empty()) throw std::invalid_argument(problem);
  const std::size_t weights = columns.size();
  return nb::make_tuple(to_numpy(std::move(starts), {static_cast<std::size_t>(outputs) + 1}),
                        to_numpy(std::move(columns), {weights}), to_numpy(std::move(kept), {weights}));
}

// The canonical code of each symbol, from the lengths; throws where they are no prefix code.
struct Canonical {
  std::array<std::uint32_t, 256> code{};
  std::array<std::uint32_t, kLongestCode + 2> first{};   // first code of each length
  std::array<std::uint32_t, kLongestCode + 2> offset{};  // its place in `symbols`
  std::array<std::uint32_t, kLongestCode + 2> count{};
  std::vector<std::uint8_t> symbols;  // by length, then by value

  explicit Canonical(const Vector<std::uint8_t>& lengths) {
    if (lengths.size() > 256) throw std::invalid_argument("a code has at most 256 symbols");
    for (std::size_t s = 0; s < lengths.size(); ++s) {
      if (lengths.data()[s] > kLongestCode)
        throw std::invalid_argument("the code of symbol " + std::to_string(s) + " has " +
                                    std::to_string(lengths.data()[s]) + " bits, expected at most " +
                                    std::to_string(kLongestCode));
      if (lengths.data()[s] > 0) ++count[lengths.data()[s]];
    }
    std::uint64_t next = 0;
    for (int length = 1; length <= kLongestCode; ++length) {
      next <<= 1;
      first[length] = static_cast<std::uint32_t>(next);
      offset[length] = static_cast<std::uint32_t>(symbols.size());
      for (std::size_t s = 0; s < lengths.size(); ++s)
        if (lengths.data()[s] == length) {
          code[s] = static_cast<std::uint32_t>(next++);
          symbols.push_back(static_cast<std::uint8_t>(s));
        }
      if (next > (std::uint64_t{1} << length)) throw std::invalid_argument("the code lengths are of no prefix code");
    }
  }
};

nb::object huffman_encode(Vector<std::uint8_t> symbols, Vector<std::uint8_t> lengths) {
  const Canonical canonical(lengths);
  for (std::size_t k = 0; k < symbols.size(); ++k)
    if (symbols.data()[k] >= lengths.size() || lengths.data()[symbols.data()[k]] == 0)
      throw std::invalid_argument("symbol " + std::to_string(symbols.data()[k]) + " has no code");
  Bytes bytes;
  {
    nb::gil_scoped_release release;
    std::uint64_t pending = 0;
    int bits = 0;
    for (std::size_t k = 0; k < symbols.size(); ++k) {
      const std::uint8_t symbol = symbols.data()[k];
      pending = pending << lengths.data()[symbol] | canonical.code[symbol];
      for (bits += lengths.data()[symbol]; bits >= 8; bits -= 8)
        bytes.push_back(static_cast<std::uint8_t>(pending >> (bits - 8)));
    }
    if (bits > 0) bytes.push_back(static_cast<std::uint8_t>(pending << (8 - bits)));
  }
  const std::size_t size = bytes.size();
  return to_numpy(std::move(bytes), {size});
}

nb::object huffman_decode(Vector<std::uint8_t> bytes, Vector<std::uint8_t> lengths, std::size_t count) {
  const Canonical canonical(lengths);
  if (count > bytes.size() * 8)  // every symbol has a bit at least; nothing is allocated for a lie
    throw std::invalid_argument(std::to_string(count) + " symbols do not fit " + std::to_string(bytes.size()) +
                                " bytes");
  Bytes symbols(count);
  bool whole = true;
  {
    nb::gil_scoped_release release;
    struct Look {
      std::uint8_t symbol, length;  // length 0: the code is longer than the table, or none
    };
    std::vector<Look> table(std::size_t{1} << kTableBits, Look{0, 0});
    for (std::size_t s = 0; s < lengths.size(); ++s) {
      const int length = lengths.data()[s];
      if (length == 0 || length > kTableBits) continue;
      const std::size_t from = static_cast<std::size_t>(canonical.code[s]) << (kTableBits - length);
      std::fill_n(table.begin() + from, std::size_t{1} << (kTableBits - length),
                  Look{static_cast<std::uint8_t>(s), static_cast<std::uint8_t>(length)});
    }
    std::uint64_t window = 0;  // the next bits, from the top
    int have = 0;
    std::size_t at = 0;
    std::int64_t left = static_cast<std::int64_t>(bytes.size()) * 8;
    for (std::size_t k = 0; k < count && whole; ++k) {
      for (; have <= 56; have += 8) window |= static_cast<std::uint64_t>(at < bytes.size() ? bytes.data()[at++] : 0) << (56 - have);
      const Look look = table[window >> (64 - kTableBits)];
      int length = look.length;
      symbols[k] = look.symbol;
      if (length == 0) {
        whole = false;
        for (length = kTableBits + 1; length <= kLongestCode; ++length) {
          const auto code = static_cast<std::uint32_t>(window >> (64 - length));
          if (canonical.count[length] > 0 && code >= canonical.first[length] &&
              code - canonical.first[length] < canonical.count[length]) {
            symbols[k] = canonical.symbols[canonical.offset[length] + code - canonical.first[length]];
            whole = true;
            break;
          }
        }
        if (!whole) break;
      }
      window <<= length;
      have -= length;
      left -= length;
      whole = left >= 0;
    }
  }
  if (!whole) throw std::invalid_argument("the bits end, or have no meaning, before the last symbol");
  return to_numpy(std::move(symbols), {count});
}

}  // namespace

void bind_packing(nb::module_& m) {
  m.def("flat_encode", &flat_encode, "starts"_a, "columns"_a, "codes"_a, "inputs"_a, "index_bits"_a);
  m.def("flat_decode", &flat_decode, "codes"_a, "gaps"_a, "outputs"_a, "inputs"_a);
  m.def("huffman_encode", &huffman_encode, "symbols"_a, "lengths"_a);
  m.def("huffman_decode", &huffman_decode, "bytes"_a, "lengths"_a, "count"_a);
}

}  // namespace eie
