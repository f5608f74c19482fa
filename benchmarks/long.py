"""Long recordings through the workflow's own scripts: seconds and memory of each step.

    python benchmarks/long.py [CASE ...]

Each step is the script that the rule runs, in a process of its own, on the threads that the rule
gives it: from a CSV of positions to D of every localization, map, tables and figure; and from
cells, over the probability of each of 8.4 million edges, to tracks. Recordings are drawn:
Brownian particles with a diffusivity each, at densities and diffusivities that the shipped
network was trained on; cells as in `linking.py`. Results go to benchmarks/results/long.json and
long.md; `load` is how many processes the machine had to run at once, over the last 15 minutes.
"""

import json
import os
import platform
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
MISSED, ERROR_PX = 0.05, 0.1
SAMPLE = {"pixel_size_um": 0.1, "frame_interval_s": 0.02, "experiment": "recordings"}


class Case(NamedTuple):
    """A recording.

    Attributes:
        what: it is called so.
        frames: of the video.
        particles: or cells, in each frame.
        side: px of the field of view; of cells it follows from their number.
        chain: the steps that are measured.
    """

    what: str
    frames: int
    particles: int
    side: float = 0.0
    chain: str = "localizations"


def _wide(particles: int, density: float = 0.02) -> tuple[int, int, float]:
    return 105, particles, float(np.sqrt(particles / density))


CASES = {
    "wide4": Case("wide field", *_wide(100)),
    "wide5": Case("wide field", *_wide(1_000)),
    "wide6": Case("wide field", *_wide(10_000)),
    "long4": Case("long video", 526, 20, 32.0),
    "long5": Case("long video", 5_260, 20, 32.0),
    "long6": Case("long video", 52_600, 20, 32.0),
    "dense": Case("wide and dense", *_wide(10_000, 0.028)),
    "cells": Case("cells", 100, 6_600, chain="cells"),
}
GROWTH = {
    f"{what}, 10^{small} to 10^6": (f"{key}{small}", f"{key}6")
    for what, key in (("wide field", "wide"), ("long video", "long"))
    for small in (4, 5)
}
CHAINS = {
    "localizations": (
        *("sample_table", "sample_graph", "predict", "sample_map", "sample_export"),
        "sample_figure",
    ),
    "cells": ("sample_graph", "predict_edges", "link"),
}


def draw(case: Case, folder: Path) -> None:
    """The recording's table; that of cells as a store."""
    if case.chain == "cells":
        from linking import recording

        from magik import schema, store

        cells = recording(case.frames, case.particles)
        store.save(cells, folder / "localizations.zarr.zip", schema.LOCALIZATIONS)
        return
    import pandas as pd

    from magik import physics

    rng = np.random.default_rng(0)
    sd = np.sqrt(2 * np.exp(rng.uniform(np.log(0.01), np.log(3), case.particles)))
    place = rng.uniform(0, case.side, (case.particles, 2))
    parts = []
    for frame in range(case.frames):
        place = physics.reflect(place + rng.normal(size=place.shape) * sd[:, None], case.side)
        seen = place[rng.random(len(place)) > MISSED]
        seen = np.abs(seen + ERROR_PX * rng.normal(size=seen.shape))
        parts.append(np.column_stack([np.full(len(seen), frame), seen]))
    table = pd.DataFrame(np.concatenate(parts), columns=["frame", "x", "y"])
    table.to_csv(folder / "table.csv", index=False, float_format="%.3f")


class Named(dict[str, Any]):
    """What Snakemake hands to a script: names, as attributes and as a mapping."""

    __getattr__ = dict.__getitem__


def step(case: Case, name: str, folder: Path) -> None:
    """Run the script of a rule of samples."""
    kind = "lineages_points" if case.chain == "cells" else "recordings"
    stores = ("localizations", "graphs", "predictions", "edges", "maps", "tracks")
    files = {store: str(folder / f"{store}.zarr.zip") for store in stores}
    files |= {"checkpoint": str(ROOT / f"magik/weights/{kind}.safetensors"), "movie": ""}
    files |= {"tiff": str(folder / "map.tif"), "summary": str(folder / "summary.json")}
    into = {
        "sample_export": {"csv": folder / "out.csv", "parquet": folder / "out.parquet"},
        "sample_figure": {end: folder / f"figure.{end}" for end in ("pdf", "png", "csv")},
    }
    table = folder / ("out.parquet" if name == "sample_figure" else "table.csv")
    maps = {"durations": [case.frames]}
    windows = {"window": 4, "context": 3} if case.chain == "cells" else {"context": 10}
    snakemake = SimpleNamespace(
        rule=name,
        threads=1,
        log=[str(folder / f"{name}.log")],
        wildcards=Named(sample="drawn"),
        input=Named(files, table=str(table)),
        output=Named(files, **{key: str(path) for key, path in into.get(name, {}).items()}),
        params=Named(
            {
                "sample_table": {"columns": {}, "pixel_size_um": SAMPLE["pixel_size_um"]},
                "predict": {"predict": windows},
                "predict_edges": {"predict": windows},
                "sample_map": {"map": maps},
                "link": {"linking": {"method": "global", "threshold": 0.4}},
            }.get(name, {"sample": SAMPLE | {"table": "table.csv", "map": maps}})
        ),
    )
    runpy.run_path(str(ROOT / f"workflow/scripts/{name}.py"), {"snakemake": snakemake})


