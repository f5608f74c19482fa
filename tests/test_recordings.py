"""Users' files: what is read, and what is refused in one line."""

import gzip
import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from magik import config, graphs, recordings, schema, stacks
from magik.errors import InputError

PIXEL_UM = 0.1
DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def counts() -> np.ndarray:
    """Six images of 5 x 7 px, no two alike."""
    return np.random.default_rng(0).integers(0, 255, (6, 5, 7), dtype=np.uint8)


@pytest.mark.parametrize(
    ("axes", "shape", "options"),
    [
        ("plain", (6, 5, 7), {}),
        ("pages", (6, 5, 7), {"metadata": None}),
        ("compressed", (6, 5, 7), {"compression": "zlib", "predictor": True}),
        ("TYX", (6, 5, 7), {"ome": True}),
        ("TCYX", (6, 1, 5, 7), {"ome": True}),
        ("TZCYX", (6, 1, 1, 5, 7), {"imagej": True}),
        ("ZYX", (6, 5, 7), {"imagej": True}),
    ],
)
def test_every_way_to_write_a_stack_gives_the_same_movie(tmp_path, counts, axes, shape, options):
    path = tmp_path / "movie.tif"
    if set(axes) <= set("TZCYX"):
        options = options | {"metadata": {"axes": axes}}
    tifffile.imwrite(path, counts.reshape(shape), photometric="minisblack", **options)
    movie = schema.check(recordings.read_movie(path), schema.MOVIE, "movie")
    np.testing.assert_array_equal(movie.counts, counts)
    assert movie.counts.dtype == np.uint8
    assert movie.row_size.values.tolist() == [6]
    assert movie.attrs["field_of_view"] == [5, 7]


def test_images_appended_one_by_one_are_one_movie(tmp_path, counts):
    path = tmp_path / "movie.tif"
    for image in counts:
        tifffile.imwrite(path, image, append=True)
    np.testing.assert_array_equal(recordings.read_movie(path).counts, counts)


def test_axes_in_another_order_are_put_in_order(tmp_path, counts):
    path = tmp_path / "movie.tif"
    turned = counts.transpose(1, 2, 0)  # time last
    tifffile.imwrite(path, turned, metadata={"axes": "YXT"}, photometric="minisblack")
    np.testing.assert_array_equal(recordings.read_movie(path).counts, counts)


def _refusal(path) -> str:
    with pytest.raises(InputError) as error:
        recordings.read_movie(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_a_movie_that_is_not_there(tmp_path):
    assert "no such movie; expected" in _refusal(tmp_path / "movie.tif")


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + bytes(64)])
def test_a_file_that_is_no_tiff(tmp_path, content):
    path = tmp_path / "movie.tif"
    path.write_bytes(content)
    assert "cannot be read as TIFF" in _refusal(path)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"metadata": None}])
def test_a_movie_cut_anywhere_is_refused_or_whole(tmp_path, counts, options):
    """Never a part of the movie, and never zeros in place of what is missing."""
    whole, cut = tmp_path / "whole.tif", tmp_path / "cut.tif"
    tifffile.imwrite(whole, counts, photometric="minisblack", **options)
    content = whole.read_bytes()
    refused = 0
    for length in range(0, len(content), 60):
        cut.write_bytes(content[:length])
        try:
            np.testing.assert_array_equal(recordings.read_movie(cut).counts, counts)
        except InputError:
            refused += 1
    assert refused > len(content) // 60 * 0.9, "test invalid"


def _damage(path: Path, tag: int) -> None:
    """Let the value of a tag of the first page begin beyond the end of the file."""
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages[0].tags[tag].offset + 8
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff\xff\xff\x7f")


@pytest.mark.parametrize(("tag", "code"), [("Software", 305), ("private", 65000)])
def test_whole_pixels_are_read_whatever_is_wrong_with_notes(tmp_path, counts, tag, code):
    path = tmp_path / "movie.tif"
    note = (65000, "B", 8, bytes(8), False)
    tifffile.imwrite(path, counts, photometric="minisblack", software="a" * 9, extratags=[note])
    _damage(path, code)
    with stacks._complaints() as complaints, tifffile.TiffFile(path):
        pass
    assert complaints, "test invalid"
    np.testing.assert_array_equal(recordings.read_movie(path).counts, counts)


