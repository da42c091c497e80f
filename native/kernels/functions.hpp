// Functions of one number that compilers make vector code of, and what runs over a row of numbers. The formulas are in
// the C programs of `eie export c`, too: who includes this is compiled with -ffp-contract=off, as they round everything.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#define EIE_INLINE [[gnu::always_inline]] inline
#define EIE_ROUNDED(x) (x)
#define EIE_BITS(x) std::bit_cast<std::uint32_t>(x)
#define EIE_FLOAT(bits) std::bit_cast<float>(bits)
#define EIE_ROOT(x) std::sqrt(x)

namespace eie::kernels {

#include "../../src/eie/exporters/c/numbers.h"

// Numbers below 0 become 0.
void rectify(const float* x, std::size_t count, float* y);

// e^x over the sum of all e^x, or with `logarithm` its logarithm.
void softmax(const float* x, std::size_t count, bool logarithm, float* y);

// The sum in partial sums, and the largest, of one number or more.
float sum_of(const float* x, std::size_t count);
float largest_of(const float* x, std::size_t count);

// A row, less its mean where `centred`, over the root of its mean square and `epsilon`.
void normalise(const float* x, std::size_t count, float epsilon, bool centred, float* y);

// One time step of each cell: the sums of four gates to the new state and, for an LSTM, memory.
void lstm(const float* sums, std::size_t hidden, float* memory, float* state);
void gru(const float* sums, std::size_t hidden, float* state);

}  // namespace eie::kernels
