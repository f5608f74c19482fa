"""Localizations -> spatiotemporal graphs (Methods, "Description of MAGIK").

A node is a localization; a directed edge joins it to each localization within `radius` in one
of the next `max_lag` frames. Here, and only here, lengths become fields of view or spacings.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from magik import lineage, physics, registration, schema
from magik.config import Graph
from magik.errors import InputError

AXES = ("x", "y", "z")
NOT_FEATURES = (
    *("frame", "label", "node_id", "particle", "parent_particle"),
    *("diffusivity", "exponent", "motion"),
    *("drift_x", "drift_y", "drift_z"),
)
"""Of the columns of a localization, those that no network may see."""

DIMENSIONLESS = ("eccentricity", "solidity")
"""Descriptors that any microscope gives alike; others are divided by the video's median.

Where lengths are fields of view only the intensity is, and beside it: `relative_intensity`.
"""

RESOLVED = 0.005
"""Shares of the radius below which distances look alike on a logarithmic scale."""

BATCH = 50_000
"""Localizations, about, whose edges are sought at once; bounds the memory of the search."""


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
        for every edge whether it is a link (`lineage.true_links`).

    Raises:
        InputError: if a coordinate or descriptor is not a finite number, or rows are out of
            order.
    """
    axes: list[str] = list(config.axes)
    frame = localizations["frame"].to_numpy().astype(np.int64)
    row_size = localizations["row_size"].to_numpy()
    video = schema.row_of(row_size)
    flat = np.zeros(len(frame))
    columns = {
        axis: localizations[axis].to_numpy() if axis in localizations else flat for axis in axes
    }
    columns |= {
        str(name): column.to_numpy()
        for name, column in localizations.data_vars.items()
        if column.dims == ("localization",) and name not in (*AXES, *NOT_FEATURES)
    }
    _refuse_bad_rows(columns, frame, video)
    position = _still(localizations, axes)
    if config.unit == "spacing":
        length = _spacings(localizations, position)
        for name in set(columns) - {*AXES, *DIMENSIONLESS}:
            columns[name] = _over_median(columns[name], row_size)
    else:
        longer = float(length_px or max(localizations.attrs["field_of_view"]))
        length = np.full(len(row_size), longer)
        if "intensity" in columns:
            columns["relative_intensity"] = _over_median(columns["intensity"], row_size)
    position = position / length[video][:, None]
    columns |= {axis: position[:, k] for k, axis in enumerate(axes)}

    ends = [
        _edges(position[rows], frame[rows], video[rows], config, before) + rows.start
        for rows, before in _batches(frame, video, config.max_lag)
    ]
    edge_index = np.concatenate(ends, axis=1) if ends else np.zeros((2, 0), np.int64)
    sender, receiver = edge_index
    displacement = (position[receiver] - position[sender]).astype(np.float32)
    distance = np.linalg.norm(displacement, axis=1).astype(np.float32)
    lag = frame[receiver] - frame[sender]

    edge_columns = {
        "distance": distance,
        "log_distance": np.log(distance + RESOLVED * config.radius),
        "lag": lag.astype(np.float32),
    }
    edge_columns |= {f"displacement_{a}": displacement[:, k] for k, a in enumerate(axes)}
    if "pair_pixels" in localizations:
        edge_columns |= _overlaps(localizations, edge_index)
    start = schema.offsets(row_size)
    n_edge = np.bincount(video[sender], minlength=len(row_size)).astype(np.int64)
    graphs: dict[str, tuple[str | tuple[str, ...], np.ndarray]] = {
        "n_node": ("graph", row_size.astype(np.int64)),
        "n_edge": ("graph", n_edge),
        "n_frames": ("graph", localizations["n_frames"].to_numpy().astype(np.int64)),
        "length_px": ("graph", length),
        "node_features": (("node", "node_feature"), _columns(columns, len(frame))),
        "edge_features": (("edge", "edge_feature"), _columns(edge_columns, len(lag))),
        "edge_index": (("end", "edge"), (edge_index - start[video[sender]]).astype(np.int32)),
        "frame": ("node", frame.astype(np.int32)),
        "distance": ("edge", distance),
        "localization": ("node", np.arange(len(frame))),
    }
    attrs = {
        "field_of_view": [float(side) for side in localizations.attrs["field_of_view"]],
        "radius": config.radius,
        "max_lag": config.max_lag,
        "unit": config.unit,
        "axes": axes,
        "node_feature": list(columns),
        "edge_feature": list(edge_columns),
    }
    if "diffusivity" in localizations:
        scaling = physics.displacement_scaling(localizations["diffusivity"].to_numpy())
        if "dt" in localizations:  # of a step from image to image, which is what can be seen
            graphs["dt"] = ("graph", localizations["dt"].to_numpy())
            scaling = scaling * np.sqrt(localizations["dt"].to_numpy())[video]
        graphs["displacement_scaling"] = ("node", scaling.astype(np.float32))
    if "exponent" in localizations:
        graphs["exponent"] = ("node", localizations["exponent"].to_numpy().astype(np.float32))
        graphs["video_exponent"] = ("graph", _exponents_of_videos(localizations))
    if "motion" in localizations:
        graphs["motion"] = ("node", localizations["motion"].to_numpy().astype(np.int32))
        graphs["fractions"] = (("graph", "class"), _fractions(localizations))
        attrs["motions"] = localizations.attrs["motions"]
    if "particle" in localizations:
        links, _ = lineage.true_links(localizations)
        origin = np.full(len(frame), -1)
        origin[links[1]] = links[0]
        particle = localizations["particle"].to_numpy()
        linked = origin[receiver] == sender
        same = (particle[sender] == particle[receiver]) & (particle[sender] >= 0)
        graphs["linked"] = ("edge", linked)
        graphs["skips"] = ("edge", same & ~linked)
        within = np.where(origin >= 0, origin - start[video], -1)
        graphs["origin"] = ("node", within.astype(np.int32))
    return xr.Dataset(graphs, attrs=attrs)


