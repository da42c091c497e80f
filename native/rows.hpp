// Codes by row (CSR) from a caller: their checks, and the limit of the memory that they may make us allocate.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "arrays.hpp"

namespace eie {

inline std::string number(std::integral auto value) { return std::to_string(value); }

__extension__ typedef unsigned __int128 Wide;

// Returns `bytes` if they are at most `most`; throws std::invalid_argument, one sentence, otherwise.
inline std::size_t affordable(const std::string& what, Wide bytes, std::uint64_t most) {
  if (bytes > most)
    throw std::invalid_argument(what + " would take " +
                                (bytes >> 64 ? "2^64 or more" : number(static_cast<std::uint64_t>(bytes))) +
                                " bytes, more than the limit of " + number(most));
  return static_cast<std::size_t>(bytes);
}

// Checks codes by row from any caller; throws std::invalid_argument, one sentence, if they are not valid.
struct RowsView {
  const std::int64_t* starts;
  const std::uint32_t* columns;
  const std::uint8_t* codes;

  RowsView(const Vector<std::int64_t>& given, const Vector<std::uint32_t>& of_columns,
           const Vector<std::uint8_t>& of_codes, std::int64_t outputs, std::int64_t inputs)
      : starts(given.data()), columns(of_columns.data()), codes(of_codes.data()) {
    const auto weights = static_cast<std::int64_t>(of_columns.size());
    if (outputs < 1 || inputs < 1 || static_cast<std::int64_t>(given.size()) - 1 != outputs)
      throw std::invalid_argument("there are " + number(given.size()) + " row starts, expected outputs + 1 for " +
                                  number(outputs) + " x " + number(inputs) + " weights");
    if (of_codes.size() != of_columns.size())
      throw std::invalid_argument("there are " + number(of_codes.size()) + " codes and " + number(of_columns.size()) +
                                  " columns, expected as many of both");
    if (starts[0] != 0 || starts[outputs] != weights)
      throw std::invalid_argument("row starts are " + number(starts[0]) + " to " + number(starts[outputs]) +
                                  ", expected 0 to " + number(weights) + ", the weights");
    for (std::int64_t row = 0; row < outputs; ++row) {
      if (starts[row + 1] < starts[row])
        throw std::invalid_argument("row " + number(row + 1) + " starts at " + number(starts[row + 1]) +
                                    ", before the row above, which starts at " + number(starts[row]));
      // Rows ascend from 0, but this one may still end past the last weight.
      for (std::int64_t k = starts[row]; k < std::min(starts[row + 1], weights); ++k)
        if (columns[k] >= inputs || (k > starts[row] && columns[k] <= columns[k - 1]))
          throw std::invalid_argument("column " + number(columns[k]) + " of row " + number(row) +
                                      " is not above the one before it and below " + number(inputs));
    }
  }
};

}  // namespace eie
