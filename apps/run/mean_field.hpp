#pragma once
/// The application behind wf-mean-field, and behind the dynamic kinds of wf-transport.
#include <memory>

#include "apps/run/driver.hpp"
#include "apps/run/mean_field_input.hpp"

namespace wasserflow {

/// Reads all keys but [problem] and those of the caller.
std::unique_ptr<Application> make_mean_field_application(MeanFieldKind kind);

/// The whole main of wf-mean-field. A program that links Wasserflow may register its own Hamiltonians before.
/// @note Collective; starts and ends MPI.
int mean_field_main(int argc, char** argv);

}  // namespace wasserflow
