// The engine as Python sees it: a network that is filled layer by layer and run on float32 arrays.
#include "arrays.hpp"
#include "kernels/choose.hpp"
#include "kernels/network.hpp"
#include "rooms.hpp"
#include "rows.hpp"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
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
using kernels::Rows;

using Input = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<float, nb::c_contig, nb::device::cpu>;
using Counts = nb::ndarray<std::uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
std::vector<T> copy(const Vector<T>& array) {
  return std::vector<T>(array.data(), array.data() + array.shape(0));
}

LayerReport add_layer(Network& network, std::size_t inputs, Vector<std::int64_t> starts, Vector<std::uint32_t> columns,
                      Vector<std::uint8_t> codes, int code_bits, Vector<float> codebook,
                      Vector<std::int16_t> chip_codebook, Vector<std::int8_t> int8_codebook, double int8_unit,
                      Vector<float> bias, Vector<std::int64_t> chip_bias, bool relu, int activation_fraction,
                      int output_fraction, int value_bits, int accumulator_bits, const std::string& kernel,
                      std::pair<double, double> activity, std::size_t most_bytes) {
  LayerSettings settings{relu,       copy(bias),      copy(chip_bias), activation_fraction, output_fraction,
                         value_bits, accumulator_bits};
  if (starts.size() == 0) throw std::invalid_argument("there are no row starts, expected outputs + 1");
  const RowsView checked(starts, columns, codes, static_cast<std::int64_t>(starts.size()) - 1,
                         static_cast<std::int64_t>(inputs));
  const Rows rows{starts.shape(0) - 1, inputs, starts.data(), columns.data(), codes.data(), code_bits};
  const Codebook book{copy(codebook), copy(chip_codebook), copy(int8_codebook), int8_unit};
  nb::gil_scoped_release release;
  return network.add(rows, book, std::move(settings), kernel, {activity.first, activity.second, most_bytes});
}

// Vectors or batches of them; Python has checked the shapes, but memory is not left to Python.
bool run(Network& network, Input x, Output y, Counts overflows) {
  if (network.layers() == 0) throw std::invalid_argument("the network has no layers");
  const std::size_t count = x.size() / network.inputs();
  if (x.size() != count * network.inputs() || y.size() != count * network.outputs() ||
      overflows.size() != network.layers())
    throw std::invalid_argument("inputs, outputs and overflow counts do not fit the network");
  nb::gil_scoped_release release;
  return network.run(x.data(), count, y.data(), overflows.data());
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
      .def("add_layer", &add_layer, "inputs"_a, "starts"_a, "columns"_a, "codes"_a, "code_bits"_a, "codebook"_a,
           "chip_codebook"_a, "int8_codebook"_a, "int8_unit"_a, "bias"_a, "chip_bias"_a, "relu"_a,
           "activation_fraction"_a, "output_fraction"_a, "value_bits"_a, "accumulator_bits"_a, "kernel"_a, "activity"_a,
           "most_bytes"_a)
      .def("run", &run, "x"_a.noconvert(), "y"_a.noconvert(), "overflows"_a.noconvert());
  m.def("make_network", &kernels::make_network, "numerics"_a, "threads"_a);
  m.def("kernel_names", &kernels::kernel_names<kernels::Int8>);  // which has all that others have
}

}  // namespace eie
