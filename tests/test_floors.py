"""Floors: closed forms, drawn tracks, and the figures that the methods are known to reach."""

import itertools

import numpy as np
import pytest
import xarray as xr
from scipy import integrate
from scipy.optimize import linear_sum_assignment

from magik import floors, schema, simulate
from magik.config import Exponential, Graph, LogUniform, Observe, Simulate
from magik.errors import InputError

FIG_4 = Simulate()
PRIOR = floors.Prior.of(FIG_4)


def video(frame, x, y, side=None, error=0.0, dt=1.0) -> floors.Video:
    position = np.stack([np.asarray(x, float), np.asarray(y, float)], axis=1)
    return floors.Video(np.asarray(frame), position, dt, side, error)


def link(v: floors.Video, max_lag=2, signature=None) -> np.ndarray:
    gains = floors.link_gains(PRIOR, max_lag, v.dt, worst=1e-5)
    return floors.link(v, gains, signature)


def walk(steps, D, seed, error=0.0, tracks=1) -> tuple[floors.Video, np.ndarray]:
    """Free walks far apart, interleaved frame by frame, and the track of each row."""
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.normal(0, np.sqrt(2 * D), (steps + 1, tracks, 2)), axis=0)
    path += rng.normal(0, error, path.shape)
    frame, track = np.indices((steps + 1, tracks)).reshape(2, -1)
    return video(frame, path[..., 0].ravel(), path[..., 1].ravel(), error=error), track


# --- the prior -----------------------------------------------------------------------------


def test_the_constant_guess_has_the_errors_of_the_uniform_distribution():
    """U(a, b): E|D - median| = (b - a)/4, and the figure for √(2D) quoted everywhere."""
    a, b = FIG_4.diffusivity
    m = PRIOR.median
    assert m == pytest.approx((a + b) / 2)
    of_d = integrate.quad(lambda D: abs(D - m) / (b - a), a, b, points=[m])[0]
    of_s = integrate.quad(
        lambda D: abs(np.sqrt(2 * D) - np.sqrt(2 * m)) / (b - a), a, b, points=[m]
    )[0]
    assert of_d == pytest.approx((b - a) / 4)
    assert of_s == pytest.approx(0.227, abs=0.001)


@pytest.mark.parametrize(
    "drawn",
    [
        (0.005, 0.7),
        LogUniform(log_uniform=(0.01, 1)),
        Exponential(exponential=0.1, within=(0.001, 1)),
    ],
)
@pytest.mark.parametrize("motion", ["brownian", "switching"])
def test_the_prior_is_what_the_simulation_draws(drawn, motion):
    prior = floors.Prior.of(Simulate(motion=motion, diffusivity=drawn))
    sample = simulate.draw(drawn, 40_000, np.random.default_rng(0))
    counts, _ = np.histogram(sample, prior.edges)
    error = np.sqrt(prior.weight * len(sample)) + 1
    assert np.all(np.abs(counts - prior.weight * len(sample)) < 4.5 * error)
    assert prior.median_of(prior.weight[None])[0] == pytest.approx(prior.median, rel=1e-3)


def test_one_diffusivity_for_all_is_a_prior_too():
    prior = floors.Prior.of(Simulate(diffusivity=(0.1, 0.1)))
    np.testing.assert_allclose(prior.diffusivity, 0.1, rtol=1e-5)


def test_dark_periods_of_objects_that_blink_are_misses():
    """Both are counted in the truth: a share of 0.3, less what is dark at either end of a track."""
    truth = simulate.build(Simulate(frames=(200, 200)), videos=2, seed=1)
    seen = simulate.observe(truth, Observe(blinking=(0.3, 0.3)), seed=1)
    rows, shown = floors.videos(seen, FIG_4)
    identities = [seen["particle"].values[r] for r in rows]
    worst = floors.worst_link(shown, identities, area=32**2, max_lag=2)
    density = 0.7 * truth.sizes["localization"] / 400 / 32**2
    assert worst == pytest.approx(0.3**3 * density / 0.7, rel=0.2)
    found = floors.estimate(seen, FIG_4, Graph())
    assert np.isfinite(found.diffusivity.values).all()


