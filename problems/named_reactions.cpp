#include "problems/named_reactions.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "problems/dual.hpp"

namespace wasserflow {

namespace {

// A law is written once on a scalar type: operator()(u, r) takes the values of the species and gives the rates. Jacobians come from dual numbers.

template <class Law>
class LawReaction final : public Reaction {
 public:
  explicit LawReaction(const Law& law) : law_(law) {}
  std::vector<std::string> species() const override { return {Law::names.begin(), Law::names.end()}; }
  std::vector<double> base_state() const override {
    const auto state = law_.base_state();
    return {state.begin(), state.end()};
  }
  void rates(const RowPoints& p, const double* const* u, double* const* rate) const override {
    const auto law = [law = law_](const std::array<double, S>& x, std::array<double, S>& r) { law(x.data(), r.data()); };
    sweep<S>(p.n, u, rate, law);
  }
  void jacobian(const RowPoints& p, const double* const* u, double* const* jacobian) const override {
    const auto law = [law = law_](const std::array<double, S>& x, std::array<double, S * S>& j) {
      Dual<static_cast<int>(S)> state[S], r[S];
      for (std::size_t s = 0; s < S; ++s) state[s] = Dual<static_cast<int>(S)>::variable(x[s], static_cast<int>(s));
      law(state, r);
      for (std::size_t s = 0; s < S; ++s)
        for (std::size_t q = 0; q < S; ++q) j[s * S + q] = r[s].partial[q];
    };
    sweep<S * S>(p.n, u, jacobian, law);
  }

 private:
  static constexpr std::size_t S = Law::names.size();

