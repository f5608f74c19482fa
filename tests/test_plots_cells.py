"""Figures of cells: what is drawn is what tracks and masks are, legible, in their colours."""

from typing import get_args

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from canvases import assert_legible, words_of
from drawn import SHAPE, family, merging, squares, tracked
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure as Canvas

from magik import (
    lineage,
    movies,
    plots,
    plots_cells,
    plots_matrix,
    plots_motion,
    plots_sweeps,
    schema,
)
from magik.config import Figure, Panel

WHOLE = movies.View(0, 0, 32, 24)
"""The field of view of the drawn tracks."""


@pytest.fixture
def axes():
    return Canvas((2, 2)).add_subplot()


@pytest.fixture
def tracks() -> xr.Dataset:
    return family()


@pytest.fixture
def labels(tracks) -> np.ndarray:
    return squares(tracks)


@pytest.fixture
def images(labels) -> np.ndarray:
    return np.random.default_rng(0).poisson(10, labels.shape).astype(np.uint16)


def _colour(track: int) -> tuple[float, ...]:
    return to_rgba(movies.PALETTE[track] / 255)


def _of(source: pd.DataFrame, series: str) -> pd.DataFrame:
    return source[source["series"].str.startswith(series)]


def _lines(axes) -> list[LineCollection]:
    return [each for each in axes.collections if isinstance(each, LineCollection)]


# segmentation --------------------------------------------------------------------------------


def test_regions_are_outlined_at_the_sides_of_their_pixels(axes):
    """Region 2 is one pixel, region 1 two; they touch.

    . 1 2
    . 1 .
    """
    labels = np.array([[0, 1, 2], [0, 1, 0]])
    source = plots_cells.segmentation(axes, None, labels)
    sides = {
        (row.value, *sorted([(row.x, row.y), (row.x_end, row.y_end)]))
        for row in source.itertuples()
    }
    assert sides == {
        (1, (1, 0), (2, 0)), (1, (1, 2), (2, 2)),
        (1, (1, 0), (1, 1)), (1, (1, 1), (1, 2)), (1, (2, 0), (2, 1)), (1, (2, 1), (2, 2)),
        (2, (2, 0), (3, 0)), (2, (2, 1), (3, 1)), (2, (2, 0), (2, 1)), (2, (3, 0), (3, 1)),
    }  # fmt: skip
    assert len(source) == len(sides)
    paint = axes.images[0].get_array()
    assert paint.shape == (2, 3, 4)
    np.testing.assert_allclose(paint[0, 1, :3], _colour(1)[:3])
    np.testing.assert_allclose(paint[0, 2, :3], _colour(2)[:3])
    assert paint[:, 0, 3].tolist() == [0, 0]


def test_regions_lie_on_the_image_in_the_colours_asked_for(axes, images, labels):
    source = plots_cells.segmentation(axes, images[0], labels[0], 0.5, {30: 7})
    assert source["value"].unique().tolist() == [30], "others are not shown"
    assert len(source) == 12
    np.testing.assert_array_equal(axes.images[0].get_array(), images[0])
    assert axes.images[0].get_extent() == axes.images[1].get_extent() == [0, 32, 24, 0]
    np.testing.assert_allclose(_lines(axes)[0].get_colors(), [_colour(7)] * 12)
    assert [text.get_text() for text in axes.texts] == ["5 µm"]


def test_a_frame_without_cells(axes):
    source = plots_cells.segmentation(axes, None, np.zeros(SHAPE, int))
    assert list(source.columns) == list(plots.COLUMNS)
    assert len(source) == 0


# graphs --------------------------------------------------------------------------------------


@pytest.fixture
def nodes() -> pd.DataFrame:
    return pd.DataFrame({"x": [1.0, 2.0, 9.0], "y": [1.0, 3.0, 5.0], "frame": [0, 1, 2]})


