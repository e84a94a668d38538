/// Descent on the incremental energy of one implicit step in the metric of M.
///
/// With R = G dE/du, F = U - known + tau R = tau G grad Phi for Phi(U) = |U - known|^2_{G^{-1}} / (2 tau) + E(U) (all inner products Euclidean, E per
/// cell volume). M and G have the same modes, so -M^{-1} F is a direction of descent. Every direction d is carried with its image G^{-1} d, which
/// comes out of the same transform: then <grad Phi, d> = <F, G^{-1} d> / tau, the quadratic part of Phi along a line is known, and the products <y,
/// s> of L-BFGS (y a change of the gradient, s a step) are <change of F, G^{-1} s> / tau. An iteration costs one transform pair (two inverse ones
/// unless G = 1), and an evaluation of F and of E a trial step. Sources: Nocedal & Wright 2006, ch. 3, 7 (L-BFGS); Hager & Zhang 2005 (line search by
/// slopes where differences of Phi are lost in rounding); Park, Salgado, Wise arXiv:2204.07247 (preconditioned accelerated descent); O'Donoghue &
/// Candes 2015 (restart); Feng, Salgado, Wang, Wise 2017 (preconditioned steepest descent).
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "grids/reduce.hpp"
#include "solvers/nonlinear_solver.hpp"

