"""Checkpoint + graphs -> predictions, window by window for long videos."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

from magik import train
from magik.config import Predict
from magik.dataset import Batch, GraphSet, join
from magik.errors import InputError

NODES_AT_ONCE = 8000
"""Windows are joined to batches of about this many nodes: few launches, bounded memory."""

EDGES_AT_ONCE = 300_000
"""Where more lie in a window, on average over the video, windows are shorter."""


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
    trained = _trained(checkpoint, graphs, "node", threads)
    device = train.pick_device("auto")
    net = trained.net.to(device)
    examples = GraphSet(graphs, trained.features)
    found = np.full((3, graphs.sizes["node"]), np.nan, np.float32)
    with torch.no_grad():
        for batch, cuts in _batches(examples, config):
            said = trained.in_unit(net(batch.to(device)).node)[..., 0].cpu().numpy()
            rows = np.concatenate([cut.rows for cut in cuts])
            core = np.concatenate([cut.core for cut in cuts])
            found[:, rows[core]] = said[:, core]
    if trained.task.target == "displacement_scaling":
        scale = graphs["length_px"].to_numpy() / trained.trained_on["length_px"]
        found *= np.repeat(scale, graphs["n_node"].to_numpy())

    predictions = xr.Dataset(
        {
            "row_size": ("video", localizations["row_size"].to_numpy()),
            "frame": ("localization", localizations["frame"].to_numpy()),
            "x": ("localization", localizations["x"].to_numpy()),
            "y": ("localization", localizations["y"].to_numpy()),
            "prediction": ("localization", found[1]),
        },
        attrs={
            "field_of_view": [float(side) for side in localizations.attrs["field_of_view"]],
            "target_name": trained.task.target,
            "trained_on": json.dumps(trained.trained_on, sort_keys=True),
        },
    )
    if trained.task.quantiles is not None:
        predictions["lower"] = ("localization", found[0])
        predictions["upper"] = ("localization", found[2])
        predictions.attrs["quantiles"] = list(trained.task.quantiles)
    if trained.task.variable in graphs:
        predictions["target"] = ("localization", graphs[trained.task.variable].to_numpy())
    return predictions


def run_videos(
    checkpoint: str | Path,
    graphs: xr.Dataset,
    config: Predict,
    *,
    threads: int = 1,
) -> xr.Dataset:
    """What a network says of every video as a whole.

    A video of several windows is given their mean, weighted by their localizations.

    Args:
        checkpoint: path of a trained network.
        graphs: GRAPHS.
        config: windows.
        threads: CPU threads.

    Returns:
        VIDEO_PREDICTIONS; NaN of a video without a localization. With classes there is an
        output for each, of which `prediction` is the share of the objects that belong to it.

    Raises:
        InputError: as `run`.
    """
    trained = _trained(checkpoint, graphs, "graph", threads)
    device = train.pick_device("auto")
    net = trained.net.to(device)
    examples = GraphSet(graphs, trained.features)
    outputs = list(trained.outputs) or [trained.task.target]
    total = np.zeros((3, len(examples), len(outputs)))
    weight = np.zeros(len(examples))
    with torch.no_grad():
        for batch, cuts in _batches(examples, config):
            said = trained.in_unit(net(batch.to(device)).graph).cpu().numpy()
            for window, cut in enumerate(cuts):
                total[:, cut.graph] += said[:, window] * len(cut.rows)
                weight[cut.graph] += len(cut.rows)
    seen = np.where(weight > 0, weight, np.nan)[:, None]
    lower, prediction, upper = (total / seen).astype(np.float32)
    predictions = xr.Dataset(
        {"prediction": (("video", "output"), prediction)},
        attrs={
            "target_name": trained.task.variable,
            "output": outputs,
            "trained_on": json.dumps(trained.trained_on, sort_keys=True),
        },
    )
    if trained.task.quantiles is not None:
        predictions["lower"] = (("video", "output"), lower)
        predictions["upper"] = (("video", "output"), upper)
        predictions.attrs["quantiles"] = list(trained.task.quantiles)
    if trained.task.variable in graphs:
        target = graphs[trained.task.variable].to_numpy()
        predictions["target"] = (("video", "output"), target.reshape(len(examples), -1))
    return predictions


def run_edges(
    checkpoint: str | Path,
    graphs: xr.Dataset,
    config: Predict,
    *,
    threads: int = 1,
) -> xr.Dataset:
    """What a network says of every candidate edge.

    An edge is judged in the window in which its receiver lies. A window sees at least `max_lag`
    frames beyond each end, so that every edge into it is whole.

    Args:
        checkpoint: path of a trained network.
        graphs: GRAPHS.
        config: windows.
        threads: CPU threads.

    Returns:
        EDGES, in the order of the graphs' edges.

    Raises:
        InputError: as `run`.
    """
    trained = _trained(checkpoint, graphs, "edge", threads)
    device = train.pick_device("auto")
    net = trained.net.to(device)
    examples = GraphSet(graphs, trained.features)
    probability = np.zeros(graphs.sizes["edge"], np.float32)
    wide = config.model_copy(update={"context": max(config.context, examples.max_lag)})
    with torch.no_grad():
        for batch, cuts in _batches(examples, wide):
            said = train.edge_probability(net(batch.to(device)), trained.task).cpu().numpy()
            rows = np.concatenate([cut.edges for cut in cuts])
            core = np.concatenate([cut.core for cut in cuts])[batch.edge_index[1].numpy()]
            probability[rows[core]] = said[core]
    ends = graphs["edge_index"].to_numpy()
    edges = xr.Dataset(
        {
            "row_size": ("video", graphs["n_node"].to_numpy()),
            "n_edge": ("video", graphs["n_edge"].to_numpy()),
            "sender": ("edge", ends[0]),
            "receiver": ("edge", ends[1]),
            "probability": ("edge", probability),
        },
        attrs={
            "max_lag": int(graphs.attrs["max_lag"]),
            "target_name": trained.task.target,
            "trained_on": json.dumps(trained.trained_on, sort_keys=True),
        },
    )
    for name in ("linked", "skips"):
        if name in graphs:
            edges[name] = ("edge", graphs[name].to_numpy())
    return edges


def _trained(checkpoint: str | Path, graphs: xr.Dataset, level: str, threads: int) -> train.Trained:
    """The network of a checkpoint, if it is for these graphs."""
    torch.set_num_threads(threads)
    trained = train.load(checkpoint)
    if trained.task.level != level:
        raise InputError(
            f"{checkpoint}: predicts {trained.task.target} of each {trained.task.level}; "
            f"expected a network for {level}s."
        )
    for name in ("radius", "max_lag", "axes", "unit"):
        learned, found = trained.trained_on[name], graphs.attrs[name]
        if learned != found:
            raise InputError(
                f"{checkpoint}: trained on graphs with {name} = {learned}, but these graphs "
                f"have {found}. Build them with the training data set's graph settings."
            )
    return trained


def windows(frames: int, config: Predict, fewest: int = 1) -> Iterator[tuple[int, int]]:
    """First frame and the one after the last of each window: equal parts of about its length.

    Args:
        frames: of the video.
        config: about how long a window is.
        fewest: windows, at least; at most there are as many as frames.

    >>> list(windows(100, Predict(window=50)))
    [(0, 50), (50, 100)]
    >>> list(windows(55, Predict(window=50)))
    [(0, 55)]
    """
    number = min(max(fewest, round(frames / config.window)), max(1, frames))
    edges = np.linspace(0, frames, number + 1).round().astype(int)
    yield from pairwise(edges.tolist())


class Cut(NamedTuple):
    """One window with its context.

    Attributes:
        graph: which graph it is of.
        rows: [nodes] their rows in the store.
        core: [nodes] bool: in the window, not its context.
        edges: [edges] their rows in the store.
    """

    graph: int
    rows: np.ndarray
    core: np.ndarray
    edges: np.ndarray


def _batches(examples: GraphSet, config: Predict) -> Iterator[tuple[Batch, list[Cut]]]:
    """Windows with their context, joined, and where each lies in the store."""
    batches: list[Batch] = []
    cuts: list[Cut] = []
    for graph in range(len(examples)):
        frames = int(examples.n_frames[graph])
        start, stop = examples.node_start[graph : graph + 2]
        frame = examples.frame[start:stop]
        fewest = -(-int(examples.graphs["n_edge"][graph]) // EDGES_AT_ONCE)
        for first, last in windows(frames, config, max(1, fewest)):
            low, high = max(0, first - config.context), min(frames, last + config.context)
            a, b = np.searchsorted(frame, [low, high])
            if a == b:
                continue
            batches.append(examples.cut(graph, low, high - low))
            core = (frame[a:b] >= first) & (frame[a:b] < last)
            inside = examples.edges_of(graph, low, high - low)
            cuts.append(Cut(graph, np.arange(start + a, start + b), core, inside))
            full = sum(len(cut.rows) for cut in cuts) >= NODES_AT_ONCE
            if full or sum(len(cut.edges) for cut in cuts) >= EDGES_AT_ONCE:
                yield join(batches), cuts
                batches, cuts = [], []
    if cuts:
        yield join(batches), cuts
