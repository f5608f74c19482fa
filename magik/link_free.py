"""What is known of D when no links are given: the posterior over all ways to link.

Where every object is seen in every frame, the links between two successive frames are a
permutation, each as likely as any other before anything is seen, and tracks are what they make
together. Their posterior is sampled with D of each track integrated out on a grid, and its mean
intensity in closed form. No method that sees the same localizations and knows the same law has a
smaller mean absolute error of √(2D) on average, but for what the sampling leaves: two chains,
from unlike starts, tell how much that is, and go on until it is little.

A sweep of a chain passes once over the frames. Between two frames, what joining any head to any
tail is worth, D integrated out, is a matrix; pairs and triples of links change by Barker's rule:
as they are, or changed, in proportion to what either is worth. Then D of each track is drawn, and
under it stretches of two tracks change places.
"""

import math
from typing import NamedTuple, no_type_check

import numba
import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from magik import floors, schema
from magik.config import Graph, LinkFree, LogUniform, Simulate
from magik.errors import InputError
from magik.floors import Prior, Video

COARSER = 2
"""Cells of the prior that are taken together: 5 % wide in √(2D), if D spans a factor of 1,000."""

AGREE = 0.2
"""Two chains agree where their means of √(2D) differ by less than this part of the s.d. that the
posterior leaves, both root mean square. Half the difference is what their mean may be off, which
adds 1 % to its squared error."""

LOOSE = 30.0
"""Times that the noise of intensities is taken for larger where a chain starts; 1 from the middle
of the warm-up."""

PASSES = 2
"""Times that every pair of links between two frames is tried for a change, in a sweep."""

TINY = 1e-60
"""Keeps products of probabilities that underflow from becoming impossibilities."""


class Light(NamedTuple):
    """Intensities, and their law.

    Attributes:
        seen: of each localization, counts.
        low, high: of the uniform law of an object's mean, counts.
        sd: of white noise about it, counts.
    """

    seen: Float[np.ndarray, " n"]
    low: float
    high: float
    sd: float


class Posterior(NamedTuple):
    """What two chains say of one video.

    Attributes:
        cells: probabilities of D, of each localization.
        link: probability that a localization is followed by each one of the next frame.
        apart: difference of the chains in √(2D), in s.d. of the posterior (`AGREE`).
        sweeps: that each chain took.
    """

    cells: Float[np.ndarray, "n cells"]
    link: Float[np.ndarray, "steps objects objects"]
    apart: float
    sweeps: int


def estimate(
    localizations: xr.Dataset, simulate: Simulate, graph: Graph, settings: LinkFree, seed: int
) -> xr.Dataset:
    """Posterior medians of D, and the best links, without links being given.

    Args:
        localizations: with `particle` and `diffusivity`; complete and exact.
        simulate: brownian; where the prior, the walls, Δt and the law of intensities stand.
        graph: its `max_lag` is passed on.
        settings: how many videos, the first ones, and how many sweeps.
        seed: of all chains.

    Returns:
        Laid out as `schema.FLOORS`, of those videos. Methods and linkers are `link_free` and,
        where there is intensity, `link_free_intensity`.

    Raises:
        InputError: if localizations are missing or false.
    """
    if settings.videos is not None:
        last = schema.offsets(localizations["row_size"].values[: settings.videos])[-1]
        localizations = localizations.isel(
            video=slice(settings.videos), localization=slice(int(last))
        )
    prior = coarser(Prior.of(simulate))
    rows, videos = floors.videos(localizations, simulate)
    _must_be_complete(localizations)

    methods, sd = ["link_free"], simulate.intensity_sd
    assert not isinstance(sd, LogUniform)  # as the settings of a data set make sure
    if "intensity" in localizations and sd > 0:
        methods.append("link_free_intensity")
    diffusivity: dict[str, list[np.ndarray]] = {method: [] for method in methods}
    tracks: dict[str, list[np.ndarray]] = {method: [] for method in methods}
    apart = np.empty((len(methods), len(videos)))
    sweeps = np.empty(apart.shape, int)
    for number, (r, video) in enumerate(zip(rows, videos, strict=True)):
        for place, method in enumerate(methods):
            light = None
            if method == "link_free_intensity":
                seen = localizations["intensity"].values[r].astype(float)
                light = Light(seen, *simulate.intensity, sd)
            rng = np.random.default_rng([seed, number, place])
            found = sample(video, prior, light, settings, rng)
            diffusivity[method].append(prior.median_of(found.cells))
            tracks[method].append(best_tracks(found.link))
            apart[place, number], sweeps[place, number] = found.apart, found.sweeps
            print(
                f"video {number}, {method}: after {found.sweeps} sweeps two chains differ by "
                f"{found.apart:.2f} s.d.; expected at most {AGREE}",
                flush=True,
            )
    exact = np.zeros(len(videos))
    return floors.laid_out(localizations, simulate, graph, diffusivity, tracks, exact).assign(
        start_difference=(("method", "video"), apart),
        converged=(("method", "video"), (apart <= AGREE).astype(np.int8)),
        sweeps=(("method", "video"), sweeps),
    )


