"""Objects whose D changes in time: what can be known of it, and of when (Ext. Data Fig. 2).

Estimates of √(2D) at every localization:

- ``constant``: the median of the prior, whatever is seen;
- ``given_links``: the posterior median under the law that D follows, the true links being given.
  Where positions are exact, no method that sees the same positions is better on average;
- ``given_links_partitioned``: true links given, the track is cut where the likelihood gains more
  than a penalty (Jackson et al., IEEE Signal Process. Lett. 12, 105 (2005)); D is the likeliest
  of each piece;
- ``given_links_sliding``: true links given, mean squared step in a window;
- ``lap_hmm``: as given_links, along tracks by linear assignment.

A change point is the first frame of a new D. Every method's are found in its estimates, by one
rule (`of_tracks`), and scored as in the AnDi challenges (`score`).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from magik import floors, physics, schema
from magik.config import Graph, Simulate
from magik.floors import Prior, Tracks, Video

WINDOW = 13
"""Steps of the sliding mean squared displacement: the best number where dwells last 25 frames."""

FREEDOM = 1.0
"""Log-likelihood that a piece gains by having a D of its own, though nothing has changed."""

LEVELS = 2.0
"""Penalty of another level, in variances of the prior: a piece must be right where the mean of the
prior would be wrong by its s.d. for two frames."""


# --- D along tracks --------------------------------------------------------------------------


class Dwells(NamedTuple):
    """The law of D that changes in time: states of D (cells) and of the age of its dwell.

    Attributes:
        probability: of an end, per frame, once the dwell is old enough.
        shortest: dwell, frames.
        weight: probabilities of the D of a new dwell.
    """

    probability: float
    shortest: int
    weight: Float[np.ndarray, " cells"]

    def at(self, frame: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n ages cells"]:
        """Probabilities in a frame: in the first, all dwells begin; later, they are of any age."""
        age = np.ones(self.shortest)
        age[-1] = 1 / self.probability
        fresh = np.arange(self.shortest) == 0
        likely = np.where(frame[:, None] == 0, fresh, age / age.sum())
        return (likely[:, :, None] * self.weight).astype(np.float32)

    def forward(
        self, state: Float[np.ndarray, "n ages cells"]
    ) -> Float[np.ndarray, "n ages cells"]:
        """Probabilities one frame later."""
        later = np.zeros_like(state)
        later[:, 1:] = state[:, :-1]
        later[:, -1] += (1 - self.probability) * state[:, -1]
        later[:, 0] += self.probability * state[:, -1].sum(axis=1)[:, None] * self.weight
        return later

    def backward(
        self, ahead: Float[np.ndarray, "n ages cells"]
    ) -> Float[np.ndarray, "n ages cells"]:
        """Probabilities of what follows, seen from one frame earlier."""
        earlier = np.zeros_like(ahead)
        earlier[:, :-1] = ahead[:, 1:]
        ends = self.probability * (ahead[:, 0] @ self.weight)[:, None]
        earlier[:, -1] = (1 - self.probability) * ahead[:, -1] + ends
        return earlier


def posterior(
    video: Video, track: Int[np.ndarray, " n"], prior: Prior, simulate: Simulate
) -> Float[np.ndarray, " n"]:
    """Posterior median of D at each localization, px²/frame; NaN where the track is -1.

    A step over missed frames counts as one of the D before it; localization errors, as if they
    were independent from step to step.

    Args:
        video: with its localization error.
        track: of each localization.
        prior: of D, drawn anew at each change.
        simulate: the law of the dwells.
    """
    dwells = Dwells(simulate.switching_probability, simulate.shortest_dwell, prior.weight)
    tracks = Tracks.of(track, video.frame)
    earlier, later = floors.links(track, video.frame)
    density = floors.step_density(video, earlier, later, prior)
    step = np.ones((len(track), 1, len(prior.weight)), dtype=np.float32)  # that leaves each row
    step[earlier, 0] = density / density.max(axis=1, keepdims=True)
    passed = np.zeros(len(track), dtype=int)  # frames until the next row of its track
    passed[earlier] = video.frame[later] - video.frame[earlier]

    before = [dwells.at(video.frame[tracks.at(0)])]  # P(state at a place, steps before it)
    for place in range(1, tracks.rows.shape[1]):
        rows = tracks.rows[: len(tracks.at(place)), place - 1]
        state = _repeat(dwells.forward, before[-1][: len(rows)] * step[rows], passed[rows])
        before.append(state / state.max(axis=(1, 2), keepdims=True))

    found = np.full(len(track), np.nan)
    ahead = np.ones_like(before[0])  # P(steps from a place on | state there)
    for place in range(tracks.rows.shape[1] - 1, -1, -1):
        rows = tracks.at(place)
        n = len(rows)
        seen = step[rows] * _repeat(dwells.backward, ahead[:n], passed[rows])
        ahead[:n] = seen / seen.max(axis=(1, 2), keepdims=True)
        found[rows] = prior.median_of((before[place] * ahead[:n]).sum(axis=1))
    return found


def _repeat(
    move: Callable[[np.ndarray], np.ndarray],
    state: Float[np.ndarray, "n ages cells"],
    frames: Int[np.ndarray, " n"],
) -> Float[np.ndarray, "n ages cells"]:
    """As many moves as frames pass, for each of the states."""
    for frame in range(frames.max(initial=0)):
        moving = frames > frame
        state[moving] = move(state[moving])
    return state


def partitioned(
    video: Video, track: Int[np.ndarray, " n"], prior: Prior, simulate: Simulate
) -> Float[np.ndarray, " n"]:
    """Likeliest D of the piece that each localization lies in, px²/frame; NaN outside tracks.

    A piece must gain -log p of its switch, and `FREEDOM` for a D of its own.

    Args:
        video: its localization error counts as if it were independent from step to step.
        track: of each localization.
        prior: of D.
        simulate: the law of the dwells.
    """
    tracks = Tracks.of(track, video.frame)
    total = _cumulated(_single_steps(video, tracks))
    low, high = prior.edges[[0, -1]] + video.error**2 / video.dt

    def cost(end: int) -> np.ndarray:
        n = end - np.arange(end)
        squared = total[:, end, None] - total[:, :end]
        level = np.clip(squared / n, low, high)
        return n * np.log(level) + squared / level

    penalty = FREEDOM - np.log(simulate.switching_probability)
    pieces = partition(cost, tracks.size - 1, penalty, simulate.shortest_dwell)
    first, last = np.zeros(tracks.rows.shape, dtype=int), np.zeros(tracks.rows.shape, dtype=int)
    for k, (cuts, size) in enumerate(zip(pieces, tracks.size, strict=True)):
        ends = np.array([0, *cuts, size - 1])
        length = np.diff(ends)
        length[-1] += 1  # the last localization, which no step leaves
        first[k, :size] = np.repeat(ends[:-1], length)
        last[k, :size] = np.repeat(ends[1:], length)
    return _mean_between(first, last, total, video, tracks, prior)


def sliding(video: Video, track: Int[np.ndarray, " n"], prior: Prior) -> Float[np.ndarray, " n"]:
    """D from the `WINDOW` steps nearest to each localization, px²/frame; NaN outside tracks."""
    tracks = Tracks.of(track, video.frame)
    steps = (tracks.size - 1)[:, None]
    centred = np.arange(tracks.rows.shape[1]) - WINDOW // 2
    first = np.clip(centred, 0, np.maximum(steps - WINDOW, 0))
    last = np.minimum(first + WINDOW, steps)
    total = _cumulated(_single_steps(video, tracks))
    return _mean_between(first, last, total, video, tracks, prior)


def _single_steps(video: Video, tracks: Tracks) -> Float[np.ndarray, "tracks steps"]:
    """D, px²/frame, that each step along a track would tell alone; 0 beyond its end."""
    earlier, later = tracks.rows[:, :-1], tracks.rows[:, 1:]
    squared = ((video.position[later] - video.position[earlier]) ** 2).sum(axis=2)
    time = np.where(later < 0, 1, video.frame[later] - video.frame[earlier]) * video.dt
    return np.where(later < 0, 0, squared / (4 * time))


def _cumulated(values: Float[np.ndarray, "tracks n"]) -> Float[np.ndarray, "tracks n+1"]:
    return np.pad(np.cumsum(values, axis=1), [(0, 0), (1, 0)])


def _mean_between(
    first: Int[np.ndarray, "tracks longest"],
    last: Int[np.ndarray, "tracks longest"],
    total: Float[np.ndarray, "tracks longest"],
    video: Video,
    tracks: Tracks,
    prior: Prior,
) -> Float[np.ndarray, " n"]:
    """Mean D of the steps from `first` up to `last`, less the error, within the prior."""
    sums = np.take_along_axis(total, last, axis=1) - np.take_along_axis(total, first, axis=1)
    mean = sums / np.maximum(last - first, 1) - video.error**2 / video.dt
    bounded = np.where(last > first, np.clip(mean, *prior.edges[[0, -1]]), prior.median)
    found = np.full(len(video.frame), np.nan)
    inside = tracks.rows >= 0
    found[tracks.rows[inside]] = bounded[inside]
    return found


def estimates(localizations: xr.Dataset, simulate: Simulate, graph: Graph) -> xr.Dataset:
    """Estimates of √(2D) at every localization, for D that switches.

    Args:
        localizations: with `particle` and `diffusivity`; of either tier.
        simulate: where the prior, the dwells, the walls and Δt stand.
        graph: its `max_lag` is the longest step in time that a link may make, frames.

    Returns:
        Laid out as `schema.ESTIMATES`, of the target "displacement_scaling".

    Raises:
        InputError: if no localization shows a known particle.
    """
    prior = Prior.of(simulate)
    rows, videos = floors.videos(localizations, simulate)
    particle = localizations["particle"].values
    true = [particle[r] for r in rows]
    area = float(np.prod(localizations.attrs["field_of_view"]))
    worst = floors.worst_link(videos, true, area, graph.max_lag)
    gains = floors.link_gains(prior, graph.max_lag, simulate.interval, worst)
    errors = floors.localization_errors(videos, true, prior).tolist()
    methods: dict[str, list[np.ndarray]] = {}
    for video, given, error in zip(videos, true, errors, strict=True):
        told = video._replace(error=error)
        made = {
            "constant": np.full(len(given), prior.median),
            "given_links": posterior(told, given, prior, simulate),
            "given_links_partitioned": partitioned(told, given, prior, simulate),
            "given_links_sliding": sliding(told, given, prior),
            "lap_hmm": posterior(told, floors.link(video, gains), prior, simulate),
        }
        for method, diffusivity in made.items():
            methods.setdefault(method, []).append(physics.displacement_scaling(diffusivity))
    return floors.estimates(
        localizations,
        "displacement_scaling",
        physics.displacement_scaling(localizations["diffusivity"].values),
        {method: np.concatenate(values) for method, values in methods.items()},
    )


# --- change points ---------------------------------------------------------------------------


def partition(
    cost: Callable[[int], Float[np.ndarray, "tracks starts"]],
    size: Int[np.ndarray, " tracks"],
    penalty: float,
    shortest: int,
) -> list[Int[np.ndarray, " _"]]:
    """Where to cut sequences so that the costs of their pieces and a penalty for each are least.

    Optimal partitioning (Jackson et al., IEEE Signal Process. Lett. 12, 105 (2005)): exact.

    Args:
        cost: of the pieces that end before a place, by the place where they start, of each track.
        size: of the sequences.
        penalty: for each piece.
        shortest: piece; a shorter sequence is not cut.

    Returns:
        The first place of every piece but the first, in each sequence.
    """
    least = np.zeros((len(size), int(size.max(initial=0)) + 1))
    origin = np.zeros(least.shape, dtype=int)
    for end in range(1, least.shape[1]):
        starts = max(end - shortest, 0) + 1
        total = least[:, :starts] + cost(end)[:, :starts] + penalty
        origin[:, end] = total.argmin(axis=1)
        least[:, end] = total.min(axis=1)
    cuts = []
    for back, end in zip(origin.tolist(), size.tolist(), strict=True):
        starts_of_pieces = []
        while end > 0:
            end = back[end]
            starts_of_pieces.append(end)
        cuts.append(np.array(starts_of_pieces[-2::-1], dtype=int))
    return cuts


def particles(dataset: xr.Dataset) -> Tracks:
    """True tracks of all videos, as rows of the data set.

    Args:
        dataset: ESTIMATES or LOCALIZATIONS.
    """
    particle = dataset["particle"].values
    video = schema.row_of(dataset["row_size"].values)
    apart = np.where(particle < 0, -1, video * (particle.max() + 1) + particle)
    return Tracks.of(apart, dataset["frame"].values)


def of_tracks(
    values: Float[np.ndarray, " n"],
    frame: Int[np.ndarray, " n"],
    tracks: Tracks,
    simulate: Simulate,
) -> list[Int[np.ndarray, " _"]]:
    """Change points, in frames, of √(2D) that anything predicts along tracks.

    Each track is cut into levels: another piece must lower the sum of squared deviations by
    `LEVELS` times the variance of √(2D) that the prior has.

    Args:
        values: √(2D) of each localization, px/frame^½.
        frame: of each localization.
        tracks: rows of them.
        simulate: the law of D and of its dwells.
    """
    prior = Prior.of(simulate)
    level = physics.displacement_scaling(prior.diffusivity)
    variance = prior.weight @ level**2 - (prior.weight @ level) ** 2
    along = np.where(tracks.rows < 0, 0.0, values[tracks.rows])
    total, squares = _cumulated(along), _cumulated(along**2)

    def cost(end: int) -> np.ndarray:
        sums = total[:, end, None] - total[:, :end]
        return squares[:, end, None] - squares[:, :end] - sums**2 / (end - np.arange(end))

    cuts = partition(cost, tracks.size, LEVELS * variance, simulate.shortest_dwell)
    return [frame[rows[places]] for rows, places in zip(tracks.rows, cuts, strict=True)]


def found(predictions: xr.Dataset, localizations: xr.Dataset, simulate: Simulate) -> xr.Dataset:
    """Change points in what a network says, along the true tracks.

    Args:
        predictions: PREDICTIONS of √(2D).
        localizations: LOCALIZATIONS with `particle`, row by row the same.
        simulate: the law of D and of its dwells.

    Returns:
        CHANGE_POINTS.
    """
    tracks, frame = particles(localizations), predictions["frame"].to_numpy().astype(int)
    said = predictions["prediction"].to_numpy().astype(float)
    changed = np.zeros(len(frame), bool)
    every = of_tracks(said, frame, tracks, simulate)
    for rows, size, points in zip(tracks.rows, tracks.size, every, strict=True):
        changed[rows[:size][np.isin(frame[rows[:size]], points)]] = True
    sizes = predictions["row_size"].to_numpy()
    return xr.Dataset({"row_size": ("video", sizes), "changed": ("localization", changed)})


def true_points(
    target: Float[np.ndarray, " n"], frame: Int[np.ndarray, " n"], tracks: Tracks
) -> list[Int[np.ndarray, " _"]]:
    """Change points, in frames: where the truth along a track is not what it was before."""
    return [
        frame[rows[1:size][np.diff(target[rows[:size]]) != 0]]
        for rows, size in zip(tracks.rows, tracks.size, strict=True)
    ]


class Score(NamedTuple):
    """How well change points are found.

    Attributes:
        f1: of pairs, points missed and false alarms.
        jaccard: index of the same.
        rmse: of the pairs, frames; NaN where there is none.
    """

    f1: float
    jaccard: float
    rmse: float


def score(
    true: list[Int[np.ndarray, " _"]], found: list[Int[np.ndarray, " _"]], within: int
) -> Score:
    """Scores over all tracks together, as in the AnDi challenges.

    Points of a track are paired so that the sum of their distances is least; a pair counts where
    it is less than `within` frames apart. A track without change points in which none is found
    counts as a pair at no distance would, save for the r.m.s. error.

    Source: Muñoz-Gil et al., Nat. Commun. 16, 6749 (2025); its code is
    `andi_datasets.utils_challenge.ensemble_changepoint_error`.

    Args:
        true: change points of each track, frames.
        found: change points found in it, frames.
        within: frames.
    """
    pairs, single, squared = 0, 0, []
    for points, guesses in zip(true, found, strict=True):
        distance = np.abs(points[:, None] - guesses).astype(float)
        paired = distance[linear_sum_assignment(distance)]
        close = paired[paired < within]
        squared.extend(close**2)
        pairs += len(close) + (len(points) == len(guesses) == 0)
        single += len(points) + len(guesses) - 2 * len(close)
    return Score(
        2 * pairs / max(2 * pairs + single, 1),
        pairs / max(pairs + single, 1),
        float(np.sqrt(np.mean(squared))) if squared else np.nan,
    )
