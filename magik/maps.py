"""Scattered diffusivity -> a map of D over the field of view.

A cell is square, its side the longer side of the field of view over `grid`; cell [i, j] is centred
at (x, y) = (j + ½, i + ½) cells, and every map holds the values at the centres. All localizations
of the first frames of a video are pooled, as the paper pools its windows.

Read-outs:

- ``nearest`` (the paper's): the value of the nearest localization, which is triangulation-based
  nearest-neighbour interpolation. It keeps the error of single nodes however long the video;
- ``kernel``: local averages of √(2D) (`kernel`);
- ``lap_kernel``: the same averages of r²/4t over the links that a linear assignment found, without
  any network: the classical map.
"""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from magik import floors, physics, schema
from magik.config import Map
from magik.errors import InputError

LEAST = 1e-4
"""px²/frame; a map is shown and scored in log D, so it holds nothing below this."""

Values = Float[np.ndarray, " n"]
Grid = Float[np.ndarray, "grid_y grid_x"]
Grids = Float[np.ndarray, "duration video grid_y grid_x"]


class Scattered(NamedTuple):
    """Values at points of one video.

    Attributes:
        frame: of each point.
        at: where, in cells, (y, x).
        values: √(2D) in px/frame^½, or r²/4t in px²/frame.
    """

    frame: Int[np.ndarray, " n"]
    at: Float[np.ndarray, "n 2"]
    values: Values

    def before(self, frame: int) -> Self:
        """The points of the first frames."""
        return type(self)(*(column[self.frame < frame] for column in self))


def build(
    predictions: xr.Dataset,
    config: Map,
    landscape: xr.DataArray | None,
    baseline: xr.Dataset | None = None,
) -> xr.Dataset:
    """Maps of each video, from its first frames.

    Args:
        predictions: of √(2D), laid out as `schema.PREDICTIONS`.
        config: grid, kernel, durations.
        landscape: true D (video, grid_y, grid_x), or None where it is unknown.
        baseline: `schema.FLOORS` of the same videos, for the classical map beside the network's.

    Returns:
        Laid out as `schema.MAPS`; NaN where a video has no localization in its first frames.

    Raises:
        InputError: if the predictions are of something else than √(2D).
    """
    target = predictions.attrs["target_name"]
    if target != "displacement_scaling":
        raise InputError(
            f"a diffusion map needs predictions of 'displacement_scaling', but these are of "
            f"'{target}'. Choose an experiment with that task."
        )
    height, width = predictions.attrs["field_of_view"]
    side = max(height, width) / config.grid
    shape = (int(np.ceil(height / side - 1e-9)), int(np.ceil(width / side - 1e-9)))
    centres = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in shape), indexing="ij"), axis=-1)
    spread = max(1.0, config.kernel_sd / side)
    videos = predictions.sizes["video"]

    def as_nodes(read: Callable[[Scattered], Grid]) -> Grids:
        return _each(nodes, config.durations, lambda some: physics.diffusivity(read(some)))

    nodes = [_nodes(_video(predictions, v), side, shape) for v in range(videos)]
    read_outs = {
        "nearest": as_nodes(lambda some: nearest(some, centres)),
        "kernel": as_nodes(lambda some: kernel(some, shape, spread)),
    }
    if baseline is not None:
        links = [_links(_video(baseline, v), side, shape) for v in range(videos)]
        noise = baseline["localization_error"].values[:, None, None] ** 2 / baseline.attrs["dt"]
        averages = _each(links, config.durations, lambda some: kernel(some, shape, spread))
        read_outs["lap_kernel"] = averages - noise
    built = np.stack(list(read_outs.values()))
    maps = xr.Dataset(
        {
            "diffusivity": (
                ("read_out", "duration", "video", "grid_y", "grid_x"),
                np.maximum(built, LEAST).astype(np.float32),
            ),
            "duration": ("duration", np.array(config.durations)),
        },
        attrs={
            "field_of_view": predictions.attrs["field_of_view"],
            "read_out": list(read_outs),
        },
    )
    if landscape is not None:
        maps["landscape"] = (("video", "grid_y", "grid_x"), _at(landscape.values, shape))
    return maps


def nearest(some: Scattered, centres: Float[np.ndarray, "grid_y grid_x 2"]) -> Grid:
    """The value of the nearest point (Fig. 4f-h).

    Args:
        some: points.
        centres: of the cells, in cells, (y, x).
    """
    if len(some.values) == 0:
        return np.full(centres.shape[:2], np.nan)
    return some.values[cKDTree(some.at).query(centres)[1]]


