"""Every setting: its name, type, default, unit and range, checked before any job starts.

`load` turns config.yaml (with the overlay of a scale) into a frozen `Study`. Each rule hands
one section of it to one library function, so a change reruns only what depends on it.
"""

import difflib
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from magik.errors import InputError

Tier = Literal["coordinates", "images"]
TIERS: tuple[Tier, ...] = ("coordinates", "images")
SPLITS = ("train", "validation", "test", "long")
NAME = r"^[a-z][a-z0-9_]*$"

Name = Annotated[str, Field(pattern=NAME)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A group of settings: frozen, and closed to names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Uniform(Section):
    """Between two values, each equally likely; the pair [low, high] is short for it."""

    uniform: tuple[float, float]


class LogUniform(Section):
    """Between two values, each order of magnitude equally likely."""

    log_uniform: tuple[Positive, Positive]


class Exponential(Section):
    """Exponential of this mean, truncated to `within`."""

    exponential: Positive
    within: tuple[float, float]


def _kind_of_distribution(given: object) -> str:
    """Which kind is meant, so that an error speaks of that kind alone."""
    if isinstance(given, Mapping):
        kinds = {"log_uniform": "LogUniform", "exponential": "Exponential"}
        return next((kind for name, kind in kinds.items() if name in given), "Uniform")
    return type(given).__name__ if isinstance(given, Section) else "tuple[float, float]"


Distribution = Annotated[
    Annotated[Uniform, Tag("Uniform")]
    | Annotated[LogUniform, Tag("LogUniform")]
    | Annotated[Exponential, Tag("Exponential")]
    | Annotated[tuple[float, float], Tag("tuple[float, float]")],
    Discriminator(_kind_of_distribution),
]
"""How a quantity is drawn."""


def bounds(distribution: Distribution) -> tuple[float, float]:
    """The lowest and the highest value that may be drawn."""
    match distribution:
        case Uniform(uniform=limits) | LogUniform(log_uniform=limits):
            return limits
        case Exponential(within=limits):
            return limits
    return distribution


def mean(distribution: Distribution) -> float:
    """The mean of what is drawn, its truncation included."""
    low, high = bounds(distribution)
    if low == high:
        return low
    match distribution:
        case Exponential(exponential=scale):
            width = (high - low) / scale
            return low + scale * (1 + width * math.exp(-width) / math.expm1(-width))
        case LogUniform():
            return (high - low) / math.log(high / low)
    return (low + high) / 2


def _must_be_range(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    if not 0 <= low <= high:
        raise ValueError(f"from {low:g} to {high:g}; expected 0 <= lowest <= highest")
    return limits


LEAST_EXPONENT = 0.03
"""Below, the law of annealed transient time motion has no parameters left to draw."""


class Motion(Section):
    """One way to move that a simulated object may have: MSD = 2 D t^α along each axis."""

    model: Literal["fbm", "attm", "ctrw"] = Field(
        "fbm",
        description="fractional Brownian motion; annealed transient time motion; continuous-time "
        "random walk",
    )
    exponent: Distribution = Field((1, 1), description="α; 1: normal diffusion")

    @model_validator(mode="after")
    def _exponent_in_range(self) -> Self:
        low, high = bounds(self.exponent)
        highest = 1.99 if self.model == "fbm" else 1
        if not LEAST_EXPONENT <= low <= high <= highest:
            raise ValueError(
                f"exponent: from {low:g} to {high:g}; {self.model} needs "
                f"{LEAST_EXPONENT:g} <= α <= {highest:g}"
            )
        return self


class Simulate(Section):
    """Trajectories (Methods, "Simulations"). px, frames, counts."""

    motion: Literal["brownian", "landscape", "switching", "anomalous"] = Field(
        "brownian",
        description="brownian: D per object; landscape: D is a smooth map; switching: D of an "
        "object changes in time; anomalous: as `classes` say",
    )
    classes: dict[Name, Motion] = Field(
        {}, description="anomalous: the ways to move, by the name of each"
    )
    mixing: Literal["object", "fractions", "video"] = Field(
        "object",
        description="anomalous: object: every class equally likely for each object; fractions: "
        "their shares differ from video to video, all shares equally likely; video: all objects "
        "of a video have the same class and the same α",
    )
    attm: Literal["corrected", "library"] = Field(
        "corrected", description="library: in 3D as andi-datasets has it, with dependent steps"
    )
    switching_probability: Fraction = Field(
        0.05, gt=0, description="switching: of D, per frame (geometric dwell times)"
    )
    shortest_dwell: Count = Field(6, description="switching: frames; shorter ones are redrawn")
    dimensions: Literal[2, 3] = 2
    depth: Positive = Field(32, description="3 dimensions: extent of the box along z, px")
    diffusivity: Distribution = Field((0.005, 0.7), description="D, px²/frame^α")
    smoothing: tuple[Positive, Positive] = Field(
        (3, 6), description="Gaussian filter of the landscape, px, uniform per video"
    )
    field_of_view: Positive = Field(32, description="side of the square box, px")
    frames: tuple[Count, Count] = Field((50, 55), description="frames per video, uniform")
    particles: tuple[Count, Count] = Field((30, 35), description="objects per video, uniform")
    boundary: Literal["reflecting", "free"] = "reflecting"
    dt: Positive | LogUniform = Field(
        1,
        description="Δt from one image to the next, in the frames that D counts per; steps grow "
        "as √Δt^α; log_uniform: one of each video",
    )
    intensity: tuple[float, float] = Field((20, 80), description="counts, uniform per object")
    intensity_sd: Annotated[float, Field(ge=0)] | LogUniform = Field(
        3, description="s.d. over time, counts, white; log_uniform: one of each video"
    )
    refractive_index: tuple[Positive, Positive] | None = Field(
        None, description="of objects in a hologram, uniform per object; null: spots that shine"
    )
    object_radius: tuple[Positive, Positive] = Field(
        (1, 1), description="of objects in a hologram, px, uniform per object"
    )

    @field_validator(
        "smoothing", "frames", "particles", "intensity", "refractive_index", "object_radius"
    )
    @classmethod
    def _ordered(cls, limits: tuple[float, float] | None) -> tuple[float, float] | None:
        return limits and _must_be_range(limits)

    @model_validator(mode="after")
    def _motion_is_whole(self) -> Self:
        if (self.motion == "anomalous") != bool(self.classes):
            raise ValueError(
                f"classes: {len(self.classes)} with motion: {self.motion}; "
                "they belong to motion: anomalous, which needs at least one"
            )
        if self.dimensions == 3 and self.motion != "anomalous":
            raise ValueError(
                f"dimensions: 3 with motion: {self.motion}; only anomalous motion has three"
            )
        return self

    @model_validator(mode="after")
    def _diffusivity_in_range(self) -> Self:
        low, high = self.diffusivity_bounds
        if not 0 <= low <= high:
            raise ValueError(
                f"diffusivity: from {low:g} to {high:g} px²/frame; expected 0 <= lowest <= highest"
            )
        if self.motion == "landscape" and not 0 < low < high:
            raise ValueError(
                f"diffusivity: from {low:g} to {high:g} px²/frame; "
                "a landscape is drawn in log10 D and needs 0 < lowest < highest"
            )
        return self

    @property
    def diffusivity_bounds(self) -> tuple[float, float]:
        """The lowest and the highest D that may be drawn, px²/frame."""
        return bounds(self.diffusivity)

    @property
    def interval(self) -> float:
        """Δt, where it is one for all videos, frames.

        Raises:
            InputError: where each video has its own.
        """
        if isinstance(self.dt, LogUniform):
            raise InputError(
                f"simulate.dt is drawn for each video, from {list(self.dt.log_uniform)}; expected "
                "one Δt: test what was learned here on data sets of one Δt each (`start`)"
            )
        return self.dt

    @property
    def crowding(self) -> float | None:
        """c = ρ⟨D⟩Δt of the mean density and the mean D that are drawn (Methods).

        None in three dimensions, and in a landscape, whose mean D no setting tells.
        """
        if self.dimensions == 3 or self.motion == "landscape":
            return None
        density = sum(self.particles) / 2 / self.field_of_view**2
        # as physics.crowding, without numpy: settings are read in a moment
        return density * mean(self.diffusivity) * self.interval


class Observe(Section):
    """What a localization step would do to the truth; the coordinates tier does it by numbers.

    Each pair is the range that one value per video is drawn from.
    """

    localization_error: tuple[float, float] = Field((0, 0), description="s.d. per axis, px")
    missed: tuple[Fraction, Fraction] = Field((0, 0), description="fraction of detections lost")
    false_positives: tuple[float, float] = Field(
        (0, 0), description="spurious detections, as a fraction of the true ones"
    )
    blinking: tuple[Fraction, Fraction] = Field(
        (0, 0), description="fraction of the time that an object is dark, for frames on end"
    )
    dark_frames: float = Field(
        5, ge=1, description="blinking: mean length of a dark period, frames (geometric)"
    )

    @field_validator("localization_error", "missed", "false_positives", "blinking")
    @classmethod
    def _ordered(cls, limits: tuple[float, float]) -> tuple[float, float]:
        return _must_be_range(limits)

    @model_validator(mode="after")
    def _lit_for_a_frame(self) -> Self:
        most = self.dark_frames / (1 + self.dark_frames)
        if self.blinking[1] > most:
            raise ValueError(
                f"blinking: up to {self.blinking[1]:g} with dark_frames: {self.dark_frames:g}; "
                f"expected at most {most:.3g}, where an object is lit for one frame at a time"
            )
        return self


class Render(Section):
    """Images of the trajectories (DeepTrack)."""

    modality: Literal["fluorescence", "holography"] = "fluorescence"
    psf_sd: float = Field(
        1.0, ge=0.5, le=5, description="s.d. of the point spread function, px, from 0.5 to 5"
    )
    background: float = Field(
        10, ge=0, description="counts per px; in a hologram those of the beam alone"
    )
    poisson: bool = Field(True, description="shot noise")
    pixel_size_um: Positive = Field(0.2, description="holography: µm per px, in the sample")
    wavelength_um: Positive = Field(0.633, description="holography: of the beam in vacuum, µm")
    numerical_aperture: Positive = Field(1.0, description="holography: of the objective")
    medium_index: Positive = Field(1.33, description="holography: refractive index; 1.33: water")
    focus: float = Field(
        16, ge=0, description="holography: px from the box (z = 0) to the plane in focus"
    )

    @model_validator(mode="after")
    def _light_passes(self) -> Self:
        if self.numerical_aperture >= self.medium_index:
            raise ValueError(
                f"numerical_aperture = {self.numerical_aperture:g} must be below "
                f"medium_index = {self.medium_index:g}"
            )
        if 2 * self.pixel_size_um * self.numerical_aperture > self.wavelength_um:
            raise ValueError(
                f"pixel_size_um = {self.pixel_size_um:g}; expected at most wavelength_um / "
                f"(2 numerical_aperture) = {self.wavelength_um / 2 / self.numerical_aperture:.3g}, "
                "or the finest fringes are lost"
            )
        return self


class Localize(Section):
    """Spots in a movie (trackpy.locate)."""

    diameter: Annotated[int, Field(ge=3)] = Field(5, description="size of a spot, px, odd")
    separation: Positive | None = Field(
        None, description="px, smallest distance of two spots; null: diameter + 1"
    )
    minmass: float = Field(
        30,
        ge=0,
        description="counts above background in a spot; holography: s.d. of shot noise, in the "
        "refocused hologram",
    )
    percentile: float = Field(64, ge=0, le=100, description="peaks must be brighter than this")
    noise_size: Positive = Field(1, description="s.d. of the Gaussian blur against noise, px")
    smoothing_size: Annotated[int, Field(ge=3)] | None = Field(
        None, description="side of the square whose mean is background, px, odd; null: diameter"
    )
    invert: bool = Field(False, description="dark spots on bright ground")
    match_radius: Positive = Field(1.5, description="px, farthest a true position may lie")
    depth: Positive = Field(32, description="holography: extent of the box along z, px")
    object_radius: Positive = Field(4, description="holography: of every sphere, px")
    refractive_index: tuple[Positive, Positive] = Field(
        (1.34, 1.56), description="holography: lowest and highest of a sphere"
    )

    @field_validator("refractive_index")
    @classmethod
    def _ordered(cls, limits: tuple[float, float]) -> tuple[float, float]:
        return _must_be_range(limits)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        for name, size in (("diameter", self.diameter), ("smoothing_size", self.smoothing_size)):
            if size is not None and size % 2 == 0:
                raise ValueError(f"{name} must be odd, but is {size} px")
        if self.noise_size >= (self.smoothing_size or self.diameter):
            raise ValueError(
                f"noise_size = {self.noise_size:g} px must be below "
                f"{self.smoothing_size or self.diameter} px, the size of the background"
            )
        return self


class Graph(Section):
    """Candidate edges (Methods, "Description of MAGIK")."""

    radius: float = Field(0.20, gt=0, le=20, description="reach in space, in the unit of length")
    max_lag: Count = Field(2, description="reach in time, frames")
    axes: tuple[Literal["x", "y", "z"], ...] = Field(
        ("x", "y"), min_length=1, description="along which distance is measured"
    )
    unit: Literal["field_of_view", "spacing"] = Field(
        "field_of_view",
        description="of length; spacing: median distance of a video's localizations to the "
        "nearest in the same frame, so that a network serves another microscope",
    )
    keep: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="share of the training set's true links that the graph must hold: the reach "
        "is then measured, and radius and max_lag are its upper limits",
    )

    @model_validator(mode="after")
    def _within_the_field_of_view(self) -> Self:
        if self.unit == "field_of_view" and self.radius > 1:
            raise ValueError(f"radius = {self.radius:g} fields of view; expected > 0 and <= 1")
        return self


class Split(Section):
    """How many videos a split has, and how long they are."""

    videos: Count = Field(8, description="videos")
    frames: tuple[Count, Count] | None = Field(None, description="overrides simulate.frames")


class Splits(Section):
    """The four independent draws of a data set."""

    train: Split = Split()
    validation: Split = Split()
    test: Split = Split()
    long: Split = Split()


EdgeFeature = Literal[
    "distance",
    "log_distance",
    "displacement_x",
    "displacement_y",
    "displacement_z",
    "lag",
    "overlap_sender",
    "overlap_receiver",
]


class Features(Section):
    """What the network sees, by name."""

    node: tuple[str, ...] = ("x", "y", "intensity")
    edge: tuple[EdgeFeature, ...] = ("distance",)


MOST_EIGENVECTORS = 32
"""That a positional encoding may have: a batch holds a sign for each."""


class Network(Section):
    """The neural network (Methods, "Description of MAGIK")."""

    kind: Literal[
        "magik", "magik_tracks", "message_passing", "gated_graph", "graph_transformer"
    ] = Field(
        "magik",
        description="magik: as published; magik_tracks: evidence along soft tracks; the others: "
        "rivals of Extended Data Table 1",
    )
    encoder: tuple[Count, ...] = Field((32, 64, 96), description="widths; the last is l' = f'")
    decoder: tuple[Count, ...] = Field((96, 64, 32), description="node and edge decoders")
    global_decoder: tuple[Count, ...] = Field((64,), description="graph decoder")
    blocks: Count = Field(2, description="FGNN blocks")
    heads: Count = Field(12, description="Z, attention heads")
    sigma: Positive = Field(0.1, description="initial σ of Eq. 2, in units of length")
    beta: Positive = Field(1.0, description="initial β of Eq. 2")
    receptive_field: bool = Field(
        True, description="magik: messages weighted by Eq. 2; false: summed as they are"
    )
    attention: bool = Field(
        True, description="magik: nodes updated by Eq. 4; false: each by itself, by an MLP"
    )
    laplacian: Annotated[int, Field(ge=0, le=MOST_EIGENVECTORS)] = Field(
        0,
        description="eigenvectors of the graph's Laplacian that nodes are given beside their "
        "features; 0: none (not magik_tracks)",
    )
    evidence: Count = Field(16, description="magik_tracks: numbers pooled along a track")
    moments: bool = Field(
        False,
        description="magik_tracks: also the mean and s.d. of every edge feature along a track",
    )
    matching: int = Field(
        0,
        ge=0,
        description="magik_tracks: rounds in which links exclude each other, one at each end of "
        "an object; 0: either end chooses for itself, so that cells can divide",
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.kind in ("magik", "graph_transformer") and self.encoder[-1] % self.heads:
            raise ValueError(
                f"heads = {self.heads} must divide the latent width {self.encoder[-1]}"
            )
        return self

    @model_validator(mode="after")
    def _has_only_what_its_kind_has(self) -> Self:
        for name in ("laplacian",) if self.kind == "magik_tracks" else ("matching", "moments"):
            if given := getattr(self, name):
                raise ValueError(
                    f"{name} = {given} of a network of kind '{self.kind}'; leave it out, or choose "
                    "another kind"
                )
        return self

    @model_validator(mode="after")
    def _only_magik_is_ablated(self) -> Self:
        if self.kind != "magik" and not (self.receptive_field and self.attention):
            raise ValueError(
                f"receptive_field, attention = {self.receptive_field}, {self.attention} of a "
                f"network of kind '{self.kind}'; only kind 'magik' can be without one"
            )
        return self


class Task(Section):
    """What is predicted and how it is scored."""

    level: Literal["node", "edge", "graph"]
    target: Literal["displacement_scaling", "exponent", "fractions", "linked", "same_track"] = (
        Field(
            description="exponent: α, of an object or, at level graph, of the whole video; "
            "fractions: share of the objects of a video in each class (where all are of one, it "
            "is the class); linked: to the next detection of the same cell, or from mother to "
            "daughter; same_track: also over detections in between",
        )
    )
    loss: Literal["l1", "cross_entropy", "binary_cross_entropy", "parent_choice"] = Field(
        description="parent_choice: cross-entropy of each node's true sender among its edges, "
        "or none of them (networks with soft tracks)",
    )
    quantiles: tuple[Fraction, Fraction, Fraction] | None = Field(
        None,
        description="lower, 0.5, upper: predict an interval, by the pinball loss, whose middle "
        "is the l1 loss",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.level, self.target, self.loss) not in _TASKS:
            known = "; ".join(", ".join(task) for task in _TASKS)
            raise ValueError(
                f"level, target, loss = {self.level}, {self.target}, {self.loss}; "
                f"expected one of: {known}"
            )
        if self.quantiles is not None:
            lower, middle, upper = self.quantiles
            if self.loss != "l1" or self.target == "fractions":
                raise ValueError(
                    f"quantiles of {self.target} with loss {self.loss}; they are for regressed "
                    "numbers: displacement_scaling or exponent with loss l1"
                )
            if not 0 < lower < middle == 0.5 < upper < 1:
                raise ValueError(
                    f"quantiles = {list(self.quantiles)}; expected 0 < lower < 0.5 < upper < 1"
                )
        return self

    @property
    def variable(self) -> str:
        """Name of the target among the variables of a graph."""
        of_video = self.level == "graph" and self.target == "exponent"
        return "video_exponent" if of_video else self.target

    @property
    def of_object(self) -> str | None:
        """Name of what the nodes of a graph say of the same, each of its object; None: nothing."""
        if self.level == "graph":
            return "motion" if self.target == "fractions" else "exponent"
        return self.target if self.level == "node" else None


_TASKS = (
    ("node", "displacement_scaling", "l1"),
    ("node", "exponent", "l1"),
    ("graph", "exponent", "l1"),
    ("graph", "fractions", "cross_entropy"),
    ("graph", "fractions", "l1"),
    ("edge", "linked", "binary_cross_entropy"),
    ("edge", "same_track", "binary_cross_entropy"),
    ("edge", "linked", "parent_choice"),
)


class Recipe(Section):
    """How a network is trained (Methods, "MAGIK training")."""

    epochs: Annotated[int, Field(ge=0)] = Field(
        100, description="passes over samples_per_epoch graphs; 0: the network of `start` as it is"
    )
    samples_per_epoch: Count = Field(1024, description="graphs drawn from the training set")
    batch_size: Count = Field(8, description="graphs per step")
    learning_rate: Positive = Field(1e-3, description="Adam; the peak if one_cycle")
    schedule: Literal["constant", "one_cycle"] = "constant"
    window: tuple[Count, Count] | None = Field(
        None, description="frames cropped from each video, growing over training; all if null"
    )
    window_share: tuple[Fraction, Fraction] | None = Field(
        None, description="share of a video's frames in a window, uniform, in place of `window`"
    )
    drop: Fraction = Field(0, description="share of nodes left out, with their edges")
    noise: float = Field(0, ge=0, description="added to descriptors, in their own s.d.")
    class_weights: bool = Field(
        False, description="linked and unlinked edges of a batch count the same in all"
    )
    link_loss: float = Field(0, ge=0, description="weight of the auxiliary link loss")
    object_loss: float = Field(
        0, ge=0, description="tasks of whole videos: weight of the same task for each object"
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Count = Field(1, description="CPU threads; part of what makes the bytes")
    checkpoint_seconds: Positive = Field(60, description="between two checkpoints")

    @field_validator("window", "window_share")
    @classmethod
    def _ordered(cls, limits: tuple[float, float] | None) -> tuple[float, float] | None:
        return limits and _must_be_range(limits)


class Predict(Section):
    """Prediction of whole videos, long ones in windows."""

    window: Count = Field(50, description="frames, about; the paper's 50")
    context: Annotated[int, Field(ge=0)] = Field(
        0, description="further frames seen on each side of a window; the paper's 0"
    )


class Linking(Section):
    """Scores of edges -> tracks and divisions (Methods, "Postprocessing algorithm")."""

    method: Literal["published", "global", "motile"] = Field(
        "published",
        description="published: follow linked edges frame by frame, as in Methods; "
        "global: the set of links of highest total score; motile: the same set, found by motile, "
        "an optional extra",
    )
    threshold: Fraction = Field(0.5, description="probability above which an edge is linked")
    children: Count = Field(2, description="links that may leave a localization: 2 = divisions")
    parents: Count = Field(1, description="links that may reach a localization: 2 = merging")


class Source(Section):
    """Cells of one recording: masks or detections, and their lineage where it is known."""

    folder: str | None = Field(
        None,
        description="Cell Tracking Challenge sequence, such as DIC-C2DH-HeLa/01: images; masks "
        "from 01_ST/SEG beside it, lineage and markers from 01_GT/TRA",
    )
    masks: str | None = Field(
        None, description="label stack: TIFF, OME-TIFF or Zarr, or a folder of numbered TIFFs"
    )
    table: str | None = Field(None, description="CSV or Parquet, one row per detection")
    geff: str | None = Field(None, description="GEFF: a graph of detections in Zarr")
    images: str | None = Field(
        None, description="the images that masks were made from: mean intensities, overlays"
    )
    lineage: str | None = Field(
        None, description="man_track.txt: label, first and last frame, parent; makes labels truth"
    )
    markers: str | None = Field(
        None, description="gold markers of the Cell Tracking Challenge (man_track*.tif): TRA, DET"
    )
    columns: dict[str, str] = Field(
        {},
        description="our name: name in the table, where the header is not recognised; positions "
        "in a table count from the corner of the first pixel",
    )
    field_of_view: tuple[Positive, Positive] | None = Field(
        None,
        description="height and width, px, of tables and GEFF; null: up to the last position",
    )
    frames: tuple[Annotated[int, Field(ge=0)], Count] | None = Field(
        None, description="first frame, and the one after the last; all if null"
    )
    pixel_size_um: Positive | None = Field(
        None, description="µm per px, of a GEFF whose positions are lengths; a sample's own if null"
    )
    z_step_px: Positive | None = Field(
        None,
        description="px from plane to plane of masks in space, as 5 for planes 1 µm apart at "
        "0.2 µm per px; null: as far apart as pixels",
    )

    @property
    def files(self) -> dict[str, str]:
        """Every path that the source names, by the setting that names it."""
        kinds = ("folder", "masks", "table", "geff", "images", "lineage", "markers")
        return {kind: path for kind in kinds if (path := getattr(self, kind)) is not None}

    @property
    def needed(self) -> dict[str, str]:
        """Those that must be there: of a sequence its masks, as images and truth may be missing."""
        files = self.files
        if self.folder is not None:
            files["folder"] = f"{self.folder.rstrip('/')}_ST"
        return files

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [k for k in ("folder", "masks", "table", "geff") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(
                f"found {' and '.join(given) or 'none'} of folder, masks, table, geff; "
                "expected exactly one"
            )
        if self.frames and not self.frames[0] < self.frames[1]:
            raise ValueError(f"frames = {list(self.frames)}; expected first < one after the last")
        if self.pixel_size_um and self.geff is None:
            raise ValueError("pixel_size_um belongs to a geff; all else is in px")
        if self.z_step_px and not {"folder", "masks"} & set(given):
            raise ValueError(f"z_step_px belongs to masks; z of a {given[0]} is in px already")
        return self


class Cells(Section):
    """Recordings of cells, in place of a simulation: what to learn from, and what to test on."""

    train: tuple[Source, ...] = Field(min_length=1)
    test: tuple[Source, ...] = Field(min_length=1)


class Map(Section):
    """Diffusion map: scattered diffusivity -> grid."""

    grid: Count = Field(64, description="points per side of the field of view")
    kernel_sd: Positive = Field(1.5, description="s.d. of the kernel, px; at least a cell")
    durations: tuple[Count, ...] = Field(
        (100, 1500), min_length=1, description="frames that maps are made of"
    )


class LinkFree(Section):
    """The floor where no links are given: sampling over all ways to link, on few videos."""

    videos: Count | None = Field(4, description="the first ones of the test split; null: all")
    sweeps: Count = Field(
        1000, ge=2, description="of each of two chains, of which the latter half counts"
    )
    most_sweeps: Count = Field(
        8000, description="sweeps are doubled, up to here, until both chains agree"
    )


def _must_differ(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"{list(seeds)}; expected each seed once")
    return seeds


Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...],
    Field(min_length=1, description="one training each"),
    AfterValidator(_must_differ),
]


class Defaults(Section):
    """What every data set and experiment has, unless it says otherwise. Scales overlay this."""

    simulate: Simulate = Simulate()
    observe: Observe = Observe()
    render: Render = Render()
    localize: Localize = Localize()
    graph: Graph = Graph()
    splits: Splits = Splits()
    features: Features = Features()
    predict: Predict = Predict()
    linking: Linking = Linking()
    map: Map = Map()
    seeds: Seeds = (0,)


class Dataset(Section):
    """Simulated videos or, with `cells`, recorded ones: `defaults`, and what it says on top."""

    cells: Cells | None = None
    simulate: Simulate
    observe: Observe
    render: Render
    localize: Localize
    graph: Graph
    splits: Splits
    link_free: LinkFree | None = Field(None, description="null: without this floor")

    @model_validator(mode="after")
    def _links_can_be_sampled(self) -> Self:
        simulate, observe = self.simulate, self.observe
        errors = (observe.localization_error, observe.missed, observe.false_positives)
        exact = all(each == (0, 0) for each in (*errors, observe.blinking))
        varied = [isinstance(each, LogUniform) for each in (simulate.dt, simulate.intensity_sd)]
        known = simulate.motion == "brownian" and not any(varied)
        if self.link_free and (self.cells or not exact or not known):
            raise ValueError(
                "link_free needs simulate.motion: brownian, one simulate.dt, one "
                "simulate.intensity_sd, and nothing that is missed, false or inexact (observe)"
            )
        return self

    @model_validator(mode="after")
    def _holograms_have_spheres(self) -> Self:
        spheres = self.simulate.dimensions == 3 and self.simulate.refractive_index is not None
        if self.render.modality == "holography" and not spheres and self.cells is None:
            raise ValueError(
                "render.modality: holography needs simulate.dimensions: 3 and "
                "simulate.refractive_index"
            )
        if self.render.modality == "holography" and spheres:
            told = (self.localize.depth, (self.localize.object_radius,) * 2)
            true = (self.simulate.depth, self.simulate.object_radius)
            if told != true:
                raise ValueError(
                    f"localize is told that depth, object_radius = {told[0]:g}, {told[1][0]:g} px, "
                    f"but they are {true[0]:g}, {list(true[1])}: places and indices would be wrong"
                )
        return self

    def of_split(self, split: str) -> tuple[Simulate, int]:
        """Settings of the simulation of a split, and its number of videos."""
        chosen: Split = getattr(self.splits, split)
        frames = chosen.frames or self.simulate.frames
        return self.simulate.model_copy(update={"frames": frames}), chosen.videos


class Experiment(Section):
    """One network trained on one data set for one task."""

    dataset: Name
    task: Name
    network: Name
    recipe: Name
    tiers: tuple[Tier, ...] = TIERS
    features: Features
    predict: Predict
    linking: Linking
    map: Map
    seeds: Seeds = (0,)
    on_demand: bool = Field(
        False,
        description="left out of the target `all` and of results/scores.csv: made where a figure "
        "or score table that has it is asked for by name",
    )
    start: str | None = Field(
        None,
        description="experiment, or path of a checkpoint, whose trained network this training "
        "begins with; null: with random weights",
    )
    weights: str | None = Field(
        None,
        description="trained network that serves the samples, as `magik/weights/NAME.safetensors`; "
        "null: they wait for this experiment's training",
    )


Score = Literal[
    "mae_displacement_scaling",
    "mae_diffusivity",
    "mae_exponent",
    "mae_video_exponent",
    "mae_fractions",
    "accuracy",
    "coverage",
    "change_point_f1_5",
    "change_point_f1_10",
    "change_point_jaccard",
    "change_point_rmse",
    "edge_f1",
    "mae_displacement_scaling_first",
    "edge_f1_first",
    "start_difference",
    "converged",
    "rms_log10_diffusivity",
    "correlation_log10_diffusivity",
    "recall",
    "precision",
    "localization_error",
    "localization_error_z",
    "localization_error_3d",
    "refractive_index_error",
    "candidate_f1",
    "candidate_f1_same_track",
    "graph_recall",
    "lnk",
    "division_f1",
    "tra",
    "det",
    "parameters",
    "graph_passes",
    "training_seconds",
]
"""The quantities of `magik.metrics`, which has their units."""

COSTS = ("graph_passes", "training_seconds")
"""Those of what a training cost (`metrics.read_training`), which a curve may run along."""


class Panel(Section):
    """One panel of a figure: a kind of drawing, and the experiment it draws."""

    panel: Literal[
        "frame",
        "truth_graph",
        "predicted_graph",
        "density",
        "true_map",
        "map",
        "segmentation",
        "candidate_graph",
        "true_links",
        "predicted_links",
        "true_tracks",
        "predicted_tracks",
        "division",
        "confusion",
        "depth_graph",
        "trace",
        "neighbours",
        "target_graph",
        "target_zoom",
        "attention",
        "attention_tracks",
        "contrast",
        "curve",
        "matrix",
    ]
    of: Name = Field(description="experiment; curve, matrix: sweep")
    title: str = Field(
        "",
        description="written above the panel, in place of its usual title; errors stand behind it",
    )
    pixel_size_um: Positive | None = Field(None, description="µm per px, for a scale bar")
    duration: Count | Literal["shortest", "longest"] | None = Field(
        None, description="map: frames it is made from, by number or among map.durations"
    )
    read_out: Literal["nearest", "kernel"] | None = Field(None, description="map: how")
    motion: Name | None = Field(
        None,
        description="name of a class: frame, depth_graph: of the first video that moves so; "
        "density: whose fraction",
    )
    particle: Annotated[int, Field(ge=0)] | None = Field(
        None, description="trace: of the first video; null: the one seen in most frames"
    )
    head: Count | None = Field(
        None, description="attention, attention_tracks: from 1; null: every head, small"
    )
    block: Literal["first", "last"] | None = Field(
        None, description="attention, attention_tracks, contrast: of the network; null: last"
    )
    along: str | None = Field(
        None,
        description="curve, matrix: axis of the sweep; curve: or `crowding`, c of what is "
        "simulated, or what the trainings cost, as `graph_passes`; matrix: downwards",
    )
    score: Score | None = Field(None, description="curve, matrix: what is drawn")
    experiments: dict[Name, str] | None = Field(
        None,
        description="curve, matrix: those whose networks are drawn, and how each is called; "
        "matrix: the columns",
    )
    methods: dict[Name, str] | None = Field(
        None, description="curve: other methods that are drawn, and how each is called"
    )
    rows: dict[str, str] | None = Field(
        None, description="matrix: values of the axis that are drawn, and how each is called"
    )
    where: dict[str, str] = Field(
        {},
        description="curve, matrix: value of other axes, as it stands in paths; matrix: of all",
    )

    @property
    def of_sweep(self) -> bool:
        """Does it draw a sweep, and not one experiment?"""
        return self.panel in _OF_SWEEPS

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        for name, kinds in _ONLY_FOR.items():
            if getattr(self, name) not in (None, {}) and self.panel not in kinds:
                known = " or ".join(f"'{kind}'" for kind in kinds)
                raise ValueError(f"{name} belongs to a panel of kind {known}, not '{self.panel}'")
        for kind, name in _NEEDED:
            if self.panel == kind and getattr(self, name) is None:
                raise ValueError(f"a panel of kind '{kind}' needs a {name}")
        return self


_OF_SWEEPS = ("curve", "matrix")

_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "duration": ("map",),
    "read_out": ("map",),
    "motion": ("frame", "depth_graph", "density"),
    "particle": ("trace",),
    "head": ("attention", "attention_tracks"),
    "block": ("attention", "attention_tracks", "contrast"),
    **dict.fromkeys(("along", "score", "experiments"), _OF_SWEEPS),
    "methods": ("curve",),
    "rows": ("matrix",),
    "where": _OF_SWEEPS,
}
"""Settings of a panel that only some kinds have."""

_NEEDED = (
    ("map", "duration"),
    *((kind, name) for kind in _OF_SWEEPS for name in ("along", "score", "experiments")),
    ("matrix", "rows"),
)
"""Settings that a kind of panel cannot do without."""

_OF_NODES = ("truth_graph", "predicted_graph", "trace", "target_graph", "target_zoom")
_OF_ATTENTION = ("target_graph", "target_zoom", "attention", "attention_tracks", "contrast")


class Figure(Section):
    """A figure: its panels by letter."""

    title: str
    tier: Tier = "coordinates"
    panels: dict[Annotated[str, Field(pattern=r"^[a-z]$")], Panel] = Field(min_length=1)


OF_TABLES = ("x", "y", "z", "intensity", "relative_intensity")
"""Node features that a user's table of localizations may have without a word in `columns`."""

OF_MOVIES = (*OF_TABLES, "mass", "size", "eccentricity")
"""Those of the spots that are found in a user's movie (`localize.DESCRIPTORS`)."""


class Sample(Section):
    """A user's own recording: movie, localizations or cells, with its physical units."""

    movie: str | None = Field(None, description="TIFF or OME-TIFF; path from the project's root")
    table: str | None = Field(None, description="CSV or Parquet of localizations")
    cells: Source | None = Field(None, description="masks or detections to be linked to lineages")
    columns: dict[str, str] = Field(
        {}, description="our name: name in the table, where the header is not recognised"
    )
    pixel_size_um: Positive = Field(description="µm per px")
    frame_interval_s: Positive = Field(description="s per frame")
    localize: Localize = Localize()
    experiment: Name = Field(
        description="whose network is used; of cells, if it is not named: lineages where there are "
        "masks, else lineages_points"
    )
    map: Map = Map()
    linking: Linking | None = Field(None, description="null: as the experiment says")
    source: str = Field("", description="where the recording comes from, and its licence")

    @model_validator(mode="before")
    @classmethod
    def _cells_have_a_network(cls, given: Any) -> Any:
        """Cells that name no `experiment` are linked by the network that ships for their kind."""
        cells = given.get("cells") if isinstance(given, Mapping) else None
        if not isinstance(cells, Mapping) or given.get("experiment") is not None:
            return given
        masks = {"masks", "folder"} & set(cells)
        return {**given, "experiment": "lineages" if masks else "lineages_points"}

    @model_validator(mode="after")
    def _movie_or_table(self) -> Self:
        if sum(given is not None for given in (self.movie, self.table, self.cells)) != 1:
            raise ValueError("a sample has one of 'movie', 'table' and 'cells'")
        if self.cells and self.columns:
            raise ValueError("write columns into cells: cells: {table: ..., columns: {...}}")
        return self

    @model_validator(mode="after")
    def _cells_have_its_pixels(self) -> Self:
        if self.cells and self.cells.geff and self.cells.pixel_size_um is None:
            told = self.cells.model_copy(update={"pixel_size_um": self.pixel_size_um})
            object.__setattr__(self, "cells", told)  # frozen for all others
        return self

    @property
    def needed(self) -> dict[str, str]:
        """Every path that must be there, by the setting that names it."""
        own = {"movie": self.movie, "table": self.table}
        cells = {f"cells.{k}": v for k, v in (self.cells.needed if self.cells else {}).items()}
        return {name: path for name, path in own.items() if path} | cells


class Sweep(Section):
    """Experiments repeated with other settings (`magik.sweeps`).

    A setting is named by its path from the experiment: `dataset.simulate.dt`, `recipe.epochs`,
    `features.node`, or `network` for another of the networks. Of each its values, or its values
    by names, which then stand in the paths of what is made.
    """

    of: tuple[Name, ...] = Field(min_length=1, description="experiments")
    grid: dict[str, list[Any] | dict[str, Any]] = Field(
        {}, description="values of each setting: every combination is a point"
    )
    points: tuple[dict[str, Any], ...] = Field(
        (), description="the points themselves, in place of a grid: the same settings in each"
    )

    @model_validator(mode="after")
    def _has_points(self) -> Self:
        _once("of", self.of)
        if bool(self.grid) == bool(self.points):
            raise ValueError("found both grid and points" if self.grid else "no grid, no points")
        for path, values in self.grid.items():
            if not values:
                raise ValueError(f"grid.{path}: no values; expected at least one")
        paths = [sorted(point) for point in self.points]
        for place, given in enumerate(paths):
            if not given or given != paths[0]:
                raise ValueError(
                    f"points.{place} sets {', '.join(given) or 'nothing'}; expected the same "
                    f"settings in every point: {', '.join(paths[0]) or 'at least one'}"
                )
        return self


class Column(Section):
    """One task of a table."""

    title: str
    scores: tuple[Score, ...] = Field(min_length=1)


class Table(Section):
    """Networks side by side (`magik.tables`): points of sweeps, at one experiment or several."""

    title: str
    sweeps: tuple[Name, ...] = Field(min_length=1, description="whose points are rows; of one axis")
    rows: dict[str, str] = Field(
        min_length=1,
        description="values on that axis, and how each is called; all are compared with the first",
    )
    columns: dict[Name, Column] = Field(min_length=1, description="experiments of the sweeps")
    methods: dict[Name, str] = Field(
        {}, description="other methods that have a row, and how each is called"
    )

    @model_validator(mode="after")
    def _rows_differ(self) -> Self:
        _once("rows and methods", [*self.rows.values(), *self.methods.values()])
        return self


class Published(Section):
    """A number of the paper, for the score tables."""

    experiment: Name
    tier: Tier = "coordinates"
    score: Score
    value: float
    sd: Positive | None = None
    at: str | None = Field(
        None, description="row of a table that it belongs to; null: the experiment as it is"
    )
    source: str


class Study(Section):
    """The whole of config.yaml, resolved."""

    scale: str = "laptop"
    seed: Annotated[int, Field(ge=0)] = 1
    defaults: Defaults
    tasks: dict[Name, Task]
    networks: dict[Name, Network]
    recipes: dict[Name, Recipe]
    datasets: dict[Name, Dataset]
    experiments: dict[Name, Experiment]
    figures: dict[Name, Figure] = {}
    sweep: dict[Name, Sweep] = {}
    tables: dict[Name, Table] = {}
    scores: dict[Name, tuple[Name, ...]] = Field(
        {}, description="score tables by name: the experiments in each, also those on demand"
    )
    samples: dict[Name, Sample] = {}
    published: tuple[Published, ...] = ()

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        for name in self.experiments:
            self.must_fit(name)
        for name, sweep in self.sweep.items():
            if name in self.figures or name in self.samples:
                raise ValueError(f"sweep.{name}: a figure or sample has this name too")
            for repeated in sweep.of:
                _must_know(f"sweep.{name}.of", repeated, self.experiments)
        for name, table in self.tables.items():
            if name in self.figures or name in self.samples or name in self.sweep:
                raise ValueError(f"tables.{name}: a figure, sweep or sample has this name too")
            for sweep_name in table.sweeps:
                _must_know(f"tables.{name}.sweeps", sweep_name, self.sweep)
        for name, listed in self.scores.items():
            taken = (self.figures, self.sweep, self.tables, self.samples)
            if any(name in named for named in taken):
                raise ValueError(
                    f"scores.{name}: a figure, sweep, table or sample has this name too"
                )
            _once(f"scores.{name}", listed)
            for each in listed:
                _must_know(f"scores.{name}", each, self.experiments)
        for name, figure in self.figures.items():
            for letter, panel in figure.panels.items():
                where = f"figures.{name}.panels.{letter}"
                if panel.of_sweep:
                    self._sweep_has(where, panel)
                    continue
                _must_know(f"{where}.of", panel.of, self.experiments)
                experiment = self.experiments[panel.of]
                if figure.tier not in experiment.tiers:
                    raise ValueError(f"{where}: '{panel.of}' has no tier '{figure.tier}'")
                durations = experiment.map.durations
                if isinstance(panel.duration, int) and panel.duration not in durations:
                    raise ValueError(
                        f"{where}.duration: {panel.duration} is not among "
                        f"experiments.{panel.of}.map.durations {durations}"
                    )
                self._panel_fits(where, panel)
        for name, sample in self.samples.items():
            if name in self.figures:
                raise ValueError(f"samples.{name}: a figure has this name too; choose another")
            _must_know(f"samples.{name}.experiment", sample.experiment, self.experiments)
            linking = sample.linking or self.experiments[sample.experiment].linking
            self._parents_fit(f"samples.{name}", linking, sample.experiment)
            level = self.tasks[self.experiments[sample.experiment].task].level
            if (sample.cells is None) == (level == "edge"):
                raise ValueError(
                    f"samples.{name}: experiment '{sample.experiment}' is for "
                    + ("cells: name them as 'cells'" if level == "edge" else "a movie or a table")
                )
            experiment = self.experiments[sample.experiment]
            if not experiment.weights and "coordinates" not in experiment.tiers:
                raise ValueError(
                    f"samples.{name}.experiment: '{sample.experiment}' has no tier 'coordinates'"
                )
            self._features_are_there(name, sample)
        for index, number in enumerate(self.published):
            _must_know(f"published.{index}.experiment", number.experiment, self.experiments)
        return self

    def must_fit(self, name: str) -> None:
        """Refuse an experiment that names what there is not, or what does not fit together.

        Raises:
            ValueError: naming the experiment, what was found and what was expected.
        """
        experiment = self.experiments[name]
        for kind in ("dataset", "task", "network", "recipe"):
            known = getattr(self, f"{kind}s")
            _must_know(f"experiments.{name}.{kind}", getattr(experiment, kind), known)
        network, recipe = self.networks[experiment.network], self.recipes[experiment.recipe]
        if recipe.link_loss and network.kind != "magik_tracks":
            raise ValueError(
                f"experiments.{name}: recipe '{experiment.recipe}' has a link_loss, but "
                f"network '{experiment.network}' of kind '{network.kind}' has no soft tracks"
            )
        self._start_fits(name, experiment)
        self._task_fits(name, experiment)

    def _start_fits(self, name: str, experiment: Experiment) -> None:
        """Refuse a training that would begin with nothing, or with itself."""
        start = experiment.start
        if start is None:
            if self.recipes[experiment.recipe].epochs == 0:
                raise ValueError(
                    f"experiments.{name}: recipe '{experiment.recipe}' has epochs: 0, which is for "
                    "a network that is trained already; name it as `start`"
                )
            return
        if start.endswith(".safetensors"):
            return
        _must_know(f"experiments.{name}.start", start, self.experiments)
        seen = [name]
        while start is not None and not start.endswith(".safetensors"):
            seen.append(start)
            if start in seen[:-1]:
                raise ValueError(f"experiments.{name}.start: in a circle: {' -> '.join(seen)}")
            start = self.experiments[start].start
        first = self.experiments[experiment.start or ""]
        for kind in ("task", "network", "features"):
            here, there = getattr(experiment, kind), getattr(first, kind)
            if here != there:
                raise ValueError(
                    f"experiments.{name}.start: '{experiment.start}' has another {kind} "
                    f"({there}); expected that of '{name}' ({here})"
                )
        for tier in experiment.tiers:
            if tier not in first.tiers:
                raise ValueError(f"experiments.{name}.start: '{experiment.start}' has no '{tier}'")

    def _sweep_has(self, where: str, panel: Panel) -> None:
        """Refuse a panel of a sweep that there is not, or of what it does not repeat."""
        _must_know(f"{where}.of", panel.of, self.sweep)
        for experiment in panel.experiments or {}:
            _must_know(f"{where}.experiments", experiment, dict.fromkeys(self.sweep[panel.of].of))

    def _parents_fit(self, where: str, linking: Linking, experiment: str) -> None:
        """Refuse merging by a network that chooses one parent: it would never happen."""
        task = self.tasks[self.experiments[experiment].task]
        if linking.parents > 1 and task.loss == "parent_choice":
            raise ValueError(
                f"{where}.linking.parents = {linking.parents}, but the network of "
                f"'{experiment}' chooses one parent at most (loss: parent_choice); things that "
                "merge need a network trained with binary_cross_entropy"
            )

    def _features_are_there(self, name: str, sample: Sample) -> None:
        """Refuse a movie or table that can never have what its network sees of localizations."""
        named = [ours for ours in sample.columns if ours not in ("frame", *OF_TABLES)]
        known = OF_MOVIES if sample.movie else (*OF_TABLES, *named)
        seen = self.experiments[sample.experiment].features.node
        lacking = [feature for feature in seen if feature not in known]
        if lacking and not sample.cells:
            raise ValueError(
                f"samples.{name}: experiment '{sample.experiment}' sees {', '.join(lacking)} of "
                f"every localization, but a {'movie' if sample.movie else 'table'} gives "
                f"{', '.join(known)}. Choose an experiment that does not"
                + ("" if sample.movie else f", or say columns: {{{lacking[0]}: <its name>}}")
            )

    def _task_fits(self, name: str, experiment: Experiment) -> None:
        """Refuse a task that data set, network or figure cannot serve."""
        task, dataset = self.tasks[experiment.task], self.datasets[experiment.dataset]
        self._parents_fit(f"experiments.{name}", experiment.linking, name)
        network = self.networks[experiment.network]
        if task.loss == "parent_choice" and network.kind != "magik_tracks":
            raise ValueError(
                f"experiments.{name}: task '{experiment.task}' has the loss parent_choice, but "
                f"network '{experiment.network}' of kind '{network.kind}' has no soft tracks"
            )
        if dataset.cells and task.level != "edge":
            raise ValueError(
                f"experiments.{name}: the data set '{experiment.dataset}' of cells is for tasks "
                f"of level 'edge', but '{experiment.task}' is of level '{task.level}'"
            )
        if dataset.cells and "images" in experiment.tiers:
            raise ValueError(
                f"experiments.{name}.tiers: the data set '{experiment.dataset}' of cells has the "
                "tier 'coordinates' alone; write tiers: [coordinates]"
            )
        if not dataset.cells:
            simulate = dataset.simulate
            if task.target in ("exponent", "fractions") and simulate.motion != "anomalous":
                raise ValueError(
                    f"experiments.{name}: task '{experiment.task}' is about anomalous motion, but "
                    f"datasets.{experiment.dataset}.simulate.motion is {simulate.motion}"
                )
            if task.variable == "video_exponent" and simulate.mixing != "video":
                raise ValueError(
                    f"experiments.{name}: task '{experiment.task}' wants one exponent of a video, "
                    f"but datasets.{experiment.dataset}.simulate.mixing is {simulate.mixing}; "
                    "expected video"
                )
            if task.target == "displacement_scaling" and simulate.motion == "anomalous":
                raise ValueError(
                    f"experiments.{name}: √(2D) is learned from normal diffusion, but "
                    f"datasets.{experiment.dataset}.simulate.motion is anomalous"
                )
        if task.target == "displacement_scaling" and dataset.graph.unit != "field_of_view":
            raise ValueError(
                f"experiments.{name}: D is learned in fields of view; "
                f"datasets.{experiment.dataset}.graph.unit must be field_of_view"
            )

    def _panel_fits(self, where: str, panel: Panel) -> None:
        """Refuse a panel of what its experiment does not predict, has not or does not see."""
        experiment = self.experiments[panel.of]
        task, network = self.tasks[experiment.task], self.networks[experiment.network]
        simulate = self.datasets[experiment.dataset].simulate
        if panel.panel in _OF_NODES and task.level != "node":
            raise ValueError(
                f"{where}: '{panel.panel}' shows what is predicted of each node, but "
                f"'{panel.of}' is of level '{task.level}'"
            )
        if panel.panel == "trace" and simulate.motion != "switching":
            raise ValueError(
                f"{where}: 'trace' is of D that changes in time, but the objects of "
                f"'{panel.of}' do not switch"
            )
        fractions = task.target == "fractions"
        if panel.panel == "confusion" and not fractions:
            raise ValueError(
                f"{where}: 'confusion' is of classes, but '{panel.of}' predicts {task.target}"
            )
        if panel.panel == "density" and fractions != (panel.motion is not None):
            raise ValueError(
                f"{where}: 'density' needs a motion where fractions are predicted, and only "
                f"there; '{panel.of}' predicts {task.target}"
            )
        if panel.motion is not None:
            _must_know(f"{where}.motion", panel.motion, simulate.classes)
        if panel.panel == "depth_graph" and simulate.dimensions != 3:
            raise ValueError(f"{where}: '{panel.of}' is of objects in the plane, without depth")
        if panel.panel in _OF_ATTENTION and not (network.kind == "magik" and network.attention):
            raise ValueError(
                f"{where}: '{panel.of}' has a network of kind '{network.kind}', without "
                "attention; expected kind 'magik' with it"
            )

    def missing_cells(self, root: str | Path) -> dict[str, str]:
        """The data sets whose recordings are not on this machine, and the first path missing.

        Args:
            root: folder that the paths start from.
        """
        missing = {}
        for name, dataset in self.datasets.items():
            sources = (*dataset.cells.train, *dataset.cells.test) if dataset.cells else ()
            paths = [path for source in sources for path in source.needed.values()]
            absent = [path for path in paths if not (Path(root) / path).exists()]
            if absent:
                missing[name] = absent[0]
        return missing

    def must_find_files(self, root: str | Path) -> None:
        """Refuse a study whose recordings are not there, before any job starts.

        Args:
            root: folder that the paths of the samples start from.

        Raises:
            InputError: naming the sample and the file.
        """
        for name, experiment in self.experiments.items():
            start = experiment.start or ""
            if start.endswith(".safetensors") and not (Path(root) / start).is_file():
                raise InputError(
                    f"config.yaml: experiments.{name}.start: no file '{start}' "
                    f"(paths start from {Path(root).resolve()})"
                )
        for name, sample in self.samples.items():
            weights = self.experiments[sample.experiment].weights
            if weights and not (Path(root) / weights).is_file():
                raise InputError(
                    f"config.yaml: experiments.{sample.experiment}.weights: no file '{weights}' "
                    f"(paths start from {Path(root).resolve()}); null trains a network"
                )
            for kind, given in sample.needed.items():
                path = Path(root) / given
                if not (path.exists() if sample.cells else path.is_file()):
                    raise InputError(
                        f"config.yaml: samples.{name}.{kind}: no file '{path}' "
                        f"(paths start from {Path(root).resolve()})"
                    )

    def seed_of(self, *names: object) -> int:
        """A seed for one stage, from the study's seed and the names of what it makes.

        Two stages never share one; adding a data set changes no other's.
        """
        return zlib.crc32("/".join(map(str, (self.seed, *names))).encode())


def _must_know(where: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        raise ValueError(f"{where}: no '{name}'.{suggest(name, known)}")


def _once(where: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{where}: '{name}' stands there twice; expected once")


def suggest(name: str, known: Mapping[str, object] | list[str]) -> str:
    """What a misspelt name may have meant, or all that there is."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(known)}."


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` on top: mappings merge, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and not _is_value(value):
            value = merge(old, value)
        merged[key] = value
    return merged


def _of_what_is(settings: Mapping[str, Any], scale: Mapping[str, Any]) -> dict[str, Any]:
    """A scale without what it says of data sets, experiments and recipes that there are not."""
    kept = dict(scale)
    for kind in {"datasets", "experiments", "recipes"} & set(kept):
        there = settings.get(kind)
        known = there if isinstance(there, Mapping) else {}
        kept[kind] = {name: given for name, given in kept[kind].items() if name in known}
        if not kept[kind]:
            del kept[kind]
    return kept


def _given_otherwise(settings: Mapping[str, Any], file: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `settings` that differs from `file`."""
    return {
        key: _given_otherwise(value, file[key])
        if isinstance(value, Mapping) and isinstance(file.get(key), Mapping)
        else value
        for key, value in settings.items()
        if key not in file or value != file[key]
    }


def _is_value(given: Mapping[str, Any]) -> bool:
    """A distribution is one value: {exponential: …} replaces {log_uniform: …}."""
    return any(name in given for name in ("uniform", "log_uniform", "exponential"))


class _NothingTwice(yaml.SafeLoader):
    """YAML's safe loader, which would let the second of two equal keys win without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, if it names each key once."""
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"'{key.value}' stands here twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML mapping.

    Raises:
        InputError: naming file and line, where it is missing or is not YAML.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        content = yaml.load(path.read_text(), _NothingTwice)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{path}{line}: not YAML: {getattr(error, 'problem', error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected settings by name, found {type(content).__name__}")
    return content


def load(
    settings: Mapping[str, Any],
    scales: str | Path,
    file: Mapping[str, Any] | None = None,
    where: str = "config.yaml",
) -> Study:
    """Settings as read from YAML -> a checked, frozen study.

    Args:
        settings: the merged configuration that Snakemake hands over.
        scales: folder of the overlays `<scale>.yaml`.
        file: config.yaml as it stands. What `settings` has otherwise was given on the command
            line, and wins over the scale.
        where: named first in every error.

    Raises:
        InputError: naming the setting, what was found and what was expected.
    """
    scale = str(settings.get("scale", "laptop"))
    known = sorted(path.stem for path in Path(scales).glob("*.yaml"))
    if scale not in known:
        raise InputError(f"{where}: scale: no '{scale}'.{suggest(scale, known)}")
    overlaid = merge(settings, _of_what_is(settings, read_yaml(Path(scales) / f"{scale}.yaml")))
    if file is not None:
        overlaid = merge(overlaid, _given_otherwise(settings, file))
    defaults = overlaid.get("defaults") or {}
    for kind, model in (("datasets", Dataset), ("experiments", Experiment)):
        inherited = {key: value for key, value in defaults.items() if key in model.model_fields} | {
            key: {} for key in _SECTIONS if key in model.model_fields and key not in defaults
        }
        if isinstance(overlaid.get(kind), Mapping):
            overlaid[kind] = {
                name: given
                if given and not isinstance(given, Mapping)
                else merge(inherited, given or {})
                for name, given in overlaid[kind].items()
            }
    try:
        return Study.model_validate(overlaid)
    except ValidationError as error:
        raise InputError(f"{where}: {explain(error)}") from None


_SECTIONS = tuple(key for key in Defaults.model_fields if key != "seeds")


def explain(error: ValidationError, *within: str) -> str:
    """The first thing wrong, in one line: where, what was found, what was expected.

    Args:
        error: of a study, or of a section of it.
        within: where that section stands.
    """
    # a misspelt name also leaves the right one missing: speak of the misspelling
    errors = sorted(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    first = errors[0]
    path = [str(part) for part in (*within, *first["loc"]) if str(part) not in _UNION_TAGS]
    place, around = ".".join(path), ".".join(path[:-1])
    found, message = first.get("input"), first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        names = list(_fields_at(path[:-1]))
        return f"{around or 'the top level'} has no setting '{path[-1]}'.{suggest(path[-1], names)}"
    if first["type"] == "missing" and path[-1].isdigit():
        return f"{around}: {path[-1]} values; expected at least {int(path[-1]) + 1}"
    if first["type"] == "missing":
        return f"{place}: this setting is required"
    if path and path[-1] == "[key]":
        return (
            f"{'.'.join(path[:-2])}: {found!r} is not a name that fits here; expected "
            f"{first['ctx']['pattern'].strip('^$')}"
        )
    if first["type"] == "value_error":
        return f"{place}: {message}" if place else message
    if first["type"] in ("model_type", "dict_type"):
        message = "expected settings by name"
    elif first["type"] == "tuple_type":
        message = "expected a list of values"
    elif first["type"].startswith(("greater_than", "less_than")):
        message = _range_at(path) or message
    message = message.replace("Input should be", "expected")
    unit = _description_at(path)
    return f"{place} = {found!r}: {message}" + (f" ({unit})" if unit else "")


_UNION_TAGS = (
    *("Uniform", "LogUniform", "Exponential", "tuple[float, float]"),
    *("constrained-float", "list[any]", "dict[str,any]"),
)


def _fields_at(path: list[str]) -> Iterator[str]:
    model = _model_at(path)
    sections: list[type[BaseModel]] = [model] if model else [Uniform, LogUniform, Exponential]
    for section in sections:
        yield from section.model_fields


def _field_at(path: list[str]) -> FieldInfo | None:
    model = _model_at(path[:-1])
    return model.model_fields.get(path[-1]) if model and path else None


def _description_at(path: list[str]) -> str:
    field = _field_at(path)
    return field.description or "" if field else ""


def _range_at(path: list[str]) -> str:
    """All that bounds a number, not only the bound that was broken."""
    field = _field_at(path)
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    bounds = [
        f"{sign} {getattr(limit, name):g}"
        for limit in (field.metadata if field else ())
        for name, sign in signs.items()
        if hasattr(limit, name)
    ]
    return f"expected {' and '.join(bounds)}" if bounds else ""


def _model_at(path: list[str]) -> type[BaseModel] | None:
    """The section at a path such as datasets.brownian.simulate."""
    model: Any = Study
    for part in path:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(part)
            model = _section_in(field.annotation) if field else None
        elif getattr(model, "__origin__", None) is dict:
            model = model.__args__[1]
        else:
            return None
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _section_in(annotation: Any) -> Any:
    """`Section | None` -> that section; anything else as it is."""
    within = [one for one in get_args(annotation) if isinstance(one, type)]
    sections = [one for one in within if issubclass(one, BaseModel)]
    return sections[0] if len(within) == 2 and len(sections) == 1 else annotation


def json_schema() -> dict[str, Any]:
    """JSON schema of config.yaml as it is written, for editors.

    Data sets and experiments inherit from `defaults`, so none of their inherited settings is
    required here; nor is the experiment of a sample, as cells have a default.
    """
    schema = Study.model_json_schema()
    schema["$defs"]["Sample"]["required"].remove("experiment")
    for name in ("Dataset", "Experiment"):
        inherited = set(Defaults.model_fields)
        required = schema["$defs"][name].get("required", [])
        schema["$defs"][name]["required"] = [key for key in required if key not in inherited]
    return schema
