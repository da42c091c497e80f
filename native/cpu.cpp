#include "cpu.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <stdexcept>

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace eie {
namespace {

InstructionSet supported() {
#if defined(__x86_64__)
  // AVX-512 here means what the kernels use: F, BW, DQ, VL, VBMI, VBMI2 and VNNI (Ice Lake, Zen 4 and later).
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
      __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vnni"))
    return InstructionSet::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    const bool in_avx512 =
        __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
    return in_avx512 || has_avx_vnni() ? InstructionSet::vnni : InstructionSet::avx2;
  }
#elif defined(__aarch64__) && defined(__linux__)
  return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? InstructionSet::dotprod : InstructionSet::neon;
#elif defined(__aarch64__) && defined(__APPLE__)
  return InstructionSet::dotprod;  // every Apple processor that macOS runs on
#elif defined(__aarch64__)
  return InstructionSet::neon;
#endif
  return InstructionSet::portable;
}

constexpr const char* names[] = {"portable", "neon", "dotprod", "avx2", "vnni", "avx512"};

InstructionSet parse(const std::string& name) {
  const auto* found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names))
    throw std::invalid_argument("the instruction set must be portable, neon, dotprod, avx2, vnni or avx512, not " +
                                name);
  return static_cast<InstructionSet>(found - std::begin(names));
}

// `has`, but no more than `most` where that is of the same architecture; no set where it is of one that comes before.
InstructionSet capped(InstructionSet has, InstructionSet most) {
  return has >= InstructionSet::avx2 && most < InstructionSet::avx2 ? InstructionSet::portable : std::min(has, most);
}

}  // namespace

bool has_avx_vnni() {
#if defined(__x86_64__) && !defined(EIE_WITHOUT_AVX_VNNI)
  unsigned a = 0, b, c, d;  // older compilers know no name for this one
  return __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
#else
  return false;
#endif
}

const char* name_of(InstructionSet set) { return names[static_cast<int>(set)]; }

InstructionSet best_instruction_set() {
  const char* cap = std::getenv("EIE_INSTRUCTION_SET");
  return cap && *cap ? capped(supported(), parse(cap)) : supported();
}

InstructionSet instruction_set_up_to(const std::string& name) {
  const InstructionSet best = best_instruction_set();
  return name.empty() ? best : capped(best, parse(name));
}

}  // namespace eie
