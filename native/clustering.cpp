// One-dimensional k-means: exact, and Lloyd's.
//
// Values are sorted and equal ones counted together; in one dimension a cluster is then a run of them, and its sum of
// squared distances c(i, j) follows from prefix sums in constant time. Both algorithms place the k - 1 borders between
// the runs.
//
// The exact one is the dynamic programme F_j(p) = min over q of F_(j-1)(q) + c(q, p), border j at p. c satisfies the
// quadrangle inequality, so that the best q never runs backwards as p grows, and each F_j takes O(n log n) by divide and
// conquer. For many values it is run on buckets of places first: charging a cluster only for what lies between the
// buckets of its two borders gives a lower bound for every "border j lies in bucket t" (F from the left and B from the
// right); any clustering gives an upper bound; buckets whose lower bound exceeds the upper one are out. What is left of
// each border's range is split finer, until buckets are single places, and the programme exact.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "arrays.hpp"
#include "rooms.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace eie {
namespace {

constexpr int kPolish = 30;  // Lloyd's iterations that make an upper bound tight
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Ascending, by radix: three passes of 11 bits over the ordered form of the floats' bits.
std::vector<float> sorted(const float* values, std::size_t n) {
  std::vector<std::uint32_t> from(n), to(n);
  std::array<std::array<std::size_t, 2048>, 3> counts{};
  for (std::size_t i = 0; i < n; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(values[i]);
    const std::uint32_t key = bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
    from[i] = key;
    for (int pass = 0; pass < 3; ++pass) ++counts[pass][key >> (11 * pass) & 2047];
  }
  for (int pass = 0; pass < 3; ++pass) {
    std::size_t place = 0;
    for (auto& count : counts[pass]) place += std::exchange(count, place);
    for (const std::uint32_t key : from) to[counts[pass][key >> (11 * pass) & 2047]++] = key;
    std::swap(from, to);
  }
  std::vector<float> result(n);
  for (std::size_t i = 0; i < n; ++i)
    result[i] = std::bit_cast<float>(from[i] ^ (from[i] >> 31 ? 0x80000000u : 0xffffffffu));
  return result;
}

// The distinct values, ascending, with prefix sums of how many there are, their sum and their squares.
struct Points {
  std::vector<float> value;
  std::vector<double> count, sum, square;  // (distinct + 1,); about the mean, so that little is lost to rounding
  double centre = 0;

  explicit Points(const std::vector<float>& values) {
    double total = 0;
    for (const float v : values) total += v;
    centre = values.empty() ? 0 : total / static_cast<double>(values.size());
    count = sum = square = {0.0};
    for (std::size_t i = 0; i < values.size();) {
      std::size_t end = i + 1;
      while (end < values.size() && values[end] == values[i]) ++end;
      const double times = static_cast<double>(end - i), away = values[i] - centre;
      value.push_back(values[i]);
      count.push_back(count.back() + times);
      sum.push_back(sum.back() + times * away);
      square.push_back(square.back() + times * away * away);
      i = end;
    }
  }

  std::int64_t size() const { return static_cast<std::int64_t>(value.size()); }

  // The sum of squared distances of the values [i, j) to their mean; 0 where there are none.
  double cost(std::int64_t i, std::int64_t j) const {
    if (j <= i + 1) return 0;
    const double s = sum[j] - sum[i];
    return std::max(0.0, square[j] - square[i] - s * s / (count[j] - count[i]));
  }

  double mean(std::int64_t i, std::int64_t j) const { return centre + (sum[j] - sum[i]) / (count[j] - count[i]); }

  double cost(const std::vector<std::int64_t>& borders) const {
    double total = 0;
    for (std::size_t j = 0; j + 1 < borders.size(); ++j) total += cost(borders[j], borders[j + 1]);
    return total;
  }
};

// Lloyd's iterations from `centroids`; returns the borders, 0 and the number of values among them.
std::vector<std::int64_t> lloyd(const Points& points, std::vector<double>& centroids, int most, int& iterations) {
  const std::size_t k = centroids.size();
  std::vector<std::int64_t> borders(k + 1, 0), before;
  borders[k] = points.size();
  for (iterations = 0; iterations < most; ++iterations) {
    before = borders;
    for (std::size_t j = 1; j < k; ++j) {  // equally far: to the lower
      const double middle = (centroids[j - 1] + centroids[j]) / 2;
      borders[j] = std::upper_bound(points.value.begin(), points.value.end(), middle,
                                    [](double m, float v) { return m < v; }) - points.value.begin();
    }
    for (std::size_t j = 0; j < k; ++j)
      if (borders[j] < borders[j + 1]) centroids[j] = points.mean(borders[j], borders[j + 1]);
    if (iterations > 0 && borders == before) break;
  }
  return borders;
}

// Where one border may lie: places first[t] to last[t], ascending, for each bucket t.
struct Buckets {
  std::vector<std::int64_t> first, last;