@pytest.mark.parametrize("kind", ["candidate", "link"])
def test_graphs_draw_all_nodes_and_edges(axes, nodes, kind):
    draw = plots_cells.candidate_graph if kind == "candidate" else plots_cells.link_graph
    source = draw(axes, nodes, np.array([[0, 0], [1, 2]]), (3, 10, 20))
    edges = _of(source, "edge" if kind == "candidate" else "link")
    assert edges[["x", "y", "frame", "x_end", "y_end", "frame_end"]].to_numpy().tolist() == [
        [1, 1, 0, 2, 3, 1],
        [1, 1, 0, 9, 5, 2],
    ]
    assert _of(source, "node")["x"].tolist() == [1, 2, 9]
    (lines,) = _lines(axes)
    assert len(lines.get_segments()) == 2
    (dots,) = [each for each in axes.collections if isinstance(each, PathCollection)]
    first, last = dots.get_facecolors()[[2, 0]]  # far ones first: nodes 2, 1, 0
    np.testing.assert_allclose(first[:3], [1, 1, 1])
    np.testing.assert_allclose(last, plots.ORANGES(1.0))
    assert last[0] > last[1] > last[2], "orange"
    assert (len(lines.get_colors()) == 2) == (kind == "link"), "links are coloured by frame"


def test_graphs_without_edges(axes, nodes):
    source = plots_cells.link_graph(axes, nodes, np.zeros((2, 0), int), (3, 10, 20))
    assert source["series"].tolist() == ["node"] * 3


# trajectories --------------------------------------------------------------------------------


def test_trajectories_are_the_links_in_the_colours_of_tracks(axes, tracks):
    source = plots_cells.trajectories(axes, tracks, WHOLE)
    links, divisions = _of(source, "link"), _of(source, "division")
    assert links["value"].value_counts().to_dict() == {1: 2, 2: 3, 3: 2, 4: 2}
    assert divisions[["x", "y", "frame", "y_end", "frame_end", "value"]].to_numpy().tolist() == [
        [10.5, 8.5, 9, 5.5, 10, 3],
        [10.5, 8.5, 9, 12.5, 10, 4],
    ]
    assert sorted(_of(source, "end")["value"]) == [2, 3, 4, 5], "A ends in a division"
    assert _of(source, "mother")[["x", "y", "value"]].to_numpy().tolist() == [[10.5, 8.5, 1]]
    (lines,) = _lines(axes)
    drawn = {
        (tuple(map(tuple, segment.tolist())), tuple(colour))
        for segment, colour in zip(lines.get_segments(), lines.get_colors(), strict=True)
    }
    assert (((10.5, 8.5), (10.5, 5.5)), _colour(2)) in drawn
    assert (((25.5, 20.5), (22.5, 20.5)), _colour(1)) in drawn, "over the gap"
    assert len(drawn) == 9, "B and C stay where they are: each one line, drawn twice"
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 32), (24, 0))


def test_trajectories_lie_on_the_image(axes, tracks, images):
    plots_cells.trajectories(axes, tracks, WHOLE, 0.5, images[5])
    np.testing.assert_array_equal(axes.images[0].get_array(), images[5])
    assert axes.images[0].get_extent() == [0, 32, 24, 0]
    assert [text.get_text() for text in axes.texts] == ["5 µm"]


# division ------------------------------------------------------------------------------------


def test_division_shows_the_mother_then_her_daughters(axes, tracks, images, labels):
    """The mother's frames -12, -6 and -2 before her last are all her first: shown once."""
    source = plots_cells.division(axes, tracks, images, labels, 0.5)
    crops = axes.child_axes
    assert [crop.texts[0].get_text() for crop in crops] == [
        f"frame {t}" for t in (7, 9, 10, 11, 12)
    ]
    assert source.groupby("frame")["value"].unique().map(sorted).to_dict() == {
        7: [1], 9: [1], 10: [3, 4], 11: [3, 4], 12: [3, 4],
    }  # fmt: skip
    for frame, crop in zip((7, 9, 10, 11, 12), crops, strict=True):
        left, right = crop.get_xlim()
        bottom, top = crop.get_ylim()
        own = source[source["frame"] == frame]
        assert own[["x", "x_end"]].to_numpy().min() > left
        assert own[["x", "x_end"]].to_numpy().max() < right
        assert own[["y", "y_end"]].to_numpy().min() > top
        assert own[["y", "y_end"]].to_numpy().max() < bottom
        x0, x1, y1, y0 = map(int, crop.images[0].get_extent())
        np.testing.assert_array_equal(crop.images[0].get_array(), images[frame - 7][y0:y1, x0:x1])
    first = source[(source["frame"] == 7) & (source["value"] == 1)]
    assert (first[["x", "x_end"]].min().min(), first[["x", "x_end"]].max().max()) == (7, 10)
    assert [tuple(c.get_colors()[0]) for c in _lines(crops[2])] == [_colour(2), _colour(3)]
    assert crops[-1].texts[-1].get_text().endswith("µm")


