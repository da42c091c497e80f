// The module eie._native: the functions that each folder registers.
#include <string>

#include <nanobind/stl/string.h>

#include "rooms.hpp"

// The compiler's name and version.
static std::string compiler() {
#if defined(__clang__)
  return std::string("clang ") + __clang_version__;
#else
  return std::string("gcc ") + __VERSION__;
#endif
}

NB_MODULE(_native, m) {
  eie::bind_clustering(m);
  eie::bind_encoding(m);
  eie::bind_kernels(m);
  eie::bind_packing(m);
  eie::bind_timing(m);
  m.def("compiler", &compiler);
}
