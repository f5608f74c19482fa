"""Cells of one recording -> localizations: masks, tables or graphs, and their lineage.

Everything is checked here, at the border: masks that lack a frame, or a lineage that says other
than the masks do, are refused in one line. Frame numbers in files and in settings are kept in
`first_frame`; in a store frames count from 0.
"""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Int
from scipy.spatial import cKDTree
from skimage import measure

from magik import detections, registration, schema
from magik.config import Source
from magik.errors import InputError
from magik.stacks import Stack, one_line, open_stack

SIZEABLE = 0.25
"""Parts of a mask that are at least so large a share of the largest may be cells of their own."""

SCATTERED = 10
"""Pieces for each label, beyond which labels are the brightness of a picture."""

PLANAR = ("area", "perimeter", "eccentricity", "solidity")
"""Descriptors of a mask (Methods), in px²; px; 1; 1. Of a mask with depth: its volume, `area`."""


# sources -------------------------------------------------------------------------------------


def read(source: Source, max_lag: int = 2) -> xr.Dataset:
    """The cells of one recording as LOCALIZATIONS of one video.

    Of masks: centroid, `label`, area, perimeter, eccentricity, solidity, mean intensity if there
    are images, and which masks share pixels with those of the last frames. Parts of one label in
    one frame are one cell. Of tables and GEFF: what `magik.detections` reads; those with a `radius`
    overlap as discs or balls of that size do. Without `field_of_view` theirs is the images'.

    Where a lineage is given, `particle` is the label (in a table: the track, else the label).
    The parent of a particle that is not in this video is -1.

    Args:
        source: where the files are, and which frames.
        max_lag: frames over which shared pixels are counted: the reach of the graph, whose edges
            would have no overlap beyond. As many frames are in memory, and one more.

    Returns:
        LOCALIZATIONS, ordered by frame, then label (in a table: row). Its attribute
        `first_frame` is the number of the first frame in the files.

    Raises:
        InputError: if a file, a frame or a column is missing or damaged, images and masks differ
            in frames or size, or the lineage contradicts itself or the masks; naming file,
            line or row, label and frame.
    """
    files = _files(source)
    if files.detections is not None:
        path = files.detections
        localizations = detections.read(_within_images(source))
        axes = [axis for axis in ("x", "y", "z") if axis in localizations]
        place = np.stack([localizations[axis].to_numpy() for axis in axes], axis=1)
        stage = registration.drift(place, localizations["frame"].to_numpy())
        localizations = _with_drift(localizations, axes, stage)
        if "radius" in localizations:
            localizations = _as_balls(localizations, place - stage, max_lag)
    else:
        masks, _ = masks_of(source)
        path = masks.path
        labelled = files.lineage is not None
        step = source.z_step_px
        if step and len(masks.frame_shape) == 2:
            raise InputError(
                f"{path}: z_step_px = {step:g}, but these masks have no planes along z"
            )
        localizations = _measure(masks, images_of(source), max_lag, labelled, step or 1.0)
    if files.lineage is not None:
        tracks = read_lineage(files.lineage)
        localizations = _with_lineage(localizations, tracks, files.lineage, path)
    return _without_absent_parents(localizations)


def join(videos: Sequence[xr.Dataset]) -> xr.Dataset:
    """Several videos in one store.

    Args:
        videos: LOCALIZATIONS, at least one.

    Returns:
        LOCALIZATIONS with the columns that all of them have and the largest field of view;
        `first_frame` is kept where all agree. If some have depth, the others lie at z = 0; if the
        stage of some jumped, that of the others stood still.
    """
    for name in ("z", "drift_x", "drift_y", "drift_z"):
        if any(name in video for video in videos):
            videos = [
                video if name in video else video.assign({name: 0.0 * video["x"]})
                for video in videos
            ]
    names = [n for n in videos[0].data_vars if all(n in video for video in videos)]
    largest = np.max([video.attrs["field_of_view"] for video in videos], axis=0)
    attrs = {"field_of_view": largest.tolist()}
    firsts = {video.attrs.get("first_frame") for video in videos}
    if len(firsts) == 1 and None not in firsts:
        attrs["first_frame"] = firsts.pop()
    joined = {
        name: (
            videos[0][name].dims,
            np.concatenate([video[name].to_numpy() for video in videos]),
        )
        for name in names
    }
    return xr.Dataset(joined, attrs=attrs)


