"""Trajectories -> the in-line hologram that a camera would record of small spheres (DeepTrack).

A plane wave of coherent light passes the spheres; the camera, focused `focus` px behind the box
that they move in, records its interference with the light that they scatter. A sphere's wave is
that of Mie theory, with the series of DeepTrack, put on each plane wave that the objective lets
pass. Moving the sphere turns the phases of these plane waves and does nothing else: a sphere is
drawn once, and its movie costs a sum and a Fourier transform per frame.

DeepTrack's own `MieSphere` evaluates the far field in a plane at a finite distance, so that its
wave depends on the size of the image: it is 19 % (64 px), 11 % (120 px) and 5 % (384 px) off the
wave drawn here, which it approaches. Its sign (2.0.2) is such that a sphere adds light to the
beam that it takes light from; `amp_factor=-1` puts that right. (Both: tests/test_holography.py.)
"""

import warnings
from functools import lru_cache
from math import asin, ceil, tan
from typing import NamedTuple

import numpy as np
import scipy.fft
import xarray as xr
from jaxtyping import Bool, Complex, Float

from magik import optics
from magik.config import Render

with warnings.catch_warnings():
    # DeepTrack tells of packages that it would like to have; we do not need them
    warnings.filterwarnings("ignore", ".* is not installed", UserWarning)
    from deeptrack.backend import mie

SPHERES_KEPT = 64
"""Spheres whose waves are kept while their movie is drawn: more than there are in one video."""


class Pupil(NamedTuple):
    """The plane waves that the objective lets pass, on a square canvas.

    Attributes:
        inside: which of the canvas' Fourier components they are.
        frequency: along y and x, cycles per px.
        defocus: turns of the phase per px along the axis, less those of the beam.
    """

    inside: Bool[np.ndarray, "side side"]
    frequency: Float[np.ndarray, "2 wave"]
    defocus: Float[np.ndarray, " wave"]


def render(truth: xr.Dataset, config: Render, seed: int) -> xr.Dataset:
    """The movie of simulated spheres: interference, shot noise.

    The counts of a pixel are Poisson distributed around background × |1 + Σ wave|²: `background`
    is the beam alone. Spheres do not scatter each other's light.

    Args:
        truth: localizations with `x`, `y`, `z`, `object_radius` (px) and `refractive_index`.
        config: optics, background and noise.
        seed: of the shot noise.

    Returns:
        Movie of integer counts: an image for each frame of each video, empty ones too.
    """
    height, width = optics.shape_of(truth)
    position = np.stack([truth[axis].values for axis in "yxz"], axis=1).astype(float)
    position += (-0.5, -0.5, config.focus)
    far = reach(float(np.abs(position[:, 2]).max(initial=0)), config)
    pupil = pupil_of(config, scipy.fft.next_fast_len(max(height, width) + 2 * far))
    radial = np.hypot(*pupil.frequency)
    index, radius = truth["refractive_index"].values, truth["object_radius"].values
    seen = np.all((position[:, :2] > -far) & (position[:, :2] < np.add((height, width), far)), 1)

    @lru_cache(maxsize=SPHERES_KEPT)
    def wave_of(index: float, radius: float) -> np.ndarray:
        return wave(index, radius, radial, config)

    def light(rows: slice) -> np.ndarray:
        here = rows.start + np.flatnonzero(seen[rows])
        scattered = sum(wave_of(index[i], radius[i]) * moved(pupil, position[i]) for i in here)
        field = 1 + on_camera(scattered, pupil)[:height, :width]
        return config.background * np.abs(field) ** 2

    return optics.record(truth, light, config.poisson, seed)


def wave(
    refractive_index: float,
    radius: float,
    frequency: Float[np.ndarray, " wave"],
    config: Render,
) -> Complex[np.ndarray, " wave"]:
    """Fourier transform of the light that a sphere scatters, in the plane through its centre, px².

    Natural light, no analyser: the mean of both amplitudes of Mie theory, so that the wave is
    round. -2π S / (k² cos θ) is its far field as a sum of plane waves (Weyl's identity).

    Args:
        refractive_index: of the sphere.
        radius: of the sphere, px.
        frequency: of each plane wave across the axis, cycles per px, below 1 / wavelength.
        config: optics.
    """
    k = 2 * np.pi * wave_number(config)
    size = k * radius
    terms = ceil(size + 4.05 * size ** (1 / 3) + 2)  # Wiscombe 1980
    cosine = np.sqrt(1 - (2 * np.pi * frequency / k) ** 2)
    a, b = mie.coefficients(refractive_index / config.medium_index, size, terms)
    pi, tau = mie.harmonics(cosine, terms)
    order = np.arange(1, terms + 1)
    amplitude = ((2 * order + 1) / (order * (order + 1)) * (a + b)) @ (pi + tau) / 2
    return -2 * np.pi * amplitude / (k**2 * cosine)


def wave_number(config: Render) -> float:
    """Waves per px in the medium."""
    return config.medium_index * config.pixel_size_um / config.wavelength_um


def cutoff(config: Render) -> float:
    """Highest frequency that the objective lets pass, cycles per px."""
    return config.numerical_aperture * config.pixel_size_um / config.wavelength_um


def reach(distance: float, config: Render) -> int:
    """How far from the axis the light of a sphere falls, px, with its first ring in focus."""
    steepest = asin(config.numerical_aperture / config.medium_index)
    return ceil(distance * tan(steepest) + 2 / cutoff(config))


def pupil_of(config: Render, side: int) -> Pupil:
    """The plane waves that pass, on a canvas of `side` px."""
    frequency = np.stack(np.meshgrid(*2 * [np.fft.fftfreq(side)], indexing="ij"))
    inside = np.hypot(*frequency) < cutoff(config)
    passed = frequency[:, inside]
    k = wave_number(config)
    return Pupil(inside, passed, np.sqrt(k**2 - (passed**2).sum(axis=0)) - k)


def moved(pupil: Pupil, position: Float[np.ndarray, "3"]) -> Complex[np.ndarray, " wave"]:
    """What turns a wave at the first pixel and in focus into one at (y, x, distance), px."""
    y, x, distance = position
    turns = distance * pupil.defocus - y * pupil.frequency[0] - x * pupil.frequency[1]
    return np.exp(2j * np.pi * turns)


def on_camera(
    spectrum: Complex[np.ndarray, " wave"] | int, pupil: Pupil
) -> Complex[np.ndarray, "side side"]:
    """Field that a sum of plane waves makes on the canvas."""
    canvas = np.zeros(pupil.inside.shape, dtype=complex)
    canvas[pupil.inside] = spectrum
    return scipy.fft.ifft2(canvas, overwrite_x=True)
