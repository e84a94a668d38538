"""The complete problem files that the documentation shows are accepted by their apps, and the input references are what the apps say today."""
# timeout: 120
import os
import pathlib
import re
import subprocess
import sys

root, build = (pathlib.Path(os.environ[name]) for name in ("WASSERFLOW_SOURCE_DIR", "WASSERFLOW_BINARY_DIR"))
apps = sorted((build / "apps").glob("wf-*"))
# What tells whose problem it is, in this order.
SIGNS = {r"^\[transport\]": "wf-transport", r"^\[\[?coupling\]|^\[terminal\]|^\[game\]|^\[jko\]": "wf-mean-field",
         r"^\[hamiltonian\]": "wf-hamilton-jacobi", r"^\[prox\]\nV =": "wf-prox", r"^\[equation\](.*\n)*rho =": "wf-fokker-planck",
         r"^\[equation\]": "wf-reaction-diffusion"}
faults, checked = [], 0

for page in [root / "README.md", *sorted(root.glob("docs/*.md"))]:
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S):
        if "[grid]" not in block or not re.search(r"^\[(time|prox)\]", block, flags=re.M):
            continue  # an excerpt
        app = next((build / "apps" / name for sign, name in SIGNS.items() if re.search(sign, block, flags=re.M)), None)
        if app is None:
            faults.append(f"{page}: no app is known for the problem file\n{block}")
            continue
        problem = pathlib.Path(os.environ["WASSERFLOW_TEST_DIR"]) / f"{page.stem}_{checked}.toml"
        problem.write_text(block, encoding="utf-8")
        done = subprocess.run([app, problem, "--check"], capture_output=True, text=True)
        if done.returncode != 0:
            faults.append(f"{page}: the problem file is refused with {done.returncode}:\n{done.stderr}\n{block}")
        checked += 1
if checked < 2:
    faults.append(f"only {checked} complete problem files found in the documentation")

for app in apps:
    reference = root / "docs" / "reference" / (app.name.removeprefix("wf-").replace("-", "_") + ".md")
    done = subprocess.run([app, "--describe", "--format", "markdown"], capture_output=True, text=True)
    if done.returncode != 0 or not reference.exists() or done.stdout != reference.read_text(encoding="utf-8"):
        faults.append(f"{reference} is not what {app.name} says about its keys: run tools/docs")
if not apps:
    faults.append("no app is built")

print("\n".join(faults) or f"{checked} problem files are accepted, the input references are up to date")
sys.exit(1 if faults else 0)
