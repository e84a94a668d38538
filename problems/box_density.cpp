/// Uniform laws on boxes, moved: products of differences of error functions.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "grids/support/errors.hpp"
#include "problems/data_density.hpp"
#include "problems/special_functions.hpp"

namespace wasserflow {

namespace {

constexpr std::size_t most = 64;  ///< different intervals of an axis; sweeps keep a value of each on the stack
constexpr double nothing = -std::numeric_limits<double>::infinity();

struct LogSlope {
  double log, slope;
};

/// log and d/dx log of (Phi(w) - Phi(u)) / (a'' - a'), w = (x - a')/s, u = (x - a'')/s: the uniform law on (a', a'') blurred by N(0, s^2).
LogSlope blurred_interval(double x, double from, double to, double s) {
  if (s == 0) return {x >= from && x < to ? -std::log(to - from) : nothing, 0};
  const double middle = (from + to) / 2, sign = x < middle ? -1 : 1;
  // By symmetry the point lies on the right: w >= |u|.
  const double distance = std::fabs(x - middle), half = (to - from) / 2;
  const double u = (distance - half) / s, w = (distance + half) / s, width = (to - from) / s;
  const double scale = std::log(to - from);
  if (width * std::max(w, 1.0) < 1) {
    // Narrow: the difference of error functions would cancel. Gauss-Legendre, 8 nodes, relative to the value at the middle.
    constexpr double nodes[]{0.1834346424956498, 0.5255324099163290, 0.7966664774136267, 0.9602898564975363};
    constexpr double weights[]{0.3626837833783620, 0.3137066458778873, 0.2223810344533745, 0.1012285362903763};
    const double c = distance / s;
    double sum = 0, moment = 0;
    for (int k = 0; k < 4; ++k)
      for (const double z : {-width / 2 * nodes[k], width / 2 * nodes[k]}) {
        const double g = weights[k] / 2 * std::exp(-z * (c + z / 2));  // exp(-((c + z)^2 - c^2) / 2)
        sum += g;
        moment += g * (c + z);
      }
    return {std::log(sum) - c * c / 2 - std::log(s * std::sqrt(2 * std::numbers::pi)), -sign * moment / (sum * s)};
  }
  constexpr double r = std::numbers::sqrt2 / 2, normal = 0.5 * std::numbers::inv_sqrtpi * std::numbers::sqrt2;  // 1/sqrt(2 pi)
  if (u <= 0) {
    const double mass = 0.5 * (std::erfc(u * r) - std::erfc(w * r));
    return {std::log(mass) - scale, sign * normal * (std::exp(-w * w / 2) - std::exp(-u * u / 2)) / (mass * s)};
  }
  const double drop = std::exp(-(w - u) * (w + u) / 2);
  const double mass = 0.5 * (erfcx(u * r) - drop * erfcx(w * r));  // times exp(-u^2/2)
  return {std::log(mass) - u * u / 2 - scale, -sign * normal * (1 - drop) / (mass * s)};
}

struct Interval {
  double from, to;
  bool operator==(const Interval&) const = default;
};

/// A box by the numbers of its intervals.
struct Member {
  double log_weight;
  std::size_t interval[3];
};

class MovedBoxes final : public MovedDensity {
 public:
  MovedBoxes(int dim, const std::vector<Interval> (&intervals)[3], std::vector<Member> members, double alpha, double variance)
      : dim_(dim), members_(std::move(members)), deviation_(std::sqrt(variance)) {
    for (int d = 0; d < dim; ++d)
      for (const Interval& i : intervals[d]) intervals_[d].push_back({alpha * i.from, alpha * i.to});
  }

