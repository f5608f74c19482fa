"""Figures of cells: masks, graphs in time and space, trajectories, divisions, lineage trees.

As in `magik.plots`, every panel function draws into one `Axes` and returns what it drew as a tidy
table. Tracks have the colours of `magik.movies`, here as in movies; `value` is the track's number
+ 1, its `track_id` in tables. Images are not repeated in the source data: they are the recording's.
"""

import math
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Integer, Num
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure as Canvas

from magik import greys, lineage, lineages, movies, plots, schema
from magik.config import Panel

MOST_LANES = 48
"""Lines beneath one another in a lineage tree."""

BEFORE, AFTER = (-12, -6, -2, 0), (0, 1, 3, 6, 12)
"""Frames of a division that are shown, from the mother's last and from the daughters' first."""

_SIDE = ("x", "y", "x_end", "y_end")
_ENDS = ("x", "y", "frame", "x_end", "y_end", "frame_end")


# panels --------------------------------------------------------------------------------------


def segmentation(
    axes: Axes,
    image: Num[np.ndarray, "y x"] | None,
    labels: Integer[np.ndarray, "y x"] | Bool[np.ndarray, "y x"],
    px_um: float | None = None,
    shades: Mapping[int, int] | None = None,
) -> pd.DataFrame:
    """One frame with its segmented regions in colours, as in Figs 2a and 3a-d.

    Args:
        axes: to draw into.
        image: counts; without it the ground is dark.
        labels: the mask, 0 = no cell.
        px_um: µm per px for the scale bar; without it the bar is in px.
        shades: row of `movies.PALETTE` for each label to be shown; by default all, by label.

    Returns:
        The outlines: one row per side of a pixel between two regions, `value` is the label.
    """
    labels = labels.astype(np.int64)
    height, width = labels.shape
    _ground(axes, image, movies.View(0, 0, width, height), px_um)
    if shades is None:
        shades = {label: label for label in np.unique(labels[labels > 0]).tolist()}
    names = np.array(sorted(shades), np.int64)
    colours = _rgb(np.array([shades[name] for name in names.tolist()], np.int64))
    paint = np.zeros((*labels.shape, 4))
    for name, colour in zip(names.tolist(), colours, strict=True):
        paint[labels == name] = (*colour, 0.35)
    axes.imshow(paint, extent=(0, width, height, 0), interpolation="nearest")
    sides, label = _sides(np.where(np.isin(labels, names), labels, 0))
    axes.add_collection(
        LineCollection(
            list(sides), colors=colours[np.searchsorted(names, label)], linewidths=0.7,
            capstyle="projecting", rasterized=True,
        )
    )  # fmt: skip
    columns = dict(zip(_SIDE, sides.reshape(-1, 4).T, strict=True))
    return plots.source_data(pd.DataFrame(columns).assign(series="outline (label)", value=label))


def candidate_graph(
    axes: Axes,
    nodes: pd.DataFrame,
    edges: Integer[np.ndarray, "end edge"],
    extent: tuple[float, float, float],
) -> pd.DataFrame:
    """All nodes and candidate edges in time and space, nodes coloured by frame (Fig. 2b).

    Args:
        axes: to draw into.
        nodes: `x`, `y` (px) and `frame`.
        edges: rows of `nodes`, sender and receiver.
        extent: length in frames, height and width in px.

    Returns:
        One row per edge and per node.
    """
    return _graph(axes, nodes, edges, extent, by_frame=False)


def link_graph(
    axes: Axes,
    nodes: pd.DataFrame,
    links: Integer[np.ndarray, "end link"],
    extent: tuple[float, float, float],
) -> pd.DataFrame:
    """True links or linked edges in time and space, coloured by frame as their nodes (Fig. 2c, e).

    Args:
        axes: to draw into.
        nodes: `x`, `y` (px) and `frame`.
        links: rows of `nodes`, sender and receiver.
        extent: length in frames, height and width in px.

    Returns:
        One row per link and per node.
    """
    return _graph(axes, nodes, links, extent, by_frame=True)


