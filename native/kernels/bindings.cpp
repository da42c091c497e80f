// The engine as Python sees it: a network that is filled layer by layer and run on float32 arrays.
#include "arrays.hpp"
#include "kernels/choose.hpp"
#include "kernels/network.hpp"
#include "kernels/plan.hpp"
#include "rooms.hpp"
#include "rows.hpp"

#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;

namespace eie {
namespace {

using kernels::Codebook;
using kernels::LayerReport;
using kernels::LayerSettings;
using kernels::Network;
using kernels::Plan;
using kernels::Rows;

using Input = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<float, nb::c_contig, nb::device::cpu>;
using Counts = nb::ndarray<std::uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
std::vector<T> copy(const Vector<T>& array) {
  return std::vector<T>(array.data(), array.data() + array.shape(0));
}

using Sizes = std::vector<std::size_t>;
using Pair = std::array<std::size_t, 2>;  // down and across

LayerReport add_layer(Network& network, std::size_t inputs, Vector<std::int64_t> starts, Vector<std::uint32_t> columns,
                      Vector<std::uint8_t> codes, int code_bits, Vector<float> codebook, Vector<std::int16_t> integers,
                      double unit, Vector<float> bias, Vector<std::int64_t> chip_bias, bool relu,
                      int activation_fraction, int output_fraction, int value_bits, int accumulator_bits,
                      const std::string& kernel, std::pair<double, double> activity, std::size_t most_bytes) {
  LayerSettings settings{relu,       copy(bias),      copy(chip_bias), activation_fraction, output_fraction,
                         value_bits, accumulator_bits};
  if (starts.size() == 0) throw std::invalid_argument("there are no row starts, expected outputs + 1");
  const RowsView checked(starts, columns, codes, static_cast<std::int64_t>(starts.size()) - 1,
                         static_cast<std::int64_t>(inputs));
  const Rows rows{starts.shape(0) - 1, inputs, starts.data(), columns.data(), codes.data(), code_bits};
  const Codebook book{copy(codebook), copy(integers), unit};
  nb::gil_scoped_release release;
  return network.add(rows, book, std::move(settings), kernel, {activity.first, activity.second, most_bytes});
}

kernels::Sliding sliding(std::array<std::size_t, 3> image, Pair kernel, Pair stride, Pair padding, Pair dilation) {
  const auto side = [&](int k) { return kernels::Side{image[k + 1], kernel[k], stride[k], padding[k], dilation[k]}; };
  const kernels::Sliding found{image[0], side(0), side(1)};
  found.check();
  return found;
}

// Returns the number of the value it makes, its kernel's name and its weights' bytes.
std::tuple<std::size_t, std::string, std::size_t> add_convolution(
    Plan& plan, const Sizes& sources, const std::string& numerics, std::array<std::size_t, 3> image, Pair kernel,
    Pair stride, Pair padding, Pair dilation, std::size_t groups, Vector<std::int64_t> starts,
    Vector<std::uint32_t> columns, Vector<float> reals, Vector<std::int16_t> integers, double unit, Vector<float> bias,
    Vector<std::int64_t> chip_bias, bool relu, int activation_fraction, int output_fraction, int value_bits,
    int accumulator_bits, std::size_t most_numbers) {
  if (starts.size() == 0) throw std::invalid_argument("there are no row starts, expected outputs + 1");
  const std::size_t weights = numerics == "float32" ? reals.size() : integers.size();
  if (weights != columns.size())
    throw std::invalid_argument("there are " + number(weights) + " weights and " + number(columns.size()) +
                                " columns, expected as many of both");
  check_starts(starts, columns.size(), static_cast<std::int64_t>(starts.size()) - 1);
  const kernels::Filters filters{starts.shape(0) - 1, groups,          starts.data(), columns.data(),
                                 reals.data(),        integers.data(), unit};
  LayerSettings settings{relu,       copy(bias),      copy(chip_bias), activation_fraction, output_fraction,
                         value_bits, accumulator_bits};
  std::string name;
  std::size_t bytes = 0;
  const kernels::Sliding over = sliding(image, kernel, stride, padding, dilation);
  kernels::StepPtr step =
      kernels::make_convolution(numerics, over, filters, std::move(settings), most_numbers, name, bytes);
  return {plan.add(std::move(step), sources), name, bytes};
}

std::size_t add_pooling(Plan& plan, const Sizes& sources, std::array<std::size_t, 3> image, Pair kernel, Pair stride,
                        Pair padding, bool largest) {
  return plan.add(kernels::make_pooling(sliding(image, kernel, stride, padding, {1, 1}), largest), sources);
}

std::size_t add_affine(Plan& plan, const Sizes& sources, std::size_t rows, std::size_t pixels, Vector<float> scale,
                       Vector<float> shift) {
  return plan.add(kernels::make_affine(rows, pixels, copy(scale), copy(shift)), sources);
}

std::size_t add_function(Plan& plan, const Sizes& sources, const std::string& name, std::size_t size,
                         std::size_t rows) {
  return plan.add(kernels::make_function(name, size, rows), sources);
}

std::size_t add_combination(Plan& plan, const Sizes& sources, std::size_t size, std::size_t terms, bool sum) {
  return plan.add(kernels::make_combination(size, terms, sum), sources);
}

std::size_t add_gather(Plan& plan, const Sizes& sources, std::size_t size, Vector<std::int32_t> index) {
  return plan.add(kernels::make_gather(size, copy(index)), sources);
}

std::size_t add_matmul(Plan& plan, const Sizes& sources, std::size_t count, std::size_t rows, std::size_t inner,
                       std::size_t columns) {
  return plan.add(kernels::make_matmul(count, rows, inner, columns), sources);
}

std::size_t add_attention(Plan& plan, const Sizes& sources, std::size_t rows, std::size_t heads, std::size_t width,
                          std::size_t capacity, float scale) {
  return plan.add(kernels::make_attention(rows, heads, width, capacity, scale), sources);
}

std::size_t add_normalisation(Plan& plan, const Sizes& sources, std::size_t rows, std::size_t size, float epsilon,
                              bool centred) {
  return plan.add(kernels::make_normalisation(rows, size, epsilon, centred), sources);
}

std::size_t add_reduction(Plan& plan, const Sizes& sources, std::size_t rows, std::size_t size,
                          const std::string& function) {
  return plan.add(kernels::make_reduction(rows, size, function), sources);
}

std::size_t add_embedding(Plan& plan, const Sizes& sources, std::size_t places, Vector<std::int64_t> starts,
                          Vector<std::uint32_t> rows, Vector<std::uint8_t> codes, Vector<float> book,
                          Vector<float> bias) {
  if (starts.size() < 2) throw std::invalid_argument("there are no column starts, expected inputs + 1");
  if (codes.size() != rows.size())
    throw std::invalid_argument("there are " + number(codes.size()) + " codes and " + number(rows.size()) +
                                " rows, expected as many of both");
  const std::size_t entries = starts.size() - 1;
  check_starts(starts, rows.size(), static_cast<std::int64_t>(entries));
  const kernels::Columns columns{entries, starts.data(), rows.data(), codes.data(), copy(book)};
  return plan.add(kernels::make_embedding(places, columns, copy(bias)), sources);
}

std::size_t add_dense_embedding(Plan& plan, const Sizes& sources, std::size_t places, Matrix<float> table,
                                Vector<float> bias) {
  if (table.shape(1) != bias.size()) throw std::invalid_argument("a lookup must have a bias for each output");
  return plan.add(kernels::make_dense_embedding(places, table.data(), table.shape(0), copy(bias)), sources);
}

std::size_t add_rows(Plan& plan, const Sizes& sources, std::size_t rows, Network& network) {
  return plan.add(kernels::make_rows(kernels::make_layers(network), rows), sources);
}

std::size_t add_layers(Plan& plan, const Sizes& sources, Network& network) {
  return plan.add(kernels::make_layers(network), sources);
}

kernels::StepPtr dense(Matrix<float> weights, Vector<float> bias, bool relu) {
  if (weights.shape(0) != bias.size()) throw std::invalid_argument("a layer must have a bias for each output");
  return kernels::make_dense(weights.data(), weights.shape(1), copy(bias), relu);
}

std::size_t add_dense(Plan& plan, const Sizes& sources, Matrix<float> weights, Vector<float> bias, bool relu) {
  return plan.add(dense(weights, bias, relu), sources);
}

std::size_t add_dense_rows(Plan& plan, const Sizes& sources, std::size_t rows, Matrix<float> weights,
                           Vector<float> bias, bool relu) {
  return plan.add(kernels::make_rows(dense(weights, bias, relu), rows), sources);
}

std::size_t add_recurrent(Plan& plan, const Sizes& sources, bool lstm, std::size_t steps, std::size_t features,
                          bool last_only, bool takes_state, bool gives_memory, Network& network) {
  const kernels::Cell cell{lstm, steps, features, last_only, takes_state, gives_memory};
  return plan.add(kernels::make_recurrent(kernels::make_layers(network), cell), sources);
}

std::size_t add_dense_recurrent(Plan& plan, const Sizes& sources, bool lstm, std::size_t steps, std::size_t features,
                                bool last_only, bool takes_state, bool gives_memory, Matrix<float> weights,
                                Vector<float> bias) {
  const kernels::Cell cell{lstm, steps, features, last_only, takes_state, gives_memory};
  return plan.add(kernels::make_recurrent(dense(weights, bias, false), cell), sources);
}

// For each input and output of the plan, a vector or a batch of them; of each vector's row of `cache`, the plan's own
// numbers from `first` on, unless there is none.
std::size_t run_plan(Plan& plan, const std::vector<Input>& x, const std::vector<Output>& y, Counts overflows,
                     std::optional<Output> cache, std::size_t first) {
  const Sizes outputs = plan.lengths(plan.outputs());
  bool fits =
      plan.finished() && x.size() == plan.inputs() && y.size() == outputs.size() && overflows.size() == plan.layers();
  if (!fits) throw std::invalid_argument("the plan is not finished, or has other inputs, outputs and layers");
  const std::size_t count = y[0].size() / outputs[0];
  std::vector<const float*> from;
  std::vector<float*> to;
  for (std::size_t k = 0; k < x.size(); ++k) {
    fits = fits && x[k].size() == count * plan.lengths({k})[0];
    from.push_back(x[k].data());
  }
  for (std::size_t k = 0; k < y.size(); ++k) {
    fits = fits && y[k].size() == count * outputs[k];
    to.push_back(y[k].data());
  }
  kernels::Cache kept;
  if (cache) {
    kept.stride = count ? cache->size() / count : 0;
    fits = fits && cache->size() == count * kept.stride && first <= kept.stride && plan.cache() <= kept.stride - first;
    if (fits) kept.numbers = cache->data() + first;
  }
  if (!fits) throw std::invalid_argument("inputs, outputs and cache do not fit the plan");
  nb::gil_scoped_release release;
  return plan.run(from, count, to, overflows.data(), kept);
}

// Vectors or batches of them; Python has checked the shapes, but memory is not left to Python.
// No counts are needed where no sum can overflow.
bool run(Network& network, Input x, Output y, std::optional<Counts> overflows) {
  if (network.layers() == 0) throw std::invalid_argument("the network has no layers");
  const std::size_t count = x.size() / network.inputs();
  if (x.size() != count * network.inputs() || y.size() != count * network.outputs() ||
      (overflows ? overflows->size() != network.layers() : network.counts_overflows()))
    throw std::invalid_argument("inputs, outputs and overflow counts do not fit the network");
  std::uint64_t* const counts = overflows ? overflows->data() : nullptr;
  nb::gil_scoped_release release;
  return network.run(x.data(), count, y.data(), counts);
}

}  // namespace

void bind_kernels(nb::module_& m) {
  nb::class_<LayerReport>(m, "LayerReport")
      .def_ro("kernel", &LayerReport::kernel)
      .def_ro("bytes", &LayerReport::bytes)
      .def_ro("few_kernel", &LayerReport::few_kernel)
      .def_ro("few_bytes", &LayerReport::few_bytes)
      .def_ro("few_below", &LayerReport::few_below)
      .def_ro("measured", &LayerReport::measured);
  nb::class_<Network>(m, "Network")
      .def("use_threads", &Network::use_threads, "threads"_a)
      .def("add_layer", &add_layer, "inputs"_a, "starts"_a, "columns"_a, "codes"_a, "code_bits"_a, "codebook"_a,
           "integers"_a, "unit"_a, "bias"_a, "chip_bias"_a, "relu"_a, "activation_fraction"_a, "output_fraction"_a,
           "value_bits"_a, "accumulator_bits"_a, "kernel"_a, "activity"_a, "most_bytes"_a)
      .def("run", &run, "x"_a.noconvert(), "y"_a.noconvert(), "overflows"_a.noconvert().none());
  nb::class_<Plan>(m, "Plan")
      .def(nb::init<Sizes, std::size_t>(), "inputs"_a, "threads"_a)
      .def("add_layers", &add_layers, "sources"_a, "network"_a, nb::keep_alive<1, 3>())
      .def("add_convolution", &add_convolution, "sources"_a, "numerics"_a, "image"_a, "kernel"_a, "stride"_a,
           "padding"_a, "dilation"_a, "groups"_a, "starts"_a, "columns"_a, "reals"_a, "integers"_a, "unit"_a, "bias"_a,
           "chip_bias"_a, "relu"_a, "activation_fraction"_a, "output_fraction"_a, "value_bits"_a, "accumulator_bits"_a,
           "most_numbers"_a)
      .def("add_pooling", &add_pooling, "sources"_a, "image"_a, "kernel"_a, "stride"_a, "padding"_a, "largest"_a)
      .def("add_affine", &add_affine, "sources"_a, "rows"_a, "pixels"_a, "scale"_a, "shift"_a)
      .def("add_function", &add_function, "sources"_a, "name"_a, "size"_a, "rows"_a)
      .def("add_combination", &add_combination, "sources"_a, "size"_a, "terms"_a, "sum"_a)
      .def("add_gather", &add_gather, "sources"_a, "size"_a, "index"_a)
      .def("add_matmul", &add_matmul, "sources"_a, "count"_a, "rows"_a, "inner"_a, "columns"_a)
      .def("add_attention", &add_attention, "sources"_a, "rows"_a, "heads"_a, "width"_a, "capacity"_a, "scale"_a)
      .def("add_normalisation", &add_normalisation, "sources"_a, "rows"_a, "size"_a, "epsilon"_a, "centred"_a)
      .def("add_reduction", &add_reduction, "sources"_a, "rows"_a, "size"_a, "function"_a)
      .def("add_embedding", &add_embedding, "sources"_a, "places"_a, "starts"_a, "rows"_a, "codes"_a, "book"_a,
           "bias"_a)
      .def("add_dense_embedding", &add_dense_embedding, "sources"_a, "places"_a, "table"_a, "bias"_a)
      .def("add_rows", &add_rows, "sources"_a, "rows"_a, "network"_a, nb::keep_alive<1, 4>())
      .def("add_dense_rows", &add_dense_rows, "sources"_a, "rows"_a, "weights"_a, "bias"_a, "relu"_a)
      .def("add_dense", &add_dense, "sources"_a, "weights"_a, "bias"_a, "relu"_a)
      .def("add_recurrent", &add_recurrent, "sources"_a, "lstm"_a, "steps"_a, "features"_a, "last_only"_a,
           "takes_state"_a, "gives_memory"_a, "network"_a, nb::keep_alive<1, 9>())
      .def("add_dense_recurrent", &add_dense_recurrent, "sources"_a, "lstm"_a, "steps"_a, "features"_a, "last_only"_a,
           "takes_state"_a, "gives_memory"_a, "weights"_a, "bias"_a)
      .def("use_threads", &Plan::use_threads, "threads"_a)
      .def_prop_ro("layers", &Plan::layers)
      .def("finish", &Plan::finish, "outputs"_a, "most_bytes"_a)
      .def_prop_ro("cache", &Plan::cache)
      .def("run", &run_plan, "x"_a, "y"_a, "overflows"_a.noconvert(), "cache"_a.noconvert() = nb::none(),
           "first"_a = 0);
  m.def("function_names", &kernels::function_names);
  m.attr("PLAN_DONE") = Plan::done;
  m.attr("PLAN_BAD_INPUT") = Plan::bad_input;
  m.def("make_network", &kernels::make_network, "numerics"_a, "threads"_a);
  m.def("kernel_names", &kernels::kernel_names);
}

}  // namespace eie
