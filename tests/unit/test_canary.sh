# Failures must be noticed: a program whose assertion fails on one rank of two, registered as any other test, has to fail its ctest run.
# processors: 2
set -u
cd "$WASSERFLOW_TEST_DIR" || exit 1
program=$WASSERFLOW_BINARY_DIR/tests/canary
cat > CTestTestfile.cmake <<TEXT
add_test(canary.np1 "$program")
add_test(canary.np2 mpirun -n 2 --oversubscribe "$program")
TEXT
ctest --test-dir . --output-on-failure > output.txt 2>&1
status=$?
cat output.txt
[ $status -eq 8 ] || { echo "ctest ended with $status instead of 8: failures are not noticed"; exit 1; }
grep -q "0% tests passed, 2 tests failed out of 2" output.txt || { echo "ctest did not count two failures"; exit 1; }
[ "$(grep -c 'the canary sings' output.txt)" -eq 2 ] || { echo "the programs failed for another reason than their assertion"; exit 1; }
echo "failures are noticed on one rank and on one rank of two"
