"""What is simulated moves as it should, and is the same each time."""

import hashlib

import andi_datasets.models_phenom  # noqa: F401  before magik: its import hook recompiles imports
import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError
from scipy import stats

from magik import config, motions, physics, schema, simulate
from magik.config import Observe, Simulate

D = 0.1
FIXED = {"diffusivity": (D, D), "particles": (40, 40)}


def tracks(truth: xr.Dataset, column: str) -> np.ndarray:
    """[frame, particle over all videos], where videos are equal in frames and particles."""
    video = schema.row_of(truth.row_size.values)
    order = np.lexsort([truth.frame.values, truth.particle.values, video])
    frames = int(truth.n_frames.values[0])
    return truth[column].values[order].reshape(-1, frames).T


@pytest.mark.parametrize("dt", [0.5, 4])
def test_msd_is_4_d_t_at_every_lag(dt):
    """⟨r²(t)⟩ = 4 D Δt t without walls: any defect of the generator would show here."""
    free = Simulate(boundary="free", frames=(11, 11), dt=dt, **FIXED)
    truth = simulate.build(free, videos=50, seed=1)
    x, y = tracks(truth, "x"), tracks(truth, "y")
    lags = np.array([1, 2, 5, 10])
    msd = ((x[lags] - x[0]) ** 2 + (y[lags] - y[0]) ** 2).mean(axis=1)
    standard_error = 1 / np.sqrt(x.shape[1])  # of the mean of r², relative, 2 Gaussian axes
    np.testing.assert_allclose(msd, 4 * D * dt * lags, rtol=4 * standard_error)


def test_each_video_may_have_a_sampling_time_of_its_own():
    """MSD over Δt is that of D in every video, and all else is as with one Δt."""
    drawn = Simulate(boundary="free", frames=(41, 41), dt={"log_uniform": (0.5, 32)}, **FIXED)
    truth = simulate.build(drawn, videos=6, seed=1)
    dt = truth["dt"].to_numpy()
    assert len(set(dt)) == 6
    assert 0.5 <= dt.min() < 4 < dt.max() <= 32
    for video, interval in zip(schema.videos(truth), dt, strict=True):
        steps = np.diff(tracks(video, "x"), axis=0)
        standard_error = np.sqrt(2 / steps.size)
        assert np.mean(steps**2) == pytest.approx(2 * D * interval, rel=4 * standard_error)
    assert "dt" not in simulate.build(Simulate(**FIXED), videos=1, seed=1)


def test_reflecting_walls_keep_a_uniform_crowd_uniform():
    """The steady state between walls is uniform, and each step here crosses the box."""
    side = 8
    box = Simulate(field_of_view=side, frames=(20, 20), diffusivity=(60, 60), particles=(40, 40))
    last = np.stack([tracks(simulate.build(box, 50, seed=1), axis)[-1] for axis in ("x", "y")])
    assert last.min() >= 0
    assert last.max() <= side
    assert stats.kstest(last.ravel() / side, "uniform").pvalue > 0.01
    free = simulate.build(box.model_copy(update={"boundary": "free"}), 50, seed=1)
    assert abs(tracks(free, "x")).max() > side, "test invalid: no wall was reached"


def test_reflected_steps_near_a_wall_have_the_folded_normal_law():
    """An object on the wall steps inwards only: |N(0, 2D)|, mean √(4D/π)."""
    sd = physics.displacement_scaling(np.array([D]))
    steps = motions.brownian_steps(2, 4000, seed=5)
    onwall = simulate._walk(
        np.zeros((4000, 2)),
        steps,
        np.full((2, 4000), D),
        np.ones(4000),
        Simulate(field_of_view=100),
        dt=1.0,
    )
    assert stats.kstest(onwall[1].ravel() / sd, "halfnorm").pvalue > 0.01


