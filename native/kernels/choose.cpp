#include "kernels/choose.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <stdexcept>
#include <type_traits>

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

#if defined(__x86_64__)
// The dot product in the encoding that this processor has.
KernelPtr<Int8> make_window_vnni(const Rows& rows, const Codebook& codebook, std::size_t) {
#if !defined(EIE_WITHOUT_AVX_VNNI)
  if (has_avx_vnni()) return make_window_avxvnni(rows, codebook);
#endif
  return make_window_avx512vnni(rows, codebook);
}
#endif

// The best instruction set first.
template <class A>
std::vector<Candidate<A>> candidates() {
  std::vector<Candidate<A>> all = {
#if defined(__x86_64__)
      {"window-avx512", InstructionSet::avx512, true,
       [](const Rows& rows, const Codebook& book, std::size_t) { return make_window_avx512<A>(rows, book); }},
      {"window-avx2", InstructionSet::avx2, true,
       [](const Rows& rows, const Codebook& book, std::size_t) { return make_window_avx2<A>(rows, book); }},
#elif defined(__aarch64__)
      {"window-neon", std::is_same_v<A, Int8> ? InstructionSet::dotprod : InstructionSet::neon, true,
       [](const Rows& rows, const Codebook& book, std::size_t) { return make_window_neon<A>(rows, book); }},
#endif
      {"columns", InstructionSet::portable, false, make_columns<A>}};
  if constexpr (std::is_same_v<A, Int8>) {
#if defined(__x86_64__)
    all.insert(all.begin() + 1, {"window-vnni", InstructionSet::vnni, true, make_window_vnni});
    all.push_back(
        {"wide-window-avx512", InstructionSet::avx512, true,
         [](const Rows& rows, const Codebook& book, std::size_t) { return make_wide_window_avx512(rows, book); }});
    all.push_back({"dense-avx512", InstructionSet::avx512, false,
                   [](const Rows& rows, const Codebook& book, std::size_t) { return make_dense_avx512(rows, book); }});
    all.push_back({"dense-columns-avx512", InstructionSet::avx512, false, make_dense_columns_avx512});
#endif
  }
#if defined(__x86_64__)
  if constexpr (std::is_same_v<A, Int16>)
    all.push_back(
        {"window-bytes-avx512", InstructionSet::avx512, true,
         [](const Rows& rows, const Codebook& book, std::size_t) { return make_window_bytes_avx512(rows, book); }});
#endif
  if constexpr (two_ways<A>) {
#if defined(__x86_64__)
    all.push_back({"bitmask-avx512", InstructionSet::avx512, false, make_bitmask_avx512<A>});
#endif
    all.push_back({"bitmask", InstructionSet::portable, false, make_bitmask<A>});
  }
  return all;
}

std::string list(const std::vector<std::string>& names, const std::string& last) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 < names.size() ? ", " : " " + last + " ") + names[i];
  return text;
}

template <class A>
bool has_kernel(const std::string& name) {
  const std::vector<Candidate<A>> all = candidates<A>();
  return std::any_of(all.begin(), all.end(), [&](const Candidate<A>& one) { return name == one.name; });
}

// Which numerics have a kernel.
std::vector<std::string> numerics_with(const std::string& kernel) {
  std::vector<std::string> names;
  if (has_kernel<Int8>(kernel)) names.emplace_back("int8");
  if (has_kernel<Int16>(kernel)) names.emplace_back("int16");
  if (has_kernel<Chip>(kernel)) names.emplace_back("chip");
  if (has_kernel<Float32>(kernel)) names.emplace_back("float32");
  return names;
}

template <class A>
std::size_t total_bytes(const Kernel<A>& kernel) {
  std::size_t bytes = 0;
  for (std::size_t part = 0; part < kernel.parts(); ++part) bytes += kernel.bytes(part);
  return bytes;
}

// A kernel and what it was measured to take, in microseconds: one time for each of the shares of active inputs below.
template <class A>
struct Tried {
  const char* name;
  KernelPtr<A> kernel;
  std::size_t bytes;
  std::vector<double> us;

  // The line through the times around `active` of `inputs` columns.
  Line line(double active, double inputs) const;
  double at(double active, double inputs) const { return line(active, inputs).at(active); }
};

