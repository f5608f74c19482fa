"""What every score of a network is measured against: guesses, trackers, Bayes with true links.

Every method knows the prior of D and each video's r.m.s. localization error. They are

- ``constant``: the median of the prior, whatever is seen;
- ``given_links``: the posterior median of each particle's D, its true links being given. Where
  localization errors are Gaussian, independent and alike within a video, none of all methods that
  see the same localizations is better on average. Those of located spots are not: they grow where
  spots overlap;
- ``lap_*``: tracks by linear assignment, frame to frame; along each the mean squared step
  (``mss``), the covariance estimator (``covariance``), the posterior median of one D (``bayes``),
  or a hidden Markov model in which D jumps where the track may have changed its particle (``hmm``);
- ``lapi_*``: the same, where intensity joins the cost of a link.

The median makes the mean absolute error least, and √(2D) grows with D: one estimate of D is the
best for both quantities.

Where D is a landscape, a track has no single D. What supposes one is left out there, and the
hidden Markov model lets ln D wander from frame to frame.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from scipy import stats
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp

from magik import schema
from magik.config import Distribution, Exponential, Graph, LogUniform, Simulate, bounds
from magik.errors import InputError

CELLS = 128
"""Cells of D, equal in log D: over a range of 140 each is 2 % wide in √(2D)."""

LEAST_MISSED = 1e-3
"""A linker reckons with one missed detection in a thousand even where there was none."""

JUMPS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
"""Probabilities of a wrong link that the hidden Markov model chooses from."""

WANDER = 0.1
"""S.d. of the change of ln D per frame along a track, where D is a landscape."""

ERROR_STEP = 0.05
"""px; resolution of the estimated localization error."""

CLEARLY = 3.0
"""Log-likelihood by which an error of its own must explain a video better than the common one."""

TINY = 1e-30
"""Keeps a probability that underflows from becoming an impossibility."""


class Prior(NamedTuple):
    """What is known of D before anything is seen.

    Attributes:
        edges: of cells equal in log D, px²/frame.
        diffusivity: their geometric centres, px²/frame.
        weight: their probabilities.
        median: of D, px²/frame.
    """

    edges: Float[np.ndarray, " cells+1"]
    diffusivity: Float[np.ndarray, " cells"]
    weight: Float[np.ndarray, " cells"]
    median: float

    @classmethod
    def of(cls, config: Simulate) -> Self:
        """The prior that a simulation draws from.

        A landscape is stretched onto log D between its bounds, so D is taken as uniform in log D.
        Its median is that of a place; walkers dwell where they are slow, which is not counted in.
        """
        law = _law(config)
        low, high = law.support()
        edges = np.geomspace(max(low, 1e-4 * high), high, CELLS + 1)
        weight = np.diff(law.cdf(edges))
        centres = np.sqrt(edges[1:] * edges[:-1])
        return cls(edges, centres, weight / weight.sum(), float(law.median()))

    def median_of(self, probability: Float[np.ndarray, "n cells"]) -> Float[np.ndarray, " n"]:
        """Medians of D under rows of cell probabilities (need not sum to one), px²/frame."""
        return median(self.edges, probability)


def median(
    edges: Float[np.ndarray, " edges"], probability: Float[np.ndarray, "n cells"]
) -> Float[np.ndarray, " n"]:
    """Medians under rows of probabilities of cells (need not sum to one).

    Within a cell, of edges > 0, the logarithm is taken as uniform.
    """
    cumulative = np.cumsum(probability, axis=1)
    half = cumulative[:, -1] / 2
    cell = np.argmax(cumulative >= half[:, None], axis=1)
    every = np.arange(len(cell))
    inside = probability[every, cell]
    part = 1 - (cumulative[every, cell] - half) / inside
    return edges[cell] * (edges[cell + 1] / edges[cell]) ** part


def _law(config: Simulate) -> Any:
    """The distribution of D with its cdf, support and median."""
    if config.motion == "landscape":
        return stats.loguniform(*config.diffusivity_bounds)
    return law(config.diffusivity)


def law(distribution: Distribution) -> Any:
    """What is drawn from, with its cdf, support and median; a single value as a narrow range."""
    low, high = bounds(distribution)
    if low == high:
        return stats.uniform(low, 1e-6 * low)
    match distribution:
        case Exponential(exponential=mean):
            return stats.truncexpon(b=(high - low) / mean, loc=low, scale=mean)
        case LogUniform():
            return stats.loguniform(low, high)
    return stats.uniform(low, high - low)


class Video(NamedTuple):
    """The localizations of one video, and what holds for all of it.

    Attributes:
        frame: rows are sorted by it.
        position: x, y and, where links are looked for in three dimensions, z, px.
        dt: Δt, frames.
        side: of the reflecting box, px; None where there are no walls.
        error: r.m.s. localization error per axis, px.
    """

    frame: Int[np.ndarray, " n"]
    position: Float[np.ndarray, "n axes"]
    dt: float
    side: float | None
    error: float = 0.0

    def images(self, coordinate: Float[np.ndarray, " n"]) -> list[Float[np.ndarray, "n 1"]]:
        """A coordinate, and its mirror images in both walls.

        A reflected walk arrives where a free one arrives at any of the images. Those left out are
        farther than the box is wide.
        """
        mirrored = [] if self.side is None else [-coordinate, 2 * self.side - coordinate]
        return [image[:, None] for image in (coordinate, *mirrored)]


class Tracks(NamedTuple):
    """Tracks as a padded table of rows, the longest first.

    Attributes:
        rows: localization at each place along each track; -1 beyond its end.
        size: localizations of each track.
    """

    rows: Int[np.ndarray, "tracks longest"]
    size: Int[np.ndarray, " tracks"]

    @classmethod
    def of(cls, track: Int[np.ndarray, " n"], frame: Int[np.ndarray, " n"]) -> Self:
        """From the track of each localization (-1 = none)."""
        order = np.lexsort((frame, track))
        order = order[track[order] >= 0]
        _, start, size = np.unique(track[order], return_index=True, return_counts=True)
        longest_first = np.argsort(-size, kind="stable")
        start, size = start[longest_first], size[longest_first]
        place = np.arange(size.max(initial=1))
        inside = place < size[:, None]
        rows = np.full(inside.shape, -1)
        rows[inside] = order[(start[:, None] + place)[inside]]
        return cls(rows, size)

    def at(self, place: int) -> Int[np.ndarray, " n"]:
        """Rows at one place, of the tracks that reach it: always the first ones."""
        return self.rows[: np.count_nonzero(self.size > place), place]


def links(track: Int[np.ndarray, " n"], frame: Int[np.ndarray, " n"]) -> Int[np.ndarray, "2 links"]:
    """Rows of each pair of successive localizations of one track: earlier, later."""
    rows = Tracks.of(track, frame).rows
    pairs = np.stack([rows[:, :-1].ravel(), rows[:, 1:].ravel()])
    return pairs[:, pairs[1] >= 0]


def estimate(localizations: xr.Dataset, simulate: Simulate, graph: Graph) -> xr.Dataset:
    """Estimates of D at every localization, by every method that suits the motion.

    Args:
        localizations: with `particle` and `diffusivity`; of either tier.
        simulate: where the prior, the walls and Δt stand.
        graph: its `max_lag` is the longest step in time that a link may make, frames.

    Returns:
        Laid out as `schema.FLOORS`; `given_links` is NaN where no particle is known.

    Raises:
        InputError: if no localization shows a known particle.
    """
    prior = Prior.of(simulate)
    rows, seen = videos(localizations, simulate)
    particle = localizations["particle"].values
    true = [particle[r] for r in rows]
    errors = localization_errors(seen, true, prior)
    area = float(np.prod(localizations.attrs["field_of_view"]))
    gains = link_gains(
        prior, graph.max_lag, simulate.interval, worst_link(seen, true, area, graph.max_lag)
    )
    wander = WANDER if simulate.motion == "landscape" else 0.0

    methods: dict[str, list[np.ndarray]] = {}
    tracks: dict[str, list[np.ndarray]] = {}
    for r, video, given, error in zip(rows, seen, true, errors.tolist(), strict=True):
        video = video._replace(error=error)
        linked = {"lap": link(video, gains)}
        if "intensity" in localizations:
            intensity = localizations["intensity"].values[r].astype(float)
            signature = in_fluctuations(intensity, linked["lap"], video)
            linked["lapi"] = link(video, gains, signature)
        made = {"constant": np.full(len(video.frame), prior.median)}
        if simulate.motion == "brownian":
            made["given_links"] = bayes(video, given, prior)
        for linker, track in linked.items():
            if simulate.motion == "brownian":
                made[f"{linker}_mss"] = mean_squared_step(video, track, prior)
                made[f"{linker}_covariance"] = covariance(video, track, prior)
                made[f"{linker}_bayes"] = bayes(video, track, prior)
            made[f"{linker}_hmm"] = hidden_markov(video, track, prior, wander)
            tracks.setdefault(linker, []).append(track)
        for method, value in made.items():
            methods.setdefault(method, []).append(value)

    told = np.full(localizations.sizes["video"], np.nan)
    told[localizations["row_size"].values > 0] = errors
    return laid_out(localizations, simulate, graph, methods, tracks, told)


def laid_out(
    localizations: xr.Dataset,
    simulate: Simulate,
    graph: Graph,
    methods: Mapping[str, list[np.ndarray]],
    tracks: Mapping[str, list[np.ndarray]],
    localization_error: Float[np.ndarray, " videos"],
) -> xr.Dataset:
    """Estimates of D and tracks as FLOORS, beside the truth that the localizations have.

    Args:
        localizations: that they are of.
        simulate: its time from image to image is passed on.
        graph: its `max_lag` is passed on.
        methods: D of each localization by each method, px²/frame, video after video.
        tracks: track of each localization by each linker, likewise.
        localization_error: that was reckoned with, px.
    """
    return xr.Dataset(
        {
            "row_size": localizations["row_size"],
            "frame": localizations["frame"],
            "x": localizations["x"],
            "y": localizations["y"],
            "particle": localizations["particle"],
            "truth": ("localization", localizations["diffusivity"].values),
            "diffusivity": _stacked("method", methods, np.float32),
            "track": _stacked("linker", tracks, np.int32),
            "localization_error": ("video", localization_error),
        },
        attrs={
            "field_of_view": localizations.attrs["field_of_view"],
            "method": list(methods),
            "linker": list(tracks),
            "max_lag": graph.max_lag,
            "dt": simulate.interval,
        },
    )


def videos(
    localizations: xr.Dataset, simulate: Simulate, axes: str = "xy"
) -> tuple[list[slice], list[Video]]:
    """The videos that hold anything, and the rows of each.

    Raises:
        InputError: if no localization shows a known particle.
    """
    if not np.any(localizations["particle"].values >= 0):
        raise InputError(
            f"floors: none of {localizations.sizes['localization']} localizations in "
            f"{localizations.sizes['video']} videos shows a known particle; expected at least one. "
            "Simulate more particles, lower observe.missed, or raise localize.match_radius"
        )
    side = max(localizations.attrs["field_of_view"]) if simulate.boundary == "reflecting" else None
    ends = schema.offsets(localizations["row_size"].values)
    rows = [slice(*both) for both in pairwise(ends.tolist()) if both[0] < both[1]]
    frame = localizations["frame"].values.astype(int)
    position = np.stack([localizations[axis].values.astype(float) for axis in axes], axis=1)
    return rows, [Video(frame[r], position[r], simulate.interval, side) for r in rows]


def estimates(
    localizations: xr.Dataset,
    name: str,
    target: Float[np.ndarray, " n"],
    methods: dict[str, Float[np.ndarray, " n"]],
) -> xr.Dataset:
    """What each method says of each localization, laid out as `schema.ESTIMATES`."""
    return xr.Dataset(
        {
            "row_size": localizations["row_size"],
            "frame": localizations["frame"],
            "particle": localizations["particle"],
            "target": ("localization", target.astype(np.float32)),
            "estimate": (
                ("method", "localization"),
                np.stack(list(methods.values())).astype(np.float32),
            ),
        },
        attrs={"method": list(methods), "target_name": name},
    )


def _stacked(
    dimension: str, columns: Mapping[str, list[np.ndarray]], kind: type
) -> tuple[tuple[str, str], np.ndarray]:
    rows = [np.concatenate(videos) for videos in columns.values()]
    return (dimension, "localization"), np.stack(rows).astype(kind)


# --- linking -------------------------------------------------------------------------------


class Gain(NamedTuple):
    """What a link over one lag is worth, as a table over its length.

    Attributes:
        length: px, ascending.
        gain: log of the ratio of the likelihoods with and without the link.
    """

    length: Float[np.ndarray, " k"]
    gain: Float[np.ndarray, " k"]


def worst_link(
    videos: list[Video], particles: list[Int[np.ndarray, " _"]], area: float, max_lag: int
) -> float:
    """Density of a step, px⁻² (px⁻³), at which a link is as likely as no link.

    No link means that a particle was missed for as long as its track waits, and that another
    appeared: an object that had been missed, or a false positive. With m the probability of a
    miss and b the density of appearances, the two are alike at a step of density
    m^max_lag b / (1 - m). Both rates are counted in the truth, which is kind to the linker.

    Args:
        videos: their frames.
        particles: true identities.
        area: of the field of view, px²; its volume, px³, in three dimensions.
        max_lag: frames that a track waits.
    """
    seen = present = false = frames = 0
    for video, particle in zip(videos, particles, strict=True):
        tracks = Tracks.of(particle, video.frame)
        last = tracks.rows[np.arange(len(tracks.size)), tracks.size - 1]
        present += int((video.frame[last] - video.frame[tracks.rows[:, 0]] + 1).sum())
        seen += int(tracks.size.sum())
        false += int(np.count_nonzero(particle < 0))
        frames += int(video.frame.max()) + 1
    missed = max(LEAST_MISSED, 1 - seen / max(present, 1))
    appearances = (missed * seen + false) / (frames * area)
    return float(missed**max_lag * appearances / (1 - missed))


def link_gains(prior: Prior, max_lag: int, dt: float, worst: float, axes: int = 2) -> list[Gain]:
    """What a link is worth, for lags of 1 to `max_lag` frames.

    Args:
        prior: of D; the density of a step is its mean over D.
        max_lag: frames.
        dt: Δt, frames.
        worst: density of a step that is worth nothing, px⁻² (px⁻³).
        axes: 2 or 3.
    """
    gains = []
    for lag in range(1, max_lag + 1):
        variance = 2 * prior.diffusivity * lag * dt
        length = np.linspace(0, 8 * np.sqrt(variance[-1]), 2001)
        boltzmann = np.exp(-(length[:, None] ** 2) / (2 * variance))
        density = boltzmann @ (prior.weight / (2 * np.pi * variance) ** (axes / 2))
        gains.append(Gain(length, np.log(density + TINY) - np.log(worst)))
    return gains


def link(
    video: Video, gains: list[Gain], signature: Float[np.ndarray, " n"] | None = None
) -> Int[np.ndarray, " n"]:
    """Tracks by linear assignment, frame after frame; the ends of tracks wait for `max_lag`.

    Args:
        video: rows sorted by frame.
        gains: of `link_gains`, for each lag.
        signature: intensity in units of the s.d. of its change from frame to frame; another
            object has any of the intensities. None: intensity is not used.

    Returns:
        Track of each localization, from 0 in order of appearance.
    """
    anything = 1.0 if signature is None else np.sqrt(12) * signature.std()  # width if uniform
    track = np.full(len(video.frame), -1)
    tracks = 0
    ends = np.empty(0, dtype=int)
    for frame in np.unique(video.frame):
        new = np.arange(*np.searchsorted(video.frame, [frame, frame + 1]))
        ends = ends[video.frame[ends] >= frame - len(gains)]
        step = video.position[ends, None] - video.position[new]
        length = np.linalg.norm(step, axis=-1)
        gain = np.empty(length.shape)
        for lag, table in enumerate(gains, start=1):
            waited = video.frame[ends] == frame - lag
            gain[waited] = np.interp(length[waited], table.length, table.gain, right=-np.inf)
        if signature is not None:
            change = signature[ends, None] - signature[new]
            gain += stats.norm.logpdf(change) + np.log(anything + TINY)
        gain = np.maximum(gain, 0)  # no link at all is worth nothing
        old, found = linear_sum_assignment(gain, maximize=True)
        worth = gain[old, found] > 0
        old, found = old[worth], found[worth]
        track[new[found]] = track[ends[old]]
        started = new[track[new] < 0]
        track[started] = tracks + np.arange(len(started))
        tracks += len(started)
        ends = np.concatenate([np.delete(ends, old), new])
    return track


def in_fluctuations(
    intensity: Float[np.ndarray, " n"], track: Int[np.ndarray, " n"], video: Video
) -> Float[np.ndarray, " n"]:
    """Intensity in units of the s.d. of its change along links.

    The links come from `link` without intensity; most are right, and the median does not mind
    the others.
    """
    earlier, later = links(track, video.frame)
    change = np.abs(intensity[later] - intensity[earlier])
    deviation = stats.norm.ppf(0.75)  # of the median of |change|, in s.d.
    unit = np.median(change) / deviation if len(change) else np.inf
    return intensity / max(unit, 1e-9)


# --- D along tracks ------------------------------------------------------------------------


def mean_squared_step(
    video: Video, track: Int[np.ndarray, " n"], prior: Prior
) -> Float[np.ndarray, " n"]:
    """D = Σr² / (4 Σt) of each track, px²/frame; the prior's median where there is no step."""
    earlier, later = links(track, video.frame)
    squared = ((video.position[later] - video.position[earlier]) ** 2).sum(axis=1)
    time = (video.frame[later] - video.frame[earlier]) * video.dt
    tracks = track.max() + 1
    total = np.bincount(track[earlier], time, tracks)
    found = np.bincount(track[earlier], squared, tracks) / np.where(total > 0, 4 * total, 1)
    return np.where(total > 0, found, prior.median)[track]


