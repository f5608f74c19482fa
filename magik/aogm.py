"""How right tracks are: the paper's "TRA" (LNK), F1 scores, and the challenge's own measures.

AOGM (Matula et al., PLoS ONE 10, e0144959 (2015)) counts the operations that turn the graph found
into the true one. Where both have the same detections only links count. The paper weighs these
alone and calls the result TRA (Methods, "Quantification of cell-tracking results"); the Cell
Tracking Challenge calls it LNK and its TRA counts missing detections too. Here names are the
challenge's.

`counts` and all scores rest on sets of links; `official` measures folders in challenge format
with py-ctcmetrics.
"""

import io
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
import xarray as xr
from jaxtyping import Int

from magik import job, lineage, lineages, schema
from magik.errors import InputError

DELETE, ADD, CHANGE = 1.0, 1.5, 1.0
"""Weights of a wrong link, a missing one and one of the wrong kind (Methods)."""

OPERATIONS = ("NS", "FN", "FP", "ED", "EA", "EC")
OFFICIAL = ("LNK", "TRA", "DET", "Valid", *(f"AOGM_{name}" for name in OPERATIONS))
"""What `official` returns."""


class Counts(NamedTuple):
    """Operations that make the links found the true ones.

    Attributes:
        links: true links.
        deleted: ED, links found that are not true.
        added: EA, true links that were not found.
        changed: EC, true links found as another kind: a division taken for a track that goes on,
            or the reverse.
    """

    links: int
    deleted: int
    added: int
    changed: int


# --- links as sets -------------------------------------------------------------------------


def counts(tracks: xr.Dataset) -> Counts:
    """Wrong and missing links of all videos.

    As in challenge format, a link over a gap is of one kind only: there a label that was missing
    begins anew, with a parent. Links of detections that are no particle are not counted: AOGM
    deletes such a detection and its links go with it. Of tracks that merge every link counts,
    while challenge format, and with it `official_lnk`, has one parent of each only.

    Args:
        tracks: TRACKS with `particle`, and `parent_particle` where cells divide.
    """
    (found, found_kind), (true, true_kind) = _found_and_true(tracks)
    _, in_found, in_true = np.intersect1d(
        _key(found, tracks), _key(true, tracks), assume_unique=True, return_indices=True
    )
    frame = tracks["frame"].to_numpy()
    successive = frame[true[1]] - frame[true[0]] == 1
    changed = (found_kind[in_found] != true_kind[in_true]) & successive[in_true]
    return Counts(
        links=true.shape[1],
        deleted=found.shape[1] - len(in_found),
        added=true.shape[1] - len(in_true),
        changed=int(changed.sum()),
    )


def lnk(tracks: xr.Dataset) -> float:
    """1 - AOGM-A / AOGM-A of no link at all, from 0 to 1: TRA in the paper.

    Args:
        tracks: TRACKS with their truth.

    Returns:
        NaN where there is no true link.
    """
    n = counts(tracks)
    if not n.links:
        return np.nan
    cost = DELETE * n.deleted + ADD * n.added + CHANGE * n.changed
    return 1 - min(cost / (ADD * n.links), 1)


def link_f1(tracks: xr.Dataset) -> float:
    """F1 of the links of tracks; NaN where there is none, neither found nor true."""
    n = counts(tracks)
    return _f1(n.links - n.added, n.deleted, n.added)


def division_f1(tracks: xr.Dataset) -> float:
    """F1 of divisions; NaN where there is none, neither found nor true.

    A division is found if the mother's last detection and the first ones of all her daughters are
    the true ones: no frame of tolerance. A mother of one daughter does not divide.
    """
    found, true = (_divisions(links, kind) for links, kind in _found_and_true(tracks))
    return _f1(len(found & true), len(found - true), len(true - found))


def candidate_f1(edges: xr.Dataset, threshold: float) -> float:
    """F1 of the classification of candidate edges; NaN where no edge is or was called linked.

    Args:
        edges: EDGES with `linked`.
        threshold: probability above which an edge was called linked.
    """
    true = edges["linked"].to_numpy().astype(bool)
    found = edges["probability"].to_numpy() > threshold
    return _f1(int((found & true).sum()), int((found & ~true).sum()), int((true & ~found).sum()))


def graph_recall(edges: xr.Dataset, localizations: xr.Dataset) -> float:
    """Share of the true links that are among the candidate edges; NaN where there is none.

    No linker that chooses from these edges can find the others.

    Args:
        edges: EDGES.
        localizations: LOCALIZATIONS (or TRACKS) of the same rows, with their truth.
    """
    true, _ = lineage.true_links(localizations)
    first = schema.offsets(edges["row_size"].to_numpy())[:-1]
    first = first[schema.row_of(edges["n_edge"].to_numpy())]
    ends = np.stack([edges["sender"].to_numpy(), edges["receiver"].to_numpy()]).astype(np.int64)
    held = np.isin(_key(true, localizations), _key(first + ends, localizations))
    return float(held.mean()) if len(held) else np.nan


