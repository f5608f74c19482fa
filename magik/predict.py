"""Checkpoint + graphs -> predictions: long videos in windows, wide fields in tiles."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

from magik import store, train
from magik.config import Predict
from magik.dataset import Batch, GraphSet, join, leave_out
from magik.errors import InputError

NODES_AT_ONCE = 8000
"""Windows are joined to batches of about this many nodes: few launches, bounded memory."""

MEMORY = 2**30
"""Bytes that a network's numbers of one batch may take: what needs more is cut to tiles."""

ARRAYS = 10
"""Arrays of the network's width, of 4 bytes a number, that an edge takes at the peak: measured."""

HALO = 4
"""Reaches of the edges that a tile sees beyond its own localizations, on each side."""


def run(
    checkpoint: str | Path,
    graphs: xr.Dataset,
    localizations: xr.Dataset,
    config: Predict,
    *,
    threads: int = 1,
) -> xr.Dataset:
    """What a network says of every localization.

    Here, and only here, fields of view turn back into px, and steps from image to image into
    D per frame: predictions are in px per frame^½ of the localizations, also where the network
    was trained on images of another size.

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
    device, examples = train.pick_device("auto"), GraphSet(graphs, trained.features)
    net = trained.net.to(device)
    found = np.full((3, graphs.sizes["node"]), np.nan, np.float32)
    with torch.no_grad():
        for batch, cuts in _batches(examples, config, _edges_at_once(checkpoint)):
            said = trained.in_unit(net(batch.to(device)).node)[..., 0].cpu().numpy()
            rows = np.concatenate([cut.rows for cut in cuts])
            core = np.concatenate([cut.core for cut in cuts])
            found[:, rows[core]] = said[:, core]
    per_frame = np.ones(graphs.sizes["graph"])
    if trained.task.target == "displacement_scaling":
        if "dt" in graphs:
            per_frame = 1 / np.sqrt(graphs["dt"].to_numpy())
        scale = per_frame * graphs["length_px"].to_numpy() / trained.trained_on["length_px"]
        found *= np.repeat(scale, graphs["n_node"].to_numpy())

    predictions = _predictions(trained, graphs, found, ("localization",))
    if "target" in predictions:
        nodes = graphs["n_node"].to_numpy()
        predictions["target"] = predictions["target"] * np.repeat(per_frame, nodes).astype("f4")
    for name in ("frame", "x", "y"):
        predictions[name] = ("localization", localizations[name].to_numpy())
    predictions["row_size"] = ("video", localizations["row_size"].to_numpy())
    sides = [float(side) for side in localizations.attrs["field_of_view"]]
    return predictions.assign_attrs(field_of_view=sides)


def _predictions(
    trained: train.Trained, graphs: xr.Dataset, found: np.ndarray, dims: tuple[str, ...]
) -> xr.Dataset:
    """What a network says over some dimensions: value, interval and truth, as far as there are.

    `found` [3, *dims] are the lower end, the middle and the upper end.
    """
    said = {"prediction": found[1]}
    attrs: dict[str, object] = {
        "target_name": trained.task.variable,
        "trained_on": json.dumps(trained.trained_on, sort_keys=True),
    }
    if trained.task.quantiles is not None:
        said |= {"lower": found[0], "upper": found[2]}
        attrs["quantiles"] = list(trained.task.quantiles)
    if trained.task.variable in graphs:
        said["target"] = graphs[trained.task.variable].to_numpy().reshape(found.shape[1:])
    return xr.Dataset({name: (dims, value) for name, value in said.items()}, attrs=attrs)


def run_videos(
    checkpoint: str | Path,
    graphs: xr.Dataset,
    config: Predict,
    *,
    threads: int = 1,
) -> xr.Dataset:
    """What a network says of every video as a whole.

    A video of several windows is given their mean, weighted by their localizations, and no
    interval: that of a window is too wide for the mean of many.

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
    device, examples = train.pick_device("auto"), GraphSet(graphs, trained.features)
    net = trained.net.to(device)
    outputs = list(trained.outputs) or [trained.task.target]
    total = np.zeros((3, len(examples), len(outputs)))
    weight, windows_seen = np.zeros((2, len(examples)))
    with torch.no_grad():
        for batch, cuts in _batches(examples, config, _edges_at_once(checkpoint)):
            said = trained.in_unit(net(batch.to(device)).graph).cpu().numpy()
            for window, cut in enumerate(cuts):
                total[:, cut.graph] += said[:, window] * cut.core.sum()
                weight[cut.graph] += cut.core.sum()
                windows_seen[cut.graph] += 1
    seen = np.where(weight > 0, weight, np.nan)[:, None]
    found = (total / seen).astype(np.float32)
    found[::2, windows_seen > 1] = np.nan  # both ends
    predictions = _predictions(trained, graphs, found, ("video", "output"))
    return predictions.assign_attrs(output=outputs)


