"""Posterior without links: by enumeration, in closed form, and where it must know or cannot."""

import itertools

import numpy as np
import pytest
import xarray as xr
from scipy.special import logsumexp

from magik import floors, link_free, schema, simulate
from magik.config import Exponential, Graph, LinkFree, Simulate
from magik.errors import InputError

EXPONENTIAL = Exponential(exponential=0.1, within=(0.001, 1))
SPARSE = Simulate(
    diffusivity=EXPONENTIAL, frames=(40, 40), particles=(2, 2), field_of_view=200, boundary="free"
)
FEW = Simulate(diffusivity=EXPONENTIAL, frames=(20, 20), particles=(4, 4), field_of_view=8, dt=4)
PRIOR = link_free.coarser(floors.Prior.of(SPARSE))


def video(path, side: float | None = None) -> floors.Video:
    """From positions [frame, object, axis]."""
    path = np.asarray(path, float)
    frame = np.repeat(np.arange(len(path)), path.shape[1])
    return floors.Video(frame, path.reshape(-1, 2), 1.0, side)


def lit(seen) -> link_free.Light | None:
    return None if seen is None else link_free.Light(np.array(seen, float), 20, 80, 3)


def sampled(v, seen=None, sweeps=4000) -> link_free.Posterior:
    settings = LinkFree(sweeps=sweeps, most_sweeps=sweeps)
    return link_free.sample(v, PRIOR, lit(seen), settings, np.random.default_rng(0))


