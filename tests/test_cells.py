"""Cells of a recording: small masks whose numbers can be read off, and what is refused."""

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from tiffs import save, write

from magik import cells, lineage, lineages, schema
from magik.config import Source
from magik.errors import InputError

LINEAGE = "3 0 1 0\n5 2 3 3\n8 2 3 3\n"
"""Cell 3 divides after frame 1 into 5 and 8."""


def drawn() -> np.ndarray:
    """Four frames of 6 x 8 px; 3 is 2 x 4 px and divides into 5 and 8, 2 x 2 px each.

    frame 0, 1    frame 2     frame 3
    . . . . . .   . . . . .   . . . . . .
    . 3 3 3 3 .   . 5 5 8 8   5 5 . . 8 8
    . 3 3 3 3 .   . 5 5 8 8   5 5 . . 8 8
    """
    masks = np.zeros((4, 6, 8), np.uint16)
    masks[:2, 1:3, 1:5] = 3
    masks[2, 1:3, 1:3], masks[2, 1:3, 3:5] = 5, 8
    masks[3, 1:3, 0:2], masks[3, 1:3, 4:6] = 5, 8
    return masks


@pytest.fixture
def source(tmp_path) -> Source:
    """The drawn masks as one TIFF, with images (10 x frame + column) and lineage."""
    images = np.zeros(drawn().shape, np.uint8) + np.arange(8, dtype=np.uint8)
    images += 10 * np.arange(4, dtype=np.uint8)[:, None, None]
    write(tmp_path / "masks.tif", drawn(), compression="zlib")
    write(tmp_path / "images.tif", images)
    (tmp_path / "man_track.txt").write_text(LINEAGE)
    return Source(
        masks=str(tmp_path / "masks.tif"),
        images=str(tmp_path / "images.tif"),
        lineage=str(tmp_path / "man_track.txt"),
    )


def challenge(root: Path, first: int = 0, tracks: str = LINEAGE) -> Path:
    """A sequence as the Cell Tracking Challenge lays it out."""
    save(root / "01_ST/SEG", "man_seg", drawn(), first)
    save(root / "01_GT/TRA", "man_track", drawn(), first)
    (root / "01_GT/TRA/man_track.txt").write_text(tracks)
    return save(root / "01", "t", drawn() * 2, first)


def pairs_of(video: xr.Dataset) -> list[tuple[int, ...]]:
    names = ("pair_sender", "pair_receiver", "pair_pixels")
    return [*zip(*(video[name].values.tolist() for name in names), strict=True)]


# masks


def test_the_cells_of_drawn_masks(source):
    video = schema.check(cells.read(source), schema.LOCALIZATIONS, "cells")
    assert video.row_size.values.tolist() == [6]
    assert video.n_frames.values.tolist() == [4]
    assert video.attrs == {"field_of_view": [6, 8], "first_frame": 0}
    assert video.frame.values.tolist() == [0, 1, 2, 2, 3, 3]
    assert video.label.values.tolist() == [3, 3, 5, 8, 5, 8]
    # the middle of columns 1 to 4 is 3 px from the left edge
    assert video.x.values.tolist() == [3, 3, 2, 4, 1, 5]
    assert video.y.values.tolist() == [2] * 6
    assert video.area.values.tolist() == [8, 8, 4, 4, 4, 4]
    assert video.solidity.values.tolist() == [1] * 6
    assert video.eccentricity.values[0] > 0.8
    assert video.eccentricity.values[2:].tolist() == [0] * 4
    assert video.intensity.values.tolist() == [2.5, 12.5, 21.5, 23.5, 30.5, 34.5]
    assert video.particle.values.tolist() == video.label.values.tolist()
    assert video.parent_particle.values.tolist() == [-1, -1, 3, 3, 3, 3]
    links, division = lineage.true_links(video)
    assert links.T.tolist() == [[0, 1], [1, 2], [1, 3], [2, 4], [3, 5]]
    assert division.tolist() == [False, True, True, False, False]


