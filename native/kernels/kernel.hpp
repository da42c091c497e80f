// What a kernel is: one layer's weights in a layout of its own, and M x V on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/arithmetic.hpp"

namespace eie::kernels {

// A layer's codes by row (CSR), columns ascending within a row; every index has been checked by the caller.
struct Rows {
  std::size_t outputs, inputs;
  const std::int64_t* starts;    // (outputs + 1)
  const std::uint32_t* columns;  // (weights)
  const std::uint8_t* codes;     // (weights), 1 and above
  int code_bits;

  std::size_t weights() const { return static_cast<std::size_t>(starts[outputs]); }
};

// The shared weights: real ones, and but for Float32 as integers: those of Chip already shifted up to 16 bits (see
// arithmetic.hpp), those of Int8 and Int16 in units of `unit`.
struct Codebook {
  std::vector<float> values;
  std::vector<std::int16_t> integers;
  double unit = 1;
};

// Zeros that follow each activation vector in memory, so that a kernel may load a whole window at its end.
constexpr std::size_t padding = 256;

// The activations of one input.
template <class A>
struct Input {
  const typename A::Activation* values;  // (inputs + padding), aligned to 64 bytes
  typename A::Activation zero;           // what stands for the number 0: 0 in all but Int8
  // The columns whose activation is not `zero`, ascending; for kernels that skip the others, see Kernel::skips.
  const std::uint32_t* active = nullptr;
  std::size_t active_count = 0;
};

// Immutable once built, so any number of threads may use one at a time.
template <class A>
class Kernel {
 public:
  virtual ~Kernel() = default;

  // Parts have rows of their own: threads share a layer by taking different parts.
  virtual std::size_t parts() const = 0;
  // Whether columns without an active input are skipped: then multiply needs to be told which are active.
  virtual bool skips() const { return false; }
  // Bytes of weights that part `part` reads, all columns being active.
  virtual std::size_t bytes(std::size_t part) const = 0;
  // For each input i < batch and each row r of parts [first, end): sums[i][r] = sum over columns c of w(r, c) *
  // x[i][c].
  virtual void multiply(const Input<A>* x, std::size_t batch, std::size_t first, std::size_t end,
                        typename A::Sum* const* sums) const = 0;

  // The real value of a product's unit when the activations' unit is 1.
  double weight_unit() const { return weight_unit_; }

 protected:
  double weight_unit_ = 1;
};

template <class A>
using KernelPtr = std::unique_ptr<Kernel<A>>;

// `codebook` with 0 for every value that no weight has: one that is not used may set no scale. Throws
// std::invalid_argument where a weight's code is not in it.
Codebook used_by(const Rows& rows, Codebook codebook);

// The codebook as arithmetic A has it, filled up with zeros to `size` values.
template <class A>
std::vector<typename A::Weight> weights_of(const Codebook& codebook, std::size_t size, double& unit);

// columns.cpp: portable C++. `parts_wanted` is the number of threads that are to share the layer.
template <class A>
KernelPtr<A> make_columns(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted);

// bitmask.cpp and bitmask_avx512.cpp, which needs VBMI2 besides what the window needs: Int8 and Int16, any code width.
template <class A>
KernelPtr<A> make_bitmask(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted);
template <class A>
KernelPtr<A> make_bitmask_avx512(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted);
template <>
KernelPtr<Int8> make_bitmask_avx512<Int8>(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted);
template <>
KernelPtr<Int16> make_bitmask_avx512<Int16>(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted);

// dense_avx512.cpp, which needs what the window needs; any code width.
KernelPtr<Int8> make_dense_avx512(const Rows& rows, const Codebook& codebook);
// dense_columns_avx512.cpp, the same.
KernelPtr<Int8> make_dense_columns_avx512(const Rows& rows, const Codebook& codebook, std::size_t parts_wanted);

// window_avx2.cpp. The processor must have AVX2 and FMA, and fits_window(rows) hold.
template <class A>
KernelPtr<A> make_window_avx2(const Rows& rows, const Codebook& codebook);
template <>
KernelPtr<Int8> make_window_avx2<Int8>(const Rows& rows, const Codebook& codebook);  // window_int8_avx2.cpp

// window_int8_avxvnni.cpp, for AVX2 and AVX-VNNI, and window_int8_avx512vnni.cpp, for AVX-512 F, VL and VNNI: the same
// kernel but for one instruction's encoding. fits_window(rows) must hold.
KernelPtr<Int8> make_window_avxvnni(const Rows& rows, const Codebook& codebook);
KernelPtr<Int8> make_window_avx512vnni(const Rows& rows, const Codebook& codebook);

// window_avx512.cpp. The processor must have AVX-512 F, BW, DQ, VL, VBMI and VNNI, and fits_window(rows) hold.
template <class A>
KernelPtr<A> make_window_avx512(const Rows& rows, const Codebook& codebook);
template <>
KernelPtr<Int8> make_window_avx512<Int8>(const Rows& rows, const Codebook& codebook);  // window_int8_avx512.cpp
KernelPtr<Int8> make_wide_window_avx512(const Rows& rows, const Codebook& codebook);   // the same

// window_bytes_avx512.cpp, which needs what window_avx512.cpp needs: the same sums, without permutes of words.
KernelPtr<Int16> make_window_bytes_avx512(const Rows& rows, const Codebook& codebook);

// window_neon.cpp. The processor must have NEON, for Int8 its dot product too, and fits_window(rows) hold.
template <class A>
KernelPtr<A> make_window_neon(const Rows& rows, const Codebook& codebook);
template <>
KernelPtr<Int8> make_window_neon<Int8>(const Rows& rows, const Codebook& codebook);  // window_int8_neon.cpp

}  // namespace eie::kernels
