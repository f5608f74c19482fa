"""Scores: the network, the floors and the paper side by side.

Scores travel as tidy tables with the columns `COLUMNS`, one value a row. `of_run` makes that of
one training; `collect` turns all of them into the wide table that people read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int

from magik import change_points, floors, job, physics, schema, store
from magik.config import Published, Simulate
from magik.errors import InputError


class Quantity(NamedTuple):
    """What a score is.

    Attributes:
        unit: of its value.
        better: which of two values is the better one; nominal: what was promised.
    """

    unit: str
    better: Literal["low", "high", "nominal"]


QUANTITIES: dict[str, Quantity] = {
    "mae_displacement_scaling": Quantity("px/frame^½", "low"),
    "mae_diffusivity": Quantity("px²/frame", "low"),
    "mae_exponent": Quantity("1", "low"),
    "mae_video_exponent": Quantity("1", "low"),
    "mae_fractions": Quantity("1", "low"),
    "accuracy": Quantity("1", "high"),
    "coverage": Quantity("1", "nominal"),
    "change_point_f1_5": Quantity("1", "high"),
    "change_point_f1_10": Quantity("1", "high"),
    "change_point_jaccard": Quantity("1", "high"),
    "change_point_rmse": Quantity("frame", "low"),
    "edge_f1": Quantity("1", "high"),
    "mae_displacement_scaling_first": Quantity("px/frame^½", "low"),
    "edge_f1_first": Quantity("1", "high"),
    "start_difference": Quantity("1", "low"),
    "converged": Quantity("1", "high"),
    "rms_log10_diffusivity": Quantity("1", "low"),
    "correlation_log10_diffusivity": Quantity("1", "high"),
    "recall": Quantity("1", "high"),
    "precision": Quantity("1", "high"),
    "localization_error": Quantity("px", "low"),
    "localization_error_z": Quantity("px", "low"),
    "localization_error_3d": Quantity("px", "low"),
    "refractive_index_error": Quantity("1", "low"),
    "candidate_f1": Quantity("1", "high"),
    "candidate_f1_same_track": Quantity("1", "high"),
    "graph_recall": Quantity("1", "high"),
    "lnk": Quantity("1", "high"),
    "division_f1": Quantity("1", "high"),
    "tra": Quantity("1", "high"),
    "det": Quantity("1", "high"),
    "parameters": Quantity("1", "low"),
    "graph_passes": Quantity("1", "low"),
    "training_seconds": Quantity("s", "low"),
}

COLUMNS = (
    "experiment",
    "tier",
    "seed",
    "quantity",
    "unit",
    "method",
    "read_out",
    "duration",
    "value",
    "n",
)
"""`seed` is missing where no training took part; `n` counts what the value is a mean over."""

LINK_FREE = ("link_free", "link_free_intensity")
"""Floors that cost so much that they are made only where they are asked for, of few videos."""

NOT_CLASSICAL = ("network", "localization", "constant", *LINK_FREE)
"""Methods that have a column of their own in the wide table, as `given_links`. All others link
first, but for those that are given the links, too: `given_links_…`, simpler than the floor."""

CASE = ["experiment", "tier", "quantity", "unit", "read_out", "duration"]
"""What one row of the wide table is about."""


def of_run(
    experiment: str,
    tier: str,
    seed: int,
    predictions: xr.Dataset,
    found: xr.Dataset,
    maps: xr.Dataset | None = None,
    quality: Mapping[str, float] | None = None,
    link_free: xr.Dataset | None = None,
) -> pd.DataFrame:
    """All scores of one training, and of the floors on the same localizations.

    Args:
        experiment: its name.
        tier: of the localizations.
        seed: of the training.
        predictions: of the test videos.
        found: floors of the same videos.
        maps: diffusion maps with their landscape, where the experiment has them.
        quality: of the localization (`localize.quality`), where there was one.
        link_free: floors of the first of the same videos, where they were asked for.

    Returns:
        Columns `COLUMNS`.
    """
    rows = [*node_scores(predictions, found), *link_scores(found), *link_free_scores(link_free)]
    truth = physics.displacement_scaling(found["truth"].values.astype(float))
    rows += _coverage_scores(predictions, truth)
    if link_free is not None:
        first = [_first(each, link_free) for each in (predictions, found)]
        rows += _of_first([*node_scores(*first), *link_scores(first[1])], link_free)
    if maps is not None:
        rows += map_scores(maps)
    rows += [_row(name, "localization", value) for name, value in (quality or {}).items()]
    return _table(rows, experiment, tier, seed)


def of_motion(
    experiment: str,
    tier: str,
    seed: int,
    predictions: xr.Dataset,
    estimates: xr.Dataset,
    simulate: Simulate,
    quality: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """All scores of one training about motion, and of other methods on the same videos.

    Args:
        experiment: its name.
        tier: of the localizations.
        seed: of the training.
        predictions: PREDICTIONS or VIDEO_PREDICTIONS of the test videos.
        estimates: ESTIMATES or VIDEO_ESTIMATES of the same videos.
        simulate: how they move: where D switches, change points are scored, too.
        quality: of the localization (`localize.quality`), where there was one.

    Returns:
        Columns `COLUMNS`.

    Raises:
        InputError: if the two are not about the same target of the same videos.
    """
    truth = estimates["target"].to_numpy().astype(float)
    name = estimates.attrs["target_name"]
    found = (predictions.attrs["target_name"], predictions["prediction"].shape)
    if found != (name, truth.shape):
        raise InputError(
            f"predictions of {found[0]}, {found[1]}, but floors of {name}, {truth.shape}: "
            "they must be of the same store"
        )
    said = {"network": predictions["prediction"].to_numpy().astype(float)}
    said |= zip(
        estimates.attrs["method"], estimates["estimate"].to_numpy().astype(float), strict=True
    )
    known = np.isfinite(truth)
    rows = []
    for method, estimate in said.items():
        rows.append(_row(f"mae_{name}", method, mae(estimate, truth), int(known.sum())))
        if name == "fractions":
            value, videos = accuracy(estimate, truth)
            rows.append(_row("accuracy", method, value, videos))
    if simulate.motion == "switching":
        rows += _change_point_scores(said, estimates, simulate)
    rows += _coverage_scores(predictions, truth)
    rows += [_row(name, "localization", value) for name, value in (quality or {}).items()]
    return _table(rows, experiment, tier, seed)


def _change_point_scores(
    said: Mapping[str, np.ndarray], estimates: xr.Dataset, simulate: Simulate
) -> list[dict[str, object]]:
    """Change points in what each method says along the true tracks, by one rule for all."""
    frame = estimates["frame"].to_numpy().astype(int)
    tracks = change_points.particles(estimates)
    true = change_points.true_points(estimates["target"].to_numpy().astype(float), frame, tracks)
    number = sum(map(len, true))
    rows = []
    for method, scaling in said.items():
        found = change_points.of_tracks(scaling, frame, tracks, simulate)
        near, far = (change_points.score(true, found, within) for within in (5, 10))
        rows += [
            _row("change_point_f1_5", method, near.f1, number),
            _row("change_point_f1_10", method, far.f1, number),
            _row("change_point_jaccard", method, far.jaccard, number),
            _row("change_point_rmse", method, far.rmse, number),
        ]
    return rows


def accuracy(
    estimate: Float[np.ndarray, "videos classes"], truth: Float[np.ndarray, "videos classes"]
) -> tuple[float, int]:
    """Share of the videos whose largest fraction is said to be the largest, and how many they are.

    Of several that are the largest any is right. A video of which nothing is said counts as wrong,
    one without truth for nothing.
    """
    known = np.isfinite(truth).all(axis=1)
    said = np.isfinite(estimate).all(axis=1)[known]
    top = np.where(np.isfinite(estimate), estimate, -np.inf)[known].argmax(axis=1)
    largest = truth[known] == truth[known].max(axis=1, keepdims=True)
    right = said & largest[np.arange(len(top)), top]
    return float(right.mean()) if len(right) else np.nan, len(right)


def coverage(
    lower: Float[np.ndarray, "*n"], upper: Float[np.ndarray, "*n"], truth: Float[np.ndarray, "*n"]
) -> tuple[float, int]:
    """Share of the truths that lie within their interval, and how many of them there are.

    What has no interval, as a video of several windows, or no known truth does not count; NaN if
    nothing does.
    """
    known = np.isfinite(truth) & np.isfinite(lower) & np.isfinite(upper)
    inside = (lower <= truth) & (truth <= upper)
    return (float(inside[known].mean()) if known.any() else np.nan), int(known.sum())


def _coverage_scores(predictions: xr.Dataset, truth: np.ndarray) -> list[dict[str, object]]:
    """How many truths lie within the intervals of the network; nothing where it gives none."""
    if "lower" not in predictions:
        return []
    lower, upper = (predictions[end].to_numpy().astype(float) for end in ("lower", "upper"))
    value, n = coverage(lower, upper, truth)
    return [_row("coverage", "network", value, n)]


def of_linking(
    experiment: str,
    tier: str,
    seed: int,
    scores: Mapping[str, Sequence[tuple[str, float, int]]],
) -> pd.DataFrame:
    """All scores of one training to link, and of other linkers on the same localizations.

    Args:
        experiment: its name.
        tier: of the localizations.
        seed: of the training.
        scores: for each method, "network" among them, quantity, value and n (`aogm.scores`).

    Returns:
        Columns `COLUMNS`.
    """
    rows = [
        _row(quantity, method, value, n)
        for method, of_method in scores.items()
        for quantity, value, n in of_method
    ]
    return _table(rows, experiment, tier, seed)


def of_links(
    experiment: str,
    tier: str,
    seed: int,
    tracks: xr.Dataset,
    found: xr.Dataset,
    candidates: Mapping[str, float],
    link_free: xr.Dataset | None = None,
) -> pd.DataFrame:
    """All scores of one training to link simulated objects, and of linear assignment beside it.

    Args:
        experiment: its name.
        tier: of the localizations.
        seed: of the training.
        tracks: TRACKS that the network's edges were linked to.
        found: FLOORS of the same localizations: tracks of the other linkers.
        candidates: F1 of the classification of candidate edges, by method (`aogm.candidate_f1`).
        link_free: FLOORS of the first of the same videos, where they were asked for.

    Returns:
        Columns `COLUMNS`: `edge_f1` of the links of tracks, one measure for all; `candidate_f1`.

    Raises:
        InputError: if the tracks are not of the same localizations as the floors.
    """
    sizes = [dataset["row_size"].values.tolist() for dataset in (tracks, found)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"tracks of {sum(sizes[0])} localizations, but floors of {sum(sizes[1])}: they must be "
            "of the same store"
        )
    own = found.assign(track=(("linker", "localization"), tracks["track"].values[None]))
    own = own.assign_attrs(linker=["network"])
    rows = [*link_scores(own), *link_scores(found), *link_free_scores(link_free)]
    if link_free is not None:
        first = [link_scores(_first(each, link_free)) for each in (own, found)]
        rows += _of_first([*first[0], *first[1]], link_free)
    rows += [_row("candidate_f1", method, f1) for method, f1 in candidates.items()]
    return _table(rows, experiment, tier, seed)


def _table(
    rows: Sequence[Mapping[str, object]], experiment: str, tier: str, seed: int
) -> pd.DataFrame:
    table = pd.DataFrame(rows).assign(experiment=experiment, tier=tier)
    table["seed"] = pd.array([seed if m == "network" else None for m in table["method"]], "Int64")
    return _typed(table)


def _row(
    quantity: str,
    method: str,
    value: float,
    n: int | None = None,
    read_out: str = "",
    duration: int | None = None,
) -> dict[str, object]:
    return {
        "quantity": quantity,
        "unit": QUANTITIES[quantity].unit,
        "method": method,
        "read_out": read_out,
        "duration": duration,
        "value": value,
        "n": n,
    }


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    whole = dict.fromkeys(("seed", "duration", "n"), "Int64")
    return table.reindex(columns=list(COLUMNS)).astype(whole | {"value": float})


# --- scores --------------------------------------------------------------------------------


def mae(prediction: Float[np.ndarray, "*n"], target: Float[np.ndarray, "*n"]) -> float:
    """Mean absolute error where the target is known; NaN if it is nowhere."""
    known = np.isfinite(target)
    return float(np.abs(prediction - target)[known].mean()) if known.any() else np.nan


def node_scores(predictions: xr.Dataset, found: xr.Dataset) -> list[dict[str, object]]:
    """MAE of √(2D) and of D, of the network and of every floor, on the same localizations.

    Args:
        predictions: of √(2D).
        found: floors, row for row the same localizations.

    Raises:
        InputError: if the two are not of the same localizations.
    """
    sizes = [dataset["row_size"].values.tolist() for dataset in (predictions, found)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"predictions of {sum(sizes[0])} localizations in {len(sizes[0])} videos, but floors "
            f"of {sum(sizes[1])} in {len(sizes[1])}: they must be of the same store"
        )
    return _node_scores(found, {"network": predictions["prediction"].values.astype(float)})


def _node_scores(found: xr.Dataset, scaling: Mapping[str, np.ndarray]) -> list[dict[str, object]]:
    """MAE of what some methods say of √(2D), and of all floors."""
    truth = found["truth"].values.astype(float)
    nodes = int(np.isfinite(truth).sum())
    said = dict(scaling)
    for method, estimate in zip(found.attrs["method"], found["diffusivity"].values, strict=True):
        said[method] = physics.displacement_scaling(estimate.astype(float))
    scores = []
    for method, s in said.items():
        error = mae(s, physics.displacement_scaling(truth))
        scores.append(_row("mae_displacement_scaling", method, error, nodes))
        error = mae(physics.diffusivity(s), truth)
        scores.append(_row("mae_diffusivity", method, error, nodes))
    return scores


def link_free_scores(found: xr.Dataset | None) -> list[dict[str, object]]:
    """Errors, links, and whether the sampling was enough; nothing where there is no such floor.

    How far two chains are apart (the worst) and in which share of the videos they agree tell,
    by their `n`, of how many videos all is.
    """
    if found is None:
        return []
    scores = [*_node_scores(found, {}), *link_scores(found)]
    videos = found.sizes["video"]
    for place, method in enumerate(found.attrs["method"]):
        apart, converged = (found[name].values[place] for name in ("start_difference", "converged"))
        scores.append(_row("start_difference", method, float(apart.max()), videos))
        scores.append(_row("converged", method, float(converged.mean()), videos))
    return scores


def _first(of_all: xr.Dataset, link_free: xr.Dataset) -> xr.Dataset:
    """The videos of a link-free floor, which are the first of all."""
    videos = link_free.sizes["video"]
    rows = int(of_all["row_size"].values[:videos].sum())
    return of_all.isel(video=slice(videos), localization=slice(rows))


def _of_first(
    scores: Sequence[Mapping[str, object]], link_free: xr.Dataset
) -> list[dict[str, object]]:
    """Scores on the videos of a link-free floor, and its own, under the names `…_first`."""
    scores = [*scores, *_node_scores(link_free, {}), *link_scores(link_free)]
    named = [score | {"quantity": f"{score['quantity']}_first"} for score in map(dict, scores)]
    return [score for score in named if score["quantity"] in QUANTITIES]


def edge_f1(found: Int[np.ndarray, "2 found"], true: Int[np.ndarray, "2 true"]) -> float:
    """2TP / (found + true) of links, each a pair of rows: earlier, later; NaN without any."""
    pairs = [set(zip(*links.tolist(), strict=True)) for links in (found, true)]
    total = len(pairs[0]) + len(pairs[1])
    return 2 * len(pairs[0] & pairs[1]) / total if total else np.nan


def link_scores(found: xr.Dataset) -> list[dict[str, object]]:
    """Edge F1 of each linker; true links reach over `max_lag` frames at most."""
    frame = found["frame"].values.astype(int)
    video = schema.row_of(found["row_size"].values)

    def links(track: np.ndarray) -> np.ndarray:
        apart = np.where(track < 0, -1, video * (int(track.max(initial=0)) + 1) + track)
        pairs = floors.links(apart, frame)
        return pairs[:, frame[pairs[1]] - frame[pairs[0]] <= found.attrs["max_lag"]]

    true = links(found["particle"].values)
    return [
        _row("edge_f1", linker, edge_f1(links(track), true), true.shape[1])
        for linker, track in zip(found.attrs["linker"], found["track"].values, strict=True)
    ]


def map_scores(maps: xr.Dataset) -> list[dict[str, object]]:
    """R.m.s. error and correlation of log10 D against the true map, per read-out and duration.

    Both are means over videos (of the square, for the r.m.s.). The constant is the best one for
    each landscape.

    Args:
        maps: with `landscape`.
    """
    truth = np.log10(maps["landscape"].values.astype(float))
    scores = []
    for duration, at_duration in zip(
        maps["duration"].values.tolist(), np.moveaxis(maps["diffusivity"].values, 1, 0), strict=True
    ):
        for read_out, built in zip(maps.attrs["read_out"], at_duration, strict=True):
            method, read = ("lap", "kernel") if read_out == "lap_kernel" else ("network", read_out)
            logs = np.log10(built.astype(float))
            for name, value in (
                ("rms_log10_diffusivity", _rms(logs - truth)),
                ("correlation_log10_diffusivity", _correlation(logs, truth)),
            ):
                scores.append(_row(name, method, value, truth.size, read, duration))
        for read in ("nearest", "kernel"):
            error = _rms(truth - truth.mean(axis=(1, 2), keepdims=True))
            scores.append(
                _row("rms_log10_diffusivity", "constant", error, truth.size, read, duration)
            )
    return scores


def _rms(error: Float[np.ndarray, "video y x"]) -> float:
    known = np.isfinite(error)
    return float(np.sqrt(np.mean(error[known] ** 2))) if known.any() else np.nan


def _correlation(a: Float[np.ndarray, "video y x"], b: Float[np.ndarray, "video y x"]) -> float:
    """Mean over videos of the Pearson correlation over cells; flat maps and empty ones left out."""
    each = [
        np.corrcoef(one[known], other[known])[0, 1]
        for one, other, known in zip(a, b, np.isfinite(a), strict=True)
        if known.any() and np.ptp(one[known]) > 0 and np.ptp(other[known]) > 0
    ]
    return float(np.mean(each)) if each else np.nan


# --- tables --------------------------------------------------------------------------------


def collect(scores: Sequence[pd.DataFrame], published: Sequence[Published] = ()) -> pd.DataFrame:
    """One row per experiment, tier, quantity (and read-out, duration of a map).

    Args:
        scores: tables of `of_run`, of all trainings.
        published: numbers of the paper.

    Returns:
        Columns `CASE`, then network (mean over seeds), network_sd, seeds, given_links, those of
        `LINK_FREE`, simple (the best of the simpler methods that are given the links, too) and
        which one, classical (the best that links first) and which one, constant, paper and where
        it stands there, n.
    """
    table = pd.concat([_typed(each) for each in scores], ignore_index=True)
    whole = [number for number in published if number.at is None]
    of_paper = {(number.experiment, number.tier, number.score): number for number in whole}
    rows = []
    for case, group in table.groupby(CASE, sort=True, dropna=False):
        row = dict(zip(CASE, case, strict=True))
        paper = of_paper.get((row["experiment"], row["tier"], row["quantity"]))
        value = group.groupby("method")["value"].mean()
        network = group.loc[group["method"] == "network", "value"]
        given = value.index.str.startswith("given_links")
        others = {
            "simple": value[given & (value.index != "given_links")],
            "classical": value[~value.index.isin(NOT_CLASSICAL) & ~given],
        }
        best = {kind: _best(of, str(row["quantity"])) for kind, of in others.items()}
        rows.append(
            row
            | {
                "network": network.mean(),
                "network_sd": network.std(),
                "seeds": len(network),
                "localization": value.get("localization", np.nan),
                "given_links": value.get("given_links", np.nan),
                **{method: value.get(method, np.nan) for method in LINK_FREE},
                "simple": best["simple"][0],
                "simple_method": best["simple"][1],
                "classical": best["classical"][0],
                "classical_method": best["classical"][1],
                "constant": value.get("constant", np.nan),
                "paper": paper.value if paper else np.nan,
                "paper_source": paper.source if paper else None,
                "n": group["n"].max(),
            }
        )
    return pd.DataFrame(rows)


def _best(value: pd.Series, quantity: str) -> tuple[float, str]:
    """The best of the values that there are, and whose it is."""
    value = value.dropna()
    if not len(value):
        return np.nan, ""
    name = value.idxmin() if QUANTITIES[quantity].better == "low" else value.idxmax()
    return float(value[name]), str(name)


def of_sweep(
    points: Sequence[tuple[str, Mapping[str, str], float | None, Sequence[pd.DataFrame]]],
) -> pd.DataFrame:
    """All scores of a sweep, one a row.

    Args:
        points: of each the experiment that is repeated, its value on each axis, the crowding of
            what is simulated (None: not simulated, or not in the plane), and the scores of all
            its trainings.

    Returns:
        Column `of`, one for each axis, `crowding`, then `COLUMNS`.
    """
    tables = []
    for of, place, crowding, scores in points:
        table = pd.concat([_typed(each) for each in scores], ignore_index=True)
        for column, (name, value) in enumerate({"of": of, **place, "crowding": crowding}.items()):
            table.insert(column, name, value)
        tables.append(table.astype({"crowding": float}))
    # pandas would let columns without any value decide on the type of others
    kept = [table.dropna(axis="columns", how="all") for table in tables]
    return pd.concat(kept, ignore_index=True).reindex(columns=list(tables[0].columns))


def summary_of_sweep(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and s.d. over the seeds of every point and method of a sweep, and its `n`, one a row.

    Args:
        table: of `of_sweep`.
    """
    kept = ["of", *axes_of_sweep(table), "crowding", "tier", "quantity", "unit", "method"]
    other = ["read_out", "duration"]
    groups = table.groupby([*kept, *other], dropna=False, sort=False)
    over = {kind: ("value", kind) for kind in ("mean", "std", "count")}
    summary = groups.agg(**over, n=("n", "max")).reset_index()
    # floors are the same at every seed
    summary.loc[summary["method"] != "network", "std"] = np.nan
    return summary.dropna(axis="columns", how="all")