def test_pixels_shared_by_masks_of_two_frames_back(source):
    """5 and 8 of frame 3 lie half on those of frame 2 and on 3 of frame 1; not on frame 0."""
    assert pairs_of(cells.read(source)) == [
        *((0, 1, 8), (0, 2, 4), (1, 2, 4), (0, 3, 4), (1, 3, 4)),
        *((1, 4, 2), (2, 4, 2), (1, 5, 2), (3, 5, 2)),
    ]


def test_pixels_are_shared_as_far_back_as_asked(source):
    """Over three frames the daughters of frame 3 lie on 3 of frame 0, too."""
    near, two, far = ({*pairs_of(cells.read(source, lag))} for lag in (1, 2, 3))
    assert two - near == {(0, 2, 4), (0, 3, 4), (1, 4, 2), (1, 5, 2)}
    assert far - two == {(0, 4, 2), (0, 5, 2)}
    assert near < two < far


def test_no_more_masks_are_kept_than_are_compared(tmp_path):
    """However long the recording: two frames of 1 MB each for a lag of one."""
    masks = np.zeros((16, 512, 512), np.uint16)
    masks[:, 100:200, 100:200] = 1
    path = save(tmp_path / "masks", "t", masks)
    tracemalloc.start()
    cells.read(Source(masks=str(path)), max_lag=1)
    few = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    cells.read(Source(masks=str(path)), max_lag=8)
    many = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    frame = 512 * 512 * 4
    assert 6 * frame < many - few < 8.5 * frame


def test_without_images_and_lineage(source):
    video = cells.read(Source(masks=source.masks))
    assert video.label.values.tolist() == [3, 3, 5, 8, 5, 8]
    assert not {"intensity", "particle", "parent_particle"} & set(video)


def test_a_picture_is_no_mask(tmp_path):
    picture = np.random.default_rng(0).poisson(100, (2, 40, 40)).astype(np.uint16)
    path = save(tmp_path / "masks", "t", picture)
    with pytest.raises(
        InputError, match=r"frame 0: \d\d labels in \d+ pieces.*a picture, it seems"
    ):
        cells.read(Source(masks=str(path)))


def test_parts_of_one_label_are_one_cell(tmp_path):
    masks = np.zeros((1, 3, 9), np.uint8)
    masks[0, 1, 0] = masks[0, 1, 8] = 1
    masks[0, 1, 6] = 2
    write(tmp_path / "masks.tif", masks)
    video = cells.read(Source(masks=str(tmp_path / "masks.tif")))
    assert video.x.values.tolist() == [4.5, 6.5]
    assert video.area.values.tolist() == [2, 1]


@pytest.mark.parametrize(("value", "dtype"), [(255, np.uint8), (1, np.uint16), (1, bool)])
def test_a_foreground_is_no_label(tmp_path, value, dtype):
    """In frame 2 the two daughters touch, as one region; in frame 3 they are two."""
    masks = ((drawn() > 0) * value).astype(dtype)
    path = save(tmp_path / "masks", "t", masks.astype(np.uint8), first=5)
    with pytest.raises(InputError, match=rf"masks: frame 8: 2 separate .* is {value}: a fore"):
        cells.read(Source(masks=str(path)))
    assert cells.read(Source(masks=str(path), frames=(5, 8))).sizes["localization"] == 3
    write(tmp_path / "others.tif", np.where(masks[:, :, :4], value, drawn()[:, :, :4]))
    cells.read(Source(masks=str(tmp_path / "others.tif")))


def test_one_cell_may_have_specks_and_a_lineage_may_call_two_regions_one(tmp_path):
    masks = np.zeros((2, 12, 12), np.uint8)
    masks[:, 2:6, 2:6], masks[1, 9, 8:11] = 255, 255  # 16 px and 3
    write(tmp_path / "masks.tif", masks)
    assert cells.read(Source(masks=str(tmp_path / "masks.tif"))).sizes["localization"] == 2
    masks[1, 8:10, 8:11] = 255
    write(tmp_path / "masks.tif", masks)
    (tmp_path / "man_track.txt").write_text("255 0 1 0\n")
    source = Source(masks=str(tmp_path / "masks.tif"))
    with pytest.raises(InputError, match="a foreground"):
        cells.read(source)
    told = source.model_copy(update={"lineage": str(tmp_path / "man_track.txt")})
    assert cells.read(told).sizes["localization"] == 2


