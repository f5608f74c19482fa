"""Which nodes the heads of a published network look at, and whether they are a particle's own.

The network keeps no weights: its attention is fused. Here they are made again for some nodes, from
what reaches each block, so that memory grows with rows × nodes only.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from magik import predict, train
from magik.config import Predict
from magik.dataset import Batch, GraphSet
from magik.errors import InputError
from magik.network import MAGIK, GatedSelfAttention

NODES_PER_VIDEO = 256
"""Drawn at random to be looked from; each makes a pair with every other node of its window."""

BIN, BINS = 1 / 64, 128
"""Width of a bin of distance, in the unit of length of the graph; how many there are."""


def run(
    checkpoint: str | Path,
    graphs: xr.Dataset,
    localizations: xr.Dataset,
    config: Predict,
    *,
    seed: int,
    threads: int = 1,
) -> xr.Dataset:
    """The map of one node, and how much more attention goes to a particle's own nodes (Fig. 6).

    The map is that of the target: of the nodes of known particles the nearest to the middle of
    the first video, in time, then in space.

    The contrast of a head in a video is the mean attention from nodes to others of their own
    particle, over the mean that they would give there to other particles: for each such pair the
    mean over all pairs of different particles at the same distance (within BIN) and the same lag,
    earlier and later apart. Pairs to which there are none such are left out. A head that goes by
    distance and time alone has a contrast of 1.

    Args:
        checkpoint: path of a trained network of kind `magik`.
        graphs: GRAPHS of the localizations.
        localizations: LOCALIZATIONS with `particle`.
        config: windows, as for predictions; attention does not reach beyond one.
        seed: of the nodes that are looked from.
        threads: CPU threads.

    Returns:
        ATTENTION.

    Raises:
        InputError: if the network has no attention, or no particle of the first video is known.
    """
    torch.set_num_threads(threads)
    trained = train.load(checkpoint)
    if not isinstance(trained.net, MAGIK) or not _layers(trained.net):
        raise InputError(
            f"{checkpoint}: its network has no attention among all nodes; expected a network of "
            "kind magik. Train one: experiments.NAME.network: magik"
        )
    net = trained.net.to(train.pick_device("auto"))
    examples = GraphSet(graphs, trained.features)
    nodes = nodes_of(graphs, localizations)
    first = int(examples.node_start[1])
    target = _target(nodes, first, int(examples.n_frames[0]), localizations)

    layers = _layers(net)
    shape = (len(layers), layers[0].heads)
    seen = np.full((*shape, 1 + first), np.nan, np.float32)
    ratio, matched = np.zeros((len(examples), *shape)), np.zeros(len(examples))
    for video in range(len(examples)):
        rng = np.random.default_rng([seed, video])
        own = np.arange(*examples.node_start[video : video + 2])
        own = own[nodes.particle[own] >= 0]
        drawn = rng.choice(own, min(NODES_PER_VIDEO, len(own)), replace=False)
        tally = Tally(*shape, int(examples.n_frames[video]))
        for batch, rows, core in _windows(examples, video, config):
            chosen = core[np.isin(core, drawn)]
            tally.add(_weights(net, batch, chosen - rows.start)[..., 1:], nodes, chosen, rows)
            if video == 0 and target in core:
                map_ = _weights(net, batch, np.array([target - rows.start]))[:, :, 0]
                seen[..., 0] = map_[..., 0]
                seen[..., 1 + rows.start : 1 + rows.stop] = map_[..., 1:]
        ratio[video], matched[video] = tally.contrast()

    known = ratio[matched > 0]
    row, head = ("localization",), ("block", "head")
    named = ("frame", "x", "y", "z", "particle")
    shown = {
        name: localizations[name].to_numpy()[:first] for name in named if name in localizations
    }
    return xr.Dataset(
        {name: (row, column) for name, column in shown.items()}
        | {
            "attention": ((*head, *row), seen[..., 1:]),
            "token": (head, seen[..., 0]),
            "ratio": (("video", *head), ratio),
            "matched": ("video", matched),
            "contrast": (head, _mean(known)),
            "contrast_se": (head, _standard_error(known)),
        },
        attrs={
            "target": target,
            "n_frames": int(examples.n_frames[0]),
            "field_of_view": [float(side) for side in localizations.attrs["field_of_view"]],
            "trained_on": json.dumps(trained.trained_on, sort_keys=True),
        },
    )


def weights(
    net: MAGIK, batch: Batch, rows: Int[Tensor, " rows"]
) -> Float[Tensor, "blocks heads rows token_and_nodes"]:
    """softmax(Q Kᵀ / √c) of some nodes, in every block (Methods, Eq. 4).

    Args:
        net: the network.
        batch: one graph.
        rows: the nodes, counted within it.

    Returns:
        What each gives to the token U (first) and to every node; it adds up to 1.
    """
    found: list[Tensor] = []

    def look(layer: torch.nn.Module, given: tuple[Tensor, Tensor]) -> None:
        assert isinstance(layer, GatedSelfAttention)
        found.append(_softmax(layer, given[0][0], 1 + rows))  # U stands first

    hooks = [layer.register_forward_pre_hook(look) for layer in _layers(net)]
    try:
        with torch.no_grad():
            net(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(found)


def _layers(net: MAGIK) -> list[GatedSelfAttention]:
    """Of each block, in order."""
    return [layer for layer in net.modules() if isinstance(layer, GatedSelfAttention)]


def _softmax(layer: GatedSelfAttention, h: Tensor, rows: Tensor) -> Tensor:
    """[heads, rows, all rows] of h [all rows, width]."""
    q, k, _, _ = (part.unflatten(-1, (layer.heads, -1)) for part in layer.qkpg(h).chunk(4, dim=-1))
    score = torch.einsum("rhc,nhc->hrn", q[rows], k)
    return (score / q.shape[-1] ** 0.5).softmax(dim=-1)


def _weights(net: MAGIK, batch: Batch, rows: np.ndarray) -> np.ndarray:
    """`weights`, wherever the network is."""
    device = next(net.parameters()).device
    return weights(net, batch.to(device), torch.from_numpy(rows).to(device)).cpu().numpy()


@dataclass(frozen=True)
class Nodes:
    """Where all nodes of all videos are, and whose.

    Attributes:
        position: in the unit of length of the graphs.
        frame: of its video.
        particle: within its video; -1 = none.
    """

    position: Float[np.ndarray, "nodes axes"]
    frame: Int[np.ndarray, " nodes"]
    particle: Int[np.ndarray, " nodes"]


class Tally:
    """Attention summed over the pairs of one video, for each distance and lag.

    Args:
        blocks: of the network.
        heads: of each.
        frames: of the video.
    """

    def __init__(self, blocks: int, heads: int, frames: int):
        self.frames = frames
        keys = (2 * frames - 1) * BINS
        self.pairs = np.zeros((2, keys))  # of different particles, of one particle
        self.total = np.zeros((blocks, heads, 2, keys))

    def add(
        self,
        weight: Float[np.ndarray, "blocks heads rows nodes"],
        nodes: Nodes,
        rows: Int[np.ndarray, " rows"],
        seen: slice,
    ) -> None:
        """Count all pairs of some rows with the nodes that they see, but not with themselves."""
        apart = np.linalg.norm(nodes.position[rows, None] - nodes.position[seen], axis=-1)
        far = np.minimum(apart / BIN, BINS - 1).astype(np.int64)
        lag = nodes.frame[seen] - nodes.frame[rows, None] + self.frames - 1
        same = nodes.particle[rows, None] == nodes.particle[seen]
        other = rows[:, None] != np.arange(seen.start, seen.stop)
        key = (same * self.pairs.shape[1] + lag * BINS + far)[other]
        self.pairs += np.bincount(key, minlength=self.pairs.size).reshape(self.pairs.shape)
        for block, heads in enumerate(weight):
            for head, given in enumerate(heads):
                summed = np.bincount(key, given[other], self.pairs.size)
                self.total[block, head] += summed.reshape(self.pairs.shape)

    def contrast(self) -> tuple[Float[np.ndarray, "blocks heads"], float]:
        """Attention to the own particle's nodes over that to others alike; share of pairs in it.

        NaN and 0 where no pair has one of different particles that is alike.
        """
        different, one = self.pairs
        both = (different > 0) & (one > 0)
        if not both.any():
            return np.full(self.total.shape[:2], np.nan), 0.0
        alike = self.total[..., 0, both] / different[both]
        ratio = self.total[..., 1, both].sum(-1) / (alike * one[both]).sum(-1)
        return ratio, float(one[both].sum() / one.sum())


def nodes_of(graphs: xr.Dataset, localizations: xr.Dataset) -> Nodes:
    """The nodes of GRAPHS, with what the LOCALIZATIONS that they were built from say of them.

    Raises:
        InputError: if the particles are not known.
    """
    if "particle" not in localizations:
        raise InputError(
            "attention: the particles are not known, which its contrast is about. Ask for it "
            "where the truth is: on a simulated data set"
        )
    axes = [localizations[axis].to_numpy() for axis in graphs.attrs["axes"]]
    length = np.repeat(graphs["length_px"].to_numpy(), graphs["n_node"].to_numpy())
    frame, particle = (localizations[name].to_numpy() for name in ("frame", "particle"))
    return Nodes(np.stack(axes, axis=1) / length[:, None], frame, particle)


def _target(nodes: Nodes, first: int, frames: int, localizations: xr.Dataset) -> int:
    """Of the first video: nearest to its middle in time, then in space."""
    own = np.flatnonzero(nodes.particle[:first] >= 0)
    if len(own) == 0:
        raise InputError("attention: no localization of the first video is of a known particle.")
    height, width = localizations.attrs["field_of_view"]
    x, y = (localizations[axis].to_numpy()[own] for axis in ("x", "y"))
    away = np.hypot(x - width / 2, y - height / 2)
    late = np.abs(2 * nodes.frame[own] - (frames - 1))
    return int(own[np.lexsort((away, late))[0]])


def _windows(
    examples: GraphSet, video: int, config: Predict
) -> Iterator[tuple[Batch, slice, np.ndarray]]:
    """Windows with their context, the rows of their nodes, and which of these are not context."""
    frames = int(examples.n_frames[video])
    start, stop = examples.node_start[video : video + 2]
    frame = examples.frame[start:stop]
    for begin, end in predict.windows(frames, config):
        low, high = max(0, begin - config.context), min(frames, end + config.context)
        a, b = np.searchsorted(frame, [low, high])
        if a < b:
            rows = slice(int(start + a), int(start + b))
            core = np.flatnonzero((frame >= begin) & (frame < end)) + start
            yield examples.cut(video, low, high - low), rows, core


def _mean(ratio: np.ndarray) -> np.ndarray:
    """Over videos; NaN of none."""
    return ratio.mean(axis=0) if len(ratio) else np.full(ratio.shape[1:], np.nan)


def _standard_error(ratio: np.ndarray) -> np.ndarray:
    """Over videos; NaN of fewer than two."""
    n = len(ratio)
    return ratio.std(axis=0, ddof=1) / n**0.5 if n > 1 else np.full(ratio.shape[1:], np.nan)
