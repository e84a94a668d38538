// ranks: 1 2 3 4
// Checkpoints: same bits on any number of ranks, broken ones are passed over, NaN is never saved.
#define BOOST_TEST_MODULE io_checkpoint
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include "grids/io/checkpoint.hpp"
#include "grids/support/mpi.hpp"

using namespace wasserflow;
namespace fs = std::filesystem;

namespace {

struct Scratch {
  std::string path;
  explicit Scratch(const std::string& name) {
    int process = static_cast<int>(getpid());
    MPI_Bcast(&process, 1, MPI_INT, 0, MPI_COMM_WORLD);
    path = (fs::temp_directory_path() / ("wasserflow_" + name + "_" + std::to_string(process))).string();
    if (rank_of(MPI_COMM_WORLD) == 0) fs::remove_all(path);
    MPI_Barrier(MPI_COMM_WORLD);
  }
  ~Scratch() {
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank_of(MPI_COMM_WORLD) == 0) fs::remove_all(path);
  }
};

Grid box(int dim, int n = 8) {
  std::vector<Axis> axes;
  for (int d = 0; d < dim; ++d) axes.push_back({0.0, 1.0 + d, n + d, Boundary::Periodic, 0});
  return Grid(axes);
}

double value(std::int64_t i, int level) { return std::exp(std::sin(static_cast<double>(i) + 10.0 * level)) / 3.0; }

Field filled(const LayoutPtr& layout, int levels = 1, int shift = 0) {
  Field f(layout, levels);
  for (int k = 0; k < levels; ++k)
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) f.level(k)[i] = value(layout->global_offset() + i, k + shift);
  return f;
}

bool holds(const Field& f, int shift = 0) {
  for (int k = 0; k < f.levels(); ++k)
    for (std::ptrdiff_t i = 0; i < f.layout().owned(); ++i)
      if (f.level(k)[i] != value(f.layout().global_offset() + i, k + shift)) return false;
  return true;
}

CheckpointData some_data(std::int64_t step) {
  CheckpointData data;
  data.reals = {{"tau", 0.1 + 0.2}, {"tiny", std::numeric_limits<double>::denorm_min()}, {"none", std::numeric_limits<double>::infinity()}};
  data.integers = {{"step", step}, {"seed", std::numeric_limits<std::int64_t>::min()}};
  data.vectors = {{"residuals", {1.0 / 3.0, 2.0 / 3.0, -0.0}}, {"empty", {}}};
  data.texts = {{"problem", "[grid]\ncells = 40  # ö\n"}, {"empty", ""}};
  return data;
}

bool same(const CheckpointData& a, const CheckpointData& b) {
  return a.reals == b.reals && a.integers == b.integers && a.vectors == b.vectors && a.texts == b.texts;
}