def test_diffusivity_of_an_object_stays_and_is_drawn_as_asked():
    truth = simulate.build(Simulate(frames=(3, 3), particles=(40, 40)), videos=50, seed=1)
    diffusivity = tracks(truth, "diffusivity")
    assert (diffusivity == diffusivity[0]).all()
    uniform = stats.uniform(0.005, 0.7 - 0.005)
    assert stats.kstest(diffusivity[0], uniform.cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("distribution", "law"),
    [
        ((0.1, 0.7), stats.uniform(0.1, 0.6)),
        (config.Uniform(uniform=(0.1, 0.7)), stats.uniform(0.1, 0.6)),
        (config.LogUniform(log_uniform=(0.01, 1)), stats.loguniform(0.01, 1)),
        (
            config.Exponential(exponential=0.1, within=(0.001, 1)),
            stats.truncexpon(b=9.99, loc=0.001, scale=0.1),
        ),
    ],
)
def test_distributions(distribution, law):
    drawn = simulate.draw(distribution, 4000, np.random.default_rng(1))
    assert stats.kstest(drawn, law.cdf).pvalue > 0.01
    low, high = law.support()
    assert low <= drawn.min()
    assert drawn.max() <= high


def test_intensity_fluctuates_as_white_noise_around_the_object_s_own():
    """U(20, 80) per object, s.d. 3 over time (Methods), uncorrelated from frame to frame."""
    truth = simulate.build(Simulate(frames=(50, 50), particles=(40, 40)), videos=10, seed=1)
    intensity = tracks(truth, "intensity")
    mean = intensity.mean(axis=0)
    noise = intensity - mean
    assert stats.kstest(mean, stats.uniform(20, 60).cdf).pvalue > 0.01
    relative_error = 1 / np.sqrt(2 * noise.size)
    assert noise.std(ddof=noise.shape[1]) == pytest.approx(3, rel=4 * relative_error)
    correlation = np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]
    assert correlation == pytest.approx(-1 / 50, abs=4 / np.sqrt(noise.size))  # own mean removed


def test_every_video_may_have_a_noise_of_its_own():
    settings = Simulate(
        frames=(50, 50), particles=(5, 5), intensity_sd=config.LogUniform(log_uniform=(1, 9))
    )
    truth = simulate.build(settings, videos=30, seed=1)
    sd = tracks(truth, "intensity").std(axis=0, ddof=1).reshape(30, 5)
    assert stats.kstest(sd.mean(axis=1), stats.loguniform(1, 9).cdf).pvalue > 0.01
    assert (sd.std(axis=1) < 0.3 * sd.mean(axis=1)).all(), "one of all its objects"


LANDSCAPE = Simulate(motion="landscape", field_of_view=64, frames=(20, 20), particles=(75, 75))


def test_landscape_spans_its_bounds_smoothly():
    truth = simulate.build(LANDSCAPE, videos=3, seed=1)
    landscape = truth.landscape.values
    assert landscape.shape == (3, 64, 64)
    np.testing.assert_allclose(landscape.min(axis=(1, 2)), 0.005, rtol=1e-5)
    np.testing.assert_allclose(landscape.max(axis=(1, 2)), 0.7, rtol=1e-5)
    assert landscape.max() / landscape.min() > 100, "more than two orders of magnitude"
    neighbour = np.abs(np.diff(np.log10(landscape), axis=1)).max()
    assert neighbour < 0.6  # white noise would jump by up to 2.1


def test_landscape_is_smoothed_over_the_length_asked_for():
    """Gaussian-filtered white noise has correlation exp(-r² / 4s²)."""
    correlations = []
    for seed in range(60):
        landscape = np.log10(simulate.draw_landscape(LANDSCAPE, 3.0, np.random.default_rng(seed)))
        centred = landscape - landscape.mean()
        correlations.append((centred[:, 3:] * centred[:, :-3]).mean() / centred.var())
    assert np.mean(correlations) == pytest.approx(np.exp(-9 / 36), abs=0.05)


