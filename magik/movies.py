"""Tracks as they are seen: their colours, the same everywhere, and the overlay movie."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Int
from PIL import Image, ImageDraw, ImageFont

from magik import greys, job, lineage, lineages, schema

SIDE = 400
"""px; longer side of an overlay movie, at most."""

ENLARGED = 4
"""A small field of view is shown up to this many times larger."""

MOST_FRAMES = 200
"""Of an overlay movie; of a longer recording every second, third, ... frame is shown."""

OUTLINE = 2
"""px; of a cell in an overlay movie."""

TAIL = 15
"""Frames over which a cell's past is shown."""

MARKED = 4
"""Frames of the movie in which a division, or a merge, is shown in white."""

FRAME_MS = 100
"""How long the overlay movie shows a frame."""


# colours -------------------------------------------------------------------------------------


def _hues(number: int) -> np.ndarray:
    """Colours [number, RGB] of about the same lightness, successive ones far apart.

    On a circle of OKLab (Ottosson 2020), each a golden section further than the one before.
    """
    angle = 2 * np.pi * ((math.sqrt(5) - 1) / 2) * np.arange(number)
    lightness = np.resize([0.76, 0.57, 0.66], number)
    lab = np.stack([lightness, 0.2 * np.cos(angle), 0.2 * np.sin(angle)])
    cones = [[1, 0.3963, 0.2158], [1, -0.1056, -0.0639], [1, -0.0895, -1.2915]]
    rgb = [[4.0767, -3.3077, 0.231], [-1.2684, 2.6098, -0.3413], [-0.0042, -0.7034, 1.7076]]
    linear = np.clip(np.array(rgb) @ (np.array(cones) @ lab) ** 3, 0, 1)
    encoded = np.where(linear < 0.0031, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * encoded.T).astype(np.uint8)


PALETTE = _hues(120)
"""Colours of tracks, RGB; `colours` says which."""


def colours(tracks: xr.Dataset) -> Int[np.ndarray, " tracks"]:
    """Row of `PALETTE` for each track, the same in movies, figures and lineage trees.

    Where the truth is known, the track that follows a particle longest takes its colour from the
    particle, so that true and found tracks that match look alike, and a broken track does not.
    """
    number = tracks.sizes["track"]
    if "particle" not in tracks:
        return np.arange(number) % len(PALETTE)
    both = pd.DataFrame({name: tracks[name].to_numpy() for name in ("particle", "track")})
    shared = both[both["particle"] >= 0].value_counts().rename("rows").reset_index()
    shared = shared.sort_values(["rows", "particle", "track"], ascending=[False, True, True])
    colour = np.full(number, -1)
    taken: set[int] = set()
    for particle, track in shared[["particle", "track"]].to_numpy().tolist():
        if particle not in taken and colour[track] < 0:
            colour[track] = particle
            taken.add(particle)
    others = np.flatnonzero(colour < 0)
    colour[others] = max(taken, default=-1) + 1 + np.arange(len(others))
    return colour % len(PALETTE)


# view ----------------------------------------------------------------------------------------

MARGIN = 0.05
"""Between the first positions and the side of a view, as a share of what they spread over."""


class View(NamedTuple):
    """The part of the field of view that is shown, px."""

    left: float
    top: float
    width: float
    height: float


def view(tracks: xr.Dataset, pixels: bool) -> View:
    """The field of view; where it is known up to the last position only, from before the first on.

    Args:
        tracks: TRACKS of one video.
        pixels: whether images or masks say how large the field of view is.
    """
    height, width = map(float, tracks.attrs["field_of_view"])
    place = lineages.positions(tracks)[:, :-3:-1]  # x, y
    if pixels or not len(place) or tuple(np.ceil(place.max(axis=0))) != (width, height):
        return View(0, 0, width, height)
    margin = np.maximum(MARGIN * np.ptp(place, axis=0), 1)
    left, top = np.maximum(np.floor(place.min(axis=0) - margin), 0).tolist()
    return View(left, top, width - left, height - top)


# movie ---------------------------------------------------------------------------------------

_GREYS = 32  # few, because noise makes large files
_GROUND = 3  # grey where there is no image
_WHITE = _GREYS - 1
_FONT = ImageFont.load_default_imagefont()  # the other one that comes with Pillow has no µ


