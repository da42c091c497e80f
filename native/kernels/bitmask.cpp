// Columns as bitmasks in portable C++: one weight after the other, as in columns.cpp, from a third to two thirds of the
// bytes.
#include "kernels/bitmask.hpp"

namespace eie::kernels {
namespace {

class BitmaskPortable final : public BitmaskKernel {
  using BitmaskKernel::BitmaskKernel;

  void multiply_part(const Bitmask::Part& part, const Input<Int8>& x, std::int32_t* sums) const override {
    std::fill(sums, sums + part.rows, 0);
    for (std::size_t k = 0; k < x.active_count; ++k) {
      const std::uint8_t* mask = part.column(x.active[k]);
      const std::uint8_t* weights = mask + 8 * part.groups;
      const int a = x.values[x.active[k]] - x.zero;
      for (std::size_t group = 0; group < part.groups; ++group) {
        std::uint64_t bits;
        std::memcpy(&bits, mask + 8 * group, 8);
        std::size_t taken = 0;
        for (; bits; bits &= bits - 1, ++taken) {
          const std::size_t row = group * Bitmask::group_rows + Bitmask::row_of_bit(std::countr_zero(bits));
          sums[row] += Int8::product(columns_.packed() ? weights_[weights[taken / 2] >> taken % 2 * 4 & 15]
                                                       : static_cast<std::int8_t>(weights[taken]),
                                     a);
        }
        weights += columns_.packed() ? (taken + 1) / 2 : taken;
      }
    }
  }
};

}  // namespace

KernelPtr<Int8> make_bitmask(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted) {
  return std::make_unique<BitmaskPortable>(rows, codebook, parts_wanted);
}

}  // namespace eie::kernels
