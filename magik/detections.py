"""Detections of cells, in a table or in a graph (GEFF), and the links that either holds.

Tables of any localizations share its careful reading: every fault is named by file, column and
row (the first row of data is row 1).
"""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import geff
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int, Shaped

from magik import lineage, schema
from magik.config import Source
from magik.errors import InputError
from magik.stacks import refusing_damage

HEADERS: dict[str, tuple[str, ...]] = {
    "frame": ("frame", "t"),
    "x": ("x", "x_px"),
    "y": ("y", "y_px"),
    "z": ("z", "z_px"),
    "intensity": ("intensity", "intensity_mean", "mean_intensity"),
    "label": ("label",),
    "particle": ("particle", "track", "track_id"),
    "parent_particle": ("parent_particle", "parent_track", "parent_track_id"),
    "id": ("id",),
    "parent": ("parent", "parent_id"),
}
"""Our name: the names in tables. `id` and `parent` name detections, and are not kept."""

_NAMES = ("label", "particle", "parent_particle", "id", "parent")
"""Columns that name things: their numbers measure nothing."""

_WHOLE_COLUMNS = ("frame", "x", "y", "z", "radius", *_NAMES)
"""Columns that no row may lack; where a value of another is missing, nobody measured it."""

_LOWEST_PX = -1.0  # a fit may step a little over the edge of the camera; more is another origin


def read(source: Source) -> xr.Dataset:
    """The detections of a table or GEFF as LOCALIZATIONS of one video.

    Every numeric column is read, except descriptors that some row lacks and those with the name
    of something else in a store, which `columns` may rename. Positions in a table are in px from
    the corner of the first pixel; in a GEFF they count from its centre, as tools that index arrays
    do, and ½ px is added to them. What a GEFF has in units of length becomes px; so does
    z where planes lie farther apart than pixels, as the scales of its axes say.

    `particle` is what the table calls so (`HEADERS`); or each detection names its `parent` by
    its `id`, or a track its parent by its track where there is no `id`; the edges of a GEFF link
    detections likewise. A particle goes on where one link leaves a detection, and divides where
    more do.

    Args:
        source: with a table or a GEFF.

    Returns:
        LOCALIZATIONS, ordered by frame, then row. Its attribute `first_frame` is the number of
        the first frame in the file.

    Raises:
        InputError: if the file is missing or damaged, or a column or row is wrong; naming it.
    """
    if source.table is not None:
        path = Path(source.table)
        table, columns = read_file(path), source.columns
    else:
        path = Path(str(source.geff))
        table, columns = _read_geff(path, source.columns, source.pixel_size_um)
    chosen = _choose(table, columns, path)
    number = frame_numbers(table[chosen.pop("frame")], path)
    order = np.argsort(number, kind="stable")
    table, number = table.iloc[order], number[order]

    named = {ours: table[chosen.pop(ours)] for ours in _NAMES if ours in chosen}
    data = {ours: numbers(table[theirs], path) for ours, theirs in chosen.items()}
    if source.geff is not None:
        data |= {axis: data[axis] + 0.5 for axis in ("z", "y", "x") if axis in data}
        data["node_id"] = table["node_id"].to_numpy()
    for axis in ("x", "y"):
        check_origin(data[axis], table[chosen[axis]], path)
    _refuse_no_size(data, {ours: table[theirs] for ours, theirs in chosen.items()}, path)
    field_of_view = source.field_of_view or reach(data)
    if source.field_of_view is not None:
        for axis, side in zip(("y", "x"), source.field_of_view, strict=True):
            _refuse_outside(data[axis], side, table[chosen[axis]], path)
    if "label" in named:
        data["label"] = _whole(named["label"], path)
    first, last = int(number[0]), int(number[-1])
    video = one_video(number - first, data, last + 1 - first, first, field_of_view)
    truth = _truth(video, named, path)
    if source.lineage is not None and "label" in named and not truth:
        _refuse_twice(video, data["label"], named["label"], path)  # labels will be particles
    return _cut(video.assign(truth), source.frames, path)