def test_steps_in_a_landscape_follow_the_d_where_they_begin():
    rough = LANDSCAPE.model_copy(update={"smoothing": (1, 1), "diffusivity": (0.02, 2.0)})
    truth = simulate.build(rough, videos=20, seed=1)
    x, y, here = (tracks(truth, name) for name in ("x", "y", "diffusivity"))
    video = np.repeat(np.arange(20), 75)
    row, column = (np.minimum(axis, 63.99).astype(int) for axis in (y, x))
    cells = truth.landscape.values[video, row, column]
    np.testing.assert_allclose(here, cells, rtol=1e-6)
    far_from_walls = (abs(x[:-1] - 32) < 26) & (abs(y[:-1] - 32) < 26)
    squared = (np.diff(x, axis=0) ** 2 + np.diff(y, axis=0) ** 2)[far_from_walls]
    at_start, at_end = here[:-1][far_from_walls], here[1:][far_from_walls]
    tolerance = 4 / np.sqrt(squared.size)  # squared / 4D is exponential, of s.d. 1
    assert np.mean(squared / (4 * at_start)) == pytest.approx(1, abs=tolerance)
    assert abs(np.mean(squared / (4 * at_end)) - 1) > 2 * tolerance, "test invalid"


def test_objects_may_leave_a_landscape_without_walls():
    free = LANDSCAPE.model_copy(update={"boundary": "free", "diffusivity": (1.0, 100.0)})
    truth = simulate.build(free, videos=1, seed=1)
    assert truth.x.values.min() < 0
    assert np.isfinite(truth.diffusivity.values).all()


def test_an_object_that_switches_steps_with_the_d_of_the_frame_where_it_begins():
    """D changes after dwells of 6 frames or more; each dwell draws its own."""
    drawn = config.Exponential(exponential=0.1, within=(0.001, 1))
    free = Simulate(motion="switching", diffusivity=drawn, boundary="free", frames=(400, 400))
    truth = simulate.build(free, videos=4, seed=1)
    x, y, here = (tracks(truth, name) for name in ("x", "y", "diffusivity"))
    squared = np.diff(x, axis=0) ** 2 + np.diff(y, axis=0) ** 2
    changes = np.diff(here, axis=0) != 0
    at_change = squared[1:][changes[:-1]] / (4 * here[1:-1][changes[:-1]])
    assert np.mean(squared / (4 * here[:-1])) == pytest.approx(1, abs=4 / np.sqrt(squared.size))
    assert at_change.mean() == pytest.approx(1, abs=4 / np.sqrt(len(at_change))), "the new D rules"
    old = squared[1:][changes[:-1]] / (4 * here[:-2][changes[:-1]])
    assert old.mean() > 2, "test invalid"
    assert changes.mean() == pytest.approx(1 / 25, rel=0.1)
    dwell = np.diff(np.flatnonzero(changes[:, 0]))
    assert dwell.min() >= 6
    assert stats.kstest(here[0], stats.truncexpon(b=9.99, loc=0.001, scale=0.1).cdf).pvalue > 0.01


MODELS = {"fbm": {"model": "fbm"}, "attm": {"model": "attm"}, "ctrw": {"model": "ctrw"}}
SHORT = {"frames": (12, 12), "particles": (40, 40), "boundary": "free"}


def anomalous(classes: dict, **settings) -> Simulate:
    return Simulate.model_validate({"motion": "anomalous", "classes": classes} | settings)


@pytest.mark.parametrize("alpha", [0.4, 1.0, 1.6])
@pytest.mark.parametrize("dt", [0.5, 4])
def test_msd_of_fractional_brownian_motion_is_2_d_t_to_the_alpha_along_each_axis(alpha, dt):
    way = {"fbm": {"exponent": (alpha, alpha)}}
    settings = anomalous(way, dimensions=3, dt=dt, diffusivity=(D, D), **SHORT)
    truth = simulate.build(settings, videos=25, seed=1)
    lags = np.array([1, 2, 5, 11])
    for axis in ("x", "y", "z"):
        position = tracks(truth, axis)
        msd = ((position[lags] - position[0]) ** 2).mean(axis=1)
        rtol = 4 * np.sqrt(2 / position.shape[1])
        np.testing.assert_allclose(msd, 2 * D * (dt * lags) ** alpha, rtol=rtol)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_steps_of_all_models_have_the_amplitude_of_their_d(dimensions):
    """s.d. √(2D) per axis of each track at α = 1, in spite of what a model's own units are."""
    settings = anomalous(MODELS, dimensions=dimensions, **SHORT)
    truth = simulate.build(settings, videos=25, seed=1)
    motion, diffusivity = tracks(truth, "motion")[0], tracks(truth, "diffusivity")[0]
    steps = np.stack([np.diff(tracks(truth, axis), axis=0) for axis in "xyz"[:dimensions]])
    ratio = np.square(steps).mean(axis=(0, 1)) / (2 * diffusivity)
    moved = ratio > 0
    assert truth.attrs["motions"] == ["fbm", "attm", "ctrw"]
    np.testing.assert_allclose(ratio[(motion > 0) & moved], 1, rtol=1e-3)
    assert ratio[motion == 0].mean() == pytest.approx(1, rel=0.05)
    assert np.all(motion[~moved] == 2), "only a random walk in continuous time may wait"


