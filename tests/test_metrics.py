"""Scores of drawn examples, and the tables that carry them."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import xarray as xr

from magik import aogm, floors, metrics, schema, simulate
from magik.config import Graph, Published, Score, Simulate
from magik.errors import InputError


def test_mean_absolute_error_ignores_what_is_unknown():
    assert metrics.mae(np.array([1.0, 5, 3]), np.array([2.0, np.nan, 6])) == 2
    assert np.isnan(metrics.mae(np.array([1.0]), np.array([np.nan])))


def test_edge_f1_of_drawn_links():
    """Three of four true links found, with one false: F1 = 6 / 8."""
    true = np.array([[0, 1, 2, 3], [2, 3, 4, 5]])
    found = np.array([[0, 1, 2, 3], [2, 3, 4, 4]])
    assert metrics.edge_f1(found, true) == 6 / 8
    assert metrics.edge_f1(true, true) == 1
    assert metrics.edge_f1(found[:, :0], true) == 0


@pytest.fixture
def found() -> xr.Dataset:
    """Two videos: a track that is right, and one that changes its particle."""
    return xr.Dataset(
        {
            "row_size": ("video", [4, 4]),
            "frame": ("localization", [0, 0, 1, 1, 0, 0, 1, 4]),
            "x": ("localization", np.zeros(8)),
            "y": ("localization", np.zeros(8)),
            "particle": ("localization", [0, 1, 0, 1, 0, -1, 0, 0]),
            "truth": ("localization", [0.5, 0.5, 0.5, 0.5, 0.02, np.nan, 0.02, 0.02]),
            "diffusivity": (("method", "localization"), [[0.5] * 8, [0.02] * 8]),
            "track": (("linker", "localization"), [[0, 1, 1, 0, 0, 1, 0, 2]]),
            "localization_error": ("video", [0.0, 0.0]),
        },
        attrs={
            "field_of_view": [8.0, 8.0],
            "method": ["constant", "lap_hmm"],
            "linker": ["lap"],
            "max_lag": 2,
            "dt": 1.0,
        },
    )


@pytest.fixture
def predictions(found) -> xr.Dataset:
    """√(2D) is 1 in the first video and 0.2 in the second; two nodes are wrong, one is unknown."""
    scaling = [1.0, 1.0, 1.0, 1.2, 0.2, 9.0, 0.2, 0.8]
    return xr.Dataset(
        {name: found[name] for name in ("row_size", "frame", "x", "y")}
        | {"prediction": ("localization", scaling)},
        attrs={
            "field_of_view": [8.0, 8.0],
            "target_name": "displacement_scaling",
            "trained_on": "{}",
        },
    )


def maps(error: float, flip: bool = False) -> xr.Dataset:
    """A landscape in steps of a decade, read too high by `error` decades."""
    truth = np.broadcast_to(10.0 ** -np.arange(3), (1, 3, 3))
    built = (truth[..., ::-1] if flip else truth) * 10**error
    return xr.Dataset(
        {
            "diffusivity": (
                ("read_out", "duration", "video", "grid_y", "grid_x"),
                np.stack([built, truth, built])[:, None],
            ),
            "duration": ("duration", [100]),
            "landscape": (("video", "grid_y", "grid_x"), truth),
        },
        attrs={"field_of_view": [3.0, 3.0], "read_out": ["nearest", "kernel", "lap_kernel"]},
    )


def one(rows: list[dict[str, object]], **where: object) -> dict[str, object]:
    (row,) = [row for row in rows if all(row[key] == value for key, value in where.items())]
    return row


def test_drawn_examples_are_laid_out_as_promised(found, predictions):
    schema.check(found, schema.FLOORS, "floors")
    schema.check(predictions, schema.PREDICTIONS, "predictions")
    schema.check(maps(0), schema.MAPS, "maps")


def test_network_and_floors_are_scored_on_the_same_localizations(found, predictions):
    rows = metrics.node_scores(predictions, found)
    scaling, d = "mae_displacement_scaling", "mae_diffusivity"
    network = one(rows, method="network", quantity=scaling)
    assert network["n"] == 7  # not the false positive
    assert network["value"] == pytest.approx((0.2 + 0.6) / 7)
    assert one(rows, method="network", quantity=d)["value"] == pytest.approx((0.22 + 0.3) / 7)
    assert one(rows, method="constant", quantity=scaling)["value"] == pytest.approx(0.8 * 3 / 7)
    assert one(rows, method="lap_hmm", quantity=d)["value"] == pytest.approx(0.48 * 4 / 7)


def test_floors_of_other_videos_are_refused(found, predictions):
    with pytest.raises(InputError, match="of 4 in 1: they must be of the same store"):
        metrics.node_scores(predictions, found.isel(video=[0], localization=slice(0, 4)))


@pytest.fixture
def sampled(found) -> xr.Dataset:
    """A floor of the first video only; its two chains do not agree."""
    first = found.isel(video=[0], localization=slice(0, 4), method=[0])
    return first.assign_attrs(method=["link_free"], linker=["link_free"]).assign(
        start_difference=(("method", "video"), [[0.3]]),
        converged=(("method", "video"), np.array([[0]], np.int8)),
    )


def test_the_link_free_floor_tells_its_videos_and_whether_it_converged(found, predictions, sampled):
    given = ("diffusivity", "coordinates", 0, predictions, found)
    table = metrics.of_run(*given, link_free=sampled)
    without = metrics.of_run(*given)
    added = (table["method"] == "link_free") | table["quantity"].str.endswith("_first")
    pd.testing.assert_frame_equal(table[~added].reset_index(drop=True), without)
    first = table[table["quantity"] == "mae_displacement_scaling_first"].set_index("method")
    assert set(first.index) == {"network", "constant", "lap_hmm", "link_free"}
    assert len(set(first["n"])) == 1, "all of the same nodes"
    alone = found.isel(video=[0], localization=slice(0, 4))
    seen = metrics.node_scores(predictions.isel(video=[0], localization=slice(0, 4)), alone)
    network = one(seen, method="network", quantity="mae_displacement_scaling")
    assert first.loc["network", "value"] == network["value"]
    links = table[table["quantity"] == "edge_f1_first"].set_index("method")
    assert set(links.index) == {*found.attrs["linker"], "link_free"}
    rows = table[table["method"] == "link_free"].set_index("quantity")
    assert rows.loc["mae_displacement_scaling", "n"] < 7  # nodes of the first video only
    assert rows.loc["edge_f1", "n"] == 2
    assert rows.loc["converged", ["value", "n"]].tolist() == [0, 1]
    assert rows.loc["start_difference", ["value", "n"]].tolist() == [0.3, 1]

    wide = metrics.collect([table]).set_index("quantity")
    assert wide.loc["converged", "link_free"] == 0
    assert wide.loc["mae_diffusivity", "classical_method"] == "lap_hmm"
    assert wide.loc["converged", "classical_method"] == ""
    summary = metrics.summary_of_sweep(metrics.of_sweep([("mine", {"dt": "1"}, None, [table])]))
    assert summary.loc[summary["quantity"] == "converged", ["mean", "n"]].values.tolist() == [
        [0, 1]
    ]


def test_links_are_scored_per_linker(found):
    """True: 0-2, 1-3, 4-6 (6-7 is too long); found: 0-3, 1-2, 4-6."""
    (row,) = metrics.link_scores(found)
    assert row["method"] == "lap"
    assert row["value"] == pytest.approx(2 / 6)
    assert row["n"] == 3


def test_linear_assignment_links_as_well_as_is_known():
    """Edge F1 at c = 0.0117 with exponential D: 0.93; here c = 0.011. With intensity: 0.98."""
    settings = Simulate()
    estimated = floors.estimate(simulate.build(settings, 3, seed=0), settings, Graph())
    lap, lapi = (row["value"] for row in metrics.link_scores(estimated))
    assert lap == pytest.approx(0.93, abs=0.025)
    assert lapi == pytest.approx(0.984, abs=0.01)


def test_map_scores_of_drawn_maps():
    rows = metrics.map_scores(maps(0.2))
    rms = "rms_log10_diffusivity"
    assert one(rows, quantity=rms, method="network", read_out="nearest")["value"] == pytest.approx(
        0.2
    )
    assert one(rows, quantity=rms, method="network", read_out="kernel")["value"] == 0
    assert one(rows, quantity=rms, method="lap")["read_out"] == "kernel"
    constant = one(rows, quantity=rms, method="constant", read_out="nearest")
    assert constant["value"] == pytest.approx(np.sqrt(2 / 3))
    for flip, expected in ((False, 1), (True, -1)):
        rows = metrics.map_scores(maps(0.2, flip))
        found = one(
            rows, quantity="correlation_log10_diffusivity", method="network", read_out="nearest"
        )
        assert found["value"] == pytest.approx(expected)


def run(seed: int, found, predictions, shift: float = 0.0) -> pd.DataFrame:
    moved = predictions.assign(prediction=predictions["prediction"] + shift)
    quality = {"recall": 0.7, "precision": 0.9, "localization_error": 0.3}
    return metrics.of_run("diffusivity", "images", seed, moved, found, maps(0.1), quality)


def test_scores_come_back_as_written(tmp_path, found, predictions):
    table = run(0, found, predictions)
    assert tuple(table.columns) == metrics.COLUMNS
    metrics.write(table, tmp_path / "a" / "scores.csv")
    metrics.write(table, tmp_path / "again.csv")
    first = (tmp_path / "a" / "scores.csv").read_bytes()
    assert first == (tmp_path / "again.csv").read_bytes()
    pd.testing.assert_frame_equal(metrics.read(tmp_path / "again.csv"), table, rtol=1e-5)
    shares = table[table["unit"] == "1"]
    metrics.write(shares, tmp_path / "shares.csv")
    assert set(metrics.read(tmp_path / "shares.csv")["unit"]) == {"1"}, "a unit, not a number"


SOURCE = "Results, the second paragraph of the section on diffusion, which is a long one"


def test_the_page_says_where_in_the_paper_a_number_stands(tmp_path, found, predictions):
    paper = Published(
        experiment="diffusivity", tier="images", score="recall", value=0.5, source=SOURCE
    )
    runs = [run(0, found, predictions)]
    metrics.write_page(metrics.collect(runs, [paper]), tmp_path / "scores.html")
    assert f"<td>{SOURCE}</td>" in (tmp_path / "scores.html").read_text("utf-8")
    metrics.write_page(metrics.collect(runs), tmp_path / "none.html")
    assert "paper" not in (tmp_path / "none.html").read_text("utf-8")


def test_network_floors_and_paper_stand_side_by_side(found, predictions):
    paper = Published(
        experiment="diffusivity",
        tier="images",
        score="mae_displacement_scaling",
        value=0.0538,
        source=SOURCE,
    )
    runs = [run(seed, found, predictions, shift) for seed, shift in ((0, 0.0), (1, 0.3))]
    table = metrics.collect(runs, [paper])
    row = table[table["quantity"] == "mae_displacement_scaling"].iloc[0]
    values = [(0.2 + 0.6) / 7, (5 * 0.3 + 0.5 + 0.9) / 7]
    assert row["network"] == pytest.approx(np.mean(values))
    assert row["network_sd"] == pytest.approx(np.std(values, ddof=1))
    assert (row["seeds"], row["n"], row["classical_method"]) == (2, 7, "lap_hmm")
    assert row["constant"] == pytest.approx(0.8 * 3 / 7)
    assert (row["paper"], row["paper_source"]) == (0.0538, SOURCE)
    assert np.isnan(row["given_links"])
    nearest = table[
        (table["quantity"] == "rms_log10_diffusivity") & (table["read_out"] == "nearest")
    ]
    assert nearest["classical_method"].item() == ""
    assert table.set_index("quantity").loc["recall", "localization"] == 0.7


def test_the_best_classical_method_is_the_highest_where_high_is_good():
    rows = [
        metrics._row("edge_f1", method, value, 10)
        for method, value in (("lap", 0.9), ("lapi", 0.98))
    ]
    table = metrics._typed(pd.DataFrame(rows).assign(experiment="a", tier="images"))
    assert metrics.collect([table])["classical_method"].item() == "lapi"


def test_every_quantity_may_be_published_and_nothing_else():
    assert get_args(Score) == tuple(metrics.QUANTITIES)


@pytest.fixture
def shares():
    """Three videos of two classes: predictions, and floors by one method."""
    target = [[1.0, 0.0], [0.25, 0.75], [0.6, 0.4]]
    predictions = xr.Dataset(
        {"prediction": (("video", "output"), [[0.9, 0.1], [0.35, 0.65], [0.4, 0.6]])},
        attrs={"target_name": "fractions", "output": ["a", "b"], "trained_on": "{}"},
    )
    estimates = xr.Dataset(
        {
            "target": (("video", "output"), target),
            "estimate": (("method", "video", "output"), [[[0.5, 0.5]] * 3, target]),
        },
        attrs={"method": ["constant", "given_links"], "target_name": "fractions", "output": ["a"]},
    )
    return predictions, estimates


def test_fractions_are_scored_by_their_error_and_by_the_dominant_class(shares):
    """Errors 0.1, 0.1 and 0.2; the third video's larger class is mistaken."""
    table = metrics.of_motion("mixture", "coordinates", 3, *shares, Simulate())
    value = table.set_index(["quantity", "method"])["value"]
    assert value["mae_fractions", "network"] == pytest.approx(0.4 / 3)
    assert value["accuracy", "network"] == pytest.approx(2 / 3)
    assert value["mae_fractions", "given_links"] == 0
    assert value["accuracy", "given_links"] == 1
    wide = metrics.collect([table]).set_index("quantity")
    assert wide.loc["mae_fractions", "given_links"] == 0
    assert wide.loc["mae_fractions", "classical_method"] == ""


