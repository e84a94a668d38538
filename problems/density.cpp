#include "problems/density.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "grids/reduce.hpp"
#include "problems/density_sources.hpp"
#include "problems/gaussian_mixture.hpp"

namespace wasserflow {

namespace {

void only_in_the_plane(const Parameters& p, int dim) {
  if (dim != 2) p.fail("type", "this density lives in the plane; the grid has " + std::to_string(dim) + (dim == 1 ? " axis" : " axes"));
}

/// A file named in the problem file, relative to it. In the resolved set it is absolute: resolved.toml stands elsewhere.
std::string read_path(const Parameters& p, const std::string& doc) {
  const std::filesystem::path given = p.text("file", doc);
  const std::string path = (given.is_absolute() ? given : std::filesystem::path(p.directory()) / given).lexically_normal().string();
  p.record("file", "text", "'" + std::filesystem::absolute(path).string() + "'", doc);
  return path;
}

FunctionPtr mixture(const Parameters& p, int dim) { return density_function(make_data(read_gaussian_mixture(p, dim))); }

FunctionPtr blobs(const Parameters& p, int dim) {
  only_in_the_plane(p, dim);
  return density_function(make_data(nine_blobs()));
}

FunctionPtr circles(const Parameters& p, int dim) {
  only_in_the_plane(p, dim);
  const std::vector<double> radii = p.reals("radii", "Mean radius of each ring.", 0, std::vector<double>{1.3, 2.8}, Range::positive());
  const int count = static_cast<int>(radii.size());
  const std::vector<double> deviations =
      p.reals("deviation", "Standard deviation of the radius, of each ring or of all.", count, std::vector<double>{0.2}, Range::positive());
  const std::vector<double> weights = p.reals("weights", "Relative mass of each ring.", count, std::vector<double>{1.0}, Range::positive());
  std::vector<Ring> rings;
  for (std::size_t k = 0; k < radii.size(); ++k) rings.push_back({weights[k], radii[k], deviations[k]});
  if (rings.empty()) p.fail("radii", "at least one ring is needed");
  return density_function(make_rings(std::move(rings)));
}

FunctionPtr checkerboard(const Parameters& p, int dim) {
  only_in_the_plane(p, dim);
  const double half = p.real("half_width", "The board is [-half_width, half_width]^2.", 3.0, Range::positive());
  const int squares =
      p.integer("squares", "Squares along each side; every other one carries mass, that at the lower left too.", 4, Range::between(1, 64));
  // Corners by one formula, so that neighbours share the same number.
  const auto edge = [&](int i) { return half * (2.0 * i / squares - 1); };
  std::vector<Box> boxes;
  for (int j = 0; j < squares; ++j)
    for (int i = j % 2; i < squares; i += 2) boxes.push_back({1, {edge(i), edge(j), 0}, {edge(i + 1), edge(j + 1), 0}});
  return density_function(make_boxes(2, std::move(boxes)));
}

FunctionPtr boxes(const Parameters& p, int dim) {
  const std::string doc = "The boxes, an array of tables with lower, upper and weight.";
  if (!p.has("boxes")) p.reals("boxes", doc, 0);  // throws: it is not there
  std::vector<Box> all;
  for (int k = 0; k < p.array_size("boxes"); ++k) {
    const Parameters b = p.element("boxes", k, "One box.");
    Box box;
    box.weight = b.real("weight", "Its mass, relative to that of the others.", 1.0, Range::positive());
    const std::vector<double> lower = b.reals("lower", "Its lower corner.", dim), upper = b.reals("upper", "Its upper corner.", dim);
    std::ranges::copy(lower, box.lower.begin());
    std::ranges::copy(upper, box.upper.begin());
    all.push_back(box);
  }
  try {
    return density_function(make_boxes(dim, std::move(all)));
  } catch (const InputError& e) {
    p.fail("boxes", e.what());
  }
}

FunctionPtr samples(const Parameters& p, int dim) {
  SampleFile source;
  source.where = p.location("file");
  source.file = read_path(p, "HDF5 file with the samples, relative to the problem file.");
  source.dataset = p.text("dataset", "Path of the dataset of shape (N, dim) in the file.");
  source.histogram =
      p.choice("estimate", "Shares of the samples in each cell, or sums of Gaussian kernels.", {"kernel", "histogram"}, "kernel") == "histogram";
  if (!source.histogram && (p.is_number("bandwidth") || p.is_array("bandwidth")))
    source.bandwidth = p.reals("bandwidth", "Standard deviation of the kernel, of each axis or of all.", dim, {}, Range::positive());
  else if (!source.histogram)
    p.choice("bandwidth", "Standard deviation of the kernel, of each axis or of all; or Silverman's rule.", {"silverman"}, "silverman");
  return make_samples(std::move(source));
}

FunctionPtr image(const Parameters& p, int dim) {
  only_in_the_plane(p, dim);
  ImageFile source;
  source.where = p.location("file");
  source.file = read_path(p, "PNG or PGM file, relative to the problem file.");
  source.invert = p.flag("invert", "Dark is mass, instead of light.", false);
  if (p.has("lower") || p.has("upper")) {
    source.lower = p.reals("lower", "Lower left corner of the picture; without corners it fills the grid.", dim);
    source.upper = p.reals("upper", "Upper right corner of the picture.", dim);
    for (std::size_t d = 0; d < 2; ++d)
      if (source.upper[d] <= source.lower[d]) p.fail("upper", "the upper corner must lie above the lower one");
  }
  return make_image(std::move(source));
}

}  // namespace

const Registry<std::function<FunctionPtr(const Parameters&, int dim)>>& density_families() {
  static const auto families = [] {
    Registry<std::function<FunctionPtr(const Parameters&, int dim)>> r("density");
    r.add("mixture", "Gaussian mixture with full covariances", mixture);
    r.add("blobs9", "nine equal Gaussians in the plane", blobs);
    r.add("circles", "rings in the plane with normal radii", circles);
    r.add("checkerboard", "uniform on every other square of a board in the plane", checkerboard);
    r.add("boxes", "uniform on boxes", boxes);
    r.add("samples", "histogram or kernel estimate of samples in an HDF5 dataset", samples);
    r.add("image", "grey image (PNG, PGM), averaged over each cell", image);
    return r;
  }();
  return families;
}

namespace {

Density read_shape(const Parameters& p, const std::string& key, const std::string& doc, int dim) {
  Density density;
  density.place = p;
  density.key = key;
  const auto& families = density_families();
  if (p.is_table(key)) {
    const Parameters t = p.table(key, doc);
    const std::vector<std::string> names = families.names();
    const std::string type = t.is_text("type") ? t.text("type", "Family of the density, or of a function.") : "";
    if (std::ranges::find(names, type) != names.end()) {
      density.function = families.find(t, "type", type).make(t, dim);
      density.data = data_of(density.function);
      density.whole = type != "image";
    }
  }
  if (!density.function) density.function = read_function(p, key, doc, dim);
  if (density.function->depends_on_time()) p.fail(key, "a density given here does not depend on t");
  return density;
}

}  // namespace

Density read_density(const Parameters& p, const std::string& key, const std::string& doc, int dim) {
  Density density = read_shape(p, key, doc, dim);
  density.mass = p.real("mass", "Mass of the density.", 1.0, Range::positive());
  density.normalise = p.flag("normalise", "Scale the density to its mass on the grid; otherwise it must have it.", true);
  density.mass_tolerance = p.real(
      "mass_tolerance",
      "Relative difference of masses that is let pass: of a law of mass 1 to what the grid holds of it, and of a density that is not normalised "
      "to its mass. Default: 0.01 and 0.001.",
      density.normalise ? 1e-2 : 1e-3, Range::positive());
  return density;
}

Density read_population_density(const Parameters& p, const std::string& key, const std::string& doc, int dim) {
  Density density = read_shape(p, key, doc, dim);
  density.normalise = p.has("mass");
  density.any_mass = !density.normalise;
  const double mass =
      p.real("mass", "Mass to which the density is scaled; without it the density stands as it is, 0 too.", std::nan(""), Range::positive());
  density.mass = density.normalise ? mass : 1;
  density.mass_tolerance = p.real("mass_tolerance", "Relative difference to its mass that the grid may miss of a law of mass 1.",
                                  density.mass_tolerance, Range::positive());
  return density;
}

std::string first_place(const Field& field, const std::function<bool(double value, std::ptrdiff_t offset)>& bad, int level) {
  const SlabLayout& layout = field.layout();
  std::array<double, 4> found{};
  int here = layout.ranks();
  for (int r = 0; r < layout.rows() && here == layout.ranks(); ++r) {
    const RowPoints p = layout.row(r);
    for (int i = 0; i < p.n; ++i)
      if (const double value = field.level(level)[p.offset + i]; bad(value, p.offset + i)) {
        here = layout.rank();
        found = {p.x[i], p.y, p.z, value};
        break;
      }
  }
  MPI_Allreduce(MPI_IN_PLACE, &here, 1, MPI_INT, MPI_MIN, layout.comm());
  if (here == layout.ranks()) return "";
  MPI_Bcast(found.data(), 4, MPI_DOUBLE, here, layout.comm());
  std::string text = fmt::format("{:.6g} at (", found[3]);
  for (int d = 0; d < layout.dim(); ++d) text += fmt::format("{}{:.6g}", d > 0 ? ", " : "", found[static_cast<std::size_t>(d)]);
  return text + ")";
}

double fill_density(Field& field, int level, const Density& density, std::vector<std::string>& warnings) {
  const SlabLayout& layout = field.layout();
  const auto fail = [&](const std::string& message) { density.place.fail(density.key, message); };
  density.function->bind(layout);
  fill(field, level, *density.function, 0);
  if (const std::string where = first_place(
          field, [](double v, std::ptrdiff_t) { return !std::isfinite(v); }, level);
      !where.empty())
    fail("the density is not finite everywhere on the grid: " + where);
  if (const std::string where = first_place(
          field, [](double v, std::ptrdiff_t) { return v < 0; }, level);
      !where.empty())
    fail("the density is negative: " + where);
  const double found = sum(field, level) * layout.grid().cell_volume();
  if (!(found > 0) && !density.any_mass) fail("the density is 0 everywhere on the grid");
  const double stated = density.whole ? 1 : density.mass, off = std::fabs(found / stated - 1);
  if (!density.place.limited()) {
    if (density.whole) {
      const std::string what =
          fmt::format("the grid holds {:.8g} of a density of mass 1: {}", found,
                      found < 1 ? "the box is too small for it, or the cells are too coarse" : "the cells are too coarse for it");
      if (off > density.mass_tolerance) fail(fmt::format("{} (mass_tolerance = {:g})", what, density.mass_tolerance));
      if (off > 1e-6) warnings.push_back(density.place.path(density.key) + ": " + what);
    } else if (!density.normalise && !density.any_mass && off > density.mass_tolerance) {
      fail(fmt::format(
          "the density has the integral {:.6g} on the grid, not {:.6g}: it is not normalised (normalise = true scales it, mass states another "
          "integral), or the box is too small for it",
          found, density.mass));
    }
  }
  const double scale = density.normalise ? density.mass / found : density.whole ? density.mass : 1;
  if (scale != 1)
    for (double& v : field.owned(level)) v *= scale;
  return found;
}

}  // namespace wasserflow