  // `low` to `high`, both included, in `most` buckets or fewer.
  Buckets(std::int64_t low, std::int64_t high, std::int64_t most) {
    const std::int64_t places = high - low + 1, buckets = std::min(places, most);
    for (std::int64_t t = 0; t < buckets; ++t) {
      first.push_back(low + places * t / buckets);
      last.push_back(low + places * (t + 1) / buckets - 1);
    }
  }
  std::int64_t size() const { return static_cast<std::int64_t>(first.size()); }
};

// best[t] = min over u of from[u] + charge(u, t), for a charge with the quadrangle inequality; the best u in `at`.
// u may be at most `limit(t)`, which does not fall as t grows.
template <class Charge, class Limit>
void minimise(const std::vector<double>& from, std::vector<double>& best, std::vector<std::int64_t>& at, Charge charge,
              Limit limit, std::int64_t t0, std::int64_t t1, std::int64_t u0, std::int64_t u1) {
  if (t0 > t1) return;
  const std::int64_t t = (t0 + t1) / 2;
  double least = kInfinity;
  std::int64_t place = u0;
  for (std::int64_t u = u0, end = std::min(u1, limit(t)); u <= end; ++u)
    if (const double cost = from[u] + charge(u, t); cost < least) {
      least = cost;
      place = u;
    }
  best[t] = least;
  at[t] = place;
  minimise(from, best, at, charge, limit, t0, t - 1, u0, place);
  minimise(from, best, at, charge, limit, t + 1, t1, place, u1);
}

// The borders of an optimal clustering into k runs; `bucket_limit` buckets for each border at first.
std::vector<std::int64_t> optimal(const Points& points, int k, std::int64_t bucket_limit) {
  const std::int64_t n = points.size();
  std::vector<std::int64_t> low(k + 1, 0), high(k + 1, n);  // where border j may lie, both ends included
  high[0] = 0;
  low[k] = n;

  double upper = kInfinity;  // the cost of the best clustering known
  while (true) {
    std::vector<Buckets> buckets;
    bool exact = true;
    for (int j = 0; j <= k; ++j) {
      buckets.emplace_back(low[j], high[j], bucket_limit);
      exact = exact && buckets[j].size() == high[j] - low[j] + 1;
    }
    // From the left: forward[j][t] bounds the cost of all before border j, that lying in bucket t.
    std::vector<std::vector<double>> forward(k + 1);
    std::vector<std::vector<std::int64_t>> came_from(k + 1);
    forward[0] = {0.0};
    for (int j = 1; j <= k; ++j) {
      const Buckets &left = buckets[j - 1], &right = buckets[j];
      forward[j].assign(right.size(), kInfinity);
      came_from[j].assign(right.size(), 0);
      // A border lies at or after the one before it.
      const auto limit = [&](std::int64_t t) {
        return std::upper_bound(left.first.begin(), left.first.end(), right.last[t]) - left.first.begin() - 1;
      };
      minimise(
          forward[j - 1], forward[j], came_from[j],
          [&](std::int64_t u, std::int64_t t) { return points.cost(left.last[u], right.first[t]); }, limit, 0,
          right.size() - 1, 0, left.size() - 1);
    }
    std::vector<std::int64_t> borders(k + 1);
    for (std::int64_t j = k, t = 0; j >= 0; --j) {
      borders[j] = buckets[j].first[t];
      if (j > 0) t = came_from[j][t];
    }
    if (exact) return borders;
    std::vector<double> centroids(k);
    for (int j = 0; j < k; ++j) {
      borders[j + 1] = std::max(borders[j], borders[j + 1]);
      centroids[j] = borders[j] < borders[j + 1] ? points.mean(borders[j], borders[j + 1])
                                                 : points.value[std::min(borders[j], n - 1)];
    }
    int iterations = 0;
    upper = std::min({upper, points.cost(borders), points.cost(lloyd(points, centroids, kPolish, iterations))});

    // From the right, mirrored, and the buckets that may still hold their border.
    std::vector<double> backward = {0.0};
    bool narrower = false;
    const double bound = upper * (1 + 1e-9) + 1e-12 * points.square[n];  // above what rounding can do
    for (int j = k - 1; j >= 1; --j) {
      const Buckets &left = buckets[j], &right = buckets[j + 1];
      std::vector<double> best(left.size());
      std::vector<std::int64_t> at(left.size());
      const std::int64_t lefts = left.size(), rights = right.size();
      std::vector<double> mirrored(backward.rbegin(), backward.rend());
      const auto limit = [&](std::int64_t t) {
        const std::int64_t earliest = std::lower_bound(right.last.begin(), right.last.end(), left.first[lefts - 1 - t]) -
                                      right.last.begin();
        return rights - 1 - earliest;
      };
      minimise(
          mirrored, best, at,
          [&](std::int64_t u, std::int64_t t) {
            return points.cost(left.last[lefts - 1 - t], right.first[rights - 1 - u]);
          },
          limit, 0, lefts - 1, 0, rights - 1);
      backward.assign(best.rbegin(), best.rend());
      std::int64_t from = lefts, to = -1;
      for (std::int64_t t = 0; t < lefts; ++t)
        if (forward[j][t] + backward[t] <= bound) {
          from = std::min(from, t);
          to = t;
        }
      if (to < 0) continue;  // only rounding can do this: keep the range
      const std::int64_t new_low = left.first[from], new_high = left.last[to];
      narrower = narrower || (new_high - new_low) * 2 < high[j] - low[j];
      low[j] = new_low;
      high[j] = new_high;
    }
    if (!narrower) bucket_limit *= 4;  // the bound is too loose at this width
  }
}

struct Result {
  std::vector<float> centroids;
  double wcss;
};

Result describe(const Points& points, const std::vector<std::int64_t>& borders, const std::vector<double>* at) {
  Result result{{}, points.cost(borders)};
  const std::size_t k = borders.size() - 1;
  float last = points.value.front();
  for (std::size_t j = 0; j < k; ++j) {
    if (borders[j] < borders[j + 1]) last = static_cast<float>(points.mean(borders[j], borders[j + 1]));
    else if (at != nullptr) last = static_cast<float>((*at)[j]);  // no value is nearest: it stays where it was
    result.centroids.push_back(last);
  }
  return result;
}

nb::tuple cluster_optimal(Vector<float> values, int clusters, std::int64_t bucket_limit) {
  Result result;
  {
    nb::gil_scoped_release release;
    const Points points(sorted(values.data(), values.size()));
    if (bucket_limit <= 0)  // the bound narrows a border's range to about n / buckets places
      bucket_limit = std::max<std::int64_t>(4096, static_cast<std::int64_t>(2 * std::sqrt(points.size())));
    const int runs = static_cast<int>(std::min<std::int64_t>(clusters, points.size()));
    result = describe(points, optimal(points, runs, bucket_limit), nullptr);
    result.centroids.resize(clusters, result.centroids.back());
  }
  return nb::make_tuple(to_numpy(std::move(result.centroids), {static_cast<std::size_t>(clusters)}), result.wcss);
}

nb::tuple cluster_lloyd(Vector<float> values, Vector<double> initial, int most_iterations) {
  Result result;
  int iterations = 0;
  {
    nb::gil_scoped_release release;
    const Points points(sorted(values.data(), values.size()));
    std::vector<double> centroids(initial.data(), initial.data() + initial.size());
    const auto borders = lloyd(points, centroids, most_iterations, iterations);
    result = describe(points, borders, &centroids);
  }
  const std::size_t k = result.centroids.size();
  return nb::make_tuple(to_numpy(std::move(result.centroids), {k}), result.wcss, iterations);
}

}  // namespace

void bind_clustering(nb::module_& m) {
  m.def("cluster_optimal", &cluster_optimal, "values"_a, "clusters"_a, "bucket_limit"_a);
  m.def("cluster_lloyd", &cluster_lloyd, "values"_a, "initial"_a, "most_iterations"_a);
}

}  // namespace eie
