"""Detections in tables and graphs: few rows whose answers one can check by eye."""

from pathlib import Path

import geff
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from geff.core_io import write_arrays

from magik import detections, graphs, lineage, lineages, schema
from magik.config import Graph, Sample, Source
from magik.errors import InputError

ROWS = pd.DataFrame(
    {
        "id": [10, 11, 12, 13, 14],
        "t": [4, 5, 7, 7, 8],
        "y": [1.0, 1.5, 2.0, 3.0, 2.5],
        "x": [5.0, 5.5, 6.0, 7.0, 6.5],
        "area": [20, 21, 9, 10, 9],
        "parent": [-1, 10, 11, 11, 12],
        "intensity_mean": [0.5] * 5,
        "comment": list("abcde"),
    }
)
"""10 -> 11, unseen in frame 6, divides into 12 and 13; 12 -> 14."""


def read_rows(tmp_path: Path, rows: pd.DataFrame, **settings) -> xr.Dataset:
    rows.to_csv(tmp_path / "cells.csv", index=False)
    return detections.read(Source(table=str(tmp_path / "cells.csv"), **settings))


def test_positions_in_another_unit_are_refused(tmp_path):
    rows = ROWS.rename(columns={"x": "x [nm]"})
    with pytest.raises(InputError, match=r"x: x \[nm\]} \(positions in px\)"):
        read_rows(tmp_path, rows)
    with pytest.raises(InputError, match=r"column 'x \[nm\]': in nm; expected px. Divide it"):
        read_rows(tmp_path, rows, columns={"x": "x [nm]"})


def test_a_table_whose_rows_name_their_parents(tmp_path):
    """In any order of the rows; frames count from 4."""
    video = read_rows(tmp_path, ROWS.iloc[[4, 2, 0, 3, 1]])
    schema.check(video, schema.LOCALIZATIONS, "cells")
    assert video.attrs == {"field_of_view": [3, 7], "first_frame": 4}
    assert video.frame.values.tolist() == [0, 1, 3, 3, 4]
    assert video.n_frames.values.tolist() == [5]
    assert video.x.values.tolist() == [5, 5.5, 6, 7, 6.5]
    assert video.area.values.tolist() == [20, 21, 9, 10, 9]
    assert video.intensity.values.tolist() == [0.5] * 5
    assert not {"id", "parent", "comment", "t", "intensity_mean"} & set(video)
    assert video.particle.values.tolist() == [0, 0, 1, 2, 1]
    assert video.parent_particle.values.tolist() == [-1, -1, 0, 0, 0]
    links, _ = lineage.true_links(video)
    assert links.T.tolist() == [[0, 1], [1, 2], [1, 3], [2, 4]]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_every_kind_of_table(tmp_path, suffix):
    path = tmp_path / f"cells.{suffix}"
    if suffix == "parquet":
        ROWS.to_parquet(path)
    else:
        ROWS.to_csv(path)  # with the row numbers that pandas adds
    video = detections.read(Source(table=str(path)))
    xr.testing.assert_identical(video, read_rows(tmp_path, ROWS))


@pytest.mark.parametrize("none", [-1, 0, np.nan])
def test_ways_to_say_that_there_is_no_parent(tmp_path, none):
    rows = ROWS.assign(parent=[none, 10, 11, 11, 12])
    xr.testing.assert_identical(read_rows(tmp_path, rows), read_rows(tmp_path, ROWS))


def test_a_row_may_be_named_0(tmp_path):
    rows = ROWS.assign(id=ROWS.id - 10, parent=[-1, 0, 1, 1, 2])
    xr.testing.assert_identical(read_rows(tmp_path, rows), read_rows(tmp_path, ROWS))


@pytest.mark.parametrize("parent", ["parent", "parent_track"])
def test_a_table_that_names_tracks_and_their_parents(tmp_path, parent):
    rows = ROWS.drop(columns=["id", "parent"]).assign(track=[1, 1, 2, 3, 2])
    video = read_rows(tmp_path, rows.assign(**{parent: [-1, -1, 1, 1, 1]}))
    assert video.particle.values.tolist() == [1, 1, 2, 3, 2]
    assert video.parent_particle.values.tolist() == [-1, -1, 1, 1, 1]