def masks_of(source: Source) -> tuple[Stack, int]:
    """The masks of a recording, frame by frame.

    Args:
        source: with masks or a folder.

    Returns:
        labels: [frame, (z,) y, x], the frames that `read` has; `np.asarray` loads them all.
        first_frame: number of the first in the files.

    Raises:
        InputError: if they are missing, damaged, or the source has none.
    """
    files = _files(source)
    if files.masks is None:
        raise InputError(
            f"{files.detections}: detections without masks; expected 'masks' or a 'folder' of the "
            "Cell Tracking Challenge"
        )
    masks = _cut(open_stack(files.masks), source)
    if masks.dtype.kind not in "iub":
        raise InputError(
            f"{masks.path}: masks of type {masks.dtype}; expected whole numbers, one for each "
            "cell. Save them as 16- or 32-bit labels"
        )
    return masks, masks.first_frame


def images_of(source: Source) -> Stack | None:
    """The images that the cells were found in, frame by frame; None if the source has none.

    Args:
        source: any.

    Returns:
        [frame, (z,) y, x], the frames that `read` has: its frame 0 is the first here. Beside
        masks they are counted as those, else as their files say; a single file counts from 0.

    Raises:
        InputError: if they are damaged, differ from the masks in frames or size, or lack a frame
            of the table or GEFF.
    """
    return _beside(_files(source).images, source)


def recording(source: Source) -> schema.Recording:
    """What the cells of a source were found in; without masks the cells are dots."""
    labels = None if source.table or source.geff else masks_of(source)[0]
    return schema.Recording(images_of(source), labels)


def gold(source: Source) -> tuple[Stack, Stack, np.ndarray, int] | None:
    """Masks, markers made by hand and their lineage, and the first frame; None without markers.

    Raises:
        InputError: as `masks_of`; if a mother has no marker in her last frame or a daughter in her
            first, without which the challenge's measures cannot link them.
    """
    markers, lines = markers_of(source), lineage_of(source)
    if markers is None or lines is None or source.table or source.geff:
        return None
    _refuse_lost_markers(markers, lines, _files(source).lineage)
    return masks_of(source)[0], markers, lines, markers.first_frame


def markers_of(source: Source) -> Stack | None:
    """The gold markers of a recording (man_track*.tif), frame by frame; None without.

    Args:
        source: any.

    Returns:
        labels: [frame, (z,) y, x], the frames that `read` has.

    Raises:
        InputError: as `images_of`.
    """
    return _beside(_files(source).markers, source)


def lineage_of(source: Source) -> Int[np.ndarray, "tracks 4"] | None:
    """The lineage file of a recording within its `frames`; None without.

    Args:
        source: any.

    Returns:
        label, first frame, last frame (numbers in the files), parent (0 = none, also where it
        ended before the first frame).

    Raises:
        InputError: if the file is missing or contradicts itself.
    """
    path = _files(source).lineage
    tracks = None if path is None else read_lineage(path)
    if tracks is None or source.frames is None:
        return tracks
    first, end = source.frames
    tracks = tracks[(tracks[:, 1] < end) & (tracks[:, 2] >= first)]
    tracks[:, 1:3] = tracks[:, 1:3].clip(first, end - 1)
    tracks[~np.isin(tracks[:, 3], tracks[:, 0]), 3] = 0
    return tracks


@dataclass(frozen=True)
class _Files:
    """Where everything of a source lies; None = it has none."""

    masks: Path | None = None
    detections: Path | None = None
    images: Path | None = None
    lineage: Path | None = None
    markers: Path | None = None


