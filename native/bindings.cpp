// The module eie._native: what every room brings, and nothing else.
#include "rooms.hpp"

NB_MODULE(_native, m) {
  eie::bind_clustering(m);
  eie::bind_encoding(m);
  eie::bind_kernels(m);
  eie::bind_packing(m);
  eie::bind_timing(m);
}
