"""Figures: one function per kind of panel, drawing what it is given.

Every panel function draws into one `Axes` and returns exactly what it drew as a tidy table, the
source data of the figure. Nothing here reads a file or computes a score. The same data give the
same bytes: no dates, no state outside the figure.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure as Canvas
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, NullFormatter

from magik import greys, job, physics, schema
from magik.config import Figure, Panel, Sample
from magik.errors import InputError

WIDTH_MM = 180
"""Width of a figure: two columns of a journal."""

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "axes.linewidth": 0.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.minor.width": 0.3,
    "ytick.minor.width": 0.3,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.minor.size": 1.2,
    "ytick.minor.size": 1.2,
    "axes.labelpad": 2,
    "xtick.major.pad": 1.5,
    "ytick.major.pad": 1.5,
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
}

COLUMNS = ("series", "x", "y", "frame", "x_end", "y_end", "frame_end", "value")
"""Of the source data; the name of a series ends in the unit of its value."""

SCALING = "√(2D) (px/√frame)"
PX2_FRAME = "D (px²/frame)"
UM2_S = "D (µm²/s)"
EXPONENT = "α"

SYMBOLS = {"displacement_scaling": SCALING, "exponent": EXPONENT, "video_exponent": EXPONENT}
"""Of what a network is trained for, by `target_name`; fractions have their classes' names."""

ORANGES = LinearSegmentedColormap.from_list("oranges", ["#ffffff", "#fdc27a", "#f08020", "#9c3d00"])
"""Of nodes by frame or depth: white, then dark orange (Figs 2b, 5g)."""

HALO = {width: (withStroke(linewidth=width, foreground="0.1"),) for width in (1.2, 2.8)}
"""Dark around white text and lines on an image, by its width in points."""

NODES = "viridis"
"""Colours of nodes by their value."""

ATTENTION = "YlOrRd"
"""Colours of nodes by the attention that they are given."""

_MAPS = "plasma"
_UNKNOWN = "0.75"  # grey, for what has no value
_MM = 1 / 25.4  # inches


Extent = tuple[float, float, float]
"""Of a box: length in frames, height and width in px; or its corner, in the same order."""


# panels --------------------------------------------------------------------------------------


def frame(axes: Axes, image: np.ndarray, px_um: float | None = None) -> pd.DataFrame:
    """One image of a movie in grey, with a scale bar.

    Args:
        axes: to draw into.
        image: counts [y, x].
        px_um: µm per px for the scale bar; without it the bar is in px.

    Returns:
        One row per pixel.
    """
    low, high = greys.limits(image, (0.1, 99.9))
    height, width = image.shape
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, extent=(0, width, height, 0))
    axes.set_axis_off()
    scale_bar(axes, width, px_um)
    return _grid_rows("image (counts)", image, 1)


def graph(
    axes: Axes,
    nodes: pd.DataFrame,
    edges: np.ndarray,
    extent: Extent,
    shades: Normalize,
    label: str = SCALING,
    colours: str | Colormap = NODES,
    corner: Extent = (0, 0, 0),
    named: bool = True,
    size: float = 1.6,
) -> pd.DataFrame:
    """All nodes and candidate edges of one video in time and space, as in Fig. 4b, c.

    Args:
        axes: to draw into.
        nodes: `x`, `y` (px), `frame` and `value`; NaN is drawn in grey.
        edges: rows of `nodes` [end, edge].
        extent: length in frames, height and width in px.
        shades: of the colours, the same for truth and prediction.
        label: what the value is, with its unit.
        colours: of the values.
        corner: first frame, and the least y and x in px, where a part of the video is shown.
        named: whether the axes of the box are named.
        size: of a node, points².

    Returns:
        One row per edge and per node.
    """
    x, y, t = (nodes[name].to_numpy(dtype=float) for name in ("x", "y", "frame"))
    places = in_box(nodes, extent, corner)
    axes.add_collection(
        LineCollection(
            list(places[edges.T]), colors="0.35", linewidths=0.2, alpha=0.15, rasterized=True
        )
    )
    box(axes, extent, int(corner[0]), named)
    order = np.argsort(-x, kind="stable")  # the near ones last
    right, up = places[order].T
    axes.scatter(
        right,
        up,
        c=nodes["value"].to_numpy(dtype=float)[order],
        cmap=mpl.colormaps.get_cmap(colours).with_extremes(bad=_UNKNOWN),
        norm=shades,
        plotnonfinite=True,
        s=size,
        linewidths=0,
        rasterized=True,
    )
    sender, receiver = edges
    ends = {"x": x[sender], "y": y[sender], "frame": t[sender]}
    ends |= {"x_end": x[receiver], "y_end": y[receiver], "frame_end": t[receiver]}
    node_rows = nodes[["x", "y", "frame", "value"]].assign(series=f"node {label}")
    return source_data(pd.DataFrame(ends).assign(series="edge"), node_rows)


