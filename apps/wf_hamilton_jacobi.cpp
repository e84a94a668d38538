#include "apps/run/hamilton_jacobi.hpp"

int main(int argc, char** argv) { return wasserflow::hamilton_jacobi_main(argc, argv); }
