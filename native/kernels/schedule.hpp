// The sliding window's schedule: which weight is multiplied in which step. EIE's activation queue, made static.
//
// A tile is some rows that advance together. In each step a window of `columns` consecutive activations is at hand, and
// every row takes up to `slots` of its weights out of it, in column order (earliest deadline first). The next window
// starts at the least column that any row still waits for. One row far behind would so hold up all others: while no
// more than `loss` of the weights have been given up, the waiting weight with the least column is given up instead, and
// becomes a straggler. Window steps and stragglers then add up to every weight exactly once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/kernel.hpp"

namespace eie::kernels {

struct Geometry {
  std::uint32_t columns;  // activations in a window
  int slots;  // weights that each row can take in a step
  std::size_t rows;  // in a tile
  double slot_cost;  // cycles that a slot takes, used or not: the schedule weighs them against a straggler's
};

constexpr double straggler_cost = 3;  // cycles

// Rows by falling number of weights, so that those of a tile are about equally long: a tile takes as long as its
// longest row.
inline std::vector<std::uint32_t> rows_by_length(const Rows& rows) {
  std::vector<std::uint32_t> order(rows.outputs);
  std::iota(order.begin(), order.end(), 0u);
  const auto length = [&](std::uint32_t r) { return rows.starts[r + 1] - rows.starts[r]; };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return length(a) > length(b); });
  return order;
}

// Calls for the rows tile[0] to tile[count - 1] (lanes 0 to count - 1), in the order of steps:
//   step(first column of the window); window starts never go back, and a window may end past the last column
//   place(lane, slot, offset in the window, code)
//   straggle(lane, column, code)
template <class Step, class Place, class Straggle>
void schedule(const Rows& rows, const std::uint32_t* tile, std::size_t count, const Geometry& geometry, double loss,
              Step&& step, Place&& place, Straggle&& straggle) {
  constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::int64_t> next(count);
  std::vector<std::uint32_t> waiting(count);  // the column that each row waits for: `none` when it is through
  const auto advance = [&](std::size_t lane) {
    waiting[lane] = next[lane] < rows.starts[tile[lane] + 1] ? rows.columns[next[lane]] : none;
  };
  for (std::size_t lane = 0; lane < count; ++lane) {
    next[lane] = rows.starts[tile[lane]];
    advance(lane);
  }
  double placed = 0, lost = 0;
  for (;;) {
    std::uint32_t first = *std::min_element(waiting.begin(), waiting.end());
    while (first != none && lost + 1 <= loss * placed) {
      const std::size_t lane = std::find(waiting.begin(), waiting.end(), first) - waiting.begin();
      straggle(lane, first, rows.codes[next[lane]++]);
      advance(lane);
      ++lost;
      first = *std::min_element(waiting.begin(), waiting.end());
    }
    if (first == none) return;
    step(first);
    for (std::size_t lane = 0; lane < count; ++lane)
      for (int slot = 0; slot < geometry.slots; ++slot) {
        if (waiting[lane] == none || waiting[lane] - first >= geometry.columns) break;
        place(lane, slot, waiting[lane] - first, rows.codes[next[lane]++]);
        advance(lane);
        ++placed;
      }
  }
}

// The share of stragglers that costs least, tried on a few tiles.
inline double choose_loss(const Rows& rows, const std::vector<std::uint32_t>& order, const Geometry& geometry) {
  const std::size_t tiles = (order.size() + geometry.rows - 1) / geometry.rows;
  double best_cost = std::numeric_limits<double>::infinity(), best = 0;
  for (double loss : {0.0, 0.002, 0.005, 0.01, 0.02, 0.04}) {
    std::size_t steps = 0, stragglers = 0;
    for (std::size_t tile = 0; tile < tiles; tile += std::max<std::size_t>(1, tiles / 2)) {
      const std::size_t first = tile * geometry.rows, count = std::min(geometry.rows, order.size() - first);
      schedule(
          rows, order.data() + first, count, geometry, loss, [&](auto) { ++steps; }, [](auto...) {},
          [&](auto...) { ++stragglers; });
    }
    const double slots = static_cast<double>(steps * geometry.slots * geometry.rows);
    const double cost = slots * geometry.slot_cost + static_cast<double>(stragglers) * straggler_cost;
    if (cost < best_cost) best_cost = cost, best = loss;
  }
  return best;
}

}  // namespace eie::kernels
