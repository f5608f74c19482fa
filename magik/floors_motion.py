"""What scores of exponents and of classes of motion are measured against.

Exponents, of an object or, where all objects of a video share it, of a video:

- ``constant``: the median of the prior, whatever is seen;
- ``given_links``: the posterior median of α under the exact likelihood of fractional Brownian
  motion, the true links being given, D integrated out over its prior. Where every class is
  fractional Brownian motion, no method that sees the same positions is better on average: without
  walls or localization error; with them it comes close (`Increments.log_evidence`);
- ``given_links_msd``: slope of log mean squared displacement against log lag, true links given;
- ``lap_likelihood``, ``lap_msd``: the same along tracks by linear assignment.

Fractions of the classes of motion in a video:

- ``constant``: the median over the training videos;
- ``given_links``: boosted trees that learnt the class of a track from its descriptors, the true
  links being given; then Bayes with the fractions of the training videos as prior. A strong
  method rather than a floor: none is known;
- ``lap_trees``: the same along tracks by linear assignment, in training too.
"""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from scipy.special import logsumexp
from sklearn.ensemble import HistGradientBoostingClassifier

from magik import floors, schema, track_features
from magik.config import Graph, Simulate
from magik.floors import Prior, Tracks

CELLS = 65
"""Cells of α: over a range of 1.6 each is as wide as the s.d. of the best estimate of a video."""

FEW_CELLS = 17
"""Cells of α while the localization error is looked for."""

CLEARLY = 10.0
"""As `floors.CLEARLY`; more, for a small α looks much like a localization error."""

LAGS = (1, 2, 3, 4)
"""Lags of the mean squared displacement, in frames; with more of them its slope is worse."""

NEGLIGIBLE = 10.0
"""Log-likelihood by which an image in a wall must be worse to be left out."""

TREES = {
    "max_iter": 150,
    "learning_rate": 0.05,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    "early_stopping": False,
    "random_state": 0,
}
"""Of `HistGradientBoostingClassifier`; slow and small enough for honest probabilities."""

TINY = 1e-12
"""Keeps a class that seems impossible from becoming so."""

AT_ONCE = 32
"""Tracks whose likelihood is computed together, for the sake of memory."""


class Exponents(NamedTuple):
    """What is known of α before anything is seen.

    Attributes:
        edges: of cells equal in α.
        exponent: their centres.
        weight: their probabilities.
        median: of α.
    """

    edges: Float[np.ndarray, " cells+1"]
    exponent: Float[np.ndarray, " cells"]
    weight: Float[np.ndarray, " cells"]
    median: float

    @classmethod
    def of(cls, simulate: Simulate, cells: int = CELLS) -> Self:
        """The prior that a simulation draws from: every class as likely as any other."""
        laws = [floors.law(motion.exponent) for motion in simulate.classes.values()]
        low, high = (np.array([law.support() for law in laws]).T[end] for end in (0, 1))
        edges = np.linspace(low.min(), high.max(), cells + 1)
        weight = np.mean([np.diff(law.cdf(edges)) for law in laws], axis=0)
        median = float(floors.median(edges, weight[None])[0])
        return cls(edges, (edges[1:] + edges[:-1]) / 2, weight / weight.sum(), median)

    def median_of(self, log_evidence: Float[np.ndarray, "n cells"]) -> Float[np.ndarray, " n"]:
        """Posterior medians of α."""
        relative = np.exp(log_evidence - log_evidence.max(axis=1, keepdims=True))
        return floors.median(self.edges, relative * self.weight)


class Scene(NamedTuple):
    """The localizations of all videos, and what holds for all of them.

    Attributes:
        video: that each row belongs to.
        frame: of each row; sorted within a video.
        position: px.
        dt: Δt, frames.
        box: its sides, px, where there are walls; None: there are none.
    """

    video: Int[np.ndarray, " n"]
    frame: Int[np.ndarray, " n"]
    position: Float[np.ndarray, "n axes"]
    dt: float
    box: Float[np.ndarray, " axes"] | None

    def tracks(self, track: Int[np.ndarray, " n"]) -> Tracks:
        """From the track of each row, counted within its video (-1 = none)."""
        apart = self.video * (track.max() + 1) + track
        return Tracks.of(np.where(track < 0, -1, apart), self.frame)


