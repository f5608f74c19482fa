"""Which spheres explain a hologram: their waves as a table, and the fit of places and indices.

Lee et al. 2007 (Optics Express 15, 18275): the hologram that theory says a sphere makes is fitted
to the one recorded; place, depth and refractive index come out together, and spheres whose
fringes overlap are fitted at once.

A sphere is four numbers here: y and x (px from the centre of the first pixel), its distance from
the plane in focus (px) and its refractive index.
"""

from typing import NamedTuple, no_type_check

import numba
import numpy as np
from jaxtyping import Complex, Float
from scipy.special import j0, roots_legendre

from magik import holography
from magik.config import Localize, Render

RHO_STEP, DISTANCE_STEP, INDEX_STEP = 1 / 8, 0.5, 0.005
"""Grid of the table, px, px and 1; between its points waves are interpolated linearly."""

NEAR = 15
"""Part of the hologram round a sphere that its depth and index are first read from, px."""

DISTANCE_SKIP, INDEX_SKIP = 4, 3
"""They are tried at every so many points of the table."""

DAMPING = 1e-3
"""Of Levenberg and Marquardt, to begin with."""

LONGEST = np.array([1.0, 1.0, 3.0, 0.02])
"""Change of a sphere in one step of the fit; beyond, its phases have turned too far to tell."""

ENOUGH = 1e-4
"""The fit ends where a step brings less, as a part of what is unexplained."""


class Waves(NamedTuple):
    """The waves of spheres, which are round their axis.

    Attributes:
        profile: field at ρ = 0, RHO_STEP, ... px, for each refractive index and distance.
        indices: each refractive index.
        distances: each distance from the plane in focus, px.
    """

    profile: Complex[np.ndarray, "index distance rho"]
    indices: Float[np.ndarray, " index"]
    distances: Float[np.ndarray, " distance"]


class Fit(NamedTuple):
    """Spheres, and how they explain a hologram.

    Attributes:
        spheres: y, x, distance, index.
        fields: of each sphere, in units of the beam's.
        beam: counts of the beam alone.
        rest: what is left of the hologram, in units of the beam.
    """

    spheres: Float[np.ndarray, "sphere 4"]
    fields: Complex[np.ndarray, "sphere y x"]
    beam: float
    rest: Float[np.ndarray, "y x"]


def tabulate(render: Render, config: Localize, farthest: float) -> Waves:
    """Waves of spheres of every index at every depth of the box, up to `farthest` px from the axis.

    A field of plane waves that is round is a Hankel transform: 2π ∫ wave(f) J₀(2π f ρ) f df.
    """
    low, high = config.refractive_index
    index = np.arange(low, high + INDEX_STEP, INDEX_STEP)
    distance = render.focus + np.arange(0, config.depth + DISTANCE_STEP, DISTANCE_STEP)
    rho = np.arange(0, farthest + 2 * RHO_STEP, RHO_STEP)
    highest, k = holography.cutoff(render), holography.wave_number(render)
    nodes, weights = roots_legendre(32 + int(4 * highest * (farthest + distance[-1])))
    frequency = highest * (nodes + 1) / 2
    bessel = j0(2 * np.pi * np.outer(frequency, rho)) * frequency[:, None]
    bessel *= np.pi * highest * weights[:, None]
    bessel = bessel.astype(np.float32)
    defocus = np.exp(2j * np.pi * np.outer(distance, np.sqrt(k**2 - frequency**2) - k))
    profile = np.empty((len(index), len(distance), len(rho)), dtype=np.complex64)
    for i, n in enumerate(index):
        spectrum = defocus * holography.wave(n, config.object_radius, frequency, render)
        profile[i].real = spectrum.real.astype(np.float32) @ bessel
        profile[i].imag = spectrum.imag.astype(np.float32) @ bessel
    return Waves(profile, index, distance)


def field_of(
    sphere: Float[np.ndarray, "4"], waves: Waves, shape: tuple[int, int]
) -> tuple[Complex[np.ndarray, "y x"], Complex[np.ndarray, "4 y x"]]:
    """Field of one sphere on the camera, and its slopes along (y, x, distance, index)."""
    y, x, distance, index = sphere
    i, right = _place(index, waves.indices)
    j, down = _place(distance, waves.distances)
    (a, b), (c, d) = waves.profile[i : i + 2, j : j + 2]
    middle = (1 - right) * ((1 - down) * a + down * b) + right * ((1 - down) * c + down * d)
    by_distance = ((1 - right) * (b - a) + right * (d - c)) / np.float32(DISTANCE_STEP)
    by_index = ((1 - down) * (c - a) + down * (d - b)) / np.float32(INDEX_STEP)
    images = np.empty((5, *shape), dtype=np.complex64)
    _draw(np.stack([middle, by_distance, by_index], axis=1), y, x, images)
    return images[0], images[1:]


