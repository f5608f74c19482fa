"""Points of a sweep are experiments of their own; what a setting does not touch is shared."""

from pathlib import Path

import pytest

from magik import config, metrics, sweeps
from magik.errors import InputError

ROOT = Path(__file__).parents[1]
SHIPPED = config.read_yaml(ROOT / "config.yaml")


def expanded(**sweep) -> sweeps.Expanded:
    """The shipped study with one sweep, `mine`, and no figures or tables of others."""
    changed = SHIPPED | {"sweep": {"mine": sweep}, "figures": {}, "tables": {}}
    return sweeps.expand(config.load(changed, ROOT / "workflow" / "scales"))


def test_every_combination_of_a_grid_is_a_point_and_its_name_tells_it():
    grid = {"dataset.simulate.dt": [0.5, 4], "recipe.epochs": [1, 2, 3]}
    found = expanded(of=["crowded_links"], grid=grid)
    names = [point.experiment for point in found.points["mine"]]
    assert len(set(names)) == 6
    assert names[0] == "crowded_links@dt=0.5,epochs=1"
    one = found.study.experiments["crowded_links@dt=4,epochs=3"]
    assert found.study.datasets[one.dataset].simulate.dt == 4
    assert found.study.recipes[one.recipe].epochs == 3
    assert one.on_demand
    base = found.study.experiments["crowded_links"]
    assert found.study.datasets[base.dataset].simulate.dt == 1  # as it was


def test_listed_points_are_taken_as_they_are():
    points = [
        {"dataset.simulate.dt": 1, "network.evidence": 8},
        {"dataset.simulate.dt": 1, "network.evidence": 16},
    ]
    found = expanded(of=["crowded_links", "crowded_diffusivity"], points=points)
    assert [point.place for point in found.points["mine"][:2]] == [
        {"dt": "1", "evidence": "8"},
        {"dt": "1", "evidence": "16"},
    ]
    assert len(found.points["mine"]) == 4


def test_points_share_what_their_settings_do_not_touch():
    grid = {"dataset.observe.missed": [[0, 0], [0.3, 0.3]], "recipe.epochs": [1, 2]}
    found = expanded(of=["crowded_links", "crowded_diffusivity"], grid=grid)
    used = {found.study.experiments[p.experiment].dataset for p in found.points["mine"]}
    assert used == {"crowded@missed=0", "crowded@missed=0.3"}  # whatever is learned, how long
    assert {found.owner(name, "truth") for name in used} == {"crowded"}
    assert {found.owner(name, "localizations") for name in used} == used
    reach = expanded(of=["crowded_links"], grid={"dataset.graph.radius": [0.1, 0.2]})
    assert reach.owner("crowded@radius=0.1", "localizations") == "crowded"
    moved = expanded(of=["crowded_links"], grid={"dataset.simulate.dt": [1, 2]})
    assert moved.owner("crowded@dt=2", "truth") == "crowded@dt=2"
    assert moved.owner("brownian", "truth") == "brownian"