def _graph(
    axes: Axes,
    nodes: pd.DataFrame,
    edges: np.ndarray,
    extent: tuple[float, float, float],
    by_frame: bool,
) -> pd.DataFrame:
    frames, height, width = extent
    x, y, t = (nodes[name].to_numpy(dtype=float) for name in ("x", "y", "frame"))
    when = t / max(frames - 1, 1)
    places = plots.oblique(when, y / height, x / width)
    sender, receiver = edges
    lines = LineCollection(list(places[edges.T]), rasterized=True)
    if by_frame:
        lines.set(linewidth=0.8, color=plots.ORANGES(0.25 + 0.75 * when[receiver]))
    else:
        lines.set(linewidth=0.2, color="0.35", alpha=0.3)
    axes.add_collection(lines)
    plots.box(axes, extent)
    order = np.argsort(-x, kind="stable")  # the near ones last
    right, up = places[order].T
    size = float(np.clip(2400 / max(len(x), 1), 0.6, 2.6))  # a crowd of large ones hides the edges
    axes.scatter(right, up, c=plots.ORANGES(when[order]), s=size, edgecolors="0.25",
                 linewidths=0.15, zorder=3, rasterized=True)  # fmt: skip
    ends = {"x": x[sender], "y": y[sender], "frame": t[sender]}
    ends |= {"x_end": x[receiver], "y_end": y[receiver], "frame_end": t[receiver]}
    node_rows = nodes[["x", "y", "frame"]].assign(series="node")
    return plots.source_data(
        pd.DataFrame(ends).assign(series="link" if by_frame else "edge"), node_rows
    )


def trajectories(
    axes: Axes,
    tracks: xr.Dataset,
    view: movies.View,
    px_um: float | None = None,
    image: Num[np.ndarray, "y x"] | None = None,
) -> pd.DataFrame:
    """All tracks on the plane in distinct colours, divisions marked, as in Fig. 2d, f.

    True and found tracks that match have the same colour, see `movies.colours`. A dot is where
    a track ends, a diamond where it divides.

    Args:
        axes: to draw into.
        tracks: TRACKS of one video.
        view: the part of the field of view that is shown.
        px_um: µm per px for the scale bar; without it the bar is in px.
        image: counts, drawn beneath.

    Returns:
        One row per link and per end of a track.
    """
    _ground(axes, image, view, px_um)
    x, y, track = (tracks[name].to_numpy() for name in ("x", "y", "track"))
    frame = lineages.numbered(tracks)
    place, paint = np.stack([x, y], axis=1), _rgb(movies.colours(tracks))
    (sender, receiver), division = lineage.links_of_tracks(tracks)
    axes.add_collection(
        LineCollection(
            list(place[np.stack([sender, receiver], axis=1)]), colors=paint[track[receiver]],
            linewidths=0.8, capstyle="round",
        )
    )  # fmt: skip
    mothers = np.flatnonzero(np.bincount(sender) > 1)
    last = np.setdiff1d(np.arange(len(x)), sender)
    axes.scatter(x[last], y[last], c=paint[track[last]], s=5, linewidths=0)
    axes.scatter(x[mothers], y[mothers], c="w", marker="D", s=5, edgecolors="k", linewidths=0.4,
                 zorder=3)  # fmt: skip
    _show(axes, view)
    ends = dict(zip(_ENDS, (c[r] for r in (sender, receiver) for c in (x, y, frame)), strict=True))
    kind = np.where(division, "division (track_id)", "link (track_id)")
    kind[np.bincount(receiver, minlength=len(x))[receiver] > 1] = "merge (track_id)"
    return plots.source_data(
        pd.DataFrame(ends).assign(series=kind, value=track[receiver] + 1),
        _points(tracks, last, "end (track_id)"),
        _points(tracks, mothers, "mother (track_id)"),
    )


