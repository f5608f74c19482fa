"""The study, as config.yaml declares it, and what the rules ask of it. No rules here."""

import hashlib
import importlib.util
import math
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from magik import fetch, layers, sweeps
from magik.config import SPLITS, TIERS, load, read_yaml
from magik.errors import InputError

ROOT = Path(workflow.basedir)

try:
    written = read_yaml("config.yaml")  # Snakemake itself would name neither file nor line
except InputError as error:
    sys.exit(f"error: {error}")


configfile: "config.yaml"


try:
    study = load(config, ROOT / "workflow" / "scales", file=written)
    swept = sweeps.expand(study)
    study = swept.study
    study.must_find_files(".")
except InputError as error:
    added = [key for key in config if key != "scale" and config[key] != written.get(key)]
    beside = f" (`--config` or `--configfile` changed: {', '.join(added)})" if added else ""
    sys.exit(f"error: {error}{beside}")


missing = study.missing_cells(".")

for sample, given in study.samples.items():
    experiment = study.experiments[given.experiment]
    if experiment.dataset in missing and not experiment.weights:
        sys.exit(
            f"error: config.yaml: samples.{sample}.experiment: '{given.experiment}' learns from "
            f"'{missing[experiment.dataset]}', which is not here. Put it there, or use 'lineages'"
        )

LAPTRACK = bool(importlib.util.find_spec("laptrack"))  # an optional extra
RIVALS = ("nearest", "trackpy", *(("laptrack", "laptrack_overlap") if LAPTRACK else ()))

DRAWN = {
    "frame": ["movie"],
    "truth_graph": ["graphs", "predictions"],
    "predicted_graph": ["graphs", "predictions"],
    "density": ["predictions", "scores"],
    "true_map": ["maps"],
    "map": ["maps"],
    "segmentation": ["tracks", "cells"],
    "candidate_graph": ["tracks", "edges"],
    "true_links": ["tracks"],
    "predicted_links": ["tracks", "edges", "scores"],
    "true_tracks": ["tracks"],
    "predicted_tracks": ["tracks", "scores"],
    "division": ["tracks", "cells"],
    "confusion": ["predictions"],
    "depth_graph": ["graphs", "localizations"],
    "trace": ["predictions", "localizations", "change_points"],
    "neighbours": ["movie", "graphs", "localizations"],
    "target_graph": ["graphs", "predictions", "attention"],
    "target_zoom": ["graphs", "predictions", "attention"],
    "attention": ["graphs", "attention"],
    "attention_tracks": ["attention"],
    "contrast": ["attention"],
    "curve": ["sweep"],
    "matrix": ["sweep"],
}


def any_of(names):
    """A wildcard's pattern: one of these names, or nothing at all.

    Short, as Snakemake reads it again for every file: the points of a sweep share the beginning
    of their names, and those of a whole grid are told by the values on each axis.
    """
    points = {}
    for name in map(str, names):
        base, _, point = name.partition("@")
        axes = tuple(setting.partition("=")[0] for setting in point.split(","))
        points.setdefault(base, {}).setdefault(axes, set()).add(tuple(point.split(",")))
    return (
        "|".join(
            re.escape(base) + one_of("@" * (axes != ("",)) + grid(of) for axes, of in named.items())
            for base, named in points.items()
        )
        or "(?!)"
    )


def grid(points):
    """A pattern of points, each a tuple of settings: one of the values of each, if that is all."""
    values = [one_of(map(re.escape, sorted(set(axis)))) for axis in zip(*points)]
    if math.prod(len(set(axis)) for axis in zip(*points)) == len(points):
        return ",".join(values)
    return one_of(",".join(map(re.escape, point)) for point in sorted(points))


def one_of(patterns):
    """Any of these patterns."""
    patterns = list(patterns)
    return patterns[0] if len(patterns) == 1 else f"(?:{'|'.join(patterns)})"


@cache
def annotated():
    """Data sets of recorded cells."""
    return [name for name, dataset in study.datasets.items() if dataset.cells]


