// The limit of the memory that a caller may make us allocate.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace eie {

inline std::string number(std::integral auto value) { return std::to_string(value); }

__extension__ typedef unsigned __int128 Wide;

// Returns `bytes` if they are at most `most`; throws std::invalid_argument, one sentence, otherwise.
inline std::size_t affordable(const std::string& what, Wide bytes, std::uint64_t most) {
  if (bytes > most)
    throw std::invalid_argument(what + " would take " +
                                (bytes >> 64 ? "2^64 or more" : number(static_cast<std::uint64_t>(bytes))) +
                                " bytes, more than the limit of " + number(most));
  return static_cast<std::size_t>(bytes);
}

}  // namespace eie
