#include "solvers/fokker_planck_operator.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"
#include "grids/row_neighbours.hpp"
#include "grids/support/errors.hpp"
#include "solvers/fokker_planck_faces.hpp"
#include "solvers/nonlocal_potential.hpp"

namespace wasserflow {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

class FokkerPlanck final : public FokkerPlanckOperator {
 public:
  FokkerPlanck(const FokkerPlanckEquation& equation, LayoutPtr layout);

  const LayoutPtr& layout() const override { return layout_; }
  int components() const override { return 1; }
  const FokkerPlanckEquation& equation() const override { return equation_; }

  void prepare(Field& u, std::span<const double> times) override;
  void value_row(int level, int r, double* out) const override { local_row(set(level), *u_, level, r, false, false, out); }
  void prepare_derivative(Field& v) override;
  void derivative_row(int level, int r, double* out) const override;
  void prepare_adjoint(Field& p) override;
  void adjoint_row(int level, int r, double* out) const override;
  FrozenOperator frozen(Field* state, double t) override;
  std::vector<SymbolPolynomial> linear_part() const override;
  std::optional<double> energy(Field& u, int step) override;
  bool conserves_mass() const override { return !equation_.reaction && !wall_; }
  std::array<double, 2> domain(int) const override { return {-infinity, infinity}; }

  Mat matrix(double tau, double t) override;
  std::optional<double> relative_entropy(const Field& rho) override;
  bool gibbs(Field& pi, double mass) override;
  double peclet(double t) override;
  bool is_monotone() const override { return !faces_.has_corners(); }

  /// Faces of a linear equation at the times of some steps.
  /// @note Collective.
  void set_times(std::span<const double> times);
  /// R (or its derivative; transposed) applied to level `level` of u, whose ghosts are up to date.
  void local_row(const StepFaces& faces, const Field& u, int level, int r, bool derivative, bool transposed, double* out) const;
  const StepFaces& set(int k) const { return sets_[shared_ ? 0 : static_cast<std::size_t>(k)]; }

 private:
  /// out (+)= sum over the faces of row r of g_f (u_i - u_neighbour).
  void mobility_row(const StepFaces& faces, const Field& u, int level, int r, bool add, double* out) const;
  void corner_row(const StepFaces& faces, const Field& u, int level, int r, double* out) const;
  /// Row r of a level moved by steps up or down the y and z axes, with an image at both ends: values start one after the pointer. Beyond ends of x
  /// and y that are not periodic stands 0.
  const double* moved_row(const double* level, int r, int dy, int dz, int slot) const;
  StepFaces& faces_at(double t);
  template <class Term>
  double total(Term&& term) const;
  bool has_gibbs() const {
    return !equation_.nonlinear() && equation_.drift.empty() && !equation_.reaction && !wall_ && beta_ > 0 &&
           !(equation_.potential && equation_.potential->depends_on_time());
  }
  void make_matrix();

