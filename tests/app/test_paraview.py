#!/usr/bin/env python3
# ParaView's own readers open the index files: they must find the times, the bounds and the values that h5py finds in 1-D, 2-D and 3-D, and the
# trajectories. Seen with ParaView 5.11: XDMFReader, Xdmf3ReaderS and Xdmf3ReaderT all read 3DCoRectMesh and mixed polylines rightly.
# processors: 2
# timeout: 300
"""Skipped (77) without pvpython (Debian: paraview, python3-paraview) or h5py. Run again inside pvpython with the word `inside`."""
import json
import os
import shutil
import subprocess
import sys

READERS = ["XDMFReader", "Xdmf3ReaderS", "Xdmf3ReaderT"]
DIMENSIONS = [1, 2, 3]


def inside(directory):
    """In pvpython: what each reader finds, as JSON."""
    from paraview import simple
    from paraview.servermanager import Fetch
    from vtk.util.numpy_support import vtk_to_numpy

    found = {}
    for dim in DIMENSIONS:
        for reader in READERS:
            argument = "FileNames" if reader == "XDMFReader" else "FileName"
            entry = {"frames": []}
            source = getattr(simple, reader)(**{argument: [f"{directory}/{dim}/fields.xdmf"]})
            source.UpdatePipelineInformation()
            entry["times"] = list(source.TimestepValues)
            for time in entry["times"]:
                source.UpdatePipeline(time)
                data = Fetch(source)
                arrays = data.GetPointData()
                entry["frames"].append({
                    "bounds": list(data.GetBounds()), "dimensions": list(data.GetDimensions()),
                    "values": {arrays.GetArrayName(i): vtk_to_numpy(arrays.GetArray(i)).ravel().tolist()
                               for i in range(arrays.GetNumberOfArrays())}})
            simple.Delete(source)
            source = getattr(simple, reader)(**{argument: [f"{directory}/{dim}/trajectories.xdmf"]})
            source.UpdatePipeline()
            data = Fetch(source)
            arrays = data.GetPointData()
            entry["lines"] = [[data.GetCell(c).GetPointId(j) for j in range(data.GetCell(c).GetNumberOfPoints())]
                              for c in range(data.GetNumberOfCells())]
            entry["cell_types"] = [data.GetCellType(c) for c in range(data.GetNumberOfCells())]
            entry["points"] = vtk_to_numpy(data.GetPoints().GetData()).tolist()
            entry["arrays"] = {arrays.GetArrayName(i): vtk_to_numpy(arrays.GetArray(i)).ravel().tolist()
                               for i in range(arrays.GetNumberOfArrays())}
            simple.Delete(source)
            found[f"{dim} {reader}"] = entry
    with open(f"{directory}/found.json", "w") as out:
        json.dump(found, out)


def outside():
    pvpython = shutil.which("pvpython")
    if not pvpython:
        print("SKIPPED: pvpython is not installed (Debian packages paraview and python3-paraview)")
        return 77
    try:
        import h5py
        import numpy as np
    except ImportError as error:
        print(f"SKIPPED: {error} (Debian packages python3-numpy and python3-h5py)")
        return 77
    directory = os.environ.get("WASSERFLOW_TEST_DIR", ".")
    program = os.path.join(os.environ["WASSERFLOW_BINARY_DIR"], "tests", "sample_run")
    for dim in DIMENSIONS:
        subprocess.run(["mpirun", "--oversubscribe", "-n", "2", program, f"{directory}/{dim}", str(dim), "12"], check=True)
    environment = dict(os.environ, QT_QPA_PLATFORM="offscreen")
    subprocess.run([pvpython, os.path.abspath(__file__), "inside", directory], check=True, env=environment, timeout=240)
    with open(f"{directory}/found.json") as f:
        found = json.load(f)

    compared = 0
    for dim in DIMENSIONS:
        files = [h5py.File(f"{directory}/{dim}/fields/{k:06}.h5", "r") for k in range(3)]
        lines = h5py.File(f"{directory}/{dim}/trajectories.h5", "r")
        for reader in READERS:
            entry = found[f"{dim} {reader}"]
            assert entry["times"] == [float(f.attrs["time"]) for f in files] == [0.0, 0.25, 1.0], entry["times"]
            for file, frame in zip(files, entry["frames"]):
                bounds = [edge for axis in "xyz" for edge in (file[axis][0], file[axis][-1])]
                np.testing.assert_allclose(frame["bounds"], bounds, rtol=1e-14, atol=1e-14)
                assert frame["dimensions"] == list(file["phi"].shape[::-1])
                assert sorted(frame["values"]) == ["phi", "rho"]
                for name, values in frame["values"].items():
                    np.testing.assert_array_equal(values, file[name][...].ravel())
                z, y, x = np.meshgrid(file["z"], file["y"], file["x"], indexing="ij")
                exact = 1 + x + 10 * y + 100 * z + 1000 * file.attrs["time"]
                np.testing.assert_allclose(np.reshape(frame["values"]["phi"], exact.shape), exact, rtol=1e-13)
                compared += 1
            first = lines["first"][...]
            assert entry["lines"] == [list(range(a, b)) for a, b in zip(first[:-1], first[1:])]
            assert entry["cell_types"] == [4] * 4, "no polylines"
            np.testing.assert_allclose(entry["points"], lines["points"][...], rtol=1e-6, atol=1e-6)  # Xdmf2 gives single precision
            for name in ("time", "cost", "line"):
                np.testing.assert_array_equal(entry["arrays"][name], lines[name][...])
    assert compared == 27
    print(f"{compared} frames and {len(DIMENSIONS) * len(READERS)} sets of trajectories are the same in ParaView and in h5py")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["inside"]:
        inside(sys.argv[2])
    else:
        sys.exit(outside())
