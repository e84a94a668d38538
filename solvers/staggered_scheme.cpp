#include "solvers/staggered_scheme.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

std::size_t index(int i) { return static_cast<std::size_t>(i); }

StaggeredOperator::Setting setting_of(const MeanFieldProblem& p) {
  p.validate();
  if (p.cost->splitting() != Splitting::LaxFriedrichs) throw InternalError("staggered grids take a cost with central slots");
  if (p.positive && p.nonlocal) throw InputError("the positive variant of the staggered scheme has no nonlocal interaction");
  return {p.steps, p.dt(), p.viscosity, p.theta, !p.final_density, p.cost->has_reaction(), p.positive, p.speed_scale(), p.stationary};
}

std::vector<double> middles(const MeanFieldProblem& p) {
  std::vector<double> t;
  for (int n = 0; n < p.steps; ++n) t.push_back(p.stationary ? 0 : (n + 0.5) * p.dt());
  return t;
}

/// Largest eigenvalue of a positive semidefinite W *, a little above, by power iteration from bumps of every size.
double largest_eigenvalue(NonlocalPotential& w, const LayoutPtr& layout) {
  Field u(layout), image(layout);
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
    const double at = static_cast<double>(layout->global_offset() + i);
    u.level()[i] = 1 + 0.5 * std::sin(at) + 0.25 * std::sin(0.37 * at * at);
  }
  double size = 0;
  for (int k = 0; k < 40; ++k) {
    const double norm = std::sqrt(dot(u, u));
    if (!(norm > 0)) return 0;
    for (double& v : u.owned()) v /= norm;
    w.apply(u, 0, image, 0);
    size = std::sqrt(dot(image, image));
    std::swap(u, image);
  }
  return 1.02 * size;
}

}  // namespace

StaggeredScheme::StaggeredScheme(MeanFieldProblem problem)
    : problem_(std::move(problem)),
      half_times_(middles(problem_)),
      dim_(problem_.layout->dim()),
      slots_(dim_ + (problem_.cost->has_reaction() ? 1 : 0)),
      speed_(problem_.speed_scale()),
      unit_(problem_.cost_scale > 0 ? problem_.cost_scale : speed_ * speed_),
      operator_(problem_.layout, setting_of(problem_)),
      x_(operator_.make_state()),
      y_(operator_.make_centred()),
      phi_(operator_.make_multiplier()) {
  problem_.cost->bind(problem_.layout, half_times_, problem_.horizon);
  operator_.set_source(problem_.source);
  if (has_slopes()) {
    pull_ = Field(problem_.layout, problem_.steps);
    y_.slopes = &pull_;
  }
  if (problem_.nonlocal) {
    given_ = Field(problem_.layout);
    lipschitz_ = largest_eigenvalue(*problem_.nonlocal, problem_.layout);
  }
  const SlabLayout& layout = *problem_.layout;
  const std::size_t longest = index(dim_ == 1 ? SlabLayout::row_limit : layout.grid().cells(0));
  const std::size_t rows = 2 * index(slots_ + 1);
  scratch_.resize((rows + 1) * longest);
  for (std::size_t k = 0; k < rows; ++k) (k < rows / 2 ? v_ : u_).push_back(scratch_.data() + k * longest);
  late_ = scratch_.data() + rows * longest;
  terms_.resize(longest);
  copy_ends();
}

void StaggeredScheme::copy_ends() {
  const SlabLayout& layout = *problem_.layout;
  mean_density_ = std::max(sum(problem_.initial) / static_cast<double>(layout.grid().size()), problem_.density_scale);
  largest_density_ = std::max(max_abs(problem_.initial), problem_.density_scale);
  x_.rho.copy_level(0, problem_.initial, 0);
  if (problem_.final_density) x_.rho.copy_level(problem_.steps, *problem_.final_density, 0);
}

void StaggeredScheme::set_initial(const Field& rho) {
  problem_.initial.copy_level(0, rho, 0);
  problem_.validate();
  copy_ends();
}

void StaggeredScheme::make_feasible() {
  copy_ends();
  operator_.project(x_, phi_);
  measured_ = false;
}

Field& StaggeredScheme::component(StaggeredState& x, int c) const { return c == 0 ? x.rho : c <= dim_ ? x.m[index(c - 1)] : x.z; }

RowPoints StaggeredScheme::row(int r, int level) const {
  RowPoints p = problem_.layout->row(r);
  p.level = level;
  p.t = half_times_[index(level)];
  return p;
}

double StaggeredScheme::mean_square_root(double sum) const {
  return std::sqrt(sum / (static_cast<double>(problem_.layout->grid().size()) * problem_.steps));
}

std::vector<Field*> StaggeredScheme::primal() {
  std::vector<Field*> fields{&x_.rho};
  for (Field& m : x_.m) fields.push_back(&m);
  if (x_.z) fields.push_back(&x_.z);
  return fields;
}

