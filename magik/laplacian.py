"""Laplacian positional encoding: where a node stands in the graph, told by eigenvectors.

As Dwivedi and Bresson (2020), whom the paper cites for it: eigenvectors of L = I - D^-½ A D^-½ to
its smallest eigenvalues but the first, which is 0. Neighbours have similar entries.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import eigh
from scipy.sparse import coo_array, csc_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.csgraph import laplacian as laplacian_of
from scipy.sparse.linalg import eigsh

DENSE_BELOW = 200
"""Nodes of a component whose matrix is solved whole: at a larger one sparse solvers are faster."""

BELOW_ALL = -1e-3
"""Eigenvalues are sought next to this: the smallest is 0, where the matrix has no inverse."""


def encoding(
    edge_index: Int[np.ndarray, "2 edges"], nodes: int, number: int
) -> Float[np.ndarray, "nodes number"]:
    """Eigenvectors of the Laplacian of a graph, a column each, in the order of the eigenvalues.

    Edges count in both directions, once for each pair, all alike. Each connected part has
    eigenvectors of its own: those of the whole would be any mixture of them. They are scaled to a
    mean square of 1 over the part. A part of n nodes has n - 1 of them; further columns are 0, as
    are all of a node by itself.

    An eigenvector has no sign of its own: the sum of its cubes is made positive, which does not
    depend on the order of the nodes. Where that is 0 or eigenvalues coincide, as they do in
    symmetric graphs, any sign or basis may come out.

    Args:
        edge_index: senders and receivers; of any number of graphs that are not connected.
        nodes: number of nodes.
        number: of eigenvectors.
    """
    found = np.zeros((nodes, number))
    ends = np.concatenate([edge_index, edge_index[::-1]], axis=1)
    joined = csc_array(coo_array((np.ones(ends.shape[1]), tuple(ends)), (nodes, nodes)))
    joined.data[:] = 1  # a pair that is joined twice counts once
    parts, part = connected_components(joined, directed=False)
    order = np.argsort(part, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(part, minlength=parts))[:-1]):
        if len(rows) > 1:
            vectors = _of_part(joined[rows][:, rows], number)
            found[rows, : vectors.shape[1]] = vectors
    return found


def _of_part(joined: csc_array, number: int) -> np.ndarray:
    """[nodes, at most number] eigenvectors of a connected graph."""
    nodes = joined.shape[0]
    last = min(number, nodes - 1)
    matrix = laplacian_of(joined, normed=True)
    if nodes < DENSE_BELOW or last > nodes // 4:
        _, vectors = eigh(matrix.toarray(), subset_by_index=(1, last))
    else:
        start = np.random.default_rng(0).normal(size=nodes)  # any will do, but the same each time
        values, vectors = eigsh(matrix, last + 1, sigma=BELOW_ALL, v0=start)
        vectors = vectors[:, np.argsort(values)[1:]]
    sign = np.where((vectors**3).sum(axis=0) < 0, -1, 1)
    return vectors * sign * np.sqrt(nodes)
