"""Cells -> tracks by the linker that ships: seconds and memory, from 4,000 to 92,000 detections.

    python benchmarks/linking.py

Each size runs in a process of its own, on two threads at most. The recordings are drawn: cells on
a jittered grid that wander by a tenth of their spacing a frame; one in fifty is missed.
"""

import resource
import subprocess
import sys
import time

import numpy as np
import torch
import xarray as xr

from magik import graphs, linking, predict, store
from magik.config import Linking, Predict

WEIGHTS = "magik/weights/lineages_points.safetensors"
WINDOWS = Predict(window=4, context=3)
"""As the network is used: `predict` of its experiment."""

SIZES = ((40, 100), (27, 1000), (780, 118), (270, 100), (2700, 10))
"""Frames, and cells in each."""


def recording(frames: int, cells: int, seed: int = 0) -> xr.Dataset:
    """LOCALIZATIONS of one video."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(cells)))
    grid = 20.0 * np.stack(np.divmod(np.arange(cells), side), axis=-1)
    steps = rng.normal(scale=2.0, size=(frames, cells, 2))
    place = grid + rng.uniform(-5, 5, (cells, 2)) + np.cumsum(steps, axis=0)
    seen = rng.random((frames, cells)) > 0.02
    frame, _ = np.nonzero(seen)
    x, y = (place[seen] - place[seen].min(axis=0)).T
    return xr.Dataset(
        {
            "row_size": ("video", [len(frame)]),
            "n_frames": ("video", [frames]),
            "frame": ("localization", frame),
            "x": ("localization", x),
            "y": ("localization", y),
        },
        attrs={"field_of_view": [float(np.ceil(y.max())), float(np.ceil(x.max()))]},
    )


def measure(frames: int, cells: int) -> str:
    """One line of the table."""
    drawn = recording(frames, cells)
    began = time.perf_counter()
    built = graphs.build_as(store.said_by(WEIGHTS)["trained_on"], drawn)
    graphed = time.perf_counter()
    edges = predict.run_edges(WEIGHTS, built, WINDOWS, threads=2)
    judged = time.perf_counter()
    tracks = linking.run(edges, drawn, Linking(method="global", threshold=0.4))
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return (
        f"| {len(drawn['frame']):,} | {frames} | {built.sizes['edge']:,} | {graphed - began:.1f} "
        f"| {judged - graphed:.1f} | {ended - judged:.1f} | {ended - began:.1f} | {peak:.1f} "
        f"| {tracks.sizes['track']:,} |"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(measure(*map(int, sys.argv[1:])))
    else:
        print(f"torch {torch.__version__}, numpy {np.__version__}, at most 2 threads\n")
        steps = ("graph", "network", "linking", "all")
        columns = (
            "detections",
            "frames",
            "edges",
            *(f"{step}, s" for step in steps),
            "GiB",
            "tracks",
        )
        print(f"| {' | '.join(columns)} |")
        print("|" + "---|" * len(columns), flush=True)
        for size in SIZES:
            subprocess.run([sys.executable, __file__, *map(str, size)], check=True)
