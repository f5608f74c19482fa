"""Results of a user's recording, back in µm and s: a table, a map, a summary.

The same results give the same bytes.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
import xarray as xr

from magik import job, physics
from magik.config import Sample

NOTABLE = 0.05
"""A warning speaks of the part of the localizations above which it is given."""

EDGE = 0.01
"""A prediction within this part of the trained range from its end lies at the end."""

MAP_READ_OUT = "kernel"
"""The read-out of the map that is exported; on simulations the closest to the truth."""


def table(predictions: xr.Dataset, localizations: xr.Dataset, sample: Sample) -> pd.DataFrame:
    """One row per localization, in px and in physical units.

    Args:
        predictions: PREDICTIONS of √(2D), px/frame^½, or of α.
        localizations: LOCALIZATIONS that they were made from, row by row.
        sample: the units.

    Returns:
        `frame` as numbered in the recording, `time_s` since its first frame, `x_px`, `y_px`,
        `x_um`, `y_um` from the corner of the field of view (the middle of the first pixel is at
        ½ px, as in ImageJ), `intensity` and `mass` (of spots: the sum that `minmass` bounds) where
        they are known, `diffusivity_um2_s` or `exponent`; with the ends of its interval, `…_lower`
        and `…_upper`, where the network gives one.
    """
    frame = predictions["frame"].to_numpy()
    x, y = (predictions[axis].to_numpy().astype(float) for axis in "xy")
    columns = {
        "frame": frame + localizations.attrs.get("first_frame", 0),
        "time_s": frame * sample.frame_interval_s,
        "x_px": x,
        "y_px": y,
        "x_um": x * sample.pixel_size_um,
        "y_um": y * sample.pixel_size_um,
    }
    for name in ("intensity", "mass"):
        if name in localizations:
            columns[name] = localizations[name].to_numpy()
    for given, end in (("prediction", ""), ("lower", "_lower"), ("upper", "_upper")):
        if given in predictions:
            value = predictions[given].to_numpy().astype(float)
            if predictions.attrs["target_name"] == "exponent":
                columns[f"exponent{end}"] = value
            else:
                columns[f"diffusivity_um2_s{end}"] = physics.diffusivity(value) * _um2_s(sample)
    return pd.DataFrame(columns)


def video_table(predictions: xr.Dataset) -> pd.DataFrame:
    """What a recording as a whole is said to be: a row for its exponent, or for each class.

    Args:
        predictions: VIDEO_PREDICTIONS of one video.

    Returns:
        `quantity` (exponent or fraction), `of` (the class), `value`, and `lower` and `upper` where
        the network gives an interval.
    """
    whole = predictions.attrs["target_name"] == "video_exponent"
    names = predictions.attrs["output"]
    columns: dict[str, object] = {
        "quantity": ["exponent" if whole else "fraction"] * len(names),
        "of": [""] if whole else names,
        "value": predictions["prediction"][0].to_numpy().astype(float),
    }
    for end in ("lower", "upper"):
        if end in predictions:
            columns[end] = predictions[end][0].to_numpy().astype(float)
    return pd.DataFrame(columns)


def _um2_s(sample: Sample) -> float:
    """µm²/s in one px²/frame."""
    return sample.pixel_size_um**2 / sample.frame_interval_s


def save_table(content: pd.DataFrame, path: str | Path, digits: int = 6) -> None:
    """Write a table as CSV or Parquet, by the ending of its name; whole or not at all.

    Args:
        content: the table.
        path: where.
        digits: of a number in CSV; 15 leave decimals that were read from CSV as they were.
    """
    with job.whole(path) as aside:
        if aside.suffix == ".parquet":
            content.to_parquet(aside, index=False)
        else:
            content.to_csv(aside, index=False, float_format=f"%.{digits}g", lineterminator="\n")


def map_tiff(maps: xr.Dataset, sample: Sample, path: str | Path) -> None:
    """Write the diffusion map of the longest duration, µm²/s, as a float32 TIFF with its scale.

    The size of a pixel is in the resolution tags (pixels per µm) and in ImageJ's description
    (unit: micron), so that Fiji, napari and others measure lengths in µm.

    Args:
        maps: MAPS of one video; square cells, the larger side of the field of view over the
            longer side of the grid.
        sample: the units.
        path: where.
    """
    chosen = maps["diffusivity"][list(maps.attrs["read_out"]).index(MAP_READ_OUT)]
    grid = chosen[int(np.argmax(maps["duration"].to_numpy())), 0].to_numpy()
    cell_px = max(maps.attrs["field_of_view"]) / max(grid.shape)
    per_um = 1 / (cell_px * sample.pixel_size_um)
    with job.whole(path) as aside:
        tifffile.imwrite(
            aside,
            (grid * _um2_s(sample)).astype(np.float32),
            imagej=True,
            resolution=(per_um, per_um),
            metadata={
                "axes": "YX",
                "unit": "micron",
                "Labels": [f"diffusivity, um2/s, {MAP_READ_OUT} read-out"],
            },
        )


def summary(predictions: xr.Dataset, localizations: xr.Dataset, sample: Sample) -> dict[str, Any]:
    """What the sample is, what was found, and where not to trust it; JSON values.

    The density counts localizations per frame and field of view; crowding is ρDΔt of the mean D
    and one frame (Methods).

    Args:
        predictions: PREDICTIONS of √(2D), px/frame^½; the attribute `trained_on` is JSON of what
            the network was trained on.
        localizations: LOCALIZATIONS of one video.
        sample: the units.
    """
    scaling = predictions["prediction"].to_numpy().astype(float)
    diffusivity = physics.diffusivity(scaling)
    seen = _seen(localizations, sample)
    trained_on = json.loads(predictions.attrs["trained_on"])
    return {
        **seen,
        "diffusivity_um2_s": _spread(diffusivity * _um2_s(sample)),
        "crowding": float(physics.crowding(seen["density_per_px2"], diffusivity.mean(), 1.0)),
        "warnings": [
            *_warnings(seen, trained_on, "the diffusivities"),
            *_range_warnings(scaling, trained_on),
            *_intensity_warning(localizations, trained_on),
        ],
    }


def motion_summary(
    predictions: xr.Dataset, localizations: xr.Dataset, sample: Sample
) -> dict[str, Any]:
    """The same of exponents, or of what a recording as a whole is said to be; JSON values.

    The ends of an interval are left out where there is none, as of a recording of several windows.

    Args:
        predictions: PREDICTIONS of α, or VIDEO_PREDICTIONS.
        localizations: LOCALIZATIONS of one video.
        sample: the units.
    """
    seen = _seen(localizations, sample)
    trained_on = json.loads(predictions.attrs["trained_on"])
    said: dict[str, Any] = {}
    asked = predictions.attrs["target_name"]
    alpha = predictions["prediction"].to_numpy() if asked != "fractions" else np.empty(0)
    if "localization" in predictions.dims:
        said["exponent"] = _spread(predictions["prediction"].to_numpy().astype(float))
    else:
        for row in video_table(predictions).to_dict("records"):
            quantity, of = row.pop("quantity"), row.pop("of")
            known = {name: number for name, number in row.items() if np.isfinite(number)}
            said[f"{quantity}_of_{of}" if of else quantity] = known
    warnings = [
        *_warnings(seen, trained_on, "the results"),
        *_exponent_warning(alpha, trained_on),
        *_intensity_warning(localizations, trained_on),
    ]
    return {**seen, **said, "warnings": warnings}


def _seen(localizations: xr.Dataset, sample: Sample) -> dict[str, Any]:
    """What there is of a recording."""
    height, width = map(float, localizations.attrs["field_of_view"])
    frames, rows = int(localizations["n_frames"][0]), localizations.sizes["localization"]
    density = rows / frames / (height * width)
    return {
        "source": sample.source,
        "localizations": rows,
        "frames": frames,
        "duration_s": frames * sample.frame_interval_s,
        "field_of_view_px": [height, width],
        "localizations_per_frame": rows / frames,
        "density_per_px2": density,
        "density_per_um2": density / sample.pixel_size_um**2,
    }


def _spread(value: np.ndarray) -> dict[str, float]:
    """Median, quartiles and mean over localizations."""
    lower, median, upper = np.quantile(value, [0.25, 0.5, 0.75])
    return {
        "median": float(median),
        "lower_quartile": float(lower),
        "upper_quartile": float(upper),
        "mean": float(value.mean()),
    }


def _warnings(
    seen: Mapping[str, Any], trained_on: Mapping[str, Any], results: str
) -> Iterator[str]:
    """A sentence for each way in which the sample differs from what the network knows."""
    if seen["frames"] < 2:
        yield "The recording has a single frame: nothing in it tells how anything moves."
    yield from unlike_training(
        seen["density_per_px2"],
        seen["frames"],
        trained_on,
        unsure=f"expect {results} to be less accurate",
    )


def _range_warnings(scaling: np.ndarray, trained_on: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each way in which the motion lies beyond what the network knows."""
    if "displacement_scaling" in trained_on:
        low, high = trained_on["displacement_scaling"]
        margin = EDGE * (high - low)
        for part, end, remedy in (
            (np.mean(scaling <= low + margin), "lower", "skip frames, so that particles move more"),
            (np.mean(scaling >= high - margin), "upper", "record faster, or bin pixels"),
        ):
            if part > NOTABLE:
                yield (
                    f"For {part:.0%} of the localizations √(2D) is at the {end} end of what the "
                    f"network was trained on ({low:.2g} to {high:.2g} px per frame^½), so their D "
                    f"may lie beyond it: {remedy}, or train on a wider range. (Are the positions "
                    "in px?)"
                )
    if "radius" in trained_on and "length_px" in trained_on:
        reach = trained_on["radius"] * trained_on["length_px"]
        part = np.mean(scaling > reach / 3)
        if part > NOTABLE:
            yield (
                f"For {part:.0%} of the localizations three standard deviations of a step exceed "
                f"the reach of candidate edges ({reach:.3g} px), so the network does not see the "
                "longest steps: record faster, or train with a larger radius."
            )


