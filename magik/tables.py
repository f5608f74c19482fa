"""Networks side by side: points of sweeps as rows, tasks as columns (Extended Data Table 1)."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from magik import job, metrics
from magik.config import COSTS, Published, Table
from magik.errors import InputError

COST = ("parameters", *COSTS)
"""What a training cost (`metrics.read_training`)."""

COLUMNS = (
    *("row", "called", "experiment", "score", "unit", "mean", "sd", "seeds"),
    *("difference", "spread", "differs", "paper", "paper_sd", "paper_source"),
    *COST,
)
"""Of the source data; `row` is a point's value on the axis of its sweep, or another method."""

ALIKE = "≈"
"""Marks a difference that is no larger than the spread."""


def compare(
    sweeps: Sequence[pd.DataFrame],
    table: Table,
    published: Sequence[Published] = (),
    absent: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Means and spreads of every network at every task, each beside the first network.

    Two networks differ at a score where their means are apart by more than the root of the sum of
    the squares of their standard deviations over trainings.

    Args:
        sweeps: tables of `metrics.of_sweep`, of one axis each.
        table: what is shown.
        published: numbers of the paper; those `at` a row are shown beside it.
        absent: experiments whose recordings are not here, and the first path missing.

    Returns:
        Columns `COLUMNS`, a row for each score that there is.

    Raises:
        InputError: if the sweeps have nothing of an experiment whose recordings are here, or no
            such method at all.
    """
    scores = pd.concat([_by_row(sweep) for sweep in sweeps], ignore_index=True)
    for method in table.methods:
        if method not in set(scores["method"]):
            known = ", ".join(sorted(set(scores["method"]) - {"network"}))
            raise InputError(f"table '{table.title}': no method '{method}'; there are {known}")
    of_paper = {(one.at, one.experiment, one.score): one for one in published if one.at}
    network = scores[scores["method"] == "network"]
    trained = network.groupby(["row", "of", "quantity"])["value"].agg(["mean", "std", "count"])
    others = scores.groupby(["method", "of", "quantity"])["value"].mean()
    reference = next(iter(table.rows))
    found: list[dict[str, object]] = []
    for experiment, column in table.columns.items():
        if experiment not in set(scores["of"]):
            if experiment in (absent or {}):
                continue
            raise InputError(f"table '{table.title}': the sweeps have nothing of '{experiment}'")
        for score in column.scores:
            if (reference, experiment, score) not in trained.index:
                raise InputError(
                    f"table '{table.title}': '{experiment}' has no {score} at '{reference}'"
                )
            first = trained.loc[(reference, experiment, score)]
            about = {
                "experiment": experiment,
                "score": score,
                "unit": metrics.QUANTITIES[score].unit,
            }
            for row, called in table.rows.items():
                if (row, experiment, score) not in trained.index:
                    continue
                own = trained.loc[(row, experiment, score)]
                paper = of_paper.get((row, experiment, score))
                cost = {name: trained["mean"].get((row, experiment, name), np.nan) for name in COST}
                found.append(
                    about
                    | {"row": row, "called": called, "mean": own["mean"], "sd": own["std"]}
                    | {"seeds": int(own["count"])}
                    | (_beside(own, first) if row != reference else {})
                    | _of_paper(paper)
                    | cost
                )
            found += [
                about | {"row": method, "called": called, "mean": others[method, experiment, score]}
                for method, called in table.methods.items()
                if (method, experiment, score) in others.index
            ]
    typed = pd.DataFrame(found).reindex(columns=list(COLUMNS))
    return typed.astype({"seeds": "Int64", "differs": "boolean"})


def _by_row(sweep: pd.DataFrame) -> pd.DataFrame:
    (axis,) = metrics.axes_of_sweep(sweep)
    return sweep.rename(columns={axis: "row"})


def _beside(own: pd.Series, first: pd.Series) -> dict[str, object]:
    """How far a network is from the first, and whether that is more than the spread."""
    difference = own["mean"] - first["mean"]
    spread = np.hypot(own["std"], first["std"])
    differs = bool(abs(difference) > spread) if np.isfinite(spread) else pd.NA
    return {"difference": difference, "spread": spread, "differs": differs}


def _of_paper(number: Published | None) -> dict[str, object]:
    if number is None:
        return {}
    return {"paper": number.value, "paper_sd": number.sd, "paper_source": number.source}


def wide(found: pd.DataFrame, table: Table) -> pd.DataFrame:
    """What people read: a row for each network or method, the scores and cost of each task.

    Args:
        found: of `compare`.
        table: what is shown.

    Returns:
        Text, with the title of the task above each column.
    """
    called = [*table.rows.values(), *table.methods.values()]
    shown = pd.DataFrame(index=pd.Index([name for name in called if name in set(found["called"])]))
    for experiment, column in table.columns.items():
        of = found[found["experiment"] == experiment]
        for score in column.scores:
            rows = of[of["score"] == score].set_index("called")
            if rows.empty:
                continue
            shown[column.title, _heading(score)] = rows.apply(_cell, axis=1)
            if rows["paper"].notna().any():
                shown[column.title, "paper"] = rows.apply(_paper, axis=1)
        if not of.empty:
            rows = of.drop_duplicates("called").set_index("called")
            shown[column.title, "parameters"] = rows["parameters"].map("{:,.0f}".format, "ignore")
            shown[column.title, "s"] = rows["training_seconds"].map("{:.0f}".format, "ignore")
    shown.columns = pd.MultiIndex.from_tuples(shown.columns)
    return shown.fillna("")


def _heading(score: str) -> str:
    named = {"lnk": "LNK", "candidate_f1_same_track": "F1 of edges"}
    heading = "MAE" if score.startswith("mae_") else named.get(score, score.replace("_", " "))
    unit = metrics.QUANTITIES[score].unit
    return heading if unit == "1" else f"{heading} ({unit})"


def _plus_minus(mean: float, sd: float | None) -> str:
    return f"{mean:.4f}" if sd is None or pd.isna(sd) else f"{mean:.4f} ± {sd:.4f}"


def _cell(row: pd.Series) -> str:
    alike = pd.notna(row["differs"]) and not row["differs"]
    return _plus_minus(row["mean"], row["sd"]) + (f" {ALIKE}" if alike else "")


def _paper(row: pd.Series) -> str:
    return "" if pd.isna(row["paper"]) else _plus_minus(row["paper"], row["paper_sd"])


def notes(
    found: pd.DataFrame, table: Table, scale: str, absent: Mapping[str, str] | None = None
) -> list[str]:
    """How to read it: the rule, the scale and the size of the trainings, what is left out."""
    first = next(iter(table.rows.values()))
    seeds = found["seeds"].dropna()
    trainings = " to ".join(str(number) for number in sorted({int(seeds.min()), int(seeds.max())}))
    lines = [
        f"Scale: {scale}. Mean ± s.d. over {trainings} trainings of each network, which differ in "
        "their seed and share their data; the s.d. of so few is itself rough.",
        f"{ALIKE}: no farther from {first} than the spread: |difference| ≤ √(s₁² + s₂²)."
        + (
            " Of a single training no spread is known, and nothing is marked."
            * bool(seeds.min() < 2)
        ),
        "Seconds of a training on the machine that it ran on, and those of its processor in "
        "brackets; of one that was interrupted, since it last went on.",
    ]
    for experiment, column in table.columns.items():
        passes = found.loc[found["experiment"] == experiment, "graph_passes"].dropna()
        if len(passes):
            lines.append(f"{column.title}: {passes.iloc[0]:,.0f} graph passes a training.")
        elif experiment in (absent or {}):
            lines.append(
                f"{column.title}: left out, '{(absent or {})[experiment]}' is not on this machine "
                "(data/README.md)."
            )
        without = [name for row, name in table.rows.items() if not _has(found, row, experiment)]
        if without and len(passes):
            lines.append(f"{column.title}: no network was trained of: {', '.join(without)}.")
    paper = found.dropna(subset="paper")
    lines += [
        f"Paper, {called}: {source}."
        for called, source in zip(paper["called"], paper["paper_source"], strict=True)
    ]
    return lines


def _has(found: pd.DataFrame, row: str, experiment: str) -> bool:
    return bool(((found["row"] == row) & (found["experiment"] == experiment)).any())


def write_page(
    found: pd.DataFrame,
    table: Table,
    path: str | Path,
    scale: str,
    absent: Mapping[str, str] | None = None,
) -> None:
    """The table as a page that stands alone, with what one must know to read it.

    Args:
        found: of `compare`.
        table: what is shown.
        path: of the page.
        scale: of the study.
        absent: as `compare`.
    """
    said = "\n".join(f"<p>{html.escape(line)}</p>" for line in notes(found, table, scale, absent))
    body = wide(found, table).to_html(border=0)
    with job.whole(path) as aside:
        title = f"<h1>{html.escape(table.title)}</h1>"
        aside.write_text(f"{metrics.PAGE}{title}\n{body}\n{said}\n", "utf-8")
