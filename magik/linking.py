"""Scores of edges -> tracks and divisions (Methods, "Postprocessing algorithm").

An edge whose probability is above the threshold is *linked*. Both methods choose, of the linked
edges, the links that tracks are made of: at most `children` leave a localization, at most
`parents` reach it. No localization is lost: where no link leads, a track begins or ends. Neither
depends on the order of the edges in the store: there is no chance in it.
"""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.special import logit

from magik import lineage, schema
from magik.config import Linking
from magik.errors import InputError

SURE = 1e-7
"""Least distance of a probability from 0 and 1, so that the score of a link stays finite."""


class Linked(NamedTuple):
    """The linked edges of all videos of a store.

    Attributes:
        sender: row of the earlier end, in the store.
        receiver: row of the later end, in the store.
        probability: that the edge is a link.
        lag: from sender to receiver, frames.
        distance: of the two, px.
    """

    sender: Int[np.ndarray, " linked"]
    receiver: Int[np.ndarray, " linked"]
    probability: Float[np.ndarray, " linked"]
    lag: Int[np.ndarray, " linked"]
    distance: Float[np.ndarray, " linked"]

    @classmethod
    def of(cls, edges: xr.Dataset, localizations: xr.Dataset, threshold: float) -> Self:
        """Edges of a probability above `threshold`, ordered by receiver, then sender."""
        begin = schema.offsets(edges["row_size"].to_numpy())[:-1]
        begin = begin[schema.row_of(edges["n_edge"].to_numpy())]
        sender = begin + edges["sender"].to_numpy().astype(np.int64)
        receiver = begin + edges["receiver"].to_numpy().astype(np.int64)
        probability = edges["probability"].to_numpy().astype(float)
        linked = np.flatnonzero(probability > threshold)
        linked = linked[np.lexsort((sender[linked], receiver[linked]))]
        sender, receiver = sender[linked], receiver[linked]
        frame = localizations["frame"].to_numpy().astype(np.int64)
        axes = [axis for axis in ("x", "y", "z") if axis in localizations]
        position = np.stack([localizations[axis].to_numpy() for axis in axes]).astype(float)
        for place, axis in zip(position, axes, strict=True):  # as had the stage not moved
            if f"drift_{axis}" in localizations:
                place -= localizations[f"drift_{axis}"].to_numpy()
        return cls(
            sender,
            receiver,
            probability[linked],
            frame[receiver] - frame[sender],
            np.linalg.norm(position[:, receiver] - position[:, sender], axis=0),
        )


def run(edges: xr.Dataset, localizations: xr.Dataset, config: Linking) -> xr.Dataset:
    """Tracks of all videos.

    Args:
        edges: EDGES, candidates with their probability.
        localizations: LOCALIZATIONS, row for row what the edges join.
        config: method, threshold and how many links may leave and reach a localization.

    Returns:
        TRACKS, the attribute `linker` being "magik", `threshold` that of the linked edges.

    Raises:
        InputError: if the two are not of the same localizations, or motile is asked for and not
            installed.
    """
    sizes = [dataset["row_size"].to_numpy().tolist() for dataset in (edges, localizations)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"edges between {sum(sizes[0])} localizations in {len(sizes[0])} videos, but "
            f"{sum(sizes[1])} localizations in {len(sizes[1])}: they must be of the same store"
        )
    linked = Linked.of(edges, localizations, config.threshold)
    if config.method == "published":
        chosen = published(linked, config.children, config.parents)
    else:
        solve = by_motile if config.method == "motile" else by_highs
        chosen = best_set(linked, config.threshold, config.children, config.parents, solve)
    links = np.stack([linked.sender[chosen], linked.receiver[chosen]])
    tracks = lineage.tracks_of_links(localizations, links, "magik")
    return tracks.assign_attrs(threshold=config.threshold)


