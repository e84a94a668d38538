#include "problems/hamiltonian.hpp"

#include "problems/catalogue.hpp"

namespace wasserflow {

namespace {
class Sum final : public Function {
 public:
  Sum(FunctionPtr a, FunctionPtr b) : a_(std::move(a)), b_(std::move(b)) {}
  bool depends_on_time() const override { return a_->depends_on_time() || b_->depends_on_time(); }
  void bind(const SlabLayout& layout) override {
    a_->bind(layout);
    b_->bind(layout);
  }
  void evaluate(const RowPoints& p, double* out) const override {
    std::vector<double> other(static_cast<std::size_t>(p.n));
    a_->evaluate(p, out);
    b_->evaluate(p, other.data());
    for (int i = 0; i < p.n; ++i) out[i] += other[static_cast<std::size_t>(i)];
  }

 private:
  FunctionPtr a_, b_;
};
FunctionPtr sum_of(FunctionPtr a, FunctionPtr b) { return std::make_shared<Sum>(std::move(a), std::move(b)); }
}  // namespace

HamiltonianTerms read_hamiltonian(const Parameters& p, int dim) {
  const std::string type = p.text("type", "Name of the Hamiltonian H(x, t, p), convex in p", "quadratic");
  HamiltonianTerms terms = catalogue().hamiltonians.find(p, "type", type).make(p, dim);
  if (p.has("drift")) {
    const std::vector<FunctionPtr> drift = read_functions(p, "drift", "Drift b(x,t), one function an axis: H += b . p", dim);
    for (std::size_t d = 0; d < drift.size(); ++d)
      if (terms.drift.size() <= d)
        terms.drift.push_back(drift[d]);
      else
        terms.drift[d] = sum_of(terms.drift[d], drift[d]);
  }
  if (p.has("potential")) {
    const FunctionPtr potential = read_function(p, "potential", "Potential f(x,t): H += f", dim);
    terms.potential = terms.potential ? sum_of(terms.potential, potential) : potential;
  }
  return terms;
}

}  // namespace wasserflow