def division(
    axes: Axes,
    tracks: xr.Dataset,
    images: schema.Frames | None,
    labels: schema.Frames | None,
    px_um: float | None = None,
) -> pd.DataFrame:
    """Zoomed views of one division, from the mother to her daughters, as in Fig. 2g.

    Chosen is the mother who is seen in most frames, the first of them. The crops follow the
    centre of her family.

    Args:
        axes: to draw into.
        tracks: TRACKS of one video, with `label` where there are masks.
        images: counts [frame, y, x] or [frame, z, y, x]; without them the ground is dark.
        labels: masks, shaped likewise; without them cells are dots.
        px_um: µm per px for the scale bar; without it the bar is in px.

    Returns:
        The outlines, or the dots, in px of the recording.
    """
    axes.set_axis_off()
    family = _longest_mother(tracks)
    if family is None:
        axes.text(0.5, 0.5, "no division", transform=axes.transAxes, ha="center", va="center")
        return plots.source_data()
    views = _views(tracks, family)
    side = _side(tracks, views, labels)
    paint = _rgb(movies.colours(tracks))[tracks["track"].to_numpy()]
    step, parts = (1 + _GAP) / _COLUMNS, []
    for index, rows in enumerate(views):
        down, right = divmod(index, _COLUMNS)
        crop = axes.inset_axes(
            (right * step, 1 + _GAP - (down + 1) * step, step - _GAP, step - _GAP)
        )
        frame = int(tracks["frame"][rows[0]])
        image = None if images is None else movies.flat(images[frame])
        mask = None if labels is None else movies.flat(labels[frame])
        left, top = (float(tracks[axis][rows].mean()) - side / 2 for axis in "xy")
        _draw_crop(crop, image, (left, top, side))
        parts.append(_draw_cells(crop, tracks, rows, mask, paint[rows]))
        number = lineages.numbered(tracks)[rows[0]]
        crop.text(0.05, 0.95, f"frame {number}", transform=crop.transAxes, color="w", fontsize=6,
                  va="top", path_effects=plots.HALO[1.2])  # fmt: skip
    plots.scale_bar(crop, side, px_um)
    crop.texts[-1].set(x=0.95, ha="right", fontsize=6)  # a crop is narrow
    return plots.source_data(*parts)


_COLUMNS, _GAP = 3, 0.02


def _draw_crop(axes: Axes, image: np.ndarray | None, window: tuple[float, float, float]) -> None:
    """The part of an image in a square window: left, top, side; dark beyond the image."""
    left, top, side = window
    axes.set(
        xlim=(left, left + side), ylim=(top + side, top), xticks=[], yticks=[], facecolor="0.1"
    )
    axes.set_autoscale_on(False)
    axes.spines[:].set_visible(False)
    if image is None:
        return
    x, y = (max(0, int(start)) for start in (left, top))
    part = image[y : int(top + side) + 1, x : int(left + side) + 1]
    low, high = greys.limits(part, (0.5, 99.5))
    height, width = part.shape
    axes.imshow(part, cmap="gray", vmin=low, vmax=high, aspect="auto",
                extent=(x, x + width, y + height, y))  # fmt: skip


def _draw_cells(
    axes: Axes, tracks: xr.Dataset, rows: np.ndarray, mask: np.ndarray | None, paint: np.ndarray
) -> pd.DataFrame:
    """Outlines, or dots, of some rows of one frame."""
    points = _points(tracks, rows, "cell (track_id)")
    if mask is None:
        axes.scatter(points["x"], points["y"], c=paint, s=12, linewidths=0)
        return points
    own = [_sides(mask == label)[0] for label in tracks["label"].to_numpy()[rows]]
    for sides, colour in zip(own, paint, strict=True):
        lines = LineCollection(list(sides), colors=[colour], linewidths=0.9, capstyle="projecting")
        axes.add_collection(lines)
    names = np.repeat(points["value"].to_numpy(), [len(sides) for sides in own])
    columns = dict(zip(_SIDE, np.concatenate(own).reshape(-1, 4).T, strict=True))
    return pd.DataFrame(columns).assign(
        series="outline (track_id)", value=names, frame=points["frame"].iloc[0]
    )


