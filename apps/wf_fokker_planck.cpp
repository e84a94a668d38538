#include "apps/run/density.hpp"

int main(int argc, char** argv) { return wasserflow::fokker_planck_main(argc, argv); }