def given(source: Source) -> pd.DataFrame | None:
    """The rows that `read` has of a table, in its order, with all of their own columns.

    Args:
        source: any.

    Returns:
        As pandas reads them; the index counts the rows of the file, from 0. None of a source that
        is no table.

    Raises:
        InputError: as `read`.
    """
    if source.table is None:
        return None
    path = Path(source.table)
    table = read_file(path)
    number = frame_numbers(table[_choose(table, source.columns, path)["frame"]], path)
    first, end = source.frames or (0, np.inf)
    order = np.argsort(number, kind="stable")
    return table.iloc[order[(first <= number[order]) & (number[order] < end)]]


# tables --------------------------------------------------------------------------------------


def read_file(path: Path) -> pd.DataFrame:
    """A table as it is (CSV, CSV.gz, Parquet); its rows are numbered from 0.

    Raises:
        InputError: if it is missing, empty, damaged, or of another kind.
    """
    readers = {".csv": pd.read_csv, ".csv.gz": pd.read_csv, ".parquet": pd.read_parquet}
    kind = next((suffix for suffix in readers if path.name.lower().endswith(suffix)), None)
    if kind is None:
        raise InputError(f"{path}: not a table we know; expected {', '.join(readers)}")
    if not path.is_file():
        raise InputError(f"{path}: no such table")
    advice = "Copy it again, or export it again as comma-separated values"
    with refusing_damage(path, kind[1:], advice):
        try:
            return readers[kind](path).reset_index(drop=True)
        except pd.errors.EmptyDataError:
            raise InputError(f"{path}: an empty file; expected a header and rows") from None


def choose(
    table: pd.DataFrame,
    columns: Mapping[str, str],
    headers: Mapping[str, Sequence[str]],
    bare: Mapping[str, str],
    path: Path,
) -> dict[str, str]:
    """Our name: name in this table, for every column that is named or recognised.

    Args:
        table: with rows.
        columns: our name: name in the table; goes first.
        headers: our name: the headers that are recognised.
        bare: name in the table: what to look up in `headers`; of the columns that may be
            recognised.
        path: where the table is from, for errors.

    Raises:
        InputError: if one of these columns, or of frame, x, y, is missing or could be several
            that differ, or there are no rows.
    """
    present = [str(name) for name in table.columns]
    listed = f"It has: {', '.join(present)}." + (
        " Values must be separated by commas." if len(present) == 1 else ""
    )
    for ours, theirs in columns.items():
        if theirs not in present:
            near = difflib.get_close_matches(theirs, present, 1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise InputError(f"{path}: no column '{theirs}' (columns: {ours}). {listed}{hint}")
    chosen = dict(columns)
    for ours, names in headers.items():
        known = [name for name in bare if bare[name] in names]
        same = all(table[name].equals(table[known[0]]) for name in known)
        if ours not in chosen and len(known) > 1 and not same:
            raise InputError(
                f"{path}: '{ours}' could be any of the columns {', '.join(known)}. "
                f"Say which: columns: {{{ours}: {known[0]}}}"
            )
        if ours not in chosen and known:
            chosen[ours] = known[0]
    for ours in ("frame", "x", "y"):
        if ours not in chosen:
            like = [name for name in present if name.lower().startswith(ours) and len(present) > 1]
            raise InputError(
                f"{path}: no column '{ours}'. {listed} Name it, e.g. columns: "
                f"{{{ours}: {like[0] if like else '<its name>'}}}"
                + (" (positions in px)" if ours != "frame" else "")
            )
    if table.empty:
        raise InputError(f"{path}: a table without rows; expected one row per localization")
    return chosen


PER_UM = {"nm": 1e-3, "um": 1, "µm": 1, "μm": 1, "micron": 1}
"""µm in each unit of length that is recognised, beside px."""

_UNIT = re.compile(rf"\s*(?:\[(.*)\]|\((px|{'|'.join(PER_UM)})\)|_(px|{'|'.join(PER_UM)}))$")
"""At the end of a header: 'x [nm]', 'x (um)', 'x_um'."""


def without_unit(header: str) -> str:
    """The header without its unit: 'x [nm]' -> 'x'."""
    return _UNIT.sub("", header).strip().lower()


def unit_of(header: str) -> str:
    """The unit in a header; empty where there is none."""
    found = _UNIT.search(header)
    return next(group for group in found.groups() if group is not None).strip() if found else ""


def numbers(column: pd.Series, path: Path) -> Float[np.ndarray, " rows"]:
    """A column as finite numbers.

    Raises:
        InputError: naming column and row.
    """
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{_place(column, row, path)}: found {str(column.iloc[row])!r} ({bad.sum()} such "
            "rows); expected a finite number. Remove these rows"
        )
    return values


def frame_numbers(column: pd.Series, path: Path) -> Int[np.ndarray, " rows"]:
    """A column as numbers of frames: whole, 0 or more.

    Raises:
        InputError: naming column and row.
    """
    values = numbers(column, path)
    bad = (values < 0) | (values != np.round(values))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{_place(column, row, path)}: frame {values[row]:g}; "
            "expected a whole number, 0 or more"
        )
    return values.astype(np.int64)


