// The module eie._native: the functions that each folder registers.
#include "rooms.hpp"

NB_MODULE(_native, m) {
  eie::bind_clustering(m);
  eie::bind_encoding(m);
  eie::bind_kernels(m);
  eie::bind_packing(m);
  eie::bind_timing(m);
}
