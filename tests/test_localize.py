"""Spots are found where they are, and each gets the identity of the object that it shows."""

import numpy as np
import pytest
import torch  # noqa: F401  before magik: its import hook recompiles imports
import trackpy  # noqa: F401
import xarray as xr
from pydantic import ValidationError

from magik import graphs, localize, maps, optics, schema, simulate
from magik.config import OF_MOVIES, Graph, Localize, Map, Render, Simulate
from magik.errors import InputError

TUNED = Localize(
    diameter=3, separation=1.5, minmass=20, percentile=30, noise_size=0.5, smoothing_size=5
)


def movie_of(counts: np.ndarray, row_size: list[int] | None = None) -> xr.Dataset:
    return xr.Dataset(
        {"counts": (("image", "y", "x"), counts), "row_size": ("video", row_size or [len(counts)])},
        attrs={"field_of_view": list(counts.shape[1:])},
    )


def localizations(*spots: tuple, frames: int = 1) -> xr.Dataset:
    """One video of (frame, x, y) or, with a truth, (frame, x, y, particle, diffusivity)."""
    columns = np.array(spots, dtype=float).T
    names = ("frame", "x", "y", "particle", "diffusivity")[: len(columns)]
    kinds = (int, float, float, int, float)
    return xr.Dataset(
        {
            name: ("localization", column.astype(kind))
            for name, column, kind in zip(names, columns, kinds, strict=False)
        }
        | {"row_size": ("video", [len(spots)]), "n_frames": ("video", [frames])},
        attrs={"field_of_view": [32, 32]},
    )


def spots_image(*spots: tuple[float, float], side: int = 32, ground: float = 10) -> np.ndarray:
    """Gaussians of s.d. 1 px and peak 100 at (x, y)."""
    row, column = np.indices((side, side)) + 0.5
    light = sum(100 * np.exp(-((column - x) ** 2 + (row - y) ** 2) / 2) for x, y in spots)
    return np.rint(ground + light).astype(np.uint16)


@pytest.mark.parametrize(("config", "error"), [(TUNED, 0.3), (Localize(), 0.1)])
def test_isolated_spots_are_found_where_they_are(config, error):
    """A diameter of 3 px, good in a crowd, draws positions to pixel centres by up to 0.3 px."""
    true = np.array([(8.5, 8.5), (20.8, 8.5), (8.5, 20.95), (23.0, 23.2)])
    found = localize.find(movie_of(spots_image(*true)[None]), config)
    schema.check(found, schema.LOCALIZATIONS, "found")
    places = np.stack([found.x, found.y], axis=1)
    np.testing.assert_allclose(
        places[np.lexsort(places.round().T)], true[np.lexsort(true.round().T)], atol=error
    )


def test_a_graph_has_all_features_that_are_promised_of_a_movie():
    found = localize.find(movie_of(spots_image((8.5, 8.5), (20.5, 20.5))[None]), TUNED)
    built = graphs.build(found, Graph(axes=("x", "y", "z")))
    assert set(built.attrs["node_feature"]) == set(OF_MOVIES)


EDGES = [(0.5, 16.5), (31.5, 16.5), (16.5, 0.5), (16.5, 31.5), (0.5, 0.5), (31.5, 31.5)]


@pytest.mark.parametrize("place", EDGES)
def test_a_spot_on_the_edge_is_found(place):
    found = localize.find(movie_of(spots_image(place)[None]), TUNED)
    assert found.sizes["localization"] == 1
    assert (found.x.item(), found.y.item()) == pytest.approx(place, abs=0.3)


@pytest.mark.parametrize("y", [2.2, 3.1, 4.4, 28.7])
def test_large_spots_cut_by_the_edge_are_not_drawn_onto_it(y):
    """Mirrored at the edge, spots up to half a diameter from it would lie on it: 3 px away."""
    row, column = np.indices((32, 32)) + 0.5
    light = 100 * np.exp(-((column - 16) ** 2 + (row - y) ** 2) / (2 * 2.5**2))
    found = localize.find(
        movie_of(np.rint(10 + light)[None].astype(np.uint16)), Localize(diameter=11)
    )
    assert found.sizes["localization"] == 1
    assert (found.x.item(), found.y.item()) == pytest.approx((16, y), abs=0.6)


@pytest.mark.parametrize("place", [(8.5, 20.5), (9.0, 20.2), (23.25, 6.75), (1.5, 1.5)])
def test_a_rendered_spot_is_found_where_it_was_put(place):
    """Half a pixel off, from any two views of what x and y mean, would be 0.5."""
    truth = localizations((0, *place, 0, 0.1)).assign(intensity=("localization", [500.0]))
    movie = optics.render(truth, Render(background=10, poisson=False), seed=1)
    found = localize.find(movie, Localize())
    assert (found.x.item(), found.y.item()) == pytest.approx(place, abs=0.1)


