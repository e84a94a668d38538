#pragma once
/// Gaussian mixtures with full covariances: densities, scores and their derivatives in closed form, also under linear diffusions.
#include <array>
#include <span>
#include <vector>

#include "problems/data_density.hpp"

namespace wasserflow {

/// weight N(mean, covariance) in 1 to 3 dimensions; the covariance is symmetric, row by row, with the leading d x d entries used (stride d).
struct GaussianComponent {
  double weight = 1;
  std::array<double, 3> mean{};
  std::array<double, 9> covariance{1, 0, 0, 0, 1, 0, 0, 0, 1};
};

/// variance times the identity, in the layout of GaussianComponent.
std::array<double, 9> isotropic_covariance(int dim, double variance);

/// p(x) = sum_c w_c N(x; m_c, C_c). All sums are log-sum-exp sums: nothing underflows far away.
class GaussianMixture final : public MovedDensity {
 public:
  /// Throws InputError for a weight that is not positive or a covariance that is not symmetric and positive definite; it names the component.
  GaussianMixture(int dim, std::vector<GaussianComponent> components);
  int dim() const { return dim_; }
  const std::vector<GaussianComponent>& components() const { return components_; }

  double density(const double* x) const;
  double log_density(const double* x) const;
  void score(const double* x, double* s) const;                  ///< grad log p, dim values
  void score_jacobian(const double* x, double* jacobian) const;  ///< Hessian of log p, dim x dim, row by row
  void evaluate(const RowPoints& p, double* log_density, double* const* score) const override;

  /// The mixture of alpha X + sqrt(variance) Z.
  GaussianMixture moved(double alpha, double variance) const;

 private:
  struct Factor {
    double log_scale;  ///< log w - dim/2 log(2 pi) - 1/2 log det C
    std::array<double, 3> mean;
    std::array<double, 6> whitening;  ///< W with W^T W = C^-1, lower triangular: 00 10 11 20 21 22
  };
  template <int D>
  void sweep(const RowPoints& p, double* log_density, double* const* score) const;
  int dim_;
  std::vector<GaussianComponent> components_;
  std::vector<Factor> factors_;
};

/// components = [{ weight, mean, deviation | covariance }], weights normalised to sum 1.
GaussianMixture read_gaussian_mixture(const Parameters& p, int dim);
/// Nine equal Gaussians of variance 0.2 s^2 at s {(+-2, +-2), (0, 0), (+-4, 0), (0, +-4)}, s = 0.65.
GaussianMixture nine_blobs();

DataDensityPtr make_data(GaussianMixture mixture);

}  // namespace wasserflow
