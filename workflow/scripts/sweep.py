"""Scores and costs of every point of a sweep -> one tidy table, and its means: magik.metrics."""

from magik import job, metrics

job.start(snakemake.log[0], rule=snakemake.rule)
points = snakemake.params.points
tables = [
    (of, place, c, [metrics.read_training(*training) for training in trainings])
    for of, place, c, trainings in points
]
table = metrics.of_sweep(tables)
metrics.write(table, snakemake.output.csv)
summary = metrics.summary_of_sweep(table)
metrics.write(summary, snakemake.output.summary)
metrics.write_page(summary, snakemake.output.html)
