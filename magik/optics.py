"""Trajectories -> the movie that a fluorescence microscope would record (DeepTrack).

The camera sees 0 <= x <= width, 0 <= y <= height, pixel by pixel as `magik.schema` counts them; a
spot beyond its edge still casts the part of its light that falls inside.
"""

import warnings
from collections.abc import Callable
from itertools import pairwise
from math import ceil

import numpy as np
import xarray as xr
from jaxtyping import Float

from magik import schema
from magik.config import Render

with warnings.catch_warnings():
    # DeepTrack tells of packages that it would like to have; we do not need them
    warnings.filterwarnings("ignore", ".* is not installed", UserWarning)
    import deeptrack

WAVELENGTH = 600e-9
"""m. Only its ratio to numerical aperture and pixel size shows in an image."""

NUMERICAL_APERTURE = 1.0
SD_OF_AIRY = 0.21
"""S.d. of the Gaussian that is nearest to an Airy disk, in wavelengths / numerical aperture."""

REACH = 8
"""How far from its centre a spot is drawn, in s.d.; out there it is below 0.1 % of its peak."""

FINE = 5
"""Points per px on which DeepTrack draws a spot (odd); shifts between them are interpolated."""


def render(truth: xr.Dataset, config: Render, seed: int) -> xr.Dataset:
    """The movie of simulated objects: diffraction-limited spots, background, shot noise.

    The counts of a pixel are Poisson distributed around background + Σ intensity × spot. The
    `intensity` of an object is what it adds to the brightest pixel when it is centred there:
    the paper's U(20, 80) counts then stand out of the noise. All its pixels together get about
    2π psf_sd² × intensity (and 10-17 % more in the rings of the Airy disk).

    DeepTrack draws one spot on a grid finer than the pixels; a frame is the sum of such spots, as
    incoherent light adds. DeepTrack itself does the same with all the spots of a frame (a test
    compares the two), some hundred times slower.

    Args:
        truth: localizations with `x`, `y` (px) and `intensity` (counts).
        config: spot size, background and noise.
        seed: of the shot noise.

    Returns:
        Movie of integer counts: an image for each frame of each video, empty ones too.
    """
    position = np.stack([truth["y"].values, truth["x"].values], axis=1).astype(float) - 0.5
    intensity = truth["intensity"].values
    spots, shape = draw_spots(config.psf_sd), shape_of(truth)

    def light(rows: slice) -> np.ndarray:
        return _expose(position[rows], intensity[rows], spots, shape) + config.background

    return record(truth, light, config.poisson, seed)


def shape_of(truth: xr.Dataset) -> tuple[int, int]:
    """Height and width of the camera, px."""
    height, width = (round(side) for side in truth.attrs["field_of_view"])
    return height, width


def record(
    truth: xr.Dataset, light: Callable[[slice], np.ndarray], poisson: bool, seed: int
) -> xr.Dataset:
    """The movie of a camera, frame by frame.

    Args:
        truth: localizations, ordered by video and frame.
        light: expected counts [y, x] of a frame, from the rows that it shows.
        poisson: shot noise.
        seed: of that noise; each video has its own.

    Returns:
        Movie of integer counts: an image for each frame of each video, empty ones too.
    """
    n_frames = truth["n_frames"].values
    counts = np.empty((n_frames.sum(), *shape_of(truth)), dtype=np.uint16)
    first_row, first_image = schema.offsets(truth["row_size"].values), schema.offsets(n_frames)
    for video, frames in enumerate(n_frames):
        rng = np.random.default_rng([seed, video])
        rows = slice(first_row[video], first_row[video + 1])
        frame_begins = np.searchsorted(truth["frame"].values[rows], np.arange(frames + 1))
        for frame, (begin, end) in enumerate(pairwise(rows.start + frame_begins)):
            expected = light(slice(begin, end))
            image = rng.poisson(expected) if poisson else np.rint(expected)
            counts[first_image[video] + frame] = np.minimum(image, np.iinfo(np.uint16).max)
    return xr.Dataset(
        {"counts": (("image", "y", "x"), counts), "row_size": ("video", n_frames)},
        attrs={"field_of_view": truth.attrs["field_of_view"]},
    )


def draw_spots(psf_sd: float) -> Float[np.ndarray, "shift_y shift_x y x"]:
    """A spot, shifted down and right by 0, 1/FINE, ... 1 px; its peak without shift is 1.

    Args:
        psf_sd: s.d. of the Gaussian that is nearest to the spot, px.
    """
    reach = ceil(REACH * psf_sd)
    size = 2 * reach + 1
    side = (size + 1) * FINE  # a px more on the low side, from where the shifted spots come
    centre = (reach + 1) * FINE + FINE // 2
    objective = deeptrack.Fluorescence(
        NA=NUMERICAL_APERTURE,
        wavelength=WAVELENGTH,
        resolution=SD_OF_AIRY * WAVELENGTH / NUMERICAL_APERTURE / psf_sd / FINE,
        magnification=1,
        output_region=(0, 0, side, side),
        padding=(2 * side,) * 4,  # the wider the image, the finer the pupil is sampled
    )
    emitter = deeptrack.PointParticle(position=(centre, centre), intensity=1.0)
    fine = np.asarray(objective(emitter)())[..., 0]

    def pixels(down: int, right: int) -> np.ndarray:
        window = fine[FINE - down :, FINE - right :][: size * FINE, : size * FINE]
        return window.reshape(size, FINE, size, FINE).sum(axis=(1, 3))

    shifts = range(FINE + 1)
    spots = np.array([[pixels(down, right) for right in shifts] for down in shifts])
    return spots / spots[0, 0].max()


def _expose(
    position: Float[np.ndarray, "spot 2"],
    intensity: Float[np.ndarray, " spot"],
    spots: Float[np.ndarray, "shift_y shift_x size size"],
    shape: tuple[int, int],
) -> Float[np.ndarray, "y x"]:
    """Expected counts of one frame, without background.

    Args:
        position: (y, x) of each spot, px from the centre of the first pixel.
        intensity: counts.
        spots: as `draw_spots` makes them.
        shape: of the image.
    """
    reach = spots.shape[-1] // 2
    margin = 2 * reach  # so that a spot just out of sight still lies on the canvas
    canvas = np.zeros(np.add(shape, 2 * margin))
    pixel = np.floor(position).astype(int)
    seen = np.all((pixel >= -reach) & (pixel < np.add(shape, reach)), axis=1)
    steps = (position - pixel)[seen] * FINE
    i, j = low = np.minimum(steps.astype(int), FINE - 1).T
    down, right = (steps.T - low)[..., None, None]
    upper = (1 - right) * spots[i, j] + right * spots[i, j + 1]
    lower = (1 - right) * spots[i + 1, j] + right * spots[i + 1, j + 1]
    light = intensity[seen, None, None] * ((1 - down) * upper + down * lower)
    for (top, left), spot in zip(pixel[seen] + margin - reach, light, strict=True):
        canvas[top : top + len(spot), left : left + len(spot)] += spot
    return canvas[margin:-margin, margin:-margin]