def covariance(video: Video, track: Int[np.ndarray, " n"], prior: Prior) -> Float[np.ndarray, " n"]:
    """D = (⟨r²⟩/4 + ⟨r_k · r_k+1⟩/2) / ⟨t⟩ of each track: unbiased at any localization error.

    Vestergaard, Blainey & Flyvbjerg, Phys. Rev. E 89, 022726 (2014), Eq. 14, mean of both axes;
    never below zero. A track of fewer than two steps has its mean squared step.
    """
    earlier, later = links(track, video.frame)
    step = video.position[later] - video.position[earlier]
    time = (video.frame[later] - video.frame[earlier]) * video.dt
    follows = np.flatnonzero(later[:-1] == earlier[1:])
    tracks = track.max() + 1
    pairs = np.bincount(track[earlier[follows]], minlength=tracks)
    steps = np.maximum(np.bincount(track[earlier], minlength=tracks), 1)
    product = (step[follows] * step[follows + 1]).sum(axis=1)
    half_squares = np.bincount(track[earlier], (step**2).sum(axis=1), tracks) / (4 * steps)
    correlation = np.bincount(track[earlier[follows]], product, tracks) / np.maximum(2 * pairs, 1)
    mean_time = np.bincount(track[earlier], time, tracks) / steps
    found = (half_squares + correlation) / np.where(pairs > 0, mean_time, 1)
    return np.where(
        pairs[track] > 0, np.maximum(found, 0)[track], mean_squared_step(video, track, prior)
    )