def check_origin(position: Float[np.ndarray, " rows"], column: pd.Series, path: Path) -> None:
    """Refuse positions that cannot count from the corner of the field of view.

    Args:
        position: px.
        column: where they are from, row by row.
        path: where the table is from.

    Raises:
        InputError: naming column and row.
    """
    if position.min() < _LOWEST_PX:
        raise InputError(
            f"{_place(column, int(np.argmin(position)), path)}: {position.min():g} px; "
            "expected positions counted from the corner of the field of view, 0 or more. "
            "Add an offset to the column"
        )


def reach(columns: Mapping[str, Shaped[np.ndarray, " rows"]]) -> tuple[int, int]:
    """Height and width, px, of a field of view that ends at the last position."""
    height, width = (max(1, math.ceil(columns[axis].max())) for axis in ("y", "x"))
    return height, width


def one_video(
    frame: Int[np.ndarray, " rows"],
    columns: Mapping[str, Shaped[np.ndarray, " rows"]],
    n_frames: int,
    first_frame: int,
    field_of_view: Sequence[float],
) -> xr.Dataset:
    """LOCALIZATIONS of one video from columns whose rows are ordered by frame."""
    return xr.Dataset(
        {
            "row_size": ("video", [len(frame)]),
            "n_frames": ("video", [n_frames]),
            "frame": ("localization", frame),
            **{name: ("localization", values) for name, values in columns.items()},
        },
        attrs={"field_of_view": list(field_of_view), "first_frame": first_frame},
    )


def _place(column: pd.Series, row: int, path: Path) -> str:
    """A cell of a table, for errors; also of one whose rows were sorted."""
    return f"{path}: column '{column.name}', row {column.index[row] + 1}"


def _choose(table: pd.DataFrame, columns: Mapping[str, str], path: Path) -> dict[str, str]:
    """Our name: name in this table, for every column that is read."""
    reserved = set(schema.LOCALIZATIONS.variables) - set(HEADERS)
    for ours in columns:
        if ours in reserved:
            raise InputError(
                f"{path}: columns: '{ours}' is the name of something else in a store; expected "
                f"{', '.join(HEADERS)} or a descriptor of your own"
            )
    free = {str(name): str(name).strip().lower() for name in table.columns}
    free = {name: bare for name, bare in free.items() if name not in columns.values()}
    chosen = choose(table, columns, HEADERS, free, path)
    for axis in {"x", "y", "z"} & set(chosen):
        unit = unit_of(chosen[axis])
        if unit in PER_UM:
            raise InputError(
                f"{path}: column '{chosen[axis]}': in {unit}; expected px. Divide it by the size "
                "of a pixel"
            )
    known = reserved.union(*HEADERS.values())
    for name in map(str, table.select_dtypes("number").columns):
        if name in free and free[name] not in known and not name.startswith("Unnamed:"):
            chosen[name] = name  # pandas calls a column of row numbers Unnamed
    return {
        ours: theirs
        for ours, theirs in chosen.items()
        if ours in (*columns, *_WHOLE_COLUMNS) or not table[theirs].isna().any()
    }


def _whole(column: pd.Series, path: Path) -> np.ndarray:
    values = numbers(column, path)
    bad = values != np.round(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"{_place(column, row, path)}: {values[row]:g}; expected a whole number")
    return values.astype(np.int64)


