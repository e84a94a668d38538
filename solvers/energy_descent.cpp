/// Descent on the incremental energy Phi of one implicit step (solvers/incremental_energy.hpp) in the metric of M.
///
/// The direction -M^{-1} F and its image under G^{-1} come out of one forward transform. The products <y, s> of L-BFGS (y a change of the gradient, s
/// a step) are <change of F, G^{-1} s> / tau, so that pairs are kept with the images of their steps. An iteration costs one transform pair (one
/// forward, two inverse ones unless G is a number), and a trial step an evaluation of F and one of E.
/// Sources: Nocedal & Wright 2006, ch. 7 (L-BFGS); Park, Salgado, Wise arXiv:2204.07247 (preconditioned accelerated descent); O'Donoghue & Candes
/// 2015 (restart); Feng, Salgado, Wang, Wise 2017 (preconditioned steepest descent).
#include <algorithm>
#include <cmath>

#include "solvers/incremental_energy.hpp"
#include "solvers/nonlinear_solver.hpp"

namespace wasserflow {
namespace {

constexpr double infinity = IncrementalEnergy::infinity;
constexpr double steepest_curvature = 0.4;
constexpr double overshoot = 0.05;  // accelerated: a step no longer than 1 / (curvature along it)

template <class Point>
void each(const Field& like, Point&& point) {
  const std::ptrdiff_t n = like.layout().owned();
  for (std::ptrdiff_t i = 0; i < n; ++i) point(i);
}

class EnergyDescent final : public NonlinearSolver {
 public:
  EnergyDescent(const NonlinearParameters& parameters, Descent kind, int memory)
      : parameters_(parameters), kind_(kind), memory_(kind == Descent::Lbfgs ? memory : 0) {
    name_ = kind == Descent::Lbfgs ? "descent" : kind == Descent::Steepest ? "steepest-descent" : "accelerated-descent";
  }
  const std::string& name() const override { return name_; }
  const std::vector<NonlinearReport>& attempts() const override { return attempts_; }

  NonlinearReport solve(StepSystem& system, Field& U) override {
    NonlinearReport report;
    report.method = name_;
    report.residual = std::numeric_limits<double>::quiet_NaN();
    report.reason = StopReason::Diverged;
    const long pairs = system.transform_pairs(), evaluations = system.evaluations();
    system_ = &system;
    tolerance_ = std::max(parameters_.tolerance, system.rounding());
    if (IncrementalEnergy::exists(system)) {
      const bool inside = phi_.begin(system, U);
      make(system);
      if (inside) report.reason = kind_ == Descent::Accelerated ? accelerated(U, report) : line_searches(U, report);
    }
    report.transform_pairs = system.transform_pairs() - pairs;
    report.evaluations = system.evaluations() - evaluations;
    attempts_.assign(1, report);
    system_ = nullptr;
    return report;
  }

 private:
  struct Pair {
    Field s, metric_s;     ///< step, G^{-1} step (not used when G is a number)
    std::vector<float> y;  ///< change of F; it shapes directions only, for which float32 is enough
    double product = 0;    ///< <G^{-1} s, y>
  };

  void make(const StepSystem& system) {
    const bool images = phi_.own_image();
    if (F_ && F_.layout_ptr() == system.layout() && images_made_ == images) return;
    images_made_ = images;
    const auto field = [&] { return system.make_field(); };
    F_ = field();
    if (kind_ == Descent::Accelerated) {
      step_ = field(), extrapolated_ = field();
      if (images) metric_step_ = field();
    }
    ring_.clear();
    for (int i = 0; i < memory_; ++i) {
      ring_.push_back({field(), {}, std::vector<float>(static_cast<std::size_t>(system.layout()->owned())), 0});
      if (images) ring_.back().metric_s = field();
    }
    products_.assign(static_cast<std::size_t>(memory_ * memory_), 0);
    before_.assign(static_cast<std::size_t>(memory_), 0);
  }

