"""Ragged store of graphs -> batches of tensors, augmented (Methods, "MAGIK training").

Nothing here leaves the learning shelf.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from magik import schema, store
from magik.config import MOST_EIGENVECTORS, Features, Task
from magik.errors import InputError

LOAD_BELOW_BYTES = 4 * 2**30
"""A set of graphs smaller than this is read into memory; a larger one is read as it is used."""

ROWS_AT_ONCE = 2**20

OF_POSITIONS = (
    " The cells have neither masks nor a radius: use a network for positions alone, such as "
    "experiment: lineages_points."
)

PLANE = ("x", "y")
STEP = ("displacement_x", "displacement_y")


@dataclass(frozen=True)
class Batch:
    """Several graphs as one: nodes and edges one after the other, never connected.

    Nodes stand ordered by graph, then frame; edges by receiver. `target` is what the task asks of
    each object, `video_target` what it asks of each video; what is unknown is NaN. Where
    no truth is known, no edge is linked. `origin` is the sender of the true link to a node, -1
    where there is none; `skips` marks edges over other detections of the same particle. `signs`
    are those of the eigenvectors of a positional encoding (`magik.laplacian`), 1 or -1.
    """

    nodes: Float[Tensor, "nodes node_features"]
    edges: Float[Tensor, "edges edge_features"]
    edge_index: Int[Tensor, "2 edges"]
    distance: Float[Tensor, " edges"]
    lag: Int[Tensor, " edges"]
    graph: Int[Tensor, " nodes"]
    frame: Int[Tensor, " nodes"]
    n_graphs: int
    max_lag: int
    target: Float[Tensor, " nodes"]
    video_target: Float[Tensor, "graphs outputs"]
    origin: Int[Tensor, " nodes"]
    linked: Bool[Tensor, " edges"]
    skips: Bool[Tensor, " edges"]
    signs: Float[Tensor, "graphs eigenvectors"]

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on a device."""
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=True)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)