def test_another_network_by_name_and_groups_of_settings_by_a_name_given():
    features = {"both": {"node": ["x", "y"], "edge": ["distance"]}, "one": {"node": []}}
    found = expanded(
        of=["crowded_diffusivity"],
        grid={"network": ["magik_tracks", "magik_moments"], "features": features},
    )
    one = found.study.experiments["crowded_diffusivity@network=magik_moments,features=one"]
    assert one.network == "magik_moments"
    assert one.features.node == ()


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"of": ["crowded"], "grid": {"network": ["magik"]}}, "sweep.mine.of: no 'crowded'"),
        ({"of": ["crowded_links"]}, "no grid, no points"),
        ({"of": ["crowded_links"], "grid": {"dataset.simulate.dt": []}}, "no values"),
        (
            {"of": ["crowded_links"], "grid": {"dataset.simulate.dt": [-1]}},
            "sweep.mine: datasets.crowded@dt=-1.simulate.dt",
        ),
        (
            {"of": ["crowded_links"], "grid": {"dataset.simulat.dt": [1]}},
            "dataset.simulat.dt: there is no group of settings 'simulat'. Did you mean 'simulate'?",
        ),
        (
            {"of": ["crowded_links"], "grid": {"recipes.epochs": [1]}},
            "recipes.epochs: there is no group of settings 'recipes'. Did you mean 'recipe'?",
        ),
        (
            {"of": ["crowded_links"], "grid": {"dataset.simulate.dt": ["fast"]}},
            "datasets.crowded@dt=fast.simulate.dt = 'fast'",
        ),
        ({"of": ["crowded_links"], "grid": {"seeds": 5}}, "sweep.mine.grid.seeds = 5: expected"),
        ({"of": ["any_links", "any_links"], "grid": {"seeds": [[1]]}}, "'any_links' stands there"),
        (
            {"of": ["crowded_links"], "points": [{"recipe.epochs": 1}, {"recipe.epochs": 1}]},
            "'crowded_links@epochs=1' stands there twice",
        ),
        (
            {"of": ["crowded_links"], "grid": {"recipe.epoch": [1]}},
            "has no setting 'epoch'. Did you mean 'epochs'?",
        ),
        (
            {"of": ["crowded_links"], "grid": {"network": ["magik"]}},
            "of kind 'magik' has no soft tracks",
        ),
        (
            {"of": ["crowded_links"], "grid": {"recipe.epochs": [1, 1]}},
            "'1' stands there twice",
        ),
        (
            {"of": ["crowded_links"], "grid": {"start": ["a/b.safetensors"]}},
            "'a/b.safetensors' cannot stand in a path; expected letters, digits and _ . + -. In a",
        ),
        (
            {"of": ["crowded_links"], "grid": {"features": [{"node": []}]}},
            "needs a name. In a grid, values can be given names: `{NAME: value}`",
        ),
        (
            {"of": ["crowded_links"], "points": [{"features": {"near": {"node": []}}}]},
            "needs a name. In a grid,",
        ),
        (
            {"of": ["crowded_links"], "points": [{"recipe.epochs": 1}, {"seeds": [1]}]},
            "points.1 sets seeds; expected the same settings in every point: recipe.epochs",
        ),
    ],
)
def test_a_mistake_is_one_line_that_helps(sweep, message):
    with pytest.raises(InputError) as refused:
        expanded(**sweep)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_two_sweeps_cannot_mean_two_things_by_one_name():
    one = {"of": ["crowded_links"], "grid": {"recipe.window": [[50, 50]]}}
    other = {"of": ["crowded_links"], "grid": {"predict.window": [50]}}
    changed = SHIPPED | {"sweep": {"one": one, "other": other}, "figures": {}, "tables": {}}
    with pytest.raises(InputError, match=r"sweep.other: .* has another 'crowded_links@window=50'"):
        sweeps.expand(config.load(changed, ROOT / "workflow" / "scales"))
    changed["sweep"]["other"] = one  # the same points, shared
    found = sweeps.expand(config.load(changed, ROOT / "workflow" / "scales"))
    assert found.points["one"] == found.points["other"]


def test_no_axis_is_called_like_a_column_of_the_scores():
    assert set(metrics.COLUMNS) < set(sweeps.RESERVED)
    grid = {"linking.method": ["global", "motile"], "linking.children": [1, 2]}
    found = expanded(of=["crowded_links"], grid=grid)
    assert list(found.points["mine"][0].place) == ["linking.method", "children"]
    assert found.points["mine"][0].experiment.startswith("crowded_links@linking.method=global,")


def test_yes_and_no_are_called_as_they_are_written():
    found = expanded(of=["ablation_links"], grid={"network.attention": [True, False]})
    labels = [point.place["attention"] for point in found.points["mine"]]
    assert labels == ["true", "false"]


def test_the_shipped_sweep_is_the_papers():
    study = config.load(SHIPPED, ROOT / "workflow" / "scales")
    found = sweeps.expand(study)
    crowding = [
        found.study.datasets[found.study.experiments[point.experiment].dataset].simulate.crowding
        for point in found.points["crowding"]
        if point.of == "crowded_links"
    ]
    paper = [0.0015, 0.0029, 0.0059, 0.0117, 0.0234, 0.0468, 0.0936]
    assert crowding == pytest.approx(paper, rel=0.03)


