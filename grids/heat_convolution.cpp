#include "grids/heat_convolution.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <numbers>
#include <optional>

#include "grids/line_convolution.hpp"
#include "grids/spectral_transform.hpp"
#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"
#include "grids/support/pack8.hpp"

namespace wasserflow {
namespace {

/// The cell of an axis of n cells that stands at index i, which may be beyond the ends; -1: nothing.
int image(Surround surround, int n, int i) {
  if (i >= 0 && i < n) return i;
  switch (surround) {
    case Surround::Periodic: return ((i % n) + n) % n;
    case Surround::Reflecting: {
      const int j = ((i % (2 * n)) + 2 * n) % (2 * n);
      return j < n ? j : 2 * n - 1 - j;
    }
    default: return -1;
  }
}

/// log of sum_k (x/2)^(j+2k) / (k! (j+k)!) = log I_j(x).
double log_bessel(int j, double x) {
  const double q = x * x / 4;
  double term = 1, sum = 1;
  for (int k = 1; term > 1e-18 * sum; ++k) sum += term *= q / (static_cast<double>(k) * (j + k));
  return j * std::log(x / 2) - std::lgamma(j + 1.0) + std::log(sum);
}

}  // namespace

Surround surround(Boundary boundary) {
  switch (boundary) {
    case Boundary::Periodic: return Surround::Periodic;
    case Boundary::NoFlux: return Surround::Reflecting;
    default: return Surround::Free;
  }
}

std::vector<double> log_heat_kernel(double variance, double spacing, int reach, KernelKind kind) {
  const double ratio = variance / (spacing * spacing);
  if (kind == KernelKind::Automatic) kind = ratio >= 4 ? KernelKind::Sampled : KernelKind::Discrete;
  std::vector<double> log_weight(static_cast<std::size_t>(reach) + 1);
  if (kind == KernelKind::Sampled) {
    double total = 1;
    for (int j = 1;; ++j) {
      const double w = std::exp(-0.5 * j * static_cast<double>(j) / ratio);
      total += 2 * w;
      if (w < 1e-20) break;
    }
    for (int j = 0; j <= reach; ++j) log_weight[static_cast<std::size_t>(j)] = -0.5 * j * static_cast<double>(j) / ratio - std::log(total);
  } else {
    for (int j = 0; j <= reach; ++j) log_weight[static_cast<std::size_t>(j)] = log_bessel(j, ratio) - ratio;
  }
  return log_weight;
}

struct HeatConvolution::State {
  struct AxisState {
    Surround surround = Surround::Periodic;
    double variance = 0;
    int reach = 0;
    std::vector<double> weight;
    LineConvolution lines;
  };
  LayoutPtr layout;
  std::vector<AxisState> axis;
  Field work, accumulator;
  std::vector<Field> work_means;

  // The lines of the slow axis that this rank works on: outputs [begin, end), which hold its own planes, and extra inputs behind.
  struct Part {
    int begin = 0, end = 0, extra = 0;
  };
  Part part;
  // Planes of the slow axis that this rank needs: where index begin - reach + i comes from (-1: nothing), the planes that each rank sends here, and
  // those that this rank sends.
  std::vector<int> needed;
  std::vector<std::vector<int>> from, to;
  std::vector<double> outgoing, incoming;

  struct Images {
    double factor;
    SpectralTransform transform;
    std::array<std::vector<double>, 3> multiplier;
    std::vector<double> columns;  ///< of the column axis, one entry a part of a mode
  };
  std::vector<Images> images;  // of fft, made at its first call

