// What the sliding windows for Int8 share: they differ in a step's layout and in the loop over steps.
#pragma once

#include "kernels/window.hpp"

namespace eie::kernels {

// `subtracted` is what the loop over steps takes off every activation of its window, to have a byte that its multiply
// instruction takes.
template <class Layout, std::int32_t subtracted>
class WindowInt8 : public Kernel<Int8> {
 public:
  WindowInt8(const Rows& rows, const Codebook& codebook) : window_(rows, codebook.values) {
    weights_ = weights_of<Int8>(codebook, 16, 0, weight_unit_);
    weight_sums_ = window_.weight_sums(rows, weights_);
  }

  std::size_t parts() const override { return window_.tiles.size(); }
  std::size_t bytes(std::size_t part) const override {
    return window_.bytes(window_.tiles[part]) + Layout::geometry.rows * sizeof weight_sums_[0];
  }

 protected:
  // Hands on `lanes`, the sums of the tile's steps, after adding its stragglers and setting right what activations are
  // counted from: `subtracted` in the steps, x.zero in truth.
  void finish(const Tile& tile, const Input<Int8>& x, std::int32_t* lanes, std::int32_t* sums) const {
    window_.template add_stragglers<Int8>(tile, x.values, weights_.data(), lanes, subtracted);
    const std::int32_t* weight_sums = weight_sums_.data() + tile.first_lane;
    if (const std::int32_t off = subtracted - x.zero)
      for (std::size_t lane = 0; lane < Layout::geometry.rows; ++lane) lanes[lane] += off * weight_sums[lane];
    window_.store(tile, lanes, sums);
  }

  Window<Layout> window_;
  std::vector<std::int8_t> weights_;       // by code
  std::vector<std::int32_t> weight_sums_;  // by lane
};

}  // namespace eie::kernels
