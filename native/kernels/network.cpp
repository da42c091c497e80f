#include "kernels/network.hpp"

#include <cmath>
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
    Aligned<float> reals;                         // (widest layer): Int16 looks for the largest before it rounds
    std::vector<double> units;                    // (largest_batch)
  };
  std::size_t stride;
  std::vector<Thread> threads;
  Aligned<typename A::Sum> sums[2];  // (largest_batch, widest): layers write them in turn, while slower threads still read

  Workspace(std::size_t widest, std::size_t thread_count) : stride((widest + 2 * padding - 1) / padding * padding) {
    for (std::size_t t = 0; t < thread_count; ++t)
      threads.push_back({Aligned<typename A::Activation>(largest_batch * stride), Aligned<float>(stride),
                         std::vector<double>(largest_batch)});
    for (auto& part : sums) part = Aligned<typename A::Sum>(largest_batch * stride);
  }
};

// Workspaces that no call is using. All networks share them, the last one given back being the first one lent, so that
// what a call works in is in the cache whichever network ran before.
template <class A>
class Workspaces {
 public:
  using Pointer = std::unique_ptr<Workspace<A>>;

  static Pointer borrow(std::size_t widest, std::size_t threads) {
    Pointer space;
    {
      std::lock_guard guard(lock());
      if (!free().empty()) {
        space = std::move(free().back());
        free().pop_back();
      }
    }
    if (space && space->stride >= widest + padding && space->threads.size() >= threads) return space;
    if (space) {
      widest = std::max(widest, space->stride - padding);
      threads = std::max(threads, space->threads.size());
      space.reset();
    }
    return std::make_unique<Workspace<A>>(widest, threads);
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
    typename Workspaces<A>::Pointer space = Workspaces<A>::borrow(widest_, pool_.threads());
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
    // All threads work through the layers side by side. Each prepares the activations for itself (under 2 % of the time,
    // and one barrier less), multiplies its parts, and waits for the others' sums.
    const auto all_layers = [&](std::size_t thread, std::size_t step) {
      const typename A::Activation* prepared[largest_batch];
      typename A::Sum* sums[largest_batch];
      for (std::size_t l = 0; l < layers_.size(); ++l) {
        prepare(space, space.threads[thread], l, x, batch, thread == 0 ? overflows : nullptr);
        for (std::size_t i = 0; i < batch; ++i) {
          prepared[i] = space.threads[thread].activations.data() + i * space.stride;
          sums[i] = space.sums[l % 2].data() + i * space.stride;
        }
        const Layer<A>& layer = layers_[l];
        for (std::size_t part = thread; part < pool_.threads(); part += step)
          if (layer.share[part] < layer.share[part + 1])
            layer.kernel->multiply(prepared, batch, layer.share[part], layer.share[part + 1], sums);
        if (step > 1) pool_.barrier();
      }
    };
    const bool together = pool_.try_run([&](std::size_t thread) { all_layers(thread, pool_.threads()); });
    if (!together) all_layers(0, 1);  // the pool is another caller's: do its threads' shares here
    for (std::size_t i = 0; i < batch; ++i) write_outputs(space, i, y + i * outputs(), overflows);
  }

  // Fills `own` with the activations of layer `l`. `overflows` counts those of the layer before, where not null.
  void prepare(Workspace<A>& space, typename Workspace<A>::Thread& own, std::size_t l, const float* x, std::size_t batch,
               std::uint64_t* overflows) {
    const Layer<A>& layer = layers_[l];
    const std::size_t inputs = layer.inputs;
    for (std::size_t i = 0; i < batch; ++i) {
      typename A::Activation* values = own.activations.data() + i * space.stride;
      const typename A::Sum* sums = space.sums[(l + 1) % 2].data() + i * space.stride;
      const float* reals = x + i * inputs;
      if constexpr (std::is_same_v<A, Chip>) {
        std::uint64_t ignored = 0;
        const LayerSettings& own_format = layer.settings;
        if (l == 0)
          to_fixed(reals, inputs, own_format.activation_fraction, own_format.value_bits, values);
        else
          for (std::size_t c = 0; c < inputs; ++c)
            values[c] = static_cast<std::int16_t>(
                chip_output(layers_[l - 1].settings, sums, c, overflows ? overflows[l - 1] : ignored));
      } else {
        float* target = own.reals.data();
        if constexpr (std::is_same_v<A, Float32>) target = values;
        if (l == 0)
          std::copy(reals, reals + inputs, target);
        else
          real_outputs(layers_[l - 1].settings, own.units[i], sums, inputs, target);
        if constexpr (std::is_same_v<A, Int16>) own.units[i] = quantise(target, inputs, values);
        else own.units[i] = 1;
        own.units[i] *= layer.kernel->weight_unit();
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
      real_outputs(settings, space.threads[0].units[i], sums, outputs(), y);
    }
  }

  Pool pool_;
  std::vector<Layer<A>> layers_;
  std::size_t widest_ = 0;
};

}  // namespace

std::unique_ptr<Network> make_network(const std::string& numerics, std::size_t threads) {
  if (numerics == "int16") return std::make_unique<NetworkOf<Int16>>(threads);
  if (numerics == "chip") return std::make_unique<NetworkOf<Chip>>(threads);
  if (numerics == "float32") return std::make_unique<NetworkOf<Float32>>(threads);
  throw std::invalid_argument("numerics must be int16, chip or float32, not " + numerics);
}

}  // namespace eie::kernels
