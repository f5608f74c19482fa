"""How long things take, and in how much memory: tables as JSON and Markdown.

    python benchmarks/run.py                        all tables, some ten minutes
    python benchmarks/run.py --quick graphs step    small sizes, the tables named
    python benchmarks/run.py --deeplay ~/deeplay/bin/python      also time deeplay's network

Times are CPU-seconds on one thread, the least of several repeats, so that what else runs on the
machine counts little. GB are 10⁹ bytes of the peak resident memory of a process that does nothing
else. `reference` is tests/reference.py, the same equations written out, in the same run. Tables
that are not asked for stay as they were. `benchmarks/linking.py` measures the linking of cells.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

FRAMES, OBJECTS, GRAPHS = 50, 32, 8
"""The batch of the bars: 8 graphs of 1,600 nodes, radius 0.2 fields of view, lag 2."""

PACKAGES = ("numpy", "scipy", "xarray", "torch", "torch-geometric", "snakemake")

Row = dict[str, Any]


def row(name: str, size: str, value: float, unit: str, reference: float | None = None) -> Row:
    """One line of a table; `ratio` is reference over value, so more is better."""
    ratio = reference / value if reference else None
    said = {"name": name, "size": size, "value": value, "unit": unit}
    return said | {"reference": reference, "ratio": ratio}


def cpu() -> float:
    """CPU-seconds of this process and of those it waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (0, resource.RUSAGE_CHILDREN))


def least(work: Callable[[], object], repeats: int) -> float:
    """CPU-seconds of the fastest of several repeats."""
    times = []
    for _ in range(repeats):
        began = cpu()
        work()
        times.append(cpu() - began)
    return min(times)


def peak() -> float:
    """GB that this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def exponent(sizes: list[int], times: list[float]) -> float:
    """Slope of log time over log size, over the larger half: what constant costs leave alone."""
    import numpy as np

    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(times[half:]), 1)[0])


def built(frames: int, objects: int, videos: int = 1) -> Any:
    """Localizations at the paper's density, and the settings of their graph."""
    from drawn import brownian

    from magik.config import Graph

    side = 32 * (objects / OBJECTS) ** 0.5
    drawn = brownian(videos, frames, objects, seed=0, side=side)
    return drawn, Graph(radius=0.2 * 32 / side, max_lag=2)


def graph_building(quick: bool) -> list[Row]:
    """Localizations -> graphs, and how it grows with frames and with objects."""
    from magik import graphs

    def seconds(frames: int, objects: int, repeats: int = 5) -> float:
        drawn, config = built(frames, objects)
        return least(lambda: graphs.build(drawn, config), repeats)

    rows = [
        row("build one graph", f"{frames * OBJECTS:,} nodes", 1e3 * seconds(frames, OBJECTS), "ms")
        for frames in (50, 400)
    ]
    longest, most = (400, 100) if quick else (3200, 1000)
    curves = {
        "frames": [(n, OBJECTS) for n in (50, 100, 200, 400, 800, 1600, 3200) if n <= longest],
        "objects, same density": [(FRAMES, n) for n in (10, 32, 100, 320, 1000) if n <= most],
    }
    for of, sizes in curves.items():
        times = [seconds(*size, repeats=3) for size in sizes]
        for size, time_ in zip(sizes, times, strict=True):
            rows.append(row(f"growth with {of}", "{} frames x {}".format(*size), 1e3 * time_, "ms"))
        nodes = [frames * objects for frames, objects in sizes]
        of_nodes = f"{nodes[0]:,} to {nodes[-1]:,} nodes"
        rows.append(row(f"exponent, {of}", of_nodes, exponent(nodes, times), ""))
    return rows


def batch() -> Any:
    """The batch of the bars."""
    from magik import dataset, graphs
    from magik.config import Features

    drawn, config = built(FRAMES, OBJECTS, GRAPHS)
    examples = dataset.GraphSet(graphs.build(drawn, config), Features())
    return dataset.join([examples.cut(graph) for graph in range(GRAPHS)])


NETWORKS: dict[str, dict[str, Any]] = {
    "magik, Z = 12": {"kind": "magik", "heads": 12},
    "magik, Z = 6": {"kind": "magik", "heads": 6},
    "magik_tracks": {
        "kind": "magik_tracks",
        "encoder": (32, 64),
        "decoder": (64, 32),
        "heads": 8,
    },
}


