"""Colours and the overlay movie: every cell is seen where it is, in the colour of its track."""

import numpy as np
import pytest
import xarray as xr
from drawn import SHAPE, deep, family, named_rows, nothing, squares
from PIL import Image

from magik import movies


@pytest.fixture
def tracks() -> xr.Dataset:
    return family()


@pytest.fixture
def labels(tracks) -> np.ndarray:
    return squares(tracks)


# colours -------------------------------------------------------------------------------------


def test_colours_of_successive_tracks_are_far_apart():
    palette = movies.PALETTE.astype(int)
    for step in (1, 2, 3):
        assert np.abs(palette[step:] - palette[:-step]).sum(axis=1).min() > 70  # of 3 x 255
    assert len(np.unique(palette, axis=0)) == len(palette)


def test_true_and_found_tracks_that_match_have_the_same_colour(tracks):
    """D broken at its gap: the longer part keeps its colour, the other takes a new one."""
    particle = np.searchsorted([30, 40, 50, 70, 90], tracks["label"].to_numpy())
    known = tracks.assign(particle=("localization", particle))
    found = known.assign(parent=("track", [-1, -1, 0, 0, -1, -1]))
    broken = (known["label"] == 90) & (known["frame"] >= 1)
    found["track"] = known["track"].where(~broken, 5)

    def of(store):
        colour = movies.colours(store)[store["track"].to_numpy()]
        return {
            (t, name): c
            for (t, name, _, _), c in zip(named_rows(store), colour.tolist(), strict=True)
        }

    true, ours = of(known), of(found)
    differing = {row for row in true if true[row] != ours[row]}
    assert differing == {(0, 90)}
    assert len(set(true.values())) == 5
    assert ours[0, 90] not in true.values()


def test_without_truth_colours_go_by_number(tracks):
    assert movies.colours(tracks).tolist() == [0, 1, 2, 3, 4]
    assert movies.colours(nothing()).tolist() == []


# movie ---------------------------------------------------------------------------------------


def _shown(path) -> list[np.ndarray]:
    with Image.open(path) as movie:
        frames = []
        for index in range(movie.n_frames):
            movie.seek(index)
            frames.append(np.array(movie.convert("RGB")))
    return frames


def _has(picture: np.ndarray, colour) -> np.ndarray:
    return (picture == np.array(colour)).all(axis=-1)


@pytest.mark.parametrize("kind", ["image and masks", "masks", "image", "table", "3D"])
def test_every_cell_is_in_the_colour_of_its_track(tmp_path, tracks, labels, kind):
    images = (labels > 0) * 100.0
    if kind == "3D":
        tracks = deep(tracks)
        images, labels = (np.stack([each * 0, each], axis=1) for each in (images, labels))
    movies.movie(
        tracks,
        images if "image" in kind or kind == "3D" else None,
        labels if "masks" in kind or kind == "3D" else None,
        tmp_path / "overlay.gif",
    )
    pictures = _shown(tmp_path / "overlay.gif")
    zoom = movies.ENLARGED
    assert [picture.shape for picture in pictures] == [(24 * zoom, 32 * zoom, 3)] * 6
    for row, (t, _, y, x) in enumerate(named_rows(tracks)):
        colour = movies.PALETTE[int(tracks["track"][row])]
        at = np.argwhere(_has(pictures[t], colour)) / zoom
        near = np.abs(at - (y, x)).max(axis=1) < 2
        assert near.sum() > 4, (t, y, x)


@pytest.mark.parametrize("kind", ["2D", "3D"])
def test_pixels_without_a_count_are_black_and_darken_no_other(tmp_path, tracks, labels, kind):
    """A border that registration left, and a frame that is all of it; in space a plane."""
    images = (labels > 0) * 100.0
    images[:, :, -3:], images[3] = np.nan, np.nan
    if kind == "3D":
        tracks, images = deep(tracks), np.stack([images * np.nan, images], axis=1)
    for name, case in (("nan", images), ("zero", np.nan_to_num(images))):
        movies.movie(tracks, case, None, tmp_path / f"{name}.gif")
    holes, whole = (_shown(tmp_path / f"{name}.gif") for name in ("nan", "zero"))
    assert _has(whole[0], (255, 255, 255)).sum() > 100, "test invalid"
    np.testing.assert_array_equal(holes, whole)