// Where two ways may share a layer, a kernel's time is a curve; elsewhere all are timed as behind a ReLU.
template <class A>
std::vector<double> shares() {
  return two_ways<A> ? std::vector<double>{0, 1 / 64., 1 / 16., 1 / 8., 1 / 4., 1 / 2., 1}
                     : std::vector<double>{1 / 3.};
}

template <class A>
Line Tried<A>::line(double active, double inputs) const {
  const std::vector<double> share = shares<A>();
  if (share.size() == 1 || !kernel->skips()) return {us[0], 0};
  std::size_t k = 1;
  while (k + 1 < share.size() && share[k] * inputs < active) ++k;
  const double column = std::max(0.0, (us[k] - us[k - 1]) / ((share[k] - share[k - 1]) * inputs));
  return {us[k] - column * share[k] * inputs, column};
}

// Times a layer's kernels on made-up activations.
template <class A>
class Stopwatch {
 public:
  explicit Stopwatch(const Rows& rows) : inputs_(rows.inputs), x_(rows.inputs + padding), active_(rows.inputs) {
    for (auto& sums : sums_) sums = Aligned<typename A::Sum>(rows.outputs);
  }

  // Fills in the times of all kernels. They take turns and the best of each counts: the processor is seldom ours alone.
  void measure(std::vector<Tried<A>>& tried) {
    const std::vector<double> share = shares<A>();
    for (Tried<A>& one : tried) one.us.assign(one.kernel->skips() ? share.size() : 1, infinity);
    const auto end = clock::now() + std::chrono::milliseconds(60);
    for (int round = 0; round < 3 || (round < 12 && clock::now() < end); ++round)
      for (Tried<A>& one : tried)
        for (std::size_t k = 0; k < one.us.size(); ++k) one.us[k] = std::min(one.us[k], once(*one.kernel, share[k], 1));
  }

  // Microseconds of one multiplication for as many inputs as go through a window together.
  double measure_batch(const Kernel<A>& kernel) {
    double best = infinity;
    for (int round = 0; round < 7; ++round) best = std::min(best, once(kernel, 0.5, most_inputs));
    return best;
  }

  static constexpr std::size_t most_inputs = 4;

 private:
  using clock = std::chrono::steady_clock;
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  // Microseconds of one multiplication with a share of the columns active, evenly spread. It follows another one of the
  // same kernel: in use, too, the caches hold what the kernel reads as far as they can.
  double once(const Kernel<A>& kernel, double share, std::size_t batch) {
    const std::size_t count = static_cast<std::size_t>(share * static_cast<double>(inputs_));
    std::fill(x_.data(), x_.data() + inputs_, typename A::Activation{0});
    for (std::size_t k = 0; k < count; ++k) {
      active_[k] = static_cast<std::uint32_t>(k * inputs_ / count);
      x_.data()[active_[k]] = 1;
    }
    Input<A> inputs[most_inputs];
    typename A::Sum* sums[most_inputs];
    for (std::size_t i = 0; i < batch; ++i) {
      inputs[i] = {x_.data(), 0, active_.data(), count};
      sums[i] = sums_[i].data();
    }
    kernel.multiply(inputs, batch, 0, kernel.parts(), sums);
    const auto start = clock::now();
    kernel.multiply(inputs, batch, 0, kernel.parts(), sums);
    return std::chrono::duration<double, std::micro>(clock::now() - start).count();
  }

  std::size_t inputs_;
  Aligned<typename A::Activation> x_;
  std::vector<std::uint32_t> active_;
  Aligned<typename A::Sum> sums_[most_inputs];
};

// Processors other than AMD's take two to three times as long for a permute of words as for one of bytes.
bool slow_words() {
#if defined(__x86_64__)
  return !__builtin_cpu_is("amd");
#else
  return false;
#endif
}

