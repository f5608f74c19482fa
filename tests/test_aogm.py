"""Scores of tracks: by hand on a drawn lineage, and by py-ctcmetrics on drawn and random ones."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
import xarray as xr

from magik import aogm, lineage, lineages
from magik.errors import InputError

Links = set[tuple[int, int]]


def truth(rows: list[tuple[int, int]], parents: dict[int, int] | None = None) -> xr.Dataset:
    """LOCALIZATIONS of one video from (frame, particle), labelled 7, 8, ... in each frame."""
    frame, particle = np.array(rows, int).reshape(-1, 2).T
    parent = [(parents or {}).get(p, -1) for p in particle.tolist()]
    row = "localization"
    return xr.Dataset(
        {
            "row_size": ("video", [len(frame)]),
            "n_frames": ("video", [frame.max(initial=0) + 1]),
            "frame": (row, frame),
            "x": (row, np.zeros(len(frame))),
            "y": (row, np.zeros(len(frame))),
            "label": (row, 7 + np.arange(len(frame)) - np.searchsorted(frame, frame)),
            "particle": (row, particle),
            "parent_particle": (row, np.array(parent, int)),
        },
        attrs={"field_of_view": [4, 4]},
    )


def mitosis() -> xr.Dataset:
    r"""Particle 0 divides into 1 and 2; 3 goes on, unseen in frame 2.

    row   0---2---4---7
               \--5---8
          1---3-------6
    frame 0   1   2   3
    """
    rows = [(0, 0), (0, 3), (1, 0), (1, 3), (2, 1), (2, 2), (3, 3), (3, 1), (3, 2)]
    return truth(rows, {1: 0, 2: 0})


MITOSIS: Links = {(0, 2), (2, 4), (2, 5), (4, 7), (5, 8), (1, 3), (3, 6)}


def tracked(localizations: xr.Dataset, links: Links) -> xr.Dataset:
    return lineage.tracks_of_links(localizations, np.array(sorted(links), int).reshape(-1, 2).T, "")


def masks(localizations: xr.Dataset) -> np.ndarray:
    """[frame, y, x]: two pixels for each label, on background."""
    frame, label = localizations["frame"].values, localizations["label"].values
    labels = np.zeros((int(localizations["n_frames"][0]), 3, 2 * label.max(initial=7)), np.uint8)
    for t, value in zip(frame, label, strict=True):
        labels[t, 1, 2 * (value - 7) : 2 * (value - 7) + 2] = value
    return labels


def write_result(folder: Path, tracks: xr.Dataset) -> None:
    """In challenge format, row by row: a track goes on only from one frame to the next."""
    folder.mkdir()
    last: dict[int, tuple[int, int]] = {}  # label and frame that each track was at
    lines: dict[int, list[int]] = {}
    names: list[int] = []
    for t, track in zip(
        tracks["frame"].values.tolist(), tracks["track"].values.tolist(), strict=True
    ):
        label, before = last.get(track, (0, -9))
        if before != t - 1:
            if not label and (parent := int(tracks["parent"][track])) >= 0:
                label = last[parent][0]
            lines[len(lines) + 1] = [t, t, label]
            label = len(lines)
        lines[label][1] = t
        last[track] = label, t
        names.append(label)
    labels = masks(tracks).astype(np.uint16)
    for t, mask in enumerate(labels):
        here = tracks["frame"].values == t
        new = np.zeros(labels.max() + 1, np.uint16)
        new[tracks["label"].values[here]] = np.array(names)[here]
        tifffile.imwrite(folder / f"mask{t:03d}.tif", new[mask])
    text = [f"{label} {begin} {end} {parent}\n" for label, (begin, end, parent) in lines.items()]
    (folder / "res_track.txt").write_text("".join(text))


def measured(folder: Path, tracks: xr.Dataset) -> dict[str, float]:
    aogm.write_truth(folder / "GT", masks(tracks), tracks)
    write_result(folder / "RES", tracks)
    return aogm.official(folder / "RES", folder / "GT")


# --- by hand -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "wrong", "expected"),
    [
        (set(), set(), (7, 0, 0, 0)),
        ({(4, 7)}, set(), (7, 0, 1, 0)),
        ({(3, 6)}, {(5, 6)}, (7, 1, 1, 1)),  # 5 divides: its link to 8 is no track that goes on
        ({(2, 5)}, set(), (7, 0, 1, 1)),  # the link to 4 becomes a track that goes on
        ({(4, 7), (5, 8)}, {(4, 8), (5, 7)}, (7, 2, 2, 0)),
    ],
)
def test_operations_on_a_drawn_mitosis(lost, wrong, expected):
    tracks = tracked(mitosis(), MITOSIS - lost | wrong)
    assert aogm.counts(tracks) == aogm.Counts(*expected)
    links, deleted, added, changed = expected
    cost = deleted + 1.5 * added + changed
    assert aogm.lnk(tracks) == pytest.approx(1 - cost / (1.5 * links))
    right = links - added
    assert aogm.link_f1(tracks) == pytest.approx(2 * right / (2 * right + deleted + added))


def test_no_link_is_worth_nothing_and_no_tracks_are_worth_less():
    assert aogm.lnk(tracked(mitosis(), set())) == 0
    worse = {(0, 3), (1, 2), (2, 6), (3, 4)}
    assert aogm.lnk(tracked(mitosis(), worse)) == 0
    assert aogm.counts(tracked(mitosis(), worse)).deleted == 4, "test invalid"


def test_a_link_over_a_gap_is_of_one_kind():
    """In challenge format a track with a gap is two labels, mother and daughter."""
    gap = truth([(0, 0), (2, 1)], {1: 0})
    assert aogm.counts(tracked(gap, {(0, 1)})) == aogm.Counts(1, 0, 0, 0)
    only_daughter = truth([(0, 0), (1, 1)], {1: 0})
    assert aogm.counts(tracked(only_daughter, {(0, 1)})) == aogm.Counts(1, 0, 0, 1)


def test_links_of_a_detection_that_is_no_particle_do_not_count():
    noise = truth([(0, 0), (0, -1), (1, 0), (1, -1)])
    assert aogm.counts(tracked(noise, {(0, 2), (1, 3)})) == aogm.Counts(1, 0, 0, 0)
    assert aogm.counts(tracked(noise, {(0, 3), (1, 2)})) == aogm.Counts(1, 0, 1, 0)


def test_a_division_is_found_if_mother_and_both_daughters_are():
    assert aogm.division_f1(tracked(mitosis(), MITOSIS)) == 1
    assert aogm.division_f1(tracked(mitosis(), MITOSIS - {(2, 5)})) == 0
    other_daughter = MITOSIS - {(2, 5), (3, 6)} | {(2, 6)}
    assert aogm.division_f1(tracked(mitosis(), other_daughter)) == 0
    one_more = MITOSIS - {(3, 6)} | {(5, 6)}
    assert aogm.division_f1(tracked(mitosis(), one_more)) == pytest.approx(2 / 3)


def test_no_truth_gives_no_score():
    alone = tracked(truth([(0, 0), (1, 1)]), set())
    assert np.isnan([aogm.lnk(alone), aogm.link_f1(alone), aogm.division_f1(alone)]).all()
    empty = tracked(truth([]), set())
    assert np.isnan([value for _, value, _ in aogm.scores(empty)]).all()


def candidates(localizations: xr.Dataset, pairs: list[tuple[int, int, float, int]]) -> xr.Dataset:
    """EDGES of the last video from (sender, receiver, probability, linked)."""
    sender, receiver, probability, linked = np.array(pairs, float).reshape(-1, 4).T
    return xr.Dataset(
        {
            "row_size": localizations["row_size"],
            "n_edge": ("video", [0] * (localizations.sizes["video"] - 1) + [len(sender)]),
            "sender": ("edge", sender.astype(int)),
            "receiver": ("edge", receiver.astype(int)),
            "probability": ("edge", probability),
            "linked": ("edge", linked.astype(int)),
            "skips": ("edge", np.zeros(len(linked), bool)),
        }
    )


def test_candidate_edges_are_scored_by_themselves():
    """Of 7 true links 3 are candidates: one found, two missed, besides one false."""
    edges = candidates(
        mitosis(), [(0, 2, 0.9, 1), (1, 3, 0.5, 1), (2, 4, 0.2, 1), (0, 3, 0.8, 0), (1, 2, 0.1, 0)]
    )
    assert aogm.candidate_f1(edges, 0.5) == pytest.approx(2 / (2 + 1 + 2))
    assert aogm.candidate_f1(edges, 0.15) == pytest.approx(6 / (6 + 1))
    assert aogm.graph_recall(edges, mitosis()) == pytest.approx(3 / 7)
    none = candidates(mitosis(), [])
    assert np.isnan(aogm.candidate_f1(none, 0.5))
    assert aogm.graph_recall(none, mitosis()) == 0


def test_videos_are_counted_together():
    one = tracked(mitosis(), MITOSIS - {(4, 7)})
    both = xr.concat([mitosis().drop_dims("video")] * 2, "localization", data_vars="all")
    both = both.assign(row_size=("video", [9, 9]), n_frames=("video", [4, 4]))
    shifted = {(a + 9, b + 9) for a, b in MITOSIS}
    tracks = tracked(both, MITOSIS - {(4, 7)} | shifted)
    assert aogm.counts(tracks) == aogm.Counts(14, 0, 1, 0)
    assert aogm.lnk(tracks) == pytest.approx((aogm.lnk(one) + 1) / 2)
    edges = candidates(both, [(0, 2, 0.9, 1)])
    assert aogm.graph_recall(edges, both) == pytest.approx(1 / 14)


def test_scores_come_with_the_number_that_they_are_about():
    """The second candidate joins a particle to itself over a detection: not linked, same track."""
    edges = candidates(mitosis(), [(0, 2, 0.9, 1), (0, 3, 0.8, 0)])
    edges["skips"][1] = True
    tracks = tracked(mitosis(), MITOSIS)
    assert {name: (value, n) for name, value, n in aogm.scores(tracks, edges)} == {
        "edge_f1": (1, 7),
        "lnk": (1, 7),
        "division_f1": (1, 1),
        "candidate_f1": (pytest.approx(2 / 3), 1),
        "candidate_f1_same_track": (1, 2),
        "graph_recall": (pytest.approx(1 / 7), 7),
    }


# --- the challenge's measures, derived by hand ---------------------------------------------


def write_folder(folder: Path, prefix: str, frames: list[str], lines: str) -> None:
    """Masks of one row, a character a pixel: a label, or `.`; and the file of their lineage."""
    folder.mkdir(parents=True)
    for t, row in enumerate(frames):
        pixels = np.array([[0 if pixel == "." else int(pixel) for pixel in row]], np.uint16)
        tifffile.imwrite(folder / f"{prefix}{t:03d}.tif", pixels)
    name = "res_track.txt" if prefix == "mask" else f"{prefix}.txt"
    (folder / name).write_text(lines)


def test_one_fault_of_every_kind_costs_what_the_challenge_says(tmp_path):
    """Weights of Matula et al. 2015: NS 5, FN 10, FP 1, ED 1, EA 1.5, EC 1.

    The truth: 1 divides into 2 and 3; 4 and 5 go on. 14 markers (2, 2, 2, 4, 4) and 11 links (1
    in 1; 2 of the division; 1 in 2, 1 in 3; 3 in 4, 3 in 5). From nothing it costs
    14 x 10 + 11 x 1.5 = 156.5, of which 140 are detections and 16.5 links. The result:

    - frame 0: 9 lies on no marker: FP 1;
    - frame 2: nothing lies on 5: FN 1, and its two links are missing: EA 2;
    - frame 3: 7 lies on 2 and on 3: NS 1. What links a region to be split is not looked at, so
      the last links of 2 and of 3 are missing: EA 2 more;
    - frame 3: 4 goes on as 8, its daughter: the link is there, of the wrong kind: EC 1;
    - frame 3: 6, which lies on 5, is a daughter of 4 as well: a link that is not there: ED 1.
    """
    truth_folder = tmp_path / "01_GT"
    write_folder(
        truth_folder / "TRA",
        "man_track",
        ["11....44.55..", "11....44.55..", "22.33.44.55..", "22.33.44.55.."],
        "1 0 1 0\n2 2 3 1\n3 2 3 1\n4 0 3 0\n5 0 3 0\n",
    )
    write_folder(
        tmp_path / "01_RES",
        "mask",
        ["11....44.55.9", "11....44.55..", "22.33.44.....", "77777.88.66.."],
        "1 0 1 0\n2 2 2 1\n3 2 2 1\n4 0 2 0\n5 0 1 0\n6 3 3 4\n7 3 3 0\n8 3 3 4\n9 0 0 0\n",
    )
    found = aogm.official(tmp_path / "01_RES", truth_folder)
    operations = {"NS": 1, "FN": 1, "FP": 1, "ED": 1, "EA": 4, "EC": 1}
    assert {name: found[f"AOGM_{name}"] for name in operations} == operations
    assert found["Valid"] == 1
    assert found["DET"] == pytest.approx(1 - (5 + 10 + 1) / 140)
    assert found["LNK"] == pytest.approx(1 - (1 + 4 * 1.5 + 1) / 16.5)
    assert found["TRA"] == pytest.approx(1 - (16 + 8) / 156.5)


@pytest.mark.parametrize(
    ("marker", "region", "det"), [("11", "1.", 1 - 11 / 20), ("111", "11.", 1)]
)
def test_a_marker_is_found_if_a_region_has_more_than_half_of_it(tmp_path, marker, region, det):
    """Of two markers the second is half covered, or by two thirds; half is none: FN 10, FP 1."""
    write_folder(tmp_path / "GT/TRA", "man_track", [marker, marker], "1 0 1 0\n")
    write_folder(tmp_path / "RES", "mask", [marker, region], "1 0 1 0\n")
    found = aogm.official(tmp_path / "RES", tmp_path / "GT")
    assert found["DET"] == pytest.approx(det)


GOLDEN = Path(os.environ.get("MAGIK_CTC_GOLDEN", ""))
"""With 03_GT and 03_RES, the test case of the challenge's evaluation software, which states no
licence, so it is not here."""


@pytest.mark.skipif(
    not (GOLDEN / "03_GT").is_dir(), reason="MAGIK_CTC_GOLDEN names no folder with 03_GT and 03_RES"
)
def test_the_challenges_own_test_case_has_the_scores_of_its_own_programs():
    """As logged by TRAMeasure and DETMeasure: ED = 1, EA = 16, EC = 2 of 19 links."""
    found = aogm.official(GOLDEN / "03_RES", GOLDEN / "03_GT")
    assert found["TRA"] == pytest.approx(0.622980, abs=5e-7)
    assert found["DET"] == pytest.approx(0.688, abs=5e-7)
    assert found["LNK"] == pytest.approx(0.052632, abs=5e-7)
    operations = [found[f"AOGM_{name}"] for name in ("NS", "FN", "FP", "ED", "EA", "EC")]
    assert operations == [5, 5, 3, 1, 16, 2]


# --- by py-ctcmetrics ----------------------------------------------------------------------


def test_the_truth_measured_against_itself_is_right(tmp_path):
    found = measured(tmp_path, tracked(mitosis(), MITOSIS))
    assert found["LNK"] == found["TRA"] == found["DET"] == found["Valid"] == 1
    lines = (tmp_path / "GT/TRA/man_track.txt").read_text().splitlines()
    assert lines == ["1 0 1 0", "2 0 1 0", "3 2 3 1", "4 2 3 1", "5 3 3 2"], "5: after the gap"


def drawn_lineage(rng: np.random.Generator) -> tuple[xr.Dataset, Links]:
    """Cells that come, go, divide, hide and are no cells at all; links found, right and wrong."""
    rows, parents, alive, count = [], {}, [0, 1, 2], 3
    for t in range(7):
        for cell in list(alive):
            fate = rng.random()
            if t and fate < 0.15:
                alive.remove(cell)
                daughters = [count, count + 1][: 1 + (rng.random() < 0.8)]
                parents |= dict.fromkeys(daughters, cell)
                alive += daughters
                count += 2
            elif fate < 0.2:
                alive.remove(cell)
        seen = [cell for cell in alive if rng.random() < 0.85]
        noise = [-1] * int(rng.random() < 0.3)
        rows += [(t, particle) for particle in rng.permutation([*seen, *noise])]
    localizations = truth(rows, parents)
    true = {tuple(link) for link in lineage.true_links(localizations)[0].T.tolist()}
    links = {link for link in true if rng.random() < 0.8}
    frame = localizations["frame"].values
    for receiver in range(len(frame)):
        earlier = np.flatnonzero((frame < frame[receiver]) & (frame >= frame[receiver] - 2))
        if len(earlier) and all(b != receiver for _, b in links) and rng.random() < 0.7:
            links.add((int(rng.choice(earlier)), receiver))
    return localizations, links


@pytest.mark.parametrize("seed", range(12))
def test_sets_of_links_give_the_official_numbers(seed, tmp_path):
    tracks = tracked(*drawn_lineage(np.random.default_rng(seed)))
    n, found = aogm.counts(tracks), measured(tmp_path, tracks)
    assert found["Valid"] == 1
    operations = [found[f"AOGM_{name}"] for name in ("ED", "EA", "EC")]
    assert operations == [n.deleted, n.added, n.changed]
    assert found["LNK"] == pytest.approx(aogm.lnk(tracks), abs=1e-12)
    assert found["AOGM_FP"] == (tracks["particle"] < 0).sum()


def test_the_random_lineages_have_every_kind_of_fault():
    total = np.zeros(4, int)
    for seed in range(12):
        total += aogm.counts(tracked(*drawn_lineage(np.random.default_rng(seed))))
    assert (total > 10).all()


def test_cells_that_leave_no_background_are_all_counted(tmp_path):
    """py-ctcmetrics takes the least value of a mask for background, whatever it is."""
    full = truth([(0, 0), (0, 1), (1, 0), (1, 1)])
    tracks = tracked(full, {(0, 2), (1, 3)})
    measured(tmp_path, tracks)
    for path in [*tmp_path.glob("RES/*.tif"), *tmp_path.glob("GT/TRA/*.tif")]:
        tifffile.imwrite(path, np.array([[1, 1, 2, 2]], np.uint16))
    found = aogm.official(tmp_path / "RES", tmp_path / "GT")
    assert found["LNK"] == found["TRA"] == found["DET"] == found["Valid"] == 1


def test_large_labels_do_not_overflow(tmp_path):
    tracks = tracked(truth([(0, 0), (1, 0)]), {(0, 1)})
    measured(tmp_path, tracks)
    for folder, name in (("RES", "res_track.txt"), ("GT/TRA", "man_track.txt")):
        (tmp_path / folder / name).write_text("60000 0 1 0\n")
        for path in (tmp_path / folder).glob("*.tif"):
            tifffile.imwrite(path, np.array([[60000, 0]], np.uint16))
    found = aogm.official(tmp_path / "RES", tmp_path / "GT")
    assert found["LNK"] == found["TRA"] == found["Valid"] == 1


def test_what_cannot_be_measured_is_not_a_number(tmp_path):
    no_link = tracked(truth([(0, 0), (1, 1)]), {(0, 1)})
    (tmp_path / "a").mkdir()
    found = measured(tmp_path / "a", no_link)
    assert np.isnan(found["LNK"])
    assert found["DET"] == 1
    assert found["TRA"] < 1, "one wrong link"
    no_truth = tracked(truth([(0, -1), (1, -1)]), {(0, 1)})
    one_frame = tracked(truth([(0, 0)]), set())
    for folder, tracks in ((tmp_path / "b", no_truth), (tmp_path / "c", one_frame)):
        folder.mkdir()
        assert np.isnan(list(measured(folder, tracks).values())).all()


def test_an_invalid_result_has_no_score(tmp_path):
    found = measured(tmp_path, tracked(mitosis(), MITOSIS))
    lines = (tmp_path / "RES/res_track.txt").read_text().splitlines()
    (tmp_path / "RES/res_track.txt").write_text("\n".join(lines[:-1]))
    found = aogm.official(tmp_path / "RES", tmp_path / "GT")
    assert found.pop("Valid") == 0
    assert np.isnan(list(found.values())).all()
    (tmp_path / "RES/res_track.txt").write_text("")
    assert aogm.official(tmp_path / "RES", tmp_path / "GT")["Valid"] == 0


def test_missing_files_and_frames_are_named(tmp_path):
    measured(tmp_path, tracked(mitosis(), MITOSIS))
    (tmp_path / "RES/mask003.tif").unlink()
    with pytest.raises(InputError, match=r"RES: no mask .* of frame 3; .* frames 0 to 3"):
        aogm.official(tmp_path / "RES", tmp_path / "GT")
    (tmp_path / "RES/res_track.txt").unlink()
    with pytest.raises(InputError, match=r"res_track\.txt: no such file"):
        aogm.official(tmp_path / "RES", tmp_path / "GT")


def test_frames_may_count_from_any_number(tmp_path):
    """As of a recording whose first frames were cut off."""
    tracks = tracked(mitosis(), MITOSIS - {(4, 7)})
    labels = masks(tracks)
    aogm.write_truth(tmp_path / "GT", labels, tracks, first_frame=998)
    assert (tmp_path / "GT/TRA/man_track0998.tif").exists()
    write_result(tmp_path / "RES", tracks)
    lines = np.loadtxt(tmp_path / "RES/res_track.txt", dtype=int)
    lines[:, 1:3] += 998
    np.savetxt(tmp_path / "RES/res_track.txt", lines, fmt="%d")
    for t in range(4):
        (tmp_path / f"RES/mask{t:03d}.tif").rename(tmp_path / f"RES/mask{t + 998}.tif")
    found = aogm.official(tmp_path / "RES", tmp_path / "GT")
    assert found["LNK"] == pytest.approx(aogm.lnk(tracks))
    assert found["Valid"] == 1


def test_masks_of_another_size_are_named(tmp_path):
    measured(tmp_path, tracked(mitosis(), MITOSIS))
    tifffile.imwrite(tmp_path / "RES/mask002.tif", np.ones((2, 2), np.uint16))
    with pytest.raises(
        InputError, match=r"mask002\.tif: a mask of 2 x 2 px, but .*002\.tif of 3 x"
    ):
        aogm.official(tmp_path / "RES", tmp_path / "GT")


def test_the_truth_is_written_from_its_own_masks_only(tmp_path):
    labels = masks(mitosis())
    with pytest.raises(InputError, match="masks of 3 frames, localizations of 4"):
        aogm.write_truth(tmp_path / "GT", labels[1:], mitosis())
    labels[2] = 0
    with pytest.raises(InputError, match="frame 2: no mask has the label 7"):
        aogm.write_truth(tmp_path / "GT", labels, mitosis())
    assert not (tmp_path / "GT/TRA").exists()


@pytest.mark.parametrize("missing", [set(), {(4, 7)}, {(2, 5), (3, 6)}, MITOSIS])
def test_py_ctcmetrics_measures_detections_without_masks(missing):
    tracks = tracked(mitosis(), MITOSIS - missing)
    assert aogm.official_lnk(tracks) == pytest.approx(aogm.lnk(tracks))


def test_py_ctcmetrics_measures_all_videos_of_a_store():
    both = xr.concat([mitosis().drop_dims("video")] * 2, "localization", data_vars="all")
    both = both.assign(row_size=("video", [9, 9]), n_frames=("video", [4, 4]))
    shifted = {(a + 9, b + 9) for a, b in MITOSIS}
    tracks = tracked(both, MITOSIS - {(4, 7), (3, 6)} | shifted)
    assert aogm.official_lnk(tracks) == pytest.approx(aogm.lnk(tracks))
    assert aogm.lnk(tracks) < 0.9, "test invalid"


def test_more_labels_than_challenge_format_holds_are_measured_as_sets_of_links(monkeypatch):
    """70,000 cells in two frames, of which one link was found: no label wraps."""
    cells = 70_000
    rows = [(t, particle) for t in range(2) for particle in range(cells)]
    tracks = tracked(truth(rows), {(0, cells)})
    assert aogm.official_lnk(tracks) == pytest.approx(1 / cells)
    monkeypatch.setattr(lineages, "MOST_LABELS", 5)
    tracks = tracked(mitosis(), MITOSIS - {(4, 7)})
    assert aogm.official_lnk(tracks) == aogm.lnk(tracks)
    gold = aogm.Gold(masks(mitosis()), masks(mitosis()), np.array([[1, 0, 3, 0]]), 0)
    assert np.isnan(aogm.against_markers(tracks, gold)["TRA"])


def test_markers_that_no_mask_covers_are_missed():
    """Ten markers, the masks of nine: DET 1 - 1/10, and TRA pays for the link as well."""
    drawn = mitosis()
    frame, label = drawn["frame"].to_numpy(), drawn["label"].to_numpy()
    labels = [np.append(0, label[frame == f])[None].astype(np.uint16) for f in range(4)]
    marker, lines = aogm._markers(drawn)
    markers = [np.append(0, marker[frame == f])[None] for f in range(4)]
    labels[0] = np.append(labels[0], 0)[None]  # a pixel of no mask ...
    markers[0] = np.append(markers[0], len(lines) + 1)[None]  # ... under one more marker
    lines = np.vstack([lines, [len(lines) + 1, 0, 0, 0]])
    found = aogm.against_markers(tracked(drawn, MITOSIS), aogm.Gold(labels, markers, lines, 0))
    assert found["DET"] == pytest.approx(0.9)
    assert found["Valid"] == 1
    rows = aogm.scores(tracked(drawn, MITOSIS), gold=[aogm.Gold(labels, markers, lines, 0)])
    assert ("det", pytest.approx(0.9), 9) in rows