def test_whole_pixels_are_read_without_their_ome_xml(tmp_path, counts):
    path = tmp_path / "movie.ome.tif"
    options = {"compression": "zlib", "photometric": "minisblack"}
    tifffile.imwrite(path, counts, metadata={"axes": "TYX"}, ome=True, **options)
    path.write_bytes(path.read_bytes().replace(b"<Pixels", b"<P<xels"))
    np.testing.assert_array_equal(recordings.read_movie(path).counts, counts)


def test_pages_that_are_missing_are_named_before_notes_that_are(tmp_path, counts):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, counts, photometric="minisblack", metadata=None, software="a" * 9)
    _damage(path, 305)
    with tifffile.TiffFile(path) as tiff:
        fifth = tiff.pages[4].offset
    path.write_bytes(path.read_bytes()[:fifth])
    assert re.search(r"truncated or damaged \(.*invalid page offset", _refusal(path))


@pytest.mark.parametrize(
    ("shape", "axes", "says"),
    [
        ((5, 7), "YX", "a single image"),
        ((6, 2, 5, 7), "TCYX", "2 channels"),
        ((6, 3, 5, 7), "TZYX", "a stack over T and Z"),
        ((6, 5, 7, 3), "TYXS", "a colour movie"),
    ],
)
def test_what_is_no_movie_of_one_channel(tmp_path, shape, axes, says):
    path = tmp_path / "movie.ome.tif"
    colour = "rgb" if "S" in axes else "minisblack"
    tifffile.imwrite(
        path, np.zeros(shape, np.uint8), ome=True, metadata={"axes": axes}, photometric=colour
    )
    message = _refusal(path)
    assert says in message
    assert "expected" in message


