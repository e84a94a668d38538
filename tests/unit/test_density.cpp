// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE density
#include <fmt/format.h>
#include <png.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>

#include "grids/io/hdf5.hpp"
#include "grids/reduce.hpp"
#include "problems/density.hpp"

using namespace wasserflow;

namespace {

const MPI_Comm world = MPI_COMM_WORLD;

Grid box(const std::vector<int>& cells, Boundary boundary = Boundary::NoFlux, double lower = -4, double upper = 4) {
  std::vector<Axis> axes;
  for (const int n : cells) axes.push_back({lower, upper, n, boundary, boundary == Boundary::Periodic ? 0.0 : 0.5});
  return Grid(axes);
}

struct Made {
  Field field;
  Density density;
  double mass = 0;
  std::vector<std::string> warnings;
};

Made make(const std::string& text, const Grid& grid, MPI_Comm comm = world) {
  const ProblemFile file = ProblemFile::parse("[initial]\n" + text, "p.toml");
  Made m;
  m.density = read_density(file.root().table("initial", "Initial data."), "rho", "Initial density.", grid.dim());
  file.check_all_used();
  m.field = Field(make_layout(comm, grid));
  m.mass = fill_density(m.field, 0, m.density, m.warnings);
  return m;
}

void says(const std::string& text, const Grid& grid, const std::string& part) {
  try {
    make(text, grid);
    BOOST_ERROR("no error in: " << text);
  } catch (const InputError& e) {
    const std::string m = e.what();
    BOOST_TEST(m.rfind("p.toml:", 0) == 0, m);
    BOOST_TEST(m.find(part) != std::string::npos, m);
  }
}

double mass_of(const Field& field) { return sum(field) * field.layout().grid().cell_volume(); }

/// Writes on rank 0 once no rank reads an older file of this name, and lets all others wait.
template <class F>
std::string written(const std::string& name, F&& write) {
  const std::string path = fmt::format("density_{}_{}", size_of(world), name);
  MPI_Barrier(world);
  if (rank_of(world) == 0) write(path);
  MPI_Barrier(world);
  return std::filesystem::absolute(path).string();
}

std::string write_samples(const std::string& name, const std::vector<double>& values, std::vector<hsize_t> shape) {
  return written(name, [&](const std::string& path) {
    const H5Id file = h5_create(path);
    const H5Id dataset = h5_dataset(file.get(), path, "points", H5T_NATIVE_DOUBLE, shape);
    H5Dwrite(dataset.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  });
}

/// A field that is the same, bit for bit, as on one rank.
void check_bits(const Made& made, const std::string& text) {
  const SlabLayout& layout = made.field.layout();
  const Made alone = make(text, layout.grid(), MPI_COMM_SELF);
  for (std::ptrdiff_t i = 0; i < layout.owned(); ++i) BOOST_TEST(made.field.level()[i] == alone.field.level()[layout.global_offset() + i]);
}

/// Sample points, not random, inside (-3, 3)^dim.
std::vector<double> points(int n, int dim) {
  std::vector<double> x;
  for (int i = 0; i < n; ++i)
    for (int d = 0; d < dim; ++d) x.push_back(3 * std::sin(1.7 * i + 0.9 * d * i + d) * std::cos(0.3 * i));
  return x;
}

}  // namespace

BOOST_AUTO_TEST_CASE(families_have_mass_one) {
  for (const std::string type : {"blobs9", "circles", "checkerboard"}) {
    const std::string text = "rho = { type = '" + type + "' }";
    const Made made = make(text, box({96, 96}, Boundary::NoFlux, -6, 6));
    // The checkerboard's corners and the cells' coincide: the sum is exact.
    BOOST_TEST(std::fabs(made.mass - 1) < (type == "circles" ? 1e-6 : 1e-12), type << " " << made.mass);
    BOOST_TEST(std::fabs(mass_of(made.field) - 1) < 1e-14);
    BOOST_TEST(made.density.data);
    check_bits(made, text);
  }
  const Made blobs = make("rho = { type = 'blobs9' }", box({64, 64}));
  const double variance = 0.2 * 0.65 * 0.65;
  BOOST_TEST(std::fabs(blobs.density.function->at(0, 0, 0, 0) - 1 / (9 * 2 * std::numbers::pi * variance)) < 1e-7);  // the next one is 1.84 away
  const Made board = make("rho = { type = 'checkerboard', half_width = 2, squares = 2 }", box({64, 64}));
  BOOST_TEST(std::fabs(board.density.function->at(-1, -1, 0, 0) - 1.0 / 8) < 1e-15);
  BOOST_TEST(board.density.function->at(-1, 1, 0, 0) == 0);
  BOOST_TEST(std::fabs(board.density.function->at(1, 1, 0, 0) - 1.0 / 8) < 1e-15);
  const Made one = make("rho = { type = 'mixture', components = [{ mean = 1, deviation = 0.5 }] }\nmass = 3", box({200}));
  BOOST_TEST(std::fabs(mass_of(one.field) - 3) < 1e-13);
  const Made boxes = make("rho = { type = 'boxes', boxes = [{ lower = 0, upper = 1 }, { lower = 1, upper = [2, 3, 1.5] }] }", box({16, 16, 16}));
  BOOST_TEST(std::fabs(boxes.mass - 1) < 1e-12);
}

BOOST_AUTO_TEST_CASE(functions_are_checked_and_scaled) {
  const Grid grid = box({40, 24});
  const Made made = make("rho = 'exp(-x^2 - y^2)'\nmass = 2", grid);
  BOOST_TEST(std::fabs(made.mass - std::numbers::pi) < 1e-6);
  BOOST_TEST(std::fabs(mass_of(made.field) - 2) < 1e-13);
  BOOST_TEST(!made.density.data);
  const Made plain = make("rho = 'exp(-x^2 - y^2)/pi'\nnormalise = false", grid);
  const double x = grid.axis(0).node(3), y = grid.axis(1).node(plain.field.layout().first());
  BOOST_TEST(std::fabs(plain.field.level()[3] - std::exp(-x * x - y * y) / std::numbers::pi) < 1e-16);
  says("rho = 'x'", grid, "the density is negative: -3.9 at (-3.9, -3.83333)");
  says("rho = '1/(x-0.1)^2 - 1/0'", grid, "");
  says("rho = 'log(x)'", grid, "not finite");
  says("rho = 0", grid, "0 everywhere");
  says("rho = 'exp(-x^2 - y^2)'\nnormalise = false", grid, "3.14159");
  says("rho = 'exp(-x^2 - y^2) + 0*t + t'", grid, "depend on t");
  says("rho = { type = 'circles' }", box({40}), "plane");
  says("rho = { type = 'circls' }", grid, "circls");
  says("rho = { type = 'samples', file = 'nowhere.h5', dataset = 'points' }", grid, "no file");
  says("rho = { type = 'image', file = 'nowhere.png' }", grid, "no image");
}

BOOST_AUTO_TEST_CASE(a_box_that_is_too_small_is_told) {
  const Grid small = box({32, 32}, Boundary::NoFlux, -2, 2), right = box({64, 64}, Boundary::NoFlux, -5, 5);
  says("rho = { type = 'blobs9' }", small, "the box is too small for it");
  const Made cut = make("rho = { type = 'blobs9' }\nmass_tolerance = 0.5", small);
  BOOST_TEST(cut.mass < 0.8);
  BOOST_TEST(std::fabs(mass_of(cut.field) - 1) < 1e-14);
  BOOST_TEST(cut.warnings.size() == 1);
  BOOST_TEST(cut.warnings.at(0).find("initial.rho: the grid holds 0.557") != std::string::npos, cut.warnings.at(0));
  BOOST_TEST(make("rho = { type = 'blobs9' }", right).warnings.empty());
  // A little is cut off: told, not refused; with normalise = false the tolerance is 1e-3.
  const std::string normal = "rho = { type = 'mixture', components = [{ mean = [0, 0], deviation = 1.4 }] }";
  BOOST_TEST(make(normal, box({64, 64})).warnings.size() == 1);
  says(normal + "\nnormalise = false", box({64, 64}), "mass_tolerance = 0.001");
}

BOOST_AUTO_TEST_CASE(histograms) {
  for (const int dim : {1, 2, 3}) {
    const int n = 500;
    const std::vector<double> x = points(n, dim);
    const std::string file = write_samples(fmt::format("h{}.h5", dim), x, {static_cast<hsize_t>(n), static_cast<hsize_t>(dim)});
    const std::vector<int> all{12, 10, 9}, cells(all.begin(), all.begin() + dim);
    const std::string text = "rho = { type = 'samples', file = '" + file + "', dataset = 'points', estimate = 'histogram' }";
    const Made made = make(text, box(cells));
    BOOST_TEST(std::fabs(made.mass - 1) < 1e-13);
    const SlabLayout& layout = made.field.layout();
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = layout.row(r);
      for (int i = 0; i < p.n; ++i) {
        const double centre[]{p.x[i], p.y, p.z};
        int count = 0;
        for (int k = 0; k < n; ++k) {
          bool inside = true;
          for (int d = 0; d < dim; ++d)
            inside = inside && std::fabs(x[static_cast<std::size_t>(k * dim + d)] - centre[d]) < layout.grid().spacing(d) / 2;
          count += inside;
        }
        BOOST_TEST(std::fabs(made.field.level()[p.offset + i] * layout.grid().cell_volume() * n - count) < 1e-10);
      }
    }
    check_bits(made, text);
  }
}

