"""Spheres are found in space where they are, overlapping ones too, and none where none is."""

import warnings

import numpy as np
import pytest
import xarray as xr
from drawn import spheres

with warnings.catch_warnings(action="ignore"):
    import deeptrack  # noqa: F401  before magik: its import hook recompiles imports
import trackpy  # noqa: F401

from magik import localize, microscope, refocus, schema
from magik.config import Localize, Render
from magik.errors import InputError

OPTICS = Render(modality="holography", background=1000)
BOX = Localize(diameter=5, separation=3, minmass=20, match_radius=2.5)
AXES = ["x", "y", "z"]


def find(truth: xr.Dataset, config: Localize = BOX) -> xr.Dataset:
    found = refocus.find(microscope.render(truth, OPTICS, seed=1), config, OPTICS)
    return schema.check(found, schema.LOCALIZATIONS, "found")


def errors(truth: xr.Dataset, config: Localize = BOX) -> np.ndarray:
    """Of x, y, z and refractive index of each sphere; every one must be found, and no more."""
    found = find(truth, config)
    columns = [*AXES, "refractive_index"]
    here, there = (np.stack([d[c].values for c in columns], axis=1) for d in (found, truth))
    assert here.shape == there.shape
    nearest = np.abs(here[:, None, :3] - there[None, :, :3]).sum(axis=-1).argmin(axis=0)
    return np.abs(here[nearest] - there)


@pytest.mark.parametrize(
    "place", [(32.5, 32.5, 16, 1.45), (20.2, 41.7, 3.3, 1.36), (50.9, 12.4, 29.1, 1.54)]
)
def test_a_sphere_alone_is_found_in_its_place(place):
    assert (errors(spheres((0, *place))) < [0.05, 0.05, 0.2, 0.002]).all()


@pytest.mark.parametrize("place", [(0.3, 32, 10, 1.45), (63.5, 0.6, 20, 1.5)])
def test_a_sphere_on_the_edge_is_found(place):
    assert (errors(spheres((0, *place))) < [0.1, 0.1, 0.4, 0.005]).all()


def test_spheres_whose_fringes_overlap_are_found():
    """Three in a row, 8 px apart and as wide; two one behind the other, 4 px apart in the plane."""
    row = [(0, 16 + 8 * i, 20, z, n) for i, (z, n) in enumerate([(5, 1.5), (20, 1.4), (11, 1.45)])]
    behind = [(0, 40, 48, 6, 1.45), (0, 44, 48, 26, 1.42)]
    assert (errors(spheres(*row, *behind)) < [0.1, 0.1, 0.5, 0.005]).all()


def test_a_faint_sphere_in_the_fringes_of_a_strong_one_is_found():
    truth = spheres((0, 32, 32, 8, 1.55), (0, 42, 32, 20, 1.355))
    assert (errors(truth) < [0.1, 0.1, 0.6, 0.003]).all()


def test_holograms_without_spheres_stay_as_empty_frames():
    truth = spheres((1, 20, 30, 10, 1.45), (3, 40, 30, 20, 1.45), frames=5)
    movie = microscope.render(truth, OPTICS, seed=1).assign(row_size=("video", [3, 2]))
    movie["counts"][2] = 0  # lost by the camera
    found = refocus.find(movie, BOX, OPTICS)
    assert found.row_size.values.tolist() == [1, 1]
    assert found.n_frames.values.tolist() == [3, 2]
    assert found.frame.values.tolist() == [1, 0]
    np.testing.assert_allclose(found.x, [20, 40], atol=0.1)


def test_another_beam_changes_only_what_is_counted():
    truth = spheres((0, 32, 32, 10, 1.45))
    bright = find(truth)
    config = OPTICS.model_copy(update={"background": 4000})
    brighter = refocus.find(microscope.render(truth, config, seed=1), BOX, config)
    for name, tolerance in (("x", 0.05), ("z", 0.1), ("refractive_index", 0.001), ("area", 6)):
        assert brighter[name].item() == pytest.approx(bright[name].item(), abs=tolerance)
    assert brighter.intensity.item() == pytest.approx(4 * bright.intensity.item(), rel=0.05)


def test_intensity_grows_with_the_index_and_area_with_the_radius():
    def look(index: float, radius: float) -> tuple[float, float]:
        found = find(
            spheres((0, 32, 32, 10, index), radius=radius),
            BOX.model_copy(update={"object_radius": radius}),
        )
        return found.intensity.item(), found.area.item()

    small, dense, large = look(1.38, 3.0), look(1.42, 3.0), look(1.38, 5.0)
    assert small[0] < dense[0] / 2
    assert small[1] < large[1] / 2
    assert small[1] == pytest.approx(np.pi * 3**2 / 2, rel=0.4)  # a ball, half as thick: r² / 2


@pytest.mark.parametrize("images", [np.full((2, 40, 40), 500), np.zeros((0, 40, 40))])
def test_a_movie_without_any_sphere_is_refused_with_what_to_change(images):
    movie = movie_of(images)
    with pytest.raises(
        InputError, match=r"^mine.tif: (no sphere .* Lower minmass|it has no image)"
    ):
        refocus.find(movie, BOX, OPTICS)


def test_a_dark_movie_is_no_hologram():
    with pytest.raises(InputError, match=r"^mine.tif: half of the px of a video are dark"):
        refocus.find(movie_of(np.zeros((2, 40, 40))), BOX, OPTICS)


def movie_of(images: np.ndarray) -> xr.Dataset:
    movie = xr.Dataset(
        {
            "counts": (("image", "y", "x"), images.astype(np.uint16)),
            "row_size": ("video", [len(images)]),
        },
        attrs={"field_of_view": [40, 40]},
    )
    movie.encoding["source"] = "mine.tif"
    return movie


def test_quality_in_space():
    truth = spheres((0, 20, 30, 10, 1.45), (0, 44, 30, 20, 1.4))
    found = localize.match(find(truth), truth, BOX.match_radius)
    assert sorted(found.particle.values) == [0, 1]
    scores = localize.quality(found, truth)
    assert scores["recall"] == scores["precision"] == 1
    assert 0 < scores["localization_error"] < 0.05
    assert scores["localization_error_3d"] ** 2 == pytest.approx(
        2 * scores["localization_error"] ** 2 + scores["localization_error_z"] ** 2
    )
    assert 0 < scores["refractive_index_error"] < 0.002
