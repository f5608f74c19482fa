"""Curves of a sweep: what is drawn is what the table says."""

import numpy as np
import pandas as pd
import pytest

from magik import plots, plots_sweeps
from magik.config import Figure, Panel
from magik.errors import InputError

CURVE = {"panel": "curve", "of": "crowding", "along": "dt", "score": "edge_f1"}


@pytest.fixture
def table() -> pd.DataFrame:
    """F1 of two experiments at three points and two seeds, and of LAP at the same points."""
    rows = [
        (of, str(dt), 0.003 * dt, seed, "edge_f1", "network", 0.9 - 0.1 * place - 0.01 * seed)
        for of in ("ours", "theirs")
        for place, dt in enumerate((1, 4, 16))
        for seed in (0, 1)
    ]
    rows += [
        (of, str(dt), 0.003 * dt, np.nan, quantity, "lap", 0.5)
        for of in ("ours", "theirs")
        for dt in (1, 4, 16)
        for quantity in ("edge_f1", "candidate_f1")
    ]
    columns = ["of", "dt", "crowding", "seed", "quantity", "method", "value"]
    return pd.DataFrame(rows, columns=columns).assign(tier="coordinates")


def panel(**settings) -> Panel:
    return Panel(**CURVE | {"experiments": {"ours": "MAGIK"}} | settings)


def test_the_lines_are_means_and_deviations_over_seeds(table):
    lines = plots_sweeps.lines_of(table, panel(methods={"lap": "LAP"}))
    assert lines["series"].tolist() == ["MAGIK"] * 3 + ["LAP"] * 3
    assert lines["x"].tolist() == [1, 4, 16] * 2
    np.testing.assert_allclose(lines["mean"], [0.895, 0.795, 0.695, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(lines["sd"][:3], 0.01 / np.sqrt(2))
    assert lines["sd"][3:].isna().all()


def test_a_curve_keeps_to_one_value_of_other_axes(table):
    near, far = table.assign(reach="near"), table.assign(reach="far", value=0.1)
    lines = plots_sweeps.lines_of(pd.concat([near, far]), panel(where={"reach": "near"}))
    np.testing.assert_allclose(lines["mean"], [0.895, 0.795, 0.695])


def test_a_floor_that_was_not_asked_for_is_left_out(table):
    asked = panel(methods={"lap": "LAP", "link_free": "link-free Bayes"})
    assert set(plots_sweeps.lines_of(table, asked)["series"]) == {"MAGIK", "LAP"}
    floor = table[table["method"] == "lap"].assign(method="link_free", value=0.97)
    lines = plots_sweeps.lines_of(pd.concat([table, floor]), asked)
    np.testing.assert_allclose(lines.loc[lines["series"] == "link-free Bayes", "mean"], 0.97)


def test_points_of_a_floor_whose_chains_are_still_apart_are_marked(table):
    asked = panel(methods={"link_free": "link-free Bayes"})
    floor = table[table["method"] == "lap"].assign(method="link_free", value=0.97)
    agreed = floor.assign(quantity="converged", value=np.where(floor["dt"] == "16", 0.5, 1.0))
    table = pd.concat([table, floor, agreed])
    lines = plots_sweeps.lines_of(table, asked)
    assert lines["settled"].tolist() == [True] * 5 + [False]
    figure = Figure(title="Crowding", panels={"a": asked})
    canvas, source = plots.draw(figure, {"a": {"sweep": table}}, plots_sweeps.PANELS)
    marked = canvas.axes[0].get_lines()[-1]
    assert marked.get_label() == plots_sweeps.DOUBTFUL
    np.testing.assert_allclose(marked.get_xydata(), [[16, 0.97]])
    doubtful = source[source["series"].str.contains(plots_sweeps.DOUBTFUL)]
    assert doubtful["x"].tolist() == [16]


def test_a_figure_draws_its_curves_and_gives_their_source(table):
    figure = Figure(title="Crowding", panels={"a": panel(), "b": panel(along="crowding")})
    data = {letter: {"sweep": table} for letter in figure.panels}
    canvas, source = plots.draw(figure, data, plots_sweeps.PANELS)
    assert [axes.get_xlabel() for axes in canvas.axes] == [
        plots_sweeps.AXES["dt"],
        "crowding c = ρDΔt",
    ]
    assert canvas.axes[0].get_ylabel() == "F1 of links"
    assert canvas.axes[0].get_xscale() == "log"
    drawn = source[source["panel"] == "b"]
    np.testing.assert_allclose(drawn["x"], [0.003, 0.012, 0.048])
    np.testing.assert_allclose(drawn["y"], [0.895, 0.795, 0.695])


def test_a_curve_may_run_along_what_the_trainings_cost(table):
    """Seconds differ from seed to seed: a point stands at their mean. Floors are drawn beside."""
    trained = table[(table["method"] == "network") & (table["quantity"] == "edge_f1")]
    seconds = 10 * trained["dt"].astype(float) + 2 * trained["seed"]
    costs = trained.assign(quantity="training_seconds", value=seconds)
    costs = costs[costs["of"] == "ours"]
    asked = panel(along="training_seconds", methods={"lap": "LAP"})
    lines = plots_sweeps.lines_of(pd.concat([table, costs]), asked)
    assert lines["series"].tolist() == ["MAGIK"] * 3 + ["LAP"] * 3
    np.testing.assert_allclose(lines["x"], [11, 41, 161] * 2)
    np.testing.assert_allclose(lines["mean"][:3], [0.895, 0.795, 0.695])
    same = costs.assign(value=60.0)
    with pytest.raises(
        InputError, match=r"points of 'MAGIK' cost the same \(training_seconds = 60"
    ):
        plots_sweeps.lines_of(pd.concat([table, same]), asked)
    untold = panel(along="training_seconds", experiments={"theirs": "MAGIK"})
    with pytest.raises(InputError, match="nothing is known of 'MAGIK', edge_f1 along training"):
        plots_sweeps.lines_of(pd.concat([table, costs]), untold)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": {"lapi": "LAP-I"}}, "nothing is known of 'LAP-I', edge_f1"),
        ({"score": "lnk"}, "nothing is known of 'MAGIK', lnk"),
    ],
)
def test_what_the_sweep_has_not_is_refused(table, settings, message):
    with pytest.raises(InputError, match=message):
        plots_sweeps.lines_of(table, panel(**settings))