BOOST_AUTO_TEST_CASE(kernel_estimates) {
  const int n = 60;
  const auto cdf = [](double u) { return 0.5 * std::erfc(-u / std::numbers::sqrt2); };
  for (const int dim : {1, 2, 3})
    for (const Boundary boundary : {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet}) {
      const std::vector<double> x = points(n, dim);
      const std::string file = write_samples(fmt::format("k{}.h5", dim), x, {static_cast<hsize_t>(n), static_cast<hsize_t>(dim)});
      const std::vector<int> all{40, 12, 9}, cells(all.begin(), all.begin() + dim);
      const Grid grid = box(cells, boundary);
      // Silverman's rule.
      std::vector<double> h;
      for (int d = 0; d < dim; ++d) {
        double mean = 0, square = 0;
        for (int k = 0; k < n; ++k) mean += x[static_cast<std::size_t>(k * dim + d)] / n;
        for (int k = 0; k < n; ++k) square += std::pow(x[static_cast<std::size_t>(k * dim + d)] - mean, 2) / (n - 1);
        h.push_back(std::sqrt(square) * std::pow(4.0 / (n * (dim + 2)), 1.0 / (dim + 4)));
      }
      for (const bool given : {false, true}) {
        if (given) h.assign(h.size(), 0.7);
        const std::string text =
            "rho = { type = 'samples', file = '" + file + "', dataset = 'points'" + (given ? ", bandwidth = 0.7 }" : " }") + "\nmass_tolerance = 0.5";
        const Made made = make(text, grid);
        if (boundary != Boundary::Dirichlet) BOOST_TEST(std::fabs(made.mass - 1) < 1e-12);
        if (boundary == Boundary::Dirichlet) BOOST_TEST(made.mass < 1 - 1e-6);
        const SlabLayout& layout = made.field.layout();
        double worst = 0;
        for (int r = 0; r < layout.rows(); ++r) {
          const RowPoints p = layout.row(r);
          for (int i = 0; i < p.n; ++i) {
            const double centre[]{p.x[i], p.y, p.z};
            double density = 0;
            for (int k = 0; k < n; ++k) {
              double product = 1.0 / n;
              for (int d = 0; d < dim; ++d) {
                const double dx = grid.spacing(d), b = h[static_cast<std::size_t>(d)], s = x[static_cast<std::size_t>(k * dim + d)];
                const auto average = [&](double c) { return (cdf((centre[d] + dx / 2 - c) / b) - cdf((centre[d] - dx / 2 - c) / b)) / dx; };
                double side = average(s);
                for (const int image : {-2, -1, 1, 2}) {
                  if (boundary == Boundary::Periodic) side += average(s + 8 * image);
                  if (boundary == Boundary::NoFlux) side += average(image % 2 ? 8 * image - s : s + 8 * image);
                }
                product *= side;
              }
              density += product;
            }
            worst = std::max(worst, std::fabs(made.field.level()[p.offset + i] * made.mass - density));
          }
        }
        BOOST_TEST(worst < 1e-13);
        check_bits(made, text);
      }
    }
}

