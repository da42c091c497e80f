// Column by column, as EIE walks a matrix: columns whose activation is zero are skipped. Portable C++, any code width.
//
// The time goes into adding to sums in memory, about one cycle per weight touched, so this is the design for layers
// with few active inputs, for tiny ones, and for processors that have no other kernel.
#include <algorithm>

#include "kernels/kernel.hpp"

namespace eie::kernels {
namespace {

constexpr std::size_t largest_block = 65536;  // rows that a 16-bit row number can reach

// The weights of some consecutive rows, by column.
struct Block {
  std::size_t first_row, rows;
  std::vector<std::uint32_t> pointers;  // (inputs + 1)
  std::vector<std::uint16_t> row;       // (weights), counted from first_row
  std::vector<std::uint8_t> code;       // (weights)
};

Block block_of(const Rows& rows, std::size_t first, std::size_t end) {
  Block block{first, end - first, std::vector<std::uint32_t>(rows.inputs + 1, 0), {}, {}};
  const std::int64_t from = rows.starts[first], to = rows.starts[end];
  for (std::int64_t k = from; k < to; ++k) ++block.pointers[rows.columns[k] + 1];
  for (std::size_t c = 0; c < rows.inputs; ++c) block.pointers[c + 1] += block.pointers[c];
  block.row.resize(to - from);
  block.code.resize(to - from);
  std::vector<std::uint32_t> cursor(block.pointers.begin(), block.pointers.end() - 1);
  for (std::size_t r = first; r < end; ++r)
    for (std::int64_t k = rows.starts[r]; k < rows.starts[r + 1]; ++k) {
      const std::uint32_t at = cursor[rows.columns[k]]++;
      block.row[at] = static_cast<std::uint16_t>(r - first);
      block.code[at] = rows.codes[k];
    }
  return block;
}

template <class A>
class Columns final : public Kernel<A> {
 public:
  Columns(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted) {
    weights_ = weights_of<A>(codebook, 256, this->weight_unit_);
    // A block's pointers are 32 bits wide, so one block also has fewer than 2^32 weights.
    const std::size_t fit = std::max<std::size_t>(1, 0xffffffffu / rows.inputs);
    const std::size_t wanted = (rows.outputs + parts_wanted - 1) / parts_wanted;
    const std::size_t size = std::min({largest_block, fit, std::max<std::size_t>(1, wanted)});
    for (std::size_t first = 0; first < rows.outputs; first += size)
      blocks_.push_back(block_of(rows, first, std::min(first + size, rows.outputs)));
  }

  bool skips() const override { return true; }
  std::size_t parts() const override { return blocks_.size(); }

  std::size_t bytes(std::size_t part) const override {
    const Block& block = blocks_[part];
    return 4 * block.pointers.size() + 3 * block.code.size();
  }

  void multiply(const Input<A>* x, std::size_t batch, std::size_t first, std::size_t end,
                typename A::Sum* const* sums) const override {
    for (std::size_t part = first; part < end; ++part)
      for (std::size_t i = 0; i < batch; ++i) multiply(blocks_[part], x[i], sums[i] + blocks_[part].first_row);
  }

 private:
  void multiply(const Block& block, const Input<A>& x, typename A::Sum* sums) const {
    std::fill(sums, sums + block.rows, typename A::Sum{0});
    const std::uint16_t* row = block.row.data();
    const std::uint8_t* code = block.code.data();
    for (std::size_t i = 0; i < x.active_count; ++i) {
      const std::size_t column = x.active[i];
      const auto a = x.values[column] - x.zero;
      for (std::uint32_t k = block.pointers[column], last = block.pointers[column + 1]; k < last; ++k)
        sums[row[k]] += A::product(weights_[code[k]], a);
    }
  }

  std::vector<typename A::Weight> weights_;  // by code; 256, so that any code is within it
  std::vector<Block> blocks_;
};

}  // namespace

template <class A>
KernelPtr<A> make_columns(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted) {
  return std::make_unique<Columns<A>>(rows, codebook, parts_wanted);
}

template KernelPtr<Float32> make_columns(const Rows&, const Codebook&, std::size_t);
template KernelPtr<Int8> make_columns(const Rows&, const Codebook&, std::size_t);
template KernelPtr<Int16> make_columns(const Rows&, const Codebook&, std::size_t);
template KernelPtr<Chip> make_columns(const Rows&, const Codebook&, std::size_t);

}  // namespace eie::kernels
