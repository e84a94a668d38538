#pragma once
/// Functions of (x, y, z, t): coefficients, initial data, obstacles, exact solutions. In a problem file each may be a number, a formula
/// (text, with the names of a table `constants` beside it; or `{ formula = "...", constants = { a = 1 } }`), a named family (a table with `type`), or
/// an HDF5 dataset (`{ file = "...", dataset = "..." }`) of shape (nz, ny, nx) on the same grid; leading extents of 1 may be left out.
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "grids/field.hpp"
#include "grids/slab_layout.hpp"
#include "grids/support/parameters.hpp"

namespace wasserflow {

class Formula;

/// A scalar function of space and time, evaluated over rows of points.
class Function {
 public:
  virtual ~Function() = default;
  /// out[i] = f(p.x[i], p.y, p.z, p.t), i < p.n. Thread-compatible, not collective.
  virtual void evaluate(const RowPoints& p, double* out) const = 0;
  virtual bool depends_on_time() const = 0;
  /// Values on the nodes of the grid it is bound to, from a file: polynomials of third degree between them.
  virtual bool on_nodes() const { return false; }
  /// The value, when the function is one number.
  virtual const double* constant() const { return nullptr; }
  /// For data that come from a file on a grid: collective preparation before evaluate. Default: nothing.
  /// @note Collective.
  virtual void bind(const SlabLayout&) {}
  /// As it would stand in a problem file (TOML), for resolved.toml and messages; "" when it can not.
  virtual std::string text() const { return ""; }
  /// Value at one point, for set-up and tests. InternalError for data from a file that are not bound to a grid.
  double at(double x, double y, double z, double t) const;
};

using FunctionPtr = std::shared_ptr<Function>;

FunctionPtr make_constant(double value);
/// Formula in x, y, z, t and the constants; throws InputError with `where` shifted to the column of the fault.
FunctionPtr make_formula(const std::string& text, const std::vector<std::pair<std::string, double>>& constants = {}, Location where = {});

/// The same from a formula at hand; it may depend on x, y, z, t only.
FunctionPtr make_formula(const Formula& formula);
/// Values on a grid from an HDF5 file; bind reads this rank's part. Errors (InputError, on all ranks alike): no such file or dataset, not numbers,
/// another shape than the grid's, values that are not finite. `thinned`: the grid may be smaller than the dataset, of which every n-th value is taken
/// then.
FunctionPtr make_dataset(const std::string& file, const std::string& dataset, Location where = {}, bool thinned = false);

/// Sum of functions; 0 for none.
FunctionPtr make_sum(std::vector<FunctionPtr> terms);
/// Uniform noise in (mean - amplitude, mean + amplitude), independent from point to point: a hash of the seed and the bits of the coordinates, so
/// that a value depends neither on ranks nor on the order of evaluation.
FunctionPtr make_noise(double amplitude, double mean, std::uint64_t seed);

/// Named families: from a table and the dimension to a function. For read_function and --describe.
const Registry<std::function<FunctionPtr(const Parameters&, int dim)>>& function_families();
/// A table (TOML text) that makes a function of the family, in any dimension.
std::string function_family_example(const std::string& name);

/// Reads the function under `key` of `p` in any of the forms above. `fallback`: used when the key is absent (required when nullptr).
/// `dim` names the variables that are allowed (x; x,y; x,y,z) besides t.
FunctionPtr read_function(const Parameters& p, const std::string& key, const std::string& doc, int dim, FunctionPtr fallback = nullptr);
/// Any number of functions: an array, or a single one.
std::vector<FunctionPtr> read_function_list(const Parameters& p, const std::string& key, const std::string& doc, int dim);
/// One function an axis: an array, or a single function for all of them.
std::vector<FunctionPtr> read_functions(const Parameters& p, const std::string& key, const std::string& doc, int dim, FunctionPtr fallback = nullptr);

/// Values at the owned points of level `level` at time t. A function that reads a file must be bound to the field's layout.
void fill(Field& field, int level, const Function& f, double t);

/// A coefficient tabulated at the owned points of a layout, for sweeps: one number, one table, or one table a level.
class Tabulated {
 public:
  Tabulated() = default;
  /// Tables at the given times (one table when the function does not depend on time, none when it is constant). Throws InputError on all ranks when a
  /// value is not finite.
  /// @note Collective (binds functions that read files).
  Tabulated(FunctionPtr f, LayoutPtr layout, std::span<const double> times);
  /// Tabulates anew at other times, same number of levels. Does nothing when time does not matter.
  /// @note Collective.
  void set_times(std::span<const double> times);
  bool is_constant() const { return !table_; }
  double value() const { return value_; }
  /// Pointer to the value at the first point of the row (not for constants).
  const double* row(const RowPoints& p) const { return table_.level(table_.levels() > 1 ? p.level : 0) + p.offset; }
  double max_abs() const { return max_abs_; }  ///< over all ranks and levels

 private:
  void tabulate(std::span<const double> times);
  FunctionPtr f_;
  Field table_;
  double value_ = 0;
  double max_abs_ = 0;
};

}  // namespace wasserflow
