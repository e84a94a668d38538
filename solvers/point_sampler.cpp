#include "solvers/point_sampler.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

namespace wasserflow {

void PointSampler::sample(const Field& f, int components, const std::vector<SpacePoint>& points, std::vector<double>& out) const {
  const auto ranks = static_cast<std::size_t>(layout_.ranks());
  const int dim = layout_.dim();
  std::vector<int> owner(points.size()), ask(ranks, 0), answer(ranks, 0);
  for (std::size_t i = 0; i < points.size(); ++i) {
    owner[i] = owner_of(points[i]);
    ++ask[static_cast<std::size_t>(owner[i])];
  }
  MPI_Alltoall(ask.data(), 1, MPI_INT, answer.data(), 1, MPI_INT, layout_.comm());
  const auto scaled = [ranks](const std::vector<int>& counts, int factor) {
    std::pair<std::vector<int>, std::vector<int>> out;  // counts, offsets
    int offset = 0;
    for (std::size_t r = 0; r < ranks; ++r) {
      out.first.push_back(factor * counts[r]);
      out.second.push_back(offset);
      offset += factor * counts[r];
    }
    return out;
  };
  const auto [ask_count, ask_offset] = scaled(ask, dim);
  const auto [answer_count, answer_offset] = scaled(answer, dim);
  std::vector<std::size_t> place(points.size());
  std::vector<int> filled(ranks, 0);
  std::vector<double> sent(points.size() * static_cast<std::size_t>(dim));
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto r = static_cast<std::size_t>(owner[i]);
    place[i] = static_cast<std::size_t>(ask_offset[r] / dim + filled[r]++);
    std::copy_n(points[i].begin(), dim, sent.begin() + static_cast<std::ptrdiff_t>(place[i]) * dim);
  }
  const auto asked = static_cast<std::size_t>((answer_offset.back() + answer_count.back()) / dim);
  std::vector<double> received(asked * static_cast<std::size_t>(dim));
  MPI_Alltoallv(sent.data(), ask_count.data(), ask_offset.data(), MPI_DOUBLE, received.data(), answer_count.data(), answer_offset.data(), MPI_DOUBLE,
                layout_.comm());
  std::vector<double> values(asked * static_cast<std::size_t>(components));
  for (std::size_t i = 0; i < asked; ++i)
    evaluate(f, components, received.data() + i * static_cast<std::size_t>(dim), values.data() + i * static_cast<std::size_t>(components));
  const auto [back_count, back_offset] = scaled(ask, components);
  const auto [give_count, give_offset] = scaled(answer, components);
  std::vector<double> back(points.size() * static_cast<std::size_t>(components));
  MPI_Alltoallv(values.data(), give_count.data(), give_offset.data(), MPI_DOUBLE, back.data(), back_count.data(), back_offset.data(), MPI_DOUBLE,
                layout_.comm());
  out.resize(back.size());
  for (std::size_t i = 0; i < points.size(); ++i)
    for (std::size_t c = 0; c < static_cast<std::size_t>(components); ++c)
      out[c * points.size() + i] = back[place[i] * static_cast<std::size_t>(components) + c];
}

PointSampler::Place PointSampler::locate(int d, double x) const {
  const Axis& axis = layout_.grid().axis(d);
  double u = (x - axis.lower) / axis.spacing() - axis.offset;
  if (axis.boundary == Boundary::Periodic) {
    u -= axis.cells * std::floor(u / axis.cells);
    if (nearest_) u = std::floor(u + 0.5);
    if (u >= axis.cells) u -= axis.cells;  // rounding of a point just below 0
  } else {
    u = std::clamp(u, 0.0, axis.cells - 1.0);
    if (nearest_) u = std::floor(u + 0.5);
  }
  const int index = static_cast<int>(u);
  return {index, u - index};
}

int PointSampler::owner_of(const SpacePoint& x) const {
  const int plane = locate(layout_.slow_axis(), x[static_cast<std::size_t>(layout_.slow_axis())]).index;
  int r = static_cast<int>((static_cast<std::int64_t>(plane) * layout_.ranks()) / layout_.slow_cells());
  while (plane < layout_.first_of(r)) --r;
  while (plane >= layout_.first_of(r + 1)) ++r;
  return r;
}

void PointSampler::evaluate(const Field& f, int components, const double* x, double* out) const {
  // Corner offsets and weights, doubled an axis; nodes along the slow axis may lie in the ghost plane above.
  std::array<std::ptrdiff_t, 8> offset{};
  std::array<double, 8> weight{1.0};
  std::size_t corners = 1;
  std::ptrdiff_t stride = 1;
  for (int d = 0; d < layout_.dim(); ++d) {
    const auto [index, fraction] = locate(d, x[d]);
    const int n = layout_.grid().cells(d);
    const bool slow = d == layout_.slow_axis();
    const int low = slow ? index - layout_.first() : index;
    const int high = fraction == 0 ? low : slow ? low + 1 : (index + 1) % n;
    for (std::size_t c = 0; c < corners; ++c) {
      offset[corners + c] = offset[c] + high * stride;
      weight[corners + c] = weight[c] * fraction;
      offset[c] += low * stride;
      weight[c] *= 1 - fraction;
    }
    corners *= 2;
    stride *= n;
  }
  for (int k = 0; k < components; ++k) {
    double sum = 0;
    for (std::size_t c = 0; c < corners; ++c) sum += weight[c] * f.level(k)[offset[c]];
    out[k] = sum;
  }
}

bool keep_inside(const Grid& grid, SpacePoint& x) {
  for (int d = 0; d < grid.dim(); ++d) {
    const Axis& axis = grid.axis(d);
    double& s = x[static_cast<std::size_t>(d)];
    if (s >= axis.lower && s <= axis.upper) continue;
    if (axis.boundary == Boundary::NoFlux) {
      const double u = std::fmod(std::abs(s - axis.lower), 2 * axis.length());
      s = axis.lower + (u > axis.length() ? 2 * axis.length() - u : u);
    } else if (axis.boundary == Boundary::Dirichlet) {
      s = std::clamp(s, axis.lower, axis.upper);
      return false;
    }
  }
  return true;
}

}  // namespace wasserflow
