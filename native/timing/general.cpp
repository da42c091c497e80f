// The recurrence for sizes beyond 16-bit leads: the same steps, a lane at a time.
#include <algorithm>

#include "timing/recurrence.hpp"

namespace eie::timing {

void advance_general(State<std::int64_t>& state, const Scan& scan, const std::uint32_t* durations, std::size_t end) {
  for (std::size_t k = state.next; k < end; ++k) {
    const std::int64_t now = std::max(state.broadcast_cycle + scan.gaps[k], state.latest[k]);
    const std::int64_t step = now - state.broadcast_cycle;
    const std::uint32_t* before = k > 0 ? durations + std::size_t{scan.columns[k - 1]} * scan.lanes : nullptr;
    std::int64_t most = 2;
    for (std::size_t i = 0; i < scan.lanes; ++i) {
      const std::int64_t left = state.lead[i] + (before ? before[i] : 0) - step;
      state.lead[i] = std::max<std::int64_t>(2, left);
      most = std::max(most, state.lead[i]);
    }
    state.latest[k + scan.queue_depth - 1] = now + most + scan.credit_delay;
    state.broadcast_cycle = now;
  }
  state.next = end;
}

}  // namespace eie::timing
