// The functions of `Activation`, src/eie/steps/elementwise.py.
#include "kernels/functions.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/clones.hpp"
#include "kernels/plan.hpp"

namespace eie::kernels {
namespace {

#define EIE_ROW EIE_CLONES static
#include "../../src/eie/exporters/c/rows.h"

// Of each number by itself.
#define EIE_EACH(name)                                                       \
  EIE_CLONES void each_##name(const float* x, std::size_t count, float* y) { \
    for (std::size_t k = 0; k < count; ++k) y[k] = eie_##name(x[k]);         \
  }
EIE_EACH(sigmoid)
EIE_EACH(tanh)
EIE_EACH(silu)
EIE_EACH(relu6)
EIE_EACH(hardsigmoid)
EIE_EACH(hardswish)
EIE_EACH(gelu)
EIE_EACH(gelu_tanh)
EIE_EACH(erf)
EIE_EACH(square)
EIE_EACH(sqrt)
EIE_EACH(reciprocal)
EIE_EACH(absolute)
EIE_EACH(positive)
EIE_EACH(exp)
#undef EIE_EACH

// One number at a time: rare, and not worth more.
template <float (*of)(float)>
void each(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = of(x[k]);
}
float logarithm(float x) { return std::log(x); }
float cosine(float x) { return std::cos(x); }
float sine(float x) { return std::sin(x); }
float exponential_linear(float x) { return x > 0 ? x : std::expm1(x); }
float soft_plus(float x) { return (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x))); }

EIE_CLONES void rectify_all(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = x[k] < 0 ? 0 : x[k];
}

// The functions of one number, by name.
struct Named {
  const char* name;
  void (*of)(const float* x, std::size_t count, float* y);  // none: a softmax
};
constexpr Named functions[] = {{"relu", rectify},
                               {"sigmoid", each_sigmoid},
                               {"tanh", each_tanh},
                               {"softmax", nullptr},
                               {"log_softmax", nullptr},
                               {"gelu", each_gelu},
                               {"gelu_tanh", each_gelu_tanh},
                               {"silu", each_silu},
                               {"hardsigmoid", each_hardsigmoid},
                               {"hardswish", each_hardswish},
                               {"relu6", each_relu6},
                               {"elu", each<exponential_linear>},
                               {"softplus", each<soft_plus>},
                               {"erf", each_erf},
                               {"exp", each_exp},
                               {"log", each<logarithm>},
                               {"square", each_square},
                               {"sqrt", each_sqrt},
                               {"reciprocal", each_reciprocal},
                               {"absolute", each_absolute},
                               {"positive", each_positive},
                               {"cos", each<cosine>},
                               {"sin", each<sine>}};

class Function final : public Step {
 public:
  Function(const std::string& name, std::size_t size, std::size_t rows)
      : size_(size), rows_(rows), logarithm_(name == "log_softmax") {
    const auto* const found =
        std::find_if(std::begin(functions), std::end(functions), [&](const Named& one) { return name == one.name; });
    if (found == std::end(functions)) throw std::invalid_argument("there is no native function " + name);
    if (size == 0 || rows == 0 || size % rows)
      throw std::invalid_argument("the function " + name + " must have rows that divide its numbers");
    of_ = found->of;
  }
  std::size_t inputs() const override { return size_; }
  std::size_t outputs() const override { return size_; }
  bool run(const float* x, std::size_t count, float* y, std::byte*, std::uint64_t*, Pool&) const override {
    const std::size_t row = size_ / rows_;
    if (of_)
      of_(x, count * size_, y);
    else
      for (std::size_t i = 0; i < count * rows_; ++i) softmax(x + i * row, row, logarithm_, y + i * row);
    return true;
  }

 private:
  std::size_t size_, rows_;
  bool logarithm_;
  void (*of_)(const float*, std::size_t, float*);
};

}  // namespace

void rectify(const float* x, std::size_t count, float* y) { rectify_all(x, count, y); }
float sum_of(const float* x, std::size_t count) { return eie_sum(x, count); }
float largest_of(const float* x, std::size_t count) { return eie_largest(x, count); }

void softmax(const float* x, std::size_t count, bool logarithm, float* y) {
  if (!logarithm) return eie_softmax_row(x, count, y);
  const float most = eie_largest(x, count);
  eie_exponentials(x, most, count, y);
  const float less = std::log(eie_sum(y, count));
  for (std::size_t k = 0; k < count; ++k) y[k] = x[k] - most - less;
}

void normalise(const float* x, std::size_t count, float epsilon, bool centred, float* y) {
  eie_normalise_row(x, count, epsilon, centred, y);
}

void lstm(const float* sums, std::size_t hidden, float* memory, float* state) { eie_lstm(sums, hidden, memory, state); }
void gru(const float* sums, std::size_t hidden, float* state) { eie_gru(sums, hidden, state); }

StepPtr make_function(const std::string& name, std::size_t size, std::size_t rows) {
  return std::make_unique<Function>(name, size, rows);
}

std::vector<std::string> function_names() {
  std::vector<std::string> names;
  for (const Named& one : functions) names.emplace_back(one.name);
  return names;
}

}  // namespace eie::kernels