def density(
    axes: Axes,
    truth: np.ndarray,
    predicted: np.ndarray,
    note: str,
    bins: int = 60,
    label: str = PX2_FRAME,
    counted: str = "localizations",
) -> pd.DataFrame:
    """How often each pair of true and predicted values occurs, on logarithmic colours (Fig. 4d).

    The colours are those of the one collection in `axes`, for a colour bar.

    Args:
        axes: to draw into.
        truth: of each localization or video.
        predicted: the same, as predicted.
        note: written above the panel: the error.
        bins: per axis, from 0, or from the least prediction, to the largest true value; one in a
            thousand predictions may lie beyond either end, and counts in the outermost bin.
        label: what the value is, with its unit.
        counted: what a pair belongs to.

    Returns:
        One row per bin with anything in it, and the identity line.
    """
    top = 1.02 * max(float(truth.max()), float(np.quantile(predicted, 0.999)))
    low = min(0.0, float(np.quantile(predicted, 0.001)))
    inside = np.clip(predicted, low, top)
    counts, sides, _ = np.histogram2d(truth, inside, bins, range=((low, top), (low, top)))
    shades = LogNorm(1, max(counts.max(), 10))
    axes.pcolormesh(
        sides, sides, np.ma.masked_equal(counts.T, 0), cmap=NODES, norm=shades, rasterized=True
    )
    axes.plot([low, top], [low, top], color="0.2", linewidth=0.6, linestyle=(0, (4, 3)))
    axes.set(xlim=(low, top), ylim=(low, top), aspect="equal")
    axes.set(xlabel=f"true {label}", ylabel=f"predicted {label}")
    axes.set_title(note, pad=3)

    centre = (sides[1:] + sides[:-1]) / 2
    i, j = np.nonzero(counts)
    filled = {"x": centre[i], "y": centre[j], "value": counts[i, j]}
    line = {"x": [low, top], "y": [low, top]}
    return source_data(
        pd.DataFrame(filled).assign(series=f"bin: true, predicted {label} ({counted})"),
        pd.DataFrame(line).assign(series="identity"),
    )


def diffusion_map(
    axes: Axes,
    grid: np.ndarray,
    field_of_view: tuple[float, float],
    limits: tuple[float, float],
    px_um: float | None = None,
) -> pd.DataFrame:
    """D over the field of view, on logarithmic colours, as in Fig. 4f-h.

    Args:
        axes: to draw into.
        grid: D [grid_y, grid_x], px²/frame, or µm²/s where `px_um` is given; square cells, the
            larger side of the field of view over the longer side of the grid. NaN is grey.
        field_of_view: height and width, px.
        limits: of D, the same for maps that are to be compared.
        px_um: µm per px for the scale bar; without it the bar is in px.

    Returns:
        One row per cell, at its centre in px.
    """
    height, width = field_of_view
    cell = max(field_of_view) / max(grid.shape)
    rows, columns = grid.shape
    axes.imshow(
        np.ma.masked_invalid(grid),
        cmap=mpl.colormaps[_MAPS].with_extremes(bad=_UNKNOWN),
        norm=LogNorm(*limits, clip=True),
        extent=(0, columns * cell, rows * cell, 0),
        interpolation="nearest",
    )
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    scale_bar(axes, width, px_um)
    return _grid_rows(f"map of D ({'px²/frame' if px_um is None else 'µm²/s'})", grid, cell)


