"""The complete problem files that the documentation shows are accepted by the app, and the input reference is what the app says today."""
# timeout: 120
import os
import pathlib
import re
import subprocess
import sys

root, build = (pathlib.Path(os.environ[name]) for name in ("WASSERFLOW_SOURCE_DIR", "WASSERFLOW_BINARY_DIR"))
app = build / "apps" / "wf-hamilton-jacobi"
faults, checked = [], 0

for page in [root / "README.md", *sorted(root.glob("docs/*.md"))]:
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S):
        if "[grid]" not in block or "[time]" not in block:
            continue  # an excerpt
        problem = pathlib.Path(os.environ["WASSERFLOW_TEST_DIR"]) / f"{page.stem}_{checked}.toml"
        problem.write_text(block, encoding="utf-8")
        done = subprocess.run([app, problem, "--check"], capture_output=True, text=True)
        if done.returncode != 0:
            faults.append(f"{page}: the problem file is refused with {done.returncode}:\n{done.stderr}\n{block}")
        checked += 1
if checked < 2:
    faults.append(f"only {checked} complete problem files found in the documentation")

reference = root / "docs" / "reference" / "hamilton_jacobi.md"
done = subprocess.run([app, "--describe", "--format", "markdown"], capture_output=True, text=True)
if done.returncode != 0 or done.stdout != reference.read_text(encoding="utf-8"):
    faults.append(f"{reference} is not what the app says about its keys: run tools/docs")

print("\n".join(faults) or f"{checked} problem files are accepted, the input reference is up to date")
sys.exit(1 if faults else 0)
