#include "grids/io/field_series.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "grids/io/durable_file.hpp"
#include "grids/support/mpi.hpp"

namespace wasserflow {

namespace fs = std::filesystem;

namespace {

std::string file_name(int index) { return fmt::format("fields/{:06}.h5", index); }

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

/// A file of the series or what an interrupted write of one left.
bool is_series_file(const fs::path& path, int& index) {
  fs::path p = path.filename();
  if (p.extension() == ".part") p = p.stem();
  const std::string stem = p.stem().string();
  if (p.extension() != ".h5" || stem.size() < 6 || stem.size() > 9 || stem.find_first_not_of("0123456789") != std::string::npos) return false;
  index = std::stoi(stem);
  return true;
}

void remove_from(const std::string& directory, int first) {
  std::error_code code;
  std::vector<fs::path> late;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory + "/fields", code)) {
    int index = 0;
    if (is_series_file(entry.path(), index) && index >= first) late.push_back(entry.path());
  }
  for (const fs::path& path : late) fs::remove(path, code);
}

}  // namespace

FieldSeries::FieldSeries(MPI_Comm comm, std::string directory, LayoutPtr layout)
    : comm_(comm), directory_(std::move(directory)), layout_(std::move(layout)) {
  ensure_directory(comm_, directory_ + "/fields");
}

void FieldSeries::write(double time, std::span<const NamedField> fields) {
  Frame frame{time, {}};
  for (const NamedField& f : fields) {
    for (int d = 0; d < 3; ++d)
      if (f.field->layout().grid().cells(d) != layout_->grid().cells(d)) throw InternalError("field " + f.name + " has another grid than its series");
    frame.names.push_back(f.name);
  }
  write_field_file(comm_, path_of(count()), fields, {.time = time, .read_back = false, .more = {}, .more_bytes = 0});
  frames_.push_back(std::move(frame));
  check_all(comm_, [&] {
    if (rank_of(comm_) == 0) write_index();
  });
}

void FieldSeries::resume(int count) {
  std::vector<Frame> frames(static_cast<std::size_t>(count));
  check_all(comm_, [&] {
    if (rank_of(comm_) != 0) return;
    for (int i = 0; i < count; ++i) {
      const FieldFile file(path_of(i));
      if (!file.time()) throw IoError(path_of(i) + ": attribute time is missing");
      frames[static_cast<std::size_t>(i)] = {*file.time(), file.names()};
    }
  });
  // Only rank 0 writes the index; the others keep the times.
  for (Frame& f : frames) MPI_Bcast(&f.time, 1, MPI_DOUBLE, 0, comm_);
  frames_ = std::move(frames);
  check_all(comm_, [&] {
    if (rank_of(comm_) != 0) return;
    write_index();
    remove_from(directory_, count);
  });
}

std::vector<double> FieldSeries::times() const {
  std::vector<double> times;
  for (const Frame& f : frames_) times.push_back(f.time);
  return times;
}

std::string FieldSeries::path_of(int index) const { return directory_ + "/" + file_name(index); }

std::string FieldSeries::index_path() const { return directory_ + "/fields.xdmf"; }

void FieldSeries::write_index() const {
  const Grid& grid = layout_->grid();
  const std::string shape = fmt::format("{} {} {}", grid.cells(2), grid.cells(1), grid.cells(0));
  std::string origin, spacing;
  for (int d = 2; d >= 0; --d) {
    origin += fmt::format("{}{}", d < grid.dim() ? grid.axis(d).node(0) : 0.0, d > 0 ? " " : "");
    spacing += fmt::format("{}{}", d < grid.dim() ? grid.spacing(d) : 1.0, d > 0 ? " " : "");
  }
  std::string text =
      "<?xml version=\"1.0\" ?>\n<Xdmf Version=\"3.0\">\n  <Domain>\n"
      "    <Grid Name=\"fields\" GridType=\"Collection\" CollectionType=\"Temporal\">\n";
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    const std::string file = file_name(static_cast<int>(i));
    text += fmt::format(
        "      <Grid Name=\"{:06}\" GridType=\"Uniform\">\n"
        "        <Time Value=\"{}\"/>\n"
        "        <Topology TopologyType=\"3DCoRectMesh\" Dimensions=\"{}\"/>\n"
        "        <Geometry GeometryType=\"ORIGIN_DXDYDZ\">\n"
        "          <DataItem Dimensions=\"3\" NumberType=\"Float\" Precision=\"8\" Format=\"XML\">{}</DataItem>\n"
        "          <DataItem Dimensions=\"3\" NumberType=\"Float\" Precision=\"8\" Format=\"XML\">{}</DataItem>\n"
        "        </Geometry>\n",
        i, frames_[i].time, shape, origin, spacing);
    for (const std::string& name : frames_[i].names)
      text += fmt::format(
          "        <Attribute Name=\"{0}\" AttributeType=\"Scalar\" Center=\"Node\">\n"
          "          <DataItem Dimensions=\"{1}\" NumberType=\"Float\" Precision=\"8\" Format=\"HDF\">{2}:/{0}</DataItem>\n"
          "        </Attribute>\n",
          escaped(name), shape, file);
    text += "      </Grid>\n";
  }
  text += "    </Grid>\n  </Domain>\n</Xdmf>\n";
  write_text_file(index_path(), text);
}

void clear_field_series(MPI_Comm comm, const std::string& directory) {
  check_all(comm, [&] {
    if (rank_of(comm) != 0) return;
    std::error_code code;
    fs::remove(directory + "/fields.xdmf", code);
    remove_from(directory, 0);
  });
}

}  // namespace wasserflow
