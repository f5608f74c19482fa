"""Figures of motion: source data say what is drawn, of the right video, node and head."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from canvases import assert_legible
from drawn import crossing, video
from matplotlib.figure import Figure as Canvas

from magik import graphs, metrics, plots, plots_motion, schema
from magik.config import Figure, Graph, Panel
from magik.errors import InputError

DRAWERS = plots.PANELS | plots_motion.PANELS


@pytest.fixture
def axes():
    return Canvas((2, 2)).add_subplot()


def draw(data: dict, *panels: dict) -> tuple[Canvas, pd.DataFrame]:
    """A figure of some panels, all of the same data."""
    lettered = {letter: {"of": "e"} | one for letter, one in zip("abcdefgh", panels, strict=False)}
    figure = Figure.model_validate({"title": "A title", "panels": lettered})
    return plots.draw(figure, dict.fromkeys(lettered, data), DRAWERS)


def rows(source: pd.DataFrame, series: str) -> pd.DataFrame:
    return source[source["series"].str.startswith(series)]


def titles(canvas: Canvas) -> list[str]:
    return [axes.get_title() for axes in canvas.axes if axes.get_title()]


# data ----------------------------------------------------------------------------------------


@pytest.fixture
def fractions() -> xr.Dataset:
    """Five videos, three classes; the fourth is in doubt, the last without a localization."""
    truth = np.array([[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1], [0.2, 0.4, 0.4], [0, 1, 0]])
    said = truth.copy()
    said[1] = [0.2, 0.7, 0.1]
    said[4] = np.nan
    return schema.check(
        xr.Dataset(
            {
                "prediction": (("video", "output"), said.astype(np.float32)),
                "target": (("video", "output"), truth.astype(np.float32)),
            },
            attrs={
                "target_name": "fractions", "output": ["fbm", "attm", "slow"], "trained_on": "{}",
            },
        ),
        schema.VIDEO_PREDICTIONS,
        "predictions",
    )  # fmt: skip


@pytest.fixture
def videos() -> xr.Dataset:
    """Three videos in space: a spurious detection and class attm; attm and fbm mixed; fbm alone."""
    parts = [video([(0, 1.0, 2, 0), (1, 2.0, 2, 0)]) for _ in range(3)]
    one = xr.concat(parts, "localization", data_vars="minimal").drop_vars(["row_size", "n_frames"])
    row = "localization"
    return one.assign(
        row_size=("video", [2, 2, 2]),
        n_frames=("video", [2, 2, 2]),
        z=(row, [0.0, 9, 0, 9, 3, 5]),
        motion=(row, [1, -1, 0, 1, 0, 0]),
    ).assign_attrs(motions=["fbm", "attm", "ctrw"])


@pytest.fixture
def switching() -> tuple[xr.Dataset, xr.Dataset]:
    """Predictions and localizations: particle 1 is seen longest and changes in frames 2 and 4."""
    drawn = video([(t, 1.0, t, 1) for t in range(6)] + [(t, 5.0, t, 0) for t in range(3)])
    own = drawn["particle"].to_numpy() == 1
    truth = np.full(9, 0.4)
    truth[own] = [1, 1, 2, 2, 3, 3]
    row = "localization"
    predictions = drawn[["row_size", "frame", "x", "y"]].assign(
        prediction=(row, truth + 0.5), target=(row, truth)
    )
    return predictions.assign_attrs(
        field_of_view=[10, 10], target_name="displacement_scaling", trained_on="{}"
    ), drawn


@pytest.fixture
def seen() -> dict:
    """Two particles that cross, 4 frames in 4 px; the target is particle 0 in frame 1 (row 2)."""
    drawn = crossing().assign_attrs(field_of_view=[4.0, 4.0])
    row = "localization"
    built = graphs.build(drawn, Graph(radius=0.5))
    weight = np.arange(2 * 3 * 8).reshape(2, 3, 8) + 1.0
    head = ("block", "head")
    attention = xr.Dataset(
        {
            **{name: (row, drawn[name].to_numpy()) for name in ("frame", "x", "y", "particle")},
            "attention": ((*head, row), weight / 100),
            "token": (head, np.full((2, 3), 0.1)),
            "ratio": (("video", *head), np.full((4, 2, 3), 2.0)),
            "matched": ("video", np.full(4, 0.9)),
            "contrast": (head, np.array([[1, 1, 1], [2.0, 3, 4]])),
            "contrast_se": (head, np.array([[0, 0, 0], [0.1, 0.2, np.nan]])),
        },
        attrs={"target": 2, "n_frames": 4, "field_of_view": [4.0, 4.0], "trained_on": "{}"},
    )
    movie = xr.Dataset(
        {"counts": (("image", "y", "x"), np.arange(48).reshape(3, 4, 4)),
         "row_size": ("video", [3])},
        attrs={"field_of_view": [4, 4]},
    )  # fmt: skip
    scaling = built["displacement_scaling"].to_numpy() * np.arange(1, 9)
    predictions = drawn[["row_size", "frame", "x", "y"]].assign(
        prediction=(row, scaling + 0.1), target=(row, scaling)
    )
    return {
        "attention": schema.check(attention, schema.ATTENTION, "attention"),
        "graphs": built,
        "localizations": drawn,
        "movie": movie,
        "predictions": predictions.assign_attrs(target_name="displacement_scaling"),
    }


UNCHANGED = xr.Dataset({"changed": ("localization", np.zeros(9, bool)), "row_size": ("video", [9])})


# whole videos --------------------------------------------------------------------------------


def test_confusion_is_of_the_largest_fraction(fractions):
    """Truth fbm, fbm or attm, slow, attm or slow; said fbm, attm, fbm, attm; nothing of a fifth.

    Of several largest fractions any is right, as in the score, and the title counts what is shown.
    """
    fractions["prediction"][2] = [0.6, 0.1, 0.3]
    canvas, source = draw({"video_predictions": fractions}, {"panel": "confusion"})
    share = rows(source, "cell: true, predicted class of fbm, attm, slow (share)")
    assert share.pivot(index="y", columns="x", values="value").to_numpy().tolist() == [
        [1, 0, 1],
        [0, 1, 0],
        [0, 0, 0],
    ]
    assert rows(source, "cell").groupby("series")["value"].sum().tolist() == [3, 4]
    assert titles(canvas) == ["4 videos, accuracy 0.750"]
    told = fractions.isel(video=slice(4))
    assert metrics.accuracy(told["prediction"].values, told["target"].values) == (0.75, 4)
    axes = canvas.axes[0]
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    assert shown[2, 0] == "100.0%", "said to be fbm (row 0), truly slow (column 2)"
    assert shown[0, 2] == "0.0%"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["fbm", "attm", "slow"]


def test_confusion_of_a_class_that_is_nowhere(axes):
    """Its column has no share to give; there is no division by zero."""
    source = plots_motion.confusion(axes, np.array([0, 0]), np.array([1, 0]), ["a", "b"])
    shares = rows(source, "cell: true, predicted class of a, b (share)")
    assert shares["value"].tolist() == [0.5, 0, 0.5, 0]


def test_density_of_one_fraction(fractions):
    scores = pd.DataFrame(
        {
            "method": ["network", "constant"],
            "quantity": ["mae_fractions"] * 2,
            "value": [0.08, 0.205],
        }
    )
    data = {"video_predictions": fractions, "scores": scores}
    canvas, source = draw(data, {"panel": "density", "motion": "attm"})
    pairs = rows(source, "bin: true, predicted fraction of attm (videos)")
    top = 1.02 * np.quantile([0, 0.7, 0, 0.4], 0.999)
    width = top / 10
    np.testing.assert_allclose(pairs["value"], [2, 1, 1])
    np.testing.assert_allclose(
        pairs[["x", "y"]] / width, [[0.5, 0.5], [5.5, 5.5], [7.5, 9.5]], rtol=1e-5
    )
    assert titles(canvas) == ["MAE 0.080 over all"]
    canvas, _ = draw(data, {"panel": "density", "motion": "attm", "title": "ATTM"})
    assert titles(canvas) == ["ATTM, MAE 0.080 over all"]
    with pytest.raises(InputError, match="motion = ctrw; expected one of fbm, attm, slow"):
        draw(data, {"panel": "density", "motion": "ctrw"})


@pytest.mark.parametrize("level", ["node", "graph"])
def test_density_of_exponents(level, switching):
    truth = np.float32([0.2, 0.6, 1, 1, 1, 1, 1, 1, np.nan])
    if level == "node":
        predictions, _ = switching
        predictions["target"] = ("localization", truth)
        data = {"predictions": predictions.assign_attrs(target_name="exponent")}
    else:
        whole = dict.fromkeys(("target", "prediction"), (("video", "output"), truth[:, None]))
        attrs = {"target_name": "video_exponent", "output": ["exponent"]}
        data = {"video_predictions": xr.Dataset(whole, attrs=attrs)}
    quantity = "mae_exponent" if level == "node" else "mae_video_exponent"
    scores = pd.DataFrame({"method": ["network"], "quantity": [quantity], "value": [0.1]})
    canvas, source = draw(data | {"scores": scores}, {"panel": "density"})
    counted = "localizations" if level == "node" else "videos"
    assert rows(source, f"bin: true, predicted α ({counted})")["value"].sum() == 8
    assert titles(canvas) == ["MAE α 0.100"]
    canvas, _ = draw(data | {"scores": scores}, {"panel": "density", "title": "50 frames"})
    assert titles(canvas) == ["50 frames, MAE α 0.100"]
    assert [axes.get_xlabel() for axes in canvas.axes] == ["true α", counted]


def test_frame_and_graph_are_of_a_video_of_the_class(videos):
    """fbm alone is the third video; of the mixed one no image is stored."""
    counts = np.stack([np.full((10, 10), value) for value in (1, 2)])
    movie = xr.Dataset({"counts": (("image", "y", "x"), counts), "row_size": ("video", [1, 0, 1])})
    data = {"localizations": videos, "movie": movie, "graphs": graphs.build(videos, Graph())}
    for motion, value, depth in (("fbm", 2, [3, 5]), ("attm", 1, [0, 9])):
        panels = [{"panel": kind, "motion": motion} for kind in ("frame", "depth_graph")]
        canvas, source = draw(data, *panels)
        assert set(rows(source, "image")["value"]) == {value}
        assert rows(source, "node z (px)")["value"].tolist() == depth
        assert len(rows(source, "edge")) == 1
        assert titles(canvas) == [f"rendered frame, {motion}", f"graph, {motion}"]
        bar = canvas.axes[-1]
        assert bar.get_xlabel() == "z (px)"
        assert bar.get_xlim() == tuple(depth)
    panels = [{"panel": kind, "motion": "ctrw"} for kind in ("frame", "depth_graph")]
    canvas, source = draw(data, *panels)
    assert len(source) == 0
    assert [axes.texts[0].get_text() for axes in canvas.axes] == ["no video of ctrw"] * 2
    few = data | {"movie": movie.isel(video=[0])}
    with pytest.raises(InputError, match="no image of video 2 is stored"):
        draw(few, {"panel": "frame", "motion": "fbm"})


def test_depth_of_the_plane_is_refused(videos):
    data = {"localizations": videos.drop_vars("z"), "graphs": graphs.build(videos, Graph())}
    with pytest.raises(InputError, match="localizations that have no z"):
        draw(data, {"panel": "depth_graph"})


def test_nodes_of_a_graph_have_the_colours_of_any_target(seen):
    exponents = seen["predictions"].assign_attrs(target_name="exponent")
    panels = [{"panel": "truth_graph"}, {"panel": "predicted_graph"}]
    canvas, source = draw(seen | {"predictions": exponents}, *panels)
    nodes = rows(source, "node α").groupby("panel")["value"]
    np.testing.assert_allclose(nodes.get_group("b") - nodes.get_group("a").to_numpy(), 0.1)
    assert [axes.get_xlabel() for axes in canvas.axes[1::2]] == ["α", "α"]


# in time -------------------------------------------------------------------------------------


def test_trace_is_that_of_the_particle_seen_longest(switching):
    predictions, localizations = switching
    data = {"predictions": predictions, "localizations": localizations, "change_points": UNCHANGED}
    canvas, source = draw(data, {"panel": "trace"}, {"panel": "trace", "particle": 0})
    first = source[source["panel"] == "a"]
    truth, said = (rows(first, f"{name}: √(2D)") for name in ("truth", "prediction"))
    assert truth[["frame", "value"]].to_numpy().tolist() == [
        [0, 1], [1, 1], [2, 2], [3, 2], [4, 3], [5, 3],
    ]  # fmt: skip
    assert said["value"].tolist() == [1.5, 1.5, 2.5, 2.5, 3.5, 3.5]
    assert rows(first, "true change")["frame"].tolist() == [2, 4]
    assert len(rows(first, "found change")) == len(rows(first, "lower")) == 0
    second = source[source["panel"] == "b"]
    assert rows(second, "truth")["value"].tolist() == [0.4] * 3
    assert len(rows(second, "true change")) == 0
    lines = [line for line in canvas.axes[0].lines if line.get_label() == "true"]
    assert lines[0].get_drawstyle() == "steps-post", "D is constant between two changes"
    with pytest.raises(InputError, match="no particle 7 in the first video"):
        draw(data, {"panel": "trace", "particle": 7})


def test_trace_with_interval_and_found_changes(switching):
    predictions, localizations = switching
    row = "localization"
    wide = predictions.assign(
        lower=predictions["prediction"] - 1, upper=predictions["prediction"] + 1
    )
    changed = (localizations["frame"] == 3).to_numpy()  # of both particles, if both were seen then
    data = {
        "predictions": wide,
        "localizations": localizations,
        "change_points": xr.Dataset({"changed": (row, changed)}),
    }
    canvas, source = draw(data, {"panel": "trace"})
    assert rows(source, "lower")["value"].tolist() == [0.5, 0.5, 1.5, 1.5, 2.5, 2.5]
    assert rows(source, "upper")["value"].tolist() == [2.5, 2.5, 3.5, 3.5, 4.5, 4.5]
    assert rows(source, "found change")["frame"].tolist() == [3]
    labels = [text.get_text() for text in canvas.axes[0].get_legend().get_texts()]
    assert labels == ["interval", "true", "predicted", "found change"]


# attention -----------------------------------------------------------------------------------


def test_neighbours_shows_two_particles_up_to_the_last_image(seen):
    """Three images: frame 2 is shown, with nodes and edges of frames 0-2, trajectories of all."""
    canvas, source = draw(seen, {"panel": "neighbours"})
    nodes = rows(source, "node (particle)")
    assert sorted(nodes["frame"]) == [0, 0, 1, 1, 2, 2]
    assert rows(source, "trajectory")["frame_end"].max() == 3
    edges = rows(source, "edge")
    assert edges["frame_end"].max() == 2
    assert (edges["frame_end"] > edges["frame"]).all()
    ends = seen["graphs"]["edge_index"].to_numpy()
    frame = seen["localizations"]["frame"].to_numpy()
    assert len(edges) == (frame[ends[1]] <= 2).sum() > 4
    np.testing.assert_array_equal(canvas.axes[0].images[0].get_array(), seen["movie"].counts[2])
    nearest = pd.DataFrame({"x": [0, 9, 4, 5.0], "y": np.zeros(4), "particle": [3, 1, 2, 0]})
    assert plots_motion._nearest_pair(nearest) == [0, 2]
    assert plots_motion._nearest_pair(nearest[:1]) == [3]


def test_target_is_circled_and_zoomed_at(seen, monkeypatch):
    monkeypatch.setattr(plots_motion, "ZOOM_FRAMES", 1)
    monkeypatch.setattr(plots_motion, "ZOOM", 0.3)  # 1.2 px to each side of (1, 2), frame 1
    canvas, source = draw(seen, {"panel": "target_graph"}, {"panel": "target_zoom"})
    whole, zoom = (source[source["panel"] == letter] for letter in "ab")
    truth = seen["predictions"]["target"].to_numpy()
    np.testing.assert_allclose(rows(whole, "node")["value"], truth)
    for part in (whole, zoom):
        assert rows(part, "target")[["x", "y", "frame"]].to_numpy().tolist() == [[1, 2, 1]]
    x, y, t = (seen["localizations"][name].to_numpy() for name in ("x", "y", "frame"))
    inside = (abs(x - 1) <= 1.2) & (abs(y - 2) <= 1.2) & (t <= 2)
    assert 0 < inside.sum() < 8
    np.testing.assert_allclose(rows(zoom, "node")["value"], truth[inside])
    ends = seen["graphs"]["edge_index"].to_numpy()
    both = inside[ends].all(axis=0)
    assert 0 < both.sum() < len(both)
    np.testing.assert_allclose(rows(zoom, "edge")["x_end"], x[ends[1, both]])
    for axes in canvas.axes[::2]:
        nodes, ring = axes.collections[-2:]
        assert min(np.abs(nodes.get_offsets() - ring.get_offsets()).sum(axis=1)) < 1e-9
    texts = [text.get_text() for text in canvas.axes[2].texts]
    assert {"0", "2", "y (2.4 px)", "x (2.4 px)"} <= set(texts)


def test_attention_is_that_of_the_head_and_block(seen):
    weight = seen["attention"]["attention"].to_numpy()
    canvas, source = draw(
        seen,
        {"panel": "attention"},
        {"panel": "attention", "head": 2},
        {"panel": "attention", "head": 3, "block": "first"},
    )
    every, second, first = (source[source["panel"] == letter] for letter in "abc")
    for head in range(3):
        own = rows(every, f"node attention of head {head + 1}")
        np.testing.assert_allclose(own["value"], weight[1, head])
    np.testing.assert_allclose(rows(second, "node attention of head 2")["value"], weight[1, 1])
    np.testing.assert_allclose(rows(first, "node attention of head 3")["value"], weight[0, 2])
    assert len(rows(second, "edge")) == seen["graphs"].sizes["edge"]
    assert len(rows(every, "target")) == 1
    whole = next(axes for axes in canvas.axes if axes.get_title() == "attention, heads 1-3")
    assert len(whole.child_axes) == 3
    with pytest.raises(InputError, match="head 4; the network has 3, counted from 1"):
        draw(seen, {"panel": "attention", "head": 4})


def test_heads_beside_one_another_share_their_colours_and_one_alone_has_its_own(seen):
    """From 0 up to all but the highest; the target, row 2, does not count."""
    weight = seen["attention"]["attention"].to_numpy()[1]
    weight[:, 2] = 100
    alone = {"panel": "attention", "head": 1}
    canvas, _ = draw(seen, {"panel": "attention"}, alone)
    small = [axes.collections[1].get_clim() for axes in canvas.axes[0].child_axes]
    np.testing.assert_allclose(
        small, [(0, weight.max(where=weight < 100, initial=0))] * 3, rtol=0.02
    )
    large = canvas.axes[2].collections[1].get_clim()
    np.testing.assert_allclose(large, (0, weight[0, 7]), rtol=0.02)


def test_trajectories_have_the_colours_of_one_head_or_of_each(seen):
    _, source = draw(seen, {"panel": "attention_tracks", "head": 3})
    weight = seen["attention"]["attention"].to_numpy()[1, 2]
    x, y = (seen["localizations"][name].to_numpy() for name in ("x", "y"))
    inside = (abs(x - 1) <= 0.8) & (abs(y - 2) <= 0.8)
    np.testing.assert_allclose(rows(source, "node attention of head 3")["value"], weight[inside])
    steps = rows(source, "step of a trajectory")
    np.testing.assert_array_equal(steps["frame_end"] - steps["frame"], 1)
    canvas, source = draw(seen, {"panel": "attention_tracks"})
    for head, of_head in enumerate(seen["attention"]["attention"].to_numpy()[1], start=1):
        own = rows(source, f"node attention of head {head}")
        np.testing.assert_allclose(own["value"], of_head[inside])
    assert len(rows(source, "step of a trajectory")) == 3 * len(steps)
    assert len(rows(source, "target")) == 1
    whole = next(axes for axes in canvas.axes if axes.get_title() == "true trajectories, heads 1-3")
    assert len(whole.child_axes) == 3


def test_contrast_is_of_every_head(seen):
    canvas, source = draw(seen, {"panel": "contrast"}, {"panel": "contrast", "block": "first"})
    one = source[source["panel"] == "a"]
    assert rows(one, "head: mean")["value"].tolist() == [2, 3, 4]
    assert rows(one, "head: standard error")["value"].tolist()[:2] == [0.1, 0.2]
    assert rows(source[source["panel"] == "b"], "head: mean")["value"].tolist() == [1, 1, 1]
    assert titles(canvas)[0] == "attention, 4 videos"


# settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("panel", "message"),
    [
        ({"panel": "map"}, "a panel of kind 'map' needs a duration"),
        ({"panel": "frame", "head": 2}, "head belongs to a panel of kind 'attention' or"),
        ({"panel": "trace", "motion": "fbm"}, "motion belongs to a panel of kind 'frame' or"),
    ],
)
def test_settings_belong_to_some_kinds(panel, message):
    with pytest.raises(ValueError, match=message):
        Panel(of="e", **panel)


def test_every_text_is_legible_and_inside_the_figure(seen, switching, fractions):
    predictions, localizations = switching
    parts = [
        (seen, [{"panel": "neighbours"}, {"panel": "target_graph"}, {"panel": "attention"},
                {"panel": "target_zoom"}, {"panel": "attention_tracks", "head": 2},
                {"panel": "attention_tracks"}, {"panel": "contrast"}]),
        ({"predictions": predictions, "localizations": localizations, "change_points": UNCHANGED},
         [{"panel": "trace"}]),
        ({"video_predictions": fractions}, [{"panel": "confusion"}]),
    ]  # fmt: skip
    for data, panels in parts:
        canvas, _ = draw(data, *panels)
        assert_legible(canvas)


def test_same_data_same_bytes(tmp_path, seen):
    contents = []
    for name in ("one", "two"):
        paths = [tmp_path / f"{name}.{kind}" for kind in ("pdf", "png", "csv")]
        drawn = draw(seen, {"panel": "attention"}, {"panel": "neighbours"})
        plots.save(*drawn, *map(str, paths))
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]
