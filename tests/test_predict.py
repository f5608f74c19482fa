"""Wide fields in tiles: the same answers, in batches of bounded size."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from drawn import brownian, video

from magik import graphs, predict, store
from magik.config import Predict

WEIGHTS = Path(predict.__file__).parent / "weights"
MOVING, CELLS = WEIGHTS / "recordings.safetensors", WEIGHTS / "lineages_points.safetensors"
WINDOWS = Predict(window=6, context=4)

TYPICAL, WORST = 1e-3, 2e-2
"""px/frame^½: what tiling may change in 999 of 1,000 localizations, and in any."""


def at_once(monkeypatch, checkpoint, edges: int) -> None:
    """Memory for so many edges."""
    width = store.said_by(checkpoint)["network"]["encoder"][-1]
    monkeypatch.setattr(predict, "MEMORY", 4 * predict.ARRAYS * width * edges)


@pytest.fixture
def batches(monkeypatch) -> list[list[predict.Cut]]:
    """What each batch of a run was made of."""
    seen, real = [], predict._batches

    def spy(*words):
        for batch, cuts in real(*words):
            assert batch.edge_index.shape[1] == sum(len(cut.edges) for cut in cuts)
            seen.append(cuts)
            yield batch, cuts

    monkeypatch.setattr(predict, "_batches", spy)
    return seen


@pytest.fixture(scope="module")
def wide() -> xr.Dataset:
    """300 particles in 12 frames of 128 x 128 px; the network reaches over 6.4 px."""
    return brownian(1, 12, 300, seed=3, side=128.0)


def uneven() -> xr.Dataset:
    """Half of the particles crowd in a corner that is a sixteenth of the field."""
    crowd, rest = brownian(1, 12, 40, seed=4, side=32.0), brownian(1, 12, 40, seed=5, side=128.0)
    rows = [
        row
        for one, shift in ((crowd, 0), (rest, 40))
        for row in zip(
            *(one[name].to_numpy() for name in ("frame", "x", "y")),
            one["particle"].to_numpy() + shift,
            strict=True,
        )
    ]
    return video(rows, side=128.0)


def built_for(checkpoint, drawn) -> xr.Dataset:
    return graphs.build_as(store.said_by(checkpoint)["trained_on"], drawn)


def test_tiles_change_nothing_that_matters(wide, monkeypatch, batches):
    built = built_for(MOVING, wide)
    whole = predict.run(MOVING, built, wide, WINDOWS)["prediction"].to_numpy()
    batches.clear()
    limit = built.sizes["edge"] // 4
    at_once(monkeypatch, MOVING, limit)
    tiled = predict.run(MOVING, built, wide, WINDOWS)["prediction"].to_numpy()
    assert len(batches) > 4
    assert max(sum(len(cut.edges) for cut in cuts) for cuts in batches) <= limit
    change = np.abs(tiled - whole)
    assert np.quantile(change, 0.999) < TYPICAL
    assert change.max() < WORST

    monkeypatch.setattr(predict, "HALO", 0)
    cut_off = predict.run(MOVING, built, wide, WINDOWS)["prediction"].to_numpy()
    assert np.quantile(np.abs(cut_off - whole), 0.999) > 30 * TYPICAL, "test invalid"


def test_edges_are_judged_alike_in_tiles(wide, monkeypatch, batches):
    built = built_for(CELLS, wide.isel(localization=slice(0, 5 * 300)).assign(
        row_size=("video", [1500]), n_frames=("video", [5])))  # fmt: skip
    windows = Predict(window=3, context=3)
    whole = predict.run_edges(CELLS, built, windows)["probability"].to_numpy()
    batches.clear()
    limit = built.sizes["edge"] // 2
    at_once(monkeypatch, CELLS, limit)
    tiled = predict.run_edges(CELLS, built, windows)["probability"].to_numpy()
    assert max(sum(len(cut.edges) for cut in cuts) for cuts in batches) <= limit
    np.testing.assert_allclose(tiled, whole, atol=1e-3)
    assert np.all(tiled > 0), "an edge was not judged"


@pytest.mark.parametrize(("context", "limit"), [(0, 200), (4, 700)])
def test_every_localization_of_an_uneven_field_is_judged_once(monkeypatch, batches, context, limit):
    """Where a crowd is no larger than its halo, windows are shortened down to a single frame."""
    drawn = uneven()
    at_once(monkeypatch, MOVING, limit)
    said = predict.run(MOVING, built_for(MOVING, drawn), drawn, Predict(window=6, context=context))
    assert np.isfinite(said["prediction"]).all()
    cuts = [cut for cuts in batches for cut in cuts]
    judged = np.concatenate([cut.rows[cut.core] for cut in cuts])
    assert sorted(judged) == list(range(drawn.sizes["localization"]))
    for cut in cuts:
        one_frame = np.ptp(cut.place[cut.core, 0]) == 0
        assert len(cut.edges) <= limit or one_frame
    assert any(np.ptp(cut.place[cut.core, 0]) < 5 for cut in cuts), "test invalid"


def test_a_window_that_fits_stays_whole(wide, batches):
    predict.run(MOVING, built_for(MOVING, wide), wide, WINDOWS)
    assert [len(cuts) for cuts in batches] == [2]
    assert all(cut.core.sum() == 6 * 300 for cuts in batches for cut in cuts)


def test_d_counts_per_frame_whatever_the_sampling_time():
    """Images twice as far apart in time: the same steps are those of half the D."""
    drawn = brownian(2, 12, 8, seed=6)
    slow = drawn.assign(dt=("video", [4.0, 1.0]))
    said = [predict.run(MOVING, built_for(MOVING, one), one, WINDOWS) for one in (drawn, slow)]
    first = int(drawn["row_size"][0])
    fast, slower = (one["prediction"].to_numpy() for one in said)
    np.testing.assert_allclose(slower[:first], fast[:first] / 2, rtol=1e-6)
    np.testing.assert_array_equal(slower[first:], fast[first:])
    np.testing.assert_allclose(said[1]["target"], said[0]["target"], rtol=1e-6)