std::vector<Field*> StaggeredScheme::dual() {
  std::vector<Field*> fields;
  for (int k = 0; k < operator_.copies(); ++k) {
    CentredState& y = copy(k);
    fields.push_back(&y.rho);
    for (Field& m : y.m) fields.push_back(&m);
    if (y.z) fields.push_back(&y.z);
  }
  if (y_.end) fields.push_back(&y_.end);
  return fields;
}

std::vector<std::pair<std::string, Field*>> StaggeredScheme::state_fields() {
  static const char* const axis[] = {"x", "y", "z"};
  std::vector<std::pair<std::string, Field*>> fields{{"rho", &x_.rho}, {"dual_rho", &y_.rho}};
  for (int d = 0; d < dim_; ++d) {
    fields.emplace_back(std::string("m_") + axis[d], &x_.m[index(d)]);
    fields.emplace_back(std::string("dual_m_") + axis[d], &y_.m[index(d)]);
  }
  if (x_.z) {
    fields.emplace_back("source", &x_.z);
    fields.emplace_back("dual_source", &y_.z);
  }
  if (y_.end) fields.emplace_back("dual_end", &y_.end);
  for (CentredState& late : y_.late) {
    fields.emplace_back("late_rho", &late.rho);
    for (int d = 0; d < dim_; ++d) fields.emplace_back(std::string("late_m_") + axis[d], &late.m[index(d)]);
    if (late.z) fields.emplace_back("late_source", &late.z);
  }
  return fields;
}

std::size_t StaggeredScheme::bytes() const {
  std::size_t doubles = 0;
  const auto add = [&](const Field& f) { doubles += f ? static_cast<std::size_t>(f.level_stride()) * index(f.levels()) : 0; };
  add(x_.rho);
  for (const Field& m : x_.m) add(m);
  add(x_.z);
  add(y_.rho);
  for (const Field& m : y_.m) add(m);
  for (const CentredState& late : y_.late) {
    add(late.rho);
    for (const Field& m : late.m) add(m);
    add(late.z);
  }
  for (const Field* f : {&y_.z, &y_.end, &phi_, &pull_, &given_, &problem_.initial}) add(*f);
  if (problem_.final_density) add(*problem_.final_density);
  return doubles * sizeof(double);
}

void StaggeredScheme::add_slopes() {
  const std::ptrdiff_t n = problem_.layout->owned();
  for (int level = 0; level < problem_.steps; ++level) {
    double* out = pull_.level(level);
    const double* y = y_.rho.level(level);
    if (problem_.nonlocal) {
      const double *before = x_.rho.level(level), *after = x_.rho.level(level + 1);
      double* middle = given_.level();
      const double older = problem_.stationary ? 0 : 0.5, newer = 1 - older;
      for (std::ptrdiff_t i = 0; i < n; ++i) middle[i] = older * before[i] + newer * after[i];
      problem_.nonlocal->apply(given_, 0, pull_, level);
      for (std::ptrdiff_t i = 0; i < n; ++i) out[i] += y[i];
    } else {
      std::copy_n(y, n, out);
    }
    if (!problem_.potential) continue;
    const double* potential = problem_.potential->level(level);
    for (std::ptrdiff_t i = 0; i < n; ++i) out[i] += potential[i];
  }
}

void StaggeredScheme::primal_step(double tau, double relaxation) {
  measured_ = false;
  if (has_slopes()) add_slopes();
  operator_.exchange(y_);
  operator_.solve([&](int level, std::ptrdiff_t offset, int n, double* row) { operator_.adjoint_continuity_row(y_, level, offset, n, row); }, phi_);
  phi_.exchange_ghosts();
  over_ = 2 * tau;
  move_ = relaxation * tau;
}

double StaggeredScheme::primal_error(double, double) {
  const SlabLayout& layout = *problem_.layout;
  ExactSum sums[2];
  const auto square = [&](ExactSum& sum, const double* u, int n, double factor) {
    for (int i = 0; i < n; ++i) terms_[index(i)] = factor * (u[i] * u[i]);
    add_row(sum, layout, terms_.data(), n);
  };
  const double end = operator_.end_weight();
  operator_.adjoint_sweep(&y_, &phi_, [&](const double* g, int c, int level, std::ptrdiff_t, int n) {
    square(sums[0], g, n, c == 0 && level == problem_.steps ? end : 1);
  });
  const auto square_field = [&](const Field& f, double factor) {
    for (int level = 0; level < f.levels(); ++level)
      for (int r = 0; r < layout.rows(); ++r) {
        const RowPoints p = layout.row(r);
        square(sums[1], f.level(level) + p.offset, p.n, factor);
      }
  };
  for (int k = 0; k < operator_.copies(); ++k) {
    const CentredState& y = copy(k);
    square_field(y.rho, operator_.share());
    for (const Field& m : y.m) square_field(m, operator_.share());
    if (y.z) square_field(y.z, operator_.share());
  }
  if (y_.end) square_field(y_.end, 1 / end);
  ExactSum::reduce(layout.comm(), sums);
  dual_residual_ = mean_square_root(sums[0].value()) / (unit_ + mean_square_root(sums[1].value()));
  return dual_residual_;
}

