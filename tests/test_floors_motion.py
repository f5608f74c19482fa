"""Floors of exponents and fractions: closed forms, and the figures they are known to reach."""

import numpy as np
import pytest
from scipy import integrate, stats

from magik import floors, floors_motion, physics, schema, simulate, track_features
from magik.config import Graph, Observe, Simulate
from magik.floors import Tracks

FREE = Simulate(motion="anomalous", classes={"fbm": {"exponent": (0.2, 1.8)}}, boundary="free")
SHARED = FREE.model_copy(
    update={"dimensions": 3, "mixing": "video", "particles": (3, 7), "frames": (50, 50)}
)
KNOWN = floors_motion.Exponents.of(FREE)
ONE = floors.Prior(np.array([0.2, 0.2002]), np.array([0.2]), np.ones(1), 0.2)


def covariance(time, alpha) -> np.ndarray:
    """Of steps with MSD = 2 t^α between the given times: D = 1."""
    position = time[:, None] ** alpha + time**alpha - np.abs(time[:, None] - time) ** alpha
    take = np.diff(np.eye(len(time)), axis=0)
    return take @ position @ take.T


def errors(found) -> dict[str, float]:
    """Mean absolute error of each method."""
    error = np.abs(found["estimate"].values - found["target"].values)
    return {
        method: float(np.nanmean(values))
        for method, values in zip(found.attrs["method"], error, strict=True)
    }


# --- the likelihood --------------------------------------------------------------------------


@pytest.mark.parametrize("error", [0.0, 0.3])
def test_the_likelihood_is_that_of_the_gaussian_with_its_covariance(error):
    """Also where a frame is missed."""
    time = np.array([0, 1, 2, 4, 5, 6], dtype=float)
    position = np.random.default_rng(0).normal(size=(1, 6, 2))
    alphas = np.array([0.4, 1.0, 1.7])
    found = floors_motion.Increments.of(time, alphas).log_evidence(position, ONE, error, None)
    take = np.diff(np.eye(6), axis=0)
    for cell, alpha in enumerate(alphas):
        matrix = 0.2 * covariance(time, alpha) + error**2 * take @ take.T
        law = stats.multivariate_normal(np.zeros(5), matrix)
        exact = sum(law.logpdf(axis) for axis in np.diff(position[0], axis=0).T)
        assert found[0, cell] == pytest.approx(exact)


def test_one_step_between_walls_ends_somewhere_between_them():
    """The likelihood of all ends adds up to one, and would not without the images."""
    ends = np.linspace(0, 8, 801)
    position = np.zeros((801, 2, 1)) + 0.3
    position[:, 1, 0] = ends
    increments = floors_motion.Increments.of(np.arange(2.0), np.array([1.3]))
    for box, total in ((np.array([8.0]), 1.0), (None, stats.norm.cdf(0.3 / np.sqrt(0.4)))):
        density = np.exp(increments.log_evidence(position, ONE, 0.0, box)[:, 0])
        assert integrate.trapezoid(density, ends) == pytest.approx(total, abs=2e-3)


def test_a_path_that_hits_a_wall_is_unfolded():
    """Straight on, and back from the wall: a persistent walker, not one that turned."""
    straight = 0.5 + 1.0 * np.arange(8.0)
    seen = physics.reflect(straight, 4.0)
    assert np.any(np.diff(seen) < 0), "test invalid: no wall was hit"
    increments = floors_motion.Increments.of(np.arange(8.0), np.array([1.7]))
    step, _ = increments._unfolded(seen[None, :, None], ONE, 0.0, np.array([4.0]))
    np.testing.assert_allclose(np.abs(step[0, :, 0, 0]), 1.0)
    assert np.all(step[0, :, 0, 0] == step[0, 0, 0, 0])


def test_classes_with_an_exponent_of_their_own_are_in_the_prior():
    modes = {"sub": {"exponent": (0.2, 0.6)}, "normal": {}, "super": {"exponent": (1.4, 1.8)}}
    prior = floors_motion.Exponents.of(Simulate(motion="anomalous", classes=modes))
    for low, high in ((0.2, 0.6), (0.98, 1.02), (1.4, 1.8)):
        inside = (prior.exponent > low - 0.02) & (prior.exponent < high + 0.02)
        assert prior.weight[inside].sum() == pytest.approx(1 / 3, abs=0.01)
    assert prior.median == pytest.approx(1, abs=0.02)


