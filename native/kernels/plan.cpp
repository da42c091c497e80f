#include "kernels/plan.hpp"

#include <algorithm>
#include <mutex>
#include <stdexcept>

#include "fork.hpp"
#include "kernels/activations.hpp"
#include "limits.hpp"

namespace eie::kernels {
namespace {

constexpr std::size_t largest_batch = 16;                   // vectors that go through the steps together,
constexpr std::size_t batch_numbers = std::size_t{1} << 18;  // if a cache holds what they make
constexpr std::size_t line = 16;                            // numbers of a cache line

std::size_t lines(std::size_t numbers) { return (numbers + line - 1) / line * line; }

// Places in memory that are in use; a new one goes where the first gap is.
class Places {
 public:
  std::size_t take(std::size_t length, std::size_t last_use) {
    std::size_t place = 0;
    auto next = used_.begin();
    for (; next != used_.end() && next->place < place + length; ++next) place = next->place + next->length;
    used_.insert(next, {place, length, last_use});
    end_ = std::max(end_, place + length);
    return place;
  }
  void give_back_until(std::size_t step) {
    std::erase_if(used_, [&](const Used& used) { return used.last_use <= step; });
  }
  std::size_t end() const { return end_; }

 private:
  struct Used {
    std::size_t place, length, last_use;
  };
  std::vector<Used> used_;  // by place
  std::size_t end_ = 0;
};

class Layers final : public Step {
 public:
  explicit Layers(Network& network) : network_(network) {
    if (network.layers() == 0) throw std::invalid_argument("the network has no layers");
  }
  std::size_t inputs() const override { return network_.inputs(); }
  std::size_t outputs() const override { return network_.outputs(); }
  std::size_t layers() const override { return network_.layers(); }
  bool checks() const override { return true; }
  bool run(const float* x, std::size_t count, float* y, std::byte*, std::uint64_t* overflows, Pool&) const override {
    return network_.run(x, count, y, overflows);
  }

 private:
  Network& network_;
};

}  // namespace

StepPtr make_layers(Network& network) { return std::make_unique<Layers>(network); }

Plan::Plan(std::vector<std::size_t> inputs, std::size_t threads) : inputs_(inputs.size()), pool_(threads) {
  for (std::size_t length : inputs) values_.push_back({length});
}

std::size_t Plan::add(StepPtr step, const std::vector<std::size_t>& sources) {
  std::size_t length = 0;
  for (std::size_t source : sources) length += lengths({source})[0];
  if (finished_ || sources.empty() || length != step->inputs())
    throw std::invalid_argument("a step of " + std::to_string(step->inputs()) + " inputs was given " +
                                std::to_string(length) + ", or its plan is finished");
  layers_ += step->layers();
  cache_ += step->cache();
  values_.push_back({step->outputs()});
  nodes_.push_back({std::move(step), sources});
  return values_.size() - 1;
}

std::vector<std::size_t> Plan::lengths(const std::vector<std::size_t>& values) const {
  std::vector<std::size_t> found;
  for (std::size_t value : values) {
    if (value >= values_.size())
      throw std::invalid_argument("value " + std::to_string(value) + " is not one of the plan's " +
                                  std::to_string(values_.size()));
    found.push_back(values_[value].length);
  }
  return found;
}

void Plan::finish(const std::vector<std::size_t>& outputs, std::size_t most_bytes) {
  lengths(outputs);
  if (finished_ || nodes_.empty()) throw std::invalid_argument("a plan is finished once, and has steps");
  for (std::size_t value = inputs_; value < values_.size(); ++value) values_[value].kept = true;
  for (std::size_t output : outputs) {
    if (output < inputs_ || !values_[output].kept)
      throw std::invalid_argument("an output of a plan is made by a step, and given once");
    values_[output].kept = false;
  }
  for (std::size_t n = 0; n < nodes_.size(); ++n)
    for (std::size_t source : nodes_[n].sources) {
      values_[source].last_use = n;
      values_[source].unchecked |= !nodes_[n].step->checks();
    }
  Places places;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    Node& node = nodes_[n];
    if (node.sources.size() > 1) node.joined = places.take(lines(node.step->inputs()), n);
    Value& made = values_[inputs_ + n];
    if (made.kept) made.place = places.take(lines(made.length), std::max(made.last_use, n));
    places.give_back_until(n);
  }
  numbers_ = places.end();
  affordable("one input's numbers on their way through the network", bytes(1), most_bytes);
  batch_ = std::clamp<std::size_t>(4 * batch_numbers / std::max<std::size_t>(1, bytes(1)), 1, largest_batch);
  outputs_ = outputs;
  finished_ = true;
}

