#include "problems/kernel_hamiltonian.hpp"

#include "grids/support/errors.hpp"

namespace wasserflow {

void CoefficientTables::bind(const LayoutPtr& layout, std::span<const double> times) {
  tables_.clear();
  for (const FunctionPtr& f : functions_) tables_.emplace_back(f, layout, times);
}

void CoefficientTables::set_times(std::span<const double> times) {
  for (Tabulated& table : tables_) table.set_times(times);
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
