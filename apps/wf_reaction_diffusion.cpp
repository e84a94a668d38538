#include "apps/run/reaction_diffusion.hpp"

int main(int argc, char** argv) { return wasserflow::reaction_diffusion_main(argc, argv); }
