"""Stacks of images or masks, read frame by frame: TIFF, OME-TIFF, Zarr, folders of numbered TIFFs.

And the careful reading that they share with movies and tables: a file that is damaged is refused
in one line, also where its reader would only log it and fill up what is missing.
"""

import logging
import re
import struct
import weakref
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import tifffile
import zarr

from magik.errors import InputError

_WHOLE = "iub"  # kinds of types that hold whole numbers


@dataclass(frozen=True)
class Stack(Sequence):
    """Frames of one video, read when asked for; memory never holds more than is used.

    It has `len`, `shape`, `dtype`, indices and slices along frames as an array has them.

    Attributes:
        path: the file or folder, for errors.
        frame_shape: (z,) y, x, px.
        dtype: of the pixels of the first frame of the file or folder.
        load: index among all frames of the file or folder -> the frame.
        rows: indices of those that are in this stack.
        first_frame: number of the first in the files.
        numbered: whether the files say that number; otherwise they count from 0.
    """

    path: Path
    frame_shape: tuple[int, ...]
    dtype: np.dtype
    load: Callable[[int], np.ndarray]
    rows: range
    first_frame: int = 0
    numbered: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames, (z,) y, x."""
        return (len(self.rows), *self.frame_shape)

    @property
    def span(self) -> str:
        """Numbers of the first and the last frame, as errors say them."""
        return f"{self.first_frame} to {self.first_frame + len(self) - 1}"

    @property
    def size(self) -> str:
        """Pixels of a frame, as errors say them."""
        return _times(self.frame_shape)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, key: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, key: slice) -> "Stack": ...
    def __getitem__(self, key: int | slice) -> "np.ndarray | Stack":
        if isinstance(key, slice):
            rows = self.rows[key]
            moved = rows.start - self.rows.start
            return replace(self, rows=rows, first_frame=self.first_frame + moved)
        frame = self.load(self.rows[key])
        if frame.shape != self.frame_shape:
            raise InputError(
                f"{self.path}: frame {self.first_frame + range(len(self))[key]} has "
                f"{_times(frame.shape)} px; expected {self.size} px as in the first"
            )
        if self.dtype.kind in _WHOLE and frame.dtype.kind not in _WHOLE:
            raise InputError(
                f"{self.path}: frame {self.first_frame + range(len(self))[key]} is of type "
                f"{frame.dtype}; expected whole numbers ({self.dtype}) as in the first"
            )
        return frame

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(np.stack(list(self)), dtype)

    def cut(self, frames: tuple[int, int], why: str) -> "Stack":
        """The frames of these numbers.

        Args:
            frames: number of the first, and of the one after the last.
            why: who wants them, for errors.

        Raises:
            InputError: if not all of them are there.
        """
        first, end = frames[0] - self.first_frame, frames[1] - self.first_frame
        if first < 0 or end > len(self):
            raise InputError(f"{self.path}: {why}, but it has the frames {self.span}")
        return self[first:end]


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def open_stack(path: Path) -> Stack:
    """A TIFF or OME-TIFF, a Zarr array, or a folder of numbered TIFFs; pixels are not yet read.

    Raises:
        InputError: if it is missing, damaged, empty, or not frames of one channel.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; expected TIFF, Zarr or numbered TIFFs")
    stack = _open(path)
    if 0 in stack.shape:
        raise InputError(
            f"{path}: {len(stack)} frames of {stack.size} px; expected at least one frame of at "
            "least one pixel"
        )
    return stack


def _open(path: Path) -> Stack:
    if path.is_file():
        return _open_tiff(path)
    if any((path / name).exists() for name in ("zarr.json", ".zarray", ".zgroup")):
        with refusing_damage(path, *_ZARR):
            return _lay_out(*_open_zarr(path), path, _ZARR)
    return _open_folder(path)


_TIFF = (
    "TIFF",
    "Copy it again, or save it as an uncompressed TIFF stack (Fiji: File > Save As > Tiff)",
)
_ZARR = ("Zarr", "Copy it again")


def _open_tiff(path: Path) -> Stack:
    with refusing_damage(path, *_TIFF):
        tiff = tifffile.TiffFile(path)
        try:
            array, axes = _planes(tiff, path, lambda one: zarr.open(one.aszarr(), mode="r"))
            stack = _lay_out(array, axes, path, _TIFF)
        except BaseException:
            tiff.close()
            raise
        weakref.finalize(stack.load, tiff.close)  # once nothing reads from it any more
        return stack


def _open_folder(folder: Path) -> Stack:
    """Numbered TIFFs, by number: the last digits of their names."""
    paths: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in (".tif", ".tiff") or path.name.startswith("."):
            continue
        digits = re.findall(r"\d+", path.stem)
        if not digits:
            raise InputError(
                f"{path}: no frame number in its name; expected numbered TIFFs only, such as "
                "t000.tif, in a folder of frames"
            )
        number = int(digits[-1])
        if number in paths:
            raise InputError(
                f"{path}: frame {number} is also {paths[number].name}; expected one file a frame"
            )
        paths[number] = path
    if not paths:
        raise InputError(f"{folder}: no TIFF in this folder; expected numbered ones, as t000.tif")
    first, last = min(paths), max(paths)
    for number in range(first, last):
        if number not in paths:
            raise InputError(
                f"{folder}: frame {number} is missing; expected a file for every frame from "
                f"{first} ({paths[first].name}) to {last} ({paths[last].name})"
            )

    def load(index: int) -> np.ndarray:
        path = paths[first + index]
        return _lay_out(*read_tiff(path), path, _TIFF, timed=False)[0]

    frame = load(0)
    index = range(len(paths))
    return Stack(folder, frame.shape, frame.dtype, load, index, first, numbered=True)


