// Codes by row (CSR) from a caller, and their checks.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "arrays.hpp"
#include "limits.hpp"

namespace eie {

// Checks that `starts` cut `weights` weights into `outputs` rows; throws std::invalid_argument, one sentence, otherwise.
inline void check_starts(const Vector<std::int64_t>& starts, std::size_t weights, std::int64_t outputs) {
  const auto last = static_cast<std::int64_t>(weights);
  if (starts.data()[0] != 0 || starts.data()[outputs] != last)
    throw std::invalid_argument("row starts are " + number(starts.data()[0]) + " to " + number(starts.data()[outputs]) +
                                ", expected 0 to " + number(last) + ", the weights");
  for (std::int64_t row = 0; row < outputs; ++row)
    if (starts.data()[row + 1] < starts.data()[row])
      throw std::invalid_argument("row " + number(row + 1) + " starts at " + number(starts.data()[row + 1]) +
                                  ", before the row above, which starts at " + number(starts.data()[row]));
}

// Checks codes by row from any caller; throws std::invalid_argument, one sentence, if they are not valid.
struct RowsView {
  const std::int64_t* starts;
  const std::uint32_t* columns;
  const std::uint8_t* codes;

  RowsView(const Vector<std::int64_t>& given, const Vector<std::uint32_t>& of_columns,
           const Vector<std::uint8_t>& of_codes, std::int64_t outputs, std::int64_t inputs)
      : starts(given.data()), columns(of_columns.data()), codes(of_codes.data()) {
    if (outputs < 1 || inputs < 1 || static_cast<std::int64_t>(given.size()) - 1 != outputs)
      throw std::invalid_argument("there are " + number(given.size()) + " row starts, expected outputs + 1 for " +
                                  number(outputs) + " x " + number(inputs) + " weights");
    if (of_codes.size() != of_columns.size())
      throw std::invalid_argument("there are " + number(of_codes.size()) + " codes and " + number(of_columns.size()) +
                                  " columns, expected as many of both");
    check_starts(given, of_columns.size(), outputs);
    for (std::int64_t row = 0; row < outputs; ++row)
      for (std::int64_t k = starts[row]; k < starts[row + 1]; ++k)
        if (columns[k] >= inputs || (k > starts[row] && columns[k] <= columns[k - 1]))
          throw std::invalid_argument("column " + number(columns[k]) + " of row " + number(row) +
                                      " is not above the one before it and below " + number(inputs));
  }
};

}  // namespace eie