double StaggeredScheme::dual_step(double sigma, double relaxation, bool measure) {
  const SlabLayout& layout = *problem_.layout;
  const TransportCost& cost = *problem_.cost;
  operator_.exchange_for_interpolation(x_);
  sigma_ = sigma;
  ExactSum sums[2];  // (y+ - y)^2, (K x)^2
  const double inverse = 1 / sigma, per_speed = 1 / speed_, share = operator_.share();
  double* const densities[2] = {v_[0], late_};
  const int copies = operator_.copies();
  for (int line = 0; line < problem_.steps * layout.rows(); ++line) {
    const int level = line / layout.rows();
    const RowPoints p = row(line % layout.rows(), level);
    operator_.step_row(x_, y_, phi_, over_, move_, level, p.offset, p.n, densities, v_.data() + 1);
    for (int which = 0; which < copies; ++which) {
      CentredState& dual_copy = copy(which);
      double* y[5];
      y[0] = dual_copy.rho.level(level) + p.offset;
      for (int d = 0; d < dim_; ++d) y[1 + d] = dual_copy.m[index(d)].level(level) + p.offset;
      if (y_.z) y[1 + dim_] = dual_copy.z.level(level) + p.offset;
      if (which == 1) std::copy_n(late_, p.n, v_[0]);
      for (int c = 0; c <= slots_; ++c) {
        const double* __restrict v = v_[index(c)];
        const double* __restrict dual = y[c];
        double* __restrict u = u_[index(c)];
        const double unit = c == 0 ? 1 : -speed_;
        for (int i = 0; i < p.n; ++i) u[i] = unit * (v[i] + inverse * dual[i]);
      }
      cost.prox(p, inverse, speed_ * speed_ * inverse, u_[0], u_.data() + 1);
      for (int c = 0; c <= slots_; ++c) {
        const double* __restrict v = v_[index(c)];
        const double* __restrict u = u_[index(c)];
        double* __restrict dual = y[c];
        const double unit = c == 0 ? 1 : -per_speed, move = relaxation * sigma;
        if (measure) {
          for (int i = 0; i < p.n; ++i) {
            const double d = sigma * (v[i] - unit * u[i]);
            terms_[index(i)] = share * (d * d);
          }
          add_row(sums[0], layout, terms_.data(), p.n);
          for (int i = 0; i < p.n; ++i) terms_[index(i)] = share * (v[i] * v[i]);
          add_row(sums[1], layout, terms_.data(), p.n);
        }
        for (int i = 0; i < p.n; ++i) dual[i] += move * (v[i] - unit * u[i]);
      }
    }
  }
  if (y_.end) {
    const double weight = operator_.end_weight(), step = sigma * weight;
    for (int r = 0; r < layout.rows(); ++r) {
      RowPoints p = layout.row(r);
      p.t = problem_.horizon;
      const double* ahead = operator_.ahead_end() + p.offset;
      double* y = y_.end.level() + p.offset;
      double* u = u_[0];
      for (int i = 0; i < p.n; ++i) u[i] = ahead[i] + y[i] / step;
      cost.terminal().prox(p, 1 / step, u, 1 / problem_.dt());
      for (int i = 0; i < p.n; ++i) {
        const double d = step * (ahead[i] - u[i]);
        terms_[index(i)] = d * d / weight;
        y[i] += relaxation * d;
      }
      if (!measure) continue;
      add_row(sums[0], layout, terms_.data(), p.n);
      for (int i = 0; i < p.n; ++i) terms_[index(i)] = weight * (ahead[i] * ahead[i]);
      add_row(sums[1], layout, terms_.data(), p.n);
    }
  }
  if (!measure) return 0;
  ExactSum::reduce(layout.comm(), sums);
  primal_residual_ = mean_square_root(sums[0].value()) / sigma / (mean_density_ + mean_square_root(sums[1].value()));
  measured_ = true;
  return sigma * primal_residual_;
}

/// The discount is so small that it holds the mass to 1e-10 only.
void StaggeredScheme::keep_mass() {
  const double missing = (sum(x_.rho, 0) - sum(x_.rho, 1)) / static_cast<double>(problem_.layout->grid().size());
  for (double& v : x_.rho.owned(1)) v += missing;
}

std::vector<Residual> StaggeredScheme::residuals() {
  if (!measured_) {  // a step that moves nothing
    primal_step(1, 0);
    static_cast<void>(primal_error(1, 0));
    static_cast<void>(dual_step(sigma_, 0, true));
  }
  if (problem_.stationary) keep_mass();
  const StaggeredOperator::ContinuityError error = operator_.continuity_error(x_);
  const double mass = mean_density_ * static_cast<double>(problem_.layout->grid().size());
  if (error.largest > 1e-12 * largest_density_ || error.mass > 2e-13 * mass) operator_.project(x_, phi_);
  return {{"primal", primal_residual_, 1}, {"dual", dual_residual_, 1}};
}

}  // namespace wasserflow
