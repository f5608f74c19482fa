"""A user's own files -> movies and localizations, in px and frames.

Everything is checked here, at the border, so that no later stage meets a damaged movie or a
position that is not a number. `magik.export` turns results back to µm and s.
"""

import difflib
import logging
import math
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
import xarray as xr

from magik import schema
from magik.errors import InputError

HEADERS: dict[str, tuple[str, ...]] = {
    "frame": ("frame",),
    "x": ("x",),
    "y": ("y",),
    "z": ("z",),
    "intensity": ("intensity", "mass", "i0"),
}
"""Our name: the names in the tables of trackpy (mass), ThunderSTORM (x [nm]) and quot (I0)."""

FROM_CENTRE = ("mass", "i0")
"""Columns that show trackpy and quot, for which 0 is the centre of the first pixel."""

_LOWEST_PX = -1.0  # a fit may step a little over the edge of the camera; more is another origin


# movies --------------------------------------------------------------------------------------


def read_movie(path: str | Path) -> xr.Dataset:
    """A TIFF or OME-TIFF stack as a MOVIE of one video.

    A lone Z axis counts as time, because ImageJ calls the images of an unlabelled stack slices.

    Args:
        path: the file.

    Returns:
        A MOVIE: `counts` [image, y, x] in the type of the file.

    Raises:
        InputError: if the file is missing, damaged, no TIFF, a single image, has several
            channels, colours, depths or positions, or counts that are no number.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such movie; expected a TIFF or OME-TIFF file")
    try:
        with _complaints() as complaints, tifffile.TiffFile(path) as tiff:
            counts, axes = _stack(tiff, path)
    except InputError:
        raise
    except _DAMAGE as damage:
        raise InputError(
            f"{path}: cannot be read as TIFF ({_one_line(damage)}). {_RESAVE}"
        ) from None
    # tifffile fills pixels that are missing with nothing or zeros, and only logs it
    grave = [complaint for complaint in complaints if not _spares_pixels(complaint)]
    if grave:
        raise InputError(f"{path}: truncated or damaged ({_one_line(grave[0])}). {_RESAVE}")
    return _movie(_time_y_x(counts, axes, path), path)


_DAMAGE = (
    *(tifffile.TiffFileError, OSError, ValueError, LookupError, struct.error),
    *(zlib.error, RuntimeError),  # of the codecs
)
_RESAVE = "Copy it again, or save it as an uncompressed TIFF stack (Fiji: File > Save As > Tiff)"


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What tifffile logs instead of raising."""
    messages: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    logger, listener = logging.getLogger("tifffile"), Listener(logging.WARNING)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(listener)
    try:
        yield messages
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagate


_NOTES = frozenset({269, 271, 272, 282, 283, 285, 296, 305, 306, 315, 316})
"""TIFF tags that only tell: names, makers, resolution, software, date. So do all from 32768 on."""


def _spares_pixels(complaint: str) -> bool:
    """Whether tifffile complains of notes beside the pixels, which are whole all the same.

    Without its OME-XML a stack is read as one axis of images.
    """
    tag = re.search(r"TiffTag (\d+) @", complaint)
    if tag:
        return int(tag[1]) in _NOTES or int(tag[1]) >= 32768
    notes = ("OME series raised", "imagej_metadata> raised", "MMStack file name is invalid")
    return any(words in complaint for words in notes)


def _stack(tiff: tifffile.TiffFile, path: Path) -> tuple[np.ndarray, str]:
    """All images of the file, and the letters of their axes."""
    series = tiff.series
    if len(series) == 1:
        return series[0].asarray(), series[0].axes
    same = {(one.shape, one.dtype) for one in series}
    if tiff.is_ome or len(same) > 1:
        raise InputError(
            f"{path}: {len(series)} image series of shapes "
            f"{', '.join(sorted({str(one.shape) for one in series}))}; expected one movie. "
            "Save each position as a file of its own"
        )
    return np.stack([one.asarray() for one in series]), "T" + series[0].axes