class GraphSet:
    """The graphs of a store, cut to windows of frames and joined to batches.

    Args:
        graphs: GRAPHS, in memory or lazily opened.
        features: which node and edge features the network sees, and in what order.
        task: whose target the batches hold; None: none.
        where: named first in an error: the path of the store.

    Raises:
        InputError: if the store lacks a feature, or is damaged.
    """

    def __init__(
        self,
        graphs: xr.Dataset,
        features: Features,
        task: Task | None = None,
        where: str = "graphs",
    ):
        self.where = where
        with store.reading(where):
            self.graphs = graphs.load() if graphs.nbytes < LOAD_BELOW_BYTES else graphs
        self.features = features
        self.node_columns = _find(features.node, graphs.attrs["node_feature"], "node", where)
        self.edge_columns = _find(features.edge, graphs.attrs["edge_feature"], "edge", where)
        self.lag_column = list(graphs.attrs["edge_feature"]).index("lag")
        self.node_start = schema.offsets(graphs["n_node"].to_numpy())
        self.edge_start = schema.offsets(graphs["n_edge"].to_numpy())
        self.n_frames = graphs["n_frames"].to_numpy()
        self.max_lag = int(graphs.attrs["max_lag"])
        self.frame = graphs["frame"].to_numpy().astype(np.int64)  # as what is searched in it
        self.first_edge = self._first_edges()
        self.of_node = task.of_object if task and task.of_object in graphs else None
        of_graph = task.variable if task and task.level == "graph" else None
        self.of_graph = of_graph if of_graph in graphs else None

    def __len__(self) -> int:
        return len(self.n_frames)

    def _first_edges(self) -> np.ndarray:
        """[nodes + 1] row of the first edge into each node: they stand ordered by receiver."""
        into = np.zeros(self.node_start[-1], np.int64)
        for graph, rows in enumerate(pairwise(self.edge_start.tolist())):
            nodes = slice(*self.node_start[graph : graph + 2])
            with store.reading(self.where):
                receiver = self.graphs["edge_index"][1, slice(*rows)].to_numpy()
            into[nodes] = np.bincount(receiver, minlength=nodes.stop - nodes.start)
        return schema.offsets(into)

    def positions(self, first: int, last: int) -> np.ndarray:
        """[last - first, axes] of consecutive nodes of the store, in its unit of length."""
        names = list(self.graphs.attrs["node_feature"])
        columns = [names.index(axis) for axis in self.graphs.attrs["axes"]]
        with store.reading(self.where):
            return self.graphs["node_features"][first:last].to_numpy()[:, columns]

    def columns(self, kind: Literal["node", "edge"]) -> Iterator[np.ndarray]:
        """The features that the network sees, some million rows at a time: [rows, features]."""
        chosen = self.node_columns if kind == "node" else self.edge_columns
        table = self.graphs[f"{kind}_features"]
        for first in range(0, len(table), ROWS_AT_ONCE):
            with store.reading(self.where):
                yield table[first : first + ROWS_AT_ONCE].to_numpy()[:, chosen]

    def cut(self, graph: int, first: int = 0, frames: int | None = None) -> Batch:
        """One graph, or a window of its frames, as a batch of one.

        Args:
            graph: which.
            first: first frame of the window.
            frames: frames in the window; all that follow if None.

        Returns:
            The nodes of the window and the edges with both ends in it; `frame` counts from
            the window's first frame, also when that is empty.

        Raises:
            InputError: if a part of a lazily read store is damaged.
        """
        with store.reading(self.where):
            return self._cut(graph, first, frames)

    def edges_of(self, graph: int, first: int, frames: int) -> np.ndarray:
        """[edges] rows of the store: those of `cut` with the same arguments, in its order."""
        with store.reading(self.where):
            inside, keep, _, _ = self._window(graph, first, frames)
        return np.arange(inside.start, inside.stop)[keep]

    def _window(
        self, graph: int, first: int, frames: int | None
    ) -> tuple[slice, np.ndarray, np.ndarray, slice]:
        """Rows of the edges into a window, which of them start in it, their ends, its nodes."""
        start, stop = self.node_start[graph : graph + 2]
        last = self.n_frames[graph] if frames is None else first + frames
        low, high = np.searchsorted(self.frame[start:stop], [first, last])
        # edges stand ordered by receiver: those into the window are one run of rows
        edges = slice(*self.first_edge[[start + low, start + high]].tolist())
        ends = self.graphs["edge_index"][:, edges].to_numpy()
        keep = ends[0] >= low
        return (
            edges,
            keep,
            ends[:, keep].astype(np.int64) - low,
            slice(start + low, start + high),
        )

    def _cut(self, graph: int, first: int, frames: int | None) -> Batch:
        inside, keep, ends, rows = self._window(graph, first, frames)
        nodes = rows.stop - rows.start
        low = rows.start - self.node_start[graph]
        edge_features = self.graphs["edge_features"][inside].to_numpy()[keep]
        target = np.full(nodes, np.nan, np.float32)
        if self.of_node:
            target = self.graphs[self.of_node][rows].to_numpy().astype(np.float32)
            if self.of_node == "motion":
                target[target < 0] = np.nan
        video_target = np.full((1, 1), np.nan, np.float32)
        if self.of_graph:
            video_target = self.graphs[self.of_graph][graph].to_numpy().reshape(1, -1)
        true = {}
        for name in ("linked", "skips"):
            true[name] = torch.zeros(int(keep.sum()), dtype=torch.bool)
            if name in self.graphs:
                found = self.graphs[name][inside].to_numpy()[keep].astype(bool)
                true[name] = torch.from_numpy(found)
        origin = np.full(nodes, -1)
        if "origin" in self.graphs:
            origin = self.graphs["origin"][rows].to_numpy().astype(np.int64)
            origin = np.where(origin >= low, origin - low, -1)
        return Batch(
            nodes=torch.from_numpy(
                self.graphs["node_features"][rows].to_numpy()[:, self.node_columns]
            ),
            edges=torch.from_numpy(edge_features[:, self.edge_columns]),
            edge_index=torch.from_numpy(ends),
            distance=torch.from_numpy(self.graphs["distance"][inside].to_numpy()[keep]),
            lag=torch.from_numpy(edge_features[:, self.lag_column].astype(np.int64)),
            graph=torch.zeros(nodes, dtype=torch.int64),
            frame=torch.from_numpy(self.frame[rows].astype(np.int64) - first),
            n_graphs=1,
            max_lag=self.max_lag,
            target=torch.from_numpy(target),
            video_target=torch.from_numpy(video_target.astype(np.float32)),
            origin=torch.from_numpy(origin),
            signs=torch.ones(1, MOST_EIGENVECTORS),
            **true,
        )

    def draw(
        self,
        size: int,
        window: int | tuple[float, float] | None,
        rng: np.random.Generator,
        drop: float = 0.0,
        noise: np.ndarray | None = None,
    ) -> Batch:
        """A random batch, augmented: graphs, windows, rotations all from `rng`.

        Args:
            size: graphs in the batch.
            window: frames of each, or the range of their share of the video; all if None.
            rng: of every choice.
            drop: share of nodes left out, with their edges.
            noise: s.d. of what is added to each node feature.
        """
        cuts = []
        for graph in rng.integers(len(self), size=size):
            frames = int(self.n_frames[graph])
            length = min(_length(window, frames, self.max_lag, rng), frames)
            first = int(rng.integers(frames - length + 1))
            cuts.append(self.cut(int(graph), first, length))
        batch = join(cuts)
        if drop:
            batch = leave_out(batch, torch.from_numpy(rng.random(len(batch.frame)) < drop))
        if noise is not None:
            added = rng.normal(size=batch.nodes.shape) * noise
            batch = replace(batch, nodes=batch.nodes + torch.from_numpy(added).float())
        return augment(batch, self.features, rng)


def _length(
    window: int | tuple[float, float] | None, frames: int, max_lag: int, rng: np.random.Generator
) -> int:
    """Frames of a window; one drawn as a share holds at least one edge of every lag."""
    if isinstance(window, tuple):
        return max(round(frames * rng.uniform(*window)), max_lag + 1)
    return window or frames


