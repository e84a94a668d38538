#pragma once
/// Densities from files: samples and images.
#include <string>
#include <vector>

#include "problems/function.hpp"

namespace wasserflow {

/// Samples in an HDF5 dataset of shape (N, dim), or (N) in 1-D; each has the mass 1/N.
struct SampleFile {
  std::string file, dataset;
  Location where;          ///< of the file's name
  bool histogram = false;  ///< shares of the samples in each cell, over its volume; otherwise Gaussian kernels, averaged over the cells
  /// Standard deviation of the kernel along each axis; empty: Silverman's rule, deviation of the samples x (4 / ((dim + 2) N))^(1/(dim + 4)).
  std::vector<double> bandwidth;
};
/// Kernels go on around periodic axes and are mirrored at no-flux walls, so that no mass is lost there; what lies beyond other boundaries is dropped.
/// Every rank reads all samples, piece by piece, and keeps what falls on its cells: the bits do not depend on the number of ranks. bind throws
/// InputError (file, dataset, shape, values that are not finite, samples that are equal along an axis) on all ranks alike.
FunctionPtr make_samples(SampleFile source);

/// Grey image: PNG (colours become grey; 8 bits are used) or PGM (plain or binary, up to 16 bits). In the plane: columns along x, rows from the top,
/// where y is largest.
struct ImageFile {
  std::string file;
  Location where;
  bool invert = false;               ///< dark is mass, instead of light
  std::vector<double> lower, upper;  ///< corners of the picture; empty: of the grid
};
/// Averages of the picture over each cell, full scale 1, 0 beside it. bind throws InputError on all ranks alike.
FunctionPtr make_image(ImageFile source);

}  // namespace wasserflow
