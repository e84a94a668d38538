#include "solvers/fokker_planck_faces.hpp"

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/scharfetter_gummel.hpp"

namespace wasserflow {
namespace {

double slow_power(double base, double exponent) { return exponent == 1 ? base : exponent == 2 ? base * base : std::pow(base, exponent); }

/// D(r, s) = (P(r) - P(s)) / (r - s) of P(u) = coefficient u |u|^(m - 1), and its derivatives by r and s (Bessemoulin-Chatard 2012).
struct PorousDiffusion {
  double m, coefficient;
  double value = 0, by_low = 0, by_high = 0;
  void at(double r, double s) {
    const double middle = 0.5 * (r + s), gap = s - r, size = std::max(std::fabs(r), std::fabs(s));
    const double c = coefficient * m;
    if (std::fabs(gap) > 1e-3 * size) {
      const double pr = slow_power(std::fabs(r), m - 1), ps = slow_power(std::fabs(s), m - 1);
      value = coefficient * (ps * s - pr * r) / gap;
      by_low = (value - c * pr) / gap;
      by_high = (c * ps - value) / gap;
    } else if (size > 0) {  // |gap| is small against both, which have one sign: expansion about the middle
      const double sign = middle > 0 ? 1 : -1, e = gap / middle, p = slow_power(std::fabs(middle), m - 1), k = (m - 1) * (m - 2);
      value = c * p * (1 + k * e * e / 24);
      const double slope = 0.5 * c * (m - 1) * p / std::fabs(middle) * sign, bend = c * p * k * e / (12 * middle);
      by_low = slope - bend;
      by_high = slope + bend;
    } else {
      value = by_low = by_high = 0;
    }
  }
};

bool constant(const FunctionPtr& f) { return f->constant() != nullptr; }

}  // namespace

FokkerPlanckFaces::FokkerPlanckFaces(const FokkerPlanckEquation& equation, LayoutPtr layout)
    : equation_(equation), layout_(std::move(layout)), nx_(layout_->grid().cells(0)), slow_(layout_->slow_axis()) {
  const int dim = layout_->dim();
  const auto count = static_cast<int>(equation_.diffusion.size());
  if (count > 1 && count != dim && count != dim * (dim + 1) / 2) throw InputError("diffusion: 1 function, one an axis, or a symmetric tensor");
  if (!equation_.drift.empty() && static_cast<int>(equation_.drift.size()) != dim) throw InputError("drift: one function an axis");
  if (equation_.chemotaxis < 0 || equation_.decay < 0) throw InputError("chemotaxis and decay must not be negative");
  if (equation_.porous_exponent != 0 && !(equation_.porous_exponent > 1 && equation_.porous_coefficient > 0))
    throw InputError("porous diffusion a rho^m needs m > 1 and a > 0");
  tensor_ = dim > 1 && count == dim * (dim + 1) / 2;
  timed_ = equation_.depends_on_time();
  diffusions_ = count;
  if (equation_.potential) V_ = Field(layout_);
  if (!equation_.drift.empty()) b_ = Field(layout_, dim);
  if (!std::ranges::all_of(equation_.diffusion, constant)) D_ = Field(layout_, count);
  if (equation_.reaction) c_ = Field(layout_);
  if (equation_.nonlocal()) Q_ = Field(layout_);
  padded_.resize(static_cast<std::size_t>(4 * (nx_ + 2)));
  const auto bind = [&](const FunctionPtr& f) {
    if (f) f->bind(*layout_);
  };
  bind(equation_.potential);
  bind(equation_.reaction);
  for (const FunctionPtr& f : equation_.drift) bind(f);
  for (const FunctionPtr& f : equation_.diffusion) bind(f);
}

std::ptrdiff_t FokkerPlanckFaces::lower(int d, int r) const {
  if (d == slow_) return offset(r);
  if (d == 0) return static_cast<std::ptrdiff_t>(r) * (nx_ + 1);
  const int ny = layout_->grid().cells(1);
  return (static_cast<std::ptrdiff_t>(r / ny) * (ny + 1) + r % ny) * nx_;
}

void FokkerPlanckFaces::tabulate(double t) {
  if (tabulated_ && (!timed_ || t == time_)) return;
  check_all(layout_->comm(), [&] {
    const auto table = [&](Field& field, int level, const FunctionPtr& f, const char* what) {
      if (tabulated_ && !f->depends_on_time()) return;
      fill(field, level, *f, t);
      for (const double v : field.owned(level))
        if (!std::isfinite(v)) throw InputError(std::string(what) + " " + f->text() + " is not finite everywhere in the box");
    };
    if (V_) table(V_, 0, equation_.potential, "the potential");
    if (c_) table(c_, 0, equation_.reaction, "the reaction rate");
    for (int d = 0; b_ && d < b_.levels(); ++d) table(b_, d, equation_.drift[static_cast<std::size_t>(d)], "the drift");
    for (int d = 0; D_ && d < D_.levels(); ++d) {
      table(D_, d, equation_.diffusion[static_cast<std::size_t>(d)], "the diffusion");
      if (d < layout_->dim())
        for (const double v : D_.owned(d))
          if (v < 0)
            throw InputError("the diffusion " + equation_.diffusion[static_cast<std::size_t>(d)]->text() + " is negative somewhere in the box");
    }
  });
  for (Field* f : {&V_, &b_, &D_})
    if (*f) f->exchange_ghosts();
  tabulated_ = true;
  time_ = t;
}

double FokkerPlanckFaces::diffusion(int d, std::ptrdiff_t cell) const {
  if (diffusions_ == 0) return 0;
  const int k = diffusions_ == 1 ? 0 : d;
  return D_ ? D_.level(k)[cell] : *equation_.diffusion[static_cast<std::size_t>(k)]->constant();
}

/// Cells on both sides of n faces.
struct FokkerPlanckFaces::Line {
  std::ptrdiff_t n;
  const double *Q_low, *Q_high;  // null: 0
  const double *D_low, *D_high;  // null: `D`
  const double *b_low, *b_high;  // null: 0
  const double *r_low, *r_high;  // null: linear
  double D, h;
  bool nonlocal, porous;
  double m, coefficient;

