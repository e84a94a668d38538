# The three ways to add a Hamiltonian (docs/hamiltonians.md) give the same fields: a formula, a plugin, and a project that finds the installed package.
# processors: 2
# timeout: 400
set -eu
cd "$WASSERFLOW_TEST_DIR"
export XDG_CACHE_HOME="$PWD/cache" # nothing compiled before, nothing left behind
examples=$WASSERFLOW_SOURCE_DIR/docs/examples
cmake --install "$WASSERFLOW_BINARY_DIR" --prefix "$PWD/prefix" > install.txt || { cat install.txt; exit 1; }
cmake -S "$examples/my_hamiltonian_project" -B project -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$PWD/prefix"
cmake --build project

app=$PWD/prefix/bin/wf-hamilton-jacobi
mpirun -n 2 --oversubscribe "$app" "$examples/relativistic_formula.toml" --output formula --log quiet
mpirun -n 2 --oversubscribe "$app" "$examples/relativistic_plugin.toml" --output plugin --log quiet
[ -n "$(find cache -name '*.so')" ] || { echo "the plugin was not kept in the cache"; exit 1; }
mpirun -n 2 --oversubscribe project/my-hamilton-jacobi "$examples/my_hamiltonian_project/relativistic.toml" --output project_run --log quiet
project/my-hamilton-jacobi --describe relativistic | grep -q 'sqrt(1 + |p|^2)'

# A Hamiltonian that did nothing would pass a comparison: the value function moves by about H(0) T = T where it is flat.
"$WASSERFLOW_PYTHON" - "$WASSERFLOW_SOURCE_DIR/tools/python" <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
import wasserflow
phi = wasserflow.open_run("formula").phi
assert phi[0].max() > 1.9 and phi[-1].max() < phi[0].max() - 0.4, (phi[0].max(), phi[-1].max())
PYTHON
for run in plugin project_run; do
  "$WASSERFLOW_PYTHON" "$WASSERFLOW_SOURCE_DIR/tools/python/wf-compare" formula $run --field phi --tolerance 1e-10
done