def _must_be_complete(localizations: xr.Dataset) -> None:
    ends = schema.offsets(localizations["row_size"].values)[1:-1]
    every = (np.split(localizations[name].values, ends) for name in ("frame", "particle"))
    for number, (frame, particle) in enumerate(zip(*every, strict=True)):
        objects = np.bincount(frame, minlength=2)
        false = np.count_nonzero(particle < 0)
        if false or np.ptp(objects) or not objects[0]:
            raise InputError(
                f"link_free: video {number} has {objects.min()} to {objects.max()} localizations a "
                f"frame, {false} of them false; expected as many in each of 2 frames or more, and "
                "none false. Set all of observe to 0"
            )


def coarser(prior: Prior) -> Prior:
    """The same prior in fewer cells."""
    edges = prior.edges[::COARSER]
    weight = prior.weight.reshape(-1, COARSER).sum(axis=1)
    return Prior(edges, np.sqrt(edges[1:] * edges[:-1]), weight, prior.median)


def best_tracks(link: Float[np.ndarray, "steps objects objects"]) -> Int[np.ndarray, " n"]:
    """Track of each localization, frame after frame, by the links of greatest expected F1.

    Links that are right with probability p have the expected F1 = 2 Σp / (found + true). At its
    greatest no other links have a greater Σ(p - F1 / 2), which is how it is found (Dinkelbach).

    Args:
        link: probability that a localization is followed by each one of the next frame.
    """
    steps, objects, _ = link.shape
    every = np.arange(objects)
    f1, last = 0.0, -1.0
    while f1 > last:
        last = f1
        worth = np.maximum(link - f1 / 2, 0)
        follows = np.stack([linear_sum_assignment(each, maximize=True)[1] for each in worth])
        linked = np.take_along_axis(worth, follows[:, :, None], axis=2)[:, :, 0] > 0
        right = np.take_along_axis(link, follows[:, :, None], axis=2)[:, :, 0]
        f1 = 2 * right[linked].sum() / (linked.sum() + linked.size)
    track = np.empty((steps + 1, objects), dtype=int)
    track[0] = every
    for frame in range(steps):
        track[frame + 1] = track[: frame + 1].max() + 1 + every
        track[frame + 1, follows[frame][linked[frame]]] = track[frame][linked[frame]]
    return np.unique(track, return_inverse=True)[1].ravel()


