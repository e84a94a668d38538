#include "problems/reaction_diffusion_references.hpp"

#include <fmt/format.h>

#include <cmath>

#include "grids/support/registry_names.hpp"
#include "problems/formula.hpp"

namespace wasserflow {

namespace {

struct Given {
  const Parameters& p;
  const Grid& grid;
  const ReactionDiffusionEquation& equation;
};

/// a and b of an equation that has the fronts of the double well: a L u + b W'(u) with L = -Lap and nothing else.
std::pair<double, double> front_coefficients(const Given& g, bool any_metric) {
  const SpeciesTerms& u = g.equation.species.front();
  const auto fault = [&](const std::string& what) { g.p.fail("type", "this reference needs " + what); };
  if (g.equation.species.size() != 1 || g.equation.functionalised || g.equation.reaction || !u.potential)
    fault("an equation u_t = -G (a L u + b W'(u)) without reaction");
  if (u.potential->text() != make_double_well()->text()) fault("the potential 'double_well'");
  if (!any_metric && !u.G.empty()) fault("an equation without G, as Allen-Cahn's");
  const double* const sigma = u.L.size() == 1 && u.L[0].sigma ? u.L[0].sigma->constant() : nullptr;
  if (u.L.size() != 1 || u.L[0].mobility || (u.L[0].sigma && !sigma)) fault("L = -Lap with a constant coefficient");
  return {u.a * (sigma ? *sigma : 1), u.b};
}

struct Place {
  double shift;
  int axis;
  explicit Place(const Given& g) : shift(g.p.real("shift", "Position of the front at t = 0.", 0.0)) {
    std::vector<std::string> names{"x", "y", "z"};
    names.resize(static_cast<std::size_t>(g.grid.dim()));
    axis = g.p.choice("axis", "Axis across the front.", names, "x")[0] - 'x';
  }
};

std::vector<FunctionPtr> by_species(const Given& g, const std::string& what) {
  std::vector<FunctionPtr> functions;
  bool any = false;
  for (const SpeciesTerms& s : g.equation.species) {
    any = any || g.p.has(s.name);
    functions.push_back(g.p.has(s.name) ? read_function(g.p, s.name, "reference of " + s.name + ": " + what, g.grid.dim()) : nullptr);
  }
  if (!any) read_function(g.p, g.equation.species.front().name, "reference, one key a species: " + what, g.grid.dim());  // throws: it is not there
  return functions;
}

using Factory = std::vector<FunctionPtr> (*)(const Given&);

const Registry<Factory>& registry() {
  static const auto entries = [] {
    Registry<Factory> r("reference solution");
    r.add("none", "no reference solution: the report has no errors", [](const Given&) { return std::vector<FunctionPtr>{}; });
    r.add("travelling_wave", "Allen-Cahn with the double well: front from 1 to 0, (1 - tanh(sqrt(b/(8a)) (x - shift - s t)))/2, s = 3 sqrt(ab/2)",
          [](const Given& g) {
            const auto [a, b] = front_coefficients(g, false);
            const Place place(g);
            return std::vector<FunctionPtr>{make_travelling_wave(a, b, place.shift, place.axis)};
          });
    r.add("standing_wave", "resting interface of the double well, tanh((x - shift) sqrt(b/(2a)))", [](const Given& g) {
      const auto [a, b] = front_coefficients(g, true);
      const Place place(g);
      return std::vector<FunctionPtr>{make_standing_wave(a, b, place.shift, place.axis)};
    });
    r.add("formula", "a function of the coordinates and t for each species, under its name",
          [](const Given& g) { return by_species(g, "a function of the coordinates and t"); });
    r.add("dataset", "a field of an HDF5 file for each species, under its name, compared at the final time",
          [](const Given& g) { return by_species(g, "a field at the final time, { file = \"...\", dataset = \"...\" }"); });
    return r;
  }();
  return entries;
}

Formula tanh(const Formula& a) {
  const std::string name = "a";
  return Formula::parse("tanh(a)", {&name, 1}).substitute(name, a);
}

Formula coordinate(int axis) { return Formula::variable(std::string(1, "xyz"[axis])); }

}  // namespace

FunctionPtr make_travelling_wave(double a, double b, double shift, int axis) {
  const double speed = 3 * std::sqrt(a * b / 2);
  return make_formula(0.5 * (1 - tanh(std::sqrt(b / (8 * a)) * (coordinate(axis) - shift - speed * Formula::variable("t")))));
}

FunctionPtr make_standing_wave(double a, double b, double shift, int axis) {
  return make_formula(tanh(std::sqrt(b / (2 * a)) * (coordinate(axis) - shift)));
}

std::vector<FunctionPtr> read_reaction_diffusion_reference(const Parameters& reference, const Grid& grid, const ReactionDiffusionEquation& equation) {
  const std::string type = reference.choice("type", "Exact or reference solution that errors are measured against.", registry().names(), "none");
  return registry().find(reference, "type", type).make({reference, grid, equation});
}

const std::vector<std::pair<std::string, std::string>>& reaction_diffusion_reference_types() {
  static const NamesWithDocs types = names_with_docs(registry());
  return types;
}

}  // namespace wasserflow
