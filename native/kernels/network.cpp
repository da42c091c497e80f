#include "kernels/network.hpp"

#include <atomic>
#include <cmath>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <type_traits>

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
  KernelPtr<A> kernel;
  std::vector<std::size_t> share;  // (threads + 1): thread t has the parts share[t] to share[t + 1]
};

// What one call needs besides the weights.
template <class A>
struct Workspace {
  struct Thread {
    Aligned<typename A::Activation> activations;  // (largest_batch, stride)
    Aligned<float> reals;                         // (stride): integers are scaled by the largest of them
  };
  // How far a layer is. Threads take its parts one by one, each its own share first.
  struct Progress {
    std::vector<std::atomic<std::uint32_t>> taken;  // (threads): parts of each share that have been taken
    std::atomic<std::uint32_t> finished{0};         // parts
    std::atomic<bool> prepared{false};              // by some thread: the first one hands on what all need once
    explicit Progress(std::size_t threads) : taken(threads) {}
  };
  std::size_t stride;
  std::vector<Thread> threads;
  std::deque<Progress> progress;       // (layers)
  // In turns: layer l writes [l % 2], and nobody still reads what layer l - 2 wrote there when a part of l is
  // multiplied.
  Aligned<typename A::Sum> sums[2];    // (largest_batch, stride)
  double units[2][largest_batch];      // the real value of a sum's unit

  Workspace(std::size_t stride, std::size_t thread_count, std::size_t layers) : stride(stride) {
    for (std::size_t t = 0; t < thread_count; ++t)
      threads.push_back({Aligned<typename A::Activation>(largest_batch * stride), Aligned<float>(stride)});
    for (std::size_t l = 0; l < layers; ++l) progress.emplace_back(thread_count);
    for (auto& part : sums) part = Aligned<typename A::Sum>(largest_batch * stride);
  }
};

// Workspaces that no call is using. All networks share them, the last one given back being the first one lent, so that
// what a call works in is in the cache whichever network ran before.
template <class A>
class Workspaces {
 public:
  using Pointer = std::unique_ptr<Workspace<A>>;

  static Pointer borrow(std::size_t widest, std::size_t threads, std::size_t layers) {
    std::size_t stride = (widest + 2 * padding - 1) / padding * padding;
    Pointer space;
    {
      std::lock_guard guard(lock());
      if (!free().empty()) {
        space = std::move(free().back());
        free().pop_back();
      }
    }
    if (space) {
      if (space->stride >= stride && space->threads.size() >= threads && space->progress.size() >= layers) return space;
      stride = std::max(stride, space->stride);
      threads = std::max(threads, space->threads.size());
      layers = std::max(layers, space->progress.size());
      space.reset();
    }
    return std::make_unique<Workspace<A>>(stride, threads, layers);
  }

  static void give_back(Pointer space) {
    std::lock_guard guard(lock());
    free().push_back(std::move(space));
  }

 private:
  static std::mutex& lock() {
    static std::mutex mutex;
    return mutex;
  }
  static std::vector<Pointer>& free() {
    static std::vector<Pointer> spaces;
    return spaces;
  }
};

template <class A>
class NetworkOf final : public Network {
 public:
  explicit NetworkOf(std::size_t threads) : pool_(threads) {}

  LayerReport add(const Rows& rows, const Codebook& codebook, LayerSettings settings,
                  const std::string& name) override {
    LayerReport report;
    KernelPtr<A> kernel = choose_kernel<A>(rows, codebook, pool_.threads(), name, report);
    Layer<A> layer{rows.inputs, rows.outputs, std::move(settings), std::move(kernel), {}};
    share_parts(layer);
    layers_.push_back(std::move(layer));
    widest_ = std::max({widest_, rows.inputs, rows.outputs});
    return report;
  }

  std::size_t inputs() const override { return layers_.front().inputs; }
  std::size_t outputs() const override { return layers_.back().outputs; }
  std::size_t layers() const override { return layers_.size(); }

  bool run(const float* x, std::size_t count, float* y, std::uint64_t* overflows) override {
    typename Workspaces<A>::Pointer space = Workspaces<A>::borrow(widest_, pool_.threads(), layers());
    bool finite = true;
    for (std::size_t first = 0; finite && first < count; first += largest_batch) {
      const std::size_t batch = std::min(largest_batch, count - first);
      finite = std::isfinite(largest_magnitude(x + first * inputs(), batch * inputs()));
      if (finite) run_batch(*space, x + first * inputs(), batch, y + first * outputs(), overflows);
    }
    Workspaces<A>::give_back(std::move(space));
    return finite;
  }

 private:
  // Gives each thread parts with about the same bytes to read.
  void share_parts(Layer<A>& layer) const {
    const std::size_t parts = layer.kernel->parts(), threads = pool_.threads();
    std::size_t total = 0, seen = 0;
    for (std::size_t p = 0; p < parts; ++p) total += layer.kernel->bytes(p);
    layer.share.assign(threads + 1, parts);
    layer.share[0] = 0;
    std::size_t thread = 1;
    for (std::size_t p = 0; p < parts; ++p) {
      // A part goes to the thread in whose share its middle lies.
      const std::size_t middle = seen + layer.kernel->bytes(p) / 2;
      while (thread < threads && middle * threads >= total * thread) layer.share[thread++] = p;
      seen += layer.kernel->bytes(p);
    }
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
  // activations for itself (under 2 % of the time, and one wait less), but only when it has taken a part: until that is
  // finished, no other thread can be past this layer and overwrite what it reads.
  void run_layer(Workspace<A>& space, std::size_t thread, std::size_t l, const float* x, std::size_t batch,
                 std::uint64_t* overflows) {
    const Layer<A>& layer = layers_[l];
    auto& progress = space.progress[l];
    auto& own = space.threads[thread];
    Input<A> prepared[largest_batch];
    typename A::Sum* sums[largest_batch];
    bool ready = false;
    for (std::size_t s = 0; s < pool_.threads(); ++s) {
      const std::size_t share = (thread + s) % pool_.threads();
      for (;;) {
        const std::size_t part = layer.share[share] + progress.taken[share]++;
        if (part >= layer.share[share + 1]) break;
        if (!ready) {
          prepare(space, own, l, x, batch, overflows, prepared);
          for (std::size_t i = 0; i < batch; ++i) sums[i] = space.sums[l % 2].data() + i * space.stride;
          ready = true;
        }
        layer.kernel->multiply(prepared, batch, part, part + 1, sums);
        progress.finished.fetch_add(1, std::memory_order_release);
      }
    }
    const std::size_t parts = layer.kernel->parts();
    for (int turns = 0; progress.finished.load(std::memory_order_acquire) != parts;) wait_a_turn(turns);
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
        double unit = layer.kernel->weight_unit();
        if constexpr (std::is_same_v<A, Int16>) unit *= quantise(target, inputs, values);
        if constexpr (std::is_same_v<A, Int8>) unit *= quantise(target, inputs, values, prepared[i].zero);
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
