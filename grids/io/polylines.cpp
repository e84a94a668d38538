#include "grids/io/polylines.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>

#include "grids/io/durable_file.hpp"
#include "grids/io/hdf5.hpp"
#include "grids/support/mpi.hpp"

namespace wasserflow {

namespace {

constexpr std::int64_t word = 8;           // bytes of every entry
constexpr std::int64_t polyline_cell = 2;  // XDMF's number of the cell type

struct Counts {
  std::int64_t lines = 0, points = 0;
};

std::string index_text(const std::string& file, Counts all, std::span<const std::string> names) {
  std::string text = fmt::format(
      "<?xml version=\"1.0\" ?>\n<Xdmf Version=\"3.0\">\n  <Domain>\n"
      "    <Grid Name=\"trajectories\" GridType=\"Uniform\">\n"
      "      <Topology TopologyType=\"Mixed\" NumberOfElements=\"{}\">\n"
      "        <DataItem Dimensions=\"{}\" NumberType=\"Int\" Precision=\"8\" Format=\"HDF\">{}:/topology</DataItem>\n"
      "      </Topology>\n"
      "      <Geometry GeometryType=\"XYZ\">\n"
      "        <DataItem Dimensions=\"{} 3\" NumberType=\"Float\" Precision=\"8\" Format=\"HDF\">{}:/points</DataItem>\n"
      "      </Geometry>\n",
      all.lines, all.points + 2 * all.lines, file, all.points, file);
  const auto attribute = [&](const std::string& name, const char* type) {
    text += fmt::format(
        "      <Attribute Name=\"{0}\" AttributeType=\"Scalar\" Center=\"Node\">\n"
        "        <DataItem Dimensions=\"{1}\" NumberType=\"{2}\" Precision=\"8\" Format=\"HDF\">{3}:/{0}</DataItem>\n"
        "      </Attribute>\n",
        name, all.points, type, file);
  };
  attribute("line", "Int");
  for (const std::string& name : names) attribute(name, "Float");
  return text + "    </Grid>\n  </Domain>\n</Xdmf>\n";
}

}  // namespace

void write_polylines(MPI_Comm comm, const std::string& path, std::span<const Polyline> lines, std::span<const std::string> names) {
  check_all(comm, [&] {
    for (const std::string& name : names)
      if (name.empty() || name.find_first_of("/<>&\"") != std::string::npos || name == "points" || name == "first" || name == "line" ||
          name == "topology")
        throw InternalError("'" + name + "' cannot be the name of an array of trajectories");
    for (const Polyline& line : lines) {
      if (line.points.empty()) throw InternalError("a trajectory has no points");
      if (line.values.size() != names.size()) throw InternalError("a trajectory has not one array for each name");
      for (const std::vector<double>& v : line.values)
        if (v.size() != line.points.size()) throw InternalError("an array of a trajectory has not one value for each point");
    }
  });
  Counts mine{static_cast<std::int64_t>(lines.size()), 0}, before, all;
  for (const Polyline& line : lines) mine.points += static_cast<std::int64_t>(line.points.size());
  MPI_Exscan(&mine, &before, 2, MPI_INT64_T, MPI_SUM, comm);
  if (rank_of(comm) == 0) before = {};
  MPI_Allreduce(&mine, &all, 2, MPI_INT64_T, MPI_SUM, comm);

  // One entry each of: points, first, line, topology, then the arrays.
  DurableFile file;
  file.path = path + ".h5";
  file.bytes =
      word * (all.points * (5 + static_cast<std::int64_t>(names.size())) + 3 * all.lines + 1) + 1024 * static_cast<std::int64_t>(names.size());
  file.create = [&](const std::string& part) {
    const H5Quiet quiet;
    H5Id h5 = h5_create(part);
    h5_attribute(h5.get(), part, "format", std::string("wasserflow polylines 1"));
    std::vector<std::int64_t> offsets;
    const auto add = [&](const std::string& name, hid_t type, std::vector<hsize_t> shape) {
      const H5Id dataset = h5_dataset(h5.get(), part, name, type, shape);
      offsets.push_back(shape[0] > 0 ? h5_offset(dataset.get(), part, name) : 0);
    };
    const hsize_t points = static_cast<hsize_t>(all.points), n = static_cast<hsize_t>(all.lines);
    add("points", H5T_NATIVE_DOUBLE, {points, 3});
    add("first", H5T_NATIVE_INT64, {n + 1});
    add("line", H5T_NATIVE_INT64, {points});
    add("topology", H5T_NATIVE_INT64, {points + 2 * n});
    for (const std::string& name : names) add(name, H5T_NATIVE_DOUBLE, {points});
    if (!h5.close()) throw IoError(part + ": cannot write the file");
    return offsets;
  };
  file.write = [&](int fd, std::span<const std::int64_t> offsets) {
    std::vector<double> points;
    std::vector<std::int64_t> first, line_of, topology;
    std::int64_t point = before.points, number = before.lines;
    for (const Polyline& line : lines) {
      const std::int64_t n = static_cast<std::int64_t>(line.points.size());
      first.push_back(point);
      topology.insert(topology.end(), {polyline_cell, n});
      for (const std::array<double, 3>& p : line.points) {
        points.insert(points.end(), p.begin(), p.end());
        line_of.push_back(number);
        topology.push_back(point++);
      }
      ++number;
    }
    if (rank_of(comm) == size_of(comm) - 1) first.push_back(all.points);
    const auto put = [&](const auto& values, std::size_t entry, std::int64_t at) {
      write_at(fd, values.data(), values.size() * word, offsets[entry] + word * at);
    };
    put(points, 0, 3 * before.points);
    put(first, 1, before.lines);
    put(line_of, 2, before.points);
    put(topology, 3, before.points + 2 * before.lines);
    for (std::size_t a = 0; a < names.size(); ++a) {
      std::vector<double> values;
      for (const Polyline& line : lines) values.insert(values.end(), line.values[a].begin(), line.values[a].end());
      put(values, 4 + a, before.points);
    }
  };
  write_durable_file(comm, file);
  check_all(comm, [&] {
    if (rank_of(comm) == 0) write_text_file(path + ".xdmf", index_text(std::filesystem::path(file.path).filename().string(), all, names));
  });
}

}  // namespace wasserflow
