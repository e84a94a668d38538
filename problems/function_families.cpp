#include <cmath>
#include <numbers>

#include "problems/formula_node.hpp"
#include "problems/function.hpp"

namespace wasserflow {

namespace {

// Most families are formulas: they are evaluated by the same vectorised programs as what a person writes.

Formula coordinate(int d) { return Formula::variable(std::string(1, "xyz"[d])); }
Formula abs(const Formula& a) { return Formula(make(Op::Abs, a.node())); }
Formula log(const Formula& a) { return Formula(make(Op::Log, a.node())); }
Formula exp(const Formula& a) { return Formula(make(Op::Exp, a.node())); }
Formula sin(const Formula& a) { return Formula(make(Op::Sin, a.node())); }
Formula sqrt(const Formula& a) { return Formula(make(Op::Sqrt, a.node())); }
Formula tanh(const Formula& a) { return Formula(make(Op::Tanh, a.node())); }
Formula min(const Formula& a, const Formula& b) { return Formula(make(Op::Min, a.node(), b.node())); }
Formula floor(const Formula& a) { return Formula(make(Op::Floor, a.node())); }
Formula at_most(const Formula& a, const Formula& b) { return Formula(make(Op::LessEqual, a.node(), b.node())); }
Formula select(const Formula& c, const Formula& a, const Formula& b) { return Formula(make(Op::If, c.node(), a.node(), b.node())); }

std::vector<double> zeros(int dim) { return std::vector<double>(static_cast<std::size_t>(dim), 0.0); }

Formula square_distance(const std::vector<double>& center) {
  Formula sum;
  for (std::size_t d = 0; d < center.size(); ++d) sum = sum + pow(coordinate(static_cast<int>(d)) - center[d], 2);
  return sum;
}

Formula gaussian(const Parameters& p, int dim) {
  const std::vector<double> mean = p.reals("mean", "Centre of the Gaussian.", dim);
  const std::vector<double> deviation = p.reals("deviation", "Standard deviation along each axis.", dim, {}, Range::positive());
  const std::vector<double> period =
      p.reals("period", "Period along each axis; periodic images are added where it is not 0.", dim, zeros(dim), Range::nonnegative());
  double amplitude = p.real("amplitude", "Value at the centre, without images; of no effect beside 'mass'.", 1.0);
  if (const double mass =
          p.real("mass", "Integral over the space, or over a period where it is periodic; 0: 'amplitude' counts.", 0.0, Range::nonnegative());
      mass > 0) {
    amplitude = mass;
    for (const double s : deviation) amplitude /= std::sqrt(2 * std::numbers::pi) * s;
  }
  Formula exponent, factor = amplitude;
  for (std::size_t d = 0; d < mean.size(); ++d) {
    const Formula distance = coordinate(static_cast<int>(d)) - mean[d];
    const double scale = -0.5 / (deviation[d] * deviation[d]), length = period[d];
    if (length == 0) {
      exponent = exponent + scale * pow(distance, 2);
      continue;
    }
    const Formula wrapped = distance - length * floor(distance / length + 0.5);  // to the nearest image
    constexpr double reach = 8.7;                                                // deviations; beyond it exp is below 1e-16
    const double needed = std::ceil(reach * deviation[d] / length);
    if (needed > 50) p.fail("deviation", "the Gaussian is too wide for its period: more than 100 images would be needed");
    const int images = static_cast<int>(needed);
    Formula sum;
    for (int k = -images; k <= images; ++k) sum = sum + exp(scale * pow(wrapped + k * length, 2));
    factor = factor * sum;
  }
  return factor * exp(exponent);
}

Formula gaussian_mixture(const Parameters& p, int dim) {
  const int count = p.array_size("components");
  if (count == 0) p.reals("components", "The Gaussians, an array of tables with the keys of 'gaussian'.", 0);
  Formula sum;
  for (int k = 0; k < count; ++k) sum = sum + gaussian(p.element("components", k, "One Gaussian of the mixture."), dim);
  return sum;
}

struct InsideOutside {
  double inside, outside;
  explicit InsideOutside(const Parameters& p)
      : inside(p.real("inside", "Value inside, boundary included.", 1.0)), outside(p.real("outside", "Value outside.", 0.0)) {}
};

Formula indicator_ball(const Parameters& p, int dim) {
  const std::vector<double> center = p.reals("center", "Centre of the ball.", dim);
  const double radius = p.real("radius", "Radius of the ball.", {}, Range::nonnegative());
  const InsideOutside value(p);
  return select(at_most(square_distance(center), radius * radius), value.inside, value.outside);
}

Formula indicator_box(const Parameters& p, int dim) {
  const std::vector<double> lower = p.reals("lower", "Lower corner of the box.", dim), upper = p.reals("upper", "Upper corner of the box.", dim);
  const InsideOutside value(p);
  Formula inside = 1;
  for (std::size_t d = 0; d < lower.size(); ++d) {
    const Formula x = coordinate(static_cast<int>(d));
    inside = inside * at_most(lower[d], x) * at_most(x, upper[d]);
  }
  return select(inside, value.inside, value.outside);
}

Formula sine(const Parameters& p, int dim) {
  const double amplitude = p.real("amplitude", "Amplitude of the wave.", 1.0);
  const std::vector<double> k = p.reals("wave_numbers", "Angular wave number along each axis (2 pi / wave length).", dim);
  const double phase = p.real("phase", "Phase in radians.", 0.0), offset = p.real("offset", "Mean value.", 0.0);
  Formula angle = phase;
  for (std::size_t d = 0; d < k.size(); ++d) angle = angle + k[d] * coordinate(static_cast<int>(d));
  return offset + amplitude * sin(angle);
}

Formula quadratic(const Parameters& p, int dim) {
  const std::vector<double> center = p.reals("center", "Vertex of the paraboloid.", dim, zeros(dim));
  const std::vector<double> weights = p.reals("weights", "Second derivative along each axis.", dim, std::vector<double>{1.0});
  Formula sum = p.real("offset", "Value at the vertex.", 0.0);
  for (std::size_t d = 0; d < center.size(); ++d) sum = sum + weights[d] / 2 * pow(coordinate(static_cast<int>(d)) - center[d], 2);
  return sum;
}

Formula distance_to_ball(const Parameters& p, int dim) {
  const std::vector<double> center = p.reals("center", "Centre of the ball.", dim);
  const double radius = p.real("radius", "Radius of the ball; 0: distance to a point.", 0.0, Range::nonnegative());
  return p.real("scale", "Factor of the distance.", 1.0) * (sqrt(square_distance(center)) - radius);
}

/// Centres of balls: an array with the coordinates of one ball an entry.
std::vector<std::vector<double>> read_centers(const Parameters& p, int dim) {
  const std::string doc = "Centres of the balls, an array of points: [[x, y], [x, y], ...]; in 1-D [x, x, ...].";
  if (!p.has("centers")) p.reals("centers", doc, 0);  // throws: it is not there
  std::vector<std::vector<double>> centers;
  for (int k = 0; k < p.array_size("centers"); ++k) {
    const Parameters center = p.element("centers", k, doc);
    if (dim > 1 && p.is_array("centers") && !center.is_array(""))
      center.fail("", "expected a point, an array of " + std::to_string(dim) + " numbers");
    centers.push_back(center.reals("", "Centre of a ball.", dim));
  }
  if (centers.empty()) p.fail("centers", "a union of balls has at least one");
  return centers;
}

/// 2 (|x| - a)^2 - log(exp(-2 (x_1 - a)^2) + exp(-2 (x_1 + a)^2)), with the larger exponential taken out of the logarithm.
Formula two_moons(const Parameters& p, int dim) {
  const double a = p.real("distance", "Distance a of the moons from the origin.", 3.0, Range::positive());
  const Formula side = abs(coordinate(0));
  return 2 * pow(sqrt(square_distance(zeros(dim))) - a, 2) + 2 * pow(side - a, 2) - log(1 + exp(-8 * a * side));
}

Formula double_well(const Parameters& p, int dim) {
  const std::vector<double> first = p.reals("first", "One well.", dim, std::vector<double>{1.0});
  std::vector<double> opposite = first;
  for (double& c : opposite) c = -c;
  const std::vector<double> second = p.reals("second", "The other well; without it the opposite of the first.", dim, opposite);
  return square_distance(first) * square_distance(second) / 4;
}

Formula discs(const Parameters& p, int dim) {
  const std::vector<std::vector<double>> centers = read_centers(p, dim);
  const std::vector<double> radii =
      p.reals("radii", "Radius of each ball; one number stands for all.", static_cast<int>(centers.size()), {}, Range::nonnegative());
  const std::vector<double> period =
      p.reals("period", "Period along each axis: balls are continued periodically where it is not 0.", dim, zeros(dim), Range::nonnegative());
  const double inside = p.real("inside", "Value inside.", 1.0), outside = p.real("outside", "Value outside.", -1.0);
  const std::string profile =
      p.choice("profile",
               "From inside to outside over the signed distance d to the union (negative inside): sharp; tanh, (1 - tanh(d/width))/2; "
               "or compact, exp(-width^2/d^2) for d < 0 and 0 beyond.",
               {"sharp", "tanh", "compact"}, "sharp");
  Formula distance;
  for (std::size_t k = 0; k < centers.size(); ++k) {
    Formula square;
    for (std::size_t d = 0; d < centers[k].size(); ++d) {
      Formula along = coordinate(static_cast<int>(d)) - centers[k][d];
      if (period[d] > 0) along = along - period[d] * floor(along / period[d] + 0.5);
      square = square + pow(along, 2);
    }
    const Formula own = sqrt(square) - radii[k];
    distance = k == 0 ? own : min(distance, own);
  }
  if (profile == "sharp") return select(at_most(distance, 0.0), inside, outside);
  const double width = p.real("width", "Width of the profile.", {}, Range::positive());
  if (profile == "tanh") return outside + (inside - outside) / 2 * (1 - tanh(distance / width));
  return select(at_most(0.0, distance), outside, outside + (inside - outside) * exp(-width * width / pow(distance, 2)));
}

FunctionPtr noise(const Parameters& p, int) {
  const double amplitude = p.real("amplitude", "Largest distance from the mean.", {}, Range::nonnegative());
  const double mean = p.real("mean", "Mean value.", 0.0);
  return make_noise(amplitude, mean, static_cast<std::uint64_t>(p.integer("seed", "Another seed gives other noise.", 1, Range::nonnegative())));
}

FunctionPtr sum(const Parameters& p, int dim) {
  const std::string doc = "The functions to add, an array; each in any of the forms of a function.";
  if (p.array_size("terms") == 0) p.reals("terms", doc, 0, {}, Range::positive());  // throws when it is not there
  return make_sum(read_function_list(p, "terms", doc, dim));
}

using Factory = std::function<FunctionPtr(const Parameters&, int dim)>;

Factory formula(Formula (*family)(const Parameters&, int dim)) {
  return [family](const Parameters& p, int dim) { return make_formula(family(p, dim)); };
}

}  // namespace

const Registry<Factory>& function_families() {
  static const auto families = [] {
    Registry<Factory> r("function family");
    r.add("gaussian", "amplitude exp(-sum_d (x_d - mean_d)^2 / (2 deviation_d^2)), with periodic images on demand", formula(gaussian));
    r.add("gaussian_mixture", "sum of Gaussians", formula(gaussian_mixture));
    r.add("indicator_ball", "one value inside a ball, another outside", formula(indicator_ball));
    r.add("indicator_box", "one value inside a box, another outside", formula(indicator_box));
    r.add("sine", "offset + amplitude sin(k . x + phase)", formula(sine));
    r.add("quadratic", "offset + sum_d weights_d (x_d - center_d)^2 / 2", formula(quadratic));
    r.add("distance_to_ball", "signed distance to a sphere, negative inside: scale (|x - center| - radius)", formula(distance_to_ball));
    r.add("discs", "union of balls, one value inside and another outside, with a sharp or a smooth profile", formula(discs));
    r.add("two_moons", "potential 2 (|x| - a)^2 - log(exp(-2 (x_1 - a)^2) + exp(-2 (x_1 + a)^2))", formula(two_moons));
    r.add("double_well", "potential |x - first|^2 |x - second|^2 / 4", formula(double_well));
    r.add("noise", "mean + uniform noise in (-amplitude, amplitude), independent from point to point and of the number of ranks", noise);
    r.add("sum", "sum of functions", sum);
    return r;
  }();
  return families;
}

std::string function_family_example(const std::string& name) {
  std::string keys;
  if (name == "gaussian") keys = "mean = 0.5, deviation = 0.1";
  if (name == "gaussian_mixture") keys = "components = [{ mean = 0.5, deviation = 0.1 }]";
  if (name == "indicator_ball") keys = "center = 0.5, radius = 0.25";
  if (name == "indicator_box") keys = "lower = 0.25, upper = 0.75";
  if (name == "sine") keys = "wave_numbers = 6.283185307179586";
  if (name == "distance_to_ball") keys = "center = 0.5";
  if (name == "discs") keys = "centers = 0.5, radii = 0.25";
  if (name == "noise") keys = "amplitude = 0.1";
  if (name == "sum") keys = "terms = [1, \"sin(x)\"]";
  return "{ type = \"" + name + "\"" + (keys.empty() ? "" : ", " + keys) + " }";
}

}  // namespace wasserflow
