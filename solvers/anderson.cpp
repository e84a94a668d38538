/// Picard's iteration and its Anderson acceleration.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/column_sweeps.hpp"
#include "solvers/column_weights.hpp"
#include "solvers/convergence_watch.hpp"
#include "solvers/nonlinear_solver.hpp"

namespace wasserflow {
namespace {

constexpr double smallest = 1e-11;   // squared sine of the angle between a difference and the newer ones below which it is left out
constexpr double too_stiff = 4;      // times float32's rounding: where columns of dg stand in float64
constexpr double to_boundary = 0.9;  // of the way to the end of its domain that a value may go in one iteration

/// U+ = U - z - sum_j gamma_j (dU_j - dz_j), where the differences of the last `memory` iterations are
///   dU_j = U_{j+1} - U_j, dz_j = z_{j+1} - z_j, z = M^{-1} F(U), and gamma minimises |z - sum_j gamma_j dz_j|_2
/// (Walker & Ni 2011, "type II"). memory = 0 is Picard's iteration.
///
/// The work beside the transform is a pass over the rows that it delivers and one sweep. Differences are kept in float32 (they only choose and
/// correct a step, whose base U - z is float64: the iteration reaches the same residuals with half the traffic), as dz_j and dU_j - dz_j, so that the
/// first pass reads one array a difference (all new inner products) and the sweep the other (the step).
///
/// Where F feels the rounding of a float32 step (sixth order on fine grids: its operator is 1e9 there and more) the second kind stands in float64.
///
/// Where |z| grew, the history is dropped and a plain fixed-point step taken: far from the answer old differences tell another slope, and steps
/// that keep them wander about.
///
/// When a convergence is foreseen, F(U) is looked at without the transform first.
class FixedPoint final : public NonlinearSolver {
 public:
  FixedPoint(std::string name, const NonlinearParameters& parameters, int memory)
      : name_(std::move(name)), parameters_(parameters), memory_(memory) {}

  const std::string& name() const override { return name_; }
  const std::vector<NonlinearReport>& attempts() const override { return attempts_; }
  NonlinearReport solve(StepSystem& system, Field& U) override;

 private:
  void allocate(StepSystem& system);
  double pass(StepSystem& system, Field& U);
  void take_rows(const SlabLayout& layout, int level, std::ptrdiff_t offset, int n, const double* z);
  bool update(const SlabLayout& layout, Field& U);
  void enter_domain(Field& U) const;

  template <class T>
  T* column(std::vector<T>& columns, int slot) {
    return columns.data() + static_cast<std::size_t>(slot) * size_;
  }
  double& gram(int i, int j) { return gram_[static_cast<std::size_t>(i * memory_ + j)]; }

  std::string name_;
  NonlinearParameters parameters_;
  int memory_;
  std::vector<NonlinearReport> attempts_;

