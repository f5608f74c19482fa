"""The equations of the paper written out, and of soft tracks: slow, large, easy to check.

Nothing is fused, cut short or stored sparsely: node pairs are gathered and joined before the
linear layer, every head holds its matrix of all rows by all rows, and links are dense matrices of
all nodes by all nodes. Takes the weights of `magik.network` by name, so that both can be compared.
"""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from magik.dataset import Batch

Weights = Mapping[str, Tensor]


def part(weights: Weights, name: str) -> dict[str, Tensor]:
    """The weights below a name."""
    return {
        key.removeprefix(f"{name}."): value
        for key, value in weights.items()
        if key.startswith(f"{name}.")
    }


def linear(x: Tensor, weights: Weights, name: str) -> Tensor:
    return F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def norm(x: Tensor, weights: Weights, name: str) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / ((centred**2).mean(-1, keepdim=True) + 1e-5).sqrt()
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def mlp(x: Tensor, weights: Weights) -> Tensor:
    """Linear, GELU, layer normalisation, again and again."""
    layer = 0
    while f"{layer}.weight" in weights:
        x = norm(gelu(linear(x, weights, str(layer))), weights, str(layer + 2))
        layer += 3
    return x


def decoder(x: Tensor, weights: Weights) -> Tensor:
    return linear(mlp(x, part(weights, "0")), weights, "1").squeeze(-1)


def encoder(x: Tensor, weights: Weights) -> Tensor:
    x = (x - weights["mean"]) / weights["sd"] if x.shape[1] else x.new_ones(len(x), 1)
    return mlp(x, part(weights, "layers"))


def edge_update(v: Tensor, e: Tensor, weights: Weights, batch: Batch) -> Tensor:
    """Eq. 1: one linear layer over [v_i, v_j, e]."""
    sender, receiver = batch.edge_index
    parts = [weights[f"{name}.weight"] for name in ("sender", "receiver", "edge")]
    joined = torch.cat([v[sender], v[receiver], e], dim=-1)
    mixed = F.linear(joined, torch.cat(parts, dim=1), weights["edge.bias"])
    return norm(gelu(mixed), weights, "norm")


def receptive_field(weights: Weights, batch: Batch) -> Tensor:
    """Eq. 2."""
    sigma, beta = weights["log_sigma"].exp(), weights["log_beta"].exp()
    squared = (batch.distance**2 / (2 * sigma**2)).clamp_min(1e-12)
    return torch.exp(-(squared**beta))


def sums(rows: Tensor, at: Tensor, n: int) -> Tensor:
    return torch.zeros(n, rows.shape[1], dtype=rows.dtype).index_add(0, at, rows)


def attention(h: Tensor, real: Tensor, weights: Weights, heads: int) -> Tensor:
    """Eq. 4, head by head; padded rows are not attended to."""
    q, k, p, g = linear(h, weights, "qkpg").chunk(4, dim=-1)
    c = h.shape[-1] // heads
    said = []
    for z in range(heads):
        own = slice(z * c, (z + 1) * c)
        scores = q[..., own] @ k[..., own].transpose(1, 2) / math.sqrt(c)
        scores = scores.masked_fill(~real[:, None, :], -torch.inf)
        said.append(torch.sigmoid(g[..., own]) * (scores.softmax(-1) @ p[..., own]))
    return mlp(torch.cat(said, dim=-1), part(weights, "out"))


