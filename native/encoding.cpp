// The encoding of docs/hardware.md, E1 to E9, between its two forms: codes by row, and interleaved CSC.
//
// Codes by row (CSR): for each output row, the columns that have a weight, ascending, and the weights' codes.
// Interleaved CSC: per PE and column, entries in ascending local row; an entry is a code in its low bits and, above it,
// the number of zeros since the entry before. Rows belong to PEs in turn, so both forms can be made from the other in one
// pass over the weights, row by row, with one counter per column of the PE at hand.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nanobind/stl/string.h>

#include "arrays.hpp"
#include "rooms.hpp"
#include "rows.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace eie {
namespace {

constexpr const char* changed = "the matrix has changed since it was validated, or has never been";

struct Shape {
  std::int64_t outputs, inputs, n_pe;
  int code_bits, index_bits;

  Shape(std::int64_t outputs, std::int64_t inputs, std::int64_t n_pe, int code_bits, int index_bits)
      : outputs(outputs), inputs(inputs), n_pe(n_pe), code_bits(code_bits), index_bits(index_bits) {
    if (outputs < 1 || inputs < 1 || n_pe < 1 || std::min(code_bits, index_bits) < 1 ||
        std::max(code_bits, index_bits) > 8)
      throw std::invalid_argument("outputs, inputs and PEs must be at least 1, code and index bits 1 to 8, not " +
                                  number(outputs) + ", " + number(inputs) + ", " + number(n_pe) + ", " +
                                  number(code_bits) + " and " + number(index_bits));
  }
  std::int64_t local_rows(std::int64_t pe) const { return pe < outputs ? (outputs - pe + n_pe - 1) / n_pe : 0; }
  std::uint32_t code_mask() const { return (1u << code_bits) - 1; }
  std::uint32_t largest_index() const { return (1u << index_bits) - 1; }
};

// Dense codes (outputs, inputs) -> row starts (outputs + 1), columns and codes of the non-zero ones.
nb::tuple rows_from_dense(Matrix<std::uint8_t> dense) {
  const std::size_t outputs = dense.shape(0), inputs = dense.shape(1);
  std::vector<std::int64_t> starts(outputs + 1, 0);
  std::vector<std::uint32_t> columns;
  std::vector<std::uint8_t> codes;
  {
    nb::gil_scoped_release release;
    for (std::size_t row = 0; row < outputs; ++row) {
      const std::uint8_t* values = dense.data() + row * inputs;
      starts[row + 1] = starts[row] + static_cast<std::int64_t>(inputs - std::count(values, values + inputs, 0));
    }
    columns.resize(starts[outputs]);
    codes.resize(starts[outputs]);
    for (std::size_t row = 0; row < outputs; ++row) {
      const std::uint8_t* values = dense.data() + row * inputs;
      std::size_t at = starts[row], column = 0;
      while (column < inputs) {
        std::uint64_t eight;  // most columns are empty: eight at a time
        if (column + 8 <= inputs && (std::memcpy(&eight, values + column, 8), eight == 0)) {
          column += 8;
          continue;
        }
        for (const std::size_t end = std::min(inputs, column + 8); column < end; ++column) {
          if (values[column] == 0) continue;
          columns[at] = static_cast<std::uint32_t>(column);
          codes[at++] = values[column];
        }
      }
    }
  }
  const std::size_t weights = columns.size();
  return nb::make_tuple(to_numpy(std::move(starts), {outputs + 1}), to_numpy(std::move(columns), {weights}),
                        to_numpy(std::move(codes), {weights}));
}

nb::object dense_from_rows(Vector<std::int64_t> starts, Vector<std::uint32_t> columns, Vector<std::uint8_t> codes,
                           std::int64_t outputs, std::int64_t inputs, std::uint64_t most_bytes) {
  std::vector<std::uint8_t> dense;
  {
    nb::gil_scoped_release release;
    const RowsView rows(starts, columns, codes, outputs, inputs);
    const Wide bytes = static_cast<Wide>(outputs) * static_cast<Wide>(inputs);
    dense.resize(affordable(number(outputs) + " x " + number(inputs) + " codes", bytes, most_bytes));
    for (std::int64_t row = 0; row < outputs; ++row)
      for (std::int64_t k = rows.starts[row]; k < rows.starts[row + 1]; ++k)
        dense[row * inputs + rows.columns[k]] = rows.codes[k];
  }
  return to_numpy(std::move(dense), {static_cast<std::size_t>(outputs), static_cast<std::size_t>(inputs)});
}

// Calls weight(column, code, gap) for every weight of one PE, row by row; gap = zeros since the column's last weight.
template <class Visit>
void for_each_weight(const Shape& shape, std::int64_t pe, const RowsView& rows, std::vector<std::uint32_t>& next_row,
                     Visit&& weight) {
  bool started = false;  // a PE without weights costs nothing per column
  std::uint32_t local = 0;
  for (std::int64_t row = pe; row < shape.outputs; row += shape.n_pe, ++local)
    for (std::int64_t k = rows.starts[row]; k < rows.starts[row + 1]; ++k) {
      if (!std::exchange(started, true)) std::fill(next_row.begin(), next_row.end(), 0);
      const std::uint32_t column = rows.columns[k];
      weight(column, rows.codes[k], local - next_row[column]);
      next_row[column] = local + 1;
    }
}

template <class Entry>
nb::tuple entries_from_rows(const Shape& shape, const RowsView& rows, std::uint64_t most_bytes) {
  const std::size_t stride = shape.inputs + 1;
  std::vector<std::uint32_t> pointers;
  std::vector<Entry> entries;
  {
    nb::gil_scoped_release release;
    const std::string what = "the pointers and entries of " + number(shape.outputs) + " x " + number(shape.inputs) +
                             " weights on " + number(shape.n_pe) + " PEs with " + number(shape.index_bits) +
                             " index bits";
    const Wide pointer_bytes = Wide{sizeof pointers[0]} * stride * static_cast<Wide>(shape.n_pe);
    pointers.resize(affordable(what, pointer_bytes, most_bytes) / sizeof pointers[0]);
    std::vector<std::uint32_t> next_row(shape.inputs), cursor(shape.inputs);
    // A column has no more entries than its PE has rows; all of a PE's can be more than a pointer holds.
    std::uint64_t total = 0;
    for (std::int64_t pe = 0; pe < shape.n_pe; ++pe) {
      std::uint32_t* pointer = pointers.data() + pe * stride;
      for_each_weight(shape, pe, rows, next_row, [&](std::uint32_t column, std::uint8_t, std::uint32_t gap) {
        pointer[column + 1] += (gap >> shape.index_bits) + 1;
      });
      std::uint64_t end = 0;
      for (std::int64_t column = 0; column < shape.inputs; ++column)
        pointer[column + 1] = static_cast<std::uint32_t>(end += pointer[column + 1]);
      if (end > std::numeric_limits<std::uint32_t>::max())
        throw std::invalid_argument("PE " + number(pe) + " of " + number(shape.n_pe) + " would have " + number(end) +
                                    " entries with " + number(shape.index_bits) +
                                    " index bits, more than 32-bit pointers reach: use more of either");
      total += end;
    }
    entries.resize(affordable(what, pointer_bytes + Wide{sizeof(Entry)} * total, most_bytes) > 0 ? total : 0);
    Entry* slice = entries.data();
    for (std::int64_t pe = 0; pe < shape.n_pe; ++pe) {
      const std::uint32_t* pointer = pointers.data() + pe * stride;
      std::copy(pointer, pointer + shape.inputs, cursor.begin());
      const Entry padding = static_cast<Entry>(shape.largest_index() << shape.code_bits);
      for_each_weight(shape, pe, rows, next_row, [&](std::uint32_t column, std::uint8_t code, std::uint32_t gap) {
        std::uint32_t& at = cursor[column];
        for (std::uint32_t skipped = gap >> shape.index_bits; skipped > 0; --skipped) slice[at++] = padding;
        slice[at++] = static_cast<Entry>(code | (gap & shape.largest_index()) << shape.code_bits);
      });
      slice += pointer[shape.inputs];
    }
  }
  const std::size_t n = entries.size();
  return nb::make_tuple(to_numpy(std::move(entries), {n}),
                        to_numpy(std::move(pointers), {static_cast<std::size_t>(shape.n_pe), stride}));
}

nb::tuple encode(Vector<std::int64_t> starts, Vector<std::uint32_t> columns, Vector<std::uint8_t> codes,
                 std::int64_t outputs, std::int64_t inputs, std::int64_t n_pe, int code_bits, int index_bits,
                 std::uint64_t most_bytes) {
  const Shape shape{outputs, inputs, n_pe, code_bits, index_bits};
  const RowsView rows(starts, columns, codes, outputs, inputs);
  return code_bits + index_bits <= 8 ? entries_from_rows<std::uint8_t>(shape, rows, most_bytes)
                                     : entries_from_rows<std::uint16_t>(shape, rows, most_bytes);
}

// Calls visit(pe, column, local row, code) for every entry, padding included. A matrix is decoded after it has passed
// check(), but may lie in a mapped file that another process writes to: it throws instead of reading out of bounds.
template <class Entry, class Visit>
void for_each_entry(const Shape& shape, const Vector<Entry>& all, const std::uint32_t* pointers, Visit&& visit) {
  const std::size_t stride = shape.inputs + 1;
  const Entry* entries = all.data();
  std::uint64_t left = all.size();
  for (std::int64_t pe = 0; pe < shape.n_pe; ++pe) {
    const std::uint32_t* pointer = pointers + pe * stride;
    const std::int64_t rows = shape.local_rows(pe);
    const std::uint32_t of_pe = pointer[shape.inputs];
    if (of_pe > left) throw std::invalid_argument(changed);
    if (of_pe == 0) continue;
    for (std::int64_t column = 0; column < shape.inputs; ++column) {
      std::int64_t row = -1;
      const std::uint32_t end = pointer[column + 1];
      if (end > of_pe) throw std::invalid_argument(changed);
      for (std::uint32_t e = pointer[column]; e < end; ++e) {
        const Entry entry = entries[e];
        row += (entry >> shape.code_bits) + 1;
        if (row >= rows) throw std::invalid_argument(changed);
        visit(pe, column, row, entry & shape.code_mask());
      }
    }
    entries += of_pe;
    left -= of_pe;
  }
}

Shape shape_of(const Matrix<std::uint32_t>& pointers, std::int64_t outputs, int code_bits, int index_bits) {
  return {outputs, static_cast<std::int64_t>(pointers.shape(1)) - 1, static_cast<std::int64_t>(pointers.shape(0)),
          code_bits, index_bits};
}

template <class Entry>
nb::tuple decode(Vector<Entry> entries, Matrix<std::uint32_t> pointers, std::int64_t outputs, int code_bits,
                 int index_bits) {
  const Shape shape = shape_of(pointers, outputs, code_bits, index_bits);
  std::vector<std::int64_t> starts(outputs + 1, 0);
  std::vector<std::uint32_t> columns;
  std::vector<std::uint8_t> codes;
  {
    nb::gil_scoped_release release;
    for_each_entry(shape, entries, pointers.data(), [&](auto pe, auto, auto row, std::uint32_t code) {
      if (code != 0) ++starts[row * shape.n_pe + pe + 1];
    });
    for (std::int64_t row = 0; row < outputs; ++row) starts[row + 1] += starts[row];
    columns.resize(starts[outputs]);
    codes.resize(starts[outputs]);
    std::vector<std::int64_t> cursor(starts.begin(), starts.end() - 1);
    for_each_entry(shape, entries, pointers.data(), [&](auto pe, auto column, auto row, std::uint32_t code) {
      if (code == 0) return;
      const std::int64_t at = cursor[row * shape.n_pe + pe]++;
      if (at >= starts[row * shape.n_pe + pe + 1]) throw std::invalid_argument(changed);
      columns[at] = static_cast<std::uint32_t>(column);
      codes[at] = static_cast<std::uint8_t>(code);
    });
  }
  const std::size_t weights = columns.size();
  return nb::make_tuple(to_numpy(std::move(starts), {static_cast<std::size_t>(outputs) + 1}),
                        to_numpy(std::move(columns), {weights}), to_numpy(std::move(codes), {weights}));
}

// Returns what is wrong with a matrix, or an empty string. Checks every bound before it reads.
template <class Entry>
std::string check(Vector<Entry> entries, Matrix<std::uint32_t> pointers, std::int64_t outputs, int code_bits,
                  int index_bits) {
  nb::gil_scoped_release release;
  const Shape shape = shape_of(pointers, outputs, code_bits, index_bits);
  const Entry* slice = entries.data();
  std::uint64_t left = entries.shape(0);
  for (std::int64_t pe = 0; pe < shape.n_pe; ++pe) {
    const std::uint32_t* pointer = pointers.data() + pe * (shape.inputs + 1);
    const std::string of_pe = " of PE " + number(pe);
    if (pointer[0] != 0) return "pointer 0" + of_pe + " is " + number(pointer[0]) + ", expected 0";
    if (pointer[shape.inputs] > left)
      return "pointer " + number(shape.inputs) + of_pe + " is " + number(pointer[shape.inputs]) + ", past the " +
             number(left) + " entries that are left";
    const std::int64_t rows = shape.local_rows(pe);
    if (pointer[shape.inputs] == 0 && std::all_of(pointer, pointer + shape.inputs, [](auto p) { return p == 0; }))
      continue;
    for (std::int64_t column = 0; column < shape.inputs; ++column) {
      const std::uint32_t first = pointer[column], end = pointer[column + 1];
      if (end < first)
        return "pointer " + number(column + 1) + of_pe + " is " + number(end) + ", less than the one before it, " +
               number(first);
      if (end > pointer[shape.inputs])
        return "pointer " + number(column + 1) + of_pe + " is " + number(end) + ", past the PE's last entry, " +
               number(pointer[shape.inputs]);
      std::int64_t row = -1;
      for (std::uint32_t e = first; e < end; ++e) {
        const std::uint32_t code = slice[e] & shape.code_mask(), index = slice[e] >> shape.code_bits;
        row += index + 1;
        const auto entry = [&] { return "entry " + number(e) + of_pe + ", column " + number(column) + ","; };
        if (index > shape.largest_index())
          return entry() + " has relative index " + number(index) + ", expected at most " +
                 number(shape.largest_index());
        if (row >= rows)
          return entry() + " is at local row " + number(row) + ", but the PE has " + number(rows) + " rows";
        if (code == 0 && index != shape.largest_index())
          return entry() + " is padding with relative index " + number(index) + ", expected " +
                 number(shape.largest_index());
        if (code == 0 && e + 1 == end) return entry() + " is padding and the last of its column, expected a weight";
      }
    }
    slice += pointer[shape.inputs];
    left -= pointer[shape.inputs];
  }
  return left == 0 ? "" : number(left) + " entries lie past the last PE's last pointer";
}

}  // namespace

void bind_encoding(nb::module_& m) {
  m.def("rows_from_dense", &rows_from_dense, "dense"_a);
  m.def("dense_from_rows", &dense_from_rows, "starts"_a, "columns"_a, "codes"_a, "outputs"_a, "inputs"_a,
        "most_bytes"_a);
  m.def("encode", &encode, "starts"_a, "columns"_a, "codes"_a, "outputs"_a, "inputs"_a, "n_pe"_a, "code_bits"_a,
        "index_bits"_a, "most_bytes"_a);
  m.def("decode", &decode<std::uint8_t>, "entries"_a, "pointers"_a, "outputs"_a, "code_bits"_a, "index_bits"_a);
  m.def("decode", &decode<std::uint16_t>, "entries"_a, "pointers"_a, "outputs"_a, "code_bits"_a, "index_bits"_a);
  m.def("check", &check<std::uint8_t>, "entries"_a, "pointers"_a, "outputs"_a, "code_bits"_a, "index_bits"_a);
  m.def("check", &check<std::uint16_t>, "entries"_a, "pointers"_a, "outputs"_a, "code_bits"_a, "index_bits"_a);
}

}  // namespace eie
