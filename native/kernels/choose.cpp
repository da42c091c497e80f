#include "kernels/choose.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <stdexcept>

#include "cpu.hpp"
#include "kernels/aligned.hpp"
#include "kernels/window.hpp"

namespace eie::kernels {
namespace {

template <class A>
struct Candidate {
  const char* name;
  InstructionSet needs;
  bool windows;  // takes what a sliding window can hold: see fits_window
  std::function<KernelPtr<A>(const Rows&, const Codebook&, std::size_t threads)> make;
};

// The best instruction set first.
template <class A>
std::vector<Candidate<A>> candidates() {
  return {
#if defined(__x86_64__)
      {"window-avx512", InstructionSet::avx512, true,
       [](const Rows& rows, const Codebook& book, std::size_t) { return make_window_avx512<A>(rows, book); }},
      {"window-avx2", InstructionSet::avx2, true,
       [](const Rows& rows, const Codebook& book, std::size_t) { return make_window_avx2<A>(rows, book); }},
#endif
      {"columns", InstructionSet::portable, false, make_columns<A>}};
}

// Whether to spend load time on trying `candidate` against a window kernel: not on the same design with a lesser
// instruction set (2 to 4 times slower), nor on column by column for a layer of more weights than this (8 to 12 times
// slower).
template <class A>
bool worth_trying(const Candidate<A>& candidate, const Rows& rows) {
  constexpr std::size_t most_weights = 100000;
  return !candidate.windows && rows.weights() <= most_weights;
}

std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 < names.size() ? ", " : " or ") + names[i];
  return text;
}

template <class A>
std::size_t total_bytes(const Kernel<A>& kernel) {
  std::size_t bytes = 0;
  for (std::size_t part = 0; part < kernel.parts(); ++part) bytes += kernel.bytes(part);
  return bytes;
}

// Microseconds of one multiplication: the best of some, with every third activation at work, as behind a ReLU.
template <class A>
double measure(const Kernel<A>& kernel, const Rows& rows) {
  using clock = std::chrono::steady_clock;
  Aligned<typename A::Activation> x(rows.inputs + padding);
  for (std::size_t c = 0; c < rows.inputs; c += 3) x.data()[c] = 1;
  Aligned<typename A::Sum> y(rows.outputs);
  const Input<A> inputs[] = {{x.data(), 0}};
  typename A::Sum* sums[] = {y.data()};
  double best = 1e30, total = 0;
  for (int turn = 0; turn < 5 && total < 20e3; ++turn) {
    const auto start = clock::now();
    kernel.multiply(inputs, 1, 0, kernel.parts(), sums);
    const double us = std::chrono::duration<double, std::micro>(clock::now() - start).count();
    best = std::min(best, us);
    total += us;
  }
  return best;
}

}  // namespace

std::vector<std::string> kernel_names() {
  std::vector<std::string> names;
  for (const auto& candidate : candidates<Int16>()) names.emplace_back(candidate.name);
  return names;
}

template <class A>
KernelPtr<A> choose_kernel(const Rows& rows, const Codebook& codebook, std::size_t threads, const std::string& name,
                           LayerReport& report) {
  const InstructionSet has = best_instruction_set();
  KernelPtr<A> best;
  double best_us = 0;
  for (const Candidate<A>& candidate : candidates<A>()) {
    if (!name.empty() && name != candidate.name) continue;
    const bool fits = !candidate.windows || fits_window(rows);
    if (!name.empty() && candidate.needs > has)
      throw std::invalid_argument("the kernel " + name + " needs " + name_of(candidate.needs) +
                                  ", but this processor, or EIE_INSTRUCTION_SET, allows " + name_of(has));
    if (!name.empty() && !fits)
      throw std::invalid_argument("the kernel " + name + " takes codes of at most 4 bits and at most " +
                                  std::to_string(Straggler::largest_column) + " inputs, not " +
                                  std::to_string(rows.code_bits) + " bits and " + std::to_string(rows.inputs) +
                                  " inputs");
    if (candidate.needs > has || !fits || (best && !worth_trying(candidate, rows))) continue;
    KernelPtr<A> kernel = candidate.make(rows, codebook, threads);
    const double us = name.empty() ? measure(*kernel, rows) : 0;
    if (name.empty()) report.measured.emplace_back(candidate.name, us);
    if (best && us >= best_us) continue;
    best = std::move(kernel);
    best_us = us;
    report.kernel = candidate.name;
  }
  if (!best) throw std::invalid_argument("the kernel must be " + list(kernel_names()) + ", not " + name);
  report.bytes = total_bytes(*best);
  return best;
}

template KernelPtr<Float32> choose_kernel(const Rows&, const Codebook&, std::size_t, const std::string&, LayerReport&);
template KernelPtr<Int8> choose_kernel(const Rows&, const Codebook&, std::size_t, const std::string&, LayerReport&);
template KernelPtr<Int16> choose_kernel(const Rows&, const Codebook&, std::size_t, const std::string&, LayerReport&);
template KernelPtr<Chip> choose_kernel(const Rows&, const Codebook&, std::size_t, const std::string&, LayerReport&);

}  // namespace eie::kernels
