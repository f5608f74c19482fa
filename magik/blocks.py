"""What the blocks of all networks are made of."""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from magik.dataset import Batch

ROWS_AT_ONCE = 16384
"""Rows that a processor activates and normalises at once: what lies between takes no more."""


class _GeluNorm(torch.autograd.Function):
    """GELU, then layer normalisation; keeps what went in, not what lies between."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        shape = [x.shape[-1]]
        y, moments = torch.empty_like(x), x.new_empty(2, *x.shape[:-1], 1)
        for part in _parts(x):
            normed = torch.native_layer_norm(F.gelu(x[part]), shape, weight, bias, eps)
            y[part], moments[0, part], moments[1, part] = normed
        ctx.save_for_backward(x, weight, bias, moments)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, moments = ctx.saved_tensors
        shape, wanted = [x.shape[-1]], [True, True, True]
        below = torch.empty_like(x)
        of_weight, of_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        for part in _parts(x):
            mean, rstd = moments[:, part]
            of_gelu, *of_part = torch.ops.aten.native_layer_norm_backward(
                grads[0][part], F.gelu(x[part]), shape, mean, rstd, weight, bias, wanted
            )
            torch.ops.aten.gelu_backward.grad_input(of_gelu, x[part], grad_input=below[part])
            of_weight += of_part[0]
            of_bias += of_part[1]
        return below, of_weight, of_bias, None


def _parts(x: Tensor) -> list[slice]:
    """Rows to work on at once: all where launches cost more than a trip to the memory."""
    rows = max(1, ROWS_AT_ONCE if x.device.type == "cpu" else len(x))
    return [slice(first, first + rows) for first in range(0, len(x), rows)]


class GeluNorm(nn.LayerNorm):
    """GELU and layer normalisation at the memory of one of them."""

    def forward(self, x: Tensor) -> Tensor:
        """Rows of the same shape."""
        normed: Tensor = _GeluNorm.apply(x, self.weight, self.bias, self.eps)
        return normed


def mlp(*widths: int) -> nn.Sequential:
    """Linear, GELU and layer normalisation for each width after the first."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        # GELU is part of what follows; its place keeps the names of shipped weights
        layers += [nn.Linear(before, after), nn.Identity(), GeluNorm(after)]
    return nn.Sequential(*layers)


class _AtEnds(torch.autograd.Function):
    """`index_add` to nothing, which need not keep what it has added."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, end: Tensor, nodes: int) -> Tensor:
        ctx.save_for_backward(end)
        return rows.new_zeros(nodes, rows.shape[1]).index_add_(0, end, rows)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (end,) = ctx.saved_tensors
        return grads[0].index_select(0, end), None, None


class _WeightedAtEnds(torch.autograd.Function):
    """`_AtEnds` of weighted rows, which are not kept, nor is their gradient."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, end: Tensor, nodes: int) -> Tensor:
        ctx.save_for_backward(rows, weight, end)
        summed = rows.new_zeros(nodes, rows.shape[1])
        return summed.index_add_(0, end, rows * weight[:, None])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, end = ctx.saved_tensors
        below = grads[0].index_select(0, end)
        of_weight = torch.linalg.vecdot(below, rows)
        return below.mul_(weight[:, None]), of_weight, None, None


def at_ends(
    rows: Float[Tensor, "edges width"],
    end: Int[Tensor, " edges"],
    nodes: int,
    weight: Float[Tensor, " edges"] | None = None,
) -> Tensor:
    """[nodes, width] sum of the rows, weighted, of the edges that end at each node."""
    summed: Tensor
    if weight is None:
        summed = _AtEnds.apply(rows, end, nodes)
    else:
        summed = _WeightedAtEnds.apply(rows, weight, end, nodes)
    return summed


def mean_of_graphs(
    rows: Float[Tensor, "nodes width"], graph: Int[Tensor, " nodes"], n_graphs: int
) -> Float[Tensor, "graphs width"]:
    """Mean of the rows of each graph; that of no nodes is 0."""
    nodes = rows.new_zeros(n_graphs).index_add_(0, graph, rows.new_ones(len(rows)))
    return at_ends(rows, graph, n_graphs) / nodes.clamp_min(1)[:, None]


class EdgeUpdate(nn.Module):
    """e'' = MLP([v_i, v_j, e]) (Methods, Eq. 1).

    The linear layer acts on the ends before they are gathered: a node is multiplied once, not
    once for each of its edges.
    """

    def __init__(self, node_width: int, edge_width: int, width: int):
        super().__init__()
        self.sender = nn.Linear(node_width, width, bias=False)
        self.receiver = nn.Linear(node_width, width, bias=False)
        self.edge = nn.Linear(edge_width, width)
        self.norm = GeluNorm(width)

    def forward(
        self,
        v: Float[Tensor, "nodes node_width"],
        e: Float[Tensor, "edges edge_width"],
        edge_index: Int[Tensor, "2 edges"],
    ) -> Float[Tensor, "edges width"]:
        """Updated edges."""
        sender, receiver = edge_index
        mixed = self.edge(e)
        mixed += self.sender(v).index_select(0, sender)
        mixed += self.receiver(v).index_select(0, receiver)
        return self.norm(mixed)


class Overall(nn.Module):
    """u' = MLP(u + mean of the nodes of the graph): read from the nodes, which do not see it.

    For the blocks without attention, whose graph embedding is no row among the nodes'.
    """

    def __init__(self, width: int):
        super().__init__()
        self.out = mlp(width, width)

    def forward(
        self, u: Float[Tensor, "graphs width"], v: Float[Tensor, "nodes width"], batch: Batch
    ) -> Float[Tensor, "graphs width"]:
        """Updated graph embeddings."""
        updated: Tensor = self.out(u + mean_of_graphs(v, batch.graph, batch.n_graphs))
        return updated