def bayes(video: Video, track: Int[np.ndarray, " n"], prior: Prior) -> Float[np.ndarray, " n"]:
    """Posterior median of D, px²/frame, of whole tracks; NaN where the track is -1."""
    tracks = Tracks.of(track, video.frame)
    evidence = log_evidence(video, tracks, prior)
    relative = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    median = prior.median_of(relative * prior.weight)
    found = np.full(len(track), np.nan)
    inside = tracks.rows >= 0
    found[tracks.rows[inside]] = np.repeat(median, tracks.size)
    return found


def log_evidence(video: Video, tracks: Tracks, prior: Prior) -> Float[np.ndarray, "tracks cells"]:
    """Log-likelihood of each track, were its D that of each cell.

    A Kalman filter of the true position, per axis. It is exact without walls; with walls it is
    exact without localization error, and its error is of the order of the error near a wall.
    """
    noise = video.error**2
    log_likelihood = np.zeros((len(tracks.size), len(prior.diffusivity)))
    variance = np.full(log_likelihood.shape, noise)
    mean = [video.position[tracks.at(0), axis][:, None] + 0 * variance for axis in (0, 1)]
    for place in range(1, tracks.rows.shape[1]):
        here = tracks.at(place)
        n = len(here)
        time = (video.frame[here] - video.frame[tracks.rows[:n, place - 1]]) * video.dt
        ahead = variance[:n] + 2 * prior.diffusivity * time[:, None]
        seen = ahead + noise
        trust = ahead / seen
        for axis in (0, 1):
            expected = mean[axis][:n]
            images = video.images(video.position[here, axis])
            log_likelihood[:n] += np.log(_gaussian(images, expected, seen) + TINY)
            expected += trust * (images[0] - expected)
        variance[:n] = (1 - trust) * ahead
    return log_likelihood