def test_a_border_without_counts_leaves_the_greys_of_a_crop(axes, tracks, images, labels):
    border = images.astype(float)
    border[:, :, :9] = np.nan  # the cells and their crops begin at 8
    plots_cells.division(axes, tracks, border, labels)
    for crop in axes.child_axes:
        assert np.isnan(crop.images[0].get_array().filled(np.nan)).any(), "test invalid"
        assert np.isfinite(crop.images[0].get_clim()).all()


def test_the_mother_who_is_seen_longest_is_chosen(axes, tracks, images, labels):
    """F = 10 divides after one frame only, but earlier: A is the one who is shown."""
    rows = list(zip(*(tracks[c].values for c in ("frame", "label", "y", "x")), strict=True))
    rows += [(0, 10, 2.5, 20.5), (1, 11, 2.5, 18.5), (1, 12, 2.5, 22.5)]
    links = [((0, 30), (1, 30)), ((1, 30), (2, 30)), ((2, 30), (3, 40)), ((2, 30), (3, 50))]
    both = tracked(rows, [*links, ((0, 10), (1, 11)), ((0, 10), (1, 12))])
    source = plots_cells.division(axes, both, None, None)
    assert set(source["x"]) == {8.5, 10.5}


@pytest.mark.parametrize("kind", ["dots", "3D"])
def test_division_without_masks_and_in_3d(axes, tracks, images, labels, kind):
    if kind == "dots":
        source = plots_cells.division(axes, tracks.drop_vars("label"), images, None)
        assert source[source["frame"] == 10][["x", "y", "value"]].to_numpy().tolist() == [
            [10.5, 5.5, 3],
            [10.5, 12.5, 4],
        ]
    else:
        deep = [np.stack([each * 0, each], axis=1) for each in (images, labels)]
        source = plots_cells.division(axes, tracks, *deep)
        flat = plots_cells.division(Canvas().add_subplot(), tracks, images, labels)
        pd.testing.assert_frame_equal(source, flat)


def test_without_a_division_the_panel_says_so(axes, tracks, images, labels):
    none = tracks.assign(parent=("track", [-1, -1, 0, -1, -1]))  # an only daughter
    assert len(plots_cells.division(axes, none, images, labels)) == 0
    assert [text.get_text() for text in axes.texts] == ["no division"]


# lineage tree --------------------------------------------------------------------------------


def test_lineage_tree_has_a_line_per_track(axes, tracks):
    """A lies amid B and C; D has a gap; E is a point. Frames are those of the recording."""
    source = plots_cells.lineage_tree(axes, tracks)
    runs, gaps, born = (_of(source, series) for series in ("track", "gap", "division"))
    assert runs.sort_values("value")[["value", "frame", "frame_end"]].to_numpy().tolist() == [
        [1, 7, 9], [2, 7, 8], [2, 11, 12], [3, 10, 12], [4, 10, 12], [5, 12, 12],
    ]  # fmt: skip
    assert gaps[["value", "frame", "frame_end"]].to_numpy().tolist() == [[2, 8, 11]]
    height = runs.groupby("value")["y"].first().to_dict()
    assert sorted([height[3], height[4]]) == [0, 1]
    assert height[1] == 0.5
    assert sorted(height.values()) == [0, 0.5, 1, 2, 3], "no two lines on one another"
    assert born[["value", "frame", "frame_end", "y", "y_end"]].to_numpy().tolist() == [
        [3, 9, 10, 0.5, height[3]],
        [4, 9, 10, 0.5, height[4]],
    ]
    assert axes.get_xlim() == (6.5, 12.5)
    _, drawn, _ = _lines(axes)
    colours = {tuple(c) for c in drawn.get_colors()}
    assert colours == {_colour(track) for track in range(5)}
    assert axes.get_ylabel() == "lineages"


