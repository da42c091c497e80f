// The chip's time for Python: a matrix prepared once, the recurrence over one scan, and the reads it causes.

#include <nanobind/stl/string.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "cpu.hpp"
#include "rooms.hpp"
#include "timing/recurrence.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace eie {
namespace {

using timing::Scan;
using timing::State;

constexpr std::uint32_t kLongestFast = 255;
constexpr std::size_t kMostLanes = 1024;

// Lanes for the fast path: a power of two, 32 at least.
std::size_t lanes_for(std::size_t n_pe) { return std::max<std::size_t>(32, std::bit_ceil(n_pe)); }

// Cycles that a column of `entries` entries keeps the pointer stage, `units` entries being issued in one.
std::uint32_t cycles_of(std::uint32_t entries, std::uint32_t units) {
  return std::max(1u, entries / units + (entries % units != 0));
}

// Throws std::invalid_argument unless each PE's pointers ascend from 0 and all PEs' entries are `entries`: a matrix is
// validated before this call, but may lie in a mapped file that another process writes to.
void check_pointers(const Matrix<std::uint32_t>& pointers, std::uint64_t entries) {
  std::uint64_t seen = 0;
  const std::size_t stride = pointers.shape(1);
  for (std::size_t pe = 0; stride > 0 && pe < pointers.shape(0); ++pe) {
    const std::uint32_t* pointer = pointers.data() + pe * stride;
    if (pointer[0] != 0 || !std::is_sorted(pointer, pointer + stride)) seen = entries + 1;
    seen += pointer[stride - 1];
  }
  if (stride == 0 || seen != entries)
    throw std::invalid_argument("the matrix has changed since it was validated, or has never been");
}

// Throws std::invalid_argument where one of `columns` is not below `inputs`.
void check_columns(const Vector<std::uint32_t>& columns, std::size_t inputs) {
  for (std::size_t k = 0; k < columns.size(); ++k)
    if (columns.data()[k] >= inputs)
      throw std::invalid_argument("column " + std::to_string(columns.data()[k]) + " is not one of the " +
                                  std::to_string(inputs) + " inputs");
}

template <class Duration>
nb::object durations_of(Matrix<std::uint32_t> pointers, std::size_t lanes, std::uint32_t units) {
  const std::size_t n_pe = pointers.shape(0), inputs = pointers.shape(1) - 1;
  std::vector<Duration> durations(inputs * lanes, 1);
  for (std::size_t pe = 0; pe < n_pe; ++pe) {
    const std::uint32_t* pointer = pointers.data() + pe * (inputs + 1);
    for (std::size_t column = 0; column < inputs; ++column)
      durations[column * lanes + pe] = static_cast<Duration>(cycles_of(pointer[column + 1] - pointer[column], units));
  }
  return to_numpy(std::move(durations), {inputs, lanes});
}

// (durations, weights): cycles per column and PE, as bytes where they fit; weights per column, padding left out.
template <class Entry>
nb::tuple workload(Vector<Entry> entries, Matrix<std::uint32_t> pointers, int code_bits, std::uint32_t units) {
  check_pointers(pointers, entries.size());
  const std::size_t n_pe = pointers.shape(0), inputs = pointers.shape(1) - 1;
  std::vector<std::int64_t> weights(inputs, 0);
  std::uint32_t longest = 1;
  const Entry* slice = entries.data();
  const Entry code_mask = static_cast<Entry>((1u << code_bits) - 1);
  for (std::size_t pe = 0; pe < n_pe; ++pe) {
    const std::uint32_t* pointer = pointers.data() + pe * (inputs + 1);
    for (std::size_t column = 0; column < inputs; ++column) {
      longest = std::max(longest, cycles_of(pointer[column + 1] - pointer[column], units));
      for (std::uint32_t e = pointer[column]; e < pointer[column + 1]; ++e)
        weights[column] += (slice[e] & code_mask) != 0;
    }
    slice += pointer[inputs];
  }
  return nb::make_tuple(longest <= kLongestFast ? durations_of<std::uint8_t>(pointers, lanes_for(n_pe), units)
                                                : durations_of<std::uint32_t>(pointers, n_pe, units),
                        to_numpy(std::move(weights), {inputs}));
}

timing::AdvanceFast fast_for(InstructionSet set, std::size_t lanes) {
  switch (set) {
#if defined(__x86_64__)
    case InstructionSet::avx512: return timing::fast_avx512(lanes);
    case InstructionSet::vnni:
    case InstructionSet::avx2: return timing::fast_avx2(lanes);
#endif
    default: return timing::fast_portable(lanes);
  }
}

constexpr int kDeepestQueue = 1 << 20;  // far from where sums of cycles could overflow

// The scan of `columns`; throws std::invalid_argument where it would lead out of the durations, whose first `n_pe` lanes
// are asked for.
template <class Duration>
Scan scan_of(Matrix<Duration> durations, Vector<std::uint32_t> columns, Vector<std::uint32_t> gaps, std::size_t n_pe,
             int queue_depth, int credit_delay) {
  const std::size_t lanes = durations.shape(1);
  if (n_pe < 1 || n_pe > lanes || (sizeof(Duration) == 1 && lanes != lanes_for(lanes)) || lanes > kMostLanes)
    throw std::invalid_argument(std::to_string(n_pe) + " PEs do not fit durations of " + std::to_string(lanes) +
                                " lanes");
  if (queue_depth < 2 || queue_depth > kDeepestQueue)
    throw std::invalid_argument("queue_depth must be 2 to " + std::to_string(kDeepestQueue) + ", not " +
                                std::to_string(queue_depth));
  if (credit_delay < 0 || credit_delay > kDeepestQueue)
    throw std::invalid_argument("credit_delay must be 0 to " + std::to_string(kDeepestQueue) + ", not " +
                                std::to_string(credit_delay));
  if (columns.size() != gaps.size())
    throw std::invalid_argument("there are " + std::to_string(columns.size()) + " columns and " +
                                std::to_string(gaps.size()) + " gaps, expected as many of both");
  check_columns(columns, durations.shape(0));
  return {columns.data(), gaps.data(), columns.shape(0), durations.shape(1), queue_depth, credit_delay};
}

// The memory behind a State, and the State at the start of a scan.
template <class Lead>
struct Progress {
  std::vector<Lead> lead;
  std::vector<std::int64_t> latest;
  State<Lead> state;

