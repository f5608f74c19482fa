"""Links and tracks: the truth of an edge, and the one rule that turns links into tracks.

A link joins a detection to the next one of the same track, also over frames that missed it, or
the last detection of a mother to the first one of each daughter. Everything here is flat arrays
over the rows of a whole store, [2, links]: the earlier row, the later row, ordered by the later.
"""

import numpy as np
import xarray as xr
from jaxtyping import Bool, Int

from magik import schema

Links = Int[np.ndarray, "2 links"]
Kinds = Bool[np.ndarray, " links"]


def true_links(localizations: xr.Dataset) -> tuple[Links, Kinds]:
    """Every true link of a store.

    A detection of no particle (-1) has none. A mother whose last detection is not before the
    daughter's first has no link to it.

    Args:
        localizations: LOCALIZATIONS with `particle`, and `parent_particle` where cells divide;
            no particle twice in one frame.

    Returns:
        links: rows of the store, earlier and later.
        division: True where a link joins a particle to another one, its daughter: also to an
            only daughter, as the Cell Tracking Challenge tells kinds of links apart.
    """
    particle = localizations["particle"].to_numpy().astype(np.int64)
    parent = (
        localizations["parent_particle"].to_numpy().astype(np.int64)
        if "parent_particle" in localizations
        else np.full_like(particle, -1)
    )
    return _links(localizations, particle, parent)


def links_of_tracks(tracks: xr.Dataset) -> tuple[Links, Kinds]:
    """Every link of a store of tracks: what `tracks_of_links` was given.

    Args:
        tracks: TRACKS.

    Returns:
        links: rows of the store, earlier and later.
        division: True where a link joins a track to another one.
    """
    track = tracks["track"].to_numpy().astype(np.int64)
    parent = tracks["parent"].to_numpy().astype(np.int64)
    links, division = _links(tracks, track, parent[track])
    if "merge_track" not in tracks:
        return links, division
    further = np.stack([tracks["merge_parent"].to_numpy(), tracks["merge_track"].to_numpy()])
    seen, first, rows = np.unique(track, return_index=True, return_counts=True)
    last = np.argsort(track, kind="stable")[np.cumsum(rows) - 1]
    at = np.searchsorted(seen, further[:, np.isin(further, seen).all(axis=0)])
    links = np.concatenate([links, np.stack([last[at[0]], first[at[1]]])], axis=1)
    division = np.append(division, np.ones(at.shape[1], bool))
    order = np.lexsort(links)
    return links[:, order], division[order]


def families(tracks: xr.Dataset) -> Int[np.ndarray, "2 pairs"]:
    """Every track that another one comes from: the parent, and the child.

    Args:
        tracks: TRACKS.

    Returns:
        Tracks, ordered by child; of one in which several meet, `parent` comes first.
    """
    parent = tracks["parent"].to_numpy().astype(np.int64)
    child = np.flatnonzero(parent >= 0)
    pairs = np.stack([parent[child], child])
    if "merge_track" in tracks:
        further = [tracks["merge_parent"].to_numpy(), tracks["merge_track"].to_numpy()]
        pairs = np.concatenate([pairs, np.stack(further)], axis=1)
    return pairs[:, np.argsort(pairs[1], kind="stable")]


def tracks_of_links(localizations: xr.Dataset, links: Links, linker: str) -> xr.Dataset:
    """Tracks that a set of links makes.

    A track goes on over a link, also over a gap, if it is the only one that leaves its row and
    the only one that reaches the next. Where two or more leave, the track has divided: it ends,
    and each receiver begins a track whose parent it is. Where two or more meet, each of their
    tracks ends and the receiver begins one; its parent is the latest of them, of these the first,
    and `merge_parent` names the others. A row without links is a track of its own.

    Args:
        localizations: LOCALIZATIONS, rows ordered by video and frame.
        links: rows of the store, earlier and later, within one video; in any order.
        linker: what made the links.

    Returns:
        TRACKS: the columns of the localizations, `track` and `parent`; `merge_track` and
        `merge_parent` only where tracks meet. Tracks are numbered by video, first frame and first
        row.

    Raises:
        ValueError: if a link does not lead to a later frame of its video.
    """
    rows = localizations.sizes["localization"]
    video = schema.row_of(localizations["row_size"].to_numpy())
    frame = localizations["frame"].to_numpy()
    sender, receiver = links[:, np.lexsort((links[0], -frame[links[0]], links[1]))]
    if np.any(frame[sender] >= frame[receiver]) or np.any(video[sender] != video[receiver]):
        raise ValueError("a link must lead to a later frame of its video")
    alone = np.bincount(sender, minlength=rows)[sender] == 1
    alone &= np.bincount(receiver, minlength=rows)[receiver] == 1

    first = np.arange(rows)  # row that the track of each row begins with
    first[receiver[alone]] = sender[alone]
    while np.any(first != first[first]):
        first = first[first]
    begins, track = np.unique(first, return_inverse=True)
    parent = np.full(len(begins), -1)
    mother, daughter = track[sender[~alone]], track[receiver[~alone]]
    further = np.ones(len(daughter), bool)  # parents of a track that has one already
    further[np.unique(daughter, return_index=True)[1]] = False
    parent[daughter[~further]] = mother[~further]

    kept = [
        name
        for name, column in localizations.data_vars.items()
        if column.dims == ("localization",) or name in ("row_size", "n_frames")
    ]
    tracks = localizations[kept].assign(track=("localization", track), parent=("track", parent))
    if further.any():
        merges = {"merge_track": daughter[further], "merge_parent": mother[further]}
        tracks = tracks.assign({name: ("merge", column) for name, column in merges.items()})
    return tracks.assign_attrs(linker=linker)


def _links(
    dataset: xr.Dataset, identity: np.ndarray, parent: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Links of identities, [rows] within their video, -1 = none; `parent` [rows] likewise."""
    video = schema.row_of(dataset["row_size"].to_numpy())
    frame = dataset["frame"].to_numpy()
    order = np.lexsort((frame, identity, video))
    order = order[identity[order] >= 0]
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(identity[order]) != 0) | (np.diff(video[order]) != 0)
    first, last = order[begins], order[np.roll(begins, -1)]

    names = zip(video[first].tolist(), identity[first].tolist(), strict=True)
    last_of = dict(zip(names, last.tolist(), strict=True))
    wanted = zip(video[first].tolist(), parent[first].tolist(), strict=True)
    mother = np.array([last_of.get(name, -1) for name in wanted], np.int64)
    born = (mother >= 0) & (frame[mother] < frame[first])

    goes_on = np.flatnonzero(~begins)
    sender = np.concatenate([order[goes_on - 1], mother[born]])
    receiver = np.concatenate([order[goes_on], first[born]])
    division = np.arange(len(sender)) >= len(goes_on)
    by_receiver = np.argsort(receiver)
    return np.stack([sender, receiver])[:, by_receiver], division[by_receiver]
