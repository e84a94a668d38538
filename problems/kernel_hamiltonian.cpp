#include "problems/kernel_hamiltonian.hpp"

#include <fmt/format.h>

#include "grids/support/errors.hpp"

namespace wasserflow {

void CoefficientTables::bind(const LayoutPtr& layout, std::span<const double> times) {
  tables_.clear();
  for (const FunctionPtr& f : functions_) tables_.emplace_back(f, layout, times);
  layout_ = layout;
  times_.assign(times.begin(), times.end());
}

void CoefficientTables::set_times(std::span<const double> times) {
  for (Tabulated& table : tables_) table.set_times(times);
  times_.assign(times.begin(), times.end());
}

void CoefficientTables::require_nonnegative(const std::string& name) const {
  const auto check = [&](double value, double x, const RowPoints& p) {
    if (value >= 0) return;
    throw InputError(
        fmt::format("the Hamiltonian '{}' is not convex: its coefficient is {:g} at x = {:g}, y = {:g}, z = {:g}, t = {:g}; explicit schemes "
                    "take one that is not convex as a formula with closed_form = false",
                    name, value, x, p.y, p.z, p.t));
  };
  check_all(layout_->comm(), [&] {
    for (const Tabulated& table : tables_) {
      RowPoints p;
      if (table.is_constant()) {
        check(table.value(), 0, p);
        continue;
      }
      for (std::size_t k = 0; k < times_.size(); ++k)
        for (int r = 0; r < layout_->rows(); ++r) {
          p = layout_->row(r);
          p.level = static_cast<int>(k);
          p.t = times_[k];
          const double* const values = table.row(p);
          double least = 0;
          for (int i = 0; i < p.n; ++i) least = values[i] < least ? values[i] : least;
          for (int i = 0; least < 0 && i < p.n; ++i) check(values[i], p.x[i], p);
        }
    }
  });
}

CoefficientTables::Row::Row(const CoefficientTables& tables, const RowPoints& p) {
  for (std::size_t k = 0; k < tables.tables_.size(); ++k) {
    const Tabulated& table = tables.tables_[k];
    if (table.is_constant())
      constants_[k] = table.value();
    else
      pointers_[k] = table.row(p);
  }
  row_ = {p.n, p.x, p.y, p.z, p.t, pointers_.data(), constants_.data()};
}

}  // namespace wasserflow
