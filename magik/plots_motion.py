"""Figures of motion: models of whole videos, depth, change in time, attention (Figs 5 and 6).

As in `magik.plots`, every panel function draws into one `Axes` and returns what it drew as a tidy
table.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Integer, Num
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize

from magik import plots, schema
from magik.config import Panel
from magik.errors import InputError

DEPTH = "z (px)"

ZOOM_FRAMES, ZOOM = 8, 0.2
"""How far a zoomed view reaches from its target: frames, and part of each side of the whole."""

_PAIR = ("#d62728", "#1f77b4")
_TARGET = "#2ca02c"
_SMALL, _LARGE = 1.6, 9.0  # nodes of a whole video and of a zoomed view
_RING, _SMALL_RING = 30, 8  # likewise, points²
_NO_EDGES = np.zeros((2, 0), np.int64)


# panels --------------------------------------------------------------------------------------


def confusion(
    axes: Axes,
    truth: Integer[np.ndarray, " videos"],
    predicted: Integer[np.ndarray, " videos"],
    names: Sequence[str],
) -> pd.DataFrame:
    """Which class is taken for which, in per cent of each true class (Fig. 5e, l).

    Args:
        axes: to draw into.
        truth: class of each video, as its place in `names`.
        predicted: the same, as predicted.
        names: of the classes.

    Returns:
        One row per cell: the share of the videos of true class `x` that are said to be of class
        `y`, places in `names`, so that a column adds up to 1; and its number of videos.
    """
    n = len(names)
    counts = np.bincount(predicted * n + truth, minlength=n * n).reshape(n, n)
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = [tuple(place) for place in np.argwhere(np.ones((n, n)))]
    for row, column in places:
        share = shares[row, column]
        axes.text(column, row, f"{100 * share:.1f}%", ha="center", va="center",
                  color="w" if share > 0.5 else "k")  # fmt: skip
    axes.set_xticks(range(n), names)
    axes.set_yticks(range(n), names, rotation=90, va="center")
    axes.tick_params(length=0)
    axes.set(xlabel="true model", ylabel="predicted model")
    y, x = np.array(places).T
    cells = {"x": x, "y": y}
    classes = f"cell: true, predicted class of {', '.join(names)}"
    return plots.source_data(
        pd.DataFrame(cells | {"value": shares.ravel()}).assign(series=f"{classes} (share)"),
        pd.DataFrame(cells | {"value": counts.ravel()}).assign(series=f"{classes} (videos)"),
    )


def trace(
    axes: Axes, track: pd.DataFrame, label: str, found: Num[np.ndarray, " changes"] | None = None
) -> pd.DataFrame:
    """What changes in time along one trajectory, true and predicted (Ext. Data Fig. 2).

    Args:
        axes: to draw into.
        track: `frame`, `truth`, `prediction` and, where there is an interval, `lower` and `upper`
            of each localization of one particle, in order of time.
        label: of the values.
        found: frames at which a change was found: ticks at the top.

    Returns:
        One row per localization and curve, and per true and found change (its first frame).
    """
    frame, truth = track["frame"].to_numpy(float), track["truth"].to_numpy(float)
    if "lower" in track:
        axes.fill_between(frame, track["lower"], track["upper"], color="C1", alpha=0.25,
                          linewidth=0, label="interval")  # fmt: skip
    axes.plot(frame, truth, color="k", linewidth=0.9, drawstyle="steps-post", label="true")
    axes.plot(frame, track["prediction"], color="C1", linewidth=0.8, label="predicted")
    changes = frame[1:][np.diff(truth) != 0]
    for change in changes:
        axes.axvline(change, color="0.6", linewidth=0.4, zorder=0)
    marked = [pd.DataFrame({"frame": changes}).assign(series="true change")]
    if found is not None:
        axes.plot(found, np.full(len(found), 0.97), "|", color="C3", markersize=5,
                  transform=axes.get_xaxis_transform(), label="found change")  # fmt: skip
        marked.append(pd.DataFrame({"frame": found}).assign(series="found change"))
    axes.set(xlim=(frame[0], frame[-1]), xlabel="frame", ylabel=label)
    axes.set_ylim(0, 1.25 * axes.get_ylim()[1])  # room for the legend
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(ncols=2, fontsize=6, frameon=False, loc="upper right", borderpad=0,
                handlelength=1.2, columnspacing=1)  # fmt: skip
    curves = [
        pd.DataFrame({"frame": frame, "value": track[name]}).assign(series=f"{name}: {label}")
        for name in ("truth", "prediction", "lower", "upper")
        if name in track
    ]
    return plots.source_data(*curves, *marked)


def neighbours(
    axes: Axes,
    image: Num[np.ndarray, "y x"],
    nodes: pd.DataFrame,
    edges: Integer[np.ndarray, "end edge"],
    now: int,
    reach: int,
    px_um: float | None = None,
) -> pd.DataFrame:
    """Two particles on one frame: trajectories, and edges from the frames before (Fig. 6a).

    Chosen are the two that are nearest to one another.

    Args:
        axes: to draw into.
        image: counts of the frame.
        nodes: `x`, `y` (px), `frame` and `particle` of one video.
        edges: rows of `nodes`, sender and receiver.
        now: the frame.
        reach: frames before it whose nodes are shown.
        px_um: µm per px for the scale bar; without it the bar is in px.

    Returns:
        One row per step of the two trajectories, per edge and per node of the frames that are
        shown; `value` is the particle. The image is not repeated.
    """
    plots.frame(axes, image, px_um)
    pair = _nearest_pair(nodes[nodes["frame"] == now])
    frame, particle = nodes["frame"].to_numpy(), nodes["particle"].to_numpy()
    shown = np.isin(particle, pair) & (frame <= now) & (frame >= now - reach)
    parts = []
    for one, colour in zip(pair, _PAIR, strict=False):
        own = nodes[particle == one].sort_values("frame")
        axes.plot(own["x"], own["y"], color=colour, linewidth=0.7, linestyle=(0, (2, 1)))
        parts.append(_segments(own[:-1], own[1:], "trajectory (particle)").assign(value=one))
    sender, receiver = edges[:, shown[edges].all(axis=0)]
    drawn = _segments(nodes.iloc[sender], nodes.iloc[receiver], "edge")
    ends = drawn[["x", "y", "x_end", "y_end"]].to_numpy(float).reshape(-1, 2, 2)
    axes.add_collection(LineCollection(list(ends), colors="w", linewidths=0.6, zorder=3))
    for one, colour in zip(pair, _PAIR, strict=False):
        own = nodes[shown & (particle == one)]
        size = np.where(own["frame"] == now, 22, 7)
        axes.scatter(own["x"], own["y"], s=size, c=colour, edgecolors="w", linewidths=0.4, zorder=4)
        parts.append(_points(own, "node (particle)", own["particle"]))
    height, width = image.shape
    axes.set(xlim=(0, width), ylim=(height, 0))
    return plots.source_data(*parts, drawn)


def _nearest_pair(seen: pd.DataFrame) -> list[int]:
    """The two known particles of one frame that are nearest to one another; fewer if need be."""
    seen = seen[seen["particle"] >= 0]
    place = seen[["x", "y"]].to_numpy(float)
    apart = np.linalg.norm(place[:, None] - place, axis=-1) + np.diag(np.full(len(seen), np.inf))
    rows = np.unravel_index(np.argmin(apart), apart.shape) if len(seen) > 1 else range(len(seen))
    return sorted(seen["particle"].to_numpy()[list(rows)].tolist())


def attention_maps(
    axes: Axes,
    nodes: pd.DataFrame,
    attention: Float[np.ndarray, "heads nodes"],
    target: int,
    extent: plots.Extent,
    corner: plots.Extent,
    shades: Normalize,
) -> pd.DataFrame:
    """What every head looks at, from one node, in small (Fig. 6e).

    Args:
        axes: to draw into.
        nodes: `x`, `y` (px) and `frame` of one video.
        attention: from the target to every node.
        target: its row in `nodes`.
        extent: length in frames, height and width in px.
        corner: first frame, and the least y and x.
        shades: of the attention.

    Returns:
        One row per head and node.
    """
    parts = []
    places = _places_of_heads(axes, len(attention))
    for head, (one, value) in enumerate(zip(places, attention, strict=True), start=1):
        label = f"attention of head {head}"
        drawn = nodes.assign(value=value)
        parts.append(
            plots.graph(
                one, drawn, _NO_EDGES, extent, shades, label, plots.ATTENTION, corner, named=False
            )
        )
        _ring(one, nodes, target, extent, corner, _SMALL_RING)
    return plots.source_data(*parts)


def attention_tracks(
    axes: Axes,
    nodes: pd.DataFrame,
    extent: plots.Extent,
    corner: plots.Extent,
    shades: Normalize,
    label: str,
    small: bool = False,
) -> pd.DataFrame:
    """True trajectories in time and space, coloured by what one head gives them (Fig. 6g).

    Args:
        axes: to draw into.
        nodes: `x`, `y` (px), `frame`, `particle` and `value`, the attention.
        extent: of what is shown: length in frames, height and width in px.
        corner: its first frame, and its least y and x.
        shades: of the attention.
        label: which attention it is.
        small: one head of several.

    Returns:
        One row per step of a trajectory and per node.
    """
    known = nodes[nodes["particle"] >= 0].sort_values(["particle", "frame"], kind="stable")
    same = known["particle"].to_numpy()[1:] == known["particle"].to_numpy()[:-1]
    place = plots.in_box(known, extent, corner)
    lines = np.stack([place[:-1], place[1:]], axis=1)[same]
    axes.add_collection(LineCollection(list(lines), colors="0.45", linewidths=0.5))
    steps = _segments(known[:-1][same], known[1:][same], "step of a trajectory")
    size = _SMALL if small else _LARGE
    drawn = plots.graph(
        axes, nodes, _NO_EDGES, extent, shades, label, plots.ATTENTION, corner, not small, size
    )
    return plots.source_data(steps, drawn)


def contrast(
    axes: Axes, mean: Float[np.ndarray, " heads"], error: Float[np.ndarray, " heads"]
) -> pd.DataFrame:
    """How much more each head attends to the own particle's nodes than to others alike.

    Args:
        axes: to draw into.
        mean: of every head, over videos.
        error: its standard error; NaN: none.

    Returns:
        One row per head, and the line where identity makes no difference.
    """
    head = np.arange(1, len(mean) + 1)
    axes.bar(head, mean, width=0.7, color="0.6")
    axes.errorbar(head, mean, np.nan_to_num(error), fmt="none", ecolor="k", elinewidth=0.7,
                  capsize=1.5)  # fmt: skip
    axes.axhline(1, color="k", linewidth=0.6, linestyle=(0, (4, 3)))
    axes.set(
        xticks=head[:: 1 + len(head) // 9],
        xlabel="attention head",
        ylabel="own nodes / others alike",
    )
    axes.spines[["top", "right"]].set_visible(False)
    return plots.source_data(
        pd.DataFrame({"x": head, "value": mean}).assign(series="head: mean ratio over videos"),
        pd.DataFrame({"x": head, "value": error}).assign(series="head: standard error"),
        pd.DataFrame({"value": [1.0], "series": ["no difference"]}),
    )


# panels of a declared figure -----------------------------------------------------------------


def _draw_confusion(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    predictions = data["video_predictions"]
    truth, predicted = (predictions[name].to_numpy() for name in ("target", "prediction"))
    known = np.isfinite(truth).all(axis=1) & np.isfinite(predicted).all(axis=1)
    predicted = predicted[known].argmax(axis=1)
    truth = truth[known]
    # of several largest fractions any is right, as `metrics.accuracy` has it
    tie = truth[np.arange(len(truth)), predicted] == truth.max(axis=1)
    truth = np.where(tie, predicted, truth.argmax(axis=1))
    right = f", accuracy {(predicted == truth).mean():.3f}" if len(truth) else ""
    title = f"{len(truth):,} videos{right}"
    axes = place.plot()
    axes.set_title(panel.title or title, pad=3)
    return confusion(axes, truth, predicted, list(predictions.attrs["output"]))


def _draw_depth(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    graphs, localizations = data["graphs"], data["localizations"]
    if "z" not in localizations:
        raise InputError("figures: depth_graph of localizations that have no z")
    axes = place.image(panel.title or (f"graph, {panel.motion}" if panel.motion else "graph"))
    video = 0
    if panel.motion:
        found = schema.videos_of_classes(localizations).get(panel.motion)
        if found is None:
            return plots.nothing_of(axes, panel.motion)
        video = found
    start, edge_start = (schema.offsets(graphs[name].to_numpy()) for name in ("n_node", "n_edge"))
    own = slice(*start[video : video + 2].tolist())
    nodes = pd.DataFrame(
        {name: localizations[name][own].to_numpy() for name in ("x", "y", "frame", "z")}
    ).rename(columns={"z": "value"})
    edges = graphs["edge_index"][:, slice(*edge_start[video : video + 2].tolist())].to_numpy()
    extent, corner = plots.box_of(
        nodes, int(graphs["n_frames"][video]), graphs.attrs["field_of_view"]
    )
    shades = Normalize(float(nodes["value"].min()), float(nodes["value"].max()))
    rows = plots.graph(axes, nodes, edges, extent, shades, DEPTH, plots.ORANGES, corner)
    place.bar(shades, plots.ORANGES, DEPTH)
    return rows


def _draw_trace(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    predictions = data["predictions"]
    first = slice(0, int(predictions["row_size"][0]))
    named = {"frame": "frame", "truth": "target", "prediction": "prediction"}
    named |= {name: name for name in ("lower", "upper") if name in predictions}
    nodes = pd.DataFrame({one: predictions[of][first].to_numpy() for one, of in named.items()})
    particle = data["localizations"]["particle"][first].to_numpy()
    chosen = panel.particle
    if chosen is None:
        chosen = int(np.argmax(np.bincount(particle[particle >= 0], minlength=1)))
    own = particle == chosen
    if not own.any():
        raise InputError(f"figures: trace: no particle {chosen} in the first video")
    changed = data["change_points"]["changed"][first].to_numpy().astype(bool)
    found = nodes["frame"].to_numpy()[own & changed]
    axes = place.plot()
    axes.set_title(panel.title, pad=3)
    label = plots.SYMBOLS[predictions.attrs["target_name"]]
    return trace(axes, nodes[own].sort_values("frame"), label, found)


def _draw_neighbours(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    graphs, localizations, movie = data["graphs"], data["localizations"], data["movie"]
    first = slice(0, int(graphs["n_node"][0]))
    named = ("x", "y", "frame", "particle")
    nodes = pd.DataFrame({name: localizations[name][first].to_numpy() for name in named})
    edges = graphs["edge_index"][:, : int(graphs["n_edge"][0])].to_numpy().astype(np.int64)
    plots.first_image(movie, 0)
    now = int(movie["row_size"][0]) - 1  # the last image that there is
    axes = place.image(panel.title or "edges from previous frames")
    image = movie["counts"][now].to_numpy()
    reach = int(graphs.attrs["max_lag"])
    return neighbours(axes, image, nodes, edges, now, reach, panel.pixel_size_um)


def _draw_target(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    nodes, edges, extent, corner = plots.first_graph(data["graphs"], data["predictions"])
    target = int(data["attention"].attrs["target"])
    shades = plots.shades_of(nodes["truth"])
    label = plots.SYMBOLS[data["predictions"].attrs["target_name"]]
    title = "true graph, target"
    if panel.panel == "target_zoom":
        title = "zoom"
        kept, extent, corner = _near(nodes, target, extent)
        place_of = np.cumsum(kept) - 1
        edges = place_of[edges[:, kept[edges].all(axis=0)]]
        nodes, target = nodes[kept], int(place_of[target])
    axes = place.image(panel.title or title)
    drawn = nodes.assign(value=nodes["truth"])
    size = _LARGE if panel.panel == "target_zoom" else _SMALL
    rows = plots.graph(axes, drawn, edges, extent, shades, label, corner=corner, size=size)
    ring = _ring(axes, nodes, target, extent, corner)
    place.bar(shades, plots.NODES, label)
    return plots.source_data(rows, ring)


def _draw_attention(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    seen = data["attention"]
    nodes, target, (extent, corner) = _nodes_of(seen), int(seen.attrs["target"]), _box_of(seen)
    every = seen["attention"][_block(panel)].to_numpy()
    if panel.head is None:
        shades = _attention_shades(every, target)
        axes = place.image(panel.title or f"attention, heads 1-{len(every)}")
        rows = attention_maps(axes, nodes, every, target, extent, corner, shades)
        ring = _points(nodes.iloc[[target]], "target", None)
    else:
        graphs = data["graphs"]
        edges = graphs["edge_index"][:, : int(graphs["n_edge"][0])].to_numpy()
        axes = place.image(panel.title or f"attention, head {panel.head}")
        drawn = nodes.assign(value=_of_head(every, panel))
        shades = _attention_shades(drawn["value"].to_numpy(), target)
        rows = plots.graph(
            axes,
            drawn,
            edges,
            extent,
            shades,
            f"attention of head {panel.head}",
            plots.ATTENTION,
            corner,
        )
        ring = _ring(axes, nodes, target, extent, corner)
    place.bar(shades, plots.ATTENTION, "attention")
    return plots.source_data(rows, ring)


def _draw_tracks(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    seen = data["attention"]
    nodes, target = _nodes_of(seen), int(seen.attrs["target"])
    every = seen["attention"][_block(panel)].to_numpy()
    kept, extent, corner = _near(nodes, target, _box_of(seen)[0])
    alone = panel.head is not None
    shown = _of_head(every, panel)[None] if alone else every
    shades = _attention_shades(shown, target)
    heads = f"head {panel.head}" if alone else f"heads 1-{len(every)}"
    axes = place.image(panel.title or f"true trajectories, {heads}")
    places = [axes] if alone else _places_of_heads(axes, len(every))
    rings, parts = [], []
    for head, (one, value) in enumerate(zip(places, shown, strict=True), start=panel.head or 1):
        drawn, label = nodes.assign(value=value)[kept], f"attention of head {head}"
        parts.append(attention_tracks(one, drawn, extent, corner, shades, label, not alone))
        size = _RING if alone else _SMALL_RING
        rings.append(_ring(one, nodes, target, extent, corner, size))
    place.bar(shades, plots.ATTENTION, "attention")
    return plots.source_data(*parts, rings[0])


def _draw_contrast(place: plots.Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    seen, block = data["attention"], _block(panel)
    axes = place.plot()
    videos = int(np.isfinite(seen["ratio"].to_numpy()).all(axis=(1, 2)).sum())
    axes.set_title(panel.title or f"attention, {videos:,} videos", pad=3)
    return contrast(axes, seen["contrast"][block].to_numpy(), seen["contrast_se"][block].to_numpy())


PANELS: dict[str, plots.Drawer] = {
    "confusion": _draw_confusion,
    "depth_graph": _draw_depth,
    "trace": _draw_trace,
    "neighbours": _draw_neighbours,
    "target_graph": _draw_target,
    "target_zoom": _draw_target,
    "attention": _draw_attention,
    "attention_tracks": _draw_tracks,
    "contrast": _draw_contrast,
}
"""What each kind is drawn from: confusion: `video_predictions`; depth_graph: `graphs`,
`localizations`; trace: `predictions`, `localizations`, `change_points`;
neighbours: `movie`, `graphs`, `localizations`; target_graph, target_zoom: `graphs`, `predictions`,
`attention`; attention: `attention`, `graphs`; attention_tracks, contrast: `attention`."""


# what panels share ---------------------------------------------------------------------------


def _nodes_of(seen: xr.Dataset) -> pd.DataFrame:
    return pd.DataFrame({name: seen[name].to_numpy() for name in ("x", "y", "frame", "particle")})


def _box_of(seen: xr.Dataset) -> tuple[plots.Extent, plots.Extent]:
    return plots.box_of(_nodes_of(seen), seen.attrs["n_frames"], seen.attrs["field_of_view"])


def _block(panel: Panel) -> int:
    return 0 if panel.block == "first" else -1


def _of_head(every: np.ndarray, panel: Panel) -> np.ndarray:
    """[nodes] of the head that the panel asks for."""
    head = panel.head or 1
    if head > len(every):
        raise InputError(
            f"figures: {panel.panel}: head {head}; the network has {len(every)}, counted from 1"
        )
    return every[head - 1]


def _places_of_heads(axes: Axes, heads: int) -> Iterator[Axes]:
    """A small place within the axes for each head, with its number."""
    axes.set_axis_off()
    columns = 3 if heads > 4 else 2
    height = min(1 / columns, columns / heads)
    for head in range(heads):
        down, right = divmod(head, columns)
        one = axes.inset_axes((right / columns, 1 - (down + 1) * height, 1 / columns, height))
        one.text(0.98, 0.02, f"{head + 1}", transform=one.transAxes, fontsize=6, ha="right")
        yield one


def _attention_shades(value: np.ndarray, target: int) -> Normalize:
    """Of one head, or of several alike; the target itself and 1 % of the others do not count."""
    return Normalize(0, float(np.nanquantile(np.delete(value, target, axis=-1), 0.99)), clip=True)


def _near(
    nodes: pd.DataFrame, target: int, extent: plots.Extent
) -> tuple[np.ndarray, plots.Extent, plots.Extent]:
    """Which nodes lie in the zoomed view of a target, its extent and its corner."""
    frames, height, width = extent
    at = nodes.iloc[target]
    first = max(0.0, float(at["frame"]) - ZOOM_FRAMES)
    last = min(frames - 1, float(at["frame"]) + ZOOM_FRAMES)
    side = (2 * ZOOM * height, 2 * ZOOM * width)
    low = (float(at["y"]) - side[0] / 2, float(at["x"]) - side[1] / 2)
    kept = nodes["frame"].between(first, last)
    for axis, start, length in zip(("y", "x"), low, side, strict=True):
        kept &= nodes[axis].between(start, start + length)
    return kept.to_numpy(), (last - first + 1, *side), (first, *low)


def _ring(
    axes: Axes,
    nodes: pd.DataFrame,
    target: int,
    extent: plots.Extent,
    corner: plots.Extent,
    size: float = _RING,
) -> pd.DataFrame:
    """A circle around the target."""
    one = nodes.iloc[[target]]
    right, up = plots.in_box(one, extent, corner).T
    axes.scatter(right, up, s=size, facecolors="none", edgecolors=_TARGET, linewidths=0.9, zorder=5)
    return _points(one, "target", None)


def _points(nodes: pd.DataFrame, series: str, value: pd.Series | None) -> pd.DataFrame:
    rows = nodes[["x", "y", "frame"]].assign(series=series)
    return rows if value is None else rows.assign(value=value)


def _segments(begin: pd.DataFrame, end: pd.DataFrame, series: str) -> pd.DataFrame:
    """From nodes to nodes."""
    columns = {name: begin[name].to_numpy() for name in ("x", "y", "frame")}
    columns |= {f"{name}_end": end[name].to_numpy() for name in ("x", "y", "frame")}
    return pd.DataFrame(columns).assign(series=series)
