// The loop over tiles, rows and runs of taps, whatever the instruction set, which brings `Lanes`: how many places are a
// vector, how many taps are taken together, and the loop over a run's groups of taps with the sums in registers.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "kernels/taps.hpp"

namespace eie::kernels {

// Some taps that are multiplied together. Where a run does not fill its last group, the rest have the weight 0.
template <std::size_t taps>
struct TapGroup {
  std::uint32_t offsets[taps];
  std::uint32_t weights;  // one float, two words or four bytes

  template <class Weight>
  void put(std::size_t tap, std::uint32_t offset, Weight weight) {
    offsets[tap] = offset;
    if constexpr (taps == 1)
      weights = std::bit_cast<std::uint32_t>(weight);
    else
      weights |= (static_cast<std::uint32_t>(weight) & (0xffffffffu >> (32 - 32 / taps))) << 32 / taps * tap;
  }
};

// One after the other, the runs of a row: `next` is the end of the first one's groups.
template <std::size_t taps>
struct TapRuns {
  const TapGroup<taps>* groups;  // of all rows
  std::size_t first;  // group of the first run
  const std::size_t* next;
  const std::size_t* last;  // run

  const TapGroup<taps>* begin() const { return groups + first; }
  const TapGroup<taps>* end() const { return groups + *next; }
  // Goes on to the next run; returns false where there is none.
  bool advance() {
    first = *next;
    return next++ != last;
  }
};

// `Lanes` has: Number, what the image is made of; pixels; vector, places in one; group, taps in one; most, vectors of a
// tile; template <most> tile(image, runs, sums), which stores the sums of `most` vectors. But for Int16 a row is one run.
template <class A, class Lanes>
class TapTiles final : public Taps<A> {
 public:
  using Sum = TapSum<A>;
  using Group = TapGroup<Lanes::group>;

  explicit TapTiles(const TapRowsOf<A>& rows) {
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      std::int64_t magnitudes = 0;
      std::size_t in_run = 0;
      for (std::size_t k = rows.starts[r]; k < rows.starts[r + 1]; ++k) {
        if constexpr (std::is_same_v<A, Int16>) {
          const std::int64_t magnitude = std::abs(static_cast<std::int64_t>(rows.weights[k]));
          if (magnitudes + magnitude > most_in_run<Int16>) {
            runs_.push_back(groups_.size());
            magnitudes = 0;
            in_run = 0;
          }
          magnitudes += magnitude;
        }
        if (in_run % Lanes::group == 0) {
          groups_.push_back({});
          for (std::uint32_t& offset : groups_.back().offsets) offset = rows.offsets[k];
        }
        groups_.back().put(in_run++ % Lanes::group, rows.offsets[k], rows.weights[k]);
      }
      runs_.push_back(groups_.size());
      ends_.push_back(runs_.size());
    }
  }

  Pixels pixels() const override { return Lanes::pixels; }
  std::size_t vector() const override { return Lanes::vector; }
  std::size_t bytes() const override {
    return groups_.size() * sizeof(Group) + (runs_.size() + ends_.size()) * sizeof runs_[0];
  }

  void multiply(const void* image, std::size_t places, std::size_t first, std::size_t end, Sum* sums,
                std::size_t stride) const override {
    const std::size_t vectors = (places + Lanes::vector - 1) / Lanes::vector;
    const std::size_t tiles = (vectors + Lanes::most - 1) / Lanes::most;
    const auto* numbers = static_cast<const typename Lanes::Number*>(image);
    for (std::size_t t = 0; t < tiles; ++t) {  // of about as many vectors each
      const std::size_t from = vectors * t / tiles, count = vectors * (t + 1) / tiles - from;
      loops(std::make_index_sequence<Lanes::most>{})[count - 1](*this, numbers + from * Lanes::vector, first, end,
                                                                sums + from * Lanes::vector, stride);
    }
  }

 private:
  using Loop = void (*)(const TapTiles&, const typename Lanes::Number*, std::size_t, std::size_t, Sum*, std::size_t);

  template <std::size_t... k>
  static constexpr std::array<Loop, sizeof...(k)> loops(std::index_sequence<k...>) {
    return {&rows<k + 1>...};
  }

  template <std::size_t vectors>
  static void rows(const TapTiles& taps, const typename Lanes::Number* image, std::size_t first, std::size_t end,
                   Sum* sums, std::size_t stride) {
    for (std::size_t r = first; r < end; ++r) {
      const std::size_t run = r == 0 ? 0 : taps.ends_[r - 1], group = run == 0 ? 0 : taps.runs_[run - 1];
      const std::size_t* runs = taps.runs_.data();
      Lanes::template tile<vectors>(
          image, TapRuns<Lanes::group>{taps.groups_.data(), group, runs + run, runs + taps.ends_[r] - 1},
          sums + r * stride);
    }
  }

  std::vector<Group> groups_;
  std::vector<std::size_t> runs_;  // by run: its last group's end
  std::vector<std::size_t> ends_;  // by row: its last run's end; every row has one
};

}  // namespace eie::kernels
