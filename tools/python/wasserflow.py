"""Reads the run directories of Wasserflow: fields with coordinates and times, history, report, trajectories.

    import wasserflow
    run = wasserflow.open_run("runs/quadratic")
    run.times                # numpy array of the saved times
    run.x, run.y             # coordinates of the nodes
    run.phi[0], run.phi[-1]  # fields by name: arrays of shape (nx,), (ny, nx) or (nz, ny, nx), read when asked for
    run.phi[::2]             # several times, stacked
    run.phi.at(0.5)          # the saved time nearest to 0.5
    run.report["errors"]     # report.json
    run.history["step"]      # columns of history.csv
    run.trajectories[0].time # points, and every array that was saved with them

Needs numpy and h5py.
"""
import csv
import json
import os
import pathlib
import re
import zlib
from xml.sax.saxutils import escape

import h5py
import numpy as np

__all__ = ["open_run", "write_xdmf", "read_trajectories", "difference", "Run", "SavedField", "Trajectory", "RunError"]

AXES = "xyz"
NOT_FIELDS = {"x", "y", "z", "integrity", "state"}


class RunError(Exception):
    """Something about a run directory that its owner should know, in one sentence."""


class SavedField:
    """One field over the saved times: a lazy sequence of arrays. Index with a number, a slice or a list of numbers."""

    def __init__(self, run, name):
        self._run, self.name = run, name
        self._frames = [k for k, names in enumerate(run._names) if name in names]

    def __len__(self):
        return len(self._frames)

    def __iter__(self):
        return (self[k] for k in range(len(self)))

    def __getitem__(self, index):
        if isinstance(index, (int, np.integer)):
            return self._run._read(self._frames[index], self.name)
        frames = self._frames[index] if isinstance(index, slice) else [self._frames[k] for k in index]
        return np.stack([self._run._read(k, self.name) for k in frames])

    @property
    def times(self):
        """Times at which this field was saved (mostly all of run.times)."""
        return self._run.times[self._frames]

    def at(self, time):
        """The field at the saved time nearest to `time`."""
        return self[int(np.argmin(np.abs(self.times - time)))]

    @property
    def shape(self):
        return (len(self), *self._run.shape)

    def __repr__(self):
        return f"<field {self.name}, shape {self.shape}>"


class Trajectory:
    """One polyline: `points` of shape (n, 3) and the arrays saved with it as attributes, e.g. `time`, `cost`."""

    def __init__(self, points, arrays):
        self.points, self.arrays = points, arrays

    def __len__(self):
        return len(self.points)

    def __getattr__(self, name):
        arrays = self.__dict__.get("arrays", {})
        if name in arrays:
            return arrays[name]
        raise AttributeError(f"the trajectory has no array {name}; it has {', '.join(sorted(arrays))}")

    def __dir__(self):
        return [*super().__dir__(), *self.arrays]