@cache
def simulated():
    """Data sets made by simulation."""
    return [name for name, dataset in study.datasets.items() if not dataset.cells]


@cache
def linking_experiments():
    """Experiments whose task is to classify edges, on recorded cells."""
    cells = set(annotated())
    return [name for name, one in study.experiments.items() if one.dataset in cells]


@cache
def linking_simulated():
    """Experiments whose task is to classify edges, on simulated objects."""
    cells = set(annotated())
    return [name for name in experiments_at("edge") if study.experiments[name].dataset not in cells]


@cache
def experiments_at(level):
    """Experiments whose task is about a node, an edge or a graph."""
    return [n for n, one in study.experiments.items() if study.tasks[one.task].level == level]


def motion_floor(experiment):
    """What other than one D of an object the floors of an experiment are about; None: D."""
    one = study.experiments[experiment]
    if study.datasets[one.dataset].cells or study.tasks[one.task].level == "edge":
        return None
    if study.datasets[one.dataset].simulate.motion == "switching":
        return "switching"
    target = study.tasks[one.task].variable
    return None if target == "displacement_scaling" else target


FLOORS_OF_MOTION = ("exponent", "video_exponent", "fractions", "switching")


def of_videos(floor):
    """How the name of a layout begins: of whole videos, or of their localizations."""
    return "video_" if floor in ("video_exponent", "fractions") else ""


def here(experiment):
    """Is all that an experiment learns from on this machine?"""
    return study.experiments[experiment].dataset not in missing


def on_demand(figure):
    """Is a figure made only where it is asked for by name?"""
    return any(study.experiments[name].on_demand for name in shown_by(figure))


def drawable(figure):
    """Is all that a figure shows on this machine?"""
    return all(here(name) for name in shown_by(figure))


def shown_by(figure):
    """Experiments that a figure shows, those of its sweeps among them."""
    names = {}
    for panel in study.figures[figure].panels.values():
        points = [point.experiment for point in swept.points.get(panel.of, ())]
        names |= dict.fromkeys(points if panel.of_sweep else [panel.of])
    return list(names)


def to_fetch():
    """Challenge sets that are not on this machine and whose provider has them."""
    return [name for name in fetch.CHECKSUMS if not Path("data/cells", name).exists()]


def recordings(dataset, split):
    """The recordings of a split of cells."""
    return getattr(study.datasets[dataset].cells, split)


def sources(dataset, split):
    """The recordings of a split, as plain data for `params`."""
    return [source.model_dump(mode="json") for source in recordings(dataset, split)]


@cache
def lag_of_overlaps(dataset):
    """Frames over which masks are compared: as far as any graph of these localizations reaches."""
    return max(
        one.graph.max_lag
        for name, one in study.datasets.items()
        if swept.owner(name, "localizations") == dataset
    )


def files_of(source):
    """Paths that a source is read from; of the challenge's own sets their folder, here or not."""
    if source.folder is None:
        return list(source.files.values())
    folder = Path(source.folder)
    if folder.parent.parent == Path("data/cells") and folder.parent.name in fetch.CHECKSUMS:
        read = [folder.parent]
    else:
        read = [folder.with_name(f"{folder.name}{part}") for part in ("", "_ST", "_GT")]
    others = [path for kind, path in source.files.items() if kind != "folder"]
    return [str(path) for path in read if path.exists() or len(read) == 1] + others


def stamp(*given):
    """Hash of names, sizes and times of what lies in the folders of sources.

    Snakemake would not notice a file that is changed in a folder. The challenge's own sets, which
    it may have fetched itself, are left out: those do not change.
    """
    files = [
        (str(file), file.stat().st_size, file.stat().st_mtime_ns)
        for source in given
        for path in map(Path, files_of(source))
        if path.is_dir() and path.name not in fetch.CHECKSUMS
        for file in sorted(path.rglob("*"))
    ]
    return hashlib.sha256(repr(files).encode()).hexdigest()[:16] if files else ""