def test_a_table_is_seen_from_its_first_position_on(tmp_path, tracks):
    """Cells from (504.5, 505.5) to (526.5, 520.5); the view begins 1.1 and 1 px before."""
    far = tracks.assign(x=tracks["x"] + 500, y=tracks["y"] + 500)
    assert movies.view(far.assign_attrs(field_of_view=[600, 600]), False) == (0, 0, 600, 600)
    far = far.assign_attrs(field_of_view=[521, 527])
    assert movies.view(far, pixels=True) == (0, 0, 527, 521)
    assert movies.view(far, pixels=False) == (503, 504, 24, 17)
    movies.movie(far, None, None, tmp_path / "overlay.gif")
    picture = _shown(tmp_path / "overlay.gif")[5]
    assert picture.shape == (17 * movies.ENLARGED, 24 * movies.ENLARGED, 3)
    at = np.argwhere(_has(picture, movies.PALETTE[4])) / movies.ENLARGED
    np.testing.assert_allclose(at.mean(axis=0), (16.5, 1.5), atol=0.5)


def test_outlines_are_the_masks(tmp_path, tracks, labels):
    """E is a square of 3 x 3 px in its corner: enlarged 4-fold, 12 pixels wide less the inner 8."""
    movies.movie(tracks, None, labels, tmp_path / "overlay.gif")
    painted = _has(_shown(tmp_path / "overlay.gif")[5], movies.PALETTE[4])
    expected = np.zeros(painted.shape, bool)
    expected[19 * 4 : 22 * 4, 3 * 4 : 6 * 4] = True
    expected[19 * 4 + 2 : 22 * 4 - 2, 3 * 4 + 2 : 6 * 4 - 2] = False
    np.testing.assert_array_equal(painted, expected)


def test_a_division_is_white_for_some_frames(tmp_path, tracks, monkeypatch):
    """Between A's last and B's first position, in the first two of B's frames only."""
    monkeypatch.setattr(movies, "MARKED", 2)
    movies.movie(tracks, None, None, tmp_path / "overlay.gif")
    middle = (slice(7 * 4 - 4, 7 * 4 + 4), slice(42, 47))  # around (y, x) = (7, 10.5)
    white = [_has(p[middle], (255, 255, 255)).any() for p in _shown(tmp_path / "overlay.gif")]
    assert white == [False, False, False, True, True, False]
    tail = _has(_shown(tmp_path / "overlay.gif")[5][middle], movies.PALETTE[2])
    assert tail.any(), "then a part of the daughter's tail"


def test_a_long_recording_is_thinned_and_a_large_one_shrunk(tmp_path, tracks, monkeypatch):
    monkeypatch.setattr(movies, "MOST_FRAMES", 4)
    large = tracks.assign_attrs(field_of_view=[600, 1200])
    large = large.assign({axis: large[axis] * 40 for axis in "xy"})
    images = np.random.default_rng(0).normal(size=(6, 600, 1200)).astype(np.float32)
    movies.movie(large, images, None, tmp_path / "overlay.gif", pixel_size_um=0.5)
    pictures = _shown(tmp_path / "overlay.gif")
    assert [picture.shape for picture in pictures] == [(200, 400, 3)] * 3
    bar = np.flatnonzero(_has(pictures[0], (255, 255, 255))[-10])
    assert bar.max() - bar.min() + 1 == pytest.approx(200 / 0.5 / 3, abs=1.5), "200 µm"


def test_a_movie_without_cells(tmp_path):
    movies.movie(nothing(), None, np.zeros((3, *SHAPE), int), tmp_path / "overlay.gif")
    assert len(_shown(tmp_path / "overlay.gif")) == 3
    assert list(tmp_path.iterdir()) == [tmp_path / "overlay.gif"]


def test_same_tracks_same_bytes(tmp_path, tracks, labels):
    images = np.random.default_rng(0).integers(0, 255, labels.shape)
    moved = tracks.assign(x=tracks["x"] + 2)
    contents = []
    for name, case in (("one", tracks), ("two", tracks.copy(deep=True)), ("moved", moved)):
        movies.movie(case, images, None, tmp_path / f"{name}.gif")
        contents.append((tmp_path / f"{name}.gif").read_bytes())
    one, two, other = contents
    assert one == two
    assert one != other, "test invalid"
