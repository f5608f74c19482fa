"""Results in physical units: exact conversions, read back from the files."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
import xarray as xr

from magik import export, schema
from magik.config import Sample

SAMPLE = Sample(movie="m.tif", pixel_size_um=0.5, frame_interval_s=0.1, experiment="diffusivity")
UM2_S = 0.5**2 / 0.1  # in one px²/frame
TRAINED_ON = {
    "density": [0.005, 0.05],
    "displacement_scaling": [0.1, 1.2],
    "frames": [3, 55],
    "length_px": 32.0,
    "radius": 0.2,
    "max_lag": 2,
}


@pytest.fixture
def localizations() -> xr.Dataset:
    """Four localizations in 4 frames of 10 x 20 px; the recording's own numbers start at 7."""
    return xr.Dataset(
        {
            "row_size": ("video", [4]),
            "n_frames": ("video", [4]),
            "frame": ("localization", [0, 0, 1, 3]),
            "x": ("localization", [1.0, 19.0, 2.0, 3.0]),
            "y": ("localization", [4.0, 5.0, 6.0, 7.0]),
            "intensity": ("localization", [10.0, 20.0, 30.0, 40.0]),
        },
        attrs={"field_of_view": [10, 20], "first_frame": 7},
    )


@pytest.fixture
def predictions(localizations) -> xr.Dataset:
    """√(2D) = 0.2, 0.4, 0.6, 0.8 px/frame^½ for the four localizations."""
    return xr.Dataset(
        {
            "prediction": ("localization", np.float32([0.2, 0.4, 0.6, 0.8])),
            **{name: localizations[name] for name in ("row_size", "frame", "x", "y")},
        },
        attrs={
            "field_of_view": [10, 20],
            "target_name": "displacement_scaling",
            "trained_on": json.dumps(TRAINED_ON),
        },
    )


def test_the_layouts_of_these_tests_are_the_real_ones(localizations, predictions):
    schema.check(localizations, schema.LOCALIZATIONS, "localizations")
    schema.check(predictions, schema.PREDICTIONS, "predictions")


def test_table_in_physical_units(predictions, localizations):
    table = export.table(predictions, localizations, SAMPLE)
    assert table["frame"].tolist() == [7, 7, 8, 10], "numbered as in the recording"
    np.testing.assert_allclose(table["time_s"], [0, 0, 0.1, 0.3])
    np.testing.assert_allclose(table["x_um"], [0.5, 9.5, 1, 1.5])
    np.testing.assert_allclose(table["y_px"], [4, 5, 6, 7])
    assert table["intensity"].tolist() == [10, 20, 30, 40]
    spots = localizations.assign(mass=localizations["intensity"] * 9)
    assert export.table(predictions, spots, SAMPLE)["mass"].tolist() == [90, 180, 270, 360]
    expected = np.array([0.2, 0.4, 0.6, 0.8]) ** 2 / 2 * UM2_S
    np.testing.assert_allclose(table["diffusivity_um2_s"], expected, rtol=1e-6)
    assert "intensity" not in export.table(
        predictions, localizations.drop_vars("intensity"), SAMPLE
    )


def test_a_particle_in_water_gets_its_diffusivity(predictions, localizations):
    """Stokes-Einstein: 1 µm in water at 20 °C has D = 0.43 µm²/s; √(2D) is 0.539 px.

    At 2.85 px/µm and 24 frames/s.
    """
    water = SAMPLE.model_copy(update={"pixel_size_um": 1 / 2.85, "frame_interval_s": 1 / 24})
    boltzmann, temperature, viscosity, radius_um = 1.381e-23, 293.15, 1.002e-3, 0.5
    um2_s = boltzmann * temperature / (6 * np.pi * viscosity * radius_um * 1e-6) * 1e12
    predictions["prediction"] = predictions["prediction"] * 0 + 0.539
    table = export.table(predictions, localizations, water)
    np.testing.assert_allclose(table["diffusivity_um2_s"], um2_s, rtol=0.01)


