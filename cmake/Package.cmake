# Installed tree: find_package(Wasserflow) with Wasserflow::{grids,problems,solvers,apps}, headers and the apps.
include(CMakePackageConfigHelpers)
install(TARGETS wasserflow_options wasserflow_grids wasserflow_problems wasserflow_solvers wasserflow_driver
        EXPORT WasserflowTargets)