def one_step(name: str, written_out: bool, repeats: int) -> dict[str, float]:
    """CPU-seconds of a forward pass and of a training step, and the peak memory of the step."""
    import reference
    import torch

    from magik import network, train
    from magik.config import Features, Network

    torch.set_num_threads(1)
    torch.manual_seed(0)
    if not written_out:
        train.hold_memory()  # as `train.fit` does; plain torch does not
    examples, settings = batch(), Network(**NETWORKS[name])
    net = network.build(settings, Features())
    weights = {**dict(net.named_buffers()), **dict(net.named_parameters())}
    optimizer = torch.optim.Adam(net.parameters())
    link_loss = 0.3 if settings.kind == "magik_tracks" else 0.0

    def forward() -> torch.Tensor:
        """The loss on nodes, and on links where the network has them."""
        if written_out:
            error = reference.magik(weights, settings.heads, examples)[0] - examples.target
            return error.abs().mean()
        said = net(examples)
        loss = (said.node.squeeze(-1) - examples.target).abs().mean()
        links = [found.loss(examples.linked, examples.edge_index) for found in said.links]
        return loss + link_loss * sum(links)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        forward().backward()
        optimizer.step()

    step()
    step_seconds, step_peak = least(step, repeats), peak()
    with torch.no_grad():
        forward_seconds = least(forward, repeats)
    return {"forward": forward_seconds, "step": step_seconds, "peak": step_peak}


