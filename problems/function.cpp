#include "problems/function.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "grids/reduce.hpp"
#include "problems/formula.hpp"
#include "problems/read_formula.hpp"

namespace wasserflow {

namespace {

const std::vector<std::string> coordinates{"x", "y", "z", "t"};

std::string number_text(double x) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, x);
  return {buffer, result.ptr};
}

std::string quoted(const std::string& text) {
  std::string s = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') s += '\\';
    if (c == '\n')
      s += "\\n";
    else if (c == '\t')
      s += "\\t";
    else if (c != '\r')
      s += c;
  }
  return s + "\"";
}

class Constant : public Function {
 public:
  explicit Constant(double value) : value_(value) {}
  void evaluate(const RowPoints& p, double* out) const override { std::fill_n(out, p.n, value_); }
  bool depends_on_time() const override { return false; }
  const double* constant() const override { return &value_; }
  std::string text() const override { return number_text(value_); }

 private:
  double value_;
};

class FormulaFunction : public Function {
 public:
  FormulaFunction(const Formula& formula, std::string text)
      : program_({&formula, 1}, coordinates), depends_on_time_(formula.depends_on("t")), text_(std::move(text)) {}
  void evaluate(const RowPoints& p, double* out) const override {
    const Argument in[] = {p.x, p.y, p.z, p.t};
    program_.evaluate(p.n, in, &out);
  }
  bool depends_on_time() const override { return depends_on_time_; }
  std::string text() const override { return quoted(text_); }

 private:
  Program program_;
  bool depends_on_time_;
  std::string text_;
};

FunctionPtr from_formula(const Formula& formula, const std::string& text) {
  if (const std::optional<double> value = formula.constant()) return make_constant(*value);
  return std::make_shared<FormulaFunction>(formula, text);
}

/// The formula that is the value of `key`: in the first `dim` coordinates and t.
FunctionPtr read_formula_function(const Parameters& p, const std::string& key, const std::string& doc, int dim, const NamedConstants& constants) {
  std::vector<std::string> variables(coordinates.begin(), coordinates.begin() + dim);
  variables.emplace_back("t");
  const Formula formula = read_formula(p, key, doc, variables, constants);
  return from_formula(formula, p.text(key, doc));
}

FunctionPtr read_table(const Parameters& p, const std::string& key, const std::string& doc, int dim) {
  const Parameters t = p.table(key, doc);
  if (t.has("file") || t.has("dataset")) {
    const std::string file_doc = "HDF5 file, relative to the problem file.";
    const std::filesystem::path given = t.text("file", file_doc);
    const std::string file = (given.is_absolute() ? given : std::filesystem::path(t.directory()) / given).lexically_normal().string();
    // resolved.toml stands in another directory and must find the file from there.
    t.record("file", "text", quoted(std::filesystem::absolute(file).string()), file_doc);
    const std::string dataset = t.text("dataset", "Path of the dataset of shape (nz, ny, nx) in the file.");
    return make_dataset(file, dataset, t.location("file"), t.limited());
  }
  if (t.has("formula")) return read_formula_function(t, "formula", "Formula in the coordinates, t and the constants.", dim, read_constants(t));
  if (!t.has("type")) p.fail(key, "a table that stands for a function has 'type' (a named family), 'formula', or 'file' and 'dataset'");
  const auto& families = function_families();
  const std::string type = t.choice("type", "Family of the function.", families.names());
  return families.find(t, "type", type).make(t, dim);
}

/// The value of `key`, which is there.
FunctionPtr read_value(const Parameters& p, const std::string& key, const std::string& doc, int dim, const NamedConstants& constants,
                       const std::string& fallback) {
  if (p.is_table(key)) return read_table(p, key, doc, dim);
  if (!p.is_number(key) && !p.is_text(key))
    p.fail(key, "expected a function: a number, a formula in quotes, or a table with 'type', 'formula', or 'file' and 'dataset' (" + doc + ")");
  const FunctionPtr f = p.is_number(key) ? make_constant(p.real(key, doc)) : read_formula_function(p, key, doc, dim, constants);
  p.record(key, "function", p.is_number(key) ? f->text() : quoted(p.text(key, doc)), doc, fallback);
  return f;
}

}  // namespace

