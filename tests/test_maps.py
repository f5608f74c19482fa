"""Maps: drawn points, fields that are known, and what keeps them comparable with the truth."""

import numpy as np
import pytest
import xarray as xr

from magik import floors, maps, schema, simulate
from magik.config import Graph, Map, Simulate
from magik.errors import InputError

SETTINGS = Simulate(motion="landscape", field_of_view=32, frames=(100, 100), smoothing=(4, 4))


def predictions(x, y, scaling, frame=None, field_of_view=(8.0, 8.0), row_size=None) -> xr.Dataset:
    n = len(x)
    return xr.Dataset(
        {
            "row_size": ("video", np.array([n] if row_size is None else row_size)),
            "frame": ("localization", np.zeros(n, int) if frame is None else np.array(frame)),
            "x": ("localization", np.array(x, float)),
            "y": ("localization", np.array(y, float)),
            "prediction": ("localization", np.array(scaling, float)),
        },
        attrs={
            "field_of_view": list(field_of_view),
            "target_name": "displacement_scaling",
            "trained_on": "{}",
        },
    )


def read(built: xr.Dataset, read_out: str) -> np.ndarray:
    """Maps by one read-out: duration, video, y, x."""
    return built["diffusivity"].values[built.attrs["read_out"].index(read_out)]


@pytest.fixture(scope="module")
def landscape() -> xr.Dataset:
    return simulate.build(SETTINGS, 2, seed=1)


def perfect(truth: xr.Dataset, noise: float = 0.0) -> xr.Dataset:
    """Predictions that are right, but for Gaussian noise of √(2D)."""
    scaling = np.sqrt(2 * truth["diffusivity"].values)
    scaling = scaling + np.random.default_rng(0).normal(0, noise, scaling.shape)
    columns = [truth[name].values for name in ("x", "y")]
    return predictions(
        *columns, scaling, truth["frame"].values, (32.0, 32.0), truth["row_size"].values
    )


def error(built: xr.Dataset, read_out: str) -> float:
    """R.m.s. error of log10 D."""
    return float(np.sqrt(np.mean(np.log10(read(built, read_out) / built["landscape"].values) ** 2)))


def test_the_nearest_point_gives_its_value():
    """Points at (x, y) = (0.6, 0.6), (3.2, 0.9) and (0.4, 3.4).

    y
    0 | 1 1 2 2
    1 | 1 1 2 2
    2 | 3 3 2 2
    3 | 3 3 3 2
        0 1 2 3   x
    """
    at = predictions([0.6, 3.2, 0.4], [0.6, 0.9, 3.4], np.sqrt([2, 4, 6]), field_of_view=(4, 4))
    found = read(maps.build(at, Map(grid=4, durations=(1,)), None), "nearest")[0, 0]
    drawn = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 2, 2], [3, 3, 3, 2]]
    np.testing.assert_allclose(found, drawn, rtol=1e-6)


def test_a_constant_field_stays_constant_also_where_nobody_went():
    rng = np.random.default_rng(0)
    at = predictions(*rng.uniform(0, 2, (2, 50)), np.full(50, 0.6))
    built = maps.build(at, Map(grid=8, durations=(1,)), None)
    for read_out in ("nearest", "kernel"):
        np.testing.assert_allclose(read(built, read_out), 0.18, rtol=1e-6)


def test_the_kernel_averages_what_the_nearest_point_repeats(landscape):
    """Nodes wrong by 0.1: the nearest keeps it, the kernel does not, and a constant is worse."""
    built = maps.build(perfect(landscape, 0.1), Map(durations=(100,)), landscape["landscape"])
    constant = np.log10(built["landscape"].values).std()
    assert error(built, "kernel") < error(built, "nearest") / 2
    assert error(built, "nearest") > 0.3 * constant, "test invalid: the noise is too small"


def test_the_kernel_is_hardly_biased(landscape):
    built = maps.build(perfect(landscape, 0.1), Map(durations=(100,)), landscape["landscape"])
    bias = np.log10(read(built, "kernel") / built["landscape"].values).mean()
    assert abs(bias) < 0.02