def search(
    hologram: Float[np.ndarray, "y x"],
    ground: Complex[np.ndarray, "y x"],
    place: Float[np.ndarray, "2"],
    waves: Waves,
) -> Float[np.ndarray, "4"]:
    """The sphere at (y, x) that explains most, among a few depths and indices.

    Args:
        hologram: in units of the beam.
        ground: field of all else, the beam's 1 included.
        place: y and x.
        waves: table of waves.
    """
    dy, dx = (np.arange(side) - at for side, at in zip(hologram.shape, place, strict=True))
    rho = np.hypot(dy[:, None], dx)
    near = rho < NEAR
    trials = waves.profile[::INDEX_SKIP, ::DISTANCE_SKIP, np.rint(rho[near] / RHO_STEP).astype(int)]
    total = trials + ground[near].astype(np.complex64)
    misfit = total.real**2 + total.imag**2 - hologram[near].astype(np.float32)
    error = (misfit**2).sum(axis=-1)
    i, j = np.unravel_index(error.argmin(), error.shape)
    return np.array([*place, waves.distances[::DISTANCE_SKIP][j], waves.indices[::INDEX_SKIP][i]])


def fit(
    counts: Float[np.ndarray, "y x"],
    spheres: Float[np.ndarray, "sphere 4"],
    beam: float,
    waves: Waves,
    steps: int,
) -> Fit:
    """The spheres near those given, and the beam, whose hologram is most like the one recorded.

    Least squares (Levenberg and Marquardt), all spheres at once.

    Args:
        counts: the hologram.
        spheres: where to begin.
        beam: its counts, to begin with.
        waves: table of waves.
        steps: at most.
    """
    lowest = np.array([-0.5, -0.5, waves.distances[0], waves.indices[0]])
    height, width = counts.shape
    highest = np.array([height - 0.5, width - 0.5, waves.distances[-1], waves.indices[-1]])
    damping, error = DAMPING, np.inf
    trial, trial_beam = spheres, beam
    for _ in range(steps + 1):
        fields, slopes = _fields(trial, waves, (height, width))
        field = 1 + fields.sum(axis=0)
        light = field.real**2 + field.imag**2
        misfit = (counts - trial_beam * light).astype(np.float32)
        trial_error = float(np.square(misfit, dtype=float).sum())
        if trial_error < error:
            brought, error, damping = error - trial_error, trial_error, damping / 5
            best = Fit(trial, fields, trial_beam, misfit / trial_beam)
            design = (2 * trial_beam) * (field.conj() * slopes).real.reshape(-1, misfit.size)
            design = np.concatenate([design, light.reshape(1, -1)]).astype(np.float32)
            normal, slope = (design @ design.T).astype(float), design @ misfit.ravel()
            if brought < ENOUGH * error:
                break
        else:
            damping *= 10
        damped = normal + np.diag(damping * np.diag(normal) + 1e-9)
        move = np.linalg.solve(damped, slope)
        step = np.clip(move[:-1].reshape(-1, 4), -LONGEST, LONGEST)
        trial = np.clip(best.spheres + step, lowest, highest)
        trial_beam = best.beam + float(move[-1])
    return best


def _fields(
    spheres: Float[np.ndarray, "sphere 4"], waves: Waves, shape: tuple[int, int]
) -> tuple[Complex[np.ndarray, "sphere y x"], Complex[np.ndarray, "sphere 4 y x"]]:
    """Field and slopes of each sphere."""
    drawn = [field_of(sphere, waves, shape) for sphere in spheres]
    fields = np.array([field for field, _ in drawn], np.complex64).reshape(-1, *shape)
    return fields, np.array([slope for _, slope in drawn], np.complex64).reshape(-1, 4, *shape)


def _place(value: float, grid: Float[np.ndarray, " point"]) -> tuple[int, np.float32]:
    """The point of an even grid below a value, and how far on it is to the next."""
    place = (value - grid[0]) / (grid[1] - grid[0])
    below = min(max(int(place), 0), len(grid) - 2)
    return below, np.float32(place - below)


@numba.njit(cache=True)
@no_type_check
def _draw(profiles, y, x, images):
    """Round profiles (field, by distance, by index) -> field and slopes along y, x and these."""
    for i in range(images.shape[1]):
        for j in range(images.shape[2]):
            dy, dx = i - y, j - x
            rho = np.sqrt(dy**2 + dx**2) / RHO_STEP
            low = int(rho)
            on = np.float32(rho - low)
            outwards = (profiles[low + 1, 0] - profiles[low, 0]) / max(rho, 1.0) / RHO_STEP**2
            images[0, i, j] = profiles[low, 0] + on * (profiles[low + 1, 0] - profiles[low, 0])
            images[1, i, j] = -dy * outwards
            images[2, i, j] = -dx * outwards
            images[3, i, j] = profiles[low, 1] + on * (profiles[low + 1, 1] - profiles[low, 1])
            images[4, i, j] = profiles[low, 2] + on * (profiles[low + 1, 2] - profiles[low, 2])
