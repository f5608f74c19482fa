"""Blocks of the networks that MAGIK is compared with (Extended Data Table 1).

Only the block differs: encoders, edge update (Methods, Eq. 1) and decoders are those of MAGIK, and
messages go forward in time. The paper gives these networks by name only; this is our reading: an
update a block, no weights shared between blocks, edges with the features of ours. Therefore two of
torch-geometric's layers could not be taken: its message passing (NNConv) makes a matrix of each
edge, 37 kB here where a window has 10⁵ edges, and its gated graphs (GatedGraphConv) know a single
number of an edge. Its graph transformer (TransformerConv) is.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from magik import config
from magik.blocks import EdgeUpdate, GeluNorm, Overall, at_ends
from magik.dataset import Batch


class Block(nn.Module, ABC):
    """Edges as in MAGIK, then nodes as each rival has it, then the graph read from the nodes."""

    def __init__(self, settings: config.Network):
        super().__init__()
        width = settings.encoder[-1]
        self.edge = EdgeUpdate(width, width, width)
        self.overall = Overall(width)

    def forward(
        self,
        v: Float[Tensor, "nodes width"],
        e: Float[Tensor, "edges width"],
        u: Float[Tensor, "graphs width"],
        batch: Batch,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Updated nodes, edges and graph embedding."""
        e = self.edge(v, e, batch.edge_index)
        v = self.nodes(v, e, batch.edge_index)
        return v, e, self.overall(u, v, batch)

    @abstractmethod
    def nodes(self, v: Tensor, e: Tensor, edge_index: Tensor) -> Tensor:
        """[nodes, width] updated nodes, from [nodes, width] and updated edges [edges, width]."""


class MessagePassing(Block):
    """v_j' = GRU(Σ_i MLP([v_i, v_j, e]), v_j): message passing, after Gilmer et al. 2017.

    Theirs has A(e) v_i, with a matrix of each edge, for its message.
    """

    def __init__(self, settings: config.Network):
        super().__init__(settings)
        width = settings.encoder[-1]
        self.message = EdgeUpdate(width, width, width)  # the same MLP, of other weights
        self.node = nn.GRUCell(width, width)

    def nodes(self, v: Tensor, e: Tensor, edge_index: Tensor) -> Tensor:
        """As `Block.nodes`."""
        message = self.message(v, e, edge_index)
        updated: Tensor = self.node(at_ends(message, edge_index[1], len(v)), v)
        return updated


class GatedGraph(Block):
    """v_j' = GRU(Σ_i sigmoid(G e) ⊙ W v_i, v_j): gated graph sequence (Li et al. 2016).

    Theirs has a W for each of a few types of edges; ours have numbers, which gate it instead.
    """

    def __init__(self, settings: config.Network):
        super().__init__(settings)
        width = settings.encoder[-1]
        self.gate = nn.Linear(width, width)
        self.message = nn.Linear(width, width, bias=False)
        self.node = nn.GRUCell(width, width)

    def nodes(self, v: Tensor, e: Tensor, edge_index: Tensor) -> Tensor:
        """As `Block.nodes`."""
        sender, receiver = edge_index
        message = self.gate(e).sigmoid() * self.message(v).index_select(0, sender)
        updated: Tensor = self.node(at_ends(message, receiver, len(v)), v)
        return updated


class GraphTransformer(Block):
    """Attention of each node to the senders of its edges: graph transformer (Shi et al. 2021).

    Keys and values know the edge. GELU and layer normalisation follow, as in every MLP here.
    """

    def __init__(self, settings: config.Network):
        from torch_geometric.nn import TransformerConv  # twice what torch takes to import

        super().__init__(settings)
        width, heads = settings.encoder[-1], settings.heads
        self.node = TransformerConv(width, width // heads, heads, edge_dim=width)
        self.norm = GeluNorm(width)

    def nodes(self, v: Tensor, e: Tensor, edge_index: Tensor) -> Tensor:
        """As `Block.nodes`."""
        updated: Tensor = self.norm(self.node(v, edge_index, e))
        return updated


BLOCKS: dict[str, Callable[[config.Network], nn.Module]] = {
    "message_passing": MessagePassing,
    "gated_graph": GatedGraph,
    "graph_transformer": GraphTransformer,
}
"""Of each kind of network."""