void flip_byte(const std::string& path, std::int64_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(at);
  const char c = static_cast<char>(~file.get());
  file.seekp(at);
  file.put(c);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_run_goes_on_with_the_same_bits_on_another_number_of_ranks) {
  const Scratch scratch("restart");
  for (int dim = 1; dim <= 3; ++dim) {
    const std::string directory = scratch.path + "/" + std::to_string(dim);
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(dim));
    const Field phi = filled(layout), window = filled(layout, 3, 5);
    std::vector<NamedField> fields = all_levels("phi", phi);
    for (const NamedField& f : all_levels("window", window)) fields.push_back(f);
    CheckpointStore(MPI_COMM_WORLD, directory).save(fields, some_data(17));

    // Sub-communicators of 1, 2, ... ranks read it; the rest form another one that reads it at the same time.
    for (int readers = 1; readers <= size_of(MPI_COMM_WORLD); ++readers) {
      MPI_Comm comm = MPI_COMM_NULL;
      MPI_Comm_split(MPI_COMM_WORLD, rank_of(MPI_COMM_WORLD) < readers ? 0 : 1, 0, &comm);
      {
        CheckpointStore store(comm, directory);
        const std::optional<Checkpoint> checkpoint = store.newest_valid();
        BOOST_REQUIRE(checkpoint.has_value());
        BOOST_TEST(same(checkpoint->data(), some_data(17)));
        BOOST_TEST(std::signbit(checkpoint->vector("residuals").back()));
        BOOST_TEST(checkpoint->integer("step") == 17);
        BOOST_TEST(checkpoint->real("tau") == 0.1 + 0.2);
        BOOST_TEST(checkpoint->has("phi"));
        BOOST_TEST(!checkpoint->has("rho"));
        const LayoutPtr here = make_layout(comm, box(dim), 2);
        Field a(here), b(here, 3);
        checkpoint->load("phi", a);
        checkpoint->load_levels("window", b);
        BOOST_TEST(holds(a));
        BOOST_TEST(holds(b, 5));
        BOOST_CHECK_THROW(checkpoint->load("rho", a), IoError);
        BOOST_CHECK_THROW(checkpoint->integer("stop"), IoError);
        Field other(make_layout(comm, box(dim, 9)));
        BOOST_CHECK_THROW(checkpoint->load("phi", other), IoError);
      }
      MPI_Comm_free(&comm);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_two_newest_are_kept) {
  const Scratch scratch("two");
  CheckpointStore store(MPI_COMM_WORLD, scratch.path);
  BOOST_TEST(!store.newest_valid().has_value());
  const Field phi = filled(make_layout(MPI_COMM_WORLD, box(2)));
  for (int k = 0; k < 4; ++k) store.save(all_levels("phi", phi), some_data(k));
  MPI_Barrier(MPI_COMM_WORLD);
  BOOST_TEST(!fs::exists(scratch.path + "/000001.h5"));
  BOOST_TEST(fs::exists(scratch.path + "/000002.h5"));
  BOOST_TEST(fs::exists(scratch.path + "/000003.h5"));
  BOOST_TEST(CheckpointStore(MPI_COMM_WORLD, scratch.path).newest_valid()->integer("step") == 3);
  store.clear();
  BOOST_TEST(fs::is_empty(scratch.path));
}

BOOST_AUTO_TEST_CASE(the_same_state_makes_the_same_bytes) {
  const Scratch scratch("bytes");
  CheckpointStore store(MPI_COMM_WORLD, scratch.path);
  const Field phi = filled(make_layout(MPI_COMM_WORLD, box(2)));
  const auto bytes = [&](const char* name) {
    std::ifstream in(scratch.path + name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  store.save(all_levels("phi", phi), some_data(1));
  sleep(1);  // a time stamp would change
  store.save(all_levels("phi", phi), some_data(1));
  MPI_Barrier(MPI_COMM_WORLD);
  BOOST_TEST((bytes("/000000.h5") == bytes("/000001.h5")));
  BOOST_TEST(bytes("/000000.h5").size() > 1000u);
}

BOOST_AUTO_TEST_CASE(a_broken_newest_one_is_passed_over_and_not_counted) {
  const Scratch scratch("broken");
  const Field phi = filled(make_layout(MPI_COMM_WORLD, box(2)));
  const std::string newest = scratch.path + "/000001.h5";
  // Cut short, emptied, not HDF5 at all, one flipped bit in the data of the last rank.
  for (int damage = 0; damage < 4; ++damage) {
    CheckpointStore writer(MPI_COMM_WORLD, scratch.path);
    for (int k = 0; k < 2; ++k) writer.save(all_levels("phi", phi), some_data(k));
    if (rank_of(MPI_COMM_WORLD) == 0) {
      if (damage == 0) fs::resize_file(newest, fs::file_size(newest) - 100);
      if (damage == 1) fs::resize_file(newest, 0);
      if (damage == 2) std::ofstream(newest) << "not a checkpoint";
      if (damage == 3) {
        const FieldFile file(newest);
        const FieldFile::Entry& e = file.entries().front();
        flip_byte(newest, e.offset + 8 * e.shape[1] * e.shape[2] - 3);
      }
    }
    MPI_Barrier(MPI_COMM_WORLD);
    CheckpointStore store(MPI_COMM_WORLD, scratch.path);
    const std::optional<Checkpoint> checkpoint = store.newest_valid();
    BOOST_REQUIRE(checkpoint.has_value());
    BOOST_TEST(checkpoint->integer("step") == 0);
    BOOST_REQUIRE(store.rejected().size() == 1u);
    BOOST_TEST(store.rejected().front().find("000001.h5") != std::string::npos);
    // The next save keeps the valid one, not the broken one.
    store.save(all_levels("phi", phi), some_data(9));
    MPI_Barrier(MPI_COMM_WORLD);
    BOOST_TEST(fs::exists(scratch.path + "/000000.h5"));
    BOOST_TEST(!fs::exists(newest));
    BOOST_TEST(fs::exists(scratch.path + "/000002.h5"));
    MPI_Barrier(MPI_COMM_WORLD);
    store.clear();
  }
}

BOOST_AUTO_TEST_CASE(any_flipped_byte_is_noticed_or_harmless) {
  // Every 7th byte of a small checkpoint in turn: either the file is refused or all that it gives is right.
  const Scratch scratch("flips");
  if (rank_of(MPI_COMM_WORLD) != 0) return;
  const LayoutPtr layout = make_layout(MPI_COMM_SELF, box(1, 8));
  const Field phi = filled(layout);
  CheckpointStore(MPI_COMM_SELF, scratch.path).save(all_levels("phi", phi), some_data(3));
  const std::string path = scratch.path + "/000000.h5";
  const std::int64_t size = static_cast<std::int64_t>(fs::file_size(path));
  int refused = 0;
  for (std::int64_t at = 0; at < size; at += 7) {
    flip_byte(path, at);
    if (const std::optional<Checkpoint> checkpoint = CheckpointStore(MPI_COMM_SELF, scratch.path).newest_valid()) {
      Field f(layout);
      checkpoint->load("phi", f);
      if (!holds(f) || !same(checkpoint->data(), some_data(3))) BOOST_ERROR("flipped byte " << at << " was not noticed");
    } else {
      ++refused;
    }
    flip_byte(path, at);
  }
  BOOST_TEST(refused > 50);
}

BOOST_AUTO_TEST_CASE(nan_is_reported_with_its_place_before_anything_is_written) {
  const Scratch scratch("nan");
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(2, 8));
  CheckpointStore store(MPI_COMM_WORLD, scratch.path);
  Field phi = filled(layout), rho = filled(layout, 2);
  std::vector<NamedField> fields = all_levels("phi", phi);
  for (const NamedField& f : all_levels("rho", rho)) fields.push_back(f);
  store.save(fields, some_data(0));
  // Point (3, 6) on whichever rank owns it: x = 3/8, y = 2*6/9.
  const std::int64_t point = 3 + 8 * 6 - layout->global_offset();
  for (double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    if (point >= 0 && point < layout->owned()) rho.level(1)[point] = bad;
    try {
      store.save(fields, some_data(1));
      BOOST_ERROR("a broken field was saved");
    } catch (const DivergedError& e) {
      const std::string what = e.what();
      BOOST_TEST(what.find("rho") != std::string::npos);
      BOOST_TEST(what.find("x = 0.375, y = 1.33333") != std::string::npos);
    }
  }
  MPI_Barrier(MPI_COMM_WORLD);
  BOOST_TEST(!fs::exists(scratch.path + "/000001.h5"));
  BOOST_TEST(store.newest_valid()->integer("step") == 0);
}