def test_the_slope_of_a_drawn_displacement():
    log = 1.3 * np.log(floors_motion.LAGS) + 0.2
    gap = np.where(np.arange(4) == 2, np.nan, log)
    np.testing.assert_allclose(floors_motion.slope(np.stack([log, gap]), KNOWN), [1.3, 1.0], 1e-3)


def test_displacement_counts_frames_not_rows():
    """Straight on at 1 px a frame, the third frame missed."""
    frame = np.array([0, 1, 3, 4, 5, 6])
    position = np.stack([frame, 0 * frame], axis=1).astype(float)
    scene = floors_motion.Scene(np.zeros(6, dtype=int), frame, position, 1.0, None)
    tracks = scene.tracks(np.zeros(6, dtype=int))
    found = floors_motion.log_displacement(scene, tracks, np.zeros(1))
    np.testing.assert_allclose(found[0], 2 * np.log([1, 2, 3, 4]))


# --- exponents -------------------------------------------------------------------------------


@pytest.mark.parametrize("boundary", ["free", "reflecting"])
def test_exponents_are_known_as_well_as_can_be(boundary):
    """0.088 is what other simulations gave, without walls; 200 objects, three standard errors."""
    settings = FREE.model_copy(update={"boundary": boundary})
    found = floors_motion.exponents(simulate.build(settings, 6, seed=1), settings, Graph())
    schema.check(found, schema.ESTIMATES, "estimates")
    mae = errors(found)
    assert mae["constant"] == pytest.approx(0.4, abs=0.05)
    assert mae["given_links"] == pytest.approx(0.088, abs=0.016)
    assert mae["given_links"] < mae["given_links_msd"] < 0.13
    assert mae["given_links"] < mae["lap_likelihood"] < mae["constant"]


def test_the_exponent_of_a_video_is_known_better():
    """0.034 at 50 frames."""
    found = floors_motion.video_exponents(simulate.build(SHARED, 40, seed=2), SHARED, Graph())
    schema.check(found, schema.VIDEO_ESTIMATES, "estimates")
    mae = errors(found)
    assert mae["given_links"] == pytest.approx(0.034, abs=0.012)
    assert mae["given_links"] < mae["given_links_msd"] < 0.06


def test_a_localization_error_is_found_and_taken_into_account():
    truth = simulate.build(FREE, 2, seed=3)
    seen = simulate.observe(truth, Observe(localization_error=(0.3, 0.3)), seed=0)
    scene, given, _ = floors_motion.scene_of(seen, FREE, Graph())
    told = floors_motion.localization_errors(scene, given, FREE, 2)
    np.testing.assert_allclose(told, 0.3)
    prior, target = floors.Prior.of(FREE), seen["exponent"].values[given.rows[:, 0]]

    def mae(error):
        evidence = floors_motion.log_evidence(scene, given, error, prior, KNOWN)
        return np.abs(KNOWN.median_of(evidence) - target).mean()

    assert mae(told) < 0.8 * mae(0 * told)


def test_exact_positions_have_no_localization_error():
    scene, given, _ = floors_motion.scene_of(simulate.build(FREE, 2, seed=3), FREE, Graph())
    assert not floors_motion.localization_errors(scene, given, FREE, 2).any()


def test_misses_and_false_positives_pass():
    few = FREE.model_copy(update={"frames": (12, 12), "particles": (6, 6)})
    truth = simulate.build(few, 2, seed=3)
    seen = simulate.observe(truth, Observe(missed=(0.1, 0.1), false_positives=(0.2, 0.2)), seed=0)
    found = floors_motion.exponents(seen, FREE, Graph())
    given, along = (found["estimate"].values[row] for row in (1, 3))
    np.testing.assert_array_equal(np.isfinite(given), seen["particle"].values >= 0)
    assert np.isfinite(along).all()


# --- fractions -------------------------------------------------------------------------------

THREE = Simulate(
    motion="anomalous",
    classes={name: {"model": name} for name in ("fbm", "attm", "ctrw")},
    mixing="fractions",
)