  void faces(std::ptrdiff_t at, AxisFaces& out, double& peclet) const {
    const double inverse = 1 / (h * h);
    PorousDiffusion extra{m, coefficient};
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      const auto f = static_cast<std::size_t>(at + i);
      double diffusion = D_low != nullptr ? 0.5 * (D_low[i] + D_high[i]) : D;
      if (porous) {
        extra.at(r_low[i], r_high[i]);
        diffusion += extra.value;
      }
      double q = b_low != nullptr ? 0.5 * h * (b_low[i] + b_high[i]) : 0;
      if (Q_low != nullptr) q -= Q_high[i] - Q_low[i];
      const FacePair pair = face_pair(diffusion, q);
      out.a[f] = pair.upper * inverse;
      out.b[f] = pair.lower * inverse;
      if (q != 0) peclet = std::max(peclet, std::fabs(q) / diffusion);
      if (!nonlocal && !porous) continue;
      const double p = q == 0 ? 0 : q / diffusion;
      if (nonlocal) {
        const double slope = bernoulli_slope(p);
        out.g[f] = inverse * ((1 + slope) * r_low[i] - slope * r_high[i]);
      }
      if (porous) {
        const double by_diffusion = inverse * bernoulli_even(p) * (r_low[i] - r_high[i]);
        out.da[f] = out.a[f] + by_diffusion * extra.by_low;
        out.db[f] = out.b[f] - by_diffusion * extra.by_high;
      }
    }
  }
};

