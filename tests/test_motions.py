"""Each process has the steps of its law, and every one the same amplitude."""

import andi_datasets.models_phenom  # noqa: F401  before magik: its import hook recompiles imports
import numpy as np
import pytest
import stochastic.random
from scipy import stats

from magik import motions

N = 3000
"""Objects; each has two or three axes."""


def steps_of(
    model: str, alpha: float, frames: int = 51, particles: int = N, **settings
) -> np.ndarray:
    """[step, particle, axis]."""
    settings = {"dimensions": 2, "seed": 1} | settings
    steps = motions.anomalous_steps(model, np.full(particles, alpha), frames, **settings)
    assert steps.shape == (frames, particles, settings["dimensions"])
    assert not steps[0].any()
    return steps[1:]


def next_correlation(steps: np.ndarray) -> float:
    """Of a step with the next along the same axis."""
    return float(np.mean(steps[1:] * steps[:-1]) / np.mean(steps**2))


def test_brownian_steps_are_gaussian_and_independent_of_time_axis_and_particle():
    """One long trace of andi-datasets is cut into all steps: no correlation at the cuts."""
    steps = motions.brownian_steps(frames=101, particles=50, seed=3)
    assert not steps[0].any()
    steps = steps[1:]
    assert stats.kstest(steps.ravel(), "norm").pvalue > 0.01
    tolerance = 4 / np.sqrt(steps.size)
    assert abs(np.mean(steps[1:] * steps[:-1])) < tolerance
    assert abs(np.mean(steps[:, 1:] * steps[:, :-1])) < tolerance
    assert abs(np.mean(steps[..., 0] * steps[..., 1])) < np.sqrt(2) * tolerance


@pytest.mark.parametrize("alpha", [0.2, 0.6, 1.0, 1.4, 1.8])
def test_fractional_brownian_motion_has_its_exact_covariance(alpha):
    """⟨s_i s_j⟩ = (|k+1|^α - 2|k|^α + |k-1|^α)/2 with k = i - j, axis by axis."""
    steps = steps_of("fbm", alpha, frames=11)
    k = np.subtract.outer(np.arange(10), np.arange(10))
    expected = (abs(k + 1.0) ** alpha - 2 * abs(k * 1.0) ** alpha + abs(k - 1.0) ** alpha) / 2
    flat = steps.transpose(0, 2, 1).reshape(10, -1)
    found = flat @ flat.T / flat.shape[1]
    np.testing.assert_allclose(found, expected, atol=4.5 * np.sqrt(2 / flat.shape[1]))
    assert abs(np.mean(steps[..., 0] * steps[..., 1])) < 0.02, "axes are independent"
    assert stats.kstest(flat[-1], "norm").pvalue > 0.01