def localization_errors(
    videos: list[Video], tracks: list[Int[np.ndarray, " _"]], prior: Prior
) -> Float[np.ndarray, " videos"]:
    """R.m.s. localization error per axis of each video, px, likeliest given the true links.

    That of the whole data set, unless the video itself clearly says otherwise: a simulation may
    draw an error for each video. Every method is told it, as it is told the prior.
    """
    along = [Tracks.of(track, video.frame) for video, track in zip(videos, tracks, strict=True)]
    return likeliest_errors(
        lambda error: np.array(
            [
                _total_evidence(video._replace(error=error), each, prior)
                for video, each in zip(videos, along, strict=True)
            ]
        )
    )


def likeliest_errors(
    log_likelihood: Callable[[float], Float[np.ndarray, " videos"]], clearly: float = CLEARLY
) -> Float[np.ndarray, " videos"]:
    """The error of each video, px, from the log-likelihoods of all videos under one error.

    Args:
        log_likelihood: of each video, from the error.
        clearly: by how much an error of its own must explain a video better.
    """
    found: list[np.ndarray] = []
    while len(found) < 2 or np.any(found[-1] > found[-2]):
        found.append(log_likelihood(len(found) * ERROR_STEP))
    evidence = np.array(found)
    common = int(evidence.sum(axis=1).argmax())
    differs = evidence.max(axis=0) > evidence[common] + clearly
    return ERROR_STEP * np.where(differs, evidence.argmax(axis=0), common)


