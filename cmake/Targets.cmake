# Compile options shared by everything, and the one way to declare a layer.
include(CheckCXXCompilerFlag)

add_library(wasserflow_options INTERFACE)
target_compile_features(wasserflow_options INTERFACE cxx_std_20)
# Floating-point results stay IEEE; only errno and trapping, which nobody reads, are given up so that loops vectorise. Programs that link an
# installed Wasserflow get these flags too, because they instantiate the same kernels; warnings are for this tree only.
target_compile_options(wasserflow_options INTERFACE -fno-math-errno -fno-trapping-math $<$<CONFIG:Release>:-O3>
  # -Wrestrict: gcc 12 reports std::string operators (its bug 105651).
  "$<BUILD_INTERFACE:-Wall;-Wextra;-pedantic;-Wno-restrict>")
if(WASSERFLOW_WERROR)
  target_compile_options(wasserflow_options INTERFACE $<BUILD_INTERFACE:-Werror>)
endif()
if(WASSERFLOW_NATIVE)
  target_compile_options(wasserflow_options INTERFACE -march=native)
  check_cxx_compiler_flag(-mprefer-vector-width=512 WASSERFLOW_WIDE_VECTORS)
  if(WASSERFLOW_WIDE_VECTORS)
    target_compile_options(wasserflow_options INTERFACE -mprefer-vector-width=512)
  endif()
endif()
if(WASSERFLOW_SANITIZE)
  target_compile_options(wasserflow_options INTERFACE -fsanitize=${WASSERFLOW_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(wasserflow_options INTERFACE -fsanitize=${WASSERFLOW_SANITIZE})
endif()
# OpenMPI's C++ bindings are obsolete and slow to compile.
target_compile_definitions(wasserflow_options INTERFACE OMPI_SKIP_MPICXX=1 MPICH_SKIP_MPICXX=1)

# wasserflow_layer(NAME LINKS ...): all .cpp of this folder (recursively) as one static library Wasserflow::NAME.
function(wasserflow_layer name)
  cmake_parse_arguments(ARG "" "" "LINKS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/examples/")  # C++ files that problem files name; compiled when they are run
  add_library(wasserflow_${name} STATIC ${sources})
  add_library(Wasserflow::${name} ALIAS wasserflow_${name})
  set_target_properties(wasserflow_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_include_directories(wasserflow_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/wasserflow>)
  target_link_libraries(wasserflow_${name} PUBLIC wasserflow_options ${ARG_LINKS})
endfunction()
