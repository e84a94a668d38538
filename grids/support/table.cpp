#include "grids/support/table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace wasserflow {

namespace {

std::string text_of(const Column& column, const IterationTable::Cell& cell) {
  if (const auto* n = std::get_if<std::int64_t>(&cell)) return std::to_string(*n);
  if (const auto* x = std::get_if<double>(&cell)) return fmt::format(fmt::runtime(column.format), *x);
  return std::get<std::string>(cell);
}

}  // namespace

IterationTable::IterationTable(Log& log, std::vector<Column> columns, Verbosity level, int header_every)
    : log_(&log), columns_(std::move(columns)), level_(level), header_every_(header_every), since_header_(header_every) {
  for (Column& c : columns_) c.width = std::max(c.width, static_cast<int>(c.title.size()));
}

std::string IterationTable::format_header() const {
  std::string s;
  for (const Column& c : columns_) s += fmt::format("{:>{}}", c.title, c.width + (s.empty() ? 0 : 2));
  return s;
}

std::string IterationTable::format_row(const std::vector<Cell>& cells) const {
  std::string s;
  for (std::size_t i = 0; i < columns_.size(); ++i)
    s += fmt::format("{:>{}}", i < cells.size() ? text_of(columns_[i], cells[i]) : "-", columns_[i].width + (i == 0 ? 0 : 2));
  return s;
}

void IterationTable::row(const std::vector<Cell>& cells) {
  if (!log_->shows(level_)) {
    if (log_->live()) log_->progress(format_row(cells));
    return;
  }
  if (since_header_ >= header_every_) {
    log_->row(format_header());
    since_header_ = 0;
  }
  log_->row(format_row(cells));
  ++since_header_;
}

}  // namespace wasserflow