def test_tracks_that_merge_are_joined_in_the_tree_and_on_the_plane(axes):
    """A and B meet in C; C alone divides."""
    tree = plots_cells.lineage_tree(axes, merging())
    assert _of(tree, "merge")["value"].tolist() == [3, 3]
    assert _of(tree, "division")["value"].tolist() == [4, 5]
    assert _of(tree, "merge")["y"].nunique() == 2, "from both lines"
    plane = plots_cells.trajectories(Canvas((2, 2)).add_subplot(), merging(), WHOLE)
    assert _of(plane, "merge")["x"].tolist() == [8.5, 8.5]
    assert _of(plane, "mother")["value"].tolist() == [3]
    assert plots_cells._longest_mother(merging()) == [2, 3, 4]


def test_of_many_lineages_the_largest_are_shown_and_the_rest_is_told(axes, tracks, monkeypatch):
    monkeypatch.setattr(plots_cells, "MOST_LANES", 3)
    source = plots_cells.lineage_tree(axes, tracks)
    assert set(source["value"]) == {1, 2, 3, 4}, "A with its daughters, D; not the single point"
    assert axes.get_ylabel() == "2 of 3 lineages"
    monkeypatch.setattr(plots_cells, "MOST_LANES", 1)
    one = plots_cells.lineage_tree(Canvas().add_subplot(), tracks)
    assert set(one["value"]) == {1, 3, 4}, "one family at least"


def test_granddaughters_stand_between_their_aunts(axes):
    """A -> B, C; C -> D, E: from above B, (A), D, (C), E."""
    rows = [(0, 1, 5, 5), (1, 2, 4, 5), (1, 3, 8, 5), (2, 4, 7, 5), (2, 5, 9, 5), (2, 2, 4, 5)]
    links = [((0, 1), (1, 2)), ((0, 1), (1, 3)), ((1, 3), (2, 4)), ((1, 3), (2, 5))]
    tree = tracked(rows, [*links, ((1, 2), (2, 2))])
    runs = _of(plots_cells.lineage_tree(axes, tree), "track")
    height = dict(zip(runs["value"].astype(int), runs["y"], strict=True))
    name = dict(zip(tree["track"].values + 1, tree["label"].values, strict=True))
    assert {name[track]: y for track, y in height.items()} == {1: 0.75, 2: 0, 3: 1.5, 4: 1, 5: 2}


# figures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["images and masks", "masks", "table", "3D"])
def test_every_text_of_a_sample_is_legible_and_inside(tracks, images, labels, kind):
    if kind == "3D":
        images, labels = (np.stack([each * 0, each], axis=1) for each in (images, labels))
    pair = (
        images if kind in ("images and masks", "3D") else None,
        None if kind == "table" else labels,
    )
    canvas, source = plots_cells.draw_lineages("sample", tracks, *pair, 0.5)
    assert source["panel"].unique().tolist() == ["a", "b", "c"]
    first = source[source["panel"] == "a"]
    assert first["frame"].unique().tolist() == [12], "the fullest frame"
    assert source["frame"].min() == 7, "numbered as in the recording"
    assert source["frame_end"].max() == 12
    assert "cells in frame 12" in words_of(canvas)
    assert_legible(canvas)


def test_a_table_is_seen_from_its_first_position_on(tracks):
    """Cells from (504.5, 505.5) to (526.5, 520.5); the field of view ends at the last of them."""
    far = tracks.assign(x=tracks["x"] + 500, y=tracks["y"] + 500).drop_vars("label")
    far = far.assign_attrs(field_of_view=[521, 527])
    canvas, _ = plots_cells.draw_lineages("sample", far, None, None)
    for axes in canvas.axes[:2]:
        assert axes.get_xlim() == (503, 527)
        assert axes.get_ylim() == (521, 504)
    canvas, _ = plots_cells.draw_lineages("sample", far, np.ones((6, 521, 527)), None)
    assert canvas.axes[0].get_xlim() == canvas.axes[1].get_xlim() == (0, 527)


