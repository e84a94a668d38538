#include "solvers/anderson_mixing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "grids/reduce.hpp"

namespace wasserflow {
namespace {
constexpr double smallest = 1e-10;  // squared sine of the angle between a difference and the newer ones below which it is left out
std::size_t index(int i) { return static_cast<std::size_t>(i); }
}  // namespace

AndersonMixing::AndersonMixing(int memory, const std::vector<const Field*>& like) : memory_(memory), gamma_(memory, smallest) {
  const auto make = [&] {
    std::vector<Field> fields;
    for (const Field* f : like) fields.emplace_back(f->layout_ptr(), f->levels());
    return fields;
  };
  for (int j = 0; j < memory; ++j) {
    dx_.push_back(make());
    df_.push_back(make());
  }
  last_x_ = make();
  last_f_ = make();
}

double AndersonMixing::product(const std::vector<Field>& a, const std::vector<Field>& b, const std::vector<double>& weight) const {
  double total = 0;
  for (std::size_t s = 0; s < a.size(); ++s)
    for (int level = 0; level < a[s].levels(); ++level) {
      const double *u = a[s].level(level), *v = b[s].level(level);
      const auto part = sum_rows<1>(a[s].layout(), [&](std::ptrdiff_t offset, int n) {
        std::array<double, 1> sum{};
        for (std::ptrdiff_t i = offset; i < offset + n; ++i) sum[0] += u[i] * v[i];
        return sum;
      });
      total += weight[s] * weight[s] * part[0];
    }
  return total;
}

/// gamma of the differences that stand and of the last f.
void AndersonMixing::fit(const std::vector<double>& weight) {
  const auto m = index(memory_);
  std::vector<double> gram(m * m), right(m);
  for (std::size_t i = 0; i < index(kept_); ++i) {
    right[i] = product(df_[i], last_f_, weight);
    for (std::size_t j = 0; j <= i; ++j) gram[i * m + j] = gram[j * m + i] = product(df_[i], df_[j], weight);
  }
  gamma_.solve(gram, right, kept_, newest_);
}

void AndersonMixing::step(const std::vector<Field*>& x, const std::vector<const Field*>& g, const std::vector<double>& weight, double damping) {
  if (begun_ && memory_ > 0) newest_ = kept_ > 0 ? (newest_ + 1) % memory_ : 0;
  for (std::size_t s = 0; s < x.size(); ++s)
    for (int level = 0; level < x[s]->levels(); ++level) {
      const double *now = x[s]->level(level), *to = g[s]->level(level);
      double *before = last_x_[s].level(level), *miss = last_f_[s].level(level);
      double* const dx = begun_ && memory_ > 0 ? dx_[index(newest_)][s].level(level) : nullptr;
      double* const df = dx ? df_[index(newest_)][s].level(level) : nullptr;
      for (std::ptrdiff_t i = 0; i < x[s]->layout().owned(); ++i) {
        const double f = to[i] - now[i];
        if (dx) {
          dx[i] = now[i] - before[i];
          df[i] = f - miss[i];
        }
        before[i] = now[i];
        miss[i] = f;
      }
    }
  if (begun_) kept_ = std::min(kept_ + 1, memory_);
  begun_ = true;
  fit(weight);
  const std::vector<int>& used = gamma_.slots();
  for (std::size_t s = 0; s < x.size(); ++s)
    for (int level = 0; level < x[s]->levels(); ++level) {
      double* out = x[s]->level(level);
      const double* miss = last_f_[s].level(level);
      const std::ptrdiff_t n = x[s]->layout().owned();
      for (std::ptrdiff_t i = 0; i < n; ++i) out[i] += damping * miss[i];
      for (std::size_t j = 0; j < used.size(); ++j) {
        const double *dx = dx_[index(used[j])][s].level(level), *df = df_[index(used[j])][s].level(level);
        const double gamma = gamma_.weights()[j];
        for (std::ptrdiff_t i = 0; i < n; ++i) out[i] -= gamma * (dx[i] + damping * df[i]);
      }
    }
}

std::vector<std::pair<std::string, Field*>> AndersonMixing::state_fields() {
  std::vector<std::pair<std::string, Field*>> fields;
  const auto add = [&](const std::string& name, std::vector<Field>& all) {
    for (std::size_t s = 0; s < all.size(); ++s) fields.emplace_back(fmt::format("{}{}", name, s), &all[s]);
  };
  for (std::size_t j = 0; j < dx_.size(); ++j) {
    add(fmt::format("dx{}_", j), dx_[j]);
    add(fmt::format("df{}_", j), df_[j]);
  }
  add("x_", last_x_);
  add("f_", last_f_);
  return fields;
}

void AndersonMixing::restore(const std::vector<double>& counters) {
  kept_ = static_cast<int>(counters.at(0));
  newest_ = static_cast<int>(counters.at(1));
  begun_ = counters.at(2) != 0;
}

}  // namespace wasserflow