void FokkerPlanckFaces::make_axis(int d, AxisFaces& faces, StepFaces& step, const Field* rho, int k) {
  const SlabLayout& s = *layout_;
  const int ny = s.grid().cells(1), nz = s.count();
  const std::ptrdiff_t plane = s.plane(), count = d == slow_ ? plane * (nz + 1)
                                                  : d == 0   ? static_cast<std::ptrdiff_t>(s.rows()) * (nx_ + 1)
                                                             : static_cast<std::ptrdiff_t>(nz) * (ny + 1) * nx_;
  const bool porous = equation_.porous_exponent != 0, nonlocal = equation_.nonlocal();
  const auto size = static_cast<std::size_t>(count);
  faces.a.resize(size);
  faces.b.resize(size);
  if (porous) faces.da.resize(size), faces.db.resize(size);
  if (nonlocal) faces.g.resize(size);

  const double* const all[] = {Q_   ? Q_.level()
                               : V_ ? V_.level()
                                    : nullptr,
                               D_ ? D_.level(diffusions_ == 1 ? 0 : d) : nullptr, b_ ? b_.level(d) : nullptr,
                               rho != nullptr ? rho->level(k) : nullptr};
  Line line{};
  line.D = D_ ? 0 : diffusion(d, 0);
  line.h = s.grid().spacing(d);
  line.nonlocal = nonlocal;
  line.porous = porous;
  line.m = equation_.porous_exponent;
  line.coefficient = equation_.porous_coefficient;
  const auto run = [&](std::ptrdiff_t n, const std::array<const double*, 4>& low, const std::array<const double*, 4>& high, std::ptrdiff_t at) {
    line.n = n;
    line.Q_low = low[0], line.Q_high = high[0];
    line.D_low = low[1], line.D_high = high[1];
    line.b_low = low[2], line.b_high = high[2];
    line.r_low = low[3], line.r_high = high[3];
    line.faces(at, faces, step.peclet);
  };
  const auto cells = [&](std::ptrdiff_t at) {
    std::array<const double*, 4> p{};
    for (std::size_t f = 0; f < 4; ++f) p[f] = all[f] != nullptr ? all[f] + at : nullptr;
    return p;
  };
  const bool periodic = s.grid().axis(d).boundary == Boundary::Periodic;
  if (d == slow_) {
    // Ends that are no neighbours are closed below: their ghosts are not looked at.
    const std::ptrdiff_t first = !periodic && s.first() == 0 ? plane : 0;
    const std::ptrdiff_t last = count - (!periodic && s.first() + nz == s.slow_cells() ? plane : 0);
    run(last - first, cells(first - plane), cells(first), first);
  } else if (d == 0) {
    for (int r = 0; r < s.rows(); ++r) {
      std::array<const double*, 4> low{}, high{};
      for (std::size_t f = 0; f < 4; ++f) {
        if (all[f] == nullptr) continue;
        double* pad = padded_.data() + f * static_cast<std::size_t>(nx_ + 2);
        const double* row = all[f] + static_cast<std::ptrdiff_t>(r) * nx_;
        std::copy_n(row, nx_, pad + 1);
        pad[0] = row[periodic ? nx_ - 1 : 0];
        pad[nx_ + 1] = row[periodic ? 0 : nx_ - 1];
        low[f] = pad;
        high[f] = pad + 1;
      }
      if (periodic) {
        run(nx_ + 1, low, high, static_cast<std::ptrdiff_t>(r) * (nx_ + 1));
      } else {
        for (std::size_t f = 0; f < 4; ++f)
          if (low[f] != nullptr) ++low[f], ++high[f];
        run(nx_ - 1, low, high, static_cast<std::ptrdiff_t>(r) * (nx_ + 1) + 1);
      }
    }
  } else {
    for (int p = 0; p < nz; ++p) {
      const std::ptrdiff_t base = p * plane, at = static_cast<std::ptrdiff_t>(p) * (ny + 1) * nx_;
      run(static_cast<std::ptrdiff_t>(ny - 1) * nx_, cells(base), cells(base + nx_), at + nx_);
      if (!periodic) continue;
      run(nx_, cells(base + static_cast<std::ptrdiff_t>(ny - 1) * nx_), cells(base), at);
      run(nx_, cells(base + static_cast<std::ptrdiff_t>(ny - 1) * nx_), cells(base), at + static_cast<std::ptrdiff_t>(ny) * nx_);
    }
  }
  if (!periodic) close_ends(d, faces, rho, k);
}

