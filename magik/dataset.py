"""Ragged store of graphs -> batches of tensors, augmented (Methods, "MAGIK training").

Nothing here leaves the learning shelf.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, NamedTuple

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

OF_NODES = ("nodes", "target")
OF_EDGES = ("edges", "distance", "linked", "skips")
"""What a batch holds of the numbers of a store; all else says how they belong together."""

PLANE = ("x", "y")
STEP = ("displacement_x", "displacement_y")


class Sizes(NamedTuple):
    """What lays out a batch, known without asking the device that it is on.

    Attributes:
        nodes: of each graph.
        into: edges into the nodes of each frame, of all graphs together.
        out_of: edges out of the nodes of each frame.
    """

    nodes: list[int]
    into: list[int]
    out_of: list[int]

    @classmethod
    def of(cls, graph: Tensor, frame: Tensor, edge_index: Tensor, n_graphs: int) -> "Sizes":
        """Those of a batch; on a device this waits for it."""
        frames = int(frame.max()) + 1 if len(frame) else 0
        out_of, into = (torch.bincount(frame[end], minlength=frames) for end in edge_index)
        nodes = torch.bincount(graph, minlength=n_graphs)
        return cls(nodes.tolist(), into.tolist(), out_of.tolist())


@dataclass(frozen=True)
class Batch:
    """Several graphs as one: nodes and edges one after the other, never connected.

    Nodes stand ordered by graph, then frame; edges by receiver. `target` is what the task asks of
    each object, `video_target` what it asks of each video; what is unknown is NaN. Where
    no truth is known, no edge is linked. `origin` is the sender of the true link to a node, -1
    where there is none; `skips` marks edges over other detections of the same particle. `signs`
    are those of the eigenvectors of a positional encoding (`magik.laplacian`), 1 or -1. `sizes`
    go with `graph`, `frame` and `edge_index`: who replaces these replaces them, too.
    """

    nodes: Float[Tensor, "nodes node_features"]
    edges: Float[Tensor, "edges edge_features"]
    edge_index: Int[Tensor, "2 edges"]
    distance: Float[Tensor, " edges"]
    graph: Int[Tensor, " nodes"]
    frame: Int[Tensor, " nodes"]
    n_graphs: int
    target: Float[Tensor, " nodes"]
    video_target: Float[Tensor, "graphs outputs"]
    origin: Int[Tensor, " nodes"]
    linked: Bool[Tensor, " edges"]
    skips: Bool[Tensor, " edges"]
    signs: Float[Tensor, "graphs eigenvectors"]
    sizes: Sizes

    def __post_init__(self) -> None:
        nodes, edges = len(self.frame), self.edge_index.shape[1]
        known = sum(self.sizes.nodes), sum(self.sizes.into), sum(self.sizes.out_of)
        if known != (nodes, edges, edges):
            raise ValueError(f"sizes of {known} nodes and edges; expected {nodes} and {edges}")

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on a device."""
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=True)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)


class _Window(NamedTuple):
    """Rows of the store that make a window.

    Attributes:
        graph: that it is of.
        first: its first frame.
        nodes: rows of its nodes.
        edges: rows of the edges into them.
        keep: which of these start in it.
        ends: sender and receiver of those, counted from its first node.
    """

    graph: int
    first: int
    nodes: slice
    edges: slice
    keep: Bool[np.ndarray, " edges"]
    ends: Int[np.ndarray, "2 kept"]


