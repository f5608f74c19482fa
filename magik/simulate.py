"""Trajectories of diffusing objects, and what a localization step would see of them.

The walk is andi-datasets' (Methods, "Simulations"); the diffusion coefficient, the landscape and
the walls are ours. Positions lie in the box 0 <= x, y <= field of view.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, assert_never

import numpy as np
import stochastic.random
import xarray as xr
from andi_datasets.models_phenom import models_phenom
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from magik import physics
from magik.config import Distribution, Exponential, LogUniform, Observe, Simulate, Uniform

Columns = dict[str, np.ndarray]
"""One video's localizations: a column per name, all of the same length."""

STORED_AS = {
    "frame": np.int32,
    "x": np.float32,
    "y": np.float32,
    "intensity": np.float32,
    "particle": np.int32,
    "diffusivity": np.float32,
}


def build(config: Simulate, videos: int, seed: int) -> xr.Dataset:
    """Simulated videos with their truth (Methods, "Simulations").

    Objects start anywhere in the box, each with an intensity of its own that fluctuates as white
    noise. Rows are in random order within a frame, so that their order tells nothing about
    identity. Each video has its own random numbers: more videos leave the first ones unchanged.

    Args:
        config: what moves, how, and for how long.
        videos: how many.
        seed: of everything that is drawn.

    Returns:
        Localizations with `particle` and `diffusivity` (px²/frame; in a landscape that at the
        localization), and with `landscape` where there is one: its cell [i, j] covers
        i <= y < i + 1, j <= x < j + 1 px, so it is centred at (x, y) = (j + ½, i + ½).
    """
    made, n_frames, landscapes = [], [], []
    for video in range(videos):
        rng = _generator(seed, video, "build")
        frames = int(rng.integers(*config.frames, endpoint=True))
        particles = int(rng.integers(*config.particles, endpoint=True))
        steps = brownian_steps(frames, particles, seed=int(rng.integers(2**32)))
        start = rng.uniform(0, config.field_of_view, (particles, 2))
        if config.motion == "landscape":
            smoothing = rng.uniform(*config.smoothing)
            landscapes.append(draw_landscape(config, smoothing, rng))
            position, diffusivity = _walk_landscape(start, steps, landscapes[-1], config)
        else:
            constant = draw(config.diffusivity, particles, rng)
            position = _walk(start, steps, constant, config)
            diffusivity = np.broadcast_to(constant, (frames, particles))
        intensity = rng.uniform(*config.intensity, particles) + rng.normal(
            0, config.intensity_sd, (frames, particles)
        )
        frame, particle = np.indices((frames, particles))
        columns = {
            "frame": frame.ravel(),
            "x": position[..., 0].ravel(),
            "y": position[..., 1].ravel(),
            "intensity": np.maximum(intensity, 0).ravel(),
            "particle": particle.ravel(),
            "diffusivity": diffusivity.ravel(),
        }
        made.append(_shuffle_within_frames(columns, rng))
        n_frames.append(frames)
    dataset = _gather(made, n_frames, [config.field_of_view, config.field_of_view])
    if landscapes:
        maps = np.stack(landscapes).astype(np.float32)
        dataset["landscape"] = (("video", "grid_y", "grid_x"), maps)
    return dataset