def _longest_mother(tracks: xr.Dataset) -> list[int] | None:
    """The mother seen in most frames, and her daughters."""
    track = tracks["track"].to_numpy()
    (sender, receiver), _ = lineage.links_of_tracks(tracks)
    mothers = np.unique(track[np.flatnonzero(np.bincount(sender) > 1)])
    if len(mothers) == 0:
        return None
    mother = int(mothers[np.argmax(np.bincount(track)[mothers])])
    leaving = (track[sender] == mother) & (track[receiver] != mother)
    return [mother, *track[receiver[leaving]].tolist()]


def _views(tracks: xr.Dataset, family: list[int]) -> list[np.ndarray]:
    """Rows of the family in each of the frames that are shown, each frame once."""
    track, frame = tracks["track"].to_numpy(), tracks["frame"].to_numpy()
    mother = np.flatnonzero(track == family[0])
    young = np.flatnonzero(np.isin(track, family[1:]))
    chosen: dict[int, np.ndarray] = {}
    for rows, origin, shifts in ((mother, mother[-1], BEFORE), (young, young[0], AFTER)):
        for shift in shifts:
            away = np.abs(frame[rows] - frame[origin] - shift)
            nearest = int(frame[rows[np.argmin(away)]])
            chosen[nearest] = rows[frame[rows] == nearest]
    return list(chosen.values())


def _side(tracks: xr.Dataset, views: list[np.ndarray], labels: schema.Frames | None) -> int:
    """px; side of a square around the family that holds all of it in every view."""
    reach = 0.0
    for rows in views:
        place = np.stack([tracks[axis].to_numpy()[rows] for axis in ("x", "y")], axis=1)
        centre = place.mean(axis=0)
        if labels is not None:
            mask = movies.flat(labels[int(tracks["frame"][rows[0]])])
            inside = np.nonzero(np.isin(mask, tracks["label"].to_numpy()[rows]))
            place = np.stack(inside[::-1], axis=1) + 0.5
        reach = max(reach, float(np.abs(place - centre).max(initial=0)))
    return math.ceil(max(16.0, (4.0 if labels is None else 2.2) * reach))


def lineage_tree(axes: Axes, tracks: xr.Dataset) -> pd.DataFrame:
    """One line per track, time to the right, brackets where they divide or merge, in their colours.

    Frames that a track was not seen in are drawn thin. Where more than MOST_LANES lines were
    needed, families are shown that have most tracks, of these that are seen most; one at least.

    Args:
        axes: to draw into.
        tracks: TRACKS of one video.

    Returns:
        One row per run of frames, gap, division and merge; `y` is the height on the page.
    """
    lanes, families = _lanes(tracks)
    track, frame = tracks["track"].to_numpy(), lineages.numbered(tracks)
    first_frame = int(tracks.attrs.get("first_frame", 0))
    paint = _rgb(movies.colours(tracks))
    first = pd.Series(frame).groupby(track).min()
    last = pd.Series(frame).groupby(track).max()
    rows = np.flatnonzero(np.isin(track, list(lanes)))
    rows = rows[np.lexsort((frame[rows], track[rows]))]
    begins = np.ones(len(rows), bool)
    begins[1:] = (np.diff(track[rows]) != 0) | (np.diff(frame[rows]) > 1)
    starts, stops = rows[begins], rows[np.roll(begins, -1)]
    same = track[starts[1:]] == track[stops[:-1]]
    pairs = lineage.families(tracks)
    mothers, born = pairs[:, np.isin(pairs, list(lanes)).all(axis=0)]
    several = np.bincount(pairs[1])[born] > 1

    def lines(
        whose: np.ndarray, begin: np.ndarray, end: np.ndarray, series: str | np.ndarray
    ) -> pd.DataFrame:
        height = np.array([lanes[one] for one in whose.tolist()], float)
        columns = {"frame": begin, "y": height, "frame_end": end, "y_end": height}
        return pd.DataFrame(columns).assign(series=series, value=whose + 1)

    runs = lines(track[starts], frame[starts], frame[stops], "track (track_id)")
    gaps = lines(
        track[starts[1:]][same], frame[stops[:-1]][same], frame[starts[1:]][same], "gap (track_id)"
    )
    branches = lines(
        born, last[mothers].to_numpy(), first[born].to_numpy(),
        np.where(several, "merge (track_id)", "division (track_id)"),
    )  # fmt: skip
    branches["y"] = [lanes[one] for one in mothers.tolist()]
    for part, width in ((gaps, 0.4), (runs, 1.1), (branches, 0.6)):
        start = part[["frame", "y"]].to_numpy(float)
        end = part[["frame_end", "y_end"]].to_numpy(float)
        corner = np.stack([start[:, 0], end[:, 1]], axis=1)
        axes.add_collection(
            LineCollection(
                list(np.stack([start, corner, end], axis=1)),
                colors=paint[part["value"].to_numpy(int) - 1],
                linewidths=width, capstyle="round", joinstyle="miter",
            )
        )  # fmt: skip
    shown = len({families[one] for one in lanes})
    whole = len(set(families.tolist()))
    axes.set(
        xlim=(first_frame - 0.5, first_frame + int(tracks["n_frames"][0]) - 0.5),
        ylim=(max(lanes.values(), default=0) + 1, -1),
        yticks=[],
        xlabel="frame",
        ylabel="lineages" if shown == whole else f"{shown} of {whole} lineages",
    )
    axes.spines[["top", "right", "left"]].set_visible(False)
    return plots.source_data(runs, gaps, branches)