def rivals(wildcards):
    """Tracks by every other linker that can link a data set; by overlap, where all have masks.

    None where several recordings are learned from: one choice of parameters does not fit them.
    Nor where another's network is tried: an experiment without `start` has them for these cells.
    """
    experiment = study.experiments[wildcards.experiment]
    dataset = experiment.dataset
    if experiment.start or len(recordings(dataset, "train")) > 1:
        return []
    everywhere = (*recordings(dataset, "train"), *recordings(dataset, "test"))
    masks = all(source.folder or source.masks for source in everywhere)
    return [
        f"results/data/{dataset}/test/coordinates/tracks_{linker}.zarr.zip"
        for linker in RIVALS
        if masks or linker != "laptrack_overlap"
    ]


def files_of_cells(dataset, split):
    """Paths that the recordings of a split are read from."""
    return [path for source in recordings(dataset, split) for path in files_of(source)]


wildcard_constraints:
    linker=any_of(RIVALS),
    dataset=any_of(study.datasets),
    experiment=any_of(study.experiments),
    figure=any_of(study.figures),
    sample=any_of(study.samples),
    scores=any_of(study.scores),
    seed=any_of(sorted({s for e in study.experiments.values() for s in e.seeds})),
    split=any_of(SPLITS),
    sweep=any_of(study.sweep),
    table=any_of(study.tables),
    tier=any_of(TIERS),


def runs():
    """Folders of the trainings for `all` that this machine has the data for."""
    experiments = study.experiments.items()
    return runs_of(name for name, one in experiments if here(name) and not one.on_demand)


def runs_of(experiments):
    """Folders of all trainings of some experiments."""
    return [
        f"results/runs/{name}/{tier}/seed{number}"
        for name in experiments
        for tier in study.experiments[name].tiers
        for number in study.experiments[name].seeds
    ]


def results_of_figure(name):
    files = (
        f"{name}.pdf",
        f"{name}.png",
        f"{name}.csv",
        f"{name}_scores.csv",
        f"{name}_scores.html",
    )
    return [f"results/figures/{file}" for file in files]


def scores_of_figure(name):
    """Scores of the trainings that a figure shows."""
    figure = study.figures[name]
    return [f"{first_run(of, figure.tier)}/scores.csv" for of in shown_by(name)]


def results_of_sweep(name):
    parts = [".csv", "_summary.csv", "_summary.html"]
    if sweeps.axes_of_numbers(points_here(name)):
        parts += [f"_curves.{kind}" for kind in ("pdf", "png", "csv")]
    return [f"results/sweeps/{name}{part}" for part in parts]


@cache
def points_of(sweep):
    """Of each point what is repeated, its place, the crowding, and files of its trainings.

    Points whose recordings are not here are left out, unless that were all.
    """
    points = []
    for of, name, place in points_here(sweep):
        experiment = study.experiments[name]
        dataset = study.datasets[experiment.dataset]
        crowding = None if dataset.cells else dataset.simulate.crowding
        trainings = [
            (
                f"results/runs/{name}/{tier}/seed{number}/scores.csv",
                f"results/runs/{name}/{tier}/seed{number}/checkpoint.safetensors",
                f"results/benchmarks/train/{name}/{tier}/seed{number}.tsv",
            )
            for tier in experiment.tiers
            for number in experiment.seeds
        ]
        points.append([of, place, crowding, trainings])
    return points


def results_of_table(name):
    return [f"results/tables/{name}.{kind}" for kind in ("csv", "html")]


def results_of_scores(name):
    return [f"results/scores/{name}.{kind}" for kind in ("csv", "html")]


def absent_of(table):
    """Experiments of a table whose recordings are not here, and the first path missing."""
    datasets = {of: study.experiments[of].dataset for of in study.tables[table].columns}
    return {of: missing[dataset] for of, dataset in datasets.items() if dataset in missing}


def present(sweep):
    """The points of a sweep whose recordings, if any, are on this machine."""
    return [point for point in swept.points[sweep] if here(point.experiment)]


def points_here(sweep):
    """Those, or all if that were none."""
    return present(sweep) or swept.points[sweep]