def _exponent_warning(exponent: np.ndarray, trained_on: Mapping[str, Any]) -> Iterator[str]:
    if "exponent" not in trained_on or exponent.size == 0:
        return
    low, high = trained_on["exponent"]
    margin = EDGE * (high - low)
    part = np.mean((exponent <= low + margin) | (exponent >= high - margin))
    if part > NOTABLE:
        yield (
            f"For {part:.0%} of what was asked α is at an end of what the network was trained on "
            f"({low:.2g} to {high:.2g}), and may lie beyond it: train on a wider range."
        )


def unlike_training(
    density: float, frames: int, trained_on: Mapping[str, Any], unsure: str
) -> Iterator[str]:
    """A sentence for each way in which a recording is sparser, denser or shorter than in training.

    Args:
        density: localizations per px² and frame. It does not matter to a network whose lengths
            are spacings, which shrink with it.
        frames: of the recording.
        trained_on: what the network was trained on.
        unsure: what follows from it.
    """
    if "density" in trained_on and trained_on.get("unit") != "spacing":
        low, high = trained_on["density"]
        if not low <= density <= high:
            yield (
                f"There are {density:.2g} localizations per px² and frame; the network was trained "
                f"on {low:.2g} to {high:.2g}: {unsure}."
            )
    if "frames" in trained_on and frames < trained_on["frames"][0]:
        yield (
            f"The recording has {frames} frames; the network was trained on at least "
            f"{trained_on['frames'][0]}: {unsure}."
        )


def _intensity_warning(localizations: xr.Dataset, trained_on: Mapping[str, Any]) -> Iterator[str]:
    if "intensity" not in localizations or "intensity" not in trained_on:
        return
    low, high = trained_on["intensity"]
    intensity = localizations["intensity"].to_numpy()
    part, median = np.mean((intensity < low) | (intensity > high)), np.median(intensity)
    if part > NOTABLE:
        yield (
            f"For {part:.0%} of the localizations the intensity (median {median:.3g}) "
            f"lies outside what the network was trained on ({low:.3g} to {high:.3g}): rescale it, "
            "train on intensities like these, or use a network that does not see it."
        )


def save_summary(content: Mapping[str, Any], path: str | Path) -> None:
    """Write a summary as JSON, which has no NaN; whole or not at all."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with job.whole(path) as aside:
        aside.write_text(f"{text}\n", "utf-8")