def _total_evidence(video: Video, tracks: Tracks, prior: Prior) -> float:
    with np.errstate(divide="ignore"):
        weighted = log_evidence(video, tracks, prior) + np.log(prior.weight)
    return float(logsumexp(weighted, axis=1).sum())


def hidden_markov(
    video: Video, track: Int[np.ndarray, " n"], prior: Prior, wander: float = 0
) -> Float[np.ndarray, " n"]:
    """Posterior median of D at each localization of tracks that may change their particle.

    Each link is wrong with some probability h. A right one makes a step of the D before it, and
    keeps D (or lets ln D wander); a wrong one makes a step of any D of the prior, and another D
    of the prior follows. h is the one of `JUMPS` under which the video is likeliest.

    Args:
        video: the localization error counts as if it were independent from step to step.
        track: of each localization.
        prior: of D.
        wander: s.d. of the change of ln D per frame.
    """
    tracks = Tracks.of(track, video.frame)
    earlier, later = links(track, video.frame)
    step = np.ones((len(track), len(prior.weight)), dtype=np.float32)  # that leaves each row
    step[earlier] = step_density(video, earlier, later, prior)
    drift = _drift(prior, wander)
    chains = [_forward(tracks, step, prior, jump, drift) for jump in JUMPS]
    best = int(np.argmax([likelihood for _, likelihood in chains]))
    smoothed = _backward(tracks, step, prior, JUMPS[best], drift, chains[best][0])
    return prior.median_of(smoothed)


