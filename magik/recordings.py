"""A user's own files -> movies and localizations, in px and frames.

Everything is checked here, at the border, so that no later stage meets a damaged movie or a
position that is not a number. `magik.export` turns results back to µm and s.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from magik import detections, schema
from magik.errors import InputError
from magik.stacks import read_tiff

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
    return _movie(_time_y_x(*read_tiff(path), path), path)


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
    `x`, `y`, `z`, `intensity`. A unit in a header (nm, um, µm, px, as in `x [nm]` or `x_um`) is
    turned into px; of one position in several units, that in px is taken.

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
    table = detections.read_file(path)
    chosen = _choose(table, columns, path)
    frame = detections.frame_numbers(table[chosen.pop("frame")], path)
    data = {ours: detections.numbers(table[theirs], path) for ours, theirs in chosen.items()}
    for axis in {"x", "y", "z"} & set(chosen):
        data[axis] = data[axis] * _px_per_unit(chosen[axis], path, pixel_size_um)
    from_centre = any(str(name).lower() in FROM_CENTRE for name in table.columns)
    for axis in ("x", "y"):
        if from_centre and axis not in columns and chosen[axis].strip().lower() == axis:
            data[axis] += 0.5
        detections.check_origin(data[axis], table[chosen[axis]], path)

    order = np.argsort(frame, kind="stable")
    first, last = int(frame.min()), int(frame.max())
    return detections.one_video(
        frame[order] - first,
        {name: values[order] for name, values in data.items()},
        last + 1 - first,
        first,
        detections.reach(data),
    )


def must_have(
    localizations: xr.Dataset, features: Sequence[str], sample: str, path: str | Path
) -> None:
    """Refuse localizations without what a network sees of them, before it is trained.

    Args:
        localizations: LOCALIZATIONS.
        features: of nodes, that the network sees. Without z all lie at z = 0 (`magik.graphs`).
        sample: name of the recording.
        path: of the table that they were read from.

    Raises:
        InputError: naming the table, the sample, what is missing and what there is.
    """
    there = [str(name) for name, of in localizations.items() if of.dims == ("localization",)]
    needed = ["intensity" if name == "relative_intensity" else name for name in features]
    lacking = [name for name in dict.fromkeys(needed) if name not in (*there, "z")]
    if lacking:
        raise InputError(
            f"{path}: no {' and no '.join(lacking)}, which the network of samples.{sample} sees "
            f"of every localization; it has {', '.join(there)}. Name the column, as in columns: "
            f"{{{lacking[0]}: <its name>}}, or choose another experiment"
        )


def _choose(table: pd.DataFrame, columns: Mapping[str, str], path: Path) -> dict[str, str]:
    """Our name: name in this table, for every column that is wanted."""
    for ours in columns:
        if ours in schema.LOCALIZATIONS.variables and ours not in HEADERS:
            raise InputError(
                f"{path}: columns: '{ours}' cannot be read from a table; "
                f"expected {', '.join(HEADERS)} or a descriptor of your own"
            )
    bare = {str(name): detections.without_unit(str(name)) for name in table.columns}
    px = {name for name in bare if detections.unit_of(name) in ("px", "pixel")}
    given = {bare[name] for name in px}  # these go before the same in another unit
    given |= set(FROM_CENTRE) if "intensity" in bare.values() else set()  # ours, with its `mass`
    bare = {name: of for name, of in bare.items() if name in px or of not in given}
    return detections.choose(table, columns, HEADERS, bare, path)


def _px_per_unit(header: str, path: Path, pixel_size_um: float) -> float:
    per_um = detections.PER_UM | {"px": pixel_size_um, "pixel": pixel_size_um}
    unit = detections.unit_of(header) or "px"
    if unit not in per_um:
        raise InputError(f"{path}: column '{header}': unknown unit; expected px, nm or µm")
    return per_um[unit] / pixel_size_um