# --- Bayes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 3, 30])
def test_the_posterior_median_is_that_of_numerical_integration(steps):
    v, track = walk(steps, 0.2, seed=steps)
    squared = (np.diff(v.position, axis=0) ** 2).sum()
    low, high = FIG_4.diffusivity
    peak = np.clip(squared / (4 * steps), low, high)

    def posterior(D):
        return (peak / D) ** steps * np.exp(squared / 4 * (1 / peak - 1 / D))

    grid = np.linspace(low, high, 20_001)
    cumulative = integrate.cumulative_trapezoid(posterior(grid), grid, initial=0)
    median = np.interp(cumulative[-1] / 2, cumulative, grid)
    found = floors.bayes(v, track, PRIOR)
    np.testing.assert_allclose(found, median, rtol=2e-3)  # a tenth of a cell


def test_a_particle_seen_once_has_the_median_of_the_prior_and_an_unknown_one_none():
    v = video([0, 0], [1, 5], [1, 5])
    found = floors.bayes(v, np.array([0, -1]), PRIOR)
    np.testing.assert_allclose(found, [PRIOR.median, np.nan], rtol=1e-3)
    assert np.isnan(floors.bayes(v, np.array([-1, -1]), PRIOR)).all()


def test_the_filter_is_the_gaussian_of_all_positions_with_localization_error():
    """Increments of n noisy positions: covariance 2D on the diagonal, 2σ² and -σ² on the bands."""
    v, track = walk(6, 0.1, seed=0, error=0.3)
    evidence = floors.log_evidence(v, floors.Tracks.of(track, v.frame), PRIOR)[0]
    step = np.diff(v.position, axis=0)
    band = 2 * np.eye(6) - np.eye(6, k=1) - np.eye(6, k=-1)
    for cell in (0, 60, 127):
        covariance = 2 * PRIOR.diffusivity[cell] * np.eye(6) + 0.3**2 * band
        exact = -0.5 * sum(
            s @ np.linalg.solve(covariance, s) + np.linalg.slogdet(2 * np.pi * covariance)[1]
            for s in step.T
        )
        assert evidence[cell] == pytest.approx(exact, rel=1e-9)


def test_a_step_between_walls_ends_somewhere_between_them():
    ends = np.linspace(0, 8, 4001)
    boxed = video(np.zeros(4001), ends, ends, side=8.0)
    free = boxed._replace(side=None)
    start, variance = np.full((4001, 1), 0.5), np.full((4001, 1), 1.4)

    def probability(v):
        return integrate.trapezoid(floors._gaussian(v.images(ends), start, variance)[:, 0], ends)

    assert probability(boxed) == pytest.approx(1, abs=1e-4)
    assert probability(free) < 0.7, "test invalid: the wall is too far to matter"


@pytest.mark.parametrize(("dt", "least", "most"), [(0.5, 0.95, 1.1), (32, 1.25, 1.7)])
def test_who_knows_no_walls_errs_where_steps_are_large_beside_the_box(dt, least, most):
    """Extended Data Fig. 4, given links: 0.016, 0.025 px/frame^½ without, 0.016, 0.017 with."""
    law = Exponential(exponential=0.1, within=(0.001, 1))
    settings = Simulate(diffusivity=law, frames=(100, 100), particles=(30, 30), dt=dt)
    seen = simulate.observe(simulate.build(settings, 3, seed=0), Observe(), seed=0)
    rows, videos = floors.videos(seen, settings)
    prior, particle = floors.Prior.of(settings), seen["particle"].values
    true = np.sqrt(2 * seen["diffusivity"].values)

    def mae(boxed) -> float:
        found = [floors.bayes(v, particle[r], prior) for v, r in zip(boxed, rows, strict=True)]
        return float(np.abs(np.sqrt(2 * np.concatenate(found)) - true).mean())

    free = [v._replace(side=None) for v in videos]
    assert least < mae(free) / mae(videos) < most


def by_squared_distance(video: floors.Video) -> np.ndarray:
    """Tracks of those who assign frame to frame by r² alone, where none is missed."""
    track = np.full(len(video.frame), -1)
    before = np.flatnonzero(video.frame == 0)
    track[before] = np.arange(len(before))
    for frame in range(1, int(video.frame.max()) + 1):
        new = np.flatnonzero(video.frame == frame)
        step = video.position[before][:, None] - video.position[new]
        old, found = linear_sum_assignment((step**2).sum(axis=-1))
        track[new[found]] = track[before[old]]
        before = new
    return track