def test_a_bright_block_of_pixels_lies_in_the_map_cell_above_it():
    """Pixels [8..11, 20..23] of 32 x 32 are cell [2, 5] of a map of 8 x 8 cells, and its middle."""
    image = np.full((32, 32), 10, dtype=np.uint16)
    image[8:12, 20:24] = 100
    found = localize.find(movie_of(image[None]), Localize(diameter=7))
    assert (found.x.item(), found.y.item()) == pytest.approx((22, 10), abs=0.05)
    slow = found.assign(x=found.x * 0 + 4, y=found.y * 0 + 26, prediction=found.x * 0 + 0.1)
    fast = found.assign(prediction=found.x * 0 + 1)
    both = xr.concat([fast, slow], "localization", data_vars="minimal")
    both = both.assign(row_size=("video", [2])).assign_attrs(target_name="displacement_scaling")
    built = maps.build(both, Map(grid=8, durations=(1,)), None)["diffusivity"][0, 0, 0].values
    assert built[2, 5] == pytest.approx(0.5)
    assert built[6, 1] == pytest.approx(0.005)


def test_intensity_is_the_mean_above_the_ground_of_an_isolated_spot():
    """A spot of s.d. 1 px: its centre and 4 neighbours at exp(-½) of it."""
    found = localize.find(movie_of(spots_image((16.5, 16.5), ground=500)[None]), TUNED)
    assert found.intensity.item() == pytest.approx(100 * (1 + 4 * np.exp(-0.5)) / 5, rel=0.01)


def test_dark_spots_are_found_in_the_inverted_movie():
    bright = spots_image((8.5, 8.5), (20.8, 21.5))[None]
    dark = (300 - bright).astype(np.uint16)
    inverted = localize.find(movie_of(dark), TUNED.model_copy(update={"invert": True}))
    xr.testing.assert_allclose(inverted, localize.find(movie_of(bright), TUNED))


@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_any_type_of_counts_will_do(kind):
    images = spots_image((8.5, 8.5), (20.8, 21.5))[None]
    found = localize.find(movie_of(images.astype(kind)), Localize())
    assert sorted(found.x.values) == pytest.approx([8.5, 20.8], abs=0.1)


def test_images_without_spots_stay_as_empty_frames():
    empty, one, two = spots_image(), spots_image((8, 8)), spots_image((8, 8), (20, 20))
    black = np.zeros_like(one)
    empty = np.broadcast_to(empty, one.shape)
    images = np.stack([empty, one, black, two, empty, empty, one])
    found = localize.find(movie_of(images, row_size=[4, 2, 1]), TUNED)
    assert found.row_size.values.tolist() == [3, 0, 1]
    assert found.n_frames.values.tolist() == [4, 2, 1]
    assert found.frame.values.tolist() == [1, 3, 3, 0]


@pytest.mark.parametrize("images", [np.zeros((2, 20, 20), np.uint16), spots_image((8, 8))[None]])
def test_a_movie_without_any_spot_is_refused_with_what_to_change(images):
    high = TUNED.model_copy(update={"minmass": 1e6})
    movie = movie_of(images)
    movie.encoding["source"] = "mine.tif"
    with pytest.raises(
        InputError, match=r"^mine.tif: no spot in any of \d images .*minmass 1e\+06.*Lower"
    ):
        localize.find(movie, high)


def test_a_movie_without_images_is_refused():
    with pytest.raises(InputError, match="no image"):
        localize.find(movie_of(np.zeros((0, 20, 20), np.uint16), row_size=[0]), TUNED)


@pytest.fixture(scope="module")
def rendered() -> tuple[xr.Dataset, xr.Dataset]:
    """Truth, and what is found of it, as in Fig. 4a: 30-35 objects on 32 x 32 px."""
    truth = simulate.build(Simulate(frames=(10, 10)), videos=4, seed=1)
    found = localize.find(optics.render(truth, Render(), seed=1), TUNED)
    return truth, localize.match(found, truth, radius=1.5)


def test_as_much_is_found_as_trackpy_was_known_to_find(rendered):
    """74 to 75 % at 0.29 px error in 300 frames; chance would match 16 % (the discs' share)."""
    truth, matched = rendered
    schema.check(matched, schema.LOCALIZATIONS, "matched")
    scores = localize.quality(matched, truth)
    assert scores["recall"] > 0.72
    assert scores["precision"] > 0.98
    assert scores["localization_error"] < 0.31


def test_what_is_found_carries_the_intensity_of_its_object(rendered):
    truth, matched = rendered
    key = ["video", "frame", "particle"]
    tables = [
        d[["frame", "particle", "intensity"]]
        .to_dataframe()
        .assign(video=schema.row_of(d.row_size.values))
        for d in (matched.drop_vars("landscape", errors="ignore"), truth)
    ]
    pairs = tables[0].merge(tables[1], on=key)
    assert pairs["intensity_x"].corr(pairs["intensity_y"]) > 0.6
    assert (pairs["intensity_x"] / pairs["intensity_y"]).median() == pytest.approx(0.7, abs=0.1)