  StopReason line_searches(Field& U, NonlinearReport& report) {
    double residual = system_->residual(U, F_), here = phi_.energy(U), last_step = 1;
    used_ = 0, newest_ = -1, pending_ = false;
    if (here == infinity || !std::isfinite(residual)) return StopReason::Diverged;
    bool fresh = false;  // the memory was dropped because a search failed
    for (;; ++report.iterations) {
      report.residuals.push_back(residual);
      report.residual = residual;
      if (residual < tolerance_) break;
      if (report.iterations >= parameters_.max_iterations) return StopReason::IterationLimit;
      double slope = lbfgs_direction();
      if (!(slope < 0) && used_ > 0) {
        used_ = 0, pending_ = false;
        slope = lbfgs_direction();
      }
      if (!(slope < 0)) return StopReason::Diverged;
      IncrementalEnergy::Search conditions;
      conditions.tolerance = tolerance_;
      if (kind_ == Descent::Steepest) {
        conditions.first = last_step;
        conditions.curvature = steepest_curvature;
      }
      const std::optional<LinePoint> step = phi_.search(U, here, slope, conditions);
      if (!step) {
        if (fresh || used_ == 0) return StopReason::Diverged;
        used_ = 0, pending_ = false;
        fresh = true;
        continue;
      }
      fresh = false;
      remember(*step, slope);
      std::swap(U, phi_.trial());
      std::swap(F_, phi_.trial_F());
      here = phi_.trial_energy();
      residual = step->residual;
      last_step = step->a;
    }
    phi_.keep_mean(U);
    return StopReason::Converged;
  }

  Pair& pair(int age) { return ring_[static_cast<std::size_t>((newest_ - age + memory_) % memory_)]; }
  /// <G^{-1} s_i, y_j> of the pairs that stand in places i and j of the ring.
  double& product(int i, int j) { return products_[static_cast<std::size_t>(i * memory_ + j)]; }
  int place(int age) const { return (newest_ - age + memory_) % memory_; }

  /// The direction -H F with H the L-BFGS matrix on M^{-1}, and its image; returns the slope <F, G^{-1} d> / tau. The two loops run on the inner
  /// products of all pairs, so that the fields are read in four sweeps and summed over the ranks three times, whatever the memory. Products that
  /// follow from others are not summed anew.
  /// @note Collective.
  double lbfgs_direction() {
    const SlabLayout& layout = F_.layout();
    const double* f = F_.level();
    const int m = used_;
    std::vector<double>&alpha = alpha_, &beta = beta_;
    alpha.assign(static_cast<std::size_t>(m), 0);
    beta.assign(static_cast<std::size_t>(m), 0);
    images_.resize(static_cast<std::size_t>(m));
    steps_.resize(static_cast<std::size_t>(m));
    changes_.resize(static_cast<std::size_t>(m));
    for (int i = 0; i < m; ++i) {
      const std::size_t k = static_cast<std::size_t>(i);
      Pair& p = pair(i);
      steps_[k] = p.s.level(), changes_[k] = p.y.data();
      images_[k] = phi_.own_image() ? p.metric_s.level() : steps_[k];
    }
    if (m > 0) {
      const std::vector<double>& sf = sums_(layout, m, [&](std::ptrdiff_t o, int n, double* out) {
        for (int i = 0; i < m; ++i) out[i] = row_dot(n, images_[static_cast<std::size_t>(i)] + o, f + o);
      });
      for (int i = 0; i < m; ++i) {
        const int p = place(i);
        double& before = before_[static_cast<std::size_t>(p)];
        if (pending_ && i > 0) product(p, newest_) = sf[static_cast<std::size_t>(i)] - before;
        before = sf[static_cast<std::size_t>(i)];
      }
      pending_ = false;
      for (int i = 0; i < m; ++i) {  // newest first
        double v = sf[static_cast<std::size_t>(i)];
        for (int j = 0; j < i; ++j) v -= alpha[static_cast<std::size_t>(j)] * product(place(i), place(j));
        alpha[static_cast<std::size_t>(i)] = v / pair(i).product;
      }
    }
    phi_.precondition([&](int, std::ptrdiff_t o, int n, double* row) {
      std::copy_n(f + o, n, row);
      for (int i = 0; i < m; ++i) {
        const float* y = changes_[static_cast<std::size_t>(i)] + o;
        const double c = alpha[static_cast<std::size_t>(i)];
        for (int k = 0; k < n; ++k) row[k] -= c * static_cast<double>(y[k]);
      }
    });
    double* d = phi_.direction().level();
    double* g = phi_.own_image() ? phi_.image().level() : nullptr;
    if (m > 0) {
      const double* image_of_d = phi_.image().level();
      const std::vector<double>& yd = sums_(layout, m, [&](std::ptrdiff_t o, int n, double* out) {
        for (int i = 0; i < m; ++i) out[i] = row_dot(n, image_of_d + o, changes_[static_cast<std::size_t>(i)] + o);
      });
      for (int i = m - 1; i >= 0; --i) {  // oldest first
        double v = yd[static_cast<std::size_t>(i)];
        for (int j = m - 1; j > i; --j) v += beta[static_cast<std::size_t>(j)] * product(place(j), place(i));
        beta[static_cast<std::size_t>(i)] = alpha[static_cast<std::size_t>(i)] - v / pair(i).product;
      }
      // <G^{-1} d, y_i>, for the next pair.
      direction_products_.resize(static_cast<std::size_t>(m));
      for (int i = 0; i < m; ++i) {
        double v = yd[static_cast<std::size_t>(i)];
        for (int j = 0; j < m; ++j) v += beta[static_cast<std::size_t>(j)] * product(place(j), place(i));
        direction_products_[static_cast<std::size_t>(i)] = -v;
      }
    }
    // d = -(H0 q + sum beta s) with its image, and the slope.
    const double slope = sums_(layout, 1, [&](std::ptrdiff_t o, int n, double* out) {
      const auto combine = [&](double* v, const std::vector<const double*>& parts) {
        for (int i = 0; i < m; ++i) {
          const double* s = parts[static_cast<std::size_t>(i)] + o;
          const double c = beta[static_cast<std::size_t>(i)];
          for (int k = 0; k < n; ++k) v[k] += c * s[k];
        }
        for (int k = 0; k < n; ++k) v[k] = -v[k];
      };
      combine(d + o, steps_);
      if (g) combine(g + o, images_);
      out[0] = row_dot(n, (g ? g : d) + o, f + o);
    })[0];
    return slope * phi_.per_product();
  }

