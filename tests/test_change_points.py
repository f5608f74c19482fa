"""Change points: drawn tracks, sums over all histories, the score of the challenge."""

import itertools

import numpy as np
import pytest
from andi_datasets.utils_challenge import ensemble_changepoint_error

from magik import change_points, floors, schema, simulate
from magik.config import Exponential, Graph, Observe, Simulate
from magik.floors import Prior, Tracks, Video

SWITCHING = Simulate(
    motion="switching",
    diffusivity=Exponential(exponential=0.1, within=(0.001, 1)),
    frames=(400, 400),
    boundary="free",
)
PRIOR = Prior.of(SWITCHING)


def two_states(seed=0, low=0.01, high=0.9, half=60) -> tuple[Video, np.ndarray, np.ndarray]:
    """One track, slow and then fast: the D of each step that leaves a row."""
    rng = np.random.default_rng(seed)
    D = np.repeat([low, high], half)
    step = rng.normal(size=(2 * half, 2)) * np.sqrt(2 * D)[:, None]
    position = np.cumsum(np.concatenate([np.zeros((1, 2)), step[:-1]]), axis=0)
    return Video(np.arange(2 * half), position, 1.0, None), np.zeros(2 * half, dtype=int), D


def points(values, seed_of=SWITCHING) -> list[int]:
    values = np.asarray(values, dtype=float)
    frame = np.arange(len(values))
    tracks = Tracks.of(np.zeros(len(values), dtype=int), frame)
    (found,) = change_points.of_tracks(values, frame, tracks, seed_of)
    return found.tolist()


# --- D along tracks --------------------------------------------------------------------------


def test_every_method_sees_an_obvious_change():
    video, track, D = two_states()
    scaling = np.sqrt(2 * D)
    wrong = np.abs(np.sqrt(2 * PRIOR.median) - scaling).mean()
    for found in (
        change_points.posterior(video, track, PRIOR, SWITCHING),
        change_points.partitioned(video, track, PRIOR, SWITCHING),
        change_points.sliding(video, track, PRIOR),
    ):
        assert np.abs(np.sqrt(2 * found) - scaling).mean() < wrong / 3


def test_given_links_partitioned_cuts_where_the_change_is():
    video, track, _ = two_states()
    found = change_points.partitioned(video, track, PRIOR, SWITCHING)
    level, start = np.unique(found, return_index=True)
    assert len(level) == 2
    assert abs(start[1] - 60) <= 1
    step = np.diff(video.position, axis=0)
    slow = (step[: start[1]] ** 2).sum() / (4 * start[1])
    assert level[0] == pytest.approx(slow)


def test_steady_motion_is_not_cut():
    video, track, _ = two_states(low=0.1, high=0.1)
    found = change_points.partitioned(video, track, PRIOR, SWITCHING)
    assert len(np.unique(found)) == 1


@pytest.mark.parametrize("shortest", [1, 2])
def test_the_posterior_is_the_sum_over_all_histories(shortest):
    """Six frames, one of them missed; three cells of D; every way to switch."""
    edges = np.geomspace(0.01, 1, 4)
    few = Prior(edges, np.sqrt(edges[1:] * edges[:-1]), np.array([0.5, 0.3, 0.2]), 0.1)
    law = SWITCHING.model_copy(update={"switching_probability": 0.3, "shortest_dwell": shortest})
    frame = np.array([0, 1, 2, 4, 5])
    position = np.array([[0, 0], [0.1, 0.2], [1.5, 1.0], [1.6, 1.0], [1.7, 2.4]])
    weight = np.zeros((6, 3))
    for ends in itertools.product([False, True], repeat=5):
        age, p = 1, 1.0
        for end in ends:
            p *= (0.3 if end else 0.7) if age >= shortest else float(not end)
            age = 1 if end else age + 1
        dwell = np.concatenate([[0], np.cumsum(ends)])
        for levels in itertools.product(range(3), repeat=dwell[-1] + 1):
            state = np.array(levels)[dwell]
            q = p * np.prod(few.weight[list(levels)])
            for k, (here, there) in enumerate(itertools.pairwise(frame)):
                variance = 2 * few.diffusivity[state[here]] * (there - here)
                r2 = ((position[k + 1] - position[k]) ** 2).sum()
                q *= np.exp(-r2 / (2 * variance)) / (2 * np.pi * variance)
            weight[np.arange(6), state] += q
    video = Video(frame, position, 1.0, None)
    found = change_points.posterior(video, np.zeros(5, dtype=int), few, law)
    np.testing.assert_allclose(found, few.median_of(weight[frame]), rtol=1e-4)


def test_a_lone_localization_has_the_median_of_the_prior():
    video = Video(np.array([3, 3]), np.zeros((2, 2)), 1.0, None)
    track = np.array([0, -1])
    for found in (
        change_points.posterior(video, track, PRIOR, SWITCHING),
        change_points.partitioned(video, track, PRIOR, SWITCHING),
        change_points.sliding(video, track, PRIOR),
    ):
        np.testing.assert_allclose(found, [PRIOR.median, np.nan], rtol=1e-3)


@pytest.fixture(scope="module")
def estimates():
    return change_points.estimates(simulate.build(SWITCHING, 2, seed=1), SWITCHING, Graph())