def _refuse_outside(position: np.ndarray, side: float, column: pd.Series, path: Path) -> None:
    outside = (position < 0) | (position > side)
    if outside.any():
        row = int(np.argmax(outside))
        raise InputError(
            f"{_place(column, row, path)}: {position[row]:g} px from the corner ({outside.sum()} "
            f"such rows); expected 0 to {side:g}, as field_of_view (height, width) or the images "
            "say"
        )


def _refuse_no_size(
    data: Mapping[str, np.ndarray], columns: Mapping[str, pd.Series], path: Path
) -> None:
    """Of detections with a radius, which overlap by shares of their size."""
    if "radius" not in data:
        return
    for ours, unit in (("radius", "px"), ("area", "px³" if "z" in data else "px²")):
        bad = data[ours] <= 0 if ours in data else np.zeros(1, bool)
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"{_place(columns[ours], row, path)}: {ours} = {data[ours][row]:g} ({bad.sum()} "
                f"such rows); expected > 0 {unit}"
            )


def _cut(video: xr.Dataset, frames: tuple[int, int] | None, path: Path) -> xr.Dataset:
    """The detections of these frames."""
    if frames is None:
        return video
    number = video["frame"].to_numpy() + video.attrs["first_frame"]
    inside = (frames[0] <= number) & (number < frames[1])
    if not inside.any():
        raise InputError(
            f"{path}: frames = {list(frames)} (first, one after the last), but its detections "
            f"are in the frames {number[0]} to {number[-1]}"
        )
    return (
        video.isel(localization=inside)
        .assign(
            row_size=("video", [int(inside.sum())]),
            n_frames=("video", [frames[1] - frames[0]]),
            frame=("localization", number[inside] - frames[0]),
        )
        .assign_attrs(first_frame=frames[0])
    )


# links ---------------------------------------------------------------------------------------


def _truth(
    video: xr.Dataset, named: Mapping[str, pd.Series], path: Path
) -> dict[str, tuple[str, np.ndarray]]:
    """Particles and their parents, as far as the columns that name things tell them."""
    if "id" in named and "parent" in named:
        links = _links(named["id"], named["parent"], video["frame"].to_numpy(), path)
        tracks = lineage.tracks_of_links(video, links, linker="truth")
        particle = tracks["track"].to_numpy()
        parent = tracks["parent"].to_numpy()[particle]
    elif "particle" in named:
        particle = _whole(named["particle"], path).clip(-1)
        _refuse_twice(video, particle, named["particle"], path)
        # without an id, a parent can only be a track
        parents = named.get("parent_particle", named.get("parent"))
        parent = np.full(len(particle), -1)
        if parents is not None:
            at = _look_up(parents, named["particle"], path)
            parent[at >= 0] = particle[at[at >= 0]]
            parent[_from_itself(particle, parent)] = -1
            _refuse_two_parents(particle, parent, parents, path)
            _refuse_overlapping(video, particle, parent, parents, path)
    else:
        return {}
    return {
        "particle": ("localization", particle),
        "parent_particle": ("localization", parent),
    }


def _links(names: pd.Series, parents: pd.Series, frame: np.ndarray, path: Path) -> np.ndarray:
    """[2, links] rows of the parents and of their detections."""
    twice = names.duplicated().to_numpy()
    if twice.any():
        row = int(np.argmax(twice))
        raise InputError(
            f"{_place(names, row, path)}: {names.iloc[row]} names "
            "another row too; expected a name for each detection"
        )
    at = _look_up(parents, names, path)
    receiver = np.flatnonzero(at >= 0)
    sender = at[receiver]
    wrong = frame[sender] >= frame[receiver]
    if wrong.any():
        row = int(receiver[np.argmax(wrong)])
        raise InputError(
            f"{_place(parents, row, path)}: parent "
            f"{parents.iloc[row]:g} is in no earlier frame than its child; expected an earlier one"
        )
    return np.stack([sender, receiver])


