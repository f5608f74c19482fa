"""Tracks -> what a cell biologist takes along: files of other tools, tables, a summary.

A track is called by its number + 1 everywhere outside of the store, so that 0 is free for "none".
Everything here is of one video. The same results give the same bytes, and each file or folder
stands whole or not at all.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
import xarray as xr
from geff.core_io import write_arrays
from geff_spec import Axis, GeffMetadata
from jaxtyping import Bool, Float, Integer, UInt32

from magik import export, job, lineage, neighbours, schema
from magik.errors import InputError

MOST_LABELS = 65_535
"""Of a Cell Tracking Challenge result, whose masks are uint16."""

LARGEST_DISC = 5.0
"""px; radius of a detection without a mask, at most."""

MOST_PIXELS, MOST_VOXELS = 50_000_000, 2_000_000
"""Of an image that discs are drawn into, and of a volume with balls; of a larger one all sides are
divided by 2, 3, ..."""


# files of other tools ------------------------------------------------------------------------


def challenge(
    tracks: xr.Dataset,
    labels: schema.Frames | None,
    folder: str | Path,
    first_frame: int = 0,
) -> None:
    """A result in the format of the Cell Tracking Challenge: `mask000.tif` ..., `res_track.txt`.

    A label lasts over successive frames there: a track with a gap is written as two labels, the
    first being the parent of the second. The first part of a track is labelled by the track's
    number + 1, as in `table`; further parts are numbered after all tracks. Nor can a label have
    two parents: where tracks merge, all but `parent` are left out, and the log says so. Where
    there are more than MOST_LABELS, `README.txt` says so, and nothing else is written.

    Args:
        tracks: TRACKS of one video, with `label` where there are masks.
        labels: the masks that the localizations were found in [frame, y, x] or [frame, z, y, x];
            pixels of labels that are no localization become 0. Without them a disc, or ball, is
            drawn at each position, its radius half the median distance to the nearest neighbour,
            at most LARGEST_DISC; into an image or volume whose sides, positions and radii are
            divided by the least whole number that leaves MOST_PIXELS, or MOST_VOXELS, or fewer.
            Each cell has a pixel of its own. The files do not say that number: compare their sides
            with the field of view.
        folder: where; must be new or empty.
        first_frame: number of the first frame in the names of files and in `res_track.txt`.

    Raises:
        InputError: if the folder is not empty, or if the masks are not those of the tracks.
    """
    row_label, lines = parts(tracks)
    if len(lines) > MOST_LABELS:
        why = (
            f"left empty: {len(lines):,} labels, but a Cell Tracking Challenge result holds "
            f"{MOST_LABELS:,}. Take GEFF or a table, or cut the recording into shorter ones"
        )
        print(f"{folder}: {why}")
        with _whole_folder(folder) as aside:
            aside.mkdir()
            (aside / "README.txt").write_text(f"{why}\n")
        return
    frames = int(tracks["n_frames"][0])
    if labels is not None and len(labels) != frames:
        raise InputError(
            f"{folder}: masks of {len(labels)} frames, tracks of {frames}; "
            "expected the masks that the tracks were made from"
        )
    if "merge_track" in tracks:
        print(
            f"{folder}: {tracks.sizes['merge']:,} links of tracks that merge are left out: a label "
            "of a Cell Tracking Challenge result has one parent at most. GEFF, tables and napari's "
            "graph have them"
        )
    digits = max(3, len(str(first_frame + frames - 1)))
    shape, divisor = _sides_of_discs(tracks)
    place = positions(tracks) / divisor
    radius = _disc_radius(tracks) / divisor
    with _whole_folder(folder) as aside:
        aside.mkdir()
        for frame, rows in enumerate(rows_of_frames(tracks)):
            number = first_frame + frame
            if labels is None:
                mask = _discs(place[rows], row_label[rows], shape, radius)
            else:
                found = tracks["label"].to_numpy()[rows]
                mask = relabelled(labels[frame], found, row_label[rows])
                _refuse_other_masks(mask, found, row_label[rows], f"{folder}: frame {number}")
            tifffile.imwrite(
                aside / f"mask{number:0{digits}d}.tif",
                mask.astype(np.uint16, copy=False),
                photometric="minisblack",
                compression="zlib",
                compressionargs={"level": 1},  # masks are mostly empty
            )
        lines[:, 1:3] += first_frame
        text = "".join(f"{' '.join(map(str, line))}\n" for line in lines.tolist())
        (aside / "res_track.txt").write_text(text)


@contextmanager
def _whole_folder(path: str | Path) -> Iterator[Path]:
    """As `job.whole`, for a folder: never over one that holds something."""
    if Path(path).exists() and (not Path(path).is_dir() or any(Path(path).iterdir())):
        raise InputError(f"{path}: is there already, and not empty. Remove it or name another")
    with job.whole(path) as aside:
        yield aside


def parts(
    tracks: xr.Dataset,
) -> tuple[Integer[np.ndarray, " localization"], Integer[np.ndarray, "labels 4"]]:
    """Tracks cut at their gaps, as challenge format has them.

    Args:
        tracks: TRACKS of one video.

    Returns:
        The label of each row; and label, first frame, last frame, parent (0 = none) of each label.
    """
    track, frame = (tracks[name].to_numpy().astype(np.int64) for name in ("track", "frame"))
    order = np.lexsort((frame, track))
    starts, goes_on = np.ones(len(order), bool), np.zeros(len(order), bool)
    goes_on[1:] = np.diff(track[order]) == 0
    starts[1:] = ~goes_on[1:] | (np.diff(frame[order]) > 1)
    first, last = order[starts], order[np.roll(starts, -1)]
    cut = goes_on[starts]  # parts that go on with a track after a gap

    label = track[first] + 1
    label[cut] = tracks.sizes["track"] + 1 + np.arange(cut.sum())
    last_label = np.zeros(tracks.sizes["track"] + 1, np.int64)  # the last one: of no track
    last_label[track[first]] = label  # of the parts of a track the last one stays
    mother = tracks["parent"].to_numpy()[track[first]]
    parent = np.where(cut, np.roll(label, 1), last_label[mother])

    row_label = np.empty(len(order), np.int64)
    row_label[order] = label[np.cumsum(starts) - 1]
    lines = np.stack([label, frame[first], frame[last], parent], axis=1)
    return row_label, lines[np.argsort(label)]


def rows_of_frames(tracks: xr.Dataset) -> Iterator[slice]:
    """The rows of each frame of a video, also of empty ones.

    Args:
        tracks: TRACKS of one video.
    """
    frame = tracks["frame"].to_numpy()
    sides = np.searchsorted(frame, np.arange(int(tracks["n_frames"][0]) + 1))
    yield from map(slice, sides[:-1].tolist(), sides[1:].tolist())


def relabelled(
    mask: Integer[np.ndarray, "*pixels"] | Bool[np.ndarray, "*pixels"],
    old: Integer[np.ndarray, " labels"],
    new: Integer[np.ndarray, " labels"],
) -> UInt32[np.ndarray, "*pixels"]:
    """A mask with each old label renamed; pixels of all others are 0.

    Args:
        mask: labels, 0 = no cell.
        old: labels, each once.
        new: what each of them becomes, 0 to 2³² - 1.
    """
    result = np.zeros(mask.shape, np.uint32)
    if len(old):
        order = np.argsort(old)
        inside = mask != 0
        pixels = mask[inside].astype(np.int64)
        at = order[np.searchsorted(old[order], pixels).clip(max=len(old) - 1)]
        result[inside] = np.where(old[at] == pixels, new[at], 0)
    return result


def _refuse_other_masks(mask: np.ndarray, old: np.ndarray, new: np.ndarray, where: str) -> None:
    seen = np.zeros(MOST_LABELS + 1, bool)
    seen[mask.ravel()] = True
    missing = ~seen[new]
    if missing.any():
        raise InputError(
            f"{where}: no pixel is left for a localization of label {old[missing][0]}; "
            "expected the masks that the tracks were made from, a label for each localization"
        )


def positions(tracks: xr.Dataset) -> Float[np.ndarray, "localization axis"]:
    """Positions (z,) y, x, px from the corner of the field of view.

    Args:
        tracks: TRACKS.
    """
    axes = [axis for axis in ("z", "y", "x") if axis in tracks]
    return np.stack([tracks[axis].to_numpy().astype(float) for axis in axes], axis=1)


def _disc_radius(tracks: xr.Dataset) -> float:
    """Half the median distance to the nearest neighbour in the same frame, px."""
    half = neighbours.spacing(positions(tracks), tracks["frame"].to_numpy()) / 2
    return LARGEST_DISC if np.isnan(half) else min(half, LARGEST_DISC)


def _sides_of_discs(tracks: xr.Dataset) -> tuple[list[int], int]:
    """Sides of a frame that discs are drawn into, and what those of the video are divided by."""
    sides, most = [float(side) for side in tracks.attrs["field_of_view"]], MOST_PIXELS
    if "z" in tracks:
        depth = math.floor(np.max(tracks["z"].to_numpy(), initial=0)) + 1
        sides, most = [depth, *sides], MOST_VOXELS
    divisor = 1
    while math.prod(shape := [math.ceil(side / divisor) for side in sides]) > most:
        divisor += 1
    return shape, divisor


def _discs(place: np.ndarray, label: np.ndarray, shape: list[int], radius: float) -> np.ndarray:
    """A mask [(z,) y, x] with a disc at each place, whose centre none of the others covers."""
    if len(label) > math.prod(shape):
        raise InputError(
            f"{len(label):,} localizations in one frame of {' x '.join(map(str, shape))} px; "
            "expected at least a pixel for each. Give their positions in px"
        )
    mask = np.zeros(shape, np.uint16)
    reach = range(-math.floor(radius), math.floor(radius) + 1)
    offsets = np.stack(np.meshgrid(*[reach] * len(shape), indexing="ij"), axis=-1)
    offsets = offsets.reshape(-1, len(shape))
    offsets = offsets[(offsets**2).sum(axis=1) <= radius**2]
    inside = np.clip(np.floor(place), 0, np.array(shape) - 1).astype(int)
    centres = _apart(inside, shape)
    for centre, name in zip(centres, label, strict=True):
        disc = centre + offsets
        disc = disc[((disc >= 0) & (disc < shape)).all(axis=1)]
        mask[tuple(disc.T)] = name
    mask[tuple(centres.T)] = label
    return mask


def _apart(pixels: np.ndarray, shape: list[int]) -> np.ndarray:
    """Pixels [row, axis] of which none is taken twice: the later one moves to a free one nearby."""
    taken: set[tuple[int, ...]] = set()
    for pixel in pixels:
        reach = 0
        while tuple(pixel.tolist()) in taken:
            reach += 1
            around = [
                np.arange(max(0, at - reach), min(side, at + reach + 1))
                for at, side in zip(pixel.tolist(), shape, strict=True)
            ]
            near = np.stack(np.meshgrid(*around, indexing="ij"), axis=-1).reshape(-1, len(shape))
            near = near[np.argsort(((near - pixel) ** 2).sum(axis=1), kind="stable")]
            free = [each for each in near if tuple(each.tolist()) not in taken]
            if free:
                pixel[:] = free[0]
        taken.add(tuple(pixel.tolist()))
    return pixels


def table(
    tracks: xr.Dataset,
    pixel_size_um: float | None = None,
    frame_interval_s: float | None = None,
    given: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row per localization: its track and the track's parent, and what is known of it.

    Args:
        tracks: TRACKS of one video; the attribute `first_frame`, where there is one, is the
            number of its first frame in the recording.
        pixel_size_um: µm per px along every axis, for positions in µm.
        frame_interval_s: s per frame, for the time since the first frame.
        given: the table that the localizations were read from, row by row; its index is their
            order in the file.

    Returns:
        `track_id` from 1, as in `challenge` where no gap splits a track, and `parent_id`, 0 where
        there is none; where tracks merge also `parent_ids`, text, all parents with a space
        between; `frame` as numbered in the recording, `time_s`, positions from the corner
        of the field of view in px and µm. Then every further column of the store whose name is
        none of these; or, in the order of the file, every column of the table that was given. One
        that has a name of ours and says something else is called `<name>_given`.

    Raises:
        InputError: if the table that was given has another number of rows.
    """
    track, frame = tracks["track"].to_numpy(), tracks["frame"].to_numpy()
    columns: dict[str, Any] = {
        "track_id": track + 1,
        "parent_id": tracks["parent"].to_numpy()[track] + 1,
        "frame": numbered(tracks),
    }
    if "merge_track" in tracks:
        graph = napari_graph(tracks)
        columns["parent_ids"] = [" ".join(map(str, graph.get(one + 1, []))) for one in track]
    if frame_interval_s is not None:
        columns["time_s"] = frame * frame_interval_s
    axes = [axis for axis in ("x", "y", "z") if axis in tracks]
    columns |= {f"{axis}_px": tracks[axis].to_numpy() for axis in axes}
    if pixel_size_um is not None:
        columns |= {f"{axis}_um": tracks[axis].to_numpy() * pixel_size_um for axis in axes}
    if given is not None:
        return _beside(pd.DataFrame(columns), given)
    columns |= {
        str(name): column.to_numpy()
        for name, column in tracks.data_vars.items()
        if column.dims == ("localization",) and name not in {"track", *axes, *columns}
    }
    return pd.DataFrame(columns)