class Gold(NamedTuple):
    """What the challenge's own measures compare a recording with: markers made by hand.

    Attributes:
        labels: masks that the cells were found in, one [(z,) y, x] for each frame.
        markers: of the truth, likewise.
        lines: label, begin, end, parent of each marker.
        first_frame: number of the first frame.
    """

    labels: schema.Frames
    markers: schema.Frames
    lines: Int[np.ndarray, "markers 4"]
    first_frame: int


def scores(
    tracks: xr.Dataset,
    edges: xr.Dataset | None = None,
    threshold: float = 0.5,
    gold: Sequence[Gold | None] = (),
) -> list[tuple[str, float, int]]:
    """All scores of a store of tracks. LNK, TRA and DET are py-ctcmetrics'.

    Args:
        tracks: TRACKS with their truth.
        edges: EDGES that they were made of, with `linked`; None: a linker without a network.
        threshold: of the probability of an edge.
        gold: of each video, where there are markers.

    Returns:
        Name, value, and the number of true edges, links, divisions or detections that it is
        about.
    """
    n = counts(tracks)
    _, true = _found_and_true(tracks)
    rows = [
        ("edge_f1", link_f1(tracks), n.links),
        ("lnk", official_lnk(tracks), n.links),
        ("division_f1", division_f1(tracks), len(_divisions(*true))),
    ]
    if edges is not None:
        linked, skips = (edges[name].to_numpy().astype(bool) for name in ("linked", "skips"))
        for name, true_edges in (("", linked), ("_same_track", linked | skips)):
            f1 = candidate_f1(edges.assign(linked=("edge", true_edges)), threshold)
            rows.append((f"candidate_f1{name}", f1, int(true_edges.sum())))
        rows.append(("graph_recall", graph_recall(edges, tracks), n.links))
    measured = [
        against_markers(video, one)
        for video, one in zip(schema.videos(tracks), gold, strict=False)
        if one is not None
    ]
    if measured:
        cells = int((tracks["particle"].to_numpy() >= 0).sum())
        for name in ("TRA", "DET"):
            rows.append((name.lower(), float(np.mean([m[name] for m in measured])), cells))
    return rows


