"""Figures: what is drawn is what the source data say, legible, whole and the same every time."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from canvases import assert_legible, words_of
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure as Canvas

from magik import plots, schema
from magik.config import Figure, Panel, Sample

SAMPLE = Sample(table="t.csv", pixel_size_um=0.5, frame_interval_s=0.1, experiment="diffusivity")


@pytest.fixture
def axes():
    return Canvas((2, 2)).add_subplot()


@pytest.fixture
def predictions() -> xr.Dataset:
    """Two videos: three localizations in each; √(2D) true 0.2, 0.4, NaN, predicted a bit more."""
    x, y = np.array([[1.0, 2, 9, 4, 5, 6], [1.0, 3, 5, 7, 9, 2]])
    truth = np.float32([0.2, 0.4, np.nan, 1, 1, 1])
    return xr.Dataset(
        {
            "row_size": ("video", [3, 3]),
            "frame": ("localization", [0, 1, 1, 0, 1, 2]),
            "x": ("localization", x),
            "y": ("localization", y),
            "prediction": ("localization", np.float32([0.3, 0.4, 0.5, 1, 1, 1])),
            "target": ("localization", truth),
        },
        attrs={
            "field_of_view": [10, 20],
            "target_name": "displacement_scaling",
            "trained_on": "{}",
        },
    )


@pytest.fixture
def graphs() -> xr.Dataset:
    """Edges 0 -> 1 and 0 -> 2 of the first video; one edge of the second."""
    features = {"node_features": (("node", "node_feature"), np.zeros((6, 1)))}
    features["edge_features"] = (("edge", "edge_feature"), np.zeros((3, 1)))
    return xr.Dataset(
        {
            "n_node": ("graph", [3, 3]),
            "n_edge": ("graph", [2, 1]),
            "n_frames": ("graph", [2, 3]),
            "length_px": ("graph", [20.0, 20.0]),
            **features,
            "edge_index": (("end", "edge"), [[0, 0, 1], [1, 2, 2]]),
            "frame": ("node", [0, 1, 1, 0, 1, 2]),
            "distance": ("edge", np.zeros(3)),
            "localization": ("node", np.arange(6)),
        },
        attrs={"field_of_view": [10, 20], "radius": 0.2, "max_lag": 2, "unit": "field_of_view",
               "axes": ["x", "y"], "node_feature": ["x"], "edge_feature": ["distance"]},
    )  # fmt: skip


@pytest.fixture
def maps() -> xr.Dataset:
    """A true map from 0.01 to 1 px²/frame; estimates 2 (nearest) and 3 times (kernel) too high."""
    truth = np.geomspace(0.01, 1, 32).reshape(1, 4, 8)
    factor = np.array([2, 3])[:, None, None, None, None] * np.ones((1, 2, 1, 1, 1))
    return xr.Dataset(
        {
            "diffusivity": (
                ("read_out", "duration", "video", "grid_y", "grid_x"),
                factor * truth,
            ),
            "duration": ("duration", [100, 1500]),
            "landscape": (("video", "grid_y", "grid_x"), truth),
        },
        attrs={"field_of_view": [10, 20], "read_out": ["nearest", "kernel"]},
    )


@pytest.fixture
def movie() -> xr.Dataset:
    counts = np.random.default_rng(0).poisson(10, (3, 10, 20)).astype(np.uint16)
    return xr.Dataset(
        {"counts": (("image", "y", "x"), counts), "row_size": ("video", [3])},
        attrs={"field_of_view": [10, 20]},
    )


SCORES = pd.DataFrame(
    {
        "method": ["network", "network", "lap_hmm"],
        "quantity": ["mae_displacement_scaling", "mae_diffusivity", "mae_diffusivity"],
        "value": [0.054, 0.048, 0.9],
    }
)
FIG4 = Figure.model_validate(
    {
        "title": "A title",
        "panels": {
            "a": {"panel": "frame", "of": "e"},
            "b": {"panel": "truth_graph", "of": "e"},
            "c": {"panel": "predicted_graph", "of": "e"},
            "d": {"panel": "density", "of": "e"},
            "e": {"panel": "true_map", "of": "e"},
            "f": {"panel": "map", "of": "e", "duration": "shortest"},
            "g": {"panel": "map", "of": "e", "duration": 1500, "read_out": "kernel"},
        },
    }
)


def _only(letters: str) -> Figure:
    return FIG4.model_copy(update={"panels": {letter: FIG4.panels[letter] for letter in letters}})


@pytest.fixture
def everything(movie, graphs, predictions, maps) -> dict:
    every = {"movie": movie, "graphs": graphs, "predictions": predictions, "maps": maps}
    return dict.fromkeys(FIG4.panels, every | {"scores": SCORES})


def test_the_layouts_of_these_tests_are_the_real_ones(movie, graphs, predictions, maps):
    schema.check(movie, schema.MOVIE, "movie")
    schema.check(graphs, schema.GRAPHS, "graphs")
    schema.check(predictions, schema.PREDICTIONS, "predictions")
    schema.check(maps, schema.MAPS, "maps")


# panels --------------------------------------------------------------------------------------


def test_frame_shows_the_image(axes, movie):
    image = movie.counts[0].to_numpy()
    source = plots.frame(axes, image)
    np.testing.assert_array_equal(axes.images[0].get_array(), image)
    np.testing.assert_array_equal(source["value"].to_numpy().reshape(10, 20), image)
    assert source["x"].iloc[[0, 19, 20]].tolist() == [0.5, 19.5, 0.5]


def test_frame_of_small_or_equal_counts_uses_all_greys(axes):
    """Also of images from 0 to 1; a flat one is dark."""
    plots.frame(axes, np.linspace(0, 1, 100).reshape(10, 10))
    assert axes.images[0].get_clim() == pytest.approx((0, 1), abs=0.01)
    plots.frame(axes, np.full((10, 10), 0.5))
    assert axes.images[1].get_clim() == (0.5, 1.5)


def test_pixels_without_a_count_leave_the_greys_of_the_others(axes):
    image = np.linspace(0, 1, 100).reshape(10, 10)
    image[:, :2] = np.nan
    plots.frame(axes, image)
    assert axes.images[0].get_clim() == pytest.approx((0.02, 1), abs=0.01)
    plots.frame(axes, np.full((10, 10), np.nan))
    assert axes.images[1].get_clim() == (0, 1)


@pytest.mark.parametrize(
    ("width", "px_um", "label", "px"),
    [(32, None, "10 px", 10), (64, None, "20 px", 20), (240, 1 / 2.85, "20 µm", 57),
     (120, 0.16, "5 µm", 31.25), (10, 0.1, "0.2 µm", 2)],
)  # fmt: skip
def test_scale_bar_is_as_long_as_it_says(axes, width, px_um, label, px):
    plots.frame(axes, np.arange(width * width).reshape(width, width), px_um)
    assert [text.get_text() for text in axes.texts] == [label]
    left, right = axes.lines[0].get_xdata()  # in parts of the width
    assert (right - left) * width == pytest.approx(px)


def test_graph_draws_the_first_video_and_all_its_edges(everything):
    canvas, source = plots.draw(_only("b"), everything, plots.PANELS)
    edges = source[source["series"] == "edge"]
    nodes = source[source["series"].str.startswith("node")]
    assert edges[["x", "y", "frame", "x_end", "y_end", "frame_end"]].to_numpy().tolist() == [
        [1, 1, 0, 2, 3, 1],
        [1, 1, 0, 9, 5, 1],
    ]
    assert nodes["x"].tolist() == [1, 2, 9]
    np.testing.assert_allclose(nodes["value"], [0.2, 0.4, np.nan], rtol=1e-6)
    (lines,) = canvas.findobj(LineCollection)[:1]
    assert len(lines.get_segments()) == 2


def test_the_box_of_a_graph_holds_objects_that_left_the_field_of_view():
    nodes = pd.DataFrame({"frame": [0, 3], "y": [1.0, 12.5], "x": [-4.2, 19.0]})
    extent, corner = plots.box_of(nodes, 4, [10, 20])
    assert (extent, corner) == ((4, 13, 25), (0, 0, -5))
    assert plots.box_of(nodes[1:], 4, [20, 20]) == ((4, 20, 20), (0, 0, 0))
    t, y, x = (0, 1), (1 / 13, 12.5 / 13), (0.8 / 25, 24 / 25)
    expected = [plots.oblique(*place) for place in zip(t, y, x, strict=True)]
    np.testing.assert_allclose(plots.in_box(nodes, extent, corner), expected)


def test_truth_and_prediction_share_their_colours(everything):
    """Node 1 has the same value in both, node 0 has not, node 2 has no truth and is grey."""
    colours = {}
    for letter in "bc":
        canvas, _ = plots.draw(_only(letter), everything, plots.PANELS)
        canvas.draw_without_rendering()
        (nodes,) = [c for c in canvas.axes[0].collections if isinstance(c, PathCollection)]
        colours[letter] = nodes.get_facecolors()  # far ones first: nodes 2, 1, 0
    np.testing.assert_array_equal(colours["b"][1], colours["c"][1])
    assert not np.array_equal(colours["b"][2], colours["c"][2])
    np.testing.assert_array_equal(colours["b"][0], mpl.colors.to_rgba("0.75"))


def test_density_counts_pairs(axes):
    """Two localizations at (0.1, 0.1), one at (0.1, 0.9), one at (0.9, 0.9)."""
    truth, predicted = np.array([0.1, 0.1, 0.1, 0.9]), np.array([0.1, 0.1, 0.9, 0.9])
    source = plots.density(axes, truth, predicted, "MAE", bins=2)
    filled = source[source["series"].str.startswith("bin")]
    top = 1.02 * 0.9
    expected = [[top / 4, top / 4, 2], [top / 4, 3 * top / 4, 1], [3 * top / 4, 3 * top / 4, 1]]
    np.testing.assert_allclose(filled[["x", "y", "value"]], expected)
    drawn = axes.collections[0].get_array().reshape(2, 2)  # rows are predictions
    assert drawn[0, 0] == 2
    assert drawn.mask.tolist() == [[False, True], [False, False]]
    np.testing.assert_allclose(axes.lines[0].get_xdata(), axes.lines[0].get_ydata())


def test_density_of_unknown_truth_is_not_drawn(everything):
    canvas, source = plots.draw(_only("d"), everything, plots.PANELS)
    filled = source[source["series"].str.startswith("bin")]
    assert filled["value"].sum() == 5, "six localizations, one without truth"
    assert "MAE √(2D) 0.054, D 0.048" in words_of(canvas)


def test_colour_bars_lie_below_their_panels_in_one_line(everything):
    canvas, _ = plots.draw(_only("bcd"), everything, plots.PANELS)
    panels, bars = canvas.axes[::2], canvas.axes[1::2]
    assert [bar.get_xlabel() for bar in bars] == [plots.SCALING, plots.SCALING, "localizations"]
    assert len({bar.get_position().bounds[1::2] for bar in bars}) == 1
    canvas.draw_without_rendering()
    for panel, bar in zip(panels, bars, strict=True):
        lowest = panel.get_tightbbox().y0 if panel.axison else panel.get_window_extent().y0
        assert bar.get_window_extent().y1 < lowest


def test_map_lies_over_the_field_of_view(axes, maps):
    grid = maps.landscape[0].to_numpy()
    source = plots.diffusion_map(axes, grid, (10, 20), (0.01, 1))
    assert axes.images[0].get_extent() == [0, 20, 10, 0]
    np.testing.assert_allclose(source["value"], grid.ravel())
    assert source[["x", "y"]].iloc[[0, -1]].to_numpy().tolist() == [[1.25, 1.25], [18.75, 8.75]]


def test_maps_share_the_limits_of_the_true_one(everything):
    canvas, source = plots.draw(FIG4, everything, plots.PANELS)
    images = [axes.images[0] for axes in canvas.axes if axes.images][1:]  # after the frame
    assert len(images) == 3
    for image in images:
        assert image.get_clim() == pytest.approx((0.01, 1))
    first = source[source["y"] == 1.25].groupby("panel")["value"].first()
    np.testing.assert_allclose(first[["e", "f", "g"]], [0.01, 0.02, 0.03])
    assert {"map from 100 frames", "map from 1,500 frames, kernel"} <= set(words_of(canvas))


def test_a_map_with_holes_and_zeros(axes):
    grid = np.array([[np.nan, 0.0], [0.1, 1.0]])
    plots.diffusion_map(axes, grid, (2, 2), (0.1, 1))
    paint = axes.images[0]
    colours = paint.cmap(paint.norm(paint.get_array()))
    np.testing.assert_allclose(colours[0, 0], mpl.colors.to_rgba("0.75"))
    np.testing.assert_allclose(colours[0, 1], colours[1, 0])  # below the limits as at the limit


def test_overlay_puts_positions_at_the_centres_of_pixels(axes):
    """What lies in the middle of pixel [1, 0] or [2, 3] is drawn in the middle of that pixel."""
    table = pd.DataFrame({"x_px": [0.5, 3.5], "y_px": [1.5, 2.5], "frame": [5, 5]})
    table["diffusivity_um2_s"] = [0.0, 1.0]
    image = np.zeros((4, 6))
    image[1, 0] = image[2, 3] = 1
    source = plots.overlay(axes, table, (4, 6), (0.1, 1), 0.5, image)
    drawn = axes.collections[0].get_offsets()
    assert drawn.tolist() == [[0.5, 1.5], [3.5, 2.5]]
    left, right, bottom, top = axes.images[0].get_extent()
    assert (right - left, bottom - top) == (6, 4), "a pixel is as wide as one px"
    under = image[tuple(((drawn - (left, top)) // 1).astype(int).T[::-1])]
    assert under.tolist() == [1, 1]
    assert source[["x", "y", "frame", "value"]].to_numpy().tolist() == [
        [0.5, 1.5, 5, 0],
        [3.5, 2.5, 5, 1],
    ]


def test_distribution_counts_every_localization(axes):
    source = plots.distribution(axes, np.array([0.0, 0.2, 0.4, 50.0]), (0.1, 10), bins=2)
    assert source["value"].tolist()[:2] == [3, 1]
    np.testing.assert_allclose(source["x"], [np.sqrt(0.1), np.sqrt(10), 0.3])


@pytest.mark.parametrize(
    "limits", [(0.005, 0.8), (0.01, 1), (0.21, 0.88), (1, 1.0e3), (3.1, 3.9), (2e-4, 5e3)]
)
def test_logarithmic_scales_have_three_labels_or_more(axes, limits):
    plots.distribution(axes, np.array([1.0]), limits)
    low, high = limits
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert 3 <= len(ticks) <= 9
    labels = [label.get_text() for label in axes.get_xticklabels()]
    np.testing.assert_allclose([float(label) for label in labels], ticks)


# figures -------------------------------------------------------------------------------------


def _sample(maps, movie) -> tuple[Canvas, pd.DataFrame]:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"frame": [0, 1, 1, 2], "diffusivity_um2_s": rng.uniform(0.1, 1, 4)})
    table["x_px"], table["y_px"] = rng.uniform(0, 10, (2, 4))
    return plots.draw_sample("sample", table, maps, SAMPLE, movie)


def test_sample_is_drawn_in_physical_units(maps, movie):
    canvas, source = _sample(maps, movie)
    grid = source.loc[source["series"].str.startswith("map"), "value"]
    px2_frame = maps.landscape.values.ravel() * 3  # the kernel read-out
    np.testing.assert_allclose(grid, px2_frame * 0.5**2 / 0.1)
    shown = source[source["series"].str.startswith("localization")]
    assert shown["frame"].tolist() == [1, 1], "only those of the image beneath them"
    np.testing.assert_array_equal(canvas.axes[0].images[0].get_array(), movie.counts[1])
    _, without = _sample(maps, None)
    assert (without["series"].str.startswith("localization")).sum() == 4


@pytest.mark.parametrize("kind", ["paper", "movie", "table"])
def test_every_text_is_legible_and_inside_the_figure(kind, everything, maps, movie):
    if kind == "paper":
        canvas, source = plots.draw(FIG4, everything, plots.PANELS)
        assert source["panel"].unique().tolist() == list(FIG4.panels)
        assert set(FIG4.panels) <= set(words_of(canvas))
    else:
        canvas, _ = _sample(maps, movie if kind == "movie" else None)
    assert_legible(canvas)


def test_every_axis_and_colour_bar_has_a_unit(everything):
    canvas, _ = plots.draw(FIG4, everything, plots.PANELS)
    canvas.draw_without_rendering()
    ticked = [
        axes for axes in canvas.findobj(mpl.axes.Axes) if axes.axison and len(axes.get_xticks())
    ]
    assert len(ticked) == 1 + 1 + 2 + 3, "density, its bar, two of graphs, three of maps"
    for axes in ticked:
        assert axes.get_xlabel() == "localizations" or "px" in axes.get_xlabel()


def test_a_read_out_is_refused_where_there_is_no_map():
    with pytest.raises(ValueError, match="read_out belongs to a panel of kind 'map'"):
        Panel(panel="frame", of="e", read_out="kernel")


def _saved(folder, canvas, source) -> dict[str, bytes]:
    paths = {kind: folder / f"figure.{kind}" for kind in ("pdf", "png", "csv")}
    plots.save(canvas, source, *map(str, paths.values()))
    assert sorted(folder.iterdir()) == sorted(paths.values()), "nothing else is left behind"
    return {kind: path.read_bytes() for kind, path in paths.items()}


def test_same_data_same_bytes(tmp_path, everything, monkeypatch):
    """Also at another time: SOURCE_DATE_EPOCH is what matplotlib takes for now."""
    contents = []
    for now, shift in (("1", 0), ("2000000000", 0), ("1", 1)):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", now)
        moved = everything["a"]["movie"].copy()
        moved["counts"] = moved["counts"] + np.arange(20, dtype=np.uint16) * shift
        canvas, source = plots.draw(_only("ab"), everything | {"a": {"movie": moved}}, plots.PANELS)
        folder = tmp_path / f"{now}-{shift}"
        folder.mkdir()
        contents.append(_saved(folder, canvas, source))
    one, again, other = contents
    assert one == again
    assert all(one[kind] != other[kind] for kind in one), "test invalid"


def test_source_data_of_nothing():
    """Of no part or of empty ones, whatever their columns, a table of the same types."""
    some = pd.DataFrame({"x": [1], "series": ["node"]})
    types = plots.source_data(some).dtypes
    for parts in ((), (some[:0],), (some[:0], pd.DataFrame({"value": []}))):
        nothing = plots.source_data(*parts)
        assert len(nothing) == 0
        assert nothing.dtypes.equals(types)
    assert plots.source_data(some[:0], some)["x"].tolist() == [1]


def test_a_title_takes_the_place_of_the_usual_one_and_stands_before_an_error(everything):
    panels = {a: FIG4.panels[a].model_copy(update={"title": f"own {a}"}) for a in "abdef"}
    words = {}
    for name, given in (("usual", _only("abdef").panels), ("own", panels)):
        figure = FIG4.model_copy(update={"panels": given})
        words[name] = set(words_of(plots.draw(figure, everything, plots.PANELS)[0]))
    assert words["own"] - words["usual"] == {
        "own a", "own b", "own d, MAE √(2D) 0.054, D 0.048", "own e", "own f",
    }  # fmt: skip
    assert words["usual"] - words["own"] == {
        "rendered frame", "true graph", "MAE √(2D) 0.054, D 0.048", "true map",
        "map from 100 frames",
    }  # fmt: skip


def test_a_pixel_size_gives_the_frame_a_scale_bar_in_um(everything):
    panel = FIG4.panels["a"].model_copy(update={"pixel_size_um": 0.5})
    for one, label in ((FIG4.panels["a"], "5 px"), (panel, "2 µm")):
        canvas, _ = plots.draw(
            FIG4.model_copy(update={"panels": {"a": one}}), everything, plots.PANELS
        )
        assert label in words_of(canvas)


def test_source_data_read_back(tmp_path, everything):
    canvas, source = plots.draw(_only("bd"), everything, plots.PANELS)
    _saved(tmp_path, canvas, source)
    read = pd.read_csv(tmp_path / "figure.csv")
    assert list(read.columns) == ["panel", *plots.COLUMNS]
    pd.testing.assert_frame_equal(read, source, rtol=1e-5, check_dtype=False)


def test_state_outside_the_figure_is_left_alone(everything):
    before = dict(mpl.rcParams)
    plots.draw(FIG4, everything, plots.PANELS)
    assert dict(mpl.rcParams) == before