def test_unmixing_undoes_what_confused_classes_do_to_the_mean():
    """Two classes that are told apart 3 : 1; 90 % of 2,000 tracks are of the first."""
    rng = np.random.default_rng(0)
    first = rng.random(2000) < 0.9
    right = rng.random(2000) < 0.75
    likelihood = np.where((first == right)[:, None], [3.0, 1.0], [1.0, 3.0])
    share = np.linspace(0, 1, 101)
    found = floors_motion.unmix(
        likelihood,
        np.zeros(2000, dtype=int),
        np.ones(2000),
        np.stack([share, 1 - share], axis=1),
        2,
    )
    mean = (likelihood / likelihood.sum(axis=1, keepdims=True)).mean(axis=0)
    assert mean[0] < 0.75, "test invalid"
    np.testing.assert_allclose(found[0], [0.9, 0.1], atol=0.05)
    assert np.isnan(found[1]).all()


def test_one_class_for_a_whole_video_is_the_product_over_its_tracks():
    found = floors_motion.unmix(
        np.array([[2.0, 1.0], [2.0, 1.0], [1.0, 3.0]]),
        np.array([0, 0, 0]),
        np.ones(3),
        np.eye(2),
        1,
    )
    np.testing.assert_allclose(found, [[4 / 7, 3 / 7]], rtol=1e-6)


def test_fractions_are_learnt_from_the_training_videos():
    learn_from = simulate.build(THREE, 24, seed=0)
    test = simulate.build(THREE, 10, seed=1)
    found = floors_motion.fractions(test, learn_from, THREE, Graph())
    schema.check(found, schema.VIDEO_ESTIMATES, "estimates")
    assert found.attrs["output"] == ["fbm", "attm", "ctrw"]
    np.testing.assert_allclose(found["target"].sum("output"), 1, rtol=1e-6)
    np.testing.assert_allclose(found["estimate"][1:].sum("output"), 1, rtol=1e-5)
    mae = errors(found)
    assert mae["given_links"] < mae["constant"] / 2
    assert mae["lap_trees"] < mae["constant"]


def test_training_videos_of_one_class_teach_nothing():
    settings = THREE.model_copy(update={"mixing": "video", "particles": (3, 4)})
    seen = simulate.build(settings, 1, seed=0)
    found = floors_motion.fractions(seen, seen, settings, Graph())
    target = found["target"].values[None].repeat(3, 0)
    np.testing.assert_allclose(found["estimate"].values, target, atol=1e-9)


# --- descriptors -----------------------------------------------------------------------------


def described(step, frame=None) -> np.ndarray:
    position = np.concatenate([np.zeros((1, 2)), np.cumsum(step, axis=0)])
    frame = np.arange(len(position)) if frame is None else frame
    return track_features.describe(position, frame, Tracks.of(0 * frame, frame))[0]


def test_descriptors_know_no_unit_of_length():
    step = np.random.default_rng(0).normal(size=(40, 2))
    np.testing.assert_allclose(described(step), described(7 * step), rtol=1e-6)


def test_descriptors_tell_waiting_from_walking():
    """A walker that rests for 12 of 40 steps, 8 of them in a row."""
    step = np.random.default_rng(0).normal(size=(40, 2))
    rests = step.copy()
    rests[[3, 30, 34, 35, *range(10, 18)]] = 0
    assert 0.3 in described(rests).round(6)  # share of the smallest steps
    assert 0.2 in described(rests).round(6)  # longest rest
    assert 0.3 not in described(step).round(6)


def test_a_short_track_has_few_descriptors_but_as_many_places_for_them():
    short = described(np.ones((1, 2)))
    assert np.isnan(short).sum() > len(short) / 2
    assert short.shape == described(np.ones((40, 2))).shape


def test_tracks_too_short_for_some_descriptors_are_classified_by_the_others():
    short = THREE.model_copy(update={"frames": (6, 6), "particles": (8, 8)})
    learn_from, test = simulate.build(short, 12, seed=0), simulate.build(short, 2, seed=1)
    found = floors_motion.fractions(test, learn_from, short, Graph())
    assert np.isfinite(found["estimate"]).all()
    assert floors_motion.fractions(test, learn_from, short, Graph()).identical(found)


def test_tracks_without_a_step_have_no_descriptors_but_their_length():
    position, frame = np.zeros((3, 2)), np.arange(3)
    found = track_features.describe(position, frame, Tracks.of(np.arange(3), frame))
    assert found[:, 0].tolist() == [0, 0, 0]
    assert np.isnan(found[:, 1]).all()
