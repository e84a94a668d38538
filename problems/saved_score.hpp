#pragma once
/// Scores estimated on a grid: of densities, or of score fields, that a run saved.
#include <string>
#include <vector>

#include "problems/function.hpp"

namespace wasserflow {

struct SavedScoreSource {
  std::string path;      ///< a run directory (all of PATH/fields/*.h5), or one file of fields, which holds for all times
  bool density = true;   ///< grad log of "rho"; else the fields "score_x", ...
  double floor = 1e-12;  ///< in units of the density's largest value: grad log(rho + floor max rho), which tends to 0 where rho is lost in rounding
  bool thinned = false;  ///< as make_dataset
  Location where;        ///< for messages
};

/// Times of the files, increasing; one NaN for a single file. Throws InputError: no such run, no files, a field that is missing.
std::vector<double> saved_times(const SavedScoreSource& source, int dim);

/// One function an axis, of (x, t) with t the times of the files. In space by polynomials of third degree (fourth order; slopes of log rho at the
/// midpoints of faces and at nodes by central differences), in t by polynomials of third degree through the four nearest files, which are read when
/// they are needed: six of them are held at once. bind throws InputError where the grid or the box differs from that of the files.
std::vector<FunctionPtr> saved_score(const SavedScoreSource& source, int dim);

}  // namespace wasserflow
