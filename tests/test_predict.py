"""Wide fields in tiles: the same answers, in batches of bounded size."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from drawn import brownian, video
from tiffs import write

from magik import aogm, cells, graphs, linking, predict, store
from magik.config import Predict, Source, load, read_yaml

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "magik" / "weights"
MASKS = WEIGHTS / "lineages.safetensors"
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


def growing() -> tuple[np.ndarray, list[list[int]]]:
    """Masks and lineage of twelve cells of 10 x 10 px that drift by up to 1 px a frame.

    Cell 6 grows long and halves before frame 4, into 13 and 14; cell 3 is missed in frame 2.
    """
    masks = np.zeros((8, 72, 96), np.uint16)
    for t, mask in enumerate(masks):
        for cell in range(12):
            y, x = 7 + 24 * (cell // 4) + t // 2, 6 + 24 * (cell % 4) + t % 2
            mask[y : y + 10, x : x + 10] = cell + 1
        mask[(mask == 6) | ((mask == 3) & (t == 2))] = 0
        if t < 4:
            mask[31:41, 31 - 2 * t : 40 + 2 * t] = 6
        else:
            mask[31:41, 29 - t : 39 - t], mask[31:41, 32 + t : 42 + t] = 13, 14
    lines = [[cell, 0, 3 if cell == 6 else 7, 0] for cell in range(1, 13)]
    return masks, [*lines, [13, 4, 7, 6], [14, 4, 7, 6]]


def test_the_network_for_masks_links_drawn_masks(tmp_path):
    """As it ships, by the steps of the workflow; without what masks share it could not."""
    shipped = load(read_yaml(ROOT / "config.yaml"), ROOT / "workflow" / "scales")
    lineages = shipped.experiments["lineages"]
    trained_on = store.said_by(MASKS)["trained_on"]
    masks, lines = growing()
    write(tmp_path / "masks.tif", masks)
    np.savetxt(tmp_path / "lines.txt", lines, fmt="%d")
    source = Source(masks=str(tmp_path / "masks.tif"), lineage=str(tmp_path / "lines.txt"))
    found = cells.read(source, trained_on["max_lag"])
    apart = found.assign(pair_pixels=0 * found["pair_pixels"])

    def linked(drawn: xr.Dataset) -> xr.Dataset:
        edges = predict.run_edges(MASKS, graphs.build_as(trained_on, drawn), lineages.predict)
        return linking.run(edges, drawn, lineages.linking)

    assert aogm.lnk(linked(found)) == aogm.division_f1(linked(found)) == 1
    assert aogm.lnk(linked(apart)) < 0.9, "test invalid"