def _lanes(tracks: xr.Dataset) -> tuple[dict[int, float], np.ndarray]:
    """Height of each track that is shown, a mother amid her daughters; the root of every track."""
    parent = tracks["parent"].to_numpy()
    root = np.arange(len(parent))
    daughters: dict[int, list[int]] = {}
    for one, mother in enumerate(parent.tolist()):  # a mother's number is below her daughters'
        if mother >= 0:
            root[one] = root[mother]
            daughters.setdefault(mother, []).append(one)
    rows = np.bincount(tracks["track"].to_numpy(), minlength=len(parent))
    size = np.bincount(root, minlength=len(parent))
    length = np.bincount(root, rows, minlength=len(parent))
    leaves = np.bincount(root[~np.isin(np.arange(len(parent)), parent)], minlength=len(parent))
    order = [int(one) for one in np.lexsort((-length, -size)) if size[one]]
    kept = np.cumsum(leaves[order]) <= MOST_LANES
    kept[:1] = True
    lanes: dict[int, float] = {}
    free = 0.0
    for family in sorted(one for one, keep in zip(order, kept, strict=True) if keep):
        todo = [(family, False)]
        while todo:
            one, below = todo.pop()
            under = daughters.get(one, [])
            if under and not below:
                todo += [(one, True), *((each, False) for each in reversed(under))]
            elif under:
                lanes[one] = float(np.mean([lanes[each] for each in under]))
            else:
                lanes[one] = free
                free += 1
    return lanes, root


# figures -------------------------------------------------------------------------------------


def draw_lineages(
    name: str,
    tracks: xr.Dataset,
    images: schema.Frames | None,
    labels: schema.Frames | None,
    px_um: float | None = None,
) -> tuple[Canvas, pd.DataFrame]:
    """A recording's cells in its fullest frame, their trajectories and lineages.

    Args:
        name: the title.
        tracks: TRACKS of one video, with `label` where there are masks.
        images: counts [frame, y, x] or [frame, z, y, x].
        labels: masks, shaped likewise.
        px_um: µm per px for the scale bars; without it they are in px.

    Returns:
        The drawing and its source data, for `plots.save`.
    """
    view = movies.view(tracks, not (images is None and labels is None))
    with mpl.rc_context(plots.STYLE):
        canvas, places = plots.lay_out(
            name, ["a", "b", "c"], 3, aspect=float(np.clip(view.height / view.width, 0.5, 1))
        )
        a = _draw_fullest(places["a"], "", tracks, schema.Recording(images, labels), px_um)
        b = trajectories(places["b"].image("trajectories"), tracks, view, px_um)
        axes = places["c"].plot()
        axes.set_title("lineages", pad=3)
        c = lineage_tree(axes, tracks)
    return canvas, plots.bind({"a": a, "b": b, "c": c})


