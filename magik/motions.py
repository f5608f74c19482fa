"""Steps of the stochastic processes that objects move by (Methods, "Simulations").

Every step here is in units of its process: along each axis the sum x of t of them has ⟨x²⟩ = t^α,
for fractional Brownian motion at any t, for the other two over the whole video. `magik.simulate`
multiplies them by √(2DΔt^α), and nothing else does.

The processes are andi-datasets', save its annealed transient time motion in three dimensions,
which forgets to sum the steps of a dwell: they come out anticorrelated, by -0.3 from one to the
next, and give the process away.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import stochastic.random
from andi_datasets.models_phenom import models_phenom
from andi_datasets.models_theory import models_theory
from jaxtyping import Float, Int


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed both generators that andi-datasets draws from; give them back as they were.

    It draws from numpy's global state and from the generator of the package `stochastic`;
    neither can be handed over as an argument.

    Args:
        seed: 0 <= seed < 2³².
    """
    numpys, stochastics = np.random.get_state(), stochastic.random.generator  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    stochastic.random.use_generator(np.random.default_rng(seed))
    try:
        yield
    finally:
        np.random.set_state(numpys)  # noqa: NPY002
        stochastic.random.generator = stochastics


def brownian_steps(frames: int, particles: int, seed: int) -> Float[np.ndarray, "frame particle 2"]:
    """Steps of unit variance per axis, from andi-datasets; none leads to the first frame.

    At α = 1 the steps of fractional Brownian motion are independent, so one long trace, cut into
    pieces, is as good as one trace per object, and a hundred times faster.
    """
    with seeded(seed):
        trace = models_phenom.disp_fbm(alpha=1.0, D=0.5, T=frames * particles * 2)
    steps = trace.reshape(frames, particles, 2)
    steps[0] = 0
    return steps


def anomalous_steps(
    model: Literal["fbm", "attm", "ctrw"],
    exponent: Float[np.ndarray, " particle"],
    frames: int,
    dimensions: Literal[2, 3],
    seed: int,
    attm: Literal["corrected", "library"] = "corrected",
) -> Float[np.ndarray, "frame particle axis"]:
    """Steps of objects that move by one process; none leads to the first frame.

    Fractional Brownian motion has the steps of its law. The other two have laws whose amplitude
    is arbitrary: each track of them is stretched until its mean squared step per axis, over all
    axes, is n^(α-1) after n steps. Their steps are uncorrelated, so that ⟨x²(n)⟩ = n^α; at α = 1
    the s.d. of a step is 1. An object that waits for the whole video stays where it is. Dwells
    and waits begin in the first frame, so that both age: early steps are larger than late ones;
    at α = 1, in 100 frames, ⟨x²⟩ of the first is about three times the mean.

    Args:
        model: fractional Brownian motion, annealed transient time motion (regime I, γ = σ/α) or
            continuous-time random walk.
        exponent: α of each object, 0 < α < 2; at most 1 unless `model` is fbm.
        frames: that the object is seen in.
        dimensions: axes.
        seed: of everything that is drawn.
        attm: library: in three dimensions as andi-datasets has it.
    """
    if model == "attm" and dimensions == 3 and attm == "corrected":
        steps = _attm(exponent, frames, np.random.default_rng(seed))
    else:
        with seeded(seed):
            each = [_library_steps(model, alpha, frames, dimensions) for alpha in exponent]
        steps = np.array(each).reshape(-1, dimensions, frames).transpose(2, 0, 1)
    steps[0] = 0
    if model == "fbm" or frames == 1:
        return steps
    taken = frames - 1
    squared = np.square(steps[1:]).mean(axis=(0, 2))
    stretch = np.sqrt(taken ** (exponent - 1) / np.where(squared > 0, squared, 1))
    return stretch[:, None] * steps


def _library_steps(
    model: Literal["fbm", "attm", "ctrw"], alpha: float, frames: int, dimensions: int
) -> Float[np.ndarray, "axis frame"]:
    """Steps of one object by andi-datasets; for fbm also one to the first frame."""
    if model == "fbm":
        return np.stack([models_phenom.disp_fbm(alpha, 0.5, frames) for _ in range(dimensions)])
    walk = models_theory().attm if model == "attm" else models_theory().ctrw
    position = walk(frames, alpha, D=dimensions).reshape(dimensions, frames)  # D: of dimensions
    return np.diff(position, axis=1, prepend=0.0)


def _attm(
    exponent: Float[np.ndarray, " particle"], frames: int, rng: np.random.Generator
) -> Float[np.ndarray, "frame particle 3"]:
    """Annealed transient time motion by the law that andi-datasets has in one and two dimensions.

    D of a dwell is u^(1/σ), u uniform in 0.01-0.9, and the dwell lasts D^-γ = u^(-1/α) frames. σ
    of an object is uniform in 0.03-3.3 as far as γ = σ/α <= σ + 1. All axes share D.
    """
    sigma = rng.uniform(0.03, 1 / np.maximum(1 / exponent - 1, 1 / 3.3))
    u = rng.uniform(0.01, 0.9, (len(exponent), frames))  # a dwell lasts a frame or more
    length = np.minimum(u ** (-1 / exponent[:, None]), frames).astype(int)
    of_dwell = u ** (0.5 / sigma[:, None])
    scale = np.take_along_axis(of_dwell, dwell_at(length, frames).T, axis=1).T  # of a step out
    steps = rng.normal(size=(frames, len(exponent), 3))
    steps[1:] *= scale[:-1, :, None]
    return steps


def dwell_at(
    length: Int[np.ndarray, "particle dwell"], frames: int
) -> Int[np.ndarray, "frame particle"]:
    """Number of the dwell that each object is in, from 0.

    Args:
        length: of its dwells, in their order, frames; they last for all frames.
        frames: how many.
    """
    end = np.cumsum(length, axis=1)
    return np.count_nonzero(end <= np.arange(frames)[:, None, None], axis=2)


def switching_dwells(
    frames: int, particles: int, probability: float, shortest: int, rng: np.random.Generator
) -> Int[np.ndarray, "frame particle"]:
    """Number of the dwell that each object is in; it switches to the next at random.

    Dwells are geometric, and those too short are drawn again (Methods: "p = 0.05 truncated at
    values >5 frames"). A geometric dwell has no memory, so one that is known to last longer than
    m frames is m frames and a geometric dwell. The first begins in the first frame.

    Args:
        frames: how many.
        particles: how many.
        probability: of a switch, per frame.
        shortest: dwell, frames.
        rng: of the dwells.
    """
    most = frames // shortest + 1
    return dwell_at(shortest - 1 + rng.geometric(probability, (particles, most)), frames)
