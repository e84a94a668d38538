#include "solvers/implicit_preconditioner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <variant>
#include <vector>

#include "grids/support/errors.hpp"
#include "grids/support/pack8.hpp"

namespace wasserflow {
namespace {

constexpr int lanes = 8;  // modes that small matrices are inverted for at once; rows are padded to whole ones

std::size_t whole(int n) { return static_cast<std::size_t>((n + lanes - 1) / lanes * lanes); }

/// Symbols of minus the Laplacian, an axis each, in the order of a block. The last entry is repeated in the padding.
struct Symbols {
  std::vector<double> row, column, outer;

  Symbols() = default;
  template <class T>
  Symbols(const BasicSpectralTransform<T>& transform, SymbolKind kind) {
    const auto table = [&](int axis) {
      if (axis < 0) return std::vector<double>{0.0};
      return laplacian_symbol(transform.layout().grid().axis(axis), transform.modes(axis), kind);
    };
    row = table(transform.row_axis());
    column = table(transform.column_axis());
    outer = table(transform.outer_axis());
    column.resize(whole(static_cast<int>(column.size())), column.back());
  }
};

/// values[i] = p(l0 + lambda[i])
void evaluate(const SymbolPolynomial& p, double l0, const std::vector<double>& lambda, double* __restrict values) {
  const int n = static_cast<int>(lambda.size());
  const double* __restrict l = lambda.data();
  const double top = p.empty() ? 0 : p.back();
  for (int i = 0; i < n; ++i) values[i] = top;
  for (int k = static_cast<int>(p.size()) - 2; k >= 0; --k) {
    const double c = p[static_cast<std::size_t>(k)];
    for (int i = 0; i < n; ++i) values[i] = values[i] * (l0 + l[i]) + c;
  }
}

/// X of all modes: polynomials on the diagonal and a constant matrix (empty: none).
struct ModeMatrix {
  std::vector<SymbolPolynomial> diagonal;
  std::vector<double> coupling;

  int size() const { return static_cast<int>(diagonal.size()); }

