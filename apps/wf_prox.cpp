#include "apps/run/prox.hpp"

int main(int argc, char** argv) { return wasserflow::prox_main(argc, argv); }