@pytest.mark.parametrize(
    ("mixing", "spread"),
    [
        ("object", np.sqrt(2 / 9 / 40)),  # binomial: 40 objects, a third each
        ("fractions", np.sqrt(1 / 18 + (1 / 3 - 1 / 6) / 40)),  # of Dirichlet's shares
        ("video", np.sqrt(2 / 9)),  # all or none
    ],
)
def test_classes_are_mixed_as_asked(mixing, spread):
    ways = {"sub": {"exponent": (0.2, 0.6)}, "normal": {}, "super": {"exponent": (1.4, 1.8)}}
    settings = anomalous(ways, mixing=mixing)
    rng = np.random.default_rng(1)
    videos = [simulate.draw_classes(settings, 40, rng) for _ in range(2000)]
    motion, exponent = (np.stack(column) for column in zip(*videos, strict=True))
    low, high = np.array([[0.2, 0.6], [1, 1], [1.4, 1.8]])[motion].transpose(2, 0, 1)
    assert np.all((low <= exponent) & (exponent <= high))
    drawn = exponent[:, 0][motion[:, 0] == 2]
    assert stats.kstest(drawn, stats.uniform(1.4, 0.4).cdf).pvalue > 0.01
    shares = np.stack([(motion == place).mean(axis=1) for place in range(3)])
    np.testing.assert_allclose(shares.mean(axis=1), 1 / 3, atol=4 * spread / np.sqrt(2000))
    np.testing.assert_allclose(shares.std(axis=1), spread, rtol=0.06)
    alike = np.all(exponent == exponent[:, :1])
    assert alike == (mixing == "video")


def test_class_and_exponent_of_an_object_stay():
    truth = simulate.build(anomalous(MODELS | {"slow": {"exponent": (0.3, 0.5)}}), 2, seed=1)
    schema.check(truth, schema.LOCALIZATIONS, "truth")
    video = schema.row_of(truth.row_size.values)
    rows = np.stack([video, truth.particle.values, truth.motion.values, truth.exponent.values])
    particles = len(np.unique(rows[:2], axis=1).T)
    assert len(np.unique(rows, axis=1).T) == particles


HOLOGRAM = anomalous(
    MODELS,
    mixing="video",
    dimensions=3,
    depth=8,
    diffusivity=(1, 1),
    frames=(20, 20),
    particles=(3, 7),
    refractive_index=(1.35, 1.55),
    object_radius=(2, 3),
)


def test_a_hologram_has_depth_and_objects_of_a_refractive_index():
    truth = simulate.build(HOLOGRAM, videos=40, seed=1)
    schema.check(truth, schema.LOCALIZATIONS, "truth")
    assert truth.attrs["depth"] == 8
    assert "intensity" not in truth
    z = truth.z.values
    assert z.min() >= 0
    assert 7 < z.max() <= 8
    for name, low, high in (("refractive_index", 1.35, 1.55), ("object_radius", 2, 3)):
        values = tracks(truth, name)
        assert (values == values[0]).all()
        assert stats.kstest(values[0], stats.uniform(low, high - low).cdf).pvalue > 0.01


