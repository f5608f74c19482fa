"""Panels about sweeps: a score along one axis, of networks and of what they are compared with."""

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from magik import metrics, plots
from magik.config import COSTS, Panel
from magik.errors import InputError

AXES = {
    "crowding": "crowding c = ρDΔt",
    "dt": "sampling time Δt (frames)",
    "missed": "share of detections missed",
    "false_positives": "false detections, for each true one",
    "localization_error": "localization error (px)",
    "blinking": "share of the time that objects are dark",
    "training_seconds": "training (s)",
}
DOUBTFUL = "not converged"
"""Points of a link-free floor whose two chains did not agree in every video."""
FEW = 4
"""Lines whose legend finds a place among them; that of more stands below."""
LINES = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (4, 1, 1, 1)))
COLOURS = ("#0b3c5d", "#c0392b", "#2a9d8f", "#e0a100", "#7b4ea3", "0.45", "#8c564b", "0.7")


def curve(axes: Axes, lines: pd.DataFrame, label: str, value: str) -> pd.DataFrame:
    """Lines with a bar of one s.d. over seeds.

    Args:
        axes: to draw into.
        lines: columns `series`, `x`, `mean`, `sd` (NaN: of one value), `network` and `settled`
            (bool; a point that is not is drawn as an open square); each series ordered by x.
        label: of x.
        value: of y, with its unit.

    Returns:
        One row per point: its mean, and its s.d. as the end in y.
    """
    networks = lines.groupby("series", sort=False)["network"].first()
    for place, (series, network) in enumerate(networks.items()):
        of = lines[lines["series"] == series]
        style: dict[str, Any] = {"marker": "o", "markersize": 2.2, "linewidth": 1.1}
        if not network:
            style = {"linestyle": LINES[1 + place % 3], "linewidth": 0.8}
        colour = COLOURS[place % len(COLOURS)]
        spread = of["sd"].to_numpy() if of["sd"].notna().any() else None
        axes.errorbar(of["x"], of["mean"], spread, color=colour, label=series, capsize=1.5,
                      elinewidth=0.6, **style)  # fmt: skip
        doubtful = of[~of["settled"]]
        if len(doubtful):
            axes.plot(doubtful["x"], doubtful["mean"], "s", markersize=3.5, markeredgewidth=0.7,
                      markerfacecolor="w", color=colour, label=DOUBTFUL)  # fmt: skip
    if (lines["x"] > 0).all() and lines["x"].max() > 10 * lines["x"].min():
        axes.set_xscale("log")
    axes.set(xlabel=label, ylabel=value)
    look: dict[str, Any] = {"frameon": False, "fontsize": 5, "handlelength": 2.4}
    if len(axes.get_legend_handles_labels()[1]) > FEW:  # below the axes
        look |= {"loc": "upper center", "bbox_to_anchor": (0.4, -0.2), "ncols": 2}
        look |= {"fontsize": 4, "handlelength": 1.7, "handletextpad": 0.4, "columnspacing": 0.6}
    axes.legend(labelspacing=0.25, **look)
    drawn = lines.rename(columns={"mean": "y", "sd": "y_end"})
    about = drawn["settled"].map({True: "", False: f" {DOUBTFUL}"})
    series = drawn["series"] + f": {value}; y_end: s.d." + about
    return plots.source_data(drawn.assign(series=series))


