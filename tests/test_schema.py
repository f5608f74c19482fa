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


def test_first_frames_are_those_of_the_first_video(localizations):
    first = schema.first_frames(localizations, 2)
    schema.check(first, schema.LOCALIZATIONS, "first")
    assert first["x"].to_numpy().tolist() == [1.0, 2.0]
    assert first["row_size"].to_numpy().tolist() == [2, 0]
    assert first["n_frames"].to_numpy().tolist() == [2, 0]


def test_first_frames_may_be_empty(localizations):
    later = localizations.assign(frame=("localization", [1, 1, 2]))
    assert schema.first_frames(later, 1).sizes["localization"] == 0


def test_first_frames_are_also_those_of_a_video_of_each_class(localizations):
    """Videos: mixed; spurious and class b; b again; nothing; a. There is none of c."""
    five = localizations.isel(localization=[0, 1, 0, 2, 0, 0, 2]).assign(
        row_size=("video", [2, 2, 1, 0, 2]),
        n_frames=("video", [3, 3, 3, 3, 3]),
        motion=("localization", [0, 1, -1, 1, 1, 0, 0]),
    )
    five.attrs["motions"] = ["a", "b", "c"]
    assert schema.videos_of_classes(five) == {"b": 1, "a": 4}
    first = schema.first_frames(five, 1)
    assert first["row_size"].to_numpy().tolist() == [2, 1, 0, 0, 1]
    assert first["n_frames"].to_numpy().tolist() == [1, 1, 0, 0, 1]
    assert schema.videos_of_classes(localizations) == {}