def test_a_track_0_that_comes_from_0_has_no_parent_and_nor_has_any_other(tmp_path):
    """Two tracks, one after the other: no division is made up."""
    rows = pd.DataFrame({"t": range(4), "x": 1.0, "y": 1.0, "track": [0, 0, 1, 1]})
    video = read_rows(tmp_path, rows.assign(parent=0))
    assert video.parent_particle.values.tolist() == [-1] * 4
    links, division = lineage.true_links(video)
    assert links.T.tolist() == [[0, 1], [2, 3]]
    assert not division.any()
    real = read_rows(tmp_path, rows.assign(parent=[-1, -1, 0, 0]))
    assert real.parent_particle.values.tolist() == [-1, -1, 0, 0], "0 may be a name"
    names = {"t": [0, 0, 1, 1], "track": [0, 2, 3, 4], "parent": [0, 2, 0, 0]}
    itself = read_rows(tmp_path, rows.assign(**names))
    assert itself.parent_particle.values.tolist() == [-1, -1, 0, 0], "2 names itself, too"


def test_a_table_without_truth_has_none(tmp_path):
    video = read_rows(tmp_path, ROWS[["t", "x", "y"]])
    assert not {"particle", "parent_particle", "label"} & set(video)


def test_columns_by_other_names(tmp_path):
    rows = ROWS.rename(columns={"x": "POSITION_X", "area": "size"}).drop(columns="comment")
    video = read_rows(tmp_path, rows, columns={"x": "POSITION_X", "area": "size"})
    xr.testing.assert_identical(video, read_rows(tmp_path, ROWS))


def test_some_frames_of_a_table(tmp_path):
    """7 to 9 also has a frame that is empty at its end; the field of view stays that of all."""
    video = read_rows(tmp_path, ROWS, frames=(7, 10))
    assert video.attrs == {"field_of_view": [3, 7], "first_frame": 7}
    assert video.frame.values.tolist() == [0, 0, 1]
    assert video.n_frames.values.tolist() == [3]
    assert video.particle.values.tolist() == [1, 2, 1]
    with pytest.raises(InputError, match=r"its detections are in the frames 4 to 8"):
        read_rows(tmp_path, ROWS, frames=(20, 30))


def test_a_field_of_view_that_is_told(tmp_path):
    """Positions on its edge are inside of it."""
    video = read_rows(tmp_path, ROWS, field_of_view=(32, 7))
    assert video.attrs == {"field_of_view": [32, 7], "first_frame": 4}
    video = video.assign_attrs(field_of_view=[3, 7])
    xr.testing.assert_identical(video, read_rows(tmp_path, ROWS))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, r"column 'x', row 4: 7 px from the corner \(1 such rows\); expected 0 to 6.9"),
        ({"y": [1, 2, 3, 4, 5], "x": 1}, r"column 'y', row 5: 5 px .* \(2 such rows\)"),
        ({"y": [1, 2, -0.5, 3, 1], "x": 1}, r"column 'y', row 3: -0.5 px .* expected 0 to 3.5"),
    ],
)
def test_positions_outside_of_the_field_of_view(tmp_path, change, line):
    """The first in time is named, by its row in the file."""
    rows = ROWS.assign(**change).assign(t=[8, 7, 6, 5, 4], parent=-1)
    with pytest.raises(InputError, match=line) as error:
        read_rows(tmp_path, rows, field_of_view=(3.5, 6.9))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"x": [5.0, np.nan, 6.0, 7.0, 6.5]}, r"column 'x', row 2: found 'nan' \(1 such rows\)"),
        ({"area": [1, 2, np.inf, 3, 4]}, r"column 'area', row 3: found 'inf'"),
        (
            {"t": [4, 5.5, 7, 7, 8]},
            r"column 't', row 2: frame 5.5; expected a whole number, 0 or more",
        ),
        ({"y": [1.0, -30.0, 2.0, 3.0, 2.5]}, r"column 'y', row 2: -30 px"),
        ({"id": [10, 11, 12, 13, 11]}, r"column 'id', row 5: 11 names another row too"),
        ({"parent": [-1, 10, 11, 99, 12]}, r"column 'parent', row 4: no row has the 'id' 99"),
        ({"parent": [-1, 10, 13, 11, 12]}, r"row 3: parent 13 is in no earlier frame"),
        ({"parent": [10, -1, -1, -1, -1]}, r"row 1: parent 10 is in no earlier frame"),
        ({"frame": 0}, r"'frame' could be any of the columns t, frame"),
        ({"radius": [2, 2, 0, 1, -1]}, r"'radius', row 3: radius = 0 \(2 such rows\); .* > 0 px"),
        ({"radius": [2, 2, np.nan, 1, 1]}, r"column 'radius', row 3: found 'nan'"),
        ({"radius": 2, "area": [9, 0, 9, 9, 9]}, r"'area', row 2: area = 0 .* expected > 0 px²"),
        ({"label": [1, 1.5, 2, 3, 4]}, r"column 'label', row 2: 1.5; expected a whole number"),
    ],
)
def test_rows_that_are_refused(tmp_path, change, line):
    with pytest.raises(InputError, match=line) as error:
        read_rows(tmp_path, ROWS.assign(**change))
    assert "\n" not in str(error.value)