def enumerated(v, light: link_free.Light | None) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of D of each row, and of links, over all associations, one after another."""
    frames, objects = v.frame.max() + 1, np.count_nonzero(v.frame == 0)
    weights, cells, links = [], [], []
    for chosen in itertools.product(itertools.permutations(range(objects)), repeat=frames - 1):
        rows = [np.arange(objects)]  # of each track, in each frame
        for follows in chosen:
            rows.append(np.array(follows)[rows[-1]])
        track = np.argsort(rows, axis=1).ravel()
        tracks = floors.Tracks.of(track, v.frame)
        evidence = floors.log_evidence(v, tracks, PRIOR) + np.log(PRIOR.weight)
        weight = logsumexp(evidence, axis=1).sum()
        if light is not None:
            mean = np.linspace(light.low, light.high, 2001)
            each = -((light.seen[tracks.rows][:, :, None] - mean) ** 2).sum(axis=1)
            weight += logsumexp(each / (2 * light.sd**2), axis=1).sum()
        weights.append(weight)
        given = np.exp(evidence - logsumexp(evidence, axis=1, keepdims=True))
        of = np.empty(len(track), int)
        of[tracks.rows] = np.arange(objects)[:, None]
        cells.append(given[of])
        links.append(np.eye(objects)[np.array(chosen)])
    probability = np.exp(weights - logsumexp(weights))
    return np.tensordot(probability, cells, 1), np.tensordot(probability, links, 1)


@pytest.mark.parametrize("light", [None, [40, 44, 42, 43, 40, 45, 43, 42, 44, 41, 46, 43]])
@pytest.mark.parametrize("side", [None, 2.0])
def test_three_objects_in_four_frames_are_as_enumerated(side, light):
    path = np.abs(1 - np.abs(np.random.default_rng(1).normal(0, 0.5, (4, 3, 2))))
    v = video(path, side)
    cells, link = enumerated(v, lit(light))
    assert 0.2 < np.median(link.max(axis=2)) < 0.8, "test invalid: nothing is in doubt"
    found = sampled(v, light)
    assert found.apart < 0.05
    np.testing.assert_allclose(found.link, link, atol=0.03)
    scaling = np.sqrt(2 * PRIOR.diffusivity)
    np.testing.assert_allclose(found.cells @ scaling, cells @ scaling, rtol=0.02)


def test_a_short_and_a_long_stretch_are_as_enumerated():
    """Two objects that come near each other twice."""
    apart = np.array([0.1, 0.8, 1.5, 0.2, 0.1, 0.9, 1.4, 0.7, 0.2])[:, None]
    along = np.arange(9)[:, None] * 0.3
    v = video(np.stack([np.hstack([along, apart]), np.hstack([along, -apart])], axis=1))
    cells, link = enumerated(v, None)
    found = sampled(v)
    np.testing.assert_allclose(found.link, link, atol=0.03)
    np.testing.assert_allclose(found.cells.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(found.cells, cells, atol=0.02)


def test_the_mean_intensity_of_a_track_is_integrated_out():
    frames, sd = 5, 3.0
    mean = np.linspace(20, 80, 60_001)
    found, expected = [], []
    for seen in (40.0, 20.0, 78.0, 90.0, 5.0):  # mean of the track
        found.append(link_free._glow(seen * frames, frames, np.array([20, 80, sd])))
        log_density = (2 * seen * mean - mean**2) * frames / (2 * sd**2)
        expected.append(logsumexp(log_density))
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-3)


def test_without_a_doubt_about_links_it_is_bayes_with_links_given():
    localizations = simulate.build(SPARSE, 2, seed=1)
    settings = LinkFree(videos=None, sweeps=30)
    found = link_free.estimate(localizations, SPARSE, Graph(), settings, seed=0)
    prior = floors.Prior.of(SPARSE)
    rows, videos = floors.videos(localizations, SPARSE)
    for r, v in zip(rows, videos, strict=True):
        given = floors.bayes(v, localizations["particle"].values[r], prior)
        for median in found["diffusivity"].values[:, r]:
            np.testing.assert_allclose(median, given, rtol=0.02)


def test_two_objects_that_meet_in_a_point_are_either():
    """Along x to a point, along y away from it: which goes where is not to be known."""
    arm = np.arange(1, 9)[:, None] * 0.3
    before, after = arm[::-1] * [1, 0], arm * [0, 1]
    path = np.stack([np.concatenate([before, after]), np.concatenate([-before, -after])], axis=1)
    found = sampled(video(path))
    np.testing.assert_allclose(found.link[7], 0.5, atol=0.05)
    np.testing.assert_allclose(found.link[0], np.eye(2), atol=0.05)

    told_apart = sampled(video(path), np.tile([30.0, 60.0], len(path)), sweeps=300)
    np.testing.assert_allclose(told_apart.link[7], np.eye(2), atol=0.01)


@pytest.fixture(scope="module")
def crowded() -> xr.Dataset:
    localizations = simulate.build(FEW, 3, seed=2)
    settings = LinkFree(videos=2, sweeps=100, most_sweeps=1600)
    return link_free.estimate(localizations, FEW, Graph(), settings, seed=0)


def test_two_starts_agree_in_a_crowd(crowded):
    schema.check(crowded, schema.FLOORS, "floors")
    assert crowded.sizes["video"] == 2
    assert crowded.attrs["method"] == ["link_free", "link_free_intensity"]
    assert crowded["converged"].values.all()
    assert (crowded["start_difference"] <= link_free.AGREE).all()
    assert 100 <= crowded["sweeps"].min() <= crowded["sweeps"].max() <= 1600


def test_sweeps_are_doubled_up_to_the_most_and_what_is_not_enough_is_told(monkeypatch, capsys):
    monkeypatch.setattr(link_free, "AGREE", 0)
    localizations = simulate.build(FEW, 1, seed=2)
    settings = LinkFree(sweeps=2, most_sweeps=11)
    few = link_free.estimate(localizations, FEW, Graph(), settings, seed=0)
    assert few["sweeps"].values.tolist() == [[8], [8]]
    assert few["converged"].values.tolist() == [[0], [0]]
    assert "video 0, link_free: after 8 sweeps two chains differ by" in capsys.readouterr().out


def test_tracks_are_walks_and_right_more_often_with_intensity(crowded):
    frame, particle = (crowded[name].values[:80] for name in ("frame", "particle"))
    f1 = []
    for track in crowded["track"].values[:, :80]:
        assert len(np.unique([frame, track], axis=1).T) == 80  # one localization a frame
        earlier, later = floors.links(track, frame)
        right = np.count_nonzero(particle[earlier] == particle[later])
        f1.append(2 * right / (len(earlier) + 76))
    assert 0.9 < f1[1] > f1[0]


def test_the_best_links_are_those_of_greatest_expected_f1():
    """A link of probability 0.2 is worth less than half of F1, one of 0.5 more."""
    link = np.array([[[0.9, 0.05, 0.05], [0.05, 0.2, 0.75], [0.05, 0.75, 0.2]]])
    link = np.concatenate([link, [[[0.5, 0.3, 0.2], [0.3, 0.5, 0.2], [0.2, 0.2, 0.6]]]])
    assert link_free.best_tracks(link).tolist() == [0, 1, 2, 0, 2, 1, 0, 2, 1]

    unsure = np.stack([np.eye(5), np.full((5, 5), 1 / 5)])
    assert link_free.best_tracks(unsure).tolist() == [0, 1, 2, 3, 4] * 2 + [5, 6, 7, 8, 9]


def test_the_same_seed_gives_the_same_answer(crowded):
    localizations = simulate.build(FEW, 1, seed=2)
    settings = LinkFree(sweeps=100, most_sweeps=1600)
    again = link_free.estimate(localizations, FEW, Graph(), settings, seed=0)
    np.testing.assert_array_equal(again["diffusivity"], crowded["diffusivity"][:, :80])


def test_what_is_missing_or_false_is_refused():
    localizations = simulate.build(FEW, 1, seed=2)
    sizes = {"row_size": ("video", [79])}
    missed = localizations.isel(localization=slice(1, None)).assign(sizes)
    with pytest.raises(InputError, match="3 to 4 localizations a frame"):
        link_free.estimate(missed, FEW, Graph(), LinkFree(), seed=0)

    false = localizations.copy(deep=True)
    false["particle"][0] = -1
    with pytest.raises(InputError, match="1 of them false"):
        link_free.estimate(false, FEW, Graph(), LinkFree(), seed=0)