def _one_row_of_each_particle(localizations: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The video of each particle, and a row that it is seen in; false positives left out."""
    video = schema.row_of(localizations["row_size"].to_numpy())
    particle = localizations["particle"].to_numpy()
    seen = np.flatnonzero(particle >= 0)
    pairs = np.stack([video[seen], particle[seen]])
    _, first = np.unique(pairs, axis=1, return_index=True)
    return video[seen[first]], seen[first]


def _exponents_of_videos(localizations: xr.Dataset) -> np.ndarray:
    """[videos] mean α of the particles of each; NaN of a video without any."""
    video, row = _one_row_of_each_particle(localizations)
    number = localizations.sizes["video"]
    total = np.bincount(video, localizations["exponent"].to_numpy()[row], number)
    count = np.bincount(video, minlength=number)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _fractions(localizations: xr.Dataset) -> np.ndarray:
    """[videos, classes] share of the particles of each video in each class; NaN without any."""
    video, row = _one_row_of_each_particle(localizations)
    shape = (localizations.sizes["video"], len(localizations.attrs["motions"]))
    count = np.zeros(shape)
    np.add.at(count, (video, localizations["motion"].to_numpy()[row]), 1)
    particles = count.sum(axis=1, keepdims=True)
    shares = count / np.maximum(particles, 1)
    return np.where(particles > 0, shares, np.nan).astype(np.float32)


def settings(given: Mapping[str, Any], measured: str | Path | Sequence[str]) -> Graph:
    """The settings of a graph as given, or as `reach` measured and wrote them.

    Args:
        given: one section of config.yaml.
        measured: path of the settings measured on the training set; empty where none were.
    """
    if not measured:
        return Graph(**given)
    said = json.loads(Path(str(measured)).read_text())
    return Graph(**{name: said[name] for name in Graph.model_fields})


def build_as(trained_on: Mapping[str, Any], localizations: xr.Dataset) -> xr.Dataset:
    """Graphs such as a network was trained on: `build` with its reach and unit of length.

    Args:
        trained_on: what the network's checkpoint says of its training set.
        localizations: LOCALIZATIONS.

    Raises:
        InputError: as `build`.
    """
    names = ("radius", "max_lag", "axes", "unit")
    config = Graph(**{name: trained_on[name] for name in names})
    return build(localizations, config, trained_on["length_px"])


def reach(localizations: xr.Dataset, config: Graph) -> tuple[Graph, float]:
    """The graph settings with the smallest reach that holds `keep` of the true links.

    The lag is the smallest for which no more than half of what may be lost is lost; the radius,
    the smallest for which the rest suffices. Both stay within the limits of `config`; the log says
    where these leave out too many.

    Args:
        localizations: LOCALIZATIONS with `particle`: the training set.
        config: with `keep`.

    Returns:
        The settings, and the share of the true links that they hold.

    Raises:
        InputError: if the truth is not known, or there is not one link.
    """
    if "particle" not in localizations:
        raise InputError(
            "graph.keep: the reach is measured from true links, but the lineage of the training "
            "set is not known. Name it (lineage: man_track.txt), or leave graph.keep out."
        )
    sender, receiver = lineage.true_links(localizations)[0]
    if len(sender) == 0:
        raise InputError("graph.keep: the training set has no link to measure the reach from.")
    frame = localizations["frame"].to_numpy().astype(np.int64)
    row_size = localizations["row_size"].to_numpy()
    position = _still(localizations, list(config.axes))
    if config.unit == "spacing":
        length = _spacings(localizations, position)[schema.row_of(row_size)]
    else:
        length = np.full(len(frame), float(max(localizations.attrs["field_of_view"])))
    distance = np.linalg.norm(position[receiver] - position[sender], axis=1) / length[sender]
    lag = frame[receiver] - frame[sender]
    keep = config.keep or 1.0
    may_lose = (1 - keep) * len(lag)
    lags = np.sort(lag)[::-1]
    longest = int(min(config.max_lag, lags[int(may_lose / 2)]))
    inside = distance[lag <= longest]
    left = may_lose - np.sum(lag > longest)
    farthest = np.sort(inside)[::-1][max(0, int(left))] if len(inside) else config.radius
    # a little farther than the farthest seen: the next recording's is not the same
    radius = min(config.radius, max(REACH_MARGIN * float(farthest), LEAST_REACH))
    kept = float(np.mean((lag <= longest) & (distance <= radius)))
    told = f"{radius:.3g} {config.unit}, {longest} frames; it holds {kept:.2%} of {len(lag)} links"
    print(f"reach: {told}")
    if kept < keep - 1e-9:
        print(
            f"warning: graph.keep asks for {keep:.2%} of the links. Raise the upper limits, "
            f"graph.radius = {config.radius:g} and graph.max_lag = {config.max_lag}"
        )
    return config.model_copy(update={"max_lag": longest, "radius": radius}), kept


REACH_MARGIN, LEAST_REACH = 1.1, 0.01


def _spacings(localizations: xr.Dataset, position: np.ndarray) -> np.ndarray:
    """[videos] px; a cell that is alone has the field of view to itself."""
    return registration.spacings(
        position,
        localizations["frame"].to_numpy(),
        schema.offsets(localizations["row_size"].to_numpy()),
        alone=float(max(localizations.attrs["field_of_view"])),
    )


def _still(localizations: xr.Dataset, axes: list[str]) -> np.ndarray:
    """[localizations, axes] px: positions as they would be had the stage not moved.

    Without z all lie at z = 0, so that one network serves recordings in the plane and in space.
    """
    position = np.zeros((localizations.sizes["localization"], len(axes)))
    for k, axis in enumerate(axes):
        if axis in localizations:
            position[:, k] = localizations[axis].to_numpy()
        if f"drift_{axis}" in localizations:
            position[:, k] -= localizations[f"drift_{axis}"].to_numpy()
    return position


def _over_median(column: np.ndarray, row_size: np.ndarray) -> np.ndarray:
    """A descriptor in units of its median over the video."""
    parts = np.split(column.astype(float), schema.offsets(row_size)[1:-1])
    return np.concatenate(
        [part / (np.median(np.abs(part)) or 1.0) if len(part) else part for part in parts]
    )


def _overlaps(localizations: xr.Dataset, edge_index: np.ndarray) -> dict[str, np.ndarray]:
    """Share of the sender's and of the receiver's mask that lies in the other, for each edge."""
    start = schema.offsets(localizations["row_size"].to_numpy())
    first = np.repeat(start[:-1], localizations["n_pair"].to_numpy())
    total = np.int64(start[-1])
    key = (localizations["pair_receiver"].to_numpy() + first) * total
    key += localizations["pair_sender"].to_numpy() + first
    wanted = edge_index[1] * total + edge_index[0]
    shared = np.zeros(len(wanted))
    if len(key):
        place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        found = key[place] == wanted
        shared[found] = localizations["pair_pixels"].to_numpy()[place[found]]
    area = localizations["area"].to_numpy()
    return {
        "overlap_sender": (shared / area[edge_index[0]]).astype(np.float32),
        "overlap_receiver": (shared / area[edge_index[1]]).astype(np.float32),
    }


def _batches(frame: np.ndarray, video: np.ndarray, max_lag: int) -> Iterator[tuple[slice, int]]:
    """Rows of whole frames, and how many of them are there as senders alone.

    About BATCH rows are receivers; the frames before these that an edge may start in come first.
    """
    if len(frame) == 0:
        return
    time = frame + video * (frame.max() + max_lag + 1)  # no edge from one video to the next
    first = 0
    while first < len(time):
        last = int(np.searchsorted(time, time[min(first + BATCH, len(time)) - 1], side="right"))
        oldest = int(np.searchsorted(time, time[first] - max_lag))
        yield slice(oldest, last), first - oldest
        first = last


def _edges(
    position: np.ndarray, frame: np.ndarray, video: np.ndarray, config: Graph, before: int
) -> np.ndarray:
    """[2, edges] rows (sender, receiver), sorted by receiver, then sender.

    Every frame is laid out in cells as large as the radius, numbered along the last axis, so that
    the neighbours of a cell in an earlier frame are three runs of numbers (in space: nine), and
    what lies in each stands together once rows are sorted by their cell. Empty stretches between
    cells count as one cell, however far something lies off.

    The first rows, as many as `before`, receive no edge.
    """
    sheet = (video - video[0]) * (frame.max() + config.max_lag + 1) + frame
    cell = np.stack([_cells(column, config.radius) for column in position.T], axis=1)
    along = cell.max(axis=0) + 2  # with an empty cell at either end
    size = np.cumprod([1, *along[::-1]])[::-1]  # cells in a frame, in a plane of it, ... in one
    place = (sheet - sheet.min()) * size[0] + cell @ size[1:]
    order = np.argsort(place, kind="stable")
    places = place[order]
    axes = [(column[order], column[before:]) for column in position.T]

    n = len(frame)
    rows = np.arange(before, n)
    keys = []
    for lag in range(1, config.max_lag + 1):
        for beside in itertools.product((-1, 0, 1), repeat=len(along) - 1):
            middle = place[before:] + (np.array([-lag, *beside]) @ size[:-1])
            first = np.searchsorted(places, middle - 1)
            found = np.searchsorted(places, middle + 1, side="right") - first
            shift = first - np.cumsum(found) + found
            sender = np.repeat(shift, found) + np.arange(found.sum())
            squared = np.zeros(len(sender))
            for earlier, later in axes:
                squared += (earlier.take(sender) - np.repeat(later, found)) ** 2
            near = np.flatnonzero(squared <= config.radius**2)
            receiver = np.repeat(rows, found).take(near)
            keys.append(receiver * n + order.take(sender.take(near)))
    key = np.sort(np.concatenate(keys))
    return np.stack([key % n, key // n])


def _cells(column: np.ndarray, radius: float) -> np.ndarray:
    """[rows] the cell of each coordinate, from 1; what is empty between two counts as one cell."""
    occupied, rank = np.unique(np.floor(column / (1.000001 * radius)), return_inverse=True)
    apart = np.minimum(np.diff(occupied, prepend=occupied[0] - 1), 2)
    return np.cumsum(apart).astype(np.int64)[rank]


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
