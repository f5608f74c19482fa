"""How a movie is made of trajectories and read again: spots that shine, or holograms of spheres."""

import xarray as xr

from magik import holography, localize, optics, refocus
from magik.config import Localize, Render


def render(truth: xr.Dataset, config: Render, seed: int) -> xr.Dataset:
    """The movie that a microscope of this modality would record of simulated objects.

    Args:
        truth: localizations with what the modality shows: `optics.render`, `holography.render`.
        config: modality, optics, background and noise.
        seed: of the shot noise.
    """
    if config.modality == "holography":
        return holography.render(truth, config, seed)
    return optics.render(truth, config, seed)


def find(movie: xr.Dataset, config: Localize, render: Render) -> xr.Dataset:
    """Localizations of all images of a movie, without truth.

    Args:
        movie: as `render` makes it.
        config: how an object looks: `localize.find`, `refocus.find`.
        render: how the movie was made.
    """
    if render.modality == "holography":
        return refocus.find(movie, config, render)
    return localize.find(movie, config)