  /// The step that was just accepted becomes a pair, when Phi is convex along it.
  void remember(const LinePoint& step, double slope) {
    if (memory_ == 0) return;
    const double change = step.slope - slope;
    if (!(change > 1e-10 * std::fabs(slope))) return;
    const int m = used_, target = (newest_ + 1) % memory_;  // the oldest pair's place, when all are taken
    for (int i = 0; i < m; ++i)
      if (place(i) != target) product(target, place(i)) = step.a * direction_products_[static_cast<std::size_t>(i)];
    Pair& p = ring_[static_cast<std::size_t>(target)];
    const double *f = F_.level(), *f_new = phi_.trial_F().level(), *d = phi_.direction().level(), *g = phi_.image().level();
    double *s = p.s.level(), *gs = phi_.own_image() ? p.metric_s.level() : nullptr;
    float* y = p.y.data();
    each(F_, [&](std::ptrdiff_t i) {
      s[i] = step.a * d[i];
      y[i] = static_cast<float>(f_new[i] - f[i]);
    });
    if (gs) each(F_, [&](std::ptrdiff_t i) { gs[i] = step.a * g[i]; });
    p.product = step.a * change / phi_.per_product();
    product(target, target) = p.product;
    newest_ = target;
    used_ = std::min(m + 1, memory_);
    pending_ = true;  // <G^{-1} s_j, y> of the older pairs: the next direction has them
  }

