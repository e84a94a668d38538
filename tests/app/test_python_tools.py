#!/usr/bin/env python3
# The Python reader, wf-plot and wf-compare on run directories that the library wrote, on one and on several ranks.
# processors: 2
# timeout: 300
"""Skipped (77) without numpy, h5py or matplotlib (Debian: python3-numpy, python3-h5py, python3-matplotlib)."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

try:
    import h5py
    import matplotlib  # noqa: F401, wf-plot needs it
    import numpy as np
except ImportError as error:
    print(f"SKIPPED: {error} (Debian packages python3-numpy, python3-h5py, python3-matplotlib)")
    sys.exit(77)

TOOLS = pathlib.Path(os.environ["WASSERFLOW_SOURCE_DIR"]) / "tools" / "python"
SAMPLE = pathlib.Path(os.environ["WASSERFLOW_BINARY_DIR"]) / "tests" / "sample_run"
HERE = pathlib.Path(os.environ.get("WASSERFLOW_TEST_DIR", "."))
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOOLS))
import wasserflow  # noqa: E402


def sample(name, ranks, dim, cells):
    path = HERE / name
    subprocess.run(["mpirun", "--oversubscribe", "-n", str(ranks), SAMPLE, path, str(dim), str(cells)], check=True)
    return path


def tool(name, *words):
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", MPLCONFIGDIR=str(HERE))
    return subprocess.run([sys.executable, TOOLS / name, *map(str, words)], capture_output=True, text=True, env=environment)


def raises(text, work):
    try:
        work()
    except wasserflow.RunError as error:
        assert text in str(error), f"'{text}' is not in '{error}'"
        return
    raise AssertionError(f"no error about {text}")


def exact(x, y, z, t, dim):
    return 1 + 1000 * t + x + (10 * y if dim > 1 else 0) + (100 * z if dim > 2 else 0)


def test_reader(dim, path):
    run = wasserflow.open_run(path)
    assert run.dim == dim and run.fields == ["phi", "rho"]
    np.testing.assert_array_equal(run.times, [0.0, 0.25, 1.0])
    h = [2 / 12, 3 / 24, 2 / 6]
    np.testing.assert_allclose(run.x, -1 + h[0] * np.arange(12), atol=1e-14)
    if dim > 1:
        np.testing.assert_allclose(run.y, h[1] * (np.arange(24) + 0.5), atol=1e-14)
        assert run.edges("y") == (0.0, 3.0) and run.axes["y"]["boundary"] == "no_flux"
    assert run.shape == (12, 24, 6)[:dim][::-1]
    nodes = np.meshgrid(*[run.coordinates[a] for a in "xyz"[:dim][::-1]], indexing="ij")[::-1] + [0] * (3 - dim)
    for k, t in enumerate(run.times):
        phi = exact(*nodes, t, dim)
        assert run.phi[k].shape == run.shape
        np.testing.assert_allclose(run.phi[k], phi, rtol=1e-14)
        np.testing.assert_array_equal(run["rho"][k], run.phi[k] ** 2)
        # The same numbers as plain h5py.
        with h5py.File(path / "fields" / f"{k:06}.h5") as f:
            np.testing.assert_array_equal(run.phi[k].ravel(), f["phi"][...].ravel())
            assert f["phi"].dims[2].keys() == ["x"] and f["phi"].dims[0].keys() == ["z"]
    assert len(run.phi) == 3 and run.phi.shape == (3, *run.shape)
    np.testing.assert_array_equal(run.phi[::2], np.stack([run.phi[0], run.phi[2]]))
    np.testing.assert_array_equal(run.phi[-1], run.phi.at(0.9))
    assert len(list(run.phi)) == 3
    assert run.verify() >= 6
    assert run.report == {} and run.history == {}
    raises("no field psi; there are phi, rho", lambda: run["psi"])
    for k, line in enumerate(run.trajectories):
        j = np.arange(k + 2)
        np.testing.assert_allclose(line.points[:, 0], 0.1 * k + 0.2 * j, rtol=1e-14)
        np.testing.assert_array_equal(line.time, 0.25 * j)
        np.testing.assert_array_equal(line.cost, k + 0.5 * j)
    assert len(run.trajectories) == 4


def test_index(path):
    index = path / "fields.xdmf"
    written = index.read_text()
    assert wasserflow.write_xdmf(path) == index
    assert index.read_text() == written, "the regenerated index differs from the library's"
    shorter = HERE / "shorter"
    shutil.copytree(path, shorter)
    (shorter / "fields" / "000002.h5").unlink()
    (shorter / "fields" / "000002.h5.part").write_text("unfinished")
    wasserflow.write_xdmf(shorter)
    text = (shorter / "fields.xdmf").read_text()
    assert "000001.h5" in text and "000002" not in text
    assert len(wasserflow.open_run(shorter / "fields.xdmf").times) == 2


def test_damage(path):
    broken = HERE / "broken"
    shutil.copytree(path, broken)
    with h5py.File(broken / "fields" / "000001.h5", "r+") as f:
        f["rho"][0, 0, 3] += 1e-9
    raises("000001.h5: wrong checksum of rho", wasserflow.open_run(broken).verify)
    (broken / "fields" / "000001.h5").write_text("no HDF5")
    raises("000001.h5", lambda: wasserflow.open_run(broken))
    raises("no such run directory", lambda: wasserflow.open_run(HERE / "nothing"))


def test_compare(dim, path):
    other = sample(f"other{dim}", 3, dim, 12)
    done = tool("wf-compare", path, other, "--tolerance", "0")
    assert done.returncode == 0, done.stderr  # the number of ranks changes no bit
    assert done.stdout.count("phi") == 3 and done.stdout.count("rho") == 3
    fine = sample(f"fine{dim}", 2, dim, 24)
    done = tool("wf-compare", fine, path, "--field", "phi", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["phi"]
    # phi is linear: samples of nodes and means over cells are exact.
    assert [r["time"] for r in rows] == [0.0, 0.25, 1.0] and max(r["linf"] for r in rows) < 1e-10
    with h5py.File(other / "fields" / "000002.h5", "r+") as f:
        f["phi"][...] += 3.0
        f["phi"][0, 0, 0] += 1.0
        n = f["phi"].size
    rows = wasserflow.difference(wasserflow.open_run(path), wasserflow.open_run(other), "phi")
    assert rows[0]["linf"] == 0
    np.testing.assert_allclose([rows[2][k] for k in ("l1", "l2", "linf")], [3 + 1 / n, np.sqrt((9 * (n - 1) + 16) / n), 4], rtol=1e-10)
    done = tool("wf-compare", path, other, "--tolerance", "1e-3")
    assert done.returncode == 1 and "exceeds" in done.stderr
    done = tool("wf-compare", path, sample(f"odd{dim}", 1, dim, 10))
    assert done.returncode == 2 and "not nested" in done.stderr, done.stderr


def test_plot(dim, path):
    (path / "history.csv").write_text("step,residual,mass\n1,1e-1,1.0\n2,1e-3,1.0000001\n3,1e-5,nan\n4,1e-")
    (path / "report.json").write_text('{"status": "converged", "errors": {"l1": 0.5}}')
    run = wasserflow.open_run(path)
    assert run.report["errors"]["l1"] == 0.5
    np.testing.assert_array_equal(run.history["residual"], [1e-1, 1e-3, 1e-5])
    done = tool("wf-plot", path)
    assert done.returncode == 0, done.stderr
    pictures = sorted((path / "pictures").iterdir())
    assert [p.name for p in pictures] == ["history.png", "phi.png", "rho.png", "trajectories.png"]
    for p in pictures:
        picture = matplotlib.image.imread(p)
        assert picture.shape[0] > 200 and picture.shape[1] > 200 and np.ptp(picture[..., :3]) > 0.5, f"{p} is empty"
    if dim != 2:
        return
    done = tool("wf-plot", path, "--field", "phi", "--times", "0.3,1", "--format", "svg", "--output", HERE / f"chosen{dim}")
    assert done.returncode == 0 and (HERE / f"chosen{dim}" / "phi.svg").exists() and not (HERE / f"chosen{dim}" / "rho.svg").exists()
    done = tool("wf-plot", path, "--field", "psi")
    assert done.returncode != 0 and "no field psi" in done.stderr and "Traceback" not in done.stderr
    done = tool("wf-plot", HERE / "nothing")
    assert done.returncode != 0 and "no such run directory" in done.stderr and "Traceback" not in done.stderr


PHASES = """[grid]
upper = [0.5, 0.5]
cells = [32, 24]
[equation]
type = "allen_cahn"
a = 0.01
b = 100.0
[time]
final = 0.02
dt = 0.002
[initial]
u = "tanh((0.15 - sqrt((x-0.25)^2 + (y-0.25)^2)) / 0.015)"
[output]
interval = 0.004
diagnostics = ["energy", "mass", "front_position"]
diagnostics_every = 2
"""


def test_phases():
    """A run of wf-reaction-diffusion: words and missing values in its history, pictures of its diagnostics, a film."""
    (HERE / "phases.toml").write_text(PHASES)
    app = pathlib.Path(os.environ["WASSERFLOW_BINARY_DIR"]) / "apps" / "wf-reaction-diffusion"
    path = HERE / "phases"
    subprocess.run([app, HERE / "phases.toml", "--output", path, "--log", "quiet"], check=True)
    run = wasserflow.open_run(path)
    np.testing.assert_allclose(run.u.times, 0.004 * np.arange(6), atol=1e-14)
    history = run.history
    assert history["method"].dtype.kind == "U" and len(set(history["method"])) >= 1
    assert np.isnan(history["energy"]).any() and np.all(np.diff(history["energy"][np.isfinite(history["energy"])]) <= 0)
    done = tool("wf-plot", path)
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (path / "pictures").iterdir()} == {"history.png", "diagnostics.png", "u.png"}
    film = HERE / "film.gif"
    done = tool("wf-plot", path, "--animate", "u", "--output", film)
    assert done.returncode == 0, done.stderr
    from PIL import Image
    with Image.open(film) as image:
        assert image.n_frames == 6
        image.seek(0)
        first = np.array(image.convert("RGB")).astype(int)
        image.seek(5)
        assert np.abs(np.array(image.convert("RGB")).astype(int) - first).max() > 50, "the film stands still"
    done = tool("wf-plot", path, "--animate", "u", "--output", HERE / "frames")
    assert done.returncode == 0 and len(list((HERE / "frames").glob("u_*.png"))) == 6, done.stderr
    done = tool("wf-plot", path, "--animate", "v")
    assert done.returncode != 0 and "no field v" in done.stderr and "Traceback" not in done.stderr


def main():
    import matplotlib.image  # noqa: F401
    for dim in (1, 2, 3):
        path = sample(f"run{dim}", 2, dim, 12)
        test_reader(dim, path)
        test_compare(dim, path)
        test_plot(dim, path)
        print(f"{dim}-D: reader, wf-compare and wf-plot are right")
    test_index(HERE / "run2")
    test_damage(HERE / "run2")
    print("index and damage: right")
    test_phases()
    print("a reaction-diffusion run: right")


if __name__ == "__main__":
    main()