def step_density(
    video: Video, earlier: Int[np.ndarray, " n"], later: Int[np.ndarray, " n"], prior: Prior
) -> Float[np.ndarray, "n cells"]:
    """Density of the step from each earlier row to its later one, were D that of each cell.

    Localization errors count as independent from step to step.
    """
    time = (video.frame[later] - video.frame[earlier])[:, None] * video.dt
    variance = 2 * prior.diffusivity * time + 2 * video.error**2
    along = [
        _gaussian(
            video.images(video.position[later, axis]),
            video.position[earlier, axis][:, None],
            variance,
        )
        for axis in (0, 1)
    ]
    return along[0] * along[1]


def _drift(prior: Prior, wander: float) -> Float[np.ndarray, "cells cells"] | None:
    """Transition of ln D from frame to frame; None where D stays."""
    if wander == 0:
        return None
    level = np.log(prior.diffusivity)
    kernel = np.exp(-((level[:, None] - level) ** 2) / (2 * wander**2))
    return (kernel / kernel.sum(axis=1, keepdims=True)).astype(np.float32)


def _forward(
    tracks: Tracks,
    step: Float[np.ndarray, "n cells"],
    prior: Prior,
    jump: float,
    drift: Float[np.ndarray, "cells cells"] | None,
) -> tuple[Float[np.ndarray, "n cells"], float]:
    """P(D at a row | steps before it), and the log-likelihood of all steps."""
    belief = np.empty_like(step)
    belief[tracks.at(0)] = prior.weight
    log_likelihood = 0.0
    for place in range(1, tracks.rows.shape[1]):
        here = tracks.at(place)
        before = tracks.rows[: len(here), place - 1]
        stays = belief[before] * step[before]
        jumps = (step[before] @ prior.weight)[:, None] * prior.weight
        joint = (1 - jump) * (stays if drift is None else stays @ drift) + jump * jumps + TINY
        likelihood = joint.sum(axis=1, keepdims=True)
        log_likelihood += float(np.log(likelihood).sum())
        belief[here] = joint / likelihood
    return belief, log_likelihood