def test_matching_prefers_more_pairs_then_nearer_ones():
    """x: a . b found, A B true; nearest first would pair b-A and leave a and B alone.

    a     A  b     B
    0     1  1.4   2.4   x
    """
    truth = localizations((0, 1, 0, 5, 0.1), (0, 2.4, 0, 7, 0.2))
    found = localizations((0, 0, 0), (0, 1.4, 0))
    matched = localize.match(found, truth, radius=1.1)
    assert matched.particle.values.tolist() == [5, 7]
    np.testing.assert_allclose(matched.diffusivity, [0.1, 0.2])
    nearer = localize.match(found, truth, radius=0.9)
    assert nearer.particle.values.tolist() == [-1, 5]


def test_matching_stays_within_radius_and_frame():
    truth = localizations((0, 5, 5, 1, 0.1), (1, 9, 9, 1, 0.1), frames=3)
    found = localizations((0, 5, 6.4), (0, 9, 9), (1, 5, 5), (2, 9, 9), frames=3)
    matched = localize.match(found, truth, radius=1.5)
    assert matched.particle.values.tolist() == [1, -1, -1, -1]
    assert np.isnan(matched.diffusivity.values[1:]).all()
    assert "diffusivity" not in found, "the input is left as it was"


def test_matching_in_space_tells_apart_what_lies_behind_one_another():
    """x and y alone would pair both with the first; z is 9 and 2 in truth, 2.5 as found."""
    truth = localizations((0, 5, 5, 1, 0.1), (0, 5.5, 5, 2, 0.3))
    truth = truth.assign(z=("localization", [9.0, 2.0]), exponent=("localization", [0.5, 1.5]))
    truth = truth.assign(motion=("localization", [1, 0])).assign_attrs(motions=["fbm", "ctrw"])
    found = localizations((0, 5, 5), (0, 20, 20)).assign(z=("localization", [2.5, 2.0]))
    matched = localize.match(found, truth, radius=1.5)
    assert matched.particle.values.tolist() == [2, -1]
    assert matched.motion.values.tolist() == [0, -1]
    assert matched.attrs["motions"] == ["fbm", "ctrw"]
    np.testing.assert_array_equal(matched.exponent, [1.5, np.nan])
    np.testing.assert_array_equal(matched.diffusivity, [0.3, np.nan])
    scores = localize.quality(matched, truth)
    assert scores["localization_error_z"] == pytest.approx(0.5)
    assert scores["localization_error_3d"] == pytest.approx(np.sqrt(0.5))
    flat = localize.match(found.drop_vars("z"), truth, radius=1.5)
    assert flat.particle.values.tolist() == [1, -1]
    assert "localization_error_z" not in localize.quality(flat, truth)


def test_matching_in_one_video_knows_nothing_of_the_next():
    truth = localizations((0, 5, 5, 1, 0.1), (0, 9, 9, 2, 0.3))
    truth = truth.assign(row_size=("video", [1, 1]), n_frames=("video", [1, 1]))
    found = localizations((0, 9, 9), (0, 5, 5))
    found = found.assign(row_size=("video", [1, 1]), n_frames=("video", [1, 1]))
    assert localize.match(found, truth, radius=1.5).particle.values.tolist() == [-1, -1]


def test_quality_of_a_drawn_example():
    """3 of 4 true ones found, 1 of 4 found is false; errors 0.3 and 0.4 px in x, 0 in all else."""
    truth = localizations(
        (0, 5, 5, 0, 0.1), (0, 20, 20, 1, 0.1), (1, 5, 5, 0, 0.1), (1, 20, 20, 1, 0.1), frames=2
    )
    found = localizations((0, 5.3, 5), (0, 20.4, 20), (1, 5, 5), (1, 12, 12), frames=2)
    scores = localize.quality(localize.match(found, truth, radius=1.5), truth)
    assert scores == pytest.approx(
        {"recall": 0.75, "precision": 0.75, "localization_error": np.sqrt(0.25 / 6)}
    )


def test_quality_when_nothing_fits():
    truth, found = localizations((0, 5, 5, 0, 0.1)), localizations((0, 20, 20))
    scores = localize.quality(localize.match(found, truth, radius=1.5), truth)
    assert scores["recall"] == scores["precision"] == 0
    assert np.isnan(scores["localization_error"])


def test_the_landscape_goes_with_the_match():
    config = Simulate(motion="landscape", frames=(1, 1))
    truth = simulate.build(config, videos=1, seed=1)
    found = localize.find(optics.render(truth, Render(), seed=1), TUNED)
    assert localize.match(found, truth, radius=1.5).landscape.equals(truth.landscape)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"diameter": 4}, "diameter must be odd, but is 4 px"),
        ({"smoothing_size": 6}, "smoothing_size must be odd, but is 6 px"),
        ({"noise_size": 5}, "noise_size = 5 px must be below 5 px"),
    ],
)
def test_impossible_settings_are_refused(wrong, says):
    with pytest.raises(ValidationError, match=says):
        Localize(**wrong)
