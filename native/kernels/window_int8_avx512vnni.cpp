#include "kernels/window_int8_vnni.inl"

namespace eie::kernels {

KernelPtr<Int8> make_window_avx512vnni(const Rows& rows, const Codebook& codebook) {
  return make_window<FoursOfBytes>(rows, codebook);
}

}  // namespace eie::kernels