double Function::at(double x, double y, double z, double t) const {
  RowPoints p;
  p.n = 1;
  p.x = &x;
  p.y = y;
  p.z = z;
  p.t = t;
  p.offset = -1;  // no point of a grid
  double value = 0;
  evaluate(p, &value);
  return value;
}

FunctionPtr make_constant(double value) { return std::make_shared<Constant>(value); }

FunctionPtr make_formula(const std::string& text, const std::vector<std::pair<std::string, double>>& constants, Location where) {
  return from_formula(Formula::parse(text, coordinates, constants, std::move(where)), text);
}

FunctionPtr make_formula(const Formula& formula) { return from_formula(formula, formula.text()); }

FunctionPtr read_function(const Parameters& p, const std::string& key, const std::string& doc, int dim, FunctionPtr fallback) {
  if (p.has(key)) return read_value(p, key, doc, dim, read_constants(p), fallback ? fallback->text() : "");
  if (!fallback) return make_constant(p.real(key, doc));  // not there: the error of a required key
  if (const std::string text = fallback->text(); !text.empty()) p.record(key, "function", text, doc, text);
  return fallback;
}

std::vector<FunctionPtr> read_function_list(const Parameters& p, const std::string& key, const std::string& doc, int dim) {
  const NamedConstants constants = read_constants(p);
  std::vector<FunctionPtr> functions;
  for (int k = 0; k < p.array_size(key); ++k) functions.push_back(read_value(p.element(key, k, doc), "", doc, dim, constants, ""));
  return functions;
}

std::vector<FunctionPtr> read_functions(const Parameters& p, const std::string& key, const std::string& doc, int dim, FunctionPtr fallback) {
  if (!p.is_array(key)) return std::vector<FunctionPtr>(static_cast<std::size_t>(dim), read_function(p, key, doc, dim, fallback));
  if (p.array_size(key) != dim)
    p.fail(key, "expected " + std::to_string(dim) + " functions, one an axis, got " + std::to_string(p.array_size(key)) + " (" + doc + ")");
  return read_function_list(p, key, doc, dim);
}

void fill(Field& field, int level, const Function& f, double t) {
  const SlabLayout& layout = field.layout();
  for (int r = 0; r < layout.rows(); ++r) {
    RowPoints p = layout.row(r);
    p.t = t;
    p.level = level;
    f.evaluate(p, field.level(level) + p.offset);
  }
}

Tabulated::Tabulated(FunctionPtr f, LayoutPtr layout, std::span<const double> times) : f_(std::move(f)) {
  if (const double* value = f_->constant()) {
    value_ = *value;
    max_abs_ = std::fabs(value_);
    if (!std::isfinite(value_)) throw InputError("the coefficient " + f_->text() + " is not finite");
    return;
  }
  f_->bind(*layout);
  table_ = Field(std::move(layout), f_->depends_on_time() ? static_cast<int>(times.size()) : 1);
  tabulate(times);
}

void Tabulated::set_times(std::span<const double> times) {
  if (is_constant() || !f_->depends_on_time()) return;
  if (static_cast<int>(times.size()) != table_.levels())
    throw InternalError("a coefficient tabulated at " + std::to_string(table_.levels()) + " times was given " + std::to_string(times.size()));
  tabulate(times);
}

void Tabulated::tabulate(std::span<const double> times) {
  double largest = 0;
  const SlabLayout& layout = table_.layout();
  check_all(layout.comm(), [&] {
    for (int k = 0; k < table_.levels(); ++k) {
      const double t = times.empty() ? 0 : times[static_cast<std::size_t>(k)];
      fill(table_, k, *f_, t);
      for (int r = 0; r < layout.rows(); ++r) {
        const RowPoints p = layout.row(r);
        const double* const values = table_.level(k) + p.offset;
        for (int i = 0; i < p.n; ++i) {
          if (!std::isfinite(values[i])) {
            std::string place = "x = " + number_text(p.x[i]);
            if (layout.dim() > 1) place += ", y = " + number_text(p.y);
            if (layout.dim() > 2) place += ", z = " + number_text(p.z);
            if (f_->depends_on_time()) place += ", t = " + number_text(t);
            throw InputError("the coefficient " + f_->text() + " is not finite at " + place);
          }
          largest = std::max(largest, std::fabs(values[i]));
        }
      }
    }
  });
  max_abs_ = global_max(layout.comm(), largest);
}

}  // namespace wasserflow
