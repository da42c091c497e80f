// One-dimensional k-means: exact, and Lloyd's.
//
// Values are sorted and equal ones counted together; in one dimension a cluster is then a run of them. c(i, j) is its
// least sum of squared distances to one float32 number, which points.hpp gives in constant time. Both algorithms place
// the k - 1 borders between the runs.
//
// The exact one is the dynamic programme F_j(p) = min over q of F_(j-1)(q) + c(q, p), border j at p. c satisfies the
// quadrangle inequality, c(a, c) + c(b, d) <= c(a, d) + c(b, c) for a <= b <= c <= d: let y be the best float32 for the
// run (a, d) and z for (b, c), which lies within that run. If y <= z, then y for (a, c) and z for (b, d) cost no more,
// as the values after c are nearer to z than to y; else exchange left and right. So the best q never runs backwards as
// p grows, and each F_j takes O(n log n) by divide and conquer. Costs are right to some 2^-53 of themselves; where that
// makes a q the best that is not, the same inequality says that what is lost for other p is no more. So the result is
// the least there is but for about k log n such errors. For many values it is run on buckets of places first: charging
// a cluster only for what lies between the buckets of its two borders gives a lower bound for every "border j lies in
// bucket t" (F from the left and B from the right); any clustering gives an upper bound; buckets whose lower bound
// exceeds the upper one are out. What is left of each border's range is split finer, until buckets are single places,
// and the programme exact.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "arrays.hpp"
#include "points.hpp"
#include "rooms.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace eie {
namespace {

constexpr int kPolish = 30;  // Lloyd's iterations that make an upper bound tight
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Ascending, zeros without a sign, by radix: three passes of 11 bits over the ordered form of the floats' bits.
std::vector<float> sorted(const float* values, std::size_t n) {
  std::vector<std::uint32_t> from(n), to(n);
  std::array<std::array<std::size_t, 2048>, 3> counts{};
  for (std::size_t i = 0; i < n; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(values[i] + 0.0f);
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

using Borders = std::vector<std::int64_t>;  // (clusters + 1): cluster j has places borders[j] to borders[j + 1] - 1

double cost(const Points& points, const Borders& borders) {
  double total = 0;
  for (std::size_t j = 0; j + 1 < borders.size(); ++j) total += points.cost(borders[j], borders[j + 1]);
  return total;
}

// The clusters' means. One without values, where rounding hides what it would save, gets the value at its border.
std::vector<double> means(const Points& points, const Borders& borders) {
  std::vector<double> found;
  for (std::size_t j = 0; j + 1 < borders.size(); ++j)
    found.push_back(borders[j] < borders[j + 1] ? points.mean(borders[j], borders[j + 1])
                                                : points.value(std::min(borders[j], points.size() - 1)));
  return found;
}

// Where each value belongs to the nearest of the ascending `centroids`; equally far: to the lower.
template <class Real>
Borders nearest(const Points& points, const std::vector<Real>& centroids) {
  Borders borders{0};
  for (std::size_t j = 1; j < centroids.size(); ++j)
    borders.push_back(points.up_to((static_cast<double>(centroids[j - 1]) + centroids[j]) / 2));
  borders.push_back(points.size());
  return borders;
}

// Lloyd's iterations from `centroids`, which ascend and stay so: a mean is on its own side of the middles, and one that
// no value is nearest to stays where it was. Returns the borders.
Borders lloyd(const Points& points, std::vector<double>& centroids, int most, int& iterations) {
  Borders borders, before;
  for (iterations = 0; iterations < most; ++iterations) {
    before = std::move(borders);
    borders = nearest(points, centroids);
    for (std::size_t j = 0; j < centroids.size(); ++j)
      if (borders[j] < borders[j + 1]) centroids[j] = points.mean(borders[j], borders[j + 1]);
    if (borders == before) break;
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
// `from` ascends, charges fall as u grows; u may be at most `limit(t)`, which does not fall as t grows.
template <class Charge, class Limit>
void minimise(const std::vector<double>& from, std::vector<double>& best, std::vector<std::int64_t>& at, Charge charge,
              Limit limit, std::int64_t t0, std::int64_t t1, std::int64_t u0, std::int64_t u1) {
  if (t0 > t1) return;
  const std::int64_t t = (t0 + t1) / 2;
  double least = kInfinity;
  std::int64_t place = u0;
  for (std::int64_t u = std::min(u1, limit(t)); u >= u0; --u) {
    if (from[u] >= least) continue;
    const double charged = charge(u, t);
    if (charged >= least) break;  // and would be for every u below
    if (const double cost = from[u] + charged; cost <= least) {
      least = cost;
      place = u;
    }
  }
  best[t] = least;
  at[t] = place;
  minimise(from, best, at, charge, limit, t0, t - 1, u0, place);
  minimise(from, best, at, charge, limit, t + 1, t1, place, u1);
}

// The borders of an optimal clustering into k runs; `bucket_limit` buckets for each border at first.
Borders optimal(const Points& points, int k, std::int64_t bucket_limit) {
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
    Borders borders(k + 1);
    for (std::int64_t j = k, t = 0; j >= 0; --j) {
      borders[j] = buckets[j].first[t];
      if (j > 0) t = came_from[j][t];
    }
    if (exact) return borders;
    for (int j = 0; j < k; ++j) borders[j + 1] = std::max(borders[j], borders[j + 1]);
    std::vector<double> centroids = means(points, borders);
    int iterations = 0;
    upper = std::min({upper, cost(points, borders), cost(points, lloyd(points, centroids, kPolish, iterations))});

    // From the right, mirrored, and the buckets that may still hold their border.
    std::vector<double> backward = {0.0};
    bool narrower = false;
    const double bound = upper * (1 + 1e-9);  // above what rounding can do
    for (int j = k - 1; j >= 1; --j) {
      const Buckets &left = buckets[j], &right = buckets[j + 1];
      std::vector<double> best(left.size());
      std::vector<std::int64_t> at(left.size());
      const std::int64_t lefts = left.size(), rights = right.size();
      std::vector<double> mirrored(backward.rbegin(), backward.rend());
      const auto limit = [&](std::int64_t t) {
        const std::int64_t earliest =
            std::lower_bound(right.last.begin(), right.last.end(), left.first[lefts - 1 - t]) - right.last.begin();
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

// Ascending centroids as float32, and the sum of squared distances of all values to the nearest of them.
struct Result {
  std::vector<float> centroids;
  double wcss = 0;

  Result(const Points& points, const std::vector<double>& at) : centroids(at.begin(), at.end()) {
    const Borders borders = nearest(points, centroids);
    for (std::size_t j = 0; j < centroids.size(); ++j)
      if (borders[j] < borders[j + 1]) wcss += points.moments(borders[j], borders[j + 1]).error_about(centroids[j]);
  }
};

nb::tuple cluster_optimal(Vector<float> values, int clusters, std::int64_t bucket_limit) {
  const Result result = [&] {
    nb::gil_scoped_release release;
    const Points points(sorted(values.data(), values.size()));
    if (bucket_limit <= 0)  // the bound narrows a border's range to about n / buckets places
      bucket_limit = std::max<std::int64_t>(4096, static_cast<std::int64_t>(2 * std::sqrt(points.size())));
    const int runs = static_cast<int>(std::min<std::int64_t>(clusters, points.size()));
    std::vector<double> centroids = means(points, optimal(points, runs, bucket_limit));
    centroids.resize(clusters, centroids.back());
    return Result(points, centroids);
  }();
  return nb::make_tuple(to_numpy(std::vector<float>(result.centroids), {result.centroids.size()}), result.wcss);
}

nb::tuple cluster_lloyd(Vector<float> values, Vector<double> initial, int most_iterations) {
  int iterations = 0;
  const Result result = [&] {
    nb::gil_scoped_release release;
    const Points points(sorted(values.data(), values.size()));
    std::vector<double> centroids(initial.data(), initial.data() + initial.size());
    lloyd(points, centroids, most_iterations, iterations);
    return Result(points, centroids);
  }();
  return nb::make_tuple(to_numpy(std::vector<float>(result.centroids), {result.centroids.size()}), result.wcss,
                        iterations);
}

}  // namespace

void bind_clustering(nb::module_& m) {
  m.def("cluster_optimal", &cluster_optimal, "values"_a, "clusters"_a, "bucket_limit"_a);
  m.def("cluster_lloyd", &cluster_lloyd, "values"_a, "initial"_a, "most_iterations"_a);
}

}  // namespace eie