def test_links_by_likelihood_are_better_than_by_squared_distance():
    """Extended Data Fig. 4, c = 0.024: LAP and, along its tracks, the hidden Markov model."""
    law = Exponential(exponential=0.1, within=(0.001, 1))
    settings = Simulate(diffusivity=law, frames=(100, 100), particles=(30, 30), dt=8)
    seen = simulate.observe(simulate.build(settings, 3, seed=0), Observe(), seed=0)
    rows, videos = floors.videos(seen, settings)
    prior, particle = floors.Prior.of(settings), seen["particle"].values
    worst = floors.worst_link(videos, [particle[r] for r in rows], 32**2, 2)
    gains = floors.link_gains(prior, 2, 8, worst)
    true = np.sqrt(2 * seen["diffusivity"].values)
    shares, errors = [], []
    for tracks in (
        [floors.link(v, gains) for v in videos],
        [by_squared_distance(v) for v in videos],
    ):
        pairs = [floors.links(t, v.frame) for t, v in zip(tracks, videos, strict=True)]
        right = [particle[r][p[0]] == particle[r][p[1]] for r, p in zip(rows, pairs, strict=True)]
        shares.append(np.concatenate(right).mean())
        found = [floors.hidden_markov(v, t, prior) for v, t in zip(videos, tracks, strict=True)]
        errors.append(np.abs(np.sqrt(2 * np.concatenate(found)) - true).mean())
    assert shares[0] > shares[1] + 0.005
    assert 0.85 < errors[0] / errors[1] < 0.97


@pytest.mark.parametrize("errors", [(0.0, 0.0, 0.0), (0.2, 0.2, 0.2), (0.0, 0.4, 0.2)])
def test_the_localization_error_of_each_video_is_found(errors):
    walks = [
        walk(50, D, seed=3, error=error, tracks=10)
        for D, error in zip((0.01, 0.1, 0.05), errors, strict=True)
    ]
    found = floors.localization_errors([v for v, _ in walks], [t for _, t in walks], PRIOR)
    np.testing.assert_allclose(found, errors, atol=0.001)


def test_given_links_is_a_floor_also_where_each_video_has_its_own_error():
    """Told the error that each video was drawn with, Bayes is hardly better; one for all is not."""
    settings = Simulate(diffusivity=LogUniform(log_uniform=(0.003, 4)), particles=(10, 20))
    truth = simulate.build(settings, 6, seed=3)
    drawn = (0.0, 0.3, 0.0, 0.3, 0.0, 0.3)
    ends = schema.offsets(truth["row_size"].values)
    error = np.repeat(drawn, truth["row_size"].values)
    rng = np.random.default_rng(0)
    seen = truth.assign(
        {axis: truth[axis] + rng.normal(0, 1, len(error)) * error for axis in ("x", "y")}
    )
    prior = floors.Prior.of(settings)
    position = np.stack([seen["x"].values, seen["y"].values], axis=1).astype(float)
    rows = [slice(*both) for both in itertools.pairwise(ends)]
    videos = [floors.Video(seen["frame"].values[r], position[r], 1.0, 32.0) for r in rows]
    links = [seen["particle"].values[r] for r in rows]

    def mae(errors) -> float:
        told = [v._replace(error=float(e)) for v, e in zip(videos, errors, strict=True)]
        found = [floors.bayes(v, track, prior) for v, track in zip(told, links, strict=True)]
        scaling = np.sqrt(2 * np.concatenate(found))
        return float(np.abs(scaling - np.sqrt(2 * truth["diffusivity"].values)).mean())

    assert mae(floors.localization_errors(videos, links, prior)) < 1.05 * mae(drawn)
    assert mae([np.sqrt(np.mean(np.square(drawn)))] * 6) > 1.2 * mae(drawn), "test invalid"


# --- estimators along a track --------------------------------------------------------------


def test_mean_squared_step_of_a_drawn_track():
    """Steps of 3 px in one frame and of 4 px in two: (9 + 16) / (4 · 3 frames)."""
    v = video([0, 1, 3, 3], [0, 3, 3, 9], [0, 0, 4, 9])
    found = floors.mean_squared_step(v, np.array([0, 0, 0, 1]), PRIOR)
    np.testing.assert_allclose(found, [25 / 12] * 3 + [PRIOR.median])
    longer = floors.mean_squared_step(v._replace(dt=2.0), np.array([0, 0, 0, 1]), PRIOR)
    np.testing.assert_allclose(longer[:3], 25 / 24)