class Run:
    """A run directory. Fields are attributes (`run.phi`) and items (`run["phi"]`)."""

    def __init__(self, path):
        path = pathlib.Path(path)
        self.path = path.parent if path.suffix == ".xdmf" else path
        if not self.path.is_dir():
            raise RunError(f"{self.path}: no such run directory")
        self.files = field_files(self.path)
        self._names, times = [], []
        self.coordinates, self.axes = {}, {}
        for file in self.files:
            with _open(file) as f:
                times.append(float(f.attrs["time"]))
                self._names.append([n for n in f if n not in NOT_FIELDS])
                if not self.coordinates:
                    self.coordinates = {a: f[a][...] for a in AXES}
                    self.axes = {a: _axis(f[a]) for a in AXES}
        self.times = np.array(times)

    @property
    def dim(self):
        """1, 2 or 3: the axes that the run has."""
        return max((i + 1 for i, a in enumerate(AXES) if self.axes and self.axes[a]["exists"]), default=0)

    @property
    def shape(self):
        """Of a field at one time: (nx,), (ny, nx) or (nz, ny, nx)."""
        return tuple(self.coordinates[a].size for a in AXES[: self.dim][::-1])

    @property
    def fields(self):
        """Names of the fields, in order of their first appearance."""
        return list(dict.fromkeys(n for names in self._names for n in names))

    def __getitem__(self, name):
        if name not in self.fields:
            raise RunError(f"{self.path}: no field {name}; there {'is' if len(self.fields) == 1 else 'are'} {', '.join(self.fields) or 'none'}")
        return SavedField(self, name)

    def __getattr__(self, name):
        if name.startswith("_") or "_names" not in self.__dict__:
            raise AttributeError(name)
        if name in AXES and self.coordinates:
            return self.coordinates[name]
        if name in self.fields:
            return SavedField(self, name)
        raise AttributeError(f"the run has no field {name}; there are {', '.join(self.fields) or 'none'}")

    def __dir__(self):
        return [*super().__dir__(), *self.fields, *AXES]

    def _read(self, frame, name):
        with _open(self.files[frame]) as f:
            return f[name][...].reshape(self.shape)

    def edges(self, axis):
        """(lower, upper) of the box along "x", "y" or "z"."""
        return self.axes[axis]["lower"], self.axes[axis]["upper"]

    @property
    def report(self):
        """report.json, {} before the run has ended."""
        path = self.path / "report.json"
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def history(self):
        """Columns of history.csv by name, {} where there is none. Columns of words (the solver of a step) are arrays of text."""
        path = self.path / "history.csv"
        if not path.exists():
            return {}
        with open(path, newline="") as f:
            rows = list(csv.reader(f))
        if not rows:
            return {}
        # A run may be writing just now: a last row that is not whole is left out.
        values = [r for r in rows[1:] if len(r) == len(rows[0])]
        return {name: _column([r[i] for r in values]) for i, name in enumerate(rows[0])}

    @property
    def trajectories(self):
        """List of Trajectory, [] where there are none."""
        path = self.path / "trajectories.h5"
        return read_trajectories(path) if path.exists() else []

    def verify(self):
        """Compares every saved field with its checksums. Raises RunError for the first that differs; returns the number of pieces compared."""
        compared = 0
        for file in self.files:
            with _open(file) as f:
                for name, table in f["integrity"].items():
                    values = f[name][...].ravel()
                    for first, points, crc in table[...]:
                        if zlib.crc32(values[int(first):int(first + points)].tobytes()) != int(crc):
                            raise RunError(f"{file}: wrong checksum of {name}, points {first} to {first + points - 1}")
                        compared += 1
        return compared

    def __repr__(self):
        return f"<run {self.path}: {', '.join(self.fields) or 'no fields'} at {len(self.times)} times on {' x '.join(map(str, self.shape[::-1]))} points>"


def open_run(path):
    """The run in a directory (or beside a fields.xdmf). Raises RunError when there is none."""
    return Run(path)


def field_files(directory):
    """The finished files of saved times, in order."""
    folder = pathlib.Path(directory) / "fields"
    return sorted((p for p in folder.glob("*.h5") if re.fullmatch(r"\d{6,}", p.stem)), key=lambda p: int(p.stem)) if folder.is_dir() else []


def read_trajectories(path):
    """List of Trajectory from a trajectories.h5."""
    with _open(path) as f:
        first, points = f["first"][...], f["points"][...]
        arrays = {n: f[n][...] for n in f if n not in ("first", "points", "line", "topology")}
    return [Trajectory(points[a:b], {n: v[a:b] for n, v in arrays.items()}) for a, b in zip(first[:-1], first[1:])]


def write_xdmf(path):
    """Writes fields.xdmf anew from the files in RUN/fields, e.g. after some were removed. Returns its path."""
    run = open_run(path)
    if not run.files:
        raise RunError(f"{run.path}: no files in fields/")
    shape = " ".join(str(run.coordinates[a].size) for a in AXES[::-1])
    origin = " ".join(_number(run.coordinates[a][0]) for a in AXES[::-1])
    spacing = " ".join(_number(run.axes[a]["spacing"]) for a in AXES[::-1])
    text = ('<?xml version="1.0" ?>\n<Xdmf Version="3.0">\n  <Domain>\n'
            '    <Grid Name="fields" GridType="Collection" CollectionType="Temporal">\n')
    for file, time, names in zip(run.files, run.times, run._names):
        text += (f'      <Grid Name="{file.stem}" GridType="Uniform">\n'
                 f'        <Time Value="{_number(time)}"/>\n'
                 f'        <Topology TopologyType="3DCoRectMesh" Dimensions="{shape}"/>\n'
                 '        <Geometry GeometryType="ORIGIN_DXDYDZ">\n'
                 f'          <DataItem Dimensions="3" NumberType="Float" Precision="8" Format="XML">{origin}</DataItem>\n'
                 f'          <DataItem Dimensions="3" NumberType="Float" Precision="8" Format="XML">{spacing}</DataItem>\n'
                 '        </Geometry>\n')
        for name in names:
            name = escape(name, {'"': "&quot;"})
            text += (f'        <Attribute Name="{name}" AttributeType="Scalar" Center="Node">\n'
                     f'          <DataItem Dimensions="{shape}" NumberType="Float" Precision="8" Format="HDF">fields/{file.name}:/{name}</DataItem>\n'
                     '        </Attribute>\n')
        text += '      </Grid>\n'
    text += '    </Grid>\n  </Domain>\n</Xdmf>\n'
    target = run.path / "fields.xdmf"
    part = run.path / "fields.xdmf.part"
    part.write_text(text)
    os.replace(part, target)
    return target


