// What [reference] of a problem file may say, by name.
#include "problems/exact_solutions.hpp"

namespace wasserflow {

namespace {

struct Given {
  const Parameters& p;
  const Grid& grid;
  const FunctionPtr& initial;
  double diffusion;
};

using Factory = FunctionPtr (*)(const Given&);

void need_no_diffusion(const Given& given) {
  if (given.diffusion != 0) given.p.fail("type", "this reference solution holds without diffusion only");
}

FunctionPtr hopf_lax_by_keys(const Given& given) {
  need_no_diffusion(given);
  const std::string norm =
      given.p.choice("hamiltonian", "Hamiltonian of the Hopf-Lax formula: sum |p_d|^power / power, a norm of p, or the quadratic form of a matrix",
                     {"power", "l1", "l2", "anisotropic"}, "power");
  if (norm == "anisotropic") {
    const std::vector<double> a = given.p.reals("matrix", "A = [[xx, xy], [xy, yy]] of H = p . A p / 2 as [xx, xy, yy]", 3);
    return make_hopf_lax_anisotropic(given.grid, given.initial, {a[0], a[1], a[2]});
  }
  const double speed = given.p.real("speed", "constant factor of the Hamiltonian", 1.0, Range::positive());
  if (norm == "l2") return make_hopf_lax_l2(given.grid, given.initial, speed);
  const double power = norm == "l1" ? 1.0 : given.p.real("power", "exponent of the Hamiltonian", 2.0, {.lower = 1, .lower_open = true});
  return make_hopf_lax(given.grid, given.initial, {.power = power, .speed = speed});
}

const Registry<Factory>& catalogue() {
  static const Registry<Factory> entries = [] {
    Registry<Factory> r("reference solution");
    r.add("none", "no reference solution: the report has no errors", [](const Given&) -> FunctionPtr { return nullptr; });
    r.add("quadratic_variable_speed", "H = sum a(x_d)^2 p_d^2 / 2, a(z) = (z-1)^2 + 0.1 on periodic [0, 2]^d, no diffusion, separable initial data",
          [](const Given& g) {
            need_no_diffusion(g);
            return make_quadratic_variable_speed(g.grid, g.initial);
          });
    r.add("onehomogeneous_variable_speed", "H = sum a(x_d) |p_d|, a(z) = (z-1)^2 + 0.1 on periodic [0, 2]^d, no diffusion, separable initial data",
          [](const Given& g) {
            need_no_diffusion(g);
            return make_onehomogeneous_variable_speed(g.grid, g.initial);
          });
    r.add("hopf_lax",
          "H = speed sum |p_d|^power / power, speed |p|_1, speed |p|_2 (at most 2-D), or p . A p / 2 (2-D); no diffusion; separable initial data but "
          "for the last",
          hopf_lax_by_keys);
    r.add("hopf_cole", "H = |p|^2 / 2 with diffusion, separable initial data", [](const Given& g) {
      if (!(g.diffusion > 0)) g.p.fail("type", "the Hopf-Cole solution needs a positive diffusion");
      return make_hopf_cole(g.grid, g.initial, g.diffusion);
    });
    r.add("newton", "H = p_v^2 / 2 - v p_q with x = v (unbounded), y = q, no diffusion", [](const Given& g) {
      need_no_diffusion(g);
      return make_newton(g.grid, g.initial);
    });
    r.add("formula", "a formula in the coordinates and t",
          [](const Given& g) { return read_function(g.p, "phi", "reference solution, a function of the coordinates and t", g.grid.dim()); });
    r.add("dataset", "a field of an HDF5 file, compared at the final time", [](const Given& g) {
      return read_function(g.p, "phi", "reference field at the final time: { file = \"...\", dataset = \"...\" }", g.grid.dim());
    });
    r.add("fine_grid", "the explicit WENO5 scheme on a grid `refinement` times as fine, for problems without a closed form",
          [](const Given& g) -> FunctionPtr {
            fine_grid_refinement(g.p);
            return nullptr;
          });
    return r;
  }();
  return entries;
}

std::string reference_doc() {
  std::string doc = "exact or reference solution that errors are measured against:";
  for (const auto& [name, entry] : catalogue().entries()) doc += " " + name + " (" + entry.doc + ");";
  doc.back() = '.';
  return doc;
}

}  // namespace

int fine_grid_refinement(const Parameters& reference) {
  if (reference.text("type", reference_doc(), "none") != "fine_grid") return 0;
  return reference.integer("refinement", "cells of the reference's grid a cell of this one, along each axis", 2, Range::between(1, 16));
}

FunctionPtr read_reference(const Parameters& reference, const Grid& grid, const FunctionPtr& initial, double diffusion) {
  const std::string type = reference.text("type", reference_doc(), "none");
  const auto& entry = catalogue().find(reference, "type", type);
  try {
    return entry.make({reference, grid, initial, diffusion});
  } catch (const InputError& e) {  // the solutions themselves do not know the file
    if (e.where().file.empty()) reference.fail("type", e.what());
    throw;
  }
}

}  // namespace wasserflow