def test_floors_of_other_videos_as_a_whole_are_refused(shares):
    predictions, estimates = shares
    with pytest.raises(InputError, match="must be of the same store"):
        metrics.of_motion("m", "", 0, predictions.isel(video=[0, 1]), estimates, Simulate())


def test_coverage_is_the_share_of_known_truths_inside():
    """Two of four inside; of the fifth no truth is known, the sixth has no interval."""
    lower, upper = np.array([0.0] * 5 + [np.nan]), np.array([1.0] * 5 + [np.nan])
    truth = np.array([0.5, 1.0, 1.5, -0.1, np.nan, 0.5])
    assert metrics.coverage(lower, upper, truth) == (0.5, 4)
    none, counted = metrics.coverage(lower, upper, np.full(6, np.nan))
    assert np.isnan(none)
    assert counted == 0


def test_an_interval_of_anything_is_scored(found, predictions, shares):
    """√(2D) of five nodes of seven; α of one video of two, for the third has no interval."""
    wide = predictions.assign(
        lower=predictions["prediction"] - 0.1, upper=predictions["prediction"] + 0.1
    )
    rows = metrics.of_run("e", "coordinates", 0, wide, found).set_index("quantity")
    assert rows.loc["coverage", ["value", "n"]].tolist() == [pytest.approx(5 / 7), 7]
    assert "coverage" not in set(metrics.of_run("e", "", 0, predictions, found)["quantity"])
    said, estimates = (one.isel(output=[0]) for one in shares)
    ends = {"lower": [[0.9], [0.3], [np.nan]], "upper": [[1.1], [0.4], [np.nan]]}
    said = said.assign({end: (("video", "output"), value) for end, value in ends.items()})
    named = [one.assign_attrs(target_name="video_exponent") for one in (said, estimates)]
    rows = metrics.of_motion("e", "coordinates", 0, *named, Simulate()).set_index("quantity")
    assert rows.loc["coverage", ["value", "n"]].tolist() == [0.5, 2]