def test_columns_with_the_name_of_something_else_are_left_out(tmp_path):
    names = ("drift_x", "Drift_y", "diffusivity", "row_size", "pair_pixels", "landscape")
    rows = ROWS.assign(**dict.fromkeys(names, -1.0))
    xr.testing.assert_identical(read_rows(tmp_path, rows), read_rows(tmp_path, ROWS))
    video = read_rows(tmp_path, rows, columns={"speed": "drift_x"})
    assert video.speed.values.tolist() == [-1] * 5
    with pytest.raises(InputError, match=r"cells.csv: columns: 'drift_x' is the name of something"):
        read_rows(tmp_path, ROWS, columns={"drift_x": "area"})


@pytest.mark.parametrize("name", ["area", "intensity_mean"])
def test_descriptors_that_a_row_lacks_are_left_out(tmp_path, name):
    rows = ROWS.assign(**{name: [1, np.nan, 2, 3, 4]})
    without = read_rows(tmp_path, ROWS.drop(columns=name))
    xr.testing.assert_identical(read_rows(tmp_path, rows), without)
    with pytest.raises(InputError, match=rf"column '{name}', row 2: found 'nan'"):
        read_rows(tmp_path, rows, columns={"size": name})


def test_a_table_that_we_wrote_says_the_same(tmp_path):
    rows = read_rows(tmp_path, ROWS.assign(z=np.arange(5) + 0.25))
    links, _ = lineage.true_links(rows)
    tracks = lineage.tracks_of_links(rows, links, "drawn")
    tracks = tracks.drop_vars(["particle", "parent_particle"])
    video = read_rows(tmp_path, lineages.table(tracks))
    assert video.particle.values.tolist() == [1, 1, 2, 3, 2]
    assert video.parent_particle.values.tolist() == [-1, -1, 1, 1, 1]
    truth = ["particle", "parent_particle"]
    xr.testing.assert_identical(video.drop_vars(truth), rows.drop_vars(truth))


def test_a_table_given_is_kept_beside_its_tracks(tmp_path):
    """Rows in any order, of some frames: text, and columns by the names that ours have."""
    rows = ROWS.iloc[[4, 2, 0, 3, 1]].reset_index(drop=True)
    rows = rows.assign(track_id=["t8", "t7", "t4", "t7'", "t5"], size=[9.25, 9, np.nan, 10, 21])
    video = read_rows(tmp_path, rows, frames=(5, 9), columns={"particle": "id"})
    source = Source(table=str(tmp_path / "cells.csv"), frames=(5, 9), columns={"particle": "id"})
    given = detections.given(source)
    assert given["x"].tolist() == video["x"].values.tolist()
    assert given.index.tolist() == [4, 1, 3, 0]
    video = video.drop_vars(["particle", "parent_particle"])
    links = np.array([[0, 0, 1], [1, 2, 3]])
    table = lineages.table(lineage.tracks_of_links(video, links, "drawn"), given=given)
    kept = table[[*rows.columns.drop("track_id"), "track_id_given"]]
    kept = kept.rename(columns={"track_id_given": "track_id"})[rows.columns]
    pd.testing.assert_frame_equal(kept, rows.drop(index=2), check_index_type=False)
    assert table["track_id"].tolist() == [2, 2, 3, 1]
    assert table["parent_id"].tolist() == [1, 1, 1, 0]