def test_masks_are_those_that_were_measured(source):
    labels, first_frame = cells.masks_of(source)
    assert first_frame == 0
    np.testing.assert_array_equal(labels, drawn())


def test_one_cell_of_one_pixel_and_frames_without_cells(tmp_path):
    masks = np.zeros((5, 4, 4), np.uint8)
    masks[1, 2, 3] = masks[3, 2, 3] = 1
    write(tmp_path / "masks.tif", masks)
    (tmp_path / "man_track.txt").write_text("1 1 3 0\n")
    video = cells.read(
        Source(masks=str(tmp_path / "masks.tif"), lineage=str(tmp_path / "man_track.txt"))
    )
    assert video.frame.values.tolist() == [1, 3]
    assert video.n_frames.values.tolist() == [5]
    assert pairs_of(video) == [(0, 1, 1)]
    assert lineage.true_links(video)[0].T.tolist() == [[0, 1]]
    assert all(np.isfinite(column).all() for column in video.data_vars.values())


def test_no_cell_at_all(tmp_path):
    write(tmp_path / "masks.tif", np.zeros((3, 4, 4), np.uint8))
    (tmp_path / "man_track.txt").write_text("")
    video = cells.read(
        Source(
            masks=str(tmp_path / "masks.tif"),
            images=str(tmp_path / "masks.tif"),
            lineage=str(tmp_path / "man_track.txt"),
        )
    )
    schema.check(video, schema.LOCALIZATIONS, "cells")
    assert video.row_size.values.tolist() == [0]
    assert video.sizes["pair"] == 0


def test_masks_with_depth(tmp_path):
    """A cell of 1 x 2 x 2 px in the third of four slices, in each of two frames."""
    masks = np.zeros((2, 4, 5, 6), np.uint16)
    masks[:, 2, 1:3, 1:3] = 7
    write(tmp_path / "m.tif", masks, imagej=True, metadata={"axes": "TZYX"})
    video = cells.read(Source(masks=str(tmp_path / "m.tif"), images=str(tmp_path / "m.tif")))
    schema.check(video, schema.LOCALIZATIONS, "cells")
    assert [video[axis].values.tolist() for axis in "zyx"] == [[2.5] * 2, [2] * 2, [2] * 2]
    assert video.area.values.tolist() == [4, 4]
    assert video.intensity.values.tolist() == [7, 7]
    assert not {"perimeter", "eccentricity", "solidity"} & set(video)
    assert video.attrs["field_of_view"] == [5, 6]
    assert pairs_of(video) == [(0, 1, 4)]


def test_planes_may_lie_farther_apart_than_pixels(tmp_path):
    """The same cells in cubic voxels, each plane taken five times, are where they were."""
    rng = np.random.default_rng(0)
    coarse = np.zeros((3, 14, 60, 60), np.uint16)
    for k, (z, y, x) in enumerate(rng.integers(0, [9, 54, 48], (14, 3))):
        for t, (planes, px) in enumerate([(0, 0), (0, 0), (4, 6)]):  # at last the stage jumps
            coarse[t, z + planes, y : y + 6, x + px : x + px + 6] = k + 1
    write(tmp_path / "coarse.tif", coarse, imagej=True, metadata={"axes": "TZYX"})
    fine = coarse.repeat(5, axis=1)
    write(tmp_path / "fine.tif", fine, imagej=True, metadata={"axes": "TZYX"})
    one = cells.read(Source(masks=str(tmp_path / "coarse.tif"), z_step_px=5))
    other = cells.read(Source(masks=str(tmp_path / "fine.tif")))
    np.testing.assert_allclose(one.z + 2, other.z)  # the middle of five planes
    np.testing.assert_allclose(one.area, other.area)
    np.testing.assert_allclose(one.drift_z, other.drift_z)
    assert one.drift_z.values.max() == pytest.approx(20, abs=3)
    shared = {pair[:2] for pair in pairs_of(one)}
    assert {(row, row + 14) for row in range(28)} <= shared, "cells lie over themselves"
    still = [[pair for pair in pairs_of(video) if pair[1] < 28] for video in (one, other)]
    assert still[0] == still[1], "shares of volumes, before the stage jumps"


