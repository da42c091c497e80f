// Columns as bitmasks: which rows of a column have a weight, one bit each, and the weights of those rows in a row.
//
// A column is read only where its input is active, so its bytes lie together: 8 bytes of bits for every 64 rows (a
// group), then group by group the weights that are there. A weight is its code in 4 bits, each group beginning on a
// byte, or, where codes are wider, the weight itself: first the lower bytes of a group's weights, then, in Int16, the upper
// ones. That is 1 bit per position and 4, 8 or 16 per weight.
#pragma once

#include <bit>
#include <cstring>

#include "kernels/aligned.hpp"
#include "kernels/kernel.hpp"

namespace eie::kernels {

template <class Weight>
class Bitmask {
 public:
  static constexpr std::size_t group_rows = 64;
  // In a part: its sums, of 32 bits or twice as many, take half of an L1 cache.
  static constexpr std::size_t most_rows = 4096 / sizeof(Weight);

  // Some consecutive rows.
  struct Part {
    std::size_t first_row, rows, groups;
    std::vector<std::uint32_t> start;  // (inputs + 1): where each column begins in `data`, in units of 8 bytes
    Aligned<std::uint8_t> data;

    const std::uint8_t* column(std::size_t c) const { return data.data() + std::size_t{8} * start[c]; }
    std::size_t bytes() const { return data.size() + start.size() * sizeof start[0]; }
  };

  // `weights` are those of the codes; `parts_wanted` is the number of threads that are to share the layer.
  Bitmask(const Rows& rows, const std::vector<Weight>& weights, std::size_t parts_wanted)
      : packed_(rows.code_bits <= 4) {
    const std::size_t wanted = (rows.outputs + parts_wanted - 1) / parts_wanted;
    const std::size_t size = std::min(most_rows, (wanted + group_rows - 1) / group_rows * group_rows);
    for (std::size_t first = 0; first < rows.outputs; first += size)
      parts_.push_back(part_of(rows, weights, first, std::min(first + size, rows.outputs)));
  }

  const std::vector<Part>& parts() const { return parts_; }
  bool packed() const { return packed_; }

  // The row that bit `bit` of a group stands for, and the bit of a row: the vector kernel's interleaving of four
  // columns moves sums from the one to the other.
  static constexpr std::size_t row_of_bit(std::size_t bit) { return bit / 4 % 4 * 16 + bit / 16 * 4 + bit % 4; }
  static constexpr std::size_t bit_of_row(std::size_t row) { return row_of_bit(row); }

 private:
  static constexpr std::size_t overrun = 64;  // bytes that a kernel may load past a column's end

  Part part_of(const Rows& rows, const std::vector<Weight>& weights, std::size_t first, std::size_t end) const {
    Part part{first, end - first, (end - first + group_rows - 1) / group_rows, {}, {}};
    const auto each_weight = [&](auto&& call) {
      for (std::size_t r = first; r < end; ++r)
        for (std::int64_t k = rows.starts[r]; k < rows.starts[r + 1]; ++k)
          call(rows.columns[k] * part.groups + (r - first) / group_rows, bit_of_row((r - first) % group_rows),
               rows.codes[k]);
    };
    std::vector<std::uint64_t> masks(rows.inputs * part.groups, 0);
    each_weight([&](std::size_t at, std::size_t bit, std::uint8_t) { masks[at] |= std::uint64_t{1} << bit; });

    part.start.push_back(0);
    std::vector<std::uint32_t> offset(masks.size());  // of each group's weights within its column
    for (std::size_t c = 0; c < rows.inputs; ++c) {
      std::size_t bytes = 8 * part.groups;
      for (std::size_t at = c * part.groups; at < (c + 1) * part.groups; ++at) {
        offset[at] = static_cast<std::uint32_t>(bytes);
        bytes += bytes_of(std::popcount(masks[at]));
      }
      part.start.push_back(part.start.back() + static_cast<std::uint32_t>((bytes + 7) / 8));
    }

    part.data = Aligned<std::uint8_t>(std::size_t{8} * part.start.back() + overrun);
    for (std::size_t c = 0; c < rows.inputs; ++c)
      std::memcpy(part.data.data() + std::size_t{8} * part.start[c], masks.data() + c * part.groups, 8 * part.groups);
    each_weight([&](std::size_t at, std::size_t bit, std::uint8_t code) {
      const std::size_t before = std::popcount(masks[at] & ((std::uint64_t{1} << bit) - 1));
      std::uint8_t* to = part.data.data() + std::size_t{8} * part.start[at / part.groups] + offset[at];
      if (packed_) {
        to[before / 2] = static_cast<std::uint8_t>(to[before / 2] | code << before % 2 * 4);
        return;
      }
      for (std::size_t byte = 0; byte < sizeof(Weight); ++byte)
        to[before + byte * std::popcount(masks[at])] = static_cast<std::uint8_t>(weights[code] >> 8 * byte & 255);
    });
    return part;
  }

  std::size_t bytes_of(std::size_t weights) const { return packed_ ? (weights + 1) / 2 : weights * sizeof(Weight); }

  bool packed_;
  std::vector<Part> parts_;
};

// What the kernels over this layout share.
template <class A>
class BitmaskKernel : public Kernel<A> {
 public:
  using Columns = Bitmask<typename A::Weight>;

  BitmaskKernel(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted)
      : weights_(weights_of<A>(codebook, 256, this->weight_unit_)), columns_(rows, weights_, parts_wanted) {}

  bool skips() const override { return true; }
  std::size_t parts() const override { return columns_.parts().size(); }
  std::size_t bytes(std::size_t part) const override { return columns_.parts()[part].bytes(); }

  void multiply(const Input<A>* x, std::size_t batch, std::size_t first, std::size_t end,
                typename A::Sum* const* sums) const override {
    for (std::size_t p = first; p < end; ++p)
      for (std::size_t i = 0; i < batch; ++i)
        multiply_part(columns_.parts()[p], x[i], sums[i] + columns_.parts()[p].first_row);
  }

 protected:
  virtual void multiply_part(const typename Columns::Part& part, const Input<A>& x, typename A::Sum* sums) const = 0;

  std::vector<typename A::Weight> weights_;  // by code
  Columns columns_;
};

}  // namespace eie::kernels