def test_start_must_lead_to_a_network_of_the_same_kind():
    def start(**changes):
        changed = config.merge(SHIPPED, {"experiments": changes})
        return config.load(changed, ROOT / "workflow" / "scales")

    wrong = [
        ({"crowded_links": {"start": "crowded_diffusivity"}}, "has another task"),
        ({"crowded_links": {"start": "any_linkz"}}, "no 'any_linkz'. Did you mean 'any_links'?"),
        ({"any_links": {"start": "crowded_links_by_any"}}, "in a circle"),
        ({"crowded_links": {"recipe": "as_is"}}, "epochs: 0, which is for a network that is"),
    ]
    for changes, message in wrong:
        with pytest.raises(InputError, match=message):
            start(**changes)
    lost = start(crowded_links={"start": "weights/lost.safetensors"})
    with pytest.raises(InputError, match=r"crowded_links.start: no file 'weights/lost.safeten"):
        lost.must_find_files(ROOT)
    assert start(crowded_links={"start": "any_links"}).experiments["crowded_links"].start


def drawn_along(along, grid, **settings) -> None:
    """Expand a study with a curve of a sweep of links."""
    curve = {"panel": "curve", "of": "mine", "along": along, "score": "edge_f1"}
    panel = curve | {"experiments": {"crowded_links": "MAGIK"}} | settings
    figure = {"title": "Mine", "panels": {"a": panel}}
    sweep = {"mine": {"of": ["crowded_links"], "grid": grid}}
    changed = SHIPPED | {"sweep": sweep, "figures": {"drawn": figure}, "tables": {}}
    sweeps.expand(config.load(changed, ROOT / "workflow" / "scales"))


def test_a_curve_has_one_value_at_each_x():
    """Else the spread of another setting would pass for that over seeds."""
    grid = {"dataset.simulate.dt": [1, 2], "recipe.epochs": [1, 2]}
    for along, at in (("dt", "1"), ("crowding", r"0\.00\d+")):
        with pytest.raises(
            InputError,
            match=rf"panels.a: 'crowded_links@dt=1,epochs=1' and 'crowded_links@dt=1,epochs=2' "
            rf"are both at {along} = {at}; expected one of them. Say which in `where",
        ):
            drawn_along(along, grid)
        drawn_along(along, grid, where={"epochs": "2"})
    with pytest.raises(InputError, match=r"panels.a.where: 'epochs' has no value '3'; it has 1, 2"):
        drawn_along("dt", grid, where={"epochs": "3"})


def test_a_curve_along_a_cost_keeps_to_one_axis():
    grid = {"dataset.simulate.dt": [1, 2], "recipe.epochs": [1, 2]}
    with pytest.raises(InputError, match=r"a.along: its lines .* all values of dt and epochs; exp"):
        drawn_along("graph_passes", grid)
    drawn_along("graph_passes", grid, where={"dt": "1"})


def test_two_tiers_are_not_two_seeds():
    with pytest.raises(InputError, match=r"panels.a: .* tiers coordinates, images; expected one"):
        drawn_along(
            "dt", {"dataset.simulate.dt": [1], "tiers": {"both": ["coordinates", "images"]}}
        )