def test_a_simpler_method_that_is_given_the_links_is_not_classical(shares):
    predictions, estimates = shares
    estimates.attrs["method"] = ["given_links_trees", "lap_trees"]
    wide = metrics.collect([metrics.of_motion("m", "", 0, predictions, estimates, Simulate())])
    assert set(wide["classical_method"]) == {"lap_trees"}


def test_change_points_are_found_in_what_every_method_says():
    """One particle, whose √(2D) jumps at frame 20; the constant guess finds nothing."""
    true = np.where(np.arange(40) < 20, 0.1, 1.0)
    predictions = xr.Dataset(
        {"prediction": ("localization", true + 0.01)},
        attrs={"target_name": "displacement_scaling", "trained_on": "{}"},
    )
    estimates = xr.Dataset(
        {
            "row_size": ("video", [40]),
            "frame": ("localization", np.arange(40)),
            "particle": ("localization", np.zeros(40, int)),
            "target": ("localization", true),
            "estimate": (("method", "localization"), np.full((1, 40), 0.4)),
        },
        attrs={"method": ["constant"], "target_name": "displacement_scaling"},
    )
    simulate = Simulate(motion="switching", diffusivity=(0.001, 1))
    table = metrics.of_motion("s", "coordinates", 0, predictions, estimates, simulate)
    value = table.set_index(["quantity", "method"])["value"]
    assert value["change_point_f1_5", "network"] == 1
    assert value["change_point_rmse", "network"] == 0
    assert value["change_point_f1_10", "constant"] == 0
    assert value["mae_displacement_scaling", "network"] == pytest.approx(0.01)


