// The sliding-window design, whatever the instruction set: tiles of scheduled slots, and the stragglers that follow
// each.
//
// An instruction set brings the layout of a step's slots and the loop over steps; here is all that is the same.
#pragma once

#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

#include "kernels/aligned.hpp"
#include "kernels/schedule.hpp"

namespace eie::kernels {

// A weight that found no step: its column, its lane in the tile and its code, in one word.
struct Straggler {
  static constexpr std::uint32_t largest_column = (1u << 20) - 1;
  static std::uint32_t pack(std::uint32_t column, std::size_t lane, std::uint32_t code) {
    return column << 12 | static_cast<std::uint32_t>(lane) << 4 | code;
  }
  static std::uint32_t column(std::uint32_t word) { return word >> 12; }
  static std::uint32_t lane(std::uint32_t word) { return word >> 4 & 255; }
  static std::uint32_t code(std::uint32_t word) { return word & 15; }
};

// Calls call(n, i), n a constant, for the inputs i to i + n - 1 of `batch`: in fours, then in pairs, then one.
template <class Call>
void in_fours(std::size_t batch, Call&& call) {
  std::size_t i = 0;
  for (; i + 4 <= batch; i += 4) call(std::integral_constant<std::size_t, 4>{}, i);
  for (; i + 2 <= batch; i += 2) call(std::integral_constant<std::size_t, 2>{}, i);
  if (i < batch) call(std::integral_constant<std::size_t, 1>{}, i);
}

// What the design can hold: 4-bit codes, and columns that a straggler's word can name.
inline bool fits_window(const Rows& rows) { return rows.code_bits <= 4 && rows.inputs <= Straggler::largest_column; }
static_assert(Straggler::largest_column <= most_products);

struct Tile {
  std::size_t first_lane;  // in `row`
  std::size_t first_step, steps, first_run;
  std::size_t slots;       // offset in bytes of its first step's slots
  std::size_t first_straggler, stragglers;
};

// `Layout` has: static constexpr Geometry geometry; static constexpr std::size_t step_bytes;
// static void put(std::uint8_t* step, lane, slot, offset, code).
template <class Layout>
struct Window {
  std::vector<Tile> tiles;
  std::vector<std::uint32_t> row;         // by lane; `absent` for a lane without a row
  std::vector<std::uint32_t> first;       // by step: the window's first column
  std::vector<std::uint32_t> runs;        // by tile, one after the other: the steps after each run
  std::vector<std::uint32_t> stragglers;  // see Straggler; by column within a tile
  Aligned<std::uint8_t> slots;

  static constexpr std::uint32_t absent = 0xffffffff;

  // `magnitude` is by code: in a run of steps they add up to `most` at most, whatever the row.
  Window(const Rows& rows, const std::vector<std::int64_t>& magnitude, std::int64_t most) {
    constexpr Geometry geometry = Layout::geometry;
    const std::vector<std::uint32_t> order = rows_by_length(rows);
    const double loss = choose_loss(rows, order, geometry);
    std::vector<std::uint8_t> bytes;
    bytes.reserve(rows.weights() * 2);
    std::vector<std::int64_t> before(geometry.rows), now(geometry.rows);  // of a run: up to this step, and in it
    for (std::size_t from = 0; from < order.size(); from += geometry.rows) {
      const std::size_t count = std::min(geometry.rows, order.size() - from);
      Tile tile{row.size(), first.size(), 0, runs.size(), bytes.size(), stragglers.size(), 0};
      std::fill(before.begin(), before.end(), 0);
      std::fill(now.begin(), now.end(), 0);
      row.insert(row.end(), order.begin() + from, order.begin() + from + count);
      row.resize(tile.first_lane + geometry.rows, absent);
      schedule(
          rows, order.data() + from, count, geometry, loss,
          [&](std::uint32_t column) {
            ++tile.steps;
            for (std::size_t lane = 0; lane < geometry.rows; ++lane) before[lane] += std::exchange(now[lane], 0);
            first.push_back(column);
            bytes.resize(bytes.size() + Layout::step_bytes, 0);
          },
          [&](std::size_t lane, int slot, std::uint32_t offset, std::uint8_t code) {
            Layout::put(bytes.data() + bytes.size() - Layout::step_bytes, lane, slot, offset, code);
            now[lane] += magnitude[code];
            if (before[lane] + now[lane] <= most) return;
            runs.push_back(static_cast<std::uint32_t>(tile.steps - 1));
            std::fill(before.begin(), before.end(), 0);
          },
          [&](std::size_t lane, std::uint32_t column, std::uint8_t code) {
            stragglers.push_back(Straggler::pack(column, lane, code));
          });
      std::sort(stragglers.begin() + tile.first_straggler, stragglers.end());
      tile.stragglers = stragglers.size() - tile.first_straggler;
      runs.push_back(static_cast<std::uint32_t>(tile.steps));
      tiles.push_back(tile);
    }
    slots = Aligned<std::uint8_t>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), slots.data());
  }

  std::size_t bytes(const Tile& tile) const {
    return tile.steps * (Layout::step_bytes + sizeof first[0]) + tile.stragglers * sizeof stragglers[0];
  }

  // Asks memory for what the loop over the steps of tile `t` does not stream: its rows and stragglers, which are needed
  // at its end, and where the next tile's windows start.
  void prefetch(std::size_t t) const {
    const auto ask = [](const std::uint32_t* from, std::size_t count) {
      for (std::size_t k = 0; k < count; k += 64 / sizeof *from) __builtin_prefetch(from + k);
    };
    ask(row.data() + tiles[t].first_lane, Layout::geometry.rows);
    ask(stragglers.data() + tiles[t].first_straggler, tiles[t].stragglers);
    if (t + 1 < tiles.size()) ask(first.data() + tiles[t + 1].first_step, tiles[t + 1].steps);
  }

  // Adds the stragglers of `tile` to its lanes' sums, the activation being x less `zero`.
  template <class A>
  void add_stragglers(const Tile& tile, const typename A::Activation* x, const typename A::Weight* weights,
                      typename A::Sum* lanes, typename A::Activation zero = 0) const {
    const std::uint32_t* word = stragglers.data() + tile.first_straggler;
    for (std::size_t k = 0; k < tile.stragglers; ++k)
      lanes[Straggler::lane(word[k])] +=
          A::product(weights[Straggler::code(word[k])], x[Straggler::column(word[k])] - zero);
  }

  // What each lane's weights add up to.
  template <class Sum, class Weight>
  std::vector<Sum> weight_sums(const Rows& rows, const std::vector<Weight>& weights) const {
    std::vector<Sum> sums(row.size(), 0);
    for (std::size_t lane = 0; lane < row.size(); ++lane) {
      if (row[lane] == absent) continue;
      for (std::int64_t k = rows.starts[row[lane]]; k < rows.starts[row[lane] + 1]; ++k)
        sums[lane] += weights[rows.codes[k]];
    }
    return sums;
  }

  template <class Sum>
  void store(const Tile& tile, const Sum* lanes, Sum* sums) const {
    const std::uint32_t* to = row.data() + tile.first_lane;
    for (std::size_t lane = 0; lane < Layout::geometry.rows && to[lane] != absent; ++lane) sums[to[lane]] = lanes[lane];
  }
};

