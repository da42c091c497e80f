#include "kernels/network.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <type_traits>

#include "fork.hpp"
#include "kernels/activations.hpp"
#include "kernels/aligned.hpp"
#include "kernels/choose.hpp"
#include "kernels/pool.hpp"

namespace eie::kernels {
namespace {

constexpr std::size_t largest_batch = 16;  // inputs that go through the layers together

template <class A>
struct Layer {
  std::size_t inputs, outputs;
  LayerSettings settings;
  Ways<A> ways;
  std::vector<std::size_t> share[2];  // by way, (threads + 1): thread t has the parts share[t] to share[t + 1]

  // Threads take turns at a share before they know the way: as many as there are parts in either.
  std::size_t turns(std::size_t thread) const {
    const auto parts = [&](std::size_t way) { return share[way][thread + 1] - share[way][thread]; };
    return ways.few ? std::max(parts(0), parts(1)) : parts(0);
  }
};

// What one call needs besides the weights.
template <class A>
struct Workspace {
  struct Thread {
    Aligned<typename A::Activation> activations;  // (batch, stride)
    Aligned<std::uint32_t> active;                // (batch, stride): the columns that are not zero
    Aligned<float> reals;                         // (stride): integers are scaled by the largest of them
  };
  // How far a layer is. Threads take turns at its parts, each at its own share first.
  struct Progress {
    std::vector<std::atomic<std::uint32_t>> taken;  // (threads): turns at each share that have been taken
    std::atomic<std::uint32_t> finished{0};         // turns
    std::atomic<bool> prepared{false};              // by some thread: the first one hands on what all need once
    explicit Progress(std::size_t threads) : taken(threads) {}
  };
  std::size_t stride, batch;  // batch: inputs that there is room for, largest_batch at most
  std::vector<Thread> threads;
  std::deque<Progress> progress;       // (layers)
  // In turns: layer l writes [l % 2], and nobody still reads what layer l - 2 wrote there when a part of l is
  // multiplied.
  Aligned<typename A::Sum> sums[2];    // (batch, stride)
  double units[2][largest_batch];      // the real value of a sum's unit

  Workspace(std::size_t stride, std::size_t batch, std::size_t thread_count, std::size_t layers)
      : stride(stride), batch(batch) {
    for (std::size_t t = 0; t < thread_count; ++t)
      threads.push_back({Aligned<typename A::Activation>(batch * stride), Aligned<std::uint32_t>(batch * stride),
                         Aligned<float>(stride)});
    for (std::size_t l = 0; l < layers; ++l) progress.emplace_back(thread_count);
    for (auto& part : sums) part = Aligned<typename A::Sum>(batch * stride);
  }
};

// Workspaces that no call is using. All networks share them, the last one given back being the first one lent, so that
// what a call works in is in the cache whichever network ran before.
template <class A>
class Workspaces {
 public:
  using Pointer = std::unique_ptr<Workspace<A>>;

  static Pointer borrow(std::size_t widest, std::size_t batch, std::size_t threads, std::size_t layers) {
    std::size_t stride = (widest + 2 * padding - 1) / padding * padding;
    Pointer space;
    {
      std::lock_guard guard(process_lock());
      if (!free().empty()) {
        space = std::move(free().back());
        free().pop_back();
      }
    }
    if (space) {
      if (space->stride >= stride && space->batch >= batch && space->threads.size() >= threads &&
          space->progress.size() >= layers)
        return space;
      batch = std::max(batch, space->batch);
      stride = std::max(stride, space->stride);
      threads = std::max(threads, space->threads.size());
      layers = std::max(layers, space->progress.size());
      space.reset();
    }
    return std::make_unique<Workspace<A>>(stride, batch, threads, layers);
  }

  static void give_back(Pointer space) {
    std::lock_guard guard(process_lock());
    free().push_back(std::move(space));
  }

 private:
  static std::vector<Pointer>& free() {  // never destroyed: a call may outlive the interpreter's end
    static auto* const spaces = new std::vector<Pointer>;
    return *spaces;
  }
};

template <class A>
class NetworkOf final : public Network {
 public:
  explicit NetworkOf(std::size_t threads) : pool_(threads) {}

  LayerReport add(const Rows& rows, const Codebook& codebook, LayerSettings settings, const std::string& name,
                  const Limits& limits) override {
    check(rows, codebook, settings);
    LayerReport report;
    Ways<A> ways = choose_kernels<A>(rows, used_by(rows, codebook), pool_.threads(), name, limits, report);
    Layer<A> layer{rows.inputs, rows.outputs, std::move(settings), std::move(ways), {}};
    layer.share[0] = share_parts(*layer.ways.all);
    if (layer.ways.few) layer.share[1] = share_parts(*layer.ways.few);
    layers_.push_back(std::move(layer));
    widest_ = std::max({widest_, rows.inputs, rows.outputs});
    return report;
  }