def _found_and_true(
    tracks: xr.Dataset,
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Links between particles, [2, links], and whether each is a division: found, and true."""
    links, division = lineage.links_of_tracks(tracks)
    known = (tracks["particle"].to_numpy()[links] >= 0).all(axis=0)
    return (links[:, known], division[known]), lineage.true_links(tracks)


def _key(links: np.ndarray, rows: xr.Dataset) -> np.ndarray:
    """One number for each link."""
    return links[0] * rows.sizes["localization"] + links[1]


def _divisions(links: np.ndarray, division: np.ndarray) -> set[tuple[int, ...]]:
    """Rows of each division: the mother's last one, and the first one of each daughter."""
    daughters: dict[int, list[int]] = {}
    for mother, daughter in links[:, division].T.tolist():
        daughters.setdefault(mother, []).append(daughter)
    return {(mother, *sorted(born)) for mother, born in daughters.items() if len(born) > 1}


def _f1(right: int, wrong: int, missed: int) -> float:
    return 2 * right / (2 * right + wrong + missed) if right + wrong + missed else np.nan


# --- folders in challenge format -----------------------------------------------------------


def official(result: str | Path, truth: str | Path) -> dict[str, float]:
    """Scores of one sequence by py-ctcmetrics, which gives what the challenge's software gives.

    Args:
        result: folder of `mask*.tif` and `res_track.txt`, as the challenge asks for.
        truth: folder of `TRA/man_track*.tif` and `TRA/man_track.txt`.

    Returns:
        LNK, TRA, DET, the operations AOGM_NS, AOGM_FN, AOGM_FP, AOGM_ED, AOGM_EA, AOGM_EC, and
        Valid: 1 if the result keeps the challenge's rules. The others are NaN if it does not, LNK
        is NaN without a true link, all are without a true track or a second frame.

    Raises:
        InputError: if a file is missing, or the two differ in their frames or their size.
    """
    result, markers = Path(result), Path(truth) / "TRA"
    found, true = _lineage(result / "res_track.txt"), _lineage(markers / "man_track.txt")
    masks = _frames(result), _frames(markers)
    first, last = min(masks[1], default=0), max(masks[1], default=0)
    for folder, others in zip((result, markers), masks, strict=True):
        odd = set(range(first, last + 1)).symmetric_difference(others)
        if odd:
            has = "a mask" if min(odd) in others else "no mask"
            raise InputError(
                f"{folder}: {has} (*.tif) of frame {min(odd)}; expected one for each of the "
                f"frames {first} to {last}, in result and truth"
            )
    scores = dict.fromkeys(OFFICIAL, np.nan)
    if not len(true) or len(masks[0]) < 2:
        return scores
    if not len(found):
        return scores | {"Valid": 0.0}
    wanted = ["TRA", "DET", "Valid"]
    if np.any((true[:, 3] > 0) | (true[:, 2] > true[:, 1])):
        wanted.append("LNK")
    pairs = [(masks[0][number], masks[1][number]) for number in range(first, last + 1)]
    with _condensed(pairs) as folder, _silence():
        for name, lines in (("RES/res_track.txt", found), ("GT/TRA/man_track.txt", true)):
            np.savetxt(folder / name, lines - [0, first, first, 0], fmt="%d")
        from ctc_metrics import evaluate_sequence  # takes seconds, and few need it

        measured = evaluate_sequence(str(folder / "RES"), str(folder / "GT"), wanted, threads=1)
    known = {name: float(value) for name, value in measured.items() if value is not None}
    return {name: known.get(name, np.nan) for name in OFFICIAL}


def official_lnk(tracks: xr.Dataset) -> float:
    """LNK by py-ctcmetrics, the detections themselves being the markers; NaN without a true link.

    Every detection is drawn as one pixel, so that tables are measured as masks are. The videos
    of a store follow one another. `lnk` itself where there are more labels than challenge format
    holds.

    Args:
        tracks: TRACKS with their truth.
    """
    one = _one_video(tracks)
    if max(len(lines) for _, lines in (lineages.parts(one), _markers(one))) > lineages.MOST_LABELS:
        return lnk(tracks)
    pixels = [np.arange(rows.stop - rows.start) for rows in lineages.rows_of_frames(one)]
    labels = [np.append(0, row + 1)[None].astype(np.uint16) for row in pixels]
    one = one.assign(label=("localization", np.concatenate([*pixels, []]).astype(int) + 1))
    with tempfile.TemporaryDirectory() as folder:
        lineages.challenge(one, labels, Path(folder, "RES"))
        write_truth(folder, labels, one)
        return official(Path(folder, "RES"), folder)["LNK"]


def against_markers(tracks: xr.Dataset, gold: Gold) -> dict[str, float]:
    """TRA and DET of the challenge: `official`, against markers made by hand.

    Args:
        tracks: TRACKS of one video, with `label`.
        gold: its masks and markers.

    Returns:
        As `official`; NaN where there are more labels than challenge format holds.
    """
    if len(lineages.parts(tracks)[1]) > lineages.MOST_LABELS:
        return dict.fromkeys(OFFICIAL, np.nan)
    labels, markers = [], []
    for index in range(len(gold.markers)):
        label, marker = gold.labels[index], gold.markers[index]
        cells = (label > 0) | (marker > 0)  # what else there is does not count
        labels.append(np.append(0, label[cells])[None])
        markers.append(np.append(0, marker[cells])[None].astype(np.uint16))
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside, "TRA")
        folder.mkdir()
        lineages.challenge(tracks, labels, Path(aside, "RES"), gold.first_frame)
        for index, marker in enumerate(markers):
            name = f"man_track{gold.first_frame + index:04d}.tif"
            tifffile.imwrite(folder / name, marker, photometric="minisblack")
        np.savetxt(folder / "man_track.txt", gold.lines, fmt="%d")
        return official(Path(aside, "RES"), aside)


def _one_video(tracks: xr.Dataset) -> xr.Dataset:
    """All videos of a store as one, frame after frame; particles keep apart."""
    video = schema.row_of(tracks["row_size"].to_numpy())
    n_frames = tracks["n_frames"].to_numpy()
    shift = video * (int(tracks["particle"].max()) + 1 if tracks.sizes["localization"] else 0)
    names: dict[str, Any] = {
        name: ("localization", np.where(tracks[name] >= 0, tracks[name] + shift, -1))
        for name in ("particle", "parent_particle")
        if name in tracks
    }
    frame = tracks["frame"].to_numpy() + schema.offsets(n_frames)[video]
    whole = tracks.isel(video=slice(0, 1)).assign(
        row_size=("video", [len(frame)]), n_frames=("video", [int(n_frames.sum())])
    )
    return whole.assign(frame=("localization", frame), **names)