def _from_itself(particle: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """Rows of tracks that name themselves: they have no parent.

    Where track 0 alone does so, 0 is no track but none, in every row.
    """
    itself = (parent == particle) & (particle >= 0)
    if itself.any() and not particle[itself].any():
        return parent == 0
    return itself


def _look_up(parents: pd.Series, names: pd.Series, path: Path) -> np.ndarray:
    """Row (the first) that each parent names; -1 where there is none: empty, negative, or 0.

    0 is a name where a row has it.
    """
    parent = pd.to_numeric(parents, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    name, row = np.unique(numbers(names, path), return_index=True)
    found = np.searchsorted(name, parent).clip(max=len(name) - 1)
    known = (name[found] == parent) & (parent >= 0)
    absent = (parent > 0) & ~known
    if absent.any():
        first = int(np.argmax(absent))
        raise InputError(
            f"{_place(parents, first, path)}: no row has the "
            f"'{names.name}' {parent[first]:g} ({absent.sum()} such rows); expected a parent that "
            "is there, or -1 for none"
        )
    return np.where(known, row[found], -1)


def _refuse_twice(video: xr.Dataset, particle: np.ndarray, column: pd.Series, path: Path) -> None:
    frame = video["frame"].to_numpy()
    twice = pd.DataFrame({"frame": frame, "particle": particle}).duplicated().to_numpy()
    twice = twice & (particle >= 0)
    if twice.any():
        row = int(np.argmax(twice))
        raise InputError(
            f"{_place(column, row, path)}: {particle[row]} is in "
            f"frame {frame[row] + video.attrs['first_frame']} already; expected once a frame"
        )


def _refuse_two_parents(
    particle: np.ndarray, parent: np.ndarray, column: pd.Series, path: Path
) -> None:
    _, first, which = np.unique(particle, return_index=True, return_inverse=True)
    other = (parent != parent[first][which]) & (particle >= 0)
    if other.any():
        row = int(np.argmax(other))
        raise InputError(
            f"{_place(column, row, path)}: {column.iloc[row]}, "
            f"but track {particle[row]} has another parent elsewhere; expected one"
        )


def _refuse_overlapping(
    video: xr.Dataset, particle: np.ndarray, parent: np.ndarray, column: pd.Series, path: Path
) -> None:
    """A track that begins before its parent has ended."""
    number = video["frame"].to_numpy() + video.attrs["first_frame"]
    ends = pd.Series(number).groupby(particle).max()
    child = np.flatnonzero((particle >= 0) & (parent >= 0))
    early = child[number[child] <= ends[parent[child]].to_numpy()]
    if len(early):
        row = int(early[0])
        raise InputError(
            f"{_place(column, row, path)}: track {particle[row]} is in frame {number[row]}, but "
            f"its parent {parent[row]} lives until frame {ends[parent[row]]}; expected the parent "
            "to end before"
        )


# graphs --------------------------------------------------------------------------------------


UM = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3, "meter": 1e6}
"""µm in a unit of length."""


def _read_geff(
    path: Path, given: Mapping[str, str], pixel_size_um: float | None
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Nodes as rows, edges as their parents; and `given` after the names of the axes.

    Left out is what is not one number for every node, and the tracks that the graph names: its
    edges tell them.
    """
    if not path.exists():
        raise InputError(f"{path}: no such graph; expected GEFF, a group in Zarr")
    with refusing_damage(path, "GEFF", "Copy it again"):
        reader = geff.GeffReader(path)
        reader.read_node_props()
        graph = reader.build()
    about, nodes = graph["metadata"], pd.Index(graph["node_ids"])
    if nodes.empty:
        raise InputError(f"{path}: a graph without nodes; expected one per detection")
    tracks = (about.track_node_props or {}).values()
    table = pd.DataFrame(
        {
            name: column["values"]
            for name, column in graph["node_props"].items()
            if column["values"].ndim == 1
            and column["values"].dtype.kind in "iuf"
            and (column["missing"] is None or not column["missing"].any())
            and name not in (*tracks, "id", "parent")
        },
        index=range(len(nodes)),
    )
    table = table.assign(node_id=nodes.to_numpy())
    columns, units, sizes = {}, {}, {}
    for axis in about.axes or ():
        ours = "frame" if axis.type == "time" else axis.name.lower()
        if ours in ("frame", "x", "y", "z"):
            columns[ours] = axis.name
            units[axis.name] = axis.unit
        if ours in ("x", "y", "z") and axis.unit in (None, "pixel") and ours not in given:
            sizes[ours] = axis.scale and axis.scale * UM.get(axis.scaled_unit or "", 1.0)
    columns |= given
    units = {name: unit for name, unit in units.items() if name not in given.values()}
    table = _in_px(table, units, path, pixel_size_um)
    planes = _between_planes(sizes, path)
    if planes != 1 and columns["z"] in table:
        table = table.assign(**{columns["z"]: planes * table[columns["z"]]})
        table = table.drop(columns="area", errors="ignore")  # a volume, of whichever unit
    if len(graph["edge_ids"]):
        time = numbers(table[_choose(table, columns, path)["frame"]], path)
        ends = nodes.get_indexer(graph["edge_ids"].ravel()).reshape(-1, 2).T
        if np.any(ends < 0):
            absent = graph["edge_ids"][np.any(ends < 0, axis=0)][0]
            raise InputError(
                f"{path}: an edge joins the nodes {absent[0]} and {absent[1]}, which are not both "
                "there; expected edges between nodes of the graph"
            )
        sender, receiver = np.where(time[ends[0]] <= time[ends[1]], ends, ends[::-1])
        at_once = time[sender] == time[receiver]
        if at_once.any():
            first = int(np.argmax(at_once))
            raise InputError(
                f"{path}: node {nodes[sender[first]]} and node {nodes[receiver[first]]} are linked "
                f"within frame {time[sender[first]]:g}; expected links from frame to frame"
            )
        several = np.bincount(receiver, minlength=len(nodes)) > 1
        if several.any():
            raise InputError(
                f"{path}: node {nodes[int(np.argmax(several))]} has several parents; expected "
                "one at most, because cells divide and do not merge"
            )
        parent = np.full(len(nodes), -1)
        parent[receiver] = sender
        table = table.assign(id=np.arange(len(nodes)), parent=parent)
    return table, columns


def _in_px(
    table: pd.DataFrame, units: Mapping[str, str | None], path: Path, pixel_size_um: float | None
) -> pd.DataFrame:
    """Positions in px, where the axes say that they are lengths; a `radius` likewise.

    Args:
        table: of nodes.
        units: of the axes, None = px or frames; of those that the user did not name, because
            `columns` says what they are.
        path: where the table is from.
        pixel_size_um: µm per px.
    """
    lengths = {name: UM[unit] for name, unit in units.items() if unit in UM and name in table}
    for name, unit in units.items():
        if unit not in (None, "frame", "pixel") and not (name in lengths and pixel_size_um):
            advice = "Give pixel_size_um beside geff" if name in lengths else "Convert it"
            raise InputError(
                f"{path}: axis '{name}' is in units of a {unit}; expected frames in time, pixels "
                f"in space. {advice}; or, if it is in these all the same, name it in columns"
            )
    if not lengths or pixel_size_um is None:
        return table
    px = {name: um / pixel_size_um for name, um in lengths.items()}
    if "radius" in table:
        px["radius"] = max(px.values())
    scaled = {name: table[name] * factor for name, factor in px.items()}
    return table.assign(**scaled).drop(columns="area", errors="ignore")  # of whichever unit


def _between_planes(sizes: Mapping[str, float | None], path: Path) -> float:
    """How far apart planes along z are, px: what its scale is in that of x.

    Args:
        sizes: how long a px along each axis is, in one unit; None = the graph does not say.
        path: where the graph is from.
    """
    if not any(sizes.values()):
        return 1.0
    x, y, z = (sizes.get(axis, sizes.get("x")) for axis in ("x", "y", "z"))
    if not (x and y and z) or min(x, y, z) <= 0 or not math.isclose(x, y, rel_tol=1e-3):
        told = ", ".join(f"{axis} {size}" for axis, size in sizes.items())
        raise InputError(
            f"{path}: the axes have the scales {told}; expected one of each that is in px, greater "
            "than 0, and the same for x and y. Or name in columns the axes whose px are all alike"
        )
    return 1.0 if math.isclose(x, z, rel_tol=1e-3) else z / x
