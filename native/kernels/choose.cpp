#include "kernels/choose.hpp"

#include <algorithm>
#include <stdexcept>

namespace eie::kernels {
namespace {

template <class A>
std::size_t total_bytes(const Kernel<A>& kernel) {
  std::size_t bytes = 0;
  for (std::size_t part = 0; part < kernel.parts(); ++part) bytes += kernel.bytes(part);
  return bytes;
}

}  // namespace

std::vector<std::string> kernel_names() { return {"columns"}; }

template <class A>
KernelPtr<A> choose_kernel(const Rows& rows, const Codebook& codebook, std::size_t threads, const std::string& name,
                           LayerReport& report) {
  if (!name.empty() && name != "columns") throw std::invalid_argument("the kernel must be columns, not " + name);
  KernelPtr<A> kernel = make_columns<A>(rows, codebook, threads);
  report.kernel = "columns";
  report.bytes = total_bytes(*kernel);
  return kernel;
}

template KernelPtr<Float32> choose_kernel(const Rows&, const Codebook&, std::size_t, const std::string&, LayerReport&);
template KernelPtr<Int16> choose_kernel(const Rows&, const Codebook&, std::size_t, const std::string&, LayerReport&);
template KernelPtr<Chip> choose_kernel(const Rows&, const Codebook&, std::size_t, const std::string&, LayerReport&);

}  // namespace eie::kernels
