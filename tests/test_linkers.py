"""Linkers without a network: what each of them can follow, and how parameters are chosen."""

import sys

import numpy as np
import pytest
import trackpy
import xarray as xr

from magik import aogm, lineage, linkers, schema
from magik.errors import InputError


def cells(*rows: tuple[int, float, float, int], **parents: int) -> xr.Dataset:
    """LOCALIZATIONS of one video from (frame, x, y, particle), of 10 px² each."""
    table = np.array(sorted(rows, key=lambda row: row[0]), float).reshape(-1, 4)
    named = {int(name[1:]): parent for name, parent in parents.items()}
    parent = [named.get(int(particle), -1) for particle in table[:, 3]]
    row = "localization"
    return xr.Dataset(
        {
            "row_size": ("video", [len(table)]),
            "n_frames": ("video", [int(table[:, 0].max(initial=0)) + 1]),
            "frame": (row, table[:, 0].astype(int)),
            "x": (row, table[:, 1]),
            "y": (row, table[:, 2]),
            "area": (row, np.full(len(table), 10.0)),
            "particle": (row, table[:, 3].astype(int)),
            "parent_particle": (row, np.array(parent, int)),
        },
        attrs={"field_of_view": [50, 80]},
    )


def links(tracks: xr.Dataset) -> set[tuple[int, int]]:
    schema.check(tracks, schema.TRACKS, "tracks")
    return {tuple(link) for link in lineage.links_of_tracks(tracks)[0].T.tolist()}


def blinking() -> xr.Dataset:
    """One cell waits and is not seen in frame 2; rows 0, 1, 2."""
    return cells((0, 5, 5, 0), (1, 5.1, 5, 0), (3, 5.2, 5, 0))


def mitosis() -> xr.Dataset:
    """0 divides into 1 and 2 after two frames; 3 waits far away.

    y 20 | 3 3 3 3
      12 |     2 2
      10 | 0 0
       9 |     1 1
           0 1 2 3   frame
    """
    mother = [(t, 10, 10, 0) for t in (0, 1)]
    daughters = [(t, 10, y, particle) for t in (2, 3) for y, particle in ((9, 1), (12, 2))]
    return cells(*mother, *daughters, *[(t, 10, 20, 3) for t in range(4)], p1=0, p2=0)


def overlapping(localizations: xr.Dataset, *pairs: tuple[int, int, int]) -> xr.Dataset:
    sender, receiver, pixels = np.array(pairs, int).reshape(-1, 3).T
    return localizations.assign(
        n_pair=("video", [len(sender)]),
        pair_sender=("pair", sender),
        pair_receiver=("pair", receiver),
        pair_pixels=("pair", pixels),
    )


# --- nearest -------------------------------------------------------------------------------


def test_the_nearest_are_linked_up_to_the_largest_distance():
    steps = cells((0, 5, 5, 0), (1, 7, 5, 0), (2, 12, 5, 0))
    assert links(linkers.nearest(steps, 3.0)) == {(0, 1)}
    assert links(linkers.nearest(steps, 6.0)) == {(0, 1), (1, 2)}


def test_the_total_distance_counts_and_not_the_nearest_pair():
    """x = 0, 2 -> 1.9, 4: the pair 2 -> 1.9 would leave 0 -> 4."""
    assert links(
        linkers.nearest(cells((0, 0, 0, 0), (0, 2, 0, 1), (1, 1.9, 0, 0), (1, 4, 0, 1)), 9.0)
    ) == {(0, 2), (1, 3)}


def test_the_nearest_exchange_cells_that_cross_and_bridge_no_gap():
    a = [(t, float(t), 3.0 - t, 0) for t in range(4)]
    b = [(t, float(t), float(t), 1) for t in range(4)]
    tracks = linkers.nearest(cells(*a, *b), 2.0)
    assert aogm.counts(tracks).added > 0
    assert links(linkers.nearest(blinking(), 2.0)) == {(0, 1)}