  std::size_t inputs() const override { return layers_.front().inputs; }
  std::size_t outputs() const override { return layers_.back().outputs; }
  std::size_t layers() const override { return layers_.size(); }
  bool counts_overflows() const override { return std::is_same_v<A, Chip>; }
  void use_threads(std::size_t threads) override { pool_.use(threads); }

  bool run(const float* x, std::size_t count, float* y, std::uint64_t* overflows) override {
    // Room for one input is a sixteenth of room for a batch, which counts where a layer has millions of inputs.
    const std::size_t most = std::min(count, largest_batch);
    typename Workspaces<A>::Pointer space = Workspaces<A>::borrow(widest_, most, pool_.threads(), layers());
    bool finite = true;
    for (std::size_t first = 0; finite && first < count; first += largest_batch) {
      const std::size_t batch = std::min(largest_batch, count - first);
      finite = range_of(x + first * inputs(), batch * inputs()).finite();
      if (finite) run_batch(*space, x + first * inputs(), batch, y + first * outputs(), overflows);
    }
    Workspaces<A>::give_back(std::move(space));
    return finite;
  }

 private:
  // Python has checked what a user gives, but memory is not left to Python.
  void check(const Rows& rows, const Codebook& codebook, const LayerSettings& settings) const {
    const auto one_each = [&](std::size_t values) { return values == 0 || values == rows.outputs; };
    const std::size_t codes = std::size_t{1} << std::clamp(rows.code_bits, 1, 8);
    const auto fits = [&](std::int16_t value) {
      if constexpr (std::is_same_v<A, Int8> || std::is_same_v<A, Int16>) return std::abs(value) <= A::largest_weight;
      return true;
    };
    if (rows.inputs == 0 || rows.outputs == 0 || (!layers_.empty() && rows.inputs != layers_.back().outputs) ||
        !one_each(settings.bias.size()) || !one_each(settings.chip_bias.size()) || codebook.values.size() != codes ||
        (!std::is_same_v<A, Float32> && codebook.integers.size() != codes) ||
        !std::all_of(codebook.integers.begin(), codebook.integers.end(), fits) ||
        rows.code_bits != std::bit_width(codes) - 1 || settings.value_bits < 2 || settings.value_bits > 16 ||
        settings.accumulator_bits < 2 || settings.accumulator_bits > 62)
      throw std::invalid_argument("the layer's inputs, biases, codebook and widths do not fit each other");
  }

  // Gives each thread parts with about the same bytes to read.
  std::vector<std::size_t> share_parts(const Kernel<A>& kernel) const {
    const std::size_t parts = kernel.parts(), threads = pool_.threads();
    std::size_t total = 0, seen = 0;
    for (std::size_t p = 0; p < parts; ++p) total += kernel.bytes(p);
    std::vector<std::size_t> shares(threads + 1, parts);
    shares[0] = 0;
    std::size_t thread = 1;
    for (std::size_t p = 0; p < parts; ++p) {
      // A part goes to the thread in whose share its middle lies.
      const std::size_t middle = seen + kernel.bytes(p) / 2;
      while (thread < threads && middle * threads >= total * thread) shares[thread++] = p;
      seen += kernel.bytes(p);
    }
    return shares;
  }

  void run_batch(Workspace<A>& space, const float* x, std::size_t batch, float* y, std::uint64_t* overflows) {
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      for (auto& taken : space.progress[l].taken) taken = 0;
      space.progress[l].finished = 0;
      space.progress[l].prepared = false;
    }
    pool_.run([&](std::size_t thread) {
      for (std::size_t l = 0; l < layers_.size(); ++l) run_layer(space, thread, l, x, batch, overflows);
    });
    for (std::size_t i = 0; i < batch; ++i) write_outputs(space, i, y + i * outputs(), overflows);
  }

  // Does what parts of layer `l` are left, its own share first, and returns when all are done. Each thread prepares the
  // activations for itself (under 2 % of the time, and one wait less), but only when it has taken a turn: until that is
  // finished, no other thread can be past this layer and overwrite what it reads. From the same activations all threads
  // choose the same way.
  void run_layer(Workspace<A>& space, std::size_t thread, std::size_t l, const float* x, std::size_t batch,
                 std::uint64_t* overflows) {
    const Layer<A>& layer = layers_[l];
    auto& progress = space.progress[l];
    auto& own = space.threads[thread];
    Input<A> prepared[largest_batch];
    typename A::Sum* sums[largest_batch];
    bool ready = false;
    std::size_t way = 0, turns_in_all = 0;
    for (std::size_t s = 0; s < pool_.threads(); ++s) {
      const std::size_t share = (thread + s) % pool_.threads(), turns = layer.turns(share);
      turns_in_all += turns;
      for (;;) {
        const std::size_t turn = progress.taken[share]++;
        if (turn >= turns) break;
        if (!ready) {
          prepare(space, own, l, x, batch, overflows, prepared);
          way = choose_way(layer, own, batch, prepared);
          for (std::size_t i = 0; i < batch; ++i) sums[i] = space.sums[l % 2].data() + i * space.stride;
          ready = true;
        }
        const std::size_t part = layer.share[way][share] + turn;
        if (part < layer.share[way][share + 1]) layer.ways.kernel(way).multiply(prepared, batch, part, part + 1, sums);
        progress.finished.fetch_add(1, std::memory_order_release);
      }
    }
    for (int waited = 0; progress.finished.load(std::memory_order_acquire) != turns_in_all;) wait_a_turn(waited);
  }

