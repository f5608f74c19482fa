"""Spots in a movie: where they are (trackpy), and which true object each of them is."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pandas as pd
import trackpy
import xarray as xr
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from magik import schema
from magik.config import Localize
from magik.errors import InputError

DESCRIPTORS = {"mass": "mass", "size": "size", "ecc": "eccentricity"}
"""trackpy's name: ours. Counts above the local background, px (radius of gyration), 0 = round."""

TRUTH = {"particle": -1, "motion": -1, "diffusivity": np.nan, "exponent": np.nan}
"""What a localization is told of the object that it shows; the value where it shows none."""


def find(movie: xr.Dataset, config: Localize) -> xr.Dataset:
    """Localizations of all images of a movie (trackpy.locate; Crocker & Grier 1996).

    Images are continued beyond their edges by a fall to their median, so that spots at an edge are
    found as well, about where they are. (Were they mirrored, a spot near an edge would become one
    with its mirror image, and be found on the edge.) The `intensity` of a localization is the mean
    of the pixels within `diameter`, above the median of its image: proportional to the counts of
    an isolated spot (0.7 of its peak for a spot of s.d. 1 px and a diameter of 3 px), and more
    where spots overlap.

    Args:
        movie: images and how many of them each video has; an error names it by
            `encoding["source"]`, where xarray keeps the path that a data set was read from.
        config: how a spot looks; the settings mean what they mean in trackpy.

    Returns:
        Localizations without truth, with the further descriptors of `DESCRIPTORS`.

    Raises:
        InputError: if there is no spot in the whole movie.
    """
    counts = movie["counts"]
    top = counts.values.max() if config.invert and counts.size else None
    found = []
    for image in range(len(counts)):
        pixels = counts[image].values
        found.append(spots_in(pixels if top is None else top - pixels, config))
    if not sum(map(len, found)):
        raise InputError(_nothing_found(movie, top, config))
    return together(found, movie)


def together(found: Sequence[pd.DataFrame], movie: xr.Dataset) -> xr.Dataset:
    """The spots of each image of a movie, at least one in all, as localizations.

    Args:
        found: of each image, a row per spot; its columns become variables.
        movie: how many images each video has, and their field of view.
    """
    n_frames = movie["row_size"].values
    per_image = np.array([len(spots) for spots in found])
    spots = pd.concat([spots for spots in found if len(spots)], ignore_index=True)
    first_image = schema.offsets(n_frames)
    frame = np.arange(len(found)) - np.repeat(first_image[:-1], n_frames)
    video = np.repeat(np.arange(len(n_frames)), n_frames)
    columns = {"frame": np.repeat(frame, per_image).astype(np.int32)}
    columns |= {str(name): spots[name].to_numpy(np.float32) for name in spots}
    return xr.Dataset(
        {name: ("localization", column) for name, column in columns.items()}
        | {
            "row_size": (
                "video",
                np.bincount(video, weights=per_image, minlength=len(n_frames)).astype(np.int64),
            ),
            "n_frames": ("video", n_frames),
        },
        attrs={"field_of_view": movie.attrs["field_of_view"]},
    )


def match(found: xr.Dataset, truth: xr.Dataset, radius: float) -> xr.Dataset:
    """The localizations found, each with the identity and motion of the object that it shows.

    In each frame as many pairs as possible within the radius, and of those ways to pair the one
    with the smallest sum of distances; in space where both have a `z`, else in the plane.

    Args:
        found: localizations of rendered videos.
        truth: the localizations that the videos were rendered from.
        radius: px.

    Returns:
        `found` with `particle` (-1 = none) and what else of `TRUTH` is known, and the truth's
        landscape, depth and names of motions.
    """
    columns = {
        name: np.full(found.sizes["localization"], none, truth[name].dtype)
        for name, none in TRUTH.items()
        if name in truth
    }
    here, there = _positions(found, truth)
    for rows, true_rows in zip(_frames(found), _frames(truth), strict=True):
        distance = cdist(here[rows], there[true_rows])
        far = distance > radius
        # a pair too far apart costs more than all near ones together
        distance[far] = (radius + 1) * (min(distance.shape) + 1)
        chosen = linear_sum_assignment(distance)
        seen, true = (index[~far[chosen]] for index in chosen)
        for name, column in columns.items():
            column[rows][seen] = truth[name].values[true_rows][true]
    attributes = {name: truth.attrs[name] for name in ("depth", "motions") if name in truth.attrs}
    matched = found.assign({name: ("localization", column) for name, column in columns.items()})
    matched = matched.assign_attrs(attributes)
    return matched.assign(landscape=truth["landscape"]) if "landscape" in truth else matched