def sample(
    video: Video,
    prior: Prior,
    light: Light | None,
    settings: LinkFree,
    rng: np.random.Generator,
) -> Posterior:
    """Two chains, from links by linear assignment, and by intensity alone or, without, at random.

    The first half of each is left out, and both are made twice as long until they agree.
    Intensity is a narrow gate: from links at random a chain would not find through, and while it
    warms up, noise is first taken for larger than it is.

    Args:
        video: as many rows in each frame, two frames or more.
        prior: of D.
        light: None: intensity is not used.
        settings: sweeps to begin with, and the most.
        rng: of the second start, where it is drawn, and of all moves.
    """
    frames = int(video.frame.max()) + 1
    rows = np.arange(len(video.frame)).reshape(frames, -1)
    objects = rows.shape[1]
    step = np.empty((frames - 1, objects, objects, len(prior.weight)), np.float32)
    for here, there, densities in zip(rows[:-1], rows[1:], step, strict=True):
        pairs = np.repeat(here, objects), np.tile(there, objects)
        density = floors.step_density(video, *pairs, prior) + floors.TINY
        densities[:] = density.reshape(densities.shape)
    cost = -np.log(step @ prior.weight)
    unlike = rng.random(cost.shape)
    shone, law = np.zeros(rows.shape), np.zeros(3)
    if light is not None:
        shone, law = light.seen.reshape(rows.shape), np.array(light[1:], float)
        unlike = ((shone[:-1, :, None] - shone[1:, None]) / light.sd) ** 2 / 4
        cost = cost + unlike

    position = video.position.reshape(frames, objects, 2)
    squared = ((position[:, :, None] - position[:, None]) ** 2).sum(axis=-1)
    near = 1 / (squared + 2 * prior.median * video.dt)  # whom a stretch of a track changes with
    near[:, np.arange(objects), np.arange(objects)] = 0
    near = np.cumsum(near / np.maximum(near.sum(axis=2, keepdims=True), floors.TINY), axis=2)

    half = settings.sweeps // 2
    noise = law * [[1, 1, max(1, LOOSE**power)] for power in np.linspace(1, -1, half)]
    starts = [np.array([linear_sum_assignment(each)[1] for each in of]) for of in (cost, unlike)]
    for links in starts:
        _chain(links, step, prior.weight, near, shone, noise, rng)
    while True:
        noise = np.tile(law, (half, 1))
        chains = [_chain(links, step, prior.weight, near, shone, noise, rng) for links in starts]
        each, link = (np.stack(both) for both in zip(*chains, strict=True))
        apart = _apart(each, np.sqrt(2 * prior.diffusivity))
        if apart <= AGREE or 4 * half > settings.most_sweeps:
            cells = each.mean(axis=0).reshape(-1, len(prior.weight))
            return Posterior(cells, link.mean(axis=0), apart, 2 * half)
        half *= 2


def _apart(
    chains: Float[np.ndarray, "2 frames objects cells"], scaling: Float[np.ndarray, " cells"]
) -> float:
    """Difference of two chains in √(2D), in s.d. of the posterior, both root mean square."""
    means = chains @ scaling
    variance = chains.mean(axis=0) @ scaling**2 - means.mean(axis=0) ** 2
    return float(np.sqrt(np.mean((means[0] - means[1]) ** 2) / variance.mean()))


def _chain(
    links: Int[np.ndarray, "steps objects"],
    step: Float[np.ndarray, "steps objects objects cells"],
    weight: Float[np.ndarray, " cells"],
    near: Float[np.ndarray, "frames objects objects"],
    light: Float[np.ndarray, "frames objects"],
    laws: Float[np.ndarray, "sweeps 3"],
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "frames objects cells"], Float[np.ndarray, "steps objects objects"]]:
    """Change `links` in place, one sweep for each law -> probabilities of D, and of links.

    A law is low, high and s.d. of intensities; an s.d. of 0: they are not used.
    """
    frames, objects = light.shape
    cells = np.zeros((frames, objects, len(weight)))
    link = np.zeros(step.shape[:-1])
    every = np.arange(frames)[:, None]
    path = np.empty((frames, objects), dtype=np.int64)  # of each track, its row in each frame
    for law in laws:
        posterior = _relink(links, step, weight, light, law, rng)
        path[0] = np.arange(objects)
        for frame, follows in enumerate(links):
            path[frame + 1] = follows[path[frame]]
        cells[every, path] += posterior
        link[every[:-1], path[:-1], path[1:]] += 1
        _exchange(path, step, posterior, near, light, law, rng)
        np.put_along_axis(links, path[:-1], path[1:], axis=1)
    return cells / len(laws), link / len(laws)


@numba.njit(cache=True)
@no_type_check
def _glow(total, frames, law):
    """Log-likelihood of a track's summed intensity, its mean integrated out, up to a constant."""
    low, high, sd = law
    if sd == 0:
        return 0.0
    width = sd * math.sqrt(2 / frames)
    above, below = (high - total / frames) / width, (total / frames - low) / width
    inside = math.erfc(-min(above, below)) - math.erfc(max(above, below))  # exact far outside, too
    return total**2 / (2 * frames * sd**2) + np.log(inside + 1e-300)


