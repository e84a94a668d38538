#include "problems/mobility.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "grids/support/errors.hpp"
#include "problems/coupling_terms.hpp"
#include "problems/monotone_root.hpp"
#include "problems/read_formula.hpp"

namespace wasserflow {

double Mobility::maximum() const { return std::numeric_limits<double>::infinity(); }

namespace {

class PowerMobility final : public Mobility {
 public:
  explicit PowerMobility(double beta) : beta_(beta) {}
  bool singular() const override { return beta_ > 0 && beta_ < 1; }
  void evaluate(int n, const double* r, double* v, double* dv, double* ddv) const override {
    for (int i = 0; i < n; i += 8) {
      const Pack8 rho = load8(r + i), value = beta_ == 0 ? Pack8{} + 1.0 : exp8(beta_ * log8(rho)), slope = beta_ * value / rho;
      if (v) store8(v + i, value);
      if (dv) store8(dv + i, slope);
      if (ddv) store8(ddv + i, (beta_ - 1) * slope / rho);
    }
  }

 private:
  double beta_;
};

const std::vector<std::string> density{"rho"};

/// Beyond its maximum continued by the tangent there in V' and by 0 in V.
class FormulaMobility final : public Mobility {
 public:
  FormulaMobility(const Formula& v, double maximum) : maximum_(maximum) {
    const Formula first = v.derivative("rho");
    const std::array<Formula, 3> outputs{v, first, first.derivative("rho")};
    program_ = Program(outputs, density);
  }
  double maximum() const override { return maximum_; }
  bool singular() const override { return singular_; }
  void evaluate(int n, const double* r, double* v, double* dv, double* ddv) const override {
    constexpr int chunk = coupling_chunk;
    std::array<double, chunk> inside;
    std::array<std::array<double, chunk>, 3> values;
    for (int first = 0; first < n; first += chunk) {
      const int count = std::min(chunk, n - first);
      for (int i = 0; i < count; ++i) inside[static_cast<std::size_t>(i)] = std::min(r[first + i], maximum_);
      const std::array<Argument, 1> in{inside.data()};
      const std::array<double*, 3> out{values[0].data(), values[1].data(), values[2].data()};
      program_.evaluate(count, in, out.data());
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        const std::size_t at = static_cast<std::size_t>(first) + i;
        const bool beyond = r[at] > maximum_;
        if (v) v[at] = beyond ? 0.0 : std::max(values[0][i], 0.0);
        if (dv) dv[at] = values[1][i];
        if (ddv) ddv[at] = beyond ? 0.0 : values[2][i];
      }
    }
  }
  /// InputError unless V is positive and concave at samples.
  void judge(const std::string& text, const Location& where) {
    const double top = std::min(maximum_, 1e4);
    alignas(64) std::array<double, 8> r, v, dv, ddv;
    double before = std::numeric_limits<double>::infinity();
    for (double s = 1e-9; s < 0.999; s *= 1.3) {
      r.fill(s * top);
      evaluate(8, r.data(), v.data(), dv.data(), ddv.data());
      if (!(v[0] > 0) || !std::isfinite(dv[0]))
        throw InputError(fmt::format("the mobility V = \"{}\" is not positive and smooth at rho = {:g}", text, r[0]), where);
      if (dv[0] > before + 1e-9 * (std::abs(before) + 1) || !(ddv[0] <= 1e-9 * (std::abs(dv[0]) / r[0] + 1)))
        throw InputError(fmt::format("the mobility V = \"{}\" is not concave at rho = {:g}", text, r[0]), where);
      before = dv[0];
    }
    r.fill(1e-250);
    evaluate(8, r.data(), v.data(), dv.data(), ddv.data());
    singular_ = !(std::abs(dv[0]) < 1e30);
  }

 private:
  double maximum_;
  bool singular_ = false;
  Program program_;
};

}  // namespace

MobilityPtr make_power_mobility(double beta) {
  if (beta == 1) return nullptr;
  return std::make_shared<PowerMobility>(beta);
}

MobilityPtr make_formula_mobility(const Formula& v, double maximum, const Location& where) {
  auto mobility = std::make_shared<FormulaMobility>(v, maximum);
  mobility->judge(v.text(), where);
  return mobility;
}

MobilityPtr read_mobility(const Parameters& p) {
  const std::string type = p.choice("type", "How much flux a density carries at a given cost: V = rho, V = rho^exponent (congestion), or a formula",
                                    {"linear", "power", "formula"}, "linear");
  if (type == "power") return make_power_mobility(p.real("exponent", "beta in V = rho^beta: cost |m|^2/(2 rho^beta)", {}, Range::between(0, 1)));
  if (type == "linear") return nullptr;
  const double maximum = p.real("maximum", "Density at which V falls to 0", std::numeric_limits<double>::infinity(), Range::positive());
  return make_formula_mobility(read_formula(p, "V", "Formula of the mobility in rho: positive and concave", density, read_constants(p)), maximum,
                               p.location("V"));
}

}  // namespace wasserflow