// What the window kernels share: they differ in a step's layout and in the loop over steps. `subtracted` is what that
// loop takes off every activation, to have bytes that its multiply instruction takes.
template <class A, class Layout, std::int32_t subtracted = 0>
class WindowKernel : public Kernel<A> {
 public:
  WindowKernel(const Rows& rows, const Codebook& codebook)
      : window_(rows, magnitudes(codebook), most_of_run()), weights_(weights_of<A>(codebook, 16, this->weight_unit_)) {
    if constexpr (shifted) weight_sums_ = window_.template weight_sums<typename A::Sum>(rows, weights_);
  }

  std::size_t parts() const override { return window_.tiles.size(); }
  std::size_t bytes(std::size_t part) const override {
    const std::size_t sums = shifted ? Layout::geometry.rows * sizeof weight_sums_[0] : 0;
    return window_.bytes(window_.tiles[part]) + sums;
  }

 private:
  static constexpr bool shifted = std::is_same_v<A, Int8> || subtracted != 0;
  static constexpr bool counted = requires { Layout::products_of_run; };

  // What bounds a run: the |weights|, or where the layout says so, the number of products.
  static constexpr std::int64_t most_of_run() {
    if constexpr (counted) return Layout::products_of_run;
    return most_in_run<A>;
  }
  // Numbers that no sum carries on have none: all steps are one run.
  static std::vector<std::int64_t> magnitudes(const Codebook& codebook) {
    std::vector<std::int64_t> found(codebook.values.size(), counted ? 1 : 0);
    if constexpr (!counted && std::is_same_v<typename A::Sum, std::int64_t>)
      for (std::size_t code = 0; code < found.size(); ++code) found[code] = std::abs(int{codebook.integers[code]});
    return found;
  }

 protected:
  // Hands on `lanes`, the sums of the tile's steps, after adding its stragglers and setting right what activations are
  // counted from: `subtracted` in the steps, x.zero in truth.
  void finish(const Tile& tile, const Input<A>& x, typename A::Sum* lanes, typename A::Sum* sums) const {
    window_.template add_stragglers<A>(tile, x.values, weights_.data(), lanes, subtracted);
    if constexpr (shifted) {
      const typename A::Sum* weight_sums = weight_sums_.data() + tile.first_lane;
      if (const std::int32_t off = subtracted - x.zero)
        for (std::size_t lane = 0; lane < Layout::geometry.rows; ++lane) lanes[lane] += off * weight_sums[lane];
    }
    window_.store(tile, lanes, sums);
  }

  Window<Layout> window_;
  std::vector<typename A::Weight> weights_;  // by code
  std::vector<typename A::Sum> weight_sums_;  // by lane, where activations are shifted
};

// A window kernel that takes inputs one by one: from the second on, a tile is in the cache. `multiply_steps` adds what
// a tile's steps give for one input: (slots, window starts, steps, runs' ends, activations, weights, lanes).
template <class A, class Layout, auto multiply_steps, std::int32_t subtracted = 0>
class WindowOneByOne final : public WindowKernel<A, Layout, subtracted> {
  using WindowKernel<A, Layout, subtracted>::WindowKernel;

  void multiply(const Input<A>* x, std::size_t batch, std::size_t first, std::size_t end,
                typename A::Sum* const* sums) const override {
    const Window<Layout>& window = this->window_;
    for (std::size_t part = first; part < end; ++part) {
      const Tile& tile = window.tiles[part];
      window.prefetch(part);
      for (std::size_t i = 0; i < batch; ++i) {
        alignas(64) typename A::Sum lanes[Layout::geometry.rows] = {};
        multiply_steps(window.slots.data() + tile.slots, window.first.data() + tile.first_step, tile.steps,
                       window.runs.data() + tile.first_run, x[i].values, this->weights_.data(), lanes);
        this->finish(tile, x[i], lanes, sums[i]);
      }
    }
  }
};

}  // namespace eie::kernels