def observe(truth: xr.Dataset, config: Observe, seed: int) -> xr.Dataset:
    """The truth as an imperfect localization step would report it: the coordinates tier.

    Detections are missed at random, positions get Gaussian errors (and may then lie outside the
    box), false positives are strewn over field of view and frames with intensities like the true
    ones. Each video draws its own error, misses and false positives from the ranges of `config`.

    Args:
        truth: localizations as `build` makes them.
        config: how imperfect; where all is zero the truth is returned as it is.
        seed: of everything that is drawn.

    Returns:
        Localizations; a false positive has particle -1 and diffusivity NaN.
    """
    ranges = (config.localization_error, config.missed, config.false_positives)
    if not np.any(ranges):
        return truth
    height, width = truth.attrs["field_of_view"]
    ends = np.cumsum(truth["row_size"].values)[:-1]
    split = {name: np.split(truth[name].values, ends) for name in STORED_AS}
    observed = []
    for video, frames in enumerate(truth["n_frames"].values):
        rng = _generator(seed, video, "observe")
        error, missed, false_positives = (rng.uniform(*limits) for limits in ranges)
        true = {name: columns[video] for name, columns in split.items()}
        detections = len(true["frame"])
        rows = np.flatnonzero(rng.random(detections) >= missed)
        seen = {name: column[rows] for name, column in true.items()}
        seen["x"] = seen["x"] + rng.normal(0, error, len(rows))
        seen["y"] = seen["y"] + rng.normal(0, error, len(rows))
        spurious = rng.poisson(false_positives * detections)
        invented = {
            "frame": rng.integers(frames, size=spurious),
            "x": rng.uniform(0, width, spurious),
            "y": rng.uniform(0, height, spurious),
            "intensity": rng.choice(true["intensity"], spurious) if spurious else np.empty(0),
            "particle": np.full(spurious, -1),
            "diffusivity": np.full(spurious, np.nan),
        }
        both = {name: np.concatenate([seen[name], invented[name]]) for name in STORED_AS}
        observed.append(_shuffle_within_frames(both, rng))
    dataset = _gather(observed, truth["n_frames"].values, truth.attrs["field_of_view"])
    if "landscape" in truth:
        dataset["landscape"] = truth["landscape"]
    return dataset


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed both generators that andi-datasets draws from; give them back as they were.

    It draws from numpy's global state and from the generator of the package `stochastic`;
    neither can be handed over as an argument.

    Args:
        seed: 0 <= seed < 2³².
    """
    numpys, stochastics = np.random.get_state(), stochastic.random.generator  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    stochastic.random.use_generator(np.random.default_rng(seed))
    try:
        yield
    finally:
        np.random.set_state(numpys)  # noqa: NPY002
        stochastic.random.generator = stochastics


def brownian_steps(frames: int, particles: int, seed: int) -> Float[np.ndarray, "frame particle 2"]:
    """Steps of unit variance per axis, from andi-datasets; none leads to the first frame.

    At α = 1 the steps of fractional Brownian motion are independent, so one long trace, cut into
    pieces, is as good as one trace per object, and a hundred times faster.
    """
    with seeded(seed):
        trace = models_phenom.disp_fbm(alpha=1.0, D=0.5, T=frames * particles * 2)
    steps = trace.reshape(frames, particles, 2)
    steps[0] = 0
    return steps


def draw(
    distribution: Distribution, size: int, rng: np.random.Generator
) -> Float[np.ndarray, " size"]:
    """Independent values of a quantity."""
    match distribution:
        case Exponential(exponential=mean, within=(low, high)):
            survival = rng.uniform(np.exp(-high / mean), np.exp(-low / mean), size)
            return np.clip(-mean * np.log(survival), low, high)
        case LogUniform(log_uniform=(low, high)):
            return np.exp(rng.uniform(np.log(low), np.log(high), size))
        case Uniform(uniform=(low, high)) | (low, high):
            return rng.uniform(low, high, size)
    assert_never(distribution)


def draw_landscape(
    config: Simulate, smoothing: float, rng: np.random.Generator
) -> Float[np.ndarray, "grid_y grid_x"]:
    """A random smooth map of D that touches both bounds of `config.diffusivity` (Fig. 4e, f).

    White noise, smoothed by a Gaussian filter that is reflected at the walls, and stretched
    linearly onto log₁₀ D.

    Args:
        config: bounds of D and side of the box, which is cut into cells of about 1 px.
        smoothing: s.d. of the filter, px.
        rng: of the noise.

    Returns:
        D, px²/frame.
    """
    cells = max(2, round(config.field_of_view))
    noise = gaussian_filter(rng.normal(size=(cells, cells)), smoothing, mode="reflect")
    height = (noise - noise.min()) / np.ptp(noise)
    low, high = np.log10(config.diffusivity_bounds)
    return 10 ** (low + (high - low) * height)


def _walk(
    start: Float[np.ndarray, "particle 2"],
    steps: Float[np.ndarray, "frame particle 2"],
    diffusivity: Float[np.ndarray, " particle"],
    config: Simulate,
) -> Float[np.ndarray, "frame particle 2"]:
    """Positions of objects that each have a D of their own."""
    scale = physics.displacement_scaling(diffusivity * config.dt)[:, None]
    return _confine(start + np.cumsum(scale * steps, axis=0), config)


def _walk_landscape(
    start: Float[np.ndarray, "particle 2"],
    steps: Float[np.ndarray, "frame particle 2"],
    landscape: Float[np.ndarray, "grid_y grid_x"],
    config: Simulate,
) -> tuple[Float[np.ndarray, "frame particle 2"], Float[np.ndarray, "frame particle"]]:
    """Positions, and D at each: a step is drawn with the D of the place where it begins (Itô).

    Outside the box, which only a free boundary allows, D is that of the nearest cell.
    """
    cells = len(landscape)
    scaling = physics.displacement_scaling(landscape * config.dt)
    position = np.empty_like(steps)
    diffusivity = np.empty(steps.shape[:2])
    scale = np.zeros(len(start))
    here = start
    for frame, step in enumerate(steps):
        here = _confine(here + scale[:, None] * step, config)
        cell = np.clip((here / config.field_of_view * cells).astype(int), 0, cells - 1)
        column, row = cell.T
        scale = scaling[row, column]
        position[frame] = here
        diffusivity[frame] = landscape[row, column]
    return position, diffusivity


def _confine(position: np.ndarray, config: Simulate) -> np.ndarray:
    if config.boundary == "free":
        return position
    return physics.reflect(position, config.field_of_view)


def _generator(seed: int, video: int, stage: Literal["build", "observe"]) -> np.random.Generator:
    """One stream of random numbers per video and stage."""
    return np.random.default_rng([seed, video, ("build", "observe").index(stage)])


def _shuffle_within_frames(columns: Mapping[str, np.ndarray], rng: np.random.Generator) -> Columns:
    """Rows sorted by frame, at random within each."""
    order = np.lexsort([rng.random(len(columns["frame"])), columns["frame"]])
    return {name: columns[name][order].astype(kind) for name, kind in STORED_AS.items()}


def _gather(
    videos: Sequence[Columns],
    n_frames: Sequence[int] | np.ndarray,
    field_of_view: Sequence[float],
) -> xr.Dataset:
    """The columns of all videos as one ragged data set of localizations."""
    rows = {name: np.concatenate([columns[name] for columns in videos]) for name in STORED_AS}
    return xr.Dataset(
        {name: ("localization", column) for name, column in rows.items()}
        | {
            "row_size": ("video", np.array([len(columns["frame"]) for columns in videos])),
            "n_frames": ("video", np.asarray(n_frames, dtype=np.int64)),
        },
        attrs={"field_of_view": list(field_of_view)},
    )
