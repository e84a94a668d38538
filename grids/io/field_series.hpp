#pragma once
/// The saved times of a run: DIRECTORY/fields/000000.h5, 000001.h5, ... and the index DIRECTORY/fields.xdmf that ParaView opens.
///
/// The index is an XDMF temporal collection of uniform meshes (3DCoRectMesh, in 1-D and 2-D too: ParaView reads 2DCoRectMesh wrongly), origin and
/// spacing in z y x order. It is replaced after each file, by rename, and names finished files only, since ParaView ends on a missing one. Both of
/// ParaView 5.11's readers ("XDMF Reader" = Xdmf2 and "Xdmf3ReaderS") were checked to give times, bounds and values; see tests/app/check_paraview.py.
#include <mpi.h>

#include <span>
#include <string>
#include <vector>

#include "grids/io/field_file.hpp"

namespace wasserflow {

class FieldSeries {
 public:
  /// Makes DIRECTORY/fields; the series is empty until write or resume. Throws IoError on all ranks.
  /// @note Collective.
  FieldSeries(MPI_Comm comm, std::string directory, LayoutPtr layout);

  /// Saves the fields at a time as the next file and adds it to the index. All fields have the grid of the series. Throws IoError on all ranks, with
  /// everything saved before intact.
  /// @note Collective.
  void write(double time, std::span<const NamedField> fields);

  /// Continues the series of an earlier run after its first `count` files, e.g. those saved before the checkpoint: later files leave the index and
  /// are removed. Throws IoError on all ranks when one of the first `count` files is missing.
  /// @note Collective.
  void resume(int count);

  int count() const { return static_cast<int>(frames_.size()); }  ///< saved times; belongs into checkpoints
  std::vector<double> times() const;
  std::string path_of(int index) const;  ///< DIRECTORY/fields/000000.h5
  std::string index_path() const;        ///< DIRECTORY/fields.xdmf

 private:
  struct Frame {
    double time = 0;
    std::vector<std::string> names;
  };
  void write_index() const;

  MPI_Comm comm_;
  std::string directory_;
  LayoutPtr layout_;
  std::vector<Frame> frames_;
};

/// Removes all saved times and their index, for a run that starts anew in an old directory.
/// @note Collective.
void clear_field_series(MPI_Comm comm, const std::string& directory);

}  // namespace wasserflow
