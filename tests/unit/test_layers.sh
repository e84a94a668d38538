# Layers: apps -> solvers -> problems -> grids, never upwards. First the check itself is checked on a tree with faults.
set -eu
check=$WASSERFLOW_SOURCE_DIR/tests/unit/check_layers
cd "$WASSERFLOW_TEST_DIR"
mkdir -p grids/io problems solvers apps
echo '#include "grids/grid.hpp"' > problems/good.hpp
echo '  # include "solvers/pdhg.hpp"' > solvers/good.cpp
sh "$check" . || { echo "check_layers complains about a clean tree"; exit 1; }
for fault in '#include "problems/x.hpp"' '#include "../problems/x.hpp"' '#include <apps/run/x.hpp>' '  #  include  "tests/x.hpp"'; do
  echo "$fault" > grids/io/fault.cpp
  ! sh "$check" . > /dev/null || { echo "check_layers overlooks: $fault"; exit 1; }
done
sh "$check" "$WASSERFLOW_SOURCE_DIR"
echo "no upward include"
