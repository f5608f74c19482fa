"""A model card: what a network that ships was made from, and what it reaches."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from magik import job, store

LINE = "| {} |"
COMPARED = {
    "network": "network",
    "given_links": "given the true links",
    "classical": "best that links first",
    "constant": "constant guess",
    "paper": "paper",
}
"""Columns of `metrics.collect` that a card shows, and their heads."""


def write(
    weights: str | Path,
    scores: pd.DataFrame,
    path: str | Path,
    *,
    name: str,
    scale: str,
    study_seed: int,
    commit: str,
    dataset: Mapping[str, Any],
) -> None:
    """Say in Markdown what a network is: task, range, scores beside floors, data, seed, hash.

    Args:
        weights: its checkpoint.
        scores: of it, as `metrics.collect` gives them.
        path: of the card.
        name: of the experiment.
        scale: of the study that trained it.
        study_seed: the study's seed, from which that of the training follows.
        commit: of the code.
        dataset: what it was trained on, as config has it: simulation or recordings, observation,
            graph, and how many videos are in each split.
    """
    said = store.said_by(weights)
    task, learned = said["task"], said["trained_on"]
    paragraphs = [
        f"# {name}",
        f"Predicts `{task['target']}` of every {task['level']} "
        f"(loss `{task['loss']}`) from {_features(said['features'])}.",
        "## Scores\n\nOn the test videos of the experiment, from which nothing is learned; one "
        "training.",
        _table(scores),
        "## Training range\n\nBeyond it the network has seen nothing. Lengths in px, times in "
        "frames, densities in localizations per px² and frame.",
        _listed(learned),
        "## Data",
        _listed(dataset),
        "## Training",
        _listed(
            {
                "experiment": f"{name}, scale `{scale}`, study seed {study_seed}",
                "seed of the training": said["seed"],
                "graph passes": f"{said['graph_passes']:,}",
                "parameters": said.get("parameters"),
                "network": said["network"],
                "recipe": said["recipe"],
                "begun with": said.get("start"),
                "commit": commit,
                "versions": said["provenance"]["versions"],
                "sha256": hashlib.sha256(Path(weights).read_bytes()).hexdigest(),
            }
        ),
    ]
    with job.whole(path) as aside:
        aside.write_text("\n\n".join(paragraphs) + "\n", "utf-8")


def _features(features: Mapping[str, Any]) -> str:
    """What is seen of nodes and edges, in words."""
    seen = [
        f"{', '.join(features[kind])} of {kind}s" for kind in ("node", "edge") if features[kind]
    ]
    return " and ".join(seen)


def _table(scores: pd.DataFrame) -> str:
    """One line a quantity; floors that nobody has are left out."""
    columns = [name for name in COMPARED if name in scores and scores[name].notna().any()]
    heads = ["score", *(COMPARED[name] for name in columns)]
    lines = [LINE.format(" | ".join(heads)), "|---" * len(heads) + "|"]
    for row in scores.to_dict("records"):
        about = [str(row["quantity"]), row["read_out"], row["duration"]]
        about = [str(part) for part in about if pd.notna(part) and part != ""]
        unit = f" ({row['unit']})" if row["unit"] != "1" else ""
        cells = [", ".join(about) + unit, *(_number(row[name]) for name in columns)]
        if pd.notna(row["classical"]) and row.get("classical_method"):
            cells[heads.index(COMPARED["classical"])] += f" ({row['classical_method']})"
        lines.append(LINE.format(" | ".join(cells)))
    return "\n".join(lines)


def _number(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.3g}"


def _listed(settings: Mapping[str, Any]) -> str:
    """One line a setting, nested ones as JSON; what was not set is left out."""
    lines = []
    for key, value in _set(settings).items():
        shown = value if isinstance(value, str) else f"`{json.dumps(value, ensure_ascii=False)}`"
        lines.append(f"- {key.replace('_', ' ')}: {shown}")
    return "\n".join(lines)


def _set(value: Any) -> Any:
    """The same without what is null or empty, at every depth."""
    if isinstance(value, Mapping):
        found = {key: _set(one) for key, one in value.items()}
        return {key: one for key, one in found.items() if one not in (None, {}, [])}
    return [_set(one) for one in value] if isinstance(value, list | tuple) else value
