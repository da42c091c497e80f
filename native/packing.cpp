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
#include "rows.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace eie {
namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr int kLongestCode = 24;  // bits; code_lengths keeps within it
constexpr int kTableBits = 12;  // decoded at one look; longer codes are rare

// Calls weight(code, zeros since the weight before) for every weight, in the stream's order.
template <class Visit>
void for_each_flat(const RowsView& rows, std::int64_t outputs, std::int64_t inputs, Visit&& weight) {
  std::int64_t next = 0;  // the place after the entry before
  for (std::int64_t row = 0; row < outputs; ++row)
    for (std::int64_t k = rows.starts[row]; k < rows.starts[row + 1]; ++k) {
      const std::int64_t place = row * inputs + rows.columns[k];
      weight(rows.codes[k], static_cast<std::uint64_t>(place - next));
      next = place + 1;
    }
}

nb::tuple flat_encode(Vector<std::int64_t> starts, Vector<std::uint32_t> columns, Vector<std::uint8_t> codes,
                      std::int64_t inputs, int index_bits, std::uint64_t most_bytes) {
  if (index_bits < 1 || index_bits > 8)
    throw std::invalid_argument("index bits must be 1 to 8, not " + number(index_bits));
  Bytes out_codes, gaps;
  {
    nb::gil_scoped_release release;
    const auto outputs = static_cast<std::int64_t>(starts.size()) - 1;
    const RowsView rows(starts, columns, codes, outputs, inputs);
    Wide entries = 0;
    for_each_flat(rows, outputs, inputs, [&](auto, std::uint64_t zeros) { entries += (zeros >> index_bits) + 1; });
    const std::string what = "the flat stream of " + number(outputs) + " x " + number(inputs) + " weights with " +
                             number(index_bits) + " index bits";
    const std::size_t count = affordable(what, 2 * entries, most_bytes) / 2;
    out_codes.reserve(count);
    gaps.reserve(count);
    const std::uint64_t largest = (std::uint64_t{1} << index_bits) - 1;
    for_each_flat(rows, outputs, inputs, [&](std::uint8_t code, std::uint64_t zeros) {
      out_codes.insert(out_codes.end(), zeros >> index_bits, 0);
      gaps.insert(gaps.end(), zeros >> index_bits, static_cast<std::uint8_t>(largest));
      out_codes.push_back(code);
      gaps.push_back(static_cast<std::uint8_t>(zeros & largest));
    });
  }
  const std::size_t entries = gaps.size();
  return nb::make_tuple(to_numpy(std::move(out_codes), {entries}), to_numpy(std::move(gaps), {entries}));
}

nb::tuple flat_decode(Vector<std::uint8_t> codes, Vector<std::uint8_t> gaps, std::int64_t outputs,
                      std::int64_t inputs) {
  if (codes.size() != gaps.size())
    throw std::invalid_argument("there are " + number(codes.size()) + " codes and " + number(gaps.size()) +
                                " relative indices, expected as many of both");
  if (outputs < 1 || inputs < 1)
    throw std::invalid_argument("outputs and inputs must be at least 1, not " + number(outputs) + " and " +
                                number(inputs));
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
          problem = "entry " + number(e) + " lies past the last of the matrix's " + number(outputs) + " rows";
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
  std::array<std::uint32_t, kLongestCode + 2> first{};  // first code of each length
  std::array<std::uint32_t, kLongestCode + 2> offset{};  // its place in `symbols`
  std::array<std::uint32_t, kLongestCode + 2> count{};
  std::vector<std::uint8_t> symbols;  // by length, then by value

  explicit Canonical(const Vector<std::uint8_t>& lengths) {
    if (lengths.size() > 256) throw std::invalid_argument("a code has at most 256 symbols");
    for (std::size_t s = 0; s < lengths.size(); ++s) {
      if (lengths.data()[s] > kLongestCode)
        throw std::invalid_argument("the code of symbol " + number(s) + " has " + number(lengths.data()[s]) +
                                    " bits, expected at most " + number(kLongestCode));
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
      throw std::invalid_argument("symbol " + number(symbols.data()[k]) + " has no code");
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
  if (count > bytes.size() * 8)  // every symbol takes at least one bit; checked before memory is allocated
    throw std::invalid_argument(number(count) + " symbols do not fit " + number(bytes.size()) + " bytes");
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
      for (; have <= 56; have += 8)
        window |= static_cast<std::uint64_t>(at < bytes.size() ? bytes.data()[at++] : 0) << (56 - have);
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
  m.def("flat_encode", &flat_encode, "starts"_a, "columns"_a, "codes"_a, "inputs"_a, "index_bits"_a, "most_bytes"_a);
  m.def("flat_decode", &flat_decode, "codes"_a, "gaps"_a, "outputs"_a, "inputs"_a);
  m.def("huffman_encode", &huffman_encode, "symbols"_a, "lengths"_a);
  m.def("huffman_decode", &huffman_decode, "bytes"_a, "lengths"_a, "count"_a);
}

}  // namespace eie