def overlay(
    axes: Axes,
    table: pd.DataFrame,
    field_of_view: tuple[float, float],
    limits: tuple[float, float],
    px_um: float,
    image: np.ndarray | None = None,
) -> pd.DataFrame:
    """Localizations coloured by D, on the image that they were found in where there is one.

    Args:
        axes: to draw into.
        table: `x_px`, `y_px`, `frame`, `diffusivity_um2_s`.
        field_of_view: height and width, px.
        limits: of D, µm²/s.
        px_um: µm per px.
        image: counts [y, x].

    Returns:
        One row per localization. The image is not repeated: it is the recording's.
    """
    height, width = field_of_view
    x, y, value = (table[name].to_numpy(float) for name in ("x_px", "y_px", "diffusivity_um2_s"))
    paint = ScalarMappable(LogNorm(*limits, clip=True), _MAPS).to_rgba(value)
    if image is None:
        axes.scatter(x, y, c=paint, s=2, linewidths=0, rasterized=True)
        axes.set_facecolor("0.1")
        axes.set(xticks=[], yticks=[], aspect="equal")
        scale_bar(axes, width, px_um)
    else:
        frame(axes, image, px_um)
        axes.scatter(x, y, edgecolors=list(paint), s=16, facecolors="none", linewidths=0.9)
    axes.set(xlim=(0, width), ylim=(height, 0))
    points = {"x": x, "y": y, "frame": table["frame"].to_numpy(), "value": value}
    return source_data(pd.DataFrame(points).assign(series="localization D (µm²/s)"))


def distribution(
    axes: Axes, diffusivity: np.ndarray, limits: tuple[float, float], bins: int = 40
) -> pd.DataFrame:
    """Histogram of D over localizations, in equal steps of log D, with its median.

    Args:
        axes: to draw into.
        diffusivity: D, µm²/s; what lies beyond the limits counts in the outermost bins.
        limits: of D, µm²/s.
        bins: number of bins.

    Returns:
        One row per bin, at its geometric centre, and the median.
    """
    sides = np.geomspace(*limits, bins + 1)
    counts, _ = np.histogram(np.clip(diffusivity, *limits), sides)
    median = float(np.median(diffusivity))
    axes.stairs(counts, sides, fill=True, color="0.6")
    axes.axvline(median, color="k", linewidth=0.8)
    axes.set(xscale="log", xlim=limits, xlabel=UM2_S, ylabel="localizations")
    axes.set_title(f"median {median:.3g} µm²/s", loc="right", pad=3)
    _tick_logarithm(axes.xaxis, limits)
    axes.spines[["top", "right"]].set_visible(False)
    filled = {"x": np.sqrt(sides[1:] * sides[:-1]), "value": counts}
    return source_data(
        pd.DataFrame(filled).assign(series="bin: D in µm²/s (localizations)"),
        pd.DataFrame({"x": [median], "series": ["median: D in µm²/s"]}),
    )


# figures -------------------------------------------------------------------------------------


def draw(
    figure: Figure, data: Mapping[str, Mapping[str, Any]], drawers: Mapping[str, "Drawer"]
) -> tuple[Canvas, pd.DataFrame]:
    """A figure of the paper, four panels a row; every panel but `density` shows the first video.

    Args:
        figure: its panels by letter.
        data: for each letter what its kind of panel draws.
        drawers: by kind of panel, as `PANELS`.

    Returns:
        The drawing and its source data, for `save`.
    """
    with mpl.rc_context(STYLE):
        canvas, places = lay_out(figure.title, list(figure.panels), 4)
        sources = {
            letter: drawers[panel.panel](places[letter], panel, data[letter])
            for letter, panel in figure.panels.items()
        }
    return canvas, bind(sources)