def lines_of(table: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """What a panel draws of a sweep.

    Args:
        table: `metrics.of_sweep`.
        panel: of kind curve, along an axis of numbers or a cost (`magik.sweeps`).

    Returns:
        As `curve` takes it. Other methods are told apart by name alone: each is a mean over the
        points at its x, which are of the same localizations wherever their data set is. Floors
        that were not asked for (`metrics.LINK_FREE`) are left out.

    Raises:
        InputError: if the sweep has not that score of an experiment or method, or no cost.
    """
    for axis, label in panel.where.items():
        table = table[table[axis] == label]
    table = table.assign(x=_places(table, str(panel.along)))
    scored = table[table["quantity"] == panel.score]
    agreed = table[table["quantity"] == "converged"].groupby(["method", "x"])["value"].min()
    network = scored["method"] == "network"
    chosen = [
        (of, name, scored[network & (scored["of"] == of)], True)
        for of, name in (panel.experiments or {}).items()
    ] + [
        (method, name, scored[scored["method"] == method], False)
        for method, name in (panel.methods or {}).items()
        if method not in metrics.LINK_FREE or method in set(scored["method"])
    ]
    parts = []
    for method, name, rows, of_network in chosen:
        rows = rows[rows["x"].notna()]
        if rows.empty:
            raise InputError(
                f"curve of '{panel.of}': nothing is known of '{name}', {panel.score} along "
                f"{panel.along}"
            )
        if of_network and panel.along in COSTS:
            points = rows.groupby("x")[metrics.axes_of_sweep(table)].nunique().max(axis=1)
            if (points > 1).any():
                raise InputError(
                    f"curve of '{panel.of}': points of '{name}' cost the same ({panel.along} = "
                    f"{points.idxmax():g}); expected an axis that changes it, as recipe.epochs"
                )
        means = rows.groupby("x")["value"].agg(["mean", "std"]).reset_index()
        spread = means["std"] if of_network else np.nan
        settled = [agreed.get((method, x), 1) == 1 for x in means["x"]]
        parts.append(means.assign(series=name, sd=spread, network=of_network, settled=settled))
    return pd.concat(parts, ignore_index=True)


def _places(table: pd.DataFrame, along: str) -> pd.Series:
    """x of every row: its value on an axis, or what the trainings of its point cost on average."""
    if along not in COSTS:
        return pd.to_numeric(table[along])
    point = ["of", *metrics.axes_of_sweep(table)]
    cost = table[table["quantity"] == along].groupby(point)["value"].mean()
    return table.join(cost.rename("cost"), on=point)["cost"]


def _draw_curve(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    axes = place.plot()
    lines = lines_of(data["sweep"], panel)
    drawn = curve(axes, lines, _label(str(panel.along)), _value(str(panel.score)))
    if panel.title:
        axes.set_title(panel.title, pad=3)
    return drawn


def _label(along: str) -> str:
    return AXES.get(along, along.rpartition(".")[2].replace("_", " "))


def _value(score: str) -> str:
    """Name of a score, with its unit."""
    unit = metrics.QUANTITIES[score].unit
    named = NAMES.get(score, score.replace("_", " "))
    return named if unit == "1" else f"{named} ({unit})"


NAMES = {
    "mae_displacement_scaling": "MAE of √(2D)",
    "mae_diffusivity": "MAE of D",
    "edge_f1": "F1 of links",
    "candidate_f1": "F1 of candidate edges",
}

PANELS: dict[str, plots.Drawer] = {"curve": _draw_curve}

FIRST = (
    *("mae_displacement_scaling", "mae_exponent", "mae_video_exponent", "mae_fractions"),
    *("lnk", "edge_f1"),
)
"""What an experiment is judged by first: the first of these that its network has."""
BESIDE = {"given_links": "given links", "constant": "constant guess"}
"""What every sweep's networks are drawn beside, where there is such a score."""


def overview(table: pd.DataFrame, axes: Sequence[str]) -> tuple[plots.Canvas, pd.DataFrame]:
    """A sweep at a glance: the first score of every experiment along its axes of numbers.

    Args:
        table: `metrics.of_sweep`.
        axes: those that are drawn along. A point is the mean over all values of the other axes;
            where there is no other, it has a bar of one s.d. over seeds. Tiers stay apart; what
            networks are drawn beside is the mean over their experiments.

    Returns:
        The drawing, a panel for each score and axis, and its source data, for `plots.save`.
    """
    first = {
        of: next(score for score in FIRST if score in set(rows["quantity"]))
        for of, rows in table[table["method"] == "network"].groupby("of", sort=False)
    }
    panels = [(score, axis) for score in dict.fromkeys(first.values()) for axis in axes]
    alone = len(metrics.axes_of_sweep(table)) == 1
    several_tiers = table["tier"].nunique() > 1
    sources = {}
    with mpl.rc_context(plots.STYLE):
        canvas, places = plots.lay_out("", ascii_lowercase[: len(panels)], 2, 0.6)
        for (letter, place), (score, axis) in zip(places.items(), panels, strict=True):
            scored = table[table["quantity"] == score]
            of_network = scored["method"] == "network"
            judged = of_network & (scored["of"].map(first) == score)
            series = scored["of"].where(judged, scored["method"].map(BESIDE))
            if several_tiers:
                series += ", " + scored["tier"]
            rows = scored.assign(series=series, network=of_network, x=pd.to_numeric(scored[axis]))
            lines = rows.groupby(["series", "network", "x"])["value"].agg(mean="mean", sd="std")
            lines = lines.reset_index().assign(settled=True)
            lines.loc[~lines["network"] | (not alone), "sd"] = np.nan
            lines = lines.sort_values("network", ascending=False, kind="stable")
            sources[letter] = curve(place.plot(), lines, _label(axis), _value(score))
    return canvas, plots.bind(sources)