@pytest.mark.parametrize("alpha", [0.5, 1.0])
@pytest.mark.parametrize("model", ["attm", "ctrw"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_stretched_tracks_have_the_amplitude_of_their_exponent(model, alpha, dimensions):
    """Mean squared step n^(α-1) in each track, steps uncorrelated: ⟨x²(n)⟩ = n^α."""
    steps = steps_of(model, alpha, dimensions=dimensions)
    squared = np.square(steps).mean(axis=(0, 2))
    moved = squared > 0
    np.testing.assert_allclose(squared[moved], 50 ** (alpha - 1))
    if model == "attm":
        assert moved.all()
    else:  # the first wait outlasts the video
        assert np.mean(~moved) == pytest.approx(50**-alpha, abs=0.02)
    end = np.square(steps.sum(axis=0))[moved].mean(axis=1)
    assert end.mean() == pytest.approx(50**alpha, abs=4 * end.std() / np.sqrt(moved.sum()))
    axes = np.square(steps[:, moved]).mean(axis=(0, 1))
    np.testing.assert_allclose(axes, 50 ** (alpha - 1), rtol=0.05)


@pytest.mark.parametrize("model", ["attm", "ctrw"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_processes_of_dwells_and_waits_age(model, dimensions):
    """Their first step is about three times the mean at α = 1: all dwells begin together."""
    first = np.square(steps_of(model, 1.0, 101, 800, dimensions=dimensions)[0]).mean()
    assert 2 < first < 5
    assert np.square(steps_of("fbm", 1.0)[0]).mean() == pytest.approx(1, abs=0.08)


def test_corrected_attm_has_independent_steps_where_the_library_s_has_not():
    corrected = next_correlation(steps_of("attm", 1.0, 101, 800, dimensions=3))
    library = next_correlation(steps_of("attm", 1.0, 101, 800, dimensions=3, attm="library"))
    plane = next_correlation(steps_of("attm", 1.0, 101, 800, dimensions=2))
    assert corrected == pytest.approx(0, abs=0.02)
    assert plane == pytest.approx(0, abs=0.02)
    assert library == pytest.approx(-0.31, abs=0.03)


@pytest.mark.parametrize("alpha", [0.6, 1.0])
def test_corrected_attm_has_the_law_that_andi_datasets_has_in_the_plane(alpha):
    """How unequal the steps of a track are, per axis: the law of D, of dwells and of σ."""

    def inequality(steps: np.ndarray) -> np.ndarray:
        squared = np.square(steps[..., 0])
        return (squared**2).mean(axis=0) / squared.mean(axis=0) ** 2

    ours = steps_of("attm", alpha, dimensions=3)
    andis = steps_of("attm", alpha, dimensions=2)
    assert stats.ks_2samp(inequality(ours), inequality(andis)).pvalue > 0.01
    other = steps_of("attm", 0.3, dimensions=3)
    assert stats.ks_2samp(inequality(other), inequality(andis)).pvalue < 1e-4, "test invalid"


def test_axes_of_attm_are_slow_together_and_independent_otherwise():
    steps = steps_of("attm", 1.0, dimensions=3)
    a, b = steps[..., 0], steps[..., 2]
    assert np.mean(a * b) == pytest.approx(0, abs=0.015)
    assert np.mean(np.square(a * b)) > 2, "independent axes would have 1"


def test_a_continuous_time_random_walk_waits():
    waits = np.mean(np.all(steps_of("ctrw", 1.0) == 0, axis=2))
    assert 0.5 < waits < 0.9
    assert not np.any(np.all(steps_of("fbm", 1.0) == 0, axis=2))


def test_one_frame_has_no_steps_and_no_object_is_no_problem():
    for model in ("fbm", "attm", "ctrw"):
        for dimensions in (2, 3):
            alone = motions.anomalous_steps(model, np.ones(2), 1, dimensions, seed=1)
            assert alone.tolist() == [[[0.0] * dimensions] * 2]
            none = motions.anomalous_steps(model, np.ones(0), 5, dimensions, seed=1)
            assert none.shape == (5, 0, dimensions)


def test_dwells_follow_one_another():
    length = np.array([[2, 3, 9], [4, 1, 9]])
    numbers = motions.dwell_at(length, 7).T
    assert numbers.tolist() == [[0, 0, 1, 1, 1, 2, 2], [0, 0, 0, 0, 1, 2, 2]]


def test_dwells_are_geometric_but_never_short():
    """p = 0.05, at least 6 frames: mean 25 (Methods, Extended Data Fig. 2)."""
    number = motions.switching_dwells(4000, 50, 0.05, 6, np.random.default_rng(1))
    length = np.array([np.bincount(each)[:-1] for each in number.T if each[-1] > 0], dtype=object)
    drawn = np.concatenate(length)  # the last of each is cut by the end of the video
    assert drawn.min() == 6
    assert drawn.mean() == pytest.approx(25, abs=4 * 20 / np.sqrt(len(drawn)))
    redrawn = np.random.default_rng(2).geometric(0.05, 40_000)
    assert stats.ks_2samp(drawn, redrawn[redrawn >= 6]).pvalue > 0.01


def test_seeded_controls_both_hidden_generators_and_gives_them_back():
    def draws() -> tuple[float, float]:
        return np.random.random(), stochastic.random.generator.random()  # noqa: NPY002

    np.random.seed(7)  # noqa: NPY002
    stochastic.random.seed(7)
    expected = draws()
    np.random.seed(7)  # noqa: NPY002
    stochastic.random.seed(7)
    with motions.seeded(1):
        inside = draws()
    assert draws() == expected
    with motions.seeded(1):
        assert draws() == inside
    with pytest.raises(KeyError), motions.seeded(1):
        raise KeyError
    with motions.seeded(2):
        assert draws() != inside