def test_a_step_along_z_is_of_masks_with_planes(tmp_path):
    write(tmp_path / "m.tif", np.ones((2, 4, 4), np.uint8))
    with pytest.raises(InputError, match=r"m.tif: z_step_px = 5, but these masks have no planes"):
        cells.read(Source(masks=str(tmp_path / "m.tif"), z_step_px=5))
    with pytest.raises(ValueError, match="z of a table is in px already"):
        Source(table="cells.csv", z_step_px=5)


# sequences of the challenge


def test_a_sequence_whose_frames_count_from_5(tmp_path):
    later = re.sub(r"(\d+) (\d) (\d)", lambda m: f"{m[1]} {int(m[2]) + 5} {int(m[3]) + 5}", LINEAGE)
    challenge(tmp_path / "five", 5, later)
    challenge(tmp_path / "zero", 0)
    source = Source(folder=str(tmp_path / "five/01"))
    video = cells.read(source)
    assert video.attrs.pop("first_frame") == 5
    zero = cells.read(Source(folder=str(tmp_path / "zero/01")))
    assert zero.attrs.pop("first_frame") == 0
    xr.testing.assert_identical(video, zero)
    assert video.intensity.values.tolist() == [6, 6, 10, 16, 10, 16]
    assert cells.masks_of(source)[1] == 5
    np.testing.assert_array_equal(cells.images_of(source), drawn() * 2)
    np.testing.assert_array_equal(cells.markers_of(source), drawn())
    assert cells.lineage_of(source).tolist()[1] == [5, 7, 8, 3]


@pytest.mark.parametrize("gone", ["01", "01_GT"])
def test_images_and_truth_of_a_sequence_may_be_missing(tmp_path, gone):
    folder = challenge(tmp_path)
    source = Source(folder=str(folder))
    whole = cells.read(source)
    assert {"intensity", "particle"} <= set(whole.data_vars), "test invalid"
    assert cells.gold(source) is not None
    assert cells.recording(source).images is not None
    (tmp_path / gone).rename(tmp_path / "elsewhere")
    found = cells.read(source)
    assert ("intensity" in found) == (gone != "01")
    assert ("particle" in found) == (gone != "01_GT")
    assert (cells.gold(source) is None) == (gone == "01_GT")
    assert (cells.recording(source).images is None) == (gone == "01")
    np.testing.assert_array_equal(found["x"], whole["x"])


@pytest.mark.parametrize(
    ("frame", "label", "line"),
    [
        (2, 5, r"01_GT/TRA: frame 2: no marker has the label 5, but .*man_track.txt says"),
        (1, 3, r"01_GT/TRA: frame 1: no marker has the label 3, but .*man_track.txt says"),
        (0, 3, None),
        (3, 8, None),
    ],
)
def test_markers_that_a_division_cannot_do_without(tmp_path, frame, label, line):
    """Of the mother in her last frame, and of a daughter in her first; others may be missing."""
    source = Source(folder=str(challenge(tmp_path)))
    lost = drawn()[frame]
    lost[lost == label] = 0
    write(tmp_path / f"01_GT/TRA/man_track{frame:03d}.tif", lost)
    if line is None:
        assert cells.gold(source) is not None
        return
    with pytest.raises(InputError, match=line) as error:
        cells.gold(source)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("gone", ["01_ST/SEG", "01_GT/TRA/man_track.txt"])
def test_a_sequence_that_lacks_a_part(tmp_path, gone):
    folder = challenge(tmp_path)
    (tmp_path / gone).rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"looked for .*{gone}") as error:
        cells.read(Source(folder=str(folder)))
    assert "\n" not in str(error.value)