def test_depth_is_a_distance_too():
    steps = cells((0, 5, 5, 0), (1, 5, 5, 0)).assign(z=("localization", [0.0, 4.0]))
    assert links(linkers.nearest(steps, 3.0)) == set()
    assert links(linkers.with_memory(steps, 3.0, 0)) == set()
    assert links(linkers.with_memory(steps, 5.0, 0)) == {(0, 1)}


# --- trackpy -------------------------------------------------------------------------------


def test_memory_bridges_a_gap_of_as_many_frames():
    assert links(linkers.with_memory(blinking(), 2.0, 0)) == {(0, 1)}
    assert links(linkers.with_memory(blinking(), 2.0, 1)) == {(0, 1), (1, 2)}


def test_a_crowd_does_not_stop_trackpy():
    rng = np.random.default_rng(0)
    at = rng.uniform(0, 10, (34, 2))
    rows = [(t, *(at[i] + 0.01 * t), i) for t in range(2) for i in range(34)]
    crowd = cells(*rows)
    assert aogm.lnk(linkers.with_memory(crowd, 8.0, 0)) == 1
    table = crowd[["frame", "x", "y"]].to_dataframe()
    with pytest.raises(trackpy.SubnetOversizeException):
        trackpy.link(table, 8.0)


def test_rows_within_a_frame_keep_their_order():
    rng = np.random.default_rng(1)
    at = 4.0 * rng.permutation(30)
    rows = [(t, at[i], 5.0, i) for t in range(8) for i in rng.permutation(30)]
    for tracks in (linkers.with_memory(cells(*rows), 1.0, 0), linkers.nearest(cells(*rows), 1.0)):
        assert aogm.lnk(tracks) == 1


# --- LapTrack ------------------------------------------------------------------------------


def test_laptrack_closes_gaps_up_to_its_lag():
    pytest.importorskip("laptrack")
    assert links(linkers.lap(blinking(), 2.0, 2.0, 1, 0.0)) == {(0, 1)}
    assert links(linkers.lap(blinking(), 2.0, 2.0, 2, 0.0)) == {(0, 1), (1, 2)}
    assert links(linkers.lap(blinking(), 2.0, 0.05, 2, 0.0)) == {(0, 1)}


def test_laptrack_finds_divisions_if_it_may():
    pytest.importorskip("laptrack")
    assert aogm.lnk(linkers.lap(mitosis(), 3.0, 3.0, 1, 3.0)) == 1
    assert aogm.division_f1(linkers.lap(mitosis(), 3.0, 3.0, 1, 0.0)) == 0


def test_laptrack_goes_by_shared_pixels_where_positions_mislead():
    """Both cells jump to where the other one was, by their centroids."""
    pytest.importorskip("laptrack")
    jump = cells((0, 5, 5, 0), (0, 9, 5, 1), (1, 9, 5, 0), (1, 5, 5, 1))
    seen = overlapping(jump, (0, 2, 6), (1, 3, 5), (1, 2, 1))
    assert links(linkers.lap_overlap(seen, 0.3, 1, 1.0)) == {(0, 2), (1, 3)}
    assert links(linkers.lap_overlap(seen, 0.55, 1, 1.0)) == {(0, 2)}
    assert links(linkers.lap(seen, 6.0, 6.0, 1, 0.0)) == {(0, 3), (1, 2)}, "test invalid"


def test_laptrack_by_overlap_closes_gaps_and_divides():
    pytest.importorskip("laptrack")
    hidden = overlapping(blinking(), (0, 1, 9), (1, 2, 8))
    assert links(linkers.lap_overlap(hidden, 0.3, 1, 1.0)) == {(0, 1)}
    assert links(linkers.lap_overlap(hidden, 0.3, 2, 1.0)) == {(0, 1), (1, 2)}

    waiting = [(1, 3, 9), (3, 6, 9), (6, 9, 9)]
    kin = [(0, 2, 9), (2, 4, 8), (2, 5, 6), (4, 7, 9), (5, 8, 9)]
    seen = overlapping(mitosis(), *waiting, *kin)
    assert aogm.lnk(linkers.lap_overlap(seen, 0.3, 1, 0.3)) == 1
    assert aogm.division_f1(linkers.lap_overlap(seen, 0.3, 1, 1.0)) == 0


