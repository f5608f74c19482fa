"""Trajectories of diffusing objects, and what a localization step would see of them.

The steps are those of `magik.motions` (Methods, "Simulations"); their amplitude, how D differs
from object to object, place to place or time to time, and the walls are ours. Positions lie in the
box 0 <= x, y <= field of view and, in three dimensions, 0 <= z <= depth.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, assert_never

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter

from magik import motions, physics
from magik.config import Distribution, Exponential, LogUniform, Observe, Simulate, Uniform

Columns = dict[str, np.ndarray]
"""One video's localizations: a column per name, all of the same length."""

STORED_AS = {
    "frame": np.int32,
    "x": np.float32,
    "y": np.float32,
    "z": np.float32,
    "intensity": np.float32,
    "refractive_index": np.float32,
    "object_radius": np.float32,
    "particle": np.int32,
    "diffusivity": np.float32,
    "exponent": np.float32,
    "motion": np.int32,
}
"""Every column there may be; which of them there are follows from the settings."""

UNKNOWN = {"particle": -1, "motion": -1, "diffusivity": np.nan, "exponent": np.nan}
"""What is true of a false positive."""


def build(config: Simulate, videos: int, seed: int) -> xr.Dataset:
    """Simulated videos with their truth (Methods, "Simulations").

    Objects start anywhere in the box, each with an intensity of its own that fluctuates as white
    noise; objects in a hologram have a refractive index and a radius instead. Rows are in random
    order within a frame, so that their order tells nothing about identity. Each video has its own
    random numbers: more videos leave the first ones unchanged.

    Args:
        config: what moves, how, and for how long.
        videos: how many.
        seed: of everything that is drawn.

    Returns:
        Localizations with `particle` and `diffusivity` (px²/frame^α; where it changes, that of
        the step which begins at the localization: a change point is the first frame of a new D).
        By motion and settings also

        - `landscape`: its cell [i, j] covers i <= y < i + 1, j <= x < j + 1 px, so it is centred
          at (x, y) = (j + ½, i + ½);
        - `exponent` and `motion`, the place of the object's class in the attribute `motions`;
        - `dt` of each video, where Δt is not 1;
        - `z`, px, and the attribute `depth`;
        - `refractive_index` and `object_radius` (px), and then no `intensity`.
    """
    made, n_frames, landscapes, intervals = [], [], [], []
    for video in range(videos):
        rng = _generator(seed, video, "build")
        dt = float(draw(config.dt, 1, rng)[0]) if isinstance(config.dt, LogUniform) else config.dt
        intervals.append(dt)
        frames = int(rng.integers(*config.frames, endpoint=True))
        particles = int(rng.integers(*config.particles, endpoint=True))
        steps_seed = int(rng.integers(2**32))
        start = rng.uniform(0, _box(config), (particles, config.dimensions))
        truth: Columns = {}
        if config.motion == "landscape":
            smoothing = rng.uniform(*config.smoothing)
            landscapes.append(draw_landscape(config, smoothing, rng))
            steps = motions.brownian_steps(frames, particles, steps_seed)
            walked = _walk_landscape(start, steps, landscapes[-1], config, dt)
            position, truth["diffusivity"] = walked
        else:
            exponent = np.ones(particles)
            if config.motion == "anomalous":
                motion, exponent = draw_classes(config, particles, rng)
                steps = _steps_of_classes(config, motion, exponent, frames, rng)
                truth |= {"exponent": exponent, "motion": motion}
            else:
                steps = motions.brownian_steps(frames, particles, steps_seed)
            truth["diffusivity"] = _diffusivity_of_objects(config, frames, particles, rng)
            position = _walk(start, steps, truth["diffusivity"], exponent, config, dt)
        frame, particle = np.indices((frames, particles))
        columns: Columns = {"frame": frame, "particle": particle}
        columns |= dict(zip("xyz"[: config.dimensions], np.moveaxis(position, -1, 0), strict=True))
        columns |= _looks(config, frames, particles, rng) | truth
        flat = {name: np.broadcast_to(c, frame.shape).ravel() for name, c in columns.items()}
        made.append(_shuffle_within_frames(flat, rng))
        n_frames.append(frames)
    dataset = _gather(made, n_frames, _attributes(config))
    if config.dt != 1:
        dataset["dt"] = ("video", np.array(intervals))
    if landscapes:
        maps = np.stack(landscapes).astype(np.float32)
        dataset["landscape"] = (("video", "grid_y", "grid_x"), maps)
    return dataset