def _beside(ours: pd.DataFrame, given: pd.DataFrame) -> pd.DataFrame:
    """Our columns, then those of the table that was given, in its order of rows."""
    if len(given) != len(ours):
        raise InputError(
            f"a table of {len(given)} rows, tracks of {len(ours)} localizations; expected the "
            "table that they were read from. Has it changed since?"
        )
    ours = ours.set_index(given.index)
    names: dict[str, str] = {}
    for name in given:
        if name in ours and ours[name].equals(given[name]):
            continue
        names[name] = name
        while names[name] in ours or (names[name] != name and names[name] in given):
            names[name] += "_given"
    return ours.join(given[list(names)].rename(columns=names)).sort_index()


def numbered(tracks: xr.Dataset) -> Integer[np.ndarray, " localization"]:
    """The frame of each row, as numbered in the recording.

    Args:
        tracks: TRACKS of one video.
    """
    return tracks["frame"].to_numpy() + int(tracks.attrs.get("first_frame", 0))


def napari(tracks: xr.Dataset) -> pd.DataFrame:
    """Rows of napari's tracks layer: `track_id`, `t`, (`z`,) `y`, `x`, by track and time.

    Frames are numbered as in the recording. Positions are in px from the centre of the first
    pixel, as napari counts, ½ less than in the store; masks whose planes lie `z_step_px` apart
    are layers with that scale along z.

    Args:
        tracks: TRACKS of one video.
    """
    axes = [axis for axis in ("z", "y", "x") if axis in tracks]
    columns = {"track_id": tracks["track"].to_numpy() + 1, "t": numbered(tracks)}
    columns |= {axis: tracks[axis].to_numpy() - 0.5 for axis in axes}
    return pd.DataFrame(columns).sort_values(["track_id", "t"], ignore_index=True)