def test_a_missing_laptrack_is_told_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "laptrack", None)
    with pytest.raises(InputError, match="pip install laptrack"):
        linkers.lap(blinking(), 2.0, 2.0, 1, 0.0)


# --- all of them ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", linkers.LINKERS)
def test_videos_do_not_know_of_each_other(name):
    if name.startswith("laptrack"):
        pytest.importorskip("laptrack")
    one = overlapping(cells((0, 5, 5, 0), (1, 5, 5, 0), (2, 5, 5, 0)), (0, 1, 10), (1, 2, 10))
    store = xr.concat([one.drop_dims(("video", "pair"))] * 2, "localization", data_vars="all")
    store = store.assign(
        row_size=("video", [0, 3, 0, 3]),
        n_frames=("video", [2, 4, 1, 3]),
        n_pair=("video", [0, 2, 0, 2]),
        **{name: ("pair", np.tile(one[name], 2)) for name in one if one[name].dims == ("pair",)},
    )
    linker = linkers.LINKERS[name]
    middle = {p: v[len(v) // 2] for p, v in {**linker.lengths, **linker.others}.items()}
    tracks = linker.link(store, **middle)
    assert tracks["track"].values.tolist() == [0, 0, 0, 1, 1, 1]
    assert tracks.attrs["linker"] == name
    empty = linker.link(overlapping(cells()), **middle)
    assert empty.sizes["track"] == 0


@pytest.mark.parametrize("name", ["nearest", "trackpy", "laptrack"])
def test_jumps_of_the_stage_are_no_motion(name):
    """Three cells 10 px apart; the stage jumps by 9 px along x, and by 4 along z."""
    if name == "laptrack":
        pytest.importorskip("laptrack")
    jump = cells(*[(t, 10.0 * i + 9 * t, 5, i) for t in (0, 1) for i in range(3)])
    later = jump["frame"].astype(float)
    jump = jump.assign(z=4 * later, drift_x=9 * later, drift_z=4 * later)
    near = dict.fromkeys(linkers.LINKERS[name].lengths, 2.0)
    others = {p: values[0] for p, values in linkers.LINKERS[name].others.items()}
    link = linkers.LINKERS[name].link
    tracks = link(jump, **near, **others)
    assert links(tracks) == {(0, 3), (1, 4), (2, 5)}
    assert tracks["x"].values.tolist() == jump["x"].values.tolist(), "as seen in the images"
    assert links(link(jump.drop_vars(["drift_x", "drift_z"]), **near, **others)) == set()


def test_spacing_is_the_median_distance_to_the_nearest_of_the_same_frame():
    row = cells((0, 0, 0, 0), (0, 3, 0, 1), (0, 8, 0, 2), (1, 0, 0, 0))
    assert linkers.spacing(row) == 3  # 3, 3, 5
    assert linkers.spacing(blinking()) == 80


def drifting() -> xr.Dataset:
    """Cells 10 px apart that drift by 4 px a frame, one in ten of them not seen."""
    rng = np.random.default_rng(2)
    rows = [
        (t, 10.0 * i + 4 * t, 10.0 * j, 4 * i + j)
        for t in range(6)
        for i in range(4)
        for j in range(4)
    ]
    return cells(*[row for row in rows if rng.random() < 0.9])


def test_parameters_are_those_of_the_best_lnk_on_the_training_video():
    chosen = linkers.tuned("nearest", drifting())
    reach = [linkers.spacing(drifting()) * value for value in linkers.REACH]
    score = {d: aogm.lnk(linkers.nearest(drifting(), d)) for d in reach}
    assert score[chosen["max_distance"]] == max(score.values())
    assert min(score.values()) < max(score.values()), "test invalid"

    with_gaps = linkers.tuned("trackpy", drifting())
    assert with_gaps["memory"] >= 1
    assert aogm.lnk(linkers.with_memory(drifting(), **with_gaps)) > max(score.values())


def test_parameters_are_not_chosen_without_truth():
    with pytest.raises(InputError, match="nearest: no true link in the training videos"):
        linkers.tuned("nearest", cells((0, 5, 5, 0), (1, 5, 5, 1)))