  FokkerPlanckEquation equation_;
  LayoutPtr layout_;
  FokkerPlanckFaces faces_;
  mutable RowNeighbours near_;
  std::unique_ptr<NonlocalPotential> nonlocal_;
  bool shared_;        // one set of faces for all steps
  bool wall_ = false;  // absorbing somewhere
  double beta_ = 0;    // D, when it is one number
  std::vector<StepFaces> sets_;
  StepFaces other_;  // at times that were asked for between prepares
  std::vector<double> times_;
  int steps_ = 0;
  Field* u_ = nullptr;
  Field* v_ = nullptr;
  Field* p_ = nullptr;
  Field phi_, dphi_, q_, aphi_;
  mutable std::vector<double> moved_;
  PetscHandle<Mat, MatDestroy> matrix_;
  double matrix_tau_ = 0, matrix_time_ = 0;
  bool matrix_made_ = false;
};

FokkerPlanck::FokkerPlanck(const FokkerPlanckEquation& equation, LayoutPtr layout)
    : equation_(equation), layout_(std::move(layout)), faces_(equation_, layout_), near_(layout_, 1) {
  for (const Axis& axis : layout_->grid().axes()) {
    if (axis.boundary == Boundary::Extrapolate)
      throw InputError("densities take the boundaries periodic, no_flux and dirichlet (absorbing), not extrapolate");
    wall_ = wall_ || axis.boundary == Boundary::Dirichlet;
  }
  shared_ = !equation_.nonlinear() && !equation_.depends_on_time();
  if (equation_.nonlocal()) nonlocal_ = std::make_unique<NonlocalPotential>(equation_, layout_);
  if (equation_.diffusion.size() == 1 && equation_.diffusion[0]->constant() != nullptr) beta_ = *equation_.diffusion[0]->constant();
  moved_.resize(static_cast<std::size_t>(8 * (layout_->grid().cells(0) + 2)));
}

void FokkerPlanck::set_times(std::span<const double> times) {
  const std::size_t count = shared_ ? 1 : times.size();
  if (sets_.size() < count) sets_.resize(count);
  for (std::size_t k = 0; k < count; ++k)
    if (!sets_[k].made || (!shared_ && sets_[k].time != times[k])) faces_.make(sets_[k], times[k], nullptr, nullptr, 0);
}

void FokkerPlanck::prepare(Field& u, std::span<const double> times) {
  u_ = &u;
  times_.assign(times.begin(), times.end());
  steps_ = static_cast<int>(times.size());
  u.exchange_ghosts(0, steps_);
  if (!equation_.nonlinear()) {
    set_times(times);
    return;
  }
  if (sets_.size() < times.size()) sets_.resize(times.size());
  if (nonlocal_) {
    if (!phi_ || phi_.levels() < steps_) phi_ = Field(layout_, steps_);
    for (int k = 0; k < steps_; ++k) nonlocal_->apply(u, k, phi_, k);
    phi_.exchange_ghosts(0, steps_);
  }
  for (int k = 0; k < steps_; ++k)
    faces_.make(sets_[static_cast<std::size_t>(k)], times[static_cast<std::size_t>(k)], &u, nonlocal_ ? &phi_ : nullptr, k);
  matrix_made_ = false;
}

void FokkerPlanck::local_row(const StepFaces& faces, const Field& u, int level, int r, bool derivative, bool transposed,
                             double* __restrict out) const {
  const int n = faces_.length(r), dim = layout_->dim();
  const double* __restrict c = u.level(level) + faces_.offset(r);
  near_.load(u.level(level), r);
  for (int d = 0; d < dim; ++d) {
    const AxisFaces& f = faces.axis[static_cast<std::size_t>(d)];
    const bool own = derivative && !f.da.empty();
    const std::ptrdiff_t low = faces_.lower(d, r), high = low + faces_.shift(d);
    const double* __restrict al = (own ? f.da : f.a).data() + low, * __restrict bl = (own ? f.db : f.b).data() + low;
    const double* __restrict ah = (own ? f.da : f.a).data() + high, * __restrict bh = (own ? f.db : f.b).data() + high;
    const double* __restrict below = near_.at(d, -1), * __restrict above = near_.at(d, 1);
    if (d == 0) std::fill_n(out, n, 0.0);
    if (transposed)
      for (int i = 0; i < n; ++i) out[i] += ah[i] * (c[i] - above[i]) + bl[i] * (c[i] - below[i]);
    else
      for (int i = 0; i < n; ++i) out[i] += (ah[i] * c[i] - bh[i] * above[i]) - (al[i] * below[i] - bl[i] * c[i]);
  }
  if (faces_.has_corners()) corner_row(faces, u, level, r, out);
  if (faces.reaction) {
    const double* __restrict rate = faces.reaction.level() + faces_.offset(r);
    for (int i = 0; i < n; ++i) out[i] -= rate[i] * c[i];
  }
}

void FokkerPlanck::mobility_row(const StepFaces& faces, const Field& u, int level, int r, bool add, double* __restrict out) const {
  const int n = faces_.length(r);
  const double* __restrict c = u.level(level) + faces_.offset(r);
  near_.load(u.level(level), r);
  if (!add) std::fill_n(out, n, 0.0);
  for (int d = 0; d < layout_->dim(); ++d) {
    const double* __restrict low = faces.axis[static_cast<std::size_t>(d)].g.data() + faces_.lower(d, r);
    const double* __restrict high = low + faces_.shift(d);
    const double* __restrict below = near_.at(d, -1), * __restrict above = near_.at(d, 1);
    for (int i = 0; i < n; ++i) out[i] += high[i] * (c[i] - above[i]) + low[i] * (c[i] - below[i]);
  }
}

const double* FokkerPlanck::moved_row(const double* level, int r, int dy, int dz, int slot) const {
  const int n = layout_->grid().cells(0), ny = layout_->grid().cells(1);
  double* pad = moved_.data() + static_cast<std::ptrdiff_t>(slot) * (n + 2);
  std::ptrdiff_t row = r;
  if (layout_->dim() == 2) {
    row += dy;
  } else {
    const int j = r % ny;
    int to = j + dy;
    if (to < 0 || to >= ny) {
      if (layout_->grid().axis(1).boundary != Boundary::Periodic) {
        std::fill_n(pad, n + 2, 0.0);
        return pad;
      }
      to = (to + ny) % ny;
    }
    row += to - j + static_cast<std::ptrdiff_t>(dz) * ny;
  }
  const double* from = level + row * n;
  const bool periodic = layout_->grid().axis(0).boundary == Boundary::Periodic;
  std::copy_n(from, n, pad + 1);
  pad[0] = periodic ? from[n - 1] : 0;
  pad[n + 1] = periodic ? from[0] : 0;
  return pad;
}

void FokkerPlanck::corner_row(const StepFaces& faces, const Field& u, int level, int r, double* __restrict out) const {
  const int n = faces_.length(r), dim = layout_->dim();
  const double* __restrict c = u.level(level) + faces_.offset(r);
  int pair = 0;
  for (int a = 0; a < dim; ++a)
    for (int b = a + 1; b < dim; ++b, ++pair) {
      // Cells at (+-1, +-1) along a and b, and the weights of the four vertices.
      const auto shifted = [&](const double* values, int da, int db, int slot) {
        const std::array<int, 3> by{a == 0 ? da : 0, a == 1 ? da : b == 1 ? db : 0, b == 2 ? db : 0};
        return moved_row(values, r, by[1], by[2], slot) + 1 + by[0];
      };
      const double* const values = u.level(level);
      const double* const weights = faces.corner.level(pair);
      const double* __restrict pp = shifted(values, 1, 1, 0), * __restrict mm = shifted(values, -1, -1, 1), * __restrict mp = shifted(values, -1, 1, 2), * __restrict pm = shifted(values, 1, -1, 3);
      const double* __restrict w00 = shifted(weights, 0, 0, 4), * __restrict wmm = shifted(weights, -1, -1, 5), * __restrict wm0 = shifted(weights, -1, 0, 6), * __restrict w0m = shifted(weights, 0, -1, 7);
      for (int i = 0; i < n; ++i) out[i] += (w00[i] * (c[i] - pp[i]) + wmm[i] * (c[i] - mm[i])) - (wm0[i] * (c[i] - mp[i]) + w0m[i] * (c[i] - pm[i]));
    }
}

void FokkerPlanck::prepare_derivative(Field& v) {
  v_ = &v;
  const int steps = std::min(steps_, v.levels());
  v.exchange_ghosts(0, steps);
  if (!nonlocal_) return;
  if (!dphi_ || dphi_.levels() < steps) dphi_ = Field(layout_, steps);
  for (int k = 0; k < steps; ++k) nonlocal_->apply(v, k, dphi_, k);
  dphi_.exchange_ghosts(0, steps);
}

void FokkerPlanck::derivative_row(int level, int r, double* out) const {
  local_row(set(level), *v_, level, r, true, false, out);
  if (nonlocal_) mobility_row(set(level), dphi_, level, r, true, out);
}

void FokkerPlanck::prepare_adjoint(Field& p) {
  p_ = &p;
  const int steps = std::min(steps_, p.levels());
  p.exchange_ghosts(0, steps);
  if (!nonlocal_) return;
  if (!aphi_ || aphi_.levels() < steps) aphi_ = Field(layout_, steps), q_ = Field(layout_, steps);
  for (int k = 0; k < steps; ++k) {
    for (int r = 0; r < layout_->rows(); ++r) mobility_row(set(k), p, k, r, false, q_.level(k) + faces_.offset(r));
    nonlocal_->apply(q_, k, aphi_, k);
  }
}

void FokkerPlanck::adjoint_row(int level, int r, double* __restrict out) const {
  local_row(set(level), *p_, level, r, true, true, out);
  if (!nonlocal_) return;
  const double* __restrict a = aphi_.level(level) + faces_.offset(r);
  const int n = faces_.length(r);
  for (int i = 0; i < n; ++i) out[i] += a[i];
}

StepFaces& FokkerPlanck::faces_at(double t) {
  if (!sets_.empty() && sets_[0].made && (shared_ || equation_.nonlinear() || sets_[0].time == t)) return sets_[0];
  if (!equation_.nonlinear()) {
    StepFaces& to = shared_ ? (sets_.resize(1), sets_[0]) : other_;
    if (!to.made || to.time != t) faces_.make(to, t, nullptr, nullptr, 0);
    return to;
  }
  // No state yet: that of an empty box.
  Field nothing(layout_);
  faces_.make(other_, t, &nothing, nonlocal_ ? &nothing : nullptr, 0);
  return other_;
}

double FokkerPlanck::peclet(double t) { return global_max(layout_->comm(), faces_at(t).peclet); }

template <class Term>
double FokkerPlanck::total(Term&& term) const {
  const auto sums = sum_rows<1>(*layout_, [&](std::ptrdiff_t o, int n) {
    double s = 0;
    for (int i = 0; i < n; ++i) s += term(o + i);
    return std::array<double, 1>{s};
  });
  return sums[0];
}

FrozenOperator FokkerPlanck::frozen(Field* state, double t) {
  // Constants must not depend on what was prepared before: of nonlinear equations the linear part and, given a state, its porous diffusion.
  FrozenOperator out;
  double D = 0, c = 0;
  const double faces = static_cast<double>(layout_->grid().size()) * layout_->dim();
  if (!equation_.nonlinear()) {
    const StepFaces& f = faces_at(t);
    for (int d = 0; d < layout_->dim(); ++d) {
      const AxisFaces& axis = f.axis[static_cast<std::size_t>(d)];
      const double h = layout_->grid().spacing(d), half = 0.5 * h * h;
      ExactSum sum;
      for (int r = 0; r < layout_->rows(); ++r) {
        const std::ptrdiff_t low = faces_.lower(d, r);
        double row = 0;
        for (int i = 0; i < faces_.length(r); ++i) {
          const auto at = static_cast<std::size_t>(low + i);
          const double term = half * (axis.a[at] + axis.b[at]);
          if (layout_->dim() == 1)
            sum += term;
          else
            row += term;
        }
        sum += row;
      }
      ExactSum::reduce(layout_->comm(), {&sum, 1});
      D += sum.value() / faces;
    }
    if (f.reaction) c = std::max(0.0, -wasserflow::sum(f.reaction) / static_cast<double>(layout_->grid().size()));
  } else {
    for (const FunctionPtr& f : equation_.diffusion)
      if (const double* value = f->constant(); value != nullptr && *value > 0 && equation_.diffusion.size() == 1) D = *value;
    if (equation_.porous_exponent != 0) {
      const double most = state != nullptr ? max_abs(*state) : 1;
      D += 0.5 * equation_.porous_exponent * equation_.porous_coefficient * std::pow(most, equation_.porous_exponent - 1);
    }
  }
  out.linear.push_back({c, std::isfinite(D) ? D : 1});
  return out;
}

std::vector<SymbolPolynomial> FokkerPlanck::linear_part() const { return {{0, beta_}}; }

std::optional<double> FokkerPlanck::energy(Field& u, int step) {
  const bool scalar = equation_.diffusion.empty() || beta_ > 0 || (equation_.diffusion.size() == 1 && equation_.diffusion[0]->constant() != nullptr);
  if (!equation_.drift.empty() || equation_.reaction || wall_ || !scalar || (equation_.potential && equation_.potential->depends_on_time()))
    return {};
  (void)faces_at(0);
  if (nonlocal_) {
    if (!q_) q_ = Field(layout_), aphi_ = Field(layout_);
    nonlocal_->apply(u, step, q_, 0);
  }
  const double *rho = u.level(step), *V = faces_.potential() ? faces_.potential().level() : nullptr, *phi = nonlocal_ ? q_.level() : nullptr;
  const double m = equation_.porous_exponent, a = m != 0 ? equation_.porous_coefficient / (m - 1) : 0;
  return layout_->grid().cell_volume() * total([&](std::ptrdiff_t i) {
           double e = V != nullptr ? V[i] * rho[i] : 0;
           if (rho[i] > 0) e += beta_ * rho[i] * std::log(rho[i]);
           if (phi != nullptr) e += 0.5 * rho[i] * phi[i];
           if (m != 0) e += a * std::pow(std::fabs(rho[i]), m);
           return e;
         });
}

bool FokkerPlanck::gibbs(Field& pi, double mass) {
  if (!has_gibbs()) return false;
  (void)faces_at(0);
  const double* V = faces_.potential() ? faces_.potential().level() : nullptr;
  double least = infinity;
  for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i) least = std::min(least, V != nullptr ? V[i] : 0);
  least = global_min(layout_->comm(), least);
  for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i) pi.level()[i] = V != nullptr ? std::exp((least - V[i]) / beta_) : 1;
  const double scale = mass / (layout_->grid().cell_volume() * sum(pi));
  for (double& v : pi.owned()) v *= scale;
  return true;
}