std::size_t Plan::bytes(std::size_t count) const {
  std::size_t scratch = 0;
  for (const Node& node : nodes_) scratch = std::max(scratch, node.step->scratch(count));
  return 4 * numbers_ * count + scratch;
}

std::size_t Plan::run(const std::vector<const float*>& x, std::size_t count, const std::vector<float*>& y,
                      std::uint64_t* overflows, Cache cache) {
  const std::size_t most = std::min(count, batch_), needed = bytes(most);
  Aligned<std::byte> arena;
  {
    std::lock_guard guard(process_lock());
    if (!free_.empty()) {
      arena = std::move(free_.back());
      free_.pop_back();
    }
  }
  if (arena.size() < needed) arena = Aligned<std::byte>(needed);
  std::size_t result = done;
  std::vector<const float*> from = x;
  std::vector<float*> to = y;
  for (std::size_t first = 0; result == done && first < count; first += batch_) {
    const std::size_t batch = std::min(batch_, count - first);
    for (std::size_t k = 0; k < inputs_; ++k) {
      from[k] = x[k] + first * values_[k].length;
      if (values_[k].unchecked && !range_of(from[k], batch * values_[k].length).finite()) result = bad_input;
    }
    for (std::size_t k = 0; k < outputs_.size(); ++k) to[k] = y[k] + first * values_[outputs_[k]].length;
    if (result == done) result = run_batch(from, batch, to, arena.data(), overflows, cache);
    if (cache.numbers) cache.numbers += batch * cache.stride;
  }
  std::lock_guard guard(process_lock());
  free_.push_back(std::move(arena));
  return result;
}

std::size_t Plan::run_batch(const std::vector<const float*>& x, std::size_t count, const std::vector<float*>& y,
                            std::byte* arena, std::uint64_t* overflows, Cache cache) {
  auto* numbers = reinterpret_cast<float*>(arena);
  std::byte* scratch = arena + 4 * numbers_ * count;
  const auto made = [&](std::size_t value) {
    if (values_[value].kept) return numbers + values_[value].place * count;
    return y[static_cast<std::size_t>(std::find(outputs_.begin(), outputs_.end(), value) - outputs_.begin())];
  };
  const auto given = [&](std::size_t value) { return value < inputs_ ? x[value] : made(value); };
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    const Node& node = nodes_[n];
    const float* input = given(node.sources[0]);
    if (node.sources.size() > 1) {
      float* joined = numbers + node.joined * count;
      input = joined;
      for (std::size_t i = 0; i < count; ++i)
        for (std::size_t source : node.sources) {
          const std::size_t length = values_[source].length;
          joined = std::copy_n(given(source) + i * length, length, joined);
        }
    }
    float* const output = made(inputs_ + n);
    const bool ran = cache.numbers && node.step->cache()
                         ? node.step->resume(input, count, output, scratch, cache.numbers, cache.stride)
                         : node.step->run(input, count, output, scratch, overflows, pool_);
    if (!ran) return n;
    overflows += node.step->layers();
    if (cache.numbers) cache.numbers += node.step->cache();
  }
  return done;
}

}  // namespace eie::kernels