def test_the_covariance_estimator_does_not_mind_localization_error():
    """The mean squared step is too large by σ²; four standard errors of 4,000 steps."""
    D, error = 0.1, 0.3
    v, track = walk(4000, D, seed=0, error=error)
    tolerance = 4 * np.sqrt((6 * D**2 + 8 * D * error**2 + 6 * error**4) / 4000 / 2)
    assert floors.covariance(v, track, PRIOR)[0] == pytest.approx(D, abs=tolerance)
    naive = floors.mean_squared_step(v, track, PRIOR)[0]
    assert naive == pytest.approx(D + error**2, abs=tolerance)
    assert naive - D > tolerance, "test invalid"


@pytest.mark.parametrize("wander", [0.0, 0.5])
def test_hidden_markov_is_the_sum_over_all_histories(monkeypatch, wander):
    edges = np.geomspace(0.01, 1, 6)
    few = floors.Prior(edges, np.sqrt(edges[1:] * edges[:-1]), np.full(5, 0.2), 0.1)
    monkeypatch.setattr(floors, "JUMPS", (0.1,))
    v = video([0, 1, 2, 4], [0, 0.1, 1.5, 1.6], [0, 0.2, 1.0, 1.0])
    drift = floors._drift(few, wander)
    drift = np.eye(5) if drift is None else drift
    weight = np.zeros((4, 5))
    for history in itertools.product(range(5), repeat=4):
        p = few.weight[history[0]]
        for k, (here, there) in enumerate(itertools.pairwise(history)):
            variance = 2 * few.diffusivity * np.diff(v.frame)[k]
            r2 = ((v.position[k + 1] - v.position[k]) ** 2).sum()
            step = np.exp(-r2 / (2 * variance)) / (2 * np.pi * variance)
            jump = (step @ few.weight) * few.weight[there]
            p *= 0.9 * step[here] * drift[here, there] + 0.1 * jump
        weight[np.arange(4), history] += p
    found = floors.hidden_markov(v, np.zeros(4, dtype=int), few, wander)
    np.testing.assert_allclose(found, few.median_of(weight), rtol=1e-5)


def test_hidden_markov_sees_a_change_of_particle_that_the_mean_does_not():
    rng = np.random.default_rng(0)
    D = np.repeat([0.01, 0.6], 30)
    path = np.cumsum(rng.normal(size=(60, 2)) * np.sqrt(2 * D)[:, None], axis=0)
    v, track = video(np.arange(60), *path.T), np.zeros(60, dtype=int)
    jumping = np.abs(floors.hidden_markov(v, track, PRIOR) - D).mean()
    constant = np.abs(floors.bayes(v, track, PRIOR) - D).mean()
    assert jumping < constant / 2


# --- linking -------------------------------------------------------------------------------


def crossing() -> tuple[floors.Video, np.ndarray, np.ndarray]:
    """Two particles swap sides; linking each to its nearest neighbour exchanges them.

    y
    3 | a . . b
    2 | . a b .
    1 | . b a .
    0 | b . . a
        0 1 2 3   frame, 1.1 px for one
    """
    frame = np.repeat(np.arange(4), 2)
    y = np.array([3, 0, 2, 1, 1, 2, 0, 3]) * 1.1
    return video(frame, np.zeros(8), y), np.tile([0, 1], 4), np.tile([70.0, 30.0], 4)


def test_intensity_resolves_a_crossing_that_positions_do_not():
    v, particle, intensity = crossing()
    assert not np.array_equal(link(v), particle), "test invalid"
    np.testing.assert_array_equal(link(v, signature=intensity / 4), particle)


def test_two_particles_are_assigned_together():
    """The nearest neighbour of a's next place is b's; only the sum of both costs is right."""
    v = video([0, 0, 1, 1], [0, 1.0, 0.9, 1.9], [0, 0, 0, 0])
    np.testing.assert_array_equal(link(v), [0, 1, 0, 1])


def test_a_track_waits_for_max_lag_frames_and_no_longer():
    v = video([0, 2, 5], [0, 0.1, 0.2], [0, 0, 0])
    np.testing.assert_array_equal(link(v, max_lag=2), [0, 0, 1])
    np.testing.assert_array_equal(link(v, max_lag=1), [0, 1, 2])


def test_what_is_too_far_is_not_linked():
    v = video([0, 1], [0, 9], [0, 0])
    np.testing.assert_array_equal(link(v), [0, 1])