def _time_y_x(counts: np.ndarray, axes: str, path: Path) -> np.ndarray:
    """Counts over [image, y, x]: axes of length 1 dropped, all else refused."""
    lengths = {axis: n for axis, n in zip(axes, counts.shape, strict=True) if axis in "YX" or n > 1}
    found = ", ".join(f"{axis} = {n}" for axis, n in lengths.items())
    if "S" in lengths:
        raise InputError(
            f"{path}: a colour movie ({found}); expected grey values. "
            "Convert it (Fiji: Image > Type > 16-bit)"
        )
    if "C" in lengths:
        raise InputError(
            f"{path}: {lengths['C']} channels ({found}); expected one. Save the channel of the "
            "particles alone (Fiji: Image > Color > Split Channels), or, if these are frames, "
            "name the axis T (Fiji: Image > Properties)"
        )
    stacked = [axis for axis in lengths if axis not in "YX"]
    if not stacked:
        raise InputError(f"{path}: a single image ({found}); expected a movie of 2 frames or more")
    if len(stacked) > 1:
        raise InputError(
            f"{path}: a stack over {' and '.join(stacked)} ({found}); expected time only. "
            "Save one plane or its projection"
        )
    kept = tuple(slice(None) if axis in lengths else 0 for axis in axes)
    order = [list(lengths).index(axis) for axis in (stacked[0], "Y", "X")]
    return counts[kept].transpose(order)


def _movie(counts: np.ndarray, path: Path) -> xr.Dataset:
    if counts.dtype.kind == "b":
        counts = counts.astype(np.uint8)
    if counts.dtype.kind not in "iuf":
        raise InputError(f"{path}: pixels of type {counts.dtype}; expected whole or real numbers")
    bad = [] if counts.dtype.kind != "f" else ~np.isfinite(counts).all(axis=(1, 2))
    if np.any(bad):
        raise InputError(
            f"{path}: frame {int(np.argmax(bad))} (of {np.sum(bad)}, counted from 0) has counts "
            "that are NaN or infinite; expected finite counts. Remove these frames or fill them"
        )
    movie = xr.Dataset(
        {
            "counts": (("image", "y", "x"), np.ascontiguousarray(counts)),
            "row_size": ("video", np.array([len(counts)])),
        },
        attrs={"field_of_view": list(counts.shape[1:])},
    )
    movie.encoding["source"] = str(path)  # whoever finds a fault in it can name the file
    return movie


# tables --------------------------------------------------------------------------------------


def read_table(path: str | Path, columns: Mapping[str, str], pixel_size_um: float) -> xr.Dataset:
    """A table of localizations (CSV, CSV.gz or Parquet) as LOCALIZATIONS of one video.

    Recognises the headers of trackpy, ThunderSTORM and quot/saspt as well as the plain `frame`,
    `x`, `y`, `z`, `intensity`. A unit in brackets (nm, um, µm, px) is turned into px.

    Positions of all tables count from the corner of the field of view, as `magik.schema` says
    and as ThunderSTORM writes them. Only trackpy and quot count the centre of the first pixel as
    0: where a table has their column of intensities (`mass`, `I0`), ½ px is added to its `x` and
    `y`. Columns named in `columns`, and those with a unit, are taken as they are.

    Args:
        path: the file.
        columns: our name: name in the table, where the header is not recognised. Names besides
            frame, x, y, z and intensity are kept as descriptors.
        pixel_size_um: µm per px.

    Returns:
        LOCALIZATIONS sorted by frame. Frames count from the first one in the table, whose number
        is the attribute `first_frame`; the field of view reaches from 0 to the last position.

    Raises:
        InputError: naming file, column and row (the first row of data is row 1).
    """
    path = Path(path)
    table = _read(path)
    chosen = _choose(table, columns, path)
    if table.empty:
        raise InputError(f"{path}: a table without rows; expected one row per localization")
    numbers = {ours: _numbers(table[theirs], path) for ours, theirs in chosen.items()}
    for axis in {"x", "y", "z"} & set(chosen):
        numbers[axis] = numbers[axis] * _px_per_unit(chosen[axis], path, pixel_size_um)
    _check_frames(numbers["frame"], chosen["frame"], path)
    from_centre = any(str(name).lower() in FROM_CENTRE for name in table.columns)
    for axis in ("x", "y"):
        if from_centre and axis not in columns and chosen[axis].strip().lower() == axis:
            numbers[axis] += 0.5
        _check_origin(numbers[axis], chosen[axis], path)

    order = np.argsort(numbers["frame"], kind="stable")
    frame = numbers.pop("frame")[order].astype(np.int64)
    side = {axis: max(1, math.ceil(numbers[axis].max())) for axis in ("y", "x")}
    return xr.Dataset(
        {
            "row_size": ("video", np.array([len(frame)])),
            "n_frames": ("video", frame[-1:] - frame[0] + 1),
            "frame": ("localization", frame - frame[0]),
            **{name: ("localization", values[order]) for name, values in numbers.items()},
        },
        attrs={"field_of_view": [side["y"], side["x"]], "first_frame": int(frame[0])},
    )


