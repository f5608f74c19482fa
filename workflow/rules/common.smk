"""The study, as config.yaml declares it, and what the rules ask of it. No rules here."""

import sys
from pathlib import Path

from magik import layers
from magik.config import SPLITS, TIERS, load, read_yaml
from magik.errors import InputError

ROOT = Path(workflow.basedir)

try:
    read_yaml("config.yaml")  # Snakemake itself would name neither file nor line
except InputError as error:
    sys.exit(f"error: {error}")


configfile: "config.yaml"


try:
    study = load(config, ROOT / "workflow" / "scales")
    study.must_find_files(".")
except InputError as error:
    sys.exit(f"error: {error}")


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


def results_of_figure(name):
    return [f"results/figures/{name}.{kind}" for kind in ("pdf", "png", "csv")]


def results_of_sample(name):
    return [f"results/samples/{name}/maps.zarr.zip"]


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


def of_sample(path):
    """Input function: `path` with the experiment whose network a sample uses, and its seed."""

    def of(wildcards):
        name = study.samples[wildcards.sample].experiment
        return path.format(experiment=name, seed=study.experiments[name].seeds[0])

    return of


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