  void plan_planes(const AxisState& slow, int tile);
  void plan_images();
  /// One sweep along an axis. Rows of `in` and `out`: the (log) density, then one payload an axis for means.
  void sweep(int d, bool logarithmic, const std::vector<const double*>& in, const std::vector<double*>& out);
  void sweep_rows(bool logarithmic, const std::vector<const double*>& in, const std::vector<double*>& out);
  void sweep_columns(int d, bool logarithmic, const std::vector<const double*>& in, const std::vector<double*>& out);
  void sweep_slow(bool logarithmic, const std::vector<const double*>& in, const std::vector<double*>& out);
  void run(int d, bool logarithmic, std::size_t fields) {
    LineConvolution& l = axis[static_cast<std::size_t>(d)].lines;
    if (logarithmic)
      l.log_sum_exp(static_cast<int>(fields) - 1);
    else
      l.sum();
  }
};

HeatConvolution::HeatConvolution(LayoutPtr layout, std::array<double, 3> variance, std::array<Surround, 3> surround, Options options)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.layout = std::move(layout);
  const Grid& grid = s.layout->grid();
  for (int d = 0; d < grid.dim(); ++d) {
    const auto at = static_cast<std::size_t>(d);
    const double v = variance[at], h = grid.spacing(d);
    if (!(v > 0) || !std::isfinite(v)) throw InputError(fmt::format("the variance of a heat kernel must be positive, not {}", v));
    State::AxisState axis;
    axis.surround = surround[at];
    axis.variance = v;
    const double cells = v / (h * h), shift = options.tilt[at] * cells;
    double reach = std::ceil(shift + std::sqrt(shift * shift + 83 * cells)) + 2;
    if (cells < 4) reach += 20;  // the discrete kernel has heavier tails
    const int n = grid.cells(d);
    if (axis.surround == Surround::Free) reach = std::min(reach, static_cast<double>(n - 1));
    axis.reach = static_cast<int>(std::min(reach, 8.0 * n));
    const std::vector<double> log_weight = log_heat_kernel(v, h, axis.reach, options.kind);
    for (const double w : log_weight) axis.weight.push_back(std::exp(w));
    if (d == s.layout->slow_axis()) {
      s.plan_planes(axis, LineConvolution::tile(log_weight));
      axis.lines = LineConvolution(log_weight, s.part.end - s.part.begin, grid.dim(), s.part.extra);
    } else {
      axis.lines = LineConvolution(log_weight, n, grid.dim());
    }
    s.axis.push_back(std::move(axis));
  }
  s.work = Field(s.layout);
}

HeatConvolution::~HeatConvolution() = default;
HeatConvolution::HeatConvolution(HeatConvolution&&) noexcept = default;
HeatConvolution& HeatConvolution::operator=(HeatConvolution&&) noexcept = default;

const SlabLayout& HeatConvolution::layout() const { return *state_->layout; }
int HeatConvolution::reach(int axis) const { return state_->axis[static_cast<std::size_t>(axis)].reach; }
const std::vector<double>& HeatConvolution::weights(int axis) const { return state_->axis[static_cast<std::size_t>(axis)].weight; }
double HeatConvolution::variance(int axis) const { return state_->axis[static_cast<std::size_t>(axis)].variance; }
Surround HeatConvolution::surround(int axis) const { return state_->axis[static_cast<std::size_t>(axis)].surround; }

void HeatConvolution::State::plan_planes(const AxisState& slow, int tile) {
  const int n = layout->slow_cells(), ranks = layout->ranks(), me = layout->rank();
  // Whole tiles, at the places where they stand when one rank has the whole line.
  const auto up = [tile](int i) { return (i + tile - 1) / tile * tile; };
  const auto part_of = [&](int rank) {
    Part p{layout->first_of(rank) / tile * tile, std::min(n, up(layout->first_of(rank + 1))), 0};
    const int length = p.end - p.begin + 2 * slow.reach;
    p.extra = std::min(up(length), n + 2 * slow.reach - p.begin) - length;
    return p;
  };
  const auto needs = [&](int rank) {
    const Part p = part_of(rank);
    std::vector<int> planes;
    for (int i = p.begin - slow.reach; i < p.end + slow.reach + p.extra; ++i) planes.push_back(image(slow.surround, n, i));
    return planes;
  };
  part = part_of(me);
  const auto held_by = [&](const std::vector<int>& planes, int owner) {
    std::vector<int> held;
    for (const int p : planes)
      if (p >= layout->first_of(owner) && p < layout->first_of(owner + 1)) held.push_back(p);
    std::sort(held.begin(), held.end());
    held.erase(std::unique(held.begin(), held.end()), held.end());
    return held;
  };
  needed = needs(me);
  for (int r = 0; r < ranks; ++r) {
    from.push_back(r == me ? std::vector<int>{} : held_by(needed, r));
    to.push_back(r == me ? std::vector<int>{} : held_by(needs(r), me));
  }
}

void HeatConvolution::State::sweep(int d, bool logarithmic, const std::vector<const double*>& in, const std::vector<double*>& out) {
  if (d == layout->slow_axis())
    sweep_slow(logarithmic, in, out);
  else if (d == 0)
    sweep_rows(logarithmic, in, out);
  else
    sweep_columns(d, logarithmic, in, out);
}

