// ranks: 1 2 3 4
// The files of saved times: what is in them, the index, and going on with a series.
#define BOOST_TEST_MODULE io_fields
#include <hdf5_hl.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "grids/io/durable_file.hpp"
#include "grids/io/field_series.hpp"
#include "grids/support/mpi.hpp"

using namespace wasserflow;
namespace fs = std::filesystem;

namespace {

/// An empty directory that all ranks agree on, removed at the end.
struct Scratch {
  std::string path;
  explicit Scratch(const std::string& name) {
    int process = static_cast<int>(getpid());
    MPI_Bcast(&process, 1, MPI_INT, 0, MPI_COMM_WORLD);
    path = (fs::temp_directory_path() / ("wasserflow_" + name + "_" + std::to_string(process))).string();
    if (rank_of(MPI_COMM_WORLD) == 0) {
      fs::remove_all(path);
      fs::create_directories(path);
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }
  ~Scratch() {
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank_of(MPI_COMM_WORLD) == 0) fs::remove_all(path);
  }
};

Grid box(int dim) {
  std::vector<Axis> axes{{-1.0, 2.0, 7, Boundary::Periodic, 0}, {0.5, 1.5, 6, Boundary::NoFlux, 0.5}, {0.0, 10.0, 5, Boundary::Periodic, 0}};
  axes.resize(static_cast<std::size_t>(dim));
  return Grid(axes);
}

// Values that any rounding, conversion or shift would change; point 3 is a denormal number, point 4 minus zero.
double value(std::int64_t i, double scale) {
  if (i == 3) return std::numeric_limits<double>::denorm_min();
  if (i == 4) return -0.0;
  return scale * std::sin(1.0 + 0.37 * static_cast<double>(i));
}

Field filled(const LayoutPtr& layout, double scale) {
  Field f(layout);
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) f.level()[i] = value(layout->global_offset() + i, scale);
  return f;
}

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_come_back_with_the_same_bits_through_plain_hdf5) {
  const Scratch scratch("bits");
  for (int dim = 1; dim <= 3; ++dim) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(dim));
    const std::string directory = scratch.path + "/" + std::to_string(dim);
    FieldSeries series(MPI_COMM_WORLD, directory, layout);
    const Field phi = filled(layout, 1.0), rho = filled(layout, 1e-200);
    const std::vector<NamedField> fields{{"phi", &phi}, {"rho", &rho}};
    series.write(0.25, fields);
    BOOST_TEST(series.count() == 1);
    BOOST_TEST(!fs::exists(series.path_of(0) + ".part"));

    // Every rank reads the whole file with HDF5 alone.
    const hid_t file = H5Fopen(series.path_of(0).c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
    BOOST_REQUIRE(file >= 0);
    double time = 0;
    BOOST_TEST(H5LTget_attribute_double(file, "/", "time", &time) >= 0);
    BOOST_TEST(time == 0.25);
    const Grid& grid = layout->grid();
    for (const auto& [name, scale] : {std::pair<const char*, double>{"phi", 1.0}, {"rho", 1e-200}}) {
      const hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(dataset), type = H5Dget_type(dataset);
      const hid_t list = H5Dget_create_plist(dataset);
      BOOST_TEST(H5Pget_layout(list) == H5D_CONTIGUOUS);
      BOOST_TEST(H5Pget_nfilters(list) == 0);
      BOOST_TEST(H5Tequal(type, H5T_IEEE_F64LE) > 0);
      hsize_t shape[3] = {0, 0, 0};
      BOOST_REQUIRE(H5Sget_simple_extent_ndims(space) == 3);
      H5Sget_simple_extent_dims(space, shape, nullptr);
      for (int d = 0; d < 3; ++d) {
        BOOST_TEST(shape[2 - d] == static_cast<hsize_t>(grid.cells(d)));
        char label[16] = "";
        const hid_t scale_set = H5Dopen2(file, std::string(1, "xyz"[d]).c_str(), H5P_DEFAULT);
        BOOST_TEST(H5DSis_attached(dataset, scale_set, static_cast<unsigned>(2 - d)) > 0);
        BOOST_TEST(H5DSget_scale_name(scale_set, label, sizeof label) == 1);
        std::vector<double> nodes(static_cast<std::size_t>(grid.cells(d)));
        H5Dread(scale_set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, nodes.data());
        for (std::size_t i = 0; i < nodes.size(); ++i) BOOST_TEST(nodes[i] == (d < dim ? grid.axis(d).node(static_cast<std::int64_t>(i)) : 0.0));
        if (d < dim) {
          double edges[2] = {0, 0};
          H5LTget_attribute_double(scale_set, ".", "lower", &edges[0]);
          H5LTget_attribute_double(scale_set, ".", "upper", &edges[1]);
          BOOST_TEST(edges[0] == grid.axis(d).lower);
          BOOST_TEST(edges[1] == grid.axis(d).upper);
        }
        H5Dclose(scale_set);
      }
      std::vector<double> values(static_cast<std::size_t>(grid.size()));
      H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double expected = value(static_cast<std::int64_t>(i), scale);
        BOOST_REQUIRE(std::memcmp(&values[i], &expected, sizeof expected) == 0);
      }
      H5Pclose(list);
      H5Tclose(type);
      H5Sclose(space);
      H5Dclose(dataset);
    }
    H5Fclose(file);

    // And the reader of this project, on another cut into ranks.
    const FieldFile own(series.path_of(0));
    own.verify(0, 1);
    Field whole(make_layout(MPI_COMM_SELF, grid));
    own.read("rho", whole, 0);
    for (std::ptrdiff_t i = 0; i < grid.size(); ++i) BOOST_REQUIRE(whole.level()[i] == value(i, 1e-200));
    Field other(make_layout(MPI_COMM_SELF, Grid({{0, 1, 9}})));
    BOOST_CHECK_THROW(own.read("rho", other, 0), IoError);
    BOOST_CHECK_THROW(own.read("nothing", whole, 0), IoError);
  }
}