def scene_of(
    localizations: xr.Dataset, simulate: Simulate, graph: Graph
) -> tuple[Scene, Tracks, Tracks]:
    """The localizations, their true tracks, and tracks by linear assignment.

    Links are as for Brownian motion of the same D: at a lag of one frame it makes no difference.

    Raises:
        InputError: if no localization shows a known particle.
    """
    axes = "xyz" if "z" in localizations else "xy"
    rows, videos = floors.videos(localizations, simulate, axes)
    particle = localizations["particle"].values
    true = [particle[r] for r in rows]
    sides = [*localizations.attrs["field_of_view"][1::-1], simulate.depth][: len(axes)]
    worst = floors.worst_link(videos, true, float(np.prod(sides)), graph.max_lag)
    prior = Prior.of(simulate)
    gains = floors.link_gains(prior, graph.max_lag, simulate.interval, worst, len(axes))
    found = np.concatenate([floors.link(video, gains) for video in videos])
    scene = Scene(
        schema.row_of(localizations["row_size"].values),
        np.concatenate([video.frame for video in videos]),
        np.concatenate([video.position for video in videos]),
        simulate.interval,
        np.array(sides, dtype=float) if simulate.boundary == "reflecting" else None,
    )
    return scene, scene.tracks(particle), scene.tracks(found)


# --- the likelihood of fractional Brownian motion --------------------------------------------


class Increments(NamedTuple):
    """Steps of fractional Brownian motion between given times, for each α.

    Along each axis they are Gaussian of covariance D C + σ² B, where C comes from MSD = 2 D t^α
    and B from the localization error that two successive steps share. In coordinates that make B
    one and C diagonal, the likelihood is a product for every D.

    Attributes:
        to_modes: steps -> those coordinates.
        spread: the diagonal of C in them.
        log_volume: log det B.
        ahead: weights of the steps so far in the best guess of the next one, without error.
        surprise: variance of the next step round that guess, in units of D.
    """

    to_modes: Float[np.ndarray, "cells n n"]
    spread: Float[np.ndarray, "cells n"]
    log_volume: float
    ahead: Float[np.ndarray, "cells n n"]
    surprise: Float[np.ndarray, "cells n"]

    @classmethod
    def of(cls, time: Float[np.ndarray, " m"], exponent: Float[np.ndarray, " cells"]) -> Self:
        """Of positions at `time`, frames."""
        power = np.abs(time[:, None] - time) ** exponent[:, None, None]
        covariance = power[:, 1:, :-1] + power[:, :-1, 1:] - power[:, 1:, 1:] - power[:, :-1, :-1]
        n = len(time) - 1
        shared = np.linalg.cholesky(2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1))
        apart = np.linalg.inv(shared)
        spread, rotation = np.linalg.eigh(apart @ covariance @ apart.T)
        root = np.linalg.cholesky(covariance)
        scale = np.diagonal(root, axis1=1, axis2=2)
        return cls(
            rotation.swapaxes(1, 2) @ apart,
            spread,
            2 * float(np.log(np.diag(shared)).sum()),
            np.eye(n) - scale[:, :, None] * np.linalg.inv(root),
            scale**2,
        )

    def log_evidence(
        self,
        position: Float[np.ndarray, "tracks m axes"],
        prior: Prior,
        error: float,
        box: Float[np.ndarray, " axes"] | None,
    ) -> Float[np.ndarray, "tracks cells"]:
        """Log-likelihood of tracks for each α, D integrated out.

        Between walls it is that of the free path whose image in the walls is seen: at every step
        the image nearest to where the path was heading, and the others count as if the path ended
        there. Near a wall localization errors count as independent.
        """
        axes = position.shape[2]
        variance = self.spread[:, :, None] * prior.diffusivity + error**2
        volume = np.log(2 * np.pi * variance).sum(axis=1) + self.log_volume
        images: float | np.ndarray = 0.0
        if box is None:
            step = np.diff(position, axis=1).transpose(1, 0, 2)[None]
        else:
            step, images = self._unfolded(position, prior, error, box)
        mode = self.to_modes @ step.reshape(*step.shape[:2], -1)
        squared = (mode.reshape(*mode.shape[:2], -1, axes) ** 2).sum(axis=3)
        fit = squared.swapaxes(1, 2) @ (1 / variance)
        log_likelihood = images - (fit + axes * volume[:, None]) / 2
        with np.errstate(divide="ignore"):
            return logsumexp(log_likelihood + np.log(prior.weight), axis=2).T

    def _unfolded(
        self,
        position: Float[np.ndarray, "tracks m axes"],
        prior: Prior,
        error: float,
        box: Float[np.ndarray, " axes"],
    ) -> tuple[Float[np.ndarray, "cells n tracks axes"], Float[np.ndarray, "cells tracks d"]]:
        """Steps of the free path, and the log of what the other images add to the likelihood."""
        cells, n = self.surprise.shape
        tracks, _, axes = position.shape
        step = np.zeros((cells, n, tracks, axes))
        added = np.zeros((cells, tracks, len(prior.diffusivity)))
        here = np.broadcast_to(position[:, 0], (cells, tracks, axes))
        for k in range(n):
            so_far = step[:, :k].reshape(cells, k, tracks * axes)
            heading = here + (self.ahead[:, k, None, :k] @ so_far).reshape(here.shape)
            seen = position[:, k + 1]
            images = [
                sign * seen + 2 * box * np.round((heading - sign * seen) / (2 * box))
                for sign in (1, -1)
            ]
            near, far = np.sort([(image - heading) ** 2 for image in images], axis=0)
            there = np.where((images[0] - heading) ** 2 == near, images[0], images[1])
            variance = self.surprise[:, k, None] * prior.diffusivity + 2 * error**2
            excess = (far - near) / 2
            for axis in range(axes):
                beyond = np.nonzero(excess[..., axis] < NEGLIGIBLE * variance[:, -1, None])
                ratio = np.exp(-excess[..., axis][beyond][:, None] / variance[beyond[0]])
                added[beyond] += np.log1p(ratio)
            step[:, k] = there - here
            here = there
        return step, added