  /// out[k][i] = law(u_0[i], ...)_k; null outputs go to a buffer that nobody reads.
  template <std::size_t Outputs, class F>
  static void sweep(int n, const double* const* u, double* const* out, F law) {
    constexpr int chunk = 256;
    double unused[chunk];
    for (int first = 0; first < n; first += chunk) {
      const int m = std::min(chunk, n - first);
      std::array<const double*, S> in;
      std::array<double*, Outputs> target;
      for (std::size_t s = 0; s < S; ++s) in[s] = u[s] + first;
      for (std::size_t k = 0; k < Outputs; ++k) target[k] = out[k] ? out[k] + first : unused;
#pragma GCC ivdep
      for (int i = 0; i < m; ++i) {
        std::array<double, S> x;
        std::array<double, Outputs> r;
        for (std::size_t s = 0; s < S; ++s) x[s] = in[s][i];
        law(x, r);
        for (std::size_t k = 0; k < Outputs; ++k) target[k][i] = r[k];
      }
    }
  }
  Law law_;
};

template <class Law>
ReactionPtr make(const Law& law) {
  return std::make_shared<LawReaction<Law>>(law);
}

constexpr std::array<const char*, 2> u_and_v{"u", "v"};

/// J. Schnakenberg, Simple chemical reaction systems with limit cycle behaviour, J. Theor. Biol. 81 (1979).
struct Schnakenberg {
  static constexpr auto names = u_and_v;
  double k, A, B;
  template <class T>
  void operator()(const T* u, T* r) const {
    const T autocatalysis = u[0] * u[0] * u[1];
    r[0] = k * (A - u[0] + autocatalysis);
    r[1] = k * (B - autocatalysis);
  }
  std::array<double, 2> base_state() const { return {A + B, B / ((A + B) * (A + B))}; }
};

ReactionPtr read_schnakenberg(const Parameters& p, int) {
  return make(Schnakenberg{p.real("k", "Rate of all reactions: the length scale of patterns goes with sqrt(diffusion / k).", 1.0, Range::positive()),
                           p.real("A", "Supply of u.", 0.1, Range::nonnegative()), p.real("B", "Supply of v.", 0.9, Range::positive())});
}

/// J. E. Pearson, Complex patterns in a simple system, Science 261 (1993).
struct GrayScott {
  static constexpr auto names = u_and_v;
  double feed, kill;
  template <class T>
  void operator()(const T* u, T* r) const {
    const T autocatalysis = u[0] * u[1] * u[1];
    r[0] = feed * (1.0 - u[0]) - autocatalysis;
    r[1] = autocatalysis - (feed + kill) * u[1];
  }
  std::array<double, 2> base_state() const { return {1, 0}; }
};

ReactionPtr read_gray_scott(const Parameters& p, int) {
  return make(GrayScott{p.real("feed", "Rate g of the supply of u and of the outflow of both.", 0.024, Range::nonnegative()),
                        p.real("kill", "Rate k at which v decays beyond the outflow.", 0.06, Range::nonnegative())});
}

/// M. L. Rosenzweig and R. H. MacArthur, Amer. Nat. 97 (1963); on grids M. R. Garvie, Bull. Math. Biol. 69 (2007), whose kinetics (i) are the
/// defaults.
struct PredatorPrey {
  static constexpr auto names = u_and_v;
  double growth, capacity, attack, half_saturation, conversion, mortality;
  template <class T>
  void operator()(const T* u, T* r) const {
    const T eaten = attack * u[0] * u[1] / (u[0] + half_saturation);
    r[0] = growth * u[0] * (1.0 - u[0] / capacity) - eaten;
    r[1] = conversion * eaten - mortality * u[1];
  }
  /// Coexistence where there is one, else the prey alone.
  std::array<double, 2> base_state() const {
    const double u = mortality * half_saturation / (conversion * attack - mortality);
    if (!(u > 0 && u < capacity)) return {capacity, 0};
    return {u, growth * (1 - u / capacity) * (u + half_saturation) / attack};
  }
};

ReactionPtr read_predator_prey(const Parameters& p, int) {
  const Range positive = Range::positive(), nonnegative = Range::nonnegative();
  return make(PredatorPrey{p.real("growth", "Growth rate of the prey u when it is rare.", 1.0, nonnegative),
                           p.real("capacity", "Density of prey that the ground can feed.", 1.0, positive),
                           p.real("attack", "Prey that one predator eats a unit of time when prey abounds.", 1.0, nonnegative),
                           p.real("half_saturation", "Density of prey at which a predator eats half of that.", 0.4, positive),
                           p.real("conversion", "Predators born from one unit of prey.", 2.0, nonnegative),
                           p.real("mortality", "Death rate of the predators v.", 0.6, positive)});
}

/// R. FitzHugh, Biophys. J. 1 (1961); J. Nagumo, S. Arimoto, S. Yoshizawa, Proc. IRE 50 (1962).
struct FitzHughNagumo {
  static constexpr auto names = u_and_v;
  double current, rate, offset, decay;
  template <class T>
  void operator()(const T* u, T* r) const {
    r[0] = u[0] - u[0] * u[0] * u[0] * (1.0 / 3) - u[1] + current;
    r[1] = rate * (u[0] + offset - decay * u[1]);
  }
  /// The rest state; where there are several the one of least u.
  std::array<double, 2> base_state() const {
    if (decay == 0) return {-offset, -offset + offset * offset * offset / 3 + current};
    const auto excess = [&](double u) { return u - u * u * u / 3 + current - (u + offset) / decay; };
    const double reach = 4 + 4 * std::cbrt(std::fabs(current) + (std::fabs(offset) + 1) / decay) + 2 / std::sqrt(decay);
    double below = -reach, above = -reach;
    while (above < reach && excess(above) > 0) above += reach / 2000;
    below = above - reach / 2000;
    for (int k = 0; k < 60; ++k) {
      const double middle = 0.5 * (below + above);
      (excess(middle) > 0 ? below : above) = middle;
    }
    return {above, (above + offset) / decay};
  }
};

ReactionPtr read_fitzhugh_nagumo(const Parameters& p, int) {
  return make(FitzHughNagumo{p.real("current", "Stimulus I of the excitable species u.", 0.0),
                             p.real("rate", "Rate of the recovery v, small against 1.", 0.08, Range::nonnegative()),
                             p.real("offset", "Constant beta in the drive of the recovery.", 0.7),
                             p.real("decay", "Decay gamma of the recovery.", 0.8, Range::nonnegative())});
}

/// I. Prigogine and R. Lefever, J. Chem. Phys. 48 (1968).
struct Brusselator {
  static constexpr auto names = u_and_v;
  double A, B;
  template <class T>
  void operator()(const T* u, T* r) const {
    const T autocatalysis = u[0] * u[0] * u[1];
    r[0] = A - (B + 1) * u[0] + autocatalysis;
    r[1] = B * u[0] - autocatalysis;
  }
  std::array<double, 2> base_state() const { return {A, B / A}; }
};

ReactionPtr read_brusselator(const Parameters& p, int) {
  return make(Brusselator{p.real("A", "Supply of u.", 1.0, Range::positive()),
                          p.real("B", "Rate at which u turns into v; oscillates above 1 + A^2.", 3.0, Range::nonnegative())});
}

}  // namespace

void add_named_reactions(Registry<ReactionFactory>& r) {
  r.add("schnakenberg", "Turing patterns: u' = k (A - u + u^2 v), v' = k (B - u^2 v)", read_schnakenberg);
  r.add("gray_scott", "spots and their division: u' = -u v^2 + feed (1 - u), v' = u v^2 - (feed + kill) v", read_gray_scott);
  r.add("predator_prey",
        "Rosenzweig-MacArthur, prey u and predators v (deer and wolves): u' = growth u (1 - u/capacity) - E, v' = conversion E - mortality v, "
        "E = attack u v / (u + half_saturation)",
        read_predator_prey);
  r.add("fitzhugh_nagumo", "excitable medium: u' = u - u^3/3 - v + current, v' = rate (u + offset - decay v)", read_fitzhugh_nagumo);
  r.add("brusselator", "chemical oscillator: u' = A - (B + 1) u + u^2 v, v' = B u - u^2 v", read_brusselator);
}

}  // namespace wasserflow