def test_coarse_to_fine_is_closer_than_a_plain_average(landscape):
    """Right values: what is left is blur, and walkers dwell where they are slow."""
    truth = landscape.isel(video=[0], localization=slice(0, int(landscape["row_size"][0])))
    exact = np.log10(truth["landscape"].values[0])
    at = np.stack([truth["y"].values, truth["x"].values], axis=1).astype(float)
    values = np.sqrt(2 * truth["diffusivity"].values.astype(float))
    some = maps.Scattered(truth["frame"].values, at, values)
    ours = np.log10(maps.kernel(some, (32, 32), 1.5) ** 2 / 2)
    cell = np.ravel_multi_index(tuple(at.astype(int).T), (32, 32))
    total, weight = (maps._sum(cell, v, (32, 32), 1.5) for v in (values, np.ones_like(values)))
    plain = np.log10((total / weight) ** 2 / 2)
    assert np.sqrt(np.mean((ours - exact) ** 2)) < 0.85 * np.sqrt(np.mean((plain - exact) ** 2))


def test_the_classical_map_needs_no_network(landscape):
    """Known for twice the side and 3 to 6 px: 0.10 to 0.14 by links, 0.33 to 0.41 if constant."""
    baseline = floors.estimate(landscape, SETTINGS, Graph())
    known_nothing = perfect(landscape).assign(
        prediction=("localization", np.ones(landscape.sizes["localization"]))
    )
    built = maps.build(known_nothing, Map(durations=(100,)), landscape["landscape"], baseline)
    assert built.attrs["read_out"] == ["nearest", "kernel", "lap_kernel"]
    schema.check(built, schema.MAPS, "maps")
    assert error(built, "lap_kernel") < 0.2 < 0.33 < error(built, "kernel")


def test_a_map_is_made_of_the_first_frames_only():
    at = predictions([1, 1], [1, 1], [0.2, 0.6], frame=[0, 5])
    found = read(maps.build(at, Map(grid=8, durations=(5, 6)), None), "kernel")[:, 0, 1, 1]
    assert found[0] == pytest.approx(0.02)
    assert found[1] > 0.05


def test_the_map_lies_as_the_landscape_does():
    """One fast cell of a 4 x 4 landscape, found at the same place of an 8 x 8 map."""
    truth = np.ones((1, 4, 4)) * 0.02
    truth[0, 0, 2] = 0.5
    y, x = (np.indices((40, 40)).reshape(2, -1) + 0.5) / 10
    scaling = np.sqrt(2 * truth[0, y.astype(int), x.astype(int)])
    at = predictions(x, y, scaling, field_of_view=(4, 4))
    landscape = xr.DataArray(truth, dims=("video", "grid_y", "grid_x"))
    built = maps.build(at, Map(grid=8, durations=(1,)), landscape)
    np.testing.assert_allclose(read(built, "nearest")[0], built["landscape"], rtol=1e-6)
    assert np.argwhere(built["landscape"].values[0] == 0.5).tolist() == [
        [0, 4],
        [0, 5],
        [1, 4],
        [1, 5],
    ]


def test_cells_are_square_in_an_oblong_field_of_view():
    at = predictions([1, 30], [1, 15], [0.5, 0.5], field_of_view=(16.0, 32.0))
    assert maps.build(at, Map(grid=8), None)["diffusivity"].shape[-2:] == (4, 8)


def test_an_empty_video_has_an_empty_map_and_negative_predictions_a_positive_one():
    at = predictions([1, 2], [1, 2], [-0.1, -0.1], row_size=[0, 2])
    found = maps.build(at, Map(grid=8, durations=(1,)), None)["diffusivity"].values
    assert np.isnan(found[:, :, 0]).all()
    np.testing.assert_allclose(found[:, :, 1], maps.LEAST, rtol=1e-5)


def test_other_predictions_are_refused():
    wrong = predictions([1], [1], [1]).assign_attrs(target_name="linked")
    with pytest.raises(InputError, match="'linked'"):
        maps.build(wrong, Map(), None)