  void evaluate(const RowPoints& p, double* log_density, double* const* score) const override {
    // p(x, y, z) = sum_i X_i(x) C_i, where C_i sums the boxes over the interval i of x; the slopes of log C_i are those of the other axes.
    const double coordinate[3]{0, p.y, p.z};
    LogSlope across[3][most];
    for (int d = 1; d < dim_; ++d)
      for (std::size_t j = 0; j < intervals_[d].size(); ++j)
        across[d][j] = blurred_interval(coordinate[d], intervals_[d][j].from, intervals_[d][j].to, deviation_);
    const std::size_t count = intervals_[0].size();
    double log_c[most], slope_c[3][most];
    for (std::size_t i = 0; i < count; ++i) {
      const auto log_of = [&](const Member& m) {
        double l = m.log_weight;
        for (int d = 1; d < dim_; ++d) l += across[d][m.interval[d]].log;
        return l;
      };
      double largest = nothing, sum = 0, slope[3]{};
      for (const Member& m : members_)
        if (m.interval[0] == i) largest = std::max(largest, log_of(m));
      for (const Member& m : members_) {
        if (m.interval[0] != i || largest == nothing) continue;
        const double share = std::exp(log_of(m) - largest);
        sum += share;
        for (int d = 1; d < dim_; ++d) slope[d] += share * across[d][m.interval[d]].slope;
      }
      log_c[i] = largest == nothing ? nothing : largest + std::log(sum);
      for (int d = 1; d < dim_; ++d) slope_c[d][i] = largest == nothing ? 0 : slope[d] / sum;
    }
    for (int k = 0; k < p.n; ++k) {
      LogSlope along[most];
      double largest = nothing;
      for (std::size_t i = 0; i < count; ++i) {
        along[i] = blurred_interval(p.x[k], intervals_[0][i].from, intervals_[0][i].to, deviation_);
        along[i].log += log_c[i];
        largest = std::max(largest, along[i].log);
      }
      double sum = 0, slope[3]{};
      for (std::size_t i = 0; i < count && largest != nothing; ++i) {
        const double share = std::exp(along[i].log - largest);
        sum += share;
        slope[0] += share * along[i].slope;
        for (int d = 1; d < dim_; ++d) slope[d] += share * slope_c[d][i];
      }
      if (log_density) log_density[k] = largest == nothing ? nothing : largest + std::log(sum);
      if (!score) continue;
      for (int d = 0; d < dim_; ++d)
        if (score[d]) score[d][k] = largest == nothing ? 0 : slope[d] / sum;
    }
  }

 private:
  int dim_;
  std::vector<Interval> intervals_[3];
  std::vector<Member> members_;
  double deviation_;
};

class Boxes final : public DataDensity {
 public:
  Boxes(int dim, const std::vector<Box>& boxes) : dim_(dim) {
    if (boxes.empty()) throw InputError("a density that is uniform on boxes needs at least one");
    double total = 0;
    for (const Box& b : boxes) total += b.weight;
    for (const Box& b : boxes) {
      if (!(b.weight > 0)) throw InputError("the weights of boxes must be positive");
      Member m{std::log(b.weight / total), {}};
      for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d) {
        const Interval side{b.lower[d], b.upper[d]};
        if (!(side.from < side.to)) throw InputError("the lower corner of a box must lie below the upper one");
        const auto known = std::ranges::find(intervals_[d], side);
        m.interval[d] = static_cast<std::size_t>(known - intervals_[d].begin());
        if (known == intervals_[d].end()) intervals_[d].push_back(side);
        if (intervals_[d].size() > most) throw InputError("boxes may have at most 64 different intervals along an axis");
      }
      members_.push_back(m);
    }
  }
  int dim() const override { return dim_; }
  std::shared_ptr<const MovedDensity> moved(double alpha, double variance) const override {
    return std::make_shared<MovedBoxes>(dim_, intervals_, members_, alpha, variance);
  }

 private:
  int dim_;
  std::vector<Interval> intervals_[3];
  std::vector<Member> members_;
};

}  // namespace

DataDensityPtr make_boxes(int dim, std::vector<Box> boxes) { return std::make_shared<Boxes>(dim, boxes); }

}  // namespace wasserflow