class GraphSet:
    """The graphs of a store, cut to windows of frames and joined to batches.

    `to` puts them on a device, where batches are then made. What belongs together is found on
    the processor, which is asked nothing of what the device holds.

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
        self.loaded = graphs.nbytes < LOAD_BELOW_BYTES
        with store.reading(where):
            self.graphs = graphs.load() if self.loaded else graphs
        self.features = features
        self.node_columns = _find(features.node, graphs.attrs["node_feature"], "node", where)
        self.edge_columns = _find(features.edge, graphs.attrs["edge_feature"], "edge", where)
        self.node_start = schema.offsets(graphs["n_node"].to_numpy())
        self.edge_start = schema.offsets(graphs["n_edge"].to_numpy())
        self.n_frames = graphs["n_frames"].to_numpy()
        self.max_lag = int(graphs.attrs["max_lag"])
        self.frame = graphs["frame"].to_numpy().astype(np.int64)  # as what is searched in it
        self.first_edge = self._first_edges()
        self.of_node = task.of_object if task and task.of_object in graphs else None
        of_graph = task.variable if task and task.level == "graph" else None
        self.of_graph = of_graph if of_graph in graphs else None
        self.device = torch.device("cpu")
        self.held: dict[str, Tensor] = {}

    def to(self, device: torch.device | str) -> "GraphSet":
        """Itself, with batches on a device from now on, and the numbers that they are made of.

        The features that the network sees stay on the device alone: from now on the set makes
        batches, and nothing else. A set that is read as it is used stays where it is, and only
        its batches are moved.
        """
        self.device = torch.device(device)
        if self.loaded:
            self.held = {
                name: torch.from_numpy(self._column(name, slice(None))).to(self.device)
                for name in (*OF_NODES, *OF_EDGES)
            }
            self.graphs = self.graphs.drop_vars(["node_features", "edge_features"])
        return self

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
        return self._gather([(graph, first, frames)])

    def edges_of(self, graph: int, first: int, frames: int) -> np.ndarray:
        """[edges] rows of the store: those of `cut` with the same arguments, in its order."""
        with store.reading(self.where):
            window = self._window(graph, first, frames)
        return np.arange(window.edges.start, window.edges.stop)[window.keep]

    def _window(self, graph: int, first: int, frames: int | None) -> _Window:
        start, stop = self.node_start[graph : graph + 2]
        last = self.n_frames[graph] if frames is None else first + frames
        low, high = np.searchsorted(self.frame[start:stop], [first, last])
        # edges stand ordered by receiver: those into the window are one run of rows
        edges = slice(*self.first_edge[[start + low, start + high]].tolist())
        ends = self.graphs["edge_index"][:, edges].to_numpy()
        keep = ends[0] >= low
        return _Window(
            graph,
            first,
            slice(int(start + low), int(start + high)),
            edges,
            keep,
            ends[:, keep].astype(np.int64) - low,
        )

    def _column(self, name: str, rows: slice) -> np.ndarray:
        """Some rows of what a batch holds of a store, in the store's order."""
        of_nodes = name in OF_NODES
        total = len(self.frame) if of_nodes else self.first_edge[-1]
        number = len(range(*rows.indices(int(total))))
        match name:
            case "nodes":
                return self.graphs["node_features"][rows].to_numpy()[:, self.node_columns]
            case "edges":
                return self.graphs["edge_features"][rows].to_numpy()[:, self.edge_columns]
            case "target" if self.of_node is None:
                return np.full(number, np.nan, np.float32)
            case "target":
                found = self.graphs[self.of_node][rows].to_numpy().astype(np.float32)
                return np.where(found < 0, np.nan, found) if self.of_node == "motion" else found
            case "linked" | "skips" if name not in self.graphs:
                return np.zeros(number, bool)
            case "linked" | "skips":
                return self.graphs[name][rows].to_numpy().astype(bool)
        return self.graphs[name][rows].to_numpy()

    def _gather(self, wanted: Sequence[tuple[int, int, int | None]]) -> Batch:
        """Windows (graph, first frame, frames) one after the other, as a batch on the device."""
        with store.reading(self.where):
            windows = [self._window(*one) for one in wanted]
            counts = [window.nodes.stop - window.nodes.start for window in windows]
            read = [window.edges.stop - window.edges.start for window in windows]
            firsts, shifts = (schema.offsets(np.array(n)).tolist() for n in (counts, read))
            each = list(zip(windows, firsts, shifts, strict=False))
            graph = torch.from_numpy(np.repeat(np.arange(len(windows)), counts))
            frame = torch.from_numpy(
                np.concatenate([self.frame[window.nodes] - window.first for window in windows])
            )
            edge_index = torch.from_numpy(
                np.concatenate([window.ends + first for window, first, _ in each], axis=1)
            )
            keep = torch.from_numpy(
                np.concatenate([np.flatnonzero(window.keep) + shift for window, _, shift in each])
            )
            keep = send(keep, self.device if self.held else torch.device("cpu"))
            origin = np.concatenate([self._origin(window, first) for window, first, _ in each])
            video_target = np.concatenate([self._video_target(window) for window in windows])
            columns = {name: self._rows(name, [w.nodes for w in windows]) for name in OF_NODES}
            columns |= {
                name: self._rows(name, [w.edges for w in windows], keep) for name in OF_EDGES
            }
        return Batch(
            edge_index=send(edge_index, self.device),
            graph=send(graph, self.device),
            frame=send(frame, self.device),
            n_graphs=len(windows),
            video_target=send(torch.from_numpy(video_target), self.device),
            origin=send(torch.from_numpy(origin), self.device),
            signs=send(torch.ones(len(windows), MOST_EIGENVECTORS), self.device),
            sizes=Sizes.of(graph, frame, edge_index, len(windows)),
            **columns,
        )

    def _rows(self, name: str, rows: Sequence[slice], keep: Tensor | None = None) -> Tensor:
        """Rows of a column, or some of these, on the device."""
        if name in self.held:
            found = torch.cat([self.held[name][one] for one in rows])
        else:
            found = torch.from_numpy(np.concatenate([self._column(name, one) for one in rows]))
        return send(found if keep is None else found.index_select(0, keep), self.device)

    def _origin(self, window: _Window, first: int) -> np.ndarray:
        """[nodes] the true sender of each, where it is in the window; counted from `first`."""
        if "origin" not in self.graphs:
            return np.full(window.nodes.stop - window.nodes.start, -1)
        origin = self.graphs["origin"][window.nodes].to_numpy().astype(np.int64)
        low = window.nodes.start - self.node_start[window.graph]
        return np.where(origin >= low, origin - low + first, -1)

    def _video_target(self, window: _Window) -> np.ndarray:
        """[1, outputs] what the task asks of the video; NaN if that is not known."""
        if self.of_graph is None:
            return np.full((1, 1), np.nan, np.float32)
        found = self.graphs[self.of_graph][window.graph].to_numpy()
        return found.reshape(1, -1).astype(np.float32)

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
        wanted = []
        for graph in rng.integers(len(self), size=size):
            frames = int(self.n_frames[graph])
            length = min(_length(window, frames, self.max_lag, rng), frames)
            first = int(rng.integers(frames - length + 1))
            wanted.append((int(graph), first, length))
        batch = self._gather(wanted)
        if drop:
            out = torch.from_numpy(rng.random(len(batch.frame)) < drop)
            batch = leave_out(batch, send(out, self.device))
        if noise is not None:
            added = torch.from_numpy(rng.normal(size=batch.nodes.shape) * noise).float()
            batch = replace(batch, nodes=batch.nodes + send(added, self.device))
        return augment(batch, self.features, rng)