def test_some_frames(source, tmp_path):
    """From frame 2 on nobody knows the parent 3."""
    half = source.model_copy(update={"frames": (2, 4)})
    video = cells.read(half)
    assert video.attrs["first_frame"] == 2
    assert video.frame.values.tolist() == [0, 0, 1, 1]
    assert video.n_frames.values.tolist() == [2]
    assert video.label.values.tolist() == [5, 8, 5, 8]
    assert video.parent_particle.values.tolist() == [-1] * 4
    assert video.intensity.values.tolist() == [21.5, 23.5, 30.5, 34.5]
    labels, first_frame = cells.masks_of(half)
    assert first_frame == 2
    np.testing.assert_array_equal(labels, drawn()[2:])
    assert len(cells.images_of(half)) == 2
    assert cells.markers_of(half) is None
    assert cells.lineage_of(half).tolist() == [[5, 2, 3, 0], [8, 2, 3, 0]]
    assert cells.lineage_of(source.model_copy(update={"frames": (1, 3)})).tolist() == [
        *([3, 1, 1, 0], [5, 2, 2, 3], [8, 2, 2, 3])
    ]


def test_a_stack_takes_the_numbers_of_the_masks(tmp_path):
    folder = save(tmp_path / "m", "t", drawn(), first=5)
    write(tmp_path / "i.tif", drawn() * 2)
    source = Source(masks=str(folder), images=str(tmp_path / "i.tif"), frames=(7, 9))
    np.testing.assert_array_equal(cells.images_of(source), drawn()[2:] * 2)


@pytest.mark.parametrize(
    ("tracks", "line"),
    [
        ("3 0 1 0\n0 2 3 0\n", r":2: label 0 is the background"),
        ("0 0 5 0\n", r":1: label 0 is the background"),
        ("3 0 1 0\n5 2 3\n", r":2: found '5 2 3'; expected four whole numbers"),
        ("3 0 1 0\n5 2 3 -1\n", r":2: found '5 2 3 -1'"),
        ("3 0 1 0\n3 2 3 0\n", r":2: label 3 also stands in line 1"),
        ("3 4 1 0\n", r":1: label 3 ends in frame 1 before it begins in 4"),
        ("3 0 1 0\n5 2 3 9\n", r":2: label 5 has parent 9, which has no line"),
        ("3 0 2 0\n5 2 3 3\n", r":2: label 5 begins in frame 2, but its parent 3 lives until"),
        ("3 0 1 3\n", r":1: label 3 begins in frame 0, but its parent 3 lives until frame 1"),
        ("3 0 1 0\n5 2 3 3\n", r"masks.tif: frame 2: label 8 has no line in .*man_track.txt"),
        (
            LINEAGE.replace("5 2 3", "5 3 3"),
            r"frame 2: label 5 is there, but .*man_track.txt says .* from frame 3 to 3",
        ),
    ],
)
def test_a_lineage_that_contradicts_itself_or_the_masks(source, tracks, line):
    Path(source.lineage).write_text(tracks)
    with pytest.raises(InputError, match=line) as error:
        cells.read(source)
    assert "\n" not in str(error.value)
    assert "man_track.txt" in str(error.value)


def test_a_track_that_the_masks_miss_is_no_contradiction(source):
    before = cells.read(source)
    Path(source.lineage).write_text(LINEAGE + "\n9 0 3 0\n")
    xr.testing.assert_identical(cells.read(source), before)


def test_a_parent_that_the_masks_miss_is_none(source):
    Path(source.lineage).write_text("3 0 1 0\n9 0 1 0\n5 2 3 9\n8 2 3 3\n")
    assert cells.read(source).parent_particle.values.tolist() == [-1, -1, -1, 3, -1, 3]


def test_images_that_do_not_go_with_the_masks(source, tmp_path):
    for frames, line in (
        (np.zeros((3, 6, 8)), r"images.tif: frames 0 to 2, but .*masks.tif has frames 0 to 3"),
        (np.zeros((4, 6, 9)), r"images.tif: pixels 6 x 9, but .*masks.tif has pixels 6 x 8"),
        (np.full((4, 6, 8), np.nan), r"images.tif: frame 0 has counts within a mask that are NaN"),
    ):
        write(source.images, frames)
        with pytest.raises(InputError, match=line):
            cells.read(source)


@pytest.mark.parametrize(
    ("masks", "line"),
    [
        (drawn().astype(np.float32), "masks of type float32; expected whole numbers"),
        (drawn().astype(np.int16) - 1, "frame 0: label -1; expected 0"),
    ],
)
def test_what_are_no_masks(tmp_path, masks, line):
    write(tmp_path / "m.tif", masks)
    with pytest.raises(InputError, match=line):
        cells.read(Source(masks=str(tmp_path / "m.tif")))


