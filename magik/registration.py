"""How frames lie to one another: jumps of the stage, against the spacing of cells.

A jump moves all cells of a frame together, by more than their spacing in the worst case: the next
cell then lies where the last one was. Growth and migration do not.
"""

import math
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from scipy.fft import irfftn, next_fast_len, rfftn
from scipy.ndimage import gaussian_filter

from magik import neighbours

REACH = 4.0
"""Longest jump that is looked for, in spacings."""

CELL, BLUR = 0.25, 0.35
"""Of the density images that are compared: side of a pixel, s.d. of a cell; in spacings."""

CLEAR = 1.2
"""A jump is believed if frames overlap so many times better with it than without. On six recordings
of cells the ratio stayed below 1.1 without a jump and was above 1.5 with one."""

FEWEST = 10
"""Cells in a frame below which no jump is looked for: the walks of a few look like one."""

MOST_PIXELS = 2**24
"""Of a density image; where cells lie in pairs far apart, it would be larger, and none is made."""


def drift(
    position: Float[np.ndarray, "rows axes"], frame: Int[np.ndarray, " rows"]
) -> Float[np.ndarray, "rows axes"]:
    """Where the stage stood in the frame of each localization, against the first frame.

    The sum of the jumps between successive frames that have localizations.

    Args:
        position: px.
        frame: of each, ordered.

    Returns:
        px, to be subtracted from the positions; 0 as long as nothing jumps.
    """
    frames, first = np.unique(frame, return_index=True)
    stops = np.append(first, len(frame))
    stage = np.zeros((len(frames), position.shape[1]))
    for index in range(1, len(frames)):
        before, after = (position[slice(*stops[i : i + 2])] for i in (index - 1, index))
        stage[index] = stage[index - 1] + jump(before, after)
    return stage[np.searchsorted(frames, frame)]


def jump(
    before: Float[np.ndarray, "cells axes"], after: Float[np.ndarray, "others axes"]
) -> Float[np.ndarray, " axes"]:
    """How far the stage jumped between two frames.

    The shift at which the densities of cells correlate best, if it is clearly better than none.

    Args:
        before: positions in the earlier frame, px.
        after: in the later one.

    Returns:
        px, to be added to the earlier positions; 0 where it is not clear.
    """
    still = np.zeros(before.shape[1])
    if min(len(before), len(after)) < FEWEST:
        return still
    both = np.concatenate([before, after])
    length = neighbours.spacing(both, np.repeat([0, 1], [len(before), len(after)]))
    if np.isnan(length):
        return still
    step, reach = CELL * length, int(REACH / CELL)
    low, high = both.min(axis=0), both.max(axis=0)
    margin = 2 * (reach + 4)
    shape = [next_fast_len(int(side) + 1 + margin, real=True) for side in (high - low) / step]
    if math.prod(shape) > MOST_PIXELS:
        return still

    def density(position: np.ndarray) -> np.ndarray:
        counts = np.zeros(shape)
        np.add.at(counts, tuple(((position - low) / step).astype(int).T + margin // 2), 1.0)
        return rfftn(gaussian_filter(counts, BLUR / CELL, mode="constant"))

    likeness = irfftn(np.conj(density(before)) * density(after), shape)
    near = likeness[np.ix_(*[np.arange(-reach, reach + 1)] * len(shape))]
    best = np.unravel_index(np.argmax(near), near.shape)
    if near[best] < CLEAR * near[(reach,) * len(shape)]:
        return still
    return (np.array(best) - reach) * step


def spacings(
    position: Float[np.ndarray, "rows axes"],
    frame: Int[np.ndarray, " rows"],
    start: Int[np.ndarray, " bounds"],
    alone: float,
) -> Float[np.ndarray, " videos"]:
    """`neighbours.spacing` of each video.

    Args:
        position: px.
        frame: of each, ordered within its video.
        start: where each video's rows begin, and the end.
        alone: what to take where no cell has a neighbour, px.
    """
    found = np.array(
        [neighbours.spacing(position[a:b], frame[a:b]) for a, b in pairwise(start)], float
    )
    return np.where(np.isnan(found), alone, found)