def test_of_several_largest_classes_any_is_right_and_silence_is_wrong():
    """Right; wrong; a tie, of which the second is said; nothing said; nothing known."""
    nan = np.full(2, np.nan)
    truth = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5], [1.0, 0.0], nan])
    said = np.array([[0.7, 0.3], [0.3, 0.7], [0.4, 0.6], nan, [1.0, 0.0]])
    assert metrics.accuracy(said, truth) == (0.5, 4)


def test_the_best_of_the_simpler_methods_with_links_has_a_column(shares):
    predictions, estimates = shares
    estimates.attrs["method"] = ["given_links_msd", "given_links"]
    wide = metrics.collect([metrics.of_motion("m", "", 0, predictions, estimates, Simulate())])
    row = wide.set_index("quantity").loc["mae_fractions"]
    assert row["simple_method"] == "given_links_msd"
    assert row["simple"] > row["given_links"] == 0


def test_links_of_a_network_stand_beside_those_of_other_linkers(found):
    """All links of the first video right, none found in the second."""
    track = [0, 1, 0, 1, 2, 3, 4, 5]
    tracks = xr.Dataset({"row_size": found["row_size"], "track": ("localization", track)})
    edges = xr.Dataset(
        {"linked": ("edge", [1, 0, 1, 0, 1]), "probability": ("edge", [0.9, 0.8, 0.6, 0.1, 0.2])}
    )
    said = {"network": aogm.candidate_f1(edges, 0.5), "constant": aogm.candidate_f1(edges, -1)}
    table = metrics.of_links("mine", "coordinates", 3, tracks, found, said)
    value = table.set_index(["quantity", "method"])["value"]
    assert value["edge_f1", "network"] == pytest.approx(2 * 2 / (2 + 3))  # two of three
    lap = one(metrics.link_scores(found), method="lap")["value"]
    assert value["edge_f1", "lap"] == lap != value["edge_f1", "network"]
    assert value["candidate_f1", "network"] == pytest.approx(2 * 2 / (3 + 3))
    assert value["candidate_f1", "constant"] == pytest.approx(2 * 3 / (5 + 3))
    assert table.loc[table["method"] == "network", "seed"].tolist() == [3, 3]
    other = tracks.assign(row_size=("video", [5, 3]))
    with pytest.raises(InputError, match="must be of the same store"):
        metrics.of_links("mine", "coordinates", 3, other, found, said)