def test_frames_that_are_not_there(source):
    for frames in ((0, 5), (3, 9)):
        with pytest.raises(InputError, match=r"masks.tif: frames = .* it has the frames 0 to 3"):
            cells.read(source.model_copy(update={"frames": frames}))


def test_files_that_are_not_there(tmp_path):
    for kind in ("masks", "table", "geff"):
        with pytest.raises(InputError, match=r"none\.csv: no such"):
            cells.read(Source(**{kind: str(tmp_path / "none.csv")}))


# detections

ROWS = pd.DataFrame(
    {
        "t": [1, 2, 2, 3, 3],
        "y": [2.0] * 5,
        "x": [3.0, 2.0, 4.0, 1.0, 5.0],
        "label": [3, 5, 8, 5, 8],
        "area": [8, 4, 4, 4, 4],
    }
)
"""The drawn cells from frame 1 on."""


def table(tmp_path: Path, rows: pd.DataFrame = ROWS, **settings) -> Source:
    rows.to_csv(tmp_path / "cells.csv", index=False)
    return Source(table=str(tmp_path / "cells.csv"), **settings)


def graph(tmp_path: Path, **settings) -> Source:
    """The same as GEFF."""
    links = np.array([[0, 0, 1, 2], [1, 2, 3, 4]])
    tracks = lineage.tracks_of_links(cells.read(table(tmp_path)), links, "drawn")
    lineages.geff(tracks, tmp_path / "cells.geff")
    return Source(geff=str(tmp_path / "cells.geff"), **settings)


def test_a_table_with_a_lineage(tmp_path, source):
    rows = cells.read(table(tmp_path, lineage=source.lineage))
    masks = cells.read(source.model_copy(update={"frames": (1, 4)}))
    assert rows.attrs["first_frame"] == masks.attrs["first_frame"] == 1
    for name in ("frame", "x", "y", "label", "particle", "parent_particle"):
        np.testing.assert_array_equal(rows[name], masks[name])
    Path(source.lineage).write_text(LINEAGE.replace("5 2 3", "5 2 2"))
    with pytest.raises(InputError, match=r"cells.csv: frame 3: label 5 is there"):
        cells.read(table(tmp_path, lineage=source.lineage))
    with pytest.raises(InputError, match="no column 'track' or 'label'"):
        cells.read(table(tmp_path, ROWS.drop(columns="label"), lineage=source.lineage))


def test_a_lineage_of_labels_that_are_in_a_frame_twice(tmp_path, source):
    rows = ROWS.assign(label=[3, 5, 8, 5, 5])
    with pytest.raises(InputError, match=r"column 'label', row 5: 5 is in frame 3 already"):
        cells.read(table(tmp_path, rows, lineage=source.lineage))
    assert "particle" not in cells.read(table(tmp_path, rows)), "without lineage they may be"


@pytest.mark.parametrize("rows", [table, graph])
def test_the_field_of_view_of_detections_is_that_of_their_images(tmp_path, source, rows):
    """Detections reach from 0 to 2 px and 5 px, in images of 6 x 8 px."""
    alone = rows(tmp_path)
    for settings, view in (
        ({}, [2, 5]),
        ({"images": source.images}, [6, 8]),
        ({"images": source.images, "field_of_view": (5, 7)}, [5, 7]),
    ):
        found = cells.read(alone.model_copy(update=settings))
        assert found.attrs["field_of_view"] == view
    far = table(tmp_path, ROWS.assign(x=ROWS.x + 4), images=source.images)
    with pytest.raises(InputError, match=r"'x', row 5: 9 px .* expected 0 to 8, .* the images say"):
        cells.read(far)


@pytest.mark.parametrize("wrong", [1.5, np.nan])
def test_a_later_frame_that_is_no_mask(tmp_path, wrong):
    folder = save(tmp_path / "m", "t", drawn(), first=5)
    write(folder / "t007.tif", np.full((6, 8), wrong, np.float32))
    with pytest.raises(InputError, match=r"m: frame 7 is of type float32; expected whole numbers"):
        cells.read(Source(masks=str(folder)))


