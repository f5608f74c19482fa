"""A store that is not laid out as promised is refused at the border, by name."""

import numpy as np
import pytest
import xarray as xr

from magik import schema
from magik.errors import InputError


@pytest.fixture
def localizations() -> xr.Dataset:
    """Two videos: two localizations in frame 0 and one in frame 2; then an empty one."""
    return xr.Dataset(
        {
            "row_size": ("video", [3, 0]),
            "n_frames": ("video", [3, 2]),
            "frame": ("localization", [0, 0, 2]),
            "x": ("localization", [1.0, 2.0, 3.0]),
            "y": ("localization", [4.0, 5.0, 6.0]),
        },
        attrs={"field_of_view": [32, 32]},
    )


def refused(dataset: xr.Dataset) -> str:
    with pytest.raises(InputError) as error:
        schema.check(dataset, schema.LOCALIZATIONS, "store.zarr.zip")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_laid_out_as_promised_passes(localizations):
    assert schema.check(localizations, schema.LOCALIZATIONS, "here") is localizations
    more = localizations.assign(area=("localization", np.ones(3)))
    assert schema.check(more, schema.LOCALIZATIONS, "here") is more  # a descriptor is welcome


def test_a_missing_variable_is_named_with_meaning_and_unit(localizations):
    said = refused(localizations.drop_vars("y"))
    assert said == (
        "store.zarr.zip: no variable 'y' (centroid, from the upper edge of the image; px; "
        "over localization). It has: frame, n_frames, row_size, x."
    )


def test_wrong_dimensions_types_names_and_attributes_are_refused(localizations):
    assert "lies over video" in refused(localizations.assign(x=("video", [1.0, 2.0])))
    wrong = localizations.assign(frame=("localization", [0.0, 0.5, 2.0]))
    assert "'frame'" in refused(wrong)
    assert "of type float64; expected a type of kind i or u" in refused(wrong)
    assert "'colour' is not part of" in refused(localizations.assign(colour=("video", [1, 2])))
    assert "no attribute 'field_of_view'" in refused(localizations.drop_attrs())


@pytest.mark.parametrize("layout", schema.LAYOUTS.values(), ids=list(schema.LAYOUTS))
def test_every_variable_says_what_it_is(layout):
    for name, variable in layout.variables.items():
        assert all([variable.dims, variable.unit, variable.meaning]), name
        assert "loc" not in variable.dims, "xarray's indexer"


def test_rows_find_their_video():
    row_size = np.array([2, 0, 3])
    np.testing.assert_array_equal(schema.offsets(row_size), [0, 2, 2, 5])
    np.testing.assert_array_equal(schema.row_of(row_size), [0, 0, 2, 2, 2])


def test_the_first_frame_stands_alone(localizations):
    first = schema.first_frame(localizations)
    schema.check(first, schema.LOCALIZATIONS, "first")
    assert first["x"].to_numpy().tolist() == [1.0, 2.0]
    assert first["row_size"].to_numpy().tolist() == [2]
    assert first["n_frames"].to_numpy().tolist() == [1]


def test_a_first_frame_may_be_empty(localizations):
    later = localizations.assign(frame=("localization", [1, 1, 2]))
    assert schema.first_frame(later).sizes["localization"] == 0