  /// Inverses for a row of modes: entry (s, q) of mode i at inverse[(s S + q) n + i] with n = lambda.size(). `work`: 2 S^2 lanes + S n doubles.
  /// Returns the smallest pivot relative to the largest entry, 0 where a mode is not finite.
  double invert(double l0, const std::vector<double>& lambda, double* inverse, double* work) const;
};

/// Gauss-Jordan on [X | 1] of eight modes at a time, with rows exchanged mode by mode without branches. `fixed`: the size when it is known, so that
/// all stays in registers, or 0. `p`: diagonal polynomials, n values each.
template <int fixed>
double invert_packs(int size, const double* coupling, const double* p, int n, double* inverse, double* work) {
  const int S = fixed > 0 ? fixed : size;
  double local[fixed > 0 ? 2 * fixed * fixed * lanes : 1];
  double* const a = fixed > 0 ? local : work;
  const auto get = [&](int r, int c) { return load8(a + (r * 2 * S + c) * lanes); };
  const auto set = [&](int r, int c, Pack8 x) { store8(a + (r * 2 * S + c) * lanes, x); };
  const auto magnitude = [](Pack8 x) { return x < 0.0 ? -x : x; };
  const Pack8 zero{};
  Pack8 worst = zero + 1.0;
  for (int i = 0; i < n; i += lanes) {
    Pack8 largest = zero;
    for (int r = 0; r < S; ++r)
      for (int c = 0; c < S; ++c) {
        const Pack8 x = r == c ? coupling[r * S + c] + load8(p + r * n + i) : zero + coupling[r * S + c];
        const Pack8 m = magnitude(x);
        largest = m > largest ? m : largest;
        set(r, c, x);
        set(r, S + c, r == c ? zero + 1.0 : zero);
      }
    Pack8 smallest = largest;
    for (int d = 0; d < S; ++d) {
      for (int r = d + 1; r < S; ++r) {
        const auto exchange = magnitude(get(r, d)) > magnitude(get(d, d));
        for (int c = d; c < 2 * S; ++c) {
          const Pack8 x = get(d, c), y = get(r, c);
          set(d, c, exchange ? y : x);
          set(r, c, exchange ? x : y);
        }
      }
      const Pack8 pivot = get(d, d), m = magnitude(pivot), factor = 1.0 / pivot;
      smallest = m < smallest ? m : smallest;
      for (int c = d; c < 2 * S; ++c) set(d, c, get(d, c) * factor);
      for (int r = 0; r < S; ++r) {
        if (r == d) continue;
        const Pack8 below = get(r, d);
        for (int c = d; c < 2 * S; ++c) set(r, c, get(r, c) - below * get(d, c));
      }
    }
    for (int r = 0; r < S; ++r)
      for (int c = 0; c < S; ++c) store8(inverse + (r * S + c) * n + i, get(r, S + c));
    const Pack8 ratio = smallest / largest, finite = ratio > 0.0 ? ratio : zero;  // a comparison with NaN is false
    worst = finite < worst ? finite : worst;
  }
  double least = 1;
  for (int k = 0; k < lanes; ++k) least = std::min(least, worst[k]);
  return least;
}

double ModeMatrix::invert(double l0, const std::vector<double>& lambda, double* inverse, double* work) const {
  const int S = size(), n = static_cast<int>(lambda.size());
  double* const p = work + 2 * S * S * lanes;
  for (int s = 0; s < S; ++s) evaluate(diagonal[static_cast<std::size_t>(s)], l0, lambda, p + s * n);
  const auto run = S == 2 ? invert_packs<2> : S == 3 ? invert_packs<3> : S == 4 ? invert_packs<4> : invert_packs<0>;
  return run(S, coupling.data(), p, n, inverse, work);
}

/// Writes eight values for each part of a mode.
template <class T>
void store_spread(T* to, int parts, Pack8 values) {
  using Index = Pack8IndexOf<T>;
  const Pack8Of<T> x = __builtin_convertvector(values, Pack8Of<T>);
  if (parts == 1) return store8(to, x);
  store8(to, __builtin_shuffle(x, Index{0, 0, 1, 1, 2, 2, 3, 3}));
  store8(to + lanes, __builtin_shuffle(x, Index{4, 4, 5, 5, 6, 6, 7, 7}));
}

/// factors[i parts + c] = scale / p(l0 + lambda[i]), 0 where p is 0.
template <class T>
void reciprocals(const SymbolPolynomial& p, double l0, const std::vector<double>& lambda, int parts, double scale, T* factors) {
  const double top = p.empty() ? 0 : p.back();
  const double* const c = p.data();
  const int n = static_cast<int>(lambda.size()), degree = static_cast<int>(p.size()) - 1;
  const Pack8 zero{};
  for (int i = 0; i < n; i += lanes) {
    const Pack8 l = l0 + load8(lambda.data() + i);
    Pack8 x = zero + top;
    for (int k = degree - 1; k >= 0; --k) x = x * l + c[k];
    const Pack8 y = scale / x;
    store_spread(factors + i * parts, parts, x == 0.0 ? zero : y);
  }
}

/// Recurrence over the steps of one component: x_k = f (scale x_k + x_before), from the first step on or from the last one back.
template <class T>
void sweep(T* row, std::ptrdiff_t stride, int steps, int n, const T* __restrict f, T scale, bool back) {
  const std::ptrdiff_t step = back ? -stride : stride;
  T* __restrict x = back ? row + (steps - 1) * stride : row;
  for (int i = 0; i < n; ++i) x[i] = f[i] * (scale * x[i]);
  for (int k = 1; k < steps; ++k) {
    const T* __restrict before = x;
    x += step;
    for (int i = 0; i < n; ++i) x[i] = f[i] * (scale * x[i] + before[i]);
  }
}

/// The same for S components that a matrix a mode couples; back: the transposed matrices. `n` is a multiple of `lanes`, entries of the matrix
/// are m apart; `fixed`: S or 0 when any.
template <int fixed, class T>
void coupled_sweep(T* row, std::ptrdiff_t stride, int steps, int size, int n, const T* inverse, std::ptrdiff_t m, T scale, bool back, T* work) {
  const int S = fixed > 0 ? fixed : size;
  T local[fixed > 0 ? fixed * lanes : 1];
  T* const right = fixed > 0 ? local : work;
  const std::ptrdiff_t down = back ? S * m : m, across = back ? m : S * m;  // from an entry of the matrix to the next one of a row, of a column
  for (int k = 0; k < steps; ++k) {
    T* const x = row + static_cast<std::ptrdiff_t>(back ? steps - 1 - k : k) * S * stride;
    for (int i = 0; i < n; i += lanes) {
      for (int q = 0; q < S; ++q) {
        T* const y = x + q * stride + i;
        store8(right + q * lanes, k > 0 ? scale * load8(y) + load8(y + (back ? S : -S) * stride) : scale * load8(y));
      }
      for (int s = 0; s < S; ++s) {
        const T* const entry = inverse + s * across + i;
        Pack8Of<T> sum = load8(entry) * load8(right);
        for (int q = 1; q < S; ++q) sum += load8(entry + q * down) * load8(right + q * lanes);
        store8(x + s * stride + i, sum);
      }
    }
  }
}

template <class T>
void coupled_sweep(T* row, std::ptrdiff_t stride, int steps, int S, int n, const T* inverse, std::ptrdiff_t m, T scale, bool back, T* work) {
  const auto run = S == 2 ? coupled_sweep<2, T> : S == 3 ? coupled_sweep<3, T> : S == 4 ? coupled_sweep<4, T> : coupled_sweep<0, T>;
  run(row, stride, steps, S, n, inverse, m, scale, back, work);
}

[[noreturn]] void too_large(double tau, const std::string& what) {
  throw InputError(fmt::format("implicit step: {}: tau = {:g} is too large for the constants of the preconditioner, take smaller steps", what, tau));
}

/// Throws unless p > 0 at every mode.
void check_positive(const SymbolPolynomial& p, const Symbols& symbols, double tau) {
  if (!p.empty() && p[0] > 0 && std::all_of(p.begin(), p.end(), [](double c) { return c >= 0; })) return;
  std::vector<double> values(symbols.column.size());
  for (double outer : symbols.outer)
    for (double row : symbols.row) {
      evaluate(p, outer + row, symbols.column, values.data());
      int positive = 0;
      for (double x : values) positive += x > 0;
      if (positive == static_cast<int>(values.size())) continue;
      const auto i = static_cast<std::size_t>(std::find_if(values.begin(), values.end(), [](double x) { return !(x > 0); }) - values.begin());
      too_large(tau, fmt::format("1 + tau p(lambda) = {:g}, not > 0, for the mode lambda = {:g}", values[i], outer + row + symbols.column[i]));
    }
}

/// Throws when a mode has a singular matrix.
void check_regular(const ModeMatrix& x, const Symbols& symbols, double tau) {
  const int S = x.size();
  bool dominant = true;  // clearly, at every mode
  for (int s = 0; s < S; ++s) {
    const SymbolPolynomial& p = x.diagonal[static_cast<std::size_t>(s)];
    double least = p[0] + x.coupling[static_cast<std::size_t>(s * S + s)];
    for (int q = 0; q < S; ++q) least -= q == s ? 0 : std::abs(x.coupling[static_cast<std::size_t>(s * S + q)]);
    dominant = dominant && least > 1e-6 && std::all_of(p.begin() + 1, p.end(), [](double c) { return c >= 0; });
  }
  if (dominant) return;
  const std::size_t n = symbols.column.size();
  std::vector<double> inverse(static_cast<std::size_t>(S * S) * n),
      work(static_cast<std::size_t>(2 * S * S) * lanes + static_cast<std::size_t>(S) * n);
  for (double outer : symbols.outer)
    for (double row : symbols.row)
      if (!(x.invert(outer + row, symbols.column, inverse.data(), work.data()) > 1e-12))
        too_large(tau, fmt::format("the matrix of a mode with lambda >= {:g} is singular", outer + row));
}

/// Transforms in double or float, and what a row of modes is multiplied by.
template <class T>
struct Engine {
  Engine(const LayoutPtr& layout, int levels) : transform(layout, levels) {}