def test_no_table_is_given_by_others(tmp_path):
    assert detections.given(write_geff(tmp_path / "g.zarr", EDGES)) is None


def test_our_table_of_a_given_one_is_read_again(tmp_path):
    """`t` and `frame`, `x` and `x_px` say the same: no choice to be made."""
    rows = ROWS.drop(columns=["id", "parent"])
    video = read_rows(tmp_path, rows)
    tracks = lineage.tracks_of_links(video, np.array([[0, 1], [1, 2]]), "drawn")
    given = detections.given(Source(table=str(tmp_path / "cells.csv")))
    again = read_rows(tmp_path, lineages.table(tracks, given=given))
    assert again["particle"].values.tolist() == [1, 1, 1, 2, 3]
    truth = ["particle", "parent_particle"]
    xr.testing.assert_identical(again.drop_vars(truth), video)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"track": [1, 1, 2, 2, 3]}, r"column 'track', row 4: 2 is in frame 7 already"),
        ({"parent_track": [-1, -1, 1, 1, -1]}, r"row 5: -1, but track 2 has another parent"),
        ({"parent_track": [-1, -1, 9, 1, 9]}, r"row 3: no row has the 'track' 9 \(2 such rows\)"),
        (
            {"t": [4, 7, 7, 8, 9]},
            r"column 'parent_track', row 3: track 2 is in frame 7, but its parent 1 lives until",
        ),
        ({"parent_track": [2, 2, -1, 1, -1]}, r"row 1: track 1 is in frame 4, but its parent 2"),
    ],
)
def test_tracks_that_are_refused(tmp_path, change, line):
    rows = ROWS.drop(columns=["id", "parent"])
    given = {"track": [1, 1, 2, 3, 2], "parent_track": [-1, -1, 1, 1, 1]}
    with pytest.raises(InputError, match=line):
        read_rows(tmp_path, rows.assign(**(given | change)))


def test_tables_that_are_refused(tmp_path):
    for rows, line in (
        (ROWS.drop(columns="x"), "no column 'x'. It has: id, t, y"),
        (ROWS.iloc[:0], "a table without rows"),
    ):
        with pytest.raises(InputError, match=line):
            read_rows(tmp_path, rows)
    with pytest.raises(InputError, match="no column 'POS_X'"):
        read_rows(tmp_path, ROWS.rename(columns={"x": "pos_x"}), columns={"x": "POS_X"})


# GEFF


def write_geff(
    path: Path,
    edges: list[tuple[int, int]],
    directed: bool = True,
    timed: bool = True,
    unit: str | None = None,
    unit_px: float = 1.0,
    scales: dict[str, float] | None = None,
    **more: np.ndarray,
) -> Source:
    """The detections of ROWS, counted from the centre of the first pixel, in a unit of length.

    Axes have other names, and some properties are left out.
    """
    axes = [{"name": "time", "type": "time"}]
    axes += [{"name": n, "type": "space", "unit": unit} for n in ("ZYX" if "Z" in more else "YX")]
    for axis in axes[1:] if scales else ():
        axis |= {"scale": scales.get(axis["name"]), "scaled_unit": None}
    columns = {"time": ROWS.t, "Y": (ROWS.y - 0.5) / unit_px, "X": (ROWS.x - 0.5) / unit_px}
    columns |= {"area": ROWS.area, "tracklet": ROWS.id, **more}
    properties = {
        name: {"values": np.array(values), "missing": None} for name, values in columns.items()
    }
    properties["seldom"] = {"values": np.arange(5.0), "missing": np.arange(5) == 2}
    properties["position"] = {"values": np.zeros((5, 2)), "missing": None}
    metadata = geff.GeffMetadata(
        directed=directed,
        axes=axes if timed else axes[1:],
        node_props_metadata={},
        edge_props_metadata={},
        track_node_props={"tracklet": "tracklet"},
    )
    ends = np.array(edges, np.uint64).reshape(-1, 2)
    names = ROWS["id"].to_numpy(np.uint64)
    write_arrays(path, names, properties, ends, {}, metadata, overwrite=True)
    return Source(geff=str(path))


EDGES = [(10, 11), (11, 12), (11, 13), (12, 14)]