BOOST_AUTO_TEST_CASE(index_names_finished_files_with_times_origin_and_spacing) {
  const Scratch scratch("index");
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(2));
  FieldSeries series(MPI_COMM_WORLD, scratch.path, layout);
  const Field phi = filled(layout, 1.0);
  const std::vector<NamedField> fields{{"phi", &phi}, {"a<b", &phi}};
  series.write(0.0, fields);
  series.write(0.125, fields);
  MPI_Barrier(MPI_COMM_WORLD);
  const std::string text = text_of(series.index_path());
  const auto contains = [&](const std::string& part) { return text.find(part) != std::string::npos; };
  BOOST_TEST(contains("CollectionType=\"Temporal\""));
  BOOST_TEST(contains("<Time Value=\"0.125\"/>"));
  BOOST_TEST(contains("TopologyType=\"3DCoRectMesh\" Dimensions=\"1 6 7\""));
  BOOST_TEST(contains(">0 0.5833333333333334 -1<"));                    // z y x of the first node; y at the centre of its cell
  BOOST_TEST(contains(">1 0.16666666666666666 0.42857142857142855<"));  // spacing; 1 for the missing axis
  BOOST_TEST(contains(">fields/000001.h5:/phi<"));
  BOOST_TEST(contains("Name=\"a&lt;b\""));
  BOOST_TEST(!contains(".part"));
  BOOST_TEST(!contains("000002"));
}

BOOST_AUTO_TEST_CASE(a_series_goes_on_where_its_checkpoint_was) {
  const Scratch scratch("resume");
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(1));
  const Field phi = filled(layout, 1.0), rho = filled(layout, 2.0);
  const std::vector<NamedField> fields{{"phi", &phi}};
  {
    FieldSeries series(MPI_COMM_WORLD, scratch.path, layout);
    for (int k = 0; k < 4; ++k) series.write(0.5 * k, fields);
  }
  FieldSeries series(MPI_COMM_WORLD, scratch.path, layout);
  BOOST_TEST(series.count() == 0);
  series.resume(2);
  MPI_Barrier(MPI_COMM_WORLD);
  BOOST_TEST(series.count() == 2);
  BOOST_TEST(fs::exists(series.path_of(1)));
  BOOST_TEST(!fs::exists(series.path_of(2)));
  BOOST_TEST(text_of(series.index_path()).find("000002") == std::string::npos);
  const std::vector<NamedField> both{{"phi", &phi}, {"rho", &rho}};
  MPI_Barrier(MPI_COMM_WORLD);
  series.write(7.0, both);
  MPI_Barrier(MPI_COMM_WORLD);
  BOOST_TEST(series.times() == (std::vector<double>{0.0, 0.5, 7.0}), boost::test_tools::per_element());
  const std::string text = text_of(series.index_path());
  BOOST_TEST(text.find("fields/000002.h5:/rho") != std::string::npos);
  BOOST_TEST(text.find("fields/000001.h5:/phi") != std::string::npos);
  BOOST_TEST(text.find("fields/000001.h5:/rho") == std::string::npos);
  BOOST_CHECK_THROW(series.resume(9), IoError);
  clear_field_series(MPI_COMM_WORLD, scratch.path);
  MPI_Barrier(MPI_COMM_WORLD);
  BOOST_TEST(fs::is_empty(scratch.path + "/fields"));
  BOOST_TEST(!fs::exists(series.index_path()));
}

BOOST_AUTO_TEST_CASE(names_that_a_file_cannot_hold_are_refused) {
  const Scratch scratch("names");
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(1));
  FieldSeries series(MPI_COMM_WORLD, scratch.path, layout);
  const Field phi = filled(layout, 1.0);
  const Field elsewhere(make_layout(MPI_COMM_WORLD, Grid({{0, 1, 9}})));
  for (const char* name : {"", "x", "integrity", "a/b"}) BOOST_CHECK_THROW(series.write(0, std::vector<NamedField>{{name, &phi}}), InternalError);
  BOOST_CHECK_THROW(series.write(0, std::vector<NamedField>{{"a", &phi}, {"a", &phi}}), InternalError);
  BOOST_CHECK_THROW(series.write(0, std::vector<NamedField>{{"a", &phi, 1}}), InternalError);
  BOOST_CHECK_THROW(series.write(0, std::vector<NamedField>{{"a", &elsewhere}}), InternalError);
  BOOST_TEST(fs::is_empty(scratch.path + "/fields"));
}
