#include "cpu.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace eie {
namespace {

InstructionSet supported() {
#if defined(__x86_64__)
  // AVX-512 here means what the kernels use: F, BW, DQ, VL, VBMI, VBMI2 and VNNI (Ice Lake, Zen 4 and later).
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
      __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vnni"))
    return InstructionSet::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return InstructionSet::avx2;
#endif
  return InstructionSet::portable;
}

InstructionSet parse(const std::string& name) {
  for (InstructionSet set : {InstructionSet::portable, InstructionSet::avx2, InstructionSet::avx512})
    if (name == name_of(set)) return set;
  throw std::invalid_argument("the instruction set must be portable, avx2 or avx512, not " + name);
}

}  // namespace

const char* name_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::avx512: return "avx512";
    case InstructionSet::avx2: return "avx2";
    default: return "portable";
  }
}

InstructionSet best_instruction_set() {
  const char* cap = std::getenv("EIE_INSTRUCTION_SET");
  return cap && *cap ? std::min(supported(), parse(cap)) : supported();
}

InstructionSet instruction_set_up_to(const std::string& name) {
  const InstructionSet best = best_instruction_set();
  return name.empty() ? best : std::min(best, parse(name));
}

}  // namespace eie
