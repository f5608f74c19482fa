"""Every stored variable: its dimensions, its unit and what it means.

Ragged data are flat rows plus row sizes (CF contiguous ragged arrays): the localizations of
video v are the `row_size[v]` rows that follow those of the videos before it, ordered by frame.

Positions x, y are in px from the corner of the field of view, x to the right and y down, here and
everywhere in the project. Pixel [i, j] of an image, or cell of a landscape, covers i <= y < i + 1,
j <= x < j + 1 and is centred at (x, y) = (j + ½, i + ½), as in ImageJ. (trackpy, quot and others
count the centre of the first pixel as 0; `magik.localize` and `magik.recordings` add the ½.)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import xarray as xr

from magik.errors import InputError


@dataclass(frozen=True)
class Variable:
    """One stored variable."""

    dims: tuple[str, ...]
    unit: str
    meaning: str
    kind: str = "f"
    required: bool = True


@dataclass(frozen=True)
class Layout:
    """One kind of store: its name, its version and what lies in it.

    Attributes:
        open_to: dimension along which further numeric columns (descriptors) are welcome.
    """

    name: str
    version: int
    variables: Mapping[str, Variable]
    attributes: tuple[str, ...] = ()
    open_to: tuple[str, ...] = field(default=())


def _optional(dims: tuple[str, ...], unit: str, meaning: str, kind: str = "f") -> Variable:
    return Variable(dims, unit, meaning, kind, required=False)


MOVIE = Layout(
    "movie",
    1,
    {
        "counts": Variable(("image", "y", "x"), "counts", "camera counts", "iuf"),
        "row_size": Variable(("video",), "1", "images of each video", "iu"),
    },
    attributes=("field_of_view",),
)

LOCALIZATIONS = Layout(
    "localizations",
    1,
    {
        "row_size": Variable(("video",), "1", "localizations of each video", "iu"),
        "n_frames": Variable(("video",), "1", "frames of each video, also empty ones", "iu"),
        "dt": _optional(("video",), "frame", "Δt from image to image, D counting per frame; 1"),
        "frame": Variable(("localization",), "frame", "index in its video, from 0", "iu"),
        "x": Variable(("localization",), "px", "centroid, from the left edge of the image"),
        "y": Variable(("localization",), "px", "centroid, from the upper edge of the image"),
        "z": _optional(("localization",), "px", "centroid, depth"),
        "intensity": _optional(("localization",), "counts", "mean intensity"),
        "label": _optional(("localization",), "1", "value of its pixels in the masks", "iu"),
        "node_id": _optional(("localization",), "1", "its node in the GEFF it is from", "iu"),
        **{
            f"drift_{axis}": _optional(
                ("localization",), "px", "jumps of the stage up to its frame"
            )
            for axis in ("x", "y", "z")
        },
        # truth, where it is known
        "particle": _optional(
            ("localization",), "1", "true identity within its video; -1 = none", "i"
        ),
        "parent_particle": _optional(
            ("localization",), "1", "particle that this one divided from; -1 = none", "i"
        ),
        "diffusivity": _optional(("localization",), "px²/frame^α", "true D; NaN = none"),
        "exponent": _optional(("localization",), "1", "true α; NaN = none"),
        "motion": _optional(
            ("localization",), "1", "place of its class in the attribute motions; -1 = none", "i"
        ),
        "landscape": _optional(("video", "grid_y", "grid_x"), "px²/frame", "true map of D"),
        # pairs of masks (or balls) of different frames that meet, ordered by receiver, then sender
        "n_pair": _optional(("video",), "1", "overlapping pairs of each video", "iu"),
        "pair_sender": _optional(("pair",), "1", "row of the earlier mask, within its video", "iu"),
        "pair_receiver": _optional(("pair",), "1", "row of the later mask, within its video", "iu"),
        "pair_pixels": _optional(("pair",), "px", "area or volume that the two share", "iuf"),
    },
    attributes=("field_of_view",),
    open_to=("localization",),
)

GRAPHS = Layout(
    "graphs",
    2,
    {
        "n_node": Variable(("graph",), "1", "nodes of each graph", "iu"),
        "n_edge": Variable(("graph",), "1", "edges of each graph", "iu"),
        "n_frames": Variable(("graph",), "1", "frames of each video", "iu"),
        "length_px": Variable(("graph",), "px", "unit of length: field of view or spacing"),
        "dt": _optional(("graph",), "frame", "Δt from image to image, D counting per frame; 1"),
        "node_features": Variable(("node", "node_feature"), "mixed", "named by node_feature"),
        "edge_features": Variable(("edge", "edge_feature"), "mixed", "named by edge_feature"),
        "edge_index": Variable(
            ("end", "edge"), "1", "sender (earlier) and receiver, counted within the graph", "iu"
        ),
        "frame": Variable(("node",), "frame", "frame of the node", "iu"),
        "distance": Variable(("edge",), "unit of length", "distance of the two ends"),
        "localization": Variable(("node",), "1", "row in the localizations", "iu"),
        "displacement_scaling": _optional(("node",), "px/Δt^½", "√(2DΔt); NaN = unknown"),
        "exponent": _optional(("node",), "1", "α; NaN = unknown"),
        "motion": _optional(("node",), "1", "class of its particle; -1 = unknown", "i"),
        "video_exponent": _optional(("graph",), "1", "mean α of its particles"),
        "fractions": _optional(("graph", "class"), "1", "share of its particles in each class"),
        "linked": _optional(("edge",), "1", "1 = a true link", "iub"),
        "skips": _optional(
            ("edge",), "1", "1 = joins a particle to itself over a detection of it", "iub"
        ),
        "origin": _optional(("node",), "1", "sender of the true link to it; -1 = none", "i"),
    },
    attributes=(
        *("field_of_view", "radius", "max_lag", "unit", "axes"),
        *("node_feature", "edge_feature"),
    ),
)

PREDICTIONS = Layout(
    "predictions",
    1,
    {
        "row_size": Variable(("video",), "1", "localizations of each video", "iu"),
        "frame": Variable(("localization",), "frame", "index in its video", "iu"),
        "x": Variable(("localization",), "px", "centroid, from the left edge of the image"),
        "y": Variable(("localization",), "px", "centroid, from the upper edge of the image"),
        "prediction": Variable(("localization",), "as target", "what the network says"),
        "lower": _optional(("localization",), "as target", "lower end of its interval"),
        "upper": _optional(("localization",), "as target", "upper end of its interval"),
        "target": _optional(("localization",), "see target_name", "truth; NaN = unknown"),
    },
    attributes=("field_of_view", "target_name", "trained_on"),
)

VIDEO_PREDICTIONS = Layout(
    "video_predictions",
    1,
    {
        "prediction": Variable(("video", "output"), "as target", "what the network says"),
        "lower": _optional(("video", "output"), "as target", "lower end of its interval"),
        "upper": _optional(("video", "output"), "as target", "upper end of its interval"),
        "target": _optional(("video", "output"), "see target_name", "truth; NaN = unknown"),
    },
    attributes=("target_name", "output", "trained_on"),
)

EDGES = Layout(
    "edges",
    1,
    {
        "row_size": Variable(("video",), "1", "localizations of each video", "iu"),
        "n_edge": Variable(("video",), "1", "candidate edges of each video", "iu"),
        "sender": Variable(("edge",), "1", "row of the earlier end, within its video", "iu"),
        "receiver": Variable(("edge",), "1", "row of the later end, within its video", "iu"),
        "probability": Variable(("edge",), "1", "that the edge is a link, says the network"),
        "linked": _optional(("edge",), "1", "1 = a true link", "iub"),
        "skips": _optional(
            ("edge",), "1", "1 = joins a particle to itself over a detection of it", "iub"
        ),
    },
    attributes=("max_lag", "target_name", "trained_on"),
)

TRACKS = Layout(
    "tracks",
    1,
    {
        "row_size": Variable(("video",), "1", "localizations of each video", "iu"),
        "n_frames": Variable(("video",), "1", "frames of each video, also empty ones", "iu"),
        "frame": Variable(("localization",), "frame", "index in its video, from 0", "iu"),
        "x": Variable(("localization",), "px", "centroid, from the left edge of the image"),
        "y": Variable(("localization",), "px", "centroid, from the upper edge of the image"),
        "z": _optional(("localization",), "px", "centroid, depth"),
        "track": Variable(("localization",), "1", "track it belongs to, over all videos", "iu"),
        "parent": Variable(("track",), "1", "track that this one divided from; -1 = none", "i"),
        # where tracks merge
        "merge_track": _optional(("merge",), "1", "track in which several meet, ascending", "iu"),
        "merge_parent": _optional(("merge",), "1", "one of these beside its `parent`", "iu"),
        "label": _optional(("localization",), "1", "value of its pixels in the masks", "iu"),
        "node_id": _optional(("localization",), "1", "its node in the GEFF it is from", "iu"),
        "particle": _optional(
            ("localization",), "1", "true identity within its video; -1 = none", "i"
        ),
        "parent_particle": _optional(
            ("localization",), "1", "particle that this one divided from; -1 = none", "i"
        ),
    },
    attributes=("field_of_view", "linker"),
    open_to=("localization",),
)

CHANGE_POINTS = Layout(
    "change_points",
    1,
    {
        "row_size": Variable(("video",), "1", "localizations of each video", "iu"),
        "changed": Variable(
            ("localization",), "1", "1 = the first of a new D of its particle", "iub"
        ),
    },
)

MAPS = Layout(
    "maps",
    1,
    {
        "diffusivity": Variable(
            ("read_out", "duration", "video", "grid_y", "grid_x"), "px²/frame", "estimated map"
        ),
        "duration": Variable(("duration",), "frame", "frames that a map was made from", "iu"),
        "landscape": _optional(("video", "grid_y", "grid_x"), "px²/frame", "true map"),
    },
    attributes=("field_of_view", "read_out"),
)

FLOORS = Layout(
    "floors",
    1,
    {
        "row_size": Variable(("video",), "1", "localizations of each video", "iu"),
        "frame": Variable(("localization",), "frame", "index in its video", "iu"),
        "x": Variable(("localization",), "px", "centroid, from the left edge of the image"),
        "y": Variable(("localization",), "px", "centroid, from the upper edge of the image"),
        "particle": Variable(("localization",), "1", "true identity; -1 = none", "i"),
        "truth": Variable(("localization",), "px²/frame", "true D; NaN = none"),
        "diffusivity": Variable(
            ("method", "localization"), "px²/frame", "estimated D; NaN = not by this method"
        ),
        "track": Variable(
            ("linker", "localization"), "1", "track found, counted within its video", "i"
        ),
        "localization_error": Variable(
            ("video",), "px", "r.m.s. per axis, as told to every method; NaN = empty video"
        ),
        # of what is sampled by two chains
        "start_difference": _optional(
            ("method", "video"), "1", "of √(2D) from two starts, in s.d. of the posterior"
        ),
        "converged": _optional(("method", "video"), "1", "1 = the two starts agree", "iub"),
        "sweeps": _optional(("method", "video"), "1", "of each chain", "iu"),
    },
    attributes=("field_of_view", "method", "linker", "max_lag", "dt"),
)

ESTIMATES = Layout(
    "estimates",
    1,
    {
        "row_size": Variable(("video",), "1", "localizations of each video", "iu"),
        "frame": Variable(("localization",), "frame", "index in its video", "iu"),
        "particle": Variable(("localization",), "1", "true identity; -1 = none", "i"),
        "target": Variable(("localization",), "see target_name", "truth; NaN = none"),
        "estimate": Variable(
            ("method", "localization"), "as target", "by each method; NaN = not by this one"
        ),
    },
    attributes=("method", "target_name"),
)

VIDEO_ESTIMATES = Layout(
    "video_estimates",
    1,
    {
        "target": Variable(("video", "output"), "see target_name", "truth"),
        "estimate": Variable(
            ("method", "video", "output"), "as target", "by each method; NaN = not by this one"
        ),
    },
    attributes=("method", "target_name", "output"),
)

ATTENTION = Layout(
    "attention",
    1,
    {
        # the map of one target, in the first video
        "frame": Variable(("localization",), "frame", "index in the video", "iu"),
        "x": Variable(("localization",), "px", "centroid, from the left edge of the image"),
        "y": Variable(("localization",), "px", "centroid, from the upper edge of the image"),
        "z": _optional(("localization",), "px", "centroid, depth"),
        "particle": Variable(("localization",), "1", "true identity; -1 = none", "i"),
        "attention": Variable(
            ("block", "head", "localization"), "1", "from the target; NaN = beyond its window"
        ),
        "token": Variable(("block", "head"), "1", "attention from the target to the token U"),
        # over all videos
        "ratio": Variable(
            ("video", "block", "head"),
            "1",
            "attention to nodes of the own particle over that to others at the same distance and "
            "lag; NaN = none to compare",
        ),
        "matched": Variable(
            ("video",), "1", "share of the pairs of one particle that there are others like"
        ),
        "contrast": Variable(("block", "head"), "1", "mean of the ratio over videos"),
        "contrast_se": Variable(("block", "head"), "1", "its standard error"),
    },
    attributes=("target", "n_frames", "field_of_view", "trained_on"),
)

LAYOUTS = {
    layout.name: layout
    for layout in (
        *(MOVIE, LOCALIZATIONS, GRAPHS, PREDICTIONS, VIDEO_PREDICTIONS, EDGES, TRACKS, MAPS),
        *(CHANGE_POINTS, FLOORS, ESTIMATES, VIDEO_ESTIMATES, ATTENTION),
    )
}


# What a user's files hold, read frame by frame and stored nowhere:


@runtime_checkable
class Frames(Protocol):
    """Images or masks [(z,) y, x], one a frame: an array, or what reads them one by one."""

    def __len__(self) -> int:
        """Number of frames."""

    def __getitem__(self, frame: int, /) -> np.ndarray:
        """One of them."""


class Recording(NamedTuple):
    """What the cells of one video were found in.

    Attributes:
        images: counts; None: there are none.
        labels: masks, as many and as large; None: the cells are known by their positions alone.
    """

    images: Frames | None
    labels: Frames | None


def check(dataset: xr.Dataset, layout: Layout, where: str) -> xr.Dataset:
    """The data set itself, if it is laid out as promised.

    Args:
        dataset: what was read or is about to be written.
        layout: what it should be.
        where: named first in an error: the path of the store.

    Raises:
        InputError: naming the store, the variable, its meaning, unit and dimensions.
    """
    for name, variable in layout.variables.items():
        meaning = f"({variable.meaning}; {variable.unit}; over {', '.join(variable.dims)})"
        if name not in dataset.variables:
            if variable.required:
                present = ", ".join(sorted(map(str, dataset.variables))) or "nothing"
                raise InputError(f"{where}: no variable '{name}' {meaning}. It has: {present}.")
            continue
        found = dataset[name]
        if found.dims != variable.dims:
            raise InputError(
                f"{where}: variable '{name}' {meaning} lies over {', '.join(map(str, found.dims))}."
            )
        if found.dtype.kind not in variable.kind:
            raise InputError(
                f"{where}: variable '{name}' {meaning} is of type {found.dtype}; "
                f"expected a type of kind {' or '.join(variable.kind)}."
            )
    for name in map(str, dataset.variables):
        if name not in layout.variables and dataset[name].dims != layout.open_to:
            raise InputError(
                f"{where}: variable '{name}' is not part of a store of {layout.name}. "
                f"It may have: {', '.join(layout.variables)}."
            )
    for name in layout.attributes:
        if name not in dataset.attrs:
            raise InputError(f"{where}: no attribute '{name}' in this store of {layout.name}.")
    return dataset


def offsets(row_size: np.ndarray) -> np.ndarray:
    """Where each video's rows begin, and where the last ends: `row_size` summed, from 0.

    >>> offsets(np.array([2, 0, 3]))
    array([0, 2, 2, 5])
    """
    return np.concatenate([[0], np.cumsum(row_size, dtype=np.int64)])


def row_of(row_size: np.ndarray) -> np.ndarray:
    """The video that each row belongs to.

    >>> row_of(np.array([2, 0, 3]))
    array([0, 0, 2, 2, 2])
    """
    return np.repeat(np.arange(len(row_size)), row_size)


def videos(dataset: xr.Dataset) -> Iterator[xr.Dataset]:
    """Each video of a store as a store of its own.

    Args:
        dataset: LOCALIZATIONS or TRACKS; of these, tracks keep their numbers.
    """
    start = offsets(dataset["row_size"].to_numpy())
    for video, rows in enumerate(pairwise(start.tolist())):
        yield dataset.isel(video=slice(video, video + 1), localization=slice(*rows))


def videos_of_classes(localizations: xr.Dataset) -> dict[str, int]:
    """For each class of motion the first video whose known objects all belong to it, if any.

    Args:
        localizations: LOCALIZATIONS.
    """
    if "motion" not in localizations:
        return {}
    parts = np.split(
        localizations["motion"].to_numpy(), offsets(localizations["row_size"].to_numpy())[1:-1]
    )
    first: dict[str, int] = {}
    for video, part in enumerate(parts):
        classes = np.unique(part[part >= 0])
        if len(classes) == 1:
            first.setdefault(localizations.attrs["motions"][classes[0]], video)
    return first


def first_frames(localizations: xr.Dataset, frames: int = 3) -> xr.Dataset:
    """What figures show images of: the first frames of the first video, and of one of each class.

    Args:
        localizations: LOCALIZATIONS, rows ordered by video and frame.
        frames: of each.

    Returns:
        The same videos; those that are not shown have no frames.
    """
    shown = sorted({0, *videos_of_classes(localizations).values()})
    video = row_of(localizations["row_size"].to_numpy())
    rows = np.isin(video, shown) & (localizations["frame"].to_numpy() < frames)
    n_frames = np.zeros_like(localizations["n_frames"].to_numpy())
    n_frames[shown] = np.minimum(localizations["n_frames"].to_numpy()[shown], frames)
    return localizations.isel(localization=np.flatnonzero(rows)).assign(
        row_size=("video", np.bincount(video[rows], minlength=len(n_frames))),
        n_frames=("video", n_frames),
    )
