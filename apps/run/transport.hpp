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

/// What a problem file says about transport without a time axis.
struct TransportInput {
  LayoutPtr layout;
  Field initial, final;  ///< checked and scaled as the file says
  Parameters transport, solver, output;
};

/// What is reported of it; NaN: there is none.
struct TransportFigures {
  double distance = std::numeric_limits<double>::quiet_NaN();
  double lower = std::numeric_limits<double>::quiet_NaN(), upper = std::numeric_limits<double>::quiet_NaN();  ///< certified bounds of the distance
  int iterations = 0;
};

/// A transport problem without a time axis that is ready to be solved.
class StaticTransportProblem {
 public:
  virtual ~StaticTransportProblem() = default;
  /// Solves, with history, checkpoints and restart; saves fields; adds what is its own to the report. The figures are good when it stops early, too.
  /// @note Collective.
  virtual Status run(Run& run, TransportFigures& figures) = 0;
};

/// Reads the keys of its kind and throws InputError for what cannot be solved, on all ranks alike.
/// @note Collective.
using StaticTransportFactory = std::function<std::unique_ptr<StaticTransportProblem>(TransportInput input)>;

/// [transport] type = "w1" and "w2".
std::unique_ptr<StaticTransportProblem> make_transport_w1(TransportInput input);
std::unique_ptr<StaticTransportProblem> make_transport_w2(TransportInput input);

/// A kind of transport as an application that reads all keys but [problem] and transport.type.
using TransportFactory = std::function<std::unique_ptr<Application>()>;
/// The kinds, by [transport] type.
const Registry<TransportFactory>& transport_types();

}  // namespace wasserflow
