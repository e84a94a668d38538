"""A Hamiltonian that is built in, written as a formula and compiled from a C++ file gives the same value function to 1e-10."""
# timeout: 240
import os
import pathlib
import subprocess
import sys

import h5py
import numpy

root, build, scratch = (pathlib.Path(os.environ[n]) for n in ("WASSERFLOW_SOURCE_DIR", "WASSERFLOW_BINARY_DIR", "WASSERFLOW_TEST_DIR"))
examples = root / "problems" / "examples"
app = build / "apps" / "wf-hamilton-jacobi"
scratch.mkdir(parents=True, exist_ok=True)

plugin = """#include "problems/plugin.hpp"
struct Mine {
  static constexpr int dim = 2;
  template <class Point, class P>
  P operator()([[maybe_unused]] const Point& at, const P* p) const { return BODY; }
};
extern "C" const wf_hamiltonian_v1* wf_plugin() { return wasserflow::plugin<Mine>("mine"); }
"""
cases = {
    "norm": ("hj_l2_norm_speed_2d.toml", "(1 + 3*exp(-4*((x-1)^2 + (y-1)^2)))*sqrt(px^2 + py^2)",
             "(1.0 + 3.0 * exp(-4.0 * ((at.x - 1.0) * (at.x - 1.0) + (at.y - 1.0) * (at.y - 1.0)))) * sqrt(p[0] * p[0] + p[1] * p[1])"),
    "rotated": ("hj_rotated_anisotropic_2d.toml", "(0.8125*px^2 + 2*0.32475952641916445*px*py + 0.4375*py^2)/2",
                "0.5 * (0.8125 * p[0] * p[0] + 2 * 0.32475952641916445 * p[0] * p[1] + 0.4375 * p[1] * p[1])"),
}


def final(output):
    with h5py.File(sorted((output / "fields").glob("*.h5"))[-1]) as file:
        return numpy.array(file["phi"])


faults = []
for name, (example, formula, body) in cases.items():
    source = scratch / f"{name}.cpp"
    source.write_text(plugin.replace("BODY", body), encoding="utf-8")
    text = (examples / example).read_text(encoding="utf-8")
    head, tail = text.split("[hamiltonian]\n")
    builtin, rest = tail.split("\n[initial]\n")
    rest = rest.split("[reference]")[0]
    fields = {}
    for kind, table in {"builtin": builtin, "formula": f'type = "formula"\nH = "{formula}"\n', "plugin": f'type = "plugin"\nsource = "{source}"\n'}.items():
        problem = scratch / f"{name}_{kind}.toml"
        problem.write_text(f"{head}[hamiltonian]\n{table}\n[initial]\n{rest}", encoding="utf-8")
        output = scratch / f"{name}_{kind}"
        run = subprocess.run([app, problem, "--output", output, "--overwrite", "--log", "quiet", "--set", "grid.cells=[40,40]", "--set", "time.steps=20"], capture_output=True, text=True)
        if run.returncode != 0:
            faults.append(f"{name} {kind}: exit code {run.returncode}\n{run.stderr}")
            continue
        fields[kind] = final(output)
    for kind in ("formula", "plugin"):
        if kind in fields and "builtin" in fields:
            difference = abs(fields[kind] - fields["builtin"]).max()
            print(f"{name}: {kind} differs by {difference:.1e}, |phi| up to {abs(fields['builtin']).max():.2f}")
            if not difference <= 1e-10:
                faults.append(f"{name}: {kind} differs from the built-in Hamiltonian by {difference}")
print("\n".join(faults))
sys.exit(1 if faults else 0)