def _open_zarr(path: Path) -> tuple[Any, str]:
    """The one array, and the letters of its axes."""
    found = zarr.open(path, mode="r")
    if isinstance(found, zarr.Group):
        arrays = dict(found.arrays())
        if len(arrays) != 1:
            raise InputError(
                f"{path}: {len(arrays)} arrays here ({', '.join(arrays) or 'none'}); expected one. "
                "Name the array itself, such as masks.zarr/0"
            )
        found = next(iter(arrays.values()))
    axes = {2: "YX", 3: "TYX", 4: "TZYX", 5: "TCZYX"}.get(found.ndim)
    if axes is None:
        raise InputError(f"{path}: an array of shape {found.shape}; expected t, (z,) y, x")
    return found, axes


def _lay_out(array: Any, axes: str, path: Path, form: tuple[str, str], timed: bool = True) -> Stack:
    """Axes in the order frame, (z,) y, x; those of length 1 dropped, all else refused.

    A lone axis besides y and x counts as time, because ImageJ calls the images of an unlabelled
    stack slices; in a file that is one frame (not `timed`) it counts as depth.
    """
    shape = array.shape
    long = [k for k, axis in enumerate(axes) if axis not in "YX" and shape[k] != 1]
    listed = ", ".join(f"{axis} = {n}" for axis, n in zip(axes, shape, strict=True))
    if any(axes[k] in "SC" for k in long):
        raise InputError(f"{path}: several channels or colours ({listed}); expected one")
    time = None
    if timed:
        time = axes.index("T") if "T" in axes else next(iter(long), None)
    depth = [k for k in long if k != time]
    if len(depth) > 1:
        raise InputError(f"{path}: too many axes ({listed}); expected frame, (z,) y, x")
    kept = [*depth, axes.index("Y"), axes.index("X")]
    order = [sorted(kept).index(k) for k in kept]

    def load(index: int) -> np.ndarray:
        where = tuple(
            slice(None) if k in kept else index if k == time else 0 for k in range(len(axes))
        )
        with refusing_damage(path, *form):
            return np.asarray(array[where]).transpose(order)

    frames = 1 if time is None else shape[time]
    return Stack(path, tuple(shape[k] for k in kept), array.dtype, load, range(frames))


# careful reading -----------------------------------------------------------------------------


def read_tiff(path: Path) -> tuple[np.ndarray, str]:
    """All images of a TIFF or OME-TIFF, and the letters of their axes, as tifffile names them.

    Raises:
        InputError: if it is damaged, no TIFF, or has several series of images.
    """
    with refusing_damage(path, *_TIFF), tifffile.TiffFile(path) as tiff:
        return _planes(tiff, path, lambda one: one.asarray())


def _planes(
    tiff: tifffile.TiffFile, path: Path, read: Callable[[tifffile.TiffPageSeries], Any]
) -> tuple[Any, str]:
    """One array of all images of a file, and the letters of its axes."""
    series = tiff.series
    if len(series) == 1:
        return read(series[0]), series[0].axes
    same = {(one.shape, one.dtype) for one in series}
    if tiff.is_ome or len(same) > 1:
        raise InputError(
            f"{path}: {len(series)} image series of shapes "
            f"{', '.join(sorted({str(one.shape) for one in series}))}; expected one recording. "
            "Save each position as a file of its own"
        )
    return np.stack([one.asarray() for one in series]), "T" + series[0].axes


_DAMAGE = (
    *(tifffile.TiffFileError, OSError, EOFError, ValueError, LookupError, struct.error),
    *(zlib.error, RuntimeError),  # of the codecs
)


@contextmanager
def refusing_damage(path: Path, kind: str, advice: str) -> Iterator[None]:
    """What a reader raises, or tifffile logs instead of raising, as an `InputError`.

    Args:
        path: what is read.
        kind: as what.
        advice: what to do about a damaged file.
    """
    try:
        with _complaints() as complaints:
            yield
    except InputError:
        raise
    except _DAMAGE as damage:
        raise InputError(
            f"{path}: cannot be read as {kind} ({one_line(damage)}). {advice}"
        ) from None
    # tifffile fills pixels that are missing with nothing or zeros, and only logs it
    grave = [complaint for complaint in complaints if not _spares_pixels(complaint)]
    if grave:
        raise InputError(f"{path}: truncated or damaged ({one_line(grave[0])}). {advice}")


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


def one_line(error: object) -> str:
    """What an error says, for a message of ours: its first 160 characters, in one line."""
    return " ".join(str(error).split())[:160]
