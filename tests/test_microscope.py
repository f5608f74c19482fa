"""The modality decides how a movie is made and how it is read."""

import warnings

import numpy as np
import pytest
import xarray as xr
from drawn import spheres

with warnings.catch_warnings(action="ignore"):
    import deeptrack  # noqa: F401  before magik: its import hook recompiles imports
import trackpy  # noqa: F401

from magik import holography, localize, microscope, optics
from magik.config import Localize, Render


def test_each_modality_has_its_own_movie_and_its_own_localizations():
    truth = spheres((0, 20, 30, 10, 1.45), side=48).assign(intensity=("localization", [500.0]))
    for modality, module in (("fluorescence", optics), ("holography", holography)):
        config = Render(modality=modality, background=500)
        movie = microscope.render(truth, config, seed=1)
        xr.testing.assert_identical(movie, module.render(truth, config, seed=1))
        found = microscope.find(movie, Localize(minmass=500 if module is optics else 20), config)
        np.testing.assert_allclose([found.x, found.y], [[20], [30]], atol=0.2)
        assert ("z" in found) == (modality == "holography")
    assert found.z.item() == pytest.approx(10, abs=0.3)
    spots = Render(background=500)
    xr.testing.assert_identical(
        microscope.find(microscope.render(truth, spots, seed=1), Localize(minmass=500), spots),
        localize.find(optics.render(truth, spots, seed=1), Localize(minmass=500)),
    )