def test_an_observed_hologram_has_errors_and_false_positives_in_depth_too():
    truth = simulate.build(HOLOGRAM, videos=40, seed=1)
    blurred = simulate.observe(truth, Observe(localization_error=(0.3, 0.3)), seed=1)
    error = (tracks_of_each(blurred, "z") - tracks_of_each(truth, "z")) / 0.3
    assert stats.kstest(error, "norm").pvalue > 0.01
    seen = simulate.observe(truth, Observe(false_positives=(0.3, 0.3)), seed=1)
    schema.check(seen, schema.LOCALIZATIONS, "seen")
    assert seen.attrs == truth.attrs
    false = seen.particle.values < 0
    assert np.all((seen.motion.values == -1) == false)
    assert np.all(np.isnan(seen.exponent.values) == false)
    assert stats.kstest(seen.z.values[false] / 8, "uniform").pvalue > 0.01
    pairs = {tuple(row) for row in looks(truth)}
    assert {tuple(row) for row in looks(seen)[false]} <= pairs


def looks(dataset: xr.Dataset) -> np.ndarray:
    return np.stack([dataset.refractive_index.values, dataset.object_radius.values], axis=1)


def test_layout_and_numbers_are_as_asked():
    truth = simulate.build(Simulate(), videos=100, seed=1)
    schema.check(truth, schema.LOCALIZATIONS, "truth")
    assert truth.attrs["field_of_view"] == [32, 32]
    assert set(truth.n_frames.values) == set(range(50, 56))
    particles = truth.row_size.values / truth.n_frames.values
    assert set(particles) == set(range(30, 36))
    video = schema.row_of(truth.row_size.values)
    assert (np.diff(video * 1000 + truth.frame.values) >= 0).all(), "sorted by video and frame"


def test_order_within_a_frame_tells_nothing_of_identity():
    truth = simulate.build(Simulate(frames=(50, 50), particles=(30, 30)), videos=4, seed=1)
    particle = truth.particle.values.reshape(-1, 30)
    assert (np.sort(particle) == np.arange(30)).all()
    stays = (particle[1:] == particle[:-1]).mean()
    assert stays == pytest.approx(1 / 30, abs=4 * np.sqrt(1 / 30 / particle.size))


def test_one_frame_and_one_particle():
    truth = simulate.build(Simulate(frames=(1, 1), particles=(1, 1)), videos=2, seed=1)
    assert truth.sizes == {"localization": 2, "video": 2}


@pytest.mark.parametrize(
    "settings",
    [
        Simulate(frames=(5, 8)),
        Simulate(motion="landscape", frames=(5, 8)),
        Simulate(motion="switching", frames=(5, 8)),
        anomalous(MODELS, mixing="fractions", frames=(5, 8)),
        anomalous(MODELS, dimensions=3, frames=(5, 8), particles=(20, 20)),
    ],
    ids=["brownian", "landscape", "switching", "anomalous", "3d"],
)
def test_same_seed_same_videos_and_more_leave_the_first_unchanged(settings):
    two = simulate.build(settings, videos=2, seed=1)
    four = simulate.build(settings, videos=4, seed=1)
    first = four.isel(video=slice(2), localization=slice(int(two.row_size.sum())))
    xr.testing.assert_identical(first, two)
    other = simulate.build(settings, videos=2, seed=2)
    assert two.x.values[:50].tolist() != other.x.values[:50].tolist()
    assert two.x.values[0] != two.x.values[two.row_size.values[0]], "videos differ"


TRUTH = simulate.build(Simulate(frames=(50, 50)), videos=20, seed=1)


def test_a_perfect_observation_is_the_truth():
    xr.testing.assert_identical(simulate.observe(TRUTH, Observe(), seed=1), TRUTH)


def test_misses_and_false_positives_come_in_the_fractions_asked_for():
    settings = Observe(missed=(0.2, 0.2), false_positives=(0.1, 0.1))
    seen = simulate.observe(TRUTH, settings, seed=1)
    schema.check(seen, schema.LOCALIZATIONS, "seen")
    n = TRUTH.sizes["localization"]
    real = seen.particle.values >= 0
    assert real.sum() / n == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / n))
    assert (~real).sum() / n == pytest.approx(0.1, abs=4 * np.sqrt(0.1 / n))
    assert np.isnan(seen.diffusivity.values[~real]).all()
    assert stats.kstest(seen.x.values[~real] / 32, "uniform").pvalue > 0.01
    assert seen.row_size.sum() == seen.sizes["localization"]
    first = slice(int(seen.row_size[0]))
    assert (np.diff(seen.frame.values[first]) >= 0).all()
    assert seen.n_frames.equals(TRUTH.n_frames)


