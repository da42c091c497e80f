// One function per part of the native code, which registers that part's functions with Python.
#pragma once

#include <nanobind/nanobind.h>

namespace eie {

void bind_clustering(nanobind::module_& m);  // clustering.cpp: one-dimensional k-means
void bind_encoding(nanobind::module_& m);  // encoding.cpp: codes by row <-> interleaved CSC
void bind_kernels(nanobind::module_& m);   // kernels/bindings.cpp: networks of compressed layers, run fast
void bind_packing(nanobind::module_& m);   // packing.cpp: flat streams and Huffman codes
void bind_timing(nanobind::module_& m);    // timing/timing.cpp: the chip's cycles

}  // namespace eie