def test_a_cell_has_one_colour_in_all_panels(tracks, labels):
    canvas, source = plots_cells.draw_lineages("sample", tracks, None, labels)
    cells, paths, tree = canvas.axes[:3]
    sides = source[source["panel"] == "a"]["value"].to_numpy()
    outline = dict(zip(sides, map(tuple, _lines(cells)[0].get_colors()), strict=True))
    assert outline == {40: _colour(2), 50: _colour(3), 90: _colour(1), 70: _colour(4)}
    assert _colour(3) in {tuple(c) for c in _lines(paths)[0].get_colors()}
    assert _colour(3) in {tuple(c) for c in _lines(tree)[1].get_colors()}


def test_a_sample_without_cells(images):
    empty = {name: ("localization", np.zeros(0)) for name in "xy"}
    whole = {name: ("localization", np.zeros(0, int)) for name in ("frame", "label", "track")}
    nothing = xr.Dataset(
        {**empty, **whole, "row_size": ("video", [0]), "n_frames": ("video", [6]),
         "parent": ("track", np.zeros(0, int))},
        attrs={"field_of_view": list(SHAPE), "linker": "drawn"},
    )  # fmt: skip
    canvas, source = plots_cells.draw_lineages("sample", nothing, images, images * 0)
    canvas.draw_without_rendering()
    assert len(source) == 0
    assert list(source.columns) == ["panel", *plots.COLUMNS]


def test_same_tracks_same_bytes(tmp_path, tracks, images, labels, monkeypatch):
    contents = []
    for now, moved in (("1", 0), ("2000000000", 0), ("1", 1)):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", now)
        case = tracks.assign(x=tracks["x"] + moved)
        canvas, source = plots_cells.draw_lineages("sample", case, images, labels, 0.5)
        paths = [str(tmp_path / f"figure.{kind}") for kind in ("pdf", "png", "csv")]
        plots.save(canvas, source, *paths)
        contents.append(
            [(tmp_path / f"figure.{kind}").read_bytes() for kind in ("pdf", "png", "csv")]
        )
    one, again, other = contents
    assert one == again
    assert all(ours != theirs for ours, theirs in zip(one, other, strict=True)), "test invalid"


def test_state_outside_the_figure_is_left_alone(tracks, labels):
    before = dict(mpl.rcParams)
    plots_cells.draw_lineages("sample", tracks, None, labels)
    assert dict(mpl.rcParams) == before


# panels of a declared figure -----------------------------------------------------------------

KINDS = {
    "a": "segmentation",
    "b": "candidate_graph",
    "c": "true_links",
    "d": "predicted_links",
    "e": "true_tracks",
    "f": "predicted_tracks",
    "g": "division",
}


def _figure(letters: str = "abcdefg", **settings) -> Figure:
    panels = {letter: {"panel": KINDS[letter], "of": "e"} | settings for letter in letters}
    return Figure.model_validate({"title": "A title", "panels": panels})