  explicit Progress(const Scan& scan)
      : lead(scan.lanes), latest(scan.broadcasts + scan.queue_depth - 1), state{0, 0, lead.data(), latest.data()} {}
};

// Calls run(advance, durations, state) with the narrowest leads that hold this scan's.
template <class Run>
auto with_advance(Matrix<std::uint8_t> durations, const Scan& scan, const std::string& instruction_set, Run&& run) {
  if (scan.queue_depth * kLongestFast + 2 <= 32767) {
    return run(fast_for(instruction_set_up_to(instruction_set), scan.lanes), durations.data(),
               Progress<std::int16_t>(scan).state);
  }
  const std::vector<std::uint32_t> wide(durations.data(), durations.data() + durations.size());
  return run(&timing::advance_general, wide.data(), Progress<std::int64_t>(scan).state);
}

template <class Run>
auto with_advance(Matrix<std::uint32_t> durations, const Scan& scan, const std::string&, Run&& run) {
  return run(&timing::advance_general, durations.data(), Progress<std::int64_t>(scan).state);
}

// (w of the last broadcast; per PE, when its pointer stage is left for good; and when its last entry leaves it, or 0).
template <class Duration>
nb::tuple recurrence(Matrix<Duration> durations, Vector<std::uint32_t> columns, Vector<std::uint32_t> gaps,
                     Matrix<std::uint32_t> pointers, int queue_depth, int credit_delay,
                     const std::string& instruction_set) {
  const std::size_t n_pe = pointers.shape(0), stride = pointers.shape(1);
  if (stride != durations.shape(0) + 1)
    throw std::invalid_argument(std::to_string(stride) + " pointers do not fit durations of " +
                                std::to_string(durations.shape(0)) + " columns");
  const Scan scan = scan_of(durations, columns, gaps, n_pe, queue_depth, credit_delay);
  std::vector<std::int64_t> left(n_pe, 0), last_entry_left(n_pe, 0);
  std::int64_t last_broadcast = 0;
  if (scan.broadcasts > 0) {
    nb::gil_scoped_release release;
    // The last broadcast that has entries, per PE; most have some in one of the last few. A duration of 1 is one entry or
    // none, which only the pointers tell: they lie far apart, so they are asked last.
    std::vector<std::pair<std::size_t, std::size_t>> last_active;
    last_active.reserve(n_pe);
    for (std::size_t pe = 0; pe < n_pe; ++pe) {
      const std::uint32_t* pointer = pointers.data() + pe * stride;
      if (pointer[stride - 1] == 0) continue;
      for (std::size_t k = scan.broadcasts; k-- > 0;)
        if (durations.data()[std::size_t{scan.columns[k]} * scan.lanes + pe] > 1 ||
            pointer[scan.columns[k] + 1] > pointer[scan.columns[k]]) {
          last_active.emplace_back(k, pe);
          break;
        }
    }
    std::sort(last_active.begin(), last_active.end());
    with_advance(durations, scan, instruction_set, [&](auto advance, const auto* cycles, auto&& state) {
      const auto leaves = [&](std::size_t k, std::size_t pe) {
        return state.broadcast_cycle + state.lead[pe] + cycles[std::size_t{scan.columns[k]} * scan.lanes + pe];
      };
      for (const auto& [k, pe] : last_active) {
        if (k >= state.next) advance(state, scan, cycles, k + 1);
        last_entry_left[pe] = leaves(k, pe);
      }
      advance(state, scan, cycles, scan.broadcasts);
      for (std::size_t pe = 0; pe < n_pe; ++pe) left[pe] = leaves(scan.broadcasts - 1, pe);
      last_broadcast = state.broadcast_cycle;
    });
  }
  return nb::make_tuple(last_broadcast, to_numpy(std::move(left), {n_pe}),
                        to_numpy(std::move(last_entry_left), {n_pe}));
}

// (w of every broadcast; L of every broadcast and PE).
template <class Duration>
nb::tuple schedule(Matrix<Duration> durations, Vector<std::uint32_t> columns, Vector<std::uint32_t> gaps,
                   std::size_t n_pe, int queue_depth, int credit_delay, const std::string& instruction_set) {
  const Scan scan = scan_of(durations, columns, gaps, n_pe, queue_depth, credit_delay);
  std::vector<std::int64_t> broadcast(scan.broadcasts), enter(scan.broadcasts * n_pe);
  with_advance(durations, scan, instruction_set, [&](auto advance, const auto* cycles, auto&& state) {
    nb::gil_scoped_release release;
    for (std::size_t k = 0; k < scan.broadcasts; ++k) {
      advance(state, scan, cycles, k + 1);
      broadcast[k] = state.broadcast_cycle;
      for (std::size_t pe = 0; pe < n_pe; ++pe) enter[k * n_pe + pe] = state.broadcast_cycle + state.lead[pe];
    }
  });
  return nb::make_tuple(to_numpy(std::move(broadcast), {scan.broadcasts}),
                        to_numpy(std::move(enter), {scan.broadcasts, n_pe}));
}

// Per PE. 32 bits are enough: columns ascend, so no count exceeds the last pointer or the number of columns.
struct Traffic {
  std::vector<std::uint32_t> reads, issued, empty;
};

// `row_of` gives the memory row that an entry lies in. PEs are side by side, so that the compiler takes several at once.
template <class RowOf>
void count_traffic(Matrix<std::uint32_t> pointers, Vector<std::uint32_t> columns, RowOf row_of, Traffic& traffic) {
  const std::size_t n_pe = pointers.shape(1), broadcasts = columns.shape(0);
  std::vector<std::uint32_t> row_after(n_pe);  // rows below it were read; columns ascend, so none is read again
  std::uint32_t* const after = row_after.data();
  std::uint32_t* const reads = traffic.reads.data();
  std::uint32_t* const issued = traffic.issued.data();
  std::uint32_t* const empty = traffic.empty.data();
  for (std::size_t k = 0; k < broadcasts; ++k) {
    const std::uint32_t *const first = pointers.data() + columns.data()[k] * n_pe, *const end = first + n_pe;
    for (std::size_t pe = 0; pe < n_pe; ++pe) {
      const std::uint32_t entries = end[pe] - first[pe], some = entries ? ~0u : 0u;
      const std::uint32_t first_row = row_of(first[pe]), end_row = row_of(end[pe] - 1) + 1;
      const std::uint32_t read = after[pe] == first_row + 1 ? 1u : 0u;  // the row in the buffer is the first one needed
      issued[pe] += entries;
      empty[pe] += some + 1;
      reads[pe] += (end_row - first_row - read) & some;
      after[pe] = (end_row & some) | (after[pe] & ~some);
    }
  }
}

// Per PE, for the columns broadcast: weight-memory rows read, entries issued, columns without an entry. `pointers` are
// by column: (columns + 1, PEs).
nb::tuple traffic(Matrix<std::uint32_t> pointers, Vector<std::uint32_t> columns, std::uint32_t entries_per_row) {
  if (entries_per_row < 1 || pointers.shape(0) < 1)
    throw std::invalid_argument("entries per row and pointers must be at least 1");
  check_columns(columns, pointers.shape(0) - 1);
  const std::size_t n_pe = pointers.shape(1);
  Traffic counted{std::vector<std::uint32_t>(n_pe), std::vector<std::uint32_t>(n_pe), std::vector<std::uint32_t>(n_pe)};
  {
    nb::gil_scoped_release release;
    if (std::has_single_bit(entries_per_row)) {  // divisions are most of the time otherwise
      const int shift = std::countr_zero(entries_per_row);
      count_traffic(pointers, columns, [shift](std::uint32_t entry) { return entry >> shift; }, counted);
    } else {
      count_traffic(pointers, columns, [=](std::uint32_t entry) { return entry / entries_per_row; }, counted);
    }
  }
  const auto wide = [n_pe](const std::vector<std::uint32_t>& counts) {
    return to_numpy(std::vector<std::int64_t>(counts.begin(), counts.end()), {n_pe});
  };
  return nb::make_tuple(wide(counted.reads), wide(counted.issued), wide(counted.empty));
}

}  // namespace

