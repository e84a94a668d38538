#include "problems/coupling.hpp"
#include "problems/coupling_terms.hpp"
#include "problems/read_formula.hpp"

namespace wasserflow {

namespace {

struct CouplingType {
  std::string name, doc, example;
  CouplingReader read;
};

CoefficientOrigin origin(const Parameters& p, const std::string& key) { return {p.path(key), p.location(key)}; }

const std::vector<CouplingType>& types() {
  static const std::vector<CouplingType> all{
      {"none", "F = 0", "", [](Coupling&, const Parameters&, int) {}},
      {"potential", "F = V(x,t) rho, V of any sign", "V = \"x^2/2\"",
       [](Coupling& c, const Parameters& p, int dim) { c.add_potential(read_function(p, "V", "Potential V(x,t) in F = V rho", dim)); }},
      {"entropy", "F = gamma rho ln rho", "gamma = 0.2",
       [](Coupling& c, const Parameters& p, int dim) {
         c.add_entropy(read_function(p, "gamma", "gamma(x,t) in F = gamma rho ln rho; not negative", dim, make_constant(1)), origin(p, "gamma"));
       }},
      {"power", "F = c rho^s with s > 1", "exponent = 2",
       [](Coupling& c, const Parameters& p, int dim) {
         const double s = p.real("exponent", "s in F = c rho^s", 2.0, Range{1, std::numeric_limits<double>::infinity(), true, false});
         c.add_power(read_function(p, "coefficient", "c(x,t) in F = c rho^s; not negative", dim, make_constant(1)), s, origin(p, "coefficient"));
       }},
      {"quadratic", "F = d/2 (rho - target(x,t))^2", "target = \"1\"",
       [](Coupling& c, const Parameters& p, int dim) {
         FunctionPtr d = read_function(p, "coefficient", "d(x,t) in F = d/2 (rho - target)^2; not negative", dim, make_constant(1));
         c.add_quadratic(std::move(d), read_function(p, "target", "Density that rho is pulled to", dim), origin(p, "coefficient"));
       }},
      {"kl", "F = d (rho ln(rho/target) - rho + target): Kullback-Leibler distance from a target", "target = \"1\"",
       [](Coupling& c, const Parameters& p, int dim) {
         FunctionPtr d = read_function(p, "coefficient", "d(x,t) in F = d KL(rho, target); not negative", dim, make_constant(1));
         c.add_kl(std::move(d), read_function(p, "target", "Density that rho is pulled to; not negative", dim), origin(p, "coefficient"),
                  origin(p, "target"));
       }},
      {"capacity", "rho <= maximum(x,t)", "maximum = 2",
       [](Coupling& c, const Parameters& p, int dim) {
         c.add_capacity(read_function(p, "maximum", "Largest density rho(x,t); not negative", dim), origin(p, "maximum"));
       }},
      {"formula", "F as a formula in x, y, z, t, rho, convex in rho", "F = \"rho*log(rho) + rho^3\"",
       [](Coupling& c, const Parameters& p, int dim) {
         std::vector<std::string> variables{"rho"};
         for (int d = 0; d < dim; ++d) variables.push_back(std::string(1, "xyz"[d]));
         variables.push_back("t");
         const Formula f =
             read_formula(p, "F", "Formula of F in x, y, z, t and the density rho; convex in rho on rho > 0", variables, read_constants(p));
         c.add(make_formula_term(f, p.location("F")));
       }},
  };
  return all;
}

}  // namespace

const Registry<CouplingReader>& coupling_types() {
  static const Registry<CouplingReader> registry = [] {
    Registry<CouplingReader> r("coupling");
    for (const CouplingType& t : types()) r.add(t.name, t.doc, t.read);
    return r;
  }();
  return registry;
}

std::string coupling_example(const std::string& type) {
  for (const CouplingType& t : types())
    if (t.name == type) return "type = \"" + type + "\"\n" + t.example + "\n";
  throw InternalError("no coupling '" + type + "'");
}

Coupling read_coupling(const Parameters& p, const std::string& key, const std::string& doc, int dim) {
  Coupling c;
  const auto read = [&](const Parameters& table) {
    const std::string type = table.text("type", "Name of the coupling; several as an array of tables add up", "none");
    coupling_types().find(table, "type", type).make(c, table, dim);
  };
  if (!p.is_array(key)) {
    read(p.table(key, doc));
    return c;
  }
  for (int i = 0; i < p.array_size(key); ++i) read(p.element(key, i, doc));
  return c;
}

}  // namespace wasserflow
