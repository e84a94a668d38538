# Installed tree: find_package(Wasserflow) with Wasserflow::{grids,problems,solvers,driver}, headers, apps, Python tools and examples.
# docs/install.md describes it, tests/app/test_package.sh uses it.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Wasserflow)

install(TARGETS wasserflow_options wasserflow_grids wasserflow_problems wasserflow_solvers wasserflow_driver EXPORT WasserflowTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT WasserflowTargets NAMESPACE Wasserflow:: DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/WasserflowConfig.cmake.in ${PROJECT_BINARY_DIR}/WasserflowConfig.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_DATADIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/WasserflowConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/WasserflowConfig.cmake ${PROJECT_BINARY_DIR}/WasserflowConfigVersion.cmake DESTINATION ${package_dir})

install(DIRECTORY grids problems solvers apps DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/wasserflow
        FILES_MATCHING PATTERN "*.hpp" PATTERN "*.h" PATTERN "examples" EXCLUDE)
install(DIRECTORY problems/examples DESTINATION ${CMAKE_INSTALL_DATADIR}/wasserflow OPTIONAL)
install(DIRECTORY tools/python/ DESTINATION ${CMAKE_INSTALL_DATADIR}/wasserflow/python OPTIONAL USE_SOURCE_PERMISSIONS
        PATTERN "__pycache__" EXCLUDE)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})

# `cpack` in the build folder makes a Debian package of the apps, libraries and tools; configure with WASSERFLOW_NATIVE=OFF for it.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "the Wasserflow authors")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS openmpi-bin)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "python3-numpy, python3-h5py, python3-matplotlib")
include(CPack)