def results_of_sample(name):
    if study.samples[name].cells:
        files = ("cells.csv", "cells.parquet", "napari.csv", "napari_graph.json", "summary.json")
        drawn = ("figure.pdf", "figure.png", "figure.csv", "movie.gif")
        folders = ("challenge", "geff")
        return [f"results/samples/{name}/{file}" for file in files + drawn + folders]
    if name in samples_about("video_exponent", "fractions"):
        return [f"results/samples/{name}/{file}" for file in ("video.csv", "summary.json")]
    kinds = ("localizations.csv", "localizations.parquet", "summary.json")
    if name in samples_about("exponent"):
        return [f"results/samples/{name}/{file}" for file in kinds]
    kinds += ("diffusion_map.tif",)
    drawn = ("figure.pdf", "figure.png", "figure.csv")
    return [f"results/samples/{name}/{file}" for file in kinds + drawn]


def code(script):
    """Hash of a script and the modules it rests on: the trigger that Snakemake lacks."""
    return layers.fingerprint(ROOT / "workflow" / "scripts" / f"{script}.py")


def section(*path):
    """One section of a data set, an experiment or a sample, as plain data for `params`."""

    def of(wildcards):
        kind, *fields = path
        part = getattr(study, f"{kind}s")[wildcards[kind]]
        for field in fields:
            part = getattr(part, field)
        return part.model_dump(mode="json")

    return of


def simulate_of_experiment(wildcards):
    """How the data set of an experiment is simulated, as plain data for `params`."""
    dataset = study.experiments[wildcards.experiment].dataset
    return study.datasets[dataset].simulate.model_dump(mode="json")


def named(kind):
    """The network, task or recipe that an experiment names, as plain data for `params`."""

    def of(wildcards):
        name = getattr(study.experiments[wildcards.experiment], kind)
        return getattr(study, f"{kind}s")[name].model_dump(mode="json")

    return of


def seed(*names):
    """The seed of a stage, from its name and its wildcards."""
    return lambda wildcards: study.seed_of(*names, *wildcards)


def truth_of(wildcards):
    """The simulation of a data set; points of a sweep may share one."""
    owner = swept.owner(wildcards.dataset, "truth")
    return f"results/data/{owner}/{wildcards.split}/truth.zarr.zip"


def localizations_of(wildcards, split=None):
    """The localizations that a data set's graphs are built from; points of a sweep may share."""
    owner = swept.owner(wildcards.dataset, "localizations")
    split = split or wildcards.split
    return f"results/data/{owner}/{split}/{wildcards.tier}/localizations.zarr.zip"


def start_of(wildcards):
    """The checkpoint that a training begins with, if any: the same seed's where there is one."""
    start = study.experiments[wildcards.experiment].start
    if start is None or start.endswith(".safetensors"):
        return start or []
    seeds = study.experiments[start].seeds
    number = int(wildcards.seed) if int(wildcards.seed) in seeds else seeds[0]
    return f"results/runs/{start}/{wildcards.tier}/seed{number}/checkpoint.safetensors"


def of_dataset(path):
    """Input function: `path` with the experiment's data set filled in, or the one it shares."""
    stage = next((name for name in ("truth", "localizations") if f"{name}.zarr" in path), "")

    def of(wildcards):
        dataset = swept.owner(study.experiments[wildcards.experiment].dataset, stage)
        return path.format(**dict(wildcards.items()), dataset=dataset)

    return of


def link_free_of(wildcards):
    """The link-free floor of an experiment's data set, where that asks for one."""
    name = study.experiments[wildcards.experiment].dataset
    if not study.datasets[name].link_free or wildcards.tier != "coordinates":
        return []
    return f"results/data/{name}/test/coordinates/floors_link_free.zarr.zip"


def about(experiment):
    """What a model card says beside what its checkpoint knows, as plain data for `params`."""
    dataset = study.datasets[study.experiments[experiment].dataset]
    told = {"cells", "graph"} if dataset.cells else {"simulate", "observe", "graph", "splits"}
    return {
        "name": experiment,
        "scale": study.scale,
        "study_seed": study.seed,
        "commit": commit(),
        "dataset": dataset.model_dump(mode="json", include=told),
    }