namespace wasserflow {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Line search: sufficient decrease, and the part of the slope that must be gone.
constexpr double decrease = 0.1;
constexpr double curvature_lbfgs = 0.9, curvature_steepest = 0.4;
constexpr double overshoot = 0.05;  // accelerated: a step no longer than 1 / (curvature along it)
constexpr int trial_limit = 25;
// Differences of Phi below this part of its terms are rounding.
constexpr double rounding = 2e-14;
// Part of the way to the border of the domain that a step may go.
constexpr double border = 0.9;

double row_dot(int n, const double* a, const double* b) {
  double s[8] = {};
  int i = 0;
  for (; i + 8 <= n; i += 8)
    for (int l = 0; l < 8; ++l) s[l] += a[i + l] * b[i + l];
  for (; i < n; ++i) s[0] += a[i] * b[i];
  return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

/// Several sums over the grid in one message, with the same bits on any number of ranks. `part(offset, n, out)` gives them for n points.
class Sums {
 public:
  template <class Part>
  const std::vector<double>& operator()(const SlabLayout& layout, int count, Part&& part) {
    const std::size_t c = static_cast<std::size_t>(count);
    sums_.assign(c, ExactSum{});
    row_.resize(c);
    values_.resize(c);
    const auto take = [&](std::ptrdiff_t offset, int n) {
      part(offset, n, row_.data());
      for (std::size_t i = 0; i < c; ++i) sums_[i] += row_[i];
    };
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = layout.row(r);
      if (layout.dim() > 1)
        take(p.offset, p.n);
      else
        for (int i = 0; i < p.n; ++i) take(p.offset + i, 1);
    }
    ExactSum::reduce(layout.comm(), sums_);
    for (std::size_t i = 0; i < c; ++i) values_[i] = sums_[i].value();
    return values_;
  }

 private:
  std::vector<ExactSum> sums_;
  std::vector<double> row_, values_;
};

template <class Point>
void each(const Field& like, Point&& point) {
  const std::ptrdiff_t n = like.layout().owned();
  for (std::ptrdiff_t i = 0; i < n; ++i) point(i);
}

/// Phi along U + a d: value relative to that at a = 0.
struct Trial {
  double a = 0, value = 0, slope = 0, residual = 0;
};

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
    metric_ = system.op().gradient_metric();
    if (!metric_.empty() && system.steps() == 1 && system.components() == 1) {
      make(system);
      if (begin(U)) report.reason = kind_ == Descent::Accelerated ? accelerated(U, report) : line_searches(U, report);
    }
    report.transform_pairs = system.transform_pairs() - pairs;
    report.evaluations = system.evaluations() - evaluations;
    attempts_.assign(1, report);
    system_ = nullptr;
    return report;
  }

 private:
  struct Pair {
    Field s, metric_s, y;  ///< step, G^{-1} step (not used when G = 1), change of F
    double product = 0;    ///< <G^{-1} s, y>
  };

  void make(const StepSystem& system) {
    identity_ = metric_.size() == 1;
    scale_ = identity_ ? 1 / metric_[0] : 1;
    volume_ = system.layout()->grid().cell_volume();
    if (F_ && F_.layout_ptr() == system.layout() && made_identity_ == identity_) return;
    made_identity_ = identity_;
    const auto field = [&] { return system.make_field(); };
    F_ = field(), trial_ = field(), trial_F_ = field(), d_ = field();
    if (!identity_) metric_d_ = field();
    if (kind_ == Descent::Accelerated) {
      step_ = field(), extrapolated_ = field();
      if (!identity_) metric_step_ = field();
    }
    ring_.clear();
    for (int i = 0; i < memory_; ++i) {
      ring_.push_back({field(), {}, field(), 0});
      if (!identity_) ring_.back().metric_s = field();
    }
    products_.assign(static_cast<std::size_t>(memory_ * memory_), 0);
  }

  /// The initial guess made admissible: the mean of `known` where it must be kept; `known` itself where Phi is lower there, so that the answer has no
  /// more energy than it. False when neither is in the domain.
  /// @note Collective.
  bool begin(Field& U) {
    const Field& known = system_->known();
    const std::array<double, 2> domain = system_->op().domain(0);
    lower_ = domain[0], upper_ = domain[1];
    keep_mean(U);
    const bool guess = system_->admissible(U), start = system_->admissible(known);
    if (!guess && !start) return false;
    if (guess && start) {
      const double* u = U.level();
      const double* k = known.level();
      double* d = d_.level();
      each(U, [&](std::ptrdiff_t i) { d[i] = u[i] - k[i]; });
      if (!identity_) system_->preconditioner().apply_inverse(metric_, d_, metric_d_);
      const double quadratic = dot(d_, image()) * scale_ / (2 * system_->tau());
      trial_.copy_level(0, known, 0);
      if (!(quadratic + energy(U) <= energy(trial_))) U.copy_level(0, known, 0);
    } else if (!guess) {
      U.copy_level(0, known, 0);
    }
    return true;
  }

  /// Where the mean is conserved F has none but rounding; the answer then has the mean of `known` to the last digits.
  void keep_mean(Field& U) {
    if (metric_[0] != 0) return;
    const double* k = system_->known().level();
    double* u = U.level();
    const double shift = sums_(U.layout(), 1,
                               [&](std::ptrdiff_t o, int n, double* out) {
                                 out[0] = 0;
                                 for (int i = 0; i < n; ++i) out[0] += k[o + i] - u[o + i];
                               })[0] /
                         static_cast<double>(U.layout().grid().size());
    each(U, [&](std::ptrdiff_t i) { u[i] += shift; });
  }

  /// Energy a cell volume; infinite where it is not a number.
  double energy(Field& U) {
    const double e = system_->op().energy(U).value_or(std::numeric_limits<double>::quiet_NaN()) / volume_;
    return std::isfinite(e) ? e : infinity;
  }

  const Field& image() const { return identity_ ? d_ : metric_d_; }

  /// d = M^{-1} source with its image.
  void precondition(const SpectralTransform::Source& source) {
    if (identity_)
      system_->preconditioner().apply(source, SpectralTransform::to(d_));
    else
      system_->preconditioner().apply_with_inverse(metric_, source, [this](int level, std::ptrdiff_t offset, int n, const double* row) {
        std::copy_n(row, n, (level == 0 ? d_ : metric_d_).level() + offset);
      });
  }

  /// Largest a for which U + a d stays inside of the domain, with some distance kept.
  double reach(const Field& U) const {
    if (!std::isfinite(lower_) && !std::isfinite(upper_)) return infinity;
    const double *u = U.level(), *d = d_.level();
    double a = infinity;
    each(U, [&](std::ptrdiff_t i) { a = std::min(a, d[i] > 0 ? (upper_ - u[i]) / d[i] : d[i] < 0 ? (lower_ - u[i]) / d[i] : infinity); });
    return border * global_min(U.layout().comm(), a);
  }

  /// trial_ = U + a d with F there, and Phi's change and slope.
  /// @note Collective.
  Trial evaluate(const Field& U, double a, double linear, double quadratic, double energy_here) {
    const double *u = U.level(), *d = d_.level();
    double* t = trial_.level();
    each(U, [&](std::ptrdiff_t i) { t[i] = u[i] + a * d[i]; });
    Trial p;
    p.a = a;
    p.residual = system_->residual(trial_, trial_F_);
    p.slope = dot(trial_F_, image()) * scale_ / system_->tau();
    trial_energy_ = energy(trial_);
    p.value = a * linear + a * a * quadratic + (trial_energy_ - energy_here);
    if (!std::isfinite(p.residual) || !std::isfinite(p.slope) || !std::isfinite(p.value)) p.value = infinity;
    return p;
  }

  /// A step along d_ from U that meets the conditions of Wolfe or, where Phi's change is rounding, their approximation by slopes. On success trial_,
  /// trial_F_ and trial_energy_ belong to the step. `beyond`: the slope there may be this part of the first one, with the other sign.
  /// @note Collective.
  std::optional<Trial> search(const Field& U, double energy_here, double slope, double first, double curvature, double beyond = infinity) {
    const double* u = U.level();
    const double* k = system_->known().level();
    const double* d = d_.level();
    const double* g = image().level();
    const std::vector<double>& q = sums_(U.layout(), 2, [&](std::ptrdiff_t o, int n, double* out) {
      out[0] = row_dot(n, d + o, g + o);
      out[1] = 0;
      for (int i = 0; i < n; ++i) out[1] += (u[o + i] - k[o + i]) * g[o + i];
    });
    const double quadratic = q[0] * scale_ / (2 * system_->tau()), linear = q[1] * scale_ / system_->tau();
    const double most = reach(U);
    double a = std::min(first, most);
    Trial low{0, 0, slope, 0}, high{infinity, infinity, 0, 0};
    for (int trial = 0; trial < trial_limit; ++trial) {
      const Trial p = evaluate(U, a, linear, quadratic, energy_here);
      const double noise = rounding * (std::fabs(energy_here) + std::fabs(a * linear));
      const bool wolfe = p.value <= decrease * a * slope && p.slope >= curvature * slope;
      const bool approximate = p.value <= noise && p.slope >= curvature * slope && p.slope <= (2 * decrease - 1) * slope;
      const bool done = p.value <= noise && p.residual < parameters_.tolerance;
      const bool behind = p.slope > -beyond * slope;  // of the minimum
      if ((!behind && (wolfe || approximate)) || done || (a >= most && p.value <= decrease * a * slope && p.slope < 0)) return p;
      const Trial before = low;
      if (p.value == infinity || p.slope >= 0 || p.value > std::max(decrease * a * slope, noise))
        high = p;
      else
        low = p;
      if (high.a == infinity) {
        // Beyond: by the secant of the slopes.
        const double gain = low.slope - before.slope;
        const double secant = gain > 0 ? low.a - low.slope * (low.a - before.a) / gain : infinity;
        a = std::min(std::clamp(secant, 2 * low.a, 10 * low.a), most);
      } else {
        const double width = high.a - low.a;
        double t = 0.5;
        if (high.value == infinity)
          t = 0.1;
        else if (high.slope > 0)
          t = -low.slope / (high.slope - low.slope);
        else if (low.a == 0)
          t = 0.25;
        a = low.a + std::clamp(t, 0.05, 0.95) * width;
        if (!(width > 1e-14 * high.a)) break;
      }
    }
    return {};
  }

  StopReason line_searches(Field& U, NonlinearReport& report) {
    double residual = system_->residual(U, F_), here = energy(U), last_step = 1;
    used_ = 0, newest_ = -1;
    if (here == infinity || !std::isfinite(residual)) return StopReason::Diverged;
    bool fresh = false;  // the memory was dropped because a search failed
    for (;; ++report.iterations) {
      report.residuals.push_back(residual);
      report.residual = residual;
      if (residual < parameters_.tolerance) break;
      if (report.iterations >= parameters_.max_iterations) return StopReason::IterationLimit;
      double slope = lbfgs_direction();
      if (!(slope < 0) && used_ > 0) {
        used_ = 0;
        slope = lbfgs_direction();
      }
      if (!(slope < 0)) return StopReason::Diverged;
      const double first = kind_ == Descent::Lbfgs ? 1 : last_step;
      const std::optional<Trial> step = search(U, here, slope, first, kind_ == Descent::Lbfgs ? curvature_lbfgs : curvature_steepest);
      if (!step) {
        if (fresh || used_ == 0) return StopReason::Diverged;
        used_ = 0;
        fresh = true;
        continue;
      }
      fresh = false;
      remember(*step, slope);
      std::swap(U, trial_);
      std::swap(F_, trial_F_);
      here = trial_energy_;
      residual = step->residual;
      last_step = step->a;
    }
    keep_mean(U);
    return StopReason::Converged;
  }

  Pair& pair(int age) { return ring_[static_cast<std::size_t>((newest_ - age + memory_) % memory_)]; }
  /// <G^{-1} s_i, y_j> of the pairs that stand in places i and j of the ring.
  double& product(int i, int j) { return products_[static_cast<std::size_t>(i * memory_ + j)]; }
  int place(int age) const { return (newest_ - age + memory_) % memory_; }

  /// d_ = -H F with H the L-BFGS matrix on M^{-1}, and its image; returns the slope <F, G^{-1} d> / tau. The two loops run on the inner products of
  /// all pairs, so that the fields are read in four sweeps and summed over the ranks three times, whatever the memory.
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
      steps_[k] = p.s.level(), changes_[k] = p.y.level();
      images_[k] = identity_ ? steps_[k] : p.metric_s.level();
    }
    if (m > 0) {
      const std::vector<double>& sf = sums_(layout, m, [&](std::ptrdiff_t o, int n, double* out) {
        for (int i = 0; i < m; ++i) out[i] = row_dot(n, images_[static_cast<std::size_t>(i)] + o, f + o);
      });
      for (int i = 0; i < m; ++i) {  // newest first
        double v = sf[static_cast<std::size_t>(i)];
        for (int j = 0; j < i; ++j) v -= alpha[static_cast<std::size_t>(j)] * product(place(i), place(j));
        alpha[static_cast<std::size_t>(i)] = v / pair(i).product;
      }
    }
    precondition([&](int, std::ptrdiff_t o, int n, double* row) {
      std::copy_n(f + o, n, row);
      for (int i = 0; i < m; ++i) {
        const double* y = changes_[static_cast<std::size_t>(i)] + o;
        const double c = alpha[static_cast<std::size_t>(i)];
        for (int k = 0; k < n; ++k) row[k] -= c * y[k];
      }
    });
    double* d = d_.level();
    double* g = identity_ ? nullptr : metric_d_.level();
    if (m > 0) {
      const double* image_of_d = image().level();
      const std::vector<double>& yd = sums_(layout, m, [&](std::ptrdiff_t o, int n, double* out) {
        for (int i = 0; i < m; ++i) out[i] = row_dot(n, changes_[static_cast<std::size_t>(i)] + o, image_of_d + o);
      });
      for (int i = m - 1; i >= 0; --i) {  // oldest first
        double v = yd[static_cast<std::size_t>(i)];
        for (int j = m - 1; j > i; --j) v += beta[static_cast<std::size_t>(j)] * product(place(j), place(i));
        beta[static_cast<std::size_t>(i)] = alpha[static_cast<std::size_t>(i)] - v / pair(i).product;
      }
    }
    // d = -(H0 q + sum beta s) with its image, the slope, and <G^{-1} d, y_j> for the next pair.
    direction_products_.resize(static_cast<std::size_t>(m));
    const std::vector<double>& total = sums_(layout, m + 1, [&](std::ptrdiff_t o, int n, double* out) {
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
      const double* v = (g ? g : d) + o;
      for (int i = 0; i < m; ++i) out[i] = row_dot(n, v, changes_[static_cast<std::size_t>(i)] + o);
      out[m] = row_dot(n, v, f + o);
    });
    std::copy_n(total.begin(), m, direction_products_.begin());
    return total[static_cast<std::size_t>(m)] * scale_ / system_->tau();
  }

  /// The step that was just accepted becomes a pair, when Phi is convex along it.
  void remember(const Trial& step, double slope) {
    if (memory_ == 0) return;
    const double change = step.slope - slope;
    if (!(change > 1e-10 * std::fabs(slope))) return;
    // Changes of <G^{-1} s_j, F> over the step; the oldest pair's place may be the one to fill.
    const int m = used_;
    const double *f = F_.level(), *f_new = trial_F_.level();
    const int target = (newest_ + 1) % memory_;
    Pair& p = ring_[static_cast<std::size_t>(target)];
    for (int i = 0; i < m; ++i)
      if (place(i) != target) product(target, place(i)) = step.a * direction_products_[static_cast<std::size_t>(i)];
    const double *d = d_.level(), *g = image().level();
    double *s = p.s.level(), *gs = identity_ ? nullptr : p.metric_s.level(), *y = p.y.level();
    const int kept = std::min(m, memory_ - 1);
    const std::vector<double>& sy = sums_(F_.layout(), kept, [&](std::ptrdiff_t o, int n, double* out) {
      for (int k = 0; k < n; ++k) {
        s[o + k] = step.a * d[o + k];
        y[o + k] = f_new[o + k] - f[o + k];
      }
      if (gs)
        for (int k = 0; k < n; ++k) gs[o + k] = step.a * g[o + k];
      for (int i = 0; i < kept; ++i) out[i] = row_dot(n, images_[static_cast<std::size_t>(i)] + o, y + o);
    });
    for (int i = 0; i < kept; ++i) product(place(i), target) = sy[static_cast<std::size_t>(i)];
    p.product = step.a * change * system_->tau() / scale_;
    product(target, target) = p.product;
    newest_ = target;
    used_ = kept + 1;
  }

  /// Nesterov's method from U: x+ = y - a M^{-1} F(y), y+ = x+ + momentum (x+ - x), with restarts where Phi grows or the momentum goes uphill, and
  /// the step a halved while it goes beyond the minimum on its line.
  StopReason accelerated(Field& U, NonlinearReport& report) {
    const auto fill_zero = [](Field& f) {
      if (f) f.fill(0);
    };
    fill_zero(step_), fill_zero(metric_step_);
    double a = 1, theta = 1, here = energy(U);
    if (here == infinity) return StopReason::Diverged;
    double residual = system_->residual(U, F_);
    extrapolated_.copy_level(0, U, 0);
    bool momentum = false;
    double base = here;  // energy at the extrapolated point
    for (;; ++report.iterations) {
      report.residuals.push_back(residual);
      report.residual = residual;
      if (!std::isfinite(residual)) return StopReason::Diverged;
      if (residual < parameters_.tolerance) break;
      if (report.iterations >= parameters_.max_iterations) return StopReason::IterationLimit;
      // d = -M^{-1} F(y); F_ is F(y).
      const double slope = lbfgs_direction();
      if (!(slope < 0)) return StopReason::Diverged;
      const std::optional<Trial> p = search(extrapolated_, base, slope, a, 1, overshoot);
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
      double *s = step_.level(), *gs = identity_ ? s : metric_step_.level();
      const double *d = d_.level(), *g = image().level(), *x = U.level(), *k = system_->known().level(), *f = F_.level();
      const double taken = p->a;
      if (!identity_) each(U, [&](std::ptrdiff_t i) { s[i] += taken * d[i]; });
      const std::vector<double>& q = sums_(U.layout(), 3, [&](std::ptrdiff_t o, int n, double* out) {
        out[2] = 0;
        for (int i = 0; i < n; ++i) gs[o + i] += taken * g[o + i];
        out[0] = row_dot(n, s + o, gs + o);
        out[1] = row_dot(n, f + o, gs + o);
        for (int i = 0; i < n; ++i) out[2] += (x[o + i] - k[o + i]) * gs[o + i];
      });
      const double change = (q[0] / 2 + q[2]) * scale_ / system_->tau() + (trial_energy_ - here);
      const bool uphill = q[1] > 0;
      if (momentum && change > rounding * (std::fabs(here) + std::fabs(q[2]) * scale_ / system_->tau())) {
        extrapolated_.copy_level(0, U, 0);
        residual = system_->residual(extrapolated_, F_);
        base = here, momentum = false, theta = 1;
        fill_zero(step_), fill_zero(metric_step_);
        continue;
      }
      std::swap(U, trial_);
      here = trial_energy_;
      residual = p->residual;
      if (residual < parameters_.tolerance) continue;
      // The next extrapolated point, inside of the domain.
      double weight = 0;
      if (uphill) {
        theta = 1;
      } else {
        const double next = 0.5 * (1 + std::sqrt(1 + 4 * theta * theta));
        weight = (theta - 1) / next;
        theta = next;
      }
      d_.copy_level(0, step_, 0);
      weight = std::min(weight, reach(U));
      momentum = weight > 0;
      if (momentum) {
        const double* now = U.level();
        double* y = extrapolated_.level();
        each(U, [&](std::ptrdiff_t i) {
          s[i] *= weight;
          y[i] = now[i] + s[i];
        });
        if (!identity_) each(U, [&](std::ptrdiff_t i) { gs[i] *= weight; });
        (void)system_->residual(extrapolated_, F_);
        base = energy(extrapolated_);
      } else {
        extrapolated_.copy_level(0, U, 0);
        std::swap(F_, trial_F_);
        base = here;
        fill_zero(step_), fill_zero(metric_step_);
      }
    }
    keep_mean(U);
    return StopReason::Converged;
  }

  NonlinearParameters parameters_;
  Descent kind_;
  int memory_;
  std::string name_;
  std::vector<NonlinearReport> attempts_;

  StepSystem* system_ = nullptr;  // of the solve that runs
  SymbolPolynomial metric_;       // G
  bool identity_ = false, made_identity_ = false;
  double scale_ = 1;  // G^{-1} of the images kept here times scale_ is G^{-1}: 1 unless G is a number
  double volume_ = 1, lower_ = -infinity, upper_ = infinity;
  double trial_energy_ = 0;
  Field F_, trial_, trial_F_, d_, metric_d_;
  Field step_, metric_step_, extrapolated_;  // accelerated: y - x, its image, y
  std::vector<Pair> ring_;
  int used_ = 0, newest_ = -1;
  std::vector<double> products_, direction_products_, alpha_, beta_;
  std::vector<const double*> steps_, images_, changes_;
  Sums sums_;
};

}  // namespace

NonlinearSolverPtr make_descent(const NonlinearParameters& parameters, Descent kind, int memory) {
  return std::make_unique<EnergyDescent>(parameters, kind, memory);
}

}  // namespace wasserflow
