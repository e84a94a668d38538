#include "apps/run/transport.hpp"

int main(int argc, char** argv) { return wasserflow::transport_main(argc, argv); }
