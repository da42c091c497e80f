// Sorted float32 values, and the least sum of squared distances of any run of them to one float32 number: exact for
// values of any size.
//
// Prefix sums of reals would cancel: the sum up to 1e38 has forgotten the 1 that came before. So they are integers. A
// segment holds neighbouring values whose exponents differ by less than 8, each an integer below 2^31 times the
// segment's unit; per value, Prefix has how many values there were before it, the sum of their integers and of the
// integers' squares, modulo 2^64 and 2^128. Within a segment (n < 2^32) the difference of two of them is what lies
// between, exactly, and so is
//
//     sum of (x - c)^2 = Q - c (2 S - n c)         n values, S their sum, Q that of their squares, c any integer
//
// which is least, of all c with 24 bits, at the one nearest to S / n. A run over several segments is put together from
// one part each (Chan's formula), as positive terms alone:
//
//     E(A and B) = E(A) + E(B) + |A| |B| / (|A| + |B|) d^2          d = mean(B) - mean(A)
//
// Here d is right to a few units of 2^-53. A part's mean is kept as an integer of units and a remainder, so it is wrong
// by 2^-53 of the float32 spacing there at most, and the means of parts are half a spacing apart or more, because no
// value of B is below one of A. The mean of a union stays with the larger part's and moves by d times the smaller part's
// share s: it is wrong by 2^-53 s d, and what follows lies more than s d away from it. So every cost is right to a few
// units of 2^-53 of itself, whatever the values.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace eie {

// What is known of some values: how many they are, their mean high + low, and the sum of squared distances to it.
struct Moments {
  double count, high, low, error;

  double mean() const { return high + low; }
  double error_about(double centre) const {
    const double away = (high - centre) + low;
    return error + count * away * away;
  }
};

// Of all values of `a` and `b`, none of `b` being below one of `a`.
inline Moments together(const Moments& a, const Moments& b) {
  const double count = a.count + b.count, apart = (b.high - a.high) + (b.low - a.low);
  const double error = a.error + b.error + apart * apart * (a.count * (b.count / count));
  if (a.count >= b.count) return {count, a.high, a.low + apart * (b.count / count), error};
  return {count, b.high, b.low - apart * (a.count / count), error};
}

__extension__ typedef unsigned __int128 Wide;

