// The processor's instruction sets, detected at run time.
#pragma once

#include <string>

namespace eie {

// Those of ARM64, then those of x86-64; each has what those of its architecture before it have.
enum class InstructionSet { portable, neon, dotprod, avx2, avx512 };

// The best that this processor has and the environment variable EIE_INSTRUCTION_SET allows.
InstructionSet best_instruction_set();

// The same, further capped by `name`: "portable", "neon", "dotprod", "avx2", "avx512", or "" for no cap.
// Throws std::invalid_argument for any other name.
InstructionSet instruction_set_up_to(const std::string& name);

const char* name_of(InstructionSet set);

}  // namespace eie
