"""Scores of all trainings -> one table, beside floors and the paper. How: magik.metrics."""

from magik import job, metrics
from magik.config import Published

job.start(snakemake.log[0], rule=snakemake.rule)
table = metrics.collect(
    [metrics.read(path) for path in snakemake.input.scores],
    [Published(**number) for number in snakemake.params.published],
)
metrics.write(table, snakemake.output.csv)
metrics.write_page(table, snakemake.output.html)
