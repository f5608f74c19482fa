"""Graphs -> a trained network, resumed where a killed run left off. How: magik.train."""

from magik import job, train
from magik.config import Features, Network, Recipe, Task

params = snakemake.params
job.start(snakemake.log[0], rule=snakemake.rule, seed=params.seed, device=params.recipe["device"])
train.fit(
    snakemake.input.graphs,
    snakemake.input.validation,
    snakemake.output.checkpoint,
    job.side_file(snakemake.output.checkpoint, snakemake.input, dict(params.items())),
    task=Task(**params.task),
    settings=Network(**params.network),
    recipe=Recipe(**params.recipe),
    features=Features(**params.features),
    seed=params.seed,
    start=snakemake.input.start or None,
)
