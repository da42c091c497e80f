// Which kernels a layer gets: the one that is named, or those that are fastest on this processor.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "kernels/kernel.hpp"
#include "kernels/network.hpp"

namespace eie::kernels {

// Microseconds of one input as a line over its number of active columns.
struct Line {
  double fixed = 0, column = 0;
  double at(double active) const { return fixed + column * active; }
};

// A layer's one or two ways to its sums, which are the same to the bit: `few`, where there is one, skips columns and is
// quicker while few inputs are active.
template <class A>
struct Ways {
  KernelPtr<A> all, few;
  Line few_us;             // near where it takes as long as `all`
  double all_us = 0;       // for one input
  double all_more_us = 0;  // for each one more that goes through the layer with it

  // The way that `batch` inputs with `active` active columns in all should take: 0 for `all`, 1 for `few`.
  std::size_t choose(std::size_t batch, std::size_t active) const {
    if (!few) return 0;
    const double others = static_cast<double>(batch - 1);
    return few_us.at(static_cast<double>(active)) + few_us.fixed * others < all_us + all_more_us * others;
  }
  const Kernel<A>& kernel(std::size_t way) const { return way ? *few : *all; }
};

// Whether two ways may share a layer: all kernels' sums must be the same to the bit.
template <class A>
constexpr bool two_ways = std::is_same_v<A, Int8> || std::is_same_v<A, Int16>;

// All kernels, whatever this processor has.
std::vector<std::string> kernel_names();

// Throws std::invalid_argument, one sentence, where `name` is no kernel, or one that this processor or layer cannot
// have, and where none is within limits.most_bytes.
template <class A>
Ways<A> choose_kernels(const Rows& rows, const Codebook& codebook, std::size_t threads, const std::string& name,
                       const Limits& limits, LayerReport& report);

}  // namespace eie::kernels