def napari_graph(tracks: xr.Dataset) -> dict[int, list[int]]:
    """The `graph` of napari's tracks layer: the parents of each track that has one or more.

    JSON turns the keys into strings, and napari expects integers. To read it back:
    ``{int(track): parents for track, parents in json.loads(text).items()}``.

    Args:
        tracks: TRACKS of one video.
    """
    graph: dict[int, list[int]] = {}
    for parent, track in (lineage.families(tracks) + 1).T.tolist():
        graph.setdefault(track, []).append(parent)
    return graph


def geff(
    tracks: xr.Dataset,
    path: str | Path,
    pixel_size_um: float | None = None,
    frame_interval_s: float | None = None,
) -> None:
    """A GEFF: a graph of localizations and their links, as a Zarr folder.

    Nodes are the rows of the store; those read from a GEFF keep their ids. `t` is the frame as
    numbered in the recording, positions are in px from the centre of the first pixel, as an array
    of its images is indexed (along z: where planes lie as far apart as pixels); the axes say how
    long a frame and a px are.

    Args:
        tracks: TRACKS of one video.
        path: where; must be new or empty.
        pixel_size_um: µm per px along every axis.
        frame_interval_s: s per frame.

    Raises:
        InputError: if the folder is not empty.
    """
    axes = [axis for axis in ("z", "y", "x") if axis in tracks]
    columns: dict[str, np.ndarray] = {"t": numbered(tracks).astype(np.int64)}
    columns |= {axis: tracks[axis].to_numpy() - 0.5 for axis in axes}
    columns["track_id"] = tracks["track"].to_numpy().astype(np.int64) + 1
    if "label" in tracks:
        columns["label"] = tracks["label"].to_numpy().astype(np.int64)
    time = {} if frame_interval_s is None else {"scale": frame_interval_s, "scaled_unit": "second"}
    space = {} if pixel_size_um is None else {"scale": pixel_size_um, "scaled_unit": "micrometer"}
    metadata = GeffMetadata(
        directed=True,
        axes=[
            Axis(name="t", type="time", unit="frame", **time),
            *(Axis(name=axis, type="space", unit="pixel", **space) for axis in axes),
        ],
        node_props_metadata={},
        edge_props_metadata={},
        track_node_props={"tracklet": "track_id"},
    )
    nodes = np.arange(tracks.sizes["localization"], dtype=np.uint64)
    if "node_id" in tracks:
        nodes = tracks["node_id"].to_numpy().astype(np.uint64)
    links, _ = lineage.links_of_tracks(tracks)
    with _whole_folder(path) as aside:
        write_arrays(
            aside,
            nodes,
            {name: {"values": values, "missing": None} for name, values in columns.items()},
            nodes[links.T],
            {},
            metadata,
        )


