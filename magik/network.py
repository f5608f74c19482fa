"""The network (Methods, "Description of MAGIK"), and ours that sees whole tracks.

Inside, lengths are fields of view, or spacings of cells. `MAGIK` reads like the paper: encoders,
FGNN blocks, decoders. `MAGIKTracks` shares its pieces and adds evidence pooled along soft tracks.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from magik import config, laplacian, rivals
from magik.blocks import EdgeUpdate, Overall, at_ends, mean_of_graphs, mlp
from magik.dataset import Batch, send


class Output(NamedTuple):
    """What a network says of a batch: numbers in units of the standardised target, or logits.

    There is an output for each class, or for each quantile. `MAGIK` has an answer for edges only
    where the task asks for it.
    """

    node: Float[Tensor, "nodes outputs"]
    edge: Float[Tensor, " edges"]
    graph: Float[Tensor, "graphs outputs"] | None = None
    links: tuple["Links", ...] = ()


class LocalReceptiveField(nn.Module):
    """Learnable Gaussian weight of an edge, w = exp(-(d² / 2σ²)^β) (Methods, Eq. 2).

    β = 1 is a Gaussian; a larger β tends to a hard cut-off at √2 σ. Both are kept positive by
    learning their logarithm, so no gradient is ever clipped away (w itself underflows to 0, and its
    gradient with it, where d is some hundred times σ and more).

    Args:
        sigma: initial σ, in the unit of all distances inside the network.
        beta: initial β, dimensionless.
    """

    def __init__(self, sigma: float, beta: float):
        super().__init__()
        self.log_sigma = nn.Parameter(torch.tensor(float(sigma)).log())
        self.log_beta = nn.Parameter(torch.tensor(float(beta)).log())

    def forward(self, distance: Float[Tensor, " edges"]) -> Float[Tensor, " edges"]:
        """Weights in (0, 1], 1 at zero distance."""
        scaled = distance.square() / (2 * self.log_sigma.exp().square())
        scaled = scaled.clamp_min(1e-12)  # x**β has no finite slope at 0 when β < 1
        return torch.exp(-(scaled ** self.log_beta.exp()))


LANES = 16
"""Numbers that processors multiply at once: heads of 8 take half as long again as heads of 16."""


class GatedSelfAttention(nn.Module):
    """G ⊙ softmax(Q Kᵀ / √c) P in Z heads, concatenated, then an MLP (Methods, Eq. 4).

    The text gives projections of l′ × l′ and a width divisible by Z: read as one projection
    whose l′ columns are shared out among the heads, c = l′ / Z. No residual, as in the text.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkpg = nn.Linear(width, 4 * width, bias=False)
        self.out = mlp(width, width)

    def forward(
        self, h: Float[Tensor, "graphs rows width"], real: Float[Tensor, "graphs rows"]
    ) -> Float[Tensor, "graphs rows width"]:
        """Rows updated from all real rows of their own graph.

        Args:
            h: padded rows.
            real: 0 where a row is real, -inf where it is padding.
        """
        q, k, p, g = self.qkpg(h).chunk(4, dim=-1)
        q, k, p = self._split(q), self._split(k), self._split(p)
        c = h.shape[-1] // self.heads
        mask = real[:, None, None, :]
        # fused: no [rows, rows] matrix is kept
        mixed = F.scaled_dot_product_attention(q, k, p, attn_mask=mask, scale=c**-0.5)
        mixed = mixed.transpose(1, 2)[..., :c].flatten(2)
        return self.out(g.sigmoid() * mixed)

    def _split(self, part: Tensor) -> Tensor:
        """[graphs, rows, width] -> [graphs, heads, rows, c and zeros up to whole lanes]."""
        heads = part.unflatten(-1, (self.heads, -1))
        return F.pad(heads, (0, -heads.shape[-1] % LANES)).transpose(1, 2)