std::optional<double> FokkerPlanck::relative_entropy(const Field& rho) {
  if (!has_gibbs()) return {};
  if (!q_) q_ = Field(layout_);
  const double volume = layout_->grid().cell_volume(), mass = volume * sum(rho);
  gibbs(q_, mass);
  const double* V = faces_.potential() ? faces_.potential().level() : nullptr;
  // log pi = middle - V / D, also where pi underflows.
  double middle = -infinity;
  for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i)
    if (q_.level()[i] > 1e-290) middle = std::max(middle, std::log(q_.level()[i]) + (V != nullptr ? V[i] / beta_ : 0));
  middle = global_max(layout_->comm(), middle);
  // The terms rho log(rho / pi) - rho + pi are not negative, and small near pi.
  return volume * total([&](std::ptrdiff_t i) {
           const double r = rho.level()[i], pi = q_.level()[i];
           if (!(r > 0)) return pi;
           const double e = pi > 1e-290 ? (r - pi) / pi : infinity;
           if (std::fabs(e) < 1e-3) return pi * e * e * (0.5 - e * (1.0 / 6 - e * (1.0 / 12 - e * (1.0 / 20 - e / 30))));
           const double log_pi = middle - (V != nullptr ? V[i] / beta_ : 0);
           return r * (std::log(r) - log_pi) - r + pi;
         });
}