@numba.njit(cache=True, fastmath=True)
@no_type_check
def _relink(links, step, weight, light, law, rng):
    """Pass over the frames and change links in place -> posterior of D of each track."""
    frames, objects = light.shape
    cells = len(weight)
    tail = np.ones((frames, objects, cells))  # likelihood of what follows, up to a factor
    tail_light = light.copy()
    for t in range(frames - 2, -1, -1):
        for a in range(objects):
            b = links[t, a]
            tail_light[t, a] += tail_light[t + 1, b]
            most = 0.0
            for c in range(cells):
                tail[t, a, c] = tail[t + 1, b, c] * step[t, a, b, c]
                most = max(most, tail[t, a, c])
            for c in range(cells):
                tail[t, a, c] = max(tail[t, a, c] / most, TINY)

    head = np.empty((objects, cells))
    head[:] = weight
    head_light = light[0].copy()
    worth = np.empty((objects, objects))
    for t in range(frames - 1):
        for a in range(objects):
            for b in range(objects):
                total = 0.0
                for c in range(cells):
                    total += head[a, c] * step[t, a, b, c] * tail[t + 1, b, c]
                worth[a, b] = np.log(total) + _glow(
                    head_light[a] + tail_light[t + 1, b], frames, law
                )
        _permute(links[t], worth, rng)
        ahead = np.empty((objects, cells))
        ahead_light = light[t + 1].copy()
        for a in range(objects):
            b = links[t, a]
            ahead_light[b] += head_light[a]
            total = 0.0
            for c in range(cells):
                ahead[b, c] = head[a, c] * step[t, a, b, c]
                total += ahead[b, c]
            for c in range(cells):
                ahead[b, c] = max(ahead[b, c] / total, TINY)
        head, head_light = ahead, ahead_light
    posterior = np.empty((objects, cells))
    for first in range(objects):
        last = first
        for t in range(frames - 1):
            last = links[t, last]
        posterior[first] = head[last] / head[last].sum()
    return posterior


@numba.njit(cache=True)
@no_type_check
def _permute(links, worth, rng):
    """Barker: every pair of links in turn, then triples at random."""
    objects = len(links)
    for _ in range(PASSES):
        for a in range(objects):
            for b in range(a):
                gain = worth[a, links[b]] + worth[b, links[a]]
                gain -= worth[a, links[a]] + worth[b, links[b]]
                if rng.random() * (1 + np.exp(-gain)) < 1:
                    links[a], links[b] = links[b], links[a]
        for a in range(objects):
            b, c = int(rng.random() * objects), int(rng.random() * objects)
            if a != b and b != c and c != a:
                gain = worth[a, links[b]] + worth[b, links[c]] + worth[c, links[a]]
                gain -= worth[a, links[a]] + worth[b, links[b]] + worth[c, links[c]]
                if rng.random() * (1 + np.exp(-gain)) < 1:
                    links[a], links[b], links[c] = links[b], links[c], links[a]


@numba.njit(cache=True)
@no_type_check
def _exchange(path, step, posterior, near, light, law, rng):
    """Barker: stretches of two tracks change places (in `path`), D of each being drawn."""
    frames, objects = path.shape
    if objects < 2:
        return
    cell = np.empty(objects, dtype=np.int64)
    glow = np.zeros(objects)
    for p in range(objects):
        reach = np.cumsum(posterior[p])
        cell[p] = min(np.searchsorted(reach, rng.random() * reach[-1]), len(reach) - 1)
        for t in range(frames):
            glow[p] += light[t, path[t, p]]
    for start in range(frames):
        for one in range(objects):
            # both localizations and the length are as likely to be drawn after the exchange
            other = np.searchsorted(near[start, one], rng.random())
            p, q = 0, 0
            while path[start, p] != one:
                p += 1
            while q < objects - 1 and path[start, q] != other:
                q += 1
            stop = start + int(frames ** rng.random())  # any scale of length
            if q == p or stop > frames:
                continue
            gain, moved = 0.0, 0.0
            for t in range(max(start - 1, 0), min(stop, frames - 1)):
                a, b = path[t, p], path[t, q]
                c, d = path[t + 1, p], path[t + 1, q]
                old = np.float64(step[t, a, c, cell[p]]) * step[t, b, d, cell[q]]
                if t >= start:
                    a, b = b, a
                if t + 1 < stop:
                    c, d = d, c
                new = np.float64(step[t, a, c, cell[p]]) * step[t, b, d, cell[q]]
                gain += np.log(new / old)
            for t in range(start, stop):
                moved += light[t, path[t, q]] - light[t, path[t, p]]
            gain += _glow(glow[p] + moved, frames, law) + _glow(glow[q] - moved, frames, law)
            gain -= _glow(glow[p], frames, law) + _glow(glow[q], frames, law)
            if rng.random() * (1 + np.exp(-gain)) < 1:
                for t in range(start, stop):
                    path[t, p], path[t, q] = path[t, q], path[t, p]
                glow[p] += moved
                glow[q] -= moved
