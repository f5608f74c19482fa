"""Ragged store of graphs -> batches of tensors, augmented (Methods, "MAGIK training").

Nothing here leaves the learning shelf.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from magik import schema, store
from magik.config import Features
from magik.errors import InputError

LOAD_BELOW_BYTES = 4 * 2**30
"""A set of graphs smaller than this is read into memory; a larger one is read as it is used."""

ROWS_AT_ONCE = 2**20

PLANE = ("x", "y")
STEP = ("displacement_x", "displacement_y")


@dataclass(frozen=True)
class Batch:
    """Several graphs as one: nodes and edges one after the other, never connected.

    Nodes stand ordered by graph, then frame; edges by receiver. An unknown target is NaN; where
    no truth is known, no edge is linked.
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
    linked: Bool[Tensor, " edges"]

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
        where: named first in an error: the path of the store.

    Raises:
        InputError: if the store lacks a feature, or is damaged.
    """

    def __init__(self, graphs: xr.Dataset, features: Features, where: str = "graphs"):
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
        self.frame = graphs["frame"].to_numpy()

    def __len__(self) -> int:
        return len(self.n_frames)

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

    def _cut(self, graph: int, first: int, frames: int | None) -> Batch:
        start, stop = self.node_start[graph : graph + 2]
        frame = self.frame[start:stop]
        last = self.n_frames[graph] if frames is None else first + frames
        low, high = np.searchsorted(frame, [first, last])
        edges = slice(*self.edge_start[graph : graph + 2])
        sender, receiver = self.graphs["edge_index"][:, edges].to_numpy()
        # edges stand ordered by receiver: those into the window are one run of rows
        a, b = np.searchsorted(receiver, [low, high])
        inside = slice(edges.start + a, edges.start + b)
        keep = sender[a:b] >= low
        edge_features = self.graphs["edge_features"][inside].to_numpy()[keep]
        rows = slice(start + low, start + high)
        target = np.full(high - low, np.nan, np.float32)
        if "displacement_scaling" in self.graphs:
            target = self.graphs["displacement_scaling"][rows].to_numpy().astype(np.float32)
        linked = np.zeros(int(keep.sum()), bool)
        if "linked" in self.graphs:
            linked = self.graphs["linked"][inside].to_numpy()[keep].astype(bool)
        return Batch(
            nodes=torch.from_numpy(
                self.graphs["node_features"][rows].to_numpy()[:, self.node_columns]
            ),
            edges=torch.from_numpy(edge_features[:, self.edge_columns]),
            edge_index=torch.from_numpy(
                np.stack([sender[a:b][keep], receiver[a:b][keep]]).astype(np.int64) - low
            ),
            distance=torch.from_numpy(self.graphs["distance"][inside].to_numpy()[keep]),
            lag=torch.from_numpy(edge_features[:, self.lag_column].astype(np.int64)),
            graph=torch.zeros(high - low, dtype=torch.int64),
            frame=torch.from_numpy(frame[low:high].astype(np.int64) - first),
            n_graphs=1,
            max_lag=int(self.graphs.attrs["max_lag"]),
            target=torch.from_numpy(target),
            linked=torch.from_numpy(linked),
        )

    def draw(self, size: int, window: int | None, rng: np.random.Generator) -> Batch:
        """A random batch, augmented: graphs, windows, rotations all from `rng`."""
        cuts = []
        for graph in rng.integers(len(self), size=size):
            frames = int(self.n_frames[graph])
            length = min(window or frames, frames)
            first = int(rng.integers(frames - length + 1))
            cuts.append(self.cut(int(graph), first, length))
        return augment(join(cuts), self.features, rng)


def _find(wanted: tuple[str, ...], present: list[str], kind: str, where: str) -> list[int]:
    for name in wanted:
        if name not in present:
            raise InputError(
                f"{where}: no {kind} feature '{name}', which the settings ask for "
                f"(features.{kind}). It has: {', '.join(present)}."
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
        linked=torch.cat([cut.linked for cut in cuts]),
    )


def augment(batch: Batch, features: Features, rng: np.random.Generator) -> Batch:
    """Each graph rotated about the middle of the field of view, mirrored and translated.

    Distances do not change; coordinates and displacements turn together.
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
    return replace(batch, nodes=nodes, edges=edges)