  Field z_;                       // of the last pass
  std::vector<float> dz_, dg_;    // memory x levels x owned points; slot j of both belongs to one iteration; dg = dU - dz
  std::vector<double> dg_exact_;  // instead of dg_ where exact_
  bool exact_ = false;            // float32's rounding of a step would be felt in F
  std::size_t size_ = 0;          // of a column
  int levels_ = 0;
  int kept_ = 0, newest_ = 0;  // columns that stand, slot of the newest
  bool plain_ = false;         // Picard without bounds: one fused pass
  bool differs_ = false;       // slot newest_ of dg holds dU of the last update, still without its dz
  std::vector<double> gram_, products_;
  ColumnWeights gamma_;
  double z_squared_ = 0, z_squared_before_ = 0;  // |z|^2 at this iteration and the one before
  std::vector<ExactSum> sums_;                   // |z|^2, then the products of each column with the newest one and with z
  std::vector<double> row_, row_products_;
  std::vector<const float*> columns_;
  std::vector<const double*> exact_columns_;
  std::vector<std::array<double, 2>> domain_;  // of each component; empty: no bounds
};

void FixedPoint::allocate(StepSystem& system) {
  const SlabLayout& layout = *system.layout();
  kept_ = 0;
  z_squared_before_ = std::numeric_limits<double>::infinity();
  newest_ = 0;
  differs_ = false;
  domain_.clear();
  for (int s = 0; s < system.components(); ++s) domain_.push_back(system.op().domain(s));
  if (std::none_of(domain_.begin(), domain_.end(), [](const auto& d) { return std::isfinite(d[0]) || std::isfinite(d[1]); })) domain_.clear();
  plain_ = memory_ == 0 && domain_.empty();
  exact_ = std::numeric_limits<float>::epsilon() * system.stiffness() > too_stiff;
  const bool stands = exact_ ? !dg_exact_.empty() : !dg_.empty();
  if (plain_ || ((memory_ == 0 || stands) && z_ && z_.layout_ptr() == system.layout() && z_.levels() == system.levels())) return;
  levels_ = system.levels();
  size_ = static_cast<std::size_t>(layout.owned()) * static_cast<std::size_t>(levels_);
  z_ = system.make_field();
  const auto m = static_cast<std::size_t>(memory_);
  dz_.assign(m * size_, 0);
  dg_.assign(exact_ ? 0 : m * size_, 0);
  dg_exact_.assign(exact_ ? m * size_ : 0, 0);
  gram_.assign(m * m, 0);
  gamma_ = ColumnWeights(memory_, smallest);
  products_.assign(m, 0);
  sums_.resize(2 * m + 1);
  row_products_.assign(2 * m, 0);
  columns_.assign(m, nullptr);
  exact_columns_.assign(m, nullptr);
  row_.resize(static_cast<std::size_t>(layout.dim() == 1 ? SlabLayout::row_limit : layout.grid().cells(0)));
}

/// z = M^{-1} F(U) and max |F| / tau; Picard steps at once. From the second pass on the newest column is completed, and all inner products that are
/// new are made: of the columns with dz and with z.
double FixedPoint::pass(StepSystem& system, Field& U) {
  if (plain_) return system.picard(U);
  const SlabLayout& layout = *system.layout();
  if (memory_ > 0 && differs_) {
    kept_ = std::min(kept_ + 1, memory_);
    std::fill(sums_.begin(), sums_.end(), ExactSum());
  }
  const double residual = system.preconditioned_residual(U, [&](int level, std::ptrdiff_t offset, int n, const double* z) {
    const int row = static_cast<int>(row_.size());
    for (int i = 0; i < n; i += row) take_rows(layout, level, offset + i, std::min(row, n - i), z + i);
  });
  if (memory_ == 0 || !differs_) return residual;
  ExactSum::reduce(layout.comm(), {sums_.data(), static_cast<std::size_t>(2 * kept_ + 1)});
  z_squared_ = sums_[0].value();
  for (int j = 0; j < kept_; ++j) {
    gram(newest_, j) = gram(j, newest_) = sums_[static_cast<std::size_t>(2 * j + 1)].value();
    products_[static_cast<std::size_t>(j)] = sums_[static_cast<std::size_t>(2 * j + 2)].value();
  }
  return residual;
}

/// A row of z, at most row_.size() values.
void FixedPoint::take_rows(const SlabLayout& layout, int level, std::ptrdiff_t offset, int n, const double* __restrict z) {
  double* __restrict kept = z_.level(level) + offset;
  if (memory_ == 0 || !differs_) {
    std::copy_n(z, n, kept);
    return;
  }
  const std::ptrdiff_t at = level * layout.owned() + offset;
  float* __restrict dz = column(dz_, newest_) + at;
  double* __restrict exact = row_.data();
  for (int i = 0; i < n; ++i) {
    exact[i] = z[i] - kept[i];
    dz[i] = static_cast<float>(exact[i]);
    kept[i] = z[i];
  }
  if (exact_) {
    double* __restrict dg = column(dg_exact_, newest_) + at;
    for (int i = 0; i < n; ++i) dg[i] -= exact[i];
  } else {
    float* __restrict dg = column(dg_, newest_) + at;
    for (int i = 0; i < n; ++i) {
      exact[i] = dz[i];
      dg[i] = static_cast<float>(static_cast<double>(dg[i]) - exact[i]);
    }
  }
  for (int j = 0; j < kept_; ++j) columns_[static_cast<std::size_t>(j)] = column(dz_, j) + at;
  if (layout.dim() == 1) {  // slabs cut the line: sums are exact term by term
    for (int i = 0; i < n; ++i) sums_[0] += z[i] * z[i];
    for (int j = 0; j < kept_; ++j)
      for (int i = 0; i < n; ++i) {
        const auto value = static_cast<double>(columns_[static_cast<std::size_t>(j)][i]);
        sums_[static_cast<std::size_t>(2 * j + 1)] += exact[i] * value;
        sums_[static_cast<std::size_t>(2 * j + 2)] += z[i] * value;
      }
    return;
  }
  double* const with_newest = row_products_.data();
  double* const with_z = with_newest + memory_;
  products(exact, z, columns_.data(), kept_, n, with_newest, with_z);
  sums_[0] += square(z, n);
  for (int j = 0; j < kept_; ++j) {
    sums_[static_cast<std::size_t>(2 * j + 1)] += with_newest[j];
    sums_[static_cast<std::size_t>(2 * j + 2)] += with_z[j];
  }
}

/// The step; its dU goes to the slot of the next column. True when a value was held back from the end of its domain.
bool FixedPoint::update(const SlabLayout& layout, Field& U) {
  const int next = kept_ > 0 ? (newest_ + 1) % memory_ : 0;
  double* const candidate = row_.data();
  double held = 0;
  for (int level = 0; level < levels_; ++level) {
    double* u = U.level(level);
    const double* z = z_.level(level);
    const std::ptrdiff_t at = level * layout.owned();
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = layout.row(r);
      const std::ptrdiff_t o = p.offset, c = at + o;
      for (int i = 0; i < p.n; ++i) candidate[i] = -z[o + i];
      const std::vector<int>& used = gamma_.slots();
      const int count = static_cast<int>(used.size());
      if (exact_) {
        for (std::size_t j = 0; j < used.size(); ++j) exact_columns_[j] = column(dg_exact_, used[j]) + c;
        subtract_columns(exact_columns_.data(), gamma_.weights().data(), count, p.n, candidate);
      } else {
        for (std::size_t j = 0; j < used.size(); ++j) columns_[j] = column(dg_, used[j]) + c;
        subtract_columns(columns_.data(), gamma_.weights().data(), count, p.n, candidate);
      }
      if (!domain_.empty()) {
        const auto [lower, upper] = domain_[static_cast<std::size_t>(level) % domain_.size()];
        for (int i = 0; i < p.n; ++i) {
          const double step = std::min(std::max(candidate[i], to_boundary * (lower - u[o + i])), to_boundary * (upper - u[o + i]));
          held = step != candidate[i] ? 1 : held;
          candidate[i] = step;
        }
      }
      if (memory_ > 0 && exact_) {
        std::copy_n(candidate, p.n, column(dg_exact_, next) + c);
      } else if (memory_ > 0) {
        float* dg = column(dg_, next) + c;
        for (int i = 0; i < p.n; ++i) dg[i] = static_cast<float>(candidate[i]);
      }
      for (int i = 0; i < p.n; ++i) u[o + i] += candidate[i];
    }
  }
  newest_ = next;
  differs_ = true;
  return !domain_.empty() && global_max(layout.comm(), held) > 0;
}

/// Initial guesses, extrapolated ones above all, may lie outside.
void FixedPoint::enter_domain(Field& U) const {
  for (int level = 0; level < levels_; ++level) {
    const auto [lower, upper] = domain_[static_cast<std::size_t>(level) % domain_.size()];
    const double margin = 1e-6 * (std::isfinite(upper - lower) ? upper - lower : 1);
    for (double& u : U.owned(level)) u = std::min(std::max(u, lower + margin), upper - margin);
  }
}

NonlinearReport FixedPoint::solve(StepSystem& system, Field& U) {
  const SlabLayout& layout = *system.layout();
  allocate(system);
  NonlinearReport report;
  report.method = name_;
  const long pairs = system.transform_pairs(), evaluations = system.evaluations();
  const double tolerance = std::max(parameters_.tolerance, system.rounding());
  ConvergenceWatch watch(tolerance, parameters_.max_iterations);
  bool held = false;
  if (!domain_.empty() && !system.admissible(U)) enter_domain(U);

  for (int k = 0;; ++k) {
    const std::vector<double>& r = report.residuals;
    // The next residual as the last two foresee it; wrong guesses cost an F, right ones save a transform pair.
    const bool last = k >= 2 && r[r.size() - 1] * r[r.size() - 1] < 4 * tolerance * r[r.size() - 2];
    const double residual = last ? system.residual(U) : pass(system, U);
    report.residuals.push_back(residual);
    report.residual = residual;
    report.iterations = k;
    if (residual < tolerance && !held) {
      if (plain_ && !last) report.residual = system.residual(U);  // U is one iteration newer
      if (report.residual < tolerance) {
        report.reason = StopReason::Converged;
        break;
      }
    }
    if (watch.hopeless(residual) && k < parameters_.max_iterations) report.reason = StopReason::Diverged;
    if (report.reason == StopReason::Diverged || k == parameters_.max_iterations) break;
    if (last) static_cast<void>(pass(system, U));
    if (plain_) continue;
    gamma_.clear();
    if (memory_ > 0 && differs_) {
      if (z_squared_ <= z_squared_before_) {
        gamma_.solve(gram_, products_, kept_, newest_);
      } else {
        kept_ = 0;
      }
      z_squared_before_ = z_squared_;
    }
    held = update(layout, U);
  }
  report.transform_pairs = system.transform_pairs() - pairs;
  report.evaluations = system.evaluations() - evaluations;
  attempts_.assign(1, report);
  return report;
}

}  // namespace

NonlinearSolverPtr make_picard(const NonlinearParameters& parameters) { return std::make_unique<FixedPoint>("picard", parameters, 0); }

NonlinearSolverPtr make_anderson(const NonlinearParameters& parameters, int memory) {
  if (memory < 1 || memory > 50) throw InputError("solver.memory must be in [1, 50], not " + std::to_string(memory));
  return std::make_unique<FixedPoint>("anderson", parameters, memory);
}

}  // namespace wasserflow
