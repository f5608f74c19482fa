"""Scores of edges -> tracks and divisions (Methods, "Postprocessing algorithm").

An edge whose probability is above the threshold is *linked*. Both methods choose, of the linked
edges, the links that tracks are made of: at most `children` leave a localization, at most
`parents` reach it. No localization is lost: where no link leads, a track begins or ends. Neither
depends on the order of the edges in the store: there is no chance in it.
"""

from typing import NamedTuple, Self

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
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
        TRACKS, the attribute `linker` being "magik".

    Raises:
        InputError: if the two are not of the same localizations.
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
        chosen = best_set(linked, config.threshold, config.children, config.parents)
    links = np.stack([linked.sender[chosen], linked.receiver[chosen]])
    return lineage.tracks_of_links(localizations, links, "magik")


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


def best_set(
    linked: Linked, threshold: float, children: int, parents: int
) -> Int[np.ndarray, " links"]:
    """The set of links of highest total score.

    The score of a link is the log-odds of its probability over those of the threshold: at a
    threshold of ½ the set is the likeliest one, if edges were independent. Every link of it is a
    linked edge, so that a division needs two of them.

    Left out beforehand is an edge whose ends are also joined step by step, by linked edges over
    localizations between them: it skips localizations of its own track. Beside the first of these
    steps it would look like a division.

    Args:
        linked: the linked edges.
        threshold: probability whose score is 0.
        children: links that may leave a localization.
        parents: links that may reach a localization; 1: tracks never merge.

    Returns:
        Which of the edges are links.
    """
    if not len(linked.sender):
        return np.empty(0, np.int64)
    edge = np.flatnonzero(~_skips(linked))
    probability, least = (np.clip(p, SURE, 1 - SURE) for p in (linked.probability, threshold))
    score = logit(probability) - logit(least)
    found = milp(
        -score[edge],
        integrality=np.ones(len(edge)),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(_sharing(linked.sender[edge]), ub=children),
            LinearConstraint(_sharing(linked.receiver[edge]), ub=parents),
        ],
        options={"mip_rel_gap": 0},
    )
    if found.x is None:
        raise RuntimeError(f"no best set of {len(edge)} edges: {found.message}")
    return edge[found.x > 0.5]


def _skips(linked: Linked) -> np.ndarray:
    """Whether two or more linked edges, one after the other, join the ends of an edge."""
    rows = int(linked.receiver.max()) + 1
    ends = (linked.sender, linked.receiver)
    step = sparse.csr_array((np.ones(len(linked.sender), bool), ends), shape=(rows, rows))
    joined = steps = step @ step
    for _ in range(int(linked.lag.max()) - 2):
        steps = steps @ step
        joined = joined + steps
    return joined[ends].astype(bool)


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