def test_the_more_is_missed_the_shorter_the_longest_link():
    truth = simulate.build(FIG_4, 2, seed=0)
    worst = []
    for missed in (0.0, 0.1, 0.3):
        seen = simulate.observe(truth, Observe(missed=(missed, missed)), seed=1)
        ends = schema.offsets(seen["row_size"].values)
        frame, particle = seen["frame"].values, seen["particle"].values
        rows = [slice(*both) for both in itertools.pairwise(ends)]
        videos = [floors.Video(frame[r], np.zeros((0, 2)), 1.0, None) for r in rows]
        worst.append(floors.worst_link(videos, [particle[r] for r in rows], 32.0**2, 1))
    assert worst[0] < worst[1] < worst[2]
    density = 32.5 / 32**2
    expected = 0.3 * 0.3 * 0.7 * density / 0.7  # m · m (1 - m) ρ / (1 - m); few at the ends
    assert worst[2] == pytest.approx(expected, rel=0.15)


def test_links_of_drawn_tracks():
    track = np.array([0, 1, -1, 0, 1, 0])
    frame = np.array([0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(floors.links(track, frame), [[0, 3, 1], [3, 5, 4]])


# --- the whole -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fig_4() -> xr.Dataset:
    return floors.estimate(simulate.build(FIG_4, 12, seed=5), FIG_4, Graph())


def test_the_methods_reach_what_they_are_known_to_reach(fig_4):
    """Figures of other simulations with the same settings; mean of 12 videos.

    Methods with a known figure may be better by up to 15 % (a better cost of links), never
    worse by more than three standard errors.
    """
    known = {
        "constant": 0.227,
        "given_links": 0.043,
        "lap_mss": 0.118,
        "lap_covariance": 0.143,
        "lap_hmm": 0.085,
        "lapi_bayes": 0.061,
        "lapi_hmm": 0.056,
    }
    of_video = schema.row_of(fig_4["row_size"].values)
    truth = np.sqrt(2 * fig_4["truth"].values)
    for method, figure in known.items():
        estimate = fig_4["diffusivity"].values[fig_4.attrs["method"].index(method)]
        error = np.abs(np.sqrt(2 * estimate) - truth)
        per_video = np.bincount(of_video, error) / np.bincount(of_video)
        standard_error = per_video.std(ddof=1) / np.sqrt(12)
        assert per_video.mean() < figure + 3 * standard_error, method
        assert per_video.mean() > 0.85 * figure - 3 * standard_error, method


def test_floors_are_laid_out_as_promised(fig_4):
    schema.check(fig_4, schema.FLOORS, "floors")
    assert (fig_4["localization_error"].values == 0).all()


def test_a_track_in_a_landscape_has_no_single_diffusivity():
    settings = Simulate(motion="landscape", frames=(30, 30))
    found = floors.estimate(simulate.build(settings, 2, seed=0), settings, Graph())
    assert found.attrs["method"] == ["constant", "lap_hmm", "lapi_hmm"]
    error = np.abs(np.log10(found["diffusivity"].values / found["truth"].values)).mean(axis=1)
    assert error[1] < error[0] / 2


@pytest.mark.parametrize("observe", [Observe(missed=(1, 1)), None])
def test_videos_without_any_known_particle_are_refused(observe):
    seen = simulate.build(Simulate(frames=(8, 8), particles=(4, 4)), 2, seed=0)
    if observe:
        seen = simulate.observe(seen, observe, seed=0)
    else:
        seen = seen.assign(particle=seen["particle"] * 0 - 1)
    with pytest.raises(InputError, match=r"none of \d+ localizations in 2 videos .*lower observe"):
        floors.estimate(seen, FIG_4, Graph())


def test_false_positives_empty_videos_and_missing_intensity_pass():
    truth = simulate.build(Simulate(frames=(8, 8), particles=(4, 4)), 2, seed=0)
    seen = simulate.observe(truth, Observe(false_positives=(0.5, 0.5)), seed=0)
    seen = seen.drop_vars("intensity")
    sizes = np.insert(seen["row_size"].values, 1, 0)
    seen = seen.drop_vars(["row_size", "n_frames"]).assign(
        row_size=("video", sizes), n_frames=("video", [8, 8, 8])
    )
    found = schema.check(floors.estimate(seen, FIG_4, Graph()), schema.FLOORS, "floors")
    assert found.attrs["linker"] == ["lap"]
    given = found["diffusivity"].values[found.attrs["method"].index("given_links")]
    np.testing.assert_array_equal(np.isnan(given), seen["particle"].values < 0)
    assert np.isnan(given).any(), "test invalid"