def published(linked: Linked, children: int, parents: int) -> Int[np.ndarray, " links"]:
    """Links of the paper's algorithm (Methods, "Postprocessing algorithm").

    A trajectory goes from its localization to the receivers in the first later frame that has
    any: one goes on with it, two are a division, and of more the farthest are dropped. It ends
    where no edge is left.

    The paper leaves open what happens where several reach one receiver. Here the receiver keeps
    the `parents` likeliest of them. The others look for a receiver again, as if this edge of
    theirs were not linked, until all linked edges have been taken into account.

    Args:
        linked: the linked edges.
        children: links that may leave a localization.
        parents: links that may reach a localization; 1: tracks never merge.

    Returns:
        Which of the edges are links. Of equally likely ones the shorter comes first, then the
        one of the earlier row.
    """
    left = np.arange(len(linked.sender))
    while True:
        soonest = np.full(int(linked.receiver.max(initial=0)), np.iinfo(np.int64).max)
        np.minimum.at(soonest, linked.sender[left], linked.lag[left])
        link = left[linked.lag[left] == soonest[linked.sender[left]]]
        link = link[_rank(linked.sender[link], linked.distance[link]) < children]
        claim = _rank(linked.receiver[link], -linked.probability[link], linked.distance[link])
        if np.all(claim < parents):
            return link
        left = np.setdiff1d(left, link[claim >= parents])


class Choice(NamedTuple):
    """What the best set is chosen from.

    Attributes:
        sender: row of the earlier end of each edge.
        receiver: row of the later end.
        score: of the edge, if it is a link.
        rivals: pairs of edges of which one at most may be a link.
        children: links that may leave a localization.
        parents: links that may reach a localization.
    """

    sender: Int[np.ndarray, " edges"]
    receiver: Int[np.ndarray, " edges"]
    score: Float[np.ndarray, " edges"]
    rivals: Int[np.ndarray, "2 pairs"]
    children: int
    parents: int


def by_highs(choice: Choice) -> Bool[np.ndarray, " edges"]:
    """Which edges make up the allowed set of highest total score: HiGHS, which is SciPy's."""
    edges = len(choice.score)
    limited = [
        (_sharing(choice.sender), choice.children),
        (_sharing(choice.receiver), choice.parents),
        (_pairs(choice.rivals, edges), 1),
    ]
    found = milp(
        -choice.score,
        integrality=np.ones(edges),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(
            sparse.vstack([which for which, _ in limited]),
            ub=np.concatenate([np.full(which.shape[0], most) for which, most in limited]),
        ),
        options={"mip_rel_gap": 0},
    )
    if found.x is None:
        raise RuntimeError(f"no best set of {edges} edges: {found.message}")
    return found.x > 0.5


def by_motile(choice: Choice) -> Bool[np.ndarray, " edges"]:
    """The same by motile (Malin-Mayor et al., https://github.com/funkelab/motile) and SCIP.

    Raises:
        InputError: if motile is not installed.
    """
    try:
        import motile  # an optional extra
        import networkx
    except ImportError:
        raise InputError(
            "linking.method = motile: motile is not installed; install it (pip install "
            "motile==0.4.0), or choose global, which finds the same set"
        ) from None
    ends = list(zip(choice.sender.tolist(), choice.receiver.tolist(), strict=True))
    graph = networkx.DiGraph()
    graph.add_nodes_from((row, {"t": row}) for row in np.unique(ends).tolist())  # in order of time
    scores = zip(ends, choice.score.tolist(), strict=True)
    graph.add_edges_from((*pair, {"cost": -score}) for pair, score in scores)
    solver = motile.Solver(motile.TrackGraph(graph))
    solver.add_cost(motile.costs.EdgeSelection(attribute="cost"))
    solver.add_constraint(motile.constraints.MaxChildren(choice.children))
    solver.add_constraint(motile.constraints.MaxParents(choice.parents))
    selected = solver.get_variables(motile.variables.EdgeSelected)
    for one, other in choice.rivals.T.tolist():
        solver.constraints.add(selected[ends[one]] + selected[ends[other]] <= 1)
    solution = solver.solve()
    return np.array([solution[selected[pair]] > 0.5 for pair in ends])


