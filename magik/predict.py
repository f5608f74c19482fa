"""Checkpoint + graphs -> predictions, window by window for long videos."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from magik import train
from magik.config import Predict
from magik.dataset import Batch, GraphSet, join
from magik.errors import InputError

NODES_AT_ONCE = 8000
"""Windows are joined to batches of about this many nodes: few launches, bounded memory."""


def run(
    checkpoint: str | Path,
    graphs: xr.Dataset,
    localizations: xr.Dataset,
    config: Predict,
    *,
    threads: int = 1,
) -> xr.Dataset:
    """What a network says of every localization.

    Here, and only here, fields of view turn back into px: predictions are in px per frame^½ of
    the localizations, also where the network was trained on images of another size.

    Args:
        checkpoint: path of a trained network.
        graphs: GRAPHS of the localizations.
        localizations: LOCALIZATIONS that the graphs were built from.
        config: windows.
        threads: CPU threads.

    Returns:
        PREDICTIONS, a row for each localization.

    Raises:
        InputError: if the checkpoint is not for these graphs: another task level, features,
            reach or lag.
    """
    torch.set_num_threads(threads)
    trained = train.load(checkpoint)
    if trained.task.level != "node":
        raise InputError(
            f"{checkpoint}: predicts {trained.task.target} of each {trained.task.level}; "
            "expected a network for nodes."
        )
    for name in ("radius", "max_lag", "axes"):
        learned, found = trained.trained_on[name], graphs.attrs[name]
        if learned != found:
            raise InputError(
                f"{checkpoint}: trained on graphs with {name} = {learned}, but these graphs "
                f"have {found}. Build them with the training data set's graph settings."
            )
    device = train.pick_device("auto")
    net = trained.net.to(device)
    examples = GraphSet(graphs, trained.features, "graphs")
    prediction = np.full(graphs.sizes["node"], np.nan, np.float32)
    with torch.no_grad():
        for batch, rows, core in _batches(examples, config):
            said = net(batch.to(device)).node.cpu().numpy()
            prediction[rows[core]] = said[core] * trained.target_sd + trained.target_mean
    prediction *= graphs.attrs["length_px"] / trained.trained_on["length_px"]

    predictions = xr.Dataset(
        {
            "row_size": ("video", localizations["row_size"].to_numpy()),
            "frame": ("localization", localizations["frame"].to_numpy()),
            "x": ("localization", localizations["x"].to_numpy()),
            "y": ("localization", localizations["y"].to_numpy()),
            "prediction": ("localization", prediction),
        },
        attrs={
            "field_of_view": [float(side) for side in localizations.attrs["field_of_view"]],
            "target_name": trained.task.target,
            "trained_on": json.dumps(trained.trained_on, sort_keys=True),
        },
    )
    if trained.task.target in graphs:
        predictions["target"] = ("localization", graphs[trained.task.target].to_numpy())
    return predictions


def windows(frames: int, config: Predict) -> Iterator[tuple[int, int]]:
    """First frame and the one after the last of each window: equal parts of about its length.

    >>> list(windows(100, Predict(window=50)))
    [(0, 50), (50, 100)]
    >>> list(windows(55, Predict(window=50)))
    [(0, 55)]
    """
    number = max(1, round(frames / config.window))
    edges = np.linspace(0, frames, number + 1).round().astype(int)
    yield from pairwise(edges.tolist())


def _batches(examples: GraphSet, config: Predict) -> Iterator[tuple[Batch, np.ndarray, np.ndarray]]:
    """Windows with their context, joined; their nodes' rows; which nodes are no mere context."""
    cuts: list[Batch] = []
    rows: list[np.ndarray] = []
    core: list[np.ndarray] = []
    for graph in range(len(examples)):
        frames = int(examples.n_frames[graph])
        start, stop = examples.node_start[graph : graph + 2]
        frame = examples.frame[start:stop]
        for first, last in windows(frames, config):
            low, high = max(0, first - config.context), min(frames, last + config.context)
            a, b = np.searchsorted(frame, [low, high])
            if a == b:
                continue
            cuts.append(examples.cut(graph, low, high - low))
            rows.append(np.arange(start + a, start + b))
            core.append((frame[a:b] >= first) & (frame[a:b] < last))
            if sum(map(len, rows)) >= NODES_AT_ONCE:
                yield join(cuts), np.concatenate(rows), np.concatenate(core)
                cuts, rows, core = [], [], []
    if cuts:
        yield join(cuts), np.concatenate(rows), np.concatenate(core)
