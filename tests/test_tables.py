"""A table of drawn sweeps: means, what is no difference, and what is left out."""

import numpy as np
import pandas as pd
import pytest

from magik import tables
from magik.config import Published, Table
from magik.errors import InputError

TABLE = Table(
    title="Parts",
    sweeps=("networks", "features"),
    rows={"whole": "MAGIK", "less": "without a part", "blind": "without edges"},
    columns={
        "moving": {"title": "diffusion", "scores": ["mae_displacement_scaling"]},
        "linking": {"title": "linking", "scores": ["lnk", "candidate_f1"]},
    },
    methods={"constant": "constant guess"},
)
ABSENT = {"linking": "data/cells/there/01"}
MAE = {"whole": (0.05, 0.07), "less": (0.06, 0.09), "blind": (0.20, 0.22)}


def rows_of(of: str, axis: str, place: str, quantity: str, values, method="network"):
    return [
        {axis: place, "of": of, "crowding": np.nan, "quantity": quantity, "seed": seed,
         "method": method, "value": value, "read_out": ""}
        for seed, value in enumerate(values)
    ]  # fmt: skip


def sweep_of(of: str, axis: str, places: list[str], quantity: str, scores: dict) -> pd.DataFrame:
    rows = []
    for place in places:
        rows += rows_of(of, axis, place, quantity, scores[place])
        rows += rows_of(of, axis, place, "parameters", [90_000] * 2)
        rows += rows_of(of, axis, place, "graph_passes", [1024] * 2)
        rows += rows_of(of, axis, place, "training_seconds", [60, 70])
        rows += rows_of(of, axis, place, quantity, [0.23], "constant")
    return pd.DataFrame(rows)[["of", axis, "crowding", "quantity", "seed", "method", "value"]]


@pytest.fixture
def sweeps() -> list[pd.DataFrame]:
    return [
        sweep_of("moving", "network", ["whole", "less"], "mae_displacement_scaling", MAE),
        sweep_of("moving", "features", ["blind"], "mae_displacement_scaling", MAE),
    ]


def test_each_network_stands_beside_the_first(sweeps):
    """s.d. are √2 (0.01, 0.015, 0.01): 0.015 apart is less than √(s₁² + s₂²), 0.15 is more."""
    found = tables.compare(sweeps, TABLE, absent=ABSENT).set_index("row")
    assert found.index.tolist() == ["whole", "less", "blind", "constant"]
    np.testing.assert_allclose(found["mean"], [0.06, 0.075, 0.21, 0.23])
    np.testing.assert_allclose(found["sd"][:3], np.sqrt(2) * np.array([0.01, 0.015, 0.01]))
    np.testing.assert_allclose(found["difference"][1:3], [0.015, 0.15])
    np.testing.assert_allclose(found.loc["less", "spread"], np.sqrt(2) * np.hypot(0.01, 0.015))
    assert found["differs"].isna().tolist() == [True, False, False, True]
    assert found["differs"][1:3].tolist() == [False, True]
    assert found["seeds"][:3].tolist() == [2, 2, 2]
    assert found["training_seconds"][:3].tolist() == [65, 65, 65]
    assert np.isnan(found.loc["constant", "parameters"])


def test_equal_scores_without_spread_are_no_difference():
    scores = {"whole": (0.9, 0.9), "less": (0.9, 0.9)}
    sweep = sweep_of("moving", "network", ["whole", "less"], "mae_displacement_scaling", scores)
    found = tables.compare([sweep], TABLE, absent=ABSENT).set_index("row")
    assert not found.loc["less", "differs"]


def test_of_one_training_no_difference_is_called_anything(sweeps):
    single = [sweep[sweep["seed"] == 0] for sweep in sweeps]
    found = tables.compare(single, TABLE, absent=ABSENT)
    assert found["differs"].isna().all()
    assert any("no spread is known" in line for line in tables.notes(found, TABLE, "tiny"))


def test_the_paper_stands_beside_its_row(sweeps):
    about = {"experiment": "moving", "score": "mae_displacement_scaling", "source": "text"}
    published = [
        Published(**about, at="blind", value=0.2),
        Published(**about, at="whole", value=0.0538, sd=0.0022),
        Published(**about, value=0.9),  # of the experiment as it is
    ]
    found = tables.compare(sweeps, TABLE, published, ABSENT)
    shown = tables.wide(found, TABLE)["diffusion"]
    assert shown["paper"].tolist() == ["0.0538 ± 0.0022", "", "0.2000", ""]


def test_what_people_read(sweeps, tmp_path):
    found = tables.compare(sweeps, TABLE, absent=ABSENT)
    shown = tables.wide(found, TABLE)["diffusion"]
    assert shown.index.tolist() == ["MAGIK", "without a part", "without edges", "constant guess"]
    assert shown["MAE (px/frame^½)"].tolist() == [
        "0.0600 ± 0.0141",
        "0.0750 ± 0.0212 ≈",
        "0.2100 ± 0.0141",
        "0.2300",
    ]
    assert shown["parameters"].tolist() == ["90,000"] * 3 + [""]
    assert shown["s"].tolist() == ["65"] * 3 + [""]
    tables.write_page(found, TABLE, tmp_path / "page.html", "laptop", ABSENT)
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "Scale: laptop" in page
    assert "|difference| ≤ √(s₁² + s₂²)" in page
    assert "diffusion: 1,024 graph passes a training." in page
    assert "linking: left out, &#x27;data/cells/there/01&#x27; is not on this machine" in page


def test_every_task_has_its_own_columns(sweeps):
    lnk = {"whole": (0.9, 0.92), "less": (0.8, 0.8)}
    linking = sweep_of("linking", "network", ["whole", "less"], "lnk", lnk)
    f1 = linking[linking["quantity"] == "lnk"].assign(quantity="candidate_f1")
    both = [pd.concat([sweeps[0], linking, f1]), sweeps[1]]
    shown = tables.wide(tables.compare(both, TABLE), TABLE)
    assert shown.columns.get_level_values(0).unique().tolist() == ["diffusion", "linking"]
    assert shown["linking"]["LNK"].tolist()[:3] == ["0.9100 ± 0.0141", "0.8000 ± 0.0000", ""]


def test_a_task_whose_recordings_are_here_is_not_passed_over(sweeps):
    with pytest.raises(InputError, match="the sweeps have nothing of 'linking'"):
        tables.compare(sweeps, TABLE)
    both = [pd.concat([sweeps[0], sweeps[0].assign(of="linking")]), sweeps[1]]
    with pytest.raises(InputError, match="'linking' has no lnk at 'whole'"):
        tables.compare(both, TABLE)


def test_what_is_missing_is_named_and_a_wrong_method_refused(sweeps):
    found = tables.compare(sweeps[:1], TABLE, absent=ABSENT)
    said = "diffusion: no network was trained of: without edges."
    assert said in tables.notes(found, TABLE, "laptop", ABSENT)
    misspelt = TABLE.model_copy(update={"methods": {"constnt": "constant guess"}})
    with pytest.raises(InputError, match="no method 'constnt'; there are constant"):
        tables.compare(sweeps, misspelt, absent=ABSENT)


@pytest.mark.filterwarnings("error")
def test_a_table_without_costs_is_written(sweeps):
    free = [sweep[sweep["quantity"] == "mae_displacement_scaling"] for sweep in sweeps]
    shown = tables.wide(tables.compare(free, TABLE, absent=ABSENT), TABLE)["diffusion"]
    assert shown["parameters"].tolist() == [""] * 4
    assert shown["s"].tolist() == [""] * 4