def test_a_training_tells_what_it_cost(tmp_path, found, predictions):
    scores, checkpoint, benchmark = (tmp_path / name for name in ("scores.csv", "c", "times.tsv"))
    metrics.write(run(4, found, predictions, 0.1), scores)
    said = {"magik": json.dumps({"parameters": 93_000, "graph_passes": 1024})}
    checkpoint.write_bytes(safetensors.numpy.save({"w": np.zeros(1)}, said))
    benchmark.write_text("s\th:m:s\tcpu_time\n63.25\t0:01:03\t51.5\n")
    table = metrics.read_training(scores, checkpoint, benchmark)
    cost = table[len(metrics.read(scores)) :]
    assert dict(zip(cost["quantity"], cost["value"], strict=True)) == {
        "parameters": 93_000,
        "graph_passes": 1024,
        "training_seconds": 63.25,
    }
    assert set(cost["seed"]) == {4}
    assert set(cost["method"]) == {"network"}
    benchmark.unlink()
    assert len(metrics.read_training(scores, checkpoint, benchmark)) == len(table) - 1


def test_a_sweep_is_one_tidy_table_that_comes_back_as_written(tmp_path, found, predictions):
    points = [
        ("mine", {"dt": dt, "reach": "near"}, crowding, [run(seed, found, predictions, shift)
         for seed, shift in ((0, 0.0), (1, 0.2))])
        for dt, crowding in (("0.5", 0.001), ("4", None))
    ]  # fmt: skip
    table = metrics.of_sweep(points)
    assert list(table.columns[:4]) == ["of", "dt", "reach", "crowding"]
    assert metrics.axes_of_sweep(table) == ["dt", "reach"]
    metrics.write(table, tmp_path / "mine.csv")
    back = metrics.read_sweep(tmp_path / "mine.csv")
    assert back["dt"].tolist() == table["dt"].tolist()
    np.testing.assert_allclose(back["value"], table["value"], rtol=1e-5)

    summary = metrics.summary_of_sweep(table)
    rows = summary[summary["quantity"] == "mae_displacement_scaling"].set_index(["dt", "method"])
    each = table[(table["dt"] == "4") & (table["method"] == "network")]
    each = each.loc[each["quantity"] == "mae_displacement_scaling", "value"]
    assert rows.loc[("4", "network"), "mean"] == pytest.approx(each.mean())
    assert rows.loc[("4", "network"), "std"] == pytest.approx(each.std()) != 0
    assert np.isnan(rows.loc[("4", "lap_hmm"), "std"])  # no training takes part
    tiers = pd.concat([table, table.assign(tier="another", value=0.0)])
    again = metrics.summary_of_sweep(tiers)
    kept = again[(again["tier"] != "another") & (again["dt"] == "4")]
    kept = kept[(kept["method"] == "network") & (kept["quantity"] == "mae_displacement_scaling")]
    assert kept["mean"].tolist() == pytest.approx([each.mean()]), "tiers are no seeds"


def test_the_report_explains_every_column_of_the_scores(found, predictions):
    caption = (Path(__file__).parents[1] / "workflow/report/scores.rst").read_text("utf-8")
    table = metrics.collect([run(0, found, predictions)])
    assert [
        name for name in table if name not in metrics.CASE and f"``{name}``" not in caption
    ] == []