def _read(path: Path) -> pd.DataFrame:
    readers = {".csv": pd.read_csv, ".csv.gz": pd.read_csv, ".parquet": pd.read_parquet}
    kind = next((suffix for suffix in readers if path.name.lower().endswith(suffix)), None)
    if kind is None:
        raise InputError(f"{path}: not a table we know; expected {', '.join(readers)}")
    if not path.is_file():
        raise InputError(f"{path}: no such table of localizations")
    try:
        return readers[kind](path)
    except pd.errors.EmptyDataError:
        raise InputError(f"{path}: an empty file; expected a header and rows") from None
    except (ValueError, OSError, EOFError, zlib.error) as damage:
        raise InputError(
            f"{path}: cannot be read as {kind[1:]} ({_one_line(damage)}). "
            "Copy it again, or export it again as comma-separated values"
        ) from None


def _choose(table: pd.DataFrame, columns: Mapping[str, str], path: Path) -> dict[str, str]:
    """Our name: name in this table, for every column that is wanted."""
    present = [str(name) for name in table.columns]
    listed = f"It has: {', '.join(present)}." + (
        " Values must be separated by commas." if len(present) == 1 else ""
    )
    for ours, theirs in columns.items():
        if ours in schema.LOCALIZATIONS.variables and ours not in HEADERS:
            raise InputError(
                f"{path}: columns: '{ours}' cannot be read from a table; "
                f"expected {', '.join(HEADERS)} or a descriptor of your own"
            )
        if theirs not in present:
            near = difflib.get_close_matches(theirs, present, 1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise InputError(f"{path}: no column '{theirs}' (columns: {ours}). {listed}{hint}")
    chosen = dict(columns)
    for ours, names in HEADERS.items():
        known = [name for name in present if _bare(name) in names]
        if ours not in chosen and len(known) > 1:
            raise InputError(
                f"{path}: '{ours}' could be any of the columns {', '.join(known)}. "
                f"Say which: columns: {{{ours}: {known[0]}}}"
            )
        if ours not in chosen and known:
            chosen[ours] = known[0]
    for ours in ("frame", "x", "y"):
        if ours not in chosen:
            near = difflib.get_close_matches(ours, [name.lower() for name in present], 1, 0.4)
            like = next(
                (name for name in present if near and name.lower() == near[0]), "<its name>"
            )
            raise InputError(
                f"{path}: no column '{ours}'. {listed} "
                f"Name it in the sample, e.g. columns: {{{ours}: {like}}}"
            )
    return chosen


def _bare(header: str) -> str:
    """The header without its unit: 'x [nm]' -> 'x'."""
    return re.sub(r"\s*\[.*\]$", "", header).strip().lower()


def _px_per_unit(header: str, path: Path, pixel_size_um: float) -> float:
    per_um = {"px": pixel_size_um, "pixel": pixel_size_um, "nm": 1e-3, "um": 1, "µm": 1, "μm": 1}
    found = re.search(r"\[(.*)\]$", header)
    unit = found[1].strip() if found else "px"
    if unit not in per_um:
        raise InputError(f"{path}: column '{header}': unknown unit; expected px, nm or µm")
    return per_um[unit] / pixel_size_um


def _numbers(column: pd.Series, path: Path) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{path}: column '{column.name}', row {row + 1}: found "
            f"{str(column.iloc[row])!r} ({bad.sum()} such rows); expected a finite number. "
            "Remove these rows"
        )
    return values


def _check_frames(frame: np.ndarray, header: str, path: Path) -> None:
    bad = (frame < 0) | (frame != np.round(frame))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{path}: column '{header}', row {row + 1}: frame {frame[row]:g}; "
            "expected a whole number, 0 or more"
        )


def _check_origin(position: np.ndarray, header: str, path: Path) -> None:
    if position.min() < _LOWEST_PX:
        raise InputError(
            f"{path}: column '{header}', row {np.argmin(position) + 1}: {position.min():g} px; "
            "expected positions counted from the corner of the field of view, 0 or more. "
            "Add an offset to the column"
        )


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:160]