def test_a_parent_before_the_first_frame_is_none(tmp_path):
    rows = ROWS.rename(columns={"label": "track"}).assign(parent_track=[-1, 3, 3, 3, 3])
    assert cells.read(table(tmp_path, rows)).parent_particle.values.tolist() == [-1, *[3] * 4]
    some = cells.read(table(tmp_path, rows, frames=(2, 4)))
    assert some.particle.values.tolist() == [5, 8, 5, 8]
    assert some.parent_particle.values.tolist() == [-1] * 4


@pytest.mark.parametrize("rows", [table, graph])
@pytest.mark.parametrize("frames", [None, (2, 4), (0, 3)])
@pytest.mark.parametrize("name", ["images", "markers"])
def test_images_beside_detections_have_the_frames_of_the_store(
    tmp_path, source, rows, frames, name
):
    """Detections begin in frame 1: image 0 is that of the store's frame 0."""
    beside = rows(tmp_path, frames=frames, **{name: source.images})
    video = cells.read(beside)
    first, end = frames or (1, 4)
    assert video.attrs["first_frame"] == first
    images = cells.images_of(beside) if name == "images" else cells.markers_of(beside)
    assert images.shape == (int(video.n_frames[0]), 6, 8) == (end - first, 6, 8)
    # in the upper left corner, images are 10 x their number in the file
    assert [image[0, 0] for image in images] == list(range(10 * first, 10 * end, 10))


def test_numbered_images_beside_detections(tmp_path):
    """Files 5 to 8; detections in frames 6 to 8."""
    folder = save(tmp_path / "i", "t", drawn(), first=5)
    images = cells.images_of(table(tmp_path, ROWS.assign(t=ROWS.t + 5), images=str(folder)))
    assert images.first_frame == 6
    np.testing.assert_array_equal(images, drawn()[1:])


def test_images_that_lack_frames_of_the_detections(tmp_path, source):
    later = ROWS.assign(t=ROWS.t + 1)
    with pytest.raises(
        InputError, match=r"images.tif: .*cells.csv .* frames 2 to 4, but it has the frames 0 to 3"
    ) as error:
        cells.images_of(table(tmp_path, later, images=source.images))
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"images.tif: frames = \[0, 9\] .* frames 0 to 3"):
        cells.images_of(table(tmp_path, images=source.images, frames=(0, 9)))


def test_detections_have_no_masks(tmp_path):
    source = table(tmp_path)
    assert cells.images_of(source) is None
    assert cells.lineage_of(source) is None
    with pytest.raises(InputError, match=r"cells.csv: detections without masks"):
        cells.masks_of(source)


# several videos


def test_videos_joined_into_one_store(source, tmp_path):
    one = cells.read(source)
    other = cells.read(Source(masks=source.masks, lineage=source.lineage, frames=(1, 4)))
    other = other.assign_attrs(field_of_view=[9, 4])
    both = schema.check(cells.join([one, other]), schema.LOCALIZATIONS, "cells")
    assert both.attrs == {"field_of_view": [9, 8]}
    assert both.row_size.values.tolist() == [6, 5]
    assert both.n_frames.values.tolist() == [4, 3]
    assert "intensity" in one
    assert "intensity" not in both
    assert both.n_pair.values.tolist() == [one.sizes["pair"], other.sizes["pair"]]
    assert both.frame.values.tolist() == [*one.frame.values, *other.frame.values]
    n = one.sizes["pair"]
    assert pairs_of(both.isel(pair=slice(n, None))) == pairs_of(other)
    links, _ = lineage.true_links(both)
    assert links.shape == (2, 9)


def test_pairs_are_dropped_where_a_video_has_none(source, tmp_path):
    one = cells.read(source)
    both = cells.join([one, cells.read(table(tmp_path, lineage=source.lineage))])
    schema.check(both, schema.LOCALIZATIONS, "cells")
    assert not [name for name in both if "pair" in name]
    assert {"area", "particle", "parent_particle"} <= set(both)
    xr.testing.assert_identical(cells.join([one]), one)