def run_edges(
    checkpoint: str | Path,
    graphs: xr.Dataset,
    config: Predict,
    *,
    threads: int = 1,
) -> xr.Dataset:
    """What a network says of every candidate edge.

    An edge is judged in the window and tile in which its receiver lies. A window sees at least
    `max_lag` frames beyond each end, a tile more than the reach, so that every edge into them is
    whole.

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
    device, examples = train.pick_device("auto"), GraphSet(graphs, trained.features)
    net = trained.net.to(device)
    probability = np.zeros(graphs.sizes["edge"], np.float32)
    wide = config.model_copy(update={"context": max(config.context, examples.max_lag)})
    with torch.no_grad():
        for batch, cuts in _batches(examples, wide, _edges_at_once(checkpoint)):
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


def windows(frames: int, config: Predict) -> Iterator[tuple[int, int]]:
    """First frame and the one after the last of each window: equal parts of about its length.

    Args:
        frames: of the video.
        config: about how long a window is.

    >>> list(windows(100, Predict(window=50)))
    [(0, 50), (50, 100)]
    >>> list(windows(55, Predict(window=50)))
    [(0, 55)]
    """
    number = max(1, round(frames / config.window))
    edges = np.linspace(0, frames, number + 1).round().astype(int)
    yield from pairwise(edges.tolist())


class Cut(NamedTuple):
    """One window with its context, or a tile of it with its halo.

    Attributes:
        graph: which graph it is of.
        batch: what the network sees.
        rows: [nodes] their rows in the store.
        edges: [edges] their rows in the store.
        core: [nodes] bool: in the window and tile, neither context nor halo.
        place: [nodes, 1 + axes] frame and position.
    """

    graph: int
    batch: Batch
    rows: np.ndarray
    edges: np.ndarray
    core: np.ndarray
    place: np.ndarray

    def only(self, seen: np.ndarray) -> "Cut":
        """Some of its nodes, with the edges between them."""
        sender, receiver = self.batch.edge_index.numpy()
        return Cut(
            self.graph,
            leave_out(self.batch, torch.from_numpy(~seen)),
            self.rows[seen],
            self.edges[seen[sender] & seen[receiver]],
            self.core[seen],
            self.place[seen],
        )


def tiles(cut: Cut, at_once: int, margin: np.ndarray) -> Iterator[Cut]:
    """A window in parts of no more than some number of edges.

    Its core is halved along its longest side, and each half sees what lies within the margin;
    and so on, until all fit. A core no longer than the margin on any side is halved in time, as
    the halves would see the same. Only a single frame of a crowd denser still stays too large.

    Every node is in the core of one part. Parts differ from the whole by what nodes learn from
    beyond the margin: nothing, or next to it, where objects stay within.

    Args:
        cut: the window.
        at_once: edges in a part.
        margin: [1 + axes] frames of context, and the halo in the unit of positions.
    """
    if len(cut.edges) <= at_once:
        yield cut
        return
    place = cut.place[cut.core]
    size = np.ptp(place, axis=0)
    along = 1 + int(np.argmax(size[1:]))
    if size[along] <= margin[along]:
        along = 0
    if size[along] == 0:
        yield cut
        return
    before = cut.place[:, along] <= place[:, along].min() + size[along] / 2
    for half in (before, ~before):
        own = cut._replace(core=cut.core & half)
        low, high = own.place[own.core].min(axis=0), own.place[own.core].max(axis=0)
        near = np.all((own.place >= low - margin) & (own.place <= high + margin), axis=1)
        yield from tiles(own.only(near), at_once, margin)


def _edges_at_once(checkpoint: str | Path) -> int:
    """How many edges of a batch fit into the memory."""
    width = store.said_by(checkpoint)["network"]["encoder"][-1]
    return int(MEMORY / (4 * ARRAYS * width))


def _batches(
    examples: GraphSet, config: Predict, at_once: int
) -> Iterator[tuple[Batch, list[Cut]]]:
    """Windows with their context, or tiles of them, joined while they are small."""
    cuts: list[Cut] = []
    for graph in range(len(examples)):
        for window in _windows(examples, graph, config):
            for cut in tiles(window, at_once, _margin(examples, config)):
                nodes = sum(len(one.rows) for one in (*cuts, cut))
                edges = sum(len(one.edges) for one in (*cuts, cut))
                if cuts and (nodes > NODES_AT_ONCE or edges > at_once):
                    yield join([one.batch for one in cuts]), cuts
                    cuts = []
                cuts.append(cut)
    if cuts:
        yield join([one.batch for one in cuts]), cuts


def _windows(examples: GraphSet, graph: int, config: Predict) -> Iterator[Cut]:
    """Windows of one video that hold any localization."""
    frames = int(examples.n_frames[graph])
    start, stop = examples.node_start[graph : graph + 2].tolist()
    frame = examples.frame[start:stop]
    for first, last in windows(frames, config):
        low, high = max(0, first - config.context), min(frames, last + config.context)
        a, b = np.searchsorted(frame, [low, high]).tolist()
        core = (frame[a:b] >= first) & (frame[a:b] < last)
        if not core.any():
            continue
        yield Cut(
            graph,
            examples.cut(graph, low, high - low),
            np.arange(start + a, start + b),
            examples.edges_of(graph, low, high - low),
            core,
            np.column_stack([frame[a:b], examples.positions(start + a, start + b)]),
        )


def _margin(examples: GraphSet, config: Predict) -> np.ndarray:
    """Context in frames, and the halo in the unit of positions along each axis."""
    axes = len(examples.graphs.attrs["axes"])
    return np.array([config.context, *[HALO * examples.graphs.attrs["radius"]] * axes])