// Whether to spend load time on `candidate` when there are kernels already. A lesser instruction set is 1.5 to 4 times
// slower at the same design. Column by column is 8 to 12 times slower than a window when all is active, so for layers
// of more weights than this it is tried only for few active columns, and not where bitmasks do that better: these take
// a bit for every position, so the layer must not be all but empty. Wide windows are for layers with few weights in a
// narrow one, dense layouts for those that keep much: dense columns are quicker than bitmasks with less, too, but would
// then take more than three times the memory.
template <class A>
bool worth_trying(const Candidate<A>& candidate, const std::vector<Tried<A>>& before, const Rows& rows) {
  constexpr std::size_t most_weights = 100000, most_positions = 64;  // for every weight
  constexpr double most_of_bitmasks = 3;
  const std::string name = candidate.name;
  const double density = static_cast<double>(rows.weights()) / static_cast<double>(rows.outputs * rows.inputs);
  const double code_bytes = rows.code_bits <= 4 ? 0.5 : 1;
  const bool bitmasks = rows.weights() * most_positions >= rows.outputs * rows.inputs;
  if (before.empty()) return true;
  if (name == "wide-window-avx512") return density <= 0.25;
  if (name == "dense-avx512") return density >= (rows.code_bits <= 4 ? 0.25 : 0.1);
  if (name == "window-bytes-avx512") return slow_words();
  if (name == "dense-columns-avx512") return code_bytes <= most_of_bitmasks * (1 / 8. + code_bytes * density);
  if (name == "bitmask") return false;  // smaller than `columns`, never quicker
  if (name == "bitmask-avx512") return bitmasks;
  if (name == "columns")
    return rows.weights() <= most_weights ||
           (two_ways<A> && !(bitmasks && best_instruction_set() == InstructionSet::avx512));
  return false;
}

// Drops kernels that need not be timed: past the L2 cache a layer that is read whole is held up by its bytes, more so the
// further away it comes from, and these are known, while times at load are those of a processor that others use too.
template <class A>
void drop_larger(std::vector<Tried<A>>& tried) {
  constexpr std::size_t cache_bytes = std::size_t{2} << 20;
  constexpr double most = 1.1;  // times the bytes of the smallest
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (const Tried<A>& one : tried)
    if (!one.kernel->skips()) least = std::min(least, one.bytes);
  std::erase_if(tried, [&](const Tried<A>& one) {
    return !one.kernel->skips() && one.bytes > cache_bytes &&
           static_cast<double>(one.bytes) > most * static_cast<double>(least);
  });
}

// The kernel that takes least time with `active` of `inputs` columns active.
template <class A>
Tried<A>& quickest(std::vector<Tried<A>>& tried, double active, double inputs) {
  return *std::min_element(tried.begin(), tried.end(),
                           [&](const auto& a, const auto& b) { return a.at(active, inputs) < b.at(active, inputs); });
}

// The kernel that saves most time beside `all` with `least` to `most` of `inputs` columns active, or none: a second layout
// has to save a tenth somewhere, and to fit with the first into `most_bytes`.
template <class A>
Tried<A>* best_beside(std::vector<Tried<A>>& tried, const Tried<A>& all, double least, double most, double inputs,
                      std::size_t most_bytes) {
  constexpr int steps = 256;
  const double all_us = all.at(most, inputs);
  Tried<A>* best = nullptr;
  double best_us = std::numeric_limits<double>::infinity();
  for (Tried<A>& one : tried) {
    if (all.kernel->skips() || !one.kernel->skips() || one.bytes + all.bytes > most_bytes ||
        one.at(least, inputs) >= 0.9 * all_us)
      continue;
    double us = 0;
    for (int k = 0; k <= steps; ++k) us += std::min(one.at(least + (most - least) * k / steps, inputs), all_us);
    if (us < best_us) {
      best = &one;
      best_us = us;
    }
  }
  return best;
}

// The line of `few` where it takes as long as `all`, or nearest to that.
template <class A>
Line line_at_crossing(const Tried<A>& few, double all_us, double inputs) {
  for (double share : shares<A>())
    if (few.at(share * inputs, inputs) >= all_us) return few.line(share * inputs, inputs);
  return few.line(inputs, inputs);
}

// The one kernel that is named, or std::invalid_argument that says why it cannot be had.
template <class A>
Ways<A> forced(const Rows& rows, const Codebook& codebook, std::size_t threads, const std::string& name,
               const Limits& limits, LayerReport& report) {
  const InstructionSet has = best_instruction_set();
  for (const Candidate<A>& candidate : candidates<A>()) {
    if (name != candidate.name) continue;
    if (candidate.needs > has)
      throw std::invalid_argument("the kernel " + name + " needs " + name_of(candidate.needs) +
                                  ", but this processor, or EIE_INSTRUCTION_SET, allows " + name_of(has));
    if (candidate.windows && !fits_window(rows))
      throw std::invalid_argument("the kernel " + name + " takes codes of at most 4 bits and at most " +
                                  std::to_string(Straggler::largest_column) + " inputs, not " +
                                  std::to_string(rows.code_bits) + " bits and " + std::to_string(rows.inputs) +
                                  " inputs");
    Ways<A> ways;
    ways.all = candidate.make(rows, codebook, threads);
    report.kernel = name;
    report.bytes = total_bytes(*ways.all);
    if (report.bytes > limits.most_bytes)
      throw std::invalid_argument("the kernel " + name + " takes " + std::to_string(report.bytes) +
                                  " bytes, but its share of the weights' memory is " +
                                  std::to_string(limits.most_bytes));
    return ways;
  }
  const std::vector<std::string> others = numerics_with(name);
  if (!others.empty())
    throw std::invalid_argument("the kernel " + name + " has no numerics but " + list(others, "and"));
  throw std::invalid_argument("the kernel must be " + list(kernel_names(), "or") + ", not " + name);
}

}  // namespace