def _find(wanted: tuple[str, ...], present: list[str], kind: str, where: str) -> list[int]:
    for name in wanted:
        if name not in present:
            raise InputError(
                f"{where}: no {kind} feature '{name}', which the settings ask for "
                f"(features.{kind}). It has: {', '.join(present)}."
                + (OF_POSITIONS if name.startswith("overlap") else "")
            )
    return [present.index(name) for name in wanted]


def join(cuts: list[Batch]) -> Batch:
    """Batches one after the other as one batch."""
    n_node = [len(cut.frame) for cut in cuts]
    shift = np.concatenate([[0], np.cumsum(n_node)])
    first_graph = np.concatenate([[0], np.cumsum([cut.n_graphs for cut in cuts])])

    return Batch(
        nodes=torch.cat([cut.nodes for cut in cuts]),
        edges=torch.cat([cut.edges for cut in cuts]),
        edge_index=torch.cat([cut.edge_index + int(shift[k]) for k, cut in enumerate(cuts)], 1),
        distance=torch.cat([cut.distance for cut in cuts]),
        lag=torch.cat([cut.lag for cut in cuts]),
        graph=torch.cat([cut.graph + int(first_graph[k]) for k, cut in enumerate(cuts)]),
        frame=torch.cat([cut.frame for cut in cuts]),
        n_graphs=int(first_graph[-1]),
        max_lag=max(cut.max_lag for cut in cuts),
        target=torch.cat([cut.target for cut in cuts]),
        video_target=torch.cat([cut.video_target for cut in cuts]),
        origin=torch.cat(
            [
                torch.where(cut.origin < 0, cut.origin, cut.origin + int(shift[k]))
                for k, cut in enumerate(cuts)
            ]
        ),
        linked=torch.cat([cut.linked for cut in cuts]),
        skips=torch.cat([cut.skips for cut in cuts]),
        signs=torch.cat([cut.signs for cut in cuts]),
    )


def leave_out(batch: Batch, out: Bool[Tensor, " nodes"]) -> Batch:
    """The batch as if some detections had been missed: without them and without their edges.

    A link to or from a missed detection becomes one that bridges it.

    Args:
        batch: of any number of graphs.
        out: the nodes to leave out.
    """
    origin = batch.origin
    while bool((missed := (origin >= 0) & out[origin.clamp_min(0)]).any()):
        origin = torch.where(missed, batch.origin[origin.clamp_min(0)], origin)
    place = torch.cumsum(~out, 0) - 1
    sender, receiver = batch.edge_index
    keep = ~(out[sender] | out[receiver])
    linked = origin[receiver[keep]] == sender[keep]
    same = batch.linked[keep] | batch.skips[keep] | linked
    origin = origin[~out]
    return replace(
        batch,
        nodes=batch.nodes[~out],
        edges=batch.edges[keep],
        edge_index=place[batch.edge_index[:, keep]],
        distance=batch.distance[keep],
        lag=batch.lag[keep],
        graph=batch.graph[~out],
        frame=batch.frame[~out],
        target=batch.target[~out],
        origin=torch.where(origin < 0, origin, place[origin.clamp_min(0)]),
        linked=linked,
        skips=same & ~linked,
    )


def augment(batch: Batch, features: Features, rng: np.random.Generator) -> Batch:
    """Each graph rotated about the middle of the field of view, mirrored and translated.

    Distances do not change; coordinates and displacements turn together. Eigenvectors, which have
    no sign of their own, are given one at random.
    """
    angle = torch.from_numpy(rng.uniform(0, 2 * np.pi, batch.n_graphs)).float()
    mirror = torch.from_numpy(rng.choice([-1.0, 1.0], batch.n_graphs)).float()
    shift = torch.from_numpy(rng.uniform(-0.5, 0.5, (batch.n_graphs, 2))).float()
    cos, sin = angle.cos(), angle.sin()
    # rows: images of the unit vectors of x and y
    turn = torch.stack([torch.stack([cos, sin]), torch.stack([-sin * mirror, cos * mirror])])
    turn = turn.permute(2, 0, 1)

    nodes, edges = batch.nodes, batch.edges
    if set(PLANE) <= set(features.node):
        columns = [features.node.index(name) for name in PLANE]
        centred = nodes[:, columns] - 0.5
        turned = torch.einsum("ni,nij->nj", centred, turn[batch.graph]) + 0.5
        nodes = nodes.clone()
        nodes[:, columns] = turned + shift[batch.graph]
    if set(STEP) <= set(features.edge):
        columns = [features.edge.index(name) for name in STEP]
        of_edge = batch.graph[batch.edge_index[0]]
        edges = edges.clone()
        edges[:, columns] = torch.einsum("ni,nij->nj", edges[:, columns], turn[of_edge])
    signs = torch.from_numpy(rng.choice([-1.0, 1.0], batch.signs.shape)).float()
    return replace(batch, nodes=nodes, edges=edges, signs=signs)