def magik(weights: Weights, heads: int, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Node, edge and graph predictions of the paper's network."""
    v = encoder(batch.nodes, part(weights, "node_encoder"))
    e = encoder(batch.edges, part(weights, "edge_encoder"))
    u = weights["u"].expand(batch.n_graphs, -1)
    size = torch.bincount(batch.graph, minlength=batch.n_graphs)
    real = torch.arange(1 + int(size.max())) < 1 + size[:, None]
    block = 0
    while own := part(weights, f"blocks.{block}"):
        e = edge_update(v, e, part(own, "edge"), batch)
        w = receptive_field(part(own, "receptive_field"), batch)
        inbox = sums(w[:, None] * e, batch.edge_index[1], len(v))
        h = linear(torch.cat([v, inbox], dim=-1), own, "local")  # Eq. 3
        rows = [torch.cat([u[g : g + 1], h[batch.graph == g]]) for g in range(batch.n_graphs)]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        padded = attention(padded, real, part(own, "attention"), heads)
        v, u = padded[:, 1:][real[:, 1:]], padded[:, 0]
        block += 1
    return (
        decoder(v, part(weights, "node_decoder")),
        decoder(e, part(weights, "edge_decoder")),
        decoder(u, part(weights, "graph_decoder")),
    )


def flow(
    carried: Tensor, brought: Tensor, kept: Tensor, edge_index: Tensor, frame: Tensor
) -> Tensor:
    """x_j = Σ_i kept_ij (x_i + carried_i) + brought_ij, over matrices of all nodes by all nodes.

    Args:
        carried: [nodes, evidence].
        brought: [edges, evidence].
        kept: [edges, evidence].
        edge_index: [2, edges] from and to, in the direction of the flow.
        frame: [nodes] when each node's turn comes.
    """
    n = len(frame)
    sender, receiver = edge_index
    empty = torch.zeros(n, n, carried.shape[1], dtype=carried.dtype)
    kept = empty.index_put((receiver, sender), kept)
    brought = empty.index_put((receiver, sender), brought).sum(1)
    x = torch.zeros_like(carried)
    for now in frame.unique():
        reached = (kept * (x + carried)[None]).sum(1) + brought
        x = torch.where((frame == now)[:, None], reached, x)
    return x


def choice(score: Tensor, edge_index: Tensor, n: int) -> Tensor:
    """[edges] log-probability that the second end chooses the first, or nobody (score 0)."""
    chosen, chooser = edge_index
    scores = torch.full((n, n + 1), -torch.inf, dtype=score.dtype)
    scores[:, n] = 0
    scores = scores.index_put((chooser, chosen), score)
    return scores.log_softmax(-1)[chooser, chosen]


def means(total: Tensor) -> Tensor:
    count = 1 + total[:, :1].clamp_min(0)
    return torch.cat([count.log(), total[:, 1:] / count], dim=-1)


def magik_tracks(weights: Weights, batch: Batch) -> tuple[Tensor, Tensor]:
    """Node predictions of MAGIK over soft tracks, and the link weights of the last round."""
    v = encoder(batch.nodes, part(weights, "node_encoder"))
    e = encoder(batch.edges, part(weights, "edge_encoder"))
    sender, receiver = batch.edge_index
    n = len(v)
    frame = batch.frame + (1 + batch.frame.max()) * batch.graph  # graphs never meet
    past = future = link = torch.zeros(())
    block = 0
    while own := part(weights, f"blocks.{block}"):
        e = e + edge_update(v, e, part(own, "edge"), batch)
        weighted = receptive_field(part(own, "receptive_field"), batch)[:, None] * e
        boxes = [v, sums(weighted, receiver, n), sums(weighted, sender, n)]
        v = v + mlp(torch.cat(boxes, dim=-1), part(own, "local"))

        tracks = part(own, "tracks")
        evidence = 1 + len(tracks["of_node.weight"])
        if block == 0:
            past = future = torch.zeros(n, evidence, dtype=v.dtype)
        seen = torch.cat([e, past[sender], future[receiver]], dim=-1)
        score = decoder(seen, part(tracks, "score"))
        into = choice(score, batch.edge_index, n)
        out_of = choice(score, batch.edge_index.flip(0), n)
        link = torch.sqrt(into.exp() * out_of.exp())
        said = linear(mlp(e, part(tracks, "of_edge.0")), tracks, "of_edge.1")
        found = torch.cat([torch.ones(len(e), 1, dtype=e.dtype), said[:, : evidence - 1]], dim=-1)
        kept = link[:, None] * torch.sigmoid(said[:, evidence - 1 :])
        brought = link[:, None] * found
        node = torch.cat([torch.ones(n, 1, dtype=v.dtype), linear(v, tracks, "of_node")], dim=-1)
        before = flow(node, brought, kept, batch.edge_index, frame)
        after = flow(node, brought, kept, batch.edge_index.flip(0), -frame)
        past, future = means(before), means(after)
        told = torch.cat([past, future, means(before + after + node), node], dim=-1)
        v = v + linear(told, tracks, "pooled")
        block += 1
    return decoder(v, part(weights, "node_decoder")), link
