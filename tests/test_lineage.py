"""Links and tracks, drawn so that every answer can be read off."""

import time

import numpy as np
import pytest
import xarray as xr

from magik import lineage, schema


def store(*videos: list[tuple[int, int, int]]) -> xr.Dataset:
    """LOCALIZATIONS from (frame, particle, parent particle); x is the row within the video."""
    table = np.concatenate([np.array(rows, int).reshape(-1, 3) for rows in videos])
    sizes = [len(rows) for rows in videos]
    row = "localization"
    return xr.Dataset(
        {
            "row_size": ("video", np.array(sizes)),
            "n_frames": ("video", np.full(len(videos), 9)),
            "frame": (row, table[:, 0]),
            "x": (row, np.concatenate([np.arange(float(size)) for size in sizes])),
            "y": (row, np.zeros(len(table))),
            "area": (row, np.full(len(table), 3.0)),
            "particle": (row, table[:, 1]),
            "parent_particle": (row, table[:, 2]),
        },
        attrs={"field_of_view": [10, 10]},
    )


FAMILY = [(0, 7, -1), (1, 7, -1), (2, 4, 7), (2, 9, 7), (4, 4, 7), (4, 9, 7), (5, 9, 7)]
"""7 divides after frame 1 into 4 and 9; frame 3 saw neither.

    row   0   1   2,3   -   4,5   6
        7 . . . <  4  . . .  4
                   9  . . .  9 . . 9
    frame 0   1    2    3    4     5
"""
FAMILY_LINKS = [(0, 1), (1, 2), (1, 3), (2, 4), (3, 5), (5, 6)]


def pairs(links: np.ndarray) -> list[tuple[int, int]]:
    return [tuple(pair) for pair in links.T.tolist()]


def test_the_links_of_a_family():
    links, division = lineage.true_links(store(FAMILY))
    assert pairs(links) == FAMILY_LINKS
    assert division.tolist() == [False, True, True, False, False, False]


def test_without_parents_nothing_divides():
    links, division = lineage.true_links(store(FAMILY).drop_vars("parent_particle"))
    assert pairs(links) == [(0, 1), (2, 4), (3, 5), (5, 6)]
    assert not division.any()


def test_the_same_particle_in_two_videos_is_two():
    """Both videos have a particle 7; rows of the second count from those of the first."""
    links, division = lineage.true_links(store(FAMILY, [], [(0, 7, -1), (5, 7, -1), (6, 1, 7)]))
    assert pairs(links) == [*FAMILY_LINKS, (7, 8), (8, 9)]
    assert division.tolist()[-2:] == [False, True]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(0, -1, -1), (1, -1, -1)],  # false positives
        [(0, 1, 1)],  # its own parent
        [(0, 1, -1), (1, 2, 5)],  # the parent was never seen
        [(0, 2, 1), (0, 1, -1)],  # the parent was seen no earlier
        [(0, -1, -1), (1, 3, -1)],  # -1 is no parent, although there is a row of particle -1
    ],
)
def test_where_there_is_no_link(rows):
    links, division = lineage.true_links(store(rows))
    assert links.shape == (2, 0)
    assert division.shape == (0,)


def test_tracks_of_a_family():
    tracks = lineage.tracks_of_links(store(FAMILY), np.array(FAMILY_LINKS).T, "by hand")
    schema.check(tracks, schema.TRACKS, "tracks")
    assert tracks.track.values.tolist() == [0, 0, 1, 2, 1, 2, 2]
    assert tracks.parent.values.tolist() == [-1, 0, 0]
    assert tracks.attrs["linker"] == "by hand"
    assert (tracks.area == 3).all()


def test_an_only_daughter_goes_on_in_the_track():
    """One outgoing link is no division, whatever the truth calls the receiver."""
    localizations = store([(0, 1, -1), (1, 2, 1), (2, 2, 1)])
    links, division = lineage.true_links(localizations)
    assert division.tolist() == [True, False]
    tracks = lineage.tracks_of_links(localizations, links, "truth")
    assert tracks.track.values.tolist() == [0, 0, 0]
    assert not lineage.links_of_tracks(tracks)[1].any()


def test_rows_without_links_are_tracks_of_their_own():
    tracks = lineage.tracks_of_links(store(FAMILY, FAMILY), np.zeros((2, 0), int), "none")
    assert tracks.track.values.tolist() == list(range(14))
    assert (tracks.parent == -1).all()