std::vector<std::string> kernel_names() {
  std::vector<std::string> names;
  for (const auto& candidate : candidates<Int8>()) names.emplace_back(candidate.name);
  for (const auto& candidate : candidates<Int16>())  // which has what else there is
    if (!has_kernel<Int8>(candidate.name)) names.emplace_back(candidate.name);
  return names;
}

template <class A>
Ways<A> choose_kernels(const Rows& rows, const Codebook& codebook, std::size_t threads, const std::string& name,
                       const Limits& limits, LayerReport& report) {
  if (!name.empty()) return forced<A>(rows, codebook, threads, name, limits, report);
  const InstructionSet has = best_instruction_set();
  std::vector<Tried<A>> tried;
  std::size_t least_bytes = std::numeric_limits<std::size_t>::max();
  for (const Candidate<A>& candidate : candidates<A>()) {
    if (candidate.needs > has || (candidate.windows && !fits_window(rows)) || !worth_trying(candidate, tried, rows))
      continue;
    KernelPtr<A> kernel = candidate.make(rows, codebook, threads);
    const std::size_t bytes = total_bytes(*kernel);
    least_bytes = std::min(least_bytes, bytes);
    if (bytes <= limits.most_bytes) tried.push_back({candidate.name, std::move(kernel), bytes, {}});
  }
  if (tried.empty())
    throw std::invalid_argument("the weights take " + std::to_string(least_bytes) +
                                " bytes at least, but their share of the weights' memory is " +
                                std::to_string(limits.most_bytes));
  drop_larger(tried);
  Stopwatch<A> stopwatch(rows);
  stopwatch.measure(tried);
  const double inputs = static_cast<double>(rows.inputs);
  const double least = limits.least_active * inputs, most = limits.most_active * inputs, middle = (least + most) / 2;
  for (const Tried<A>& one : tried) report.measured.emplace_back(one.name, one.at(middle, inputs));

  Tried<A>& all = quickest(tried, most, inputs);
  Ways<A> ways;
  if (Tried<A>* const few = best_beside(tried, all, least, most, inputs, limits.most_bytes)) {
    const double all_us = all.at(most, inputs);
    report.kernel = all.name;
    report.bytes = all.bytes;
    report.few_kernel = few->name;
    report.few_bytes = few->bytes;
    const double batch_us = stopwatch.measure_batch(*all.kernel);
    ways.few_us = line_at_crossing(*few, all_us, inputs);
    ways.all_us = all_us;
    ways.all_more_us = std::max(0.0, (batch_us - all_us) / (Stopwatch<A>::most_inputs - 1));
    ways.all = std::move(all.kernel);
    ways.few = std::move(few->kernel);
    while (report.few_below < rows.inputs && ways.choose(1, report.few_below)) ++report.few_below;
  } else {
    Tried<A>& one = quickest(tried, middle, inputs);
    report.kernel = one.name;
    report.bytes = one.bytes;
    ways.all = std::move(one.kernel);
  }
  return ways;
}

template Ways<Float32> choose_kernels(const Rows&, const Codebook&, std::size_t, const std::string&, const Limits&,
                                      LayerReport&);
template Ways<Int8> choose_kernels(const Rows&, const Codebook&, std::size_t, const std::string&, const Limits&,
                                   LayerReport&);
template Ways<Int16> choose_kernels(const Rows&, const Codebook&, std::size_t, const std::string&, const Limits&,
                                    LayerReport&);
template Ways<Chip> choose_kernels(const Rows&, const Codebook&, std::size_t, const std::string&, const Limits&,
                                   LayerReport&);

}  // namespace eie::kernels