@pytest.fixture
def data(tracks, images, labels) -> dict:
    """Two videos. Truth of the first: as `tracks`, but E is D's daughter; the second is one cell.

    The candidates are A's first link and, untrue, from D to A; one of the second video.
    """
    particle = np.searchsorted([30, 40, 50, 70, 90], tracks["label"].to_numpy())
    parent = np.array([-1, 0, 0, 4, -1])[particle]
    row = "localization"
    rows = tracks.sizes[row]

    def both(name, second):
        return row, np.concatenate([tracks[name].to_numpy(), np.full(2, second)])

    twice = xr.Dataset(
        {
            "row_size": ("video", [rows, 2]),
            "n_frames": ("video", [6, 2]),
            "frame": (row, [*tracks["frame"].to_numpy(), 0, 1]),
            **{name: both(name, value) for name, value in (("x", 3.5), ("y", 4.5), ("label", 8))},
            "particle": (row, [*particle, 0, 0]),
            "parent_particle": (row, [*parent, -1, -1]),
            "track": (row, [*tracks["track"].to_numpy(), 5, 5]),
            "parent": ("track", [*tracks["parent"].to_numpy(), -1]),
        },
        attrs=tracks.attrs | {"threshold": 0.4},
    )
    edges = xr.Dataset(
        {
            "row_size": ("video", [rows, 2]),
            "n_edge": ("video", [2, 1]),
            "sender": ("edge", np.array([0, 1, 0])),
            "receiver": ("edge", np.array([2, 2, 1])),
            "probability": ("edge", np.float32([0.9, 0.1, 0.9])),
        },
        attrs={"max_lag": 2, "target_name": "linked", "trained_on": "{}"},
    )
    scores = pd.DataFrame(
        {
            "method": ["network", "network", "nearest", "nearest"],
            "quantity": ["candidate_f1", "lnk"] * 2,
            "value": [0.9937, 0.9922, 0.5, 0.5],
        }
    )
    every = {"tracks": twice, "edges": edges, "scores": scores}
    return dict.fromkeys(KINDS, every | {"cells": schema.Recording(images, labels)})


def _drawn(figure: Figure, data: dict) -> tuple[Canvas, pd.DataFrame]:
    return plots.draw(figure, data, plots_cells.PANELS)


def test_the_layouts_of_a_declared_figure_are_the_real_ones(data):
    schema.check(data["a"]["tracks"], schema.TRACKS, "tracks")
    schema.check(data["a"]["edges"], schema.EDGES, "edges")


def test_every_kind_of_panel_has_one_drawer():
    assert set(plots_cells.PANELS) == set(KINDS.values())
    drawing = (plots, plots_cells, plots_matrix, plots_motion, plots_sweeps)
    kinds = [kind for module in drawing for kind in module.PANELS]
    assert sorted(kinds) == sorted(get_args(Panel.model_fields["panel"].annotation))


def test_every_text_of_a_declared_figure_is_legible_and_inside(data):
    """Also where the sides of the field of view have four digits."""
    large = data["a"]["tracks"].assign_attrs(field_of_view=[1024, 1024])
    canvas, source = _drawn(_figure(), dict.fromkeys(KINDS, data["a"] | {"tracks": large}))
    assert source["panel"].unique().tolist() == list(KINDS)
    assert_legible(canvas)
    assert "x (1024 px)" in words_of(canvas)
    usual = {
        "cells in frame 12", "candidate graph", "true graph", "predicted graph, F1 0.994",
        "true tracks", "predicted tracks, LNK 0.992", "division",
    }  # fmt: skip
    assert usual <= set(words_of(canvas))


def test_links_of_the_first_video_are_drawn(data):
    _, source = _drawn(_figure("bcd"), data)
    ends = ["x", "y", "frame", "x_end", "y_end", "frame_end"]

    def links(letter, series):
        own = _of(source[source["panel"] == letter], series)
        return set(map(tuple, own[ends].to_numpy().tolist()))

    assert links("b", "edge") == {(8.5, 8.5, 7, 9.5, 8.5, 8), (26.5, 20.5, 7, 9.5, 8.5, 8)}
    assert len(links("c", "link")) == 11, "E is born in D's last frame: no link"
    assert links("d", "link") == {(8.5, 8.5, 7, 9.5, 8.5, 8)}
    assert {x for x, *_ in links("c", "link")} == {8.5, 9.5, 10.5, 26.5, 25.5, 22.5}
    for letter in "bcd":
        nodes = _of(source[source["panel"] == letter], "node")
        assert len(nodes) == 14
        assert 3.5 not in nodes["x"].to_numpy(), "of the second video"


def test_predicted_links_are_the_edges_above_the_threshold_of_the_tracks(data):
    """Whether they became links of tracks or not: their classification is what F1 is of."""
    for threshold, drawn in ((0.9, 0), (0.1, 1), (0.05, 2)):
        tracks = data["d"]["tracks"].assign_attrs(threshold=threshold)
        edges = data["d"]["edges"].assign(probability=("edge", np.array([0.9, 0.1, 0.9])))
        _, source = _drawn(_figure("d"), {"d": data["d"] | {"tracks": tracks, "edges": edges}})
        assert len(_of(source, "link")) == drawn