def send(rows: Tensor, device: torch.device) -> Tensor:
    """To a device; from pinned memory, so that nobody waits for it."""
    if device.type == "cuda" and rows.device.type == "cpu":
        rows = rows.pin_memory()
    return rows.to(device, non_blocking=True)


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
    graph = torch.cat([cut.graph + int(first_graph[k]) for k, cut in enumerate(cuts)])
    frame = torch.cat([cut.frame for cut in cuts])
    edge_index = torch.cat([cut.edge_index + int(shift[k]) for k, cut in enumerate(cuts)], 1)

    return Batch(
        nodes=torch.cat([cut.nodes for cut in cuts]),
        edges=torch.cat([cut.edges for cut in cuts]),
        edge_index=edge_index,
        distance=torch.cat([cut.distance for cut in cuts]),
        graph=graph,
        frame=frame,
        n_graphs=int(first_graph[-1]),
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
        sizes=Sizes.of(graph, frame, edge_index, int(first_graph[-1])),
    )


def leave_out(batch: Batch, out: Bool[Tensor, " nodes"]) -> Batch:
    """The batch as if some detections had been missed: without them and without their edges.

    A link to or from a missed detection becomes one that bridges it. How much is left is only
    known afterwards: a device is waited for.

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
    edge_index = place[batch.edge_index[:, keep]]
    graph, frame = batch.graph[~out], batch.frame[~out]
    return replace(
        batch,
        nodes=batch.nodes[~out],
        edges=batch.edges[keep],
        edge_index=edge_index,
        distance=batch.distance[keep],
        graph=graph,
        frame=frame,
        target=batch.target[~out],
        origin=torch.where(origin < 0, origin, place[origin.clamp_min(0)]),
        linked=linked,
        skips=same & ~linked,
        sizes=Sizes.of(graph, frame, edge_index, batch.n_graphs),
    )


def augment(batch: Batch, features: Features, rng: np.random.Generator) -> Batch:
    """Each graph rotated about the middle of the field of view, mirrored and translated.

    Distances do not change; coordinates and displacements turn together. Eigenvectors, which have
    no sign of their own, are given one at random.
    """
    angle = torch.from_numpy(rng.uniform(0, 2 * np.pi, batch.n_graphs)).float()
    mirror = torch.from_numpy(rng.choice([-1.0, 1.0], batch.n_graphs)).float()
    shift = torch.from_numpy(rng.uniform(-0.5, 0.5, (batch.n_graphs, 2))).float()
    signs = torch.from_numpy(rng.choice([-1.0, 1.0], batch.signs.shape)).float()
    cos, sin = angle.cos(), angle.sin()
    # rows: images of the unit vectors of x and y
    turn = torch.stack([torch.stack([cos, sin]), torch.stack([-sin * mirror, cos * mirror])])
    device = batch.graph.device
    turn, shift = send(turn.permute(2, 0, 1), device), send(shift, device)

    nodes, edges = batch.nodes, batch.edges
    if set(PLANE) <= set(features.node):
        columns = send(torch.tensor([features.node.index(name) for name in PLANE]), device)
        centred = nodes.index_select(1, columns) - 0.5
        turned = torch.einsum("ni,nij->nj", centred, turn[batch.graph]) + 0.5
        nodes = nodes.index_copy(1, columns, turned + shift[batch.graph])
    if set(STEP) <= set(features.edge):
        columns = send(torch.tensor([features.edge.index(name) for name in STEP]), device)
        of_edge = batch.graph[batch.edge_index[0]]
        turned = torch.einsum("ni,nij->nj", edges.index_select(1, columns), turn[of_edge])
        edges = edges.index_copy(1, columns, turned)
    return replace(batch, nodes=nodes, edges=edges, signs=send(signs, device))