def test_a_geff_is_the_table_of_its_nodes(tmp_path):
    video = detections.read(write_geff(tmp_path / "g.zarr", EDGES))
    assert video.node_id.values.tolist() == ROWS.id.tolist()
    rows = ROWS.drop(columns="intensity_mean")
    xr.testing.assert_identical(video.drop_vars("node_id"), read_rows(tmp_path, rows))


def test_the_edges_of_a_geff_in_any_order_and_direction(tmp_path):
    turned = [(b, a) for a, b in EDGES[::-1]]
    xr.testing.assert_identical(
        detections.read(write_geff(tmp_path / "a.zarr", turned, directed=False)),
        detections.read(write_geff(tmp_path / "b.zarr", EDGES)),
    )


@pytest.mark.parametrize(("unit", "um"), [("micrometer", 1.0), ("nanometer", 1e-3)])
def test_lengths_in_a_geff_become_px(tmp_path, unit, um):
    """0.25 µm a px: a unit is 4 or 0.004 px, also of a radius; nobody knows of areas."""
    path, px = tmp_path / "g.zarr", um / 0.25
    source = write_geff(path, EDGES, unit=unit, unit_px=px, radius=np.full(5, 3.0))
    line = rf"g.zarr: axis 'Y' is in units of a {unit}; .* Give pixel_size_um beside geff"
    with pytest.raises(InputError, match=line) as error:
        detections.read(source)
    assert "\n" not in str(error.value)
    video = detections.read(source.model_copy(update={"pixel_size_um": 0.25}))
    rows = read_rows(tmp_path, ROWS.drop(columns=["area", "intensity_mean"]).assign(radius=3 * px))
    xr.testing.assert_allclose(video.drop_vars("node_id"), rows)


def test_units_of_a_geff_that_are_px_and_frames_all_the_same(tmp_path):
    plain = detections.read(write_geff(tmp_path / "g.zarr", EDGES))
    for unit in ("pixel", "micrometer", "foot"):
        source = write_geff(tmp_path / "h.zarr", EDGES, unit=unit)
        told = source.model_copy(update={"columns": {"x": "X", "y": "Y"}, "pixel_size_um": 0.25})
        xr.testing.assert_identical(detections.read(told), plain)
    with pytest.raises(InputError, match=r"h.zarr: axis 'Y' is in units of a foot; .* Convert it"):
        detections.read(source.model_copy(update={"pixel_size_um": 0.25}))


def test_planes_of_a_geff_lie_as_far_apart_as_its_scales_say(tmp_path):
    """Planes 2 µm apart, px of 0.5 µm: plane 3 is 12 px beyond plane 0, whose centre is at ½."""
    planes, scales = np.arange(5.0), {"Z": 2.0, "Y": 0.5, "X": 0.5}
    for unit in ("pixel", None):
        source = write_geff(tmp_path / "g.zarr", EDGES, unit=unit, scales=scales, Z=planes)
        video = detections.read(source)
        assert video.z.values.tolist() == [0.5, 4.5, 8.5, 12.5, 16.5]
        assert video.x.values.tolist() == ROWS.x.tolist()
        assert "area" not in video
    told = source.model_copy(update={"columns": {"x": "X", "y": "Y", "z": "Z"}})
    assert detections.read(told).z.values.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    alike = write_geff(tmp_path / "g.zarr", EDGES, scales=dict.fromkeys("ZYX", 2.0), Z=planes)
    assert detections.read(alike).z.values.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert "area" in detections.read(alike)
    lengths = source.model_copy(update={"pixel_size_um": 0.5})
    write_geff(tmp_path / "g.zarr", EDGES, unit="micrometer", scales=scales, Z=planes)
    assert detections.read(lengths).z.values.tolist() == [0.5, 2.5, 4.5, 6.5, 8.5], "µm already"


@pytest.mark.parametrize("scales", [{"Y": 0.5, "X": 0.4}, {"Y": 0.5}, {"Y": -1.0, "X": -1.0}])
def test_pixels_of_a_geff_that_are_not_square_are_refused(tmp_path, scales):
    source = write_geff(tmp_path / "g.zarr", EDGES, scales=scales)
    with pytest.raises(InputError, match=r"g.zarr: the axes have the scales y .*; exp") as error:
        detections.read(source)
    assert "\n" not in str(error.value)