void FokkerPlanckFaces::end_face(int d, AxisFaces& faces, std::ptrdiff_t face, std::ptrdiff_t cell, std::ptrdiff_t inner, bool upper,
                                 const Field* rho, int k) const {
  const auto f = static_cast<std::size_t>(face);
  faces.a[f] = faces.b[f] = 0;
  if (!faces.da.empty()) faces.da[f] = faces.db[f] = 0;
  if (!faces.g.empty()) faces.g[f] = 0;
  const Axis& axis = layout_->grid().axis(d);
  if (axis.boundary != Boundary::Dirichlet) return;
  // Value 0 at half a cell: the drift there is that of the cell, the potential goes on as inside. Nonlocal drifts stop at absorbing walls.
  const double h = axis.spacing();
  double out = upper ? 1 : -1, q = 0;
  if (b_) q += 0.5 * h * b_.level(d)[cell];
  if (V_) q -= 0.5 * out * (V_.level()[cell] - V_.level()[inner]);
  double D = diffusion(d, cell), slope = 0;
  if (!faces.da.empty()) {
    PorousDiffusion extra{equation_.porous_exponent, equation_.porous_coefficient};
    extra.at(rho->level(k)[cell], 0);
    D += extra.value;
    slope = extra.by_low;
  }
  const FacePair pair = face_pair(D, q);
  // Half in a and half in b: with the ghost values -rho, rows and transposed rows need no special case.
  const double leaving = (upper ? pair.upper : pair.lower) / (h * h);
  faces.a[f] = faces.b[f] = leaving;
  if (!faces.da.empty()) faces.da[f] = faces.db[f] = leaving + bernoulli_even(q == 0 ? 0 : q / D) * slope * rho->level(k)[cell] / (h * h);
}

void FokkerPlanckFaces::close_ends(int d, AxisFaces& faces, const Field* rho, int k) const {
  const SlabLayout& s = *layout_;
  const int n = s.grid().cells(d), ny = s.grid().cells(1);
  const std::ptrdiff_t step = d == 0 ? 1 : d == slow_ ? s.plane() : nx_, inner = n > 1 ? step : 0;
  if (d == slow_) {
    const std::ptrdiff_t last = s.plane() * (s.count() - 1);
    for (std::ptrdiff_t i = 0; i < s.plane(); ++i) {
      if (s.first() == 0) end_face(d, faces, i, i, i + inner, false, rho, k);
      if (s.first() + s.count() == s.slow_cells()) end_face(d, faces, last + s.plane() + i, last + i, last + i - inner, true, rho, k);
    }
  } else if (d == 0) {
    for (std::ptrdiff_t r = 0; r < s.rows(); ++r) {
      end_face(d, faces, r * (nx_ + 1), r * nx_, r * nx_ + inner, false, rho, k);
      end_face(d, faces, r * (nx_ + 1) + nx_, r * nx_ + nx_ - 1, r * nx_ + nx_ - 1 - inner, true, rho, k);
    }
  } else {
    for (std::ptrdiff_t p = 0; p < s.count(); ++p)
      for (std::ptrdiff_t i = 0; i < nx_; ++i) {
        const std::ptrdiff_t low = p * s.plane() + i, high = low + static_cast<std::ptrdiff_t>(ny - 1) * nx_, at = p * (ny + 1) * nx_ + i;
        end_face(d, faces, at, low, low + inner, false, rho, k);
        end_face(d, faces, at + static_cast<std::ptrdiff_t>(ny) * nx_, high, high - inner, true, rho, k);
      }
  }
}

