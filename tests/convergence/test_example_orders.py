#!/usr/bin/env python3
# First order of the implicit schemes on refined grids, for problem files of problems/examples and the default method.
# timeout: 900
"""Each row: problem file, grids (cells, steps), least order between the last two, known mean errors (within 2 %).

The known ones of the first two rows come from an independent dense implementation of the same scheme.
"""
import json
import math
import os
import pathlib
import subprocess
import sys

CASES = [
    ("hj_quadratic_1d", [("80", 40), ("160", 80), ("320", 160)], 0.9, [1.883e-2, 1.018e-2, 5.318e-3]),
    ("hj_onehomogeneous_1d", [("80", 40), ("160", 80), ("320", 160)], 0.9, [1.942e-2, 1.044e-2, 5.486e-3]),
    ("hj_viscous_quadratic_2d", [("80,80", 40), ("160,160", 80)], 0.9, None),
    ("hj_quadratic_bowl_2d", [("40,40", 20), ("80,80", 40)], 0.9, None),
    ("hj_moving_well_2d", [("40,40", 20), ("80,80", 40)], 0.9, None),
    ("hj_newton_2d", [("80,40", 20), ("160,80", 40)], 0.9, None),
    ("hj_l2_norm_speed_2d", [("80,80", 40), ("160,160", 80)], 0.9, None),
    ("hj_rotated_anisotropic_2d", [("80,80", 40), ("160,160", 80)], 0.9, None),
]


def error(example, cells, steps):
    source = pathlib.Path(os.environ["WASSERFLOW_SOURCE_DIR"]) / "problems" / "examples" / f"{example}.toml"
    app = pathlib.Path(os.environ["WASSERFLOW_BINARY_DIR"]) / "apps" / "wf-hamilton-jacobi"
    output = pathlib.Path(os.environ["WASSERFLOW_TEST_DIR"]) / f"{example}_{steps}"
    command = [app, source, "--output", output, "--log", "quiet", "--set", f"grid.cells=[{cells}]", "--set", f"time.steps={steps}",
               "--set", f"output.every={steps}"]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return json.loads((output / "report.json").read_text())["errors"]["l1"]


def main():
    failed = False
    for example, grids, least_order, known in CASES:
        if len(sys.argv) > 1 and example not in sys.argv[1:]:
            continue
        errors = [error(example, cells, steps) for cells, steps in grids]
        orders = [math.log2(a / b) for a, b in zip(errors, errors[1:])]
        print(f"{example:28s} errors " + " ".join(f"{e:.3e}" for e in errors) + "  orders " + " ".join(f"{o:.2f}" for o in orders), flush=True)
        if orders[-1] < least_order or orders[-1] > 1.3:
            print(f"  FAILED: order {orders[-1]:.3f} is not in [{least_order}, 1.3]")
            failed = True
        for seen, value in zip(errors, known or []):
            if abs(seen - value) > 0.02 * value:
                print(f"  FAILED: error {seen:.4e} is not {value:.4e} within 2 %")
                failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
