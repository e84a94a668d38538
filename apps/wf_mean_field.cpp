#include "apps/run/mean_field.hpp"

int main(int argc, char** argv) { return wasserflow::mean_field_main(argc, argv); }
