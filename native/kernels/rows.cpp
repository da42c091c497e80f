// Steps of src/eie/steps/rows.py that do the same with every row of a matrix, and lookups.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/functions.hpp"
#include "kernels/plan.hpp"

namespace eie::kernels {
namespace {

constexpr std::size_t most_numbers = std::size_t{1} << 24;  // of all rows

void check_rows(std::size_t rows, std::size_t size) {
  if (rows == 0 || size == 0 || rows > most_numbers || size > most_numbers / rows)
    throw std::invalid_argument("rows must have 1 to 16777216 numbers in all");
}

class Normalisation final : public Step {
 public:
  Normalisation(std::size_t rows, std::size_t size, float epsilon, bool centred)
      : rows_(rows), size_(size), epsilon_(epsilon), centred_(centred) {
    check_rows(rows, size);
    if (!(epsilon >= 0)) throw std::invalid_argument("what keeps 0 away must be 0 or above");
  }
  std::size_t inputs() const override { return rows_ * size_; }
  std::size_t outputs() const override { return rows_ * size_; }
  bool run(const float* x, std::size_t count, float* y, std::byte*, std::uint64_t*, Pool&) const override {
    for (std::size_t row = 0; row < count * rows_; ++row, x += size_, y += size_)
      normalise(x, size_, epsilon_, centred_, y);
    return true;
  }

 private:
  std::size_t rows_, size_;
  float epsilon_;
  bool centred_;
};

class Reduction final : public Step {
 public:
  Reduction(std::size_t rows, std::size_t size, const std::string& function) : rows_(rows), size_(size) {
    check_rows(rows, size);
    if (function != "mean" && function != "sum" && function != "max")
      throw std::invalid_argument("there is no native reduction " + function);
    largest_ = function == "max";
    over_ = function == "mean" ? static_cast<float>(size) : 1;
  }
  std::size_t inputs() const override { return rows_ * size_; }
  std::size_t outputs() const override { return rows_; }
  bool run(const float* x, std::size_t count, float* y, std::byte*, std::uint64_t*, Pool&) const override {
    for (std::size_t row = 0; row < count * rows_; ++row, x += size_)
      y[row] = largest_ ? largest_of(x, size_) : sum_of(x, size_) / over_;
    return true;
  }

 private:
  std::size_t rows_, size_;
  float over_;
  bool largest_;
};

// A lookup of columns, each with its weights that are not zero, or without `rows` all of them.
class Embedding final : public Step {
 public:
  Embedding(std::size_t places, const Columns& columns, std::vector<float> bias)
      : places_(places), entries_(columns.inputs), book_(columns.book), bias_(std::move(bias)) {
    check_rows(places, bias_.size());
    if (entries_ == 0 || entries_ > most_numbers)
      throw std::invalid_argument("a lookup must have 1 to 16777216 entries");
    starts_.assign(columns.starts, columns.starts + entries_ + 1);
    rows_.assign(columns.rows, columns.rows + starts_.back());
    codes_.assign(columns.codes, columns.codes + starts_.back());
    for (std::uint32_t row : rows_)
      if (row >= bias_.size())
        throw std::invalid_argument("row " + std::to_string(row) + " is not below " + std::to_string(bias_.size()));
    for (std::uint8_t code : codes_)
      if (code >= book_.size())
        throw std::invalid_argument("code " + std::to_string(code) + " is not below " + std::to_string(book_.size()));
  }
  Embedding(std::size_t places, const float* table, std::size_t entries, std::vector<float> bias)
      : places_(places), entries_(entries), bias_(std::move(bias)) {
    check_rows(places, bias_.size());
    check_rows(entries, 1);
    table_.assign(table, table + entries * bias_.size());
  }
  std::size_t inputs() const override { return places_; }
  std::size_t outputs() const override { return places_ * bias_.size(); }
  bool run(const float* x, std::size_t count, float* y, std::byte*, std::uint64_t*, Pool&) const override {
    const std::size_t width = bias_.size();
    for (std::size_t place = 0; place < count * places_; ++place, y += width) {
      const float wanted = x[place];
      if (!(wanted >= 0 && wanted < static_cast<float>(entries_)) || wanted != std::rint(wanted)) return false;
      const auto column = static_cast<std::size_t>(wanted);
      std::copy(bias_.begin(), bias_.end(), y);
      if (table_.empty())
        for (std::int64_t k = starts_[column]; k < starts_[column + 1]; ++k) y[rows_[k]] += book_[codes_[k]];
      else
        for (std::size_t k = 0; k < width; ++k) y[k] += table_[column * width + k];
    }
    return true;
  }

 private:
  std::size_t places_, entries_;
  std::vector<std::int64_t> starts_;  // (entries + 1)
  std::vector<std::uint32_t> rows_;
  std::vector<std::uint8_t> codes_;
  std::vector<float> book_, bias_;
  std::vector<float> table_;  // (entries, width), or empty
};

}  // namespace

StepPtr make_normalisation(std::size_t rows, std::size_t size, float epsilon, bool centred) {
  return std::make_unique<Normalisation>(rows, size, epsilon, centred);
}

StepPtr make_reduction(std::size_t rows, std::size_t size, const std::string& function) {
  return std::make_unique<Reduction>(rows, size, function);
}

StepPtr make_embedding(std::size_t places, const Columns& columns, std::vector<float> bias) {
  return std::make_unique<Embedding>(places, columns, std::move(bias));
}

StepPtr make_dense_embedding(std::size_t places, const float* table, std::size_t entries, std::vector<float> bias) {
  return std::make_unique<Embedding>(places, table, entries, std::move(bias));
}

}  // namespace eie::kernels
