// The processor's instruction sets, detected at run time.
#pragma once

#include <string>

namespace eie {

enum class InstructionSet { portable, avx2, avx512 };

// The best that this processor has and the environment variable EIE_INSTRUCTION_SET allows.
InstructionSet best_instruction_set();

// The same, further capped by `name`: "portable", "avx2", "avx512", or "" for no cap.
// Throws std::invalid_argument for any other name.
InstructionSet instruction_set_up_to(const std::string& name);

const char* name_of(InstructionSet set);

}  // namespace eie