def test_localization_error_is_gaussian_of_the_s_d_asked_for():
    seen = simulate.observe(TRUTH, Observe(localization_error=(0.3, 0.3)), seed=1)
    for axis in ("x", "y"):
        error = (tracks_of_each(seen, axis) - tracks_of_each(TRUTH, axis)) / 0.3
        assert stats.kstest(error, "norm").pvalue > 0.01
    assert tracks_of_each(seen, "intensity").tolist() == tracks_of_each(TRUTH, "intensity").tolist()


def tracks_of_each(dataset: xr.Dataset, column: str) -> np.ndarray:
    """All values, ordered by video, particle and frame."""
    video = schema.row_of(dataset.row_size.values)
    return (
        dataset[column]
        .values[np.lexsort([dataset.frame.values, dataset.particle.values, video])]
        .astype(float)
    )


def test_each_video_is_observed_with_an_error_of_its_own():
    seen = simulate.observe(TRUTH, Observe(localization_error=(0, 1)), seed=1)
    error = tracks_of_each(seen, "x") - tracks_of_each(TRUTH, "x")
    video = schema.row_of(seen.row_size.values)
    spread = [error[video == v].std() for v in range(20)]
    assert stats.kstest(spread, "uniform").pvalue > 0.01


def test_everything_may_be_missed():
    seen = simulate.observe(TRUTH, Observe(missed=(1, 1)), seed=1)
    assert seen.row_size.values.tolist() == [0] * 20
    assert seen.n_frames.equals(TRUTH.n_frames)


LONG = simulate.build(Simulate(frames=(500, 500)), videos=4, seed=1)


def lit(seen: xr.Dataset) -> np.ndarray:
    """[frame, particle over all videos of LONG]: whether it is seen."""
    video = schema.row_of(seen.row_size.values)
    found = np.zeros((500, 4, 40), dtype=bool)
    found[seen.frame.values, video, seen.particle.values] = True
    there = np.zeros((4, 40), dtype=bool)
    there[schema.row_of(LONG.row_size.values), LONG.particle.values] = True
    return found[:, there]


def dark_periods(dark: np.ndarray) -> np.ndarray:
    """Lengths of those that begin in the first half, so that hardly any is cut off at the end."""
    begins = np.argwhere(dark[1:250] & ~dark[:249])
    return np.array([np.argmin([*dark[1 + before :, of], False]) for before, of in begins])


@pytest.mark.parametrize(("share", "length"), [(0.3, 5), (0.2, 1), (0.5, 12)])
def test_objects_that_blink_are_dark_as_often_and_as_long_as_asked(share, length):
    """Of two states: shares as asked from the first frame on, dark periods geometric."""
    settings = Observe(blinking=(share, share), dark_frames=length)
    dark = ~lit(simulate.observe(LONG, settings, seed=1))
    effective = dark.size / (2 * length)  # frames within a period are not independent
    assert dark.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / effective))
    first = np.sqrt(share * (1 - share) / dark.shape[1])
    assert dark[0].mean() == pytest.approx(share, abs=4 * first), "stationary"
    periods = dark_periods(dark)
    assert periods.mean() == pytest.approx(length, abs=4 * length / np.sqrt(len(periods)))
    of_one = stats.geom(1 / length).pmf(1)
    assert (periods == 1).mean() == pytest.approx(of_one, abs=4 * 0.5 / np.sqrt(len(periods)))


def test_misses_are_not_blinks():
    """The control: of detections missed one by one, runs are short at any share."""
    missed = ~lit(simulate.observe(LONG, Observe(missed=(0.3, 0.3)), seed=1))
    assert dark_periods(missed).mean() == pytest.approx(1 / 0.7, rel=0.05)
    both = Observe(missed=(0.1, 0.1), blinking=(0.3, 0.3))
    assert lit(simulate.observe(LONG, both, seed=1)).mean() == pytest.approx(0.9 * 0.7, abs=0.02)


