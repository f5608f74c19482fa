"""The study, as config.yaml declares it, and what the rules ask of it. No rules here."""

import sys
from pathlib import Path

from magik import layers
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
    study.must_find_files(".")
except InputError as error:
    sys.exit(f"error: {error}")


DRAWN = {
    "frame": ["movie"],
    "truth_graph": ["graphs", "predictions"],
    "predicted_graph": ["graphs", "predictions"],
    "density": ["predictions", "scores"],
    "true_map": ["maps"],
    "map": ["maps"],
}


def any_of(names):
    """A wildcard's pattern: one of these names, or nothing at all."""
    return "|".join(map(str, names)) or "(?!)"


wildcard_constraints:
    dataset=any_of(study.datasets),
    experiment=any_of(study.experiments),
    figure=any_of(study.figures),
    sample=any_of(study.samples),
    seed=any_of(sorted({s for e in study.experiments.values() for s in e.seeds})),
    split=any_of(SPLITS),
    tier=any_of(TIERS),


def runs():
    """Folders of all trainings that the study declares."""
    return [
        f"results/runs/{name}/{tier}/seed{number}"
        for name, experiment in study.experiments.items()
        for tier in experiment.tiers
        for number in experiment.seeds
    ]


def results_of_figure(name):
    return [f"results/figures/{name}.{kind}" for kind in ("pdf", "png", "csv")]


def results_of_sample(name):
    kinds = ("localizations.csv", "localizations.parquet", "diffusion_map.tif", "summary.json")
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


def named(kind):
    """The network, task or recipe that an experiment names, as plain data for `params`."""

    def of(wildcards):
        name = getattr(study.experiments[wildcards.experiment], kind)
        return getattr(study, f"{kind}s")[name].model_dump(mode="json")

    return of


def seed(*names):
    """The seed of a stage, from its name and its wildcards."""
    return lambda wildcards: study.seed_of(*names, *wildcards)


def of_dataset(path):
    """Input function: `path` with the experiment's data set filled in."""

    def of(wildcards):
        dataset = study.experiments[wildcards.experiment].dataset
        return path.format(**dict(wildcards.items()), dataset=dataset)

    return of


def has_map(experiment):
    """Is there a true map of D to compare with?"""
    return study.datasets[study.experiments[experiment].dataset].simulate.motion == "landscape"


def of_sample(path):
    """Input function: `path` with the experiment whose network a sample uses, and its seed."""

    def of(wildcards):
        name = study.samples[wildcards.sample].experiment
        return path.format(experiment=name, seed=study.experiments[name].seeds[0])

    return of


def panels(wildcards):
    """For each letter of a figure the files that its kind of panel draws, by what they are."""
    figure = study.figures[wildcards.figure]
    files = {}
    for letter, panel in figure.panels.items():
        experiment = study.experiments[panel.of]
        data = f"results/data/{experiment.dataset}"
        run = f"results/runs/{panel.of}/{figure.tier}/seed{experiment.seeds[0]}"
        files[letter] = {
            kind: path
            for kind, path in {
                "movie": f"{data}/{'long' if has_map(panel.of) else 'test'}/still.zarr.zip",
                "graphs": f"{data}/test/{figure.tier}/graphs.zarr.zip",
                "predictions": f"{run}/predictions_test.zarr.zip",
                "scores": f"{run}/scores.csv",
                "maps": f"{run}/maps.zarr.zip",
            }.items()
            if kind in DRAWN[panel.panel]
        }
    return files


def trained_on(wildcards):
    """The data set that the network of a sample was trained on."""
    return study.datasets[study.experiments[study.samples[wildcards.sample].experiment].dataset]


def thousands(wildcards):
    """Size of a data set's split, in thousands of localizations."""
    name = wildcards.get("dataset") or study.experiments[wildcards.experiment].dataset
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


def outlook():
    """What lies ahead: trainings take the time, the rest takes minutes."""
    lines = [
        f"  {run}: about {training_minutes(run.split('/')[2]):.0f} min on a CPU"
        for run in runs()
        if not Path(run, "checkpoint.safetensors").exists()
    ]
    if not lines:
        return "magik: every network is trained; what is left takes minutes."
    follow = "  to follow one: tail -f results/logs/train/*/*/*.log (loss and time left)"
    head = f"magik, scale {study.scale}: {len(lines)} networks are not trained yet; those needed"
    return "\n".join([f"{head} take", *lines, follow])


def training_minutes(name):
    """A guess from the number of graph passes and their size; a GPU is many times faster."""
    experiment = study.experiments[name]
    recipe = study.recipes[experiment.recipe]
    simulate, _ = study.datasets[experiment.dataset].of_split("train")
    frames = sum(recipe.window or simulate.frames) / 2
    nodes = frames * sum(simulate.particles) / 2
    passes = recipe.epochs * recipe.samples_per_epoch
    return passes * nodes / 1000 * SECONDS_PER_THOUSAND_NODES / 60
