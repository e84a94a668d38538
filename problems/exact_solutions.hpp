#pragma once
/// Exact and reference solutions of Hamilton-Jacobi equations as functions of (x, y, z, t), for the errors in reports and for tests.
///
/// Sign convention: phi_t + H(x, grad phi) = eps Lap phi, phi(., 0) = g. Functions made here keep tables of the last time they were asked for: ask
/// for a whole time level before the next. They are not to be evaluated by several threads at once.
#include <array>

#include "grids/grid.hpp"
#include "problems/function.hpp"
#include "problems/profile.hpp"

namespace wasserflow {

/// Sums over the axes of one-dimensional solutions. They need a separable g, g = sum_d g_d(x_d), and throw InputError otherwise.
///
/// H = sum_d speed |p_d|^q / q (power q = cost.power >= 1; 1 gives the l1 norm), eps = 0: the Hopf-Lax formula an axis.
FunctionPtr make_hopf_lax(const Grid& grid, FunctionPtr g, HopfLaxCost cost = {});
/// H = speed |p|_2, eps = 0, in one or two dimensions: the minimum of g over a ball of radius speed t. Throws InputError in three.
FunctionPtr make_hopf_lax_l2(const Grid& grid, FunctionPtr g, double speed = 1);
/// H = p . A p / 2 with A = [[xx, xy], [xy, yy]] positive definite, eps = 0, two dimensions, any g: the Hopf-Lax formula in the norm of A^-1.
FunctionPtr make_hopf_lax_anisotropic(const Grid& grid, FunctionPtr g, std::array<double, 3> matrix);
/// H = |p|^2 / 2 with eps > 0: the Hopf-Cole transform.
FunctionPtr make_hopf_cole(const Grid& grid, FunctionPtr g, double eps);

/// H = sum_d a(x_d)^2 p_d^2 / 2 and H = sum_d a(x_d) |p_d| with the speed a(z) = (z - 1)^2 + 1/10 on [0, 2), continued periodically; eps = 0. In the
/// coordinate y with dy = dx / a(x) they have constant speed one, so that the Hopf-Lax formula holds. Throws InputError for other boxes.
/// Source: examples 1 and 2 of Meng, Liu, Li, Osher, arXiv:2403.02468.
FunctionPtr make_quadratic_variable_speed(const Grid& grid, FunctionPtr g);
FunctionPtr make_onehomogeneous_variable_speed(const Grid& grid, FunctionPtr g);
/// The coordinate y(x) = int_0^x ds / a(s) in which both have constant speed, any x, and its inverse.
double stretched_coordinate(double x);
double stretched_inverse(double y);

/// Newton's equation of motion under a force: x is the velocity v, y the position q, H = p_v^2 / 2 - v p_q, eps = 0, v unbounded, q periodic or
/// unbounded as g continues it. phi = min over (v', q') of g(v', q') + d . W^-1 d / 2 with d = (v' - v, q' - q - v t) and W the controllability
/// Gramian of the double integrator, by a scan over the ellipse that can hold the minimum and Newton refinement. g must be defined for
/// every v: near the ends of a box the solution there differs. Throws InputError unless the grid is two-dimensional.
/// Source: example 3 of Meng, Liu, Li, Osher, arXiv:2403.02468.
FunctionPtr make_newton(const Grid& grid, FunctionPtr g);

/// Cells of the reference's grid a cell of the problem's for `type = "fine_grid"`, 0 for all others: such a reference is solved for, by
/// make_fine_grid_reference of solvers/fine_grid_reference.hpp.
int fine_grid_refinement(const Parameters& reference);

/// What [reference] of a problem file says; nullptr for `type = "none"`, for "fine_grid", or without the table. `initial` and `diffusion` are those
/// of the problem. A result that does not depend on time holds at the final time only (data sets). Throws InputError when the kind does not fit the
/// problem.
FunctionPtr read_reference(const Parameters& reference, const Grid& grid, const FunctionPtr& initial, double diffusion);

}  // namespace wasserflow