  // The way that these inputs take through the layer; where it skips columns, they are told which are active.
  std::size_t choose_way(const Layer<A>& layer, typename Workspace<A>::Thread& own, std::size_t batch,
                         Input<A>* prepared) const {
    std::size_t active = 0;
    if constexpr (two_ways<A>)
      for (std::size_t i = 0; layer.ways.few && i < batch; ++i)
        active += count_active(prepared[i].values, layer.inputs, prepared[i].zero);
    const std::size_t way = layer.ways.choose(batch, active);
    if (!layer.ways.kernel(way).skips()) return way;
    std::uint32_t* columns = own.active.data();
    for (std::size_t i = 0; i < batch; ++i, columns += layer.inputs) {
      prepared[i].active = columns;
      prepared[i].active_count = list_active(prepared[i].values, layer.inputs, prepared[i].zero, columns);
    }
    return way;
  }

  // Fills `own` with the activations of layer `l`, to which `prepared` then points. The first thread to do so hands on
  // the sums' units and counts, in `overflows`, those of the layer before.
  void prepare(Workspace<A>& space, typename Workspace<A>::Thread& own, std::size_t l, const float* x,
               std::size_t batch, std::uint64_t* overflows, Input<A>* prepared) {
    const Layer<A>& layer = layers_[l];
    const std::size_t inputs = layer.inputs;
    const bool first = !space.progress[l].prepared.exchange(true);
    for (std::size_t i = 0; i < batch; ++i) {
      typename A::Activation* values = own.activations.data() + i * space.stride;
      prepared[i] = {values, 0};
      const typename A::Sum* sums = space.sums[(l + 1) % 2].data() + i * space.stride;
      const float* reals = x + i * inputs;
      if constexpr (std::is_same_v<A, Chip>) {
        std::uint64_t overflowed = 0;
        if (l == 0)
          to_fixed(reals, inputs, layer.settings.activation_fraction, layer.settings.value_bits, values);
        else
          for (std::size_t c = 0; c < inputs; ++c)
            values[c] = static_cast<std::int16_t>(chip_output(layers_[l - 1].settings, sums, c, overflowed));
        if (first && l > 0) overflows[l - 1] += overflowed;
      } else {
        float* target = own.reals.data();
        if constexpr (std::is_same_v<A, Float32>) target = values;
        if (l == 0)
          std::copy(reals, reals + inputs, target);
        else
          real_outputs(layers_[l - 1].settings, space.units[(l + 1) % 2][i], sums, inputs, target);
        double unit = layer.ways.all->weight_unit();
        if constexpr (std::is_same_v<A, Int16>) unit *= quantise(target, inputs, range_of(target, inputs), values);
        if constexpr (std::is_same_v<A, Int8>)
          unit *= quantise(target, inputs, range_of(target, inputs), values, prepared[i].zero);
        if (first) space.units[l % 2][i] = unit;
      }
      std::fill(values + inputs, values + inputs + padding, typename A::Activation{0});
    }
  }

  void write_outputs(Workspace<A>& space, std::size_t i, float* y, std::uint64_t* overflows) {
    const std::size_t last = layers_.size() - 1;
    const LayerSettings& settings = layers_[last].settings;
    const typename A::Sum* sums = space.sums[last % 2].data() + i * space.stride;
    if constexpr (std::is_same_v<A, Chip>) {
      const double unit = std::ldexp(1.0, -settings.output_fraction);
      for (std::size_t r = 0; r < outputs(); ++r)
        y[r] = static_cast<float>(static_cast<double>(chip_output(settings, sums, r, overflows[last])) * unit);
    } else {
      real_outputs(settings, space.units[last % 2][i], sums, outputs(), y);
    }
  }

  Pool pool_;
  std::vector<Layer<A>> layers_;
  std::size_t widest_ = 0;
};

}  // namespace

std::unique_ptr<Network> make_network(const std::string& numerics, std::size_t threads) {
  if (numerics == "int16") return std::make_unique<NetworkOf<Int16>>(threads);
  if (numerics == "int8") return std::make_unique<NetworkOf<Int8>>(threads);
  if (numerics == "chip") return std::make_unique<NetworkOf<Chip>>(threads);
  if (numerics == "float32") return std::make_unique<NetworkOf<Float32>>(threads);
  throw std::invalid_argument("numerics must be int16, int8, chip or float32, not " + numerics);
}

}  // namespace eie::kernels