def test_masks_overlap_as_if_the_stage_had_not_jumped(tmp_path):
    """Twelve cells, 6 px apart; before the third frame the stage jumps by 9 px down, 6 right."""
    still = np.zeros((60, 60), np.uint16)
    for k in range(12):
        row, column = 14 + 6 * (k // 4), 14 + 6 * (k % 4)
        still[row : row + 4, column : column + 4] = k + 1
    moved = np.roll(still, (9, 6), (0, 1))
    write(tmp_path / "masks.tif", np.stack([still, still, moved]))
    found = cells.read(Source(masks=str(tmp_path / "masks.tif")))
    last = found["frame"].to_numpy() == 2
    for axis, jump in (("x", 6), ("y", 9)):
        stage = found[f"drift_{axis}"].to_numpy()
        assert np.all(stage[~last] == 0)
        np.testing.assert_allclose(stage[last], jump, atol=1.5)
    shared = dict(
        zip(
            zip(found["pair_sender"].values, found["pair_receiver"].values, strict=True),
            found["pair_pixels"].values,
            strict=True,
        )
    )
    rows = np.arange(12)
    assert all(shared[row, 12 + row] == 16 for row in rows)
    assert all(shared[12 + row, 24 + row] >= 8 for row in rows), "most of each, to a pixel or two"
    raw = [(still == k) & (moved == k) for k in range(1, 13)]
    assert not np.any(raw), "test invalid"


def test_flat_and_deep_videos_stand_together(tmp_path):
    (tmp_path / "flat.csv").write_text("t,x,y\n0,1,2\n1,3,4\n")
    (tmp_path / "deep.csv").write_text("t,x,y,z\n0,1,2,5\n")
    videos = [cells.read(Source(table=str(tmp_path / f"{n}.csv"))) for n in ("flat", "deep")]
    np.testing.assert_array_equal(cells.join(videos)["z"], [0, 0, 5])
    jumped = videos[0].assign(drift_x=("localization", [0.0, 7.0]))
    np.testing.assert_array_equal(cells.join([jumped, videos[1]])["drift_x"], [0, 7, 0])
    assert "z" not in cells.join(videos[:1])


@pytest.mark.parametrize(("deep", "whole"), [(False, np.pi), (True, 4 / 3 * np.pi)])
def test_detections_of_a_known_radius_overlap_as_balls_do(tmp_path, deep, whole):
    """In the next frame one stands where it was, one touches, one is half as large and inside."""
    z = ",z" if deep else ""
    rows = ["0,5,5", "0,20,5", "0,40,5", "1,5,5", "1,24,5", "1,40,5", "2,5,5"]
    radius = [2, 2, 2, 2, 2, 1, 2]
    lines = [f"{row}{',7' if deep else ''},{r}" for row, r in zip(rows, radius, strict=True)]
    path = tmp_path / "cells.csv"
    path.write_text("\n".join([f"t,x,y{z},radius", *lines]))
    found = cells.read(Source(table=str(path)))
    power = 3 if deep else 2
    np.testing.assert_allclose(found["area"], whole * np.array(radius) ** power)
    pairs = zip(found["pair_sender"].values, found["pair_receiver"].values, strict=True)
    shared = dict(zip(pairs, found["pair_pixels"].values, strict=True))
    assert shared == {
        (0, 3): pytest.approx(whole * 2**power),
        (2, 5): pytest.approx(whole),
        (0, 6): pytest.approx(whole * 2**power),
        (3, 6): pytest.approx(whole * 2**power),
    }
    near = cells.read(Source(table=str(path)), max_lag=1)
    assert near["pair_sender"].values.tolist() == [0, 2, 3], "not the one two frames back"


@pytest.mark.parametrize("axes", [2, 3])
def test_lenses_are_those_that_random_points_find(axes):
    points = np.random.default_rng(0).uniform(-2, 3, (200_000, axes))
    share = [
        np.linalg.norm(points - np.eye(axes)[0] * d, axis=1) < r for d, r in ((0, 1.5), (1, 1))
    ]
    hits = (share[0] & share[1]).mean()
    found = cells._shared(np.array([1.0]), np.array([1.5]), np.array([1.0]), axes)[0]
    error = 5**axes * np.sqrt(hits * (1 - hits) / len(points))
    assert abs(found - 5**axes * hits) < 4 * error
