"""Numbers that tell by which process a track moves.

Classical descriptors of single trajectories, none in px: a classifier learns from them what a
person would look for. Steps are those between successive frames, in units of the track's own
r.m.s. step r.
"""

import numpy as np
from jaxtyping import Float, Int

from magik.floors import Tracks

QUANTILES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
SMALL = (0.02, 0.1, 0.3)
"""Steps below this share of r are counted."""

CORRELATED = (1, 2, 3, 4, 6, 9)
"""Lags of correlations, frames."""

LAGS = (2, 4, 8, 16)
"""Lags of the mean squared displacement, frames."""

WINDOWS = (3, 6, 12)
"""Steps over which r² is averaged, to see where an object is fast or slow."""

FAINT = 1e-3
"""Added to r² of steps or windows before a logarithm is taken: waiting objects make none."""

AT_ONCE = 4096
"""Tracks described together, for the sake of memory."""


def describe(
    position: Float[np.ndarray, "n axes"], frame: Int[np.ndarray, " n"], tracks: Tracks
) -> Float[np.ndarray, "tracks features"]:
    """Descriptors of each track; NaN where it is too short for one.

    Args:
        position: of each localization, px.
        frame: of each localization.
        tracks: rows of them.
    """
    parts = []
    for start in range(0, len(tracks.size), AT_ONCE):
        size = tracks.size[start : start + AT_ONCE]
        rows = tracks.rows[start : start + AT_ONCE, : size.max()]
        if rows.shape[1] == 1:  # none of them has a step
            rows = np.pad(rows, [(0, 0), (0, 1)], constant_values=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts.append(_describe(position[rows], np.where(rows < 0, -1, frame[rows])))
    return np.concatenate(parts)


def _describe(
    position: Float[np.ndarray, "tracks places axes"], frame: Int[np.ndarray, "tracks places"]
) -> Float[np.ndarray, "tracks features"]:
    seen = (frame[:, 1:] >= 0) & (np.diff(frame, axis=1) == 1)
    step = np.where(seen[:, :, None], np.diff(position, axis=1), 0.0)
    n = seen.sum(axis=1)
    mean = (step**2).sum(axis=(1, 2)) / n
    step = step / np.sqrt(mean)[:, None, None]
    squared = (step**2).sum(axis=2)
    length = np.sqrt(squared)

    ordered = np.sort(np.where(seen, length, np.inf), axis=1)
    places = [(share * np.maximum(n - 1, 0)).astype(int) for share in QUANTILES]
    every = np.arange(len(n))
    level = np.where(seen, np.log(squared + FAINT), 0.0)
    level -= np.where(seen, (level.sum(axis=1) / n)[:, None], 0.0)
    spread = (level**2).sum(axis=1) / n
    axes_alike = [
        (step[:, :, a] ** 2 * step[:, :, b] ** 2).sum(axis=1)
        * n
        / ((step[:, :, a] ** 2).sum(axis=1) * (step[:, :, b] ** 2).sum(axis=1))
        for a in range(step.shape[2])
        for b in range(a)
    ]
    columns = [
        n,
        (squared**2).sum(axis=1) / n,
        length.sum(axis=1) / n,
        spread,
        np.mean(axes_alike, axis=0),
        *(ordered[every, place] for place in places),
        *(((length < small) & seen).sum(axis=1) / n for small in SMALL),
        _longest_run((length < SMALL[1]) & seen) / n,
        *_ageing(squared, frame[:, :-1], n),
        *(_correlation(step, seen, lag) for lag in CORRELATED[:4]),
        *(_correlation(level[:, :, None], seen, lag) / spread for lag in CORRELATED),
        *(np.log(_displacement(position, frame, lag) / mean) for lag in LAGS),
        *(extreme for window in WINDOWS for extreme in _extremes(squared, seen, window)),
        _change(squared, seen),
    ]
    found = np.stack([np.broadcast_to(column, n.shape) for column in columns], axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def _longest_run(yes: np.ndarray) -> Int[np.ndarray, " tracks"]:
    run, longest = np.zeros((2, len(yes)), dtype=int)
    for column in yes.T:
        run = (run + 1) * column
        longest = np.maximum(longest, run)
    return longest


def _ageing(squared: np.ndarray, frame: np.ndarray, n: np.ndarray) -> list[np.ndarray]:
    """Frame of the first step, r² of the first ones, and when along the track steps are large."""
    middle = (squared * np.arange(squared.shape[1])).sum(axis=1) / squared.sum(axis=1) / n
    return [frame[:, 0], squared[:, 0], squared[:, :3].mean(axis=1), middle]


def _correlation(values: np.ndarray, seen: np.ndarray, lag: int) -> np.ndarray:
    """Mean product with the values a few steps later, over the axes."""
    both = seen[:, :-lag] & seen[:, lag:]
    product = (values[:, :-lag] * values[:, lag:]).sum(axis=2)
    return np.where(both, product, 0).sum(axis=1) / both.sum(axis=1)


def _displacement(position: np.ndarray, frame: np.ndarray, lag: int) -> np.ndarray:
    """Mean squared displacement over a lag, as far as no frame is missed in between."""
    apart = (frame[:, lag:] >= 0) & (frame[:, lag:] - frame[:, :-lag] == lag)
    squared = ((position[:, lag:] - position[:, :-lag]) ** 2).sum(axis=2)
    return np.where(apart, squared, 0).sum(axis=1) / apart.sum(axis=1)


def _extremes(squared: np.ndarray, seen: np.ndarray, window: int) -> list[np.ndarray]:
    """Log of the least and of the largest mean r² of a window of steps, and their s.d."""
    total = np.cumsum(np.pad(squared, [(0, 0), (1, 0)]), axis=1)
    count = np.cumsum(np.pad(seen, [(0, 0), (1, 0)]), axis=1)
    whole = count[:, window:] - count[:, :-window] == window
    level = np.log((total[:, window:] - total[:, :-window]) / window + FAINT)
    mean = np.where(whole, level, 0).sum(axis=1) / whole.sum(axis=1)
    deviation = np.where(whole, level - mean[:, None], 0)
    return [
        np.where(whole, level, np.inf).min(axis=1, initial=np.inf),
        np.where(whole, level, -np.inf).max(axis=1, initial=-np.inf),
        np.sqrt((deviation**2).sum(axis=1) / whole.sum(axis=1)),
    ]


def _change(squared: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Log-likelihood that one change of D somewhere gains."""
    total, count = np.cumsum(squared, axis=1), np.cumsum(seen, axis=1)
    rest, left = total[:, -1:] - total, count[:, -1:] - count
    gain = -count * np.log(total / count + FAINT) - left * np.log(rest / left + FAINT)
    return np.where((count > 2) & (left > 2), gain, -np.inf).max(axis=1, initial=-np.inf)