def training_step(quick: bool, deeplay: str) -> list[Row]:
    """A step on the batch of the bars, beside the equations written out and deeplay's network."""
    repeats = 1 if quick else 4
    rows = []
    size = f"{GRAPHS} x {FRAMES * OBJECTS:,} nodes"
    for name, settings in NETWORKS.items():
        ours = measure("one_step", name, False, repeats)
        plain = {}
        if settings["kind"] == "magik":
            plain = measure("one_step", name, True, max(1, repeats // 2))
        for part, unit in (("forward", "CPU-s"), ("step", "CPU-s"), ("peak", "GB")):
            rows.append(row(f"{name}: {part}", size, ours[part], unit, plain.get(part)))
    with tempfile.TemporaryDirectory() as folder:
        arrays = str(Path(folder) / "batch.npz")
        measure("save_batch", arrays)
        command = [deeplay, str(HERE / "deeplay_magik.py"), arrays, str(repeats)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment())
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"deeplay is left out: {why}", flush=True)
        return rows
    said = json.loads(done.stdout.splitlines()[-1])
    for part, unit in (("forward", "CPU-s"), ("step", "CPU-s"), ("peak", "GB")):
        rows.append(row(f"deeplay {said['version']}: {part}", size, said[part], unit))
    return rows


def save_batch(path: str) -> None:
    """The batch as arrays, for a process without magik."""
    import numpy as np

    examples = batch()
    names = ("nodes", "edges", "edge_index", "distance", "linked")
    np.savez(path, **{name: getattr(examples, name).numpy() for name in names})


def prediction(quick: bool) -> list[Row]:
    """D of each localization of one long video, in windows, by the network that ships."""
    frames = (250, 1000) if quick else (250, 1000, 4000)
    said = [measure("predict", n) for n in frames]
    rows = []
    for n, one in zip(frames, said, strict=True):
        size = f"{n:,} frames, {n * OBJECTS:,} localizations"
        rows.append(row("predict a long video", size, one["seconds"], "CPU-s"))
        rows.append(row("predict a long video: peak", size, one["peak"], "GB"))
    slope = exponent(list(frames), [one["seconds"] for one in said])
    rows.append(row("exponent, frames", f"{frames[0]:,} to {frames[-1]:,} frames", slope, ""))
    return rows


def predict(frames: int) -> dict[str, float]:
    """CPU-seconds and peak memory of one prediction."""
    from magik import graphs, store
    from magik import predict as prediction_of
    from magik.config import Predict

    weights = ROOT / "magik" / "weights" / "recordings.safetensors"
    drawn, _ = built(frames, OBJECTS)
    made = graphs.build_as(store.said_by(weights)["trained_on"], drawn)
    seconds = least(lambda: prediction_of.run(weights, made, drawn, Predict()), 1)
    return {"seconds": seconds, "peak": peak()}


def start_up(quick: bool) -> list[Row]:
    """Imports, and a dry run of the workflow."""
    repeats = 1 if quick else 3

    def run(*command: str) -> float:
        quiet = {"capture_output": True, "check": True, "cwd": ROOT, "env": environment()}
        return least(lambda: subprocess.run(command, **quiet), repeats)

    parts = {
        "without torch": "config, store, graphs, simulate, metrics",
        "with torch": "dataset, network, train, predict",
    }
    rows = [
        row(f"import {label}", modules, run(sys.executable, "-c", f"from magik import {modules}"),
            "CPU-s")
        for label, modules in parts.items()
    ]  # fmt: skip
    try:
        seconds = run(sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "--cores", "1")
        rows.append(row("dry run", "the default targets", seconds, "CPU-s"))
    except subprocess.CalledProcessError as failure:
        print(f"the dry run is left out: {failure.stderr.decode().strip()[-300:]}", flush=True)
    return rows


def simulation(quick: bool) -> list[Row]:
    """Trajectories as at the paper's scale, and their images."""
    from magik import optics, simulate
    from magik.config import Observe, Render, Simulate

    videos, rendered = (100, 1) if quick else (2000, 10)
    config = Simulate(frames=(50, 55), particles=(30, 35))
    seconds = least(lambda: simulate.observe(simulate.build(config, videos, 0), Observe(), 0), 1)
    truth = simulate.build(config, rendered, 0)
    frames = int(truth["n_frames"].sum())
    optics.render(truth, Render(), 0)  # the spot is drawn once
    return [
        row("simulate coordinates", f"{videos:,} videos", seconds, "CPU-s"),
        row(
            "render 32 x 32 px",
            f"{frames} frames",
            1e3 * least(lambda: optics.render(truth, Render(), 0), 2) / frames,
            "CPU-ms a frame",
        ),
    ]


TABLES: dict[str, str] = {
    "graphs": "graph_building",
    "step": "training_step",
    "predict": "prediction",
    "start": "start_up",
    "simulate": "simulation",
}


def environment() -> dict[str, str]:
    """One thread in every library."""
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return {**os.environ, "PYTHONPATH": path} | dict.fromkeys(threads, "1")


def measure(function: str, *arguments: Any) -> Any:
    """What a function of this file says in a process of its own."""
    command = [sys.executable, __file__, "--call", function, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    if done.returncode:
        raise SystemExit(f"{function}{arguments} failed:\n{done.stderr}")
    *said, last = done.stdout.splitlines()
    print("\n".join(said), end="\n" if said else "", flush=True)
    return json.loads(last)


def machine() -> dict[str, str]:
    """What was measured on what."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    git = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    commit = subprocess.run(git, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    said = {"processor": f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores"}
    said |= {"threads": "1", "system": platform.system(), "python": platform.python_version()}
    for name in PACKAGES:
        try:
            said[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            said[name] = "not installed"
    return said | {"commit": commit or "unknown", "date": time.strftime("%Y-%m-%d")}


def markdown(results: dict[str, Any]) -> str:
    """The tables for people."""
    said = ["# Benchmarks", "", "`python benchmarks/run.py`: CPU-seconds on one thread, the least "]
    said[-1] += "of several repeats; `reference`: the same equations written out"
    said[-1] += " (tests/reference.py), in the same run; `ratio`: how many times less than that."
    for table, measured in results.items():
        where = "; ".join(f"{name} {value}" for name, value in measured["machine"].items())
        said += ["", f"## {table}", "", where, ""]
        said += ["| what | size | value | unit | reference | ratio |", "|---|---|---|---|---|---|"]
        for one in measured["rows"]:
            numbers = [one["value"], one["reference"], one["ratio"]]
            value, reference, ratio = ("" if n is None else f"{n:.3g}" for n in numbers)
            cells = [one["name"], one["size"], value, one["unit"], reference, ratio]
            said.append(f"| {' | '.join(cells)} |")
    return "\n".join(said) + "\n"


def main() -> None:
    """Measure the tables asked for and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of: {', '.join(TABLES)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, few repeats")
    parser.add_argument("--deeplay", default=sys.executable, help="a Python that has deeplay")
    parser.add_argument("--out", default=str(HERE / "results" / "cpu"), help="path without suffix")
    given = parser.parse_args()
    if unknown := set(given.tables) - set(TABLES):
        parser.error(f"no table {', '.join(sorted(unknown))}; there are: {', '.join(TABLES)}")
    out = Path(given.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    as_json = Path(f"{out}.json")
    results = json.loads(as_json.read_text()) if as_json.exists() else {}
    for table in given.tables or TABLES:
        extra = [given.deeplay] if table == "step" else []
        rows = measure(TABLES[table], given.quick, *extra)
        results[table] = {"machine": machine() | {"quick": str(given.quick)}, "rows": rows}
        as_json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        Path(f"{out}.md").write_text(markdown(results))
        print(f"{table}: {len(rows)} rows", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--call"]:
        print(json.dumps(globals()[sys.argv[2]](*json.loads(sys.argv[3]))))
    else:
        main()