void FokkerPlanck::make_matrix() {
  const SlabLayout& s = *layout_;
  const int dim = s.dim();
  const auto n = static_cast<PetscInt>(s.owned());
  const PetscInt near = 1 + 2 * dim + (faces_.has_corners() ? 2 * dim * (dim - 1) : 0);
  petsc_check(MatCreate(s.comm(), matrix_.put()));
  Mat A = matrix_.get();
  petsc_check(MatSetSizes(A, n, n, PETSC_DETERMINE, PETSC_DETERMINE));
  petsc_check(MatSetType(A, MATAIJ));
  std::vector<PetscInt> here(static_cast<std::size_t>(n), near), there(static_cast<std::size_t>(n), 0);
  for (std::ptrdiff_t i = 0; i < n; ++i)
    if (s.ranks() > 1 && (i < s.plane() || i >= n - s.plane())) there[static_cast<std::size_t>(i)] = faces_.has_corners() ? near - 1 : 2;
  for (PetscInt& count : here) count = std::min(count, n);
  petsc_check(MatXAIJSetPreallocation(A, 1, here.data(), there.data(), nullptr, nullptr));
  petsc_check(MatSetOption(A, MAT_NEW_NONZERO_ALLOCATION_ERR, PETSC_TRUE));
}

Mat FokkerPlanck::matrix(double tau, double t) {
  StepFaces& f = faces_at(t);
  if (!matrix_) make_matrix();
  Mat A = matrix_.get();
  if (matrix_made_ && tau == matrix_tau_ && (shared_ || (!equation_.nonlinear() && t == matrix_time_))) return A;
  petsc_check(MatZeroEntries(A));
  const SlabLayout& s = *layout_;
  const int dim = s.dim();
  const std::int64_t plane = s.plane();
  const std::array<int, 3> cells{s.grid().cells(0), s.grid().cells(1), s.grid().cells(2)};
  const auto in = [](int d) { return static_cast<std::size_t>(d); };
  std::array<PetscInt, 32> columns{};
  std::array<PetscScalar, 32> values{};
  for (int r = 0; r < s.rows(); ++r) {
    const int n = faces_.length(r);
    for (int i = 0; i < n; ++i) {
      const std::int64_t o = faces_.offset(r) + i, global = s.global_offset() + o;
      std::array<int, 3> at{};
      at[0] = dim == 1 ? static_cast<int>(global) : i;
      if (dim == 2) at[1] = static_cast<int>(global / plane);
      if (dim == 3) at[1] = r % cells[1], at[2] = static_cast<int>(global / plane);
      const std::array<std::int64_t, 3> stride{1, cells[0], static_cast<std::int64_t>(cells[0]) * cells[1]};
      /// Global index of the cell moved by `by` along d from `from`; -1 beyond an end.
      const auto moved = [&](std::int64_t from, int d, int by) -> std::int64_t {
        int to = at[in(d)] + by;
        if (to < 0 || to >= cells[in(d)]) {
          if (s.grid().axis(d).boundary != Boundary::Periodic) return -1;
          to = (to + cells[in(d)]) % cells[in(d)];
        }
        return from + (to - at[in(d)]) * stride[in(d)];
      };
      double diagonal = 1;
      int count = 1;
      const auto add = [&](std::int64_t column, double value) {
        columns[in(count)] = static_cast<PetscInt>(column);
        values[in(count++)] = value;
      };
      for (int d = 0; d < dim; ++d) {
        const AxisFaces& axis = f.axis[in(d)];
        const auto& a = axis.da.empty() ? axis.a : axis.da;
        const auto& b = axis.da.empty() ? axis.b : axis.db;
        const auto low = static_cast<std::size_t>(faces_.lower(d, r) + i), high = low + static_cast<std::size_t>(faces_.shift(d));
        const std::int64_t below = moved(global, d, -1), above = moved(global, d, 1);
        diagonal += tau * (a[high] + b[low]);
        if (above >= 0)
          add(above, -tau * b[high]);
        else
          diagonal += tau * b[high];
        if (below >= 0)
          add(below, -tau * a[low]);
        else
          diagonal += tau * a[low];
      }
      if (faces_.has_corners()) {
        int pair = 0;
        for (int a = 0; a < dim; ++a)
          for (int b = a + 1; b < dim; ++b, ++pair) {
            const double* w = f.corner.level(pair);
            for (const int da : {-1, 1})
              for (const int db : {-1, 1}) {
                const std::int64_t ma = moved(global, a, da), mb = ma < 0 ? -1 : moved(ma, b, db);
                if (mb < 0) continue;
                // The vertex above the lower of the cells along each axis; its index from this rank's first point, in a ghost plane maybe.
                std::int64_t vertex = o;
                const auto down = [&](int d) {
                  const bool wrap = at[in(d)] == 0 && d != s.slow_axis();
                  vertex += wrap ? stride[in(d)] * (cells[in(d)] - 1) : -stride[in(d)];
                };
                if (da < 0) down(a);
                if (db < 0) down(b);
                const double value = tau * (da == db ? w[vertex] : -w[vertex]);
                diagonal += value;
                add(mb, -value);
              }
          }
      }
      if (f.reaction) diagonal -= tau * f.reaction.level()[o];
      columns[0] = static_cast<PetscInt>(global);
      values[0] = diagonal;
      const auto row = static_cast<PetscInt>(global);
      petsc_check(MatSetValues(A, 1, &row, count, columns.data(), values.data(), ADD_VALUES));
    }
  }
  petsc_check(MatAssemblyBegin(A, MAT_FINAL_ASSEMBLY));
  petsc_check(MatAssemblyEnd(A, MAT_FINAL_ASSEMBLY));
  matrix_made_ = true;
  matrix_tau_ = tau;
  matrix_time_ = t;
  return A;
}

