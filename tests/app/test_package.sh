# The installed tree serves a project outside: found by find_package, compiled, linked and run; after the tree was moved elsewhere.
# processors: 2
# timeout: 300
set -eu
cd "$WASSERFLOW_TEST_DIR"
cmake --install "$WASSERFLOW_BINARY_DIR" --prefix "$PWD/stage" > install.txt || { cat install.txt; exit 1; }
mv stage prefix
# Installed headers and package files must not point back into the trees they came from.
! grep -rlF -e "$WASSERFLOW_SOURCE_DIR/" -e "$WASSERFLOW_BINARY_DIR/" prefix/include prefix/lib/*/cmake prefix/lib/cmake 2>/dev/null
cmake -S "$WASSERFLOW_SOURCE_DIR/tests/app/package_consumer" -B consumer -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$PWD/prefix"
cmake --build consumer
mpirun -n 2 --oversubscribe consumer/consumer
for app in "$WASSERFLOW_BINARY_DIR"/apps/wf-*; do
  [ -x "$app" ] || continue
  name=$(basename "$app")
  "prefix/bin/$name" --version
done