def _backward(
    tracks: Tracks,
    step: Float[np.ndarray, "n cells"],
    prior: Prior,
    jump: float,
    drift: Float[np.ndarray, "cells cells"] | None,
    belief: Float[np.ndarray, "n cells"],
) -> Float[np.ndarray, "n cells"]:
    """P(D at a row | all steps of its track), not normalised."""
    smoothed = belief.astype(float)
    ahead = np.ones((len(tracks.size), len(prior.weight)))  # P(later steps | D), up to a factor
    for place in range(tracks.rows.shape[1] - 2, -1, -1):
        n = len(tracks.at(place + 1))
        here = tracks.rows[:n, place]
        stays = step[here] * (ahead[:n] if drift is None else ahead[:n] @ drift.T)
        jumps = (step[here] @ prior.weight * (ahead[:n] @ prior.weight))[:, None]
        ahead[:n] = (1 - jump) * stays + jump * jumps + TINY
        ahead[:n] /= ahead[:n].max(axis=1, keepdims=True)
        smoothed[here] *= ahead[:n]
    return smoothed


def _gaussian(
    images: list[Float[np.ndarray, "n 1"]],
    mean: Float[np.ndarray, "n #cells"],
    variance: Float[np.ndarray, "n cells"],
) -> Float[np.ndarray, "n cells"]:
    """Density of arriving at any of the images of a place."""
    return sum(np.exp(-((image - mean) ** 2) / (2 * variance)) for image in images) / np.sqrt(
        2 * np.pi * variance
    )