  BasicSpectralTransform<T> transform;
  std::unique_ptr<BasicSpectralTransform<T>> wide;  // twice the levels
  std::vector<T> factors, right;
};

}  // namespace

struct ImplicitPreconditioner::State {
  State(const LayoutPtr& layout, int steps_in, int components, bool single) : steps(steps_in) {
    if (single)
      engine.emplace<Engine<float>>(layout, steps * components);
    else
      engine.emplace<Engine<double>>(layout, steps * components);
    symbols = make_symbols(SymbolKind::Difference);
  }

  int steps;
  std::variant<std::monostate, Engine<double>, Engine<float>> engine;
  FrozenOperator frozen;
  Symbols symbols;
  ModeMatrix x;
  std::vector<double> work, inverse;  // coupled components: to invert the matrices of a row of modes, and these

  /// Calls f with the engine there is.
  template <class F>
  void with_engine(F&& f) {
    if (auto* single = std::get_if<Engine<float>>(&engine)) return f(*single);
    f(std::get<Engine<double>>(engine));
  }
  Symbols make_symbols(SymbolKind kind) {
    Symbols out;
    with_engine([&](const auto& e) { out = Symbols(e.transform, kind); });
    return out;
  }
  template <class T>
  double base(const BasicModeBlock<T>& block, int j) const {
    return symbols.outer[static_cast<std::size_t>(block.outer)] + symbols.row[static_cast<std::size_t>(block.first_row + j)];
  }
  void resize();
  template <class T>
  void solve_row(Engine<T>& e, const BasicModeBlock<T>& block, int j, Kind kind);
  template <class T>
  void solve_coupled_row(Engine<T>& e, const BasicModeBlock<T>& block, int j, Kind kind);
  template <class T>
  void solve_block(Engine<T>& e, const BasicModeBlock<T>& block, Kind kind);
  /// Levels first ... first + count - 1 := p^{-1} of levels 0 ... count - 1, times scale.
  template <class T>
  void inverse_block(Engine<T>& e, const BasicModeBlock<T>& block, const SymbolPolynomial& p, int count, int first, double scale);
};

void ImplicitPreconditioner::State::resize() {
  const auto S = static_cast<std::size_t>(x.size());
  const std::size_t n = symbols.column.size(), matrices = x.coupling.empty() ? 0 : S * S;
  work.resize(2 * matrices * lanes + S * n);
  inverse.resize(matrices * n);
  with_engine([&](auto& e) {
    e.factors.resize(std::max<std::size_t>(matrices, 1) * 2 * n);
    e.right.resize(S * lanes);
  });
}

template <class T>
void ImplicitPreconditioner::State::solve_row(Engine<T>& e, const BasicModeBlock<T>& block, int j, Kind kind) {
  const int S = x.size(), n = block.columns * block.parts;
  const auto scale = static_cast<T>(e.transform.normalisation());
  for (int s = 0; s < S; ++s) {
    reciprocals(x.diagonal[static_cast<std::size_t>(s)], base(block, j), symbols.column, block.parts, 1.0, e.factors.data());
    T* const row = block.data + s * block.level_stride + j * block.pitch;
    if (kind != Kind::Transpose) sweep(row, S * block.level_stride, steps, n, e.factors.data(), scale, false);
    if (kind != Kind::Inverse) sweep(row, S * block.level_stride, steps, n, e.factors.data(), kind == Kind::Normal ? T{1} : scale, true);
  }
}

template <class T>
void ImplicitPreconditioner::State::solve_coupled_row(Engine<T>& e, const BasicModeBlock<T>& block, int j, Kind kind) {
  const int S = x.size(), modes = static_cast<int>(symbols.column.size()), m = modes * block.parts;
  const int n = static_cast<int>(whole(block.columns * block.parts));
  const auto scale = static_cast<T>(e.transform.normalisation());
  T* const row = block.data + j * block.pitch;
  x.invert(base(block, j), symbols.column, inverse.data(), work.data());
  for (int k = 0; k < S * S; ++k)
    for (int i = 0; i < modes; i += lanes)
      store_spread(e.factors.data() + static_cast<std::ptrdiff_t>(k) * m + i * block.parts, block.parts, load8(inverse.data() + k * modes + i));
  if (kind != Kind::Transpose) coupled_sweep(row, block.level_stride, steps, S, n, e.factors.data(), m, scale, false, e.right.data());
  if (kind != Kind::Inverse)
    coupled_sweep(row, block.level_stride, steps, S, n, e.factors.data(), m, kind == Kind::Normal ? T{1} : scale, true, e.right.data());
}

template <class T>
void ImplicitPreconditioner::State::solve_block(Engine<T>& e, const BasicModeBlock<T>& block, Kind kind) {
  for (int j = 0; j < block.rows; ++j) {
    if (x.coupling.empty())
      solve_row(e, block, j, kind);
    else
      solve_coupled_row(e, block, j, kind);
  }
}

template <class T>
void ImplicitPreconditioner::State::inverse_block(Engine<T>& e, const BasicModeBlock<T>& block, const SymbolPolynomial& p, int count, int first,
                                                  double scale) {
  const int n = block.columns * block.parts;
  for (int j = 0; j < block.rows; ++j) {
    reciprocals(p, base(block, j), symbols.column, block.parts, scale, e.factors.data());
    const T* __restrict f = e.factors.data();
    for (int l = 0; l < count; ++l) {
      const T* const from = block.data + l * block.level_stride + j * block.pitch;
      T* const to = block.data + (first + l) * block.level_stride + j * block.pitch;
      for (int i = 0; i < n; ++i) to[i] = f[i] * from[i];
    }
  }
}

ImplicitPreconditioner::ImplicitPreconditioner(LayoutPtr layout, int steps, int components, bool single)
    : layout_(std::move(layout)), steps_(steps), components_(components) {
  if (steps < 1 || components < 1)
    throw InputError(fmt::format("preconditioner of implicit steps: {} steps of {} components, both must be >= 1", steps, components));
  state_ = std::make_unique<State>(layout_, steps, components, single);
}

ImplicitPreconditioner::~ImplicitPreconditioner() = default;
ImplicitPreconditioner::ImplicitPreconditioner(ImplicitPreconditioner&&) noexcept = default;
ImplicitPreconditioner& ImplicitPreconditioner::operator=(ImplicitPreconditioner&&) noexcept = default;

void ImplicitPreconditioner::set(double tau, const FrozenOperator& frozen) {
  State& state = *state_;
  const auto S = static_cast<std::size_t>(components_);
  if (frozen.linear.size() != S || (!frozen.coupling.empty() && frozen.coupling.size() != S * S))
    throw InternalError(
        fmt::format("preconditioner of {} components: {} polynomials and {} coupling entries", S, frozen.linear.size(), frozen.coupling.size()));
  if (!(tau > 0)) throw InputError(fmt::format("implicit step: tau = {} must be > 0", tau));
  FrozenOperator& now = state.frozen;
  if (tau == tau_ && frozen.linear == now.linear && frozen.coupling == now.coupling && frozen.kind == now.kind) return;

  ModeMatrix x;
  for (const SymbolPolynomial& p : frozen.linear) {
    x.diagonal.push_back(p.empty() ? SymbolPolynomial{0.0} : p);
    for (double& c : x.diagonal.back()) c *= tau;
    x.diagonal.back()[0] += 1;
  }
  if (std::any_of(frozen.coupling.begin(), frozen.coupling.end(), [](double c) { return c != 0; }))
    for (double c : frozen.coupling) x.coupling.push_back(tau * c);
  Symbols symbols = frozen.kind == now.kind ? state.symbols : state.make_symbols(frozen.kind);
  if (x.coupling.empty())
    for (const SymbolPolynomial& p : x.diagonal) check_positive(p, symbols, tau);
  else
    check_regular(x, symbols, tau);

  tau_ = tau;
  now = frozen;
  state.symbols = std::move(symbols);
  state.x = std::move(x);
  state.resize();
}

void ImplicitPreconditioner::apply(const SpectralTransform::Source& source, const SpectralTransform::Sink& sink, Kind kind) {
  check_set();
  state_->with_engine([&]<class T>(Engine<T>& e) {
    e.transform.solve(
        source, [&](const BasicModeBlock<T>& block) { state_->solve_block(e, block, kind); }, sink);
  });
  transforms_ += 2L * steps_ * components_;
}

void ImplicitPreconditioner::apply(const Field& in, Field& out, Kind kind) { apply(SpectralTransform::from(in), SpectralTransform::to(out), kind); }

void ImplicitPreconditioner::apply_inverse(const SymbolPolynomial& p, const Field& in, Field& out) {
  check_set();
  const int levels = steps_ * components_;
  state_->with_engine([&]<class T>(Engine<T>& e) {
    const double scale = e.transform.normalisation();
    e.transform.solve(
        in, [&](const BasicModeBlock<T>& block) { state_->inverse_block(e, block, p, levels, 0, scale); }, out);
  });
  transforms_ += 2L * levels;
}

void ImplicitPreconditioner::apply_with_inverse(const SymbolPolynomial& p, const SpectralTransform::Source& source,
                                                const SpectralTransform::Sink& sink) {
  check_set();
  const int levels = steps_ * components_;
  state_->with_engine([&]<class T>(Engine<T>& e) {
    if (!e.wide) e.wide = std::make_unique<BasicSpectralTransform<T>>(layout_, 2 * levels);
    e.wide->solve(
        source,
        [&](const BasicModeBlock<T>& block) {
          state_->solve_block(e, block, Kind::Inverse);
          state_->inverse_block(e, block, p, levels, levels, 1.0);
        },
        sink, levels);
  });
  transforms_ += 3L * levels;
}

void ImplicitPreconditioner::check_set() const {
  if (!(tau_ > 0)) throw InternalError("preconditioner of implicit steps: set must come first");
}

}  // namespace wasserflow