class Points {
 public:
  // `values` ascend, are finite and at least one.
  explicit Points(const std::vector<float>& values) {
    std::int64_t distinct = 0;
    int least = 0, largest = 0;  // exponents of the segment at hand
    const auto end_segment = [&](std::int64_t place) {
      segments_.push_back({segments_.empty() ? 0 : segments_.back().end, place, std::ldexp(1.0, least - 150), least});
    };
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0 && values[i] == values[i - 1]) continue;
      const int exponent = values[i] == 0 && i > 0 ? least : exponent_of(values[i]);
      if (distinct > 0 && std::max(largest, exponent) - std::min(least, exponent) >= exponents) end_segment(distinct);
      const bool first = distinct == (segments_.empty() ? 0 : segments_.back().end);
      least = first ? exponent : std::min(least, exponent);
      largest = first ? exponent : std::max(largest, exponent);
      ++distinct;
    }
    end_segment(distinct);

    value_.reserve(distinct);
    before_.reserve(distinct + 1);
    Prefix next{0, 0, 0, 0};
    for (std::size_t i = 0, end = 0; i < values.size(); i = end) {
      for (end = i + 1; end < values.size() && values[end] == values[i];) ++end;
      if (size() == segments_[next.segment].end) ++next.segment;
      value_.push_back(values[i]);
      before_.push_back(next);
      const auto bits = std::bit_cast<std::uint32_t>(values[i]);
      const std::uint64_t fraction = (bits & 0x7fffffu) | (bits << 1 >> 24 ? 0x800000u : 0u);
      const std::uint64_t times = end - i;
      const std::uint64_t magnitude =
          fraction == 0 ? 0 : fraction << (exponent_of(values[i]) - segments_[next.segment].exponent);
      next.count += times;
      next.sum += bits >> 31 ? -times * magnitude : times * magnitude;
      next.square += static_cast<Wide>(magnitude * magnitude) * times;
    }
    before_.push_back(next);
    const std::size_t count = segments_.size();
    whole_.resize(count * count);
    for (std::size_t from = 0; from < count; ++from)
      for (std::size_t to = from; to < count; ++to) {
        const Moments last = part(segments_[to].first, segments_[to].end, segments_[to]);
        whole_[from * count + to] = from == to ? last : together(whole_[from * count + to - 1], last);
      }
  }

  // Distinct values, and the `i`-th of them.
  std::int64_t size() const { return static_cast<std::int64_t>(value_.size()); }
  float value(std::int64_t i) const { return value_[i]; }

  // How many distinct values are at most `limit`.
  std::int64_t up_to(double limit) const {
    return std::upper_bound(value_.begin(), value_.end(), limit, [](double m, float v) { return m < v; }) -
           value_.begin();
  }

  // Of the values of places i to j - 1; i < j.
  Moments moments(std::int64_t i, std::int64_t j) const {
    const std::size_t from = before_[i].segment, to = before_[j - 1].segment;
    if (from == to) return part(i, j, segments_[from]);
    Moments found = part(i, segments_[from].end, segments_[from]);
    if (from + 1 < to) found = together(found, whole_[(from + 1) * segments_.size() + to - 1]);
    return together(found, part(segments_[to].first, j, segments_[to]));
  }

  // The mean of the values of places i to j - 1, i < j, never outside of them.
  double mean(std::int64_t i, std::int64_t j) const {
    return std::clamp<double>(moments(i, j).mean(), value_[i], value_[j - 1]);
  }

  // The least sum of squared distances of the values of places i to j - 1 to one float32; 0 where there are none.
  double cost(std::int64_t i, std::int64_t j) const {
    if (j <= i + 1) return 0;
    const Segment& segment = segments_[before_[i].segment];
    if (j <= segment.end) return between(i, j).error * (segment.unit * segment.unit);
    const Moments found = moments(i, j);
    return found.error_about(static_cast<float>(found.mean()));
  }

 private:
  static constexpr int exponents = 8;  // of a segment, at most

  // A float32 is an integer below 2^24 times 2^(this - 150).
  static int exponent_of(float value) {
    return std::max(1, static_cast<int>(std::bit_cast<std::uint32_t>(value) >> 23 & 255u));
  }

  struct Prefix {
    std::uint64_t count : 48;
    std::uint64_t segment : 16;  // of the value at this place
    std::uint64_t sum;
    Wide square;
  };
  struct Segment {
    std::int64_t first, end;  // places
    double unit;
    int exponent;  // the unit's
  };
  struct Between {
    bool negative;
    std::uint64_t count, sum, centre;  // the latter two without their sign
    double error;  // the sum of squared distances to the centre, which is the float32 nearest to sum / count
  };

  // A number below 2^125. Signed halves: the conversion of an unsigned one is a branch on its first bit.
  static double to_double(Wide number) {
    constexpr std::int64_t half = std::int64_t{1} << 62;
    return static_cast<double>(static_cast<std::int64_t>(number / half)) * static_cast<double>(half) +
           static_cast<double>(static_cast<std::int64_t>(number % half));
  }

  // The places i to j - 1 of one segment, in its unit.
  Between between(std::int64_t i, std::int64_t j) const {
    const Prefix &from = before_[i], &to = before_[j];
    const bool negative = static_cast<std::int64_t>(to.sum - from.sum) < 0;
    const std::uint64_t count = to.count - from.count, sum = negative ? from.sum - to.sum : to.sum - from.sum;
    const std::uint64_t mean = sum / count;
    const int spacing =
        std::max(0, static_cast<int>(std::bit_width(mean)) - 24);  // of float32 there, as a power of two
    std::uint64_t centre = mean >> spacing << spacing;
    if (2 * (sum - count * centre) > count << spacing) centre += std::uint64_t{1} << spacing;
    const Wide error = to.square - from.square - static_cast<Wide>(centre) * (2 * sum - count * centre);
    return {negative, count, sum, centre, to_double(error)};
  }

  Moments part(std::int64_t i, std::int64_t j, const Segment& segment) const {
    const Between found = between(i, j);
    const double count = static_cast<double>(found.count);
    const double off = static_cast<double>(static_cast<std::int64_t>(found.sum - found.count * found.centre));
    // At most half of the error about the centre is taken off, so nothing cancels. Let s be the spacing of float32 on the
    // mean's side of the centre: other values there are s away or more, so |off| s <= error, and |off| <= count s / 2.
    const double unit = found.negative ? -segment.unit : segment.unit;
    return {count, static_cast<double>(found.centre) * unit, off / count * unit,
            (found.error - off * (off / count)) * (segment.unit * segment.unit)};
  }

  std::vector<float> value_;
  std::vector<Prefix> before_;  // (distinct + 1)
  std::vector<Segment> segments_;
  std::vector<Moments> whole_;  // (segments, segments): of all values of segments `from` to `to`
};

}  // namespace eie
