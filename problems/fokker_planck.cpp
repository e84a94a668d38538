#include "problems/fokker_planck.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "problems/reverse_process.hpp"

namespace wasserflow {
namespace {

bool timed(const FunctionPtr& f) { return f && f->depends_on_time(); }

void read_diffusion(const Parameters& p, int dim, FokkerPlanckEquation& equation) {
  const std::string doc =
      "D of div(D grad rho): a function (scalar; the temperature beta of the density exp(-V / beta)), one an axis, or the entries xx, yy, [zz,] xy[, "
      "xz, "
      "yz] of a symmetric tensor.";
  if (!p.has("diffusion")) {
    // Porous-medium equations do without.
    if (p.has("porous")) return;
    equation.diffusion = {read_function(p, "diffusion", doc, dim)};
  }
  equation.diffusion = p.is_array("diffusion") ? read_function_list(p, "diffusion", doc, dim) : std::vector{read_function(p, "diffusion", doc, dim)};
  const int count = static_cast<int>(equation.diffusion.size()), tensor = dim * (dim + 1) / 2;
  if (count != 1 && count != dim && count != tensor)
    p.fail("diffusion", fmt::format("expected 1 function, {} (one an axis) or {} (a symmetric tensor), got {}", dim, tensor, count));
  for (int k = 0; k < std::min(count, dim); ++k)
    if (const double* d = equation.diffusion[static_cast<std::size_t>(k)]->constant(); d != nullptr && !(*d >= 0 && std::isfinite(*d)))
      p.fail("diffusion", fmt::format("the diffusion must not be negative, got {}", *d));
  if (count > dim || (count == tensor && dim > 1 && count != dim)) {
    const auto value = [&](int k) { return equation.diffusion[static_cast<std::size_t>(k)]->constant(); };
    int k = dim;
    for (int a = 0; a < dim; ++a)
      for (int b = a + 1; b < dim; ++b, ++k)
        if (value(a) != nullptr && value(b) != nullptr && value(k) != nullptr && *value(a) * *value(b) < *value(k) * *value(k))
          p.fail("diffusion", "the tensor has a negative eigenvalue");
  }
}

}  // namespace

bool FokkerPlanckEquation::depends_on_time() const {
  return timed(potential) || timed(reaction) || std::ranges::any_of(drift, timed) || std::ranges::any_of(diffusion, timed);
}

FokkerPlanckEquation read_fokker_planck(const Parameters& root, const Grid& grid) {
  const int dim = grid.dim();
  const Parameters p = root.table("equation", "what is solved");
  FokkerPlanckEquation equation;
  std::string doc = "Equation:";
  std::vector<std::string> names;
  for (const auto& [name, what] : fokker_planck_types()) names.push_back(name), doc += " " + name + " (" + what + ");";
  doc.back() = '.';
  equation.type = p.choice("type", doc, names, equation.type);
  for (const Axis& axis : grid.axes())
    if (axis.boundary == Boundary::Extrapolate)
      root.table("grid", "").fail("boundary", "densities take the boundaries periodic, no_flux and dirichlet (absorbing), not extrapolate");
  if (equation.type != "fokker_planck") {
    const double final = root.table("time", "").real("final", "final time; the run begins at time 0", {}, Range::positive());
    if (equation.type == "forward_diffusion") return noising_diffusion(read_process(root, equation.type, final), dim);
    const ReverseProcess model = read_reverse_process(root, equation.type, dim, final);
    if (equation.type == "there_and_back") return noising_and_back(model);
    return equation.type == "reverse_diffusion" ? reverse_diffusion(model) : reverse_probability_flow(model);
  }
  if (p.has("potential")) equation.potential = read_function(p, "potential", "Potential V of the drift -grad V.", dim);
  if (p.has("drift")) equation.drift = read_functions(p, "drift", "Drift, a function an axis; -grad V and the nonlocal drifts are added to it.", dim);
  read_diffusion(p, dim, equation);
  if (p.has("reaction")) equation.reaction = read_function(p, "reaction", "Rate c of c rho: growth where it is positive.", dim);
  if (p.has("interaction")) {
    equation.interaction =
        read_function(p, "interaction",
                      "Interaction potential W of the drift -grad (W * rho): an even function of the displacement in the coordinates' names.", dim);
    if (equation.interaction->depends_on_time()) p.fail("interaction", "the interaction potential does not depend on t");
  }
  equation.chemotaxis = p.real("chemotaxis", "chi of the Keller-Segel drift chi grad S, -Lap S + decay S = rho.", 0.0, Range::nonnegative());
  if (equation.chemotaxis > 0) equation.decay = p.real("decay", "kappa of -Lap S + kappa S = rho.", 0.0, Range::nonnegative());
  if (p.has("porous")) {
    const Parameters porous = p.table("porous", "Diffusion Lap(a rho^m).");
    equation.porous_exponent = porous.real("exponent", "m of Lap(a rho^m).", {}, Range{1, 1e3, true, false});
    equation.porous_coefficient = porous.real("coefficient", "a of Lap(a rho^m).", 1.0, Range::positive());
  }
  return equation;
}

const std::vector<std::pair<std::string, std::string>>& fokker_planck_types() {
  static const std::vector<std::pair<std::string, std::string>> types{
      {"fokker_planck", "rho_t + div(rho b) = div(D grad rho) + Lap(a rho^m) + c rho, b = drift - grad V - grad(W * rho) + chi grad S"},
      {"forward_diffusion", "law of the noising diffusion in [process]; it starts from its law at t = 0"},
      {"reverse_diffusion", "law of the reverse of the noising diffusion in [process], drift g^2 s - f, in the time that runs back from its horizon"},
      {"there_and_back",
       "forward_diffusion up to the horizon of [process], then reverse_diffusion with the score of the initial density or another one"},
      {"probability_flow", "law of its probability flow, drift g^2 s / 2 - f, in the same time"}};
  return types;
}

}  // namespace wasserflow