def test_a_sweep_is_drawn_at_a_glance_by_the_first_score_of_each(table):
    """One axis: means and deviations over seeds; what a network is not judged by is left out."""
    diffusion = table.assign(of="slow", quantity="mae_displacement_scaling")
    given = diffusion[diffusion["method"] == "lap"].assign(method="given_links", value=0.02)
    canvas, source = plots_sweeps.overview(pd.concat([table, diffusion, given]), ["dt"])
    assert [axes.get_ylabel() for axes in canvas.axes] == [
        "F1 of links",
        "MAE of √(2D) (px/frame^½)",
    ]
    names = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in canvas.axes]
    assert names == [["ours", "theirs"], ["slow", "given links"]]
    links = source[source["panel"] == "a"]
    assert links["x"].tolist() == [1, 4, 16] * 2
    np.testing.assert_allclose(links["y"], [0.895, 0.795, 0.695] * 2)
    np.testing.assert_allclose(links["y_end"], 0.01 / np.sqrt(2))
    of_diffusion = source[source["panel"] == "b"]
    assert of_diffusion["y_end"].isna().tolist() == [False] * 3 + [True] * 3


def test_along_one_of_several_axes_a_point_is_the_mean_over_the_others(table):
    table = table[table["of"] == "ours"]
    near, far = (table.assign(value=table["value"] - less) for less in (0.0, 0.2))
    both = pd.concat([near, far], keys=["1", "2"], names=["reach"]).reset_index("reach")
    both = both[["of", "dt", "reach", *table.columns[2:]]]
    canvas, source = plots_sweeps.overview(both, ["dt", "reach"])
    assert [axes.get_xlabel() for axes in canvas.axes] == ["sampling time Δt (frames)", "reach"]
    np.testing.assert_allclose(source["y"], [0.795, 0.695, 0.595, 0.795, 0.595])
    assert source["y_end"].isna().all(), "no spread over seeds"


def test_tiers_are_no_seeds_of_each_other_at_a_glance(table):
    table = table[table["of"] == "ours"]
    images = table.assign(tier="images", value=table["value"] - 0.3)
    _, source = plots_sweeps.overview(pd.concat([table, images]), ["dt"])
    assert source["series"].str.split(":").str[0].unique().tolist() == [
        "ours, coordinates",
        "ours, images",
    ]
    np.testing.assert_allclose(source["y"], [0.895, 0.795, 0.695, 0.595, 0.495, 0.395])
    np.testing.assert_allclose(source["y_end"], 0.01 / np.sqrt(2))
