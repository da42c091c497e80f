// Columns as bitmasks in portable C++: one weight after the other, as in columns.cpp, from a third to two thirds of the
// bytes.
#include "kernels/bitmask.hpp"

namespace eie::kernels {
namespace {

template <class A>
class BitmaskPortable final : public BitmaskKernel<A> {
  using BitmaskKernel<A>::BitmaskKernel;
  using Columns = typename BitmaskKernel<A>::Columns;
  using Weight = typename A::Weight;

  void multiply_part(const typename Columns::Part& part, const Input<A>& x, typename A::Sum* sums) const override {
    std::fill(sums, sums + part.rows, 0);
    const bool packed = this->columns_.packed();
    for (std::size_t k = 0; k < x.active_count; ++k) {
      const std::uint8_t* mask = part.column(x.active[k]);
      const std::uint8_t* weights = mask + 8 * part.groups;
      const auto a = x.values[x.active[k]] - x.zero;
      for (std::size_t group = 0; group < part.groups; ++group) {
        std::uint64_t bits;
        std::memcpy(&bits, mask + 8 * group, 8);
        const std::size_t count = std::popcount(bits);
        for (std::size_t taken = 0; bits; bits &= bits - 1, ++taken) {
          const std::size_t row = group * Columns::group_rows + Columns::row_of_bit(std::countr_zero(bits));
          const Weight weight =
              packed ? this->weights_[weights[taken / 2] >> taken % 2 * 4 & 15] : unpacked(weights + taken, count);
          sums[row] += A::product(weight, a);
        }
        weights += packed ? (count + 1) / 2 : count * sizeof(Weight);
      }
    }
  }

  // The weight of which the lower byte is at `at`, and the next one `count` bytes further on.
  static Weight unpacked(const std::uint8_t* at, std::size_t count) {
    unsigned bits = 0;
    for (std::size_t byte = 0; byte < sizeof(Weight); ++byte) bits |= unsigned{at[byte * count]} << 8 * byte;
    return static_cast<Weight>(bits);
  }
};

}  // namespace

template <class A>
KernelPtr<A> make_bitmask(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted) {
  return std::make_unique<BitmaskPortable<A>>(rows, codebook, parts_wanted);
}

template KernelPtr<Int8> make_bitmask(const Rows&, const Codebook&, std::size_t);
template KernelPtr<Int16> make_bitmask(const Rows&, const Codebook&, std::size_t);

}  // namespace eie::kernels
