// The processor's instruction sets, detected at run time.
#pragma once

#include <string>

namespace eie {

// Those of ARM64, then those of x86-64; each has what those of its architecture before it have. `vnni` is AVX2 with the
// dot product of bytes in vectors of 256 bits, be it AVX-VNNI's or AVX-512's: see has_avx_vnni.
enum class InstructionSet { portable, neon, dotprod, avx2, vnni, avx512 };

// The best that this processor has and the environment variable EIE_INSTRUCTION_SET allows.
InstructionSet best_instruction_set();

// The same, further capped by `name`: "portable", "neon", "dotprod", "avx2", "vnni", "avx512", or "" for no cap.
// Throws std::invalid_argument for any other name.
InstructionSet instruction_set_up_to(const std::string& name);

// Whether this processor has AVX-VNNI: the dot product of `vnni` without AVX-512's registers and encoding. Whatever has
// `vnni` but not this has AVX-512 F, VL and VNNI.
bool has_avx_vnni();

const char* name_of(InstructionSet set);

}  // namespace eie