def movie(
    tracks: xr.Dataset,
    images: schema.Frames | None,
    labels: schema.Frames | None,
    path: str | Path,
    pixel_size_um: float | None = None,
) -> None:
    """Overlay movie, GIF: each cell in the colour of its track, with a tail of its past.

    Cells are outlined where there are masks, else dotted. Links of a division, or a merge, are
    white in its first frames. Of 3D data the maximum along z is shown.

    Args:
        tracks: TRACKS of one video, with `label` where there are masks.
        images: counts [frame, y, x] or [frame, z, y, x]; without them the ground is dark.
        labels: masks, shaped likewise.
        path: where.
        pixel_size_um: µm per px for the scale bar; without it the bar is in px.
    """
    left, top, width, height = view(tracks, not (images is None and labels is None))
    zoom = min(SIDE / max(height, width), ENLARGED)
    size = max(1, round(width * zoom)), max(1, round(height * zoom))
    place = (lineages.positions(tracks)[:, -2:] - (top, left)) * zoom
    frames = int(tracks["n_frames"][0])
    shown = range(0, frames, -(-frames // MOST_FRAMES))
    levels = None if images is None else _levels(images, shown)
    rows = list(lineages.rows_of_frames(tracks))
    paint = _GREYS + colours(tracks)[tracks["track"].to_numpy()]
    drawn = []
    for frame in shown:
        canvas = np.full(size[::-1], _GROUND, np.uint8)
        if images is not None and levels is not None:
            canvas = _grey(flat(images[frame]), levels, size)
        if labels is not None:
            found = tracks["label"].to_numpy()[rows[frame]]
            _outline(canvas, flat(labels[frame]), found, paint[rows[frame]])
        picture = Image.fromarray(canvas)
        picture.putpalette(np.concatenate([np.repeat(_SHADES, 3), PALETTE.ravel()]).tolist())
        drawn.append(picture)
    pens = [ImageDraw.Draw(picture) for picture in drawn]
    _draw_links(pens, shown, tracks, paint, place)
    for pen, frame in zip(pens, shown, strict=True):
        if labels is None:
            here = rows[frame]
            for (y, x), colour in zip(place[here], paint[here].tolist(), strict=True):
                pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)
        number = frame + int(tracks.attrs.get("first_frame", 0))
        pen.text((6, 4), f"frame {number}", fill=_WHITE, font=_FONT)
        _draw_scale_bar(pen, size, zoom, pixel_size_um)
    with job.whole(path) as aside:
        drawn[0].save(
            aside,
            format="GIF",
            save_all=True,
            append_images=drawn[1:],
            duration=FRAME_MS,
            loop=0,
            optimize=False,
        )


_SHADES = np.rint(np.linspace(0, 255, _GREYS)).astype(np.uint8)


def flat(image: np.ndarray) -> np.ndarray:
    """An image as it is, a volume [z, y, x] seen along z: the maximum, of what is a number."""
    return np.fmax.reduce(image, axis=0) if image.ndim == 3 else image


def _levels(images: schema.Frames, shown: range) -> tuple[float, float]:
    """Counts shown in black and in white, from up to five frames of the recording."""
    some = [flat(images[frame])[::2, ::2].ravel() for frame in shown[:: max(1, len(shown) // 4)]]
    return greys.limits(np.concatenate(some), (0.5, 99.5))


def _grey(image: np.ndarray, levels: tuple[float, float], size: tuple[int, int]) -> np.ndarray:
    """Shades of grey 0 ... _WHITE [y, x] of the size, given as (width, height); black for NaN."""
    low, high = levels
    part = np.clip((image.astype(np.float32) - low) / (high - low), 0, 1)
    shades = Image.fromarray(np.rint(np.nan_to_num(part) * _WHITE).astype(np.uint8))
    return np.array(shades.resize(size, Image.Resampling.BOX))


def _outline(canvas: np.ndarray, mask: np.ndarray, label: np.ndarray, paint: np.ndarray) -> None:
    """Paint those pixels of each cell that lie within OUTLINE pixels of another cell or none."""
    y, x = (
        ((np.arange(pixels) + 0.5) * side / pixels).astype(int)
        for pixels, side in zip(canvas.shape, mask.shape, strict=True)
    )
    inner = lineages.relabelled(mask[np.ix_(y, x)], label, np.arange(1, len(label) + 1))
    cells = np.pad(inner, OUTLINE, "edge")
    border = np.zeros(inner.shape, bool)
    for axis in (0, 1):
        for shift in range(-OUTLINE, OUTLINE + 1):
            other = np.roll(cells, shift, axis)[OUTLINE:-OUTLINE, OUTLINE:-OUTLINE]
            border |= inner != other
    border &= inner > 0
    canvas[border] = paint[inner[border] - 1]


def _draw_links(
    pens: list[ImageDraw.ImageDraw],
    shown: range,
    tracks: xr.Dataset,
    paint: np.ndarray,
    place: np.ndarray,
) -> None:
    """In each picture the links of its last TAIL frames; `place` [row, (y, x)] in the picture."""
    frame = tracks["frame"].to_numpy()
    (sender, receiver), division = lineage.links_of_tracks(tracks)
    step = shown.step
    for one, two, divides in zip(
        sender.tolist(), receiver.tolist(), division.tolist(), strict=True
    ):
        line = [tuple(place[row, ::-1].tolist()) for row in (one, two)]
        begin = -(-int(frame[two]) // step)
        for at in range(begin, min(len(pens), (int(frame[one]) + TAIL) // step + 1)):
            marked = divides and at < begin + MARKED
            pens[at].line(
                line, fill=_WHITE if marked else int(paint[two]), width=3 if marked else 2
            )


def _draw_scale_bar(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], zoom: float, pixel_size_um: float | None
) -> None:
    """A white bar of a round length, at most about a third of the width."""
    unit = pixel_size_um or 1.0
    reach = 0.36 * size[0] / zoom * unit
    power = 10.0 ** math.floor(math.log10(reach))
    length = max(step * power for step in (1, 2, 5) if step * power <= reach)
    right, bottom = size[0] - 8, size[1] - 8
    left = right - length / unit * zoom
    pen.rectangle((left, bottom - 3, right - 1, bottom), fill=_WHITE)
    text = f"{length:g} {'px' if pixel_size_um is None else 'µm'}"
    width = pen.textlength(text, font=_FONT)
    pen.text(((left + right - width) / 2, bottom - 17), text, fill=_WHITE, font=_FONT)