/// R^T of a linear equation.
class Backward final : public EvolutionOperator, public AssembledOperator {
 public:
  explicit Backward(std::shared_ptr<FokkerPlanck> forward) : forward_(std::move(forward)) {}
  const LayoutPtr& layout() const override { return forward_->layout(); }
  int components() const override { return 1; }
  void prepare(Field& u, std::span<const double> times) override {
    steps_ = static_cast<int>(times.size());
    forward_->set_times(times);
    u.exchange_ghosts(0, steps_);
    u_ = &u;
  }
  void value_row(int level, int r, double* out) const override { forward_->local_row(forward_->set(level), *u_, level, r, false, true, out); }
  void prepare_derivative(Field& v) override {
    v.exchange_ghosts(0, std::min(steps_, v.levels()));
    v_ = &v;
  }
  void derivative_row(int level, int r, double* out) const override { forward_->local_row(forward_->set(level), *v_, level, r, false, true, out); }
  void prepare_adjoint(Field& p) override {
    p.exchange_ghosts(0, std::min(steps_, p.levels()));
    p_ = &p;
  }
  void adjoint_row(int level, int r, double* out) const override { forward_->local_row(forward_->set(level), *p_, level, r, false, false, out); }
  FrozenOperator frozen(Field*, double t) override { return forward_->frozen(nullptr, t); }
  std::vector<SymbolPolynomial> linear_part() const override { return forward_->linear_part(); }
  std::optional<double> energy(Field&, int) override { return {}; }
  bool conserves_mass() const override { return false; }
  std::array<double, 2> domain(int) const override { return {-infinity, infinity}; }
  bool is_linear() const override { return true; }
  bool matrix_is_whole() const override { return true; }
  Mat matrix(double tau, double t) override {
    if (matrix_ && tau == tau_ && (t == t_ || !forward_->equation().depends_on_time())) return matrix_.get();
    matrix_ = {};
    petsc_check(MatTranspose(forward_->matrix(tau, t), MAT_INITIAL_MATRIX, matrix_.put()));
    tau_ = tau;
    t_ = t;
    return matrix_.get();
  }

 private:
  std::shared_ptr<FokkerPlanck> forward_;
  PetscHandle<Mat, MatDestroy> matrix_;
  double tau_ = 0, t_ = 0;  // of the matrix
  int steps_ = 0;
  Field *u_ = nullptr, *v_ = nullptr, *p_ = nullptr;
};

}  // namespace

FokkerPlanckOperatorPtr make_fokker_planck_operator(const FokkerPlanckEquation& equation, LayoutPtr layout) {
  return std::make_shared<FokkerPlanck>(equation, std::move(layout));
}

EvolutionOperatorPtr make_backward_operator(FokkerPlanckOperatorPtr forward) {
  if (forward->equation().nonlinear()) throw InputError("the backward Kolmogorov equation belongs to a linear equation");
  auto own = std::dynamic_pointer_cast<FokkerPlanck>(std::move(forward));
  if (!own) throw InternalError("make_backward_operator: an operator of make_fokker_planck_operator is needed");
  return std::make_shared<Backward>(std::move(own));
}

}  // namespace wasserflow