void bind_timing(nb::module_& m) {
  m.def("workload", &workload<std::uint8_t>, "entries"_a, "pointers"_a, "code_bits"_a, "arithmetic_units"_a);
  m.def("workload", &workload<std::uint16_t>, "entries"_a, "pointers"_a, "code_bits"_a, "arithmetic_units"_a);
  m.def("recurrence", &recurrence<std::uint8_t>, "durations"_a, "columns"_a, "gaps"_a, "pointers"_a, "queue_depth"_a,
        "credit_delay"_a, "instruction_set"_a);
  m.def("recurrence", &recurrence<std::uint32_t>, "durations"_a, "columns"_a, "gaps"_a, "pointers"_a, "queue_depth"_a,
        "credit_delay"_a, "instruction_set"_a);
  m.def("schedule", &schedule<std::uint8_t>, "durations"_a, "columns"_a, "gaps"_a, "n_pe"_a, "queue_depth"_a,
        "credit_delay"_a, "instruction_set"_a);
  m.def("schedule", &schedule<std::uint32_t>, "durations"_a, "columns"_a, "gaps"_a, "n_pe"_a, "queue_depth"_a,
        "credit_delay"_a, "instruction_set"_a);
  m.def("traffic", &traffic, "pointers"_a, "columns"_a, "entries_per_row"_a);
  m.def("instruction_set", [] { return std::string(name_of(best_instruction_set())); });
}

}  // namespace eie
