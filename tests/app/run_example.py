#!/usr/bin/env python3
"""run_example.py EXAMPLE.toml: runs what its comments name as sample runs and checks the reports against the figures that the file expects.

A comment line `# Sample run: [mpirun -n N] wf-... EXAMPLE.toml [options]` is a sample run. ctest calls this for every file in problems/examples.
"""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys


def entry(report, name):
    """The value of "errors.l1"."""
    part, _, key = name.partition(".")
    return report.get(part, {}).get(key)


def deviations(report):
    """What in the report is not as the problem file expects; a list of sentences."""
    found = []
    if report["status"] != "converged":
        found.append(f"status is {report['status']}")
    expected = report.get("expected", {})
    if not expected.get("figures"):
        found.append("the file expects no figures: give [reference] expected_...")
    tolerance = expected.get("tolerance", 0.02)
    for name, value in expected.get("figures", {}).items():
        seen = entry(report, name)
        if seen is None or not abs(seen - value) <= tolerance * abs(value):
            found.append(f"{name} is {seen}, expected {value} within {tolerance:.2g} of it")
    q = report.get("quantities", {})
    if q.get("mass_drift", 0) > 1e-12:
        found.append(f"the mean is not conserved: it moved by {q['mass_drift']}")
    if q.get("largest_energy_increase", 0) > 1e-9 * abs(q.get("energy_first", 0)):
        found.append(f"the energy grew by {q['largest_energy_increase']} in a step")
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
        figures = ", ".join(f"{name} {entry(report, name):.6g}" for name in report.get("expected", {}).get("figures", {}) if entry(report, name))
        print(f"{run}: {figures} after {report['iterations']} iterations, {report['wall_seconds']:.1f} s")
        if found:
            sys.exit("\n".join(found))
        # A check that cannot fail is none: the same report with figures a little off must not pass.
        factor = 1 + 2 * report["expected"]["tolerance"]
        for name in report["expected"]["figures"]:
            part, _, key = name.partition(".")
            report[part][key] *= factor
        if not deviations(report):
            sys.exit("the check of expected figures does not notice that they are off")


if __name__ == "__main__":
    main()