def _draw_fullest(
    place: plots.Place,
    title: str,
    tracks: xr.Dataset,
    recording: schema.Recording,
    px_um: float | None,
) -> pd.DataFrame:
    """The cells of the first frame that has the most of them, in the colours of their tracks."""
    frame = tracks["frame"].to_numpy()
    fullest = int(np.argmax(np.bincount(frame))) if len(frame) else 0
    rows = np.flatnonzero(frame == fullest)
    shade = movies.colours(tracks)[tracks["track"].to_numpy()[rows]]
    image = None if recording.images is None else movies.flat(recording.images[fullest])
    number = fullest + int(tracks.attrs.get("first_frame", 0))
    axes = place.image(title or f"cells in frame {number}")
    if recording.labels is None:
        _ground(axes, image, movies.view(tracks, image is not None), px_um)
        return plots.source_data(_draw_cells(axes, tracks, rows, None, _rgb(shade)))
    shades = dict(zip(tracks["label"].to_numpy()[rows].tolist(), shade.tolist(), strict=True))
    mask = movies.flat(recording.labels[fullest])
    return segmentation(axes, image, mask, px_um, shades).assign(frame=float(number))


# panels of a declared figure -----------------------------------------------------------------


def _draw_segmentation(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    tracks = _first_video(data["tracks"])
    return _draw_fullest(place, panel.title, tracks, data["cells"], panel.pixel_size_um)


def _draw_candidates(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    tracks = _first_video(data["tracks"])
    ends, _ = _candidates(data["edges"])
    axes = place.image(panel.title or "candidate graph")
    return _numbered(candidate_graph(axes, _nodes(tracks), ends, _extent(tracks)), tracks)


def _draw_links(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    tracks = _first_video(data["tracks"])
    if panel.panel == "true_links":
        title = "true graph"
        links, _ = lineage.true_links(tracks)
    else:
        same_track = data["edges"].attrs["target_name"] == "same_track"  # what it was trained for
        quantity = "candidate_f1_same_track" if same_track else "candidate_f1"
        title = _with_score("predicted graph", "F1", data["scores"], quantity)
        ends, probability = _candidates(data["edges"])
        links = ends[:, probability > tracks.attrs["threshold"]]  # what the score is about
    axes = place.image(panel.title or title)
    return _numbered(link_graph(axes, _nodes(tracks), links, _extent(tracks)), tracks)


def _draw_tracks(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    tracks = _first_video(data["tracks"])
    if panel.panel == "true_tracks":
        title = "true tracks"
        tracks = lineage.tracks_of_links(tracks, lineage.true_links(tracks)[0], "truth")
    else:
        title = _with_score("predicted tracks", "LNK", data["scores"], "lnk")
    axes = place.image(panel.title or title)
    view = movies.view(tracks, pixels="label" in tracks)
    return trajectories(axes, tracks, view, panel.pixel_size_um)


def _draw_division(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    tracks, recording = _first_video(data["tracks"]), data["cells"]
    axes = place.image(panel.title or "division")
    return division(axes, tracks, recording.images, recording.labels, panel.pixel_size_um)


def _first_video(tracks: xr.Dataset) -> xr.Dataset:
    """TRACKS of the first video alone."""
    rows = int(tracks["row_size"][0])
    one = tracks.isel(video=slice(0, 1), localization=slice(0, rows)).load()
    own = int(np.max(one["track"].to_numpy(), initial=-1)) + 1  # tracks are numbered by video
    return one.isel(track=slice(0, own))


def _candidates(edges: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Sender and receiver [2, edges] of the first video's edges, and their probability."""
    first = slice(0, int(edges["n_edge"][0]))
    sender, receiver, probability = (
        edges[name][first].to_numpy() for name in ("sender", "receiver", "probability")
    )
    return np.stack([sender, receiver]), probability


def _nodes(tracks: xr.Dataset) -> pd.DataFrame:
    return pd.DataFrame({name: tracks[name].to_numpy() for name in ("x", "y", "frame")})


def _extent(tracks: xr.Dataset) -> tuple[float, float, float]:
    """Length in frames, height and width in px."""
    height, width = map(float, tracks.attrs["field_of_view"])
    return float(tracks["n_frames"][0]), height, width


def _numbered(source: pd.DataFrame, tracks: xr.Dataset) -> pd.DataFrame:
    """Source data of a graph, its frames numbered as in the recording."""
    first = int(tracks.attrs.get("first_frame", 0))
    return source.assign(frame=source["frame"] + first, frame_end=source["frame_end"] + first)


def _with_score(title: str, name: str, scores: pd.DataFrame, quantity: str) -> str:
    """The title with the network's score behind it, where there is one."""
    ours = scores[(scores["method"] == "network") & (scores["quantity"] == quantity)]
    value = ours["value"].mean()
    return f"{title}, {name} {value:.3f}" if np.isfinite(value) else title


PANELS: dict[str, plots.Drawer] = {
    "segmentation": _draw_segmentation,
    "candidate_graph": _draw_candidates,
    "true_links": _draw_links,
    "predicted_links": _draw_links,
    "true_tracks": _draw_tracks,
    "predicted_tracks": _draw_tracks,
    "division": _draw_division,
}
"""What each kind is drawn from: all: `tracks`, of which the first video is shown; segmentation,
division: also `cells`, its `Recording`; candidate_graph, predicted_links: `edges`; predicted_links,
predicted_tracks: `scores`. predicted_links are the edges above the `threshold` of the tracks."""


# what panels share ---------------------------------------------------------------------------


def _rgb(rows: np.ndarray) -> np.ndarray:
    """Colours [row, RGB] from 0 to 1 of rows of the palette."""
    return movies.PALETTE[rows % len(movies.PALETTE)] / 255


def _ground(axes: Axes, image: np.ndarray | None, view: movies.View, px_um: float | None) -> None:
    """The image in grey, or a plain dark field of view; with a scale bar."""
    if image is None:
        axes.set_facecolor("0.1")
        axes.set(xticks=[], yticks=[], aspect="equal")
        plots.scale_bar(axes, view.width, px_um)
    else:
        plots.frame(axes, image, px_um)
    for part in (*axes.lines, *axes.texts):
        part.set_zorder(5)  # the scale bar stays above what is drawn later
    _show(axes, view)


def _show(axes: Axes, view: movies.View) -> None:
    left, top, width, height = view
    axes.set(xlim=(left, left + width), ylim=(top + height, top))


def _sides(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sides of pixels at which a region ends: [side, two ends, (x, y)], and the region's label.

    A side between two regions is there twice, once for each.
    """
    padded = np.pad(labels, 1)
    parts, names = [], []
    for axis in (0, 1):
        one = padded[:-1, 1:-1] if axis == 0 else padded[1:-1, :-1]
        two = padded[1:, 1:-1] if axis == 0 else padded[1:-1, 1:]
        for own, other in ((one, two), (two, one)):
            i, j = np.nonzero((own != other) & (own > 0))
            end = (i, j + 1) if axis == 0 else (i + 1, j)
            parts.append(np.stack([j, i, end[1], end[0]], axis=1).reshape(-1, 2, 2))
            names.append(own[i, j])
    return np.concatenate(parts).astype(float), np.concatenate(names)


def _points(tracks: xr.Dataset, rows: np.ndarray | list[int], series: str) -> pd.DataFrame:
    """Rows of the tracks as source data."""
    columns = {"x": tracks["x"], "y": tracks["y"], "frame": lineages.numbered(tracks)}
    columns = {name: np.asarray(column)[rows] for name, column in columns.items()}
    return pd.DataFrame(columns).assign(series=series, value=tracks["track"].to_numpy()[rows] + 1)