def _files(source: Source) -> _Files:
    """The paths of a source; those in a sequence of the challenge must exist."""
    given = {
        name: Path(path)
        for name in ("masks", "images", "lineage", "markers")
        if (path := getattr(source, name)) is not None
    }
    if source.folder is None:
        rows = source.table or source.geff
        return _Files(**given, detections=None if rows is None else Path(rows))
    folder = Path(source.folder)
    truth = folder.with_name(f"{folder.name}_GT") / "TRA"
    usual = {
        "images": folder,
        "masks": folder.with_name(f"{folder.name}_ST") / "SEG",
        "lineage": truth / "man_track.txt",
        "markers": truth,
    }
    if not folder.exists():
        del usual["images"]  # masks alone do
    if not truth.parent.exists():
        del usual["lineage"], usual["markers"]  # a recording of the user's own
    for name, path in usual.items():
        if name not in given and not path.exists():
            raise InputError(
                f"{folder}: no {name}; looked for {path}. A sequence of the Cell Tracking "
                f"Challenge has {folder.name}, {folder.name}_ST/SEG and {folder.name}_GT/TRA side "
                "by side. Name other files by 'masks', 'images', 'lineage'"
            )
    return _Files(**(usual | given))


def _beside(path: Path | None, source: Source) -> Stack | None:
    """Images or markers at `path`, which must be as many and as large as the masks."""
    if path is None:
        return None
    stack = open_stack(path)
    masks = _files(source).masks
    if masks is not None:
        model = open_stack(masks)
        if not (stack.numbered and model.numbered):
            stack = replace(stack, first_frame=model.first_frame)
        for what, found, expected in (
            ("frames", stack.span, model.span),
            ("pixels", stack.size, model.size),
        ):
            if found != expected:
                raise InputError(
                    f"{path}: {what} {found}, but {masks} has {what} {expected}; expected the same"
                )
    return _cut(stack, source)


def _within_images(source: Source) -> Source:
    """Of detections: with the field of view of their images, if it is not given."""
    images = _files(source).images
    if images is None or source.field_of_view is not None:
        return source
    return source.model_copy(update={"field_of_view": open_stack(images).frame_shape[-2:]})


def _cut(stack: Stack, source: Source) -> Stack:
    """The frames that the store of this source has."""
    if source.frames is not None:
        why = f"frames = {list(source.frames)} (first, one after the last)"
        return stack.cut(source.frames, why)
    rows = _files(source).detections
    if rows is None:
        return stack
    video = detections.read(source)
    first = video.attrs["first_frame"]
    end = first + int(video["n_frames"][0])
    return stack.cut(
        (first, end), f"the detections of {rows} are in the frames {first} to {end - 1}"
    )


# masks ---------------------------------------------------------------------------------------


def _measure(
    masks: Stack, images: Stack | None, max_lag: int, labelled: bool, z_step: float
) -> xr.Dataset:
    """Every label of every frame: centroid, descriptors, pixels shared over some frames.

    Unless they are known to be `labelled`, masks of a single value may be a foreground alone.
    Planes are `z_step` px apart; the first lies at half a px, as the first row and column do.
    """
    flat = len(masks.frame_shape) == 2
    axes, spacing = (("y", "x"), (1, 1)) if flat else (("z", "y", "x"), (z_step, 1, 1))
    wanted = {f"centroid-{k}": axis for k, axis in enumerate(axes)}
    wanted |= {name: name for name in (PLANAR if flat else ("area",))}
    if images is not None:
        wanted["intensity_mean"] = "intensity"
    properties = sorted({name.split("-")[0] for name in wanted})

    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("label", *wanted.values())}
    sizes: list[int] = []
    parts: list[int] = []
    pairs: list[np.ndarray] = []
    recent: deque[_Seen] = deque(maxlen=max_lag)
    place, stage, stages = np.zeros((0, len(axes))), np.zeros(len(axes)), []
    for t in range(len(masks)):
        label, rank = _ranked(masks[t], masks.path, masks.first_frame + t)
        if t == 0:
            _refuse_image(rank, masks)
        image = None if images is None else images[t].astype(float)
        table = measure.regionprops_table(rank, image, properties=properties, spacing=spacing)
        columns["label"].append(label)
        parts.append(0 if labelled or len(label) > 1 else _sizeable_parts(rank))
        for theirs, ours in wanted.items():
            columns[ours].append(table[theirs] + (0.5 if ours in axes else 0.0))
        here = np.stack([columns[axis][-1] for axis in axes], axis=1)
        if len(here):  # an empty frame tells nothing
            stage = stage + registration.jump(place, here)
            place = here
        stages.append(np.broadcast_to(stage, here.shape))
        seen = _Seen(sum(sizes), rank, stage / spacing)
        pairs.append(_overlaps(recent, seen))
        recent.append(seen)
        sizes.append(len(label))
    _refuse_foreground(np.unique(np.concatenate(columns["label"])), parts, masks)
    if images is not None:
        _refuse_no_numbers(columns["intensity"], images)

    video = detections.one_video(
        np.repeat(np.arange(len(masks)), sizes),
        {name: np.concatenate(parts) for name, parts in columns.items()},
        len(masks),
        masks.first_frame,
        masks.frame_shape[-2:],
    )
    sender, receiver, pixels = np.concatenate(pairs, axis=1)
    return _with_drift(video, axes, np.concatenate(stages)).assign(
        n_pair=("video", [len(pixels)]),
        pair_sender=("pair", sender),
        pair_receiver=("pair", receiver),
        pair_pixels=("pair", pixels if z_step == 1 else pixels * z_step),  # as volumes are
    )