def log_evidence(
    scene: Scene,
    tracks: Tracks,
    errors: Float[np.ndarray, " videos"],
    prior: Prior,
    exponents: Exponents,
) -> Float[np.ndarray, "tracks cells"]:
    """Log-likelihood of each track, were its α that of each cell, D integrated out.

    Args:
        scene: where the localizations are.
        tracks: rows of them.
        errors: r.m.s. localization error per axis of each video, px.
        prior: of D.
        exponents: of α.
    """
    evidence = np.zeros((len(tracks.size), len(exponents.exponent)))
    for members, time, error in _alike(scene, tracks, errors):
        increments = Increments.of(time, exponents.exponent)
        for some in np.array_split(members, -(-len(members) // AT_ONCE)):
            position = scene.position[tracks.rows[some, : len(time)]]
            evidence[some] = increments.log_evidence(position, prior, error, scene.box)
    return evidence


def _alike(
    scene: Scene, tracks: Tracks, errors: Float[np.ndarray, " videos"]
) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Tracks of two localizations or more that are seen at the same times with the same error."""
    first = tracks.rows[:, :1]
    elapsed = np.where(tracks.rows < 0, -1, scene.frame[tracks.rows] - scene.frame[first])
    error = errors[scene.video[first[:, 0]]]
    _, kind = np.unique(np.column_stack([elapsed, error]), axis=0, return_inverse=True)
    order = np.argsort(kind, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(kind[order])) + 1):
        one = members[0]
        if tracks.size[one] > 1:
            time = elapsed[one, : tracks.size[one]] * float(scene.dt)
            yield members, time, float(error[one])


def localization_errors(
    scene: Scene, given: Tracks, simulate: Simulate, videos: int
) -> Float[np.ndarray, " videos"]:
    """R.m.s. localization error per axis of each video, px, as `floors.localization_errors`."""
    prior, known = Prior.of(simulate), Exponents.of(simulate, FEW_CELLS)
    shared = simulate.mixing == "video"
    owner = scene.video[given.rows[:, 0]]
    group = owner if shared else np.arange(len(owner))  # of tracks that have one α

    def log_likelihood(error: float) -> np.ndarray:
        evidence = log_evidence(scene, given, np.full(videos, error), prior, known)
        together = np.zeros((videos if shared else len(owner), len(known.weight)))
        np.add.at(together, group, evidence)
        with np.errstate(divide="ignore"):
            total = logsumexp(together + np.log(known.weight), axis=1)
        return total if shared else np.bincount(owner, total, videos)

    return floors.likeliest_errors(log_likelihood, CLEARLY)


# --- the mean squared displacement -----------------------------------------------------------


def log_displacement(
    scene: Scene, tracks: Tracks, errors: Float[np.ndarray, " videos"]
) -> Float[np.ndarray, "tracks lags"]:
    """Log of the mean squared displacement of each track at `LAGS`, less the localization error.

    NaN where no two localizations are so far apart, or nothing is left.
    """
    noise = 2 * scene.position.shape[1] * errors[scene.video[tracks.rows[:, 0]]] ** 2
    total = np.zeros((len(tracks.size), len(LAGS)))
    count = np.zeros_like(total)
    for shift in range(1, 1 + max(LAGS)):
        earlier, later = tracks.rows[:, :-shift], tracks.rows[:, shift:]
        squared = ((scene.position[later] - scene.position[earlier]) ** 2).sum(axis=2)
        for place, lag in enumerate(LAGS):
            apart = (later >= 0) & (scene.frame[later] - scene.frame[earlier] == lag)
            total[:, place] += np.where(apart, squared, 0).sum(axis=1)
            count[:, place] += apart.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(total / count - noise[:, None])


def slope(
    log_displacement: Float[np.ndarray, "n lags"], exponents: Exponents
) -> Float[np.ndarray, " n"]:
    """α by least squares, within the prior's range; its median where a lag is missing."""
    time = np.log(LAGS) - np.mean(np.log(LAGS))
    found = np.clip(log_displacement @ time / (time @ time), *exponents.edges[[0, -1]])
    return np.where(np.isfinite(found), found, exponents.median)


# --- exponents -------------------------------------------------------------------------------


class Evidence(NamedTuple):
    """What tracks tell of α.

    Attributes:
        tracks: rows of the localizations.
        video: of each track.
        log_evidence: for each α.
        log_displacement: at each of `LAGS`.
    """

    tracks: Tracks
    video: Int[np.ndarray, " tracks"]
    log_evidence: Float[np.ndarray, "tracks cells"]
    log_displacement: Float[np.ndarray, "tracks lags"]

    def everywhere(self, found: Float[np.ndarray, " tracks"], n: int) -> Float[np.ndarray, " n"]:
        """What was found for each track, at each of `n` localizations; NaN outside tracks."""
        values = np.full(n, np.nan)
        values[self.tracks.rows[self.tracks.rows >= 0]] = np.repeat(found, self.tracks.size)
        return values

    def of_videos(self, videos: int) -> tuple[np.ndarray, np.ndarray]:
        """Log-evidence and mean log displacement of each video, where all tracks share α.

        The longer a track, the more its displacement counts.
        """
        evidence = np.zeros((videos, self.log_evidence.shape[1]))
        np.add.at(evidence, self.video, self.log_evidence)
        whole = np.isfinite(self.log_displacement).all(axis=1)
        weight = np.bincount(self.video[whole], self.tracks.size[whole], videos)
        total = np.zeros((videos, len(LAGS)))
        weighted = self.log_displacement[whole] * self.tracks.size[whole, None]
        np.add.at(total, self.video[whole], weighted)
        with np.errstate(invalid="ignore"):
            return evidence, total / weight[:, None]


def gather(
    localizations: xr.Dataset, simulate: Simulate, graph: Graph, known: Exponents
) -> tuple[Evidence, Evidence]:
    """Evidence along the true tracks, and along tracks by linear assignment.

    Raises:
        InputError: if no localization shows a known particle.
    """
    prior = Prior.of(simulate)
    scene, given, found = scene_of(localizations, simulate, graph)
    errors = localization_errors(scene, given, simulate, localizations.sizes["video"])
    of_true, of_found = (
        Evidence(
            tracks,
            scene.video[tracks.rows[:, 0]],
            log_evidence(scene, tracks, errors, prior, known),
            log_displacement(scene, tracks, errors),
        )
        for tracks in (given, found)
    )
    return of_true, of_found


def exponents(localizations: xr.Dataset, simulate: Simulate, graph: Graph) -> xr.Dataset:
    """Estimates of α at every localization.

    Args:
        localizations: with `particle` and `exponent`; of either tier, in two dimensions or three.
        simulate: where the priors, the walls and Δt stand.
        graph: its `max_lag` is the longest step in time that a link may make, frames.

    Returns:
        Laid out as `schema.ESTIMATES`, of the target "exponent".

    Raises:
        InputError: if no localization shows a known particle.
    """
    known = Exponents.of(simulate)
    given, found = gather(localizations, simulate, graph, known)
    n = localizations.sizes["localization"]
    methods = {
        "constant": np.full(n, known.median),
        "given_links": given.everywhere(known.median_of(given.log_evidence), n),
        "given_links_msd": given.everywhere(slope(given.log_displacement, known), n),
        "lap_likelihood": found.everywhere(known.median_of(found.log_evidence), n),
        "lap_msd": found.everywhere(slope(found.log_displacement, known), n),
    }
    return floors.estimates(localizations, "exponent", localizations["exponent"].values, methods)


def video_exponents(localizations: xr.Dataset, simulate: Simulate, graph: Graph) -> xr.Dataset:
    """Estimates of the α that all objects of a video share.

    Args:
        localizations: with `particle` and `exponent`; of either tier, in two dimensions or three.
        simulate: where the priors, the walls and Δt stand.
        graph: its `max_lag` is the longest step in time that a link may make, frames.

    Returns:
        Laid out as `schema.VIDEO_ESTIMATES`, of the target "video_exponent".

    Raises:
        InputError: if no localization shows a known particle.
    """
    known = Exponents.of(simulate)
    given, found = gather(localizations, simulate, graph, known)
    videos = localizations.sizes["video"]
    true_evidence, true_displacement = given.of_videos(videos)
    evidence, displacement = found.of_videos(videos)
    methods = {
        "constant": np.full(videos, known.median),
        "given_links": known.median_of(true_evidence),
        "given_links_msd": slope(true_displacement, known),
        "lap_likelihood": known.median_of(evidence),
        "lap_msd": slope(displacement, known),
    }
    true = localizations["exponent"].values[given.tracks.rows[:, 0]]
    with np.errstate(invalid="ignore"):
        target = np.bincount(given.video, true, videos) / np.bincount(given.video, minlength=videos)
    return _video_estimates(
        "video_exponent",
        ["exponent"],
        target[:, None],
        {method: values[:, None] for method, values in methods.items()},
    )


def _video_estimates(
    name: str,
    output: list[str],
    target: Float[np.ndarray, "videos outputs"],
    methods: dict[str, Float[np.ndarray, "videos outputs"]],
) -> xr.Dataset:
    return xr.Dataset(
        {
            "target": (("video", "output"), target.astype(np.float32)),
            "estimate": (
                ("method", "video", "output"),
                np.stack(list(methods.values())).astype(np.float32),
            ),
        },
        attrs={"method": list(methods), "target_name": name, "output": output},
    )


# --- fractions -------------------------------------------------------------------------------


def fractions(
    localizations: xr.Dataset, learn_from: xr.Dataset, simulate: Simulate, graph: Graph
) -> xr.Dataset:
    """Estimates of the share of each class of motion among the objects of a video.

    Where all objects of a video are of one class, they are the probabilities of that class.

    Args:
        localizations: with `particle`, `motion` and the attribute `motions`.
        learn_from: the same of the training videos.
        simulate: where D, the walls and Δt stand.
        graph: its `max_lag` is the longest step in time that a link may make, frames.

    Returns:
        Laid out as `schema.VIDEO_ESTIMATES`, of the target "fractions".

    Raises:
        InputError: if no localization shows a known particle.
    """
    classes = list(localizations.attrs["motions"])
    scene, *linked = scene_of(localizations, simulate, graph)
    known, *known_linked = scene_of(learn_from, simulate, graph)
    motion = learn_from["motion"].values
    shares = _shares(known, known_linked[0], motion, learn_from.sizes["video"], len(classes))
    prior = shares[np.isfinite(shares).all(axis=1)]
    videos = localizations.sizes["video"]
    methods = {"constant": np.tile(np.median(prior, axis=0), (videos, 1))}
    for method, tracks, teachers in zip(
        ("given_links", "lap_trees"), linked, known_linked, strict=True
    ):
        label = _majority(teachers, motion, len(classes))
        likelihood = _likelihood(scene, tracks, known, teachers, label, len(classes))
        owner = scene.video[tracks.rows[:, 0]]
        weight = tracks.size / localizations["n_frames"].values[owner]
        methods[method] = unmix(likelihood, owner, weight, prior, videos)
    target = _shares(scene, linked[0], localizations["motion"].values, videos, len(classes))
    return _video_estimates("fractions", classes, target, methods)


def unmix(
    likelihood: Float[np.ndarray, "tracks classes"],
    owner: Int[np.ndarray, " tracks"],
    weight: Float[np.ndarray, " tracks"],
    prior: Float[np.ndarray, "k classes"],
    videos: int,
) -> Float[np.ndarray, "videos classes"]:
    """Expected share of each class among the tracks of each video.

    A video has the fractions of any of the training videos, its tracks are drawn from them one by
    one. Adding up the classes of single tracks instead would draw every share to the common one.

    Args:
        likelihood: of each track under each class, up to a factor.
        owner: the video of each track.
        weight: of each track: what share of the video it lasts for.
        prior: fractions of the training videos.
        videos: how many; one without tracks is NaN.
    """
    found = np.full((videos, prior.shape[1]), np.nan)
    for video in np.unique(owner):
        mine = owner == video
        share = prior[:, None] * likelihood[mine] + TINY
        total = share.sum(axis=2)
        belief = np.log(total) @ weight[mine]
        belief = np.exp(belief - belief.max())
        of_track = np.einsum("k,ktc->tc", belief / belief.sum(), share / total[:, :, None])
        found[video] = weight[mine] @ of_track / weight[mine].sum()
    return found


def _shares(
    scene: Scene, given: Tracks, motion: Int[np.ndarray, " n"], videos: int, classes: int
) -> Float[np.ndarray, "videos classes"]:
    """True fractions; NaN where a video has no object."""
    count = np.zeros((videos, classes))
    first = given.rows[:, 0]
    np.add.at(count, (scene.video[first], motion[first]), 1)
    with np.errstate(invalid="ignore"):
        return count / count.sum(axis=1, keepdims=True)


def _majority(
    tracks: Tracks, motion: Int[np.ndarray, " n"], classes: int
) -> Int[np.ndarray, " tracks"]:
    """The class of most localizations of each track; -1 where all are false."""
    of_row = np.where(tracks.rows < 0, -1, motion[tracks.rows])
    votes = np.stack([(of_row == k).sum(axis=1) for k in range(classes)], axis=1)
    return np.where(votes.any(axis=1), votes.argmax(axis=1), -1)


def _likelihood(
    scene: Scene,
    tracks: Tracks,
    known: Scene,
    teachers: Tracks,
    label: Int[np.ndarray, " teachers"],
    classes: int,
) -> Float[np.ndarray, "tracks classes"]:
    """Of each track under each class, up to a factor, by trees that learnt from `teachers`."""
    told = label >= 0
    if len(np.unique(label[told])) < 2:
        return np.ones((len(tracks.size), classes))  # nothing to tell apart
    descriptors = track_features.describe(known.position, known.frame, teachers)[told]
    usable = np.isfinite(descriptors).any(axis=0)  # some need longer tracks than there are
    trees = HistGradientBoostingClassifier(**TREES).fit(descriptors[:, usable], label[told])
    weight = np.bincount(label[told])[trees.classes_]
    seen = track_features.describe(scene.position, scene.frame, tracks)[:, usable]
    likelihood = np.zeros((len(seen), classes))
    likelihood[:, trees.classes_] = trees.predict_proba(seen) / (weight / weight.sum())
    return likelihood