def draw_sample(
    name: str,
    table: pd.DataFrame,
    maps: xr.Dataset,
    sample: Sample,
    movie: xr.Dataset | None = None,
) -> tuple[Canvas, pd.DataFrame]:
    """A recording's localizations, diffusion map and distribution of D, in physical units.

    Args:
        name: the title.
        table: as `magik.export.table` makes it.
        maps: MAPS of one video; drawn is the kernel read-out of the longest duration.
        sample: the units.
        movie: where there is one, its image with the most localizations is drawn beneath them.

    Returns:
        The drawing and its source data, for `save`.
    """
    px_um = sample.pixel_size_um
    height, width = map(float, maps.attrs["field_of_view"])
    longest = int(maps["duration"].max())
    grid = _map(maps, "kernel", longest) * px_um**2 / sample.frame_interval_s
    diffusivity = table["diffusivity_um2_s"].to_numpy()
    limits = _limits(diffusivity, 0.02)
    shown, image = table, None
    if movie is not None:
        fullest = int(table["frame"].mode()[0])
        shown, image = table[table["frame"] == fullest], movie["counts"][fullest].to_numpy()
    with mpl.rc_context(STYLE):
        canvas, places = lay_out(
            name, ["a", "b", "c"], 3, aspect=float(np.clip(height / width, 0.5, 1))
        )
        axes = places["a"].image("localizations")
        a = overlay(axes, shown, (height, width), limits, px_um, image)
        axes = places["b"].image("diffusion map")
        b = diffusion_map(axes, grid, (height, width), limits, px_um)
        for letter in "ab":
            places[letter].bar(LogNorm(*limits), _MAPS, UM2_S)
        c = distribution(places["c"].plot(), diffusivity, _limits(diffusivity, 0.002))
    return canvas, bind({"a": a, "b": b, "c": c})


def save(canvas: Canvas, source: pd.DataFrame, pdf: str, png: str, csv: str) -> None:
    """Write a drawing as PDF and PNG, and its source data as CSV; each whole or not at all."""
    undated = {"pdf": {"CreationDate": None}, "png": {"Software": None}}
    with mpl.rc_context(STYLE):
        for kind, path in (("pdf", pdf), ("png", png)):
            with job.whole(path) as aside:
                canvas.savefig(aside, format=kind, metadata=undated[kind])
    with job.whole(csv) as aside:
        source.to_csv(aside, index=False, float_format="%.6g", lineterminator="\n")


class Place:
    """The place of one panel: a main axes below its title, and a colour bar below that.

    Args:
        canvas: the figure.
        left: of the cell, mm from the left of the figure.
        top: of the cell, mm from the bottom of the figure.
        size: width and height of the main axes, mm.
        letter: of the panel.
    """

    def __init__(
        self, canvas: Canvas, left: float, top: float, size: tuple[float, float], letter: str
    ):
        self.canvas, self.left, self.top = canvas, left, top
        self.width, self.height = size
        x, y, *_ = self._part(left, top, 0, 0)
        canvas.text(x, y, letter, fontsize=9, fontweight="bold", va="top")

    def _part(
        self, left: float, bottom: float, width: float, height: float
    ) -> tuple[float, float, float, float]:
        """A rectangle in mm, as parts of the figure."""
        whole_width, whole_height = self.canvas.get_size_inches() / _MM
        return left / whole_width, bottom / whole_height, width / whole_width, height / whole_height

    def _axes(self, left: float, below: float, width: float, height: float) -> Axes:
        bottom = self.top - below - height
        return self.canvas.add_axes(self._part(self.left + left, bottom, width, height))

    def image(self, title: str) -> Axes:
        """Axes without ticks, over the whole cell."""
        axes = self._axes(2.5, _HEAD, self.width, self.height)
        axes.set_title(title, pad=3)
        axes.set_anchor("N")
        return axes

    def plot(self, left: float = 10) -> Axes:
        """Axes with room for ticks and labels below and, in mm, at the left."""
        return self._axes(left, _HEAD, self.width + 2.5 - left, self.height - 7.5)

    def bar(self, shades: Normalize, colours: str | Colormap, label: str) -> None:
        """A colour bar below the main axes."""
        axes = self._axes(2.5 + 0.15 * self.width, _HEAD + self.height + 1.5, 0.7 * self.width, 1.6)
        _colour_bar(axes, shades, colours, label)


