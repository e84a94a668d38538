#include "apps/run/reference_errors.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "grids/reduce.hpp"

namespace wasserflow {

void ErrorSums::add(const ErrorSums& other) {
  l1 += other.l1, l2 += other.l2, reference_l1 += other.reference_l1, reference_l2 += other.reference_l2;
  linf = std::max(linf, other.linf), reference_linf = std::max(reference_linf, other.reference_linf);
  points += other.points;
}

double ErrorSums::mean_l1() const { return points > 0 ? l1 / static_cast<double>(points) : 0; }
double ErrorSums::rms() const { return points > 0 ? std::sqrt(l2 / static_cast<double>(points)) : 0; }

std::vector<double> ErrorSums::pack() const { return {l1, l2, linf, reference_l1, reference_l2, reference_linf, static_cast<double>(points)}; }

ErrorSums ErrorSums::unpack(const std::vector<double>& v) { return {v[0], v[1], v[2], v[3], v[4], v[5], static_cast<std::int64_t>(v[6])}; }

ErrorSums compare(const Field& field, int level, const Function& reference, double t) {
  const SlabLayout& s = field.layout();
  std::vector<double> exact(static_cast<std::size_t>(s.dim() == 1 ? SlabLayout::row_limit : s.grid().cells(0)));
  std::array<ExactSum, 4> sums;
  double worst = 0, largest = 0;
  std::vector<double> terms(exact.size());
  for (int r = 0; r < s.rows(); ++r) {
    RowPoints p = s.row(r);
    p.t = t;
    reference.evaluate(p, exact.data());
    const double* u = field.level(level) + p.offset;
    const auto add = [&](ExactSum& sum, auto&& term) {
      for (int i = 0; i < p.n; ++i)
        terms[static_cast<std::size_t>(i)] = term(u[i] - exact[static_cast<std::size_t>(i)], exact[static_cast<std::size_t>(i)]);
      add_row(sum, s, terms.data(), p.n);
    };
    add(sums[0], [](double e, double) { return std::fabs(e); });
    add(sums[1], [](double e, double) { return e * e; });
    add(sums[2], [](double, double v) { return std::fabs(v); });
    add(sums[3], [](double, double v) { return v * v; });
    for (int i = 0; i < p.n; ++i) {
      worst = std::max(worst, std::fabs(u[i] - exact[static_cast<std::size_t>(i)]));
      largest = std::max(largest, std::fabs(exact[static_cast<std::size_t>(i)]));
    }
  }
  ExactSum::reduce(s.comm(), sums);
  return {sums[0].value(), sums[1].value(), global_max(s.comm(), worst), sums[2].value(), sums[3].value(), global_max(s.comm(), largest),
          s.grid().size()};
}

nlohmann::ordered_json error_report(const ErrorSums& all, const ErrorSums& final) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  return {{"l1", all.mean_l1()},
          {"l2", all.rms()},
          {"linf", all.linf},
          {"l1_relative", all.reference_l1 > 0 ? all.l1 / all.reference_l1 : none},
          {"l2_relative", all.reference_l2 > 0 ? std::sqrt(all.l2 / all.reference_l2) : none},
          {"linf_relative", all.reference_linf > 0 ? all.linf / all.reference_linf : none},
          {"points", static_cast<double>(all.points)},
          {"final_l1", final.mean_l1()},
          {"final_l2", final.rms()},
          {"final_linf", final.linf}};
}

}  // namespace wasserflow