@cache
def commit():
    """Of the code, with a mark where it was changed since."""
    if not shutil.which("git"):
        return "unknown: no git"
    asked = ("describe", "--always", "--exclude=*", "--abbrev=40", "--dirty=, changed since")
    told = subprocess.run(["git", "-C", str(ROOT), *asked], capture_output=True, text=True)
    return told.stdout.strip() or "unknown: not a git checkout"


def has_map(experiment):
    """Is there a true map of D to compare with?"""
    if experiment not in experiments_at("node"):
        return False
    return study.datasets[study.experiments[experiment].dataset].simulate.motion == "landscape"


def samples_of_cells():
    """Samples that are linked to lineages."""
    return [name for name, sample in study.samples.items() if sample.cells]


def samples_about(*targets):
    """Samples of which one of these is asked: variables of a graph."""
    task_of = {name: study.experiments[s.experiment].task for name, s in study.samples.items()}
    return [name for name, task in task_of.items() if study.tasks[task].variable in targets]


def linking_of_sample(name):
    """How a sample of cells is linked."""
    sample = study.samples[name]
    return sample.linking or study.experiments[sample.experiment].linking


def network_of_sample(wildcards):
    """The checkpoint that a sample uses: one that ships, or the experiment's own training."""
    name = study.samples[wildcards.sample].experiment
    return study.experiments[name].weights or f"{first_run(name)}/checkpoint.safetensors"


def first_run(experiment, tier="coordinates"):
    """Folder of the training that figures show, that serves samples and may ship."""
    return f"results/runs/{experiment}/{tier}/seed{study.experiments[experiment].seeds[0]}"


def drawn_from(panel):
    """Kinds of stores that a panel is drawn from; whole videos have predictions of their own."""
    if panel.of_sweep:
        return DRAWN[panel.panel]
    level = study.tasks[study.experiments[panel.of].task].level
    own = {"predictions": "video_predictions"} if level == "graph" else {}
    kinds = [own.get(kind, kind) for kind in DRAWN[panel.panel]]
    return kinds + (["localizations"] if panel.panel == "frame" and panel.motion else [])


def panels(wildcards):
    """For each letter of a figure what its kind of panel draws: stores and scores, by path.

    `cells` is the first recording of the test split itself, as settings.
    """
    figure = study.figures[wildcards.figure]
    files = {}
    for letter, panel in figure.panels.items():
        if panel.of_sweep:
            files[letter] = {"sweep": f"results/sweeps/{panel.of}.csv"}
            continue
        experiment = study.experiments[panel.of]
        data = f"results/data/{experiment.dataset}"
        run = first_run(panel.of, figure.tier)
        files[letter] = {
            kind: path
            for kind, path in {
                "movie": f"{data}/{'long' if has_map(panel.of) else 'test'}/still.zarr.zip",
                "localizations": f"{data}/test/{figure.tier}/localizations.zarr.zip",
                "graphs": f"{data}/test/{figure.tier}/graphs.zarr.zip",
                "video_predictions": f"{run}/predictions_test.zarr.zip",
                "change_points": f"{run}/change_points_test.zarr.zip",
                "attention": f"{run}/attention.zarr.zip",
                "predictions": f"{run}/predictions_test.zarr.zip",
                "scores": f"{run}/scores.csv",
                "maps": f"{run}/maps.zarr.zip",
                "tracks": f"{run}/tracks_test.zarr.zip",
                "edges": f"{run}/edges_test.zarr.zip",
            }.items()
            if kind in drawn_from(panel)
        }
        if "cells" in drawn_from(panel):
            files[letter]["cells"] = sources(experiment.dataset, "test")[0]
    return files


def files_of_panels(wildcards):
    """Every file that a figure is drawn from."""
    files = set()
    for letter, drawn in panels(wildcards).items():
        files |= {path for path in drawn.values() if isinstance(path, str)}
        if "cells" in drawn:
            of = study.figures[wildcards.figure].panels[letter].of
            files |= set(files_of_cells(study.experiments[of].dataset, "test"))
    return sorted(files)