void HeatConvolution::State::sweep_rows(bool logarithmic, const std::vector<const double*>& in, const std::vector<double*>& out) {
  AxisState& a = axis[0];
  const int n = layout->grid().cells(0), rows = layout->rows();
  for (int r = 0; r < rows; r += 8) {
    const int lanes = std::min(8, rows - r);
    for (std::size_t f = 0; f < in.size(); ++f) {
      double* line = a.lines.input(static_cast<int>(f)) + static_cast<std::ptrdiff_t>(a.reach) * 8;
      const double* first = in[f] + static_cast<std::ptrdiff_t>(r) * n;
      int i = 0;
      if (lanes == 8)
        for (; i + 8 <= n; i += 8) transpose_real_8x8(first + i, n, line + static_cast<std::ptrdiff_t>(i) * 8, 8);
      for (; i < n; ++i)
        for (int l = 0; l < 8; ++l) line[i * 8 + l] = first[std::min(l, lanes - 1) * static_cast<std::ptrdiff_t>(n) + i];
      a.lines.surround(static_cast<int>(f), logarithmic && f == 0, [&](int j) { return image(a.surround, n, j); });
    }
    if (logarithmic && in.size() > 1) a.lines.coordinates(0, layout->grid().axis(0), 0);
    run(0, logarithmic, in.size());
    for (std::size_t f = 0; f < out.size(); ++f) {
      const double* line = a.lines.output(static_cast<int>(f));
      double* first = out[f] + static_cast<std::ptrdiff_t>(r) * n;
      int i = 0;
      if (lanes == 8)
        for (; i + 8 <= n; i += 8) transpose_real_8x8(line + static_cast<std::ptrdiff_t>(i) * 8, 8, first + i, n);
      for (; i < n; ++i)
        for (int l = 0; l < lanes; ++l) first[l * static_cast<std::ptrdiff_t>(n) + i] = line[i * 8 + l];
    }
  }
}

void HeatConvolution::State::sweep_columns(int d, bool logarithmic, const std::vector<const double*>& in, const std::vector<double*>& out) {
  AxisState& a = axis[static_cast<std::size_t>(d)];
  const int nx = layout->grid().cells(0), n = layout->grid().cells(d);
  for (int z = 0; z < layout->count(); ++z)
    for (int x = 0; x < nx; x += 8) {
      const int lanes = std::min(8, nx - x);
      const std::ptrdiff_t base = static_cast<std::ptrdiff_t>(z) * layout->plane() + x;
      for (std::size_t f = 0; f < in.size(); ++f) {
        double* line = a.lines.input(static_cast<int>(f)) + static_cast<std::ptrdiff_t>(a.reach) * 8;
        for (int j = 0; j < n; ++j) LineConvolution::take(in[f] + base + static_cast<std::ptrdiff_t>(j) * nx, lanes, line + j * 8);
        a.lines.surround(static_cast<int>(f), logarithmic && f == 0, [&](int j) { return image(a.surround, n, j); });
      }
      if (logarithmic && in.size() > 1) a.lines.coordinates(d, layout->grid().axis(d), 0);
      run(d, logarithmic, in.size());
      for (std::size_t f = 0; f < out.size(); ++f)
        for (int j = 0; j < n; ++j)
          std::memcpy(out[f] + base + static_cast<std::ptrdiff_t>(j) * nx, a.lines.output(static_cast<int>(f)) + j * 8,
                      static_cast<std::size_t>(lanes) * sizeof(double));
    }
}

