#!/usr/bin/env python3
"""run_example.py EXAMPLE.toml: runs what its comments name as sample runs and checks the reports against the errors that the file expects.

A comment line `# Sample run: [mpirun -n N] wf-... EXAMPLE.toml [options]` is a sample run. ctest calls this for every file in problems/examples.
"""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys


def deviations(report):
    """What in the report is not as the problem file expects; a list of sentences."""
    found = []
    if report["status"] != "converged":
        found.append(f"status is {report['status']}")
    expected = {k: v for k, v in report.get("expected_errors", {}).items() if k != "tolerance"}
    tolerance = report.get("expected_errors", {}).get("tolerance", 0.02)
    if not expected:
        found.append("the file expects no errors: give [reference] expected_l1")
    for name, value in expected.items():
        seen = report["errors"][name]
        if seen is None or not abs(seen - value) <= tolerance * abs(value):
            found.append(f"errors.{name} is {seen}, expected {value} within {tolerance:.0%}")
    if "trajectories" in report:
        t = report["trajectories"]  # the feedback must earn the value function, up to first order and noise
        if not abs(t["mean_cost"] - t["mean_value"]) <= 3 * t["standard_error"] + 0.03:
            found.append(f"trajectories cost {t['mean_cost']} in the mean, the value function says {t['mean_value']}")
    return found


def main():
    example = pathlib.Path(sys.argv[1]).resolve()
    apps = pathlib.Path(os.environ["WASSERFLOW_BINARY_DIR"]) / "apps"
    scratch = pathlib.Path(os.environ["WASSERFLOW_TEST_DIR"])
    marker = "# Sample run:"
    runs = [line[len(marker):].strip() for line in example.read_text().splitlines() if line.startswith(marker)]
    if not runs:
        sys.exit(f"{example.name}: no line '{marker} ...'")
    for number, run in enumerate(runs):
        words = shlex.split(run)
        app = next(i for i, word in enumerate(words) if word.startswith("wf-"))
        if words[app + 1] != example.name:
            sys.exit(f"{example.name}: the sample run '{run}' is of another file")
        output = scratch / f"run{number}"
        shutil.rmtree(output, ignore_errors=True)
        scratch.mkdir(parents=True, exist_ok=True)
        launcher = words[:app] + (["--oversubscribe"] if app else [])
        command = launcher + [str(apps / words[app]), str(example)] + words[app + 2:] + ["--output", str(output), "--log", "quiet"]
        code = subprocess.run(command, cwd=scratch).returncode
        if code != 0:
            sys.exit(f"exit code {code} of: {run}")
        report = json.loads((output / "report.json").read_text())
        found = deviations(report)
        print(f"{run}: {report.get('errors', {}).get('l1')} after {report['iterations']} iterations, {report['wall_seconds']:.1f} s")
        if found:
            sys.exit("\n".join(found))
        # A check that cannot fail is none: the same report with an error a little off must not pass.
        for name in report["errors"]:
            report["errors"][name] = report["errors"][name] and 1.1 * report["errors"][name]
        if not deviations(report):
            sys.exit("the check of expected errors does not notice a deviation of 10 %")


if __name__ == "__main__":
    main()