def test_tracks_that_meet_end_and_one_begins():
    """Rows 0 and 2 lead to row 3: the later of them, row 2, is the parent, row 0 another."""
    localizations = store([(0, 0, -1), (0, 1, -1), (1, 1, -1), (2, 2, -1), (3, 2, -1)])
    links = np.array([[0, 1, 2, 3], [3, 2, 3, 4]])
    tracks = lineage.tracks_of_links(localizations, links, "merging")
    assert tracks.track.values.tolist() == [0, 1, 1, 2, 2]
    assert tracks.parent.values.tolist() == [-1, -1, 1]
    assert tracks.merge_track.values.tolist() == [2]
    assert tracks.merge_parent.values.tolist() == [0]
    assert lineage.families(tracks).tolist() == [[1, 0], [2, 2]]
    again, division = lineage.links_of_tracks(tracks)
    assert pairs(again) == [(1, 2), (0, 3), (2, 3), (3, 4)]
    assert division.tolist() == [False, True, True, False]


def test_no_link_of_tracks_that_merge_is_lost():
    """Any links forward in time, of several to several, over gaps too; and of each video alone."""
    rng = np.random.default_rng(1)
    rows = [(t, -1, -1) for t in range(9) for _ in range(6)]
    localizations = store(rows, rows)
    frame = localizations["frame"].values
    one, two = np.nonzero(frame[:, None] < frame)
    inside = (one < 54) == (two < 54)
    links = np.stack([one, two])[:, inside & (rng.random(len(one)) < 0.03)]
    tracks = lineage.tracks_of_links(localizations, links, "drawn")
    schema.check(tracks, schema.TRACKS, "tracks")
    assert np.bincount(links[1]).max() > 2, "test invalid"
    assert set(pairs(lineage.links_of_tracks(tracks)[0])) == set(pairs(links))
    alone = [lineage.links_of_tracks(video)[0] for video in schema.videos(tracks)]
    assert set(pairs(np.concatenate([alone[0], alone[1] + 54], axis=1))) == set(pairs(links))


def test_the_order_of_the_links_does_not_matter():
    localizations = store(FAMILY)
    links = np.array(FAMILY_LINKS).T
    shuffled = np.random.default_rng(0).permutation(links, axis=1)
    assert not np.array_equal(links, shuffled), "test invalid"
    xr.testing.assert_identical(
        lineage.tracks_of_links(localizations, shuffled, "a"),
        lineage.tracks_of_links(localizations, links, "a"),
    )


@pytest.mark.parametrize("link", [(1, 0), (2, 3), (6, 7), (3, 3)])
def test_a_link_that_does_not_lead_forward_is_a_defect(link):
    with pytest.raises(ValueError, match="later frame of its video"):
        lineage.tracks_of_links(store(FAMILY, FAMILY), np.array([link]).T, "wrong")


def forest(videos: int, frames: int, cells: int) -> xr.Dataset:
    """Cells that each divide or are replaced every 10 frames, with a tenth of the rows unseen."""
    rng = np.random.default_rng(0)
    frame, cell = (axis.ravel() for axis in np.indices((frames, cells)))
    particle = frame // 10 * cells + cell
    mother = particle - cells - cell % 2  # cells 2k and 2k + 1 come of 2k
    parent = np.where((frame >= 10) & (cell % 4 < 2), mother, -1)
    rows = np.stack([frame, particle, parent], axis=1)
    return store(*([*map(tuple, rows[rng.random(len(rows)) < 0.9])] for _ in range(videos)))


def test_links_to_tracks_and_back():
    localizations = forest(videos=3, frames=40, cells=12)
    links, division = lineage.true_links(localizations)
    gaps = np.diff(localizations.frame.values[links], axis=0) > 1
    assert division.any(), "test invalid"
    assert gaps.any(), "test invalid"
    tracks = lineage.tracks_of_links(localizations, links, "truth")
    again, kind = lineage.links_of_tracks(tracks)
    np.testing.assert_array_equal(again, links)
    several = np.bincount(links[0])[links[0]] > 1
    np.testing.assert_array_equal(kind, several)
    np.testing.assert_array_equal(kind, division & several)
    first = np.unique(tracks.track, return_index=True)[1]
    assert (np.diff(first) > 0).all()


def test_a_large_store_is_quick():
    """200,000 rows: true links, tracks and back in seconds, on one core."""
    localizations = forest(videos=1, frames=500, cells=440)
    began = time.perf_counter()
    links, _ = lineage.true_links(localizations)
    tracks = lineage.tracks_of_links(localizations, links, "truth")
    lineage.links_of_tracks(tracks)
    assert links.shape[1] > 150_000
    assert time.perf_counter() - began < 5