def test_the_methods_reach_what_they_are_known_to_reach(estimates):
    """Figures of other simulations; two videos.

    That of the constant is analytic: the mean over the prior of |√(2D) - its median|.
    """
    schema.check(estimates, schema.ESTIMATES, "estimates")
    known = {
        "constant": (0.1637, 0.008),
        "given_links": (0.042, 0.004),
        "given_links_partitioned": (0.049, 0.005),
        "given_links_sliding": (0.062, 0.005),
    }
    error = np.abs(estimates["estimate"].values - estimates["target"].values).mean(axis=1)
    found = dict(zip(estimates.attrs["method"], error, strict=True))
    for method, (figure, tolerance) in known.items():
        assert found[method] == pytest.approx(figure, abs=tolerance), method
    assert found["given_links"] < found["lap_hmm"] < found["constant"] / 2


def test_change_points_are_found_as_well_as_known(estimates):
    frame = estimates["frame"].values
    tracks = change_points.particles(estimates)
    true = change_points.true_points(estimates["target"].values, frame, tracks)
    assert np.mean([len(each) for each in true]) == pytest.approx(400 / 25, abs=1.5)
    f1 = {
        method: change_points.score(
            true, change_points.of_tracks(values.astype(float), frame, tracks, SWITCHING), 10
        ).f1
        for method, values in zip(
            estimates.attrs["method"], estimates["estimate"].values, strict=True
        )
    }
    assert f1["given_links"] == pytest.approx(0.70, abs=0.04)
    assert f1["given_links_partitioned"] == pytest.approx(0.68, abs=0.04)
    assert f1["constant"] == 0


def test_errors_misses_and_false_positives_pass():
    truth = simulate.build(SWITCHING.model_copy(update={"frames": (40, 40)}), 2, seed=0)
    noisy = Observe(localization_error=(0.1, 0.1), missed=(0.1, 0.1), false_positives=(0.1, 0.1))
    seen = simulate.observe(truth, noisy, seed=0)
    found = change_points.estimates(seen, SWITCHING, Graph())
    known = np.isfinite(found["target"].values)
    given = found["estimate"].values[1]
    np.testing.assert_array_equal(np.isfinite(given), known)
    constant, given = np.abs(found["estimate"].values - found["target"].values)[:2, known].mean(1)
    assert given < constant


# --- change points ---------------------------------------------------------------------------


def test_levels_are_cut_where_they_change():
    assert points([0.2] * 20 + [1.0] * 30 + [0.3] * 25) == [20, 50]


def test_a_drift_far_below_the_spread_of_the_prior_is_no_change_point():
    assert points(np.linspace(0.30, 0.34, 80)) == []


def test_no_level_is_shorter_than_a_dwell():
    assert points([0.2] * 20 + [1.5] * 3 + [0.2] * 20) != [20, 23]


def test_partition_is_the_best_of_all():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1, 9)) + np.repeat([0, 2, 0], 3)
    cuts = change_points.partition(
        lambda end: np.array([[values[0, s:end].var() * (end - s) for s in range(end)]]),
        np.array([9]),
        1.0,
        2,
    )[0]

    def total(inner):
        pieces = np.split(values[0], inner)
        if min(map(len, pieces)) < 2:
            return np.inf
        return sum(piece.var() * len(piece) + 1.0 for piece in pieces)

    every = [list(c) for k in range(5) for c in itertools.combinations(range(1, 9), k)]
    assert cuts.tolist() == min(every, key=total)


def test_true_points_are_the_first_frames_of_a_new_diffusivity():
    frame = np.array([0, 0, 1, 1, 2, 2, 4, 4])
    track = np.tile([0, 1], 4)
    target = np.array([1, 5, 1, 5, 2, 5, 2, 6.0])
    found = change_points.true_points(target, frame, Tracks.of(track, frame))
    assert [each.tolist() for each in found] == [[2], [4]]


# --- scores ----------------------------------------------------------------------------------


def test_a_perfect_answer_scores_one_and_a_false_alarm_counts():
    true = [np.array([20, 50])]
    assert change_points.score(true, true, 5) == (1, 1, 0)
    alarm = change_points.score(true, [np.array([20, 50, 90])], 5)
    assert alarm == (pytest.approx(4 / 5), pytest.approx(2 / 3), 0)
    late = change_points.score(true, [np.array([23, 50])], 5)
    assert late.rmse == pytest.approx(np.sqrt(9 / 2))


def test_a_guess_at_the_limit_is_a_miss_and_a_false_alarm():
    found = change_points.score([np.array([20])], [np.array([25])], 5)
    assert found[:2] == (0, 0)
    assert np.isnan(found.rmse)
    assert change_points.score([np.array([20])], [np.array([25])], 6).f1 == 1


@pytest.mark.parametrize("within", [5, 10])
def test_the_score_is_the_challenges(within):
    rng = np.random.default_rng(0)
    true = [np.sort(rng.choice(400, rng.integers(0, 6), replace=False)) for _ in range(200)]
    found = [np.sort(rng.choice(400, rng.integers(0, 6), replace=False)) for _ in range(200)]
    near = [np.unique(np.clip(each + rng.integers(-8, 9, len(each)), 0, 399)) for each in true]
    for guesses in (found, near):
        rmse, jaccard = ensemble_changepoint_error(true, guesses, threshold=within)
        ours = change_points.score(true, guesses, within)
        assert ours.jaccard == pytest.approx(jaccard)
        assert ours.rmse == pytest.approx(rmse)
        assert ours.jaccard == pytest.approx(ours.f1 / (2 - ours.f1))


def test_switching_is_told_its_own_law():
    """The prior is exponential, not uniform between its bounds."""
    assert floors.law(SWITCHING.diffusivity).median() == pytest.approx(PRIOR.median)
    assert PRIOR.median < 0.08