def observe(truth: xr.Dataset, config: Observe, seed: int) -> xr.Dataset:
    """The truth as an imperfect localization step would report it: the coordinates tier.

    Detections are missed at random and objects that blink are dark for frames on end, one that is
    always dark vanishes; positions get Gaussian errors (and may then lie outside the box), false
    positives are strewn over box and frames and look like the true detections. Each video draws
    its own error, misses, false positives and share of darkness from the ranges of `config`.

    Args:
        truth: localizations as `build` makes them.
        config: how imperfect; where all is zero the truth is returned as it is.
        seed: of everything that is drawn.

    Returns:
        Localizations; a false positive has particle and motion -1, diffusivity and exponent NaN.
    """
    ranges = (config.localization_error, config.missed, config.false_positives)
    if not np.any([*ranges, config.blinking]):
        return truth
    attributes = {name: truth.attrs[name] for name in ATTRIBUTES if name in truth.attrs}
    height, width = attributes["field_of_view"]
    box = {"x": width, "y": height}
    if "depth" in attributes:
        box["z"] = attributes["depth"]
    ends = np.cumsum(truth["row_size"].values)[:-1]
    split = {name: np.split(truth[name].values, ends) for name in STORED_AS if name in truth}
    observed = []
    for video, frames in enumerate(truth["n_frames"].values):
        rng = _generator(seed, video, "observe")
        error, missed, false_positives = (rng.uniform(*limits) for limits in ranges)
        true = {name: columns[video] for name, columns in split.items()}
        detections = len(true["frame"])
        particles = int(true["particle"].max()) + 1
        dark = _blink(config, int(frames), particles, _generator(seed, video, "blink"))
        lit = ~dark[true["frame"], true["particle"]]
        rows = np.flatnonzero((rng.random(detections) >= missed) & lit)
        seen = {name: column[rows] for name, column in true.items()}
        for axis in box:
            seen[axis] = seen[axis] + rng.normal(0, error, len(rows))
        spurious = rng.poisson(false_positives * detections)
        invented: Columns = {"frame": rng.integers(frames, size=spurious)}
        invented |= {axis: rng.uniform(0, side, spurious) for axis, side in box.items()}
        invented |= {name: np.full(spurious, value) for name, value in UNKNOWN.items()}
        like = rng.integers(max(detections, 1), size=spurious)
        both = {
            name: np.concatenate([column, invented[name] if name in invented else true[name][like]])
            for name, column in seen.items()
        }
        observed.append(_shuffle_within_frames(both, rng))
    dataset = _gather(observed, truth["n_frames"].values, attributes)
    for name in ("landscape", "dt"):
        if name in truth:
            dataset[name] = truth[name]
    return dataset


def _blink(
    config: Observe, frames: int, particles: int, rng: np.random.Generator
) -> Bool[np.ndarray, "frame particle"]:
    """Where the objects of one video are dark: each a Markov chain of two states, stationary."""
    share = rng.uniform(*config.blinking)
    ends = 1 / config.dark_frames
    begins = ends * share / (1 - share)
    chance = rng.random((frames, particles))
    dark = chance < share
    for frame in range(1, frames):
        dark[frame] = chance[frame] < np.where(dark[frame - 1], 1 - ends, begins)
    return dark


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


def draw_classes(
    config: Simulate, particles: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " particle"], Float[np.ndarray, " particle"]]:
    """The way in which each object of one video moves.

    Args:
        config: its `classes`, and how a video mixes them.
        particles: how many.
        rng: of class and α.

    Returns:
        The place of each object's class in `config.classes`, and its α.
    """
    classes = list(config.classes.values())
    if config.mixing == "video":
        motion = np.full(particles, rng.integers(len(classes)))
    elif config.mixing == "fractions":
        shares = rng.dirichlet(np.ones(len(classes)))
        motion = rng.choice(len(classes), size=particles, p=shares)
    else:
        motion = rng.integers(len(classes), size=particles)
    exponent = np.empty(particles)
    for place, way in enumerate(classes):
        mine = motion == place
        alike = config.mixing == "video"
        exponent[mine] = draw(way.exponent, 1 if alike else np.count_nonzero(mine), rng)
    return motion, exponent


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


def _steps_of_classes(
    config: Simulate,
    motion: Int[np.ndarray, " particle"],
    exponent: Float[np.ndarray, " particle"],
    frames: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, "frame particle axis"]:
    steps = np.empty((frames, len(motion), config.dimensions))
    for place, way in enumerate(config.classes.values()):
        mine = motion == place
        steps[:, mine] = motions.anomalous_steps(
            way.model,
            exponent[mine],
            frames,
            config.dimensions,
            seed=int(rng.integers(2**32)),
            attm=config.attm,
        )
    return steps


