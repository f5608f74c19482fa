"""Panel of a sweep over names: a matrix of scores, as of networks that are tried on other data."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from magik import plots
from magik.config import Panel
from magik.errors import InputError

SHADES = Normalize(0.5, 1, clip=True)
"""Of scores whose best is 1, the same in every panel; below 0.5 all are as light."""

COLOURS = "Blues"
LIGHT = 0.75
"""Share of the shades above which numbers are written in white."""


def matrix(
    axes: Axes,
    mean: Float[np.ndarray, "rows columns"],
    sd: Float[np.ndarray, "rows columns"],
    rows: list[str],
    columns: list[str],
    score: str,
) -> pd.DataFrame:
    """Scores as numbers on shades, rows beneath one another.

    Args:
        axes: to draw into.
        mean: of each cell, 1 at best; NaN stays empty.
        sd: over seeds; NaN: of one value.
        rows: names of the rows: what was learned from.
        columns: names of the columns: what was tested on.
        score: what the numbers are.

    Returns:
        One row per cell and number: its mean and, where there is one, its s.d.
    """
    axes.imshow(mean, cmap=COLOURS, norm=SHADES, aspect="auto")
    for i, j in np.argwhere(np.isfinite(mean)).tolist():
        text = f"{mean[i, j]:.3f}" + ("" if np.isnan(sd[i, j]) else f"\n±{sd[i, j]:.3f}")
        dark = SHADES(mean[i, j]) > LIGHT
        axes.text(j, i, text, ha="center", va="center", fontsize=6, linespacing=1,
                  color="white" if dark else "black")  # fmt: skip
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.set(xlabel="tested on", ylabel="learned from")
    i, j = np.indices(mean.shape).reshape(2, -1)
    cells = pd.DataFrame({"x": j, "y": i})
    names = [f"{rows[a]} -> {columns[b]}: {score}" for a, b in zip(i, j, strict=True)]
    parts = [
        cells.assign(series=[f"{name}{what}" for name in names], value=values.ravel())
        for what, values in (("", mean), (", s.d. over seeds", sd))
    ]
    return plots.source_data(*(part.dropna(subset="value") for part in parts))


def cells_of(table: pd.DataFrame, panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Mean and s.d. over seeds of the networks of a sweep, [rows, columns] of a panel.

    Args:
        table: `metrics.of_sweep`.
        panel: of kind matrix, about axes and values that the sweep has (`magik.sweeps`).

    Raises:
        InputError: if the sweep has not that score of any network.
    """
    kept = table[(table["quantity"] == panel.score) & (table["method"] == "network")]
    for axis, label in panel.where.items():
        kept = kept[kept[axis] == label]
    if kept.empty:
        raise InputError(f"matrix of '{panel.of}': no network has a score '{panel.score}' there")
    by = kept.groupby([str(panel.along), "of"])["value"]
    order = {"index": list(panel.rows or {}), "columns": list(panel.experiments or {})}
    mean, sd = (spread.unstack().reindex(**order).to_numpy() for spread in (by.mean(), by.std()))
    return mean, sd


def _draw_matrix(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    axes = place.plot(left=15)
    score = NAMES.get(str(panel.score), str(panel.score).replace("_", " "))
    axes.set_title(f"{score}, {panel.title}" if panel.title else score, pad=3)
    mean, sd = cells_of(data["sweep"], panel)
    rows, columns = ([*(names or {}).values()] for names in (panel.rows, panel.experiments))
    return matrix(axes, mean, sd, rows, columns, score)


NAMES = {"lnk": "LNK", "division_f1": "division F1"}

PANELS: dict[str, plots.Drawer] = {"matrix": _draw_matrix}
