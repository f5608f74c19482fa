"""Localizations -> spatiotemporal graphs (Methods, "Description of MAGIK").

A node is a localization; a directed edge joins it to each localization within `radius` in one
of the next `max_lag` frames. Here, and only here, lengths become fields of view.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from magik import physics, schema
from magik.config import Graph
from magik.errors import InputError

AXES = ("x", "y", "z")
NOT_FEATURES = ("frame", "particle", "diffusivity")
"""Of the columns of a localization, those that no network may see."""

BATCH = 50_000
"""Localizations that share a k-d tree; bounds the memory of the search."""


def build(localizations: xr.Dataset, config: Graph, length_px: float | None = None) -> xr.Dataset:
    """One graph per video.

    Args:
        localizations: LOCALIZATIONS, rows ordered by video and frame.
        config: reach in space and time.
        length_px: px per field of view; by default the longer side of the image. A network
            trained elsewhere brings its own.

    Returns:
        GRAPHS. Nodes stand in the order of the localizations, edges in that of their receiver,
        then sender. Where the truth is known it holds the targets: √(2D) of every node, and
        for every edge whether it joins a detection to the particle's next one.

    Raises:
        InputError: if an axis is missing, a coordinate or descriptor is not a finite number, or
            rows are out of order.
    """
    length = float(length_px or max(localizations.attrs["field_of_view"]))
    for axis in config.axes:
        if axis not in localizations:
            raise InputError(
                f"localizations: no '{axis}', along which graph.axes measures distance. "
                f"They have: {', '.join(map(str, localizations.data_vars))}."
            )
    axes: list[str] = list(config.axes)
    position = np.stack([localizations[axis].to_numpy() for axis in axes], axis=1) / length
    frame = localizations["frame"].to_numpy().astype(np.int64)
    row_size = localizations["row_size"].to_numpy()
    video = schema.row_of(row_size)
    node_columns = {axis: position[:, k] for k, axis in enumerate(axes)}
    node_columns |= {
        str(name): column.to_numpy()
        for name, column in localizations.data_vars.items()
        if column.dims == ("localization",) and name not in (*AXES, *NOT_FEATURES)
    }
    _refuse_bad_rows(node_columns, frame, video)

    ends = [
        _edges(position[rows], frame[rows], video[rows], config) + rows.start
        for rows in _batches(row_size)
    ]
    edge_index = np.concatenate(ends, axis=1) if ends else np.zeros((2, 0), np.int64)
    sender, receiver = edge_index
    displacement = (position[receiver] - position[sender]).astype(np.float32)
    distance = np.linalg.norm(displacement, axis=1).astype(np.float32)
    lag = frame[receiver] - frame[sender]

    edge_columns = {"distance": distance, "lag": lag.astype(np.float32)}
    edge_columns |= {f"displacement_{a}": displacement[:, k] for k, a in enumerate(axes)}
    start = schema.offsets(row_size)
    n_edge = np.bincount(video[sender], minlength=len(row_size)).astype(np.int64)
    graphs = xr.Dataset(
        {
            "n_node": ("graph", row_size.astype(np.int64)),
            "n_edge": ("graph", n_edge),
            "n_frames": ("graph", localizations["n_frames"].to_numpy().astype(np.int64)),
            "node_features": (("node", "node_feature"), _columns(node_columns, len(frame))),
            "edge_features": (("edge", "edge_feature"), _columns(edge_columns, len(lag))),
            "edge_index": (
                ("end", "edge"),
                (edge_index - start[video[sender]]).astype(np.int32),
            ),
            "frame": ("node", frame.astype(np.int32)),
            "distance": ("edge", distance),
            "localization": ("node", np.arange(len(frame))),
        },
        attrs={
            "field_of_view": [float(side) for side in localizations.attrs["field_of_view"]],
            "length_px": length,
            "radius": config.radius,
            "max_lag": config.max_lag,
            "axes": axes,
            "node_feature": list(node_columns),
            "edge_feature": list(edge_columns),
        },
    )
    if "diffusivity" in localizations:
        scaling = physics.displacement_scaling(localizations["diffusivity"].to_numpy())
        graphs["displacement_scaling"] = ("node", scaling.astype(np.float32))
    if "particle" in localizations:
        particle = localizations["particle"].to_numpy()
        graphs["linked"] = ("edge", next_detection(edge_index, particle, video, frame))
    return graphs


def next_detection(
    edge_index: np.ndarray, particle: np.ndarray, video: np.ndarray, frame: np.ndarray
) -> np.ndarray:
    """True where an edge joins a detection to the next one of the same particle.

    An edge that skips a detection of the particle is not a link; one that bridges a missed
    detection is. A false positive (particle -1) has no links.

    Args:
        edge_index: [2, edges] rows of sender and receiver.
        particle: [nodes] true identity within the video.
        video: [nodes].
        frame: [nodes].

    Returns:
        [edges] bool.
    """
    order = np.lexsort((frame, particle, video))
    same = (np.diff(particle[order]) == 0) & (np.diff(video[order]) == 0)
    same &= particle[order][1:] >= 0
    follower = np.full(len(particle), -1)
    follower[order[:-1][same]] = order[1:][same]
    return follower[edge_index[0]] == edge_index[1]


def _batches(row_size: np.ndarray) -> Iterator[slice]:
    """Rows of consecutive whole videos, BATCH or a little more at a time."""
    start = schema.offsets(row_size)
    first = 0
    for last in start[1:]:
        if last - first >= BATCH or (last == start[-1] and last > first):
            yield slice(first, int(last))
            first = int(last)


def _edges(position: np.ndarray, frame: np.ndarray, video: np.ndarray, config: Graph) -> np.ndarray:
    """[2, edges] rows (sender, receiver), sorted by receiver, then sender.

    Every pair of frames is searched in the same two k-d trees: frames stand as sheets in a
    third dimension, too far apart to meet, and for each lag the later sheets move down by the
    lag, so that only localizations exactly that many frames apart come within reach.
    """
    apart = 4 * config.radius
    sheet = frame + (video - video[0]) * (frame.max() + config.max_lag + 1)

    def tree(lag: int) -> cKDTree:
        return cKDTree(np.column_stack([position, (sheet - lag) * apart]))

    earlier = tree(0)
    found = [
        earlier.sparse_distance_matrix(tree(lag), config.radius, output_type="ndarray")
        for lag in range(1, config.max_lag + 1)
    ]
    sender = np.concatenate([pairs["i"] for pairs in found])
    receiver = np.concatenate([pairs["j"] for pairs in found])
    order = np.lexsort((sender, receiver))
    return np.stack([sender[order], receiver[order]])


def _columns(columns: dict[str, np.ndarray], rows: int) -> np.ndarray:
    """[rows, columns] float32."""
    return np.stack([*columns.values()], axis=1).astype(np.float32).reshape(rows, len(columns))


def _refuse_bad_rows(
    columns: Mapping[str, np.ndarray], frame: np.ndarray, video: np.ndarray
) -> None:
    for name, column in columns.items():
        bad = np.flatnonzero(~np.isfinite(column))
        if len(bad):
            raise InputError(
                f"localizations: row {bad[0]}: {name} = {column[bad[0]]} in frame "
                f"{frame[bad[0]]}; expected a finite number. Remove such rows."
            )
    unordered = np.flatnonzero((np.diff(frame) < 0) & (np.diff(video) == 0))
    if len(unordered):
        row = unordered[0] + 1
        raise InputError(
            f"localizations: row {row}: frame {frame[row]} after frame {frame[row - 1]}; "
            "expected rows ordered by video and frame."
        )