# summary -------------------------------------------------------------------------------------


def summary(tracks: xr.Dataset, edges: xr.Dataset | None = None) -> dict[str, Any]:
    """What was found, and where not to trust it; JSON values.

    Args:
        tracks: TRACKS of one video.
        edges: the EDGES that they were made from; the attribute `trained_on` is JSON of what the
            network was trained on.

    Returns:
        Counts; a division is a track with two daughters or more, a merge one with two parents or
        more, a gap a link that passes over a frame, the length of a track the frames from its
        first to its last, a stage jump a move of all cells at once, which was taken back. And
        `warnings`.
    """
    frame, track = tracks["frame"].to_numpy(), tracks["track"].to_numpy()
    (sender, receiver), _ = lineage.links_of_tracks(tracks)
    mothers, daughters = lineage.families(tracks)
    spans = pd.Series(frame).groupby(track).agg(lambda seen: seen.max() - seen.min() + 1)
    unlinked = len(frame) - len(np.union1d(sender, receiver))
    trained_on = {} if edges is None else json.loads(edges.attrs["trained_on"])
    return {
        "frames": int(tracks["n_frames"][0]),
        "localizations": len(frame),
        "tracks": int(tracks.sizes["track"]),
        "divisions": int(np.sum(np.bincount(mothers) > 1)),
        "merges": int(np.sum(np.bincount(daughters) > 1)),
        "median_track_frames": float(spans.median()) if len(spans) else None,
        "gaps_bridged": int(np.sum(frame[receiver] - frame[sender] > 1)),
        "stage_jumps": _stage_jumps(tracks),
        "unlinked_localizations": unlinked,
        "warnings": list(_warnings(tracks, unlinked, trained_on)),
    }


def _stage_jumps(tracks: xr.Dataset) -> int:
    stage = [tracks[f"drift_{axis}"].to_numpy() for axis in "xyz" if f"drift_{axis}" in tracks]
    _, first = np.unique(tracks["frame"].to_numpy(), return_index=True)
    return int(np.any([np.diff(axis[first]) for axis in stage], axis=0).sum())


def _warnings(tracks: xr.Dataset, unlinked: int, trained_on: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each way in which the recording differs from what the network knows."""
    frames, found = int(tracks["n_frames"][0]), tracks.sizes["localization"]
    if found == 0:
        yield "There is no localization: nothing was tracked."
        return
    if frames < 2:
        yield "The recording has a single frame: there is nothing to link."
        return
    density = found / frames / math.prod(tracks.attrs["field_of_view"])
    yield from export.unlike_training(density, frames, trained_on, unsure="expect more wrong links")
    if unlinked > export.NOTABLE * found:
        yield (
            f"{unlinked / found:.0%} of the localizations are linked to no other: they may be no "
            "cells, or move farther between frames than the network looks. See the overlay movie."
        )