def test_blinking_moves_nothing_and_an_object_that_is_always_dark_vanishes():
    settings = Observe(blinking=(0.8, 0.8), dark_frames=200)
    seen = simulate.observe(TRUTH, settings, seed=1)
    schema.check(seen, schema.LOCALIZATIONS, "seen")
    assert seen.n_frames.equals(TRUTH.n_frames)
    places = {tuple(row) for row in np.stack([TRUTH.x, TRUTH.y, TRUTH.frame], axis=1)}
    assert {tuple(row) for row in np.stack([seen.x, seen.y, seen.frame], axis=1)} < places
    objects = [
        {*zip(schema.row_of(some.row_size.values), some.particle.values, strict=True)}
        for some in (seen, TRUTH)
    ]
    assert len(objects[0]) < 0.6 * len(objects[1])


def test_blinking_is_drawn_per_video_and_from_the_seed():
    settings = Observe(blinking=(0.1, 0.6))
    seen = simulate.observe(TRUTH, settings, seed=1)
    share = 1 - seen.row_size.values / TRUTH.row_size.values
    assert stats.kstest((share - 0.1) / 0.5, "uniform").pvalue > 0.01
    xr.testing.assert_identical(simulate.observe(TRUTH, settings, seed=1), seen)
    assert (
        simulate.observe(TRUTH, settings, seed=2).row_size.values.tolist()
        != seen.row_size.values.tolist()
    )


def test_without_blinking_nothing_else_is_drawn():
    others = {"localization_error": (0.1, 0.2), "missed": (0, 0.2), "false_positives": (0, 0.2)}
    plain = simulate.observe(TRUTH, Observe(**others), seed=1)
    zero = simulate.observe(TRUTH, Observe(**others, blinking=(0, 0), dark_frames=50), seed=1)
    xr.testing.assert_identical(zero, plain)
    digest = hashlib.sha256(plain.particle.values.astype("<i4").tobytes())
    assert digest.hexdigest()[:16] == "de3b903f2e7e3463", "data sets made before there was blinking"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"blinking": (0.1, 1)}, "blinking: up to 1 with dark_frames: 5; expected at most 0.833"),
        ({"blinking": (0.6, 0.6), "dark_frames": 1}, "expected at most 0.5, where an object is"),
        ({"blinking": (0.2, 0.1)}, "from 0.2 to 0.1; expected 0 <= lowest <= highest"),
        ({"dark_frames": 0.5}, "greater than or equal to 1"),
    ],
)
def test_impossible_blinking_is_refused(wrong, says):
    with pytest.raises(ValidationError, match=says):
        Observe(**wrong)


@pytest.mark.parametrize(
    "distribution",
    [
        (0.1, 0.7),
        (0.1, 0.1),
        config.Uniform(uniform=(0, 0.7)),
        config.LogUniform(log_uniform=(0.01, 3)),
        config.LogUniform(log_uniform=(2, 2)),
        config.Exponential(exponential=0.1, within=(0.001, 1)),
        config.Exponential(exponential=1, within=(0.2, 0.5)),
        config.Exponential(exponential=0.001, within=(0, 10)),
    ],
)
def test_the_mean_of_a_distribution_is_that_of_what_is_drawn(distribution):
    drawn = simulate.draw(distribution, 100_000, np.random.default_rng(1))
    error = 4 * drawn.std() / np.sqrt(len(drawn))
    assert config.mean(distribution) == pytest.approx(drawn.mean(), abs=error + 1e-12)


def test_the_landscape_stays_with_what_is_observed():
    truth = simulate.build(LANDSCAPE, videos=1, seed=1)
    seen = simulate.observe(truth, Observe(missed=(0.1, 0.1)), seed=1)
    assert seen.landscape.equals(truth.landscape)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"frames": (55, 50)}, "from 55 to 50; expected 0 <= lowest <= highest"),
        ({"diffusivity": (0.7, 0.005)}, "diffusivity: from 0.7 to 0.005 px²/frame"),
        ({"motion": "landscape", "diffusivity": (0, 1)}, "needs 0 < lowest < highest"),
    ],
)
def test_impossible_settings_are_refused(wrong, says):
    with pytest.raises(ValidationError, match=says.replace("²", ".")):
        Simulate(**wrong)