def test_positions_are_not_strung_together(tmp_path, counts):
    path = tmp_path / "movie.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for _ in range(2):
            writer.write(counts, photometric="minisblack", metadata={"axes": "TYX"})
    assert "2 image series" in _refusal(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_counts_that_are_no_number_name_their_frame(tmp_path, counts, value):
    path = tmp_path / "movie.tif"
    damaged = counts.astype(np.float32)
    tifffile.imwrite(path, damaged, photometric="minisblack")
    assert recordings.read_movie(path).counts.dtype == np.float32
    damaged[4, 2, 3] = value
    tifffile.imwrite(path, damaged, photometric="minisblack")
    assert "frame 4 (of 1, counted from 0)" in _refusal(path)


@pytest.mark.parametrize("name", ["water.tif", "nucleus.csv.gz"])
def test_the_example_recordings_are_those_of_their_notice(name):
    path = DATA / "examples" / name
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert f"`{digest}`" in (DATA / "README.md").read_text("utf-8")


def test_the_example_movie():
    movie = recordings.read_movie(DATA / "examples" / "water.tif")
    assert movie.counts.shape == (90, 160, 240)
    assert movie.counts.dtype == np.uint8


def test_the_example_table():
    localizations = recordings.read_table(DATA / "examples" / "nucleus.csv.gz", {}, 0.16)
    schema.check(localizations, schema.LOCALIZATIONS, "nucleus")
    assert localizations.row_size.values.tolist() == [6932]
    assert localizations.attrs == {"field_of_view": [131, 120], "first_frame": 0}


# tables --------------------------------------------------------------------------------------


@pytest.fixture
def points() -> pd.DataFrame:
    """Five localizations in frames 3, 4 and 7, out of order.

    row     1    2    3    4    5
    frame   4    3    7    3    4
    """
    return pd.DataFrame(
        {
            "frame": [4, 3, 7, 3, 4],
            "x": [1.5, 2.0, 3.25, 4.0, 9.2],
            "y": [5.0, 0.5, 3.0, 2.0, 1.0],
            "intensity": [10.0, 20.0, 30.0, 40.0, 50.0],
        }
    )


def _check(localizations) -> None:
    """What `points` should look like, wherever it came from."""
    schema.check(localizations, schema.LOCALIZATIONS, "table")
    assert localizations.row_size.values.tolist() == [5]
    assert localizations.n_frames.values.tolist() == [5], "frames 3 to 7, also the empty ones"
    assert localizations.frame.values.tolist() == [0, 0, 1, 1, 4]
    np.testing.assert_allclose(localizations.x, [2.0, 4.0, 1.5, 9.2, 3.25])
    np.testing.assert_allclose(localizations.y, [0.5, 2.0, 5.0, 1.0, 3.0])
    assert localizations.attrs == {"field_of_view": [5, 10], "first_frame": 3}


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_a_plain_table(tmp_path, points, suffix):
    path = tmp_path / f"table.{suffix}"
    points.to_parquet(path) if suffix == "parquet" else points.to_csv(path, index=False)
    localizations = recordings.read_table(path, {}, PIXEL_UM)
    _check(localizations)
    assert localizations.intensity.values.tolist() == [20, 40, 10, 50, 30]


TRACKPY = {"intensity": "mass"}
QUOT = {"intensity": "I0"}
THUNDERSTORM = {"x": "x [nm]", "y": "y [nm]", "intensity": "intensity [photon]"}


def test_our_own_table_is_read(tmp_path, points):
    """Positions in px go before those in µm; of spots there is a mass, too."""
    own = points.rename(columns={"x": "x_px", "y": "y_px"})
    own = own.assign(x_um=own["x_px"] * PIXEL_UM, y_um=own["y_px"] * PIXEL_UM, mass=7.0)
    own.to_csv(tmp_path / "localizations.csv", index=False)
    localizations = recordings.read_table(tmp_path / "localizations.csv", {}, PIXEL_UM)
    _check(localizations)
    assert localizations.intensity.values.tolist() == [20, 40, 10, 50, 30]


@pytest.mark.parametrize("named", [False, True])
def test_a_unit_at_the_end_of_a_header_counts(tmp_path, points, named):
    points[["x", "y"]] *= PIXEL_UM
    points.rename(columns={"x": "x_um", "y": "y (um)"}).to_csv(tmp_path / "t.csv", index=False)
    columns = {"x": "x_um", "y": "y (um)"} if named else {}
    _check(recordings.read_table(tmp_path / "t.csv", columns, PIXEL_UM))


@pytest.mark.parametrize("names", [TRACKPY, QUOT, THUNDERSTORM], ids=["trackpy", "quot", "storm"])
def test_headers_of_other_programs(tmp_path, points, names):
    path = tmp_path / "table.csv"
    theirs = points.assign(size=1.0, bg=2.0)
    if names is THUNDERSTORM:
        theirs[["x", "y"]] *= PIXEL_UM * 1000
    else:
        theirs[["x", "y"]] -= 0.5  # the centre of the first pixel is 0
    theirs = theirs.rename(columns=names)
    theirs.to_csv(path, quoting=1, index=False)
    localizations = recordings.read_table(path, {}, PIXEL_UM)
    _check(localizations)
    assert localizations.intensity.values.tolist() == [20, 40, 10, 50, 30]
    assert "size" not in localizations, "only what is asked for becomes a descriptor"


def test_columns_that_are_named_are_taken_as_they_are(tmp_path, points):
    """Also where they are trackpy's; naming its intensity says nothing of its positions."""
    path = tmp_path / "table.csv"
    points.rename(columns=TRACKPY).to_csv(path, index=False)
    _check(recordings.read_table(path, {"x": "x", "y": "y"}, PIXEL_UM))
    moved = recordings.read_table(path, {"intensity": "mass"}, PIXEL_UM)
    np.testing.assert_allclose(moved.x, [2.5, 4.5, 2.0, 9.7, 3.75])


def test_columns_can_be_named(tmp_path, points):
    path = tmp_path / "table.csv"
    theirs = points.rename(columns={"frame": "slice", "x": "column"}).assign(snr=[1, 2, 3, 4, 5])
    theirs["y [µm]"] = theirs.pop("y") * PIXEL_UM
    theirs.to_csv(path, index=False)
    columns = {"frame": "slice", "x": "column", "snr": "snr"}
    localizations = recordings.read_table(path, columns, PIXEL_UM)
    _check(localizations)
    assert localizations.snr.values.tolist() == [2, 4, 1, 5, 3]


def _table_refusal(path, columns=None) -> str:
    with pytest.raises(InputError) as error:
        recordings.read_table(path, columns or {}, PIXEL_UM)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("x", np.nan, "column 'x', row 3: found 'nan' (1 such rows)"),
        ("y", np.inf, "column 'y', row 3: found 'inf'"),
        ("y", "left", "column 'y', row 3: found 'left'"),
        ("x", -300.0, "column 'x', row 3: -300 px; expected positions counted from the corner"),
        ("frame", -1, "column 'frame', row 3: frame -1; expected a whole number"),
        ("frame", 2.5, "column 'frame', row 3: frame 2.5; expected a whole number"),
    ],
)
def test_a_bad_value_names_its_column_and_row(tmp_path, points, column, value, says):
    path = tmp_path / "table.csv"
    points[column] = points[column].astype(object)
    points.loc[2, column] = value
    points.to_csv(path, index=False, na_rep="nan")
    assert says in _table_refusal(path)


