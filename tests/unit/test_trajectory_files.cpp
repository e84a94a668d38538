// ranks: 1 2
#define BOOST_TEST_MODULE trajectory_files
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"
#include "solvers/trajectory_files.hpp"

using namespace wasserflow;

namespace {

Grid box() { return Grid({Axis{0, 2, 8, Boundary::Periodic, 0}, Axis{-1, 1, 8, Boundary::NoFlux, 0.5}}); }

std::optional<TrajectoryPlan> read(const std::string& text) {
  const ProblemFile file = ProblemFile::parse(text, "case.toml");
  auto plan = read_trajectory_plan(file.root(), box());
  file.check_all_used();
  return plan;
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

}  // namespace

BOOST_AUTO_TEST_CASE(plans_are_read) {
  BOOST_TEST(!read("").has_value());
  const auto tensor = read("[trajectories]\nstarts = [3, 2]\nsamples = 4\nseed = 17\ninterpolation = 'nearest'");
  BOOST_TEST(tensor->starts.size() == 24u);
  BOOST_TEST((tensor->starts[0] == tensor->starts[3]));
  BOOST_TEST(tensor->starts[4][0] == 1.0);
  BOOST_TEST(tensor->starts[4][1] == -0.5);
  BOOST_TEST(tensor->options.seed == 17u);
  BOOST_TEST((tensor->options.interpolation == TrajectoryOptions::Interpolation::Nearest));
  const auto listed = read("[[trajectories.points]]\nat = [5.0, 0.5]\n[[trajectories.points]]\nat = [0.1, -1.0]");
  BOOST_TEST(listed->starts.size() == 2u);
  BOOST_TEST(listed->starts[0][0] == 5.0);
  BOOST_CHECK_THROW(read("[[trajectories.points]]\nat = [0.0, 1.5]"), InputError);
  BOOST_CHECK_THROW(read("[trajectories]\nstarts = 0"), InputError);
}

BOOST_AUTO_TEST_CASE(files_do_not_depend_on_ranks) {
  const int rank = rank_of(MPI_COMM_WORLD), ranks = size_of(MPI_COMM_WORLD);
  int process = static_cast<int>(getpid());
  MPI_Bcast(&process, 1, MPI_INT, 0, MPI_COMM_WORLD);
  const std::string base = (std::filesystem::temp_directory_path() / ("wasserflow_trajectories_" + std::to_string(process))).string();
  std::vector<Trajectory> all;
  for (int k = 0; k < 6; ++k) {
    Trajectory t;
    t.sample = k;
    t.times = {0, 0.5, 1};
    t.points = {{0.1 * k, 1, 7}, {0.2 * k, 2, 7}, {0.3 * k, 3, 7}};
    t.costs = {0, 1, 2};
    t.velocities = {{1, 2, 3}, {4, 5, 6}, {4, 5, 6}};
    t.running_cost = 2;
    t.terminal_cost = 0.25;
    all.push_back(t);
  }
  const std::vector<Trajectory> mine(all.begin() + 6 * rank / ranks, all.begin() + 6 * (rank + 1) / ranks);
  const std::string together = base + "_together", alone = base + "_alone" + std::to_string(rank);
  write_trajectories(MPI_COMM_WORLD, together, mine, 2, 3);
  write_trajectories(MPI_COMM_SELF, alone, all, 2, 3);
  MPI_Barrier(MPI_COMM_WORLD);
  BOOST_TEST((bytes_of(together + ".h5") == bytes_of(alone + ".h5")));
  BOOST_TEST(bytes_of(together + ".xdmf").find("velocity_y") != std::string::npos);
  BOOST_TEST(bytes_of(together + ".xdmf").find("velocity_z") == std::string::npos);
  MPI_Barrier(MPI_COMM_WORLD);
  for (const char* extension : {".h5", ".xdmf"}) {
    std::filesystem::remove(alone + extension);
    if (rank == 0) std::filesystem::remove(together + extension);
  }
}