void HeatConvolution::State::sweep_slow(bool logarithmic, const std::vector<const double*>& in, const std::vector<double*>& out) {
  const int d = layout->slow_axis();
  AxisState& a = axis[static_cast<std::size_t>(d)];
  const int count = layout->count(), first = layout->first(), ranks = layout->ranks();
  const std::ptrdiff_t plane = layout->plane();
  // Columns in pieces, so that the foreign planes never take more than 64 MiB. The cut is the same on every rank: it goes by the whole axis.
  const std::ptrdiff_t piece =
      ranks == 1 ? plane : std::max<std::ptrdiff_t>(8, (std::int64_t{8} << 20U) / (layout->slow_cells() * static_cast<std::ptrdiff_t>(in.size())) / 8 * 8);
  std::vector<const double*> source(needed.size());
  std::vector<int> send_counts(static_cast<std::size_t>(ranks)), send_at(send_counts), receive_counts(send_counts), receive_at(send_counts);
  for (std::ptrdiff_t begin = 0; begin < plane; begin += piece) {
    const std::ptrdiff_t width = std::min(piece, plane - begin), stride = width * static_cast<std::ptrdiff_t>(in.size());
    if (ranks > 1) {
      std::size_t sent = 0, received = 0;
      for (std::size_t r = 0; r < from.size(); ++r) {
        send_at[r] = static_cast<int>(sent);
        receive_at[r] = static_cast<int>(received);
        send_counts[r] = static_cast<int>(static_cast<std::ptrdiff_t>(to[r].size()) * stride);
        receive_counts[r] = static_cast<int>(static_cast<std::ptrdiff_t>(from[r].size()) * stride);
        sent += static_cast<std::size_t>(send_counts[r]);
        received += static_cast<std::size_t>(receive_counts[r]);
      }
      outgoing.resize(std::max(outgoing.size(), sent));
      incoming.resize(std::max(incoming.size(), received));
      double* next = outgoing.data();
      for (const std::vector<int>& planes : to)
        for (const int p : planes)
          for (const double* f : in) next = std::copy_n(f + (p - first) * plane + begin, width, next);
      MPI_Alltoallv(outgoing.data(), send_counts.data(), send_at.data(), MPI_DOUBLE, incoming.data(), receive_counts.data(), receive_at.data(),
                              MPI_DOUBLE, layout->comm());
      std::map<int, const double*> foreign;
      for (std::size_t r = 0; r < from.size(); ++r)
        for (std::size_t i = 0; i < from[r].size(); ++i)
          foreign[from[r][i]] = incoming.data() + receive_at[r] + static_cast<std::ptrdiff_t>(i) * stride;
      for (std::size_t i = 0; i < needed.size(); ++i) {
        const auto found = foreign.find(needed[i]);
        source[i] = found == foreign.end() ? nullptr : found->second;
      }
    }
    for (std::ptrdiff_t c = 0; c < width; c += 8) {
      const int lanes = static_cast<int>(std::min<std::ptrdiff_t>(8, width - c));
      for (std::size_t f = 0; f < in.size(); ++f) {
        double* line = a.lines.input(static_cast<int>(f));
        const double nothing = logarithmic && f == 0 ? -std::numeric_limits<double>::infinity() : 0.0;
        for (std::size_t i = 0; i < needed.size(); ++i) {
          double* to_line = line + static_cast<std::ptrdiff_t>(i) * 8;
          const int p = needed[i];
          if (p < 0)
            std::fill_n(to_line, 8, nothing);
          else
            LineConvolution::take(source[i] != nullptr ? source[i] + static_cast<std::ptrdiff_t>(f) * width + c : in[f] + (p - first) * plane + begin + c,
                                  lanes, to_line);
        }
      }
      if (logarithmic && in.size() > 1) a.lines.coordinates(d, layout->grid().axis(d), part.begin);
      run(d, logarithmic, in.size());
      for (std::size_t f = 0; f < out.size(); ++f)
        for (int j = 0; j < count; ++j)
          std::memcpy(out[f] + j * plane + begin + c, a.lines.output(static_cast<int>(f)) + static_cast<std::ptrdiff_t>(first - part.begin + j) * 8,
                      static_cast<std::size_t>(lanes) * sizeof(double));
    }
  }
}

void HeatConvolution::direct(const Field& in, Field& out, int level_in, int level_out) {
  State& s = *state_;
  const double* from = in.level(level_in);
  for (int d = 0; d < s.layout->dim(); ++d) {
    double* to = d == s.layout->slow_axis() ? out.level(level_out) : s.work.level();
    s.sweep(d, false, {from}, {to});
    from = to;
  }
}

void HeatConvolution::log_sum_exp(const Field& in, Field& out, int level_in, int level_out) {
  State& s = *state_;
  const double* from = in.level(level_in);
  for (int d = 0; d < s.layout->dim(); ++d) {
    double* to = d == s.layout->slow_axis() ? out.level(level_out) : s.work.level();
    s.sweep(d, true, {from}, {to});
    from = to;
  }
}

