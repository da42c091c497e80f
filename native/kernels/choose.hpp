// Which kernel a layer gets: the one that is named, or the fastest on this processor.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernel.hpp"
#include "kernels/network.hpp"

namespace eie::kernels {

// All kernels of the engine, whatever this processor has.
std::vector<std::string> kernel_names();

// Throws std::invalid_argument, one sentence, where `name` is no kernel, or one that this processor or layer cannot
// have.
template <class A>
KernelPtr<A> choose_kernel(const Rows& rows, const Codebook& codebook, std::size_t threads, const std::string& name,
                           LayerReport& report);

}  // namespace eie::kernels