def write_truth(
    folder: str | Path,
    labels: Sequence[np.ndarray] | np.ndarray,
    localizations: xr.Dataset,
    first_frame: int = 0,
) -> None:
    """The truth of one video in challenge format, its own masks being the markers.

    A label lasts over successive frames there: after a gap a particle has a new one, whose parent
    is the one before. Masks of no particle are left out.

    Args:
        folder: where; `TRA/man_track*.tif` and `TRA/man_track.txt` are written.
        labels: masks, one [(z,) y, x] for each frame.
        localizations: of one video, with `label`, `particle`, and `parent_particle` where cells
            divide.
        first_frame: number of the first frame, for the names of files.

    Raises:
        InputError: if the masks are not those of the localizations, or too many for 16 bits.
    """
    frame, value = localizations["frame"].to_numpy(), localizations["label"].to_numpy()
    if len(labels) != localizations["n_frames"][0]:
        raise InputError(
            f"{folder}: masks of {len(labels)} frames, localizations of "
            f"{int(localizations['n_frames'][0])}; expected the masks they were found in"
        )
    marker, lines = _markers(localizations)
    if len(lines) > lineages.MOST_LABELS:
        raise InputError(
            f"{folder}: {len(lines)} true tracks; challenge format holds {lineages.MOST_LABELS}. "
            "Choose fewer frames"
        )
    lines[:, 1:3] += first_frame
    digits = max(3, len(str(first_frame + len(labels) - 1)))
    with job.whole(Path(folder) / "TRA") as aside:
        aside.mkdir()
        for index in range(len(labels)):
            mask, rows = (
                np.asarray(labels[index]),
                slice(*np.searchsorted(frame, [index, index + 1])),
            )
            inside = mask != 0
            names, which = np.unique(mask[inside], return_inverse=True)
            absent = value[rows][~np.isin(value[rows], names)]
            if len(absent):
                raise InputError(
                    f"{folder}: frame {index}: no mask has the label {absent[0]}; expected the "
                    "masks that the localizations were found in"
                )
            renamed = np.zeros(len(names), np.uint16)
            renamed[np.searchsorted(names, value[rows])] = marker[rows]
            written = np.zeros(mask.shape, np.uint16)
            written[inside] = renamed[which]
            path = aside / f"man_track{first_frame + index:0{digits}d}.tif"
            tifffile.imwrite(path, written, photometric="minisblack", compression="zlib")
        np.savetxt(aside / "man_track.txt", lines, fmt="%d")


def _markers(localizations: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Label of each row in challenge format, 0 = none; label, begin, end, parent of each label."""
    frame = localizations["frame"].to_numpy().astype(np.int64)
    links, division = lineage.true_links(localizations)
    goes_on = ~division & (frame[links[1]] - frame[links[0]] == 1)
    begins = localizations["particle"].to_numpy() >= 0
    begins[links[1, goes_on]] = False
    marker = np.zeros(len(frame), np.int64)
    marker[begins] = np.arange(1, begins.sum() + 1)
    last = np.flatnonzero(begins)  # row of each label
    for sender, receiver in links[:, goes_on].T.tolist():
        marker[receiver] = marker[sender]
        last[marker[sender] - 1] = receiver
    parent = np.zeros(len(frame), np.int64)
    parent[links[1, ~goes_on]] = marker[links[0, ~goes_on]]
    lines = [marker[begins], frame[begins], frame[last], parent[begins]]
    return marker, np.stack(lines, axis=1)


def _lineage(path: Path) -> np.ndarray:
    """Label, begin, end, parent [tracks, 4] of a file in challenge format."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected label, begin, end, parent of each track")
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    return np.array(lines, np.int64).reshape(-1, 4)


def _frames(folder: Path) -> dict[int, Path]:
    """The masks of a folder in challenge format, by the numbers in their names."""
    named = [(re.search(r"(\d+)\.tif$", path.name), path) for path in folder.glob("*.tif")]
    return {int(number[1]): path for number, path in named if number}


@contextmanager
def _condensed(pairs: list[tuple[Path, Path]]) -> Iterator[Path]:
    """A folder with copies of the masks of result and truth that hold the pixels of cells only.

    That is all that counts, and takes a fraction of the time. One pixel of background comes
    first, because py-ctcmetrics takes the least value of a mask for background; and in 32 bits,
    because it adds the labels of both.
    """
    with tempfile.TemporaryDirectory() as aside:
        copies = Path(aside, "RES"), Path(aside, "GT/TRA")
        for copy in copies:
            copy.mkdir(parents=True)
        for index, pair in enumerate(pairs):
            found, true = (tifffile.imread(path).astype(np.uint32) for path in pair)
            if found.shape != true.shape:
                raise InputError(
                    f"{pair[0]}: a mask of {' x '.join(map(str, found.shape))} px, but {pair[1]} "
                    f"of {' x '.join(map(str, true.shape))}; expected the same"
                )
            cells = (found > 0) | (true > 0)
            for copy, mask in zip(copies, (found, true), strict=True):
                pixels = np.append(np.uint32(0), mask[cells])[None]
                tifffile.imwrite(copy / f"{index:06d}.tif", pixels, photometric="minisblack")
        yield Path(aside)


@contextmanager
def _silence() -> Iterator[None]:
    """Without py-ctcmetrics' prints and its words on results that are not valid."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