def _diffusivity_of_objects(
    config: Simulate, frames: int, particles: int, rng: np.random.Generator
) -> Float[np.ndarray, "frame particle"]:
    """D of the step that begins in each frame, px²/frame^α."""
    if config.motion != "switching":
        constant = draw(config.diffusivity, particles, rng)
        return np.broadcast_to(constant, (frames, particles))
    dwell = motions.switching_dwells(
        frames, particles, config.switching_probability, config.shortest_dwell, rng
    )
    dwells = int(dwell.max()) + 1
    levels = draw(config.diffusivity, dwells * particles, rng).reshape(dwells, particles)
    return np.take_along_axis(levels, dwell, axis=0)


def _walk(
    start: Float[np.ndarray, "particle axis"],
    steps: Float[np.ndarray, "frame particle axis"],
    diffusivity: Float[np.ndarray, "frame particle"],
    exponent: Float[np.ndarray, " particle"],
    config: Simulate,
    dt: float,
) -> Float[np.ndarray, "frame particle axis"]:
    """Positions of objects whose steps have the D of the frame where they begin.

    Here, and nowhere else, motion gets its amplitude: MSD = 2D(Δt n)^α along each axis.
    """
    scale = physics.displacement_scaling(diffusivity * dt**exponent)
    scaled = np.concatenate([steps[:1], scale[:-1, :, None] * steps[1:]])
    return _confine(start + np.cumsum(scaled, axis=0), config)


def _walk_landscape(
    start: Float[np.ndarray, "particle 2"],
    steps: Float[np.ndarray, "frame particle 2"],
    landscape: Float[np.ndarray, "grid_y grid_x"],
    config: Simulate,
    dt: float,
) -> tuple[Float[np.ndarray, "frame particle 2"], Float[np.ndarray, "frame particle"]]:
    """Positions, and D at each: a step is drawn with the D of the place where it begins (Itô).

    Outside the box, which only a free boundary allows, D is that of the nearest cell.
    """
    cells = len(landscape)
    scaling = physics.displacement_scaling(landscape * dt)
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


def _confine(
    position: Float[np.ndarray, "*n axis"], config: Simulate
) -> Float[np.ndarray, "*n axis"]:
    """Positions between the walls: the free path, folded.

    This is exact where steps are independent. Fractional Brownian motion keeps its memory of the
    steps it would have made, so that near the walls its law is that of the folded path.
    """
    if config.boundary == "free":
        return position
    axes = np.moveaxis(position, -1, 0)
    folded = [physics.reflect(axis, side) for axis, side in zip(axes, _box(config), strict=True)]
    return np.stack(folded, axis=-1)


def _box(config: Simulate) -> list[float]:
    """Its sides, px."""
    return [config.field_of_view, config.field_of_view, config.depth][: config.dimensions]


def _looks(
    config: Simulate, frames: int, particles: int, rng: np.random.Generator
) -> dict[str, Float[np.ndarray, "*frame particle"]]:
    """What an object is seen by, in every frame or once for all."""
    if config.refractive_index is not None:
        return {
            "refractive_index": rng.uniform(*config.refractive_index, particles),
            "object_radius": rng.uniform(*config.object_radius, particles),
        }
    own, sd = rng.uniform(*config.intensity, particles), config.intensity_sd
    if isinstance(sd, LogUniform):
        sd = float(draw(sd, 1, rng)[0])
    noise = rng.normal(0, sd, (frames, particles))
    return {"intensity": np.maximum(own + noise, 0)}


def _generator(
    seed: int, video: int, stage: Literal["build", "observe", "blink"]
) -> np.random.Generator:
    """One stream of random numbers per video and stage."""
    return np.random.default_rng([seed, video, ("build", "observe", "blink").index(stage)])


def _shuffle_within_frames(columns: Mapping[str, np.ndarray], rng: np.random.Generator) -> Columns:
    """Rows sorted by frame, at random within each."""
    order = np.lexsort([rng.random(len(columns["frame"])), columns["frame"]])
    return {name: columns[name][order].astype(STORED_AS[name]) for name in columns}


ATTRIBUTES = ("field_of_view", "depth", "motions")


def _attributes(config: Simulate) -> dict[str, Any]:
    """What holds for all videos; observed localizations have it too."""
    attributes: dict[str, Any] = {"field_of_view": [config.field_of_view, config.field_of_view]}
    if config.dimensions == 3:
        attributes["depth"] = config.depth
    if config.classes:
        attributes["motions"] = list(config.classes)
    return attributes


def _gather(
    videos: Sequence[Columns],
    n_frames: Sequence[int] | np.ndarray,
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """The columns of all videos as one ragged data set of localizations."""
    names = [name for name in STORED_AS if name in videos[0]]
    rows = {name: np.concatenate([columns[name] for columns in videos]) for name in names}
    return xr.Dataset(
        {name: ("localization", column) for name, column in rows.items()}
        | {
            "row_size": ("video", np.array([len(columns["frame"]) for columns in videos])),
            "n_frames": ("video", np.asarray(n_frames, dtype=np.int64)),
        },
        attrs=attributes,
    )