BOOST_AUTO_TEST_CASE(wrong_samples_are_refused) {
  const Grid grid = box({20, 20});
  const auto text = [](const std::string& file, const std::string& more = "") {
    return "rho = { type = 'samples', file = '" + file + "', dataset = 'points'" + more + " }";
  };
  says(text(write_samples("w1.h5", points(5, 3), {5, 3})), grid, "shape");
  says(text(write_samples("w2.h5", {0, 0, 1, NAN}, {2, 2})), grid, "not finite");
  says(text(write_samples("w3.h5", {0, 1, 0, 2, 0, 3}, {3, 2})), grid, "Silverman");
  says(text(write_samples("w4.h5", {9, 9, 8, 8}, {2, 2}), ", estimate = 'histogram'"), grid, "0 everywhere");
  says(text(write_samples("w5.h5", points(5, 2), {5, 2}), ", bandwidth = 0"), grid, "bandwidth");
  says(text(written("w6.h5", [](const std::string& path) { std::ofstream(path) << "no HDF5"; })), grid, "open");
}

BOOST_AUTO_TEST_CASE(images) {
  // 5 x 3 pixels, rows from the top.
  const std::vector<int> grey{0, 10, 20, 30, 255, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130};
  const auto header = [](const char* magic, int scale) { return fmt::format("{}\n# made by a test\n5 3\n{}\n", magic, scale); };
  std::vector<std::string> files{written("plain.pgm",
                                         [&](const std::string& path) {
                                           std::ofstream out(path);
                                           out << header("P2", 255);
                                           for (const int g : grey) out << g << " ";
                                         }),
                                 written("bytes.pgm",
                                         [&](const std::string& path) {
                                           std::ofstream out(path, std::ios::binary);
                                           out << header("P5", 255);
                                           for (const int g : grey) out.put(static_cast<char>(g));
                                         }),
                                 written("words.pgm",
                                         [&](const std::string& path) {
                                           std::ofstream out(path, std::ios::binary);
                                           out << header("P5", 65535);
                                           for (const int g : grey) out.put(static_cast<char>(g)).put(static_cast<char>(g));
                                         }),
                                 written("grey.png", [&](const std::string& path) {
                                   png_image image{};
                                   image.version = PNG_IMAGE_VERSION;
                                   image.width = 5;
                                   image.height = 3;
                                   image.format = PNG_FORMAT_GRAY;
                                   const std::vector<png_byte> bytes(grey.begin(), grey.end());
                                   BOOST_TEST_REQUIRE(png_image_write_to_file(&image, path.c_str(), 0, bytes.data(), 0, nullptr));
                                 })};
  const auto pixel = [&](int column, int row_from_bottom) { return grey[static_cast<std::size_t>((2 - row_from_bottom) * 5 + column)] / 255.0; };
  for (const std::string& file : files) {
    // A cell a pixel: the values themselves, y upwards.
    const Grid same({{0, 5, 5, Boundary::NoFlux, 0.5}, {0, 3, 12, Boundary::NoFlux, 0.5}});
    const std::string text = "rho = { type = 'image', file = '" + file + "' }";
    const Made made = make(text, same);
    const SlabLayout& layout = made.field.layout();
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = layout.row(r);
      for (int i = 0; i < p.n; ++i) BOOST_TEST(std::fabs(made.field.level()[p.offset + i] * made.mass - pixel(i, static_cast<int>(p.y))) < 1e-14);
    }
    // Another box: the mass of the pixels, whatever the cells.
    double total = 0;
    for (const int g : grey) total += g / 255.0;
    const std::string smaller = "rho = { type = 'image', file = '" + file + "', lower = [-1, -0.5], upper = [1.5, 1.2] }";
    const Made placed = make(smaller, box({37, 23}, Boundary::Periodic));
    BOOST_TEST(std::fabs(placed.mass - total * (2.5 / 5) * (1.7 / 3)) < 1e-13);
    check_bits(placed, smaller);
    // All mass has its mirror image in brightness.
    const Made inverted = make("rho = { type = 'image', file = '" + file + "', invert = true }", same);
    BOOST_TEST(std::fabs(inverted.mass + made.mass - 15) < 1e-12);
  }
  says("rho = { type = 'image', file = '" + written("cut.pgm", [&](const std::string& path) { std::ofstream(path) << "P5\n5 3\n255\nabc"; }) + "' }",
       box({8, 8}), "ends early");
  says("rho = { type = 'image', file = '" + written("cut.png", [&](const std::string& path) { std::ofstream(path) << "\x89PNG\r\n\x1a\n..."; }) +
           "' }",
       box({8, 8}), "PNG");
  says("rho = { type = 'image', file = '" + written("text.png", [&](const std::string& path) { std::ofstream(path) << "hello"; }) + "' }",
       box({8, 8}), "neither");
}

BOOST_AUTO_TEST_CASE(potentials) {
  const auto value = [](const std::string& text, double x, double y) {
    const ProblemFile file = ProblemFile::parse("V = " + text, "p.toml");
    return read_function(file.root(), "V", "Potential.", 2)->at(x, y, 0, 0);
  };
  for (const auto& [x, y] : {std::pair{0.0, 0.0}, {1.5, -1.0}, {-2.5, 1.0}}) {
    const double r = std::hypot(x, y);
    const double moons = 2 * std::pow(r - 3, 2) - std::log(std::exp(-2 * std::pow(x - 3, 2)) + std::exp(-2 * std::pow(x + 3, 2)));
    BOOST_TEST(std::fabs(value("{ type = 'two_moons' }", x, y) - moons) < 1e-12);
    const double wells = (std::pow(x - 0.5, 2) + std::pow(y - 0.5, 2)) * (std::pow(x + 0.5, 2) + std::pow(y + 0.5, 2)) / 4;
    BOOST_TEST(std::fabs(value("{ type = 'double_well', first = 0.5 }", x, y) - wells) < 1e-12);
  }
}