def difference(a, b, field, time_tolerance=1e-9):
    """Norms of field(a) - field(b) at the times that both runs saved, on the coarser of two same or nested grids.

    Along each axis the nodes of the coarser grid must be nodes of the finer one (which is then sampled), or the centres of equal blocks of its
    cells (which are then averaged). Returns a list of dicts: time, l1 (mean), l2 (root mean square), linf (largest absolute difference).
    Raises RunError when grids or times do not match.
    """
    if a.dim != b.dim:
        raise RunError(f"{a.path} has {a.dim} dimensions and {b.path} has {b.dim}")
    restrictions = {id(a): [], id(b): []}
    for position, axis in enumerate(AXES[: a.dim][::-1]):
        fine, coarse = (a, b) if a.coordinates[axis].size >= b.coordinates[axis].size else (b, a)
        restrictions[id(fine)].append((position, *_restriction(fine, coarse, axis)))
    fa, fb = a[field], b[field]
    span = max(np.ptp(fa.times), np.ptp(fb.times), np.abs(fa.times).max(initial=0), 1e-300)
    rows = []
    for i, time in enumerate(fa.times):
        j = int(np.argmin(np.abs(fb.times - time))) if len(fb) else 0
        if not len(fb) or abs(fb.times[j] - time) > time_tolerance * span:
            continue
        e = _restrict(fa[i], restrictions[id(a)]) - _restrict(fb[j], restrictions[id(b)])
        rows.append({"time": float(time), "l1": float(np.mean(np.abs(e))), "l2": float(np.sqrt(np.mean(e * e))), "linf": float(np.max(np.abs(e)))})
    if not rows:
        raise RunError(f"{a.path} and {b.path} saved {field} at no common time")
    return rows


def _restriction(fine, coarse, axis):
    xf, xc = fine.coordinates[axis], coarse.coordinates[axis]
    ratio, rest = divmod(xf.size, xc.size)
    tolerance = 1e-9 * max(abs(fine.axes[axis]["spacing"]), 1e-300)
    if rest == 0:
        for start in {0, ratio // 2}:
            if np.allclose(xf[start::ratio], xc, rtol=0, atol=tolerance):
                return ratio, start
        if np.allclose(xf.reshape(-1, ratio).mean(axis=1), xc, rtol=0, atol=tolerance):
            return ratio, None
    raise RunError(f"the grids of {fine.path} ({xf.size} points) and {coarse.path} ({xc.size} points) are not nested along {axis}")


def _restrict(values, restrictions):
    for position, ratio, start in restrictions:
        if start is not None:
            values = values[(slice(None),) * position + (slice(start, None, ratio),)]
        else:
            shape = values.shape
            values = values.reshape(*shape[:position], shape[position] // ratio, ratio, *shape[position + 1:]).mean(axis=position + 1)
    return values


def _open(path):
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise RunError(f"{path}: {error}") from None


def _column(values):
    try:
        return np.array([float(v) for v in values])
    except ValueError:
        return np.array(values, dtype=str)


def _axis(scale):
    nodes = scale[...]
    if "lower" not in scale.attrs:
        return {"exists": False, "lower": -0.5, "upper": 0.5, "spacing": 1.0, "boundary": ""}
    lower, upper = float(scale.attrs["lower"]), float(scale.attrs["upper"])
    boundary = scale.attrs["boundary"]
    return {"exists": True, "lower": lower, "upper": upper, "spacing": (upper - lower) / nodes.size,
            "boundary": boundary.decode() if isinstance(boundary, bytes) else str(boundary)}


def _number(x):
    text = repr(float(x))
    return text[:-2] if text.endswith(".0") else text