class Rows(NamedTuple):
    """Where U and the nodes of each graph stand in a table with as many rows for every graph.

    Attributes:
        place: [graphs + nodes] row of each U, then of each node.
        padding: [graphs, rows] 0 where a row is taken, -inf where none is.
    """

    place: Int[Tensor, " graphs_and_nodes"]
    padding: Float[Tensor, "graphs rows"]

    @classmethod
    def of(cls, batch: Batch, dtype: torch.dtype) -> "Rows":
        """Of a batch: U in the first row of each graph, H = [U; H~]."""
        device, sizes = batch.graph.device, batch.sizes.nodes
        rows = 1 + max(sizes)
        first = rows * torch.arange(batch.n_graphs)
        before = torch.tensor([0, *sizes[:-1]]).cumsum(0)
        shift = send(first + 1 - before, device)
        nodes = torch.arange(len(batch.graph), device=device) + shift[batch.graph]
        padding = torch.zeros(batch.n_graphs, rows, dtype=dtype)
        padding.masked_fill_(torch.arange(rows) > torch.tensor(sizes)[:, None], -torch.inf)
        return cls(torch.cat([send(first, device), nodes]), send(padding, device))


class FGNN(nn.Module):
    """Attention-based fingerprinting graph block (Methods, Eqs. 1-4; Ext. Data Fig. 1).

    Without its receptive field the messages are summed as they are. Without its attention Eq. 3 is
    followed by the MLP alone, node by node, so that a block sees one edge far; u is then read from
    the mean over the nodes (`Overall`). The paper does not say what took the place of either
    (Ext. Data Table 1): this is our reading.
    """

    def __init__(self, settings: config.Network):
        super().__init__()
        width = settings.encoder[-1]
        self.edge = EdgeUpdate(width, width, width)
        self.receptive_field: nn.Module | None = None
        if settings.receptive_field:
            self.receptive_field = LocalReceptiveField(settings.sigma, settings.beta)
        self.local = nn.Linear(2 * width, width, bias=False)
        self.attention: nn.Module | None = None
        if settings.attention:
            self.attention = GatedSelfAttention(width, settings.heads)
        else:
            self.pointwise = mlp(width, width)
            self.overall = Overall(width)

    def forward(
        self,
        v: Float[Tensor, "nodes width"],
        e: Float[Tensor, "edges width"],
        u: Float[Tensor, "graphs width"],
        batch: Batch,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Updated nodes, edges and graph embedding."""
        receiver = batch.edge_index[1]  # messages go forward in time (Fig. 6b)
        e = self.edge(v, e, batch.edge_index)  # Eq. 1
        w = None
        if self.receptive_field is not None:
            w = self.receptive_field(batch.distance)  # Eq. 2
        inbox = at_ends(e, receiver, len(v), w)
        h = self.local(torch.cat([v, inbox], dim=-1))  # Eq. 3
        if self.attention is None:
            v = self.pointwise(h)
            return v, e, self.overall(u, v, batch)
        place, padding = Rows.of(batch, h.dtype)
        table = h.new_zeros(padding.numel(), h.shape[1])
        table = table.index_copy(0, place, torch.cat([u, h]))  # H = [U; H~]
        h = self.attention(table.unflatten(0, padding.shape), padding)  # Eq. 4
        u, v = h.flatten(0, 1).index_select(0, place).split([len(u), len(v)])
        return v, e, u


class Encoder(nn.Module):
    """Features -> latent width, after standardisation by the training set's mean and s.d.

    With no feature at all there is still a row per node: a learned constant.
    """

    def __init__(self, features: int, widths: tuple[int, ...]):
        super().__init__()
        self.features = features
        self.layers = mlp(max(1, features), *widths)
        self.mean: Tensor
        self.sd: Tensor
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("sd", torch.ones(features))

    def forward(self, x: Float[Tensor, "rows features"]) -> Float[Tensor, "rows width"]:
        """Encoded rows."""
        if self.features == 0:
            return self.layers(x.new_ones(len(x), 1))
        return self.layers(self.standardised(x))

    def standardised(self, x: Float[Tensor, "rows features"]) -> Float[Tensor, "rows features"]:
        """The features less their mean, in units of their s.d."""
        return (x - self.mean) / self.sd


BLOCKS: dict[str, Callable[[config.Network], nn.Module]] = {"magik": FGNN, **rivals.BLOCKS}
"""What updates nodes, edges and graph embedding, of each kind of network but `magik_tracks`."""


class MAGIK(nn.Module):
    """The published network: encoders, FGNN blocks, decoders; or a rival, with other blocks.

    With `laplacian` nodes also know where they stand in the graph (Ext. Data Table 1).

    Args:
        settings: kind, widths, heads, blocks.
        features: what the nodes and edges carry.
        head: what the level of the task needs to know.
    """

    def __init__(self, settings: config.Network, features: config.Features, head: "Head"):
        super().__init__()
        self.level = head.level
        self.eigenvectors = settings.laplacian
        width = settings.encoder[-1]
        self.node_encoder = Encoder(len(features.node) + self.eigenvectors, settings.encoder)
        self.edge_encoder = Encoder(len(features.edge), settings.encoder)
        self.u = nn.Parameter(torch.zeros(width))  # "zero-initialized"
        self.blocks = nn.ModuleList(BLOCKS[settings.kind](settings) for _ in range(settings.blocks))
        self.node_decoder = _decoder(width, settings.decoder, head, "node")
        self.edge_decoder = _decoder(width, settings.decoder, head, "edge")
        self.graph_decoder = _decoder(width, settings.global_decoder, head, "graph")

    def forward(self, batch: Batch) -> Output:
        """Predictions for nodes, edges and graphs (regression: linear; classes: logits)."""
        nodes = batch.nodes
        if self.eigenvectors:
            nodes = torch.cat([nodes, positions(batch, self.eigenvectors).to(nodes)], dim=-1)
        v = self.node_encoder(nodes)
        e = self.edge_encoder(batch.edges)
        u = self.u.expand(batch.n_graphs, -1)
        for block in self.blocks:
            v, e, u = block(v, e, u, batch)
        asked = e if self.level == "edge" else e[:0]  # edges are many
        return Output(
            self.node_decoder(v), self.edge_decoder(asked).squeeze(-1), self.graph_decoder(u)
        )


def positions(batch: Batch, number: int) -> Float[Tensor, "nodes {number}"]:
    """Laplacian positional encoding of each node, of the very graph that the network sees.

    So a window, a tile, or a graph with detections left out has its own. A device is waited for.
    """
    found = laplacian.encoding(batch.edge_index.cpu().numpy(), len(batch.frame), number)
    eigenvectors = torch.from_numpy(found).to(batch.signs)
    return eigenvectors * batch.signs[batch.graph, :number]


class Head(NamedTuple):
    """What a task asks of a network's last layer.

    Attributes:
        level: node, edge or graph. At level graph the nodes say the same of their objects.
        outputs: numbers at that level: one, one for each class, or three quantiles.
        interval: the three are ordered.
        classes: the outputs are logits, or shares, of classes.
    """

    level: str
    outputs: int = 1
    interval: bool = False
    classes: bool = False

    @classmethod
    def of(cls, task: config.Task, classes: int) -> "Head":
        """The head of a task.

        Args:
            task: what is predicted.
            classes: that the training set has, for a task of fractions.
        """
        if task.quantiles is not None:
            return cls(task.level, 3, interval=True)
        if task.target == "fractions":
            return cls(task.level, classes, classes=True)
        return cls(task.level)


class Interval(nn.Module):
    """Three numbers -> lower end, middle and upper end, which cannot cross."""

    def forward(self, x: Float[Tensor, "rows 3"]) -> Float[Tensor, "rows 3"]:
        """Ordered along the last axis."""
        below, middle, above = x.unbind(-1)
        return torch.stack([middle - F.softplus(below), middle, middle + F.softplus(above)], -1)


def _decoder(width: int, widths: tuple[int, ...], head: Head, level: str) -> nn.Sequential:
    asked = level == head.level or (level, head.level) == ("node", "graph")
    outputs = head.outputs if asked else 1
    last = [Interval()] if head.interval and asked else []
    return nn.Sequential(mlp(width, *widths), nn.Linear(widths[-1], outputs), *last)


class Tape(NamedTuple):
    """Edges laid out frame by frame, forward in time and, mirrored, backward.

    Rows 0 … N-1 are the nodes seen forward, N … 2N-1 the same nodes seen backward; both run in
    one loop over the frames.

    Attributes:
        row: [2N] the row that stands at each place of the tape (frame by frame).
        place: [2N] the place of each row.
        edge: [2E] the edge (of E) that each entry belongs to, in the order of the tape.
        sender: [2E] place of its sender.
        receiver: [2E] place of its receiver.
        into: edges into each frame.
    """

    row: Tensor
    place: Tensor
    edge: Tensor
    sender: Tensor
    receiver: Tensor
    into: list[int]

    def steps(self, kept: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Sender, receiver and `kept` of the edges into each frame, in order of time."""
        parts = (each.split(self.into) for each in (self.sender, self.receiver, kept))
        return [step for step in zip(*parts, strict=True) if len(step[0])]


def tape(batch: Batch) -> Tape:
    """The tape of a batch."""
    n, device = len(batch.frame), batch.frame.device
    frames = len(batch.sizes.into)
    sender, receiver = batch.edge_index
    frame = torch.cat([batch.frame, frames - 1 - batch.frame])
    row = torch.argsort(frame, stable=True)
    place = torch.empty_like(row)
    place[row] = torch.arange(2 * n, device=device)
    into, out_of = torch.cat([receiver, sender + n]), torch.cat([sender, receiver + n])
    entry = torch.argsort(place[into], stable=True)
    edge = torch.arange(len(sender), device=device).repeat(2)
    mirrored = reversed(batch.sizes.out_of)
    return Tape(
        row=row,
        place=place,
        edge=edge[entry],
        sender=place[out_of][entry],
        receiver=place[into][entry],
        into=[sum(both) for both in zip(batch.sizes.into, mirrored, strict=True)],
    )


class _Flow(torch.autograd.Function):
    """`flow` with its gradient by hand: a few operations a frame, in place, where there are many.

    What a place passes on is p = x + carried. The gradient runs the other way in time: of the p of
    a sender, what its receivers have, times `kept`.
    """

    @staticmethod
    def forward(ctx: Any, carried: Tensor, brought: Tensor, kept: Tensor, tape: Tape) -> Tensor:
        passed = carried.index_add(0, tape.receiver, brought)
        for sender, receiver, keeps in tape.steps(kept):
            passed.index_add_(0, receiver, keeps * passed.index_select(0, sender))
        ctx.tape = tape
        ctx.save_for_backward(passed, kept)
        return passed - carried

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        passed, kept = ctx.saved_tensors
        tape = ctx.tape
        of_passed = grads[0].clone()
        for sender, receiver, keeps in reversed(tape.steps(kept)):
            of_passed.index_add_(0, sender, keeps * of_passed.index_select(0, receiver))
        of_brought = of_passed.index_select(0, tape.receiver)
        of_kept = of_brought * passed.index_select(0, tape.sender)
        return of_passed - grads[0], of_brought, of_kept, None


def flow(
    carried: Float[Tensor, "places evidence"],
    brought: Float[Tensor, "entries evidence"],
    kept: Float[Tensor, "entries evidence"],
    tape: Tape,
) -> Float[Tensor, "places evidence"]:
    """What reaches each place along the links: x_j = Σ_i kept_ij (x_i + carried_i) + brought_ij.

    Linear in edges: each is used once in each direction of time, one sparse product a frame.

    Args:
        carried: evidence of the nodes themselves.
        brought: evidence of the edges, weighted.
        kept: share of the sender's evidence that goes on to the receiver.
        tape: the order of time.
    """
    reached: Tensor = _Flow.apply(carried, brought, kept, tape)
    return reached


def log_choice(
    score: Float[Tensor, " edges"], choice: Int[Tensor, " edges"], choices: int
) -> tuple[Float[Tensor, " edges"], Float[Tensor, " choices"]]:
    """Log-probability of each edge among those that compete with it, and of none of them.

    A softmax in which "none" has score 0.

    Args:
        score: of each edge.
        choice: the node at which the edge competes with others.
        choices: number of nodes.
    """
    top, _, total = _scaled(score, choice, choices)
    log_total = top + total.log()
    return score - log_total[choice], -log_total


def log_others(
    score: Float[Tensor, " edges"], choice: Int[Tensor, " edges"], choices: int
) -> Float[Tensor, " edges"]:
    """log(1 + Σ exp(score)) over the other edges at the choice of each: what speaks against it.

    In double precision: a sum that one edge makes up almost alone is still told without it.
    """
    top, each, total = _scaled(score.double(), choice, choices)
    others = (total[choice] - each).clamp_min(1e-15)
    return (top[choice] + others.log()).float()


def _scaled(score: Tensor, choice: Tensor, choices: int) -> tuple[Tensor, Tensor, Tensor]:
    """Top score of each choice, 0 at least; exp(score) of each edge, and their sum, over its exp.

    The sum is with "none", whose score is 0.
    """
    top = score.new_zeros(choices).scatter_reduce_(0, choice, score.detach(), "amax")
    each = (score - top[choice]).exp()
    return top, each, (-top).exp().index_add(0, choice, each)


class Links(NamedTuple):
    """Log-probabilities of links, as their receivers and as their senders see it."""

    into: Float[Tensor, " edges"]
    into_none: Float[Tensor, " nodes"]
    out_of: Float[Tensor, " edges"]
    out_of_none: Float[Tensor, " nodes"]

    @classmethod
    def of(
        cls,
        score: Float[Tensor, " edges"],
        edge_index: Int[Tensor, "2 edges"],
        nodes: int,
        rounds: int = 0,
    ) -> "Links":
        """Probabilities of links that compete at both ends.

        Without rounds each end chooses for itself. Each round of belief propagation tells either
        end how free the other one is; on a tree they end at the exact marginals of all ways to
        link each node to one sender and one receiver at most, on other graphs close to them
        (Williams & Lau, IEEE Trans. Aerosp. Electron. Syst. 50, 2942 (2014)).

        Args:
            score: log-odds of each edge against no link.
            edge_index: sender and receiver of each.
            nodes: number of nodes.
            rounds: of belief propagation.
        """
        sender, receiver = edge_index
        into = out_of = score
        for _ in range(rounds):
            out_of = score - log_others(into, receiver, nodes)
            into = score - log_others(out_of, sender, nodes)
        return cls(*log_choice(into, receiver, nodes), *log_choice(out_of, sender, nodes))

    def weight(self) -> Float[Tensor, " edges"]:
        """Geometric mean of the two probabilities of an edge."""
        return (0.5 * (self.into + self.out_of)).exp()

    def parent_choice(
        self, linked: Bool[Tensor, " edges"], edge_index: Int[Tensor, "2 edges"]
    ) -> Float[Tensor, ""]:
        """Cross-entropy of each node's true sender, or of none: a node has one at most.

        Unlike `loss` it leaves the other end open, where a cell may divide.
        """
        return -self._chosen(self.into, self.into_none, linked, edge_index[1])

    @staticmethod
    def _chosen(
        chosen: Float[Tensor, " edges"],
        none: Float[Tensor, " nodes"],
        linked: Bool[Tensor, " edges"],
        end: Int[Tensor, " edges"],
    ) -> Float[Tensor, ""]:
        """Log-probability of the true choices at one end, per node."""
        taken = torch.zeros_like(none).index_add_(0, end, linked.to(none))
        rows = torch.where(linked, chosen, 0).sum() + torch.where(taken > 0, 0, none).sum()
        return rows / max(1, len(none))

    def loss(
        self, linked: Bool[Tensor, " edges"], edge_index: Int[Tensor, "2 edges"]
    ) -> Float[Tensor, ""]:
        """Cross-entropy of the true choice, per node, at both ends."""
        sender, receiver = edge_index
        into = self._chosen(self.into, self.into_none, linked, receiver)
        out_of = self._chosen(self.out_of, self.out_of_none, linked, sender)
        return -0.5 * (into + out_of)


class SoftTracks(nn.Module):
    """Evidence gathered along uncertain links, forward and backward in time.

    An edge's score competes with those of the other senders of its receiver and, separately,
    with those of the other receivers of its sender, "none" being one more choice at each end;
    its weight is the geometric mean of the two probabilities (see `Links.of`). Evidence then
    flows along the weighted edges as in a forward-backward pass over uncertain links. A learned
    share of it is forgotten at each step, for objects whose motion changes.

    What reached a link's sender from the past and its receiver from the future, neither of which
    came over the link itself, informs its score in the next round.

    Args:
        width: latent width of nodes and edges.
        evidence: numbers that flow; the first counts the nodes and edges passed.
        measured: edge features of which mean and s.d. along the track flow, too, of which nothing
            is forgotten. The s.d. of the logarithm of a step tells, whatever D is, whether D is
            the same all along.
        matching: rounds in which the two ends of all links agree.
    """

    def __init__(self, width: int, evidence: int, measured: int, matching: int = 0):
        super().__init__()
        self.sizes = [evidence - 1, evidence]
        self.measured = measured
        self.matching = matching
        flowing = evidence + 2 * measured
        self.score = nn.Sequential(mlp(width + 2 * flowing, width), nn.Linear(width, 1))
        says = nn.Linear(width, sum(self.sizes))
        nn.init.constant_(says.bias[-evidence:], 5.0)  # at first almost all is kept
        self.of_edge = nn.Sequential(mlp(width, width), says)
        self.of_node = nn.Linear(width, evidence - 1)
        self.pooled = nn.Linear(4 * flowing, width)

    def forward(
        self,
        v: Float[Tensor, "nodes width"],
        e: Float[Tensor, "edges width"],
        x: Float[Tensor, "edges measured"],
        past: Float[Tensor, "nodes evidence"],
        future: Float[Tensor, "nodes evidence"],
        batch: Batch,
        order: Tape,
    ) -> tuple[Tensor, Tensor, Tensor, Links]:
        """Evidence of each node's track, what came from the past and the future, and the links."""
        score = self._score(e, past, future, batch.edge_index)
        found, keep = self.of_edge(e).split(self.sizes, dim=-1)
        links = Links.of(score, batch.edge_index, len(v), self.matching)
        weight = links.weight()[:, None]

        kept = keep.sigmoid()
        own = torch.cat([torch.ones_like(v[:, :1]), self.of_node(v)], dim=-1)
        found = torch.cat([torch.ones_like(weight), found], dim=-1)
        if self.measured:
            own = F.pad(own, (0, 2 * self.measured))
            found = torch.cat([found, x, x.square()], dim=-1)
            kept = F.pad(kept, (0, 2 * self.measured), value=1.0)
        reached = flow(
            own.repeat(2, 1).index_select(0, order.row),
            (weight * found).index_select(0, order.edge),
            (weight * kept).index_select(0, order.edge),
            order,
        ).index_select(0, order.place)
        past, future = reached[: len(v)], reached[len(v) :]
        told = [_mean(total, self.measured) for total in (past, future, past + future + own)]
        told.append(own)
        return self.pooled(torch.cat(told, dim=-1)), told[0], told[1], links

    def _score(self, e: Tensor, past: Tensor, future: Tensor, edge_index: Tensor) -> Tensor:
        """[edges] score of [e, past of the sender, future of the receiver].

        As in `EdgeUpdate`, nodes are multiplied before they are gathered.
        """
        sender, receiver = edge_index
        hidden: Any = self.score[0]
        linear, _, norm = hidden
        parts = linear.weight.split([e.shape[1], past.shape[1], future.shape[1]], dim=1)
        mixed = F.linear(e, parts[0], linear.bias)
        mixed += F.linear(past, parts[1]).index_select(0, sender)
        mixed += F.linear(future, parts[2]).index_select(0, receiver)
        score: Tensor = self.score[1](norm(mixed)).squeeze(-1)
        return score


def _mean(
    total: Float[Tensor, "nodes evidence"], measured: int = 0
) -> Float[Tensor, "nodes evidence"]:
    """Sums -> log of the count (first) and means (the others); s.d. of what is measured (last)."""
    count = 1 + total[:, :1].clamp_min(0)
    mean = total[:, 1:] / count
    if measured:
        rest, first, second = mean.tensor_split([-2 * measured, -measured], dim=-1)
        spread = (second - first.square()).clamp_min(1e-6).sqrt()
        mean = torch.cat([rest, first, spread], dim=-1)
    return torch.cat([count.log(), mean], dim=-1)


class TrackBlock(nn.Module):
    """One round: messages between neighbours, then evidence along soft tracks.

    As an FGNN, with messages in both directions of time, residual updates, and soft tracks in
    the place of self-attention.
    """

    def __init__(self, settings: config.Network, measured: int):
        super().__init__()
        width = settings.encoder[-1]
        self.edge = EdgeUpdate(width, width, width)
        self.receptive_field = LocalReceptiveField(settings.sigma, settings.beta)
        self.local = mlp(3 * width, width)
        self.tracks = SoftTracks(width, settings.evidence, measured, settings.matching)

    def forward(
        self,
        v: Tensor,
        e: Tensor,
        x: Tensor,
        past: Tensor,
        future: Tensor,
        batch: Batch,
        order: Tape,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Links]:
        """Updated nodes and edges, evidence of past and future, links."""
        sender, receiver = batch.edge_index
        e = e + self.edge(v, e, batch.edge_index)
        weighted = self.receptive_field(batch.distance)[:, None] * e
        inbox = at_ends(weighted, receiver, len(v))
        outbox = at_ends(weighted, sender, len(v))
        v = v + self.local(torch.cat([v, inbox, outbox], dim=-1))
        pooled, past, future, links = self.tracks(v, e, x, past, future, batch, order)
        return v + pooled, e, past, future, links


class MAGIKTracks(nn.Module):
    """MAGIK that sees whole tracks without linking: `SoftTracks` for self-attention.

    Trained with an auxiliary link loss, it costs time linear in edges (attention: quadratic in
    nodes), and a network trained on short windows serves long ones.

    A video as a whole is read from the mean over its nodes, each of which knows its track, and
    from the mean of what they say of their objects.

    Args:
        settings: widths, rounds, evidence.
        features: what the nodes and edges carry.
        head: what the level of the task needs to know.
    """

    def __init__(self, settings: config.Network, features: config.Features, head: Head):
        super().__init__()
        width = settings.encoder[-1]
        measured = len(features.edge) if settings.moments else 0
        self.evidence = settings.evidence + 2 * measured
        self.node_encoder = Encoder(len(features.node), settings.encoder)
        self.edge_encoder = Encoder(len(features.edge), settings.encoder)
        self.blocks = nn.ModuleList(TrackBlock(settings, measured) for _ in range(settings.blocks))
        self.node_decoder = _decoder(width, settings.decoder, head, "node")
        self.graph_decoder = None
        self.classes = head.classes
        if head.level == "graph":
            self.of_video = mlp(width, width)
            mixed = width + head.outputs
            self.graph_decoder = _decoder(mixed, settings.global_decoder, head, "graph")

    def forward(self, batch: Batch) -> Output:
        """Predictions for nodes, graphs and edges (these: logit of the last link weight)."""
        order = tape(batch)
        v = self.node_encoder(batch.nodes)
        e = self.edge_encoder(batch.edges)
        x = self.edge_encoder.standardised(batch.edges)
        past = future = v.new_zeros(len(v), self.evidence)
        links = []
        for block in self.blocks:
            v, e, past, future, found = block(v, e, x, past, future, batch, order)
            links.append(found)
        of_object, of_video = self.node_decoder(v), None
        if self.graph_decoder:
            classes = of_object.softmax(dim=-1) if self.classes else of_object
            told = torch.cat([self.of_video(v), classes], dim=-1)
            of_video = self.graph_decoder(mean_of_graphs(told, batch.graph, batch.n_graphs))
        return Output(
            node=of_object,
            edge=links[-1].weight().logit(eps=1e-6),
            graph=of_video,
            links=tuple(links),
        )


def build(
    settings: config.Network, features: config.Features, head: Head | None = None
) -> MAGIK | MAGIKTracks:
    """The network that the settings name, with fresh weights from torch's global generator.

    Args:
        settings: kind and sizes.
        features: what the nodes and edges carry.
        head: of the task; None: one number of each node.
    """
    kind = MAGIKTracks if settings.kind == "magik_tracks" else MAGIK
    return kind(settings, features, head or Head("node"))