def thousands(wildcards):
    """Size of a data set's split, in thousands of localizations."""
    name = wildcards.get("dataset") or study.experiments[wildcards.experiment].dataset
    if name in annotated():
        return 300  # for the largest sets here, whose windows hold many cells
    simulate, videos = study.datasets[name].of_split(wildcards.get("split", "train"))
    return videos * max(simulate.frames) * max(simulate.particles) / 1000


def megabytes(base, per_thousand):
    """Memory that grows with the data and with each attempt, MB."""
    return lambda wildcards, attempt: attempt * int(base + per_thousand * thousands(wildcards))


def minutes(base, per_thousand):
    """Run time that grows with the data and with each attempt."""
    return lambda wildcards, attempt: attempt * int(base + per_thousand * thousands(wildcards))


def wants_gpu(experiment):
    """1 unless the recipe says cpu; a job that found no GPU runs on the CPU all the same."""
    return 0 if study.recipes[study.experiments[experiment].recipe].device == "cpu" else 1


SECONDS_PER_THOUSAND_NODES = 0.13
"""Of one graph pass of a training, on one core of a laptop; for the outlook only."""


SECONDS_PER_WINDOW_OF_CELLS = 0.1
"""Of one pass of a training on recorded cells, likewise."""


def left_out(targets):
    """What of these targets, or of all, is not made, as its recordings are not on this machine."""
    for name, figure in study.figures.items():
        absent = {study.experiments[of].dataset for of in shown_by(name)}
        absent = [missing[dataset] for dataset in sorted(absent) if dataset in missing]
        if absent and "all" in targets:
            fetched = any(Path(absent[0]).parent.name == of for of in to_fetch())
            yield (
                f"  {name}: skipped, '{absent[0]}' is not on this machine. Put it there"
                + (f"; `snakemake --cores all {name}` downloads it" if fetched else "")
            )
    for name in study.tables:
        for of, path in absent_of(name).items():
            folder = Path(path).parent
            fetched = (
                f"; `snakemake --cores 1 {folder}` downloads it"
                if folder.name in to_fetch()
                else ""
            )
            if name in targets:
                yield f"  {name}: without {of}, '{path}' is not on this machine (data/README.md){fetched}"


SHOWN = 12
"""Trainings that are listed before a run; of more the rest are counted."""


def outlook(jobs, targets):
    """What lies ahead: trainings take the time, the rest takes minutes; and what is left out."""
    jobs = list(jobs)
    minutes = {
        job.output[0].rpartition("/")[0]: training_minutes(job.wildcards.experiment)
        for job in jobs
        if job.rule.name == "train"
    }
    longest = sorted(minutes, key=minutes.get, reverse=True)
    lines = [f"  {run}: about {minutes[run]:.0f} min" for run in longest[:SHOWN]]
    if len(longest) > SHOWN:
        lines.append(f"  and {len(longest) - SHOWN} shorter ones")
    if lines:
        lines.append("  to follow one: tail -f results/logs/train/*/*/*.log (loss and time left)")
    told = "none of them a training: minutes."
    if longest:
        told = f"{len(longest)} of them trainings, of {sum(minutes.values()):.0f} min in all on one core:"
    head = f"magik, scale {study.scale}: jobs: {len(jobs)}, {told}"
    return "\n".join([head, *lines, *left_out(targets or {"all"})])


def training_minutes(name):
    """A guess from the number of graph passes and their size; a GPU is many times faster."""
    experiment = study.experiments[name]
    recipe = study.recipes[experiment.recipe]
    if name in linking_experiments():
        return recipe.epochs * recipe.samples_per_epoch * SECONDS_PER_WINDOW_OF_CELLS / 60
    simulate, _ = study.datasets[experiment.dataset].of_split("train")
    frames = sum(recipe.window or simulate.frames) / 2
    nodes = frames * sum(simulate.particles) / 2
    passes = recipe.epochs * recipe.samples_per_epoch
    return passes * nodes / 1000 * SECONDS_PER_THOUSAND_NODES / 60