def test_true_tracks_follow_the_particles_not_the_tracks_found(data):
    """No link is found into frame 5; the true tracks are whole."""
    given = data["e"]["tracks"]
    links, _ = lineage.links_of_tracks(given)
    early = given["frame"].to_numpy()[links[1]] < 5
    cut = lineage.tracks_of_links(given, links[:, early], "cut")
    _, source = _drawn(_figure("ef"), dict.fromkeys("ef", data["e"] | {"tracks": cut}))
    lines = source[source["series"].str.startswith(("link", "division"))]
    assert lines.groupby("panel").size().to_dict() == {"e": 11, "f": 8}
    assert lines[lines["frame_end"] == 12]["panel"].unique().tolist() == ["e"]


def test_segmentation_is_the_fullest_frame_in_the_colours_of_its_tracks(data):
    """Which are those of the particles: A, B, C, E, D."""
    canvas, source = _drawn(_figure("ae"), data)
    sides = source[source["panel"] == "a"]
    assert sides["frame"].unique().tolist() == [12]
    painted = map(tuple, _lines(canvas.axes[0])[0].get_colors())
    outline = dict(zip(sides["value"], painted, strict=True))
    assert outline == {40: _colour(1), 50: _colour(2), 70: _colour(3), 90: _colour(4)}
    paths = set(map(tuple, _lines(canvas.axes[1])[0].get_colors()))
    assert paths == {_colour(particle) for particle in (0, 1, 2, 4)}


@pytest.mark.parametrize("kind", ["masks", "images", "nothing"])
def test_without_masks_segmentation_draws_dots_without_images_on_dark_ground(data, kind):
    cells = data["a"]["cells"]
    given = cells._replace(**{"masks": {"images": None}, "images": {"labels": None},
                              "nothing": {"images": None, "labels": None}}[kind])  # fmt: skip
    canvas, source = _drawn(_figure("a"), {"a": data["a"] | {"cells": given}})
    assert_legible(canvas)
    dots = source[source["series"].str.startswith("cell")]
    assert len(dots) == (0 if kind == "masks" else 4)
    assert (len(source) == len(dots)) == (kind != "masks")
    has_image = any(image.get_array().shape == SHAPE for image in canvas.axes[0].images)
    assert has_image == (kind == "images")


@pytest.mark.parametrize(("px_um", "bar"), [(0.5, "5 µm"), (None, "10 px")])
def test_a_title_and_a_pixel_size_are_heeded(data, px_um, bar):
    canvas, _ = _drawn(_figure("abdf", title="own", pixel_size_um=px_um), data)
    words = words_of(canvas)
    assert words.count("own") == 4
    assert not any("cells" in word or "F1" in word or "LNK" in word for word in words)
    assert words.count(bar) == 2, "cells and tracks"


def test_without_a_score_a_title_says_none(data):
    """Of no network, or of nothing that could be scored."""
    scores = data["d"]["scores"]
    for table in (scores[2:], scores.assign(value=np.nan)):
        case = dict.fromkeys("df", data["d"] | {"scores": table})
        words = words_of(_drawn(_figure("df"), case)[0])
        assert {"predicted graph", "predicted tracks"} <= set(words)


def test_a_declared_figure_of_no_cells(data):
    """The first video is empty; the second one is not drawn in its place."""
    given = data["a"]["tracks"].isel(localization=slice(-2, None), track=slice(5, None))
    given = given.assign(row_size=("video", [0, 2]), track=("localization", [0, 0]))
    edges = data["a"]["edges"].isel(edge=slice(2, None))
    edges = edges.assign(row_size=("video", [0, 2]), n_edge=("video", [0, 1]))
    case = dict.fromkeys(KINDS, data["a"] | {"tracks": given, "edges": edges})
    canvas, source = _drawn(_figure(), case)
    canvas.draw_without_rendering()
    assert len(source) == 0
    assert "no division" in words_of(canvas)
