// A plan: the steps of a network, whatever they are, run one after the other without leaving native code. Where each
// step's outputs lie is decided once, when the plan is finished; memory whose numbers nobody needs any more is used
// again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/aligned.hpp"
#include "kernels/image.hpp"
#include "kernels/network.hpp"
#include "kernels/pool.hpp"

namespace eie::kernels {

// One step. Immutable once built, so any number of threads may run one at a time.
class Step {
 public:
  virtual ~Step() = default;

  virtual std::size_t inputs() const = 0;
  virtual std::size_t outputs() const = 0;
  // Bytes of memory that `run` works in with so many vectors, aligned to 64 bytes.
  virtual std::size_t scratch(std::size_t) const { return 0; }
  // Layers, whose overflows are counted.
  virtual std::size_t layers() const { return 0; }
  // Whether `run` looks for numbers that are not finite.
  virtual bool checks() const { return false; }
  // x: (count, inputs), y: (count, outputs), which do not overlap. overflows: (layers), grow by the sums of each layer
  // that the accumulator could not hold. Returns false, y being unspecified, where a layer was given numbers that are
  // not finite.
  virtual bool run(const float* x, std::size_t count, float* y, std::byte* scratch, std::uint64_t* overflows,
                   Pool& pool) const = 0;

  // Numbers that it keeps of the vectors before, of each sequence of them.
  virtual std::size_t cache() const { return 0; }
  // As `run`, for vectors that follow others: `cache` has what was kept of these, (count, cache()) numbers whose rows
  // are `stride` apart, and gets what is kept of both. Returns false, too, where it is no cache or has no room.
  virtual bool resume(const float*, std::size_t, float*, std::byte*, float*, std::size_t) const { return false; }
};

using StepPtr = std::unique_ptr<Step>;

// What the steps of a plan keep of the vectors before, one step after the other: `numbers` of the first vector, those of
// the next one `stride` further. There may be none.
struct Cache {
  float* numbers = nullptr;
  std::size_t stride = 0;
};

class Plan {
 public:
  // `inputs`: the lengths of the vectors that a call is given, the plan's first values.
  Plan(std::vector<std::size_t> inputs, std::size_t threads);

  // Adds a step whose input is the values `sources` one after the other; returns the number of the value it makes.
  std::size_t add(StepPtr step, const std::vector<std::size_t>& sources);
  // No more steps; `outputs` are the values that a call is to give. Throws std::invalid_argument, one sentence, where a
  // call of one vector would take more than `most_bytes`.
  void finish(const std::vector<std::size_t>& outputs, std::size_t most_bytes);

  static constexpr std::size_t done = ~std::size_t{0}, bad_input = done - 1;
  // x: for each input (count, its length), y: for each output likewise. Returns `done`; `bad_input` where some x is not
  // finite; or the number of the step that was given numbers that it cannot take. With a cache, the vectors follow
  // others, of which its numbers are what was kept.
  std::size_t run(const std::vector<const float*>& x, std::size_t count, const std::vector<float*>& y,
                  std::uint64_t* overflows, Cache cache = {});

  // From now on at most so many threads share a call, but for the networks of linear layers, which have their own.
  void use_threads(std::size_t threads) { pool_.use(threads); }

  bool finished() const { return finished_; }
  std::size_t layers() const { return layers_; }
  std::size_t cache() const { return cache_; }  // numbers of each vector
  std::size_t bytes(std::size_t count) const;  // that a call with so many vectors works in
  std::vector<std::size_t> lengths(const std::vector<std::size_t>& values) const;
  std::size_t inputs() const { return inputs_; }
  const std::vector<std::size_t>& outputs() const { return outputs_; }

 private:
  // Where a value lies in the arena of a call with one vector; with more, everything is as many times as far away.
  struct Value {
    std::size_t length, place = 0, last_use = 0;
    bool kept = false;       // in the arena: not where the caller has it
    bool unchecked = false;  // is read by some step that would take what is not finite
  };
  struct Node {
    StepPtr step;
    std::vector<std::size_t> sources;
    std::size_t joined = 0;  // the place of its input, where that is made of several values
  };

  std::size_t run_batch(const std::vector<const float*>& x, std::size_t count, const std::vector<float*>& y,
                        std::byte* arena, std::uint64_t* overflows, Cache cache);