@pytest.mark.parametrize(("suffix", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet)])
def test_tables_read_back_and_are_equal_in_bytes(
    tmp_path, predictions, localizations, suffix, read
):
    table = export.table(predictions, localizations, SAMPLE)
    one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    export.save_table(table, one)
    export.save_table(table.copy(), two)
    assert one.read_bytes() == two.read_bytes()
    pd.testing.assert_frame_equal(read(one), table, rtol=1e-5, check_dtype=False)


def test_what_was_read_from_a_table_is_written_as_it_was(tmp_path):
    """Also whole numbers in a column with a gap, which pandas holds as floating point."""
    text = "id,seconds,name\n1234567,1712345678.125,A\n,0.1,\n12345678901,-3e-07,C\n"
    (tmp_path / "given.csv").write_text(text)
    given = pd.read_csv(tmp_path / "given.csv")
    export.save_table(given, tmp_path / "ours.csv", digits=15)
    assert (tmp_path / "ours.csv").read_text() == text
    export.save_table(given, tmp_path / "short.csv")
    assert "1.23457e+06" in (tmp_path / "short.csv").read_text(), "test invalid"


def test_nothing_stands_where_writing_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(pd.DataFrame, "to_csv", lambda self, path, **_: path.write_text("x") // 0)
    with pytest.raises(ZeroDivisionError):
        export.save_table(pd.DataFrame({"x": [1]}), tmp_path / "table.csv")
    assert list(tmp_path.iterdir()) == []


def _maps(height: int, width: int, n_y: int, n_x: int) -> xr.Dataset:
    """Read-out r, duration d, row i, column j: D = 1000 r + 100 d + 10 i + j."""
    r, d, i, j = np.ogrid[:2, :2, :n_y, :n_x]
    values = (1000 * r + 100 * d + 10 * i + j).astype(float)[:, :, None]
    return xr.Dataset(
        {
            "diffusivity": (("read_out", "duration", "video", "grid_y", "grid_x"), values),
            "duration": ("duration", [100, 90]),
        },
        attrs={"field_of_view": [height, width], "read_out": ["nearest", "kernel"]},
    )


def test_map_tiff_has_a_physical_pixel_size(tmp_path):
    """10 x 20 px on 8 columns: cells of 2.5 px = 1.25 µm, four rows of them."""
    path = tmp_path / "map.tif"
    export.map_tiff(_maps(10, 20, 4, 8), SAMPLE, path)
    with tifffile.TiffFile(path) as tiff:
        image, tags = tiff.asarray(), tiff.pages[0].tags
        assert tiff.imagej_metadata["unit"] == "micron"
        for axis in "XY":
            pixels, um = tags[f"{axis}Resolution"].value
            assert um / pixels == pytest.approx(1.25)
    assert image.dtype == np.float32
    i, j = np.ogrid[:4, :8]
    np.testing.assert_allclose(image, (1000 + 10 * i + j) * UM2_S)  # kernel, 100 frames
    export.map_tiff(_maps(10, 20, 4, 8), SAMPLE, tmp_path / "again.tif")
    assert path.read_bytes() == (tmp_path / "again.tif").read_bytes()


def test_summary_is_what_one_counts_by_hand(tmp_path, predictions, localizations):
    summary = export.summary(predictions, localizations, SAMPLE)
    assert summary["localizations"] == 4
    assert summary["frames"] == 4
    assert summary["localizations_per_frame"] == 1
    assert summary["density_per_px2"] == pytest.approx(1 / 200)
    assert summary["density_per_um2"] == pytest.approx(1 / 50)
    D = np.array([0.02, 0.08, 0.18, 0.32])
    assert summary["diffusivity_um2_s"] == pytest.approx(
        {
            "median": np.median(D) * UM2_S,
            "lower_quartile": np.quantile(D, 0.25) * UM2_S,
            "upper_quartile": np.quantile(D, 0.75) * UM2_S,
            "mean": D.mean() * UM2_S,
        },
        rel=1e-6,
    )
    assert summary["crowding"] == pytest.approx(D.mean() / 200, rel=1e-6)
    assert summary["warnings"] == []
    export.save_summary(summary, tmp_path / "summary.json")
    assert json.loads((tmp_path / "summary.json").read_text("utf-8")) == summary


@pytest.mark.parametrize(
    ("trained_on", "says"),
    [
        ({"density": [0.01, 0.05]}, "0.005 localizations per px² and frame; the network was"),
        ({"density": [0.001, 0.004]}, "trained on 0.001 to 0.004"),
        ({"frames": [50, 55]}, "4 frames; the network was trained on at least 50"),
        (
            {"displacement_scaling": [0.1, 0.8]},
            "For 25% of the localizations √(2D) is at the upper",
        ),
        (
            {"displacement_scaling": [0.4, 1.2]},
            "For 50% of the localizations √(2D) is at the lower",
        ),
        ({"radius": 0.2, "length_px": 10}, "For 25% of the localizations three standard dev"),
        ({"intensity": [15, 45]}, "For 25% of the localizations the intensity (median 25) lies"),
        ({"intensity": [10, 40]}, None),
        ({}, None),
    ],
)
def test_a_sample_unlike_the_training_is_told(predictions, localizations, trained_on, says):
    predictions.attrs["trained_on"] = json.dumps(trained_on)
    warnings = export.summary(predictions, localizations, SAMPLE)["warnings"]
    assert len(warnings) == (says is not None)
    assert all(says in sentence and "\n" not in sentence for sentence in warnings)


def test_an_exponent_has_no_unit_and_an_interval(predictions, localizations):
    ends = {"lower": [0.1, 0.3, 0.4, 0.5], "upper": [0.3, 0.5, 0.9, 1.1]}
    said = predictions.assign({n: ("localization", np.array(v)) for n, v in ends.items()})
    table = export.table(said.assign_attrs(target_name="exponent"), localizations, SAMPLE)
    np.testing.assert_allclose(table["exponent"], [0.2, 0.4, 0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(table["exponent_upper"], ends["upper"])
    assert not [name for name in table if name.startswith("diffusivity")]
    of_d = export.table(said, localizations, SAMPLE)
    np.testing.assert_allclose(
        of_d["diffusivity_um2_s_lower"], np.square(ends["lower"]) / 2 * UM2_S
    )
    summary = export.motion_summary(
        said.assign_attrs(target_name="exponent"), localizations, SAMPLE
    )
    assert summary["exponent"]["median"] == pytest.approx(0.5)
    assert summary["frames"] == 4
    assert not summary["warnings"], "test invalid"
    narrow = json.dumps(TRAINED_ON | {"exponent": [0.2, 0.6]})
    at_the_end = said.assign_attrs(target_name="exponent", trained_on=narrow)
    warnings = export.motion_summary(at_the_end, localizations, SAMPLE)["warnings"]
    assert len(warnings) == 1
    assert warnings[0].startswith("For 75% of what was asked α is at an end of what")


def test_a_recording_as_a_whole(tmp_path, localizations):
    said = xr.Dataset(
        {"prediction": (("video", "output"), [[0.25, 0.75]])},
        attrs={"target_name": "fractions", "output": ["fbm", "ctrw"], "trained_on": "{}"},
    )
    assert export.video_table(said).to_dict("list") == {
        "quantity": ["fraction", "fraction"], "of": ["fbm", "ctrw"], "value": [0.25, 0.75]
    }  # fmt: skip
    assert export.motion_summary(said, localizations, SAMPLE)["fraction_of_ctrw"] == {"value": 0.75}
    alpha = said.isel(output=[0]).assign_attrs(target_name="video_exponent", output=["exponent"])
    alpha = alpha.assign(lower=alpha["prediction"] - 0.1, upper=alpha["prediction"] + 0.1)
    summary = export.motion_summary(alpha, localizations, SAMPLE)
    assert summary["exponent"] == {"value": 0.25, "lower": 0.15, "upper": 0.35}
    long = alpha.assign(lower=alpha["lower"] * np.nan, upper=alpha["upper"] * np.nan)
    summary = export.motion_summary(long, localizations, SAMPLE)
    assert summary["exponent"] == {"value": 0.25}, "several windows have no interval"
    export.save_summary(summary, tmp_path / "summary.json")
    with pytest.raises(ValueError, match="not JSON compliant"):
        export.save_summary({"value": np.nan}, tmp_path / "other.json")
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]
