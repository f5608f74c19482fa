"""Checkpoint and scores -> a network to ship, with its model card. How: magik.cards."""

from pathlib import Path

from magik import cards, job, metrics
from magik.config import Published

given, made, params = snakemake.input, snakemake.output, snakemake.params
job.start(snakemake.log[0], rule=snakemake.rule)
with job.whole(made.weights) as aside:
    aside.write_bytes(Path(given.checkpoint).read_bytes())
published = [Published(**number) for number in params.published]
scores = metrics.collect([metrics.read(given.scores)], published)
cards.write(made.weights, scores, made.card, **params.about)