def axes_of_sweep(table: pd.DataFrame) -> list[str]:
    """Names of what a sweep varies."""
    columns = list(table.columns)
    return columns[columns.index("of") + 1 : columns.index("crowding")]


def write(table: pd.DataFrame, path: str | Path) -> None:
    """A table as CSV, whole or not at all; six significant digits, to be the same everywhere."""
    with job.whole(path) as aside:
        table.to_csv(aside, index=False, float_format="%.6g", lineterminator="\n")


def read(path: str | Path) -> pd.DataFrame:
    """Scores of one training, as `write` wrote them."""
    table = pd.read_csv(path, dtype={"unit": str}, keep_default_na=True)  # the unit 1 is no number
    return _typed(table.fillna({"read_out": ""}))


def read_training(
    scores: str | Path, checkpoint: str | Path, benchmark: str | Path
) -> pd.DataFrame:
    """Scores of one training, as `read`, and what it cost.

    A training that was interrupted counts the seconds since it last went on.

    Args:
        scores: of the training.
        checkpoint: says how many parameters the network has, and how many graphs passed through.
        benchmark: as Snakemake wrote it: seconds on the clock, left out where it was deleted. Those
            of the processor it only samples, half a minute apart.
    """
    table = read(scores)
    said = store.said_by(checkpoint)
    cost = {name: float(said[name]) for name in ("parameters", "graph_passes")}
    if Path(benchmark).exists():
        cost["training_seconds"] = float(pd.read_csv(benchmark, sep="\t")["s"].iloc[0])
    rows = [_row(name, "network", value) for name, value in cost.items()]
    experiment, tier, seed = table.loc[
        table["method"] == "network", ["experiment", "tier", "seed"]
    ].iloc[0]
    return pd.concat([table, _table(rows, experiment, tier, int(seed))], ignore_index=True)


def read_sweep(path: str | Path) -> pd.DataFrame:
    """Scores of a sweep, as `write` wrote them; what its axes are called stays text."""
    axes = axes_of_sweep(pd.read_csv(path, nrows=0))
    table = pd.read_csv(path, dtype=dict.fromkeys(axes, str), keep_default_na=True)
    return table.fillna({"read_out": "", **dict.fromkeys(axes, "none")})


def write_page(table: pd.DataFrame, path: str | Path) -> None:
    """A table of `collect` as a page that stands alone: the table of the report."""
    shown = table.dropna(axis="columns", how="all")
    with pd.option_context("display.max_colwidth", None):  # a source is never cut short
        body = shown.to_html(index=False, na_rep="", float_format="{:.3g}".format, border=0)
    with job.whole(path) as aside:
        aside.write_text(f"{PAGE}{body}\n", "utf-8")


PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Scores</title>
<style>
body { font: 14px sans-serif; margin: 1em; }
table { border-collapse: collapse; }
th, td { padding: 0.3em 0.7em; text-align: left; border-bottom: 1px solid #ddd; }
th { position: sticky; top: 0; background: #fff; }
</style>
"""
"""How a page of a table begins."""
