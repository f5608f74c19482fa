"""A matrix of scores: every cell is the mean of its own row and column, or empty."""

import numpy as np
import pandas as pd
import pytest
from canvases import assert_legible, words_of

from magik import plots, plots_matrix
from magik.config import Figure, Panel
from magik.errors import InputError

MATRIX = {
    "panel": "matrix",
    "of": "kinds",
    "along": "start",
    "score": "lnk",
    "where": {"recipe": "brief"},
    "rows": {"of_b": "B", "of_a": "A", "none": "nothing"},
    "experiments": {"of_a": "A", "of_b": "B"},
}


@pytest.fixture
def table() -> pd.DataFrame:
    """LNK is 0.8 on A after A, 0.6 on A after B, and so on; ± 0.1 over two seeds, LapTrack 0.1.

    From nothing it was trained on A alone. As it is, every network has 0.2.
    """
    brief = {("of_a", "of_a"): 0.8, ("of_b", "of_a"): 0.6, ("of_a", "of_b"): 0.4}
    brief |= {("of_b", "of_b"): 0.9, ("none", "of_a"): 0.7}
    rows = [
        (of, start, recipe, seed, "lnk", "network", value + spread)
        for (start, of), exact in brief.items()
        for recipe, value in (("brief", exact), ("as_is", 0.2))
        for seed, spread in ((0, -0.1), (1, 0.1))
    ]
    rows += [
        (of, start, "brief", np.nan, "lnk", "laptrack", 0.1)
        for start, of in (("of_a", "of_a"), ("of_b", "of_b"))
    ]
    columns = ["of", "start", "recipe", "seed", "quantity", "method", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_a_cell_is_the_mean_of_its_row_and_column(table):
    mean, sd = plots_matrix.cells_of(table, Panel(**MATRIX))
    np.testing.assert_allclose(mean, [[0.6, 0.9], [0.8, 0.4], [0.7, np.nan]])
    np.testing.assert_allclose(sd[0], 0.1 * np.sqrt(2))
    as_is, _ = plots_matrix.cells_of(table, Panel(**MATRIX | {"where": {"recipe": "as_is"}}))
    np.testing.assert_allclose(as_is[:2], 0.2)
    assert len(as_is) == 3


def test_one_seed_has_no_spread(table):
    mean, sd = plots_matrix.cells_of(table[table["seed"] == 0], Panel(**MATRIX))
    np.testing.assert_allclose(mean[0], [0.5, 0.8])
    assert np.isnan(sd).all()


def test_a_figure_shows_its_numbers_and_gives_their_source(table):
    named = {"of_a": "epidermis", "of_b": "DIC-HeLa"}
    panel = Panel(**MATRIX | {"title": "briefly", "rows": named, "experiments": named})
    figure = Figure(title="Transfer", panels=dict.fromkeys("abcd", panel))
    data = {letter: {"sweep": table} for letter in figure.panels}
    canvas, source = plots.draw(figure, data, plots_matrix.PANELS)
    assert_legible(canvas)
    words = words_of(canvas)
    assert words.count("0.400\n±0.141") == 4
    assert {"LNK, briefly", "tested on", "learned from", "epidermis"} <= set(words)
    of_a = source[source["panel"] == "a"].set_index("series")["value"]
    assert of_a["epidermis -> DIC-HeLa: LNK"] == pytest.approx(0.4)
    assert of_a["epidermis -> DIC-HeLa: LNK, s.d. over seeds"] == pytest.approx(0.1 * np.sqrt(2))
    assert len(of_a) == 8


def test_an_empty_cell_has_no_number_and_no_source(table):
    canvas, source = plots.draw(
        Figure(title="Transfer", panels={"a": Panel(**MATRIX)}),
        {"a": {"sweep": table}},
        plots_matrix.PANELS,
    )
    assert not [word for word in words_of(canvas) if "nan" in word]
    assert not source["series"].str.contains("nothing -> B").any()
    assert source["series"].str.contains("nothing -> A").any()


def test_a_score_that_no_network_has_is_refused(table):
    with pytest.raises(InputError, match=r"of 'kinds': no network has a score 'tra' there"):
        plots_matrix.cells_of(table, Panel(**MATRIX | {"score": "tra"}))