void FokkerPlanckFaces::make_corners(StepFaces& step) const {
  const SlabLayout& s = *layout_;
  const int dim = s.dim(), pairs = dim == 2 ? 1 : 3;
  if (!step.corner) step.corner = Field(layout_, pairs);
  const std::array<int, 3> cells{s.grid().cells(0), s.grid().cells(1), s.grid().cells(2)};
  int pair = 0;
  for (int a = 0; a < dim; ++a)
    for (int b = a + 1; b < dim; ++b, ++pair) {
      const double weight = 1 / (2 * s.grid().spacing(a) * s.grid().spacing(b));
      for (std::ptrdiff_t o = 0; o < s.owned(); ++o) {
        std::array<int, 3> at{static_cast<int>(o % nx_), static_cast<int>(o / nx_ % (dim == 3 ? cells[1] : s.count())), 0};
        at[static_cast<std::size_t>(slow_)] = static_cast<int>(o / s.plane());
        // The neighbour one cell up along a and b; no vertex beyond ends.
        bool end = false;
        const auto up = [&](std::ptrdiff_t from, int d) {
          const std::ptrdiff_t stride = d == 0 ? 1 : d == slow_ ? s.plane() : nx_;
          const int here = at[static_cast<std::size_t>(d)] + (d == slow_ ? s.first() : 0);
          const bool last = here + 1 == cells[static_cast<std::size_t>(d)];
          if (last && s.grid().axis(d).boundary != Boundary::Periodic) end = true;
          return last && d != slow_ ? from - stride * (cells[static_cast<std::size_t>(d)] - 1) : from + stride;
        };
        const std::ptrdiff_t oa = up(o, a), ob = up(o, b), oab = up(oa, b);
        double mean;
        if (D_) {
          const double* D = D_.level(dim + pair);
          mean = end ? 0 : 0.25 * ((D[o] + D[oab]) + (D[oa] + D[ob]));
        } else {
          mean = *equation_.diffusion[static_cast<std::size_t>(dim + pair)]->constant();
        }
        step.corner.level(pair)[o] = end ? 0 : weight * mean;
      }
    }
  step.corner.exchange_ghosts();
  // Beyond ends that are not periodic there is no vertex, whatever the ghost rule says.
  if (s.grid().axis(slow_).boundary != Boundary::Periodic)
    for (int p = 0; p < pairs; ++p) {
      if (s.first() == 0) std::fill_n(step.corner.level(p) - s.plane(), s.plane(), 0.0);
      if (s.first() + s.count() == s.slow_cells()) std::fill_n(step.corner.level(p) + s.owned(), s.plane(), 0.0);
    }
}

void FokkerPlanckFaces::make(StepFaces& faces, double t, const Field* rho, const Field* phi, int k) {
  const bool fresh = !tabulated_ || !faces.made || (timed_ && (t != time_ || t != faces.time));
  tabulate(t);
  if (Q_ && phi != nullptr) {
    const std::ptrdiff_t lead = layout_->plane();
    double* q = Q_.level() - lead;
    const double* p = phi->level(k) - lead;
    const double* v = V_ ? V_.level() - lead : nullptr;
    for (std::ptrdiff_t i = 0; i < layout_->owned() + 2 * lead; ++i) q[i] = v != nullptr ? v[i] + p[i] : p[i];
  }
  faces.peclet = 0;
  for (int d = 0; d < layout_->dim(); ++d) make_axis(d, faces.axis[static_cast<std::size_t>(d)], faces, rho, k);
  if (fresh) {
    if (tensor_) make_corners(faces);
    if (c_) {
      if (!faces.reaction) faces.reaction = Field(layout_);
      faces.reaction.copy_level(0, c_, 0);
    }
  }
  faces.made = true;
  faces.time = t;
}

}  // namespace wasserflow
