// The functions of `Activation`, src/eie/steps/elementwise.py.
#include "kernels/functions.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "kernels/clones.hpp"
#include "kernels/plan.hpp"

namespace eie::kernels {
namespace {

EIE_CLONES void sigmoids(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = sigmoid(x[k]);
}
EIE_CLONES void tangents(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = hyperbolic_tangent(x[k]);
}
EIE_CLONES void silus(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = x[k] * sigmoid(x[k]);
}
[[gnu::always_inline]] inline float clip(float x) {
  x = x < 0 ? 0 : x;
  return x > 6 ? 6 : x;
}
EIE_CLONES void clips(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = clip(x[k]);
}
EIE_CLONES void hard_sigmoids(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = clip(x[k] + 3) / 6;
}
EIE_CLONES void hard_silus(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = x[k] * (clip(x[k] + 3) / 6);
}
EIE_CLONES void gelus(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = x[k] * (0.5f + 0.5f * error_function(x[k] * 0.707106781f));
}
EIE_CLONES void gelus_by_tangent(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) {
    const float inner = 0.797884561f * (x[k] + 0.044715f * x[k] * x[k] * x[k]);
    y[k] = x[k] * (0.5f + 0.5f * hyperbolic_tangent(inner));
  }
}
EIE_CLONES void error_functions(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = error_function(x[k]);
}
EIE_CLONES void squares(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = x[k] * x[k];
}
EIE_CLONES void roots(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = std::sqrt(x[k]);
}
EIE_CLONES void reciprocals(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = 1 / x[k];
}
EIE_CLONES void magnitudes(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = std::fabs(x[k]);
}
EIE_CLONES void positives(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = x[k] > 0 ? 1 : 0;
}
EIE_CLONES void exponentials(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) {
    const float half = exponential(x[k] * 0.5f);  // of numbers whose e^x is none that a float can be, too
    y[k] = half * half;
  }
}

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

// Of sixteen numbers each, side by side.
constexpr std::size_t lanes = 16;

EIE_CLONES float sum(const float* x, std::size_t count) {
  float partial[lanes] = {};
  std::size_t k = 0;
  for (; k + lanes <= count; k += lanes)
    for (std::size_t j = 0; j < lanes; ++j) partial[j] += x[k + j];
  for (std::size_t j = 0; k + j < count; ++j) partial[j] += x[k + j];
  for (std::size_t half = lanes / 2; half; half /= 2)
    for (std::size_t j = 0; j < half; ++j) partial[j] += partial[j + half];
  return partial[0];
}

EIE_CLONES float largest(const float* x, std::size_t count) {
  float partial[lanes];
  std::fill(partial, partial + lanes, -std::numeric_limits<float>::infinity());
  std::size_t k = 0;
  for (; k + lanes <= count; k += lanes)
    for (std::size_t j = 0; j < lanes; ++j) partial[j] = partial[j] < x[k + j] ? x[k + j] : partial[j];
  for (std::size_t j = 0; k + j < count; ++j) partial[j] = partial[j] < x[k + j] ? x[k + j] : partial[j];
  return *std::max_element(partial, partial + lanes);
}

EIE_CLONES void exponentials_less(const float* x, float less, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = exponential(x[k] - less);
}
EIE_CLONES void scale_by(float by, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] *= by;
}
EIE_CLONES void rectify_all(const float* x, std::size_t count, float* y) {
  for (std::size_t k = 0; k < count; ++k) y[k] = x[k] < 0 ? 0 : x[k];
}

// The functions of one number, by name.
struct Named {
  const char* name;
  void (*of)(const float* x, std::size_t count, float* y);  // none: a softmax
};
constexpr Named functions[] = {{"relu", rectify},
                               {"sigmoid", sigmoids},
                               {"tanh", tangents},
                               {"softmax", nullptr},
                               {"log_softmax", nullptr},
                               {"gelu", gelus},
                               {"gelu_tanh", gelus_by_tangent},
                               {"silu", silus},
                               {"hardsigmoid", hard_sigmoids},
                               {"hardswish", hard_silus},
                               {"relu6", clips},
                               {"elu", each<exponential_linear>},
                               {"softplus", each<soft_plus>},
                               {"erf", error_functions},
                               {"exp", exponentials},
                               {"log", each<logarithm>},
                               {"square", squares},
                               {"sqrt", roots},
                               {"reciprocal", reciprocals},
                               {"absolute", magnitudes},
                               {"positive", positives},
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
float sum_of(const float* x, std::size_t count) { return sum(x, count); }
float largest_of(const float* x, std::size_t count) { return largest(x, count); }

void softmax(const float* x, std::size_t count, bool logarithm, float* y) {
  const float most = largest(x, count);
  exponentials_less(x, most, count, y);
  const float total = sum(y, count);
  if (logarithm) {
    const float less = std::log(total);
    for (std::size_t k = 0; k < count; ++k) y[k] = x[k] - most - less;
  } else {
    scale_by(1 / total, count, y);
  }
}

StepPtr make_function(const std::string& name, std::size_t size, std::size_t rows) {
  return std::make_unique<Function>(name, size, rows);
}

std::vector<std::string> function_names() {
  std::vector<std::string> names;
  for (const Named& one : functions) names.emplace_back(one.name);
  return names;
}

}  // namespace eie::kernels