def kernel(some: Scattered, shape: tuple[int, int], spread: float) -> Grid:
    """Local averages with Gaussian weights, from coarse to fine.

    Each pass averages the ratio of the values to the map so far, and multiplies the map by it.
    What the coarse passes have found no longer blurs the fine ones (a plain average is drawn to
    the slow places, where walkers dwell); the last pass is done twice, which removes most of what
    the finest kernel itself blurs (Jones, Linton & Nielsen, Biometrika 1995). One ratio of 1 joins
    every average, so that where there are no points the map stays as the coarser pass has it.

    The values should be right on average: √(2D) as a network says it, or r²/4t; not log D, whose
    average falls below the log of D where values are uncertain.

    Args:
        some: points with positive values.
        shape: of the map, cells.
        spread: s.d. of the finest kernel, cells.

    Returns:
        The map; constant where all values are alike.
    """
    if len(some.values) == 0:
        return np.full(shape, np.nan)
    cell = np.ravel_multi_index(tuple(some.at.astype(int).T), shape)
    found = np.full(shape, max(LEAST, some.values.mean()))
    for sd in [*_spreads(spread, max(shape)), spread]:
        ratio = some.values / found.ravel()[cell]
        found = found * (_sum(cell, ratio, shape, sd) + 1)
        found = found / (_sum(cell, np.ones_like(ratio), shape, sd) + 1)
    return found


def _sum(cell: Int[np.ndarray, " n"], values: Values, shape: tuple[int, int], sd: float) -> Grid:
    """Sum of values near each cell, each weighted by a Gaussian that is 1 at its own place."""
    binned = np.bincount(cell, values, shape[0] * shape[1]).reshape(shape)
    return 2 * np.pi * sd**2 * gaussian_filter(binned, sd, mode="constant")


def _spreads(finest: float, side: int) -> list[float]:
    """Kernels from about a fifth of the map down to the finest, each half as wide."""
    doublings = max(0, int(np.log2(side / 5 / finest) + 1e-9))
    return [finest * 2.0**k for k in range(doublings, -1, -1)]


def _video(dataset: xr.Dataset, video: int) -> xr.Dataset:
    first, end = schema.offsets(dataset["row_size"].values)[video : video + 2]
    return dataset.isel(localization=slice(first, end))


def _each(
    videos: list[Scattered], durations: tuple[int, ...], read: Callable[[Scattered], Grid]
) -> Grids:
    """A map of each video from its first frames, for each duration."""
    return np.array([[read(some.before(frames)) for some in videos] for frames in durations])


def _nodes(predictions: xr.Dataset, side: float, shape: tuple[int, int]) -> Scattered:
    """√(2D) at each localization."""
    scaling = predictions["prediction"].values.astype(float)
    least = np.sqrt(2 * LEAST)
    frame = predictions["frame"].values
    return Scattered(frame, _cells(predictions, side, shape), np.maximum(scaling, least))


def _links(found: xr.Dataset, side: float, shape: tuple[int, int]) -> Scattered:
    """r²/4t of each link of the linear assignment, at its start: D there makes the step."""
    frame = found["frame"].values.astype(int)
    start, end = floors.links(found["track"].values[found.attrs["linker"].index("lap")], frame)
    position = np.stack([found["x"].values, found["y"].values], axis=1).astype(float)
    squared = ((position[end] - position[start]) ** 2).sum(axis=1)
    time = (frame[end] - frame[start]) * found.attrs["dt"]
    return Scattered(frame[end], _cells(found, side, shape)[start], squared / (4 * time))


def _cells(dataset: xr.Dataset, side: float, shape: tuple[int, int]) -> Float[np.ndarray, "n 2"]:
    """Positions in cells, (y, x); what lies outside the map counts for its nearest cell."""
    at = np.stack([dataset["y"].values, dataset["x"].values], axis=1).astype(float) / side
    return np.clip(at, 0, np.nextafter(np.array(shape, dtype=float), 0))


def _at(
    landscape: Float[np.ndarray, "video rows columns"], shape: tuple[int, int]
) -> Float[np.ndarray, "video grid_y grid_x"]:
    """The cell of a landscape that each centre of the map lies in."""
    row, column = (
        ((np.arange(n) + 0.5) / n * size).astype(int)
        for n, size in zip(shape, landscape.shape[1:], strict=True)
    )
    return landscape[:, row[:, None], column]