void HeatConvolution::log_sum_exp_with_mean(const Field& f, Field& log_sum, std::vector<Field>& mean) {
  State& s = *state_;
  const int dim = s.layout->dim();
  while (static_cast<int>(s.work_means.size()) < dim) s.work_means.emplace_back(s.layout);
  std::vector<const double*> from{f.level()};
  for (const Field& m : s.work_means) from.push_back(m.level());  // replaced by coordinates at the sweep along their axis, averaged by the later ones
  for (int d = 0; d < dim; ++d) {
    const bool last = d == s.layout->slow_axis();
    std::vector<double*> to{last ? log_sum.level() : s.work.level()};
    for (int e = 0; e < dim; ++e) to.push_back(last ? mean[static_cast<std::size_t>(e)].level() : s.work_means[static_cast<std::size_t>(e)].level());
    s.sweep(d, true, from, to);
    from.assign(to.begin(), to.end());
  }
}

void HeatConvolution::State::plan_images() {
  const Grid& grid = layout->grid();
  std::vector<int> free;
  for (int d = 0; d < grid.dim(); ++d)
    if (axis[static_cast<std::size_t>(d)].surround == Surround::Free) free.push_back(d);
  const int combinations = 1 << free.size();
  for (int c = 0; c < combinations; ++c) {
    std::vector<Axis> axes = grid.axes();
    for (int d = 0; d < grid.dim(); ++d)
      axes[static_cast<std::size_t>(d)].boundary =
          axis[static_cast<std::size_t>(d)].surround == Surround::Periodic ? Boundary::Periodic : Boundary::NoFlux;
    for (std::size_t i = 0; i < free.size(); ++i)
      if ((c >> i & 1) != 0) axes[static_cast<std::size_t>(free[i])].boundary = Boundary::Dirichlet;
    Images im{1.0 / combinations, SpectralTransform(make_layout(layout->comm(), Grid(axes), layout->ghost())), {}, {}};
    for (int d = 0; d < grid.dim(); ++d) {
      const AxisState& a = axis[static_cast<std::size_t>(d)];
      const double n = grid.cells(d);
      std::vector<double>& m = im.multiplier[static_cast<std::size_t>(d)];
      for (int k = 0; k < im.transform.modes(d); ++k) {
        const AxisTransform kind = im.transform.kind(d);
        const double angle = std::numbers::pi * (kind == AxisTransform::Fourier ? 2.0 * k : kind == AxisTransform::Cosine ? k : k + 1.0) / n;
        double sum = 0;
        for (int j = a.reach; j > 0; --j) sum += 2 * a.weight[static_cast<std::size_t>(j)] * std::cos(j * angle);
        m.push_back(sum + a.weight[0]);
      }
    }
    for (const double m : im.multiplier[static_cast<std::size_t>(im.transform.column_axis())])
      im.columns.insert(im.columns.end(), static_cast<std::size_t>(im.transform.parts()), m);
    images.push_back(std::move(im));
  }
}

void HeatConvolution::fft(const Field& in, Field& out, int level_in, int level_out) {
  State& s = *state_;
  if (s.images.empty()) s.plan_images();
  if (!s.accumulator) s.accumulator = Field(s.layout);
  bool first = true;
  for (State::Images& im : s.images) {
    const SpectralTransform& t = im.transform;
    const double factor = im.factor * t.normalisation();
    const auto of = [&](int axis, int k) { return axis < 0 ? 1.0 : im.multiplier[static_cast<std::size_t>(axis)][static_cast<std::size_t>(k)]; };
    const auto visit = [&](const ModeBlock& b) {
      const double outer = factor * of(t.outer_axis(), b.outer);
      const double* columns = im.columns.data();
      for (int r = 0; r < b.rows; ++r) {
        const double row = outer * of(t.row_axis(), b.first_row + r);
        double* data = b.data + r * b.pitch;
        for (int i = 0; i < b.columns * b.parts; ++i) data[i] *= row * columns[i];
      }
    };
    im.transform.solve(SpectralTransform::from(in, level_in), visit,
                       first ? SpectralTransform::to(s.accumulator) : SpectralTransform::add_to(s.accumulator, 1));
    first = false;
  }
  std::copy_n(s.accumulator.level(), s.layout->owned(), out.level(level_out));
}

}  // namespace wasserflow
