"""Linkers without a network, which every network is measured against.

- ``nearest``: assignment of least total distance, from each frame to the next;
- ``trackpy``: the same, with memory for particles that are missing (Crocker & Grier 1996);
- ``laptrack``: linear assignment from each frame to the next, then of the ends of tracks over
  gaps, and to tracks that divide (LapTrack; Jaqaman et al. 2008), by distance;
- ``laptrack_overlap``: the same, by the pixels that masks share.

`tuned` chooses their parameters on the training videos alone, so that they know as much of the
truth as a network does.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import trackpy
import xarray as xr
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from magik import aogm, lineage, neighbours, schema
from magik.errors import InputError

NARROWEST = 1e-3
"""Share of its search range to which trackpy may narrow it where too many are too near."""


# --- linkers -------------------------------------------------------------------------------


def nearest(localizations: xr.Dataset, max_distance: float) -> xr.Dataset:
    """Tracks by the assignment of least total distance, from each frame to the next.

    Args:
        localizations: LOCALIZATIONS.
        max_distance: of a link, px; what stays alone costs as much.

    Returns:
        TRACKS.
    """
    position = _positions(localizations)
    links = []
    for frames in _videos(localizations):
        for earlier, later in pairwise(frames):
            distance = cdist(position[earlier], position[later])
            old, new = linear_sum_assignment(np.minimum(distance, max_distance))
            near = distance[old, new] < max_distance
            links.append(np.stack([earlier.start + old[near], later.start + new[near]]))
    joined = np.concatenate([np.empty((2, 0), np.int64), *links], axis=1)
    return lineage.tracks_of_links(localizations, joined, "nearest")


def with_memory(localizations: xr.Dataset, search_range: float, memory: int) -> xr.Dataset:
    """Tracks of trackpy (Crocker & Grier 1996).

    Where too many can be linked with too many, trackpy narrows its range until it can decide.

    Args:
        localizations: LOCALIZATIONS.
        search_range: of a link, px.
        memory: frames that a particle may be missing.

    Returns:
        TRACKS.
    """
    position = pd.DataFrame(_positions(localizations)).add_prefix("axis")
    found = np.full(len(position), -1)
    frame = localizations["frame"].to_numpy()
    for begin, end in pairwise(schema.offsets(localizations["row_size"].to_numpy()).tolist()):
        if begin == end:
            continue
        table = position[begin:end].assign(frame=frame[begin:end])
        linked = trackpy.link(
            table,
            search_range,
            pos_columns=list(position),
            memory=memory,
            adaptive_stop=search_range * NARROWEST,
            adaptive_step=0.9,
        )
        found[begin:end] = linked["particle"].sort_index()  # trackpy orders rows anew
    named = localizations.drop_vars("parent_particle", errors="ignore")
    links, _ = lineage.true_links(named.assign(particle=("localization", found)))
    return lineage.tracks_of_links(localizations, links, "trackpy")


def lap(
    localizations: xr.Dataset,
    max_distance: float,
    gap_distance: float,
    max_lag: int,
    division_distance: float,
) -> xr.Dataset:
    """Tracks of LapTrack by distance (Jaqaman et al. 2008).

    Args:
        localizations: LOCALIZATIONS.
        max_distance: of a link to the next frame, px.
        gap_distance: of a link over a gap, px.
        max_lag: frames from one end of a gap to the other; 1: no gap is closed.
        division_distance: from a mother to the daughter that begins a track, px; 0: no division.

    Returns:
        TRACKS.

    Raises:
        InputError: if LapTrack is not installed.
    """
    links = _laptrack(
        localizations,
        _positions(localizations),
        cutoff=max_distance**2,
        gap_closing_cutoff=gap_distance**2 if max_lag > 1 else False,
        gap_closing_max_frame_count=max_lag,
        splitting_cutoff=division_distance**2,
    )
    return lineage.tracks_of_links(localizations, links, "laptrack")


def lap_overlap(
    localizations: xr.Dataset, least_share: float, max_lag: int, division_share: float
) -> xr.Dataset:
    """Tracks of LapTrack by overlap: the share of the later mask that the earlier one covers.

    Args:
        localizations: LOCALIZATIONS with `area` and the pixels that pairs of masks share.
        least_share: of a link.
        max_lag: frames from one end of a gap to the other; 1: no gap is closed.
        division_share: of a mother and the daughter that begins a track; 1: no division.

    Returns:
        TRACKS.

    Raises:
        InputError: if LapTrack is not installed.
    """
    begin = schema.offsets(localizations["row_size"].to_numpy())[:-1]
    begin = begin[schema.row_of(localizations["n_pair"].to_numpy())]
    sender = begin + localizations["pair_sender"].to_numpy().astype(np.int64)
    receiver = begin + localizations["pair_receiver"].to_numpy().astype(np.int64)
    share = localizations["pair_pixels"].to_numpy() / localizations["area"].to_numpy()[receiver]
    apart = dict(zip(zip(sender.tolist(), receiver.tolist(), strict=True), 1 - share, strict=True))

    def metric(one: np.ndarray, other: np.ndarray) -> float:
        rows = int(one[0]), int(other[0])
        return apart.get((min(rows), max(rows)), 1.0)

    links = _laptrack(
        localizations,
        np.arange(localizations.sizes["localization"], dtype=float)[:, None],
        metric=metric,
        gap_closing_metric=metric,
        splitting_metric=metric,
        cutoff=1 - least_share,
        gap_closing_cutoff=1 - least_share if max_lag > 1 else False,
        gap_closing_max_frame_count=max_lag,
        splitting_cutoff=1 - division_share,
    )
    return lineage.tracks_of_links(localizations, links, "laptrack_overlap")


def _laptrack(localizations: xr.Dataset, compared: np.ndarray, **settings: Any) -> np.ndarray:
    """Links of LapTrack, [2, links]; its metric compares rows of `compared` [rows, columns]."""
    try:
        from laptrack import LapTrack  # an optional extra
    except ImportError:
        raise InputError("LapTrack is not installed; install it: pip install laptrack") from None
    links = []
    for frames in _videos(localizations):
        if frames[0].start == frames[-1].stop:
            continue  # LapTrack fails at a video without a cell
        graph = LapTrack(**settings).predict([compared[rows] for rows in frames])
        for one, other in graph.edges:
            links.append(sorted(frames[t].start + place for t, place in (one, other)))
    return np.array(links, np.int64).reshape(-1, 2).T


# --- parameters ----------------------------------------------------------------------------


class Linker(NamedTuple):
    """A linker, and the values among which its parameters are chosen.

    Attributes:
        link: LOCALIZATIONS and the parameters -> TRACKS.
        lengths: of the parameters that are lengths, in spacings of the training videos.
        others: of all others.
    """

    link: Callable[..., xr.Dataset]
    lengths: Mapping[str, tuple[float, ...]]
    others: Mapping[str, tuple[float, ...]]


REACH = (0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0)
LAGS = (1, 2, 3, 5, 8)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)

LINKERS = {
    "nearest": Linker(nearest, {"max_distance": REACH}, {}),
    "trackpy": Linker(with_memory, {"search_range": REACH}, {"memory": (0, 1, 2, 4, 7)}),
    "laptrack": Linker(
        lap,
        {"max_distance": REACH, "gap_distance": REACH, "division_distance": (0.0, *REACH)},
        {"max_lag": LAGS},
    ),
    "laptrack_overlap": Linker(
        lap_overlap,
        {},
        {"least_share": SHARES, "max_lag": LAGS, "division_share": (*SHARES, 1.0)},
    ),
}


def spacing(localizations: xr.Dataset) -> float:
    """Median distance to the nearest localization in the same frame, px.

    The longer side of the field of view where no frame has two.
    """
    video = schema.row_of(localizations["row_size"].to_numpy())
    frame = schema.offsets(localizations["n_frames"].to_numpy())[video]
    frame = frame + localizations["frame"].to_numpy()
    found = neighbours.spacing(_positions(localizations), frame)
    return float(max(localizations.attrs["field_of_view"])) if np.isnan(found) else found


def tuned(name: str, training: xr.Dataset) -> dict[str, float]:
    """The parameters of a linker that give the best LNK on the training videos.

    From the middle of each list of values in `LINKERS`, one parameter after the other takes its
    best value, until no change of one alone is better.

    Args:
        name: one of `LINKERS`.
        training: LOCALIZATIONS with their truth.

    Returns:
        Parameters of the linker; lengths in px.

    Raises:
        InputError: if the training videos have no true link.
    """
    linker = LINKERS[name]
    px = spacing(training)
    grid = {p: tuple(px * value for value in values) for p, values in linker.lengths.items()}
    grid |= linker.others
    chosen = {p: values[len(values) // 2] for p, values in grid.items()}
    score = aogm.lnk(linker.link(training, **chosen))
    if np.isnan(score):
        raise InputError(
            f"{name}: no true link in the training videos; expected particles that are seen twice"
        )
    order, unchanged = itertools.cycle(grid), 0
    while unchanged < len(grid):
        p = next(order)
        scores = {v: aogm.lnk(linker.link(training, **chosen | {p: v})) for v in grid[p]}
        best = max(scores, key=scores.__getitem__)
        if scores[best] > score:
            chosen[p], score, unchanged = best, scores[best], 1
        else:
            unchanged += 1
    return chosen


# --- rows ----------------------------------------------------------------------------------


def _positions(localizations: xr.Dataset) -> np.ndarray:
    """Positions [rows, axes], px, without the jumps of the stage: as graphs have them."""
    axes = [axis for axis in ("x", "y", "z") if axis in localizations]
    position = np.stack([localizations[axis].to_numpy().astype(float) for axis in axes], axis=1)
    for k, axis in enumerate(axes):
        if f"drift_{axis}" in localizations:
            position[:, k] -= localizations[f"drift_{axis}"].to_numpy()
    return position


def _videos(localizations: xr.Dataset) -> Iterator[list[slice]]:
    """The rows of each frame, for each video."""
    frame = localizations["frame"].to_numpy()
    ends = schema.offsets(localizations["row_size"].to_numpy()).tolist()
    for frames, (begin, end) in zip(
        localizations["n_frames"].to_numpy().tolist(), pairwise(ends), strict=True
    ):
        sides = begin + np.searchsorted(frame[begin:end], np.arange(frames + 1))
        yield [slice(*pair) for pair in pairwise(sides.tolist())]


trackpy.quiet()
