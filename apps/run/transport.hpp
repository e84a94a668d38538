#pragma once
/// The app wf-transport as a function, and what a kind of transport is to it.
#include <functional>
#include <limits>
#include <memory>

#include "apps/run/driver.hpp"
#include "grids/field.hpp"
#include "grids/support/parameters.hpp"

namespace wasserflow {

/// Returns the exit code of the process.
/// @note Collective; starts and ends MPI.
int transport_main(int argc, char** argv);

/// What a problem file says about every kind of transport.
struct TransportInput {
  LayoutPtr layout;
  Field source, target;  ///< checked and scaled as the file says
  Parameters transport, solver, output;
};

/// What every kind of transport reports; NaN: it has none.
struct TransportFigures {
  double distance = std::numeric_limits<double>::quiet_NaN();
  double lower = std::numeric_limits<double>::quiet_NaN(), upper = std::numeric_limits<double>::quiet_NaN();  ///< certified bounds of the distance
  int iterations = 0;
};

/// A transport problem that is ready to be solved.
class TransportProblem {
 public:
  virtual ~TransportProblem() = default;
  /// Solves, with history, checkpoints and restart; saves fields; adds what is its own to the report. The figures are good when it stops early, too.
  /// @note Collective.
  virtual Status run(Run& run, TransportFigures& figures) = 0;
};

/// Reads the keys of its kind and throws InputError for what cannot be solved, on all ranks alike.
/// @note Collective.
using TransportFactory = std::function<std::unique_ptr<TransportProblem>(TransportInput input)>;

/// [transport] type = "w1".
std::unique_ptr<TransportProblem> make_transport_w1(TransportInput input);

/// The kinds, by [transport] type.
const Registry<TransportFactory>& transport_types();

}  // namespace wasserflow