def _ranked(labels: np.ndarray, path: Path, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels of a frame, ascending; and its masks with their ranks, from 1, instead."""
    if labels.min() < 0:
        raise InputError(
            f"{path}: frame {frame}: label {labels.min()}; expected 0 (background) or more"
        )
    inside = labels > 0
    label, rank = np.unique(labels[inside], return_inverse=True)
    ranked = np.zeros(labels.shape, np.int32)
    ranked[inside] = rank + 1
    return label.astype(np.int64), ranked


def _sizeable_parts(mask: np.ndarray) -> int:
    """Parts of a mask, none touching another, that may be cells of their own."""
    size = np.bincount(measure.label(mask).ravel())[1:]
    return int(np.sum(size >= SIZEABLE * size.max(initial=0)))


def _refuse_foreground(values: np.ndarray, parts: Sequence[int], masks: Stack) -> None:
    """A mask of what is cell and what is not, in which all cells of a frame were taken for one."""
    if len(values) == 1 and max(parts) > 1:
        t = int(np.argmax(np.array(parts) > 1))
        raise InputError(
            f"{masks.path}: frame {masks.first_frame + t}: {parts[t]} separate regions, and every "
            f"pixel of a cell in this recording is {values[0]}: a foreground, it seems; expected a "
            "number of its own for each cell. Label connected regions (Fiji: MorphoLibJ; Python: "
            "skimage.measure.label), or, if they are one cell in parts, give its 'lineage'"
        )


def _refuse_image(rank: np.ndarray, masks: Stack) -> None:
    """A picture: the pixels of one value lie all over it."""
    labels, parts = int(rank.max(initial=0)), int(measure.label(rank, connectivity=1).max())
    if parts > SCATTERED * labels:
        raise InputError(
            f"{masks.path}: frame {masks.first_frame}: {labels} labels in {parts} pieces, "
            "scattered over the image: a picture, it seems; expected a number of its own for each "
            "cell. Pictures belong to 'images'"
        )


class _Seen(NamedTuple):
    """A frame: its first row, its ranked masks, and where the stage stood, pixels and planes."""

    first: int
    rank: np.ndarray
    stage: np.ndarray


def _overlaps(recent: Iterable[_Seen], later: _Seen) -> np.ndarray:
    """[sender, receiver, pixels] of masks that share pixels with those of earlier frames.

    Where the stage jumped between them, as if it had not.
    """
    found = [np.zeros((3, 0), np.int64)]
    for earlier in recent:
        jump = np.round(later.stage - earlier.stage).astype(int)
        one, other = _laid_over(earlier.rank, later.rank, jump)
        both = (one > 0) & (other > 0)
        base = int(earlier.rank.max(initial=0)) + 1
        code = other[both].astype(np.int64) * base + one[both]
        code, pixels = np.unique(code, return_counts=True)
        receiver, sender = np.divmod(code, base)
        found.append(np.stack([sender - 1 + earlier.first, receiver - 1 + later.first, pixels]))
    pairs = np.concatenate(found, axis=1)
    return pairs[:, np.lexsort((pairs[0], pairs[1]))]


def _laid_over(
    earlier: np.ndarray, later: np.ndarray, jump: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What two masks have in common, if the later one was taken `jump` px further."""
    sides = list(zip(jump.tolist(), earlier.shape, strict=True))
    one = tuple(slice(max(0, -by), max(0, size - by)) for by, size in sides)
    other = tuple(slice(max(0, by), max(0, size + by)) for by, size in sides)
    return earlier[one], later[other]


def _with_drift(video: xr.Dataset, axes: Sequence[str], stage: np.ndarray) -> xr.Dataset:
    """With the stage of each localization, where it jumped at all."""
    if not stage.any():
        return video
    return video.assign(
        {f"drift_{axis}": ("localization", stage[:, k]) for k, axis in enumerate(axes)}
    )


def _as_balls(video: xr.Dataset, place: np.ndarray, max_lag: int) -> xr.Dataset:
    """Detections of a known radius overlap as discs, or balls, do; `area` is theirs.

    Args:
        video: LOCALIZATIONS with `radius`.
        place: [localizations, axes] px, without the jumps of the stage.
        max_lag: frames over which they may overlap.
    """
    frame, radius = video["frame"].to_numpy(), video["radius"].to_numpy().astype(float)
    apart = 4 * radius.max(initial=1)  # frames stand as sheets, too far apart to meet
    sheets = np.column_stack([place, frame * apart])
    found = [np.zeros((3, 0))]
    for lag in range(1, max_lag + 1):
        later = sheets - np.append(np.zeros(place.shape[1]), lag * apart)
        near = cKDTree(sheets).sparse_distance_matrix(
            cKDTree(later), 2 * radius.max(initial=0), output_type="ndarray"
        )
        sender, receiver = near["i"], near["j"]
        shared = _shared(near["v"], radius[sender], radius[receiver], place.shape[1])
        found.append(np.stack([sender, receiver, shared])[:, shared > 0])
    pairs = np.concatenate(found, axis=1)
    sender, receiver, shared = pairs[:, np.lexsort((pairs[0], pairs[1]))]
    size = np.pi * radius**2 if place.shape[1] == 2 else 4 / 3 * np.pi * radius**3
    if "area" not in video:
        video = video.assign(area=("localization", size))
    return video.assign(
        n_pair=("video", [len(shared)]),
        pair_sender=("pair", sender.astype(np.int64)),
        pair_receiver=("pair", receiver.astype(np.int64)),
        pair_pixels=("pair", shared),
    )


def _shared(distance: np.ndarray, one: np.ndarray, other: np.ndarray, axes: int) -> np.ndarray:
    """Area that two discs, or volume that two balls, of these radii have in common."""
    least = np.minimum(one, other)
    whole = np.pi * least**2 if axes == 2 else 4 / 3 * np.pi * least**3
    d = np.clip(distance, 1e-9, None)
    with np.errstate(invalid="ignore"):
        if axes == 2:
            a = np.arccos(np.clip((d**2 + one**2 - other**2) / (2 * d * one), -1, 1))
            b = np.arccos(np.clip((d**2 + other**2 - one**2) / (2 * d * other), -1, 1))
            lens = one**2 * (a - np.sin(2 * a) / 2) + other**2 * (b - np.sin(2 * b) / 2)
        else:
            reach = one + other - d
            lens = np.pi / 12 * reach**2 / d
            lens *= d**2 + 2 * d * (one + other) - 3 * (one - other) ** 2
    lens = np.where(d <= np.abs(one - other), whole, lens)
    return np.where(d >= one + other, 0.0, lens)


def _refuse_no_numbers(intensity: Sequence[np.ndarray], images: Stack) -> None:
    for t, values in enumerate(intensity):
        if not np.isfinite(values).all():
            raise InputError(
                f"{images.path}: frame {images.first_frame + t} has counts within a mask that are "
                "NaN or infinite; expected finite counts"
            )


# lineage -------------------------------------------------------------------------------------


def read_lineage(path: str | Path) -> Int[np.ndarray, "tracks 4"]:
    """A lineage file of the Cell Tracking Challenge (man_track.txt, res_track.txt).

    Args:
        path: the file.

    Returns:
        label, first frame, last frame, parent (0 = none), as in the file.

    Raises:
        InputError: if it is missing, a line is not four whole numbers, a label is 0 or appears
            twice, a track ends before it begins, or a parent does not exist or does not end
            before its child begins; naming file and line.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such lineage; expected lines of label, begin, end, parent")
    rows: dict[int, tuple[int, int, int]] = {}
    lines: dict[int, int] = {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        where = f"{path}:{number}"
        if not line.strip():
            continue
        if not re.fullmatch(r"\s*\d+(\s+\d+){3}\s*", line):
            raise InputError(
                f"{where}: found '{one_line(line)}'; expected four whole numbers: label, first "
                "frame, last frame, parent (0 = none)"
            )
        label, begin, end, parent = map(int, line.split())
        if label == 0:
            raise InputError(f"{where}: label 0 is the background of the masks; expected 1 or more")
        if label in rows:
            raise InputError(
                f"{where}: label {label} also stands in line {lines[label]}; expected one line each"
            )
        if end < begin:
            raise InputError(
                f"{where}: label {label} ends in frame {end} before it begins in {begin}"
            )
        rows[label], lines[label] = (begin, end, parent), number
    for label, (begin, _, parent) in rows.items():
        where = f"{path}:{lines[label]}"
        if parent and parent not in rows:
            raise InputError(f"{where}: label {label} has parent {parent}, which has no line")
        if parent and rows[parent][1] >= begin:
            raise InputError(
                f"{where}: label {label} begins in frame {begin}, but its parent {parent} lives "
                f"until frame {rows[parent][1]}; expected the parent to end before"
            )
    return np.array([(label, *row) for label, row in rows.items()], np.int64).reshape(-1, 4)


def _with_lineage(
    localizations: xr.Dataset, tracks: np.ndarray, path: Path, where: Path
) -> xr.Dataset:
    """Labels, or the tracks of a table, as the truth that a lineage file tells.

    A track without any mask is no contradiction: silver masks miss some cells.
    """
    name = next((name for name in ("particle", "label") if name in localizations), None)
    if name is None:
        raise InputError(
            f"{where}: no column 'track' or 'label' that {path} could tell of; name it: "
            "columns: {particle: <its name>}"
        )
    label = localizations[name].to_numpy()
    frame = localizations["frame"].to_numpy() + localizations.attrs["first_frame"]
    _, begin, end, parent = _of_labels(tracks, label)
    unknown = (begin < 0) & (label >= 0)
    if np.any(unknown):
        row = int(np.argmax(unknown))
        raise InputError(
            f"{where}: frame {frame[row]}: label {label[row]} has no line in {path}; expected "
            "one line for each label"
        )
    outside = ((frame < begin) | (frame > end)) & (label >= 0)
    if np.any(outside):
        row = int(np.argmax(outside))
        raise InputError(
            f"{where}: frame {frame[row]}: label {label[row]} is there, but {path} says that it "
            f"lives from frame {begin[row]} to {end[row]}. Frames of a single file count from 0"
        )
    return localizations.assign(
        particle=("localization", label),
        parent_particle=("localization", np.where(parent > 0, parent, -1)),
    )


def _refuse_lost_markers(markers: Stack, lines: np.ndarray, path: Path | None) -> None:
    daughters, mothers = lines[lines[:, 3] > 0], lines[np.isin(lines[:, 0], lines[:, 3])]
    wanted = np.concatenate([daughters[:, [1, 0]], mothers[:, [2, 0]]])  # frame, label
    for frame in np.unique(wanted[:, 0]).tolist():
        label, index = wanted[wanted[:, 0] == frame, 1], frame - markers.first_frame
        lost = label[~np.isin(label, markers[index] if 0 <= index < len(markers) else [])]
        if len(lost):
            raise InputError(
                f"{markers.path}: frame {frame}: no marker has the label {lost[0]}, but {path} "
                "says that it divides or is born there; expected a marker in the last frame of a "
                "mother and in the first of a daughter"
            )


def _of_labels(tracks: np.ndarray, label: np.ndarray) -> np.ndarray:
    """[4, rows] the line of each label; -1 where there is none."""
    padded = np.concatenate([tracks, np.full((1, 4), -1)])
    padded = padded[np.argsort(padded[:, 0])]
    found = np.searchsorted(padded[:, 0], label).clip(max=len(padded) - 1)
    return padded[np.where(padded[found, 0] == label, found, 0)].T


def _without_absent_parents(localizations: xr.Dataset) -> xr.Dataset:
    if "parent_particle" not in localizations:
        return localizations
    parent = localizations["parent_particle"].to_numpy()
    known = np.isin(parent, localizations["particle"])
    return localizations.assign(parent_particle=("localization", np.where(known, parent, -1)))