@pytest.mark.parametrize(
    ("along", "grid", "message"),
    [
        ("reach", {"dataset.simulate.dt": [1, 2]}, "along: 'reach'; sweep 'mine' has dt (and"),
        (
            "network",
            {"network": ["magik_tracks"]},
            "along: 'network' has the value 'magik_tracks'; expected numbers",
        ),
    ],
)
def test_a_curve_runs_along_an_axis_of_numbers(along, grid, message):
    with pytest.raises(InputError) as refused:
        drawn_along(along, grid)
    assert f"figures.drawn.panels.a.{message}" in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sweeps": ["other"]}, "tables.mine.sweeps: no 'other'"),
        ({"sweeps": ["two"]}, "tables.mine.sweeps: 'two' has the axes dt, epochs; expected one"),
        (
            {"sweeps": ["nets", "again"]},
            "tables.mine.sweeps: two have 'crowded_links' at 'magik_links'; expected one",
        ),
        (
            {"rows": {"magik_tracks": "ours", "magik": "MAGIK"}},
            "tables.mine.rows: no 'magik' in its sweeps; they have magik_tracks, magik_links",
        ),
        (
            {"columns": {"any_links": {"title": "links", "scores": ["edge_f1"]}}},
            "tables.mine.columns: no 'any_links' in its sweeps; they have crowded_links",
        ),
        (
            {"rows": {"magik_tracks": "ours", "magik_links": "ours"}},
            "tables.mine: rows and methods: 'ours' stands there twice; expected once",
        ),
        (
            {"sweeps": ["nets", "more"], "rows": {"big": "big", "magik_tracks": "ours"}},
            "tables.mine.rows: 'crowded_links' has no point 'big', the first, with which",
        ),
    ],
)
def test_a_table_is_of_what_its_sweeps_have(changes, message):
    of = ["crowded_links"]
    swept = {
        "nets": {"of": of, "grid": {"network": ["magik_tracks", "magik_links"]}},
        "again": {"of": of, "grid": {"network": ["magik_links"]}},
        "more": {"of": ["any_links"], "grid": {"network.evidence": {"big": 32}}},
        "two": {"of": of, "grid": {"dataset.simulate.dt": [1], "recipe.epochs": [1]}},
    }
    table = {
        "title": "Mine",
        "sweeps": ["nets"],
        "rows": {"magik_tracks": "ours"},
        "columns": {"crowded_links": {"title": "links", "scores": ["edge_f1"]}},
    }
    changed = SHIPPED | {"sweep": swept, "figures": {}, "tables": {"mine": table}}
    sweeps.expand(config.load(changed, ROOT / "workflow" / "scales"))
    changed["tables"] = {"mine": table | changes}
    with pytest.raises(InputError) as refused:
        sweeps.expand(config.load(changed, ROOT / "workflow" / "scales"))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"along": "epochs"}, "along and where name epochs; expected every axis of sweep 'mine'"),
        ({"where": {"epochs": "1", "drop": "0"}}, "name drop, epochs, start; expected"),
        ({"rows": {"any_link": "one"}}, "'start' has no value 'any_link'; it has any_links, none"),
        ({"where": {"epochs": "3"}}, "'epochs' has no value '3'; it has 1, 2"),
        ({"rows": None}, "a panel of kind 'matrix' needs a rows"),
        ({"methods": {"lap": "LAP"}}, "methods belongs to a panel of kind 'curve', not 'matrix'"),
        ({"experiments": {"crowded_link": "x"}}, "experiments: no 'crowded_link'. Did you mean"),
        ({}, ""),
    ],
)
def test_a_matrix_has_one_point_in_each_cell(settings, message):
    matrix = {"panel": "matrix", "of": "mine", "along": "start", "score": "edge_f1"}
    matrix |= {"where": {"epochs": "1"}, "rows": {"any_links": "all", "none": "nothing"}}
    panel = matrix | {"experiments": {"crowded_links": "MAGIK"}} | settings
    figure = {"title": "Mine", "panels": {"a": panel}}
    grid = {"start": ["any_links", None], "recipe.epochs": [1, 2]}
    sweep = {"mine": {"of": ["crowded_links"], "grid": grid}}
    changed = SHIPPED | {"sweep": sweep, "figures": {"drawn": figure}, "tables": {}}
    found = ""
    try:
        sweeps.expand(config.load(changed, ROOT / "workflow" / "scales"))
    except InputError as refused:
        found = str(refused)
    assert message in found
    assert bool(message) == ("figures.drawn.panels.a" in found)


def test_a_curve_can_run_along_axes_of_different_numbers():
    points = [
        sweeps.Point("a", f"a@{k}", {"dt": dt, "network": net, "seed": "1", "range": r})
        for k, (dt, net, r) in enumerate(
            [("0.5", "x", "0-1"), ("16", "y", "0-2"), ("16", "1", "1")]
        )
    ]
    assert sweeps.axes_of_numbers(points) == ["dt"]
    assert sweeps.axes_of_numbers(points[1:]) == []