  std::size_t inputs_, layers_ = 0, cache_ = 0, numbers_ = 0, batch_ = 1;
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> outputs_;
  bool finished_ = false;
  Pool pool_;
  std::vector<Aligned<std::byte>> free_;  // arenas that no call is using
};

// A network of linear layers as a step; `network` outlives it.
StepPtr make_layers(Network& network);

// The weights of a convolution: row r has those of output channel r, column c is the input channel c / (kernel pixels),
// counted within the channel's group, and the pixel c % (kernel pixels) of the window. The columns of a row ascend.
struct Filters {
  std::size_t outputs, groups;
  const std::int64_t* starts;       // (outputs + 1)
  const std::uint32_t* columns;     // (weights)
  const float* reals;               // (weights): Float32
  const std::int16_t* integers;     // (weights): all others; Chip's shifted up to 16 bits
  double unit = 1;                  // of the integers of Int8 and Int16

  std::size_t weights() const { return static_cast<std::size_t>(starts[outputs]); }
};

// Throws std::invalid_argument, one sentence, for sizes and weights that do not fit, and where the padded image would
// have more than `most` numbers. `bytes` are those of the weights.
StepPtr make_convolution(const std::string& numerics, const Sliding& sliding, const Filters& filters,
                         LayerSettings settings, std::size_t most, std::string& kernel, std::size_t& bytes);

// The largest number of each window, or the mean, with zeros as padding.
StepPtr make_pooling(const Sliding& sliding, bool largest);
// scale * x + shift for each channel of `pixels` numbers, for each of `rows` such parts.
StepPtr make_affine(std::size_t rows, std::size_t pixels, std::vector<float> scale, std::vector<float> shift);
// One of function_names() of `size` numbers, those of `rows` parts each by themselves; throws std::invalid_argument for
// another.
StepPtr make_function(const std::string& name, std::size_t size, std::size_t rows);
std::vector<std::string> function_names();
// The sum, or the product, of `terms` vectors of `size` numbers, from the first to the last.
StepPtr make_combination(std::size_t size, std::size_t terms, bool sum);
// Output k is number index[k] of `size`, or 0 where that is -1. Throws std::invalid_argument for another.
StepPtr make_gather(std::size_t size, std::vector<std::int32_t> index);
// `count` products of matrices, (rows, inner) times (inner, columns): all of the first kind, then all of the second.
StepPtr make_matmul(std::size_t count, std::size_t rows, std::size_t inner, std::size_t columns);
// Causal attention (src/eie/steps/attention.py) of `rows` tokens, after at most `capacity` with them.
StepPtr make_attention(std::size_t rows, std::size_t heads, std::size_t width, std::size_t capacity, float scale);
// Each of `rows` vectors over its standard deviation, their mean taken away first if `centred`.
StepPtr make_normalisation(std::size_t rows, std::size_t size, float epsilon, bool centred);
// The mean, sum or max of each of `rows` vectors; throws std::invalid_argument for another.
StepPtr make_reduction(std::size_t rows, std::size_t size, const std::string& function);

// The weights of a matrix, (outputs, inputs), column by column: of column c those from starts[c] to starts[c + 1].
struct Columns {
  std::size_t inputs;
  const std::int64_t* starts;  // (inputs + 1)
  const std::uint32_t* rows;
  const std::uint8_t* codes;
  std::vector<float> book;
};
// For each of `places` whole numbers a column plus `bias`; one that is none is refused when it comes. Throws
// std::invalid_argument where rows, codes and sizes do not fit.
StepPtr make_embedding(std::size_t places, const Columns& columns, std::vector<float> bias);
// table: (entries, outputs).
StepPtr make_dense_embedding(std::size_t places, const float* table, std::size_t entries, std::vector<float> bias);
// `product`, which needs no scratch, of each of `rows` vectors.
StepPtr make_rows(StepPtr product, std::size_t rows);
// An LSTM or a GRU over `steps` inputs of `features` numbers (src/eie/steps/recurrent.py).
struct Cell {
  bool lstm;
  std::size_t steps, features;
  bool last_only = false, takes_state = false, gives_memory = false;
};
// `product` makes the sums of a step's gates. Throws std::invalid_argument where the sizes do not fit.
StepPtr make_recurrent(StepPtr product, const Cell& cell);
// weights: (outputs, inputs). W x + b, and ReLU.
StepPtr make_dense(const float* weights, std::size_t inputs, std::vector<float> bias, bool relu);

}  // namespace eie::kernels