def quality(matched: xr.Dataset, truth: xr.Dataset) -> dict[str, float]:
    """How good a localization step was.

    Args:
        matched: what `match` returns.
        truth: what it was matched with.

    Returns:
        `recall` (found of the true), `precision` (true of the found) and `localization_error`
        (r.m.s. per axis in the plane, of the matched, px; NaN if there is none). In space also
        `localization_error_z` and `localization_error_3d` (r.m.s. along z, and of the distance);
        where it is measured, `refractive_index_error` (r.m.s.).
    """
    measured = [name for name in ("x", "y", "z", "refractive_index") if name in matched]
    measured = [name for name in measured if name in truth]
    table, true = (
        pd.DataFrame({name: d[name].values for name in ("frame", "particle", *measured)}).assign(
            video=schema.row_of(d["row_size"].values)
        )
        for d in (matched, truth)
    )
    key = ["video", "frame", "particle"]
    pairs = table[table["particle"] >= 0].merge(true, on=key, suffixes=("", "_true"))
    square = {name: ((pairs[name] - pairs[f"{name}_true"]) ** 2).mean() for name in measured}
    plane = square["x"] + square["y"]
    scores = {
        "recall": len(pairs) / len(true) if len(true) else np.nan,
        "precision": len(pairs) / len(table) if len(table) else np.nan,
        "localization_error": float(np.sqrt(plane / 2)),
    }
    if "z" in square:
        scores["localization_error_z"] = float(np.sqrt(square["z"]))
        scores["localization_error_3d"] = float(np.sqrt(plane + square["z"]))
    if "refractive_index" in square:
        scores["refractive_index_error"] = float(np.sqrt(square["refractive_index"]))
    return scores


def _positions(found: xr.Dataset, truth: xr.Dataset) -> list[np.ndarray]:
    """x, y and, where both have it, z."""
    axes = [axis for axis in ("x", "y", "z") if axis in found and axis in truth]
    return [np.stack([d[axis].values for axis in axes], axis=1) for d in (found, truth)]


def spots_in(image: np.ndarray, config: Localize, minmass: float | None = None) -> pd.DataFrame:
    """x, y, intensity and descriptors of the spots of one image (trackpy.locate).

    Args:
        image: counts.
        config: how a spot looks.
        minmass: in place of the one in `config`.
    """
    height, width = image.shape
    edge = max(config.diameter, config.smoothing_size or 0)
    median = np.median(image)
    with _quiet():
        spots = trackpy.locate(
            np.pad(image, edge, mode="linear_ramp", end_values=median),
            diameter=config.diameter,
            separation=config.separation,
            minmass=config.minmass if minmass is None else minmass,
            percentile=config.percentile,
            noise_size=config.noise_size,
            smoothing_size=config.smoothing_size,
            engine="numba",
        )
    x, y = spots["x"] - edge + 0.5, spots["y"] - edge + 0.5  # trackpy: 0 is the centre of a pixel
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    radius = config.diameter // 2
    offset = np.arange(-radius, radius + 1)
    pixels = np.count_nonzero(offset[:, None] ** 2 + offset**2 <= radius**2)
    above_median = spots["raw_mass"] / pixels - median
    located = pd.DataFrame({"x": x, "y": y, "intensity": above_median})
    return located.join(spots[list(DESCRIPTORS)].rename(columns=DESCRIPTORS))[inside]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without trackpy's words on images or candidates that have no light: neither is unusual."""
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        for words in ("Image is completely", "Image contains no", "All local", "No maxima"):
            warnings.filterwarnings("ignore", words, UserWarning)
        yield


def _frames(localizations: xr.Dataset) -> list[slice]:
    """The rows of each frame of each video, in order."""
    n_frames = localizations["n_frames"].values
    first_image = schema.offsets(n_frames)
    video = schema.row_of(localizations["row_size"].values)
    image = first_image[video] + localizations["frame"].values
    ends = np.searchsorted(image, np.arange(first_image[-1] + 1))
    return [slice(begin, end) for begin, end in pairwise(ends)]


def _nothing_found(movie: xr.Dataset, top: float | None, config: Localize) -> str:
    """What to tell a user whose movie has no spot."""
    counts = movie["counts"].values
    name = movie.encoding.get("source", "movie")
    if not counts.size:
        return f"{name}: it has no image; expected at least one"
    liveliest = counts[np.argmax(np.ptp(counts.reshape(len(counts), -1), axis=1))]
    candidates = spots_in(liveliest if top is None else top - liveliest, config, minmass=0)
    heaviest = f"{candidates['mass'].max():.3g}" if len(candidates) else "none"
    return (
        f"{name}: no spot in any of {len(counts)} images with localize: diameter "
        f"{config.diameter} px, minmass {config.minmass:g}, percentile {config.percentile:g}, "
        f"invert {str(config.invert).lower()} (mass of the heaviest candidate: {heaviest}). "
        "Lower minmass, set diameter to the size of a spot, or change invert"
    )


trackpy.quiet()