  /// Nesterov's method from U: x+ = y - a M^{-1} F(y), y+ = x+ + momentum (x+ - x), with restarts where Phi grows or the momentum goes uphill, and
  /// the step a halved while it goes beyond the minimum on its line.
  StopReason accelerated(Field& U, NonlinearReport& report) {
    const auto fill_zero = [](Field& f) {
      if (f) f.fill(0);
    };
    fill_zero(step_), fill_zero(metric_step_);
    double a = 1, theta = 1, here = phi_.energy(U);
    if (here == infinity) return StopReason::Diverged;
    double residual = system_->residual(U, F_);
    extrapolated_.copy_level(0, U, 0);
    bool momentum = false;
    double base = here;  // energy at the extrapolated point
    for (;; ++report.iterations) {
      report.residuals.push_back(residual);
      report.residual = residual;
      if (!std::isfinite(residual)) return StopReason::Diverged;
      if (residual < tolerance_) break;
      if (report.iterations >= parameters_.max_iterations) return StopReason::IterationLimit;
      // d = -M^{-1} F(y); F_ is F(y).
      const double slope = lbfgs_direction();
      if (!(slope < 0)) return StopReason::Diverged;
      const IncrementalEnergy::Search conditions{.first = a, .curvature = 1, .beyond = overshoot, .tolerance = tolerance_};
      const std::optional<LinePoint> p = phi_.search(extrapolated_, base, slope, conditions);
      if (!p) {
        if (!momentum) return StopReason::Diverged;
        // From x without momentum.
        extrapolated_.copy_level(0, U, 0);
        (void)system_->residual(extrapolated_, F_);
        base = here, momentum = false, theta = 1;
        fill_zero(step_), fill_zero(metric_step_);
        continue;
      }
      a = p->a;
      // step = x+ - x = (y - x) + a d; y - x stands in step_ already scaled.
      double *s = step_.level(), *gs = phi_.own_image() ? metric_step_.level() : s;
      const double *d = phi_.direction().level(), *g = phi_.image().level(), *x = U.level(), *k = system_->known().level(), *f = F_.level();
      const double taken = p->a;
      if (phi_.own_image()) each(U, [&](std::ptrdiff_t i) { s[i] += taken * d[i]; });
      const std::vector<double>& q = sums_(U.layout(), 3, [&](std::ptrdiff_t o, int n, double* out) {
        out[2] = 0;
        for (int i = 0; i < n; ++i) gs[o + i] += taken * g[o + i];
        out[0] = row_dot(n, s + o, gs + o);
        out[1] = row_dot(n, f + o, gs + o);
        for (int i = 0; i < n; ++i) out[2] += (x[o + i] - k[o + i]) * gs[o + i];
      });
      const double change = (q[0] / 2 + q[2]) * phi_.per_product() + (phi_.trial_energy() - here);
      const bool uphill = q[1] > 0;
      if (momentum && change > IncrementalEnergy::rounding * (std::fabs(here) + std::fabs(q[2]) * phi_.per_product())) {
        extrapolated_.copy_level(0, U, 0);
        residual = system_->residual(extrapolated_, F_);
        base = here, momentum = false, theta = 1;
        fill_zero(step_), fill_zero(metric_step_);
        continue;
      }
      std::swap(U, phi_.trial());
      here = phi_.trial_energy();
      residual = p->residual;
      if (residual < tolerance_) continue;
      // The next extrapolated point, inside of the domain.
      double weight = 0;
      if (uphill) {
        theta = 1;
      } else {
        const double next = 0.5 * (1 + std::sqrt(1 + 4 * theta * theta));
        weight = (theta - 1) / next;
        theta = next;
      }
      phi_.direction().copy_level(0, step_, 0);
      weight = std::min(weight, phi_.reach(U));
      momentum = weight > 0;
      if (momentum) {
        const double* now = U.level();
        double* y = extrapolated_.level();
        each(U, [&](std::ptrdiff_t i) {
          s[i] *= weight;
          y[i] = now[i] + s[i];
        });
        if (phi_.own_image()) each(U, [&](std::ptrdiff_t i) { gs[i] *= weight; });
        (void)system_->residual(extrapolated_, F_);
        base = phi_.energy(extrapolated_);
      } else {
        extrapolated_.copy_level(0, U, 0);
        std::swap(F_, phi_.trial_F());
        base = here;
        fill_zero(step_), fill_zero(metric_step_);
      }
    }
    phi_.keep_mean(U);
    return StopReason::Converged;
  }

  NonlinearParameters parameters_;
  double tolerance_ = 0;  ///< of this solve
  Descent kind_;
  int memory_;
  std::string name_;
  std::vector<NonlinearReport> attempts_;

  StepSystem* system_ = nullptr;  // of the solve that runs
  IncrementalEnergy phi_;
  bool images_made_ = false;
  Field F_;
  Field step_, metric_step_, extrapolated_;  // accelerated: y - x, its image, y
  std::vector<Pair> ring_;
  int used_ = 0, newest_ = -1;
  bool pending_ = false;
  std::vector<double> products_, direction_products_, alpha_, beta_;
  std::vector<double> before_;  // <G^{-1} s, F> of each place at the last direction
  std::vector<const double*> steps_, images_;
  std::vector<const float*> changes_;
  RowSums sums_;
};

}  // namespace

NonlinearSolverPtr make_descent(const NonlinearParameters& parameters, Descent kind, int memory) {
  return std::make_unique<EnergyDescent>(parameters, kind, memory);
}

}  // namespace wasserflow
