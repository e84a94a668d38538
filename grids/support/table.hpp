#pragma once
/// Tables of iterations and steps: fixed-width columns that a person can read while they grow.
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "grids/support/log.hpp"

namespace wasserflow {

/// One column: its title and how its numbers are written.
struct Column {
  std::string title;
  int width = 10;                 ///< at least this; the title's length is enough in any case
  std::string format = "{:.3e}";  ///< of real numbers; integers and texts are written plainly
};

/// Rows with a header that is repeated now and then. Does nothing on ranks other than 0. Below its verbosity a row is the log's live line, where
/// there is one.
class IterationTable {
 public:
  using Cell = std::variant<std::int64_t, double, std::string>;
  /// Rows are shown when the log's verbosity is at least `level`. The log must outlive the table.
  IterationTable(Log& log, std::vector<Column> columns, Verbosity level = Verbosity::Normal, int header_every = 40);

  /// True when a row would be shown: ask before computing costly columns (same answer on rank 0 only).
  bool shown() const { return log_->shows(level_) || log_->live(); }
  void row(const std::vector<Cell>& cells);
  /// Text of a row or of the header, without a line end.
  std::string format_row(const std::vector<Cell>& cells) const;
  std::string format_header() const;
  /// The next row starts with a header again.
  void restart_header() { since_header_ = header_every_; }

 private:
  Log* log_;
  std::vector<Column> columns_;
  Verbosity level_;
  int header_every_;
  int since_header_;
};

}  // namespace wasserflow