def test_a_sample_tells_its_geff_how_large_a_pixel_is():
    units = {"pixel_size_um": 0.5, "frame_interval_s": 1, "experiment": "lineages"}
    sample = Sample(cells={"geff": "g.geff"}, **units)
    assert sample.cells.pixel_size_um == 0.5
    assert Sample(**sample.model_dump()) == sample
    assert Sample(cells={"table": "t.csv"}, **units).cells.pixel_size_um is None
    other = {"geff": "g.geff", "pixel_size_um": 2}
    assert Sample(cells=other, **units).cells.pixel_size_um == 2


def test_a_geff_without_edges_tells_no_truth(tmp_path):
    assert "particle" not in detections.read(write_geff(tmp_path / "g.zarr", []))


@pytest.mark.parametrize("deep", [False, True])
def test_a_geff_that_we_wrote_says_the_same(tmp_path, deep):
    rows = read_rows(tmp_path, ROWS.drop(columns=["area", "intensity_mean"]))
    if deep:
        rows = rows.assign(z=("localization", np.arange(5) + 0.25))
    links, _ = lineage.true_links(rows)
    tracks = lineage.tracks_of_links(rows, links, "drawn")
    lineages.geff(tracks, tmp_path / "g.geff")
    video = detections.read(Source(geff=str(tmp_path / "g.geff"), field_of_view=(3, 7)))
    xr.testing.assert_identical(video.drop_vars("node_id"), rows)


def test_the_nodes_of_a_geff_keep_their_ids(tmp_path):
    """In any order of the nodes; in the table, in the GEFF and not among what a network may see."""
    video = detections.read(write_geff(tmp_path / "g.zarr", EDGES[3:], time=[8, 7, 4, 7, 5]))
    names = [12, 14, 11, 13, 10]
    assert video.node_id.values.tolist() == names
    links = np.array([[0, 1, 1], [1, 2, 3]])
    tracks = schema.check(lineage.tracks_of_links(video, links, "drawn"), schema.TRACKS, "tracks")
    assert lineages.table(tracks)["node_id"].tolist() == names
    lineages.geff(tracks, tmp_path / "h.zarr")
    graph, _ = geff.read(tmp_path / "h.zarr")
    assert {node: row["t"] for node, row in graph.nodes(data=True)} == dict(
        zip(names, [4, 5, 7, 7, 8], strict=True)
    )
    assert sorted(graph.edges) == [(12, 14), (14, 11), (14, 13)]
    assert "node_id" not in graphs.build(video, Graph()).attrs["node_feature"]


def test_a_geff_that_does_not_say_which_axis_is_time(tmp_path):
    source = write_geff(tmp_path / "g.zarr", EDGES, timed=False)
    with pytest.raises(InputError, match=r"g.zarr: no column 'frame'\. It has: .*time"):
        detections.read(source)
    told = detections.read(source.model_copy(update={"columns": {"frame": "time"}}))
    whole = detections.read(write_geff(tmp_path / "h.zarr", EDGES))
    xr.testing.assert_identical(told, whole)


def test_a_geff_that_is_refused(tmp_path):
    with pytest.raises(InputError, match="node 14 has several parents"):
        detections.read(write_geff(tmp_path / "g.zarr", [*EDGES, (13, 14)]))
    with pytest.raises(InputError, match="node 12 and node 13 are linked within frame 7"):
        detections.read(write_geff(tmp_path / "g.zarr", [(12, 13)]))
    with pytest.raises(InputError, match=r"an edge joins the nodes 12 and 99, which are not both"):
        detections.read(write_geff(tmp_path / "g.zarr", [*EDGES, (12, 99)]))
    none = read_rows(tmp_path, ROWS).isel(localization=[]).assign(row_size=("video", [0]))
    none = lineage.tracks_of_links(none, np.zeros((2, 0), int), "drawn")
    lineages.geff(none, tmp_path / "none.geff")
    with pytest.raises(InputError, match=r"none\.geff: a graph without nodes"):
        detections.read(Source(geff=str(tmp_path / "none.geff")))
    zarr.create_array(tmp_path / "m.zarr", data=np.zeros((4, 6, 8)))
    with pytest.raises(InputError, match=r"m.zarr: cannot be read as GEFF") as error:
        detections.read(Source(geff=str(tmp_path / "m.zarr")))
    assert "\n" not in str(error.value)