def best_set(
    linked: Linked,
    threshold: float,
    children: int,
    parents: int,
    solve: Callable[[Choice], np.ndarray] = by_highs,
) -> Int[np.ndarray, " links"]:
    """The set of links of highest total score.

    The score of a link is the log-odds of its probability over those of the threshold: at a
    threshold of ½ the set is the likeliest one, if edges were independent. Every link of it is a
    linked edge, so that a division needs two of them.

    Left out beforehand is an edge whose ends are also joined step by step, over localizations
    between them, by linked edges each of which is at least as likely: it skips localizations of
    its own track. And no two links leave a localization of which the later receiver can be
    reached from the earlier one by linked edges: that is a track and a skip of it, and no division.

    Args:
        linked: the linked edges.
        threshold: probability whose score is 0.
        children: links that may leave a localization.
        parents: links that may reach a localization; 1: tracks never merge.
        solve: finds the set.

    Returns:
        Which of the edges are links.
    """
    if not len(linked.sender):
        return np.empty(0, np.int64)
    edge, rivals = _without_skips(linked)
    probability, least = (np.clip(p, SURE, 1 - SURE) for p in (linked.probability, threshold))
    score = logit(probability) - logit(least)
    ends = linked.sender[edge], linked.receiver[edge]
    return edge[solve(Choice(*ends, score[edge], rivals, children, parents))]


def _without_skips(linked: Linked) -> tuple[np.ndarray, np.ndarray]:
    """Edges that no detour is as likely as, and pairs of them that are no division.

    The likelihood of a detour is that of its weakest edge. Where a detour leads over an edge that
    is left out, there is another one, as likely, over edges that are not.

    Returns:
        edge: which of the linked edges are left.
        rivals: [2, pairs], places in `edge`: the step from a sender and the edge past it.
    """
    step = pd.DataFrame({"sender": linked.sender, "receiver": linked.receiver})
    step = step.assign(weakest=linked.probability, lag=linked.lag)
    farthest = np.zeros(int(linked.receiver.max()) + 1, np.int64)
    np.maximum.at(farthest, linked.receiver, linked.lag)
    first = step.set_axis(["sender", "over", "weakest_first", "lag_first"], axis=1)
    paths = [step]
    while len(paths[-1]):  # paths of one edge more; each takes a frame at least
        path = first.merge(paths[-1], left_on="over", right_on="sender", suffixes=("", "_rest"))
        path["lag"] += path["lag_first"]
        path["weakest"] = np.minimum(path["weakest"], path["weakest_first"])
        path = path[path["lag"].to_numpy() <= farthest[path["receiver"].to_numpy()]]
        ends = path.groupby(["sender", "receiver"], as_index=False, sort=False)
        paths.append(ends[["weakest", "lag"]].max())
    ends = ["sender", "receiver"]
    detours = pd.concat(paths[1:]).groupby(ends, as_index=False, sort=False)["weakest"].max()
    detour = step[ends].merge(detours, on=ends, how="left")["weakest"].fillna(0).to_numpy()
    edge = np.flatnonzero(detour < linked.probability)

    left = step.loc[edge, [*ends, "lag"]].assign(place=np.arange(len(edge)))
    pairs = left.merge(left, on="sender", suffixes=("", "_past"))
    pairs = pairs[pairs["lag"] < pairs["lag_past"]]
    joined = (
        pd.concat(paths)[ends].drop_duplicates().set_axis(["receiver", "receiver_past"], axis=1)
    )
    pairs = pairs.merge(joined, on=["receiver", "receiver_past"])
    return edge, pairs[["place", "place_past"]].to_numpy().T


def _pairs(pairs: np.ndarray, edges: int) -> sparse.csr_array:
    """One row for each of the pairs [2, pairs]: 1 at its two edges."""
    row = np.tile(np.arange(pairs.shape[1]), 2)
    ones = np.ones(pairs.size)
    return sparse.csr_array((ones, (row, pairs.ravel())), shape=(pairs.shape[1], edges))


def _sharing(end: np.ndarray) -> sparse.csr_array:
    """One row for each localization: 1 at the edges that end there."""
    rows, row = np.unique(end, return_inverse=True)
    edge = np.arange(len(end))
    return sparse.csr_array((np.ones(len(end)), (row, edge)), shape=(len(rows), len(end)))


def _rank(group: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Place of each element in its group, from 0, the least key first; ties in given order."""
    order = np.lexsort((*reversed(keys), group))
    begins = np.flatnonzero(np.diff(group[order], prepend=-1))
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(begins, np.diff(begins, append=len(group)))
    return rank