@pytest.mark.parametrize(
    ("content", "columns", "says"),
    [
        ("x,y,frames\n1,2,3\n", {}, "no column 'frame'. It has: x, y, frames. Name it, "
         "e.g. columns: {frame: frames}"),
        ("t,x,y\n1,2,3\n", {}, "e.g. columns: {frame: <its name>}"),
        ("frame,Area,pos_y\n1,2,3\n", {}, "{x: <its name>} (positions in px)"),
        ("frame;x;y\n1;2;3\n", {}, "Values must be separated by commas"),
        ("frame,x,y\n", {}, "a table without rows"),
        ("", {}, "an empty file"),
        ("frame,x,y\n1,2,3\n1,2,3,4,5\n", {}, "cannot be read as csv"),
        ("frame,x,x [nm],y\n1,2,3,4\n", {}, "'x' could be any of the columns x, x [nm]"),
        ("frame,x [inch],y\n1,2,3\n", {}, "column 'x [inch]': unknown unit; expected px, nm"),
        ("time,x,y\n1,2,3\n", {"frame": "tim"}, "no column 'tim' (columns: frame). "
         "It has: time, x, y. Did you mean 'time'?"),
        ("frame,x,y,d\n1,2,3,4\n", {"diffusivity": "d"}, "'diffusivity' cannot be read from"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_one(tmp_path, content, columns, says):
    path = tmp_path / "table.csv"
    path.write_text(content)
    assert says in _table_refusal(path, columns)


def test_damaged_and_missing_tables(tmp_path, points):
    assert "no such table" in _table_refusal(tmp_path / "table.csv")
    assert "expected .csv, .csv.gz, .parquet" in _table_refusal(tmp_path / "table.xlsx")
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(points.to_csv().encode())[:60])
    assert "cannot be read as csv.gz" in _table_refusal(path)
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1 and no more")
    assert "cannot be read as parquet" in _table_refusal(path)


def test_a_table_without_what_its_network_sees_is_refused_at_once(tmp_path, points):
    path = tmp_path / "table.csv"
    points.drop(columns="intensity").to_csv(path, index=False)
    bare = recordings.read_table(path, {}, PIXEL_UM)
    recordings.must_have(bare, ["x", "y", "z"], "mine", path)
    for feature in ("intensity", "relative_intensity"):
        with pytest.raises(InputError) as error:
            recordings.must_have(bare, ["x", feature], "mine", path)
        assert str(error.value) == (
            f"{path}: no intensity, which the network of samples.mine sees of every localization; "
            "it has frame, x, y. Name the column, as in columns: {intensity: <its name>}, or "
            "choose another experiment"
        )
    points.to_csv(path, index=False)
    recordings.must_have(recordings.read_table(path, {}, PIXEL_UM), config.OF_TABLES, "mine", path)


def test_a_graph_has_all_features_that_are_promised_of_a_table(tmp_path, points):
    points.to_csv(tmp_path / "table.csv", index=False)
    built = graphs.build(
        recordings.read_table(tmp_path / "table.csv", {}, PIXEL_UM),
        config.Graph(axes=("x", "y", "z")),
    )
    assert set(built.attrs["node_feature"]) == set(config.OF_TABLES)
