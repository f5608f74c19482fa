"""The table is the theory, its slopes are its slopes, and the fit finds what made a hologram."""

import warnings

import numpy as np
import pytest

with warnings.catch_warnings(action="ignore"):
    import deeptrack  # noqa: F401  before magik: its import hook recompiles imports

from magik import holography, lorenz_mie
from magik.config import Localize, Render

OPTICS = Render(modality="holography")
SHAPE = (48, 56)
WAVES = lorenz_mie.tabulate(OPTICS, Localize(), float(np.hypot(*SHAPE)))
PUPIL = holography.pupil_of(OPTICS, 216)


def exact(sphere: np.ndarray) -> np.ndarray:
    """Its field as a sum of plane waves."""
    wave = holography.wave(sphere[3], Localize().object_radius, np.hypot(*PUPIL.frequency), OPTICS)
    moved = holography.moved(PUPIL, sphere[:3])
    return holography.on_camera(wave * moved, PUPIL)[: SHAPE[0], : SHAPE[1]]


A, B = np.array([20.3, 33.6, 20.2, 1.3612]), np.array([3.3, 47.2, 40.3, 1.5338])


@pytest.mark.parametrize("sphere", [A, B])
def test_the_table_holds_the_sum_of_plane_waves(sphere):
    field, _ = lorenz_mie.field_of(sphere, WAVES, SHAPE)
    theory = exact(sphere)
    np.testing.assert_allclose(field, theory, atol=0.005 * np.abs(theory).max())


@pytest.mark.parametrize("sphere", [A, B])
@pytest.mark.parametrize(("part", "step"), list(enumerate((0.01, 0.01, 0.1, 0.001))))
def test_slopes_are_those_of_the_theory(sphere, part, step):
    moved = np.eye(4)[part] * step
    difference = (exact(sphere + moved) - exact(sphere - moved)) / (2 * step)
    slope = lorenz_mie.field_of(sphere, WAVES, SHAPE)[1][part]
    np.testing.assert_allclose(slope, difference, atol=0.1 * np.abs(difference).max())


def test_spheres_that_overlap_are_told_apart_by_the_fit():
    spheres = np.array([[20, 30, 25, 1.40], [23, 33, 35, 1.48]])
    counts = 500 * np.abs(1 + exact(spheres[0]) + exact(spheres[1])) ** 2
    begin = spheres + np.array([[0.5, -0.5, 2, 0.01], [-0.4, 0.3, -2, -0.01]])
    fit = lorenz_mie.fit(counts, begin, 480.0, WAVES, 20)
    np.testing.assert_allclose(fit.spheres[:, :2], spheres[:, :2], atol=0.02)
    np.testing.assert_allclose(fit.spheres[:, 2], spheres[:, 2], atol=0.1)
    np.testing.assert_allclose(fit.spheres[:, 3], spheres[:, 3], atol=0.001)
    assert fit.beam == pytest.approx(500, rel=0.002)
    assert np.abs(fit.rest).max() < 0.03


def test_no_step_leaves_the_spheres_as_they_are():
    fit = lorenz_mie.fit(np.full(SHAPE, 500.0), A[None], 500.0, WAVES, 0)
    np.testing.assert_array_equal(fit.spheres, A[None])
    np.testing.assert_allclose(fit.rest, 1 - np.abs(1 + exact(A)) ** 2, atol=0.01)


@pytest.mark.parametrize("sphere", [A, B])
def test_depth_and_index_are_first_read_within_a_step_of_the_grid_that_is_tried(sphere):
    hologram = np.abs(1 + exact(sphere)) ** 2
    found = lorenz_mie.search(hologram, np.ones(SHAPE, complex), sphere[:2], WAVES)
    assert found[:2].tolist() == sphere[:2].tolist()
    assert found[2] == pytest.approx(sphere[2], abs=2 * 2)
    assert found[3] == pytest.approx(sphere[3], abs=2 * 0.015)
