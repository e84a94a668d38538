// ranks: 1 2 3 4
// Trajectories: the same file on any number of ranks, ranks without lines included.
#define BOOST_TEST_MODULE io_polylines
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "grids/io/hdf5.hpp"
#include "grids/io/polylines.hpp"
#include "grids/support/mpi.hpp"

using namespace wasserflow;
namespace fs = std::filesystem;

namespace {

Polyline ray(int k) {
  Polyline line;
  line.values.resize(2);
  for (int j = 0; j < 1 + (k * 7) % 5; ++j) {
    line.points.push_back({k + 0.125 * j, 1.0 / (1 + j), -0.5 * j});
    line.values[0].push_back(0.1 * j);
    line.values[1].push_back(std::sqrt(k + j));
  }
  return line;
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

}  // namespace

BOOST_AUTO_TEST_CASE(lines_keep_their_points_and_the_file_does_not_depend_on_ranks) {
  const int rank = rank_of(MPI_COMM_WORLD), ranks = size_of(MPI_COMM_WORLD);
  int process = static_cast<int>(getpid());
  MPI_Bcast(&process, 1, MPI_INT, 0, MPI_COMM_WORLD);
  const std::string base = (fs::temp_directory_path() / ("wasserflow_polylines_" + std::to_string(process))).string();
  const std::vector<std::string> names{"time", "cost"};
  for (int count : {9, 2, 0}) {
    std::vector<Polyline> all, mine;
    for (int k = 0; k < count; ++k) all.push_back(ray(k));
    for (int k = count * rank / ranks; k < count * (rank + 1) / ranks; ++k) mine.push_back(ray(k));
    const std::string together = base + "_together", alone = base + "_alone" + std::to_string(rank);
    write_polylines(MPI_COMM_WORLD, together, mine, names);
    write_polylines(MPI_COMM_SELF, alone, all, names);
    MPI_Barrier(MPI_COMM_WORLD);
    BOOST_TEST((bytes_of(together + ".h5") == bytes_of(alone + ".h5")));

    const H5Id file = h5_open(together + ".h5");
    const std::vector<double> points = h5_read_reals(file.get(), together, "points"), time = h5_read_reals(file.get(), together, "time");
    const std::vector<double> cost = h5_read_reals(file.get(), together, "cost");
    const std::vector<std::int64_t> first = h5_read_integers(file.get(), together, "first"), line = h5_read_integers(file.get(), together, "line");
    const std::vector<std::int64_t> topology = h5_read_integers(file.get(), together, "topology");
    BOOST_REQUIRE(first.size() == static_cast<std::size_t>(count) + 1);
    std::size_t p = 0, cell = 0;
    for (int k = 0; k < count; ++k) {
      const Polyline& expected = all[static_cast<std::size_t>(k)];
      BOOST_TEST(first[static_cast<std::size_t>(k)] == static_cast<std::int64_t>(p));
      BOOST_REQUIRE(topology[cell++] == 2);
      BOOST_REQUIRE(topology[cell++] == static_cast<std::int64_t>(expected.points.size()));
      for (std::size_t j = 0; j < expected.points.size(); ++j, ++p) {
        BOOST_TEST(topology[cell++] == static_cast<std::int64_t>(p));
        for (std::size_t d = 0; d < 3; ++d) BOOST_TEST(points[3 * p + d] == expected.points[j][d]);
        BOOST_TEST(time[p] == expected.values[0][j]);
        BOOST_TEST(cost[p] == expected.values[1][j]);
        BOOST_TEST(line[p] == k);
      }
    }
    BOOST_TEST(first.back() == static_cast<std::int64_t>(p));
    BOOST_TEST(topology.size() == cell);
    const std::string index = bytes_of(together + ".xdmf");
    BOOST_TEST(index.find("NumberOfElements=\"" + std::to_string(count) + "\"") != std::string::npos);
    BOOST_TEST(index.find(fs::path(together).filename().string() + ".h5:/cost<") != std::string::npos);
    MPI_Barrier(MPI_COMM_WORLD);
    for (const char* extension : {".h5", ".xdmf"}) {
      fs::remove(alone + extension);
      if (rank == 0) fs::remove(together + extension);
    }
  }
}

BOOST_AUTO_TEST_CASE(incomplete_lines_are_refused_on_all_ranks) {
  const bool last = rank_of(MPI_COMM_WORLD) == size_of(MPI_COMM_WORLD) - 1;
  const std::vector<std::string> names{"time", "cost"}, bad{"points", "cost"};
  std::vector<Polyline> lines{ray(3)};
  BOOST_CHECK_THROW(write_polylines(MPI_COMM_WORLD, "/nonexistent/t", lines, bad), InternalError);
  BOOST_CHECK_THROW(write_polylines(MPI_COMM_WORLD, "/nonexistent/t", lines, names), IoError);
  if (last) lines.front().values[1].pop_back();
  BOOST_CHECK_THROW(write_polylines(MPI_COMM_WORLD, "/nonexistent/t", lines, names), InternalError);
  if (last) lines.front() = Polyline{{}, {{}, {}}};
  BOOST_CHECK_THROW(write_polylines(MPI_COMM_WORLD, "/nonexistent/t", lines, names), InternalError);
}
