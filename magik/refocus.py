"""Spheres in an in-line hologram: where they are in space, and what they are made of.

The hologram is refocused to planes through the box, as if each were in focus: where the light of
a sphere comes to a point, there it is (trackpy, in the brightest of all planes). Its depth and
refractive index are read from the fringes round that point, and all are made exact by the
Lorenz-Mie fit. What the spheres found explain is taken away, and what was hidden below their
fringes is looked for in the rest.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.fft
import xarray as xr
from jaxtyping import Complex, Float

from magik import holography, localize, lorenz_mie
from magik.config import Localize, Render
from magik.errors import InputError
from magik.holography import Pupil
from magik.lorenz_mie import Fit, Waves

PLANE_STEP = 2
"""Between planes that a hologram is refocused to, px."""

ROUNDS = 6
"""Of looking for spheres in what those found before do not explain."""

FAINTEST = 0.4
"""Of the brightest, what else is taken for a sphere in the same round and not for its fringes."""

STEPS, LAST_STEPS = 3, 12
"""Of the fit, in each round and in the end."""

EXPLAINED = 1.5
"""Of the variance of shot noise: what may be left round a sphere that is not looked at again."""


class Planes(NamedTuple):
    """What refocuses a hologram.

    Attributes:
        pupil: the plane waves that passed.
        distance: of each plane from the one in focus, px.
        kernel: what turns a hologram's Fourier components into those in each plane, made as sharp
            as a sphere is; noise of s.d. 1 has there an r.m.s. of 1.
    """

    pupil: Pupil
    distance: Float[np.ndarray, " plane"]
    kernel: Complex[np.ndarray, "plane wave"]


def find(movie: xr.Dataset, config: Localize, render: Render) -> xr.Dataset:
    """Localizations in space of the spheres in all holograms of a movie.

    Args:
        movie: holograms and how many of them each video has.
        config: the box, the spheres' radius and range of indices; the settings of trackpy mean
            what they mean there, in the refocused hologram, whose unit is the s.d. of shot noise.
        render: the optics.

    Returns:
        Localizations without truth: `x`, `y`, `z` (px), the fitted `refractive_index`, and of the
        hologram refocused to each sphere, the others' light taken away, `area` (px² above half
        the brightest px) and `intensity` (counts, their mean).

    Raises:
        InputError: if there is no sphere in the whole movie.
    """
    n_frames = movie["row_size"].values
    counts = movie["counts"].values
    height, width = counts.shape[1:]
    waves = lorenz_mie.tabulate(render, config, float(np.hypot(height, width)))
    planes = planes_of(render, config, max(height, width))
    found = []
    for images in np.split(counts.astype(float), np.cumsum(n_frames)[:-1]):
        beam = np.median(images) if images.size else 0
        if images.size and beam <= 0:
            raise InputError(
                f"{_name(movie)}: half of the px of a video are dark (0 counts); expected "
                "holograms, bright where no sphere is"
            )
        for image in images:
            shown = image if image.any() else np.full_like(image, beam)  # a lost frame is dark
            fit = spheres_in(shown, float(beam), planes, waves, config)
            found.append(_described(fit, planes, config.object_radius))
    if not sum(map(len, found)):
        raise InputError(_nothing_found(movie, config))
    in_box = [spheres.assign(z=spheres["z"] - render.focus) for spheres in found]
    return localize.together(in_box, movie)


def planes_of(render: Render, config: Localize, side: int) -> Planes:
    """Planes through the box, for holograms of `side` px."""
    distance = render.focus + np.arange(0, config.depth + PLANE_STEP, PLANE_STEP)
    canvas = scipy.fft.next_fast_len(side + holography.reach(float(distance[-1]), render))
    pupil = holography.pupil_of(render, canvas)
    radial = np.hypot(*pupil.frequency)
    middle = sum(config.refractive_index) / 2
    sharp = holography.wave(middle, config.object_radius, radial, render).conj()
    sharp *= canvas / np.linalg.norm(sharp)
    kernel = sharp * np.exp(-2j * np.pi * np.outer(distance, pupil.defocus))
    return Planes(pupil, distance, kernel.astype(np.complex64))


def refocus(
    rest: Float[np.ndarray, "y x"], kernel: Complex[np.ndarray, "plane wave"], pupil: Pupil
) -> Float[np.ndarray, "plane y x"]:
    """Amplitude of a hologram, less its mean, in planes through the box."""
    height, width = rest.shape
    canvas = np.zeros((len(kernel), *pupil.inside.shape), dtype=np.complex64)
    canvas[:, pupil.inside] = (
        kernel * scipy.fft.fft2(rest.astype(np.float32), s=pupil.inside.shape)[pupil.inside]
    )
    return np.abs(scipy.fft.ifft2(canvas, overwrite_x=True)[:, :height, :width])


def spheres_in(
    counts: Float[np.ndarray, "y x"], beam: float, planes: Planes, waves: Waves, config: Localize
) -> Fit:
    """The spheres that explain one hologram.

    Args:
        counts: the hologram.
        beam: counts of the beam alone, about.
        planes: as `planes_of` makes them for its size.
        waves: table of waves (`lorenz_mie.tabulate`).
        config: as in `find`.
    """
    height, width = counts.shape
    fit = Fit(np.empty((0, 4)), np.empty((0, *counts.shape), np.complex64), beam, counts / beam - 1)
    for _ in range(ROUNDS):
        places = _places(fit, planes, config)
        if len(places) and len(fit.spheres):
            fit = _reconsidered(counts, fit, planes, waves, config)
            places = _places(fit, planes, config)
        if not len(places):
            break
        spheres, ground = fit.spheres, 1 + fit.fields.sum(axis=0)
        for place in places:
            sphere = lorenz_mie.search(counts / fit.beam, ground, place, waves)
            ground = ground + lorenz_mie.field_of(sphere, waves, (height, width))[0]
            spheres = np.concatenate([spheres, sphere[None]])
        fit = _seen(counts, lorenz_mie.fit(counts, spheres, fit.beam, waves, STEPS), waves)
    return _seen(counts, lorenz_mie.fit(counts, fit.spheres, fit.beam, waves, LAST_STEPS), waves)


def _places(fit: Fit, planes: Planes, config: Localize) -> Float[np.ndarray, "place 2"]:
    """Where (y, x) light comes to a point in what is not explained yet, brightest first."""
    noise = fit.beam**-0.5
    brightest = refocus(fit.rest / noise, planes.kernel, planes.pupil).max(axis=0)
    spots = localize.spots_in(brightest, config)
    place = spots[["y", "x"]].to_numpy(float) - 0.5
    height = brightest[tuple(np.rint(place).astype(int).T)]
    order = np.argsort(-height)
    return place[order[height[order] > FAINTEST * height.max(initial=0)]]


def _reconsidered(
    counts: Float[np.ndarray, "y x"], fit: Fit, planes: Planes, waves: Waves, config: Localize
) -> Fit:
    """The same spheres; where much is left round one, perhaps another in its place."""
    row, column = np.indices(counts.shape)
    for i, (y, x, *_) in enumerate(fit.spheres):
        near = np.hypot(row - y, column - x) < lorenz_mie.NEAR
        if np.square(fit.rest[near]).mean() < EXPLAINED * counts[near].mean() / fit.beam**2:
            continue
        others = np.delete(fit.spheres, i, axis=0)
        without = lorenz_mie.fit(counts, others, fit.beam, waves, 0)
        for place in _places(without, planes, config)[:1]:
            ground = 1 + without.fields.sum(axis=0)
            sphere = lorenz_mie.search(counts / fit.beam, ground, place, waves)
            spheres = np.insert(others, i, sphere, axis=0)
            other = lorenz_mie.fit(counts, spheres, fit.beam, waves, 2 * STEPS)
            fit = min(fit, other, key=lambda one: float(np.square(one.rest).sum()))
    return fit


def _seen(counts: Float[np.ndarray, "y x"], fit: Fit, waves: Waves) -> Fit:
    """Without spheres of the lowest index in the table: they explain nothing."""
    seen = fit.spheres[:, 3] > waves.indices[1]
    if seen.all():
        return fit
    return lorenz_mie.fit(counts, fit.spheres[seen], fit.beam, waves, 0)


def _described(fit: Fit, planes: Planes, radius: float) -> pd.DataFrame:
    """A row per sphere: its fit, and how it looks in a hologram refocused to it."""
    table = pd.DataFrame(fit.spheres, columns=["y", "x", "z", "refractive_index"])
    row, column = np.indices(fit.rest.shape)
    areas, intensities = [], []
    for (y, x, distance, _), field in zip(fit.spheres, fit.fields, strict=True):
        alone = np.abs(1 + field) ** 2 - 1 + fit.rest
        kernel = np.exp(-2j * np.pi * distance * planes.pupil.defocus)[None]
        light = refocus(alone, kernel, planes.pupil)[0] ** 2
        light = light[np.hypot(row - y, column - x) < 2 * radius]
        bright = light[light >= light.max() / 2]
        areas.append(len(bright))
        intensities.append(fit.beam * bright.mean())
    table = table.assign(area=np.array(areas, float), intensity=np.array(intensities, float))
    return table.assign(y=table["y"] + 0.5, x=table["x"] + 0.5)


def _nothing_found(movie: xr.Dataset, config: Localize) -> str:
    """What to tell a user whose movie has no sphere."""
    images = movie.sizes["image"]
    if not images:
        return f"{_name(movie)}: it has no image; expected at least one"
    return (
        f"{_name(movie)}: no sphere in any of {images} holograms with localize: object_radius "
        f"{config.object_radius:g} px, depth {config.depth:g} px, minmass {config.minmass:g}, "
        f"refractive_index from {config.refractive_index[0]:g} to {config.refractive_index[1]:g}. "
        "Lower minmass, or set object_radius, depth and render.focus to those of the recording"
    )


def _name(movie: xr.Dataset) -> str:
    """The file that a movie was read from."""
    return str(movie.encoding.get("source", "movie"))