def measure(key: str, name: str, folder: Path) -> dict[str, float]:
    """Seconds, CPU seconds and GiB at the peak of one step, imports included."""
    began = time.perf_counter()
    child = subprocess.Popen([sys.executable, __file__, "--step", key, name, str(folder)])
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{key}: {name} failed; see {folder / f'{name}.log'}")
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_gib": round(usage.ru_maxrss / 2**20, 2),
    }


def sizes(folder: Path) -> dict[str, int]:
    """Rows of what was made."""
    from magik import schema, store

    with store.open(folder / "graphs.zarr.zip", schema.GRAPHS) as graphs:
        return {"localizations": graphs.sizes["node"], "edges": graphs.sizes["edge"]}


def run(key: str, scratch: Path) -> dict[str, Any]:
    """One case from beginning to end."""
    case, folder = CASES[key], scratch / key
    folder.mkdir(exist_ok=True)
    measure(key, "draw", folder)
    steps = {name: measure(key, name, folder) for name in CHAINS[case.chain]}
    found = {"case": case.what, "frames": case.frames, **sizes(folder), "steps": steps}
    for unit in ("seconds", "cpu_seconds"):
        found[unit] = round(sum(said[unit] for said in steps.values()), 1)
    found["load"] = round(os.getloadavg()[2], 1)
    found["peak_gib"] = max(said["peak_gib"] for said in steps.values())
    return found


def exponents(found: dict[str, Any]) -> dict[str, float]:
    """Of the CPU seconds over the localizations, from the smallest to the largest of a kind."""
    ends = {kind: pair for kind, pair in GROWTH.items() if set(pair) <= set(found)}
    # what starts each step, some 2 s, counts too: among 10^4 it is most of the time
    return {
        kind: round(
            float(
                np.log(found[last]["cpu_seconds"] / found[first]["cpu_seconds"])
                / np.log(found[last]["localizations"] / found[first]["localizations"])
            ),
            2,
        )
        for kind, (first, last) in ends.items()
    }


def markdown(report: dict[str, Any]) -> str:
    """The report as tables."""
    lines = [f"`python benchmarks/long.py` on {report['machine']}.", ""]
    columns = ["recording", "frames", "localizations", "edges", "s", "CPU s", "GiB", "load"]
    columns += ["CPU s and GiB of each step", "commit"]
    lines += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for found in report["cases"].values():
        steps = "; ".join(
            f"{name.removeprefix('sample_')} {said['cpu_seconds']:.0f}, {said['peak_gib']:.1f}"
            for name, said in found["steps"].items()
        )
        lines.append(
            f"| {found['case']} | {found['frames']:,} | {found['localizations']:,} "
            f"| {found['edges']:,} | {found['seconds']:.0f} | {found['cpu_seconds']:.0f} "
            f"| {found['peak_gib']:.2f} | {found['load']} | {steps} | {found['commit']} |"
        )
    for kind, exponent in report["exponents"].items():
        lines += ["", f"{kind}: CPU seconds grow as localizations to the power {exponent}."]
    return "\n".join(lines) + "\n"


def main(keys: list[str]) -> None:
    """Measure the cases; the report keeps what it says of others."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude", "*"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "long.json"
    report = json.loads(path.read_text()) if path.exists() else {"cases": {}}
    versions = f"Python {platform.python_version()}, numpy {np.__version__}"
    report["machine"] = f"{_processor()}; {versions}"
    with tempfile.TemporaryDirectory() as scratch:
        for key in keys:
            report["cases"][key] = run(key, Path(scratch)) | {"commit": described.stdout.strip()}
            print(key, json.dumps(report["cases"][key]), flush=True)
            report["cases"] = {one: report["cases"][one] for one in CASES if one in report["cases"]}
            report["exponents"] = exponents(report["cases"])
            path.write_text(json.dumps(report, indent=2) + "\n")
            (RESULTS / "long.md").write_text(markdown(report))


def _processor() -> str:
    """Its name, where Linux tells it."""
    try:
        names = [s for s in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in s]
        return names[0].split(":")[1].strip()
    except (OSError, IndexError):
        return platform.machine()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        key, name, folder = sys.argv[2:]
        if name == "draw":
            draw(CASES[key], Path(folder))
        else:
            step(CASES[key], name, Path(folder))
    else:
        main(sys.argv[1:] or list(CASES))