_TITLE = 6.0  # mm for the title of the figure
_HEAD = 4.5  # mm for letter and title
_FOOT = 11.0  # mm for a colour bar and its labels


def lay_out(
    title: str, letters: Sequence[str], columns: int, aspect: float = 1.0
) -> tuple[Canvas, dict[str, Place]]:
    """An empty figure, and a place for each panel, row by row.

    Args:
        title: of the figure.
        letters: of the panels.
        columns: panels a row.
        aspect: height over width of the main axes.
    """
    width = WIDTH_MM / columns
    size = (width - 5, (width - 5) * aspect)
    height = _HEAD + size[1] + _FOOT
    rows = -(-len(letters) // columns)
    whole = rows * height + _TITLE
    canvas = Canvas((WIDTH_MM * _MM, whole * _MM))
    canvas.text(0.005, 1 - 1 / whole, title, fontsize=8, fontweight="bold", va="top")
    grid = [divmod(index, columns) for index in range(len(letters))]
    return canvas, {
        letter: Place(canvas, column * width + 1, whole - _TITLE - row * height, size, letter)
        for letter, (row, column) in zip(letters, grid, strict=True)
    }


# panels of a declared figure -----------------------------------------------------------------


def _draw_frame(place: Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    movie, title, image = data["movie"], "rendered frame", 0
    if panel.motion:
        title = f"rendered frame, {panel.motion}"
        video = schema.videos_of_classes(data["localizations"]).get(panel.motion)
        if video is None:
            return nothing_of(place.image(panel.title or title), panel.motion)
        image = first_image(movie, video)
    axes = place.image(panel.title or title)
    return frame(axes, movie["counts"][image].to_numpy(), panel.pixel_size_um)


def _draw_graph(place: Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    nodes, edges, extent, corner = first_graph(data["graphs"], data["predictions"])
    true = panel.panel == "truth_graph"
    shades = shades_of(nodes["truth"])
    label = SYMBOLS[data["predictions"].attrs["target_name"]]
    axes = place.image(panel.title or ("true graph" if true else "predicted graph"))
    value = nodes["truth" if true else "prediction"]
    rows = graph(axes, nodes.assign(value=value), edges, extent, shades, label, corner=corner)
    place.bar(shades, NODES, label)
    return rows


def _draw_density(place: Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    counted = "videos" if "video_predictions" in data else "localizations"
    predictions = data["video_predictions" if counted == "videos" else "predictions"]
    name = predictions.attrs["target_name"]
    truth, predicted = (predictions[one].to_numpy() for one in ("target", "prediction"))
    label = SYMBOLS.get(name, f"fraction of {panel.motion}")
    if counted == "videos":
        output = _output(predictions, panel.motion) if name == "fractions" else 0
        truth, predicted = truth[:, output], predicted[:, output]
    known = np.isfinite(truth) & np.isfinite(predicted)
    truth, predicted = truth[known], predicted[known]
    if name == "displacement_scaling":
        label = PX2_FRAME
        truth, predicted = physics.diffusivity(truth), physics.diffusivity(predicted)
    axes = place.plot()
    bins = int(np.clip(np.sqrt(len(truth)), 10, 60))  # a handful of videos fills few
    note = _error_note(data["scores"], name, panel.title)
    rows = density(axes, truth, predicted, note, bins, label, counted)
    place.bar(cast(Normalize, axes.collections[0].norm), NODES, counted)
    return rows


def _output(predictions: xr.Dataset, motion: str | None) -> int:
    """Place of a class among the outputs."""
    outputs = list(predictions.attrs["output"])
    if motion not in outputs:
        raise InputError(
            f"figures: density of motion = {motion}; expected one of {', '.join(outputs)}"
        )
    return outputs.index(motion)


_ERRORS = {
    "displacement_scaling": {"mae_displacement_scaling": "√(2D)", "mae_diffusivity": "D"},
    "exponent": {"mae_exponent": "α"},
    "video_exponent": {"mae_video_exponent": "α"},
    "fractions": {"mae_fractions": ""},
}


def _error_note(scores: pd.DataFrame, target: str, title: str = "") -> str:
    """The network's mean absolute errors, as the score table has them, behind a panel's own title.

    Where there is but one and no title there is room for that of the best constant guess beside it.
    Fractions have one error for all classes: three panels share it, and none has the room.
    """
    mean = scores.groupby(["method", "quantity"])["value"].mean()
    named = _ERRORS[target]
    errors = [
        f"{symbol} {mean['network', quantity]:.3f}".lstrip()
        for quantity, symbol in named.items()
        if ("network", quantity) in mean
    ]
    if not errors:
        return title
    note = f"MAE {', '.join(errors)}"
    if target == "fractions":
        note += " over all"
    if title:
        return f"{title}, {note}"
    constant = mean.get(("constant", next(iter(named))))
    if target != "fractions" and len(named) == 1 and constant is not None:
        note += f", constant {constant:.3f}"
    return note


def _draw_map(place: Place, panel: Panel, data: Mapping[str, Any]) -> pd.DataFrame:
    maps = data["maps"]
    truth = maps["landscape"][0].to_numpy()
    limits = (float(truth.min()), float(truth.max()))
    if panel.panel == "true_map":
        title, grid = "true map", truth
    else:
        durations = maps["duration"].to_numpy()
        named = {"shortest": int(durations.min()), "longest": int(durations.max())}
        duration = named.get(str(panel.duration), panel.duration)
        read_out = panel.read_out or "nearest"
        title, grid = f"map from {duration:,} frames", _map(maps, read_out, int(duration or 0))
        title += "" if read_out == "nearest" else f", {read_out}"
    axes = place.image(panel.title or title)
    rows = diffusion_map(axes, grid, tuple(maps.attrs["field_of_view"]), limits)
    place.bar(LogNorm(*limits), _MAPS, PX2_FRAME)
    return rows


Drawer = Callable[[Place, Panel, Mapping[str, Any]], pd.DataFrame]
"""Draws a kind of panel: its place, its settings and what it shows -> source data."""

PANELS: dict[str, Drawer] = {
    "frame": _draw_frame,
    "truth_graph": _draw_graph,
    "predicted_graph": _draw_graph,
    "density": _draw_density,
    "true_map": _draw_map,
    "map": _draw_map,
}
"""What each kind is drawn from: frame: `movie` and, of a class, `localizations`; truth_graph,
predicted_graph: `graphs`, `predictions`; density: `predictions` or `video_predictions`, and
`scores`; true_map, map: `maps`."""


# what panels share ---------------------------------------------------------------------------


def first_graph(
    graphs: xr.Dataset, predictions: xr.Dataset
) -> tuple[pd.DataFrame, np.ndarray, Extent, Extent]:
    """Nodes of the first video with truth and prediction, its edges, and the box that holds it.

    Args:
        graphs: GRAPHS.
        predictions: PREDICTIONS of their nodes.

    Returns:
        `x`, `y` (px), `frame`, `truth` and `prediction`; rows of these [end, edge]; `box_of` them.
    """
    first = slice(0, int(graphs["n_node"][0]))
    columns = {name: predictions[name][first].to_numpy() for name in ("x", "y", "frame")}
    columns |= {"truth": predictions["target"][first].to_numpy()}
    columns |= {"prediction": predictions["prediction"][first].to_numpy()}
    edges = graphs["edge_index"][:, : int(graphs["n_edge"][0])].to_numpy()
    nodes = pd.DataFrame(columns)
    return nodes, edges, *box_of(nodes, int(graphs["n_frames"][0]), graphs.attrs["field_of_view"])


def box_of(
    nodes: pd.DataFrame, frames: int, field_of_view: Sequence[float]
) -> tuple[Extent, Extent]:
    """Extent and corner of the field of view, larger where objects have left it.

    Args:
        nodes: `x` and `y`, px.
        frames: of the video.
        field_of_view: height and width, px.
    """
    low, length = [0.0], [float(frames)]
    for axis, side in zip(("y", "x"), field_of_view, strict=True):
        start = min(0.0, np.floor(nodes[axis].min()))
        low.append(float(start))
        length.append(float(max(side, np.ceil(nodes[axis].max())) - start))
    return (length[0], length[1], length[2]), (low[0], low[1], low[2])


def shades_of(truth: pd.Series) -> Normalize:
    """From 0 to the largest true value: truth and prediction in the same colours."""
    return Normalize(0.0, float(np.nanmax(truth.to_numpy(float), initial=0)) or 1.0)


def nothing_of(axes: Axes, motion: str) -> pd.DataFrame:
    """Says that no video shows a class, as may be where there are few; no source data."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, f"no video of {motion}", transform=axes.transAxes, ha="center", va="center")
    return source_data()


def first_image(movie: xr.Dataset, video: int) -> int:
    """Place of a video's first image in a MOVIE.

    Raises:
        InputError: if none of that video is stored.
    """
    row_size = movie["row_size"].to_numpy()
    if video >= len(row_size) or row_size[video] == 0:
        raise InputError(f"figures: no image of video {video} is stored; choose another class")
    return int(row_size[:video].sum())


def _map(maps: xr.Dataset, read_out: str, duration: int) -> np.ndarray:
    """The first video's map of one read-out and duration."""
    which = list(maps.attrs["read_out"]).index(read_out)
    when = maps["duration"].to_numpy().tolist().index(duration)
    return maps["diffusivity"][which, when, 0].to_numpy()


def _limits(values: np.ndarray, beyond: float) -> tuple[float, float]:
    """Limits of a logarithmic scale, 4-fold apart or more; a part `beyond` lies at each side."""
    positive = values[np.isfinite(values) & (values > 0)]
    low, high = np.quantile(positive, [beyond, 1 - beyond]) if len(positive) else (0.1, 1.0)
    middle = np.sqrt(low * high)
    return float(min(low, middle / 2)), float(max(high, middle * 2))


def _grid_rows(series: str, grid: np.ndarray, cell: float) -> pd.DataFrame:
    """One row per cell of a grid, at its centre."""
    i, j = np.indices(grid.shape).reshape(2, -1)
    rows = {"x": (j + 0.5) * cell, "y": (i + 0.5) * cell, "value": grid.ravel()}
    return source_data(pd.DataFrame(rows).assign(series=series))


def source_data(*parts: pd.DataFrame) -> pd.DataFrame:
    """Source data: the parts beneath one another, in the columns that all panels share."""
    nothing = pd.DataFrame(columns=list(COLUMNS))
    types = dict.fromkeys(COLUMNS, float) | {"series": object}
    return pd.concat([part.reindex(columns=COLUMNS).astype(types) for part in (nothing, *parts)])


def bind(sources: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Source data of a figure, from those of its panels by letter."""
    parts = [source.assign(panel=letter) for letter, source in sources.items()]
    return pd.concat(parts, ignore_index=True)[["panel", *COLUMNS]]


def scale_bar(axes: Axes, width: float, px_um: float | None) -> None:
    """A white bar of a round length, at most about a third of the width.

    Args:
        axes: of an image, to draw into.
        width: of the image, px.
        px_um: µm per px; without it the bar is in px.
    """
    unit = px_um or 1.0
    reach = 0.36 * width * unit
    power = 10.0 ** np.floor(np.log10(reach))
    length = max(step * power for step in (1, 2, 5) if step * power <= reach)
    right, bottom = 0.95, 0.06
    left = right - length / unit / width
    axes.plot([left, right], [bottom] * 2, transform=axes.transAxes, color="w", linewidth=2,
              solid_capstyle="butt", path_effects=HALO[2.8])  # fmt: skip
    label = f"{length:g} {'px' if px_um is None else 'µm'}"
    axes.text((left + right) / 2, bottom + 0.025, label, transform=axes.transAxes, color="w",
              ha="center", va="bottom", path_effects=HALO[1.2])  # fmt: skip


def _colour_bar(axes: Axes, shades: Normalize, colours: str | Colormap, label: str) -> None:
    """A horizontal colour bar with its label below."""
    paint = ScalarMappable(shades, colours)
    bar = axes.figure.colorbar(paint, cax=axes, orientation="horizontal")
    bar.outline.set_linewidth(0.4)
    bar.set_label(label, labelpad=1.5)
    if isinstance(shades, LogNorm):
        _tick_logarithm(axes.xaxis, (float(shades.vmin or 1), float(shades.vmax or 1)))


def _tick_logarithm(axis: Any, limits: tuple[float, float]) -> None:
    """Ticks at round numbers, three of them or more: 1, 10, 100; 1, 3, 10; 1, 2, 5; ..."""
    powers = 10.0 ** np.arange(np.floor(np.log10(limits[0])), np.log10(limits[1]) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 6, 8), np.arange(1, 10, 0.2)):
        ticks = np.outer(powers, steps).ravel()
        ticks = ticks[(ticks >= limits[0] * 0.999) & (ticks <= limits[1] * 1.001)]
        if len(ticks) >= 3:
            break
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


_DEPTH = (0.42, -0.34)  # where the x axis of a graph points on the page
_LONG = 1.05  # length of its time axis; its height is 1


def oblique(t: Any, y: Any, x: Any) -> np.ndarray:
    """Time to the right, y down, x into the depth, from 0 to 1: places on the page [..., 2]."""
    return np.stack([_LONG * t + _DEPTH[0] * x, -y - _DEPTH[1] * x], axis=-1)


def in_box(
    nodes: pd.DataFrame,
    extent: Extent,
    corner: Extent = (0, 0, 0),
) -> np.ndarray:
    """Where nodes lie on the page [node, 2], of the box that `box` draws."""
    frames, height, width = extent
    t, y, x = (
        nodes[name].to_numpy(dtype=float) - low
        for name, low in zip(("frame", "y", "x"), corner, strict=True)
    )
    return oblique(t / max(frames - 1, 1), y / height, x / width)


def box(axes: Axes, extent: Extent, first: int = 0, named: bool = True) -> None:
    """The frame of a graph: the edges of the box, and what its three axes mean.

    Args:
        axes: to draw into.
        extent: length in frames, height and width in px.
        first: frame at which it begins.
        named: whether its axes are named.
    """
    corners = [(t, y, x) for t in (0, 1) for y in (0, 1) for x in (0, 1)]
    for one in corners:
        for two in corners:
            if one < two and sum(a != b for a, b in zip(one, two, strict=True)) == 1:
                line = np.array([oblique(*one), oblique(*two)]).T
                axes.plot(*line, color="0.55", linewidth=0.4, zorder=0)
    axes.set(xlim=(-0.12, _LONG + _DEPTH[0] + 0.06), ylim=(-1.16, -_DEPTH[1] + 0.02))
    axes.set_aspect("equal")
    axes.set_axis_off()
    if named:
        _name_box(axes, extent, first)


def _name_box(axes: Axes, extent: Extent, first: int) -> None:
    frames, height, width = extent
    (t0, y0), (t1, _), (_, y1) = (oblique(*at) for at in ((0, 1, 0), (1, 1, 0), (0, 0, 0)))
    for place, text, side in (
        ((t0, y0 - 0.04), f"{first}", "left"),
        (((t0 + t1) / 2, y0 - 0.04), "time (frames)", "center"),
        ((t1, y0 - 0.04), f"{first + frames - 1:g}", "right"),
    ):
        axes.text(*place, text, ha=side, va="top", fontsize=6)
    axes.text(t0 - 0.03, (y0 + y1) / 2, f"y ({height:g} px)", rotation=90, ha="right",
              va="center", fontsize=6)  # fmt: skip
    (near, low), (far, high) = oblique(1, 1, 0), oblique(1, 1, 1)
    slope = float(np.degrees(np.arctan2(high - low, far - near)))
    axes.text((near + far) / 2 + 0.02, (low + high) / 2 - 0.03, f"x ({width:g} px)", fontsize=6,
              ha="center", va="top", rotation=slope, rotation_mode="anchor")  # fmt: skip
